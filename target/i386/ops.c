/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each integer and system instruction does, for any operand.  interp.c
 * has its own code for the frequent forms and calls x86_ops[] for all else.
 *
 * An instruction that leaves the straight line sets env->rip, which the
 * caller has set to the next instruction's.
 */
#include "osdep.h"
#include "cpu.h"
#include "decode.h"
#include "host-alu.h"
#include "interp.h"
#include <sched.h>
#include "util/log.h"
#include <sched.h>

typedef CPUX86State Env;
typedef const struct insn *In;

static int64_t sext(uint64_t v, unsigned size)
{
    unsigned sh = 64 - 8 * size;

    return (int64_t)(v << sh) >> sh;
}

static uint64_t mask_of(unsigned size)
{
    return size == 8 ? ~UINT64_C(0) : BIT(8 * size) - 1;
}

static uint64_t ldn(Env *env, vaddr lin, unsigned size)
{
    switch (size) {
    case 1:
        return x86_ld8(env, lin);
    case 2:
        return x86_ld16(env, lin);
    case 4:
        return x86_ld32(env, lin);
    default:
        return x86_ld64(env, lin);
    }
}

static void stn(Env *env, vaddr lin, uint64_t v, unsigned size)
{
    switch (size) {
    case 1:
        x86_st8(env, lin, v);
        break;
    case 2:
        x86_st16(env, lin, v);
        break;
    case 4:
        x86_st32(env, lin, v);
        break;
    default:
        x86_st64(env, lin, v);
    }
}

static uint64_t reg_get(Env *env, unsigned n, unsigned size)
{
    return env->regs[n] & mask_of(size);
}

static void reg_set(Env *env, unsigned n, uint64_t v, unsigned size)
{
    switch (size) {
    case 1:
        env->regs[n] = (env->regs[n] & ~UINT64_C(0xff)) | (v & 0xff);
        break;
    case 2:
        env->regs[n] = (env->regs[n] & ~UINT64_C(0xffff)) | (v & 0xffff);
        break;
    case 4:
        env->regs[n] = (uint32_t)v;
        break;
    default:
        env->regs[n] = v;
    }
}

/* Operand @n, zero-extended. */
static uint64_t rd(Env *env, In in, unsigned n)
{
    unsigned o = in->opnd[n], size;

    switch (OPND_FILE(o)) {
    case OPND_GPR:
        return reg_get(env, OPND_NUM(o), insn_opnd_size(in, n));
    case OPND_GPRH:
        return env->regs[OPND_NUM(o)] >> 8 & 0xff;
    case OPND_IMM:
        return in->imm & mask_of(in->opsize);
    case OPND_MEM:
        size = insn_opnd_size(in, n);
        return ldn(env, x86_insn_lin(env, in, size, false), size);
    case OPND_SEG:
        return env->x.seg[OPND_NUM(o)].sel;
    }
    return 0;
}

static void wr(Env *env, In in, unsigned n, uint64_t v)
{
    unsigned o = in->opnd[n], size = insn_opnd_size(in, n);

    switch (OPND_FILE(o)) {
    case OPND_GPR:
        reg_set(env, OPND_NUM(o), v, size);
        break;
    case OPND_GPRH:
        env->regs[OPND_NUM(o)] =
            (env->regs[OPND_NUM(o)] & ~UINT64_C(0xff00)) | (v & 0xff) << 8;
        break;
    case OPND_MEM:
        stn(env, x86_insn_lin(env, in, size, true), v, size);
        break;
    }
}

static bool is_mem(In in, unsigned n)
{
    return OPND_FILE(in->opnd[n]) == OPND_MEM;
}

static void flags_logic(Env *env, uint64_t res, unsigned size)
{
    env->cc_rec = CC_LOGIC;
    env->cc_res = sext(res, size);
}

static void flags_arith(Env *env, enum cc_rec rec, uint64_t a, uint64_t b,
                        uint64_t res, unsigned size)
{
    env->cc_rec = rec;
    env->cc_a = sext(a, size);
    env->cc_b = sext(b, size);
    env->cc_res = sext(res, size);
}

static bool cf(Env *env)
{
    return x86_cc_get(env) & FL_CF;
}

/* Changes some flags, keeps the others. */
static void flags_set(Env *env, uint32_t mask, uint32_t val)
{
    x86_cc_set(env, (x86_cc_get(env) & ~mask) | (val & mask));
}

/*
 * Read-modify-write of operand 0 as one atomic step when it is in memory and
 * LOCKed (xchg always is).  @fn computes the new value.
 */
typedef uint64_t (*RmwFn)(uint64_t old, uint64_t arg, uint64_t arg2);

static uint64_t rmw(Env *env, In in, RmwFn fn, uint64_t arg, uint64_t arg2,
                    bool locked)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t old, val;

    if (!is_mem(in, 0)) {
        old = rd(env, in, 0);
        wr(env, in, 0, fn(old, arg, arg2));
        return old;
    }
    vaddr lin = x86_insn_lin(env, in, size, true);
    void *h = x86_rmw_host(env, lin, size);
    if (h && locked) {
#define CAS(t) \
        do { \
            t o_ = __atomic_load_n((t *)h, __ATOMIC_RELAXED), n_; \
            do { \
                n_ = fn(o_, arg, arg2); \
            } while (!__atomic_compare_exchange_n((t *)h, &o_, n_, false, \
                                                  __ATOMIC_SEQ_CST, \
                                                  __ATOMIC_RELAXED)); \
            return o_; \
        } while (0)
        switch (size) {
        case 1:
            CAS(uint8_t);
        case 2:
            CAS(uint16_t);
        case 4:
            CAS(uint32_t);
        default:
            CAS(uint64_t);
        }
#undef CAS
    }
    if (locked) {
        x86_exclusive_begin(env);
    }
    old = ldn(env, lin, size);
    val = fn(old, arg, arg2);
    stn(env, lin, val, size);
    if (locked) {
        x86_exclusive_end(env);
    }
    return old;
}

