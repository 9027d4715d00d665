/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cut text of VNC clients: plain, in Latin-1 (RFC 6143, 7.5.6 and 7.6.4), and
 * the "Extended Clipboard" of the community's "The RFB Protocol": UTF-8 with
 * lines that end in CR LF, deflated, sent when it is asked for.
 *
 *   main      clipboard_changed: there is a text   -> the writer tells
 *   reader    messages; a text is handed to the main thread
 *   writer    vnc_cut_send: what is to be said
 */
#include "osdep.h"
#include "vnc-int.h"
#include <zlib.h>

#define TEXT BIT(0) /* the one format that we know */

/* ---- plain --------------------------------------------------------------- */

static GBytes *from_latin1(const uint8_t *p, size_t len)
{
    GString *s = g_string_sized_new(len);

    for (size_t i = 0; i < len; i++) {
        g_string_append_unichar(s, p[i] ? p[i] : ' ');
    }
    return g_string_free_to_bytes(s);
}

static GByteArray *to_latin1(GBytes *text)
{
    gsize len;
    const char *p = g_bytes_get_data(text, &len), *end = p + len;
    GByteArray *a = g_byte_array_sized_new(len);

    for (; p < end; p = g_utf8_next_char(p)) {
        gunichar ch = g_utf8_get_char(p);
        uint8_t b = ch < 0x100 ? ch : '?';

        g_byte_array_append(a, &b, 1);
    }
    return a;
}

/* ---- extended ------------------------------------------------------------ */

/* The text of a "provide" message; NULL: it is none, or too long. */
static GBytes *unpack(const uint8_t *p, size_t len)
{
    /* Its size, twice the bytes if every one is a line, the 0. */
    size_t max = 4 + 2 * CLIPBOARD_MAX + 1;
    g_autofree uint8_t *out = g_malloc(max);
    z_stream z = { .next_in = (uint8_t *)p, .avail_in = len,
                   .next_out = out, .avail_out = max };
    g_autoptr(GString) s = NULL;
    size_t got, n;

    if (inflateInit(&z) != Z_OK) {
        return NULL;
    }
    inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    got = max - z.avail_out;
    if (got < 4) {
        return NULL;
    }
    n = (size_t)out[0] << 24 | out[1] << 16 | out[2] << 8 | out[3];
    if (n > got - 4) {
        return NULL;
    }
    s = g_string_sized_new(n);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *c = out + 4 + i;

        if (!(c[0] == '\r' && i + 1 < n && c[1] == '\n') &&
            !(c[0] == 0 && i + 1 == n)) {
            g_string_append_c(s, c[0]);
        }
    }
    if (s->len > CLIPBOARD_MAX || !g_utf8_validate(s->str, s->len, NULL)) {
        return NULL;
    }
    return g_string_free_to_bytes(g_steal_pointer(&s));
}

static void put32(GByteArray *a, uint32_t v)
{
    uint8_t b[4] = { v >> 24, v >> 16, v >> 8, v };

    g_byte_array_append(a, b, 4);
}

/* Appends @text deflated, with its size before it. */
static void pack(GByteArray *a, GBytes *text)
{
    gsize len;
    const char *p = g_bytes_get_data(text, &len);
    g_autoptr(GByteArray) in = g_byte_array_new();
    guint at = a->len;
    uLongf n;

    put32(in, 0);
    for (gsize i = 0; i < len; i++) {
        if (p[i] == '\n') {
            g_byte_array_append(in, (const uint8_t *)"\r", 1);
        }
        g_byte_array_append(in, (const uint8_t *)&p[i], 1);
    }
    g_byte_array_append(in, (const uint8_t *)"", 1);
    for (int i = 0; i < 4; i++) {
        in->data[i] = (in->len - 4) >> (24 - 8 * i);
    }
    n = compressBound(in->len);
    g_byte_array_set_size(a, at + n);
    compress(a->data + at, &n, in->data, in->len);
    g_byte_array_set_size(a, at + n);
}

/* ServerCutText with a length below 0; its own words begin with @flags. */
static void put_extended(GByteArray *to, uint32_t flags, const GByteArray *data)
{
    uint32_t len = 4 + (data ? data->len : 0);

    put32(to, 3u << 24);
    put32(to, -len);
    put32(to, flags);
    if (data) {
        g_byte_array_append(to, data->data, data->len);
    }
}

