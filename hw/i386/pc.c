/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The i440FX PC: wiring of its parts.
 *
 * Memory: RAM up to 3.5 GiB lies below 4 GiB (3 GiB when there is more), the
 * rest from 4 GiB on.  What is not RAM belongs to the PCI bus, where the BIOS
 * lies below 4 GiB and its last 128 KiB again at E0000h.
 *
 * Interrupts: 24 GSIs; the first 16 go to the 8259 pair and to the I/O APIC.
 */
#include "osdep.h"
#include "block/block.h"
#include "chardev/char.h"
#include "exec/accel.h"
#include "exec/runstate.h"
#include "exec/x86.h"
#include "hw/acpi/piix4.h"
#include "hw/boards.h"
#include "hw/fdc.h"
#include "hw/i386/i440fx.h"
#include "hw/i386/x86-boot.h"
#include "hw/ide.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254.h"
#include "util/datadir.h"

#define LOWMEM_MAX   UINT64_C(0xe0000000)
#define LOWMEM_SPLIT UINT64_C(0xc0000000)
#define OPTION_ROM   0xc0000
#define OPTION_ROM_SIZE 0x20000

typedef struct PCMachineState {
    MachineState m;
    /* Host side. */
    IRQ *gsi[IOAPIC_PINS];
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
} PCMachineState;

/* --- interrupts --- */

static void pc_gsi_set(void *opaque, int n, int level)
{
    PCMachineState *pc = opaque;

    if (n < 16) {
        irq_set(pc->pic[n], level);
    }
    irq_set(device_in(pc->ioapic, NULL, n), level);
}

static void pc_pic_intr(void *opaque, int n, int level)
{
    apic_set_pic_intr(level);
}

static void pc_a20(void *opaque, int n, int level)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        x86_cpu_set_a20(cpu, level);
    }
}

static PCMachineState *the_pc; /* for hooks that carry no argument */

static void pc_ferr(bool level)
{
    irq_set(the_pc->gsi[13], level);
}

static void ferr_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    /* F0h: clear the coprocessor error; IGNNE# until it goes away. */
    irq_set(the_pc->gsi[13], 0);
    x86_cpu_set_ignne(true);
}

static const MemoryRegionOps ferr_ops = {
    .write = ferr_write,
    .access = { .min = 1, .max = 1 },
};

static const MemoryRegionOps delay_ops = {
    .access = { .min = 1, .max = 1 }, /* 80h: POST codes, I/O delay */
};

static void pc_nmi(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        apic_lint1_nmi(cpu);
    }
}

/* --- memory --- */

static bool pc_init_memory(PCMachineState *pc, Error **errp)
{
    MachineState *m = &pc->m;

    pc->low_size = m->ram_size >= LOWMEM_MAX ? LOWMEM_SPLIT : m->ram_size;
    pc->high_size = m->ram_size - pc->low_size;
    memory_region_init_alias(&pc->ram_low, &m->obj, "ram-below-4g", m->ram, 0,
                             pc->low_size);
    memory_region_add_subregion(system_memory(), 0, &pc->ram_low);
    if (pc->high_size) {
        memory_region_init_alias(&pc->ram_high, &m->obj, "ram-above-4g",
                                 m->ram, pc->low_size, pc->high_size);
        memory_region_add_subregion(system_memory(), 4 * GiB, &pc->ram_high);
    }
    memory_region_init(&pc->pci_mem, &m->obj, "pci", UINT64_MAX);
    memory_region_add_subregion_overlap(system_memory(), 0, &pc->pci_mem, -1);
    return true;
}