static uint64_t f_add(uint64_t o, uint64_t a, uint64_t c) { return o + a + c; }
static uint64_t f_sub(uint64_t o, uint64_t a, uint64_t c) { return o - a - c; }
static uint64_t f_or(uint64_t o, uint64_t a, uint64_t c) { return o | a; }
static uint64_t f_and(uint64_t o, uint64_t a, uint64_t c) { return o & a; }
static uint64_t f_xor(uint64_t o, uint64_t a, uint64_t c) { return o ^ a; }
static uint64_t f_set(uint64_t o, uint64_t a, uint64_t c) { return a; }
static uint64_t f_neg(uint64_t o, uint64_t a, uint64_t c) { return -o; }
static uint64_t f_not(uint64_t o, uint64_t a, uint64_t c) { return ~o; }
static uint64_t f_andn(uint64_t o, uint64_t a, uint64_t c) { return o & ~a; }

#define LOCKED(in) ((in)->prefix & PFX_LOCK)

static void op_add(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_add, b, 0, LOCKED(in));

    flags_arith(env, CC_ADD, a, b, a + b, size);
}

static void op_adc(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t c = cf(env), b = rd(env, in, 1);
    uint64_t a = rmw(env, in, f_add, b, c, LOCKED(in));

    flags_arith(env, CC_ADC, a, b, a + b + c, size);
}

static void op_sub(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_sub, b, 0, LOCKED(in));

    flags_arith(env, CC_SUB, a, b, a - b, size);
}

static void op_sbb(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t c = cf(env), b = rd(env, in, 1);
    uint64_t a = rmw(env, in, f_sub, b, c, LOCKED(in));

    flags_arith(env, CC_SBB, a, b, a - b - c, size);
}

static void op_cmp(Env *env, In in)
{
    uint64_t a = rd(env, in, 0), b = rd(env, in, 1);

    flags_arith(env, CC_SUB, a, b, a - b, insn_opnd_size(in, 0));
}

static void op_and(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_and, b, 0, LOCKED(in));

    flags_logic(env, a & b, insn_opnd_size(in, 0));
}

static void op_or(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_or, b, 0, LOCKED(in));

    flags_logic(env, a | b, insn_opnd_size(in, 0));
}

static void op_xor(Env *env, In in)
{
    uint64_t b = rd(env, in, 1), a = rmw(env, in, f_xor, b, 0, LOCKED(in));

    flags_logic(env, a ^ b, insn_opnd_size(in, 0));
}

static void op_test(Env *env, In in)
{
    flags_logic(env, rd(env, in, 0) & rd(env, in, 1), insn_opnd_size(in, 0));
}

static void op_not(Env *env, In in)
{
    rmw(env, in, f_not, 0, 0, LOCKED(in));
}

static void op_neg(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_neg, 0, 0, LOCKED(in));

    flags_arith(env, CC_SUB, 0, a, -a, insn_opnd_size(in, 0));
}

static void op_inc(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_add, 1, 0, LOCKED(in));
    bool c = cf(env);

    flags_arith(env, CC_INC, a, 0, a + 1, insn_opnd_size(in, 0));
    env->cc_b = c;
}

static void op_dec(Env *env, In in)
{
    uint64_t a = rmw(env, in, f_sub, 1, 0, LOCKED(in));
    bool c = cf(env);

    flags_arith(env, CC_DEC, a, 0, a - 1, insn_opnd_size(in, 0));
    env->cc_b = c;
}

static void op_mov(Env *env, In in)
{
    wr(env, in, 0, rd(env, in, 1));
}

static void op_movsx(Env *env, In in)
{
    wr(env, in, 0, sext(rd(env, in, 1), insn_opnd_size(in, 1)));
}

static void op_movabs(Env *env, In in)
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

static void op_movbe(Env *env, In in)
{
    unsigned size = in->opsize;
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, __builtin_bswap64(v) >> (64 - 8 * size));
}

static void op_lea(Env *env, In in)
{
    reg_set(env, OPND_NUM(in->opnd[0]), x86_insn_ea(env, in), in->opsize);
}

static void op_xchg(Env *env, In in)
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

static void op_xadd(Env *env, In in)
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

static void op_cmpxchg(Env *env, In in)
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

static void op_cmpxchg8b(Env *env, In in)
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

/*
 * Shifts and rotates.  A count of 0 changes nothing but the access.
 */
static void op_shift(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    unsigned n = rd(env, in, 1) & (size == 8 ? 63 : 31);
    vaddr lin = 0;
    uint64_t a;
    bool mem = is_mem(in, 0);

    if (OPND_FILE(in->opnd[1]) == OPND_NONE) {
        n = 1;
    }
    if (mem) {
        lin = x86_insn_lin(env, in, size, true);
        x86_probe(env, lin, size, true);
        a = ldn(env, lin, size);
    } else {
        a = rd(env, in, 0);
    }
    if (!n) {
        if (!mem && size == 4) {
            wr(env, in, 0, a);
        }
        return;
    }
    uint32_t fl = alu_shift(in->op, size, &a, n, x86_cc_get(env));
    if (mem) {
        stn(env, lin, a, size);
    } else {
        wr(env, in, 0, a);
    }
    x86_cc_set(env, fl);
}

static void op_shxd(Env *env, In in)
{
    unsigned size = in->opsize;
    unsigned n = (OPND_FILE(in->opnd[2]) == OPND_IMM
                      ? (uint64_t)in->imm
                      : env->regs[R_CX]) & (size == 8 ? 63 : 31);
    uint64_t b = rd(env, in, 1), a;
    vaddr lin = 0;
    bool mem = is_mem(in, 0);

    if (mem) {
        lin = x86_insn_lin(env, in, size, true);
        x86_probe(env, lin, size, true);
        a = ldn(env, lin, size);
    } else {
        a = rd(env, in, 0);
    }
    if (!n) {
        if (!mem && size == 4) {
            wr(env, in, 0, a);
        }
        return;
    }
    uint32_t fl = alu_shxd(in->op == OP_SHLD, size, &a, b, n,
                           x86_cc_get(env));
    if (mem) {
        stn(env, lin, a, size);
    } else {
        wr(env, in, 0, a);
    }
    x86_cc_set(env, fl);
}

