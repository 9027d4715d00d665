/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VNC client's byte stream: the socket as it is, inside WebSocket frames
 * (RFC 6455), inside TLS or a SASL layer, or in both.
 *
 * The reader thread decodes what comes.  The library writes to a plain
 * descriptor: the socket itself where nothing is to be encoded, else one end
 * of a socket pair whose other end the pump thread empties into the codec.
 * All blocking, on threads of the client's own; vnc_io_abort() shuts the
 * sockets down, which ends whatever waits in them.
 */
#include "osdep.h"
#include "vnc-int.h"
#include "vnc-io.h"
#include <poll.h>
#include <sys/socket.h>

#define PUMP_CHUNK 32768

VncIo *vnc_io_new(int fd)
{
    VncIo *io = g_new0(VncIo, 1);

    io->fd = fd;
    io->pair[0] = io->pair[1] = -1;
    mutex_init(&io->lock);
    mutex_init(&io->write_lock);
    return io;
}

void vnc_io_free(VncIo *io)
{
    if (!io) {
        return;
    }
    if (io->pumping) {
        thread_join(&io->pump);
    }
    if (io->codec) {
        io->codec->free(io->codec);
    }
    for (int i = 0; i < 2; i++) {
        if (io->pair[i] >= 0) {
            close(io->pair[i]);
        }
    }
    close(io->fd);
    mutex_destroy(&io->lock);
    mutex_destroy(&io->write_lock);
    g_free(io);
}

void vnc_io_abort(VncIo *io)
{
    LOCK_GUARD(&io->lock);
    shutdown(io->fd, SHUT_RDWR);
    if (io->pair[1] >= 0) {
        shutdown(io->pair[1], SHUT_RDWR);
    }
}

/* ---- the layer on the socket --------------------------------------------- */

static ssize_t raw_read(VncIo *io, void *buf, size_t max)
{
    if (io->codec) {
        return io->codec->read(io->codec, buf, max);
    }
    return RETRY_ON_EINTR(recv(io->fd, buf, max, 0));
}

