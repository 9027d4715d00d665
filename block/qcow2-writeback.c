/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: the one way from memory to the file.  A writeback takes what is dirty
 * now and writes it in steps with syncs between (qcow2.h, crash order):
 *
 *   A  refcount blocks; L2 tables that nothing in the file names yet
 *      [sync, refcount table entries]       only when blocks are new
 *      sync, which also covers guest data
 *   B  other L2 slices, L1 entries
 *      sync, if it is to be durable
 *   C  what lost its last reference in B is free: refcounts shrink in memory
 *
 * While it syncs the lock is dropped, so step B writes copies of the L2 slices
 * as they were in A; what changes meanwhile waits for the next writeback.
 */
#include "osdep.h"
#include "block/qcow2.h"

typedef struct LateSlice {
    Qcow2Slice *slice; /* pinned */
    void *copy;        /* NULL: the slice's own data */
} LateSlice;

typedef struct Writeback {
    GArray *late;      /* LateSlice */
    GArray *l1, *rt, *frees;
    GHashTable *new_tables;
    uint64_t l1_offset, rt_offset;
    bool keep_lock;
} Writeback;

int qcow2_sync(Qcow2State *s)
{
    int ret = s->data_edge ? node_flush(s->data) : 0;

    node_debug_event(qcow2_file(s), "flush_to_disk");
    return ret < 0 ? ret : node_flush(qcow2_file(s));
}

static int wb_sync(Qcow2State *s, const Writeback *w) REQUIRES(s->lock)
{
    int ret;

    if (w->keep_lock) {
        return qcow2_sync(s);
    }
    mutex_unlock(&s->lock);
    ret = qcow2_sync(s);
    mutex_lock(&s->lock);
    return ret;
}

static bool nothing_dirty(const Qcow2State *s)
{
    return !s->l2c.dirty && !s->rbc.dirty && !s->l1_dirty->len &&
           !s->rt_dirty->len;
}

static int write_table_entry(Qcow2State *s, uint64_t table, uint32_t index,
                             uint64_t value)
{
    uint8_t buf[8];

    put_be64(buf, value);
    return node_pwrite(qcow2_file(s), table + (uint64_t)index * 8, buf, 8);
}

static int write_step_a(Qcow2State *s, Writeback *w) REQUIRES(s->lock)
{
    g_autoptr(GPtrArray) rbs = NULL;
    g_autoptr(GPtrArray) l2s = qcow2_cache_list_dirty(&s->l2c);
    bool refcounts = !s->lazy || s->settling;
    int ret = 0;

    if (refcounts) {
        rbs = qcow2_cache_list_dirty(&s->rbc);
        for (guint i = 0; i < rbs->len && ret == 0; i++) {
            ret = qcow2_cache_write_one(s, &s->rbc, rbs->pdata[i]);
        }
    }
    for (guint i = 0; i < l2s->len && ret == 0; i++) {
        Qcow2Slice *sl = l2s->pdata[i];
        uint64_t table = sl->offset & ~(s->cluster_size - 1);

        if (w->new_tables &&
            g_hash_table_contains(w->new_tables, &table)) {
            ret = qcow2_cache_write_one(s, &s->l2c, sl);
        } else {
            LateSlice late = { .slice = sl };

            if (!w->keep_lock) {
                late.copy = g_memdup2(sl->data, s->l2c.bytes);
            }
            sl->pins++;
            qcow2_cache_cleaned(&s->l2c, sl);
            g_array_append_val(w->late, late);
        }
    }
    if (ret == 0 && w->rt->len > 0) {
        /* Copies of the values: the table may move while we sync. */
        g_autofree uint64_t *values = g_new(uint64_t, w->rt->len);

        for (guint i = 0; i < w->rt->len; i++) {
            values[i] = s->rt[g_array_index(w->rt, uint32_t, i)];
        }
        ret = wb_sync(s, w);
        for (guint i = 0; i < w->rt->len && ret == 0 &&
             s->rt_offset == w->rt_offset; i++) {
            ret = write_table_entry(s, s->rt_offset,
                                    g_array_index(w->rt, uint32_t, i),
                                    values[i]);
        }
    }
    return ret;
}

static int write_step_b(Qcow2State *s, Writeback *w) REQUIRES(s->lock)
{
    int ret = 0;

    for (guint i = 0; i < w->late->len && ret == 0; i++) {
        LateSlice *late = &g_array_index(w->late, LateSlice, i);

        node_debug_event(qcow2_file(s), "l2_update");
        ret = node_pwrite(qcow2_file(s), late->slice->offset,
                          late->copy ? late->copy : late->slice->data,
                          s->l2c.bytes);
    }
    for (guint i = 0; i < w->l1->len && ret == 0; i++) {
        Qcow2L1Change *c = &g_array_index(w->l1, Qcow2L1Change, i);

        node_debug_event(qcow2_file(s), "l1_update");
        ret = write_table_entry(s, w->l1_offset, c->index, c->entry);
    }
    return ret;
}

