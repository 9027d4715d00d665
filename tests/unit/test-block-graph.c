/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter is put in and taken out 1,000 times under a load of reads and
 * writes whose contents are verified, with workers and with the kernel's
 * engines; draining what a throttle filter holds back.
 */
#include "osdep.h"
#include "block/block-int.h"
#include "block/throttle.h"
#include "util/loop.h"
#include "util/module.h"
#include "util/thread.h"

#define DEPTH  8
#define BLOCK  4096
#define BLOCKS 256
#define TURNS  1000

typedef struct Slot {
    struct Load *load;
    struct iovec iov;
    uint8_t *buf;            /* as O_DIRECT wants it */
    unsigned block;
    bool write, busy;
    uint8_t byte;
} Slot;

typedef struct Load {
    BlockBackend *blk;
    GRand *rng;
    uint8_t model[BLOCKS];
    bool locked[BLOCKS];     /* a request is on it */
    Slot slots[DEPTH];
    unsigned done, errors;
    bool stop;
} Load;

static void next(Slot *s);

static void finished(void *opaque, int ret)
{
    Slot *s = opaque;
    Load *l = s->load;

    l->errors += ret != 0;
    for (int i = 0; !s->write && i < BLOCK; i++) {
        l->errors += s->buf[i] != l->model[s->block];
    }
    if (s->write) {
        l->model[s->block] = s->byte;
    }
    l->locked[s->block] = false;
    s->busy = false;
    l->done++;
    next(s);
}

static void next(Slot *s)
{
    Load *l = s->load;
    uint64_t at;

    if (l->stop) {
        return;
    }
    do {
        s->block = g_rand_int(l->rng) % BLOCKS;
    } while (l->locked[s->block]);
    at = (uint64_t)s->block * BLOCK;
    l->locked[s->block] = true;
    s->busy = true;
    s->write = g_rand_int(l->rng) % 2;
    s->iov = (struct iovec){ s->buf, BLOCK };
    if (s->write) {
        s->byte = g_rand_int(l->rng);
        memset(s->buf, s->byte, BLOCK);
        blk_aio_pwritev(l->blk, at, &s->iov, 1, 0, finished, s);
    } else {
        blk_aio_preadv(l->blk, at, &s->iov, 1, 0, finished, s);
    }
}

static void run_for(Load *l, unsigned requests)
{
    unsigned seen = l->done;

    while (l->done < seen + requests) {
        loop_run_once(loop_main(), true);
    }
}

static BlockNode *filter_over(BlockNode *n)
{
    QObject *o = qdict_new();

    qdict_put_str(o, "driver", "blkdebug");
    qdict_put_str(o, "image", n->name);
    return node_open(o, BLK_O_RDWR, &error_abort);
}

typedef struct Case {
    const char *name, *fmt, *aio; /* aio NULL: the host's cache */
} Case;

