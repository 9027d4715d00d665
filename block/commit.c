/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commit: what the layers above an image hold goes into it. */
#include "osdep.h"
#include "block/block-int.h"

#define BUF (2 * MiB)

static bool copy_down(BlockNode *top, BlockNode *base, BlockCommitStep step,
                      void *opaque, Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(BUF);
    uint64_t pnum, copied = 0;

    if (base->length < top->length &&
        !node_truncate(base, top->length, false, "off", 0, errp)) {
        return false;
    }
    for (uint64_t at = 0; at < top->length; at += pnum) {
        int ret = node_block_status_above(top, base, true, at,
                                          MIN(top->length - at, 1 * GiB),
                                          &pnum, NULL, NULL, NULL);

        if (ret < 0) {
            error_setg(errp, "error while reading image metadata: %s",
                       strerror(-ret));
            return false;
        }
        if (step) {
            step(opaque, at, copied);
        }
        if (!(ret & BLK_ST_ALLOCATED)) {
            continue;
        }
        if (ret & BLK_ST_ZERO) {
            ret = node_pwrite_zeroes(base, at, pnum, BLK_REQ_MAY_UNMAP);
        } else {
            pnum = MIN(pnum, BUF);
            ret = node_pread(top, at, buf, pnum);
            if (ret >= 0) {
                ret = node_pwrite(base, at, buf, pnum);
            }
            copied += pnum;
        }
        if (ret < 0) {
            error_setg(errp, "error while committing: %s", strerror(-ret));
            return false;
        }
    }
    return true;
}

bool block_commit(BlockBackend *blk, BlockNode *base, bool empty,
                  BlockCommitStep step, void *opaque, Error **errp)
{
    BlockNode *top = blk_node(blk);
    bool was_read_only = node_is_read_only(base), ok;
    BlockEdge *use;
    int ret;

    if (!node_reopen(base, base->flags | BLK_O_RDWR | BLK_O_UNMAP, NULL,
                     errp)) {
        return false;
    }
    use = node_attach_backend(blk, base, BLK_PERM_CONSISTENT_READ |
                              BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL,
                              errp);
    if (!use) {
        return false;
    }
    ok = copy_down(top, base, step, opaque, errp);
    if (ok && (ret = node_flush(base)) < 0) {
        error_setg(errp, "Could not flush '%s': %s", base->filename,
                   strerror(-ret));
        ok = false;
    }
    node_detach_child(use);
    /* Only now: till here the layers above have it all. */
    if (ok && empty && top->drv->make_empty &&
        !top->drv->make_empty(top, errp)) {
        error_prepend(errp, "Could not empty %s: ", top->filename);
        ok = false;
    }
    if (was_read_only) {
        node_reopen(base, base->flags & ~(unsigned)BLK_O_RDWR, NULL, NULL);
    }
    return ok;
}
