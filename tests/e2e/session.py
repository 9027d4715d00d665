# SPDX-License-Identifier: GPL-2.0-or-later
"""A program with QMP on a pair of descriptors: commands, errors, events."""
import json
import socket
import subprocess
import tempfile


class QmpError(Exception):
    pass


class Session:
    """with Session(binary, *args) as s: s.cmd("query-status")"""

    def __init__(self, binary, *args, timeout=60, pass_fds=()):
        ours, theirs = socket.socketpair()
        self.stderr = tempfile.TemporaryFile()
        self.proc = subprocess.Popen(
            [binary, *args, "-chardev",
             "socket,id=session,fd=%d" % theirs.fileno(), "-mon",
             "chardev=session,mode=control"],
            pass_fds=[theirs.fileno(), *pass_fds], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.stderr)
        theirs.close()
        ours.settimeout(timeout)
        self.sock = ours
        self.file = ours.makefile("rb")
        self.events = []
        try:
            self.message()  # the greeting
            self.cmd("qmp_capabilities")
        except EOFError:
            self.file.close()
            self.sock.close()
            self.stderr.close()
            raise

    def said(self):
        """What the program wrote to stderr."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def message(self):
        line = self.file.readline()
        if not line:
            self.proc.wait()
            raise EOFError("status %d: %s" % (self.proc.returncode,
                                              self.said()))
        return json.loads(line)

    def try_cmd(self, name, /, **args):
        """The whole reply, with "return" or "error"."""
        req = {"execute": name,
               "arguments": {k.replace("_", "-") if k.startswith("x_")
                             else k: v for k, v in args.items()}}
        self.sock.sendall(json.dumps(req).encode() + b"\n")
        while True:
            m = self.message()
            if "event" not in m:
                return m
            self.events.append(m)

    def cmd(self, name, /, **args):
        m = self.try_cmd(name, **args)
        if "error" in m:
            raise QmpError("%s: %s" % (name, m["error"]["desc"]))
        return m["return"]

    def hmp(self, line):
        return self.cmd("human-monitor-command",
                        **{"command-line": line})

    def wait_event(self, name):
        while True:
            for i, e in enumerate(self.events):
                if e["event"] == name:
                    return self.events.pop(i)
            m = self.message()
            if "event" in m:
                self.events.append(m)

    def close(self):
        """Asks the program to quit; its exit status."""
        if self.proc.poll() is None:
            try:
                self.sock.sendall(b'{"execute": "quit"}\n')
                while self.file.readline():
                    pass
            except OSError:
                pass
        status = self.proc.wait(timeout=60)
        self.file.close()
        self.sock.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.proc.kill()
            self.proc.wait()
            self.file.close()
            self.sock.close()
            self.stderr.close()
            return
        status = self.close()
        said = self.said()
        self.stderr.close()
        assert status == 0, "exit status %d: %s" % (status, said)
