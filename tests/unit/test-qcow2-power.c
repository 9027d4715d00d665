/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cuts.  A protocol driver in memory logs writes and syncs.  During a
 * random load images are built from all that was synced plus any part of the
 * later writes, in pieces of 512 bytes; each must check without corruption and
 * hold, sector by sector, what was flushed or something written since.
 *
 * Another run has a device that fails now and then: a request may fail, but
 * nothing that was there is lost and no metadata is damaged.
 *
 * QCOW2_POWER_CUTS is how many (5,000 by default in the long tier).  A run with
 * a device that forgets every third sync must be caught.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "util/module.h"

#define SECTORS 4096        /* of the largest disk: 2 MiB */
#define FILE_MAX (16 * MiB)

/* ---- the device ------------------------------------------------------------------ */

typedef struct LogEntry {
    uint64_t offset;
    size_t len;
    uint8_t *data;
} LogEntry;

typedef struct Store {
    uint8_t *synced;        /* FILE_MAX bytes */
    uint8_t *now;
    uint64_t length, synced_length;
    GArray *log;            /* LogEntry since the last sync */
    unsigned flushes, forget; /* every @forget-th sync is a lie; 0: none */
    void (*on_event)(struct Store *s);
} Store;

static GHashTable *stores;  /* name -> Store */
static unsigned fail_chance; /* one request in so many fails; 0: none */
static GRand *fail_rng;

static bool fails(void)
{
    return fail_chance && g_rand_int(fail_rng) % fail_chance == 0;
}

static Store *store_new(const char *name)
{
    Store *s = g_new0(Store, 1);

    s->synced = g_malloc0(FILE_MAX);
    s->now = g_malloc0(FILE_MAX);
    s->log = g_array_new(FALSE, FALSE, sizeof(LogEntry));
    g_hash_table_insert(stores, g_strdup(name), s);
    return s;
}

static void clear_log(Store *s)
{
    for (guint i = 0; i < s->log->len; i++) {
        g_free(g_array_index(s->log, LogEntry, i).data);
    }
    g_array_set_size(s->log, 0);
}

static void store_free(const char *name)
{
    Store *s = g_hash_table_lookup(stores, name);

    clear_log(s);
    g_array_unref(s->log);
    g_free(s->synced);
    g_free(s->now);
    g_free(s);
    g_hash_table_remove(stores, name);
}

static Store *store_of(BlockNode *n)
{
    return *(Store **)n->state;
}

static bool log_open(BlockNode *n, QObject *opts, Error **errp)
{
    g_autoptr(QObject) name = qdict_steal(opts, "filename");
    Store *s = g_hash_table_lookup(stores, qstring_get(name));

    *(Store **)n->state = s;
    n->length = s->length;
    g_free(n->filename);
    n->filename = g_strdup(qstring_get(name));
    return true;
}

static int log_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v)
{
    if (offset + bytes > FILE_MAX || fails()) {
        return -EIO;
    }
    block_vec_from_buf(v, store_of(n)->now + offset, bytes);
    return 0;
}

static int log_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v, unsigned flags)
{
    Store *s = store_of(n);
    LogEntry e = { .offset = offset, .len = bytes };

    g_assert_cmpuint(offset + bytes, <=, FILE_MAX);
    if (fails()) {
        return -ENOSPC;
    }
    if (s->on_event) {
        s->on_event(s);
    }
    e.data = g_malloc(bytes);
    block_vec_to_buf(v, e.data, bytes);
    memcpy(s->now + offset, e.data, bytes);
    s->length = MAX(s->length, offset + bytes);
    g_array_append_val(s->log, e);
    if (s->on_event) {
        s->on_event(s);
    }
    return 0;
}

static int log_flush(BlockNode *n)
{
    Store *s = store_of(n);

    if (fails()) {
        return -EIO;
    }
    if (s->on_event) {
        s->on_event(s);
    }
    if (s->forget && ++s->flushes % s->forget == 0) {
        return 0;
    }
    memcpy(s->synced, s->now, MAX(s->length, s->synced_length));
    s->synced_length = s->length;
    clear_log(s);
    return 0;
}

