#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-machines.py BINARY: every machine type starts, and its devices have the
values of its time."""
import os
import subprocess
import sys
import unittest

BINARY = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import Session  # noqa: E402

# (machine, property of a device, value)
VALUES = [
    ("pc", "hd.ver", "2.5+"),
    ("pc-i440fx-2.4", "hd.ver", "2.4.0"),
    ("pc-i440fx-2.1", "hd.ver", "2.1.0"),
    ("pc-1.2", "hd.ver", "1.2"),
    ("rhel6.2.0", "hd.ver", "0.12.1"),
    ("pc", "nic.init-vet", True),
    ("pc-i440fx-6.1", "nic.init-vet", True),
    ("pc-i440fx-6.0", "nic.init-vet", False),
    ("pc-i440fx-1.6", "nic.mitigation", False),
    ("pc-i440fx-1.7", "nic.mitigation", True),
    ("pc-0.12", "nic.autonegotiation", False),
    ("pc", "vga.vgamem_mb", 16),
    ("pc-1.1", "vga.vgamem_mb", 8),
    ("pc-i440fx-4.0", "vga.edid", False),
    ("pc-i440fx-4.1", "vga.edid", True),
    # What the user says counts more.
    ("pc-i440fx-6.0", "nic2.init-vet", True),
]

DEVICES = ["-blockdev", "null-co,node-name=d,size=1M",
           "-device", "ide-hd,drive=d,id=hd", "-device", "e1000,id=nic",
           "-device", "e1000,id=nic2,init-vet=on", "-device", "VGA,id=vga"]


def start(machine, *more):
    return Session(BINARY, "-M", machine, "-accel", "qtest", "-nodefaults",
                   "-display", "none", *more)


class Machines(unittest.TestCase):
    def names(self):
        with start("none") as s:
            return [m["name"] for m in s.cmd("query-machines")]

    def test_all_start(self):
        names = self.names()
        for want in ("pc-i440fx-7.2", "pc-i440fx-1.4", "pc-1.3", "pc-0.10",
                     "rhel6.0.0", "rhel6.6.0", "none"):
            self.assertIn(want, names)
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            with self.subTest(machine=name), start(name, "-m", "16") as s:
                text = s.cmd("x-vmstate-roundtrip")["human-readable-text"]
                self.assertNotIn(" -> ", text)

    def test_values(self):
        for machine, prop, want in VALUES:
            with self.subTest(machine=machine, property=prop), \
                    start(machine, *DEVICES) as s:
                dev, name = prop.split(".")
                self.assertEqual(s.cmd("qom-get", path=dev, property=name),
                                 want)

    def test_describe(self):
        with start("none") as s:
            m = {x["name"]: x for x in s.cmd("query-machines")}
        pc = m["pc-i440fx-7.2"]
        self.assertEqual(pc["alias"], "pc")
        self.assertTrue(pc["is-default"])
        self.assertEqual(pc["cpu-max"], 255)
        self.assertEqual(pc["default-ram-id"], "pc.ram")
        self.assertEqual(pc["default-cpu-type"], "qemu64-x86_64-cpu")
        self.assertFalse(pc["deprecated"])
        self.assertTrue(m["pc-1.2"]["deprecated"])
        self.assertFalse(m["pc-i440fx-5.1"]["numa-mem-supported"])
        self.assertTrue(m["pc-i440fx-5.0"]["numa-mem-supported"])

    def test_help(self):
        out = subprocess.run([BINARY, "-M", "pc-i440fx-2.6,help"], text=True,
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(out.startswith("pc-i440fx-2.6 options:\n"), out)
        for prop in ("hpet", "smm", "kernel", "dump-guest-core",
                     "memory-backend", "usb", "acpi"):
            self.assertIn("\n  %s=" % prop, out)


if __name__ == "__main__":
    sys.argv.pop(1)
    unittest.main()
