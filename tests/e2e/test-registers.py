#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The board's registers against Debian's QEMU: test-registers.py EMULATOR.

Both are driven with the same requests of the qtest protocol, without a guest
(-S) and without a clock: what each register reads after reset, what it keeps
of a pattern, what a short sequence leaves.  DIFFERENT lists what may differ
and who sides with us; an entry that no longer differs is a failure too.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

EMU = None
QEMU = shutil.which('qemu-system-x86_64', path='/usr/bin')
ARGS = ['-M', 'pc', '-m', '64', '-accel', 'tcg', '-S', '-display', 'none',
        '-nodefaults', '-vga', 'std', '-device', 'e1000,addr=3',
        '-device', 'pci-bridge,chassis_nr=1,addr=4',
        '-device', 'i6300esb,addr=5', '-device', 'pvpanic-pci,addr=6',
        '-device', 'pci-testdev,addr=7', '-device', 'piix3-usb-uhci,addr=8',
        '-device', 'pvpanic', '-device', 'ib700',
        '-chardev', 'null,id=a', '-device', 'isa-serial,chardev=a',
        '-chardev', 'null,id=b', '-device', 'isa-parallel,chardev=b',
        '-rtc', 'base=2020-02-29T12:34:56,clock=vm', '-nic', 'none']
# How a step's name begins: why ours reads otherwise.
DIFFERENT = {
    'pit ': 'a control word sets "null count", mode 7 is mode 3, and the '
            'format at power-on is both bytes: 8254 (231164), read-back',
    'dma 9': 'the request register reads what is requested: 82C37A',
    'dma d2': 'the same',
    'dma f': 'the mask register can be read, and reset and master clear set '
             'it: 82C37A (231466)',
    'dma de': 'the same', 'dma 0 mask': 'the same', 'dma c0 mask': 'the same',
    'cmos 32 keeps ff': 'FFh is no BCD number; either answer is chance',
    'i8042 d4 -77': 'an unknown command is answered FEh: PS/2 mouse',
    'serial msr': 'the inputs that loop back change like others, so the delta '
                  'bits are set: PC16550D, 8.6.7',
    'fdc 3f7': 'DSKCHG is the line of the selected drive, and there is none',
    'hpet 1': 'FSB_EN stays 0 where FSB_CAP is 0: IA-PC HPET 1.0a, 2.3.8',
    'pm 600': 'the timer has not passed its top bit yet: 82371AB, PMSTS',
    'config 06.0 10 mask': 'a memory BAR is 16 bytes at least: PCI 3.0, '
                           '6.2.5.1',
    'hotplug ae0c': 'the UHCI function is not unplugged here',
    'smb 70d': 'the PIIX4 has nothing there: 82371AB, 7.2',
    'config 05.0 3c': 'the 6300ESB has an interrupt pin (3Dh): 300641, 13.2',
}


class Machine:
    def __init__(self, binary):
        self.tmp = tempfile.TemporaryDirectory()
        path = os.path.join(self.tmp.name, 'qt')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(60)
        self.proc = subprocess.Popen(
            [binary, *ARGS,
             # Our bridge has no hot plug controller of its own.
             *(['-global', 'pci-bridge.shpc=off'] if binary == QEMU else []),
             '-qtest', 'unix:' + path, '-qtest-log',
             '/dev/null'], stderr=subprocess.DEVNULL)
        self.sock = listener.accept()[0]
        listener.close()
        self.file = self.sock.makefile('rw')

    def cmd(self, text):
        self.file.write(text + '\n')
        self.file.flush()
        while (line := self.file.readline()).startswith('IRQ'):
            pass
        assert line.startswith('OK'), (text, line)
        return int(line.split()[1], 0) if len(line.split()) > 1 else None

    def close(self):
        self.file.close()
        self.sock.close()
        self.proc.kill()
        self.proc.wait()
        self.tmp.cleanup()


def ports(seen, m, name, base, count, size='b'):
    for i in range(count):
        seen['%s %x' % (name, base + i)] = m.cmd('in%s %#x' % (size, base + i))


