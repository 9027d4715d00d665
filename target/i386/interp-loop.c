/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop around decoded blocks: takes interrupts and exceptions, steps one
 * by one where blocks must not know (TF, breakpoints, shadows), and enters and
 * leaves guest code.
 *
 *   x86_interp_run: events -> block_get/jump cache -> jit or blocks -> events
 */
#include "osdep.h"
#include "jit.h"
#include "util/log.h"

void x86_interp_init(CPUX86State *env, uint64_t cache_bytes)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        interp_init_labels();
        g_once_init_leave(&once, 1);
    }
    blocks_init(env, cache_bytes);
    env->exc.vector = env->exc.delivering = -1;
}

void x86_interp_destroy(CPUX86State *env)
{
    blocks_destroy(env);
}

void x86_guest_reenter(CPUX86State *env)
{
    cpu_guest_enter(&env->cpu->parent);
    if (unlikely(atomic_load(&env->tlb_flush_req))) {
        x86_tlb_serve_requests(env);
    }
}

void x86_exclusive_begin(CPUX86State *env)
{
    cpu_guest_leave(&env->cpu->parent);
    env->exclusive_bql = !bql_locked();
    if (env->exclusive_bql) {
        bql_lock();
    }
    cpu_exclusive_begin();
    env->exclusive = true;
}

void x86_exclusive_end(CPUX86State *env)
{
    env->exclusive = false;
    cpu_exclusive_end();
    if (env->exclusive_bql) {
        bql_unlock();
    }
    x86_guest_reenter(env);
}

/* Instruction breakpoints of DR7 (bits of DR6), or -1 for gdb's. */
static int code_breakpoint(CPUX86State *env)
{
    vaddr lin = env->rip + (env->code64 ? 0 : env->x.seg[R_CS].base);
    int bits = 0;

    /* A step from a breakpoint's address passes it. */
    for (guint i = 0; env->gdb_bp && !env->cpu->parent.singlestep &&
                      i < env->gdb_bp->len; i++) {
        if (g_array_index(env->gdb_bp, vaddr, i) == lin) {
            return -1;
        }
    }
    if (env->eflags_sys & FL_RF) {
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        if ((env->x.dr[7] >> (2 * i) & 3) &&
            !(env->x.dr[7] >> (16 + 4 * i) & 3) && env->x.dr[i] == lin) {
            bits |= 1 << i;
        }
    }
    return bits;
}

/* One instruction with everything a block does not know.  True: for gdb. */
static bool run_single(CPUX86State *env)
{
    bool tf = env->eflags_sys & FL_TF;
    uint8_t shadow = env->x.shadow;

    if (env->debug_single) {
        int bp = code_breakpoint(env);
        if (bp < 0 && !env->cpu->parent.bp_pass) {
            env->cpu->parent.bp_pass = true;
            return true;
        }
        bp = MAX(bp, 0);
        /* Intel's are silent in the shadow of a load of SS. */
        if (bp && (!(shadow & 2) || env->cpu->amd)) {
            x86_raise_db(env, bp);
        }
    }
    env->cpu->parent.bp_pass = false;
    env->x.shadow = 0;
    env->watch_hit = 0;
    struct block *b = block_one(env);
    switch (b->insn[0].op) {
    case OP_SYSCALL:
    case OP_SYSRET:
    case OP_INT: /* these clear TF, and step no more */
    case OP_INT3:
    case OP_INT1:
        tf = false;
        break;
    case OP_INTO:
        tf = tf && !(x86_cc_get(env) & FL_OF);
        break;
    }
    interp_run_block(env, b, true);
    if (env->x.shadow == shadow) {
        env->x.shadow = 0; /* a second STI in a row does not extend it */
    }
    if (b->insn[0].op != OP_IRET) { /* its RF is for the next one */
        env->eflags_sys &= ~FL_RF;
    }
    x86_update_mode(env);
    /*
     * The trap after it.  A load of SS holds data breakpoints back for one
     * instruction and swallows the step; SYSCALL and SYSRET step by the TF
     * they leave (x86_syscall).
     */
    uint64_t hits = env->watch_hit;
    env->watch_hit = 0;
    if (env->x.shadow & 2) {
        env->x.pending_db |= hits;
    } else {
        hits |= env->x.pending_db | (tf ? BIT(14) : 0);
        env->x.pending_db = 0;
        if (hits) {
            env->halt_pending = false;
            x86_raise_db(env, hits);
        }
    }
    return env->cpu->parent.singlestep;
}

