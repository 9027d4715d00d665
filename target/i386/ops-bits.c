/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shifts, multiplication and division, single bits, BMI and CRC32.
 */
#include "osdep.h"
#include "ops-int.h"
#include "host-alu.h"

/*
 * Shifts and rotates.  A count of 0 changes nothing but the access.
 */
void op_shift(Env *env, In in)
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

void op_shxd(Env *env, In in)
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

void op_shiftx(Env *env, In in)
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

void op_mul(Env *env, In in)
{
    mul(env, in, false);
}

void op_imul1(Env *env, In in)
{
    mul(env, in, true);
}

static void imul_to(Env *env, In in, uint64_t a, uint64_t b)
{
    uint32_t fl = alu_bits(OP_IMUL2, in->opsize, &a, b, x86_cc_get(env));

    wr(env, in, 0, a);
    x86_cc_set(env, fl);
}

void op_imul2(Env *env, In in)
{
    imul_to(env, in, rd(env, in, 0), rd(env, in, 1));
}

void op_imul3(Env *env, In in)
{
    imul_to(env, in, rd(env, in, 1), in->imm);
}

void op_mulx(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    unsigned __int128 p =
        (unsigned __int128)reg_get(env, R_DX, size) * rd(env, in, 2);

    wr(env, in, 1, (uint64_t)p);
    wr(env, in, 0, (uint64_t)(p >> (8 * size)));
}

void op_div(Env *env, In in)
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

void op_idiv(Env *env, In in)
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
void op_bt(Env *env, In in)
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
void op_bits(Env *env, In in)
{
    uint64_t v = rd(env, in, 1), d = rd(env, in, 0);
    uint32_t fl = alu_bits(in->op, in->opsize, &d, v, x86_cc_get(env));

    if (v || (in->op != OP_BSF && in->op != OP_BSR)) {
        wr(env, in, 0, d);
    }
    x86_cc_set(env, fl);
}

void op_popcnt(Env *env, In in)
{
    uint64_t v = rd(env, in, 1);

    wr(env, in, 0, __builtin_popcountll(v));
    x86_cc_set(env, v ? 0 : FL_ZF);
}

void op_bswap(Env *env, In in)
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

void op_bmi(Env *env, In in)
{
    bool last = in->op == OP_ANDN;
    uint64_t s = rd(env, in, last ? 2 : 1), v = rd(env, in, last ? 1 : 2), d;
    uint32_t fl = alu_bmi(in->op, insn_opnd_size(in, 0), &d, s, v);

    wr(env, in, 0, d);
    x86_cc_set(env, fl);
}

void op_pext(Env *env, In in)
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

void op_adx(Env *env, In in)
{
    unsigned size = insn_opnd_size(in, 0);
    uint32_t fl = in->op == OP_ADCX ? FL_CF : FL_OF;
    unsigned __int128 s = (unsigned __int128)rd(env, in, 0) + rd(env, in, 1) +
                          !!(x86_cc_get(env) & fl);

    wr(env, in, 0, (uint64_t)s);
    flags_set(env, fl, s >> (8 * size) & 1 ? fl : 0);
}

void op_crc32(Env *env, In in)
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

void op_rdrand(Env *env, In in)
{
    uint64_t v = (uint64_t)g_random_int() << 32 | g_random_int();

    wr(env, in, 0, v);
    x86_cc_set(env, FL_CF);
}
