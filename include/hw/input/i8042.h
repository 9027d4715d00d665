/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller, for who needs its interrupts.  BQL. */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/qdev.h"

/* A mouse packet that says nothing: drivers of other pointers wait for the
 * mouse's interrupt. */
void i8042_mouse_nudge(DeviceState *dev);

#endif
