/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: what is to be done with an instruction, and which flags it
 * reads and sets.  can_copy() is one half of the guard that keeps the guest
 * inside its memory; the other is tr_check().
 */
#include "osdep.h"
#include <cpuid.h>
#include "jit-tr.h"

struct roles tr_roles(const struct insn *in)
{
    const struct x86_row *row = insn_row(in);
    struct roles r = { -1, -1, -1, -1, -1, 0 };

    for (int n = 0; n < 4 && row->opnd[n]; n++) {
        const struct opnd_spec *s = &x86_opnd_specs[row->opnd[n]];
        switch (s->kind) {
        case OK_E:
        case OK_R:
        case OK_M:
        case OK_W:
        case OK_U:
        case OK_Q:
        case OK_N:
            r.rm = n;
            break;
        case OK_G:
        case OK_V:
        case OK_P:
            r.reg = n;
            break;
        case OK_Z:
            r.z = n;
            break;
        case OK_B:
        case OK_H:
            r.v = n;
            break;
        case OK_L:
            r.imm = n;
            r.imm_size = 1;
            break;
        case OK_I:
            r.imm = n;
            r.imm_size = s->size == OS_B || s->size == OS_BS ? 1
                : s->size == OS_W                            ? 2
                : s->size == OS_V                            ? in->opsize
                                                : MIN(in->opsize, 4u);
            break;
        }
    }
    return r;
}

/* An address form that tr_ea() knows. */
static bool ea_ok(const struct tr *t, const struct insn *in)
{
    if (t->m64) {
        return in->addrsize == 8 || in->base != INSN_RIP;
    }
    return in->addrsize == 4 && in->seg != R_CS &&
           (in->seg < R_FS ||
            (t->key & (in->seg == R_FS ? KEY_FS : KEY_GS)));
}

/* What an old host may lack although the guest has it: then interpreted. */
static bool host_has(unsigned feat)
{
    switch (feat) {
    case XF_SSE3:
        return __builtin_cpu_supports("sse3");
    case XF_SSSE3:
        return __builtin_cpu_supports("ssse3");
    case XF_SSE41:
        return __builtin_cpu_supports("sse4.1");
    case XF_SSE42:
        return __builtin_cpu_supports("sse4.2");
    case XF_POPCNT:
        return __builtin_cpu_supports("popcnt");
    case XF_AES:
        return __builtin_cpu_supports("aes");
    case XF_PCLMUL:
        return __builtin_cpu_supports("pclmul");
    case XF_MOVBE: { /* a name that not every compiler knows */
        unsigned a, b, c = 0, d;

        return __get_cpuid(1, &a, &b, &c, &d) && (c >> 22 & 1);
    }
    }
    return true;
}

static bool unit_ok(struct tr *t, const struct x86_row *row)
{
    switch (row->unit) {
    case UNIT_INT:
        return true;
    case UNIT_SSE:
        return t->key & KEY_SSE;
    case UNIT_AVX:
        return t->key & KEY_AVX;
    case UNIT_X87:
    case UNIT_MMX:
    case UNIT_WAIT:
        /* Their state comes with the vectors'. */
        return (t->key & (KEY_X87 | KEY_SSE)) == (KEY_X87 | KEY_SSE);
    }
    return false;
}

/* May be copied although the table says that it needs care. */
static bool copy_special(const struct insn *in)
{
    switch (in->op) {
    case OP_SAHF:
    case OP_LAHF:
    case OP_BSF:
    case OP_BSR:
    case OP_CMPXCHG:
    case OP_MOVBE:
    case OP_MULX:
    case OP_XCHG:
    case OP_FNSTCW:
    case OP_FLDCW:
    case OP_FNSTSW:
    case OP_FNINIT:
    case OP_FNCLEX:
    case OP_FWAIT:
    case OP_LDMXCSR:
    case OP_STMXCSR:
        return true;
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        return true; /* registers: memory is HOW_BT */
    }
    return false;
}

