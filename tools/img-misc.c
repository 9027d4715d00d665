/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: bench and bitmap. */
#include "osdep.h"
#include "tools/img.h"

/* ---- bench ------------------------------------------------------------------- */

typedef struct Bench {
    BlockBackend *blk;
    uint64_t size;       /* of the image */
    bool write, drain;
    uint64_t buf_size, step;
    unsigned depth;
    int flush_interval;
    uint64_t offset;
    uint8_t *buf;
    struct iovec *iov;   /* one a slot */
    unsigned n;          /* requests left to start */
    unsigned in_flight;
    unsigned since_flush;
    bool flushing;       /* drains first, when asked to */
    int ret;
} Bench;

static void bench_go(Bench *b);

static void bench_flushed(void *opaque, int ret)
{
    Bench *b = opaque;

    b->flushing = false;
    b->in_flight--;
    if (ret < 0 && b->ret == 0) {
        error_report("Failed request: %s", strerror(-ret));
        b->ret = ret;
    }
}

static void bench_done(void *opaque, int ret)
{
    Bench *b = opaque;

    b->in_flight--;
    if (ret < 0 && b->ret == 0) {
        error_report("Failed request: %s", strerror(-ret));
        b->ret = ret;
    }
}

static void bench_go(Bench *b)
{
    while (b->n > 0 && b->in_flight < b->depth && b->ret == 0) {
        struct iovec *iov = &b->iov[b->n % b->depth];
        uint64_t at = b->offset;

        if (b->flush_interval && b->since_flush >= (unsigned)b->flush_interval) {
            if (b->drain && b->in_flight) {
                return; /* comes again when they are done */
            }
            if (b->flushing) {
                return;
            }
            b->since_flush = 0;
            b->flushing = true;
            b->in_flight++;
            blk_aio_flush(b->blk, bench_flushed, b);
            if (b->drain) {
                return;
            }
            continue;
        }
        b->offset += b->step;
        b->offset %= b->size;
        if (b->offset > b->size - b->buf_size) {
            b->offset = 0;
        }
        b->n--;
        b->since_flush++;
        b->in_flight++;
        *iov = (struct iovec){ b->buf + (b->n % b->depth) * b->buf_size,
                               b->buf_size };
        if (b->write) {
            blk_aio_pwritev(b->blk, at, iov, 1, 0, bench_done, b);
        } else {
            blk_aio_preadv(b->blk, at, iov, 1, 0, bench_done, b);
        }
    }
}

static bool number(const char *text, uint64_t max, const char *what,
                   uint64_t *out)
{
    if (!parse_uint64(what, text, out, NULL) || *out > max) {
        error_report("Invalid %s specified", what);
        return false;
    }
    return true;
}

