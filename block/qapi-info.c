/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and images as QMP describes them. */
#include "osdep.h"
#include "block/backend-int.h"
#include "block/info.h"
#include "block/qapi-info.h"

static const char *short_name(const BlockNode *n)
{
    return *n->exact_filename ? n->exact_filename : n->filename;
}

ImageInfo *image_info_new(BlockNode *n, bool chain, Error **errp)
{
    g_autofree char *name = node_describe(n);
    g_autoptr(QObject) facts = block_image_facts(n, name, short_name(n));
    BlockNode *backing = node_backing(n);
    ImageInfo *info = qapi_from_qobject(&qapi_type_ImageInfo, facts, errp);

    if (info && chain && backing) {
        info->backing_image = image_info_new(backing, true, errp);
        if (!info->backing_image) {
            qapi_free_ImageInfo(info);
            return NULL;
        }
    }
    return info;
}

static void add_limits(BlockDeviceInfo *d, const Throttle *t)
{
    const ThrottleBucket *b = t->cfg.b;

    d->group = g_strdup(t->name);
#define LIMIT(field, index) \
    do { \
        d->field = b[index].avg; \
        d->has_##field##_max = b[index].max > 0; \
        d->field##_max = b[index].max; \
        d->has_##field##_max_length = d->has_##field##_max; \
        d->field##_max_length = b[index].burst_length; \
    } while (0)
    LIMIT(bps, THROTTLE_BPS_TOTAL);
    LIMIT(bps_rd, THROTTLE_BPS_READ);
    LIMIT(bps_wr, THROTTLE_BPS_WRITE);
    LIMIT(iops, THROTTLE_OPS_TOTAL);
    LIMIT(iops_rd, THROTTLE_OPS_READ);
    LIMIT(iops_wr, THROTTLE_OPS_WRITE);
#undef LIMIT
    d->has_iops_size = t->cfg.op_size > 0;
    d->iops_size = t->cfg.op_size;
}

static void add_bitmaps(BlockDeviceInfo *d, BlockNode *n)
{
    BlockDirtyInfoList **tail = &d->dirty_bitmaps;
    DirtyBitmap *b;

    list_foreach (b, &n->bitmaps, node) {
        BlockDirtyInfo *i = g_new0(BlockDirtyInfo, 1);

        i->name = g_strdup(b->name);
        mutex_lock(&n->lock);
        i->count = MIN(b->count * b->granularity, b->size);
        mutex_unlock(&n->lock);
        i->granularity = b->granularity;
        i->recording = b->enabled && !b->inconsistent;
        i->busy = b->busy;
        i->persistent = b->persistent;
        i->has_inconsistent = i->inconsistent = b->inconsistent;
        QAPI_LIST_APPEND(tail, i);
    }
    d->has_dirty_bitmaps = d->dirty_bitmaps != NULL;
}

BlockDeviceInfo *block_device_info_new(BlockBackend *blk, BlockNode *n,
                                       bool flat, Error **errp)
{
    BlockDeviceInfo *d = g_new0(BlockDeviceInfo, 1);

    d->image = image_info_new(n, !flat, errp);
    if (!d->image) {
        qapi_free_BlockDeviceInfo(d);
        return NULL;
    }
    d->file = g_strdup(n->filename);
    d->node_name = g_strdup(n->name);
    d->ro = node_is_read_only(n);
    d->drv = g_strdup(n->drv->name);
    d->encrypted = n->encrypted;
    d->detect_zeroes = n->detect_zeroes;
    d->cache = g_new0(BlockdevCacheInfo, 1);
    d->cache->writeback = !blk || blk->write_cache;
    d->cache->direct = n->flags & BLK_O_DIRECT;
    d->cache->no_flush = n->flags & BLK_O_NO_FLUSH;
    d->write_threshold = n->write_threshold;
    if (n->backing) {
        d->backing_file = g_strdup(n->backing->node->filename);
    }
    for (BlockNode *b = node_backing(n); b; b = node_backing(b)) {
        d->backing_file_depth++;
    }
    if (blk && blk->throttle) {
        add_limits(d, blk->throttle);
    }
    add_bitmaps(d, n);
    return d;
}
