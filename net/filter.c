/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all filters share: which cable, which direction, where in the list. */
#include "osdep.h"
#include "filter.h"
#include "util/module.h"

static const char *const queue_names[] = { "all", "rx", "tx", NULL };

static const PropertyInfo prop_filter_queue = {
    .name = "NetFilterDirection", .values = queue_names,
    .set = prop_enum_set, .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

static const Property filter_props[] = {
    PROP_STR("netdev", NetFilter, netdev),
    PROP_ENUM("queue", NetFilter, queue, int, prop_filter_queue,
              NET_FILTER_ALL),
    PROP_STR("position", NetFilter, position),
    PROP_STR("insert", NetFilter, insert),
    PROP_END(),
};

static QObject *status_get(Object *obj, const char *name, void *opaque,
                           Error **errp)
{
    return qstring_new(((NetFilter *)obj)->on ? "on" : "off");
}

static bool status_set(Object *obj, const char *name, QObject *value,
                       void *opaque, Error **errp)
{
    NetFilter *f = (NetFilter *)obj;
    const char *v = qobject_type(value) == QTYPE_STRING ? qstring_get(value)
                                                        : "";
    bool on = !strcmp(v, "on");

    if (!on && strcmp(v, "off") != 0) {
        error_setg(errp, "Invalid value for netfilter status, should be 'on' "
                         "or 'off'");
        return false;
    }
    if (f->on == on) {
        return true;
    }
    f->on = on;
    if (!on && f->nc && f->release) {
        f->release(f);
    }
    return true;
}

/* The list node in front of which @f goes. */
static ListNode *find_place(NetFilter *f, NetClient *nc, Error **errp)
{
    const char *pos = f->position ? f->position : "tail";
    const char *insert = f->insert ? f->insert : "behind";
    NetFilter *other;

    if (strcmp(insert, "before") != 0 && strcmp(insert, "behind") != 0) {
        error_setg(errp, "Invalid value for netfilter insert, should be "
                         "'before' or 'behind'");
        return NULL;
    }
    if (!strcmp(pos, "head")) {
        return nc->filters.next;
    }
    if (!strcmp(pos, "tail")) {
        return &nc->filters;
    }
    if (!g_str_has_prefix(pos, "id=")) {
        error_setg(errp, "position must be 'head', 'tail' or 'id=<id>'");
        return NULL;
    }
    list_foreach(other, &nc->filters, node) {
        if (!g_strcmp0(other->obj.name, pos + 3)) {
            return !strcmp(insert, "before") ? &other->node : other->node.next;
        }
    }
    error_setg(errp, "filter '%s' not found on netdev '%s'", pos + 3,
               f->netdev);
    return NULL;
}

bool net_filter_attach(NetFilter *f, Error **errp)
{
    NetClient *ncs[2];
    unsigned n = f->netdev ? net_find(f->netdev, false, ncs, 2) : 0;
    ListNode *place;

    if (!f->netdev) {
        error_setg(errp, "Parameter 'netdev' is required");
        return false;
    }
    if (n == 0) {
        error_setg(errp, "Parameter 'netdev' expects a network backend id, "
                         "not '%s'", f->netdev);
        return false;
    }
    if (n > 1) {
        error_setg(errp, "netdev '%s' has several queues: filters see only "
                         "one", f->netdev);
        return false;
    }
    place = find_place(f, ncs[0], errp);
    if (!place) {
        return false;
    }
    f->nc = ncs[0];
    list_append(place, &f->node); /* before @place */
    return true;
}

void net_filter_detach(NetFilter *f)
{
    if (f->nc) {
        if (f->release) {
            f->release(f);
        }
        list_remove(&f->node);
        f->nc = NULL;
    }
}

static void filter_init(Object *obj)
{
    ((NetFilter *)obj)->on = true;
}

static const ObjectType filter_type = {
    .name = FILTER_TYPE, .abstract = true, .size = sizeof(NetFilter),
    .props = filter_props, .init = filter_init,
};

static void filter_register(void)
{
    object_type_register(&filter_type);
    object_type_add_dyn_prop(FILTER_TYPE, "status", "string", status_get,
                             status_set, NULL);
}
object_init(filter_register)
