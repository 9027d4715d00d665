/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images: opening, options, facts, the driver's table.  What happens
 * where: qcow2.h and docs/qcow2.md.
 */
#include "osdep.h"
#include "block/qcow2.h"
#include "util/module.h"
#include "util/option.h"

static int qcow2_probe(const uint8_t *buf, size_t len, const char *filename)
{
    return len >= HDR_V2_LENGTH && get_be32(buf) == QCOW2_MAGIC &&
           get_be32(buf + HDR_VERSION) >= 2 ? 100 : 0;
}

/* ---- options ------------------------------------------------------------------ */

typedef struct CacheSizes {
    uint64_t total, l2, entry, refcount;
    bool has_total, has_l2, has_refcount;
} CacheSizes;

static bool take_overlap(Qcow2State *s, QObject *opts, Error **errp)
{
    static const char *const modes[] = { "none", "constant", "cached", "all",
                                         NULL };
    static const unsigned masks[] = {
        0, OVERLAP_HEADER,
        OVERLAP_HEADER | OVERLAP_L1 | OVERLAP_L2 | OVERLAP_RT | OVERLAP_RB |
            OVERLAP_SNAPSHOTS | OVERLAP_INACTIVE_L1 | OVERLAP_BITMAPS,
        0x1ff,
    };
    static const char *const parts[] = {
        "main-header", "active-l1", "active-l2", "refcount-table",
        "refcount-block", "snapshot-table", "inactive-l1", "inactive-l2",
        "bitmap-directory",
    };
    QObject *v = qdict_get(opts, "overlap-check");
    int mode = 2;

    if (v && qobject_type(v) == QTYPE_DICT) {
        g_autoptr(QObject) d = qdict_steal(opts, "overlap-check");

        if (!opts_take_enum(d, "template", modes, &mode, errp)) {
            return false;
        }
        s->overlap = masks[mode];
        for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
            bool on = s->overlap & (1u << i);

            if (!opts_take_bool(d, parts[i], &on, errp)) {
                return false;
            }
            s->overlap = on ? s->overlap | 1u << i : s->overlap & ~(1u << i);
        }
        return opts_done(d, parts, errp);
    }
    if (!opts_take_enum(opts, "overlap-check", modes, &mode, errp)) {
        return false;
    }
    s->overlap = masks[mode];
    return true;
}

static bool take_options(Qcow2State *s, QObject *opts, CacheSizes *c,
                         Error **errp)
{
    bool lazy = s->compat & COMPAT_LAZY_REFCOUNTS;

    c->has_total = qdict_has(opts, "cache-size");
    c->has_l2 = qdict_has(opts, "l2-cache-size");
    c->has_refcount = qdict_has(opts, "refcount-cache-size");
    s->pass_discard[FREE_REQUEST] = s->n->flags & BLK_O_UNMAP;
    s->pass_discard[FREE_SNAPSHOT] = true;
    s->clean_interval = 600;
    if (!opts_take_bool(opts, "lazy-refcounts", &lazy, errp) ||
        !opts_take_bool(opts, "pass-discard-request",
                        &s->pass_discard[FREE_REQUEST], errp) ||
        !opts_take_bool(opts, "pass-discard-snapshot",
                        &s->pass_discard[FREE_SNAPSHOT], errp) ||
        !opts_take_bool(opts, "pass-discard-other",
                        &s->pass_discard[FREE_OTHER], errp) ||
        !opts_take_size(opts, "cache-size", &c->total, errp) ||
        !opts_take_size(opts, "l2-cache-size", &c->l2, errp) ||
        !opts_take_size(opts, "l2-cache-entry-size", &c->entry, errp) ||
        !opts_take_size(opts, "refcount-cache-size", &c->refcount, errp) ||
        !opts_take_u64(opts, "cache-clean-interval", &s->clean_interval,
                       errp) ||
        !take_overlap(s, opts, errp)) {
        return false;
    }
    if (qdict_has(opts, "encrypt")) {
        error_setg(errp, "Encryption of qcow2 images is not supported");
        return false;
    }
    if (lazy && s->version < 3) {
        error_setg(errp, "Lazy refcounts require a qcow2 image with at least "
                   "qemu 1.1 compatibility level");
        return false;
    }
    if (s->clean_interval > UINT32_MAX) {
        error_setg(errp, "Cache clean interval too big");
        return false;
    }
    s->lazy = lazy;
    return true;
}

