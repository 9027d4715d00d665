#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux on a tap in a bridge, by its name and by fd=, in a network namespace.

tap-net.py EMULATOR IMAGES [--seconds N] [CARD...]

For N seconds: a flood of pings, TCP both ways with checksums, the link down
and up; whatever is sent while it is up comes back.  Needs root.
"""
import argparse
import ctypes
import fcntl
import os
import re
import struct
import subprocess
import sys
import time

import guest

MODS = {'e1000': 'e1000', 'rtl8139': '8139cp', 'pcnet': 'pcnet32',
        'virtio-net-pci': 'virtio_pci,virtio_net'}
ONE = 'for i in 1 2 3 4 5 6 7 8 9; do ping -c 1 -W 2 10.7.0.1 && break; done'
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 2, 0x1000, 0x4000


def sh(text):
    return subprocess.run(['sh', '-c', text], check=True, text=True,
                          capture_output=True).stdout


def open_tap(name):
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack(
        '16sH22x', name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return fd


def tcp(g, tool, out, size):
    """One transfer, out of the guest or into it; both sums."""
    if out:
        far = subprocess.Popen([tool, 'sink', '7001'], text=True,
                               stdout=subprocess.PIPE)
        far.stdout.readline()
        mine = g.run(f'nettool put 10.7.0.1 7001 {size}', 300)
    else:
        far = subprocess.Popen([tool, 'source', '7001', str(size)], text=True,
                               stdout=subprocess.PIPE)
        far.stdout.readline()
        mine = g.run('nettool get 10.7.0.1 7001', 300)
    theirs = far.communicate(timeout=60)[0].strip()
    assert mine.strip() == theirs and f'bytes {size} ' in theirs, (mine,
                                                                    theirs)


def check(emu, image, tool, card, by_fd, seconds):
    fds = ()
    if by_fd:
        fds = (open_tap('tapf'),)
        sh('ip link set tapf master br0 up')
        net = f'tap,id=hostnet0,fd={fds[0]}'
    else:
        net = 'tap,id=hostnet0,ifname=tapn,script=no,downscript=no'
    with guest.Guest(emu, image, '-netdev', net, '-device',
                     f'{card},netdev=hostnet0,id=net0,romfile=',
                     mods=MODS[card] + ',af_packet', timeout=300,
                     pass_fds=fds) as g:
        for fd in fds:
            os.close(fd)
        g.run('ip addr add 10.7.0.2/24 dev eth0; ip link set eth0 up')
        g.run(ONE)
        end, rounds = time.monotonic() + seconds, 0
        while rounds == 0 or time.monotonic() < end:
            g.run('rm -f /tmp/ping; (ping -A -q -c 1000 -W 10 10.7.0.1 '
                  '</dev/null >/tmp/ping 2>&1 &)')
            tcp(g, tool, True, 8 << 20)
            tcp(g, tool, False, 8 << 20)
            text = g.run('while ! grep received /tmp/ping; do usleep 20000; '
                         'done')
            got = re.search(r'(\d+) packets received', text)
            assert got and int(got.group(1)) == 1000, text
            g.cmd('set_link', name='net0', up=False)
            status, out = g.try_run('ping -c 1 -W 1 10.7.0.1')
            assert status != 0, out
            g.cmd('set_link', name='net0', up=True)
            g.run(ONE)
            rounds += 1
        print(f'ok {card} by {"fd" if by_fd else "name"}: {rounds} rounds',
              flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('emulator')
    p.add_argument('images')
    p.add_argument('cards', nargs='*', default=list(MODS))
    p.add_argument('--seconds', type=int, default=0)
    a = p.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() or libc.unshare(0x40000000) or \
            not os.path.exists('/dev/net/tun'):
        print('1..0 # SKIP needs root, /dev/net/tun, a network namespace')
        return
    image = guest.build(a.images)
    if image[0] is None:
        print('1..0 # SKIP', image[1])
        return
    tool = a.images + '/nettool'
    guest.run('gcc', '-O2', '-o', tool, guest.HERE + '/nettool.c')
    sh('ip link set lo up; ip link add br0 type bridge forward_delay 0; '
       'ip addr add 10.7.0.1/24 dev br0; ip link set br0 up; '
       'ip tuntap add tapn mode tap vnet_hdr; '
       'ip link set tapn master br0 up')
    for card in a.cards:
        for by_fd in (False, True):
            check(a.emulator, image, tool, card, by_fd, a.seconds)
    print(f'1..{2 * len(a.cards)}')


sys.exit(main())
