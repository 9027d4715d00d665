/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost-net: see vhost-net.h and the kernel's linux/vhost.h. */
#include "osdep.h"
#include "hw/virtio/virtio-int.h"
#include "vhost-net.h"
#include <linux/vhost.h> /* its macros have the names of our enums */
#include <sys/eventfd.h>
#include <sys/ioctl.h>

/* What the kernel must know of if the driver takes it: the ring's features
 * and mergeable buffers. */
#define RING_FEATURES \
    (BIT(15 /* VIRTIO_NET_F_MRG_RXBUF */) | BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | \
     BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) | \
     BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) | \
     BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_RING_RESET))

struct VHostNet {
    ListNode node;          /* of those that run */
    int fd;
    uint64_t features;
    VirtIODevice *vdev;     /* NULL: does not run */
    unsigned first;
};

static ListNode running = LIST_INIT(running);

static bool request(VHostNet *v, unsigned long what, const void *arg,
                    const char *name, Error **errp)
{
    if (ioctl(v->fd, what, arg) < 0) {
        error_setg_errno(errp, errno, "vhost-net: %s", name);
        return false;
    }
    return true;
}
#define REQUEST(v, what, arg, errp) request(v, what, arg, #what, errp)

/* ---- guest memory ----------------------------------------------------------- */

static GArray *regions;     /* struct vhost_memory_region: all RAM */

static bool region_of(const MemorySection *s, struct vhost_memory_region *r)
{
    if (!memory_section_is_ram(s) || s->readonly) {
        return false;
    }
    *r = (struct vhost_memory_region){
        .guest_phys_addr = s->addr, .memory_size = s->size,
        .userspace_addr = (uintptr_t)s->mr->ram->host + s->offset_in_region,
    };
    return true;
}

static void region_add(MemoryListener *l, const MemorySection *s)
{
    struct vhost_memory_region r;

    if (region_of(s, &r)) {
        g_array_append_val(regions, r);
    }
}

static void region_del(MemoryListener *l, const MemorySection *s)
{
    struct vhost_memory_region r;

    for (guint i = 0; region_of(s, &r) && i < regions->len; i++) {
        if (!memcmp(&g_array_index(regions, struct vhost_memory_region, i), &r,
                    sizeof(r))) {
            g_array_remove_index_fast(regions, i);
            return;
        }
    }
}

static bool set_memory(VHostNet *v, Error **errp)
{
    size_t len = regions->len * sizeof(struct vhost_memory_region);
    g_autofree struct vhost_memory *m = g_malloc0(sizeof(*m) + len);

    m->nregions = regions->len;
    memcpy(m->regions, regions->data, len);
    return REQUEST(v, VHOST_SET_MEM_TABLE, m, errp);
}

static void map_changed(MemoryListener *l)
{
    VHostNet *v;
    Error *err = NULL;

    list_foreach(v, &running, node) {
        if (!set_memory(v, &err)) {
            error_report_err(g_steal_pointer(&err));
        }
    }
}

static MemoryListener listener = {
    .region_add = region_add, .region_del = region_del, .commit = map_changed,
};

/* ---- queues ----------------------------------------------------------------- */

static bool give_queue(VHostNet *v, VirtIODevice *vdev, unsigned i,
                       Error **errp)
{
    VirtQueue *vq = virtio_queue(vdev, v->first + i);
    uint8_t *area[RING_AREAS];
    int kick = vdev->kick_fd ? vdev->kick_fd(vdev->transport, v->first + i)
                             : -1;
    int call = vdev->call_fd ? vdev->call_fd(vdev->transport, vq->vector)
                             : -1;
    struct vhost_vring_state num = { i, vq->num }, base = { i, vq->last_avail };
    struct vhost_vring_file kick_file = { i, kick }, call_file = { i, call };
    struct vhost_vring_addr addr = { .index = i };

    if (kick < 0) {
        error_setg(errp, "vhost-net: queue %u has no eventfd", v->first + i);
        return false;
    }
    if (!virtqueue_take(vq, area)) {
        error_setg(errp, "vhost-net: queue %u is not in use", v->first + i);
        return false;
    }
    addr.desc_user_addr = (uintptr_t)area[RING_DESC];
    addr.avail_user_addr = (uintptr_t)area[RING_DRIVER];
    addr.used_user_addr = (uintptr_t)area[RING_DEVICE];
    return REQUEST(v, VHOST_SET_VRING_NUM, &num, errp) &&
           REQUEST(v, VHOST_SET_VRING_BASE, &base, errp) &&
           REQUEST(v, VHOST_SET_VRING_ADDR, &addr, errp) &&
           REQUEST(v, VHOST_SET_VRING_KICK, &kick_file, errp) &&
           REQUEST(v, VHOST_SET_VRING_CALL, &call_file, errp);
}

