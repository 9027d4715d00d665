/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of this folder: what a configuration write may concern. */
#ifndef HW_PCI_INT_H
#define HW_PCI_INT_H

#include "hw/pci.h"

void msi_config_written(PCIDevice *d, uint32_t addr, unsigned len);
void msix_config_written(PCIDevice *d, uint32_t addr, unsigned len);
void pci_bridge_config_written(PCIDevice *d, uint32_t addr, unsigned len);
void msi_reset(PCIDevice *d);
void msix_reset(PCIDevice *d);

#endif
