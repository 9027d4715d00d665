/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device core: status, features, configuration, queues and their
 * kicks, resets, saved state.  Virtio 1.1, sections 2 and 3.
 *
 *   kick: transport -> virtio_queue_kick() -> BH on the queue's loop
 *         -> handler -> virtqueue_pop() ... push() -> virtio_notify()
 *         -> transport's notify() (MSI-X, INTx), with the BQL
 *
 * A device whose requests are under way when the driver resets it must not
 * write to memory that the driver takes back: such a reset ends only when they
 * have (status reads as before until then, 2.1.2).  A legacy driver does not
 * look; requests it left behind end on their own.
 */
#include "osdep.h"
#include <sys/eventfd.h>
#include "exec/cpu.h"
#include "hw/virtio/virtio-int.h"
#include "util/iothread.h"
#include "util/log.h"

/* ---- queues ------------------------------------------------------------------- */

static void queue_run(void *opaque)
{
    VirtQueue *vq = opaque;
    VirtIODevice *vdev = vq->vdev;

    /* A kick while the VM stands still is remembered by the ring itself. */
    if (vdev->vm_running && !vdev->broken && !vdev->resetting &&
        vq->enabled && !vq->taken && vq->handler && !atomic_load(&vq->resetting) &&
        (vdev->status & VIRTIO_S_DRIVER_OK ||
         !virtio_has(vdev, VIRTIO_F_VERSION_1))) {
        vq->handler(vdev, vq);
    }
}

static void kicked(void *opaque)
{
    VirtQueue *vq = opaque;
    eventfd_t n;

    eventfd_read(vq->kick_fd, &n);
    queue_run(vq);
}

static void watch_on(void *opaque)
{
    VirtQueue *vq = opaque;

    loop_set_fd(vq->loop, vq->kick_fd, kicked, NULL, vq);
}

static void watch_off(void *opaque)
{
    VirtQueue *vq = opaque;

    loop_set_fd(vq->loop, vq->kick_fd, NULL, NULL, NULL);
}

static void on_its_loop(VirtQueue *vq, LoopFn fn)
{
    if (vq->loop == loop_main()) {
        fn(vq);
    } else {
        loop_run_on(vq->loop, fn, vq);
    }
}

void virtio_queue_watch(VirtQueue *vq, int fd)
{
    if (vq->kick_fd >= 0) {
        on_its_loop(vq, watch_off);
    }
    vq->kick_fd = fd;
    if (fd >= 0) {
        on_its_loop(vq, watch_on);
    }
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size,
                            VirtQueueHandler handler)
{
    VirtQueue *vq = &vdev->queues[vdev->num_queues];

    assert(vdev->num_queues < VIRTIO_QUEUE_MAX && size &&
           size <= VIRTQUEUE_MAX_SIZE && !(size & (size - 1)));
    vq->vdev = vdev;
    vq->index = vdev->num_queues++;
    vq->max = size;
    vq->filled = g_new(UsedEntry, size);
    vq->handler = handler;
    vq->loop = loop_main();
    vq->kick_fd = -1;
    vq->bh = bh_new(vq->loop, queue_run, vq);
    virtqueue_reset(vq);
    return vq;
}

VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned n)
{
    assert(n < vdev->num_queues);
    return &vdev->queues[n];
}

unsigned virtio_queue_index(const VirtQueue *vq)
{
    return vq->index;
}

unsigned virtio_queue_size(const VirtQueue *vq)
{
    return vq->num;
}

bool virtio_queue_ready(const VirtQueue *vq)
{
    return vq->enabled && !vq->vdev->broken &&
           (vq->vdev->status & VIRTIO_S_DRIVER_OK);
}

void virtio_set_queue_loop(VirtQueue *vq, EventLoop *loop)
{
    loop = loop ? loop : loop_main();
    if (loop != vq->loop) {
        int fd = vq->kick_fd;

        virtio_queue_watch(vq, -1);
        bh_delete(vq->bh);
        vq->loop = loop;
        vq->bh = bh_new(loop, queue_run, vq);
        virtio_queue_watch(vq, fd);
    }
}

void virtio_queue_schedule(VirtQueue *vq)
{
    if (vq->bh) {
        bh_schedule(vq->bh);
    }
}

