/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "qemu-vdagent" with a guest's agent of the test's own. */
#include "osdep.h"
#include "chardev/char.h"
#include "exec/runstate.h"
#include "ui/clipboard.h"
#include "ui/input.h"
#include "util/module.h"
#include "util/option.h"
#include "util/thread.h"

enum { MOUSE_STATE = 1, CLIPBOARD = 4, ANNOUNCE = 6, GRAB = 7, REQUEST = 8,
       RELEASE = 9 };

bool runstate_is_running(void)
{
    return true;
}

bool runstate_check(RunState s)
{
    return s == RUN_STATE_RUNNING;
}

bool system_wakeup_request(const char *reason, Error **errp)
{
    return true;
}

/* ---- the guest ---- */

static CharFrontend port;
static GByteArray *got;
static int room = 1 << 20;

static int can_read(void *opaque)
{
    return room;
}

static void read_it(void *opaque, const uint8_t *buf, int len)
{
    g_assert_cmpint(len, <=, room);
    room -= len;
    g_byte_array_append(got, buf, len);
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(GByteArray *a, uint32_t v)
{
    uint8_t b[4] = { v, v >> 8, v >> 16, v >> 24 };

    g_byte_array_append(a, b, 4);
}

/* The body of the next message, which is one of @type. */
static GByteArray *next(uint32_t type)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    size_t at = 0;

    while (all->len < 20 || all->len < 20 + le32(all->data + 16)) {
        uint32_t n;

        g_assert_cmpuint(got->len, >=, at + 8);
        g_assert_cmpuint(le32(got->data + at), ==, 1);
        n = le32(got->data + at + 4);
        g_assert_cmpuint(n, <=, 2048);
        g_assert_cmpuint(got->len, >=, at + 8 + n);
        g_byte_array_append(all, got->data + at + 8, n);
        at += 8 + n;
    }
    g_byte_array_remove_range(got, 0, at);
    g_assert_cmpuint(le32(all->data), ==, 1);
    g_assert_cmpuint(le32(all->data + 4), ==, type);
    g_assert_cmpuint(all->len, ==, 20 + le32(all->data + 16));
    g_byte_array_remove_range(all, 0, 20);
    return g_steal_pointer(&all);
}

/* Words of a message that comes next. */
static void expect(uint32_t type, int n, const uint32_t *words)
{
    g_autoptr(GByteArray) m = next(type);

    g_assert_cmpuint(m->len, ==, n * 4);
    for (int i = 0; i < n; i++) {
        g_assert_cmpuint(le32(m->data + 4 * i), ==, words[i]);
    }
}
#define EXPECT(type, ...) \
    expect(type, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, \
           (uint32_t[]){ __VA_ARGS__ })

/* In pieces, as a guest may write them. */
static void say(uint32_t type, const uint32_t *words, int n, const char *text)
{
    g_autoptr(GByteArray) m = g_byte_array_new(), out = g_byte_array_new();
    size_t len = text ? strlen(text) : 0;

    put32(m, 1);
    put32(m, type);
    put32(m, 0);
    put32(m, 0);
    put32(m, n * 4 + len);
    for (int i = 0; i < n; i++) {
        put32(m, words[i]);
    }
    g_byte_array_append(m, (const uint8_t *)text, len);
    for (guint at = 0; at < m->len; at += 1000) {
        guint part = MIN(1000, m->len - at);

        put32(out, 1);
        put32(out, part);
        g_byte_array_append(out, m->data + at, part);
    }
    for (guint at = 0; at < out->len; at += 7) {
        chr_fe_write(&port, out->data + at, MIN(7, out->len - at));
    }
}
#define SAY(type, text, ...) \
    say(type, (uint32_t[]){ __VA_ARGS__ }, \
        sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, text)

/* ---- who looks at it ---- */

static GBytes *seen;
static unsigned times;

static void peer_changed(ClipboardPeer *p, GBytes *text)
{
    g_clear_pointer(&seen, g_bytes_unref);
    seen = text ? g_bytes_ref(text) : NULL;
    times++;
}