static bool log_truncate(BlockNode *n, uint64_t bytes, bool exact,
                         const char *prealloc, unsigned flags, Error **errp)
{
    Store *s = store_of(n);

    if (bytes < s->length) {
        memset(s->now + bytes, 0, s->length - bytes);
    }
    s->length = s->synced_length = bytes;
    n->length = bytes;
    return true;
}

static const BlockDriver driver_log = {
    .name = "memlog",
    .kind = BLK_PROTOCOL,
    .protocol = "memlog",
    .state_size = sizeof(Store *),
    .zero_past_end = true,
    .open = log_open,
    .preadv = log_preadv,
    .pwritev = log_pwritev,
    .flush = log_flush,
    .truncate = log_truncate,
};

/* ---- the disk as the guest knows it ----------------------------------------------- */

/* Each sector is filled with one byte: the last one written, and all that a
 * power cut may leave. */
typedef struct Model {
    GRand *rng;
    uint64_t sectors;
    uint64_t min_sectors;   /* the size may be anything between after a cut */
    uint64_t max_sectors;
    uint8_t last[SECTORS];
    uint32_t allowed[SECTORS][8];
    uint8_t snap[SECTORS];
    uint64_t snap_sectors;
    bool has_snap;
    unsigned cuts, wanted, bad;
    unsigned chance;        /* one event in so many is a cut */
} Model;

static Model m;

static void allow(uint64_t sector, uint8_t byte)
{
    m.allowed[sector][byte / 32] |= 1u << (byte % 32);
}

static void settle_model(void)
{
    memset(m.allowed, 0, sizeof(m.allowed));
    for (uint64_t i = 0; i < SECTORS; i++) {
        allow(i, m.last[i]);
    }
    m.min_sectors = m.max_sectors = m.sectors;
}

static BlockNode *open_image(const char *name, unsigned flags, Error **errp)
{
    QObject *o = qdict_new(), *file = qdict_new();

    qdict_put_str(o, "driver", "qcow2");
    qdict_put_str(file, "driver", "memlog");
    qdict_put_str(file, "filename", name);
    qdict_put(o, "file", file);
    return node_open(o, flags | BLK_O_UNMAP, errp);
}

static void bad(const char *fmt, ...) PRINTF(1, 2);
static void bad(const char *fmt, ...)
{
    va_list ap;

    if (m.bad++ == 0 && m.wanted) {
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fprintf(stderr, " (cut %u)\n", m.cuts);
    }
}

static void verify_cut(const char *name)
{
    Error *err = NULL;
    BlockNode *n = open_image(name, BLK_O_CHECK, &err);
    BlockCheck res = { 0 };
    g_autofree uint8_t *buf = NULL;
    uint64_t sectors;

    if (!n) {
        bad("does not open: %s", error_get_pretty(err));
        error_free(err);
        return;
    }
    n->drv->check(n, &res, 0);
    if (res.corruptions || res.check_errors) {
        bad("%" PRId64 " corruptions, %" PRId64 " errors", res.corruptions,
            res.check_errors);
    }
    sectors = n->length / 512;
    if (sectors < m.min_sectors || sectors > m.max_sectors) {
        bad("%" PRIu64 " sectors, should be %" PRIu64 "..%" PRIu64, sectors,
            m.min_sectors, m.max_sectors);
    }
    sectors = MIN(sectors, m.min_sectors);
    buf = g_malloc(MAX(sectors, 1) * 512);
    if (node_pread(n, 0, buf, sectors * 512) < 0) {
        bad("cannot be read");
        sectors = 0;
    }
    for (uint64_t i = 0; i < sectors; i++) {
        uint8_t b = buf[i * 512];

        if (!(m.allowed[i][b / 32] >> (b % 32) & 1) ||
            memcmp(buf + i * 512, buf + i * 512 + 1, 511)) {
            bad("sector %" PRIu64 " holds %02x (last written: %02x)", i, b,
                m.last[i]);
            break;
        }
    }
    node_unref(n);
}