void virtio_queue_kick(VirtIODevice *vdev, unsigned n, bool later)
{
    VirtQueue *vq;

    if (n >= vdev->num_queues) {
        log_guest_error("%s: kick of queue %u\n", vdev->qdev.info->name, n);
        return;
    }
    vq = &vdev->queues[n];
    if (later || vq->loop != loop_main()) {
        bh_schedule(vq->bh);
    } else {
        queue_run(vq);
    }
}

/* ---- interrupts ---------------------------------------------------------------- */

static void notify_queue(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    atomic_fetch_or(&vdev->isr, 1);
    vdev->notify(vdev->transport, vq->vector);
}

static void mark_broken(VirtIODevice *vdev)
{
    if (virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_S_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

/* What other threads have asked for. */
static void notify_bh(void *opaque)
{
    VirtIODevice *vdev = opaque;

    for (unsigned i = 0; i < vdev->num_queues; i++) {
        if (atomic_exchange(&vdev->queues[i].notify, false)) {
            notify_queue(&vdev->queues[i]);
        }
    }
    if (atomic_exchange(&vdev->notify_broken, false) &&
        atomic_load(&vdev->broken)) {
        mark_broken(vdev);
    }
    if (atomic_exchange(&vdev->notify_config, false)) {
        virtio_notify_config(vdev);
    }
}

void virtio_notify(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;
    int fd;

    if (!virtqueue_should_notify(vq)) {
        return;
    }
    if (bql_locked()) {
        notify_queue(vq);
        return;
    }
    fd = vdev->call_fd ? vdev->call_fd(vdev->transport, vq->vector) : -1;
    if (fd >= 0) {
        atomic_fetch_or(&vdev->isr, 1);
        eventfd_write(fd, 1);
    } else {
        atomic_store(&vq->notify, true);
        bh_schedule(vdev->notify_bh);
    }
}

void virtio_notify_config(VirtIODevice *vdev)
{
    if (!bql_locked()) {
        atomic_store(&vdev->notify_config, true);
        bh_schedule(vdev->notify_bh);
        return;
    }
    if (!(vdev->status & VIRTIO_S_DRIVER_OK)) {
        return;
    }
    vdev->generation++;
    atomic_fetch_or(&vdev->isr, 3);
    vdev->notify(vdev->transport, vdev->config_vector);
}

void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (atomic_exchange(&vdev->broken, true)) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (!vdev->reported) {
        vdev->reported = true;
        error_report("%s: %s; the device stops until the guest resets it",
                     vdev->qdev.info->name, text);
    }
    log_guest_error("%s: %s\n", vdev->qdev.info->name, text);
    if (bql_locked()) {
        mark_broken(vdev);
    } else {
        atomic_store(&vdev->notify_broken, true);
        bh_schedule(vdev->notify_bh);
    }
}

/* ---- features and status ---------------------------------------------------------- */

/* What a legacy driver cannot know. */
#define MODERN_ONLY (~(uint64_t)UINT32_MAX)

uint64_t virtio_offered_features(VirtIODevice *vdev, bool legacy)
{
    uint64_t f = vdev->host_features;

    if (vdev->modern) {
        f |= BIT(VIRTIO_F_VERSION_1);
    }
    if (vdev->vinfo->get_features) {
        f = vdev->vinfo->get_features(vdev, f);
    }
    return legacy ? f & ~MODERN_ONLY
                  : f & ~(BIT(VIRTIO_F_NOTIFY_ON_EMPTY) |
                          BIT(VIRTIO_F_ANY_LAYOUT));
}

bool virtio_set_features(VirtIODevice *vdev, uint64_t f, bool legacy)
{
    uint64_t offered = virtio_offered_features(vdev, legacy);
    bool ok = !(f & ~offered);

    /* 3.1.1: the choice ends with FEATURES_OK (legacy: DRIVER_OK). */
    if (vdev->status & (VIRTIO_S_DRIVER_OK | VIRTIO_S_FEATURES_OK)) {
        return false;
    }
    vdev->guest_features = f & offered;
    if (vdev->vinfo->set_features) {
        vdev->vinfo->set_features(vdev, vdev->guest_features);
    }
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        atomic_store(&vdev->queues[i].stale, true);
    }
    return ok;
}

