/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: refcounts and allocation.  A refcount table (in memory as a whole)
 * names refcount blocks (through a cache of slices) of big-endian counts of 1
 * to 64 bits.  A range without a block has no cluster in use; the block that it
 * gets is the range's first cluster and counts itself.
 */
#include "osdep.h"
#include "block/qcow2.h"

uint64_t qcow2_rc_get(unsigned order, const void *block, uint64_t index)
{
    const uint8_t *p = block;

    switch (order) {
    case 3:
        return p[index];
    case 4:
        return (uint64_t)p[index * 2] << 8 | p[index * 2 + 1];
    case 5:
        return get_be32(p + index * 4);
    case 6:
        return get_be64(p + index * 8);
    default: { /* below a byte: the first count is in the lowest bits */
        unsigned per = 8u >> order, shift = (index % per) << order;

        return (p[index / per] >> shift) & ((1u << (1u << order)) - 1);
    }
    }
}

void qcow2_rc_put(unsigned order, void *block, uint64_t index, uint64_t value)
{
    uint8_t *p = block;

    switch (order) {
    case 3:
        p[index] = value;
        break;
    case 4:
        p[index * 2] = value >> 8;
        p[index * 2 + 1] = value;
        break;
    case 5:
        put_be32(p + index * 4, value);
        break;
    case 6:
        put_be64(p + index * 8, value);
        break;
    default: {
        unsigned per = 8u >> order, shift = (index % per) << order;
        unsigned mask = ((1u << (1u << order)) - 1) << shift;

        p[index / per] = (p[index / per] & ~mask) | ((value << shift) & mask);
    }
    }
}

static uint64_t slice_counts(const Qcow2State *s)
{
    return ((uint64_t)s->rbc.bytes * 8) >> s->refcount_order;
}

/* Where the slice with @cluster's count lies; 0: there is no block. */
static int slice_place(Qcow2State *s, uint64_t cluster, uint64_t *offset)
    REQUIRES(s->lock)
{
    uint64_t k = cluster >> s->rb_bits, block;

    *offset = 0;
    if (k >= s->rt_size || !(block = s->rt[k])) {
        return 0;
    }
    if (block & (s->cluster_size - 1)) {
        return qcow2_corrupt(s, block, s->cluster_size, "Refblock offset %#"
                             PRIx64 " unaligned (reftable index: %#" PRIx64
                             ")", block, k);
    }
    *offset = block + (cluster & (BIT(s->rb_bits) - 1)) / slice_counts(s) *
                          s->rbc.bytes;
    return 0;
}

int qcow2_get_refcount(Qcow2State *s, uint64_t cluster, uint64_t *refcount)
{
    uint64_t at;
    Qcow2Slice *sl;
    int ret = slice_place(s, cluster, &at);

    *refcount = 0;
    if (ret < 0 || !at) {
        return ret;
    }
    ret = qcow2_cache_get(s, &s->rbc, at, false, &sl);
    if (ret == 0) {
        *refcount = qcow2_rc_get(s->refcount_order, sl->data, cluster % slice_counts(s));
        qcow2_cache_put(sl);
    }
    return ret;
}

void qcow2_meta_add(Qcow2State *s, uint64_t offset, uint64_t bytes)
{
    if (!s->meta) {
        return;
    }
    for (uint64_t at = offset & ~(s->cluster_size - 1); at < offset + bytes;
         at += s->cluster_size) {
        g_hash_table_add(s->meta, g_memdup2(&at, 8));
    }
}

void qcow2_meta_forget(Qcow2State *s)
{
    g_clear_pointer(&s->meta, g_hash_table_unref);
}

