/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev, -net, -nic: back ends before the machine is made, cards after it.
 *
 * -nic makes a pair; `-net nic` and `-net TYPE` are ports of hub 0, as is what
 * the machine brings by default.
 */
#include "osdep.h"
#include "vl.h"
#include "exec/runstate.h"
#include "net/net.h"
#include "util/option.h"

/* A card to come. */
typedef struct PendingNic {
    const char *loc;
    char *netdev, *model, *mac, *addr;
    int64_t vectors; /* -1: not given */
    bool by_default;
} PendingNic;

static GPtrArray *pending;

static PendingNic *add_pending(const char *loc, const char *netdev)
{
    PendingNic *p = g_new0(PendingNic, 1);

    p->loc = loc;
    p->netdev = g_strdup(netdev);
    p->vectors = -1;
    g_ptr_array_add(pending, p);
    return p;
}

static void pending_free(void *opaque)
{
    PendingNic *p = opaque;

    g_free(p->netdev);
    g_free(p->model);
    g_free(p->mac);
    g_free(p->addr);
    g_free(p);
}

static bool add_netdev(const ConfigItem *item, Error **errp)
{
    g_autoptr(Netdev) opts = netdev_parse(item->text, item->opts, errp);

    return opts && netdev_add(opts, errp);
}

static bool take_key(QObject *dict, const char *key, char **out, Error **errp)
{
    g_free(*out);
    *out = NULL;
    return opts_take_str(dict, key, out, errp);
}

static bool add_nic(const ConfigItem *item, Error **errp)
{
    static unsigned count;
    g_autofree char *model = NULL, *mac = NULL, *macaddr = NULL, *id = NULL;
    g_autoptr(Netdev) opts = NULL;
    bool keyval;
    g_autoptr(QObject) dict = netdev_dict(item->text, item->opts, &keyval,
                                          errp);
    PendingNic *p;

    if (!dict || !take_key(dict, "model", &model, errp) ||
        !take_key(dict, "mac", &mac, errp) ||
        !take_key(dict, "macaddr", &macaddr, errp)) {
        return false;
    }
    if (!g_strcmp0(qdict_get_str(dict, "type"), "none")) {
        return true;
    }
    if (!qdict_has(dict, "id")) {
        id = g_strdup_printf("__org.qemu.nic%u", count++);
        qdict_put_str(dict, "id", id);
    }
    opts = netdev_from_dict(dict, keyval, errp);
    if (!opts) {
        return false;
    }
    if (opts->type == NET_CLIENT_DRIVER_NIC) {
        error_setg(errp, "Parameter 'type' expects a network backend type");
        return false;
    }
    p = add_pending(item->loc, opts->id);
    p->model = g_steal_pointer(&model);
    p->mac = macaddr ? g_steal_pointer(&macaddr) : g_steal_pointer(&mac);
    return id ? netdev_open(opts, errp) : netdev_add(opts, errp);
}

static bool add_legacy_nic(const ConfigItem *item, const Netdev *opts,
                           Error **errp)
{
    const NetLegacyNicOptions *o = &opts->u.nic;
    const char *netdev = o->netdev;
    PendingNic *p;

    if (!netdev) {
        NetClient *port = net_hub_port_new(0, NULL, NULL, errp);

        if (!port) {
            return false;
        }
        netdev = port->name;
    } else if (!net_find_one(netdev)) {
        error_setg(errp, "netdev '%s' not found", netdev);
        return false;
    }
    p = add_pending(item ? item->loc : "the default network card", netdev);
    p->model = g_strdup(o->model);
    p->mac = g_strdup(o->macaddr);
    p->addr = g_strdup(o->addr);
    if (o->has_vectors) {
        p->vectors = o->vectors;
    }
    return true;
}

static bool add_legacy(const ConfigItem *item, Error **errp)
{
    static unsigned count;
    g_autoptr(Netdev) opts = NULL;
    bool keyval;
    g_autoptr(QObject) dict = netdev_dict(item->text, item->opts, &keyval,
                                          errp);

    if (!dict) {
        return false;
    }
    if (!g_strcmp0(qdict_get_str(dict, "type"), "none")) {
        return true;
    }
    if (!qdict_has(dict, "id")) {
        g_autofree char *id = g_strdup_printf("#net%03u", count++);

        qdict_put_str(dict, "id", id);
    }
    opts = netdev_from_dict(dict, keyval, errp);
    if (!opts) {
        return false;
    }
    if (opts->type == NET_CLIENT_DRIVER_NIC) {
        return add_legacy_nic(item, opts, errp);
    }
    if (opts->type == NET_CLIENT_DRIVER_HUBPORT) {
        error_setg(errp, "Parameter 'type' expects a net type, not 'hubport'");
        return false;
    }
    if (net_find_one(opts->id)) {
        error_setg(errp, "Duplicate ID '%s' for net", opts->id);
        return false;
    }
    return net_open_on_hub(opts, 0, errp);
}

