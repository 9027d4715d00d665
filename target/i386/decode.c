/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instruction decoder: prefixes, then a walk through the decision tree
 * that scripts/gen-opcodes.py made of opcodes.def, then operands.  What real
 * processors do where the manual is silent was measured: tests/cpu/decoder
 * compares with the host.
 */
#include "osdep.h"
#include "decode-int.h"

struct cursor {
    const uint8_t *p, *end;
    bool limit;   /* @end is the fifteenth byte, not the end of the bytes */
    bool over;    /* something beyond @end was asked for */
};

static inline unsigned get8(struct cursor *c)
{
    if (unlikely(c->p >= c->end)) {
        c->over = true;
        return 0;
    }
    return *c->p++;
}

/* Little endian, @n of 1, 2, 4, 8; all or nothing. */
static inline uint64_t get(struct cursor *c, unsigned n)
{
    uint64_t v = 0;

    if (unlikely((size_t)(c->end - c->p) < n)) {
        c->over = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)c->p[i] << (8 * i);
    }
    c->p += n;
    return v;
}

static inline int64_t get_signed(struct cursor *c, unsigned n)
{
    unsigned s = 64 - 8 * n;

    return (int64_t)(get(c, n) << s) >> s;
}

/* What the prefixes said. */
struct pfx {
    unsigned rex;     /* 0, or 40-4F; for VEX made from its bits */
    int seg;          /* -1: none */
    unsigned mand;    /* 0 none, 1 66, 2 F3, 3 F2: of the decision tree */
    unsigned vvvv, l, w;
    bool bad;         /* VEX where it must not be: #UD once it is all read */
};

static unsigned op_bytes(unsigned code, const struct insn *i, unsigned mode,
                         unsigned w)
{
    switch (code) {
    case OS_B:
    case OS_BS:
        return 1;
    case OS_W:
        return 2;
    case OS_D:
        return 4;
    case OS_Q:
        return 8;
    case OS_DQ:
        return 16;
    case OS_QQ:
        return 32;
    case OS_T:
        return 10;
    case OS_Y:
        return w && (mode & DECODE_SIZE) == DECODE_64 ? 8 : 4;
    case OS_L:
        return (mode & DECODE_SIZE) == DECODE_64 ? 8 : 4;
    case OS_R:
        return i->addrsize;
    case OS_V:
        return i->opsize;
    case OS_Z:
        return MIN(i->opsize, 4);
    case OS_X:
        return i->vex & 4 ? 32 : 16;
    case OS_H:
        return i->vex & 4 ? 16 : 8;
    case OS_F:
        return i->vex & 4 ? 8 : 4;
    case OS_E:
        return i->vex & 4 ? 4 : 2;
    case OS_P:
        return i->opsize + 2;
    case OS_S:
        return (mode & DECODE_SIZE) == DECODE_64 ? 10 : 6;
    case OS_A:
        return 2 * i->opsize;
    }
    return 0;
}

/* ModRM with 16-bit addressing: SDM table 2-1. */
static void mem16(struct cursor *c, struct insn *i, unsigned *def_seg)
{
    static const uint8_t base[] = { 3, 3, 5, 5, 6, 7, 5, 3 };
    static const uint8_t index[] = { 6, 7, 6, 7, INSN_NO_REG, INSN_NO_REG,
                                     INSN_NO_REG, INSN_NO_REG };
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;

    if (mod == 0 && rm == 6) {
        /* Not sign-extended: the offset is 0 to FFFF. */
        i->disp = get(c, 2);
        return;
    }
    i->base = base[rm];
    i->index = index[rm];
    if (i->base == 5) {
        *def_seg = 2;
    }
    if (mod) {
        i->disp = get_signed(c, mod);
    }
}

/* With 32- and 64-bit addressing: tables 2-2 and 2-3. */
static void mem32(struct cursor *c, struct insn *i, const struct pfx *x,
                  bool long_mode, bool vsib, unsigned *def_seg)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7, base = rm;
    unsigned b = (x->rex & 1) << 3;

    if (rm == 4) {
        unsigned sib = get8(c), idx = (sib >> 3 & 7) | (x->rex & 2) << 2;

        base = sib & 7;
        i->scale = sib >> 6;
        if (idx != 4 || vsib) {
            i->index = idx;
        }
    }
    if (base == 5 && mod == 0) {
        i->disp = get_signed(c, 4);
        if (rm == 5 && long_mode) {
            i->base = INSN_RIP;
        }
        return;
    }
    i->base = base | b;
    if (i->base == 4 || i->base == 5) {
        *def_seg = 2;
    }
    if (mod) {
        i->disp = get_signed(c, mod == 1 ? 1 : 4);
    }
}

