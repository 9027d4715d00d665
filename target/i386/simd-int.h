/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to simd.c, fpu.c, simd-c.c and simd-call.S: how the vector and x87
 * unit runs one instruction on the host's.
 */
#ifndef I386_SIMD_INT_H
#define I386_SIMD_INT_H

#include "target/i386/cpu.h"
#include "target/i386/decode.h"

/* Operands by their place in the encoding; simd-call.S knows the offsets. */
struct simd_call {
    /* Read before: 16 bytes, 32 for simd_call_ymm.  Any alignment. */
    const void *reg, *vvvv, *rm, *is4, *x0;
    /* Written after, in the order rm, reg, x0. */
    void *out_reg, *out_rm, *out_x0;
    uint64_t rax, rcx, rdx, rbx;
    uint16_t flags;       /* out: AH as lahf, AL bit 0 OF */
    uint32_t mxcsr;       /* in and out */
    uint32_t trap;        /* out: 0, EXCP_XM, EXCP_UD */
    void *mm_reg, *mm_rm; /* simd_call_mmx: read and written */
};
_Static_assert(offsetof(struct simd_call, rax) == 64, "simd-call.S");
_Static_assert(offsetof(struct simd_call, flags) == 96, "simd-call.S");
_Static_assert(offsetof(struct simd_call, mxcsr) == 100, "simd-call.S");
_Static_assert(offsetof(struct simd_call, trap) == 104, "simd-call.S");
_Static_assert(offsetof(struct simd_call, mm_reg) == 112, "simd-call.S");

void simd_call_int(struct simd_call *c, const void *thunk);
void simd_call_fp(struct simd_call *c, const void *thunk);
void simd_call_ymm(struct simd_call *c, const void *thunk);
void simd_call_mmx(struct simd_call *c, const void *thunk);
void x87_call(struct simd_call *c, const void *thunk, void *img, void *mem);
extern const char simd_trap_fpe[], simd_trap_ill[];

/* Where an operand stands in the encoding of a thunk. */
enum simd_role {
    ROLE_NONE, ROLE_REG, ROLE_VVVV, ROLE_RM, ROLE_IS4, ROLE_X0, ROLE_IMM,
};
/* Generated (simd-thunks.S): one for each vector row with a register form. */
struct simd_form {
    const char *form;     /* the row's text: x86_row.form */
    uint8_t role[4];      /* of insn.opnd[] */
    uint8_t rm_file;      /* 'x' xmm/ymm, 'm' mmx, 'g' general */
    uint8_t kind;         /* 'i' integer, 'f' uses MXCSR, 'm' touches MMX */
    uint16_t stride;      /* 0, or bytes from one imm8's thunk to the next */
    const uint8_t *thunk[2][2]; /* [W][L]; NULL: no such form */
};
extern const struct simd_form simd_forms[];
extern const uint32_t simd_form_count;
extern const uint8_t simd_thunks[], simd_thunks_end[];
/* D8..DF: memory form by ModRM.reg, register form by the low six bits. */
extern const uint8_t x87_mem_thunks[8][8][4], x87_reg_thunks[8][64][4];

/* Registers in the image. */
static inline void *simd_img(CPUX86State *env)
{
    return env->x.xsave;
}
static inline uint16_t *img16(CPUX86State *env, unsigned off)
{
    return (uint16_t *)(env->x.xsave + off);
}
static inline uint32_t *img32(CPUX86State *env, unsigned off)
{
    return (uint32_t *)(env->x.xsave + off);
}
static inline uint64_t *img64(CPUX86State *env, unsigned off)
{
    return (uint64_t *)(env->x.xsave + off);
}
static inline uint8_t *simd_xmm(CPUX86State *env, unsigned n)
{
    return env->x.xsave + XS_XMM(n);
}
static inline uint8_t *simd_ymmh(CPUX86State *env, unsigned n)
{
    return env->x.xsave + XS_YMMH(n);
}

#define MXCSR_EXC_MASK 0x3fu
#define MXCSR_VALID 0xffffu

/* simd.c: one-time and per-thread preparation. */
void simd_thread_ready(void);

/* fpu.c */
void x87_exec(CPUX86State *env, const struct insn *insn);
void x87_xsave_exec(CPUX86State *env, const struct insn *insn);
/* An unmasked exception is pending: #MF, or FERR# and on. */
void x87_check_pending(CPUX86State *env);
/* TOP becomes 0, the registers stay where they are; all are valid then. */
void x87_to_mmx(CPUX86State *env);
/* MMX register's 8 bytes (after x87_to_mmx()). */
static inline uint8_t *simd_mm(CPUX86State *env, unsigned n)
{
    return env->x.xsave + XS_ST(n);
}

#endif