static void op_shiftx(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t a = rd(env, in, 1), n;

    if (in->op == OP_RORX) {
        n = in->imm & (size * 8 - 1);
        wr(env, in, 0, n ? a >> n | a << (size * 8 - n) : a);
        return;
    }
    n = rd(env, in, 2) & (size * 8 - 1);
    wr(env, in, 0, in->op == OP_SHLX ? a << n
                 : in->op == OP_SHRX ? a >> n
                                     : (uint64_t)(sext(a, size) >> n));
}

/*
 * Multiplication and division.
 */
static void mul(Env *env, In in, bool sign)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t lo = 0, hi = 0;
    uint32_t fl = alu_mul(sign, size, env->regs[R_AX], rd(env, in, 0), &lo,
                          &hi);

    reg_set(env, R_AX, lo, MAX(size, 2));
    if (size > 1) {
        reg_set(env, R_DX, hi, size);
    }
    x86_cc_set(env, fl);
}

static void op_mul(Env *env, In in)
{
    mul(env, in, false);
}

static void op_imul1(Env *env, In in)
{
    mul(env, in, true);
}

static void imul_to(Env *env, In in, uint64_t a, uint64_t b)
{
    uint32_t fl = alu_bits(OP_IMUL2, in->opsize, &a, b, x86_cc_get(env));

    wr(env, in, 0, a);
    x86_cc_set(env, fl);
}

static void op_imul2(Env *env, In in)
{
    imul_to(env, in, rd(env, in, 0), rd(env, in, 1));
}

static void op_imul3(Env *env, In in)
{
    imul_to(env, in, rd(env, in, 1), in->imm);
}

static void op_mulx(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    unsigned __int128 p =
        (unsigned __int128)reg_get(env, R_DX, size) * rd(env, in, 2);

    wr(env, in, 1, (uint64_t)p);
    wr(env, in, 0, (uint64_t)(p >> (8 * size)));
}

static void op_div(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint64_t b = rd(env, in, 0);
    unsigned __int128 a, q;

    if (!b) {
        x86_raise(env, EXCP_DE);
    }
    a = size == 1 ? reg_get(env, R_AX, 2)
                  : (unsigned __int128)reg_get(env, R_DX, size) << (8 * size) |
                        reg_get(env, R_AX, size);
    if (a >> 64 == 0) {
        q = (uint64_t)a / b;
    } else {
        q = a / b;
    }
    if (q > mask_of(size)) {
        x86_raise(env, EXCP_DE);
    }
    uint64_t r = (uint64_t)(a - q * b);
    if (size == 1) {
        reg_set(env, R_AX, (uint64_t)q | r << 8, 2);
    } else {
        reg_set(env, R_AX, (uint64_t)q, size);
        reg_set(env, R_DX, r, size);
    }
}

static void op_idiv(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    __int128 b = sext(rd(env, in, 0), size), a, q;

    if (!b) {
        x86_raise(env, EXCP_DE);
    }
    if (size == 1) {
        a = sext(reg_get(env, R_AX, 2), 2);
    } else {
        a = (__int128)(((unsigned __int128)(uint64_t)sext(
                            reg_get(env, R_DX, size), size)
                        << (8 * size)) |
                       reg_get(env, R_AX, size));
        if (size < 8) {
            a = (int64_t)(uint64_t)a;
            if (size < 4) {
                a = (int32_t)(uint32_t)a;
            }
        }
    }
    if (b == -1 && a == (__int128)((unsigned __int128)1 << 127)) {
        x86_raise(env, EXCP_DE);
    }
    q = a / b;
    if (q != sext((uint64_t)q, size)) {
        x86_raise(env, EXCP_DE);
    }
    uint64_t r = (uint64_t)(a - q * b);
    if (size == 1) {
        reg_set(env, R_AX, ((uint64_t)q & 0xff) | r << 8, 2);
    } else {
        reg_set(env, R_AX, (uint64_t)q, size);
        reg_set(env, R_DX, r, size);
    }
}

/*
 * Bits.
 */
static void op_bt(Env *env, In in)
{
    unsigned size = in->opsize, bits = size * 8;
    RmwFn fn = in->op == OP_BTS ? f_or : in->op == OP_BTR ? f_andn : f_xor;
    uint64_t off = rd(env, in, 1), old;
    unsigned n = off & (bits - 1);
    struct insn far_in;

    if (is_mem(in, 0) && OPND_FILE(in->opnd[1]) == OPND_GPR) {
        /* A register's offset reaches beyond the operand: the address moves
         * by whole operands. */
        int64_t words = sext(off, size) >> (size == 8 ? 6 : size == 4 ? 5 : 4);
        env->ea_bias = words * size;
    }
    far_in = *in;
    if (in->op == OP_BT) {
        old = rd(env, &far_in, 0);
    } else {
        old = rmw(env, &far_in, fn, BIT(n), 0, LOCKED(in));
    }
    env->ea_bias = 0;
    flags_set(env, FL_CF, old >> n & 1 ? FL_CF : 0);
}

/* BSF and BSR of 0 change nothing, not even the upper half. */
static void op_bits(Env *env, In in)
{
    uint64_t v = rd(env, in, 1), d = rd(env, in, 0);
    uint32_t fl = alu_bits(in->op, in->opsize, &d, v, x86_cc_get(env));

    if (v || (in->op != OP_BSF && in->op != OP_BSR)) {
        wr(env, in, 0, d);
    }
    x86_cc_set(env, fl);
}

