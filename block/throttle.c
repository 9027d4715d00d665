/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaky buckets.  A bucket leaks `avg` units a second; a request fits as long
 * as the level is below the bucket's size (a tenth of a second's worth, or the
 * burst allowance), and then adds itself, so the level may overshoot by one
 * request, whatever its size.
 */
#include "osdep.h"
#include "block/backend-int.h"
#include "util/option.h"

static ListNode groups = LIST_INIT(groups);
static atomic_uint drains; /* who waits for the workers now */

bool throttle_enabled(const ThrottleConfig *cfg)
{
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (cfg->b[i].avg > 0) {
            return true;
        }
    }
    return false;
}

bool throttle_check(const ThrottleConfig *cfg, Error **errp)
{
    const ThrottleBucket *b = cfg->b;

    for (int k = 0; k < 2; k++) {
        const ThrottleBucket *t = &b[k * 3];

        if ((t[0].avg && (t[1].avg || t[2].avg)) ||
            (t[0].max && (t[1].max || t[2].max))) {
            error_setg(errp, "bps/iops/max total values and read/write values "
                       "cannot be used at the same time");
            return false;
        }
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (b[i].avg < 0 || b[i].max < 0 || b[i].avg > 1e15 ||
            b[i].max > 1e15) {
            error_setg(errp, "bps/iops/max values must be within [0, 1e15]");
            return false;
        }
        if (b[i].max && !b[i].avg) {
            error_setg(errp, "bps_max/iops_max require corresponding bps/iops "
                       "values");
            return false;
        }
        if (b[i].max && b[i].max < b[i].avg) {
            error_setg(errp, "bps_max/iops_max cannot be lower than bps/iops");
            return false;
        }
        if (b[i].burst_length > 1 && !b[i].max) {
            error_setg(errp, "burst length set without burst rate");
            return false;
        }
    }
    if (cfg->op_size && !b[THROTTLE_OPS_TOTAL].avg &&
        !b[THROTTLE_OPS_READ].avg && !b[THROTTLE_OPS_WRITE].avg) {
        error_setg(errp, "iops size requires an iops value to be set");
        return false;
    }
    return true;
}

bool throttle_take_opts(QObject *opts, ThrottleConfig *cfg, char **group,
                        Error **errp)
{
    static const struct {
        const char *name, *old;
    } keys[THROTTLE_BUCKETS] = {
        [THROTTLE_BPS_TOTAL] = { "bps-total", "bps" },
        [THROTTLE_BPS_READ] = { "bps-read", "bps_rd" },
        [THROTTLE_BPS_WRITE] = { "bps-write", "bps_wr" },
        [THROTTLE_OPS_TOTAL] = { "iops-total", "iops" },
        [THROTTLE_OPS_READ] = { "iops-read", "iops_rd" },
        [THROTTLE_OPS_WRITE] = { "iops-write", "iops_wr" },
    };

    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        g_autofree char *avg = g_strdup_printf("throttling.%s", keys[i].name);
        g_autofree char *max = g_strdup_printf("%s-max", avg);
        g_autofree char *len = g_strdup_printf("%s-max-length", avg);
        g_autofree char *old_max = g_strdup_printf("%.*s_max%s",
            (int)strcspn(keys[i].old, "_"), keys[i].old,
            keys[i].old + strcspn(keys[i].old, "_"));
        g_autofree char *old_len = g_strdup_printf("%s_length", old_max);
        uint64_t a = 0, m = 0, l = 1;

        if (!opts_take_u64(opts, keys[i].old, &a, errp) ||
            !opts_take_u64(opts, avg, &a, errp) ||
            !opts_take_u64(opts, old_max, &m, errp) ||
            !opts_take_u64(opts, max, &m, errp) ||
            !opts_take_u64(opts, old_len, &l, errp) ||
            !opts_take_u64(opts, len, &l, errp)) {
            return false;
        }
        if (l == 0 || l > UINT32_MAX) {
            error_setg(errp, "the burst length cannot be 0");
            return false;
        }
        cfg->b[i].avg = a;
        cfg->b[i].max = m;
        cfg->b[i].burst_length = l;
    }
    if (!opts_take_u64(opts, "iops_size", &cfg->op_size, errp) ||
        !opts_take_u64(opts, "throttling.iops-size", &cfg->op_size, errp) ||
        !opts_take_str(opts, "group", group, errp) ||
        !opts_take_str(opts, "throttling.group", group, errp)) {
        return false;
    }
    return throttle_check(cfg, errp);
}

