/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks and timers.  A timer belongs to a loop and runs its callback there.
 * Times are nanoseconds.  timer_mod_* and timer_del: the loop's thread, or any
 * thread with the BQL for timers of the main loop.
 */
#ifndef UTIL_TIMER_H
#define UTIL_TIMER_H

#include "osdep.h"
#include "util/loop.h"

typedef enum ClockType {
    CLOCK_REALTIME_NS, /* monotonic, never stops */
    CLOCK_VIRTUAL,     /* stops with the VM; what guests see */
    CLOCK_HOST,        /* wall clock, may jump */
    CLOCK_VIRTUAL_RT,  /* like realtime; may run timers while the VM stops */
    CLOCK_TYPES
} ClockType;

/* Any thread. */
int64_t clock_ns(ClockType type);
/* -1 when no timer of @type is armed. */
int64_t clock_next_deadline(ClockType type);
/*
 * Ticks that interval timers owe the guest because the loop ran them late.
 * The devices count them (BQL); any thread may look.
 */
extern atomic_int clock_ticks_owed;
/* Run-state changes call these (BQL); the virtual clock starts stopped. */
void clock_virtual_start(void);
void clock_virtual_stop(void);
/* qtest and loading a state: sets virtual time and stops it following the
 * host; timers that are due run from the next loop iteration. */
void clock_virtual_set(int64_t ns);
/* `-accel qtest`: time stands still but for clock_virtual_step(). */
void clock_virtual_set_manual(bool manual);
/* Advances manual time to @ns, running due timers at their own time. */
void clock_virtual_step(int64_t ns);

typedef struct Timer {
    ListNode node;      /* in the loop's queue of @clock, by @expire */
    EventLoop *loop;
    ClockType clock;
    int64_t expire;     /* ns, -1: not armed */
    LoopFn fn;
    void *opaque;
} Timer;

void timer_init(Timer *t, EventLoop *loop, ClockType clock, LoopFn fn,
                void *opaque);
/* On the main loop and the virtual clock: what devices want. */
void timer_init_virtual(Timer *t, LoopFn fn, void *opaque);
void timer_mod_at(Timer *t, int64_t expire_ns); /* absolute */
void timer_mod_ns(Timer *t, int64_t delta_ns);  /* from now */
void timer_mod_us(Timer *t, int64_t delta_us);
void timer_mod_ms(Timer *t, int64_t delta_ms);
void timer_del(Timer *t); /* harmless when not armed or never initialised */
static inline bool timer_pending(const Timer *t)
{
    return t->loop && t->expire >= 0;
}

/* @a * @b / @c without overflow in between; for frequency conversions. */
static inline uint64_t muldiv64(uint64_t a, uint32_t b, uint32_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#endif
