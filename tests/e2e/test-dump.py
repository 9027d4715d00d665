#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-dump.py BINARY: dump-guest-memory gives an ELF core of all memory."""
import os
import struct
import sys
import tempfile
import unittest

BINARY = os.path.abspath(sys.argv.pop(1))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import Session  # noqa: E402

ARGS = ["-M", "pc", "-accel", "tcg", "-m", "16", "-smp", "2", "-nodefaults",
        "-display", "none"]


def headers(data):
    """(machine, [(type, offset, physical address, size)])"""
    ident, kind, machine = struct.unpack_from("<16sHH", data)
    assert ident[:6] == b"\x7fELF\x02\x01" and kind == 4, data[:20]
    phoff, = struct.unpack_from("<Q", data, 32)
    n, = struct.unpack_from("<H", data, 56)
    out = []
    for i in range(n):
        t, _, off, _, pa, size = struct.unpack_from("<IIQQQQ", data,
                                                    phoff + 56 * i)
        out.append((t, off, pa, size))
    return machine, out


class Dump(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def test_whole(self):
        core = os.path.join(self.tmp.name, "core")
        mem = os.path.join(self.tmp.name, "mem")
        with Session(BINARY, *ARGS) as s:
            s.cmd("dump-guest-memory", paging=False, protocol="file:" + core,
                  detach=True)
            e = s.wait_event("DUMP_COMPLETED")["data"]["result"]
            self.assertEqual(e["status"], "completed")
            self.assertEqual(s.cmd("query-dump"), e)
            # It goes on by itself.
            self.assertEqual(s.cmd("query-status")["status"], "running")
            s.cmd("stop")
            s.cmd("dump-guest-memory", paging=False, protocol="file:" + core)
            s.cmd("pmemsave", val=0, size=0xa0000, filename=mem)
            self.assertEqual(s.cmd("query-status")["status"], "paused")
        with open(core, "rb") as f:
            data = f.read()
        machine, parts = headers(data)
        self.assertIn(machine, (3, 62))
        self.assertEqual(sum(p[3] for p in parts if p[0] == 1), e["total"])
        self.assertEqual(len(data), parts[-1][1] + parts[-1][3])
        _, off, _, size = parts[0]
        self.assertEqual(data[off:off + size].count(b"CORE\0"), 2)
        self.assertEqual(data[off:off + size].count(b"QEMU\0"), 2)
        low = next(p for p in parts if p[0] == 1 and p[2] == 0)
        with open(mem, "rb") as f:
            self.assertEqual(f.read(0xa0000),
                             data[low[1]:low[1] + 0xa0000])

    def test_part_and_errors(self):
        core = os.path.join(self.tmp.name, "core")
        with Session(BINARY, "-S", *ARGS) as s:
            s.cmd("dump-guest-memory", paging=False, protocol="file:" + core,
                  begin=0x2000, length=0x1000)
            with open(core, "rb") as f:
                parts = headers(f.read())[1]
            self.assertEqual([p[2:] for p in parts[1:]], [(0x2000, 0x1000)])
            for args, text in (
                    ({"paging": True}, "Parameter 'paging' expects false: the "
                     "dump has physical addresses only"),
                    ({"begin": 0}, "Parameter 'length' is missing"),
                    ({"begin": 1 << 40, "length": 1},
                     "dump: no guest memory to dump"),
                    ({"protocol": "fd:x"},
                     "File descriptor named 'x' has not been found"),
                    ({"protocol": "file:/dev/full"}, "dump: failed to write: "
                     "No space left on device")):
                args = dict({"paging": False, "protocol": "file:" + core},
                            **args)
                m = s.try_cmd("dump-guest-memory", **args)
                self.assertEqual(m["error"]["desc"], text)
            self.assertEqual(s.cmd("query-dump")["status"], "failed")


if __name__ == "__main__":
    unittest.main()
