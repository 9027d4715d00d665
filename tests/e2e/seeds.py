#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""seeds.py BINARY: the seed documents' command lines bring their guests up.

Word for word but for what belongs to other machines: paths, descriptors, host
addresses, and the accelerator.  GUEST_DISK is a qcow2 or raw disk with a
system that asks for a login on the text screen or the first serial port.
"""
import fcntl
import glob
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from session import Session

EMU = os.path.abspath(sys.argv[1])
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SEEDS = os.path.join(TOP, '..', 'shared', 'seeds', 'cmdlines')
LIMIT = 600
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 2, 0x1000, 0x4000


def skip(why):
    print('skipped:', why)
    sys.exit(77)


def options(name):
    """Pairs of option and argument (None: it takes none)."""
    with open(name, encoding='utf-8') as f:
        words = shlex.split(f.read())
    out = []
    for w in words:
        if w.startswith('-') and not re.match(r'-\d', w):
            out.append([w, None])
        else:
            out[-1][1] = w
    return out


def tap():
    fd = os.open('/dev/net/tun', os.O_RDWR)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', b'seed%d', flags))
    return fd


class Line:
    """A command line put in place in the folder @tmp."""

    def __init__(self, pairs, tmp, disk):
        self.fds, self.args = [], []
        self.tmp, self.disk = tmp, disk
        for option, arg in pairs:
            if option == '-enable-kvm':
                option, arg = '-accel', 'tcg'
            self.args.append(option)
            if arg is not None:
                self.args.append(self.place(option, arg))

    def overlay(self):
        path = f'{self.tmp}/disk.qcow2'
        kind = 'raw' if self.disk.endswith('.raw') else 'qcow2'
        subprocess.run([os.path.join(os.path.dirname(EMU), 'qemu-img'),
                        'create', '-q', '-f', 'qcow2', '-F', kind, '-b',
                        os.path.abspath(self.disk), path], check=True)
        return path

    def place(self, option, arg):
        if option == '-drive' and 'media=cdrom' in arg and 'file=' in arg:
            iso = f'{self.tmp}/empty.iso'
            with open(iso, 'wb') as f:
                f.truncate(1 << 20)
            return re.sub('file=[^,]*', f'file={iso}', arg)
        if option == '-drive' and 'file=' in arg:
            return re.sub('file=[^,]*', f'file={self.overlay()}', arg)
        if option == '-netdev':
            self.fds.append(tap())
            arg = re.sub(',vhost=on|,vhostfd=[0-9]*', '', arg)
            return re.sub(r'\bfd=\d+', f'fd={self.fds[-1]}', arg)
        if option == '-chardev':
            return re.sub('path=[^,]*/', f'path={self.tmp}/', arg)
        if option == '-vnc':
            return re.sub(r'^[^:]*:', '127.0.0.1:', arg) + ',to=99'
        if option == '-readconfig':
            return os.path.join(TOP, 'docs', 'config', os.path.basename(arg))
        return arg


def reader(path, into):
    with open(path, 'rb', buffering=0) as f:
        while True:
            try:
                got = f.read(4096)
            except OSError:
                return
            if not got:
                return
            into.extend(got)


def run(pairs, tmp, disk):
    line = Line(pairs, tmp, disk)
    serial = bytearray()
    end = time.monotonic() + LIMIT
    with Session(EMU, *line.args, pass_fds=line.fds) as s:
        for c in s.cmd('query-chardev'):
            if c['label'] == 'charserial0' and c['filename'].startswith('pty:'):
                threading.Thread(target=reader, daemon=True,
                                 args=(c['filename'][4:], serial)).start()
        s.cmd('cont')
        while True:  # a guest tells nobody when it is up
            s.cmd('pmemsave', val=0xb8000, size=4000, filename=f'{tmp}/text')
            with open(f'{tmp}/text', 'rb') as f:
                seen = f.read()[::2].decode('latin-1')
            for log in glob.glob(f'{tmp}/console.log'):
                with open(log, encoding='latin-1') as f:
                    seen += f.read()
            seen += serial.decode('latin-1')
            if 'login:' in seen:
                break
            assert time.monotonic() < end, seen[-4000:]
            time.sleep(0.5)
        nets = s.hmp('info network')
    for fd in line.fds:
        os.close(fd)
    assert 'net0' in nets, nets


NOT_THERE = re.compile('spice|qxl|AC97|usb-redir')


def refused(pair, tmp):
    """One line that names what is not there."""
    p = subprocess.run([EMU, '-M', 'pc', '-accel', 'tcg', '-nodefaults',
                        '-display', 'none', '-S', *[w for w in pair if w]],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=20,
                       check=False)
    said = p.stdout.strip().splitlines()
    assert p.returncode == 1 and len(said) == 1, (pair, p.stdout)
    print('  refused:', said[0])


def main():
    disk = os.environ.get('GUEST_DISK', '')
    names = sorted(glob.glob(SEEDS + '/*.args'))
    if not names:
        skip('no seed documents here')
    if not os.path.exists(disk):
        skip('GUEST_DISK names no disk with a system')
    if os.getuid():
        skip('taps need root')
    for name in names:
        tmp = tempfile.mkdtemp()
        pairs = options(name)
        for pair in pairs:
            if NOT_THERE.search(' '.join(w for w in pair if w)) and \
                    pair[0] != '-global':
                if 'channel0' not in pair[1] or pair[0] == '-chardev':
                    refused(pair, tmp)
        # What stands for qxl's screen is another.
        have = [p if p != ['-vga', 'qxl'] else ['-vga', 'std'] for p in pairs
                if p == ['-vga', 'qxl'] or
                not NOT_THERE.search(' '.join(w for w in p if w))]
        start = time.monotonic()
        run(have, tmp, disk)
        print('ok %s (%.1f s)' % (os.path.basename(name),
                                  time.monotonic() - start), flush=True)
        shutil.rmtree(tmp)


if __name__ == '__main__':
    main()
