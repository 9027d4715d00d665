/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: convert. */
#include "osdep.h"
#include <sys/stat.h>
#include "tools/img.h"
#include "util/thread.h"

#define MAX_THREADS 16

typedef struct Source {
    BlockBackend *blk;
    uint64_t start, length; /* of it in the target */
} Source;

typedef struct Convert {
    Source *src;
    int nsrc;
    uint64_t total;
    BlockBackend *target;
    BlockNode *out;
    BlockNode *stop;      /* of the source's chain: the -B base, or NULL */
    bool with_backing;    /* what the base has is not copied */
    bool compressed, zero_init, salvage, copy_range, out_of_order;
    uint64_t min_sparse;
    uint32_t cluster;
    int64_t rate;
    int64_t began;
    unsigned threads;
    ImgProgress progress;

    Mutex lock;           /* the next three, with many threads */
    uint64_t pos;
    int ret;
    uint64_t written;
} Convert;

/* ---- copying ----------------------------------------------------------------- */

static Source *source_at(Convert *c, uint64_t pos)
{
    for (int i = 0; i < c->nsrc; i++) {
        if (pos < c->src[i].start + c->src[i].length) {
            return &c->src[i];
        }
    }
    return NULL;
}

typedef enum Kind { KIND_DATA, KIND_ZERO, KIND_BACKING } Kind;

/* What lies at @pos, for how many bytes. */
static int look(Convert *c, uint64_t pos, uint64_t *bytes, Kind *kind)
{
    Source *s = source_at(c, pos);
    BlockNode *n = blk_node(s->blk);
    uint64_t off = pos - s->start, pnum;
    int st;

    if (off >= n->length) { /* what rounds it up to sectors */
        *bytes = s->start + s->length - pos;
        *kind = KIND_ZERO;
        return 0;
    }
    st = node_block_status_above(n, c->stop, c->min_sparse > 0, off,
                                 n->length - off, &pnum, NULL, NULL, NULL);
    if (st < 0) {
        if (c->salvage) {
            *bytes = MIN(512, n->length - off);
            *kind = KIND_DATA;
            return 0;
        }
        error_report("error while reading block status at offset %" PRIu64
                     ": %s", pos, strerror(-st));
        return st;
    }
    *bytes = pnum;
    if (off + pnum >= n->length) {
        *bytes = s->length - off;
    }
    if (st & BLK_ST_ZERO) {
        *kind = KIND_ZERO;
    } else if (!(st & (BLK_ST_ALLOCATED | BLK_ST_DATA))) {
        *kind = c->with_backing ? KIND_BACKING : KIND_ZERO;
    } else {
        *kind = KIND_DATA;
    }
    if (*kind == KIND_DATA && *bytes > n->length - off) {
        *bytes = n->length - off; /* the rest is zero, a piece of its own */
    }
    return 0;
}

static int read_source(Convert *c, uint64_t pos, uint8_t *buf, uint64_t bytes)
{
    Source *s = source_at(c, pos);
    BlockNode *n = blk_node(s->blk);
    int ret = node_pread(n, pos - s->start, buf, bytes);

    if (ret == 0) {
        return 0;
    }
    if (!c->salvage) {
        error_report("error while reading at byte %" PRIu64 ": %s", pos,
                     strerror(-ret));
        return ret;
    }
    /* Sector by sector; what cannot be read is zero. */
    for (uint64_t i = 0; i < bytes; i += 512) {
        uint64_t len = MIN(512, bytes - i);

        ret = node_pread(n, pos - s->start + i, buf + i, len);
        if (ret < 0) {
            warn_report("error while reading offset %" PRIu64 ": %s", pos + i,
                        strerror(-ret));
            memset(buf + i, 0, len);
        }
    }
    return 0;
}