static bool pc_load_bios(PCMachineState *pc, Error **errp)
{
    const char *name = pc->m.firmware ? pc->m.firmware : "bios-256k.bin";
    g_autofree char *data = NULL;
    uint64_t low;
    gsize size;

    if (!datadir_load(name, &data, &size, errp)) {
        return false;
    }
    if (size == 0 || size % 65536 || size > 16 * MiB) {
        error_setg(errp, "firmware '%s' has %zu bytes, not a multiple of 64 "
                         "KiB up to 16 MiB", name, (size_t)size);
        return false;
    }
    if (!memory_region_init_rom(&pc->bios, NULL, "pc.bios", size, errp)) {
        return false;
    }
    memcpy(memory_region_ram_ptr(&pc->bios), data, size);
    memory_region_add_subregion(&pc->pci_mem, 4 * GiB - size, &pc->bios);
    low = MIN(size, 128 * KiB);
    memory_region_init_alias(&pc->bios_low, NULL, "isa-bios", &pc->bios,
                             size - low, low);
    memory_region_add_subregion_overlap(&pc->pci_mem, MiB - low, &pc->bios_low,
                                        1);
    memory_region_set_readonly(&pc->bios_low, true);
    if (!memory_region_init_ram(&pc->option_rom, NULL, "pc.rom",
                                OPTION_ROM_SIZE, errp)) {
        return false;
    }
    memory_region_add_subregion_overlap(&pc->pci_mem, OPTION_ROM,
                                        &pc->option_rom, 1);
    return true;
}

/* --- firmware's view --- */

typedef struct __attribute__((packed)) E820Entry {
    uint64_t addr, len;
    uint32_t type; /* 1 RAM, 2 reserved */
} E820Entry;

/* "acdnp" as the CMOS nibbles that SeaBIOS reads: 1, 2, 3, 4. */
static unsigned boot_nibble(char c)
{
    switch (c) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
    case 'p':
        return 4;
    default:
        return 0;
    }
}

static void pc_set_boot_order(PCMachineState *pc, const char *order)
{
    unsigned n[3] = { 0 };

    for (unsigned i = 0; i < 3 && order[i]; i++) {
        n[i] = boot_nibble(order[i]);
    }
    rtc_set_memory(pc->rtc, 0x3d, n[1] << 4 | n[0]);
    rtc_set_memory(pc->rtc, 0x38, n[2] << 4);
}

static const char *pc_boot_order(const MachineState *m)
{
    return m->boot_order ? m->boot_order : "cad";
}

static void pc_boot_once_over(void *opaque)
{
    PCMachineState *pc = opaque;

    /* The first reset is the power-on; `once` holds until the second. */
    if (device_is_machine_ready() && pc->m.boot_once) {
        g_free(pc->m.boot_once);
        pc->m.boot_once = NULL;
        pc_set_boot_order(pc, pc_boot_order(&pc->m));
    }
}

static void pc_init_cmos(PCMachineState *pc)
{
    DeviceState *rtc = pc->rtc;
    uint64_t low = pc->low_size;
    unsigned ext = low > MiB ? MIN((low - MiB) / KiB, 65535) : 0;
    unsigned above16 = low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0;
    unsigned base = MIN(low / KiB, 640);

    rtc_set_memory(rtc, 0x15, base);
    rtc_set_memory(rtc, 0x16, base >> 8);
    rtc_set_memory(rtc, 0x17, ext);
    rtc_set_memory(rtc, 0x18, ext >> 8);
    rtc_set_memory(rtc, 0x30, ext);
    rtc_set_memory(rtc, 0x31, ext >> 8);
    rtc_set_memory(rtc, 0x34, above16);
    rtc_set_memory(rtc, 0x35, above16 >> 8);
    for (unsigned i = 0; i < 3; i++) {
        rtc_set_memory(rtc, 0x5b + i, pc->high_size >> (16 + 8 * i));
    }
    rtc_set_memory(rtc, 0x5f, pc->m.smp.cpus - 1);
    pc_set_boot_order(pc, pc->m.boot_once ? pc->m.boot_once
                                          : pc_boot_order(&pc->m));
}

/* Drive types and geometries where BIOSes look for them; at every reset, as
 * drives may also come from -device. */
