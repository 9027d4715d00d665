/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Monitor commands about VNC servers and displays. */
#include "osdep.h"
#include "qapi/qapi-commands.h"
#include "ui/vnc.h"
#include "util/fdset.h"
#include "util/option.h"
#include "util/tls.h"
#include "vnc-listen.h"
#include <sys/socket.h>

static VncClientInfoList *list_clients(VncServer *s)
{
    VncClientInfoList *list = NULL, **tail = &list;
    VncClient *c;

    list_foreach(c, &s->clients, node) {
        if (c->state == VNC_DOOR) {
            continue;
        }
        QAPI_LIST_APPEND(tail, vnc_client_info(c));
    }
    return list;
}

VncInfo *qmp_query_vnc(Error **errp)
{
    VncInfo *info = g_new0(VncInfo, 1);
    VncServer *s = vnc_server_find(NULL);
    VncListener *l;

    if (!s || (list_empty(&s->listeners) && list_empty(&s->clients))) {
        return info;
    }
    info->enabled = true;
    info->has_clients = true;
    info->clients = list_clients(s);
    if (list_empty(&s->listeners)) {
        return info;
    }
    l = list_first(&s->listeners, VncListener, node);
    info->host = g_strdup(l->info->host);
    info->service = g_strdup(l->info->service);
    info->has_family = true;
    info->family = l->info->family;
    info->auth = g_strdup(vnc_server_auth_name(s));
    return info;
}

static VncPrimaryAuth auth_of(const VncServer *s)
{
    switch (s->auth) {
    case VNC_AUTH_VNC_:
        return VNC_PRIMARY_AUTH_VNC;
    case VNC_AUTH_SASL_:
        return VNC_PRIMARY_AUTH_SASL;
    case VNC_AUTH_VENCRYPT_:
        return VNC_PRIMARY_AUTH_VENCRYPT;
    default:
        return VNC_PRIMARY_AUTH_NONE;
    }
}

static VncVencryptSubAuth sub_auth_of(const VncServer *s)
{
    switch (s->sub_auth) {
    case VNC_AUTH_VNC_:
        return s->x509 ? VNC_VENCRYPT_SUB_AUTH_X509_VNC
                       : VNC_VENCRYPT_SUB_AUTH_TLS_VNC;
    case VNC_AUTH_SASL_:
        return s->x509 ? VNC_VENCRYPT_SUB_AUTH_X509_SASL
                       : VNC_VENCRYPT_SUB_AUTH_TLS_SASL;
    default:
        return s->x509 ? VNC_VENCRYPT_SUB_AUTH_X509_NONE
                       : VNC_VENCRYPT_SUB_AUTH_TLS_NONE;
    }
}

static VncServerInfo2 *describe_listener(const VncServer *s,
                                         const VncListener *l)
{
    VncServerInfo2 *i = g_new0(VncServerInfo2, 1);

    i->host = g_strdup(l->info->host);
    i->service = g_strdup(l->info->service);
    i->family = l->info->family;
    i->websocket = l->websocket;
    i->auth = auth_of(s);
    i->has_vencrypt = s->auth == VNC_AUTH_VENCRYPT_;
    i->vencrypt = sub_auth_of(s);
    return i;
}

VncInfo2List *qmp_query_vnc_servers(Error **errp)
{
    VncInfo2List *list = NULL, **tail = &list;
    VncServer *s;
    VncListener *l;

    list_foreach(s, &vnc_servers, node) {
        VncInfo2 *i = g_new0(VncInfo2, 1);

        i->id = g_strdup(s->id);
        i->clients = list_clients(s);
        i->auth = auth_of(s);
        i->has_vencrypt = s->auth == VNC_AUTH_VENCRYPT_;
        i->vencrypt = sub_auth_of(s);
        i->display = g_strdup(s->display);
        list_foreach(l, &s->listeners, node) { /* the last one first */
            QAPI_LIST_PREPEND(i->server, describe_listener(s, l));
        }
        QAPI_LIST_APPEND(tail, i);
    }
    return list;
}

/* ---- passwords ----------------------------------------------------------- */