static int write_zeroes(Convert *c, uint64_t pos, uint64_t bytes)
{
    int ret = 0;

    if (!c->zero_init || c->with_backing) {
        ret = node_pwrite_zeroes(c->out, pos, bytes,
                                 c->min_sparse ? BLK_REQ_MAY_UNMAP : 0);
    } else if (c->min_sparse == 0) { /* fully allocated, -S 0 */
        g_autofree uint8_t *zero = g_malloc0(MIN(bytes, IMG_COPY_BUF));

        while (bytes > 0 && ret == 0) {
            uint64_t len = MIN(bytes, IMG_COPY_BUF);

            ret = node_pwrite(c->out, pos, zero, len);
            pos += len;
            bytes -= len;
        }
    }
    return ret;
}

/* Pieces of the buffer: data is written, runs of zeroes as such. */
static int write_data(Convert *c, uint64_t pos, const uint8_t *buf,
                      uint64_t bytes)
{
    while (bytes > 0) {
        size_t unit = c->compressed ? c->cluster : c->min_sparse;
        size_t run = bytes;
        bool zero = false;
        int ret;

        if (unit && c->compressed) {
            run = img_zero_run(buf, bytes, unit, &zero);
        } else if (unit) {
            /* Up to the next multiple, so that runs are aligned. */
            size_t head = MIN(bytes, (unit - pos % unit) % unit);

            if (head) {
                run = head;
                zero = buffer_is_zero(buf, head);
            } else {
                run = img_zero_run(buf, bytes, unit, &zero);
            }
        }
        if (zero) {
            ret = write_zeroes(c, pos, run);
        } else {
            struct iovec iov;

            ret = node_pwritev(c->out, pos, run,
                               block_vec_buf(&iov, (void *)buf, run),
                               c->compressed ? BLK_REQ_COMPRESSED : 0);
        }
        if (ret < 0) {
            error_report("error while writing at byte %" PRIu64 ": %s", pos,
                         strerror(-ret));
            return ret;
        }
        pos += run;
        buf += run;
        bytes -= run;
    }
    return 0;
}

static void limit_rate(Convert *c, uint64_t bytes)
{
    c->written += bytes;
    while (c->rate && (double)c->written / (double)c->rate >
           (g_get_monotonic_time() - c->began) / 1e6) {
        g_usleep(500);
    }
}

/* The next piece to copy; false: the end, or trouble in c->ret.  Takes whole
 * clusters when compressing. */
static bool next_piece(Convert *c, uint64_t *pos, uint64_t *bytes, Kind *kind)
{
    uint64_t len;

    while (c->pos < c->total && c->ret == 0) {
        uint64_t at = c->pos;

        c->ret = look(c, at, &len, kind);
        if (c->ret < 0) {
            return false;
        }
        img_progress(&c->progress, at, c->total);
        if (*kind == KIND_BACKING) {
            c->pos += len;
            continue;
        }
        if (c->compressed && (*kind == KIND_DATA || len % c->cluster)) {
            /* A cluster that has any data is data. */
            uint64_t end = ROUND_UP(at + len, c->cluster);

            if (*kind == KIND_ZERO && len >= c->cluster) {
                len = ROUND_DOWN(len, c->cluster);
            } else {
                *kind = KIND_DATA;
                len = MIN(end, c->total) - at;
            }
        }
        if (*kind == KIND_DATA) {
            len = MIN(len, IMG_COPY_BUF);
            if (!c->compressed && at % IMG_COPY_BUF) {
                len = MIN(len, IMG_COPY_BUF - at % IMG_COPY_BUF);
            }
        }
        if (!c->compressed) {
            Source *s = source_at(c, at);

            len = MIN(len, s->start + s->length - at);
        }
        *pos = at;
        *bytes = len;
        c->pos += len;
        return true;
    }
    return false;
}

/* Of as many sources as it lies in. */
static int read_all(Convert *c, uint64_t pos, uint8_t *buf, uint64_t bytes)
{
    while (bytes > 0) {
        Source *s = source_at(c, pos);
        uint64_t len = MIN(bytes, s->start + s->length - pos);
        int ret = read_source(c, pos, buf, len);

        if (ret < 0) {
            return ret;
        }
        pos += len;
        buf += len;
        bytes -= len;
    }
    return 0;
}