/*
 * All prefixes, the VEX bytes and the escape bytes.  Returns the map.
 */
static unsigned prefixes(struct cursor *c, struct insn *i, struct pfx *x,
                    unsigned mode, unsigned *opcode)
{
    bool lm = (mode & DECODE_SIZE) == DECODE_64;
    unsigned b, map = 0, p = 0;

    for (;;) {
        b = get8(c);
        switch (b) {
        case 0x66:
            p |= PFX_66;
            break;
        case 0x67:
            p |= PFX_67;
            break;
        case 0xf0:
            p |= PFX_LOCK;
            break;
        case 0xf2:
            p = (p & ~PFX_REP) | PFX_REPNE;
            break;
        case 0xf3:
            p = (p & ~PFX_REPNE) | PFX_REP;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (!lm) {
                x->seg = b >> 3 & 3;
                p |= PFX_SEG;
            }
            break;
        case 0x64:
        case 0x65:
            x->seg = b - 0x60;
            p |= PFX_SEG;
            break;
        default:
            if (lm && (b & 0xf0) == 0x40) {
                x->rex = b;
                continue;
            }
            goto done;
        }
        /* A REX before another prefix is as if it were not there. */
        x->rex = 0;
    }
done:
    x->mand = p & PFX_REP ? 2 : p & PFX_REPNE ? 3 : p & PFX_66 ? 1 : 0;
    if (x->rex) {
        p |= PFX_REX;
    }
    i->prefix = p;
    if ((b == 0xc4 || b == 0xc5) &&
        (lm || (c->p < c->end && *c->p >= 0xc0))) {
        unsigned v;

        x->bad = p & (PFX_66 | PFX_REP | PFX_REPNE | PFX_LOCK | PFX_REX);
        if (mode & DECODE_REAL) {
            *opcode = b; /* les, lds */
            return 0;
        }
        v = get8(c);
        x->rex = 0x40 | (~v >> 5 & 4);
        map = 1;
        if (b == 0xc4) {
            map = v & 31;
            x->rex = 0x40 | (~v >> 5 & 7);
            if (!(map & 3)) {
                /* Undefined, and as long as les would be. */
                c->p--;
                x->bad = true;
                *opcode = b;
                return 0;
            }
            v = get8(c);
            x->w = v >> 7;
            x->rex |= x->w << 3;
            if (map < 1 || map > 3) {
                map &= 3; /* for the length */
                x->bad = true;
            }
        }
        if (!lm) {
            x->rex &= 8;
        }
        x->vvvv = ~v >> 3 & 15;
        x->l = v >> 2 & 1;
        x->mand = v & 3;
        i->prefix |= PFX_VEX;
        *opcode = get8(c);
        return map + 4;
    }
    x->w = x->rex >> 3 & 1;
    if (b == 0x0f) {
        map = 1;
        b = get8(c);
        if ((b & 0xf8) == 0x38) {
            /* 39 and 3B-3F are escapes too, to nothing. */
            map = b & 2 ? 3 : 2;
            x->bad = b != 0x38 && b != 0x3a;
            b = get8(c);
        }
    }
    *opcode = b;
    return map;
}

/* The row for this opcode, or -1. */
static int find_row(const struct insn *i, const struct pfx *x, unsigned map,
                    unsigned opcode, unsigned mode, x86_feat_mask feat)
{
    unsigned n = x86_maps[map][opcode];

    while (n && !(n & 0x8000)) {
        const uint16_t *node = &x86_nodes[n];
        unsigned a = 0;

        switch (node[0]) {
        case DIM_MODE:
            a = (mode & DECODE_SIZE) == DECODE_64;
            break;
        case DIM_PFX:
            a = x->mand;
            break;
        case DIM_MOD:
            a = i->modrm >= 0xc0;
            break;
        case DIM_REG:
            a = i->modrm >> 3 & 7;
            break;
        case DIM_RM:
            a = i->modrm & 7;
            break;
        case DIM_REXB:
            a = x->rex & 1;
            break;
        case DIM_L:
            a = x->l;
            break;
        case DIM_W:
            a = x->w;
            break;
        case DIM_FEAT:
            a = feat >> node[1] & 1 ? 1 : 2;
            break;
        }
        n = node[a + 1];
    }
    return n ? (int)(n & 0x7fff) : -1;
}

