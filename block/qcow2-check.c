/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: check and repair.  Everything reachable from the header is counted
 * and compared with the refcounts.  Repair first takes out entries that cannot
 * be right, then writes a refcount structure that says what was counted, then
 * sets the flags "refcount is one" by it.
 */
#include "osdep.h"
#include "block/qcow2.h"

typedef struct Check {
    Qcow2State *s;
    BlockCheck *res;
    unsigned fix;
    uint32_t *refs;       /* what was counted, per cluster */
    uint64_t n;           /* clusters in refs */
    uint64_t file_size;
    uint64_t next_host;   /* of an image that is not fragmented */
    bool active;          /* in the active tree: statistics */
    bool rebuild;
} Check;

static bool count(Check *c, uint64_t offset, uint64_t bytes)
{
    Qcow2State *s = c->s;
    uint64_t first = offset >> s->cluster_bits, last;

    if (bytes == 0) {
        return true;
    }
    if (offset > (uint64_t)BLK_MAX_LENGTH - bytes ||
        offset + bytes > c->file_size + s->cluster_size) {
        if (offset + bytes > ROUND_UP(c->file_size, s->cluster_size)) {
            fprintf(stderr, "ERROR: counting reference for region exceeding "
                    "the end of the file by one cluster or more: offset 0x%"
                    PRIx64 " size 0x%" PRIx64 "\n", offset, bytes);
            c->res->corruptions++;
            return false;
        }
    }
    last = (offset + bytes - 1) >> s->cluster_bits;
    for (uint64_t i = first; i <= last && i < c->n; i++) {
        if (c->refs[i] < UINT32_MAX) {
            c->refs[i]++;
        }
    }
    return true;
}

static uint64_t *read_entries(Check *c, uint64_t offset, uint64_t entries)
{
    uint64_t *t = g_try_new(uint64_t, MAX(entries, 1));
    int ret = t ? 0 : -ENOMEM;

    if (ret == 0 && entries) {
        ret = node_pread(qcow2_file(c->s), offset, t, entries * 8);
    }
    if (ret < 0) {
        fprintf(stderr, "ERROR: I/O error in check: metadata at 0x%" PRIx64
                ": %s\n", offset, strerror(-ret));
        c->res->check_errors++;
        g_free(t);
        return NULL;
    }
    for (uint64_t i = 0; i < entries; i++) {
        t[i] = be64toh(t[i]);
    }
    return t;
}

static bool write_entry(Check *c, uint64_t at, uint64_t value)
{
    uint8_t be[8];
    int ret;

    put_be64(be, value);
    ret = node_pwrite(qcow2_file(c->s), at, be, 8);
    if (ret < 0) {
        fprintf(stderr, "ERROR: could not repair the entry at 0x%" PRIx64
                ": %s\n", at, strerror(-ret));
        c->res->check_errors++;
    }
    return ret == 0;
}

/* ---- walking ------------------------------------------------------------------- */

/* An entry that cannot be: taken out, as zeroes. */
static void bad_entry(Check *c, uint64_t at, const char *why, uint64_t entry)
{
    Qcow2State *s = c->s;

    fprintf(stderr, "%s %s: L2 entry 0x%" PRIx64 " at 0x%" PRIx64 "\n",
            c->fix & BLK_FIX_ERRORS ? "Repairing" : "ERROR", why, entry, at);
    c->res->corruptions++;
    if (c->fix & BLK_FIX_ERRORS) {
        bool ok = write_entry(c, at, s->extl2 || s->version < 3 ? 0
                                                               : QCOW2_ZERO);

        if (ok && s->extl2) {
            ok = write_entry(c, at + 8, UINT64_C(0xffffffff00000000));
        }
        if (ok) {
            c->res->corruptions--;
            c->res->corruptions_fixed++;
        }
    }
}

