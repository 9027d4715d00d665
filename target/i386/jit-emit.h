/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86-64 machine code, one instruction a call (Intel SDM volume 2, chapter 2).
 * Bytes go to the writable view of the code memory; a relative distance is
 * the same in both views.
 */
#ifndef I386_JIT_EMIT_H
#define I386_JIT_EMIT_H

#include "osdep.h"

/* Host registers that have a role of their own. */
enum {
    H_AX, H_CX, H_DX, H_BX, H_RSP, H_BP, H_SI, H_DI, H_R8,
    H_GSP,      /* r9: the guest's stack pointer */
    H_T1, H_T2, /* r10, r11: temporaries */
    H_R12, H_R13, H_R14, H_R15,
};

struct emit {
    uint8_t *p;
};

static inline void e8(struct emit *e, unsigned v)
{
    *e->p++ = (uint8_t)v;
}

static inline void e16(struct emit *e, unsigned v)
{
    uint16_t x = (uint16_t)v;

    memcpy(e->p, &x, 2);
    e->p += 2;
}

static inline void e32(struct emit *e, uint64_t v)
{
    uint32_t x = (uint32_t)v;

    memcpy(e->p, &x, 4);
    e->p += 4;
}

static inline void e64(struct emit *e, uint64_t v)
{
    memcpy(e->p, &v, 8);
    e->p += 8;
}

static inline bool fits8(int64_t v)
{
    return v == (int8_t)v;
}

static inline bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

/* The r/m operand. */
struct rm {
    int8_t reg;         /* -1: memory */
    int8_t base, index; /* -1: none */
    uint8_t scale;
    int32_t disp;
};

static inline struct rm rm_reg(int r)
{
    return (struct rm){ .reg = (int8_t)r, .base = -1, .index = -1 };
}

static inline struct rm rm_mem(int base, int index, unsigned scale,
                               int32_t disp)
{
    return (struct rm){ -1, (int8_t)base, (int8_t)index, (uint8_t)scale,
                        disp };
}

/* In the low 2 GB: where all that generated code reaches by address lies. */
static inline struct rm rm_abs(const void *p)
{
    return rm_mem(-1, -1, 0, (int32_t)(intptr_t)p);
}

static inline struct rm rm_tab(const void *p, int index)
{
    return rm_mem(index, -1, 0, (int32_t)(intptr_t)p);
}

static inline unsigned rm_rex(struct rm m)
{
    if (m.reg >= 0) {
        return m.reg >> 3;
    }
    return (m.base >= 8 ? 1 : 0) | (m.index >= 8 ? 2 : 0);
}

/* ModRM, SIB, displacement. */
static inline void e_modrm(struct emit *e, int reg, struct rm m)
{
    unsigned r = (reg & 7) << 3;

    if (m.reg >= 0) {
        e8(e, 0xc0 | r | (m.reg & 7));
        return;
    }
    if (m.base < 0) {
        /* No base: 32 bits of displacement, sign-extended. */
        e8(e, r | 4);
        e8(e, (m.index < 0 ? 0x25 : m.scale << 6 | (m.index & 7) << 3 | 5));
        e32(e, (uint32_t)m.disp);
        return;
    }
    unsigned mod = m.disp == 0 && (m.base & 7) != 5 ? 0
                 : fits8(m.disp)                    ? 0x40
                                                    : 0x80;
    if (m.index >= 0 || (m.base & 7) == 4) {
        unsigned idx = m.index >= 0 ? m.index & 7 : 4;
        e8(e, mod | r | 4);
        e8(e, m.scale << 6 | idx << 3 | (m.base & 7));
    } else {
        e8(e, mod | r | (m.base & 7));
    }
    if (mod == 0x40) {
        e8(e, (uint8_t)m.disp);
    } else if (mod == 0x80) {
        e32(e, (uint32_t)m.disp);
    }
}

/* One-byte opcode with operand size 4 or 8. */
static inline void e_op(struct emit *e, unsigned w, unsigned op, int reg,
                        struct rm m)
{
    unsigned rex = w << 3 | (reg & 8) >> 1 | rm_rex(m);

