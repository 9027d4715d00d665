/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "socket": UNIX and TCP streams, as server or client.
 *
 * A server takes one client at a time and listens on after it leaves; while a
 * client is there, further ones wait in the kernel's queue.  A client with
 * reconnect= tries again after that many seconds.  `telnet` answers option
 * negotiations and strips them (RFC 854, 857, 858); `websocket` serves RFC
 * 6455 frames; with tls-creds= all of it is inside of TLS.
 *
 * A peer that leaves while the front end takes nothing ("gone") is noticed at
 * once, but what it sent last is still delivered; the next client ends that
 * wait.
 */
#include "osdep.h"
#include "char-int.h"
#include "char-socket.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"
#include "util/authz.h"
#include "util/timer.h"
#include "util/tls.h"
#include "util/websock.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#define MAX_FDS    16
#define WS_PAYLOAD 16384 /* bytes of one outgoing frame */

typedef struct SocketChardev {
    Chardev chr;
    int listen_fds[CHR_MAX_ADDRS], n_listen;
    int fd;                /* -1: none */
    bool server, wait, telnet, websocket, nodelay;
    bool reading, writing;
    bool gone;             /* the peer left, its bytes have not been read */
    char *path;            /* UNIX socket that we bound: removed at close */
    char *address;         /* for query-chardev, after "tcp:" and so on */
    const char *kind;      /* "tcp:", "unix:", "telnet:", ... */
    ChrAddrList addrs;     /* client: where to connect */
    int next_addr;         /* to try when this one fails */
    bool connecting;
    uint64_t reconnect;    /* s, 0: never */
    Timer timer;
    int fds[MAX_FDS];      /* received, not taken yet */
    int n_fds;
    uint8_t iac[3];        /* telnet command being received */
    int iac_len;
    TlsCreds *creds;       /* borrowed, NULL: no TLS */
    char *authz;           /* who may connect; NULL: everybody */
    char *host;            /* client: whose certificate it has to be */
    TlsSession *tls;       /* of this connection */
    bool shaking;          /* its handshake is not over */
    BH *bh;                /* decrypted bytes wait */
    WebSock *ws;           /* of this connection */
    GByteArray *in;        /* payload the front end had no room for */
    GByteArray *wire;      /* encoded output that waits for the socket */
} SocketChardev;

static void sock_watch(SocketChardev *s);

static void set_name(SocketChardev *s)
{
    g_autofree char *peer = NULL, *local = NULL;

    if (s->fd >= 0 && !s->connecting && strcmp(s->kind, "unix:") &&
        strcmp(s->kind, "fd:")) {
        local = chr_addr_name(s->fd, false);
        peer = chr_addr_name(s->fd, true);
    }
    chr_set_filename(
        &s->chr,
        g_strdup_printf("%s%s%s%s%s%s",
                        s->fd < 0 || s->connecting ? "disconnected:" : "",
                        s->kind, local ? local : s->address,
                        s->server ? ",server=on" : "", peer ? " <-> " : "",
                        peer ? peer : ""));
}

static void drop_fds(SocketChardev *s)
{
    for (int i = 0; i < s->n_fds; i++) {
        close(s->fds[i]);
    }
    s->n_fds = 0;
}

/* As send() and recvmsg(), inside of TLS where there is TLS. */
static ssize_t stream_send(SocketChardev *s, const void *buf, size_t len)
{
#ifdef CONFIG_GNUTLS
    if (s->tls) {
        return tls_session_try_write(s->tls, buf, len);
    }
#endif
    return RETRY_ON_EINTR(send(s->fd, buf, len, MSG_NOSIGNAL));
}

static ssize_t stream_receive(SocketChardev *s, struct msghdr *msg)
{
#ifdef CONFIG_GNUTLS
    if (s->tls) {
        ssize_t n = tls_session_try_read(s->tls, msg->msg_iov->iov_base,
                                         msg->msg_iov->iov_len);

        msg->msg_controllen = 0;
        if (tls_session_pending(s->tls)) {
            bh_schedule(s->bh); /* the descriptor does not tell */
        }
        return n;
    }
#endif
    return recvmsg(s->fd, msg, MSG_CMSG_CLOEXEC);
}

