/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX4's power management function.  BQL. */
#ifndef HW_ACPI_PIIX4_H
#define HW_ACPI_PIIX4_H

#include "hw/pci.h"

/* Written to APMC (B2h) to enter and leave ACPI mode; the FADT names them. */
#define PIIX4_ACPI_ENABLE  0xf1
#define PIIX4_ACPI_DISABLE 0xf0

/* "PIIX4_PM" in slot 1.3; @sci: GSI 9.  @s3, @s4: sleep types for firmware. */
bool piix4_pm_create(PCIBus *bus, IRQ *sci, uint8_t *s3, uint8_t *s4,
                     Error **errp);
/* Sets a general purpose event's status bit: 1 PCI, 2 CPU, 3 memory hotplug. */
void piix4_pm_raise_gpe(unsigned bit);

#endif
