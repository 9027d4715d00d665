#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux on each network card with a user network.

user-net.py EMULATOR IMAGES [--bytes N] [--pxe] [CARD...]

DHCP, DNS, HTTP, a forwarded port, TCP both ways with checksums, a round trip
of the state meanwhile, IPv6; with --pxe iPXE boots the kernel by the built-in
TFTP server.  All in a network namespace without any other network: resolver
and servers are this script's.  Needs root.
"""
import argparse
import ctypes
import http.server
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import guest

CARDS = {'e1000': 'e1000', 'rtl8139': '8139cp', 'pcnet': 'pcnet32',
         'ne2k_pci': 'ne2k-pci', 'virtio-net-pci': 'virtio_pci,virtio_net'}
BLOCK = os.urandom(1 << 20)
RESOLVER = '10.9.9.1'


def isolate(tmp):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000 | 0x20000):  # CLONE_NEWNET | CLONE_NEWNS
        print('1..0 # SKIP no network namespace:',
              os.strerror(ctypes.get_errno()))
        sys.exit(0)
    conf = tmp + '/resolv.conf'
    with open(conf, 'w') as f:
        f.write(f'nameserver {RESOLVER}\n')
    for cmd in ('mount --make-rprivate /',
                f'mount --bind {conf} /etc/resolv.conf', 'ip link set lo up',
                f'ip addr add {RESOLVER}/32 dev lo'):
        subprocess.run(cmd.split(), check=True)


def serve_dns():
    """Every name's address is the gateway's."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((RESOLVER, 53))
    while True:
        q, peer = s.recvfrom(512)
        end = q.index(b'\0', 12) + 5
        kind = struct.unpack('>H', q[end - 4:end - 2])[0]
        n = 1 if kind == 1 else 0
        a = q[:2] + struct.pack('>HHHHH', 0x8180, 1, n, 0, 0) + q[12:end]
        if n:
            a += b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, 60, 4)
            a += socket.inet_aton('10.0.2.2')
        s.sendto(a, peer)


class Http(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(4 * len(BLOCK)))
        self.end_headers()
        for _ in range(4):
            self.wfile.write(BLOCK)

    def log_message(self, *args):
        pass


def listener(family=socket.AF_INET):
    s = socket.socket(family)
    s.bind(('::1' if family == socket.AF_INET6 else '127.0.0.1', 0))
    s.listen(8)
    return s, s.getsockname()[1]


def put(sock, size):
    crc, block = 0, BLOCK
    while size:
        part = block[:min(size, len(block))]
        sock.sendall(part)
        crc = zlib.crc32(part, crc)
        size -= len(part)
    sock.shutdown(socket.SHUT_WR)
    return crc


def get(sock):
    crc = total = 0
    while True:
        b = sock.recv(1 << 18)
        if not b:
            return total, crc
        crc = zlib.crc32(b, crc)
        total += len(b)


def accept_and(fn, lsock, *args):
    def work():
        s, _ = lsock.accept()
        with s:
            s.settimeout(600)
            return fn(s, *args)
    return guest.Background(work)


