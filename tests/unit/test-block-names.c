/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters, and what an untrusted image may not do by what it says: name files
 * with options, claim sizes, pass for another format.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "util/module.h"

static char *dir;

static char *path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static BlockNode *open_json(const char *text, unsigned flags, Error **errp)
{
    QObject *o = json_parse(text, &error_abort);

    return node_open(o, flags | BLK_O_UNMAP, errp);
}

static BlockNode *open_path(const char *path, const char *fmt, unsigned flags,
                            Error **errp)
{
    QObject *o = qdict_new();

    if (fmt) {
        qdict_put_str(o, "driver", fmt);
    }
    return node_open_filename(path, o, flags | BLK_O_UNMAP, errp);
}

static void create(const char *path, const char *fmt, const char *opts)
{
    g_autoptr(QObject) o = json_parse(opts, &error_abort);

    block_create(block_driver_find(fmt), path, o, &error_abort);
}

static void poke(const char *path, off_t at, const void *data, size_t len)
{
    int fd = open(path, O_RDWR);

    g_assert_cmpint(pwrite(fd, data, len, at), ==, (ssize_t)len);
    close(fd);
}

static void refused(const char *path, unsigned flags, const char *word)
{
    Error *err = NULL;
    BlockNode *n = open_path(path, "qcow2", flags, &err);

    g_assert_null(n);
    if (!strstr(error_get_pretty(err), word)) {
        g_error("'%s' does not name '%s'", error_get_pretty(err), word);
    }
    error_free(err);
}

/* ---- qcow2 headers ----------------------------------------------------------------- */

typedef struct Crafted {
    unsigned at, len;
    uint64_t value;
    const char *word; /* in the rejection */
} Crafted;

static const Crafted crafted[] = {
    { 4, 4, 9, "version" },
    { 20, 4, 8, "cluster size" }, { 20, 4, 22, "cluster size" },
    { 20, 4, UINT32_MAX, "cluster size" },
    { 24, 8, UINT64_MAX, "size" }, { 24, 8, UINT64_C(1) << 50, "l1_size" },
    { 32, 4, 1, "AES" }, { 32, 4, 2, "LUKS" }, { 32, 4, 7, "encryption" },
    { 36, 4, UINT32_MAX, "L1" }, { 36, 4, 0, "l1_size" },
    { 40, 8, 1, "L1" }, { 40, 8, UINT64_MAX - 65535, "L1" },
    { 48, 8, 513, "count table" }, { 56, 4, UINT32_MAX, "count table" },
    { 56, 4, 0, "refcount_table_clusters" },
    { 60, 4, UINT32_MAX, "nb_snapshots" }, { 60, 4, 65537, "nb_snapshots" },
    { 72, 8, UINT64_C(1) << 60, "feature" },
    { 96, 4, 7, "refcount_order" }, { 96, 4, UINT32_MAX, "refcount_order" },
    { 100, 4, 64, "header_length" }, { 100, 4, 70000, "header_length" },
    { 100, 4, UINT32_MAX - 7, "header_length" },
    { 104, 1, 5, "compression" },
    { 8, 8, 16, "acking file" }, { 116, 4, 100000, "extension" },
};

static void test_crafted(void)
{
    g_autofree char *path = path_of("crafted");

    for (size_t i = 0; i < ARRAY_SIZE(crafted); i++) {
        const Crafted *c = &crafted[i];
        uint8_t be[8];

        create(path, "qcow2", "{\"size\": 1048576}");
        for (unsigned k = 0; k < c->len; k++) {
            be[k] = c->value >> (8 * (c->len - 1 - k));
        }
        poke(path, c->at, be, c->len);
        if (c->at == 8) {
            poke(path, 16, "\0\0\0\x08", 4);
        }
        refused(path, 0, c->word);
    }
    unlink(path);
}

/* One internal snapshot, whose entry lies: opening or going back to it says
 * no, and nothing is taken for sizes that are not there. */
