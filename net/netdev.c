/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry of back ends, their options, and hubs. */
#include "osdep.h"
#include "net/net.h"
#include "util/module.h"
#include "util/option.h"

static const NetdevDriver *drivers[NET_CLIENT_DRIVER__MAX];

void netdev_register(const NetdevDriver *d)
{
    drivers[d->driver] = d;
}

void netdev_help(GString *out)
{
    g_string_append(out, "Available netdev backend types:\n");
    for (int i = 0; i < NET_CLIENT_DRIVER__MAX; i++) {
        if (drivers[i]) {
            g_string_append_printf(out, "%s\n", NetClientDriver_str(i));
        }
    }
}

/* ---- options ------------------------------------------------------------- */

static bool check_type(QObject *dict, Error **errp)
{
    static const char *const refused[] = {
        "vde", "l2tpv3", "netmap", "vhost-vdpa", "af-xdp", "vmnet-host",
        "vmnet-shared", "vmnet-bridged", NULL,
    };
    const char *type = qdict_get_str(dict, "type"), *near;
    const char *names[NET_CLIENT_DRIVER__MAX + 1];
    unsigned n = 0;

    if (!type) {
        error_setg(errp, "Parameter 'type' is missing");
        return false;
    }
    if (g_strv_contains(refused, type)) {
        error_setg(errp, "network backend '%s' is not supported", type);
        return false;
    }
    for (int i = 0; i < NET_CLIENT_DRIVER__MAX; i++) {
        if (drivers[i] || i == NET_CLIENT_DRIVER_NIC) {
            names[n++] = NetClientDriver_str(i);
        }
    }
    names[n] = NULL;
    if (g_strv_contains(names, type)) {
        return true;
    }
    if (!strcmp(type, "user")) {
        error_setg(errp, "network backend 'user': this build has no libslirp");
        return false;
    }
    near = nearest_name(type, names);
    error_setg(errp, "Parameter 'type' does not accept value '%s'%s%s%s", type,
               near ? " (did you mean '" : "", near ? near : "",
               near ? "'?)" : "");
    return false;
}

static const char *const list_keys[] = {
    "dnssearch", "hostfwd", "guestfwd", NULL
};

/* From files a list key has one string. */
static void strings_to_lists(QObject *dict)
{
    for (const char *const *k = list_keys; *k; k++) {
        const char *v = qdict_get_str(dict, *k);

        if (v) {
            QObject *list = qlist_new(), *item = qdict_new();

            qdict_put_str(item, "str", v);
            qlist_append(list, item);
            qdict_put(dict, *k, list);
        }
    }
}

Netdev *netdev_from_dict(QObject *flat, bool keyval, Error **errp)
{
    g_autoptr(QObject) dict = NULL;

    if (!check_type(flat, errp)) {
        return NULL;
    }
    if (!keyval) {
        return qapi_Netdev_from_qobject(flat, errp);
    }
    dict = keyval_crumple(flat, errp);
    return dict ? qapi_Netdev_from_keyval(dict, errp) : NULL;
}

QObject *netdev_dict(const char *text, QObject *given, bool *keyval,
                     Error **errp)
{
    QObject *dict;

    *keyval = !text || *text != '{';
    if (!text) {
        dict = qobject_deep_copy(given);
        strings_to_lists(dict);
        return dict;
    }
    if (*keyval) {
        return keyval_parse_lists(text, "type", list_keys, NULL, errp);
    }
    dict = json_parse(text, errp);
    if (dict && qobject_type(dict) != QTYPE_DICT) {
        error_setg(errp, "JSON object expected");
        qobject_unref(dict);
        return NULL;
    }
    return dict;
}

Netdev *netdev_parse(const char *text, QObject *given, Error **errp)
{
    bool keyval;
    g_autoptr(QObject) dict = netdev_dict(text, given, &keyval, errp);

    return dict ? netdev_from_dict(dict, keyval, errp) : NULL;
}

static bool open_netdev(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevDriver *d = drivers[opts->type];

    if (!d) {
        error_setg(errp, "Parameter 'type' expects a netdev backend type, not "
                         "'%s'", NetClientDriver_str(opts->type));
        return false;
    }
    return d->open(opts, peer, errp);
}