static void set_started(VirtIODevice *vdev, bool on)
{
    if (vdev->started) {
        vdev->started(vdev->transport, on);
    }
}

void virtio_set_status(VirtIODevice *vdev, uint8_t status, bool legacy)
{
    uint8_t old = vdev->status;

    if (status == 0) {
        virtio_reset(vdev);
        return;
    }
    if (vdev->resetting) {
        return;
    }
    /* Bits are only added; a driver cannot clear NEEDS_RESET. */
    status |= old;
    if (!legacy && (status & ~old & VIRTIO_S_FEATURES_OK) &&
        !virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        status &= ~VIRTIO_S_FEATURES_OK;
    }
    vdev->status = status;
    if (status & ~old & VIRTIO_S_DRIVER_OK) {
        set_started(vdev, true);
    }
    if (vdev->vinfo->set_status) {
        vdev->vinfo->set_status(vdev, status);
    }
    /* Linux kicks some queues before it is ready. */
    for (unsigned i = 0; (status & ~old & VIRTIO_S_DRIVER_OK) &&
         i < vdev->num_queues; i++) {
        if (vdev->queues[i].enabled) {
            bh_schedule(vdev->queues[i].bh);
        }
    }
}

static void finish_reset(VirtIODevice *vdev)
{
    vdev->resetting = false;
    if (vdev->status & VIRTIO_S_DRIVER_OK) {
        set_started(vdev, false);
    }
    if (vdev->vinfo->reset) {
        vdev->vinfo->reset(vdev);
    }
    vdev->guest_features = 0;
    vdev->status = 0;
    vdev->isr = 0;
    atomic_store(&vdev->broken, false);
    vdev->generation = 0;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        virtqueue_reset(&vdev->queues[i]);
    }
    vdev->notify(vdev->transport, VIRTIO_NO_VECTOR);
}

static void nothing(void *opaque)
{
}

/* The loop that is not the main loop and runs handlers; NULL: none. */
static EventLoop *other_loop(const VirtIODevice *vdev)
{
    return vdev->num_queues && vdev->queues[0].loop != loop_main()
               ? vdev->queues[0].loop : NULL;
}

static bool must_wait(VirtIODevice *vdev)
{
    return other_loop(vdev) ||
           (vdev->vinfo->busy && vdev->vinfo->busy(vdev));
}

static void finish_queue_reset(VirtQueue *vq)
{
    if (vq->vdev->vinfo->queue_reset) {
        vq->vdev->vinfo->queue_reset(vq->vdev, vq);
    }
    virtqueue_reset(vq);
}

static void reset_later(void *opaque)
{
    VirtIODevice *vdev = opaque;

    if (vdev->resetting) {
        vdev->vinfo->drain(vdev);
        finish_reset(vdev);
        return;
    }
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        if (atomic_load(&vdev->queues[i].resetting)) {
            vdev->vinfo->drain(vdev);
            finish_queue_reset(&vdev->queues[i]);
        }
    }
}

void virtio_queue_reset(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    if (!vq->enabled || vdev->resetting || atomic_load(&vq->resetting)) {
        return;
    }
    atomic_store(&vq->resetting, true);
    if (!must_wait(vdev)) {
        finish_queue_reset(vq);
    } else if (current_cpu) {
        bh_schedule(vdev->reset_bh);
    } else {
        vdev->vinfo->drain(vdev);
        finish_queue_reset(vq);
    }
}

void virtio_reset(VirtIODevice *vdev)
{
    if (must_wait(vdev)) {
        vdev->resetting = true; /* no new ones */
        if (!current_cpu) {
            vdev->vinfo->drain(vdev);
        } else if (virtio_has(vdev, VIRTIO_F_VERSION_1)) {
            /* Only the main thread can wait for them. */
            bh_schedule(vdev->reset_bh);
            return;
        } else if (other_loop(vdev)) {
            /* At least no handler looks at the ring any more. */
            loop_run_on(other_loop(vdev), nothing, NULL);
        }
    }
    finish_reset(vdev);
}

void virtio_set_dma_off(VirtIODevice *vdev, bool off)
{
    vdev->dma_off = off;
}

/* ---- configuration ------------------------------------------------------------------ */

