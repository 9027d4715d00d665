#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two CPUs: memory order, atomics, changing code.

usage: smp.py EMULATOR ROM [SECONDS]    again and again for so long
"""
import subprocess
import sys
import time

exe, rom = sys.argv[1:3]
end = time.time() + (float(sys.argv[3]) if len(sys.argv) > 3 else 0)
runs = 0
while True:
    for accel in ('tcg,x-jit-threshold=0', 'tcg,engine=interp'):
        p = subprocess.run(
            [exe, '-accel', accel, '-cpu', 'max', '-smp', '2', '-m', '64',
             '-display', 'none', '-nodefaults', '-bios', rom, '-chardev',
             'stdio,id=d', '-device', 'isa-debugcon,iobase=0xe9,chardev=d',
             '-device', 'isa-debug-exit,iobase=0xf4'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=280)
        print(accel, p.stdout.decode(), flush=True)
        assert p.stdout == b'TALPZ' and p.returncode == 1, p.returncode
    runs += 1
    if time.time() >= end:
        break
print('%d runs of each engine' % runs)
