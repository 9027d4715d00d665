/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX4's power management function.  BQL. */
#ifndef HW_ACPI_PIIX4_H
#define HW_ACPI_PIIX4_H

#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/mem-hotplug.h"
#include "hw/pci.h"

/* Written to APMC (B2h) to enter and leave ACPI mode; the FADT names them. */
#define PIIX4_ACPI_ENABLE  0xf1
#define PIIX4_ACPI_DISABLE 0xf0

#define PIIX4_GPE_BASE 0xafe0
#define PIIX4_GPE_LEN  4 /* two bytes of status, two of enables */

/* What the board has for hot plug. */
typedef struct PIIX4Config {
    IRQ *sci;                 /* GSI 9 */
    unsigned possible_cpus;
    const uint32_t *apic_ids; /* of each possible CPU; borrowed */
    unsigned mem_slots;
    bool smm;                 /* the CPUs have it: SMI# does something */
} PIIX4Config;

/* "PIIX4_PM" in slot 1.3.  @s3, @s4: sleep types for firmware. */
bool piix4_pm_create(PCIBus *bus, const PIIX4Config *cfg, uint8_t *s3,
                     uint8_t *s4, Error **errp);
/* Where firmware put the PM registers; 0: nowhere. */
uint16_t piix4_pm_base(void);
CPUHotplug *piix4_cpuhp(void); /* NULL: there is no PIIX4 */
MemHotplug *piix4_memhp(void);
/* Sets a general purpose event's status bit: 1 PCI, 2 CPU, 3 memory
 * hotplug, 5 the generation ID. */
void piix4_pm_raise_gpe(unsigned bit);

#endif
