#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares what our program offers with what the installed QEMU 7.2 offers.

    compare-qemu.py OURS [--qemu PROGRAM] [--list FILE] [--prune] [--all]

Options, machines, devices and their properties, objects, character devices,
QMP commands, arguments, replies and events, human monitor commands, CPU
models.  Every difference has to match a line of the list (default:
tests/compare/differences.txt):

    PATTERN   reason

with PATTERN as a shell pattern of a difference as it is printed ('-' QEMU
has it and we do not, '+' the other way round).  The first line that matches
counts.  Exit status 0: nothing unlisted.  --prune drops lines that match
nothing any more, --all prints listed differences too.
"""
import argparse
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Program:
    """One of the two, and what it says about itself."""

    def __init__(self, path):
        self.path = path

    def text(self, *args):
        p = subprocess.run([self.path, *args], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=60, errors="replace")
        return p.stdout

    def qmp(self, commands):
        """Replies to [(name, arguments)], on the machine 'none'."""
        lines = [{"execute": "qmp_capabilities"}]
        for i, (name, args) in enumerate(commands):
            lines.append({"execute": name, "arguments": args, "id": i})
        lines.append({"execute": "quit"})
        p = subprocess.run([self.path, "-M", "none", "-accel", "tcg",
                            "-nodefaults", "-display", "none", "-qmp",
                            "stdio"],
                           input="\n".join(map(json.dumps, lines)) + "\n",
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True, timeout=120)
        replies = {}
        for line in p.stdout.splitlines():
            m = json.loads(line)
            if "id" in m:
                replies[m["id"]] = m
        return [replies.get(i, {}) for i in range(len(commands))]


def options(p):
    return {m.group(1) for m in re.finditer(r"^-([a-z][\w-]*)", p.text("-help"),
                                            re.M | re.I)}


def machines(p):
    return {l.split()[0] for l in p.text("-M", "help").splitlines()[1:]
            if l.strip()}


def named(p, *args):
    return set(re.findall(r'^name "([^"]+)"', p.text(*args), re.M))


def indented(p, *args):
    return {l.split()[0] for l in p.text(*args).splitlines()[1:] if l.strip()}


def cpu_models(p):
    return {m.group(1) for m in re.finditer(r"^x86 (\S+)",
                                            p.text("-cpu", "help"), re.M)}


def human(p, what):
    """Command names out of `help` or `help info`."""
    reply = p.qmp([("human-monitor-command", {"command-line": what})])[0]
    names = set()
    for line in reply.get("return", "").splitlines():
        m = re.match(r"(?:info )?([\w|?-]+)", line)
        if m and " -- " in line:
            names.update(n for n in m.group(1).split("|") if n)
    return names


class Schema:
    """query-qmp-schema with its numbers resolved."""

    def __init__(self, p):
        entries = p.qmp([("query-qmp-schema", {})])[0].get("return", [])
        self.types = {e["name"]: e for e in entries}
        self.entries = entries

    def members(self, name, depth=0, seen=()):
        """{path: type} of an object or union, nested ones too."""
        out = {}
        e = self.types.get(name)
        if not e or name in seen or depth > 3:
            return out
        seen = seen + (name,)
        if e["meta-type"] == "array":
            return self.members(e["element-type"], depth, seen)
        if e["meta-type"] == "enum":
            return {"=" + v: "value" for v in e["values"]}
        if e["meta-type"] != "object":
            return out
        for m in e["members"]:
            out[m["name"]] = self.kind(m["type"])
            for k, v in self.members(m["type"], depth + 1, seen).items():
                out[m["name"] + (k if k[0] == "=" else "." + k)] = v
        for v in e.get("variants", []):
            for k, t in self.members(v["type"], depth + 1, seen).items():
                out["<%s>%s" % (v["case"], k)] = t
        return out

    def kind(self, name):
        e = self.types.get(name, {})
        return e.get("json-type") or e.get("meta-type", "?")


def differences(ours, theirs):
    out = []

    def sets(kind, a, b):
        out.extend("- %s %s" % (kind, n) for n in sorted(b - a))
        out.extend("+ %s %s" % (kind, n) for n in sorted(a - b))
        return sorted(a & b)

    def maps(kind, a, b):
        for n in sets(kind, set(a), set(b)):
            if a[n] != b[n]:
                out.append("! %s %s: %s, not %s" % (kind, n, a[n], b[n]))

    sets("option", options(ours), options(theirs))
    sets("machine", machines(ours), machines(theirs))
    sets("cpu", cpu_models(ours), cpu_models(theirs))
    sets("object", indented(ours, "-object", "help"),
         indented(theirs, "-object", "help"))
    sets("chardev", indented(ours, "-chardev", "help"),
         indented(theirs, "-chardev", "help"))
    sets("hmp", human(ours, "help"), human(theirs, "help"))
    sets("info", human(ours, "help info"), human(theirs, "help info"))

    both = sets("device", named(ours, "-device", "help"),
                named(theirs, "-device", "help"))
    ask = [("device-list-properties", {"typename": d}) for d in both]
    for d, a, b in zip(both, ours.qmp(ask), theirs.qmp(ask)):
        maps("property",
             {"%s.%s" % (d, x["name"]): x["type"] for x in a.get("return", [])},
             {"%s.%s" % (d, x["name"]): x["type"] for x in b.get("return", [])})

    a, b = Schema(ours), Schema(theirs)
    for meta, parts in (("command", ("arg-type", "ret-type")),
                        ("event", ("arg-type",))):
        x = {e["name"]: e for e in a.entries if e["meta-type"] == meta}
        y = {e["name"]: e for e in b.entries if e["meta-type"] == meta}
        for n in sets(meta, set(x), set(y)):
            for part in parts:
                kind = "reply" if part == "ret-type" else "argument"
                left = a.members(x[n][part])
                right = b.members(y[n][part])
                maps(kind, {"%s:%s" % (n, k): v for k, v in left.items()},
                     {"%s:%s" % (n, k): v for k, v in right.items()})
    return out


def read_list(path):
    rows = []
    with open(path) as f:
        for line in f:
            m = re.match(r"(\S \S+ \S+)\s+(\S.*)", line)
            rows.append((m.group(1) if m and line[0] != "#" else None,
                         line))
    return rows


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("ours")
    ap.add_argument("--qemu", default="qemu-system-x86_64")
    ap.add_argument("--list", default=os.path.join(
        HERE, "..", "tests", "compare", "differences.txt"))
    ap.add_argument("--prune", action="store_true")
    ap.add_argument("--all", action="store_true")
    o = ap.parse_args()
    if not shutil.which(o.qemu):
        print("skipped: there is no %s here" % o.qemu)
        return 77
    rows = read_list(o.list)
    patterns = [r[0] for r in rows]
    used = set()
    listed = unlisted = 0
    for d in differences(Program(o.ours), Program(o.qemu)):
        hit = next((i for i, p in enumerate(patterns)
                    if p and fnmatch.fnmatchcase(d.split(": ")[0] if
                                                 d[0] == "!" else d,
                                                 p)), None)
        if hit is None:
            unlisted += 1
            print(d)
        else:
            listed += 1
            used.add(hit)
            if o.all:
                print("%s    (%s)" % (d, rows[hit][1].split(None, 3)[3].strip()))
    stale = [p for i, p in enumerate(patterns) if p and i not in used]
    if o.prune:
        with open(o.list, "w") as f:
            f.writelines(l for i, (p, l) in enumerate(rows)
                         if not p or i in used)
    print("%d differences with a reason, %d without, %d lines of the list "
          "match nothing" % (listed, unlisted, len(stale)))
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
