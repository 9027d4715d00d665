/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event loops.
 *
 * One iteration: compute the nearest timer, let the pollers add descriptors,
 * poll (the main loop without the BQL), then run bottom halves, descriptors,
 * pollers, timers, and last the late bottom halves.
 *
 * 1. `lock` guards the list of scheduled bottom halves and the timer queues:
 *    any thread may schedule or arm.  Nothing is called under it.
 * 2. Handlers of descriptors belong to the loop's thread (main loop: BQL).  A
 *    removed handler is only marked while callbacks run, and freed after.
 * 3. A kick writes the eventfd; `polling` saves the write when the loop is not
 *    asleep and will look again by itself, or was woken by another kick.
 */
#include "osdep.h"
#include "util/loop-int.h"
#include "util/thread.h"
#include <poll.h>
#include <sys/eventfd.h>

typedef struct FDHandler {
    ListNode node;
    int fd;
    LoopFn on_read, on_write;
    bool hangup_only;   /* on_read is for the peer's end alone */
    void *opaque;
    int poll_index;
    bool deleted;
} FDHandler;

struct BH {
    EventLoop *loop;
    LoopFn fn;
    void *opaque;
    BH *next;          /* lock: loop->lock */
    atomic_bool scheduled; /* is in the list */
    bool wanted;       /* lock: loop->lock; cancelled ones stay in the list */
    bool once;
    bool late;
    bool deleted;
};

/* Bottom halves on their way. */
typedef struct BHList {
    BH *fresh;             /* newest first */
    BH *ready;             /* taken from there, oldest first */
} BHList;

struct EventLoop {
    char *name;
    int event_fd;
    atomic_bool polling;
    Mutex lock;
    BHList bhs, late;      /* lock */
    ListNode timers[CLOCK_TYPES]; /* lock; by expire */
    ListNode handlers;
    ListNode pollers;
    GArray *pollfds;       /* struct pollfd */
    unsigned walking;      /* handlers is being walked */
    EventLoop *next;       /* lock: loops_lock */
};

static EventLoop *main_loop;
static EventLoop *loops;
static Mutex loops_lock = MUTEX_INITIALIZER;
static _Thread_local EventLoop *current_loop;

static EventLoop *loop_make(const char *name)
{
    EventLoop *loop = g_new0(EventLoop, 1);

    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->event_fd < 0) {
        g_free(loop);
        return NULL;
    }
    loop->name = g_strdup(name);
    mutex_init(&loop->lock);
    for (int c = 0; c < CLOCK_TYPES; c++) {
        list_init(&loop->timers[c]);
    }
    list_init(&loop->handlers);
    list_init(&loop->pollers);
    loop->pollfds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    mutex_lock(&loops_lock);
    loop->next = loops;
    loops = loop;
    mutex_unlock(&loops_lock);
    return loop;
}

static void __attribute__((constructor(101))) make_main_loop(void)
{
    main_loop = loop_make("main");
    if (!main_loop) {
        perror("eventfd");
        exit(1);
    }
}

EventLoop *loop_main(void)
{
    return main_loop;
}

EventLoop *loop_current(void)
{
    return current_loop ? current_loop : main_loop;
}

EventLoop *loop_new(const char *name, Error **errp)
{
    EventLoop *loop = loop_make(name);

    if (!loop) {
        error_setg_errno(errp, errno, "cannot make event loop '%s'", name);
    }
    return loop;
}

static void free_bhs(BH *bh)
{
    while (bh) {
        BH *next = bh->next;

        if (bh->deleted || bh->once) {
            g_free(bh);
        }
        bh = next;
    }
}

void loop_free(EventLoop *loop)
{
    mutex_lock(&loops_lock);
    for (EventLoop **p = &loops; *p; p = &(*p)->next) {
        if (*p == loop) {
            *p = loop->next;
            break;
        }
    }
    mutex_unlock(&loops_lock);
    free_bhs(loop->bhs.fresh);
    free_bhs(loop->bhs.ready);
    free_bhs(loop->late.fresh);
    free_bhs(loop->late.ready);
    while (!list_empty(&loop->handlers)) {
        FDHandler *h = list_first(&loop->handlers, FDHandler, node);

        list_remove(&h->node);
        g_free(h);
    }
    close(loop->event_fd);
    g_array_free(loop->pollfds, TRUE);
    mutex_destroy(&loop->lock);
    g_free(loop->name);
    g_free(loop);
}

