#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the mode-switching ROM on the software CPU; prints its speed."""
import subprocess, sys, time

exe, rom = sys.argv[1:3]
loops = int(sys.argv[3])
for opts in ('tcg', 'tcg,thread=single', 'tcg,one-insn-per-tb=on'):
    if loops > 1000000 and 'one-insn' in opts:
        continue
    t = time.time()
    p = subprocess.run(
        [exe, '-accel', opts, '-cpu', 'max', '-M', 'pc', '-m', '64',
         '-display', 'none', '-nodefaults', '-bios', rom, '-chardev',
         'stdio,id=d', '-device', 'isa-debugcon,iobase=0xe9,chardev=d',
         '-device', 'isa-debug-exit,iobase=0xf4'],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=20)
    t = time.time() - t
    assert p.stdout == b'RPLX', (opts, p.stdout)
    assert p.returncode == 1, (opts, p.returncode)
    print('%s: ok, %.0f MIPS with start-up' % (opts, loops * 6 / t / 1e6))
