/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `tap` and `bridge` share. */
#ifndef NET_TAP_INT_H
#define NET_TAP_INT_H

#include "net/net.h"

/* Runs a bridge helper that opens a tap on bridge @br and hands it back;
 * @helper NULL: ours.  -1 and an error. */
int net_bridge_helper(const char *helper, const char *br, Error **errp);
const char *net_default_helper(void);

/* A client on a tap descriptor, which it takes over (on failure too). */
NetClient *net_tap_new_fd(int fd, const char *model, const char *name,
                          NetClient *peer, unsigned queue, uint64_t sndbuf,
                          Error **errp);

#endif
