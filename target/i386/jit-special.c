/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: instructions with code of their own, but for branches.
 */
#include "osdep.h"
#include "jit-tr.h"

static void emit_lea(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    unsigned num = OPND_NUM(in->opnd[0]);
    int d = home[num] >= 0 && in->opsize > 2 ? home[num] : H_T1;
    int base, index;
    bool w = in->opsize == 8 && in->addrsize == 8;

    if (in->base == INSN_RIP) {
        uint64_t v = next_va(t, t->i) + (int64_t)in->disp;
        e_imm(e, d, w ? v : (uint32_t)v);
    } else {
        tr_mem_regs(t, in, &base, &index);
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

void tr_add_sp(struct tr *t, int32_t n)
{
    e_lea(&t->h, t->m64, H_GSP, rm_mem(H_GSP, -1, 0, n));
}

/* T1 + T2: the place for a push, checked. */
void tr_push_check(struct tr *t)
{
    unsigned size = t->m64 ? 8 : 4;

    e_lea(&t->h, t->m64, H_T1, rm_mem(H_GSP, -1, 0, -(int32_t)size));
    tr_check(t, size, true, R_SP);
}

static void emit_push(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;
    unsigned num = OPND_NUM(in->opnd[0]);

    tr_flags_out(t, e, t->need[t->i]);
    if (t->how[t->i] == HOW_PUSHM) {
        tr_ea(t, in);
        tr_check(t, (unsigned)size, false, tr_slot(in));
        e_op(e, t->m64, 0x8b, H_T1, rm_host());
        e_st(e, H_T1, rm_abs(&t->env->jit_tmp[1]));
    }
    if (PLANT(PLANT_PUSH_EARLY)) {
        tr_add_sp(t, -size);
        e_lea(e, t->m64, H_T1, rm_mem(H_GSP, -1, 0, 0));
        tr_check(t, (unsigned)size, true, R_SP);
        tr_add_sp(t, size);
    } else {
        tr_push_check(t);
    }
    if (t->how[t->i] == HOW_PUSHI) {
        e_op(e, t->m64, 0xc7, 0, rm_host());
        e32(e, (uint64_t)in->imm);
    } else if (t->how[t->i] == HOW_PUSH && home[num] >= 0) {
        e_op(e, t->m64, 0x89, home[num], rm_host());
    } else {
        struct rm m = tr_sum(t);
        e_ld(e, H_T2, t->how[t->i] == HOW_PUSHM ? rm_abs(&t->env->jit_tmp[1])
                                                : rm_env(t, num));
        e_op(e, t->m64, 0x89, H_T2, m);
    }
    tr_add_sp(t, -size);
}

static void emit_pop(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;
    unsigned num = OPND_NUM(in->opnd[0]);

    tr_flags_out(t, e, t->need[t->i]);
    if (t->m64) {
        e_mov_rr(e, H_T1, H_GSP);
    } else {
        e_mov_rr32(e, H_T1, H_GSP);
    }
    tr_check(t, (unsigned)size, false, R_SP);
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
    tr_add_sp(t, size);
}

/*
 * A run of pushes, or of pops with the RET behind them: one check for all.
 * If it fails, the first is interpreted and the rest is another block's.
 */
static unsigned stack_run(struct tr *t)
{
    bool pop = t->how[t->i] == HOW_POP;
    unsigned n = 0, max = jit_off & JIT_NO_RUNS ? 1 : 16;

    while (t->i + n < t->n && n < max) {
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

    tr_flags_out(t, e, ret ? FL_ALL : t->need[t->i]);
    t->group = true;
    e_lea(e, t->m64, H_T1, rm_mem(H_GSP, -1, 0, pop ? 0 : -all));
    tr_check(t, (unsigned)all, !pop, R_SP);
    t->group = false;
    tr_sum(t);
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
    tr_add_sp(t, pop ? all : -all);
    t->i += n - 1;
    if (ret) {
        tr_jump_cache(t, e, size + (t->in[t->i]->opnd[0] == OPND_NONE
                       ? 0 : (int32_t)(t->in[t->i]->imm & 0xffff)));
    }
}

static void emit_leave(struct tr *t)
{
    struct emit *e = &t->h;
    int32_t size = t->m64 ? 8 : 4;

    tr_flags_out(t, e, t->need[t->i]);
    if (t->m64) {
        e_mov_rr(e, H_T1, H_BP);
    } else {
        e_mov_rr32(e, H_T1, H_BP);
    }
    tr_check(t, (unsigned)size, false, R_BP);
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

    tr_flags_out(t, e, t->need[t->i]);
    tr_ea(t, in);
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
    tr_check(t, size, in->op != OP_BT, SLOTS);
    struct rm m = tr_sum(t);
    if (home[num] >= 0) {
        e_mov_rr32(e, H_T2, home[num]);
    } else {
        e_ld32(e, H_T2, rm_env(t, num));
    }
    e_alui(e, 0, 4, rm_reg(H_T2), (int32_t)(8 * size - 1));
    (void)sel;
    tr_flags_in(t);
    if (in->prefix & PFX_LOCK) {
        e8(e, 0xf0);
    }
    if (size == 2) {
        e8(e, 0x66);
    }
    e_op0f(e, size == 8, 0xa3 + 8 * which, H_T2, m);
    tr_flags_set(t);
}

static void emit_cx8(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool wide = INSN_W64(in);

    tr_flags_out(t, e, t->need[t->i]);
    tr_ea(t, in);
    tr_check(t, wide ? 16 : 8, true, tr_slot(in));
    tr_flags_in(t);
    tr_mark_flags(t);
    if (in->prefix & PFX_LOCK) {
        e8(e, 0xf0);
    }
    e_op0f(e, wide, 0xc7, 1, rm_host());
    tr_flags_set(t);
}

static void emit_moffs(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool store = in->opnd[0] == OPND_MEM;
    unsigned size = in->opsize;

    tr_flags_out(t, e, t->need[t->i]);
    e_imm(e, H_T1, t->m64 ? (uint64_t)in->imm : (uint32_t)in->imm);
    tr_check(t, size, store, SLOT_ABS);
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

    tr_flags_out(t, e, t->need[t->i]);
    e_op(e, 0, 0xf7, 0, rm_abs(&env->eflags_sys)), e32(e, FL_DF);
    e_fix(e_jcc(e, CC_NE), tr_slow_stub(t));
    if (load) {
        e_lea(e, t->m64, H_T1, rm_mem(H_SI, -1, 0, 0));
        tr_check(t, size, false, R_SI);
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
        tr_check(t, size, true, R_DI);
        if (load) {
            m = tr_sum(t);
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

    tr_flags_out(t, e, t->need[t->i]);
    e_imm(e, H_T1, (uintptr_t)&t->env->cpu->parent.interrupt_request);
    e_op(e, 0, 0x83, 7, rm_mem(H_T1, -1, 0, 0)), e8(e, 0);
    e_fix(e_jcc(e, CC_NE), t->c.p);
    tr_call_site(t, &t->c, tr_new_site(t, SITE_LEAVE, 0), t->j->t_slow);
    field_op(t, 1, &t->env->eflags_sys, FL_IF);
}

static void emit_pushf(struct tr *t)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;

    tr_flags_out(t, e, FL_ALL);
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
    tr_push_check(t);
    struct rm m = tr_sum(t);
    e_ld(e, H_T2, rm_abs(&env->jit_tmp[1]));
    e_op(e, t->m64, 0x89, H_T2, m);
    tr_add_sp(t, t->m64 ? -8 : -4);
}

/* Only where the guest's counter is the host's plus an offset. */
static void emit_rdtsc(struct tr *t)
{
    CPUX86State *env = t->env;
    struct emit *e = &t->h;

    tr_flags_out(t, e, t->need[t->i]);
    if (t->key & KEY_USER) {
        e_op(e, 0, 0xf7, 0, rm_abs(&env->x.cr4)), e32(e, CR4_TSD);
        e_fix(e_jcc(e, CC_NE), tr_slow_stub(t));
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

    tr_flags_out(t, e, FL_ALL);
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
        tr_poll(t, e, next_va(t, t->i), 0);
    }
    tr_jump_const(t, e, next_va(t, t->i));
}

void emit_special(struct tr *t, const struct insn *in)
{
    switch (t->how[t->i]) {
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
        tr_flags_out(t, &t->h, t->need[t->i]);
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
        tr_flags_out(t, &t->h, t->need[t->i]);
        field_op(t, in->op == OP_STD ? 1 : 4, &t->env->eflags_sys,
                 in->op == OP_STD ? FL_DF : ~FL_DF);
        break;
    case HOW_STAC:
        emit_stac(t, in);
        break;
    case HOW_STRING:
        emit_string(t, in);
        break;
    default:
        g_assert_not_reached();
    }
}
