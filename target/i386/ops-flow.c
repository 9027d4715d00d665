/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions, decimal arithmetic, flags, stack, branches, segments and
 * software interrupts.
 */
#include "osdep.h"
#include "ops-int.h"

/*
 * Conversions, decimal, flags.
 */
void op_cbw(Env *env, In in)
{
    reg_set(env, R_AX, sext(env->regs[R_AX], in->opsize / 2), in->opsize);
}

void op_cwd(Env *env, In in)
{
    reg_set(env, R_DX, sext(env->regs[R_AX], in->opsize) >> 63, in->opsize);
}

void op_daa(Env *env, In in)
{
    uint32_t fl = x86_cc_get(env), out = 0;
    unsigned al = env->regs[R_AX] & 0xff, old = al;
    bool sub = in->op == OP_DAS;

    if ((al & 15) > 9 || (fl & FL_AF)) {
        if (sub ? al < 6 : al > 0xf9) {
            out |= FL_CF;
        }
        al = sub ? al - 6 : al + 6;
        out |= FL_AF;
        out |= fl & FL_CF;
    } else {
        out |= 0;
    }
    if (old > 0x99 || (fl & FL_CF)) {
        al = sub ? al - 0x60 : al + 0x60;
        out |= FL_CF;
    } else if (!sub) {
        out &= ~FL_CF;
    }
    reg_set(env, R_AX, al, 1);
    flags_logic(env, al, 1);
    flags_set(env, FL_CF | FL_AF, out);
}

void op_aaa(Env *env, In in)
{
    bool adj = (env->regs[R_AX] & 15) > 9 || (x86_cc_get(env) & FL_AF);
    unsigned ax = env->regs[R_AX] & 0xffff;

    if (adj) {
        ax = in->op == OP_AAA ? ax + 0x106 : ax - 0x106;
    }
    ax &= 0xff0f;
    reg_set(env, R_AX, ax, 2);
    flags_logic(env, ax, 1);
    flags_set(env, FL_CF | FL_AF, adj ? FL_CF | FL_AF : 0);
}

void op_aam(Env *env, In in)
{
    unsigned base = in->imm & 0xff, al = env->regs[R_AX] & 0xff;

    if (!base) {
        x86_raise(env, EXCP_DE);
    }
    reg_set(env, R_AX, (al / base) << 8 | al % base, 2);
    flags_logic(env, al % base, 1);
}

void op_aad(Env *env, In in)
{
    unsigned ax = env->regs[R_AX] & 0xffff;
    unsigned al = ((ax >> 8) * (in->imm & 0xff) + (ax & 0xff)) & 0xff;

    reg_set(env, R_AX, al, 2);
    flags_logic(env, al, 1);
}

void op_salc(Env *env, In in)
{
    reg_set(env, R_AX, cf(env) ? 0xff : 0, 1);
}

void op_flag(Env *env, In in)
{
    switch (in->op) {
    case OP_CMC:
        flags_set(env, FL_CF, ~x86_cc_get(env));
        break;
    case OP_CLC:
        flags_set(env, FL_CF, 0);
        break;
    case OP_STC:
        flags_set(env, FL_CF, FL_CF);
        break;
    case OP_CLD:
        env->eflags_sys &= ~FL_DF;
        break;
    case OP_STD:
        env->eflags_sys |= FL_DF;
        break;
    }
}

void op_lahf(Env *env, In in)
{
    uint32_t m = FL_SF | FL_ZF | FL_AF | FL_PF | FL_CF;

    if (in->op == OP_LAHF) {
        env->regs[R_AX] = (env->regs[R_AX] & ~UINT64_C(0xff00)) |
                          ((x86_cc_get(env) & m) | FL_1) << 8;
    } else {
        flags_set(env, m, env->regs[R_AX] >> 8);
    }
}

static unsigned iopl(Env *env)
{
    return env->eflags_sys >> 12 & 3;
}

static bool vm86(Env *env)
{
    return env->eflags_sys & FL_VM;
}

void op_pushf(Env *env, In in)
{
    uint32_t fl = x86_eflags(env) & ~(FL_VM | FL_RF);

    if (vm86(env) && iopl(env) < 3) {
        if (!(env->x.cr4 & CR4_VME) || in->opsize != 2) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        fl = (fl & ~FL_IF) | FL_IOPL | (fl & FL_VIF ? FL_IF : 0);
    }
    x86_push(env, fl, in->opsize);
}

