#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench-startup.py OURS [THEIRS] [-n RUNS]

From exec to the reply to query-status with an empty machine: paired runs
(A B A B ...) of our program and the installed QEMU, the median of each and
their ratio, and our private memory.  Exit status 1 when the ratio is below 3
or private memory reaches 8 MiB.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROMISED_RATIO = 3.0
PROMISED_KIB = 8 * 1024


def private_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
        return sum(int(n) for n in
                   re.findall(r"^Private_\w+:\s+(\d+) kB", f.read(), re.M))


def one_run(binary, folder, accel="tcg"):
    """Seconds to the reply, private KiB."""
    path = os.path.join(folder, "qmp")
    if os.path.exists(path):
        os.unlink(path)
    args = [binary, "-accel", accel, "-M", "none", "-nodefaults", "-display",
            "none", "-qmp", "unix:%s,server=on,wait=off" % path]
    start = time.monotonic()
    proc = subprocess.Popen(args)
    try:
        sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                sock.connect(path)
                break
            except OSError:
                if proc.poll() is not None:
                    sys.exit("%s ended with status %d" % (binary,
                                                          proc.returncode))
                os.sched_yield()
        f = sock.makefile("rwb", buffering=0)
        f.readline()
        f.write(b'{"execute":"qmp_capabilities"}\n'
                b'{"execute":"query-status"}\n')
        f.readline()
        reply = f.readline()
        seconds = time.monotonic() - start
        if b'"status"' not in reply:
            sys.exit("%s answered %r" % (binary, reply))
        kib = private_kib(proc.pid)
    finally:
        proc.terminate()
        proc.wait()
    return seconds, kib


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("ours")
    ap.add_argument("theirs", nargs="?",
                    default=shutil.which("qemu-system-x86_64"))
    ap.add_argument("-n", type=int, default=20)
    args = ap.parse_args()
    if not args.theirs:
        print("skip: no QEMU is installed to compare with")
        return 77
    times = {args.ours: [], args.theirs: []}
    kib = {}
    with tempfile.TemporaryDirectory() as folder:
        for binary in times:  # warm the page cache
            one_run(binary, folder)
        for _ in range(args.n):
            for binary, values in times.items():
                seconds, kib[binary] = one_run(binary, folder)
                values.append(seconds)
    for binary, values in times.items():
        print("%-40s median %6.2f ms, min %6.2f ms, private %d KiB"
              % (binary, statistics.median(values) * 1e3, min(values) * 1e3,
                 kib[binary]))
    ratio = (statistics.median(times[args.theirs]) /
             statistics.median(times[args.ours]))
    print("ratio %.2f (at least %.1f), private %d KiB (below %d)"
          % (ratio, PROMISED_RATIO, kib[args.ours], PROMISED_KIB))
    return 0 if ratio >= PROMISED_RATIO and kib[args.ours] < PROMISED_KIB \
        else 1


if __name__ == "__main__":
    sys.exit(main())
