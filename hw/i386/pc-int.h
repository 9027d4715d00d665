/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC between its files: pc.c wires the board, pc-fw.c tells firmware about
 * it, pc-hotplug.c brings CPUs and DIMMs.
 */
#ifndef HW_I386_PC_INT_H
#define HW_I386_PC_INT_H

#include "acpi-build.h"
#include "block/block.h"
#include "exec/runstate.h"
#include "hw/boards.h"
#include "hw/fdc.h"
#include "hw/i386/i440fx.h"
#include "hw/intc/apic.h"
#include "hw/mem/pc-dimm.h"
#include "hw/nvram/fw_cfg.h"

typedef struct PCMachineState {
    MachineState m;
    /* Properties. */
    OnOffAuto acpi, smm, pit_wanted, vmport;
    bool hpet, i8042, fd_bootchk;
    uint64_t max_ram_below_4g, max_fw_size;
    char *oem_id, *oem_table_id, *smbios_ep;
    BlockBackend *flash[2]; /* or -drive if=pflash */
    /* Host side. */
    IRQ *gsi[32];           /* IOAPIC_PINS of them */
    IRQ *gsi_lines;         /* what gsi[] points to */
    IRQ *pic[16];
    IRQ *pic_intr;          /* the 8259's INT */
    DeviceState *ioapic;
    MemoryRegion ram_low, ram_high, pci_mem, bios, bios_low, option_rom;
    PCIBus *pci;
    PCIDevice *ide;
    ISABus *isa;
    ISADevice *fdc;
    DeviceState *pit, *rtc;
    FWCfgState *fw_cfg;
    uint64_t low_size, high_size;
    uint32_t *apic_ids;     /* of each possible CPU */
    DeviceState **cpus;     /* the one that is there, or NULL */
    uint8_t sleep_states[6];
    /* Memory devices; size 0: none may come. */
    MemoryRegion devmem;
    uint64_t devmem_base, devmem_size, devmem_used;
    GPtrArray *dimms;       /* PCDIMM *, by address */
    HotplugHandler hotplug; /* of what sits on no bus */
    AcpiInfo acpi_info;
    PowerListener suspend;
    bool once_served;       /* -boot once= has had its start */
} PCMachineState;

static inline bool pc_has_acpi(const PCMachineState *pc)
{
    return pc->acpi != ON_OFF_AUTO_OFF;
}

/* pc-fw.c */
bool pc_load_firmware(PCMachineState *pc, Error **errp);
bool pc_init_fw_cfg(PCMachineState *pc, Error **errp);
void pc_init_cmos(PCMachineState *pc);
/* When all devices are there: boot order, tables. */
bool pc_fw_ready(PCMachineState *pc, Error **errp);

/* pc-hotplug.c */
void pc_init_topology(PCMachineState *pc);
bool pc_init_cpus(PCMachineState *pc, Error **errp);
bool pc_init_devmem(PCMachineState *pc, Error **errp);
void pc_init_hotplug(PCMachineState *pc);

#endif
