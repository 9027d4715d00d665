/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the network, and announcements. */
#include "osdep.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/timer.h"

void qmp_netdev_add(Netdev *opts, Error **errp)
{
    netdev_add(opts, errp);
}

void qmp_netdev_del(const char *id, Error **errp)
{
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n = net_find(id, false, ncs, NET_MAX_QUEUES);

    if (n == 0) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return;
    }
    if (!ncs[0]->is_netdev) {
        error_setg(errp, "Device '%s' is not a netdev", id);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        net_client_free(ncs[i]);
    }
}

static void set_link(NetClient *nc, bool up)
{
    if (nc->link_down == !up) {
        return;
    }
    nc->link_down = !up;
    if (!up) {
        net_purge(nc);
    }
    if (nc->info->link_changed) {
        nc->info->link_changed(nc);
    }
    if (up) {
        net_flush(nc);
    }
}

void qmp_set_link(const char *name, bool up, Error **errp)
{
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n = net_find(name, true, ncs, NET_MAX_QUEUES);

    if (n == 0) {
        n = net_find(name, false, ncs, NET_MAX_QUEUES);
    }
    if (n == 0) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", name);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        NetClient *peer = ncs[i]->peer;

        if (ncs[i]->nic && !peer && up) {
            continue; /* there is no cable */
        }
        set_link(ncs[i], up);
        /* The guest sees the state of its back end. */
        if (peer && peer->nic) {
            set_link(peer, up);
        }
    }
}

/* ---- receive filters ----------------------------------------------------- */

typedef struct FilterQuery {
    const char *name;
    RxFilterInfoList *list, **tail;
    bool found;
    Error *err;
} FilterQuery;

static void query_filter(NetClient *nc, void *opaque)
{
    FilterQuery *q = opaque;
    RxFilterInfo *info;

    if (q->err || nc->queue_index > 0 ||
        (q->name && strcmp(nc->name, q->name) != 0)) {
        return;
    }
    if (!nc->nic) {
        if (q->name && !q->found) {
            error_setg(&q->err, "net client(%s) isn't a NIC", q->name);
        }
        return;
    }
    if (!nc->info->query_rx_filter) {
        if (q->name) {
            error_setg(&q->err,
                       "net client(%s) doesn't support rx-filter querying",
                       q->name);
        }
        return;
    }
    info = nc->info->query_rx_filter(nc);
    nc->rx_filter_notify = true;
    QAPI_LIST_APPEND(q->tail, info);
    q->found = true;
}

RxFilterInfoList *qmp_query_rx_filter(const char *name, Error **errp)
{
    FilterQuery q = { .name = name };

    q.tail = &q.list;
    net_foreach(query_filter, &q);
    if (!q.err && name && !q.found) {
        error_setg(&q.err, "invalid net client name: %s", name);
    }
    if (q.err) {
        error_propagate(errp, q.err);
        qapi_free_RxFilterInfoList(q.list);
        return NULL;
    }
    return q.list;
}

void net_rx_filter_changed(NetClient *nc, const char *path)
{
    if (nc->rx_filter_notify) {
        qapi_event_send_nic_rx_filter_changed(nc->name, path);
        nc->rx_filter_notify = false;
    }
}

/* ---- announce-self ------------------------------------------------------- */

/* One round of announcements and the next one's time; freed at the end. */
typedef struct Announce {
    Timer timer;
    AnnounceParameters *p;
    int64_t round;
    bool announced;
} Announce;

static GHashTable *announces; /* id -> Announce */

/* RARP request (RFC 903): switches learn where the address is. */
static void send_rarp(NetClient *nc)
{
    const uint8_t *mac = nc->nic->conf->mac.a;
    uint8_t f[60] = { 0 };

    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    f[12] = 0x80;
    f[13] = 0x35;
    f[15] = 1;    /* Ethernet */
    f[16] = 0x08; /* IPv4 */
    f[18] = 6;
    f[19] = 4;
    f[21] = 3;    /* request reverse */
    memcpy(f + 22, mac, 6);
    memcpy(f + 32, mac, 6);
    if (nc->vnet_hdr_len) {
        uint8_t hdr[64] = { 0 };
        struct iovec iov[2] = {
            { hdr, MIN(nc->vnet_hdr_len, sizeof(hdr)) }, { f, sizeof(f) },
        };

        net_sendv(nc, iov, 2, NULL);
    } else {
        net_send(nc, f, sizeof(f), NULL);
    }
}

static void announce_nic(NetClient *nc, void *opaque)
{
    const AnnounceParameters *p = opaque;
    bool wanted = !p->has_interfaces;

    if (!nc->nic || nc->queue_index > 0) {
        return;
    }
    for (strList *s = p->interfaces; s; s = s->next) {
        wanted |= !strcmp(s->value, nc->name);
    }
    if (!wanted) {
        return;
    }
    if (!nc->info->announce || !nc->info->announce(nc)) {
        send_rarp(nc);
    }
}

static void announce_free(void *opaque)
{
    Announce *a = opaque;

    timer_del(&a->timer);
    qapi_free_AnnounceParameters(a->p);
    g_free(a);
}

static void announce_round(void *opaque)
{
    Announce *a = opaque;

    if (a->round < a->p->rounds) {
        net_foreach(announce_nic, a->p);
        a->round++;
    }
    if (a->round < a->p->rounds) {
        timer_mod_ms(&a->timer, MIN(a->p->initial + (a->round - 1) * a->p->step,
                                    a->p->max));
    } else {
        g_hash_table_remove(announces, a->p->id ? a->p->id : "");
    }
}

void qmp_announce_self(AnnounceParameters *params, Error **errp)
{
    g_autoptr(QObject) copy = NULL;
    Announce *a;

    if (params->initial < 1 || params->initial > 100000 ||
        params->max < 1 || params->max > 100000) {
        error_setg(errp, "Parameter '%s' expects a value between 1 and 100000",
                   params->initial < 1 || params->initial > 100000 ? "initial"
                                                                   : "max");
        return;
    }
    if (params->rounds < 1 || params->rounds > 1000) {
        error_setg(errp,
                   "Parameter 'rounds' expects a value between 1 and 1000");
        return;
    }
    if (params->step < 0 || params->step > 10000) {
        error_setg(errp,
                   "Parameter 'step' expects a value between 0 and 10000");
        return;
    }
    copy = qapi_AnnounceParameters_to_qobject(params);
    a = g_new0(Announce, 1);
    a->p = qapi_AnnounceParameters_from_qobject(copy, &error_abort);
    timer_init(&a->timer, loop_main(), CLOCK_REALTIME_NS, announce_round, a);
    if (!announces) {
        announces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          announce_free);
    }
    g_hash_table_replace(announces, g_strdup(a->p->id ? a->p->id : ""), a);
    announce_round(a);
}