/* ---- buckets ------------------------------------------------------------------ */

static void leak(Throttle *t, int64_t now)
{
    double dt = (double)(now - t->last_ns) / NSEC_PER_SEC;

    t->last_ns = now;
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        ThrottleBucket *b = &t->cfg.b[i];

        b->level = MAX(b->level - b->avg * dt, 0);
        if (b->burst_length > 1) {
            b->burst_level = MAX(b->burst_level - b->max * dt, 0);
        }
    }
}

/* Nanoseconds until one more fits. */
static int64_t bucket_wait(const ThrottleBucket *b)
{
    double size, extra;

    if (!b->avg) {
        return 0;
    }
    size = b->max ? b->max * b->burst_length : b->avg / 10;
    extra = b->level - size;
    if (extra > 0) {
        return extra / b->avg * NSEC_PER_SEC;
    }
    if (b->burst_length > 1) {
        extra = b->burst_level - b->max / 10;
        if (extra > 0) {
            return extra / b->max * NSEC_PER_SEC;
        }
    }
    return 0;
}

static bool is_write(const BlockRequest *r)
{
    return r->op != BLK_OP_READ;
}

static const int buckets_of[2][4] = {
    { THROTTLE_BPS_TOTAL, THROTTLE_OPS_TOTAL, THROTTLE_BPS_READ,
      THROTTLE_OPS_READ },
    { THROTTLE_BPS_TOTAL, THROTTLE_OPS_TOTAL, THROTTLE_BPS_WRITE,
      THROTTLE_OPS_WRITE },
};

static int64_t wait_for(Throttle *t, bool write)
{
    int64_t wait = 0;

    for (int i = 0; i < 4; i++) {
        wait = MAX(wait, bucket_wait(&t->cfg.b[buckets_of[write][i]]));
    }
    return wait;
}

static void pay_for(Throttle *t, bool write, uint64_t bytes)
{
    double ops = t->cfg.op_size && bytes > t->cfg.op_size
                     ? (double)bytes / t->cfg.op_size : 1;

    for (int i = 0; i < 4; i++) {
        ThrottleBucket *b = &t->cfg.b[buckets_of[write][i]];
        double units = i % 2 ? ops : (double)bytes;

        b->level += units;
        b->burst_level += units;
    }
}

static void pay(Throttle *t, const BlockRequest *r)
{
    pay_for(t, is_write(r), r->bytes);
}

void throttle_wait(Throttle *t, bool write, uint64_t bytes)
{
    mutex_lock(&t->lock);
    while (throttle_enabled(&t->cfg)) {
        int64_t wait;

        leak(t, clock_ns(CLOCK_REALTIME_NS));
        wait = wait_for(t, write);
        if (wait == 0 || atomic_load(&drains)) {
            pay_for(t, write, bytes);
            break;
        }
        cond_wait_ns(&t->wake, &t->lock, wait);
    }
    mutex_unlock(&t->lock);
}

static void wake(Throttle *t)
{
    mutex_lock(&t->lock);
    cond_broadcast(&t->wake);
    mutex_unlock(&t->lock);
}

void throttle_drain_begin(void)
{
    Throttle *t;

    atomic_fetch_add(&drains, 1);
    list_foreach (t, &groups, node) {
        wake(t);
    }
}

void throttle_drain_end(void)
{
    atomic_fetch_sub(&drains, 1);
}

/* ---- groups ------------------------------------------------------------------- */

/* Starts what fits now; arms the timer for the rest. */
static void serve(Throttle *t)
{
    ListNode ready = LIST_INIT(ready);
    int64_t next = INT64_MAX, now = clock_ns(CLOCK_REALTIME_NS);
    BlockRequest *r, *tmp;

    mutex_lock(&t->lock);
    leak(t, now);
    for (int w = 0; w < 2; w++) {
        while (!list_empty(&t->queue[w])) {
            int64_t wait = wait_for(t, w);

            if (wait > 0) {
                next = MIN(next, wait);
                break;
            }
            r = list_first(&t->queue[w], BlockRequest, node);
            list_remove(&r->node);
            pay(t, r);
            list_append(&ready, &r->node);
        }
    }
    mutex_unlock(&t->lock);
    if (next != INT64_MAX) {
        timer_mod_at(&t->timer, now + next + 1);
    }
    list_foreach_safe (r, tmp, &ready, node) {
        list_remove(&r->node);
        blk_request_start(r);
    }
}

