/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_I386_PC_MACHINES_H
#define HW_I386_PC_MACHINES_H

#include "hw/boards.h"

/* Registers every version of the PC, newest first: @base with the name, the
 * defaults and the compat tables of each. */
void pc_machines_register(const MachineInfo *base);

#endif
