/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses, and -netdev socket, which is a stream or datagrams. */
#include "osdep.h"
#include "sock-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

static bool resolve(const char *host, const char *port, int family,
                    bool passive, int socktype, NetAddr *out, Error **errp)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = socktype,
        .ai_flags = (passive ? AI_PASSIVE : 0),
    };
    struct addrinfo *res = NULL;
    int rc = getaddrinfo(*host ? host : NULL, *port ? port : NULL, &hints,
                         &res);

    if (rc != 0) {
        error_setg(errp, "address resolution failed for %s:%s: %s", host, port,
                   gai_strerror(rc));
        return false;
    }
    memcpy(&out->a, res->ai_addr, res->ai_addrlen);
    out->len = res->ai_addrlen;
    freeaddrinfo(res);
    return true;
}

static bool from_unix(const UnixSocketAddress *u, NetAddr *out, Error **errp)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->a;
    bool abstract = u->has_abstract && u->abstract;
    size_t len = strlen(u->path), room = sizeof(un->sun_path) - 1;

    if (len > room - abstract) {
        error_setg(errp, "UNIX socket path '%s' is too long: %zu bytes are "
                         "the limit", u->path, room - abstract);
        return false;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + abstract, u->path, len);
    out->len = offsetof(struct sockaddr_un, sun_path) + abstract + len +
               !abstract;
    if (abstract && u->has_tight && !u->tight) {
        out->len = sizeof(*un);
    }
    return true;
}

bool net_addr_from(const SocketAddress *sa, bool passive, int socktype,
                   NetAddr *out, Error **errp)
{
    int family = AF_UNSPEC;

    memset(out, 0, sizeof(*out));
    switch (sa->type) {
    case SOCKET_ADDRESS_TYPE_UNIX:
        return from_unix(&sa->u.q_unix, out, errp);
    case SOCKET_ADDRESS_TYPE_INET:
        if (sa->u.inet.has_to) {
            error_setg(errp, "'to' is not supported here");
            return false;
        }
        if (sa->u.inet.has_ipv4 && sa->u.inet.has_ipv6) {
            if (!sa->u.inet.ipv4 && !sa->u.inet.ipv6) {
                error_setg(errp, "ipv4=off with ipv6=off leaves no address");
                return false;
            }
            family = !sa->u.inet.ipv4 ? AF_INET6
                     : !sa->u.inet.ipv6 ? AF_INET : AF_UNSPEC;
        } else if (sa->u.inet.has_ipv4) {
            family = sa->u.inet.ipv4 ? AF_INET : AF_INET6;
        } else if (sa->u.inet.has_ipv6) {
            family = sa->u.inet.ipv6 ? AF_INET6 : AF_INET;
        }
        return resolve(sa->u.inet.host, sa->u.inet.port, family, passive,
                       socktype, out, errp);
    default:
        error_setg(errp, "addresses of type '%s' are not supported here",
                   SocketAddressType_str(sa->type));
        return false;
    }
}

bool net_addr_from_text(const char *text, bool passive, int socktype,
                        NetAddr *out, Error **errp)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = NULL;
    size_t len;

    if (!colon) {
        error_setg(errp, "host address '%s' doesn't contain ':' separating "
                         "host from port", text);
        return false;
    }
    if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon + 1) > 5 || atoi(colon + 1) > 65535) {
        error_setg(errp, "port number '%s' is invalid", colon + 1);
        return false;
    }
    len = colon - text;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        host = g_strndup(text + 1, len - 2);
    } else {
        host = g_strndup(text, len);
    }
    memset(out, 0, sizeof(*out));
    return resolve(host, colon + 1, strchr(host, ':') ? AF_INET6 : AF_INET,
                   passive, socktype, out, errp);
}

bool net_addr_is_multicast(const NetAddr *a)
{
    const struct sockaddr_in *in = (const void *)&a->a;
    const struct sockaddr_in6 *in6 = (const void *)&a->a;

    return a->a.ss_family == AF_INET ? IN_MULTICAST(ntohl(in->sin_addr.s_addr))
           : a->a.ss_family == AF_INET6 ? IN6_IS_ADDR_MULTICAST(&in6->sin6_addr)
                                        : false;
}

/* Numbers; either may be NULL. */
static void inet_text(const NetAddr *a, char host[NI_MAXHOST],
                      char port[NI_MAXSERV])
{
    if (getnameinfo((const struct sockaddr *)&a->a, a->len, host, NI_MAXHOST,
                    port, NI_MAXSERV, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        *host = *port = '\0';
    }
}

static bool is_unix(const NetAddr *a)
{
    return a->a.ss_family == AF_UNIX;
}

/* The path; of an abstract one what follows its zero. */
static char *unix_path(const NetAddr *a, bool *abstract)
{
    const struct sockaddr_un *un = (const void *)&a->a;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t len = a->len > head ? a->len - head : 0;

    *abstract = len > 1 && !un->sun_path[0];
    return *abstract ? g_strndup(un->sun_path + 1, len - 1)
                     : g_strndup(un->sun_path, len);
}

char *net_addr_text(const NetAddr *a)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (is_unix(a)) {
        bool abstract;
        g_autofree char *path = unix_path(a, &abstract);

        return g_strdup_printf("unix:%s%s", abstract ? "@" : "", path);
    }
    inet_text(a, host, port);
    return g_strdup_printf(a->a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                           host, port);
}