static bool set_caches(Qcow2State *s, CacheSizes *c, Error **errp)
{
    uint64_t entry = MIN(s->cluster_size, 4096);

    if (c->entry) {
        entry = c->entry;
        if (entry < 512 || entry > s->cluster_size ||
            (entry & (entry - 1))) {
            error_setg(errp, "L2 cache entry size must be a power of two "
                       "between 512 and the cluster size (%" PRIu64 ")",
                       s->cluster_size);
            return false;
        }
    }
    if (c->has_total && c->has_l2 && c->has_refcount) {
        error_setg(errp, "cache-size, l2-cache-size and refcount-cache-size "
                   "may not be set at the same time");
        return false;
    }
    if (c->has_total && ((c->has_l2 && c->l2 > c->total) ||
                         (c->has_refcount && c->refcount > c->total))) {
        error_setg(errp, "%s may not exceed cache-size",
                   c->has_l2 ? "l2-cache-size" : "refcount-cache-size");
        return false;
    }
    if (!c->has_refcount) {
        c->refcount = c->has_total && c->has_l2 ? c->total - c->l2
                      : MIN(c->has_total ? c->total / 8 : 1 * MiB, 8 * MiB);
    }
    if (!c->has_l2) {
        c->l2 = c->has_total ? c->total - MIN(c->refcount, c->total)
                             : 32 * MiB;
    }
    s->slice_entries = entry / s->l2_entry_size;
    qcow2_cache_init(&s->l2c, "L2", entry, MIN(c->l2, 1 * GiB));
    qcow2_cache_init(&s->rbc, "refcount", MIN(s->cluster_size, 4096),
                     MIN(c->refcount, 1 * GiB));
    return true;
}

static void clean_caches(void *opaque)
{
    Qcow2State *s = opaque;

    if (mutex_trylock(&s->lock)) {
        qcow2_cache_trim(&s->l2c);
        qcow2_cache_trim(&s->rbc);
        mutex_unlock(&s->lock);
    }
    timer_mod_ms(&s->clean_timer, s->clean_interval * 1000);
}

/* ---- opening -------------------------------------------------------------------- */

static bool read_table(Qcow2State *s, uint64_t offset, uint32_t entries,
                       uint64_t **out, const char *what, Error **errp)
{
    uint64_t *t = g_try_new(uint64_t, MAX(entries, 1));
    int ret = t ? 0 : -ENOMEM;

    if (ret == 0 && entries) {
        ret = node_pread(qcow2_file(s), offset, t, (size_t)entries * 8);
    }
    if (ret < 0) {
        g_free(t);
        error_setg_errno(errp, -ret, "Could not read %s", what);
        return false;
    }
    for (uint32_t i = 0; i < entries; i++) {
        if (t[i]) {
            t[i] = be64toh(t[i]);
        }
    }
    *out = t;
    return true;
}

static bool open_data_file(BlockNode *n, QObject *opts, Error **errp)
{
    Qcow2State *s = n->state;
    bool want = s->incompat & INCOMPAT_DATA_FILE;

    s->data = n->file->node;
    s->data_file_raw = s->autoclear & AUTOCLEAR_DATA_FILE_RAW;
    if (!want) {
        if (qdict_has(opts, "data-file")) {
            error_setg(errp, "'data-file' can only be set for images with an "
                       "external data file");
            return false;
        }
        return true;
    }
    if (!qdict_has(opts, "data-file")) {
        g_autofree char *path = NULL;
        QObject *d;

        if (n->flags & BLK_O_NO_IO) {
            return true; /* facts only: nothing named inside is opened */
        }
        if (!s->data_file_name || !*s->data_file_name) {
            error_setg(errp, "'data-file' is required for this image");
            return false;
        }
        if (block_path_has_protocol(s->data_file_name)) {
            error_setg(errp, "The external data file named inside the image "
                       "must be a plain file name, not '%s'",
                       s->data_file_name);
            return false;
        }
        path = block_path_combine(n->file->node->exact_filename,
                                  s->data_file_name);
        d = qdict_new();
        qdict_put_str(d, "driver", "file");
        qdict_put_str(d, "filename", path);
        qdict_put(opts, "data-file", d);
    }
    s->data_edge = node_open_child(n, opts, "data-file", errp);
    if (!s->data_edge) {
        return false;
    }
    s->data = s->data_edge->node;
    return true;
}