static void op_popcnt(Env *env, In in)
{
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, __builtin_popcountll(v));
    x86_cc_set(env, v ? 0 : FL_ZF);
}

static void op_bswap(Env *env, In in)
{
    unsigned r = OPND_NUM(in->opnd[0]);

    if (in->opsize == 8) {
        env->regs[r] = __builtin_bswap64(env->regs[r]);
    } else if (in->opsize == 4) {
        env->regs[r] = __builtin_bswap32((uint32_t)env->regs[r]);
    } else {
        reg_set(env, r, 0, 2); /* undefined; what processors give */
    }
}

static void op_bmi(Env *env, In in)
{
    bool last = in->op == OP_ANDN;
    uint64_t s = rd(env, in, last ? 2 : 1), v = rd(env, in, last ? 1 : 2), d;
    uint32_t fl = alu_bmi(in->op, insn_opnd_size(in, 0), &d, s, v);

    wr(env, in, 0, d);
    x86_cc_set(env, fl);
}

static void op_pext(Env *env, In in)
{
    uint64_t v = rd(env, in, 1), m = rd(env, in, 2), r = 0;
    unsigned k = 0;

    for (; m; m &= m - 1) {
        uint64_t low = m & -m;
        if (in->op == OP_PEXT) {
            r |= v & low ? BIT(k) : 0;
        } else {
            r |= v >> k & 1 ? low : 0;
        }
        k++;
    }
    wr(env, in, 0, r);
}

static void op_adx(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint32_t fl = in->op == OP_ADCX ? FL_CF : FL_OF;
    unsigned __int128 s = (unsigned __int128)rd(env, in, 0) + rd(env, in, 1) +
                          !!(x86_cc_get(env) & fl);

    wr(env, in, 0, (uint64_t)s);
    flags_set(env, fl, s >> (8 * size) & 1 ? fl : 0);
}

static void op_crc32(Env *env, In in)
{
    /* CRC-32C, bit-reflected polynomial. */
    unsigned size = insn_opnd_size(in, 1);
    uint32_t crc = env->regs[OPND_NUM(in->opnd[0])];
    uint64_t v = rd(env, in, 1);

    for (unsigned i = 0; i < size; i++) {
        crc ^= v >> (8 * i) & 0xff;
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    env->regs[OPND_NUM(in->opnd[0])] = crc;
}

static void op_rdrand(Env *env, In in)
{
    uint64_t v = (uint64_t)g_random_int() << 32 | g_random_int();

    wr(env, in, 0, v);
    x86_cc_set(env, FL_CF);
}

/*
 * Conversions, decimal, flags.
 */
static void op_cbw(Env *env, In in)
{
    reg_set(env, R_AX, sext(env->regs[R_AX], in->opsize / 2), in->opsize);
}

static void op_cwd(Env *env, In in)
{
    reg_set(env, R_DX, sext(env->regs[R_AX], in->opsize) >> 63, in->opsize);
}

static void op_daa(Env *env, In in)
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

static void op_aaa(Env *env, In in)
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

static void op_aam(Env *env, In in)
{
    unsigned base = in->imm & 0xff, al = env->regs[R_AX] & 0xff;

    if (!base) {
        x86_raise(env, EXCP_DE);
    }
    reg_set(env, R_AX, (al / base) << 8 | al % base, 2);
    flags_logic(env, al % base, 1);
}

static void op_aad(Env *env, In in)
{
    unsigned ax = env->regs[R_AX] & 0xffff;
    unsigned al = ((ax >> 8) * (in->imm & 0xff) + (ax & 0xff)) & 0xff;

    reg_set(env, R_AX, al, 2);
    flags_logic(env, al, 1);
}

static void op_salc(Env *env, In in)
{
    reg_set(env, R_AX, cf(env) ? 0xff : 0, 1);
}

static void op_flag(Env *env, In in)
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

static void op_lahf(Env *env, In in)
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

static void op_pushf(Env *env, In in)
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

static void op_popf(Env *env, In in)
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

static void op_cli(Env *env, In in)
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
static void op_push(Env *env, In in)
{
    uint64_t v = OPND_FILE(in->opnd[0]) == OPND_IMM ? (uint64_t)in->imm
                                                    : rd(env, in, 0);

    x86_push(env, v, in->opsize);
}

static void op_pop(Env *env, In in)
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

static void op_pusha(Env *env, In in)
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

static void op_popa(Env *env, In in)
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

static void op_enter(Env *env, In in)
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

static void op_leave(Env *env, In in)
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

static void op_jcc(Env *env, In in)
{
    if (x86_cond(env, INSN_CC(in))) {
        jump(env, in, x86_next_rip(env) + in->imm);
    }
}

static void op_loop(Env *env, In in)
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

static void op_jmp(Env *env, In in)
{
    jump(env, in, x86_next_rip(env) + in->imm);
}

static void op_jmp_ind(Env *env, In in)
{
    jump(env, in, rd(env, in, 0));
}

static void op_call(Env *env, In in)
{
    uint64_t next = x86_next_rip(env);

    jump(env, in, in->op == OP_CALL ? next + in->imm : rd(env, in, 0));
    x86_push(env, next, in->opsize);
}

static void op_ret(Env *env, In in)
{
    uint64_t ip = x86_pop_peek(env, in->opsize, 0);

    jump(env, in, ip);
    x86_sp_add(env, in->opsize + (OPND_FILE(in->opnd[0]) == OPND_IMM
                                      ? (uint64_t)in->imm & 0xffff : 0));
}

static void op_setcc(Env *env, In in)
{
    wr(env, in, 0, x86_cond(env, INSN_CC(in)));
}

static void op_cmov(Env *env, In in)
{
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, x86_cond(env, INSN_CC(in)) ? v : rd(env, in, 0));
}

/*
 * Segments and far transfers.
 */
