/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads.  Each runs this loop, whatever the accelerator:
 *
 *   BQL: serve queued work -> stop if asked -> wait while there is nothing
 *   to do -> drop the BQL, accel->vcpu_run(), take it back -> what came of it
 *
 * Who wants a vCPU out of guest code sets its flag first (work, stop,
 * interrupt_request), then calls cpu_kick().  The vCPU clears exit_request
 * before it looks at the flags, so no request is lost.
 *
 * cpu_exclusive(): in_guest of every vCPU is false while the function runs.
 * A vCPU enters guest code by setting in_guest and then looking whether
 * somebody is exclusive; the other side sets its flag and then looks at
 * in_guest: one of them sees the other.  Lock order: BQL, excl_lock.
 */
#include "osdep.h"
#include "exec/accel.h"
#include "exec/cpu.h"
#include "exec/runstate.h"

_Thread_local CPUState *current_cpu;

/* Changed with BQL and excl_lock, read with either. */
static ListNode cpu_list = LIST_INIT(cpu_list);
static Cond state_cond; /* created, stopped, work done; with the BQL */
static bool conds_made;

static Mutex excl_lock = MUTEX_INITIALIZER;
static Cond excl_cond;
static atomic_bool excl_pending;
static _Thread_local unsigned excl_depth;

static void make_conds(void)
{
    if (!conds_made) {
        cond_init(&state_cond);
        cond_init(&excl_cond);
        conds_made = true;
    }
}

static void __attribute__((constructor)) cpus_ctor(void)
{
    make_conds();
}

CPUState *cpu_first(void)
{
    return list_empty(&cpu_list) ? NULL
                                 : list_first(&cpu_list, CPUState, node);
}

CPUState *cpu_next(CPUState *cpu)
{
    return cpu->node.next == &cpu_list
        ? NULL : list_entry(cpu->node.next, CPUState, node);
}

CPUState *cpu_by_index(int index)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu->cpu_index == index) {
            return cpu;
        }
    }
    return NULL;
}

static atomic_int cpus_present;

int cpu_count(void)
{
    return atomic_load(&cpus_present);
}

/*
 * Exclusive sections.
 */
void cpu_guest_enter(CPUState *cpu)
{
    for (;;) {
        atomic_store(&cpu->in_guest, true);
        if (!atomic_load(&excl_pending) || excl_depth) {
            return;
        }
        atomic_store(&cpu->in_guest, false);
        mutex_lock(&excl_lock);
        cond_broadcast(&excl_cond);
        while (atomic_load(&excl_pending)) {
            cond_wait(&excl_cond, &excl_lock);
        }
        mutex_unlock(&excl_lock);
    }
}

void cpu_guest_leave(CPUState *cpu)
{
    atomic_store(&cpu->in_guest, false);
    if (atomic_load(&excl_pending) && !excl_depth) {
        mutex_lock(&excl_lock);
        cond_broadcast(&excl_cond);
        mutex_unlock(&excl_lock);
    }
}

bool cpu_guest_must_leave(CPUState *cpu)
{
    if (atomic_load(&excl_pending) && !excl_depth) {
        cpu_guest_leave(cpu);
        cpu_guest_enter(cpu);
    }
    return atomic_load(&cpu->exit_request);
}

static bool others_in_guest(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu != current_cpu && atomic_load(&cpu->in_guest)) {
            return true;
        }
    }
    return false;
}

void cpu_exclusive_begin(void)
{
    CPUState *cpu;

    if (excl_depth++) {
        return;
    }
    assert(!current_cpu || !atomic_load(&current_cpu->in_guest));
    mutex_lock(&excl_lock);
    while (atomic_load(&excl_pending)) {
        cond_wait(&excl_cond, &excl_lock);
    }
    atomic_store(&excl_pending, true);
    CPU_FOREACH(cpu) {
        if (cpu != current_cpu && accel && atomic_load(&cpu->in_guest)) {
            accel->kick(cpu);
        }
    }
    while (others_in_guest()) {
        cond_wait(&excl_cond, &excl_lock);
    }
    mutex_unlock(&excl_lock);
}

