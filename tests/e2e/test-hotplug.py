#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hot plug as Linux sees it: test-hotplug.py EMULATOR.

Cards on the root bus and behind a bridge, a processor and a DIMM come and go;
Linux finds and releases each, and the monitor hears of it.
"""
import os
import sys
import unittest

from linuxguest import Guest, absent, initrd, scratch

EMU = None
# Waits in the guest for a shell condition, 20 s by its own clock.
WAIT = ('i=0; while ! { %s; } 2>/dev/null; do i=$((i+1)); [ $i -lt 200 ] || '
        'break; usleep 100000; done; %s')


class HotPlug(unittest.TestCase):
    def setUp(self):
        self.tmp = scratch()
        self.addCleanup(self.tmp.cleanup)
        self.ramdisk = os.path.join(self.tmp.name, 'initrd.gz')
        initrd(self.ramdisk)

    def until(self, g, condition):
        g.run(WAIT % (condition, condition))

    def test_pci(self):
        with Guest(EMU, self.ramdisk, '-m', '256', '-device',
                   'pci-bridge,id=br,chassis_nr=1,addr=4') as g:
            g.wait_shell()
            g.cmd('device_add', driver='e1000', id='a', addr='7')
            self.until(g, 'grep -q 0x100e '
                       '/sys/bus/pci/devices/0000:00:07.0/device')
            g.cmd('device_add', driver='e1000', id='b', bus='br', addr='3')
            self.until(g, 'grep -q 0x100e '
                       '/sys/bus/pci/devices/0000:01:03.0/device')
            for name, at in (('a', '0000:00:07.0'), ('b', '0000:01:03.0')):
                g.cmd('device_del', id=name)
                g.wait_event('DEVICE_DELETED')
                self.until(g, '[ ! -e /sys/bus/pci/devices/%s ]' % at)
            self.assertNotRegex(g.run('dmesg'), 'BUG:|Oops|Call Trace')

    def test_cpu(self):
        with Guest(EMU, self.ramdisk, '-m', '256', '-smp',
                   '1,maxcpus=3') as g:
            g.wait_shell()
            slot = [c for c in g.cmd('query-hotpluggable-cpus')
                    if 'qom-path' not in c][0]
            g.cmd('device_add', driver=slot['type'], id='c', **slot['props'])
            where = '/sys/devices/system/cpu/cpu1'
            self.until(g, '[ -d %s ]' % where)
            g.run('[ $(cat %s/online) = 1 ] || echo 1 > %s/online' %
                  (where, where))
            self.assertEqual(g.run('grep -c ^processor /proc/cpuinfo'), '2')
            g.run('taskset 2 true')
            g.cmd('device_del', id='c')
            g.wait_event('DEVICE_DELETED')
            self.until(g, '[ ! -d %s ]' % where)
            self.assertEqual(g.run('grep -c ^processor /proc/cpuinfo'), '1')

    def test_dimm(self):
        with Guest(EMU, self.ramdisk, '-m', '256,slots=2,maxmem=1G',
                   append='memhp_default_state=online_movable') as g:
            g.wait_shell()
            before = g.run("awk '/MemTotal/{print $2}' /proc/meminfo")
            g.cmd('object-add', **{'qom-type': 'memory-backend-ram',
                                   'id': 'm', 'size': 256 << 20})
            g.cmd('device_add', driver='pc-dimm', id='d', memdev='m')
            more = int(before) + (200 << 10)
            total = "[ $(awk '/MemTotal/{print $2}' /proc/meminfo) %s %d ]"
            self.until(g, total % ('-gt', more))
            g.cmd('device_del', id='d')
            g.wait_event('DEVICE_DELETED')
            self.until(g, total % ('-lt', more))
            g.cmd('object-del', id='m')


if __name__ == '__main__':
    EMU = sys.argv.pop(1)
    if absent():
        print('SKIP:', absent())
        sys.exit(77)
    unittest.main()
