/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's ACPI tables: what they are made from.  Private to hw/i386. */
#ifndef HW_I386_ACPI_BUILD_H
#define HW_I386_ACPI_BUILD_H

#include "hw/acpi/aml.h"
#include "hw/acpi/vmgenid.h"
#include "hw/boards.h"
#include "hw/core/numa.h"
#include "hw/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci.h"

typedef struct AcpiInfo {
    /* Borrowed from the machine. */
    const CpuTopology *smp;
    const NumaState *numa;
    FWCfgState *fw_cfg;
    PCIBus *pci;
    ISABus *isa;
    DeviceState *rtc;
    DeviceState *const *cpus;     /* those that are there */
    const uint32_t *apic_ids;     /* of each possible CPU */
    const char *oem_id, *oem_table_id;
    uint64_t low_size, high_size; /* RAM */
    uint64_t hotplug_base, hotplug_size; /* where DIMMs may come */
    unsigned mem_slots;
    uint8_t s3, s4;               /* as in "etc/system-states" */
    bool hpet;
    bool vmgenid;
    /* Found anew with each building, when firmware has placed the BARs. */
    uint64_t hole_start;          /* PCI below 4 GiB, up to FEBFFFFFh */
    uint64_t hole64_start, hole64_size;
} AcpiInfo;

/* Adds the files that firmware's table loader wants; they are made again when
 * the guest first reads them after a reset.  @info is kept. */
const AcpiInfo *acpi_info_now(void);
bool acpi_setup(AcpiInfo *info, Error **errp);
void acpi_build_dsdt(Aml *a, const AcpiInfo *info);
/* Where in @a the loader shall put the address of the GUID's page. */
size_t acpi_build_vmgenid(Aml *a);

#endif
