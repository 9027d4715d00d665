/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: the command table and what the commands share. */
#include "osdep.h"
#include <signal.h>
#include "tools/img.h"
#include "util/module.h"

static const ImgCommand commands[] = {
    { "amend", img_amend, "[--object objectdef] [--image-opts] [-p] [-q] "
      "[-f fmt] [-t cache] [--force] -o options filename" },
    { "bench", img_bench, "[-c count] [-d depth] [-f fmt] [--flush-interval="
      "flush_interval] [-i aio] [-n] [--no-drain] [-o offset] "
      "[--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] "
      "[-w] [-U] filename" },
    { "bitmap", img_bitmap, "(--merge SOURCE | --add | --remove | --clear | "
      "--enable | --disable)... [-b source_file [-F source_fmt]] "
      "[-g granularity] [--object objectdef] [--image-opts | -f fmt] filename "
      "bitmap" },
    { "check", img_check, "[--object objectdef] [--image-opts] [-q] [-f fmt] "
      "[--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename" },
    { "commit", img_commit, "[--object objectdef] [--image-opts] [-q] "
      "[-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename" },
    { "compare", img_compare, "[--object objectdef] [--image-opts] [-f fmt] "
      "[-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2" },
    { "convert", img_convert, "[--object objectdef] [--image-opts] "
      "[--target-image-opts] [--target-is-zero] [--bitmaps] [-U] [-C] [-c] "
      "[-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] "
      "[-B backing_file [-F backing_fmt]] [-o options] [-l snapshot_param] "
      "[-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] "
      "filename [filename2 [...]] output_filename" },
    { "create", img_create, "[--object objectdef] [-q] [-f fmt] "
      "[-b backing_file [-F backing_fmt]] [-u] [-o options] filename "
      "[size]" },
    { "dd", img_dd, "[--image-opts] [-U] [-f fmt] [-O output_fmt] "
      "[bs=block_size] [count=blocks] [skip=blocks] if=input of=output" },
    { "info", img_info, "[--object objectdef] [--image-opts] [-f fmt] "
      "[--output=ofmt] [--backing-chain] [-U] filename" },
    { "map", img_map, "[--object objectdef] [--image-opts] [-f fmt] "
      "[--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] "
      "filename" },
    { "measure", img_measure, "[--output=ofmt] [-O output_fmt] [-o options] "
      "[--size N | [--object objectdef] [--image-opts] [-f fmt] "
      "[-l snapshot_param] filename]" },
    { "snapshot", img_snapshot, "[--object objectdef] [--image-opts] [-U] "
      "[-q] [-l | -a snapshot | -c snapshot | -d snapshot] filename" },
    { "rebase", img_rebase, "[--object objectdef] [--image-opts] [-U] [-q] "
      "[-f fmt] [-t cache] [-T src_cache] [-p] [-u] -b backing_file "
      "[-F backing_fmt] filename" },
    { "resize", img_resize, "[--object objectdef] [--image-opts] [-f fmt] "
      "[--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size" },
};

/* ---- trouble and help ---------------------------------------------------------- */

void img_die(const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s", msg);
    fprintf(stderr, "Try 'qemu-img --help' for more information\n");
    exit(1);
}

void img_refuse_object(void)
{
    error_report("--object: no image format of this build takes objects "
                 "(encrypted images are not supported)");
    exit(1);
}

static void print_version(void)
{
    printf("qemu-img version 7.2.0 (qemu-kvm %s)\n", PROJECT_VERSION);
}

