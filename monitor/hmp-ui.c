/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands about screens, keys and pointers. */
#include "osdep.h"
#include "hmp-int.h"
#include "qapi/qapi-commands.h"
#include "ui/input.h"

/* "0x1d" or "29" is a scan code, "<" stands for "less". */
static bool parse_key(const char *word, KeyValue *v)
{
    char *end;

    if (g_str_has_prefix(word, "0x")) {
        v->type = KEY_VALUE_KIND_NUMBER;
        v->u.number.data = g_ascii_strtoull(word, &end, 16);
        return !*end && v->u.number.data > 0 && v->u.number.data <= 0xff;
    }
    v->type = KEY_VALUE_KIND_QCODE;
    return QKeyCode_parse("keys", strcmp(word, "<") ? word : "less",
                          &v->u.qcode.data, NULL);
}

void hmp_sendkey(Hmp *mon, const QObject *args, Error **errp)
{
    const char *text = qdict_get_str(args, "keys");
    g_auto(GStrv) words = g_strsplit(text, "-", -1);
    g_autoptr(KeyValueList) list = NULL;
    KeyValueList **tail = &list;

    for (int i = 0; words[i]; i++) {
        KeyValue *v = g_new0(KeyValue, 1);

        QAPI_LIST_APPEND(tail, v);
        if (!parse_key(words[i], v)) {
            hmp_printf(mon, "invalid parameter: %s\n", words[i]);
            return;
        }
    }
    qmp_send_key(list, qdict_has(args, "hold"), qdict_get_int(args, "hold", 0),
                 errp);
}

void hmp_mouse_move(Hmp *mon, const QObject *args, Error **errp)
{
    int64_t dz = qdict_get_int(args, "dz", 0);
    InputButton wheel = dz < 0 ? INPUT_BUTTON_WHEEL_UP
                               : INPUT_BUTTON_WHEEL_DOWN;

    input_send_rel(NULL, INPUT_AXIS_X, qdict_get_int(args, "dx", 0));
    input_send_rel(NULL, INPUT_AXIS_Y, qdict_get_int(args, "dy", 0));
    if (dz) {
        input_send_button(NULL, wheel, true);
        input_sync(NULL);
        input_send_button(NULL, wheel, false);
    }
    input_sync(NULL);
}

void hmp_mouse_button(Hmp *mon, const QObject *args, Error **errp)
{
    static unsigned last; /* what this command pressed and not released */
    unsigned state = qdict_get_int(args, "state", 0);

    /* 1 left, 2 middle, 4 right: the order of InputButton. */
    input_send_buttons(NULL, &last, state & 7);
    input_sync(NULL);
}

void hmp_mouse_set(Hmp *mon, const QObject *args, Error **errp)
{
    int64_t index = qdict_get_int(args, "index", 0);

    if (!input_choose_mouse(index)) {
        hmp_printf(mon, "Mouse at index '%" PRId64 "' not found\n", index);
    }
}

void hmp_info_mice(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(MouseInfoList) list = qmp_query_mice(NULL);

    if (!list) {
        hmp_printf(mon, "No mouse devices connected\n");
    }
    for (MouseInfoList *m = list; m; m = m->next) {
        hmp_printf(mon, "%c Mouse #%" PRId64 ": %s%s\n",
                   m->value->current ? '*' : ' ', m->value->index,
                   m->value->name, m->value->absolute ? " (absolute)" : "");
    }
}

/* FILE [-f FORMAT] [DEVICE [HEAD]] */
void hmp_screendump(Hmp *mon, const QObject *args, Error **errp)
{
    const char *rest = qdict_get_str(args, "rest");
    g_auto(GStrv) words = g_strsplit_set(rest ? rest : "", " \t", -1);
    const char *device = NULL, *head = NULL;
    ImageFormat format = IMAGE_FORMAT_PPM;

    for (int i = 0; words[i]; i++) {
        if (!*words[i]) {
            continue;
        }
        if (!strcmp(words[i], "-f") && words[i + 1]) {
            if (!ImageFormat_parse("format", words[++i], &format, errp)) {
                return;
            }
        } else if (!device) {
            device = words[i];
        } else {
            head = words[i];
        }
    }
    qmp_screendump(qdict_get_str(args, "filename"), device, head != NULL,
                   head ? g_ascii_strtoll(head, NULL, 0) : 0, true, format,
                   errp);
}

/* ---- VNC ---- */

void hmp_input_text(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_input_send_text(qdict_get_str(args, "text"), false, 0, errp);
}

void hmp_set_password(Hmp *mon, const QObject *args, Error **errp)
{
    const char *connected = qdict_get_str(args, "connected");
    SetPasswordOptions o = {
        .password = (char *)qdict_get_str(args, "password"),
        .has_connected = connected != NULL,
    };

    if (DisplayProtocol_parse("protocol", qdict_get_str(args, "protocol"),
                              &o.protocol, errp) &&
        (!connected || SetPasswordAction_parse("connected", connected,
                                               &o.connected, errp))) {
        qmp_set_password(&o, errp);
    }
}

void hmp_expire_password(Hmp *mon, const QObject *args, Error **errp)
{
    ExpirePasswordOptions o = { .time = (char *)qdict_get_str(args, "time") };

    if (DisplayProtocol_parse("protocol", qdict_get_str(args, "protocol"),
                              &o.protocol, errp)) {
        qmp_expire_password(&o, errp);
    }
}

static void print_address(Hmp *mon, const char *what, const char *host,
                          const char *service, NetworkAddressFamily family,
                          bool websocket)
{
    hmp_printf(mon, "  %s: %s:%s (%s%s)\n", what, host, service,
               NetworkAddressFamily_str(family),
               websocket ? " (Websocket)" : "");
}

void hmp_info_vnc(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(VncInfo2List) list = qmp_query_vnc_servers(errp);

    if (!list) {
        hmp_printf(mon, "None\n");
    }
    for (VncInfo2List *l = list; l; l = l->next) {
        const VncInfo2 *i = l->value;

        hmp_printf(mon, "%s:\n", i->id);
        for (VncServerInfo2List *s = i->server; s; s = s->next) {
            print_address(mon, "Server", s->value->host, s->value->service,
                          s->value->family, s->value->websocket);
            hmp_printf(mon, "    Auth: %s (Sub: %s)\n",
                       VncPrimaryAuth_str(s->value->auth),
                       s->value->has_vencrypt
                           ? VncVencryptSubAuth_str(s->value->vencrypt)
                           : "none");
        }
        for (VncClientInfoList *c = i->clients; c; c = c->next) {
            print_address(mon, "Client", c->value->host, c->value->service,
                          c->value->family, c->value->websocket);
            hmp_printf(mon, "    x509_dname: %s\n    sasl_username: %s\n",
                       c->value->x509_dname ? c->value->x509_dname : "none",
                       c->value->sasl_username ? c->value->sasl_username
                                               : "none");
        }
        if (!i->server) {
            hmp_printf(mon, "  Auth: %s (Sub: %s)\n",
                       VncPrimaryAuth_str(i->auth),
                       i->has_vencrypt ? VncVencryptSubAuth_str(i->vencrypt)
                                       : "none");
        }
    }
}
