/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutexes, conditions, threads and the BQL, with Clang thread-safety
 * annotations.  Lock order: BQL, then at most one leaf (docs/locking.md).
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include "osdep.h"
#include <pthread.h>

typedef struct CAPABILITY("mutex") Mutex {
    pthread_mutex_t m;
} Mutex;

typedef struct Cond {
    pthread_cond_t c; /* CLOCK_MONOTONIC */
} Cond;

#define MUTEX_INITIALIZER { PTHREAD_MUTEX_INITIALIZER }

void mutex_init(Mutex *m);
void mutex_destroy(Mutex *m);
void mutex_lock(Mutex *m) ACQUIRES(*m);
bool mutex_trylock(Mutex *m) TSA(try_acquire_capability(true, *m));
void mutex_unlock(Mutex *m) RELEASES(*m);

void cond_init(Cond *c);
void cond_destroy(Cond *c);
void cond_wait(Cond *c, Mutex *m) REQUIRES(*m);
/* False when @timeout_ns passed first. */
bool cond_wait_ns(Cond *c, Mutex *m, int64_t timeout_ns) REQUIRES(*m);
void cond_signal(Cond *c);
void cond_broadcast(Cond *c);

/* Clang's analysis does not follow cleanup functions: it is told that the
 * lock is held from here on, and nothing about its release. */
static inline Mutex *mutex_guard_begin_(Mutex *m)
    ASSERTS_LOCK(*m) NO_THREAD_SAFETY
{
    mutex_lock(m);
    return m;
}
static inline void mutex_guard_end_(Mutex **m) NO_THREAD_SAFETY
{
    mutex_unlock(*m);
}
/* Holds @mtx to the end of the enclosing block. */
#define LOCK_GUARD(mtx) \
    __attribute__((cleanup(mutex_guard_end_), unused)) Mutex * \
        G_PASTE(lock_guard_, __COUNTER__) = mutex_guard_begin_(mtx)

typedef struct Thread {
    pthread_t id;
} Thread;

/*
 * Starts a joinable thread with all signals blocked.  @name is shown by the
 * host's tools when names are on (-name debug-threads=on).  Aborts when the
 * host cannot create threads at start-up; use thread_try_create() elsewhere.
 */
void thread_create(Thread *t, const char *name, void *(*fn)(void *), void *arg);
/* 0 or -errno. */
int thread_try_create(Thread *t, const char *name, void *(*fn)(void *),
                      void *arg);
void *thread_join(Thread *t);
void thread_enable_names(bool on);
int thread_get_tid(void); /* the kernel's id of the caller */

/*
 * The big lock: everything a guest can see outside RAM, and every map, timer
 * and backend graph.  Not recursive.
 */
extern Mutex bql;
void bql_lock(void) ACQUIRES(bql);
void bql_unlock(void) RELEASES(bql);
bool bql_locked(void); /* by the calling thread */
void cond_wait_bql(Cond *c) REQUIRES(bql); /* keeps bql_locked() right */

#endif
