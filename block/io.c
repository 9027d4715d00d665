/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocking I/O on nodes: alignment, conflicting requests, zeroes, flushes,
 * block status.  Runs on pool workers (and in tools and open functions on the
 * only thread); see docs/block.md for the life of a request.
 */
#include "osdep.h"
#include "block/block-int.h"

#define BOUNCE_MAX (1 * MiB)

/* ---- conflicts -------------------------------------------------------------- */

/*
 * A serialising request (one that reads before it writes) and another on the
 * same bytes never run together: the later waits for the earlier.
 */
static bool conflict(BlockNode *n, const TrackedRequest *t)
{
    TrackedRequest *o;

    list_foreach (o, &n->tracked, node) {
        if (o != t && (o->serialising || t->serialising) &&
            (o->write || t->write) && o->offset < t->offset + t->bytes &&
            t->offset < o->offset + o->bytes) {
            return true;
        }
    }
    return false;
}

void node_track_begin(BlockNode *n, TrackedRequest *t, uint64_t offset,
                      uint64_t bytes, bool write, bool serialising)
{
    *t = (TrackedRequest){ .offset = offset, .bytes = bytes, .write = write,
                           .serialising = serialising };
    mutex_lock(&n->lock);
    if (serialising) {
        n->serialising++;
    }
    /* Those that wait stand in no list: no two wait for each other. */
    while (n->serialising && conflict(n, t)) {
        cond_wait(&n->cond, &n->lock);
    }
    list_append(&n->tracked, &t->node);
    mutex_unlock(&n->lock);
}

bool node_track_try(BlockNode *n, TrackedRequest *t, uint64_t offset,
                    uint64_t bytes, bool write)
{
    bool ok;

    *t = (TrackedRequest){ .offset = offset, .bytes = bytes, .write = write };
    mutex_lock(&n->lock);
    ok = !n->serialising || !conflict(n, t);
    if (ok) {
        list_append(&n->tracked, &t->node);
    }
    mutex_unlock(&n->lock);
    return ok;
}

void node_track_end(BlockNode *n, TrackedRequest *t)
{
    mutex_lock(&n->lock);
    list_remove(&t->node);
    if (t->serialising) {
        n->serialising--;
    }
    cond_broadcast(&n->cond);
    mutex_unlock(&n->lock);
}

/* ---- checks ----------------------------------------------------------------- */

void *node_buffer(const BlockNode *n, size_t bytes)
{
    size_t align = MAX(n->mem_alignment, 512);
    void *p = NULL;

    if (posix_memalign(&p, align, ROUND_UP(MAX(bytes, 1), align)) != 0) {
        return NULL;
    }
    return p;
}

/* Guest data lies within the image; drivers' metadata I/O on files does not
 * need to (reads past the end give zeroes, writes extend). */
static int check_range(uint64_t offset, uint64_t bytes)
{
    if (bytes > (uint64_t)BLK_MAX_LENGTH || offset > BLK_MAX_LENGTH - bytes) {
        return -EIO;
    }
    return 0;
}

static bool aligned(const BlockNode *n, uint64_t offset, uint64_t bytes)
{
    return ((offset | bytes) & (n->request_alignment - 1)) == 0;
}

static bool vec_aligned(const BlockNode *n, BlockVec v, uint64_t bytes)
{
    uintptr_t mask = n->mem_alignment - 1;
    size_t skip = v.skip;

    if (n->mem_alignment <= 1) {
        return true;
    }
    for (int i = 0; i < v.n && bytes > 0; i++, skip = 0) {
        uint64_t len = MIN(v.iov[i].iov_len - skip, bytes);

        if ((((uintptr_t)v.iov[i].iov_base + skip) | len) & mask) {
            return false;
        }
        bytes -= len;
    }
    return true;
}

bool node_request_aligned(const BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v)
{
    return aligned(n, offset, bytes) && vec_aligned(n, v, bytes);
}

/* ---- reading ---------------------------------------------------------------- */

