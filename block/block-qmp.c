/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP about nodes, drives and media; events; what the block layer does when
 * the VM stops.  Devices are named by id (or path), drives by `device`.
 */
#include "osdep.h"
#include "block/backend-int.h"
#include "block/block-qmp.h"
#include "block/qapi-info.h"
#include "exec/runstate.h"
#include "hw/qdev.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/timer.h"

/* ---- who is meant ------------------------------------------------------------------- */

BlockBackend *block_find_device(const char *device, const char *id,
                                Error **errp)
{
    BlockBackend *blk = NULL;

    if (!device == !id) {
        error_setg(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    if (id) {
        DeviceState *dev;

        blk = blk_find_by_qdev(id);
        dev = blk ? NULL : device_find(id, errp);
        if (dev) {
            g_autofree char *path = object_path(&dev->obj);

            blk = dev->id ? blk_find_by_qdev(dev->id) : NULL;
            blk = blk ? blk : blk_find_by_qdev(path);
            if (!blk) {
                error_setg(errp, "Device does not have a block device "
                           "backend");
            }
        }
        return blk;
    }
    blk = blk_find(device);
    if (!blk) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", device);
    }
    return blk;
}

static BlockNode *find_node(const char *name, Error **errp)
{
    BlockNode *n = node_find(name);

    if (!n) {
        error_setg(errp, "Cannot find device='' nor node-name='%s'", name);
    }
    return n;
}

static const char *dev_text(const BlockBackend *blk)
{
    return blk->qdev ? blk->qdev : "";
}

static bool has_tray(const BlockBackend *blk)
{
    return blk->dev_ops && blk->dev_ops->is_tray_open;
}

static bool tray_open(const BlockBackend *blk)
{
    return has_tray(blk) && blk->dev_ops->is_tray_open(blk->dev_opaque);
}

static bool locked(const BlockBackend *blk)
{
    return blk->dev_ops && blk->dev_ops->is_medium_locked &&
           blk->dev_ops->is_medium_locked(blk->dev_opaque);
}

static const char *any_name(const BlockBackend *blk, const char *device,
                            const char *id)
{
    return device ? device : id ? id : blk->name;
}

/* ---- queries ------------------------------------------------------------------------- */

static BlockInfo *block_info(BlockBackend *blk, Error **errp)
{
    BlockInfo *i = g_new0(BlockInfo, 1);

    i->device = g_strdup(blk->name);
    i->qdev = g_strdup(blk->qdev);
    i->type = g_strdup("unknown");
    i->removable = blk_has_removable_media(blk);
    i->locked = locked(blk);
    i->has_tray_open = has_tray(blk);
    i->tray_open = tray_open(blk);
    i->has_io_status = blk->iostatus_enabled;
    i->io_status = blk->iostatus;
    if (blk->root) {
        i->inserted = block_device_info_new(blk, blk->root->node, false, errp);
        if (!i->inserted) {
            qapi_free_BlockInfo(i);
            return NULL;
        }
    }
    return i;
}

BlockInfoList *qmp_query_block(Error **errp)
{
    BlockInfoList *list = NULL, **tail = &list;

    for (BlockBackend *b = blk_next(NULL); b; b = blk_next(b)) {
        BlockInfo *i;

        if (!*b->name && !b->qdev) {
            continue;
        }
        i = block_info(b, errp);
        if (!i) {
            qapi_free_BlockInfoList(list);
            return NULL;
        }
        QAPI_LIST_APPEND(tail, i);
    }
    return list;
}

BlockDeviceInfoList *qmp_query_named_block_nodes(bool has_flat, bool flat,
                                                 Error **errp)
{
    BlockDeviceInfoList *list = NULL, **tail = &list;
    BlockNode *n;

    list_foreach (n, &block_nodes, all) {
        BlockDeviceInfo *d = block_device_info_new(NULL, n, has_flat && flat,
                                                   errp);

        if (!d) {
            qapi_free_BlockDeviceInfoList(list);
            return NULL;
        }
        QAPI_LIST_APPEND(tail, d);
    }
    return list;
}

static BlockDeviceStats *device_stats(BlockBackend *blk, const BlockNode *n)
{
    BlockDeviceStats *s = g_new0(BlockDeviceStats, 1);

    if (blk) {
        const BlockAcct a = *blk_acct(blk);

        s->rd_bytes = a.bytes[BLK_ACCT_READ];
        s->wr_bytes = a.bytes[BLK_ACCT_WRITE];
        s->unmap_bytes = a.bytes[BLK_ACCT_UNMAP];
        s->rd_operations = a.ops[BLK_ACCT_READ];
        s->wr_operations = a.ops[BLK_ACCT_WRITE];
        s->flush_operations = a.ops[BLK_ACCT_FLUSH];
        s->unmap_operations = a.ops[BLK_ACCT_UNMAP];
        s->rd_total_time_ns = a.time_ns[BLK_ACCT_READ];
        s->wr_total_time_ns = a.time_ns[BLK_ACCT_WRITE];
        s->flush_total_time_ns = a.time_ns[BLK_ACCT_FLUSH];
        s->unmap_total_time_ns = a.time_ns[BLK_ACCT_UNMAP];
        s->failed_rd_operations = a.failed[BLK_ACCT_READ];
        s->failed_wr_operations = a.failed[BLK_ACCT_WRITE];
        s->failed_flush_operations = a.failed[BLK_ACCT_FLUSH];
        s->failed_unmap_operations = a.failed[BLK_ACCT_UNMAP];
        s->invalid_rd_operations = a.invalid[BLK_ACCT_READ];
        s->invalid_wr_operations = a.invalid[BLK_ACCT_WRITE];
        s->invalid_flush_operations = a.invalid[BLK_ACCT_FLUSH];
        s->invalid_unmap_operations = a.invalid[BLK_ACCT_UNMAP];
        s->account_invalid = s->account_failed = true;
        if (a.last_access_ns) {
            s->has_idle_time_ns = true;
            s->idle_time_ns = MAX(clock_ns(CLOCK_REALTIME_NS) -
                                  a.last_access_ns, 0);
        }
    }
    s->wr_highest_offset = n ? n->wr_highest_offset : 0;
    return s;
}

static BlockStats *node_stats(BlockNode *n, bool with_backing)
{
    BlockStats *s = g_new0(BlockStats, 1);

    s->node_name = g_strdup(n->name);
    s->stats = device_stats(NULL, n);
    if (n->file) {
        s->parent = node_stats(n->file->node, false);
    }
    if (with_backing && n->backing) {
        s->backing = node_stats(n->backing->node, true);
    }
    return s;
}

BlockStatsList *qmp_query_blockstats(bool has_query_nodes, bool query_nodes,
                                     Error **errp)
{
    BlockStatsList *list = NULL, **tail = &list;

    if (has_query_nodes && query_nodes) {
        BlockNode *n;

        list_foreach (n, &block_nodes, all) {
            QAPI_LIST_APPEND(tail, node_stats(n, false));
        }
        return list;
    }
    for (BlockBackend *b = blk_next(NULL); b; b = blk_next(b)) {
        BlockNode *n = blk_node(b);
        BlockStats *s;

        if (!*b->name && !b->qdev) {
            continue;
        }
        s = n ? node_stats(n, true) : g_new0(BlockStats, 1);
        s->device = g_strdup(b->name);
        s->qdev = g_strdup(b->qdev ? b->qdev : "");
        if (s->stats) {
            qapi_free_BlockDeviceStats(s->stats);
        }
        s->stats = device_stats(b, n);
        QAPI_LIST_APPEND(tail, s);
    }
    return list;
}

/* ---- nodes ------------------------------------------------------------------------------ */

void qmp_blockdev_add(BlockdevOptions *options, Error **errp)
{
    g_autoptr(QObject) opts = qapi_BlockdevOptions_to_qobject(options);

    blockdev_add(opts, errp);
}

void qmp_blockdev_del(const char *node_name, Error **errp)
{
    BlockNode *n = node_find(node_name);

    if (!n) {
        error_setg(errp, "Failed to find node with node-name='%s'", node_name);
        return;
    }
    if (!n->monitor_owned) {
        error_setg(errp, "Node %s is not owned by the monitor", node_name);
        return;
    }
    if (n->refs > 1) {
        error_setg(errp, "Block device %s is in use", node_name);
        return;
    }
    n->monitor_owned = false;
    block_pause_begin();
    node_unref(n);
    block_pause_end();
}

/* True when @key of @now is what the node was opened with. */
static bool same_option(const BlockNode *n, const QObject *now,
                        const char *key)
{
    const QObject *old = n->opts ? qdict_get(n->opts, key) : NULL;
    const QObject *v = qdict_get(now, key);

    return !v || (old && qobject_equal(old, v));
}

static void reopen_one(QObject *o, Error **errp)
{
    static const char *const fixed[] = { "driver", "filename", "offset",
                                         "size", "locking", "aio", NULL };
    const char *name = qdict_get_str(o, "node-name");
    BlockNode *n = name ? node_find(name) : NULL;
    const QObject *cache = qdict_get(o, "cache");
    const QObject *backing = qdict_get(o, "backing");
    const char *dz = qdict_get_str(o, "detect-zeroes");
    const char *discard = qdict_get_str(o, "discard");
    unsigned flags;

    if (!n) {
        error_setg(errp, name ? "Failed to find node with node-name='%s'"
                              : "node-name not specified%s", name ? name : "");
        return;
    }
    if (strcmp(qdict_get_str(o, "driver"), n->drv->name)) {
        error_setg(errp, "Cannot change the option 'driver'");
        return;
    }
    for (size_t i = 1; fixed[i]; i++) {
        if (!same_option(n, o, fixed[i])) {
            error_setg(errp, "Cannot change the option '%s'", fixed[i]);
            return;
        }
    }
    if (qdict_has(o, "file")) {
        const char *file = qdict_get_str(o, "file");

        if (!file || !n->file || strcmp(n->file->node->name, file)) {
            error_setg(errp, "Cannot change the option 'file'");
            return;
        }
    }
    flags = n->flags & ~(unsigned)(BLK_O_DIRECT | BLK_O_NO_FLUSH |
                                   BLK_O_UNMAP | BLK_O_RDWR |
                                   BLK_O_AUTO_RDONLY);
    flags |= qdict_get_bool(o, "read-only", false) ? 0 : BLK_O_RDWR;
    flags |= qdict_get_bool(o, "auto-read-only", false) ? BLK_O_AUTO_RDONLY
                                                        : 0u;
    flags |= cache && qdict_get_bool(cache, "direct", false) ? BLK_O_DIRECT : 0;
    flags |= cache && qdict_get_bool(cache, "no-flush", false)
                 ? BLK_O_NO_FLUSH : 0;
    flags |= discard && !strcmp(discard, "unmap") ? BLK_O_UNMAP : 0;
    if (!node_reopen(n, flags, o, errp)) {
        return;
    }
    n->detect_zeroes = !dz || !strcmp(dz, "off") ? 0 : !strcmp(dz, "on") ? 1
                                                                         : 2;
    if (backing) {
        BlockNode *b = NULL;

        if (qobject_type(backing) == QTYPE_STRING) {
            b = find_node(qstring_get(backing), errp);
            if (!b) {
                return;
            }
        } else if (qobject_type(backing) != QTYPE_NULL) {
            error_setg(errp, "Cannot change the option 'backing' to a new "
                       "node: name one that exists");
            return;
        }
        if (b != (n->backing ? n->backing->node : NULL)) {
            block_pause_begin();
            node_set_backing(n, b, errp);
            block_pause_end();
        }
    }
}

void qmp_blockdev_reopen(BlockdevOptionsList *options, Error **errp)
{
    for (; options; options = options->next) {
        g_autoptr(QObject) o = qapi_BlockdevOptions_to_qobject(options->value);
        Error *err = NULL;

        reopen_one(o, &err);
        if (err) {
            error_propagate(errp, err);
            return;
        }
    }
}

void qmp_block_resize(const char *device, const char *node_name, int64_t size,
                      Error **errp)
{
    BlockBackend *blk = NULL, *tmp = NULL;
    BlockNode *n;

    if (!device == !node_name) {
        error_setg(errp, "Need exactly one of 'device' and 'node-name'");
        return;
    }
    if (device) {
        blk = blk_find(device);
        if (!blk) {
            error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                            "Device '%s' not found", device);
            return;
        }
        n = blk_node(blk);
        if (!n) {
            error_setg(errp, "Device '%s' has no medium", device);
            return;
        }
    } else {
        n = find_node(node_name, errp);
        if (!n) {
            return;
        }
    }
    if (size < 0) {
        error_setg(errp, "Parameter 'size' expects a >0 size");
        return;
    }
    tmp = blk_new("", BLK_PERM_RESIZE, BLK_PERM_ALL);
    if (blk_insert_node(tmp, n, errp)) {
        block_pause_begin();
        node_truncate(n, size, false, "off", 0, errp);
        block_pause_end();
        for (blk = blk_next(NULL); blk; blk = blk_next(blk)) {
            if (blk_node(blk) == n && blk->dev_ops && blk->dev_ops->resize) {
                blk->dev_ops->resize(blk->dev_opaque);
            }
        }
    }
    blk_unref(tmp);
}

