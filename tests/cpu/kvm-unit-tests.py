#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The public kvm-unit-tests on the software CPU: kvm-unit-tests.py EMU [DIR].

DIR (or $KVM_UNIT_TESTS) is a built checkout, x86_64 or i386.  Its
x86/unittests.cfg says which programs there are and how they run; those about
nested virtualization, paravirtual features and KVM itself are left out.
Exit status 1 when one of MUST does not pass.
"""
import os
import re
import shlex
import subprocess
import sys

LEFT_OUT = re.compile(r'vmx|svm|hyperv|nested|sev|pmu|pvclock|asyncpf|'
                      r'kvmclock|la57|cet|vmware|xen|hypercall|vmcall|'
                      r'intel_iommu|^ept|^x2apic$|^xapic$|fep')
MUST = {
    'ioapic', 'smptest', 'smptest3', 'access', 'smap', 'emulator', 'eventinj',
    'idt_test', 'memory', 'msr', 'msr64', 'realmode', 'setjmp', 'syscall',
    'tsc', 'tsc_adjust', 'xsave', 'rmap_chain', 'pcid-enabled',
    'pcid-disabled', 'umip', 'debug', 'taskswitch', 'taskswitch2',
    'cmpxchg8b', 's3', 'vmexit_ipi', 'vmexit_tscdeadline',
}


def tests_of(path):
    test = None
    with open(path) as f:
        for line in f:
            if m := re.match(r'\[(.*)\]', line):
                if test:
                    yield test
                test = {'name': m[1], 'smp': '1'}
            elif (m := re.match(r'(\w+)\s*=\s*(.*)', line)) and test:
                test[m[1]] = m[2]
    if test:
        yield test


def run(emu, top, test):
    params = test.get('qemu_params', test.get('extra_params', ''))
    words = shlex.split(params)
    while '-machine' in words:
        at = words.index('-machine')
        del words[at:at + 2]
    if '-cpu' not in words:
        words += ['-cpu', 'max']
    smp = re.sub(r'\$.*', '4', test['smp'])
    args = [emu, '-accel', 'tcg', '-M', 'pc', '-nodefaults', '-display',
            'none', '-serial', 'stdio', '-device', 'pc-testdev', '-device',
            'pci-testdev', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4',
            '-smp', smp, '-kernel', os.path.join(top, 'x86', test['file']),
            *words]
    if 'test_args' in test:
        args += ['-append', test['test_args'].strip('\'"')]
    try:
        p = subprocess.run(args, stdout=subprocess.PIPE, timeout=120,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as e:
        return 'TIMEOUT', (e.stdout or b'').decode('latin-1')
    return ({1: 'PASS', 3: 'FAIL', 155: 'SKIP', 77: 'SKIP'}.get(
        p.returncode, f'exit {p.returncode}'), p.stdout.decode('latin-1'))


def main():
    top = (sys.argv[2] if len(sys.argv) > 2
           else os.environ.get('KVM_UNIT_TESTS', ''))
    cfg = os.path.join(top, 'x86', 'unittests.cfg')
    if not top or not os.path.exists(cfg):
        print('kvm-unit-tests: SKIP, no checkout (KVM_UNIT_TESTS=DIR)')
        return 0
    bad = 0
    for test in tests_of(cfg):
        name = test['name']
        if LEFT_OUT.search(name) or not os.path.exists(
                os.path.join(top, 'x86', test.get('file', ''))):
            continue
        result, text = run(sys.argv[1], top, test)
        print(f'{result:8} {name}', flush=True)
        for line in re.findall(r'FAIL: .*', text)[:5]:
            print('        ', line.strip())
        bad += name in MUST and result != 'PASS'
    return bad != 0


sys.exit(main())