static void test_snapshot_table(void)
{
    static const Crafted rows[] = { /* places in the entry */
        { 0, 8, 513, "" }, { 0, 8, UINT64_C(1) << 60, "" },
        { 8, 4, UINT32_MAX, "" }, { 8, 4, 0x4000000, "" },
        { 12, 2, 0xffff, "" },
        { 36, 4, UINT32_MAX, "" }, { 36, 4, 100000, "" },
    };
    g_autofree char *path = path_of("snapshots");

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *text = NULL;
        BlockSnapshotInfo sn = { .name = "s" };
        uint8_t be[8];
        Error *err = NULL;
        BlockNode *n;
        uint64_t at;
        gsize len;

        create(path, "qcow2", "{\"size\": 1048576}");
        n = open_path(path, "qcow2", BLK_O_RDWR, &error_abort);
        node_pwrite(n, 0, "x", 1);
        g_assert_true(n->drv->snapshot_create(n, &sn, &error_abort));
        node_unref(n);
        g_assert(g_file_get_contents(path, &text, &len, NULL));
        memcpy(&at, text + 64, 8);
        at = GUINT64_FROM_BE(at);
        for (unsigned k = 0; k < rows[i].len; k++) {
            be[k] = rows[i].value >> (8 * (rows[i].len - 1 - k));
        }
        poke(path, at + rows[i].at, be, rows[i].len);
        n = open_path(path, "qcow2", BLK_O_RDWR, &err);
        if (n) {
            g_assert_false(n->drv->snapshot_goto(n, "1", &err));
            node_unref(n);
        }
        g_assert_cmpuint(strlen(error_get_pretty(err)), >, 10);
        error_free(err);
    }
    unlink(path);
}

/* Options hide in names that an image brings along. */
static void test_names(void)
{
    g_autofree char *path = path_of("names"), *base = path_of("base");
    g_autofree char *json = g_strdup_printf(
        "{\"size\": 1048576, \"backing_fmt\": \"raw\", \"backing_file\": "
        "\"json:{\\\"driver\\\":\\\"file\\\",\\\"filename\\\":\\\"%s\\\"}\"}",
        base);
    BlockNode *n;

    create(base, "raw", "{\"size\": 1048576}");
    create(path, "qcow2", json);
    refused(path, 0, "json:");
    n = open_path(path, "qcow2", BLK_O_NO_BACKING, &error_abort);
    node_unref(n);
    /* A data file: its name is a file's, and looking does not open it. */
    create(path, "qcow2", "{\"size\": 1048576, \"data_file\": \"data\"}");
    n = open_path(path, "qcow2", 0, &error_abort);
    node_unref(n);
    {
        g_autofree char *data = path_of("data"), *text = NULL;
        gsize len;
        char *at;

        unlink(data);
        n = open_path(path, "qcow2", BLK_O_NO_IO | BLK_O_NO_BACKING,
                      &error_abort);
        node_unref(n);
        g_assert(g_file_get_contents(path, &text, &len, NULL));
        at = memmem(text, 4096, "\0\0\0\x04" "data", 8);
        g_assert_nonnull(at);
        memcpy(at + 4, "x:da", 4);
        g_assert(g_file_set_contents(path, text, len, NULL));
    }
    refused(path, 0, "plain file name");
    unlink(path);
    unlink(base);
}

/* A guest writes a header into a disk that was taken for raw by probing. */
static void test_probe_guard(void)
{
    g_autofree char *path = path_of("guest.raw");
    char sector[512] = "QFI\xfb\0\0\0\x03";
    BlockNode *n;

    create(path, "raw", "{\"size\": 1048576}");
    n = open_path(path, NULL, BLK_O_RDWR, &error_abort);
    g_assert_cmpstr(n->drv->name, ==, "raw");
    g_assert_cmpint(node_pwrite(n, 0, sector, 512), ==, -EPERM);
    g_assert_cmpint(node_pwrite(n, 0, "plain", 5), ==, 0);
    node_unref(n);
    n = open_path(path, "raw", BLK_O_RDWR, &error_abort);
    g_assert_cmpint(node_pwrite(n, 0, sector, 512), ==, 0);
    node_unref(n);
    unlink(path);
}

static void test_foreign(void)
{
    static const struct { off_t at; const char *magic, *name; } all[] = {
        { 0, "KDMV", "vmdk" }, { 64, "\x7f\x10\xda\xbe", "vdi" },
        { 0, "vhdxfile", "vhdx" }, { 0, "conectix", "vpc" },
        { 0, "WithoutFreeSpace", "parallels" },
    };
    g_autofree char *path = path_of("foreign");

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        Error *err = NULL;

        create(path, "raw", "{\"size\": 65536}");
        poke(path, all[i].at, all[i].magic, strlen(all[i].magic));
        g_assert_null(open_path(path, NULL, 0, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), all[i].name));
        error_free(err);
        err = NULL;
        g_assert_null(open_path(path, all[i].name, 0, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), all[i].name));
        error_free(err);
    }
    unlink(path);
}

/* ---- filters ----------------------------------------------------------------------- */

