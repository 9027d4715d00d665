/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's vhost-net serves a receive and a transmit queue of virtio-net
 * and talks to the tap by itself (linux/vhost.h).  BQL.
 */
#ifndef HW_NET_VHOST_NET_H
#define HW_NET_VHOST_NET_H

#include "hw/virtio/virtio.h"

typedef struct VHostNet VHostNet;

/* @fd: of /dev/vhost-net; it stays the caller's.  NULL and an error. */
VHostNet *vhost_net_new(int fd, Error **errp);
void vhost_net_free(VHostNet *v); /* NULL is fine */
/* @features without those that vhost would have to know and does not. */
uint64_t vhost_net_features(const VHostNet *v, uint64_t features);
/*
 * Hands the queues @first (receive) and @first + 1 of @vdev, whose driver is
 * up, and the tap over.  False and an error: they stay the device's own.
 */
bool vhost_net_start(VHostNet *v, VirtIODevice *vdev, unsigned first,
                     int tap, Error **errp);
/* Takes them back; the rings stand where the kernel left them. */
void vhost_net_stop(VHostNet *v);
bool vhost_net_running(const VHostNet *v); /* NULL: false */

#endif
