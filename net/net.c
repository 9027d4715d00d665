/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients, cables and their queues.
 *
 *     net_sendv(A) -> A's filters -> B's filters -> B.receive
 *                                        | no room, or B is in receive already
 *                                        v
 *                                     B.queue --net_flush(B)--> B.receive
 *                                                               A.sent()
 *
 * 1. Frames between two clients never overtake each other.
 * 2. receive() of a client is never entered twice; what its own doings send
 *    back waits in the queue until it returns.
 * 3. A sender that gave a callback has at most the frames in the queue that
 *    it sent before it was told to stop; the rest is bounded by QUEUE_MAX.
 */
#include "osdep.h"
#include "filter.h"

#define QUEUE_MAX 1024

typedef struct NetPacket {
    ListNode node;
    NetClient *sender;
    NetSentFn *sent;
    size_t len;
    uint8_t data[];
} NetPacket;

static ListNode clients = LIST_INIT(clients);
static bool vm_running;

void net_foreach(void (*fn)(NetClient *nc, void *opaque), void *opaque)
{
    NetClient *nc, *tmp;

    list_foreach_safe(nc, tmp, &clients, node) {
        fn(nc, opaque);
    }
}

/* ---- vectors ------------------------------------------------------------- */

static size_t iov_move(const struct iovec *iov, int n, size_t off, void *buf,
                       size_t len, bool out)
{
    size_t done = 0;

    for (int i = 0; i < n && done < len; i++) {
        size_t part;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - off, len - done);
        if (out) {
            memcpy((uint8_t *)buf + done, (uint8_t *)iov[i].iov_base + off,
                   part);
        } else {
            memcpy((uint8_t *)iov[i].iov_base + off, (uint8_t *)buf + done,
                   part);
        }
        done += part;
        off = 0;
    }
    return done;
}

size_t iov_copy_out(const struct iovec *iov, int n, size_t off, void *buf,
                    size_t len)
{
    return iov_move(iov, n, off, buf, len, true);
}

size_t iov_copy_in(const struct iovec *iov, int n, size_t off, const void *buf,
                   size_t len)
{
    return iov_move(iov, n, off, (void *)buf, len, false);
}

/* ---- delivery ------------------------------------------------------------ */

static bool client_ready(NetClient *nc)
{
    if (nc->link_down) {
        return true; /* it drops */
    }
    if (nc->blocked || (nc->nic && !vm_running)) {
        return false;
    }
    return !nc->info->can_receive || nc->info->can_receive(nc);
}

/* 0: no room. */
static ssize_t deliver(NetClient *nc, const struct iovec *iov, int n,
                       size_t len)
{
    ssize_t ret;

    if (nc->link_down) {
        return len;
    }
    nc->delivering = true;
    ret = nc->info->receive(nc, iov, n);
    nc->delivering = false;
    if (ret == 0) {
        nc->blocked = true;
    }
    return ret < 0 ? (ssize_t)len : ret;
}

static void enqueue(NetClient *nc, NetClient *sender, const struct iovec *iov,
                    int n, size_t len, NetSentFn *sent)
{
    NetPacket *p;

    if (!sent && nc->queued >= QUEUE_MAX) {
        return;
    }
    p = g_malloc(sizeof(*p) + len);
    p->sender = sender;
    p->sent = sent;
    p->len = len;
    iov_copy_out(iov, n, 0, p->data, len);
    list_append(&nc->queue, &p->node);
    nc->queued++;
}

static void run_queue(NetClient *nc)
{
    while (!list_empty(&nc->queue) && !nc->delivering && client_ready(nc)) {
        NetPacket *p = list_first(&nc->queue, NetPacket, node);
        struct iovec iov = { p->data, p->len };
        ssize_t ret;

        list_remove(&p->node);
        nc->queued--;
        ret = deliver(nc, &iov, 1, p->len);
        if (ret == 0) {
            list_prepend(&nc->queue, &p->node);
            nc->queued++;
            return;
        }
        if (p->sent) {
            p->sent(p->sender, ret);
        }
        g_free(p);
    }
}

static ssize_t hand_over(NetClient *sender, const struct iovec *iov, int n,
                         size_t len, NetSentFn *sent)
{
    NetClient *nc = sender->peer;
    ssize_t ret;

    if (nc->delivering || !list_empty(&nc->queue) || !client_ready(nc)) {
        enqueue(nc, sender, iov, n, len, sent);
        return 0;
    }
    ret = deliver(nc, iov, n, len);
    if (ret == 0) {
        enqueue(nc, sender, iov, n, len, sent);
        return 0;
    }
    run_queue(nc); /* what came while it was busy */
    return ret;
}