    if (rex) {
        e8(e, 0x40 | rex);
    }
    e8(e, op);
    e_modrm(e, reg, m);
}

static inline void e_op0f(struct emit *e, unsigned w, unsigned op, int reg,
                          struct rm m)
{
    unsigned rex = w << 3 | (reg & 8) >> 1 | rm_rex(m);

    if (rex) {
        e8(e, 0x40 | rex);
    }
    e8(e, 0x0f);
    e8(e, op);
    e_modrm(e, reg, m);
}

static inline void e_mov_rr(struct emit *e, int d, int s)
{
    e_op(e, 1, 0x8b, d, rm_reg(s));
}

static inline void e_mov_rr32(struct emit *e, int d, int s)
{
    e_op(e, 0, 0x8b, d, rm_reg(s));
}

static inline void e_ld(struct emit *e, int d, struct rm m)
{
    e_op(e, 1, 0x8b, d, m);
}

static inline void e_ld32(struct emit *e, int d, struct rm m)
{
    e_op(e, 0, 0x8b, d, m);
}

static inline void e_st(struct emit *e, int s, struct rm m)
{
    e_op(e, 1, 0x89, s, m);
}

static inline void e_lea(struct emit *e, unsigned w, int d, struct rm m)
{
    e_op(e, w, 0x8d, d, m);
}

/* The shortest mov of a constant; leaves the flags alone. */
static inline void e_imm(struct emit *e, int d, uint64_t v)
{
    if (v <= UINT32_MAX) {
        if (d >= 8) {
            e8(e, 0x41);
        }
        e8(e, 0xb8 | (d & 7));
        e32(e, v);
    } else if (fits32((int64_t)v)) {
        e8(e, 0x48 | (d >= 8));
        e8(e, 0xc7);
        e8(e, 0xc0 | (d & 7));
        e32(e, v);
    } else {
        e8(e, 0x48 | (d >= 8));
        e8(e, 0xb8 | (d & 7));
        e64(e, v);
    }
}

/* Group 1 with an immediate: @n 0 add, 1 or, 4 and, 5 sub, 7 cmp. */
static inline void e_alui(struct emit *e, unsigned w, unsigned n, struct rm m,
                          int32_t v)
{
    if (fits8(v)) {
        e_op(e, w, 0x83, (int)n, m);
        e8(e, (uint8_t)v);
    } else {
        e_op(e, w, 0x81, (int)n, m);
        e32(e, (uint32_t)v);
    }
}

/* Shifts of a register: @n 4 shl, 5 shr, 7 sar. */
static inline void e_shift(struct emit *e, unsigned w, unsigned n, int r,
                           unsigned by)
{
    e_op(e, w, 0xc1, (int)n, rm_reg(r));
    e8(e, by);
}

/* cmp $imm8, byte at @m */
static inline void e_cmp8(struct emit *e, struct rm m, unsigned v)
{
    e_op(e, 0, 0x80, 7, m);
    e8(e, v);
}

static inline void e_jmp_m(struct emit *e, struct rm m)
{
    e_op(e, 0, 0xff, 4, m);
}

/* Jumps with 32-bit distance; the address of the distance is returned. */
static inline uint8_t *e_jcc(struct emit *e, unsigned cc)
{
    e8(e, 0x0f);
    e8(e, 0x80 | cc);
    e32(e, 0);
    return e->p - 4;
}

static inline uint8_t *e_jmp(struct emit *e)
{
    e8(e, 0xe9);
    e32(e, 0);
    return e->p - 4;
}

static inline void e_fix(uint8_t *at, const uint8_t *to)
{
    int32_t d = (int32_t)(to - (at + 4));

    memcpy(at, &d, 4);
}

/* Short forward jumps. */
static inline uint8_t *e_jcc8(struct emit *e, unsigned cc)
{
    e8(e, 0x70 | cc);
    e8(e, 0);
    return e->p - 1;
}

static inline void e_fix8(struct emit *e, uint8_t *at)
{
    *at = (uint8_t)(e->p - (at + 1));
}

static inline void e_jmp_to(struct emit *e, const uint8_t *to)
{
    e_fix(e_jmp(e), to);
}

enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS };

#endif
