#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No page of the program is ever writable and executable at once, and the
JIT's memory is what tb-size says: /proc/PID/maps while a guest runs.

usage: test-maps.py EMULATOR ROM
"""
import subprocess
import sys

exe, rom = sys.argv[1:3]
SIZE = 16
p = subprocess.Popen(
    [exe, '-accel', 'tcg,x-jit-threshold=0,tb-size=%d' % SIZE, '-cpu', 'max',
     '-smp', '2', '-m', '64', '-display', 'none', '-nodefaults', '-bios', rom,
     '-chardev', 'stdio,id=d', '-device',
     'isa-debugcon,iobase=0xe9,chardev=d', '-device',
     'isa-debug-exit,iobase=0xf4'],
    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
looks = seen = most = 0
try:
    while seen < 100:
        with open('/proc/%d/maps' % p.pid) as f:
            lines = f.read().splitlines()
        if not lines:
            break  # it has ended
        code = 0
        for line in lines:
            perms = line.split()[1]
            assert 'w' not in perms or 'x' not in perms, line
            if perms == 'r-xs':  # only the JIT's is shared
                lo, hi = (int(x, 16) for x in line.split()[0].split('-'))
                code += hi - lo
        looks += 1
        seen += code > 0
        most = max(most, code)
finally:
    p.kill()
    p.wait()
print('%d looks, %d bytes of generated code' % (looks, most))
assert 0 < most <= SIZE << 20
