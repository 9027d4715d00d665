#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-disas.py DISAS-ROWS [COUNT]

Every row of the opcode table, disassembled by us and by objdump.  The texts
must be the same but for white space and the names in ALIAS.  Prefixes that
change nothing (objdump names them, we do not) drop the sample.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

NOISE = re.compile(r'\b(data16|data32|addr16|addr32|rex(\.[WRXB]+)?|cs|ds|es|ss|'
                   r'repz|repnz|xacquire|xrelease|bnd|notrack)\s')
CMP = ('eq lt le unord neq nlt nle ord eq_uq nge ngt false neq_oq ge gt true '
       'eq_os lt_oq le_oq unord_s neq_us nlt_uq nle_uq ord_s eq_us nge_uq '
       'ngt_uq false_os neq_os ge_oq gt_oq true_us').split()
PCLMUL = {'lqlq': 0, 'hqlq': 1, 'lqhq': 16, 'hqhq': 17}
# Where objdump has another opinion or knows another extension.
KNOWN = re.compile(r'\(bad\)|^(bnd|prefetch|cldemote|xchg %e?ax,%e?ax|fneni|fndisi'
                   r'|fnsetpm|data16)|only\)|^v?(movmsk|pmovmskb|pextrw)|'
                   r'^v?pcmpestr.q|^(monitor|mwait) |^vmovs[sd] .*ymm|^v?pclmulhqhq|^rex')
MACHINE = {'64': 'i386:x86-64', '32': 'i386', '16': 'i8086'}


def norm(text):
    text = text.split('#')[0].split('<')[0].strip()
    return re.sub(r'\s+', ' ', text)


def plain(text):
    """Without the short names of compare predicates and carry-less forms."""
    m = re.match(r'(v?cmp)([a-z_]+?)(ps|pd|ss|sd) (.*)', text)
    if m and m[2] in CMP:
        return '%s%s $0x%x,%s' % (m[1], m[3], CMP.index(m[2]), m[4])
    m = re.match(r'(v?pclmul)([lh]q)([lh]q)dq (.*)', text)
    if m and m[2] + m[3] in PCLMUL:
        return '%sqdq $0x%x,%s' % (m[1], PCLMUL[m[2] + m[3]], m[4])
    return text


def run(prog, bits, count):
    lines = [l.split('\t') for l in subprocess.run(
        [prog, bits, count], capture_output=True, text=True,
        check=True).stdout.splitlines()]
    blob = b''.join(bytes.fromhex(l[0]).ljust(16, b'\x90') for l in lines)
    with tempfile.NamedTemporaryFile() as f:
        f.write(blob)
        f.flush()
        dump = subprocess.run(
            ['objdump', '-D', '-w', '-b', 'binary', '-m', MACHINE[bits],
             f.name], capture_output=True, text=True, check=True).stdout
    theirs = {}
    for line in dump.splitlines():
        m = re.match(r'\s*([0-9a-f]+):\t([0-9a-f ]+)\t(.*)', line)
        if m:
            theirs[int(m[1], 16)] = (len(m[2].split()), m[3])
    same, noisy, known, bad = 0, 0, 0, {}
    for n, (hexa, form, text) in enumerate(lines):
        size, other = theirs.get(16 * n, (0, '?'))
        if size == len(hexa) // 2 and \
                plain(norm(other)) == norm(text):
            same += 1
        elif KNOWN.search(norm(other)):
            known += 1
        elif size and NOISE.search(other) and not NOISE.search(text):
            noisy += 1
        else:
            bad.setdefault(form, []).append((hexa, norm(text), norm(other),
                                             size))
    rows = len({l[1] for l in lines})
    print('# %s-bit: %d rows, %d samples, %d the same, %d with idle '
          'prefixes, %d known to differ, %d rows differ' %
          (bits, rows, len(lines), same, noisy, known, len(bad)))
    for form, v in sorted(bad.items()):
        print('#  [%s] x%d: %s  ours: %s  objdump(%d): %s' %
              (form, len(v), v[0][0], v[0][1], v[0][3], v[0][2]))
    return not bad


def main():
    if not shutil.which('objdump'):
        print('1..0 # SKIP no objdump')
        return
    count = sys.argv[2] if len(sys.argv) > 2 else '20'
    print('1..3')
    for n, bits in enumerate(('64', '32', '16'), 1):
        print('%sok %d - %s-bit' % ('' if run(
            sys.argv[1], bits, '3' if bits == '16' else count)
                                    else 'not ', n, bits), flush=True)


os.environ['LC_ALL'] = 'C'
main()
