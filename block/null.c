/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `null-co` and `null-aio`: a disk without contents, for benchmarks and as a
 * sink.  Reads give zeroes with read-zeroes=on, else whatever the buffer held.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "util/module.h"
#include "util/option.h"

typedef struct NullState {
    uint64_t latency_ns;
    bool read_zeroes;
} NullState;

static bool null_open(BlockNode *n, QObject *opts, Error **errp)
{
    NullState *s = n->state;
    g_autofree char *name = NULL;
    uint64_t size = 1 * GiB;

    if (!opts_take_size(opts, "size", &size, errp) ||
        !opts_take_u64(opts, "latency-ns", &s->latency_ns, errp) ||
        !opts_take_bool(opts, "read-zeroes", &s->read_zeroes, errp) ||
        !opts_take_str(opts, "filename", &name, errp)) {
        return false;
    }
    if (size > (uint64_t)BLK_MAX_LENGTH) {
        error_setg(errp, "Parameter 'size' is too large");
        return false;
    }
    if (s->latency_ns > 60 * (uint64_t)NSEC_PER_SEC) {
        error_setg(errp, "Parameter 'latency-ns' is too large");
        return false;
    }
    n->length = size;
    g_free(n->filename);
    n->filename = g_strdup_printf("%s://", n->drv->name);
    n->supported_write_flags = BLK_REQ_FUA;
    n->supported_zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP;
    return true;
}

static int null_wait(BlockNode *n)
{
    NullState *s = n->state;

    if (s->latency_ns) {
        struct timespec ts = { s->latency_ns / NSEC_PER_SEC,
                               s->latency_ns % NSEC_PER_SEC };

        nanosleep(&ts, NULL);
    }
    return 0;
}

static int null_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v)
{
    NullState *s = n->state;

    if (s->read_zeroes) {
        block_vec_zero(v, bytes);
    }
    return null_wait(n);
}

static int null_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                        BlockVec v, unsigned flags)
{
    return null_wait(n);
}

static int null_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                              unsigned flags)
{
    return null_wait(n);
}

static int null_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    return null_wait(n);
}

static int null_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                             uint64_t bytes, uint64_t *pnum, uint64_t *map,
                             BlockNode **file)
{
    NullState *s = n->state;

    *pnum = bytes;
    *map = offset;
    *file = n;
    return BLK_ST_OFFSET_VALID | (s->read_zeroes ? BLK_ST_ZERO : 0) |
           BLK_ST_DATA;
}

static int64_t null_allocated_size(BlockNode *n)
{
    return 0;
}

#define NULL_IO \
    .kind = BLK_PROTOCOL, \
    .state_size = sizeof(NullState), \
    .open = null_open, \
    .preadv = null_preadv, \
    .pwritev = null_pwritev, \
    .pwrite_zeroes = null_pwrite_zeroes, \
    .pdiscard = null_pdiscard, \
    .flush = null_wait, \
    .block_status = null_block_status, \
    .allocated_size = null_allocated_size

static const BlockDriver driver_null_co = {
    .name = "null-co", .protocol = "null-co", NULL_IO,
};
static const BlockDriver driver_null_aio = {
    .name = "null-aio", .protocol = "null-aio", NULL_IO,
};

static void null_register(void)
{
    block_driver_register(&driver_null_co);
    block_driver_register(&driver_null_aio);
}
block_init(null_register)
