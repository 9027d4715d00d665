/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 against a plain array: random writes, zeroes, discards, compressed
 * clusters, snapshots, sizes; after each round the image must check clean and
 * read back the same, also when opened anew.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "util/module.h"
#include "util/thread.h"

#define MAX_SIZE (8 * MiB)
#define QCOW2_TEST_ROUNDS 60

static char *dir;

typedef struct Disk {
    BlockNode *n;
    uint8_t *model, *base, *snap;
    uint64_t size, snap_size;
    bool has_snap;
    char *path;
    GRand *rng;
} Disk;

static bool small_caches; /* so that they overflow */

static BlockNode *open_image(const char *path, unsigned flags)
{
    QObject *o = qdict_new();
    Error *err = NULL;
    BlockNode *n;

    if (small_caches) {
        qdict_put_int(o, "l2-cache-size", 4096);
        qdict_put_int(o, "refcount-cache-size", 4096);
    }

    qdict_put_str(o, "driver", "qcow2");
    n = node_open_filename(path, o, flags | BLK_O_UNMAP | BLK_O_NO_FLUSH,
                           &err);
    if (!n) {
        g_error("open %s: %s", path, error_get_pretty(err));
    }
    return n;
}

static void create(const char *path, const char *opts)
{
    g_autoptr(QObject) o = json_parse(opts, &error_abort);

    block_create(block_driver_find("qcow2"), path, o, &error_abort);
}

static void check_clean(BlockNode *n)
{
    BlockCheck res = { 0 };

    g_assert_cmpint(n->drv->check(n, &res, 0), ==, 0);
    g_assert_cmpint(res.corruptions, ==, 0);
    g_assert_cmpint(res.check_errors, ==, 0);
    g_assert_cmpint(res.leaks, ==, 0);
}

static void compare(Disk *d)
{
    g_autofree uint8_t *buf = g_malloc(d->size);

    g_assert_cmpuint(d->n->length, ==, d->size);
    g_assert_cmpint(node_pread(d->n, 0, buf, d->size), ==, 0);
    if (memcmp(buf, d->model, d->size)) {
        uint64_t i = 0;

        while (buf[i] == d->model[i]) {
            i++;
        }
        g_error("differs at %#" PRIx64 ": %02x, should be %02x", i, buf[i],
                d->model[i]);
    }
}

static void reopen(Disk *d)
{
    node_unref(d->n);
    d->n = open_image(d->path, BLK_O_RDWR);
}

static void random_range(Disk *d, uint64_t *off, uint64_t *len, unsigned align)
{
    uint64_t max = 1u << g_rand_int_range(d->rng, 0, 20);

    *off = ROUND_DOWN((uint64_t)g_rand_int(d->rng) % d->size, align);
    *len = ROUND_UP(1 + g_rand_int(d->rng) % max, align);
    *len = MIN(*len, d->size - *off);
}

static void one_op(Disk *d, uint64_t cluster, bool backing, bool compress)
{
    uint64_t off, len;
    int ret;

    switch (g_rand_int_range(d->rng, 0, 12)) {
    case 0 ... 4: {
        g_autofree uint8_t *buf = NULL;

        random_range(d, &off, &len, g_rand_int(d->rng) % 2 ? 512 : 1);
        buf = g_malloc(len);
        memset(buf, g_rand_int(d->rng), len);
        for (int i = 0; i < 8; i++) {
            buf[g_rand_int(d->rng) % len] = g_rand_int(d->rng);
        }
        ret = node_pwrite(d->n, off, buf, len);
        g_assert_cmpint(ret, ==, 0);
        memcpy(d->model + off, buf, len);
        break;
    }
    case 5 ... 6:
        random_range(d, &off, &len, 512);
        ret = node_pwrite_zeroes(d->n, off, len, g_rand_int(d->rng) % 2
                                 ? BLK_REQ_MAY_UNMAP : 0);
        g_assert_cmpint(ret, ==, 0);
        memset(d->model + off, 0, len);
        break;
    case 7: { /* discarded data may stay or go: read what became of it */
        random_range(d, &off, &len, 512);
        g_assert_cmpint(node_pdiscard(d->n, off, len), ==, 0);
        g_assert_cmpint(node_pread(d->n, off, d->model + off, len), ==, 0);
        break;
    }
    case 8:
        if (compress) {
            g_autofree uint8_t *buf = g_malloc(2 * cluster);
            struct iovec iov;

            off = ROUND_DOWN((uint64_t)g_rand_int(d->rng) % d->size, cluster);
            len = MIN(2 * cluster, d->size - off);
            memset(buf, g_rand_int(d->rng), len);
            for (unsigned i = 0; i < len / 16; i++) {
                buf[g_rand_int(d->rng) % len] = g_rand_int(d->rng);
            }
            ret = node_pwritev(d->n, off, len, block_vec_buf(&iov, buf, len),
                               BLK_REQ_COMPRESSED);
            g_assert_cmpint(ret, ==, 0);
            memcpy(d->model + off, buf, len);
        }
        break;
    case 9:
        g_assert_cmpint(node_flush(d->n), ==, 0);
        break;
    case 10: {
        g_autofree uint8_t *buf = NULL;

        random_range(d, &off, &len, 1);
        buf = g_malloc(len);
        g_assert_cmpint(node_pread(d->n, off, buf, len), ==, 0);
        g_assert(!memcmp(buf, d->model + off, len));
        break;
    }
    case 11:
        if (g_rand_int(d->rng) % 4 == 0) {
            uint64_t size = ROUND_UP(MAX_SIZE / 2 +
                                     g_rand_int(d->rng) % (MAX_SIZE / 2), 512);

            node_truncate(d->n, size, true, "off", 0, &error_abort);
            if (size > d->size) {
                memset(d->model + d->size, 0, size - d->size);
            }
            d->size = size;
        }
        break;
    }
}

