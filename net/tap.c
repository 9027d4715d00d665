/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "tap": a network interface of the host (Linux tuntap.txt).
 *
 * Where the kernel offers it the descriptor carries a virtio-net header on
 * each frame.  A card that speaks it (net_set_vnet_hdr) gets and gives frames
 * as they are, GSO ones included; for others it is put on and taken off here.
 */
#include "osdep.h"
#include "tap-int.h"
#include "util/fdset.h"
#include "util/loop.h"
#include "util/module.h"
#include "util/option.h"
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#define DEFAULT_UP   "/etc/qemu-ifup"
#define DEFAULT_DOWN "/etc/qemu-ifdown"
#define HDR_DEFAULT  10 /* struct virtio_net_hdr */
#define READ_BATCH   64 /* frames before others get their turn */

typedef struct TapNet {
    NetClient nc;
    int fd;
    char *ifname;        /* NULL: unknown */
    char *downscript;    /* first queue's; NULL: none */
    bool has_hdr;        /* frames on the descriptor have a header */
    unsigned hdr_len;
    bool reading, writing, enabled;
    int vhost;           /* of /dev/vhost-net, -1: none */
    bool vhost_forced;   /* the emulator shall not serve the queues */
    bool lent;           /* the kernel moves the frames */
    uint8_t buf[NET_MAX_FRAME + 64];
} TapNet;

static void tap_readable(void *opaque);
static void tap_writable(void *opaque);

static void tap_watch(TapNet *s, bool reading, bool writing)
{
    bool on = s->enabled && !s->lent;

    s->reading = reading;
    s->writing = writing;
    loop_set_fd(loop_main(), s->fd, reading && on ? tap_readable : NULL,
                writing && on ? tap_writable : NULL, s);
}

static void tap_sent(NetClient *nc, ssize_t len)
{
    TapNet *s = (TapNet *)nc;

    tap_watch(s, true, s->writing);
}

static void tap_readable(void *opaque)
{
    TapNet *s = opaque;
    size_t skip;

    for (unsigned i = 0; i < READ_BATCH; i++) {
        ssize_t n = read(s->fd, s->buf, sizeof(s->buf));

        if (n <= 0) {
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                tap_watch(s, false, s->writing); /* the interface has gone */
            }
            return;
        }
        skip = s->has_hdr && !s->nc.vnet_hdr_len ? s->hdr_len : 0;
        if ((size_t)n <= skip) {
            continue;
        }
        if (net_send(&s->nc, s->buf + skip, n - skip, tap_sent) == 0) {
            tap_watch(s, false, s->writing);
            return;
        }
    }
}

static void tap_writable(void *opaque)
{
    TapNet *s = opaque;

    tap_watch(s, s->reading, false);
    net_flush(&s->nc);
}

static ssize_t tap_receive(NetClient *nc, const struct iovec *iov, int n)
{
    static uint8_t no_hdr[64];
    TapNet *s = (TapNet *)nc;
    struct iovec own[NET_IOV_MAX];
    size_t len = iov_total(iov, n);
    ssize_t ret;

    if (s->has_hdr && !nc->vnet_hdr_len) {
        if (n >= NET_IOV_MAX) {
            return len;
        }
        own[0] = (struct iovec){ no_hdr, s->hdr_len };
        memcpy(own + 1, iov, n * sizeof(*iov));
        iov = own;
        n++;
    }
    ret = RETRY_ON_EINTR(writev(s->fd, iov, n));
    if (ret < 0 && errno == EAGAIN && s->enabled) {
        tap_watch(s, s->reading, true);
        return 0;
    }
    return len; /* others: the interface is down, frames get lost */
}

static bool tap_has_hdr_len(NetClient *nc, unsigned len)
{
    TapNet *s = (TapNet *)nc;

    return s->has_hdr && (len == 10 || len == 12);
}

static void tap_set_hdr_len(NetClient *nc, unsigned len)
{
    TapNet *s = (TapNet *)nc;
    int size = len ? len : HDR_DEFAULT;

    if (s->has_hdr && ioctl(s->fd, TUNSETVNETHDRSZ, &size) == 0) {
        s->hdr_len = size;
    }
}

static bool tap_has_ufo(NetClient *nc)
{
    /* The kernel has none since 4.14 but for compatibility's sake. */
    return false;
}

static void tap_set_offload(NetClient *nc, uint32_t flags)
{
    TapNet *s = (TapNet *)nc;

    ioctl(s->fd, TUNSETOFFLOAD, (unsigned long)flags);
}