VCPUExit x86_interp_run(CPUX86State *env)
{
    CPUState *cs = &env->cpu->parent;
    volatile VCPUExit ret = VCPU_EXIT_NONE;
    sigjmp_buf jb;

    x86_guest_reenter(env);
    env->unwind = &jb;
    env->exc.delivering = -1;
    if (sigsetjmp(jb, 0)) {
        env->ea_bias = 0;
    }
    env->cur = NULL;
    env->brk = false;
    if (env->exc.vector >= 0) {
        if (!x86_deliver_exception(env)) {
            cpu_guest_leave(cs);
            return VCPU_EXIT_SHUTDOWN;
        }
        if (unlikely(cs->singlestep)) { /* a step ends at the handler */
            cpu_guest_leave(cs);
            return VCPU_EXIT_DEBUG;
        }
    }
    for (;;) {
        env->cur = NULL;
        env->brk = false;
        if (unlikely(atomic_load_explicit(&env->exit_req,
                                          memory_order_relaxed))) {
            atomic_exchange(&env->exit_req, 0);
            bool leave = cpu_guest_must_leave(cs);
            if (atomic_load(&env->tlb_flush_req)) {
                x86_tlb_serve_requests(env);
            }
            if (leave) {
                x86_request_exit(env);
                break;
            }
        }
        if (unlikely(env->gdb_watch_type)) {
            ret = VCPU_EXIT_DEBUG;
            break;
        }
        if (unlikely(atomic_load_explicit(&cs->interrupt_request,
                                          memory_order_relaxed)) ||
            unlikely(env->x.pending_db)) {
            cpu_guest_leave(cs);
            bool took = x86_service_events(env);
            x86_guest_reenter(env);
            if (took) {
                env->halt_pending = false;
                continue;
            }
        }
        if (unlikely(env->halt_pending)) {
            env->halt_pending = false;
            env->x.shadow = 0;
            cs->halted = true;
        }
        if (unlikely(cs->halted)) {
            ret = VCPU_EXIT_HALTED;
            break;
        }
        if (unlikely(env->watch_hit)) {
            uint64_t bits = env->watch_hit;
            env->watch_hit = 0;
            x86_raise_db(env, bits);
        }
        if (unlikely(env->single_only) || unlikely(env->x.shadow) ||
            unlikely(env->one_insn)) {
            if (run_single(env)) {
                ret = VCPU_EXIT_DEBUG;
                break;
            }
            continue;
        }
        vaddr lin = env->rip + env->seg_base[R_CS];
        struct jce *j = &env->jc[(lin ^ lin >> 8) & (JC_SIZE - 1)];
        struct block *b;
        if (likely(j->tag == (lin ^ env->jc_gen)) &&
            likely(j->blk->gen == atomic_load(j->blk->gen_ptr))) {
            b = j->blk;
        } else {
            b = block_get(env);
            if (likely(b->gen_ptr)) {
                j->tag = lin ^ env->jc_gen;
                j->blk = b;
            }
        }
        if (log_enabled(LOG_TB_CPU | LOG_EXEC)) {
            if (log_enabled(LOG_EXEC)) {
                log_printf("Trace %d: [%016" PRIx64 "]\n", cs->cpu_index, lin);
            }
            if (log_enabled(LOG_TB_CPU)) {
                GString *s = g_string_new(NULL);
                x86_env_to_regs(env);
                x86_dump_regs(env, s, false);
                log_printf("%s", s->str);
                g_string_free(s, TRUE);
            }
            interp_run_block(env, b, true);
            continue;
        }
        bool once = b->gen_ptr == NULL;
        if (env->jit) {
            enum jit_ran ran = jit_run(env, b);
            if (ran == JIT_RAN) {
                continue;
            }
            once |= ran == JIT_COLD;
        }
        interp_run_block(env, b, once);
    }
    cpu_guest_leave(cs);
    return ret;
}
