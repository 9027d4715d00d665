/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends: what devices hold.  A request passes the throttle, then runs on a
 * pool worker through the graph, then ends on the backend's loop.  The graph
 * changes only while no worker is in it (block_pause_begin); requests that
 * come meanwhile wait in their backend.
 */
#include "osdep.h"
#include "block/backend-int.h"
#include "util/iothread.h"
#include "util/pool.h"
#include "util/timer.h"

static ListNode backends = LIST_INIT(backends);
static unsigned pause_depth; /* BQL */

#define AT_ONCE_MAX (256 * KiB)

static void free_engines(void *opaque)
{
    BlockBackend *blk = opaque;

    for (int i = 0; i < BLOCK_AIO_KINDS; i++) {
        block_aio_free(g_steal_pointer(&blk->aio[i]));
    }
}

/* Where nothing is under way. */
static void drop_engines(BlockBackend *blk)
{
    if (blk->loop == loop_main() || blk->loop == loop_current()) {
        free_engines(blk);
    } else {
        loop_run_on(blk->loop, free_engines, blk);
    }
}

/* ---- life ---------------------------------------------------------------------- */

BlockBackend *blk_new(const char *name, unsigned perm, unsigned shared)
{
    BlockBackend *blk = g_new0(BlockBackend, 1);

    blk->name = g_strdup(name);
    blk->refs = 1;
    blk->perm = perm;
    blk->shared = shared;
    blk->loop = loop_main();
    blk->write_cache = true;
    blk->root_flags = BLK_O_RDWR | BLK_O_AUTO_RDONLY;
    blk->on_read_error = BLK_ON_ERROR_REPORT;
    blk->on_write_error = BLK_ON_ERROR_ENOSPC;
    blk->paused = pause_depth;
    mutex_init(&blk->lock);
    cond_init(&blk->idle);
    list_init(&blk->waiting);
    list_init(&blk->throttle_node);
    list_append(&backends, &blk->all);
    return blk;
}

void blk_ref(BlockBackend *blk)
{
    blk->refs++;
}

void blk_unref(BlockBackend *blk)
{
    if (!blk || --blk->refs > 0) {
        return;
    }
    blk_remove_node(blk);
    drop_engines(blk);
    blk_set_throttle_group(blk, NULL);
    list_remove(&blk->all);
    mutex_destroy(&blk->lock);
    cond_destroy(&blk->idle);
    g_free(blk->qdev);
    g_free(blk->name);
    g_free(blk);
}

BlockBackend *blk_find(const char *name)
{
    BlockBackend *blk;

    list_foreach (blk, &backends, all) {
        if (*blk->name && !strcmp(blk->name, name)) {
            return blk;
        }
    }
    return NULL;
}

BlockBackend *blk_next(BlockBackend *blk)
{
    ListNode *next = blk ? blk->all.next : backends.next;

    return next == &backends ? NULL : list_entry(next, BlockBackend, all);
}

const char *blk_name(const BlockBackend *blk)
{
    return blk->name;
}

BlockNode *blk_node(const BlockBackend *blk)
{
    return blk->root ? blk->root->node : NULL;
}

bool blk_insert_node(BlockBackend *blk, BlockNode *node, Error **errp)
{
    unsigned perm = blk->perm;

    if (blk->root) {
        error_setg(errp, "Device '%s' has a medium already", blk->name);
        return false;
    }
    blk->root = node_attach_backend(blk, node, perm, blk->shared, errp);
    return blk->root != NULL;
}

void blk_remove_node(BlockBackend *blk)
{
    BlockEdge *root = blk->root;

    if (!root) {
        return;
    }
    blk_drain(blk);
    block_pause_begin();
    blk->root = NULL;
    node_detach_child(root);
    block_pause_end();
}

bool blk_set_perm(BlockBackend *blk, unsigned perm, unsigned shared,
                  Error **errp)
{
    if (blk->root) {
        bool ok;

        block_pause_begin();
        ok = edge_set_perm(blk->root, perm, shared, errp);
        block_pause_end();
        if (!ok) {
            return false;
        }
    }
    blk->perm = perm;
    blk->shared = shared;
    return true;
}

