# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt 9 asks of a program before it uses it: test-probe.py BINARY.

The command line and the questions of its capability probe, with what it
needs of each reply; then the same monitor on a PC without running CPUs.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

BINARY = None
TYPES = ('virtio-blk-pci', 'virtio-net-ccw', 'vfio-pci', 'PIIX4_PM', 'VGA',
         'usb-redir', 'ICH9-LPC', 'mch', 'intel-iommu', 'no-such-type')


class Qmp:
    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(30)
        self.file = sock.makefile('rwb', buffering=0)
        assert 'QMP' in json.loads(self.file.readline())
        self.n = 0
        self.cmd('qmp_capabilities')

    def reply(self, name, **args):
        self.n += 1
        req = {'execute': name, 'id': f'libvirt-{self.n}'}
        if args:
            req['arguments'] = args
        self.file.write(json.dumps(req).encode() + b'\n')
        while True:
            r = json.loads(self.file.readline())
            if 'event' not in r:
                assert r['id'] == req['id']
                return r

    def cmd(self, name, **args):
        return self.reply(name, **args)['return']

    def close(self):
        self.file.close()
        self.sock.close()


class Probe(unittest.TestCase):
    def test_probe(self):
        with tempfile.TemporaryDirectory() as tmp:
            path, pidfile = tmp + '/qmp.monitor', tmp + '/qmp.pid'
            p = subprocess.run(
                [BINARY, '-S', '-no-user-config', '-nodefaults', '-nographic',
                 '-machine', 'none,accel=tcg', '-qmp',
                 f'unix:{path},server=on,wait=off', '-pidfile', pidfile,
                 '-daemonize'], timeout=60)
            self.assertEqual(p.returncode, 0)
            with open(pidfile, encoding='ascii') as f:
                pid = int(f.read())
            try:
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(path)
                q = Qmp(sock)
                self.addCleanup(q.close)
                self.ask(q)
            finally:
                os.kill(pid, signal.SIGTERM)

    def ask(self, q):
        v = q.cmd('query-version')
        self.assertEqual((v['qemu']['major'], v['qemu']['minor']), (7, 2))
        self.assertIsInstance(v['package'], str)
        self.assertEqual(q.cmd('query-target')['arch'], 'x86_64')
        self.assertIsInstance(q.cmd('query-qmp-schema'), list)
        names = {c['name'] for c in q.cmd('query-commands')}
        self.assertLessEqual({'query-hotpluggable-cpus', 'set-action'}, names)
        self.assertEqual(q.cmd('query-kvm')['enabled'], False)
        types = {t['name'] for t in q.cmd('qom-list-types')}
        self.assertIn('tcg-accel', types)
        self.assertNotIn('sev-guest', types)
        for t in TYPES:
            r = q.reply('device-list-properties', typename=t)
            if 'error' in r:
                self.assertEqual(r['error']['class'], 'DeviceNotFound', t)
        wanted = ['memory-backend-file', 'none-machine']
        for t in ('memory-backend-memfd', 'max-x86_64-cpu'):
            wanted += [t] if t in types else []
        for t in wanted:
            props = q.cmd('qom-list-properties', typename=t)
            self.assertTrue(all(p['name'] for p in props))
        machines = {m['name']: m for m in q.cmd('query-machines')}
        pc = machines['pc-i440fx-7.2']
        self.assertEqual(pc['alias'], 'pc')
        self.assertEqual(pc['default-ram-id'], 'pc.ram')
        self.assertIn('default-cpu-type', pc)
        for c in q.cmd('query-migrate-capabilities'):
            self.assertFalse(c['state'], c)
        options = q.cmd('query-command-line-options')
        self.assertIn('sandbox', {o['option'] for o in options})
        for o in options:
            self.assertIsInstance(o['parameters'], list)


