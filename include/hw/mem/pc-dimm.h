/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DIMMs that come and go: type "pc-dimm".  BQL. */
#ifndef HW_MEM_PC_DIMM_H
#define HW_MEM_PC_DIMM_H

#include "exec/memory.h"
#include "hw/qdev.h"

typedef struct PCDIMM {
    DeviceState qdev;
    /* Properties. */
    uint64_t addr;     /* 0: the machine picks one */
    uint32_t node;
    int32_t slot;      /* -1: the machine picks one */
    Object *memdev;
    /* Host side. */
    MemoryRegion mr;   /* ready once realized; the machine maps it */
    uint64_t size;
} PCDIMM;

/* Before realize, so that a refusal costs nothing: the size of the backend. */
bool pc_dimm_get_size(PCDIMM *d, uint64_t *size, Error **errp);

#endif
