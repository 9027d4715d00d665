/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC over TLS: VeNCrypt 0.2 (security type 19 of the community's "The RFB
 * Protocol") and the codec that both it and secure WebSockets put under the
 * stream.
 */
#include "osdep.h"
#include "util/authz.h"
#include "util/tls.h"
#include "vnc-auth.h"
#include "vnc-io.h"

#ifdef CONFIG_GNUTLS
enum {
    TLS_NONE = 257, TLS_VNC = 258, X509_NONE = 260, X509_VNC = 261,
    X509_SASL = 263, TLS_SASL = 264,
};

typedef struct TlsCodec {
    VncCodec codec;
    TlsSession *session;
} TlsCodec;

static ssize_t codec_read(VncCodec *c, void *buf, size_t max)
{
    return tls_session_read(((TlsCodec *)c)->session, buf, max);
}

static ssize_t codec_write(VncCodec *c, const void *buf, size_t len)
{
    return tls_session_write(((TlsCodec *)c)->session, buf, len);
}

static void codec_free(VncCodec *c)
{
    tls_session_free(((TlsCodec *)c)->session);
    g_free(c);
}

bool vnc_tls_start(VncClient *c)
{
    Error *err = NULL;
    TlsSession *s = tls_session_new(c->server->creds, c->io->fd, NULL, &err);
    const char *authz = c->server->tls_authz;
    g_autofree char *name = NULL;
    TlsCodec *codec;

    if (s && tls_session_handshake(s, &err)) {
        name = tls_session_peer_name(s);
        if (authz && (!name || !authz_is_allowed(authz, name))) {
            error_setg(&err, "'%s' is not allowed by '%s'", name ? name : "",
                       authz);
        }
    }
    if (err) {
        vnc_refused(c, "%s", error_get_pretty(err));
        error_free(err);
        tls_session_free(s);
        return false;
    }
    codec = g_new0(TlsCodec, 1);
    codec->codec.read = codec_read;
    codec->codec.write = codec_write;
    codec->codec.free = codec_free;
    codec->session = s;
    vnc_io_set_codec(c->io, &codec->codec);
    c->tls_bits = tls_session_key_bits(s);
    mutex_lock(&c->lock);
    c->dname = g_steal_pointer(&name);
    mutex_unlock(&c->lock);
    return true;
}

static uint32_t subtype(const VncServer *s)
{
    switch (s->sub_auth) {
    case VNC_AUTH_VNC_:
        return s->x509 ? X509_VNC : TLS_VNC;
    case VNC_AUTH_SASL_:
        return s->x509 ? X509_SASL : TLS_SASL;
    default:
        return s->x509 ? X509_NONE : TLS_NONE;
    }
}

bool vnc_auth_vencrypt(VncClient *c)
{
    uint8_t version[2], ack = 0, accepted = 1, refused = 0, one = 1;
    uint32_t type = subtype(c->server), choice;

    if (!vnc_io_write(c->io, "\0\2", 2) ||
        !vnc_io_read_all(c->io, version, 2)) {
        return false;
    }
    if (version[0] != 0 || version[1] != 2) {
        ack = 255;
        vnc_io_write(c->io, &ack, 1);
        return false;
    }
    if (!vnc_io_write(c->io, &ack, 1) || !vnc_io_write(c->io, &one, 1) ||
        !vnc_put32(c, type) || !vnc_get32(c, &choice)) {
        return false;
    }
    if (choice != type) {
        vnc_refused(c, "it asks for VeNCrypt's type %u, not %u", choice, type);
        vnc_io_write(c->io, &refused, 1);
        return false;
    }
    return vnc_io_write(c->io, &accepted, 1) && vnc_tls_start(c);
}
#else
bool vnc_tls_start(VncClient *c)
{
    return false;
}

bool vnc_auth_vencrypt(VncClient *c)
{
    return false;
}
#endif
