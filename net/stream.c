/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on stream sockets: -netdev stream, the stream half of -netdev socket,
 * and passt, which speaks the same.
 *
 * Each frame is preceded by its length, 32 bits big-endian.  Without a
 * connection frames are dropped, as on a cable that is plugged in nowhere.
 *
 *     listening --accept--> connected --gone--> listening
 *     connecting --ok--> connected --gone--> waiting (reconnect=) or idle
 *
 * A frame the socket took a part of is finished before the next one is taken.
 * Bytes that came in wait in `in` while the peer has no room.
 */
#include "osdep.h"
#include "sock-int.h"
#include "qapi/qapi-events.h"
#include "util/fdset.h"
#include "util/loop.h"
#include "util/module.h"
#include "util/timer.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

#define IN_SIZE  (256 * KiB) /* a longest frame and more */
#define OUT_SIZE (NET_MAX_FRAME + 4)
#define READS    8           /* before others get their turn */

typedef struct StreamNet {
    NetClient nc;
    int listen_fd, fd;     /* -1: none */
    NetAddr at;            /* where it listens or connects to */
    char *unlink_path;
    bool events, connecting, reading, writing;
    uint32_t reconnect;
    Timer timer;
    size_t in_at, in_len;  /* bytes of `in` that wait */
    size_t out_at, out_len; /* bytes of `out` still to be written */
    uint8_t *in, *out;
} StreamNet;

static void stream_readable(void *opaque);
static void stream_writable(void *opaque);
static void stream_accept(void *opaque);

static void stream_watch(StreamNet *s)
{
    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, s->reading ? stream_readable : NULL,
                    s->writing || s->connecting ? stream_writable : NULL, s);
    }
    if (s->listen_fd >= 0) {
        loop_set_fd(loop_main(), s->listen_fd, s->fd < 0 ? stream_accept : NULL,
                    NULL, s);
    }
}

static void stream_connected(StreamNet *s, const NetAddr *peer, bool incoming)
{
    g_autofree char *text = peer ? net_addr_text(peer) : NULL;
    int one = 1;

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    s->connecting = s->writing = false;
    s->reading = true;
    s->in_at = s->in_len = s->out_at = s->out_len = 0;
    if (text) {
        net_client_set_text(&s->nc, "%s %s",
                            incoming ? "connection from" : "connected to",
                            text);
    } else {
        net_client_set_text(&s->nc, "fd=%d", s->fd);
    }
    stream_watch(s);
    if (s->events) {
        SocketAddress *sa;

        if (peer) {
            sa = net_addr_to_qapi(peer);
        } else {
            sa = g_new0(SocketAddress, 1);
            sa->type = SOCKET_ADDRESS_TYPE_FD;
            sa->u.fd.str = g_strdup_printf("%d", s->fd);
        }
        qapi_event_send_netdev_stream_connected(s->nc.name, sa);
        qapi_free_SocketAddress(sa);
    }
    net_flush(&s->nc);
}

static void show_idle(StreamNet *s)
{
    g_autofree char *text = s->at.len ? net_addr_text(&s->at) : NULL;

    if (s->listen_fd >= 0) {
        net_client_set_text(&s->nc, "listening on %s", text);
    } else if (s->reconnect) {
        net_client_set_text(&s->nc, "connecting to %s", text);
    } else {
        net_client_set_text(&s->nc, "disconnected");
    }
}

static void stream_disconnect(StreamNet *s)
{
    bool was_connected = !s->connecting;

    loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    close(s->fd);
    s->fd = -1;
    s->connecting = s->reading = s->writing = false;
    s->in_at = s->in_len = s->out_at = s->out_len = 0;
    show_idle(s);
    if (was_connected && s->events) {
        qapi_event_send_netdev_stream_disconnected(s->nc.name);
    }
    stream_watch(s);
    if (s->reconnect) {
        timer_mod_ms(&s->timer, s->reconnect * INT64_C(1000));
    }
    net_flush(&s->nc); /* what waited for the socket is lost */
}

static void stream_accept(void *opaque)
{
    StreamNet *s = opaque;
    NetAddr from = { .len = sizeof(from.a) };
    int fd = accept4(s->listen_fd, (struct sockaddr *)&from.a, &from.len,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return;
    }
    s->fd = fd;
    /* A client of a UNIX socket has no name: the server's is more use. */
    stream_connected(s, from.a.ss_family == AF_UNIX ? &s->at : &from, true);
}

/* Nonblocking; false: it failed at once. */
static bool stream_dial(StreamNet *s, Error **errp)
{
    int fd = socket(s->at.a.ss_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        error_setg_errno(errp, errno, "can't create a stream socket");
        return false;
    }
    s->fd = fd;
    if (connect(fd, (struct sockaddr *)&s->at.a, s->at.len) == 0) {
        stream_connected(s, &s->at, false);
        return true;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        g_autofree char *text = net_addr_text(&s->at);

        error_setg_errno(errp, errno, "can't connect to %s", text);
        close(fd);
        s->fd = -1;
        return false;
    }
    s->connecting = true;
    stream_watch(s);
    return true;
}

