/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio block device: virtio 1.1, section 5.2.
 *
 *   queue_handler -> pop -> parse --> reads, writes: batch, sorted, merged
 *                                  \-> flush, discard, zeroes, id
 *        blk_aio_*() on guest memory -> done -> status byte -> push, notify
 *
 * A chain of requests that go on where the one before ends is one request to
 * the block layer ("request-merging").
 *
 * Interrupts are sent when the loop is through with its iteration, one for all
 * requests that ended in it.
 *
 * Threads: with iothread= the queues' handlers and completions run on that
 * loop without the BQL, from realize to unrealize; what needs the BQL (error
 * actions) is put on a list for the main loop.  `lock` guards the lists that
 * both see.
 */
#include "osdep.h"
#include "block/block.h"
#include "hw/boards.h"
#include "hw/virtio/virtio.h"
#include "util/iothread.h"
#include "util/log.h"

enum {
    F_SEG_MAX = 2, F_GEOMETRY = 4, F_RO = 5, F_BLK_SIZE = 6, F_FLUSH = 9,
    F_TOPOLOGY = 10, F_CONFIG_WCE = 11, F_MQ = 12, F_DISCARD = 13,
    F_WRITE_ZEROES = 14,
};
/* Configuration, 5.2.4. */
enum {
    CFG_CAPACITY = 0, CFG_SEG_MAX = 12, CFG_CYLINDERS = 16, CFG_HEADS = 18,
    CFG_SECTORS = 19, CFG_BLK_SIZE = 20, CFG_PHYSICAL_EXP = 24,
    CFG_MIN_IO = 26, CFG_OPT_IO = 28, CFG_WRITEBACK = 32,
    CFG_NUM_QUEUES = 34, CFG_MAX_DISCARD = 36, CFG_MAX_DISCARD_SEG = 40,
    CFG_DISCARD_ALIGN = 44, CFG_MAX_ZEROES = 48, CFG_MAX_ZEROES_SEG = 52,
    CFG_ZEROES_UNMAP = 56, CFG_LEN = 60,
};
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8,
       T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
#define RANGE_UNMAP 1 /* flag of a write-zeroes range */
#define ID_LEN      20
#define HEAD_LEN    16

#define BATCH       64               /* requests looked at before a submit */
#define MERGE_IOV   512
#define MERGE_BYTES (1024 * KiB)
#define MAX_RANGE   (INT32_MAX / BLK_SECTOR) /* sectors; largest of a range */

typedef struct VirtIOBlk VirtIOBlk;

typedef struct BlkReq {
    VirtQueueElement e;
    VirtIOBlk *s;
    uint32_t type;
    uint64_t sector;
    size_t len;            /* of the data */
    const struct iovec *iov; /* the data */
    unsigned niov;
    struct iovec *own_iov; /* where e's vectors do not fit; owned */
    struct iovec *merged;  /* with those that follow; owned */
    unsigned nmerged;
    struct BlkReq *next;   /* merged with it, or in a list */
    int ret;
    uint8_t status;
} BlkReq;

struct VirtIOBlk {
    VirtIODevice vdev;
    /* Properties. */
    BlockConf conf;
    uint16_t num_queues, queue_size;
    bool config_wce, scsi, merging, seg_max_adjust, report_granularity;
    uint32_t max_discard, max_zeroes;
    Object *iothread;
    /* Guest-visible state: requests that failed and wait for the VM. */
    BlkReq *held;          /* lock: lock; newest first */
    /* Host side. */
    bool original_wce;
    atomic_uint in_flight;
    Mutex lock;
    BlkReq *failed;        /* lock: lock; for the main loop to look at */
    BH *error_bh, *retry_bh;
    BH *notify_bh;         /* late, on the queues' loop */
    atomic_bool *ended;    /* [num_queues]: has something to tell */
};

static VirtIOBlk *blk_of(VirtIODevice *vdev)
{
    return (VirtIOBlk *)vdev;
}

/* ---- completion ------------------------------------------------------------ */

static void req_free(BlkReq *r)
{
    g_free(r->merged);
    g_free(r->own_iov);
    g_free(r);
}

static void notify_ended(void *opaque)
{
    VirtIOBlk *s = opaque;

    for (unsigned i = 0; i < s->num_queues; i++) {
        if (atomic_exchange(&s->ended[i], false)) {
            virtio_notify(virtio_queue(&s->vdev, i));
        }
    }
}