bool netdev_add(const Netdev *opts, Error **errp)
{
    if (!id_wellformed(opts->id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    return netdev_open(opts, errp);
}

bool netdev_open(const Netdev *opts, Error **errp)
{
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n;

    if (net_find_one(opts->id)) {
        error_setg(errp, "Duplicate ID '%s' for netdev", opts->id);
        return false;
    }
    if (!open_netdev(opts, NULL, errp)) {
        return false;
    }
    n = net_find(opts->id, false, ncs, NET_MAX_QUEUES);
    for (unsigned i = 0; i < n; i++) {
        ncs[i]->is_netdev = true;
    }
    return true;
}

bool net_open_on_hub(const Netdev *opts, int hub, Error **errp)
{
    NetClient *port = net_hub_port_new(hub, NULL, NULL, errp);

    if (!port) {
        return false;
    }
    if (!open_netdev(opts, port, errp)) {
        net_client_free(port);
        return false;
    }
    return true;
}

/* ---- hubs ---------------------------------------------------------------- */

/*
 * A frame that comes in at one port goes out at all others.  A port whose
 * cable's far end has no room queues up to the core's limit; when none of the
 * others has room, the sender waits.
 */
typedef struct NetHub {
    ListNode node;
    int id;
    unsigned next_port;
    ListNode ports;
} NetHub;

typedef struct NetHubPort {
    NetClient nc;
    ListNode node;
    NetHub *hub;
    unsigned id;
} NetHubPort;

static ListNode hubs = LIST_INIT(hubs);

static bool port_can_receive(NetClient *nc)
{
    NetHubPort *src = (NetHubPort *)nc, *p;
    bool others = false;

    list_foreach(p, &src->hub->ports, node) {
        if (p != src && p->nc.peer) {
            others = true;
            if (net_can_send(&p->nc)) {
                return true;
            }
        }
    }
    return !others;
}

static ssize_t port_receive(NetClient *nc, const struct iovec *iov, int n)
{
    NetHubPort *src = (NetHubPort *)nc, *p;

    list_foreach(p, &src->hub->ports, node) {
        if (p != src) {
            net_sendv(&p->nc, iov, n, NULL);
        }
    }
    return iov_total(iov, n);
}

/* One port's far end has room: the others' may send again. */
static void port_peer_ready(NetClient *nc)
{
    NetHubPort *src = (NetHubPort *)nc, *p;

    list_foreach(p, &src->hub->ports, node) {
        if (p != src && !p->nc.delivering) {
            net_flush(&p->nc);
        }
    }
}

static void port_cleanup(NetClient *nc)
{
    NetHubPort *p = (NetHubPort *)nc;

    list_remove(&p->node);
    if (list_empty(&p->hub->ports)) {
        list_remove(&p->hub->node);
        g_free(p->hub);
    }
}

/* The first port prints the hub. */
static void port_print(NetClient *nc, GString *out)
{
    NetHubPort *me = (NetHubPort *)nc, *p;

    if (me->hub->ports.next != &me->node) {
        return;
    }
    g_string_append_printf(out, "hub %d\n", me->hub->id);
    list_foreach(p, &me->hub->ports, node) {
        NetClient *peer = p->nc.peer;

        g_string_append_printf(out, " \\ %s", p->nc.name);
        if (peer) {
            g_string_append_printf(out, ": %s: index=%u,type=%s,%s%s",
                                   peer->name, peer->queue_index,
                                   NetClientDriver_str(peer->info->driver),
                                   peer->text,
                                   peer->link_down ? ",link=down" : "");
        }
        g_string_append_c(out, '\n');
    }
}

static const NetClientInfo hub_port_info = {
    .driver = NET_CLIENT_DRIVER_HUBPORT,
    .size = sizeof(NetHubPort),
    .can_receive = port_can_receive,
    .receive = port_receive,
    .peer_ready = port_peer_ready,
    .cleanup = port_cleanup,
    .print = port_print,
};

NetClient *net_hub_port_new(int id, const char *name, NetClient *peer,
                            Error **errp)
{
    g_autofree char *own = NULL;
    NetHub *hub = NULL, *h;
    NetHubPort *p;

    list_foreach(h, &hubs, node) {
        hub = h->id == id ? h : hub;
    }
    if (!hub) {
        hub = g_new0(NetHub, 1);
        hub->id = id;
        list_init(&hub->ports);
        list_append(&hubs, &hub->node);
    }
    if (!name) {
        own = g_strdup_printf("hub%dport%u", id, hub->next_port);
    }
    p = (NetHubPort *)net_client_new(&hub_port_info, peer, "hub",
                                     name ? name : own);
    p->hub = hub;
    p->id = hub->next_port++;
    list_prepend(&hub->ports, &p->node);
    net_client_set_text(&p->nc, "hubid=%d", id);
    return &p->nc;
}

static bool hubport_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevHubPortOptions *o = &opts->u.hubport;
    NetClient *nd = peer;

    if (peer) {
        error_setg(errp, "'hubport' is only for -netdev");
        return false;
    }
    if (o->netdev) {
        if (!net_find(o->netdev, false, &nd, 1)) {
            error_setg(errp, "netdev '%s' not found", o->netdev);
            return false;
        }
        if (nd->peer) {
            error_setg(errp, "netdev '%s' is in use", o->netdev);
            return false;
        }
    }
    return net_hub_port_new(o->hubid, opts->id, nd, errp) != NULL;
}

static const NetdevDriver hubport_driver = {
    .driver = NET_CLIENT_DRIVER_HUBPORT,
    .open = hubport_open,
};

static void hub_register(void)
{
    netdev_register(&hubport_driver);
}
netdev_init(hub_register)
