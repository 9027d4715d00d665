/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -blockdev and blockdev-add: a node with a name that the monitor owns. */
#include "osdep.h"
#include "block/block-int.h"
#include "util/option.h"

bool blockdev_add(const QObject *opts, Error **errp)
{
    g_autoptr(QObject) nested = keyval_crumple((QObject *)opts, errp);
    BlockNode *n;

    if (!nested) {
        return false;
    }
    if (!qdict_get_str(nested, "node-name")) {
        error_setg(errp, "'node-name' must be specified for the root node");
        return false;
    }
    n = node_open(qobject_ref(nested), BLK_O_RDWR, errp);
    if (!n) {
        return false;
    }
    n->monitor_owned = true; /* and so is our reference */
    return true;
}
