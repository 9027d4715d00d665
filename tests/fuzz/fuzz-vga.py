#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random accesses to graphics cards: fuzz-vga.py EMULATOR [N [SEED [CARD]]].

Ports, banks, registers and video memory of VGA and cirrus-vga through qtest,
in batches, with values that are likely to hurt: pitches, starts and widths at
their ends, blits of every kind, modes changed half-way.  Between batches the
picture is taken, sometimes the machine is reset or saved and loaded.
"""
import json
import os
import random
import socket
import subprocess
import sys
import tempfile

EMU = sys.argv[1]
N = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
CARDS = sys.argv[4:] or ['cirrus-vga', 'VGA']
FB, MMIO = 0xe0000000, 0xf0000000
BATCH = 1000
rnd = random.Random(SEED)
pick, bits = rnd.choice, rnd.getrandbits

INTERESTING = (0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f,
               0x80, 0xfe, 0xff)
VBE = (0, 1, 2, 7, 8, 15, 16, 17, 320, 640, 800, 1023, 1024, 1280, 1600, 2560,
       4096, 8191, 16000, 16384, 32767, 32768, 65535)


def byte():
    return pick(INTERESTING) if bits(2) else bits(8)


def word():
    return pick(VBE) if bits(1) else bits(16)


def vga_op():
    kind = bits(4)
    if kind < 3:
        return f'outw 0x3c4 {byte() << 8 | pick((0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 17, 18, 19, 23, 31)):#x}'
    if kind < 6:
        return f'outw 0x3d4 {byte() << 8 | bits(5):#x}'
    if kind < 8:
        return f'outw 0x3ce {byte() << 8 | bits(4):#x}'
    if kind == 8:
        return f'outb 0x3c0 {bits(6):#x}'
    if kind == 9:
        return f'outb {pick((0x3c2, 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3da, 0x3c3, 0x3d8)):#x} {byte():#x}'
    if kind == 10:
        return f'outw 0x1ce {bits(4):#x}\noutw 0x1cf {word():#x}'
    if kind == 11:
        return (f'outw 0x1ce {pick((1, 2, 3, 6, 7, 8, 9))}\n'
                f'outw 0x1cf {pick((8, 15, 16, 24, 32)) if bits(1) else word()}\n'
                f'outw 0x1ce 4\noutw 0x1cf {pick((0, 0x41, 0x61, 0xc1, 1, 0x43))}')
    if kind == 12:
        return f'inb {0x3c0 + bits(5):#x}\ninw 0x1cf\ninb 0x3da'
    if kind == 13:
        return f'write{pick("bwlq")} {0xa0000 + bits(17):#x} {bits(32):#x}'
    if kind == 14:
        return f'read{pick("bwlq")} {0xa0000 + bits(17):#x}'
    return f'write{pick("bwlq")} {FB + bits(25):#x} {bits(32):#x}'


def std_op():
    if bits(3):
        return vga_op()
    # The registers in BAR 2: VGA's, Bochs', EDID, byte order.
    where = pick((0x400 + bits(5), 0x500 + bits(5), 0x600 + bits(3), bits(12)))
    return pick((f'write{pick("bwl")} {MMIO + where:#x} {bits(32):#x}',
                 f'read{pick("bwl")} {MMIO + where:#x}'))


def blit():
    """A whole blit: every register, then the start."""
    out = []
    for base, n in ((0x20, 2), (0x22, 2), (0x24, 2), (0x26, 2), (0x28, 3),
                    (0x2c, 3)):
        v = pick((0, 1, 7, 8, 0x1fff, 0x1ffe, 0x7ff, bits(13), bits(21),
                  0x3fffff, 0x1fffff))
        for i in range(n):
            out.append(f'outw 0x3ce {((v >> 8 * i) & 255) << 8 | base + i:#x}')
    for reg, v in ((0x0b, byte()), (0x2f, byte()), (0x30, bits(8)),
                   (0x32, pick((0, 5, 6, 9, 0x0b, 0x0d, 0x0e, 0x50, 0x59,
                                0x6d, 0x90, 0x95, 0xad, 0xd0, 0xd6, 0xda,
                                bits(8)))),
                   (0x33, bits(5)), (0x34, byte()), (0x35, byte())):
        out.append(f'outw 0x3ce {v << 8 | reg:#x}')
    out.append(f'outw 0x3ce {pick((2, 2, 2, 4, 0x82, bits(8))) << 8 | 0x31:#x}')
    for _ in range(bits(3)):  # what a blit from the CPU takes
        out.append(f'writel {pick((0xa0000, FB)) + bits(14):#x} {bits(32):#x}')
    return '\n'.join(out)


def cirrus_op():
    kind = bits(4)
    if kind < 8:
        return vga_op()
    if kind < 11:
        return blit()
    if kind == 11:  # unlock the extensions, a cursor
        return ('outw 0x3c4 0x1206\n'
                f'outw 0x3c4 {byte() << 8 | pick((0x10, 0x30, 0x11, 0x12, 0x13)):#x}')
    if kind == 12:
        return f'outw 0x3ce {byte() << 8 | pick((9, 10, 11, 16, 17, 18, 19, 20, 21)):#x}'
    if kind == 13:
        return f'outw 0x3d4 {byte() << 8 | pick((0x13, 0x1a, 0x1b, 0x1c, 0x1d, 0x25, 0x27)):#x}'
    if kind == 14:
        return f'write{pick("bwl")} {MMIO + bits(12):#x} {bits(32):#x}'
    return f'read{pick("bwl")} {pick((MMIO, FB)) + bits(12):#x}\n' \
           f'inb 0x3c6\ninb 0x3c6\ninb 0x3c6\ninb 0x3c6\noutb 0x3c6 {byte():#x}'


def run(card, n):
    tmp = tempfile.TemporaryDirectory()
    err = open(os.path.join(tmp.name, 'err'), 'w+')
    files = {}
    proc = subprocess.Popen(
        [EMU, '-M', 'pc', '-accel', 'qtest', '-nodefaults', '-display', 'none',
         '-device', f'{card},addr=2', '-qtest-log', 'none',
         '-qtest', f'unix:{tmp.name}/qt,server=on,wait=off',
         '-qmp', f'unix:{tmp.name}/q,server=on,wait=off'], stderr=err)
    try:
        for name in 'qt', 'q':
            s = socket.socket(socket.AF_UNIX)
            while s.connect_ex(f'{tmp.name}/{name}'):
                if proc.poll() is not None:
                    raise EOFError
            files[name] = (s, s.makefile('r'))
        files['q'][1].readline()

        def qmp(name, **args):
            s, f = files['q']
            s.sendall(json.dumps({'execute': name, 'arguments': args})
                      .encode() + b'\n')
            while True:
                line = f.readline()
                if not line:
                    raise EOFError
                r = json.loads(line)
                if 'event' not in r:
                    assert 'return' in r, r
                    return r['return']

        def send(lines):
            s, f = files['qt']
            text = '\n'.join(lines)
            s.sendall(text.encode() + b'\n')
            for _ in range(text.count('\n') + 1):
                while True:
                    line = f.readline()
                    if not line:
                        raise EOFError
                    if not line.startswith('IRQ'):
                        break
                assert line.startswith('OK'), (line, text)
            return text.count('\n') + 1

        def map_bars():
            send([f'outl 0xcf8 {0x80001000 | reg:#x}\noutl 0xcfc {v:#x}'
                  for reg, v in ((0x10, FB), (0x14 if card != 'VGA' else 0x18,
                                              MMIO), (4, 7))])
            send(['outb 0x3c2 0x67', 'outb 0x3c3 1', 'outb 0x3c0 0x20'])
        qmp('qmp_capabilities')
        map_bars()
        op = std_op if card == 'VGA' else cirrus_op
        done = 0
        while done < n:
            done += send([op() for _ in range(BATCH)])
            send(['outb 0x3c0 0x20'])
            qmp('screendump', filename='/dev/null')
            if bits(5) == 0:
                qmp('system_reset')
                qmp('query-status')
                map_bars()
            elif bits(6) == 0:
                qmp('x-vmstate-roundtrip')
                map_bars()
        qmp('quit')
        assert proc.wait(60) == 0
        print(f'{card}: {done} accesses')
        return True
    except (EOFError, OSError, AssertionError) as e:
        proc.kill()
        proc.wait()
        err.seek(0)
        print(f'{card}: seed {SEED}: {e!r}\n{err.read()[-4000:]}')
        return False
    finally:
        if proc.poll() is None:
            proc.kill()
        for s, f in files.values():
            f.close()
            s.close()
        err.close()
        tmp.cleanup()


if not all([run(card, N // len(CARDS)) for card in CARDS]):
    sys.exit(1)
