/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs and the I/O APIC of user space.  BQL. */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include "exec/x86.h"
#include "hw/qdev.h"

#define APIC_DEFAULT_BASE   0xfee00000
#define IOAPIC_DEFAULT_BASE 0xfec00000
#define IOAPIC_PINS         24

/* Maps the APIC page (MSI window too) into @mem and fills x86_apic_ops.
 * Once, before the first vCPU. */
void apic_bus_init(MemoryRegion *mem);
/* The local APIC of @cpu, unless the kernel has it; goes when the CPU device
 * goes. */
bool apic_create(CPUState *cpu, uint32_t id, Error **errp);

/* An interrupt message, as an MSI write or an I/O APIC sends it. */
void apic_deliver_msi(hwaddr addr, uint32_t data);
/* The 8259's INT at every LINT0; inject-nmi at LINT1 of @cpu. */
void apic_set_pic_intr(int level);
void apic_lint1_nmi(CPUState *cpu);

/* "ioapic" at @base in @mem; unnamed inputs are the GSIs (0 goes to pin 2). */
DeviceState *ioapic_create(MemoryRegion *mem, hwaddr base, Error **errp);
/* A level-triggered @vector was served by some CPU. */
void ioapic_eoi_broadcast(uint8_t vector);
void ioapic_print(GString *out);

#endif