static void snapshots(Disk *d)
{
    BlockSnapshotInfo sn = { .icount = UINT64_MAX };

    switch (g_rand_int_range(d->rng, 0, 3)) {
    case 0:
        if (!d->has_snap) {
            g_strlcpy(sn.name, "one", sizeof(sn.name));
            d->n->drv->snapshot_create(d->n, &sn, &error_abort);
            memcpy(d->snap, d->model, d->size);
            d->snap_size = d->size;
            d->has_snap = true;
        }
        break;
    case 1:
        if (d->has_snap) {
            d->n->drv->snapshot_goto(d->n, "one", &error_abort);
            memcpy(d->model, d->snap, d->snap_size);
            d->size = d->snap_size;
        }
        break;
    case 2:
        if (d->has_snap) {
            d->n->drv->snapshot_delete(d->n, NULL, "one", &error_abort);
            d->has_snap = false;
        }
        break;
    }
    check_clean(d->n);
}

typedef struct Variant {
    const char *name, *opts;
    uint64_t cluster;
    bool backing, compress, snapshots;
} Variant;

static const Variant variants[] = {
    { "default", "{'size': 8388608}", 65536, false, true, true },
    { "512", "{'size': 8388608, 'cluster_size': 512}", 512, false, true, true },
    { "2m", "{'size': 8388608, 'cluster_size': 2097152}", 2097152, false, true,
      true },
    { "backing", "{'size': 8388608, 'cluster_size': 4096}", 4096, true, true,
      true },
    { "backing-64k", "{'size': 8388608}", 65536, true, true, true },
    { "v2", "{'size': 8388608, 'compat': '0.10'}", 65536, false, true, false },
    { "extl2", "{'size': 8388608, 'extended_l2': true}", 65536, false, true,
      true },
    { "extl2-backing", "{'size': 8388608, 'extended_l2': true,"
      " 'cluster_size': 16384}", 16384, true, true, true },
    { "lazy", "{'size': 8388608, 'lazy_refcounts': true}", 65536, false, true,
      true },
    { "rc1", "{'size': 8388608, 'refcount_bits': 1, 'cluster_size': 1024}",
      1024, false, true, false },
    { "rc64", "{'size': 8388608, 'refcount_bits': 64, 'cluster_size': 512}",
      512, true, true, true },
    { "rc2", "{'size': 8388608, 'refcount_bits': 2}", 65536, false, false,
      true },
#ifdef CONFIG_ZSTD
    { "zstd", "{'size': 8388608, 'compression_type': 'zstd',"
      " 'cluster_size': 4096}", 4096, false, true, true },
#endif
};