void qmp_block_set_write_threshold(const char *node_name, uint64_t threshold,
                                   Error **errp)
{
    BlockNode *n = find_node(node_name, errp);

    if (n) {
        n->write_threshold = threshold;
    }
}

/* ---- media -------------------------------------------------------------------------------- */

/* Tells the device; a tray that moved by it gives the event. */
static bool change_media(BlockBackend *blk, bool load, Error **errp)
{
    bool was_open = tray_open(blk);

    if (blk->dev_ops && blk->dev_ops->change_media &&
        !blk->dev_ops->change_media(blk->dev_opaque, load, errp)) {
        return false;
    }
    if (tray_open(blk) != was_open) {
        blk_eject(blk, !was_open);
    }
    return true;
}

/* 0: open; -EINPROGRESS: the guest was asked; or another error. */
static int open_tray(BlockBackend *blk, const char *name, bool force,
                     Error **errp)
{
    bool was_locked = locked(blk);

    if (!blk_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", name);
        return -ENOTSUP;
    }
    if (!has_tray(blk)) {
        error_setg(errp, "Device '%s' does not have a tray", name);
        return -ENOSYS;
    }
    if (tray_open(blk)) {
        return 0;
    }
    if (was_locked && blk->dev_ops->eject_request) {
        blk->dev_ops->eject_request(blk->dev_opaque, force);
    }
    if (was_locked && !force) {
        error_setg(errp, "Device '%s' is locked and force was not specified, "
                   "wait for tray to open and try again", name);
        return -EINPROGRESS;
    }
    return change_media(blk, false, errp) ? 0 : -EIO;
}

