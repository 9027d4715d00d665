#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills qemu-io and qemu-img in the middle of their work.

  kill.py [--img OURS] [--io OURS] [--count N] [--seed N]

After each SIGKILL the image must check without corruption (leaks are allowed),
by our tool and by another QEMU's when there is one, and must hold, sector by
sector, what was flushed or something that was written later."""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

SECTORS = 8192


class Image:
    def __init__(self, d, rng, img, io, other):
        self.rng, self.img, self.io, self.other = rng, img, io, other
        self.path = os.path.join(d, 'k.qcow2')
        self.raw = os.path.join(d, 'k.raw')
        self.cluster = rng.choice([512, 4096, 65536, 65536])
        opts = f'cluster_size={self.cluster}'
        if rng.random() < 0.3:
            self.cluster = max(self.cluster, 16384)
            opts = f'cluster_size={self.cluster},extended_l2=on'
        self.call('create', '-q', '-f', 'qcow2', '-o', opts, self.path,
                  str(SECTORS * 512))
        self.allowed = [{0} for _ in range(SECTORS)]
        self.snap = None

    def call(self, *argv, ok=(0,), img=None):
        p = subprocess.run([img or self.img, *argv], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        if p.returncode not in ok:
            raise AssertionError(f"{' '.join(argv)}: rc {p.returncode}\n"
                                 f"{p.stdout[-800:]}")
        return p

    def commands(self):
        """Commands, and for each (first sector, count, byte) or 'flush'."""
        r, out = self.rng, []
        for _ in range(400):
            k, s = r.random(), r.randrange(SECTORS)
            n = min(r.randrange(1, r.choice([2, 16, 300])), SECTORS - s)
            if k < 0.6:
                b = r.randrange(1, 256)
                out.append((f'write -q -P {b} {s * 512} {n * 512}',
                            (s, n, b)))
            elif k < 0.8:
                out.append((f"write -q -z{r.choice(['', 'u'])} {s * 512} "
                            f'{n * 512}', (s, n, 0)))
            elif k < 0.88:
                out.append((f'discard -q {s * 512} {n * 512}', (s, n, 0)))
            else:
                out.append(('flush', 'flush'))
        return out

    def kill_io(self):
        cmds = self.commands()
        p = subprocess.Popen([self.io, '-f', 'qcow2', '-t', 'writeback', '-d',
                              'unmap', self.path], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, bufsize=0)
        text = ''.join(c + '\n' for c, _ in cmds).encode()
        writer = threading.Thread(target=self.feed, args=(p, text))
        writer.start()
        end = time.monotonic() + self.rng.random() ** 2 * 0.25
        out = b''
        os.set_blocking(p.stdout.fileno(), False)
        while time.monotonic() < end and p.poll() is None:
            try:
                out += p.stdout.read(65536) or b''
            except BlockingIOError:
                pass
            time.sleep(0.0005)
        p.kill()
        writer.join()
        p.wait()
        os.set_blocking(p.stdout.fileno(), True)
        out += p.stdout.read()
        p.stdin.close()
        done = max(0, out.count(b'qemu-io> ') - 1)
        last = max((i for i in range(min(done, len(cmds)))
                    if cmds[i][1] == 'flush'), default=-1)
        # What came before the last finished flush is certain.
        for i, (_, what) in enumerate(cmds[:done + 1]):
            if what == 'flush':
                continue
            s, n, b = what
            old_stays = cmds[i][0].startswith('discard')
            for k in range(s, s + n):
                if i < last and not old_stays:
                    self.allowed[k] = {b}
                else:
                    self.allowed[k] = self.allowed[k] | {b}

    @staticmethod
    def feed(p, text):
        try:
            p.stdin.write(text)
        except (BrokenPipeError, OSError):
            pass

    def kill_img(self):
        r = self.rng
        act = r.choice(['-c', '-a', '-d'])
        if act == '-c' and self.snap is not None or \
           act != '-c' and self.snap is None:
            return
        before = [set(a) for a in self.allowed]
        p = subprocess.Popen([self.img, 'snapshot', act, 's', self.path],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(r.random() * 0.02)
        p.kill()
        p.wait()
        out = self.call('snapshot', '-l', self.path).stdout
        have = ' s ' in out
        if act == '-c' and have:
            self.snap = before
        elif act == '-d' and not have:
            self.snap = None
        elif act == '-a':
            self.allowed = [a | b for a, b in zip(before, self.snap)]

    def verify(self):
        self.call('check', '-q', '-f', 'qcow2', self.path, ok=(0, 3))
        if self.other:
            self.call('check', '-q', '-f', 'qcow2', self.path, ok=(0, 3),
                      img=self.other)
        self.call('convert', '-f', 'qcow2', '-O', 'raw', self.path, self.raw)
        with open(self.raw, 'rb') as f:
            data = f.read()
        for s in range(SECTORS):
            b = data[s * 512]
            if b not in self.allowed[s] or \
               data[s * 512:s * 512 + 512] != bytes([b]) * 512:
                raise AssertionError(f'sector {s} holds {b}, may hold '
                                     f'{sorted(self.allowed[s])}')
            self.allowed[s] = {b}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--img', default='build/qemu-img')
    ap.add_argument('--io', default='build/qemu-io')
    ap.add_argument('--count', type=int, default=20)
    ap.add_argument('--seed', type=int, default=1)
    o = ap.parse_args()
    rng = random.Random(o.seed)
    other = shutil.which('qemu-img')
    done = 0
    while done < o.count:
        with tempfile.TemporaryDirectory(prefix='kill-') as d:
            im = Image(d, rng, os.path.abspath(o.img), os.path.abspath(o.io),
                       other)
            for _ in range(10):
                if rng.random() < 0.75:
                    im.kill_io()
                else:
                    im.kill_img()
                im.verify()
                done += 1
                if done >= o.count:
                    break
    print(f'{done} kills, seed {o.seed}: no corruption, nothing flushed was '
          'lost' + ('' if other else ' (no other qemu-img to ask)'))


if __name__ == '__main__':
    sys.exit(main())
