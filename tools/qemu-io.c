/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-io: the program around the commands of io-cmds.c. */
#include "osdep.h"
#include <getopt.h>
#include <signal.h>
#include "tools/io.h"
#include "util/module.h"

static BlockBackend *image;
static bool quitting;

BlockBackend *io_image(void)
{
    return image;
}

/* ---- opening ------------------------------------------------------------------ */

static bool open_image(const char *name, QObject *opts, unsigned flags,
                       bool writethrough, bool snapshot, bool flat_opts)
{
    Error *err = NULL;
    g_autoptr(QObject) nested = NULL;
    BlockNode *n = NULL;
    unsigned perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE |
                    BLK_PERM_RESIZE;

    if (image) {
        error_report("file open already, try 'help close'");
        qobject_unref(opts);
        return false;
    }
    nested = keyval_crumple(opts, &err);
    qobject_unref(opts);
    if (nested) {
        unsigned f = snapshot ? flags & ~(unsigned)BLK_O_RDWR : flags;

        n = name ? node_open_filename(name, qobject_ref(nested), f, &err)
                 : node_open(qobject_ref(nested), f, &err);
    }
    if (n && snapshot) {
        BlockNode *top = block_temp_overlay(n, &err);

        node_unref(n);
        n = top;
    }
    if (n) {
        if (node_is_read_only(n)) {
            perm = BLK_PERM_CONSISTENT_READ;
        }
        image = blk_new("", perm, (flags & BLK_O_FORCE_SHARE)
                        ? BLK_PERM_ALL : BLK_PERM_ALL & ~BLK_PERM_RESIZE);
        if (!blk_insert_node(image, n, &err)) {
            blk_unref(image);
            image = NULL;
        } else {
            blk_set_write_cache(image, !writethrough);
        }
        node_unref(n);
    }
    if (!image) {
        error_prepend(&err, "can't open%s%s: ", name ? " device " : "",
                      name ? name : "");
        error_report_err(err);
    }
    return image != NULL;
}

int io_open(int argc, char **argv)
{
    unsigned flags = BLK_O_UNMAP;
    bool writethrough = true, read_only = false, snapshot = false;
    g_autofree char *text = NULL;
    QObject *opts = NULL;
    Error *err = NULL;
    int c, discard_set = 0;

    while ((c = getopt(argc, argv, "snCro:ki:t:d:U")) != -1) {
        switch (c) {
        case 's':
            snapshot = true;
            break;
        case 'n':
            flags |= BLK_O_DIRECT;
            writethrough = false;
            break;
        case 'C':
            flags |= BLK_O_COPY_ON_READ;
            break;
        case 'r':
            read_only = true;
            break;
        case 'k':
            io_join(&text, "file.aio=native");
            break;
        case 'i': {
            g_autofree char *s = g_strdup_printf("file.aio=%s", optarg);

            io_join(&text, s);
            break;
        }
        case 't':
            if (!block_cache_mode(optarg, &flags, &writethrough)) {
                error_report("Invalid cache option: %s", optarg);
                return -EINVAL;
            }
            break;
        case 'd':
            if (!strcmp(optarg, "ignore") || !strcmp(optarg, "off")) {
                flags &= ~(unsigned)BLK_O_UNMAP;
            } else if (strcmp(optarg, "unmap") && strcmp(optarg, "on")) {
                error_report("Invalid discard option: %s", optarg);
                return -EINVAL;
            }
            discard_set = 1;
            break;
        case 'o':
            io_join(&text, optarg);
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        default:
            io_usage("open");
            return -EINVAL;
        }
    }
    (void)discard_set;
    flags |= read_only ? 0 : BLK_O_RDWR;
    opts = text ? keyval_parse(text, NULL, NULL, &err) : qdict_new();
    if (!opts) {
        error_report_err(err);
        return -EINVAL;
    }
    if (optind == argc && qdict_size(opts) == 0) {
        qobject_unref(opts);
        io_usage("open");
        return -EINVAL;
    }
    if (optind < argc - 1) {
        qobject_unref(opts);
        io_usage("open");
        return -EINVAL;
    }
    return open_image(optind < argc ? argv[optind] : NULL, opts, flags,
                      writethrough, snapshot, true) ? 0 : -EINVAL;
}

int io_close(int argc, char **argv)
{
    int ret;

    bql_lock();
    blk_drain(image);
    bql_unlock();
    ret = blk_is_read_only(image) ? 0 : blk_flush(image);
    blk_unref(image);
    image = NULL;
    return ret;
}

int io_quit(int argc, char **argv)
{
    quitting = true;
    return 0;
}

/* ---- the program ----------------------------------------------------------------- */