static void stream_retry(void *opaque)
{
    StreamNet *s = opaque;

    if (!stream_dial(s, NULL)) {
        timer_mod_ms(&s->timer, s->reconnect * INT64_C(1000));
    }
}

/* ---- to the guest -------------------------------------------------------- */

static void stream_sent(NetClient *nc, ssize_t len);

/* Hands on what is in `in`; false: the peer has no room, or it is over. */
static bool stream_deliver(StreamNet *s)
{
    while (s->in_len >= 4) {
        uint8_t *p = s->in + s->in_at;
        uint32_t len = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];

        if (len > NET_MAX_FRAME) {
            warn_report("netdev %s: a frame of %u bytes was announced: "
                        "closing the connection", s->nc.name, len);
            stream_disconnect(s);
            return false;
        }
        if (s->in_len - 4 < len) {
            break;
        }
        s->in_at += 4 + len;
        s->in_len -= 4 + len;
        if (len && net_send(&s->nc, p + 4, len, stream_sent) == 0) {
            s->reading = false;
            stream_watch(s);
            return false;
        }
        if (s->fd < 0) {
            return false;
        }
    }
    return true;
}

static void stream_sent(NetClient *nc, ssize_t len)
{
    StreamNet *s = (StreamNet *)nc;

    if (s->fd >= 0 && stream_deliver(s) && s->fd >= 0) {
        s->reading = true;
        stream_watch(s);
    }
}

static void stream_readable(void *opaque)
{
    StreamNet *s = opaque;

    for (unsigned i = 0; i < READS && s->fd >= 0 && s->reading; i++) {
        size_t room;
        ssize_t n;

        if (s->in_at) { /* at most a part of one frame is left */
            memmove(s->in, s->in + s->in_at, s->in_len);
            s->in_at = 0;
        }
        room = IN_SIZE - s->in_len;
        n = recv(s->fd, s->in + s->in_len, room, 0);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                stream_disconnect(s);
            }
            return;
        }
        s->in_len += n;
        if (!stream_deliver(s) || (size_t)n < room) {
            return;
        }
    }
}

/* ---- from the guest ------------------------------------------------------ */

static bool stream_can_receive(NetClient *nc)
{
    StreamNet *s = (StreamNet *)nc;

    return s->out_len == 0;
}

static ssize_t stream_receive(NetClient *nc, const struct iovec *iov, int n)
{
    StreamNet *s = (StreamNet *)nc;
    size_t len = iov_total(iov, n), done;
    uint8_t hdr[4] = { len >> 24, len >> 16, len >> 8, len };
    struct iovec v[NET_IOV_MAX];
    struct msghdr msg = { .msg_iov = v, .msg_iovlen = n + 1 };
    ssize_t ret;

    if (s->fd < 0 || s->connecting || n >= NET_IOV_MAX) {
        return len;
    }
    if (s->out_len) {
        return 0;
    }
    v[0] = (struct iovec){ hdr, sizeof(hdr) };
    memcpy(v + 1, iov, n * sizeof(*iov));
    ret = RETRY_ON_EINTR(sendmsg(s->fd, &msg, MSG_NOSIGNAL));
    if (ret < 0 && errno != EAGAIN) {
        return len; /* reading will find it closed */
    }
    done = MAX(ret, 0);
    if (done == 0) {
        s->writing = true;
        stream_watch(s);
        return 0;
    }
    if (done < len + 4) { /* the rest is kept here */
        s->out_len = iov_copy_out(v, n + 1, done, s->out, OUT_SIZE);
        s->out_at = 0;
        s->writing = true;
        stream_watch(s);
    }
    return len;
}

static void stream_writable(void *opaque)
{
    StreamNet *s = opaque;
    int err = 0;
    socklen_t size = sizeof(err);

    if (s->connecting) {
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &size);
        if (err) {
            g_autofree char *text = net_addr_text(&s->at);

            if (!s->reconnect) {
                warn_report("netdev %s: can't connect to %s: %s", s->nc.name,
                            text, strerror(err));
            }
            stream_disconnect(s);
            return;
        }
        stream_connected(s, &s->at, false);
        return;
    }
    if (s->out_len) {
        ssize_t n = send(s->fd, s->out + s->out_at, s->out_len, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                stream_disconnect(s);
            }
            return;
        }
        s->out_at += n;
        s->out_len -= n;
        if (s->out_len) {
            return;
        }
    }
    s->writing = false;
    stream_watch(s);
    net_flush(&s->nc);
}

/* ---- life ---------------------------------------------------------------- */

static void stream_cleanup(NetClient *nc)
{
    StreamNet *s = (StreamNet *)nc;

    timer_del(&s->timer);
    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
        close(s->fd);
    }
    if (s->listen_fd >= 0) {
        loop_set_fd(loop_main(), s->listen_fd, NULL, NULL, NULL);
        close(s->listen_fd);
    }
    if (s->unlink_path) {
        unlink(s->unlink_path);
    }
    g_free(s->unlink_path);
    g_free(s->in);
    g_free(s->out);
}