static int copy_piece(Convert *c, uint64_t pos, uint64_t bytes, Kind kind,
                      uint8_t *buf)
{
    int ret;

    if (kind == KIND_ZERO) {
        ret = write_zeroes(c, pos, bytes);
        if (ret < 0) {
            error_report("error while writing zeroes at byte %" PRIu64 ": %s",
                         pos, strerror(-ret));
        }
        return ret;
    }
    if (c->copy_range) {
        Source *s = source_at(c, pos);

        ret = node_copy_range(blk_node(s->blk), pos - s->start, c->out, pos,
                              bytes);
        if (ret == 0) {
            return 0;
        }
        c->copy_range = false; /* the host cannot: by hand from here on */
    }
    ret = read_all(c, pos, buf, bytes);
    return ret < 0 ? ret : write_data(c, pos, buf, bytes);
}

static void *copy_thread(void *opaque)
{
    Convert *c = opaque;
    uint8_t *buf = node_buffer(c->out, IMG_COPY_BUF);
    uint64_t pos, bytes;
    Kind kind;

    mutex_lock(&c->lock);
    while (next_piece(c, &pos, &bytes, &kind)) {
        int ret;

        mutex_unlock(&c->lock);
        ret = copy_piece(c, pos, bytes, kind, buf);
        mutex_lock(&c->lock);
        if (ret < 0 && c->ret == 0) {
            c->ret = ret;
        }
        if (kind == KIND_DATA) {
            limit_rate(c, bytes);
        }
    }
    mutex_unlock(&c->lock);
    free(buf);
    return NULL;
}

static int do_copy(Convert *c)
{
    Thread threads[MAX_THREADS];
    unsigned extra = 0;

    mutex_init(&c->lock);
    c->began = g_get_monotonic_time();
    img_progress(&c->progress, 0, c->total);
    if (c->compressed) {
        unsigned want = MIN(MIN(c->threads, MAX_THREADS),
                            g_get_num_processors());

        while (extra + 1 < want &&
               thread_try_create(&threads[extra], "convert", copy_thread,
                                 c) == 0) {
            extra++;
        }
    }
    copy_thread(c);
    while (extra > 0) {
        thread_join(&threads[--extra]);
    }
    mutex_destroy(&c->lock);
    if (c->ret == 0) {
        img_progress(&c->progress, c->total, c->total);
    }
    img_progress_end(&c->progress);
    return c->ret;
}

/* ---- convert ----------------------------------------------------------------- */

static bool load_snapshot(BlockNode *n, const char *param)
{
    g_autofree char *id = NULL, *name = NULL;
    Error *err = NULL;
    bool ok;

    if (!n->drv->snapshot_load_tmp) {
        error_report("Failed to load snapshot: the format '%s' has none",
                     n->drv->name);
        return false;
    }
    if (g_str_has_prefix(param, "snapshot.")) {
        g_autoptr(QObject) o = keyval_parse(param, NULL, NULL, &err);

        if (!o) {
            error_report_err(err);
            return false;
        }
        id = g_strdup(qdict_get_str(o, "snapshot.id"));
        name = g_strdup(qdict_get_str(o, "snapshot.name"));
        if (!id && !name) {
            error_report("Failed in parsing snapshot param '%s'", param);
            return false;
        }
        ok = n->drv->snapshot_load_tmp(n, id, name, &err);
    } else {
        ok = n->drv->snapshot_load_tmp(n, param, NULL, NULL) ||
             n->drv->snapshot_load_tmp(n, NULL, param, &err);
    }
    if (!ok) {
        error_prepend(&err, "Failed to load snapshot: ");
        error_report_err(err);
    }
    return ok;
}

typedef struct ConvertOpts {
    const char *fmt, *out_fmt, *cache, *src_cache, *base, *base_fmt, *snapshot;
    char *options;
    bool image_opts, target_image_opts, skip_create, target_is_zero, bitmaps;
    bool quiet, force_share, sparse_set;
} ConvertOpts;

