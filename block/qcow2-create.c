/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: making images, preallocation, measuring. */
#include "osdep.h"
#include "block/qcow2.h"
#include "util/option.h"

const BlockCreateOpt qcow2_create_opts[] = {
    { "backing_file", BLK_OPT_STR, "File name of a base image", NULL, true },
    { "backing_fmt", BLK_OPT_STR, "Image format of the base image", NULL,
      true },
    { "cluster_size", BLK_OPT_SIZE, "qcow2 cluster size", "65536" },
    { "compat", BLK_OPT_STR,
      "Compatibility level (v2 [0.10] or v3 [1.1])", NULL, true },
    { "compression_type", BLK_OPT_STR,
      "Compression method used for image cluster compression", "zlib" },
    { "data_file", BLK_OPT_STR, "File name of an external data file", NULL,
      true },
    { "data_file_raw", BLK_OPT_BOOL,
      "The external data file must stay valid as a raw image", NULL, true },
    { "encryption", BLK_OPT_BOOL, "Encrypt the image with format 'aes'. "
      "(Deprecated in favor of encrypt.format=aes)", NULL },
    { "extended_l2", BLK_OPT_BOOL, "Extended L2 tables", "off" },
    { "lazy_refcounts", BLK_OPT_BOOL, "Postpone refcount updates", "off",
      true },
    { "preallocation", BLK_OPT_STR, "Preallocation mode (allowed values: "
      "off, metadata, falloc, full)", NULL },
    { "refcount_bits", BLK_OPT_NUM, "Width of a reference count entry in bits",
      "16", true },
    { "size", BLK_OPT_SIZE, "Virtual disk size", NULL, true },
    { NULL }
};

typedef struct CreateOpts {
    uint64_t size, cluster_size, refcount_bits;
    char *backing_file, *backing_fmt, *compat, *compression, *data_file;
    char *prealloc;
    bool data_file_raw, extl2, lazy, encryption;
    unsigned version, refcount_order, compression_type;
} CreateOpts;

static void create_opts_free(CreateOpts *o)
{
    g_free(o->backing_file);
    g_free(o->backing_fmt);
    g_free(o->compat);
    g_free(o->compression);
    g_free(o->data_file);
    g_free(o->prealloc);
}

static bool take_create_opts(QObject *opts, CreateOpts *o, Error **errp)
{
    o->cluster_size = 65536;
    o->refcount_bits = 16;
    if (!opts_take_size(opts, "size", &o->size, errp) ||
        !opts_take_size(opts, "cluster_size", &o->cluster_size, errp) ||
        !opts_take_u64(opts, "refcount_bits", &o->refcount_bits, errp) ||
        !opts_take_str(opts, "backing_file", &o->backing_file, errp) ||
        !opts_take_str(opts, "backing_fmt", &o->backing_fmt, errp) ||
        !opts_take_str(opts, "compat", &o->compat, errp) ||
        !opts_take_str(opts, "compression_type", &o->compression, errp) ||
        !opts_take_str(opts, "data_file", &o->data_file, errp) ||
        !opts_take_bool(opts, "data_file_raw", &o->data_file_raw, errp) ||
        !opts_take_bool(opts, "extended_l2", &o->extl2, errp) ||
        !opts_take_bool(opts, "lazy_refcounts", &o->lazy, errp) ||
        !opts_take_bool(opts, "encryption", &o->encryption, errp) ||
        !opts_take_str(opts, "preallocation", &o->prealloc, errp)) {
        return false;
    }
    if (o->encryption) {
        error_setg(errp, "Encryption of qcow2 images is not supported");
        return false;
    }
    if (!o->compat || !strcmp(o->compat, "1.1") || !strcmp(o->compat, "v3")) {
        o->version = 3;
    } else if (!strcmp(o->compat, "0.10") || !strcmp(o->compat, "v2")) {
        o->version = 2;
    } else {
        error_setg(errp, "Invalid parameter '%s' for 'compat': expected v2 or "
                   "v3", o->compat);
        return false;
    }
    if (o->compression && !strcmp(o->compression, "zstd")) {
        o->compression_type = COMPRESSION_ZSTD;
#ifndef CONFIG_ZSTD
        error_setg(errp, "compression_type=zstd: this build has no libzstd");
        return false;
#endif
    } else if (o->compression && strcmp(o->compression, "zlib")) {
        error_setg(errp, "Invalid parameter '%s' for 'compression_type': "
                   "expected zlib or zstd", o->compression);
        return false;
    }
    return true;
}

