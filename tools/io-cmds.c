/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-io: the commands. */
#include "osdep.h"
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include "tools/io.h"
#include "util/loop.h"
#include "util/thread.h"
#include "util/timer.h"

#define MAX_REQUEST 2147483136 /* what a request's length may be */
#define DEFAULT_PATTERN 0xcd

bool io_misalign;

/* ---- numbers and texts ------------------------------------------------------- */

void io_join(char **all, const char *more)
{
    char *old = *all;

    *all = old ? g_strdup_printf("%s,%s", old, more) : g_strdup(more);
    g_free(old);
}

static int64_t number(const char *text)
{
    uint64_t v;

    if (!parse_size("", text, 1, &v, NULL) || v > INT64_MAX) {
        if (g_ascii_isdigit(*text) && strspn(text, "0123456789") ==
            strlen(text)) {
            printf("Parsing error: argument too large -- %s\n", text);
        } else {
            printf("Parsing error: non-numeric argument, or extraneous/"
                   "unrecognized suffix -- %s\n", text);
        }
        return -EINVAL;
    }
    return v;
}

static int pattern_byte(const char *text)
{
    char *end;
    unsigned long v = strtoul(text, &end, 0);

    if (*end || end == text || v > 0xff) {
        printf("%s is not a valid pattern byte\n", text);
        return -1;
    }
    return v;
}

/* "64 KiB", "1.500 KiB"; fractions only where there are some. */
static void size_text(double v, char *buf, size_t len)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    size_t u = 0;
    const char *cut;
    char *at;

    while (u + 1 < ARRAY_SIZE(units) && v >= 1024) {
        v /= 1024;
        u++;
    }
    snprintf(buf, len, u ? "%.3f" : "%f", v);
    cut = u ? ".000" : ".000000";
    at = strstr(buf, cut);
    if (at) {
        *at = 0;
    }
    g_strlcat(buf, " ", len);
    g_strlcat(buf, units[u], len);
}

static void report(const char *op, int64_t ns, int64_t offset, int64_t count,
                   int64_t total, int ops, bool machine)
{
    double secs = MAX(ns, 1) / 1e9;
    unsigned h = ns / (3600 * NSEC_PER_SEC), m = ns / (60 * NSEC_PER_SEC) % 60;
    unsigned s = ns / NSEC_PER_SEC % 60, frac = ns / 10000000 % 100;
    char size[64], rate[64];

    if (machine) {
        printf("%" PRId64 ",%d,%u:%02u:%02u.%02u,%.3f,%.3f\n", total, ops, h,
               m, s, frac, total / secs, ops / secs);
        return;
    }
    size_text(total, size, sizeof(size));
    size_text(total / secs, rate, sizeof(rate));
    printf("%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64 "\n", op,
           total, count, offset);
    if (h || m) {
        printf("%s, %d ops; %u:%02u:%02u.%02u (%s/sec and %.4f ops/sec)\n",
               size, ops, h, m, s, frac, rate, ops / secs);
    } else {
        printf("%s, %d ops; %02u.%02u sec (%s/sec and %.4f ops/sec)\n", size,
               ops, s, frac, rate, ops / secs);
    }
}

static void dump(const uint8_t *buf, int64_t offset, int64_t len)
{
    for (int64_t i = 0; i < len; i += 16) {
        int64_t n = MIN(16, len - i);

        printf("%08" PRIx64 ":  ", offset + i);
        for (int64_t j = 0; j < n; j++) {
            printf("%02x ", buf[i + j]);
        }
        printf(" ");
        for (int64_t j = 0; j < n; j++) {
            printf("%c", isalnum(buf[i + j]) ? buf[i + j] : '.');
        }
        printf("\n");
    }
}

/* ---- requests -------------------------------------------------------------------- */

/* What the read and write commands have in common. */
typedef struct Request {
    bool machine, quiet, verbose, zeroes, unmap, fua, compressed, vmstate;
    bool no_fallback, invalid;
    int pattern;              /* -1: none given */
    const char *file;         /* -s: fills the buffer */
    int64_t check_from, check_len;
    bool has_from, has_len;
    int64_t offset, total;
    uint8_t *mem, *buf;
    struct iovec *iov;
    int niov;
    int64_t began;
    const char *name;
} Request;

static void request_free(Request *r)
{
    free(r->mem);
    g_free(r->iov);
}

