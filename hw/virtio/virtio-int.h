/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the device core, the rings and the transport. */
#ifndef HW_VIRTIO_INT_H
#define HW_VIRTIO_INT_H

#include "hw/virtio/virtio.h"

enum { RING_DESC, RING_DRIVER, RING_DEVICE, RING_AREAS };

typedef struct RingArea {
    uint8_t *host;       /* NULL: not mapped */
    uint64_t len;
    uint64_t ram_offset; /* of host */
    bool write;
} RingArea;

typedef struct UsedEntry {
    uint32_t id, len, ndescs;
} UsedEntry;

struct VirtQueue {
    VirtIODevice *vdev;
    uint16_t index;
    uint16_t max;            /* slots the device offers */
    /* Guest-visible state: vmstate_queue. */
    uint16_t num;            /* slots the driver chose */
    bool enabled;
    uint16_t vector;
    uint64_t addr[RING_AREAS];
    uint16_t last_avail;     /* next to take */
    bool avail_wrap;
    uint16_t used;           /* next to give back */
    bool used_wrap;
    uint16_t signalled;      /* `used` at the last interrupt */
    bool signalled_valid;
    bool notification;
    uint32_t inuse;          /* slots taken and not given back */
    atomic_bool resetting;   /* a reset of it waits for requests */
    /* Host side. */
    uint16_t shadow_avail;   /* split: the index as last read */
    uint32_t epoch;          /* counts resets */
    atomic_bool stale;       /* the memory map changed: map again */
    RingArea area[RING_AREAS];
    bool event_idx;          /* the mapping has room for event indices */
    UsedEntry *filled;       /* [max], by virtqueue_fill */
    VirtQueueHandler handler;
    EventLoop *loop;
    BH *bh;
    int kick_fd;             /* watched by loop; -1: none */
    bool taken;              /* somebody else works on the ring */
    atomic_bool notify;      /* notify_bh has to interrupt */
};

/* Checks addresses, lets the ring be used. */
void virtqueue_reset(VirtQueue *vq);
void virtqueue_unmap(VirtQueue *vq);
/* Legacy: three areas in a row from page @pfn on. */
void virtqueue_set_legacy(VirtQueue *vq, uint64_t pa);
bool virtqueue_post_load(VirtQueue *vq, Error **errp);
bool virtqueue_should_notify(VirtQueue *vq);

/* The queue's loop watches @fd for kicks in place of the one before; -1: none.
 * BQL. */
void virtio_queue_watch(VirtQueue *vq, int fd);

/*
 * Gives the ring to somebody else (the kernel): @area is where its parts lie
 * in this process, and no handler runs until it comes back, with the next
 * index to take from it and the eventfd of its kicks (-1: none).  False: the
 * ring cannot be used.  BQL.
 */
bool virtqueue_take(VirtQueue *vq, uint8_t *area[RING_AREAS]);
void virtqueue_return(VirtQueue *vq, uint16_t next_avail, int kick_fd);
static inline bool virtqueue_taken(const VirtQueue *vq)
{
    return vq->taken;
}

/* RING_RESET: at once, or when its requests have ended (vq->resetting). */
void virtio_queue_reset(VirtQueue *vq);
/* Properties of all: host_features. */
extern const Property virtio_base_props[];

/* The PCI types of @info (virtio-pci.c). */
void virtio_pci_register(const DeviceInfo *info);

#endif