static int tap_set_queue(NetClient *nc, bool on)
{
    TapNet *s = (TapNet *)nc;
    struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE
                                         : IFF_DETACH_QUEUE };

    if (s->enabled == on) {
        return 0;
    }
    if (ioctl(s->fd, TUNSETQUEUE, &ifr) < 0) {
        return -errno;
    }
    s->enabled = on;
    tap_watch(s, on, false);
    return 0;
}

/* Waits: a card may use the interface only when the script is through. */
static bool run_script(const char *script, const char *ifname, Error **errp)
{
    char *argv[] = { (char *)script, (char *)ifname, NULL };
    g_autoptr(GError) gerr = NULL;
    int status;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL,
                      NULL, NULL, NULL, &status, &gerr)) {
        error_setg(errp, "could not launch network script %s: %s", script,
                   gerr->message);
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        error_setg(errp, "network script %s failed with status %d", script,
                   WIFEXITED(status) ? WEXITSTATUS(status) : status);
        return false;
    }
    return true;
}

static void tap_cleanup(NetClient *nc)
{
    TapNet *s = (TapNet *)nc;

    if (s->fd >= 0) {
        loop_set_fd(loop_main(), s->fd, NULL, NULL, NULL);
    }
    if (s->downscript) {
        Error *err = NULL;

        if (!run_script(s->downscript, s->ifname, &err)) {
            warn_report_err(err);
        }
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->vhost >= 0) {
        close(s->vhost);
    }
    g_free(s->downscript);
    g_free(s->ifname);
}

static const NetClientInfo tap_info = {
    .driver = NET_CLIENT_DRIVER_TAP,
    .size = sizeof(TapNet),
    .receive = tap_receive,
    .cleanup = tap_cleanup,
    .has_vnet_hdr_len = tap_has_hdr_len,
    .set_vnet_hdr_len = tap_set_hdr_len,
    .has_ufo = tap_has_ufo,
    .set_offload = tap_set_offload,
    .set_queue_enabled = tap_set_queue,
};

NetClient *net_tap_new_fd(int fd, const char *model, const char *name,
                          NetClient *peer, unsigned queue, uint64_t sndbuf,
                          Error **errp)
{
    struct ifreq ifr = { 0 };
    int send_buffer = sndbuf ? MIN(sndbuf, INT_MAX) : INT_MAX;
    TapNet *s;

    if (fcntl(fd, F_GETFD) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d", fd);
        return NULL;
    }
    if (ioctl(fd, TUNGETIFF, &ifr) < 0) {
        error_setg_errno(errp, errno, "file descriptor %d is not a tap "
                                      "interface", fd);
        close(fd);
        return NULL;
    }
    if (!(ifr.ifr_flags & IFF_TAP)) {
        error_setg(errp, "file descriptor %d is a tun, not a tap interface",
                   fd);
        close(fd);
        return NULL;
    }
    if (!(ifr.ifr_flags & IFF_NO_PI)) {
        error_setg(errp, "file descriptor %d: the interface gives packet "
                         "information (no IFF_NO_PI)", fd);
        close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    s = (TapNet *)net_client_new(&tap_info, peer, model, name);
    s->fd = fd;
    s->vhost = -1;
    s->enabled = true;
    s->nc.queue_index = queue;
    s->ifname = g_strndup(ifr.ifr_name, IFNAMSIZ);
    s->has_hdr = ifr.ifr_flags & IFF_VNET_HDR;
    s->hdr_len = s->has_hdr ? HDR_DEFAULT : 0;
    tap_set_hdr_len(&s->nc, 0);
    tap_set_offload(&s->nc, 0);
    if (ioctl(fd, TUNSETSNDBUF, &send_buffer) < 0 && sndbuf) {
        error_setg_errno(errp, errno, "sndbuf=%" PRIu64, sndbuf);
        net_client_free(&s->nc);
        return NULL;
    }
    tap_watch(s, true, false);
    return &s->nc;
}

int net_tap_vhost(NetClient *nc, bool *forced)
{
    TapNet *s = (TapNet *)nc;

    if (nc->info != &tap_info) {
        return -1;
    }
    *forced = s->vhost_forced;
    return s->vhost;
}

int net_tap_lend(NetClient *nc, bool lent)
{
    TapNet *s = (TapNet *)nc;

    s->lent = lent;
    tap_watch(s, s->reading, s->writing);
    return s->fd;
}

/* ---- opening ------------------------------------------------------------- */

/* @ifname has room for IFNAMSIZ bytes and gets the interface's name. */
static int open_tun(char *ifname, bool vnet_hdr, bool must_hdr, bool multi,
                    Error **errp)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    unsigned features = 0;
    int fd = RETRY_ON_EINTR(open("/dev/net/tun", O_RDWR | O_CLOEXEC));

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not open /dev/net/tun");
        return -1;
    }
    if (ioctl(fd, TUNGETFEATURES, &features) < 0) {
        features = 0;
    }
    if (vnet_hdr && features & IFF_VNET_HDR) {
        ifr.ifr_flags |= IFF_VNET_HDR;
    } else if (must_hdr) {
        error_setg(errp, "vnet_hdr=on: the kernel's taps have no virtio-net "
                         "header");
        close(fd);
        return -1;
    }
    if (multi) {
        if (!(features & IFF_MULTI_QUEUE)) {
            error_setg(errp, "queues: the kernel's taps have one queue only");
            close(fd);
            return -1;
        }
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    }
    g_strlcpy(ifr.ifr_name, *ifname ? ifname : "tap%d", IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        error_setg_errno(errp, errno, "could not configure /dev/net/tun%s%s%s",
                         *ifname ? " (" : "", ifname, *ifname ? ")" : "");
        close(fd);
        return -1;
    }
    g_strlcpy(ifname, ifr.ifr_name, IFNAMSIZ);
    return fd;
}

