/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS structures for firmware, as -smbios changes them.  BQL. */
#ifndef HW_FIRMWARE_SMBIOS_H
#define HW_FIRMWARE_SMBIOS_H

#include "hw/boards.h"
#include "hw/nvram/fw_cfg.h"

/* One -smbios option's text. */
bool smbios_add(const char *text, Error **errp);

typedef struct SmbiosInfo {
    const MachineState *m;
    bool v3;                  /* 64-bit entry point, version 3.0 */
    uint32_t cpuid_1[2];      /* EAX, EDX of leaf 1 */
    struct {
        uint64_t base, size;
    } ram[2];
    unsigned rams;
} SmbiosInfo;

/* Adds etc/smbios/...; once all devices are there. */
bool smbios_setup(FWCfgState *fw, const SmbiosInfo *info, Error **errp);

#endif
