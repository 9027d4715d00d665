/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects memory-backend-ram, -file and -memfd: RAM for machine and DIMMs. */
#ifndef EXEC_HOSTMEM_H
#define EXEC_HOSTMEM_H

#include "exec/memory.h"

/* The block of a complete backend; owned by it.  NULL: @obj is none. */
RAMBlock *memory_backend_block(Object *obj);
/* One user at a time: false (with an error) when it is taken.  A backend in
 * use cannot be deleted. */
bool memory_backend_claim(Object *obj, Error **errp);
void memory_backend_release(Object *obj);

#endif
