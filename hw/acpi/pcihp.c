/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hot plug by ACPI.  A plugged device sets its slot's bit in "up" and
 * raises GPE 1; the AML asks each bus (BSEL) for its bits and notifies the
 * slots.  A removal sets "down"; the guest's driver lets go and _EJ0 writes
 * the slot's bit to the eject register.
 *
 *     device_add -> up ---read---> 0          device_del -> down --eject--> 0
 *
 * Registers, 32 bits each: 00h up, read clears; 04h down; 08h eject (W),
 * features (R); 0Ch removable; 10h bus select (W); 14h slot select by bit (W),
 * acpi-index of the selected slot (R).
 */
#include "osdep.h"
#include "hw/acpi/pcihp.h"
#include "hw/acpi/piix4.h"

enum { PCIHP_UP = 0x00, PCIHP_DOWN = 0x04, PCIHP_EJECT = 0x08,
       PCIHP_REMOVABLE = 0x0c, PCIHP_SELECT = 0x10, PCIHP_INDEX = 0x14 };

#define GPE_PCI 1

static int number_of(const PCIHotplug *s, const PCIBus *bus)
{
    for (unsigned i = 0; i < s->buses; i++) {
        if (s->bus[i] == bus) {
            return i;
        }
    }
    return -1;
}

/* --- removal --- */

static void eject(PCIHotplug *s, unsigned bsel, unsigned slot)
{
    PCIBus *bus = s->bus[bsel];

    s->down[bsel] &= ~(1u << slot);
    s->up[bsel] &= ~(1u << slot);
    if (!pcihp_slot_removable(bus, slot)) {
        return;
    }
    /* Function 0 last: the others hang on it. */
    for (int fn = 7; fn >= 0; fn--) {
        PCIDevice *d = bus->devices[PCI_DEVFN(slot, fn)];

        if (d) {
            device_unplugged(&d->qdev);
        }
    }
}

bool pcihp_slot_removable(const PCIBus *bus, unsigned slot)
{
    for (unsigned fn = 0; fn < 8; fn++) {
        const PCIDevice *d = bus->devices[PCI_DEVFN(slot, fn)];

        if (d && (d->qdev.info->no_hotplug || d->qdev.info->internal ||
                  (!d->qdev.hotplugged && pci_child_bus(d)))) {
            return false;
        }
    }
    return true;
}

static bool unplug_request(void *opaque, DeviceState *dev, Error **errp)
{
    PCIHotplug *s = opaque;
    PCIDevice *d = (PCIDevice *)dev;
    int bsel = number_of(s, pci_bus_of(d));
    unsigned slot = PCI_SLOT(d->devfn);

    if (bsel < 0 || !pcihp_slot_removable(pci_bus_of(d), slot)) {
        error_setg(errp, "Device '%s' does not support hotplugging",
                   dev->info->name);
        return false;
    }
    s->down[bsel] |= 1u << slot;
    piix4_pm_raise_gpe(GPE_PCI);
    return true;
}

static bool pre_plug(void *opaque, DeviceState *dev, Error **errp)
{
    const PCIDevice *d = (PCIDevice *)dev;

    if (dev->hotplugged && number_of(opaque, pci_bus_of(d)) < 0) {
        error_setg(errp, "Unsupported bus. Bus doesn't have property "
                         "'acpi-pcihp-bsel' set");
        return false;
    }
    return true;
}

static void plug(void *opaque, DeviceState *dev)
{
    PCIHotplug *s = opaque;
    PCIDevice *d = (PCIDevice *)dev;
    int bsel = number_of(s, pci_bus_of(d));

    /* The guest scans a slot when its function 0 comes. */
    if (bsel >= 0 && PCI_FUNC(d->devfn) == 0) {
        s->up[bsel] |= 1u << PCI_SLOT(d->devfn);
        piix4_pm_raise_gpe(GPE_PCI);
    }
}

/* --- which buses take part --- */

