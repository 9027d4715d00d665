#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Network back ends and filters without a guest: net.py EMULATOR.

Two back ends are joined by a hub; the test is the peer of each.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

EMU = sys.argv[1]
tmp = tempfile.TemporaryDirectory()
count = 0


def path(name):
    return os.path.join(tmp.name, name)


class Emu:
    def __init__(self, *args):
        # QMP is a socket pair's end: nothing to wait for.
        ours, theirs = socket.socketpair()
        argv = [EMU, '-accel', 'tcg', '-M', 'none', '-nodefaults', '-display', 'none',
                '-chardev', f'socket,id=qmp,fd={theirs.fileno()}',
                '-mon', 'qmp,mode=control', *args]
        self.proc = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(60)
        self.file = ours.makefile('rw')
        self.events = []
        self.read()
        self.qmp('qmp_capabilities')

    def read(self):
        line = self.file.readline()
        assert line, 'the emulator has gone'
        return json.loads(line)

    def reply(self, command, **arguments):
        self.file.write(json.dumps({'execute': command,
                                    'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            msg = self.read()
            if 'event' in msg:
                self.events.append(msg)
            else:
                return msg

    def qmp(self, command, **arguments):
        msg = self.reply(command, **arguments)
        assert 'return' in msg, msg
        return msg['return']

    def error(self, command, **arguments):
        return self.reply(command, **arguments)['error']['desc']

    def hmp(self, line):
        return self.qmp('human-monitor-command', **{'command-line': line})

    def event(self, name):
        while True:
            for i, e in enumerate(self.events):
                if e['event'] == name:
                    return self.events.pop(i)
            msg = self.read()
            assert 'event' in msg, msg
            self.events.append(msg)

    def end(self):
        self.qmp('quit')
        assert self.proc.wait(30) == 0


class Peer:
    """The far end of a stream back end."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(60)

    def send(self, frame):
        self.sock.sendall(struct.pack('>I', len(frame)) + frame)

    def take(self, n):
        b = b''
        while len(b) < n:
            part = self.sock.recv(n - len(b))
            assert part, 'closed'
            b += part
        return b

    def recv(self):
        return self.take(struct.unpack('>I', self.take(4))[0])

    def silent(self):
        self.sock.setblocking(False)
        try:
            got = self.sock.recv(1)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(60)
        return got is None


def connect(name):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path(name))
    return Peer(s)


def frame(n, size=60):
    head = b'\xff' * 6 + b'\x52\x54\x00\x00\x00\x01' + b'\x88\xb5'
    return (head + struct.pack('>I', n)).ljust(size, b'.')


def stream(name, **more):
    return {'type': 'stream', 'id': name, 'server': True,
            'addr': {'type': 'unix', 'path': path(name)}, **more}


def hubbed(name):
    return {'type': 'hubport', 'id': 'hub-' + name, 'hubid': 0,
            'netdev': name}


def two_streams(*args):
    e = Emu('-netdev', json.dumps(stream('a')),
            '-netdev', json.dumps(hubbed('a')),
            '-netdev', json.dumps(stream('b')),
            '-netdev', json.dumps(hubbed('b')), *args)
    a, b = connect('a'), connect('b')
    for _ in range(2):
        e.event('NETDEV_STREAM_CONNECTED')
    return e, a, b


def ok(name):
    global count
    count += 1
    print('ok', count, name, flush=True)


def test_stream():
    e, a, b = two_streams()
    for size in (1, 14, 60, 1514, 9000, 65535):
        a.send(frame(size, size)[:size])
        assert b.recv() == frame(size, size)[:size]
    b.send(frame(1))
    assert a.recv() == frame(1)
    # A part of a frame, then the rest.
    raw = struct.pack('>I', 60) + frame(2)
    a.sock.sendall(raw[:3])
    a.sock.sendall(raw[3:20])
    e.qmp('query-status')
    assert b.silent()
    a.sock.sendall(raw[20:])
    assert b.recv() == frame(2)
    text = e.hmp('info network')
    assert 'hub 0' in text and 'connection from unix:' in text, text
    # Gone, and there again.
    a.sock.close()
    assert e.event('NETDEV_STREAM_DISCONNECTED')['data']['netdev-id'] == 'a'
    a = connect('a')
    sa = e.event('NETDEV_STREAM_CONNECTED')['data']['addr']
    assert sa['type'] == 'unix', sa
    b.send(frame(3))
    assert a.recv() == frame(3)
    # A length that no frame has ends the connection.
    a.sock.sendall(b'\xff\xff\xff\xff')
    e.event('NETDEV_STREAM_DISCONNECTED')
    assert a.sock.recv(1) == b''
    e.end()
    ok('stream')


def test_slow_reader():
    """Whoever reads slowly loses nothing: the sender has to wait."""
    e, a, b = two_streams()
    total, size = 6000, 1514
    a.sock.settimeout(0.05)
    blob = b''.join(struct.pack('>I', size) + frame(i, size)
                    for i in range(total))
    at = got = 0
    while got < total:
        if at < len(blob):
            try:
                at += a.sock.send(blob[at:at + 65536])
                continue
            except TimeoutError:
                pass # it waits for us
        for _ in range(200):
            if got < at // (size + 4):
                assert b.recv() == frame(got, size), got
                got += 1
    e.end()
    ok('slow reader loses nothing')


def test_dgram():
    one, two = path('one'), path('two')
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    peer.bind(two)
    peer.settimeout(60)
    e = Emu('-netdev', json.dumps(stream('a')),
            '-netdev', json.dumps(hubbed('a')),
            '-netdev', f'dgram,id=b,local.type=unix,local.path={one},'
            f'remote.type=unix,remote.path={two}',
            '-netdev', json.dumps(hubbed('b')))
    a = connect('a')
    e.event('NETDEV_STREAM_CONNECTED')
    a.send(frame(7, 1514))
    assert peer.recv(70000) == frame(7, 1514)
    peer.sendto(frame(8), one)
    assert a.recv() == frame(8)
    e.end()
    ok('dgram')


def test_netdev_add_del():
    e, a, b = two_streams()
    e.qmp('netdev_del', id='b')
    assert b.sock.recv(1) == b''
    a.send(frame(1))
    e.qmp('netdev_add', **stream('c'))
    e.qmp('netdev_add', **hubbed('c'))
    c = connect('c')
    e.event('NETDEV_STREAM_CONNECTED')
    c.send(frame(2))
    assert a.recv() == frame(2)
    e.qmp('set_link', name='c', up=False)
    c.send(frame(3))
    e.qmp('query-status')
    e.qmp('set_link', name='c', up=True)
    # What came while the link was down is either gone or all there is.
    c.send(frame(4))
    got = a.recv()
    assert got in (frame(3), frame(4)), got
    assert 'Duplicate' in e.error('netdev_add', **stream('c'))
    assert 'not found' in e.error('netdev_del', id='nobody')
    assert 'not found' in e.error('set_link', name='nobody', up=True)
    e.end()
    ok('netdev_add, netdev_del, set_link')


def test_reconnect():
    listener = socket.socket(socket.AF_UNIX)
    e = Emu('-netdev', json.dumps(stream('a', server=False, reconnect=1)))
    listener.bind(path('a'))
    listener.listen(1)
    for _ in range(2):
        s, _ = listener.accept()
        e.event('NETDEV_STREAM_CONNECTED')
        s.close()
        e.event('NETDEV_STREAM_DISCONNECTED')
    e.end()
    os.unlink(path('a'))
    ok('stream reconnects')


def test_dump():
    e, a, b = two_streams('-object', 'filter-dump,id=d,netdev=a,maxlen=100,'
                          f'file={path("pcap")}')
    sizes = (60, 200)
    for n in sizes:
        a.send(frame(n, n))
        b.recv()
    b.send(frame(9))
    a.recv()
    e.qmp('object-del', id='d')
    a.send(frame(10))
    b.recv()
    e.end()
    with open(path('pcap'), 'rb') as f:
        data = f.read()
    head = struct.unpack('<IHHiIII', data[:24])
    assert head == (0xa1b2c3d4, 2, 4, 0, 0, 100, 1), head
    at, seen = 24, []
    while at < len(data):
        _, _, cap, full = struct.unpack('<IIII', data[at:at + 16])
        seen.append((full, data[at + 16:at + 16 + cap]))
        at += 16 + cap
    assert seen == [(60, frame(60)), (200, frame(200, 200)[:100]),
                    (60, frame(9))], seen
    ok('filter-dump')


def test_mirror():
    e, a, b = two_streams(
        '-chardev', f'socket,id=m,path={path("m")},server=on,wait=off',
        '-object', 'filter-mirror,id=f,netdev=a,queue=tx,outdev=m')
    m = connect('m')
    while 'disconnected' in [c for c in e.qmp('query-chardev')
                             if c['label'] == 'm'][0]['filename']:
        pass
    a.send(frame(1))
    assert b.recv() == frame(1) and m.recv() == frame(1)
    b.send(frame(2)) # the other direction is not asked for
    assert a.recv() == frame(2)
    e.qmp('query-status')
    assert m.silent()
    e.qmp('qom-set', path='/objects/f', property='status', value='off')
    a.send(frame(3))
    assert b.recv() == frame(3)
    e.qmp('query-status')
    assert m.silent()
    e.end()
    ok('filter-mirror')


def test_redirector():
    e, a, b = two_streams(
        '-chardev', f'socket,id=o,path={path("o")},server=on,wait=off',
        '-chardev', f'socket,id=i,path={path("i")},server=on,wait=off',
        '-object', 'filter-redirector,id=f,netdev=a,queue=tx,outdev=o',
        '-object', 'filter-redirector,id=g,netdev=a,queue=tx,indev=i')
    o, i = connect('o'), connect('i')
    while any('disconnected' in c['filename'] for c in e.qmp('query-chardev')
              if c['label'] in 'oi'):
        pass
    a.send(frame(1))
    assert o.recv() == frame(1)
    e.qmp('query-status')
    assert b.silent()
    i.send(frame(2, 1514))
    assert b.recv() == frame(2, 1514)
    e.end()
    ok('filter-redirector')


def test_buffer():
    # The virtual clock stands still (-S): nothing goes before it is told.
    e, a, b = two_streams('-S', '-object',
                          'filter-buffer,id=f,netdev=a,interval=1000')
    a.send(frame(1))
    a.send(frame(2))
    e.qmp('query-status')
    assert b.silent()
    e.qmp('qom-set', path='/objects/f', property='status', value='off')
    # Those that came before it was off were held, the rest went through.
    assert [b.recv(), b.recv()] == [frame(1), frame(2)]
    e.end()
    ok('filter-buffer')


def test_bad():
    busy = socket.socket()
    busy.bind(('127.0.0.1', 0))
    busy.listen(1)
    port = busy.getsockname()[1]
    nd = '-netdev'
    for want, args in (
            ('exactly one of', [nd, 'socket,id=a']),
            ('exactly one of', [nd, 'socket,id=a,listen=:1,connect=:2']),
            ("doesn't contain ':'", [nd, 'socket,id=a,listen=x']),
            ('port number', [nd, 'socket,id=a,listen=:99999']),
            ('in use', [nd, f'socket,id=a,listen=127.0.0.1:{port}']),
            ('in use', [nd, f'user,id=a,hostfwd=tcp:127.0.0.1:{port}-:1']),
            ('not a multicast', [nd, 'socket,id=a,mcast=1.2.3.4:9']),
            ('localaddr=', [nd, 'socket,id=a,udp=127.0.0.1:9']),
            ('77', [nd, 'socket,id=a,fd=77']),
            ("'addr' is missing", [nd, 'stream,id=a']),
            ('reconnect', [nd, 'stream,id=a,server=on,reconnect=1,'
                           'addr.type=inet,addr.host=127.0.0.1,addr.port=0']),
            ('too long', [nd, 'stream,id=a,server=on,addr.type=unix,'
                          'addr.path=/' + 'x' * 200]),
            ('local=', [nd, 'dgram,id=a']),
            ('remote', [nd, 'dgram,id=a,local.type=unix,local.path=/x']),
            ("'hubid' is missing", [nd, 'hubport,id=a']),
            ('could not start', [nd, 'passt,id=a,path=/nonexistent/passt']),
            ("'vde' is not supported", [nd, 'vde,id=a']),
            ("'l2tpv3' is not supported", [nd, 'l2tpv3,id=a']),
            ('Duplicate ID', [nd, 'hubport,id=a,hubid=0',
                              nd, 'hubport,id=a,hubid=0']),
            ('nobody', ['-object', 'filter-dump,id=f,netdev=nobody,file=/x']),
            ('file', [nd, 'hubport,id=a,hubid=0',
                      '-object', 'filter-dump,id=f,netdev=a']),
            ('interval', [nd, 'hubport,id=a,hubid=0',
                          '-object', 'filter-buffer,id=f,netdev=a']),
            ('outdev', [nd, 'hubport,id=a,hubid=0',
                        '-object', 'filter-mirror,id=f,netdev=a']),
            ("'nochr'", [nd, 'hubport,id=a,hubid=0', '-object',
                         'filter-mirror,id=f,netdev=a,outdev=nochr']),
            ('status', [nd, 'hubport,id=a,hubid=0', '-object',
                        'filter-dump,id=f,netdev=a,file=/x,status=maybe']),
            ("find value 'nobody'", ['-M', 'pc', '-device',
                                     'rtl8139,netdev=nobody']),
            ("in use", ['-M', 'pc', nd, 'hubport,id=a,hubid=0', '-device',
                        'rtl8139,netdev=a', '-device', 'e1000,netdev=a']),
            ('mac', ['-M', 'pc', '-device', 'rtl8139,mac=52:54:00:xx:00:01']),
            ('not supported', ['-M', 'pc', '-nic', 'user,model=vmxnet3']),
            ('nosuchnic', ['-M', 'pc', '-nic', 'user,model=nosuchnic'])):
        p = subprocess.run([EMU, '-accel', 'tcg', '-M', 'none', '-nodefaults', '-display',
                            'none', *args], stderr=subprocess.PIPE, text=True,
                           timeout=60, stdin=subprocess.DEVNULL)
        lines = p.stderr.strip().split('\n')
        assert p.returncode == 1 and len(lines) == 1 and want in lines[0], \
            (want, args, p.returncode, lines)
    ok('bad input gets one line')


for t in (test_stream, test_slow_reader, test_dgram, test_netdev_add_del,
          test_reconnect, test_dump, test_mirror, test_redirector,
          test_buffer, test_bad):
    t()
print(f'1..{count}')