/* Aligned, within the driver's limits. */
static int driver_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                         BlockVec v)
{
    while (bytes > 0) {
        uint64_t chunk = n->max_transfer ? MIN(bytes, n->max_transfer) : bytes;
        int ret;

        if (vec_aligned(n, v, chunk)) {
            ret = n->drv->preadv(n, offset, chunk, v);
        } else {
            struct iovec iov;
            void *buf;

            chunk = MIN(chunk, BOUNCE_MAX);
            buf = node_buffer(n, chunk);
            if (!buf) {
                return -ENOMEM;
            }
            ret = n->drv->preadv(n, offset, chunk,
                                 block_vec_buf(&iov, buf, chunk));
            if (ret == 0) {
                block_vec_from_buf(v, buf, chunk);
            }
            free(buf);
        }
        if (ret < 0) {
            return ret;
        }
        offset += chunk;
        bytes -= chunk;
        v = block_vec_at(v, chunk);
    }
    return 0;
}

/* One piece that is not aligned: through a buffer that covers it. */
static int read_unaligned(BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v)
{
    uint32_t align = n->request_alignment;

    while (bytes > 0) {
        uint64_t start = ROUND_DOWN(offset, align);
        uint64_t chunk = MIN(bytes, BOUNCE_MAX - align);
        uint64_t end = ROUND_UP(offset + chunk, align);
        struct iovec iov;
        char *buf = node_buffer(n, end - start);
        int ret;

        if (!buf) {
            return -ENOMEM;
        }
        ret = driver_preadv(n, start, end - start,
                            block_vec_buf(&iov, buf, end - start));
        if (ret == 0) {
            block_vec_from_buf(v, buf + (offset - start), chunk);
        }
        free(buf);
        if (ret < 0) {
            return ret;
        }
        offset += chunk;
        bytes -= chunk;
        v = block_vec_at(v, chunk);
    }
    return 0;
}

/* Past the end there are zeroes. */
static int read_within(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v)
{
    uint64_t length = ROUND_UP(n->length, n->request_alignment);
    uint64_t inside = offset >= length ? 0 : MIN(bytes, length - offset);
    int ret = 0;

    if (inside > 0) {
        ret = aligned(n, offset, inside)
                  ? driver_preadv(n, offset, inside, v)
                  : read_unaligned(n, offset, inside, v);
    }
    if (ret == 0 && inside < bytes) {
        block_vec_zero(block_vec_at(v, inside), bytes - inside);
    }
    return ret;
}

static int write_zeroes_tracked(BlockNode *n, uint64_t offset, uint64_t bytes,
                                unsigned flags);

/* Reads what a layer below has and keeps a copy in this one. */
static int copy_on_read(BlockNode *n, uint64_t offset, uint64_t bytes,
                        BlockVec v)
{
    uint32_t cluster = n->drv->cluster_size ? n->drv->cluster_size(n) : 0;
    uint64_t pos = offset;

    cluster = MAX(MAX(cluster, n->request_alignment), 4096);
    while (pos < offset + bytes) {
        uint64_t start = ROUND_DOWN(pos, cluster);
        uint64_t end = MIN(ROUND_UP(offset + bytes, cluster),
                           start + MAX(cluster, BOUNCE_MAX));
        uint64_t pnum = 0, map = 0;
        uint64_t take = MIN(end, offset + bytes) - pos;
        int st;

        end = MIN(end, MAX(n->length, offset + bytes));
        st = node_block_status(n, false, start, end - start, &pnum, &map, NULL);
        if (st < 0) {
            return st;
        }
        end = MIN(end, start + pnum);
        if (end <= pos) {
            return -EIO; /* a driver that makes no progress */
        }
        take = MIN(take, end - pos);
        if (!(st & BLK_ST_ALLOCATED)) {
            struct iovec iov;
            char *buf = node_buffer(n, end - start);
            int ret;

            if (!buf) {
                return -ENOMEM;
            }
            ret = read_within(n, start, end - start,
                              block_vec_buf(&iov, buf, end - start));
            if (ret == 0) {
                ret = buffer_is_zero(buf, end - start)
                          ? write_zeroes_tracked(n, start, end - start, 0)
                          : n->drv->pwritev(n, start, end - start,
                                            block_vec_buf(&iov, buf,
                                                          end - start), 0);
            }
            if (ret == 0) {
                n->write_gen++;
                block_vec_from_buf(block_vec_at(v, pos - offset),
                                   buf + (pos - start), take);
            }
            free(buf);
            if (ret < 0) {
                return ret;
            }
        } else {
            int ret = read_within(n, pos, take,
                                  block_vec_at(v, pos - offset));

            if (ret < 0) {
                return ret;
            }
        }
        pos += take;
    }
    return 0;
}

