/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names to socket addresses, and listening on them. */
#include "osdep.h"
#include "char-socket.h"
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

bool chr_addr_unix(ChrAddrList *l, const char *path, bool abstract, bool tight,
                   Error **errp)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&l->a[0].ss;
    size_t max = sizeof(un->sun_path) - 1, len = strlen(path);

    un->sun_family = AF_UNIX;
    if (len > max) {
        error_setg(errp, "UNIX socket path '%s' is too long", path);
        error_append_hint(errp, "Path must be less than %zu bytes\n", max + 1);
        return false;
    }
    memcpy(un->sun_path + (abstract ? 1 : 0), path, len);
    l->a[0].len = abstract && tight
                      ? offsetof(struct sockaddr_un, sun_path) + 1 + len
                      : sizeof(*un);
    l->n = 1;
    l->text = g_strdup_printf("unix:%s%s", abstract ? "@" : "", path);
    return true;
}

int chr_addr_family(bool has_v4, bool v4, bool has_v6, bool v6)
{
    if (has_v4 && has_v6) {
        return v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
    }
    if (has_v4) {
        return v4 ? AF_INET : AF_INET6;
    }
    return !has_v6 ? AF_UNSPEC : v6 ? AF_INET6 : AF_INET;
}

bool chr_addr_inet(ChrAddrList *l, const char *host, const char *port,
                   int family, int type, bool passive, Error **errp)
{
    struct addrinfo hints = { .ai_family = family, .ai_socktype = type,
                              .ai_flags = passive ? AI_PASSIVE : 0 };
    struct addrinfo *res, *ai;
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
    for (ai = res; ai && l->n < CHR_MAX_ADDRS; ai = ai->ai_next) {
        memcpy(&l->a[l->n].ss, ai->ai_addr, ai->ai_addrlen);
        l->a[l->n++].len = ai->ai_addrlen;
    }
    freeaddrinfo(res);
    l->text = g_strdup_printf("%s:%s:%s",
                              type == SOCK_DGRAM ? "udp" : "tcp", host, port);
    return true;
}

static int listen_on(const ChrAddr *a)
{
    int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    int saved;

    if (fd < 0) {
        return -1;
    }
    if (a->ss.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&a->ss;

        if (un->sun_path[0]) {
            unlink(un->sun_path);
        }
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (a->ss.ss_family == AF_INET6) {
        /* 0.0.0.0 has a socket of its own. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if (bind(fd, (const struct sockaddr *)&a->ss, a->len) == 0 &&
        listen(fd, 1) == 0) {
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t get_port(const ChrAddr *a)
{
    /* The same place in both families. */
    return ntohs(((const struct sockaddr_in *)&a->ss)->sin_port);
}

static void set_port(ChrAddrList *l, uint16_t port)
{
    for (int i = 0; i < l->n; i++) {
        ((struct sockaddr_in *)&l->a[i].ss)->sin_port = htons(port);
    }
}

int chr_addr_listen(ChrAddrList *l, uint64_t to, int *fds, Error **errp)
{
    bool inet = l->a[0].ss.ss_family != AF_UNIX;

    for (;;) {
        uint16_t port = inet ? get_port(&l->a[0]) : 0;
        int n = 0, err = 0;
        bool busy = false;

        for (int i = 0; i < l->n; i++) {
            int fd = listen_on(&l->a[i]);

            if (fd < 0) {
                err = errno;
                busy |= err == EADDRINUSE;
                continue;
            }
            fds[n++] = fd;
            if (inet && port == 0) {
                /* The kernel chose: the others take the same. */
                socklen_t len = sizeof(l->a[i].ss);

                getsockname(fd, (struct sockaddr *)&l->a[i].ss, &len);
                port = get_port(&l->a[i]);
                set_port(l, port);
            }
        }
        /* A port that is half taken is somebody else's. */
        if (n && !busy) {
            return n;
        }
        while (n) {
            close(fds[--n]);
        }
        if (!inet || !busy || port >= to) {
            error_setg_errno(errp, err, "Failed to bind socket to %s",
                             l->text);
            return 0;
        }
        set_port(l, port + 1);
    }
}

char *chr_addr_name(int fd, bool peer)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    bool v6;

    if ((peer ? getpeername(fd, (struct sockaddr *)&ss, &len)
              : getsockname(fd, (struct sockaddr *)&ss, &len)) < 0) {
        return NULL;
    }
    if (ss.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&ss;

        return g_strdup_printf("%.*s", (int)sizeof(un->sun_path),
                               un->sun_path);
    }
    if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)) {
        return NULL;
    }
    v6 = ss.ss_family == AF_INET6;
    return g_strdup_printf("%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "",
                           port);
}
