/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object "iothread".
 *
 * Before it sleeps the thread may look for work without sleeping for a while:
 * `poll_ns`, which grows towards poll-max-ns when work came just too late and
 * shrinks when the wait was hopeless.
 */
#include "osdep.h"
#include "util/iothread.h"
#include "util/module.h"
#include "util/property.h"
#include "util/thread.h"
#include "util/timer.h"

#define POLL_FIRST_NS 4000

struct IOThread {
    Object obj;
    /* Properties; the thread reads them. */
    _Atomic int64_t poll_max_ns, poll_grow, poll_shrink;
    /* Made by complete. */
    EventLoop *loop;
    Thread thread;
    atomic_bool stop;
    int tid;           /* lock: lock */
    Mutex lock;
    Cond started;
};

/* Returns how long the loop was without work. */
static int64_t poll_busily(IOThread *t, int64_t limit_ns)
{
    int64_t start = clock_ns(CLOCK_REALTIME_NS), waited = 0;

    while (waited < limit_ns && !atomic_load(&t->stop) &&
           !loop_run_once(t->loop, false)) {
        waited = clock_ns(CLOCK_REALTIME_NS) - start;
    }
    return waited;
}

static int64_t next_poll_ns(IOThread *t, int64_t poll_ns, int64_t waited)
{
    int64_t max = atomic_load(&t->poll_max_ns);

    if (waited > max) {
        int64_t shrink = atomic_load(&t->poll_shrink);

        return shrink ? poll_ns / shrink : 0;
    }
    if (waited > poll_ns) {
        int64_t grow = atomic_load(&t->poll_grow);

        poll_ns = poll_ns ? poll_ns * (grow ? grow : 2) : POLL_FIRST_NS;
    }
    return MIN(poll_ns, max);
}

static void *iothread_main(void *opaque)
{
    IOThread *t = opaque;
    int64_t poll_ns = 0;

    mutex_lock(&t->lock);
    t->tid = thread_get_tid();
    cond_signal(&t->started);
    mutex_unlock(&t->lock);
    while (!atomic_load(&t->stop)) {
        int64_t start, waited = 0;

        if (atomic_load(&t->poll_max_ns) > 0) {
            waited = poll_busily(t, poll_ns);
            if (waited < poll_ns) {
                continue;
            }
        }
        start = clock_ns(CLOCK_REALTIME_NS);
        loop_run_once(t->loop, true);
        if (atomic_load(&t->poll_max_ns) > 0) {
            waited += clock_ns(CLOCK_REALTIME_NS) - start;
            poll_ns = next_poll_ns(t, poll_ns, waited);
        }
    }
    return NULL;
}

static bool iothread_complete(Object *obj, Error **errp)
{
    IOThread *t = (IOThread *)obj;
    g_autofree char *name = g_strdup_printf("IO %s", obj->name);
    int ret;

    t->loop = loop_new(obj->name, errp);
    if (!t->loop) {
        return false;
    }
    ret = thread_try_create(&t->thread, name, iothread_main, t);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "iothread '%s': cannot create a thread",
                         obj->name);
        loop_free(g_steal_pointer(&t->loop));
        return false;
    }
    mutex_lock(&t->lock);
    while (!t->tid) {
        cond_wait(&t->started, &t->lock);
    }
    mutex_unlock(&t->lock);
    return true;
}

static void iothread_init(Object *obj)
{
    IOThread *t = (IOThread *)obj;

    mutex_init(&t->lock);
    cond_init(&t->started);
    t->poll_max_ns = 32768;
}

/* On the thread itself: a kick could come just before it sleeps. */
static void iothread_stop(void *opaque)
{
    atomic_store(&((IOThread *)opaque)->stop, true);
}

static void iothread_finalize(Object *obj)
{
    IOThread *t = (IOThread *)obj;

    if (t->loop) {
        loop_call(t->loop, iothread_stop, t);
        thread_join(&t->thread);
        loop_free(t->loop);
    }
    cond_destroy(&t->started);
    mutex_destroy(&t->lock);
}

EventLoop *iothread_loop(Object *obj)
{
    return object_dynamic_cast(obj, "iothread") ? ((IOThread *)obj)->loop
                                                : NULL;
}

typedef struct Errand {
    LoopFn fn;
    void *opaque;
    Mutex lock;
    Cond done_cond;
    bool done;
} Errand;

static void run_errand(void *opaque)
{
    Errand *e = opaque;

    e->fn(e->opaque);
    mutex_lock(&e->lock);
    e->done = true;
    cond_signal(&e->done_cond);
    mutex_unlock(&e->lock);
}

void iothread_run(Object *obj, LoopFn fn, void *opaque)
{
    loop_run_on(iothread_loop(obj), fn, opaque);
}

void loop_run_on(EventLoop *loop, LoopFn fn, void *opaque)
{
    Errand e = { .fn = fn, .opaque = opaque };

    mutex_init(&e.lock);
    cond_init(&e.done_cond);
    loop_call(loop, run_errand, &e);
    mutex_lock(&e.lock);
    while (!e.done) {
        cond_wait(&e.done_cond, &e.lock);
    }
    mutex_unlock(&e.lock);
    cond_destroy(&e.done_cond);
    mutex_destroy(&e.lock);
}

void iothread_foreach(void (*fn)(const IOThreadStatus *st, void *opaque),
                      void *opaque)
{
    Object *o;

    list_foreach (o, &object_container("/objects")->children, node) {
        IOThread *t = (IOThread *)object_dynamic_cast(o, "iothread");

        if (t && t->loop) {
            IOThreadStatus st = { o->name, t->tid, t->poll_max_ns,
                                  t->poll_grow, t->poll_shrink };
            fn(&st, opaque);
        }
    }
}

/* --- properties: atomics, so by functions --- */

static _Atomic int64_t *poll_field(Object *obj, const char *name)
{
    IOThread *t = (IOThread *)obj;

    return !strcmp(name, "poll-max-ns") ? &t->poll_max_ns
           : !strcmp(name, "poll-grow") ? &t->poll_grow
                                        : &t->poll_shrink;
}

static QObject *poll_get(Object *obj, const char *name, void *opaque,
                         Error **errp)
{
    return qint_new(atomic_load(poll_field(obj, name)));
}

static bool poll_set(Object *obj, const char *name, QObject *value,
                     void *opaque, Error **errp)
{
    static const Property p = { .info = &prop_int64 };
    Property named = p;
    int64_t v = 0;

    named.name = name;
    if (!prop_int64.set(obj, &named, &v, value, errp)) {
        return false;
    }
    if (v < 0) {
        error_setg(errp, "%s value must be in range [0, %" PRId64 "]", name,
                   INT64_MAX);
        return false;
    }
    atomic_store(poll_field(obj, name), v);
    return true;
}

static const ObjectType iothread_type = {
    .name = "iothread", .user_creatable = true, .size = sizeof(IOThread),
    .init = iothread_init, .complete = iothread_complete,
    .finalize = iothread_finalize,
};

const PropertyInfo prop_link_iothread = {
    .name = "link<iothread>", .set = prop_link_set, .get = prop_link_get,
    .release = prop_link_release,
};

static void iothread_register(void)
{
    static const char *const names[] = { "poll-max-ns", "poll-grow",
                                         "poll-shrink" };

    object_type_register(&iothread_type);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        object_type_add_dyn_prop("iothread", names[i], "int", poll_get,
                                 poll_set, NULL);
    }
}
object_init(iothread_register)