int node_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                unsigned flags)
{
    bool cor = flags & BLK_REQ_COPY_ON_READ;
    TrackedRequest t;
    int ret = check_range(offset, bytes);

    if (ret < 0 || bytes == 0) {
        return ret;
    }
    if (!n->drv->preadv) {
        return -ENOTSUP;
    }
    if (cor) {
        node_track_begin(n, &t, ROUND_DOWN(offset, 2 * MiB),
                         ROUND_UP(bytes, 2 * MiB) + 2 * MiB, true, true);
        ret = copy_on_read(n, offset, bytes, v);
    } else {
        node_track_begin(n, &t, offset, bytes, false, false);
        ret = read_within(n, offset, bytes, v);
    }
    node_track_end(n, &t);
    return ret;
}

/* ---- writing ---------------------------------------------------------------- */

static int driver_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v, unsigned flags)
{
    unsigned pass = flags & n->supported_write_flags;
    int ret = 0;

    while (bytes > 0 && ret == 0) {
        uint64_t chunk = n->max_transfer ? MIN(bytes, n->max_transfer) : bytes;

        if (vec_aligned(n, v, chunk)) {
            ret = n->drv->pwritev(n, offset, chunk, v, pass);
        } else {
            struct iovec iov;
            void *buf;

            chunk = MIN(chunk, BOUNCE_MAX);
            buf = node_buffer(n, chunk);
            if (!buf) {
                return -ENOMEM;
            }
            block_vec_to_buf(v, buf, chunk);
            ret = n->drv->pwritev(n, offset, chunk,
                                  block_vec_buf(&iov, buf, chunk), pass);
            free(buf);
        }
        offset += chunk;
        bytes -= chunk;
        v = block_vec_at(v, chunk);
    }
    return ret;
}

/* Head and tail blocks are read, changed and written back. */
static int write_unaligned(BlockNode *n, uint64_t offset, uint64_t bytes,
                           BlockVec v, unsigned flags)
{
    uint32_t align = n->request_alignment;

    while (bytes > 0) {
        uint64_t start = ROUND_DOWN(offset, align);
        uint64_t chunk, end, len;
        struct iovec iov;
        char *buf;
        int ret;

        if (start == offset && bytes >= align) {
            chunk = ROUND_DOWN(bytes, align);
            ret = driver_pwritev(n, offset, chunk, v, flags);
            if (ret < 0) {
                return ret;
            }
            offset += chunk;
            bytes -= chunk;
            v = block_vec_at(v, chunk);
            continue;
        }
        end = start + align;
        len = end - start;
        chunk = MIN(bytes, end - offset);
        buf = node_buffer(n, len);
        if (!buf) {
            return -ENOMEM;
        }
        ret = read_within(n, start, len, block_vec_buf(&iov, buf, len));
        if (ret == 0) {
            block_vec_to_buf(v, buf + (offset - start), chunk);
            ret = driver_pwritev(n, start, len, block_vec_buf(&iov, buf, len),
                                 flags);
        }
        free(buf);
        if (ret < 0) {
            return ret;
        }
        offset += chunk;
        bytes -= chunk;
        v = block_vec_at(v, chunk);
    }
    return 0;
}

