/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making image files: checks the options, then it is the driver's.  Overlays
 * of snapshot=on, and the words of cache=. */
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

BlockNode *block_temp_overlay(BlockNode *base, Error **errp)
{
    const BlockDriver *qcow2 = block_driver_find("qcow2");
    const char *dir = getenv("TMPDIR");
    g_autofree char *path = NULL;
    g_autoptr(QObject) create = qdict_new();
    QObject *opts, *file;
    BlockNode *n;
    int fd;

    if (!qcow2 || !qcow2->create) {
        error_setg(errp, "temporary snapshots need the format driver 'qcow2'");
        return NULL;
    }
    path = g_strdup_printf("%s/vl.XXXXXX", dir && *dir ? dir : "/var/tmp");
    fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not create temporary file '%s'",
                         path);
        return NULL;
    }
    close(fd);
    qdict_put(create, "size",
              quint_new(ROUND_UP(node_getlength(base), BLK_SECTOR)));
    if (!block_create(qcow2, path, create, errp)) {
        unlink(path);
        return NULL;
    }
    opts = qdict_new();
    file = qdict_new();
    qdict_put_str(opts, "driver", "qcow2");
    qdict_put_str(file, "driver", "file");
    qdict_put_str(file, "filename", path);
    qdict_put(opts, "file", file);
    qdict_put_str(opts, "backing", base->name);
    n = node_open(opts, BLK_O_RDWR | BLK_O_NO_FLUSH | BLK_O_UNMAP, errp);
    unlink(path); /* it lives as long as it is open */
    if (!n) {
        error_prepend(errp, "snapshot=on: ");
    }
    return n;
}

/* cache= to flags; false for an unknown word. */
bool block_cache_mode(const char *mode, unsigned *flags, bool *writethrough)
{
    static const struct {
        const char *name;
        unsigned flags;
        bool writethrough;
    } modes[] = {
        { "none", BLK_O_DIRECT, false }, { "off", BLK_O_DIRECT, false },
        { "writeback", 0, false }, { "writethrough", 0, true },
        { "directsync", BLK_O_DIRECT, true }, { "unsafe", BLK_O_NO_FLUSH, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (!strcmp(mode, modes[i].name)) {
            *flags &= ~(unsigned)(BLK_O_DIRECT | BLK_O_NO_FLUSH);
            *flags |= modes[i].flags;
            *writethrough = modes[i].writethrough;
            return true;
        }
    }
    return false;
}
