/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `blkverify`: every write goes to two images, and what they read must be
 * equal.  For tests of formats: "blkverify:RAW:TEST" or children "raw" and
 * "test".  A difference is reported and fails the request.
 */
#include "osdep.h"
#include "block/filter.h"
#include "util/module.h"
#include "util/option.h"

typedef struct VerifyState {
    BlockEdge *raw, *test;
} VerifyState;

static bool names_to_children(QObject *opts, Error **errp)
{
    g_autofree char *name = NULL;
    const char *raw, *test;
    QObject *r, *t;

    if (!opts_take_str(opts, "filename", &name, errp)) {
        return false;
    }
    if (!name) {
        return true;
    }
    raw = g_str_has_prefix(name, "blkverify:") ? name + 10 : name;
    test = strchr(raw, ':');
    if (!test) {
        error_setg(errp, "blkverify requires raw copy and original image path");
        return false;
    }
    r = qdict_new();
    qdict_put_str(r, "filename", "");
    qdict_put(r, "filename", qstring_new_len(raw, test - raw));
    t = qdict_new();
    {
        QObject *file = qdict_new();

        qdict_put_str(file, "filename", test + 1);
        qdict_put(t, "file", file);
    }
    qdict_put(opts, "raw", r);
    qdict_put(opts, "test", t);
    return true;
}

static bool verify_open(BlockNode *n, QObject *opts, Error **errp)
{
    VerifyState *s = n->state;

    if (!names_to_children(opts, errp)) {
        return false;
    }
    s->raw = node_open_child(n, opts, "raw", errp);
    s->test = s->raw ? node_open_child(n, opts, "test", errp) : NULL;
    if (!s->test) {
        return false;
    }
    n->length = s->test->node->length;
    n->request_alignment = MAX(s->raw->node->request_alignment,
                               s->test->node->request_alignment);
    n->mem_alignment = MAX(s->raw->node->mem_alignment,
                           s->test->node->mem_alignment);
    n->supported_zero_flags = BLK_REQ_MAY_UNMAP;
    n->supported_write_flags = BLK_REQ_FUA;
    g_free(n->filename);
    n->filename = g_strdup_printf("blkverify:%s:%s",
                                  s->raw->node->filename,
                                  s->test->node->filename);
    return true;
}

static int disagree(const char *op, uint64_t offset, uint64_t bytes,
                    const char *how, int raw, int test)
{
    error_report("blkverify: %s offset=%" PRIu64 " bytes=%" PRIu64 " %s "
                 "(raw %d, test %d)", op, offset, bytes, how, raw, test);
    return -EIO;
}

static int verify_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                         BlockVec v)
{
    VerifyState *s = n->state;
    int test = node_preadv(s->test->node, offset, bytes, v, 0);
    uint8_t *a, *b;
    int raw;

    a = node_buffer(s->raw->node, bytes);
    b = g_try_malloc(bytes);
    if (!a || !b) {
        free(a);
        g_free(b);
        return -ENOMEM;
    }
    raw = node_pread(s->raw->node, offset, a, bytes);
    if (raw != test) {
        test = disagree("read", offset, bytes, "results differ", raw, test);
    } else if (test == 0) {
        block_vec_to_buf(v, b, bytes);
        for (uint64_t i = 0; memcmp(a, b, bytes) && i < bytes; i++) {
            if (a[i] != b[i]) {
                test = disagree("read", offset + i, bytes, "contents mismatch",
                                a[i], b[i]);
                break;
            }
        }
    }
    free(a);
    g_free(b);
    return test;
}

static int verify_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v, unsigned flags)
{
    VerifyState *s = n->state;
    int test = node_pwritev(s->test->node, offset, bytes, v, flags);
    int raw = node_pwritev(s->raw->node, offset, bytes, v, flags);

    return raw == test ? test : disagree("write", offset, bytes,
                                         "results differ", raw, test);
}

static int verify_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                         unsigned flags)
{
    VerifyState *s = n->state;
    int test = node_pwrite_zeroes(s->test->node, offset, bytes, flags);
    int raw = node_pwrite_zeroes(s->raw->node, offset, bytes, flags);

    return raw == test ? test : disagree("write zeroes", offset, bytes,
                                         "results differ", raw, test);
}

static int64_t verify_getlength(BlockNode *n)
{
    VerifyState *s = n->state;

    return node_getlength(s->test->node);
}

static const BlockDriver driver_blkverify = {
    .name = "blkverify",
    .kind = BLK_FORMAT,
    .protocol = "blkverify",
    .state_size = sizeof(VerifyState),
    .open = verify_open,
    .preadv = verify_preadv,
    .pwritev = verify_pwritev,
    .pwrite_zeroes = verify_zeroes,
    .getlength = verify_getlength,
};

static void blkverify_register(void)
{
    block_driver_register(&driver_blkverify);
}
block_init(blkverify_register)
