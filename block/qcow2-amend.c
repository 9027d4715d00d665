/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: other options for an image that exists. */
#include "osdep.h"
#include "block/qcow2.h"
#include "util/option.h"

typedef struct AmendOpts {
    uint64_t size, refcount_bits;
    char *backing_file, *backing_fmt, *compat, *data_file;
    bool lazy, data_file_raw;
    bool has_size, has_lazy, has_raw;
} AmendOpts;

static bool take_amend_opts(QObject *opts, AmendOpts *o, Error **errp)
{
    static const char *const fixed[] = {
        "cluster_size", "preallocation", "encryption", "compression_type",
        "extended_l2",
    };

    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (qdict_has(opts, fixed[i])) {
            error_setg(errp, "Changing the %s is not supported", fixed[i]);
            return false;
        }
    }
    o->has_size = qdict_has(opts, "size");
    o->has_lazy = qdict_has(opts, "lazy_refcounts");
    o->has_raw = qdict_has(opts, "data_file_raw");
    return opts_take_size(opts, "size", &o->size, errp) &&
           opts_take_u64(opts, "refcount_bits", &o->refcount_bits, errp) &&
           opts_take_str(opts, "backing_file", &o->backing_file, errp) &&
           opts_take_str(opts, "backing_fmt", &o->backing_fmt, errp) &&
           opts_take_str(opts, "compat", &o->compat, errp) &&
           opts_take_str(opts, "data_file", &o->data_file, errp) &&
           opts_take_bool(opts, "lazy_refcounts", &o->lazy, errp) &&
           opts_take_bool(opts, "data_file_raw", &o->data_file_raw, errp) &&
           opts_done(opts, NULL, errp);
}

/* Entries "reads as zeroes" become plain holes: version 2 has no such thing. */
static bool expand_zeroes(BlockNode *n, Error **errp)
{
    Qcow2State *s = n->state;
    uint64_t pnum;

    if (s->nb_snapshots) {
        error_setg(errp, "Cannot change the version of an image with "
                   "snapshots that may hold zero clusters");
        return false;
    }
    for (uint64_t at = 0; at < s->size; at += pnum) {
        Qcow2Map m;
        int ret;

        mutex_lock(&s->lock);
        ret = qcow2_map(s, at, s->size - at, &m);
        pnum = ret < 0 ? 0 : m.bytes;
        if (ret == 0 && (m.type == QCOW2_ZERO_PLAIN ||
                         m.type == QCOW2_ZERO_HOST) && !n->backing) {
            ret = qcow2_drop_clusters(s, at, ROUND_UP(pnum, s->cluster_size),
                                      true, FREE_OTHER);
            mutex_unlock(&s->lock);
        } else if (ret == 0 && (m.type == QCOW2_ZERO_PLAIN ||
                                m.type == QCOW2_ZERO_HOST)) {
            struct iovec iov;
            void *zero;

            mutex_unlock(&s->lock);
            pnum = MIN(pnum, 1 * MiB);
            zero = g_malloc0(pnum);
            ret = qcow2_pwritev(n, at, pnum, block_vec_buf(&iov, zero, pnum),
                                0);
            g_free(zero);
        } else {
            mutex_unlock(&s->lock);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not expand zero clusters");
            return false;
        }
    }
    return true;
}

static bool downgrade(BlockNode *n, Error **errp)
{
    Qcow2State *s = n->state;
    int ret;

    if (s->refcount_order != 4) {
        error_setg(errp, "compat=0.10 requires refcount_bits=16");
        return false;
    }
    if (s->incompat & ~(uint64_t)(INCOMPAT_DIRTY)) {
        error_setg(errp, "The image uses features that compat=0.10 does not "
                   "have (incompatible features %#" PRIx64 ")", s->incompat);
        return false;
    }
    if (s->nb_bitmaps || s->n->nbitmaps) {
        error_setg(errp, "Cannot change the version of an image with bitmaps");
        return false;
    }
    if (!expand_zeroes(n, errp)) {
        return false;
    }
    mutex_lock(&s->lock);
    ret = qcow2_settle(s);
    if (ret == 0) {
        s->version = 2;
        s->compat = s->autoclear = s->incompat = 0;
        s->lazy = false;
        ret = qcow2_write_header(s, errp);
    } else {
        error_setg_errno(errp, -ret, "Could not write the image's metadata");
    }
    mutex_unlock(&s->lock);
    return ret == 0;
}