/* A bus has one handler, and the handler one PCIHotplug. */
static void enrol(PCIHotplug *s, PCIBus *bus, unsigned depth)
{
    HotplugHandler *hp;

    if (s->buses == PCIHP_BUSES || depth > 8) {
        return;
    }
    if (depth ? s->bridges : s->root) {
        hp = g_new0(HotplugHandler, 1); /* lives as long as the machine */
        *hp = (HotplugHandler){ .pre_plug = pre_plug, .plug = plug,
                               .unplug_request = unplug_request,
                               .opaque = s };
        bus->bus.hotplug = hp;
        s->bus[s->buses++] = bus;
    }
    for (unsigned i = 0; i < 256; i++) {
        PCIBus *child = bus->devices[i] ? pci_child_bus(bus->devices[i])
                                        : NULL;

        if (child) {
            enrol(s, child, depth + 1);
        }
    }
}

int pcihp_bus_number(const PCIBus *bus)
{
    const HotplugHandler *hp = bus->bus.hotplug;

    return hp && hp->plug == plug ? number_of(hp->opaque, bus) : -1;
}

void pcihp_reset(PCIHotplug *s)
{
    if (s->buses == 0) {
        enrol(s, pci_root_bus(), 0);
    }
    for (unsigned b = 0; b < s->buses; b++) {
        for (unsigned slot = 0; slot < 32; slot++) {
            if (s->down[b] & 1u << slot) {
                eject(s, b, slot);
            }
        }
        s->up[b] = 0;
    }
    s->selected = 0;
    s->index_slot = 0;
}

/* --- registers --- */

static uint32_t removable_slots(const PCIBus *bus)
{
    uint32_t v = 0;

    for (unsigned slot = 0; slot < 32; slot++) {
        v |= (uint32_t)pcihp_slot_removable(bus, slot) << slot;
    }
    return v;
}

static uint64_t pcihp_read(void *opaque, hwaddr addr, unsigned size)
{
    PCIHotplug *s = opaque;
    unsigned b = s->selected;
    PCIDevice *d;
    uint32_t v;

    if (b >= s->buses) {
        return 0;
    }
    switch (addr) {
    case PCIHP_UP:
        v = s->up[b];
        s->up[b] = 0;
        return v;
    case PCIHP_DOWN:
        return s->down[b];
    case PCIHP_REMOVABLE:
        return removable_slots(s->bus[b]);
    case PCIHP_INDEX:
        d = s->bus[b]->devices[PCI_DEVFN(s->index_slot, 0)];
        return d ? d->acpi_index : 0;
    default:
        return 0; /* features: none */
    }
}

static void pcihp_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCIHotplug *s = opaque;

    switch (addr) {
    case PCIHP_EJECT:
        if (s->selected < s->buses && val) {
            eject(s, s->selected, __builtin_ctz((uint32_t)val));
        }
        break;
    case PCIHP_SELECT:
        /* A number that names no bus selects none. */
        s->selected = val < s->buses ? val : UINT32_MAX;
        break;
    case PCIHP_INDEX:
        s->index_slot = val ? __builtin_ctz((uint32_t)val) : 0;
        break;
    }
}

static const MemoryRegionOps pcihp_ops = {
    .read = pcihp_read,
    .write = pcihp_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 4, .max = 4 },
};

void pcihp_init(PCIHotplug *s, Object *owner, MemoryRegion *io)
{
    memory_region_init_io(&s->io, owner, &pcihp_ops, s, "acpi-pci-hotplug",
                          PCIHP_PORTS);
    memory_region_add_subregion(io, PCIHP_PORT, &s->io);
}

static bool pcihp_post_load(void *opaque, int version, Error **errp)
{
    PCIHotplug *s = opaque;

    s->index_slot &= 31;
    return true;
}

static const VMStateField pcihp_fields[] = {
    VMSTATE_UINT32(selected, PCIHotplug),
    VMSTATE_UINT32(index_slot, PCIHotplug),
    VMSTATE_UINT32_ARRAY(up, PCIHotplug, PCIHP_BUSES),
    VMSTATE_UINT32_ARRAY(down, PCIHotplug, PCIHP_BUSES),
    VMSTATE_END(),
};

const VMStateDescription vmstate_pcihp = {
    .name = "pcihp",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pcihp_post_load,
    .fields = pcihp_fields,
};