static void take_back(VHostNet *v, unsigned i)
{
    VirtQueue *vq = virtio_queue(v->vdev, v->first + i);
    struct vhost_vring_file none = { i, -1 };
    struct vhost_vring_state base = { i, 0 };
    int kick = v->vdev->kick_fd
                   ? v->vdev->kick_fd(v->vdev->transport, v->first + i) : -1;

    ioctl(v->fd, VHOST_NET_SET_BACKEND, &none);
    if (virtqueue_taken(vq)) {
        bool known = ioctl(v->fd, VHOST_GET_VRING_BASE, &base) == 0;

        virtqueue_return(vq, known ? base.num : vq->last_avail, kick);
    }
    ioctl(v->fd, VHOST_SET_VRING_KICK, &none);
    ioctl(v->fd, VHOST_SET_VRING_CALL, &none);
}

bool vhost_net_start(VHostNet *v, VirtIODevice *vdev, unsigned first, int tap,
                     Error **errp)
{
    /* Bit 27 would have the kernel make the header, which the tap does. */
    uint64_t features = vdev->guest_features & v->features &
                        ~(BIT(VHOST_NET_F_VIRTIO_NET_HDR) |
                          BIT(VHOST_F_LOG_ALL));
    bool ok;

    if (v->vdev) {
        return true;
    }
    v->vdev = vdev;
    v->first = first;
    list_append(&running, &v->node);
    ok = REQUEST(v, VHOST_SET_FEATURES, &features, errp) &&
         set_memory(v, errp) && give_queue(v, vdev, 0, errp) &&
         give_queue(v, vdev, 1, errp);
    for (unsigned i = 0; ok && i < 2; i++) {
        struct vhost_vring_file backend = { i, tap };

        ok = REQUEST(v, VHOST_NET_SET_BACKEND, &backend, errp);
    }
    if (!ok) {
        vhost_net_stop(v);
        return false;
    }
    for (unsigned i = 0; i < 2; i++) { /* what waits in the rings */
        eventfd_write(vdev->kick_fd(vdev->transport, first + i), 1);
    }
    return true;
}

void vhost_net_stop(VHostNet *v)
{
    if (!vhost_net_running(v)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        take_back(v, i);
    }
    list_remove(&v->node);
    v->vdev = NULL;
}

bool vhost_net_running(const VHostNet *v)
{
    return v && v->vdev;
}

/* ---- life ------------------------------------------------------------------- */

VHostNet *vhost_net_new(int fd, Error **errp)
{
    VHostNet *v = g_new0(VHostNet, 1);

    v->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (v->fd < 0) {
        error_setg_errno(errp, errno, "vhost-net: descriptor %d", fd);
        vhost_net_free(v);
        return NULL;
    }
    if ((ioctl(v->fd, VHOST_SET_OWNER, NULL) < 0 && errno != EBUSY) ||
        ioctl(v->fd, VHOST_GET_FEATURES, &v->features) < 0) {
        error_setg_errno(errp, errno, "vhost-net: descriptor %d is not of "
                                      "/dev/vhost-net", fd);
        vhost_net_free(v);
        return NULL;
    }
    if (!regions) {
        regions = g_array_new(FALSE, FALSE, sizeof(struct vhost_memory_region));
        memory_listener_register(&listener, &address_space_memory);
    }
    return v;
}

void vhost_net_free(VHostNet *v)
{
    if (v) {
        vhost_net_stop(v);
        if (v->fd >= 0) {
            close(v->fd);
        }
        g_free(v);
    }
}

uint64_t vhost_net_features(const VHostNet *v, uint64_t features)
{
    return features & (v->features | ~RING_FEATURES);
}