static bool open_sources(Convert *c, ConvertOpts *o, char **names, int count)
{
    unsigned flags = o->force_share ? BLK_O_FORCE_SHARE : 0;
    bool wt;

    img_cache(o->src_cache, "source cache", &flags, &wt);
    c->src = g_new0(Source, count);
    for (int i = 0; i < count; i++) {
        Source *s = &c->src[i];

        s->blk = img_open(o->image_opts, names[i], o->fmt, flags, false);
        if (!s->blk) {
            return false;
        }
        c->nsrc++;
        if (o->snapshot) {
            if (count > 1) {
                error_report("No support for concatenating multiple "
                             "snapshots");
                return false;
            }
            if (!load_snapshot(blk_node(s->blk), o->snapshot)) {
                return false;
            }
        }
        s->start = c->total;
        s->length = ROUND_UP(blk_node(s->blk)->length, BLK_SECTOR);
        c->total += s->length;
    }
    return true;
}

static bool create_target(Convert *c, ConvertOpts *o, const char *filename)
{
    const BlockDriver *drv = block_driver_find(o->out_fmt);
    Error *err = NULL;
    g_autoptr(QObject) opts = NULL;
    const char *prealloc;

    if (!drv) {
        img_no_format("", o->out_fmt);
        return false;
    }
    if (!drv->create) {
        error_report("Format driver '%s' does not support image creation",
                     drv->name);
        return false;
    }
    opts = o->options ? keyval_parse(o->options, NULL, NULL, &err)
                      : qdict_new();
    if (!opts) {
        error_report_err(err);
        return false;
    }
    if (!qdict_has(opts, "size")) {
        qdict_put(opts, "size", quint_new(c->total));
    }
    if (o->base) {
        qdict_put_str(opts, "backing_file", o->base);
    }
    if (o->base_fmt) {
        qdict_put_str(opts, "backing_fmt", o->base_fmt);
    }
    if (qdict_has(opts, "backing_file")) {
        if (!drv->supports_backing) {
            error_report("Backing file not supported for file format '%s'",
                         drv->name);
            return false;
        }
        if (!qdict_has(opts, "backing_fmt")) {
            error_report("backing file specified without backing format");
            fprintf(stderr, "Pass the format with -F.\n");
            return false;
        }
        c->with_backing = true;
    }
    if (c->compressed) {
        prealloc = qdict_get_str(opts, "preallocation");
        if (!drv->pwritev_compressed) {
            error_report("Compression not supported for this file format");
            return false;
        }
        if (prealloc && strcmp(prealloc, "off")) {
            error_report("Compression and preallocation not supported at the "
                         "same time");
            return false;
        }
    }
    prealloc = qdict_get_str(opts, "preallocation");
    c->zero_init = true;
    if (!block_create(drv, filename, opts, &err)) {
        error_prepend(&err, "%s: error while converting %s: ", filename,
                      o->out_fmt);
        error_report_err(err);
        return false;
    }
    return true;
}

static bool open_target(Convert *c, ConvertOpts *o, const char *filename)
{
    unsigned flags = BLK_O_RDWR | BLK_O_UNMAP;
    bool wt = false;
    struct stat st;
    int64_t len;

    img_cache(o->cache, "cache", &flags, &wt);
    if (!o->skip_create && !create_target(c, o, filename)) {
        return false;
    }
    if (c->with_backing && !o->skip_create) {
        /* The base is only named: its data is not needed to write. */
    }
    c->target = o->target_image_opts
                    ? img_open_opts(filename, flags, wt)
                    : img_open(false, filename, o->out_fmt, flags, wt);
    if (!c->target) {
        return false;
    }
    c->out = blk_node(c->target);
    len = c->out->length;
    if (o->skip_create) {
        c->zero_init = o->target_is_zero;
        if ((uint64_t)len < c->total) {
            error_report("output file is smaller than input file");
            return false;
        }
        if (c->compressed && !c->out->drv->pwritev_compressed) {
            error_report("Compression not supported for this file format");
            return false;
        }
    } else if (stat(filename, &st) == 0 && S_ISBLK(st.st_mode) &&
               !strcmp(c->out->drv->name, "raw")) {
        c->zero_init = false; /* a device keeps what it had */
    }
    c->cluster = c->out->drv->cluster_size ? c->out->drv->cluster_size(c->out)
                                           : 512;
    c->cluster = MAX(c->cluster, 512);
    return true;
}

