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
 *     it computes no address of its own: can_copy() in jit-class.c lists
 *     what may.
 *  2. Segment prefixes are never copied.
 *
 * Flags: need[i] are those that instruction i or what follows reads before
 * they are set again.  st says where they are at the present point.
 */
#include "osdep.h"
#include "jit-tr.h"

/* The instructions: @b and the blocks that it falls through to. */
static void gather(struct tr *t)
{
    struct block *b = t->jb->b;
    unsigned base = 0;

    for (;;) {
        for (unsigned k = 0; k < b->n && t->n < JIT_MAX_INSNS; k++) {
            t->in[t->n] = &b->insn[k];
            t->pos[t->n] = base + INSN_POS(&b->insn[k]);
            t->how[t->n] = tr_classify(t, t->in[t->n]);
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
        if ((jit_off & JIT_NO_GATHER) || !nb || jit_find(nb, t->jb->va + base)) {
            return;
        }
        b = nb;
    }
}

static void analyse(struct tr *t)
{
    uint8_t after = FL_ALL, r, k;
    unsigned i = t->n;
    enum how last = t->how[t->n - 1];

    if (last <= HOW_JCC && last != HOW_LEAVE) {
        after = tr_needs_at(t, next_va(t, t->n - 1), 0);
    }
    while (i--) {
        enum how how = t->how[i];
        switch (how) {
        case HOW_JMP:
        case HOW_CALL:
            after = tr_needs_at(t, target_of(t, i), 0);
            break;
        case HOW_JCC:
            after |= tr_needs_at(t, target_of(t, i), 0);
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
        tr_flag_use(t->in[i], how, &r, &k);
        t->live[i] = jit_off & JIT_NO_DEAD ? FL_ALL : after;
        after = r | (t->live[i] & ~k);
        t->need[i] = jit_off & JIT_NO_DEAD ? FL_ALL : after;
    }
}

static void emit_slow(struct tr *t, int kind)
{
    tr_flags_out(t, &t->h, FL_ALL);
    tr_call_site(t, &t->h, tr_new_site(t, kind, 0), t->j->t_slow);
    t->st = ST_M;
}

static void emit_insn(struct tr *t)
{
    const struct insn *in = t->in[t->i];

    switch (t->how[t->i]) {
    case HOW_NOP:
        break;
    case HOW_COPY:
        emit_copy(t, in);
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
        if (t->how[t->i] >= HOW_JCC && t->how[t->i] != HOW_STAC) {
            emit_branch(t, in);
        } else {
            emit_special(t, in);
        }
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
        tr_flag_use(in, t->how[i], &r, &k);
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
        if (r || tr_writes_flags(in)) {
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
        tr_save_flags(&t->c, t);
    } else {
        e_cmp8(e, rm_abs(live), 0);
        to = e_jcc(e, CC_E);
        back = e->p;
        e_fix(to, t->c.p);
    }
    e8(&t->c, 0xe8), e32(&t->c, 0);
    e_fix(t->c.p - 4, to_rw(t->j, load));
    if (keep) {
        tr_load_flags(&t->c, t);
        e_mov_rr(&t->c, H_T1, H_CX);
    }
    e_jmp_to(&t->c, back);
}

/* Leaves if check_left is 0. */
static void head_lockstep(struct tr *t)
{
    struct emit *e = &t->h;
    uint8_t *ok, *out;

    e_mov_rr(e, H_T1, H_CX);
    e_ld32(e, H_CX, rm_abs(&t->env->check_left));
    e8(e, 0xe3), e8(e, 5); /* jrcxz over the jmp */
    ok = e_jmp(e);
    out = e_jmp(e);
    e_fix(ok, e->p);
    e_lea(e, 0, H_CX, rm_mem(H_CX, -1, 0, -1));
    e_op(e, 0, 0x89, H_CX, rm_abs(&t->env->check_left));
    e_mov_rr(e, H_CX, H_T1);
    e_fix(out, t->c.p);
    e_mov_rr(&t->c, H_CX, H_T1);
    if (t->st == ST_E) {
        tr_save_flags(&t->c, t);
    }
    e_imm(&t->c, H_T1, t->jb->va);
    e_st(&t->c, H_T1, rm_abs(&t->env->rip));
    e_op(&t->c, 0, 0xc7, 0, rm_abs(&t->env->check_head));
    e32(&t->c, (uint64_t)(t->jb - t->j->blks) + 1);
    e_jmp_to(&t->c, to_rw(t->j, t->j->t_leave));
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
    t->mode = t->key & KEY_USER ? MMU_USER
        : t->key & KEY_KSMAP    ? MMU_KSMAP
                                : MMU_KERNEL;
    t->tlb = env->tlb[t->mode];
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

    size_t n = t->n, need = ROUND_UP(n * (8 + 4 + 2 + 1), 16);
    uint8_t *mem = j->pool + j->pool_used;
    j->pool_used += need;
    jb->in = (const struct insn **)(void *)mem;
    jb->off = (uint32_t *)(void *)(mem + 8 * n);
    jb->pos = (uint16_t *)(void *)(mem + 12 * n);
    jb->how = mem + 14 * n;
    memcpy(jb->how, t->how, n);
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
        tr_load_flags(&t->c, t);
        e_jmp_to(&t->c, t->h.p);
    } else {
        t->st = ST_M;
        jb->m = start;
        jb->e = to_rx(j, t->c.p);
        tr_save_flags(&t->c, t);
        e_jmp_to(&t->c, t->h.p);
    }
    if (j->lockstep) {
        head_lockstep(t);
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
            tr_go(t, &t->h, next_va(t, t->i));
        }
    }
    jb->end = (uint32_t)(t->h.p - j->rw);
    jb->cold_end = (uint32_t)(t->c.p - j->rw);
    j->hot = jb->end;
    j->cold = jb->cold_end;
    return true;
}
