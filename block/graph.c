/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graph of nodes: drivers' registry, references, edges, permissions.
 * Opening lives in open.c.  BQL (tools: the only thread).
 */
#include "osdep.h"
#include "block/block-int.h"

ListNode block_nodes = LIST_INIT(block_nodes);
BlockHooks block_hooks;

/* ---- drivers ----------------------------------------------------------------- */

static GPtrArray *drivers;

void block_driver_register(const BlockDriver *drv)
{
    if (!drivers) {
        drivers = g_ptr_array_new();
    }
    g_ptr_array_add(drivers, (void *)drv);
}

const BlockDriver *block_driver_find(const char *name)
{
    for (guint i = 0; drivers && i < drivers->len; i++) {
        const BlockDriver *drv = g_ptr_array_index(drivers, i);

        if (!strcmp(drv->name, name)) {
            return drv;
        }
    }
    return NULL;
}

void block_driver_foreach(void (*fn)(const BlockDriver *, void *),
                          void *opaque)
{
    for (guint i = 0; drivers && i < drivers->len; i++) {
        fn(g_ptr_array_index(drivers, i), opaque);
    }
}

const BlockDriver *block_driver_probe(const uint8_t *buf, size_t len,
                                      const char *filename)
{
    const BlockDriver *best = NULL;
    int score = 0;

    for (guint i = 0; drivers && i < drivers->len; i++) {
        const BlockDriver *drv = g_ptr_array_index(drivers, i);
        int s = drv->probe ? drv->probe(buf, len, filename) : 0;

        if (s > score) {
            score = s;
            best = drv;
        }
    }
    return best ? best : block_driver_find("raw");
}

/* ---- references ---------------------------------------------------------------- */

