/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between seg.c and far.c: descriptors and stacks. */
#ifndef I386_SEG_INT_H
#define I386_SEG_INT_H

#include "cpu.h"

#define DESC_TYPE(hi) ((hi) >> 8 & 15)
#define DESC_S(hi)    ((hi) >> 12 & 1)
#define DESC_DPL(hi)  ((hi) >> 13 & 3)
#define DESC_P(hi)    ((hi) >> 15 & 1)
#define DESC_L(hi)    ((hi) >> 21 & 1)
#define DESC_DB(hi)   ((hi) >> 22 & 1)
#define IS_CODE(hi)   ((hi) >> 11 & 1)
#define IS_CONF(hi)   ((hi) >> 10 & 1)
#define IS_RW(hi)     ((hi) >> 9 & 1)

enum { ST_TSS16 = 1, ST_LDT, ST_TSS16_BUSY, ST_CALL16, ST_TASK, ST_INT16,
       ST_TRAP16, ST_TSS32 = 9, ST_TSS32_BUSY = 11, ST_CALL32, ST_INT32 = 14,
       ST_TRAP32 };

/* Pushes in the making: the register moves only when all is written. */
struct stack {
    uint64_t base, sp, mask, limit;
    int cpl;
    bool same;  /* the stack in use: its segment's checks apply */
    uint32_t attr;
    uint16_t sel;
};

static inline uint32_t desc_base(uint32_t lo, uint32_t hi)
{
    return lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000);
}

static inline uint32_t desc_attr(uint32_t hi)
{
    return hi >> 8 & 0xf0ff;
}

static inline bool protected_mode(CPUX86State *env)
{
    return (env->x.cr0 & CR0_PE) && !(env->eflags_sys & FL_VM);
}

static inline bool long_mode(CPUX86State *env)
{
    return env->x.efer & EFER_LMA;
}

static inline void set_rip(CPUX86State *env, uint64_t ip)
{
    env->rip = env->code64 ? ip : (uint32_t)ip;
}

NORETURN static inline void raise_sel(CPUX86State *env, int vec, uint16_t sel)
{
    x86_raise_err(env, vec, (sel & ~3u) | env->ext);
}

/* The upper half of a 16-byte system descriptor, 0 outside long mode. */
uint32_t x86_desc_high(CPUX86State *env, uint16_t sel, vaddr at, int vec);
/* Sets the accessed bit of the descriptor at @at, if not set. */
void x86_set_accessed(CPUX86State *env, uint32_t *hi, vaddr at);
/* By the width of the stack. */
uint64_t x86_sp_mask(CPUX86State *env);
/* The new instruction pointer must lie in the code segment. */
void x86_check_ip(CPUX86State *env, uint64_t ip, uint32_t lo, uint32_t hi);
/* Building a stack frame: the current or an inner level's. */
void x86_stk_push(CPUX86State *env, struct stack *k, uint64_t val,
                  unsigned size);
struct stack x86_stk_current(CPUX86State *env);
struct stack x86_stk_inner(CPUX86State *env, int cpl, int ist,
                           uint32_t *ss_lo, uint32_t *ss_hi, vaddr *ss_at);
/* SS and SP become @k's. */
void x86_stk_commit(CPUX86State *env, struct stack *k, uint32_t ss_lo,
                    uint32_t ss_hi, vaddr ss_at);

#endif
