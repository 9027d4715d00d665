/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: guest instructions to host code.
 *
 * Most are copied: encoded again with the host's registers and, for memory,
 * the host address behind a TLB check.  What is not known here is interpreted
 * (emit_slow).  Two rules keep the guest inside its memory:
 *
 *  1. A copied instruction accesses only [host + T1, host + T1 + size), where
 *     the check has just shown T1 <= 4096 - size.  So an instruction may be
 *     copied with a memory operand only if its size is known (insn.msize) and
 *     it computes no address of its own: can_copy() lists what may.
 *  2. Segment prefixes are never copied.
 *
 * Flags: need[i] are those that instruction i or what follows reads before
 * they are set again.  st says where they are at the present point.
 */
#include "osdep.h"
#include <cpuid.h>
#include "jit-int.h"
#include "decode-int.h"

#define FL_ALL 0x3f

enum { ST_DEAD, ST_E, ST_M };

struct tr {
    struct jit *j;
    CPUX86State *env;
    struct jblk *jb;
    struct emit h, c;       /* hot code, stubs */
    const struct insn *in[JIT_MAX_INSNS];
    uint16_t pos[JIT_MAX_INSNS];
    uint8_t need[JIT_MAX_INSNS + 1], live[JIT_MAX_INSNS];
    uint8_t how[JIT_MAX_INSNS];
    unsigned n, i;
    int st;
    uint32_t key;
    bool m64;
    struct tlbe *tlb;
    bool group;             /* one check for several instructions */
    uint8_t v, f;
};

static const int8_t home[16] = { H_AX, H_CX, H_DX, H_BX, H_GSP, H_BP, H_SI,
                                 H_DI, H_R8, -1, -1, -1, H_R12, H_R13, H_R14,
                                 H_R15 };

static inline const uint8_t *to_rx(const struct jit *j, const uint8_t *p)
{
    return j->rx + (p - j->rw);
}

static inline uint8_t *to_rw(const struct jit *j, const uint8_t *p)
{
    return j->rw + (p - j->rx);
}

static inline struct rm rm_env(const struct tr *t, unsigned reg)
{
    return rm_abs(&t->env->regs[reg]);
}

static uint64_t va_of(const struct tr *t, unsigned i)
{
    return t->jb->va + t->pos[i];
}

static uint64_t next_va(const struct tr *t, unsigned i)
{
    uint64_t va = va_of(t, i) + t->in[i]->len;

    return t->m64 ? va : (uint32_t)va;
}

/*
 * Classes.
 */
enum how {
    HOW_SLOW,   /* interpreted, then on */
    HOW_LEAVE,  /* interpreted, then the dispatcher */
    HOW_COPY,
    HOW_NOP,
    HOW_LEA, HOW_PUSH, HOW_PUSHI, HOW_PUSHM, HOW_POP, HOW_LEAVE_FRAME,
    HOW_BT, HOW_CX8, HOW_MOFFS, HOW_SWAPGS, HOW_CLI, HOW_STI, HOW_PUSHF,
    HOW_RDTSC, HOW_CLD, HOW_STRING,
    HOW_JCC, HOW_JMP, HOW_CALL, HOW_RET, HOW_JMPI, HOW_CALLI, HOW_LOOP,
    HOW_JCXZ, HOW_STAC,
    HOW_SLOW_BRANCH,
};

/* Where the operands stand in the encoding; -1: nowhere. */
struct roles {
    int reg, rm, z, v, imm;
    unsigned imm_size;
};

static struct roles get_roles(const struct insn *in)
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

static bool is_gpr(const struct insn *in, int n)
{
    return n >= 0 && OPND_FILE(in->opnd[n]) == OPND_GPR;
}

static bool is_high(const struct insn *in, int n)
{
    return n >= 0 && OPND_FILE(in->opnd[n]) == OPND_GPRH;
}

static bool spilled(const struct insn *in, int n)
{
    return is_gpr(in, n) && home[OPND_NUM(in->opnd[n])] < 0;
}

/* Needs a REX prefix whatever else: r8 and up, and rsp, which is in r9. */
static bool wants_rex(const struct insn *in, int n)
{
    return is_gpr(in, n) &&
           (OPND_NUM(in->opnd[n]) >= 8 || OPND_NUM(in->opnd[n]) == 4);
}