/* Its vectors: one buffer cut at the lengths of argv. */
static int take_lengths(Request *r, int argc, char **argv)
{
    int64_t pos = 0;

    r->iov = g_new0(struct iovec, MAX(argc, 1));
    for (int i = 0; i < argc; i++) {
        int64_t len = number(argv[i]);

        if (len < 0) {
            return -EINVAL;
        }
        if (len > MAX_REQUEST) {
            printf("Argument '%s' exceeds maximum size %" PRId64 "\n", argv[i],
                   (int64_t)MAX_REQUEST);
            return -EINVAL;
        }
        if (r->total > MAX_REQUEST - len) {
            printf("The total number of bytes exceed the maximum size %"
                   PRId64 "\n", (int64_t)MAX_REQUEST);
            return -EINVAL;
        }
        r->iov[i].iov_len = len;
        r->total += len;
    }
    r->niov = argc;
    r->mem = node_buffer(blk_node(io_image()), r->total + 512);
    if (!r->mem) {
        printf("not enough memory\n");
        return -ENOMEM;
    }
    r->buf = r->mem + (io_misalign ? 16 : 0);
    for (int i = 0; i < argc; i++) {
        r->iov[i].iov_base = r->buf + pos;
        pos += r->iov[i].iov_len;
    }
    return 0;
}

static int fill_from_file(Request *r)
{
    FILE *f = fopen(r->file, "r");
    size_t got;

    if (!f) {
        printf("%s: %s\n", r->file, strerror(errno));
        return -EINVAL;
    }
    got = fread(r->buf, 1, r->total, f);
    fclose(f);
    if (got == 0) {
        printf("%s: file is empty or unreadable\n", r->file);
        return -EINVAL;
    }
    for (size_t i = got; i < (size_t)r->total; i++) { /* again and again */
        r->buf[i] = r->buf[i - got];
    }
    return 0;
}

static void verify(Request *r, int *ret)
{
    int64_t from = r->has_from ? r->check_from : 0;
    int64_t len = r->has_len ? r->check_len : r->total - from;

    for (int64_t i = from; i < from + len; i++) {
        if (r->buf[i] != r->pattern) {
            printf("Pattern verification failed at offset %" PRId64 ", %"
                   PRId64 " bytes\n", r->offset + from, len);
            *ret = -EINVAL;
            return;
        }
    }
}

static int do_vmstate(Request *r, bool write)
{
    BlockNode *n = blk_node(io_image());
    BlockVec v = block_vec(r->iov, r->niov);

    if (write ? !n->drv->save_vmstate : !n->drv->load_vmstate) {
        return -ENOTSUP;
    }
    return write ? n->drv->save_vmstate(n, r->offset, r->total, v)
                 : n->drv->load_vmstate(n, r->offset, r->total, v);
}

/* ---- read, readv ----------------------------------------------------------------- */

static int do_read(int argc, char **argv, bool vectored)
{
    Request r = { .pattern = -1 };
    int64_t began;
    int c, ret = -EINVAL;

    while ((c = getopt(argc, argv, vectored ? "CP:qv" : "abCl:pP:qs:v")) !=
           -1) {
        switch (c) {
        case 'a':
        case 'p':
            break; /* were something in old versions */
        case 'b':
            r.vmstate = true;
            break;
        case 'C':
            r.machine = true;
            break;
        case 'l':
            r.has_len = true;
            r.check_len = number(optarg);
            if (r.check_len < 0) {
                return -EINVAL;
            }
            break;
        case 'P':
            r.pattern = pattern_byte(optarg);
            if (r.pattern < 0) {
                return -EINVAL;
            }
            break;
        case 'q':
            r.quiet = true;
            break;
        case 's':
            r.has_from = true;
            r.check_from = number(optarg);
            if (r.check_from < 0) {
                return -EINVAL;
            }
            break;
        case 'v':
            r.verbose = true;
            break;
        default:
            io_usage(argv[0]);
            return -EINVAL;
        }
    }
    if (vectored ? argc - optind < 2 : argc - optind != 2) {
        io_usage(argv[0]);
        return -EINVAL;
    }
    r.offset = number(argv[optind++]);
    if (r.offset < 0) {
        return -EINVAL;
    }
    if (!vectored) {
        int64_t len = number(argv[optind]);

        if (len > MAX_REQUEST) {
            printf("length cannot exceed %" PRId64 ", given %s\n",
                   (int64_t)MAX_REQUEST, argv[optind]);
            return -EINVAL;
        }
    }
    if (r.pattern < 0 && (r.has_from || r.has_len)) {
        io_usage(argv[0]);
        return -EINVAL;
    }
    if (take_lengths(&r, argc - optind, argv + optind) < 0) {
        goto out;
    }
    if (r.check_from > r.total || (r.has_len &&
        r.check_len > r.total - r.check_from)) {
        printf("pattern verification range exceeds end of read data\n");
        goto out;
    }
    if (r.vmstate && ((r.offset | r.total) & (BLK_SECTOR - 1))) {
        printf("%s %" PRId64 " is not a sector-aligned value for '%s'\n",
               r.offset & (BLK_SECTOR - 1) ? "offset" : "bytes",
               r.offset & (BLK_SECTOR - 1) ? r.offset : r.total,
               r.offset & (BLK_SECTOR - 1) ? "offset" : "bytes");
        goto out;
    }
    memset(r.buf, r.pattern < 0 ? 0xab : r.pattern ^ 0xff, r.total);
    began = clock_ns(CLOCK_REALTIME_NS);
    ret = r.vmstate ? do_vmstate(&r, false)
                    : blk_preadv(io_image(), r.offset, r.iov, r.niov);
    began = clock_ns(CLOCK_REALTIME_NS) - began;
    if (ret < 0) {
        printf("%s failed: %s\n", argv[0], strerror(-ret));
        goto out;
    }
    if (r.pattern >= 0) {
        verify(&r, &ret);
    }
    if (!r.quiet) {
        if (r.verbose) {
            dump(r.buf, r.offset, r.total);
        }
        report("read", began, r.offset, r.total, r.total, 1, r.machine);
    }
out:
    request_free(&r);
    return ret;
}

