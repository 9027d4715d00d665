/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "x-bare": an ISA and a PCI bus and nothing else, for tests of the device
 * model.  No CPU and no guest: what is unplugged goes at once.  Configuration
 * mechanism #1 is at CF8h; the 16 ISA lines and INTA to INTD are the inputs
 * "isa" and "intx" of the host device, where a test can see them.
 */
#include "osdep.h"
#include "hw/boards.h"
#include "hw/isa.h"
#include "hw/pci.h"
#include "util/module.h"

typedef struct BareHost {
    DeviceState qdev;
    /* Guest-visible state. */
    uint32_t address;
    /* Host side. */
    PCIBus *pci;
    ISABus *isa;
    MemoryRegion address_io, data_io;
} BareHost;

static uint64_t address_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((BareHost *)opaque)->address;
}

static void address_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    ((BareHost *)opaque)->address = val & ~3u;
}

static const MemoryRegionOps address_ops = {
    .read = address_read,
    .write = address_write,
    .access = { .min = 4, .max = 4 },
};

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    BareHost *s = opaque;

    return s->address >> 31
               ? pci_host_config_read(s->pci, s->address | addr, size)
               : UINT64_MAX;
}

static void data_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    BareHost *s = opaque;

    if (s->address >> 31) {
        pci_host_config_write(s->pci, s->address | addr, val, size);
    }
}

static const MemoryRegionOps data_ops = {
    .read = data_read,
    .write = data_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
};

static void line_ends_here(void *opaque, int n, int level)
{
}

static int bare_map_irq(PCIDevice *d, int pin)
{
    return (PCI_SLOT(d->devfn) + pin) & 3;
}

static void bare_set_irq(void *opaque, int line, int level)
{
    irq_set(device_in(opaque, "intx", line), level);
}

static const PCIBusOps bare_pci_ops = {
    .map_irq = bare_map_irq,
    .set_irq = bare_set_irq,
};

static bool bare_host_realize(DeviceState *dev, Error **errp)
{
    static const HotplugHandler at_once;
    BareHost *s = (BareHost *)dev;
    IRQ *lines[16];

    device_init_in(dev, "isa", line_ends_here, s, 16);
    device_init_in(dev, "intx", line_ends_here, s, 4);
    for (int i = 0; i < 16; i++) {
        lines[i] = device_in(dev, "isa", i);
    }
    s->isa = isa_bus_new(dev, system_io(), system_memory());
    isa_bus_set_irqs(s->isa, lines);
    s->isa->bus.hotplug = &at_once;
    s->pci = pci_root_bus_new(dev, "pci.0", system_memory(), system_io(),
                              &bare_pci_ops, s, 4);
    s->pci->bus.hotplug = &at_once;
    memory_region_init_io(&s->address_io, &dev->obj, &address_ops, s,
                          "pci-conf-idx", 4);
    memory_region_add_subregion(system_io(), 0xcf8, &s->address_io);
    memory_region_init_io(&s->data_io, &dev->obj, &data_ops, s,
                          "pci-conf-data", 4);
    memory_region_add_subregion(system_io(), 0xcfc, &s->data_io);
    return true;
}

static void bare_host_reset(DeviceState *dev)
{
    ((BareHost *)dev)->address = 0;
}

static const VMStateField bare_host_fields[] = {
    VMSTATE_UINT32(address, BareHost),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_bare_host = {
    .name = "x-bare-host",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = bare_host_fields,
};

static const DeviceInfo bare_host_info = {
    .name = "x-bare-host",
    .desc = "buses of the machine x-bare",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(BareHost),
    .vmsd = &vmstate_bare_host,
    .realize = bare_host_realize,
    .reset = bare_host_reset,
};

static void bare_host_register(void)
{
    device_register(&bare_host_info);
}
device_init(bare_host_register)

/* --- the machine --- */

static bool bare_machine_init(MachineState *m, Error **errp)
{
    if (m->ram) {
        memory_region_add_subregion(system_memory(), 0, m->ram);
    }
    return device_realize(device_new("x-bare-host"), system_bus(), errp);
}

static const MachineInfo bare_machine_info = {
    .name = "x-bare",
    .desc = "ISA and PCI bus without a CPU, for tests",
    .size = sizeof(MachineState),
    .max_cpus = 1,
    .default_ram_size = 0,
    .no_floppy = true,
    .no_cdrom = true,
    .no_serial = true,
    .no_parallel = true,
    .init = bare_machine_init,
};

static void bare_machine_register(void)
{
    machine_register(&bare_machine_info);
}
machine_init(bare_machine_register)
