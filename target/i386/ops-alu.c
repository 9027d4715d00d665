/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic, logic, moves and exchanges.
 */
#include "osdep.h"
#include "ops-int.h"

void op_add(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_add, b, 0, LOCKED(in));

    flags_arith(env, CC_ADD, a, b, a + b, size);
}

void op_adc(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t c = cf(env), b = rd(env, in, 1);
    uint64_t a = rmw(env, in, f_add, b, c, LOCKED(in));

    flags_arith(env, CC_ADC, a, b, a + b + c, size);
}

void op_sub(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_sub, b, 0, LOCKED(in));

    flags_arith(env, CC_SUB, a, b, a - b, size);
}

void op_sbb(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t c = cf(env), b = rd(env, in, 1);
    uint64_t a = rmw(env, in, f_sub, b, c, LOCKED(in));

    flags_arith(env, CC_SBB, a, b, a - b - c, size);
}

void op_cmp(Env *env, In in)
{
    uint64_t a = rd(env, in, 0), b = rd(env, in, 1);

    flags_arith(env, CC_SUB, a, b, a - b, insn_opnd_size(in, 0));
}

void op_and(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_and, b, 0, LOCKED(in));

    flags_logic(env, a & b, insn_opnd_size(in, 0));
}

void op_or(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_or, b, 0, LOCKED(in));

    flags_logic(env, a | b, insn_opnd_size(in, 0));
}

void op_xor(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_xor, b, 0, LOCKED(in));

    flags_logic(env, a ^ b, insn_opnd_size(in, 0));
}

void op_test(Env *env, In in)
{
    flags_logic(env, rd(env, in, 0) & rd(env, in, 1), insn_opnd_size(in, 0));
}

void op_not(Env *env, In in)
{
    rmw(env, in, f_not, 0, 0, LOCKED(in));
}

void op_neg(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_neg, 0, 0, LOCKED(in));

    flags_arith(env, CC_SUB, 0, a, -a, insn_opnd_size(in, 0));
}

void op_inc(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_add, 1, 0, LOCKED(in));
    bool c = cf(env);

    flags_arith(env, CC_INC, a, 0, a + 1, insn_opnd_size(in, 0));
    env->cc_b = c;
}

void op_dec(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_sub, 1, 0, LOCKED(in));
    bool c = cf(env);

    flags_arith(env, CC_DEC, a, 0, a - 1, insn_opnd_size(in, 0));
    env->cc_b = c;
}

void op_mov(Env *env, In in)
{
    wr(env, in, 0, rd(env, in, 1));
}

void op_movsx(Env *env, In in)
{
    wr(env, in, 0, sext(rd(env, in, 1), insn_opnd_size(in, 1)));
}

void op_movabs(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t off = in->imm;
    bool load = OPND_FILE(in->opnd[0]) == OPND_GPR;

    if (in->addrsize == 4) {
        off = (uint32_t)off;
    } else if (in->addrsize == 2) {
        off &= 0xffff;
    }
    vaddr lin = x86_ea_lin(env, in, off, size, !load);
    if (env->code64 && in->seg >= R_FS) {
        lin = env->seg_base[in->seg] + off;
    }
    if (load) {
        reg_set(env, R_AX, ldn(env, lin, size), size);
    } else {
        stn(env, lin, env->regs[R_AX], size);
    }
}

void op_movbe(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, __builtin_bswap64(v) >> (64 - 8 * size));
}

/* 64 bytes from operand 1, whose faults come first, to ES:operand 0. */
void op_movdir64b(Env *env, In in)
{
    uint64_t to = reg_get(env, OPND_NUM(in->opnd[0]), in->addrsize);
    uint8_t buf[64];

    x86_ld_buf(env, x86_insn_lin(env, in, 64, false), buf, 64);
    to = env->code64 ? to : x86_seg_lin(env, R_ES, to, 64, true);
    if (to & 63) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_st_buf(env, to, buf, 64);
}

void op_lea(Env *env, In in)
{
    reg_set(env, OPND_NUM(in->opnd[0]), x86_insn_ea(env, in), in->opsize);
}

void op_xchg(Env *env, In in)
{
    /* Either operand may be the memory one. */
    if (is_mem(in, 1)) {
        struct insn sw = *in;
        sw.opnd[0] = in->opnd[1];
        sw.opnd[1] = in->opnd[0];
        uint64_t a = rd(env, &sw, 1);
        wr(env, &sw, 1, rmw(env, &sw, f_set, a, 0, true));
        return;
    }
    uint64_t b = rd(env, in, 1);
    wr(env, in, 1, rmw(env, in, f_set, b, 0, true));
}

