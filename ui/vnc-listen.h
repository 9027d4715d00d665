/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of VNC servers: between vnc.c, vnc-listen.c and vnc-qmp.c. */
#ifndef UI_VNC_LISTEN_H
#define UI_VNC_LISTEN_H

#include "vnc-int.h"

/* Where a server listens, as options say it. */
typedef struct VncAddress {
    const char *text;       /* "host:d", "unix:path", "none" */
    char *websocket;        /* "on", "port", "host:port"; owned */
    uint64_t to;
    bool ipv4, ipv6;        /* both or none: any */
} VncAddress;

bool vnc_address_take(VncAddress *a, QObject *opts, Error **errp);
void vnc_address_clear(VncAddress *a);
/* Listens (or connects, when s->reverse). */
bool vnc_address_open(VncServer *s, const VncAddress *a, Error **errp);
/* display-update: these instead of what there is. */
bool vnc_address_replace(VncServer *s, const SocketAddressList *list,
                         Error **errp);
VncBasicInfo *vnc_address_info(int fd, bool peer, bool websocket);
VncBasicInfo *vnc_info_copy(const VncBasicInfo *i);
void vnc_listener_free(VncListener *l);

void vnc_server_watch(VncServer *s, VncListener *l);
void vnc_server_close(VncServer *s); /* its listeners */
VncServer *vnc_server_find(const char *id); /* NULL: the first */
VncClient *vnc_server_add(VncServer *s, int fd, const VncListener *l,
                          bool skip_auth);
const char *vnc_server_auth_name(const VncServer *s);
/* False: the server wants no password. */
bool vnc_server_set_password(VncServer *s, const char *password);
void vnc_server_set_expiry(VncServer *s, int64_t when);

#endif