static int check_write(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    uint64_t threshold = n->write_threshold;

    if (node_is_read_only(n) || n->corrupt) {
        return n->corrupt ? -EIO : -EPERM;
    }
    if (threshold && offset + bytes > threshold &&
        atomic_exchange(&n->write_threshold, 0) && /* one event a setting */
        block_hooks.write_threshold) {
        block_hooks.write_threshold(n, offset + bytes - threshold, threshold);
    }
    return 0;
}

void node_note_write(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    uint64_t high = n->wr_highest_offset, end = offset + bytes;
    uint64_t length = n->length;

    n->write_gen++;
    while (high < end &&
           !atomic_compare_exchange_weak(&n->wr_highest_offset, &high, end)) {
    }
    if (n->drv->kind == BLK_PROTOCOL) { /* files grow */
        while (length < end &&
               !atomic_compare_exchange_weak(&n->length, &length, end)) {
        }
    }
    if (n->nbitmaps) {
        node_bitmaps_mark(n, offset, bytes);
    }
}

static int write_zeroes_tracked(BlockNode *n, uint64_t offset, uint64_t bytes,
                                unsigned flags)
{
    uint64_t align = MAX(n->pwrite_zeroes_alignment, n->request_alignment);
    uint64_t piece = 16 * MiB;
    char *zero = NULL;
    int ret = 0;

    while (bytes > 0 && ret == 0) {
        uint64_t chunk = bytes;
        struct iovec iov;

        /* Up to the driver's alignment as data, then its own way. */
        ret = -ENOTSUP;
        if (n->drv->pwrite_zeroes) {
            uint64_t head = ROUND_UP(offset, align) - offset;

            if (head == 0 && bytes >= align) {
                chunk = ROUND_DOWN(bytes, align);
                ret = n->drv->pwrite_zeroes(n, offset, chunk,
                                            flags & n->supported_zero_flags);
                if (ret == -ENOTSUP) {
                    align = UINT32_MAX / 2 + 1; /* not again */
                    chunk = bytes;
                }
            } else if (head > 0) {
                chunk = MIN(bytes, head);
            }
        }
        if (ret == -ENOTSUP) {
            if (flags & BLK_REQ_NO_FALLBACK) {
                break;
            }
            chunk = MIN(chunk, piece);
            if (!zero) {
                zero = node_buffer(n, MIN(chunk, BOUNCE_MAX));
                if (!zero) {
                    return -ENOMEM;
                }
                piece = MIN(chunk, BOUNCE_MAX);
                memset(zero, 0, piece);
            }
            chunk = MIN(chunk, piece);
            ret = aligned(n, offset, chunk)
                      ? driver_pwritev(n, offset, chunk,
                                       block_vec_buf(&iov, zero, chunk), 0)
                      : write_unaligned(n, offset, chunk,
                                        block_vec_buf(&iov, zero, chunk), 0);
        }
        offset += chunk;
        bytes -= chunk;
    }
    free(zero);
    return ret;
}

int node_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                 unsigned flags)
{
    bool whole = aligned(n, offset, bytes);
    uint32_t align = n->request_alignment;
    TrackedRequest t;
    int ret = check_range(offset, bytes);

    if (ret < 0 || bytes == 0) {
        return ret;
    }
    ret = check_write(n, offset, bytes);
    if (ret < 0) {
        return ret;
    }
    if (flags & BLK_REQ_COMPRESSED) {
        if (!n->drv->pwritev_compressed) {
            return -ENOTSUP;
        }
    } else if (!n->drv->pwritev) {
        return -ENOTSUP;
    }
    node_track_begin(n, &t, whole ? offset : ROUND_DOWN(offset, align),
                     whole ? bytes
                           : ROUND_UP(offset + bytes, align) -
                                 ROUND_DOWN(offset, align),
                     true, !whole);
    if (flags & BLK_REQ_COMPRESSED) {
        ret = n->drv->pwritev_compressed(n, offset, bytes, v);
    } else if (n->detect_zeroes && block_vec_is_zero(v, bytes)) {
        bool unmap = n->detect_zeroes > 1 && (n->flags & BLK_O_UNMAP);

        ret = write_zeroes_tracked(n, offset, bytes,
                                   unmap ? BLK_REQ_MAY_UNMAP : 0);
    } else {
        ret = whole ? driver_pwritev(n, offset, bytes, v, flags)
                    : write_unaligned(n, offset, bytes, v, flags);
    }
    if (ret == 0) {
        node_note_write(n, offset, bytes);
    }
    node_track_end(n, &t);
    if (ret == 0 && (flags & BLK_REQ_FUA) &&
        !(n->supported_write_flags & BLK_REQ_FUA)) {
        ret = node_flush(n);
    }
    return ret;
}

