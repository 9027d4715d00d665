#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock Linux under KVM, where this machine has a lab for it (a nested machine
with AMD's SVM): each kind of interrupt controller, vhost, stop and cont, a
round trip of the state under load, a reboot; GRUB from an IDE disk under the
seed documents' command lines.  All that with "all" as $2, else the first
guest."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import seeds

EMU = os.path.abspath(sys.argv[1])
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LAB = os.path.join(TOP, '..', 'shared', 'kvm-lab', 'kvm-lab.sh')
LIMIT = 800

SCRIPT = r'''
die() { echo "FAILED $name: $1"; cat /tmp/err; tail -n 30 /tmp/out; exit 1; }
# Polls the guest's console, which tells nobody when it says something.
await() {
    while [ "$(grep -c "$1" /tmp/out)" -lt "${2:-1}" ]; do
        kill -0 $pid 2>/dev/null || break
        busybox usleep 100000
    done
    [ "$(grep -c "$1" /tmp/out)" -ge "${2:-1}" ] || die "no '$1'"
}
say() { echo "{\"execute\":\"$1\"}" >&3; }
# start NAME KERNEL-LINE ARGUMENTS
start() {
    name=$1; line=$2; shift 2
    rm -f /tmp/q /tmp/out /tmp/err; mkfifo /tmp/q; : > /tmp/out
    $EMU -L /lab/pc-bios -L /usr/share/seabios -L /usr/share/qemu -m 128 \
        -nodefaults -display none -qmp stdio -serial file:/tmp/out \
        -kernel /lab/guest/vmlinuz -initrd /lab/guest/initrd.gz \
        -append "console=ttyS0 quiet panic=1 $line" "$@" \
        < /tmp/q > /tmp/err 2>&1 &
    pid=$!
    exec 3> /tmp/q
    say qmp_capabilities
}
finish() {
    await GUEST-DONE
    wait $pid || die "it ended with status $?"
    grep -q '"error"' /tmp/err && die "an error"
    exec 3>&-
    echo "OK $name"
}
net='lab.ip=10.99.0.2 lab.ping=10.99.0.1 lab.get=http://10.99.0.1/1m'
tap=tap,id=n,ifname=tap0,script=no,downscript=no
truncate -s 16M /lab/d.img

start 'irqchip=on, 2 CPUs, vhost, iothread' "$net lab.burn=20000" \
    -M pc -accel kvm -smp 2 -netdev $tap,vhost=on \
    -device virtio-net-pci,netdev=n -object iothread,id=io \
    -drive if=none,id=d,file=/lab/d.img,format=raw \
    -device virtio-blk-pci,drive=d,iothread=io
await INIT-OK.*'cpus 2'
grep -qh '^vhost' /proc/[0-9]*/comm && echo "OK the kernel has the queues"
say stop; say cont
await PING-OK
say x-vmstate-roundtrip
await '^1048576'
await GUEST-BURN
for i in 1 2 3; do say x-vmstate-roundtrip; done
finish
[ "$ALL" = 1 ] || exit 0

start 'irqchip=split, vhost off' "$net" \
    -M pc -accel kvm,kernel-irqchip=split -netdev $tap,vhost=off \
    -device virtio-net-pci,netdev=n
await PING-OK
await '^1048576'
finish

start 'irqchip=off' lab.burn=1000 -M pc -accel kvm,kernel-irqchip=off
finish

start 'reboot' lab.reboot=1 -M pc -accel kvm
await GUEST-INIT-OK 2
say quit
wait $pid || die "it ended with status $?"
echo "OK $name"
exec 3>&-

# seed NAME TAP-FD ARGUMENTS: a literal line, that is started stopped
seed() {
    name=$1; fd=$2; shift 2
    rm -f /tmp/q /tmp/out /tmp/err; mkfifo /tmp/q; : > /tmp/out
    $TAPEXEC tap0 $fd $EMU -L /lab/pc-bios -L /usr/share/seabios \
        -L /usr/share/qemu -qmp stdio -serial file:/tmp/out "$@" \
        < /tmp/q > /tmp/err 2>&1 22<> /dev/vhost-net &
    pid=$!
    exec 3> /tmp/q
    say qmp_capabilities
    say cont
    await GUEST-INIT-OK
    await GUEST-DONE
    say quit
    wait $pid || die "it ended with status $?"
    exec 3>&-
    echo "OK $name"
}
'''


