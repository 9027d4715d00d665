#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""VNC servers: test-vnc.py EMULATOR.

A machine without a CPU to speak of (-accel qtest) whose screen and keyboard
the test drives itself, and clients of our own (rfb.py).
"""
import json
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zlib

import rfb
from layouts import DE, DE_DEAD, PRINTABLE, US

EMU = None
XK = {'Shift': 0xffe1, 'AltGr': 0xfe03, 'Ctrl': 0xffe3, 'Alt': 0xffe9,
      'Return': 0xff0d, 'F1': 0xffbe, 'KP_1': 0xffb1}

class Machine:
    """The emulator, its QMP and its qtest socket."""

    def __init__(self, *args, accel='qtest', machine='pc'):
        self.tmp = tempfile.TemporaryDirectory()
        self.path = self.tmp.name
        self.events = []
        listeners = []
        argv = [EMU, '-M', machine, '-accel', accel, '-nodefaults']
        for i in range(2):
            s = socket.socket(socket.AF_UNIX)
            s.bind(os.path.join(self.path, f's{i}'))
            s.listen(1)
            listeners.append(s)
        argv += ['-chardev', f'socket,id=q,fd={listeners[0].fileno()},'
                 'server=on,wait=off', '-mon', 'chardev=q,mode=control',
                 '-qtest', f'unix:{self.path}/qt,server=on,wait=off', '-qtest-log', 'none']
        argv += [a.replace('@', self.path) for a in args]
        self.err = open(os.path.join(self.path, 'err'), 'w+')
        self.proc = subprocess.Popen(argv, stderr=self.err,
                                     pass_fds=[listeners[0].fileno()])
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(os.path.join(self.path, 's0'))
        for s in listeners:
            s.close()
        self.file = self.sock.makefile('r')
        if not self.file.readline():
            self.err.seek(0)
            raise RuntimeError(self.err.read())
        self.cmd('qmp_capabilities')
        self.qt = None

    def read_event(self, name):
        """The next event of that name, among those that came too."""
        while True:
            for i, e in enumerate(self.events):
                if e['event'] == name:
                    return self.events.pop(i).get('data')
            line = self.file.readline()
            if not line:
                raise EOFError
            obj = json.loads(line)
            assert 'event' in obj, obj
            self.events.append(obj)

    def reply(self, name, **args):
        self.sock.sendall(json.dumps({'execute': name,
                                      'arguments': args}).encode() + b'\n')
        while True:
            obj = json.loads(self.file.readline())
            if 'event' not in obj:
                return obj
            self.events.append(obj)

    def cmd(self, name, **args):
        r = self.reply(name, **args)
        assert 'return' in r, r
        return r['return']

    def error(self, name, **args):
        r = self.reply(name, **args)
        assert 'error' in r, r
        return r['error']['desc']

    def qtest(self, line):
        if not self.qt:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)
            s.connect(os.path.join(self.path, 'qt'))
            self.qt = s.makefile('rw')
        self.qt.write(line + '\n')
        self.qt.flush()
        while True:
            words = self.qt.readline().split()
            if words and words[0] != 'IRQ':
                assert words[0] == 'OK', (line, words)
                return words[1:]

    def said(self):
        with open(self.err.name) as f:
            return f.read()

    def inb(self, port):
        return int(self.qtest(f'inb {port:#x}')[0], 0)

    def scan_codes(self):
        """What the keyboard has to say, time moving on until it is silent."""
        out = []
        quiet = 0
        self.qtest('outb 0x64 0x60') # set 1 codes, as a BIOS asks for
        self.qtest('outb 0x60 0x40')
        while quiet < 30:
            self.qtest('clock_step 2000000')
            if self.inb(0x64) & 1:
                out.append(self.inb(0x60))
                quiet = 0
            else:
                quiet += 1
        return out

    def close(self):
        for f in (self.qt, self.file):
            if f:
                f.close()
        self.sock.close()
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.communicate()
        self.err.close()
        self.tmp.cleanup()


def typed(codes, layout, dead=()):
    """The text that a keyboard of that layout typed, given set 1 codes;
    @dead: (code, level) pairs that wait for a space."""
    text, held, e0, waits = '', set(), 0, ''
    for c in codes:
        if c == 0xe0:
            e0 = 0x80
            continue
        key, up = (c & 0x7f) | e0, c & 0x80
        e0 = 0
        if up:
            held.discard(key)
            continue
        held.add(key)
        if key in layout:
            level = 2 if 0xb8 in held else 1 if held & {0x2a, 0x36} else 0
            ch = layout[key][level]
            if (key, level) in dead:
                waits = ch
            elif waits:
                assert ch == ' ', codes
                text, waits = text + waits, ''
            else:
                text += ch
    assert not held and not waits, (held, waits)
    return text


class VncTest(unittest.TestCase):
    def start(self, *args, **more):
        m = Machine(*args, **more)
        self.addCleanup(m.close)
        return m

    def client(self, m, *args, name='v', **more):
        r = rfb.Rfb(os.path.join(m.path, name), *args, **more)
        self.addCleanup(r.close)
        return r

    # ---- pictures

    def test_picture(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v')
        r = self.client(m).refresh()
        self.assertEqual(r.name, 'QEMU')
        m.qtest('outb 0x3c0 0x20') # the screen is on
        # Mode 118h by the Bochs registers, and something in video memory.
        for index, value in ((4, 0), (1, 1024), (2, 768), (3, 32), (4, 0x41)):
            m.qtest(f'outw 0x1ce {index}')
            m.qtest(f'outw 0x1cf {value}')
        m.qtest('outl 0xcf8 0x80001010')
        m.qtest('outl 0xcfc 0xe0000000')
        m.qtest('outl 0xcf8 0x80001004')
        m.qtest('outw 0xcfc 7')
        row = b''.join(struct.pack('<I', (x * 0x10203) & 0xffffff)
                       for x in range(1024))
        for y in range(0, 768, 7):
            m.qtest(f'write {0xe0000000 + y * 4096:#x} 4096 0x{row.hex()}')
        dump = os.path.join(m.path, 'd.ppm')
        m.cmd('screendump', filename=dump)
        with open(dump, 'rb') as f:
            want = f.read().split(b'\n', 3)
        self.assertEqual(want[1], b'1024 768')
        while (r.width, r.height) != (1024, 768) or r.rgb() != want[3]:
            r.refresh(True)
        # A client that cannot follow keeps its window; the rest is cut off.
        old = self.client(m, encodings=[rfb.RAW]).refresh()
        self.assertEqual(old.rgb(), want[3])
        for index, value in ((4, 0), (1, 640), (2, 480), (4, 0xc1)):
            m.qtest(f'outw 0x1ce {index}')
            m.qtest(f'outw 0x1cf {value}')
        small = self.client(m).refresh()
        while (small.width, small.height) != (640, 480):
            small.refresh(True)
        old.refresh(True)
        self.assertEqual((old.width, old.height), (1024, 768))

    def test_no_screen(self):
        m = self.start('-vnc', 'unix:@/v', machine='none')
        r = self.client(m)
        self.assertEqual((r.width, r.height), (640, 480))
        r.press(ord('x'))
        r.pointer(5, 5, 1)
        self.assertEqual(len(m.cmd('query-vnc')['clients']), 1)

    # ---- keys

    def type_all(self, keyboard, layout, text, dead=()):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v',
                       *(['-k', keyboard] if keyboard else []))
        r = self.client(m)
        m.scan_codes()
        for ch in text:
            r.press(ord(ch))
        m.read_event('VNC_INITIALIZED')
        got = ''
        while len(got) < len(text):
            more = typed(m.scan_codes(), layout, dead)
            if not more:
                break
            got += more
        self.assertEqual(got, text)
        return m, r

    def test_type_us(self):
        self.type_all(None, US, PRINTABLE)
        m, r = self.type_all('en-us', US, PRINTABLE)
        m.cmd('input-send-text', text='Hello, "World"!')
        self.assertEqual(typed(m.scan_codes(), US), 'Hello, "World"!')
        self.assertIn('U+00E4', m.error('input-send-text', text='ä'))

    def test_type_de(self):
        try:
            m, r = self.type_all('de', DE, PRINTABLE, DE_DEAD)
        except RuntimeError as e:
            if 'xkb' in str(e):
                self.skipTest('no libxkbcommon')
            raise
        m.cmd('input-send-text', text='größer^ {[]} @|~\\')
        self.assertEqual(typed(m.scan_codes(), DE, DE_DEAD),
                         'größer^ {[]} @|~\\')
        # A client's own dead key is that key and nothing more.
        r.press(0xfe52)
        codes = []
        while len(codes) < 2:
            codes += m.scan_codes()
        self.assertEqual(codes, [0x29, 0xa9])

    def test_modifiers(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v', '-k', 'en-us')
        r = self.client(m)
        m.scan_codes()
        # A German's Shift-7: Shift is up for the slash, and down again after.
        r.key(1, XK['Shift'])
        r.press(ord('/'))
        r.key(0, XK['Shift'])
        m.read_event('VNC_INITIALIZED')
        codes = []
        while len(codes) < 6:
            codes += m.scan_codes()
        self.assertEqual(codes, [0x2a, 0xaa, 0x35, 0x2a, 0xb5, 0xaa])

    def test_codes(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v')
        r = self.client(m)
        m.scan_codes()
        while not r.ext_key:
            r.request()
            r.message()
        r.press(ord('z'), 0x15)   # by place, whatever it types
        r.press(XK['Return'], 0x1c)
        r.press(0xff52, 0xc8)     # up
        codes = []
        while len(codes) < 8:
            codes += m.scan_codes()
        self.assertEqual(codes, [0x15, 0x95, 0x1c, 0x9c, 0xe0, 0x48, 0xe0,
                                 0xc8])
        # What is held goes up when the client leaves.
        r.key(1, XK['Ctrl'], 0x1d)
        codes = []
        while not codes:
            codes = m.scan_codes()
        r.close()
        m.read_event('VNC_DISCONNECTED')
        self.assertEqual(codes + m.scan_codes(), [0x1d, 0x9d])

    def test_bad_layout(self):
        p = subprocess.run([EMU, '-M', 'none', '-k', 'klingon'],
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertIn("'klingon'", p.stderr)
        self.assertEqual(p.stderr.count('\n'), 1)

    # ---- text consoles

    def test_text_console(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v', '-chardev',
                       'vc,id=t,cols=20,rows=4', '-serial', 'chardev:t')
        r = self.client(m).refresh()
        for sym in XK['Ctrl'], XK['Alt'], ord('2'):
            r.key(1, sym)
        for sym in ord('2'), XK['Alt'], XK['Ctrl']:
            r.key(0, sym)
        while (r.width, r.height) != (160, 64):
            r.refresh(True)

        def write(text):
            for ch in text.encode('latin-1'):
                m.qtest(f'outb 0x3f8 {ch}')
                m.qtest('clock_step 1000000')

        def cells():
            """Rows of cells, each its pixels."""
            fb = bytes(r.fb)
            return [[b''.join(fb[((y * 16 + i) * 160 + x * 8) * 4:][:32]
                              for i in range(16)) for x in range(20)]
                    for y in range(4)]

        def wait(check):
            while not check(cells()):
                r.refresh(True)
        blank = cells()[3][19]
        # Five lines on four rows; the letter A moves up with its line.
        write('1\r\n2\r\nA\r\n4')
        wait(lambda c: c[3][0] != blank)
        a = cells()[2][0]
        write('\r\n5')
        wait(lambda c: c[1][0] == a and c[3][0] != blank)
        # Positions, colours, erasing, a region that scrolls.
        write('\033[2J\033[2;5HA\033[31;47;1mA\033[0m\033[4;19HA')
        wait(lambda c: c[1][4] == a and c[1][5] not in (a, blank) and
             c[3][18] == a and c[0][0] == blank)
        write('\033[2;3r\033[3;1H\n\033[r\033[1;1H')
        wait(lambda c: c[1][4] == blank and c[3][18] == a)
        # What scrolled away can be looked at.
        r.key(1, XK['Ctrl'])
        for _ in range(40):
            r.press(0xff52)
        r.key(0, XK['Ctrl'])
        wait(lambda c: c[3][18] != a)
        # Keys arrive at the port.
        m.qtest('outb 0x3fb 3')
        for ch in 'hi':
            r.press(ord(ch))
        got = ''
        while len(got) < 2:
            m.qtest('clock_step 1000000')
            if m.inb(0x3fd) & 1:
                got += chr(m.inb(0x3f8))
        self.assertEqual(got, 'hi')

    def test_text_console_hostile(self):
        """Bytes of every kind, as a guest may send them."""
        m = self.start('-vga', 'none', '-vnc', 'unix:@/v', '-chardev',
                       'vc,id=t,cols=7,rows=3', '-serial', 'chardev:t')
        r = self.client(m)
        rnd = random.Random(1)
        for _ in range(300):
            seq = '\033[' + ';'.join(str(rnd.choice((0, 1, 2, 3, 7, 99999)))
                                     for _ in range(rnd.randrange(20)))
            for ch in seq + chr(rnd.randrange(0x40, 0x7f)) + 'x\n':
                m.qtest(f'outb 0x3f8 {ord(ch)}')
        r.refresh()
        m.cmd('query-status')

    # ---- who comes in

    def test_password(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v,password=on',
                       '-vnc', 'unix:@/open,id=open')
        with self.assertRaises(rfb.Refused):
            self.client(m, password='')
        self.assertEqual(m.read_event('VNC_CONNECTED')['server']['auth'],
                         'vnc')
        m.read_event('VNC_DISCONNECTED')
        m.cmd('set_password', protocol='vnc', password='secret')
        # A server without one beside it opens nothing.
        self.client(m, name='open')
        m.read_event('VNC_INITIALIZED')
        with self.assertRaises(rfb.Refused):
            self.client(m, password='wrong')
        with self.assertRaises(rfb.Refused):
            self.none_instead(os.path.join(m.path, 'v'))
        for version in b'RFB 003.003\n', b'RFB 003.007\n', b'RFB 003.008\n':
            self.client(m, password='secret', version=version)
            m.read_event('VNC_INITIALIZED')
        m.cmd('expire_password', protocol='vnc', time='now')
        with self.assertRaises(rfb.Refused):
            self.client(m, password='secret')
        m.cmd('expire_password', protocol='vnc', time='+100')
        self.client(m, password='secret')
        m.cmd('change-vnc-password', password='other')
        with self.assertRaises(rfb.Refused):
            self.client(m, password='secret')
        self.client(m, password='other')
        self.assertIn('time', m.error('expire_password', protocol='vnc',
                                      time='soon'))
        self.assertEqual(m.error('set_password', protocol='spice',
                                 password=''), 'spice is not in use')

    def none_instead(self, path, offered=2):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        self.addCleanup(s.close)
        s.connect(path)
        s.recv(12)
        s.sendall(b'RFB 003.008\n')
        assert s.recv(2) == bytes((1, offered))
        s.sendall(b'\x01\x01')
        if s.recv(4) != b'\0\0\0\0':
            raise rfb.Refused

    def test_share(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v', '-vnc',
                       'unix:@/f,share=force-shared', '-vnc',
                       'unix:@/i,share=ignore')
        a = self.client(m)
        m.read_event('VNC_INITIALIZED')
        b = self.client(m, shared=False)  # a has to go
        m.read_event('VNC_INITIALIZED')
        m.read_event('VNC_DISCONNECTED')
        self.assertRaises(EOFError, lambda: [a.message() for _ in range(9)])
        with self.assertRaises((EOFError, OSError)):
            self.client(m).refresh()      # b stays, this one goes
        m.read_event('VNC_DISCONNECTED')
        b.refresh()
        with self.assertRaises((EOFError, OSError)):
            self.client(m, shared=False, name='f').refresh()
        m.read_event('VNC_DISCONNECTED')
        c = self.client(m, shared=False, name='i')
        self.client(m, shared=False, name='i').refresh()
        c.refresh()

    def test_servers(self):
        m = self.start('-vga', 'std', '-vnc', '127.0.0.1:0,to=99,id=a',
                       '-vnc', 'unix:@/v,id=b')
        s = m.cmd('query-vnc-servers')
        self.assertEqual([i['id'] for i in s], ['a', 'b'])
        self.assertEqual(s[1]['server'], [
            {'host': '', 'service': os.path.join(m.path, 'v'),
             'family': 'unix', 'websocket': False, 'auth': 'none'}])
        info = m.cmd('query-vnc')
        self.assertEqual((info['enabled'], info['auth'], info['host']),
                         (True, 'none', '127.0.0.1'))
        port = int(info['service'])
        r = rfb.Rfb(('127.0.0.1', port))
        self.addCleanup(r.close)
        data = m.read_event('VNC_INITIALIZED')
        self.assertEqual(data['client']['family'], 'ipv4')
        self.assertEqual(data['server']['service'], str(port))
        p = subprocess.run([EMU, '-M', 'none', '-vnc',
                            f'127.0.0.1:{port - 5900}'], capture_output=True,
                           text=True)
        self.assertEqual(p.returncode, 1)
        self.assertIn(f'port {port} is in use, by process {m.proc.pid} (',
                      p.stderr)
        p = subprocess.run([EMU, '-M', 'none', '-vnc',
                            f'127.0.0.1:{port - 5900},to={port - 5900}'],
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 1)
        # Another address, and what cannot be one leaves things as they are.
        new = os.path.join(m.path, 'new')
        m.cmd('display-update', type='vnc',
              addresses=[{'type': 'unix', 'path': new}])
        self.assertEqual(m.cmd('query-vnc')['service'], new)
        self.client(m, name='new').refresh()
        m.error('display-update', type='vnc',
                addresses=[{'type': 'unix', 'path': '/nowhere/at/all'}])
        self.client(m, name='new').refresh()
        r.refresh()
        hmp = m.cmd('human-monitor-command', **{'command-line': 'info vnc'})
        self.assertIn('b:\r\n  Server: :', hmp)

    def test_bad_options(self):
        for text, said in (('x', "'x' is no VNC address"),
                           (':70000', 'display numbers'),
                           (':1,foo=1', "'foo'"),
                           (':1,share=mine', 'allow-exclusive'),
                           ('none,websocket=on', 'websocket'),
                           ('unix:/x/y', 'Failed to bind'),
                           (':1,head=1', "'head'"),
                           (':1,display=nothing', 'nothing'),
                           (':1,password-secret=s', "'s'"),
                           (':1,audiodev=snd', "'snd'")):
            p = subprocess.run([EMU, '-M', 'none', '-vnc', text],
                               capture_output=True, text=True)
            self.assertEqual(p.returncode, 1, text)
            self.assertIn(said, p.stderr)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)

    def test_handed_over(self):
        m = self.start('-vga', 'std', '-vnc', 'none,password=on')
        self.assertEqual(m.cmd('query-vnc'), {'enabled': False})
        ours, theirs = socket.socketpair()
        m.sock.sendmsg([b'{"execute":"getfd","arguments":{"fdname":"c"}}\n'],
                       [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                         struct.pack('i', theirs.fileno()))])
        theirs.close()
        json.loads(m.file.readline())
        m.cmd('add_client', protocol='vnc', fdname='c', skipauth=True)
        r = rfb.Rfb(ours)
        self.addCleanup(r.close)
        r.refresh()
        self.assertIn('spice', m.error('add_client', protocol='spice',
                                       fdname='c'))

    def test_web(self):
        m = self.start('-vga', 'std', '-vnc',
                       '127.0.0.1:0,to=99,web=on,power-control=on')
        port = int(m.cmd('query-vnc')['service'])

        def get(path, **headers):
            s = socket.create_connection(('127.0.0.1', port), 20)
            h = ''.join(f'{k.replace("_", "-")}: {v}\r\n'
                        for k, v in headers.items())
            s.sendall(f'GET {path} HTTP/1.1\r\nHost: x:1\r\n{h}\r\n'
                      .encode())
            data = b''
            while not data.count(b'\r\n\r\n') or not headers:
                more = s.recv(65536)
                if not more:
                    break
                data += more
            s.close()
            return data
        page = get('/')
        if b' 503 ' in page:
            self.assertIn(b'novnc', page)
            self.skipTest('no noVNC')
        self.assertIn(b'<title>Console</title>', page)
        self.assertIn(b'import RFB', get('/console.js?x=1'))
        self.assertIn(b'export default class RFB', get('/core/rfb.js'))
        for path in ('/core/../core/rfb.js', '/etc/passwd', '/core/',
                     '/core/%2e%2e/x.js', '//core/rfb.js', '/core/no.js',
                     '/core/rfb.js%00', '/vnc.html'):
            self.assertTrue(get(path).startswith(b'HTTP/1.1 404 '), path)
        up = {'Upgrade': 'websocket', 'Sec_WebSocket_Version': 13,
              'Sec_WebSocket_Key': 'dGhlIHNhbXBsZSBub25jZQ=='}
        self.assertIn(b' 101 ', get('/vnc', Origin='http://x:1', **up))
        self.assertIn(b' 403 ', get('/vnc', Origin='http://evil', **up))
        # Fetching pages is not a VNC connection; VNC is on the same port.
        r = rfb.Rfb(('127.0.0.1', port))
        self.addCleanup(r.close)
        r.refresh()
        self.assertTrue(m.read_event('VNC_CONNECTED')['client']['websocket'])
        self.assertFalse(m.read_event('VNC_CONNECTED')['client']['websocket'])
        # The power button, for clients that know xvp.
        r.set_encodings([rfb.RAW, -309])
        while r.sock.recv(1, socket.MSG_PEEK) != b'\xfa':
            r.message() # LEDs, the kind of pointer
        r.read(1)
        self.assertEqual(r.read(3), b'\0\1\1')
        r.sock.sendall(b'\xfa\0\1\2')
        m.read_event('POWERDOWN')
        r.sock.sendall(b'\xfa\0\1\4')
        m.read_event('RESET')

    # ---- TLS and SASL

    def certificates(self):
        """A directory with a CA, a server's and a client's certificate."""
        if not shutil.which('certtool'):
            self.skipTest('no certtool (gnutls-bin)')
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        d = tmp.name

        def tool(*args):
            subprocess.run(('certtool', '--bits', '2048') + args, cwd=d,
                           check=True, capture_output=True)
        for name, template in (
                ('ca', 'cn = test CA\nca\ncert_signing_key\n'),
                ('server', 'cn = localhost\ndns_name = localhost\n'
                 'tls_www_server\nencryption_key\nsigning_key\n'),
                ('client', 'cn = me\norganization = us\ntls_www_client\n'
                 'encryption_key\nsigning_key\n')):
            with open(f'{d}/{name}.info', 'w') as f:
                f.write(template + 'expiration_days = 2\n')
            tool('--generate-privkey', '--outfile', f'{name}-key.pem')
            how = ['--generate-self-signed'] if name == 'ca' else [
                '--generate-certificate', '--load-ca-certificate',
                'ca-cert.pem', '--load-ca-privkey', 'ca-key.pem']
            tool(*how, '--load-privkey', f'{name}-key.pem', '--template',
                 f'{name}.info', '--outfile', f'{name}-cert.pem')
        return d

    def context(self, d, with_cert=False):
        """@with_cert: the client's own, or that of another directory."""
        ctx = ssl.create_default_context(cafile=f'{d}/ca-cert.pem')
        if with_cert:
            d = d if with_cert is True else with_cert
            ctx.load_cert_chain(f'{d}/client-cert.pem', f'{d}/client-key.pem')
        return ctx

    def test_tls(self):
        d = self.certificates()
        m = self.start('-object', f'tls-creds-x509,id=t,endpoint=server,dir={d},'
                       'verify-peer=off', '-object',
                       f'tls-creds-x509,id=v,endpoint=server,dir={d}',
                       '-vga', 'std', '-vnc',
                       'unix:@/v,tls-creds=t,password=on', '-vnc',
                       'unix:@/c,tls-creds=v', '-vnc',
                       '127.0.0.1:0,to=99,tls-creds=t,websocket=127.0.0.1:0')
        self.assertEqual(m.cmd('query-vnc')['auth'], 'vencrypt+x509+vnc')
        s = m.cmd('query-vnc-servers')
        self.assertEqual((s[1]['auth'], s[1]['vencrypt']),
                         ('vencrypt', 'x509-none'))
        m.cmd('set_password', protocol='vnc', password='secret')
        r = self.client(m, tls=self.context(d), password='secret').refresh()
        with self.assertRaises(rfb.Refused):
            self.client(m, tls=self.context(d), password='wrong')
        with self.assertRaises((ssl.SSLError, EOFError, OSError)):
            self.client(m, tls=self.context(d), name='c').refresh()
        m.cmd('query-status')
        m.events.clear()
        self.client(m, tls=self.context(d, True), name='c').refresh()
        info = m.read_event('VNC_INITIALIZED')['client']
        self.assertIn('CN=me', info['x509_dname'])
        # New files are read without disturbing who is in.
        m.cmd('display-reload', type='vnc', **{'tls-certs': True})
        r.refresh()
        os.remove(f'{d}/server-cert.pem')
        self.assertIn('server-cert.pem', m.error('display-reload', type='vnc',
                                                 **{'tls-certs': True}))
        self.client(m, tls=self.context(d), password='secret').refresh()
        self.assertIn('in use', m.error('object-del', id='t'))
        # TLS under a WebSocket: the head arrives inside.
        port = int(s[2]['server'][0]['service'])
        w = self.context(d).wrap_socket(
            socket.create_connection(('127.0.0.1', port), 20),
            server_hostname='localhost')
        self.addCleanup(w.close)
        w.sendall(b'GET / HTTP/1.1\r\nUpgrade: websocket\r\n'
                  b'Sec-WebSocket-Version: 13\r\n'
                  b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
        self.assertIn(b' 101 ', w.recv(1000))

    def test_tls_refused(self):
        d = self.certificates()
        for obj, vnc, said in (
                (f'tls-creds-x509,id=t,dir={d}', 'tls-creds=t', 'endpoint'),
                ('tls-creds-x509,id=t,endpoint=server', 'tls-creds=t', "'dir'"),
                (f'tls-creds-psk,id=t,endpoint=server,dir={d}', 'tls-creds=t',
                 'keys.psk'),
                ('secret,id=t,data=x', 'tls-creds=t', 'not TLS credentials'),
                ('secret,id=s,data=x', 'tls-creds=t', "'t'")):
            p = subprocess.run([EMU, '-M', 'none', '-object', obj, '-vnc',
                                f'none,{vnc}'], capture_output=True, text=True)
            self.assertEqual(p.returncode, 1)
            self.assertIn(said, p.stderr)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)

    def test_sasl(self):
        if not shutil.which('saslpasswd2', path='/usr/sbin:/usr/bin'):
            self.skipTest('no saslpasswd2 (sasl2-bin)')
        with tempfile.TemporaryDirectory() as d:
            subprocess.run(['/usr/sbin/saslpasswd2', '-p', '-c', '-f',
                            f'{d}/db', '-u', socket.gethostname(), 'joe'],
                           input=b'secret', check=True)
            with open(f'{d}/qemu.conf', 'w') as f:
                f.write(f'mech_list: plain scram-sha-256\n'
                        f'sasldb_path: {d}/db\npwcheck_method: auxprop\n'
                        'auxprop_plugin: sasldb\n')
            os.environ['SASL_CONF_PATH'] = d
            try:
                m = self.start('-vga', 'std', '-vnc', 'unix:@/v,sasl=on',
                               '-vnc', '127.0.0.1:0,to=99,sasl=on', '-vnc',
                               'unix:@/z,sasl=on,sasl-authz=who')
                self.assertEqual(m.cmd('query-vnc')['auth'], 'sasl')
                r = self.client(m, sasl=('joe', 'secret')).refresh()
                self.assertIn('PLAIN', r.mechs)
                info = m.read_event('VNC_INITIALIZED')['client']
                self.assertEqual(info['sasl_username'].split('@')[0], 'joe')
                with self.assertRaises(rfb.Refused):
                    self.client(m, sasl=('joe', 'wrong'))
                self.assertIn('SASL', m.said())
                # A user that is known and not allowed.
                with self.assertRaises(rfb.Refused):
                    self.client(m, sasl=('joe', 'secret'), name='z')
                m.cmd('object-add', **{
                    'qom-type': 'authz-list', 'id': 'who', 'rules': [
                        {'match': 'jo*', 'policy': 'allow',
                         'format': 'glob'}]})
                self.client(m, sasl=('joe', 'secret'), name='z').refresh()
                # Passwords do not go over a network as they are.
                port = int(m.cmd('query-vnc-servers')[1]['server'][0]
                           ['service'])
                with self.assertRaises((rfb.Refused, EOFError, OSError)):
                    rfb.Rfb(('127.0.0.1', port), sasl=('joe', 'secret'))
                m.cmd('query-status')
            finally:
                del os.environ['SASL_CONF_PATH']

    def test_tls_authz(self):
        """Who has a certificate is not therefore allowed."""
        d = self.certificates()
        with open(f'{d}/list.json', 'w') as f:
            f.write('{"policy": "deny"}')
        m = self.start('-object',
                       f'tls-creds-x509,id=v,endpoint=server,dir={d}',
                       '-object', f'authz-listfile,id=a,filename={d}/list.json',
                       '-vga', 'std', '-vnc',
                       'unix:@/v,tls-creds=v,tls-authz=a', '-vnc',
                       'unix:@/w,tls-creds=v,tls-authz=later')
        ctx = self.context(d, True)

        def refused(name):
            with self.assertRaises((ssl.SSLError, EOFError, OSError)):
                self.client(m, tls=ctx, name=name).refresh()
            m.read_event('VNC_CONNECTED')
            m.read_event('VNC_DISCONNECTED')
        refused('v')
        refused('w') # there is no such object
        with open(f'{d}/list.json', 'w') as f:
            f.write('{"policy": "deny", "rules": [{"match": "*CN=me*", '
                    '"policy": "allow", "format": "glob"}]}')
        self.client(m, tls=ctx).refresh()
        with open(f'{d}/list.json', 'w') as f:
            f.write('nonsense')
        self.client(m, tls=ctx).refresh() # what it said before stays
        m.cmd('object-add', **{'qom-type': 'authz-simple', 'id': 'later',
                               'identity': 'CN=you'})
        refused('w')
        m.cmd('object-del', id='later')
        dname = m.cmd('query-vnc')['clients'][0]['x509_dname']
        m.cmd('object-add', **{'qom-type': 'authz-list', 'id': 'later',
                               'rules': [{'match': dname, 'policy': 'allow'}]})
        self.client(m, tls=ctx, name='w').refresh()
        m.cmd('qom-set', path='/objects/later', property='rules', value=[])
        refused('w')
        m.cmd('qom-set', path='/objects/later', property='policy',
              value='allow')
        self.client(m, tls=ctx, name='w').refresh()
        self.assertRegex(m.said(), "turned away: '.*CN=me")
        self.assertIn("is not allowed by 'a'", m.said())
        self.assertIn('policy', m.error('object-add', **{
            'qom-type': 'authz-list', 'id': 'x', 'rules': [{'match': 'y'}]}))
        self.assertIn('list.json', m.error('object-add', **{
            'qom-type': 'authz-listfile', 'id': 'x',
            'filename': f'{d}/list.json'}))

    def test_refusals(self):
        """One clear line each, on stderr and where the protocol has room for
        it, and the events."""
        d = self.certificates()
        m = self.start('-object', f'tls-creds-x509,id=v,endpoint=server,dir={d}',
                       '-vga', 'std', '-vnc', 'unix:@/v,password=on',
                       '-vnc', 'unix:@/t,tls-creds=v,id=t')
        m.cmd('set_password', protocol='vnc', password='secret')
        m.cmd('expire_password', protocol='vnc', time='now')
        for password, why in (('wrong', 'Authentication failed'),
                              ('secret', 'The password has expired')):
            with self.assertRaisesRegex(rfb.Refused, why):
                self.client(m, password=password)
            data = m.read_event('VNC_CONNECTED')
            self.assertEqual(data['server']['auth'], 'vnc')
            m.read_event('VNC_DISCONNECTED')
            self.assertEqual(m.said().count(why), 1)
        # No certificate, no VeNCrypt, one that another CA signed.
        for ctx, why in ((self.context(d), 'ertificate'),
                         (self.context(d, self.certificates()), 'ertificate')):
            before = m.said().count('\n')
            with self.assertRaises((ssl.SSLError, EOFError, OSError)):
                self.client(m, tls=ctx, name='t').refresh()
            m.read_event('VNC_DISCONNECTED')
            said = m.said()
            self.assertEqual(said.count('\n'), before + 1, said)
            self.assertIn(why, said.splitlines()[-1])
        with self.assertRaises(rfb.Refused):
            self.none_instead(os.path.join(m.path, 't'), 19)
        m.read_event('VNC_DISCONNECTED')
        self.assertIn('security type 1', m.said())
        # Whoever tries again and again does not fill the log.
        for _ in range(20):
            with self.assertRaises(rfb.Refused):
                self.client(m, password='x')
        self.assertLess(m.said().count('Authentication failed'), 12)
        for e in m.events:
            self.assertNotEqual(e['event'], 'VNC_INITIALIZED')

    def test_ports(self):
        """A range is tried one by one; what is busy is named."""
        held = []
        for _ in range(50): # two neighbours that are free
            a, b = socket.socket(), socket.socket()
            a.bind(('127.0.0.1', 0))
            port = a.getsockname()[1]
            try:
                b.bind(('127.0.0.1', port + 1))
            except OSError:
                a.close()
                continue
            held = [a, b]
            break
        self.addCleanup(lambda: [s.close() for s in held])
        for s in held:
            s.listen(1)
        first = port - 5900
        p = subprocess.run([EMU, '-M', 'none', '-vnc',
                            f'127.0.0.1:{first},to={first + 1}'],
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr.count('\n'), 1, p.stderr)
        self.assertIn(f'{port}', p.stderr)
        self.assertIn(f'by process {os.getpid()} (', p.stderr)
        held[1].close()
        m = self.start('-vga', 'std', '-vnc',
                       f'127.0.0.1:{first},to={first + 1}')
        self.assertEqual(m.cmd('query-vnc')['service'], str(port + 1))

    # ---- cut text

    EXT_CUT = 0xc0a1e5ce - (1 << 32)

    def extended(self, r, flags, data=b''):
        r.sock.sendall(struct.pack('>BxxxiI', 6, -4 - len(data), flags) + data)

    def read_cut(self, r):
        """The next cut text: bytes, or flags and data."""
        while r.read(1) != b'\3':
            self.fail('something else')
        n = struct.unpack('>xxxi', r.read(7))[0]
        if n >= 0:
            return r.read(n)
        return struct.unpack('>I', r.read(4))[0], r.read(-n - 4)

    def test_cut_text(self):
        caps, request, peek, notify, provide = (1 << i for i in range(24, 29))
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v')
        plain = self.client(m, encodings=[rfb.RAW])
        m.read_event('VNC_INITIALIZED')
        ext = self.client(m, encodings=[rfb.RAW, self.EXT_CUT])
        m.read_event('VNC_INITIALIZED')
        flags, data = self.read_cut(ext)
        self.assertTrue(flags & caps and flags & notify and flags & 1)
        self.assertEqual(len(data), 4)
        # From the old one to the new one: it is told, asks and gets it.
        plain.sock.sendall(struct.pack('>BxxxI', 6, 7) + b'gr\xf6\xdfer\n')
        self.assertEqual(self.read_cut(ext), (notify | 1, b''))
        self.extended(ext, request | 1)
        flags, data = self.read_cut(ext)
        self.assertEqual(flags, provide | 1)
        text = zlib.decompress(data)
        self.assertEqual(text[4:], 'größer\r\n\0'.encode())
        self.assertEqual(struct.unpack('>I', text[:4])[0], len(text) - 4)
        # And back; what Latin-1 has no letter for becomes a question mark.
        self.extended(ext, notify | 1)
        self.assertEqual(self.read_cut(ext), (request | 1, b''))
        text = 'ä€\r\n'.encode() + b'\0'
        self.extended(ext, provide | 1, zlib.compress(
            struct.pack('>I', len(text)) + text))
        self.assertEqual(self.read_cut(plain), b'\xe4?\n')
        # Its own is not offered to it.
        self.extended(ext, peek)
        self.assertEqual(self.read_cut(ext), (notify, b''))
        # What is no text, too long or lies about its length changes nothing.
        bomb = zlib.compress(struct.pack('>I', 1 << 30) + bytes(1 << 24))
        for data in (b'', b'xx', zlib.compress(b'\0\0\xff\xffabc'), bomb,
                     zlib.compress(b'\0\0\0\2\xff\xfe')):
            self.extended(ext, provide | 1, data)
        ext.sock.sendall(struct.pack('>Bxxxi', 6, -(1 << 22)) + bytes(1 << 22))
        plain.sock.sendall(struct.pack('>BxxxI', 6, 1) + b'z')
        self.assertEqual(self.read_cut(ext), (notify | 1, b''))
        plain.refresh()
        ext.refresh()

    # ---- TLS under a character device

    def monitor_over(self, m, s):
        f = s.makefile('rw')
        self.assertIn('QMP', f.readline(), m.said())
        f.write('{"execute":"qmp_capabilities"}')
        f.flush()
        self.assertEqual(json.loads(f.readline()), {'return': {}})
        for _ in range(3): # some 200 KiB each
            f.write('{"execute":"query-qmp-schema"}' + ' ' * 20000)
            f.flush()
            self.assertIn('return', json.loads(f.readline()))
        f.close()

    def test_chardev_tls(self):
        d = self.certificates()
        with socket.socket() as lis:
            lis.bind(('127.0.0.1', 0))
            lis.listen(1)
            lis.settimeout(20)
            m = self.start(
                '-object', f'tls-creds-x509,id=v,endpoint=server,dir={d}',
                '-object', f'tls-creds-x509,id=c,endpoint=client,dir={d}',
                '-object', 'authz-list,id=a,policy=deny', '-chardev',
                'socket,id=s,host=127.0.0.1,port=0,server=on,wait=off,'
                'tls-creds=v,tls-authz=a', '-mon', 'chardev=s,mode=control',
                '-chardev', 'socket,id=t,host=localhost,reconnect=1,port='
                f'{lis.getsockname()[1]},ipv6=off,tls-creds=c',
                '-mon', 'chardev=t,mode=control')
            port = [c['filename'] for c in m.cmd('query-chardev')
                    if c['label'] == 's'][0].split(',')[0].split(':')[-1]

            def connect(ctx):
                s = ctx.wrap_socket(
                    socket.create_connection(('127.0.0.1', int(port)), 20),
                    server_hostname='localhost')
                return s
            for ctx in self.context(d), self.context(d, True):
                with self.assertRaises((ssl.SSLError, ConnectionError,
                                        AssertionError)):
                    with connect(ctx) as s:
                        self.monitor_over(m, s)
            self.assertIn('TLS', m.said())
            m.cmd('qom-set', path='/objects/a', property='policy',
                  value='allow')
            for _ in range(2): # one at a time
                with connect(self.context(d, True)) as s:
                    self.monitor_over(m, s)
            # Plain talk gets nowhere.
            with socket.create_connection(('127.0.0.1', int(port)), 20) as s:
                s.sendall(b'{"execute":"quit"}\r\n\r\n')
                s.settimeout(20)
                try:
                    while s.recv(100):
                        pass
                except ConnectionError:
                    pass
            # As a client: a server with a certificate, and one of another CA.
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_verify_locations(f'{d}/ca-cert.pem')
            server.verify_mode = ssl.CERT_REQUIRED
            server.load_cert_chain(f'{d}/server-cert.pem',
                                   f'{d}/server-key.pem')
            raw = lis.accept()[0]
            raw.close() # it comes back
            with server.wrap_socket(lis.accept()[0], server_side=True) as s:
                self.monitor_over(m, s)
            other = self.certificates()
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(f'{other}/server-cert.pem',
                                   f'{other}/server-key.pem')
            with self.assertRaises((ssl.SSLError, ConnectionError,
                                    AssertionError)):
                with server.wrap_socket(lis.accept()[0],
                                        server_side=True) as s:
                    self.monitor_over(m, s)
            self.assertIn("chardev 't': TLS", m.said())
            self.assertIn('in use', m.error('object-del', id='c'))
        for more, said in (('path=/x,tls-creds=v', 'unix'),
                           ('host=x,port=1,tls-authz=a', 'tls-creds')):
            p = subprocess.run([EMU, '-M', 'none', '-chardev',
                                f'socket,id=s,server=on,{more}'],
                               capture_output=True, text=True)
            self.assertEqual(p.returncode, 1)
            self.assertIn(said, p.stderr)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)

    # ---- clients that mean harm, or nothing

    def test_hostile(self):
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v')
        good = self.client(m)
        path = os.path.join(m.path, 'v')
        lost = []

        def say(hello, data):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(path)
            s.recv(12)
            try:
                s.sendall(hello)
                s.sendall(data)
            except OSError:
                pass
            lost.append(s)

        hello = b'RFB 003.008\n\x01\x01'
        for data in (b'', b'\x03', b'\x02\0\xff\xff', b'\x06\0\0\0\x7f\xff\xff\xff',
                     b'\x06\0\0\0\xff\xff\xff\xff', b'\xfa', b'\xff\xff',
                     b'\x00\0\0\0\x20\x18\0\1\0\0\0\0\0\0\xff\xff\xff\0\0\0',
                     b'\x03\0' + b'\xff' * 8, b'\x03\0' + b'\0' * 8,
                     b'\x05\xff\xff\xff\xff\xff' * 5000,
                     b'\x04\1\0\0\xff\xff\xff\xff' * 5000,
                     b'\x03\0' + b'\0' * 4 + b'\xff' * 4 + b'\x03\0' * 3000):
            say(hello, data)
        say(b'\x16\x03\x01' * 100, b'')
        say(b'GET / HTTP/1.1\r\n\r\n', b'')
        for i in range(40):
            say(b'', b'')
        good.refresh()
        self.assertEqual(m.cmd('query-status')['running'], True)
        for s in lost:
            s.close()
        good.refresh()

    def test_stalled_reader(self):
        """One that asks and never reads holds up nobody, nor does quitting
        wait for it."""
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v')
        bad = self.client(m)
        for _ in range(50):
            bad.request(False)
        good = self.client(m)
        for _ in range(5):
            good.refresh()
        m.cmd('quit')
        self.assertEqual(m.proc.wait(20), 0)

    def test_all_encodings(self):
        """Every picture encoding the library has gives an update."""
        m = self.start('-vga', 'std', '-vnc', 'unix:@/v,lossy=on')
        for enc in (rfb.RAW, 2, rfb.HEXTILE, rfb.ZLIB, rfb.TIGHT, rfb.ZRLE):
            for bpp, depth, mx, sh in ((32, 24, 255, (16, 8, 0)),
                                       (16, 16, 31, (10, 5, 0)),
                                       (8, 8, 3, (4, 2, 0))):
                r = self.client(m, encodings=[enc, -27, -250])
                r.sock.sendall(struct.pack('>BxxxBBBBHHHBBBxxx', 0, bpp, depth,
                                           0, 1, mx, mx, mx, *sh))
                r.request(False)
                self.assertEqual(r.read(1), b'\0')
                n = struct.unpack('>xH', r.read(3))[0]
                self.assertGreater(n, 0)
                got = struct.unpack('>HHHHi', r.read(12))[4]
                self.assertEqual(got, enc)
                r.close()

    def test_websocket(self):
        m = self.start('-vga', 'std', '-vnc',
                       '127.0.0.1:0,to=99,websocket=127.0.0.1:0')
        servers = m.cmd('query-vnc-servers')[0]['server']
        self.assertEqual(servers[0]['websocket'], True)
        s = socket.create_connection(('127.0.0.1',
                                      int(servers[0]['service'])), 20)
        self.addCleanup(s.close)
        s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n'
                  b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
                  b'Sec-WebSocket-Protocol: binary\r\n'
                  b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            head += s.recv(1)
        self.assertIn(b' 101 ', head)
        self.assertIn(b's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', head) # RFC 6455, 1.3
        a, b = socket.socketpair()
        self.addCleanup(a.close)

        def frames_in():
            f = s.makefile('rb')
            while True:
                h = f.read(2)
                if len(h) < 2:
                    return
                n = h[1] & 0x7f
                if n == 126:
                    n = struct.unpack('>H', f.read(2))[0]
                elif n == 127:
                    n = struct.unpack('>Q', f.read(8))[0]
                b.sendall(f.read(n))

        def frames_out():
            while True:
                try:
                    data = b.recv(100)
                except OSError:
                    return
                if not data:
                    return
                mask = bytes([1, 2, 3, 4])
                s.sendall(bytes([0x82, 0x80 | len(data)]) + mask + bytes(
                    v ^ mask[i & 3] for i, v in enumerate(data)))
        for fn in frames_in, frames_out:
            threading.Thread(target=fn, daemon=True).start()
        r = rfb.Rfb(a)
        r.refresh()
        self.assertTrue(m.cmd('query-vnc')['clients'][0]['websocket'])


if __name__ == '__main__':
    EMU = sys.argv.pop(1)
    unittest.main()