/* What a failed writeback took is dirty again. */
static void give_back(Qcow2State *s, Writeback *w) REQUIRES(s->lock)
{
    for (guint i = 0; i < w->late->len; i++) {
        qcow2_cache_dirty(&s->l2c, g_array_index(w->late, LateSlice, i).slice);
    }
    if (w->l1_offset == s->l1_offset) {
        g_array_prepend_vals(s->l1_dirty, w->l1->data, w->l1->len);
    }
    if (w->rt_offset == s->rt_offset) {
        g_array_prepend_vals(s->rt_dirty, w->rt->data, w->rt->len);
    }
    if (w->frees) {
        g_array_prepend_vals(s->frees, w->frees->data, w->frees->len);
    }
    if (w->new_tables) {
        GHashTableIter it;
        gpointer key;

        g_hash_table_iter_init(&it, w->new_tables);
        while (g_hash_table_iter_next(&it, &key, NULL)) {
            g_hash_table_add(s->new_tables, g_memdup2(key, 8));
        }
    }
}

static GArray *take_array(GArray **a, guint size)
{
    GArray *old = *a;

    *a = g_array_new(FALSE, FALSE, size);
    return old;
}

int qcow2_writeback(Qcow2State *s, bool keep_lock, bool durable)
{
    Writeback w = { .keep_lock = keep_lock };
    bool ordered;
    int ret = 0;

    node_debug_event(qcow2_file(s), "flush_to_os");
    if (s->n->corrupt) {
        return -EIO;
    }
    while (s->wb_busy) {
        if (keep_lock) {
            return -EBUSY;
        }
        cond_wait(&s->cond, &s->lock);
    }
    if (nothing_dirty(s) && !(durable && s->frees->len)) {
        return durable ? wb_sync(s, &w) : 0;
    }
    if (s->lazy && (ret = qcow2_mark_dirty(s)) < 0) {
        return ret;
    }
    s->wb_busy = true;
    w.late = g_array_new(FALSE, FALSE, sizeof(LateSlice));
    w.l1 = take_array(&s->l1_dirty, sizeof(Qcow2L1Change));
    w.l1_offset = s->l1_offset;
    w.rt_offset = s->rt_offset;
    if (!s->lazy || s->settling) {
        w.rt = take_array(&s->rt_dirty, sizeof(uint32_t));
    } else {
        w.rt = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    }
    if (durable) {
        w.frees = take_array(&s->frees, sizeof(Qcow2Free));
    }
    if (g_hash_table_size(s->new_tables)) {
        w.new_tables = s->new_tables;
        s->new_tables = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                              g_free, NULL);
    }
    ret = write_step_a(s, &w);
    ordered = w.late->len || w.l1->len;
    if (ret == 0 && ordered) {
        ret = wb_sync(s, &w);
    }
    if (ret == 0) {
        ret = write_step_b(s, &w);
    }
    if (ret == 0 && durable) {
        ret = wb_sync(s, &w);
    }
    if (ret < 0) {
        give_back(s, &w);
    }
    for (guint i = 0; i < w.late->len; i++) {
        LateSlice *late = &g_array_index(w.late, LateSlice, i);

        qcow2_cache_put(late->slice);
        g_free(late->copy);
    }
    if (ret == 0 && w.frees) {
        qcow2_apply_frees(s, w.frees); /* what fails leaks */
    }
    s->wb_busy = false;
    cond_broadcast(&s->cond);
    g_array_unref(w.late);
    g_array_unref(w.l1);
    g_array_unref(w.rt);
    if (w.frees) {
        g_array_unref(w.frees);
    }
    if (w.new_tables) {
        g_hash_table_unref(w.new_tables);
    }
    return ret;
}

int qcow2_settle(Qcow2State *s)
{
    int ret = 0;

    s->settling = true;
    do {
        ret = qcow2_writeback(s, false, true);
    } while (ret == 0 && (!nothing_dirty(s) || s->frees->len));
    s->settling = false;
    if (ret == 0 && (s->incompat & INCOMPAT_DIRTY)) {
        s->incompat &= ~(uint64_t)INCOMPAT_DIRTY;
        ret = qcow2_write_features(s);
    }
    return ret;
}

int qcow2_write_features(Qcow2State *s)
{
    uint8_t buf[24];
    int ret;

    if (s->version < 3) {
        return 0;
    }
    put_be64(buf, s->incompat);
    put_be64(buf + 8, s->compat);
    put_be64(buf + 16, s->autoclear);
    ret = node_pwrite(qcow2_file(s), HDR_INCOMPAT, buf, sizeof(buf));
    return ret < 0 ? ret : node_flush(qcow2_file(s));
}

int qcow2_mark_dirty(Qcow2State *s)
{
    int ret;

    if (s->version < 3 || (s->incompat & INCOMPAT_DIRTY)) {
        return 0;
    }
    s->incompat |= INCOMPAT_DIRTY;
    ret = qcow2_write_features(s);
    if (ret < 0) {
        s->incompat &= ~(uint64_t)INCOMPAT_DIRTY;
    }
    return ret;
}

int qcow2_corrupt(Qcow2State *s, int64_t offset, int64_t size,
                  const char *fmt, ...)
{
    bool fatal = !node_is_read_only(s->n);
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (s->n->flags & BLK_O_CHECK) {
        return -EIO; /* the check tells */
    }
    if (fatal && s->version >= 3 && !(s->incompat & INCOMPAT_CORRUPT)) {
        s->incompat |= INCOMPAT_CORRUPT;
        qcow2_write_features(s); /* best effort: writes stop in any case */
    }
    node_mark_corrupt(s->n, fatal, offset, size, "%s", msg);
    return -EIO;
}
