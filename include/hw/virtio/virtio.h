/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio 1.1 (OASIS, "Virtual I/O Device (VIRTIO) Version 1.1") devices and
 * their queues, as seen by the device models.
 *
 * A device is a const VirtIOInfo and a struct with VirtIODevice as its head,
 * on a virtio bus.  hw/virtio/virtio-pci.c makes the PCI types around it.
 * hw/virtio/virtqueue.c alone looks at rings: every index, length and loop
 * that a guest can build is checked there.
 *
 * Threads: the BQL, but for a queue that was given to another loop
 * (virtio_set_queue_loop): its handler, and what takes from and gives to that
 * queue, runs on that loop's thread without the BQL.
 */
#ifndef HW_VIRTIO_H
#define HW_VIRTIO_H

#include "exec/memory.h"
#include "exec/runstate.h"
#include "hw/qdev.h"
#include "util/loop.h"
#include <sys/uio.h>

/* Device types, section 5. */
enum {
    VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4, VIRTIO_ID_BALLOON = 5, VIRTIO_ID_SCSI = 8,
    VIRTIO_ID_INPUT = 18,
};

/* Device status, 2.1. */
enum {
    VIRTIO_S_ACKNOWLEDGE = 1, VIRTIO_S_DRIVER = 2, VIRTIO_S_DRIVER_OK = 4,
    VIRTIO_S_FEATURES_OK = 8, VIRTIO_S_NEEDS_RESET = 64, VIRTIO_S_FAILED = 128,
};

/* Feature bits that are not of one device type, section 6. */
enum {
    VIRTIO_F_NOTIFY_ON_EMPTY = 24, VIRTIO_F_ANY_LAYOUT = 27,
    VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_BAD_FEATURE = 30, VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33, VIRTIO_F_RING_PACKED = 34,
    VIRTIO_F_RING_RESET = 40,
};

#define VIRTIO_QUEUE_MAX   1024 /* queues of a device */
#define VIRTQUEUE_MAX_SIZE 1024 /* descriptors of a queue, or of a chain */
#define VIRTIO_NO_VECTOR   0xffff
#define VIRTIO_CONFIG_MAX  256

typedef struct VirtIODevice VirtIODevice;
typedef struct VirtIOInfo VirtIOInfo;
typedef struct VirtQueue VirtQueue;
typedef void (*VirtQueueHandler)(VirtIODevice *vdev, VirtQueue *vq);

/* A device type: DeviceInfo.bus_info of a device on BUS_VIRTIO. */
struct VirtIOInfo {
    uint16_t device_id;        /* VIRTIO_ID_x */
    /* The PCI types around it; NULL: none. */
    const char *pci_name;      /* "virtio-rng-pci" */
    uint16_t pci_class;
    uint16_t pci_legacy_id;    /* 0: the device has no legacy interface */
    uint32_t pci_vectors;      /* default of "vectors"; UINT32_MAX: see next */
    uint32_t (*pick_vectors)(VirtIODevice *vdev); /* NULL: 2 */
    bool no_vectors_prop;      /* no "vectors": the device has no MSI-X */
    bool has_class_prop;       /* "class" may change the PCI class */
    const char *pci_romfile;
    DeviceCategory category;
    size_t config_len;         /* bytes of device configuration */

    /* Bits the device offers, besides the transport's and ring's. */
    uint64_t (*get_features)(VirtIODevice *vdev, uint64_t features);
    /* The driver's choice is final. */
    void (*set_features)(VirtIODevice *vdev, uint64_t features);
    /* Brings @config (little endian, config_len bytes) up to date. */
    void (*get_config)(VirtIODevice *vdev, uint8_t *config);
    /* The driver wrote some of it. */
    void (*set_config)(VirtIODevice *vdev, const uint8_t *config);
    void (*set_status)(VirtIODevice *vdev, uint8_t status);
    /* Gives up all requests: a held one is dropped by
     * virtqueue_drop(), one that is under way when it ends. */
    void (*reset)(VirtIODevice *vdev);
    /* The same for one queue. */
    void (*queue_reset)(VirtIODevice *vdev, VirtQueue *vq);
    /* True: requests touch guest memory still; the reset waits for them. */
    bool (*busy)(VirtIODevice *vdev);
    /* Waits for those.  Main thread. */
    void (*drain)(VirtIODevice *vdev);
    /* The VM starts (the queues will be looked at) or has stopped: no queue
     * handler may run on another loop when it returns. */
    void (*vm_state)(VirtIODevice *vdev, bool running);
    /* Computed properties for the PCI device around it. */
    void (*add_props)(VirtIODevice *vdev, Object *proxy);
};

struct VirtIODevice {
    DeviceState qdev;
    /* Properties: VIRTIO_F_x offered by -device. */
    uint64_t host_features;
    /* Guest-visible state: vmstate_virtio. */
    uint64_t guest_features;
    uint8_t status;
    atomic_uchar isr;
    atomic_bool broken;        /* a ring was; until the reset */
    uint16_t config_vector;
    uint32_t generation;       /* of the configuration */
    uint32_t num_queues;
    uint8_t config[VIRTIO_CONFIG_MAX];
    VirtQueue *queues;         /* [num_queues]; owned */
    /* Host side. */
    const VirtIOInfo *vinfo;
    AddressSpace *dma;         /* what it sees of guest memory */
    bool modern;               /* the transport has the 1.x interface */
    atomic_bool dma_off;       /* bus mastering is off: touch no memory */
    atomic_bool vm_running;
    atomic_bool resetting;     /* a reset waits for requests */
    bool reported;             /* its broken ring was told of once */
    VMChangeListener vm_change;
    MemoryListener listener;
    BH *notify_bh;             /* interrupts from other threads */
    BH *reset_bh;
    atomic_bool notify_config, notify_broken;
    /* The transport: an interrupt with that vector.  BQL. */
    void (*notify)(void *opaque, uint16_t vector);
    /* Rings may be used now (DRIVER_OK), or no more. */
    void (*started)(void *opaque, bool on);
    /* While started: the eventfd of a queue's kicks, and one whose signal is
     * the interrupt @vector (any thread); NULL or -1: there is none. */
    int (*kick_fd)(void *opaque, unsigned queue);
    int (*call_fd)(void *opaque, unsigned vector);
    void *transport;
};