static void req_complete(BlkReq *r, uint8_t status)
{
    VirtIOBlk *s = r->s;
    VirtQueue *vq = r->e.vq;
    const struct iovec *last = &r->e.in[r->e.in_num - 1];
    size_t written = 1;

    ((uint8_t *)last->iov_base)[last->iov_len - 1] = status;
    if (r->type == T_IN || r->type == T_GET_ID) {
        written = r->e.in_len;
    }
    virtqueue_push(&r->e, written);
    req_free(r);
    atomic_fetch_sub(&s->in_flight, 1);
    atomic_store(&s->ended[virtio_queue_index(vq)], true);
    bh_schedule(s->notify_bh);
}

static void req_settled(void *opaque)
{
    BlkReq *r = opaque;

    req_complete(r, r->status);
}

/* With the BQL. */
static void req_error(BlkReq *r, int ret)
{
    BlockErrorAction action = blk_error_action(r->s->conf.blk,
                                               r->type == T_IN, -ret);
    VirtIOBlk *s = r->s;

    if (action == BLK_ACTION_STOP) {
        mutex_lock(&s->lock);
        r->next = s->held;
        s->held = r;
        mutex_unlock(&s->lock);
        atomic_fetch_sub(&s->in_flight, 1);
        return;
    }
    r->status = action == BLK_ACTION_IGNORE ? S_OK : S_IOERR;
    if (s->iothread) {
        /* The ring is that thread's. */
        loop_call(iothread_loop(s->iothread), req_settled, r);
    } else {
        req_complete(r, r->status);
    }
}

static void take_failed(void *opaque)
{
    VirtIOBlk *s = opaque;
    BlkReq *r, *next;

    mutex_lock(&s->lock);
    r = s->failed;
    s->failed = NULL;
    mutex_unlock(&s->lock);
    for (; r; r = next) {
        next = r->next;
        r->next = NULL;
        req_error(r, r->ret);
    }
}

static void req_done(void *opaque, int ret)
{
    BlkReq *r = opaque, *next;

    for (; r; r = next) {
        VirtIOBlk *s = r->s;

        next = r->next;
        r->next = NULL;
        g_clear_pointer(&r->merged, g_free);
        if (ret == 0) {
            req_complete(r, S_OK);
        } else if (bql_locked()) {
            req_error(r, ret);
        } else {
            mutex_lock(&s->lock);
            r->ret = ret;
            r->next = s->failed;
            s->failed = r;
            mutex_unlock(&s->lock);
            bh_schedule(s->error_bh);
        }
    }
}

/* ---- reads and writes -------------------------------------------------------- */

typedef struct Batch {
    BlkReq *reqs[BATCH];
    unsigned n;
} Batch;

static void submit_rw(BlkReq *r)
{
    const struct iovec *iov = r->merged ? r->merged : r->iov;
    unsigned niov = r->merged ? r->nmerged : r->niov;
    uint64_t off = r->sector * BLK_SECTOR;
    BlockBackend *blk = r->s->conf.blk;

    if (r->type == T_IN) {
        blk_aio_preadv(blk, off, iov, niov, 0, req_done, r);
    } else {
        blk_aio_pwritev(blk, off, iov, niov, 0, req_done, r);
    }
}

static int by_sector(const void *a, const void *b)
{
    const BlkReq *x = *(BlkReq *const *)a, *y = *(BlkReq *const *)b;

    return x->type != y->type ? (x->type > y->type) - (x->type < y->type)
                              : (x->sector > y->sector) -
                                    (x->sector < y->sector);
}

/* How many of @reqs from the first on go on where the one before ends. */
static unsigned run_length(BlkReq **reqs, unsigned n, unsigned *niov)
{
    size_t bytes = reqs[0]->len;
    unsigned i;

    *niov = reqs[0]->niov;
    for (i = 1; i < n; i++) {
        const BlkReq *p = reqs[i - 1], *r = reqs[i];

        if (r->type != p->type ||
            r->sector != p->sector + p->len / BLK_SECTOR ||
            *niov + r->niov > MERGE_IOV || bytes + r->len > MERGE_BYTES) {
            break;
        }
        *niov += r->niov;
        bytes += r->len;
    }
    return i;
}

