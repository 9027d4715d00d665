/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the back ends on sockets share. */
#ifndef NET_SOCK_INT_H
#define NET_SOCK_INT_H

#include "net/net.h"
#include <sys/socket.h>
#include <sys/un.h>

typedef struct NetAddr {
    struct sockaddr_storage a;
    socklen_t len;
} NetAddr;

/* inet and unix; @passive: to bind to ("" is any address). */
bool net_addr_from(const SocketAddress *sa, bool passive, int socktype,
                   NetAddr *out, Error **errp);
/* "HOST:PORT" (HOST may be empty or a [v6] address). */
bool net_addr_from_text(const char *text, bool passive, int socktype,
                        NetAddr *out, Error **errp);
bool net_addr_is_multicast(const NetAddr *a);
/* "unix:/path", "127.0.0.1:99"; g_free. */
char *net_addr_text(const NetAddr *a);
/* As QMP shows it; qapi_free_SocketAddress. */
SocketAddress *net_addr_to_qapi(const NetAddr *a);

/*
 * Streams (net/stream.c): each frame is preceded by its length, 32 bits
 * big-endian.  @sa may be NULL.  Each takes @fd.
 */
typedef struct NetStreamConf {
    const char *id, *model;
    bool events;         /* sends NETDEV_STREAM_* */
    uint32_t reconnect;  /* client: s, 0 never */
} NetStreamConf;
bool net_stream_listen(const NetStreamConf *c, const NetAddr *at,
                       NetClient *peer, Error **errp);
bool net_stream_connect(const NetStreamConf *c, const NetAddr *to,
                        NetClient *peer, Error **errp);
NetClient *net_stream_from_fd(const NetStreamConf *c, int fd, NetClient *peer,
                              Error **errp);

/* Datagrams (net/dgram.c), one a frame; @to NULL: @fd is connected. */
NetClient *net_dgram_from_fd(const char *id, const char *model, int fd,
                             const NetAddr *to, NetClient *peer, Error **errp);
/* Bound to @local, sends to @to; multicast when @to is such an address, and
 * then @local (may be NULL) is the interface. */
bool net_dgram_open(const char *id, const char *model, const NetAddr *local,
                    const NetAddr *to, NetClient *peer, Error **errp);

#endif
