/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WebSocket, RFC 6455.  Bytes are collected until the request's empty line,
 * then until a frame's header is complete; payload passes through unmasked as
 * it comes.  Control frames (at most 125 bytes) are collected whole.
 */
#include "osdep.h"
#include "util/websock.h"

#define REQUEST_MAX 8192
#define CONTROL_MAX 125

enum { OP_CONT = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9,
       OP_PONG = 10 };

struct WebSock {
    bool ready;
    GByteArray *pending; /* request, header or control frame so far */
    uint64_t left;       /* payload bytes of the frame that are to come */
    unsigned op;
    uint8_t mask[4];
    unsigned at;         /* position in the mask */
};

WebSock *websock_new(void)
{
    WebSock *w = g_new0(WebSock, 1);

    w->pending = g_byte_array_new();
    return w;
}

void websock_free(WebSock *w)
{
    if (w) {
        g_byte_array_free(w->pending, TRUE);
        g_free(w);
    }
}

bool websock_ready(const WebSock *w)
{
    return w->ready;
}

/* --- handshake (section 4.2) --- */

/* The value of header @name, or NULL; g_free. */
static char *header(char **lines, const char *name)
{
    size_t n = strlen(name);

    for (int i = 1; lines[i]; i++) {
        if (g_ascii_strncasecmp(lines[i], name, n) == 0 &&
            lines[i][n] == ':') {
            return g_strstrip(g_strdup(lines[i] + n + 1));
        }
    }
    return NULL;
}

/* Is @word among the comma-separated words of @value? */
static bool has_word(const char *value, const char *word)
{
    g_auto(GStrv) words = g_strsplit(value ? value : "", ",", -1);

    for (int i = 0; words[i]; i++) {
        if (g_ascii_strcasecmp(g_strstrip(words[i]), word) == 0) {
            return true;
        }
    }
    return false;
}

static void put_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const uint8_t *)text, strlen(text));
}

static bool refuse(GByteArray *reply, const char *why, Error **errp)
{
    put_text(reply, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                    "Content-Length: 0\r\n\r\n");
    error_setg(errp, "WebSocket handshake: %s", why);
    return false;
}

static bool handshake(const char *request, GByteArray *reply, Error **errp)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    g_auto(GStrv) lines = g_strsplit(request, "\r\n", -1);
    g_autofree char *upgrade = header(lines, "Upgrade");
    g_autofree char *connection = header(lines, "Connection");
    g_autofree char *version = header(lines, "Sec-WebSocket-Version");
    g_autofree char *key = header(lines, "Sec-WebSocket-Key");
    g_autofree char *proto = header(lines, "Sec-WebSocket-Protocol");
    g_autofree char *accept_key = NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize len = sizeof(digest);

    if (!g_str_has_prefix(lines[0], "GET ") ||
        !g_str_has_suffix(lines[0], " HTTP/1.1")) {
        return refuse(reply, "not a GET of HTTP/1.1", errp);
    }
    if (!has_word(upgrade, "websocket") || !has_word(connection, "upgrade")) {
        return refuse(reply, "no upgrade to websocket was asked for", errp);
    }
    if (g_strcmp0(version, "13")) {
        return refuse(reply, "only version 13 is known", errp);
    }
    if (!key || strlen(key) != 24) {
        return refuse(reply, "the key is missing or has a wrong length", errp);
    }
    if (proto && !has_word(proto, "binary")) {
        return refuse(reply, "only the subprotocol 'binary' is known", errp);
    }
    g_checksum_update(sum, (const guchar *)key, -1);
    g_checksum_update(sum, (const guchar *)magic, -1);
    g_checksum_get_digest(sum, digest, &len);
    accept_key = g_base64_encode(digest, len);
    put_text(reply, "HTTP/1.1 101 Switching Protocols\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: ");
    put_text(reply, accept_key);
    put_text(reply, proto ? "\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
                          : "\r\n\r\n");
    return true;
}

