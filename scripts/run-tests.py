#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the registered tests and counts them.

The short tier is what meson knows; each test program counts once.  The long
tier is the executables in tests/long/, which get the build directory as $1.
The logs of failed tests are printed; the last line holds the counts.
"""
import argparse
import json
import os
import subprocess
import sys
import time

TAIL = 60  # lines of a failed test's output


def tail(text):
    lines = text.rstrip().split("\n")
    if len(lines) > TAIL:
        lines = ["[%d lines before]" % (len(lines) - TAIL)] + lines[-TAIL:]
    return "\n".join("    " + line for line in lines)


def run_short(build):
    """Yields (name, result, seconds, output) of each meson test."""
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    proc = subprocess.run(
        ["meson", "test", "-C", build, "--no-rebuild", "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    if not os.path.exists(log):
        if "No tests defined" not in proc.stdout:
            yield "meson test", "ERROR", 0, proc.stdout
        return
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            test = json.loads(line)
            out = test.get("stdout", "") + "\n" + test.get("stderr", "")
            yield (test["name"], test["result"], test.get("duration", 0),
                   out)


def run_long(build, names):
    folder = os.path.join("tests", "long")
    known = sorted(n for n in (os.listdir(folder)
                               if os.path.isdir(folder) else [])
                   if os.access(os.path.join(folder, n), os.X_OK))
    for name in names:
        if name not in known:
            yield (name, "ERROR", 0, "no such long test; there are: "
                   + (", ".join(known) or "none yet"))
    for name in known:
        if names and name not in names:
            continue
        start = time.monotonic()
        proc = subprocess.run([os.path.join(folder, name), build],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              check=False)
        result = {0: "OK", 77: "SKIP"}.get(proc.returncode, "FAIL")
        print(proc.stdout, end="", flush=True)
        yield name, result, time.monotonic() - start, proc.stdout


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", required=True)
    ap.add_argument("--long", nargs="*")
    args = ap.parse_args()
    count = {"passed": 0, "failed": 0, "skipped": 0}
    if args.long is None:
        results = run_short(args.build)
    else:
        results = run_long(args.build, args.long)
    for name, result, seconds, out in results:
        if result in ("OK", "EXPECTEDFAIL"):
            count["passed"] += 1
        elif result == "SKIP":
            count["skipped"] += 1
            why = [s for s in out.split("\n") if "skip" in s.lower()]
            print("skipped: %s%s" % (name, ": " + why[0].strip()
                                     if why else ""))
        else:
            count["failed"] += 1
            print("FAILED: %s (%s after %.1f s)" % (name, result, seconds))
            print(tail(out))
    line = "%(passed)d passed, %(failed)d failed" % count
    if count["skipped"]:
        line += ", %(skipped)d skipped" % count
    print(line)
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
