/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events on their way to QMP sessions.
 *
 * 1. An event is stamped when it is sent.  The main thread writes it at once,
 *    so it stands in order with replies; other threads queue it, and the main
 *    thread empties that queue before it writes an event of its own.
 * 2. Events that a guest can send at will are limited: after one was written,
 *    later ones with the same key wait for the rest of the second, and the
 *    newest replaces those before it.
 *
 * Senders hold the BQL, which guards all of this.
 */
#include "osdep.h"
#include "qapi/qapi-events.h"
#include "qmp-int.h"
#include "util/thread.h"
#include "util/timer.h"

/* At most one a second for each value of @key (NULL: for all). */
static const struct {
    const char *event, *key;
} limits[] = {
    { "BALLOON_CHANGE" },
    { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path" },
    { "QUORUM_FAILURE" },
    { "QUORUM_REPORT_BAD", "node-name" },
    { "RTC_CHANGE" },
    { "VSERPORT_CHANGE", "id" },
    { "WATCHDOG" },
};

/* A key whose second is not over. */
typedef struct Limited {
    ListNode node;
    QAPIEvent event;
    char *key;
    QObject *waiting; /* NULL: nothing new since */
    Timer timer;
} Limited;

static ListNode limited = LIST_INIT(limited);
static ListNode queue = LIST_INIT(queue);
static BH *queue_bh; /* NULL: nobody listens */
static pthread_t main_thread;

typedef struct Queued {
    ListNode node;
    QObject *event;
} Queued;

static void flush_queue(void *opaque)
{
    while (!list_empty(&queue)) {
        Queued *q = list_first(&queue, Queued, node);

        list_remove(&q->node);
        qmp_broadcast(q->event);
        qobject_unref(q->event);
        g_free(q);
    }
}

/* Takes @event. */
static void deliver(QObject *event)
{
    if (pthread_equal(pthread_self(), main_thread)) {
        flush_queue(NULL);
        qmp_broadcast(event);
        qobject_unref(event);
    } else {
        Queued *q = g_new0(Queued, 1);

        q->event = event;
        list_append(&queue, &q->node);
        bh_schedule(queue_bh);
    }
}

static QObject *make_event(QAPIEvent event, QObject *data)
{
    QObject *top = qdict_new();
    QObject *stamp = qdict_new();
    int64_t now = g_get_real_time();

    qdict_put_int(stamp, "seconds", now / 1000000);
    qdict_put_int(stamp, "microseconds", now % 1000000);
    qdict_put(top, "timestamp", stamp);
    qdict_put_str(top, "event", QAPIEvent_names[event]);
    if (data) {
        qdict_put(top, "data", qobject_ref(data));
    }
    return top;
}

static void free_limited(Limited *l)
{
    list_remove(&l->node);
    timer_del(&l->timer);
    qobject_unref(l->waiting);
    g_free(l->key);
    g_free(l);
}

static void second_over(void *opaque)
{
    Limited *l = opaque;

    if (!l->waiting) {
        free_limited(l);
        return;
    }
    deliver(g_steal_pointer(&l->waiting));
    timer_mod_ms(&l->timer, 1000);
}

static Limited *find_limited(QAPIEvent event, const char *key)
{
    Limited *l;

    list_foreach(l, &limited, node) {
        if (l->event == event && !strcmp(l->key, key)) {
            return l;
        }
    }
    return NULL;
}

/* Takes @obj. */
static void deliver_limited(QAPIEvent event, const char *key, QObject *obj)
{
    Limited *l = find_limited(event, key);

    if (l) {
        qobject_unref(l->waiting);
        l->waiting = obj;
        return;
    }
    l = g_new0(Limited, 1);
    l->event = event;
    l->key = g_strdup(key);
    timer_init(&l->timer, loop_main(), CLOCK_REALTIME_NS, second_over, l);
    list_append(&limited, &l->node);
    deliver(obj);
    timer_mod_ms(&l->timer, 1000);
}

static void sink(QAPIEvent event, QObject *data)
{
    QObject *obj = make_event(event, data);

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (!strcmp(QAPIEvent_names[event], limits[i].event)) {
            const char *key = limits[i].key && data
                ? qdict_get_str(data, limits[i].key) : NULL;

            deliver_limited(event, key ? key : "", obj);
            return;
        }
    }
    deliver(obj);
}

void qmp_events_init(void)
{
    if (!queue_bh) {
        main_thread = pthread_self();
        queue_bh = bh_new(loop_main(), flush_queue, NULL);
        qapi_event_sink = sink;
    }
}

void qmp_events_fini(void)
{
    if (!queue_bh) {
        return;
    }
    qapi_event_sink = NULL;
    flush_queue(NULL);
    while (!list_empty(&limited)) {
        free_limited(list_first(&limited, Limited, node));
    }
    bh_delete(g_steal_pointer(&queue_bh));
}
