#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What VNC clients cost: vnc-load.py EMULATOR [SECONDS [REFERENCE]].

A boot sector works in fixed pieces and says each on its serial port, filling
the text screen anew each time.  Phases with one client that looks, and phases
with that one and clients that mean harm take turns (SECONDS each, some
rounds): the guest's pieces may take 5 per cent longer in the median, QMP has
to answer within 20 ms at the 99th percentile, the one that looks keeps 20
updates a second, and the program's memory stays bounded.

Then a guest that sleeps and nobody looks: how often the program wakes up,
against REFERENCE (QEMU) when there is one.  Wants an idle host.
"""
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import rfb

EMU = sys.argv[1]
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 4
REFERENCE = sys.argv[3] if len(sys.argv) > 3 else None
ROUNDS = 5
PIECE = 1_000_000  # turns of a loop

# cld; mov ax,0xb800; mov es,ax; xor bx,bx
# 1: inc bx; mov ecx,PIECE; 2: dec ecx; jnz 2b
#    mov al,bl; mov ah,0x1e; xor di,di; mov cx,2000; rep stosw
#    mov dx,0x3f8; mov al,bl; out dx,al; jmp 1b
WORK = bytes.fromhex('fcb800b88ec031db4366b9') + struct.pack('<I', PIECE) + \
    bytes.fromhex('664975fc88d8b41e31ffb9d007f3abbaf80388d8ee') + b'\xeb'
WORK += bytes([(8 - len(WORK) - 1) & 255])
SLEEP = bytes.fromhex('faf4ebfd')  # cli; 1: hlt; jmp 1b


class Guest:
    def __init__(self, emu, code, *args):
        self.tmp = tempfile.TemporaryDirectory()
        d = self.tmp.name
        with open(f'{d}/boot', 'wb') as f:
            f.write(code.ljust(510, b'\0') + b'\x55\xaa' + bytes(2879 * 512))
        self.path = f'{d}/v'
        self.proc = subprocess.Popen(
            [emu, '-M', 'pc', '-accel', 'tcg', '-m', '64', '-nodefaults',
             '-vga', 'std', '-drive', f'file={d}/boot,format=raw,if=floppy',
             '-boot', 'a', '-vnc', f'unix:{d}/v', '-serial', f'unix:{d}/s,'
             'server=on,wait=off', '-qmp', f'unix:{d}/q,server=on,wait=off',
             *args])
        self.serial, self.qmp = self.connect('s'), self.connect('q')
        self.qfile = self.qmp.makefile('rw')
        self.qfile.readline()
        self.cmd('qmp_capabilities')

    def connect(self, name):
        s = socket.socket(socket.AF_UNIX)
        while s.connect_ex(f'{self.tmp.name}/{name}'):
            if self.proc.poll() is not None:
                raise RuntimeError('it did not start')
            time.sleep(0.02)
        return s

    def cmd(self, name):
        self.qfile.write(json.dumps({'execute': name}) + '\n')
        self.qfile.flush()
        while 'return' not in json.loads(self.qfile.readline()):
            pass

    def status(self, key, tasks=False):
        out, top = 0, f'/proc/{self.proc.pid}'
        for t in [f'{top}/task/{i}' for i in os.listdir(f'{top}/task')] \
                if tasks else [top]:
            with open(f'{t}/status') as f:
                out += sum(int(line.split()[1]) for line in f
                           if line.startswith(key))
        return out

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.tmp.cleanup()


class Measure:
    """Counts what happens until it is stopped."""

    def __init__(self, g, looker):
        self.stop = False
        self.pieces, self.answers = [], []
        self.updates = looker.updates
        self.looker, self.began = looker, time.monotonic()
        self.threads = [threading.Thread(target=self.read_serial, args=(g,)),
                        threading.Thread(target=self.ask, args=(g,)),
                        threading.Thread(target=self.look)]
        for t in self.threads:
            t.start()

    def read_serial(self, g):
        g.serial.settimeout(1)
        last = None
        while not self.stop:
            try:
                n = len(g.serial.recv(4096))
            except TimeoutError:
                continue
            now = time.monotonic()
            if last:
                self.pieces += [(now - last) / n] * n
            last = now

    def ask(self, g):
        while not self.stop:
            t = time.monotonic()
            g.cmd('query-status')
            self.answers.append(time.monotonic() - t)
            time.sleep(0.01)

    def look(self):
        while not self.stop:
            self.looker.refresh(True)

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join()
        took = time.monotonic() - self.began
        return (statistics.median(self.pieces), self.answers,
                (self.looker.updates - self.updates) / took)


class Crowd:
    """Those who mean harm, or nothing."""

    def __init__(self, g):
        self.socks, self.stop, self.threads = [], False, []
        half = rfb.Rfb(g.path)
        half.sock.sendall(b'\x02\0\xff\xff')
        deaf = rfb.Rfb(g.path)
        for _ in range(100):
            deaf.request(False)
        self.socks += [half, deaf] + [rfb.Rfb(g.path) for _ in range(50)]
        flood = rfb.Rfb(g.path)
        self.socks.append(flood)
        t = threading.Thread(target=self.pour, args=(flood,))
        t.start()
        self.threads.append(t)

    def pour(self, r):
        data = b''.join(struct.pack('>BBHH', 5, i & 1, i * 7 % 640, i % 480)
                        for i in range(2000))
        r.sock.settimeout(0.2)
        while not self.stop:
            try:
                r.sock.send(data)
            except TimeoutError:
                pass

    def leave(self):
        self.stop = True
        for t in self.threads:
            t.join()
        for s in self.socks:
            s.close()


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def stalls():
    g = Guest(EMU, WORK)
    bad = []
    try:
        g.serial.recv(1)  # it has begun
        looker = rfb.Rfb(g.path)
        looker.refresh()
        calm, rough = [], []
        before = g.status('VmRSS')
        for i in range(2 * ROUNDS):
            crowd = Crowd(g) if i & 1 else None
            m = Measure(g, looker)
            time.sleep(SECONDS)
            (rough if crowd else calm).append(m.end())
            if crowd:
                after = g.status('VmRSS')
                crowd.leave()
        ratio = statistics.median(b[0] / a[0] for a, b in zip(calm, rough))
        for name, phases in ('calm', calm), ('rough', rough):
            print(f'{name}: a piece {1000 * statistics.median(p[0] for p in phases):.2f} ms, '
                  f'QMP p99 {1000 * p99(sum((p[1] for p in phases), [])):.1f} ms, '
                  f'{min(p[2] for p in phases):.1f} updates/s at least')
        print(f'pieces take {ratio:.3f} times as long; '
              f'memory {before} kB, with the crowd {after} kB')
        if ratio > 1.05:
            bad.append('the guest is slowed down')
        if p99(sum((p[1] for p in rough), [])) > 0.020:
            bad.append('QMP waits')
        if min(p[2] for p in rough) < 20:
            bad.append('another client waits')
        if after - before > 256 * 1024:
            bad.append('memory grows')
    finally:
        g.close()
    return bad


def wakeups(emu):
    """Of all threads in a second; the guest sleeps, nobody looks."""
    g = Guest(emu, SLEEP)
    try:
        time.sleep(4)  # the BIOS is through
        a = g.status('voluntary_ctxt', True)
        time.sleep(10)
        return (g.status('voluntary_ctxt', True) - a) / 10
    finally:
        g.close()


def main():
    bad = stalls()
    ours = wakeups(EMU)
    print(f'asleep, nobody looks: {ours:.1f} wake-ups a second')
    if REFERENCE:
        theirs = wakeups(REFERENCE)
        print(f'the reference: {theirs:.1f}')
        if ours > theirs:
            bad.append('more wake-ups than the reference')
    if bad:
        sys.exit('; '.join(bad))


main()