static bool is_vnc(DisplayProtocol p, Error **errp)
{
    if (p != DISPLAY_PROTOCOL_VNC) {
        error_setg(errp, "spice is not in use");
        return false;
    }
    return true;
}

static bool set_password(const char *id, const char *password, Error **errp)
{
    VncServer *s = vnc_server_find(id);

    if (!s || !vnc_server_set_password(s, password)) {
        error_setg(errp, "Could not set password");
        error_append_hint(errp, "The VNC server must have been started with "
                          "password=on.\n");
        return false;
    }
    return true;
}

void qmp_change_vnc_password(const char *password, Error **errp)
{
    set_password(NULL, password, errp);
}

void qmp_set_password(SetPasswordOptions *o, Error **errp)
{
    if (!is_vnc(o->protocol, errp)) {
        return;
    }
    if (o->has_connected && o->connected != SET_PASSWORD_ACTION_KEEP) {
        error_setg(errp, "parameter 'connected' must be 'keep' when 'protocol' "
                   "is 'vnc'");
        return;
    }
    set_password(o->u.vnc.display, o->password, errp);
}

static bool parse_when(const char *text, int64_t *when, Error **errp)
{
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    bool relative = *text == '+';
    uint64_t n;

    if (!strcmp(text, "now")) {
        *when = 0;
        return true;
    }
    if (!strcmp(text, "never")) {
        *when = INT64_MAX;
        return true;
    }
    if (!parse_uint64("time", text + relative, &n, NULL) || n > INT64_MAX / 2) {
        error_setg(errp, "Parameter 'time' expects 'now', 'never', '+SECONDS' "
                   "or seconds since 1970");
        return false;
    }
    *when = n + (relative ? now : 0);
    return true;
}

void qmp_expire_password(ExpirePasswordOptions *o, Error **errp)
{
    VncServer *s;
    int64_t when;

    if (!is_vnc(o->protocol, errp) || !parse_when(o->time, &when, errp)) {
        return;
    }
    s = vnc_server_find(o->u.vnc.display);
    if (!s) {
        error_setg(errp, "Could not set password expire time");
        return;
    }
    vnc_server_set_expiry(s, when);
}

/* ---- displays ------------------------------------------------------------ */

void qmp_add_client(const char *protocol, const char *fdname, bool has_skipauth,
                    bool skipauth, bool has_tls, bool tls, Error **errp)
{
    int fd, type;
    socklen_t len = sizeof(type);
    VncServer *s;

    if (strcmp(protocol, "vnc")) {
        error_setg(errp, "protocol '%s': 'vnc' is what can be handed a client",
                   protocol);
        return;
    }
    fd = fd_name_take(fdname);
    if (fd < 0) {
        error_setg(errp, "File descriptor named '%s' has not been found",
                   fdname);
        return;
    }
    s = vnc_server_find(NULL);
    if (!s) {
        error_setg(errp, "there is no VNC server");
        close(fd);
    } else if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
               type != SOCK_STREAM) {
        error_setg(errp, "'%s' is not a stream socket", fdname);
        close(fd);
    } else {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        vnc_server_add(s, fd, NULL, has_skipauth && skipauth);
    }
}

void qmp_display_reload(DisplayReloadOptions *o, Error **errp)
{
    VncServer *s = vnc_server_find(NULL);

    if (!o->u.vnc.has_tls_certs || !o->u.vnc.tls_certs) {
        return;
    }
#ifdef CONFIG_GNUTLS
    if (s && s->creds) {
        tls_creds_reload(s->creds, errp);
        return;
    }
#endif
    error_setg(errp, s ? "vnc tls is not enabled" : "there is no VNC server");
}

void qmp_display_update(DisplayUpdateOptions *o, Error **errp)
{
    VncServer *s = vnc_server_find(NULL);

    if (!s) {
        error_setg(errp, "there is no VNC server");
    } else if (o->u.vnc.has_addresses) {
        vnc_address_replace(s, o->u.vnc.addresses, errp);
    }
}

DisplayOptions *qmp_query_display_options(Error **errp)
{
    DisplayOptions *o = g_new0(DisplayOptions, 1);

    o->type = DISPLAY_TYPE_NONE; /* windows are never ours */
    return o;
}