/* Takes one byte; false ends the connection. */
static bool feed_request(WebSock *w, uint8_t c, GByteArray *reply,
                         Error **errp)
{
    GByteArray *p = w->pending;
    bool ok;

    g_byte_array_append(p, &c, 1);
    if (p->len > REQUEST_MAX || !c) {
        return refuse(reply, "the request is too long or no text", errp);
    }
    if (p->len < 4 || memcmp(p->data + p->len - 4, "\r\n\r\n", 4)) {
        return true;
    }
    p->data[p->len - 4] = 0;
    ok = handshake((const char *)p->data, reply, errp);
    g_byte_array_set_size(p, 0);
    w->ready = ok;
    return ok;
}

/* --- frames (section 5) --- */

static void put_frame(GByteArray *out, unsigned op, const uint8_t *buf,
                      size_t len)
{
    uint8_t h[10] = { 0x80 | op };
    size_t n = 2;

    if (len < 126) {
        h[1] = len;
    } else if (len < 65536) {
        h[1] = 126;
        h[2] = len >> 8;
        h[3] = len;
        n = 4;
    } else {
        h[1] = 127;
        for (int i = 0; i < 8; i++) {
            h[2 + i] = (uint64_t)len >> (56 - 8 * i);
        }
        n = 10;
    }
    g_byte_array_append(out, h, n);
    g_byte_array_append(out, buf, len);
}

void websock_frame(GByteArray *out, const uint8_t *buf, size_t len)
{
    put_frame(out, OP_BINARY, buf, len);
}

/* One byte of a header; *@done when it was the last. */
static bool feed_header(WebSock *w, uint8_t c, bool *done, Error **errp)
{
    GByteArray *p = w->pending;
    unsigned extra, op;

    g_byte_array_append(p, &c, 1);
    *done = false;
    if (p->len < 2) {
        return true;
    }
    op = p->data[0] & 0x0f;
    extra = (p->data[1] & 0x7f) == 127 ? 8 : (p->data[1] & 0x7f) == 126 ? 2 : 0;
    if ((p->data[0] & 0x70) || !(p->data[1] & 0x80) ||
        (op > OP_BINARY && (op < OP_CLOSE || op > OP_PONG)) ||
        (op >= OP_CLOSE && (extra || !(p->data[0] & 0x80)))) {
        error_setg(errp, "WebSocket frame with a bad header (0x%02x 0x%02x)",
                   p->data[0], p->data[1]);
        return false;
    }
    if (p->len < 2 + extra + 4) {
        return true;
    }
    w->left = extra ? 0 : p->data[1] & 0x7f;
    for (unsigned i = 0; i < extra; i++) {
        w->left = w->left << 8 | p->data[2 + i];
    }
    if (w->left >> 63) {
        error_setg(errp, "WebSocket frame of more than 2^63 bytes");
        return false;
    }
    memcpy(w->mask, p->data + 2 + extra, 4);
    w->op = op;
    w->at = 0;
    g_byte_array_set_size(p, 0);
    *done = true;
    return true;
}

/* A control frame is complete in `pending`. */
static bool control(WebSock *w, GByteArray *reply, Error **errp)
{
    GByteArray *p = w->pending;

    if (w->op == OP_PING) {
        put_frame(reply, OP_PONG, p->data, p->len);
    } else if (w->op == OP_CLOSE) {
        put_frame(reply, OP_CLOSE, p->data, MIN(p->len, 2));
        error_setg(errp, "the peer closed the connection");
        return false;
    }
    g_byte_array_set_size(p, 0);
    return true;
}

bool websock_feed(WebSock *w, const uint8_t *buf, size_t len,
                  GByteArray *data, GByteArray *reply, Error **errp)
{
    for (size_t i = 0; i < len; i++) {
        bool done;

        if (!w->ready) {
            if (!feed_request(w, buf[i], reply, errp)) {
                return false;
            }
            continue;
        }
        if (!w->left) {
            if (!feed_header(w, buf[i], &done, errp)) {
                return false;
            }
            if (done && !w->left && w->op >= OP_CLOSE &&
                !control(w, reply, errp)) {
                return false;
            }
            continue;
        }
        /* Payload: the first byte by itself, then as much as there is. */
        do {
            uint8_t c = buf[i] ^ w->mask[w->at++ & 3];

            g_byte_array_append(w->op >= OP_CLOSE ? w->pending : data, &c, 1);
            w->left--;
        } while (w->left && ++i < len);
        if (!w->left && w->op >= OP_CLOSE && !control(w, reply, errp)) {
            return false;
        }
    }
    return true;
}