void op_popf(Env *env, In in)
{
    uint32_t mask = FL_ARITH | FL_TF | FL_DF | FL_NT, fl;
    uint32_t old = x86_eflags(env);

    if (in->opsize != 2) {
        mask |= FL_AC | FL_ID;
    }
    fl = x86_pop_peek(env, in->opsize, 0);
    if (vm86(env) && iopl(env) < 3) {
        if (!(env->x.cr4 & CR4_VME) || in->opsize != 2 || (fl & FL_TF) ||
            ((fl & FL_IF) && (old & FL_VIP))) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        mask |= FL_VIF;
        fl |= fl & FL_IF ? FL_VIF : 0;
    } else {
        if (env->cpl == 0) {
            mask |= FL_IOPL;
        }
        if (env->cpl <= iopl(env)) {
            mask |= FL_IF;
        }
    }
    x86_sp_add(env, in->opsize);
    x86_set_eflags(env, (old & ~(mask | FL_RF)) | (fl & mask));
    if (in->opsize != 2) {
        env->eflags_sys &= ~FL_RF;
    }
    x86_update_mode(env);
}

void op_cli(Env *env, In in)
{
    bool set = in->op == OP_STI;

    if (!(env->x.cr0 & CR0_PE) || env->cpl <= iopl(env)) {
        if (set && !(env->eflags_sys & FL_IF)) {
            env->x.shadow |= 1;
        }
        env->eflags_sys = (env->eflags_sys & ~FL_IF) | (set ? FL_IF : 0);
        return;
    }
    bool virt = vm86(env) ? env->x.cr4 & CR4_VME
                          : (env->x.cr4 & CR4_PVI) && env->cpl == 3;
    if (!virt || (set && (env->eflags_sys & FL_VIP))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->eflags_sys = (env->eflags_sys & ~FL_VIF) | (set ? FL_VIF : 0);
}

/*
 * Stack.
 */
void op_push(Env *env, In in)
{
    uint64_t v = OPND_FILE(in->opnd[0]) == OPND_IMM ? (uint64_t)in->imm
                                                    : rd(env, in, 0);

    x86_push(env, v, in->opsize);
}

void op_pop(Env *env, In in)
{
    uint64_t v = x86_pop_peek(env, in->opsize, 0);

    switch (OPND_FILE(in->opnd[0])) {
    case OPND_GPR:
        x86_sp_add(env, in->opsize);
        reg_set(env, OPND_NUM(in->opnd[0]), v, in->opsize);
        break;
    case OPND_SEG:
        x86_load_seg(env, OPND_NUM(in->opnd[0]), v);
        x86_sp_add(env, in->opsize);
        if (OPND_NUM(in->opnd[0]) == R_SS) {
            env->x.shadow |= 2;
        }
        break;
    default: {
        /* The address uses the raised SP; a fault puts it back. */
        uint64_t sp = env->regs[R_SP];
        x86_sp_add(env, in->opsize);
        uint64_t up = env->regs[R_SP];
        vaddr lin;
        uint64_t ea = x86_insn_ea(env, in);
        env->regs[R_SP] = sp;
        lin = x86_ea_lin(env, in, ea, in->opsize, true);
        stn(env, lin, v, in->opsize);
        env->regs[R_SP] = up;
    }
    }
}

void op_pusha(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t sp = env->regs[R_SP], v[8];

    for (int i = 0; i < 8; i++) {
        v[i] = env->regs[i];
    }
    uint64_t m = env->x.seg[R_SS].attr & SEG_DB ? UINT32_MAX : 0xffff;
    for (int i = 1; i <= 8; i++) {
        x86_probe(env, x86_seg_lin(env, R_SS, (sp - i * size) & m, size, true),
                  size, true);
    }
    for (int i = 0; i < 8; i++) {
        x86_push(env, v[i], size);
    }
}

void op_popa(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t v[8];

    for (int i = 0; i < 8; i++) {
        v[7 - i] = x86_pop_peek(env, size, i * size);
    }
    x86_sp_add(env, 8 * size);
    for (int i = 0; i < 8; i++) {
        if (i != R_SP) {
            reg_set(env, i, v[i], size);
        }
    }
}

void op_enter(Env *env, In in)
{
    unsigned size = in->opsize;
    unsigned alloc = in->imm & 0xffff, level = in->imm >> 16 & 31;
    uint64_t sp0 = env->regs[R_SP], bp = env->regs[R_BP], frame;
    uint64_t m = env->code64 ? ~UINT64_C(0)
        : env->x.seg[R_SS].attr & SEG_DB ? UINT32_MAX : 0xffff;
    uint64_t sp = sp0;

#define PUSH(v) \
    do { \
        sp = (sp & ~m) | ((sp - size) & m); \
        stn(env, x86_seg_lin(env, R_SS, sp & m, size, true), (v), size); \
    } while (0)
    PUSH(bp);
    frame = sp;
    if (level) {
        for (unsigned i = 1; i < level; i++) {
            uint64_t at = (bp - i * size) & m;
            PUSH(ldn(env, x86_seg_lin(env, R_SS, at, size, false), size));
        }
        PUSH(frame);
    }
#undef PUSH
    sp = (sp & ~m) | ((sp - alloc) & m);
    /* The new top must be writable. */
    x86_probe(env, x86_seg_lin(env, R_SS, sp & m, 1, true), 1, true);
    reg_set(env, R_BP, frame, size);
    env->regs[R_SP] = m == UINT32_MAX ? (uint32_t)sp : sp;
}

void op_leave(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t m = env->code64 ? ~UINT64_C(0)
        : env->x.seg[R_SS].attr & SEG_DB ? UINT32_MAX : 0xffff;
    uint64_t sp = env->regs[R_BP] & m;
    uint64_t v = ldn(env, x86_seg_lin(env, R_SS, sp, size, false), size);

    sp = (sp + size) & m;
    env->regs[R_SP] = m == 0xffff ? (env->regs[R_SP] & ~m) | sp : sp;
    reg_set(env, R_BP, v, size);
}

/*
 * Branches (the forms interp.c does not do itself).
 */
static void jump(Env *env, In in, uint64_t ip)
{
    if (in->opsize == 2) {
        ip &= 0xffff;
    } else if (!env->code64) {
        ip = (uint32_t)ip;
    } else if ((uint64_t)((int64_t)ip >> 47) + 1 > 1) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (!env->code64 && ip > env->x.seg[R_CS].limit) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->rip = ip;
}

void op_jcc(Env *env, In in)
{
    if (x86_cond(env, INSN_CC(in))) {
        jump(env, in, x86_next_rip(env) + in->imm);
    }
}

void op_loop(Env *env, In in)
{
    unsigned asz = in->addrsize;
    uint64_t m = mask_of(asz), n = env->regs[R_CX] & m;
    bool take;

    if (in->op == OP_JCXZ) {
        take = n == 0;
    } else {
        n = (n - 1) & m;
        take = n != 0;
        if (in->op != OP_LOOP) {
            bool zf = x86_cc_get(env) & FL_ZF;
            take = take && zf == (in->op == OP_LOOPE);
        }
    }
    if (take) {
        jump(env, in, x86_next_rip(env) + in->imm);
    }
    if (in->op != OP_JCXZ) {
        reg_set(env, R_CX, n, asz);
    }
}

void op_jmp(Env *env, In in)
{
    jump(env, in, x86_next_rip(env) + in->imm);
}

void op_jmp_ind(Env *env, In in)
{
    jump(env, in, rd(env, in, 0));
}

void op_call(Env *env, In in)
{
    uint64_t next = x86_next_rip(env);

    jump(env, in, in->op == OP_CALL ? next + in->imm : rd(env, in, 0));
    x86_push(env, next, in->opsize);
}

void op_ret(Env *env, In in)
{
    uint64_t ip = x86_pop_peek(env, in->opsize, 0);

    jump(env, in, ip);
    x86_sp_add(env, in->opsize + (OPND_FILE(in->opnd[0]) == OPND_IMM
                                      ? (uint64_t)in->imm & 0xffff : 0));
}

void op_setcc(Env *env, In in)
{
    wr(env, in, 0, x86_cond(env, INSN_CC(in)));
}

void op_cmov(Env *env, In in)
{
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, x86_cond(env, INSN_CC(in)) ? v : rd(env, in, 0));
}