void qmp_blockdev_open_tray(const char *device, const char *id, bool has_force,
                            bool force, Error **errp)
{
    BlockBackend *blk = block_find_device(device, id, errp);
    Error *err = NULL;
    int r;

    if (!blk) {
        return;
    }
    r = open_tray(blk, any_name(blk, device, id), has_force && force, &err);
    if (r == -EINPROGRESS || r == -ENOSYS) {
        error_free(err); /* no tray is as good as an open one */
    } else {
        error_propagate(errp, err);
    }
}

void qmp_blockdev_close_tray(const char *device, const char *id, Error **errp)
{
    BlockBackend *blk = block_find_device(device, id, errp);

    if (!blk) {
        return;
    }
    if (!blk_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable",
                   any_name(blk, device, id));
        return;
    }
    if (has_tray(blk) && tray_open(blk)) {
        change_media(blk, true, errp);
    }
}

static void remove_medium(BlockBackend *blk, const char *name, Error **errp)
{
    if (!blk_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", name);
        return;
    }
    if (has_tray(blk) && !tray_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", name);
        return;
    }
    if (!blk->root) {
        return;
    }
    blk_remove_node(blk);
    if (!has_tray(blk)) {
        change_media(blk, false, NULL);
    }
}

void qmp_blockdev_remove_medium(const char *id, Error **errp)
{
    BlockBackend *blk = block_find_device(NULL, id, errp);

    if (blk) {
        remove_medium(blk, id, errp);
    }
}