static bool check_options(const NetdevTapOptions *o, bool has_peer,
                          Error **errp)
{
    if (o->fd && o->fds) {
        error_setg(errp, "fd= and fds= are mutually exclusive");
        return false;
    }
    if (has_peer && (o->has_queues || o->fds || o->vhostfds)) {
        error_setg(errp, "multiqueue tap cannot be used with hubs");
        return false;
    }
    if ((o->fd || o->fds) &&
        (o->ifname || o->script || o->downscript || o->has_vnet_hdr ||
         o->helper || o->has_queues)) {
        error_setg(errp, "ifname=, script=, downscript=, vnet_hdr=, helper=, "
                         "queues= are invalid with %s=",
                   o->fd ? "fd" : "fds");
        return false;
    }
    if (o->helper && (o->ifname || o->script || o->downscript ||
                      o->has_vnet_hdr || o->has_queues)) {
        error_setg(errp, "ifname=, script=, downscript=, vnet_hdr=, queues= "
                         "are invalid with helper=");
        return false;
    }
    if (o->br && !o->helper) {
        error_setg(errp, "br= is invalid without helper=");
        return false;
    }
    if (o->ifname && (!*o->ifname || strlen(o->ifname) >= IFNAMSIZ)) {
        error_setg(errp, "ifname=%s: 1 to %d bytes are valid", o->ifname,
                   IFNAMSIZ - 1);
        return false;
    }
    if (o->has_queues && (o->queues < 1 || o->queues > NET_MAX_QUEUES)) {
        error_setg(errp, "queues=%u: 1 to %d are valid", o->queues,
                   NET_MAX_QUEUES);
        return false;
    }
    if (o->has_poll_us && o->poll_us) {
        error_setg(errp, "poll-us: not in this build yet");
        return false;
    }
    return true;
}

/* Who serves the queues of a virtio-net card: the kernel, with vhost=on. */
static bool wants_vhost(const NetdevTapOptions *o)
{
    return o->has_vhost ? o->vhost
                        : (o->has_vhostforce && o->vhostforce) || o->vhostfd ||
                              o->vhostfds;
}

/* The @n-th of @id's queues gets its descriptor.  Without one the emulator
 * serves it, unless vhost is forced. */
static bool open_vhost(const char *id, const NetdevTapOptions *o, unsigned n,
                       const char *text, Error **errp)
{
    NetClient *ncs[NET_MAX_QUEUES];
    TapNet *s = net_find(id, false, ncs, NET_MAX_QUEUES) > n
                    ? (TapNet *)ncs[n] : NULL;
    bool forced = o->has_vhostforce && o->vhostforce;
    int fd = text ? fd_from_text(text, errp)
                  : RETRY_ON_EINTR(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));

    if (fd < 0 && text) {
        return false;
    }
    if (fd < 0 && forced) {
        error_setg_errno(errp, errno, "could not open /dev/vhost-net");
        return false;
    }
    if (fd < 0) {
        warn_report("tap: vhost=on: could not open /dev/vhost-net: %s; the "
                    "emulator serves the queues", strerror(errno));
        return true;
    }
    if (!s) {
        error_setg(errp, "more vhostfds than queues");
        close(fd);
        return false;
    }
    if (!wants_vhost(o)) { /* vhost=off,vhostfd=N */
        close(fd);
        return true;
    }
    s->vhost = fd;
    s->vhost_forced = forced;
    return true;
}