/* Byte registers 4-7 without REX are AH CH DH BH. */
static inline uint8_t gpr(unsigned n, unsigned size, const struct insn *i)
{
    if (size == 1 && n >= 4 && n < 8 && !(i->prefix & PFX_REX)) {
        return OPND_GPRH | (n - 4);
    }
    return OPND_GPR | n;
}

static inline uint8_t vec(unsigned n, unsigned size_code, const struct insn *i)
{
    if (size_code == OS_QQ || (size_code == OS_X && (i->vex & 4))) {
        return OPND_YMM | n;
    }
    return OPND_XMM | n;
}

/*
 * Fills opnd[n]; false: #UD.  Memory was parsed before (@mem tells whether rm
 * is one).
 */
static bool operand(struct cursor *c, struct insn *i, const struct pfx *x,
                    unsigned n, const struct opnd_spec *s, unsigned mode,
                    bool mem)
{
    unsigned reg = (i->modrm >> 3 & 7) | (x->rex & 4) << 1;
    unsigned rm = (i->modrm & 7) | (x->rex & 1) << 3;
    unsigned size = op_bytes(s->size, i, mode, x->w);
    uint8_t *o = &i->opnd[n];

    switch (s->kind) {
    case OK_E:
    case OK_M:
        i->msize = s->size == OS_N ? 0 : size;
        *o = mem ? OPND_MEM : gpr(rm, size, i);
        break;
    case OK_R:
        i->msize = size;
        *o = gpr(rm, size, i);
        break;
    case OK_G:
        *o = gpr(reg, size, i);
        break;
    case OK_Z:
        *o = gpr((i->opcode & 7) | (x->rex & 1) << 3, size, i);
        break;
    case OK_B:
        *o = OPND_GPR | ((mode & DECODE_SIZE) == DECODE_64 ? x->vvvv
                                                           : x->vvvv & 7);
        break;
    case OK_I:
        *o = OPND_IMM;
        if (i->op == OP_ENTER && n == 1) {
            i->imm |= get(c, 1) << 16;
        } else if (s->size == OS_B || s->size == OS_W) {
            i->imm = get(c, size);
        } else {
            i->imm = get_signed(c, size);
        }
        break;
    case OK_J:
        *o = OPND_REL;
        i->imm = get_signed(c, size);
        break;
    case OK_A:
        *o = OPND_FAR;
        i->imm = get(c, i->opsize);
        i->disp = get(c, 2);
        break;
    case OK_O:
        *o = OPND_MEM;
        i->msize = size;
        i->imm = get(c, i->addrsize);
        break;
    case OK_X:
        *o = OPND_SRC;
        i->msize = size;
        break;
    case OK_Y:
        *o = OPND_DST;
        i->msize = size;
        break;
    case OK_S:
        if ((reg & 7) > 5 || (n == 0 && (reg & 7) == 1)) {
            return false;
        }
        *o = OPND_SEG | (reg & 7);
        break;
    case OK_C:
        if (!(0x11d >> reg & 1) || reg > 8) {
            return false;
        }
        *o = OPND_CR | reg;
        break;
    case OK_D:
        if (reg > 7) {
            return false;
        }
        *o = OPND_DR | reg;
        break;
    case OK_V:
        *o = vec(reg, s->size, i);
        break;
    case OK_H:
        *o = vec((mode & DECODE_SIZE) == DECODE_64 ? x->vvvv : x->vvvv & 7,
                 s->size, i);
        break;
    case OK_L:
        i->imm = get(c, 1);
        if ((mode & DECODE_SIZE) != DECODE_64) {
            i->imm &= 0x7f; /* eight registers */
        }
        *o = vec(i->imm >> 4 & 15, s->size, i);
        break;
    case OK_W:
    case OK_U:
        i->msize = size;
        *o = mem ? OPND_MEM : vec(rm, s->size, i);
        break;
    case OK_P:
        *o = OPND_MMX | (reg & 7);
        break;
    case OK_Q:
    case OK_N:
        i->msize = size;
        *o = mem ? OPND_MEM : OPND_MMX | (rm & 7);
        break;
    case OK_STI:
        *o = OPND_ST | (i->modrm & 7);
        break;
    case OK_FIX:
        *o = s->fix;
        if (*o == OPND_IMM) {
            i->imm = 1;
        }
        break;
    }
    return true;
}

