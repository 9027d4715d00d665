/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Engines of aio=native and aio=io_uring.
 *
 *   submit() -> queue --late bottom half--> kernel --eventfd--> reap -> done()
 *
 * At most DEPTH operations are in the kernel; the others wait in the queue and
 * follow when some have ended.  libaio: io_submit(2), eventfd by
 * IOCB_FLAG_RESFD; io_uring: io_uring_register(2), IORING_REGISTER_EVENTFD.
 */
#include "osdep.h"
#include <libaio.h>
#include <poll.h>
#include <sys/eventfd.h>
#include "block/aio.h"
#ifdef CONFIG_URING
#include <liburing.h>
#endif

#define DEPTH 128

typedef struct Engine Engine;

struct BlockAio {
    const Engine *engine;
    EventLoop *loop;
    int event_fd;
    BH *submit_bh;      /* late */
    ListNode queue;     /* BlockAioOp.node */
    unsigned in_kernel;
    io_context_t ctx;                  /* native */
    struct iocb cbs[DEPTH];            /* native; free ones in free_cbs */
    struct iocb *free_cbs[DEPTH];
    unsigned nfree;
#ifdef CONFIG_URING
    struct io_uring ring;
#endif
};

struct Engine {
    const char *name;
    int (*open)(BlockAio *a); /* 0 or -errno */
    void (*close)(BlockAio *a);
    /* Takes from the queue what fits; -errno: the first one cannot go. */
    int (*push)(BlockAio *a);
    void (*reap)(BlockAio *a);
};

static BlockAioOp *take(BlockAio *a)
{
    BlockAioOp *op = list_first(&a->queue, BlockAioOp, node);

    list_remove(&op->node);
    return op;
}

static void finish(BlockAio *a, BlockAioOp *op, int64_t res)
{
    a->in_kernel--;
    op->done(op, res);
}

/* ---- libaio -------------------------------------------------------------------- */

static int native_open(BlockAio *a)
{
    int ret = io_setup(DEPTH, &a->ctx);

    for (unsigned i = 0; i < DEPTH; i++) {
        a->free_cbs[a->nfree++] = &a->cbs[i];
    }
    return ret;
}

static void native_close(BlockAio *a)
{
    io_destroy(a->ctx);
}

static int native_push(BlockAio *a)
{
    struct iocb *batch[DEPTH];
    BlockAioOp *op;
    int n = 0, sent;

    list_foreach (op, &a->queue, node) {
        struct iocb *cb;

        if ((unsigned)n == a->nfree) {
            break;
        }
        cb = a->free_cbs[a->nfree - 1 - n];
        if (op->write) {
            io_prep_pwritev(cb, op->fd, op->iov, op->niov, op->offset);
        } else {
            io_prep_preadv(cb, op->fd, op->iov, op->niov, op->offset);
        }
        io_set_eventfd(cb, a->event_fd);
        cb->data = op;
        batch[n++] = cb;
    }
    if (n == 0) {
        return 0;
    }
    sent = io_submit(a->ctx, n, batch);
    for (int i = 0; i < sent; i++) {
        take(a);
        a->nfree--;
        a->in_kernel++;
    }
    /* Out of the kernel's resources: more when some have ended. */
    return sent == -EAGAIN && a->in_kernel ? 0 : MIN(sent, 0);
}

static void native_reap(BlockAio *a)
{
    struct io_event ev[DEPTH];
    struct timespec none = { 0 };
    int n = io_getevents(a->ctx, 0, DEPTH, ev, &none);

    for (int i = 0; i < n; i++) {
        a->free_cbs[a->nfree++] = ev[i].obj;
    }
    for (int i = 0; i < n; i++) {
        finish(a, ev[i].data, (int64_t)ev[i].res);
    }
}

/* ---- io_uring ------------------------------------------------------------------- */

#ifdef CONFIG_URING
static int uring_open(BlockAio *a)
{
    int ret = io_uring_queue_init(DEPTH, &a->ring, 0);

    if (ret < 0) {
        return ret;
    }
    ret = io_uring_register_eventfd(&a->ring, a->event_fd);
    if (ret < 0) {
        io_uring_queue_exit(&a->ring);
    }
    return ret;
}

