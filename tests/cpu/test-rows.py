#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No row of opcodes.def without a test: test-rows.py HOSTCMP HOSTCMP-INT.

Each of the two programs lists the rows it does not run against the host; what
both leave out is in NAMED, with the tests that do run it.
"""
import subprocess
import sys

NAMED = {
    'cpu-modes': 'les lds lss lfs lgs retf callf jmpf lar lsl verr verw push '
                 'pop mov iret',
    'kvm-unit-tests umip': 'sldt str sgdt sidt smsw',
    'kvm-unit-tests syscall, tests/e2e/boot.py': 'syscall sysenter int',
    'kvm-unit-tests tsc, msr': 'rdtsc rdtscp rdpmc rdpid',
    'kvm-unit-tests xsave': 'xsetbv xsaves xrstors',
    'tests/e2e/test-cpu-models.py, boots': 'cpuid rdfsbase rdgsbase wrfsbase '
                                           'wrgsbase',
    'tests/long/stress': 'rdrand rdseed',
}


def left_out(prog):
    return subprocess.run([prog, '-l'], capture_output=True, text=True,
                          check=True).stdout.splitlines()


rest = set(left_out(sys.argv[1])) & set(left_out(sys.argv[2]))
names = {n: test for test, words in NAMED.items() for n in words.split()}
bad = 0
for form in sorted(rest):
    name = form.split(' : ')[1].split()[0]
    print('#', form, '-', names.get(name, 'NO TEST'))
    bad += name not in names
print('# %d rows are not compared with the host' % len(rest))
print('1..1\n%sok 1 - %d rows without a test' % ('not ' if bad else '', bad))