static void submit_batch(VirtIOBlk *s, Batch *b)
{
    if (s->merging && b->n > 1) {
        qsort(b->reqs, b->n, sizeof(b->reqs[0]), by_sector);
    }
    for (unsigned i = 0; i < b->n;) {
        BlkReq *first = b->reqs[i];
        unsigned niov = 0, count = 1;

        if (s->merging) {
            count = run_length(b->reqs + i, b->n - i, &niov);
        }
        if (count > 1) {
            first->merged = g_new(struct iovec, niov);
            first->nmerged = 0;
            for (unsigned k = 0; k < count; k++) {
                BlkReq *r = b->reqs[i + k];

                memcpy(first->merged + first->nmerged, r->iov,
                       r->niov * sizeof(*r->iov));
                first->nmerged += r->niov;
                r->next = k + 1 < count ? b->reqs[i + k + 1] : NULL;
            }
        }
        submit_rw(first);
        i += count;
    }
    b->n = 0;
}

static bool range_ok(VirtIOBlk *s, uint64_t sector, uint64_t bytes)
{
    uint32_t bs = s->conf.logical_block_size;
    int64_t len = blk_length(s->conf.blk);

    return len >= 0 && bytes % bs == 0 && sector % (bs / BLK_SECTOR) == 0 &&
           sector <= (uint64_t)len / BLK_SECTOR &&
           bytes <= (uint64_t)len - sector * BLK_SECTOR;
}

/* ---- the others ---------------------------------------------------------------- */

static void do_range(BlkReq *r)
{
    VirtIOBlk *s = r->s;
    bool zeroes = r->type == T_WRITE_ZEROES;
    uint8_t in[16];
    uint64_t sector;
    uint32_t count, flags;

    if (!(s->vdev.host_features & BIT(zeroes ? F_WRITE_ZEROES : F_DISCARD)) ||
        r->len != sizeof(in)) {
        req_complete(r, S_UNSUPP);
        return;
    }
    virtio_iov_copy_from(r->iov, r->niov, 0, in, sizeof(in));
    memcpy(&sector, in, 8);
    memcpy(&count, in + 8, 4);
    memcpy(&flags, in + 12, 4);
    sector = GUINT64_FROM_LE(sector);
    count = GUINT32_FROM_LE(count);
    flags = GUINT32_FROM_LE(flags);
    if (flags & ~(zeroes ? RANGE_UNMAP : 0)) {
        req_complete(r, S_UNSUPP);
    } else if (count > (zeroes ? s->max_zeroes : s->max_discard) ||
               !range_ok(s, sector, (uint64_t)count * BLK_SECTOR)) {
        req_complete(r, S_IOERR);
    } else if (zeroes) {
        blk_aio_pwrite_zeroes(s->conf.blk, sector * BLK_SECTOR,
                              (uint64_t)count * BLK_SECTOR,
                              flags & RANGE_UNMAP ? BLK_REQ_MAY_UNMAP : 0,
                              req_done, r);
    } else {
        blk_aio_pdiscard(s->conf.blk, sector * BLK_SECTOR,
                         (uint64_t)count * BLK_SECTOR, req_done, r);
    }
}

static void do_get_id(BlkReq *r)
{
    char id[ID_LEN] = { 0 };
    const char *serial = r->s->conf.serial ? r->s->conf.serial : "";

    memcpy(id, serial, MIN(strlen(serial), sizeof(id)));
    virtio_iov_copy_to(r->iov, r->niov, 0, id, MIN(r->len, sizeof(id)));
    req_complete(r, S_OK);
}

/*
 * The data: all but the 16 bytes of the header, or the byte of status.  Where
 * those have buffers of their own, and they mostly have, it is the rest of the
 * element's vectors; else a copy is cut.
 */
static void find_data(BlkReq *r, bool in)
{
    const struct iovec *from = in ? r->e.in : r->e.out;
    unsigned n = in ? r->e.in_num : r->e.out_num;
    size_t skip = in ? 0 : HEAD_LEN;

    r->len = in ? r->e.in_len - 1 : r->e.out_len - HEAD_LEN;
    if (in ? from[n - 1].iov_len == 1 : from[0].iov_len == HEAD_LEN) {
        r->iov = from + !in;
        r->niov = n - 1;
        return;
    }
    r->own_iov = g_new(struct iovec, n);
    r->iov = r->own_iov;
    r->niov = 0;
    for (size_t left = r->len, i = 0; left && i < n; i++) {
        size_t part = from[i].iov_len;

        if (skip >= part) {
            skip -= part;
            continue;
        }
        part = MIN(part - skip, left);
        r->own_iov[r->niov++] = (struct iovec){
            (char *)from[i].iov_base + skip, part,
        };
        left -= part;
        skip = 0;
    }
}

