/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: guest data.  Reads, and writes in place, hold a shared range lock;
 * whoever changes a mapping holds an exclusive one from before the allocation
 * until the new entry is in the cache.  Data moves with no other lock held.
 */
#include "osdep.h"
#include "block/qcow2.h"

/* ---- ranges ----------------------------------------------------------------- */

static bool range_add(Qcow2State *s, Qcow2Range *r, uint64_t offset,
                      uint64_t bytes, bool exclusive) REQUIRES(s->range_lock)
{
    Qcow2Range *o;

    *r = (Qcow2Range){ .start = offset & ~(s->cluster_size - 1),
                       .end = (offset + bytes + s->cluster_size - 1) &
                              ~(s->cluster_size - 1),
                       .exclusive = exclusive };
    list_foreach (o, &s->ranges, node) {
        if ((o->exclusive || exclusive) && o->start < r->end &&
            r->start < o->end) {
            return false;
        }
    }
    list_append(&s->ranges, &r->node);
    return true;
}

bool qcow2_range_try(Qcow2State *s, Qcow2Range *r, uint64_t offset,
                     uint64_t bytes, bool exclusive)
{
    mutex_lock(&s->range_lock);
    if (range_add(s, r, offset, bytes, exclusive)) {
        mutex_unlock(&s->range_lock);
        return true;
    }
    mutex_unlock(&s->lock);
    s->range_waiters++;
    cond_wait(&s->range_cond, &s->range_lock);
    s->range_waiters--;
    mutex_unlock(&s->range_lock);
    mutex_lock(&s->lock);
    return false;
}

void qcow2_range_end(Qcow2State *s, Qcow2Range *r)
{
    mutex_lock(&s->range_lock);
    list_remove(&r->node);
    if (s->range_waiters) {
        cond_broadcast(&s->range_cond);
    }
    mutex_unlock(&s->range_lock);
}

/* ---- reading ---------------------------------------------------------------- */

static int read_backing(Qcow2State *s, uint64_t offset, uint64_t bytes,
                        BlockVec v)
{
    if (!s->n->backing) {
        block_vec_zero(v, bytes);
        return 0;
    }
    node_debug_event(qcow2_file(s), "read_backing_aio");
    return node_preadv(s->n->backing->node, offset, bytes, v, 0);
}

/* The cluster with @entry, decompressed, from byte @skip on. */
static int read_compressed(Qcow2State *s, uint64_t entry, uint64_t skip,
                           uint64_t bytes, BlockVec v)
{
    uint64_t offset;
    uint32_t csize;
    g_autofree uint8_t *in = NULL;
    uint8_t *out, *whole = NULL;
    int ret;

    qcow2_compressed_extent(s, entry, &offset, &csize);
    in = g_try_malloc(csize);
    if (!in) {
        return -ENOMEM;
    }
    node_debug_event(qcow2_file(s), "read_compressed");
    ret = node_pread(qcow2_file(s), offset, in, csize);
    if (ret < 0) {
        return ret;
    }
    if (bytes == s->cluster_size && v.n > 0 &&
        v.iov->iov_len - v.skip >= bytes) {
        out = (uint8_t *)v.iov->iov_base + v.skip;
    } else {
        out = whole = g_try_malloc(s->cluster_size);
        if (!out) {
            return -ENOMEM;
        }
    }
    ret = qcow2_inflate(s, out, s->cluster_size, in, csize);
    if (ret == 0 && whole) {
        block_vec_from_buf(v, whole + skip, bytes);
    }
    g_free(whole);
    return ret;
}

/* One mapped piece; the caller holds a range lock on it, and not the lock. */
static int read_piece(Qcow2State *s, const Qcow2Map *m, uint64_t offset,
                      BlockVec v)
{
    switch (m->type) {
    case QCOW2_UNALLOCATED:
    case QCOW2_UNALLOCATED_HOST:
        return read_backing(s, offset, m->bytes, v);
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_HOST:
        block_vec_zero(v, m->bytes);
        return 0;
    case QCOW2_COMPRESSED_DATA:
        return read_compressed(s, m->entry, qcow2_into_cluster(s, offset),
                               m->bytes, v);
    case QCOW2_NORMAL:
        node_debug_event(qcow2_file(s), "read_aio");
        return node_preadv(s->data, m->host, m->bytes, v, 0);
    }
    return -EIO;
}

