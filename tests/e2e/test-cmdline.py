#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-cmdline.py BINARY: command lines through the whole program.

Faults that only a step of main() can find, word for word; the life of a
process (-daemonize, -pidfile, -add-fd, -sandbox, signals); the command lines
of the seed documents parse or name what is not there yet.
"""
import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from session import Session

BINARY = os.path.abspath(sys.argv.pop(1))
NAME = os.path.basename(BINARY)
BASE = ["-accel", "qtest", "-M", "none", "-nodefaults", "-display", "none"]
TIMEOUT = 60

# Arguments after BASE, what stderr says after "NAME: ".
BAD = [
    (["-M", "foo"], "-M foo: unsupported machine type 'foo', -machine help "
     "lists the machines"),
    (["-M", "nonne"], "-M nonne: unsupported machine type 'nonne', did you "
     "mean 'none'?"),
    (["-M", "none,foo=1"],
     "-M none,foo=1: Property 'none-machine.foo' not found"),
    (["-M", "none,usb=maybe"], None),
    (["-smp", "2"], "Invalid SMP CPUs 2. The max CPUs supported by machine "
     "'none' is 1"),
    (["-m", "2G,maxmem=1G"], "invalid value of maxmem: maximum memory size "
     "(0x40000000) must be at least the initial memory size (0x80000000)"),
    (["-boot", "xyz"], "Invalid boot device 'x'"),
    (["-boot", "cc"], "Boot device 'c' was given twice"),
    (["-boot", "reboot-timeout=70000"],
     "Parameter 'reboot-timeout' expects -1 to 65535, not '70000'"),
    (["-rtc", "base=foo"], "-rtc base=foo: neither utc, localtime nor a date "
     "(2006-06-17T16:01:21 or 2006-06-17)"),
    (["-rtc", "clock=foo"], None),
    (["-cpu", "foo"], "-cpu foo: unable to find CPU model 'foo'"),
    (["-append", "x"], "-append only allowed with -kernel option"),
    (["-chardev", "null"], None),
    (["-chardev", "foo,id=x"], None),
    (["-object", "foo,id=x"], None),
    (["-mon", "x"], None),
    (["-qmp", "foo"], None),
    (["-monitor", "foo"], None),
    (["-serial", "foo"], None),
    (["-device", "foo"], None),
    (["-device", "foo,help"],
     "-device foo,help: Device 'foo' not found"),
    (["-machine", "none,accel=tcg"], 'The -accel and "-machine accel=" '
     "options are incompatible"),
    (["-d", "foo"], None),
    (["-trace", "foo=1"], None),
    (["-pidfile", "/nonexistent/pid"],
     "-pidfile /nonexistent/pid: cannot create it: No such file or directory"),
    (["-add-fd", "fd=99,set=1"],
     "-add-fd fd=99,set=1: fd is not valid or already in use"),
    (["-add-fd", "fd=1,set=1"],
     "-add-fd fd=1,set=1: fd cannot be a standard I/O stream"),
    (["-runas", "no-such-user"], "-runas no-such-user: there is no such user, "
     "and it is not of the form UID:GID"),
    (["-chroot", "/nonexistent"],
     "-chroot /nonexistent: cannot change to it: No such file or directory"),
    (["-display", "gtk"], "-display gtk: this build has no such display, -vnc "
     "and -display none are there"),
    (["-readconfig", "/nonexistent"], "-readconfig /nonexistent: cannot open "
     "the file: No such file or directory"),
    (["-M", "none,memory-backend=q"], "Memory backend 'q' not found"),
    (["-object", "memory-backend-ram,id=r,size=64M", "-M",
      "none,memory-backend=r", "-m", "32M"], "Machine memory size does not "
     "match the size of the memory backend"),
    (["-m", "64M", "-device", "no-device"], None),
    (["-object", "memory-backend-ram,id=r,size=64M", "-M",
      "none,memory-backend=r", "-device", "no-device"], None),
    (["-mem-path", "/nonexistent/x", "-m", "1M"],
     "-mem-path /nonexistent/x: cannot open it: No such file or directory"),
]


def run(args, **kwargs):
    return subprocess.run([BINARY] + args, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=TIMEOUT, check=False, **kwargs)


class QMP:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rwb", buffering=0)
        self.file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command):
        self.file.write(json.dumps({"execute": command}).encode() + b"\n")
        while True:
            reply = json.loads(self.file.readline())
            if "event" not in reply:
                return reply["return"]

    def close(self):
        self.file.close()
        self.sock.close()


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def test_bad_lines(self):
        for args, text in BAD:
            with self.subTest(args=args):
                r = run(BASE + args)
                self.assertEqual(r.returncode, 1, r.stderr)
                lines = r.stderr.rstrip("\n").split("\n")
                self.assertEqual(len(lines), 1, r.stderr)
                if text is not None:
                    self.assertEqual(lines[0], "%s: %s" % (NAME, text))
                else:
                    self.assertIn(args[-1].split(",")[0].split("=")[0],
                                  lines[0])

    def test_help(self):
        for args, text in ((["-help"], "-blockdev "),
                           (["-version"], "QEMU emulator version 7.2"),
                           (["-M", "help"], "none "),
                           (["-accel", "help"], "qtest"),
                           (["-d", "help"], "guest_errors"),
                           (["-L", "help"], "/usr/share/seabios"),
                           (["-object", "help"], "List of"),
                           (["-device", "help"], "devices:")):
            with self.subTest(args=args):
                r = run(args)
                self.assertEqual(r.returncode, 0, r.stderr)
                self.assertIn(text, r.stdout)

    def test_daemonize(self):
        """At its return the socket listens and the pid file is written."""
        sock, pidfile = self.path("qmp"), self.path("pid")
        r = run(["-S", "-no-user-config", "-nodefaults", "-nographic",
                 "-machine", "none,accel=kvm:qtest", "-qmp",
                 "unix:%s,server=on,wait=off" % sock, "-pidfile", pidfile,
                 "-daemonize"])
        self.assertEqual(r.returncode, 0, r.stderr)
        with open(pidfile, encoding="ascii") as f:
            pid = int(f.read())
        qmp = QMP(sock)
        self.assertEqual(qmp.execute("query-status")["status"], "prelaunch")
        fds = os.path.join("/proc", str(pid), "fd")
        self.assertEqual(os.readlink(os.path.join(fds, "2")), "/dev/null")
        pidfd = os.pidfd_open(pid)
        qmp.execute("quit")
        qmp.close()
        signal.alarm(TIMEOUT)
        # A readable pidfd: the process has ended.
        import select
        select.select([pidfd], [], [])
        signal.alarm(0)
        os.close(pidfd)
        self.assertFalse(os.path.exists(pidfile))

    def test_daemonize_failure(self):
        r = run(BASE + ["-daemonize", "-qmp", "unix:/nonexistent/s,server=on,"
                        "wait=off"])
        self.assertEqual(r.returncode, 1)
        self.assertIn("/nonexistent/s", r.stderr)

    def test_nographic_daemonize(self):
        r = run(["-accel", "qtest", "-M", "none", "-nographic", "-daemonize"])
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr, "%s: -nographic cannot be used with "
                         "-daemonize\n" % NAME)

    def test_accel_of_the_name(self):
        """A name that ends in kvm tries KVM first, another does not."""
        if os.path.exists("/dev/kvm"):
            self.skipTest("skipped: this host has /dev/kvm")
        for name, tried in (("kvm", True), ("some-qemu", False)):
            link = self.path(name)
            os.symlink(BINARY, link)
            r = subprocess.run([link, "-M", "none", "-nodefaults", "-display",
                                "none", "-device", "no-such-device"],
                               stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True,
                               timeout=TIMEOUT, check=False)
            self.assertEqual("Could not access KVM kernel module" in r.stderr,
                             tried, r.stderr)

    def test_kvm_alone(self):
        if os.path.exists("/dev/kvm"):
            self.skipTest("skipped: this host has /dev/kvm")
        r = run(["-enable-kvm", "-M", "none", "-nodefaults"])
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.split("\n")[:2], [
            "%s: Could not access KVM kernel module: No such file or "
            "directory" % NAME,
            "%s: failed to initialize kvm: No such file or directory" % NAME])

    def test_signals(self):
        sock = self.path("qmp")
        for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            proc = subprocess.Popen(
                [BINARY] + BASE + ["-qmp", "unix:%s,server=on" % sock],
                stderr=subprocess.PIPE, text=True)
            # wait=on: the program is up when the connection is made.
            while not os.path.exists(sock):
                self.assertIsNone(proc.poll())
                os.sched_yield()
            qmp = None
            while qmp is None:
                try:
                    qmp = QMP(sock)
                except ConnectionRefusedError:
                    os.sched_yield()
            os.unlink(sock)
            proc.send_signal(signo)
            _, err = proc.communicate(timeout=TIMEOUT)
            qmp.close()
            self.assertEqual(proc.returncode, 0, err)
            self.assertIn("terminating on signal %d" % signo, err)

    def test_sandbox(self):
        sock = self.path("qmp")
        r = run(BASE + ["-daemonize", "-pidfile", self.path("pid"), "-sandbox",
                        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
                        "resourcecontrol=deny", "-qmp",
                        "unix:%s,server=on,wait=off" % sock])
        if "no libseccomp" in r.stderr:
            self.skipTest("skipped: no libseccomp")
        self.assertEqual(r.returncode, 0, r.stderr)
        with open(self.path("pid"), encoding="ascii") as f:
            pid = int(f.read())
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            self.assertRegex(f.read(), r"Seccomp:\s+2")
        qmp = QMP(sock)
        self.assertEqual(qmp.execute("query-status")["status"], "running")
        qmp.execute("quit")
        qmp.close()

    def test_default_devices(self):
        """Which are there by themselves; as QEMU does it."""
        disk = self.path("disk")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        for args, nics, media in (
                ("", 1, {"ide1-cd0", "floppy0"}),
                ("-netdev user,id=n", 0, {"ide1-cd0", "floppy0"}),
                ("-netdev user,id=n -device e1000,netdev=n,addr=3,bus=pci.0",
                 1, {"ide1-cd0", "floppy0"}),
                ("-nic none", 0, {"ide1-cd0", "floppy0"}),
                ("-drive if=floppy,index=1", 1,
                 {"ide1-cd0", "floppy0", "floppy1"}),
                ("-drive media=cdrom,index=1", 1,
                 {"ide0-cd1", "ide1-cd0", "floppy0"}),
                ("-drive media=cdrom", 1, {"ide0-cd0", "ide1-cd0", "floppy0"}),
                ("-hdc " + disk, 1, {"ide1-hd0", "floppy0"}),
                ("-nodefaults", 0, set())):
            with self.subTest(args=args), Session(
                    BINARY, "-M", "pc", "-accel", "tcg", "-S", "-display",
                    "none", *args.split()) as s:
                net = s.hmp("info network").splitlines()
                self.assertEqual(sum("type=nic" in x for x in net), nics)
                self.assertEqual({b["device"] for b in s.cmd("query-block")
                                  if b["device"]} - {"sd0"}, media)

    def test_seed_lines(self):
        """They get as far as a device or back end that is to come."""
        folder = os.path.join(os.path.dirname(__file__), "..", "..", "..",
                              "shared", "seeds", "cmdlines")
        files = sorted(glob.glob(os.path.join(folder, "*.args")))
        if not files:
            self.skipTest("skipped: no seed documents here")
        for name in files:
            with open(name, encoding="utf-8") as f:
                lines = [s.rstrip("\n") for s in f if s.strip()]
            with self.subTest(file=os.path.basename(name)):
                # Each option by itself is known, and so is its form.
                for line in lines:
                    args = line.split(" ", 1)
                    if args[0] in ("-M", "-enable-kvm"):
                        continue
                    if args[0] == "-readconfig":
                        args[1] = self.path("empty.cfg")
                        with open(args[1], "w", encoding="ascii"):
                            pass
                    r = run(args + ["-M", "help"])
                    ok = r.returncode == 0 or re.search(
                        r"not in this build yet", r.stderr)
                    self.assertTrue(ok, "%s: %s" % (line, r.stderr))


if __name__ == "__main__":
    unittest.main()
