/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a node's bytes come from: data, zeroes, a layer below. */
#include "osdep.h"
#include "block/block-int.h"

int node_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                      uint64_t bytes, uint64_t *pnum, uint64_t *map,
                      BlockNode **file)
{
    uint64_t where = 0, length = n->length, count;
    uint32_t align = n->request_alignment;
    uint64_t start = ROUND_DOWN(offset, align), end;
    BlockNode *local = NULL;
    int st;

    *pnum = 0;
    if (file) {
        *file = NULL;
    }
    if (offset >= length) {
        *pnum = bytes;
        return BLK_ST_EOF | BLK_ST_ZERO | BLK_ST_ALLOCATED;
    }
    bytes = MIN(bytes, length - offset);
    end = ROUND_UP(offset + bytes, align);
    if (!n->drv->block_status) {
        *pnum = bytes;
        st = BLK_ST_DATA | BLK_ST_ALLOCATED;
        if (n->drv->kind == BLK_PROTOCOL) {
            st |= BLK_ST_OFFSET_VALID;
            where = offset;
            local = n;
        } else if (n->drv->kind == BLK_FILTER && n->file) {
            st = BLK_ST_RAW | BLK_ST_OFFSET_VALID;
            where = offset;
            local = n->file->node;
        }
    } else {
        st = n->drv->block_status(n, want_zero, start, end - start, &count,
                                  &where, &local);
        if (st < 0) {
            return st;
        }
        count -= MIN(count, offset - start);
        where += offset - start;
        *pnum = MIN(count, bytes);
    }
    if (*pnum == 0) {
        return -EIO;
    }
    if ((st & BLK_ST_RAW) && local) {
        uint64_t sub;
        int ret = node_block_status(local, want_zero, where, *pnum, &sub, map,
                                    file);

        *pnum = MIN(*pnum, sub);
        if (ret >= 0 && (ret & BLK_ST_EOF) && offset + *pnum < length) {
            ret &= ~BLK_ST_EOF;
        }
        return ret;
    }
    if (st & (BLK_ST_DATA | BLK_ST_ZERO)) {
        st |= BLK_ST_ALLOCATED;
    } else if (!(st & BLK_ST_ALLOCATED) && want_zero &&
               n->drv->supports_backing) {
        /* Nothing below, or it is shorter: zeroes. */
        BlockNode *below = node_backing(n);

        if (!below || offset >= below->length) {
            st |= BLK_ST_ZERO;
        }
    }
    if (want_zero && (st & BLK_ST_RECURSE) && (st & BLK_ST_DATA) &&
        (st & BLK_ST_OFFSET_VALID) && local && local != n) {
        uint64_t sub, dummy;
        int ret = node_block_status(local, want_zero, where, *pnum, &sub,
                                    &dummy, NULL);

        /* Zero beyond the end of the file is no hole of the guest's. */
        if (ret >= 0) {
            if ((ret & BLK_ST_EOF) && (!sub || (ret & BLK_ST_ZERO))) {
                st |= BLK_ST_ZERO;
            } else {
                *pnum = MIN(*pnum, sub);
                st |= ret & BLK_ST_ZERO;
            }
        }
    }
    if (offset + *pnum == length) {
        st |= BLK_ST_EOF;
    }
    if (map) {
        *map = where;
    }
    if (file) {
        *file = local;
    }
    return st;
}

int node_block_status_above(BlockNode *n, BlockNode *base, bool want_zero,
                            uint64_t offset, uint64_t bytes, uint64_t *pnum,
                            uint64_t *map, BlockNode **file, int *depth)
{
    uint64_t eof = 0;
    int st = 0, level = 0;

    *pnum = bytes;
    for (BlockNode *p = node_skip_filters(n); p && p != base;
         p = node_backing(p)) {
        uint64_t sub;

        level++;
        st = node_block_status(p, want_zero, offset, bytes, &sub, map, file);
        if (depth) {
            *depth = level;
        }
        if (st < 0) {
            return st;
        }
        if (sub == 0 || (offset >= p->length && p != n)) {
            /* A short backing file: zeroes up to where the next differs. */
            *pnum = bytes;
            st = BLK_ST_ZERO | BLK_ST_ALLOCATED;
            if (file) {
                *file = p;
            }
            return st | (eof == offset + *pnum ? BLK_ST_EOF : 0);
        }
        if (level == 1) {
            eof = p->length;
        }
        *pnum = bytes = sub;
        st &= ~BLK_ST_EOF;
        if (st & BLK_ST_ALLOCATED) {
            break;
        }
    }
    if (level == 0) {
        *pnum = bytes;
        return 0;
    }
    return st | (eof == offset + *pnum ? BLK_ST_EOF : 0);
}
