/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the registers of virtio-pci and its eventfds. */
#ifndef HW_VIRTIO_PCI_INT_H
#define HW_VIRTIO_PCI_INT_H

#include "hw/pci.h"
#include "hw/virtio/virtio-int.h"

#define LEG_QUEUE_NOTIFY 16 /* legacy register */

/* Parts of BAR 4. */
enum { PART_COMMON, PART_ISR, PART_DEVICE, PART_NOTIFY, PARTS };

typedef struct VirtIOPCIFds VirtIOPCIFds;

typedef struct VirtIOPCI {
    PCIDevice pci;
    /* Properties. */
    OnOffAuto disable_legacy;
    bool disable_modern;
    bool ioeventfd;
    bool page_per_vq;
    bool pio_notify;
    uint32_t vectors;
    uint32_t class_code;
    /* Guest-visible state. */
    uint32_t dfselect, gfselect;
    uint64_t driver_features;
    uint16_t queue_sel;
    /* Host side. */
    VirtIODevice *vdev;
    BusState *bus;
    VirtIOPCIFds *fds;     /* NULL: all goes through exits */
    bool legacy, modern;
    uint8_t cfg_cap;       /* where the window capability is */
    uint32_t notify_mult;
    MemoryRegion legacy_bar, modern_bar, pio_bar;
    MemoryRegion part[PARTS];
} VirtIOPCI;

/* An interrupt with that vector, or INTx by the ISR bits.  BQL. */
void virtio_pci_notify(void *opaque, uint16_t vector);

/*
 * The driver is up: its kicks signal eventfds and, where the accelerator can
 * route them, eventfds make its MSI-X messages, both without this process.
 * Nothing happens without such an accelerator or with ioeventfd=off.  BQL.
 */
void virtio_pci_fds_start(VirtIOPCI *s);
void virtio_pci_fds_stop(VirtIOPCI *s);

#endif
