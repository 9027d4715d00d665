/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: zeroes and discards, by changing entries where whole units go. */
#include "osdep.h"
#include "block/qcow2.h"

/* An entry that reads as zeroes; *bitmap likewise. */
static uint64_t zero_entry(Qcow2State *s, uint64_t entry, bool unmap,
                           uint64_t *bitmap)
{
    bool own = (entry & QCOW2_COPIED) && !(entry & QCOW2_COMPRESSED);

    *bitmap = s->extl2 ? UINT64_C(0xffffffff00000000) : 0;
    if (own && !unmap) {
        return entry | (s->extl2 ? 0 : QCOW2_ZERO);
    }
    if (s->data_edge && own) { /* its place is known in any case */
        return entry | (s->extl2 ? 0 : QCOW2_ZERO);
    }
    return s->extl2 ? 0 : QCOW2_ZERO;
}

/* Whole clusters: every entry of [offset, offset + bytes) by @how. */
enum { TO_ZERO, TO_ZERO_UNMAP, TO_DISCARDED, TO_NOTHING };

static int change_entries(Qcow2State *s, uint64_t offset, uint64_t bytes,
                          int how, Qcow2FreeKind kind) REQUIRES(s->lock)
{
    while (bytes > 0) {
        uint64_t span = BIT(s->cluster_bits + s->l2_bits);
        uint64_t left = span - (offset & (span - 1)), l1 = offset / span;
        bool make = how == TO_ZERO || how == TO_ZERO_UNMAP ||
                    (how == TO_DISCARDED && s->n->backing && s->version >= 3);
        unsigned n;
        Qcow2L2 l2;
        int ret;

        if (l1 >= s->l1_size) {
            return make ? -EFBIG : 0;
        }
        if (!make && !(s->l1[l1] & QCOW2_OFFSET)) { /* nothing there */
            left = MIN(left, bytes);
            offset += left;
            bytes -= left;
            continue;
        }
        ret = qcow2_l2_get(s, offset, true, &l2);
        if (ret < 0) {
            return ret;
        }
        n = MIN(l2.room, bytes >> s->cluster_bits);
        for (unsigned i = 0; i < n; i++) {
            uint64_t entry = qcow2_l2_entry(s, &l2, i), now = 0, nbits = 0;
            uint64_t bits = qcow2_l2_bitmap(s, &l2, i);
            bool empty = !(entry & (QCOW2_COMPRESSED | QCOW2_OFFSET)) &&
                         !(s->data_edge && (entry & QCOW2_COPIED));

            switch (how) {
            case TO_ZERO:
            case TO_ZERO_UNMAP:
                now = zero_entry(s, entry, how == TO_ZERO_UNMAP, &nbits);
                break;
            case TO_DISCARDED:
                if (empty && !s->n->backing) {
                    continue;
                }
                if (s->version >= 3) {
                    now = zero_entry(s, entry, true, &nbits);
                } else if (s->n->backing) {
                    continue; /* the old data would come up from below */
                }
                break;
            }
            if (now == entry && nbits == bits) {
                continue;
            }
            qcow2_l2_set(s, &l2, i, now, nbits);
            if (!empty && (now & QCOW2_OFFSET) != (entry & QCOW2_OFFSET)) {
                qcow2_free_entry(s, entry, kind);
            } else if ((entry & QCOW2_COMPRESSED)) {
                qcow2_free_entry(s, entry, kind);
            }
        }
        qcow2_l2_put(&l2);
        offset += (uint64_t)n << s->cluster_bits;
        bytes -= (uint64_t)n << s->cluster_bits;
    }
    return 0;
}

int qcow2_drop_clusters(Qcow2State *s, uint64_t offset, uint64_t bytes,
                        bool full, Qcow2FreeKind kind)
{
    return change_entries(s, offset, bytes, full ? TO_NOTHING : TO_DISCARDED,
                          kind);
}

/* All of it reads as zeroes already, by this layer's own word? */
static int all_zero(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock)
{
    while (bytes > 0) {
        Qcow2Map m;
        int ret = qcow2_map(s, offset, bytes, &m);

        if (ret < 0) {
            return ret;
        }
        if (m.type != QCOW2_ZERO_PLAIN && m.type != QCOW2_ZERO_HOST) {
            if ((m.type != QCOW2_UNALLOCATED &&
                 m.type != QCOW2_UNALLOCATED_HOST) ||
                (s->n->backing && offset < s->n->backing->node->length)) {
                return 0;
            }
        }
        offset += m.bytes;
        bytes -= m.bytes;
    }
    return 1;
}

