/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile qcow2 images, N of them (first argument; "s" behind it: seconds),
 * from a seed (second).  Real images of all kinds live in memory; bytes and
 * whole fields of header, tables, refcounts, snapshots, bitmaps and names are
 * changed; then the image is opened, read, written, checked, repaired, given
 * snapshots, other sizes and options.  Any answer will do but a crash, a hang
 * (an alarm) or an allocation of a gigabyte.
 */
#include "osdep.h"
#include <signal.h>
#include <sys/resource.h>
#include "block/direct.h"
#include "util/module.h"
#include "util/option.h"

#define FILE_MAX (6 * MiB)
#define SEEDS    8

typedef struct Mem {
    uint8_t *data;
    uint64_t length;
} Mem;

static Mem image;
static GRand *rng;
static unsigned long opened, refused;

/* ---- an image in memory ---------------------------------------------------------- */

static bool mem_open(BlockNode *n, QObject *opts, Error **errp)
{
    qdict_del(opts, "filename");
    n->length = image.length;
    g_free(n->filename);
    n->filename = g_strdup("mem:");
    g_free(n->exact_filename);
    n->exact_filename = g_strdup("/nonexistent/dir/image");
    return true;
}

static int mem_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    uint64_t have = offset < FILE_MAX ? MIN(bytes, FILE_MAX - offset) : 0;

    block_vec_from_buf(v, image.data + MIN(offset, FILE_MAX), have);
    if (have < bytes) {
        block_vec_zero(block_vec_at(v, have), bytes - have);
    }
    return 0;
}

static int mem_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v, unsigned flags)
{
    if (offset > FILE_MAX || bytes > FILE_MAX - offset) {
        return -ENOSPC;
    }
    block_vec_to_buf(v, image.data + offset, bytes);
    image.length = MAX(image.length, offset + bytes);
    return 0;
}

static int mem_rw_nowait(BlockNode *n, uint64_t offset, uint64_t bytes,
                         BlockVec v, bool write)
{
    return write ? mem_pwritev(n, offset, bytes, v, 0)
                 : mem_preadv(n, offset, bytes, v);
}

static int mem_flush(BlockNode *n)
{
    return 0;
}

static bool mem_truncate(BlockNode *n, uint64_t bytes, bool exact,
                         const char *prealloc, unsigned flags, Error **errp)
{
    if (bytes > FILE_MAX) {
        error_setg(errp, "full");
        return false;
    }
    if (bytes < image.length) {
        memset(image.data + bytes, 0, image.length - bytes);
    }
    image.length = bytes;
    n->length = bytes;
    return true;
}

static const BlockDriver driver_mem = {
    .name = "mem", .kind = BLK_PROTOCOL, .protocol = "mem",
    .zero_past_end = true, .open = mem_open, .preadv = mem_preadv,
    .pwritev = mem_pwritev, .rw_nowait = mem_rw_nowait, .flush = mem_flush, .truncate = mem_truncate,
};

static BlockNode *open_mem(unsigned flags)
{
    QObject *o = qdict_new(), *file = qdict_new();
    Error *err = NULL;
    BlockNode *n;

    qdict_put_str(o, "driver", "qcow2");
    qdict_put_str(file, "driver", "mem");
    qdict_put_str(file, "filename", "mem:");
    qdict_put(o, "file", file);
    n = node_open(o, flags | BLK_O_UNMAP, &err);
    if (!n) {
        /* A rejection says what is wrong. */
        g_assert(strlen(error_get_pretty(err)) > 8);
        error_free(err);
        refused++;
    } else {
        opened++;
    }
    return n;
}

/* ---- seeds ------------------------------------------------------------------------- */

static Mem seeds[SEEDS];

static void fill(BlockNode *n, uint64_t cluster)
{
    g_autofree uint8_t *buf = g_malloc(2 * cluster);
    struct iovec iov;

    for (unsigned i = 0; i < 2 * cluster; i++) {
        buf[i] = i / 64;
    }
    for (int i = 0; i < 6; i++) {
        node_pwrite(n, i * 5 * cluster, buf, cluster);
        node_pwritev(n, (i * 5 + 2) * cluster, cluster,
                     block_vec_buf(&iov, buf, cluster), BLK_REQ_COMPRESSED);
        node_pwrite_zeroes(n, (i * 5 + 3) * cluster, cluster, 0);
    }
}