static void meta_build(Qcow2State *s) REQUIRES(s->lock)
{
    s->meta = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    if (s->overlap & OVERLAP_HEADER) {
        qcow2_meta_add(s, 0, 1);
    }
    if (s->overlap & OVERLAP_L1) {
        qcow2_meta_add(s, s->l1_offset, MAX((uint64_t)s->l1_size * 8, 1));
    }
    if (s->overlap & OVERLAP_L2) {
        for (uint32_t i = 0; i < s->l1_size; i++) {
            if (s->l1[i] & QCOW2_OFFSET) {
                qcow2_meta_add(s, s->l1[i] & QCOW2_OFFSET, s->cluster_size);
            }
        }
    }
    if (s->overlap & OVERLAP_RT) {
        qcow2_meta_add(s, s->rt_offset, (uint64_t)s->rt_size * 8);
    }
    if (s->overlap & OVERLAP_RB) {
        for (uint32_t i = 0; i < s->rt_size; i++) {
            if (s->rt[i]) {
                qcow2_meta_add(s, s->rt[i], s->cluster_size);
            }
        }
    }
    if ((s->overlap & OVERLAP_SNAPSHOTS) && s->snapshots_bytes) {
        qcow2_meta_add(s, s->snapshots_offset, s->snapshots_bytes);
    }
    if (s->overlap & OVERLAP_INACTIVE_L1) {
        for (unsigned i = 0; i < s->nb_snapshots; i++) {
            qcow2_meta_add(s, s->snapshots[i].l1_offset,
                           (uint64_t)s->snapshots[i].l1_size * 8);
        }
    }
    if ((s->overlap & OVERLAP_BITMAPS) && s->bitmap_dir_size) {
        qcow2_meta_add(s, s->bitmap_dir_offset, s->bitmap_dir_size);
    }
}

int qcow2_check_overlap(Qcow2State *s, uint64_t offset, uint64_t bytes)
{
    if (!s->overlap || s->data_edge) {
        return 0;
    }
    if (!s->meta) {
        meta_build(s);
    }
    for (uint64_t at = offset & ~(s->cluster_size - 1); at < offset + bytes;
         at += s->cluster_size) {
        if (g_hash_table_contains(s->meta, &at)) {
            return qcow2_corrupt(s, offset, bytes, "Preventing invalid write "
                                 "on metadata (cluster at %#" PRIx64 ")", at);
        }
    }
    return 0;
}

bool qcow2_overlaps_nothing(Qcow2State *s, uint64_t offset, uint64_t bytes)
{
    if (!s->overlap || s->data_edge) {
        return true;
    }
    for (uint64_t at = offset & ~(s->cluster_size - 1); at < offset + bytes;
         at += s->cluster_size) {
        if (!s->meta || g_hash_table_contains(s->meta, &at)) {
            return false;
        }
    }
    return true;
}

/*
 * More room in the refcount table: a table half as large again, followed by
 * the blocks that count it and themselves, all in the first range that the old
 * one does not cover.  Switched by one header write.
 */
