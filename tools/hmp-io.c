/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor's "qemu-io": a command of that program on a drive or node of the
 * emulator, by the main thread, which does nothing else meanwhile.  Prints to
 * standard output.
 */
#include "osdep.h"
#include "monitor/hmp-int.h"
#include "tools/io.h"

static BlockBackend *image; /* while a command runs. BQL */

BlockBackend *io_image(void)
{
    return image;
}

static int not_here(char **argv)
{
    printf("command \"%s\" not found\n", argv[0]);
    return -EINVAL;
}

int io_open(int argc, char **argv)
{
    return not_here(argv);
}

int io_close(int argc, char **argv)
{
    return not_here(argv);
}

int io_quit(int argc, char **argv)
{
    return not_here(argv);
}

void hmp_qemu_io(Hmp *mon, const QObject *args, Error **errp)
{
    const char *name = qdict_get_str(args, "device");
    BlockBackend *blk = qdict_get_bool(args, "qdev", false)
                            ? blk_find_by_qdev(name) : blk_find(name);
    BlockNode *n = blk ? blk_node(blk) : node_find(name);

    if (!n) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, blk
                        ? "Device '%s' has no medium"
                        : "Cannot find device='%s' nor node-name='%s'", name,
                        name);
        return;
    }
    /* A backend of our own: the drive's may be an iothread's. */
    image = blk_new("", 0, BLK_PERM_ALL);
    if (blk_insert_node(image, n, errp)) {
        io_command(qdict_get_str(args, "command"));
        blk_drain(image);
    }
    blk_unref(g_steal_pointer(&image));
}
