#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Power states from the guest and from the monitor: test-power.py EMULATOR.

A Linux guest is switched off, reset, suspended and woken; the events that come
are compared with those that Debian's QEMU sends for the same, in their order.
Where there is no QEMU the list that it gave stands.
"""
import os
import sys
import unittest

from linuxguest import Guest, QEMU, absent, initrd, scratch

EMU = None
MODULES = ('button', 'evdev')


def events(guest, last=None):
    """The events up to @last and those that are here with it; without @last
    up to the end.  Times go, and so do repetitions: how often firmware and
    kernel write to the reset register before it acts is chance."""
    seen = []

    def take(e):
        item = (e['event'], e.get('data', {}))
        if e['event'] != 'RTC_CHANGE' and item not in seen[-1:]:
            seen.append(item)

    try:
        while not any(e['event'] == last for e in guest.events):
            guest.events.append(guest.message())
        guest.cmd('query-status')
    except EOFError:
        pass
    for e in guest.events:
        take(e)
    guest.events.clear()
    return seen


def life(binary, ramdisk):
    """Everything that does not end the process, then its end: events."""
    out = []
    with Guest(binary, ramdisk, '-m', '192') as g:
        g.wait_shell()
        assert 'mem' in g.run('cat /sys/power/state'), 'no S3'
        current = g.cmd('query-current-machine')
        out.append(('wakeup', current['wakeup-suspend-support']))
        # Suspend, and the monitor wakes it.
        g.send('echo mem > /sys/power/state; echo "@@""awake@@"')
        out.append(events(g, 'SUSPEND'))
        out.append(g.cmd('query-status')['status'])
        g.cmd('system_wakeup')
        g.wait_serial('@@awake@@')
        out.append(events(g, 'WAKEUP'))
        # Suspend again, and the clock's alarm does.
        g.send('echo +2 > /sys/class/rtc/rtc0/wakealarm; '
               'echo mem > /sys/power/state; echo "@@""awake@@"')
        g.wait_serial('@@awake@@')
        out.append(events(g, 'WAKEUP'))
        out.append(g.cmd('query-status')['status'])
        # The button, as Linux sees it.
        where = g.run('grep -l LNXPWRBN /sys/class/input/event*/device/phys '
                      '| cut -d/ -f5', check=False)
        if where.startswith('event'):
            # The reader opens first, then says so.
            g.send('{ echo "@@""reading@@"; dd bs=24 count=1 2>/dev/null | '
                   'od -An -tu2 -j16; echo "@@""pressed@@"; } < /dev/input/' +
                   where)
            g.wait_serial('@@reading@@')
            g.cmd('system_powerdown')
            text, _ = g.wait_serial('@@pressed@@')
            out.append(events(g, 'POWERDOWN'))
            out.append(text.split())
        # Resets: by the monitor, by the guest.
        g.cmd('system_reset')
        g.wait_shell()
        out.append(events(g, 'RESET'))
        g.send('reboot -f')
        g.wait_shell()
        out.append(events(g, 'RESET'))
        # Off.
        g.send('poweroff -f')
        out.append(events(g))
        assert g.proc.wait(60) == 0
    return out


def ends(binary, ramdisk):
    """Ends that options change."""
    out = []
    with Guest(binary, ramdisk, '-m', '192', '-no-shutdown') as g:
        g.wait_shell()
        g.send('poweroff -f')
        out.append(events(g, 'STOP'))
        out.append(g.cmd('query-status')['status'])
        g.cmd('system_reset')
        out.append(events(g, 'RESET'))
        out.append(g.cmd('query-status')['status'])
        g.cmd('cont')
        g.wait_shell()
        out.append(events(g, 'RESUME'))
        g.cmd('set-action', reboot='shutdown', shutdown='poweroff')
        g.send('reboot -f')
        out.append(events(g))
        assert g.proc.wait(60) == 0
    return out


RECORDED = {}


class Power(unittest.TestCase):
    maxDiff = None

    def compare(self, what):
        tmp = scratch()
        self.addCleanup(tmp.cleanup)
        ramdisk = os.path.join(tmp.name, 'initrd.gz')
        initrd(ramdisk, modules=MODULES)
        got = what(EMU, ramdisk)
        want = what(QEMU, ramdisk) if QEMU else RECORDED[what]
        self.assertEqual(got, want)

    def test_life(self):
        self.compare(life)

    def test_ends(self):
        self.compare(ends)


if __name__ == '__main__':
    EMU = sys.argv.pop(1)
    if absent():
        print('SKIP:', absent())
        sys.exit(77)
    unittest.main()
