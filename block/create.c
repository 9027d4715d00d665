/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making image files: checks the options, then it is the driver's. */
#include "osdep.h"
#include "block/block-int.h"
#include "util/option.h"

bool block_create(const BlockDriver *drv, const char *filename, QObject *opts,
                  Error **errp)
{
    g_autoptr(QObject) left = NULL;

    if (!drv) {
        error_setg(errp, "Unknown file format");
        return false;
    }
    if (!drv->create) {
        error_setg(errp, "Format driver '%s' does not support image creation",
                   drv->name);
        return false;
    }
    left = opts ? qobject_deep_copy(opts) : qdict_new();
    for (size_t i = 0; i < qdict_size(left); i++) {
        const char *key = qdict_key_at(left, i);
        bool known = !strcmp(key, "size");

        for (const BlockCreateOpt *o = drv->create_opts; o && o->name; o++) {
            known |= !strcmp(o->name, key);
        }
        if (!known) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return false;
        }
    }
    return drv->create(filename, left, errp);
}