static bool can_copy(struct tr *t, const struct insn *in)
{
    const struct x86_row *row = insn_row(in);
    struct roles r = tr_roles(in);
    bool mem = false;
    unsigned spills = 0;
    int seen = -1;

    if (jit_off & JIT_NO_VECTOR && row->unit != UNIT_INT) {
        return false;
    }
    if (!t->m64 && (row->flags & ROW_VEX) && row->map == 1 &&
        row->opcode == 0x77) {
        return false; /* VZEROALL, VZEROUPPER: of eight registers only */
    }
    if ((row->class_ != CLASS_COPY && !copy_special(in)) ||
        !unit_ok(t, row) || !host_has(row->feat) || row->priv != PRIV_ANY ||
        (row->flags & (ROW_VSIB | ROW_NOMEM))) {
        return false;
    }
    for (int n = 0; n < 4; n++) {
        switch (OPND_FILE(in->opnd[n])) {
        case OPND_MEM:
            mem = true;
            break;
        case OPND_GPR:
            if (spilled(in, n) && in->opnd[n] != seen) {
                seen = in->opnd[n];
                spills++;
            }
            break;
        case OPND_SEG:
        case OPND_CR:
        case OPND_DR:
        case OPND_REL:
        case OPND_FAR:
        case OPND_SRC:
        case OPND_DST:
            return false;
        }
    }
    if (mem && (jit_off & JIT_NO_MEMORY || r.rm < 0 || in->opnd[r.rm] != OPND_MEM || !in->msize ||
                in->msize > 32 || !ea_ok(t, in))) {
        return false;
    }
    if (spills > (mem ? 1 : 2)) {
        return false;
    }
    if (is_high(in, r.reg) || is_high(in, r.rm) || is_high(in, r.z)) {
        if (mem) {
            return in->op != OP_CMPXCHG && !(row->flags & ROW_VEX);
        }
        return !wants_rex(in, r.reg) && !wants_rex(in, r.rm) &&
               !wants_rex(in, r.z) && !(in->prefix & PFX_REX);
    }
    return true;
}

enum how tr_classify(struct tr *t, const struct insn *in)
{
    const struct x86_row *row = insn_row(in);
    unsigned full = t->m64 ? 8 : 4, f0 = OPND_FILE(in->opnd[0]);
    bool mem = f0 == OPND_MEM;

    switch (in->op) {
    case OP_PAUSE:
        return HOW_SLOW;
    case OP_NOP:
    case OP_PREFETCH:
        return HOW_NOP;
    case OP_LEA:
        return ea_ok(t, in) || in->base == INSN_RIP ? HOW_LEA : HOW_SLOW;
    case OP_PUSH:
        if (in->opsize != full) {
            return HOW_SLOW;
        }
        return f0 == OPND_GPR          ? HOW_PUSH
            : f0 == OPND_IMM           ? HOW_PUSHI
            : mem && ea_ok(t, in)      ? HOW_PUSHM
                                       : HOW_SLOW;
    case OP_POP:
        if (row->class_ == CLASS_END) {
            return HOW_LEAVE;
        }
        return in->opsize == full && f0 == OPND_GPR ? HOW_POP : HOW_SLOW;
    case OP_LEAVE:
        return in->opsize == full ? HOW_LEAVE_FRAME : HOW_SLOW;
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        if (mem && OPND_FILE(in->opnd[1]) == OPND_GPR) {
            /* The sum with the bit offset wraps at the address size. */
            return ea_ok(t, in) && in->addrsize == full ? HOW_BT : HOW_SLOW;
        }
        break;
    case OP_MOVS:
    case OP_STOS:
    case OP_LODS:
        return !(in->prefix & (PFX_REP | PFX_REPNE)) && in->seg < R_FS &&
                       in->seg != R_CS && in->addrsize == full
                   ? HOW_STRING : HOW_SLOW;
    case OP_CMPXCHG8B:
        return ea_ok(t, in) ? HOW_CX8 : HOW_SLOW;
    case OP_MOVABS:
        return in->seg < R_FS && in->seg != R_CS && in->addrsize == full
            ? HOW_MOFFS : HOW_SLOW;
    case OP_JCC:
        return in->opsize == full ? HOW_JCC : HOW_SLOW_BRANCH;
    case OP_JMP:
        return in->opsize == full ? HOW_JMP : HOW_SLOW_BRANCH;
    case OP_CALL:
        return in->opsize == full ? HOW_CALL : HOW_SLOW_BRANCH;
    case OP_RET:
        return in->opsize == full ? HOW_RET : HOW_SLOW_BRANCH;
    case OP_JMP_IND:
        return in->opsize == full && (!mem || ea_ok(t, in)) ? HOW_JMPI
                                                            : HOW_SLOW_BRANCH;
    case OP_CALL_IND:
        return in->opsize == full && (!mem || ea_ok(t, in)) ? HOW_CALLI
                                                            : HOW_SLOW_BRANCH;
    case OP_LOOP:
        return in->opsize == full && in->addrsize == full ? HOW_LOOP
                                                          : HOW_SLOW_BRANCH;
    case OP_JCXZ:
        return in->opsize == full && in->addrsize == full ? HOW_JCXZ
                                                          : HOW_SLOW_BRANCH;
    }
    if (!(t->key & KEY_USER) && !(jit_off & JIT_NO_SPECIAL)) {
        switch (in->op) {
        case OP_SWAPGS:
            return HOW_SWAPGS;
        case OP_CLI:
            return HOW_CLI;
        case OP_STI:
            return HOW_STI;
        case OP_STAC:
        case OP_CLAC:
            /* Without SMAP in force AC changes nothing that is known here. */
            return t->env->x.cr4 & CR4_SMAP ? HOW_STAC : HOW_LEAVE;
        case OP_MOV_FROM_CR:
        case OP_MOV_FROM_DR:
        case OP_RDMSR:
        case OP_WRMSR:
        case OP_INVLPG:
        case OP_IN:
        case OP_OUT:
            return HOW_SLOW; /* jit_slow() sees what they change */
        }
    }
    switch (in->op) {
    case OP_PUSHF:
        return in->opsize == full ? HOW_PUSHF : HOW_SLOW;
    case OP_RDTSC:
        return t->env->tsc_mul ? HOW_SLOW : HOW_RDTSC;
    case OP_RDTSCP:
    case OP_WRFSBASE:
    case OP_WRGSBASE:
        return HOW_SLOW;
    case OP_CLD:
    case OP_STD:
        return HOW_CLD;
    }
    if (row->class_ == CLASS_END) {
        return HOW_LEAVE;
    }
    if (row->class_ == CLASS_BRANCH) {
        return HOW_SLOW_BRANCH;
    }
    return can_copy(t, in) ? HOW_COPY : HOW_SLOW;
}