static void cut(Store *s)
{
    Store *c;
    unsigned style;

    if (m.cuts >= m.wanted || g_rand_int(m.rng) % m.chance) {
        return;
    }
    m.cuts++;
    c = store_new("cut");
    memcpy(c->now, s->synced, FILE_MAX);
    c->length = s->synced_length;
    style = g_rand_int(m.rng) % 4;
    for (guint i = 0; i < s->log->len; i++) {
        LogEntry *e = &g_array_index(s->log, LogEntry, i);
        bool whole = g_rand_int(m.rng) % 2;

        /* All, none, whole writes, or pieces of 512. */
        for (size_t at = 0; at < e->len;) {
            size_t n = MIN(512 - (e->offset + at) % 512, e->len - at);
            bool take = style == 0   ? true
                        : style == 1 ? i + 1 == s->log->len
                        : style == 2 ? whole : g_rand_int(m.rng) % 2;

            if (take) {
                memcpy(c->now + e->offset + at, e->data + at, n);
                c->length = MAX(c->length, e->offset + at + n);
            }
            at += n;
        }
    }
    verify_cut("cut");
    store_free("cut");
}

/* ---- the load ------------------------------------------------------------------------ */

static void do_write(BlockNode *n, uint64_t at, uint64_t count, bool compress,
                     uint64_t cluster)
{
    uint8_t byte = g_rand_int_range(m.rng, 1, 256);
    g_autofree uint8_t *buf = NULL;
    struct iovec iov;

    if (compress) {
        at = at * 512 / cluster * cluster / 512;
        count = MIN(cluster / 512, m.sectors - at);
    }
    buf = g_malloc(count * 512);
    memset(buf, byte, count * 512);
    for (uint64_t i = at; i < at + count; i++) {
        allow(i, byte);
    }
    g_assert_cmpint(node_pwritev(n, at * 512, count * 512,
                                 block_vec_buf(&iov, buf, count * 512),
                                 compress ? BLK_REQ_COMPRESSED : 0), ==, 0);
    memset(m.last + at, byte, count);
}

static void do_zero(BlockNode *n, uint64_t at, uint64_t count, bool discard)
{
    g_autofree uint8_t *buf = g_malloc(count * 512);

    for (uint64_t i = at; i < at + count; i++) {
        allow(i, 0);
    }
    if (discard) {
        g_assert_cmpint(node_pdiscard(n, at * 512, count * 512), ==, 0);
    } else {
        g_assert_cmpint(node_pwrite_zeroes(n, at * 512, count * 512,
                                           g_rand_int(m.rng) % 2
                                           ? BLK_REQ_MAY_UNMAP : 0), ==, 0);
    }
    g_assert_cmpint(node_pread(n, at * 512, buf, count * 512), ==, 0);
    for (uint64_t i = 0; i < count; i++) {
        m.last[at + i] = buf[i * 512];
        allow(at + i, m.last[at + i]);
    }
}

static void do_resize(BlockNode *n)
{
    uint64_t sectors = SECTORS / 2 + g_rand_int(m.rng) % (SECTORS / 2);

    m.min_sectors = MIN(m.min_sectors, sectors);
    m.max_sectors = MAX(m.max_sectors, sectors);
    for (uint64_t i = MIN(sectors, m.sectors); i < SECTORS; i++) {
        allow(i, 0);
    }
    node_truncate(n, sectors * 512, true, "off", 0, &error_abort);
    if (sectors > m.sectors) {
        memset(m.last + m.sectors, 0, sectors - m.sectors);
    } else {
        memset(m.last + sectors, 0, SECTORS - sectors);
    }
    m.sectors = sectors;
}

static void do_snapshot(BlockNode *n)
{
    BlockSnapshotInfo sn = { .icount = UINT64_MAX };

    if (!m.has_snap) {
        g_strlcpy(sn.name, "s", sizeof(sn.name));
        n->drv->snapshot_create(n, &sn, &error_abort);
        memcpy(m.snap, m.last, SECTORS);
        m.snap_sectors = m.sectors;
        m.has_snap = true;
    } else if (g_rand_int(m.rng) % 2) {
        m.min_sectors = MIN(m.min_sectors, m.snap_sectors);
        m.max_sectors = MAX(m.max_sectors, m.snap_sectors);
        for (uint64_t i = 0; i < SECTORS; i++) {
            allow(i, i < m.snap_sectors ? m.snap[i] : 0);
        }
        n->drv->snapshot_goto(n, "s", &error_abort);
        memcpy(m.last, m.snap, SECTORS);
        memset(m.last + m.snap_sectors, 0, SECTORS - m.snap_sectors);
        m.sectors = m.snap_sectors;
    } else {
        n->drv->snapshot_delete(n, NULL, "s", &error_abort);
        m.has_snap = false;
    }
}