/* An address form that emit_ea() knows. */
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
    struct roles r = get_roles(in);
    bool mem = false;
    unsigned spills = 0;
    int seen = -1;

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
    if (mem && (r.rm < 0 || in->opnd[r.rm] != OPND_MEM || !in->msize ||
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

static enum how classify(struct tr *t, const struct insn *in)
{
    const struct x86_row *row = insn_row(in);
    unsigned full = t->m64 ? 8 : 4, f0 = OPND_FILE(in->opnd[0]);
    bool mem = f0 == OPND_MEM;

    switch (in->op) {
    case OP_PAUSE:
        return x86_pause_yields ? HOW_SLOW : HOW_NOP;
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
            return ea_ok(t, in) ? HOW_BT : HOW_SLOW;
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
    if (!(t->key & KEY_USER)) {
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
           (in->imm & (in->opsize == 8 ? 63 : 31));
}

static void flag_use(const struct insn *in, enum how how, uint8_t *reads,
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
    if (shift_known(in)) {
        *kills = row->fl_m | row->fl_w | row->fl_u;
    }
}

static bool writes_flags(const struct insn *in)
{
    const struct x86_row *row = insn_row(in);

    return row->fl_w | row->fl_m | row->fl_u;
}

static uint8_t block_needs(struct tr *t, const struct block *b, uint64_t va,
                           int depth);

/* Flags wanted at @va; all, if that cannot be told for good. */
static uint8_t needs_at(struct tr *t, uint64_t va, int depth)
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
        enum how how = classify(t, in);

        flag_use(in, how, &r, &k);
        need |= r & open;
        open &= ~(r | k);
        if (!open) {
            return need;
        }
        uint64_t next = va + INSN_POS(in) + in->len;
        if (how == HOW_JMP) {
            return need | (needs_at(t, next + in->imm, depth + 1) & open);
        }
        if (how == HOW_JCC) {
            uint8_t both = needs_at(t, next + in->imm, depth + 1);
            if (both != FL_ALL) {
                both |= needs_at(t, next, depth + 1);
            }
            return need | (both & open);
        }
        if (how >= HOW_JCC) {
            return need | open;
        }
    }
    return open ? need | (needs_at(t, va + b->bytes, depth + 1) & open) : need;
}

/* The instructions: @b and the blocks that it falls through to. */
static void gather(struct tr *t)
{
    struct block *b = t->jb->b;
    unsigned base = 0;

    for (;;) {
        for (unsigned k = 0; k < b->n && t->n < JIT_MAX_INSNS; k++) {
            t->in[t->n] = &b->insn[k];
            t->pos[t->n] = base + INSN_POS(&b->insn[k]);
            t->how[t->n] = classify(t, t->in[t->n]);
            t->n++;
        }
        enum how last = t->how[t->n - 1];
        base = t->pos[t->n - 1] + t->in[t->n - 1]->len;
        uint64_t ram = t->jb->b->ram + base;
        if ((last != HOW_JCC && (last > HOW_JCC || last == HOW_LEAVE)) ||
            t->n >= JIT_MAX_INSNS - 1 || ram >> 12 != t->jb->b->ram >> 12) {
            return;
        }
        struct block *nb = block_peek(t->env, ram, t->key);
        if (!nb || jit_find(nb, t->jb->va + base)) {
            return;
        }
        b = nb;
    }
}

static uint64_t target_of(const struct tr *t, unsigned i)
{
    uint64_t va = next_va(t, i) + t->in[i]->imm;

    return t->m64 ? va : (uint32_t)va;
}

static void analyse(struct tr *t)
{
    uint8_t after = FL_ALL, r, k;
    unsigned i = t->n;
    enum how last = t->how[t->n - 1];

    if (last <= HOW_JCC && last != HOW_LEAVE) {
        after = needs_at(t, next_va(t, t->n - 1), 0);
    }
    while (i--) {
        enum how how = t->how[i];
        switch (how) {
        case HOW_JMP:
        case HOW_CALL:
            after = needs_at(t, target_of(t, i), 0);
            break;
        case HOW_JCC:
            after |= needs_at(t, target_of(t, i), 0);
            break;
        case HOW_LOOP:
        case HOW_JCXZ:
        case HOW_STAC:
        case HOW_RET:
        case HOW_JMPI:
        case HOW_CALLI:
            after = FL_ALL;
            break;
        default:
            break;
        }
        flag_use(t->in[i], how, &r, &k);
        t->live[i] = after;
        after = r | (after & ~k);
        t->need[i] = after;
    }
}

/*
 * Flag states.
 */
static void save_flags(struct emit *e, const struct tr *t)
{
    e_mov_rr(e, H_T1, H_AX);
    e8(e, 0x9f);                         /* lahf */
    e_op0f(e, 0, 0x90, 0, rm_reg(H_AX)); /* seto %al */
    e8(e, 0x66);
    e_op(e, 0, 0x89, H_AX, rm_abs(&t->env->flags_img));
    e_mov_rr(e, H_AX, H_T1);
}

/* Keeps T1 and T2. */
static void load_flags(struct emit *e, const struct tr *t)
{
    e_st(e, H_AX, rm_abs(&t->env->jit_tmp[0]));
    e_op0f(e, 0, 0xb7, H_AX, rm_abs(&t->env->flags_img));
    e8(e, 0x04), e8(e, 0x7f);            /* add $0x7f,%al */
    e8(e, 0x9e);                         /* sahf */
    e_ld(e, H_AX, rm_abs(&t->env->jit_tmp[0]));
}

/* EFLAGS are about to be lost; T1 too. */
static void flags_out(struct tr *t, struct emit *e, uint8_t wanted)
{
    if (t->st == ST_E) {
        if (wanted) {
            save_flags(e, t);
            t->st = ST_M;
        } else {
            t->st = ST_DEAD;
        }
    }
}

/* Before the instruction's own code: what it reads or keeps. */
static void flags_in(struct tr *t)
{
    const struct insn *in = t->in[t->i];
    uint8_t r, k;

    flag_use(in, t->how[t->i], &r, &k);
    if (writes_flags(in)) {
        r |= t->live[t->i] & ~k;
    }
    if (r && t->st == ST_M) {
        load_flags(&t->h, t);
        t->st = ST_E;
    }
}

/* For host faults: where the flags are when the copy runs. */
static void mark_flags(struct tr *t)
{
    if (t->st == ST_E) {
        t->jb->off[t->i] |= JIT_OFF_E;
    }
}

static void flags_set(struct tr *t)
{
    if (writes_flags(t->in[t->i])) {
        t->st = t->live[t->i] ? ST_E : ST_DEAD;
    }
}

/*
 * Ways out.
 */
static uint32_t new_site(struct tr *t, int kind, uint64_t va)
{
    struct jit *j = t->j;

    j->sites[j->nsites] = (struct jsite){
        .jb = t->jb, .insn = t->i, .kind = kind, .va = va,
    };
    return j->nsites++;
}

static void call_site(struct tr *t, struct emit *e, uint32_t site,
                      const uint8_t *thunk)
{
    e8(e, 0x41), e8(e, 0xb8 | (H_T2 & 7));
    e32(e, site);
    e_jmp_to(e, to_rw(t->j, thunk));
}

/* A stub that interprets instruction i; returns where to jump. */
static uint8_t *slow_stub(struct tr *t)
{
    uint8_t *at = t->c.p;
    int kind = t->how[t->i] >= HOW_JCC ? SITE_BRANCH : SITE_INSN;

    call_site(t, &t->c, new_site(t, kind, 0), t->j->t_slow);
    return at;
}

/* A chain site whose distance is at @at; the stub is returned. */
static uint8_t *link_stub(struct tr *t, uint8_t *at, uint64_t va)
{
    uint8_t *stub = t->c.p;
    uint32_t s = new_site(t, t->st == ST_E ? SITE_LINK_E : SITE_LINK_M, va);

    t->j->sites[s].patch = (uint32_t)(at - t->j->rw);
    call_site(t, &t->c, s, t->st == ST_E ? t->j->t_link_e : t->j->t_link_m);
    return stub;
}

/* Sets the distance at @at: to the translation of @va if there is one. */
static void link_to(struct tr *t, uint8_t *at, uint64_t va)
{
    struct jblk *to = NULL;

    if (va == t->jb->va && t->jb->e) {
        to = t->jb;
    } else {
        struct block *b = block_peek(t->env, t->jb->ram_page | (va & 0xfff),
                                     t->key);
        to = b ? jit_find(b, va) : NULL;
    }
    if (to) {
        e_fix(at, to_rw(t->j, t->st == ST_E ? to->e : to->m));
    } else {
        e_fix(at, link_stub(t, at, va));
    }
}

/* Jump cache, target in T1, flags in the image. */
static void jump_cache(struct tr *t, struct emit *e, int32_t pop)
{
    CPUX86State *env = t->env;
    uint32_t s = new_site(t, SITE_IND, 0);

    t->j->sites[s].pop = pop;
    e_st(e, H_T1, rm_abs(&env->rip));
    e_mov_rr(e, H_T2, H_T1);
    e_shift(e, 0, 5, H_T2, 8);
    e_op(e, 0, 0x33, H_T2, rm_reg(H_T1));
    e_alui(e, 0, 4, rm_reg(H_T2), JC_SIZE - 1);
    e_shift(e, 0, 4, H_T2, 4);
    e_op(e, 1, 0x33, H_T1, rm_abs(&env->jc_key));
    e_op(e, 1, 0x3b, H_T1, rm_tab(&env->jjc[0].tag, H_T2));
    uint8_t *miss = e_jcc(e, CC_NE);
    e_jmp_m(e, rm_tab(&env->jjc[0].host, H_T2));
    e_fix(miss, t->c.p);
    call_site(t, &t->c, s, t->j->t_ind);
}

/* The same with a constant target. */
static void jump_const(struct tr *t, struct emit *e, uint64_t va)
{
    CPUX86State *env = t->env;
    struct jjce *c = &env->jjc[(va ^ va >> 8) & (JC_SIZE - 1)];
    uint32_t s = new_site(t, SITE_IND, 0);

    e_imm(e, H_T1, va);
    e_ld(e, H_T2, rm_abs(&env->jc_key));
    e_op(e, 1, 0x33, H_T2, rm_reg(H_T1));
    e_op(e, 1, 0x3b, H_T2, rm_abs(&c->tag));
    uint8_t *miss = e_jcc(e, CC_NE);
    e_jmp_m(e, rm_abs(&c->host));
    e_fix(miss, t->c.p);
    e_st(&t->c, H_T1, rm_abs(&env->rip));
    call_site(t, &t->c, s, t->j->t_ind);
}

/* Leaves if somebody asked; at @va then.  Keeps flags that are wanted. */
static void poll(struct tr *t, struct emit *e, uint64_t va, uint8_t wanted)
{
    bool keep = t->st == ST_E && wanted;
    uint8_t *out, *ok;

    if (keep) {
        e_mov_rr(e, H_T1, H_CX);
        e_ld32(e, H_CX, rm_abs(&t->env->exit_req));
        e8(e, 0xe3), e8(e, 5);  /* jrcxz over the jmp */
        out = e_jmp(e);
        e_mov_rr(e, H_CX, H_T1);
    } else {
        e_op(e, 0, 0x83, 7, rm_abs(&t->env->exit_req)), e8(e, 0);
        out = e_jcc(e, CC_NE);
    }
    (void)ok;
    e_fix(out, t->c.p);
    if (keep) {
        e_mov_rr(&t->c, H_CX, H_T1);
        save_flags(&t->c, t);
    }
    e_imm(&t->c, H_T1, va);
    e_st(&t->c, H_T1, rm_abs(&t->env->rip));
    e_jmp_to(&t->c, to_rw(t->j, t->j->t_leave));
}

/* To @va from here, by @e; the state afterwards means nothing. */
static void go(struct tr *t, struct emit *e, uint64_t va)
{
    if ((va ^ t->jb->va) >> 12) {
        flags_out(t, e, FL_ALL);
        jump_const(t, e, va);
        return;
    }
    if (va <= va_of(t, t->i)) {
        uint8_t wanted = needs_at(t, va, 0);
        poll(t, e, va, wanted);
        if (t->st == ST_E && !wanted) {
            t->st = ST_DEAD;
        }
    }
    link_to(t, e_jmp(e), va);
}

/*
 * Memory.
 */
static void add_seg(struct tr *t, unsigned seg)
{
    e_op(&t->h, t->m64, 0x03, H_T1, rm_abs(&t->env->seg_base[seg]));
}

/* The linear address into T1. */
static void emit_ea(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool w = in->addrsize == 8;
    int base = -1, index = -1;

    if (in->base == INSN_RIP) {
        e_imm(e, H_T1, next_va(t, t->i) + (int64_t)in->disp);
    } else {
        if (in->base < 16) {
            base = home[in->base];
            if (base < 0) {
                e_ld(e, H_T1, rm_env(t, in->base));
                base = H_T1;
            }
        }
        if (in->index < 16) {
            index = home[in->index];
            if (index < 0) {
                e_ld(e, H_T2, rm_env(t, in->index));
                index = H_T2;
            }
        }
        if (base >= 0 && index < 0 && !in->disp && w) {
            if (base != H_T1) {
                e_mov_rr(e, H_T1, base);
            }
        } else {
            e_lea(e, w, H_T1, rm_mem(base, index, in->scale, in->disp));
        }
    }
    if (in->seg >= R_FS) {
        add_seg(t, in->seg);
    }
}

/* T1: linear address; then T1 + T2 is the host's.  EFLAGS are lost. */
static void emit_check(struct tr *t, unsigned size, bool write)
{
    struct emit *e = &t->h, *c = &t->c;
    uint8_t *again = e->p;
    struct rm tag = rm_tab(write ? &t->tlb[0].tag_w : &t->tlb[0].tag_r, H_T2);
    int kind = t->how[t->i] >= HOW_JCC || t->group ? SITE_BRANCH : SITE_INSN;

    e_mov_rr(e, H_T2, H_T1);
    e_shift(e, 1, 5, H_T2, 7);
    e_alui(e, 0, 4, rm_reg(H_T2), (TLB_SIZE - 1) * 32);
    e_op(e, 1, 0x2b, H_T1, tag);
    e_alui(e, 1, 7, rm_reg(H_T1), (int32_t)(4096 - size));
    e_fix(e_jcc(e, CC_A), c->p);
    e_ld(e, H_T2, rm_tab(&t->tlb[0].host, H_T2));
    /* The miss: the address again, then see t_miss. */
    e_op(c, 1, 0x03, H_T1, tag);
    e8(c, 0xe8), e32(c, 0);
    e_fix(c->p - 4, to_rw(t->j, t->j->t_miss[write]));
    e_jmp_to(c, again);
    e32(c, new_site(t, kind, 0));
}
_Static_assert(sizeof(struct tlbe) == 32, "emit_check() knows it");

static struct rm rm_host(void)
{
    return rm_mem(H_T1, H_T2, 0, 0);
}

/* T1: the host address; T2 is free. */
static struct rm sum(struct tr *t)
{
    e_lea(&t->h, 1, H_T1, rm_host());
    return rm_mem(H_T1, -1, 0, 0);
}

/*
 * Copies.
 */

/* One byte register that needs REX to be spl, bpl, sil, dil. */
static bool low_byte_rex(const struct insn *in, int n, int host)
{
    return is_gpr(in, n) && host >= 4 && host < 8 &&
           insn_opnd_size(in, (unsigned)n) == 1;
}

/* @m: r/m or the register in the opcode; @reg: ModRM.reg; @vv: vvvv. */
static void encode(struct tr *t, const struct insn *in, const struct roles *r,
                   struct rm m, int reg, int vv, bool rex40)
{
    const struct x86_row *row = insn_row(in);
    struct emit *e = &t->h;
    unsigned map = row->map & 3, opcode = in->opcode;
    unsigned w = INSN_W(in), rex;

    /* Outside 64-bit mode W chooses no operand size. */
    for (int n = 0; !t->m64 && n < 4 && row->opnd[n]; n++) {
        if (x86_opnd_specs[row->opnd[n]].size == OS_Y) {
            w = 0;
        }
    }
    if (row->flags & ROW_VEX) {
        unsigned pp = row->pfx ? row->pfx - 1u : 0;
        unsigned b = rm_rex(m);

        e8(e, 0xc4);
        e8(e, (reg & 8 ? 0 : 0x80) | (b & 2 ? 0 : 0x40) | (b & 1 ? 0 : 0x20) |
                  map);
        e8(e, w << 7 | (~(unsigned)vv & 15) << 3 | INSN_L(in) << 2 | pp);
        e8(e, opcode);
        if (row->modrm) {
            e_modrm(e, reg, m);
        }
    } else {
        bool p66 = row->pfx == 2 ||
                   (in->opsize == 2 && !(row->flags & ROW_MANDATORY66) &&
                    row->unit == UNIT_INT);
        if (in->prefix & PFX_LOCK) {
            e8(e, 0xf0);
        }
        if (p66) {
            e8(e, 0x66);
        }
        if (row->pfx > 2) {
            e8(e, row->pfx == 3 ? 0xf3 : 0xf2);
        }
        if (!t->m64 && map == 0 && (opcode & 0xf0) == 0x40) {
            /* inc, dec: REX prefixes in 64-bit mode. */
            reg = opcode >> 3 & 1;
            opcode = 0xff;
        }
        rex = w << 3 | (reg & 8) >> 1 | rm_rex(m) | (rex40 ? 0x40 : 0);
        if (rex) {
            e8(e, 0x40 | rex);
        }
        if (map) {
            e8(e, 0x0f);
        }
        if (map > 1) {
            e8(e, map == 2 ? 0x38 : 0x3a);
        }
        if (r->z >= 0 && opcode != 0xff) {
            e8(e, (opcode & 0xf8) | (m.reg & 7));
        } else if (r->z >= 0) {
            e8(e, opcode);
            e_modrm(e, reg, m);
        } else {
            e8(e, opcode);
            if (row->modrm) {
                e_modrm(e, reg, m);
            }
        }
    }
    for (unsigned k = 0; k < r->imm_size; k++) {
        e8(e, (unsigned)((uint64_t)in->imm >> (8 * k)) & 0xff);
    }
}

/* Is the old value of operand @n of no account? */
static bool pure_write(const struct insn *in, int n)
{
    const struct x86_row *row = insn_row(in);

    return n == 0 && row->access == ACC_W &&
           insn_opnd_size(in, 0) >= 4 && in->op != OP_CMOVCC &&
           in->op != OP_BSF && in->op != OP_BSR;
}

static bool written(const struct insn *in, int n)
{
    const struct x86_row *row = insn_row(in);

    return (n == 0 && (row->access == ACC_W || row->access == ACC_RW)) ||
           (n == 1 && (row->flags & ROW_RW2));
}

/* Bytes that the instruction may touch. */
static unsigned mem_size(const struct insn *in)
{
    /* MMX unpacks are said to read 64 bits for their 32. */
    return OPND_FILE(in->opnd[0]) == OPND_MMX ? MAX(in->msize, 8)
                                              : in->msize;
}

static bool mem_written(const struct insn *in)
{
    const struct x86_row *row = insn_row(in);

    for (int n = 0; n < 2; n++) {
        if (in->opnd[n] == OPND_MEM && written(in, n)) {
            return true;
        }
    }
    return row->access == ACC_W && in->opnd[0] == OPND_MEM;
}

static void emit_copy(struct tr *t, const struct insn *in)
{
    struct roles r = get_roles(in);
    struct emit *e = &t->h;
    bool mem = r.rm >= 0 && in->opnd[r.rm] == OPND_MEM;
    int pos[4] = { r.reg, r.rm, r.z, r.v }, host[4];
    int temps[2] = { mem ? H_T2 : H_T1, H_T2 }, nt = 0;
    int guest[2] = { -1, -1 };
    bool rex40 = false, high = false;
    struct rm m = rm_reg(0);

    if (mem) {
        flags_out(t, e, t->need[t->i]);
        emit_ea(t, in);
        emit_check(t, mem_size(in), mem_written(in));
        m = rm_host();
    }
    bool summed = false;
    for (int k = 0; k < 4; k++) {
        int n = pos[k];
        host[k] = 0;
        if (n < 0) {
            continue;
        }
        unsigned num = OPND_NUM(in->opnd[n]);
        if (is_high(in, n)) {
            host[k] = (int)num + 4;
            high = true;
        } else if (!is_gpr(in, n)) {
            host[k] = OPND_FILE(in->opnd[n]) == OPND_MEM ? 0 : (int)num;
        } else if (home[num] >= 0) {
            host[k] = home[num];
            rex40 |= low_byte_rex(in, n, host[k]);
        } else {
            int s = 0;
            while (s < nt && guest[s] != (int)num) {
                s++;
            }
            if (s == nt) {
                guest[nt++] = (int)num;
                if (!pure_write(in, n) || nt > 1) {
                    if (mem && !summed) {
                        m = sum(t);
                        summed = true;
                    }
                    e_ld(e, temps[s], rm_env(t, num));
                }
            } else if (mem && !summed) {
                m = sum(t);
                summed = true;
                e_ld(e, temps[s], rm_env(t, num));
            } else if (!mem) {
                e_ld(e, temps[s], rm_env(t, num));
            }
            host[k] = temps[s];
        }
    }
    flags_in(t);
    mark_flags(t);
    int reg = r.reg >= 0 ? host[0] : in->modrm >> 3 & 7;
    if (r.z >= 0) {
        m = rm_reg(host[2]);
        reg = 0;
    } else if (!mem) {
        m = rm_reg(r.rm >= 0 ? host[1] : in->modrm & 7);
    }
    if (high && mem) {
        /* No AH beside r10: swap it with AL for the time being. */
        int k = reg - 4;
        e8(e, 0x86), e8(e, 0xc0 | (unsigned)reg << 3 | (unsigned)k);
        encode(t, in, &r, m, k, host[3], rex40);
        e8(e, 0x86), e8(e, 0xc0 | (unsigned)reg << 3 | (unsigned)k);
    } else {
        encode(t, in, &r, m, reg, r.v >= 0 ? host[3] : 0, rex40);
    }
    for (int k = 0; k < 4; k++) {
        int n = pos[k];
        if (n >= 0 && spilled(in, n) && written(in, n)) {
            e_st(e, host[k], rm_env(t, OPND_NUM(in->opnd[n])));
        }
    }
    flags_set(t);
}

/*
 * Special ones.
 */
static void emit_lea(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned num = OPND_NUM(in->opnd[0]);
    int d = home[num] >= 0 && in->opsize > 2 ? home[num] : H_T1;
    int base = -1, index = -1;
    bool w = in->opsize == 8 && in->addrsize == 8;

    if (in->base == INSN_RIP) {
        uint64_t v = next_va(t, t->i) + (int64_t)in->disp;
        e_imm(e, d, w ? v : (uint32_t)v);
    } else {
        if (in->base < 16) {
            base = home[in->base];
            if (base < 0) {
                e_ld(e, H_T1, rm_env(t, in->base));
                base = H_T1;
            }
        }
        if (in->index < 16) {
            index = home[in->index];
            if (index < 0) {
                e_ld(e, H_T2, rm_env(t, in->index));
                index = H_T2;
            }
        }
        e_lea(e, w, d, rm_mem(base, index, in->scale, in->disp));
    }
    if (in->opsize == 2) {
        if (home[num] >= 0) {
            e8(e, 0x66);
            e_op(e, 0, 0x8b, home[num], rm_reg(H_T1));
        } else {
            e8(e, 0x66);
            e_op(e, 0, 0x89, H_T1, rm_env(t, num));
        }
    } else if (home[num] < 0) {
        e_st(e, H_T1, rm_env(t, num));
    }
}

static void add_sp(struct tr *t, int32_t n)
{
    e_lea(&t->h, t->m64, H_GSP, rm_mem(H_GSP, -1, 0, n));
}

/* T1 + T2: the place for a push, checked. */
static void push_check(struct tr *t)
{
    unsigned size = t->m64 ? 8 : 4;

    e_lea(&t->h, t->m64, H_T1, rm_mem(H_GSP, -1, 0, -(int32_t)size));
    emit_check(t, size, true);
}

static void emit_push(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;
    unsigned num = OPND_NUM(in->opnd[0]);

    flags_out(t, e, t->need[t->i]);
    if (t->how[t->i] == HOW_PUSHM) {
        emit_ea(t, in);
        emit_check(t, (unsigned)size, false);
        e_op(e, t->m64, 0x8b, H_T1, rm_host());
        e_st(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
    }
    push_check(t);
    if (t->how[t->i] == HOW_PUSHI) {
        e_op(e, t->m64, 0xc7, 0, rm_host());
        e32(e, (uint64_t)in->imm);
    } else if (t->how[t->i] == HOW_PUSH && home[num] >= 0) {
        e_op(e, t->m64, 0x89, home[num], rm_host());
    } else {
        struct rm m = sum(t);
        e_ld(e, H_T2, t->how[t->i] == HOW_PUSHM ? rm_abs(&t->env->jit_tmp[1])
                                                : rm_env(t, num));
        e_op(e, t->m64, 0x89, H_T2, m);
    }
    add_sp(t, -size);
}

static void emit_pop(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;
    unsigned num = OPND_NUM(in->opnd[0]);

    flags_out(t, e, t->need[t->i]);
    if (t->m64) {
        e_mov_rr(e, H_T1, H_GSP);
    } else {
        e_mov_rr32(e, H_T1, H_GSP);
    }
    emit_check(t, (unsigned)size, false);
    if (num == R_SP) {
        e_op(e, t->m64, 0x8b, H_GSP, rm_host());
        return;
    }
    if (home[num] >= 0) {
        e_op(e, t->m64, 0x8b, home[num], rm_host());
    } else {
        e_ld(e, H_T2, rm_host());
        e_st(e, H_T2, rm_env(t, num));
    }
    add_sp(t, size);
}

/*
 * A run of pushes, or of pops with the RET behind them: one check for all.
 * If it fails, the first is interpreted and the rest is another block's.
 */
static unsigned stack_run(struct tr *t)
{
    bool pop = t->how[t->i] == HOW_POP;
    unsigned n = 0;

    while (t->i + n < t->n && n < 16) {
        const struct insn *in = t->in[t->i + n];
        enum how how = t->how[t->i + n];

        if (pop && n && how == HOW_RET) {
            return n + 1;
        }
        if (pop ? how != HOW_POP : how != HOW_PUSH && how != HOW_PUSHI) {
            break;
        }
        if (how != HOW_PUSHI && in->opnd[0] == (OPND_GPR | R_SP)) {
            break;
        }
        n++;
    }
    return n;
}

static void emit_stack_run(struct tr *t, unsigned n)
{
    struct emit *e = &t->h;
    bool pop = t->how[t->i] == HOW_POP;
    int32_t size = t->m64 ? 8 : 4, all = (int32_t)n * size;
    bool ret = t->how[t->i + n - 1] == HOW_RET;

    flags_out(t, e, ret ? FL_ALL : t->need[t->i]);
    t->group = true;
    e_lea(e, t->m64, H_T1, rm_mem(H_GSP, -1, 0, pop ? 0 : -all));
    emit_check(t, (unsigned)all, !pop);
    t->group = false;
    sum(t);
    uint32_t off = (uint32_t)(e->p - (t->j->rw + t->jb->start));
    for (unsigned k = 0; k < n; k++) {
        const struct insn *in = t->in[t->i + k];
        unsigned num = OPND_NUM(in->opnd[0]);
        int32_t at = pop ? (int32_t)k * size : all - (int32_t)(k + 1) * size;
        struct rm m = rm_mem(H_T1, -1, 0, at);

        t->jb->off[t->i + k] = off;
        if (t->how[t->i + k] == HOW_RET) {
            all += in->opnd[0] == OPND_NONE ? 0 : (int32_t)(in->imm & 0xffff);
            e_op(e, t->m64, 0x8b, H_T1, m);
        } else if (t->how[t->i + k] == HOW_PUSHI) {
            e_op(e, t->m64, 0xc7, 0, m);
            e32(e, (uint64_t)in->imm);
        } else if (home[num] >= 0) {
            e_op(e, t->m64, pop ? 0x8b : 0x89, home[num], m);
        } else if (pop) {
            e_ld(e, H_T2, m);
            e_st(e, H_T2, rm_env(t, num));
        } else {
            e_ld(e, H_T2, rm_env(t, num));
            e_op(e, t->m64, 0x89, H_T2, m);
        }
    }
    add_sp(t, pop ? all : -all);
    t->i += n - 1;
    if (ret) {
        jump_cache(t, e, size + (t->in[t->i]->opnd[0] == OPND_NONE
                       ? 0 : (int32_t)(t->in[t->i]->imm & 0xffff)));
    }
}

static void emit_leave(struct tr *t)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;

    flags_out(t, e, t->need[t->i]);
    if (t->m64) {
        e_mov_rr(e, H_T1, H_BP);
    } else {
        e_mov_rr32(e, H_T1, H_BP);
    }
    emit_check(t, (unsigned)size, false);
    e_op(e, t->m64, 0x8b, H_T2, rm_host());
    e_lea(e, t->m64, H_GSP, rm_mem(H_BP, -1, 0, size));
    e_mov_rr(e, H_BP, H_T2);
}

/* bt and kin, bit number in a register: it reaches all of memory. */
static void emit_bt(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned num = OPND_NUM(in->opnd[1]), size = in->opsize;
    static const uint8_t sel[] = { 4, 5, 6, 7 };
    unsigned which = in->op == OP_BT ? 0 : in->op == OP_BTS ? 1
                   : in->op == OP_BTR ? 2 : 3;

    flags_out(t, e, t->need[t->i]);
    emit_ea(t, in);
    if (home[num] >= 0) {
        e_mov_rr(e, H_T2, home[num]);
    } else {
        e_ld(e, H_T2, rm_env(t, num));
    }
    if (size == 2) {
        e8(e, 0x4d), e8(e, 0x0f), e8(e, 0xbf), e8(e, 0xdb); /* movsx r11w */
    } else if (size == 4) {
        e_op(e, 1, 0x63, H_T2, rm_reg(H_T2));
    }
    /* Units of the operand's size, in bytes. */
    e_shift(e, 1, 7, H_T2, size == 8 ? 6 : size == 4 ? 5 : 4);
    e_lea(e, t->m64, H_T1,
          rm_mem(H_T1, H_T2, size == 8 ? 3 : size == 4 ? 2 : 1, 0));
    emit_check(t, size, in->op != OP_BT);
    struct rm m = sum(t);
    if (home[num] >= 0) {
        e_mov_rr32(e, H_T2, home[num]);
    } else {
        e_ld32(e, H_T2, rm_env(t, num));
    }
    e_alui(e, 0, 4, rm_reg(H_T2), (int32_t)(8 * size - 1));
    (void)sel;
    flags_in(t);
    if (in->prefix & PFX_LOCK) {
        e8(e, 0xf0);
    }
    if (size == 2) {
        e8(e, 0x66);
    }
    e_op0f(e, size == 8, 0xa3 + 8 * which, H_T2, m);
    flags_set(t);
}

static void emit_cx8(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool wide = INSN_W64(in);

    flags_out(t, e, t->need[t->i]);
    emit_ea(t, in);
    emit_check(t, wide ? 16 : 8, true);
    flags_in(t);
    mark_flags(t);
    if (in->prefix & PFX_LOCK) {
        e8(e, 0xf0);
    }
    e_op0f(e, wide, 0xc7, 1, rm_host());
    flags_set(t);
}

static void emit_moffs(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool store = in->opnd[0] == OPND_MEM;
    unsigned size = in->opsize;

    flags_out(t, e, t->need[t->i]);
    e_imm(e, H_T1, t->m64 ? (uint64_t)in->imm : (uint32_t)in->imm);
    emit_check(t, size, store);
    if (size == 2) {
        e8(e, 0x66);
    }
    e_op(e, size == 8, (store ? 0x88 : 0x8a) | (size > 1), H_AX, rm_host());
}

/* A string instruction without REP, upwards. */
static void emit_string(struct tr *t, const struct insn *in)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;
    unsigned size = in->opsize, wide = size > 1, w = size == 8;
    bool load = in->op != OP_STOS, store = in->op != OP_LODS;

    flags_out(t, e, t->need[t->i]);
    e_op(e, 0, 0xf7, 0, rm_abs(&env->eflags_sys)), e32(e, FL_DF);
    e_fix(e_jcc(e, CC_NE), slow_stub(t));
    if (load) {
        e_lea(e, t->m64, H_T1, rm_mem(H_SI, -1, 0, 0));
        emit_check(t, size, false);
        if (size == 2) {
            e8(e, 0x66);
        }
        e_op(e, w, 0x8a | wide, store ? H_T1 : H_AX, rm_host());
        if (store) {
            e_st(e, H_T1, rm_abs(&env->jit_tmp[1]));
        }
    }
    if (store) {
        struct rm m = rm_host();
        int r = H_AX;

        e_lea(e, t->m64, H_T1, rm_mem(H_DI, -1, 0, 0));
        emit_check(t, size, true);
        if (load) {
            m = sum(t);
            e_ld(e, H_T2, rm_abs(&env->jit_tmp[1]));
            r = H_T2;
        }
        if (size == 2) {
            e8(e, 0x66);
        }
        e_op(e, w, 0x88 | wide, r, m);
        e_lea(e, t->m64, H_DI, rm_mem(H_DI, -1, 0, (int32_t)size));
    }
    if (load) {
        e_lea(e, t->m64, H_SI, rm_mem(H_SI, -1, 0, (int32_t)size));
    }
}

/* bitwise @n (1 or, 4 and) of a 32-bit field with @v; EFLAGS are lost. */
static void field_op(struct tr *t, unsigned n, const void *p, uint32_t v)
{
    e_op(&t->h, 0, 0x81, (int)n, rm_abs(p));
    e32(&t->h, v);
}

static void emit_swapgs(struct tr *t)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;

    e_ld(e, H_T1, rm_abs(&env->seg_base[R_GS]));
    e_ld(e, H_T2, rm_abs(&env->x.kernelgsbase));
    e_st(e, H_T1, rm_abs(&env->x.kernelgsbase));
    e_st(e, H_T2, rm_abs(&env->seg_base[R_GS]));
    e_st(e, H_T2, rm_abs(&env->x.seg[R_GS].base));
}

