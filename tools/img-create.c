/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: create, amend, resize, rebase, commit. */
#include "osdep.h"
#include "tools/img.h"

/* ---- create ------------------------------------------------------------------ */

/* The order of the "Formatting" line, and what stands there by default. */
static const struct {
    const char *name, *qcow2_default;
} shown[] = {
    { "cluster_size", "65536" }, { "extended_l2", "off" },
    { "nocow", NULL }, { "preallocation", NULL },
    { "compression_type", "zlib" }, { "size", NULL }, { "compat", NULL },
    { "data_file", NULL }, { "data_file_raw", NULL },
    { "backing_file", NULL }, { "backing_fmt", NULL },
    { "lazy_refcounts", "off" }, { "refcount_bits", "16" },
};

static bool needs_quotes(const char *s)
{
    return strchr(s, ' ') || strchr(s, ',') || strchr(s, '\'');
}

static void print_formatting(const char *filename, const char *fmt,
                             const QObject *opts)
{
    printf("Formatting '%s', fmt=%s", filename, fmt);
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        const QObject *v = qdict_get(opts, shown[i].name);
        const char *s = !strcmp(fmt, "qcow2") ? shown[i].qcow2_default : NULL;
        uint64_t num;

        if (!v && !s) {
            continue;
        }
        if (v && qint_try_u64(v, &num)) {
            printf(" %s=%" PRIu64, shown[i].name, num);
            continue;
        }
        s = v ? qstring_get(v) : s;
        if (!strcmp(shown[i].name, "cluster_size") &&
            parse_size("", s, 1, &num, NULL)) {
            printf(" %s=%" PRIu64, shown[i].name, num);
        } else {
            printf(needs_quotes(s) ? " %s='%s'" : " %s=%s", shown[i].name, s);
        }
    }
    printf("\n");
    fflush(stdout);
}

/* The backing file exists, and how long its disk is. */
static bool look_at_backing(const char *filename, const char *backing,
                            const char *fmt, bool want_size, uint64_t *size)
{
    g_autofree char *path = block_path_combine(filename, backing);
    QObject *o = qdict_new();
    Error *err = NULL;
    BlockBackend *blk;

    if (fmt) {
        qdict_put_str(o, "driver", fmt);
    }
    blk = blk_open(path, NULL, o, BLK_O_FORCE_SHARE, &err);
    if (!blk) {
        error_prepend(&err, "%s: Could not open backing file: ", filename);
        error_append_hint(&err, "Could not open backing image.\n");
        error_report_err(err);
        return false;
    }
    if (!fmt) {
        error_report("%s: Backing file specified without backing format",
                     filename);
        fprintf(stderr, "Detected format of %s.\n",
                blk_node(blk)->drv->name);
        blk_unref(blk);
        return false;
    }
    if (want_size) {
        *size = blk_node(blk)->length;
    }
    blk_unref(blk);
    return true;
}

