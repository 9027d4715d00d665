/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What disk devices have in common: the properties "drive", block sizes,
 * error policies, and the disk geometry that BIOSes of old ask for.
 */
#include "osdep.h"
#include "block/backend-int.h"
#include "util/option.h"

/* ---- "drive" ------------------------------------------------------------------- */

static bool drive_prop_set(Object *obj, const Property *p, void *field,
                           QObject *value, Error **errp)
{
    BlockBackend **slot = field, *blk;
    const char *name;

    if (qobject_type(value) != QTYPE_STRING) {
        error_setg(errp, "Parameter '%s' expects a string", p->name);
        return false;
    }
    name = qstring_get(value);
    blk = *name ? blk_find(name) : NULL;
    if (blk) {
        blk_ref(blk);
    } else {
        BlockNode *n = node_find(name);

        if (!n) {
            error_setg(errp, "Property '%s.%s' can't find value '%s'",
                       obj->type->name, p->name, name);
            return false;
        }
        blk = blk_new("", 0, BLK_PERM_ALL);
        if (!blk_insert_node(blk, n, errp)) {
            blk_unref(blk);
            return false;
        }
    }
    blk_unref(*slot);
    *slot = blk;
    return true;
}

static QObject *drive_prop_get(Object *obj, const Property *p,
                               const void *field)
{
    BlockBackend *const *slot = field;

    if (!*slot) {
        return qstring_new("");
    }
    return qstring_new(*(*slot)->name || !(*slot)->root
                           ? (*slot)->name : (*slot)->root->node->name);
}

static void drive_prop_release(Object *obj, const Property *p, void *field)
{
    BlockBackend **slot = field;

    blk_unref(*slot);
    *slot = NULL;
}

const PropertyInfo prop_drive = {
    .name = "str",
    .desc = "Node name or ID of a block device to use as a backend",
    .set = drive_prop_set,
    .get = drive_prop_get,
    .release = drive_prop_release,
};

static const char *const on_error_names[] = { "report", "ignore", "enospc",
                                              "stop", "auto", NULL };