/* Under the caller's range lock; the lock is dropped and taken again. */
static int read_mapped(Qcow2State *s, uint64_t offset, uint64_t bytes,
                       BlockVec v) REQUIRES(s->lock)
{
    while (bytes > 0) {
        Qcow2Map m;
        int ret = qcow2_map(s, offset, bytes, &m);

        if (ret < 0) {
            return ret;
        }
        mutex_unlock(&s->lock);
        ret = read_piece(s, &m, offset, v);
        mutex_lock(&s->lock);
        if (ret < 0) {
            return ret;
        }
        offset += m.bytes;
        bytes -= m.bytes;
        if (bytes) {
            v = block_vec_at(v, m.bytes);
        }
    }
    return 0;
}

static int read_range(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    Qcow2State *s = n->state;
    Qcow2Range r;
    int ret;

    mutex_lock(&s->lock);
    while (!qcow2_range_try(s, &r, offset, bytes, false)) {
    }
    ret = read_mapped(s, offset, bytes, v);
    qcow2_range_end(s, &r);
    mutex_unlock(&s->lock);
    return ret;
}

/* Is the piece of the L2 table for @offset in memory, or none needed? */
static bool l2_cached(Qcow2State *s, uint64_t offset) REQUIRES(s->lock)
{
    uint64_t i = offset >> (s->cluster_bits + s->l2_bits);
    unsigned index = (offset >> s->cluster_bits) & (BIT(s->l2_bits) - 1);
    uint64_t table = i < s->l1_size ? s->l1[i] & QCOW2_OFFSET : 0;
    Qcow2Slice *sl;

    if (!table) {
        return true;
    }
    sl = qcow2_cache_peek(&s->l2c, table + ROUND_DOWN(index, s->slice_entries) *
                                               s->l2_entry_size);
    if (sl) {
        qcow2_cache_put(sl);
    }
    return sl != NULL;
}

static int pin_locked(Qcow2State *s, uint64_t offset, uint64_t bytes,
                      bool write, BlockPin *p) REQUIRES(s->lock)
{
    Qcow2Range *r;
    Qcow2Map m;
    bool ok;

    if (!l2_cached(s, offset) ||
        qcow2_map(s, offset, bytes, &m) < 0 || m.bytes < bytes) {
        return -EAGAIN;
    }
    if (write && (m.type != QCOW2_NORMAL || !m.copied ||
                  !qcow2_overlaps_nothing(s, m.host, bytes))) {
        return -EAGAIN;
    }
    switch (m.type) {
    case QCOW2_NORMAL:
        p->below = s->data;
        p->where = m.host;
        break;
    case QCOW2_UNALLOCATED:
    case QCOW2_UNALLOCATED_HOST:
        p->below = s->n->backing ? s->n->backing->node : NULL;
        p->where = offset;
        break;
    case QCOW2_ZERO_PLAIN:
    case QCOW2_ZERO_HOST:
        p->below = NULL;
        break;
    case QCOW2_COMPRESSED_DATA:
        return -EAGAIN;
    }
    r = g_new(Qcow2Range, 1);
    mutex_lock(&s->range_lock);
    ok = range_add(s, r, offset, bytes, false);
    mutex_unlock(&s->range_lock);
    if (!ok) {
        g_free(r);
        return -EAGAIN;
    }
    p->token = r;
    return 0;
}

int qcow2_pin(BlockNode *n, uint64_t offset, uint64_t bytes, bool write,
              BlockPin *p)
{
    Qcow2State *s = n->state;
    int ret;

    if (!mutex_trylock(&s->lock)) {
        return -EAGAIN;
    }
    ret = pin_locked(s, offset, bytes, write, p);
    mutex_unlock(&s->lock);
    return ret;
}

void qcow2_unpin(BlockNode *n, BlockPin *p)
{
    qcow2_range_end(n->state, p->token);
    g_free(p->token);
}

int qcow2_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    return read_range(n, offset, bytes, v);
}

/* ---- writing ---------------------------------------------------------------- */

/* Clusters that get a mapping in one go. */
typedef struct Alloc {
    uint64_t start;       /* guest offset of the first cluster */
    unsigned count;       /* clusters */
    uint64_t host;
    bool reuse;           /* the cluster has its place already */
    bool fresh;           /* the place reads as zeroes */
    uint64_t first_entry, first_bitmap, last_entry, last_bitmap; /* before */
    uint64_t from, to;    /* guest bytes that are written, whole units */
} Alloc;

