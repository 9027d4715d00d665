# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest of one kernel and one initramfs, with a shell to talk to.

build(DIR) makes both from Debian's packages, once; Guest boots it and runs
commands by its serial console.  The kernel is Debian's own, with its drivers
of network cards and of virtio as modules.
"""
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../e2e'))
import session  # noqa: E402

PACKAGES = ('busybox-static ethtool libmnl0 qemu-guest-agent libglib2.0-0 '
            'libudev1 liburing2 libnuma1 libpcre2-8-0 libc6').split()
PROGRAMS = ('usr/sbin/ethtool', 'sbin/ethtool', 'usr/sbin/qemu-ga')
MODULES = ('e1000 8139cp 8139too ne2k-pci pcnet32 virtio_pci virtio_net '
           'virtio_blk virtio_scsi sd_mod sr_mod virtio_console '
           'virtio_balloon virtio-rng virtio_input evdev ext4 '
           'crc32c_generic crct10dif_generic crc64_rocksoft_generic af_packet pktgen').split()
INIT = '''#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /run /var/run /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts pts /dev/pts
export PATH=/bin PS1=
echo 0 > /proc/sys/kernel/printk
for p in $(cat /proc/cmdline); do
    case $p in
    mods=*) for m in $(echo ${p#mods=} | tr , ' '); do modprobe $m; done ;;
    esac
done
exec 2>&1
stty -echo -onlcr
echo GUEST-READY
# Not process 1 itself: orphans' ends would end its input.
sh
reboot -f
'''
DHCP = '''#!/bin/sh
case $1 in
bound|renew)
    ip addr flush dev $interface scope global
    ip addr add $ip/$mask dev $interface
    ip route replace default via $router
    echo "nameserver $dns" > /etc/resolv.conf ;;
esac
'''


def run(*args, **kw):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, **kw)


def kernel_package():
    text = subprocess.run(['apt-cache', 'depends', 'linux-image-amd64'],
                          capture_output=True, text=True).stdout
    m = re.search(r'Depends: (linux-image-\S+)', text)
    return m and m.group(1)


def needed_libs(path, root):
    """The program's libraries, by ldd's names, found below @root."""
    out = subprocess.run(['objdump', '-p', path], capture_output=True,
                         text=True).stdout
    for name in re.findall(r'NEEDED\s+(\S+)', out):
        for d in ('lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu',
                  'lib64'):
            lib = os.path.join(root, d, name)
            if os.path.exists(lib):
                yield lib
                break


def add_modules(root, init):
    top = glob.glob(root + '/lib/modules/*')[0]
    version = os.path.basename(top)
    dest = f'{init}/lib/modules/{version}'
    files = {os.path.basename(f)[:-3].replace('-', '_'): f
             for f in glob.glob(top + '/kernel/**/*.ko', recursive=True)}
    want, seen = [m.replace('-', '_') for m in MODULES], set()
    while want:
        m = want.pop()
        if m in seen or m not in files:
            continue
        seen.add(m)
        out = subprocess.run(['objcopy', '-O', 'binary', '-j', '.modinfo',
                              files[m], '/dev/stdout'],
                             capture_output=True).stdout
        for item in out.split(b'\0'):
            if item.startswith(b'depends='):
                want += [d.replace('-', '_')
                         for d in item[8:].decode().split(',') if d]
        to = dest + files[m][len(top):]
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(files[m], to)
    for f in ('modules.builtin', 'modules.order'):
        shutil.copy(f'{top}/{f}', dest)
    run('busybox', 'depmod', '-b', init, version)
    return version


def build(where):
    """(kernel, initrd) below @where; None and why without them."""
    kernel, initrd = where + '/vmlinuz', where + '/initrd'
    if os.path.exists(kernel) and os.path.exists(initrd):
        return kernel, initrd
    for tool in ('apt-get', 'dpkg-deb', 'busybox', 'cpio', 'gcc', 'objdump'):
        if not shutil.which(tool):
            return None, f'no {tool}'
    image = kernel_package()
    if not image:
        return None, 'no package lists'
    root, init = where + '/root', where + '/init'
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where + '/deb')
    if subprocess.run(['apt-get', 'download', image, *PACKAGES],
                      cwd=where + '/deb', stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        return None, 'packages cannot be had'
    for deb in glob.glob(where + '/deb/*.deb'):
        run('dpkg-deb', '-x', deb, root)
    for d in ('bin', 'lib64', 'etc/udhcpc',
              'lib/x86_64-linux-gnu'):
        os.makedirs(f'{init}/{d}')
    shutil.copy(glob.glob(root + '/bin/busybox')[0], init + '/bin/busybox')
    queue = [f'{root}/{p}' for p in PROGRAMS if os.path.exists(f'{root}/{p}')]
    for p in queue:
        shutil.copy(p, init + '/bin/')
    seen = set()
    while queue:
        for lib in needed_libs(queue.pop(), root):
            if lib not in seen:
                seen.add(lib)
                queue.append(lib)
                shutil.copy(lib, init + '/lib/x86_64-linux-gnu/')
    shutil.copy(glob.glob(root + '/lib/x86_64-linux-gnu/ld-linux-x86-64*')[0],
                init + '/lib64/ld-linux-x86-64.so.2')
    run('gcc', '-O2', '-static', '-o', init + '/bin/nettool',
        HERE + '/nettool.c')
    for name, text in (('init', INIT), ('etc/udhcpc/default.script',
                                        DHCP)):
        with open(f'{init}/{name}', 'w') as f:
            f.write(text)
        os.chmod(f'{init}/{name}', 0o755)
    add_modules(root, init)
    with open(initrd + '.new', 'wb') as f:
        find = subprocess.run(['find', '.'], cwd=init, capture_output=True)
        subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], cwd=init,
                       input=find.stdout, stdout=f, check=True)
    shutil.copy(glob.glob(root + '/boot/vmlinuz-*')[0], kernel)
    os.rename(initrd + '.new', initrd)
    shutil.rmtree(root)
    shutil.rmtree(where + '/deb')
    return kernel, initrd


class Guest:
    """with Guest(emulator, image, '-device', ...) as g: g.run('ls')"""

    def __init__(self, emu, image, *args, mods='', memory=512, timeout=180,
                 accel='tcg', pass_fds=(), append=''):
        ours, theirs = socket.socketpair()
        self.timeout = timeout
        self.con = ours
        self.buf = b''
        kernel = [] if image is None else [
            '-kernel', image[0], '-initrd', image[1], '-append',
            f'console=ttyS0 quiet panic=-1 no_timer_check mods={mods} {append}']
        self.s = session.Session(
            emu, '-accel', accel, '-M', 'pc', '-m', str(memory),
            '-nodefaults', '-display', 'none', '-vga', 'none', '-no-reboot',
            '-chardev', f'socket,id=con,fd={theirs.fileno()}', '-serial',
            'chardev:con', *kernel, *args, timeout=timeout,
            pass_fds=(theirs.fileno(), *pass_fds))
        theirs.close()
        self.pid = self.s.proc.pid
        try:
            self.wait('GUEST-READY\r?\n')
            self.run('true')  # past the shell's greeting
        except BaseException:
            self.s.proc.kill()
            raise

    def wait(self, pattern, timeout=None):
        """Reads the console until @pattern; what came before it."""
        self.con.settimeout(timeout or self.timeout)
        pat = re.compile(pattern.encode())
        while True:
            m = pat.search(self.buf)
            if m:
                before, self.match = self.buf[:m.start()], m
                self.buf = self.buf[m.end():]
                return before.decode(errors='replace')
            try:
                part = self.con.recv(65536)
            except TimeoutError:
                raise AssertionError('no %r within %d s: %r' % (
                    pattern, timeout or self.timeout, self.buf[-3000:]))
            if not part:
                raise AssertionError('the guest has gone: %r %s' % (
                    self.buf[-2000:], self.s.said()))
            self.buf += part

    def try_run(self, cmd, timeout=None):
        """(status, output)"""
        self.con.sendall((cmd + '; echo "@RC=$?@"\n').encode())
        out = self.wait(r'@RC=(\d+)@\r?\n', timeout)
        return int(self.match.group(1)), out.replace('\r', '').strip()

    def run(self, cmd, timeout=None):
        status, out = self.try_run(cmd, timeout)
        assert status == 0, '%s: status %d\n%s' % (cmd, status, out[-2000:])
        return out

    def cpu(self):
        """CPU seconds of the emulator so far."""
        with open(f'/proc/{self.pid}/stat') as f:
            f = f.read().rsplit(')', 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf('SC_CLK_TCK')

    def rss(self):
        with open(f'/proc/{self.pid}/status') as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) * 1024

    def cmd(self, name, /, **args):
        return self.s.cmd(name, **args)

    def close(self):
        self.con.close()
        status = self.s.close()
        said = self.s.said()
        assert status == 0, 'exit status %d: %s' % (status, said)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.s.proc.kill()
            self.s.proc.wait()
            self.con.close()
        else:
            self.close()


class Background(threading.Thread):
    """Runs fn() aside; result() waits for it and hands on what it raised."""

    def __init__(self, fn, *args):
        super().__init__(daemon=True)
        self.fn, self.args, self.value, self.error = fn, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.fn(*self.args)
        except BaseException as e:  # noqa: B902
            self.error = e

    def result(self, timeout=600):
        self.join(timeout)
        assert not self.is_alive(), 'still running'
        if self.error:
            raise self.error
        return self.value