static void test_filter(gconstpointer opaque)
{
    const Case *c = opaque;
    g_autofree char *path = NULL;
    g_autoptr(QObject) opts = json_parse("{\"size\": 1048576}", &error_abort);
    QObject *o = qdict_new();
    Load *l = g_new0(Load, 1);
    Error *err = NULL;
    BlockNode *n;
    int fd = g_file_open_tmp("graph-XXXXXX", &path, NULL);

    close(fd);
    block_create(block_driver_find(c->fmt), path, opts, &error_abort);
    qdict_put_str(o, "driver", c->fmt);
    if (c->aio) {
        QObject *file = qdict_new();

        qdict_put_str(file, "driver", "file");
        qdict_put_str(file, "filename", path);
        qdict_put_str(file, "aio", c->aio);
        qdict_put(o, "file", file);
        n = node_open(o, BLK_O_RDWR | BLK_O_NO_FLUSH | BLK_O_DIRECT, &err);
        if (!n) { /* no O_DIRECT in this file system */
            g_test_skip(error_get_pretty(err));
            error_free(err);
            unlink(path);
            g_free(l);
            return;
        }
        if (!n->file->node->drv->aio_kind(n->file->node, &fd)) {
            g_test_message("the kernel has no aio=%s for us", c->aio);
        }
    } else {
        n = node_open_filename(path, o, BLK_O_RDWR | BLK_O_NO_FLUSH,
                               &error_abort);
    }
    l->rng = g_rand_new_with_seed(3);
    l->blk = blk_new("", BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE,
                     BLK_PERM_ALL);
    blk_insert_node(l->blk, n, &error_abort);
    bql_lock();
    for (int i = 0; i < DEPTH; i++) {
        l->slots[i].load = l;
        l->slots[i].buf = node_buffer(n, BLOCK);
        next(&l->slots[i]);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        BlockNode *f = filter_over(n);

        g_assert_true(node_replace(n, f, &error_abort));
        g_assert(blk_node(l->blk) == f);
        run_for(l, 3);
        g_assert_true(node_replace(f, n, &error_abort));
        g_assert(blk_node(l->blk) == n);
        node_unref(f);
        run_for(l, 3);
    }
    l->stop = true;
    blk_drain(l->blk);
    bql_unlock();
    g_assert_cmpuint(l->errors, ==, 0);
    for (int i = 0; i < BLOCKS; i++) {
        uint8_t buf[BLOCK];

        g_assert_cmpint(blk_pread(l->blk, (uint64_t)i * BLOCK, buf, BLOCK), ==,
                        0);
        g_assert_cmpint(buf[0], ==, l->model[i]);
        g_assert(!memcmp(buf, buf + 1, BLOCK - 1));
    }
    blk_unref(l->blk);
    node_unref(n);
    unlink(path);
    g_rand_free(l->rng);
    for (int i = 0; i < DEPTH; i++) {
        free(l->slots[i].buf);
    }
    g_free(l);
}

static void count(void *opaque, int ret)
{
    g_assert_cmpint(ret, ==, 0);
    ++*(unsigned *)opaque;
}

/* Draining does not wait for what a limit of one request a second allows. */
static void test_throttle(void)
{
    ThrottleConfig cfg = { .b[THROTTLE_OPS_TOTAL] = { .avg = 1 } };
    Throttle *group = throttle_group_ref("slow");
    uint8_t buf[512] = { 0 };
    struct iovec iov = { buf, sizeof(buf) };
    QObject *o = qdict_new(), *file = qdict_new();
    int64_t start = g_get_monotonic_time();
    BlockBackend *blk;
    unsigned done = 0;
    BlockNode *n;

    throttle_set(group, &cfg);
    qdict_put_str(o, "driver", "throttle");
    qdict_put_str(o, "throttle-group", "slow");
    qdict_put_str(file, "driver", "null-co");
    qdict_put(o, "file", file);
    n = node_open(o, BLK_O_RDWR, &error_abort);
    blk = blk_new("", BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE,
                  BLK_PERM_ALL);
    blk_insert_node(blk, n, &error_abort);
    bql_lock();
    for (int i = 0; i < 20; i++) {
        blk_aio_pwritev(blk, 0, &iov, 1, 0, count, &done);
    }
    block_pause_begin(); /* alike */
    block_pause_end();
    for (int i = 0; i < 20; i++) {
        blk_aio_pwritev(blk, 0, &iov, 1, 0, count, &done);
    }
    blk_drain(blk);
    g_assert_cmpuint(done, ==, 40);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 15000000);
    bql_unlock();
    blk_unref(blk);
    node_unref(n);
    throttle_group_unref(group);
}

int main(int argc, char **argv)
{
    static const Case cases[] = {
        { "/block/graph/filter-raw", "raw", NULL },
        { "/block/graph/filter-qcow2", "qcow2", NULL },
        { "/block/graph/filter-raw-native", "raw", "native" },
        { "/block/graph/filter-qcow2-native", "qcow2", "native" },
        { "/block/graph/filter-raw-io_uring", "raw", "io_uring" },
        { "/block/graph/filter-qcow2-io_uring", "qcow2", "io_uring" },
    };

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_BLOCK);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_test_add_data_func(cases[i].name, &cases[i], test_filter);
    }
    g_test_add_func("/block/graph/throttle-drain", test_throttle);
    return g_test_run();
}