/* Interrupts that wait make STI a matter for the interpreter; else its
 * shadow is of no consequence: what comes later may come a bit later. */
static void emit_sti(struct tr *t)
{
    struct emit *e = &t->h;

    flags_out(t, e, t->need[t->i]);
    e_imm(e, H_T1, (uintptr_t)&t->env->cpu->parent.interrupt_request);
    e_op(e, 0, 0x83, 7, rm_mem(H_T1, -1, 0, 0)), e8(e, 0);
    e_fix(e_jcc(e, CC_NE), t->c.p);
    call_site(t, &t->c, new_site(t, SITE_LEAVE, 0), t->j->t_slow);
    field_op(t, 1, &t->env->eflags_sys, FL_IF);
}

static void emit_pushf(struct tr *t)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;

    flags_out(t, e, FL_ALL);
    e_op0f(e, 0, 0xb6, H_T1, rm_abs((uint8_t *)&env->flags_img));
    e_op0f(e, 0, 0xb6, H_T2, rm_abs((uint8_t *)&env->flags_img + 1));
    e_alui(e, 0, 4, rm_reg(H_T1), 1);
    e_shift(e, 0, 4, H_T1, 11);
    e_alui(e, 0, 4, rm_reg(H_T2), 0xd5);
    e_op(e, 0, 0x0b, H_T1, rm_reg(H_T2));
    e_ld32(e, H_T2, rm_abs(&env->eflags_sys));
    e_alui(e, 0, 4, rm_reg(H_T2), (int32_t)~(FL_VM | FL_RF));
    e_op(e, 0, 0x0b, H_T1, rm_reg(H_T2));
    e_st(e, H_T1, rm_abs(&env->jit_tmp[1]));
    push_check(t);
    struct rm m = sum(t);
    e_ld(e, H_T2, rm_abs(&env->jit_tmp[1]));
    e_op(e, t->m64, 0x89, H_T2, m);
    add_sp(t, t->m64 ? -8 : -4);
}