static void test_blkdebug(void)
{
    g_autofree char *path = path_of("dbg"), *json = NULL;
    char buf[4096];
    BlockNode *n;

    create(path, "qcow2", "{\"size\": 1048576}");
    json = g_strdup_printf(
        "{\"driver\": \"qcow2\", \"file\": {\"driver\": \"blkdebug\", "
        "\"image\": {\"driver\": \"file\", \"filename\": \"%s\"}, "
        "\"inject-error\": [{\"event\": \"write_aio\", \"errno\": 28, "
        "\"once\": true, \"state\": 2}, {\"event\": \"flush_to_disk\", "
        "\"errno\": 5, \"iotype\": \"flush\", \"once\": true}], "
        "\"set-state\": [{\"event\": \"read_aio\", \"state\": 1, "
        "\"new_state\": 2}]}}", path);
    n = open_json(json, BLK_O_RDWR, &error_abort);
    memset(buf, 1, sizeof(buf));
    g_assert_cmpint(node_pwrite(n, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(node_pread(n, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(node_pwrite(n, 0, buf, sizeof(buf)), ==, -ENOSPC);
    g_assert_cmpint(node_pwrite(n, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(node_flush(n), ==, -EIO);
    g_assert_cmpint(node_flush(n), ==, 0);
    node_unref(n);
    unlink(path);
}

static void test_blkverify(void)
{
    g_autofree char *a = path_of("v.raw"), *b = path_of("v.qcow2");
    g_autofree char *json = NULL;
    uint8_t buf[8192];
    BlockNode *n, *test;

    create(a, "raw", "{\"size\": 1048576}");
    create(b, "qcow2", "{\"size\": 1048576}");
    json = g_strdup_printf(
        "{\"driver\": \"blkverify\", \"raw\": {\"driver\": \"file\", "
        "\"filename\": \"%s\"}, \"test\": {\"driver\": \"qcow2\", "
        "\"node-name\": \"t\", \"file\": {\"driver\": \"file\", "
        "\"filename\": \"%s\"}}}", a, b);
    n = open_json(json, BLK_O_RDWR, &error_abort);
    memset(buf, 0x33, sizeof(buf));
    g_assert_cmpint(node_pwrite(n, 70000, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(node_pwrite_zeroes(n, 71000, 3000, 0), ==, 0);
    for (int i = 0; i < 128; i++) {
        g_assert_cmpint(node_pread(n, i * 8192, buf, sizeof(buf)), ==, 0);
    }
    test = node_find("t");
    g_assert_cmpint(node_pwrite(test, 512, "x", 1), ==, 0);
    g_assert_cmpint(node_pread(n, 0, buf, sizeof(buf)), ==, -EIO);
    node_unref(n);
    unlink(a);
    unlink(b);
}

static void test_copy_on_read(void)
{
    g_autofree char *base = path_of("cor.raw"), *top = path_of("cor.qcow2");
    g_autofree char *opts = NULL, *json = NULL;
    uint64_t pnum, map;
    char buf[4096];
    BlockNode *n;

    create(base, "raw", "{\"size\": 1048576}");
    poke(base, 300000, "hello", 5);
    opts = g_strdup_printf("{\"size\": 1048576, \"backing_file\": \"%s\", "
                           "\"backing_fmt\": \"raw\"}", base);
    create(top, "qcow2", opts);
    json = g_strdup_printf(
        "{\"driver\": \"copy-on-read\", \"file\": {\"driver\": \"qcow2\", "
        "\"file\": {\"driver\": \"file\", \"filename\": \"%s\"}}}", top);
    n = open_json(json, BLK_O_RDWR, &error_abort);
    g_assert_cmpint(node_pread(n, 300000, buf, sizeof(buf)), ==, 0);
    g_assert(!memcmp(buf, "hello", 5));
    node_unref(n);
    n = open_path(top, "qcow2", BLK_O_NO_BACKING, &error_abort);
    g_assert_cmpint(node_block_status(n, false, 300000, 4096, &pnum, &map,
                                      NULL) & BLK_ST_ALLOCATED, !=, 0);
    g_assert_cmpint(node_block_status(n, false, 600000, 4096, &pnum, &map,
                                      NULL) & BLK_ST_ALLOCATED, ==, 0);
    g_assert_cmpint(node_pread(n, 300000, buf, sizeof(buf)), ==, 0);
    g_assert(!memcmp(buf, "hello", 5));
    node_unref(n);
    unlink(base);
    unlink(top);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_BLOCK);
    dir = g_dir_make_tmp("block-XXXXXX", NULL);
    g_test_add_func("/block/hostile/headers", test_crafted);
    g_test_add_func("/block/hostile/snapshot-table", test_snapshot_table);
    g_test_add_func("/block/hostile/names", test_names);
    g_test_add_func("/block/hostile/probe-guard", test_probe_guard);
    g_test_add_func("/block/hostile/foreign", test_foreign);
    g_test_add_func("/block/filter/blkdebug", test_blkdebug);
    g_test_add_func("/block/filter/blkverify", test_blkverify);
    g_test_add_func("/block/filter/copy-on-read", test_copy_on_read);
    ret = g_test_run();
    rmdir(dir);
    g_free(dir);
    return ret;
}
