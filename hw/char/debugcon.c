/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "isa-debugcon": a byte written to the port goes to the back end; reading
 * gives E9h, by which Bochs' firmware knows that somebody listens.
 */
#include "osdep.h"
#include "chardev/char.h"
#include "hw/isa.h"

typedef struct DebugconState {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase;
    uint32_t readback;
    CharFrontend chr;
    /* Host side. */
    MemoryRegion io;
} DebugconState;

static void debugcon_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    uint8_t c = val;

    chr_fe_write_all(&((DebugconState *)opaque)->chr, &c, 1);
}

static uint64_t debugcon_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((DebugconState *)opaque)->readback;
}

static const MemoryRegionOps debugcon_ops = {
    .read = debugcon_read,
    .write = debugcon_write,
    .access = { .min = 1, .max = 1 },
};

static bool debugcon_realize(DeviceState *dev, Error **errp)
{
    DebugconState *s = (DebugconState *)dev;

    if (!chr_fe_connected(&s->chr)) {
        error_setg(errp, "Can't create debugcon device, empty char device");
        return false;
    }
    if (s->iobase > 0xffff) {
        error_setg(errp, "isa-debugcon: iobase 0x%x is no port", s->iobase);
        return false;
    }
    chr_fe_set_handlers(&s->chr, NULL, NULL, NULL, NULL);
    return isa_add_io(&s->isa, &s->io, &debugcon_ops, s, s->iobase, 1, errp);
}

static void debugcon_unrealize(DeviceState *dev)
{
    DebugconState *s = (DebugconState *)dev;

    isa_del_io(&s->isa, &s->io);
    chr_fe_deinit(&s->chr);
}

static const Property debugcon_props[] = {
    PROP_UINT32("iobase", DebugconState, iobase, 0xe9),
    PROP_CHARDEV("chardev", DebugconState, chr),
    PROP_UINT32("readback", DebugconState, readback, 0xe9),
    PROP_END(),
};

static const DeviceInfo debugcon_info = {
    .name = "isa-debugcon",
    .desc = "debug console port",
    .bus = BUS_ISA,
    .size = sizeof(DebugconState),
    .props = debugcon_props,
    .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
};

static void debugcon_register(void)
{
    device_register(&debugcon_info);
}
device_init(debugcon_register)