static void pc_cmos_disks(void *opaque)
{
    PCMachineState *pc = opaque;
    DeviceState *rtc = pc->rtc, *dev;
    unsigned types = 0, trans = 0, floppies = 0;
    unsigned equipment = 0x06; /* FPU, PS/2 mouse */
    IDEChs chs;

    for (int i = 0; i < 4; i++) {
        dev = pc->ide ? piix3_ide_drive(pc->ide, i / 2, i % 2) : NULL;
        if (!dev || !ide_drive_chs(dev, &chs)) {
            continue;
        }
        trans |= (unsigned)(chs.trans - BIOS_TRANS_NONE) << (2 * i);
        if (i < 2) {
            const uint8_t entry[9] = {
                chs.cyls, chs.cyls >> 8, chs.heads, 0xff, 0xff,
                0xc0 | (chs.heads > 8) << 3, chs.cyls, chs.cyls >> 8, chs.secs,
            };

            types |= i ? 0x0f : 0xf0;
            rtc_set_memory(rtc, 0x19 + i, 47);
            for (int k = 0; k < 9; k++) {
                rtc_set_memory(rtc, 0x1b + 9 * i + k, entry[k]);
            }
        }
    }
    rtc_set_memory(rtc, 0x12, types);
    for (int i = 0; i < 2; i++) {
        unsigned type = isa_fdc_drive_type(pc->fdc, i);

        floppies |= type << (i ? 0 : 4);
        equipment = type ? (equipment & 0x3e) | 1 | i << 6 : equipment;
    }
    rtc_set_memory(rtc, 0x10, floppies);
    rtc_set_memory(rtc, 0x14, equipment);
    rtc_set_memory(rtc, 0x39, trans);
}

static bool pc_init_fw_cfg(PCMachineState *pc, Error **errp)
{
    MachineState *m = &pc->m;
    FWCfgState *fw = pc->fw_cfg;
    E820Entry e820[2] = {
        { 0, GUINT64_TO_LE(pc->low_size), GUINT32_TO_LE(1) },
        { GUINT64_TO_LE(4 * GiB), GUINT64_TO_LE(pc->high_size),
          GUINT32_TO_LE(1) },
    };
    uint32_t timeout = GUINT32_TO_LE(m->boot_reboot_timeout);

    if (m->uuid_set) {
        fw_cfg_add_bytes(fw, FW_CFG_UUID, m->uuid.b, 16);
    } else {
        static const uint8_t zero[16];

        fw_cfg_add_bytes(fw, FW_CFG_UUID, zero, 16);
    }
    fw_cfg_add_i64(fw, FW_CFG_RAM_SIZE, m->ram_size);
    fw_cfg_add_i16(fw, FW_CFG_NOGRAPHIC, !m->graphics);
    fw_cfg_add_i16(fw, FW_CFG_NB_CPUS, m->smp.cpus);
    fw_cfg_add_i16(fw, FW_CFG_MAX_CPUS, m->smp.max_cpus);
    fw_cfg_add_i16(fw, FW_CFG_BOOT_MENU, m->boot_menu);
    fw_cfg_add_i32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    if (m->kernel) {
        const char *rom;

        if (!x86_load_kernel(m, fw, pc->low_size, &rom, errp) ||
            !fw_cfg_add_file(fw, "bootorder", rom, strlen(rom) + 1, errp)) {
            return false;
        }
    }
    if (m->boot_reboot_timeout >= 0 &&
        !fw_cfg_add_file(fw, "etc/boot-fail-wait", &timeout, 4, errp)) {
        return false;
    }
    if (m->boot_menu && m->boot_splash_time >= 0) {
        uint16_t wait = GUINT16_TO_LE(m->boot_splash_time);

        if (!fw_cfg_add_file(fw, "etc/boot-menu-wait", &wait, 2, errp)) {
            return false;
        }
    }
    return fw_cfg_add_file(fw, "etc/e820", e820,
                           (pc->high_size ? 2 : 1) * sizeof(E820Entry), errp);
}