/* Does rm mean memory?  (mov to and from CR and DR ignore mod.) */
static bool has_mem(const struct insn *i, const struct x86_row *row)
{
    return row->modrm && i->modrm < 0xc0 && row->op != OP_MOV_FROM_CR &&
           row->op != OP_MOV_TO_CR && row->op != OP_MOV_FROM_DR &&
           row->op != OP_MOV_TO_DR;
}

/* Register forms that the operands forbid. */
static bool forms_ok(const struct insn *i, const struct x86_row *row)
{
    for (unsigned n = 0; n < 4 && row->opnd[n]; n++) {
        switch (x86_opnd_specs[row->opnd[n]].kind) {
        case OK_M:
            if (i->modrm >= 0xc0) {
                return false;
            }
            break;
        case OK_U:
        case OK_N:
            if (i->modrm < 0xc0) {
                return false;
            }
            break;
        case OK_R:
            if (has_mem(i, row)) {
                return false;
            }
            break;
        }
    }
    return true;
}

static void op_size(struct insn *i, const struct x86_row *row,
                    const struct pfx *x, unsigned mode)
{
    bool p66 = (i->prefix & PFX_66) && !(row->flags & ROW_MANDATORY66);
    unsigned size = mode & DECODE_SIZE;

    if (size != DECODE_64) {
        i->opsize = (size == DECODE_32) != p66 ? 4 : 2;
    } else if (x->w && !(row->flags & ROW_VEX)) {
        i->opsize = 8;
    } else if ((row->flags & ROW_F64) &&
               !((mode & DECODE_VENDOR_AMD) && p66)) {
        i->opsize = 8;
    } else if (p66) {
        i->opsize = 2;
    } else {
        i->opsize = row->flags & (ROW_D64 | ROW_F64) ? 8 : 4;
    }
    i->opsize = op_bytes(row->osz, i, mode, x->w);
}

/* No row: the whole length must be there and be legal before it is #UD. */
static int undefined(struct cursor *c, struct insn *i, const struct pfx *x,
                     unsigned map, unsigned opcode, unsigned mode)
{
    unsigned seg, z;
    bool p66;

    if ((x86_follow[map][opcode] & 1) && i->modrm < 0xc0 &&
        !((map & 3) == 1 && (opcode & 0xfc) == 0x20)) {
        if (i->addrsize == 2) {
            mem16(c, i, &seg);
        } else {
            mem32(c, i, x, (mode & DECODE_SIZE) == DECODE_64, false, &seg);
        }
    }
    /* VEX hides a 66h before it. */
    p66 = (i->prefix & (PFX_VEX | PFX_66)) == PFX_66;
    switch (mode & DECODE_SIZE) {
    case DECODE_16:
        z = p66 ? 4 : 2;
        break;
    case DECODE_32:
        z = p66 ? 2 : 4;
        break;
    default:
        z = p66 && !(x->rex & 8) ? 2 : 4;
        break;
    }
    switch (x86_follow[map][opcode] >> 1) {
    case 1:
        get(c, 1);
        break;
    case 2:
        get(c, z);
        break;
    case 3:
        get(c, z + 2);
        break;
    }
    if (c->over) {
        return c->limit ? DECODE_GP : DECODE_MORE;
    }
    return DECODE_UD;
}