/*
 * Segments and far transfers.
 */
void op_mov_seg(Env *env, In in)
{
    uint16_t sel = env->x.seg[OPND_NUM(in->opnd[1])].sel;

    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), sel, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), sel, in->opsize);
    }
}

void op_mov_to_seg(Env *env, In in)
{
    int seg = OPND_NUM(in->opnd[0]);

    if (seg == R_CS) {
        x86_raise(env, EXCP_UD);
    }
    x86_load_seg(env, seg, rd(env, in, 1));
    if (seg == R_SS) {
        env->x.shadow |= 2;
    }
}

static uint64_t far_ptr(Env *env, In in, uint16_t *sel)
{
    unsigned size = in->opsize;
    vaddr lin = x86_insn_lin(env, in, size + 2, false);
    uint64_t off = ldn(env, lin, size);

    *sel = x86_ld16(env, (lin + size) & env->a_mask);
    return off;
}

void op_lds(Env *env, In in)
{
    int seg = in->op == OP_LES ? R_ES : in->op == OP_LDS ? R_DS
            : in->op == OP_LSS ? R_SS : in->op == OP_LFS ? R_FS : R_GS;
    uint16_t sel;
    uint64_t off = far_ptr(env, in, &sel);

    x86_load_seg(env, seg, sel);
    reg_set(env, OPND_NUM(in->opnd[0]), off, in->opsize);
}

