/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that no worker runs (direct.c).  On the backend's loop. */
#ifndef BLOCK_DIRECT_H
#define BLOCK_DIRECT_H

#include "block/aio.h"
#include "block/block-int.h"

#define DIRECT_DEPTH 4 /* layers that are passed by at most */

typedef struct BlockDirect {
    BlockPin pins[DIRECT_DEPTH];
    unsigned depth;
    bool write;
    uint64_t bytes;
    BlockVec vec;
    BlockNode *file;      /* NULL: a read of zeroes */
    uint64_t offset;      /* in it */
} BlockDirect;

/* 0: the bytes' place is known, and stays where it is until end().  -EAGAIN: a
 * worker must do it. */
int block_direct_begin(BlockDirect *d, BlockNode *n, uint64_t offset,
                       uint64_t bytes, BlockVec v, bool write);
/* Moves the data at once: 0, or -EAGAIN. */
int block_direct_now(BlockDirect *d);
/* Who else could move it: the engine and the file, or BLOCK_AIO_THREADS. */
BlockAioKind block_direct_aio(const BlockDirect *d, int *fd);
/* The transfer ended with @ret. */
void block_direct_end(BlockDirect *d, int ret);

#endif