static bool raw_write(VncIo *io, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = io->codec
                        ? io->codec->write(io->codec, p, len)
                        : RETRY_ON_EINTR(send(io->fd, p, len, MSG_NOSIGNAL));

        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

size_t vnc_io_peek(VncIo *io, void *buf, size_t len, int ms)
{
    int64_t end = clock_ns(CLOCK_REALTIME_NS) + ms * NSEC_PER_MS;
    size_t have = 0;

    assert(!io->codec);
    for (;;) {
        struct pollfd p = { .fd = io->fd, .events = POLLIN };
        int64_t left = (end - clock_ns(CLOCK_REALTIME_NS)) / NSEC_PER_MS;
        ssize_t n;
        size_t before = have;

        if (RETRY_ON_EINTR(poll(&p, 1, ms < 0 ? -1 : MAX(left, 0))) <= 0) {
            return have;
        }
        n = RETRY_ON_EINTR(recv(io->fd, buf, len, MSG_PEEK | MSG_DONTWAIT));
        if (n <= 0) {
            return have;
        }
        have = n;
        if (have == len || (ms >= 0 && left <= 0)) {
            return have;
        }
        if (have == before) {
            /* poll() says "readable" for the bytes that stay: wait until
             * there are more than that. */
            int more = have + 1;

            setsockopt(io->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
            n = RETRY_ON_EINTR(poll(&p, 1, ms < 0 ? -1 : MAX(left, 0)));
            more = 1;
            setsockopt(io->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
            if (n <= 0 || (p.revents & (POLLHUP | POLLERR))) {
                return have;
            }
        }
    }
}

/* ---- WebSocket ----------------------------------------------------------- */

#define WS_CONTINUE 0
#define WS_TEXT     1
#define WS_BINARY   2
#define WS_CLOSE    8
#define WS_PING     9
#define WS_PONG     10

static bool raw_read_all(VncIo *io, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = raw_read(io, p, len);

        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static bool ws_send(VncIo *io, int opcode, const void *buf, size_t len)
{
    uint8_t head[10] = { 0x80 | opcode };
    size_t n = 2;

    if (len < 126) {
        head[1] = len;
    } else if (len < 65536) {
        head[1] = 126;
        head[2] = len >> 8;
        head[3] = len;
        n = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++) {
            head[2 + i] = (uint64_t)len >> (56 - 8 * i);
        }
        n = 10;
    }
    LOCK_GUARD(&io->write_lock);
    return raw_write(io, head, n) && raw_write(io, buf, len);
}

/* A control frame, whole: at most 125 bytes. */
static bool ws_control(VncIo *io, int opcode, size_t len, const uint8_t *mask)
{
    uint8_t data[125];

    if (len > sizeof(data) || !raw_read_all(io, data, len)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        data[i] ^= mask[i & 3];
    }
    if (opcode == WS_PING) {
        return ws_send(io, WS_PONG, data, len);
    }
    if (opcode == WS_CLOSE) {
        ws_send(io, WS_CLOSE, data, len);
        return false;
    }
    return opcode == WS_PONG;
}

/* Reads frame headers up to one with data. */
static bool ws_next_frame(VncIo *io)
{
    for (;;) {
        uint8_t h[2], ext[8];
        uint64_t len;
        int opcode, extra;

        if (!raw_read_all(io, h, 2)) {
            return false;
        }
        opcode = h[0] & 15;
        len = h[1] & 0x7f;
        extra = len == 126 ? 2 : len == 127 ? 8 : 0;
        /* Clients mask what they send; nobody agreed on extensions. */
        if ((h[0] & 0x70) || !(h[1] & 0x80) ||
            (extra && !raw_read_all(io, ext, extra))) {
            return false;
        }
        for (int i = 0; i < extra; i++) {
            len = (i ? len << 8 : 0) | ext[i];
        }
        if (!raw_read_all(io, io->mask, 4)) {
            return false;
        }
        if (opcode >= WS_CLOSE) {
            if (!ws_control(io, opcode, len, io->mask)) {
                return false;
            }
            continue;
        }
        if (opcode > WS_BINARY) {
            return false;
        }
        if (len > 0) {
            io->frame_left = len;
            io->mask_at = 0;
            return true;
        }
    }
}

static size_t ws_read(VncIo *io, uint8_t *buf, size_t max)
{
    ssize_t n;

    if (!io->frame_left && !ws_next_frame(io)) {
        return 0;
    }
    n = raw_read(io, buf, MIN(max, io->frame_left));
    if (n <= 0) {
        return 0;
    }
    for (ssize_t i = 0; i < n; i++) {
        buf[i] ^= io->mask[io->mask_at++ & 3];
    }
    io->frame_left -= n;
    return n;
}

/* The value of header @name in @head (g_free), or NULL. */
char *vnc_http_header(const char *head, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
    size_t len = strlen(name);

    for (int i = 1; lines[0] && lines[i]; i++) {
        if (!g_ascii_strncasecmp(lines[i], name, len) &&
            lines[i][len] == ':') {
            return g_strstrip(g_strdup(lines[i] + len + 1));
        }
    }
    return NULL;
}

static bool lists(const char *value, const char *word)
{
    g_auto(GStrv) parts = g_strsplit(value ? value : "", ",", -1);

    for (int i = 0; parts[i]; i++) {
        if (!g_ascii_strcasecmp(g_strstrip(parts[i]), word)) {
            return true;
        }
    }
    return false;
}

bool vnc_io_websocket(VncIo *io, const char *head)
{
    /* RFC 6455, 1.3. */
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    g_autofree char *key = vnc_http_header(head, "Sec-WebSocket-Key");
    g_autofree char *upgrade = vnc_http_header(head, "Upgrade");
    g_autofree char *version = vnc_http_header(head, "Sec-WebSocket-Version");
    g_autofree char *protocol = vnc_http_header(head,
                                                "Sec-WebSocket-Protocol");
    g_autofree char *text = NULL, *accept = NULL, *reply = NULL;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize len = sizeof(digest);

    if (!key || !lists(upgrade, "websocket") || g_strcmp0(version, "13") ||
        (protocol && !lists(protocol, "binary"))) {
        static const char no[] = "HTTP/1.1 400 Bad Request\r\n"
                                 "Connection: close\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                                 "Content-Length: 0\r\n\r\n";

        raw_write(io, no, strlen(no));
        return false;
    }
    text = g_strconcat(key, magic, NULL);
    g_checksum_update(sum, (const guchar *)text, -1);
    g_checksum_get_digest(sum, digest, &len);
    accept = g_base64_encode(digest, len);
    reply = g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                            accept,
                            protocol ? "Sec-WebSocket-Protocol: binary\r\n"
                                     : "");
    if (!raw_write(io, reply, strlen(reply))) {
        return false;
    }
    io->ws = true;
    return true;
}

/* ---- the stream ---------------------------------------------------------- */

size_t vnc_io_read(VncIo *io, void *buf, size_t max)
{
    ssize_t n;

    if (io->ws) {
        return ws_read(io, buf, max);
    }
    n = raw_read(io, buf, max);
    return n > 0 ? n : 0;
}

bool vnc_io_read_all(VncIo *io, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        size_t n = vnc_io_read(io, p, len);

        if (n == 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

bool vnc_io_write(VncIo *io, const void *buf, size_t len)
{
    if (io->ws) {
        return ws_send(io, WS_BINARY, buf, len);
    }
    LOCK_GUARD(&io->write_lock);
    return raw_write(io, buf, len);
}

void vnc_io_set_codec(VncIo *io, VncCodec *codec)
{
    assert(!io->codec);
    io->codec = codec;
}

static void *pump_run(void *opaque)
{
    VncIo *io = opaque;
    g_autofree uint8_t *buf = g_malloc(PUMP_CHUNK);

    for (;;) {
        ssize_t n = RETRY_ON_EINTR(read(io->pair[1], buf, PUMP_CHUNK));

        if (n <= 0 || !vnc_io_write(io, buf, n)) {
            break;
        }
    }
    vnc_io_abort(io);
    return NULL;
}

int vnc_io_output(VncIo *io)
{
    int pair[2], ret;

    if (!io->ws && !io->codec) {
        return fcntl(io->fd, F_DUPFD_CLOEXEC, 0);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return -1;
    }
    mutex_lock(&io->lock);
    io->pair[1] = pair[1];
    mutex_unlock(&io->lock);
    ret = thread_try_create(&io->pump, "vnc_pump", pump_run, io);
    if (ret < 0) {
        close(pair[0]);
        errno = -ret;
        return -1;
    }
    io->pumping = true;
    return pair[0];
}
