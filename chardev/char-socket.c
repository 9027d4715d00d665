/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "socket": UNIX and TCP streams, as server or client.
 *
 * A server takes one client at a time and listens on after it leaves; while a
 * client is there, further ones wait in the kernel's queue.  A client with
 * reconnect= tries again after that many seconds.  `telnet` answers option
 * negotiations and strips them (RFC 854, 857, 858).
 */
#include "osdep.h"
#include "char-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"
#include "util/timer.h"
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_FDS 16

typedef struct SocketChardev {
    Chardev chr;
    int listen_fd, fd;     /* -1: none */
    bool server, wait, telnet, reading, writing;
    bool nodelay;
    char *path;            /* UNIX socket that we bound: removed at close */
    bool unlink_path;
    char *address;         /* for query-chardev */
    struct sockaddr_storage peer; /* client: where to connect */
    socklen_t peer_len;
    bool connecting;
    uint64_t reconnect;    /* s, 0: never */
    Timer timer;
    int fds[MAX_FDS];      /* received, not taken yet */
    int n_fds;
    uint8_t iac[3];        /* telnet command being received */
    int iac_len;
} SocketChardev;

static void sock_watch(SocketChardev *s);

static void set_name(SocketChardev *s)
{
    chr_set_filename(&s->chr,
                     g_strdup_printf("%s%s%s%s",
                                     s->fd < 0 ? "disconnected:" : "",
                                     s->telnet ? "telnet:" : "", s->address,
                                     s->server ? ",server=on" : ""));
}

static void drop_fds(SocketChardev *s)
{
    for (int i = 0; i < s->n_fds; i++) {
        close(s->fds[i]);
    }
    s->n_fds = 0;
}

static void sock_connected(SocketChardev *s, int fd)
{
    static const uint8_t greeting[] = {
        255, 251, 1, /* IAC WILL ECHO */
        255, 251, 3, /* IAC WILL SUPPRESS-GO-AHEAD */
        255, 251, 0, 255, 253, 0, /* binary both ways */
    };
    int one = 1;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (s->nodelay) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    s->fd = fd;
    s->connecting = false;
    s->iac_len = 0;
    if (s->telnet) {
        ssize_t n = send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL);

        (void)n;
    }
    set_name(s);
    s->reading = true;
    sock_watch(s);
    chr_be_event(&s->chr, CHR_EVENT_OPENED);
}

static void sock_accept(void *opaque)
{
    SocketChardev *s = opaque;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        sock_connected(s, fd);
    }
}

static bool sock_connect(SocketChardev *s, Error **errp);

static void sock_retry(void *opaque)
{
    SocketChardev *s = opaque;

    if (!sock_connect(s, NULL)) {
        timer_mod_ms(&s->timer, s->reconnect * 1000);
    }
}

