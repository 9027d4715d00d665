/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands about the network. */
#include "osdep.h"
#include "hmp-int.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"

void hmp_info_network(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    net_print(text);
    hmp_printf(mon, "%s", text->str);
}

void hmp_set_link(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_set_link(qdict_get_str(args, "name"), qdict_get_bool(args, "up", false),
                 errp);
}

void hmp_netdev_add(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(Netdev) opts = netdev_parse(qdict_get_str(args, "netdev"), NULL,
                                          errp);

    if (opts) {
        netdev_add(opts, errp);
    }
}

void hmp_netdev_del(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_netdev_del(qdict_get_str(args, "id"), errp);
}

void hmp_announce_self(Hmp *mon, const QObject *args, Error **errp)
{
    const char *list = qdict_get_str(args, "interfaces");
    const char *id = qdict_get_str(args, "id");
    g_autoptr(AnnounceParameters) p = g_new0(AnnounceParameters, 1);

    p->initial = 50;
    p->max = 550;
    p->rounds = 5;
    p->step = 100;
    p->id = g_strdup(id);
    if (list && *list) {
        g_auto(GStrv) names = g_strsplit(list, ",", -1);
        strList **tail = &p->interfaces;

        p->has_interfaces = true;
        for (int i = 0; names[i]; i++) {
            QAPI_LIST_APPEND(tail, g_strdup(names[i]));
        }
    }
    qmp_announce_self(p, errp);
}

void hmp_info_usernet(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    net_user_print(text);
    hmp_printf(mon, "%s", text->str);
}

/* "[netdev] rule" */
static void hostfwd(const QObject *args, bool add, Error **errp)
{
    const char *first = qdict_get_str(args, "arg1");
    const char *second = qdict_get_str(args, "arg2");

    net_user_hostfwd(second ? first : NULL, second ? second : first, add,
                     errp);
}

void hmp_hostfwd_add(Hmp *mon, const QObject *args, Error **errp)
{
    hostfwd(args, true, errp);
}

void hmp_hostfwd_remove(Hmp *mon, const QObject *args, Error **errp)
{
    Error *err = NULL;

    hostfwd(args, false, &err);
    if (!err) {
        const char *second = qdict_get_str(args, "arg2");

        hmp_printf(mon, "host forwarding rule for %s removed\n",
                   second ? second : qdict_get_str(args, "arg1"));
    }
    error_propagate(errp, err);
}