BlockBackend *blk_open(const char *filename, const char *format,
                       QObject *options, unsigned flags, Error **errp)
{
    unsigned perm = BLK_PERM_CONSISTENT_READ, shared = BLK_PERM_ALL;
    BlockBackend *blk;
    BlockNode *n;
    bool ok;

    options = options ? options : qdict_new();
    if (format) {
        qdict_put_str(options, "driver", format);
    }
    n = node_open_filename(filename, options, flags, errp);
    if (!n) {
        return NULL;
    }
    if (flags & BLK_O_RDWR) {
        perm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
    if (flags & BLK_O_NO_IO) {
        perm = 0;
    }
    if (!(flags & BLK_O_FORCE_SHARE)) {
        shared &= ~(unsigned)BLK_PERM_RESIZE;
    }
    blk = blk_new("", perm, shared);
    ok = blk_insert_node(blk, n, errp);
    node_unref(n);
    if (!ok) {
        blk_unref(blk);
        return NULL;
    }
    blk->write_cache = !(flags & BLK_O_WRITETHROUGH);
    return blk;
}

/* ---- facts ----------------------------------------------------------------------- */

bool blk_is_inserted(const BlockBackend *blk)
{
    return blk->root != NULL;
}

static bool tray_open(const BlockBackend *blk)
{
    return blk->dev_ops && blk->dev_ops->is_tray_open &&
           blk->dev_ops->is_tray_open(blk->dev_opaque);
}

bool blk_is_available(const BlockBackend *blk)
{
    return blk_is_inserted(blk) && !tray_open(blk);
}

bool blk_is_read_only(const BlockBackend *blk)
{
    return blk->root ? node_is_read_only(blk->root->node)
                     : !(blk->root_flags & BLK_O_RDWR) && blk->root_flags;
}

bool blk_is_writable(const BlockBackend *blk)
{
    return blk->root && !node_is_read_only(blk->root->node);
}

int64_t blk_length(BlockBackend *blk)
{
    if (!blk->root) {
        return -ENOMEDIUM;
    }
    return ROUND_UP(blk->root->node->length, BLK_SECTOR);
}

uint32_t blk_request_alignment(const BlockBackend *blk)
{
    return blk->root ? blk->root->node->request_alignment : BLK_SECTOR;
}

size_t blk_mem_alignment(const BlockBackend *blk)
{
    return blk->root ? blk->root->node->mem_alignment : 1;
}

bool blk_write_cache(const BlockBackend *blk)
{
    return blk->write_cache;
}

void blk_set_write_cache(BlockBackend *blk, bool on)
{
    blk->write_cache = on;
}

EventLoop *blk_loop(const BlockBackend *blk)
{
    return blk->loop;
}

void blk_set_loop(BlockBackend *blk, EventLoop *loop)
{
    blk_drain(blk);
    drop_engines(blk);
    blk->loop = loop;
}

BlockAcct *blk_acct(BlockBackend *blk)
{
    return &blk->acct;
}

/* ---- requests: on the worker ------------------------------------------------------ */

static bool outside(const BlockBackend *blk, uint64_t offset, uint64_t bytes)
{
    uint64_t length = ROUND_UP(blk->root->node->length, BLK_SECTOR);

    return bytes > length || offset > length - bytes;
}

static int perform(BlockBackend *blk, BlockOp op, uint64_t offset,
                   uint64_t bytes, BlockVec v, unsigned flags)
{
    BlockNode *n;
    int ret;

    if (!blk->root) {
        return -ENOMEDIUM;
    }
    n = blk->root->node;
    if (op != BLK_OP_FLUSH && outside(blk, offset, bytes)) {
        return -EIO;
    }
    if (!blk->write_cache && (op == BLK_OP_WRITE || op == BLK_OP_ZEROES)) {
        flags |= BLK_REQ_FUA;
    }
    switch (op) {
    case BLK_OP_READ:
        if (n->flags & BLK_O_COPY_ON_READ) {
            flags |= BLK_REQ_COPY_ON_READ;
        }
        return node_preadv(n, offset, bytes, v, flags);
    case BLK_OP_WRITE:
        return node_pwritev(n, offset, bytes, v, flags);
    case BLK_OP_ZEROES:
        return node_pwrite_zeroes(n, offset, bytes, flags);
    case BLK_OP_DISCARD:
        ret = node_pdiscard(n, offset, bytes);
        if (ret == 0 && !blk->write_cache) {
            ret = node_flush(n);
        }
        return ret;
    case BLK_OP_FLUSH:
        return node_flush(n);
    }
    return -ENOTSUP;
}

static void left_graph(BlockBackend *blk)
{
    mutex_lock(&blk->lock);
    if (--blk->running == 0) {
        cond_broadcast(&blk->idle);
    }
    mutex_unlock(&blk->lock);
}

static int request_work(void *opaque)
{
    BlockRequest *r = opaque;
    BlockBackend *blk = r->blk;
    int ret = perform(blk, r->op, r->offset, r->bytes,
                      block_vec(r->iov, r->niov), r->flags);

    left_graph(blk);
    return ret;
}

/* ---- requests: on the loop ---------------------------------------------------------- */

static void account(BlockBackend *blk, BlockOp op, uint64_t bytes,
                    int64_t start_ns, int ret)
{
    static const BlockAcctKind kinds[] = {
        [BLK_OP_READ] = BLK_ACCT_READ, [BLK_OP_WRITE] = BLK_ACCT_WRITE,
        [BLK_OP_ZEROES] = BLK_ACCT_WRITE, [BLK_OP_DISCARD] = BLK_ACCT_UNMAP,
        [BLK_OP_FLUSH] = BLK_ACCT_FLUSH,
    };
    BlockAcctKind k = kinds[op];
    int64_t now = clock_ns(CLOCK_REALTIME_NS);

    blk->acct.last_access_ns = now;
    if (ret < 0) {
        blk->acct.failed[k]++;
    } else {
        blk->acct.bytes[k] += bytes;
        blk->acct.ops[k]++;
    }
    blk->acct.time_ns[k] += now - start_ns;
}

static void request_done(void *opaque, int ret)
{
    BlockRequest *r = opaque;
    BlockBackend *blk = r->blk;

    if (r->never_ran) {
        /* It left the graph's count to us. */
        left_graph(blk);
    }
    account(blk, r->op, r->bytes, r->start_ns, ret);
    blk->in_flight--;
    r->done(r->opaque, ret);
    g_free(r);
    blk_unref(blk);
}

static void fail_bh(void *opaque)
{
    BlockRequest *r = opaque;

    r->task = NULL;
    request_done(r, r->ret);
}

void blk_request_fail(BlockRequest *r, int ret)
{
    r->ret = ret;
    loop_call(r->blk->loop, fail_bh, r);
}

static void to_pool(BlockRequest *r)
{
    r->task = pool_submit(r->blk->loop, request_work, request_done, r);
}

static void aio_done(BlockAioOp *op, int64_t res)
{
    BlockRequest *r = container_of(op, BlockRequest, aio);
    bool whole = res == (int64_t)r->bytes;

    block_direct_end(&r->direct, whole ? 0 : -EIO);
    if (!whole) {
        /* Short, or wrong: a worker goes about it thoroughly. */
        to_pool(r);
        return;
    }
    left_graph(r->blk);
    /* Not from within block_pause_begin(). */
    blk_request_fail(r, 0);
}

/* The engine for files of that kind; NULL: not from this thread. */
static BlockAio *engine(BlockBackend *blk, BlockAioKind kind)
{
    if (kind == BLOCK_AIO_THREADS || blk->loop != loop_current()) {
        return NULL;
    }
    if (!blk->aio[kind]) {
        blk->aio[kind] = block_aio_new(kind, blk->loop, NULL);
    }
    return blk->aio[kind];
}

/* Without a worker: small requests on what is in memory, and those that the
 * kernel carries out by itself. */
static bool start_direct(BlockRequest *r)
{
    BlockBackend *blk = r->blk;
    BlockNode *n = blk->root ? blk->root->node : NULL;
    bool write = r->op == BLK_OP_WRITE;
    BlockAio *a;
    int fd;

    if ((!write && r->op != BLK_OP_READ) || r->bytes == 0 || !n || r->flags ||
        (write ? !blk->write_cache : n->flags & BLK_O_COPY_ON_READ) ||
        block_direct_begin(&r->direct, n, r->offset, r->bytes,
                           block_vec(r->iov, r->niov), write) < 0) {
        return false;
    }
    if (r->bytes <= AT_ONCE_MAX && block_direct_now(&r->direct) == 0) {
        block_direct_end(&r->direct, 0);
        left_graph(blk);
        blk_request_fail(r, 0); /* ends well, on the loop, later */
        return true;
    }
    a = engine(blk, block_direct_aio(&r->direct, &fd));
    if (a && r->niov <= IOV_MAX) {
        r->aio = (BlockAioOp){ .fd = fd, .write = write, .iov = r->iov,
                               .niov = r->niov, .offset = r->direct.offset,
                               .done = aio_done };
        block_aio_submit(a, &r->aio);
        return true;
    }
    block_direct_end(&r->direct, -EAGAIN);
    return false;
}

void blk_request_start(BlockRequest *r)
{
    BlockBackend *blk = r->blk;

    mutex_lock(&blk->lock);
    if (blk->paused) {
        list_append(&blk->waiting, &r->node);
        mutex_unlock(&blk->lock);
        return;
    }
    blk->running++;
    mutex_unlock(&blk->lock);
    if (!start_direct(r)) {
        to_pool(r);
    }
}

static BlockRequest *submit(BlockBackend *blk, BlockOp op, uint64_t offset,
                            uint64_t bytes, const struct iovec *iov, int niov,
                            unsigned flags, BlockDone done, void *opaque)
{
    BlockRequest *r = g_new0(BlockRequest, 1);

    r->blk = blk;
    r->op = op;
    r->offset = offset;
    r->bytes = bytes;
    r->iov = iov;
    r->niov = niov;
    r->flags = flags;
    r->done = done;
    r->opaque = opaque;
    r->start_ns = clock_ns(CLOCK_REALTIME_NS);
    list_init(&r->node);
    blk_ref(blk);
    blk->in_flight++;
    if (!blk_is_available(blk)) {
        blk_request_fail(r, -ENOMEDIUM);
    } else if (!blk->throttle || throttle_admit(blk->throttle, r)) {
        blk_request_start(r);
    }
    return r;
}

BlockRequest *blk_aio_preadv(BlockBackend *blk, uint64_t offset,
                             const struct iovec *iov, int niov, unsigned flags,
                             BlockDone done, void *opaque)
{
    return submit(blk, BLK_OP_READ, offset,
                  block_vec_size(block_vec(iov, niov)), iov, niov, flags, done,
                  opaque);
}

BlockRequest *blk_aio_pwritev(BlockBackend *blk, uint64_t offset,
                              const struct iovec *iov, int niov,
                              unsigned flags, BlockDone done, void *opaque)
{
    return submit(blk, BLK_OP_WRITE, offset,
                  block_vec_size(block_vec(iov, niov)), iov, niov, flags, done,
                  opaque);
}

BlockRequest *blk_aio_pwrite_zeroes(BlockBackend *blk, uint64_t offset,
                                    uint64_t bytes, unsigned flags,
                                    BlockDone done, void *opaque)
{
    return submit(blk, BLK_OP_ZEROES, offset, bytes, NULL, 0, flags, done,
                  opaque);
}

BlockRequest *blk_aio_pdiscard(BlockBackend *blk, uint64_t offset,
                               uint64_t bytes, BlockDone done, void *opaque)
{
    return submit(blk, BLK_OP_DISCARD, offset, bytes, NULL, 0, 0, done,
                  opaque);
}

BlockRequest *blk_aio_flush(BlockBackend *blk, BlockDone done, void *opaque)
{
    return submit(blk, BLK_OP_FLUSH, 0, 0, NULL, 0, 0, done, opaque);
}

void blk_aio_cancel(BlockRequest *r)
{
    BlockBackend *blk = r->blk;
    bool waiting = false;

    if (r->cancelled) {
        return;
    }
    r->cancelled = true;
    if (blk->throttle && throttle_cancel(blk->throttle, r)) {
        blk_request_fail(r, -ECANCELED);
        return;
    }
    mutex_lock(&blk->lock);
    if (!r->task && list_linked(&r->node)) {
        list_remove(&r->node);
        waiting = true;
    }
    mutex_unlock(&blk->lock);
    if (waiting) {
        blk_request_fail(r, -ECANCELED);
    } else if (r->task) {
        r->never_ran = pool_cancel(r->task);
    }
}

/* ---- blocking requests ---------------------------------------------------------------- */

static int blocking(BlockBackend *blk, BlockOp op, uint64_t offset,
                    uint64_t bytes, BlockVec v, unsigned flags)
{
    int64_t start = clock_ns(CLOCK_REALTIME_NS);
    int ret;

    mutex_lock(&blk->lock);
    blk->running++; /* the graph is still: we hold the BQL, or are alone */
    mutex_unlock(&blk->lock);
    ret = perform(blk, op, offset, bytes, v, flags);
    left_graph(blk);
    account(blk, op, bytes, start, ret);
    return ret;
}

int blk_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
               int niov)
{
    BlockVec v = block_vec(iov, niov);

    return blocking(blk, BLK_OP_READ, offset, block_vec_size(v), v, 0);
}

