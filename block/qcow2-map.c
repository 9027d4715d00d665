/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: from guest offset to host offset.  The L1 table is in memory; L2
 * tables come in slices through a cache.  With subclusters an L2 entry is 16
 * bytes: the descriptor, then 32 "allocated" and 32 "reads as zeroes" bits.
 */
#include "osdep.h"
#include "block/qcow2.h"

uint64_t qcow2_l2_entry(const Qcow2State *s, const Qcow2L2 *l2, unsigned i)
{
    return get_be64((const uint8_t *)l2->slice->data +
                    (size_t)(l2->index + i) * s->l2_entry_size);
}

uint64_t qcow2_l2_bitmap(const Qcow2State *s, const Qcow2L2 *l2, unsigned i)
{
    if (!s->extl2) {
        return 0;
    }
    return get_be64((const uint8_t *)l2->slice->data +
                    (size_t)(l2->index + i) * s->l2_entry_size + 8);
}

void qcow2_l2_set(Qcow2State *s, Qcow2L2 *l2, unsigned i, uint64_t entry,
                  uint64_t bitmap)
{
    uint8_t *p = (uint8_t *)l2->slice->data +
                 (size_t)(l2->index + i) * s->l2_entry_size;

    put_be64(p, entry);
    if (s->extl2) {
        put_be64(p + 8, bitmap);
    }
    qcow2_cache_dirty(&s->l2c, l2->slice);
}

static bool has_host(const Qcow2State *s, uint64_t entry)
{
    return (entry & QCOW2_OFFSET) || (s->data_edge && (entry & QCOW2_COPIED));
}

int qcow2_type(const Qcow2State *s, uint64_t entry, uint64_t bitmap,
               unsigned sc)
{
    bool host = has_host(s, entry);

    if (entry & QCOW2_COMPRESSED) {
        return s->data_edge ? -1 : QCOW2_COMPRESSED_DATA;
    }
    if (s->extl2) {
        bool alloc = bitmap >> sc & 1, zero = bitmap >> (32 + sc) & 1;

        if (alloc && (zero || !host)) {
            return -1;
        }
        if (alloc) {
            return QCOW2_NORMAL;
        }
        if (zero) {
            return host ? QCOW2_ZERO_HOST : QCOW2_ZERO_PLAIN;
        }
        return host ? QCOW2_UNALLOCATED_HOST : QCOW2_UNALLOCATED;
    }
    if (entry & QCOW2_ZERO) {
        if (s->version < 3) {
            return -1;
        }
        return host ? QCOW2_ZERO_HOST : QCOW2_ZERO_PLAIN;
    }
    return host ? QCOW2_NORMAL : QCOW2_UNALLOCATED;
}

/* Zeroes or a copy of @from (0: none) at @to, which nothing refers to yet. */
static int fill_table(Qcow2State *s, uint64_t to, uint64_t from)
    REQUIRES(s->lock)
{
    uint8_t *buf = node_buffer(qcow2_file(s), s->cluster_size);
    int ret = buf ? 0 : -ENOMEM;

    node_debug_event(qcow2_file(s), "l2_alloc_write");
    if (ret == 0 && from) {
        /* The cache may be newer than the file. */
        for (uint64_t o = 0; o < s->cluster_size && ret == 0;
             o += s->l2c.bytes) {
            Qcow2Slice *sl;

            ret = qcow2_cache_get(s, &s->l2c, from + o, false, &sl);
            if (ret == 0) {
                memcpy(buf + o, sl->data, s->l2c.bytes);
                qcow2_cache_put(sl);
            }
        }
    } else if (ret == 0) {
        memset(buf, 0, s->cluster_size);
    }
    if (ret == 0) {
        ret = node_pwrite(qcow2_file(s), to, buf, s->cluster_size);
    }
    free(buf);
    return ret;
}

/* A table of our own for L1 entry @i. */
static int make_table(Qcow2State *s, uint32_t i) REQUIRES(s->lock)
{
    uint64_t old = s->l1[i] & QCOW2_OFFSET, got;
    Qcow2L1Change change;
    uint64_t key;
    bool fresh;
    int64_t at = qcow2_alloc(s, 1, &got, &fresh);
    int ret;

    if (at < 0) {
        return at;
    }
    ret = fill_table(s, at, old);
    if (ret < 0) {
        qcow2_free_now(s, at, s->cluster_size);
        return ret;
    }
    s->l1[i] = (uint64_t)at | QCOW2_COPIED;
    change = (Qcow2L1Change){ .index = i, .entry = s->l1[i] };
    g_array_append_val(s->l1_dirty, change);
    key = at;
    g_hash_table_add(s->new_tables, g_memdup2(&key, 8));
    qcow2_meta_add(s, at, s->cluster_size);
    if (old) {
        qcow2_free_later(s, old, s->cluster_size, FREE_OTHER);
    }
    return 0;
}