void loop_kick(EventLoop *loop)
{
    uint64_t one = 1;

    if (atomic_exchange(&loop->polling, false)) {
        ssize_t n = write(loop->event_fd, &one, sizeof(one));

        (void)n; /* a full counter wakes as well */
    }
}

void loops_kick_all(void)
{
    mutex_lock(&loops_lock);
    for (EventLoop *l = loops; l; l = l->next) {
        loop_kick(l);
    }
    mutex_unlock(&loops_lock);
}

/* --- descriptors --- */

static FDHandler *find_handler(EventLoop *loop, int fd)
{
    FDHandler *h;

    list_foreach(h, &loop->handlers, node) {
        if (h->fd == fd && !h->deleted) {
            return h;
        }
    }
    return NULL;
}

void loop_set_fd(EventLoop *loop, int fd, LoopFn on_read, LoopFn on_write,
                 void *opaque)
{
    FDHandler *h = find_handler(loop, fd);

    if (!on_read && !on_write) {
        if (h && loop->walking) {
            h->deleted = true;
        } else if (h) {
            list_remove(&h->node);
            g_free(h);
        }
        loop_kick(loop);
        return;
    }
    if (!h) {
        h = g_new0(FDHandler, 1);
        h->fd = fd;
        h->poll_index = -1;
        list_append(&loop->handlers, &h->node);
    }
    h->on_read = on_read;
    h->on_write = on_write;
    h->hangup_only = false;
    h->opaque = opaque;
    loop_kick(loop);
}

void loop_set_fd_hangup(EventLoop *loop, int fd, LoopFn on_hangup,
                        void *opaque)
{
    loop_set_fd(loop, fd, on_hangup, NULL, opaque);
    if (on_hangup) {
        find_handler(loop, fd)->hangup_only = true;
    }
}

void loop_add_poller(EventLoop *loop, LoopPoller *p)
{
    list_append(&loop->pollers, &p->node);
    loop_kick(loop);
}

void loop_remove_poller(EventLoop *loop, LoopPoller *p)
{
    list_remove(&p->node);
}

int loop_poll_add(EventLoop *loop, int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    g_array_append_val(loop->pollfds, p);
    return loop->pollfds->len - 1;
}

short loop_poll_revents(EventLoop *loop, int index)
{
    return index >= 0 && (unsigned)index < loop->pollfds->len
               ? g_array_index(loop->pollfds, struct pollfd, index).revents
               : 0;
}

static bool run_handlers(EventLoop *loop)
{
    FDHandler *h, *tmp;
    bool progress = false;

    loop->walking++;
    list_foreach(h, &loop->handlers, node) {
        short ev = h->poll_index < 0 ? 0
                                     : loop_poll_revents(loop, h->poll_index);

        if (h->hangup_only) {
            ev &= ~POLLIN; /* of a watch that was there when the poll began */
        }
        if ((ev & (POLLIN | POLLHUP | POLLERR | POLLRDHUP)) && h->on_read &&
            !h->deleted) {
            h->on_read(h->opaque);
            progress = true;
        }
        if ((ev & (POLLOUT | POLLHUP | POLLERR)) && h->on_write &&
            !h->deleted) {
            h->on_write(h->opaque);
            progress = true;
        }
        h->poll_index = -1;
    }
    if (--loop->walking == 0) {
        list_foreach_safe(h, tmp, &loop->handlers, node) {
            if (h->deleted) {
                list_remove(&h->node);
                g_free(h);
            }
        }
    }
    return progress;
}

/* --- bottom halves --- */

BH *bh_new(EventLoop *loop, LoopFn fn, void *opaque)
{
    BH *bh = g_new0(BH, 1);

    bh->loop = loop;
    bh->fn = fn;
    bh->opaque = opaque;
    return bh;
}

BH *bh_new_late(EventLoop *loop, LoopFn fn, void *opaque)
{
    BH *bh = bh_new(loop, fn, opaque);

    bh->late = true;
    return bh;
}