static void op_mov_seg(Env *env, In in)
{
    uint16_t sel = env->x.seg[OPND_NUM(in->opnd[1])].sel;

    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), sel, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), sel, in->opsize);
    }
}

static void op_mov_to_seg(Env *env, In in)
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

static void op_lds(Env *env, In in)
{
    int seg = in->op == OP_LES ? R_ES : in->op == OP_LDS ? R_DS
            : in->op == OP_LSS ? R_SS : in->op == OP_LFS ? R_FS : R_GS;
    uint16_t sel;
    uint64_t off = far_ptr(env, in, &sel);

    x86_load_seg(env, seg, sel);
    reg_set(env, OPND_NUM(in->opnd[0]), off, in->opsize);
}

static void op_far(Env *env, In in)
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

static void op_int(Env *env, In in)
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

static void op_bound(Env *env, In in)
{
    unsigned size = in->opsize;
    vaddr lin = x86_insn_lin(env, in, 2 * size, false);
    int64_t v = sext(rd(env, in, 0), size);

    if (v < sext(ldn(env, lin, size), size) ||
        v > sext(ldn(env, (lin + size) & env->a_mask, size), size)) {
        x86_raise(env, EXCP_BR);
    }
}

static void op_arpl(Env *env, In in)
{
    uint16_t a = rd(env, in, 0), b = rd(env, in, 1);
    bool low = (a & 3) < (b & 3);

    if (low) {
        wr(env, in, 0, (a & ~3) | (b & 3));
    }
    flags_set(env, FL_ZF, low ? FL_ZF : 0);
}

static void op_xlat(Env *env, In in)
{
    uint64_t off = env->regs[R_BX] + (env->regs[R_AX] & 0xff);

    vaddr lin = x86_ea_lin(env, in, off & mask_of(in->addrsize), 1, false);
    reg_set(env, R_AX, x86_ld8(env, lin), 1);
}

/*
 * System.
 */
static void umip(Env *env)
{
    if ((env->x.cr4 & CR4_UMIP) && env->cpl) {
        x86_raise_err(env, EXCP_GP, 0);
    }
}

static void op_sldt(Env *env, In in)
{
    umip(env);
    uint16_t sel = in->op == OP_SLDT ? env->x.ldt.sel : env->x.tr.sel;
    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), sel, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), sel, in->opsize);
    }
}

static void op_smsw(Env *env, In in)
{
    umip(env);
    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), env->x.cr0, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), env->x.cr0, in->opsize);
    }
}

static void op_lmsw(Env *env, In in)
{
    uint16_t v = rd(env, in, 0);

    /* It can set PE but not clear it. */
    x86_set_cr0(env, (env->x.cr0 & ~UINT64_C(0xe)) | (v & 0xf));
}

static void op_sgdt(Env *env, In in)
{
    unsigned n = env->code64 ? 10 : 6;
    uint8_t buf[10];
    uint16_t limit = in->op == OP_SGDT ? env->x.gdt.limit : env->x.idt.limit;
    uint64_t base = in->op == OP_SGDT ? env->x.gdt.base : env->x.idt.base;

    umip(env);
    memcpy(buf, &limit, 2);
    memcpy(buf + 2, &base, 8);
    x86_st_buf(env, x86_insn_lin(env, in, n, true), buf, n);
}