uint32_t virtio_config_read(VirtIODevice *vdev, uint32_t addr, unsigned size)
{
    size_t len = vdev->vinfo->config_len;
    uint32_t v = 0;

    if (vdev->vinfo->get_config) {
        vdev->vinfo->get_config(vdev, vdev->config);
    }
    for (unsigned i = 0; i < size && addr + i < len; i++) {
        v |= (uint32_t)vdev->config[addr + i] << (8 * i);
    }
    return v;
}

void virtio_config_write(VirtIODevice *vdev, uint32_t addr, uint32_t val,
                         unsigned size)
{
    size_t len = vdev->vinfo->config_len;

    if (!vdev->vinfo->set_config || addr >= len || size > len - addr) {
        return;
    }
    if (vdev->vinfo->get_config) {
        vdev->vinfo->get_config(vdev, vdev->config);
    }
    for (unsigned i = 0; i < size; i++) {
        vdev->config[addr + i] = val >> (8 * i);
    }
    vdev->vinfo->set_config(vdev, vdev->config);
}

/* ---- life ----------------------------------------------------------------------------- */

static void vm_changed(void *opaque, bool running, RunState state)
{
    VirtIODevice *vdev = opaque;

    vdev->vm_running = running;
    if (vdev->vinfo->vm_state) {
        vdev->vinfo->vm_state(vdev, running);
    }
    if (!running) {
        /* Before a state is saved: what another loop has to tell. */
        notify_bh(vdev);
    }
    for (unsigned i = 0; running && i < vdev->num_queues; i++) {
        /* Kicks that came meanwhile, or before the state was loaded. */
        if (vdev->queues[i].enabled) {
            bh_schedule(vdev->queues[i].bh);
        }
    }
}

static void map_changed(MemoryListener *l)
{
    VirtIODevice *vdev = container_of(l, VirtIODevice, listener);

    for (unsigned i = 0; i < vdev->num_queues; i++) {
        atomic_store(&vdev->queues[i].stale, true);
    }
}

bool virtio_init(VirtIODevice *vdev, Error **errp)
{
    vdev->vinfo = vdev->qdev.info->bus_info;
    if (vdev->host_features & BIT(VIRTIO_F_ACCESS_PLATFORM)) {
        error_setg(errp, "%s: iommu_platform=on needs an IOMMU, which this "
                         "machine does not have", vdev->qdev.info->name);
        return false;
    }
    vdev->queues = g_new0(VirtQueue, VIRTIO_QUEUE_MAX);
    vdev->config_vector = VIRTIO_NO_VECTOR;
    vdev->notify_bh = bh_new(loop_main(), notify_bh, vdev);
    vdev->reset_bh = bh_new(loop_main(), reset_later, vdev);
    vdev->vm_running = runstate_is_running();
    vdev->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                          .fn = vm_changed, .opaque = vdev };
    vm_change_add(&vdev->vm_change);
    vdev->listener = (MemoryListener){ .commit = map_changed };
    memory_listener_register(&vdev->listener, vdev->dma);
    return true;
}

void virtio_delete_queues(VirtIODevice *vdev)
{
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        if (vdev->queues[i].bh && vdev->queues[i].kick_fd >= 0) {
            watch_off(&vdev->queues[i]);
            vdev->queues[i].kick_fd = -1;
        }
        bh_delete(vdev->queues[i].bh);
        vdev->queues[i].bh = NULL;
    }
}

void virtio_cleanup(VirtIODevice *vdev)
{
    memory_listener_unregister(&vdev->listener);
    vm_change_remove(&vdev->vm_change);
    virtio_delete_queues(vdev);
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        virtqueue_unmap(&vdev->queues[i]);
        g_free(vdev->queues[i].filled);
    }
    bh_delete(vdev->notify_bh);
    bh_delete(vdev->reset_bh);
    g_clear_pointer(&vdev->queues, g_free);
    vdev->num_queues = 0;
}

static void device_reset_hook(BusState *bus, DeviceState *dev)
{
    virtio_reset(VIRTIO(dev));
}

void virtio_device_register(const DeviceInfo *info)
{
    device_register(info);
    virtio_pci_register(info);
}

/* ---- saved state ------------------------------------------------------------------------ */