int decode_insn(struct insn *i, const uint8_t *bytes, size_t avail,
                unsigned mode, x86_feat_mask feat)
{
    struct cursor c = { bytes, bytes + MIN(avail, 15), avail >= 15, false };
    struct pfx x = { .seg = -1 };
    unsigned opcode = 0, def_seg = 3, size = mode & DECODE_SIZE;
    const struct x86_row *row;
    unsigned map;
    bool mem, ok;
    int n;

    *i = (struct insn){ .base = INSN_NO_REG, .index = INSN_NO_REG,
                        .opnd = { OPND_NONE, OPND_NONE, OPND_NONE,
                                  OPND_NONE } };
    map = prefixes(&c, i, &x, mode, &opcode);
    if (x86_follow[map][opcode] & 1) {
        i->modrm = get8(&c);
    }
    if (c.over) {
        return c.limit ? DECODE_GP : DECODE_MORE;
    }
    if (size == DECODE_64) {
        i->addrsize = i->prefix & PFX_67 ? 4 : 8;
    } else {
        i->addrsize = (size == DECODE_32) != !!(i->prefix & PFX_67) ? 4 : 2;
    }
    n = x.bad ? -1 : find_row(i, &x, map, opcode, mode, feat);
    if (n < 0) {
        return undefined(&c, i, &x, map, opcode, mode);
    }
    row = &x86_rows[n];
    i->row = n;
    i->op = row->op;
    i->opcode = opcode;
    i->vex = x.w << 7 | x.vvvv << 3 | x.l << 2 |
             (x.w && size == DECODE_64);
    op_size(i, row, &x, mode);
    mem = has_mem(i, row);
    if (mem) {
        if (i->addrsize == 2) {
            mem16(&c, i, &def_seg);
        } else {
            mem32(&c, i, &x, size == DECODE_64, row->flags & ROW_VSIB,
                  &def_seg);
        }
    }
    ok = forms_ok(i, row) &&
         !((row->flags & ROW_NOREAL) && (mode & DECODE_REAL)) &&
         !((row->flags & (ROW_VEX | ROW_VVVV)) == ROW_VEX && x.vvvv) &&
         !((row->flags & ROW_VSIB) &&
           (i->addrsize == 2 || (i->modrm & 7) != 4));
    i->seg = x.seg >= 0 ? (unsigned)x.seg : def_seg;
    for (n = 0; n < 4 && row->opnd[n]; n++) {
        ok &= operand(&c, i, &x, n, &x86_opnd_specs[row->opnd[n]], mode, mem);
    }
    if (c.over) {
        return c.limit ? DECODE_GP : DECODE_MORE;
    }
    if (!ok) {
        return DECODE_UD;
    }
    if ((i->prefix & PFX_LOCK) && !(mode & DECODE_ANY_LOCK) &&
        !((row->flags & ROW_LOCK) && i->opnd[0] == OPND_MEM)) {
        return DECODE_UD;
    }
    if ((row->flags & ROW_VSIB) &&
        (OPND_NUM(i->opnd[0]) == OPND_NUM(i->opnd[2]) ||
         OPND_NUM(i->opnd[0]) == i->index ||
         OPND_NUM(i->opnd[2]) == i->index)) {
        return DECODE_UD;
    }
    i->len = c.p - bytes;
    return i->len;
}

bool insn_w_is_size(const struct insn *i)
{
    const struct x86_row *row = insn_row(i);

    for (int n = 0; n < 4 && row->opnd[n]; n++) {
        if (x86_opnd_specs[row->opnd[n]].size == OS_Y) {
            return true;
        }
    }
    /* PCMPESTRM, PCMPESTRI: of EAX and EDX. */
    return row->map == 3 && (row->opcode == 0x60 || row->opcode == 0x61);
}

unsigned insn_opnd_size(const struct insn *i, unsigned n)
{
    const struct opnd_spec *s =
        &x86_opnd_specs[x86_rows[i->row].opnd[n]];

    switch (s->kind) {
    case OK_E:
    case OK_M:
    case OK_R:
    case OK_W:
    case OK_U:
    case OK_Q:
    case OK_N:
    case OK_O:
    case OK_X:
    case OK_Y:
        return i->msize;
    case OK_G:
    case OK_Z:
    case OK_B:
    case OK_FIX:
    case OK_C:
    case OK_D:
    case OK_I:
        /* For a CR or DR move, opsize tells the mode. */
        if (s->size == OS_L) {
            return i->opsize;
        }
        return op_bytes(s->size, i, DECODE_64, INSN_W64(i));
    case OK_V:
    case OK_H:
    case OK_L:
        return OPND_FILE(i->opnd[n]) == OPND_YMM ? 32 : 16;
    case OK_P:
        return 8;
    case OK_S:
        return 2;
    }
    return 0;
}
