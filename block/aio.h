/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes of host files that the kernel carries out by itself:
 * aio=native (libaio) and aio=io_uring.  An engine belongs to one event loop;
 * all functions run on that loop's thread (main loop: with the BQL).
 */
#ifndef BLOCK_AIO_H
#define BLOCK_AIO_H

#include "osdep.h"
#include <sys/uio.h>
#include "util/error.h"
#include "util/list.h"
#include "util/loop.h"

typedef enum BlockAioKind {
    BLOCK_AIO_THREADS, BLOCK_AIO_NATIVE, BLOCK_AIO_URING, BLOCK_AIO_KINDS
} BlockAioKind;

typedef struct BlockAio BlockAio;

/* In the caller's memory until @done, which runs once on the loop's thread:
 * @res is what the system call would have returned, or -errno. */
typedef struct BlockAioOp {
    ListNode node;
    int fd;
    bool write;
    const struct iovec *iov; /* at most IOV_MAX */
    int niov;
    uint64_t offset;
    void (*done)(struct BlockAioOp *op, int64_t res);
} BlockAioOp;

/* NULL with an error: this host or this build has no such engine. */
BlockAio *block_aio_new(BlockAioKind kind, EventLoop *loop, Error **errp);
void block_aio_free(BlockAio *a); /* nothing is under way; NULL is fine */
/* Goes to the kernel at the end of the loop's iteration, with others. */
void block_aio_submit(BlockAio *a, BlockAioOp *op);
/* Waits until at least one has ended and runs what has; false: none is under
 * way. */
bool block_aio_wait(BlockAio *a);

#endif
