/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker pool.  `lock` (a leaf) guards the queue and the counts; a finished
 * task goes back to its loop as a one-shot bottom half.
 */
#include "osdep.h"
#include "util/pool.h"
#include "util/thread.h"

#define MAX_WORKERS 64
#define IDLE_NS     (10 * NSEC_PER_SEC)

typedef enum TaskState { TASK_QUEUED, TASK_RUNNING, TASK_DONE } TaskState;

struct PoolTask {
    ListNode node;     /* in pool.queue while queued; lock */
    EventLoop *loop;
    PoolWork work;
    PoolDone done;
    void *opaque;
    int ret;
    TaskState state;   /* lock */
};

static struct {
    Mutex lock;
    Cond cond;
    bool cond_ready;
    ListNode queue;
    unsigned workers, idle;
} pool = { .lock = MUTEX_INITIALIZER, .queue = LIST_INIT(pool.queue) };

static void task_finish(void *opaque)
{
    PoolTask *t = opaque;

    t->done(t->opaque, t->ret);
    g_free(t);
}

static void *worker(void *unused)
{
    mutex_lock(&pool.lock);
    for (;;) {
        PoolTask *t;

        while (list_empty(&pool.queue)) {
            bool woken;

            pool.idle++;
            woken = cond_wait_ns(&pool.cond, &pool.lock, IDLE_NS);
            pool.idle--;
            if (!woken && list_empty(&pool.queue)) {
                pool.workers--;
                mutex_unlock(&pool.lock);
                return NULL;
            }
        }
        t = list_first(&pool.queue, PoolTask, node);
        list_remove(&t->node);
        t->state = TASK_RUNNING;
        mutex_unlock(&pool.lock);
        t->ret = t->work(t->opaque);
        mutex_lock(&pool.lock);
        t->state = TASK_DONE;
        mutex_unlock(&pool.lock);
        loop_call(t->loop, task_finish, t);
        mutex_lock(&pool.lock);
    }
}

PoolTask *pool_submit(EventLoop *loop, PoolWork work, PoolDone done,
                      void *opaque)
{
    PoolTask *t = g_new0(PoolTask, 1);
    bool inline_run = false;
    Thread thread;

    t->loop = loop;
    t->work = work;
    t->done = done;
    t->opaque = opaque;
    list_init(&t->node);
    mutex_lock(&pool.lock);
    if (!pool.cond_ready) {
        cond_init(&pool.cond);
        pool.cond_ready = true;
    }
    list_append(&pool.queue, &t->node);
    if (pool.idle > 0) {
        cond_signal(&pool.cond);
    } else if (pool.workers < MAX_WORKERS) {
        if (thread_try_create(&thread, "worker", worker, NULL) == 0) {
            pthread_detach(thread.id);
            pool.workers++;
        } else if (pool.workers == 0) {
            /* The host has no thread for us: do it here. */
            list_remove(&t->node);
            t->state = TASK_RUNNING;
            inline_run = true;
        }
    }
    mutex_unlock(&pool.lock);
    if (inline_run) {
        t->ret = work(opaque);
        t->state = TASK_DONE;
        loop_call(loop, task_finish, t);
    }
    return t;
}

bool pool_cancel(PoolTask *task)
{
    bool ours;

    mutex_lock(&pool.lock);
    ours = task->state == TASK_QUEUED;
    if (ours) {
        list_remove(&task->node);
        task->state = TASK_DONE;
        task->ret = -ECANCELED;
    }
    mutex_unlock(&pool.lock);
    if (ours) {
        loop_call(task->loop, task_finish, task);
    }
    return ours;
}