static int grow_table(Qcow2State *s, uint64_t want) REQUIRES(s->lock)
{
    uint64_t first = (uint64_t)s->rt_size << s->rb_bits;
    uint64_t per_cluster = s->cluster_size / 8, entries, tclusters, blocks = 0;
    uint64_t old_offset = s->rt_offset, old_size = s->rt_size, total;
    g_autofree uint64_t *rt = NULL;
    g_autofree uint8_t *buf = NULL;
    uint8_t hdr[12];
    int ret = 0;

    node_debug_event(qcow2_file(s), "reftable_grow");
    entries = MAX(want + 1, (uint64_t)s->rt_size + s->rt_size / 2);
    do {
        uint64_t had = blocks;

        entries = MAX(entries, s->rt_size + blocks);
        entries = ROUND_UP(entries, per_cluster);
        tclusters = entries / per_cluster;
        blocks = DIV_ROUND_UP(tclusters + blocks, BIT(s->rb_bits));
        if (blocks == had && entries >= s->rt_size + blocks) {
            break;
        }
    } while (entries * 8 <= QCOW2_MAX_RT_BYTES);
    if (entries * 8 > QCOW2_MAX_RT_BYTES) {
        return -EFBIG;
    }
    total = tclusters + blocks;
    /* Blocks that the table only names in memory so far. */
    {
        g_autoptr(GPtrArray) dirty = qcow2_cache_list_dirty(&s->rbc);

        for (guint i = 0; i < dirty->len; i++) {
            ret = qcow2_cache_write_one(s, &s->rbc, dirty->pdata[i]);
            if (ret < 0) {
                return ret;
            }
        }
    }
    rt = g_new0(uint64_t, entries);
    memcpy(rt, s->rt, (size_t)s->rt_size * 8);
    buf = g_malloc0(s->cluster_size);
    for (uint64_t i = 0; i < blocks && ret == 0; i++) {
        uint64_t at = (first + tclusters + i) << s->cluster_bits;
        uint64_t covered = i << s->rb_bits;

        rt[s->rt_size + i] = at;
        memset(buf, 0, s->cluster_size);
        for (uint64_t c = covered; c < total && c < covered + BIT(s->rb_bits);
             c++) {
            qcow2_rc_put(s->refcount_order, buf, c - covered, 1);
        }
        ret = node_pwrite(qcow2_file(s), at, buf, s->cluster_size);
    }
    if (ret == 0) {
        g_autofree uint8_t *be = g_malloc0(tclusters << s->cluster_bits);

        for (uint64_t i = 0; i < entries; i++) {
            put_be64(be + i * 8, rt[i]);
        }
        ret = node_pwrite(qcow2_file(s), first << s->cluster_bits, be,
                          tclusters << s->cluster_bits);
    }
    if (ret == 0) {
        ret = qcow2_sync(s);
    }
    if (ret < 0) {
        return ret;
    }
    put_be64(hdr, first << s->cluster_bits);
    put_be32(hdr + 8, tclusters);
    ret = node_pwrite(qcow2_file(s), HDR_RT_OFFSET, hdr, sizeof(hdr));
    if (ret == 0) {
        ret = qcow2_sync(s);
    }
    if (ret < 0) {
        return ret; /* which one counts is not known; both are valid */
    }
    g_free(s->rt);
    s->rt = g_steal_pointer(&rt);
    s->rt_size = entries;
    s->rt_offset = first << s->cluster_bits;
    g_array_set_size(s->rt_dirty, 0);
    qcow2_meta_add(s, s->rt_offset, total << s->cluster_bits);
    s->fresh_end = MAX(s->fresh_end, (first + total) << s->cluster_bits);
    qcow2_free_later(s, old_offset, old_size * 8, FREE_OTHER);
    return 0;
}

/* The slice for @cluster, with a new block if there is none yet; pinned. */
static int slice_for_write(Qcow2State *s, uint64_t cluster, Qcow2Slice **out)
    REQUIRES(s->lock)
{
    uint64_t k = cluster >> s->rb_bits, first = k << s->rb_bits, at;
    int ret;

    if (k >= s->rt_size) {
        ret = grow_table(s, k);
        if (ret < 0) {
            return ret;
        }
    }
    ret = slice_place(s, cluster, &at);
    if (ret < 0) {
        return ret;
    }
    if (!at) {
        uint64_t block = first << s->cluster_bits;
        uint64_t end = block + s->cluster_size;

        node_debug_event(qcow2_file(s), "refblock_alloc");
        if (first == 0) {
            return qcow2_corrupt(s, -1, -1, "the first refcount block is "
                                 "missing");
        }
        for (uint64_t o = block; o < end; o += s->rbc.bytes) {
            Qcow2Slice *sl;

            ret = qcow2_cache_get(s, &s->rbc, o, true, &sl);
            if (ret < 0) {
                return ret;
            }
            if (o == block) {
                qcow2_rc_put(s->refcount_order, sl->data, 0, 1);
            }
            qcow2_cache_dirty(&s->rbc, sl);
            qcow2_cache_put(sl);
        }
        s->rt[k] = block;
        g_array_append_val(s->rt_dirty, (uint32_t){ k });
        qcow2_meta_add(s, block, s->cluster_size);
        s->fresh_end = MAX(s->fresh_end, end);
        ret = slice_place(s, cluster, &at);
        if (ret < 0) {
            return ret;
        }
    }
    return qcow2_cache_get(s, &s->rbc, at, false, out);
}