static void throttle_timer(void *opaque)
{
    serve(opaque);
}

bool throttle_admit(Throttle *t, BlockRequest *r)
{
    bool write = is_write(r), go;

    if (r->op == BLK_OP_FLUSH || !throttle_enabled(&t->cfg)) {
        return true;
    }
    mutex_lock(&t->lock);
    leak(t, clock_ns(CLOCK_REALTIME_NS));
    go = list_empty(&t->queue[write]) && wait_for(t, write) == 0;
    if (go) {
        pay(t, r);
    } else {
        list_append(&t->queue[write], &r->node);
    }
    mutex_unlock(&t->lock);
    if (!go) {
        serve(t);
    }
    return go;
}

static bool queued_here(Throttle *t, const BlockRequest *r)
{
    BlockRequest *o;

    list_foreach (o, &t->queue[is_write(r)], node) {
        if (o == r) {
            return true;
        }
    }
    return false;
}

bool throttle_cancel(Throttle *t, BlockRequest *r)
{
    bool found;

    mutex_lock(&t->lock);
    found = queued_here(t, r);
    if (found) {
        list_remove(&r->node);
    }
    mutex_unlock(&t->lock);
    return found;
}

void throttle_release(Throttle *t, BlockBackend *blk)
{
    ListNode ready = LIST_INIT(ready);
    BlockRequest *r, *tmp;

    mutex_lock(&t->lock);
    for (int w = 0; w < 2; w++) {
        list_foreach_safe (r, tmp, &t->queue[w], node) {
            if (r->blk == blk) {
                list_remove(&r->node);
                list_append(&ready, &r->node);
            }
        }
    }
    mutex_unlock(&t->lock);
    list_foreach_safe (r, tmp, &ready, node) {
        list_remove(&r->node);
        blk_request_start(r);
    }
}

bool throttle_group_exists(const char *name)
{
    Throttle *t;

    list_foreach (t, &groups, node) {
        if (!strcmp(t->name, name)) {
            return true;
        }
    }
    return false;
}

Throttle *throttle_group_ref(const char *name)
{
    Throttle *t;

    list_foreach (t, &groups, node) {
        if (!strcmp(t->name, name)) {
            t->refs++;
            return t;
        }
    }
    t = g_new0(Throttle, 1);
    t->name = g_strdup(name);
    t->refs = 1;
    mutex_init(&t->lock);
    cond_init(&t->wake);
    list_init(&t->queue[0]);
    list_init(&t->queue[1]);
    list_init(&t->members);
    t->last_ns = clock_ns(CLOCK_REALTIME_NS);
    timer_init(&t->timer, loop_main(), CLOCK_REALTIME_NS, throttle_timer, t);
    list_append(&groups, &t->node);
    return t;
}

void throttle_group_unref(Throttle *t)
{
    if (--t->refs == 0) {
        timer_del(&t->timer);
        list_remove(&t->node);
        cond_destroy(&t->wake);
        mutex_destroy(&t->lock);
        g_free(t->name);
        g_free(t);
    }
}

void blk_set_throttle_group(BlockBackend *blk, const char *name)
{
    Throttle *old = blk->throttle;

    blk->throttle = NULL;
    if (old) {
        throttle_release(old, blk);
        list_remove(&blk->throttle_node);
        throttle_group_unref(old);
    }
    if (name) {
        blk->throttle = throttle_group_ref(name);
        list_append(&blk->throttle->members, &blk->throttle_node);
    }
}

void throttle_set(Throttle *t, const ThrottleConfig *cfg)
{
    mutex_lock(&t->lock);
    t->cfg = *cfg;
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        t->cfg.b[i].level = t->cfg.b[i].burst_level = 0;
    }
    t->last_ns = clock_ns(CLOCK_REALTIME_NS);
    cond_broadcast(&t->wake);
    mutex_unlock(&t->lock);
    serve(t);
}