typedef struct Variant {
    const char *name, *opts;
    uint64_t cluster;
} Variant;

static const Variant variants[] = {
    { "4k", "{\"cluster_size\": 4096, \"size\": 2097152}", 4096 },
    { "512", "{\"cluster_size\": 512, \"size\": 2097152}", 512 },
    { "64k", "{\"size\": 2097152}", 65536 },
    { "extl2", "{\"cluster_size\": 16384, \"size\": 2097152, "
      "\"extended_l2\": true}", 16384 },
    { "rc64", "{\"cluster_size\": 512, \"size\": 2097152, "
      "\"refcount_bits\": 64}", 512 },
};

/* Bytes of a fresh image, by way of a file. */
static void make_image(Store *s, const char *opts)
{
    g_autofree char *path = NULL, *data = NULL;
    g_autoptr(QObject) o = json_parse(opts, &error_abort);
    int fd = g_file_open_tmp("power-XXXXXX", &path, NULL);
    gsize len;

    close(fd);
    block_create(block_driver_find("qcow2"), path, o, &error_abort);
    g_assert(g_file_get_contents(path, &data, &len, NULL));
    unlink(path);
    memcpy(s->now, data, len);
    memcpy(s->synced, data, len);
    s->length = s->synced_length = len;
}

static void one_op(BlockNode *n, const Variant *v)
{
    uint64_t at = g_rand_int(m.rng) % m.sectors;
    uint64_t count = 1 + g_rand_int(m.rng) %
                     (1u << g_rand_int_range(m.rng, 0, 9));

    count = MIN(count, m.sectors - at);
    switch (g_rand_int(m.rng) % 24) {
    case 0 ... 11:
        do_write(n, at, count, false, v->cluster);
        break;
    case 12 ... 13:
        do_write(n, at, count, true, v->cluster);
        break;
    case 14 ... 16:
        do_zero(n, at, count, false);
        break;
    case 17 ... 18:
        do_zero(n, at, count, true);
        break;
    case 19 ... 21:
        g_assert_cmpint(node_flush(n), ==, 0);
        settle_model();
        break;
    case 22:
        do_snapshot(n);
        break;
    case 23:
        if (g_rand_int(m.rng) % 3 == 0) {
            do_resize(n);
        }
        break;
    }
}

static void run(const Variant *v, unsigned cuts, unsigned forget, unsigned seed)
{
    Store *s = store_new("disk");
    BlockNode *n;
    unsigned ops = 0;

    memset(&m, 0, sizeof(m));
    m.rng = g_rand_new_with_seed(seed);
    m.sectors = SECTORS;
    m.wanted = cuts;
    m.chance = 4;
    settle_model();
    make_image(s, v->opts);
    n = open_image("disk", BLK_O_RDWR, &error_abort);
    s->on_event = cut;
    s->forget = forget;
    while (m.cuts < cuts && ops++ < 100 * cuts && !(forget && m.bad)) {
        one_op(n, v);
        if (ops % 400 == 0) { /* and from the beginning */
            s->on_event = NULL;
            node_unref(n);
            n = open_image("disk", BLK_O_RDWR, &error_abort);
            settle_model();
            s->on_event = cut;
        }
    }
    s->on_event = NULL;
    node_unref(n);
    store_free("disk");
    g_rand_free(m.rng);
}

/* ---- a device that fails --------------------------------------------------------- */

/* What the disk holds now, with a device that works. */
static void read_back(BlockNode *n)
{
    g_autofree uint8_t *buf = g_malloc(SECTORS * 512);
    unsigned chance = fail_chance;

    fail_chance = 0;
    g_assert_cmpuint(n->length, ==, m.sectors * 512);
    g_assert_cmpint(node_pread(n, 0, buf, m.sectors * 512), ==, 0);
    for (uint64_t i = 0; i < m.sectors; i++) {
        uint8_t b = buf[i * 512];

        if (!(m.allowed[i][b / 32] >> (b % 32) & 1) ||
            memcmp(buf + i * 512, buf + i * 512 + 1, 511)) {
            g_error("sector %" PRIu64 " holds %02x, had %02x", i, b, m.last[i]);
        }
        m.last[i] = b;
    }
    settle_model();
    fail_chance = chance;
}