static void check_l2(Check *c, uint64_t table)
{
    Qcow2State *s = c->s;
    unsigned step = s->l2_entry_size / 8;
    g_autofree uint64_t *l2 = read_entries(c, table, s->cluster_size / 8);

    for (uint64_t i = 0; l2 && i < s->cluster_size / 8; i += step) {
        uint64_t e = l2[i], bits = s->extl2 ? l2[i + 1] : 0;
        uint64_t at = table + i * 8, host = e & QCOW2_OFFSET;
        bool odd = false;

        if (!e && !bits) {
            continue;
        }
        if (e & QCOW2_COMPRESSED) {
            uint32_t bytes;

            if (s->data_edge) {
                bad_entry(c, at, "compressed cluster with an external data "
                          "file", e);
                continue;
            }
            if (e & QCOW2_COPIED) {
                fprintf(stderr, "ERROR: coffset=0x%" PRIx64 ": copied flag "
                        "must never be set for compressed clusters\n", e);
                e &= ~QCOW2_COPIED;
                c->res->corruptions++;
                if ((c->fix & BLK_FIX_ERRORS) && write_entry(c, at, e)) {
                    c->res->corruptions--;
                    c->res->corruptions_fixed++;
                }
            }
            qcow2_compressed_extent(s, e, &host, &bytes);
            count(c, host, bytes);
            if (c->active) {
                c->res->allocated_clusters++;
                c->res->compressed_clusters++;
                c->res->fragmented_clusters++;
            }
            continue;
        }
        for (unsigned sc = 0; sc < (s->extl2 ? 32 : 1); sc++) {
            odd |= qcow2_type(s, e, bits, sc) < 0;
        }
        if (odd) {
            bad_entry(c, at, "invalid cluster type", e);
            continue;
        }
        if (host & (s->cluster_size - 1)) {
            bad_entry(c, at, "offset is not properly aligned", e);
            continue;
        }
        if (s->data_edge) {
            if (host || (e & QCOW2_COPIED)) {
                c->res->allocated_clusters += c->active;
            }
            continue;
        }
        if (!host) {
            continue;
        }
        if (c->active && (s->extl2 || !(e & QCOW2_ZERO))) {
            c->res->allocated_clusters++;
            if (c->next_host && host != c->next_host) {
                c->res->fragmented_clusters++;
            }
            c->next_host = host + s->cluster_size;
        }
        if (!count(c, host, s->cluster_size) && (c->fix & BLK_FIX_ERRORS)) {
            c->res->corruptions--;
            bad_entry(c, at, "offset beyond the end of the file", e);
        }
    }
}

static void check_l1(Check *c, uint64_t offset, uint32_t size)
{
    Qcow2State *s = c->s;
    g_autofree uint64_t *l1 = NULL;

    if (!count(c, offset, (uint64_t)size * 8)) {
        return;
    }
    l1 = read_entries(c, offset, size);
    for (uint32_t i = 0; l1 && i < size; i++) {
        uint64_t table = l1[i] & QCOW2_OFFSET;

        if (!table) {
            continue;
        }
        if (qcow2_into_cluster(s, table) ||
            !count(c, table, s->cluster_size)) {
            if (qcow2_into_cluster(s, table)) {
                fprintf(stderr, "ERROR l2_offset=0x%" PRIx64 ": Table is not "
                        "cluster aligned; L1 entry corrupted\n", table);
                c->res->corruptions++;
            }
            if ((c->fix & BLK_FIX_ERRORS) &&
                write_entry(c, offset + (uint64_t)i * 8, 0)) {
                if (c->active && i < s->l1_size) {
                    s->l1[i] = 0;
                }
                c->res->corruptions--;
                c->res->corruptions_fixed++;
            }
            continue;
        }
        check_l2(c, table);
    }
}

static void check_bitmaps(Check *c)
{
    Qcow2State *s = c->s;
    Error *err = NULL;

    if (!(s->autoclear & AUTOCLEAR_BITMAPS) || s->nb_bitmaps == 0) {
        return;
    }
    if (!qcow2_read_bitmap_dir(s, &err)) {
        fprintf(stderr, "ERROR: %s\n", error_get_pretty(err));
        error_free(err);
        c->res->corruptions++;
        return;
    }
    count(c, s->bitmap_dir_offset, s->bitmap_dir_size);
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        g_autofree uint64_t *t = NULL;

        if (!count(c, b->table_offset, (uint64_t)b->table_size * 8)) {
            continue;
        }
        t = read_entries(c, b->table_offset, b->table_size);
        for (uint32_t j = 0; t && j < b->table_size; j++) {
            uint64_t at = t[j] & QCOW2_OFFSET;

            if (at && qcow2_into_cluster(s, at)) {
                fprintf(stderr, "ERROR: bitmap '%s': cluster offset 0x%" PRIx64
                        " is not aligned\n", b->name, at);
                c->res->corruptions++;
            } else if (at) {
                count(c, at, s->cluster_size);
            }
        }
    }
}

