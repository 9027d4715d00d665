#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes simd-thunks.S: for each vector row of opcodes.def the register form
with fixed registers (simd-call.S), 256 of them where there is an imm8, and
the table by which simd.c finds them; and all x87 instructions."""
import re
import sys

VECTOR = set('VHLWUPQN')
# No rounding, no exceptions: they need not run under the guest's MXCSR.
INTEGER = re.compile(r'v?(p|mov|and|or|xor|unpck|shuf|blend|insert|extract|'
                     r'broadcast|perm|aes|sha|lddqu|gf2p8|test|zero)')
PP = {'NP': 0, '66': 1, 'F3': 2, 'F2': 3, '0': 0, '00': 0, 'N': 0}
MAPS = {'0F': 1, '0F38': 2, '0F3A': 3}
HEX = re.compile(r'[0-9A-F]{2}$')


class Row:
    """One row as far as the encoding goes; .ok says that it has thunks."""

    def __init__(self, enc, text, attrs):
        mnem, _, ops = text.partition(' ')
        self.form = ' '.join((enc + ' ' + text).split())
        self.mnem = mnem
        self.ops = [o for o in ops.strip().split(',') if o]
        self.attrs = attrs
        toks = enc.split()
        self.vex = toks[0].startswith('VEX.')
        self.ls, self.ws = [0], [0]
        wide = any(o[1:] in ('y', 'v') and o[0] in 'EGR' for o in self.ops) \
            or mnem.startswith(('pcmpe', 'vpcmpe'))
        if self.vex:
            _, l, pp, mp, w = toks.pop(0).split('.')
            self.pfx, self.map = PP[pp], MAPS[mp]
            self.ls = {'0': [0], '1': [1], 'x': [0, 1], 'i': [0]}[l]
            self.ws = {'0': [0], '1': [1], 'i': [0, 1] if wide else [0]}[w]
        else:
            self.pfx = 0
            if toks[0] in ('NP', '66', 'F2', 'F3') and len(toks) > 1 and \
                    toks[1] == '0F':
                self.pfx = PP[toks.pop(0)]
            self.map = 0
            if toks[0] == '0F':
                toks.pop(0)
                self.map = 1
                if toks[0] in ('38', '3A') and len(toks) > 1 and \
                        HEX.match(toks[1]):
                    self.map = MAPS['0F' + toks.pop(0)]
            if wide:
                self.ws = [0, 1]
        self.opcode = int(toks.pop(0)[:2], 16)
        self.ext = None
        self.mem_only = False
        for t in toks:
            if re.match(r'/[0-7]$', t):
                self.ext = int(t[1])
            elif t == 'm':
                self.mem_only = True
            elif t.startswith('!'):
                self.mem_only = True
        if re.match(r'v?p(extr|insr)[bw]$', mnem):
            # The memory forms of these run as the register ones.
            self.mem_only = False
            self.ops = ['E' + o[1:] if o[0] == 'M' else o for o in self.ops]
        kinds = [o[0] for o in self.ops if not re.match(r'[A-Z]{2}', o)]
        self.ok = (self.map > 0 and not self.mem_only and 'M' not in kinds
                   and bool(VECTOR & set(kinds))
                   and not mnem.startswith(('maskmov', 'vmaskmov')))
        self.mmx = bool(set('PQN') & set(kinds))
        self.imm = any(o in ('Ib', 'Ibs') for o in self.ops)
        self.is4 = 'L' in kinds
        self.vvvv = 2
        self.roles, self.rm = [], 'x'
        for o in self.ops:
            k = o[0]
            if re.match(r'[A-Z]{2}', o):
                self.roles.append('X0' if o == 'XMM0' else 'NONE')
            elif k in 'VPG':
                self.roles.append('REG')
            elif k == 'H':
                # The shifts by an immediate have their destination there.
                first = not self.roles and self.ext is not None
                self.vvvv = 1 if first else 2
                self.roles.append('REG' if first else 'VVVV')
            elif k == 'L':
                self.roles.append('IS4')
            elif k == 'I':
                self.roles.append('IMM')
            elif k in 'WUQNER':
                self.roles.append('RM')
                self.rm = 'm' if k in 'QN' else 'g' if k in 'ER' else 'x'
            else:
                self.roles.append('NONE')

    def code(self, w, l, imm):
        modrm = 0xc0 | (1 if self.ext is None else self.ext) << 3 | 3
        if self.vex:
            vvvv = self.vvvv if 'VVVV' in self.roles or self.vvvv == 1 else 0
            out = [0xc4, 0xe0 | self.map,
                   w << 7 | (~vvvv & 15) << 3 | l << 2 | self.pfx]
        else:
            out = [[], [0x66], [0xf3], [0xf2]][self.pfx] + \
                ([0x48] if w else []) + [0x0f] + \
                [[], [], [0x38], [0x3a]][self.map]
        out += [self.opcode, modrm]
        if self.is4:
            out.append(0x40)
        elif self.imm:
            out.append(imm)
        return out + [0xc3]


def rows(path):
    for line in open(path):
        line = line.split('#')[0].strip()
        if not line:
            continue
        enc, _, rest = line.partition(' : ')
        text, _, attrs = rest.partition(';')
        yield Row(enc.strip(), text.strip(), attrs.split())


def byte_lines(data):
    return '\t.byte ' + ','.join('%d' % b for b in data) + '\n'


def main():
    src, dst = sys.argv[1:]
    out = ['/* Generated by gen-simd-thunks.py from opcodes.def. */\n'
           '\t.text\n\t.globl simd_thunks, simd_thunks_end\n'
           '\t.hidden simd_thunks, simd_thunks_end\n'
           '\t.globl x87_mem_thunks, x87_reg_thunks\n'
           '\t.hidden x87_mem_thunks, x87_reg_thunks\n'
           'simd_thunks:\n']
    table, text = [], []
    for n, r in enumerate(r for r in rows(src) if r.ok):
        # REX.W would make no difference to the others.
        ptr = {}
        stride = 0
        for w in r.ws:
            for l in r.ls:
                if r.is4 or not r.imm:
                    code = [r.code(w, l, 0)]
                else:
                    # One stride for all: without REX.W it is a byte less.
                    stride = len(r.code(max(r.ws), l, 0))
                    code = [(r.code(w, l, i) + [0xcc])[:stride]
                            for i in range(256)]
                ptr[w, l] = 't%d_%d%d' % (n, w, l)
                out.append(ptr[w, l] + ':\n')
                out += [byte_lines(c) for c in code]
        text.append('s%d:\t.asciz "%s"\n' % (n, r.form))
        roles = ['NONE', 'REG', 'VVVV', 'RM', 'IS4', 'X0', 'IMM']
        role = [roles.index(x) for x in r.roles[:4]]
        role += [0] * (4 - len(role))
        kind = 'm' if r.mmx else 'i' if INTEGER.match(r.mnem) else 'f'
        table.append('\t.quad s%d\n\t.byte %s,%d,%d\n\t.short %d\n' % (
            n, ','.join(map(str, role)), ord(r.rm), ord(kind), stride))
        table.append('\t.quad %s\n' % ','.join(
            ptr.get((w, l), '0') for w in (0, 1) for l in (0, 1)))
    out.append('x87_mem_thunks:\n')
    for op in range(8):
        for reg in range(8):
            out.append(byte_lines([0xd8 + op, reg << 3 | 6, 0xc3, 0xcc]))
    out.append('x87_reg_thunks:\n')
    for op in range(8):
        for modrm in range(0xc0, 0x100):
            out.append(byte_lines([0xd8 + op, modrm, 0xc3, 0xcc]))
    out.append('simd_thunks_end:\n\t.section .rodata\n')
    out += text
    out.append('\t.section .data.rel.ro,"aw",@progbits\n\t.balign 8\n'
               '\t.globl simd_forms, simd_form_count\n'
               '\t.hidden simd_forms, simd_form_count\nsimd_forms:\n')
    out += table
    out.append('simd_form_count:\n\t.long %d\n'
               '\t.section .note.GNU-stack,"",@progbits\n' % (len(table) // 2))
    with open(dst, 'w') as f:
        f.write(''.join(out))


main()
