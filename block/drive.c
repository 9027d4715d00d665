/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive: one option that makes a backend, the nodes under it, and a note for
 * the machine where to plug it.  Also the temporary overlay of snapshot=on.
 */
#include "osdep.h"
#include "block/backend-int.h"
#include "util/option.h"

static ListNode drives = LIST_INIT(drives);

static const char *const if_names[] = {
    "none", "ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio", NULL,
};
/* Units a bus has; 0: any number, all on bus 0. */
static const int if_units[DRIVE_IF_MAX] = {
    [DRIVE_IF_IDE] = 2, [DRIVE_IF_SCSI] = 7,
};

/* ---- the list -------------------------------------------------------------------- */

DriveInfo *drive_get(DriveIf type, int bus, int unit)
{
    DriveInfo *d;

    list_foreach (d, &drives, node) {
        if (d->type == type && d->bus == bus && d->unit == unit) {
            return d;
        }
    }
    return NULL;
}

DriveInfo *drive_next(DriveInfo *after)
{
    ListNode *next = after ? after->node.next : drives.next;

    return next == &drives ? NULL : list_entry(next, DriveInfo, node);
}

int drive_max_bus(DriveIf type)
{
    int max = -1;
    DriveInfo *d;

    list_foreach (d, &drives, node) {
        if (d->type == type) {
            max = MAX(max, d->bus);
        }
    }
    return max;
}

DriveInfo *drive_by_blk(const BlockBackend *blk)
{
    DriveInfo *d;

    list_foreach (d, &drives, node) {
        if (d->blk == blk) {
            return d;
        }
    }
    return NULL;
}

bool drive_check_orphans(Error **errp)
{
    DriveInfo *d;

    list_foreach (d, &drives, node) {
        if (d->type != DRIVE_IF_NONE && !d->claimed &&
            !blk_attached_dev(d->blk)) {
            error_setg(errp, "%s: machine type does not support if=%s,bus=%d,"
                       "unit=%d", d->loc, if_names[d->type], d->bus, d->unit);
            return false;
        }
    }
    return true;
}

/* ---- the option ------------------------------------------------------------------- */

static bool take_error_policy(QObject *o, const char *key, bool is_read,
                              BlockErrorPolicy *policy, Error **errp)
{
    static const char *const names[] = { "report", "ignore", "enospc", "stop",
                                         "auto", NULL };
    int v = *policy;

    if (!opts_take_enum(o, key, names, &v, errp)) {
        return false;
    }
    if (is_read && v == BLK_ON_ERROR_ENOSPC) {
        error_setg(errp, "'enospc' is not a valid %s", key);
        return false;
    }
    *policy = v == BLK_ON_ERROR_AUTO
                  ? (is_read ? BLK_ON_ERROR_REPORT : BLK_ON_ERROR_ENOSPC) : v;
    return true;
}

typedef struct DriveOpts {
    char *file, *format, *id, *cache, *group, *aio;
    bool is_cdrom, snapshot, copy_on_read, writethrough;
    unsigned flags;
    ThrottleConfig throttle;
    BlockErrorPolicy rerror, werror;
} DriveOpts;

static void drive_opts_free(DriveOpts *d)
{
    g_free(d->file);
    g_free(d->format);
    g_free(d->id);
    g_free(d->cache);
    g_free(d->group);
    g_free(d->aio);
}

static bool take_place(QObject *o, DriveInfo *d, DriveIf dflt, Error **errp)
{
    uint64_t index = 0, bus = 0, unit = 0;
    bool has_index = qdict_has(o, "index"), has_unit = qdict_has(o, "unit");
    bool has_bus = qdict_has(o, "bus");
    int type = dflt, units;

    if (!opts_take_enum(o, "if", if_names, &type, errp) ||
        !opts_take_u64(o, "index", &index, errp) ||
        !opts_take_u64(o, "bus", &bus, errp) ||
        !opts_take_u64(o, "unit", &unit, errp)) {
        return false;
    }
    d->type = type;
    units = if_units[type];
    if (has_index && (has_bus || has_unit)) {
        error_setg(errp, "index cannot be used with bus and unit");
        return false;
    }
    if (index > 1000000 || bus > 1000000 || unit > 1000000) {
        error_setg(errp, "index, bus or unit out of range");
        return false;
    }
    if (units && unit >= (unsigned)units) {
        error_setg(errp, "unit %" PRIu64 " too big (max is %d)", unit,
                   units - 1);
        return false;
    }
    if (has_index) {
        bus = units ? index / units : 0;
        unit = units ? index % units : index;
    } else if (!has_unit) {
        if (!units) {
            while (drive_get(type, bus, unit)) {
                unit++;
            }
        } else {
            while (drive_get(type, bus, unit)) {
                unit++;
                if (unit >= (unsigned)units) {
                    unit = 0;
                    bus++;
                }
            }
        }
    }
    d->bus = bus;
    d->unit = unit;
    if (type != DRIVE_IF_NONE && drive_get(type, bus, unit)) {
        error_setg(errp, "drive with bus=%d, unit=%d (index=%d) exists",
                   d->bus, d->unit, units ? d->bus * units + d->unit : d->unit);
        return false;
    }
    return true;
}

