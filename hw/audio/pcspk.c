/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PC speaker control, port 61h (system control port B): gate and output of
 * PIT channel 2, and the refresh toggle that old code counts.  PIIX3 data
 * sheet, "NMI Status and Control Register".  No sound comes out: there is no
 * audio back end but `none`.
 */
#include "osdep.h"
#include "hw/isa.h"
#include "hw/timer/i8254.h"

#define PORT61_GATE    0x01
#define PORT61_SPEAKER 0x02
#define PORT61_REFRESH 0x10 /* toggles with the 15 us refresh */
#define PORT61_OUT2    0x20

typedef struct PCSpkState {
    ISADevice isa;
    /* Guest-visible state. */
    uint8_t control;   /* bits 3:0 as written, but for the gate */
    bool refresh;
    /* Host side: set by the machine. */
    DeviceState *pit;
    MemoryRegion io;
} PCSpkState;

static uint64_t pcspk_read(void *opaque, hwaddr addr, unsigned size)
{
    PCSpkState *s = opaque;

    s->refresh = !s->refresh;
    return (s->control & 0x0e) | (pit_get_gate(s->pit, 2) ? PORT61_GATE : 0) |
           (s->refresh ? PORT61_REFRESH : 0) |
           (pit_get_out(s->pit, 2) ? PORT61_OUT2 : 0);
}

static void pcspk_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCSpkState *s = opaque;

    s->control = val & 0x0f;
    pit_set_gate(s->pit, 2, val & PORT61_GATE);
}

static const MemoryRegionOps pcspk_ops = {
    .read = pcspk_read,
    .write = pcspk_write,
    .impl = { .min = 1, .max = 1 },
};

static bool pcspk_realize(DeviceState *dev, Error **errp)
{
    PCSpkState *s = (PCSpkState *)dev;
    Object *pit = object_resolve("/machine/pit", NULL);

    if (!pit) {
        error_setg(errp, "isa-pcspk needs a PIT");
        return false;
    }
    s->pit = DEVICE(pit);
    return isa_add_io(&s->isa, &s->io, &pcspk_ops, s, 0x61, 1, errp);
}

static void pcspk_reset(DeviceState *dev)
{
    ((PCSpkState *)dev)->control = 0;
}

static const VMStateField pcspk_fields[] = {
    VMSTATE_UINT8(control, PCSpkState),
    VMSTATE_BOOL(refresh, PCSpkState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pcspk = {
    .name = "pcspk",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = pcspk_fields,
};

static const DeviceInfo pcspk_info = {
    .name = "isa-pcspk",
    .desc = "PC speaker",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_SOUND,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(PCSpkState),
    .vmsd = &vmstate_pcspk,
    .realize = pcspk_realize,
    .reset = pcspk_reset,
};

static void pcspk_register(void)
{
    device_register(&pcspk_info);
}
device_init(pcspk_register)
