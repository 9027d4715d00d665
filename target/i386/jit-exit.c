/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: flags between EFLAGS and the image, and the ways out: to other
 * translations, to the interpreter, to the dispatcher.
 */
#include "osdep.h"
#include "jit-tr.h"

/*
 * Flag states.
 */
void tr_save_flags(struct emit *e, const struct tr *t)
{
    e_mov_rr(e, H_T1, H_AX);
    e8(e, 0x9f);                         /* lahf */
    e_op0f(e, 0, 0x90, 0, rm_reg(H_AX)); /* seto %al */
    e8(e, 0x66);
    e_op(e, 0, 0x89, H_AX, rm_abs(&t->env->flags_img));
    e_mov_rr(e, H_AX, H_T1);
}

/* Keeps T1 and T2. */
void tr_load_flags(struct emit *e, const struct tr *t)
{
    e_st(e, H_AX, rm_abs(&t->env->jit_tmp[0]));
    e_op0f(e, 0, 0xb7, H_AX, rm_abs(&t->env->flags_img));
    if (!PLANT(PLANT_LOAD_OF)) {
        e8(e, 0x04), e8(e, 0x7f);        /* add $0x7f,%al */
    }
    e8(e, 0x9e);                         /* sahf */
    e_ld(e, H_AX, rm_abs(&t->env->jit_tmp[0]));
}

/* EFLAGS are about to be lost; T1 too. */
void tr_flags_out(struct tr *t, struct emit *e, uint8_t wanted)
{
    if (t->st == ST_E) {
        if (wanted && !(PLANT(PLANT_SAVE_CF) && wanted == FL_C)) {
            tr_save_flags(e, t);
            t->st = ST_M;
        } else {
            t->st = ST_DEAD;
        }
    }
}

/* Before the instruction's own code: what it reads or keeps. */
void tr_flags_in(struct tr *t)
{
    const struct insn *in = t->in[t->i];
    uint8_t r, k;

    tr_flag_use(in, t->how[t->i], &r, &k);
    if (tr_writes_flags(in)) {
        r |= t->live[t->i] & ~k;
    }
    if (r && t->st == ST_M) {
        tr_load_flags(&t->h, t);
        t->st = ST_E;
    }
}

/* For host faults: where the flags are when the copy runs. */
void tr_mark_flags(struct tr *t)
{
    if (t->st == ST_E) {
        t->jb->off[t->i] |= JIT_OFF_E;
    }
}

void tr_flags_set(struct tr *t)
{
    if (tr_writes_flags(t->in[t->i])) {
        t->st = t->live[t->i] ? ST_E : ST_DEAD;
    }
}

/*
 * Ways out.
 */
uint32_t tr_new_site(struct tr *t, int kind, uint64_t va)
{
    struct jit *j = t->j;

    j->sites[j->nsites] = (struct jsite){
        .jb = t->jb, .insn = t->i, .kind = kind, .va = va,
        .fl = t->st == ST_DEAD ? 0
              : kind == SITE_LINK_E || kind == SITE_LINK_M || kind == SITE_IND
              ? t->live[t->i] : t->need[t->i],
    };
    return j->nsites++;
}

void tr_call_site(struct tr *t, struct emit *e, uint32_t site,
                      const uint8_t *thunk)
{
    e8(e, 0x41), e8(e, 0xb8 | (H_T2 & 7));
    e32(e, site);
    e_jmp_to(e, to_rw(t->j, thunk));
}

/* A stub that interprets instruction i; returns where to jump. */
uint8_t *tr_slow_stub(struct tr *t)
{
    uint8_t *at = t->c.p;
    int kind = t->how[t->i] >= HOW_JCC ? SITE_BRANCH : SITE_INSN;

    tr_call_site(t, &t->c, tr_new_site(t, kind, 0), t->j->t_slow);
    return at;
}