static bool check_create_opts(CreateOpts *o, Error **errp)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full" };
    bool known = !o->prealloc;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        known |= !g_strcmp0(o->prealloc, modes[i]);
    }
    if (!known) {
        error_setg(errp, "Invalid parameter '%s' for 'preallocation'",
                   o->prealloc);
        return false;
    }
    if (o->cluster_size < 512 || o->cluster_size > 2 * MiB ||
        (o->cluster_size & (o->cluster_size - 1))) {
        error_setg(errp, "Cluster size must be a power of two between 512 and "
                   "2048k");
        return false;
    }
    if (o->extl2 && o->cluster_size < 16384) {
        error_setg(errp, "Extended L2 entries are only supported with cluster "
                   "sizes of at least 16384 bytes");
        return false;
    }
    if (o->refcount_bits == 0 || o->refcount_bits > 64 ||
        (o->refcount_bits & (o->refcount_bits - 1))) {
        error_setg(errp, "Refcount width must be a power of two and may not "
                   "exceed 64 bits");
        return false;
    }
    o->refcount_order = __builtin_ctzll(o->refcount_bits);
    if (o->version < 3 &&
        (o->lazy || o->refcount_bits != 16 || o->extl2 || o->data_file ||
         o->compression_type)) {
        error_setg(errp, "%s with compatibility level 1.1 and above (use "
                   "version=v3 or greater)",
                   o->lazy ? "Lazy refcounts only supported"
                   : o->extl2 ? "Extended L2 entries are only supported"
                   : o->data_file ? "External data files are only supported"
                   : o->compression_type
                       ? "Non-zlib compression type is only supported"
                       : "Different refcount widths than 16 bits require use");
        return false;
    }
    if (o->data_file_raw && !o->data_file) {
        error_setg(errp, "data-file-raw requires data-file");
        return false;
    }
    if (o->data_file_raw && o->backing_file) {
        error_setg(errp, "Backing file and data-file-raw cannot be used at "
                   "the same time");
        return false;
    }
    if (o->backing_file && o->prealloc && strcmp(o->prealloc, "off") &&
        !o->extl2) {
        error_setg(errp, "Backing file and preallocation can only be used at "
                   "the same time if extended_l2 is enabled");
        return false;
    }
    if (o->backing_file && strlen(o->backing_file) > 1023) {
        error_setg(errp, "Backing file name too long");
        return false;
    }
    if (o->backing_fmt && !o->backing_file) {
        error_setg(errp, "Backing format cannot be used without backing file");
        return false;
    }
    o->size = ROUND_UP(o->size, BLK_SECTOR);
    return true;
}

/* Header, refcount table, blocks, L1: sizes that count themselves. */
typedef struct Layout {
    uint64_t rt_clusters, blocks, l1_clusters, total, l1_entries;
} Layout;

static bool make_layout(const Qcow2State *s, Layout *l, Error **errp)
{
    uint64_t before;

    memset(l, 0, sizeof(*l));
    l->l1_entries = qcow2_l1_needed(s, s->size);
    if (s->size > (uint64_t)BLK_MAX_LENGTH ||
        l->l1_entries * 8 > QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "Image size too large for file format (try using a "
                   "larger cluster size)");
        return false;
    }
    l->l1_clusters = MAX(qcow2_bytes_to_clusters(s, l->l1_entries * 8), 1);
    l->rt_clusters = 1;
    l->blocks = 1;
    do {
        before = l->total;
        l->total = 1 + l->rt_clusters + l->blocks + l->l1_clusters;
        l->blocks = DIV_ROUND_UP(l->total, BIT(s->rb_bits));
        l->rt_clusters = qcow2_bytes_to_clusters(s, l->blocks * 8);
        l->total = 1 + l->rt_clusters + l->blocks + l->l1_clusters;
    } while (l->total != before);
    return true;
}

