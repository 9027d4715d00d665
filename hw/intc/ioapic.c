/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O APIC, 24 pins.
 *
 * Intel 82093AA data sheet (290566): IOREGSEL/IOWIN, ID, VER, ARB and the
 * redirection table.  The EOI register at 40h: version 20h, as in the ICH
 * data sheets.  Input lines carry assertion, so the polarity bit is stored
 * and not used; ISA IRQ 0 is wired to pin 2, as the MADT tells the guest.
 */
#include "osdep.h"
#include "hw/intc/apic.h"
#include "hw/intc/kernel-irqchip.h"
#include "util/log.h"

#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40

#define REG_ID    0x00
#define REG_VER   0x01
#define REG_ARB   0x02
#define REG_REDIR 0x10

/* Redirection table entry. */
#define RTE_VECTOR(e)   ((uint8_t)(e))
#define RTE_DELMOD(e)   BITS(e, 10, 8)
#define RTE_LOGICAL     BIT(11)
#define RTE_DELIVS      BIT(12)
#define RTE_REMOTE_IRR  BIT(14)
#define RTE_LEVEL       BIT(15)
#define RTE_MASK        BIT(16)
#define RTE_DEST(e)     BITS(e, 63, 56)
#define RTE_READONLY    (RTE_DELIVS | RTE_REMOTE_IRR)
#define DELMOD_EXTINT 7

typedef struct IOAPICState {
    DeviceState qdev;
    /* Properties. */
    uint8_t version;
    /* Guest-visible state. */
    uint8_t id;
    uint8_t ioregsel;
    uint32_t level;            /* inputs as they stand, one bit a pin */
    uint32_t irr;              /* edges not delivered yet (masked) */
    uint64_t redir[IOAPIC_PINS];
    /* Host side. */
    MemoryRegion io;
} IOAPICState;

static IOAPICState *the_ioapic; /* where EOIs are broadcast to */

static void ioapic_service(IOAPICState *s, unsigned pin)
{
    uint64_t e = s->redir[pin];
    bool level = e & RTE_LEVEL;
    unsigned mode = RTE_DELMOD(e);
    uint32_t vector = RTE_VECTOR(e);

    if (e & RTE_MASK) {
        return;
    }
    if (level) {
        if (!(s->level & (1u << pin)) || (e & RTE_REMOTE_IRR)) {
            return;
        }
        s->redir[pin] |= RTE_REMOTE_IRR;
    } else {
        if (!(s->irr & (1u << pin))) {
            return;
        }
        s->irr &= ~(1u << pin);
    }
    if (mode == DELMOD_EXTINT) {
        vector = x86_platform.pic_ack ? x86_platform.pic_ack() : 0xff;
        mode = 0;
    }
    apic_deliver_msi(APIC_DEFAULT_BASE | RTE_DEST(e) << 12 |
                         (e & RTE_LOGICAL ? 4 : 0),
                     vector | mode << 8 | (level ? BIT(15) | BIT(14) : 0));
}

/* Where EOIs come from the kernel, it must know which vectors are meant. */
static void ioapic_update_route(IOAPICState *s, unsigned pin)
{
    uint64_t e = s->redir[pin];

    if (kernel_irqchip && kernel_irqchip->set_pin_route) {
        kernel_irqchip->set_pin_route(
            pin, e & RTE_MASK,
            APIC_DEFAULT_BASE | RTE_DEST(e) << 12 | (e & RTE_LOGICAL ? 4 : 0),
            RTE_VECTOR(e) | RTE_DELMOD(e) << 8 |
                (e & RTE_LEVEL ? BIT(15) | BIT(14) : 0));
    }
}

static void ioapic_set_input(void *opaque, int n, int level)
{
    IOAPICState *s = opaque;
    unsigned pin = n == 0 ? 2 : n;
    uint32_t bit = 1u << pin;

    /* 82093AA: edges at a masked pin are lost. */
    if (level && !(s->level & bit) &&
        !(s->redir[pin] & (RTE_LEVEL | RTE_MASK))) {
        s->irr |= bit;
    }
    s->level = level ? s->level | bit : s->level & ~bit;
    if (level) {
        ioapic_service(s, pin);
    }
}

void ioapic_eoi_broadcast(uint8_t vector)
{
    IOAPICState *s = the_ioapic;

    for (unsigned pin = 0; s && pin < IOAPIC_PINS; pin++) {
        uint64_t e = s->redir[pin];

        if (RTE_VECTOR(e) == vector && (e & RTE_LEVEL) &&
            (e & RTE_REMOTE_IRR)) {
            s->redir[pin] &= ~RTE_REMOTE_IRR;
            ioapic_service(s, pin);
        }
    }
}

static uint64_t ioapic_read(void *opaque, hwaddr addr, unsigned size)
{
    IOAPICState *s = opaque;
    unsigned reg = s->ioregsel;

    if (addr == IOREGSEL) {
        return s->ioregsel;
    }
    if (addr != IOWIN) {
        return 0;
    }
    switch (reg) {
    case REG_ID:
    case REG_ARB:
        return (uint32_t)s->id << 24;
    case REG_VER:
        return s->version | (IOAPIC_PINS - 1) << 16;
    default:
        if (reg >= REG_REDIR && reg < REG_REDIR + 2 * IOAPIC_PINS) {
            return (uint32_t)(s->redir[(reg - REG_REDIR) / 2] >>
                              (reg & 1 ? 32 : 0));
        }
        return 0;
    }
}