int img_bench(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "flush-interval", required_argument, 0, OPT_FLUSH_INTERVAL },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "pattern", required_argument, 0, OPT_PATTERN },
        { "no-drain", no_argument, 0, OPT_NO_DRAIN },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *fmt = NULL, *filename, *aio = NULL;
    Bench b = { .drain = true };
    uint64_t count = 75000, depth = 64, pattern = 0, flush = 0;
    int64_t size = 4096, step = 0, offset = 0, began;
    bool image_opts = false, quiet = false, wt = false;
    unsigned flags = 0;
    double secs;
    int c;

    while ((c = img_getopt(argc, argv, ":hc:d:f:ni:o:qs:S:t:wU", longs)) !=
           -1) {
        switch (c) {
        case 'c':
            if (!number(optarg, INT32_MAX, "request count", &count)) {
                return 1;
            }
            break;
        case 'd':
            if (!number(optarg, 65536, "queue depth", &depth) || !depth) {
                return 1;
            }
            break;
        case 'f':
            fmt = optarg;
            break;
        case 'n':
            flags |= BLK_O_DIRECT;
            break;
        case 'i':
            aio = optarg;
            break;
        case 'o':
            offset = img_size("offset", optarg);
            if (offset < 0) {
                return 1;
            }
            break;
        case 'q':
            quiet = true;
            break;
        case 's':
            size = img_size("buffer size", optarg);
            if (size < 0) {
                return 1;
            }
            if (size == 0 || size > INT32_MAX) {
                error_report("Invalid buffer size specified");
                return 1;
            }
            break;
        case 'S':
            step = img_size("step size", optarg);
            if (step < 0) {
                return 1;
            }
            break;
        case 't':
            img_cache(optarg, "cache mode", &flags, &wt);
            break;
        case 'w':
            b.write = true;
            flags |= BLK_O_RDWR;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_PATTERN:
            if (!number(optarg, 0xff, "pattern byte", &pattern)) {
                return 1;
            }
            break;
        case OPT_FLUSH_INTERVAL:
            if (!number(optarg, INT32_MAX, "flush interval", &flush)) {
                return 1;
            }
            break;
        case OPT_NO_DRAIN:
            b.drain = false;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    if (!b.write && flush) {
        error_report("--flush-interval is only available in write tests");
        return 1;
    }
    if (flush && flush < depth) {
        error_report("Flush interval can't be smaller than depth");
        return 1;
    }
    filename = argv[optind];
    if (aio && image_opts) {
        error_report("-i and --image-opts are mutually exclusive (file.aio=)");
        return 1;
    }
    if (aio) {
        QObject *o = qdict_new(), *file = qdict_new();

        qdict_put_str(file, "aio", aio);
        qdict_put(o, "file", file);
        if (fmt) {
            qdict_put_str(o, "driver", fmt);
        }
        b.blk = img_open_with(filename, o, flags, wt);
    } else {
        b.blk = img_open(image_opts, filename, fmt, flags, wt);
    }
    if (!b.blk) {
        return 1;
    }
    b.size = blk_node(b.blk)->length;
    b.buf_size = size;
    b.step = step ? step : size;
    b.depth = depth;
    b.n = count;
    b.offset = offset;
    b.flush_interval = flush;
    if (b.size < b.buf_size || b.offset > b.size - b.buf_size) {
        error_report("The image is smaller than one request at that offset");
        blk_unref(b.blk);
        return 1;
    }
    b.buf = node_buffer(blk_node(b.blk), b.buf_size * depth);
    if (!b.buf) {
        error_report("Not enough memory for the buffers");
        blk_unref(b.blk);
        return 1;
    }
    memset(b.buf, pattern, b.buf_size * depth);
    b.iov = g_new(struct iovec, depth);
    if (!quiet) {
        printf("Sending %" PRIu64 " %s requests, %" PRId64 " bytes each, %"
               PRIu64 " in parallel (starting at offset %" PRId64
               ", step size %" PRIu64 ")\n", count, b.write ? "write" : "read",
               size, depth, offset, b.step);
        if (flush) {
            printf("Sending flush every %" PRIu64 " %srequests\n", flush,
                   b.drain ? "" : "ongoing ");
        }
        fflush(stdout);
    }
    began = g_get_monotonic_time();
    bql_lock();
    bench_go(&b);
    while (b.in_flight > 0) {
        loop_run_once(loop_main(), true);
        bench_go(&b);
    }
    bql_unlock();
    secs = (g_get_monotonic_time() - began) / 1e6;
    if (!quiet && b.ret == 0) {
        printf("Run completed in %3.3f seconds.\n", secs);
    }
    free(b.buf);
    g_free(b.iov);
    return img_close(b.blk, filename) < 0 || b.ret < 0;
}

/* ---- bitmap ------------------------------------------------------------------ */

typedef struct BitmapAct {
    int what;            /* OPT_ADD, ... */
    const char *src;
} BitmapAct;

static bool merge_bits(DirtyBitmap *dst, BlockNode *from, const char *name)
{
    DirtyBitmap *src = dirty_bitmap_find(from, name);

    if (!src) {
        error_report("Bitmap '%s' not found", name);
        return false;
    }
    if (src->inconsistent) {
        error_report("Bitmap '%s' is inconsistent and cannot be used", name);
        return false;
    }
    if (src->size != dst->size) {
        error_report("Bitmaps are of different sizes (destination size is %"
                     PRIu64 " and source size is %" PRIu64 ") and can't be "
                     "merged", dst->size, src->size);
        return false;
    }
    for (uint64_t at = dirty_bitmap_next(src, 0, true); at != UINT64_MAX;) {
        uint64_t end = MIN(dirty_bitmap_next(src, at, false), src->size);

        dirty_bitmap_set(dst, at, end - at);
        at = end < src->size ? dirty_bitmap_next(src, end, true) : UINT64_MAX;
    }
    return true;
}

static bool bitmap_act(BlockNode *n, BlockNode *src, const BitmapAct *act,
                       const char *name, uint32_t granularity)
{
    DirtyBitmap *b = dirty_bitmap_find(n, name);
    Error *err = NULL;

    if (act->what == OPT_ADD) {
        if (!n->drv->can_store_bitmap(n, name, granularity, &err) ||
            !(b = dirty_bitmap_new(n, name, granularity, &err))) {
            error_report_err(err);
            return false;
        }
        b->persistent = true;
        return true;
    }
    if (!b) {
        error_report("Dirty bitmap '%s' not found", name);
        return false;
    }
    if (b->inconsistent && act->what != OPT_REMOVE) {
        error_report("Bitmap '%s' is inconsistent and cannot be used; try "
                     "block-dirty-bitmap-remove to delete this bitmap from "
                     "disk", name);
        return false;
    }
    switch (act->what) {
    case OPT_REMOVE:
        n->drv->remove_bitmap(n, name, NULL);
        dirty_bitmap_free(b);
        break;
    case OPT_CLEAR:
        dirty_bitmap_reset(b, 0, b->size);
        break;
    case OPT_ENABLE:
        b->enabled = true;
        break;
    case OPT_DISABLE:
        b->enabled = false;
        break;
    case OPT_MERGE:
        return merge_bits(b, src, act->src);
    }
    return true;
}

int img_bitmap(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "add", no_argument, 0, OPT_ADD },
        { "granularity", required_argument, 0, 'g' },
        { "remove", no_argument, 0, OPT_REMOVE },
        { "clear", no_argument, 0, OPT_CLEAR },
        { "enable", no_argument, 0, OPT_ENABLE },
        { "disable", no_argument, 0, OPT_DISABLE },
        { "merge", required_argument, 0, OPT_MERGE },
        { "source-file", required_argument, 0, 'b' },
        { "source-format", required_argument, 0, 'F' }, { NULL }
    };
    const char *fmt = NULL, *src_file = NULL, *src_fmt = NULL;
    const char *filename, *name;
    g_autoptr(GArray) acts = g_array_new(FALSE, FALSE, sizeof(BitmapAct));
    bool image_opts = false, add = false, merge = false, ok = true;
    BlockBackend *blk, *src = NULL;
    int64_t granularity = 0;
    BlockNode *n;
    int c;

    while ((c = img_getopt(argc, argv, ":b:f:F:g:h", longs)) != -1) {
        BitmapAct act = { .what = c, .src = optarg };

        switch (c) {
        case 'b':
            src_file = optarg;
            break;
        case 'f':
            fmt = optarg;
            break;
        case 'F':
            src_fmt = optarg;
            break;
        case 'g':
            granularity = img_size("granularity", optarg);
            if (granularity < 0 || granularity > INT32_MAX) {
                return 1;
            }
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        case OPT_ADD:
        case OPT_REMOVE:
        case OPT_CLEAR:
        case OPT_ENABLE:
        case OPT_DISABLE:
        case OPT_MERGE:
            add |= c == OPT_ADD;
            merge |= c == OPT_MERGE;
            g_array_append_val(acts, act);
            break;
        }
    }
    if (optind != argc - 2) {
        img_die("Expecting filename and bitmap name");
    }
    if (acts->len == 0) {
        img_die("Need at least one of --add, --remove, --clear, --enable, "
                "--disable, or --merge");
    }
    if (granularity && !add) {
        error_report("granularity only supported with --add");
        return 1;
    }
    if (src_fmt && !src_file) {
        error_report("-F only supported with -b");
        return 1;
    }
    if (src_file && !merge) {
        error_report("Merge bitmap source file only supported with --merge");
        return 1;
    }
    filename = argv[optind];
    name = argv[optind + 1];
    blk = img_open(image_opts, filename, fmt,
                   BLK_O_RDWR | BLK_O_UNMAP | BLK_O_NO_BACKING, false);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (!n->drv->can_store_bitmap) {
        error_report("The format '%s' does not store dirty bitmaps",
                     n->drv->name);
        blk_unref(blk);
        return 1;
    }
    if (src_file) {
        src = img_open(false, src_file, src_fmt, 0, false);
        ok = src != NULL;
    }
    if (!granularity) {
        uint32_t cluster = n->drv->cluster_size ? n->drv->cluster_size(n) : 0;

        granularity = cluster ? MIN(MAX(cluster, 4096), 65536) : 65536;
    }
    for (guint i = 0; ok && i < acts->len; i++) {
        ok = bitmap_act(n, src ? blk_node(src) : n,
                        &g_array_index(acts, BitmapAct, i), name,
                        granularity);
    }
    blk_unref(src);
    return img_close(blk, filename) < 0 || !ok;
}
