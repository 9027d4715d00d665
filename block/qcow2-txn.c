/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: changes of many refcounts at once (snapshots, resize, repair, amend).
 * The new refcounts are an array in memory; new tables go to clusters that are
 * free in the old state and in the new; blocks of refcounts that differ are
 * written to new places too, with a new refcount table.  Then one write of the
 * header's first sector makes it all valid: before it the image is the old
 * one, after it the new one, and neither has a leak.
 */
#include "osdep.h"
#include "block/qcow2.h"

#define SLACK_CLUSTERS 4096 /* counts beyond the end of the file */

static bool bit_get(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint64_t i)
{
    bits[i / 8] |= 1u << (i % 8);
}

static size_t counts_bytes(unsigned order, uint64_t n)
{
    return ((n << order) + 7) / 8;
}

/* The arrays cover @n clusters. */
static bool reserve(Qcow2Txn *t, uint64_t n, Error **errp)
{
    uint64_t room = t->room;
    uint8_t *now, *busy;

    if (n <= room) {
        t->n = MAX(t->n, n);
        return true;
    }
    /* Whole blocks of either width, so that blocks are copied as they are. */
    room = ROUND_UP(MAX(n, room + room / 4), t->s->cluster_size * 8);
    if (room > UINT64_C(1) << 40) {
        error_setg(errp, "The image has too many clusters");
        return false;
    }
    now = g_try_realloc(t->now, counts_bytes(t->order, room));
    t->now = now ? now : t->now;
    busy = now ? g_try_realloc(t->busy, room / 8) : NULL;
    t->busy = busy ? busy : t->busy;
    if (!busy) {
        error_setg(errp, "Not enough memory for the reference counts of %"
                   PRIu64 " clusters", n);
        return false;
    }
    memset(t->now + counts_bytes(t->order, t->room), 0,
           counts_bytes(t->order, room) - counts_bytes(t->order, t->room));
    memset(t->busy + t->room / 8, 0, (room - t->room) / 8);
    t->room = room;
    t->n = MAX(t->n, n);
    return true;
}

static bool load_block(Qcow2Txn *t, uint64_t k, const uint8_t *block,
                       uint64_t limit, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t per = BIT(s->rb_bits), first = k * per, used = per;
    uint64_t max = t->order == 6 ? UINT64_MAX >> 1
                                 : BIT(1u << t->order) - 1;

    while (used > 0 &&
           qcow2_rc_get(s->refcount_order, block, used - 1) == 0) {
        used--;
    }
    if (used == 0) {
        return true;
    }
    if (first + used > limit) {
        error_setg(errp, "Reference counts exist for clusters far beyond the "
                   "end of the file; repair the image first");
        return false;
    }
    if (!reserve(t, first + used, errp)) {
        return false;
    }
    for (uint64_t i = 0; i < used; i++) {
        uint64_t v = qcow2_rc_get(s->refcount_order, block, i);

        if (v == 0) {
            continue;
        }
        if (v > max) {
            error_setg(errp, "Cannot decrease refcount entry width to %u bits:"
                       " Cluster at offset %#" PRIx64 " has a refcount of %"
                       PRIu64, 1u << t->order, (first + i) << s->cluster_bits,
                       v);
            return false;
        }
        qcow2_rc_put(t->order, t->now, first + i, v);
        bit_set(t->busy, first + i);
    }
    return true;
}

Qcow2Txn *qcow2_txn_begin(Qcow2State *s, unsigned order, bool load,
                          Error **errp)
{
    Qcow2Txn *t;
    g_autofree uint8_t *block = NULL;
    int64_t len;
    int ret = 0;

    if (s->n->corrupt) {
        error_setg(errp, "The image takes no more changes; it has to be opened "
                   "anew");
        return NULL;
    }
    while (s->wb_busy) {
        cond_wait(&s->cond, &s->lock);
    }
    s->settling = true;
    do {
        ret = qcow2_writeback(s, true, true);
    } while (ret == 0 && (s->l2c.dirty || s->rbc.dirty || s->frees->len ||
                          s->l1_dirty->len || s->rt_dirty->len));
    s->settling = false;
    len = ret == 0 ? node_getlength(qcow2_file(s)) : ret;
    if (len < 0) {
        error_setg_errno(errp, -len, "Could not write the image's metadata");
        return NULL;
    }
    t = g_new0(Qcow2Txn, 1);
    t->s = s;
    t->order = order;
    if (!reserve(t, qcow2_bytes_to_clusters(s, len) + 1, errp)) {
        qcow2_txn_free(t);
        return NULL;
    }
    t->n--;
    block = g_malloc(s->cluster_size);
    for (uint32_t k = 0; load && k < s->rt_size; k++) {
        if (!s->rt[k]) {
            continue;
        }
        if (qcow2_into_cluster(s, s->rt[k])) {
            error_setg(errp, "Refblock offset %#" PRIx64 " unaligned; repair "
                       "the image first", s->rt[k]);
            qcow2_txn_free(t);
            return NULL;
        }
        ret = node_pread(qcow2_file(s), s->rt[k], block, s->cluster_size);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not read a refcount block");
        }
        if (ret < 0 ||
            !load_block(t, k, block, qcow2_bytes_to_clusters(s, len) +
                        SLACK_CLUSTERS, errp)) {
            qcow2_txn_free(t);
            return NULL;
        }
    }
    t->was_n = t->n;
    t->was = g_memdup2(t->busy, (t->n + 7) / 8);
    return t;
}

