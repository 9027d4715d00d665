/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where VNC servers listen: addresses, port ranges, who holds a port. */
#include "osdep.h"
#include "util/option.h"
#include "vnc-listen.h"
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define VNC_BASE     5900
#define REVERSE_BASE 5500
#define WS_BASE      5700

/* ---- information --------------------------------------------------------- */

VncBasicInfo *vnc_address_info(int fd, bool peer, bool websocket)
{
    VncBasicInfo *i = g_new0(VncBasicInfo, 1);
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    int ret = peer ? getpeername(fd, (struct sockaddr *)&sa, &len)
                   : getsockname(fd, (struct sockaddr *)&sa, &len);

    i->websocket = websocket;
    i->family = NETWORK_ADDRESS_FAMILY_UNKNOWN;
    if (ret == 0 && sa.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&sa;

        i->family = NETWORK_ADDRESS_FAMILY_UNIX;
        i->host = g_strdup("");
        i->service = g_strndup(un->sun_path, sizeof(un->sun_path));
        return i;
    }
    if (ret == 0 && (sa.ss_family == AF_INET || sa.ss_family == AF_INET6)) {
        i->family = sa.ss_family == AF_INET ? NETWORK_ADDRESS_FAMILY_IPV4
                                            : NETWORK_ADDRESS_FAMILY_IPV6;
        getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    }
    i->host = g_strdup(host);
    i->service = g_strdup(port);
    return i;
}

VncBasicInfo *vnc_info_copy(const VncBasicInfo *i)
{
    VncBasicInfo *n = g_new0(VncBasicInfo, 1);

    n->host = g_strdup(i->host);
    n->service = g_strdup(i->service);
    n->family = i->family;
    n->websocket = i->websocket;
    return n;
}

void vnc_listener_free(VncListener *l)
{
    close(l->fd);
    if (l->path) {
        unlink(l->path);
    }
    g_free(l->path);
    qapi_free_VncBasicInfo(l->info);
    g_free(l);
}

/* ---- who holds a port ---------------------------------------------------- */

/* The socket's inode number in /proc/net/tcp[6], 0: not found. */
static unsigned long listening_inode(const char *table, unsigned port)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(table, &text, NULL, NULL)) {
        return 0;
    }
    lines = g_strsplit(text, "\n", -1);
    for (int i = 1; lines[0] && lines[i]; i++) {
        unsigned p, state;
        unsigned long inode;

        /* sl local remote st queues timer retransmits uid timeout inode */
        if (sscanf(lines[i], " %*d: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*d %*d %lu",
                   &p, &state, &inode) == 3 &&
            p == port && state == 0x0a) {
            return inode;
        }
    }
    return 0;
}

static bool has_socket(const char *pid, unsigned long inode)
{
    g_autofree char *dir = g_strdup_printf("/proc/%s/fd", pid);
    g_autofree char *want = g_strdup_printf("socket:[%lu]", inode);
    g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
    const char *name;

    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (!g_strcmp0(target, want)) {
            return true;
        }
    }
    return false;
}

/* "process 12 (sshd)" (g_free), or NULL when it cannot be seen. */
static char *port_holder(unsigned port)
{
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name;

    inode = inode ? inode : listening_inode("/proc/net/tcp6", port);
    while (inode && proc && (name = g_dir_read_name(proc))) {
        if (g_ascii_isdigit(*name) && has_socket(name, inode)) {
            g_autofree char *path = g_build_filename("/proc", name, "comm",
                                                     NULL);
            g_autofree char *comm = NULL;

            g_file_get_contents(path, &comm, NULL, NULL);
            return g_strdup_printf("process %s (%s)", name,
                                   comm ? g_strstrip(comm) : "?");
        }
    }
    return NULL;
}

/* ---- listening ----------------------------------------------------------- */

static void add_listener(VncServer *s, int fd, bool websocket,
                         const char *path)
{
    VncListener *l = g_new0(VncListener, 1);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    l->fd = fd;
    l->websocket = websocket;
    l->path = g_strdup(path);
    l->info = vnc_address_info(fd, false, websocket);
    vnc_server_watch(s, l);
}

static bool listen_unix(VncServer *s, const char *path, bool websocket,
                        Error **errp)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof(un.sun_path)) {
        error_setg(errp, "UNIX socket path '%s' is too long, at most %zu bytes",
                   path, sizeof(un.sun_path) - 1);
        return false;
    }
    memcpy(un.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Failed to create socket");
        return false;
    }
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(path);
    }
    if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
        listen(fd, 64) < 0) {
        error_setg_errno(errp, errno, "Failed to bind socket to %s", path);
        close(fd);
        return false;
    }
    add_listener(s, fd, websocket, path);
    return true;
}