static void free_ext(gpointer p)
{
    Qcow2Ext *e = p;

    g_free(e->data);
    g_free(e);
}

static void state_init(BlockNode *n)
{
    Qcow2State *s = n->state;

    s->n = n;
    mutex_init(&s->lock);
    mutex_init(&s->codec_lock);
    cond_init(&s->cond);
    mutex_init(&s->range_lock);
    cond_init(&s->range_cond);
    list_init(&s->ranges);
    s->exts = g_ptr_array_new_with_free_func(free_ext);
    s->l1_dirty = g_array_new(FALSE, FALSE, sizeof(Qcow2L1Change));
    s->rt_dirty = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    s->frees = g_array_new(FALSE, FALSE, sizeof(Qcow2Free));
    s->new_tables = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                          NULL);
    s->inflaters = g_ptr_array_new();
    s->deflaters = g_ptr_array_new();
}

static void state_free(Qcow2State *s)
{
    timer_del(&s->clean_timer);
    qcow2_cache_destroy(&s->l2c);
    qcow2_cache_destroy(&s->rbc);
    qcow2_codecs_free(s);
    qcow2_meta_forget(s);
    qcow2_free_snapshots(s);
    qcow2_free_bitmaps(s);
    g_ptr_array_unref(s->exts);
    g_array_unref(s->l1_dirty);
    g_array_unref(s->rt_dirty);
    g_array_unref(s->frees);
    g_hash_table_unref(s->new_tables);
    g_free(s->l1);
    g_free(s->rt);
    g_free(s->data_file_name);
    mutex_destroy(&s->lock);
    mutex_destroy(&s->codec_lock);
    cond_destroy(&s->cond);
    cond_destroy(&s->range_cond);
    mutex_destroy(&s->range_lock);
}

/* What writing to the image needs first. */
static bool become_writable(Qcow2State *s, Error **errp)
{
    BlockNode *n = s->n;
    uint64_t autoclear = s->autoclear & AUTOCLEAR_KNOWN;

    if (n->flags & BLK_O_CHECK) {
        return true;
    }
    if (s->incompat & INCOMPAT_CORRUPT) {
        error_setg(errp, "Image is corrupt; cannot be opened read/write");
        return false;
    }
    if (s->incompat & INCOMPAT_DIRTY) {
        BlockCheck res = { 0 };
        int ret = qcow2_check(n, &res, BLK_FIX_LEAKS | BLK_FIX_ERRORS);

        if (ret < 0 || res.check_errors) {
            error_setg_errno(errp, ret < 0 ? -ret : EIO,
                             "Could not repair dirty image");
            return false;
        }
    }
    if (autoclear != s->autoclear) {
        int ret;

        s->autoclear = autoclear;
        mutex_lock(&s->lock);
        ret = qcow2_write_features(s);
        mutex_unlock(&s->lock);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not update qcow2 header");
            return false;
        }
    }
    return true;
}

static bool open_all(BlockNode *n, QObject *opts, Error **errp)
{
    Qcow2State *s = n->state;
    CacheSizes sizes = { 0 };
    int64_t len;

    if (!qcow2_read_header(n, errp) || !take_options(s, opts, &sizes, errp) ||
        !set_caches(s, &sizes, errp)) {
        return false;
    }
    len = node_getlength(qcow2_file(s));
    if (len < 0) {
        error_setg_errno(errp, -len, "Could not get image size");
        return false;
    }
    s->file_zero_init = qcow2_file(s)->drv->zero_past_end;
    s->fresh_end = ROUND_UP((uint64_t)len, s->cluster_size);
    if (!read_table(s, s->l1_offset, s->l1_size, &s->l1, "L1 table", errp) ||
        !read_table(s, s->rt_offset, s->rt_size, &s->rt,
                    "reference count table", errp)) {
        return false;
    }
    if (!open_data_file(n, opts, errp) || !qcow2_read_snapshots(s, errp)) {
        return false;
    }
    n->length = s->size;
    n->request_alignment = 1;
    n->mem_alignment = s->data->mem_alignment;
    if (s->data->request_alignment > 1) {
        /* In-place writes go straight down: the file's blocks are ours. */
        n->request_alignment = s->data->request_alignment;
    }
    n->pdiscard_alignment = s->cluster_size;
    n->supported_zero_flags = BLK_REQ_MAY_UNMAP;
    if (!node_open_backing(n, opts, errp)) {
        return false;
    }
    if (!node_is_read_only(n) && !become_writable(s, errp)) {
        return false;
    }
    return qcow2_load_bitmaps(s, errp);
}