static char *json_quotes(const char *s)
{
    char *r = g_strdup(s);

    for (char *p = r; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    return r;
}

static void attach_base(Disk *d)
{
    g_autofree char *path = g_build_filename(dir, "base.raw", NULL);
    QObject *o = qdict_new();
    BlockNode *b;

    for (uint64_t i = 0; i < MAX_SIZE / 2; i++) {
        d->base[i] = (i >> 9) * 37 + i;
    }
    g_assert(g_file_set_contents(path, (char *)d->base, MAX_SIZE / 2, NULL));
    qdict_put_str(o, "driver", "raw");
    b = node_open_filename(path, o, 0, &error_abort);
    node_set_backing(d->n, b, &error_abort);
    node_unref(b);
}

static void test_random(gconstpointer data)
{
    const Variant *v = data;
    g_autofree char *opts = json_quotes(v->opts);
    const char *seed = getenv("QCOW2_TEST_SEED");
    const char *rounds = getenv("QCOW2_TEST_ROUNDS");
    unsigned count = rounds ? atoi(rounds) : QCOW2_TEST_ROUNDS;
    Disk d = { .size = MAX_SIZE };

    d.rng = g_rand_new_with_seed(seed ? atoi(seed) : 1);
    d.path = g_build_filename(dir, v->name, NULL);
    d.model = g_malloc0(MAX_SIZE);
    d.base = g_malloc0(MAX_SIZE);
    d.snap = g_malloc0(MAX_SIZE);
    create(d.path, opts);
    d.n = open_image(d.path, BLK_O_RDWR);
    check_clean(d.n);
    if (v->backing) {
        attach_base(&d);
        memcpy(d.model, d.base, MAX_SIZE);
    }
    for (unsigned round = 0; round < count; round++) {
        for (int i = 0; i < 12; i++) {
            one_op(&d, v->cluster, v->backing, v->compress);
        }
        if (v->snapshots && round % 3 == 0) {
            snapshots(&d);
        }
        compare(&d);
        if (!v->backing && round % 4 == 3) {
            reopen(&d);
            check_clean(d.n);
            compare(&d);
        }
    }
    node_unref(d.n);
    d.n = open_image(d.path, 0);
    check_clean(d.n);
    node_unref(d.n);
    unlink(d.path);
    g_free(d.path);
    g_free(d.model);
    g_free(d.base);
    g_free(d.snap);
    g_rand_free(d.rng);
}

static void test_bitmaps(void)
{
    g_autofree char *path = g_build_filename(dir, "bitmaps", NULL);
    BlockNode *n;
    DirtyBitmap *b;
    char data[4096] = { 1 };

    create(path, "{\"size\": 67108864}");
    n = open_image(path, BLK_O_RDWR);
    b = dirty_bitmap_new(n, "b0", 65536, &error_abort);
    b->persistent = true;
    node_pwrite(n, 1 * MiB, data, sizeof(data));
    node_pwrite(n, 33 * MiB, data, sizeof(data));
    g_assert_cmpuint(b->count, ==, 2);
    node_unref(n);
    n = open_image(path, 0);
    check_clean(n);
    b = dirty_bitmap_find(n, "b0");
    g_assert_nonnull(b);
    g_assert_cmpuint(b->count, ==, 2);
    g_assert_cmpuint(b->granularity, ==, 65536);
    g_assert_true(b->enabled && !b->inconsistent);
    g_assert_true(dirty_bitmap_get(b, 33 * MiB));
    node_unref(n);
    for (int i = 0; i < 3; i++) { /* stored again and again: no leak */
        n = open_image(path, BLK_O_RDWR);
        b = dirty_bitmap_find(n, "b0");
        g_assert_true(b && b->count == 2u + i && !b->inconsistent);
        node_pwrite(n, (40 + i) * MiB, data, sizeof(data));
        node_unref(n);
        n = open_image(path, 0);
        check_clean(n);
        node_unref(n);
    }
    n = open_image(path, BLK_O_RDWR);
    b = dirty_bitmap_find(n, "b0");
    n->drv->remove_bitmap(n, "b0", &error_abort);
    dirty_bitmap_free(b);
    node_unref(n);
    n = open_image(path, 0);
    check_clean(n);
    g_assert_null(dirty_bitmap_find(n, "b0"));
    node_unref(n);
    unlink(path);
}

/* Leaks and wrong counts go; a zero refcount comes back. */
static void test_repair(void)
{
    g_autofree char *path = g_build_filename(dir, "repair", NULL);
    BlockNode *n;
    BlockCheck res = { 0 };
    char data[4096] = { 7 };
    uint8_t two[2] = { 0, 2 }, zero[2] = { 0, 0 };
    int fd;

    create(path, "{\"size\": 67108864}");
    n = open_image(path, BLK_O_RDWR);
    node_pwrite(n, 0, data, sizeof(data));
    node_pwrite(n, 65536, data, sizeof(data));
    node_unref(n);
    fd = open(path, O_RDWR);
    g_assert_cmpint(fd, >=, 0);
    /* Clusters: header, table, block, L1, L2 or data. */
    g_assert_cmpint(pwrite(fd, two, 2, 2 * 65536 + 4 * 2), ==, 2);
    g_assert_cmpint(pwrite(fd, zero, 2, 2 * 65536 + 5 * 2), ==, 2);
    g_assert_cmpint(pwrite(fd, two, 2, 2 * 65536 + 30 * 2), ==, 2);
    close(fd);
    n = open_image(path, BLK_O_RDWR | BLK_O_CHECK);
    n->drv->check(n, &res, 0);
    g_assert_cmpint(res.leaks, ==, 1); /* 30 is beyond the end */
    g_assert_cmpint(res.corruptions, >, 0);
    res = (BlockCheck){ 0 };
    n->drv->check(n, &res, BLK_FIX_LEAKS | BLK_FIX_ERRORS);
    node_unref(n);
    n = open_image(path, 0);
    check_clean(n);
    node_unref(n);
    unlink(path);
}

static void test_amend(void)
{
    g_autofree char *path = g_build_filename(dir, "amend", NULL);
    static const char *const steps[] = {
        "{\"refcount_bits\": 64}", "{\"refcount_bits\": 1}",
        "{\"lazy_refcounts\": true}", "{\"lazy_refcounts\": false}",
        "{\"refcount_bits\": 16}", "{\"compat\": \"0.10\"}",
        "{\"compat\": \"1.1\"}", "{\"size\": 33554432}",
    };
    BlockNode *n;
    char data[4096], buf[4096];

    memset(data, 0x5a, sizeof(data));
    create(path, "{\"size\": 16777216}");
    n = open_image(path, BLK_O_RDWR);
    node_pwrite(n, 123456, data, sizeof(data));
    node_pwrite_zeroes(n, 8 * MiB, 1 * MiB, 0);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        QObject *o = json_parse(steps[i], &error_abort);

        n->drv->amend(n, o, false, &error_abort);
        qobject_unref(o);
        node_unref(n);
        n = open_image(path, BLK_O_RDWR);
        check_clean(n);
        g_assert_cmpint(node_pread(n, 123456, buf, sizeof(buf)), ==, 0);
        g_assert(!memcmp(buf, data, sizeof(buf)));
    }
    g_assert_cmpuint(n->length, ==, 33554432);
    node_unref(n);
    unlink(path);
}

