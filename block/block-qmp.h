/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer's monitor side.  Main thread. */
#ifndef BLOCK_QMP_H
#define BLOCK_QMP_H

#include "block/block.h"
#include "qapi/qapi-types.h"

/* Hooks, and draining at the VM's stop.  Once, before the machine is made. */
void block_emu_init(void);
/* Exactly one of @device (the drive's name) and @id (the device's). */
BlockBackend *block_find_device(const char *device, const char *id,
                                Error **errp);
/* blockdev-change-medium and HMP's change. */
void block_change_medium(const char *device, const char *id,
                         const char *filename, const char *format, bool force,
                         BlockdevChangeReadOnlyMode mode, Error **errp);

#endif
