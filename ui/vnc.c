/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC servers: options, addresses, accepting, passwords and who may share.
 * docs/vnc.md.  Main thread with the BQL, but for vnc_server_check().
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "qapi/qapi-events.h"
#include "ui/vnc.h"
#include "util/option.h"
#include "util/secret.h"
#include "util/tls.h"
#include "vnc-int.h"
#include "vnc-listen.h"
#include <rfb/rfb.h>
#include <sys/socket.h>

#define MAX_CLIENTS 128

ListNode vnc_servers = LIST_INIT(vnc_servers);

/* ---- passwords ----------------------------------------------------------- */

const char *vnc_server_check(VncServer *s, const uint8_t *challenge,
                             const uint8_t *response)
{
    g_autofree char *password = NULL;
    uint8_t want[16], diff = 0;
    bool expired;

    mutex_lock(&s->lock);
    password = g_strdup(s->password);
    expired = s->expires != INT64_MAX &&
              g_get_real_time() / G_USEC_PER_SEC >= s->expires;
    mutex_unlock(&s->lock);
    if (!password) {
        return "No password is set";
    }
    memcpy(want, challenge, 16);
    rfbEncryptBytes(want, password);
    for (int i = 0; i < 16; i++) {
        diff |= want[i] ^ response[i];
    }
    /* Only who knows the password learns that it has expired. */
    return diff      ? "Authentication failed"
           : expired ? "The password has expired"
                     : NULL;
}

bool vnc_server_set_password(VncServer *s, const char *password)
{
    LOCK_GUARD(&s->lock);
    if (!s->password_on) {
        return false;
    }
    g_free(s->password);
    /* An empty one lets nobody in. */
    s->password = *password ? g_strdup(password) : NULL;
    return true;
}

void vnc_server_set_expiry(VncServer *s, int64_t when)
{
    LOCK_GUARD(&s->lock);
    s->expires = when;
}

/* ---- clients ------------------------------------------------------------- */

Console *vnc_server_console(VncServer *s)
{
    return s->display ? console_find(s->display, s->head, NULL)
                      : console_default();
}

const char *vnc_server_auth_name(const VncServer *s)
{
    switch (s->auth) {
    case VNC_AUTH_NONE_:
        return "none";
    case VNC_AUTH_VNC_:
        return "vnc";
    case VNC_AUTH_SASL_:
        return "sasl";
    case VNC_AUTH_VENCRYPT_:
        break;
    }
    switch (s->sub_auth) {
    case VNC_AUTH_VNC_:
        return s->x509 ? "vencrypt+x509+vnc" : "vencrypt+tls+vnc";
    case VNC_AUTH_SASL_:
        return s->x509 ? "vencrypt+x509+sasl" : "vencrypt+tls+sasl";
    default:
        return s->x509 ? "vencrypt+x509+none" : "vencrypt+tls+none";
    }
}

/* Clients whose user is not known yet: the oldest goes when there are too
 * many, so that nobody can lock others out by connecting. */
static void limit_handshakes(VncServer *s)
{
    VncClient *c, *oldest = NULL;
    unsigned n = 0;

    list_foreach(c, &s->clients, node) {
        if (c->state != VNC_READY) {
            oldest = oldest ? oldest : c;
            n++;
        }
    }
    if (n > s->connections) {
        vnc_client_drop(oldest);
    }
}

static unsigned count_clients(void)
{
    VncServer *s;
    VncClient *c;
    unsigned n = 0;

    list_foreach(s, &vnc_servers, node) {
        list_foreach(c, &s->clients, node) {
            n++;
        }
    }
    return n;
}

/* Takes @fd. */
VncClient *vnc_server_add(VncServer *s, int fd, const VncListener *l,
                          bool skip_auth)
{
    VncBasicInfo *peer, *b;
    VncServerInfo *local;
    VncClient *c;

    if (count_clients() >= MAX_CLIENTS) {
        warn_report("VNC: a client was turned away, %d are there already",
                    MAX_CLIENTS);
        close(fd);
        return NULL;
    }
    peer = vnc_address_info(fd, true, l && l->websocket);
    b = l ? vnc_info_copy(l->info) : vnc_address_info(fd, false, false);
    local = g_new0(VncServerInfo, 1);
    local->host = g_steal_pointer(&b->host);
    local->service = g_steal_pointer(&b->service);
    local->family = b->family;
    local->websocket = b->websocket;
    local->auth = g_strdup(vnc_server_auth_name(s));
    qapi_free_VncBasicInfo(b);
    c = vnc_client_new(s, fd, peer, local, skip_auth);
    if (!c) {
        return NULL;
    }
    limit_handshakes(s);
    return c;
}