/* Only where the guest's counter is the host's plus an offset. */
static void emit_rdtsc(struct tr *t)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;

    flags_out(t, e, t->need[t->i]);
    if (t->key & KEY_USER) {
        e_op(e, 0, 0xf7, 0, rm_abs(&env->x.cr4)), e32(e, CR4_TSD);
        e_fix(e_jcc(e, CC_NE), slow_stub(t));
    }
    e8(e, 0x0f), e8(e, 0x31);
    e_shift(e, 1, 4, H_DX, 32);
    e_op(e, 1, 0x0b, H_AX, rm_reg(H_DX));
    e_op(e, 1, 0x03, H_AX, rm_abs(&env->tsc_offset));
    e_mov_rr(e, H_DX, H_AX);
    e_shift(e, 1, 5, H_DX, 32);
    e_mov_rr32(e, H_AX, H_AX);
}

/* AC changes the table of data accesses: the next block is another one. */
static void emit_stac(struct tr *t, const struct insn *in)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;
    bool set = in->op == OP_STAC;
    int mode = set ? MMU_KERNEL : MMU_KSMAP;
    uint32_t key = set ? t->key & ~KEY_KSMAP : t->key | KEY_KSMAP;

    flags_out(t, e, FL_ALL);
    field_op(t, set ? 1 : 4, &env->eflags_sys, set ? FL_AC : ~FL_AC);
    if (key != t->key) {
        e_op(e, 0, 0xc7, 0, rm_abs(&env->key)), e32(e, key);
        e_op(e, 0, 0xc6, 0, rm_abs(&env->mmu_idx)), e8(e, (unsigned)mode);
        e_op(e, 1, 0xc7, 0, rm_abs(&env->tlb_cur));
        e32(e, (uintptr_t)env->tlb[mode]);
        e_ld(e, H_T1, rm_abs(&env->jc_gen));
        e_op(e, 1, 0x81, 6, rm_reg(H_T1)), e32(e, key ^ t->key);
        e_st(e, H_T1, rm_abs(&env->jc_gen));
        /* Then exit_req, as everywhere where jc_key is set. */
        e_op(e, 1, 0x87, H_T1, rm_abs(&env->jc_key));
        poll(t, e, next_va(t, t->i), 0);
    }
    jump_const(t, e, next_va(t, t->i));
}