static ClipboardPeer peer = { .changed = peer_changed };

static void cut(const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

    clipboard_cut(&peer, bytes);
}

static void begin(const char *text)
{
    g_autoptr(QObject) opts = keyval_parse(text, "backend", NULL,
                                           &error_abort);
    Chardev *chr = chr_new_from_opts(opts, &error_abort);

    got = g_byte_array_new();
    room = 1 << 20;
    times = 0;
    clipboard_join(&peer);
    chr_fe_init(&port, chr, &error_abort);
    chr_fe_set_handlers(&port, can_read, read_it, NULL, NULL);
    chr_fe_set_open(&port, false);
    g_byte_array_set_size(got, 0);
    chr_fe_set_open(&port, true);
}

static void end(void)
{
    chr_fe_deinit(&port);
    g_assert_true(chr_remove("x", &error_abort));
    cut("");
    clipboard_cut(&peer, NULL);
    clipboard_leave(&peer);
    g_byte_array_free(got, TRUE);
    g_clear_pointer(&seen, g_bytes_unref);
}

static void test_clipboard(void)
{
    g_autofree char *big = g_strnfill(300000, 'x');
    g_autoptr(GByteArray) m = NULL;

    begin("qemu-vdagent,id=x,mouse=off,clipboard=on");
    EXPECT(ANNOUNCE, 1, 1 << 5 | 1 << 6);
    cut("early"); /* the agent has not spoken */
    g_assert_cmpuint(got->len, ==, 0);
    SAY(ANNOUNCE, NULL, 1, 1 << 5 | 1 << 6);
    EXPECT(ANNOUNCE, 0, 1 << 5 | 1 << 6);
    EXPECT(GRAB, 0, 1);
    SAY(REQUEST, NULL, 0, 1);
    m = next(CLIPBOARD);
    g_assert_cmpuint(m->len, ==, 13);
    g_assert_cmpmem(m->data + 8, 5, "early", 5);
    /* The guest's; it is asked for at once. */
    SAY(GRAB, NULL, 0, 4, 1);
    EXPECT(REQUEST, 0, 1);
    SAY(CLIPBOARD, "gr\xc3\xbc\xc3\x9f", 0, 1);
    g_assert_cmpmem(g_bytes_get_data(seen, NULL), g_bytes_get_size(seen),
                    "gr\xc3\xbc\xc3\x9f", 6);
    g_assert_cmpuint(times, ==, 1);
    SAY(CLIPBOARD, "not asked for", 0, 1);
    g_assert_cmpuint(times, ==, 1);
    SAY(RELEASE, NULL, 0);
    g_assert_null(seen);
    /* Pictures, what was only marked, what is not there. */
    SAY(GRAB, NULL, 0, 2, 3);
    SAY(GRAB, NULL, 1, 1);
    g_assert_cmpuint(got->len, ==, 0);
    SAY(REQUEST, NULL, 0, 1);
    EXPECT(CLIPBOARD, 0, 0);
    /* Both ways in many chunks; a guest that reads now and then. */
    room = 100;
    cut(big);
    SAY(REQUEST, NULL, 0, 1);
    while (got->len < 300000) {
        room = 977;
        chr_fe_accept_input(&port);
    }
    room = 1 << 20;
    chr_fe_accept_input(&port);
    EXPECT(GRAB, 0, 1);
    g_byte_array_unref(m);
    m = next(CLIPBOARD);
    g_assert_cmpuint(m->len, ==, 300008);
    SAY(GRAB, NULL, 0, 1);
    EXPECT(REQUEST, 0, 1);
    SAY(CLIPBOARD, big, 0, 1);
    g_assert_cmpuint(g_bytes_get_size(seen), ==, 300000);
    /* Bad UTF-8 is no text. */
    times = 0;
    SAY(GRAB, NULL, 0, 1);
    EXPECT(REQUEST, 0, 1);
    SAY(CLIPBOARD, "\xff\xfe", 0, 1);
    g_assert_cmpuint(times, ==, 0);
    end();
}