static bool write_image(Qcow2State *s, const Layout *l, Error **errp)
{
    BlockNode *file = qcow2_file(s);
    g_autofree uint8_t *buf = g_malloc0(s->cluster_size);
    uint64_t rb = 1 + l->rt_clusters;
    int ret = 0;

    s->rt_offset = s->cluster_size;
    s->rt_size = (l->rt_clusters << s->cluster_bits) / 8;
    s->l1_offset = (rb + l->blocks) << s->cluster_bits;
    s->l1_size = l->l1_entries;
    if (!node_truncate(file, l->total << s->cluster_bits, false, "off", 0,
                       errp)) {
        return false;
    }
    for (uint64_t k = 0; k < l->blocks && ret == 0; k++) {
        uint64_t first = k << s->rb_bits;

        memset(buf, 0, s->cluster_size);
        for (uint64_t i = 0; i < BIT(s->rb_bits) && first + i < l->total;
             i++) {
            qcow2_rc_put(s->refcount_order, buf, i, 1);
        }
        ret = node_pwrite(file, (rb + k) << s->cluster_bits, buf,
                          s->cluster_size);
    }
    for (uint64_t c = 0; c < l->rt_clusters && ret == 0; c++) {
        uint64_t per = s->cluster_size / 8;

        memset(buf, 0, s->cluster_size);
        for (uint64_t i = 0; i < per && c * per + i < l->blocks; i++) {
            put_be64(buf + i * 8, (rb + c * per + i) << s->cluster_bits);
        }
        ret = node_pwrite(file, (1 + c) << s->cluster_bits, buf,
                          s->cluster_size);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the image's metadata");
        return false;
    }
    return qcow2_write_header(s, errp) == 0;
}

static BlockNode *open_created(const char *filename, const CreateOpts *o,
                               Error **errp)
{
    QObject *opts = qdict_new();

    qdict_put_str(opts, "driver", "qcow2");
    return node_open_filename(filename, opts, BLK_O_RDWR | BLK_O_NO_BACKING |
                              BLK_O_NO_FLUSH, errp);
}

static bool create_data_file(const char *filename, CreateOpts *o, Error **errp)
{
    g_autofree char *path = block_path_combine(filename, o->data_file);

    return block_create_file(path, o->size, "off", errp);
}

/* A state that is good enough for writing a header. */
static bool create_in(BlockNode *file, CreateOpts *o, Error **errp)
{
    Qcow2State s = { .version = o->version, .size = o->size,
                     .compression = o->compression_type };
    BlockEdge edge = { .node = file };
    BlockNode n = { .state = &s, .file = &edge,
                    .backing_file = o->backing_file,
                    .backing_format = o->backing_fmt };
    Layout l;
    bool ok;

    s.n = &n;
    s.exts = g_ptr_array_new();
    qcow2_set_geometry(&s, __builtin_ctzll(o->cluster_size), o->extl2,
                       o->refcount_order);
    s.incompat |= o->extl2 ? INCOMPAT_EXTL2 : 0;
    s.incompat |= o->compression_type ? INCOMPAT_COMPRESSION : 0;
    s.incompat |= o->data_file ? INCOMPAT_DATA_FILE : 0;
    s.compat |= o->lazy ? COMPAT_LAZY_REFCOUNTS : 0;
    s.autoclear |= o->data_file_raw ? AUTOCLEAR_DATA_FILE_RAW : 0;
    s.data_file_name = o->data_file;
    ok = make_layout(&s, &l, errp) && write_image(&s, &l, errp);
    g_ptr_array_unref(s.exts);
    return ok;
}

static bool finish_prealloc(const char *filename, CreateOpts *o, Error **errp)
{
    BlockNode *n;
    Qcow2State *s;
    bool ok;

    if (o->data_file && !o->prealloc && o->data_file_raw) {
        g_free(o->prealloc); /* every cluster has its place from the start */
        o->prealloc = g_strdup("metadata");
    }
    if (!o->prealloc || !strcmp(o->prealloc, "off")) {
        return true;
    }
    n = open_created(filename, o, errp);
    if (!n) {
        return false;
    }
    s = n->state;
    mutex_lock(&s->lock);
    ok = qcow2_preallocate(s, 0, s->size, o->prealloc, errp);
    mutex_unlock(&s->lock);
    if (ok) {
        int ret = node_flush(n);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not flush '%s'", filename);
            ok = false;
        }
    }
    node_unref(n);
    return ok;
}

bool qcow2_create(const char *filename, QObject *opts, Error **errp)
{
    CreateOpts o = { 0 };
    BlockNode *file = NULL;
    QObject *fopts;
    bool ok = false;

    if (!take_create_opts(opts, &o, errp) || !check_create_opts(&o, errp)) {
        goto out;
    }
    if (o.data_file && !create_data_file(filename, &o, errp)) {
        goto out;
    }
    if (!block_create_file(filename, 0, "off", errp)) {
        goto out;
    }
    fopts = qdict_new();
    qdict_put_str(fopts, "driver", "file");
    file = node_open_filename(filename, fopts, BLK_O_RDWR | BLK_O_NO_FLUSH,
                              errp);
    ok = file && create_in(file, &o, errp);
    node_unref(file);
    ok = ok && finish_prealloc(filename, &o, errp);
out:
    create_opts_free(&o);
    return ok;
}

