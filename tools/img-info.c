/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: info, check, map, measure, snapshot. */
#include "osdep.h"
#include "block/info.h"
#include "tools/img.h"

/* ---- info -------------------------------------------------------------------- */

int img_info(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "format", required_argument, 0, 'f' },
        { "output", required_argument, 0, OPT_OUTPUT },
        { "backing-chain", no_argument, 0, OPT_BACKING_CHAIN },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *filename, *fmt = NULL;
    g_autofree char *name = NULL, *own_fmt = NULL;
    bool chain = false, image_opts = false, json = false;
    unsigned flags = BLK_O_NO_BACKING | BLK_O_NO_IO;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    g_autoptr(QObject) all = qlist_new();
    bool first = true;
    int c;

    while ((c = img_getopt(argc, argv, ":hf:U", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_OUTPUT:
            json = img_output_json(optarg);
            break;
        case OPT_BACKING_CHAIN:
            chain = true;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    name = g_strdup(filename);
    own_fmt = g_strdup(fmt);
    while (name) {
        BlockBackend *blk;
        BlockNode *n;
        QObject *d;

        if (g_hash_table_contains(seen, name)) {
            error_report("Backing file '%s' creates an infinite loop.", name);
            return 1;
        }
        g_hash_table_add(seen, g_strdup(name));
        blk = img_open(image_opts, name, own_fmt, flags, false);
        if (!blk) {
            return 1;
        }
        n = blk_node(blk);
        d = block_image_facts(n, image_opts ? n->filename : name,
                              image_opts ? n->filename : name);
        if (!json) {
            g_autoptr(GString) text = g_string_new(NULL);

            block_image_print(text, d);
            printf("%s%s", first ? "" : "\n", text->str);
        }
        first = false;
        g_free(name);
        g_clear_pointer(&own_fmt, g_free);
        name = chain ? g_strdup(qdict_get_str(d, "full-backing-filename"))
                     : NULL;
        if (name && n->backing_format) {
            own_fmt = g_strdup(n->backing_format);
        }
        image_opts = false;
        qlist_append(all, d);
        blk_unref(blk);
    }
    if (json) {
        g_autofree char *s = json_to_string(chain ? all : qlist_at(all, 0),
                                            true);

        printf("%s\n", s);
    }
    return 0;
}

/* ---- check ------------------------------------------------------------------- */

static void check_json(const BlockCheck *r, const char *filename,
                       const char *fmt)
{
    g_autoptr(QObject) d = qdict_new();
    g_autofree char *s = NULL;

    if (r->image_end_offset) {
        qdict_put_int(d, "image-end-offset", r->image_end_offset);
    }
    if (r->compressed_clusters) {
        qdict_put_int(d, "compressed-clusters", r->compressed_clusters);
    }
    if (r->total_clusters) {
        qdict_put_int(d, "total-clusters", r->total_clusters);
    }
    if (r->corruptions) {
        qdict_put_int(d, "corruptions", r->corruptions);
    }
    if (r->corruptions_fixed) {
        qdict_put_int(d, "corruptions-fixed", r->corruptions_fixed);
    }
    qdict_put_int(d, "check-errors", r->check_errors);
    if (r->leaks) {
        qdict_put_int(d, "leaks", r->leaks);
    }
    if (r->leaks_fixed) {
        qdict_put_int(d, "leaks-fixed", r->leaks_fixed);
    }
    if (r->allocated_clusters) {
        qdict_put_int(d, "allocated-clusters", r->allocated_clusters);
    }
    qdict_put_str(d, "filename", filename);
    qdict_put_str(d, "format", fmt);
    if (r->fragmented_clusters) {
        qdict_put_int(d, "fragmented-clusters", r->fragmented_clusters);
    }
    s = json_to_string(d, true);
    printf("%s\n", s);
}

static void check_human(const BlockCheck *r)
{
    if (!r->corruptions && !r->leaks && !r->check_errors) {
        printf("No errors were found on the image.\n");
    } else {
        if (r->corruptions) {
            printf("\n%" PRId64 " errors were found on the image.\n"
                   "Data may be corrupted, or further writes to the image "
                   "may corrupt it.\n", r->corruptions);
        }
        if (r->leaks) {
            printf("\n%" PRId64 " leaked clusters were found on the image.\n"
                   "This means waste of disk space, but no harm to data.\n",
                   r->leaks);
        }
        if (r->check_errors) {
            printf("\n%" PRId64 " internal errors have occurred during the "
                   "check.\n", r->check_errors);
        }
    }
    if (r->total_clusters && r->allocated_clusters) {
        printf("%" PRId64 "/%" PRId64 " = %0.2f%% allocated, %0.2f%% "
               "fragmented, %0.2f%% compressed clusters\n",
               r->allocated_clusters, r->total_clusters,
               r->allocated_clusters * 100.0 / r->total_clusters,
               r->fragmented_clusters * 100.0 / r->allocated_clusters,
               r->compressed_clusters * 100.0 / r->allocated_clusters);
    }
    if (r->image_end_offset > 0) {
        printf("Image end offset: %" PRId64 "\n", r->image_end_offset);
    }
}

int img_check(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "format", required_argument, 0, 'f' },
        { "repair", required_argument, 0, 'r' },
        { "output", required_argument, 0, OPT_OUTPUT },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *filename, *fmt = NULL;
    unsigned flags = BLK_O_CHECK | BLK_O_UNMAP, fix = 0;
    bool image_opts = false, json = false, quiet = false, wt;
    BlockCheck res = { 0 };
    BlockBackend *blk;
    BlockNode *n;
    int c, ret;

    while ((c = img_getopt(argc, argv, ":hf:r:T:qU", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'r':
            if (!strcmp(optarg, "leaks")) {
                fix = BLK_FIX_LEAKS;
            } else if (!strcmp(optarg, "all")) {
                fix = BLK_FIX_LEAKS | BLK_FIX_ERRORS;
            } else {
                img_die("--repair (-r) expects 'leaks' or 'all', not '%s'",
                        optarg);
            }
            flags |= BLK_O_RDWR;
            break;
        case 'T':
            img_cache(optarg, "source cache", &flags, &wt);
            break;
        case 'q':
            quiet = true;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_OUTPUT:
            json = img_output_json(optarg);
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    blk = img_open(image_opts, filename, fmt, flags, false);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (!n->drv->check) {
        error_report("This image format does not support checks");
        blk_unref(blk);
        return 63;
    }
    if (json || quiet) { /* the findings one by one are for people */
        fflush(stderr);
    }
    ret = n->drv->check(n, &res, fix);
    if (ret == 0 && (res.corruptions_fixed || res.leaks_fixed)) {
        int64_t fixed_c = res.corruptions_fixed, fixed_l = res.leaks_fixed;
        bool found = fixed_c || fixed_l;

        if (!json && !quiet) {
            printf("The following inconsistencies were found and repaired:\n\n"
                   "    %" PRId64 " leaked clusters\n    %" PRId64
                   " corruptions\n\nDouble checking the fixed image now...\n",
                   fixed_l, fixed_c);
            fflush(stdout);
        }
        if (found) {
            memset(&res, 0, sizeof(res));
            ret = n->drv->check(n, &res, 0);
            res.corruptions_fixed = fixed_c;
            res.leaks_fixed = fixed_l;
        }
    }
    if (ret < 0) {
        error_report("Check failed: %s", strerror(-ret));
        blk_unref(blk);
        return 1;
    }
    if (!quiet) {
        if (json) {
            check_json(&res, filename, n->drv->name);
        } else {
            check_human(&res);
        }
    }
    if (img_close(blk, filename) < 0) {
        return 1;
    }
    return res.corruptions ? 2 : res.leaks ? 3 : res.check_errors ? 1 : 0;
}

/* ---- map --------------------------------------------------------------------- */

typedef struct MapEntry {
    uint64_t start, length, offset;
    int st, depth;
    BlockNode *file;
} MapEntry;

static const char *map_file(const MapEntry *e)
{
    return e->file ? e->file->filename : NULL;
}

static void map_print(const MapEntry *e, bool json, bool first)
{
    bool data = e->st & BLK_ST_DATA, zero = e->st & BLK_ST_ZERO;
    bool at = e->st & BLK_ST_OFFSET_VALID;

    if (json) {
        printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
               ", \"depth\": %d, \"present\": %s, \"zero\": %s, \"data\": %s",
               first ? "[" : ",\n", e->start, e->length, e->depth,
               e->st & BLK_ST_ALLOCATED ? "true" : "false",
               zero ? "true" : "false", data ? "true" : "false");
        if (at) {
            printf(", \"offset\": %" PRIu64, e->offset);
        }
        printf("}");
    } else if (data && !zero) {
        if (!at) {
            error_report("File contains external, encrypted or compressed "
                         "clusters.");
            exit(1);
        }
        printf("%-#16" PRIx64 "%-#16" PRIx64 "%-#16" PRIx64 "%s\n", e->start,
               e->length, e->offset, map_file(e) ? map_file(e) : "");
    }
}

static bool map_joins(const MapEntry *a, const MapEntry *b)
{
    return a->st == b->st && a->depth == b->depth &&
           a->start + a->length == b->start && a->file == b->file &&
           (!(a->st & BLK_ST_OFFSET_VALID) ||
            a->offset + a->length == b->offset);
}

int img_map(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "format", required_argument, 0, 'f' },
        { "output", required_argument, 0, OPT_OUTPUT },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' },
        { "start-offset", required_argument, 0, 's' },
        { "max-length", required_argument, 0, 'l' }, { NULL }
    };
    const char *filename, *fmt = NULL;
    bool image_opts = false, json = false, first = true;
    unsigned flags = 0;
    int64_t start = 0, max = -1;
    uint64_t end, pos;
    MapEntry cur = { 0 };
    BlockBackend *blk;
    BlockNode *n;
    int c;

    while ((c = img_getopt(argc, argv, ":f:s:l:hU", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case 's':
            start = img_size("start offset", optarg);
            if (start < 0) {
                return 1;
            }
            break;
        case 'l':
            max = img_size("max length", optarg);
            if (max < 0) {
                return 1;
            }
            break;
        case OPT_OUTPUT:
            json = img_output_json(optarg);
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    blk = img_open(image_opts, filename, fmt, flags, false);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (json) {
        if (n->length == 0 || (uint64_t)start >= n->length) {
            printf("[");
        }
    } else {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    end = n->length;
    if (max >= 0 && (uint64_t)start < end) {
        end = MIN(end, (uint64_t)start + (uint64_t)max);
    }
    for (pos = start; pos < end; pos += cur.length) {
        MapEntry e = { .start = pos };
        int depth = 1;

        e.st = node_block_status_above(n, NULL, true, pos, end - pos,
                                       &e.length, &e.offset, &e.file, &depth);
        if (e.st < 0 || e.length == 0) {
            error_report("Failed to read image metadata: %s",
                         strerror(e.st < 0 ? -e.st : EIO));
            blk_unref(blk);
            return 1;
        }
        e.depth = (e.st & (BLK_ST_DATA | BLK_ST_ZERO)) ? depth - 1 : 0;
        e.st &= ~(BLK_ST_EOF | BLK_ST_RECURSE | BLK_ST_RAW |
                  BLK_ST_COMPRESSED);
        if (!(e.st & BLK_ST_OFFSET_VALID)) {
            e.file = NULL;
        }
        if (cur.length && map_joins(&cur, &e)) {
            cur.length += e.length;
            pos = cur.start;
            continue;
        }
        if (cur.length) {
            map_print(&cur, json, first);
            first = false;
        }
        cur = e;
    }
    if (cur.length) {
        map_print(&cur, json, first);
    }
    if (json) {
        printf("]\n");
    }
    blk_unref(blk);
    return 0;
}

/* ---- measure ----------------------------------------------------------------- */

int img_measure(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "object", required_argument, 0, OPT_OBJECT },
        { "output", required_argument, 0, OPT_OUTPUT },
        { "size", required_argument, 0, OPT_SIZE },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *fmt = NULL, *out_fmt = "raw", *snapshot = NULL;
    g_autofree char *options = NULL;
    g_autoptr(QObject) opts = NULL, res = NULL;
    bool image_opts = false, json = false;
    int64_t size = -1;
    unsigned flags = 0;
    BlockBackend *blk = NULL;
    const BlockDriver *drv;
    Error *err = NULL;
    int c, ret = 1;

    while ((c = img_getopt(argc, argv, ":hf:l:o:O:U", longs)) != -1) {
        switch (c) {
        case 'f':
            fmt = optarg;
            break;
        case 'l':
            snapshot = optarg;
            break;
        case 'o':
            img_join_options(&options, optarg);
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
        case OPT_OUTPUT:
            json = img_output_json(optarg);
            break;
        case OPT_SIZE:
            size = img_size("image size", optarg);
            if (size < 0) {
                return 1;
            }
            break;
        }
    }
    if (argc - optind > 1) {
        error_report("At most one filename argument is allowed.");
        return 1;
    }
    if (argc - optind == 1 && size >= 0) {
        error_report("--size N cannot be used together with a filename.");
        return 1;
    }
    if (argc - optind == 0 && size < 0) {
        error_report("Either --size N or one filename must be specified.");
        return 1;
    }
    drv = block_driver_find(out_fmt);
    if (!drv) {
        img_no_format("", out_fmt);
        return 1;
    }
    if (!drv->measure && strcmp(out_fmt, "raw")) {
        error_report("Block driver '%s' does not support size measurement",
                     out_fmt);
        return 1;
    }
    opts = options ? keyval_parse(options, NULL, NULL, &err) : qdict_new();
    if (!opts) {
        error_report_err(err);
        return 1;
    }
    if (argc - optind == 1) {
        blk = img_open(image_opts, argv[optind], fmt, flags, false);
        if (!blk) {
            return 1;
        }
        if (snapshot) {
            BlockNode *n = blk_node(blk);

            if (!n->drv->snapshot_load_tmp ||
                (!n->drv->snapshot_load_tmp(n, snapshot, NULL, NULL) &&
                 !n->drv->snapshot_load_tmp(n, NULL, snapshot, &err))) {
                error_report("Failed to load snapshot: %s",
                             err ? error_get_pretty(err) : "not supported");
                error_free(err);
                goto out;
            }
        }
    } else {
        qdict_put(opts, "size", quint_new(size));
    }
    if (drv->measure) {
        res = drv->measure(opts, blk ? blk_node(blk) : NULL, &err);
        if (!res) {
            error_report_err(err);
            goto out;
        }
    } else {
        uint64_t bytes = blk ? blk_node(blk)->length : (uint64_t)size;

        res = qdict_new();
        qdict_put(res, "required", quint_new(ROUND_UP(bytes, 512)));
        qdict_put(res, "fully-allocated", quint_new(ROUND_UP(bytes, 512)));
    }
    if (json) {
        g_autofree char *s = json_to_string(res, true);

        printf("%s\n", s);
    } else {
        printf("required size: %" PRId64 "\nfully allocated size: %" PRId64
               "\n", qdict_get_int(res, "required", 0),
               qdict_get_int(res, "fully-allocated", 0));
        if (qdict_has(res, "bitmaps")) {
            printf("bitmaps size: %" PRId64 "\n",
                   qdict_get_int(res, "bitmaps", 0));
        }
    }
    ret = 0;
out:
    blk_unref(blk);
    return ret;
}

/* ---- snapshot ---------------------------------------------------------------- */

int img_snapshot(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' },
        { "object", required_argument, 0, OPT_OBJECT },
        { "image-opts", no_argument, 0, OPT_IMAGE_OPTS },
        { "force-share", no_argument, 0, 'U' }, { NULL }
    };
    const char *filename, *name = NULL;
    bool image_opts = false, ok = true;
    unsigned flags = BLK_O_RDWR | BLK_O_UNMAP;
    int action = 0, c;
    Error *err = NULL;
    BlockBackend *blk;
    BlockNode *n;

    while ((c = img_getopt(argc, argv, ":la:c:d:hqU", longs)) != -1) {
        switch (c) {
        case 'l':
        case 'a':
        case 'c':
        case 'd':
            if (action) {
                img_die("Cannot mix '-l', '-a', '-c', '-d'");
            }
            action = c;
            name = optarg;
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case OPT_IMAGE_OPTS:
            image_opts = true;
            break;
        }
    }
    if (optind != argc - 1) {
        img_die("Expecting one image file name");
    }
    filename = argv[optind];
    action = action ? action : 'l';
    if (action == 'l') {
        flags &= ~(unsigned)BLK_O_RDWR;
    }
    blk = img_open(image_opts, filename, NULL, flags, false);
    if (!blk) {
        return 1;
    }
    n = blk_node(blk);
    if (action == 'l') {
        g_autoptr(QObject) list = block_snapshot_facts(n);

        if (list) {
            g_autoptr(GString) text = g_string_new(NULL);

            block_snapshots_print(text, list);
            printf("%s", text->str);
        }
        blk_unref(blk);
        return 0;
    }
    if (!n->drv->snapshot_create) {
        error_report("Could not %s snapshot '%s': the format '%s' has no "
                     "snapshots", action == 'c' ? "create"
                     : action == 'a' ? "apply" : "delete", name,
                     n->drv->name);
        blk_unref(blk);
        return 1;
    }
    switch (action) {
    case 'c': {
        BlockSnapshotInfo sn = { 0 };
        int64_t now = g_get_real_time();

        g_strlcpy(sn.name, name, sizeof(sn.name));
        sn.date_sec = now / 1000000;
        sn.date_nsec = now % 1000000 * 1000;
        ok = n->drv->snapshot_create(n, &sn, &err);
        if (!ok) {
            error_prepend(&err, "Could not create snapshot '%s': ", name);
        }
        break;
    }
    case 'a':
        ok = n->drv->snapshot_goto(n, name, &err);
        if (!ok) {
            error_prepend(&err, "Could not apply snapshot '%s': ", name);
        }
        break;
    case 'd': {
        BlockSnapshotInfo *list = NULL;
        int count = n->drv->snapshot_list(n, &list), found = -1;

        for (int i = 0; i < count && found < 0; i++) {
            found = !strcmp(list[i].id, name) ? i : -1;
        }
        for (int i = 0; i < count && found < 0; i++) {
            found = !strcmp(list[i].name, name) ? i : -1;
        }
        if (found < 0) {
            error_setg(&err, "Could not delete snapshot '%s': snapshot not "
                       "found", name);
            ok = false;
        } else {
            ok = n->drv->snapshot_delete(n, list[found].id, list[found].name,
                                         &err);
            if (!ok) {
                error_prepend(&err, "Could not delete snapshot '%s': ", name);
            }
        }
        g_free(list);
        break;
    }
    }
    if (!ok) {
        error_report_err(err);
    }
    return img_close(blk, filename) < 0 || !ok;
}
