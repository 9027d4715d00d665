/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371SB (PIIX3), function 0: PCI to ISA bridge.
 *
 * 82371SB data sheet (290550): PIRQRCA-D (60h-63h) route PIRQA#-D# to ISA
 * interrupts, bit 7 switches one off; the reset control register at CF9h.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/i386/i440fx.h"

#define PIRQRC     0x60
#define PIRQRC_OFF 0x80
#define RCR_SRST   0x02 /* hard reset */
#define RCR_RCPU   0x04 /* rising: reset */

typedef struct PIIX3State {
    PCIDevice pci;
    /* Guest-visible state. */
    uint8_t rcr;
    uint8_t pirq_level; /* one bit a PIRQ */
    /* Host side. */
    IRQ **gsi;
    uint16_t isa_up;    /* ISA lines that some PIRQ holds up */
    ISABus *isa;
    MemoryRegion rcr_io;
} PIIX3State;

/* Brings the ISA lines in step with PIRQ levels and routing. */
static void piix3_update_irqs(PIIX3State *s)
{
    uint16_t up = 0, changed;

    for (unsigned i = 0; i < 4; i++) {
        uint8_t route = s->pci.config[PIRQRC + i];

        if ((s->pirq_level & 1 << i) && !(route & PIRQRC_OFF)) {
            up |= 1 << (route & 15);
        }
    }
    changed = up ^ s->isa_up;
    s->isa_up = up;
    for (unsigned n = 0; changed; n++, changed >>= 1) {
        if (changed & 1) {
            irq_set(s->gsi[n], up >> n & 1);
        }
    }
}

static void piix3_set_pirq(void *opaque, int line, int level)
{
    PIIX3State *s = opaque;

    s->pirq_level = level ? s->pirq_level | 1 << line
                          : s->pirq_level & ~(1 << line);
    piix3_update_irqs(s);
}

/* The board's wiring: slots rotate over the four PIRQs. */
static int piix3_map_pirq(PCIDevice *d, int pin)
{
    return (pin + PCI_SLOT(d->devfn) - 1) & 3;
}

static const PCIBusOps piix3_bus_ops = {
    .map_irq = piix3_map_pirq,
    .set_irq = piix3_set_pirq,
};

static void piix3_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                               unsigned len)
{
    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PIRQRC, 4)) {
        piix3_update_irqs((PIIX3State *)d);
    }
}

static void rcr_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PIIX3State *s = opaque;
    bool reset = (val & RCR_RCPU) && !(s->rcr & RCR_RCPU);

    s->rcr = val & (RCR_SRST | RCR_RCPU);
    if (reset) {
        s->rcr &= ~RCR_RCPU;
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static uint64_t rcr_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((PIIX3State *)opaque)->rcr;
}

static const MemoryRegionOps rcr_ops = {
    .read = rcr_read,
    .write = rcr_write,
    .access = { .min = 1, .max = 1 },
};

static void piix3_reset(DeviceState *dev)
{
    PIIX3State *s = (PIIX3State *)dev;
    uint8_t *c = s->pci.config;
    static const struct {
        uint8_t reg, val;
    } values[] = {
        { 0x4c, 0x4d }, { 0x4e, 0x03 }, { 0x60, 0x80 }, { 0x61, 0x80 },
        { 0x62, 0x80 }, { 0x63, 0x80 }, { 0x69, 0x02 }, { 0x70, 0x80 },
        { 0x76, 0x0c }, { 0x77, 0x0c }, { 0x78, 0x02 }, { 0xa0, 0x08 },
        { 0xa8, 0x0f },
    };

    pci_set_word(c + PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM);
    memset(c + 0x40, 0, 0xc0);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        c[values[i].reg] = values[i].val;
    }
    s->rcr = 0;
    piix3_update_irqs(s);
}

static bool piix3_realize(DeviceState *dev, Error **errp)
{
    PIIX3State *s = (PIIX3State *)dev;
    PCIBus *bus = pci_bus_of(&s->pci);

    s->isa = isa_bus_new(dev, bus->io, bus->mem);
    memset(s->pci.wmask + 0x40, 0xff, 0xc0);
    memory_region_init_io(&s->rcr_io, &dev->obj, &rcr_ops, s,
                          "piix3-reset-control", 1);
    memory_region_add_subregion_overlap(bus->io, 0xcf9, &s->rcr_io, 1);
    bus->ops = &piix3_bus_ops;
    bus->opaque = s;
    return true;
}

static bool piix3_post_load(void *opaque, int version, Error **errp)
{
    PIIX3State *s = opaque;

    s->pirq_level &= 15;
    /* The controllers' own states have the lines already. */
    s->isa_up = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t route = s->pci.config[PIRQRC + i];

        if ((s->pirq_level & 1 << i) && !(route & PIRQRC_OFF)) {
            s->isa_up |= 1 << (route & 15);
        }
    }
    return true;
}

static const VMStateField piix3_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PIIX3State),
    VMSTATE_UINT8(rcr, PIIX3State),
    VMSTATE_UINT8(pirq_level, PIIX3State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_piix3 = {
    .name = "PIIX3",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = piix3_post_load,
    .fields = piix3_fields,
};

static const PCIDeviceInfo piix3_pci = {
    .vendor_id = PCI_VENDOR_INTEL,
    .device_id = 0x7000,
    .class_id = 0x0601,
    .config_write = piix3_config_write,
};

static const DeviceInfo piix3_info = {
    .name = "PIIX3",
    .desc = "ISA bridge",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_BRIDGE,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(PIIX3State),
    .vmsd = &vmstate_piix3,
    .bus_info = &piix3_pci,
    .realize = piix3_realize,
    .reset = piix3_reset,
};

ISABus *piix3_create(PCIBus *bus, IRQ **gsi, Error **errp)
{
    PIIX3State *s;

    s = (PIIX3State *)pci_create_multifunction(bus, PCI_DEVFN(1, 0), "PIIX3",
                                               errp);
    if (!s) {
        return NULL;
    }
    s->gsi = gsi;
    return s->isa;
}

static void piix3_register(void)
{
    device_register(&piix3_info);
}
device_init(piix3_register)
