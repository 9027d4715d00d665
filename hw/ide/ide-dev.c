/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drives: ide-hd, ide-cd, ide-cf, and 0.12's ide-drive (either). */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/ide/ide-int.h"
#include "hw/ide.h"

/* ---- disk callbacks ------------------------------------------------------------------ */

static void hd_resize(void *opaque)
{
    IDEDrive *d = opaque;
    int64_t len = blk_length(d->conf.blk);

    d->nsectors = len > 0 ? len / IDE_SECTOR : 0;
}

static const BlockDevOps hd_dev_ops = {
    .resize = hd_resize,
};

/* ---- stop and go ----------------------------------------------------------------------- */

static void retry_bh(void *opaque)
{
    IDEDrive *d = opaque;
    IDEOp op = d->retry;

    d->retry = IDE_OP_NONE;
    if (op != IDE_OP_NONE) {
        ata_retry(d, op);
    }
}

static void vm_changed(void *opaque, bool running, RunState state)
{
    IDEDrive *d = opaque;

    if (running && d->retry != IDE_OP_NONE) {
        blk_iostatus_reset(d->conf.blk);
        retry_bh(d);
    }
}

/* ---- realize ----------------------------------------------------------------------------- */

static bool take_place(IDEDrive *d, Error **errp)
{
    IDEBus *bus = (IDEBus *)d->qdev.parent_bus;

    if (d->unit == UINT32_MAX) {
        d->unit = bus->drive[0] ? 1 : 0;
    }
    if (d->unit >= 2) {
        error_setg(errp, "Can't create IDE unit %u, bus supports only 2 units",
                   d->unit);
        return false;
    }
    if (bus->drive[d->unit]) {
        error_setg(errp, "IDE unit %u is in use", d->unit);
        return false;
    }
    d->bus = bus;
    return true;
}

static void default_names(IDEDrive *d)
{
    static const char *const models[] = {
        [IDE_HD] = "QEMU HARDDISK", [IDE_CD] = "QEMU DVD-ROM",
        [IDE_CF] = "QEMU MICRODRIVE",
    };

    if (!d->version) {
        d->version = g_strdup("2.5+");
    }
    if (!d->model) {
        d->model = g_strdup(models[d->kind]);
    }
    if (d->conf.serial) {
        g_strlcpy(d->serial, d->conf.serial, sizeof(d->serial));
    } else {
        /* By the place: 1 to 4. */
        snprintf(d->serial, sizeof(d->serial), "QM%05d",
                 d->bus->index * 2 + (int)d->unit + 1);
    }
}