/* Sends what is encoded; true when nothing is left. */
static bool flush_wire(SocketChardev *s)
{
    while (s->wire->len) {
        ssize_t n = stream_send(s, s->wire->data, s->wire->len);

        if (n < 0) {
            if (errno == EAGAIN) {
                return false;
            }
            n = s->wire->len; /* reading will find it closed */
        }
        g_byte_array_remove_range(s->wire, 0, n);
    }
    return true;
}

static void sock_opened(SocketChardev *s)
{
    set_name(s);
    chr_be_event(&s->chr, CHR_EVENT_OPENED);
}

static void sock_disconnect(Chardev *chr);

/* The stream is there, with TLS and all. */
static void sock_begin(SocketChardev *s)
{
    static const uint8_t greeting[] = {
        255, 251, 1, /* IAC WILL ECHO */
        255, 251, 3, /* IAC WILL SUPPRESS-GO-AHEAD */
        255, 251, 0, 255, 253, 0, /* binary both ways */
    };

    if (s->websocket) {
        s->ws = websock_new(); /* open when its handshake is over */
    }
    sock_watch(s);
    if (s->telnet) {
        g_byte_array_append(s->wire, greeting, sizeof(greeting));
        flush_wire(s);
    }
    if (!s->ws) {
        sock_opened(s);
    }
}

#ifdef CONFIG_GNUTLS
static bool tls_done(SocketChardev *s, Error **errp)
{
    g_autofree char *name = s->authz ? tls_session_peer_name(s->tls) : NULL;

    if (s->authz && (!name || !authz_is_allowed(s->authz, name))) {
        error_setg(errp, "TLS: '%s' is not allowed by '%s'",
                   name ? name : "", s->authz);
        return false;
    }
    return true;
}

static void tls_step(SocketChardev *s)
{
    Error *err = NULL;
    int ret = tls_session_handshake_step(s->tls, &err);

    if (ret > 0 && !tls_done(s, &err)) {
        ret = -1;
    }
    if (ret < 0) {
        warn_report("chardev '%s': %s", s->chr.label, error_get_pretty(err));
        error_free(err);
        sock_disconnect(&s->chr);
    } else if (ret > 0) {
        s->shaking = false;
        sock_begin(s);
    } else {
        sock_watch(s);
    }
}

static void tls_begin(SocketChardev *s)
{
    Error *err = NULL;

    s->tls = tls_session_new(s->creds, s->fd, s->host, &err);
    if (!s->tls) {
        warn_report("chardev '%s': %s", s->chr.label, error_get_pretty(err));
        error_free(err);
        sock_disconnect(&s->chr);
        return;
    }
    s->shaking = true;
    tls_step(s);
}

static void tls_end(SocketChardev *s)
{
    if (s->tls && !s->shaking) {
        tls_session_bye(s->tls);
    }
    tls_session_free(s->tls);
    s->tls = NULL;
    s->shaking = false;
}
#else
static void tls_step(SocketChardev *s)
{
}

static void tls_begin(SocketChardev *s)
{
}

static void tls_end(SocketChardev *s)
{
}
#endif

static void sock_connected(SocketChardev *s, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (s->nodelay) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    s->fd = fd;
    s->connecting = s->gone = false;
    s->iac_len = 0;
    s->reading = true;
    g_byte_array_set_size(s->wire, 0);
    g_byte_array_set_size(s->in, 0);
    if (s->creds) {
        tls_begin(s);
    } else {
        sock_begin(s);
    }
}

static void sock_accept(void *opaque)
{
    SocketChardev *s = opaque;

    if (s->gone) {
        sock_disconnect(&s->chr); /* somebody new is there */
    }
    for (int i = 0; i < s->n_listen && s->fd < 0; i++) {
        int fd = accept4(s->listen_fds[i], NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            sock_connected(s, fd);
        }
    }
}

static bool sock_connect(SocketChardev *s, Error **errp);

static void sock_retry(void *opaque)
{
    SocketChardev *s = opaque;

    s->next_addr = 0;
    if (!sock_connect(s, NULL)) {
        timer_mod_ms(&s->timer, s->reconnect * 1000);
    }
}