int blk_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
                int niov, unsigned flags)
{
    BlockVec v = block_vec(iov, niov);

    return blocking(blk, BLK_OP_WRITE, offset, block_vec_size(v), v, flags);
}

int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, size_t bytes)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };

    return blk_preadv(blk, offset, &iov, 1);
}

int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf,
               size_t bytes, unsigned flags)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = bytes };

    return blk_pwritev(blk, offset, &iov, 1, flags);
}

int blk_pwrite_zeroes(BlockBackend *blk, uint64_t offset, uint64_t bytes,
                      unsigned flags)
{
    return blocking(blk, BLK_OP_ZEROES, offset, bytes, block_vec(NULL, 0),
                    flags);
}

int blk_pdiscard(BlockBackend *blk, uint64_t offset, uint64_t bytes)
{
    return blocking(blk, BLK_OP_DISCARD, offset, bytes, block_vec(NULL, 0), 0);
}

int blk_flush(BlockBackend *blk)
{
    return blocking(blk, BLK_OP_FLUSH, 0, 0, block_vec(NULL, 0), 0);
}

bool blk_truncate(BlockBackend *blk, uint64_t bytes, bool exact,
                  const char *prealloc, Error **errp)
{
    bool ok;

    if (!blk->root) {
        error_setg(errp, "No medium inserted");
        return false;
    }
    block_pause_begin();
    ok = node_truncate(blk->root->node, bytes, exact, prealloc, 0, errp);
    block_pause_end();
    return ok;
}