/* --- CPUs --- */

static unsigned bits_for(unsigned n)
{
    return n <= 1 ? 0 : 32 - __builtin_clz(n - 1);
}

static bool pc_init_cpus(PCMachineState *pc, Error **errp)
{
    const CpuTopology *t = &pc->m.smp;
    unsigned tb = bits_for(t->threads), cb = bits_for(t->cores);
    unsigned db = bits_for(t->dies);

    x86_platform.threads = t->threads;
    x86_platform.cores = t->cores;
    x86_platform.dies = t->dies;
    for (unsigned i = 0; i < t->cpus; i++) {
        unsigned thread = i % t->threads, rest = i / t->threads;
        unsigned core = rest % t->cores;
        unsigned die = rest / t->cores % t->dies;
        unsigned socket = rest / t->cores / t->dies;
        uint32_t id = ((socket << db | die) << cb | core) << tb | thread;
        DeviceState *cpu = device_new(pc->m.cpu_type);

        if (!object_set_int(&cpu->obj, "apic-id", id, errp) ||
            !object_set_int(&cpu->obj, "socket-id", socket, errp) ||
            !object_set_int(&cpu->obj, "die-id", die, errp) ||
            !object_set_int(&cpu->obj, "core-id", core, errp) ||
            !object_set_int(&cpu->obj, "thread-id", thread, errp)) {
            object_free(&cpu->obj);
            return false;
        }
        if (!device_realize(cpu, NULL, errp) ||
            !apic_create((CPUState *)cpu, id, errp)) {
            return false;
        }
    }
    return true;
}

/* --- the rest of the board --- */

static bool pc_init_isa(PCMachineState *pc, Error **errp)
{
    MachineState *m = &pc->m;
    /* The keyboard controller's A20 and port 92h's are ORed. */
    IRQOr *a20 = irq_or_new(irq_array_new(pc_a20, pc, 1), 2);
    static MemoryRegion ferr, delay;
    DeviceState *dev;

    if (!i8259_pair_create(pc->isa, pc->pic_intr, pc->pic, errp)) {
        return false;
    }
    isa_bus_set_irqs(pc->isa, pc->gsi);
    if (!i8237_pair_create(pc->isa, errp)) {
        return false;
    }
    pc->ioapic = ioapic_create(system_memory(), IOAPIC_DEFAULT_BASE, errp);
    pc->pit = pc->ioapic ? pit_create(pc->isa, pc->gsi[0], errp) : NULL;
    pc->rtc = pc->pit ? rtc_create(pc->isa, &m->rtc, errp) : NULL;
    if (!pc->rtc) {
        return false;
    }
    dev = device_new("isa-pcspk");
    if (!device_realize(dev, &pc->isa->bus, errp)) {
        return false;
    }
    dev = device_new("port92");
    if (!device_realize(dev, &pc->isa->bus, errp)) {
        return false;
    }
    device_connect_out(dev, "a20", 0, irq_or_input(a20, 0));
    dev = device_new("i8042");
    if (!device_realize(dev, &pc->isa->bus, errp)) {
        return false;
    }
    device_connect_out(dev, "a20", 0, irq_or_input(a20, 1));
    pc->fdc = isa_fdc_create(pc->isa, errp);
    if (!pc->fdc) {
        return false;
    }
    memory_region_init_io(&ferr, NULL, &ferr_ops, NULL, "ioportF0", 1);
    memory_region_add_subregion(system_io(), 0xf0, &ferr);
    memory_region_init_io(&delay, NULL, &delay_ops, NULL, "ioport80", 1);
    memory_region_add_subregion(system_io(), 0x80, &delay);
    for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
        if (!m->serial[i]) {
            continue;
        }
        dev = device_new("isa-serial");
        object_set_int(&dev->obj, "index", i, NULL);
        if (!object_set_str(&dev->obj, "chardev", chr_label(m->serial[i]),
                            errp)) {
            object_free(&dev->obj);
            return false;
        }
        if (!device_realize(dev, &pc->isa->bus, errp)) {
            return false;
        }
    }
    return true;
}