/* False: the ring is broken. */
static bool req_start(BlkReq *r, Batch *b)
{
    VirtIOBlk *s = r->s;
    uint8_t head[HEAD_LEN];

    if (r->e.out_len < HEAD_LEN || r->e.in_len < 1) {
        virtio_error(&s->vdev, "request without header or status byte");
        virtqueue_drop(&r->e);
        req_free(r);
        return false;
    }
    virtio_iov_copy_from(r->e.out, r->e.out_num, 0, head, HEAD_LEN);
    memcpy(&r->type, head, 4);
    memcpy(&r->sector, head + 8, 8);
    r->type = GUINT32_FROM_LE(r->type);
    r->sector = GUINT64_FROM_LE(r->sector);
    atomic_fetch_add(&s->in_flight, 1);
    find_data(r, r->type == T_IN || r->type == T_GET_ID);
    switch (r->type) {
    case T_IN:
    case T_OUT:
        if (!range_ok(s, r->sector, r->len) ||
            (r->type == T_OUT && blk_is_read_only(s->conf.blk))) {
            req_complete(r, S_IOERR);
        } else if (r->len == 0) {
            req_complete(r, S_OK);
        } else {
            b->reqs[b->n++] = r;
            if (b->n == BATCH) {
                submit_batch(s, b);
            }
        }
        break;
    case T_FLUSH:
        /* After the writes that came before it. */
        submit_batch(s, b);
        blk_aio_flush(s->conf.blk, req_done, r);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        submit_batch(s, b);
        do_range(r);
        break;
    case T_GET_ID:
        do_get_id(r);
        break;
    default:
        req_complete(r, S_UNSUPP);
    }
    return true;
}

static void handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBlk *s = blk_of(vdev);
    Batch b = { .n = 0 };

    do {
        BlkReq *r;

        virtqueue_set_notification(vq, false);
        while ((r = virtqueue_pop(vq, sizeof(*r)))) {
            r->s = s;
            if (!req_start(r, &b)) {
                break;
            }
        }
        submit_batch(s, &b);
        virtqueue_set_notification(vq, true);
    } while (!virtqueue_empty(vq));
}

/* ---- held requests ------------------------------------------------------------- */

static BlkReq *take_held(VirtIOBlk *s)
{
    BlkReq *list = NULL, *r, *next;

    mutex_lock(&s->lock);
    for (r = s->held; r; r = next) { /* oldest first again */
        next = r->next;
        r->next = list;
        list = r;
    }
    s->held = NULL;
    mutex_unlock(&s->lock);
    return list;
}

/* On the device's loop. */
static void retry_held(void *opaque)
{
    VirtIOBlk *s = opaque;
    BlkReq *r = take_held(s), *next;
    Batch b = { .n = 0 };

    for (; r; r = next) {
        next = r->next;
        r->next = NULL;
        g_clear_pointer(&r->merged, g_free);
        g_clear_pointer(&r->own_iov, g_free);
        req_start(r, &b);
    }
    submit_batch(s, &b);
}

static void drop_held(VirtIOBlk *s, const VirtQueue *vq)
{
    BlkReq *r = take_held(s), *next;

    for (; r; r = next) {
        next = r->next;
        if (vq && r->e.vq != vq) {
            mutex_lock(&s->lock);
            r->next = s->held;
            s->held = r;
            mutex_unlock(&s->lock);
            continue;
        }
        virtqueue_drop(&r->e);
        req_free(r);
    }
}

/* ---- quiet times ----------------------------------------------------------------- */

static void nothing(void *opaque)
{
}

/* Until nothing is under way and the driver was told. */
static void blk_drain_device(VirtIODevice *vdev)
{
    VirtIOBlk *s = blk_of(vdev);

    if (s->iothread) {
        iothread_run(s->iothread, nothing, NULL); /* past its handlers */
    }
    blk_drain(s->conf.blk);
    take_failed(s);
    if (s->iothread) {
        iothread_run(s->iothread, notify_ended, s);
    } else {
        notify_ended(s);
    }
}

