/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eventfds of a virtio-pci device whose driver is up (docs/kvm.md).
 *
 *   kick:  the guest's write --accelerator--> eventfd --> the queue's loop,
 *          or the kernel's vhost
 *   call:  the queue's thread, or vhost --> eventfd --accelerator--> MSI-X
 *
 * A masked vector, and INTx, are not the accelerator's: the main loop reads
 * their eventfds then and does what the device model does.
 */
#include "osdep.h"
#include <sys/eventfd.h>
#include "exec/accel.h"
#include "hw/intc/kernel-irqchip.h"
#include "virtio-pci-int.h"

typedef struct Call {
    VirtIOPCI *s;
    unsigned vector;
    int fd;        /* -1: no queue uses it */
    int gsi;       /* -1: none yet */
    bool routed;   /* the accelerator has it */
} Call;

struct VirtIOPCIFds {
    int *kick;     /* [queues], -1: not enabled */
    unsigned queues;
    Call *call;    /* [vectors + 1]; the last is INTx */
    unsigned vectors;
};

/* ---- kicks ---------------------------------------------------------------- */

static void map_kick(VirtIOPCI *s, unsigned n, int fd, bool on)
{
    void (*fn)(MemoryRegion *, hwaddr, unsigned, bool, uint64_t, int) =
        on ? memory_region_add_eventfd : memory_region_del_eventfd;

    if (s->modern) {
        fn(&s->part[PART_NOTIFY], n * (hwaddr)s->notify_mult, 2, false, 0, fd);
    }
    if (s->pio_notify) {
        fn(&s->pio_bar, 0, 2, true, n, fd);
    }
    if (s->legacy) {
        fn(&s->legacy_bar, LEG_QUEUE_NOTIFY, 2, true, n, fd);
    }
}

static int kick_fd(void *opaque, unsigned queue)
{
    VirtIOPCIFds *f = ((VirtIOPCI *)opaque)->fds;

    return f && queue < f->queues ? f->kick[queue] : -1;
}

/* ---- calls ---------------------------------------------------------------- */

static void called(void *opaque)
{
    Call *c = opaque;
    eventfd_t n;

    eventfd_read(c->fd, &n);
    atomic_fetch_or(&c->s->vdev->isr, 1);
    virtio_pci_notify(c->s, c->vector);
}

static void call_route(Call *c)
{
    uint64_t addr;
    uint32_t data;
    bool live = kernel_irqchip && c->vector < c->s->fds->vectors &&
                msix_message(&c->s->pci, c->vector, &addr, &data);

    if (live && c->gsi < 0) {
        c->gsi = kernel_irqchip->add_msi_route(addr, data);
    } else if (live) {
        kernel_irqchip->set_msi_route(c->gsi, addr, data);
    }
    live = live && c->gsi >= 0;
    if (live == c->routed) {
        return;
    }
    if (live) {
        loop_set_fd(loop_main(), c->fd, NULL, NULL, NULL);
        live = kernel_irqchip->irqfd(c->gsi, c->fd, true) == 0;
    } else {
        kernel_irqchip->irqfd(c->gsi, c->fd, false);
    }
    if (!live) {
        loop_set_fd(loop_main(), c->fd, called, NULL, c);
    }
    c->routed = live;
}

static void call_open(VirtIOPCI *s, unsigned i, unsigned vector)
{
    Call *c = &s->fds->call[i];

    c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->vector = vector;
    if (c->fd >= 0) {
        loop_set_fd(loop_main(), c->fd, called, NULL, c);
        call_route(c);
    }
}

static void call_close(Call *c)
{
    if (c->fd < 0) {
        return;
    }
    if (c->routed) {
        kernel_irqchip->irqfd(c->gsi, c->fd, false);
    } else {
        loop_set_fd(loop_main(), c->fd, NULL, NULL, NULL);
    }
    if (c->gsi >= 0) {
        kernel_irqchip->remove_route(c->gsi);
    }
    close(c->fd);
}

static void vector_changed(PCIDevice *d, unsigned vector)
{
    VirtIOPCIFds *f = ((VirtIOPCI *)d)->fds;

    if (f && vector < f->vectors && f->call[vector].fd >= 0) {
        call_route(&f->call[vector]);
    }
}

/* Any thread that works on a queue of a device that is up. */
static int call_fd(void *opaque, unsigned vector)
{
    VirtIOPCI *s = opaque;
    VirtIOPCIFds *f = s->fds;

    if (!f) {
        return -1;
    }
    if (!msix_enabled(&s->pci)) {
        return f->call[f->vectors].fd;
    }
    return vector < f->vectors ? f->call[vector].fd : -1;
}

/* ---- up and down ---------------------------------------------------------- */

void virtio_pci_fds_start(VirtIOPCI *s)
{
    VirtIODevice *vdev = s->vdev;
    VirtIOPCIFds *f;

    if (!accel || !accel->has_eventfds || !s->ioeventfd || s->fds) {
        return;
    }
    f = s->fds = g_new0(VirtIOPCIFds, 1);
    f->queues = vdev->num_queues;
    f->kick = g_new(int, f->queues);
    f->vectors = s->pci.msix_entries;
    f->call = g_new(Call, f->vectors + 1);
    for (unsigned i = 0; i <= f->vectors; i++) {
        f->call[i] = (Call){ .s = s, .fd = -1, .gsi = -1 };
    }
    call_open(s, f->vectors, VIRTIO_NO_VECTOR);
    for (unsigned i = 0; i < f->queues; i++) {
        VirtQueue *vq = virtio_queue(vdev, i);

        f->kick[i] = vq->enabled ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
        if (f->kick[i] < 0) {
            continue;
        }
        if (vq->vector < f->vectors && f->call[vq->vector].fd < 0) {
            call_open(s, vq->vector, vq->vector);
        }
        map_kick(s, i, f->kick[i], true);
        virtio_queue_watch(vq, f->kick[i]);
    }
    vdev->kick_fd = kick_fd;
    vdev->call_fd = call_fd;
    s->pci.msix_changed = vector_changed;
}

void virtio_pci_fds_stop(VirtIOPCI *s)
{
    VirtIOPCIFds *f = s->fds;

    if (!f) {
        return;
    }
    for (unsigned i = 0; i < f->queues; i++) {
        if (f->kick[i] < 0) {
            continue;
        }
        map_kick(s, i, f->kick[i], false);
        if (s->vdev) {
            virtio_queue_watch(virtio_queue(s->vdev, i), -1);
        }
        close(f->kick[i]);
    }
    s->pci.msix_changed = NULL;
    if (s->vdev) {
        s->vdev->kick_fd = s->vdev->call_fd = NULL;
    }
    for (unsigned i = 0; i <= f->vectors; i++) {
        call_close(&f->call[i]);
    }
    s->fds = NULL;
    g_free(f->kick);
    g_free(f->call);
    g_free(f);
}