/* 0, or -errno: one address of a host at one port. */
static int bind_one(const struct addrinfo *ai, uint16_t port, int *out)
{
    struct sockaddr_storage sa;
    int one = 1, err;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    memcpy(&sa, ai->ai_addr, ai->ai_addrlen);
    /* The same place for IPv4 and IPv6. */
    ((struct sockaddr_in *)&sa)->sin_port = htons(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (ai->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if (bind(fd, (struct sockaddr *)&sa, ai->ai_addrlen) < 0 ||
        listen(fd, 64) < 0) {
        err = errno;
        close(fd);
        return -err;
    }
    *out = fd;
    return 0;
}

/* All addresses of the host at one port, or none. */
static int bind_all(const struct addrinfo *res, uint16_t port, GArray *fds)
{
    int first = 0;

    for (const struct addrinfo *ai = res; ai; ai = ai->ai_next) {
        int fd, ret = bind_one(ai, port, &fd);

        if (ret == 0) {
            g_array_append_val(fds, fd);
        } else if (ret == -EADDRINUSE) {
            for (guint i = 0; i < fds->len; i++) {
                close(g_array_index(fds, int, i));
            }
            g_array_set_size(fds, 0);
            return ret;
        } else {
            first = first ? first : ret; /* no IPv6 here, say */
        }
    }
    return fds->len ? 0 : first ? first : -EADDRNOTAVAIL;
}

static struct addrinfo *resolve(const char *host, bool passive, bool v4,
                                bool v6, Error **errp)
{
    struct addrinfo hints = {
        .ai_family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = passive ? AI_PASSIVE : 0,
    };
    struct addrinfo *res = NULL;
    int ret = getaddrinfo(*host ? host : passive ? NULL : "localhost", "0",
                          &hints, &res);

    if (ret) {
        error_setg(errp, "address resolution failed for '%s': %s", host,
                   gai_strerror(ret));
        return NULL;
    }
    return res;
}

static bool listen_inet(VncServer *s, const char *host, unsigned port,
                        unsigned to, bool v4, bool v6, bool websocket,
                        Error **errp)
{
    struct addrinfo *res = resolve(host, true, v4, v6, errp);
    g_autoptr(GArray) fds = g_array_new(false, false, sizeof(int));
    unsigned first = port;
    int ret;

    if (!res) {
        return false;
    }
    do {
        ret = bind_all(res, port, fds);
    } while (ret == -EADDRINUSE && port++ < to);
    freeaddrinfo(res);
    for (guint i = 0; i < fds->len; i++) {
        add_listener(s, g_array_index(fds, int, i), websocket, NULL);
    }
    if (ret == -EADDRINUSE && to > first) {
        g_autofree char *who = port_holder(first);

        error_setg(errp, "all ports from %u to %u are in use%s%s", first, to,
                   who ? ", the first by " : "", who ? who : "");
    } else if (ret == -EADDRINUSE) {
        g_autofree char *who = port_holder(first);

        error_setg(errp, "port %u is in use%s%s", first, who ? ", by " : "",
                   who ? who : "");
    } else if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot listen on %s port %u",
                         *host ? host : "*", first);
    }
    return ret == 0;
}

static bool connect_inet(VncServer *s, const char *host, unsigned port,
                         bool v4, bool v6, Error **errp)
{
    struct addrinfo *res = resolve(host, false, v4, v6, errp), *ai;
    int err = 0;

    if (!res) {
        return false;
    }
    for (ai = res; ai; ai = ai->ai_next) {
        int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ((struct sockaddr_in *)ai->ai_addr)->sin_port = htons(port);
        if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
            freeaddrinfo(res);
            vnc_server_add(s, fd, NULL, false);
            return true;
        }
        err = errno;
        if (fd >= 0) {
            close(fd);
        }
    }
    freeaddrinfo(res);
    error_setg_errno(errp, err, "cannot connect to %s port %u", host, port);
    return false;
}

/* ---- texts --------------------------------------------------------------- */

bool vnc_address_take(VncAddress *a, QObject *o, Error **errp)
{
    return opts_take_u64(o, "to", &a->to, errp) &&
           opts_take_bool(o, "ipv4", &a->ipv4, errp) &&
           opts_take_bool(o, "ipv6", &a->ipv6, errp) &&
           opts_take_str(o, "websocket", &a->websocket, errp);
}

void vnc_address_clear(VncAddress *a)
{
    g_free(a->websocket);
}

