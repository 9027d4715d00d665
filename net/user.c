/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "user": a network behind NAT by libslirp, no privileges needed.
 *
 * libslirp's sockets are polled by the main loop (LoopPoller).  While the
 * guest has no room, sockets are not read, so that TCP's window slows the far
 * end down; frames that libslirp sends nevertheless wait in the core's queue.
 *
 * The library takes TCP frames of up to 64 KiB, so cards hand over what the
 * guest gave them for segmentation in one piece (big_frames).
 */
#include "osdep.h"
#include "chardev/char.h"
#include "net/net.h"
#include "util/log.h"
#include "util/module.h"
#include "util/option.h"
#include "util/timer.h"
#include <arpa/inet.h>
#include <poll.h>
#include <slirp/libslirp.h>

#define FRAME_MIN 14

typedef struct UserNet {
    NetClient nc;
    Slirp *slirp;
    LoopPoller poller;
    ListNode node;
    ListNode forwards;       /* GuestFwd */
} UserNet;

/* guestfwd to a character device. */
typedef struct GuestFwd {
    ListNode node;
    UserNet *net;
    CharFrontend fe;
    struct in_addr server;
    int port;
    char *chardev;           /* made here; owned */
} GuestFwd;

typedef struct UserTimer {
    Timer timer;
    UserNet *net;
    SlirpTimerId id;
    void *opaque;
} UserTimer;

static ListNode nets = LIST_INIT(nets);

/* ---- what the library calls ---------------------------------------------- */

static ssize_t user_send_packet(const void *buf, size_t len, void *opaque)
{
    UserNet *s = opaque;

    if (len > 0) {
        net_send(&s->nc, buf, len, NULL);
    }
    return len;
}

static void user_guest_error(const char *msg, void *opaque)
{
    log_guest_error("user network: %s\n", msg);
}

static int64_t user_clock(void *opaque)
{
    return clock_ns(CLOCK_VIRTUAL);
}

static void user_timer_fired(void *opaque)
{
    UserTimer *t = opaque;

    slirp_handle_timer(t->net->slirp, t->id, t->opaque);
}

static void *user_timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    t->net = opaque;
    t->id = id;
    t->opaque = cb_opaque;
    timer_init_virtual(&t->timer, user_timer_fired, t);
    return t;
}

static void user_timer_free(void *timer, void *opaque)
{
    UserTimer *t = timer;

    timer_del(&t->timer);
    g_free(t);
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    UserTimer *t = timer;

    timer_mod_at(&t->timer, expire_ms * NSEC_PER_MS);
}

static void user_fd(int fd, void *opaque)
{
    /* Descriptors are asked for before each poll. */
}

static void user_notify(void *opaque)
{
    UserNet *s = opaque;
    GuestFwd *f;

    list_foreach(f, &s->forwards, node) {
        chr_fe_accept_input(&f->fe);
    }
    loop_kick(loop_main());
}

static const SlirpCb user_callbacks = {
    .send_packet = user_send_packet,
    .guest_error = user_guest_error,
    .clock_get_ns = user_clock,
    .timer_free = user_timer_free,
    .timer_mod = user_timer_mod,
    .register_poll_fd = user_fd,
    .unregister_poll_fd = user_fd,
    .notify = user_notify,
    .timer_new_opaque = user_timer_new,
};

/* ---- polling ------------------------------------------------------------- */

typedef struct PollFill {
    UserNet *s;
    bool room;
} PollFill;

static int user_add_poll(int fd, int events, void *opaque)
{
    const PollFill *f = opaque;
    short ev = 0;

    if (f->room) {
        ev |= events & SLIRP_POLL_IN ? POLLIN : 0;
        ev |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
    }
    ev |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
    /* Error and hang-up would wake us again and again. */
    return ev ? loop_poll_add(loop_main(), fd, ev) : -1;
}

static void user_prepare(LoopPoller *p, int64_t *timeout_ns)
{
    UserNet *s = container_of(p, UserNet, poller);
    PollFill fill = { s, net_can_send(&s->nc) };
    uint32_t ms = *timeout_ns < 0 || *timeout_ns > 1000 * NSEC_PER_MS
                      ? 1000 : DIV_ROUND_UP(*timeout_ns, NSEC_PER_MS);
    uint32_t wish = ms;

    slirp_pollfds_fill(s->slirp, &wish, user_add_poll, &fill);
    if (wish < ms) {
        *timeout_ns = wish * NSEC_PER_MS;
    }
}

