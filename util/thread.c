/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "util/error.h"
#include "util/thread.h"
#include <signal.h>
#include <sys/syscall.h>

Mutex bql = MUTEX_INITIALIZER;
static _Thread_local bool have_bql;
static bool names_on;

void mutex_init(Mutex *m)
{
    pthread_mutex_init(&m->m, NULL);
}

void mutex_destroy(Mutex *m)
{
    pthread_mutex_destroy(&m->m);
}

void mutex_lock(Mutex *m) NO_THREAD_SAFETY
{
    int ret = pthread_mutex_lock(&m->m);

    assert(ret == 0);
    (void)ret;
}

bool mutex_trylock(Mutex *m) NO_THREAD_SAFETY
{
    return pthread_mutex_trylock(&m->m) == 0;
}

void mutex_unlock(Mutex *m) NO_THREAD_SAFETY
{
    pthread_mutex_unlock(&m->m);
}

void cond_init(Cond *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->c, &attr);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(Cond *c)
{
    pthread_cond_destroy(&c->c);
}

void cond_wait(Cond *c, Mutex *m)
{
    pthread_cond_wait(&c->c, &m->m);
}

bool cond_wait_ns(Cond *c, Mutex *m, int64_t timeout_ns)
{
    struct timespec ts;
    int64_t end;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    end = ts.tv_nsec + MIN(timeout_ns, NSEC_PER_SEC * 86400);
    ts.tv_sec += end / NSEC_PER_SEC;
    ts.tv_nsec = end % NSEC_PER_SEC;
    return pthread_cond_timedwait(&c->c, &m->m, &ts) == 0;
}

void cond_signal(Cond *c)
{
    pthread_cond_signal(&c->c);
}

void cond_broadcast(Cond *c)
{
    pthread_cond_broadcast(&c->c);
}

typedef struct StartInfo {
    void *(*fn)(void *);
    void *arg;
    char name[16];
} StartInfo;

static void *thread_start(void *opaque)
{
    StartInfo info = *(StartInfo *)opaque;

    g_free(opaque);
    if (names_on && info.name[0]) {
        pthread_setname_np(pthread_self(), info.name);
    }
    return info.fn(info.arg);
}

int thread_try_create(Thread *t, const char *name, void *(*fn)(void *),
                      void *arg)
{
    StartInfo *info = g_new0(StartInfo, 1);
    sigset_t all, old;
    int ret;

    info->fn = fn;
    info->arg = arg;
    g_strlcpy(info->name, name ? name : "", sizeof(info->name));
    sigfillset(&all);
    /* Faults of emulated instructions are handled on the thread itself. */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ret = pthread_create(&t->id, NULL, thread_start, info);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ret) {
        g_free(info);
    }
    return -ret;
}

void thread_create(Thread *t, const char *name, void *(*fn)(void *), void *arg)
{
    int ret = thread_try_create(t, name, fn, arg);

    if (ret < 0) {
        error_report("cannot create thread '%s': %s", name, g_strerror(-ret));
        exit(1);
    }
}

void *thread_join(Thread *t)
{
    void *result = NULL;

    pthread_join(t->id, &result);
    return result;
}

void thread_enable_names(bool on)
{
    names_on = on;
}

int thread_get_tid(void)
{
    return syscall(SYS_gettid);
}

void bql_lock(void) NO_THREAD_SAFETY
{
    assert(!have_bql);
    mutex_lock(&bql);
    have_bql = true;
}

void bql_unlock(void) NO_THREAD_SAFETY
{
    assert(have_bql);
    have_bql = false;
    mutex_unlock(&bql);
}

bool bql_locked(void)
{
    return have_bql;
}

void cond_wait_bql(Cond *c)
{
    assert(have_bql);
    have_bql = false;
    cond_wait(c, &bql);
    have_bql = true;
}
