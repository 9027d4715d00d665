#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots on the software CPU: boot.py EMULATOR.

SeaBIOS with 1, 2 and 8 processors to its last words (debug console), and
Linux to user space where a kernel and an initrd are at hand: BOOT_KERNEL and
BOOT_INITRD name them, else build/guest of scripts/run has them.  What is
absent is skipped with a line.
"""
import os
import re
import socket
import json
import subprocess
import sys
import tempfile
import time

EMU = sys.argv[1]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
results = {'passed': 0, 'failed': 0, 'skipped': 0}


def wait_for(path, pattern, proc, seconds):
    """The text of @path once @pattern is in it, or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = ''
        if os.path.exists(path):
            with open(path, 'rb') as f:
                text = f.read().decode('latin-1')
            if re.search(pattern, text):
                return text
        if proc.poll() is not None:
            return None
        try:
            proc.wait(0.1)
        except subprocess.TimeoutExpired:
            pass
    return None


def qmp(path, *commands):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        f = s.makefile('rw')
        f.readline()
        for name in ('qmp_capabilities',) + commands:
            f.write(json.dumps({'execute': name}) + '\n')
            f.flush()
            while 'return' not in (reply := json.loads(f.readline())):
                if 'error' in reply:
                    raise RuntimeError(reply)
        return reply['return']


def case(name, args, log, pattern, seconds, check=None):
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, log)
        sock = os.path.join(tmp, 'qmp')
        argv = [EMU, '-accel', 'tcg', '-M', 'pc', '-nodefaults',
                '-display', 'none', '-vga', 'none', '-no-reboot',
                '-qmp', f'unix:{sock},server=on,wait=off']
        argv += [a.replace('@LOG@', path) for a in args]
        proc = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            text = wait_for(path, pattern, proc, seconds)
            ok = text is not None and (check is None or check(text))
            if ok:
                ok = qmp(sock, 'query-status')['status'] == 'running'
                qmp(sock, 'quit')
                ok = ok and proc.wait(10) == 0
        finally:
            proc.kill()
        if ok:
            results['passed'] += 1
            print('ok', name)
        else:
            results['failed'] += 1
            tail = (text or '')[-400:]
            if text is None and os.path.exists(path):
                with open(path, 'rb') as f:
                    tail = f.read().decode('latin-1')[-400:]
            print('not ok', name, '-', repr(tail), proc.stderr.read()[-400:])


def skip(name, why):
    results['skipped'] += 1
    print('ok', name, '# SKIP', why)


if any(os.path.exists(d + '/bios-256k.bin')
       for d in ('/usr/share/seabios', '/usr/share/qemu')):
    for n in (1, 2, 8, 255):
        case(f'seabios-smp{n}',
             ['-smp', str(n), '-m', '64', '-chardev', 'file,id=d,path=@LOG@',
              '-device', 'isa-debugcon,iobase=0x402,chardev=d'],
             'debug', r'No bootable device', 120,
             lambda t, n=n: f'Found {n} cpu(s)' in t)
    kernel = os.environ.get('BOOT_KERNEL', TOP + '/build/guest/vmlinuz')
    initrd = os.environ.get('BOOT_INITRD', TOP + '/build/guest/initrd.gz')
    if os.path.exists(kernel) and os.path.exists(initrd):
        for n in (1, 2, 8):
            case(f'linux-smp{n}',
                 ['-smp', str(n), '-m', '512', '-serial', 'file:@LOG@',
                  '-kernel', kernel, '-initrd', initrd,
                  '-append', 'console=ttyS0 no_timer_check'],
                 'serial', r'BusyBox v|GUEST READY', 120,
                 lambda t, n=n: 'Kernel panic' not in t and 'Oops' not in t and
                 (f'on {n} CPU' in t or f'GUEST cpus {n}' in t))
    else:
        skip('linux', 'no kernel (scripts/run fetches one)')
else:
    skip('seabios', 'no SeaBIOS (Debian package seabios)')
print('1..%d' % sum(results.values()))
sys.exit(1 if results['failed'] else 0)