static bool holds_data(const Qcow2State *s, uint64_t entry, uint64_t bitmap)
{
    if (entry & QCOW2_COMPRESSED) {
        return true;
    }
    if (s->extl2) {
        return (uint32_t)bitmap != 0;
    }
    return qcow2_type(s, entry, 0, 0) == QCOW2_NORMAL;
}

/* Which clusters from @offset on need a mapping; @a->count 0: none. */
static int plan(Qcow2State *s, uint64_t offset, uint64_t bytes, Alloc *a)
    REQUIRES(s->lock)
{
    uint64_t end = offset + bytes;
    Qcow2L2 l2;
    unsigned max;
    int ret = qcow2_l2_get(s, offset, true, &l2);

    if (ret < 0) {
        return ret;
    }
    memset(a, 0, sizeof(*a));
    a->start = offset & ~(s->cluster_size - 1);
    max = MIN(l2.room, qcow2_bytes_to_clusters(s, end - a->start));
    for (unsigned i = 0; i < max; i++) {
        uint64_t entry = qcow2_l2_entry(s, &l2, i);
        uint64_t bitmap = qcow2_l2_bitmap(s, &l2, i);
        bool own = (entry & QCOW2_COPIED) && !(entry & QCOW2_COMPRESSED) &&
                   (s->data_edge || (entry & QCOW2_OFFSET));

        if (i == 0) {
            a->reuse = own;
            a->first_entry = entry;
            a->first_bitmap = bitmap;
            if (own && ((entry & QCOW2_OFFSET) & (s->cluster_size - 1))) {
                qcow2_l2_put(&l2);
                return -EIO; /* the map has reported it */
            }
        } else if (own || a->reuse) {
            break;
        }
        a->last_entry = entry;
        a->last_bitmap = bitmap;
        a->count++;
    }
    qcow2_l2_put(&l2);
    return 0;
}

/* Bytes around the request that the new place must hold too. */
static void find_extent(Qcow2State *s, Alloc *a, uint64_t offset,
                        uint64_t bytes)
{
    uint64_t unit = BIT(s->sub_bits);
    uint64_t stop = a->start + ((uint64_t)a->count << s->cluster_bits);
    uint64_t end = MIN(offset + bytes, stop);

    a->from = offset & ~(unit - 1);
    a->to = (end + unit - 1) & ~(unit - 1);
    if (!a->reuse) {
        if (holds_data(s, a->first_entry, a->first_bitmap)) {
            a->from = a->start;
            a->to = a->count == 1 ? stop : a->to;
        }
        if (holds_data(s, a->last_entry, a->last_bitmap)) {
            a->to = stop;
        }
    }
}

/* Reads as zeroes for sure, by the entry alone. */
static bool known_zero(Qcow2State *s, uint64_t entry, uint64_t bitmap,
                       uint64_t offset)
{
    unsigned sc = qcow2_into_cluster(s, offset) >> s->sub_bits;
    int type = qcow2_type(s, entry, bitmap, sc);

    if (type == QCOW2_UNALLOCATED || type == QCOW2_UNALLOCATED_HOST) {
        return !s->n->backing || offset >= s->n->backing->node->length;
    }
    return type == QCOW2_ZERO_PLAIN || type == QCOW2_ZERO_HOST;
}

/*
 * What lies between @from and @to now, in a buffer; *buf NULL: nothing needs
 * to be written.  Lock dropped and taken again.
 */
static int read_around(Qcow2State *s, const Alloc *a, uint64_t from,
                       uint64_t to, bool tail, void **buf) REQUIRES(s->lock)
{
    struct iovec iov;
    int ret;

    *buf = NULL;
    if (from == to) {
        return 0;
    }
    if (a->fresh && to - from <= s->cluster_size &&
        (from >> s->sub_bits) == ((to - 1) >> s->sub_bits) &&
        known_zero(s, tail ? a->last_entry : a->first_entry,
                   tail ? a->last_bitmap : a->first_bitmap, from)) {
        return 0;
    }
    node_debug_event(qcow2_file(s), "cow_read");
    *buf = node_buffer(s->data, to - from);
    if (!*buf) {
        return -ENOMEM;
    }
    ret = read_mapped(s, from, to - from,
                      block_vec_buf(&iov, *buf, to - from));
    if (ret < 0 || (a->fresh && buffer_is_zero(*buf, to - from))) {
        free(*buf);
        *buf = NULL;
    }
    return ret;
}