def place(option, arg):
    """A seed's argument as the lab has it."""
    if option == '-drive' and 'media=cdrom' in arg:
        return re.sub('file=[^,]*', 'file=/lab/empty.iso', arg)
    if option == '-drive':
        # The lab's files are in RAM, which knows no O_DIRECT.
        arg = arg.replace(',cache=none', '')
        return re.sub('file=[^,]*', 'file=/lab/disk.qcow2', arg)
    if option == '-chardev':
        return re.sub('path=[^,]*/', 'path=/tmp/', arg)
    if option == '-vnc':
        return re.sub('^[^:]*:', '127.0.0.1:', arg)
    return arg


def seed_lines():
    """The seeds that need no SPICE, as commands of the lab's shell."""
    out = 'truncate -s 1M /lab/empty.iso\n'
    for name in '000', '004':
        words, fd = [], None
        for option, arg in seeds.options(f'{seeds.SEEDS}/{name}.args'):
            words += [option] if arg is None else [option, place(option, arg)]
            if option == '-netdev':
                fd = re.search(r'\bfd=(\d+)', arg).group(1)
        out += f'seed {name} {fd} {shlex.join(words)}\n'
    return out


def make_disk(tmp, cache):
    """A disk with GRUB, a kernel and the lab's guest."""
    boot = f'{tmp}/iso/boot'
    os.makedirs(boot + '/grub')
    for name in 'vmlinuz', 'guest-initrd.gz':
        shutil.copy(f'{cache}/{name}', boot)
    with open(boot + '/grub/grub.cfg', 'w', encoding='ascii') as f:
        f.write('linux /boot/vmlinuz console=ttyS0 quiet panic=1\n'
                'initrd /boot/guest-initrd.gz\nboot\n')
    subprocess.run(['grub-mkrescue', '-o', f'{tmp}/disk.raw', f'{tmp}/iso'],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    subprocess.run([os.path.dirname(EMU) + '/qemu-img', 'convert', '-O',
                    'qcow2', f'{tmp}/disk.raw', f'{tmp}/disk.qcow2'],
                   check=True)


def main():
    for need in ('qemu-system-x86_64', 'cpio', 'depmod'):
        if not shutil.which(need, path=os.environ['PATH'] + ':/usr/sbin:/sbin'):
            print('skipped: there is no', need)
            sys.exit(77)
    if not os.path.exists(LAB) or os.getuid():
        print('skipped: it needs root and the KVM lab beside the project')
        sys.exit(77)
    everything = sys.argv[2:] == ['all']
    want = 2
    build = os.path.dirname(EMU)
    tapexec = build + '/tests/kvm/tap-exec'
    args = ['-n', '-s', '2', '-t', str(LIMIT), '-b', EMU,
            '-f', build + '/pc-bios:/lab/pc-bios']
    script = f'EMU={EMU} TAPEXEC={tapexec} ALL={int(everything)}\n{SCRIPT}'
    tmp = tempfile.mkdtemp()
    if everything:
        want = 5
        cache = os.environ.get('KVM_LAB_CACHE',
                               os.path.expanduser('~/.cache/kvm-lab'))
        subprocess.run([LAB, '-c', cache, '-P'], check=True)
        if not shutil.which('grub-mkrescue') or not shutil.which('xorriso'):
            print('no grub-mkrescue or xorriso: no disk, no seeds')
        else:
            make_disk(tmp, cache)
            script += seed_lines()
            args += ['-b', tapexec, '-f', f'{tmp}/disk.qcow2:/lab/disk.qcow2',
                     '-m', '2600', '-c', cache]
            want += 2
    p = subprocess.run([LAB, *args, '-x', script], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True,
                       stdin=subprocess.DEVNULL, check=False)
    shutil.rmtree(tmp)
    print(p.stdout)
    done = sum(line.startswith('OK ') for line in p.stdout.splitlines())
    assert p.returncode == 0 and done == want, \
        f'status {p.returncode}, {done} of {want}'


main()