void cpu_exclusive_end(void)
{
    assert(excl_depth);
    if (--excl_depth) {
        return;
    }
    mutex_lock(&excl_lock);
    atomic_store(&excl_pending, false);
    cond_broadcast(&excl_cond);
    mutex_unlock(&excl_lock);
}

void cpu_exclusive(void (*fn)(void *opaque), void *opaque)
{
    bool in = current_cpu && atomic_load(&current_cpu->in_guest);

    if (in) {
        cpu_guest_leave(current_cpu);
    }
    cpu_exclusive_begin();
    fn(opaque);
    cpu_exclusive_end();
    if (in) {
        cpu_guest_enter(current_cpu);
    }
}

/*
 * Kicks and interrupts.
 */
void cpu_kick(CPUState *cpu)
{
    atomic_store(&cpu->exit_request, true);
    if (accel) {
        accel->kick(cpu);
    }
    /* The waiter holds the BQL from its last look to the wait. */
    if (bql_locked()) {
        cond_broadcast(&cpu->halt_cond);
    } else if (atomic_load(&cpu->waiting)) {
        bql_lock();
        cond_broadcast(&cpu->halt_cond);
        bql_unlock();
    }
}

void cpu_interrupt(CPUState *cpu, uint32_t mask)
{
    atomic_fetch_or(&cpu->interrupt_request, mask);
    if (cpu != current_cpu) {
        cpu_kick(cpu);
    } else if (accel) {
        accel->kick(cpu); /* looks before the next block */
    }
}

void cpu_reset_interrupt(CPUState *cpu, uint32_t mask)
{
    atomic_fetch_and(&cpu->interrupt_request, ~mask);
}

/*
 * Work.
 */
static void queue_work(CPUState *cpu, CPUWork *w)
{
    w->next = atomic_load(&cpu->work);
    while (!atomic_compare_exchange_weak(&cpu->work, &w->next, w)) {
    }
    cpu_kick(cpu);
}

static void serve_work(CPUState *cpu)
{
    CPUWork *w = atomic_exchange(&cpu->work, NULL), *fifo = NULL, *next;

    for (; w; w = next) { /* newest first: turn it round */
        next = w->next;
        w->next = fifo;
        fifo = w;
    }
    for (w = fifo; w; w = next) {
        bool wait = w->wait;

        next = w->next;
        w->fn(cpu, w->opaque);
        if (wait) {
            atomic_store(&w->done, true);
        } else {
            g_free(w);
        }
    }
    if (fifo) {
        cond_broadcast(&state_cond);
    }
}

void cpu_run_on(CPUState *cpu, void (*fn)(CPUState *, void *), void *opaque)
{
    CPUWork w = { .fn = fn, .opaque = opaque, .wait = true };

    if (cpu == current_cpu || !cpu->created) {
        fn(cpu, opaque);
        return;
    }
    queue_work(cpu, &w);
    while (!atomic_load(&w.done)) {
        cond_wait_bql(&state_cond);
    }
}

void cpu_run_on_async(CPUState *cpu, void (*fn)(CPUState *, void *),
                      void *opaque)
{
    CPUWork *w = g_new0(CPUWork, 1);

    w->fn = fn;
    w->opaque = opaque;
    queue_work(cpu, w);
}

/*
 * Threads.
 */
static bool idle(CPUState *cpu)
{
    if (cpu->stop || cpu->unplug || atomic_load(&cpu->work)) {
        return false;
    }
    return cpu->stopped || (cpu->halted && !accel->vcpu_has_work(cpu));
}

static void after_run(CPUState *cpu, VCPUExit why)
{
    switch (why) {
    case VCPU_EXIT_NONE:
    case VCPU_EXIT_HALTED:
        break;
    case VCPU_EXIT_SHUTDOWN:
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        cpu->stopped = true;
        break;
    case VCPU_EXIT_DEBUG:
        cpu->stopped = true;
        cpu->debug_stop = true;
        system_debug_request();
        break;
    case VCPU_EXIT_ERROR:
        cpu->stopped = true;
        vm_stop_request(RUN_STATE_INTERNAL_ERROR);
        break;
    }
}