static int cmd_read(int argc, char **argv)
{
    return do_read(argc, argv, false);
}

static int cmd_readv(int argc, char **argv)
{
    return do_read(argc, argv, true);
}

/* ---- write, writev --------------------------------------------------------------- */

static int take_write_options(Request *r, int argc, char **argv,
                              const char *letters)
{
    int c;

    while ((c = getopt(argc, argv, letters)) != -1) {
        switch (c) {
        case 'p':
            break;
        case 'b':
            r->vmstate = true;
            break;
        case 'c':
            r->compressed = true;
            break;
        case 'C':
            r->machine = true;
            break;
        case 'f':
            r->fua = true;
            break;
        case 'i':
            r->invalid = true;
            break;
        case 'n':
            r->no_fallback = true;
            break;
        case 'P':
            r->pattern = pattern_byte(optarg);
            if (r->pattern < 0) {
                return -EINVAL;
            }
            break;
        case 'q':
            r->quiet = true;
            break;
        case 's':
            r->file = optarg;
            break;
        case 'u':
            r->unmap = true;
            break;
        case 'v':
            r->verbose = true;
            break;
        case 'z':
            r->zeroes = true;
            break;
        default:
            io_usage(argv[0]);
            return -EINVAL;
        }
    }
    return 0;
}

static bool write_options_ok(const Request *r)
{
    if (r->vmstate && r->zeroes) {
        printf("-b and -z cannot be specified at the same time\n");
    } else if (r->no_fallback && !r->zeroes) {
        printf("-n requires -z to be specified\n");
    } else if (r->fua && (r->vmstate || r->compressed)) {
        printf("-f and -b or -c cannot be specified at the same time\n");
    } else if (r->unmap && !r->zeroes) {
        printf("-u requires -z to be specified\n");
    } else if ((r->zeroes ? 1 : 0) + (r->pattern >= 0) + (r->file ? 1 : 0) >
               1) {
        printf("Only one of -z, -P, and -s can be specified at the same "
               "time\n");
    } else {
        return true;
    }
    return false;
}

static unsigned request_flags(const Request *r)
{
    return (r->fua ? BLK_REQ_FUA : 0) | (r->unmap ? BLK_REQ_MAY_UNMAP : 0) |
           (r->no_fallback ? BLK_REQ_NO_FALLBACK : 0) |
           (r->compressed ? BLK_REQ_COMPRESSED : 0);
}

static int do_write(int argc, char **argv, bool vectored)
{
    Request r = { .pattern = -1 };
    int64_t began, len = 0;
    int ret = take_write_options(&r, argc, argv,
                                 vectored ? "CfqP:" : "bcCfnpP:qs:uz");

    if (ret < 0) {
        return ret;
    }
    if (vectored ? argc - optind < 2 : argc - optind != 2) {
        io_usage(argv[0]);
        return -EINVAL;
    }
    if (!write_options_ok(&r)) {
        return -EINVAL;
    }
    r.offset = number(argv[optind++]);
    if (r.offset < 0) {
        return -EINVAL;
    }
    if (!vectored) {
        len = number(argv[optind]);
        if (len < 0) {
            return -EINVAL;
        }
        if (len > MAX_REQUEST && !r.no_fallback) {
            printf("length cannot exceed %" PRId64 " without -n, given %s\n",
                   (int64_t)MAX_REQUEST, argv[optind]);
            return -EINVAL;
        }
    }
    if (r.zeroes) {
        r.total = len;
        began = clock_ns(CLOCK_REALTIME_NS);
        ret = blk_pwrite_zeroes(io_image(), r.offset, len, request_flags(&r));
    } else {
        ret = take_lengths(&r, argc - optind, argv + optind);
        if (ret < 0) {
            goto out;
        }
        memset(r.buf, r.pattern < 0 ? DEFAULT_PATTERN : r.pattern, r.total);
        if (r.file) {
            ret = fill_from_file(&r);
            if (ret < 0) {
                goto out;
            }
        }
        began = clock_ns(CLOCK_REALTIME_NS);
        ret = r.vmstate ? do_vmstate(&r, true)
                        : blk_pwritev(io_image(), r.offset, r.iov, r.niov,
                                      request_flags(&r));
    }
    began = clock_ns(CLOCK_REALTIME_NS) - began;
    if (ret < 0) {
        printf("%s failed: %s\n", argv[0], strerror(-ret));
    } else if (!r.quiet) {
        report("wrote", began, r.offset, r.total, r.total, 1, r.machine);
    }
out:
    request_free(&r);
    return ret;
}