SocketAddress *net_addr_to_qapi(const NetAddr *a)
{
    SocketAddress *sa = g_new0(SocketAddress, 1);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (is_unix(a)) {
        sa->type = SOCKET_ADDRESS_TYPE_UNIX;
        sa->u.q_unix.path = unix_path(a, &sa->u.q_unix.abstract);
        sa->u.q_unix.has_abstract = sa->u.q_unix.abstract;
        return sa;
    }
    inet_text(a, host, port);
    sa->type = SOCKET_ADDRESS_TYPE_INET;
    sa->u.inet.host = g_strdup(host);
    sa->u.inet.port = g_strdup(port);
    if (a->a.ss_family == AF_INET6) {
        sa->u.inet.has_ipv6 = sa->u.inet.ipv6 = true;
    } else {
        sa->u.inet.has_ipv4 = sa->u.inet.ipv4 = true;
    }
    return sa;
}

/* ---- -netdev socket ------------------------------------------------------ */

static bool open_fd(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevSocketOptions *o = &opts->u.socket;
    NetStreamConf conf = { .id = opts->id, .model = "socket" };
    int fd = fd_from_text(o->fd, errp), type = 0;
    socklen_t len = sizeof(type);
    NetAddr to;

    if (fd < 0) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d is not a socket",
                         fd);
        close(fd);
        return false;
    }
    if (type == SOCK_STREAM) {
        return net_stream_from_fd(&conf, fd, peer, errp) != NULL;
    }
    if (type != SOCK_DGRAM) {
        error_setg(errp, "file descriptor %d is a socket of neither streams "
                         "nor datagrams", fd);
        close(fd);
        return false;
    }
    if (o->mcast &&
        !net_addr_from_text(o->mcast, false, SOCK_DGRAM, &to, errp)) {
        close(fd);
        return false;
    }
    return net_dgram_from_fd(opts->id, "socket", fd, o->mcast ? &to : NULL,
                             peer, errp) != NULL;
}

static bool open_mcast(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevSocketOptions *o = &opts->u.socket;
    NetAddr to, local;

    if (!net_addr_from_text(o->mcast, false, SOCK_DGRAM, &to, errp)) {
        return false;
    }
    if (!net_addr_is_multicast(&to)) {
        error_setg(errp, "mcast=%s is not a multicast address", o->mcast);
        return false;
    }
    if (o->localaddr) {
        g_autofree char *text = g_strdup_printf("%s:0", o->localaddr);

        if (!net_addr_from_text(text, true, SOCK_DGRAM, &local, errp)) {
            return false;
        }
    }
    return net_dgram_open(opts->id, "socket", o->localaddr ? &local : NULL,
                          &to, peer, errp);
}

static bool open_udp(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevSocketOptions *o = &opts->u.socket;
    NetAddr to, local;

    if (!o->localaddr) {
        error_setg(errp, "localaddr= is mandatory with udp=");
        return false;
    }
    return net_addr_from_text(o->localaddr, true, SOCK_DGRAM, &local, errp) &&
           net_addr_from_text(o->udp, false, SOCK_DGRAM, &to, errp) &&
           net_dgram_open(opts->id, "socket", &local, &to, peer, errp);
}

static bool socket_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevSocketOptions *o = &opts->u.socket;
    NetStreamConf conf = { .id = opts->id, .model = "socket" };
    NetAddr at;

    if (o->fd && (o->listen || o->connect || o->udp)) {
        error_setg(errp, "listen=, connect= and udp= are invalid with fd=");
        return false;
    }
    if (!o->fd && !!o->listen + !!o->connect + !!o->mcast + !!o->udp != 1) {
        error_setg(errp, "exactly one of listen=, connect=, mcast= or udp= "
                         "is required");
        return false;
    }
    if (o->localaddr && !o->mcast && !o->udp) {
        error_setg(errp, "localaddr= is only valid with mcast= or udp=");
        return false;
    }
    if (o->fd) {
        return open_fd(opts, peer, errp);
    }
    if (o->mcast) {
        return open_mcast(opts, peer, errp);
    }
    if (o->udp) {
        return open_udp(opts, peer, errp);
    }
    if (o->listen) {
        return net_addr_from_text(o->listen, true, SOCK_STREAM, &at, errp) &&
               net_stream_listen(&conf, &at, peer, errp);
    }
    return net_addr_from_text(o->connect, false, SOCK_STREAM, &at, errp) &&
           net_stream_connect(&conf, &at, peer, errp);
}

static const NetdevDriver socket_driver = {
    .driver = NET_CLIENT_DRIVER_SOCKET,
    .open = socket_open,
};

static void socket_register(void)
{
    netdev_register(&socket_driver);
}
netdev_init(socket_register)