static const VMStateField queue_fields[] = {
    VMSTATE_UINT16(num, VirtQueue),
    VMSTATE_BOOL(enabled, VirtQueue),
    VMSTATE_UINT16(vector, VirtQueue),
    VMSTATE_UINT64_ARRAY(addr, VirtQueue, RING_AREAS),
    VMSTATE_UINT16(last_avail, VirtQueue),
    VMSTATE_BOOL(avail_wrap, VirtQueue),
    VMSTATE_UINT16(used, VirtQueue),
    VMSTATE_BOOL(used_wrap, VirtQueue),
    VMSTATE_UINT16(signalled, VirtQueue),
    VMSTATE_BOOL(signalled_valid, VirtQueue),
    VMSTATE_BOOL(notification, VirtQueue),
    VMSTATE_UINT32(inuse, VirtQueue),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_queue = {
    .name = "virtqueue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = queue_fields,
};

static bool virtio_post_load(void *opaque, int version, Error **errp)
{
    VirtIODevice *vdev = opaque;

    if (vdev->guest_features & ~(virtio_offered_features(vdev, true) |
                                 virtio_offered_features(vdev, false))) {
        error_setg(errp, "%s: features 0x%" PRIx64 " in the state are not "
                         "offered here", vdev->qdev.info->name,
                   vdev->guest_features);
        return false;
    }
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        if (!virtqueue_post_load(&vdev->queues[i], errp)) {
            return false;
        }
    }
    if (vdev->vinfo->set_features) {
        vdev->vinfo->set_features(vdev, vdev->guest_features);
    }
    if (vdev->status & VIRTIO_S_DRIVER_OK) {
        set_started(vdev, true);
    }
    if (vdev->vinfo->set_status) {
        vdev->vinfo->set_status(vdev, vdev->status);
    }
    return true;
}

static const VMStateField virtio_fields[] = {
    VMSTATE_UINT64(guest_features, VirtIODevice),
    VMSTATE_UINT8(status, VirtIODevice),
    { .name = "isr", .kind = VMS_INT, .offset = offsetof(VirtIODevice, isr),
      .size = 1, .count = 1 },
    { .name = "broken", .kind = VMS_INT,
      .offset = offsetof(VirtIODevice, broken), .size = 1, .count = 1 },
    VMSTATE_UINT16(config_vector, VirtIODevice),
    VMSTATE_UINT32(generation, VirtIODevice),
    { .name = "queues", .kind = VMS_STRUCT,
      .offset = offsetof(VirtIODevice, queues), .size = sizeof(VirtQueue),
      .count = VIRTIO_QUEUE_MAX, .pointer = true,
      .count_offset = offsetof(VirtIODevice, num_queues),
      .vmsd = &vmstate_queue },
    VMSTATE_END(),
};

const VMStateDescription vmstate_virtio = {
    .name = "virtio",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = virtio_post_load,
    .fields = virtio_fields,
};

/* ---- the bus ------------------------------------------------------------------------------ */

#define FEATURE(n, b, d) PROP_BIT64(n, VirtIODevice, host_features, b, d)
const Property virtio_base_props[] = {
    FEATURE("indirect_desc", VIRTIO_F_INDIRECT_DESC, true),
    FEATURE("event_idx", VIRTIO_F_EVENT_IDX, true),
    FEATURE("notify_on_empty", VIRTIO_F_NOTIFY_ON_EMPTY, true),
    FEATURE("any_layout", VIRTIO_F_ANY_LAYOUT, true),
    FEATURE("iommu_platform", VIRTIO_F_ACCESS_PLATFORM, false),
    FEATURE("packed", VIRTIO_F_RING_PACKED, false),
    FEATURE("queue_reset", VIRTIO_F_RING_RESET, true),
    PROP_END(),
};

/* For bootindex: the part of the path below the PCI device. */
static char *virtio_fw_dev_path(DeviceState *dev)
{
    return g_strdup(dev->info->fw_name);
}

static const BusInfo virtio_bus_info = {
    .name = BUS_VIRTIO,
    .size = sizeof(BusState),
    .device_type = "virtio-device",
    .device_size = sizeof(VirtIODevice),
    .device_props = virtio_base_props,
    .device_reset = device_reset_hook,
    .fw_dev_path = virtio_fw_dev_path,
};

static void virtio_register(void)
{
    bus_register(&virtio_bus_info);
}
device_init(virtio_register)
