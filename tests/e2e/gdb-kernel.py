#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gdb in a running Linux kernel with two processors: gdb-kernel.py EMULATOR.

The guest's shell tells addresses from /proc/kallsyms.  gdb attaches, meets a
hardware breakpoint and a watchpoint, steps, reads and writes memory and
registers of both processors, and lets the guest go on.  Skipped where gdb or
the guest (scripts/run makes it) are absent: GDB_KERNEL and GDB_INITRD name
others.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

EMU = os.path.abspath(sys.argv[1])
GUEST = os.path.join(os.path.dirname(EMU), 'guest')
KERNEL = os.environ.get('GDB_KERNEL', GUEST + '/vmlinuz')
INITRD = os.environ.get('GDB_INITRD', GUEST + '/initrd.gz')


class Console:
    """The guest's shell on a socket."""

    def __init__(self, sock):
        self.s, self.text = sock, ''
        self.cond = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while data := self.s.recv(65536):
            with self.cond:
                self.text += data.decode('latin-1')
                self.cond.notify_all()

    def wait(self, pattern, seconds=120):
        with self.cond:
            ok = self.cond.wait_for(lambda: re.search(pattern, self.text),
                                    seconds)
            assert ok, (pattern, self.text[-2000:])
            return re.search(pattern, self.text)

    def say(self, line):
        self.s.sendall(line.encode() + b'\n')


def gdb(path, commands):
    args = ['gdb', '-batch', '-nx', '-ex', f'target remote {path}']
    for c in commands:
        args += ['-ex', c]
    r = subprocess.run(args, capture_output=True, text=True, timeout=120,
                       stdin=subprocess.DEVNULL)
    return r.stdout + r.stderr


def main(tmp):
    path = os.path.join(tmp, 'gdb')
    ours, theirs = socket.socketpair()
    p = subprocess.Popen(
        [EMU, '-accel', 'tcg', '-M', 'pc', '-cpu', 'max', '-smp', '2', '-m',
         '512', '-nodefaults', '-display', 'none', '-kernel', KERNEL,
         '-initrd', INITRD, '-append', 'console=ttyS0 quiet nokaslr nopti',
         '-chardev', f'socket,id=c,fd={theirs.fileno()}', '-serial',
         'chardev:c', '-gdb', f'unix:{path}'], pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        con = Console(ours)
        con.wait(r'BusyBox v|GUEST READY')
        con.say('echo 0 > /proc/sys/kernel/kptr_restrict')
        con.say('grep -E " (jiffies_64|__x64_sys_getuid|linux_banner|'
                'panic_timeout)$" /proc/kallsyms; echo "ALL "OF')
        con.wait('ALL OF')
        sym = {m[1]: int(m[0], 16) for m in
               re.findall(r'([0-9a-f]{16}) \w (\w+)', con.text)}
        func, jiffies = sym['__x64_sys_getuid'], sym['jiffies_64']
        banner, timeout = sym['linux_banner'], sym['panic_timeout']
        # Both processors run; one calls what the breakpoint waits for.
        con.say('(while :; do id -u; done > /dev/null) &')
        out = gdb(path, [
            'info threads', 'thread 1', 'info registers rip cr3',
            'thread 2', 'info registers rip cr3', f'x/s {banner:#x}',
            f'hbreak *{func:#x}', 'continue', 'p/x $pc', 'stepi', 'stepi',
            'p/x $pc', 'delete', f'watch *(long *){jiffies:#x}', 'continue',
            'delete',
            # Memory, seen by both.
            f'set var *(int *){timeout:#x} = 77', 'thread 1',
            f'p *(int *){timeout:#x}', 'thread 2', f'p *(int *){timeout:#x}',
            # A register of each, there and back.
            'thread 1', 'set $old = $r15', 'set var $r15 = 0x1111',
            'thread 2', 'set $old2 = $r15', 'set var $r15 = 0x2222',
            'thread 1', 'p/x $r15', 'set var $r15 = $old',
            'thread 2', 'p/x $r15', 'set var $r15 = $old2', 'detach'])
        for sign in (r'CPU#0', r'CPU#1', r'"Linux version \d',
                     r'hit (Hardware assisted )?[Bb]reakpoint 1|Breakpoint 1,',
                     r'= %#x\n' % func, r'Hardware watchpoint 2',
                     r'Old value = \d+\s+New value = \d+', r'= 77\n(.*\n){2}.*= 77',
                     r'= 0x1111\n', r'= 0x2222\n', r'detached'):
            assert re.search(sign, out), (sign, out)
        pcs = [int(x, 16) for x in re.findall(r'\$\d+ = (0xf\w+)', out)]
        assert pcs[0] == func and func < pcs[1] < func + 64, out
        con.say('cat /proc/sys/kernel/panic; echo "ST"ILL')
        con.wait(r'77\r?\nSTILL')
        print('ok 1 - gdb in the kernel')
    finally:
        p.kill()
        p.wait()


print('1..1')
if not shutil.which('gdb') or not os.path.exists(KERNEL):
    print('ok 1 - # SKIP wants gdb and a guest kernel')
else:
    with tempfile.TemporaryDirectory() as t:
        main(t)
