/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event timers at FED00000h.  BQL. */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "exec/memory.h"
#include "hw/qdev.h"

#define HPET_BASE 0xfed00000
#define HPET_SIZE 0x400
/* What of the capabilities register names the block in ACPI's HPET table. */
#define HPET_BLOCK_ID 0x8086a201

/*
 * A "hpet" at HPET_BASE of @mem.  @gsi: 32 lines (NULL: none).  The PIT and
 * the RTC are to drive *@pit and *@rtc, which go on to GSI 0 and 8 unless the
 * guest has the timers replace them.
 */
DeviceState *hpet_create(MemoryRegion *mem, IRQ **gsi, uint32_t routes,
                         IRQ **pit, IRQ **rtc, Error **errp);

#endif
