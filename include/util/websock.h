/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of WebSocket (RFC 6455) as a filter between a stream
 * socket and its user; no I/O of its own.
 */
#ifndef UTIL_WEBSOCK_H
#define UTIL_WEBSOCK_H

#include "osdep.h"
#include "util/error.h"

typedef struct WebSock WebSock;

WebSock *websock_new(void);
void websock_free(WebSock *w); /* NULL is fine */
/* The handshake is over: data may be framed. */
bool websock_ready(const WebSock *w);
/*
 * Takes bytes from the peer.  Payload is appended to @data, what has to go
 * back (the handshake's reply, pongs) to @reply.  False when the peer closed
 * or broke the protocol (@errp says which): send @reply, then hang up.
 */
bool websock_feed(WebSock *w, const uint8_t *buf, size_t len,
                  GByteArray *data, GByteArray *reply, Error **errp);
/* Appends @len bytes as one binary frame. */
void websock_frame(GByteArray *out, const uint8_t *buf, size_t len);

#endif
