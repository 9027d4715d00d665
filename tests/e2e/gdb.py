#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gdb's remote protocol: gdb.py EMULATOR.

SeaBIOS under a client written here (registers, memory, breakpoints,
watchpoints, steps, threads, monitor commands), then under gdb itself where it
is installed.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

EMU = sys.argv[1]
ENTRY = 0xfe05b          # where the reset vector jumps to


class Rsp:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(path)
        self.buf = b''

    def byte(self):
        if not self.buf:
            self.buf = self.s.recv(65536)
            assert self.buf, 'closed'
        c, self.buf = self.buf[:1], self.buf[1:]
        return c

    def recv(self):
        while self.byte() != b'$':
            pass
        data = b''
        while (c := self.byte()) != b'#':
            data += c
        want = int(self.byte() + self.byte(), 16)
        assert sum(data) & 0xff == want
        self.s.sendall(b'+')
        return re.sub(rb'}(.)', lambda m: bytes([m[1][0] ^ 0x20]), data,
                      flags=re.S).decode('latin-1')

    def send(self, text):
        data = text.encode('latin-1')
        self.s.sendall(b'$%s#%02x' % (data, sum(data) & 0xff))

    def cmd(self, text):
        self.send(text)
        return self.recv()

    def ok(self, text):
        r = self.cmd(text)
        assert r == 'OK', (text, r)

    def monitor(self, line):
        text = ''
        self.send('qRcmd,' + line.encode().hex())
        while (t := self.recv()) != 'OK':
            text += bytes.fromhex(t[1:]).decode()
        return text

    def reg(self, n):
        return int.from_bytes(bytes.fromhex(self.cmd(f'p{n:x}')), 'little')


def xml_regs(r):
    text, at = '', 0
    while True:
        part = r.cmd(f'qXfer:features:read:target.xml:{at:x},ffb')
        text += part[1:]
        at += len(part) - 1
        if part[0] == 'l':
            break
    return {n: int(i) for n, i in
            re.findall(r'<reg name="(\w+)"[^>]*regnum="(\d+)"', text)}


def start(tmp, *more):
    path = os.path.join(tmp, 'gdb')
    p = subprocess.Popen([EMU, '-accel', 'tcg', '-M', 'pc', '-nodefaults',
                          '-display', 'none', '-S', '-m', '64',
                          '-gdb', f'unix:{path}', '-pidfile', tmp + '/pid',
                          *more])
    while not os.path.exists(path):
        assert p.poll() is None
    return p, path


def client(tmp):
    p, path = start(tmp, '-smp', '2')
    try:
        r = Rsp(path)
        assert 'qXfer:features:read+' in r.cmd('qSupported:multiprocess+')
        assert r.cmd('?').startswith('T05thread:p01.01;')
        regs = xml_regs(r)
        pc, ax = regs['rip'], regs['rax']
        for name in ('xmm15', 'mxcsr', 'st7', 'fop', 'fs_base', 'cr3'):
            assert name in regs, name
        assert r.reg(pc) == 0xfff0 and r.reg(regs['cs']) == 0xf000
        assert len(r.cmd('g')) > 2 * 164
        assert r.cmd('qfThreadInfo') == 'mp01.01,p01.02'
        assert r.cmd('qsThreadInfo') == 'l'
        assert r.cmd('vCont?') == 'vCont;c;C;s;S'
        # Registers and memory, both ways.
        r.ok(f'P{ax:x}=8877665544332211')
        assert r.reg(ax) == 0x1122334455667788
        r.ok(f'P{regs["xmm3"]:x}=' + '0123456789abcdef' * 2)
        assert r.cmd(f'p{regs["xmm3"]:x}') == '0123456789abcdef' * 2
        r.ok('M2000,4:deadbeef')
        r.ok('X2004,3:\x01}\x03}\x5d')
        assert r.cmd('m2000,7') == 'deadbeef01237d'
        assert r.cmd('mfffffff0,1') == 'ea'
        r.ok('Qqemu.PhyMemMode:1')
        assert r.cmd('qqemu.PhyMemMode') == '1'
        assert r.cmd('m2000,2') == 'dead'
        r.ok('Qqemu.PhyMemMode:0')
        # A step, a breakpoint (software and hardware kind).
        assert r.cmd('s').startswith('T05thread:p01.01;')
        assert r.reg(pc) == 0xe05b
        r.ok('P%x=%s' % (pc, (0xfff0).to_bytes(8, 'little').hex()))
        for kind in '01':
            r.ok(f'Z{kind},{ENTRY:x},1')
            r.ok('P%x=%s' % (pc, (0xfff0).to_bytes(8, 'little').hex()))
            assert r.cmd('vCont;c').startswith('T05')
            assert r.reg(pc) == 0xe05b
            r.ok(f'z{kind},{ENTRY:x},1')
        # Watchpoints: the BIOS fills its data area.
        r.ok('Z2,410,2')
        assert 'watch:410;' in r.cmd('c')
        r.ok('z2,410,2')
        r.ok('Z4,413,2')
        assert 'awatch:413;' in r.cmd('c')
        r.ok('z4,413,2')
        # Only one thread goes on.
        r.ok('Hgp1.2')
        other = r.reg(pc)
        assert r.cmd('vCont;s:p1.1').startswith('T05thread:p01.01')
        r.ok('Hgp1.2')
        assert r.reg(pc) == other
        for line, sign in (('info registers -a', 'CPU#1'), ('x/2i $pc', '0x'),
                           ('xp/4xb 0x2000', '0xde 0xad 0xbe 0xef'),
                           ('p $cr0&1', '0x'), ('info lapic', 'LVT0'),
                           ('info mem', 'PG disabled'), ('p $nope', 'unknown'),
                           ('info tlb', 'PG disabled')):
            assert sign in r.monitor(line), line
        # Ctrl-C.
        r.send('c')
        r.s.sendall(b'+\x03')
        assert r.recv().startswith('T02')
        assert r.cmd('Zz') in ('', 'E16') and r.cmd('xyzzy') == ''
        r.ok('D;1')
        print('ok client')
    finally:
        p.kill()
        p.wait()


def real_gdb(tmp):
    if not shutil.which('gdb'):
        print('ok gdb # SKIP not installed')
        return
    p, path = start(tmp, '-smp', '2')
    try:
        out = subprocess.run(
            ['gdb', '-batch', '-nx', '-ex', f'target remote {path}',
             '-ex', 'info threads', '-ex', 'info registers rip cs xmm0 cr0',
             '-ex', f'hbreak *{ENTRY:#x}', '-ex', 'watch *(short *)0x410',
             '-ex', 'continue', '-ex', 'continue',
             '-ex', 'stepi', '-ex', 'x/2i $pc', '-ex', 'set var $rax = 5',
             '-ex', 'p $rax', '-ex', 'monitor info status', '-ex', 'detach'],
            capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL)
        text = out.stdout + out.stderr
        for sign in ('CPU#1', 'Old value = 0', '$1 = 5', 'VM status: paused'):
            assert sign in text, (sign, text)
        print('ok gdb')
    finally:
        p.kill()
        p.wait()


with tempfile.TemporaryDirectory() as t:
    client(t)
with tempfile.TemporaryDirectory() as t:
    real_gdb(t)
print('1..2')