/* The QMP type's spellings to those of the options. */
bool qcow2_create_blockdev(QObject *opts, Error **errp)
{
    static const struct { const char *from, *to; } names[] = {
        { "version", "compat" }, { "backing-file", "backing_file" },
        { "backing-fmt", "backing_fmt" }, { "cluster-size", "cluster_size" },
        { "lazy-refcounts", "lazy_refcounts" },
        { "refcount-bits", "refcount_bits" },
        { "compression-type", "compression_type" },
        { "extended-l2", "extended_l2" },
    };
    QObject *ref = qdict_get(opts, "file");
    CreateOpts o = { 0 };
    BlockNode *file;
    bool ok = false;

    if (!ref || qobject_type(ref) != QTYPE_STRING) {
        error_setg(errp, "Parameter 'file' expects a node name");
        return false;
    }
    file = node_find(qstring_get(ref));
    if (!file) {
        error_setg(errp, "Cannot find device='' nor node-name='%s'",
                   qstring_get(ref));
        return false;
    }
    if (qdict_has(opts, "data-file") || qdict_has(opts, "encrypt")) {
        error_setg(errp, "Parameter '%s' is not supported here",
                   qdict_has(opts, "encrypt") ? "encrypt" : "data-file");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        QObject *v = qdict_steal(opts, names[i].from);

        if (v) {
            qdict_put(opts, names[i].to, v);
        }
    }
    if (take_create_opts(opts, &o, errp) && check_create_opts(&o, errp)) {
        ok = create_in(file, &o, errp);
        if (ok && o.prealloc && strcmp(o.prealloc, "off")) {
            QObject *q = qdict_new();
            BlockNode *n;

            qdict_put_str(q, "driver", "qcow2");
            qdict_put_str(q, "file", file->name);
            n = node_open(q, BLK_O_RDWR | BLK_O_NO_BACKING, errp);
            ok = n != NULL;
            if (n) {
                Qcow2State *s = n->state;

                mutex_lock(&s->lock);
                ok = qcow2_preallocate(s, 0, s->size, o.prealloc, errp);
                mutex_unlock(&s->lock);
                node_unref(n);
            }
        }
    }
    create_opts_free(&o);
    return ok;
}

/* ---- preallocation ---------------------------------------------------------------- */

static bool link_run(Qcow2State *s, uint64_t guest, uint64_t host,
                     uint64_t count, Error **errp) REQUIRES(s->lock)
{
    Qcow2L2 l2;
    int ret = qcow2_l2_get(s, guest, true, &l2);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not preallocate metadata");
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        /* Subclusters stay unallocated: the backing file shows through. */
        qcow2_l2_set(s, &l2, i, (host + (i << s->cluster_bits)) | QCOW2_COPIED,
                     0);
    }
    qcow2_l2_put(&l2);
    return true;
}

bool qcow2_preallocate(Qcow2State *s, uint64_t from, uint64_t to,
                       const char *mode, Error **errp)
{
    uint64_t end = ROUND_UP(to, s->cluster_size), host_end = 0;
    bool data = !strcmp(mode, "falloc") || !strcmp(mode, "full");
    int64_t len;

    for (uint64_t at = from & ~(s->cluster_size - 1); at < end;) {
        uint64_t host = at, got, room, i;
        bool fresh;
        Qcow2L2 l2;
        int ret = qcow2_l2_get(s, at, true, &l2);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not preallocate metadata");
            return false;
        }
        room = MIN(l2.room, (end - at) >> s->cluster_bits);
        /* Clusters that have something stay as they are. */
        for (i = 0; i < room && !qcow2_l2_entry(s, &l2, i) &&
             !qcow2_l2_bitmap(s, &l2, i); i++) {
        }
        qcow2_l2_put(&l2);
        if (i == 0) {
            at += s->cluster_size;
            continue;
        }
        got = i;
        if (!s->data_edge) {
            int64_t a = qcow2_alloc(s, i, &got, &fresh);

            if (a < 0) {
                error_setg_errno(errp, -a, "Could not preallocate metadata");
                return false;
            }
            host = a;
            if (!fresh) {
                ret = node_pwrite_zeroes(s->data, host, got << s->cluster_bits,
                                         BLK_REQ_MAY_UNMAP);
            }
            if (ret == 0 && !strcmp(mode, "full")) {
                g_autofree void *zero = g_malloc0(s->cluster_size);

                for (uint64_t c = 0; c < got && ret == 0; c++) {
                    ret = node_pwrite(s->data, host + (c << s->cluster_bits),
                                      zero, s->cluster_size);
                }
            }
            if (ret < 0) {
                error_setg_errno(errp, -ret, "Could not preallocate data");
                return false;
            }
        }
        if (!link_run(s, at, host, got, errp)) {
            return false;
        }
        at += got << s->cluster_bits;
        host_end = MAX(host_end, s->data_edge ? MIN(at, s->size)
                                 : host + (got << s->cluster_bits));
    }
    len = node_getlength(s->data);
    if (len < 0) {
        error_setg_errno(errp, -len, "Could not get image size");
        return false;
    }
    if (host_end > (uint64_t)len || (data && s->data_edge)) {
        const char *how = !strcmp(mode, "metadata") ? "off"
                          : !strcmp(mode, "full") && !s->data_edge ? "falloc"
                          : mode;

        return node_truncate(s->data, MAX(host_end, (uint64_t)len), false, how,
                             0, errp);
    }
    return true;
}

