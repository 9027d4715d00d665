/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of virtio-net's queues the kernel serves, and when.  BQL. */
#include "osdep.h"
#include "exec/accel.h"
#include "virtio-net-int.h"

bool virtio_net_open_vhost(VirtIONet *s, Error **errp)
{
    for (unsigned i = 0; i < s->max_pairs; i++) {
        NetQueue *q = &s->queues[i];
        bool forced = false;
        int fd = q->nc->peer ? net_tap_vhost(q->nc->peer, &forced) : -1;
        const char *why = NULL;
        Error *err = NULL;

        if (fd < 0) {
            continue;
        }
        if (!accel || !accel->has_eventfds) {
            why = "needs -accel kvm";
        } else if (!s->peer_hdr) {
            why = "needs a tap with virtio-net headers (vnet_hdr=on)";
        }
        if (why) {
            error_setg(&err, "vhost=on %s", why);
        } else {
            q->vhost = vhost_net_new(fd, &err);
        }
        if (err && forced) {
            error_propagate(errp, err);
            return false;
        }
        if (err) {
            warn_report("%s; the emulator serves the queues",
                        error_get_pretty(err));
            error_free(err);
            return true;
        }
    }
    return true;
}

void virtio_net_close_vhost(VirtIONet *s)
{
    for (unsigned i = 0; i < s->max_pairs; i++) {
        g_clear_pointer(&s->queues[i].vhost, vhost_net_free);
    }
}

static bool wanted(const VirtIONet *s, unsigned pair)
{
    const NetClient *nc = s->queues[pair].nc;

    return s->vdev.vm_running && (s->vdev.status & VIRTIO_S_DRIVER_OK) &&
           !s->vdev.broken && !s->vdev.resetting && pair < s->pairs &&
           nc->peer && !nc->link_down;
}

void virtio_net_update_vhost(VirtIONet *s, bool stop)
{
    for (unsigned i = 0; i < s->max_pairs; i++) {
        NetQueue *q = &s->queues[i];
        bool on = !stop && wanted(s, i);
        Error *err = NULL;

        if (!q->vhost || on == vhost_net_running(q->vhost)) {
            continue;
        }
        if (!on) {
            vhost_net_stop(q->vhost);
        } else if (!vhost_net_start(q->vhost, &s->vdev, 2 * i,
                                    net_tap_lend(q->nc->peer, true), &err)) {
            warn_report("%s; the emulator serves the queues",
                        error_get_pretty(err));
            error_free(err);
            g_clear_pointer(&q->vhost, vhost_net_free);
            on = false;
        }
        if (!on && q->nc->peer) {
            net_tap_lend(q->nc->peer, false);
        }
    }
}
