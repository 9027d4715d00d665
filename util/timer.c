/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks.  The virtual clock is the monotonic one less the time the VM stood;
 * in manual mode it is a number that clock_virtual_step() moves.  The queues
 * themselves belong to the loops (loop.c).
 */
#include "osdep.h"
#include "util/loop-int.h"
#include "util/timer.h"

atomic_int clock_ticks_owed;

static int64_t host_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Written with the BQL; read by any thread through the sequence count. */
static struct {
    _Atomic unsigned seq;
    _Atomic int64_t base;  /* running: virtual - monotonic; else the time */
    atomic_bool running;
    atomic_bool manual;
} virt;

static void virt_write(int64_t base, bool running)
{
    atomic_fetch_add(&virt.seq, 1);
    atomic_store(&virt.base, base);
    atomic_store(&virt.running, running);
    atomic_fetch_add(&virt.seq, 1);
}

static int64_t virtual_ns(void)
{
    unsigned seq;
    int64_t base, now;
    bool running;

    do {
        seq = atomic_load(&virt.seq);
        base = atomic_load(&virt.base);
        running = atomic_load(&virt.running);
        now = running ? host_ns(CLOCK_MONOTONIC) + base : base;
    } while ((seq & 1) || seq != atomic_load(&virt.seq));
    return now;
}

int64_t clock_ns(ClockType type)
{
    switch (type) {
    case CLOCK_VIRTUAL:
        return virtual_ns();
    case CLOCK_HOST:
        return host_ns(CLOCK_REALTIME);
    default:
        return host_ns(CLOCK_MONOTONIC);
    }
}

void clock_virtual_start(void)
{
    if (!virt.running && !virt.manual) {
        virt_write(virt.base - host_ns(CLOCK_MONOTONIC), true);
        loops_kick_all();
    }
}

void clock_virtual_stop(void)
{
    if (virt.running) {
        virt_write(virtual_ns(), false);
    }
}

void clock_virtual_set(int64_t ns)
{
    virt_write(virt.running ? ns - host_ns(CLOCK_MONOTONIC) : ns, virt.running);
    loops_kick_all();
}

void clock_virtual_set_manual(bool manual)
{
    if (manual) {
        clock_virtual_stop();
    }
    virt.manual = manual;
}

bool clock_virtual_is_stopped(void)
{
    return !virt.running;
}

void clock_virtual_step(int64_t ns)
{
    int64_t next;

    while ((next = clock_next_deadline(CLOCK_VIRTUAL)) >= 0 && next <= ns) {
        if (next > virtual_ns()) {
            virt_write(next, false);
        }
        loops_run_timers(CLOCK_VIRTUAL);
    }
    if (ns > virtual_ns()) {
        virt_write(ns, false);
    }
}

void timer_init(Timer *t, EventLoop *loop, ClockType clock, LoopFn fn,
                void *opaque)
{
    *t = (Timer){ .loop = loop, .clock = clock, .expire = -1, .fn = fn,
                  .opaque = opaque };
    list_init(&t->node);
}

void timer_init_virtual(Timer *t, LoopFn fn, void *opaque)
{
    timer_init(t, loop_main(), CLOCK_VIRTUAL, fn, opaque);
}

static int64_t from_now(const Timer *t, int64_t delta)
{
    int64_t now = clock_ns(t->clock);

    return delta > INT64_MAX / 2 - now ? INT64_MAX / 2 : now + MAX(delta, 0);
}

void timer_mod_ns(Timer *t, int64_t delta_ns)
{
    timer_mod_at(t, from_now(t, delta_ns));
}

void timer_mod_us(Timer *t, int64_t delta_us)
{
    timer_mod_at(t, from_now(t, MIN(delta_us, INT64_MAX / 4000) *
                                    NSEC_PER_US));
}

void timer_mod_ms(Timer *t, int64_t delta_ms)
{
    timer_mod_at(t, from_now(t, MIN(delta_ms, INT64_MAX / 4000000) *
                                    NSEC_PER_MS));
}