static void blk_vm_state(VirtIODevice *vdev, bool running)
{
    VirtIOBlk *s = blk_of(vdev);

    if (!running) {
        blk_drain_device(vdev);
    } else if (s->held) {
        blk_iostatus_reset(s->conf.blk);
        bh_schedule(s->retry_bh);
    }
}

static bool blk_busy(VirtIODevice *vdev)
{
    return atomic_load(&blk_of(vdev)->in_flight) > 0;
}

static void blk_reset(VirtIODevice *vdev)
{
    VirtIOBlk *s = blk_of(vdev);

    drop_held(s, NULL);
    blk_set_write_cache(s->conf.blk, s->original_wce);
}

static void blk_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
{
    drop_held(blk_of(vdev), vq);
}

/* ---- configuration ----------------------------------------------------------------- */

static uint64_t blk_features(VirtIODevice *vdev, uint64_t f)
{
    VirtIOBlk *s = blk_of(vdev);

    f |= BIT(F_SEG_MAX) | BIT(F_GEOMETRY) | BIT(F_BLK_SIZE) | BIT(F_TOPOLOGY);
    if (s->config_wce) {
        f |= BIT(F_CONFIG_WCE);
    }
    if (s->config_wce || blk_write_cache(s->conf.blk)) {
        f |= BIT(F_FLUSH);
    }
    if (blk_is_read_only(s->conf.blk)) {
        f |= BIT(F_RO);
    }
    if (s->num_queues > 1) {
        f |= BIT(F_MQ);
    }
    return f;
}

static void put16(uint8_t *c, unsigned off, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    memcpy(c + off, &v, 2);
}

static void put32(uint8_t *c, unsigned off, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(c + off, &v, 4);
}

static void blk_get_config(VirtIODevice *vdev, uint8_t *c)
{
    VirtIOBlk *s = blk_of(vdev);
    const BlockConf *conf = &s->conf;
    int64_t len = blk_length(conf->blk);
    uint64_t cap = GUINT64_TO_LE(len > 0 ? (uint64_t)len / BLK_SECTOR : 0);
    uint32_t bs = conf->logical_block_size, gran = conf->discard_granularity;

    memset(c, 0, CFG_LEN);
    memcpy(c + CFG_CAPACITY, &cap, 8);
    put32(c, CFG_SEG_MAX, s->seg_max_adjust ? s->queue_size - 2 : 126);
    put16(c, CFG_CYLINDERS, conf->cyls);
    c[CFG_HEADS] = conf->heads;
    /* Whole blocks. */
    c[CFG_SECTORS] = conf->secs & ~(bs / BLK_SECTOR - 1);
    put32(c, CFG_BLK_SIZE, bs);
    c[CFG_PHYSICAL_EXP] = __builtin_ctz(conf->physical_block_size / bs);
    put16(c, CFG_MIN_IO, conf->min_io_size / bs);
    put32(c, CFG_OPT_IO, conf->opt_io_size / bs);
    c[CFG_WRITEBACK] = blk_write_cache(conf->blk);
    put16(c, CFG_NUM_QUEUES, s->num_queues);
    if (vdev->host_features & BIT(F_DISCARD)) {
        if (gran == UINT32_MAX || gran == 0 || !s->report_granularity) {
            gran = bs;
        }
        put32(c, CFG_MAX_DISCARD, s->max_discard);
        put32(c, CFG_DISCARD_ALIGN, gran / BLK_SECTOR);
        put32(c, CFG_MAX_DISCARD_SEG, 1);
    }
    if (vdev->host_features & BIT(F_WRITE_ZEROES)) {
        put32(c, CFG_MAX_ZEROES, s->max_zeroes);
        put32(c, CFG_MAX_ZEROES_SEG, 1);
        c[CFG_ZEROES_UNMAP] = 1;
    }
}

static void blk_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    if (virtio_has(vdev, F_CONFIG_WCE)) {
        blk_set_write_cache(blk_of(vdev)->conf.blk, c[CFG_WRITEBACK] & 1);
    }
}