int qcow2_l2_get(Qcow2State *s, uint64_t offset, bool write, Qcow2L2 *l2)
{
    uint64_t l1_index = offset >> (s->cluster_bits + s->l2_bits);
    unsigned index = (offset >> s->cluster_bits) & (BIT(s->l2_bits) - 1);
    uint64_t table;
    int ret;

    l2->slice = NULL;
    l2->index = index & (s->slice_entries - 1);
    l2->room = s->slice_entries - l2->index;
    if (l1_index >= s->l1_size) {
        return write ? -EFBIG : 0;
    }
    table = s->l1[l1_index] & QCOW2_OFFSET;
    if (table & (s->cluster_size - 1)) {
        return qcow2_corrupt(s, table, s->cluster_size, "L2 table offset %#"
                             PRIx64 " unaligned (L1 index: %#" PRIx64 ")",
                             table, l1_index);
    }
    if (write && (!table || !(s->l1[l1_index] & QCOW2_COPIED))) {
        ret = make_table(s, l1_index);
        if (ret < 0) {
            return ret;
        }
        table = s->l1[l1_index] & QCOW2_OFFSET;
    }
    if (!table) {
        return 0;
    }
    return qcow2_cache_get(s, &s->l2c, table + ROUND_DOWN(index,
                               s->slice_entries) * s->l2_entry_size,
                           false, &l2->slice);
}

int qcow2_map(Qcow2State *s, uint64_t offset, uint64_t bytes, Qcow2Map *m)
{
    uint64_t sub_size = BIT(s->sub_bits), within, pos, end;
    Qcow2L2 l2;
    int ret = qcow2_l2_get(s, offset, false, &l2);

    if (ret < 0) {
        return ret;
    }
    within = qcow2_into_cluster(s, offset);
    end = MIN(bytes + within, (uint64_t)l2.room << s->cluster_bits);
    if (!l2.slice) {
        uint64_t span = BIT(s->cluster_bits + s->l2_bits);

        *m = (Qcow2Map){ .type = QCOW2_UNALLOCATED,
                         .bytes = MIN(bytes, span - (offset & (span - 1))) };
        return 0;
    }
    *m = (Qcow2Map){ .entry = qcow2_l2_entry(s, &l2, 0), .copied = true };
    /* In units of subclusters from the one that holds @offset. */
    for (pos = within & ~(sub_size - 1); pos < end;) {
        unsigned i = pos >> s->cluster_bits;
        uint64_t entry = qcow2_l2_entry(s, &l2, i);
        uint64_t bitmap = qcow2_l2_bitmap(s, &l2, i);
        unsigned sc = qcow2_into_cluster(s, pos) >> s->sub_bits;
        int type = qcow2_type(s, entry, bitmap, sc);
        uint64_t host = entry & QCOW2_OFFSET;
        bool first = pos <= within;

        if (type < 0 || (type != QCOW2_COMPRESSED_DATA &&
                         (host & (s->cluster_size - 1)))) {
            if (!first) {
                break; /* reported when it is its turn */
            }
            qcow2_l2_put(&l2);
            if (type < 0) {
                return qcow2_corrupt(s, -1, -1, "Invalid cluster entry %#"
                                     PRIx64 " found (guest offset: %#" PRIx64
                                     ")", entry, offset);
            }
            return qcow2_corrupt(s, host, s->cluster_size,
                                 "Cluster allocation offset %#" PRIx64
                                 " unaligned (guest offset: %#" PRIx64 ")",
                                 host, offset);
        }
        if (first) {
            m->type = type;
            m->host = host + within;
        } else if ((int)m->type != type || type == QCOW2_COMPRESSED_DATA ||
                   ((type == QCOW2_NORMAL || type == QCOW2_ZERO_HOST ||
                     type == QCOW2_UNALLOCATED_HOST) &&
                    host + qcow2_into_cluster(s, pos) !=
                        m->host + (pos - within)) ||
                   (type == QCOW2_NORMAL &&
                    m->copied != (s->data_edge || (entry & QCOW2_COPIED)))) {
            break;
        }
        if (first) {
            m->copied = s->data_edge || (entry & QCOW2_COPIED);
        }
        pos += type == QCOW2_COMPRESSED_DATA
                   ? s->cluster_size - qcow2_into_cluster(s, pos) : sub_size;
        if (type == QCOW2_NORMAL && !s->extl2) { /* the rest of a long run */
            const uint64_t *next = (const uint64_t *)l2.slice->data + l2.index;

            for (i = pos >> s->cluster_bits; pos < end; i++) {
                entry += s->cluster_size;
                if (be64toh(next[i]) != entry) {
                    break;
                }
                pos += s->cluster_size;
            }
        }
    }
    qcow2_l2_put(&l2);
    m->bytes = MIN(pos - within, bytes);
    return 0;
}

void qcow2_free_entry(Qcow2State *s, uint64_t entry, Qcow2FreeKind kind)
{
    if (entry & QCOW2_COMPRESSED) {
        uint64_t offset;
        uint32_t bytes;

        qcow2_compressed_extent(s, entry, &offset, &bytes);
        qcow2_free_later(s, offset, bytes, kind);
    } else if (has_host(s, entry) && !s->data_edge) {
        qcow2_free_later(s, entry & QCOW2_OFFSET, s->cluster_size, kind);
    }
}
