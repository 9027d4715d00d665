/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS; include/util/tls.h.  File names in dir= are those QEMU documents:
 * ca-cert.pem, ca-crl.pem, {server,client}-{cert,key}.pem, keys.psk,
 * dh-params.pem.  GnuTLS manual, chapters 6 (credentials) and 7 (sessions).
 */
#include "osdep.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/property.h"
#include "util/secret.h"
#include "util/tls.h"
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

typedef enum { CREDS_X509, CREDS_PSK, CREDS_ANON } CredsKind;

/* What a session needs of the files; lives as long as its last user. */
typedef struct TlsData {
    gint refs;
    CredsKind kind;
    bool server;
    union {
        gnutls_certificate_credentials_t x509;
        gnutls_psk_server_credentials_t psk_server;
        gnutls_psk_client_credentials_t psk_client;
        gnutls_anon_server_credentials_t anon_server;
        gnutls_anon_client_credentials_t anon_client;
    };
} TlsData;

struct TlsCreds {
    Object obj;
    /* Properties. */
    char *dir, *priority, *passwordid, *username;
    int endpoint;
    bool verify, sanity;
    /* Made by complete, exchanged by reload. */
    TlsData *data;
};

struct TlsSession {
    TlsData *data;
    gnutls_session_t s;
    bool verify;
    bool unsent;       /* a write waits inside */
    char *hostname;
};

enum { ENDPOINT_CLIENT, ENDPOINT_SERVER };
static const char *const endpoints[] = { "client", "server", NULL };

static const PropertyInfo prop_endpoint = {
    .name = "QCryptoTLSCredsEndpoint", .values = endpoints,
    .set = prop_enum_set, .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

static bool fail(Error **errp, int ret, const char *what)
{
    error_setg(errp, "%s: %s", what, gnutls_strerror(ret));
    return false;
}

/* ---- the files ----------------------------------------------------------- */

static void data_unref(TlsData *d)
{
    if (!d || !g_atomic_int_dec_and_test(&d->refs)) {
        return;
    }
    if (d->kind == CREDS_X509 && d->x509) {
        gnutls_certificate_free_credentials(d->x509);
    } else if (d->kind == CREDS_PSK && d->server && d->psk_server) {
        gnutls_psk_free_server_credentials(d->psk_server);
    } else if (d->kind == CREDS_PSK && !d->server && d->psk_client) {
        gnutls_psk_free_client_credentials(d->psk_client);
    } else if (d->kind == CREDS_ANON && d->server && d->anon_server) {
        gnutls_anon_free_server_credentials(d->anon_server);
    } else if (d->kind == CREDS_ANON && !d->server && d->anon_client) {
        gnutls_anon_free_client_credentials(d->anon_client);
    }
    g_free(d);
}

/* The path of a file (g_free); NULL: it is not there, an error if @must. */
static char *find_file(const TlsCreds *c, const char *name, bool must,
                       Error **errp)
{
    g_autofree char *path = NULL;

    if (!c->dir) {
        if (must) {
            error_setg(errp, "Missing 'dir' property value");
        }
        return NULL;
    }
    path = g_build_filename(c->dir, name, NULL);
    if (access(path, R_OK) < 0) {
        if (must || errno != ENOENT) {
            error_setg_errno(errp, errno, "Unable to access credentials %s",
                             path);
        }
        return NULL;
    }
    return g_steal_pointer(&path);
}

static gnutls_x509_crt_t load_cert(const char *path, Error **errp)
{
    gnutls_x509_crt_t cert;
    gnutls_datum_t text = { NULL, 0 };
    int ret = gnutls_load_file(path, &text);

    if (ret == 0) {
        gnutls_x509_crt_init(&cert);
        ret = gnutls_x509_crt_import(cert, &text, GNUTLS_X509_FMT_PEM);
        gnutls_free(text.data);
        if (ret == 0) {
            return cert;
        }
        gnutls_x509_crt_deinit(cert);
    }
    error_setg(errp, "Unable to load certificate %s: %s", path,
               gnutls_strerror(ret));
    return NULL;
}

static bool check_times(gnutls_x509_crt_t cert, const char *path, Error **errp)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(cert) < now) {
        error_setg(errp, "The certificate %s has expired", path);
        return false;
    }
    if (gnutls_x509_crt_get_activation_time(cert) > now) {
        error_setg(errp, "The certificate %s is not yet active", path);
        return false;
    }
    return true;
}