static void test_old_agent(void)
{
    begin("qemu-vdagent,id=x,clipboard=on");
    EXPECT(ANNOUNCE, 1, 1 | 1 << 5 | 1 << 6);
    SAY(ANNOUNCE, NULL, 0, 1 << 5);
    cut("x");
    EXPECT(GRAB, 1);
    SAY(GRAB, NULL, 1);
    EXPECT(REQUEST, 1);
    SAY(CLIPBOARD, "y", 1);
    g_assert_cmpuint(times, ==, 1);
    end();
}

static void test_mouse(void)
{
    g_autoptr(GByteArray) m = NULL;
    unsigned buttons = 0;

    begin("qemu-vdagent,id=x");
    EXPECT(ANNOUNCE, 1, 1);
    g_assert_false(input_is_absolute(NULL));
    SAY(ANNOUNCE, NULL, 0, 1);
    g_assert_true(input_is_absolute(NULL));
    input_send_abs(NULL, INPUT_AXIS_X, 639, 640);
    input_send_abs(NULL, INPUT_AXIS_Y, 0, 480);
    input_send_buttons(NULL, &buttons, 1u << INPUT_BUTTON_RIGHT);
    input_sync(NULL);
    m = next(MOUSE_STATE);
    g_assert_cmpuint(m->len, ==, 13);
    g_assert_cmpuint(le32(m->data), ==, 0); /* there is no screen */
    g_assert_cmpuint(le32(m->data + 8), ==, 8);
    /* Nobody reads: the last place is what counts. */
    room = 0;
    for (int i = 0; i < 10000; i++) {
        input_send_buttons(NULL, &buttons, i & 1);
        input_sync(NULL);
    }
    room = 1 << 20;
    chr_fe_accept_input(&port);
    g_assert_cmpuint(got->len, <, 4096);
    chr_fe_set_open(&port, false);
    g_assert_false(input_is_absolute(NULL));
    end();
}

/* Whatever the guest says. */
static void test_hostile(void)
{
    begin("qemu-vdagent,id=x,clipboard=on");
    for (int i = 0; i < 200000; i++) {
        static const uint32_t sizes[] = { 0, 1, 3, 4, 7, 8, 20, 21, 2048,
                                          0x7fffffff, 0xffffffff, 1 << 21 };
        uint8_t b[64];
        int n = g_test_rand_int_range(0, sizeof(b));

        for (int k = 0; k < n; k++) {
            b[k] = g_test_rand_int_range(0, 256);
        }
        if (n > 8 && i % 3) { /* looks like a chunk with a message */
            uint32_t size = sizes[g_test_rand_int_range(0, 12)];

            memcpy(b, "\1\0\0\0", 4);
            memset(b + 4, 0, 4);
            b[4] = g_test_rand_int_range(0, 64);
            if (n > 28) {
                memset(b + 8, 0, 20);
                b[8] = 1;
                b[12] = g_test_rand_int_range(0, 12);
                memcpy(b + 24, &size, 4);
            }
        }
        chr_fe_write(&port, b, n);
        g_byte_array_set_size(got, 0);
        room = 1 << 20;
        if (i % 64 == 0) {
            chr_fe_set_open(&port, false);
            chr_fe_set_open(&port, true);
            SAY(ANNOUNCE, NULL, 1, 1 | 1 << 5 | (i & 64));
            SAY(GRAB, NULL, 0, 1);
        }
    }
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bql_lock();
    module_call_init(MODULE_OBJECT);
    module_call_init(MODULE_CHARDEV);
    g_test_add_func("/vdagent/clipboard", test_clipboard);
    g_test_add_func("/vdagent/old-agent", test_old_agent);
    g_test_add_func("/vdagent/mouse", test_mouse);
    g_test_add_func("/vdagent/hostile", test_hostile);
    return g_test_run();
}