int qcow2_add_refcount(Qcow2State *s, uint64_t first, uint64_t count,
                       int delta)
{
    uint64_t per = slice_counts(s), done = 0;

    while (done < count) {
        uint64_t c = first + done, index = c % per;
        uint64_t n = MIN(per - index, count - done);
        Qcow2Slice *sl;
        int ret = slice_for_write(s, c, &sl);

        if (ret < 0) {
            return ret;
        }
        for (uint64_t i = 0; i < n; i++) {
            uint64_t v = qcow2_rc_get(s->refcount_order, sl->data, index + i);

            if (delta < 0 ? v == 0 : v == s->refcount_max) {
                qcow2_cache_dirty(&s->rbc, sl);
                qcow2_cache_put(sl);
                return delta < 0 ? -EINVAL : -ERANGE;
            }
            v += delta;
            qcow2_rc_put(s->refcount_order, sl->data, index + i, v);
            if (v == 0) {
                uint64_t at = (c + i) << s->cluster_bits;

                s->free_hint = MIN(s->free_hint, c + i);
                if (s->comp_pos >> s->cluster_bits == c + i) {
                    s->comp_pos = 0;
                }
                if (s->meta) {
                    g_hash_table_remove(s->meta, &at);
                }
            }
        }
        qcow2_cache_dirty(&s->rbc, sl);
        qcow2_cache_put(sl);
        done += n;
    }
    return 0;
}

/* First free cluster at or after @from, and how many follow, up to @want. */
static int find_free(Qcow2State *s, uint64_t from, uint64_t want,
                     uint64_t *first, uint64_t *got) REQUIRES(s->lock)
{
    uint64_t per = slice_counts(s), c = MAX(from, 1); /* never the header */
    uint64_t limit = (uint64_t)BLK_MAX_LENGTH >> s->cluster_bits;

    *got = 0;
    while (*got < want) {
        uint64_t at, n = per - c % per;
        Qcow2Slice *sl;
        int ret;

        if (c >= MIN(limit, QCOW2_OFFSET >> s->cluster_bits)) {
            return *got ? 0 : -EFBIG;
        }
        ret = slice_place(s, c, &at);
        if (ret < 0) {
            return ret;
        }
        if (!at) {
            /* A block goes to the range's first cluster. */
            uint64_t start = (c >> s->rb_bits) << s->rb_bits;

            if (*got) {
                return 0;
            }
            ret = slice_for_write(s, c, &sl);
            if (ret < 0) {
                return ret;
            }
            qcow2_cache_put(sl);
            c = MAX(c, start);
            continue;
        }
        ret = qcow2_cache_get(s, &s->rbc, at, false, &sl);
        if (ret < 0) {
            return ret;
        }
        for (uint64_t i = c % per; n > 0 && *got < want; i++, n--, c++) {
            if (qcow2_rc_get(s->refcount_order, sl->data, i) == 0) {
                *first = *got ? *first : c;
                (*got)++;
            } else if (*got) {
                n = 1; /* the run ends */
                want = *got;
            }
        }
        qcow2_cache_put(sl);
    }
    return 0;
}

static bool is_fresh(Qcow2State *s, uint64_t first, uint64_t count)
{
    uint64_t start = first << s->cluster_bits;
    bool fresh = s->file_zero_init && start >= s->fresh_end;

    s->fresh_end = MAX(s->fresh_end, start + (count << s->cluster_bits));
    return fresh;
}