static int cmd_write(int argc, char **argv)
{
    return do_write(argc, argv, false);
}

static int cmd_writev(int argc, char **argv)
{
    return do_write(argc, argv, true);
}

/* ---- aio ------------------------------------------------------------------------- */

static void aio_end(Request *r)
{
    request_free(r);
    g_free(r);
}

static void aio_write_done(void *opaque, int ret)
{
    Request *r = opaque;
    int64_t ns = clock_ns(CLOCK_REALTIME_NS) - r->began;

    if (ret < 0) {
        printf("aio_write failed: %s\n", strerror(-ret));
    } else if (!r->quiet) {
        report("wrote", ns, r->offset, r->total, r->total, 1, r->machine);
    }
    aio_end(r);
}

static void aio_read_done(void *opaque, int ret)
{
    Request *r = opaque;
    int64_t ns = clock_ns(CLOCK_REALTIME_NS) - r->began;

    if (ret < 0) {
        printf("readv failed: %s\n", strerror(-ret));
        aio_end(r);
        return;
    }
    if (r->pattern >= 0) {
        verify(r, &ret);
    }
    if (!r->quiet) {
        if (r->verbose) {
            dump(r->buf, r->offset, r->total);
        }
        report("read", ns, r->offset, r->total, r->total, 1, r->machine);
    }
    aio_end(r);
}

static int do_aio(int argc, char **argv, bool write)
{
    Request *r = g_new0(Request, 1);
    int ret;

    r->pattern = -1;
    ret = take_write_options(r, argc, argv, write ? "CfiP:quz" : "CP:iqv");
    if (ret < 0) {
        goto fail;
    }
    ret = -EINVAL;
    if (argc - optind < 2) {
        io_usage(argv[0]);
        goto fail;
    }
    if (r->zeroes && argc - optind != 2) {
        printf("-z supports only a single length parameter\n");
        goto fail;
    }
    if (r->unmap && !r->zeroes) {
        printf("-u requires -z to be specified\n");
        goto fail;
    }
    if (r->zeroes && r->pattern >= 0) {
        printf("-z and -P cannot be specified at the same time\n");
        goto fail;
    }
    r->offset = number(argv[optind++]);
    if (r->offset < 0) {
        goto fail;
    }
    if (r->invalid) {
        printf("-i: this build does not count invalid requests here\n");
        goto fail;
    }
    r->began = clock_ns(CLOCK_REALTIME_NS);
    if (r->zeroes) {
        r->total = number(argv[optind]);
        if (r->total < 0) {
            goto fail;
        }
        blk_aio_pwrite_zeroes(io_image(), r->offset, r->total,
                              request_flags(r), aio_write_done, r);
        return 0;
    }
    if (take_lengths(r, argc - optind, argv + optind) < 0) {
        goto fail;
    }
    if (write) {
        memset(r->buf, r->pattern < 0 ? DEFAULT_PATTERN : r->pattern,
               r->total);
        blk_aio_pwritev(io_image(), r->offset, r->iov, r->niov,
                        request_flags(r), aio_write_done, r);
    } else {
        memset(r->buf, 0xab, r->total);
        blk_aio_preadv(io_image(), r->offset, r->iov, r->niov, 0,
                       aio_read_done, r);
    }
    return 0;
fail:
    aio_end(r);
    return ret;
}

static int cmd_aio_read(int argc, char **argv)
{
    return do_aio(argc, argv, false);
}

static int cmd_aio_write(int argc, char **argv)
{
    return do_aio(argc, argv, true);
}

static int cmd_aio_flush(int argc, char **argv)
{
    bql_lock();
    blk_drain(io_image());
    bql_unlock();
    return 0;
}

/* ---- the others ------------------------------------------------------------------ */

