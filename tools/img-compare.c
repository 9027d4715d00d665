/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: dd, compare. */
#include "osdep.h"
#include "tools/img.h"

/* ---- dd ---------------------------------------------------------------------- */

int img_dd(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *fmt = NULL, *out_fmt = "raw", *in = NULL, *out = NULL;
    int64_t bs = 512, count = -1, skip = 0;
    bool image_opts = false;
    BlockBackend *src = NULL, *dst = NULL;
    g_autoptr(QObject) opts = qdict_new();
    g_autofree uint8_t *buf = NULL;
    unsigned flags = 0;
    uint64_t size, from;
    const BlockDriver *drv;
    Error *err = NULL;
    int c, ret = 1;

    while ((c = img_getopt(argc, argv, ":hf:O:U", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'O':
            out_fmt = optarg;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    for (int i = optind; i < argc; i++) {
        const char *eq = strchr(argv[i], '=');
        int64_t *num = NULL;

        if (!eq) {
            error_report("unrecognized operand %s", argv[i]);
            return 1;
        }
        if (g_str_has_prefix(argv[i], "if=")) {
            in = eq + 1;
        } else if (g_str_has_prefix(argv[i], "of=")) {
            out = eq + 1;
        } else if (g_str_has_prefix(argv[i], "bs=")) {
            num = &bs;
        } else if (g_str_has_prefix(argv[i], "count=")) {
            num = &count;
        } else if (g_str_has_prefix(argv[i], "skip=")) {
            num = &skip;
        } else {
            error_report("unrecognized operand %s", argv[i]);
            return 1;
        }
        if (num) {
            *num = img_size("operand", eq + 1);
            if (*num < 0 || (num == &bs && (bs == 0 || bs > INT32_MAX))) {
                error_report("invalid number: '%s'", eq + 1);
                return 1;
            }
        }
    }
    if (!in || !out) {
        error_report("Must specify both input and output file names");
        return 1;
    }
    drv = block_driver_find(out_fmt);
    if (!drv) {
        img_no_format("", out_fmt);
        return 1;
    }
    if (!drv->create) {
        error_report("Format driver '%s' does not support image creation",
                     out_fmt);
        return 1;
    }
    src = img_open(image_opts, in, fmt, flags, false);
    if (!src) {
        return 1;
    }
    size = blk_node(src)->length;
    if (count >= 0 && (uint64_t)count <= INT64_MAX / (uint64_t)bs &&
        (uint64_t)count * bs < size) {
        size = (uint64_t)count * bs;
    }
    from = (uint64_t)skip > INT64_MAX / (uint64_t)bs ? UINT64_MAX
                                                     : (uint64_t)skip * bs;
    if (from > blk_node(src)->length) {
        error_report("%s: cannot skip to specified offset", in);
        size = 0;
    } else if (count < 0 || size > blk_node(src)->length - from) {
        size = blk_node(src)->length - from;
    }
    qdict_put(opts, "size", quint_new(size));
    if (!block_create(drv, out, opts, &err)) {
        error_prepend(&err, "%s: error while creating output image of type "
                      "'%s': ", out, out_fmt);
        error_report_err(err);
        goto out;
    }
    dst = img_open(false, out, out_fmt, BLK_O_RDWR | BLK_O_UNMAP, false);
    if (!dst) {
        goto out;
    }
    buf = g_malloc(bs);
    ret = 0;
    for (uint64_t at = 0; at < size && ret == 0; at += bs) {
        uint64_t len = MIN((uint64_t)bs, size - at);

        ret = node_pread(blk_node(src), from + at, buf, len);
        if (ret < 0) {
            error_report("error while reading from input image file: %s",
                         strerror(-ret));
        } else {
            ret = node_pwrite(blk_node(dst), at, buf, len);
            if (ret < 0) {
                error_report("error while writing to output image file: %s",
                             strerror(-ret));
            }
        }
    }
    ret = ret < 0;
out:
    blk_unref(src);
    return img_close(dst, out) < 0 || ret;
}

/* ---- compare ----------------------------------------------------------------- */

/* First byte of 512 that differ; -1: equal. */
static int64_t first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (!memcmp(a, b, len)) {
        return -1;
    }
    for (size_t i = 0; i < len; i += 512) {
        if (memcmp(a + i, b + i, MIN(512, len - i))) {
            return i;
        }
    }
    return -1;
}

/* Is the rest of the longer image zero?  0 yes, 1 no, > 1 trouble. */
static int rest_is_zero(BlockNode *n, uint64_t from, uint8_t *buf, bool quiet)
{
    for (uint64_t at = from, pnum; at < n->length; at += pnum) {
        int st = node_block_status_above(n, NULL, true, at, n->length - at,
                                         &pnum, NULL, NULL, NULL);

        if (st < 0) {
            error_report("Error while checking the rest of '%s': %s",
                         n->filename, strerror(-st));
            return 3;
        }
        if ((st & BLK_ST_ZERO) || !(st & BLK_ST_ALLOCATED)) {
            continue;
        }
        pnum = MIN(pnum, IMG_COPY_BUF);
        st = node_pread(n, at, buf, pnum);
        if (st < 0) {
            error_report("Error while reading offset %" PRIu64 " of %s: %s",
                         at, n->filename, strerror(-st));
            return 4;
        }
        if (!buffer_is_zero(buf, pnum)) {
            size_t i = 0;

            while (buffer_is_zero(buf + i, MIN(512, pnum - i))) {
                i += 512;
            }
            if (!quiet) {
                printf("Content mismatch at offset %" PRIu64 "!\n", at + i);
            }
            return 1;
        }
    }
    return 0;
}

typedef struct CompareArgs {
    bool strict, quiet;
    ImgProgress progress;
    const char *name[2];
} CompareArgs;

static int compare_nodes(CompareArgs *a, BlockNode *n1, BlockNode *n2)
{
    uint64_t both = MIN(n1->length, n2->length), pnum;
    uint64_t total = MAX(n1->length, n2->length);
    g_autofree uint8_t *b1 = g_malloc(IMG_COPY_BUF), *b2 = g_malloc(IMG_COPY_BUF);
    int ret = 0;

    if (a->strict && n1->length != n2->length) {
        if (!a->quiet) {
            printf("Strict mode: Image size mismatch!\n");
        }
        return 1;
    }
    for (uint64_t at = 0; at < both; at += pnum) {
        uint64_t p1, p2;
        int s1 = node_block_status_above(n1, NULL, true, at, n1->length - at,
                                         &p1, NULL, NULL, NULL);
        int s2 = node_block_status_above(n2, NULL, true, at, n2->length - at,
                                         &p2, NULL, NULL, NULL);
        bool z1 = s1 & BLK_ST_ZERO || !(s1 & BLK_ST_ALLOCATED);
        bool z2 = s2 & BLK_ST_ZERO || !(s2 & BLK_ST_ALLOCATED);

        if (s1 < 0 || s2 < 0) {
            error_report("Sector allocation test failed for %s",
                         a->name[s1 < 0 ? 0 : 1]);
            return 3;
        }
        pnum = MIN(MIN(p1, p2), both - at);
        if (a->strict && ((s1 ^ s2) & (BLK_ST_DATA | BLK_ST_ZERO |
                                       BLK_ST_ALLOCATED))) {
            if (!a->quiet) {
                printf("Strict mode: Offset %" PRIu64 " block status "
                       "mismatch!\n", at);
            }
            return 1;
        }
        img_progress(&a->progress, at, total);
        if (z1 && z2) {
            continue;
        }
        pnum = MIN(pnum, IMG_COPY_BUF);
        if (!z1) {
            ret = node_pread(n1, at, b1, pnum);
        }
        if (ret == 0 && !z2) {
            ret = node_pread(n2, at, b2, pnum);
        }
        if (ret < 0) {
            error_report("Error while reading offset %" PRIu64 ": %s", at,
                         strerror(-ret));
            return 4;
        }
        if (z1 || z2) {
            const uint8_t *b = z1 ? b2 : b1;

            for (size_t i = 0; !buffer_is_zero(b, pnum) && i < pnum;
                 i += 512) {
                if (!buffer_is_zero(b + i, MIN(512, pnum - i))) {
                    if (!a->quiet) {
                        printf("Content mismatch at offset %" PRIu64 "!\n",
                               at + i);
                    }
                    return 1;
                }
            }
        } else {
            int64_t diff = first_difference(b1, b2, pnum);

            if (diff >= 0) {
                if (!a->quiet) {
                    printf("Content mismatch at offset %" PRIu64 "!\n",
                           at + diff);
                }
                return 1;
            }
        }
    }
    if (n1->length != n2->length) {
        if (!a->quiet) {
            printf("Warning: Image size mismatch!\n");
        }
        return rest_is_zero(n1->length > n2->length ? n1 : n2, both, b1,
                            a->quiet);
    }
    return 0;
}

int img_compare(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *fmt1 = NULL, *fmt2 = NULL, *cache = "writeback";
    CompareArgs a = { 0 };
    bool image_opts = false, wt;
    unsigned flags = 0;
    BlockBackend *blk1, *blk2 = NULL;
    int c, ret = 2;

    while ((c = img_getopt(argc, argv, ":hf:F:T:pqsU", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt1 = optarg;
            break;
        case 'F':
            fmt2 = optarg;
            break;
        case 'T':
            cache = optarg;
            break;
        case 'p':
            a.progress.on = true;
            break;
        case 'q':
            a.quiet = true;
            break;
        case 's':
            a.strict = true;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    a.progress.on &= !a.quiet;
    if (optind != argc - 2) {
        img_die("Expecting two image file names");
    }
    a.name[0] = argv[optind];
    a.name[1] = argv[optind + 1];
    img_cache(cache, "source cache", &flags, &wt);
    blk1 = img_open(image_opts, a.name[0], fmt1, flags, false);
    if (!blk1) {
        return 2;
    }
    blk2 = img_open(image_opts, a.name[1], fmt2, flags, false);
    if (blk2) {
        ret = compare_nodes(&a, blk_node(blk1), blk_node(blk2));
        if (ret == 0) {
            img_progress(&a.progress, 1, 1);
            if (!a.quiet) {
                printf("Images are identical.\n");
            }
        }
        img_progress_end(&a.progress);
    }
    blk_unref(blk1);
    blk_unref(blk2);
    return ret;
}