static void accept_client(void *opaque)
{
    VncListener *l = opaque;
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        vnc_server_add(l->server, fd, l, false);
    }
}

/* It is a VNC client, not a browser that fetches a page. */
void vnc_server_opened(VncClient *c)
{
    c->state = VNC_HELLO;
    c->peer->websocket = c->websocket;
    qapi_event_send_vnc_connected(c->local, c->peer);
}

static void admit(VncClient *c)
{
    vnc_cut_join(c);
    vnc_client_admit(c);
}

/* ClientInit came: RFC 6143, 7.3.1, and share=. */
void vnc_server_initialized(VncClient *c)
{
    VncServer *s = c->server;
    VncClientInfo *info = vnc_client_info(c);
    VncClient *other;
    bool shared;

    mutex_lock(&c->lock);
    shared = c->shared;
    mutex_unlock(&c->lock);
    c->state = VNC_READY;
    qapi_event_send_vnc_initialized(c->local, info);
    qapi_free_VncClientInfo(info);
    if (s->share == VNC_SHARE_FORCE_SHARED && !shared) {
        vnc_client_drop(c);
        return;
    }
    if (s->share != VNC_SHARE_ALLOW_EXCLUSIVE) {
        admit(c);
        return;
    }
    list_foreach(other, &s->clients, node) {
        if (other == c || other->state != VNC_READY) {
            continue;
        }
        if (!shared) {
            vnc_client_drop(other);
        } else if (other->exclusive) {
            vnc_client_drop(c);
            return;
        }
    }
    c->exclusive = !shared;
    admit(c);
}

void vnc_server_gone(VncClient *c)
{
    if (c->state != VNC_DOOR) {
        VncClientInfo *info = vnc_client_info(c);

        qapi_event_send_vnc_disconnected(c->local, info);
        qapi_free_VncClientInfo(info);
    }
    vnc_client_free(c);
}

void vnc_server_power(VncClient *c, int code)
{
    enum { SHUTDOWN = 2, REBOOT = 3, RESET = 4 }; /* xvp's numbers */

    if (!c->server->power_control) {
        return;
    }
    switch (code) {
    case SHUTDOWN:
        system_powerdown_request();
        break;
    case REBOOT:
    case RESET:
        system_reset_request(SHUTDOWN_CAUSE_HOST_UI);
        break;
    }
}

/* LEDs, the kind of pointer: clients are told. */
static void input_changed(void *opaque)
{
    VncServer *s;
    VncClient *c;

    list_foreach(s, &vnc_servers, node) {
        list_foreach(c, &s->clients, node) {
            vnc_client_tell(c);
        }
    }
}

/* Clients without a screen get one when there is one. */
static void consoles_changed(void *opaque)
{
    VncServer *s;
    VncClient *c;

    list_foreach(s, &vnc_servers, node) {
        list_foreach(c, &s->clients, node) {
            Console *con = vnc_server_console(s);

            if (!vnc_view_console(&c->look) && con) {
                vnc_client_show(c, con);
            }
        }
    }
}

/* ---- life ---------------------------------------------------------------- */

void vnc_server_watch(VncServer *s, VncListener *l)
{
    l->server = s;
    list_append(&s->listeners, &l->node);
    loop_set_fd(loop_main(), l->fd, accept_client, NULL, l);
}

void vnc_server_close(VncServer *s)
{
    VncListener *l, *next;

    list_foreach_safe(l, next, &s->listeners, node) {
        loop_set_fd(loop_main(), l->fd, NULL, NULL, NULL);
        list_remove(&l->node);
        vnc_listener_free(l);
    }
}

static void server_free(VncServer *s)
{
    VncClient *c, *next;

    vnc_server_close(s);
    list_foreach(c, &s->clients, node) {
        vnc_client_drop(c);
    }
    list_foreach_safe(c, next, &s->clients, node) {
        vnc_client_free(c);
    }
    if (list_linked(&s->node)) {
        list_remove(&s->node);
    }
#ifdef CONFIG_GNUTLS
    tls_creds_release(s->creds);
#endif
    g_free(s->id);
    g_free(s->display);
    g_free(s->password);
    g_free(s->tls_authz);
    g_free(s->sasl_authz);
    g_free(s->name);
    mutex_destroy(&s->lock);
    g_free(s);
}

