#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-devices.py BINARY: a walk over every device of -device help.

Each is made without and with its properties (a bad value, its default, a
value), read, saved and loaded, and unplugged where its bus can have that, on
the bare machine and, with what it needs, on the PC.
"""
import os
import re
import subprocess
import sys
import unittest

BINARY = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import Session, QmpError  # noqa: E402

BACKENDS = ["-blockdev", "null-co,node-name=blk,size=1474560",
            "-chardev", "null,id=chr", "-netdev", "hubport,hubid=0,id=net",
            "-object", "memory-backend-ram,id=mem,size=128M",
            "-object", "rng-random,id=rng,filename=/dev/urandom"]
# What a property of that name needs to have.
NEEDED = {"drive": "blk", "chardev": "chr", "netdev": "net", "memdev": "mem"}
# Devices that cannot be without: property and value.
ALWAYS = {"pc-dimm": {"memdev": "mem"}, "virtio-rng-pci": {},
          "isa-debugcon": {"chardev": "chr"},
          "isa-parallel": {"chardev": "chr"},
          "isa-serial": {"chardev": "chr"}, "pci-bridge": {"chassis_nr": 7}}
# Buses that the PC has only with another device.
CARRIER = {"virtio-serial-bus": "virtio-serial-pci",
           "SCSI": "virtio-scsi-pci", "usb-bus": "piix3-usb-uhci",
           "HDA": "intel-hda"}


def devices():
    out = subprocess.run([BINARY, "-device", "help"], text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    for m in re.finditer(r'^name "([^"]+)"(?:, bus ([\w-]+))?', out, re.M):
        if not m.group(1).endswith("-x86_64-cpu"):
            yield m.group(1), m.group(2)


def values(prop):
    """Bad values and a good one for a property by its type."""
    kind = prop["type"]
    if re.match(r"u?int|size", kind):
        return ["x", {}, -10 ** 30], prop.get("default-value")
    if kind in ("bool", "OnOffAuto"):
        return ["x", 3], prop.get("default-value")
    return [{}, []], None


class Walk(unittest.TestCase):
    def start(self, machine, bus):
        args = ["-M", machine, "-accel", "qtest", "-nodefaults", "-display",
                "none", "-m", "16,slots=2,maxmem=1G" if machine == "pc"
                else "16", *BACKENDS]
        if bus in CARRIER:
            args += ["-device", CARRIER[bus]]
        return args

    def check_help(self, name):
        p = subprocess.run([BINARY, "-device", name + ",help"], text=True,
                           stdout=subprocess.PIPE, check=True)
        self.assertRegex(p.stdout, r"^(%s options:|There are no options for "
                         r"%s\.)\n" % (name, name))

    def bad_values(self, s, name, props):
        """None of them makes the device or hurts."""
        for p in props:
            for bad in values(p)[0]:
                m = s.try_cmd("device_add", driver=name, **{p["name"]: bad})
                self.assertIn("error", m, "%s.%s=%s" % (name, p["name"], bad))
        m = s.try_cmd("device_add", driver=name, nosuchprop=1)
        self.assertIn("error", m)

    def extra(self, name, props):
        names = {p["name"] for p in props}
        extra = dict(ALWAYS.get(name, {}))
        for k, v in NEEDED.items():
            if k in names and k != "memdev":
                extra[k] = v
        return extra

    def one(self, name, bus, machine):
        with Session(BINARY, *self.start(machine, bus)) as s:
            props = s.cmd("device-list-properties", typename=name)
            if machine == "x-bare":
                self.bad_values(s, name, props)
        for extra in (ALWAYS.get(name, {}), self.extra(name, props)):
            opts = ",".join([name, "id=it"] +
                            ["%s=%s" % kv for kv in extra.items()])
            try:
                with Session(BINARY, *self.start(machine, bus), "-device",
                             opts) as s:
                    self.look(s, name, bus, machine)
            except EOFError as e:
                # Refused: with one line that names it, and status 1.
                text = str(e)
                self.assertIn("status 1: ", text)
                lines = [l for l in text.splitlines() if "warning" not in l]
                self.assertEqual(len(lines), 1, text)
                self.assertIn("-device " + name, text)
                self.assertNotIn("Assert", text)
                refused = text
            else:
                refused = None
        return refused

    def look(self, s, name, bus, machine):
        for p in s.cmd("qom-list", path="/machine/peripheral/it"):
            m = s.try_cmd("qom-get", path="/machine/peripheral/it", property=p["name"])
            self.assertTrue("return" in m or "error" in m)
        s.cmd("system_reset")
        text = s.cmd("x-vmstate-roundtrip")["human-readable-text"]
        self.assertNotIn(" -> ", text)
        if bus:
            self.assertIn('dev: %s, id "it"' % name, s.hmp("info qtree"))
        s.hmp("info mtree -f")
        m = s.try_cmd("device_del", id="it")
        if machine == "x-bare" and "return" in m:
            while s.wait_event("DEVICE_DELETED")["data"].get("device") != "it":
                pass # its parts without an id come first
            self.assertNotIn('id "it"', s.hmp("info qtree"))

    def test_walk(self):
        made = []
        for name, bus in devices():
            with self.subTest(device=name):
                self.check_help(name)
                refused = self.one(name, bus, "x-bare" if bus in
                                   ("PCI", "ISA") else "pc")
                if refused and bus in ("PCI", "ISA"):
                    refused = self.one(name, bus, "pc")
                if not refused:
                    made.append(name)
                else:
                    print("%s: %s" % (name, refused.strip()))
        print("%d devices made: %s" % (len(made), " ".join(made)))
        for must in ("ib700", "pci-testdev", "e1000", "VGA"):
            self.assertIn(must, made)


if __name__ == "__main__":
    sys.argv.pop(1)
    unittest.main()