static void op_lgdt(Env *env, In in)
{
    unsigned n = env->code64 ? 10 : 6;
    uint8_t buf[10] = { 0 };
    uint16_t limit;
    uint64_t base;

    x86_ld_buf(env, x86_insn_lin(env, in, n, false), buf, n);
    memcpy(&limit, buf, 2);
    memcpy(&base, buf + 2, 8);
    if (env->code64) {
        if ((uint64_t)((int64_t)base >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else if (in->opsize == 2) {
        base &= 0xffffff;
    }
    if (in->op == OP_LGDT) {
        env->x.gdt.base = base;
        env->x.gdt.limit = limit;
    } else {
        env->x.idt.base = base;
        env->x.idt.limit = limit;
    }
}

static void op_lldt(Env *env, In in)
{
    uint16_t sel = rd(env, in, 0);

    if (in->op == OP_LLDT) {
        x86_lldt(env, sel);
    } else {
        x86_ltr(env, sel);
    }
}

static void op_lar(Env *env, In in)
{
    uint16_t sel = is_mem(in, 1)
        ? ldn(env, x86_insn_lin(env, in, 2, false), 2)
        : env->regs[OPND_NUM(in->opnd[1])];
    uint32_t res = 0;
    bool ok;

    switch (in->op) {
    case OP_LAR:
        ok = x86_lar(env, sel, &res);
        break;
    default:
        ok = x86_lsl(env, sel, &res);
    }
    if (ok) {
        reg_set(env, OPND_NUM(in->opnd[0]), res, in->opsize);
    }
    flags_set(env, FL_ZF, ok ? FL_ZF : 0);
}

static void op_verr(Env *env, In in)
{
    bool ok = x86_verx(env, rd(env, in, 0), in->op == OP_VERW);

    flags_set(env, FL_ZF, ok ? FL_ZF : 0);
}

static void op_mov_cr(Env *env, In in)
{
    bool to = in->op == OP_MOV_TO_CR;
    unsigned cr = OPND_NUM(in->opnd[to ? 0 : 1]);
    unsigned gpr = OPND_NUM(in->opnd[to ? 1 : 0]);
    uint64_t v = env->code64 ? env->regs[gpr] : (uint32_t)env->regs[gpr];
    bool held;

    switch (cr) {
    case 0:
        if (to) {
            x86_set_cr0(env, v);
        } else {
            v = env->x.cr0;
        }
        break;
    case 2:
        if (to) {
            env->x.cr2 = v;
        } else {
            v = env->x.cr2;
        }
        break;
    case 3:
        if (to) {
            x86_set_cr3(env, v);
        } else {
            v = env->x.cr3;
        }
        break;
    case 4:
        if (to) {
            x86_set_cr4(env, v);
        } else {
            v = env->x.cr4;
        }
        break;
    case 8:
        if (to && (v & ~UINT64_C(15))) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        if (!env->cpu->apic || !x86_apic_ops) {
            if (to) {
                env->x.cr8 = v;
            } else {
                v = env->x.cr8;
            }
            break;
        }
        held = bql_locked();
        if (!held) {
            cpu_guest_leave(&env->cpu->parent);
            bql_lock();
        }
        if (to) {
            x86_apic_ops->set_cr8(env->cpu->apic, v);
        } else {
            v = x86_apic_ops->get_cr8(env->cpu->apic);
        }
        if (!held) {
            bql_unlock();
            x86_guest_reenter(env);
        }
        break;
    default:
        x86_raise(env, EXCP_UD);
    }
    if (!to) {
        env->regs[gpr] = env->code64 ? v : (uint32_t)v;
    }
}

static void op_mov_dr(Env *env, In in)
{
    bool to = in->op == OP_MOV_TO_DR;
    unsigned dr = OPND_NUM(in->opnd[to ? 0 : 1]);
    unsigned gpr = OPND_NUM(in->opnd[to ? 1 : 0]);
    uint64_t v = env->code64 ? env->regs[gpr] : (uint32_t)env->regs[gpr];

    if (dr > 7 || ((dr == 4 || dr == 5) && (env->x.cr4 & CR4_DE))) {
        x86_raise(env, EXCP_UD);
    }
    if (env->x.dr[7] & BIT(13)) {
        x86_raise_db(env, BIT(13) | (env->x.dr[6] & 15));
    }
    if (dr == 4 || dr == 5) {
        dr += 2;
    }
    if (!to) {
        env->regs[gpr] = env->code64 ? env->x.dr[dr] : (uint32_t)env->x.dr[dr];
        return;
    }
    if (dr >= 6 && v >> 32) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (dr == 6) {
        env->x.dr[6] = (v & 0xe00f) | 0xffff0ff0;
    } else if (dr == 7) {
        env->x.dr[7] = (v & 0xffff2bff) | 0x400;
    } else {
        env->x.dr[dr] = v;
    }
    x86_update_debug(env);
}

static void op_io(Env *env, In in)
{
    bool input = in->op == OP_IN;
    unsigned po = in->opnd[input ? 1 : 0];
    unsigned port = OPND_FILE(po) == OPND_IMM ? in->imm & 0xff
                                              : env->regs[R_DX] & 0xffff;
    unsigned size = in->opsize == 8 ? 4 : in->opsize;

    x86_check_io(env, port, size);
    if (input) {
        reg_set(env, R_AX, x86_io_in(env, port, size), size);
    } else {
        x86_io_out(env, port, reg_get(env, R_AX, size), size);
    }
}

static void op_string(Env *env, In in)
{
    if (!x86_string(env, in)) {
        env->rip = x86_cur_rip(env); /* again after the interrupt */
        x86_break(env);
    }
}

static void op_msr(Env *env, In in)
{
    uint32_t msr = env->regs[R_CX];
    uint64_t v = (uint32_t)env->regs[R_AX] | env->regs[R_DX] << 32;

    if (in->op == OP_WRMSR) {
        if (!x86_wrmsr(env, msr, v)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else {
        if (!x86_rdmsr(env, msr, &v)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        env->regs[R_AX] = (uint32_t)v;
        env->regs[R_DX] = v >> 32;
    }
}

static void op_rdtsc(Env *env, In in)
{
    uint64_t v;

    if ((env->x.cr4 & CR4_TSD) && env->cpl) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    v = x86_rdtsc(env);
    env->regs[R_AX] = (uint32_t)v;
    env->regs[R_DX] = v >> 32;
    if (in->op == OP_RDTSCP) {
        env->regs[R_CX] = (uint32_t)env->x.tsc_aux;
    }
}

static void op_rdpmc(Env *env, In in)
{
    if ((!(env->x.cr4 & CR4_PCE) && env->cpl) || (env->x.cr0 & CR0_PE)) {
        /* No counters. */
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_raise_err(env, EXCP_GP, 0);
}

static void op_rdpid(Env *env, In in)
{
    env->regs[OPND_NUM(in->opnd[0])] = env->x.tsc_aux;
}

static void op_cpuid(Env *env, In in)
{
    uint32_t out[4];

    x86_cpuid(env, env->regs[R_AX], env->regs[R_CX], out);
    env->regs[R_AX] = out[0];
    env->regs[R_BX] = out[1];
    env->regs[R_CX] = out[2];
    env->regs[R_DX] = out[3];
}

static void op_fsgsbase(Env *env, In in)
{
    unsigned r = OPND_NUM(in->opnd[0]);
    int seg = in->op == OP_RDFSBASE || in->op == OP_WRFSBASE ? R_FS : R_GS;

    if (!(env->x.cr4 & CR4_FSGSBASE) || !env->code64) {
        x86_raise(env, EXCP_UD);
    }
    if (in->op == OP_RDFSBASE || in->op == OP_RDGSBASE) {
        reg_set(env, r, env->x.seg[seg].base, in->opsize);
        return;
    }
    uint64_t v = reg_get(env, r, in->opsize);
    if ((uint64_t)((int64_t)v >> 47) + 1 > 1) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->x.seg[seg].base = env->seg_base[seg] = v;
}

static void op_swapgs(Env *env, In in)
{
    uint64_t v = env->x.seg[R_GS].base;

    env->x.seg[R_GS].base = env->seg_base[R_GS] = env->x.kernelgsbase;
    env->x.kernelgsbase = v;
}

static void op_invlpg(Env *env, In in)
{
    vaddr lin = x86_insn_ea(env, in);

    if (!env->code64 || in->seg >= R_FS) {
        lin += env->x.seg[in->seg].base;
    }
    if (!env->code64 || (uint64_t)((int64_t)lin >> 47) + 1 <= 1) {
        x86_tlb_flush_page(env, lin);
    }
}

static void op_invpcid(Env *env, In in)
{
    uint64_t type = reg_get(env, OPND_NUM(in->opnd[0]), env->code64 ? 8 : 4);
    uint64_t desc[2];

    x86_ld_buf(env, x86_insn_lin(env, in, 16, false), desc, 16);
    if (type > 3 || (type < 2 && (desc[0] >> 12)) ||
        (type < 2 && !(env->x.cr4 & CR4_PCIDE) && (desc[0] & 0xfff)) ||
        (type == 0 && (uint64_t)((int64_t)desc[1] >> 47) + 1 > 1)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (type == 0) {
        x86_tlb_flush_page(env, desc[1]);
    } else if (type == 2) {
        x86_tlb_flush(env);
    } else {
        x86_tlb_flush_non_global(env);
    }
}

static void op_misc(Env *env, In in)
{
    switch (in->op) {
    case OP_CLTS:
        x86_set_cr0(env, env->x.cr0 & ~CR0_TS);
        break;
    case OP_HLT:
        env->halt_pending = true;
        x86_break(env);
        break;
    case OP_MWAIT:
        if (env->regs[R_CX] & ~UINT64_C(1)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        /*
         * A lone CPU sleeps until an interrupt, nobody else stores.  With
         * others the wake-up by a store is not seen: a pause, then on.
         */
        if (cpu_count() == 1 &&
            ((env->eflags_sys & FL_IF) || !(env->regs[R_CX] & 1))) {
            env->halt_pending = true;
            x86_break(env);
        } else {
            sched_yield();
        }
        break;
    case OP_CLAC:
    case OP_STAC:
        env->eflags_sys = (env->eflags_sys & ~FL_AC) |
                          (in->op == OP_STAC ? FL_AC : 0);
        x86_update_mode(env);
        break;
    case OP_CLFLUSH:
        x86_probe(env, x86_insn_lin(env, in, 1, false), 1, false);
        break;
    case OP_MFENCE:
    case OP_SERIALIZE:
        atomic_thread_fence(memory_order_seq_cst);
        break;
    case OP_PAUSE:
        if (x86_pause_yields) {
            atomic_store(&env->cpu->parent.exit_request, true);
            atomic_store(&env->exit_req, 1);
            x86_break(env);
        } else {
            __builtin_ia32_pause();
        }
        break;
    }
}

static void op_ud(Env *env, In in)
{
    x86_raise(env, EXCP_UD);
}

static void op_nop(Env *env, In in)
{
}

static void op_xgetbv(Env *env, In in)
{
    uint32_t n = env->regs[R_CX];

    if (!(env->x.cr4 & CR4_OSXSAVE)) {
        x86_raise(env, EXCP_UD);
    }
    if (in->op == OP_XGETBV) {
        if (n > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        uint64_t v = env->x.xcr0;
        if (n == 1) {
            uint64_t bv;
            memcpy(&bv, env->x.xsave + XS_XSTATE_BV, 8);
            v &= bv;
        }
        env->regs[R_AX] = (uint32_t)v;
        env->regs[R_DX] = v >> 32;
        return;
    }
    uint64_t v = (uint32_t)env->regs[R_AX] | env->regs[R_DX] << 32;
    uint32_t out[4];
    x86_cpuid(env, 0xd, 0, out);
    uint64_t legal = out[0] | (uint64_t)out[3] << 32;
    if (n || !(v & 1) || (v & ~legal) || ((v & 4) && !(v & 2)) ||
        ((v & 0xe0) && ((v & 0xe0) != 0xe0 || !(v & 4)))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->x.xcr0 = v;
    x86_update_mode(env);
}

static void op_rsm(Env *env, In in)
{
    if (!env->x.in_smm) {
        x86_raise(env, EXCP_UD);
    }
    x86_rsm(env);
}

X86OpFn *const x86_ops[OP_COUNT] = {
    [OP_ADD] = op_add, [OP_OR] = op_or, [OP_ADC] = op_adc, [OP_SBB] = op_sbb,
    [OP_AND] = op_and, [OP_SUB] = op_sub, [OP_XOR] = op_xor, [OP_CMP] = op_cmp,
    [OP_TEST] = op_test, [OP_NOT] = op_not, [OP_NEG] = op_neg,
    [OP_INC] = op_inc, [OP_DEC] = op_dec, [OP_MOV] = op_mov,
    [OP_MOVZX] = op_mov, [OP_MOVSX] = op_movsx, [OP_MOVSXD] = op_movsx,
    [OP_MOVABS] = op_movabs, [OP_MOVBE] = op_movbe, [OP_MOVNTI] = op_mov,
    [OP_MOVDIRI] = op_mov, [OP_LEA] = op_lea, [OP_XCHG] = op_xchg,
    [OP_XADD] = op_xadd, [OP_CMPXCHG] = op_cmpxchg,
    [OP_CMPXCHG8B] = op_cmpxchg8b,
    [OP_ROL] = op_shift, [OP_ROR] = op_shift, [OP_RCL] = op_shift,
    [OP_RCR] = op_shift, [OP_SHL] = op_shift, [OP_SHR] = op_shift,
    [OP_SAR] = op_shift, [OP_SHLD] = op_shxd, [OP_SHRD] = op_shxd,
    [OP_SHLX] = op_shiftx, [OP_SHRX] = op_shiftx, [OP_SARX] = op_shiftx,
    [OP_RORX] = op_shiftx, [OP_MUL] = op_mul, [OP_IMUL1] = op_imul1,
    [OP_IMUL2] = op_imul2, [OP_IMUL3] = op_imul3, [OP_MULX] = op_mulx,
    [OP_DIV] = op_div, [OP_IDIV] = op_idiv, [OP_BT] = op_bt, [OP_BTS] = op_bt,
    [OP_BTR] = op_bt, [OP_BTC] = op_bt, [OP_BSF] = op_bits, [OP_BSR] = op_bits,
    [OP_TZCNT] = op_bits, [OP_LZCNT] = op_bits, [OP_POPCNT] = op_popcnt,
    [OP_BSWAP] = op_bswap, [OP_ANDN] = op_bmi, [OP_BLSR] = op_bmi,
    [OP_BLSMSK] = op_bmi, [OP_BLSI] = op_bmi, [OP_BZHI] = op_bmi,
    [OP_BEXTR] = op_bmi, [OP_PEXT] = op_pext, [OP_PDEP] = op_pext,
    [OP_ADCX] = op_adx, [OP_ADOX] = op_adx, [OP_CRC32] = op_crc32,
    [OP_RDRAND] = op_rdrand, [OP_RDSEED] = op_rdrand, [OP_CBW] = op_cbw,
    [OP_CWD] = op_cwd, [OP_DAA] = op_daa, [OP_DAS] = op_daa,
    [OP_AAA] = op_aaa, [OP_AAS] = op_aaa, [OP_AAM] = op_aam,
    [OP_AAD] = op_aad, [OP_SALC] = op_salc, [OP_CMC] = op_flag,
    [OP_CLC] = op_flag, [OP_STC] = op_flag, [OP_CLD] = op_flag,
    [OP_STD] = op_flag, [OP_LAHF] = op_lahf, [OP_SAHF] = op_lahf,
    [OP_PUSHF] = op_pushf, [OP_POPF] = op_popf, [OP_CLI] = op_cli,
    [OP_STI] = op_cli, [OP_PUSH] = op_push, [OP_POP] = op_pop,
    [OP_PUSHA] = op_pusha, [OP_POPA] = op_popa, [OP_ENTER] = op_enter,
    [OP_LEAVE] = op_leave, [OP_JCC] = op_jcc, [OP_LOOP] = op_loop,
    [OP_LOOPE] = op_loop, [OP_LOOPNE] = op_loop, [OP_JCXZ] = op_loop,
    [OP_JMP] = op_jmp, [OP_JMP_IND] = op_jmp_ind, [OP_CALL] = op_call,
    [OP_CALL_IND] = op_call, [OP_RET] = op_ret, [OP_SETCC] = op_setcc,
    [OP_CMOVCC] = op_cmov, [OP_MOV_SEG] = op_mov_seg,
    [OP_MOV_TO_SEG] = op_mov_to_seg, [OP_LES] = op_lds, [OP_LDS] = op_lds,
    [OP_LSS] = op_lds, [OP_LFS] = op_lds, [OP_LGS] = op_lds,
    [OP_JMPF] = op_far, [OP_CALLF] = op_far, [OP_JMPF_IND] = op_far,
    [OP_CALLF_IND] = op_far, [OP_RETF] = op_far, [OP_IRET] = op_far,
    [OP_SYSCALL] = op_far, [OP_SYSRET] = op_far, [OP_SYSENTER] = op_far,
    [OP_SYSEXIT] = op_far, [OP_INT] = op_int, [OP_INT3] = op_int,
    [OP_INT1] = op_int, [OP_INTO] = op_int, [OP_BOUND] = op_bound,
    [OP_ARPL] = op_arpl, [OP_XLAT] = op_xlat, [OP_SLDT] = op_sldt,
    [OP_STR] = op_sldt, [OP_SMSW] = op_smsw, [OP_LMSW] = op_lmsw,
    [OP_SGDT] = op_sgdt, [OP_SIDT] = op_sgdt, [OP_LGDT] = op_lgdt,
    [OP_LIDT] = op_lgdt, [OP_LLDT] = op_lldt, [OP_LTR] = op_lldt,
    [OP_LAR] = op_lar, [OP_LSL] = op_lar, [OP_VERR] = op_verr,
    [OP_VERW] = op_verr, [OP_MOV_FROM_CR] = op_mov_cr,
    [OP_MOV_TO_CR] = op_mov_cr, [OP_MOV_FROM_DR] = op_mov_dr,
    [OP_MOV_TO_DR] = op_mov_dr, [OP_IN] = op_io, [OP_OUT] = op_io,
    [OP_INS] = op_string, [OP_OUTS] = op_string, [OP_MOVS] = op_string,
    [OP_CMPS] = op_string, [OP_STOS] = op_string, [OP_LODS] = op_string,
    [OP_SCAS] = op_string, [OP_RDMSR] = op_msr, [OP_WRMSR] = op_msr,
    [OP_RDTSC] = op_rdtsc, [OP_RDTSCP] = op_rdtsc, [OP_RDPMC] = op_rdpmc,
    [OP_RDPID] = op_rdpid, [OP_CPUID] = op_cpuid, [OP_RDFSBASE] = op_fsgsbase,
    [OP_RDGSBASE] = op_fsgsbase, [OP_WRFSBASE] = op_fsgsbase,
    [OP_WRGSBASE] = op_fsgsbase, [OP_SWAPGS] = op_swapgs,
    [OP_INVLPG] = op_invlpg, [OP_INVPCID] = op_invpcid, [OP_CLTS] = op_misc,
    [OP_HLT] = op_misc, [OP_MONITOR] = op_misc, [OP_MWAIT] = op_misc,
    [OP_CLAC] = op_misc, [OP_STAC] = op_misc, [OP_CLFLUSH] = op_misc,
    [OP_LFENCE] = op_misc, [OP_SFENCE] = op_misc, [OP_MFENCE] = op_misc,
    [OP_SERIALIZE] = op_misc, [OP_PAUSE] = op_misc, [OP_INVD] = op_misc,
    [OP_WBINVD] = op_misc, [OP_UD] = op_ud, [OP_NOP] = op_nop,
    [OP_PREFETCH] = op_nop, [OP_XGETBV] = op_xgetbv, [OP_XSETBV] = op_xgetbv,
    [OP_RSM] = op_rsm,
};
