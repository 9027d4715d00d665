/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's back door: an IN from port 5658h with a magic number in EAX is a
 * command in ECX, answered in all registers.  BQL.
 */
#ifndef HW_I386_VMPORT_H
#define HW_I386_VMPORT_H

#include "hw/isa.h"

enum { VMPORT_GET_VERSION = 0x0a, VMPORT_GET_RAM_SIZE = 0x14,
       VMPORT_ABS_DATA = 0x27, VMPORT_ABS_STATUS = 0x28,
       VMPORT_ABS_COMMAND = 0x29, VMPORT_COMMANDS = 0x2c };

/* EAX, EBX, ECX, EDX, ESI, EDI as the guest has them and as it gets them. */
typedef struct VMPortRegs {
    uint32_t eax, ebx, ecx, edx, esi, edi;
} VMPortRegs;

typedef void (*VMPortFn)(void *opaque, VMPortRegs *r);

/* The board's; a command has one taker. */
void vmport_register(unsigned command, VMPortFn fn, void *opaque);
bool vmport_create(ISABus *bus, Error **errp);

#endif