void vnc_cut_put(GByteArray *to, unsigned say, GBytes *text)
{
    if (say & VNC_CUT_CAPS) {
        g_autoptr(GByteArray) sizes = g_byte_array_new();

        put32(sizes, CLIPBOARD_MAX);
        put_extended(to, VNC_CUT_CAPS | VNC_CUT_REQUEST | VNC_CUT_PEEK |
                             VNC_CUT_NOTIFY | VNC_CUT_PROVIDE | TEXT, sizes);
    }
    if (say & VNC_CUT_REQUEST) {
        put_extended(to, VNC_CUT_REQUEST | TEXT, NULL);
    }
    if (say & VNC_CUT_NOTIFY) {
        put_extended(to, VNC_CUT_NOTIFY | (text ? TEXT : 0), NULL);
    }
    if ((say & VNC_CUT_PROVIDE) && text) {
        g_autoptr(GByteArray) data = g_byte_array_new();

        pack(data, text);
        put_extended(to, VNC_CUT_PROVIDE | TEXT, data);
    }
    if ((say & VNC_CUT_PLAIN) && text) {
        g_autoptr(GByteArray) plain = to_latin1(text);

        put32(to, 3u << 24);
        put32(to, plain->len);
        g_byte_array_append(to, plain->data, plain->len);
    }
}

/* ---- the reader's -------------------------------------------------------- */

/* For the main thread; the last one counts.  lock held. */
static void hand_over(VncClient *c, GBytes *text)
{
    if (text) {
        g_clear_pointer(&c->cut, g_bytes_unref);
        c->cut = text;
        vnc_client_kick(c);
    }
}

void vnc_cut_received(VncClient *c, const VncMsg *m)
{
    uint32_t flags = m->cut.flags;
    GBytes *text = NULL;

    if (!m->cut.extended) {
        text = from_latin1(m->cut.text, m->cut.len);
    } else if (flags & VNC_CUT_PROVIDE) {
        text = flags & TEXT ? unpack(m->cut.text, m->cut.len) : NULL;
    }
    LOCK_GUARD(&c->lock);
    hand_over(c, text);
    if (!m->cut.extended || (flags & VNC_CUT_PROVIDE)) {
        return;
    }
    if (flags & VNC_CUT_CAPS) {
        c->cut_caps = flags;
    } else if ((flags & VNC_CUT_NOTIFY) && (flags & TEXT)) {
        c->todo.cut_say |= VNC_CUT_REQUEST;
        vnc_client_wake(c);
    } else if (flags & (VNC_CUT_REQUEST | VNC_CUT_PEEK)) {
        c->cut_asked |= flags & VNC_CUT_REQUEST ? VNC_CUT_PROVIDE
                                                : VNC_CUT_NOTIFY;
        vnc_client_kick(c);
    }
}

/* ---- the main thread's --------------------------------------------------- */

static void say(VncClient *c, unsigned what, GBytes *text)
{
    LOCK_GUARD(&c->lock);
    if (!what) { /* there is news: as the client wants it */
        what = !c->cut_extended                  ? VNC_CUT_PLAIN
               : !c->cut_caps                    ? VNC_CUT_NOTIFY
               : (c->cut_caps & VNC_CUT_NOTIFY)  ? VNC_CUT_NOTIFY
               : (c->cut_caps & VNC_CUT_PROVIDE) ? VNC_CUT_PROVIDE
                                                 : 0;
    }
    g_clear_pointer(&c->todo.cut, g_bytes_unref);
    c->todo.cut = text ? g_bytes_ref(text) : NULL;
    c->todo.cut_say |= what;
    vnc_client_wake(c);
}

static void clipboard_changed(ClipboardPeer *p, GBytes *text)
{
    say(container_of(p, VncClient, clip), 0, text);
}

void vnc_cut_join(VncClient *c)
{
    c->clip.changed = clipboard_changed;
    clipboard_join(&c->clip);
}

void vnc_cut_news(VncClient *c, GBytes *text, unsigned asked)
{
    if (!list_linked(&c->clip.node)) {
        return;
    }
    if (text) {
        clipboard_cut(&c->clip, text);
    }
    if (asked) {
        say(c, asked, clipboard_text(&c->clip));
    }
}