void op_far(Env *env, In in)
{
    uint16_t sel;
    uint64_t off;

    switch (in->op) {
    case OP_JMPF:
        x86_far_jmp(env, in->disp, in->imm, in->opsize);
        break;
    case OP_CALLF:
        x86_far_call(env, in->disp, in->imm, in->opsize);
        break;
    case OP_JMPF_IND:
        off = far_ptr(env, in, &sel);
        x86_far_jmp(env, sel, off, in->opsize);
        break;
    case OP_CALLF_IND:
        off = far_ptr(env, in, &sel);
        x86_far_call(env, sel, off, in->opsize);
        break;
    case OP_RETF:
        x86_far_ret(env, in->opsize, OPND_FILE(in->opnd[0]) == OPND_IMM
                                         ? in->imm & 0xffff : 0);
        break;
    case OP_IRET:
        x86_iret(env, in->opsize);
        break;
    case OP_SYSCALL:
        x86_syscall(env);
        break;
    case OP_SYSRET:
        x86_sysret(env, in->opsize);
        break;
    case OP_SYSENTER:
        x86_sysenter(env);
        break;
    case OP_SYSEXIT:
        x86_sysexit(env, in->opsize);
        break;
    }
}

void op_int(Env *env, In in)
{
    switch (in->op) {
    case OP_INT:
        x86_software_int(env, in->imm & 0xff, INT_SOFT);
        break;
    case OP_INT3:
        x86_software_int(env, EXCP_BP, INT_INT3);
        break;
    case OP_INT1:
        /* Takes what a load of SS held back along. */
        env->x.dr[6] |= env->x.pending_db;
        env->x.pending_db = 0;
        x86_interrupt(env, EXCP_DB, INT_INT1, false, 0, x86_next_rip(env));
        break;
    case OP_INTO:
        if (x86_cc_get(env) & FL_OF) {
            x86_software_int(env, EXCP_OF, INT_INTO);
        }
        break;
    }
}

void op_bound(Env *env, In in)
{
    unsigned size = in->opsize;
    vaddr lin = x86_insn_lin(env, in, 2 * size, false);
    int64_t v = sext(rd(env, in, 0), size);

    if (v < sext(ldn(env, lin, size), size) ||
        v > sext(ldn(env, (lin + size) & env->a_mask, size), size)) {
        x86_raise(env, EXCP_BR);
    }
}

void op_arpl(Env *env, In in)
{
    uint16_t a = rd(env, in, 0), b = rd(env, in, 1);
    bool low = (a & 3) < (b & 3);

    if (low) {
        wr(env, in, 0, (a & ~3) | (b & 3));
    }
    flags_set(env, FL_ZF, low ? FL_ZF : 0);
}

void op_xlat(Env *env, In in)
{
    uint64_t off = env->regs[R_BX] + (env->regs[R_AX] & 0xff);

    vaddr lin = x86_ea_lin(env, in, off & mask_of(in->addrsize), 1, false);
    reg_set(env, R_AX, x86_ld8(env, lin), 1);
}