/* Less than a cluster: as data, unless there are zeroes now. */
int qcow2_zero_part(Qcow2State *s, uint64_t offset, uint64_t bytes)
{
    struct iovec iov;
    void *zero;
    int ret = all_zero(s, offset, bytes);

    if (ret != 0) {
        return ret < 0 ? ret : 0;
    }
    zero = node_buffer(s->data, bytes);
    if (!zero) {
        return -ENOMEM;
    }
    memset(zero, 0, bytes);
    ret = qcow2_write_locked(s, offset, bytes,
                             block_vec_buf(&iov, zero, bytes));
    free(zero);
    return ret;
}

/* Whole subclusters of one cluster, by their bits. */
static int zero_subclusters(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock)
{
    uint64_t start = offset & ~(s->cluster_size - 1), entry, bitmap, bits;
    Qcow2Range r;
    Qcow2L2 l2;
    int ret;

    while (!qcow2_range_try(s, &r, offset, bytes, true)) {
    }
    ret = qcow2_l2_get(s, offset, true, &l2);
    if (ret < 0) {
        qcow2_range_end(s, &r);
        return ret;
    }
    entry = qcow2_l2_entry(s, &l2, 0);
    bitmap = qcow2_l2_bitmap(s, &l2, 0);
    if (entry & QCOW2_COMPRESSED) {
        qcow2_l2_put(&l2);
        qcow2_range_end(s, &r);
        return qcow2_zero_part(s, offset, bytes);
    }
    bits = qcow2_covered_bits(s, start, offset, offset + bytes);
    qcow2_l2_set(s, &l2, 0, entry, (bitmap & ~bits) | bits << 32);
    qcow2_l2_put(&l2);
    qcow2_range_end(s, &r);
    return 0;
}

/* Bytes of one cluster that are not all of it. */
static int zero_within(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock)
{
    uint64_t unit = BIT(s->sub_bits);
    uint64_t a = (offset + unit - 1) & ~(unit - 1);
    uint64_t b = (offset + bytes) & ~(unit - 1);
    int ret;

    if (!s->extl2 || a >= b || s->data_edge) {
        return qcow2_zero_part(s, offset, bytes);
    }
    ret = a > offset ? qcow2_zero_part(s, offset, a - offset) : 0;
    if (ret == 0) {
        ret = zero_subclusters(s, a, b - a);
    }
    if (ret == 0 && offset + bytes > b) {
        ret = qcow2_zero_part(s, b, offset + bytes - b);
    }
    return ret;
}

int qcow2_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                        unsigned flags)
{
    Qcow2State *s = n->state;
    uint64_t end = offset + bytes, head, a, b;
    bool unmap = flags & BLK_REQ_MAY_UNMAP;
    Qcow2Range r;
    int ret = 0;

    if (s->version < 3 && (n->backing || !unmap)) {
        return -ENOTSUP;
    }
    if (s->data_edge) {
        ret = node_pwrite_zeroes(s->data, offset, bytes,
                                 unmap ? BLK_REQ_MAY_UNMAP : 0);
        if (ret < 0) {
            return ret;
        }
    }
    if (end >= s->size) { /* the last cluster counts as whole */
        end = ROUND_UP(s->size, s->cluster_size);
    }
    a = MIN(ROUND_UP(offset, s->cluster_size), end);
    b = MAX(ROUND_DOWN(end, s->cluster_size), a);
    head = MIN(a, offset + bytes) - offset;
    mutex_lock(&s->lock);
    if (head) {
        ret = zero_within(s, offset, head);
    }
    if (ret == 0 && b > a) {
        while (!qcow2_range_try(s, &r, a, b - a, true)) {
        }
        ret = change_entries(s, a, b - a,
                             s->version < 3 ? TO_DISCARDED
                             : unmap ? TO_ZERO_UNMAP : TO_ZERO, FREE_REQUEST);
        qcow2_range_end(s, &r);
    }
    if (ret == 0 && end > b) {
        ret = zero_within(s, b, end - b);
    }
    mutex_unlock(&s->lock);
    return ret;
}

int qcow2_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    Qcow2State *s = n->state;
    uint64_t a = ROUND_UP(offset, s->cluster_size), b = offset + bytes;
    Qcow2Range r;
    int ret = 0;

    b = b >= s->size ? ROUND_UP(s->size, s->cluster_size)
                     : ROUND_DOWN(b, s->cluster_size);
    if (a >= b) {
        return 0;
    }
    mutex_lock(&s->lock);
    while (!qcow2_range_try(s, &r, a, b - a, true)) {
    }
    ret = change_entries(s, a, b - a, TO_DISCARDED, FREE_REQUEST);
    qcow2_range_end(s, &r);
    mutex_unlock(&s->lock);
    if (ret == 0 && s->data_edge && s->pass_discard[FREE_REQUEST]) {
        node_pdiscard(s->data, a, MIN(b, s->size) - a);
    }
    return ret;
}