static int write_around(Qcow2State *s, uint64_t host, uint64_t bytes,
                        BlockVec v, void *head, uint64_t head_len, void *tail,
                        uint64_t tail_len)
{
    g_autofree struct iovec *iov = NULL;
    size_t covered;
    int n = 0;

    node_debug_event(qcow2_file(s), head || tail ? "cow_write" : "write_aio");
    if (!head && !tail) {
        return node_pwritev(s->data, host + head_len, bytes, v, 0);
    }
    iov = g_new(struct iovec, v.n + 2);
    if (head) {
        iov[n++] = (struct iovec){ head, head_len };
    } else {
        host += head_len;
        head_len = 0;
    }
    n += block_vec_fill(v, bytes, iov + n, v.n, &covered);
    if (tail) {
        iov[n++] = (struct iovec){ tail, tail_len };
    } else {
        tail_len = 0;
    }
    return node_pwritev(s->data, host, head_len + bytes + tail_len,
                        block_vec(iov, n), 0);
}

static int link_clusters(Qcow2State *s, const Alloc *a) REQUIRES(s->lock)
{
    Qcow2L2 l2;
    int ret = qcow2_l2_get(s, a->start, true, &l2);

    if (ret < 0) {
        return ret;
    }
    for (unsigned i = 0; i < a->count; i++) {
        uint64_t start = a->start + ((uint64_t)i << s->cluster_bits);
        uint64_t old = qcow2_l2_entry(s, &l2, i), bitmap = 0;
        uint64_t entry = (a->host + ((uint64_t)i << s->cluster_bits)) |
                         QCOW2_COPIED;

        if (s->extl2) {
            uint64_t bits = qcow2_covered_bits(s, start, a->from, a->to);

            bitmap = (old & QCOW2_COMPRESSED) ? 0 : qcow2_l2_bitmap(s, &l2, i);
            bitmap = (bitmap | bits) & ~(bits << 32);
        }
        qcow2_l2_set(s, &l2, i, entry, bitmap);
        if (!a->reuse) {
            qcow2_free_entry(s, old, FREE_OTHER);
        }
    }
    qcow2_l2_put(&l2);
    return 0;
}

/* Writes at @offset where a mapping has to be made; *done bytes of it. */
static int write_new(Qcow2State *s, uint64_t offset, uint64_t bytes,
                     BlockVec v, uint64_t *done) REQUIRES(s->lock)
{
    void *head = NULL, *tail = NULL;
    uint64_t end, got;
    Qcow2Range r;
    Alloc a;
    int ret = plan(s, offset, bytes, &a);

    *done = 0;
    if (ret < 0) {
        return ret;
    }
    if (!qcow2_range_try(s, &r, a.start, (uint64_t)a.count << s->cluster_bits,
                         true)) {
        return 0; /* again */
    }
    if (a.reuse) {
        a.host = a.first_entry & QCOW2_OFFSET;
        ret = qcow2_check_overlap(s, a.host, s->cluster_size);
    } else if (s->data_edge) {
        a.host = a.start;
    } else {
        int64_t at = qcow2_alloc(s, a.count, &got, &a.fresh);

        if (at < 0) {
            ret = at;
        } else {
            if (got < a.count) {
                /* The last one is another now. */
                Qcow2L2 l2;

                a.count = got;
                ret = qcow2_l2_get(s, a.start, true, &l2);
                if (ret == 0) {
                    a.last_entry = qcow2_l2_entry(s, &l2, got - 1);
                    a.last_bitmap = qcow2_l2_bitmap(s, &l2, got - 1);
                    qcow2_l2_put(&l2);
                }
            }
            a.host = at;
        }
    }
    if (ret < 0) {
        goto out;
    }
    find_extent(s, &a, offset, bytes);
    end = MIN(offset + bytes, a.start + ((uint64_t)a.count << s->cluster_bits));
    ret = read_around(s, &a, a.from, offset, false, &head);
    if (ret == 0) {
        ret = read_around(s, &a, end, a.to, true, &tail);
    }
    if (ret == 0) {
        mutex_unlock(&s->lock);
        ret = write_around(s, a.host + (a.from - a.start), end - offset, v,
                           head, offset - a.from, tail, a.to - end);
        mutex_lock(&s->lock);
    }
    free(head);
    free(tail);
    if (ret == 0) {
        ret = link_clusters(s, &a);
    }
    if (ret == 0) {
        *done = end - offset;
    } else if (!a.reuse && !s->data_edge) {
        qcow2_free_now(s, a.host, (uint64_t)a.count << s->cluster_bits);
    }
out:
    qcow2_range_end(s, &r);
    return ret;
}