static void insert_medium(BlockBackend *blk, const char *name, BlockNode *n,
                          Error **errp)
{
    if (!blk_has_removable_media(blk)) {
        error_setg(errp, "Device '%s' is not removable", name);
        return;
    }
    if (has_tray(blk) && !tray_open(blk)) {
        error_setg(errp, "Tray of device '%s' is not open", name);
        return;
    }
    if (blk->root) {
        error_setg(errp, "There already is a medium in device '%s'", name);
        return;
    }
    if (!blk_insert_node(blk, n, errp)) {
        return;
    }
    if (!has_tray(blk) && !change_media(blk, true, errp)) {
        blk_remove_node(blk);
    }
}

void qmp_blockdev_insert_medium(const char *id, const char *node_name,
                                Error **errp)
{
    BlockBackend *blk = block_find_device(NULL, id, errp);
    BlockNode *n = blk ? find_node(node_name, errp) : NULL;

    if (!n) {
        return;
    }
    for (ListNode *l = n->parents.next; l != &n->parents; l = l->next) {
        if (list_entry(l, BlockEdge, child_node)->blk) {
            error_setg(errp, "Node '%s' is already in use", node_name);
            return;
        }
    }
    insert_medium(blk, id, n, errp);
}

void qmp_eject(const char *device, const char *id, bool has_force, bool force,
               Error **errp)
{
    BlockBackend *blk = block_find_device(device, id, errp);
    const char *name;
    Error *err = NULL;
    int r;

    if (!blk) {
        return;
    }
    name = any_name(blk, device, id);
    r = open_tray(blk, name, has_force && force, &err);
    if (r && r != -ENOSYS) {
        error_propagate(errp, err);
        return;
    }
    error_free(err);
    remove_medium(blk, name, errp);
}

