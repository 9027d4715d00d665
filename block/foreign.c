/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image formats that exist but not here: refused by name, and recognised, so
 * that an image of theirs is never taken for a raw disk by probing.
 */
#include "osdep.h"
#include "block/block-int.h"

static const char *const names[] = {
    "bochs", "cloop", "dmg", "luks", "nbd", "parallels", "qcow", "qed",
    "replication", "vdi", "vhdx", "vmdk", "vpc", "vvfat", "quorum", "ssh",
    "http", "https", "ftp", "ftps", "iscsi", "nfs", "rbd", "gluster", "nvme",
    "blklogwrites", "compress", "copy-before-write", "preallocate",
    "snapshot-access",
};

static const struct {
    const char *format;
    unsigned offset, len;
    const char *magic;
} magics[] = {
    { "qcow", 0, 8, "QFI\xfb\0\0\0\x01" },
    { "qed", 0, 4, "QED\0" },
    { "vmdk", 0, 4, "KDMV" },
    { "vmdk", 0, 4, "COWD" },
    { "vmdk", 0, 21, "# Disk DescriptorFile" },
    { "vdi", 64, 4, "\x7f\x10\xda\xbe" },
    { "vpc", 0, 8, "conectix" },
    { "vhdx", 0, 8, "vhdxfile" },
    { "parallels", 0, 16, "WithoutFreeSpace" },
    { "parallels", 0, 16, "WithouFreSpacExt" },
    { "bochs", 0, 22, "Bochs Virtual HD Image" },
    { "luks", 0, 6, "LUKS\xba\xbe" },
};

bool block_driver_foreign(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(names[i], name)) {
            return true;
        }
    }
    return false;
}

const char *block_probe_foreign(const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
        if (len >= magics[i].offset + magics[i].len &&
            !memcmp(buf + magics[i].offset, magics[i].magic, magics[i].len)) {
            return magics[i].format;
        }
    }
    return NULL;
}