/* What would make every handshake fail is said now. */
static bool check_sanity(const char *ca_path, const char *cert_path,
                         Error **errp)
{
    gnutls_x509_crt_t ca = load_cert(ca_path, errp), cert = NULL;
    unsigned status = 0, critical;
    bool ok = false;

    if (!ca || !check_times(ca, ca_path, errp)) {
        goto out;
    }
    if (gnutls_x509_crt_get_basic_constraints(ca, &critical, NULL, NULL) == 0) {
        error_setg(errp, "The certificate %s is no certificate authority's",
                   ca_path);
        goto out;
    }
    cert = cert_path ? load_cert(cert_path, errp) : NULL;
    if (cert_path &&
        (!cert || !check_times(cert, cert_path, errp))) {
        goto out;
    }
    if (cert &&
        (gnutls_x509_crt_list_verify(&cert, 1, &ca, 1, NULL, 0, 0,
                                     &status) < 0 ||
         (status & GNUTLS_CERT_INVALID))) {
        error_setg(errp, "Our own certificate %s failed validation against %s",
                   cert_path, ca_path);
        goto out;
    }
    ok = true;
out:
    if (ca) {
        gnutls_x509_crt_deinit(ca);
    }
    if (cert) {
        gnutls_x509_crt_deinit(cert);
    }
    return ok;
}