int node_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                       unsigned flags)
{
    uint32_t align = n->request_alignment;
    bool whole = aligned(n, offset, bytes);
    TrackedRequest t;
    int ret = check_range(offset, bytes);

    if (ret < 0 || bytes == 0) {
        return ret;
    }
    ret = check_write(n, offset, bytes);
    if (ret < 0) {
        return ret;
    }
    if (!(n->flags & BLK_O_UNMAP)) {
        flags &= ~BLK_REQ_MAY_UNMAP;
    }
    node_track_begin(n, &t, ROUND_DOWN(offset, align),
                     ROUND_UP(offset + bytes, align) -
                         ROUND_DOWN(offset, align), true, !whole);
    ret = write_zeroes_tracked(n, offset, bytes, flags);
    if (ret == 0) {
        node_note_write(n, offset, bytes);
    }
    node_track_end(n, &t);
    if (ret == 0 && (flags & BLK_REQ_FUA)) {
        ret = node_flush(n);
    }
    return ret;
}

int node_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    uint64_t align = MAX(n->pdiscard_alignment, n->request_alignment);
    uint64_t start = ROUND_UP(offset, align);
    uint64_t end;
    TrackedRequest t;
    int ret = check_range(offset, bytes);

    if (ret < 0 || bytes == 0) {
        return ret;
    }
    ret = check_write(n, offset, 0);
    if (ret < 0) {
        return ret;
    }
    /* A hint: what is not whole stays, but the image's own last piece. */
    end = offset + bytes >= n->length ? n->length
                                      : ROUND_DOWN(offset + bytes, align);
    if (!(n->flags & BLK_O_UNMAP) || !n->drv->pdiscard || start >= end) {
        return 0;
    }
    node_track_begin(n, &t, start, end - start, true, false);
    ret = n->drv->pdiscard(n, start, end - start);
    ret = ret == -ENOTSUP ? 0 : ret;
    if (ret == 0) {
        n->write_gen++;
        if (n->nbitmaps) {
            node_bitmaps_mark(n, start, end - start);
        }
    }
    node_track_end(n, &t);
    return ret;
}

/* The file and place that @bytes at *offset are a plain range of. */
static BlockNode *plain_file(BlockNode *n, uint64_t *offset, uint64_t bytes)
{
    while (n->drv->kind != BLK_PROTOCOL) {
        uint64_t pnum, map;
        BlockNode *file = NULL;
        int st;

        if (!n->drv->block_status || n->drv->kind == BLK_FILTER) {
            return NULL;
        }
        st = n->drv->block_status(n, false, *offset, bytes, &pnum, &map,
                                  &file);
        if (st < 0 || pnum < bytes || !(st & BLK_ST_RAW) || !file) {
            return NULL;
        }
        n = file;
        *offset = map;
    }
    return n;
}

int node_copy_range(BlockNode *from, uint64_t src, BlockNode *to, uint64_t dst,
                    uint64_t bytes)
{
    BlockNode *a = plain_file(from, &src, bytes);
    BlockNode *b = plain_file(to, &dst, bytes);
    TrackedRequest t;
    int ret = check_range(src, bytes) | check_range(dst, bytes);

    if (!a || !b || a->drv != b->drv || !a->drv->copy_range) {
        return -ENOTSUP;
    }
    ret = ret < 0 ? -EIO : check_write(b, dst, bytes);
    if (ret < 0) {
        return ret;
    }
    node_track_begin(b, &t, dst, bytes, true, false);
    ret = a->drv->copy_range(a, src, b, dst, bytes);
    if (ret == 0) {
        node_note_write(b, dst, bytes);
        if (to != b) {
            node_note_write(to, dst, bytes);
        }
    }
    node_track_end(b, &t);
    return ret;
}