/* "host:number", "[v6]:number", ":number"; @base is added. */
static bool split(const char *text, unsigned base, char **host, unsigned *port,
                  Error **errp)
{
    const char *colon = strrchr(text, ':');
    uint64_t n;
    char *end;

    if (!colon || !g_ascii_isdigit(colon[1])) {
        error_setg(errp, "'%s' is no VNC address: HOST:DISPLAY, unix:PATH and "
                   "none are", text);
        return false;
    }
    n = g_ascii_strtoull(colon + 1, &end, 10);
    if (*end || n + base > 65535) {
        error_setg(errp, "'%s': display numbers go from 0 to %u", text,
                   65535 - base);
        return false;
    }
    *port = n + base;
    *host = g_strndup(text, colon - text);
    if (**host == '[' && (*host)[strlen(*host) - 1] == ']') {
        (*host)[strlen(*host) - 1] = 0;
        memmove(*host, *host + 1, strlen(*host));
    }
    return true;
}

static bool open_websocket(VncServer *s, const VncAddress *a,
                           const char *host, unsigned display, Error **errp)
{
    g_autofree char *own = NULL;
    const char *w = a->websocket;
    unsigned port;
    uint64_t n;

    if (!w || !strcmp(w, "off")) {
        return true;
    }
    if (!strcmp(w, "on")) {
        port = WS_BASE + display;
    } else if (strchr(w, ':')) {
        if (!split(w, 0, &own, &port, errp)) {
            return false;
        }
        host = own;
    } else if (!parse_uint64("websocket", w, &n, errp) || n > 65535) {
        if (errp && !*errp) {
            error_setg(errp, "websocket=%s: there is no such port", w);
        }
        return false;
    } else {
        port = n;
    }
    return listen_inet(s, host, port, port, a->ipv4, a->ipv6, true, errp);
}

bool vnc_address_open(VncServer *s, const VncAddress *a, Error **errp)
{
    g_autofree char *host = NULL;
    unsigned port, to, base = s->reverse ? REVERSE_BASE : VNC_BASE;

    if (!strcmp(a->text, "none")) {
        if (a->websocket && strcmp(a->websocket, "off")) {
            error_setg(errp, "'websocket' needs a VNC address");
            return false;
        }
        return true;
    }
    if (g_str_has_prefix(a->text, "unix:")) {
        if (s->reverse || (a->websocket && strcmp(a->websocket, "off"))) {
            error_setg(errp, "'%s' cannot be used with a UNIX socket",
                       s->reverse ? "reverse" : "websocket");
            return false;
        }
        return listen_unix(s, a->text + 5, false, errp);
    }
    if (s->reverse) {
        /* A port proper, as QEMU takes it. */
        return split(a->text, 0, &host, &port, errp) &&
               connect_inet(s, host, port, a->ipv4, a->ipv6, errp);
    }
    if (!split(a->text, base, &host, &port, errp)) {
        return false;
    }
    to = a->to ? MIN(a->to + base, 65535) : port;
    return listen_inet(s, host, port, to, a->ipv4, a->ipv6, false, errp) &&
           open_websocket(s, a, host, port - base, errp);
}

/* ---- display-update ------------------------------------------------------ */

static bool open_socket_address(VncServer *s, const SocketAddress *a,
                                Error **errp)
{
    const InetSocketAddress *in = &a->u.inet;
    uint64_t port;

    switch (a->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        if (!parse_uint64("port", in->port, &port, errp)) {
            return false;
        }
        if (port > 65535) {
            error_setg(errp, "there is no port %s", in->port);
            return false;
        }
        return listen_inet(s, in->host, port, in->has_to ? in->to : port,
                           in->has_ipv4 && in->ipv4, in->has_ipv6 && in->ipv6,
                           false, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return listen_unix(s, a->u.q_unix.path, false, errp);
    default:
        error_setg(errp, "a VNC server listens on 'inet' or 'unix' addresses");
        return false;
    }
}

bool vnc_address_replace(VncServer *s, const SocketAddressList *list,
                         Error **errp)
{
    ListNode old = LIST_INIT(old);
    VncListener *l, *next;
    bool ok = true;

    /* The new ones may be among the old: those give way first, and come
     * back if something fails. */
    list_foreach_safe(l, next, &s->listeners, node) {
        loop_set_fd(loop_main(), l->fd, NULL, NULL, NULL);
        list_remove(&l->node);
        list_append(&old, &l->node);
    }
    for (; list && ok; list = list->next) {
        ok = open_socket_address(s, list->value, errp);
    }
    if (!ok) {
        vnc_server_close(s);
    }
    list_foreach_safe(l, next, &old, node) {
        list_remove(&l->node);
        if (ok) {
            vnc_listener_free(l);
        } else {
            vnc_server_watch(s, l);
        }
    }
    return ok;
}
