#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-disas.py DISAS-ROWS [COUNT]

Every row of the opcode table, disassembled by us, by objdump and by Capstone.
Our text and objdump's are the same but for white space; prefixes that change
nothing (objdump names them, we do not) drop the sample, but each row has one
that is the same, or is in NO_SAMPLE.  That text goes through the assembler,
and what comes out is our row and text again.  Of Capstone's opinion the length
and the mnemonic are compared.
"""
import ctypes
import ctypes.util
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
# Rows without a text both agree on: undocumented (binutils calls them bad or
# by another processor's name), or binutils prints operands that are implied.
NO_SAMPLE = set('''
D6 : salc
D9 /3 r : fstp STi
DB !E0 : fneni
DB !E1 : fndisi
DB !E4 : fnsetpm
DC /2 r : fcom ST0,STi
DC /3 r : fcomp ST0,STi
DD /1 r : fxch STi
DE /2 r : fcomp ST0,STi
DF /1 r : fxch STi
DF /2 r : fstp STi
DF /3 r : fstp STi
NP 0F 01 !C8 : monitor
NP 0F 01 !C9 : mwait
0F 0D m : prefetchw Mn
0F 0D r : nop Ev
NP 0F AE /7 r : sfence
'''.strip().split('\n'))
# Sizes that binutils writes with suffixes its own reader does not take.
REFUSED = {'0F B7 : movzx Gv,Ew', '0F BF : movsx Gv,Ew', '0F C8+r : bswap Zv'}
seen_rows, same_rows = set(), set()
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
    samples, picked = [], {}
    for n, (hexa, form, text) in enumerate(lines):
        size, other = theirs.get(16 * n, (0, '?'))
        seen_rows.add(form)
        if size == len(hexa) // 2 and \
                plain(norm(other)) == norm(text):
            same += 1
            same_rows.add(form)
            # The assembler drops a displacement of 0, takes fsub for fsubr.
            if picked.get(form, 0) < 4 and \
                    not re.search(r'0x0\(|%st\(0\)|[re]iz', text):
                picked[form] = picked.get(form, 0) + 1
                samples.append((n, form, norm(text), norm(other)))
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
    return assembled(prog, bits, samples) & capstone(bits, lines) & (not bad)


def assembled(prog, bits, samples):
    """objdump's texts, assembled at their places: our rows and texts again."""
    with tempfile.TemporaryDirectory() as tmp:
        src, obj, flat = (os.path.join(tmp, n) for n in ('a.s', 'a.o', 'a.b'))
        keep = list(range(len(samples)))
        while True:
            with open(src, 'w') as f:
                f.write(f'.code{bits}\n')
                for k in keep:
                    n, _, _, text = samples[k]
                    if m := re.match(r'(j\w*|call|loop\w*) (0x\w+)$', text):
                        at = (int(m[2], 16) - 16 * n) % 2**int(bits)
                        at -= 2**int(bits) if at >> (int(bits) - 1) else 0
                        text = f'{m[1]} .{at:+d}'
                    f.write(f'.org {16 * n}, 0x90\n{text}\n')
            # Binutils' own reader refuses some of its own writer's texts.
            r = subprocess.run(['as', '--' + ('64' if bits == '64' else '32'),
                                src, '-o', obj], capture_output=True,
                               text=True)
            lost = {int(m) for m in re.findall(r'a\.s:(\d+): Error', r.stderr)}
            if not lost:
                break
            keep = [k for i, k in enumerate(keep) if 2 * i + 3 not in lost]
        subprocess.run(['ld', '-m', 'elf_x86_64' if bits == '64' else
                        'elf_i386', '-Ttext=0', '-e', '0', '--oformat',
                        'binary', obj, '-o', flat], check=True)
        with open(flat, 'rb') as f:
            blob = f.read()
    stdin, want = '', {}
    for k in keep:
        n, form, text, _ = samples[k]
        while stdin.count('\n') < n:
            stdin += '90\n'
        stdin += blob[16 * n:16 * n + 15].hex() + '\n'
        want[n] = form, text
    got = subprocess.run([prog, bits, '-'], input=stdin, text=True,
                         capture_output=True, check=True).stdout.splitlines()
    rows, back, wrong = {s[1] for s in samples}, set(), {}
    other = set()
    for n, (form, text) in want.items():
        _, f, t = got[n].split('\t')
        if f == form:    # (the assembler writes str %esp for str %rsp)
            back.add(form)
        elif norm(t) != text:
            wrong[form] = (text, f, norm(t))
        else:
            other.add(form)
    refused = rows - {form for form, _ in want.values()}
    print(f'# {bits}-bit: assembled {len(want)} samples of {len(rows)} rows: '
          f'{len(back)} rows come back, {len(other - back)} as another row of '
          f'the same text, {len(wrong)} differ, {len(refused)} refused')
    for form, w in wrong.items():
        print('#   ', form, *w, sep='  ')
    for form in refused:
        print('#    refused:', form)
    return not wrong and not refused - REFUSED