static bool take_chs(QObject *o, DriveInfo *d, Error **errp)
{
    static const char *const trans[] = { "auto", "none", "lba", NULL };
    uint64_t c = 0, h = 0, s = 0;

    if (!opts_take_u64(o, "cyls", &c, errp) ||
        !opts_take_u64(o, "heads", &h, errp) ||
        !opts_take_u64(o, "secs", &s, errp) ||
        !opts_take_enum(o, "trans", trans, &d->trans, errp) ||
        !opts_take_str(o, "serial", &d->serial, errp)) {
        return false;
    }
    if (c > 65535 || h > 16 || s > 63 || ((c || h || s) && !(c && h && s))) {
        error_setg(errp, "invalid physical geometry %" PRIu64 "/%" PRIu64
                   "/%" PRIu64, c, h, s);
        return false;
    }
    d->cyls = c;
    d->heads = h;
    d->secs = s;
    return true;
}

static bool take_drive(QObject *o, DriveOpts *d, Error **errp)
{
    static const char *const medias[] = { "disk", "cdrom", NULL };
    static const char *const aios[] = { "threads", "native", "io_uring", NULL };
    int media = 0, aio = 0;
    bool read_only = false, ignore = false;

    if (!opts_take_enum(o, "media", medias, &media, errp) ||
        !opts_take_str(o, "file", &d->file, errp) ||
        !opts_take_str(o, "format", &d->format, errp) ||
        (!d->format && !opts_take_str(o, "driver", &d->format, errp)) ||
        !opts_take_str(o, "id", &d->id, errp) ||
        !opts_take_str(o, "cache", &d->cache, errp) ||
        !opts_take_bool(o, "snapshot", &d->snapshot, errp) ||
        !opts_take_bool(o, "readonly", &read_only, errp) ||
        !opts_take_bool(o, "read-only", &read_only, errp) ||
        !opts_take_bool(o, "copy-on-read", &d->copy_on_read, errp) ||
        /* 0.12's boot=on chose the boot device for its own option ROM. */
        !opts_take_bool(o, "boot", &ignore, errp) ||
        !opts_take_enum(o, "aio", aios, &aio, errp) ||
        !throttle_take_opts(o, &d->throttle, &d->group, errp) ||
        !take_error_policy(o, "rerror", true, &d->rerror, errp) ||
        !take_error_policy(o, "werror", false, &d->werror, errp)) {
        return false;
    }
    d->is_cdrom = media == 1;
    d->aio = g_strdup(aios[aio]);
    d->flags = read_only || d->is_cdrom ? 0 : BLK_O_RDWR;
    if (d->cache && !block_cache_mode(d->cache, &d->flags, &d->writethrough)) {
        error_setg(errp, "invalid cache option '%s' (none, writeback, "
                   "writethrough, directsync, unsafe)", d->cache);
        return false;
    }
    if (aio == 1 && !(d->flags & BLK_O_DIRECT)) {
        error_setg(errp, "aio=native was specified, but is not supported in "
                   "this configuration: it requires cache.direct=on (cache="
                   "none)");
        return false;
    }
    if (d->snapshot) {
        d->flags |= BLK_O_SNAPSHOT;
    }
    return true;
}

/* What remains of @o: dotted keys and node options. */
static BlockNode *open_drive(const DriveOpts *d, QObject *o, Error **errp)
{
    g_autoptr(QObject) nested = keyval_crumple(o, errp);
    unsigned flags = d->flags & ~(unsigned)BLK_O_SNAPSHOT;
    BlockNode *n, *top;

    if (!nested) {
        return NULL;
    }
    if (d->snapshot) {
        flags &= ~(unsigned)BLK_O_RDWR;
    }
    flags |= BLK_O_AUTO_RDONLY * (d->is_cdrom ? 1u : 0u);
    if (d->format) {
        qdict_put_str(nested, "driver", d->format);
    }
    if (d->file && *d->file) {
        n = node_open_filename(d->file, qobject_ref(nested), flags, errp);
    } else {
        n = node_open(qobject_ref(nested), flags, errp);
    }
    if (!n || !d->snapshot) {
        return n;
    }
    top = block_temp_overlay(n, errp);
    node_unref(n);
    return top;
}