void block_change_medium(const char *device, const char *id,
                         const char *filename, const char *format, bool force,
                         BlockdevChangeReadOnlyMode mode, Error **errp)
{
    BlockBackend *blk = block_find_device(device, id, errp);
    QObject *opts;
    const char *name;
    unsigned flags;
    BlockNode *n;
    Error *err = NULL;
    int r;

    if (!blk) {
        return;
    }
    name = any_name(blk, device, id);
    flags = blk->root ? blk->root->node->flags : blk->root_flags;
    flags &= ~(unsigned)(BLK_O_PROBED | BLK_O_SNAPSHOT);
    if (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY) {
        flags &= ~(unsigned)(BLK_O_RDWR | BLK_O_AUTO_RDONLY);
    } else if (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_WRITE) {
        flags |= BLK_O_RDWR;
    }
    opts = qdict_new();
    if (format) {
        qdict_put_str(opts, "driver", format);
    }
    n = node_open_filename(filename, opts, flags, errp);
    if (!n) {
        return;
    }
    r = open_tray(blk, name, force, &err);
    if (r && r != -ENOSYS) {
        error_propagate(errp, err);
        node_unref(n);
        return;
    }
    error_free(err);
    err = NULL;
    remove_medium(blk, name, &err);
    if (!err) {
        insert_medium(blk, name, n, &err);
    }
    if (!err) {
        qmp_blockdev_close_tray(device, id, &err);
    }
    node_unref(n);
    error_propagate(errp, err);
}

void qmp_blockdev_change_medium(const char *device, const char *id,
                                const char *filename, const char *format,
                                bool has_force, bool force,
                                bool has_read_only_mode,
                                BlockdevChangeReadOnlyMode read_only_mode,
                                Error **errp)
{
    block_change_medium(device, id, filename, format, has_force && force,
                        has_read_only_mode
                            ? read_only_mode
                            : BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN, errp);
}

