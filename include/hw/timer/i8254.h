/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's 8254 timer and the bits of port 61h that hang on it.  BQL. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/isa.h"

#define PIT_HZ 1193182

/* "isa-pit" at port 40h; its unnamed output 0 is channel 0's OUT. */
DeviceState *pit_create(ISABus *bus, IRQ *irq0, Error **errp);
/* Channel 2: OUT now, and its GATE (port 61h bit 0). */
bool pit_get_out(DeviceState *pit, unsigned channel);
void pit_set_gate(DeviceState *pit, unsigned channel, bool level);
bool pit_get_gate(DeviceState *pit, unsigned channel);
/* Period of mode 2/3 output in Hz, 0 when it does not oscillate. */
unsigned pit_get_frequency(DeviceState *pit, unsigned channel);
/* HPET legacy replacement: channel 0 drives IRQ 0 no more. */
void pit_disable_irq(DeviceState *pit, bool disable);

#endif
