/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is behind a BlockBackend: for the block layer's own files. */
#ifndef BLOCK_BACKEND_INT_H
#define BLOCK_BACKEND_INT_H

#include "block/block-int.h"
#include "block/direct.h"
#include "block/throttle.h"
#include "util/pool.h"

typedef enum BlockOp {
    BLK_OP_READ, BLK_OP_WRITE, BLK_OP_ZEROES, BLK_OP_DISCARD, BLK_OP_FLUSH
} BlockOp;

/* Kinds of accounting, as query-blockstats names them. */
typedef enum BlockAcctKind {
    BLK_ACCT_READ, BLK_ACCT_WRITE, BLK_ACCT_FLUSH, BLK_ACCT_UNMAP, BLK_ACCT_MAX
} BlockAcctKind;

typedef struct BlockAcct {
    uint64_t bytes[BLK_ACCT_MAX], ops[BLK_ACCT_MAX], time_ns[BLK_ACCT_MAX];
    uint64_t failed[BLK_ACCT_MAX], invalid[BLK_ACCT_MAX];
    int64_t last_access_ns;
} BlockAcct;

struct BlockRequest {
    BlockBackend *blk;
    BlockOp op;
    uint64_t offset, bytes;
    struct iovec one;      /* for callers with one buffer */
    const struct iovec *iov;
    int niov;
    unsigned flags;
    BlockDone done;
    void *opaque;
    int ret;
    int64_t start_ns;
    bool throttled;        /* its budget is paid */
    bool cancelled;
    bool never_ran;        /* the pool gave it back */
    PoolTask *task;        /* on the pool; NULL: waiting */
    BlockDirect direct;    /* where no worker is needed */
    BlockAioOp aio;
    ListNode node;         /* in blk->waiting or the throttle's queue */
};

struct BlockBackend {
    char *name;
    unsigned refs;
    ListNode all;
    BlockEdge *root;       /* NULL: no medium */
    unsigned perm, shared; /* what the device wants of any node */
    EventLoop *loop;
    bool write_cache;
    bool monitor_owned;    /* -drive or a monitor made it */
    unsigned root_flags;   /* of a medium to come: BLK_O_x */

    char *qdev;            /* attached device, or NULL */
    const BlockDevOps *dev_ops;
    void *dev_opaque;

    BlockErrorPolicy on_read_error, on_write_error;
    bool iostatus_enabled;
    int iostatus;          /* BlockDeviceIoStatus: 0 ok, 1 failed, 2 nospace */
    BlockAcct acct;
    Throttle *throttle;    /* its group, or NULL */
    ListNode throttle_node;

    BlockAio *aio[BLOCK_AIO_KINDS]; /* engines on `loop`, made when needed */

    Mutex lock;            /* leaf: the next four */
    Cond idle;
    unsigned paused;       /* graph is changing */
    unsigned running;      /* requests inside the graph */
    ListNode waiting;      /* BlockRequest.node, for `paused` to end */
    _Atomic unsigned in_flight; /* done() not called yet */
};

/* Past the throttle: to the pool, or waits for the graph. */
void blk_request_start(BlockRequest *r);
/* A fully prepared one that fails: done() comes by a bottom half. */
void blk_request_fail(BlockRequest *r, int ret);
BlockAcct *blk_acct(BlockBackend *blk);

#endif