static bool qcow2_open(BlockNode *n, QObject *opts, Error **errp)
{
    Qcow2State *s = n->state;

    if (!node_open_child(n, opts, "file", errp)) {
        return false;
    }
    state_init(n);
    if (!open_all(n, opts, errp)) {
        state_free(s);
        return false;
    }
    if (s->clean_interval) {
        timer_init(&s->clean_timer, loop_main(), CLOCK_REALTIME_NS,
                   clean_caches, s);
        timer_mod_ms(&s->clean_timer, s->clean_interval * 1000);
    }
    return true;
}

/* All out to the file, refcounts too: the image is as if made anew. */
static bool settle(Qcow2State *s, Error **errp)
{
    int ret;

    if (!qcow2_store_bitmaps(s, errp)) {
        return false;
    }
    mutex_lock(&s->lock);
    ret = qcow2_settle(s);
    mutex_unlock(&s->lock);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the image's metadata");
    }
    return ret == 0;
}

static void qcow2_close(BlockNode *n)
{
    Qcow2State *s = n->state;
    Error *err = NULL;

    if (!node_is_read_only(n) && !n->corrupt && !settle(s, &err)) {
        error_prepend(&err, "%s: closing: ", n->filename);
        error_report_err(err);
    }
    state_free(s);
}

/* New caches, discards, overlap check, lazy refcounts. */
static bool change_options(Qcow2State *s, QObject *opts, Error **errp)
{
    g_autoptr(QObject) o = qobject_deep_copy(opts);
    bool lazy = s->lazy, ok;
    unsigned overlap = s->overlap;
    uint64_t interval = s->clean_interval;
    CacheSizes sizes = { 0 };
    bool pass[3];

    memcpy(pass, s->pass_discard, sizeof(pass));
    mutex_lock(&s->lock);
    if (!node_is_read_only(s->n)) { /* bitmaps stay in use */
        int ret = qcow2_settle(s);

        if (ret < 0) {
            mutex_unlock(&s->lock);
            error_setg_errno(errp, -ret, "Could not write the image's "
                             "metadata");
            return false;
        }
    }
    ok = take_options(s, o, &sizes, errp);
    if (ok) {
        Qcow2Cache l2c = s->l2c, rbc = s->rbc;
        unsigned entries = s->slice_entries;

        ok = set_caches(s, &sizes, errp);
        if (ok) {
            qcow2_cache_destroy(&l2c);
            qcow2_cache_destroy(&rbc);
        } else {
            s->l2c = l2c;
            s->rbc = rbc;
            s->slice_entries = entries;
        }
    }
    if (!ok) {
        s->lazy = lazy;
        s->overlap = overlap;
        s->clean_interval = interval;
        memcpy(s->pass_discard, pass, sizeof(pass));
    } else if (s->clean_interval != interval) {
        timer_del(&s->clean_timer);
        if (s->clean_interval) {
            timer_init(&s->clean_timer, loop_main(), CLOCK_REALTIME_NS,
                       clean_caches, s);
            timer_mod_ms(&s->clean_timer, s->clean_interval * 1000);
        }
    }
    qcow2_meta_forget(s);
    mutex_unlock(&s->lock);
    return ok;
}

