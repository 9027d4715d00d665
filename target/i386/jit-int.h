/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between jit.c (code memory, thunks, entry, exit) and jit-front.c
 * (translation). */
#ifndef I386_JIT_INT_H
#define I386_JIT_INT_H

#include "jit.h"
#include "jit-emit.h"
#include "util/thread.h"

#define JIT_MAX_INSNS 160   /* one translation's */

/* Where the guest's registers are; -1: in env. */
static const int8_t home[16] = { H_AX, H_CX, H_DX, H_BX, H_GSP, H_BP, H_SI,
                                 H_DI, H_R8, -1, -1, -1, H_R12, H_R13, H_R14,
                                 H_R15 };

/* One translation: a block, and those it falls through to, at one virtual
 * address. */
struct jblk {
    struct jblk *next;      /* of the same first block: another address */
    struct jblk *page_next; /* of one RAM page */
    struct block *b;
    uint64_t va;            /* of the first instruction (offset in CS) */
    uint64_t ram_page;
    const uint8_t *e, *m;   /* entries: flags in EFLAGS, in the image */
    uint32_t start, end;    /* its code, from the memory's start */
    uint32_t cold, cold_end;
    const struct insn **in; /* its instructions */
    uint16_t *pos;          /* where they are, from va */
    uint8_t *how;           /* enum how of jit-tr.h */
    uint32_t *off;          /* their code, from start; JIT_OFF_E */
    uint16_t n;
    uint8_t fl_in;          /* flags it needs */
    uint8_t v, f;           /* uses the vector, x87 registers */
    bool stale;
};

#define JIT_OFF_E 0x80000000u /* the flags are in EFLAGS there */
#define JIT_OFF(x) ((x) & 0x7fffffff)

/* A place where generated code calls C. */
struct jsite {
    struct jblk *jb;
    uint64_t va;            /* links: the target */
    uint32_t back;          /* where it goes on, from the memory's start */
    uint32_t patch;         /* links: the distance to be set; 0: none */
    uint16_t insn;
    uint8_t kind;
    uint8_t fl;             /* flags that are right there */
    int32_t pop;            /* SITE_IND: what was added to rsp */
    /* An access through a slot: where its check begins and ends. */
    uint32_t check, checked;
    uint16_t miss;          /* how often it was another page; ~0: by the TLB */
    uint16_t size;
    uint8_t slot;
    bool write;
    int32_t left;           /* executions by the TLB until a new translation */
};
#define SITE_HASHED 0xffff
/* In insn.aux, above what the interpreter keeps there: no slot for it. */
#define INSN_HASHED (UINT64_C(1) << 63)
enum {
    SITE_INSN,  /* interpret it and go on behind it */
    SITE_LEAVE, /* ... and go back to the dispatcher */
    SITE_BRANCH,/* ... and to where it leads */
    SITE_LINK_E, SITE_LINK_M, /* to va */
    SITE_IND,   /* to env->rip */
};

struct jit {
    CPUX86State *env;
    uint8_t *rw;            /* the view that is written */
    const uint8_t *rx;      /* the same memory, executable */
    size_t size;
    uint32_t thunks;        /* bytes at the start that stay */
    uint32_t hot, hot_end, cold, cold_end; /* hot code, stubs */
    struct jsite *sites;
    unsigned nsites, max_sites;
    struct jblk *blks;
    unsigned nblks, max_blks;
    uint8_t *pool;          /* blocks' arrays */
    size_t pool_used, pool_size;
    struct jblk *pages[4096];
    /* Thunks. */
    void (*enter)(const uint8_t *code);
    const uint8_t *t_leave, *t_slow, *t_link_m, *t_link_e, *t_ind, *t_fault;
    const uint8_t *t_miss[2]; /* by write */
    const uint8_t *t_slot_miss[2];
    uint64_t slot_misses, slot_tsc;
    bool slots_thrash;
    const uint8_t *t_load_v[3], *t_load_f[3];
    /* Pages whose code was written, by any thread. */
    Mutex stale_lock;
    uint64_t stale_pages[64];
    _Atomic unsigned nstale;
    /* Statistics. */
    uint64_t n_blocks, n_guest, n_host, n_cold, n_flush, n_stale, n_slow,
             n_leave, n_branch, n_link, n_ind, n_enter, n_fault, n_hashed;
    uint64_t slow_by_op[OP_COUNT];
    /* Lockstep (jit-check.c). */
    bool lockstep;
    struct jit_check *check;
    struct jblk *entered;   /* lookup()'s */
    uint64_t n_checked, n_unknown, n_moved, n_differ;
};

/* Parts of the translator that -accel tcg,x-jit-off=MASK leaves out. */
enum {
    JIT_NO_CHAIN = 1,       /* patched jumps */
    JIT_NO_JCACHE = 2,      /* the inline jump cache */
    JIT_NO_DEAD = 4,        /* flags that nobody reads */
    JIT_NO_RUNS = 8,        /* one check for pushes and pops */
    JIT_NO_REFILL = 16,     /* TLB refill without the interpreter */
    JIT_NO_MEMORY = 32,     /* copies with memory operands */
    JIT_NO_VECTOR = 64,     /* copies of vector and x87 instructions */
    JIT_NO_SPECIAL = 128,   /* the kernel's instructions */
    JIT_NO_GATHER = 256,    /* translations of several blocks */
    JIT_NO_SLOTS = 512,     /* the last page of a base register */
};
extern unsigned jit_off;

/* Errors that tests/cpu/jit-lockstep.c plants: it must find each. */
enum {
    PLANT_INC_CF = 1, PLANT_SAVE_CF, PLANT_LOAD_OF, PLANT_SHIFT_0,
    PLANT_GROUP_SITE, PLANT_CHECK_SIZE, PLANT_PUSH_EARLY, PLANT_CHAIN_VA,
    PLANT_CHAIN_ENTRY, PLANT_STALE_JUMPS, PLANT_SMC_GOES_ON, PLANTS
};
#ifdef JIT_PLANTS
extern unsigned jit_plant;
#define PLANT(n) (jit_plant == (n))
#else
#define PLANT(n) false
#endif

/* Space that one translation never exceeds. */
#define JIT_HOT_ROOM (JIT_MAX_INSNS * 320u)
#define JIT_COLD_ROOM (JIT_MAX_INSNS * 160u)
#define JIT_SITES_ROOM (JIT_MAX_INSNS * 4u)

/* jit-front.c: fills @jb, whose b and va are set; false: nothing to gain. */
bool jit_translate(struct jit *j, struct jblk *jb);
/* jit-slots.c: called by generated code; false: interpret it. */
bool jit_slot_refill(CPUX86State *env, vaddr lin, uint32_t write,
                     uint32_t site) NO_VECTORS;
/* The access at @site goes by the TLB from now on, if it misses much. */
void jit_slot_judge(struct jit *j, uint32_t site);
/* jit-exit.c: from @jb to @va by the jump cache, flags in EFLAGS if @in_e; NULL:
 * there is no room for it. */
const uint8_t *jit_jump_stub(struct jit *j, struct jblk *jb, uint64_t va,
                             bool in_e);
/* jit-info.c: @jb is new; for the logs. */
void jit_tell(struct jit *j, const struct jblk *jb);
/* -d out_asm. */
void jit_log_code(struct jit *j, const struct jblk *jb);
/* The valid translation of @b at @va. */
struct jblk *jit_find(struct block *b, uint64_t va);

#endif
