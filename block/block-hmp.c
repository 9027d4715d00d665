/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands about drives and images. */
#include "osdep.h"
#include "block/backend-int.h"
#include "block/block-qmp.h"
#include "block/info.h"
#include "block/qapi-info.h"
#include "monitor/hmp-int.h"
#include "qapi/qapi-commands.h"
#include "util/option.h"

static void print_device_info(GString *out, const BlockDeviceInfo *d)
{
    g_string_append_printf(out, "%s (%s%s%s)\n", d->file, d->drv,
                           d->ro ? ", read-only" : "",
                           d->encrypted ? ", encrypted" : "");
}

static void print_limits(GString *out, const BlockDeviceInfo *d)
{
    if (!d->bps && !d->bps_rd && !d->bps_wr && !d->iops && !d->iops_rd &&
        !d->iops_wr) {
        return;
    }
    g_string_append_printf(out, "    I/O throttling:   bps=%" PRId64
                           " bps_rd=%" PRId64 " bps_wr=%" PRId64
                           " bps_max=%" PRId64 " bps_rd_max=%" PRId64
                           " bps_wr_max=%" PRId64 " iops=%" PRId64
                           " iops_rd=%" PRId64 " iops_wr=%" PRId64
                           " iops_max=%" PRId64 " iops_rd_max=%" PRId64
                           " iops_wr_max=%" PRId64 " iops_size=%" PRId64
                           " group=%s\n",
                           d->bps, d->bps_rd, d->bps_wr, d->bps_max,
                           d->bps_rd_max, d->bps_wr_max, d->iops, d->iops_rd,
                           d->iops_wr, d->iops_max, d->iops_rd_max,
                           d->iops_wr_max, d->iops_size, d->group);
}

/* What follows the first line; @i: NULL for a node on its own. */
static void print_block(GString *out, const BlockInfo *i,
                        const BlockDeviceInfo *d, bool verbose)
{
    if (i && i->qdev) {
        g_string_append_printf(out, "    Attached to:      %s\n", i->qdev);
    }
    if (i && i->has_io_status && i->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
        g_string_append_printf(out, "    I/O status:       %s\n",
                               BlockDeviceIoStatus_str(i->io_status));
    }
    if (i && i->removable) {
        g_string_append_printf(out, "    Removable device: %slocked, tray %s\n",
                               i->locked ? "" : "not ",
                               i->tray_open ? "open" : "closed");
    }
    if (!d) {
        return;
    }
    g_string_append_printf(out, "    Cache mode:       %s%s%s\n",
                           d->cache->writeback ? "writeback" : "writethrough",
                           d->cache->direct ? ", direct" : "",
                           d->cache->no_flush ? ", ignore flushes" : "");
    if (d->backing_file) {
        g_string_append_printf(out, "    Backing file:     %s (chain depth: %"
                               PRId64 ")\n", d->backing_file,
                               d->backing_file_depth);
    }
    if (d->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF) {
        g_string_append_printf(out, "    Detect zeroes:    %s\n",
                               BlockdevDetectZeroesOptions_str(d->detect_zeroes));
    }
    print_limits(out, d);
    if (verbose) {
        g_string_append(out, "\nImages:\n");
        for (const ImageInfo *im = d->image; im; im = im->backing_image) {
            g_autoptr(QObject) facts = qapi_ImageInfo_to_qobject(im);

            block_image_print(out, facts);
            if (im->backing_image) {
                g_string_append_c(out, '\n');
            }
        }
    }
}

void hmp_info_block(Hmp *mon, const QObject *args, Error **errp)
{
    const char *device = qdict_get_str(args, "device");
    bool verbose = qdict_get_bool(args, "verbose", false), any = false;
    g_autoptr(GString) out = g_string_new(NULL);

    if (qdict_get_bool(args, "nodes", false)) {
        g_autoptr(BlockDeviceInfoList) nodes =
            qmp_query_named_block_nodes(false, false, errp);

        for (const BlockDeviceInfoList *l = nodes; l; l = l->next) {
            if (device && strcmp(device, l->value->node_name)) {
                continue;
            }
            g_string_append_printf(out, "%s%s: ", any ? "\n" : "",
                                   l->value->node_name);
            any = true;
            print_device_info(out, l->value);
            print_block(out, NULL, l->value, verbose);
        }
    } else {
        g_autoptr(BlockInfoList) list = qmp_query_block(errp);

        for (const BlockInfoList *l = list; l; l = l->next) {
            const BlockInfo *i = l->value;
            const BlockDeviceInfo *d = i->inserted;

            if (device && strcmp(device, i->device)) {
                continue;
            }
            g_string_append(out, any ? "\n" : "");
            any = true;
            if (*i->device) {
                g_string_append(out, i->device);
                if (d) {
                    g_string_append_printf(out, " (%s)", d->node_name);
                }
            } else {
                g_string_append(out, d ? d->node_name
                                       : i->qdev ? i->qdev : "<anonymous>");
            }
            g_string_append(out, ": ");
            if (d) {
                print_device_info(out, d);
            } else {
                g_string_append(out, "[not inserted]\n");
            }
            print_block(out, i, d, verbose);
        }
    }
    hmp_printf(mon, "%s", out->str);
}

