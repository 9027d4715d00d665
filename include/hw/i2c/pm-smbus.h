/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX4's SMBus host controller with EEPROMs of memory modules.  BQL. */
#ifndef HW_I2C_PM_SMBUS_H
#define HW_I2C_PM_SMBUS_H

#include "exec/memory.h"
#include "hw/vmstate.h"

#define SMBUS_EEPROMS 8 /* at 50h to 57h */
#define SMBUS_BLOCK   32

typedef struct PMSMBus {
    /* Guest-visible state. */
    uint8_t sts, cnt, cmd, addr, data0, data1;
    uint8_t block[SMBUS_BLOCK], block_index;
    uint8_t eeprom[SMBUS_EEPROMS * 256];
    uint8_t eeprom_at[SMBUS_EEPROMS]; /* where the next byte is read */
    /* Host side. */
    MemoryRegion io;
} PMSMBus;

/* 64 ports in s->io, which the caller maps. */
void pm_smbus_init(PMSMBus *s, Object *owner);
void pm_smbus_reset(PMSMBus *s);

extern const VMStateDescription vmstate_pm_smbus;

#endif