void qcow2_txn_free(Qcow2Txn *t)
{
    if (t) {
        g_free(t->now);
        g_free(t->busy);
        g_free(t->was);
        g_free(t);
    }
}

void qcow2_txn_mark(Qcow2Txn *t, uint64_t cluster, uint64_t count)
{
    for (uint64_t c = cluster; c < cluster + count && c < t->room; c++) {
        bit_set(t->busy, c);
    }
}

uint64_t qcow2_txn_get(Qcow2Txn *t, uint64_t cluster)
{
    return cluster < t->n ? qcow2_rc_get(t->order, t->now, cluster) : 0;
}

int64_t qcow2_txn_alloc(Qcow2Txn *t, uint64_t bytes, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t count = qcow2_bytes_to_clusters(s, bytes), run = 0;
    uint64_t c = MAX(t->hint, 1); /* never the header */

    for (; run < count; c++) {
        run = c < t->n && bit_get(t->busy, c) ? 0 : run + 1;
        if (run == 1 && count == 1) {
            t->hint = c + 1;
        }
    }
    c -= count;
    if (!reserve(t, c + count, errp)) {
        return -ENOMEM;
    }
    /* Written even if the transaction fails: not fresh any more. */
    s->fresh_end = MAX(s->fresh_end, (c + count) << s->cluster_bits);
    for (uint64_t i = c; i < c + count; i++) {
        bit_set(t->busy, i);
        qcow2_rc_put(t->order, t->now, i, 1);
    }
    return c << s->cluster_bits;
}

bool qcow2_txn_ref(Qcow2Txn *t, uint64_t offset, uint64_t bytes, int delta,
                   Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t max = t->order == 6 ? UINT64_MAX >> 1
                                 : BIT(1u << t->order) - 1;

    for (uint64_t c = offset >> s->cluster_bits;
         bytes && c <= (offset + bytes - 1) >> s->cluster_bits; c++) {
        uint64_t v = qcow2_txn_get(t, c);

        if (delta < 0 ? v == 0 : v >= max || c >= t->n) {
            error_setg(errp, delta < 0 || c >= t->n
                       ? "Cluster at offset %#" PRIx64 " is in use but has no "
                         "reference count; repair the image first"
                       : "Cluster at offset %#" PRIx64 " has the highest "
                         "reference count that its width allows",
                       c << s->cluster_bits);
            return false;
        }
        qcow2_rc_put(t->order, t->now, c, v + delta);
    }
    return true;
}

bool qcow2_txn_ref_entry(Qcow2Txn *t, uint64_t entry, int delta, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t offset = entry & QCOW2_OFFSET;
    uint32_t bytes = s->cluster_size;

    if (entry & QCOW2_COMPRESSED) {
        qcow2_compressed_extent(s, entry, &offset, &bytes);
    } else if (!offset || s->data_edge) {
        return true;
    } else if (qcow2_into_cluster(s, offset)) {
        error_setg(errp, "Cluster allocation offset %#" PRIx64 " unaligned; "
                   "repair the image first", offset);
        return false;
    }
    return qcow2_txn_ref(t, offset, bytes, delta, errp);
}

bool qcow2_txn_write_table(Qcow2Txn *t, uint64_t offset, const uint64_t *table,
                           uint64_t entries, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t bytes = ROUND_UP(MAX(entries * 8, 1), s->cluster_size);
    g_autofree uint64_t *be = g_malloc0(bytes);
    int ret;

    for (uint64_t i = 0; i < entries; i++) {
        be[i] = htobe64(table[i]);
    }
    ret = node_pwrite(qcow2_file(s), offset, be, bytes);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write new metadata");
    }
    return ret == 0;
}