static void blk_set_status(VirtIODevice *vdev, uint8_t status)
{
    /* 5.2.5.2: a driver that cannot flush gets a disk that need not be. */
    if ((status & VIRTIO_S_DRIVER_OK) && !virtio_has(vdev, F_CONFIG_WCE)) {
        blk_set_write_cache(blk_of(vdev)->conf.blk,
                            virtio_has(vdev, F_FLUSH));
    }
}

static void blk_resized(void *opaque)
{
    virtio_notify_config(opaque);
}

static const BlockDevOps blk_dev_ops = {
    .resize = blk_resized,
};

/* ---- life ------------------------------------------------------------------------------ */

static uint16_t queues_of(const VirtIOBlk *s)
{
    if (s->num_queues != UINT16_MAX) {
        return s->num_queues;
    }
    /* One a vCPU, each with a vector of its own. */
    return MIN(current_machine->smp.cpus, VIRTIO_QUEUE_MAX - 1);
}

static uint32_t blk_pick_vectors(VirtIODevice *vdev)
{
    return queues_of(blk_of(vdev)) + 1;
}

static bool check_props(VirtIOBlk *s, Error **errp)
{
    if (!s->conf.blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    if (!blk_is_inserted(s->conf.blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    s->num_queues = queues_of(s);
    if (s->num_queues == 0 || s->num_queues > VIRTIO_QUEUE_MAX) {
        error_setg(errp, "num-queues property must be larger than 0 and at "
                         "most %u", VIRTIO_QUEUE_MAX);
        return false;
    }
    if (s->queue_size <= 2 || s->queue_size > VIRTQUEUE_MAX_SIZE ||
        (s->queue_size & (s->queue_size - 1))) {
        error_setg(errp, "invalid queue-size property (%u), must be a power of "
                         "2 (max %u) and larger than 2", s->queue_size,
                   VIRTQUEUE_MAX_SIZE);
        return false;
    }
    if (s->scsi) {
        error_setg(errp, "Please set scsi=off for virtio-blk devices: SCSI "
                         "requests to the host's device are not supported");
        return false;
    }
    if ((s->vdev.host_features & BIT(F_DISCARD) &&
         (s->max_discard == 0 || s->max_discard > MAX_RANGE)) ||
        (s->vdev.host_features & BIT(F_WRITE_ZEROES) &&
         (s->max_zeroes == 0 || s->max_zeroes > MAX_RANGE))) {
        error_setg(errp, "invalid max-discard-sectors or "
                         "max-write-zeroes-sectors property, must be between "
                         "1 and %d", MAX_RANGE);
        return false;
    }
    return true;
}

static bool blk_realize(DeviceState *dev, Error **errp)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;
    g_autofree char *path = object_path(&dev->obj);
    EventLoop *loop = s->iothread ? iothread_loop(s->iothread) : NULL;

    if (!check_props(s, errp)) {
        return false;
    }
    if (!blk_conf_realize(&s->conf, blk_is_read_only(s->conf.blk), true, path,
                          &blk_dev_ops, s, errp)) {
        return false;
    }
    if (!blk_conf_geometry(&s->conf, 65535, 255, 255, errp) ||
        !virtio_init(&s->vdev, errp)) {
        blk_conf_unrealize(&s->conf);
        return false;
    }
    s->original_wce = blk_write_cache(s->conf.blk);
    mutex_init(&s->lock);
    s->error_bh = bh_new(loop_main(), take_failed, s);
    s->retry_bh = bh_new(loop ? loop : loop_main(), retry_held, s);
    s->notify_bh = bh_new_late(loop ? loop : loop_main(), notify_ended, s);
    s->ended = g_new0(atomic_bool, s->num_queues);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_set_queue_loop(virtio_add_queue(&s->vdev, s->queue_size,
                                               handle_queue), loop);
    }
    if (loop) {
        blk_set_loop(s->conf.blk, loop);
    }
    blk_iostatus_enable(s->conf.blk);
    return true;
}

/* On the iothread: no handler runs there, and none will. */
static void delete_on_loop(void *opaque)
{
    VirtIOBlk *s = opaque;

    virtio_delete_queues(&s->vdev);
    bh_delete(s->retry_bh);
    bh_delete(s->notify_bh);
}

static void blk_unrealize(DeviceState *dev)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;

    s->vdev.vm_running = false;
    blk_drain_device(&s->vdev);
    drop_held(s, NULL);
    if (s->iothread) {
        iothread_run(s->iothread, delete_on_loop, s);
        blk_set_loop(s->conf.blk, loop_main());
    } else {
        delete_on_loop(s);
    }
    bh_delete(s->error_bh);
    g_clear_pointer(&s->ended, g_free);
    blk_set_write_cache(s->conf.blk, s->original_wce);
    virtio_cleanup(&s->vdev);
    blk_conf_unrealize(&s->conf);
    mutex_destroy(&s->lock);
}