static void make_seed(Mem *m, const char *opts, uint64_t cluster, bool snaps,
                      bool bitmaps)
{
    g_autofree char *path = NULL, *data = NULL;
    g_autoptr(QObject) o = json_parse(opts, &error_abort);
    int fd = g_file_open_tmp("fuzz-XXXXXX", &path, NULL);
    BlockSnapshotInfo sn = { .name = "snap" };
    BlockNode *n;
    gsize len;

    close(fd);
    block_create(block_driver_find("qcow2"), path, o, &error_abort);
    o = (qobject_unref(o), qdict_new());
    qdict_put_str(o, "driver", "qcow2");
    n = node_open_filename(path, qobject_ref(o), BLK_O_RDWR | BLK_O_NO_FLUSH |
                           BLK_O_NO_BACKING, &error_abort);
    fill(n, cluster);
    if (snaps) {
        n->drv->snapshot_create(n, &sn, &error_abort);
        fill(n, cluster);
    }
    if (bitmaps) {
        DirtyBitmap *b = dirty_bitmap_new(n, "bm", 65536, &error_abort);

        b->persistent = true;
        node_pwrite(n, 0, "x", 1);
    }
    node_unref(n);
    g_assert(g_file_get_contents(path, &data, &len, NULL));
    unlink(path);
    g_assert_cmpuint(len, <=, FILE_MAX);
    m->data = (uint8_t *)g_steal_pointer(&data);
    m->length = len;
}

static void make_seeds(void)
{
    make_seed(&seeds[0], "{\"size\": 4194304, \"cluster_size\": 512}", 512,
              true, false);
    make_seed(&seeds[1], "{\"size\": 4194304, \"cluster_size\": 4096}", 4096,
              true, true);
    make_seed(&seeds[2], "{\"size\": 4194304}", 65536, false, true);
    make_seed(&seeds[3], "{\"size\": 4194304, \"cluster_size\": 16384, "
              "\"extended_l2\": true}", 16384, true, false);
    make_seed(&seeds[4], "{\"size\": 4194304, \"cluster_size\": 4096, "
              "\"compat\": \"0.10\", \"backing_file\": \"base\", "
              "\"backing_fmt\": \"raw\"}", 4096, true, false);
    make_seed(&seeds[5], "{\"size\": 4194304, \"cluster_size\": 1024, "
              "\"refcount_bits\": 64}", 1024, true, false);
    make_seed(&seeds[6], "{\"size\": 4194304, \"cluster_size\": 2048, "
              "\"refcount_bits\": 1}", 2048, false, false);
#ifdef CONFIG_ZSTD
    make_seed(&seeds[7], "{\"size\": 4194304, \"cluster_size\": 4096, "
              "\"compression_type\": \"zstd\", \"lazy_refcounts\": true}",
              4096, false, true);
#else
    make_seed(&seeds[7], "{\"size\": 4194304, \"cluster_size\": 4096, "
              "\"lazy_refcounts\": true}", 4096, false, true);
#endif
}

/* ---- mutation ---------------------------------------------------------------------- */

static uint64_t odd_value(void)
{
    static const uint64_t some[] = {
        0, 1, 2, 7, 8, 9, 21, 22, 63, 64, 511, 512, 513, 4096, 65535, 65536,
        0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(0x100000000),
        UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000),
        UINT64_MAX, UINT64_C(0x00fffffffffffe00), UINT64_C(1) << 62,
        UINT64_C(0x8000000000000001), UINT64_C(0x4000000000001000),
    };

    switch (g_rand_int(rng) % 3) {
    case 0:
        return some[g_rand_int(rng) % ARRAY_SIZE(some)];
    case 1: /* something within the file */
        return ROUND_DOWN((uint64_t)g_rand_int(rng) % image.length, 512) |
               (g_rand_int(rng) % 2 ? UINT64_C(1) << 63 : 0) |
               (g_rand_int(rng) % 4 ? 0 : g_rand_int(rng) % 512);
    default:
        return (uint64_t)g_rand_int(rng) << 32 | g_rand_int(rng);
    }
}