static bool load_x509(const TlsCreds *c, TlsData *d, Error **errp)
{
    const char *who = d->server ? "server" : "client";
    g_autofree char *cert_name = g_strdup_printf("%s-cert.pem", who);
    g_autofree char *key_name = g_strdup_printf("%s-key.pem", who);
    g_autofree char *ca = NULL, *crl = NULL, *cert = NULL, *key = NULL;
    g_autofree char *password = NULL;
    Error *err = NULL;
    int ret;

    ca = find_file(c, "ca-cert.pem", true, errp);
    if (!ca) {
        return false;
    }
    crl = find_file(c, "ca-crl.pem", false, &err);
    cert = err ? NULL : find_file(c, cert_name, d->server, &err);
    key = err || !cert ? NULL : find_file(c, key_name, true, &err);
    if (err) {
        error_propagate(errp, err);
        return false;
    }
    if (c->sanity && !check_sanity(ca, cert, errp)) {
        return false;
    }
    if (c->passwordid) {
        password = secret_get_text(c->passwordid, errp);
        if (!password) {
            return false;
        }
    }
    ret = gnutls_certificate_allocate_credentials(&d->x509);
    if (ret < 0) {
        return fail(errp, ret, "Cannot allocate credentials");
    }
    ret = gnutls_certificate_set_x509_trust_file(d->x509, ca,
                                                 GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        return fail(errp, ret, ca);
    }
    if (cert) {
        ret = gnutls_certificate_set_x509_key_file2(
            d->x509, cert, key, GNUTLS_X509_FMT_PEM, password, 0);
        if (ret < 0) {
            return fail(errp, ret, key);
        }
    }
    ret = crl ? gnutls_certificate_set_x509_crl_file(d->x509, crl,
                                                     GNUTLS_X509_FMT_PEM)
              : 0;
    if (ret < 0) {
        return fail(errp, ret, crl);
    }
    if (d->server) {
        gnutls_certificate_set_known_dh_params(d->x509,
                                               GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

/* A client's key: the line of the file that begins with its name. */
static bool set_psk_client(const TlsCreds *c, TlsData *d, const char *path,
                           Error **errp)
{
    const char *user = c->username ? c->username : "qemu";
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) gerr = NULL;

    if (!g_file_get_contents(path, &text, NULL, &gerr)) {
        error_setg(errp, "%s", gerr->message);
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (int i = 0; lines[i]; i++) {
        char *colon = strchr(lines[i], ':');

        if (colon && (size_t)(colon - lines[i]) == strlen(user) &&
            g_str_has_prefix(lines[i], user)) {
            char *hex = g_strstrip(colon + 1);
            gnutls_datum_t key = { (unsigned char *)hex, strlen(hex) };
            int ret = gnutls_psk_set_client_credentials(d->psk_client, user,
                                                        &key,
                                                        GNUTLS_PSK_KEY_HEX);

            return ret == 0 || fail(errp, ret, path);
        }
    }
    error_setg(errp, "there is no key for the user '%s' in %s", user, path);
    return false;
}

static bool load_psk(const TlsCreds *c, TlsData *d, Error **errp)
{
    g_autofree char *path = find_file(c, "keys.psk", true, errp);
    int ret;

    if (!path) {
        return false;
    }
    if (!d->server) {
        ret = gnutls_psk_allocate_client_credentials(&d->psk_client);
        return ret < 0 ? fail(errp, ret, "Cannot allocate credentials")
                       : set_psk_client(c, d, path, errp);
    }
    ret = gnutls_psk_allocate_server_credentials(&d->psk_server);
    if (ret < 0) {
        return fail(errp, ret, "Cannot allocate credentials");
    }
    ret = gnutls_psk_set_server_credentials_file(d->psk_server, path);
    if (ret < 0) {
        return fail(errp, ret, path);
    }
    gnutls_psk_set_server_known_dh_params(d->psk_server,
                                          GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static bool load_anon(const TlsCreds *c, TlsData *d, Error **errp)
{
    int ret;

    if (!d->server) {
        ret = gnutls_anon_allocate_client_credentials(&d->anon_client);
        return ret == 0 || fail(errp, ret, "Cannot allocate credentials");
    }
    ret = gnutls_anon_allocate_server_credentials(&d->anon_server);
    if (ret < 0) {
        return fail(errp, ret, "Cannot allocate credentials");
    }
    gnutls_anon_set_server_known_dh_params(d->anon_server,
                                           GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static CredsKind kind_of(const TlsCreds *c)
{
    const char *name = c->obj.type->name;

    return g_str_has_suffix(name, "x509")  ? CREDS_X509
           : g_str_has_suffix(name, "psk") ? CREDS_PSK
                                           : CREDS_ANON;
}

static TlsData *load(const TlsCreds *c, Error **errp)
{
    TlsData *d = g_new0(TlsData, 1);
    bool ok;

    d->refs = 1;
    d->kind = kind_of(c);
    d->server = c->endpoint == ENDPOINT_SERVER;
    ok = d->kind == CREDS_X509  ? load_x509(c, d, errp)
         : d->kind == CREDS_PSK ? load_psk(c, d, errp)
                                : load_anon(c, d, errp);
    if (!ok) {
        data_unref(d);
        return NULL;
    }
    return d;
}

/* ---- objects ------------------------------------------------------------- */

TlsCreds *tls_creds_hold(const char *id, bool server, Error **errp)
{
    Object *obj = object_child(object_container("/objects"), id);
    TlsCreds *c;

    if (!obj) {
        error_setg(errp, "No TLS credentials with id '%s'", id);
        return NULL;
    }
    if (!object_dynamic_cast(obj, "tls-creds")) {
        error_setg(errp, "Object with id '%s' is not TLS credentials", id);
        return NULL;
    }
    c = (TlsCreds *)obj;
    if ((c->endpoint == ENDPOINT_SERVER) != server) {
        error_setg(errp, "Expecting TLS credentials with a %s endpoint: '%s' "
                   "has endpoint=%s", server ? "server" : "client", id,
                   endpoints[c->endpoint]);
        return NULL;
    }
    obj->users++;
    return c;
}

void tls_creds_release(TlsCreds *c)
{
    if (c) {
        c->obj.users--;
    }
}

bool tls_creds_are_x509(const TlsCreds *c)
{
    return kind_of(c) == CREDS_X509;
}

bool tls_creds_have_names(const TlsCreds *c)
{
    return kind_of(c) == CREDS_X509 && c->verify;
}

bool tls_creds_are_anon(const TlsCreds *c)
{
    return kind_of(c) == CREDS_ANON;
}

/* Sessions begin on threads of their own. */
static GMutex data_lock;

bool tls_creds_reload(TlsCreds *c, Error **errp)
{
    TlsData *d = load(c, errp), *old;

    if (!d) {
        return false;
    }
    g_mutex_lock(&data_lock);
    old = c->data;
    c->data = d;
    g_mutex_unlock(&data_lock);
    data_unref(old);
    return true;
}

static bool creds_complete(Object *obj, Error **errp)
{
    return tls_creds_reload((TlsCreds *)obj, errp);
}

static void creds_finalize(Object *obj)
{
    data_unref(((TlsCreds *)obj)->data);
}

static const Property base_props[] = {
    PROP_STR("dir", TlsCreds, dir),
    PROP_ENUM("endpoint", TlsCreds, endpoint, int, prop_endpoint,
              ENDPOINT_CLIENT),
    PROP_BOOL("verify-peer", TlsCreds, verify, true),
    PROP_STR("priority", TlsCreds, priority),
    PROP_END(),
};

static const Property x509_props[] = {
    PROP_BOOL("sanity-check", TlsCreds, sanity, true),
    PROP_STR("passwordid", TlsCreds, passwordid),
    PROP_END(),
};

static const Property psk_props[] = {
    PROP_STR("username", TlsCreds, username),
    PROP_END(),
};

static const ObjectType base_type = {
    .name = "tls-creds", .abstract = true, .size = sizeof(TlsCreds),
    .props = base_props, .finalize = creds_finalize,
};

#define CREDS_TYPE(var, nm, table) \
    static const ObjectType var = { \
        .name = (nm), .parent = "tls-creds", .user_creatable = true, \
        .size = sizeof(TlsCreds), .props = (table), \
        .complete = creds_complete, \
    }
CREDS_TYPE(x509_type, "tls-creds-x509", x509_props);
CREDS_TYPE(psk_type, "tls-creds-psk", psk_props);
CREDS_TYPE(anon_type, "tls-creds-anon", NULL);

static void tls_register(void)
{
    object_type_register(&base_type);
    object_type_register(&x509_type);
    object_type_register(&psk_type);
    object_type_register(&anon_type);
}
object_init(tls_register)

/* ---- sessions ------------------------------------------------------------ */

static int set_credentials(TlsSession *s)
{
    TlsData *d = s->data;

    switch (d->kind) {
    case CREDS_X509:
        return gnutls_credentials_set(s->s, GNUTLS_CRD_CERTIFICATE, d->x509);
    case CREDS_PSK:
        return d->server ? gnutls_credentials_set(s->s, GNUTLS_CRD_PSK,
                                                  d->psk_server)
                         : gnutls_credentials_set(s->s, GNUTLS_CRD_PSK,
                                                  d->psk_client);
    default:
        return d->server ? gnutls_credentials_set(s->s, GNUTLS_CRD_ANON,
                                                  d->anon_server)
                         : gnutls_credentials_set(s->s, GNUTLS_CRD_ANON,
                                                  d->anon_client);
    }
}

TlsSession *tls_session_new(TlsCreds *c, int fd, const char *hostname,
                            Error **errp)
{
    static const char *const more[] = {
        [CREDS_X509] = "", [CREDS_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK",
        /* TLS 1.3 has no anonymous key exchange. */
        [CREDS_ANON] = ":-VERS-TLS1.3:+ANON-ECDH:+ANON-DH",
    };
    TlsSession *s = g_new0(TlsSession, 1);
    g_autofree char *priority = NULL;
    int ret;

    g_mutex_lock(&data_lock);
    s->data = c->data;
    g_atomic_int_inc(&s->data->refs);
    g_mutex_unlock(&data_lock);
    s->verify = c->verify;
    s->hostname = g_strdup(hostname);
    priority = g_strconcat(c->priority ? c->priority : "NORMAL",
                           more[s->data->kind], NULL);
    ret = gnutls_init(&s->s, s->data->server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    if (ret < 0) {
        s->s = NULL;
    } else {
        ret = gnutls_priority_set_direct(s->s, priority, NULL);
    }
    ret = ret < 0 ? ret : set_credentials(s);
    if (ret < 0) {
        fail(errp, ret, priority);
        tls_session_free(s);
        return NULL;
    }
    if (s->data->kind == CREDS_X509 && s->data->server && s->verify) {
        gnutls_certificate_server_set_request(s->s, GNUTLS_CERT_REQUIRE);
    }
    gnutls_transport_set_int(s->s, fd);
    return s;
}

void tls_session_free(TlsSession *s)
{
    if (!s) {
        return;
    }
    if (s->s) {
        gnutls_deinit(s->s);
    }
    data_unref(s->data);
    g_free(s->hostname);
    g_free(s);
}

static bool check_peer(TlsSession *s, Error **errp)
{
    unsigned status;
    int ret = gnutls_certificate_verify_peers3(s->s, s->hostname, &status);

    if (ret < 0) {
        return fail(errp, ret, "TLS: the peer's certificate");
    }
    if (status) {
        gnutls_datum_t text = { NULL, 0 };

        gnutls_certificate_verification_status_print(
            status, gnutls_certificate_type_get(s->s), &text, 0);
        error_setg(errp, "TLS: the peer's certificate: %s",
                   text.data ? (char *)text.data : "not valid");
        gnutls_free(text.data);
        return false;
    }
    return true;
}

int tls_session_handshake_step(TlsSession *s, Error **errp)
{
    int ret = gnutls_handshake(s->s);

    if (ret < 0) {
        return gnutls_error_is_fatal(ret)
                   ? (fail(errp, ret, "TLS handshake failed"), -1)
                   : 0;
    }
    return s->data->kind != CREDS_X509 || !s->verify || check_peer(s, errp)
               ? 1
               : -1;
}

bool tls_session_handshake(TlsSession *s, Error **errp)
{
    int ret;

    do {
        ret = tls_session_handshake_step(s, errp);
    } while (ret == 0);
    return ret > 0;
}

bool tls_session_wants_write(TlsSession *s)
{
    return gnutls_record_get_direction(s->s) == 1;
}

char *tls_session_peer_name(TlsSession *s)
{
    const gnutls_datum_t *certs;
    unsigned n;
    gnutls_x509_crt_t cert;
    gnutls_datum_t dn = { NULL, 0 };
    char *name = NULL;

    if (s->data->kind != CREDS_X509) {
        return NULL;
    }
    certs = gnutls_certificate_get_peers(s->s, &n);
    if (!certs || n == 0 || gnutls_x509_crt_init(&cert) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(cert, &certs[0], GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_x509_crt_get_dn2(cert, &dn) == 0) {
        name = g_strndup((char *)dn.data, dn.size);
        gnutls_free(dn.data);
    }
    gnutls_x509_crt_deinit(cert);
    return name;
}

unsigned tls_session_key_bits(TlsSession *s)
{
    return gnutls_cipher_get_key_size(gnutls_cipher_get(s->s)) * 8;
}

ssize_t tls_session_read(TlsSession *s, void *buf, size_t max)
{
    ssize_t n;

    do {
        n = gnutls_record_recv(s->s, buf, max);
    } while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN);
    return n == GNUTLS_E_PREMATURE_TERMINATION ? 0 : n < 0 ? -1 : n;
}

ssize_t tls_session_write(TlsSession *s, const void *buf, size_t len)
{
    ssize_t n;

    do {
        n = gnutls_record_send(s->s, buf, len);
    } while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN);
    return n < 0 ? -1 : n;
}

static ssize_t later_or_never(ssize_t ret)
{
    if (ret == GNUTLS_E_PREMATURE_TERMINATION) {
        return 0;
    }
    errno = ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED ? EAGAIN : EIO;
    return ret < 0 ? -1 : ret;
}

ssize_t tls_session_try_read(TlsSession *s, void *buf, size_t max)
{
    return later_or_never(gnutls_record_recv(s->s, buf, max));
}

ssize_t tls_session_try_write(TlsSession *s, const void *buf, size_t len)
{
    ssize_t n;

    /* What could not go out is kept encrypted: it is only asked for. */
    n = s->unsent ? gnutls_record_send(s->s, NULL, 0)
                  : gnutls_record_send(s->s, buf, len);
    s->unsent = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
    return later_or_never(n);
}

bool tls_session_pending(TlsSession *s)
{
    return gnutls_record_check_pending(s->s) > 0;
}

void tls_session_bye(TlsSession *s)
{
    gnutls_bye(s->s, GNUTLS_SHUT_WR);
}
