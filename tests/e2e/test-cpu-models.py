#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-cpu: names, features, what is refused; the QMP queries about models.

Usage: test-cpu-models.py QEMU-KVM"""
import json
import subprocess
import sys

EMU = sys.argv[1]
BASE = [EMU, "-accel", "tcg", "-S", "-display", "none", "-nodefaults",
        "-qmp", "stdio"]
NOVA = ("Penryn,+dca,+pdcm,+xtpr,+tm2,+vmx,+ds_cpl,+monitor,+dtes64,+pbe,"
        "+tm,+ht,+ss,+acpi,+ds,+vme")


def run(args, *commands):
    text = "".join(json.dumps(c) for c in
                   ({"execute": "qmp_capabilities"},) + commands +
                   ({"execute": "quit"},))
    p = subprocess.run(BASE + args, input=text, capture_output=True,
                       text=True, timeout=60)
    replies = [json.loads(s) for s in p.stdout.splitlines()]
    return p.returncode, p.stderr, [r["return"] for r in replies
                                    if "return" in r]


def expansion(model, props=None, kind="full"):
    m = {"name": model}
    if props:
        m["props"] = props
    return {"execute": "query-cpu-model-expansion",
            "arguments": {"type": kind, "model": m}}


def test_options():
    rc, err, _ = run(["-cpu", NOVA])
    assert rc == 0, err
    assert err.count("ECX.vmx [bit 5]") == 1, err
    for cpu, words in (("Penryn,+vmx,enforce", "requested features"),
                       ("Penryn,foo=on", "Penryn-x86_64-cpu.foo"),
                       ("Penryn,+nothing", "nothing"),
                       ("Penryn,family=0x200", "family"),
                       ("Penryn,vendor=short", "vendor"),
                       ("max,phys-bits=70", "between 32 and 52"),
                       ("host", "requires KVM"),
                       ("nosuch", "nosuch")):
        rc, err, _ = run(["-cpu", cpu])
        assert rc == 1 and words in err, (cpu, rc, err)


def test_queries():
    _, _, (_, defs, *exps) = run(
        ["-cpu", "qemu64"], {"execute": "query-cpu-definitions"},
        expansion("qemu64"), expansion("Penryn", {"sse4.1": False}),
        expansion("max", None, "static"))[:3]
    by_name = {d["name"]: d for d in defs}
    for name in ("qemu64", "qemu32", "kvm64", "kvm32", "host", "max", "base",
                 "Opteron_G5", "EPYC-Milan", "Snowridge-v4", "486", "athlon",
                 "pentium3", "coreduo", "n270", "phenom"):
        assert name in by_name, name
    assert by_name["base"]["static"] and not by_name["max"]["migration-safe"]
    assert by_name["Haswell-noTSX"]["alias-of"] == "Haswell-v2"
    assert "vmx" not in by_name["qemu64"]["unavailable-features"]
    q64, penryn, mx = (e["model"] for e in exps[:3])
    assert q64["props"]["lm"] and q64["props"]["family"] == 15
    assert not penryn["props"]["sse4.1"] and penryn["props"]["ssse3"]
    assert mx["name"] == "base" and mx["props"]["sse4.2"]


def test_help():
    text = subprocess.run([EMU, "-cpu", "help"], capture_output=True,
                          text=True, check=True).stdout
    assert text.startswith("Available CPUs:\n")
    assert "x86 Haswell-IBRS          (alias of Haswell-v3)" in text
    assert "Recognized CPUID flags:" in text


test_options()
test_queries()
test_help()