static void add_format(const BlockDriver *drv, void *opaque)
{
    g_ptr_array_add(opaque, (void *)drv->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void img_help(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    print_version();
    printf("usage: qemu-img [standard options] command [command options]\n"
           "Works on disk images.\n\n"
           "    '-h', '--help'       this help\n"
           "    '-V', '--version'    the version\n\n"
           "Commands:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        printf("  %s %s\n", commands[i].name, commands[i].usage);
    }
    printf("\nParameters:\n"
           "  fmt          format of an image (guessed when absent)\n"
           "  cache        none, writeback, writethrough, directsync or unsafe "
           "(convert's\n"
           "               default; else writeback)\n"
           "  size         bytes, or with a suffix k, M, G, T, P or E (powers "
           "of 1024)\n"
           "  options      name=value,...; \"-o help\" lists a format's\n"
           "  ofmt         human or json\n"
           "  -p           shows progress; --progress=json one JSON object a "
           "line\n"
           "  -q           prints errors only\n"
           "  -U           opens images that others have locked, read-only\n"
           "  -c           compresses (qcow2)\n"
           "  -S size      runs of zeroes of that length become holes (4k; 0: "
           "none, and\n"
           "               the target is fully allocated)\n"
           "  -n           the target exists already\n"
           "  -m n, -W     n threads compress; the target may be written out "
           "of order\n"
           "  -C           lets the host copy ranges (raw images)\n"
           "  -u           unsafe: rebase changes only the name; create does "
           "not look at\n"
           "               the backing file\n"
           "  -r           check: repairs leaks, or all; convert, commit: "
           "bytes a second\n");
    printf("\nSupported formats:");
    block_driver_foreach(add_format, names);
    qsort(names->pdata, names->len, sizeof(gpointer), by_name);
    for (guint i = 0; i < names->len; i++) {
        printf(" %s", (char *)names->pdata[i]);
    }
    printf("\n");
    exit(0);
}

int img_getopt(int argc, char **argv, const char *letters,
               const struct option *longs)
{
    int c = getopt_long(argc, argv, letters, longs, NULL);

    switch (c) {
    case ':':
        img_die("missing argument for option '%s'", argv[optind - 1]);
    case '?':
        img_die("unrecognized option '%s'", argv[optind - 1]);
    case 'h':
        img_help();
    case OPT_OBJECT:
        img_refuse_object();
    }
    return c;
}

/* ---- images ---------------------------------------------------------------------- */

static BlockBackend *hold(BlockNode *n, unsigned flags, bool writethrough,
                          Error **errp)
{
    unsigned perm = BLK_PERM_CONSISTENT_READ, shared = BLK_PERM_ALL;
    BlockBackend *blk;
    bool ok;

    if (flags & BLK_O_RDWR) {
        perm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
    if (flags & BLK_O_NO_IO) {
        perm = 0;
    } else if (!(flags & BLK_O_FORCE_SHARE)) {
        shared &= ~(unsigned)BLK_PERM_RESIZE;
    }
    blk = blk_new("", perm, shared);
    ok = blk_insert_node(blk, n, errp);
    node_unref(n);
    if (!ok) {
        blk_unref(blk);
        return NULL;
    }
    blk_set_write_cache(blk, !writethrough);
    return blk;
}

BlockBackend *img_open_opts(const char *text, unsigned flags,
                            bool writethrough)
{
    Error *err = NULL;
    g_autoptr(QObject) flat = keyval_parse(text, "file", NULL, &err);
    g_autoptr(QObject) nested = NULL;
    BlockBackend *blk = NULL;
    BlockNode *n = NULL;

    if (flat && qdict_has(flat, "file")) { /* a name without a key */
        g_autofree char *name = g_strdup(qdict_get_str(flat, "file"));

        qdict_del(flat, "file");
        nested = keyval_crumple(flat, &err);
        if (nested) {
            n = node_open_filename(name, qobject_ref(nested), flags, &err);
        }
    } else if (flat) {
        nested = keyval_crumple(flat, &err);
        if (nested) {
            n = node_open(qobject_ref(nested), flags, &err);
        }
    }
    if (n) {
        blk = hold(n, flags, writethrough, &err);
    }
    if (!blk) {
        error_prepend(&err, "Could not open '%s': ", text);
        error_report_err(err);
    }
    return blk;
}

BlockBackend *img_open(bool image_opts, const char *filename, const char *fmt,
                       unsigned flags, bool writethrough)
{
    QObject *o;

    if (image_opts) {
        if (fmt) {
            error_report("--image-opts and --format are mutually exclusive");
            return NULL;
        }
        return img_open_opts(filename, flags, writethrough);
    }
    o = qdict_new();
    if (fmt) {
        qdict_put_str(o, "driver", fmt);
    }
    return img_open_with(filename, o, flags, writethrough);
}

BlockBackend *img_open_with(const char *filename, QObject *opts,
                            unsigned flags, bool writethrough)
{
    Error *err = NULL;
    BlockNode *n = node_open_filename(filename, opts, flags, &err);
    BlockBackend *blk = n ? hold(n, flags, writethrough, &err) : NULL;

    if (!blk) {
        error_prepend(&err, "Could not open '%s': ", filename);
        error_report_err(err);
    }
    return blk;
}

void img_no_format(const char *prefix, const char *fmt)
{
    error_report(block_driver_foreign(fmt)
                 ? "%sFile format '%s' is not supported by this build"
                 : "%sUnknown file format '%s'", prefix, fmt);
}

int img_close(BlockBackend *blk, const char *filename)
{
    int ret = 0;

    if (blk) {
        ret = blk_flush(blk);
        if (ret < 0) {
            error_report("%s: could not flush: %s", filename, strerror(-ret));
        }
        blk_unref(blk);
    }
    return ret < 0 ? -1 : 0;
}

void img_cache(const char *mode, const char *what, unsigned *flags,
               bool *writethrough)
{
    if (!block_cache_mode(mode, flags, writethrough)) {
        error_report("Invalid %s option: %s", what, mode);
        exit(1);
    }
}

/* ---- words ------------------------------------------------------------------------- */

int64_t img_size(const char *name, const char *text)
{
    uint64_t v;

    if (!parse_size(name, text, 1, &v, NULL) || v > INT64_MAX) {
        error_report("Invalid %s specified. You may use k, M, G, T, P or E "
                     "suffixes for", name);
        error_report("kilobytes, megabytes, gigabytes, terabytes, petabytes "
                     "and exabytes.");
        return -1;
    }
    return v;
}

bool img_output_json(const char *word)
{
    if (strcmp(word, "json") && strcmp(word, "human")) {
        error_report("--output must be used with human or json as argument.");
        exit(1);
    }
    return !strcmp(word, "json");
}

void img_join_options(char **all, const char *more)
{
    char *old = *all;

    *all = old ? g_strdup_printf("%s,%s", old, more) : g_strdup(more);
    g_free(old);
}

bool img_wants_help(const char *options)
{
    g_auto(GStrv) words = options ? g_strsplit(options, ",", -1) : NULL;

    for (int i = 0; words && words[i]; i++) {
        if (!strcmp(words[i], "help") || !strcmp(words[i], "?")) {
            return true;
        }
    }
    return false;
}

int img_option_help(const char *fmt, bool amend)
{
    static const char *const types[] = {
        [BLK_OPT_STR] = "str", [BLK_OPT_BOOL] = "bool (on/off)",
        [BLK_OPT_NUM] = "num", [BLK_OPT_SIZE] = "size",
    };
    const BlockDriver *drv = block_driver_find(fmt);

    if (!drv) {
        img_no_format("", fmt);
        return 1;
    }
    if (amend ? !drv->amend : !drv->create) {
        error_report("Format driver '%s' does not support %s", fmt,
                     amend ? "option amendment" : "image creation");
        return 1;
    }
    printf(amend ? "Amend options for '%s':\n" : "Supported %s options:\n",
           fmt);
    for (const BlockCreateOpt *o = drv->create_opts; o && o->name; o++) {
        g_autofree char *left = g_strdup_printf("%s=<%s>", o->name,
                                                types[o->type]);

        if (!amend || o->amend) {
            printf("  %-22s - %s\n", left, o->help);
        }
    }
    if (!amend) {
        printf("\nThe protocol level may support further options.\n"
               "Specify the target filename to include those options.\n");
    }
    return 0;
}

/* ---- progress --------------------------------------------------------------------- */

void img_progress(ImgProgress *p, uint64_t done, uint64_t total)
{
    double percent = total ? 100.0 * (double)done / (double)total : 100.0;

    if (!p->on || (percent - p->shown < 1 && percent < 100 && percent > 0)) {
        return;
    }
    p->shown = percent;
    if (p->json) {
        printf("{\"progress\": %.2f, \"done\": %" PRIu64 ", \"total\": %"
               PRIu64 "}\n", percent, done, total);
    } else {
        printf("    (%.2f/100%%)\r", percent);
    }
    fflush(stdout);
}

void img_progress_end(ImgProgress *p)
{
    if (p->on && !p->json) {
        printf("\n");
    }
}

size_t img_zero_run(const uint8_t *buf, size_t len, size_t unit, bool *zero)
{
    size_t run = MIN(unit, len);

    *zero = buffer_is_zero(buf, run);
    while (run < len &&
           buffer_is_zero(buf + run, MIN(unit, len - run)) == *zero) {
        run += MIN(unit, len - run);
    }
    return run;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' }, { "version", no_argument, 0, 'V' },
        { NULL }
    };
    const char *name;
    int c;

    error_set_progname(argv[0]);
    signal(SIGPIPE, SIG_IGN);
    while ((c = getopt_long(argc, argv, "+:hV", longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            module_call_init(MODULE_BLOCK);
            img_help();
        case 'V':
            print_version();
            return 0;
        default:
            img_die("unrecognized option '%s'", argv[optind - 1]);
        }
    }
    name = argv[optind];
    if (!name) {
        img_die("Not enough arguments");
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* getopt starts anew */
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].name, name)) {
            int ret;

            module_call_init(MODULE_BLOCK);
            ret = commands[i].run(argc, argv);
            if (fflush(stdout) != 0 && ret == 0) {
                error_report("could not write the output: %s",
                             strerror(errno));
                ret = 1;
            }
            return ret;
        }
    }
    img_die("Command not found: %s", name);
}
