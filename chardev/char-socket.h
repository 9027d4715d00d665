/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of stream and datagram sockets (char-addr.c). */
#ifndef CHARDEV_CHAR_SOCKET_H
#define CHARDEV_CHAR_SOCKET_H

#include "osdep.h"
#include "util/error.h"
#include <sys/socket.h>

enum { CHR_MAX_ADDRS = 8 };

typedef struct ChrAddr {
    struct sockaddr_storage ss;
    socklen_t len;
} ChrAddr;

/* What a name means: at most CHR_MAX_ADDRS, in the order to try them. */
typedef struct ChrAddrList {
    ChrAddr a[CHR_MAX_ADDRS];
    int n;
    char *text;    /* "tcp:HOST:PORT", "unix:PATH": for messages; owned */
} ChrAddrList;

/* @type SOCK_STREAM or SOCK_DGRAM; @passive: to bind to. */
bool chr_addr_inet(ChrAddrList *l, const char *host, const char *port,
                   int family, int type, bool passive, Error **errp);
bool chr_addr_unix(ChrAddrList *l, const char *path, bool abstract, bool tight,
                   Error **errp);
/* Which families ipv4= and ipv6= leave. */
int chr_addr_family(bool has_v4, bool v4, bool has_v6, bool v6);
/* Listens on all that work; ports up to @to are tried.  Count, 0: none. */
int chr_addr_listen(ChrAddrList *l, uint64_t to, int *fds, Error **errp);
/* "127.0.0.1:1234" of a connected or bound socket; g_free. */
char *chr_addr_name(int fd, bool peer);

#endif
