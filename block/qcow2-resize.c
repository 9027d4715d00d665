/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: other sizes, and back to empty. */
#include "osdep.h"
#include "block/qcow2.h"

bool qcow2_grow_l1(Qcow2State *s, uint64_t entries, Error **errp)
{
    g_autofree uint64_t *l1 = NULL;
    Qcow2Txn *t;

    if (entries <= s->l1_size) {
        return true;
    }
    if (entries * 8 > QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "The L1 table would get too large");
        return false;
    }
    t = qcow2_txn_begin(s, s->refcount_order, true, errp);
    if (!t) {
        return false;
    }
    l1 = g_new0(uint64_t, entries);
    memcpy(l1, s->l1, (size_t)s->l1_size * 8);
    if (!qcow2_txn_set_l1(t, l1, entries, errp)) {
        qcow2_txn_free(t);
        return false;
    }
    return qcow2_txn_commit(t, errp);
}

/* Gives up the mappings of [from, to), and tables that are only about it. */
static int drop_all(Qcow2State *s, uint64_t from, uint64_t to)
    REQUIRES(s->lock)
{
    uint64_t span = BIT(s->cluster_bits + s->l2_bits);
    int ret = from < to ? qcow2_drop_clusters(s, from, to - from, true,
                                              FREE_SNAPSHOT) : 0;

    for (uint64_t i = DIV_ROUND_UP(from, span);
         ret == 0 && i < MIN(s->l1_size, DIV_ROUND_UP(to, span)); i++) {
        Qcow2L1Change c = { .index = i };
        uint64_t table = s->l1[i] & QCOW2_OFFSET;

        if (!table || !(s->l1[i] & QCOW2_COPIED)) {
            continue;
        }
        s->l1[i] = 0;
        g_array_append_val(s->l1_dirty, c);
        g_hash_table_remove(s->new_tables, &table);
        qcow2_cache_forget(&s->l2c, table, s->cluster_size);
        qcow2_free_later(s, table, s->cluster_size, FREE_OTHER);
    }
    return ret;
}

static bool write_size(Qcow2State *s, uint64_t size, Error **errp)
    REQUIRES(s->lock)
{
    uint8_t be[8];
    int ret;

    put_be64(be, size);
    ret = qcow2_writeback(s, true, true);
    if (ret == 0) {
        ret = node_pwrite_sync(qcow2_file(s), HDR_SIZE, be, 8);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to update the image size");
        return false;
    }
    s->size = size;
    s->n->length = size;
    return true;
}

static void wait_idle(Qcow2State *s) REQUIRES(s->lock)
{
    while (s->wb_busy) {
        cond_wait(&s->cond, &s->lock);
    }
}

static bool change_size(Qcow2State *s, uint64_t bytes, const char *prealloc,
                        Error **errp) REQUIRES(s->lock)
{
    uint64_t old = s->size, old_end = ROUND_UP(old, s->cluster_size);
    uint64_t new_end = ROUND_UP(bytes, s->cluster_size);
    int ret;

    if (bytes < old && strcmp(prealloc, "off")) {
        error_setg(errp, "Preallocation can't be used for shrinking an image");
        return false;
    }
    if (bytes < old) {
        if (!write_size(s, bytes, errp)) {
            return false;
        }
        ret = drop_all(s, new_end, old_end);
        if (ret == 0) {
            ret = qcow2_writeback(s, true, true);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to discard cropped clusters");
        }
        return ret == 0;
    }
    if (qcow2_l1_needed(s, bytes) * 8 > QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "Image size too large for file format (try using a "
                   "larger cluster size)");
        return false;
    }
    /* What lies behind the end (an aborted shrink) must not come back, and
     * the backing file must not show through there. */
    ret = drop_all(s, old_end, new_end);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to clear the new area");
        return false;
    }
    if (!qcow2_grow_l1(s, qcow2_l1_needed(s, bytes), errp)) {
        return false;
    }
    if (s->data_edge && s->data->length < bytes &&
        !node_truncate(s->data, bytes, false, "off", 0, errp)) {
        return false;
    }
    if (strcmp(prealloc, "off") &&
        !qcow2_preallocate(s, old_end, bytes, prealloc, errp)) {
        return false;
    }
    return write_size(s, bytes, errp);
}

bool qcow2_truncate(BlockNode *n, uint64_t bytes, bool exact,
                    const char *prealloc, unsigned flags, Error **errp)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full" };
    Qcow2State *s = n->state;
    uint64_t old;
    bool ok = false;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        ok |= !strcmp(prealloc, modes[i]);
    }
    if (!ok) {
        error_setg(errp, "Unsupported preallocation mode '%s'", prealloc);
        return false;
    }
    if (bytes % BLK_SECTOR) {
        error_setg(errp, "The new size must be a multiple of %u", BLK_SECTOR);
        return false;
    }
    if (s->nb_snapshots && s->version < 3) {
        error_setg(errp, "Can't resize a v2 image which has snapshots");
        return false;
    }
    if (s->data_file_raw && bytes > s->size && !strcmp(prealloc, "off")) {
        prealloc = "metadata";
    }
    mutex_lock(&s->lock);
    wait_idle(s);
    old = s->size;
    ok = true;
    if (bytes > old) { /* a shrink may have left something in the cluster */
        uint64_t end = MIN(bytes, ROUND_UP(old, s->cluster_size));
        int ret = end > old ? qcow2_zero_part(s, old, end - old) : 0;

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to zero out the new area");
            ok = false;
        }
    }
    ok = ok && change_size(s, bytes, prealloc, errp);
    mutex_unlock(&s->lock);
    if (ok && bytes > old && n->backing && n->backing->node->length > old) {
        /* The part of the backing file that would now show. */
        uint64_t end = MIN(bytes, n->backing->node->length);
        int ret = node_pwrite_zeroes(n, old, end - old, 0);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to zero out the new area");
            ok = false;
        }
    }
    return ok;
}

bool qcow2_make_empty(BlockNode *n, Error **errp)
{
    Qcow2State *s = n->state;
    int ret;

    mutex_lock(&s->lock);
    wait_idle(s);
    ret = drop_all(s, 0, ROUND_UP(s->size, s->cluster_size));
    if (ret == 0) {
        ret = qcow2_writeback(s, true, true);
    }
    mutex_unlock(&s->lock);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not empty '%s'", n->filename);
    }
    return ret == 0;
}