int64_t qcow2_alloc(Qcow2State *s, uint64_t want, uint64_t *got, bool *fresh)
{
    uint64_t first = 0;
    int ret;

    node_debug_event(qcow2_file(s), "cluster_alloc");
    ret = find_free(s, s->free_hint, want, &first, got);
    if (ret == 0) {
        ret = qcow2_add_refcount(s, first, *got, 1);
    }
    if (ret < 0) {
        return ret;
    }
    s->free_hint = first + *got;
    *fresh = is_fresh(s, first, *got);
    if (!*fresh) {
        /* Refcounts may be wrong: not into metadata that is in use. */
        ret = qcow2_check_overlap(s, first << s->cluster_bits,
                                  *got << s->cluster_bits);
    }
    return ret < 0 ? ret : (int64_t)(first << s->cluster_bits);
}

int64_t qcow2_alloc_exact(Qcow2State *s, uint64_t count)
{
    uint64_t from = s->free_hint, first = 0, got;
    int ret;

    if (count >= BIT(s->rb_bits)) {
        return -EFBIG; /* a range has its own block in it */
    }
    for (;;) {
        ret = find_free(s, from, count, &first, &got);
        if (ret < 0) {
            return ret;
        }
        if (got == count) {
            break;
        }
        from = first + got;
        /* Runs that end at a range without a block go on behind it. */
    }
    ret = qcow2_add_refcount(s, first, count, 1);
    if (ret < 0) {
        return ret;
    }
    if (from == s->free_hint || first == s->free_hint) {
        s->free_hint = first + count;
    }
    if (!is_fresh(s, first, count)) {
        ret = qcow2_check_overlap(s, first << s->cluster_bits,
                                  count << s->cluster_bits);
    }
    return ret < 0 ? ret : (int64_t)(first << s->cluster_bits);
}

int64_t qcow2_alloc_bytes(Qcow2State *s, uint32_t bytes)
{
    uint64_t pos = s->comp_pos, used = qcow2_into_cluster(s, pos), got;
    uint64_t refcount = 0, first = pos >> s->cluster_bits;
    uint64_t last = (pos + bytes - 1) >> s->cluster_bits;
    int64_t at;
    bool fresh;
    int ret;

    if (pos && used) {
        ret = qcow2_get_refcount(s, first, &refcount);
        if (ret < 0) {
            return ret;
        }
    }
    if (refcount > 0 && refcount < s->refcount_max) {
        uint64_t next = 0;

        if (last > first) { /* does the next cluster happen to be free? */
            ret = qcow2_get_refcount(s, last, &next);
            if (ret < 0) {
                return ret;
            }
            if (next == 0) {
                ret = qcow2_add_refcount(s, last, 1, 1);
                if (ret < 0) {
                    return ret;
                }
                /* Making its block may have taken it. */
                qcow2_get_refcount(s, last, &next);
                if (next != 1) {
                    qcow2_add_refcount(s, last, 1, -1);
                    next = 1;
                } else {
                    next = 0;
                    is_fresh(s, last, 1);
                    if (s->free_hint == last) {
                        s->free_hint++;
                    }
                }
            }
        }
        if (next == 0) {
            ret = qcow2_add_refcount(s, first, 1, 1);
            if (ret < 0) {
                return ret;
            }
            s->comp_pos = pos + bytes;
            return pos;
        }
    }
    at = qcow2_alloc(s, 1, &got, &fresh);
    if (at >= 0) {
        s->comp_pos = at + bytes;
    }
    return at;
}

void qcow2_free_later(Qcow2State *s, uint64_t offset, uint64_t bytes,
                      Qcow2FreeKind kind)
{
    uint64_t first = offset >> s->cluster_bits;
    uint64_t count = ((offset + bytes - 1) >> s->cluster_bits) - first + 1;
    Qcow2Free *last = s->frees->len
        ? &g_array_index(s->frees, Qcow2Free, s->frees->len - 1) : NULL;

    if (bytes == 0) {
        return;
    }
    if (last && last->kind == kind && last->first + last->count == first) {
        last->count += count;
    } else {
        Qcow2Free f = { .first = first, .count = count, .kind = kind };

        g_array_append_val(s->frees, f);
    }
}