static void put_be(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = v >> (8 * (bytes - 1 - i));
    }
}

static uint64_t be(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Somewhere that matters: the header, or what a pointer of it leads to. */
static uint64_t pick_place(void)
{
    static const unsigned tables[] = { 40, 48, 64 };
    uint64_t at;

    switch (g_rand_int(rng) % 6) {
    case 0:
        return g_rand_int(rng) % 112;
    case 1:
        return g_rand_int(rng) % 1024;
    case 2:
        return g_rand_int(rng) % image.length;
    default: /* a table, or one step further */
        at = be(image.data + tables[g_rand_int(rng) % 3], 8) &
             UINT64_C(0x00fffffffffffe00);
        if (at < image.length - 512 && g_rand_int(rng) % 2) {
            at = be(image.data + at + 8 * (g_rand_int(rng) % 4), 8) &
                 UINT64_C(0x00fffffffffffe00);
        }
        if (at >= image.length - 512) {
            at = 0;
        }
        return at + g_rand_int(rng) % (g_rand_int(rng) % 2 ? 64 : 512);
    }
}

static void mutate(void)
{
    unsigned count = 1 + g_rand_int(rng) % 6;

    while (count-- > 0) {
        uint64_t at = pick_place();

        switch (g_rand_int(rng) % 5) {
        case 0:
            image.data[at] ^= 1u << (g_rand_int(rng) % 8);
            break;
        case 1:
            image.data[at] = g_rand_int(rng);
            break;
        case 2:
            at &= ~UINT64_C(3);
            put_be(image.data + at, odd_value(), 4);
            break;
        case 3:
            at &= ~UINT64_C(7);
            put_be(image.data + at, odd_value(), 8);
            break;
        case 4:
            if (g_rand_int(rng) % 8 == 0) {
                image.length = 1 + g_rand_int(rng) % image.length;
                memset(image.data + image.length, 0, FILE_MAX - image.length);
            } else {
                put_be(image.data + at, g_rand_int(rng), 2);
            }
            break;
        }
        image.length = MAX(image.length, 1024);
    }
}

/* ---- exercise ------------------------------------------------------------------------ */

/* As the event loop does what needs no worker. */
static void go_direct(BlockNode *n, uint64_t at, uint8_t *buf, bool write)
{
    struct iovec iov;
    BlockDirect d;

    if (block_direct_begin(&d, n, at, 512, block_vec_buf(&iov, buf, 512),
                           write) == 0) {
        block_direct_end(&d, block_direct_now(&d));
    }
}

static void exercise(BlockNode *n)
{
    g_autofree uint8_t *buf = g_malloc(256 * KiB);
    BlockCheck res = { 0 };
    BlockSnapshotInfo *list = NULL, sn = { .name = "new" };
    bool write = !node_is_read_only(n);
    g_autoptr(QObject) info = n->drv->specific_info(n);
    g_autofree char *text = json_to_string(info, false);
    uint64_t pnum;

    g_assert_nonnull(text);
    for (uint64_t at = 0, k = 0; at < n->length && k < 64; at += pnum, k++) {
        if (node_block_status_above(n, NULL, true, at, n->length - at, &pnum,
                                    NULL, NULL, NULL) < 0 || pnum == 0) {
            break;
        }
    }
    for (int i = 0; i < 12; i++) {
        uint64_t at = n->length ? (uint64_t)g_rand_int(rng) % n->length : 0;
        uint64_t len = MIN(256 * KiB, n->length - at);
        struct iovec iov;

        at = g_rand_int(rng) % 2 ? MIN(at, 200000) : at;
        len = MIN(len, n->length - at);
        len = len ? 1 + g_rand_int(rng) % len : 0;
        switch (write ? g_rand_int(rng) % 13 : i % 2 * 12u) {
        case 1 ... 3:
            node_pwrite(n, at, buf, MIN(len, 70000));
            break;
        case 4:
            node_pwrite_zeroes(n, at, len, BLK_REQ_MAY_UNMAP);
            break;
        case 12:
            go_direct(n, ROUND_DOWN(at, 512), buf, write && i % 2);
            break;
        case 5:
            node_pdiscard(n, at, len);
            break;
        case 6:
            node_pwritev(n, ROUND_DOWN(at, 65536), MIN(65536, n->length -
                         ROUND_DOWN(at, 65536)),
                         block_vec_buf(&iov, buf, 65536), BLK_REQ_COMPRESSED);
            break;
        case 7:
            node_flush(n);
            break;
        case 8:
            n->drv->snapshot_create(n, &sn, NULL);
            break;
        case 9:
            n->drv->snapshot_goto(n, "snap", NULL);
            break;
        case 10:
            n->drv->snapshot_delete(n, NULL, "snap", NULL);
            break;
        case 11:
            node_truncate(n, ROUND_UP((uint64_t)g_rand_int(rng) % (8 * MiB),
                                      512), false, g_rand_int(rng) % 4
                          ? "off" : "metadata", 0, NULL);
            break;
        default:
            node_pread(n, at, buf, len);
            break;
        }
    }
    if (n->drv->snapshot_list(n, &list) > 0 && !write) {
        n->drv->snapshot_load_tmp(n, list[0].id, NULL, NULL);
        node_pread(n, 0, buf, MIN(n->length, 65536));
        go_direct(n, 0, buf, false);
    }
    g_free(list);
    if (g_rand_int(rng) % 4 == 0) {
        n->drv->check(n, &res, write ? g_rand_int(rng) % 4 : 0);
    }
    if (write && g_rand_int(rng) % 8 == 0) {
        g_autoptr(QObject) o = json_parse(g_rand_int(rng) % 2
                                          ? "{\"refcount_bits\": 8}"
                                          : "{\"compat\": \"0.10\"}", NULL);

        n->drv->amend(n, o, false, NULL);
    }
}

static void one(void)
{
    static const unsigned modes[] = {
        BLK_O_RDWR, BLK_O_RDWR, 0, BLK_O_CHECK, BLK_O_CHECK | BLK_O_RDWR,
    };
    const Mem *seed = &seeds[g_rand_int(rng) % SEEDS];
    unsigned flags = modes[g_rand_int(rng) % ARRAY_SIZE(modes)] |
                     (g_rand_int(rng) % 4 ? BLK_O_NO_BACKING : 0);
    BlockNode *n;

    memset(image.data + seed->length, 0, FILE_MAX - seed->length);
    memcpy(image.data, seed->data, seed->length);
    image.length = seed->length;
    mutate();
    alarm(30);
    n = open_mem(flags);
    if (n) {
        BlockCheck res = { 0 };

        if (flags & BLK_O_CHECK) {
            n->drv->check(n, &res, (flags & BLK_O_RDWR) ? 3 : 0);
        }
        exercise(n);
        node_unref(n);
    }
    alarm(0);
}

static void sink(void *opaque, const char *line)
{
}

int main(int argc, char **argv)
{
    const char *count = argc > 1 ? argv[1] : "2000";
    unsigned seed = argc > 2 ? atoi(argv[2]) : 1;
    unsigned long n = strtoul(count, NULL, 10), done = 0, report = 0;
    bool seconds = count[strlen(count) - 1] == 's';
    int64_t end = g_get_monotonic_time() + (int64_t)n * 1000000;
    struct rusage ru;

    module_call_init(MODULE_BLOCK);
    block_driver_register(&driver_mem);
    make_seeds();
    image.data = g_malloc0(FILE_MAX + 4096);
    rng = g_rand_new_with_seed(seed);
    error_set_sink(sink, NULL);
    stderr = fopen("/dev/null", "w"); /* sanitizers write to the descriptor */
    while (seconds ? g_get_monotonic_time() < end : done < n) {
        one();
        if (++done - report >= 20000) {
            report = done;
            printf("# %lu images\n", done);
            fflush(stdout);
        }
    }
    getrusage(RUSAGE_SELF, &ru);
    printf("%lu images, %lu opened, %lu refused; at most %ld MiB\n", done,
           opened, refused, ru.ru_maxrss / 1024);
    for (int i = 0; i < SEEDS; i++) {
        g_free(seeds[i].data);
    }
    g_free(image.data);
    g_rand_free(rng);
    return 0;
}