/* ---- flushing --------------------------------------------------------------- */

int node_flush(BlockNode *n)
{
    uint64_t gen = n->write_gen;
    BlockEdge *e;
    int ret = 0;

    if (node_is_read_only(n)) {
        return 0;
    }
    if (n->drv->kind == BLK_PROTOCOL && n->flushed_gen == gen) {
        return 0; /* every write that is done was covered */
    }
    if (n->drv->flush) {
        ret = n->drv->flush(n);
    }
    if (ret < 0) {
        return ret;
    }
    if (n->drv->kind == BLK_PROTOCOL) {
        uint64_t had = n->flushed_gen; /* a later flush may have ended first */

        while (had < gen && !atomic_compare_exchange_weak(&n->flushed_gen,
                                                          &had, gen)) {
        }
        return 0;
    }
    /* The backing file is not written through us. */
    list_foreach (e, &n->children, parent_node) {
        if (e == n->backing && n->drv->kind == BLK_FORMAT) {
            continue;
        }
        ret = node_flush(e->node);
        if (ret < 0) {
            return ret;
        }
    }
    n->flushed_gen = gen;
    return 0;
}

/* ---- convenience ------------------------------------------------------------ */

int node_pread(BlockNode *n, uint64_t offset, void *buf, size_t bytes)
{
    struct iovec iov;

    return node_preadv(n, offset, bytes, block_vec_buf(&iov, buf, bytes), 0);
}

int node_pwrite(BlockNode *n, uint64_t offset, const void *buf, size_t bytes)
{
    struct iovec iov;

    return node_pwritev(n, offset, bytes,
                        block_vec_buf(&iov, (void *)buf, bytes), 0);
}

int node_pwrite_sync(BlockNode *n, uint64_t offset, const void *buf,
                     size_t bytes)
{
    int ret = node_pwrite(n, offset, buf, bytes);

    return ret < 0 ? ret : node_flush(n);
}

bool node_truncate(BlockNode *n, uint64_t bytes, bool exact,
                   const char *prealloc, unsigned flags, Error **errp)
{
    if (node_is_read_only(n)) {
        error_setg(errp, "Image is read-only");
        return false;
    }
    if (bytes > (uint64_t)BLK_MAX_LENGTH) {
        error_setg(errp, "Required size too large");
        return false;
    }
    if (!n->drv->truncate) {
        if (n->drv->kind == BLK_FILTER && n->file) {
            if (!node_truncate(n->file->node, bytes, exact, prealloc, flags,
                               errp)) {
                return false;
            }
            n->length = n->file->node->length;
            return true;
        }
        error_setg(errp, "Image format driver '%s' does not support resize",
                   n->drv->name);
        return false;
    }
    if (!n->drv->truncate(n, bytes, exact, prealloc ? prealloc : "off", flags,
                          errp)) {
        return false;
    }
    n->write_gen++;
    if (n->nbitmaps) {
        node_bitmaps_resize(n, n->length);
    }
    return true;
}

int64_t node_getlength(BlockNode *n)
{
    if (n->drv->getlength) {
        int64_t len = n->drv->getlength(n);

        if (len >= 0) {
            n->length = len;
        }
        return len;
    }
    return n->length;
}

int64_t node_allocated_size(BlockNode *n)
{
    BlockEdge *e;
    int64_t sum = 0;

    if (n->drv->allocated_size) {
        return n->drv->allocated_size(n);
    }
    if (n->drv->kind == BLK_PROTOCOL) {
        return -ENOTSUP;
    }
    list_foreach (e, &n->children, parent_node) {
        if (e != n->backing || n->drv->kind == BLK_FILTER) {
            int64_t one = node_allocated_size(e->node);

            if (one < 0) {
                return one;
            }
            sum += one;
        }
    }
    return sum;
}