/* ---- saved state ------------------------------------------------------------------------- */

static void save_held(const void *field, VMStateWriter *w)
{
    const BlkReq *r = *(BlkReq *const *)field;

    for (; r; r = r->next) {
        vmstate_put_u8(w, 1);
        virtqueue_save_element(w, &r->e);
    }
    vmstate_put_u8(w, 0);
}

static bool load_held(void *field, VMStateReader *in, Error **errp)
{
    VirtIOBlk *s = container_of((BlkReq **)field, VirtIOBlk, held);
    BlkReq **tail = &s->held;
    uint8_t more;

    for (;;) {
        if (!vmstate_get_u8(in, &more, errp)) {
            return false;
        }
        if (!more) {
            return true;
        }
        *tail = virtqueue_load_element(&s->vdev, in, sizeof(BlkReq), errp);
        if (!*tail) {
            return false;
        }
        (*tail)->s = s;
        tail = &(*tail)->next;
    }
}

static const VMStateField blk_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIOBlk, VirtIODevice, vmstate_virtio),
    VMSTATE_CUSTOM("held", VirtIOBlk, held, save_held, load_held),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_blk = {
    .name = "virtio-blk",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = blk_fields,
};

static const Property blk_props[] = {
    PROP_BLOCK_CONF(VirtIOBlk, conf),
    PROP_UINT32("cyls", VirtIOBlk, conf.cyls, 0),
    PROP_UINT32("heads", VirtIOBlk, conf.heads, 0),
    PROP_UINT32("secs", VirtIOBlk, conf.secs, 0),
    PROP_BOOL("config-wce", VirtIOBlk, config_wce, true),
    PROP_BOOL("scsi", VirtIOBlk, scsi, false),
    PROP_BOOL("request-merging", VirtIOBlk, merging, true),
    PROP_UINT16("num-queues", VirtIOBlk, num_queues, UINT16_MAX),
    PROP_UINT16("queue-size", VirtIOBlk, queue_size, 256),
    PROP_BOOL("seg-max-adjust", VirtIOBlk, seg_max_adjust, true),
    PROP_("iothread", VirtIOBlk, iothread, Object *, prop_link_iothread, 0),
    PROP_BIT64("discard", VirtIOBlk, vdev.host_features, F_DISCARD, true),
    PROP_BOOL("report-discard-granularity", VirtIOBlk, report_granularity,
              true),
    PROP_BIT64("write-zeroes", VirtIOBlk, vdev.host_features, F_WRITE_ZEROES,
               true),
    PROP_UINT32("max-discard-sectors", VirtIOBlk, max_discard, MAX_RANGE),
    PROP_UINT32("max-write-zeroes-sectors", VirtIOBlk, max_zeroes, MAX_RANGE),
    PROP_BOOTINDEX(),
    PROP_END(),
};

static const VirtIOInfo blk_virtio = {
    .device_id = VIRTIO_ID_BLOCK,
    .pci_name = "virtio-blk-pci",
    .pci_class = 0x0100,
    .pci_legacy_id = 0x1001,
    .pci_vectors = UINT32_MAX,
    .pick_vectors = blk_pick_vectors,
    .has_class_prop = true,
    .config_len = CFG_LEN,
    .get_features = blk_features,
    .get_config = blk_get_config,
    .set_config = blk_set_config,
    .set_status = blk_set_status,
    .reset = blk_reset,
    .queue_reset = blk_queue_reset,
    .busy = blk_busy,
    .drain = blk_drain_device,
    .vm_state = blk_vm_state,
};

static const DeviceInfo blk_info = {
    .name = "virtio-blk-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_STORAGE,
    .fw_name = "disk@0,0",
    .size = sizeof(VirtIOBlk),
    .props = blk_props,
    .vmsd = &vmstate_blk,
    .bus_info = &blk_virtio,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
};

static void virtio_blk_register(void)
{
    virtio_device_register(&blk_info);
}
device_init(virtio_blk_register)
