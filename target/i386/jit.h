/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JIT as the rest of the software engine sees it.  All of it belongs to
 * the vCPU's own thread, but for jit_code_written().
 */
#ifndef I386_JIT_H
#define I386_JIT_H

#include "interp.h"

/* Executions after which a block is translated; 0: at once. */
extern unsigned jit_threshold;
/* Each translation is compared with the interpreter (jit-check.c). */
extern bool jit_lockstep;

/*
 * Code memory of @bytes for this vCPU; false: the host gives none, the vCPU
 * interprets.
 */
bool jit_init(CPUX86State *env, uint64_t bytes);
void jit_destroy(CPUX86State *env);
/* Everything goes: the block pool is about to be emptied. */
void jit_flush(CPUX86State *env);
/*
 * Runs @b's translation and what follows, making it if @b is hot enough.
 * Raises like an interpreter.
 */
enum jit_ran {
    JIT_RAN,
    JIT_COLD,   /* nothing was executed: interpret this block, ask again */
    JIT_NEVER,  /* ... interpret until the mode changes */
};
enum jit_ran jit_run(CPUX86State *env, struct block *b);
/* Any thread: code of this RAM page was written. */
void jit_code_written(CPUX86State *env, uint64_t ram_page);
/* For the monitor. */
void jit_info(GString *out);

#endif
