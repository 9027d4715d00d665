/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter is put in and taken out 1,000 times under a load of reads and
 * writes whose contents are verified.
 */
#include "osdep.h"
#include "block/block-int.h"
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
    uint8_t buf[BLOCK];
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

static BlockNode *filter_over(BlockNode *n)
{
    QObject *o = qdict_new();

    qdict_put_str(o, "driver", "blkdebug");
    qdict_put_str(o, "image", n->name);
    return node_open(o, BLK_O_RDWR, &error_abort);
}

static void test_filter(gconstpointer fmt)
{
    g_autofree char *path = NULL;
    g_autoptr(QObject) opts = json_parse("{\"size\": 1048576}", &error_abort);
    QObject *o = qdict_new();
    Load *l = g_new0(Load, 1);
    BlockNode *n;
    int fd = g_file_open_tmp("graph-XXXXXX", &path, NULL);

    close(fd);
    block_create(block_driver_find(fmt), path, opts, &error_abort);
    qdict_put_str(o, "driver", fmt);
    n = node_open_filename(path, o, BLK_O_RDWR | BLK_O_NO_FLUSH, &error_abort);
    l->rng = g_rand_new_with_seed(3);
    l->blk = blk_new("", BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE,
                     BLK_PERM_ALL);
    blk_insert_node(l->blk, n, &error_abort);
    bql_lock();
    for (int i = 0; i < DEPTH; i++) {
        l->slots[i].load = l;
        next(&l->slots[i]);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        BlockNode *f = filter_over(n);
        unsigned seen = l->done;

        g_assert_true(node_replace(n, f, &error_abort));
        g_assert(blk_node(l->blk) == f);
        while (l->done < seen + 3) {
            loop_run_once(loop_main(), true);
        }
        g_assert_true(node_replace(f, n, &error_abort));
        g_assert(blk_node(l->blk) == n);
        node_unref(f);
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
    g_free(l);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_BLOCK);
    g_test_add_data_func("/block/graph/filter-raw", "raw", test_filter);
    g_test_add_data_func("/block/graph/filter-qcow2", "qcow2", test_filter);
    return g_test_run();
}
