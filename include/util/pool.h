/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker pool for blocking host I/O ("posix-aio").  Threads come when work
 * waits (at most 64) and go after ten idle seconds.
 */
#ifndef UTIL_POOL_H
#define UTIL_POOL_H

#include "util/loop.h"

typedef struct PoolTask PoolTask;
typedef int (*PoolWork)(void *opaque);           /* on a worker, no locks */
typedef void (*PoolDone)(void *opaque, int ret); /* on @loop */

/* Queues @work; @done gets its result, or -ECANCELED.  @loop's thread. */
PoolTask *pool_submit(EventLoop *loop, PoolWork work, PoolDone done,
                      void *opaque);
/* Takes back a task that no worker has begun: its done() runs with
 * -ECANCELED.  False when it has begun.  @loop's thread, before done(). */
bool pool_cancel(PoolTask *task);

#endif