/*
 * Branches.
 */
static void push_next(struct tr *t)
{
    struct emit *e = &t->h;
    uint64_t va = next_va(t, t->i);

    push_check(t);
    if (!t->m64 || fits32((int64_t)va)) {
        e_op(e, t->m64, 0xc7, 0, rm_host());
        e32(e, va);
    } else {
        struct rm m = sum(t);
        e_imm(e, H_T2, va);
        e_st(e, H_T2, m);
    }
    add_sp(t, t->m64 ? -8 : -4);
}

/* The target of an indirect branch into T1. */
static void ind_target(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned num = OPND_NUM(in->opnd[0]);

    if (in->opnd[0] == OPND_MEM) {
        emit_ea(t, in);
        emit_check(t, t->m64 ? 8 : 4, false);
        e_op(e, t->m64, 0x8b, H_T1, rm_host());
    } else if (home[num] < 0) {
        e_ld(e, H_T1, rm_env(t, num));
    } else if (t->m64) {
        e_mov_rr(e, H_T1, home[num]);
    } else {
        e_mov_rr32(e, H_T1, home[num]);
    }
}

static void emit_jcc(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned cc = INSN_CC(in);
    uint64_t va = target_of(t, t->i);

    flags_in(t);
    int st = t->st;
    if ((va ^ t->jb->va) >> 12) {
        e_fix(e_jcc(e, cc), t->c.p);
        /* The stub area is written in order: take this part out of it. */
        struct emit part = t->c;
        flags_out(t, &part, FL_ALL);
        e_imm(&part, H_T1, va);
        e_ld(&part, H_T2, rm_abs(&t->env->jc_key));
        e_op(&part, 1, 0x33, H_T2, rm_reg(H_T1));
        struct jjce *c = &t->env->jjc[(va ^ va >> 8) & (JC_SIZE - 1)];
        e_op(&part, 1, 0x3b, H_T2, rm_abs(&c->tag));
        uint8_t *miss = e_jcc(&part, CC_NE);
        e_jmp_m(&part, rm_abs(&c->host));
        e_fix(miss, part.p);
        e_st(&part, H_T1, rm_abs(&t->env->rip));
        call_site(t, &part, new_site(t, SITE_IND, 0), t->j->t_ind);
        t->c = part;
    } else if (va <= va_of(t, t->i)) {
        uint8_t *over = e_jcc8(e, cc ^ 1);
        go(t, e, va);
        e_fix8(e, over);
    } else {
        link_to(t, e_jcc(e, cc), va);
    }
    t->st = st;
    if (t->st == ST_E && t->i + 1 < t->n && !t->need[t->i + 1]) {
        t->st = ST_DEAD;
    }
}

