/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One translation while it is made: what the parts of the translator share.
 *
 *   jit-front.c    from a block to a translation
 *   jit-class.c    what is to be done with an instruction; its flags
 *   jit-exit.c     flags in and out, jumps to other translations and to C
 *   jit-copy.c     memory accesses, and instructions that are copied
 *   jit-special.c  those with code of their own
 *   jit-branch.c   branches
 */
#ifndef I386_JIT_TR_H
#define I386_JIT_TR_H

#include "jit-int.h"
#include "decode-int.h"

#define FL_ALL 0x3f

enum { ST_DEAD, ST_E, ST_M };

struct tr {
    struct jit *j;
    CPUX86State *env;
    struct jblk *jb;
    struct emit h, c;       /* hot code, stubs */
    const struct insn *in[JIT_MAX_INSNS];
    uint16_t pos[JIT_MAX_INSNS];
    uint8_t need[JIT_MAX_INSNS + 1], live[JIT_MAX_INSNS];
    uint8_t how[JIT_MAX_INSNS];
    unsigned n, i;
    int st;
    uint32_t key;
    bool m64;
    int mode;               /* MMU_* */
    struct tlbe *tlb;       /* its table */
    bool group;             /* one check for several instructions */
    uint8_t v, f;
};

static inline const uint8_t *to_rx(const struct jit *j, const uint8_t *p)
{
    return j->rx + (p - j->rw);
}

static inline uint8_t *to_rw(const struct jit *j, const uint8_t *p)
{
    return j->rw + (p - j->rx);
}

static inline struct rm rm_env(const struct tr *t, unsigned reg)
{
    return rm_abs(&t->env->regs[reg]);
}

static inline uint64_t va_of(const struct tr *t, unsigned i)
{
    return t->jb->va + t->pos[i];
}

static inline uint64_t next_va(const struct tr *t, unsigned i)
{
    uint64_t va = va_of(t, i) + t->in[i]->len;

    return t->m64 ? va : (uint32_t)va;
}
static inline uint64_t target_of(const struct tr *t, unsigned i)
{
    uint64_t va = next_va(t, i) + t->in[i]->imm;

    return t->m64 ? va : (uint32_t)va;
}

/*
 * What is done with an instruction.
 */
enum how {
    HOW_SLOW,   /* interpreted, then on */
    HOW_LEAVE,  /* interpreted, then the dispatcher */
    HOW_COPY,
    HOW_NOP,
    HOW_LEA, HOW_PUSH, HOW_PUSHI, HOW_PUSHM, HOW_POP, HOW_LEAVE_FRAME,
    HOW_BT, HOW_CX8, HOW_MOFFS, HOW_SWAPGS, HOW_CLI, HOW_STI, HOW_PUSHF,
    HOW_RDTSC, HOW_CLD, HOW_STRING,
    HOW_JCC, HOW_JMP, HOW_CALL, HOW_RET, HOW_JMPI, HOW_CALLI, HOW_LOOP,
    HOW_JCXZ, HOW_STAC,
    HOW_SLOW_BRANCH,
};

/* Where the operands stand in the encoding; -1: nowhere. */
struct roles {
    int reg, rm, z, v, imm;
    unsigned imm_size;
};

static inline bool is_gpr(const struct insn *in, int n)
{
    return n >= 0 && OPND_FILE(in->opnd[n]) == OPND_GPR;
}

static inline bool is_high(const struct insn *in, int n)
{
    return n >= 0 && OPND_FILE(in->opnd[n]) == OPND_GPRH;
}

static inline bool spilled(const struct insn *in, int n)
{
    return is_gpr(in, n) && home[OPND_NUM(in->opnd[n])] < 0;
}

/* Needs a REX prefix whatever else: r8 and up, and rsp, which is in r9. */
static inline bool wants_rex(const struct insn *in, int n)
{
    return is_gpr(in, n) &&
           (OPND_NUM(in->opnd[n]) >= 8 || OPND_NUM(in->opnd[n]) == 4);
}