/* True: a filter swallowed it.  @after: begin behind that one. */
static bool filter_list(NetClient *nc, NetFilter *after, NetClient *sender,
                        const struct iovec *iov, int n)
{
    bool forward = nc == sender; /* its own frames */
    NetFilterQueue skip = forward ? NET_FILTER_RX : NET_FILTER_TX;
    ListNode *at = after ? &after->node : &nc->filters;

    for (at = forward ? at->next : at->prev; at != &nc->filters;) {
        NetFilter *f = list_entry(at, NetFilter, node);

        at = forward ? at->next : at->prev;
        if (f->on && f->queue != (int)skip &&
            f->receive(f, sender, iov, n)) {
            return true;
        }
    }
    return false;
}

ssize_t net_sendv(NetClient *nc, const struct iovec *iov, int n,
                  NetSentFn *sent)
{
    size_t len = iov_total(iov, n);

    if (len == 0 || len > NET_MAX_FRAME || nc->link_down || !nc->peer) {
        return len ? (ssize_t)len : 1;
    }
    if (unlikely(!list_empty(&nc->filters) ||
                 !list_empty(&nc->peer->filters)) &&
        (filter_list(nc, NULL, nc, iov, n) ||
         !nc->peer || filter_list(nc->peer, NULL, nc, iov, n))) {
        return len;
    }
    return nc->peer ? hand_over(nc, iov, n, len, sent) : (ssize_t)len;
}

ssize_t net_send(NetClient *nc, const void *buf, size_t len, NetSentFn *sent)
{
    struct iovec iov = { (void *)buf, len };

    return net_sendv(nc, &iov, 1, sent);
}

void net_filter_pass(NetFilter *f, NetClient *sender, const struct iovec *iov,
                     int n)
{
    NetClient *nc = f->nc;

    if (!nc || sender->link_down || !sender->peer ||
        filter_list(nc, f, sender, iov, n)) {
        return;
    }
    if (nc == sender && sender->peer &&
        filter_list(sender->peer, NULL, sender, iov, n)) {
        return;
    }
    if (sender->peer) {
        hand_over(sender, iov, n, iov_total(iov, n), NULL);
    }
}

bool net_can_send(NetClient *nc)
{
    NetClient *peer = nc->peer;

    return nc->link_down || !peer ||
           (list_empty(&peer->queue) && !peer->delivering &&
            client_ready(peer));
}

void net_flush(NetClient *nc)
{
    nc->blocked = false;
    run_queue(nc);
    if (list_empty(&nc->queue) && nc->peer && nc->peer->info->peer_ready) {
        nc->peer->info->peer_ready(nc->peer);
    }
}

/* Drops what waits for @nc, of @sender's only when that is not NULL; then
 * nobody is told. */
static void purge(NetClient *nc, NetClient *sender)
{
    ListNode drop = LIST_INIT(drop);
    NetPacket *p, *tmp;

    list_foreach_safe(p, tmp, &nc->queue, node) {
        if (!sender || p->sender == sender) {
            list_remove(&p->node);
            list_append(&drop, &p->node);
            nc->queued--;
        }
    }
    while (!list_empty(&drop)) {
        p = list_first(&drop, NetPacket, node);
        list_remove(&p->node);
        if (!sender && p->sent) {
            p->sent(p->sender, 0);
        }
        g_free(p);
    }
}

void net_purge(NetClient *nc)
{
    nc->blocked = false;
    purge(nc, NULL);
}

static void flush_nic(NetClient *nc, void *opaque)
{
    if (nc->nic) {
        net_flush(nc);
    }
}

void net_set_running(bool running)
{
    vm_running = running;
    if (running) {
        net_foreach(flush_nic, NULL);
    }
}

/* ---- clients ------------------------------------------------------------- */

static void client_init(NetClient *nc, const NetClientInfo *info,
                        NetClient *peer, const char *model, const char *name)
{
    nc->info = info;
    nc->model = g_strdup(model);
    nc->name = g_strdup(name);
    nc->text = g_strdup("");
    list_init(&nc->filters);
    list_init(&nc->queue);
    nc->peer = peer;
    if (peer) {
        peer->peer = nc;
    }
    list_append(&clients, &nc->node);
}

NetClient *net_client_new(const NetClientInfo *info, NetClient *peer,
                          const char *model, const char *name)
{
    NetClient *nc = g_malloc0(info->size);

    assert(info->size >= sizeof(NetClient) && (!peer || !peer->peer));
    client_init(nc, info, peer, model, name);
    return nc;
}

/* Pulls the cable out at both ends. */
static void unplug(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (!peer) {
        return;
    }
    purge(nc, peer);
    purge(peer, nc);
    nc->peer = peer->peer = NULL;
    if (peer->nic) {
        peer->blocked = false;
        peer->link_down = true;
        if (peer->info->link_changed) {
            peer->info->link_changed(peer);
        }
    }
}