const PropertyInfo prop_on_error = {
    .name = "BlockdevOnError",
    .desc = "Error handling policy, report/ignore/enospc/stop/auto",
    .values = on_error_names,
    .set = prop_enum_set,
    .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

static const char *const trans_names[] = { "auto", "none", "lba", "large",
                                           "rechs", NULL };
const PropertyInfo prop_bios_chs_trans = {
    .name = "BiosAtaTranslation",
    .desc = "Logical CHS translation algorithm, auto/none/lba/large/rechs",
    .values = trans_names,
    .set = prop_enum_set,
    .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

/* ---- realize --------------------------------------------------------------------- */

static bool check_size(const char *name, uint32_t v, Error **errp)
{
    if (v < 512 || v > 2 * MiB || (v & (v - 1))) {
        error_setg(errp, "Property .%s doesn't take value %u: a power of 2 "
                   "from 512 to 2097152", name, v);
        return false;
    }
    return true;
}

static bool check_sizes(BlockConf *c, Error **errp)
{
    c->logical_block_size = c->logical_block_size ? c->logical_block_size
                                                  : BLK_SECTOR;
    c->physical_block_size = c->physical_block_size ? c->physical_block_size
                                                    : c->logical_block_size;
    if (!check_size("logical_block_size", c->logical_block_size, errp) ||
        !check_size("physical_block_size", c->physical_block_size, errp)) {
        return false;
    }
    if (c->logical_block_size > c->physical_block_size) {
        error_setg(errp, "logical_block_size > physical_block_size not "
                   "supported");
        return false;
    }
    if (c->min_io_size % c->logical_block_size ||
        c->opt_io_size % c->logical_block_size) {
        error_setg(errp, "%s must be a multiple of logical_block_size",
                   c->min_io_size % c->logical_block_size ? "min_io_size"
                                                          : "opt_io_size");
        return false;
    }
    if (c->discard_granularity != UINT32_MAX && c->discard_granularity &&
        c->discard_granularity % c->logical_block_size) {
        error_setg(errp, "discard_granularity must be a multiple of "
                   "logical_block_size");
        return false;
    }
    return true;
}

bool blk_conf_realize(BlockConf *c, bool read_only, bool resizable,
                      const char *qdev, const BlockDevOps *ops, void *opaque,
                      Error **errp)
{
    unsigned perm = BLK_PERM_CONSISTENT_READ;
    unsigned shared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
    unsigned old_perm = c->blk->perm, old_shared = c->blk->shared;
    DriveInfo *d = drive_by_blk(c->blk);

    if (!check_sizes(c, errp)) {
        return false;
    }
    if (c->rerror == BLK_ON_ERROR_ENOSPC) {
        error_setg(errp, "rerror=enospc is not possible");
        return false;
    }
    if (!blk_attach_dev(c->blk, qdev, ops, opaque, errp)) {
        return false;
    }
    if (!read_only) {
        perm |= BLK_PERM_WRITE;
    }
    if (c->share_rw) {
        shared |= BLK_PERM_WRITE;
    }
    if (resizable) {
        shared |= BLK_PERM_RESIZE;
    }
    if (!blk_set_perm(c->blk, perm, shared, errp)) {
        blk_set_perm(c->blk, old_perm, old_shared, NULL);
        blk_detach_dev(c->blk);
        return false;
    }
    if (c->write_cache != ON_OFF_AUTO_AUTO) {
        blk_set_write_cache(c->blk, c->write_cache == ON_OFF_AUTO_ON);
    }
    blk_set_on_error(c->blk,
                     c->rerror == BLK_ON_ERROR_AUTO
                         ? blk_get_on_error(c->blk, true)
                         : (BlockErrorPolicy)c->rerror,
                     c->werror == BLK_ON_ERROR_AUTO
                         ? blk_get_on_error(c->blk, false)
                         : (BlockErrorPolicy)c->werror);
    if (d) {
        d->claimed = true;
        if (!c->serial && d->serial) {
            c->serial = g_strdup(d->serial);
        }
        if (!c->cyls && d->cyls) {
            c->cyls = d->cyls;
            c->heads = d->heads;
            c->secs = d->secs;
            c->bios_chs_trans = c->bios_chs_trans ? c->bios_chs_trans
                                                  : d->trans;
        }
    }
    return true;
}

void blk_conf_unrealize(BlockConf *c)
{
    blk_detach_dev(c->blk);
}

/* ---- geometry ----------------------------------------------------------------------- */

/*
 * The geometry that a partition table implies: partitions end at the last
 * head and sector of a cylinder (IBM PC AT convention).
 */
static bool from_partition_table(BlockBackend *blk, uint64_t sectors,
                                 uint32_t *heads, uint32_t *secs)
{
    uint8_t mbr[BLK_SECTOR];

    /* On the node: the guest's accounts do not show it. */
    if (sectors == 0 || node_pread(blk_node(blk), 0, mbr, sizeof(mbr)) < 0 ||
        mbr[510] != 0x55 || mbr[511] != 0xaa) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = mbr + 446 + 16 * i;
        uint32_t size = p[12] | p[13] << 8 | p[14] << 16 |
                        (uint32_t)p[15] << 24;

        if (size && p[5] && p[6] & 63) {
            uint64_t cyls;

            *heads = p[5] + 1;
            *secs = p[6] & 63;
            cyls = sectors / (*heads * *secs);
            if (cyls >= 1 && cyls <= 16383) {
                return true;
            }
        }
    }
    return false;
}

bool blk_conf_geometry(BlockConf *c, unsigned max_cyls, unsigned max_heads,
                       unsigned max_secs, Error **errp)
{
    int64_t len = blk_length(c->blk);
    uint64_t sectors = len > 0 ? len / BLK_SECTOR : 0, cyls;
    uint32_t heads, secs;

    if (!c->cyls && !c->heads && !c->secs) {
        bool lba = true;

        c->heads = 16;
        c->secs = 63;
        if (from_partition_table(c->blk, sectors, &heads, &secs)) {
            if (heads <= 16) {
                /* A small disk, used without translation. */
                c->heads = heads;
                c->secs = secs;
                lba = false;
            }
        }
        cyls = sectors / (c->heads * c->secs);
        c->cyls = MAX(2, MIN(cyls, 16383));
        if (c->bios_chs_trans == BIOS_TRANS_AUTO) {
            c->bios_chs_trans = !lba ? BIOS_TRANS_NONE
                : cyls <= 1024 ? BIOS_TRANS_NONE
                : cyls * c->heads <= 131072 ? BIOS_TRANS_LARGE
                : BIOS_TRANS_LBA;
        }
    } else if (c->bios_chs_trans == BIOS_TRANS_AUTO) {
        c->bios_chs_trans = c->cyls <= 1024 ? BIOS_TRANS_NONE : BIOS_TRANS_LBA;
    }
    if (!c->cyls || c->cyls > max_cyls) {
        error_setg(errp, "cyls must be between 1 and %u", max_cyls);
        return false;
    }
    if (!c->heads || c->heads > max_heads) {
        error_setg(errp, "heads must be between 1 and %u", max_heads);
        return false;
    }
    if (!c->secs || c->secs > max_secs) {
        error_setg(errp, "secs must be between 1 and %u", max_secs);
        return false;
    }
    return true;
}