void qmp_block_set_io_throttle(BlockIOThrottle *a, Error **errp)
{
    BlockBackend *blk = block_find_device(a->device, a->id, errp);
    ThrottleConfig cfg = { .op_size = a->has_iops_size ? a->iops_size : 0 };

    if (!blk) {
        return;
    }
    if (!blk->root) {
        error_setg(errp, "Device '%s' has no medium",
                   any_name(blk, a->device, a->id));
        return;
    }
#define LIMIT(field, index) \
    do { \
        cfg.b[index].avg = a->field; \
        cfg.b[index].max = a->has_##field##_max ? a->field##_max : 0; \
        cfg.b[index].burst_length = \
            a->has_##field##_max_length ? CLAMP(a->field##_max_length, 0, \
                                                UINT32_MAX) : 1; \
    } while (0)
    LIMIT(bps, THROTTLE_BPS_TOTAL);
    LIMIT(bps_rd, THROTTLE_BPS_READ);
    LIMIT(bps_wr, THROTTLE_BPS_WRITE);
    LIMIT(iops, THROTTLE_OPS_TOTAL);
    LIMIT(iops_rd, THROTTLE_OPS_READ);
    LIMIT(iops_wr, THROTTLE_OPS_WRITE);
#undef LIMIT
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (cfg.b[i].burst_length == 0) {
            error_setg(errp, "the burst length cannot be 0");
            return;
        }
    }
    if (!throttle_check(&cfg, errp)) {
        return;
    }
    if (!throttle_enabled(&cfg)) {
        blk_set_throttle_group(blk, NULL);
        return;
    }
    if (!blk->throttle || (a->group && strcmp(a->group, blk->throttle->name))) {
        blk_set_throttle_group(blk, a->group ? a->group
                                    : a->device ? a->device : a->id);
    }
    throttle_set(blk->throttle, &cfg);
}

/* ---- events -------------------------------------------------------------------------------- */

static void io_error(BlockBackend *blk, bool is_read,
                     BlockErrorAction action, int error)
{
    qapi_event_send_block_io_error(blk->name, blk->root ? blk->root->node->name
                                                        : NULL,
                                   is_read ? IO_OPERATION_TYPE_READ
                                           : IO_OPERATION_TYPE_WRITE,
                                   action, blk->iostatus_enabled,
                                   error == ENOSPC, strerror(error));
    if (action == BLK_ACTION_STOP) {
        vm_stop_request(RUN_STATE_IO_ERROR);
    }
}

/* The next two come from workers: what they say goes out from the main loop. */
typedef struct NodeEvent {
    char *node, *device, *msg;
    bool fatal;
    int64_t offset, size;
    uint64_t exceeded, threshold;
} NodeEvent;

static void send_node_event(void *opaque)
{
    NodeEvent *e = opaque;

    if (e->msg) {
        qapi_event_send_block_image_corrupted(e->device, e->node, e->msg,
                                              e->offset >= 0, e->offset,
                                              e->size >= 0, e->size, e->fatal);
    } else {
        qapi_event_send_block_write_threshold(e->node, e->exceeded,
                                              e->threshold);
    }
    g_free(e->node);
    g_free(e->device);
    g_free(e->msg);
    g_free(e);
}

static void image_corrupted(BlockNode *n, bool fatal, const char *msg,
                            int64_t offset, int64_t size)
{
    NodeEvent *e = g_new0(NodeEvent, 1);
    const char *dev = node_device_or_name(n);

    e->node = g_strdup(n->name);
    e->device = g_strdup(strcmp(dev, n->name) ? dev : "");
    e->msg = g_strdup(msg);
    e->fatal = fatal;
    e->offset = offset;
    e->size = size;
    loop_call(loop_main(), send_node_event, e);
}

static void write_threshold(BlockNode *n, uint64_t exceeded, uint64_t limit)
{
    NodeEvent *e = g_new0(NodeEvent, 1);

    e->node = g_strdup(n->name);
    e->exceeded = exceeded;
    e->threshold = limit;
    loop_call(loop_main(), send_node_event, e);
}

static void tray_moved(BlockBackend *blk, bool open)
{
    qapi_event_send_device_tray_moved(blk->name, dev_text(blk), open);
}

/* A stopped VM leaves nothing under way and nothing in caches. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    if (!running) {
        blk_drain_all();
        blk_flush_all();
    }
}

void block_emu_init(void)
{
    static VMChangeListener listener = {
        .prio = VM_PRIO_BACKEND, .fn = vm_changed,
    };

    block_hooks = (BlockHooks){
        .io_error = io_error,
        .image_corrupted = image_corrupted,
        .tray_moved = tray_moved,
        .write_threshold = write_threshold,
    };
    vm_change_add(&listener);
}
