/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic: how a guest's kernel says that it has crashed.  QEMU's
 * documentation "PVPANIC DEVICE": one byte, reads give the events that the
 * machine knows, a write tells of them.  As ISA port and as PCI device.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci.h"
#include "qapi/qapi-events.h"
#include "util/log.h"

#define PVPANIC_PANICKED    0x01
#define PVPANIC_CRASHLOADED 0x02
#define PVPANIC_EVENTS      (PVPANIC_PANICKED | PVPANIC_CRASHLOADED)

typedef struct PVPanicISA {
    ISADevice isa;
    /* Properties. */
    uint16_t ioport;
    uint8_t events;
    /* Host side. */
    MemoryRegion io;
} PVPanicISA;

typedef struct PVPanicPCI {
    PCIDevice pci;
    /* Properties. */
    uint8_t events;
    /* Host side. */
    MemoryRegion mmio;
} PVPanicPCI;

/* @opaque: the property, so that both kinds share the handlers. */
static uint64_t pvpanic_read(void *opaque, hwaddr addr, unsigned size)
{
    return *(uint8_t *)opaque;
}

static void pvpanic_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    if (addr) {
        return;
    }
    if (val & ~(uint64_t)PVPANIC_EVENTS) {
        log_guest_error("pvpanic: unknown event 0x%02x\n", (unsigned)val);
    }
    if (val & PVPANIC_PANICKED) {
        system_guest_panicked(NULL);
    } else if (val & PVPANIC_CRASHLOADED) {
        qapi_event_send_guest_crashloaded(GUEST_PANIC_ACTION_RUN, NULL);
    }
}

static const MemoryRegionOps pvpanic_ops = {
    .read = pvpanic_read,
    .write = pvpanic_write,
    .access = { .min = 1, .max = 1 },
};

static bool isa_realize(DeviceState *dev, Error **errp)
{
    PVPanicISA *s = (PVPanicISA *)dev;
    FWCfgState *fw = fw_cfg_find();
    uint16_t port = GUINT16_TO_LE(s->ioport);

    return isa_add_io(&s->isa, &s->io, &pvpanic_ops, &s->events, s->ioport, 1,
                      errp) &&
           (!fw || fw_cfg_add_file(fw, "etc/pvpanic-port", &port,
                                   sizeof(port), errp));
}

static void isa_unrealize(DeviceState *dev)
{
    PVPanicISA *s = (PVPanicISA *)dev;

    isa_del_io(&s->isa, &s->io);
}

static const Property isa_props[] = {
    PROP_UINT16("ioport", PVPanicISA, ioport, 0x505),
    PROP_UINT8("events", PVPanicISA, events, PVPANIC_EVENTS),
    PROP_END(),
};

static const DeviceInfo isa_info = {
    .name = "pvpanic",
    .bus = BUS_ISA,
    .no_hotplug = true,
    .size = sizeof(PVPanicISA),
    .props = isa_props,
    .realize = isa_realize,
    .unrealize = isa_unrealize,
};

static bool pci_realize(DeviceState *dev, Error **errp)
{
    PVPanicPCI *s = (PVPanicPCI *)dev;

    memory_region_init_io(&s->mmio, &dev->obj, &pvpanic_ops, &s->events,
                          "pvpanic", 16);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void pci_unrealize_dev(DeviceState *dev)
{
    memory_region_destroy(&((PVPanicPCI *)dev)->mmio);
}

static const Property pci_props[] = {
    PROP_UINT8("events", PVPanicPCI, events, PVPANIC_EVENTS),
    PROP_END(),
};

static const VMStateField pci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PVPanicPCI),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pci = {
    .name = "pvpanic-pci",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = pci_fields,
};

static const PCIDeviceInfo pci_id = {
    .vendor_id = PCI_VENDOR_REDHAT,
    .device_id = 0x0011,
    .revision = 1,
    .class_id = 0x0880,
};

static const DeviceInfo pci_info = {
    .name = "pvpanic-pci",
    .bus = BUS_PCI,
    .size = sizeof(PVPanicPCI),
    .props = pci_props,
    .vmsd = &vmstate_pci,
    .bus_info = &pci_id,
    .realize = pci_realize,
    .unrealize = pci_unrealize_dev,
};

static void pvpanic_register(void)
{
    device_register(&isa_info);
    device_register(&pci_info);
}
device_init(pvpanic_register)