/* ---- quiet times -------------------------------------------------------------------------- */

/* What the kernel carries out ends on the loop: here, when that is ours. */
static void wait_engines(BlockBackend *blk)
{
    for (int i = 0; blk->loop == loop_main() && i < BLOCK_AIO_KINDS; i++) {
        while (blk->aio[i] && block_aio_wait(blk->aio[i])) {
        }
    }
}

void block_pause_begin(void)
{
    BlockBackend *blk;

    pause_depth++;
    throttle_drain_begin();
    list_foreach (blk, &backends, all) {
        mutex_lock(&blk->lock);
        blk->paused++;
        mutex_unlock(&blk->lock);
        wait_engines(blk);
        mutex_lock(&blk->lock);
        while (blk->running > 0) {
            cond_wait(&blk->idle, &blk->lock);
        }
        mutex_unlock(&blk->lock);
    }
    throttle_drain_end();
}

void block_pause_end(void)
{
    BlockBackend *blk;

    pause_depth--;
    list_foreach (blk, &backends, all) {
        ListNode ready = LIST_INIT(ready);
        BlockRequest *r, *tmp;

        mutex_lock(&blk->lock);
        if (--blk->paused == 0) {
            list_foreach_safe (r, tmp, &blk->waiting, node) {
                list_remove(&r->node);
                list_append(&ready, &r->node);
            }
        }
        mutex_unlock(&blk->lock);
        list_foreach_safe (r, tmp, &ready, node) {
            list_remove(&r->node);
            blk_request_start(r);
        }
    }
}