static bool copy_bitmaps(BlockNode *src, BlockNode *dst)
{
    DirtyBitmap *b;
    Error *err = NULL;

    list_foreach (b, &src->bitmaps, node) {
        DirtyBitmap *n;

        if (!b->persistent || !b->name) {
            continue;
        }
        if (b->inconsistent) {
            error_report("Cannot copy inconsistent bitmap '%s'", b->name);
            return false;
        }
        if (!dst->drv->can_store_bitmap ||
            !dst->drv->can_store_bitmap(dst, b->name, b->granularity, &err)) {
            error_report("Failed to create bitmap %s: %s", b->name,
                         err ? error_get_pretty(err) : "format without bitmaps");
            error_free(err);
            return false;
        }
        n = dirty_bitmap_new(dst, b->name, b->granularity, &err);
        if (!n) {
            error_report_err(err);
            return false;
        }
        n->persistent = true;
        n->enabled = b->enabled;
        for (uint64_t at = dirty_bitmap_next(b, 0, true); at != UINT64_MAX;) {
            uint64_t end = dirty_bitmap_next(b, at, false);

            end = MIN(end, b->size);
            dirty_bitmap_set(n, at, end - at);
            at = end < b->size ? dirty_bitmap_next(b, end, true) : UINT64_MAX;
        }
    }
    return true;
}

static bool take_convert_opts(int argc, char **argv, Convert *c,
                              ConvertOpts *o)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' },
        { "target-image-opts", no_argument, 0, OPT_TARGET_IMAGE_OPTS },
        { "salvage", no_argument, 0, OPT_SALVAGE },
        { "target-is-zero", no_argument, 0, OPT_TARGET_IS_ZERO },
        { "bitmaps", no_argument, 0, OPT_BITMAPS },
        { "progress", required_argument, 0, OPT_PROGRESS }, { NULL }
    };
    int ch;

    while ((ch = img_getopt(argc, argv, ":hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:",
                            longs)) != -1) {
        int64_t v;

        switch (ch) {
        case 'f':
            o->fmt = optarg;
            break;
        case 'O':
            o->out_fmt = optarg;
            break;
        case 'B':
            o->base = optarg;
            break;
        case 'F':
            o->base_fmt = optarg;
            break;
        case 'C':
            c->copy_range = true;
            break;
        case 'c':
            c->compressed = true;
            break;
        case 'o':
            img_join_options(&o->options, optarg);
            break;
        case 'l':
            o->snapshot = optarg;
            break;
        case 'S':
            v = img_size("buffer size for sparse output", optarg);
            if (v < 0) {
                return false;
            }
            if (v % BLK_SECTOR || v > (int64_t)(1 * GiB)) {
                error_report("Invalid buffer size for sparse output specified."
                             " Valid sizes are multiples of %u up to %u. "
                             "Select 0 to disable sparse detection (fully "
                             "allocates output).", BLK_SECTOR,
                             (unsigned)(1 * GiB));
                return false;
            }
            c->min_sparse = v;
            o->sparse_set = true;
            break;
        case 'p':
            c->progress.on = true;
            break;
        case OPT_PROGRESS:
            if (strcmp(optarg, "json")) {
                img_die("--progress knows only 'json'");
            }
            c->progress.on = c->progress.json = true;
            break;
        case 't':
            o->cache = optarg;
            break;
        case 'T':
            o->src_cache = optarg;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'n':
            o->skip_create = true;
            break;
        case 'm': {
            uint64_t m;

            if (!parse_uint64("m", optarg, &m, NULL) || m < 1 || m > 16) {
                error_report("Invalid number of coroutines. Allowed number of "
                             "coroutines is between 1 and 16");
                return false;
            }
            c->threads = m;
            break;
        }
        case 'W':
            c->out_of_order = true;
            break;
        case 'U':
            o->force_share = true;
            break;
        case 'r':
            c->rate = img_size("rate limit", optarg);
            if (c->rate < 0) {
                return false;
            }
            break;
        case OPT_IMAGE_OPTS:
            o->image_opts = true;
            break;
        case OPT_TARGET_IMAGE_OPTS:
            o->target_image_opts = true;
            break;
        case OPT_SALVAGE:
            c->salvage = true;
            break;
        case OPT_TARGET_IS_ZERO:
            o->target_is_zero = true;
            break;
        case OPT_BITMAPS:
            o->bitmaps = true;
            break;
        }
    }
    return true;
}

