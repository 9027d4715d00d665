/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parallel NOR flash, Intel command set: "cfi.pflash01".  BQL. */
#ifndef HW_BLOCK_FLASH_H
#define HW_BLOCK_FLASH_H

#include "block/block.h"
#include "exec/memory.h"
#include "hw/qdev.h"

#define FLASH_SECTOR 4096

/* A flash of the size of @blk, which must be whole sectors.  The caller maps
 * *@mr. */
DeviceState *pflash_cfi01_create(BlockBackend *blk, const char *name,
                                 MemoryRegion **mr, Error **errp);

#endif