static void usage(FILE *out)
{
    fprintf(out,
"Usage: qemu-io [OPTIONS]... [-c STRING]... [file]\n"
"Reads, writes and otherwise exercises a disk image.\n\n"
"      --image-opts     the file is given as options\n"
"  -c, --cmd STRING     runs a command; may be repeated\n"
"  -f, --format FMT     the image's format\n"
"  -r, --read-only      opens it read-only\n"
"  -s, --snapshot       writes go to a temporary file\n"
"  -n, --nocache        no host cache, as -t none\n"
"  -C, --copy-on-read   copies what is read from the backing file\n"
"  -m, --misalign       buffers that O_DIRECT does not take as they are\n"
"  -k, --native-aio     as -i native\n"
"  -i, --aio=MODE       threads, native or io_uring\n"
"  -t, --cache=MODE     cache mode\n"
"  -d, --discard=MODE   discard mode\n"
"  -U, --force-share    opens images that others have locked\n"
"  -h, --help           this help\n"
"  -V, --version        the version\n\n"
"'qemu-io -c help' lists the commands.\n");
}

static int interactive(void)
{
    char line[4096];
    int ret = 0;

    while (!quitting) {
        printf("qemu-io> ");
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin)) {
            break;
        }
        line[strcspn(line, "\n")] = 0;
        io_command(line);
    }
    return ret;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", no_argument, 0, 'h' }, { "version", no_argument, 0, 'V' },
        { "cmd", required_argument, 0, 'c' },
        { "format", required_argument, 0, 'f' },
        { "read-only", no_argument, 0, 'r' },
        { "snapshot", no_argument, 0, 's' },
        { "nocache", no_argument, 0, 'n' },
        { "copy-on-read", no_argument, 0, 'C' },
        { "misalign", no_argument, 0, 'm' },
        { "native-aio", no_argument, 0, 'k' },
        { "aio", required_argument, 0, 'i' },
        { "discard", required_argument, 0, 'd' },
        { "cache", required_argument, 0, 't' },
        { "force-share", no_argument, 0, 'U' },
        { "object", required_argument, 0, 256 },
        { "image-opts", no_argument, 0, 257 }, { NULL }
    };
    unsigned flags = BLK_O_UNMAP;
    bool read_only = false, writethrough = true, snapshot = false;
    bool image_opts = false;
    const char *format = NULL, *aio = NULL;
    g_autoptr(GPtrArray) cmds = g_ptr_array_new();
    Error *err = NULL;
    int c, ret = 0;

    signal(SIGPIPE, SIG_IGN);
    error_set_progname(argv[0]);
    module_call_init(MODULE_BLOCK);
    while ((c = getopt_long(argc, argv, "hVc:d:f:rsnCmki:t:T:U", longs,
                            NULL)) != -1) {
        switch (c) {
        case 's':
            snapshot = true;
            break;
        case 'n':
            flags |= BLK_O_DIRECT;
            writethrough = false;
            break;
        case 'C':
            flags |= BLK_O_COPY_ON_READ;
            break;
        case 'd':
            if (!strcmp(optarg, "ignore") || !strcmp(optarg, "off")) {
                flags &= ~(unsigned)BLK_O_UNMAP;
            } else if (strcmp(optarg, "unmap") && strcmp(optarg, "on")) {
                error_report("Invalid discard option: %s", optarg);
                return 1;
            }
            break;
        case 'f':
            format = optarg;
            break;
        case 'c':
            g_ptr_array_add(cmds, optarg);
            break;
        case 'r':
            read_only = true;
            break;
        case 'k':
            aio = "native";
            break;
        case 'm':
            io_misalign = true;
            break;
        case 'i':
            aio = optarg;
            break;
        case 't':
            if (!block_cache_mode(optarg, &flags, &writethrough)) {
                error_report("Invalid cache option: %s", optarg);
                return 1;
            }
            break;
        case 'U':
            flags |= BLK_O_FORCE_SHARE;
            break;
        case 256:
            error_report("--object: no image format of this build takes "
                         "objects (encrypted images are not supported)");
            return 1;
        case 257:
            image_opts = true;
            break;
        case 'V':
            printf("qemu-io version 7.2.0 (qemu-kvm %s)\n", PROJECT_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        case 'T':
            error_report("-T: this build has no trace back end for tools");
            return 1;
        default:
            usage(stderr);
            return 1;
        }
    }
    if (argc - optind > 1) {
        usage(stderr);
        return 1;
    }
    if (format && image_opts) {
        error_report("--image-opts and -f are mutually exclusive");
        return 1;
    }
    flags |= read_only ? 0 : BLK_O_RDWR;
    if (optind < argc) {
        QObject *o = image_opts ? keyval_parse(argv[optind], NULL, NULL, &err)
                                : qdict_new();

        if (!o) {
            error_report_err(err);
            return 1;
        }
        if (format) {
            qdict_put_str(o, "driver", format);
        }
        if (aio) {
            qdict_put_str(o, "file.aio", aio);
        }
        if (!open_image(image_opts ? NULL : argv[optind], o, flags,
                        writethrough, snapshot, image_opts)) {
            return 1;
        }
    }
    for (guint i = 0; i < cmds->len && !quitting; i++) {
        if (io_command(cmds->pdata[i]) < 0) {
            ret = 1;
        }
    }
    if (cmds->len == 0) {
        ret = interactive();
    }
    if (image && io_close(0, NULL) < 0) {
        error_report("could not flush the image");
        ret = 1;
    }
    return ret;
}