static void check_blocks(Check *c)
{
    Qcow2State *s = c->s;

    count(c, s->rt_offset, (uint64_t)s->rt_size * 8);
    for (uint32_t k = 0; k < s->rt_size; k++) {
        uint64_t at = s->rt[k];

        if (!at) {
            continue;
        }
        if (qcow2_into_cluster(s, at)) {
            fprintf(stderr, "ERROR refcount block %u is not cluster aligned; "
                    "refcount table entry corrupted\n", k);
            c->res->corruptions++;
            c->rebuild = true;
            s->rt[k] = 0;
            continue;
        }
        if (at >= c->file_size) {
            fprintf(stderr, "ERROR refcount block %u is outside image\n", k);
            c->res->corruptions++;
            c->rebuild = true;
            s->rt[k] = 0;
            continue;
        }
        count(c, at, s->cluster_size);
        if (c->refs[at >> s->cluster_bits] != 1) {
            fprintf(stderr, "ERROR refcount block %u refcount=%u\n", k,
                    c->refs[at >> s->cluster_bits]);
            c->res->corruptions++;
            c->rebuild = true;
        }
    }
}

static void walk(Check *c)
{
    Qcow2State *s = c->s;

    count(c, 0, s->cluster_size);
    c->active = true;
    check_l1(c, s->l1_offset, s->l1_size);
    c->active = false;
    for (unsigned i = 0; i < s->nb_snapshots; i++) {
        check_l1(c, s->snapshots[i].l1_offset, s->snapshots[i].l1_size);
    }
    count(c, s->snapshots_offset, s->snapshots_bytes);
    check_bitmaps(c);
    check_blocks(c);
}

/* ---- comparing ----------------------------------------------------------------- */

static void compare(Check *c, Qcow2State *s) REQUIRES(s->lock)
{
    uint64_t highest = 0;

    for (uint64_t i = 0; i < c->n; i++) {
        uint64_t in_file;
        int ret = qcow2_get_refcount(s, i, &in_file);

        if (ret < 0) {
            fprintf(stderr, "Can't get refcount for cluster %" PRIu64 ": %s\n",
                    i, strerror(-ret));
            c->res->check_errors++;
            c->rebuild = true;
            continue;
        }
        if (in_file || c->refs[i]) {
            highest = i + 1;
        }
        if (in_file == c->refs[i]) {
            continue;
        }
        if (in_file > c->refs[i]) {
            fprintf(stderr, "%s cluster %" PRIu64 " refcount=%" PRIu64
                    " reference=%u\n", c->fix & BLK_FIX_LEAKS
                    ? "Repairing" : "Leaked", i, in_file, c->refs[i]);
            c->res->leaks++;
        } else {
            fprintf(stderr, "%s cluster %" PRIu64 " refcount=%" PRIu64
                    " reference=%u\n", c->fix & BLK_FIX_ERRORS
                    ? "Repairing" : "ERROR", i, in_file, c->refs[i]);
            c->res->corruptions++;
        }
    }
    c->res->image_end_offset = highest << s->cluster_bits;
}

static void flag_error(Check *c, uint64_t at, uint64_t entry, bool one,
                       const char *what)
{
    fprintf(stderr, "%s OFLAG_COPIED %s: entry=0x%" PRIx64 " refcount%s=1\n",
            c->fix & BLK_FIX_ERRORS ? "Repairing" : "ERROR", what, entry,
            one ? "" : "!");
    c->res->corruptions++;
    if ((c->fix & BLK_FIX_ERRORS) &&
        write_entry(c, at, one ? entry | QCOW2_COPIED
                               : entry & ~QCOW2_COPIED)) {
        c->res->corruptions--;
        c->res->corruptions_fixed++;
    }
}

/* Flags of the active tree against the refcounts in the file. */
static void check_flags(Check *c, Qcow2State *s) REQUIRES(s->lock)
{
    unsigned step = s->l2_entry_size / 8;

    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t table = s->l1[i] & QCOW2_OFFSET, refcount;
        g_autofree uint64_t *l2 = NULL;

        if (!table || qcow2_into_cluster(s, table) ||
            table >= c->file_size ||
            qcow2_get_refcount(s, table >> s->cluster_bits, &refcount) < 0) {
            continue;
        }
        if ((refcount == 1) != !!(s->l1[i] & QCOW2_COPIED)) {
            flag_error(c, s->l1_offset + (uint64_t)i * 8, s->l1[i],
                       refcount == 1, "L2 cluster");
            if (c->fix & BLK_FIX_ERRORS) {
                s->l1[i] ^= QCOW2_COPIED;
            }
        }
        if (s->data_edge) {
            continue;
        }
        l2 = read_entries(c, table, s->cluster_size / 8);
        for (uint64_t j = 0; l2 && j < s->cluster_size / 8; j += step) {
            uint64_t host = l2[j] & QCOW2_OFFSET;

            if ((l2[j] & QCOW2_COMPRESSED) || !host ||
                qcow2_into_cluster(s, host) ||
                qcow2_get_refcount(s, host >> s->cluster_bits,
                                   &refcount) < 0) {
                continue;
            }
            if ((refcount == 1) != !!(l2[j] & QCOW2_COPIED)) {
                flag_error(c, table + j * 8, l2[j], refcount == 1,
                           "data cluster");
            }
        }
    }
}

