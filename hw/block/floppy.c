/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floppy drives and media.  A drive's kind is a property or follows from the
 * first medium; a medium's format follows from its size.
 */
#include "osdep.h"
#include "hw/block/fdc-int.h"

static const char *const type_names[] = { "144", "288", "120", "none", "auto",
                                          NULL };

const PropertyInfo prop_fd_type = {
    .name = "FdcDriveType",
    .desc = "FDC drive type, 144/288/120/none/auto",
    .values = type_names,
    .set = prop_enum_set,
    .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

FloppyType fd_type_of(int32_t v)
{
    static const FloppyType types[] = { FLOPPY_144, FLOPPY_288, FLOPPY_120,
                                        FLOPPY_NONE, FLOPPY_AUTO };

    return types[v];
}

/* The formats in use, the usual one of a drive first. */
static const struct Format {
    int8_t type;
    uint8_t secs, cyls, heads, rate;
} formats[] = {
    { FLOPPY_144, 18, 80, 2, FD_RATE_500K }, /* 1440 KiB */
    { FLOPPY_144, 20, 80, 2, FD_RATE_500K },
    { FLOPPY_144, 21, 80, 2, FD_RATE_500K }, /* 1680, "DMF" */
    { FLOPPY_144, 21, 82, 2, FD_RATE_500K },
    { FLOPPY_144, 21, 83, 2, FD_RATE_500K },
    { FLOPPY_144, 22, 80, 2, FD_RATE_500K },
    { FLOPPY_144, 23, 80, 2, FD_RATE_500K },
    { FLOPPY_144, 24, 80, 2, FD_RATE_500K },
    { FLOPPY_288, 36, 80, 2, FD_RATE_1M },   /* 2880 */
    { FLOPPY_288, 39, 80, 2, FD_RATE_1M },
    { FLOPPY_288, 40, 80, 2, FD_RATE_1M },
    { FLOPPY_288, 44, 80, 2, FD_RATE_1M },
    { FLOPPY_288, 48, 80, 2, FD_RATE_1M },
    { FLOPPY_144, 9, 80, 2, FD_RATE_250K },  /* 720, 3.5 inch */
    { FLOPPY_144, 10, 80, 2, FD_RATE_250K },
    { FLOPPY_144, 10, 82, 2, FD_RATE_250K },
    { FLOPPY_144, 10, 83, 2, FD_RATE_250K },
    { FLOPPY_144, 13, 80, 2, FD_RATE_250K },
    { FLOPPY_144, 14, 80, 2, FD_RATE_250K },
    { FLOPPY_120, 15, 80, 2, FD_RATE_500K }, /* 1200, 5.25 inch */
    { FLOPPY_120, 18, 80, 2, FD_RATE_500K },
    { FLOPPY_120, 18, 82, 2, FD_RATE_500K },
    { FLOPPY_120, 18, 83, 2, FD_RATE_500K },
    { FLOPPY_120, 20, 80, 2, FD_RATE_500K },
    { FLOPPY_120, 9, 80, 2, FD_RATE_300K },
    { FLOPPY_120, 11, 80, 2, FD_RATE_300K },
    { FLOPPY_120, 9, 40, 2, FD_RATE_300K },  /* 360 */
    { FLOPPY_120, 9, 40, 1, FD_RATE_300K },
    { FLOPPY_120, 10, 41, 2, FD_RATE_300K },
    { FLOPPY_120, 10, 42, 2, FD_RATE_300K },
    { FLOPPY_120, 8, 40, 2, FD_RATE_250K },  /* 320 */
    { FLOPPY_120, 8, 40, 1, FD_RATE_250K },
    { FLOPPY_144, 9, 40, 2, FD_RATE_250K },  /* 5.25 inch contents in 3.5 */
    { FLOPPY_144, 9, 40, 1, FD_RATE_250K },
};

/* A 2.88 MB drive takes all 3.5 inch media. */
static bool takes(FloppyType drive, int8_t medium)
{
    return drive == FLOPPY_AUTO || drive == medium ||
           (drive == FLOPPY_288 && medium == FLOPPY_144);
}

/* NULL: the size is that of no format such a drive takes. */
static const struct Format *format_of(FloppyType drive, int64_t bytes)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        const struct Format *f = &formats[i];

        if (takes(drive, f->type) &&
            bytes == (int64_t)f->secs * f->cyls * f->heads * FD_SECTOR) {
            return f;
        }
    }
    return NULL;
}

void fd_revalidate(FloppyDrive *d)
{
    const struct Format *f = NULL;
    int64_t len = blk_is_inserted(d->conf.blk) ? blk_length(d->conf.blk) : -1;

    d->inserted = len >= 0;
    d->read_only = d->inserted && blk_is_read_only(d->conf.blk);
    if (d->inserted) {
        f = format_of(d->type, len);
        if (d->type == FLOPPY_AUTO && f) {
            d->type = f->type;
        }
    }
    if (d->type == FLOPPY_AUTO) {
        /* An odd size picks the kind, an empty drive takes the largest. */
        d->type = d->inserted ? FLOPPY_144 : fdc_fallback_type(d->fdc);
    }
    for (size_t i = 0; !f && i < ARRAY_SIZE(formats); i++) {
        if (formats[i].type == d->type) {
            f = &formats[i];
        }
    }
    if (f) {
        d->cyls = f->cyls;
        d->heads = f->heads;
        d->secs = f->secs;
        d->rate = f->rate;
    }
}