/* A request: buffers that the device reads (out) and writes (in), in the
 * order of the chain, mapped on guest memory. */
typedef struct VirtQueueElement {
    VirtQueue *vq;
    uint32_t id;       /* head (split) or buffer id (packed) */
    uint32_t ndescs;   /* ring slots it took */
    uint32_t epoch;    /* of the queue: another one is from before a reset */
    unsigned out_num, in_num;
    size_t out_len, in_len;
    struct iovec *out, *in;
    hwaddr *out_addr, *in_addr; /* guest addresses of the same */
} VirtQueueElement;

static inline VirtIODevice *VIRTIO(void *obj)
{
    return obj;
}
static inline bool virtio_has(const VirtIODevice *vdev, unsigned feature)
{
    return vdev->guest_features >> feature & 1;
}

/* ---- for realize/unrealize ------------------------------------------------- */

/* First and last thing; queues come in between. */
bool virtio_init(VirtIODevice *vdev, Error **errp);
void virtio_cleanup(VirtIODevice *vdev);
/* Before virtio_cleanup(), on the loop of queues that are not the main
 * loop's: no handler runs any more. */
void virtio_delete_queues(VirtIODevice *vdev);
/* The next queue: @size slots at most (power of two). */
VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size,
                            VirtQueueHandler handler);
VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned n);
unsigned virtio_queue_index(const VirtQueue *vq);
unsigned virtio_queue_size(const VirtQueue *vq); /* as the driver chose it */
bool virtio_queue_ready(const VirtQueue *vq);
/* Where kicks of @vq are handled; NULL: the main loop.  Device drained. */
void virtio_set_queue_loop(VirtQueue *vq, EventLoop *loop);
/* Kicks it as the driver would (the device has room again). */
void virtio_queue_schedule(VirtQueue *vq);

void virtio_device_register(const DeviceInfo *info);

/* ---- requests ---------------------------------------------------------------- */

/* The next request in @size bytes of which VirtQueueElement is the head (the
 * rest is zero), or NULL.  Give it back by push or unpop, then g_free. */
void *virtqueue_pop(VirtQueue *vq, size_t size);
/* The request is done and @len bytes of its in-buffers were written.  Does
 * not interrupt; after a reset it only lets go of the memory. */
void virtqueue_push(VirtQueueElement *e, size_t len);
/* The same in two steps: fill 0..n-1, then show them all at once. */
void virtqueue_fill(VirtQueueElement *e, size_t len, unsigned n);
void virtqueue_flush(VirtQueue *vq, unsigned count);
/* Undoes the last pop. */
void virtqueue_unpop(VirtQueueElement *e);
/* Lets go of its memory and forgets it: the ring is broken or was reset. */
void virtqueue_drop(VirtQueueElement *e);
bool virtqueue_empty(VirtQueue *vq);
/* Asks the driver (not) to kick.  After on, look at the ring again. */
void virtqueue_set_notification(VirtQueue *vq, bool on);
/* Interrupts if the driver wants to hear of what was pushed. */
void virtio_notify(VirtQueue *vq);
/* The configuration changed: bumps its generation and interrupts. */
void virtio_notify_config(VirtIODevice *vdev);
/* The guest broke the protocol: the device stops until it is reset. */
void virtio_error(VirtIODevice *vdev, const char *fmt, ...) PRINTF(2, 3);
/* Saved with the device: requests it holds. */
void virtqueue_save_element(VMStateWriter *w, const VirtQueueElement *e);
void *virtqueue_load_element(VirtIODevice *vdev, VMStateReader *r, size_t size,
                             Error **errp);

size_t virtio_iov_copy_from(const struct iovec *iov, unsigned n, size_t off,
                            void *buf, size_t len);
size_t virtio_iov_copy_to(const struct iovec *iov, unsigned n, size_t off,
                          const void *buf, size_t len);

/* ---- for transports ---------------------------------------------------------- */

uint64_t virtio_offered_features(VirtIODevice *vdev, bool legacy);
/* False: DRIVER_OK stands, or a bit was not offered (it is dropped). */
bool virtio_set_features(VirtIODevice *vdev, uint64_t features, bool legacy);
void virtio_set_status(VirtIODevice *vdev, uint8_t status, bool legacy);
void virtio_reset(VirtIODevice *vdev);
/* Bytes past the end read as zero and ignore writes. */
uint32_t virtio_config_read(VirtIODevice *vdev, uint32_t addr, unsigned size);
void virtio_config_write(VirtIODevice *vdev, uint32_t addr, uint32_t val,
                         unsigned size);
/* A kick: handled on the queue's loop soon (@later), or now. */
void virtio_queue_kick(VirtIODevice *vdev, unsigned n, bool later);
void virtio_set_dma_off(VirtIODevice *vdev, bool off);

extern const VMStateDescription vmstate_virtio;

#endif