#define STREAM_INFO(drv) \
    { .driver = (drv), .size = sizeof(StreamNet), \
      .can_receive = stream_can_receive, .receive = stream_receive, \
      .cleanup = stream_cleanup }

static const NetClientInfo socket_info = STREAM_INFO(NET_CLIENT_DRIVER_SOCKET);
static const NetClientInfo stream_info = STREAM_INFO(NET_CLIENT_DRIVER_STREAM);
static const NetClientInfo passt_info = STREAM_INFO(NET_CLIENT_DRIVER_PASST);

static StreamNet *stream_new(const NetStreamConf *c, NetClient *peer)
{
    const NetClientInfo *info = !strcmp(c->model, "socket") ? &socket_info
                                : !strcmp(c->model, "passt") ? &passt_info
                                                             : &stream_info;
    StreamNet *s = (StreamNet *)net_client_new(info, peer, c->model, c->id);

    s->listen_fd = s->fd = -1;
    s->events = c->events;
    s->reconnect = c->reconnect;
    s->in = g_malloc(IN_SIZE);
    s->out = g_malloc(OUT_SIZE);
    timer_init(&s->timer, loop_main(), CLOCK_REALTIME_NS, stream_retry, s);
    return s;
}

bool net_stream_listen(const NetStreamConf *c, const NetAddr *at,
                       NetClient *peer, Error **errp)
{
    int fd = socket(at->a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    0);
    g_autofree char *text = net_addr_text(at);
    const struct sockaddr_un *un = (const void *)&at->a;
    bool named = at->a.ss_family == AF_UNIX && un->sun_path[0];
    StreamNet *s;
    int one = 1;

    if (fd < 0) {
        error_setg_errno(errp, errno, "can't create a stream socket");
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (named) {
        unlink(un->sun_path); /* of an earlier run */
    }
    if (bind(fd, (const struct sockaddr *)&at->a, at->len) < 0 ||
        listen(fd, 1) < 0) {
        error_setg_errno(errp, errno, "can't listen on %s", text);
        close(fd);
        return false;
    }
    s = stream_new(c, peer);
    s->at = *at;
    s->listen_fd = fd;
    s->unlink_path = named ? g_strdup(un->sun_path) : NULL;
    show_idle(s);
    stream_watch(s);
    return true;
}

bool net_stream_connect(const NetStreamConf *c, const NetAddr *to,
                        NetClient *peer, Error **errp)
{
    StreamNet *s = stream_new(c, peer);
    Error *err = NULL;

    s->at = *to;
    if (!stream_dial(s, &err)) {
        if (!s->reconnect) {
            error_propagate(errp, err);
            net_client_free(&s->nc);
            return false;
        }
        error_free(err);
        show_idle(s);
        timer_mod_ms(&s->timer, s->reconnect * INT64_C(1000));
    }
    return true;
}

NetClient *net_stream_from_fd(const NetStreamConf *c, int fd, NetClient *peer,
                              Error **errp)
{
    int flags = fcntl(fd, F_GETFL), listening = 0;
    socklen_t len = sizeof(listening);
    StreamNet *s;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d", fd);
        close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    s = stream_new(c, peer);
    if (listening) {
        s->listen_fd = fd;
        s->at.len = sizeof(s->at.a);
        getsockname(fd, (struct sockaddr *)&s->at.a, &s->at.len);
        show_idle(s);
        stream_watch(s);
    } else {
        s->fd = fd;
        stream_connected(s, NULL, false);
    }
    return &s->nc;
}

static bool stream_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevStreamOptions *o = &opts->u.stream;
    bool server = o->has_server && o->server;
    NetStreamConf conf = {
        .id = opts->id, .model = "stream", .events = true,
        .reconnect = o->has_reconnect ? o->reconnect : 0,
    };
    NetAddr at;

    if (server && o->has_reconnect) {
        error_setg(errp, "'reconnect' option is incompatible with socket in "
                         "server listen mode");
        return false;
    }
    if (o->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        int fd = fd_from_text(o->addr->u.fd.str, errp);

        if (fd >= 0 && o->has_reconnect) {
            error_setg(errp, "'reconnect' option is incompatible with a file "
                             "descriptor");
            close(fd);
            fd = -1;
        }
        return fd >= 0 && net_stream_from_fd(&conf, fd, peer, errp);
    }
    return net_addr_from(o->addr, server, SOCK_STREAM, &at, errp) &&
           (server ? net_stream_listen(&conf, &at, peer, errp)
                   : net_stream_connect(&conf, &at, peer, errp));
}

static const NetdevDriver stream_driver = {
    .driver = NET_CLIENT_DRIVER_STREAM,
    .open = stream_open,
};

static void stream_register(void)
{
    netdev_register(&stream_driver);
}
netdev_init(stream_register)
