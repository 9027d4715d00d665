#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests seen and typed into with real clients: test-screen.py EMULATOR.

SeaBIOS and a Linux console, as gvnccapture and TigerVNC (under Xvfb) show
them; every printable character typed into Linux with a US and a German
keyboard; Linux' framebuffer console against the installed QEMU, pixel for
pixel.  BOOT_KERNEL, BOOT_INITRD: as for boot.py.  FB_KERNEL: one with vesafb.
What is absent is skipped with a line.
"""
import gzip
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

import rfb
from layouts import DE, DE_DEAD, PRINTABLE

EMU = sys.argv.pop(1)
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
KERNEL = os.environ.get('BOOT_KERNEL', f'{TOP}/build/guest/vmlinuz')
INITRD = os.environ.get('BOOT_INITRD', f'{TOP}/build/guest/initrd.gz')
FB_KERNEL = os.environ.get('FB_KERNEL', '')
QEMU = '/usr/bin/qemu-system-x86_64'
LIMIT = int(os.environ.get("LIMIT", 240)) # seconds a guest may take, on a busy host

# The guest's first process: what is typed goes to the serial port.
SCRIPT = b'''#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /dev
$b mount -t devtmpfs dev /dev
exec </dev/tty1 >/dev/tty1 2>&1
[ -s /map ] && $b loadkmap </map
$b clear
i=0
while [ $i -lt 20 ]; do echo "$i The quick brown fox, 0123456789 !#%&"; i=$((i + 1)); done
echo READY >/dev/ttyS0
while IFS= read -r line; do $b printf 'GOT:%s\\n' "$line" >/dev/ttyS0; done
'''


def cpio(files):
    """A "newc" archive, gzipped: one more for the kernel to unpack."""
    out = b''
    for i, (name, mode, data) in enumerate(files + [('TRAILER!!!', 0, b'')]):
        name = name.encode() + b'\0'
        head = '070701' + ''.join(f'{v:08x}' for v in (
            i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0))
        part = head.encode() + name
        part += bytes(-len(part) % 4) + data
        out += part + bytes(-len(part) % 4)
    return gzip.compress(out)


def german():
    """A console keymap in busybox' form (loadkmap): plain, Shift, AltGr."""
    enter, shift, altgr, hole, dead = 0x201, 0x700, 0x701, 0x200, {
        '^': 0x402, '`': 0x400, '´': 0x401}
    tables = [[hole] * 128 for _ in range(3)]
    for t in tables:
        t[28], t[42], t[54], t[100] = enter, shift, shift, altgr
    for code, chars in DE.items():
        for level, ch in enumerate(chars):
            if ch:
                tables[level][code] = (
                    dead[ch] if (code, level) in DE_DEAD else
                    0xb00 | ord(ch) if ch.isascii() and ch.isalpha()
                    else ord(ch))
    return (b'bkeymap' + b'\1\1\1' + bytes(253) +
            b''.join(struct.pack('128H', *t) for t in tables))


def png_rgb(path):
    """Width, height and RGB of a PNG with 8-bit channels."""
    with open(path, 'rb') as f:
        data = f.read()
    at, body = 8, b''
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        part = data[at + 8:at + 8 + n]
        if kind == b'IHDR':
            w, h, bits, colour = struct.unpack('>IIBB', part[:10])
        elif kind == b'IDAT':
            body += part
        at += 12 + n
    assert bits == 8 and colour in (2, 6)
    step = 3 if colour == 2 else 4
    raw, out, last = zlib.decompress(body), bytearray(), bytes(w * step)
    for y in range(h):
        row = bytearray(raw[y * (w * step + 1) + 1:(y + 1) * (w * step + 1)])
        how = raw[y * (w * step + 1)]
        for i in range(len(row) if how else 0):
            a = row[i - step] if i >= step else 0
            b = last[i]
            c = last[i - step] if i >= step else 0
            if how == 4:
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                best = a if pa <= pb and pa <= pc else b if pb <= pc else c
            row[i] = row[i] + (a, b, (a + b) // 2, best if how == 4 else 0)[
                how - 1] & 255
        last = row
        for i in range(0, len(row), step):
            out += row[i:i + 3]
    return w, h, bytes(out)