bool qcow2_txn_set_l1(Qcow2Txn *t, uint64_t *table, uint32_t entries,
                      Error **errp)
{
    Qcow2State *s = t->s;
    int64_t at = qcow2_txn_alloc(t, MAX((uint64_t)entries * 8, 1), errp);

    if (at < 0 || !qcow2_txn_write_table(t, at, table, entries, errp) ||
        !qcow2_txn_ref(t, s->l1_offset, (uint64_t)s->l1_size * 8, -1, errp)) {
        return false;
    }
    g_free(s->l1);
    s->l1 = g_memdup2(table, MAX((size_t)entries * 8, 8));
    s->l1_size = entries;
    s->l1_offset = at;
    return true;
}

/* ---- the refcount structure of the new state ------------------------------------- */

typedef struct NewTable {
    uint64_t *rt;       /* offsets of blocks */
    bool *written;      /* block k goes to a new place */
    uint64_t size;      /* entries */
    unsigned rb_bits;
    int64_t at;         /* of the table; 0: none yet */
    uint64_t clusters;
} NewTable;

static bool block_is_zero(Qcow2Txn *t, const NewTable *nt, uint64_t k)
{
    size_t bytes = t->s->cluster_size;

    return (k << nt->rb_bits) >= t->room ||
           buffer_is_zero(t->now + k * bytes, bytes);
}

/* Does block @k differ from the one in the file? */
static int block_changed(Qcow2Txn *t, const NewTable *nt, uint64_t k,
                         bool keep, uint8_t *buf)
{
    Qcow2State *s = t->s;
    size_t bytes = s->cluster_size;
    int ret;

    if (block_is_zero(t, nt, k)) {
        return 0;
    }
    if (!keep || !nt->rt[k]) {
        return 1;
    }
    ret = node_pread(qcow2_file(s), nt->rt[k], buf, bytes);
    if (ret < 0) {
        return ret;
    }
    return memcmp(buf, t->now + k * bytes, bytes) != 0;
}

static bool grow_new_table(Qcow2Txn *t, NewTable *nt, Error **errp)
{
    uint64_t want = ((t->n - 1) >> nt->rb_bits) + 1;

    if (want <= nt->size) {
        return true;
    }
    nt->rt = g_renew(uint64_t, nt->rt, want);
    nt->written = g_renew(bool, nt->written, want);
    memset(nt->rt + nt->size, 0, (want - nt->size) * 8);
    memset(nt->written + nt->size, 0, want - nt->size);
    nt->size = want;
    return true;
}

static void drop_block(Qcow2Txn *t, uint64_t at)
{
    if (qcow2_txn_get(t, at >> t->s->cluster_bits)) {
        qcow2_txn_ref(t, at, t->s->cluster_size, -1, NULL);
    }
}

/* Places for everything that has to be written; until nothing changes. */
static bool place_blocks(Qcow2Txn *t, NewTable *nt, bool keep, Error **errp)
{
    Qcow2State *s = t->s;
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    bool again = true;

    while (again) {
        uint64_t need;

        again = false;
        grow_new_table(t, nt, errp);
        for (uint64_t k = 0; k < nt->size; k++) {
            int64_t at;
            int ret;

            if (nt->written[k]) {
                continue;
            }
            if (nt->rt[k] && block_is_zero(t, nt, k)) {
                drop_block(t, nt->rt[k]); /* no block: all counts are zero */
                nt->rt[k] = 0;
                again = true;
                continue;
            }
            ret = block_changed(t, nt, k, keep, buf);
            if (ret < 0) {
                error_setg_errno(errp, -ret, "Could not read a refcount block");
                return false;
            }
            if (!ret) {
                continue;
            }
            if (keep && nt->rt[k]) {
                drop_block(t, nt->rt[k]);
            }
            at = qcow2_txn_alloc(t, s->cluster_size, errp);
            if (at < 0) {
                return false;
            }
            grow_new_table(t, nt, errp);
            nt->rt[k] = at;
            nt->written[k] = true;
            again = true;
        }
        need = qcow2_bytes_to_clusters(s, nt->size * 8);
        if (need > nt->clusters) { /* the table, with some room */
            if (nt->at > 0) {
                qcow2_txn_ref(t, nt->at, nt->clusters << s->cluster_bits, -1,
                              NULL);
            }
            nt->clusters = need;
            if ((need << s->cluster_bits) > QCOW2_MAX_RT_BYTES) {
                error_setg(errp, "The refcount table would get too large");
                return false;
            }
            nt->at = qcow2_txn_alloc(t, need << s->cluster_bits, errp);
            if (nt->at < 0) {
                return false;
            }
            again = true;
        }
    }
    return true;
}

