/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC with SASL (security type 20 of the community's "The RFB Protocol"):
 * mechanisms by Cyrus SASL, service "vnc", configuration "qemu.conf".  Where
 * neither TLS nor a UNIX socket protects the stream, the mechanism has to,
 * with a layer of its own.
 *
 * The library keeps state of its own that nothing guards: one client at a
 * time is in it during its handshake.
 */
#include "osdep.h"
#include "util/authz.h"
#include "vnc-auth.h"
#include "vnc-io.h"

#ifdef CONFIG_SASL
#include <sasl/sasl.h>

#define DATA_MAX (1 << 20)
#define NAME_MAX_ 100
#define MIN_SSF  56     /* what QEMU asks for */
#define BUF_SIZE 8192

static Mutex sasl_lock = MUTEX_INITIALIZER;

typedef struct SaslCodec {
    VncCodec codec;
    sasl_conn_t *conn;
    int fd;
    const char *in;      /* the library's, decoded */
    unsigned in_len;
    Mutex lock;          /* one call into the connection at a time */
} SaslCodec;

static ssize_t codec_read(VncCodec *codec, void *buf, size_t max)
{
    SaslCodec *c = (SaslCodec *)codec;
    char raw[BUF_SIZE];
    unsigned n;

    while (c->in_len == 0) {
        ssize_t got = RETRY_ON_EINTR(read(c->fd, raw, sizeof(raw)));
        int ret;

        if (got <= 0) {
            return got;
        }
        mutex_lock(&c->lock);
        ret = sasl_decode(c->conn, raw, got, &c->in, &c->in_len);
        mutex_unlock(&c->lock);
        if (ret != SASL_OK) {
            return -1;
        }
    }
    /* Only this thread decodes: what it got stays until the next time. */
    n = MIN(max, c->in_len);
    memcpy(buf, c->in, n);
    c->in += n;
    c->in_len -= n;
    return n;
}

static ssize_t codec_write(VncCodec *codec, const void *buf, size_t len)
{
    SaslCodec *c = (SaslCodec *)codec;
    unsigned n = MIN(len, BUF_SIZE / 2), out_len;
    g_autofree char *copy = NULL;
    const char *out;
    int ret;

    mutex_lock(&c->lock);
    ret = sasl_encode(c->conn, buf, n, &out, &out_len);
    copy = ret == SASL_OK ? g_memdup2(out, out_len) : NULL;
    mutex_unlock(&c->lock);
    for (unsigned at = 0; copy && at < out_len;) {
        ssize_t done = RETRY_ON_EINTR(write(c->fd, copy + at, out_len - at));

        if (done <= 0) {
            return -1;
        }
        at += done;
    }
    return copy ? (ssize_t)n : -1;
}

static void codec_free(VncCodec *codec)
{
    SaslCodec *c = (SaslCodec *)codec;

    mutex_lock(&sasl_lock);
    sasl_dispose(&c->conn);
    mutex_unlock(&sasl_lock);
    mutex_destroy(&c->lock);
    g_free(c);
}

static sasl_conn_t *new_conn(VncClient *c, bool *layer)
{
    static bool ready;
    sasl_security_properties_t props = { .maxbufsize = BUF_SIZE };
    sasl_conn_t *conn = NULL;
    sasl_ssf_t bits = c->tls_bits;

    if (!ready && sasl_server_init(NULL, "qemu") != SASL_OK) {
        return NULL;
    }
    ready = true;
    if (sasl_server_new("vnc", NULL, NULL, NULL, NULL, NULL,
                        SASL_SUCCESS_DATA, &conn) != SASL_OK) {
        return NULL;
    }
    *layer = !c->tls_bits && c->peer->family != NETWORK_ADDRESS_FAMILY_UNIX;
    if (c->tls_bits) {
        sasl_setprop(conn, SASL_SSF_EXTERNAL, &bits);
    }
    if (*layer) {
        props.min_ssf = MIN_SSF;
        props.max_ssf = 100000;
        props.security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_NOPLAINTEXT;
    }
    sasl_setprop(conn, SASL_SEC_PROPS, &props);
    return conn;
}

/* A counted text of the client's (g_free); NULL: it is gone, or too long. */
static char *get_text(VncClient *c, uint32_t max, uint32_t *len)
{
    g_autofree char *text = NULL;

    if (!vnc_get32(c, len) || *len > max) {
        return NULL;
    }
    text = g_malloc(*len + 1);
    text[*len] = 0;
    return vnc_io_read_all(c->io, text, *len) ? g_steal_pointer(&text) : NULL;
}

/* The client counts the 0 at the end of what it sends; none at all is not the
 * same as an empty one. */
static void trim(const char *data, uint32_t len, const char **in,
                 unsigned *in_len)
{
    *in = len ? data : NULL;
    *in_len = len ? len - (data[len - 1] == 0) : 0;
}

static bool put_step(VncClient *c, const char *out, unsigned len, bool done)
{
    uint8_t flag = done;

    if (out) {
        /* With a 0 that is counted. */
        g_autofree char *copy = g_malloc0(len + 1);

        memcpy(copy, out, len);
        if (!vnc_put32(c, len + 1) || !vnc_io_write(c->io, copy, len + 1)) {
            return false;
        }
    } else if (!vnc_put32(c, 0)) {
        return false;
    }
    return vnc_io_write(c->io, &flag, 1);
}

/* Mechanism and steps; true: the user is known. */
static bool talk(VncClient *c, sasl_conn_t *conn)
{
    const char *mechs = NULL, *in, *out = NULL;
    g_autofree char *name = NULL;
    unsigned in_len, out_len = 0;
    bool first = true;
    int ret;

    mutex_lock(&sasl_lock);
    ret = sasl_listmech(conn, NULL, "", ",", "", &mechs, NULL, NULL);
    mutex_unlock(&sasl_lock);
    if (ret != SASL_OK || !mechs || !*mechs) {
        warn_report("VNC: SASL has no mechanism that is good enough here");
        return false;
    }
    if (!vnc_put32(c, strlen(mechs)) ||
        !vnc_io_write(c->io, mechs, strlen(mechs))) {
        return false;
    }
    {
        uint32_t len;

        name = get_text(c, NAME_MAX_, &len);
        if (!name) {
            return false;
        }
        /* One of those that were offered. */
        g_auto(GStrv) offered = g_strsplit(mechs, ",", -1);

        if (strlen(name) != len ||
            !g_strv_contains((const char *const *)offered, name)) {
            return false;
        }
    }
    for (;;) {
        uint32_t len;
        g_autofree char *data = get_text(c, DATA_MAX, &len);

        if (!data) {
            return false;
        }
        trim(data, len, &in, &in_len);
        mutex_lock(&sasl_lock);
        ret = first ? sasl_server_start(conn, name, in, in_len, &out, &out_len)
                    : sasl_server_step(conn, in, in_len, &out, &out_len);
        mutex_unlock(&sasl_lock);
        first = false;
        if (ret != SASL_OK && ret != SASL_CONTINUE) {
            return false;
        }
        if (out_len > DATA_MAX ||
            !put_step(c, out_len ? out : NULL, out_len, ret == SASL_OK)) {
            return false;
        }
        if (ret == SASL_OK) {
            return true;
        }
    }
}

static bool strong_enough(sasl_conn_t *conn)
{
    const void *val = NULL;

    return sasl_getprop(conn, SASL_SSF, &val) == SASL_OK && val &&
           *(const sasl_ssf_t *)val >= MIN_SSF;
}

bool vnc_auth_sasl(VncClient *c)
{
    const char *authz = c->server->sasl_authz;
    const void *user = NULL;
    bool layer = false, ok;
    sasl_conn_t *conn;
    SaslCodec *codec;

    mutex_lock(&sasl_lock);
    conn = new_conn(c, &layer);
    mutex_unlock(&sasl_lock);
    if (!conn) {
        warn_report("VNC: SASL cannot be initialised");
        return false;
    }
    ok = talk(c, conn) && (!layer || strong_enough(conn)) &&
         sasl_getprop(conn, SASL_USERNAME, &user) == SASL_OK && user;
    if (!ok) {
        vnc_refused(c, "SASL: no user of this server");
    } else if (authz && !authz_is_allowed(authz, user)) {
        vnc_refused(c, "SASL: '%s' is not allowed by '%s'", (const char *)user,
                    authz);
        ok = false;
    }
    if (ok) {
        mutex_lock(&c->lock);
        c->sasl_user = g_strdup(user);
        mutex_unlock(&c->lock);
    }
    if (!vnc_auth_result(c, ok, "Authentication failed")) {
        ok = false;
    }
    if (ok && layer) {
        codec = g_new0(SaslCodec, 1);
        codec->codec.read = codec_read;
        codec->codec.write = codec_write;
        codec->codec.free = codec_free;
        codec->conn = conn;
        codec->fd = c->io->fd;
        mutex_init(&codec->lock);
        vnc_io_set_codec(c->io, &codec->codec);
        return true;
    }
    mutex_lock(&sasl_lock);
    sasl_dispose(&conn);
    mutex_unlock(&sasl_lock);
    return ok;
}
#else
bool vnc_auth_sasl(VncClient *c)
{
    return false;
}
#endif
