/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `raw`: the bytes of a file as they are, or a window of them (`offset=`,
 * `size=`).  When the format was guessed, sector 0 is guarded: a guest that
 * writes another format's header there could make the next start read the
 * host's files through it.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "util/module.h"
#include "util/option.h"

typedef struct RawState {
    uint64_t offset;
    uint64_t size;
    bool has_size;
} RawState;

static bool raw_set_length(BlockNode *n, Error **errp)
{
    RawState *s = n->state;
    int64_t len = node_getlength(n->file->node);

    if (len < 0) {
        error_setg_errno(errp, -len, "Could not get image size");
        return false;
    }
    if (s->offset > (uint64_t)len ||
        (s->has_size && s->size > (uint64_t)len - s->offset)) {
        error_setg(errp, "The sum of offset (%" PRIu64 ") and size (%" PRIu64
                   ") has to be smaller or equal to the actual size of the "
                   "containing file (%" PRId64 ")", s->offset, s->size, len);
        return false;
    }
    n->length = s->has_size ? s->size : (uint64_t)len - s->offset;
    return true;
}

static bool raw_open(BlockNode *n, QObject *opts, Error **errp)
{
    RawState *s = n->state;

    s->has_size = qdict_has(opts, "size");
    if (!opts_take_size(opts, "offset", &s->offset, errp) ||
        !opts_take_size(opts, "size", &s->size, errp)) {
        return false;
    }
    if (!node_open_child(n, opts, "file", errp)) {
        return false;
    }
    if (s->has_size && s->size % BLK_SECTOR) {
        error_setg(errp, "Specified size is not multiple of 512");
        return false;
    }
    n->request_alignment = n->file->node->request_alignment;
    n->mem_alignment = n->file->node->mem_alignment;
    if (s->offset % n->request_alignment) {
        n->request_alignment = 1; /* the file below sorts it out */
    }
    if (n->flags & BLK_O_PROBED) {
        n->request_alignment = MAX(n->request_alignment, BLK_SECTOR);
        if (!node_is_read_only(n)) {
            fprintf(stderr, "WARNING: Image format was not specified for '%s' "
                    "and probing guessed raw.\n         Automatically "
                    "detecting the format is dangerous for raw images, write "
                    "operations on block 0 will be restricted.\n         "
                    "Specify the 'raw' format explicitly to remove the "
                    "restrictions.\n", n->file->node->filename);
        }
    }
    n->pdiscard_alignment = n->file->node->pdiscard_alignment;
    n->supported_zero_flags = n->file->node->supported_zero_flags;
    n->supported_write_flags = n->file->node->supported_write_flags;
    return raw_set_length(n, errp);
}

/* A plain view of the file: as if our users used it themselves. */
static void raw_child_perm(BlockNode *n, const BlockEdge *e, unsigned perm,
                           unsigned shared, unsigned *nperm, unsigned *nshared)
{
    *nperm = perm;
    *nshared = shared;
    if (n->flags & BLK_O_FORCE_SHARE) {
        *nperm &= BLK_PERM_CONSISTENT_READ;
        *nshared = BLK_PERM_ALL;
    }
}

static int raw_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    RawState *s = n->state;

    return node_preadv(n->file->node, s->offset + offset, bytes, v, 0);
}

static int raw_pin(BlockNode *n, uint64_t offset, uint64_t bytes, bool write,
                   BlockPin *p)
{
    RawState *s = n->state;

    if (write && (n->flags & BLK_O_PROBED) && offset == 0) {
        return -EAGAIN; /* raw_pwritev() looks at the data */
    }
    p->below = n->file->node;
    p->where = s->offset + offset;
    return 0;
}

static bool harmful_header(BlockNode *n, BlockVec v)
{
    uint8_t sector[BLK_SECTOR];
    const BlockDriver *drv;

    block_vec_to_buf(v, sector, sizeof(sector));
    drv = block_driver_probe(sector, sizeof(sector), NULL);
    return drv != n->drv;
}

static int raw_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v, unsigned flags)
{
    RawState *s = n->state;

    if ((n->flags & BLK_O_PROBED) && offset == 0 && bytes >= BLK_SECTOR &&
        harmful_header(n, v)) {
        return -EPERM;
    }
    return node_pwritev(n->file->node, s->offset + offset, bytes, v, flags);
}

static int raw_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                             unsigned flags)
{
    RawState *s = n->state;

    return node_pwrite_zeroes(n->file->node, s->offset + offset, bytes,
                              flags);
}

static int raw_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    RawState *s = n->state;

    return node_pdiscard(n->file->node, s->offset + offset, bytes);
}

static bool raw_truncate(BlockNode *n, uint64_t bytes, bool exact,
                         const char *prealloc, unsigned flags, Error **errp)
{
    RawState *s = n->state;

    if (s->has_size) {
        error_setg(errp, "Cannot resize fixed-size raw disks");
        return false;
    }
    if (bytes > (uint64_t)BLK_MAX_LENGTH - s->offset) {
        error_setg(errp, "Disk size too large for the chosen offset");
        return false;
    }
    if (!node_truncate(n->file->node, s->offset + bytes, exact, prealloc,
                       flags, errp)) {
        return false;
    }
    return raw_set_length(n, errp);
}

static int64_t raw_getlength(BlockNode *n)
{
    RawState *s = n->state;
    int64_t len;

    if (s->has_size) {
        return s->size;
    }
    len = node_getlength(n->file->node);
    return len < 0 ? len : MAX(0, len - (int64_t)s->offset);
}

static int raw_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                            uint64_t bytes, uint64_t *pnum, uint64_t *map,
                            BlockNode **file)
{
    RawState *s = n->state;

    *pnum = bytes;
    *map = s->offset + offset;
    *file = n->file->node;
    return BLK_ST_RAW | BLK_ST_OFFSET_VALID;
}

static bool raw_create(const char *filename, QObject *opts, Error **errp)
{
    return block_create(block_driver_find("file"), filename, opts, errp);
}

static const BlockCreateOpt raw_create_opts[] = {
    { "preallocation", BLK_OPT_STR,
      "Preallocation mode (allowed values: off, falloc, full)", "off" },
    { "size", BLK_OPT_SIZE, "Virtual disk size", NULL },
    { NULL }
};

static const BlockDriver driver_raw = {
    .name = "raw",
    .kind = BLK_FORMAT,
    .state_size = sizeof(RawState),
    .open = raw_open,
    .child_perm = raw_child_perm,
    .preadv = raw_preadv,
    .pin = raw_pin,
    .pwritev = raw_pwritev,
    .pwrite_zeroes = raw_pwrite_zeroes,
    .pdiscard = raw_pdiscard,
    .truncate = raw_truncate,
    .getlength = raw_getlength,
    .block_status = raw_block_status,
    .create = raw_create,
    .create_opts = raw_create_opts,
};

static void raw_register(void)
{
    block_driver_register(&driver_raw);
}
block_init(raw_register)
