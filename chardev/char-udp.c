/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "udp": each write is one datagram to HOST:PORT, each datagram that comes is
 * input.  What the front end has no room for waits; the kernel's buffer is
 * the limit then.
 */
#include "osdep.h"
#include "char-int.h"
#include "char-socket.h"
#include "util/module.h"
#include "util/option.h"

#define DATAGRAM_MAX 65536

typedef struct UdpChardev {
    Chardev chr;
    int fd;
    bool reading;
    uint8_t buf[DATAGRAM_MAX]; /* one datagram */
    int at, len;               /* of it, what was not delivered */
} UdpChardev;

static const char *const udp_opts[] = {
    "host", "port", "localaddr", "localport", "ipv4", "ipv6", NULL,
};

static void udp_readable(void *opaque)
{
    UdpChardev *s = opaque;
    int room;

    while ((room = chr_be_can_read(&s->chr)) > 0) {
        int n = MIN(room, s->len - s->at);

        if (n > 0) {
            s->at += n;
            chr_be_read(&s->chr, s->buf + s->at - n, n);
            if (s->fd < 0) {
                return;
            }
            continue;
        }
        s->at = 0;
        s->len = recv(s->fd, s->buf, sizeof(s->buf), MSG_DONTWAIT);
        if (s->len <= 0) {
            s->len = 0; /* none, or the ICMP error of an earlier one */
            return;
        }
    }
    s->reading = false;
    loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
}

static void udp_update_read(Chardev *chr)
{
    UdpChardev *s = (UdpChardev *)chr;

    if (!s->reading && chr_be_can_read(chr) > 0) {
        s->reading = true;
        loop_set_fd(loop_main(), s->fd, udp_readable, NULL, s);
        if (s->at < s->len) {
            udp_readable(s);
        }
    }
}

static int udp_write(Chardev *chr, const uint8_t *buf, int len)
{
    UdpChardev *s = (UdpChardev *)chr;
    ssize_t n = RETRY_ON_EINTR(send(s->fd, buf, MIN(len, 65507), 0));

    return n < 0 ? len : n; /* a datagram that cannot go is lost */
}

/* One socket bound to @local and connected to @remote, or -1. */
static int udp_socket(const ChrAddr *remote, const ChrAddrList *local)
{
    int fd = socket(remote->ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int one = 1, saved;
    bool bound = local->n == 0;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    errno = EADDRNOTAVAIL;
    for (int i = 0; i < local->n && !bound; i++) {
        const ChrAddr *a = &local->a[i];

        bound = a->ss.ss_family == remote->ss.ss_family &&
                bind(fd, (const struct sockaddr *)&a->ss, a->len) == 0;
    }
    if (bound && connect(fd, (const struct sockaddr *)&remote->ss,
                         remote->len) == 0) {
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool udp_open(Chardev *chr, QObject *opts, Error **errp)
{
    UdpChardev *s = (UdpChardev *)chr;
    bool has_v4 = qdict_has(opts, "ipv4"), has_v6 = qdict_has(opts, "ipv6");
    g_autofree char *host = NULL, *port = NULL, *laddr = NULL, *lport = NULL;
    ChrAddrList remote = { 0 }, local = { 0 };
    bool v4 = false, v6 = false, ok;
    int family;

    s->fd = -1;
    if (!opts_take_str(opts, "host", &host, errp) ||
        !opts_take_str(opts, "port", &port, errp) ||
        !opts_take_str(opts, "localaddr", &laddr, errp) ||
        !opts_take_str(opts, "localport", &lport, errp) ||
        !opts_take_bool(opts, "ipv4", &v4, errp) ||
        !opts_take_bool(opts, "ipv6", &v6, errp)) {
        return false;
    }
    if (!port) {
        error_setg(errp, "chardev: udp: remote port not specified");
        return false;
    }
    family = chr_addr_family(has_v4, v4, has_v6, v6);
    ok = chr_addr_inet(&remote, host ? host : "localhost", port, family,
                       SOCK_DGRAM, false, errp) &&
         (!(laddr || lport) ||
          chr_addr_inet(&local, laddr ? laddr : "", lport ? lport : "0",
                        family, SOCK_DGRAM, true, errp));
    for (int i = 0; ok && i < remote.n && s->fd < 0; i++) {
        s->fd = udp_socket(&remote.a[i], &local);
    }
    if (ok && s->fd < 0) {
        error_setg_errno(errp, errno, "Failed to open a socket to '%s'",
                         remote.text);
    }
    g_free(remote.text);
    g_free(local.text);
    if (s->fd < 0) {
        return false;
    }
    chr_set_filename(chr, g_strdup("udp"));
    chr->open = true;
    return true;
}

static void udp_close(Chardev *chr)
{
    UdpChardev *s = (UdpChardev *)chr;

    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
        close(s->fd);
        s->fd = -1;
    }
}

static const ChardevDriver udp_info = {
    .name = "udp", .size = sizeof(UdpChardev), .opts = udp_opts,
    .open = udp_open, .close = udp_close, .write = udp_write,
    .update_read = udp_update_read,
};

static void char_udp_register(void)
{
    chr_driver_register(&udp_info);
}
chardev_init(char_udp_register)