static void sock_disconnect(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;
    bool was_open = chr->open;

    if (s->fd < 0) {
        return;
    }
    loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    tls_end(s);
    close(s->fd);
    s->fd = -1;
    s->reading = s->writing = s->connecting = s->gone = false;
    websock_free(s->ws);
    s->ws = NULL;
    drop_fds(s);
    g_byte_array_set_size(s->wire, 0);
    g_byte_array_set_size(s->in, 0);
    set_name(s);
    if (was_open) {
        chr_drop_output(chr);
        chr_be_event(chr, CHR_EVENT_CLOSED);
    }
    if (s->fd >= 0) {
        return; /* an event handler connected anew */
    }
    if (s->n_listen) {
        sock_watch(s);
    } else if (s->reconnect) {
        timer_mod_ms(&s->timer, s->reconnect * 1000);
    }
}

static void receive_fds(SocketChardev *s, struct msghdr *msg)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        int n, got[MAX_FDS];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        n = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), MAX_FDS);
        memcpy(got, CMSG_DATA(c), n * sizeof(int));
        drop_fds(s); /* nobody asked for the earlier ones */
        memcpy(s->fds, got, n * sizeof(int));
        s->n_fds = n;
    }
}

/* Takes telnet commands out of @buf in place; the bytes left. */
static int strip_telnet(SocketChardev *s, uint8_t *buf, int len)
{
    int n = 0;

    for (int i = 0; i < len; i++) {
        if (s->iac_len == 0 && buf[i] != 255) {
            buf[n++] = buf[i];
            continue;
        }
        s->iac[s->iac_len++] = buf[i];
        if (s->iac_len == 2 && s->iac[1] == 255) {
            buf[n++] = 255;
            s->iac_len = 0;
        } else if (s->iac_len == 2 && s->iac[1] == 243) { /* BREAK */
            chr_be_event(&s->chr, CHR_EVENT_BREAK);
            s->iac_len = 0;
        } else if ((s->iac_len == 2 && s->iac[1] < 251) || s->iac_len == 3) {
            s->iac_len = 0;
        }
    }
    return n;
}

/* Hands payload that waits to the front end; true when none is left. */
static bool deliver(SocketChardev *s)
{
    while (s->in->len) {
        int room = chr_be_can_read(&s->chr), fd = s->fd;
        uint8_t buf[4096];
        int n = MIN(MIN(room, (int)s->in->len), (int)sizeof(buf));

        if (n <= 0) {
            return false;
        }
        memcpy(buf, s->in->data, n);
        g_byte_array_remove_range(s->in, 0, n);
        chr_be_read(&s->chr, buf, n);
        if (s->fd != fd) {
            return false; /* the front end hung up */
        }
    }
    return true;
}

/* The peer left while nothing is being read. */
static void sock_hangup(void *opaque)
{
    SocketChardev *s = opaque;
    uint8_t c;

    if (s->in->len || recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        s->gone = true;
        sock_watch(s);
        chr_be_writable(&s->chr); /* nobody is there to wait for */
    } else {
        sock_disconnect(&s->chr);
    }
}

static void sock_pause(SocketChardev *s)
{
    s->reading = false;
    sock_watch(s);
}

static void ws_received(SocketChardev *s, const uint8_t *buf, int len)
{
    bool was_ready = websock_ready(s->ws);
    Error *err = NULL;
    bool ok = websock_feed(s->ws, buf, len, s->in, s->wire, &err);

    flush_wire(s);
    if (ok && !was_ready && websock_ready(s->ws)) {
        sock_opened(s);
    }
    if (s->fd >= 0 && !deliver(s) && s->fd >= 0) {
        s->reading = false;
    }
    if (!ok) {
        error_free(err);
        sock_disconnect(&s->chr);
    } else if (s->fd >= 0) {
        sock_watch(s);
    }
}