void bh_schedule(BH *bh)
{
    EventLoop *loop = bh->loop;

    mutex_lock(&loop->lock);
    bh->wanted = true;
    if (!bh->scheduled) {
        BHList *list = bh->late ? &loop->late : &loop->bhs;

        bh->scheduled = true;
        bh->next = list->fresh;
        list->fresh = bh;
    }
    mutex_unlock(&loop->lock);
    loop_kick(loop);
}

void bh_cancel(BH *bh)
{
    mutex_lock(&bh->loop->lock);
    bh->wanted = false;
    mutex_unlock(&bh->loop->lock);
}

void bh_delete(BH *bh)
{
    EventLoop *loop;
    bool in_list;

    if (!bh) {
        return;
    }
    loop = bh->loop;
    mutex_lock(&loop->lock);
    bh->wanted = false;
    bh->deleted = true;
    in_list = bh->scheduled;
    mutex_unlock(&loop->lock);
    if (!in_list) {
        g_free(bh);
    }
}

void loop_call(EventLoop *loop, LoopFn fn, void *opaque)
{
    BH *bh = bh_new(loop, fn, opaque);

    bh->once = true;
    bh_schedule(bh);
}

static BH *reverse(BH *bh)
{
    BH *list = NULL;

    while (bh) {
        BH *next = bh->next;

        bh->next = list;
        list = bh;
        bh = next;
    }
    return list;
}

static bool run_bhs(EventLoop *loop, BHList *list)
{
    bool progress = false;
    BH **tail;

    mutex_lock(&loop->lock);
    for (tail = &list->ready; *tail; tail = &(*tail)->next) {
    }
    *tail = reverse(list->fresh);
    list->fresh = NULL;
    mutex_unlock(&loop->lock);
    /* A callback may wait for another one in a loop of its own: what is left
     * stays where that one finds it. */
    for (;;) {
        bool run, dead;
        BH *bh;

        mutex_lock(&loop->lock);
        bh = list->ready;
        if (!bh) {
            mutex_unlock(&loop->lock);
            break;
        }
        list->ready = bh->next;
        bh->scheduled = false;
        run = bh->wanted;
        dead = bh->deleted;
        bh->wanted = false;
        mutex_unlock(&loop->lock);
        if (dead) {
            g_free(bh);
        } else if (run) {
            LoopFn fn = bh->fn;
            void *opaque = bh->opaque;

            if (bh->once) {
                g_free(bh);
            }
            fn(opaque);
            progress = true;
        }
    }
    return progress;
}

/* --- timers --- */

void timer_mod_at(Timer *t, int64_t expire_ns)
{
    EventLoop *loop = t->loop;
    ListNode *queue, *pos;
    bool first;

    assert(loop);
    expire_ns = MAX(expire_ns, 0);
    mutex_lock(&loop->lock);
    queue = &loop->timers[t->clock];
    list_remove(&t->node);
    t->expire = expire_ns;
    /* From the back: most timers are armed for later than the others. */
    for (pos = queue->prev; pos != queue; pos = pos->prev) {
        if (list_entry(pos, Timer, node)->expire <= expire_ns) {
            break;
        }
    }
    list_insert_before(pos->next, &t->node);
    first = queue->next == &t->node;
    mutex_unlock(&loop->lock);
    if (first) {
        loop_kick(loop);
    }
}

void timer_del(Timer *t)
{
    if (!t->loop) {
        return;
    }
    mutex_lock(&t->loop->lock);
    list_remove(&t->node);
    t->expire = -1;
    mutex_unlock(&t->loop->lock);
}

static int64_t queue_deadline(EventLoop *loop, ClockType clock)
{
    int64_t deadline = -1;

    mutex_lock(&loop->lock);
    if (!list_empty(&loop->timers[clock])) {
        deadline = list_first(&loop->timers[clock], Timer, node)->expire;
    }
    mutex_unlock(&loop->lock);
    return deadline;
}

int64_t clock_next_deadline(ClockType type)
{
    int64_t best = -1;

    mutex_lock(&loops_lock);
    for (EventLoop *l = loops; l; l = l->next) {
        int64_t d = queue_deadline(l, type);

        if (d >= 0 && (best < 0 || d < best)) {
            best = d;
        }
    }
    mutex_unlock(&loops_lock);
    return best;
}

