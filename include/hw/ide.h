/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE as machines see it. */
#ifndef HW_IDE_H
#define HW_IDE_H

#include "hw/qdev.h"
#include "hw/pci.h"

/* PIIX3's IDE function at @devfn; its channels are buses "ide.0" and "ide.1",
 * on ISA interrupts 14 and 15 (@gsi, the machine's array of lines). */
PCIDevice *piix3_ide_create(PCIBus *bus, int devfn, IRQ **gsi, Error **errp);
/* Drive @unit of channel @channel; NULL if none. */
DeviceState *piix3_ide_drive(PCIDevice *ide, int channel, int unit);
/* Makes drives for all `if=ide` of the command line. */
bool piix3_ide_add_drives(PCIDevice *ide, Error **errp);

/* Geometry for the firmware (CMOS); false: not a disk. */
typedef struct IDEChs {
    uint32_t cyls, heads, secs;
    int trans; /* BIOS_TRANS_x */
} IDEChs;
bool ide_drive_chs(DeviceState *dev, IDEChs *out);

#endif