static bool write_blocks(Qcow2Txn *t, NewTable *nt, Error **errp)
{
    Qcow2State *s = t->s;
    int ret = 0;

    for (uint64_t k = 0; k < nt->size && ret == 0; k++) {
        if (nt->written[k]) {
            ret = node_pwrite(qcow2_file(s), nt->rt[k],
                              t->now + k * s->cluster_size, s->cluster_size);
        }
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write refcount blocks");
        return false;
    }
    return qcow2_txn_write_table(t, nt->at, nt->rt, nt->size, errp);
}

/* What the switch freed: holes in the file, if that is wanted. */
static void discard_freed(Qcow2Txn *t)
{
    Qcow2State *s = t->s;
    uint64_t run = 0;

    for (uint64_t c = 0; c <= t->was_n; c++) {
        bool freed = c < t->was_n && bit_get(t->was, c) &&
                     qcow2_txn_get(t, c) == 0;

        if (freed) {
            run++;
        } else if (run) {
            node_pdiscard(qcow2_file(s), (c - run) << s->cluster_bits,
                          run << s->cluster_bits);
            run = 0;
        }
    }
}

bool qcow2_txn_commit(Qcow2Txn *t, Error **errp)
{
    Qcow2State *s = t->s;
    bool keep = t->order == s->refcount_order && !t->full_header;
    NewTable nt = { .rb_bits = s->cluster_bits + 3 - t->order };
    bool ok = true;
    int ret = 0;

    if (keep) {
        nt.size = s->rt_size;
        while (nt.size > 0 && !s->rt[nt.size - 1]) {
            nt.size--;
        }
        nt.rt = g_memdup2(s->rt, MAX((size_t)nt.size * 8, 8));
        nt.written = g_new0(bool, MAX(nt.size, 1));
    } else { /* all anew: what there was is given up */
        for (uint32_t k = 0; k < s->rt_size && ok; k++) {
            if (s->rt[k] && t->was_n && qcow2_txn_get(t, s->rt[k] >>
                                                      s->cluster_bits)) {
                ok = qcow2_txn_ref(t, s->rt[k], s->cluster_size, -1, errp);
            }
        }
        nt.rt = g_new0(uint64_t, 1);
        nt.written = g_new0(bool, 1);
    }
    if (ok && qcow2_txn_get(t, s->rt_offset >> s->cluster_bits)) {
        ok = qcow2_txn_ref(t, s->rt_offset, (uint64_t)s->rt_size * 8, -1,
                           errp);
    }
    ok = ok && place_blocks(t, &nt, keep, errp) && write_blocks(t, &nt, errp);
    if (ok) {
        ret = qcow2_sync(s);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not flush new metadata");
            ok = false;
        }
    }
    if (ok) {
        uint64_t entries = (nt.clusters << s->cluster_bits) / 8;

        g_free(s->rt);
        s->rt = g_new0(uint64_t, entries);
        memcpy(s->rt, nt.rt, nt.size * 8);
        s->rt_size = entries;
        s->rt_offset = nt.at;
        qcow2_set_geometry(s, s->cluster_bits, s->extl2, t->order);
        ret = t->full_header ? qcow2_write_header(s, errp)
                             : qcow2_write_first_sector(s);
        if (ret < 0) {
            if (!t->full_header) {
                error_setg_errno(errp, -ret, "Could not write the header");
            }
            ok = false;
        }
    }
    qcow2_cache_empty(&s->l2c);
    qcow2_cache_empty(&s->rbc);
    qcow2_meta_forget(s);
    s->free_hint = 0;
    s->comp_pos = 0;
    s->fresh_end = MAX(s->fresh_end, t->n << s->cluster_bits);
    if (!ok) {
        s->n->corrupt = true; /* which of the two is valid is not known */
    } else if (s->pass_discard[FREE_SNAPSHOT]) {
        discard_freed(t);
    }
    g_free(nt.rt);
    g_free(nt.written);
    qcow2_txn_free(t);
    return ok;
}