class Pc(unittest.TestCase):
    ACCEL = ['-accel', 'tcg', '-S']

    def setUp(self):
        ours, theirs = socket.socketpair()
        self.proc = subprocess.Popen(
            [BINARY, '-M', 'pc'] + self.ACCEL +
            ['-nodefaults', '-display', 'none', '-m', '16M', '-smp', '2,maxcpus=4', '-chardev',
             f'socket,id=c,fd={theirs.fileno()}', '-mon',
             'chardev=c,mode=control'], pass_fds=[theirs.fileno()])
        theirs.close()
        self.q = Qmp(ours)

    def tearDown(self):
        self.q.close()
        self.proc.terminate()
        self.assertEqual(self.proc.wait(30), 0)

    def test_cpus(self):
        q = self.q
        cpus = q.cmd('query-cpus-fast')
        self.assertEqual([c['cpu-index'] for c in cpus], [0, 1])
        for c in cpus:
            self.assertEqual(c['target'], 'x86_64')
            self.assertEqual(c['props']['core-id'], c['cpu-index'])
        places = q.cmd('query-hotpluggable-cpus')
        self.assertEqual([p['props']['core-id'] for p in places],
                         [3, 2, 1, 0])
        self.assertEqual(['qom-path' in p for p in places],
                         [False, False, True, True])
        self.assertEqual(q.cmd('query-memory-size-summary'),
                         {'base-memory': 16 << 20, 'plugged-memory': 0})

    def test_memory(self):
        with tempfile.TemporaryDirectory() as tmp:
            self.q.cmd('pmemsave', val=0xffff0, size=16, filename=tmp + '/p')
            self.q.cmd('memsave', val=0xffff0, size=16, filename=tmp + '/v')
            with open(tmp + '/p', 'rb') as p, open(tmp + '/v', 'rb') as v:
                data = p.read()
                self.assertEqual(len(data), 16)
                self.assertEqual(data, v.read())
        r = self.q.reply('memsave', val=0, size=1, filename='/x',
                         **{'cpu-index': 7})
        self.assertIn('cpu-index', r['error']['desc'])

    def test_chardevs(self):
        q = self.q
        self.assertEqual([c['label'] for c in q.cmd('query-chardev')], ['c'])
        names = {b['name'] for b in q.cmd('query-chardev-backends')}
        self.assertLessEqual({'file', 'socket', 'pty', 'null', 'mux'}, names)
        ret = q.cmd('chardev-add', id='p', backend={'type': 'pty', 'data': {}})
        self.assertTrue(ret['pty'].startswith('/dev/pts/'))
        with tempfile.TemporaryDirectory() as tmp:
            q.cmd('chardev-add', id='f', backend={
                'type': 'file', 'data': {'out': tmp + '/out'}})
            q.cmd('chardev-add', id='s', backend={
                'type': 'socket', 'data': {'addr': {
                    'type': 'unix', 'data': {'path': tmp + '/s'}}}})
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(tmp + '/s')
            r = q.reply('chardev-add', id='f',
                        backend={'type': 'null', 'data': {}})
            self.assertIn('already exists', r['error']['desc'])
            for name in 'pfs':
                q.cmd('chardev-remove', id=name)
        r = q.reply('chardev-remove', id='c')
        self.assertIn('busy', r['error']['desc'])
        r = q.reply('chardev-remove', id='x')
        self.assertIn('not found', r['error']['desc'])

    def test_objects(self):
        q = self.q
        q.cmd('object-add', **{'qom-type': 'memory-backend-ram', 'id': 'm',
                               'size': 1 << 20})
        self.assertEqual(q.cmd('qom-get', path='/objects/m', property='size'),
                         1 << 20)
        r = q.reply('object-add', **{'qom-type': 'memory-backend-ram'})
        self.assertEqual(r['error']['desc'], "Parameter 'id' is missing")
        q.cmd('object-del', id='m')

    def test_roundtrip(self):
        text = self.q.cmd('x-vmstate-roundtrip')['human-readable-text']
        # TODO: the time stamp counters of a stopped machine go on; they
        # shall stand.
        text = re.sub(r'(?m)^cpu\d+: tsc: .*\n', '', text)
        self.assertRegex(text, r'\A\d+ sections, \d+ bytes\n\Z')
        self.assertEqual(self.q.cmd('query-status')['running'],
                         '-S' not in self.ACCEL)


class PcRunning(Pc):
    """No CPU runs, the machine's clock does."""
    ACCEL = ['-accel', 'qtest']
    test_cpus = test_memory = None


if __name__ == '__main__':
    BINARY = sys.argv.pop(1)
    unittest.main()