void hmp_info_blockstats(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(BlockStatsList) list = qmp_query_blockstats(false, false, errp);

    for (const BlockStatsList *l = list; l; l = l->next) {
        const BlockDeviceStats *s = l->value->stats;

        hmp_printf(mon, "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64
                   " rd_operations=%" PRId64 " wr_operations=%" PRId64
                   " flush_operations=%" PRId64 " wr_total_time_ns=%" PRId64
                   " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64
                   " rd_merged=%" PRId64 " wr_merged=%" PRId64
                   " idle_time_ns=%" PRId64 "\n",
                   l->value->device, s->rd_bytes, s->wr_bytes,
                   s->rd_operations, s->wr_operations, s->flush_operations,
                   s->wr_total_time_ns, s->rd_total_time_ns,
                   s->flush_total_time_ns, s->rd_merged, s->wr_merged,
                   s->idle_time_ns);
    }
}

void hmp_eject(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_eject(qdict_get_str(args, "device"), NULL, true,
              qdict_get_bool(args, "force", false), errp);
}

void hmp_block_resize(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_block_resize(qdict_get_str(args, "device"), NULL,
                     qdict_get_int(args, "size", 0), errp);
}

void hmp_block_set_io_throttle(Hmp *mon, const QObject *args, Error **errp)
{
    BlockIOThrottle a = {
        .device = (char *)qdict_get_str(args, "device"),
        .bps = qdict_get_int(args, "bps", 0),
        .bps_rd = qdict_get_int(args, "bps_rd", 0),
        .bps_wr = qdict_get_int(args, "bps_wr", 0),
        .iops = qdict_get_int(args, "iops", 0),
        .iops_rd = qdict_get_int(args, "iops_rd", 0),
        .iops_wr = qdict_get_int(args, "iops_wr", 0),
    };

    qmp_block_set_io_throttle(&a, errp);
}

/* change DEVICE FILENAME [FORMAT [retain|read-only|read-write]] */
void hmp_change(Hmp *mon, const QObject *args, Error **errp)
{
    const char *mode = qdict_get_str(args, "read-only-mode");
    BlockdevChangeReadOnlyMode m = BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN;
    const char *device = qdict_get_str(args, "device");
    const char *target = qdict_get_str(args, "target");
    const char *arg = qdict_get_str(args, "arg");

    if (!strcmp(device, "vnc")) { /* the command's other, older use */
        if (strcmp(target, "password") && strcmp(target, "passwd")) {
            error_setg(errp, "'change vnc password PASSWORD' is the form; "
                       "addresses change with display-update");
        } else if (!arg) {
            error_setg(errp, "Expecting a password after 'change vnc %s'",
                       target);
        } else {
            qmp_change_vnc_password(arg, errp);
        }
        return;
    }
    if (mode && !BlockdevChangeReadOnlyMode_parse("read-only-mode", mode, &m,
                                                  errp)) {
        return;
    }
    block_change_medium(device, NULL, target, arg,
                        qdict_get_bool(args, "force", false), m, errp);
}

/* drive_add [-n] PLACE OPTIONS: a drive for a later device (if=none), or with
 * -n a node; the place is QEMU's and means nothing. */
void hmp_drive_add(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(QObject) opts =
        keyval_parse(qdict_get_str(args, "opts"), "file", NULL, errp);
    const char *type;

    if (!opts) {
        return;
    }
    if (qdict_get_bool(args, "node", false)) {
        blockdev_add(opts, errp);
        return;
    }
    type = qdict_get_str(opts, "if");
    if (type && strcmp(type, "none")) {
        error_setg(errp, "Can't hot-add drive to type %s", type);
        return;
    }
    if (drive_new(opts, DRIVE_IF_NONE, false, "drive_add", errp)) {
        hmp_printf(mon, "OK\n");
    }
}

/* One drive, or "all" that stand on others. */
void hmp_commit(Hmp *mon, const QObject *args, Error **errp)
{
    const char *name = qdict_get_str(args, "device");
    bool all = !strcmp(name, "all");

    if (!all && !blk_find(name)) {
        error_setg(errp, "Device '%s' not found", name);
        return;
    }
    block_pause_begin();
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        BlockNode *n = blk_node(blk), *base = n ? node_backing(n) : NULL;
        Error *err = NULL;

        if (all ? !*blk->name || !base : strcmp(blk->name, name)) {
            continue;
        }
        if (!base) {
            error_setg(&err, n ? "it has no backing file" : "no medium");
        }
        if (err || !block_commit(blk, base, true, NULL, NULL, &err)) {
            error_setg(errp, "'commit' error for '%s': %s", blk->name,
                       error_get_pretty(err));
            error_free(err);
            break;
        }
    }
    block_pause_end();
}

void hmp_drive_del(Hmp *mon, const QObject *args, Error **errp)
{
    const char *id = qdict_get_str(args, "id");
    BlockBackend *blk = blk_find(id);

    if (!blk) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return;
    }
    if (!drive_by_blk(blk)) {
        error_setg(errp, "Deleting device added with blockdev-add is not "
                   "supported");
        return;
    }
    drive_delete(blk);
}
