#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""opcodes.def -> opcodes.h and opcodes-table.c.

usage: gen-opcodes.py opcodes.def opcodes.h opcodes-table.c

For every opcode of every map a decision tree is built.  A node asks one
question (mode, prefix, ModRM.mod/reg/rm, REX.B, VEX.L, VEX.W, feature) and has
one 16-bit entry an answer: 0 is #UD, 0x8000 + n row n, else the index of the
next node.  Equal nodes are shared.
"""
import re
import sys

CC = 'o no b ae e ne be a s ns p np l ge le g'.split()
PFX = {'NP': 1, '66': 2, 'F3': 3, 'F2': 4}
FLAGS = {'C': 1, 'P': 2, 'A': 4, 'Z': 8, 'S': 16, 'O': 32}
# Question: number of answers.  The order is the order of asking.
DIMS = {'mode': 2, 'pfx': 4, 'mod': 2, 'reg': 8, 'rm': 8, 'rexb': 2,
        'l': 2, 'w': 2}
KINDS = 'E R M G Z I J O A X Y S C D V H L W U P Q N B FIX STI'.split()
SIZES = {'n': 0, 'b': 1, 'w': 2, 'd': 3, 'q': 4, 'dq': 5, 'qq': 6, 't': 7,
         'v': 8, 'z': 9, 'y': 10, 'l': 11, 'x': 12, 'h': 13, 'f': 14,
         'e': 15, 'p': 16, 's': 17, 'a': 18, 'bs': 19, 'r': 20}
# Fixed operands: size code, encoded operand, whether it tells opsize.
FIXED = {'AL': ('b', 0x00, 1), 'rAX': ('v', 0x00, 1), 'eAX': ('z', 0x00, 1),
         'AX': ('w', 0x00, 1), 'DX': ('w', 0x02, 0), 'CL': ('b', 0x01, 0),
         'ST0': ('t', 0x60, 0), '1': ('b', 0xa0, 0), 'XMM0': ('dq', 0x70, 0),
         'ES': ('w', 0x20, 0), 'CS': ('w', 0x21, 0), 'SS': ('w', 0x22, 0),
         'DS': ('w', 0x23, 0), 'FS': ('w', 0x24, 0), 'GS': ('w', 0x25, 0)}
# How long undefined opcodes are, by measurement: two-byte ones without ModRM,
# and immediates (1 a byte, 2 by operand size, 3 far pointer).
MAP1_NO_MODRM = {0x04, 0x0a, 0x0c, 0x0e, 0x0f, 0x24, 0x25, 0x26, 0x27, 0x36,
                 0x37} | set(range(0x38, 0x40))
MAP0_IMM = {0x82: 1, 0xc6: 1, 0xc7: 2, 0xd4: 1, 0xd5: 1, 0x9a: 3, 0xea: 3}
MAP1_IMM = dict.fromkeys((0x70, 0x71, 0x72, 0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4,
                          0xc5, 0xc6), 1)
MAP1_IMM.update(dict.fromkeys(range(0x80, 0x90), 2))
CLASSES = 'helper copy special branch string end'.split()
UNITS = 'INT X87 WAIT MMX SSE AVX FXSR XSAVE'.split()
PRIVS = 'any cpl0 iopl io vm tsd cpl0_ud'.split()
ROWFLAGS = ('lock d64 f64 rw2 align vex vvvv nomem mandatory66 vsib rep '
            'noreal').split()


class Row:
    def __init__(self):
        self.dims = {}
        self.flags = set()
        self.fl = {'r': 0, 'w': 0, 'm': 0, 'u': 0}
        self.feat = 'BASE'
        self.cls, self.unit, self.priv, self.acc = 'helper', None, 'any', None
        self.op = None
        self.osz = None
        self.vex = False
        self.fixed_modrm = None


def opnd_parse(text):
    """(kind, size, encoded fixed operand)"""
    if text in FIXED:
        return 'FIX', FIXED[text][0], FIXED[text][1]
    if text == 'STi':
        return 'STI', 't', 0x60
    kind, size = text[0], text[1:]
    if kind not in KINDS or size not in SIZES:
        raise ValueError('operand ' + text)
    return kind, size, 0


def opsize_of(row):
    sizes = [(k, s) for k, s, _ in row.opnds if k in 'VHWU']
    if sizes:
        return 'x' if any(s in ('x', 'h', 'f', 'e') for _, s in sizes) \
            else 'dq'
    if any(k in 'PQN' for k, _, _ in row.opnds):
        return 'q'
    for text, (kind, size, _) in zip(row.opnd_text, row.opnds):
        if kind in ('I', 'J', 'A', 'S', 'STI', 'C', 'D'):
            continue
        if kind == 'FIX' and not FIXED[text][2]:
            continue
        if kind == 'M' and size in 'nspr':
            continue
        if size in ('b', 'w', 'd', 'q', 'v', 'z', 'y', 'l'):
            return size
    return 'v'


def parse(line):
    enc, rest = line.split(':', 1)
    asm, _, attrs = rest.partition(';')
    toks, rows = enc.split(), [Row()]
    row = rows[0]
    row.text = ' '.join(line.partition(';')[0].split())
    row.map, row.plus = 0, None
    if toks[0].startswith('VEX.'):
        _, l, pp, m, w = toks.pop(0).split('.')
        row.vex = True
        row.flags.add('vex')
        row.dims['pfx'] = PFX[pp] - 1
        row.map = {'0F': 1, '0F38': 2, '0F3A': 3}[m]
        row.lsel = l
        if l in '01':
            row.dims['l'] = int(l)
        if w in '01':
            row.dims['w'] = int(w)
    else:
        if toks[0] == 'NP' or (len(toks) > 1 and toks[0] in PFX and
                               re.match('[0-9A-F]{2}', toks[1])):
            row.dims['pfx'] = PFX[toks.pop(0)] - 1
        if toks[0] == '0F' and len(toks) > 1:
            toks.pop(0)
            row.map = 1
            if toks[0] in ('38', '3A') and len(toks) > 1 and \
               re.match('[0-9A-F]{2}', toks[1]):
                row.map = 2 if toks.pop(0) == '38' else 3
    m = re.fullmatch(r'([0-9A-F]{2})(\+r|\+cc)?', toks.pop(0))
    row.opcode, row.plus = int(m[1], 16), m[2]
    for t in toks:
        if t in 'mr':
            row.dims['mod'] = 'mr'.index(t)
        elif t[0] == '/':
            row.dims['reg'] = int(t[1])
        elif t[0] == '!':
            v = int(t[1:], 16)
            row.dims.update(mod=1, reg=v >> 3 & 7, rm=v & 7)
        else:
            raise ValueError('token ' + t)
    parts = asm.split(None, 1)
    row.name = parts[0]
    row.opnd_text = parts[1].strip().split(',') if len(parts) > 1 else []
    row.opnds = [opnd_parse(t) for t in row.opnd_text]
    feats = None
    for a in attrs.split():
        key, _, val = a.partition('=')
        if val and key in row.fl:
            row.fl[key] = sum(FLAGS[c] for c in val)
        elif key == 'op':
            row.op = val
        elif key == 'os':
            row.osz = val
        elif key == 'unit':
            row.unit = val
        elif a[0] == '@':
            row.acc = {'r': 'R', 'w': 'W', 'rw': 'RW', 'n': 'NONE'}[a[1:]]
        elif a in CLASSES:
            row.cls = a
        elif a in PRIVS:
            row.priv = a
        elif a == 'i64':
            row.dims['mode'] = 0
        elif a == 'o64':
            row.dims['mode'] = 1
        elif a == 'rexb0':
            row.dims['rexb'] = 0
        elif a in ROWFLAGS or a == 'sz66':
            row.flags.add(a)
        elif a.isupper():
            feats = a
        else:
            raise ValueError('attribute ' + a)
    row.acc = row.acc or ('W' if row.opnds else 'NONE')
    if any(k in 'HB' for k, _, _ in row.opnds):
        row.flags.add('vvvv')
    if row.dims.get('pfx') == 1 and 'sz66' not in row.flags:
        row.flags.add('mandatory66')
    row.flags.discard('sz66')
    row.osz = row.osz or opsize_of(row)
    if not row.unit:
        kinds = {k for k, _, _ in row.opnds}
        if not row.map and 0xd8 <= row.opcode <= 0xdf and not row.vex:
            row.unit = 'X87'
        elif row.vex:
            row.unit = 'AVX'
        elif kinds & set('VHWU'):
            row.unit = 'SSE'
        elif kinds & set('PQN'):
            row.unit = 'MMX'
        else:
            row.unit = 'INT'
    if row.unit == 'X87' and row.feat == 'BASE' and not feats:
        feats = 'FPU'
    row.modrm = (any(k in 'ERMGSCDVWUPQN' for k, _, _ in row.opnds
                     if k not in ('FIX', 'STI', 'S')) or
                 any(k == 'S' for k, _, _ in row.opnds) or
                 bool({'mod', 'reg', 'rm'} & set(row.dims)) or
                 row.unit == 'X87')
    row.op = row.op or row.name.upper()
    row.feat = feats or 'BASE'
    return row


def expand(row):
    out = [row]
    if row.plus:
        out = []
        for i in range(8 if row.plus == '+r' else 16):
            r = clone(row)
            r.opcode += i
            r.plus_r = i
            if row.plus == '+cc':
                r.name += CC[i]
                if row.op.endswith('CC') is False:
                    raise ValueError('+cc wants op=..CC')
            out.append(r)
    res = []
    for r in out:
        if r.vex and r.lsel == 'x' and '/' in r.feat:
            a, b = r.feat.split('/')
            for l, f in ((0, a), (1, b)):
                q = clone(r)
                q.dims['l'], q.feat = l, f
                res.append(q)
        else:
            res.append(r)
    return res


def clone(r):
    q = Row()
    q.__dict__.update(r.__dict__)
    q.dims, q.flags = dict(r.dims), set(r.flags)
    return q


class Tree:
    def __init__(self):
        self.nodes = [0]
        self.memo = {}

    def build(self, rows, dims=tuple(DIMS)):
        """Entry for the candidates @rows: list of (index, row)."""
        if not rows:
            return 0
        for n, d in enumerate(dims):
            if any(d in r.dims for _, r in rows):
                kids = [self.build([(i, r) for i, r in rows
                                    if r.dims.get(d, v) == v], dims[n + 1:])
                        for v in range(DIMS[d])]
                return self.node([list(DIMS).index(d)] + kids, kids)
        # The most specific row first, then those without its condition.
        rows = sorted(rows, key=lambda x: -len(x[1].dims))
        idx, first = rows[0]
        leaf = 0x8000 | idx
        if first.feat == 'BASE':
            if len(rows) > 1 and len(rows[1][1].dims) == len(first.dims):
                raise ValueError('two rows: %s, %s' %
                                 (first.text, rows[1][1].text))
            return leaf
        return self.node([len(DIMS), 'XF_' + first.feat, leaf,
                          self.build(rows[1:], ())], None)

    def node(self, words, kids):
        if kids is not None and len(set(kids)) == 1:
            return kids[0]
        key = tuple(words)
        if key not in self.memo:
            self.memo[key] = len(self.nodes)
            self.nodes += words
        return self.memo[key]


def main():
    src, hdr, table = sys.argv[1:]
    rows = []
    for no, line in enumerate(open(src), 1):
        line = line.split('#')[0].strip()
        if not line:
            continue
        try:
            rows += expand(parse(line))
        except (ValueError, KeyError, IndexError, AttributeError,
                TypeError) as e:
            sys.exit('%s:%d: %s: %r' % (src, no, line, e))
    maps = [[[] for _ in range(256)] for _ in range(8)]
    for i, r in enumerate(rows):
        maps[r.map + (4 if r.vex else 0)][r.opcode].append((i, r))
    tree = Tree()
    entry = [[tree.build(c) for c in m] for m in maps]
    # What follows the opcode, bit 0 ModRM, bits 2:1 an immediate.  The
    # processor takes the length of undefined opcodes too before it says #UD,
    # so all entries are filled; VEX maps are as those without.
    follow = []
    for n in range(8):
        for o in range(256):
            c = maps[n & 3][o]
            s = {r.modrm for _, r in c}
            if len(s) > 1:
                sys.exit('map %d opcode %02X: ModRM or not?' % (n, o))
            if n & 3 == 1:
                v = int(True in s if s else o not in MAP1_NO_MODRM)
                v |= 2 * MAP1_IMM.get(o, 0)
            elif n & 3 == 0:
                v = int(True in s) | 2 * MAP0_IMM.get(o, 0)
            else:
                v = 1 if n & 3 == 2 else 3
            follow.append(v)
    feats = sorted({r.feat for r in rows} - {'BASE'})
    ops = sorted({r.op for r in rows})
    specs = [None]
    for r in rows:
        r.spec = []
        for o in r.opnds:
            if o not in specs:
                specs.append(o)
            r.spec.append(specs.index(o))
    if len(feats) > 63 or len(tree.nodes) > 0x7fff or len(specs) > 255:
        sys.exit('a table is too large')

    head = '/* Generated from opcodes.def: do not edit. */\n'
    with open(hdr, 'w') as f:
        f.write(head + '#ifndef OPCODES_H\n#define OPCODES_H\n\n')
        f.write('/* CPUID features that opcodes depend on. */\n'
                'enum x86_feat {\n    XF_BASE,\n')
        for x in feats:
            f.write('    XF_%s,\n' % x)
        f.write('};\n#define XF_COUNT %d\n' % (len(feats) + 1))
        # The list once more for those who need names.
        f.write('#define XF_LIST(X) %s\n\n' %
                ' '.join('X(%s)' % x for x in feats))
        f.write('enum op_id {\n    OP_NONE,\n')
        for x in ops:
            f.write('    OP_%s,\n' % x)
        f.write('    OP_COUNT\n};\n\n')
        f.write('enum opnd_kind {\n    OK_NONE,\n')
        for k in KINDS:
            f.write('    OK_%s,\n' % k)
        f.write('};\n\nenum opnd_size {\n')
        for s in SIZES:
            f.write('    OS_%s,\n' % s.upper())
        f.write('};\n\n#endif\n')
    with open(table, 'w') as f:
        f.write(head + '#include "osdep.h"\n#include "decode-int.h"\n\n')
        f.write('const struct x86_row x86_rows[] = {\n')
        for r in rows:
            fl = ['ROW_' + x.upper() for x in ROWFLAGS if x in r.flags]
            f.write('    { "%s", "%s", OP_%s, %s, { %s }, 0x%02x, %d, %d, %d, '
                    'XF_%s,\n      CLASS_%s, UNIT_%s, PRIV_%s, ACC_%s, '
                    '%d, %d, %d, %d, OS_%s },\n' %
                    (r.name, r.text, r.op, ' | '.join(fl) or '0',
                     ', '.join(str(x) for x in r.spec) or '0', r.opcode,
                     r.map, r.dims.get('pfx', -1) + 1, int(r.modrm), r.feat,
                     r.cls.upper(), r.unit, r.priv.upper(), r.acc,
                     r.fl['r'], r.fl['w'], r.fl['m'], r.fl['u'],
                     r.osz.upper()))
        f.write('};\nconst unsigned x86_row_count = %d;\n\n' % len(rows))
        f.write('const char *const x86_op_names[] = {\n    "none",\n')
        for x in ops:
            f.write('    "%s",\n' % x.lower())
        f.write('};\n\nconst struct opnd_spec x86_opnd_specs[] = {\n'
                '    { OK_NONE, 0, 0 },\n')
        for k, s, v in specs[1:]:
            f.write('    { OK_%s, OS_%s, 0x%02x },\n' % (k, s.upper(), v))
        f.write('};\n\nconst uint16_t x86_nodes[] = {\n')
        words = [str(x) for x in tree.nodes]
        for i in range(0, len(words), 10):
            f.write('    %s,\n' % ', '.join(words[i:i + 10]))
        f.write('};\n\nconst uint16_t x86_maps[8][256] = {\n')
        for m in entry:
            f.write('    {\n')
            for i in range(0, 256, 10):
                f.write('        %s,\n' % ', '.join(map(str, m[i:i + 10])))
            f.write('    },\n')
        f.write('};\n\nconst uint8_t x86_follow[8][256] = {\n')
        for n in range(8):
            f.write('    { %s },\n' % ','.join(
                map(str, follow[n * 256:n * 256 + 256])))
        f.write('};\n')


main()