class Guest:
    def __init__(self, emu, *args):
        self.tmp = tempfile.TemporaryDirectory()
        self.path = self.tmp.name
        self.seen = b''
        self.proc = subprocess.Popen(
            [emu, '-M', 'pc', '-accel', 'tcg', '-m', '256', '-nodefaults',
             '-serial', f'unix:{self.path}/s,server=on,wait=off', '-qmp',
             f'unix:{self.path}/q,server=on,wait=off',
             *(a.replace('@', self.path) for a in args)])
        self.serial, q = self.connect('s'), self.connect('q')
        self.qfile = q.makefile('rw')
        q.close()
        self.qfile.readline()
        self.cmd('qmp_capabilities')

    def connect(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        while s.connect_ex(f'{self.path}/{name}'):
            assert self.proc.poll() is None
            time.sleep(0.02)
        return s

    def cmd(self, name, **args):
        self.qfile.write(json.dumps({'execute': name, 'arguments': args}))
        self.qfile.flush()
        while True:
            r = json.loads(self.qfile.readline())
            if 'event' not in r:
                return r['return']

    def wait_serial(self, text):
        end = time.monotonic() + LIMIT
        self.serial.settimeout(1)
        while text not in self.seen:
            assert time.monotonic() < end, (text, self.seen[-300:])
            try:
                self.seen += self.serial.recv(4096).replace(b'\r', b'')
            except TimeoutError:
                pass

    def picture(self):
        self.cmd('screendump', filename=f'{self.path}/d.ppm')
        with open(f'{self.path}/d.ppm', 'rb') as f:
            _, size, _, data = f.read().split(b'\n', 3)
        return (*map(int, size.split()), data)

    def still(self):
        """The picture when it has not changed for a while, and shows more
        than one colour."""
        last, since, end = None, 0, time.monotonic() + LIMIT
        while time.monotonic() < end:
            now = self.picture()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 3 and len(set(now[2])) > 1:
                return now
            time.sleep(0.3)
        raise TimeoutError('the screen never rests')

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.qfile.close()
        self.serial.close()
        self.tmp.cleanup()


class ScreenTest(unittest.TestCase):
    def guest(self, emu, *args):
        g = Guest(emu, *args)
        self.addCleanup(g.close)
        return g

    def linux(self, *args, kernel=KERNEL, keymap=b'', append=''):
        if not os.path.exists(kernel) or not os.path.exists(INITRD):
            self.skipTest(f'no kernel ({kernel})')
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        with open(f'{tmp.name}/initrd', 'wb') as f, open(INITRD, 'rb') as base:
            f.write(base.read())
            f.write(bytes(-f.tell() % 4))
            f.write(cpio([('typed', 0o100755, SCRIPT),
                          ('map', 0o100644, keymap)]))
        return ['-kernel', kernel, '-initrd', f'{tmp.name}/initrd', '-append',
                'console=tty0 quiet vt.global_cursor_default=0 rdinit=/typed '
                + append, *args]

    def need(self, *programs):
        for p in programs:
            if not shutil.which(p):
                self.skipTest(f'no {p}')

    # ---- typing

    def type_all(self, *args, keymap=b''):
        g = self.guest(EMU, *self.linux('-vga', 'cirrus', '-vnc', 'unix:@/v',
                                        *args, keymap=keymap))
        g.wait_serial(b'READY\n')
        r = rfb.Rfb(f'{g.path}/v')
        for line in PRINTABLE[1:] + ' ', PRINTABLE[::-1] + 'x':
            for ch in line:
                r.press(ord(ch))
            r.press(0xff0d)
            g.wait_serial(b'GOT:' + line.encode() + b'\n')
        r.close()
        text = "Pack my box, with five (5) dozen 'jugs'~^`"
        g.cmd('input-send-text', text=text + '\n')
        g.wait_serial(b'GOT:' + text.encode() + b'\n')

    def test_type_us(self):
        self.type_all('-k', 'en-us')

    def test_type_de(self):
        self.type_all('-k', 'de', keymap=german())

    # ---- other people's clients

    def capture(self, g):
        port = int(g.cmd('query-vnc')['service'])
        subprocess.run(['gvnccapture', '-q', f'127.0.0.1:{port - 5900}',
                        f'{g.path}/c.png'], check=True, timeout=LIMIT,
                       env={**os.environ, 'NO_AT_BRIDGE': '1'})
        return png_rgb(f'{g.path}/c.png')

    def test_gvnccapture(self):
        self.need('gvnccapture')
        vnc = ['-vnc', '127.0.0.1:0,to=99', '-k', 'en-us', '-vga', 'cirrus']
        # The BIOS' cursor blinks: one of its two pictures.
        bios = self.guest(EMU, *vnc, '-boot', 'a')
        end = time.monotonic() + LIMIT
        while True:
            before = bios.picture()
            got = self.capture(bios)
            if got in (before, bios.picture()) and len(set(got[2])) > 1:
                break
            self.assertLess(time.monotonic(), end)
        g = self.guest(EMU, *self.linux(*vnc))
        g.wait_serial(b'READY\n')
        want = g.still()
        self.assertEqual(self.capture(g), want)

    def screen_of_x(self, path):
        """Width, height, rows of 32-bit pixels: Xvfb's file is of xwd."""
        with open(path, 'rb') as f:
            data = f.read()
        head = struct.unpack('>25I', data[:100])
        at = head[0] + head[19] * 12
        w, h, line = head[4], head[5], head[12]
        return w, h, [data[at + y * line:at + y * line + w * 4]
                      for y in range(h)]

    def shows(self, xwd, picture):
        """Whether the X screen has the picture somewhere."""
        w, h, rgb = picture
        rows = []
        for y in range(h):
            row = bytearray(w * 4)
            for i in range(3):
                row[2 - i::4] = rgb[y * w * 3 + i:(y + 1) * w * 3:3]
            rows.append(bytes(row))
        best = max(range(h), key=lambda y: len(set(rows[y][i:i + 64] for i in
                                                   range(0, w * 4, 64))))
        sw, sh, have = self.screen_of_x(xwd)
        have = [bytes(b if i & 3 != 3 else 0 for i, b in enumerate(r))
                for r in have] if any(r[3] for r in have) else have
        for y in range(best, sh):
            x = have[y].find(rows[best])
            if x >= 0 and y - best + h <= sh and all(
                    have[y - best + i][x:x + w * 4] == rows[i]
                    for i in range(h)):
                return True
        return False

    def test_tigervnc(self):
        self.need('Xvfb', 'xtigervncviewer', 'xdotool')
        g = self.guest(EMU, *self.linux('-vga', 'cirrus', '-k', 'en-us',
                                        '-vnc', '127.0.0.1:0,to=99'))
        g.wait_serial(b'READY\n')
        r, w = os.pipe()
        x = subprocess.Popen(['Xvfb', '-displayfd', str(w), '-screen', '0',
                              '1024x768x24', '-fbdir', g.path, '-nolisten',
                              'tcp'], pass_fds=[w],
                             stderr=subprocess.DEVNULL)
        os.close(w)
        self.addCleanup(lambda: (x.send_signal(signal.SIGTERM), x.wait()))
        with os.fdopen(r) as f:
            display = ':' + f.readline().strip()
        env = {**os.environ, 'DISPLAY': display, 'HOME': g.path}
        port = int(g.cmd('query-vnc')['service'])
        v = subprocess.Popen(['xtigervncviewer', f'127.0.0.1::{port}',
                              '-RemoteResize=0', '-DotWhenNoCursor=0'],
                             env=env, stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
        self.addCleanup(lambda: (v.terminate(), v.wait()))

        def wait(what, check):
            end = time.monotonic() + LIMIT
            while not check():
                self.assertLess(time.monotonic(), end, what)
                self.assertIsNone(v.poll())
                time.sleep(0.5)

        def tool(*args):
            return subprocess.run(['xdotool', *args], env=env,
                                  capture_output=True, text=True).stdout
        wait('the window', lambda: tool('search', '--onlyvisible', '--name',
                                        'QEMU').strip())
        for window in tool('search', '--onlyvisible', '--name', 'QEMU').split():
            tool('windowfocus', window) # no window manager does
        tool('mousemove', '300', '300')
        wait('the picture', lambda: self.shows(f'{g.path}/Xvfb_screen0',
                                               g.still()))
        tool('type', '--delay', '60', 'uname -a; echo "Tiger" | cat')
        tool('key', 'Return')
        g.wait_serial(b'GOT:uname -a; echo "Tiger" | cat\n')
        wait('the text', lambda: self.shows(f'{g.path}/Xvfb_screen0',
                                            g.still()))

    # ---- the framebuffer console

    def frame_buffer(self, mode, size):
        if not os.path.exists(FB_KERNEL) or not os.path.exists(QEMU):
            self.skipTest('no FB_KERNEL, or no QEMU to compare with')
        pictures = []
        for emu in EMU, QEMU:
            g = self.guest(emu, *self.linux('-vga', 'std', '-display', 'none',
                                            kernel=FB_KERNEL,
                                            append=f'vga={mode:#x}'))
            g.wait_serial(b'READY\n')
            w, h, data = g.still()
            self.assertEqual((w, h), size)
            pictures.append(data)
            g.proc.kill()
        self.assertEqual(pictures[0], pictures[1])

    def test_1024x768x32(self):
        self.frame_buffer(0x344, (1024, 768))

    def test_800x600x16(self):
        self.frame_buffer(0x314, (800, 600))


if __name__ == '__main__':
    unittest.main()