int img_create(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT }, { NULL }
    };
    const char *fmt = "raw", *base = NULL, *base_fmt = NULL, *filename;
    g_autofree char *options = NULL;
    g_autoptr(QObject) opts = NULL;
    bool quiet = false, unsafe = false;
    const BlockDriver *drv;
    uint64_t size = 0;
    Error *err = NULL;
    bool has_size;
    int c;

    while ((c = img_getopt(argc, argv, ":F:b:f:ho:qu", longs)) != -1) {
        switch (c) {
        case 'F':
            base_fmt = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'f':
            fmt = optarg;
            break;
        case 'o':
            img_join_options(&options, optarg);
            break;
        case 'q':
            quiet = true;
            break;
        case 'u':
            unsafe = true;
            break;
        }
    }
    filename = optind < argc ? argv[optind] : NULL;
    if (img_wants_help(options)) {
        return img_option_help(fmt, false);
    }
    if (!filename) {
        img_die("Expecting image file name");
    }
    optind++;
    if (argc - optind > 1) {
        img_die("Unexpected argument: %s", argv[optind + 1]);
    }
    drv = block_driver_find(fmt);
    if (!drv) {
        g_autofree char *prefix = g_strdup_printf("%s: ", filename);

        img_no_format(prefix, fmt);
        return 1;
    }
    if (!drv->create) {
        error_report("%s: Format driver '%s' does not support image creation",
                     filename, fmt);
        return 1;
    }
    opts = options ? keyval_parse(options, NULL, NULL, &err) : qdict_new();
    if (!opts) {
        goto fail;
    }
    if (optind < argc) {
        int64_t v = img_size("image size", argv[optind]);

        if (v < 0) {
            return 1;
        }
        qdict_put(opts, "size", quint_new(v));
    }
    if (base) {
        qdict_put_str(opts, "backing_file", base);
    }
    if (base_fmt) {
        qdict_put_str(opts, "backing_fmt", base_fmt);
    }
    base = qdict_get_str(opts, "backing_file");
    base_fmt = qdict_get_str(opts, "backing_fmt");
    if (base && !drv->supports_backing) {
        error_report("%s: Backing file not supported for file format '%s'",
                     filename, fmt);
        return 1;
    }
    if (base && !strcmp(base, filename)) {
        error_report("%s: Error: Trying to create an image with the same "
                     "filename as the backing file", filename);
        return 1;
    }
    if (base_fmt && !block_driver_find(base_fmt)) {
        error_report("%s: Unknown backing file format '%s'", filename,
                     base_fmt);
        return 1;
    }
    has_size = qdict_has(opts, "size");
    if (base && *base && !unsafe) {
        if (!look_at_backing(filename, base, base_fmt, !has_size, &size)) {
            return 1;
        }
        if (!has_size) {
            qdict_put(opts, "size", quint_new(size));
        }
    } else if (!has_size) {
        error_report("%s: Image creation needs a size parameter", filename);
        return 1;
    }
    if (qdict_get_str(opts, "size")) { /* typed in -o */
        int64_t v = img_size("image size", qdict_get_str(opts, "size"));

        if (v < 0) {
            return 1;
        }
        qdict_put(opts, "size", quint_new(v));
    }
    for (size_t i = 0; i < qdict_size(opts); i++) {
        bool known = !strcmp(qdict_key_at(opts, i), "size");

        for (const BlockCreateOpt *o = drv->create_opts; o && o->name; o++) {
            known |= !strcmp(o->name, qdict_key_at(opts, i));
        }
        if (!known) {
            error_report("%s: Invalid parameter '%s'", filename,
                         qdict_key_at(opts, i));
            return 1;
        }
    }
    if (!quiet) {
        print_formatting(filename, fmt, opts);
    }
    if (block_create(drv, filename, opts, &err)) {
        return 0;
    }
fail:
    error_prepend(&err, "%s: ", filename);
    error_report_err(err);
    return 1;
}

/* ---- amend ------------------------------------------------------------------- */

int img_amend(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force", no_argument, 0, OPT_FORCE }, { NULL }
    };
    const char *fmt = NULL, *filename;
    g_autofree char *options = NULL;
    g_autoptr(QObject) opts = NULL;
    bool image_opts = false, force = false, wt = false, ok;
    unsigned flags = BLK_O_RDWR | BLK_O_UNMAP;
    ImgProgress progress = { 0 };
    BlockBackend *blk;
    BlockNode *n;
    Error *err = NULL;
    int c;

    while ((c = img_getopt(argc, argv, ":ho:f:t:pq", longs)) != -1) {
        switch (c) {
        case 'o':
            img_join_options(&options, optarg);
            break;
        case 'f':
            fmt = optarg;
            break;
        case 't':
            img_cache(optarg, "cache", &flags, &wt);
            break;
        case 'p':
            progress.on = true;
            break;
        case 'q':
            progress.on = false;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        case OPT_FORCE:
            force = true;
            break;
        }
    }
    if (!options) {
        img_die("Must specify options (-o)");
    }
    if (img_wants_help(options) && fmt) {
        return img_option_help(fmt, true);
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    opts = keyval_parse(options, NULL, NULL, &err);
    if (!opts) {
        error_report_err(err);
        return 1;
    }
    blk = img_open(image_opts, filename, fmt, flags, wt);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (!n->drv->amend) {
        error_report("Format driver '%s' does not support option amendment",
                     n->drv->name);
        blk_unref(blk);
        return 1;
    }
    img_progress(&progress, 0, 1);
    ok = n->drv->amend(n, opts, force, &err);
    if (ok) {
        img_progress(&progress, 1, 1);
    } else {
        error_report_err(err);
    }
    img_progress_end(&progress);
    return img_close(blk, filename) < 0 || !ok;
}

