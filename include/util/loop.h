/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event loops: descriptors, bottom halves, timers, completions.  The main loop
 * is one, each `iothread` object another.  Callbacks run on the thread that
 * runs the loop; the main loop holds the BQL around them and drops it while it
 * polls.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include "osdep.h"
#include "util/error.h"
#include "util/list.h"

typedef struct EventLoop EventLoop;
typedef void (*LoopFn)(void *opaque);

/* The main loop; exists before main(). */
EventLoop *loop_main(void);
/* The loop whose callback is running on this thread, else the main loop. */
EventLoop *loop_current(void);
EventLoop *loop_new(const char *name, Error **errp);
void loop_free(EventLoop *loop); /* nothing may be registered any more */

/*
 * Runs one iteration: polls (blocking when @block and nothing is due), then
 * runs what is ready.  True if any callback ran.  Caller's thread owns the
 * loop; for the main loop it holds the BQL.
 */
bool loop_run_once(EventLoop *loop, bool block);
/* Makes a blocking loop_run_once() return soon.  Any thread, async-safe. */
void loop_kick(EventLoop *loop);

/*
 * Watches @fd.  A NULL callback is not watched for; both NULL removes the fd.
 * Hang-up and error wake both.  Level triggered.  Loop's own thread, or the
 * BQL for the main loop.
 */
void loop_set_fd(EventLoop *loop, int fd, LoopFn on_read, LoopFn on_write,
                 void *opaque);
/* Watches @fd for the peer going away (or an error) and nothing else; in the
 * place of loop_set_fd()'s callbacks. */
void loop_set_fd_hangup(EventLoop *loop, int fd, LoopFn on_hangup,
                        void *opaque);

/*
 * For libraries that bring their own descriptors (libslirp): before each poll
 * @prepare adds descriptors with loop_poll_add() and may lower *@timeout_ns;
 * after it @check asks loop_poll_revents().
 */
typedef struct LoopPoller {
    ListNode node;
    void (*prepare)(struct LoopPoller *p, int64_t *timeout_ns);
    void (*check)(struct LoopPoller *p);
} LoopPoller;
void loop_add_poller(EventLoop *loop, LoopPoller *p);
void loop_remove_poller(EventLoop *loop, LoopPoller *p);
int loop_poll_add(EventLoop *loop, int fd, short events); /* index */
short loop_poll_revents(EventLoop *loop, int index);

/* A bottom half: a callback that any thread may schedule. */
typedef struct BH BH;
BH *bh_new(EventLoop *loop, LoopFn fn, void *opaque);
/* One that runs last in its iteration, after all that may schedule it: for what
 * is cheaper done once for many (submitting, interrupting). */
BH *bh_new_late(EventLoop *loop, LoopFn fn, void *opaque);
/* Runs @bh once on its loop soon, however often it was scheduled. */
void bh_schedule(BH *bh);
void bh_cancel(BH *bh);
/* Frees it; a run that was scheduled does not happen.  Loop's thread. */
void bh_delete(BH *bh);
/* A one-shot bottom half.  Any thread. */
void loop_call(EventLoop *loop, LoopFn fn, void *opaque);

#endif