static void sock_readable(void *opaque)
{
    SocketChardev *s = opaque;
    bool waiting = s->ws && !websock_ready(s->ws);
    int room = s->shaking ? 1 : waiting ? 4096 : chr_be_can_read(&s->chr);
    uint8_t buf[4096];
    union {
        char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec iov = { buf, 0 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    ssize_t n;

    if (s->shaking) {
        tls_step(s);
        return;
    }
    if (room <= 0 || !deliver(s)) {
        if (s->fd >= 0) {
            sock_pause(s);
        }
        return;
    }
    iov.iov_len = MIN(room, (int)sizeof(buf));
    n = stream_receive(s, &msg);
    if (n > 0) {
        receive_fds(s, &msg);
        if (s->ws) {
            ws_received(s, buf, n);
            return;
        }
        n = s->telnet ? strip_telnet(s, buf, n) : n;
        if (n > 0) {
            chr_be_read(&s->chr, buf, n);
        }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        sock_disconnect(&s->chr);
    }
}

static void sock_writable(void *opaque)
{
    SocketChardev *s = opaque;
    int err = 0, fd = s->fd;
    socklen_t len = sizeof(err);

    if (s->shaking) {
        tls_step(s);
        return;
    }
    if (!s->connecting) {
        if (flush_wire(s)) {
            chr_be_writable(&s->chr);
            if (s->fd == fd) {
                sock_watch(s);
            }
        }
        return;
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    loop_set_fd(loop_main(), fd, NULL, NULL, NULL);
    if (!err) {
        sock_connected(s, fd);
        return;
    }
    close(fd);
    s->fd = -1;
    s->connecting = false;
    if (!sock_connect(s, NULL)) {
        timer_mod_ms(&s->timer, s->reconnect * 1000);
    }
}

/* Bytes that TLS has read already. */
static void sock_bh(void *opaque)
{
#ifdef CONFIG_GNUTLS
    SocketChardev *s = opaque;

    if (s->tls && s->reading && !s->shaking && tls_session_pending(s->tls)) {
        sock_readable(s);
    }
#endif
}

static void sock_watch(SocketChardev *s)
{
    bool out = s->writing || s->wire->len || s->connecting, in = s->reading;
    LoopFn on_read, on_write;

#ifdef CONFIG_GNUTLS
    if (s->shaking) {
        out = tls_session_wants_write(s->tls);
        in = !out;
    }
#endif
    on_read = in ? sock_readable : NULL;
    on_write = out ? sock_writable : NULL;

    for (int i = 0; i < s->n_listen; i++) {
        loop_set_fd(loop_main(), s->listen_fds[i],
                    s->fd < 0 || s->gone ? sock_accept : NULL, NULL, s);
    }
    if (s->fd < 0) {
        return;
    }
    if (!on_read && !on_write && !s->gone) {
        loop_set_fd_hangup(loop_main(), s->fd, sock_hangup, s);
    } else {
        loop_set_fd(loop_main(), s->fd, on_read, s->gone ? NULL : on_write,
                    s);
    }
}

/* Telnet doubles FFh; WebSocket frames; TLS wants to be asked with the same
 * bytes again.  The whole of it is taken. */
static int write_encoded(SocketChardev *s, const uint8_t *buf, int len)
{
    if (!flush_wire(s)) {
        return 0;
    }
    len = MIN(len, WS_PAYLOAD);
    if (s->ws) {
        websock_frame(s->wire, buf, len);
    } else if (!s->telnet) {
        g_byte_array_append(s->wire, buf, len);
    } else {
        for (int i = 0; i < len; i++) {
            g_byte_array_append(s->wire, &buf[i], 1);
            if (buf[i] == 255) {
                g_byte_array_append(s->wire, &buf[i], 1);
            }
        }
    }
    if (!flush_wire(s)) {
        sock_watch(s);
    }
    return len;
}

static int sock_write(Chardev *chr, const uint8_t *buf, int len)
{
    SocketChardev *s = (SocketChardev *)chr;
    ssize_t n;

    if (!chr->open || s->fd < 0 || s->gone) {
        return len; /* nobody listens: as a line without a peer */
    }
    if (s->ws || s->telnet || s->tls) {
        return write_encoded(s, buf, len);
    }
    n = RETRY_ON_EINTR(send(s->fd, buf, len, MSG_NOSIGNAL));
    if (n < 0) {
        return errno == EAGAIN ? 0 : len; /* reading will find it closed */
    }
    return n;
}

static void sock_want_write(Chardev *chr, bool on)
{
    SocketChardev *s = (SocketChardev *)chr;

    s->writing = on;
    sock_watch(s);
}

static int sock_out_fd(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    return chr->open && !s->gone ? s->fd : -1;
}

static void sock_update_read(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    if (s->fd >= 0 && !s->connecting && !s->reading &&
        chr_be_can_read(chr) > 0 && deliver(s)) {
        s->reading = true;
        sock_watch(s);
        if (s->tls) {
            bh_schedule(s->bh);
        }
    }
}

static int sock_take_fds(Chardev *chr, int *fds, int max)
{
    SocketChardev *s = (SocketChardev *)chr;
    int n = MIN(s->n_fds, max);

    memcpy(fds, s->fds, n * sizeof(int));
    memmove(s->fds, s->fds + n, (s->n_fds - n) * sizeof(int));
    s->n_fds -= n;
    return n;
}

/* --- opening --- */

/* Start-up without reconnect= waits for the answer.  0 or an errno. */
static int wait_connected(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int err = 0;
    socklen_t len = sizeof(err);

    if (RETRY_ON_EINTR(poll(&p, 1, 10000)) == 0) {
        return ETIMEDOUT;
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    return err;
}

/* Tries the addresses that are left, one after the other. */
static bool sock_connect(SocketChardev *s, Error **errp)
{
    int err = ECONNREFUSED;

    while (s->next_addr < s->addrs.n) {
        const ChrAddr *a = &s->addrs.a[s->next_addr++];
        int fd = socket(a->ss.ss_family,
                        SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0) {
            err = errno;
            continue;
        }
        err = connect(fd, (const struct sockaddr *)&a->ss, a->len) < 0 ? errno
                                                                       : 0;
        if (err == EINPROGRESS && s->reconnect) {
            s->fd = fd;
            s->connecting = true;
            sock_watch(s);
            return true;
        }
        if (err == EINPROGRESS) {
            err = wait_connected(fd);
        }
        if (!err) {
            sock_connected(s, fd);
            return true;
        }
        close(fd);
    }
    error_setg_errno(errp, err, "Failed to connect to '%s'", s->addrs.text);
    return false;
}

static const char *const sock_opts[] = {
    "path", "host", "port", "to", "ipv4", "ipv6", "server", "wait", "delay",
    "nodelay", "telnet", "reconnect", "fd", "abstract", "tight", "tn3270",
    "tls-creds", "tls-authz", "websocket", NULL,
};

/* An inherited descriptor: listening (server) or connected. */
static bool adopt_fd(SocketChardev *s, const char *text, Error **errp)
{
    int fd = fd_from_text(text, errp), listening = 0, domain = 0;
    socklen_t len = sizeof(listening), dlen = sizeof(domain);

    if (fd < 0) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0) {
        error_setg_errno(errp, errno, "fd=%s is not a socket", text);
        return false;
    }
    if (s->server && !listening) {
        error_setg(errp, "fd=%s is not a listening socket", text);
        return false;
    }
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &dlen);
    s->kind = domain == AF_UNIX                             ? "unix:"
              : domain == AF_INET || domain == AF_INET6 ? "tcp:"
                                                            : "fd:";
    s->address = chr_addr_name(fd, false);
    if (!s->address || !*s->address) {
        g_free(s->address);
        s->address = g_strdup(text);
        s->kind = "fd:";
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (s->server) {
        s->listen_fds[s->n_listen++] = fd;
    } else {
        sock_connected(s, fd);
    }
    return true;
}

typedef struct SockOptions {
    char *path, *host, *port, *fd;
    uint64_t to;
    int family;
    bool abstract, tight;
} SockOptions;

static void free_options(SockOptions *o)
{
    g_free(o->path);
    g_free(o->host);
    g_free(o->port);
    g_free(o->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SockOptions, free_options)

static bool refuse_options(QObject *opts, Error **errp)
{
    static const struct {
        const char *key, *why;
    } rows[] = {
#ifndef CONFIG_GNUTLS
        { "tls-creds", "this build has no GnuTLS" },
#endif
        { "tn3270", "no PC machine has a 3270 terminal" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *key = rows[i].key, *v = qdict_get_str(opts, key);
        bool off = v ? !strcmp(v, "off") : !qdict_get_bool(opts, key, true);

        if (qdict_has(opts, key) && !off) {
            error_setg(errp, "chardev: socket: option '%s' is not supported: "
                       "%s", key, rows[i].why);
            return false;
        }
        qdict_del(opts, key);
    }
    return true;
}

static bool take_tls(SocketChardev *s, QObject *opts, const SockOptions *o,
                     Error **errp)
{
    g_autofree char *id = NULL;

    if (!opts_take_str(opts, "tls-creds", &id, errp) ||
        !opts_take_str(opts, "tls-authz", &s->authz, errp)) {
        return false;
    }
    if (s->authz && !id) {
        error_setg(errp, "'tls-authz' option requires 'tls-creds' option");
        return false;
    }
    if (id && o->path) {
        error_setg(errp, "'tls-creds' option is incompatible with 'unix' "
                         "address type");
        return false;
    }
#ifdef CONFIG_GNUTLS
    s->creds = id ? tls_creds_hold(id, s->server, errp) : NULL;
    if (id && !s->creds) {
        return false;
    }
    if (s->authz && !tls_creds_have_names(s->creds)) {
        error_setg(errp, "'tls-authz' needs credentials of type "
                         "tls-creds-x509 with verify-peer=on");
        return false;
    }
#endif
    s->host = s->server ? NULL : g_strdup(o->host);
    return true;
}

static bool take_options(SocketChardev *s, QObject *opts, SockOptions *o,
                         Error **errp)
{
    bool has_v4 = qdict_has(opts, "ipv4"), has_v6 = qdict_has(opts, "ipv6");
    bool delay = true, nodelay = false, v4 = false, v6 = false;

    o->tight = true;
    if (!refuse_options(opts, errp) ||
        !opts_take_str(opts, "path", &o->path, errp) ||
        !opts_take_str(opts, "host", &o->host, errp) ||
        !opts_take_str(opts, "port", &o->port, errp) ||
        !opts_take_str(opts, "fd", &o->fd, errp) ||
        !opts_take_u64(opts, "to", &o->to, errp) ||
        !opts_take_bool(opts, "ipv4", &v4, errp) ||
        !opts_take_bool(opts, "ipv6", &v6, errp) ||
        !opts_take_bool(opts, "server", &s->server, errp) ||
        !opts_take_bool(opts, "delay", &delay, errp) ||
        !opts_take_bool(opts, "nodelay", &nodelay, errp) ||
        !opts_take_bool(opts, "telnet", &s->telnet, errp) ||
        !opts_take_bool(opts, "websocket", &s->websocket, errp) ||
        !opts_take_bool(opts, "abstract", &o->abstract, errp) ||
        !opts_take_bool(opts, "tight", &o->tight, errp) ||
        !opts_take_u64(opts, "reconnect", &s->reconnect, errp) ||
        !take_tls(s, opts, o, errp)) {
        return false;
    }
    s->nodelay = nodelay || !delay;
    o->family = chr_addr_family(has_v4, v4, has_v6, v6);
    if (s->telnet && s->websocket) {
        error_setg(errp, "chardev: socket: 'telnet' and 'websocket' exclude "
                         "each other");
        return false;
    }
    if (qdict_has(opts, "wait") && !s->server) {
        error_setg(errp, "'wait' option is incompatible with socket in client "
                         "connect mode");
        return false;
    }
    if (s->websocket && !s->server) {
        error_setg(errp, "'websocket' option is incompatible with socket in "
                         "client connect mode");
        return false;
    }
    if (s->server && s->reconnect) {
        error_setg(errp, "'reconnect' option is incompatible with socket in "
                         "server listen mode");
        return false;
    }
    s->wait = s->server;
    return opts_take_bool(opts, "wait", &s->wait, errp);
}

/* Start-up goes on when the first client is there, or by a signal. */
static void wait_for_client(SocketChardev *s)
{
    struct pollfd p[CHR_MAX_ADDRS];

    info_report("QEMU waiting for connection on: %s", s->chr.filename);
    for (int i = 0; i < s->n_listen; i++) {
        p[i] = (struct pollfd){ .fd = s->listen_fds[i], .events = POLLIN };
    }
    if (poll(p, s->n_listen, -1) > 0) {
        sock_accept(s);
    }
}

static bool resolve(SocketChardev *s, const SockOptions *o, Error **errp)
{
    s->kind = s->telnet ? "telnet:" : s->websocket ? "websocket:" : "tcp:";
    if (o->path) {
        if (!chr_addr_unix(&s->addrs, o->path, o->abstract, o->tight, errp)) {
            return false;
        }
        s->kind = "unix:";
        s->address = g_strdup(s->addrs.text + strlen("unix:"));
        return true;
    }
    if (!o->port) {
        error_setg(errp, "chardev: socket: no port given");
        return false;
    }
    if (!chr_addr_inet(&s->addrs, o->host ? o->host : "", o->port, o->family,
                       SOCK_STREAM, s->server, errp)) {
        return false;
    }
    s->address = g_strdup(s->addrs.text + strlen("tcp:"));
    return true;
}

static bool sock_open(Chardev *chr, QObject *opts, Error **errp)
{
    SocketChardev *s = (SocketChardev *)chr;
    g_auto(SockOptions) o = { 0 };

    s->fd = -1;
    s->wire = g_byte_array_new();
    s->in = g_byte_array_new();
    timer_init(&s->timer, loop_main(), CLOCK_REALTIME_NS, sock_retry, s);
    s->bh = bh_new(loop_main(), sock_bh, s);
    if (!take_options(s, opts, &o, errp)) {
        return false;
    }
    if (!!o.path + !!o.fd + !!(o.host || o.port) != 1) {
        error_setg(errp, "chardev: socket: give one of 'path', 'host' with "
                         "'port', and 'fd'");
        return false;
    }
    if (o.fd ? !adopt_fd(s, o.fd, errp) : !resolve(s, &o, errp)) {
        return false;
    }
    if (s->server) {
        if (!o.fd) {
            s->n_listen = chr_addr_listen(&s->addrs, o.to, s->listen_fds,
                                          errp);
            if (!s->n_listen) {
                return false;
            }
            if (o.path && !o.abstract) {
                s->path = g_strdup(o.path);
            } else if (!o.path) {
                g_free(s->address);
                s->address = chr_addr_name(s->listen_fds[0], false);
            }
        }
        for (int i = 0; i < s->n_listen; i++) {
            fcntl(s->listen_fds[i], F_SETFL, O_NONBLOCK);
        }
        set_name(s);
        if (s->wait) {
            wait_for_client(s);
        }
        sock_watch(s);
        return true;
    }
    if (!o.fd && !sock_connect(s, s->reconnect ? NULL : errp)) {
        if (!s->reconnect) {
            return false;
        }
        timer_mod_ms(&s->timer, s->reconnect * 1000);
    }
    set_name(s);
    return true;
}

static void sock_close(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    s->reconnect = 0;
    timer_del(&s->timer);
    for (int i = 0; i < s->n_listen; i++) {
        loop_set_fd(loop_main(), s->listen_fds[i], NULL, NULL, NULL);
        close(s->listen_fds[i]);
    }
    s->n_listen = 0;
    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
        tls_end(s);
        close(s->fd);
        s->fd = -1;
    }
    if (s->bh) {
        bh_delete(s->bh);
    }
#ifdef CONFIG_GNUTLS
    tls_creds_release(s->creds);
#endif
    g_free(s->authz);
    g_free(s->host);
    drop_fds(s);
    if (s->path) {
        unlink(s->path);
    }
    websock_free(s->ws);
    if (s->wire) {
        g_byte_array_free(s->wire, TRUE);
        g_byte_array_free(s->in, TRUE);
    }
    g_free(s->path);
    g_free(s->address);
    g_free(s->addrs.text);
}

static const ChardevDriver socket_info = {
    .name = "socket", .size = sizeof(SocketChardev), .opts = sock_opts,
    .open = sock_open, .close = sock_close, .write = sock_write,
    .want_write = sock_want_write, .out_fd = sock_out_fd,
    .update_read = sock_update_read,
    .disconnect = sock_disconnect, .take_fds = sock_take_fds,
};

static void char_socket_register(void)
{
    chr_driver_register(&socket_info);
}
chardev_init(char_socket_register)
