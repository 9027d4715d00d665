/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS by GnuTLS: the objects tls-creds-x509, tls-creds-psk, tls-creds-anon,
 * and sessions made with them.  Objects: main thread, BQL.  A session belongs
 * to its user; one thread may read while another writes.
 */
#ifndef UTIL_TLS_H
#define UTIL_TLS_H

#include "util/object.h"

typedef struct TlsCreds TlsCreds;
typedef struct TlsSession TlsSession;

/* The object of that id, for a server or a client.  It cannot be deleted
 * until it is let go. */
TlsCreds *tls_creds_hold(const char *id, bool server, Error **errp);
void tls_creds_release(TlsCreds *c); /* NULL is fine */
bool tls_creds_are_x509(const TlsCreds *c);
bool tls_creds_are_anon(const TlsCreds *c);
/* Whether sessions of these know a peer by name: X.509 that is verified. */
bool tls_creds_have_names(const TlsCreds *c);
/* Reads the files again; sessions that are there keep what they have. */
bool tls_creds_reload(TlsCreds *c, Error **errp);

/*
 * @hostname: whom a client expects, may be NULL.  The session works on @fd,
 * which must be blocking and stays the caller's.  Any thread that holds the
 * credentials.
 */
TlsSession *tls_session_new(TlsCreds *c, int fd, const char *hostname,
                            Error **errp);
void tls_session_free(TlsSession *s); /* NULL is fine */
/* Blocks; also checks the peer's certificate when that was asked for. */
bool tls_session_handshake(TlsSession *s, Error **errp);
/* The peer's distinguished name (g_free), or NULL. */
char *tls_session_peer_name(TlsSession *s);
unsigned tls_session_key_bits(TlsSession *s);
/* Bytes, 0 at the end, -1 on failure. */
ssize_t tls_session_read(TlsSession *s, void *buf, size_t max);
ssize_t tls_session_write(TlsSession *s, const void *buf, size_t len);


/*
 * The same on a descriptor that does not block.  The handshake: 1 done, 0
 * more is to come, which way tls_session_wants_write() says; -1 failed.  -1
 * with errno EAGAIN: later; a write is then to be repeated.
 */
int tls_session_handshake_step(TlsSession *s, Error **errp);
bool tls_session_wants_write(TlsSession *s);
ssize_t tls_session_try_read(TlsSession *s, void *buf, size_t max);
ssize_t tls_session_try_write(TlsSession *s, const void *buf, size_t len);
/* Bytes are there that the descriptor does not tell of. */
bool tls_session_pending(TlsSession *s);
/* Tells the peer that no more comes; does not wait. */
void tls_session_bye(TlsSession *s);

#endif