/* ---- resize ------------------------------------------------------------------ */

int img_resize(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "preallocation", required_argument, 0, OPT_PREALLOCATION },
        { "shrink", no_argument, 0, OPT_SHRINK }, { NULL }
    };
    const char *filename, *fmt = NULL, *prealloc = "off", *size;
    bool image_opts = false, shrink = false, quiet = false;
    uint64_t delta, total;
    int relative = 0, c;
    BlockBackend *blk;
    BlockNode *n;
    Error *err = NULL;

    /* The size may begin with '-': it is taken off before getopt sees it. */
    if (argc < 3 || !strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
        if (argc > 1 && (!strcmp(argv[1], "-h") ||
                         !strcmp(argv[1], "--help"))) {
            img_help();
        }
        img_die("Not enough arguments");
    }
    size = argv[--argc];
    while ((c = img_getopt(argc, argv, ":f:hq", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        case OPT_PREALLOCATION:
            prealloc = optarg;
            break;
        case OPT_SHRINK:
            shrink = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting image file name and size");
    }
    filename = argv[optind];
    if (*size == '+' || *size == '-') {
        relative = *size == '+' ? 1 : -1;
        size++;
    }
    if (!parse_size("size", size, 1, &delta, &err)) {
        error_report_err(err);
        return 1;
    }
    blk = img_open(image_opts, filename, fmt, BLK_O_RDWR | BLK_O_UNMAP, false);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    total = relative > 0 ? n->length + delta
            : relative < 0 ? n->length - delta : delta;
    if ((relative < 0 && delta >= n->length) || total == 0 ||
        total > (uint64_t)BLK_MAX_LENGTH) {
        error_report("New image size must be positive");
        goto fail;
    }
    if (total < n->length && strcmp(prealloc, "off")) {
        error_report("Preallocation can only be used for growing images");
        goto fail;
    }
    if (total < n->length && !shrink) {
        error_report("Use the --shrink option to perform a shrink operation.");
        warn_report("Shrinking an image will delete all data beyond the "
                    "shrunken image's end. Before performing such an "
                    "operation, make sure there is no important data there.");
        goto fail;
    }
    if (!blk_truncate(blk, ROUND_UP(total, BLK_SECTOR), true, prealloc,
                      &err)) {
        error_report_err(err);
        goto fail;
    }
    if (!quiet) {
        printf("Image resized.\n");
    }
    return img_close(blk, filename) < 0;
fail:
    blk_unref(blk);
    return 1;
}

/* ---- rebase ------------------------------------------------------------------ */

#define REBASE_BUF (1 * MiB)

static BlockBackend *open_base(const char *path, const char *fmt,
                               unsigned flags, const char *which)
{
    Error *err = NULL;
    BlockBackend *blk = blk_open(path, fmt, NULL, flags, &err);

    if (!blk) {
        error_prepend(&err, "Could not open %s backing file '%s': ", which,
                      path);
        error_report_err(err);
    }
    return blk;
}

/* Zeroes that do not come from a backing file: a driver may leave out those
 * that the old one has there already. */
static int rebase_zeroes(BlockNode *n, uint64_t at, uint64_t len)
{
    g_autofree uint8_t *zeroes = g_malloc0(len);
    int ret = node_pwrite_zeroes(n, at, len, 0);
    uint64_t pnum;

    for (uint64_t end = at + len; at < end && ret >= 0; at += pnum) {
        uint64_t map;

        ret = node_block_status(n, false, at, end - at, &pnum, &map, NULL);
        if (ret >= 0 && !(ret & BLK_ST_ALLOCATED)) {
            ret = node_pwrite(n, at, zeroes, pnum);
        }
    }
    return ret;
}

/* Where old and new backing files differ, the old one's data comes up. */
static int rebase_copy(BlockNode *n, BlockNode *old, BlockNode *new,
                       ImgProgress *progress)
{
    g_autofree uint8_t *a = g_malloc(REBASE_BUF), *b = g_malloc(REBASE_BUF);
    uint64_t pnum;
    int ret = 0;

    for (uint64_t at = 0; at < n->length && ret >= 0; at += pnum) {
        uint64_t map;

        ret = node_block_status(n, false, at, MIN(n->length - at, REBASE_BUF),
                                &pnum, &map, NULL);
        if (ret < 0) {
            error_report("error while reading image metadata: %s",
                         strerror(-ret));
            break;
        }
        img_progress(progress, at, n->length);
        if (ret & BLK_ST_ALLOCATED) {
            continue;
        }
        memset(a, 0, pnum);
        memset(b, 0, pnum);
        if (old && at < old->length) {
            ret = node_pread(old, at, a, pnum);
        }
        if (ret >= 0 && new && at < new->length) {
            ret = node_pread(new, at, b, pnum);
        }
        if (ret < 0) {
            error_report("error while reading a backing file: %s",
                         strerror(-ret));
            break;
        }
        for (size_t i = 0; i < pnum && ret >= 0;) {
            size_t unit = 4096, run = 0;
            bool differ = memcmp(a + i, b + i, MIN(unit, pnum - i)) != 0;

            while (i + run < pnum &&
                   (memcmp(a + i + run, b + i + run,
                           MIN(unit, pnum - i - run)) != 0) == differ) {
                run += MIN(unit, pnum - i - run);
            }
            if (differ) {
                ret = buffer_is_zero(a + i, run)
                          ? rebase_zeroes(n, at + i, run)
                          : node_pwrite(n, at + i, a + i, run);
                if (ret < 0) {
                    error_report("Error while writing to COW image: %s",
                                 strerror(-ret));
                }
            }
            i += run;
        }
    }
    return ret < 0 ? -1 : 0;
}

int img_rebase(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *fmt = NULL, *base = NULL, *base_fmt = NULL, *filename;
    unsigned flags = BLK_O_RDWR | BLK_O_UNMAP, src_flags = 0;
    bool image_opts = false, unsafe = false, wt = false, src_wt = false;
    ImgProgress progress = { 0 };
    BlockBackend *blk, *old = NULL, *new = NULL;
    BlockNode *n;
    Error *err = NULL;
    int c, ret = 1;

    while ((c = img_getopt(argc, argv, ":hf:F:b:upt:T:qU", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'F':
            base_fmt = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'u':
            unsafe = true;
            break;
        case 'p':
            progress.on = true;
            break;
        case 'q':
            progress.on = false;
            break;
        case 't':
            img_cache(optarg, "cache", &flags, &wt);
            break;
        case 'T':
            img_cache(optarg, "source cache", &src_flags, &src_wt);
            break;
        case 'U':
            src_flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    if (!unsafe && !base) {
        img_die("Use backing_file (-b) option");
    }
    filename = argv[optind];
    flags |= unsafe ? BLK_O_NO_BACKING : 0;
    blk = img_open(image_opts, filename, fmt, flags, wt);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (base_fmt && !block_driver_find(base_fmt)) {
        error_report("Invalid format name: '%s'", base_fmt);
        goto out;
    }
    if (!n->drv->change_backing) {
        error_report("Format driver '%s' does not support backing files",
                     n->drv->name);
        goto out;
    }
    if (!unsafe) {
        if (n->backing_file) {
            g_autofree char *path = block_path_combine(n->exact_filename,
                                                       n->backing_file);

            old = open_base(path, n->backing_format, src_flags, "old");
            if (!old) {
                goto out;
            }
        }
        if (base && *base) {
            g_autofree char *path = block_path_combine(n->exact_filename,
                                                       base);

            new = open_base(path, base_fmt, src_flags, "new");
            if (!new) {
                goto out;
            }
        }
        if (rebase_copy(n, old ? blk_node(old) : NULL,
                        new ? blk_node(new) : NULL, &progress) < 0) {
            goto out;
        }
        if (blk_flush(blk) < 0) {
            error_report("Could not flush '%s'", filename);
            goto out;
        }
    }
    if (base && *base && !base_fmt) {
        error_report("backing format must be specified (-F)");
        goto out;
    }
    if (!n->drv->change_backing(n, base && *base ? base : NULL, base_fmt,
                                &err)) {
        error_prepend(&err, "Could not change the backing file to '%s': ",
                      base ? base : "");
        error_report_err(err);
        goto out;
    }
    img_progress(&progress, 1, 1);
    ret = 0;
out:
    img_progress_end(&progress);
    blk_unref(old);
    blk_unref(new);
    return img_close(blk, filename) < 0 || ret;
}

/* ---- commit ------------------------------------------------------------------ */

typedef struct Commit {
    ImgProgress progress;
    uint64_t length, rate; /* rate: bytes a second, 0: no limit */
    int64_t began;
} Commit;

static void commit_step(void *opaque, uint64_t at, uint64_t copied)
{
    Commit *c = opaque;

    img_progress(&c->progress, at, c->length);
    while (c->rate && (double)copied / (double)c->rate >
                          (g_get_monotonic_time() - c->began) / 1e6) {
        g_usleep(1000);
    }
}

int img_commit(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS }, { NULL }
    };
    const char *fmt = NULL, *base = NULL, *filename;
    unsigned flags = BLK_O_RDWR | BLK_O_UNMAP;
    bool image_opts = false, wt = false, drop = false, quiet = false;
    Commit com = { 0 };
    BlockNode *n, *target;
    int64_t rate = 0;
    BlockBackend *blk;
    Error *err = NULL;
    int c, ret = 1;

    while ((c = img_getopt(argc, argv, ":f:ht:b:dpqr:", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 't':
            img_cache(optarg, "cache", &flags, &wt);
            break;
        case 'b':
            base = optarg;
            drop = true; /* layers between would be wrong above an empty one */
            break;
        case 'd':
            drop = true;
            break;
        case 'p':
            com.progress.on = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 'r':
            rate = img_size("rate limit", optarg);
            if (rate < 0) {
                return 1;
            }
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    com.progress.on &= !quiet;
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    blk = img_open(image_opts, filename, fmt, flags, wt);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    target = node_backing(n);
    if (base) {
        while (target && strcmp(target->filename, base) &&
               strcmp(target->exact_filename, base)) {
            target = node_backing(target);
        }
        if (!target) {
            error_report("Did not find '%s' in the backing chain of '%s'",
                         base, filename);
            goto out;
        }
    }
    if (!target) {
        error_report("Image does not have a backing file");
        goto out;
    }
    com.length = n->length;
    com.rate = rate;
    com.began = g_get_monotonic_time();
    if (block_commit(blk, target, !drop, commit_step, &com, &err)) {
        img_progress(&com.progress, 1, 1);
        ret = 0;
    } else {
        error_report_err(err);
    }
    img_progress_end(&com.progress);
    if (ret == 0 && !quiet) {
        printf("Image committed.\n");
    }
out:
    return img_close(blk, filename) < 0 || ret;
}