static void client_fini(NetClient *nc)
{
    while (!list_empty(&nc->filters)) {
        NetFilter *f = list_first(&nc->filters, NetFilter, node);

        if (f->release) {
            f->release(f);
        }
        list_remove(&f->node);
        f->nc = NULL;
    }
    unplug(nc);
    if (nc->info->cleanup) {
        nc->info->cleanup(nc);
    }
    purge(nc, nc); /* of its own only, and there are none */
    while (!list_empty(&nc->queue)) {
        NetPacket *p = list_first(&nc->queue, NetPacket, node);

        list_remove(&p->node);
        g_free(p);
    }
    list_remove(&nc->node);
    g_free(nc->name);
    g_free(nc->model);
    g_free(nc->text);
}

void net_client_free(NetClient *nc)
{
    client_fini(nc);
    g_free(nc);
}

void net_client_set_text(NetClient *nc, const char *fmt, ...)
{
    va_list ap;

    g_free(nc->text);
    va_start(ap, fmt);
    nc->text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

unsigned net_find(const char *name, bool nics, NetClient **ncs, unsigned max)
{
    NetClient *nc;
    unsigned n = 0;

    list_foreach(nc, &clients, node) {
        if ((nc->nic != NULL) == nics && !strcmp(nc->name, name)) {
            if (n < max) {
                ncs[n] = nc;
            }
            n++;
        }
    }
    return MIN(n, max);
}

NetClient *net_find_one(const char *name)
{
    NetClient *nc;

    list_foreach(nc, &clients, node) {
        if (!strcmp(nc->name, name)) {
            return nc;
        }
    }
    return NULL;
}

void net_cleanup(void)
{
    NetClient *nc, *tmp;
    bool again;

    /* NICs belong to their devices, which stay; ports go with their hub. */
    do {
        again = false;
        list_foreach_safe(nc, tmp, &clients, node) {
            if (!nc->nic) {
                net_client_free(nc);
                again = true;
                break;
            }
        }
    } while (again);
}

/* ---- virtio-net headers -------------------------------------------------- */

bool net_peer_has_vnet_hdr(NetClient *nc, unsigned len)
{
    NetClient *p = nc->peer;

    return p && p->info->has_vnet_hdr_len && p->info->has_vnet_hdr_len(p, len);
}

void net_set_vnet_hdr(NetClient *nc, unsigned len)
{
    NetClient *p = nc->peer;

    if (nc->vnet_hdr_len == len) {
        return;
    }
    nc->vnet_hdr_len = len;
    if (!p) {
        return;
    }
    /* Frames in flight have the old form. */
    purge(nc, NULL);
    purge(p, NULL);
    p->vnet_hdr_len = len;
    if (p->info->set_vnet_hdr_len) {
        p->info->set_vnet_hdr_len(p, len);
    }
}

bool net_peer_has_ufo(NetClient *nc)
{
    return nc->peer && nc->peer->info->has_ufo &&
           nc->peer->info->has_ufo(nc->peer);
}

void net_peer_set_offload(NetClient *nc, uint32_t flags)
{
    if (nc->peer && nc->peer->info->set_offload) {
        nc->peer->info->set_offload(nc->peer, flags);
    }
}

/* ---- NICs ---------------------------------------------------------------- */

static bool netdev_prop_set(Object *obj, const Property *p, void *field,
                            QObject *v, Error **errp)
{
    char **id = field;
    NetClient *nc;

    if (qobject_type(v) != QTYPE_STRING) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   p->name);
        return false;
    }
    if (!net_find(qstring_get(v), false, &nc, 1)) {
        error_setg(errp, "Property '%s.%s' can't find value '%s'",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    if (nc->peer) {
        error_setg(errp, "Property '%s.%s' can't take value '%s', it's in use",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    g_free(*id);
    *id = g_strdup(qstring_get(v));
    return true;
}

static QObject *netdev_prop_get(Object *obj, const Property *p,
                                const void *field)
{
    char *const *id = field;

    return qstring_new(*id ? *id : "");
}

static void netdev_prop_release(Object *obj, const Property *p, void *field)
{
    g_free(*(char **)field);
    *(char **)field = NULL;
}

static void netdev_prop_default(const Property *p, void *field)
{
    *(char **)field = NULL;
}

const PropertyInfo prop_netdev = {
    .name = "str", .desc = "ID of a netdev to use as a backend",
    .set = netdev_prop_set, .get = netdev_prop_get,
    .release = netdev_prop_release, .set_default = netdev_prop_default,
};

static bool mac_in_use(const uint8_t mac[6])
{
    NetClient *nc;

    list_foreach(nc, &clients, node) {
        if (nc->nic && !memcmp(nc->nic->conf->mac.a, mac, 6)) {
            return true;
        }
    }
    return false;
}

static void pick_mac(NICConf *conf)
{
    MACAddr m = { { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 } };

    for (unsigned i = 0; i < 65536 && mac_in_use(m.a); i++) {
        if (++m.a[5] == 0) {
            m.a[4]++;
        }
    }
    conf->mac = m;
}

/* The device's id, or "MODEL.N". */
static char *nic_name(const char *model, const char *id)
{
    NetClient *nc;
    unsigned n = 0;

    if (id) {
        return g_strdup(id);
    }
    list_foreach(nc, &clients, node) {
        n += nc->nic && nc->queue_index == 0 && !strcmp(nc->model, model);
    }
    return g_strdup_printf("%s.%u", model, n);
}

NICState *nic_new(const NetClientInfo *info, NICConf *conf, const char *model,
                  const char *id, void *opaque, Error **errp)
{
    NetClient *peers[NET_MAX_QUEUES];
    g_autofree char *name = nic_name(model, id);
    unsigned n = 0;
    NICState *nic;

    if (conf->netdev) {
        n = net_find(conf->netdev, false, peers, NET_MAX_QUEUES);
        if (n == 0) {
            error_setg(errp, "%s: there is no netdev '%s'", name,
                       conf->netdev);
            return NULL;
        }
        if (peers[0]->peer) {
            error_setg(errp, "%s: netdev '%s' is in use", name, conf->netdev);
            return NULL;
        }
    }
    if (net_mac_is_zero(&conf->mac)) {
        pick_mac(conf);
    } else if (conf->mac.a[0] & 1) {
        error_setg(errp, "%s: mac=%02x:%02x:%02x:%02x:%02x:%02x is a multicast "
                         "address", name, conf->mac.a[0], conf->mac.a[1],
                   conf->mac.a[2], conf->mac.a[3], conf->mac.a[4],
                   conf->mac.a[5]);
        return NULL;
    }
    nic = g_new0(NICState, 1);
    nic->queues = MAX(n, 1);
    nic->conf = conf;
    nic->opaque = opaque;
    nic->ncs = g_new0(NetClient, nic->queues);
    for (unsigned i = 0; i < nic->queues; i++) {
        NetClient *nc = &nic->ncs[i];

        nc->nic = nic;
        nc->queue_index = i;
        client_init(nc, info, i < n ? peers[i] : NULL, model, name);
        if (nc->peer && nc->peer->link_down) {
            nc->link_down = true; /* set_link came first */
        }
    }
    nic_format_info(nic, conf->mac.a);
    return nic;
}

void nic_free(NICState *nic)
{
    if (!nic) {
        return;
    }
    for (unsigned i = 0; i < nic->queues; i++) {
        NetClient *nc = &nic->ncs[i];

        if (nc->vnet_hdr_len) {
            net_set_vnet_hdr(nc, 0);
        }
        nc->dying = true;
        client_fini(nc);
    }
    g_free(nic->ncs);
    g_free(nic);
}

void nic_format_info(NICState *nic, const uint8_t mac[6])
{
    for (unsigned i = 0; i < nic->queues; i++) {
        net_client_set_text(&nic->ncs[i],
                            "model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x",
                            nic->ncs[i].model, mac[0], mac[1], mac[2], mac[3],
                            mac[4], mac[5]);
    }
}

/* ---- info network -------------------------------------------------------- */

static void print_client(NetClient *nc, GString *out)
{
    g_string_append_printf(out, "%s: index=%u,type=%s,%s%s\n", nc->name,
                           nc->queue_index,
                           NetClientDriver_str(nc->info->driver), nc->text,
                           nc->link_down ? ",link=down" : "");
    if (!list_empty(&nc->filters)) {
        NetFilter *f;

        g_string_append(out, "filters:\n");
        list_foreach(f, &nc->filters, node) {
            g_string_append_printf(out, "  - %s: type=%s\n", f->obj.name,
                                   f->obj.type->name);
        }
    }
}

void net_print(GString *out)
{
    NetClient *nc;

    list_foreach(nc, &clients, node) {
        /* A pair is shown once, NIC first; hubs print their own. */
        if (nc->info->driver == NET_CLIENT_DRIVER_HUBPORT) {
            if (nc->info->print) {
                nc->info->print(nc, out);
            }
            continue;
        }
        if (nc->peer && (nc->peer->nic || nc->peer->info->driver ==
                                              NET_CLIENT_DRIVER_HUBPORT)) {
            if (!nc->nic || nc->peer->info->driver ==
                                NET_CLIENT_DRIVER_HUBPORT) {
                continue;
            }
        }
        print_client(nc, out);
        if (nc->peer && nc->peer->info->driver != NET_CLIENT_DRIVER_HUBPORT) {
            g_string_append(out, " \\ ");
            print_client(nc->peer, out);
        }
    }
}