/* Behind a check: the operand. */
static inline struct rm rm_host(void)
{
    return rm_mem(H_T1, H_T2, 0, 0);
}

/* jit-class.c */
enum how tr_classify(struct tr *t, const struct insn *in);
struct roles tr_roles(const struct insn *in);
/* The flags that @in reads, and those that it always sets. */
void tr_flag_use(const struct insn *in, enum how how, uint8_t *reads,
                 uint8_t *kills);
bool tr_writes_flags(const struct insn *in);
/* Flags wanted at @va; all, if that cannot be told for good.  @depth 0. */
uint8_t tr_needs_at(struct tr *t, uint64_t va, int depth);

/* jit-exit.c */
void tr_save_flags(struct emit *e, const struct tr *t); /* T1 is lost */
void tr_load_flags(struct emit *e, const struct tr *t); /* keeps T1, T2 */
/* EFLAGS are about to be lost; T1 too. */
void tr_flags_out(struct tr *t, struct emit *e, uint8_t wanted);
/* Before the instruction's own code: what it reads or keeps. */
void tr_flags_in(struct tr *t);
/* For host faults: where the flags are when the copy runs. */
void tr_mark_flags(struct tr *t);
void tr_flags_set(struct tr *t);
uint32_t tr_new_site(struct tr *t, int kind, uint64_t va);
void tr_call_site(struct tr *t, struct emit *e, uint32_t site,
                  const uint8_t *thunk);
/* A stub that interprets instruction i; returns where to jump. */
uint8_t *tr_slow_stub(struct tr *t);
/* Sets the distance at @at: to the translation of @va if there is one. */
void tr_link_to(struct tr *t, uint8_t *at, uint64_t va);
/* Jump cache, target in T1, flags in the image. */
void tr_jump_cache(struct tr *t, struct emit *e, int32_t pop);
/* The same with a constant target. */
void tr_jump_const(struct tr *t, struct emit *e, uint64_t va);
/* Leaves if somebody asked; at @va then.  Keeps flags that are wanted. */
void tr_poll(struct tr *t, struct emit *e, uint64_t va, uint8_t wanted);
/* To @va from here, by @e; the state afterwards means nothing. */
void tr_go(struct tr *t, struct emit *e, uint64_t va);

/* jit-copy.c */
/* Host registers that hold base and index, -1: the operand has none; those
 * without a home are loaded into T1 and T2. */
void tr_mem_regs(struct tr *t, const struct insn *in, int *base, int *index);
/* The linear address of the memory operand into T1. */
void tr_ea(struct tr *t, const struct insn *in);
/*
 * T1: linear address; then T1 + T2 is the host's.  EFLAGS are lost.  @slot:
 * where the page was the last time, SLOTS: nowhere.
 */
void tr_check(struct tr *t, unsigned size, bool write, unsigned slot);
/* The slot of @in's memory operand. */
unsigned tr_slot(const struct insn *in);
/*
 * The same by the TLB at @e, miss behind it, for a site that has been changed.
 * It counts: at the end of site.left the instruction is interpreted.  The
 * address of the jump for a hit, to be set, is returned.
 */
uint8_t *tr_check_hashed(struct jit *j, struct emit *e, struct tlbe *tlb,
                         uint32_t site);
/* T1: the host address; T2 is free. */
struct rm tr_sum(struct tr *t);
void emit_copy(struct tr *t, const struct insn *in);

/* jit-special.c */
void tr_add_sp(struct tr *t, int32_t n);
/* T1 + T2: the place for a push, checked. */
void tr_push_check(struct tr *t);
/* One that is not a copy nor a branch (see enum how). */
void emit_special(struct tr *t, const struct insn *in);

/* jit-branch.c */
void emit_branch(struct tr *t, const struct insn *in);

#endif
