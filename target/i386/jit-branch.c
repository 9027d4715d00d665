/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: branches.
 */
#include "osdep.h"
#include "jit-tr.h"

static void push_next(struct tr *t)
{
    struct emit *e = &t->h;
    uint64_t va = next_va(t, t->i);

    tr_push_check(t);
    if (!t->m64 || fits32((int64_t)va)) {
        e_op(e, t->m64, 0xc7, 0, rm_host());
        e32(e, va);
    } else {
        struct rm m = tr_sum(t);
        e_imm(e, H_T2, va);
        e_st(e, H_T2, m);
    }
    tr_add_sp(t, t->m64 ? -8 : -4);
}

/* The target of an indirect branch into T1. */
static void ind_target(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned num = OPND_NUM(in->opnd[0]);

    if (in->opnd[0] == OPND_MEM) {
        tr_ea(t, in);
        tr_check(t, t->m64 ? 8 : 4, false, tr_slot(in));
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

    tr_flags_in(t);
    int st = t->st;
    if ((va ^ t->jb->va) >> 12) {
        e_fix(e_jcc(e, cc), t->c.p);
        /* The stub area is written in order: take this part out of it. */
        struct emit part = t->c;
        tr_flags_out(t, &part, FL_ALL);
        e_imm(&part, H_T1, va);
        e_ld(&part, H_T2, rm_abs(&t->env->jc_key));
        e_op(&part, 1, 0x33, H_T2, rm_reg(H_T1));
        struct jjce *c = &t->env->jjc[(va ^ va >> 8) & (JC_SIZE - 1)];
        e_op(&part, 1, 0x3b, H_T2, rm_abs(&c->tag));
        uint8_t *miss = e_jcc(&part, CC_NE);
        e_jmp_m(&part, rm_abs(&c->host));
        e_fix(miss, part.p);
        e_st(&part, H_T1, rm_abs(&t->env->rip));
        tr_call_site(t, &part, tr_new_site(t, SITE_IND, 0), t->j->t_ind);
        t->c = part;
    } else if (va <= va_of(t, t->i)) {
        uint8_t *over = e_jcc8(e, cc ^ 1);
        tr_go(t, e, va);
        e_fix8(e, over);
    } else {
        tr_link_to(t, e_jcc(e, cc), va);
    }
    t->st = st;
    if (t->st == ST_E && t->i + 1 < t->n && !t->need[t->i + 1]) {
        t->st = ST_DEAD;
    }
}

void emit_branch(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t pop;
    uint8_t *skip, *skip2;

    switch (t->how[t->i]) {
    case HOW_JCC:
        emit_jcc(t, in);
        break;
    case HOW_JMP:
        tr_go(t, e, target_of(t, t->i));
        break;
    case HOW_CALL:
        tr_flags_out(t, e, t->need[t->i]);
        push_next(t);
        tr_go(t, e, target_of(t, t->i));
        break;
    case HOW_RET:
        tr_flags_out(t, e, FL_ALL);
        pop = (t->m64 ? 8 : 4) +
              (in->opnd[0] == OPND_NONE ? 0 : (int32_t)(in->imm & 0xffff));
        if (t->m64) {
            e_mov_rr(e, H_T1, H_GSP);
        } else {
            e_mov_rr32(e, H_T1, H_GSP);
        }
        tr_check(t, t->m64 ? 8 : 4, false, R_SP);
        e_op(e, t->m64, 0x8b, H_T1, rm_host());
        tr_add_sp(t, pop);
        tr_jump_cache(t, e, pop);
        break;
    case HOW_JMPI:
        tr_flags_out(t, e, FL_ALL);
        ind_target(t, in);
        tr_jump_cache(t, e, 0);
        break;
    case HOW_CALLI:
        tr_flags_out(t, e, FL_ALL);
        ind_target(t, in);
        e_st(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
        push_next(t);
        e_ld(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
        tr_jump_cache(t, e, t->m64 ? -8 : -4);
        break;
    case HOW_LOOP:
        e_lea(e, t->m64, H_CX, rm_mem(H_CX, -1, 0, -1));
        e8(e, 0xe3), e8(e, 0);
        skip = e->p - 1;
        int st = t->st;
        tr_go(t, e, target_of(t, t->i));
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
        tr_go(t, e, target_of(t, t->i));
        t->st = st;
        e_fix8(e, skip2);
        break;
    default:
        break;
    }
}
