/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pci-bridge": a standard PCI-to-PCI bridge (Red Hat 1b36:0001).
 * PCI-to-PCI Bridge Architecture Specification 1.2: windows (3.2.5), bridge
 * control, bus numbers.
 *
 * The secondary bus has spaces of its own; three aliases show the parts that
 * the window registers open on the primary side.
 */
#include "osdep.h"
#include "pci-int.h"

typedef struct PCIBridge {
    PCIDevice pci;
    /* Properties. */
    uint8_t chassis_nr;
    /* Host side. */
    PCIBus *sec;
    MemoryRegion mem, io;                /* the secondary bus's spaces */
    MemoryRegion win_mem, win_pref, win_io;
} PCIBridge;


static void set_window(MemoryRegion *win, MemoryRegion *parent, bool on,
                       uint64_t base, uint64_t limit)
{
    if (win->container) {
        memory_region_del_subregion(parent, win);
    }
    if (on && limit >= base) {
        memory_region_set_alias_offset(win, base);
        memory_region_set_size(win, limit - base + 1);
        memory_region_add_subregion_overlap(parent, base, win, 1);
    }
}

static void update_windows(PCIBridge *s)
{
    const uint8_t *c = s->pci.config;
    uint16_t cmd = pci_get_word(c + PCI_COMMAND);
    PCIBus *parent = pci_bus_of(&s->pci);
    uint64_t base, limit;

    memory_transaction_begin();
    base = (uint64_t)(c[PCI_IO_BASE] & 0xf0) << 8;
    limit = (uint64_t)(c[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff;
    set_window(&s->win_io, parent->io, cmd & PCI_COMMAND_IO, base, limit);
    base = (uint64_t)(pci_get_word(c + PCI_MEMORY_BASE) & 0xfff0) << 16;
    limit = (uint64_t)(pci_get_word(c + PCI_MEMORY_LIMIT) & 0xfff0) << 16 |
            0xfffff;
    set_window(&s->win_mem, parent->mem, cmd & PCI_COMMAND_MEMORY, base, limit);
    base = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_BASE) & 0xfff0) << 16 |
           (uint64_t)pci_get_long(c + PCI_PREF_BASE_UPPER32) << 32;
    limit = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_LIMIT) & 0xfff0) << 16 |
            (uint64_t)pci_get_long(c + PCI_PREF_LIMIT_UPPER32) << 32 | 0xfffff;
    set_window(&s->win_pref, parent->mem, cmd & PCI_COMMAND_MEMORY, base,
               limit);
    memory_transaction_commit();
}

void pci_bridge_config_written(PCIDevice *d, uint32_t addr, unsigned len)
{
    PCIBridge *s = (PCIBridge *)d;

    if (!s->sec) {
        return;
    }
    if (pci_range_hit(addr, len, PCI_COMMAND, 2) ||
        pci_range_hit(addr, len, PCI_IO_BASE, 2) ||
        pci_range_hit(addr, len, PCI_MEMORY_BASE, 16)) {
        update_windows(s);
    }
    if (pci_range_hit(addr, len, PCI_BRIDGE_CONTROL, 2) &&
        (d->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET)) {
        bus_reset(&s->sec->bus);
    }
}

static bool bridge_realize(DeviceState *dev, Error **errp)
{
    PCIBridge *s = (PCIBridge *)dev;
    PCIDevice *d = &s->pci;
    uint8_t cap;

    if (s->chassis_nr == 0) {
        error_setg(errp, "Bridge chassis not specified. Each bridge is "
                         "required to be assigned a unique chassis id > 0.");
        return false;
    }
    /* Slot numbering, 3.2.6.7: a chassis of its own, no expansion slots. */
    cap = pci_add_capability(d, PCI_CAP_ID_SLOTID, 0, 4, errp);
    if (!cap) {
        return false;
    }
    d->config[cap + 2] = 0x20; /* first in chassis */
    d->config[cap + 3] = s->chassis_nr;
    memory_region_init(&s->mem, &dev->obj, "pci_bridge_pci", UINT64_MAX);
    memory_region_init(&s->io, &dev->obj, "pci_bridge_io", 0x10000);
    memory_region_init_alias(&s->win_mem, &dev->obj, "pci_bridge_mem",
                             &s->mem, 0, MiB);
    memory_region_init_alias(&s->win_pref, &dev->obj, "pci_bridge_pref_mem",
                             &s->mem, 0, MiB);
    memory_region_init_alias(&s->win_io, &dev->obj, "pci_bridge_io",
                             &s->io, 0, 4096);
    s->sec = (PCIBus *)bus_new(BUS_PCI, dev, dev->id);
    s->sec->mem = &s->mem;
    s->sec->io = &s->io;
    s->sec->parent_bridge = d;

    memset(d->wmask + PCI_PRIMARY_BUS, 0xff, 4);
    d->wmask[PCI_IO_BASE] = 0xf0;
    d->wmask[PCI_IO_LIMIT] = 0xf0;
    pci_set_word(d->wmask + PCI_MEMORY_BASE, 0xfff0);
    pci_set_word(d->wmask + PCI_MEMORY_LIMIT, 0xfff0);
    pci_set_word(d->wmask + PCI_PREF_MEMORY_BASE, 0xfff0);
    pci_set_word(d->wmask + PCI_PREF_MEMORY_LIMIT, 0xfff0);
    pci_set_long(d->wmask + PCI_PREF_BASE_UPPER32, UINT32_MAX);
    pci_set_long(d->wmask + PCI_PREF_LIMIT_UPPER32, UINT32_MAX);
    pci_set_word(d->config + PCI_PREF_MEMORY_BASE, 1); /* 64-bit */
    pci_set_word(d->config + PCI_PREF_MEMORY_LIMIT, 1);
    pci_set_word(d->wmask + PCI_BRIDGE_CONTROL, 0x0fff & ~0x0400);
    pci_set_word(d->config + PCI_SEC_STATUS,
                 PCI_STATUS_66MHZ | PCI_STATUS_FAST_BACK);
    pci_set_word(d->w1cmask + PCI_SEC_STATUS, 0xf900);
    pci_set_word(d->config + PCI_STATUS, pci_get_word(d->config + PCI_STATUS) |
                                             PCI_STATUS_66MHZ |
                                             PCI_STATUS_FAST_BACK);
    return true;
}

static void bridge_unrealize(DeviceState *dev)
{
    PCIBridge *s = (PCIBridge *)dev;

    s->sec = NULL;
    memory_region_destroy(&s->win_mem);
    memory_region_destroy(&s->win_pref);
    memory_region_destroy(&s->win_io);
    memory_region_destroy(&s->mem);
    memory_region_destroy(&s->io);
}

static const Property bridge_props[] = {
    PROP_UINT8("chassis_nr", PCIBridge, chassis_nr, 0),
    PROP_END(),
};

static const VMStateField bridge_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PCIBridge),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_bridge = {
    .name = "pci_bridge",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = bridge_fields,
};

static const PCIDeviceInfo bridge_pci = {
    .vendor_id = PCI_VENDOR_REDHAT,
    .device_id = 0x0001,
    .class_id = 0x0604,
    .is_bridge = true,
};

static const DeviceInfo bridge_info = {
    .name = "pci-bridge",
    .desc = "Standard PCI Bridge",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_BRIDGE,
    .size = sizeof(PCIBridge),
    .props = bridge_props,
    .vmsd = &vmstate_bridge,
    .bus_info = &bridge_pci,
    .realize = bridge_realize,
    .unrealize = bridge_unrealize,
};

static void bridge_register(void)
{
    device_register(&bridge_info);
}
device_init(bridge_register)