void qcow2_free_now(Qcow2State *s, uint64_t offset, uint64_t bytes)
{
    if (bytes) {
        node_debug_event(qcow2_file(s), "cluster_free");
        qcow2_cache_forget(&s->l2c, offset, bytes);
        qcow2_add_refcount(s, offset >> s->cluster_bits,
                           qcow2_bytes_to_clusters(s, bytes), -1);
    }
}

static void discard_host(Qcow2State *s, uint64_t first, uint64_t count)
{
    node_pdiscard(qcow2_file(s), first << s->cluster_bits,
                  count << s->cluster_bits); /* a hint: may fail */
}

static int by_place(gconstpointer a, gconstpointer b)
{
    const Qcow2Free *x = a, *y = b;

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

/* In the file's order, neighbours together: fewer holes to punch. */
static void sort_frees(GArray *frees)
{
    guint n = 0;

    g_array_sort(frees, by_place);
    for (guint i = 1; i < frees->len; i++) {
        Qcow2Free *f = &g_array_index(frees, Qcow2Free, i);
        Qcow2Free *last = &g_array_index(frees, Qcow2Free, n);

        if (f->kind == last->kind && last->first + last->count == f->first) {
            last->count += f->count;
        } else {
            g_array_index(frees, Qcow2Free, ++n) = *f;
        }
    }
    g_array_set_size(frees, MIN(n + 1, frees->len));
}

int qcow2_apply_frees(Qcow2State *s, GArray *frees)
{
    int first_error = 0;

    sort_frees(frees);

    for (guint i = 0; i < frees->len; i++) {
        Qcow2Free *f = &g_array_index(frees, Qcow2Free, i);
        uint64_t run = 0;

        for (uint64_t c = f->first; c < f->first + f->count; c++) {
            uint64_t left = 1;
            int ret = qcow2_add_refcount(s, c, 1, -1);

            if (ret == -EINVAL) {
                ret = qcow2_corrupt(s, c << s->cluster_bits, s->cluster_size,
                                    "refcount of cluster %#" PRIx64
                                    " is zero although it was in use",
                                    c << s->cluster_bits);
            }
            if (ret == 0) {
                ret = qcow2_get_refcount(s, c, &left);
            }
            first_error = first_error ? first_error : ret;
            if (ret == 0 && left == 0) {
                qcow2_cache_forget(&s->l2c, c << s->cluster_bits,
                                   s->cluster_size);
                qcow2_cache_forget(&s->rbc, c << s->cluster_bits,
                                   s->cluster_size);
                run++;
            } else if (run) {
                if (s->pass_discard[f->kind]) {
                    discard_host(s, c - run, run);
                }
                run = 0;
            }
        }
        if (run && s->pass_discard[f->kind]) {
            discard_host(s, f->first + f->count - run, run);
        }
    }
    return first_error;
}

int qcow2_end_cluster(Qcow2State *s, uint64_t *end)
{
    uint64_t per = slice_counts(s);

    *end = 0;
    for (int64_t k = (int64_t)s->rt_size - 1; k >= 0; k--) {
        if (!s->rt[k]) {
            continue;
        }
        for (int64_t c = ((k + 1) << s->rb_bits) - 1; c >= k << s->rb_bits;) {
            uint64_t at;
            Qcow2Slice *sl;
            int ret = slice_place(s, c, &at);

            if (ret == 0) {
                ret = qcow2_cache_get(s, &s->rbc, at, false, &sl);
            }
            if (ret < 0) {
                return ret;
            }
            for (int64_t i = c % per; i >= 0; i--, c--) {
                if (qcow2_rc_get(s->refcount_order, sl->data, i)) {
                    *end = c + 1;
                    qcow2_cache_put(sl);
                    return 0;
                }
            }
            qcow2_cache_put(sl);
        }
    }
    return 0;
}

void qcow2_compressed_extent(const Qcow2State *s, uint64_t entry,
                             uint64_t *offset, uint32_t *bytes)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t sectors = ((entry & (QCOW2_COMPRESSED - 1)) >> x) + 1;

    *offset = entry & (BIT(x) - 1);
    *bytes = sectors * 512 - (*offset & 511);
}