/* A chain site whose distance is at @at; the stub is returned. */
static uint8_t *link_stub(struct tr *t, uint8_t *at, uint64_t va)
{
    uint8_t *stub = t->c.p;
    uint32_t s = tr_new_site(t, t->st == ST_E ? SITE_LINK_E : SITE_LINK_M, va);

    t->j->sites[s].patch = (uint32_t)(at - t->j->rw);
    tr_call_site(t, &t->c, s, t->st == ST_E ? t->j->t_link_e : t->j->t_link_m);
    return stub;
}

/* Sets the distance at @at: to the translation of @va if there is one. */
void tr_link_to(struct tr *t, uint8_t *at, uint64_t va)
{
    struct jblk *to = NULL;

    if (va == t->jb->va && t->jb->e) {
        to = t->jb;
    } else {
        struct block *b = block_peek(t->env, t->jb->ram_page | (va & 0xfff),
                                     t->key);
        to = b ? jit_find(b, va) : NULL;
    }
    if (to && !(jit_off & JIT_NO_CHAIN)) {
        e_fix(at, to_rw(t->j, (t->st == ST_E) != PLANT(PLANT_CHAIN_ENTRY)
                                  ? to->e : to->m));
    } else {
        e_fix(at, link_stub(t, at, va));
    }
}

/* Jump cache, target in T1, flags in the image. */
void tr_jump_cache(struct tr *t, struct emit *e, int32_t pop)
{
    CPUX86State *env = t->env;
    uint32_t s = tr_new_site(t, SITE_IND, 0);

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
    tr_call_site(t, &t->c, s, t->j->t_ind);
}

/* The same with a constant target. */
void tr_jump_const(struct tr *t, struct emit *e, uint64_t va)
{
    CPUX86State *env = t->env;
    struct jjce *c = &env->jjc[(va ^ va >> 8) & (JC_SIZE - 1)];
    uint32_t s = tr_new_site(t, SITE_IND, 0);

    e_imm(e, H_T1, va);
    e_ld(e, H_T2, rm_abs(&env->jc_key));
    e_op(e, 1, 0x33, H_T2, rm_reg(H_T1));
    e_op(e, 1, 0x3b, H_T2, rm_abs(&c->tag));
    uint8_t *miss = e_jcc(e, CC_NE);
    e_jmp_m(e, rm_abs(&c->host));
    e_fix(miss, t->c.p);
    e_st(&t->c, H_T1, rm_abs(&env->rip));
    tr_call_site(t, &t->c, s, t->j->t_ind);
}

/* Leaves if somebody asked; at @va then.  Keeps flags that are wanted. */
void tr_poll(struct tr *t, struct emit *e, uint64_t va, uint8_t wanted)
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
        tr_save_flags(&t->c, t);
    }
    e_imm(&t->c, H_T1, va);
    e_st(&t->c, H_T1, rm_abs(&t->env->rip));
    e_jmp_to(&t->c, to_rw(t->j, t->j->t_leave));
}

/* To @va from here, by @e; the state afterwards means nothing. */
void tr_go(struct tr *t, struct emit *e, uint64_t va)
{
    if ((va ^ t->jb->va) >> 12) {
        tr_flags_out(t, e, FL_ALL);
        tr_jump_const(t, e, va);
        return;
    }
    if (va <= va_of(t, t->i)) {
        uint8_t wanted = tr_needs_at(t, va, 0);
        tr_poll(t, e, va, wanted);
        if (t->st == ST_E && !wanted) {
            t->st = ST_DEAD;
        }
    }
    tr_link_to(t, e_jmp(e), va);
}

const uint8_t *jit_jump_stub(struct jit *j, struct jblk *jb, uint64_t va,
                             bool in_e)
{
    struct tr t = { .j = j, .env = j->env, .jb = jb };

    if (j->cold + 256 > j->cold_end || j->nsites == j->max_sites) {
        return NULL;
    }
    t.c.p = j->rw + j->cold;
    if (in_e) {
        tr_save_flags(&t.c, &t);
    }
    tr_jump_const(&t, &t.c, va);
    const uint8_t *stub = j->rx + j->cold;
    j->cold = (uint32_t)(t.c.p - j->rw);
    return stub;
}
