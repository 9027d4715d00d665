/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filter `throttle`: requests wait on their worker until the group's buckets
 * have room.  The limits are those of the object "throttle-group".
 */
#include "osdep.h"
#include "block/filter.h"
#include "block/throttle.h"
#include "util/module.h"
#include "util/option.h"

typedef struct ThrottleState {
    Throttle *group;
} ThrottleState;

static bool throttle_open(BlockNode *n, QObject *opts, Error **errp)
{
    ThrottleState *s = n->state;
    g_autofree char *name = NULL;

    if (!opts_take_str(opts, "throttle-group", &name, errp)) {
        return false;
    }
    if (!name) {
        error_setg(errp, "Please specify a throttle group");
        return false;
    }
    if (!throttle_group_exists(name)) {
        error_setg(errp, "Throttle group '%s' does not exist", name);
        return false;
    }
    if (!filter_open_file(n, opts, errp)) {
        return false;
    }
    s->group = throttle_group_ref(name);
    return true;
}

static void throttle_close(BlockNode *n)
{
    ThrottleState *s = n->state;

    throttle_group_unref(s->group);
}

static void pay(BlockNode *n, bool write, uint64_t bytes)
{
    ThrottleState *s = n->state;

    throttle_wait(s->group, write, bytes);
}

static int throttle_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                           BlockVec v)
{
    pay(n, false, bytes);
    return filter_preadv(n, offset, bytes, v);
}

static int throttle_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                            BlockVec v, unsigned flags)
{
    pay(n, true, bytes);
    return filter_pwritev(n, offset, bytes, v, flags);
}

static int throttle_compressed(BlockNode *n, uint64_t offset, uint64_t bytes,
                               BlockVec v)
{
    pay(n, true, bytes);
    return filter_pwritev_compressed(n, offset, bytes, v);
}

static int throttle_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                           unsigned flags)
{
    pay(n, true, bytes);
    return filter_pwrite_zeroes(n, offset, bytes, flags);
}

static int throttle_discard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    pay(n, true, bytes);
    return filter_pdiscard(n, offset, bytes);
}

static const BlockDriver driver_throttle = {
    .name = "throttle",
    .kind = BLK_FILTER,
    .state_size = sizeof(ThrottleState),
    .open = throttle_open,
    .close = throttle_close,
    .preadv = throttle_preadv,
    .pwritev = throttle_pwritev,
    .pwritev_compressed = throttle_compressed,
    .pwrite_zeroes = throttle_zeroes,
    .pdiscard = throttle_discard,
    .getlength = filter_getlength,
};

static void throttle_register(void)
{
    block_driver_register(&driver_throttle);
}
block_init(throttle_register)
