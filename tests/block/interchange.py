#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Image interchange with another QEMU's tools.

  interchange.py [--img OURS] [--io OURS] [--count N] [--seed N]

Each sequence makes a qcow2 image of random geometry with one of the two tool
sets, then applies random operations, each with one of the two, and a model in
memory follows.  After every few operations both sets must call the image clean
and read what the model says.  Skips (77) when there is no second tool set
(`qemu-img`, `qemu-io` in PATH)."""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

K, M = 1 << 10, 1 << 20


class Failure(Exception):
    pass


class Tools:
    def __init__(self, name, img, io):
        self.name, self.img, self.io = name, img, io

    def run(self, *argv, ok=(0,)):
        p = subprocess.run(argv, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True,
                           stdin=subprocess.DEVNULL, errors='replace')
        if p.returncode not in ok:
            raise Failure(f"{self.name}: {' '.join(argv)}: "
                          f"rc {p.returncode}\n{p.stdout[-1500:]}")
        return p.stdout


class Sequence:
    def __init__(self, d, rng, sets):
        self.d, self.rng, self.sets = d, rng, sets
        self.path = os.path.join(d, 'i.qcow2')
        self.raw = os.path.join(d, 'model.raw')
        self.log = []
        self.snap = None
        self.backing = None

    def pick(self):
        return self.rng.choice(self.sets)

    def create(self):
        r = self.rng
        self.v2 = r.random() < 0.1
        self.extl2 = not self.v2 and r.random() < 0.2
        self.cluster = r.choice([512, 1024, 4096, 65536, 65536, 65536, 2 * M])
        if self.extl2:
            self.cluster = r.choice([16384, 65536, 2 * M])
        # Bounded, so that the model stays small.
        limit = min(8 * M, self.cluster * 4096)
        self.size = r.randrange(1, limit // 512) * 512
        opts = [f'cluster_size={self.cluster}']
        self.bits = 16
        if self.v2:
            opts.append('compat=0.10')
        else:
            self.bits = r.choice([16, 16, 16, 1, 2, 4, 8, 32, 64])
            opts.append(f'refcount_bits={self.bits}')
            if self.extl2:
                opts.append('extended_l2=on')
            if r.random() < 0.3:
                opts.append('compression_type=zstd')
            if r.random() < 0.15:
                opts.append('lazy_refcounts=on')
        self.model = bytearray(self.size)
        self.limit = limit
        self.data_file = not self.v2 and r.random() < 0.15
        argv = []
        if self.data_file:
            opts.append(f"data_file={os.path.join(self.d, 'data')}")
        if r.random() < 0.35:
            data = self.new_base('base')
            self.model[:len(data)] = data[:self.size]
            argv = ['-b', self.backing, '-F', self.backing_fmt]
        elif self.data_file:
            opts.append('data_file_raw=' + r.choice(['on', 'off']))
        elif r.random() < 0.2:
            opts.append('preallocation=' +
                        r.choice(['metadata', 'falloc', 'full']))
        t = self.pick()
        self.do(t, t.img, 'create', '-q', '-f', 'qcow2', '-o', ','.join(opts),
                *argv, self.path, str(self.size))

    def new_base(self, name):
        """A backing file, raw or qcow2, of random size; its contents."""
        r = self.rng
        n = r.randrange(1, self.limit // 512) * 512
        data = (r.randbytes(4096) * (n // 4096 + 1))[:n]
        raw = os.path.join(self.d, name + '.raw')
        with open(raw, 'wb') as f:
            f.write(data)
        self.backing, self.backing_fmt = raw, 'raw'
        if r.random() < 0.5:
            t = self.pick()
            self.backing = os.path.join(self.d, name + '.qcow2')
            self.backing_fmt = 'qcow2'
            self.do(t, t.img, 'convert', '-f', 'raw', '-O', 'qcow2',
                    *r.choice([[], ['-c']]), raw, self.backing)
        return data

    def do(self, t, *argv, ok=(0,)):
        self.log.append(f"{t.name}: {' '.join(argv)}")
        return t.run(*argv, ok=ok)

    def span(self, align=1):
        r = self.rng
        top = r.choice([4 * K, 70 * K, 300 * K, 2 * M])
        off = r.randrange(0, self.size) // align * align
        n = min(r.randrange(1, top + 1), self.size - off)
        n = max(1, n // align * align) if n >= align else n
        return off, min(n, self.size - off)

    def io_batch(self):
        r, t, cmds = self.rng, self.pick(), []
        for _ in range(r.randrange(1, 7)):
            k = r.random()
            if k < 0.55:
                off, n = self.span(r.choice([1, 512, 512, 4096]))
                p = r.randrange(256)
                cmds.append(f'write -q -P {p} {off} {n}')
                self.model[off:off + n] = bytes([p]) * n
            elif k < 0.7:
                off, n = self.span(512)
                cmds.append(f"write -q -z{r.choice(['', 'u'])} {off} {n}")
                self.model[off:off + n] = bytes(n)
            elif k < 0.8 and not self.v2:
                off, n = self.span(self.cluster)
                a = -(-off // self.cluster) * self.cluster
                b = off + n
                b = b if b == self.size else b // self.cluster * self.cluster
                cmds.append(f'discard -q {off} {n}')
                if a < b:
                    self.model[a:b] = bytes(b - a)
            elif (k < 0.9 and t.name == 'ours' and self.bits >= 8 and
                  not self.data_file):
                off = r.randrange(0, self.size) // self.cluster * self.cluster
                n = min(self.cluster, self.size - off)
                p = r.randrange(256)
                cmds.append(f'write -q -c -P {p} {off} {n}')
                self.model[off:off + n] = bytes([p]) * n
            else:
                cmds.append('flush')
        argv = [x for c in cmds for x in ('-c', c)]
        self.do(t, t.io, '-f', 'qcow2', '-t', 'writeback', '-d', 'unmap',
                *argv, self.path)

    def snapshot(self):
        t = self.pick()
        if (self.bits == 1 or self.data_file or
                getattr(self, 'bitmaps', None)):
            return
        if self.snap is None:
            self.do(t, t.img, 'snapshot', '-c', 's1', self.path)
            self.snap = bytes(self.model)
        elif self.rng.random() < 0.5:
            # The other program cannot go back over a changed size.
            if len(self.snap) != self.size:
                t = self.sets[0]
            self.do(t, t.img, 'snapshot', '-a', 's1', self.path)
            self.model = bytearray(self.snap)
            self.size = len(self.model)
        else:
            self.do(t, t.img, 'snapshot', '-d', 's1', self.path)
            self.snap = None

    def resize(self):
        if self.v2 and self.snap is not None:
            return
        t = self.pick()
        new = self.rng.randrange(1, min(8 * M, self.cluster * 4096) // 512) * 512
        if new < self.size:
            # The other program keeps what the last cluster held.
            t = self.sets[0]
            if self.snap is not None:
                return
        # Nor does it grow version 2 over a backing file, or a part cluster.
        if new > self.size and (self.size % self.cluster or
                                (self.v2 and self.backing)):
            t = self.sets[0]
        self.do(t, t.img, 'resize', '-q', '--shrink', '-f', 'qcow2', self.path,
                str(new))
        if new > self.size:
            self.model += bytes(new - self.size)
        else:
            del self.model[new:]
        self.size = new

    def amend(self):
        if self.v2 or self.snap is not None:
            return
        t = self.pick()
        if self.rng.random() < 0.5:
            # The other program may take forever on clusters of 2 MiB.
            t = self.sets[0] if self.cluster > 65536 else t
            self.bits = self.rng.choice([8, 16, 32, 64])
            self.do(t, t.img, 'amend', '-f', 'qcow2', '-o',
                    f'refcount_bits={self.bits}', self.path)
        else:
            self.do(t, t.img, 'amend', '-f', 'qcow2', '-o', 'lazy_refcounts=' +
                    self.rng.choice(['on', 'off']), self.path)

    def bitmap(self):
        if self.v2:
            return
        t, name = self.pick(), self.rng.choice(['b0', 'b1'])
        have = getattr(self, 'bitmaps', set())
        act = '--remove' if name in have else '--add'
        have ^= {name}
        self.bitmaps = have
        self.do(t, t.img, 'bitmap', act, '-f', 'qcow2', self.path, name)

    def rebase(self):
        """Another backing file below the same contents, or none."""
        if not self.backing or self.snap is not None:
            return
        t = self.pick()
        self.name = getattr(self, 'name', 0) + 1
        if self.rng.random() < 0.3:
            self.backing = None
            self.do(t, t.img, 'rebase', '-f', 'qcow2', '-b', '', self.path)
        else:
            self.new_base(f'base{self.name}')
            self.do(t, t.img, 'rebase', '-f', 'qcow2', '-F', self.backing_fmt,
                    '-b', self.backing, self.path)

    def commit(self):
        if not self.backing or self.snap is not None:
            return
        t = self.pick()
        self.do(t, t.img, 'commit', '-q', '-f', 'qcow2',
                *self.rng.choice([[], ['-d']]), self.path)
        for t in self.sets:
            self.do(t, t.img, 'check', '-q', '-f', self.backing_fmt,
                    self.backing, ok=(0,) if self.backing_fmt == 'qcow2'
                    else (63,))

    def repair(self):
        t = self.pick()
        self.do(t, t.img, 'check', '-q', '-f', 'qcow2', '-r',
                self.rng.choice(['leaks', 'all']), self.path)

    def convert(self):
        a, b = self.pick(), self.pick()
        out = os.path.join(self.d, 'conv')
        argv = self.rng.choice([[], ['-c'], ['-W'], ['-S', '0']])
        self.do(a, a.img, 'convert', *argv, '-f', 'qcow2', '-O', 'qcow2',
                self.path, out)
        for t in self.sets:
            self.do(t, t.img, 'check', '-q', '-f', 'qcow2', out)
        self.do(b, b.img, 'compare', '-q', '-f', 'qcow2', '-F', 'qcow2',
                self.path, out)
        os.unlink(out)

    def verify(self):
        with open(self.raw, 'wb') as f:
            f.write(self.model)
        for t in self.sets:
            self.do(t, t.img, 'check', '-q', '-f', 'qcow2', self.path)
            self.do(t, t.img, 'compare', '-q', '-f', 'raw', '-F', 'qcow2',
                    self.raw, self.path)

    def run(self):
        self.create()
        for _ in range(self.rng.randrange(2, 6)):
            k = self.rng.random()
            if k < 0.56:
                self.io_batch()
            elif k < 0.68:
                self.snapshot()
            elif k < 0.75:
                self.resize()
            elif k < 0.79:
                self.amend()
            elif k < 0.83:
                self.bitmap()
            elif k < 0.88:
                self.rebase()
            elif k < 0.93:
                self.commit()
            elif k < 0.96:
                self.repair()
            else:
                self.convert()
        self.verify()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--img', default='build/qemu-img')
    ap.add_argument('--io', default='build/qemu-io')
    ap.add_argument('--count', type=int, default=20)
    ap.add_argument('--seed', type=int, default=1)
    o = ap.parse_args()
    theirs = shutil.which('qemu-img'), shutil.which('qemu-io')
    if not all(theirs):
        print('no other qemu-img and qemu-io here')
        return 77
    sets = [Tools('ours', os.path.abspath(o.img), os.path.abspath(o.io)),
            Tools('theirs', *theirs)]
    for n in range(o.seed, o.seed + o.count):
        with tempfile.TemporaryDirectory(prefix='interchange-') as d:
            s = Sequence(d, random.Random(n), sets)
            try:
                s.run()
            except Failure as e:
                print(f'FAIL seed {n}\n' + '\n'.join(s.log[-40:]) + f'\n{e}')
                return 1
    print(f'{o.count} sequences, seeds {o.seed}..{o.seed + o.count - 1}: '
          'both tool sets agree')
    return 0


if __name__ == '__main__':
    sys.exit(main())