int qcow2_write_locked(Qcow2State *s, uint64_t offset, uint64_t bytes,
                       BlockVec v)
{
    while (bytes > 0) {
        uint64_t done = 0;
        Qcow2Map m;
        int ret = qcow2_map(s, offset, bytes, &m);

        if (ret < 0) {
            return ret;
        }
        if (m.type == QCOW2_NORMAL && m.copied) {
            Qcow2Range r;

            ret = qcow2_check_overlap(s, m.host, m.bytes);
            if (ret < 0) {
                return ret;
            }
            if (qcow2_range_try(s, &r, offset, m.bytes, false)) {
                mutex_unlock(&s->lock);
                node_debug_event(qcow2_file(s), "write_aio");
                ret = node_pwritev(s->data, m.host, m.bytes, v, 0);
                mutex_lock(&s->lock);
                qcow2_range_end(s, &r);
                done = m.bytes;
            }
        } else {
            ret = write_new(s, offset, bytes, v, &done);
        }
        if (ret < 0) {
            return ret;
        }
        offset += done;
        bytes -= done;
        if (bytes && done) {
            v = block_vec_at(v, done);
        }
    }
    return 0;
}

int qcow2_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                  unsigned flags)
{
    Qcow2State *s = n->state;
    int ret;

    mutex_lock(&s->lock);
    ret = qcow2_write_locked(s, offset, bytes, v);
    mutex_unlock(&s->lock);
    return ret;
}

/* ---- compressed ------------------------------------------------------------------ */

static int write_one_compressed(Qcow2State *s, uint64_t offset, uint8_t *data,
                                uint8_t *out)
{
    ssize_t len = qcow2_deflate(s, out, s->cluster_size - 1, data,
                                s->cluster_size);
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t entry, sectors;
    struct iovec iov;
    Qcow2Range r;
    Qcow2L2 l2;
    int64_t at;
    int ret;

    if (len == -ENOSPC) { /* does not get smaller */
        return qcow2_pwritev(s->n, offset, s->cluster_size,
                             block_vec_buf(&iov, data, s->cluster_size), 0);
    }
    if (len < 0) {
        return len;
    }
    mutex_lock(&s->lock);
    while (!qcow2_range_try(s, &r, offset, 1, true)) {
    }
    at = qcow2_alloc_bytes(s, len);
    ret = at < 0 ? at : qcow2_check_overlap(s, at, len);
    if (ret == 0) {
        mutex_unlock(&s->lock);
        node_debug_event(qcow2_file(s), "write_compressed");
        ret = node_pwrite(qcow2_file(s), at, out, len);
        mutex_lock(&s->lock);
    }
    if (ret == 0) {
        ret = qcow2_l2_get(s, offset, true, &l2);
    }
    if (ret == 0) {
        uint64_t old = qcow2_l2_entry(s, &l2, 0);

        sectors = (((uint64_t)at + len - 1) >> 9) - ((uint64_t)at >> 9);
        entry = QCOW2_COMPRESSED | sectors << x | (uint64_t)at;
        qcow2_l2_set(s, &l2, 0, entry, 0);
        qcow2_l2_put(&l2);
        qcow2_free_entry(s, old, FREE_OTHER);
    }
    qcow2_range_end(s, &r);
    mutex_unlock(&s->lock);
    return ret;
}

int qcow2_pwritev_compressed(BlockNode *n, uint64_t offset, uint64_t bytes,
                             BlockVec v)
{
    Qcow2State *s = n->state;
    uint8_t *data, *out;
    int ret = 0;

    if (s->data_edge) {
        return -ENOTSUP;
    }
    if (qcow2_into_cluster(s, offset) ||
        (qcow2_into_cluster(s, bytes) && offset + bytes < s->size)) {
        return -EINVAL;
    }
    data = g_try_malloc(s->cluster_size);
    out = g_try_malloc(s->cluster_size);
    if (!data || !out) {
        ret = -ENOMEM;
    }
    while (bytes > 0 && ret == 0) {
        uint64_t len = MIN(bytes, s->cluster_size);
        uint8_t *src = data;

        if (len == s->cluster_size && v.iov->iov_len - v.skip >= len) {
            src = (uint8_t *)v.iov->iov_base + v.skip;
        } else {
            block_vec_to_buf(v, data, len);
            memset(data + len, 0, s->cluster_size - len);
        }
        ret = write_one_compressed(s, offset, src, out);
        offset += len;
        bytes -= len;
        if (bytes) {
            v = block_vec_at(v, len);
        }
    }
    g_free(data);
    g_free(out);
    return ret;
}

