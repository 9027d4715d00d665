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
#include "chardev/char.h"
#include "exec/accel.h"
#include "exec/runstate.h"
#include "exec/x86.h"
#include "hw/acpi/piix4.h"
#include "hw/i386/pc-int.h"
#include "hw/i386/pc-machines.h"
#include "hw/i386/vmport.h"
#include "hw/ide.h"
#include "hw/intc/i8259.h"
#include "hw/intc/kernel-irqchip.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"

#define LOWMEM_MAX   UINT64_C(0xe0000000)
#define LOWMEM_SPLIT UINT64_C(0xc0000000)
/* I/O APIC inputs that HPET timers can use: pin 2, where the PIT was. */
#define HPET_ROUTES  BIT(2)

/* --- interrupts --- */

static void pc_gsi_set(void *opaque, int n, int level)
{
    PCMachineState *pc = opaque;

    if (kernel_irqchip && kernel_irqchip->all) {
        kernel_irqchip->set_gsi(n, level);
        return;
    }
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

    /* A limit that is set is where RAM is split; otherwise more than 3.5 GiB
     * is split at 3 GiB, so that both parts are whole GiB. */
    if (pc->max_ram_below_4g) {
        pc->low_size = MIN(m->ram_size, MIN(pc->max_ram_below_4g, LOWMEM_MAX));
    } else {
        pc->low_size = m->ram_size >= LOWMEM_MAX ? LOWMEM_SPLIT : m->ram_size;
    }
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

/* --- the rest of the board --- */

static bool pc_init_irqchip(PCMachineState *pc, Error **errp)
{
    if (kernel_irqchip && kernel_irqchip->all) {
        return kvm_irqchip_devices_create(errp);
    }
    pc->ioapic = ioapic_create(system_memory(), IOAPIC_DEFAULT_BASE, errp);
    return pc->ioapic &&
           i8259_pair_create(pc->isa, pc->pic_intr, pc->pic, errp);
}

static bool make_ports(PCMachineState *pc, const char *type, Chardev **chr,
                       unsigned n, Error **errp)
{
    for (unsigned i = 0; i < n; i++) {
        DeviceState *dev;

        if (!chr[i]) {
            continue;
        }
        dev = device_new(type);
        object_set_int(&dev->obj, "index", i, NULL);
        if (!object_set_str(&dev->obj, "chardev", chr_label(chr[i]), errp)) {
            object_free(&dev->obj);
            return false;
        }
        if (!device_realize(dev, &pc->isa->bus, errp)) {
            return false;
        }
    }
    return true;
}

/* The interval timer, and the speaker that hangs on it. */
static bool pc_init_pit(PCMachineState *pc, IRQ *irq, Error **errp)
{
    pc->pit = kernel_irqchip && kernel_irqchip->all
                  ? kvm_pit_create(pc->isa, errp)
                  : pit_create(pc->isa, irq, errp);
    return pc->pit &&
           device_realize(device_new("isa-pcspk"), &pc->isa->bus, errp);
}

static bool pc_init_isa(PCMachineState *pc, Error **errp)
{
    MachineState *m = &pc->m;
    /* The keyboard controller's A20 and port 92h's are ORed. */
    IRQOr *a20 = irq_or_new(irq_array_new(pc_a20, pc, 1), 2);
    static MemoryRegion ferr, delay;
    DeviceState *dev;

    IRQ *pit_irq = pc->gsi[0], *irqs[16];

    memcpy(irqs, pc->gsi, sizeof(irqs));
    if (!pc_init_irqchip(pc, errp) ||
        (pc->hpet && !hpet_create(&pc->pci_mem, pc->gsi, HPET_ROUTES, &pit_irq,
                                  &irqs[8], errp))) {
        return false;
    }
    isa_bus_set_irqs(pc->isa, irqs);
    if (!i8237_pair_create(pc->isa, errp)) {
        return false;
    }
    pc->rtc = rtc_create(pc->isa, &m->rtc, errp);
    if (!pc->rtc || (pc->pit_wanted != ON_OFF_AUTO_OFF &&
                     !pc_init_pit(pc, pit_irq, errp))) {
        return false;
    }
    dev = device_new("port92");
    if (!device_realize(dev, &pc->isa->bus, errp)) {
        return false;
    }
    device_connect_out(dev, "a20", 0, irq_or_input(a20, 0));
    if (pc->i8042) {
        dev = device_new("i8042");
        if (!device_realize(dev, &pc->isa->bus, errp)) {
            return false;
        }
        device_connect_out(dev, "a20", 0, irq_or_input(a20, 1));
    }
    if (pc->vmport != ON_OFF_AUTO_OFF &&
        (!vmport_create(pc->isa, errp) ||
         (pc->i8042 &&
          !device_realize(device_new("vmmouse"), &pc->isa->bus, errp)))) {
        return false;
    }
    pc->fdc = isa_fdc_create(pc->isa, errp);
    if (!pc->fdc) {
        return false;
    }
    memory_region_init_io(&ferr, NULL, &ferr_ops, NULL, "ioportF0", 1);
    memory_region_add_subregion(system_io(), 0xf0, &ferr);
    memory_region_init_io(&delay, NULL, &delay_ops, NULL, "ioport80", 1);
    memory_region_add_subregion(system_io(), 0x80, &delay);
    return make_ports(pc, "isa-serial", m->serial, MACHINE_SERIALS, errp) &&
           make_ports(pc, "isa-parallel", m->parallel, MACHINE_PARALLELS,
                      errp);
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

static bool pc_init_pm(PCMachineState *pc, Error **errp)
{
    PIIX4Config cfg = {
        .sci = pc->gsi[9], .possible_cpus = pc->m.smp.max_cpus,
        .apic_ids = pc->apic_ids, .smm = pc->smm != ON_OFF_AUTO_OFF && !x86_no_smm,
        .mem_slots = pc->devmem_size ? pc->m.ram_slots : 0,
    };
    uint8_t *states = pc->sleep_states;

    if (!pc_has_acpi(pc)) {
        return true;
    }
    states[0] = states[5] = 0x80; /* S0 and S5 always */
    return piix4_pm_create(pc->pci, &cfg, &states[3], &states[4], errp);
}

static bool pc_init(MachineState *m, Error **errp)
{
    PCMachineState *pc = (PCMachineState *)m;

    the_pc = pc;
    pc->gsi_lines = irq_array_new(pc_gsi_set, pc, IOAPIC_PINS);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        pc->gsi[i] = &pc->gsi_lines[i];
    }
    pc->pic_intr = irq_array_new(pc_pic_intr, pc, 1);
    x86_platform.set_ferr = pc_ferr;
    nmi_handler = pc_nmi;
    apic_bus_init(system_memory());
    pc_init_topology(pc);
    pc_init_hotplug(pc);
    if (!pc_init_memory(pc, errp) || !pc_init_devmem(pc, errp) ||
        !pc_load_firmware(pc, errp)) {
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
        (m->usb && !pci_create(pc->pci, PCI_DEVFN(1, 2), "piix3-usb-uhci",
                               errp)) ||
        !pc_init_pm(pc, errp) || !pc_init_cpus(pc, errp) ||
        !pc_init_fw_cfg(pc, errp) || !piix3_ide_add_drives(pc->ide, errp) ||
        !isa_fdc_add_drives(pc->fdc, errp)) {
        return false;
    }
    pc_init_cmos(pc);
    return true;
}

static bool pc_ready(MachineState *m, Error **errp)
{
    return pc_fw_ready((PCMachineState *)m, errp);
}

static const Property pc_props[] = {
    PROP_ON_OFF_AUTO("acpi", PCMachineState, acpi, ON_OFF_AUTO_AUTO),
    PROP_ON_OFF_AUTO("pit", PCMachineState, pit_wanted, ON_OFF_AUTO_AUTO),
    PROP_ON_OFF_AUTO("smm", PCMachineState, smm, ON_OFF_AUTO_AUTO),
    PROP_ON_OFF_AUTO("vmport", PCMachineState, vmport, ON_OFF_AUTO_AUTO),
    PROP_BOOL("hpet", PCMachineState, hpet, true),
    PROP_BOOL("i8042", PCMachineState, i8042, true),
    PROP_BOOL("fd-bootchk", PCMachineState, fd_bootchk, true),
    PROP_SIZE("max-ram-below-4g", PCMachineState, max_ram_below_4g, 0),
    PROP_SIZE("max-fw-size", PCMachineState, max_fw_size, 8 * MiB),
    PROP_DRIVE("pflash0", PCMachineState, flash[0]),
    PROP_DRIVE("pflash1", PCMachineState, flash[1]),
    PROP_STR_DEF("smbios-entry-point-type", PCMachineState, smbios_ep, "32"),
    PROP_STR_DEF("x-oem-id", PCMachineState, oem_id, "BOCHS "),
    PROP_STR_DEF("x-oem-table-id", PCMachineState, oem_table_id, "BXPC    "),
    PROP_END(),
};

static const MachineInfo pc_machine = {
    .desc = "Standard PC (i440FX + PIIX, 1996)",
    .size = sizeof(PCMachineState),
    .max_cpus = 255,
    .default_ram_size = 128 * MiB,
    .default_ram_id = "pc.ram",
    .default_cpu = "qemu64-x86_64-cpu",
    .default_nic = "e1000",
    .default_display = "std",
    .has_hotpluggable_cpus = true,
    .props = pc_props,
    .init = pc_init,
    .ready = pc_ready,
};

static void pc_machine_register(void)
{
    pc_machines_register(&pc_machine);
}
machine_init(pc_machine_register)
