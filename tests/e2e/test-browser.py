#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The console page in Chromium: test-browser.py EMULATOR.

Linux on the software CPU; Chromium, driven by its debugging protocol, opens
the page, logs in, types `uname -a`; the answer has to be on its canvas.  What
is absent (Chromium, noVNC, a kernel: see boot.py) is skipped with a line.
"""
import base64
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

EMU = sys.argv[1]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def skip(why):
    print(f'skipped: {why}')
    sys.exit(77)


class Socket:
    """The client's side of a WebSocket that carries JSON."""

    def __init__(self, host, port, path):
        self.sock = socket.create_connection((host, port), 60)
        self.sock.sendall(
            f'GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n'
            'Upgrade: websocket\r\nConnection: Upgrade\r\n'
            'Sec-WebSocket-Version: 13\r\n'
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'.encode())
        self.file = self.sock.makefile('rb')
        while self.file.readline().strip():
            pass
        self.last = 0

    def send(self, text):
        data = text.encode()
        head = bytes([0x81, 0x80 | (127 if len(data) > 125 else len(data))])
        if len(data) > 125:
            head += struct.pack('>Q', len(data))
        self.sock.sendall(head + b'\0\0\0\0' + data)

    def receive(self):
        out = b''
        while True:
            a, b = self.file.read(2)
            n = b & 127
            if n == 126:
                n = struct.unpack('>H', self.file.read(2))[0]
            elif n == 127:
                n = struct.unpack('>Q', self.file.read(8))[0]
            out += self.file.read(n)
            if a & 0x80:
                return json.loads(out)

    def call(self, method, **params):
        self.last += 1
        self.send(json.dumps({'id': self.last, 'method': method,
                              'params': params}))
        while True:
            r = self.receive()
            if r.get('id') == self.last:
                assert 'result' in r, r
                return r['result']

    def js(self, text):
        r = self.call('Runtime.evaluate', expression=text, awaitPromise=True,
                      returnByValue=True)
        assert 'exceptionDetails' not in r, r
        return r['result'].get('value')

    def key(self, ch):
        code = {'\n': 'Enter', ' ': 'Space', '-': 'Minus'}.get(
            ch, 'Key' + ch.upper())
        key = 'Enter' if ch == '\n' else ch
        for kind in 'keyDown', 'keyUp':
            self.call('Input.dispatchKeyEvent', type=kind, key=key, code=code)


CANVAS = '''(() => {
    const c = document.querySelector("#screen canvas");
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let s = "";
    for (let i = 0; i < d.length; i += 4096) {
        s += String.fromCharCode(...d.subarray(i, i + 4096));
    }
    return JSON.stringify([c.width, c.height, btoa(s)]);
})()'''


def wait_for(what, fn, seconds=120):
    """Polls a program that tells nobody when it is done."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        v = fn()
        if v:
            return v
        time.sleep(0.1)
    raise TimeoutError(what)


def main():
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    kernel = os.environ.get('BOOT_KERNEL', f'{TOP}/build/guest/vmlinuz')
    initrd = os.environ.get('BOOT_INITRD', f'{TOP}/build/guest/initrd.gz')
    if not chromium:
        skip('no Chromium')
    if not os.path.exists('/usr/share/novnc/core/rfb.js'):
        skip('no noVNC (package novnc)')
    if not os.path.exists(kernel) or not os.path.exists(initrd):
        skip('no kernel: run scripts/run once, or set BOOT_KERNEL')
    tmp = tempfile.mkdtemp()
    browser = None
    emu = subprocess.Popen(
        [EMU, '-M', 'pc', '-accel', 'tcg', '-m', '256', '-nodefaults',
         '-vga', 'std', '-kernel', kernel, '-initrd', initrd, '-append',
         'console=tty0 quiet', '-vnc', '127.0.0.1:0,to=99,web=on,password=on',
         '-qmp', f'unix:{tmp}/q,server=on,wait=off'])
    try:
        wait_for('QMP', lambda: os.path.exists(f'{tmp}/q'))
        q = socket.socket(socket.AF_UNIX)
        q.settimeout(60)
        wait_for('QMP', lambda: q.connect_ex(f'{tmp}/q') == 0)
        qf = q.makefile('rw')
        qf.readline()

        def qmp(name, **args):
            qf.write(json.dumps({'execute': name, 'arguments': args}) + '\n')
            qf.flush()
            while True:
                r = json.loads(qf.readline())
                if 'event' not in r:
                    return r['return']

        def text():
            """What is in the text screen's memory."""
            said = qmp('human-monitor-command', **{
                'command-line': f'pmemsave 0xb8000 32768 "{tmp}/text"'})
            assert not said, said
            with open(f'{tmp}/text', 'rb') as f:
                return f.read()[::2].decode('latin-1')
        qmp('qmp_capabilities')
        qmp('set_password', protocol='vnc', password='secret')
        port = qmp('query-vnc')['service']
        browser = subprocess.Popen(
            [chromium, '--headless', '--no-sandbox', '--disable-gpu',
             '--remote-debugging-port=0', f'--user-data-dir={tmp}/profile',
             '--remote-allow-origins=*', '--window-size=1024,768',
             f'http://127.0.0.1:{port}/'],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        where = f'{tmp}/profile/DevToolsActivePort'
        wait_for('Chromium', lambda: os.path.exists(where) and
                 open(where).read().count('\n'))
        debug = int(open(where).readline())

        def pages():
            c = http.client.HTTPConnection('127.0.0.1', debug, timeout=20)
            c.request('GET', '/json')
            data = c.getresponse().read()
            c.close()
            return [p for p in json.loads(data) if p['type'] == 'page' and
                    p['url'].startswith('http://127')]
        url = wait_for('the page', pages)[0]['webSocketDebuggerUrl']
        page = Socket('127.0.0.1', debug, '/' + url.split('/', 3)[3])

        def log_in(password):
            wait_for('the login form', lambda: page.js(
                '!!document.getElementById("login") && '
                '!document.getElementById("login").hidden'))
            page.js(f'document.getElementById("password").value="{password}";'
                    'document.querySelector("#login button").click()')

        def status():
            return page.js('document.getElementById("status").textContent')
        log_in('wrong')
        wait_for('a refusal', lambda: status().startswith('Refused: '))
        page.call('Page.reload')
        log_in('secret')
        wait_for('the connection', lambda: status() == 'Connected')
        wait_for('a shell', lambda: '/ #' in text(), 300)
        # Linux looks for its keyboard while the shell starts already.
        wait_for('the keyboard', lambda: page.key('\n') or
                 text().count('/ #') > 1)
        for ch in 'uname -a\n':
            page.key(ch)
        wait_for('the answer', lambda: text().count('GNU/Linux') == 1)

        def same():
            """The canvas shows what the machine shows."""
            w, h, rgba = json.loads(page.js(CANVAS))
            rgba = base64.b64decode(rgba)
            rgb = bytearray(w * h * 3)
            for i in range(3):
                rgb[i::3] = rgba[i::4]
            qmp('screendump', filename=f'{tmp}/d.ppm')
            with open(f'{tmp}/d.ppm', 'rb') as f:
                want = f.read().split(b'\n', 3)
            return want[1] == b'%d %d' % (w, h) and want[3] == rgb
        wait_for('the same picture', same)
        page.js('document.getElementById("text").value="echo $((6*7))\\\\n";'
                'document.querySelector("#type button").click()')
        wait_for('42', lambda: '42  ' in text())
        wait_for('the same picture', same)
        assert page.js('document.getElementById("power").hidden')
        print('ok: logged in, typed, read the answer on the canvas')
    except (AssertionError, TimeoutError):
        shown = text()
        print('The screen:', *(shown[i:i + 80].rstrip(' \0') for i in
                               range(0, 80 * 25, 80)), sep='\n')
        raise
    finally:
        if browser:
            browser.terminate()
            browser.wait()
        emu.kill()
        emu.wait()
        shutil.rmtree(tmp, ignore_errors=True)


main()