static void ioapic_write_redir(IOAPICState *s, unsigned reg, uint32_t val)
{
    unsigned pin = (reg - REG_REDIR) / 2;
    uint64_t *e = &s->redir[pin];

    if (reg & 1) {
        *e = (uint32_t)*e | (uint64_t)val << 32;
    } else {
        *e = (*e & (RTE_READONLY | ~UINT64_C(0xffffffff))) |
             (val & ~(uint32_t)RTE_READONLY & 0x1ffff);
        if (!(*e & RTE_LEVEL)) {
            /* Edge entries have no remote IRR; writing one clears it. */
            *e &= ~RTE_REMOTE_IRR;
        } else {
            s->irr &= ~(1u << pin);
        }
    }
    ioapic_update_route(s, pin);
    ioapic_service(s, pin);
}

static void ioapic_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    IOAPICState *s = opaque;
    unsigned reg = s->ioregsel;

    switch (addr) {
    case IOREGSEL:
        s->ioregsel = val;
        break;
    case IOWIN:
        if (reg == REG_ID) {
            s->id = val >> 24 & 0x0f;
        } else if (reg >= REG_REDIR && reg < REG_REDIR + 2 * IOAPIC_PINS) {
            ioapic_write_redir(s, reg, val);
        }
        break;
    case IOEOI:
        if (s->version >= 0x20) {
            ioapic_eoi_broadcast(val);
        }
        break;
    default:
        log_guest_error("ioapic: write to 0x%02x\n", (unsigned)addr);
        break;
    }
}

static const MemoryRegionOps ioapic_ops = {
    .read = ioapic_read,
    .write = ioapic_write,
    .access = { .min = 1, .max = 8, .unaligned = true },
    .impl = { .min = 4, .max = 4 },
};

static void ioapic_reset(DeviceState *dev)
{
    IOAPICState *s = (IOAPICState *)dev;

    s->id = 0;
    s->ioregsel = 0;
    s->irr = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->redir[pin] = RTE_MASK;
        ioapic_update_route(s, pin);
    }
}

static bool ioapic_realize(DeviceState *dev, Error **errp)
{
    IOAPICState *s = (IOAPICState *)dev;

    if (s->version != 0x11 && s->version != 0x20) {
        error_setg(errp, "IOAPIC only supports version 0x11 or 0x20 "
                         "(property 'version')");
        return false;
    }
    memory_region_init_io(&s->io, &dev->obj, &ioapic_ops, s, "ioapic", 0x1000);
    device_init_in(dev, NULL, ioapic_set_input, s, IOAPIC_PINS);
    the_ioapic = s;
    return true;
}

static void ioapic_unrealize(DeviceState *dev)
{
    IOAPICState *s = (IOAPICState *)dev;

    the_ioapic = NULL;
    memory_region_destroy(&s->io);
}

static const Property ioapic_props[] = {
    PROP_UINT8("version", IOAPICState, version, 0x20),
    PROP_END(),
};

static bool ioapic_post_load(void *opaque, int version, Error **errp)
{
    IOAPICState *s = opaque;

    s->level &= (1u << IOAPIC_PINS) - 1;
    s->irr &= (1u << IOAPIC_PINS) - 1;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic_update_route(s, pin);
    }
    return true;
}

static const VMStateField ioapic_fields[] = {
    VMSTATE_UINT8(id, IOAPICState),
    VMSTATE_UINT8(ioregsel, IOAPICState),
    VMSTATE_UINT32(level, IOAPICState),
    VMSTATE_UINT32(irr, IOAPICState),
    VMSTATE_UINT64_ARRAY(redir, IOAPICState, IOAPIC_PINS),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ioapic = {
    .name = "ioapic",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = ioapic_post_load,
    .fields = ioapic_fields,
};

static const DeviceInfo ioapic_info = {
    .name = "ioapic",
    .desc = "I/O APIC",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(IOAPICState),
    .props = ioapic_props,
    .vmsd = &vmstate_ioapic,
    .realize = ioapic_realize,
    .unrealize = ioapic_unrealize,
    .reset = ioapic_reset,
};

DeviceState *ioapic_create(MemoryRegion *mem, hwaddr base, Error **errp)
{
    DeviceState *dev = device_new("ioapic");

    if (!device_realize(dev, system_bus(), errp)) {
        return NULL;
    }
    memory_region_add_subregion_overlap(mem, base, &((IOAPICState *)dev)->io,
                                        0x1000);
    return dev;
}

void ioapic_print(GString *out)
{
    IOAPICState *s = the_ioapic;

    if (!s) {
        return;
    }
    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x\n",
                           s->version, s->id, s->ioregsel);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = s->redir[pin];

        g_string_append_printf(
            out, "  pin %-2u 0x%016" PRIx64 " dest=%" PRIu64 " vec=%u %s %s%s\n",
            pin, e, RTE_DEST(e), RTE_VECTOR(e),
            e & RTE_LEVEL ? "level" : "edge",
            e & RTE_LOGICAL ? "logical" : "physical",
            e & RTE_MASK ? " masked" : "");
    }
}

static void ioapic_register(void)
{
    device_register(&ioapic_info);
}
device_init(ioapic_register)