static int cmd_flush(int argc, char **argv)
{
    int ret = blk_flush(io_image());

    if (ret < 0) {
        printf("flush failed: %s\n", strerror(-ret));
    }
    return ret;
}

static int cmd_discard(int argc, char **argv)
{
    bool machine = false, quiet = false;
    int64_t offset, bytes, began;
    int c, ret;

    while ((c = getopt(argc, argv, "Cq")) != -1) {
        switch (c) {
        case 'C':
            machine = true;
            break;
        case 'q':
            quiet = true;
            break;
        default:
            io_usage("discard");
            return -EINVAL;
        }
    }
    if (argc - optind != 2) {
        io_usage("discard");
        return -EINVAL;
    }
    offset = number(argv[optind]);
    bytes = offset < 0 ? offset : number(argv[optind + 1]);
    if (bytes < 0) {
        return -EINVAL;
    }
    began = clock_ns(CLOCK_REALTIME_NS);
    ret = blk_pdiscard(io_image(), offset, bytes);
    began = clock_ns(CLOCK_REALTIME_NS) - began;
    if (ret < 0) {
        printf("discard failed: %s\n", strerror(-ret));
    } else if (!quiet) {
        report("discard", began, offset, bytes, bytes, 1, machine);
    }
    return ret;
}

static int cmd_alloc(int argc, char **argv)
{
    BlockNode *n = blk_node(io_image());
    int64_t offset = number(argv[1]), count = BLK_SECTOR;
    uint64_t sum = 0, pnum;
    char text[64];

    if (offset < 0) {
        return -EINVAL;
    }
    if (argc == 3) {
        count = number(argv[2]);
        if (count < 0) {
            return -EINVAL;
        }
    }
    for (int64_t at = 0; at < count; at += pnum) {
        uint64_t map;
        int st = node_block_status(n, false, offset + at, count - at, &pnum,
                                   &map, NULL);

        if (st < 0) {
            printf("is_allocated failed: %s\n", strerror(-st));
            return st;
        }
        sum += st & BLK_ST_ALLOCATED ? pnum : 0;
        if (pnum == 0) {
            break;
        }
    }
    size_text(offset, text, sizeof(text));
    printf("%" PRIu64 "/%" PRId64 " bytes allocated at offset %s\n", sum,
           count, text);
    return 0;
}

static int cmd_map(int argc, char **argv)
{
    BlockNode *n = blk_node(io_image());
    uint64_t total = n->length;

    if (total == 0) {
        printf("Image is empty\n");
    }
    for (uint64_t at = 0, len; at < total; at += len) {
        char size[64], where[64];
        uint64_t map, pnum;
        int st = node_block_status(n, false, at, total - at, &len, &map, NULL);
        bool allocated = st & BLK_ST_ALLOCATED;

        while (st >= 0 && at + len < total) {
            st = node_block_status(n, false, at + len, total - at - len, &pnum,
                                   &map, NULL);
            if (st < 0 || !!(st & BLK_ST_ALLOCATED) != allocated) {
                break;
            }
            len += pnum;
        }
        if (st < 0) {
            printf("Failed to get allocation status: %s\n", strerror(-st));
            return st;
        }
        size_text(len, size, sizeof(size));
        size_text(at, where, sizeof(where));
        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64
               ")\n", size, len, allocated ? "   " : "not", where, at);
    }
    return 0;
}

static int cmd_length(int argc, char **argv)
{
    int64_t len = blk_length(io_image());
    char text[64];

    if (len < 0) {
        printf("getlength: %s\n", strerror(-len));
        return len;
    }
    size_text(len, text, sizeof(text));
    printf("%s\n", text);
    return 0;
}

static int cmd_truncate(int argc, char **argv)
{
    const char *prealloc = "off";
    Error *err = NULL;
    int64_t size;
    int c;

    while ((c = getopt(argc, argv, "m:")) != -1) {
        if (c != 'm') {
            io_usage("truncate");
            return -EINVAL;
        }
        prealloc = optarg;
    }
    if (argc - optind != 1) {
        io_usage("truncate");
        return -EINVAL;
    }
    size = number(argv[optind]);
    if (size < 0) {
        return size;
    }
    if (!blk_truncate(io_image(), size, false, prealloc, &err)) {
        error_report_err(err);
        return -EIO;
    }
    return 0;
}

