/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks from the command line. */
#include "osdep.h"
#include "vl.h"
#include "block/block-qmp.h"
#include "hw/qdev.h"

/* An empty drive that stands there unless the user took its place. */
static bool default_drive(DriveIf type, int bus, int unit, const char *text,
                          Error **errp)
{
    g_autoptr(QObject) opts = NULL;

    if (drive_get(type, bus, unit)) {
        return true;
    }
    opts = json_parse(text, &error_abort);
    return drive_new(opts, type, false, "default drive", errp) != NULL;
}

/* if=virtio: a disk on the PCI bus, after the user's devices. */
bool make_virtio_drives(Error **errp)
{
    for (DriveInfo *d = drive_next(NULL); d; d = drive_next(d)) {
        g_autoptr(QObject) opts = NULL;

        if (d->type != DRIVE_IF_VIRTIO) {
            continue;
        }
        opts = qdict_new();
        qdict_put_str(opts, "driver", "virtio-blk-pci");
        qdict_put_str(opts, "drive", blk_name(d->blk));
        if (!device_add(opts, errp)) {
            error_prepend(errp, "%s: ", d->loc);
            return false;
        }
    }
    return true;
}

bool make_drives(const VMConfig *cfg, const MachineState *m, Error **errp)
{
    block_emu_init();
    for (size_t i = 0; i < cfg->blockdevs.n; i++) {
        if (!blockdev_add(cfg->blockdevs.items[i]->opts, errp)) {
            error_prepend(errp, "%s: ", cfg->blockdevs.items[i]->loc);
            return false;
        }
    }
    for (size_t i = 0; i < cfg->drives.n; i++) {
        const ConfigItem *item = cfg->drives.items[i];

        if (!drive_new(item->opts, DRIVE_IF_IDE, cfg->snapshot, item->loc,
                       errp)) {
            error_prepend(errp, "%s: ", item->loc);
            return false;
        }
    }
    return (!m->default_cdrom ||
            default_drive(DRIVE_IF_IDE, 1, 0,
                          "{\"if\":\"ide\",\"bus\":\"1\",\"unit\":\"0\","
                          "\"media\":\"cdrom\"}", errp)) &&
           (!m->default_floppy ||
            default_drive(DRIVE_IF_FLOPPY, 0, 0,
                          "{\"if\":\"floppy\",\"index\":\"0\"}", errp));
}
