/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NE2000 on the ISA bus; the chip is ne2000.c's. */
#include "osdep.h"
#include "hw/isa.h"
#include "ne2000.h"

typedef struct NE2000ISA {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase, irq;
    /* Guest-visible state. */
    NE2000 ne;
    /* Host side. */
    MemoryRegion io;
    IRQ *line;
} NE2000ISA;

static void ne2k_isa_set_irq(void *opaque, int level)
{
    NE2000ISA *s = opaque;

    irq_set(s->line, level);
}

static void ne2k_isa_reset(DeviceState *dev)
{
    ne2000_reset(&((NE2000ISA *)dev)->ne);
}

static bool ne2k_isa_realize(DeviceState *dev, Error **errp)
{
    NE2000ISA *s = (NE2000ISA *)dev;

    if (s->iobase > 0xffff) {
        error_setg(errp, "ne2k_isa: iobase=0x%x is no port", s->iobase);
        return false;
    }
    s->line = isa_get_irq(&s->isa, s->irq, errp);
    s->ne.set_irq = ne2k_isa_set_irq;
    s->ne.opaque = s;
    if (!s->line || !ne2000_init(&s->ne, dev, errp)) {
        return false;
    }
    if (!isa_add_io(&s->isa, &s->io, &ne2000_ops, &s->ne, s->iobase, NE_PORTS,
                    errp)) {
        ne2000_fini(&s->ne);
        return false;
    }
    return true;
}

static void ne2k_isa_unrealize(DeviceState *dev)
{
    NE2000ISA *s = (NE2000ISA *)dev;

    isa_del_io(&s->isa, &s->io);
    irq_lower(s->line);
    ne2000_fini(&s->ne);
}

static const Property ne2k_isa_props[] = {
    PROP_UINT32("iobase", NE2000ISA, iobase, 0x300),
    PROP_UINT32("irq", NE2000ISA, irq, 9),
    PROP_NIC(NE2000ISA, ne.conf),
    PROP_END(),
};

static const VMStateField ne2k_isa_fields[] = {
    VMSTATE_STRUCT(ne, NE2000ISA, NE2000, vmstate_ne2000),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ne2k_isa = {
    .name = "ne2k_isa",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = ne2k_isa_fields,
};

static const DeviceInfo ne2k_isa_info = {
    .name = "ne2k_isa",
    .desc = "NE2000 Ethernet, ISA",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_NETWORK,
    .size = sizeof(NE2000ISA),
    .props = ne2k_isa_props,
    .vmsd = &vmstate_ne2k_isa,
    .fw_name = "ethernet",
    .realize = ne2k_isa_realize,
    .unrealize = ne2k_isa_unrealize,
    .reset = ne2k_isa_reset,
};

static void ne2k_isa_register(void)
{
    device_register(&ne2k_isa_info);
}
device_init(ne2k_isa_register)