static char *default_id(const DriveInfo *d, bool cdrom)
{
    const char *kind = cdrom ? "-cd" : "-hd";

    switch (d->type) {
    case DRIVE_IF_NONE:
        return g_strdup_printf("none%d", d->unit);
    case DRIVE_IF_IDE:
    case DRIVE_IF_SCSI:
        return g_strdup_printf("%s%d%s%d", if_names[d->type], d->bus, kind,
                               d->unit);
    default:
        return g_strdup_printf("%s%d", if_names[d->type], d->unit);
    }
}

static void drive_free(DriveInfo *d)
{
    if (list_linked(&d->node)) {
        list_remove(&d->node);
    }
    blk_unref(d->blk);
    g_free(d->loc);
    g_free(d->serial);
    g_free(d);
}

static bool drive_fill(DriveInfo *d, DriveOpts *opts, QObject *o, Error **errp)
{
    BlockNode *n;
    bool ok;

    if (!opts->id) {
        opts->id = default_id(d, opts->is_cdrom);
    } else if (!id_wellformed(opts->id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    if (blk_find(opts->id) || node_find(opts->id)) {
        error_setg(errp, "Duplicate ID '%s' for drive", opts->id);
        return false;
    }
    d->is_cdrom = opts->is_cdrom;
    d->blk = blk_new(opts->id, 0, BLK_PERM_ALL);
    d->blk->monitor_owned = true;
    d->blk->root_flags = opts->flags;
    d->blk->write_cache = !opts->writethrough;
    blk_set_on_error(d->blk, opts->rerror, opts->werror);
    /* No file and no driver: an empty drive. */
    if ((opts->file && *opts->file) || qdict_has(o, "file.driver") ||
        qdict_has(o, "file.filename") ||
        (opts->format && qdict_size(o) > 0)) {
        if (strcmp(opts->aio, "threads") && opts->file && *opts->file &&
            !block_path_has_protocol(opts->file)) {
            qdict_put_str(o, "file.aio", opts->aio);
        }
        n = open_drive(opts, o, errp);
        if (!n) {
            return false;
        }
        if (opts->copy_on_read) {
            if (node_is_read_only(n)) {
                node_unref(n);
                error_setg(errp, "Cannot use 'copy-on-read' with read-only "
                           "images");
                return false;
            }
            n->flags |= BLK_O_COPY_ON_READ;
        }
        ok = blk_insert_node(d->blk, n, errp);
        node_unref(n);
        if (!ok) {
            return false;
        }
    } else if (qdict_size(o) > 0) {
        error_setg(errp, "the option '%s' needs a file", qdict_key_at(o, 0));
        return false;
    }
    if (throttle_enabled(&opts->throttle)) {
        blk_set_throttle_group(d->blk, opts->group ? opts->group : opts->id);
        throttle_set(d->blk->throttle, &opts->throttle);
    }
    return true;
}

DriveInfo *drive_new(const QObject *opts, DriveIf block_default, bool snapshot,
                     const char *loc, Error **errp)
{
    g_autoptr(QObject) o = qobject_deep_copy(opts);
    DriveOpts parsed = { .snapshot = snapshot, .rerror = BLK_ON_ERROR_AUTO,
                         .werror = BLK_ON_ERROR_AUTO };
    DriveInfo *d = g_new0(DriveInfo, 1);
    bool ok;

    list_init(&d->node);
    d->loc = g_strdup(loc);
    ok = take_place(o, d, block_default, errp) && take_chs(o, d, errp) &&
         take_drive(o, &parsed, errp) && drive_fill(d, &parsed, o, errp);
    drive_opts_free(&parsed);
    if (!ok) {
        drive_free(d);
        return NULL;
    }
    list_append(&drives, &d->node);
    return d;
}

void drive_delete(BlockBackend *blk)
{
    DriveInfo *d = drive_by_blk(blk);

    blk_remove_node(blk);
    g_free(blk->name); /* a device that still has it keeps an empty drive */
    blk->name = g_strdup("");
    blk->monitor_owned = false;
    drive_free(d);
}

void drives_cleanup(void)
{
    DriveInfo *d, *tmp;

    list_foreach_safe (d, tmp, &drives, node) {
        drive_free(d);
    }
}
