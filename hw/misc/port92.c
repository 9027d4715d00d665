/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A at 92h: bit 1 is A20 (ORed with the keyboard
 * controller's), a rising bit 0 resets the CPU.  IBM PS/2 Technical Reference,
 * "System Control Port A".
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/isa.h"

#define PORT92_RESET 0x01
#define PORT92_A20   0x02

typedef struct Port92State {
    ISADevice isa;
    /* Guest-visible state. */
    uint8_t outport;
    /* Host side. */
    IRQ *a20_out;
    MemoryRegion io;
} Port92State;

static void port92_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    Port92State *s = opaque;
    uint8_t old = s->outport;

    s->outport = val;
    irq_set(s->a20_out, (val & PORT92_A20) != 0);
    if ((val & PORT92_RESET) && !(old & PORT92_RESET)) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static uint64_t port92_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((Port92State *)opaque)->outport;
}

static const MemoryRegionOps port92_ops = {
    .read = port92_read,
    .write = port92_write,
    .impl = { .min = 1, .max = 1 },
};

static void port92_reset(DeviceState *dev)
{
    ((Port92State *)dev)->outport &= ~PORT92_RESET;
}

static bool port92_realize(DeviceState *dev, Error **errp)
{
    Port92State *s = (Port92State *)dev;

    device_init_out(dev, "a20", &s->a20_out, 1);
    return isa_add_io(&s->isa, &s->io, &port92_ops, s, 0x92, 1, errp);
}

static const VMStateField port92_fields[] = {
    VMSTATE_UINT8(outport, Port92State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_port92 = {
    .name = "port92",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = port92_fields,
};

static const DeviceInfo port92_info = {
    .name = "port92",
    .desc = "system control port A",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(Port92State),
    .vmsd = &vmstate_port92,
    .realize = port92_realize,
    .reset = port92_reset,
};

static void port92_register(void)
{
    device_register(&port92_info);
}
device_init(port92_register)