static bool add_list(const ConfigList *list,
                     bool (*add)(const ConfigItem *, Error **), Error **errp)
{
    for (size_t i = 0; i < list->n; i++) {
        if (!add(list->items[i], errp)) {
            error_prepend(errp, "%s: ", list->items[i]->loc);
            return false;
        }
    }
    return true;
}

/* A card and a user network, if this build has both. */
static bool add_default(const MachineState *m, Error **errp)
{
    g_autoptr(Netdev) nic = NULL, user = NULL;
    g_autoptr(QObject) nic_dict = qdict_new(), user_dict = qdict_new();

    if (!m->default_net || !m->info->default_nic ||
        !device_info_find(m->info->default_nic)) {
        return true;
    }
    qdict_put_str(nic_dict, "type", "nic");
    qdict_put_str(nic_dict, "id", "default");
    nic = qapi_Netdev_from_qobject(nic_dict, errp);
    if (!nic || !add_legacy_nic(NULL, nic, errp)) {
        return false;
    }
    ((PendingNic *)pending->pdata[pending->len - 1])->by_default = true;
    qdict_put_str(user_dict, "type", "user");
    qdict_put_str(user_dict, "id", "#net-default");
    user = netdev_from_dict(user_dict, false, NULL);
    return !user || net_open_on_hub(user, 0, errp);
}

static void running_changed(void *opaque, bool running, RunState state)
{
    net_set_running(running);
}

bool make_netdevs(const VMConfig *cfg, MachineState *m, Error **errp)
{
    static VMChangeListener listener = { .prio = VM_PRIO_DEVICE,
                                         .fn = running_changed };

    vm_change_add(&listener);
    pending = g_ptr_array_new_with_free_func(pending_free);
    return add_list(&cfg->netdevs, add_netdev, errp) &&
           add_list(&cfg->nics, add_nic, errp) &&
           add_list(&cfg->nets, add_legacy, errp) && add_default(m, errp);
}

/* ---- cards --------------------------------------------------------------- */

static const DeviceInfo *find_model(const char *model, Error **errp)
{
    static const char *const absent[] = {
        "e1000e", "i82551", "i82557b", "i82559er", "vmxnet3", "tulip", NULL
    };
    const DeviceInfo *info;

    if (!strcmp(model, "virtio")) {
        model = "virtio-net-pci";
    }
    info = device_info_find(model);
    if (g_strv_contains(absent, model)) {
        error_setg(errp, "NIC model '%s' is not supported", model);
        return NULL;
    }
    if (!info || info->category != DEVICE_CATEGORY_NETWORK || info->abstract) {
        error_setg(errp, "Unsupported NIC model: %s", model);
        return NULL;
    }
    return info;
}

static void print_model(const ObjectType *t, void *opaque)
{
    const DeviceInfo *info = device_info_of_type(t);

    if (info && info->category == DEVICE_CATEGORY_NETWORK && !info->abstract &&
        !info->internal) {
        printf("%s\n", info->name);
    }
}

bool nic_help(const VMConfig *cfg)
{
    const ConfigList *lists[] = { &cfg->nics, &cfg->nets };

    for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            const QObject *o = lists[k]->items[i]->opts;

            if (!g_strcmp0(qdict_get_str(o, "model"), "help")) {
                printf("Supported NIC models:\n");
                object_type_foreach(print_model, NULL);
                return true;
            }
        }
    }
    return false;
}

static bool make_nic(const MachineState *m, const PendingNic *p, Error **errp)
{
    const char *model = p->model ? p->model : m->info->default_nic;
    const DeviceInfo *info;
    DeviceState *dev;
    BusState *bus;
    bool exists;

    if (!model) {
        error_setg(errp, "machine '%s' has no network card",
                   m->info->name);
        return false;
    }
    info = find_model(model, errp);
    bus = info ? bus_first_free(info->bus, &exists) : NULL;
    if (info && !bus) {
        error_setg(errp, "No '%s' bus found for device '%s'%s", info->bus,
                   info->name, exists ? ": all are full" : "");
    }
    if (!bus) {
        return false;
    }
    dev = device_new(info->name);
    if (!object_set_str(&dev->obj, "netdev", p->netdev, errp) ||
        (p->mac && !object_set_str(&dev->obj, "mac", p->mac, errp)) ||
        (p->addr && !object_set_str(&dev->obj, "addr", p->addr, errp)) ||
        (p->vectors >= 0 &&
         !object_set_int(&dev->obj, "vectors", p->vectors, errp))) {
        object_free(&dev->obj);
        return false;
    }
    return device_realize(dev, bus, errp);
}

bool make_nics(MachineState *m, Error **errp)
{
    bool ok = true;

    for (guint i = 0; ok && i < pending->len; i++) {
        const PendingNic *p = pending->pdata[i];

        ok = make_nic(m, p, errp);
        if (!ok) {
            error_prepend(errp, "%s: ", p->loc);
        }
    }
    g_ptr_array_free(pending, TRUE);
    pending = NULL;
    return ok;
}