static bool check_disk(IDEDrive *d, Error **errp)
{
    int64_t len = blk_length(d->conf.blk);

    if (!blk_is_inserted(d->conf.blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    if (blk_is_read_only(d->conf.blk)) {
        error_setg(errp, "Can't use a read-only drive");
        return false;
    }
    if (d->conf.logical_block_size && d->conf.logical_block_size != 512) {
        error_setg(errp, "logical_block_size must be 512 for IDE");
        return false;
    }
    d->nsectors = len > 0 ? len / IDE_SECTOR : 0;
    return true;
}

static char *qdev_name(IDEDrive *d)
{
    return d->qdev.id ? g_strdup(d->qdev.id) : object_path(&d->qdev.obj);
}

static bool realize(IDEDrive *d, IDEKind kind, Error **errp)
{
    g_autofree char *name = qdev_name(d);

    d->kind = kind;
    if (!take_place(d, errp)) {
        return false;
    }
    if (!d->conf.blk) {
        if (kind != IDE_CD) {
            error_setg(errp, "No drive specified");
            return false;
        }
        d->conf.blk = blk_new("", 0, BLK_PERM_ALL); /* an empty drive */
    }
    if (d->conf.serial && strlen(d->conf.serial) > 20) {
        error_setg(errp, "serial is too long: at most 20 characters");
        return false;
    }
    if (kind != IDE_CD && !check_disk(d, errp)) {
        return false;
    }
    if (!blk_conf_realize(&d->conf, kind == IDE_CD, kind != IDE_CD, name,
                          kind == IDE_CD ? &atapi_dev_ops : &hd_dev_ops, d,
                          errp)) {
        return false;
    }
    if (kind == IDE_CD) {
        int64_t len = blk_length(d->conf.blk);

        d->nsectors = len > 0 ? len / IDE_SECTOR : 0;
    } else if (!blk_conf_geometry(&d->conf, 65535, 16, 255, errp)) {
        blk_conf_unrealize(&d->conf);
        return false;
    }
    default_names(d);
    d->cyls = d->conf.cyls;
    d->heads = d->conf.heads;
    d->secs = d->conf.secs;
    d->smart_enabled = 1;
    d->smart_autosave = 1;
    d->buf = g_malloc0(IDE_BUFFER + 4);
    d->bus->drive[d->unit] = d;
    blk_iostatus_enable(d->conf.blk);
    d->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                       .fn = vm_changed, .opaque = d };
    vm_change_add(&d->vm_change);
    ide_bus_reset(d->bus);
    return true;
}

static bool hd_realize(DeviceState *dev, Error **errp)
{
    return realize((IDEDrive *)dev, IDE_HD, errp);
}

static bool cd_realize(DeviceState *dev, Error **errp)
{
    return realize((IDEDrive *)dev, IDE_CD, errp);
}

static bool cf_realize(DeviceState *dev, Error **errp)
{
    return realize((IDEDrive *)dev, IDE_CF, errp);
}

/* media= of -drive says which it is. */
static bool drive_realize(DeviceState *dev, Error **errp)
{
    IDEDrive *d = (IDEDrive *)dev;
    DriveInfo *di = d->conf.blk ? drive_by_blk(d->conf.blk) : NULL;

    return realize(d, di && di->is_cdrom ? IDE_CD : IDE_HD, errp);
}

static void ide_unrealize(DeviceState *dev)
{
    IDEDrive *d = (IDEDrive *)dev;

    vm_change_remove(&d->vm_change);
    ide_cancel(d);
    d->bus->drive[d->unit] = NULL;
    blk_conf_unrealize(&d->conf);
    g_free(d->buf);
    d->buf = NULL;
}

static void ide_reset(DeviceState *dev)
{
    IDEDrive *d = (IDEDrive *)dev;

    ide_cancel(d);
    d->cyls = d->conf.cyls;
    d->heads = d->conf.heads;
    d->secs = d->conf.secs;
    d->mult_sectors = d->kind == IDE_CD ? 0 : IDE_MAX_MULT;
    d->xfer_mode = 8 << 3 | 5; /* UDMA 5 */
    d->sense_key = d->asc = 0;
    d->lba = 0;
    d->lba48 = d->atapi_dma = false;
    d->chunk = d->dma_done = d->reply_pos = d->cd_sector_size = 0;
    d->media_changed = 0;
    d->event_new_media = d->event_eject = false;
    d->tray_locked = false;
    d->smart_enabled = d->smart_autosave = 1;
    if (d->tray_open) {
        d->tray_open = false; /* the drive loads what lies there */
        blk_eject(d->conf.blk, false);
    }
}

/* ---- data --------------------------------------------------------------------------------- */

static const Property hd_props[] = {
    PROP_BLOCK_CONF(IDEDrive, conf),
    PROP_UINT32("cyls", IDEDrive, conf.cyls, 0),
    PROP_UINT32("heads", IDEDrive, conf.heads, 0),
    PROP_UINT32("secs", IDEDrive, conf.secs, 0),
    PROP_("bios-chs-trans", IDEDrive, conf.bios_chs_trans, int32_t,
          prop_bios_chs_trans, BIOS_TRANS_AUTO),
    PROP_STR("ver", IDEDrive, version),
    PROP_STR("model", IDEDrive, model),
    PROP_UINT64("wwn", IDEDrive, wwn, 0),
    PROP_UINT16("rotation_rate", IDEDrive, rotation_rate, 0),
    PROP_BOOTINDEX(),
    PROP_END(),
};

static const Property cd_props[] = {
    PROP_BLOCK_CONF(IDEDrive, conf),
    PROP_STR("ver", IDEDrive, version),
    PROP_STR("model", IDEDrive, model),
    PROP_UINT64("wwn", IDEDrive, wwn, 0),
    PROP_BOOTINDEX(),
    PROP_END(),
};

static bool post_load(void *opaque, int version, Error **errp)
{
    IDEDrive *d = opaque;

    if (d->data_pos > IDE_BUFFER || d->data_end > IDE_BUFFER ||
        d->data_pos > d->data_end || d->pio_next >= PIO_NEXT_MAX ||
        d->dma_op >= IDE_OP_MAX || d->retry >= IDE_OP_MAX ||
        d->mult_sectors > IDE_MAX_MULT || d->reply_pos > IDE_BUFFER ||
        (d->cd_sector_size && d->cd_sector_size != CD_SECTOR &&
         d->cd_sector_size != CD_RAW) || d->heads > 256 ||
        (d->kind != IDE_CD ? d->reply_left > IDE_MAX_MULT
                           : d->reply_left > IDE_BUFFER - d->reply_pos) ||
        (d->chunk > IDE_BUFFER / IDE_SECTOR && d->pio_next == PIO_WRITE)) {
        error_setg(errp, "ide: counters out of range");
        return false;
    }
    d->smart_selftest_count = MIN(d->smart_selftest_count, 255);
    if (d->kind == IDE_CD) {
        int64_t len = blk_length(d->conf.blk);

        d->nsectors = len > 0 ? len / IDE_SECTOR : 0;
    }
    return true;
}

static bool buffer_needed(const void *opaque)
{
    const IDEDrive *d = opaque;

    return d->pio_next != PIO_IDLE || d->reply_left || d->retry ||
           d->dma_op != IDE_OP_NONE;
}

static void save_buf(const void *field, VMStateWriter *w)
{
    vmstate_put_bytes(w, *(uint8_t *const *)field, IDE_BUFFER);
}

static bool load_buf(void *field, VMStateReader *r, Error **errp)
{
    return vmstate_get_bytes(r, *(uint8_t **)field, IDE_BUFFER, errp);
}

static const VMStateField buffer_fields[] = {
    VMSTATE_CUSTOM("buf", IDEDrive, buf, save_buf, load_buf),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_buffer = {
    .name = "ide-drive/buffer",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = buffer_needed,
    .fields = buffer_fields,
};

static const VMStateDescription *const drive_subsections[] = {
    &vmstate_buffer, NULL
};

static const VMStateField drive_fields[] = {
    VMSTATE_UINT16(cyls, IDEDrive),
    VMSTATE_UINT16(heads, IDEDrive),
    VMSTATE_UINT16(secs, IDEDrive),
    VMSTATE_UINT8(mult_sectors, IDEDrive),
    VMSTATE_UINT8(xfer_mode, IDEDrive),
    VMSTATE_BOOL(lba48, IDEDrive),
    VMSTATE_UINT64(lba, IDEDrive),
    VMSTATE_UINT32(count, IDEDrive),
    VMSTATE_UINT32(chunk, IDEDrive),
    VMSTATE_UINT32(data_pos, IDEDrive),
    VMSTATE_UINT32(data_end, IDEDrive),
    VMSTATE_UINT32(pio_next, IDEDrive),
    VMSTATE_UINT32(dma_op, IDEDrive),
    VMSTATE_UINT32(retry, IDEDrive),
    VMSTATE_UINT32(dma_done, IDEDrive),
    VMSTATE_UINT8(smart_enabled, IDEDrive),
    VMSTATE_UINT8(smart_autosave, IDEDrive),
    VMSTATE_UINT8(smart_errors, IDEDrive),
    VMSTATE_UINT8(smart_selftest_count, IDEDrive),
    VMSTATE_BUFFER(smart_selftest, IDEDrive),
    VMSTATE_UINT8(sense_key, IDEDrive),
    VMSTATE_UINT8(asc, IDEDrive),
    VMSTATE_BOOL(atapi_dma, IDEDrive),
    VMSTATE_BOOL(tray_open, IDEDrive),
    VMSTATE_BOOL(tray_locked, IDEDrive),
    VMSTATE_BOOL(event_new_media, IDEDrive),
    VMSTATE_BOOL(event_eject, IDEDrive),
    VMSTATE_UINT8(media_changed, IDEDrive),
    VMSTATE_UINT32(reply_left, IDEDrive),
    VMSTATE_UINT32(reply_pos, IDEDrive),
    VMSTATE_UINT32(cd_sector_size, IDEDrive),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_drive = {
    .name = "ide-drive",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = post_load,
    .fields = drive_fields,
    .subsections = drive_subsections,
};

#define IDE_DEVICE(nm, text, rlz, prp) \
    { .name = nm, .desc = text, .bus = BUS_IDE, \
      .category = DEVICE_CATEGORY_STORAGE, .no_hotplug = true, \
      .size = sizeof(IDEDrive), .props = prp, .vmsd = &vmstate_drive, \
      .realize = rlz, .unrealize = ide_unrealize, .reset = ide_reset }

static const DeviceInfo infos[] = {
    IDE_DEVICE("ide-hd", "virtual IDE disk", hd_realize, hd_props),
    IDE_DEVICE("ide-cd", "virtual IDE CD-ROM", cd_realize, cd_props),
    IDE_DEVICE("ide-cf", "virtual CompactFlash card", cf_realize, hd_props),
    IDE_DEVICE("ide-drive", "virtual IDE disk or CD-ROM (legacy)",
               drive_realize, hd_props),
};

bool ide_drive_chs(DeviceState *dev, IDEChs *out)
{
    IDEDrive *d = (IDEDrive *)dev;

    if (!device_is_a(dev, "ide-device") || d->kind == IDE_CD) {
        return false;
    }
    *out = (IDEChs){ d->conf.cyls, d->conf.heads, d->conf.secs,
                     d->conf.bios_chs_trans };
    return true;
}

static void ide_dev_register(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
        device_register(&infos[i]);
    }
}
device_init(ide_dev_register)
