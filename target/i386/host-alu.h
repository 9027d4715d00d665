/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer instructions of which the manual leaves flags or results undefined,
 * done by the host's own: so the interpreter gives what a copy in generated
 * code gives, and the two can be compared to the last bit (jit-check.c).
 *
 * Each takes EFLAGS and returns the six arithmetic ones.
 */
#ifndef I386_HOST_ALU_H
#define I386_HOST_ALU_H

#include "cpu.h"
#include "decode.h"

/* AX holds the flags, as LAHF and SETO %al leave them. */
static inline unsigned alu_ax(uint32_t fl)
{
    return (fl & 0xd5) << 8 | (fl & FL_OF ? 1 : 0);
}

static inline uint32_t alu_fl(unsigned ax)
{
    return (ax >> 8 & 0xd5) | (ax & 1 ? FL_OF : 0);
}

#define ALU_IN "addb $0x7f, %%al\n\tsahf\n\t"
#define ALU_OUT "\n\tlahf\n\tseto %%al"

/* One instruction at four operand sizes; the operands follow ax. */
#define ALU_SIZE(T, suffix, insn, args) { \
        T v = (T)*a; \
        __asm__(ALU_IN insn suffix " " args ALU_OUT \
                : "+a"(ax), "+q"(v) : "c"(n) : "cc"); \
        *a = v; \
        break; \
    }
#define ALU_OP(OP, insn) \
    case OP: \
        switch (size) { \
        case 1: ALU_SIZE(uint8_t, "b", insn, "%%cl, %1") \
        case 2: ALU_SIZE(uint16_t, "w", insn, "%%cl, %1") \
        case 4: ALU_SIZE(uint32_t, "l", insn, "%%cl, %1") \
        default: ALU_SIZE(uint64_t, "q", insn, "%%cl, %1") \
        } \
        break;

static inline uint32_t alu_shift(unsigned op, unsigned size, uint64_t *a,
                                 uint8_t n, uint32_t fl)
{
    unsigned ax = alu_ax(fl);

    switch (op) {
    ALU_OP(OP_SHL, "shl")
    ALU_OP(OP_SHR, "shr")
    ALU_OP(OP_SAR, "sar")
    ALU_OP(OP_ROL, "rol")
    ALU_OP(OP_ROR, "ror")
    ALU_OP(OP_RCL, "rcl")
    ALU_OP(OP_RCR, "rcr")
    }
    return alu_fl(ax);
}

#define ALU_SHXD(T, insn) { \
        T v = (T)*a; \
        __asm__(ALU_IN insn " %%cl, %2, %1" ALU_OUT \
                : "+a"(ax), "+r"(v) : "r"((T)b), "c"(n) : "cc"); \
        *a = v; \
        break; \
    }

static inline uint32_t alu_shxd(bool left, unsigned size, uint64_t *a,
                                uint64_t b, uint8_t n, uint32_t fl)
{
    unsigned ax = alu_ax(fl);

    switch (size | (left ? 16 : 0)) {
    case 2: ALU_SHXD(uint16_t, "shrdw")
    case 4: ALU_SHXD(uint32_t, "shrdl")
    case 8: ALU_SHXD(uint64_t, "shrdq")
    case 18: ALU_SHXD(uint16_t, "shldw")
    case 20: ALU_SHXD(uint32_t, "shldl")
    case 24: ALU_SHXD(uint64_t, "shldq")
    }
    return alu_fl(ax);
}

/* d = insn(s); d is kept where the instruction keeps it. */
#define ALU_D_S(T, insn) { \
        __asm__(ALU_IN insn ALU_OUT \
                : "+a"(ax), "+r"(*d) : "r"(s) : "cc"); \
        break; \
    }
#define ALU_BITS(OP, name) \
    case OP: \
        switch (size) { \
        case 2: ALU_D_S(uint16_t, name " %w2, %w1") \
        case 4: ALU_D_S(uint32_t, name " %k2, %k1") \
        default: ALU_D_S(uint64_t, name " %2, %1") \
        } \
        break;

/* BSF, BSR, TZCNT, LZCNT, IMUL of two operands. */
static inline uint32_t alu_bits(unsigned op, unsigned size, uint64_t *d,
                                uint64_t s, uint32_t fl)
{
    unsigned ax = alu_ax(fl);

    switch (op) {
    ALU_BITS(OP_BSF, "bsf")
    ALU_BITS(OP_BSR, "bsr")
    ALU_BITS(OP_TZCNT, "tzcnt")
    ALU_BITS(OP_LZCNT, "lzcnt")
    ALU_BITS(OP_IMUL2, "imul")
    }
    return alu_fl(ax);
}

/* a:lo * s, one operand's forms; the low part in lo (of 8 bits: all). */
#define ALU_MUL(T, insn) \
    __asm__(insn "\n\tmov %%rax, %0\n\tlahf\n\tseto %%al" \
            : "=&r"(*lo), "+d"(*hi), "+a"(a) : "r"((T)s) : "cc"); \
    break;

static inline uint32_t alu_mul(bool sign, unsigned size, uint64_t a, uint64_t s,
                               uint64_t *lo, uint64_t *hi)
{
    switch (size | (sign ? 16 : 0)) {
    case 1: ALU_MUL(uint8_t, "mulb %b3")
    case 2: ALU_MUL(uint16_t, "mulw %w3")
    case 4: ALU_MUL(uint32_t, "mull %k3")
    case 8: ALU_MUL(uint64_t, "mulq %3")
    case 17: ALU_MUL(uint8_t, "imulb %b3")
    case 18: ALU_MUL(uint16_t, "imulw %w3")
    case 20: ALU_MUL(uint32_t, "imull %k3")
    case 24: ALU_MUL(uint64_t, "imulq %3")
    }
    return alu_fl((unsigned)a);
}

/* BMI1 and BMI2: @s the source in r/m, @v the other one. */
#define ALU_BMI_2(OP, name, x, y) \
    case OP: \
        if (size == 8) { \
            __asm__(name " %" #x ", %" #y ", %1\n\tlahf\n\tseto %%al" \
                    : "=a"(ax), "=&r"(r) : "r"(s), "r"(v) : "cc"); \
        } else { \
            __asm__(name " %k" #x ", %k" #y ", %k1\n\tlahf\n\tseto %%al" \
                    : "=a"(ax), "=&r"(r) : "r"(s), "r"(v) : "cc"); \
        } \
        break;
#define ALU_BMI_1(OP, name) \
    case OP: \
        if (size == 8) { \
            __asm__(name " %2, %1\n\tlahf\n\tseto %%al" \
                    : "=a"(ax), "=&r"(r) : "r"(s) : "cc"); \
        } else { \
            __asm__(name " %k2, %k1\n\tlahf\n\tseto %%al" \
                    : "=a"(ax), "=&r"(r) : "r"(s) : "cc"); \
        } \
        break;

static inline uint32_t alu_bmi(unsigned op, unsigned size, uint64_t *d,
                               uint64_t s, uint64_t v)
{
    unsigned ax = 0;
    uint64_t r = 0;

    switch (op) {
    ALU_BMI_2(OP_ANDN, "andn", 2, 3)
    ALU_BMI_2(OP_BZHI, "bzhi", 3, 2)
    ALU_BMI_2(OP_BEXTR, "bextr", 3, 2)
    ALU_BMI_1(OP_BLSR, "blsr")
    ALU_BMI_1(OP_BLSMSK, "blsmsk")
    ALU_BMI_1(OP_BLSI, "blsi")
    }
    *d = r;
    return alu_fl(ax);
}

#endif