static bool qcow2_reopen(BlockNode *n, unsigned flags, QObject *opts,
                         Error **errp)
{
    Qcow2State *s = n->state;
    bool was = !node_is_read_only(n), will = flags & BLK_O_RDWR;

    if (opts && !change_options(s, opts, errp)) {
        return false;
    }
    if (was && !will) {
        return settle(s, errp);
    }
    if (!was && will) {
        unsigned old = n->flags;

        n->flags |= BLK_O_RDWR;
        if (!become_writable(s, errp) || !qcow2_load_bitmaps(s, errp)) {
            n->flags = old;
            return false;
        }
        n->flags = old;
    }
    return true;
}

/* ---- facts ------------------------------------------------------------------------ */

static uint32_t qcow2_cluster_size(BlockNode *n)
{
    Qcow2State *s = n->state;

    return s->cluster_size;
}

static bool qcow2_dirty_flag(BlockNode *n)
{
    Qcow2State *s = n->state;

    return s->incompat & INCOMPAT_DIRTY;
}

static QObject *qcow2_specific_info(BlockNode *n)
{
    Qcow2State *s = n->state;
    QObject *d = qdict_new(), *top = qdict_new();

    /* In the order of QEMU's output. */
    qdict_put_str(d, "compat", s->version < 3 ? "0.10" : "1.1");
    qdict_put_str(d, "compression-type",
                  s->compression == COMPRESSION_ZSTD ? "zstd" : "zlib");
    if (s->version >= 3) {
        QObject *bitmaps = qcow2_bitmap_info(s);

        qdict_put_bool(d, "lazy-refcounts",
                       s->compat & COMPAT_LAZY_REFCOUNTS);
        if (bitmaps) {
            qdict_put(d, "bitmaps", bitmaps);
        }
    }
    qdict_put_int(d, "refcount-bits", s->refcount_bits);
    if (s->version >= 3) {
        if (s->incompat & INCOMPAT_DATA_FILE) {
            if (s->data_file_name) {
                qdict_put_str(d, "data-file", s->data_file_name);
            }
            qdict_put_bool(d, "data-file-raw", s->data_file_raw);
        }
        qdict_put_bool(d, "corrupt", s->incompat & INCOMPAT_CORRUPT);
        qdict_put_bool(d, "extended-l2", s->extl2);
    }
    qdict_put_str(top, "type", "qcow2");
    qdict_put(top, "data", d);
    return top;
}

static const BlockDriver driver_qcow2 = {
    .name = "qcow2",
    .kind = BLK_FORMAT,
    .state_size = sizeof(Qcow2State),
    .probe = qcow2_probe,
    .supports_backing = true,
    .open = qcow2_open,
    .close = qcow2_close,
    .reopen = qcow2_reopen,
    .preadv = qcow2_preadv,
    .pin = qcow2_pin,
    .unpin = qcow2_unpin,
    .pwritev = qcow2_pwritev,
    .pwrite_zeroes = qcow2_pwrite_zeroes,
    .pdiscard = qcow2_pdiscard,
    .flush = qcow2_flush,
    .pwritev_compressed = qcow2_pwritev_compressed,
    .truncate = qcow2_truncate,
    .block_status = qcow2_block_status,
    .create_opts = qcow2_create_opts,
    .create = qcow2_create,
    .create_blockdev = qcow2_create_blockdev,
    .amend = qcow2_amend,
    .check = qcow2_check,
    .cluster_size = qcow2_cluster_size,
    .specific_info = qcow2_specific_info,
    .dirty_flag = qcow2_dirty_flag,
    .measure = qcow2_measure,
    .make_empty = qcow2_make_empty,
    .change_backing = qcow2_change_backing,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_goto = qcow2_snapshot_goto,
    .snapshot_delete = qcow2_snapshot_delete,
    .snapshot_list = qcow2_snapshot_list,
    .snapshot_load_tmp = qcow2_snapshot_load_tmp,
    .save_vmstate = qcow2_save_vmstate,
    .load_vmstate = qcow2_load_vmstate,
    .vmstate_offset = qcow2_vmstate_offset,
    .can_store_bitmap = qcow2_can_store_bitmap,
    .remove_bitmap = qcow2_remove_bitmap,
};

static void qcow2_register(void)
{
    block_driver_register(&driver_qcow2);
}
block_init(qcow2_register)
