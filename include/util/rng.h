/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources of random bytes for guests: objects rng-random, rng-builtin and
 * rng-egd.  Main loop, BQL.
 */
#ifndef UTIL_RNG_H
#define UTIL_RNG_H

#include "util/list.h"
#include "util/object.h"
#include "util/property.h"

typedef struct RngBackend RngBackend;
/* 1..size bytes; fewer than asked for is not an error. */
typedef void RngReceive(void *opaque, const uint8_t *data, size_t n);

/* A device's property "rng": an object's id, held until the device goes. */
extern const PropertyInfo prop_link_rng;
#define PROP_RNG(n, S, f) PROP_(n, S, f, RngBackend *, prop_link_rng, 0)

/* Asks for up to @size (> 0) bytes; @fn is called once, later, in the order
 * of the requests, unless rng_cancel(@opaque) comes first. */
void rng_request(RngBackend *rng, size_t size, RngReceive *fn, void *opaque);
void rng_cancel(RngBackend *rng, void *opaque);

/* For implementations, which embed it first and set `more` in init. */
typedef struct RngRequest {
    ListNode node;
    size_t size;
    RngReceive *fn;
    void *opaque;
} RngRequest;

struct RngBackend {
    Object obj;
    ListNode requests;   /* RngRequest.node, oldest first */
    /* A request came (or the last one was cancelled: the list is empty). */
    void (*more)(RngBackend *rng);
};

/* NULL: nobody waits. */
RngRequest *rng_next(RngBackend *rng);
/* Gives the oldest request its bytes and ends it. */
void rng_deliver(RngBackend *rng, const uint8_t *data, size_t n);

#endif