/*
 * Flags: what an instruction reads, and what it always sets.
 */
static uint8_t cc_reads(const struct insn *in)
{
    static const uint8_t reads[8] = { FL_O, FL_C, FL_Z, FL_C | FL_Z,
                                      FL_S, FL_P, FL_S | FL_O,
                                      FL_Z | FL_S | FL_O };
    return reads[INSN_CC(in) >> 1];
}

static bool shift_known(const struct insn *in)
{
    return (in->op == OP_SHL || in->op == OP_SHR || in->op == OP_SAR) &&
           in->opnd[1] == OPND_IMM &&
           (PLANT(PLANT_SHIFT_0) ||
            (in->imm & (in->opsize == 8 ? 63 : 31)));
}

void tr_flag_use(const struct insn *in, enum how how, uint8_t *reads,
                     uint8_t *kills)
{
    const struct x86_row *row = insn_row(in);

    *kills = 0;
    switch (how) {
    case HOW_SLOW:
    case HOW_LEAVE:
    case HOW_SLOW_BRANCH:
    case HOW_STAC:
    case HOW_PUSHF:
        *reads = FL_ALL;
        return;
    case HOW_COPY:
    case HOW_BT:
    case HOW_CX8:
        break;
    case HOW_JCC:
        *reads = cc_reads(in);
        return;
    default:
        *reads = 0;
        return;
    }
    *reads = row->fl_r;
    if (in->op == OP_CMOVCC || in->op == OP_SETCC) {
        *reads |= cc_reads(in);
    }
    /* Real processors leave some undefined flags alone; but nobody misses AF. */
    *kills = row->fl_w | (row->fl_m ? 0 : row->fl_u & FL_A);
    if (PLANT(PLANT_INC_CF) && in->op == OP_INC) {
        *kills |= FL_C;
    }
    if (shift_known(in)) {
        *kills = row->fl_m | row->fl_w | row->fl_u;
    }
}

bool tr_writes_flags(const struct insn *in)
{
    const struct x86_row *row = insn_row(in);

    return row->fl_w | row->fl_m | row->fl_u;
}

static uint8_t block_needs(struct tr *t, const struct block *b, uint64_t va,
                           int depth);

/* Flags wanted at @va; all, if that cannot be told for good. */
uint8_t tr_needs_at(struct tr *t, uint64_t va, int depth)
{
    struct block *b;

    if ((va ^ t->jb->va) >> 12 || depth > 3) {
        return FL_ALL;
    }
    b = block_peek(t->env, t->jb->ram_page | (va & 0xfff), t->key);
    return b ? block_needs(t, b, va, depth) : FL_ALL;
}

static uint8_t block_needs(struct tr *t, const struct block *b, uint64_t va,
                           int depth)
{
    uint8_t need = 0, open = FL_ALL, r, k;

    for (unsigned i = 0; i < b->n && open; i++) {
        const struct insn *in = &b->insn[i];
        enum how how = tr_classify(t, in);

        tr_flag_use(in, how, &r, &k);
        need |= r & open;
        open &= ~(r | k);
        if (!open) {
            return need;
        }
        uint64_t next = va + INSN_POS(in) + in->len;
        if (how == HOW_JMP) {
            return need |
                   (tr_needs_at(t, next + in->imm, depth + 1) & open);
        }
        if (how == HOW_JCC) {
            uint8_t both = tr_needs_at(t, next + in->imm, depth + 1);
            if (both != FL_ALL) {
                both |= tr_needs_at(t, next, depth + 1);
            }
            return need | (both & open);
        }
        if (how >= HOW_JCC) {
            return need | open;
        }
    }
    return open ? need | (tr_needs_at(t, va + b->bytes, depth + 1) & open)
                : need;
}
