/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The i440FX host bridge and PIIX3 south bridge, as a machine wires them. */
#ifndef HW_I386_I440FX_H
#define HW_I386_I440FX_H

#include "hw/isa.h"
#include "hw/pci.h"

/*
 * Host bridge with PCI bus "pci.0".  @system: what CPUs see; @ram: the main
 * memory, of which PAM and SMRAM show parts; @pci_mem: everything else.
 */
PCIBus *i440fx_create(MemoryRegion *system, MemoryRegion *io,
                      MemoryRegion *pci_mem, MemoryRegion *ram, Error **errp);
/* PIIX3 in slot 1.0 of @bus.  @gsi: 24 lines; PIRQ A-D go where it routes. */
ISABus *piix3_create(PCIBus *bus, IRQ **gsi, Error **errp);

#endif
