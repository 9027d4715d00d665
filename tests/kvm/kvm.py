#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own small guest under KVM, with each kind of interrupt controller, and
under the software CPU: the same letters; stop, cont and a round trip of the
state in the middle of its counting."""
import json, os, re, socket, subprocess, sys, tempfile, time

exe, rom = sys.argv[1:3]


def kvm_error():
    p = subprocess.run([exe, '-accel', 'kvm', '-M', 'none', '-S', '-display',
                        'none', '-monitor', 'stdio', '-serial', 'none'],
                       input=b'quit\n', stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=30)
    return p.returncode, p.stderr.decode()


class Guest:
    def __init__(self, accel, smp=2):
        self.dir = tempfile.TemporaryDirectory()
        path = self.dir.name + '/qmp'
        self.log = self.dir.name + '/log'
        self.p = subprocess.Popen(
            [exe, '-accel', accel, '-M', 'pc', '-m', '16', '-smp', str(smp),
             '-display', 'none', '-nodefaults', '-bios', rom, '-no-reboot',
             '-chardev', 'file,id=d,path=' + self.log,
             '-device', 'isa-debugcon,iobase=0xe9,chardev=d',
             '-device', 'isa-debug-exit,iobase=0xf4',
             '-qmp', 'unix:%s,server=on,wait=off' % path],
            stderr=subprocess.PIPE)
        end = time.monotonic() + 30
        while True:
            try:
                self.s = socket.socket(socket.AF_UNIX)
                self.s.connect(path)
                break
            except OSError:
                if self.p.poll() is not None or time.monotonic() > end:
                    raise SystemExit('not ok: ' + self.p.stderr.read().decode())
        self.f = self.s.makefile('rw')
        self.f.readline()
        self.cmd('qmp_capabilities')

    def cmd(self, name, **args):
        self.f.write(json.dumps({'execute': name, 'arguments': args}) + '\n')
        self.f.flush()
        while True:
            r = json.loads(self.f.readline())
            if 'return' in r:
                return r['return']
            assert 'error' not in r, r

    def text(self):
        with open(self.log) as f:
            return f.read()

    def wait(self, what, limit=60):
        """Until `what` of the text so far is true."""
        end = time.monotonic() + limit
        while not what(self.text()):
            assert self.p.poll() is None, 'it ended: ' + self.text()
            assert time.monotonic() < end, 'only %r' % self.text()
            self.cmd('query-status')  # paces us by the emulator's own work
        return self.text()

    def quit(self):
        self.f.write('{"execute":"quit"}\n')
        self.f.flush()
        assert self.p.wait(30) == 0


def counts(text):
    digits = re.sub('^[A-Z]*', '', text)
    assert '!' not in text, text
    assert digits == ('0123456789' * (len(digits) // 10 + 1))[:len(digits)], \
        'digits out of order: ' + digits
    return len(digits)


def run(accel):
    g = Guest(accel)
    g.wait(lambda t: counts(t) >= 5)
    assert g.text().startswith('PMRTAS0'), g.text()
    g.cmd('stop')
    stood = g.text()
    regs = g.cmd('human-monitor-command', **{'command-line': 'info registers'})
    assert 'EIP=' in regs, regs
    assert g.text() == stood, 'it ran while it was stopped'
    g.cmd('cont')
    n = counts(g.wait(lambda t: counts(t) >= counts(stood) + 3))
    for _ in range(3):
        g.cmd('x-vmstate-roundtrip')
        n = counts(g.wait(lambda t: counts(t) >= n + 3))
    g.cmd('system_reset')
    g.p.wait(30)  # -no-reboot


names = ['tcg']
status, why = kvm_error()
if status:
    assert 'kvm' in why.lower(), why
    print('skipped under KVM:', why.strip().splitlines()[0])
else:
    names += ['kvm,kernel-irqchip=' + x for x in ('on', 'split', 'off')]
for name in names:
    start = time.monotonic()
    run(name)
    print('ok %s (%.1f s)' % (name, time.monotonic() - start), flush=True)