static int user_revents(int idx, void *opaque)
{
    short ev = loop_poll_revents(loop_main(), idx);

    return (ev & POLLIN ? SLIRP_POLL_IN : 0) |
           (ev & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (ev & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (ev & POLLERR ? SLIRP_POLL_ERR : 0) |
           (ev & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void user_check(LoopPoller *p)
{
    UserNet *s = container_of(p, UserNet, poller);

    slirp_pollfds_poll(s->slirp, 0, user_revents, s);
}

/* ---- the client ---------------------------------------------------------- */

static ssize_t user_receive(NetClient *nc, const struct iovec *iov, int n)
{
    UserNet *s = (UserNet *)nc;
    size_t len = iov_total(iov, n);
    g_autofree uint8_t *copy = NULL;
    const uint8_t *frame = iov[0].iov_base;

    if (len < FRAME_MIN) {
        return len;
    }
    if (n > 1) {
        copy = g_malloc(len);
        iov_copy_out(iov, n, 0, copy, len);
        frame = copy;
    }
    slirp_input(s->slirp, frame, len);
    /* It may have opened a socket or wait for one to take more. */
    loop_kick(loop_main());
    return len;
}

static void user_peer_ready(NetClient *nc)
{
    loop_kick(loop_main());
}

static void guestfwd_free(GuestFwd *f)
{
    list_remove(&f->node);
    chr_fe_deinit(&f->fe);
    if (f->chardev) {
        chr_remove(f->chardev, NULL);
    }
    g_free(f->chardev);
    g_free(f);
}

static void user_cleanup(NetClient *nc)
{
    UserNet *s = (UserNet *)nc;

    if (!s->slirp) {
        return;
    }
    while (!list_empty(&s->forwards)) {
        guestfwd_free(list_first(&s->forwards, GuestFwd, node));
    }
    loop_remove_poller(loop_main(), &s->poller);
    slirp_cleanup(s->slirp);
    list_remove(&s->node);
}

static const NetClientInfo user_info = {
    .driver = NET_CLIENT_DRIVER_USER,
    .size = sizeof(UserNet),
    .receive = user_receive,
    .peer_ready = user_peer_ready,
    .cleanup = user_cleanup,
    .big_frames = true,
};

/* ---- forwarding rules ---------------------------------------------------- */

static bool parse_port(const char *s, int min, int *port)
{
    char *end;
    long v = strtol(s, &end, 10);

    *port = v;
    return *s && !*end && v >= min && v <= 65535;
}

/* "" is any (0.0.0.0). */
static bool parse_addr(const char *s, struct in_addr *a)
{
    a->s_addr = INADDR_ANY;
    return !*s || inet_pton(AF_INET, s, a) == 1;
}

typedef struct FwdRule {
    bool udp;
    struct in_addr host, guest;
    int host_port, guest_port;
} FwdRule;

/* "[tcp|udp]:[ADDR]:PORT[-[ADDR]:PORT]"; names what is wrong with it. */
static const char *parse_rule(const char *text, bool with_guest, FwdRule *r)
{
    g_auto(GStrv) sides = g_strsplit(text, "-", 2);
    g_auto(GStrv) host = g_strsplit(sides[0] ? sides[0] : "", ":", 3);
    g_auto(GStrv) guest = NULL;

    *r = (FwdRule){ 0 };
    if (!host[0] || !host[1]) {
        return "No : separators";
    }
    if (!strcmp(host[0], "udp")) {
        r->udp = true;
    } else if (*host[0] && strcmp(host[0], "tcp") != 0) {
        return "Bad protocol name";
    }
    if (!host[2]) {
        return "Missing : separator";
    }
    if (!parse_addr(host[1], &r->host)) {
        return "Bad host address";
    }
    if (!parse_port(host[2], 0, &r->host_port)) {
        return "Bad host port";
    }
    if (!with_guest) {
        return sides[1] ? "Only the host's part is wanted" : NULL;
    }
    if (!sides[1]) {
        return "Bad host port separator";
    }
    guest = g_strsplit(sides[1], ":", 2);
    if (!guest[0] || !guest[1]) {
        return "Missing guest port";
    }
    if (!parse_addr(guest[0], &r->guest)) {
        return "Bad guest address";
    }
    return parse_port(guest[1], 1, &r->guest_port) ? NULL : "Bad guest port";
}

static bool user_add_hostfwd(UserNet *s, const char *text, Error **errp)
{
    FwdRule r;
    const char *fault = parse_rule(text, true, &r);

    if (fault) {
        error_setg(errp, "invalid host forwarding rule '%s' (%s)", text,
                   fault);
        return false;
    }
    if (slirp_add_hostfwd(s->slirp, r.udp, r.host, r.host_port, r.guest,
                          r.guest_port) < 0) {
        error_setg_errno(errp, errno,
                         "could not set up host forwarding rule '%s'", text);
        return false;
    }
    loop_kick(loop_main());
    return true;
}

static int fwd_can_read(void *opaque)
{
    GuestFwd *f = opaque;

    return MIN(slirp_socket_can_recv(f->net->slirp, f->server, f->port),
               65536);
}

static void fwd_read(void *opaque, const uint8_t *buf, int len)
{
    GuestFwd *f = opaque;

    slirp_socket_recv(f->net->slirp, f->server, f->port, buf, len);
}

static ssize_t fwd_write(const void *buf, size_t len, void *opaque)
{
    GuestFwd *f = opaque;

    chr_fe_write_all(&f->fe, buf, len);
    return len;
}

static bool user_add_guestfwd(UserNet *s, const char *text, Error **errp)
{
    static unsigned count;
    g_auto(GStrv) parts = g_strsplit(text, ":", 3); /* tcp, addr, rest */
    struct in_addr server;
    char *dash, *target;
    GuestFwd *f;
    Chardev *chr;
    bool none = false;
    int port;

    if (!parts[0] || !parts[1] || !parts[2] ||
        (*parts[0] && strcmp(parts[0], "tcp") != 0)) {
        error_setg(errp, "invalid guest forwarding rule '%s' (it has the form "
                         "tcp:ADDRESS:PORT-DEVICE or -cmd:COMMAND)", text);
        return false;
    }
    dash = strchr(parts[2], '-');
    if (!parse_addr(parts[1], &server) || !dash) {
        error_setg(errp, "invalid guest forwarding rule '%s' (%s)", text,
                   dash ? "Bad address" : "No device after '-'");
        return false;
    }
    *dash = 0;
    target = dash + 1;
    if (!parse_port(parts[2], 1, &port)) {
        error_setg(errp, "invalid guest forwarding rule '%s' (Bad port)",
                   text);
        return false;
    }
    if (g_str_has_prefix(target, "cmd:")) {
        if (slirp_add_exec(s->slirp, target + 4, &server, port) < 0) {
            error_setg(errp, "conflicting or invalid address in guest "
                             "forwarding rule '%s'", text);
            return false;
        }
        return true;
    }
    f = g_new0(GuestFwd, 1);
    list_init(&f->node);
    f->net = s;
    f->port = port;
    if (chr_find(target)) {
        chr = chr_find(target);
    } else {
        f->chardev = g_strdup_printf("guestfwd%u.tcp.%d", count++, port);
        chr = chr_new_from_text(f->chardev, target, &none, errp);
        if (!chr) {
            if (none) {
                error_setg(errp, "guest forwarding rule '%s' has no device",
                           text);
            }
            g_free(f->chardev);
            g_free(f);
            return false;
        }
    }
    if (!chr_fe_init(&f->fe, chr, errp)) {
        guestfwd_free(f);
        return false;
    }
    if (slirp_add_guestfwd(s->slirp, fwd_write, f, &server, port) < 0) {
        error_setg(errp, "conflicting or invalid address in guest forwarding "
                         "rule '%s'", text);
        guestfwd_free(f);
        return false;
    }
    f->server = server; /* the library filled in what was left out */
    list_append(&s->forwards, &f->node);
    chr_fe_set_handlers(&f->fe, fwd_can_read, fwd_read, NULL, f);
    return true;
}

/* The monitor's: the network @id (NULL: the only or first one). */
static UserNet *find_net(const char *id, Error **errp)
{
    UserNet *s;

    list_foreach(s, &nets, node) {
        if (!id || !strcmp(s->nc.name, id)) {
            return s;
        }
    }
    if (id) {
        error_setg(errp, "unrecognized netdev id '%s'", id);
    } else {
        error_setg(errp, "user mode network stack not in use");
    }
    return NULL;
}

bool net_user_hostfwd(const char *id, const char *rule, bool add, Error **errp)
{
    UserNet *s = find_net(id, errp);
    const char *fault;
    FwdRule r;

    if (!s) {
        return false;
    }
    if (add) {
        return user_add_hostfwd(s, rule, errp);
    }
    fault = parse_rule(rule, false, &r);
    if (fault) {
        error_setg(errp, "invalid format of host forwarding rule '%s' (%s)",
                   rule, fault);
        return false;
    }
    if (slirp_remove_hostfwd(s->slirp, r.udp, r.host, r.host_port) < 0) {
        error_setg(errp, "host forwarding rule for %s not found", rule);
        return false;
    }
    return true;
}

void net_user_print(GString *out)
{
    UserNet *s;

    list_foreach(s, &nets, node) {
        g_autofree char *text = slirp_connection_info(s->slirp);
        NetClient *peer = s->nc.peer;
        int hub = -1;

        if (peer && peer->info->driver == NET_CLIENT_DRIVER_HUBPORT) {
            sscanf(peer->text, "hubid=%d", &hub);
        }
        g_string_append_printf(out, "Hub %d (%s):\n%s", hub, s->nc.name, text);
    }
}

/* ---- options ------------------------------------------------------------- */

/* "ADDR[/BITS or MASK]". */
static bool parse_net(const char *text, struct in_addr *net,
                      struct in_addr *mask, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    uint32_t m;

    if (!parts[0] || !*parts[0] || !parse_addr(parts[0], net)) {
        error_setg(errp, "net=%s: invalid IPv4 network address", text);
        return false;
    }
    if (!parts[1]) {
        uint32_t a = ntohl(net->s_addr);

        /* By the class of the address (RFC 791). */
        m = a >> 31 == 0 ? 0xff000000 : a >> 30 == 2 ? 0xffff0000 : 0xffffff00;
        mask->s_addr = htonl(m);
    } else if (strchr(parts[1], '.')) {
        if (inet_pton(AF_INET, parts[1], mask) != 1) {
            error_setg(errp, "net=%s: invalid network mask", text);
            return false;
        }
        m = ~ntohl(mask->s_addr);
        if (m & (m + 1)) {
            error_setg(errp, "net=%s: the mask's ones are not at its start",
                       text);
            return false;
        }
    } else {
        int bits;

        if (!parse_port(parts[1], 4, &bits) || bits > 32) {
            error_setg(errp, "net=%s: the prefix has 4 to 32 bits", text);
            return false;
        }
        mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    }
    net->s_addr &= mask->s_addr;
    return true;
}

/* An address of the network: given, or net's @nth. */
static bool pick_addr(const char *key, const char *text, struct in_addr net,
                      struct in_addr mask, unsigned nth, struct in_addr *out,
                      Error **errp)
{
    if (!text) {
        out->s_addr = net.s_addr | (htonl(nth) & ~mask.s_addr);
        return true;
    }
    if (inet_pton(AF_INET, text, out) != 1) {
        error_setg(errp, "%s=%s: invalid IPv4 address", key, text);
        return false;
    }
    if ((out->s_addr & mask.s_addr) != net.s_addr) {
        error_setg(errp, "%s=%s: not in the network", key, text);
        return false;
    }
    return true;
}

static bool pick_addr6(const char *key, const char *text,
                       const struct in6_addr *prefix, int bits, uint8_t last,
                       struct in6_addr *out, Error **errp)
{
    if (!text) {
        *out = *prefix;
        out->s6_addr[15] = last;
        return true;
    }
    if (inet_pton(AF_INET6, text, out) != 1) {
        error_setg(errp, "%s=%s: invalid IPv6 address", key, text);
        return false;
    }
    for (int i = 0; i < bits; i++) {
        if ((out->s6_addr[i / 8] ^ prefix->s6_addr[i / 8]) >> (7 - i % 8) & 1) {
            error_setg(errp, "%s=%s: not in the IPv6 network", key, text);
            return false;
        }
    }
    return true;
}

static bool configure4(const NetdevUserOptions *o, SlirpConfig *c,
                       Error **errp)
{
    const char *net = o->net ? o->net : o->ip;

    if (!parse_net(net ? net : "10.0.2.0/24", &c->vnetwork, &c->vnetmask,
                   errp) ||
        !pick_addr("host", o->host, c->vnetwork, c->vnetmask, 2, &c->vhost,
                   errp) ||
        !pick_addr("dhcpstart", o->dhcpstart, c->vnetwork, c->vnetmask, 15,
                   &c->vdhcp_start, errp) ||
        !pick_addr("dns", o->dns, c->vnetwork, c->vnetmask, 3,
                   &c->vnameserver, errp)) {
        return false;
    }
    if (c->vnameserver.s_addr == c->vhost.s_addr) {
        error_setg(errp, "dns= is the same address as host=");
        return false;
    }
    return true;
}

static bool configure6(const NetdevUserOptions *o, SlirpConfig *c,
                       Error **errp)
{
    const char *prefix = o->ipv6_prefix ? o->ipv6_prefix : "fec0::";
    int64_t bits = o->has_ipv6_prefixlen ? o->ipv6_prefixlen : 64;

    if (inet_pton(AF_INET6, prefix, &c->vprefix_addr6) != 1) {
        error_setg(errp, "ipv6-prefix=%s: invalid IPv6 address", prefix);
        return false;
    }
    if (bits < 0 || bits > 126) {
        error_setg(errp, "ipv6-prefixlen=%" PRId64 ": 0 to 126 are valid",
                   bits);
        return false;
    }
    c->vprefix_len = bits;
    return pick_addr6("ipv6-host", o->ipv6_host, &c->vprefix_addr6, bits, 2,
                      &c->vhost6, errp) &&
           pick_addr6("ipv6-dns", o->ipv6_dns, &c->vprefix_addr6, bits, 3,
                      &c->vnameserver6, errp);
}

static bool check_names(const NetdevUserOptions *o, Error **errp)
{
    const struct {
        const char *key, *value;
        size_t max;
    } names[] = {
        { "hostname", o->hostname, 32 }, { "domainname", o->domainname, 255 },
        { "bootfile", o->bootfile, 127 },
        { "tftp-server-name", o->tftp_server_name, 127 },
    };

    if (o->smb || o->smbserver) {
        error_setg(errp, "smb: file sharing by Samba is not supported");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].value && strlen(names[i].value) > names[i].max) {
            error_setg(errp, "%s=%s is too long, at most %zu bytes",
                       names[i].key, names[i].value, names[i].max);
            return false;
        }
    }
    if (o->tftp && !g_file_test(o->tftp, G_FILE_TEST_IS_DIR)) {
        error_setg(errp, "tftp=%s is not a directory", o->tftp);
        return false;
    }
    return true;
}

static bool user_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevUserOptions *o = &opts->u.user;
    g_autoptr(GPtrArray) search = g_ptr_array_new();
    SlirpConfig c = {
        .version = 4,
        .restricted = o->has_q_restrict && o->q_restrict,
        .vhostname = o->hostname, .tftp_server_name = o->tftp_server_name,
        .tftp_path = o->tftp, .bootfile = o->bootfile,
        .vdomainname = o->domainname,
    };
    char net[INET_ADDRSTRLEN];
    UserNet *s;

    /* Both unless one is asked for or the other switched off. */
    c.in_enabled = o->has_ipv4 ? o->ipv4 : !(o->has_ipv6 && o->ipv6);
    c.in6_enabled = o->has_ipv6 ? o->ipv6 : !(o->has_ipv4 && o->ipv4);
    if (!c.in_enabled && !c.in6_enabled) {
        error_setg(errp, "IPv4 and IPv6 disabled");
        return false;
    }
    if (!check_names(o, errp) || !configure4(o, &c, errp) ||
        !configure6(o, &c, errp)) {
        return false;
    }
    for (StringList *l = o->dnssearch; l; l = l->next) {
        g_ptr_array_add(search, l->value->str);
    }
    g_ptr_array_add(search, NULL);
    c.vdnssearch = search->len > 1 ? (const char **)search->pdata : NULL;

    s = (UserNet *)net_client_new(&user_info, peer, "user", opts->id);
    list_init(&s->forwards);
    inet_ntop(AF_INET, &c.vnetwork, net, sizeof(net));
    net_client_set_text(&s->nc, "net=%s,restrict=%s", net,
                        c.restricted ? "on" : "off");
    s->slirp = slirp_new(&c, &user_callbacks, s);
    if (!s->slirp) {
        error_setg(errp, "libslirp does not take these options");
        net_client_free(&s->nc);
        return false;
    }
    list_append(&nets, &s->node);
    s->poller.prepare = user_prepare;
    s->poller.check = user_check;
    loop_add_poller(loop_main(), &s->poller);
    for (StringList *l = o->hostfwd; l; l = l->next) {
        if (!user_add_hostfwd(s, l->value->str, errp)) {
            net_client_free(&s->nc);
            return false;
        }
    }
    for (StringList *l = o->guestfwd; l; l = l->next) {
        if (!user_add_guestfwd(s, l->value->str, errp)) {
            net_client_free(&s->nc);
            return false;
        }
    }
    return true;
}

static const NetdevDriver user_driver = {
    .driver = NET_CLIENT_DRIVER_USER,
    .open = user_open,
};

static void user_register(void)
{
    netdev_register(&user_driver);
}
netdev_init(user_register)