static bool change_version(BlockNode *n, const char *compat, Error **errp)
{
    Qcow2State *s = n->state;
    bool v2 = !strcmp(compat, "0.10") || !strcmp(compat, "v2");
    bool ok = true;

    if (!v2 && strcmp(compat, "1.1") && strcmp(compat, "v3")) {
        error_setg(errp, "Unknown compatibility level %s", compat);
        return false;
    }
    if (v2 && s->version > 2) {
        return downgrade(n, errp);
    }
    if (!v2 && s->version < 3) {
        mutex_lock(&s->lock);
        s->version = 3;
        ok = qcow2_write_header(s, errp) == 0;
        if (ok) { /* v3 entries tell their disk's size */
            ok = qcow2_rewrite_snapshots(s, errp);
        }
        mutex_unlock(&s->lock);
    }
    return ok;
}

static bool change_refcounts(Qcow2State *s, uint64_t bits, Error **errp)
{
    Qcow2Txn *t;
    bool ok = false;

    if (bits == 0 || bits > 64 || (bits & (bits - 1))) {
        error_setg(errp, "Refcount width must be a power of two and may not "
                   "exceed 64 bits");
        return false;
    }
    if (bits == s->refcount_bits) {
        return true;
    }
    if (s->version < 3) {
        error_setg(errp, "Refcount widths other than 16 bits require "
                   "compatibility level 1.1 or above (use compat=1.1 or "
                   "greater)");
        return false;
    }
    mutex_lock(&s->lock);
    t = qcow2_txn_begin(s, __builtin_ctzll(bits), true, errp);
    if (t) {
        ok = qcow2_txn_commit(t, errp);
    }
    mutex_unlock(&s->lock);
    return ok;
}

static bool do_amend(BlockNode *n, AmendOpts *o, Error **errp)
{
    Qcow2State *s = n->state;
    bool upgrade = o->compat && strcmp(o->compat, "0.10") &&
                   strcmp(o->compat, "v2");

    if (upgrade && !change_version(n, o->compat, errp)) {
        return false;
    }
    if (o->has_lazy && o->lazy != !!(s->compat & COMPAT_LAZY_REFCOUNTS)) {
        int ret;

        if (o->lazy && s->version < 3) {
            error_setg(errp, "Lazy refcounts only supported with "
                       "compatibility level 1.1 and above (use compat=1.1 or "
                       "greater)");
            return false;
        }
        mutex_lock(&s->lock);
        ret = qcow2_settle(s);
        s->compat ^= COMPAT_LAZY_REFCOUNTS;
        s->lazy = o->lazy;
        ret = ret < 0 ? ret : qcow2_write_features(s);
        mutex_unlock(&s->lock);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not update the header");
            return false;
        }
    }
    if (o->refcount_bits && !change_refcounts(s, o->refcount_bits, errp)) {
        return false;
    }
    if (o->data_file || o->has_raw) {
        if (!(s->incompat & INCOMPAT_DATA_FILE)) {
            error_setg(errp, "data-file can only be set for images that use "
                       "an external data file");
            return false;
        }
        if (o->has_raw && o->data_file_raw && !s->data_file_raw) {
            error_setg(errp, "data-file-raw cannot be set on existing images");
            return false;
        }
        if (o->data_file) {
            g_free(s->data_file_name);
            s->data_file_name = *o->data_file ? g_strdup(o->data_file) : NULL;
        }
        if (o->has_raw && !o->data_file_raw) {
            s->autoclear &= ~(uint64_t)AUTOCLEAR_DATA_FILE_RAW;
            s->data_file_raw = false;
        }
        if (qcow2_write_header(s, errp) < 0) {
            return false;
        }
    }
    if ((o->backing_file || o->backing_fmt) &&
        !qcow2_change_backing(n, o->backing_file ? o->backing_file
                                                 : n->backing_file,
                              o->backing_fmt ? o->backing_fmt
                                             : n->backing_format, errp)) {
        return false;
    }
    if (o->has_size &&
        !node_truncate(n, o->size, false, "off", 0, errp)) {
        return false;
    }
    return !o->compat || upgrade || change_version(n, o->compat, errp);
}

bool qcow2_amend(BlockNode *n, QObject *opts, bool force, Error **errp)
{
    AmendOpts o = { 0 };
    bool ok = take_amend_opts(opts, &o, errp) && do_amend(n, &o, errp);

    g_free(o.backing_file);
    g_free(o.backing_fmt);
    g_free(o.compat);
    g_free(o.data_file);
    return ok;
}