BlockNode *node_find(const char *name)
{
    BlockNode *n;

    list_foreach (n, &block_nodes, all) {
        if (!strcmp(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

void node_ref(BlockNode *n)
{
    n->refs++;
}

static void node_free(BlockNode *n)
{
    BlockEdge *e, *tmp;
    DirtyBitmap *b, *btmp;

    if (n->drv->close && n->state) {
        node_flush(n);
        n->drv->close(n);
    }
    list_foreach_safe (e, tmp, &n->children, parent_node) {
        node_detach_child(e);
    }
    list_foreach_safe (b, btmp, &n->bitmaps, node) {
        dirty_bitmap_free(b);
    }
    list_remove(&n->all);
    g_free(n->state);
    g_free(n->filename);
    g_free(n->exact_filename);
    g_free(n->backing_file);
    g_free(n->backing_format);
    qobject_unref(n->opts);
    mutex_destroy(&n->lock);
    cond_destroy(&n->cond);
    g_free(n);
}

void node_unref(BlockNode *n)
{
    if (n && --n->refs == 0) {
        node_free(n);
    }
}

const char *node_device_or_name(const BlockNode *n)
{
    BlockEdge *e;

    list_foreach (e, &n->parents, child_node) {
        if (e->blk && *blk_name(e->blk)) {
            return blk_name(e->blk);
        }
    }
    return n->name;
}

/* ---- edges ---------------------------------------------------------------------- */

static bool reaches(const BlockNode *from, const BlockNode *to)
{
    BlockEdge *e;

    if (from == to) {
        return true;
    }
    list_foreach (e, &from->children, parent_node) {
        if (reaches(e->node, to)) {
            return true;
        }
    }
    return false;
}

/* Without permissions yet. */
static BlockEdge *edge_new(BlockNode *parent, BlockBackend *blk,
                           BlockNode *child, const char *role)
{
    BlockEdge *e = g_new0(BlockEdge, 1);

    e->role = g_strdup(role);
    e->parent = parent;
    e->blk = blk;
    e->node = child;
    e->shared = BLK_PERM_ALL;
    node_ref(child);
    list_append(&child->parents, &e->child_node);
    list_init(&e->parent_node);
    if (parent) {
        list_append(&parent->children, &e->parent_node);
        if (!strcmp(role, "file")) {
            parent->file = e;
        } else if (!strcmp(role, "backing")) {
            parent->backing = e;
        }
    }
    return e;
}

static void edge_free(BlockEdge *e)
{
    BlockNode *child = e->node;

    if (e->parent) {
        if (e->parent->file == e) {
            e->parent->file = NULL;
        }
        if (e->parent->backing == e) {
            e->parent->backing = NULL;
        }
    }
    list_remove(&e->parent_node);
    list_remove(&e->child_node);
    g_free(e->role);
    g_free(e);
    if (child->refs > 1) {
        node_update_perm(child, NULL);
    }
    node_unref(child);
}

BlockEdge *node_attach_child(BlockNode *parent, BlockNode *child,
                             const char *role, Error **errp)
{
    BlockEdge *e;

    if (reaches(child, parent)) {
        error_setg(errp, "Making '%s' a %s child of '%s' would create a cycle",
                   child->name, role, parent->name);
        return NULL;
    }
    block_pause_begin();
    e = edge_new(parent, NULL, child, role);
    if (!node_update_perm(parent, errp)) {
        edge_free(e);
        e = NULL;
    }
    block_pause_end();
    return e;
}

void node_detach_child(BlockEdge *e)
{
    if (!e) {
        return;
    }
    block_pause_begin();
    edge_free(e);
    block_pause_end();
}

BlockEdge *node_attach_backend(BlockBackend *blk, BlockNode *child,
                               unsigned perm, unsigned shared, Error **errp)
{
    BlockEdge *e;

    block_pause_begin();
    e = edge_new(NULL, blk, child, "root");
    e->perm = perm;
    e->shared = shared;
    if (!node_update_perm(child, errp)) {
        e->perm = 0;
        e->shared = BLK_PERM_ALL;
        edge_free(e);
        e = NULL;
    }
    block_pause_end();
    return e;
}

bool edge_set_perm(BlockEdge *e, unsigned perm, unsigned shared, Error **errp)
{
    unsigned old_perm = e->perm, old_shared = e->shared;

    e->perm = perm;
    e->shared = shared;
    if (!node_update_perm(e->node, errp)) {
        e->perm = old_perm;
        e->shared = old_shared;
        node_update_perm(e->node, NULL);
        return false;
    }
    return true;
}

bool node_replace(BlockNode *from, BlockNode *to, Error **errp)
{
    BlockEdge *e, *tmp;
    bool ok;

    block_pause_begin();
    list_foreach_safe (e, tmp, &from->parents, child_node) {
        /* A filter that was put on top keeps its hold on what it filters. */
        if (e->parent && reaches(to, e->parent)) {
            continue;
        }
        list_remove(&e->child_node);
        list_append(&to->parents, &e->child_node);
        e->node = to;
        to->refs++;
        from->refs--; /* the caller holds one */
    }
    ok = node_update_perm(to, errp) && node_update_perm(from, errp);
    block_pause_end();
    return ok;
}

bool node_set_backing(BlockNode *n, BlockNode *backing, Error **errp)
{
    BlockEdge *old = n->backing;
    bool ok = true;

    block_pause_begin();
    n->backing = NULL;
    if (backing && !node_attach_child(n, backing, "backing", errp)) {
        n->backing = old;
        ok = false;
    } else if (old) {
        edge_free(old);
    }
    block_pause_end();
    return ok;
}

/* ---- permissions ------------------------------------------------------------------ */

static const char *const perm_names[] = {
    "consistent read", "write", "write unchanged", "resize",
};

static char *perm_text(unsigned perm)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < ARRAY_SIZE(perm_names); i++) {
        if (perm & (1u << i)) {
            g_string_append_printf(s, "%s%s", s->len ? ", " : "",
                                   perm_names[i]);
        }
    }
    return g_string_free(s, FALSE);
}

static char *user_text(const BlockEdge *e)
{
    const char *dev = e->blk ? blk_attached_dev(e->blk) : NULL;

    if (dev) {
        return g_strdup_printf("device '%s'", dev);
    }
    if (e->blk) {
        return g_strdup_printf("block device '%s'", blk_name(e->blk));
    }
    return g_strdup_printf("node '%s' (as '%s')",
                           e->parent ? e->parent->name : "?", e->role);
}

static bool parents_agree(const BlockNode *n, Error **errp)
{
    BlockEdge *a, *b;

    list_foreach (a, &n->parents, child_node) {
        list_foreach (b, &n->parents, child_node) {
            unsigned clash = a->perm & ~b->shared;

            if (a != b && clash) {
                g_autofree char *what = perm_text(clash);
                g_autofree char *ua = user_text(a);
                g_autofree char *ub = user_text(b);

                error_setg(errp, "Permission conflict on node '%s': '%s' is "
                           "required by %s and not shared by %s", n->name,
                           what, ua, ub);
                return false;
            }
        }
    }
    return true;
}

/* What a node's parents together need and allow. */
static void cumulative(const BlockNode *n, unsigned *perm, unsigned *shared)
{
    BlockEdge *e;

    *perm = 0;
    *shared = BLK_PERM_ALL;
    list_foreach (e, &n->parents, child_node) {
        *perm |= e->perm;
        *shared &= e->shared;
    }
}

static void default_child_perm(BlockNode *n, const BlockEdge *e, unsigned perm,
                               unsigned shared, unsigned *nperm,
                               unsigned *nshared)
{
    if (n->drv->kind == BLK_FILTER) {
        *nperm = perm;
        *nshared = shared;
    } else if (e == n->backing) {
        /* Others may write below only if our parents do not mind. */
        *nperm = perm & BLK_PERM_CONSISTENT_READ;
        *nshared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
        if (shared & BLK_PERM_WRITE) {
            *nshared |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
        }
    } else {
        /* Metadata is read always and written whenever we may write. */
        *nperm = perm | BLK_PERM_CONSISTENT_READ;
        if (!node_is_read_only(n)) {
            *nperm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
        }
        *nshared = shared & ~(unsigned)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
        *nshared |= BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
    }
    if (n->flags & BLK_O_FORCE_SHARE) {
        *nperm &= BLK_PERM_CONSISTENT_READ;
        *nshared = BLK_PERM_ALL;
    }
}

bool node_update_perm(BlockNode *n, Error **errp)
{
    unsigned perm, shared;
    BlockEdge *e;

    if (!parents_agree(n, errp)) {
        return false;
    }
    cumulative(n, &perm, &shared);
    if ((perm & (BLK_PERM_WRITE | BLK_PERM_RESIZE)) && node_is_read_only(n)) {
        error_setg(errp, "Block node is read-only");
        return false;
    }
    if (n->state && n->drv->set_perm &&
        !n->drv->set_perm(n, perm, shared, errp)) {
        return false;
    }
    list_foreach (e, &n->children, parent_node) {
        unsigned np, ns;

        if (n->drv->child_perm) {
            n->drv->child_perm(n, e, perm, shared, &np, &ns);
        } else {
            default_child_perm(n, e, perm, shared, &np, &ns);
        }
        if (np != e->perm || ns != e->shared) {
            unsigned old_perm = e->perm, old_shared = e->shared;

            e->perm = np;
            e->shared = ns;
            if (!node_update_perm(e->node, errp)) {
                e->perm = old_perm;
                e->shared = old_shared;
                return false;
            }
        }
    }
    return true;
}

/* ---- walking ------------------------------------------------------------------------ */

BlockNode *node_skip_filters(BlockNode *n)
{
    while (n && n->drv->kind == BLK_FILTER && (n->file || n->backing)) {
        n = n->file ? n->file->node : n->backing->node;
    }
    return n;
}

BlockNode *node_backing(BlockNode *n)
{
    n = node_skip_filters(n);
    return n && n->backing ? node_skip_filters(n->backing->node) : NULL;
}

void node_mark_corrupt(BlockNode *n, bool fatal, int64_t offset, int64_t size,
                       const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    mutex_lock(&n->lock);
    if (n->corrupt) {
        mutex_unlock(&n->lock);
        return; /* told already */
    }
    n->corrupt = fatal;
    mutex_unlock(&n->lock);
    error_report("%s: %s: Marking image as corrupt: %s; further %s events "
                 "will be suppressed", n->drv->name, n->name, msg,
                 fatal ? "corruption" : "non-fatal corruption");
    if (block_hooks.image_corrupted) {
        block_hooks.image_corrupted(n, fatal, msg, offset, size);
    }
}
