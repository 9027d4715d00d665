/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "hw/isa.h"

static char *isa_dev_path(DeviceState *dev)
{
    return g_strdup(dev->id ? dev->id : dev->obj.name ? dev->obj.name
                                                      : dev->info->name);
}

/* "fdc@03f0": by the first port, where the device has one. */
static char *isa_fw_dev_path(DeviceState *dev)
{
    const char *name = dev->info->fw_name ? dev->info->fw_name
                                          : dev->info->name;
    g_autoptr(QObject) port = property_find(dev->obj.type, "iobase")
                                  ? object_get(&dev->obj, "iobase", NULL)
                                  : NULL;
    int64_t n;

    return port && qint_try_i64(port, &n)
               ? g_strdup_printf("%s@%04x", name, (unsigned)n)
               : g_strdup(name);
}

static const BusInfo isa_bus_info = {
    .name = BUS_ISA,
    .size = sizeof(ISABus),
    .device_type = "isa-device",
    .device_size = sizeof(ISADevice),
    .dev_path = isa_dev_path,
    .fw_dev_path = isa_fw_dev_path,
};

ISABus *isa_bus_new(DeviceState *parent, MemoryRegion *io, MemoryRegion *mem)
{
    ISABus *bus = (ISABus *)bus_new(BUS_ISA, parent, "isa.0");

    bus->io = io;
    bus->mem = mem;
    return bus;
}

void isa_bus_set_irqs(ISABus *bus, IRQ *const *irqs)
{
    memcpy(bus->irqs, irqs, sizeof(bus->irqs));
}

IRQ *isa_get_irq(ISADevice *d, unsigned n, Error **errp)
{
    if (n > 15) {
        error_setg(errp, "%s: there is no ISA IRQ %u", d->qdev.info->name, n);
        return NULL;
    }
    return isa_bus_of(d)->irqs[n];
}

bool isa_add_io(ISADevice *d, MemoryRegion *mr, const MemoryRegionOps *ops,
                void *opaque, uint16_t port, unsigned size, Error **errp)
{
    if (port + size > 0x10000) {
        error_setg(errp, "%s: ports 0x%x-0x%x are out of range",
                   d->qdev.info->name, port, port + size - 1);
        return false;
    }
    memory_region_init_io(mr, &d->qdev.obj, ops, opaque, d->qdev.info->name,
                          size);
    memory_region_add_subregion(isa_bus_of(d)->io, port, mr);
    return true;
}

void isa_del_io(ISADevice *d, MemoryRegion *mr)
{
    memory_region_destroy(mr);
}

static void isa_register(void)
{
    bus_register(&isa_bus_info);
}
device_init(isa_register)
