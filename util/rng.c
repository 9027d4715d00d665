/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects rng-random (a file), rng-builtin (the host's getrandom()). */
#include "osdep.h"
#include "util/fdset.h"
#include "util/loop.h"
#include "util/module.h"
#include "util/rng.h"

#include <sys/random.h>

#define CHUNK 4096 /* bytes at once, whatever was asked for */

/* --- requests --- */

RngRequest *rng_next(RngBackend *rng)
{
    return list_empty(&rng->requests)
               ? NULL
               : list_first(&rng->requests, RngRequest, node);
}

void rng_request(RngBackend *rng, size_t size, RngReceive *fn, void *opaque)
{
    RngRequest *r = g_new0(RngRequest, 1);

    r->size = size;
    r->fn = fn;
    r->opaque = opaque;
    list_append(&rng->requests, &r->node);
    rng->more(rng);
}

void rng_deliver(RngBackend *rng, const uint8_t *data, size_t n)
{
    RngRequest *r = rng_next(rng);

    list_remove(&r->node);
    r->fn(r->opaque, data, n);
    g_free(r);
}

void rng_cancel(RngBackend *rng, void *opaque)
{
    RngRequest *r, *next;

    list_foreach_safe (r, next, &rng->requests, node) {
        if (r->opaque == opaque) {
            list_remove(&r->node);
            g_free(r);
        }
    }
    if (list_empty(&rng->requests)) {
        rng->more(rng);
    }
}

static void rng_init(Object *obj)
{
    list_init(&((RngBackend *)obj)->requests);
}

static void rng_finalize(Object *obj)
{
    RngBackend *rng = (RngBackend *)obj;
    RngRequest *r, *next;

    list_foreach_safe (r, next, &rng->requests, node) {
        list_remove(&r->node);
        g_free(r);
    }
}

/* --- rng-random --- */

typedef struct RngRandom {
    RngBackend rng;
    char *filename;
    int fd;
} RngRandom;

static void random_readable(void *opaque)
{
    RngRandom *s = opaque;
    RngRequest *r = rng_next(&s->rng);
    uint8_t buf[CHUNK];
    ssize_t n = read(s->fd, buf, MIN(r->size, sizeof(buf)));

    if (n > 0) {
        rng_deliver(&s->rng, buf, n);
        s->rng.more(&s->rng);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        /* The guest waits from here on, as for a device that broke. */
        error_report("rng-random '%s': cannot read '%s': %s",
                     s->rng.obj.name, s->filename,
                     n ? g_strerror(errno) : "end of file");
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    }
}

static void random_more(RngBackend *rng)
{
    RngRandom *s = (RngRandom *)rng;

    loop_set_fd(loop_main(), s->fd, rng_next(rng) ? random_readable : NULL,
                NULL, s);
}

static void random_init(Object *obj)
{
    RngRandom *s = (RngRandom *)obj;

    s->fd = -1;
    s->rng.more = random_more;
}

static bool random_complete(Object *obj, Error **errp)
{
    RngRandom *s = (RngRandom *)obj;

    s->fd = open_path(s->filename, O_RDONLY | O_NONBLOCK, 0);
    if (s->fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", s->filename);
        return false;
    }
    return true;
}

static void random_finalize(Object *obj)
{
    RngRandom *s = (RngRandom *)obj;

    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
        close(s->fd);
    }
}

static const Property random_props[] = {
    PROP_STR_DEF("filename", RngRandom, filename, "/dev/urandom"),
    PROP_END(),
};

/* --- rng-builtin --- */

typedef struct RngBuiltin {
    RngBackend rng;
    BH *bh;
} RngBuiltin;

static void builtin_serve(void *opaque)
{
    RngBuiltin *s = opaque;
    RngRequest *r = rng_next(&s->rng);
    uint8_t buf[CHUNK];
    size_t want, have = 0;

    if (!r) {
        return;
    }
    want = MIN(r->size, sizeof(buf));
    while (have < want) {
        ssize_t n = getrandom(buf + have, want - have, 0);

        if (n > 0) {
            have += n;
        } else if (errno != EINTR) {
            error_report("rng-builtin '%s': getrandom: %s", s->rng.obj.name,
                         g_strerror(errno));
            return;
        }
    }
    rng_deliver(&s->rng, buf, have);
    s->rng.more(&s->rng);
}

static void builtin_more(RngBackend *rng)
{
    if (rng_next(rng)) {
        bh_schedule(((RngBuiltin *)rng)->bh);
    }
}

static void builtin_init(Object *obj)
{
    RngBuiltin *s = (RngBuiltin *)obj;

    s->rng.more = builtin_more;
    s->bh = bh_new(loop_main(), builtin_serve, s);
}

static void builtin_finalize(Object *obj)
{
    bh_delete(((RngBuiltin *)obj)->bh);
}

/* --- types --- */

const PropertyInfo prop_link_rng = {
    .name = "link<rng-backend>", .set = prop_link_set, .get = prop_link_get,
    .release = prop_link_release,
};

static const ObjectType types[] = {
    { .name = "rng-backend", .abstract = true, .size = sizeof(RngBackend),
      .init = rng_init, .finalize = rng_finalize },
    { .name = "rng-random", .parent = "rng-backend", .user_creatable = true,
      .size = sizeof(RngRandom), .props = random_props, .init = random_init,
      .complete = random_complete, .finalize = random_finalize },
    { .name = "rng-builtin", .parent = "rng-backend", .user_creatable = true,
      .size = sizeof(RngBuiltin), .init = builtin_init,
      .finalize = builtin_finalize },
};

static void rng_register(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        object_type_register(&types[i]);
    }
}
object_init(rng_register)