void vnc_cleanup(void)
{
    VncServer *s, *next;

    list_foreach_safe(s, next, &vnc_servers, node) {
        server_free(s);
    }
}

VncServer *vnc_server_find(const char *id)
{
    VncServer *s;

    list_foreach(s, &vnc_servers, node) {
        if (!id || !strcmp(s->id, id)) {
            return s;
        }
    }
    return NULL;
}

/* ---- options ------------------------------------------------------------- */

static const char *const known_opts[] = {
    "vnc", "id", "websocket", "tls-creds", "share", "display", "head", "sasl",
    "connections", "to", "ipv4", "ipv6", "password", "password-secret",
    "reverse", "lock-key-sync", "key-delay-ms", "tls-authz", "sasl-authz",
    "lossy", "non-adaptive", "audiodev", "power-control", "web", NULL
};

static bool take_password(VncServer *s, QObject *o, Error **errp)
{
    g_autofree char *secret = NULL;

    if (!opts_take_bool(o, "password", &s->password_on, errp) ||
        !opts_take_str(o, "password-secret", &secret, errp)) {
        return false;
    }
    if (secret) {
        s->password = secret_get_text(secret, errp);
        s->password_on = true;
        return s->password != NULL;
    }
    return true;
}

/* What is known and not here: refused by name. */
static bool refuse(QObject *o, Error **errp)
{
    static const char *const absent[][2] = {
#ifndef CONFIG_SASL
        { "sasl", "this build has no SASL" },
#endif
#ifndef CONFIG_GNUTLS
        { "tls-creds", "this build has no GnuTLS" },
        { "tls-authz", "this build has no GnuTLS" },
#endif
        { NULL, NULL }
    };

    for (size_t i = 0; absent[i][0]; i++) {
        const char *v = qdict_get_str(o, absent[i][0]);

        if (v && strcmp(v, "off")) {
            error_setg(errp, "option '%s': %s", absent[i][0], absent[i][1]);
            return false;
        }
        qdict_del(o, absent[i][0]);
    }
    return true;
}

/* Who may come in: None, a password or SASL, and that under TLS. */
static bool take_auth(VncServer *s, QObject *o, Error **errp)
{
    g_autofree char *creds = NULL;
    bool sasl = false;

    if (!opts_take_bool(o, "sasl", &sasl, errp) ||
        !opts_take_str(o, "tls-creds", &creds, errp) ||
        !opts_take_str(o, "tls-authz", &s->tls_authz, errp) ||
        !opts_take_str(o, "sasl-authz", &s->sasl_authz, errp) ||
        !take_password(s, o, errp)) {
        return false;
    }
    if (sasl && s->password_on) {
        error_setg(errp, "'sasl' and 'password' cannot be used together");
        return false;
    }
    s->auth = s->sub_auth = sasl             ? VNC_AUTH_SASL_
                            : s->password_on ? VNC_AUTH_VNC_
                                             : VNC_AUTH_NONE_;
#ifdef CONFIG_GNUTLS
    if (creds) {
        s->creds = tls_creds_hold(creds, true, errp);
        if (!s->creds) {
            return false;
        }
        s->x509 = tls_creds_are_x509(s->creds);
        s->auth = VNC_AUTH_VENCRYPT_;
    }
    if (s->tls_authz && (!creds || !tls_creds_have_names(s->creds))) {
        error_setg(errp, "'tls-authz' needs tls-creds of type tls-creds-x509 "
                         "with verify-peer=on");
        return false;
    }
#endif
    if (s->sasl_authz && !sasl) {
        error_setg(errp, "'sasl-authz' needs sasl=on");
        return false;
    }
    return true;
}