static bool open_vhosts(const char *id, const NetdevTapOptions *o, Error **errp)
{
    const char *list = o->vhostfds ? o->vhostfds : o->vhostfd;
    g_auto(GStrv) fds = list ? g_strsplit(list, ":", -1) : NULL;
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n = list ? g_strv_length(fds)
                      : net_find(id, false, ncs, NET_MAX_QUEUES);

    for (unsigned i = 0; (list || wants_vhost(o)) && i < n; i++) {
        if (!open_vhost(id, o, i, list ? fds[i] : NULL, errp)) {
            return false;
        }
    }
    return true;
}

static bool open_fds(const char *id, const char *list, const char *vhost,
                     uint64_t sndbuf, NetClient *peer, Error **errp)
{
    g_auto(GStrv) fds = g_strsplit(list, ":", -1);
    unsigned n = g_strv_length(fds);

    if (n > NET_MAX_QUEUES) {
        error_setg(errp, "fds= has %u descriptors, %d are the limit", n,
                   NET_MAX_QUEUES);
        return false;
    }
    if (vhost) {
        g_auto(GStrv) vfds = g_strsplit(vhost, ":", -1);

        if (g_strv_length(vfds) != n) {
            error_setg(errp, "The number of fds passed does not match the "
                             "number of vhostfds passed");
            return false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        int fd = fd_from_text(fds[i], errp);
        NetClient *nc;

        if (fd < 0) {
            return false;
        }
        nc = net_tap_new_fd(fd, "tap", id, i ? NULL : peer, i, sndbuf, errp);
        if (!nc) {
            return false;
        }
        net_client_set_text(nc, "fd=%d", fd);
    }
    return true;
}

static bool open_named(const char *id, const NetdevTapOptions *o,
                       NetClient *peer, Error **errp)
{
    const char *script = o->script ? o->script : DEFAULT_UP;
    const char *down = o->downscript ? o->downscript : DEFAULT_DOWN;
    unsigned queues = o->has_queues ? o->queues : 1;
    char ifname[IFNAMSIZ] = "";

    g_strlcpy(ifname, o->ifname ? o->ifname : "", sizeof(ifname));
    for (unsigned i = 0; i < queues; i++) {
        int fd = open_tun(ifname, !o->has_vnet_hdr || o->vnet_hdr,
                          o->has_vnet_hdr && o->vnet_hdr, queues > 1, errp);
        TapNet *s;

        if (fd < 0) {
            return false;
        }
        if (i == 0 && *script && strcmp(script, "no") != 0 &&
            !run_script(script, ifname, errp)) {
            close(fd);
            return false;
        }
        s = (TapNet *)net_tap_new_fd(fd, "tap", id, i ? NULL : peer, i,
                                     o->has_sndbuf ? o->sndbuf : 0, errp);
        if (!s) {
            return false;
        }
        if (i == 0 && *down && strcmp(down, "no") != 0) {
            s->downscript = g_strdup(down);
        }
        net_client_set_text(&s->nc, "ifname=%s,script=%s,downscript=%s",
                            ifname, script, down);
    }
    return true;
}

static void drop_clients(const char *id)
{
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n = net_find(id, false, ncs, NET_MAX_QUEUES);

    for (unsigned i = 0; i < n; i++) {
        net_client_free(ncs[i]);
    }
}

static bool tap_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevTapOptions *o = &opts->u.tap;
    uint64_t sndbuf = o->has_sndbuf ? o->sndbuf : 0;
    bool ok;

    if (!check_options(o, peer != NULL, errp)) {
        return false;
    }
    if (o->fd || o->fds) {
        ok = open_fds(opts->id, o->fd ? o->fd : o->fds, o->vhostfds, sndbuf,
                      peer, errp);
    } else if (o->helper) {
        int fd = net_bridge_helper(o->helper, o->br ? o->br : "br0", errp);
        NetClient *nc = fd < 0 ? NULL
                               : net_tap_new_fd(fd, "bridge", opts->id, peer,
                                                0, sndbuf, errp);

        if (nc) {
            net_client_set_text(nc, "helper=%s", o->helper);
        }
        ok = nc != NULL;
    } else {
        ok = open_named(opts->id, o, peer, errp);
    }
    ok = ok && open_vhosts(opts->id, o, errp);
    if (!ok) {
        drop_clients(opts->id);
    }
    return ok;
}

static const NetdevDriver tap_driver = {
    .driver = NET_CLIENT_DRIVER_TAP,
    .open = tap_open,
};

static void tap_register(void)
{
    netdev_register(&tap_driver);
}
netdev_init(tap_register)
