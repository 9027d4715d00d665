# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario of the libvirt rig: virt-install brings guests up.

GUEST_DISK names a disk whose system asks for a login on the text screen.
"""
import glob
import os
import subprocess
import time

from rig import check, must

NETBOOT = glob.glob('/usr/lib/debian-installer/images/12/amd64/text/'
                    'debian-installer/amd64')


def install(r, name, *args):
    p = subprocess.run(
        ['virt-install', '--connect', r.d.uri, '--name', name, '--machine',
         'pc', '--virt-type', r.vtype, '--memory', '1024', '--vcpus', '1',
         '--network', 'none', '--graphics', 'vnc', '--noautoconsole', *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120 * r.slow, check=False)
    must(p.returncode == 0, p.stdout)


def screen(r, name):
    path = r.path('text')
    r.qmp(name, 'pmemsave', val=0xb8000, size=4000, filename=path)
    with open(path, 'rb') as f:
        return f.read()[::2].decode('latin-1')


def await_text(r, name, get, want, seconds):
    end = time.monotonic() + seconds * r.slow
    while want not in (seen := get()):
        must(time.monotonic() < end, f'no {want!r}: ' + seen[-1500:])
        must(r.state(name) == 'running', 'it runs no more')
        time.sleep(0.5)


def import_disk(r, osinfo):
    name, disk = 'vi-' + osinfo, os.path.abspath(os.environ['GUEST_DISK'])
    kind = 'raw' if disk.endswith('.raw') else 'qcow2'
    try:
        install(r, name, '--osinfo', osinfo, '--import', '--disk',
                r.image(name + '.qcow2', '4G', 'qcow2', '-F', kind, '-b', disk))
        await_text(r, name, lambda: screen(r, name), 'login:', 150)
    finally:
        r.drop(name)


for osinfo in 'generic', 'win7', 'debian11':
    check('virt-install-' + osinfo, 'an imported disk comes to its login')(
        lambda r, osinfo=osinfo: import_disk(r, osinfo))


@check('virt-install-installer', "Debian's installer comes to its first screen")
def installer(r):
    must(NETBOOT, 'the package debian-installer-12-netboot-amd64 is missing')
    name, log = 'vi-installer', r.path('installer.log')

    def serial():
        with open(log, encoding='latin-1') as f:
            return f.read()
    try:
        install(r, name, '--osinfo', 'debian11', '--disk',
                r.image('installer.qcow2', '4G'), '--serial', 'file,path=' + log,
                '--install', f'kernel={NETBOOT[0]}/linux,initrd={NETBOOT[0]}/'
                'initrd.gz,kernel_args=console=ttyS0')
        await_text(r, name, serial, 'Select a language', 150)
    finally:
        r.drop(name)
