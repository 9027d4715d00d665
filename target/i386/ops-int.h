/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of the instructions' functions (ops*.c): operands, flags,
 * and read-modify-write.
 */
#ifndef I386_OPS_INT_H
#define I386_OPS_INT_H

#include "cpu.h"
#include "decode.h"
#include "interp.h"

typedef CPUX86State Env;
typedef const struct insn *In;

static inline int64_t sext(uint64_t v, unsigned size)
{
    unsigned sh = 64 - 8 * size;

    return (int64_t)(v << sh) >> sh;
}

static inline uint64_t mask_of(unsigned size)
{
    return size == 8 ? ~UINT64_C(0) : BIT(8 * size) - 1;
}

static inline uint64_t ldn(Env *env, vaddr lin, unsigned size)
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

static inline void stn(Env *env, vaddr lin, uint64_t v, unsigned size)
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

static inline uint64_t reg_get(Env *env, unsigned n, unsigned size)
{
    return env->regs[n] & mask_of(size);
}

static inline void reg_set(Env *env, unsigned n, uint64_t v, unsigned size)
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
static inline uint64_t rd(Env *env, In in, unsigned n)
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

static inline void wr(Env *env, In in, unsigned n, uint64_t v)
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

static inline bool is_mem(In in, unsigned n)
{
    return OPND_FILE(in->opnd[n]) == OPND_MEM;
}

static inline void flags_logic(Env *env, uint64_t res, unsigned size)
{
    env->cc_rec = CC_LOGIC;
    env->cc_res = sext(res, size);
}

static inline void flags_arith(Env *env, enum cc_rec rec, uint64_t a, uint64_t b,
                        uint64_t res, unsigned size)
{
    env->cc_rec = rec;
    env->cc_a = sext(a, size);
    env->cc_b = sext(b, size);
    env->cc_res = sext(res, size);
}

static inline bool cf(Env *env)
{
    return x86_cc_get(env) & FL_CF;
}

/* Changes some flags, keeps the others. */
static inline void flags_set(Env *env, uint32_t mask, uint32_t val)
{
    x86_cc_set(env, (x86_cc_get(env) & ~mask) | (val & mask));
}

/*
 * Read-modify-write of operand 0 as one atomic step when it is in memory and
 * LOCKed (xchg always is).  @fn computes the new value.
 */
typedef uint64_t (*RmwFn)(uint64_t old, uint64_t arg, uint64_t arg2);

static inline uint64_t rmw(Env *env, In in, RmwFn fn, uint64_t arg, uint64_t arg2,
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

static inline uint64_t f_add(uint64_t o, uint64_t a, uint64_t c) { return o + a + c; }
static inline uint64_t f_sub(uint64_t o, uint64_t a, uint64_t c) { return o - a - c; }
static inline uint64_t f_or(uint64_t o, uint64_t a, uint64_t c) { return o | a; }
static inline uint64_t f_and(uint64_t o, uint64_t a, uint64_t c) { return o & a; }
static inline uint64_t f_xor(uint64_t o, uint64_t a, uint64_t c) { return o ^ a; }
static inline uint64_t f_set(uint64_t o, uint64_t a, uint64_t c) { return a; }
static inline uint64_t f_neg(uint64_t o, uint64_t a, uint64_t c) { return -o; }
static inline uint64_t f_not(uint64_t o, uint64_t a, uint64_t c) { return ~o; }
static inline uint64_t f_andn(uint64_t o, uint64_t a, uint64_t c) { return o & ~a; }

#define LOCKED(in) ((in)->prefix & PFX_LOCK)

/* The table's functions (ops.c). */
X86OpFn op_add, op_adc, op_sub, op_sbb, op_cmp, op_and, op_or, op_xor,
    op_test, op_not, op_neg, op_inc, op_dec, op_mov, op_movsx, op_movabs,
    op_movbe, op_movdir64b, op_lea, op_xchg, op_xadd, op_cmpxchg,
    op_cmpxchg8b, op_shift, op_shxd, op_shiftx, op_mul, op_imul1, op_imul2,
    op_imul3, op_mulx, op_div, op_idiv, op_bt, op_bits, op_popcnt, op_bswap,
    op_bmi, op_pext, op_adx, op_crc32, op_rdrand, op_cbw, op_cwd, op_daa,
    op_aaa, op_aam, op_aad, op_salc, op_flag, op_lahf, op_pushf, op_popf,
    op_cli, op_push, op_pop, op_pusha, op_popa, op_enter, op_leave, op_jcc,
    op_loop, op_jmp, op_jmp_ind, op_call, op_ret, op_setcc, op_cmov,
    op_mov_seg, op_mov_to_seg, op_lds, op_far, op_int, op_bound, op_arpl,
    op_xlat, op_sldt, op_smsw, op_lmsw, op_sgdt, op_lgdt, op_lldt, op_lar,
    op_verr, op_mov_cr, op_mov_dr, op_io, op_string, op_msr, op_rdtsc,
    op_rdpmc, op_rdpid, op_cpuid, op_fsgsbase, op_swapgs, op_invlpg,
    op_invpcid, op_misc, op_ud, op_nop, op_xgetbv, op_rsm;

#endif
