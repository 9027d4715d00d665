/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory hot plug by ACPI: registers at 0A00h.  Layout: QEMU's documentation
 * "QEMU<->ACPI BIOS memory hotplug interface".  BQL.
 */
#ifndef HW_ACPI_MEM_HOTPLUG_H
#define HW_ACPI_MEM_HOTPLUG_H

#include "exec/memory.h"
#include "hw/qdev.h"

#define MEM_HOTPLUG_PORT  0x0a00
#define MEM_HOTPLUG_PORTS 24
#define MEM_HOTPLUG_MAX   256

typedef struct MemHotplugSlot {
    /* Guest-visible state. */
    uint8_t inserting, removing;
    uint32_t ost_event, ost_status;
    /* Host side. */
    DeviceState *dimm; /* NULL: empty */
} MemHotplugSlot;

typedef struct MemHotplug {
    /* Guest-visible state. */
    uint32_t selector;
    MemHotplugSlot slot[MEM_HOTPLUG_MAX];
    /* Host side. */
    unsigned slots;
    MemoryRegion io;
} MemHotplug;

void memhp_init(MemHotplug *s, Object *owner, MemoryRegion *io,
                unsigned slots);
/* As for CPUs. */
void memhp_plug(MemHotplug *s, unsigned slot, DeviceState *dimm, bool late);
void memhp_unplug_request(MemHotplug *s, unsigned slot);
void memhp_reset(MemHotplug *s);
/* For query-acpi-ospm-status. */
typedef struct ACPIOSTInfo ACPIOSTInfo;
ACPIOSTInfo *memhp_ost(const MemHotplug *s, unsigned slot);

extern const VMStateDescription vmstate_memhp;

#endif