static void print_value(const QObject *v, int indent)
{
    for (size_t i = 0; i < qdict_size(v); i++) {
        g_autofree char *key = g_strdelimit(g_strdup(qdict_key_at(v, i)), "-",
                                            ' ');
        const QObject *one = qdict_value_at(v, i);
        int64_t num;

        if (qobject_type(one) == QTYPE_LIST) {
            printf("%*s%s:\n", indent, "", key);
            for (size_t k = 0; k < qlist_size(one); k++) {
                printf("%*s[%zu]:\n", indent + 4, "", k);
                if (qobject_type(qlist_at(one, k)) == QTYPE_DICT) {
                    print_value(qlist_at(one, k), indent + 8);
                }
            }
        } else if (qobject_type(one) == QTYPE_STRING) {
            printf("%*s%s: %s\n", indent, "", key, qstring_get(one));
        } else if (qobject_type(one) == QTYPE_BOOL) {
            printf("%*s%s: %s\n", indent, "", key,
                   qbool_get(one) ? "true" : "false");
        } else if (qint_try_i64(one, &num)) {
            printf("%*s%s: %" PRId64 "\n", indent, "", key, num);
        }
    }
}

static int cmd_info(int argc, char **argv)
{
    BlockNode *n = blk_node(io_image());
    g_autoptr(QObject) spec = n->drv->specific_info ? n->drv->specific_info(n)
                                                    : NULL;
    char cluster[64], vmstate[64];

    size_text(n->drv->cluster_size ? n->drv->cluster_size(n) : 0, cluster,
              sizeof(cluster));
    size_text(n->drv->vmstate_offset ? n->drv->vmstate_offset(n) : 0, vmstate,
              sizeof(vmstate));
    printf("format name: %s\ncluster size: %s\nvm state offset: %s\n",
           n->drv->name, cluster, vmstate);
    if (spec) {
        printf("Format specific information:\n");
        print_value(qdict_get(spec, "data"), 4);
    }
    return 0;
}

static int cmd_reopen(int argc, char **argv)
{
    BlockNode *n = blk_node(io_image());
    unsigned flags = n->flags;
    bool writethrough = !blk_write_cache(io_image()), ro_set = false;
    g_autofree char *text = NULL;
    g_autoptr(QObject) opts = NULL;
    Error *err = NULL;
    bool ok;
    int c;

    while ((c = getopt(argc, argv, "c:o:rw")) != -1) {
        switch (c) {
        case 'c':
            if (!block_cache_mode(optarg, &flags, &writethrough)) {
                error_report("Invalid cache option: %s", optarg);
                return -EINVAL;
            }
            break;
        case 'o':
            io_join(&text, optarg);
            break;
        case 'r':
        case 'w':
            if (ro_set) {
                error_report("Only one -r/-w option may be given");
                return -EINVAL;
            }
            ro_set = true;
            flags = c == 'w' ? flags | BLK_O_RDWR
                             : flags & ~(unsigned)BLK_O_RDWR;
            break;
        default:
            io_usage("reopen");
            return -EINVAL;
        }
    }
    if (optind != argc) {
        io_usage("reopen");
        return -EINVAL;
    }
    if (text) {
        g_autoptr(QObject) flat = keyval_parse(text, NULL, NULL, &err);

        opts = flat ? keyval_crumple(flat, &err) : NULL;
        if (!opts) {
            error_report_err(err);
            return -EINVAL;
        }
    }
    if ((n->flags & BLK_O_RDWR) && !(flags & BLK_O_RDWR)) {
        blk_flush(io_image());
        blk_set_perm(io_image(), BLK_PERM_CONSISTENT_READ,
                     BLK_PERM_ALL & ~BLK_PERM_RESIZE, NULL);
    }
    ok = node_reopen(n, flags, opts, &err);
    if (ok && (flags & BLK_O_RDWR)) {
        ok = blk_set_perm(io_image(), BLK_PERM_CONSISTENT_READ |
                          BLK_PERM_WRITE | BLK_PERM_RESIZE,
                          BLK_PERM_ALL & ~BLK_PERM_RESIZE, &err);
    }
    if (!ok) {
        error_report_err(err);
        return -EINVAL;
    }
    blk_set_write_cache(io_image(), !writethrough);
    return 0;
}

static int cmd_sleep(int argc, char **argv)
{
    char *end;
    long ms = strtol(argv[1], &end, 0);

    if (*end || end == argv[1] || ms < 0) {
        printf("%s is not a valid number\n", argv[1]);
        return -EINVAL;
    }
    g_usleep((gulong)ms * 1000);
    return 0;
}

static int cmd_abort(int argc, char **argv)
{
    abort();
}

static int cmd_sigraise(int argc, char **argv)
{
    char *end;
    long sig = strtol(argv[1], &end, 0);

    if (*end || end == argv[1] || sig < 0 || sig > 64) {
        printf("signal argument '%s' is too large to be a valid signal\n",
               argv[1]);
        return -EINVAL;
    }
    fflush(stdout);
    raise(sig);
    return 0;
}

/* ---- breakpoints of blkdebug -------------------------------------------------------- */

