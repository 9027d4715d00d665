/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU hot plug by ACPI: registers at AF00h.  Layout: QEMU's documentation
 * "QEMU<->ACPI BIOS CPU hotplug interface".  BQL.
 */
#ifndef HW_ACPI_CPU_HOTPLUG_H
#define HW_ACPI_CPU_HOTPLUG_H

#include "exec/memory.h"
#include "hw/qdev.h"
#include "util/loop.h"

#define CPU_HOTPLUG_PORT  0xaf00
#define CPU_HOTPLUG_PORTS 12
#define CPU_HOTPLUG_MAX   256

typedef struct CPUHotplug {
    /* Guest-visible state. */
    bool modern;             /* the guest left the old bitmap */
    uint32_t selector;
    uint8_t command;
    uint8_t inserting[CPU_HOTPLUG_MAX], removing[CPU_HOTPLUG_MAX];
    uint32_t ost_event[CPU_HOTPLUG_MAX], ost_status[CPU_HOTPLUG_MAX];
    /* Host side. */
    unsigned possible;
    const uint32_t *arch_ids;          /* of each possible CPU; borrowed */
    DeviceState *cpu[CPU_HOTPLUG_MAX]; /* NULL: not there */
    GPtrArray *ejected;                /* DeviceState *, on their way out */
    BH *eject_bh;
    MemoryRegion io;
} CPUHotplug;

void cpuhp_init(CPUHotplug *s, Object *owner, MemoryRegion *io,
                unsigned possible, const uint32_t *arch_ids);
/* CPU @n is there; the guest is told of one that came @late. */
void cpuhp_plug(CPUHotplug *s, unsigned n, DeviceState *cpu, bool late);
/* Asks the guest to let go; ends with device_unplugged(). */
void cpuhp_unplug_request(CPUHotplug *s, unsigned n);
/* Forgets what was asked and told. */
void cpuhp_reset(CPUHotplug *s);
/* For query-acpi-ospm-status. */
typedef struct ACPIOSTInfo ACPIOSTInfo;
ACPIOSTInfo *cpuhp_ost(const CPUHotplug *s, unsigned n);

extern const VMStateDescription vmstate_cpuhp;

#endif