/* ---- measuring --------------------------------------------------------------------- */

static uint64_t measure_bitmaps(BlockNode *src, uint64_t cluster)
{
    uint64_t sum = 0;
    DirtyBitmap *b;

    list_foreach (b, &src->bitmaps, node) {
        uint64_t bytes = DIV_ROUND_UP(DIV_ROUND_UP(src->length,
                                                   b->granularity), 8);

        if (b->persistent) {
            sum += ROUND_UP(bytes, cluster) +
                   ROUND_UP(DIV_ROUND_UP(bytes, cluster) * 8, cluster);
        }
    }
    return sum ? sum + cluster : 0;
}

QObject *qcow2_measure(QObject *opts, BlockNode *src, Error **errp)
{
    CreateOpts o = { 0 };
    Qcow2State s = { 0 };
    Layout l;
    QObject *res = NULL;
    uint64_t data = 0, l2_tables, clusters, full, required, bitmaps = 0;

    if (!take_create_opts(opts, &o, errp)) {
        goto out;
    }
    if (src) {
        o.size = src->length;
    }
    if (!check_create_opts(&o, errp)) {
        goto out;
    }
    s.version = 3;
    s.size = ROUND_UP(o.size, o.cluster_size);
    qcow2_set_geometry(&s, __builtin_ctzll(o.cluster_size), o.extl2,
                       o.refcount_order);
    if (!make_layout(&s, &l, errp)) {
        goto out;
    }
    if (src) {
        BlockNode *stop = o.backing_file ? node_backing(src) : NULL;
        uint64_t pnum;

        for (uint64_t at = 0; at < src->length; at += pnum) {
            int st = node_block_status_above(src, stop, true, at,
                                             src->length - at, &pnum, NULL,
                                             NULL, NULL);

            if (st < 0 || pnum == 0) {
                error_setg_errno(errp, st < 0 ? -st : EIO,
                                 "Unable to get block status");
                goto out;
            }
            if ((st & BLK_ST_ZERO) ||
                !(st & (BLK_ST_DATA | BLK_ST_ALLOCATED))) {
                continue;
            }
            /* Whole clusters, those shared with the last piece once. */
            data += ROUND_UP(at + pnum, o.cluster_size) -
                    ROUND_UP(at, o.cluster_size) +
                    (at % o.cluster_size && data == 0 ? o.cluster_size : 0);
        }
        bitmaps = measure_bitmaps(src, o.cluster_size);
    }
    /* All of the disk in use: tables, then refcounts for everything. */
    clusters = s.size >> s.cluster_bits;
    l2_tables = DIV_ROUND_UP(clusters, BIT(s.l2_bits));
    full = 1 + l.l1_clusters + l2_tables + clusters;
    {
        uint64_t rb = 0, rt = 1, total, before = 0;

        for (;;) {
            total = full + rb + rt;
            rb = DIV_ROUND_UP(total, BIT(s.rb_bits));
            rt = qcow2_bytes_to_clusters(&s, rb * 8);
            total = full + rb + rt;
            if (total == before) {
                break;
            }
            before = total;
        }
        full = before << s.cluster_bits;
    }
    if (!src && o.prealloc && (!strcmp(o.prealloc, "falloc") ||
                               !strcmp(o.prealloc, "full"))) {
        data = s.size;
    }
    required = full - s.size + data;
    res = qdict_new();
    qdict_put(res, "required", quint_new(required));
    qdict_put(res, "fully-allocated", quint_new(full));
    if (src && src->drv->can_store_bitmap) {
        qdict_put(res, "bitmaps", quint_new(bitmaps));
    }
out:
    create_opts_free(&o);
    return res;
}