bool blk_in_flight(const BlockBackend *blk)
{
    return blk->in_flight > 0;
}

static void drain_here(void *opaque)
{
    BlockBackend *blk = opaque;

    if (blk->throttle) {
        throttle_release(blk->throttle, blk);
    }
    while (blk->in_flight > 0) {
        loop_run_once(blk->loop, true);
    }
}

void blk_drain(BlockBackend *blk)
{
    EventLoop *loop = blk->loop;

    throttle_drain_begin();
    if (loop != loop_main() && loop != loop_current()) {
        /* Its own thread alone runs its completions. */
        loop_run_on(loop, drain_here, blk);
    } else if (blk->in_flight > 0) {
        blk_ref(blk);
        drain_here(blk);
        blk_unref(blk);
    }
    throttle_drain_end();
}

void blk_drain_all(void)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        blk_drain(blk);
    }
}

int blk_flush_all(void)
{
    int first = 0;
    BlockNode *n;

    list_foreach (n, &block_nodes, all) {
        int ret = node_flush(n);

        first = first ? first : ret;
    }
    return first;
}

void block_cleanup(void)
{
    BlockBackend *blk;

    blk_drain_all();
    list_foreach (blk, &backends, all) {
        blk_remove_node(blk);
    }
    /* Nodes that only the monitor holds. */
    for (;;) {
        BlockNode *n;
        bool found = false;

        list_foreach (n, &block_nodes, all) {
            if (n->monitor_owned) {
                n->monitor_owned = false;
                node_unref(n);
                found = true;
                break;
            }
        }
        if (!found) {
            break;
        }
    }
}