static void sock_disconnect(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;
    bool was_open = s->fd >= 0 && !s->connecting;

    if (s->fd < 0) {
        return;
    }
    loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    close(s->fd);
    s->fd = -1;
    s->reading = s->writing = s->connecting = false;
    drop_fds(s);
    set_name(s);
    if (was_open) {
        chr_be_event(chr, CHR_EVENT_CLOSED);
    }
    if (s->listen_fd >= 0) {
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

static void sock_readable(void *opaque)
{
    SocketChardev *s = opaque;
    int room = chr_be_can_read(&s->chr);
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

    if (room <= 0) {
        s->reading = false;
        sock_watch(s);
        /* Still notice the peer going away. */
        if (recv(s->fd, buf, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
            sock_disconnect(&s->chr);
        }
        return;
    }
    iov.iov_len = MIN(room, (int)sizeof(buf));
    n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n > 0) {
        receive_fds(s, &msg);
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

    if (!s->connecting) {
        chr_be_writable(&s->chr);
        return;
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err) {
        sock_disconnect(&s->chr);
        return;
    }
    loop_set_fd(loop_main(), fd, NULL, NULL, NULL);
    sock_connected(s, fd);
}

static void sock_watch(SocketChardev *s)
{
    if (s->listen_fd >= 0) {
        loop_set_fd(loop_main(), s->listen_fd, s->fd < 0 ? sock_accept : NULL,
                    NULL, s);
    }
    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, s->reading ? sock_readable : NULL,
                    s->writing || s->connecting ? sock_writable : NULL, s);
    }
}

static int sock_write(Chardev *chr, const uint8_t *buf, int len)
{
    SocketChardev *s = (SocketChardev *)chr;
    ssize_t n;

    if (s->fd < 0 || s->connecting) {
        return len; /* nobody listens: as a line without a peer */
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

static void sock_update_read(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    if (s->fd >= 0 && !s->connecting && !s->reading &&
        chr_be_can_read(chr) > 0) {
        s->reading = true;
        sock_watch(s);
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

static bool fill_unix(SocketChardev *s, const char *path, bool abstract,
                      bool tight, Error **errp)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&s->peer;
    size_t max = sizeof(un->sun_path) - 1;

    un->sun_family = AF_UNIX;
    if (strlen(path) > max) {
        error_setg(errp, "UNIX socket path '%s' is too long", path);
        error_append_hint(errp, "Path must be less than %zu bytes\n", max + 1);
        return false;
    }
    memcpy(un->sun_path + (abstract ? 1 : 0), path, strlen(path));
    s->peer_len = abstract && tight
                      ? offsetof(struct sockaddr_un, sun_path) + 1 + strlen(path)
                      : sizeof(*un);
    s->address = g_strdup_printf("unix:%s%s", abstract ? "@" : "", path);
    return true;
}

static bool fill_inet(SocketChardev *s, const char *host, const char *port,
                      int family, Error **errp)
{
    struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM,
                              .ai_flags = s->server ? AI_PASSIVE : 0 };
    struct addrinfo *res;
    g_autofree char *bare = g_strdup(host);
    size_t len = strlen(bare);
    int ret;

    if (len > 2 && bare[0] == '[' && bare[len - 1] == ']') {
        bare[len - 1] = 0;
        memmove(bare, bare + 1, len - 1);
    }
    ret = getaddrinfo(*bare ? bare : NULL, port, &hints, &res);
    if (ret) {
        error_setg(errp, "address resolution failed for %s:%s: %s", host, port,
                   gai_strerror(ret));
        return false;
    }
    memcpy(&s->peer, res->ai_addr, res->ai_addrlen);
    s->peer_len = res->ai_addrlen;
    freeaddrinfo(res);
    s->address = g_strdup_printf("tcp:%s:%s", host, port);
    return true;
}

static bool sock_listen(SocketChardev *s, uint64_t to, Error **errp)
{
    int one = 1, fd;

    for (;;) {
        fd = socket(s->peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            error_setg_errno(errp, errno, "Failed to create socket");
            return false;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (s->path) {
            unlink(s->path);
        }
        if (bind(fd, (struct sockaddr *)&s->peer, s->peer_len) == 0 &&
            listen(fd, 1) == 0) {
            break;
        }
        close(fd);
        if (errno == EADDRINUSE && !s->path) {
            struct sockaddr_in *in = (struct sockaddr_in *)&s->peer;
            uint16_t port = ntohs(in->sin_port); /* same place for IPv6 */

            if (port < to) {
                in->sin_port = htons(port + 1);
                continue;
            }
        }
        error_setg_errno(errp, errno, "Failed to bind socket to %s",
                         s->address);
        return false;
    }
    s->listen_fd = fd;
    s->unlink_path = s->path != NULL;
    return true;
}

static bool sock_connect(SocketChardev *s, Error **errp)
{
    int fd = socket(s->peer.ss_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create socket");
        return false;
    }
    if (connect(fd, (struct sockaddr *)&s->peer, s->peer_len) == 0) {
        sock_connected(s, fd);
        return true;
    }
    if (errno != EINPROGRESS) {
        error_setg_errno(errp, errno, "Failed to connect to '%s'", s->address);
        close(fd);
        return false;
    }
    if (s->reconnect) {
        s->fd = fd;
        s->connecting = true;
        sock_watch(s);
        return true;
    } else {
        /* Without reconnect= start-up waits for the answer. */
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        int err = 0;
        socklen_t len = sizeof(err);

        poll(&p, 1, 10000);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err || !(p.revents & POLLOUT)) {
            error_setg_errno(errp, err ? err : ETIMEDOUT,
                             "Failed to connect to '%s'", s->address);
            close(fd);
            return false;
        }
        sock_connected(s, fd);
        return true;
    }
}

static const char *const sock_opts[] = {
    "path", "host", "port", "to", "ipv4", "ipv6", "server", "wait", "delay",
    "nodelay", "telnet", "reconnect", "fd", "abstract", "tight", "tn3270",
    "tls-creds", "tls-authz", "websocket", NULL,
};

/* An inherited descriptor: listening (server) or connected. */
static bool adopt_fd(SocketChardev *s, const char *text, Error **errp)
{
    int fd = fd_from_text(text, errp), listening = 0;
    socklen_t len = sizeof(listening);

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
    s->address = g_strdup_printf("fd:%s", text);
    len = sizeof(s->peer);
    if (getsockname(fd, (struct sockaddr *)&s->peer, &len) == 0 &&
        s->peer.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&s->peer;

        g_free(s->address);
        s->address = g_strdup_printf("unix:%.*s", (int)sizeof(un->sun_path),
                                     un->sun_path);
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (s->server) {
        s->listen_fd = fd;
    } else {
        sock_connected(s, fd);
    }
    return true;
}

static bool take_options(SocketChardev *s, QObject *opts, char **path,
                         char **host, char **port, char **fd, uint64_t *to,
                         int *family, bool *abstract, bool *tight,
                         Error **errp)
{
    static const char *const later[] = { "tls-creds", "tls-authz", "websocket",
                                         "tn3270", NULL };
    bool delay = true, nodelay = false, v4 = false, v6 = false;

    for (const char *const *k = later; *k; k++) {
        const char *v = qdict_get_str(opts, *k);
        bool off = v ? !strcmp(v, "off") : !qdict_get_bool(opts, *k, true);

        if (qdict_has(opts, *k) && !off) {
            error_setg(errp, "chardev: socket: option '%s' is not supported",
                       *k);
            return false;
        }
        qdict_del(opts, *k);
    }
    if (!opts_take_str(opts, "path", path, errp) ||
        !opts_take_str(opts, "host", host, errp) ||
        !opts_take_str(opts, "port", port, errp) ||
        !opts_take_str(opts, "fd", fd, errp) ||
        !opts_take_u64(opts, "to", to, errp) ||
        !opts_take_bool(opts, "ipv4", &v4, errp) ||
        !opts_take_bool(opts, "ipv6", &v6, errp) ||
        !opts_take_bool(opts, "server", &s->server, errp) ||
        !opts_take_bool(opts, "delay", &delay, errp) ||
        !opts_take_bool(opts, "nodelay", &nodelay, errp) ||
        !opts_take_bool(opts, "telnet", &s->telnet, errp) ||
        !opts_take_bool(opts, "abstract", abstract, errp) ||
        !opts_take_bool(opts, "tight", tight, errp) ||
        !opts_take_u64(opts, "reconnect", &s->reconnect, errp)) {
        return false;
    }
    s->nodelay = nodelay || !delay;
    *family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
    if (qdict_has(opts, "wait") && !s->server) {
        error_setg(errp, "'wait' option is incompatible with socket in client "
                         "connect mode");
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

static bool sock_open(Chardev *chr, QObject *opts, Error **errp)
{
    SocketChardev *s = (SocketChardev *)chr;
    g_autofree char *path = NULL, *host = NULL, *port = NULL, *fd = NULL;
    bool abstract = false, tight = true;
    uint64_t to = 0;
    int family;

    s->listen_fd = s->fd = -1;
    timer_init(&s->timer, loop_main(), CLOCK_REALTIME_NS, sock_retry, s);
    if (!take_options(s, opts, &path, &host, &port, &fd, &to, &family,
                      &abstract, &tight, errp)) {
        return false;
    }
    if (!!path + !!fd + !!(host || port) != 1) {
        error_setg(errp, "chardev: socket: give one of 'path', 'host' with "
                         "'port', and 'fd'");
        return false;
    }
    if (fd) {
        if (!adopt_fd(s, fd, errp)) {
            return false;
        }
    } else if (path) {
        if (!fill_unix(s, path, abstract, tight, errp)) {
            return false;
        }
        s->path = s->server && !abstract ? g_strdup(path) : NULL;
    } else if (!port) {
        error_setg(errp, "chardev: socket: no port given");
        return false;
    } else if (!fill_inet(s, host ? host : "", port, family, errp)) {
        return false;
    }
    if (!fd && s->server && !sock_listen(s, to, errp)) {
        return false;
    }
    if (s->server) {
        set_name(s);
        if (s->wait) {
            info_report("QEMU waiting for connection on: %s", chr->filename);
            sock_accept(s);
        }
        fcntl(s->listen_fd, F_SETFL, O_NONBLOCK);
        sock_watch(s);
        return true;
    }
    if (!fd && !sock_connect(s, s->reconnect ? NULL : errp)) {
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
    if (s->listen_fd >= 0) {
        loop_set_fd(loop_main(), s->listen_fd, NULL, NULL, NULL);
        close(s->listen_fd);
        s->listen_fd = -1;
    }
    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
        close(s->fd);
        s->fd = -1;
    }
    drop_fds(s);
    if (s->unlink_path) {
        unlink(s->path);
    }
    g_free(s->path);
    g_free(s->address);
}

static const ChardevInfo socket_info = {
    .name = "socket", .size = sizeof(SocketChardev), .opts = sock_opts,
    .open = sock_open, .close = sock_close, .write = sock_write,
    .want_write = sock_want_write, .update_read = sock_update_read,
    .disconnect = sock_disconnect, .take_fds = sock_take_fds,
};

static void char_socket_register(void)
{
    chr_driver_register(&socket_info);
}
chardev_init(char_socket_register)