static void *vcpu_thread(void *arg)
{
    CPUState *cpu = arg;
    Error *err = NULL;

    current_cpu = cpu;
    bql_lock();
    cpu->thread_id = thread_get_tid();
    if (!accel->vcpu_init(cpu, &err)) {
        cpu->start_error = err;
        cpu->created = true;
        cond_broadcast(&state_cond);
        bql_unlock();
        return NULL;
    }
    cpu->created = true;
    cond_broadcast(&state_cond);
    while (!cpu->unplug) {
        atomic_store(&cpu->exit_request, false);
        serve_work(cpu);
        if (cpu->stop) {
            cpu->stop = false;
            cpu->stopped = true;
            cond_broadcast(&state_cond);
        }
        if (idle(cpu)) {
            atomic_store(&cpu->waiting, true);
            if (idle(cpu)) {
                cond_wait_bql(&cpu->halt_cond);
            }
            atomic_store(&cpu->waiting, false);
            continue;
        }
        if (cpu->stopped || cpu->unplug || atomic_load(&cpu->work)) {
            continue;
        }
        bql_unlock();
        VCPUExit why = accel->vcpu_run(cpu);
        bql_lock();
        after_run(cpu, why);
    }
    serve_work(cpu);
    accel->vcpu_destroy(cpu);
    cpu->stopped = true;
    cond_broadcast(&state_cond);
    bql_unlock();
    return NULL;
}

bool cpu_thread_start(CPUState *cpu, Error **errp)
{
    char name[32];
    int index = 0, ret;

    while (cpu_by_index(index)) {
        index++;
    }
    cpu->cpu_index = index;
    cpu->stopped = !runstate_is_running();
    cond_init(&cpu->halt_cond);
    mutex_lock(&excl_lock);
    list_append(&cpu_list, &cpu->node);
    cpus_present++;
    mutex_unlock(&excl_lock);
    snprintf(name, sizeof(name), accel->thread_name ? "CPU %d/%s" : "CPU %d",
             index, accel->thread_name ? strchr(accel->thread_name, '/') + 1
                                       : "");
    ret = thread_try_create(&cpu->thread, name, vcpu_thread, cpu);
    if (ret) {
        error_setg(errp, "cannot start the thread of CPU %d: %s", index,
                   strerror(-ret));
    } else {
        while (!cpu->created) {
            cond_wait_bql(&state_cond);
        }
        if (!cpu->start_error) {
            return true;
        }
        bql_unlock();
        thread_join(&cpu->thread);
        bql_lock();
        error_propagate(errp, cpu->start_error);
    }
    mutex_lock(&excl_lock);
    list_remove(&cpu->node);
    cpus_present--;
    mutex_unlock(&excl_lock);
    return false;
}

void cpu_thread_stop(CPUState *cpu)
{
    cpu->unplug = true;
    cpu_kick(cpu);
    bql_unlock();
    thread_join(&cpu->thread);
    bql_lock();
    mutex_lock(&excl_lock);
    list_remove(&cpu->node);
    cpus_present--;
    mutex_unlock(&excl_lock);
    cond_destroy(&cpu->halt_cond);
    cpu->created = false;
}

/*
 * Stop and go.
 */
bool cpus_all_stopped(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (!cpu->stopped) {
            return false;
        }
    }
    return true;
}

void cpus_pause_all(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu == current_cpu) {
            cpu->stopped = true;
            atomic_store(&cpu->exit_request, true);
        } else if (!cpu->stopped) {
            cpu->stop = true;
            cpu_kick(cpu);
        }
    }
    while (!cpus_all_stopped()) {
        cond_wait_bql(&state_cond);
    }
}

void cpus_resume_all(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        cpu->stop = false;
        cpu->stopped = cpu->held;
        cpu_kick(cpu);
    }
}

void cpus_synchronize_all(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (accel && accel->get_state) {
            accel->get_state(cpu);
        }
    }
}
