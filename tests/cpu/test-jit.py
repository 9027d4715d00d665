#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random instructions in a guest under the JIT against the host's own results.

usage: test-jit.py EMULATOR INSN-FUZZ [COUNT [FIRST [CPU]]]

Needs a Linux kernel: $GUEST_KERNEL, or the one that scripts/run has made
beside the emulator.  Skipped without.  No sequence may differ: what the manual
leaves undefined the interpreter has from the host, as copied code has, and
what the host leaves behind a fault the fuzzer masks.
"""
import os
import subprocess
import sys
import tempfile
import threading

emu, fuzz = sys.argv[1:3]
count = sys.argv[3] if len(sys.argv) > 3 else '1000'
first = sys.argv[4] if len(sys.argv) > 4 else '0'
cpu = sys.argv[5] if len(sys.argv) > 5 else 'max'
kernel = os.environ.get('GUEST_KERNEL') or os.path.join(
    os.path.dirname(os.path.abspath(emu)), 'guest', 'vmlinuz')
if not os.path.exists(kernel):
    print('no guest kernel')
    sys.exit(77)


def cpio_entry(name, mode, data=b'', rdev=(0, 0)):
    fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0)
    head = b'070701' + b''.join(b'%08x' % f for f in fields)
    out = head + name.encode() + b'\0'
    out += b'\0' * (-len(out) % 4) + data
    return out + b'\0' * (-len(out) % 4)


# The fuzzer is init: its arguments come from the kernel's command line, and
# the kernel panics when it is done, which ends the machine.
with open(fuzz, 'rb') as f:
    image = cpio_entry('dev', 0o40755) + \
        cpio_entry('dev/console', 0o20600, b'', (5, 1)) + \
        cpio_entry('init', 0o100755, f.read()) + cpio_entry('TRAILER!!!', 0)


def sequences(text):
    return {l.split()[0]: l.split()[1] for l in text.splitlines()
            if len(l.split()) >= 2 and l.split()[0].isdigit() and
            len(l.split()[1]) == 16}


host = sequences(subprocess.run([fuzz, first, count, 'v'], check=True,
                                stdout=subprocess.PIPE, text=True).stdout)
with tempfile.NamedTemporaryFile() as initrd:
    initrd.write(image)
    initrd.flush()
    p = subprocess.Popen(
        [emu, '-accel', 'tcg,x-jit-threshold=0', '-cpu', cpu, '-m', '256',
         '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
         '-kernel', kernel, '-initrd', initrd.name, '-append',
         'console=ttyS0 quiet panic=-1 no_timer_check -- %s %s v' % (first, count)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        errors='replace')
    timer = threading.Timer(250 + int(count) // 200, p.kill)
    timer.start()
    lines = []
    for line in p.stdout:
        lines.append(line)
        if line.startswith('total'):
            break
    timer.cancel()
    p.kill()
    p.wait()
guest = sequences(''.join(lines))
if len(guest) < int(count):
    print(''.join(lines[-20:]))
    sys.exit('the guest did not finish: %d sequences' % len(guest))
bad = [q for q in host if guest.get(q) != host[q]]
print('%d of %s differ: %s' % (len(bad), count, ' '.join(bad[:20])))
sys.exit(len(bad) > 0)
