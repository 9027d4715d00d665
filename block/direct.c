/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way past the workers: where the layers can say at once at which place of
 * which file a request's bytes lie, the loop itself moves them there if that
 * needs no waiting, or has the kernel do it (block/aio.c).
 *
 * begin() goes down the layers and pins what they answered; end() does what
 * node_pwritev() does after a write, from the bottom up, and lets go.
 */
#include "osdep.h"
#include "block/direct.h"

/* May the layer be passed by?  What needs a look at the data may not. */
static bool passable(BlockNode *n, uint64_t offset, uint64_t bytes,
                     const BlockDirect *d)
{
    uint64_t length = n->length;

    if (bytes > length || offset > length - bytes ||
        !node_request_aligned(n, offset, bytes, d->vec)) {
        return false;
    }
    return !d->write || !(node_is_read_only(n) || n->corrupt ||
                          n->detect_zeroes || n->write_threshold);
}

static int pin(BlockDirect *d, BlockNode *n, uint64_t offset)
{
    BlockPin *p;
    int ret = -EAGAIN;

    if (d->depth == ARRAY_SIZE(d->pins) ||
        !passable(n, offset, d->bytes, d)) {
        return -EAGAIN;
    }
    p = &d->pins[d->depth];
    *p = (BlockPin){ .node = n };
    if (!node_track_try(n, &p->tracked, offset, d->bytes, d->write)) {
        return -EAGAIN;
    }
    if (n->drv->rw_nowait) {
        ret = 0;
    } else if (n->drv->pin) {
        ret = n->drv->pin(n, offset, d->bytes, d->write, p);
    }
    if (ret < 0) {
        node_track_end(n, &p->tracked);
        return ret;
    }
    d->depth++;
    return 0;
}

int block_direct_begin(BlockDirect *d, BlockNode *n, uint64_t offset,
                       uint64_t bytes, BlockVec v, bool write)
{
    d->depth = 0;
    d->write = write;
    d->bytes = bytes;
    d->vec = v;
    for (;;) {
        int ret = pin(d, n, offset);

        if (ret < 0) {
            block_direct_end(d, ret);
            return ret;
        }
        if (n->drv->rw_nowait) {
            d->file = n;
            d->offset = offset;
            return 0;
        }
        n = d->pins[d->depth - 1].below;
        offset = d->pins[d->depth - 1].where;
        if (!n) { /* zeroes */
            d->file = NULL;
            return 0;
        }
    }
}

int block_direct_now(BlockDirect *d)
{
    if (!d->file) {
        block_vec_zero(d->vec, d->bytes);
        return 0;
    }
    return d->file->drv->rw_nowait(d->file, d->offset, d->bytes, d->vec,
                                   d->write);
}

BlockAioKind block_direct_aio(const BlockDirect *d, int *fd)
{
    return d->file && d->file->drv->aio_kind
               ? d->file->drv->aio_kind(d->file, fd) : BLOCK_AIO_THREADS;
}

void block_direct_end(BlockDirect *d, int ret)
{
    while (d->depth > 0) {
        BlockPin *p = &d->pins[--d->depth];

        if (d->write && ret == 0) {
            node_note_write(p->node, p->tracked.offset, p->tracked.bytes);
        }
        if (p->node->drv->unpin) {
            p->node->drv->unpin(p->node, p);
        }
        node_track_end(p->node, &p->tracked);
    }
}
