/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between vnc-auth.c and the schemes that need libraries. */
#ifndef UI_VNC_AUTH_H
#define UI_VNC_AUTH_H

#include "vnc-int.h"

bool vnc_put32(VncClient *c, uint32_t v);
bool vnc_get32(VncClient *c, uint32_t *v);
/* SecurityResult; returns @ok (and whether it could be said). */
bool vnc_auth_result(VncClient *c, bool ok, const char *why);
bool vnc_auth_password(VncClient *c);
/* Up to and with the TLS handshake; what is under it comes next. */
bool vnc_auth_vencrypt(VncClient *c);
bool vnc_auth_sasl(VncClient *c);
/* A browser's request: true if it wants a WebSocket, else it was answered. */
bool vnc_web_request(VncClient *c, const char *head);
/* Puts TLS under the stream. */
bool vnc_tls_start(VncClient *c);

#endif