def sums(text):
    m = re.search(r'bytes (\d+) crc ([0-9a-f]+)', text)
    assert m, text
    return int(m.group(1)), int(m.group(2), 16)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def check(emu, image, card, size, http_port, trips_wanted):
    fwd = free_port()
    with guest.Guest(emu, image, '-netdev',
                     f'user,id=n,hostfwd=tcp:127.0.0.1:{fwd}-:7000',
                     '-device', f'{card},netdev=n,romfile=',
                     mods=CARDS[card] + ',af_packet', timeout=900) as g:
        g.run('ip link set lo up; ip link set eth0 up')
        g.run('udhcpc -i eth0 -n -q -t 20')
        assert '10.0.2.15/24' in g.run('ip addr show eth0')
        assert '10.0.2.2' in g.run('nslookup files.test')
        out = g.run(f'wget -q -O /tmp/f http://files.test:{http_port}/f;'
                    'crc32 /tmp/f')
        assert f'{zlib.crc32(BLOCK * 4):08x}' in out, out
        # Out.
        ls, port = listener()
        t0, c0 = time.monotonic(), g.cpu()
        far = accept_and(get, ls)
        mine = sums(g.run(f'nettool put 10.0.2.2 {port} {size}'))
        assert mine == far.result() and mine[0] == size
        up = size / (g.cpu() - c0) / 1e6, size / (time.monotonic() - t0) / 1e6
        # In, by the forwarded port, with the state saved and loaded meanwhile.
        g.con.sendall(b'nettool sink 7000; echo "@RC=$?@"\n')
        g.wait('listening')
        t0, c0 = time.monotonic(), g.cpu()
        s = socket.create_connection(('127.0.0.1', fwd))
        s.settimeout(600)
        far = guest.Background(put, s, size)
        trips = 0
        while far.is_alive() and trips < trips_wanted:
            diff = g.cmd('x-vmstate-roundtrip')
            assert not diff.get('differences'), diff
            trips += 1
            far.join(0.3)
        crc = far.result()
        out = g.wait(r'@RC=(\d+)@')
        assert sums(out) == (size, crc), (out, crc)
        down = (size / (g.cpu() - c0) / 1e6,
                size / (time.monotonic() - t0) / 1e6)
        # IPv6.
        for _ in range(40):
            if 'fec0::' in g.run('ip -6 addr show dev eth0 scope site'):
                break
            g.run('usleep 200000')
        ls6, port6 = listener(socket.AF_INET6)
        far = accept_and(put, ls6, 1 << 20)
        mine = sums(g.run(f'nettool get fec0::2 {port6}'))
        assert mine == (1 << 20, far.result())
        print(f'ok {card}: {size >> 20} MiB out at {up[0]:.0f} MB/CPU s '
              f'({up[1]:.0f} MB/s), in {down[0]:.0f} ({down[1]:.0f}), '
              f'{trips} round trips', flush=True)


def check_pxe(emu, image, card, tmp):
    tftp = tmp + '/tftp'
    os.makedirs(tftp, exist_ok=True)
    for name, src in zip(('vmlinuz', 'initrd'), image):
        if not os.path.exists(f'{tftp}/{name}'):
            os.link(src, f'{tftp}/{name}') if os.stat(src).st_dev == \
                os.stat(tftp).st_dev else subprocess.run(
                    ['cp', src, f'{tftp}/{name}'], check=True)
    with open(tftp + '/boot.ipxe', 'w') as f:
        f.write('#!ipxe\nkernel vmlinuz console=ttyS0 quiet pxe=yes\n'
                'initrd initrd\nboot\n')
    with guest.Guest(emu, None, '-netdev',
                     f'user,id=n,tftp={tftp},bootfile=boot.ipxe', '-device',
                     f'{card},netdev=n,bootindex=1', timeout=900) as g:
        assert 'pxe=yes' in g.run('cat /proc/cmdline')
    print(f'ok {card}: iPXE booted Linux by TFTP', flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('emulator')
    p.add_argument('images')
    p.add_argument('cards', nargs='*', default=list(CARDS))
    p.add_argument('--bytes', type=lambda s: int(s, 0), default=8 << 20)
    p.add_argument('--pxe', action='store_true')
    p.add_argument('--trips', type=int, default=3)
    a = p.parse_args()
    if os.geteuid():
        print('1..0 # SKIP needs root')
        return
    image = guest.build(a.images)
    if image[0] is None:
        print('1..0 # SKIP', image[1])
        return
    with tempfile.TemporaryDirectory() as tmp:
        isolate(tmp)
        threading.Thread(target=serve_dns, daemon=True).start()
        web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Http)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        for card in a.cards:
            if a.pxe:
                check_pxe(a.emulator, image, card, tmp)
            else:
                check(a.emulator, image, card, a.bytes, web.server_port,
                      a.trips)
        subprocess.run(['umount', '/etc/resolv.conf'])
    print(f'1..{len(a.cards)}')


main()