static void failing_op(BlockNode *n, const Variant *v)
{
    uint64_t at = g_rand_int(m.rng) % m.sectors;
    uint64_t count = 1 + g_rand_int(m.rng) % 200;
    uint8_t byte = g_rand_int_range(m.rng, 1, 256);
    g_autofree uint8_t *buf = g_malloc(count * 512);
    BlockSnapshotInfo sn = { .icount = UINT64_MAX };

    count = MIN(count, m.sectors - at);
    memset(buf, byte, count * 512);
    switch (g_rand_int(m.rng) % 10) {
    case 0 ... 4:
        for (uint64_t i = at; i < at + count; i++) {
            allow(i, byte);
        }
        node_pwrite(n, at * 512, buf, count * 512);
        break;
    case 5 ... 6:
        for (uint64_t i = at; i < at + count; i++) {
            allow(i, 0);
        }
        node_pwrite_zeroes(n, at * 512, count * 512, BLK_REQ_MAY_UNMAP);
        break;
    case 7:
        node_flush(n);
        break;
    case 8:
        node_pread(n, at * 512, buf, count * 512);
        break;
    case 9:
        g_strlcpy(sn.name, "s", sizeof(sn.name));
        if (!n->drv->snapshot_delete(n, NULL, "s", NULL)) {
            n->drv->snapshot_create(n, &sn, NULL);
        }
        break;
    }
}

static void test_errors(gconstpointer data)
{
    const Variant *v = data;
    Store *s = store_new("disk");
    BlockNode *n;

    memset(&m, 0, sizeof(m));
    m.rng = g_rand_new_with_seed(5);
    fail_rng = g_rand_new_with_seed(6);
    m.sectors = SECTORS;
    settle_model();
    make_image(s, v->opts);
    n = open_image("disk", BLK_O_RDWR, &error_abort);
    for (unsigned round = 0; round < 150; round++) {
        BlockCheck res = { 0 };

        fail_chance = 5 + g_rand_int(m.rng) % 40;
        for (int i = 0; i < 6; i++) {
            failing_op(n, v);
        }
        fail_chance = 0;
        if (n->corrupt) { /* it could not tell what the file holds */
            node_unref(n);
            n = open_image("disk", BLK_O_RDWR, &error_abort);
        }
        read_back(n);
        g_assert_cmpint(n->drv->check(n, &res, 0), ==, 0);
        g_assert_cmpint(res.corruptions, ==, 0);
        g_assert_cmpint(res.check_errors, ==, 0);
    }
    node_unref(n);
    n = open_image("disk", 0, &error_abort);
    read_back(n);
    node_unref(n);
    store_free("disk");
    g_rand_free(m.rng);
    g_rand_free(fail_rng);
}

static unsigned cuts_wanted(void)
{
    const char *env = getenv("QCOW2_POWER_CUTS");

    return MAX(env ? atoi(env) : 200, 5) / ARRAY_SIZE(variants);
}

static void test_power(gconstpointer data)
{
    const char *seed = getenv("QCOW2_POWER_SEED");

    run(data, cuts_wanted(), 0, seed ? atoi(seed) : 1);
    g_assert_cmpuint(m.bad, ==, 0);
    g_assert_cmpuint(m.cuts, ==, cuts_wanted());
}

/* The test itself: a sync less must be noticed. */
static void test_broken(void)
{
    run(&variants[0], 2000, 3, 1);
    g_assert_cmpuint(m.bad, >, 0);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_BLOCK);
    block_driver_register(&driver_log);
    stores = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
        g_autofree char *name = g_strdup_printf("/qcow2/power/%s",
                                                variants[i].name);

        g_autofree char *errors = g_strdup_printf("/qcow2/errors/%s",
                                                  variants[i].name);

        g_test_add_data_func(name, &variants[i], test_power);
        g_test_add_data_func(errors, &variants[i], test_errors);
    }
    g_test_add_func("/qcow2/power/forgotten-sync", test_broken);
    ret = g_test_run();
    g_hash_table_unref(stores);
    return ret;
}