static bool sane(Convert *c, ConvertOpts *o)
{
    if (o->quiet) {
        c->progress.on = false;
    }
    if (!o->out_fmt && !o->target_image_opts) {
        o->out_fmt = "raw";
    }
    if (o->skip_create && o->options) {
        warn_report("-o has no effect when skipping image creation");
    }
    if (o->target_is_zero && !o->skip_create) {
        error_report("--target-is-zero requires use of -n flag");
        return false;
    }
    if (o->skip_create && o->base) {
        error_report("-B and -n cannot be used together");
        return false;
    }
    if (o->target_image_opts && !o->skip_create) {
        error_report("--target-image-opts requires use of -n flag");
        return false;
    }
    if (o->target_image_opts && o->out_fmt) {
        error_report("--target-image-opts and -O are mutually exclusive");
        return false;
    }
    if (c->compressed && c->copy_range) {
        error_report("Cannot enable copy offloading when -c is used");
        return false;
    }
    if (o->sparse_set && c->copy_range) {
        error_report("Cannot enable copy offloading when -S is used");
        return false;
    }
    return true;
}

int img_convert(int argc, char **argv)
{
    ConvertOpts o = { .cache = "unsafe", .src_cache = "writeback" };
    Convert c = { .min_sparse = 4096, .threads = 8 };
    const char *filename;
    int ret = 1;

    if (!take_convert_opts(argc, argv, &c, &o)) {
        goto out;
    }
    if (img_wants_help(o.options)) {
        ret = img_option_help(o.out_fmt ? o.out_fmt : "raw", false);
        goto out;
    }
    if (!sane(&c, &o)) {
        goto out;
    }
    if (argc - optind < 2) {
        error_report("Must specify image file name");
        goto out;
    }
    filename = argv[argc - 1];
    if (!open_sources(&c, &o, argv + optind, argc - optind - 1)) {
        goto out;
    }
    if (o.base) {
        if (c.nsrc > 1) {
            error_report("Having a backing file for the target makes no sense "
                         "when concatenating multiple input images");
            goto out;
        }
        /* Its share of the source's chain is not copied. */
        for (BlockNode *b = node_backing(blk_node(c.src[0].blk)); b;
             b = node_backing(b)) {
            g_autofree char *path = block_path_combine(filename, o.base);

            if (!strcmp(b->exact_filename, path) ||
                !strcmp(b->exact_filename, o.base)) {
                c.stop = b;
                break;
            }
        }
    }
    if (!open_target(&c, &o, filename)) {
        goto out;
    }
    if (c.with_backing && !c.stop) {
        c.stop = NULL; /* not in the chain: all of the source is copied */
    }
    ret = do_copy(&c) < 0;
    if (ret == 0 && o.bitmaps &&
        !copy_bitmaps(blk_node(c.src[0].blk), c.out)) {
        ret = 1;
    }
out:
    if (c.target && img_close(c.target, argv[argc - 1]) < 0) {
        ret = 1;
    }
    for (int i = 0; i < c.nsrc; i++) {
        blk_unref(c.src[i].blk);
    }
    g_free(c.src);
    g_free(o.options);
    return ret;
}
