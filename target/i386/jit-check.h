/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lockstep: generated code against the interpreter (jit-check.c), and the
 * switches that find which part of the translator is wrong.
 */
#ifndef I386_JIT_CHECK_H
#define I386_JIT_CHECK_H

#include "jit-int.h"

/* Before generated code runs from instruction @i of @jb on. */
void jit_check_arm(struct jit *j, struct jblk *jb, unsigned i);
/* It came to C: before instruction @i of @jb, or behind it. */
void jit_check_at(struct jit *j, const struct jblk *jb, unsigned i,
                  bool behind, uint8_t flags);
/* ... or to the dispatcher with env->rip. */
void jit_check_left(struct jit *j);
void jit_check_free(struct jit *j);

/*
 * mmu.c's side.  While env->shadow is set, instructions run without trace:
 * accesses come here, and what is not plain RAM ends the prediction.
 */
uint64_t x86_shadow_ld(CPUX86State *env, vaddr lin, unsigned size, int mode);
void x86_shadow_st(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                   int mode);
void *x86_shadow_rmw(CPUX86State *env, vaddr lin, unsigned size);
/* Without side effects, or NULL: where @lin is, for reading or writing. */
void *x86_shadow_host(CPUX86State *env, vaddr lin, bool write, int mode);
NORETURN void x86_shadow_stop(CPUX86State *env);

#endif
