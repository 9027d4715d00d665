/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What filter drivers do alike; and `copy-on-read`. */
#include "osdep.h"
#include "block/filter.h"
#include "util/module.h"
#include "util/option.h"

void filter_take_limits(BlockNode *n)
{
    BlockNode *c = n->file->node;

    n->length = c->length;
    n->request_alignment = c->request_alignment;
    n->mem_alignment = c->mem_alignment;
    n->pdiscard_alignment = c->pdiscard_alignment;
    n->pwrite_zeroes_alignment = c->pwrite_zeroes_alignment;
    n->supported_zero_flags = c->supported_zero_flags | BLK_REQ_MAY_UNMAP;
    n->supported_write_flags = c->supported_write_flags | BLK_REQ_FUA;
}

bool filter_open_file(BlockNode *n, QObject *opts, Error **errp)
{
    if (!node_open_child(n, opts, "file", errp)) {
        return false;
    }
    filter_take_limits(n);
    return true;
}

int filter_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    return node_preadv(n->file->node, offset, bytes, v, 0);
}

int filter_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                   unsigned flags)
{
    return node_pwritev(n->file->node, offset, bytes, v, flags);
}

int filter_pwritev_compressed(BlockNode *n, uint64_t offset, uint64_t bytes,
                              BlockVec v)
{
    return node_pwritev(n->file->node, offset, bytes, v, BLK_REQ_COMPRESSED);
}

int filter_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                         unsigned flags)
{
    return node_pwrite_zeroes(n->file->node, offset, bytes, flags);
}

int filter_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    return node_pdiscard(n->file->node, offset, bytes);
}

int64_t filter_getlength(BlockNode *n)
{
    return node_getlength(n->file->node);
}

/* ---- copy-on-read ---------------------------------------------------------------- */

typedef struct CorState {
    char *bottom; /* node down to which it copies; NULL: the whole chain */
} CorState;

static bool cor_open(BlockNode *n, QObject *opts, Error **errp)
{
    CorState *s = n->state;

    if (!opts_take_str(opts, "bottom", &s->bottom, errp) ||
        !filter_open_file(n, opts, errp)) {
        g_free(s->bottom);
        return false;
    }
    if (s->bottom) {
        BlockNode *b = node_skip_filters(n->file->node);

        while (b && strcmp(b->name, s->bottom)) {
            b = node_backing(b);
        }
        if (!b) {
            error_setg(errp, "Bottom node '%s' not found", s->bottom);
            g_free(s->bottom);
            return false;
        }
    }
    return true;
}

static void cor_close(BlockNode *n)
{
    CorState *s = n->state;

    g_free(s->bottom);
}

static void cor_child_perm(BlockNode *n, const BlockEdge *e, unsigned perm,
                           unsigned shared, unsigned *nperm, unsigned *nshared)
{
    *nperm = perm;
    *nshared = shared;
    if (!node_is_read_only(n)) { /* what it copies changes no contents */
        *nperm |= BLK_PERM_WRITE_UNCHANGED;
    }
}

/* Does something from above the bottom node show there? */
static bool from_above(BlockNode *n, const char *bottom, uint64_t offset,
                       uint64_t bytes, uint64_t *pnum)
{
    BlockNode *top = node_skip_filters(n->file->node), *b = top;

    while (b && strcmp(b->name, bottom)) {
        b = node_backing(b);
    }
    b = b ? node_backing(b) : NULL;
    return node_block_status_above(top, b, false, offset, bytes, pnum, NULL,
                                   NULL, NULL) & BLK_ST_ALLOCATED;
}

static int cor_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    CorState *s = n->state;
    bool copies = !node_is_read_only(n->file->node);

    while (bytes > 0) {
        uint64_t pnum = bytes;
        bool copy = copies;
        int ret;

        if (copies && s->bottom) {
            copy = from_above(n, s->bottom, offset, bytes, &pnum);
            pnum = pnum ? MIN(pnum, bytes) : bytes;
        }
        ret = node_preadv(n->file->node, offset, pnum, v,
                          copy ? BLK_REQ_COPY_ON_READ : 0);
        if (ret < 0) {
            return ret;
        }
        offset += pnum;
        bytes -= pnum;
        v = bytes ? block_vec_at(v, pnum) : v;
    }
    return 0;
}

static const BlockDriver driver_cor = {
    .name = "copy-on-read",
    .kind = BLK_FILTER,
    .state_size = sizeof(CorState),
    .open = cor_open,
    .close = cor_close,
    .child_perm = cor_child_perm,
    .preadv = cor_preadv,
    .pwritev = filter_pwritev,
    .pwritev_compressed = filter_pwritev_compressed,
    .pwrite_zeroes = filter_pwrite_zeroes,
    .pdiscard = filter_pdiscard,
    .getlength = filter_getlength,
};

static void filter_register(void)
{
    block_driver_register(&driver_cor);
}
block_init(filter_register)