static bool take_options(VncServer *s, QObject *o, VncAddress *a, Error **errp)
{
    static const char *const shares[] = { "allow-exclusive", "force-shared",
                                          "ignore", NULL };
    uint64_t connections = 32, delay = 10, head = 0;
    int share = VNC_SHARE_ALLOW_EXCLUSIVE;
    bool non_adaptive = false;

    if (!opts_take_str(o, "id", &s->id, errp) ||
        !opts_take_enum(o, "share", shares, &share, errp) ||
        !opts_take_str(o, "display", &s->display, errp) ||
        !opts_take_u64(o, "head", &head, errp) ||
        !opts_take_u64(o, "connections", &connections, errp) ||
        !opts_take_u64(o, "key-delay-ms", &delay, errp) ||
        !opts_take_bool(o, "lock-key-sync", &s->lock_key_sync, errp) ||
        !opts_take_bool(o, "lossy", &s->lossy, errp) ||
        !opts_take_bool(o, "non-adaptive", &non_adaptive, errp) ||
        !opts_take_bool(o, "power-control", &s->power_control, errp) ||
        !opts_take_bool(o, "reverse", &s->reverse, errp) ||
        !opts_take_bool(o, "web", &s->web, errp) ||
        !take_auth(s, o, errp) || !vnc_address_take(a, o, errp)) {
        return false;
    }
    s->share = share;
    s->connections = CLAMP(connections, 1, MAX_CLIENTS);
    s->key_delay = MIN(delay, 10000);
    s->head = MIN(head, UINT_MAX);
    if (s->head && !s->display) {
        error_setg(errp, "'head' must be specified together with 'display'");
        return false;
    }
    return true;
}

/* audiodev=: the "none" driver plays nothing to VNC clients either. */
static bool take_audiodev(QObject *o, bool (*known)(const char *id),
                          Error **errp)
{
    g_autofree char *id = NULL;

    if (!opts_take_str(o, "audiodev", &id, errp)) {
        return false;
    }
    if (id && (!known || !known(id))) {
        error_setg(errp, "Audiodev '%s' not found", id);
        return false;
    }
    return true;
}

static void announce(const VncServer *s)
{
    const VncListener *l;

    list_foreach(l, &s->listeners, node) {
        if (l->info->family == NETWORK_ADDRESS_FAMILY_IPV4) {
            printf("VNC server running on %s:%s\n", l->info->host,
                   l->info->service);
        } else if (l->info->family == NETWORK_ADDRESS_FAMILY_IPV6) {
            printf("VNC server running on [%s]:%s\n", l->info->host,
                   l->info->service);
        }
        fflush(stdout);
    }
}

static bool start(VncServer *s, QObject *o, const char *first,
                  bool (*audiodev)(const char *), Error **errp)
{
    VncAddress a = { .text = first };
    bool ok = refuse(o, errp) && take_audiodev(o, audiodev, errp) &&
              take_options(s, o, &a, errp) && opts_done(o, known_opts, errp);

    if (ok && !s->id) {
        s->id = vnc_server_find(NULL) ? NULL : g_strdup("default");
        for (int i = 2; !s->id; i++) {
            s->id = g_strdup_printf("vnc%d", i);
            if (vnc_server_find(s->id)) {
                g_clear_pointer(&s->id, g_free);
            }
        }
    } else if (ok && vnc_server_find(s->id)) {
        error_setg(errp, "Duplicate ID '%s' for vnc", s->id);
        ok = false;
    }
    if (ok && s->display &&
        !console_find(s->display, s->head, errp)) {
        ok = false;
    }
    ok = ok && vnc_address_open(s, &a, errp);
    vnc_address_clear(&a);
    return ok;
}

bool vnc_start(const char *text, const char *vm_name, bool say,
               bool (*audiodev)(const char *id), Error **errp)
{
    g_autoptr(QObject) o = keyval_parse(text, "vnc", NULL, errp);
    g_autofree char *first = NULL;
    VncServer *s;

    if (!o) {
        return false;
    }
    first = g_strdup(qdict_get_str(o, "vnc"));
    qdict_del(o, "vnc");
    if (!first) {
        error_setg(errp, "an address is missing, such as ':0' or 'none'");
        return false;
    }
    s = g_new0(VncServer, 1);
    list_init(&s->listeners);
    list_init(&s->clients);
    mutex_init(&s->lock);
    s->lock_key_sync = true;
    s->expires = INT64_MAX;
    s->name = vm_name ? g_strdup_printf("QEMU (%s)", vm_name)
                      : g_strdup("QEMU");
    if (!start(s, o, first, audiodev, errp)) {
        server_free(s);
        return false;
    }
    if (list_empty(&vnc_servers)) {
        input_on_change(input_changed, NULL);
        console_on_change(consoles_changed, NULL);
    }
    list_append(&vnc_servers, &s->node);
    if (say) {
        announce(s);
    }
    return true;
}

bool vnc_set_layout(const char *name, Error **errp)
{
    keymap_of_user = keymap_get(name, errp);
    return keymap_of_user != NULL;
}
