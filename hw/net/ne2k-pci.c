/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NE2000 on the PCI bus: Realtek RTL8029AS ("RTL8029AS PCI Full-Duplex
 * Ethernet Controller"); the chip is ne2000.c's.
 */
#include "osdep.h"
#include "hw/pci.h"
#include "ne2000.h"

#define BAR_SIZE 0x100

typedef struct NE2000PCI {
    PCIDevice pci;
    /* Guest-visible state. */
    NE2000 ne;
    /* Host side. */
    MemoryRegion bar, io;
} NE2000PCI;

static void ne2k_pci_set_irq(void *opaque, int level)
{
    NE2000PCI *s = opaque;

    pci_set_irq(&s->pci, level);
}

static void ne2k_pci_reset(DeviceState *dev)
{
    ne2000_reset(&((NE2000PCI *)dev)->ne);
}

static bool ne2k_pci_realize(DeviceState *dev, Error **errp)
{
    NE2000PCI *s = (NE2000PCI *)dev;

    s->ne.set_irq = ne2k_pci_set_irq;
    s->ne.opaque = s;
    s->ne.is_8029 = true;
    if (!ne2000_init(&s->ne, dev, errp)) {
        return false;
    }
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init(&s->bar, &dev->obj, "ne2000", BAR_SIZE);
    memory_region_init_io(&s->io, &dev->obj, &ne2000_ops, &s->ne, "ne2000-io",
                          NE_PORTS);
    memory_region_add_subregion(&s->bar, 0, &s->io);
    pci_register_bar(&s->pci, 0, PCI_BAR_IO, &s->bar);
    return true;
}

static void ne2k_pci_unrealize(DeviceState *dev)
{
    ne2000_fini(&((NE2000PCI *)dev)->ne);
}

static void ne2k_pci_finalize(DeviceState *dev)
{
    NE2000PCI *s = (NE2000PCI *)dev;

    memory_region_destroy(&s->io);
    memory_region_destroy(&s->bar);
}

static const Property ne2k_pci_props[] = {
    PROP_NIC(NE2000PCI, ne.conf),
    PROP_END(),
};

static const VMStateField ne2k_pci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, NE2000PCI),
    VMSTATE_STRUCT(ne, NE2000PCI, NE2000, vmstate_ne2000),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ne2k_pci = {
    .name = "ne2k_pci",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = ne2k_pci_fields,
};

static const PCIDeviceInfo ne2k_pci_pci_info = {
    .vendor_id = 0x10ec,
    .device_id = 0x8029,
    .class_id = 0x0200,
    .romfile = "efi-ne2k_pci.rom",
};

static const DeviceInfo ne2k_pci_info = {
    .name = "ne2k_pci",
    .desc = "Realtek RTL8029AS Ethernet (NE2000)",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_NETWORK,
    .size = sizeof(NE2000PCI),
    .props = ne2k_pci_props,
    .vmsd = &vmstate_ne2k_pci,
    .bus_info = &ne2k_pci_pci_info,
    .realize = ne2k_pci_realize,
    .unrealize = ne2k_pci_unrealize,
    .reset = ne2k_pci_reset,
    .finalize = ne2k_pci_finalize,
};

static void ne2k_pci_register(void)
{
    device_register(&ne2k_pci_info);
}
device_init(ne2k_pci_register)