def keep(seen, m, name, base, size, patterns=(0x55, 0xaa, 0xff, 0)):
    """What a port reads after each pattern, the old value last."""
    old = m.cmd('in%s %#x' % (size, base))
    for p in patterns:
        value = int('%02x' % p * {'b': 1, 'w': 2, 'l': 4}[size], 16)
        m.cmd('out%s %#x %#x' % (size, base, value))
        seen['%s %x keeps %02x' % (name, base, p)] = m.cmd(
            'in%s %#x' % (size, base))
    m.cmd('out%s %#x %#x' % (size, base, old))


def indexed(seen, m, name, index, data, numbers):
    for n in numbers:
        m.cmd('outb %#x %#x' % (index, n))
        seen['%s %02x' % (name, n)] = m.cmd('inb %#x' % data)


def probe(binary):
    m = Machine(binary)
    seen = {}
    try:
        for devfn in (0x00, 0x08, 0x09, 0x0b, 0x10, 0x18, 0x20, 0x28, 0x30,
                      0x38, 0x40):
            for reg in range(0, 256, 4):
                at = 0x80000000 | devfn << 8 | reg
                where = '%02x.%d %02x' % (devfn >> 3, devfn & 7, reg)
                m.cmd('outl 0xcf8 %#x' % at)
                old = m.cmd('inl 0xcfc')
                seen['config ' + where] = old
                # Not what moves the machine's own parts about.
                if reg < 0x40 and (devfn >= 0x18 or
                                   reg in (0x04, 0x0c, 0x3c)):
                    m.cmd('outl 0xcfc 0xffffffff')
                    seen['config %s mask' % where] = m.cmd('inl 0xcfc')
                    m.cmd('outl 0xcfc %#x' % old)
        ports(seen, m, 'pic', 0x20, 2)
        ports(seen, m, 'pic', 0xa0, 2)
        ports(seen, m, 'elcr', 0x4d0, 2)
        keep(seen, m, 'elcr', 0x4d0, 'b')
        keep(seen, m, 'elcr', 0x4d1, 'b')
        for base in 0x20, 0xa0:
            for value in (0x11, 0x13, 0x1b):
                m.cmd('outb %#x %#x' % (base, value))
                for icw in (0x30, 4 if base == 0x20 else 2, 1):
                    m.cmd('outb %#x %#x' % (base + 1, icw))
                keep(seen, m, 'imr%x' % value, base + 1, 'b')
                for ocw3 in (0x0a, 0x0b, 0x0c, 0x68, 0x48):
                    m.cmd('outb %#x %#x' % (base, ocw3))
                    seen['pic %x %x ocw3 %x' % (base, value, ocw3)] = m.cmd(
                        'inb %#x' % base)
        for c in range(3):  # modes and formats, by read-back
            for word in (0x00, 0x12, 0x24, 0x36, 0x38, 0x1a, 0x3e, 0x31):
                m.cmd('outb 0x43 %#x' % (c << 6 | word))
                m.cmd('outb 0x43 %#x' % (0xe0 | 2 << c))
                seen['pit %d %02x status' % (c, word)] = m.cmd(
                    'inb %#x' % (0x40 + c))
        seen['pit 43'] = m.cmd('inb 0x43')
        for c in range(4):  # DMA: addresses, counts, flip-flop, pages
            for base, unit in ((0, 1), (0xc0, 2)):
                for r in 2 * c, 2 * c + 1:
                    m.cmd('outb %#x 0' % (base + 12 * unit))
                    for v in 0x34, 0x12:
                        m.cmd('outb %#x %#x' % (base + r * unit, v))
                    m.cmd('outb %#x 0' % (base + 12 * unit))
                    seen['dma %x' % (base + r * unit)] = [
                        m.cmd('inb %#x' % (base + r * unit)) for _ in 'lh']
        for base, unit in ((0, 1), (0xc0, 2)):
            for r in range(8, 16):
                seen['dma %x' % (base + r * unit)] = m.cmd(
                    'inb %#x' % (base + r * unit))
            m.cmd('outb %#x 5' % (base + 9 * unit))
            m.cmd('outb %#x 6' % (base + 10 * unit))
            m.cmd('outb %#x 3' % (base + 15 * unit))
            seen['dma %x status' % base] = m.cmd('inb %#x' %
                                                 (base + 8 * unit))
            m.cmd('outb %#x 0' % (base + 13 * unit))
            seen['dma %x mask' % base] = m.cmd('inb %#x' % (base + 15 * unit))
        for page in range(0x81, 0x90):
            if page not in (0x84, 0x85, 0x86, 0x88, 0x8c, 0x8d, 0x8e):
                keep(seen, m, 'page', page, 'b')
        indexed(seen, m, 'cmos', 0x70, 0x71,
                [n for n in range(128) if n not in (0x0a, 0x0c)])
        for n in (0x0a, 0x0b, 0x0d, 0x0e, 0x32, 0x50):
            m.cmd('outb 0x70 %#x' % n)
            for v in (0x26, 0x02, 0x82, 0x07) if n < 0x0c else (0xff, 0x12):
                m.cmd('outb 0x71 %#x' % v)
                seen['cmos %02x keeps %02x' % (n, v)] = m.cmd('inb 0x71') & (
                    0x7f if n == 0x0a else 0xff)
        seen['cmos 70'] = m.cmd('inb 0x70')
        ports(seen, m, 'i8042', 0x64, 1)
        for word in ([0x20], [0xaa], [0xab], [0xa9], [0xa7, 0x20],
                     [0xa8, 0x20], [0xad, 0x20], [0xae, 0x20], [0xc0], [0xd0],
                     [0xd2, -0x5a], [0xd3, -0x5b], [0x60, -0x47, 0x20],
                     [-0xee], [-0xf2], [-0xf3, -0x20], [-0xf4], [-0xed, -7],
                     [-0xf0, -2], [-0xff], [-0xf6], [-0x55],
                     [0xd4, -0xff], [0xd4, -0xf2], [0xd4, -0xe9], [0xd4, -0xe8, 0xd4, -3],
                     [0xd4, -0xf3, 0xd4, -100], [0xd4, -0xeb],
                     [0xd4, -0xf4], [0xd4, -0xff], [0xd4, -0x77]):
            got = []
            for v in word:
                m.cmd('outb %#x %#x' % (0x60 if v < 0 else 0x64, abs(v)))
                while (status := m.cmd('inb 0x64')) & 1 and len(got) < 12:
                    got.append((status & 0x21, m.cmd('inb 0x60')))
            seen['i8042 ' + ' '.join('%x' % v for v in word)] = got
        ports(seen, m, 'port', 0x92, 1)
        keep(seen, m, 'port', 0x92, 'b', (2, 0, 0xfe))
        ports(seen, m, 'serial', 0x3f8, 8)
        for r in (0x3f9, 0x3fb, 0x3fc, 0x3ff):
            keep(seen, m, 'serial', r, 'b', (0x05, 0x0a, 0x1f, 0))
        for fcr in (0, 1, 0x81, 0xc7, 0x0f, 0):
            m.cmd('outb 0x3fa %#x' % fcr)
            seen['serial iir %02x' % fcr] = m.cmd('inb 0x3fa')
        m.cmd('outb 0x3fb 0x80')
        for r in (0x3f8, 0x3f9):
            keep(seen, m, 'divisor', r, 'b')
        m.cmd('outb 0x3fb 3')
        m.cmd('outb 0x3fc 0x1f')  # loop back
        for v in 0x10, 0x1f, 0x15:
            m.cmd('outb 0x3fc %#x' % v)
            seen['serial msr %02x' % v] = m.cmd('inb 0x3fe')
        m.cmd('outb 0x3fc 0')
        ports(seen, m, 'parallel', 0x378, 3)
        for r in (0x378, 0x37a):
            keep(seen, m, 'parallel', r, 'b')
        ports(seen, m, 'fdc', 0x3f0, 8)
        for base in (0x1f0, 0x170):
            ports(seen, m, 'ide', base + 1, 7)
            ports(seen, m, 'ide', base + 0x206, 1)
            for r in range(base + 2, base + 7):
                keep(seen, m, 'ide', r, 'b')
        ports(seen, m, 'pvpanic', 0x505, 1)
        for key in (0, 1, 3, 5, 0x0d, 0x0e, 0x19, 0x7fff):
            m.cmd('outw 0x510 %#x' % key)
            if key != 0x19:
                seen['fw_cfg %x' % key] = [m.cmd('inb 0x511')
                                           for _ in range(8)]
        seen['fw_cfg dma'] = [m.cmd('inl 0x514'), m.cmd('inl 0x518')]
        for n in range(3):
            m.cmd('writel 0xfec00000 %#x' % n)
            seen['ioapic %02x' % n] = m.cmd('readl 0xfec00010')
        for n in range(0x10, 0x40):
            m.cmd('writel 0xfec00000 %#x' % n)
            seen['ioapic %02x' % n] = m.cmd('readl 0xfec00010')
            m.cmd('writel 0xfec00010 %#x' % (0xffffffff if n & 1 else
                                             0x0001ffff))
            seen['ioapic %02x mask' % n] = m.cmd('readl 0xfec00010')
        for r in range(0, 0x160, 4):
            if r not in (0xf0, 0xf4):
                seen['hpet %03x' % r] = m.cmd('readl %#x' % (0xfed00000 + r))
        for r in (0x100, 0x108, 0x10c, 0x110, 0x114, 0x120, 0x140):
            m.cmd('writel %#x 0xffffffff' % (0xfed00000 + r))
            seen['hpet %03x mask' % r] = m.cmd('readl %#x' % (0xfed00000 + r))
            m.cmd('writel %#x 0' % (0xfed00000 + r))
        # PIIX4: the PM registers where firmware puts them.
        for reg, v in ((0x40, 0x601), (0x80, 1), (0x90, 0x701), (0xd2, 9)):
            m.cmd('outl 0xcf8 %#x' % (0x80000b00 | reg & ~3))
            m.cmd('out%s %#x %#x' % ('b' if reg in (0x80, 0xd2) else 'l',
                                     0xcfc + (reg & 3), v))
        for r in (0x600, 0x602, 0x604):
            seen['pm %x' % r] = m.cmd('inw %#x' % r)
        m.cmd('outw 0x602 0xffff')
        seen['pm 602 mask'] = m.cmd('inw 0x602')
        m.cmd('outw 0x602 0')
        m.cmd('outw 0x604 1')
        seen['pm 604 keeps'] = m.cmd('inw 0x604')
        ports(seen, m, 'gpe', 0xafe0, 4)
        for base, n in ((0xae00, 0x18), (0xaf00, 12), (0xa00, 24)):
            for port in range(base, base + n, 4):
                seen['hotplug %x' % port] = m.cmd('inl %#x' % port)
        keep(seen, m, 'gpe', 0xafe2, 'b')
        for r in range(0x700, 0x70e):
            seen['smb %x' % r] = m.cmd('inb %#x' % r)
        for r in (0x703, 0x704, 0x705, 0x706):
            keep(seen, m, 'smb', r, 'b')
        for addr, command, cnt in ((0xa1, 2, 0x48), (0xa1, 2, 0x4c),
                                   (0xa0, 0, 0x44), (0x61, 0, 0x48)):
            m.cmd('outb 0x700 0x1e')
            m.cmd('outb 0x703 %#x' % command)
            m.cmd('outb 0x704 %#x' % addr)
            m.cmd('outb 0x702 %#x' % cnt)
            while m.cmd('inb 0x700') & 1:
                pass
            seen['smb %x %x' % (addr, cnt)] = [
                m.cmd('inb %#x' % r) for r in (0x700, 0x705, 0x706)]
        for apm in 0xb2, 0xb3:
            ports(seen, m, 'apm', apm, 1)
        keep(seen, m, 'apm', 0xb3, 'b')
    finally:
        m.close()
    return seen


class Registers(unittest.TestCase):
    def test_same(self):
        ours, theirs = probe(EMU), probe(QEMU)
        wrong, used = [], set()
        for name in theirs:
            if ours[name] == theirs[name]:
                continue
            known = [k for k in DIFFERENT if name.startswith(k)]
            used.update(known)
            if not known:
                wrong.append('%s: QEMU %s, ours %s' % (
                    name, *('%x' % v if isinstance(v, int) else v
                            for v in (theirs[name], ours[name]))))
        wrong += [k + ' no longer differs' for k in DIFFERENT if k not in used]
        print('%d registers and sequences compared' % len(theirs))
        self.assertEqual(wrong, [], '\n' + '\n'.join(wrong))


if __name__ == '__main__':
    EMU = sys.argv.pop(1)
    if not QEMU:
        print('SKIP: no QEMU to compare with')
        sys.exit(77)
    unittest.main()
