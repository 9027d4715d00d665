/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first words between a VNC client and us: version, security,
 * ClientInit, ServerInit (RFC 6143, 7.1 to 7.3).  On the client's reader
 * thread, blocking.
 *
 * None of it is the library's: its list of security types is one for the
 * whole process, so that a server without a password opens the one with.
 */
#include "osdep.h"
#include "vnc-int.h"
#include "vnc-auth.h"
#include <rfb/rfb.h>
#include <sys/random.h>

#define MIN_33 3
#define MIN_37 7
#define MIN_38 8

bool vnc_random(void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = RETRY_ON_EINTR(getrandom(p, len, 0));

        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

bool vnc_put32(VncClient *c, uint32_t v)
{
    uint8_t b[4] = { v >> 24, v >> 16, v >> 8, v };

    return vnc_io_write(c->io, b, 4);
}

bool vnc_get32(VncClient *c, uint32_t *v)
{
    uint8_t b[4];

    if (!vnc_io_read_all(c->io, b, 4)) {
        return false;
    }
    *v = (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
    return true;
}

bool vnc_auth_result(VncClient *c, bool ok, const char *why)
{
    if (ok) {
        return vnc_put32(c, 0);
    }
    if (vnc_put32(c, 1) && c->minor >= MIN_38) {
        vnc_put32(c, strlen(why));
        vnc_io_write(c->io, why, strlen(why));
    }
    return false;
}

#define REFUSED_S   60
#define REFUSED_MAX 10

void vnc_refused(VncClient *c, const char *why, ...)
{
    g_autofree char *text = NULL;
    int64_t now = g_get_monotonic_time() / G_USEC_PER_SEC;
    VncServer *s = c->server;
    unsigned n;
    va_list ap;

    mutex_lock(&s->lock);
    if (now >= s->refused_since + REFUSED_S) {
        s->refused_since = now;
        s->refused = 0;
    }
    n = s->refused++;
    mutex_unlock(&s->lock);
    if (n >= REFUSED_MAX) {
        return;
    }
    va_start(ap, why);
    text = g_strdup_vprintf(why, ap);
    va_end(ap);
    warn_report("VNC server '%s': %s%s%s turned away: %s%s", s->id,
                *c->peer->host ? c->peer->host : "a local client",
                *c->peer->host ? ":" : "",
                *c->peer->host ? c->peer->service : "", text,
                n + 1 < REFUSED_MAX ? ""
                                    : " (no more are reported for a while)");
}

/* The scheme of RFC 6143, 7.2.2: 16 bytes under DES. */
bool vnc_auth_password(VncClient *c)
{
    uint8_t challenge[16], response[16];
    const char *why;

    if (!vnc_random(challenge, 16) || !vnc_io_write(c->io, challenge, 16) ||
        !vnc_io_read_all(c->io, response, 16)) {
        return false;
    }
    why = vnc_server_check(c->server, challenge, response);
    if (why) {
        vnc_refused(c, "%s", why);
    }
    return vnc_auth_result(c, !why, why);
}

static bool read_version(VncClient *c)
{
    char text[13] = "";
    int major, minor;

    if (!vnc_io_write(c->io, "RFB 003.008\n", 12) ||
        !vnc_io_read_all(c->io, text, 12) ||
        sscanf(text, "RFB %3d.%3d\n", &major, &minor) != 2 || major != 3 ||
        minor < MIN_33) {
        return false;
    }
    c->minor = minor < MIN_37 ? MIN_33 : minor == MIN_37 ? MIN_37 : MIN_38;
    return true;
}

/* The server offers one type; 3.3 clients are told, others choose it. */
static bool agree_on(VncClient *c, uint8_t type)
{
    uint8_t offer[2] = { 1, type }, choice;

    if (c->minor == MIN_33) {
        static const char why[] = "this server needs a newer protocol";

        if (type == VNC_AUTH_NONE_ || type == VNC_AUTH_VNC_) {
            return vnc_put32(c, type);
        }
        vnc_put32(c, 0);
        vnc_put32(c, strlen(why));
        vnc_io_write(c->io, why, strlen(why));
        return false;
    }
    if (!vnc_io_write(c->io, offer, 2) ||
        !vnc_io_read_all(c->io, &choice, 1)) {
        return false;
    }
    if (choice != type) {
        vnc_refused(c, "it asks for security type %u", choice);
        return vnc_auth_result(c, false, "Unsupported security type");
    }
    return true;
}

static bool authenticate(VncClient *c)
{
    VncAuth auth = c->skip_auth ? VNC_AUTH_NONE_ : c->server->auth;

    if (auth == VNC_AUTH_VENCRYPT_ && c->tls_bits) {
        auth = c->server->sub_auth; /* a WebSocket that is secure already */
    }

    if (!agree_on(c, auth)) {
        return false;
    }
    if (auth == VNC_AUTH_VENCRYPT_) {
        if (!vnc_auth_vencrypt(c)) {
            return false;
        }
        auth = c->server->sub_auth;
    }
    switch (auth) {
    case VNC_AUTH_NONE_:
        return c->minor < MIN_38 || vnc_auth_result(c, true, NULL);
    case VNC_AUTH_VNC_:
        return vnc_auth_password(c);
    case VNC_AUTH_SASL_:
        return vnc_auth_sasl(c);
    default:
        return false;
    }
}

static bool exchange_init(VncClient *c)
{
    uint8_t shared, init[24] = { 0 };
    const char *name = c->server->name;
    int w, h;

    if (!vnc_io_read_all(c->io, &shared, 1)) {
        return false;
    }
    mutex_lock(&c->lock);
    c->shared = shared;
    mutex_unlock(&c->lock);
    vnc_view_size(&c->look, &w, &h);
    c->first_width = w = MIN(w, VNC_MAX_WIDTH);
    c->first_height = h;
    init[0] = w >> 8;
    init[1] = w;
    init[2] = h >> 8;
    init[3] = h;
    /* 32 bits, depth 24, little endian, true colour, 8 bits each, red at
     * bit 16. */
    memcpy(init + 4, "\x20\x18\0\1\0\xff\0\xff\0\xff\x10\x08\0", 13);
    init[20] = strlen(name) >> 24;
    init[21] = strlen(name) >> 16;
    init[22] = strlen(name) >> 8;
    init[23] = strlen(name);
    return vnc_io_write(c->io, init, sizeof(init)) &&
           vnc_io_write(c->io, name, strlen(name));
}

/* ---- the door ------------------------------------------------------------ */

#define HEAD_MAX 8192

/* An HTTP request's head (g_free), or NULL. */
static char *read_head(VncClient *c)
{
    g_autoptr(GString) head = g_string_new(NULL);

    while (head->len < HEAD_MAX && !g_str_has_suffix(head->str, "\r\n\r\n")) {
        char ch;

        if (!vnc_io_read_all(c->io, &ch, 1) || !ch) {
            return NULL;
        }
        g_string_append_c(head, ch);
    }
    return g_str_has_prefix(head->str, "GET ") && head->len < HEAD_MAX
               ? g_string_free(g_steal_pointer(&head), false)
               : NULL;
}

/* A VNC client waits for our greeting, a browser speaks first, on a busy host
 * some time after it connected.  Only servers with web=on wait, and longer
 * while a page is being fetched: that takes some thirty connections, and one
 * that is greeted in vain spoils it. */
#define DOOR_MS       1000
#define DOOR_FETCH_MS 5000
#define FETCH_S       30

static int door_ms(VncServer *s)
{
    LOCK_GUARD(&s->lock);
    return s->fetched &&
                   g_get_monotonic_time() / G_USEC_PER_SEC < s->fetched + FETCH_S
               ? DOOR_FETCH_MS
               : DOOR_MS;
}

static void note_fetch(VncServer *s)
{
    LOCK_GUARD(&s->lock);
    s->fetched = MAX(1, g_get_monotonic_time() / G_USEC_PER_SEC);
}

static bool speaks_http(VncClient *c, bool *tls)
{
    uint8_t first[4] = { 0 };
    size_t n;

    if (c->websocket) {
        *tls = c->server->creds != NULL;
        return true;
    }
    n = c->server->web ? vnc_io_peek(c->io, first, 4, door_ms(c->server)) : 0;
    *tls = n > 0 && first[0] == 0x16; /* a TLS handshake record */
    return *tls || (n == 4 && !memcmp(first, "GET ", 4));
}

static bool open_door(VncClient *c)
{
    g_autofree char *head = NULL;
    bool tls;

    if (!speaks_http(c, &tls)) {
        return true;
    }
    /* With credentials there is no way around them. */
    if (tls != (c->server->creds != NULL) || (tls && !vnc_tls_start(c))) {
        return false;
    }
    head = read_head(c);
    if (head) {
        note_fetch(c->server);
    }
    if (!head || (c->server->web && !vnc_web_request(c, head)) ||
        !vnc_io_websocket(c->io, head)) {
        return false;
    }
    c->websocket = true;
    return true;
}

static bool enter(VncClient *c)
{
    if (!open_door(c)) {
        return false;
    }
    mutex_lock(&c->lock);
    c->opened = true;
    vnc_client_kick(c);
    mutex_unlock(&c->lock);
    return true;
}

bool vnc_handshake(VncClient *c)
{
    return enter(c) && read_version(c) && authenticate(c) &&
           exchange_init(c);
}