static bool change_media(void *opaque, bool load, Error **errp)
{
    FloppyDrive *d = opaque;
    unsigned perm = BLK_PERM_CONSISTENT_READ |
                    (blk_is_writable(d->conf.blk) ? BLK_PERM_WRITE : 0);

    /* Without a medium it wants nothing, so that any may come. */
    if (!blk_set_perm(d->conf.blk, load ? perm : 0,
                      load && !d->conf.share_rw
                          ? BLK_PERM_ALL & ~BLK_PERM_WRITE : BLK_PERM_ALL,
                      errp)) {
        return false;
    }
    d->media_changed = true;
    if (load) {
        fd_revalidate(d);
    } else {
        d->inserted = false;
    }
    return true;
}

static const BlockDevOps floppy_dev_ops = {
    .change_media = change_media,
};

static bool floppy_realize(DeviceState *dev, Error **errp)
{
    FloppyDrive *d = (FloppyDrive *)dev;
    FloppyBus *bus = (FloppyBus *)dev->parent_bus;
    g_autofree char *name = dev->id ? g_strdup(dev->id)
                                    : object_path(&dev->obj);
    bool ro;

    if (!fdc_attach(bus->fdc, d, errp)) {
        return false;
    }
    if (!d->conf.blk) {
        d->conf.blk = blk_new("", 0, BLK_PERM_ALL); /* an empty drive */
    }
    if (d->conf.logical_block_size && d->conf.logical_block_size != FD_SECTOR) {
        error_setg(errp, "Physical and logical block size must be 512 for "
                   "floppy");
        return false;
    }
    ro = !blk_is_writable(d->conf.blk);
    if (!blk_conf_realize(&d->conf, ro, false, name, &floppy_dev_ops, d,
                          errp)) {
        return false;
    }
    d->type = fdc_forced_type(d->fdc, d->unit);
    if (d->type == FLOPPY_AUTO) {
        d->type = fd_type_of(d->type_prop);
    }
    fd_revalidate(d);
    d->media_changed = true;
    return true;
}

static const Property floppy_props[] = {
    PROP_UINT32("unit", FloppyDrive, unit, UINT32_MAX),
    PROP_DRIVE("drive", FloppyDrive, conf.blk),
    PROP_("drive-type", FloppyDrive, type_prop, int32_t, prop_fd_type, 4),
    PROP_SIZE32("logical_block_size", FloppyDrive, conf.logical_block_size, 0),
    PROP_SIZE32("physical_block_size", FloppyDrive, conf.physical_block_size,
                0),
    PROP_SIZE32("min_io_size", FloppyDrive, conf.min_io_size, 0),
    PROP_SIZE32("opt_io_size", FloppyDrive, conf.opt_io_size, 0),
    PROP_SIZE32("discard_granularity", FloppyDrive, conf.discard_granularity,
                UINT32_MAX),
    PROP_ON_OFF_AUTO("write-cache", FloppyDrive, conf.write_cache,
                     ON_OFF_AUTO_AUTO),
    PROP_BOOL("share-rw", FloppyDrive, conf.share_rw, false),
    PROP_END(),
};

static void floppy_init(DeviceState *dev)
{
    FloppyDrive *d = (FloppyDrive *)dev;

    d->conf.rerror = d->conf.werror = BLK_ON_ERROR_AUTO;
}

static const VMStateField floppy_fields[] = {
    VMSTATE_BOOL(media_changed, FloppyDrive),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_floppy = {
    .name = "floppy",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = floppy_fields,
};

static const DeviceInfo floppy_info = {
    .name = "floppy",
    .desc = "virtual floppy drive",
    .bus = BUS_FLOPPY,
    .category = DEVICE_CATEGORY_STORAGE,
    .no_hotplug = true,
    .size = sizeof(FloppyDrive),
    .props = floppy_props,
    .vmsd = &vmstate_floppy,
    .init = floppy_init,
    .realize = floppy_realize,
};

static char *floppy_fw_path(DeviceState *dev)
{
    return g_strdup_printf("floppy@%x", ((FloppyDrive *)dev)->unit);
}

static bool floppy_bus_full(BusState *bus)
{
    unsigned n = 0;
    DeviceState *d;

    list_foreach (d, &bus->devices, bus_node) {
        n++;
    }
    return n >= FD_DRIVES;
}

static const BusInfo floppy_bus_info = {
    .name = BUS_FLOPPY,
    .size = sizeof(FloppyBus),
    .device_type = "floppy-device",
    .device_size = sizeof(DeviceState),
    .fw_dev_path = floppy_fw_path,
    .is_full = floppy_bus_full,
};

static void floppy_register(void)
{
    bus_register(&floppy_bus_info);
    device_register(&floppy_info);
}
device_init(floppy_register)