/* The card of -vga; those given as devices come later. */
static bool pc_init_vga(PCMachineState *pc, Error **errp)
{
    const char *name = pc->m.vga;

    if (!name || !strcmp(name, "none")) {
        return true;
    }
    if (!strcmp(name, "std")) {
        return pci_create(pc->pci, -1, "VGA", errp) != NULL;
    }
    if (!strcmp(name, "cirrus")) {
        return pci_create(pc->pci, -1, "cirrus-vga", errp) != NULL;
    }
    error_setg(errp, "-vga %s: this build has no such card, std, cirrus and "
                     "none are there", name);
    return false;
}

static bool pc_init(MachineState *m, Error **errp)
{
    PCMachineState *pc = (PCMachineState *)m;
    uint8_t states[6] = { 0x80, 0, 0, 0, 0, 0x80 }; /* S0 to S5 */

    the_pc = pc;
    pc->gsi_lines = irq_array_new(pc_gsi_set, pc, IOAPIC_PINS);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        pc->gsi[i] = &pc->gsi_lines[i];
    }
    pc->pic_intr = irq_array_new(pc_pic_intr, pc, 1);
    x86_platform.set_ferr = pc_ferr;
    nmi_handler = pc_nmi;
    apic_bus_init(system_memory());
    if (!pc_init_memory(pc, errp) || !pc_load_bios(pc, errp)) {
        return false;
    }
    pc->pci = i440fx_create(system_memory(), system_io(), &pc->pci_mem, m->ram,
                            errp);
    pc->isa = pc->pci ? piix3_create(pc->pci, pc->gsi, errp) : NULL;
    pc->fw_cfg = pc->isa ? fw_cfg_create(system_io(), errp) : NULL;
    if (!pc->fw_cfg || !pc_init_isa(pc, errp) || !pc_init_vga(pc, errp)) {
        return false;
    }
    pc->ide = piix3_ide_create(pc->pci, PCI_DEVFN(1, 1), pc->gsi, errp);
    if (!pc->ide ||
        !piix4_pm_create(pc->pci, pc->gsi[9], &states[3], &states[4], errp) ||
        !fw_cfg_add_file(pc->fw_cfg, "etc/system-states", states,
                         sizeof(states), errp) ||
        (!accel_is("qtest") && !pc_init_cpus(pc, errp)) ||
        !pc_init_fw_cfg(pc, errp) || !piix3_ide_add_drives(pc->ide, errp) ||
        !isa_fdc_add_drives(pc->fdc, errp)) {
        return false;
    }
    pc_init_cmos(pc);
    reset_register(pc_cmos_disks, pc);
    reset_register(pc_boot_once_over, pc);
    return true;
}

#define PC_MACHINE(v, is_def, al) \
    { .name = "pc-i440fx-" v, .alias = al, .is_default = is_def, \
      .desc = "Standard PC (i440FX + PIIX, 1996)", \
      .size = sizeof(PCMachineState), .max_cpus = 255, \
      .default_ram_size = 128 * MiB, .default_ram_id = "pc.ram", \
      .default_cpu = "qemu64-x86_64-cpu", .default_nic = "e1000", \
      .default_display = "std", .has_hotpluggable_cpus = true, \
      .numa_mem_supported = true, .init = pc_init }

static const MachineInfo pc_machines[] = {
    PC_MACHINE("7.2", true, "pc"),
};

static void pc_machine_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pc_machines); i++) {
        machine_register(&pc_machines[i]);
    }
}
machine_init(pc_machine_register)