static void emit_branch(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t pop;
    uint8_t *skip, *skip2;

    switch (t->how[t->i]) {
    case HOW_JCC:
        emit_jcc(t, in);
        break;
    case HOW_JMP:
        go(t, e, target_of(t, t->i));
        break;
    case HOW_CALL:
        flags_out(t, e, t->need[t->i]);
        push_next(t);
        go(t, e, target_of(t, t->i));
        break;
    case HOW_RET:
        flags_out(t, e, FL_ALL);
        pop = (t->m64 ? 8 : 4) +
              (in->opnd[0] == OPND_NONE ? 0 : (int32_t)(in->imm & 0xffff));
        if (t->m64) {
            e_mov_rr(e, H_T1, H_GSP);
        } else {
            e_mov_rr32(e, H_T1, H_GSP);
        }
        emit_check(t, t->m64 ? 8 : 4, false);
        e_op(e, t->m64, 0x8b, H_T1, rm_host());
        add_sp(t, pop);
        jump_cache(t, e, pop);
        break;
    case HOW_JMPI:
        flags_out(t, e, FL_ALL);
        ind_target(t, in);
        jump_cache(t, e, 0);
        break;
    case HOW_CALLI:
        flags_out(t, e, FL_ALL);
        ind_target(t, in);
        e_st(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
        push_next(t);
        e_ld(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
        jump_cache(t, e, t->m64 ? -8 : -4);
        break;
    case HOW_LOOP:
        e_lea(e, t->m64, H_CX, rm_mem(H_CX, -1, 0, -1));
        e8(e, 0xe3), e8(e, 0);
        skip = e->p - 1;
        int st = t->st;
        go(t, e, target_of(t, t->i));
        t->st = st;
        e_fix8(e, skip);
        break;
    case HOW_JCXZ:
        if (!t->m64) {
            e8(e, 0x67);
        }
        e8(e, 0xe3), e8(e, 2);
        e8(e, 0xeb), e8(e, 0);
        skip2 = e->p - 1;
        st = t->st;
        go(t, e, target_of(t, t->i));
        t->st = st;
        e_fix8(e, skip2);
        break;
    default:
        break;
    }
}

static void emit_slow(struct tr *t, int kind)
{
    flags_out(t, &t->h, FL_ALL);
    call_site(t, &t->h, new_site(t, kind, 0), t->j->t_slow);
    t->st = ST_M;
}

static void emit_insn(struct tr *t)
{
    const struct insn *in = t->in[t->i];

    switch (t->how[t->i]) {
    case HOW_NOP:
        if (in->op == OP_PAUSE) {
            e8(&t->h, 0xf3), e8(&t->h, 0x90);
        }
        break;
    case HOW_COPY:
        emit_copy(t, in);
        break;
    case HOW_LEA:
        emit_lea(t, in);
        break;
    case HOW_PUSH:
    case HOW_PUSHI:
    case HOW_PUSHM:
    case HOW_POP: {
        unsigned n = t->how[t->i] == HOW_PUSHM ? 0 : stack_run(t);

        if (n > 1) {
            emit_stack_run(t, n);
        } else if (t->how[t->i] == HOW_POP) {
            emit_pop(t, in);
        } else {
            emit_push(t, in);
        }
        break;
    }
    case HOW_LEAVE_FRAME:
        emit_leave(t);
        break;
    case HOW_BT:
        emit_bt(t, in);
        break;
    case HOW_CX8:
        emit_cx8(t, in);
        break;
    case HOW_MOFFS:
        emit_moffs(t, in);
        break;
    case HOW_SWAPGS:
        emit_swapgs(t);
        break;
    case HOW_CLI:
        flags_out(t, &t->h, t->need[t->i]);
        field_op(t, 4, &t->env->eflags_sys, ~FL_IF);
        break;
    case HOW_STI:
        emit_sti(t);
        break;
    case HOW_PUSHF:
        emit_pushf(t);
        break;
    case HOW_RDTSC:
        emit_rdtsc(t);
        break;
    case HOW_CLD:
        flags_out(t, &t->h, t->need[t->i]);
        field_op(t, in->op == OP_STD ? 1 : 4, &t->env->eflags_sys,
                 in->op == OP_STD ? FL_DF : ~FL_DF);
        break;
    case HOW_STAC:
        emit_stac(t, in);
        break;
    case HOW_STRING:
        emit_string(t, in);
        break;
    case HOW_SLOW:
        emit_slow(t, SITE_INSN);
        break;
    case HOW_LEAVE:
        emit_slow(t, SITE_LEAVE);
        break;
    case HOW_SLOW_BRANCH:
        emit_slow(t, SITE_BRANCH);
        break;
    default:
        emit_branch(t, in);
    }
}

/* Is EFLAGS the better place for the flags that the block wants? */
static bool starts_in_e(struct tr *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        const struct insn *in = t->in[i];
        uint8_t r, k;

        if (t->how[i] == HOW_NOP || t->how[i] == HOW_LEA) {
            continue;
        }
        flag_use(in, t->how[i], &r, &k);
        if (t->how[i] == HOW_JCC) {
            return true;
        }
        if (t->how[i] != HOW_COPY) {
            return false;
        }
        for (int n = 0; n < 4; n++) {
            if (in->opnd[n] == OPND_MEM) {
                return false;
            }
        }
        if (r || writes_flags(in)) {
            return true;
        }
    }
    return false;
}

/* The vector or x87 registers, if they are not there. */
static void head_fp(struct tr *t)
{
    struct emit *e = &t->h;
    void *live = t->f ? &t->env->f_live : &t->env->v_live;
    const uint8_t *load = t->f ? t->j->t_load_f[t->v] : t->j->t_load_v[t->v];
    uint8_t *to, *back;
    bool keep = t->st == ST_E;

    if (keep) {
        e_mov_rr(e, H_T1, H_CX);
        e_op0f(e, 0, 0xb6, H_CX, rm_abs(live));
        e8(e, 0xe3), e8(e, 2);
        e8(e, 0xeb), e8(e, 5);
        to = e_jmp(e);
        back = e->p;
        e_mov_rr(e, H_CX, H_T1);
        e_fix(to, t->c.p);
        e_mov_rr(&t->c, H_CX, H_T1);
        save_flags(&t->c, t);
    } else {
        e_cmp8(e, rm_abs(live), 0);
        to = e_jcc(e, CC_E);
        back = e->p;
        e_fix(to, t->c.p);
    }
    e8(&t->c, 0xe8), e32(&t->c, 0);
    e_fix(t->c.p - 4, to_rw(t->j, load));
    if (keep) {
        load_flags(&t->c, t);
        e_mov_rr(&t->c, H_T1, H_CX);
    }
    e_jmp_to(&t->c, back);
}

bool jit_translate(struct jit *j, struct jblk *jb)
{
    static _Thread_local struct tr tr;
    struct tr *t = &tr;
    CPUX86State *env = j->env;

    memset(t, 0, offsetof(struct tr, in));
    t->j = j;
    t->env = env;
    t->jb = jb;
    t->n = 0;
    t->key = jb->b->key;
    t->m64 = t->key & KEY_L;
    t->v = t->f = 0;
    t->tlb = env->tlb[t->key & KEY_USER    ? MMU_USER
                      : t->key & KEY_KSMAP ? MMU_KSMAP
                                           : MMU_KERNEL];
    gather(t);
    analyse(t);
    unsigned useful = 0;
    for (unsigned i = 0; i < t->n; i++) {
        const struct x86_row *row = insn_row(t->in[i]);
        enum how how = t->how[i];

        useful += how != HOW_SLOW && how != HOW_LEAVE &&
                  how != HOW_SLOW_BRANCH;
        if (how == HOW_COPY && row->unit != UNIT_INT) {
            t->v = t->key & KEY_AVX ? 2 : 1;
            t->f |= row->unit == UNIT_X87 || row->unit == UNIT_MMX ||
                    row->unit == UNIT_WAIT;
        }
    }
    if (!useful && t->n > 1) {
        return false;
    }

    size_t n = t->n, need = ROUND_UP(n * (8 + 4 + 2), 16);
    uint8_t *mem = j->pool + j->pool_used;
    j->pool_used += need;
    jb->in = (const struct insn **)(void *)mem;
    jb->off = (uint32_t *)(void *)(mem + 8 * n);
    jb->pos = (uint16_t *)(void *)(mem + 12 * n);
    memcpy(jb->in, t->in, n * sizeof(*jb->in));
    memcpy(jb->pos, t->pos, n * sizeof(*jb->pos));
    jb->n = t->n;
    jb->v = t->v;
    jb->f = t->f;
    jb->fl_in = t->need[0];

    j->hot = ROUND_UP(j->hot, 16);
    jb->start = j->hot;
    jb->cold = j->cold;
    t->h.p = j->rw + j->hot;
    t->c.p = j->rw + j->cold;
    t->i = 0;

    const uint8_t *start = to_rx(j, t->h.p);
    if (!t->need[0]) {
        t->st = ST_DEAD;
        jb->e = jb->m = start;
    } else if (starts_in_e(t)) {
        t->st = ST_E;
        jb->e = start;
        jb->m = to_rx(j, t->c.p);
        load_flags(&t->c, t);
        e_jmp_to(&t->c, t->h.p);
    } else {
        t->st = ST_M;
        jb->m = start;
        jb->e = to_rx(j, t->c.p);
        save_flags(&t->c, t);
        e_jmp_to(&t->c, t->h.p);
    }
    if (t->v) {
        head_fp(t);
    }
    for (t->i = 0; t->i < t->n; t->i++) {
        jb->off[t->i] = (uint32_t)(t->h.p - (j->rw + jb->start));
        unsigned site = j->nsites;
        emit_insn(t);
        for (; site < j->nsites; site++) {
            j->sites[site].back = (uint32_t)(t->h.p - j->rw);
        }
    }
    t->i = t->n - 1;
    enum how last = t->how[t->i];
    if (last <= HOW_JCC || last == HOW_LOOP || last == HOW_JCXZ) {
        if (last != HOW_LEAVE) {
            go(t, &t->h, next_va(t, t->i));
        }
    }
    jb->end = (uint32_t)(t->h.p - j->rw);
    jb->cold_end = (uint32_t)(t->c.p - j->rw);
    j->hot = jb->end;
    j->cold = jb->cold_end;
    return true;
}
