/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects filter-mirror, which copies frames to a character device, and
 * filter-redirector, which hands them to one instead of passing them on, and
 * puts frames that come from another one on the cable.
 *
 * On the character device a frame is preceded by its length and, with
 * vnet_hdr_support, by the length of the virtio-net header in it; 32 bits
 * each, big-endian.
 */
#include "osdep.h"
#include "filter.h"
#include "chardev/char.h"
#include "util/module.h"

typedef struct FilterMirror {
    NetFilter filter;
    char *indev, *outdev;
    bool vnet_hdr_support;
    CharFrontend in, out;
    /* The frame that comes in: lengths, then data. */
    uint8_t head[8];
    unsigned head_len;
    uint32_t size, have;
    uint8_t *buf;
} FilterMirror;

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v >> 24;
    p[1] = v >> 16;
    p[2] = v >> 8;
    p[3] = v;
}

static void send_copy(FilterMirror *s, NetClient *sender,
                      const struct iovec *iov, int n)
{
    size_t len = iov_total(iov, n);
    unsigned head = s->vnet_hdr_support ? 8 : 4;
    g_autofree uint8_t *buf = g_malloc(head + len);

    put32(buf, len);
    if (s->vnet_hdr_support) {
        put32(buf + 4, sender->vnet_hdr_len);
    }
    iov_copy_out(iov, n, 0, buf + head, len);
    chr_fe_write_all(&s->out, buf, head + len);
}

static bool mirror_frame(NetFilter *f, NetClient *sender,
                         const struct iovec *iov, int n)
{
    send_copy((FilterMirror *)f, sender, iov, n);
    return false;
}

static bool redirect_frame(NetFilter *f, NetClient *sender,
                           const struct iovec *iov, int n)
{
    FilterMirror *s = (FilterMirror *)f;

    if (!s->outdev || !chr_fe_backend_open(&s->out)) {
        return false;
    }
    send_copy(s, sender, iov, n);
    return true;
}

/* ---- frames that come in ------------------------------------------------- */

static void inject(FilterMirror *s)
{
    NetFilter *f = &s->filter;
    struct iovec iov = { s->buf, s->size };

    if (!f->nc || !f->on || !s->size) {
        return;
    }
    if (f->queue != NET_FILTER_RX) { /* as if the netdev sent it */
        net_filter_pass(f, f->nc, &iov, 1);
    }
    if (f->queue != NET_FILTER_TX && f->nc && f->nc->peer) {
        net_filter_pass(f, f->nc->peer, &iov, 1);
    }
}

static int in_can_read(void *opaque)
{
    return 65536;
}

static void in_read(void *opaque, const uint8_t *buf, int len)
{
    FilterMirror *s = opaque;
    unsigned head = s->vnet_hdr_support ? 8 : 4;

    while (len > 0) {
        uint32_t part;

        if (s->head_len < head) {
            s->head[s->head_len++] = *buf++;
            len--;
            if (s->head_len < head) {
                continue;
            }
            s->size = (uint32_t)s->head[0] << 24 | s->head[1] << 16 |
                      s->head[2] << 8 | s->head[3];
            s->have = 0;
            if (s->size > NET_MAX_FRAME) {
                warn_report("filter-redirector %s: a frame of %u bytes was "
                            "announced: indev is read no more",
                            s->filter.obj.name, s->size);
                chr_fe_set_handlers(&s->in, NULL, NULL, NULL, NULL);
                return;
            }
        }
        part = MIN((uint32_t)len, s->size - s->have);
        memcpy(s->buf + s->have, buf, part);
        s->have += part;
        buf += part;
        len -= part;
        if (s->have == s->size) {
            s->head_len = 0;
            inject(s);
        }
    }
}

static void in_event(void *opaque, ChrEvent ev)
{
    FilterMirror *s = opaque;

    if (ev == CHR_EVENT_CLOSED) { /* a new stream begins with a length */
        s->head_len = 0;
    }
}

/* ---- life ---------------------------------------------------------------- */

static bool open_chardev(CharFrontend *fe, const char *prop, const char *id,
                         Error **errp)
{
    Chardev *chr = chr_find(id);

    if (!chr) {
        error_setg(errp, "%s: character device '%s' not found", prop, id);
        return false;
    }
    return chr_fe_init(fe, chr, errp);
}

static void mirror_init(Object *obj)
{
    ((FilterMirror *)obj)->filter.receive = mirror_frame;
}

static void redirector_init(Object *obj)
{
    ((FilterMirror *)obj)->filter.receive = redirect_frame;
}

static bool mirror_complete(Object *obj, Error **errp)
{
    FilterMirror *s = (FilterMirror *)obj;

    if (!s->outdev) {
        error_setg(errp, "filter-mirror needs 'outdev' property set");
        return false;
    }
    return open_chardev(&s->out, "outdev", s->outdev, errp) &&
           net_filter_attach(&s->filter, errp);
}

static bool redirector_complete(Object *obj, Error **errp)
{
    FilterMirror *s = (FilterMirror *)obj;

    if (!s->indev && !s->outdev) {
        error_setg(errp, "filter redirector needs 'indev' or 'outdev' at "
                         "least one property set");
        return false;
    }
    if (!g_strcmp0(s->indev, s->outdev)) {
        error_setg(errp, "'indev' and 'outdev' could not be same for filter "
                         "redirector");
        return false;
    }
    if (s->outdev && !open_chardev(&s->out, "outdev", s->outdev, errp)) {
        return false;
    }
    if (s->indev) {
        if (!open_chardev(&s->in, "indev", s->indev, errp)) {
            return false;
        }
        s->buf = g_malloc(NET_MAX_FRAME);
    }
    if (!net_filter_attach(&s->filter, errp)) {
        return false;
    }
    if (s->indev) {
        chr_fe_set_handlers(&s->in, in_can_read, in_read, in_event, s);
    }
    return true;
}

static void mirror_finalize(Object *obj)
{
    FilterMirror *s = (FilterMirror *)obj;

    net_filter_detach(&s->filter);
    chr_fe_deinit(&s->in);
    chr_fe_deinit(&s->out);
    g_free(s->buf);
}

static const Property mirror_props[] = {
    PROP_STR("outdev", FilterMirror, outdev),
    PROP_BOOL("vnet_hdr_support", FilterMirror, vnet_hdr_support, false),
    PROP_END(),
};

static const Property redirector_props[] = {
    PROP_STR("indev", FilterMirror, indev),
    PROP_STR("outdev", FilterMirror, outdev),
    PROP_BOOL("vnet_hdr_support", FilterMirror, vnet_hdr_support, false),
    PROP_END(),
};

static const ObjectType types[] = {
    {
        .name = "filter-mirror", .parent = FILTER_TYPE, .user_creatable = true,
        .size = sizeof(FilterMirror), .props = mirror_props,
        .init = mirror_init, .complete = mirror_complete,
        .finalize = mirror_finalize,
    },
    {
        .name = "filter-redirector", .parent = FILTER_TYPE,
        .user_creatable = true, .size = sizeof(FilterMirror),
        .props = redirector_props, .init = redirector_init,
        .complete = redirector_complete, .finalize = mirror_finalize,
    },
};

static void mirror_register(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        object_type_register(&types[i]);
    }
}
object_init(mirror_register)