void op_xadd(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 1);

    if (is_mem(in, 0)) {
        uint64_t a = rmw(env, in, f_add, b, 0, LOCKED(in));
        wr(env, in, 1, a);
        flags_arith(env, CC_ADD, a, b, a + b, size);
    } else {
        uint64_t a = rd(env, in, 0);
        wr(env, in, 1, a);
        wr(env, in, 0, a + b);
        flags_arith(env, CC_ADD, a, b, a + b, size);
    }
}

void op_cmpxchg(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t acc = reg_get(env, R_AX, size), src = rd(env, in, 1), old;

    if (!is_mem(in, 0)) {
        old = rd(env, in, 0);
        if (old == acc) {
            wr(env, in, 0, src);
        } else {
            reg_set(env, R_AX, old, size);
        }
        flags_arith(env, CC_SUB, acc, old, acc - old, size);
        return;
    }
    vaddr lin = x86_insn_lin(env, in, size, true);
    void *h = x86_rmw_host(env, lin, size);
    if (h) {
#define CX(t) \
        do { \
            t e_ = acc; \
            __atomic_compare_exchange_n((t *)h, &e_, (t)src, false, \
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
            old = e_; \
        } while (0)
        switch (size) {
        case 1:
            CX(uint8_t);
            break;
        case 2:
            CX(uint16_t);
            break;
        case 4:
            CX(uint32_t);
            break;
        default:
            CX(uint64_t);
        }
#undef CX
    } else {
        if (LOCKED(in)) {
            x86_exclusive_begin(env);
        }
        old = ldn(env, lin, size);
        stn(env, lin, old == acc ? src : old, size);
        if (LOCKED(in)) {
            x86_exclusive_end(env);
        }
    }
    if (old != acc) {
        reg_set(env, R_AX, old, size);
    }
    flags_arith(env, CC_SUB, acc, old, acc - old, size);
}

static void cmpxchg16b(Env *env, In in);

void op_cmpxchg8b(Env *env, In in)
{
    if (INSN_W(in) && env->code64) {
        cmpxchg16b(env, in);
        return;
    }
    vaddr lin = x86_insn_lin(env, in, 8, true);
    uint64_t acc = (uint32_t)env->regs[R_AX] | env->regs[R_DX] << 32;
    uint64_t src = (uint32_t)env->regs[R_BX] | env->regs[R_CX] << 32;
    uint64_t old = acc;
    void *h = x86_rmw_host(env, lin, 8);

    if (h) {
        __atomic_compare_exchange_n((uint64_t *)h, &old, src, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else {
        x86_exclusive_begin(env);
        old = x86_ld64(env, lin);
        x86_st64(env, lin, old == acc ? src : old);
        x86_exclusive_end(env);
    }
    if (old != acc) {
        env->regs[R_AX] = (uint32_t)old;
        env->regs[R_DX] = old >> 32;
    }
    flags_set(env, FL_ZF, old == acc ? FL_ZF : 0);
}

static void cmpxchg16b(Env *env, In in)
{
    if (!x86_has(env, FW_1_ECX, 13)) {
        x86_raise(env, EXCP_UD);
    }
    vaddr lin = x86_insn_lin(env, in, 16, true);
    uint64_t lo, hi;
    bool ok;

    if (lin & 15) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    uint64_t *h = x86_rmw_host(env, lin, 16);
    if (h) {
        lo = env->regs[R_AX];
        hi = env->regs[R_DX];
        __asm__ volatile("lock cmpxchg16b %1"
                         : "=@ccz"(ok), "+m"(*(unsigned __int128 *)h),
                           "+a"(lo), "+d"(hi)
                         : "b"(env->regs[R_BX]), "c"(env->regs[R_CX])
                         : "memory");
    } else {
        x86_exclusive_begin(env);
        lo = x86_ld64(env, lin);
        hi = x86_ld64(env, lin + 8);
        ok = lo == env->regs[R_AX] && hi == env->regs[R_DX];
        x86_st64(env, lin, ok ? env->regs[R_BX] : lo);
        x86_st64(env, lin + 8, ok ? env->regs[R_CX] : hi);
        x86_exclusive_end(env);
    }
    if (!ok) {
        env->regs[R_AX] = lo;
        env->regs[R_DX] = hi;
    }
    flags_set(env, FL_ZF, ok ? FL_ZF : 0);
}
