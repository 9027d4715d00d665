/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and images as QMP describes them. */
#include "osdep.h"
#include "block/backend-int.h"
#include "block/qapi-info.h"

static const char *short_name(const BlockNode *n)
{
    return *n->exact_filename ? n->exact_filename : n->filename;
}

static void add_snapshots(BlockNode *n, ImageInfo *info)
{
    g_autofree BlockSnapshotInfo *list = NULL;
    SnapshotInfoList **tail = &info->snapshots;
    int count = n->drv->snapshot_list ? n->drv->snapshot_list(n, &list) : 0;

    for (int i = 0; i < count; i++) {
        SnapshotInfo *s = g_new0(SnapshotInfo, 1);

        s->id = g_strdup(list[i].id);
        s->name = g_strdup(list[i].name);
        s->vm_state_size = list[i].vm_state_size;
        s->date_sec = list[i].date_sec;
        s->date_nsec = list[i].date_nsec;
        s->vm_clock_sec = list[i].vm_clock_nsec / NSEC_PER_SEC;
        s->vm_clock_nsec = list[i].vm_clock_nsec % NSEC_PER_SEC;
        s->has_icount = list[i].icount != UINT64_MAX;
        s->icount = list[i].icount;
        QAPI_LIST_APPEND(tail, s);
    }
    info->has_snapshots = count > 0;
}

ImageInfo *image_info_new(BlockNode *n, bool chain, Error **errp)
{
    ImageInfo *info = g_new0(ImageInfo, 1);
    int64_t used = node_allocated_size(n);
    BlockNode *backing = node_backing(n);

    info->filename = node_describe(n);
    info->format = g_strdup(n->drv->name);
    info->virtual_size = n->length;
    info->has_actual_size = used >= 0;
    info->actual_size = used;
    if (n->drv->kind != BLK_FILTER) {
        info->has_dirty_flag = true;
        info->dirty_flag = n->drv->dirty_flag && n->drv->dirty_flag(n);
    }
    if (n->encrypted) {
        info->has_encrypted = info->encrypted = true;
    }
    if (n->drv->cluster_size && n->drv->cluster_size(n)) {
        info->has_cluster_size = true;
        info->cluster_size = n->drv->cluster_size(n);
    }
    if (n->drv->specific_info) {
        info->format_specific = n->drv->specific_info(n);
    }
    if (n->backing_file) {
        info->backing_filename = g_strdup(n->backing_file);
        info->full_backing_filename =
            block_path_combine(short_name(n), n->backing_file);
        info->backing_filename_format = g_strdup(n->backing_format);
    }
    add_snapshots(n, info);
    if (chain && backing) {
        info->backing_image = image_info_new(backing, true, errp);
        if (!info->backing_image) {
            qapi_free_ImageInfo(info);
            return NULL;
        }
    }
    return info;
}

char *block_size_text(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    double v = bytes;
    unsigned i = 0;

    while (v >= 1000 && i + 1 < ARRAY_SIZE(units)) {
        v /= 1024;
        i++;
    }
    return g_strdup_printf("%0.3g %s", v, units[i]);
}

static void print_specific(GString *out, const QObject *o, int indent)
{
    for (size_t i = 0; i < qdict_size(o); i++) {
        g_autofree char *key = g_strdup(qdict_key_at(o, i));
        const QObject *v = qdict_value_at(o, i);

        g_strdelimit(key, "-", ' ');
        g_string_append_printf(out, "%*s%s:", indent, "", key);
        switch (qobject_type(v)) {
        case QTYPE_DICT:
            g_string_append_c(out, '\n');
            print_specific(out, v, indent + 4);
            break;
        case QTYPE_LIST:
            g_string_append_c(out, '\n');
            for (size_t k = 0; k < qlist_size(v); k++) {
                const QObject *e = qlist_at(v, k);

                g_string_append_printf(out, "%*s[%zu]:", indent + 4, "", k);
                if (qobject_type(e) == QTYPE_DICT) {
                    g_string_append_c(out, '\n');
                    print_specific(out, e, indent + 8);
                } else {
                    g_string_append_printf(out, " %s\n", qstring_get(e));
                }
            }
            break;
        case QTYPE_STRING:
            g_string_append_printf(out, " %s\n", qstring_get(v));
            break;
        default: {
            g_autofree char *text = json_to_string(v, false);

            g_string_append_printf(out, " %s\n", text);
            break;
        }
        }
    }
}

static void print_snapshots(GString *out, const SnapshotInfoList *l)
{
    g_string_append(out, "Snapshot list:\n");
    g_string_append_printf(out, "%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG",
                           "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (; l; l = l->next) {
        const SnapshotInfo *s = l->value;
        g_autofree char *size = block_size_text(s->vm_state_size);
        g_autofree char *clock = NULL, *icount = NULL, *date = NULL;
        g_autoptr(GDateTime) t = g_date_time_new_from_unix_local(s->date_sec);

        date = g_date_time_format(t, "%Y-%m-%d %H:%M:%S");
        clock = g_strdup_printf("%02d:%02d:%02d.%03d",
                                (int)(s->vm_clock_sec / 3600),
                                (int)(s->vm_clock_sec / 60 % 60),
                                (int)(s->vm_clock_sec % 60),
                                (int)(s->vm_clock_nsec / 1000000));
        icount = s->has_icount ? g_strdup_printf("%" PRId64, s->icount)
                               : g_strdup("");
        g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", s->id,
                               s->name, size, date, clock, icount);
    }
}

void image_info_print(GString *out, const ImageInfo *info)
{
    g_autofree char *virt = block_size_text(info->virtual_size);
    g_autofree char *used = info->has_actual_size
                                ? block_size_text(info->actual_size)
                                : g_strdup("unavailable");

    g_string_append_printf(out, "image: %s\nfile format: %s\n"
                           "virtual size: %s (%" PRId64 " bytes)\n"
                           "disk size: %s\n", info->filename, info->format,
                           virt, info->virtual_size, used);
    if (info->has_encrypted && info->encrypted) {
        g_string_append(out, "encrypted: yes\n");
    }
    if (info->has_cluster_size) {
        g_string_append_printf(out, "cluster_size: %" PRId64 "\n",
                               info->cluster_size);
    }
    if (info->has_dirty_flag && info->dirty_flag) {
        g_string_append(out, "cleanly shut down: no\n");
    }
    if (info->backing_filename) {
        g_string_append_printf(out, "backing file: %s", info->backing_filename);
        if (g_strcmp0(info->backing_filename, info->full_backing_filename)) {
            g_string_append_printf(out, " (actual path: %s)",
                                   info->full_backing_filename);
        }
        g_string_append_c(out, '\n');
        if (info->backing_filename_format) {
            g_string_append_printf(out, "backing file format: %s\n",
                                   info->backing_filename_format);
        }
    }
    if (info->has_snapshots && info->snapshots) {
        print_snapshots(out, info->snapshots);
    }
    if (info->format_specific &&
        qdict_get(info->format_specific, "data") &&
        qdict_size(qdict_get(info->format_specific, "data"))) {
        g_string_append(out, "Format specific information:\n");
        print_specific(out, qdict_get(info->format_specific, "data"), 4);
    }
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
