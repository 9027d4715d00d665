# SPDX-License-Identifier: GPL-2.0-or-later
"""A small Linux with a shell on the serial line, and QMP beside it.

The kernel is Debian's cloud kernel and the root the host's busybox with what
the test asks for besides (programs of the host with their libraries, modules).
BOOT_KERNEL and BOOT_MODULES name other places than build/guest.
"""
import gzip
import os
import re
import shutil
import socket
import subprocess
import tempfile

from session import Session

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
KERNEL = os.environ.get('BOOT_KERNEL', TOP + '/build/guest/vmlinuz')
MODULES = os.environ.get('BOOT_MODULES', TOP + '/build/guest/modules')
QEMU = shutil.which('qemu-system-x86_64', path='/usr/bin')

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin PS1=
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in $(cat /modules/order); do insmod /modules/$m.ko; done
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
stty -echo
echo "@@ready 0@@"
exec setsid cttyhack sh
"""


def absent():
    """Why no guest can be had here, or None."""
    if not os.path.exists(KERNEL):
        return 'no kernel (scripts/test fetches one)'
    if not shutil.which('busybox'):
        return 'no busybox (Debian package busybox-static)'
    return None


def _newc(f, name, mode, data=b''):
    """One entry of a cpio archive."""
    _newc.inode = getattr(_newc, 'inode', 0) + 1
    field = [_newc.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
             len(name) + 1, 0]
    f.write(b'070701' + b''.join(b'%08X' % v for v in field) +
            name.encode() + b'\0')
    f.write(b'\0' * (-(110 + len(name) + 1) % 4))
    f.write(data + b'\0' * (-len(data) % 4))


def _libraries(program):
    text = subprocess.run(['ldd', program], text=True, check=False,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout
    return re.findall(r'(/\S+) \(0x', text)


def initrd(path, programs=(), modules=(), files=None):
    """Writes one; @files maps names in the guest to names here."""
    content = {'/bin/busybox': shutil.which('busybox')}
    for p in [content['/bin/busybox'], *programs]:
        content.setdefault(p, p)
        content.update((lib, lib) for lib in _libraries(p))
    have = []
    for m in modules:
        where = os.path.join(MODULES, m + '.ko')
        if os.path.exists(where):
            content['/modules/%s.ko' % m] = where
            have.append(m)
    content.update(files or {})
    folders = {'/proc', '/sys', '/dev', '/modules', '/tmp', '/sbin',
               '/usr/bin', '/usr/sbin'}
    for name in list(content) + list(folders):
        while (name := os.path.dirname(name)) not in ('/', ''):
            folders.add(name)
    with gzip.open(path, 'wb', 1) as f:
        for name in sorted(folders):
            _newc(f, name[1:], 0o40755)
        for name, source in content.items():
            with open(source, 'rb') as src:
                _newc(f, name[1:], 0o100755, src.read())
        _newc(f, 'modules/order', 0o100644, '\n'.join(have).encode())
        _newc(f, 'init', 0o100755, INIT.encode())
        _newc(f, 'TRAILER!!!', 0)
    return have


class Guest(Session):
    """with Guest(binary, initrd, *args) as g: g.run('uname -r')"""

    def __init__(self, binary, ramdisk, *args, append='', timeout=180):
        ours, theirs = socket.socketpair()
        self.serial = ours
        self.text = ''
        try:
            super().__init__(
                binary, '-M', 'pc', '-accel', 'tcg', '-nodefaults',
                '-display', 'none', '-kernel', KERNEL, '-initrd', ramdisk,
                '-append', 'console=ttyS0 quiet no_timer_check ' + append,
                '-chardev', 'socket,id=tty,fd=%d' % theirs.fileno(),
                '-serial', 'chardev:tty', *args, timeout=timeout,
                pass_fds=[theirs.fileno()])
        finally:
            theirs.close()
        ours.settimeout(timeout)

    def wait_serial(self, pattern):
        """What came before @pattern, and its match; both are taken."""
        while not (m := re.search(pattern, self.text)):
            data = self.serial.recv(65536)
            if not data:
                raise EOFError('serial line closed: ' + self.text[-2000:])
            self.text += data.decode('latin-1').replace('\r', '')
        before, self.text = self.text[:m.start()], self.text[m.end():]
        return before, m

    def wait_shell(self):
        self.wait_serial('@@ready 0@@')
        self.run('true')  # its greeting goes

    def send(self, line):
        self.serial.sendall(line.encode() + b'\n')

    def run(self, command, check=True):
        """Its output; a status other than 0 is an error."""
        self.send(command + '; echo "@@""done $?@@"')
        text, m = self.wait_serial(r'@@done (\d+)@@')
        if check and m.group(1) != '0':
            raise AssertionError('%s: status %s\n%s' % (command, m.group(1),
                                                        text))
        return text.replace('\x1b[6n', '').strip()

    def close(self):
        self.serial.close()
        return super().close()


def scratch():
    return tempfile.TemporaryDirectory(prefix='linuxguest-')
