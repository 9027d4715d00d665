/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object filter-buffer: holds frames and lets them go each `interval`. */
#include "osdep.h"
#include "filter.h"
#include "util/module.h"
#include "util/timer.h"

#define HELD_MAX 16384 /* frames; then they go at once */

typedef struct HeldFrame {
    ListNode node;
    NetClient *sender;
    size_t len;
    uint8_t data[];
} HeldFrame;

typedef struct FilterBuffer {
    NetFilter filter;
    uint32_t interval; /* us */
    ListNode held;
    unsigned count;
    Timer timer;
} FilterBuffer;

static void let_go(NetFilter *f)
{
    FilterBuffer *s = (FilterBuffer *)f;
    ListNode now = LIST_INIT(now);

    /* What these frames set off is held anew. */
    while (!list_empty(&s->held)) {
        HeldFrame *h = list_first(&s->held, HeldFrame, node);

        list_remove(&h->node);
        list_append(&now, &h->node);
    }
    s->count = 0;
    while (!list_empty(&now)) {
        HeldFrame *h = list_first(&now, HeldFrame, node);
        struct iovec iov = { h->data, h->len };

        list_remove(&h->node);
        /* Its sender may have left the cable meanwhile. */
        if (f->nc && (h->sender == f->nc || h->sender == f->nc->peer)) {
            net_filter_pass(f, h->sender, &iov, 1);
        }
        g_free(h);
    }
}

static void buffer_tick(void *opaque)
{
    FilterBuffer *s = opaque;

    let_go(&s->filter);
}

static bool buffer_frame(NetFilter *f, NetClient *sender,
                         const struct iovec *iov, int n)
{
    FilterBuffer *s = (FilterBuffer *)f;
    size_t len = iov_total(iov, n);
    HeldFrame *h;

    if (s->count >= HELD_MAX) {
        let_go(f);
    }
    h = g_malloc(sizeof(*h) + len);
    h->sender = sender;
    h->len = len;
    iov_copy_out(iov, n, 0, h->data, len);
    if (list_empty(&s->held)) {
        timer_mod_us(&s->timer, s->interval);
    }
    list_append(&s->held, &h->node);
    s->count++;
    return true;
}

static void buffer_init(Object *obj)
{
    FilterBuffer *s = (FilterBuffer *)obj;

    list_init(&s->held);
    s->filter.receive = buffer_frame;
    s->filter.release = let_go;
    timer_init_virtual(&s->timer, buffer_tick, s);
}

static bool buffer_complete(Object *obj, Error **errp)
{
    FilterBuffer *s = (FilterBuffer *)obj;

    if (s->interval == 0) {
        error_setg(errp, "Parameter 'interval' is required and must be "
                         "greater than zero");
        return false;
    }
    return net_filter_attach(&s->filter, errp);
}

static void buffer_finalize(Object *obj)
{
    FilterBuffer *s = (FilterBuffer *)obj;

    net_filter_detach(&s->filter);
    timer_del(&s->timer);
    while (!list_empty(&s->held)) {
        HeldFrame *h = list_first(&s->held, HeldFrame, node);

        list_remove(&h->node);
        g_free(h);
    }
}

static const Property buffer_props[] = {
    PROP_UINT32("interval", FilterBuffer, interval, 0),
    PROP_END(),
};

static const ObjectType buffer_type = {
    .name = "filter-buffer", .parent = FILTER_TYPE, .user_creatable = true,
    .size = sizeof(FilterBuffer), .props = buffer_props, .init = buffer_init,
    .complete = buffer_complete, .finalize = buffer_finalize,
};

static void buffer_register(void)
{
    object_type_register(&buffer_type);
}
object_init(buffer_register)