/* ---- the rest --------------------------------------------------------------------- */

/* Was the image preallocated, so that looking for holes pays?  Asked once. */
static bool mostly_holes(Qcow2State *s)
{
    int known = s->sparse_file;

    if (known == 0) {
        int64_t have = node_allocated_size(s->data);
        int64_t len = s->data->length;

        known = have >= 0 && have + MAX(len / 10, (int64_t)s->cluster_size) <=
                len ? 1 : -1;
        s->sparse_file = known;
    }
    return known > 0;
}

int qcow2_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                       uint64_t bytes, uint64_t *pnum, uint64_t *map,
                       BlockNode **file)
{
    Qcow2State *s = n->state;
    Qcow2Map m;
    uint64_t total = 0;
    int ret = 0, st = 0;

    mutex_lock(&s->lock);
    while (total < bytes) { /* over slice borders */
        Qcow2Map next;

        ret = qcow2_map(s, offset + total, bytes - total, &next);
        if (ret < 0) {
            break;
        }
        if (total == 0) {
            m = next;
        } else if (next.type != m.type ||
                   (m.type == QCOW2_COMPRESSED_DATA) ||
                   ((m.type == QCOW2_NORMAL || m.type == QCOW2_ZERO_HOST ||
                     m.type == QCOW2_UNALLOCATED_HOST) &&
                    next.host != m.host + total)) {
            break;
        }
        total += next.bytes;
    }
    mutex_unlock(&s->lock);
    if (total == 0) {
        return ret < 0 ? ret : -EIO;
    }
    *pnum = total;
    switch (m.type) {
    case QCOW2_UNALLOCATED:
        return 0;
    case QCOW2_UNALLOCATED_HOST:
        break;
    case QCOW2_ZERO_PLAIN:
        return BLK_ST_ZERO;
    case QCOW2_COMPRESSED_DATA:
        return BLK_ST_DATA | BLK_ST_COMPRESSED;
    case QCOW2_ZERO_HOST:
        st = BLK_ST_ZERO;
        break;
    case QCOW2_NORMAL:
        st = BLK_ST_DATA;
        /* Space set aside in the file may be one of its holes. */
        if (want_zero && mostly_holes(s)) {
            st |= BLK_ST_RECURSE;
        }
        break;
    }
    *map = m.host;
    *file = s->data;
    return st | BLK_ST_OFFSET_VALID;
}

int qcow2_flush(BlockNode *n)
{
    Qcow2State *s = n->state;
    int ret;

    mutex_lock(&s->lock);
    ret = qcow2_writeback(s, false, true);
    mutex_unlock(&s->lock);
    return ret;
}

static uint64_t vmstate_start(const Qcow2State *s)
{
    return ROUND_UP(s->size, BIT(s->cluster_bits + s->l2_bits));
}

uint64_t qcow2_vmstate_offset(BlockNode *n)
{
    return vmstate_start(n->state);
}

int qcow2_save_vmstate(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v)
{
    Qcow2State *s = n->state;
    uint64_t start = vmstate_start(s);
    uint64_t need;
    int ret;

    if (s->data_edge) {
        return -ENOTSUP;
    }
    if (pos > (uint64_t)BLK_MAX_LENGTH - start ||
        bytes > (uint64_t)BLK_MAX_LENGTH - start - pos) {
        return -EFBIG;
    }
    mutex_lock(&s->lock);
    need = qcow2_l1_needed(s, start + pos + bytes);
    if (need > s->l1_size && !qcow2_grow_l1(s, need, NULL)) {
        mutex_unlock(&s->lock);
        return -EFBIG;
    }
    ret = qcow2_write_locked(s, start + pos, bytes, v);
    mutex_unlock(&s->lock);
    return ret;
}

int qcow2_load_vmstate(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v)
{
    Qcow2State *s = n->state;
    uint64_t start = vmstate_start(s);

    if (pos > (uint64_t)BLK_MAX_LENGTH - start ||
        bytes > (uint64_t)BLK_MAX_LENGTH - start - pos) {
        return -EFBIG;
    }
    return read_range(n, start + pos, bytes, v);
}
