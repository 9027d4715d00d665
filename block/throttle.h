/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O limits.  A group of backends shares leaky buckets, one for each of
 * {bytes, operations} x {all, reads, writes}; a request that finds its bucket
 * full waits in the group's queue.  Real time; BQL (or the group's lock for
 * backends on other loops).
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block/block.h"
#include "util/list.h"
#include "util/thread.h"
#include "util/timer.h"

enum { THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_BPS_WRITE,
       THROTTLE_OPS_TOTAL, THROTTLE_OPS_READ, THROTTLE_OPS_WRITE,
       THROTTLE_BUCKETS };

typedef struct ThrottleBucket {
    double avg;           /* units a second, 0: no limit */
    double max;           /* burst rate, 0: none */
    unsigned burst_length; /* seconds that a burst may last, at least 1 */
    double level, burst_level;
} ThrottleBucket;

typedef struct ThrottleConfig {
    ThrottleBucket b[THROTTLE_BUCKETS];
    uint64_t op_size;     /* a larger operation counts as several, 0: one */
} ThrottleConfig;

typedef struct Throttle {
    char *name;
    unsigned refs;
    ListNode node;        /* in all groups */
    Mutex lock;           /* the rest */
    Cond wake;            /* for throttle_wait() to look again */
    ThrottleConfig cfg;
    int64_t last_ns;
    ListNode queue[2];    /* BlockRequest.node; reads, writes */
    Timer timer;
    ListNode members;     /* BlockBackend.throttle_node */
} Throttle;

bool throttle_enabled(const ThrottleConfig *cfg);
bool throttle_check(const ThrottleConfig *cfg, Error **errp);
/* Takes throttling.* / bps=, iops=, ... out of @opts. */
bool throttle_take_opts(QObject *opts, ThrottleConfig *cfg, char **group,
                        Error **errp);
/* The group of that name, made when it is new, for a holder of its own. */
Throttle *throttle_group_ref(const char *name);
void throttle_group_unref(Throttle *t);
bool throttle_group_exists(const char *name);
/* On a worker: sleeps until a request of that size may go, and pays. */
void throttle_wait(Throttle *t, bool write, uint64_t bytes);
/* Between the two nobody waits there: somebody waits for the workers.  Main
 * thread; nests. */
void throttle_drain_begin(void);
void throttle_drain_end(void);
/* Joins the group of that name (made when it is new); NULL leaves. */
void blk_set_throttle_group(BlockBackend *blk, const char *name);
void throttle_set(Throttle *t, const ThrottleConfig *cfg);
/* True: it may go now (and is paid for).  False: it is queued. */
bool throttle_admit(Throttle *t, BlockRequest *r);
/* Takes a queued request back out; false: it is not there any more. */
bool throttle_cancel(Throttle *t, BlockRequest *r);
/* Lets everything go that waits for @blk (drain). */
void throttle_release(Throttle *t, BlockBackend *blk);

#endif
