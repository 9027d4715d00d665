#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's virtio drivers on all devices.

virtio.py EMULATOR IMAGES [--count N] [features|hotplug|balloon|agent|disks]...

features: legacy, modern and packed, by the feature bits that the guest reads;
disks: ext4 on virtio-blk and virtio-scsi, written while the state goes round;
hotplug: each device N times while in use; balloon: half and back, with the
process's memory; agent: qemu-guest-agent answers.
"""
import argparse
import json
import os
import socket
import tempfile

import guest

MODS = ('virtio_pci,virtio_net,virtio_blk,virtio_scsi,sd_mod,virtio_console,'
        'virtio_balloon,virtio-rng,virtio_input,evdev,ext4,af_packet,'
        'crc32c_generic,crct10dif_generic,crc64_rocksoft_generic')
DRIVERS = {'net': 'virtio_net', 'blk': 'virtio_blk', 'scsi': 'virtio_scsi',
           'serial': 'virtio_console', 'balloon': 'virtio_balloon',
           'rng': 'virtio_rng', 'keyboard': 'virtio_input',
           'tablet': 'virtio_input'}
MODES = {'legacy': 'disable-modern=on,disable-legacy=off',
         'transitional': 'disable-legacy=off',
         'modern': 'disable-legacy=on',
         'packed': 'disable-legacy=on,packed=on'}
OLD = 'legacy', 'transitional'
VERSION_1, PACKED, EVENT_IDX, INDIRECT = 32, 34, 29, 28


def device(kind, opts, n=''):
    more = {'net': f',netdev=n{n},romfile=', 'blk': f',drive=b{n}'}
    return f'virtio-{kind}-pci,id={kind}{n},{opts}{more.get(kind, "")}'


def null_disk(name):
    return ['-blockdev', json.dumps({'driver': 'null-co', 'node-name': name,
                                     'size': 1 << 26, 'read-zeroes': True})]


def features(a, image):
    for mode, opts in MODES.items():
        args = ['-netdev', 'user,id=n', *null_disk('b'), *null_disk('h')]
        for kind in DRIVERS:
            if mode in OLD and kind in ('keyboard', 'tablet'):
                continue  # these have no legacy interface
            args += ['-device', device(kind, opts)]
        args += ['-device', 'scsi-hd,bus=scsi.0,drive=h',
                 '-chardev', 'null,id=c', '-device',
                 'virtserialport,bus=serial.0,chardev=c,name=port']
        with guest.Guest(a.emulator, image, *args, mods=MODS,
                         timeout=600) as g:
            seen = g.run('for d in /sys/bus/virtio/devices/*; do echo '
                         '$(basename $(readlink $d/driver)) $(cat $d/status) '
                         '$(cat $d/features); done')
            found = set()
            for line in seen.split('\n'):
                driver, status, bits = line.split()
                found.add(driver)
                assert int(status, 16) & 0xc4 == 4, line
                assert (bits[VERSION_1] == '1') == (mode != 'legacy'), line
                assert (bits[PACKED] == '1') == (mode == 'packed'), line
                if driver in ('virtio_net', 'virtio_blk', 'virtio_scsi'):
                    assert bits[EVENT_IDX] == bits[INDIRECT] == '1', line
            want = {d for k, d in DRIVERS.items()
                    if mode not in OLD or d != 'virtio_input'}
            assert found == want, found ^ want
            use(g)
            d = g.cmd('x-vmstate-roundtrip')
            assert not d.get('differences'), d
            use(g)
        print(f'ok features: {mode}: {len(seen.splitlines())} devices bound',
              flush=True)


def use(g):
    """Something of each device."""
    g.run('ip link set eth0 up; udhcpc -i eth0 -n -q -t 20')
    g.run('ping -c 3 -i 0.2 10.0.2.2')
    g.run('dd if=/dev/vda of=/dev/null bs=64k count=64 iflag=direct')
    g.run('dd if=/dev/sda of=/dev/null bs=64k count=64 iflag=direct')
    g.run('dd if=/dev/hwrng of=/dev/null bs=64 count=4')
    g.run('echo hello > /dev/vport*p1')


def disks(a, image):
    """A file system on each; the state goes round while it is written."""
    with tempfile.TemporaryDirectory() as tmp:
        args = []
        for n in 'bh':
            with open(f'{tmp}/{n}', 'wb') as f:
                f.truncate(256 << 20)
            args += ['-blockdev', json.dumps(
                {'driver': 'file', 'node-name': n, 'filename': f'{tmp}/{n}'})]
        with guest.Guest(a.emulator, image, *args,
                         '-object', 'iothread,id=t',
                         '-device', 'virtio-blk-pci,drive=b,iothread=t',
                         '-device', 'virtio-scsi-pci,id=s',
                         '-device', 'scsi-hd,bus=s.0,drive=h', mods=MODS,
                         timeout=600) as g:
            for d in 'vda', 'sda':
                g.run(f'mke2fs /dev/{d}; mkdir /mnt/{d}; '
                      f'mount -t ext4 /dev/{d} /mnt/{d}')
                g.con.sendall(
                    f'(for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=/tmp/r '
                    f'bs=1M count=4; for k in 1 2 3 4; do cp /tmp/r /mnt/{d}/'
                    '$i$k; sync; done; done) >/dev/null 2>&1; '
                    'echo "@RC=$?@"\n'.encode())
                trips = 0
                while True:
                    diff = g.cmd('x-vmstate-roundtrip')
                    assert not diff.get('differences'), diff
                    trips += 1
                    try:
                        g.wait('@RC=0@', 0.2)
                        break
                    except AssertionError:
                        assert trips < 2000
                out = g.run(f'umount /mnt/{d}; mount -t ext4 /dev/{d} /mnt/{d}'
                            f'; for i in 1 2 3 4 5 6; do md5sum /mnt/{d}/$i?;'
                            'done')
                sums = [x.split()[0] for x in out.split('\n')]
                assert len(sums) == 24 and len(set(sums)) == 6, out
                print(f'ok disks: {d}: ext4, {trips} round '
                      'trips while it was written', flush=True)


def hotplug(a, image):
    args = ['-netdev', 'user,id=nx', *null_disk('bx'), *null_disk('h'),
            '-device', 'virtio-scsi-pci,id=s0', '-chardev', 'null,id=c',
            '-device', 'virtio-serial-pci,id=v0']
    plugs = {
        'net': (dict(driver='virtio-net-pci', netdev='nx'),
                'ip link set eth0 up && (ping -i 0.01 -c 3 10.0.2.2 '
                '</dev/null >/dev/null 2>&1 &)', '[ -e /sys/class/net/eth0 ]'),
        'blk': (dict(driver='virtio-blk-pci', drive='bx'),
                '(dd if=/dev/vda of=/dev/null bs=4k iflag=direct '
                '</dev/null >/dev/null 2>&1 &)', '[ -e /dev/vda ]'),
        'scsi-disk': (dict(driver='scsi-hd', bus='s0.0', drive='h'),
                      '(dd if=/dev/sda of=/dev/null bs=4k iflag=direct '
                      '</dev/null >/dev/null 2>&1 &)', '[ -e /dev/sda ]'),
        'port': (dict(driver='virtserialport', bus='v0.0', chardev='c',
                      name='p'),
                 '({ cat /dev/zero >&9 2>/dev/null </dev/null & } 9>$P)',
                 'P=$(ls /dev/vport*p1 2>/dev/null); [ -c "$P" ]'),
        'rng': (dict(driver='virtio-rng-pci'),
                '(dd if=/dev/hwrng of=/dev/null bs=64 count=100 '
                '</dev/null >/dev/null 2>&1 &)',
                'grep -q virtio /sys/class/misc/hw_random/rng_available'),
        'balloon': (dict(driver='virtio-balloon-pci'), 'true',
                    'ls /sys/bus/virtio/drivers/virtio_balloon/ | '
                    'grep -q virtio[0-9]'),
        'scsi': (dict(driver='virtio-scsi-pci'), 'true',
                 '[ $(ls /sys/class/scsi_host | wc -l) = 2 ]'),
        'keyboard': (dict(driver='virtio-keyboard-pci'), 'true',
                     'grep -q "Virtio Keyboard" /proc/bus/input/devices'),
    }
    with guest.Guest(a.emulator, image, *args, mods=MODS, timeout=600) as g:
        for name, (props, busy, there) in plugs.items():
            for i in range(a.count):
                g.cmd('device_add', id='hot', **props)
                status, out = g.try_run(
                    f'for i in $(seq 2000); do {there} && break; '
                    f'usleep 5000; done; {there} && sleep 0 && {busy}')
                assert status == 0, (name, i, out, g.run('dmesg | tail'))
                g.cmd('device_del', id='hot')
                while True:
                    e = g.s.wait_event('DEVICE_DELETED')
                    if e['data'].get('device') == 'hot':
                        break
                g.run(f'for i in $(seq 2000); do {there} || break; '
                      f'usleep 5000; done; ! {{ {there}; }}')
            assert 'Oops' not in g.run('dmesg')
            print(f'ok hotplug: {name} {a.count} times while in use',
                  flush=True)


def balloon(a, image):
    with guest.Guest(a.emulator, image, '-device',
                     'virtio-balloon-pci,id=bal,guest-stats-polling-interval='
                     '1', memory=1024, mods=MODS, timeout=600) as g:
        # Memory that the guest has touched.
        g.run('mkdir -p /big; mount -t tmpfs -o size=800m t /big; '
              'dd if=/dev/zero of=/big/f bs=1M count=640; rm /big/f')
        full = g.rss()

        def settle(want):
            g.cmd('balloon', value=want)
            while True:
                e = g.s.wait_event('BALLOON_CHANGE')
                if e['data']['actual'] == want:
                    return

        settle(512 << 20)
        assert g.cmd('query-balloon')['actual'] == 512 << 20
        half = g.rss()
        assert full - half > 300 << 20, (full, half)
        stats = None
        for _ in range(200):
            stats = g.cmd('qom-get', path='/machine/peripheral/bal',
                          property='guest-stats')
            if stats['last-update']:
                break
            g.run('usleep 100000')
        total = stats['stats']['stat-total-memory']
        assert 0 < total < 1024 << 20, stats
        settle(1024 << 20)
        g.run('dd if=/dev/zero of=/big/f bs=1M count=640; rm /big/f')
        back = g.rss()
        assert back - half > 250 << 20, (half, back)
        print('ok balloon: %d MiB, half %d, back %d; guest sees %d MiB' % (
            full >> 20, half >> 20, back >> 20, total >> 20), flush=True)


def agent(a, image):
    ours, theirs = socket.socketpair()
    with guest.Guest(a.emulator, image, '-device', 'virtio-serial-pci,id=v',
                     '-chardev', f'socket,id=ga,fd={theirs.fileno()}',
                     '-device', 'virtserialport,id=ga,bus=v.0,chardev=ga,'
                     'name=org.qemu.guest_agent.0', mods=MODS, timeout=600,
                     pass_fds=(theirs.fileno(),)) as g:
        theirs.close()
        ours.settimeout(300)
        f = ours.makefile('rw')
        g.run('mkdir -p /dev/virtio-ports; ln -s /dev/vport*p1 '
              '/dev/virtio-ports/org.qemu.guest_agent.0; '
              '(qemu-ga -m virtio-serial -t /tmp -f /tmp/pid -p '
              '/dev/virtio-ports/org.qemu.guest_agent.0 > /tmp/log 2>&1 &)')
        e = g.s.wait_event('VSERPORT_CHANGE')
        assert e['data']['open'], e

        def ask(name, **args):
            f.write(json.dumps({'execute': name, 'arguments': args}) + '\n')
            f.flush()
            r = json.loads(f.readline())
            assert 'return' in r, r
            return r['return']

        assert ask('guest-sync', id=4711) == 4711
        version = ask('guest-info')['version']
        g.run('echo agent > /tmp/file')
        h = ask('guest-file-open', path='/tmp/file')
        r = ask('guest-file-read', handle=h)
        assert r['buf-b64'] == 'YWdlbnQK', r
        ask('guest-file-close', handle=h)
        for i in range(50):
            assert ask('guest-sync', id=i) == i
        print(f'ok agent: qemu-guest-agent {version} answers', flush=True)
    ours.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('emulator')
    p.add_argument('images')
    p.add_argument('what', nargs='*')
    p.add_argument('--count', type=int, default=3)
    a = p.parse_args()
    image = guest.build(a.images)
    if image[0] is None:
        print('1..0 # SKIP', image[1])
        return
    os.environ.setdefault('TMPDIR', '/var/tmp')
    all_of = dict(features=features, agent=agent, balloon=balloon,
                  disks=disks, hotplug=hotplug)
    for w in a.what or all_of:
        all_of[w](a, image)


main()
