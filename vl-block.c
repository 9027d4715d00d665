/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks from the command line. */
#include "osdep.h"
#include "vl.h"
#include "block/block.h"

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

bool make_drives(const VMConfig *cfg, const MachineState *m, Error **errp)
{
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
