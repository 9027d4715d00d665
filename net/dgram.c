/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames as datagrams: -netdev dgram, and -netdev socket with udp= or mcast=.
 *
 * Multicast: all that joined the group are on one cable.  We send by a socket
 * of its own, so that what comes back from ourselves is known by its sender's
 * port.
 */
#include "osdep.h"
#include "sock-int.h"
#include "util/fdset.h"
#include "util/loop.h"
#include "util/module.h"
#include <net/if.h>
#include <netinet/in.h>

#define BATCH 64 /* frames before others get their turn */

typedef struct DgramNet {
    NetClient nc;
    int fd, tx_fd;      /* the same but for multicast */
    NetAddr to;         /* len 0: the socket is connected */
    NetAddr self;       /* multicast: frames from here are our own */
    char *unlink_path;
    bool reading, writing;
    uint8_t *buf;
} DgramNet;

static void dgram_readable(void *opaque);

static void dgram_writable(void *opaque);

static void dgram_watch(DgramNet *s)
{
    if (s->tx_fd != s->fd) {
        loop_set_fd(loop_main(), s->tx_fd, NULL,
                    s->writing ? dgram_writable : NULL, s);
        loop_set_fd(loop_main(), s->fd, s->reading ? dgram_readable : NULL,
                    NULL, s);
        return;
    }
    loop_set_fd(loop_main(), s->fd, s->reading ? dgram_readable : NULL,
                s->writing ? dgram_writable : NULL, s);
}

static bool is_self(const DgramNet *s, const NetAddr *from)
{
    const struct sockaddr_in *a = (const void *)&s->self.a;
    const struct sockaddr_in *b = (const void *)&from->a;

    return s->self.len && a->sin_port == b->sin_port &&
           a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void dgram_sent(NetClient *nc, ssize_t len)
{
    DgramNet *s = (DgramNet *)nc;

    s->reading = true;
    dgram_watch(s);
}

static void dgram_readable(void *opaque)
{
    DgramNet *s = opaque;

    for (unsigned i = 0; i < BATCH; i++) {
        NetAddr from = { .len = sizeof(from.a) };
        ssize_t n = recvfrom(s->fd, s->buf, NET_MAX_FRAME, MSG_DONTWAIT,
                             (struct sockaddr *)&from.a, &from.len);

        if (n < 0 || (n == 0 && i)) {
            return; /* nothing, or an ICMP error of an earlier one */
        }
        if (n && !is_self(s, &from) && net_send(&s->nc, s->buf, n, dgram_sent) == 0) {
            s->reading = false;
            dgram_watch(s);
            return;
        }
    }
}

static void dgram_writable(void *opaque)
{
    DgramNet *s = opaque;

    s->writing = false;
    dgram_watch(s);
    net_flush(&s->nc);
}

static ssize_t dgram_receive(NetClient *nc, const struct iovec *iov, int n)
{
    DgramNet *s = (DgramNet *)nc;
    struct msghdr msg = {
        .msg_name = s->to.len ? &s->to.a : NULL, .msg_namelen = s->to.len,
        .msg_iov = (struct iovec *)iov, .msg_iovlen = n,
    };
    ssize_t ret = RETRY_ON_EINTR(sendmsg(s->tx_fd, &msg,
                                         MSG_DONTWAIT | MSG_NOSIGNAL));

    if (ret < 0 && errno == EAGAIN) {
        s->writing = true;
        dgram_watch(s);
        return 0;
    }
    return iov_total(iov, n); /* other errors: lost on the way */
}

static void dgram_cleanup(NetClient *nc)
{
    DgramNet *s = (DgramNet *)nc;

    loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    if (s->tx_fd != s->fd) {
        loop_set_fd(loop_main(), s->tx_fd, NULL, NULL, NULL);
        close(s->tx_fd);
    }
    close(s->fd);
    if (s->unlink_path) {
        unlink(s->unlink_path);
    }
    g_free(s->unlink_path);
    g_free(s->buf);
}

#define DGRAM_INFO(drv) \
    { .driver = (drv), .size = sizeof(DgramNet), .receive = dgram_receive, \
      .cleanup = dgram_cleanup }

static const NetClientInfo socket_info = DGRAM_INFO(NET_CLIENT_DRIVER_SOCKET);
static const NetClientInfo dgram_info = DGRAM_INFO(NET_CLIENT_DRIVER_DGRAM);

NetClient *net_dgram_from_fd(const char *id, const char *model, int fd,
                             const NetAddr *to, NetClient *peer, Error **errp)
{
    const NetClientInfo *info = !strcmp(model, "socket") ? &socket_info
                                                         : &dgram_info;
    DgramNet *s;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d", fd);
        close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    s = (DgramNet *)net_client_new(info, peer, model, id);
    s->fd = s->tx_fd = fd;
    if (to) {
        s->to = *to;
    }
    s->buf = g_malloc(NET_MAX_FRAME);
    s->reading = true;
    net_client_set_text(&s->nc, "fd=%d", fd);
    dgram_watch(s);
    return &s->nc;
}

/* Joins @group by the interface that has address @local (NULL: any). */
static bool join_group(int fd, const NetAddr *group, const NetAddr *local,
                       Error **errp)
{
    const struct sockaddr_in *in = (const void *)&group->a;
    const struct sockaddr_in *from = local ? (const void *)&local->a : NULL;
    struct ip_mreq req = { .imr_multiaddr = in->sin_addr };
    int one = 1;

    if (group->a.ss_family != AF_INET ||
        (local && local->a.ss_family != AF_INET)) {
        error_setg(errp, "multicast needs IPv4 addresses");
        return false;
    }
    req.imr_interface.s_addr = from ? from->sin_addr.s_addr : INADDR_ANY;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&group->a, group->len) < 0) {
        error_setg_errno(errp, errno, "can't bind to the multicast group");
        return false;
    }
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) < 0) {
        error_setg_errno(errp, errno, "can't join the multicast group");
        return false;
    }
    return true;
}

