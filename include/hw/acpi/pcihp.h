/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hot plug by ACPI: the registers at AE00h that the board's AML drives.
 * Layout: QEMU's documentation "QEMU<->ACPI BIOS PCI hotplug interface".  BQL.
 */
#ifndef HW_ACPI_PCIHP_H
#define HW_ACPI_PCIHP_H

#include "hw/pci.h"

#define PCIHP_PORT  0xae00
#define PCIHP_PORTS 0x18
#define PCIHP_BUSES 256

typedef struct PCIHotplug {
    /* Properties of the owner. */
    bool root, bridges;     /* which buses take part */
    /* Guest-visible state. */
    uint32_t selected;      /* bus number of ours, "BSEL" */
    uint32_t index_slot;    /* slot whose acpi-index is shown */
    uint32_t up[PCIHP_BUSES], down[PCIHP_BUSES]; /* a bit each slot */
    /* Host side. */
    PCIBus *bus[PCIHP_BUSES]; /* by BSEL; borrowed */
    unsigned buses;
    MemoryRegion io;
} PCIHotplug;

/* Registers at PCIHP_PORT of @io; buses take part once all cold devices are
 * there, at the first pcihp_reset(). */
void pcihp_init(PCIHotplug *s, Object *owner, MemoryRegion *io);
/* What was being removed is gone, nothing is announced. */
void pcihp_reset(PCIHotplug *s);
/* BSEL of @bus, -1: nothing is plugged there. */
int pcihp_bus_number(const PCIBus *bus);
/* Empty, or holding what may go. */
bool pcihp_slot_removable(const PCIBus *bus, unsigned slot);

extern const VMStateDescription vmstate_pcihp;

#endif
