/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software engine as an accelerator: `-accel tcg`.
 */
#include "osdep.h"
#include "jit-int.h"
#include "exec/runstate.h"
#include "hw/boards.h"
#include "util/module.h"

typedef struct SoftState {
    Object obj;
    char *thread, *engine;
    uint64_t tb_size;     /* MiB for all vCPUs, 0: default */
    bool one_insn;
    uint32_t jit_threshold, jit_off;
    bool jit_check;
} SoftState;

/* Of code, for all vCPUs; each gets its part, within limits. */
#define DEFAULT_CACHE (UINT64_C(64) * MiB)
#define MIN_CACHE (2 * MiB)
#define MAX_CACHE (512 * MiB)

bool x86_pause_yields;
static bool soft_single;  /* thread=single */
/* thread=single: vCPUs run one at a time, in order of tickets. */
static Mutex turn_lock = MUTEX_INITIALIZER;
static Cond turn_cond;
static uint64_t next_ticket, serving;
static CPUState *turn_owner;
#define SLICE_NS (10 * NSEC_PER_MS)

/*
 * The TSC stands while the VM does: x86_host_tsc() is frozen, and what passed
 * meanwhile is taken off when the VM goes on.
 */
static void tsc_on_change(void *opaque, bool running, RunState state)
{
    x86_tsc_run(running);
}

static VMChangeListener tsc_listener = {
    .prio = VM_PRIO_CPU, .fn = tsc_on_change,
};

static bool soft_init(Object *obj, Error **errp)
{
    SoftState *s = (SoftState *)obj;

    if (s->thread && strcmp(s->thread, "multi") &&
        strcmp(s->thread, "single")) {
        error_setg(errp, "Invalid 'thread' setting %s", s->thread);
        return false;
    }
    if (s->engine && strcmp(s->engine, "interp") &&
        strcmp(s->engine, "jit")) {
        error_setg(errp, "engine '%s' is not there: use 'jit' or 'interp'",
                   s->engine);
        return false;
    }
    if (s->tb_size > 16384) {
        error_setg(errp, "tb-size of %" PRIu64 " MiB is too large", s->tb_size);
        return false;
    }
    jit_threshold = s->jit_threshold;
    jit_off = s->jit_off;
    jit_lockstep = s->jit_check;
    soft_single = s->thread && strcmp(s->thread, "single") == 0;
    x86_pause_yields = soft_single;
    cond_init(&turn_cond);
    x86_mmu_init();
    x86_tsc_run(false);
    vm_change_add(&tsc_listener);
    ram_code_write_hook = x86_code_written;
    return true;
}

static bool soft_vcpu_init(CPUState *cs, Error **errp)
{
    CPUX86State *env = cpu_env(cs);
    SoftState *s = (SoftState *)accel_object();
    uint64_t bytes = s && s->tb_size ? s->tb_size * MiB : DEFAULT_CACHE;
    unsigned cpus = current_machine ? current_machine->smp.max_cpus : 1;
    bool jit = !s || !s->engine || strcmp(s->engine, "jit") == 0;

    bytes = ROUND_DOWN(bytes / MAX(cpus, 1u), 4096);
    bytes = MIN(MAX(bytes, MIN_CACHE), MAX_CACHE);
    x86_mmu_env_init(env);
    x86_interp_init(env, bytes);
    env->one_insn = s && s->one_insn;
    if (jit && !jit_init(env, bytes)) {
        static bool warned;
        if (!warned) {
            warn_report("no executable memory for the JIT: interpreting");
            warned = true;
        }
    }
    x86_smm_as_init();
    x86_regs_to_env(env);
    return true;
}

static void soft_vcpu_destroy(CPUState *cs)
{
    jit_destroy(cpu_env(cs));
    x86_interp_destroy(cpu_env(cs));
}

static void take_turn(CPUState *cs)
{
    mutex_lock(&turn_lock);
    uint64_t mine = next_ticket++;
    while (serving != mine) {
        if (!cond_wait_ns(&turn_cond, &turn_lock, SLICE_NS) && turn_owner) {
            atomic_store(&turn_owner->exit_request, true);
            x86_request_exit(cpu_env(turn_owner));
        }
    }
    turn_owner = cs;
    mutex_unlock(&turn_lock);
}

