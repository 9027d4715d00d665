/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the interpreter's files: blocks.c, interp*.c, insn-state.c, ops*.c. */
#ifndef I386_INTERP_H
#define I386_INTERP_H

#include "cpu.h"
#include "decode.h"

/*
 * insn.aux, filled by blocks.c: bits 15:0 offset of the instruction from the
 * block's start, 31:16 of the next one, 39:32 how its address is made.
 */
#define INSN_POS(i)   ((uint16_t)(i)->aux)
#define INSN_NEXT(i)  ((uint16_t)((i)->aux >> 16))
#define INSN_AMODE(i) ((uint8_t)((i)->aux >> 32))
enum amode {
    AM_64,     /* base + index << scale + disp is the linear address */
    AM_32,     /* the same, cut to 32 bits: flat segments */
    AM_RIP,    /* disp from the next instruction */
    AM_FSGS,   /* 64-bit mode, plus the base of FS or GS */
    AM_SLOW,   /* x86_insn_lin() */
};

#define BLOCK_MAX_INSNS 64

/* Decoded code of one RAM page, straight line. */
struct block {
    struct block *next;        /* in the hash bucket */
    const _Atomic uint32_t *gen_ptr; /* page_code.gen */
    uint64_t ram;              /* RAM offset of the first byte */
    uint64_t ram2;             /* page that its one instruction reaches into,
                                * | 1; 0: all is in one page */
    uint32_t gen;              /* valid while *gen_ptr equals it */
    uint32_t key;
    uint16_t n, bytes;
    struct block *chain[2];    /* same page: fall through, taken */
    struct jblk *jit;          /* its translations */
    uint32_t hits;
    struct insn insn[];        /* n, then a terminator */
};

typedef void X86OpFn(CPUX86State *env, const struct insn *in);
extern X86OpFn *const x86_ops[];

/* blocks.c */
void blocks_init(CPUX86State *env, uint64_t bytes);
void blocks_destroy(CPUX86State *env);
/* The block at env->rip, made if need be; raises what the fetch raises. */
struct block *block_get(CPUX86State *env);
/* Same, one instruction, not kept. */
struct block *block_one(CPUX86State *env);

/* A kept block for RAM offset @ram that is valid, or NULL; it lies in one page:
 * others are found only by a lookup that sees both pages' mappings. */
struct block *block_peek(CPUX86State *env, uint64_t ram, uint32_t key);

/* interp.c: @b and what follows it; @once: only @b. */
void interp_run_block(CPUX86State *env, struct block *b, bool once);
/* Once per process, before the first block is made. */
void interp_init_labels(void);
/* Executes @in, which is at @rip; env->rip is then the next one's.*/
void interp_one(CPUX86State *env, const struct insn *in, uint64_t rip);
/* Picks the handler. */
void interp_specialize(CPUX86State *env, struct insn *in);
const void *interp_end_handler(void);

#endif