static void uring_close(BlockAio *a)
{
    io_uring_queue_exit(&a->ring);
}

static int uring_push(BlockAio *a)
{
    int ret;

    while (!list_empty(&a->queue) && a->in_kernel < DEPTH) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);
        BlockAioOp *op;

        if (!sqe) {
            break;
        }
        op = take(a);
        if (op->write) {
            io_uring_prep_writev(sqe, op->fd, op->iov, op->niov, op->offset);
        } else {
            io_uring_prep_readv(sqe, op->fd, op->iov, op->niov, op->offset);
        }
        io_uring_sqe_set_data(sqe, op);
        a->in_kernel++;
    }
    do {
        ret = io_uring_submit(&a->ring);
    } while (ret == -EINTR);
    /* What stays in the ring goes with the next submission. */
    if (ret < 0 || io_uring_sq_ready(&a->ring)) {
        bh_schedule(a->submit_bh);
    }
    return 0;
}

static void uring_reap(BlockAio *a)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&a->ring, &cqe) == 0 && cqe) {
        BlockAioOp *op = io_uring_cqe_get_data(cqe);
        int res = cqe->res;

        io_uring_cqe_seen(&a->ring, cqe);
        finish(a, op, res);
    }
}
#endif

static const Engine engines[BLOCK_AIO_KINDS] = {
    [BLOCK_AIO_NATIVE] = { "native", native_open, native_close, native_push,
                           native_reap },
#ifdef CONFIG_URING
    [BLOCK_AIO_URING] = { "io_uring", uring_open, uring_close, uring_push,
                          uring_reap },
#endif
};

/* ---- common ---------------------------------------------------------------------- */

static void push(void *opaque)
{
    BlockAio *a = opaque;

    while (!list_empty(&a->queue)) {
        int ret = a->engine->push(a);

        if (ret == 0) {
            return;
        }
        a->in_kernel++; /* for finish() */
        finish(a, take(a), ret);
    }
    if (a->in_kernel) {
        a->engine->push(a);
    }
}

static void reap(BlockAio *a)
{
    a->engine->reap(a);
    if (!list_empty(&a->queue)) {
        bh_schedule(a->submit_bh);
    }
}

static void on_event(void *opaque)
{
    BlockAio *a = opaque;
    uint64_t count;
    ssize_t n = read(a->event_fd, &count, sizeof(count));

    (void)n;
    reap(a);
}

BlockAio *block_aio_new(BlockAioKind kind, EventLoop *loop, Error **errp)
{
    const Engine *engine = &engines[kind];
    BlockAio *a;
    int ret;

    if (!engine->open) {
        error_setg(errp, "aio=%s was specified, but is not supported in this "
                   "build.", kind == BLOCK_AIO_URING ? "io_uring" : "threads");
        return NULL;
    }
    a = g_new0(BlockAio, 1);
    a->engine = engine;
    a->loop = loop;
    list_init(&a->queue);
    a->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ret = a->event_fd < 0 ? -errno : engine->open(a);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "aio=%s", engine->name);
        if (a->event_fd >= 0) {
            close(a->event_fd);
        }
        g_free(a);
        return NULL;
    }
    a->submit_bh = bh_new_late(loop, push, a);
    loop_set_fd(loop, a->event_fd, on_event, NULL, a);
    return a;
}

void block_aio_free(BlockAio *a)
{
    if (!a) {
        return;
    }
    assert(!a->in_kernel && list_empty(&a->queue));
    loop_set_fd(a->loop, a->event_fd, NULL, NULL, NULL);
    bh_delete(a->submit_bh);
    a->engine->close(a);
    close(a->event_fd);
    g_free(a);
}

void block_aio_submit(BlockAio *a, BlockAioOp *op)
{
    list_append(&a->queue, &op->node);
    bh_schedule(a->submit_bh);
}

bool block_aio_wait(BlockAio *a)
{
    struct pollfd p = { .fd = a->event_fd, .events = POLLIN };
    int ret;

    if (!a->in_kernel && list_empty(&a->queue)) {
        return false;
    }
    do {
        push(a); /* again: the kernel may have had no room for all */
        ret = a->in_kernel ? poll(&p, 1, 100) : 0;
    } while (a->in_kernel && ret <= 0);
    on_event(a);
    return true;
}