static VCPUExit soft_vcpu_run(CPUState *cs)
{
    VCPUExit why;

    if (!soft_single) {
        return x86_interp_run(cpu_env(cs));
    }
    take_turn(cs);
    why = x86_interp_run(cpu_env(cs));
    mutex_lock(&turn_lock);
    turn_owner = NULL;
    serving++;
    cond_broadcast(&turn_cond);
    mutex_unlock(&turn_lock);
    return why;
}

static void soft_kick(CPUState *cs)
{
    if (cpu_env(cs)) {
        x86_request_exit(cpu_env(cs));
    }
}

static bool soft_has_work(CPUState *cs)
{
    CPUX86State *env = cpu_env(cs);
    uint32_t req = atomic_load(&cs->interrupt_request);

    if (req & CPU_INTERRUPT_POLL) {
        return true;
    }
    if (req & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI)) {
        return true;
    }
    if (env->x.sipi_wait) {
        return false;
    }
    return ((req & CPU_INTERRUPT_HARD) && (env->eflags_sys & FL_IF)) ||
           ((req & CPU_INTERRUPT_NMI) && !env->x.nmi_blocked) ||
           ((req & CPU_INTERRUPT_SMI) && !env->x.in_smm) ||
           (req & CPU_INTERRUPT_MCE);
}

static void soft_get_state(CPUState *cs)
{
    x86_env_to_regs(cpu_env(cs));
}

static void soft_put_state(CPUState *cs)
{
    x86_regs_to_env(cpu_env(cs));
}

static int soft_breakpoint(CPUState *cs, int type, vaddr addr, vaddr len,
                           bool add)
{
    CPUX86State *env = cpu_env(cs);

    if (type <= 1) {
        if (!env->gdb_bp) {
            env->gdb_bp = g_array_new(FALSE, FALSE, sizeof(vaddr));
        }
        for (guint i = 0; i < env->gdb_bp->len; i++) {
            if (g_array_index(env->gdb_bp, vaddr, i) == addr) {
                if (!add) {
                    g_array_remove_index_fast(env->gdb_bp, i);
                    x86_update_debug(env);
                }
                return 0;
            }
        }
        if (!add) {
            return -ENOENT;
        }
        g_array_append_val(env->gdb_bp, addr);
    } else {
        struct x86_watch w = { addr, len, type };
        if (!env->gdb_wp) {
            env->gdb_wp = g_array_new(FALSE, FALSE, sizeof(w));
        }
        if (add) {
            g_array_append_val(env->gdb_wp, w);
        } else {
            guint i;
            for (i = 0; i < env->gdb_wp->len; i++) {
                struct x86_watch *p =
                    &g_array_index(env->gdb_wp, struct x86_watch, i);
                if (p->addr == addr && p->len == len && p->type == type) {
                    g_array_remove_index_fast(env->gdb_wp, i);
                    break;
                }
            }
        }
    }
    x86_update_debug(env);
    return 0;
}

static const Property soft_props[] = {
    PROP_STR("thread", SoftState, thread),
    PROP_STR("engine", SoftState, engine),
    PROP_UINT64("tb-size", SoftState, tb_size, 0),
    PROP_UINT32("x-jit-threshold", SoftState, jit_threshold, 6),
    PROP_UINT32("x-jit-off", SoftState, jit_off, 0),
    PROP_BOOL("x-jit-check", SoftState, jit_check, false),
    PROP_BOOL("one-insn-per-tb", SoftState, one_insn, false),
    PROP_END(),
};

static const AccelOps soft_ops = {
    .name = "tcg",
    .props = soft_props,
    .size = sizeof(SoftState),
    .init = soft_init,
    .vcpu_init = soft_vcpu_init,
    .vcpu_destroy = soft_vcpu_destroy,
    .vcpu_run = soft_vcpu_run,
    .kick = soft_kick,
    .vcpu_has_work = soft_has_work,
    .get_state = soft_get_state,
    .put_state = soft_put_state,
    .reset_state = soft_put_state,
    .dirty_sync = x86_dirty_sync,
    .breakpoint = soft_breakpoint,
    .info = jit_info,
    .thread_name = "CPU %d/TCG",
};

static void soft_register(void)
{
    accel_register(&soft_ops);
}
object_init(soft_register)