static void test_reopen(void)
{
    g_autofree char *path = g_build_filename(dir, "reopen", NULL);
    g_autoptr(QObject) lazy = json_parse("{\"lazy-refcounts\": true, "
                                         "\"l2-cache-size\": 65536}", NULL);
    g_autoptr(QObject) plain = json_parse("{\"lazy-refcounts\": false}", NULL);
    g_autoptr(QObject) odd = json_parse("{\"l2-cache-entry-size\": 3}", NULL);
    char data[4096], buf[4096];
    BlockNode *n;

    memset(data, 0x77, sizeof(data));
    create(path, "{\"size\": 16777216}");
    n = open_image(path, BLK_O_RDWR);
    g_assert_false(n->drv->dirty_flag(n));
    node_reopen(n, n->flags, lazy, &error_abort);
    node_pwrite(n, 5 * MiB, data, sizeof(data));
    node_flush(n);
    g_assert_true(n->drv->dirty_flag(n));
    g_assert_false(node_reopen(n, n->flags, odd, NULL));
    node_reopen(n, n->flags, plain, &error_abort);
    g_assert_false(n->drv->dirty_flag(n));
    check_clean(n);
    node_reopen(n, n->flags & ~(unsigned)BLK_O_RDWR, NULL, &error_abort);
    g_assert_cmpint(node_pwrite(n, 0, data, 512), ==, -EPERM);
    node_reopen(n, n->flags | BLK_O_RDWR, NULL, &error_abort);
    g_assert_cmpint(node_pwrite(n, 0, data, 512), ==, 0);
    g_assert_cmpint(node_pread(n, 5 * MiB, buf, sizeof(buf)), ==, 0);
    g_assert(!memcmp(buf, data, sizeof(buf)));
    node_unref(n);
    unlink(path);
}

static void test_prealloc(void)
{
    static const char *const modes[] = { "metadata", "falloc", "full" };
    g_autofree char *path = g_build_filename(dir, "prealloc", NULL);

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        g_autofree char *o = g_strdup_printf("{\"size\": 12582912, "
                                             "\"preallocation\": \"%s\"}",
                                             modes[i]);
        g_autofree uint8_t *buf = g_malloc(12 * MiB);
        BlockNode *n;

        create(path, o);
        n = open_image(path, BLK_O_RDWR);
        check_clean(n);
        g_assert_cmpint(node_pread(n, 0, buf, 12 * MiB), ==, 0);
        g_assert(buffer_is_zero(buf, 12 * MiB));
        node_truncate(n, 24 * MiB, true, modes[i], 0, &error_abort);
        check_clean(n);
        node_unref(n);
        unlink(path);
    }
}

