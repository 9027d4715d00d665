/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object rng-egd: random bytes from an Entropy Gathering Daemon at the other
 * end of a character device.  The protocol's command 2 with a count byte is
 * answered by that many bytes, when they are there (EGD's own README).
 */
#include "osdep.h"
#include "chardev/char.h"
#include "util/module.h"
#include "util/rng.h"

#define EGD_READ_BLOCKING 2
#define EGD_MAX 255

typedef struct RngEgd {
    RngBackend rng;
    CharFrontend chr;
    bool connected;
    size_t asked;        /* bytes that the daemon still owes us */
    uint8_t buf[EGD_MAX];
    size_t have;
} RngEgd;

static void egd_ask(RngEgd *s)
{
    RngRequest *r = rng_next(&s->rng);

    if (r && !s->asked && s->connected) {
        size_t n = MIN(r->size, EGD_MAX);
        uint8_t cmd[2] = { EGD_READ_BLOCKING, n };

        s->asked = n;
        s->have = 0;
        chr_fe_write_all(&s->chr, cmd, sizeof(cmd));
    }
}

static void egd_more(RngBackend *rng)
{
    egd_ask((RngEgd *)rng);
}

static int egd_can_read(void *opaque)
{
    return ((RngEgd *)opaque)->asked;
}

static void egd_read(void *opaque, const uint8_t *buf, int len)
{
    RngEgd *s = opaque;
    RngRequest *r;

    len = MIN((size_t)len, s->asked);
    memcpy(s->buf + s->have, buf, len);
    s->have += len;
    s->asked -= len;
    if (s->asked) {
        return;
    }
    r = rng_next(&s->rng);
    if (r) {
        /* The one that asked may be gone: its bytes serve the next. */
        rng_deliver(&s->rng, s->buf, MIN(s->have, r->size));
    }
    egd_ask(s);
}

static void egd_event(void *opaque, ChrEvent ev)
{
    RngEgd *s = opaque;

    if (ev == CHR_EVENT_OPENED) {
        s->connected = true;
        s->asked = 0; /* a new daemon knows nothing of it */
        egd_ask(s);
    } else if (ev == CHR_EVENT_CLOSED) {
        s->connected = false;
    }
}

static void egd_init(Object *obj)
{
    ((RngEgd *)obj)->rng.more = egd_more;
}

static bool egd_complete(Object *obj, Error **errp)
{
    RngEgd *s = (RngEgd *)obj;

    if (!chr_fe_connected(&s->chr)) {
        error_setg(errp, "Parameter 'chardev' is missing");
        return false;
    }
    s->connected = chr_fe_backend_open(&s->chr);
    chr_fe_set_handlers(&s->chr, egd_can_read, egd_read, egd_event, s);
    return true;
}

static const Property egd_props[] = {
    PROP_CHARDEV("chardev", RngEgd, chr),
    PROP_END(),
};

static const ObjectType egd_type = {
    .name = "rng-egd", .parent = "rng-backend", .user_creatable = true,
    .size = sizeof(RngEgd), .props = egd_props, .init = egd_init,
    .complete = egd_complete,
};

static void egd_register(void)
{
    object_type_register(&egd_type);
}
object_init(egd_register)