/* ---- repairing ----------------------------------------------------------------- */

static bool wants_repair(const Check *c)
{
    return ((c->fix & BLK_FIX_LEAKS) && c->res->leaks) ||
           ((c->fix & BLK_FIX_ERRORS) &&
            (c->res->corruptions || c->rebuild || c->res->leaks));
}

/* A refcount structure that says what was counted (and, when only leaks are to
 * go, keeps what is too low). */
static bool rewrite_refcounts(Check *c, Qcow2State *s, Error **errp)
    REQUIRES(s->lock)
{
    Qcow2Txn *t = qcow2_txn_begin(s, s->refcount_order, false, errp);

    if (!t) {
        return false;
    }
    for (uint64_t i = 0; i < c->n; i++) {
        uint64_t v = c->refs[i], in_file = 0;

        if (!(c->fix & BLK_FIX_ERRORS)) {
            qcow2_get_refcount(s, i, &in_file);
            v = MIN(v, in_file);
        }
        if (v > s->refcount_max) {
            error_setg(errp, "Cluster %" PRIu64 " has %" PRIu64 " references: "
                       "too many for %u bits", i, v, s->refcount_bits);
            qcow2_txn_free(t);
            return false;
        }
        if (c->refs[i] || v) {
            qcow2_txn_mark(t, i, 1);
        }
        if (v && i < t->n) {
            qcow2_rc_put(t->order, t->now, i, v);
        }
    }
    return qcow2_txn_commit(t, errp);
}

static int run(Check *c, Qcow2State *s) REQUIRES(s->lock)
{
    BlockCheck *res = c->res;
    int64_t leaks, errors;
    Error *err = NULL;

    res->total_clusters = qcow2_bytes_to_clusters(s, s->size);
    walk(c);
    if (res->check_errors) {
        return 0;
    }
    errors = res->corruptions;
    leaks = res->leaks;
    compare(c, s);
    errors = res->corruptions - errors;
    leaks = res->leaks - leaks;
    if (wants_repair(c) && (leaks || errors || c->rebuild)) {
        if (!rewrite_refcounts(c, s, &err)) {
            fprintf(stderr, "ERROR: could not rewrite the reference counts: "
                    "%s\n", error_get_pretty(err));
            error_free(err);
            res->check_errors++;
            return 0;
        }
        res->leaks -= leaks;
        res->leaks_fixed += leaks;
        if (c->fix & BLK_FIX_ERRORS) {
            res->corruptions_fixed += res->corruptions;
            res->corruptions = 0;
        }
    }
    qcow2_cache_empty(&s->l2c);
    check_flags(c, s);
    qcow2_cache_empty(&s->l2c);
    if (c->fix && res->check_errors == 0 && res->corruptions == 0 &&
        (res->leaks == 0 || !(s->incompat & INCOMPAT_DIRTY)) &&
        (s->incompat & (INCOMPAT_DIRTY | INCOMPAT_CORRUPT))) {
        int ret = qcow2_sync(s);

        s->incompat &= ~(uint64_t)(INCOMPAT_DIRTY | INCOMPAT_CORRUPT);
        ret = ret < 0 ? ret : qcow2_write_features(s);
        if (ret < 0) {
            return ret;
        }
        s->n->corrupt = false;
    }
    return c->fix ? qcow2_sync(s) : 0;
}

int qcow2_check(BlockNode *n, BlockCheck *res, unsigned fix)
{
    Qcow2State *s = n->state;
    Check c = { .s = s, .res = res, .fix = fix };
    int64_t len;
    int ret;

    mutex_lock(&s->lock);
    while (s->wb_busy) {
        cond_wait(&s->cond, &s->lock);
    }
    ret = node_is_read_only(n) ? 0 : qcow2_writeback(s, true, true);
    len = ret < 0 ? ret : node_getlength(qcow2_file(s));
    if (len < 0) {
        mutex_unlock(&s->lock);
        return len;
    }
    c.file_size = len;
    c.n = qcow2_bytes_to_clusters(s, len) + 1;
    c.refs = g_try_new0(uint32_t, c.n);
    if (!c.refs) {
        mutex_unlock(&s->lock);
        return -ENOMEM;
    }
    ret = run(&c, s);
    mutex_unlock(&s->lock);
    g_free(c.refs);
    return ret;
}