class CsInsn4(ctypes.Structure):
    _fields_ = [('id', ctypes.c_uint), ('address', ctypes.c_uint64),
                ('size', ctypes.c_uint16), ('bytes', ctypes.c_uint8 * 16),
                ('mnemonic', ctypes.c_char * 32), ('ops', ctypes.c_char * 160),
                ('detail', ctypes.c_void_p)]


def capstone(bits, lines):
    name = ctypes.util.find_library('capstone')
    lib = name and ctypes.CDLL(name)
    if not lib or lib.cs_version(None, None) >> 8 != 4:
        print('# no Capstone 4 (Debian package libcapstone4)')
        return True
    handle = ctypes.c_size_t()
    lib.cs_open(3, {'16': 2, '32': 4, '64': 8}[bits], ctypes.byref(handle))
    lib.cs_option(handle, 1, ctypes.c_size_t(2))    # AT&T
    lib.cs_disasm.restype = ctypes.c_size_t
    same, unknown, names, bad = 0, {}, 0, []
    for n, (hexa, form, text) in enumerate(lines):
        out = ctypes.POINTER(CsInsn4)()
        code = bytes.fromhex(hexa)
        got = lib.cs_disasm(handle, code, ctypes.c_size_t(len(code)),
                            ctypes.c_uint64(16 * n), ctypes.c_size_t(1),
                            ctypes.byref(out))
        if not got:
            unknown[form] = unknown.get(form, 0) + 1
            continue
        size, word = out[0].size, out[0].mnemonic.decode().split()[-1]
        lib.cs_free(out, ctypes.c_size_t(1))
        if size != len(code) and text.split()[0] not in ('ud0', 'ud1'):
            bad.append((form, hexa, text, word, size))
        elif word.rstrip('bwlq') == text.split()[0].rstrip('bwlq'):
            same += 1
        else:
            names += 1
    print(f'# {bits}-bit: Capstone: {same} the same, {names} of the same '
          f'length by another name, {sum(unknown.values())} of {len(unknown)} '
          f'rows unknown to it, {len(bad)} of another length')
    print('#   unknown:', ', '.join(sorted({f.split(' : ')[1].split()[0]
                                            for f in unknown})))
    for b in bad[:40]:
        print('#   ', *b, sep='  ')
    return not bad


def main():
    if not shutil.which('objdump'):
        print('1..0 # SKIP no objdump')
        return
    count = sys.argv[2] if len(sys.argv) > 2 else '20'
    print('1..4')
    for n, bits in enumerate(('64', '32', '16'), 1):
        print('%sok %d - %s-bit' % ('' if run(
            sys.argv[1], bits, '3' if bits == '16' else count)
                                    else 'not ', n, bits), flush=True)
    lost = seen_rows - same_rows - NO_SAMPLE
    for form in sorted(lost):
        print('#   no sample the same:', form)
    print('%sok 4 - a sample of each row' % ('not ' if lost else ''))


os.environ['LC_ALL'] = 'C'
main()