static bool run_timers(EventLoop *loop, ClockType clock)
{
    bool progress = false;
    int64_t now;

    if (list_empty(&loop->timers[clock])) {
        return false;
    }
    now = clock_ns(clock);
    for (;;) {
        Timer *t = NULL;

        mutex_lock(&loop->lock);
        if (!list_empty(&loop->timers[clock])) {
            t = list_first(&loop->timers[clock], Timer, node);
            if (t->expire > now) {
                t = NULL;
            } else {
                list_remove(&t->node);
                t->expire = -1;
            }
        }
        mutex_unlock(&loop->lock);
        if (!t) {
            return progress;
        }
        t->fn(t->opaque);
        progress = true;
    }
}

void loops_run_timers(ClockType clock)
{
    run_timers(main_loop, clock);
}

/* Nanoseconds until the first timer, -1: none. */
static int64_t timers_timeout(EventLoop *loop)
{
    int64_t best = -1;

    for (int c = 0; c < CLOCK_TYPES; c++) {
        int64_t left, deadline = queue_deadline(loop, c);

        if (deadline < 0) {
            continue;
        }
        left = MAX(deadline - clock_ns(c), 0);
        if (left > 0 && c == CLOCK_VIRTUAL && clock_virtual_is_stopped()) {
            continue;
        }
        best = best < 0 ? left : MIN(best, left);
    }
    return best;
}

/* --- the iteration --- */

/* Whether the BQL is held is known at run time only. */
static void do_poll(EventLoop *loop, int64_t timeout_ns) NO_THREAD_SAFETY;
static void do_poll(EventLoop *loop, int64_t timeout_ns)
{
    struct timespec ts = { .tv_sec = timeout_ns / NSEC_PER_SEC,
                           .tv_nsec = timeout_ns % NSEC_PER_SEC };
    struct pollfd *fds = (struct pollfd *)loop->pollfds->data;
    unsigned n = loop->pollfds->len;
    bool unlock = loop == main_loop && timeout_ns != 0 && bql_locked();
    int ret;

    if (unlock) {
        bql_unlock();
    }
    ret = ppoll(fds, n, timeout_ns < 0 ? NULL : &ts, NULL);
    if (unlock) {
        bql_lock();
    }
    if (ret < 0) {
        for (unsigned i = 0; i < n; i++) {
            fds[i].revents = 0;
        }
    }
}

bool loop_run_once(EventLoop *loop, bool block)
{
    EventLoop *outer = current_loop;
    LoopPoller *p, *next_poller;
    bool progress = false, bhs_waiting;
    int64_t timeout;
    FDHandler *h;
    uint64_t count;

    current_loop = loop;
    g_array_set_size(loop->pollfds, 0);
    loop_poll_add(loop, loop->event_fd, POLLIN);
    list_foreach(h, &loop->handlers, node) {
        if (!h->deleted) {
            h->poll_index = loop_poll_add(loop, h->fd,
                                          (h->hangup_only ? POLLRDHUP
                                           : h->on_read   ? POLLIN
                                                          : 0) |
                                              (h->on_write ? POLLOUT : 0));
        }
    }
    timeout = -1;
    list_foreach(p, &loop->pollers, node) {
        p->prepare(p, &timeout);
    }
    /* From here on a kick writes; what came before is seen below. */
    atomic_store(&loop->polling, block);
    atomic_thread_fence(memory_order_seq_cst);
    mutex_lock(&loop->lock);
    bhs_waiting = loop->bhs.fresh || loop->bhs.ready || loop->late.fresh ||
                  loop->late.ready;
    mutex_unlock(&loop->lock);
    if (!block || bhs_waiting) {
        timeout = 0;
    } else {
        int64_t t = timers_timeout(loop);

        if (t >= 0 && (timeout < 0 || t < timeout)) {
            timeout = t;
        }
    }
    do_poll(loop, timeout);
    atomic_store(&loop->polling, false);
    if (loop_poll_revents(loop, 0) & POLLIN) {
        ssize_t n = read(loop->event_fd, &count, sizeof(count));

        (void)n;
    }
    progress |= run_bhs(loop, &loop->bhs);
    progress |= run_handlers(loop);
    list_foreach_safe(p, next_poller, &loop->pollers, node) {
        p->check(p);
    }
    for (int c = 0; c < CLOCK_TYPES; c++) {
        progress |= run_timers(loop, c);
    }
    progress |= run_bhs(loop, &loop->late);
    current_loop = outer;
    return progress;
}
