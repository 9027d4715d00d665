#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the table of docs/architecture.md: who may include whose headers.

    check-layers.py [TREE]

Prints each #include that climbs the wrong way; exit status 1 if there is one.
"""
import os
import re
import subprocess
import sys

# Part -> what its files may include besides its own headers.  `util` is
# open to all.
MAY = {
    "util": set(),
    "qapi": set(),
    "exec": {"qapi"},
    "block": {"qapi"},
    "chardev": {"qapi"},
    "net": {"qapi", "chardev"},
    "ui": {"qapi", "chardev"},
    "target": {"exec", "qapi"},
    "hw": {"exec", "qapi", "block/block.h", "chardev/char.h", "net/net.h",
           "net/offload.h", "ui/console.h", "ui/input.h"},
    "monitor": {"exec", "qapi", "chardev", "block", "net", "ui", "hw",
                "target"},
    "vl": {"exec", "qapi", "chardev", "block", "net", "ui", "hw", "target",
           "monitor"},
}

# What belongs where, the first match counts.
PARTS = [
    (r"include/osdep\.h|include/util/|util/", "util"),
    (r"include/qapi/|qapi/", "qapi"),
    (r"include/exec/", "exec"),
    (r"include/(block|chardev|net|ui|hw|monitor)/", None),
    (r"(block|chardev|net|ui|hw|monitor|target)/", None),
    (r"(memory|ram|accel|runstate|hostmem|qtest|savevm|dump)", "exec"),
    (r"(cpus|kvm-)", "target"),
]

# Lines that stay, and why.
ALLOWED = {
    # (file pattern, header pattern): reason
    (r"(savevm|qtest|runstate)\.c", r"hw/.*"):
        "save, drive and reset devices",
    (r"qtest\.c", r"chardev/char\.h"): "its own line to the test",
    (r"include/exec/cpu\.h", r"hw/qdev\.h"): "a CPU is a device",
    (r".*-hmp\.c", r"monitor/hmp-int\.h"): "commands of the human monitor",
    (r"block/block-qmp\.c", r"hw/qdev\.h"): "commands that name a device",
    (r"cpus\.c|kvm-.*\.c|target/i386/.*", r"hw/.*"):
        "a CPU is a device, its local APIC too",
    (r"block/.*-(qmp|hmp)\.c|block/.*", r"exec/runstate\.h"):
        "I/O errors stop the machine",
    (r"(ui|net)/.*", r"exec/runstate\.h"): "the power buttons; queues that "
                                           "rest while the machine does",
}


def part_of(path):
    for pattern, part in PARTS:
        m = re.match(pattern, path)
        if m:
            return part or m.group(1)
    return "vl" if "/" not in path else None


def resolve(files, source, name):
    here = os.path.normpath(os.path.join(os.path.dirname(source), name))
    for path in (here, "include/" + name, name):
        if path in files:
            return path
    # Generated headers.
    return name if name.startswith("qapi/") else None


def allowed(source, part, header):
    target = part_of(header)
    short = re.sub(r"^include/", "", header)
    if target in (None, "util", part):
        return True
    if target in MAY[part] or short in MAY[part]:
        return True
    return any(re.fullmatch(f, source) and re.fullmatch(h, short)
               for f, h in ALLOWED)


def tree_files():
    """What git knows, or everything where there is no git."""
    try:
        out = subprocess.run(["git", "ls-files"], text=True, check=True,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        return set(out.split("\n"))
    except (OSError, subprocess.CalledProcessError):
        return {os.path.relpath(os.path.join(d, f), ".")
                for d, _, names in os.walk(".") for f in names
                if not d.startswith("./build")}


def main():
    tree = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..")
    os.chdir(tree)
    files = tree_files()
    bad = checked = 0
    for source in sorted(files):
        part = part_of(source) if re.search(r"\.[ch]$", source) else None
        if not part or source.startswith(("tests/", "pc-bios/")):
            continue
        with open(source, encoding="utf-8") as f:
            for n, line in enumerate(f, 1):
                m = re.match(r'\s*#\s*include "([^"]+)"', line)
                header = m and resolve(files, source, m.group(1))
                if not header:
                    continue
                checked += 1
                if not allowed(source, part, header):
                    bad += 1
                    print("%s:%d: %s may not include %s" % (source, n, part,
                                                            header))
    print("%d includes checked, %d against the table" % (checked, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
