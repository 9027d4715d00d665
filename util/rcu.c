/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Epoch based deferred freeing.  Each thread that ever reads has a slot with
 * the epoch it entered at (0: outside).  A grace period raises the global
 * epoch and waits until no slot holds an older one.  Callbacks of rcu_call()
 * wait in a queue; a thread of its own, started with the first call, waits
 * for the readers and hands them to the main loop.
 */
#include "osdep.h"
#include "util/loop.h"
#include "util/rcu.h"
#include "util/thread.h"
#include <sched.h>

typedef struct RCUReader {
    _Atomic uint64_t epoch; /* 0: not reading */
    unsigned depth;
    bool registered;
    struct RCUReader *next; /* lock: readers_lock */
} RCUReader;

typedef struct RCUCall {
    void (*fn)(void *);
    void *opaque;
    struct RCUCall *next;
} RCUCall;

static _Atomic uint64_t global_epoch = 1;
static Mutex readers_lock = MUTEX_INITIALIZER;
static RCUReader *readers;
static Mutex calls_lock = MUTEX_INITIALIZER;
static pthread_cond_t calls_cond = PTHREAD_COND_INITIALIZER;
static RCUCall *calls;
static bool thread_up;
static pthread_key_t exit_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static _Thread_local RCUReader self;

static void reader_gone(void *opaque)
{
    RCUReader **p, *r = opaque;

    mutex_lock(&readers_lock);
    for (p = &readers; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    mutex_unlock(&readers_lock);
}

static void make_key(void)
{
    pthread_key_create(&exit_key, reader_gone);
}

static void reader_register(void)
{
    pthread_once(&key_once, make_key);
    pthread_setspecific(exit_key, &self);
    mutex_lock(&readers_lock);
    self.next = readers;
    readers = &self;
    mutex_unlock(&readers_lock);
    self.registered = true;
}

void rcu_read_lock(void)
{
    if (self.depth++ > 0) {
        return;
    }
    if (unlikely(!self.registered)) {
        reader_register();
    }
    atomic_store_explicit(&self.epoch, atomic_load(&global_epoch),
                          memory_order_relaxed);
    /* The slot must be seen before anything is read under it. */
    atomic_thread_fence(memory_order_seq_cst);
}

void rcu_read_unlock(void)
{
    assert(self.depth > 0);
    if (--self.depth == 0) {
        atomic_store_explicit(&self.epoch, 0, memory_order_release);
    }
}

static bool readers_older_than(uint64_t epoch)
{
    bool found = false;

    mutex_lock(&readers_lock);
    for (RCUReader *r = readers; r && !found; r = r->next) {
        uint64_t e = atomic_load_explicit(&r->epoch, memory_order_acquire);

        found = e != 0 && e < epoch;
    }
    mutex_unlock(&readers_lock);
    return found;
}

void rcu_synchronize(void)
{
    uint64_t epoch = atomic_fetch_add(&global_epoch, 1) + 1;
    unsigned spins = 0;

    atomic_thread_fence(memory_order_seq_cst);
    while (readers_older_than(epoch)) {
        if (spins++ < 100) {
            sched_yield();
        } else {
            g_usleep(50);
        }
    }
}

static void run_calls(void *opaque)
{
    RCUCall *c = opaque;

    while (c) {
        RCUCall *next = c->next;

        c->fn(c->opaque);
        g_free(c);
        c = next;
    }
}

static void *rcu_thread(void *unused)
{
    for (;;) {
        RCUCall *batch, *list = NULL;

        mutex_lock(&calls_lock);
        while (!calls) {
            pthread_cond_wait(&calls_cond, &calls_lock.m);
        }
        batch = calls;
        calls = NULL;
        mutex_unlock(&calls_lock);
        rcu_synchronize();
        while (batch) { /* oldest first */
            RCUCall *next = batch->next;

            batch->next = list;
            list = batch;
            batch = next;
        }
        loop_call(loop_main(), run_calls, list);
    }
    return NULL;
}

void rcu_call(void (*fn)(void *opaque), void *opaque)
{
    RCUCall *c = g_new(RCUCall, 1);
    Thread t;

    c->fn = fn;
    c->opaque = opaque;
    mutex_lock(&calls_lock);
    c->next = calls;
    calls = c;
    if (!thread_up) {
        thread_up = true;
        thread_create(&t, "rcu", rcu_thread, NULL);
        pthread_detach(t.id);
    }
    pthread_cond_signal(&calls_cond);
    mutex_unlock(&calls_lock);
}
