/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8259A pair of a PC.  BQL. */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "hw/isa.h"

/*
 * Makes master (ports 20h, 4D0h) and slave (A0h, 4D1h) on @bus, cascaded on
 * IR2; @intr is the master's INT output.  @inputs gets the 16 ISA lines
 * (input 2 is the cascade: NULL).  Sets the INTA functions of x86_platform.
 */
bool i8259_pair_create(ISABus *bus, IRQ *intr, IRQ *inputs[16], Error **errp);
/* The INTA cycle: vector of the highest request (IR7's when it went away). */
int i8259_ack(void);
bool i8259_has_interrupt(void);
void i8259_print(GString *out); /* `info pic` */

#endif
