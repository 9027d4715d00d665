# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP of the real program: usage: qmp.py BINARY.

Walks query-qmp-schema and calls every command with missing, wrong and extra
arguments: schema and dispatch must agree.  Then sessions over a unix socket:
two monitors at once, a reconnect, descriptors, shutdown.
"""
import array
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

BINARY = None
# Would end the session or block on something outside.
SKIP = {'quit', 'qmp_capabilities'}


class Qmp:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.file = self.sock.makefile('rb')
        self.greeting = self.line()
        self.events = []

    def line(self):
        text = self.file.readline()
        if not text:
            raise EOFError
        assert text.endswith(b'\r\n'), text
        return json.loads(text)

    def reply(self):
        while True:
            obj = self.line()
            if 'event' not in obj:
                return obj
            self.events.append(obj)

    def raw(self, text, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                array.array('i', fds))] if fds else []
        self.sock.sendmsg([text], anc)
        return self.reply()

    def cmd(self, name, args=None, fds=(), **more):
        req = dict(more, execute=name)
        if args is not None:
            req['arguments'] = args
        return self.raw(json.dumps(req).encode() + b'\n', fds)

    def close(self):
        self.file.close()
        self.sock.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.tmp.name, 'qmp')
        self.path2 = os.path.join(self.tmp.name, 'qmp2')
        listeners = []
        argv = [BINARY, '-M', 'none', '-accel', 'qtest', '-nodefaults',
                '-display', 'none']
        # Listening sockets are handed over, so that nothing need be polled.
        for i, path in enumerate((self.path, self.path2)):
            s = socket.socket(socket.AF_UNIX)
            s.bind(path)
            s.listen(1)
            listeners.append(s)
            argv += ['-chardev', f'socket,id=c{i},fd={s.fileno()},'
                     'server=on,wait=off', '-mon',
                     f'chardev=c{i},mode=control']
        self.proc = subprocess.Popen(argv, pass_fds=[s.fileno() for s in
                                                     listeners])
        for s in listeners:
            s.close()
        self.qmp = self.connect(self.path)

    def connect(self, path):
        q = Qmp(path)
        self.addCleanup(q.close)
        self.assertEqual(q.cmd('qmp_capabilities'), {'return': {}})
        return q

    def tearDown(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.tmp.cleanup()

    def error(self, reply):
        self.assertIn('error', reply)
        return reply['error']['desc']

    def good_value(self, types, name, depth=0):
        t = types[name]
        kind = t['meta-type']
        if kind == 'builtin':
            return {'string': 'x', 'int': 1, 'number': 1.5, 'boolean': True,
                    'null': None, 'object': {}, 'array': [],
                    'value': 1}[t['json-type']]
        if kind == 'enum':
            return t['values'][0]
        if kind == 'array':
            return []
        if kind == 'alternate':
            return self.good_value(types, t['members'][0]['type'], depth + 1)
        out = {m['name']: self.good_value(types, m['type'], depth + 1)
               for m in t['members'] if 'default' not in m}
        for v in t.get('variants', []):
            if v['case'] == out[t['tag']]:
                out.update(self.good_value(types, v['type'], depth + 1))
        return out

    def bad_value(self, types, name):
        """A value that no alternative of the type takes; None: any is fine."""
        t = types[name]
        kind = t['meta-type']
        if kind == 'builtin':
            return {'value': None}.get(t['json-type'],
                                       [] if t['json-type'] != 'array' else 1)
        if kind == 'alternate':
            return None
        return 1

    def test_schema_and_dispatch(self):
        q = self.qmp
        schema = q.cmd('query-qmp-schema')['return']
        types = {e['name']: e for e in schema}
        commands = [e for e in schema if e['meta-type'] == 'command']
        listed = q.cmd('query-commands')['return']
        self.assertEqual(sorted(c['name'] for c in listed),
                         sorted(c['name'] for c in commands))
        for c in commands:
            self.assertIn(c['ret-type'], types)
            if c['name'] in SKIP:
                continue
            members = types[c['arg-type']]['members']
            good = self.good_value(types, c['arg-type'])
            with self.subTest(command=c['name']):
                open_ended = c['name'] in ('device_add', 'netdev_add',
                                           'object-add')
                if not open_ended:
                    desc = self.error(q.cmd(c['name'],
                                            dict(good, **{'no-such': 1})))
                    self.assertIn("'no-such' is unexpected", desc)
                for m in members:
                    if 'default' not in m:
                        args = dict(good)
                        del args[m['name']]
                        desc = self.error(q.cmd(c['name'], args))
                        self.assertIn(m['name'], desc)
                    bad = self.bad_value(types, m['type'])
                    if bad is not None:
                        args = dict(good, **{m['name']: bad})
                        desc = self.error(q.cmd(c['name'], args))
                        self.assertIn(m['name'], desc)
        self.assertIn('return', q.cmd('query-status'))

    def test_replies(self):
        q = self.qmp
        self.assertEqual(q.greeting['QMP']['capabilities'], ['oob'])
        v = q.cmd('query-version')['return']
        self.assertEqual(v, q.greeting['QMP']['version'])
        self.assertEqual((v['qemu']['major'], v['qemu']['minor']), (7, 2))
        self.assertEqual(q.cmd('query-target')['return'], {'arch': 'x86_64'})
        self.assertEqual(q.cmd('query-name')['return'], {})
        self.assertEqual(q.cmd('query-uuid')['return']['UUID'],
                         '00000000-0000-0000-0000-000000000000')
        self.assertEqual(set(q.cmd('query-kvm')['return']),
                         {'enabled', 'present'})
        self.assertEqual(q.cmd('query-status', id='i')['id'], 'i')
        r = q.cmd('human-monitor-command', {'command-line': 'print 1+2*3'})
        self.assertEqual(r['return'], '0x7\r\n')
        r = q.cmd('human-monitor-command', {'command-line': 'foo'})
        self.assertEqual(r['return'], "unknown command: 'foo'\r\n")
        r = q.cmd('human-monitor-command', {'command-line': 'info status'})
        self.assertEqual(r['return'], 'VM status: running\r\n')

    def test_two_monitors_and_events(self):
        a, b = self.qmp, self.connect(self.path2)
        self.assertEqual(a.cmd('stop'), {'return': {}})
        self.assertEqual([e['event'] for e in a.events], ['STOP'])
        self.assertEqual(b.line()['event'], 'STOP')
        self.assertEqual(b.cmd('query-status')['return']['status'], 'paused')
        self.assertEqual(a.cmd('cont'), {'return': {}})
        self.assertEqual(b.line()['event'], 'RESUME')
        a.close()
        c = self.connect(self.path) # same monitor, a new session
        self.assertIn('return', c.cmd('query-status'))
        self.assertEqual(c.cmd('quit'), {'return': {}})
        ev = b.line()
        self.assertEqual((ev['event'], ev['data']), (
            'SHUTDOWN', {'guest': False, 'reason': 'host-qmp-quit'}))
        self.assertEqual(self.proc.wait(20), 0)

    def test_descriptors(self):
        q = self.qmp
        with open(os.devnull, 'rb') as f:
            self.assertEqual(q.cmd('getfd', {'fdname': 'a'}, [f.fileno()]),
                             {'return': {}})
            self.assertEqual(q.cmd('closefd', {'fdname': 'a'}),
                             {'return': {}})
            r = q.cmd('add-fd', {'opaque': 'o'}, [f.fileno()])['return']
        sets = q.cmd('query-fdsets')['return']
        self.assertEqual(sets, [{'fdset-id': r['fdset-id'], 'fds': [
            {'fd': r['fd'], 'opaque': 'o'}]}])
        self.assertEqual(q.cmd('remove-fd', {'fdset-id': r['fdset-id']}),
                         {'return': {}})
        self.assertIn('SCM_RIGHTS', self.error(q.cmd('add-fd')))

    def hmp(self, line):
        r = self.qmp.cmd('human-monitor-command', {'command-line': line})
        return r['return'].replace('\r\n', '\n')

    def test_human_commands(self):
        for line, want in (
                ('p/x 255', '0xff\n'), ('p /d -1', '-1\n'), ('p/o 8', '010\n'),
                ('p/u -1', '18446744073709551615\n'), ('p/c 65', "'A'\n"),
                ("p 'a'", '0x61\n'), ('p ~1 & 0xff', '0xfe\n'),
                ('p -9223372036854775808 / -1', '0x8000000000000000\n'),
                ('', ''), ('# words', ''), ('info', self.hmp('help info')),
                ('? stop', 'stop|s  -- hold the guest\n'),
                ('info foo', "unknown command: 'info foo'\n"),
                ('info uuid', '00000000-0000-0000-0000-000000000000\n'),
                ('cpu 4', 'invalid CPU index\n')):
            self.assertEqual(self.hmp(line), want, line)
        for line, want, name in (
                ('p 1/0', 'division by zero', 'p'),
                ('p (1', "')' expected", 'p'), ('p ' + '(' * 5000,
                 'expression nested too deep', 'p'),
                ('p', 'unexpected end of expression', 'p'),
                ('p/z 1', "invalid char in format: 'z'", 'p'),
                ('p 1 2', 'print|p: extraneous characters at the end of line',
                 'p'),
                ('p "a"', "invalid char '\"' in expression", 'p'),
                ('getfd', 'getfd: string expected', 'getfd'),
                ('getfd "a', 'unsupported or unterminated quoting', 'getfd'),
                ('trace-event x maybe', "Expected 'on' or 'off'",
                 'trace-event'),
                ('info status x',
                 'status: extraneous characters at the end of line',
                 'info status')):
            got = self.hmp(line)
            if 'format' in want:
                self.assertEqual(got, f'Error: {want}\n')
            else:
                self.assertEqual(got, f'{want}\nTry "help {name}" for more '
                                 'information\n', line)
        self.assertIn('system_reset  -- ', self.hmp('help'))
        self.assertIn('Error: ', self.hmp('getfd a'))
        self.assertIn('Error: ', self.hmp('watchdog_action foo'))
        self.hmp('stop')
        self.assertEqual(self.hmp('info status'), 'VM status: paused\n')

    def test_bad_input(self):
        q = self.qmp
        for text in (b'{"execute":"query-status",}\n', b'[1}\n', b'nope\n',
                     b'{"a":"\\ud800"}\n', b'[' * 2000 + b'\xff\n'):
            q.sock.sendall(text + b'\xff\n{"execute":"stop","id":"x"}\n'
                           b'{"execute":"cont","id":"y"}\n')
            errors = 0
            while True:
                r = q.reply()
                if r.get('id') == 'y':
                    break
                errors += 'error' in r
            self.assertGreater(errors, 0, text)


if __name__ == '__main__':
    BINARY = sys.argv.pop(1)
    unittest.main()
