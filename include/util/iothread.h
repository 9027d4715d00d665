/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object "iothread": an event loop on a thread of its own, which a block
 * device's data path may be given to.  Made and removed with the BQL.
 */
#ifndef UTIL_IOTHREAD_H
#define UTIL_IOTHREAD_H

#include "util/loop.h"
#include "util/object.h"

typedef struct IOThread IOThread;

/* The loop of @obj; NULL when it is no iothread.  Lives as long as @obj:
 * users hold it by a link property (PROP_LINK, prop_link_iothread). */
EventLoop *iothread_loop(Object *obj);
/* Runs @fn on the iothread and waits until it is done.  The caller may hold
 * the BQL, so @fn must not take it. */
void iothread_run(Object *obj, LoopFn fn, void *opaque);
/* The same by loop, which is not the caller's. */
void loop_run_on(EventLoop *loop, LoopFn fn, void *opaque);

typedef struct IOThreadStatus {
    const char *id;
    int tid;
    int64_t poll_max_ns, poll_grow, poll_shrink;
} IOThreadStatus;
/* In order of creation. */
void iothread_foreach(void (*fn)(const IOThreadStatus *st, void *opaque),
                      void *opaque);

#endif
