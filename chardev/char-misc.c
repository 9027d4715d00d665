/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "ringbuf": keeps the last bytes that were written, for ringbuf-read.
 * "testdev": a guest that writes "Nq" ends the emulator with status 2N+1, as
 * test suites expect it of this back end.
 */
#include "osdep.h"
#include "char-int.h"
#include "util/module.h"
#include "util/option.h"

#define RINGBUF_SIZE (64 * KiB)
#define RINGBUF_MAX  (1 * GiB)

typedef struct RingChardev {
    Chardev chr;
    uint8_t *buf;
    uint64_t size;         /* a power of two */
    uint64_t head, tail;   /* written, read; never wrap */
} RingChardev;

static const char *const ring_opts[] = { "size", NULL };

static int ring_write(Chardev *chr, const uint8_t *buf, int len)
{
    RingChardev *s = (RingChardev *)chr;

    for (int i = 0; i < len; i++) {
        s->buf[s->head++ & (s->size - 1)] = buf[i];
    }
    if (s->head - s->tail > s->size) {
        s->tail = s->head - s->size;
    }
    return len;
}

static bool ring_open(Chardev *chr, QObject *opts, Error **errp)
{
    RingChardev *s = (RingChardev *)chr;

    s->size = RINGBUF_SIZE;
    if (!opts_take_size(opts, "size", &s->size, errp)) {
        return false;
    }
    if (!s->size || (s->size & (s->size - 1)) || s->size > RINGBUF_MAX) {
        error_setg(errp, "size of ringbuf chardev must be power of two, at "
                         "most 1 GiB");
        return false;
    }
    s->buf = g_malloc0(s->size);
    chr_set_filename(chr, g_strdup("ringbuf"));
    return true;
}

static void ring_close(Chardev *chr)
{
    g_free(((RingChardev *)chr)->buf);
}

static const ChardevDriver ring_info = {
    .name = "ringbuf", .alias = "memory", .size = sizeof(RingChardev),
    .opts = ring_opts, .open = ring_open, .close = ring_close,
    .write = ring_write,
};

static RingChardev *find_ring(const char *id, Error **errp)
{
    Chardev *chr = chr_find(id);

    if (!chr) {
        error_setg(errp, "Device '%s' not found", id);
        return NULL;
    }
    if (chr->info != &ring_info) {
        error_setg(errp, "%s is not a ringbuf device", id);
        return NULL;
    }
    return (RingChardev *)chr;
}

GByteArray *chr_ringbuf_read(const char *id, int64_t max, Error **errp)
{
    RingChardev *s = find_ring(id, errp);
    GByteArray *out;

    if (!s) {
        return NULL;
    }
    if (max <= 0) {
        error_setg(errp, "size must be greater than zero");
        return NULL;
    }
    out = g_byte_array_new();
    for (; s->tail < s->head && max; max--) {
        g_byte_array_append(out, &s->buf[s->tail++ & (s->size - 1)], 1);
    }
    return out;
}

bool chr_ringbuf_write(const char *id, const uint8_t *buf, size_t len,
                       Error **errp)
{
    RingChardev *s = find_ring(id, errp);

    if (s) {
        ring_write(&s->chr, buf, len);
    }
    return s != NULL;
}

/* --- testdev --- */

typedef struct TestChardev {
    Chardev chr;
    unsigned number;
} TestChardev;

static int test_write(Chardev *chr, const uint8_t *buf, int len)
{
    TestChardev *s = (TestChardev *)chr;

    for (int i = 0; i < len; i++) {
        if (g_ascii_isdigit(buf[i])) {
            s->number = s->number * 10 + (buf[i] - '0');
        } else if (buf[i] == 'q') {
            exit((s->number << 1 | 1) & 0xff);
        } else {
            s->number = 0;
        }
    }
    return len;
}

static bool test_open(Chardev *chr, QObject *opts, Error **errp)
{
    return true;
}

static const ChardevDriver test_info = {
    .name = "testdev", .size = sizeof(TestChardev), .open = test_open,
    .write = test_write,
};

static void char_misc_register(void)
{
    chr_driver_register(&ring_info);
    chr_driver_register(&test_info);
}
chardev_init(char_misc_register)
