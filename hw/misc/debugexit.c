/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "isa-debug-exit": writing V to the port ends the process with 2V + 1. */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/isa.h"

typedef struct DebugExitState {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase, iosize;
    /* Host side. */
    MemoryRegion io;
} DebugExitState;

static void debug_exit_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    exit((int)((val << 1) | 1) & 0xff);
}

static const MemoryRegionOps debug_exit_ops = {
    .write = debug_exit_write,
    .access = { .min = 1, .max = 4 },
};

static bool debug_exit_realize(DeviceState *dev, Error **errp)
{
    DebugExitState *s = (DebugExitState *)dev;

    if (s->iobase > 0xffff || s->iosize == 0 || s->iosize > 0x100) {
        error_setg(errp, "isa-debug-exit: iobase=0x%x,iosize=0x%x is no range "
                         "of ports", s->iobase, s->iosize);
        return false;
    }
    return isa_add_io(&s->isa, &s->io, &debug_exit_ops, s, s->iobase,
                      s->iosize, errp);
}

static void debug_exit_unrealize(DeviceState *dev)
{
    DebugExitState *s = (DebugExitState *)dev;

    isa_del_io(&s->isa, &s->io);
}

static const Property debug_exit_props[] = {
    PROP_UINT32("iobase", DebugExitState, iobase, 0x501),
    PROP_UINT32("iosize", DebugExitState, iosize, 0x02),
    PROP_END(),
};

static const DeviceInfo debug_exit_info = {
    .name = "isa-debug-exit",
    .desc = "ends the emulator",
    .bus = BUS_ISA,
    .size = sizeof(DebugExitState),
    .props = debug_exit_props,
    .realize = debug_exit_realize,
    .unrealize = debug_exit_unrealize,
};

static void debug_exit_register(void)
{
    device_register(&debug_exit_info);
}
device_init(debug_exit_register)