/* The socket that sends to @s's group. */
static bool open_sender(DgramNet *s, const NetAddr *local, Error **errp)
{
    const struct sockaddr_in *from = local ? (const void *)&local->a : NULL;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd < 0) {
        error_setg_errno(errp, errno, "can't create a datagram socket");
        return false;
    }
    /* Others on this host are on the cable, too. */
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one));
    s->self.len = sizeof(s->self.a);
    if ((from && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &from->sin_addr,
                            sizeof(from->sin_addr)) < 0) ||
        connect(fd, (struct sockaddr *)&s->to.a, s->to.len) < 0 ||
        getsockname(fd, (struct sockaddr *)&s->self.a, &s->self.len) < 0) {
        error_setg_errno(errp, errno, "can't send to the multicast group");
        s->self.len = 0;
        close(fd);
        return false;
    }
    s->tx_fd = fd;
    s->to.len = 0;
    return true;
}

bool net_dgram_open(const char *id, const char *model, const NetAddr *local,
                    const NetAddr *to, NetClient *peer, Error **errp)
{
    const struct sockaddr_un *un = local ? (const void *)&local->a : NULL;
    bool multicast = net_addr_is_multicast(to), named;
    g_autofree char *to_text = net_addr_text(to);
    g_autofree char *local_text = local ? net_addr_text(local) : NULL;
    NetClient *nc;
    int fd, one = 1;

    if (local && local->a.ss_family != to->a.ss_family) {
        error_setg(errp, "%s and %s are of different families", local_text,
                   to_text);
        return false;
    }
    named = local && local->a.ss_family == AF_UNIX && un->sun_path[0];
    fd = socket(to->a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "can't create a datagram socket");
        return false;
    }
    if (multicast) {
        if (!join_group(fd, to, local, errp)) {
            close(fd);
            return false;
        }
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (named) {
            unlink(un->sun_path); /* of an earlier run */
        }
        if (bind(fd, (const struct sockaddr *)&local->a, local->len) < 0) {
            error_setg_errno(errp, errno, "can't bind to %s", local_text);
            close(fd);
            return false;
        }
    }
    nc = net_dgram_from_fd(id, model, fd, to, peer, errp);
    if (!nc) {
        return false;
    }
    if (multicast && !open_sender((DgramNet *)nc, local, errp)) {
        net_client_free(nc);
        return false;
    }
    ((DgramNet *)nc)->unlink_path = named ? g_strdup(un->sun_path) : NULL;
    if (multicast) {
        net_client_set_text(nc, "mcast=%s", to_text);
    } else {
        net_client_set_text(nc, "udp=%s/%s", local_text, to_text);
    }
    return true;
}

static bool dgram_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevDgramOptions *o = &opts->u.dgram;
    NetAddr local, to;

    if (o->local && o->local->type == SOCKET_ADDRESS_TYPE_FD) {
        int fd;

        if (o->remote && o->remote->type == SOCKET_ADDRESS_TYPE_FD) {
            error_setg(errp, "remote cannot be a file descriptor");
            return false;
        }
        if (o->remote &&
            !net_addr_from(o->remote, false, SOCK_DGRAM, &to, errp)) {
            return false;
        }
        fd = fd_from_text(o->local->u.fd.str, errp);
        return fd >= 0 && net_dgram_from_fd(opts->id, "dgram", fd,
                                            o->remote ? &to : NULL, peer,
                                            errp);
    }
    if (!o->remote) {
        error_setg(errp, o->local ? "type=inet or type=unix requires remote "
                                    "parameter"
                                  : "dgram requires local= parameter");
        return false;
    }
    if (!net_addr_from(o->remote, false, SOCK_DGRAM, &to, errp)) {
        return false;
    }
    if (!o->local && !net_addr_is_multicast(&to)) {
        error_setg(errp, "dgram requires local= parameter");
        return false;
    }
    return (!o->local ||
            net_addr_from(o->local, true, SOCK_DGRAM, &local, errp)) &&
           net_dgram_open(opts->id, "dgram", o->local ? &local : NULL, &to,
                          peer, errp);
}

static const NetdevDriver dgram_driver = {
    .driver = NET_CLIENT_DRIVER_DGRAM,
    .open = dgram_open,
};

static void dgram_register(void)
{
    netdev_register(&dgram_driver);
}
netdev_init(dgram_register)