/* The node below that has them, or NULL. */
static BlockNode *debug_node(void)
{
    BlockNode *n = blk_node(io_image());

    while (n && !n->drv->debug_break) {
        n = n->file ? n->file->node : NULL;
    }
    return n;
}

static int failed(int ret, const char *what)
{
    if (ret < 0) {
        printf("%s: %s\n", what, strerror(-ret));
    }
    return ret;
}

static int cmd_break(int argc, char **argv)
{
    BlockNode *n = debug_node();

    return failed(n ? n->drv->debug_break(n, argv[1], argv[2]) : -ENOTSUP,
                  "Could not set breakpoint");
}

static int cmd_remove_break(int argc, char **argv)
{
    BlockNode *n = debug_node();

    return failed(n ? n->drv->debug_resume(n, argv[1], true) : -ENOTSUP,
                  "Could not remove breakpoint");
}

static int cmd_resume(int argc, char **argv)
{
    BlockNode *n = debug_node();

    return failed(n ? n->drv->debug_resume(n, argv[1], false) : -ENOTSUP,
                  "Could not resume request");
}

static int cmd_wait_break(int argc, char **argv)
{
    BlockNode *n = debug_node();

    if (!n) {
        return failed(-ENOTSUP, "Could not wait for a suspended request");
    }
    while (!n->drv->debug_held(n, argv[1])) {
        g_usleep(500); /* its worker gets there */
    }
    return 0;
}

/* ---- the table ----------------------------------------------------------------------- */

static int cmd_help(int argc, char **argv);

#define READ_HELP \
    " -C, -- report statistics in a machine parsable format\n" \
    " -P, -- use a pattern to verify read data\n" \
    " -q, -- quiet mode, do not show I/O statistics\n" \
    " -v, -- dump buffer to standard output\n"
#define WRITE_HELP \
    " -C, -- report statistics in a machine parsable format\n" \
    " -f, -- use Force Unit Access semantics\n" \
    " -P, -- use different pattern to fill file\n" \
    " -q, -- quiet mode, do not show I/O statistics\n"

static const IoCommand commands[] = {
    { "abort", NULL, cmd_abort, 0, 0, false, NULL,
      "simulate a program crash using abort(3)", NULL },
    { "aio_flush", NULL, cmd_aio_flush, 0, 0, true, NULL,
      "completes all outstanding aio requests", NULL },
    { "aio_read", NULL, cmd_aio_read, 2, -1, true,
      "[-Ciqv] [-P pattern] off len [len..]",
      "asynchronously reads a number of bytes",
      " Ends when it ends; aio_flush waits for it.\n" READ_HELP },
    { "aio_write", NULL, cmd_aio_write, 2, -1, true,
      "[-Cfiquz] [-P pattern] off len [len..]",
      "asynchronously writes a number of bytes",
      " Ends when it ends; aio_flush waits for it.\n" WRITE_HELP
      " -u, -- with -z, allow unmapping\n -z, -- write zeroes\n" },
    { "alloc", "s", cmd_alloc, 1, 2, true, "offset [count]",
      "checks if offset is allocated in the file", NULL },
    { "break", NULL, cmd_break, 2, 2, true, "event tag",
      "sets a breakpoint on event and tags the stopped request as tag", NULL },
    { "close", "c", io_close, 0, 0, true, NULL,
      "close the current open file", NULL },
    { "discard", "d", cmd_discard, 2, -1, true, "[-Cq] off len",
      "discards a number of bytes at a specified offset",
      " -C, -- report statistics in a machine parsable format\n"
      " -q, -- quiet mode, do not show I/O statistics\n" },
    { "flush", "f", cmd_flush, 0, 0, true, NULL,
      "flush all in-core file state to disk", NULL },
    { "help", "?", cmd_help, 0, 1, false, "[command]",
      "help for one or all commands", NULL },
    { "info", "i", cmd_info, 0, 0, true, NULL,
      "prints information about the current file", NULL },
    { "length", "l", cmd_length, 0, 0, true, NULL,
      "gets the length of the current file", NULL },
    { "map", NULL, cmd_map, 0, 0, true, "",
      "prints the allocated areas of a file", NULL },
    { "open", "o", io_open, 1, -1, false,
      "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
      "open the file specified by path", NULL },
    { "quit", "q", io_quit, 0, 0, false, NULL, "exit the program", NULL },
    { "read", "r", cmd_read, 2, -1, true,
      "[-abCqv] [-P pattern [-s off] [-l len]] off len",
      "reads a number of bytes at a specified offset",
      " -b, -- read from the VM state rather than the virtual disk\n" READ_HELP
      " -l, -- length for pattern verification (only with -P)\n"
      " -s, -- start offset for pattern verification (only with -P)\n" },
    { "readv", "rv", cmd_readv, 2, -1, true,
      "[-Cqv] [-P pattern] off len [len..]",
      "reads a number of bytes at a specified offset",
      " One buffer for each length.\n" READ_HELP },
    { "remove_break", NULL, cmd_remove_break, 1, 1, true, "tag",
      "remove a breakpoint by tag", NULL },
    { "reopen", NULL, cmd_reopen, 0, -1, true,
      "[(-r|-w)] [-c cache] [-o options]",
      "reopens an image with new options",
      " -r, -- Reopen the image read-only\n"
      " -w, -- Reopen the image read-write\n"
      " -c, -- Change the cache mode to the given value\n"
      " -o, -- Changes block driver options (cf. 'open' command)\n" },
    { "resume", NULL, cmd_resume, 1, 1, true, "tag",
      "resumes the request tagged as tag", NULL },
    { "sigraise", NULL, cmd_sigraise, 1, 1, false, "signal",
      "raises a signal", NULL },
    { "sleep", NULL, cmd_sleep, 1, 1, false, NULL,
      "waits for the given value in milliseconds", NULL },
    { "truncate", "t", cmd_truncate, 1, 3, true, "[-m prealloc_mode] off",
      "truncates the current file at the given offset", NULL },
    { "wait_break", NULL, cmd_wait_break, 1, 1, true, "tag",
      "waits for the suspension of a request", NULL },
    { "write", "w", cmd_write, 2, -1, true,
      "[-bcCfnquz] [-P pattern | -s source_file] off len",
      "writes a number of bytes at a specified offset",
      " -b, -- write to the VM state rather than the virtual disk\n"
      " -c, -- write compressed data\n" WRITE_HELP
      " -n, -- with -z, don't allow slow fallback\n"
      " -s, -- use a pattern file to fill the write buffer\n"
      " -u, -- with -z, allow unmapping\n -z, -- write zeroes\n" },
    { "writev", "wv", cmd_writev, 2, -1, true,
      "[-Cfq] [-P pattern] off len [len..]",
      "writes a number of bytes at a specified offset",
      " One buffer for each length.\n" WRITE_HELP },
};