/* ---- errors ------------------------------------------------------------------------------------ */

void blk_set_on_error(BlockBackend *blk, BlockErrorPolicy on_read,
                      BlockErrorPolicy on_write)
{
    blk->on_read_error = on_read;
    blk->on_write_error = on_write;
}

BlockErrorPolicy blk_get_on_error(const BlockBackend *blk, bool is_read)
{
    return is_read ? blk->on_read_error : blk->on_write_error;
}

BlockErrorAction blk_error_action(BlockBackend *blk, bool is_read, int error)
{
    BlockErrorAction action = BLK_ACTION_REPORT;

    switch (blk_get_on_error(blk, is_read)) {
    case BLK_ON_ERROR_IGNORE:
        action = BLK_ACTION_IGNORE;
        break;
    case BLK_ON_ERROR_STOP:
        action = BLK_ACTION_STOP;
        break;
    case BLK_ON_ERROR_ENOSPC:
    case BLK_ON_ERROR_AUTO:
        action = error == ENOSPC ? BLK_ACTION_STOP : BLK_ACTION_REPORT;
        break;
    default:
        break;
    }
    if (action == BLK_ACTION_STOP && blk->iostatus_enabled &&
        blk->iostatus == 0) {
        blk->iostatus = error == ENOSPC ? 2 : 1;
    }
    if (block_hooks.io_error) {
        block_hooks.io_error(blk, is_read, action, error);
    }
    return action;
}

void blk_iostatus_enable(BlockBackend *blk)
{
    blk->iostatus_enabled = true;
}

void blk_iostatus_reset(BlockBackend *blk)
{
    blk->iostatus = 0;
}

/* ---- the device ---------------------------------------------------------------------------------- */

bool blk_attach_dev(BlockBackend *blk, const char *qdev, const BlockDevOps *ops,
                    void *opaque, Error **errp)
{
    if (blk->qdev) {
        error_setg(errp, "Drive '%s' is already in use by another block device",
                   *blk->name || !blk->root ? blk->name
                                            : blk->root->node->name);
        return false;
    }
    blk_ref(blk);
    blk->qdev = g_strdup(qdev);
    blk->dev_ops = ops;
    blk->dev_opaque = opaque;
    return true;
}

void blk_detach_dev(BlockBackend *blk)
{
    if (!blk->qdev) {
        return;
    }
    blk_drain(blk);
    g_free(blk->qdev);
    blk->qdev = NULL;
    blk->dev_ops = NULL;
    blk->dev_opaque = NULL;
    blk->iostatus_enabled = false;
    blk_set_perm(blk, 0, BLK_PERM_ALL, NULL);
    blk_unref(blk);
}

const char *blk_attached_dev(const BlockBackend *blk)
{
    return blk->qdev;
}

BlockBackend *blk_find_by_qdev(const char *qdev)
{
    BlockBackend *blk;

    list_foreach (blk, &backends, all) {
        if (!g_strcmp0(blk->qdev, qdev)) {
            return blk;
        }
    }
    return NULL;
}

bool blk_has_removable_media(const BlockBackend *blk)
{
    return !blk->qdev || (blk->dev_ops && blk->dev_ops->change_media);
}

void blk_eject(BlockBackend *blk, bool open)
{
    if (block_hooks.tray_moved) {
        block_hooks.tray_moved(blk, open);
    }
}
