/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio entropy device: virtio 1.1, section 5.4.  One queue of buffers that
 * bytes of an rng back end are put into, at most `max-bytes` in each `period`.
 *
 * No buffer is held while the back end works: its size is looked at, bytes
 * are asked for, and when they come the buffers that are there then get them.
 */
#include "osdep.h"
#include "hw/virtio/virtio.h"
#include "util/rng.h"
#include "util/timer.h"

typedef struct VirtIORng {
    VirtIODevice vdev;
    /* Properties. */
    RngBackend *rng;
    uint64_t max_bytes;
    uint32_t period_ms;
    /* Guest-visible state. */
    uint64_t quota;        /* bytes left in this period */
    Timer timer;           /* its end */
    /* Host side. */
    VirtQueue *vq;
    bool waiting;          /* for the back end */
    RngBackend *own;       /* the default one, when no rng= was given */
} VirtIORng;

static void rng_take(void *opaque, const uint8_t *data, size_t n);

/* Bytes that the next buffer takes. */
static size_t next_room(VirtIORng *s)
{
    VirtQueueElement *e = virtqueue_pop(s->vq, sizeof(*e));
    size_t len;

    if (!e) {
        return 0;
    }
    len = e->in_len;
    if (len == 0) {
        virtio_error(&s->vdev, "buffer that cannot be written");
        virtqueue_drop(e);
    } else {
        virtqueue_unpop(e);
    }
    g_free(e);
    return len;
}

static void rng_ask(VirtIORng *s)
{
    size_t room;

    if (s->waiting || !s->vdev.vm_running || !virtio_queue_ready(s->vq)) {
        return;
    }
    if (!timer_pending(&s->timer)) {
        s->quota = s->max_bytes;
    }
    room = s->quota ? MIN(next_room(s), s->quota) : 0;
    if (room) {
        if (!timer_pending(&s->timer)) {
            timer_mod_ms(&s->timer, s->period_ms);
        }
        s->waiting = true;
        rng_request(s->rng, room, rng_take, s);
    }
}

static void rng_take(void *opaque, const uint8_t *data, size_t n)
{
    VirtIORng *s = opaque;

    s->waiting = false;
    if (!s->vdev.vm_running || !virtio_queue_ready(s->vq)) {
        return; /* asked for again when it is */
    }
    n = MIN(n, s->quota);
    s->quota -= n;
    while (n) {
        VirtQueueElement *e = virtqueue_pop(s->vq, sizeof(*e));
        size_t len;

        if (!e) {
            break;
        }
        len = virtio_iov_copy_to(e->in, e->in_num, 0, data, n);
        data += len;
        n -= len;
        virtqueue_push(e, len);
        g_free(e);
        if (len == 0) {
            break;
        }
    }
    virtio_notify(s->vq);
    rng_ask(s);
}

static void period_over(void *opaque)
{
    VirtIORng *s = opaque;

    s->quota = s->max_bytes;
    rng_ask(s);
}

static void handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    rng_ask((VirtIORng *)vdev);
}

static void rng_reset(VirtIODevice *vdev)
{
    VirtIORng *s = (VirtIORng *)vdev;

    if (s->waiting) {
        s->waiting = false;
        rng_cancel(s->rng, s);
    }
    timer_del(&s->timer);
    s->quota = s->max_bytes;
}

static bool rng_realize(DeviceState *dev, Error **errp)
{
    VirtIORng *s = (VirtIORng *)dev;

    if (s->period_ms == 0) {
        error_setg(errp, "'period' parameter expects a positive integer");
        return false;
    }
    if (s->max_bytes > INT64_MAX) {
        error_setg(errp, "'max-bytes' parameter must be non-negative, and "
                         "less than 2^63");
        return false;
    }
    if (!virtio_init(&s->vdev, errp)) {
        return false;
    }
    if (!s->rng) {
        s->own = (RngBackend *)object_new("rng-builtin");
        object_add_child(&dev->obj, "default-backend", &s->own->obj);
        s->rng = s->own;
        s->rng->obj.users++;
    }
    s->quota = s->max_bytes;
    s->vq = virtio_add_queue(&s->vdev, 8, handle_queue);
    timer_init_virtual(&s->timer, period_over, s);
    return true;
}

static void rng_unrealize(DeviceState *dev)
{
    VirtIORng *s = (VirtIORng *)dev;

    rng_cancel(s->rng, s);
    timer_del(&s->timer);
    virtio_cleanup(&s->vdev);
    if (s->own) {
        s->rng = NULL;
        object_free(&s->own->obj);
        s->own = NULL;
    }
}

static bool rng_post_load(void *opaque, int version, Error **errp)
{
    VirtIORng *s = opaque;

    s->quota = MIN(s->quota, s->max_bytes);
    return true;
}

static const VMStateField rng_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIORng, VirtIODevice, vmstate_virtio),
    VMSTATE_UINT64(quota, VirtIORng),
    VMSTATE_TIMER(timer, VirtIORng),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_rng = {
    .name = "virtio-rng",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = rng_post_load,
    .fields = rng_fields,
};

static const Property rng_props[] = {
    PROP_RNG("rng", VirtIORng, rng),
    PROP_UINT64("max-bytes", VirtIORng, max_bytes, INT64_MAX),
    PROP_UINT32("period", VirtIORng, period_ms, 1 << 16),
    PROP_END(),
};

static const VirtIOInfo rng_virtio = {
    .device_id = VIRTIO_ID_RNG,
    .pci_name = "virtio-rng-pci",
    .pci_class = 0x00ff,
    .pci_legacy_id = 0x1005,
    .pci_vectors = UINT32_MAX,
    .reset = rng_reset,
};

static const DeviceInfo rng_info = {
    .name = "virtio-rng-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_MISC,
    .size = sizeof(VirtIORng),
    .props = rng_props,
    .vmsd = &vmstate_rng,
    .bus_info = &rng_virtio,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
};

static void virtio_rng_register(void)
{
    virtio_device_register(&rng_info);
}
device_init(virtio_rng_register)