static bool writes(const IoCommand *c)
{
    return c->run == cmd_write || c->run == cmd_writev ||
           c->run == cmd_aio_write || c->run == cmd_discard ||
           c->run == cmd_truncate;
}

static const IoCommand *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].name, name) ||
            (commands[i].alt && !strcmp(commands[i].alt, name))) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_oneline(const IoCommand *c)
{
    printf("%s ", c->name);
    if (c->args) {
        printf("%s ", c->args);
    }
    printf("-- %s\n", c->oneline);
}

void io_usage(const char *name)
{
    const IoCommand *c = find(name);

    if (c) {
        print_oneline(c);
    }
}

static int cmd_help(int argc, char **argv)
{
    const IoCommand *c;

    if (argc == 1) {
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
            print_oneline(&commands[i]);
        }
        printf("\nUse 'help commandname' for extended help.\n");
        return 0;
    }
    c = find(argv[1]);
    if (!c) {
        printf("command %s not found\n", argv[1]);
        return -EINVAL;
    }
    print_oneline(c);
    if (c->help) {
        printf("\n%s\n", c->help);
    }
    return 0;
}

int io_command(const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " ", -1);
    g_autofree char **argv = NULL;
    const IoCommand *c;
    int argc = 0, ret = 0;

    argv = g_new0(char *, g_strv_length(words) + 1);
    for (int i = 0; words[i]; i++) {
        if (*words[i]) {
            argv[argc++] = words[i];
        }
    }
    if (argc == 0) {
        return 0;
    }
    c = find(argv[0]);
    if (!c) {
        printf("command \"%s\" not found\n", argv[0]);
        ret = -EINVAL;
    } else if (c->needs_image && !io_image()) {
        error_report("no file open, try 'help open'");
        ret = -EINVAL;
    } else if (argc - 1 < c->min || (c->max >= 0 && argc - 1 > c->max)) {
        if (c->max == -1) {
            printf("bad argument count %d to %s, expected at least %d "
                   "arguments\n", argc - 1, argv[0], c->min);
        } else if (c->min == c->max) {
            printf("bad argument count %d to %s, expected %d arguments\n",
                   argc - 1, argv[0], c->min);
        } else {
            printf("bad argument count %d to %s, expected between %d and %d "
                   "arguments\n", argc - 1, argv[0], c->min, c->max);
        }
        ret = -EINVAL;
    } else if (writes(c) && !blk_is_writable(io_image())) {
        error_report("Block node is read-only");
        ret = -EINVAL;
    } else {
        optind = 0;
        ret = c->run(argc, argv);
    }
    fflush(stdout);
    return ret;
}
