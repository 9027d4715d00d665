/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iBASE IB700 ISA watchdog.
 *
 * A write to START arms the countdown, a write to STOP disarms it; bits 3:0
 * of START select 30 - 2n seconds.  Map: Linux drivers/watchdog/ib700wdt.c.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/isa.h"

#define IB700_BASE     0x441
#define IB700_PORTS    3
#define IB700_STOP     0 /* 441h, W: any value disarms */
#define IB700_START    2 /* 443h, W: bits 3:0 select the timeout */
#define START_SEL_MASK 0x0f

typedef struct IB700State {
    ISADevice isa;
    /* Guest-visible state. */
    Timer timer;
    /* Host side. */
    MemoryRegion io;
} IB700State;

static void ib700_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    IB700State *s = opaque;

    switch (addr) {
    case IB700_STOP:
        timer_del(&s->timer);
        break;
    case IB700_START:
        timer_mod_ms(&s->timer,
                     INT64_C(2000) * (15 - (val & START_SEL_MASK)));
        break;
    }
}

/* No read: the ports float. */
static const MemoryRegionOps ib700_ops = {
    .write = ib700_write,
    .impl = { .min = 1, .max = 1 },
};

static void ib700_expired(void *opaque)
{
    system_watchdog_expired();
}

static void ib700_reset(DeviceState *dev)
{
    IB700State *s = (IB700State *)dev;

    timer_del(&s->timer);
}

static bool ib700_realize(DeviceState *dev, Error **errp)
{
    IB700State *s = (IB700State *)dev;

    timer_init_virtual(&s->timer, ib700_expired, s);
    return isa_add_io(&s->isa, &s->io, &ib700_ops, s, IB700_BASE, IB700_PORTS,
                      errp);
}

static void ib700_unrealize(DeviceState *dev)
{
    IB700State *s = (IB700State *)dev;

    isa_del_io(&s->isa, &s->io);
    timer_del(&s->timer);
}

static const VMStateField ib700_fields[] = {
    VMSTATE_TIMER(timer, IB700State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ib700 = {
    .name = "ib700_wdt",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = ib700_fields,
};

static const DeviceInfo ib700_info = {
    .name = "ib700",
    .desc = "iBASE 700",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_WATCHDOG,
    .size = sizeof(IB700State),
    .vmsd = &vmstate_ib700,
    .realize = ib700_realize,
    .unrealize = ib700_unrealize,
    .reset = ib700_reset,
};

static void ib700_register(void)
{
    device_register(&ib700_info);
}
device_init(ib700_register)