/* ---- many workers ---------------------------------------------------------------- */

#define WORKERS 4
#define BLOCK   4096 /* each worker has every fourth of these, in all clusters */
#define THREAD_SIZE (4 * MiB)

typedef struct Worker {
    Thread thread;
    BlockNode *n;
    unsigned number;
    uint8_t seen[THREAD_SIZE / BLOCK];
    int failed;
} Worker;

static void *work(void *opaque)
{
    Worker *w = opaque;
    GRand *rng = g_rand_new_with_seed(w->number);
    uint8_t buf[BLOCK];

    for (int i = 0; i < 1500 && !w->failed; i++) {
        unsigned b = g_rand_int(rng) % (THREAD_SIZE / BLOCK / WORKERS) *
                     WORKERS + w->number;
        uint64_t at = (uint64_t)b * BLOCK;

        switch (g_rand_int(rng) % 8) {
        case 0 ... 3:
            w->seen[b] = g_rand_int_range(rng, 1, 256);
            memset(buf, w->seen[b], BLOCK);
            w->failed |= node_pwrite(w->n, at, buf, BLOCK) != 0;
            break;
        case 4:
            w->seen[b] = 0;
            w->failed |= node_pwrite_zeroes(w->n, at, BLOCK,
                                            BLK_REQ_MAY_UNMAP) != 0;
            break;
        case 5:
            if (g_rand_int(rng) % 8 == 0) {
                w->failed |= node_flush(w->n) != 0;
            }
            break;
        default:
            w->failed |= node_pread(w->n, at, buf, BLOCK) != 0;
            for (int k = 0; k < BLOCK; k++) {
                w->failed |= buf[k] != w->seen[b];
            }
            break;
        }
    }
    g_rand_free(rng);
    return NULL;
}

static void test_threads(gconstpointer opts)
{
    g_autofree char *path = g_build_filename(dir, "threads", NULL);
    Worker *w = g_new0(Worker, WORKERS);
    BlockSnapshotInfo sn = { .name = "x" };
    BlockNode *n;

    create(path, opts);
    small_caches = strstr(opts, "512") != NULL;
    n = open_image(path, BLK_O_RDWR);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < WORKERS; i++) {
            w[i].n = n;
            w[i].number = i;
            thread_create(&w[i].thread, "w", work, &w[i]);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            thread_join(&w[i].thread);
            g_assert_cmpint(w[i].failed, ==, 0);
        }
        check_clean(n);
        if (round == 0) {
            n->drv->snapshot_create(n, &sn, &error_abort);
        }
    }
    node_unref(n);
    n = open_image(path, 0);
    check_clean(n);
    for (unsigned b = 0; b < THREAD_SIZE / BLOCK; b++) {
        uint8_t buf[BLOCK];

        g_assert_cmpint(node_pread(n, (uint64_t)b * BLOCK, buf, BLOCK), ==, 0);
        g_assert_cmpint(buf[0], ==, w[b % WORKERS].seen[b]);
    }
    node_unref(n);
    unlink(path);
    g_free(w);
    small_caches = false;
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_BLOCK);
    dir = g_dir_make_tmp("qcow2-XXXXXX", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        g_autofree char *name = g_strdup_printf("/qcow2/random/%s",
                                                variants[i].name);

        g_test_add_data_func(name, &variants[i], test_random);
    }
    g_test_add_data_func("/qcow2/threads/64k", "{\"size\": 4194304}",
                         test_threads);
    g_test_add_data_func("/qcow2/threads/extl2", "{\"size\": 4194304, "
                         "\"extended_l2\": true}", test_threads);
    g_test_add_data_func("/qcow2/threads/512-small-caches",
                         "{\"size\": 4194304, \"cluster_size\": 512}",
                         test_threads);
    g_test_add_data_func("/qcow2/threads/4k", "{\"size\": 4194304, "
                         "\"cluster_size\": 4096}", test_threads);
    g_test_add_func("/qcow2/bitmaps", test_bitmaps);
    g_test_add_func("/qcow2/repair", test_repair);
    g_test_add_func("/qcow2/amend", test_amend);
    g_test_add_func("/qcow2/prealloc", test_prealloc);
    g_test_add_func("/qcow2/reopen", test_reopen);
    ret = g_test_run();
    {
        g_autofree char *base = g_build_filename(dir, "base.raw", NULL);

        unlink(base);
    }
    rmdir(dir);
    g_free(dir);
    return ret;
}
