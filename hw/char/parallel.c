/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallel port, PC/AT kind: IEEE 1284-1994 compatibility mode, annex for the
 * register model of the standard parallel port.
 *
 * Data, status and control registers.  A byte is taken when the guest raises
 * STROBE while the "printer" is selected and not held in INIT; when STROBE
 * goes down again the peripheral acknowledges, which raises the interrupt if
 * it is enabled.  Reading the status withdraws it.  Where the back end is a
 * real port all registers are its own.
 */
#include "osdep.h"
#include "chardev/char.h"
#include "hw/isa.h"

enum { REG_DATA, REG_STATUS, REG_CONTROL, REG_EPP_ADDR, REG_EPP_DATA,
       REGS = 8 };
#define STS_BUSY    0x80 /* 1: not busy */
#define STS_ACK     0x40
#define STS_ONLINE  0x10
#define STS_ERROR   0x08 /* 1: no error */
#define STS_TIMEOUT 0x01
#define STS_IDLE    (STS_BUSY | STS_ACK | STS_ONLINE | STS_ERROR | STS_TIMEOUT)
#define CTR_STROBE  0x01
#define CTR_INIT    0x04 /* 0: reset */
#define CTR_SELECT  0x08
#define CTR_INTEN   0x10
#define CTR_FIXED   0xc0 /* bits that read as 1 */
#define CTR_RESET   (CTR_SELECT | CTR_INIT)

typedef struct ParallelState {
    ISADevice isa;
    /* Properties. */
    uint32_t index, iobase, irq_num;
    CharFrontend chr;
    /* Guest-visible state. */
    uint8_t data, status, control;
    bool irq_pending;
    /* Host side. */
    IRQ *irq;
    bool hw; /* the back end has registers of its own */
    MemoryRegion io;
} ParallelState;

static void parallel_update_irq(ParallelState *s)
{
    irq_set(s->irq, s->irq_pending && (s->control & CTR_INTEN));
}

static void control_write(ParallelState *s, uint8_t val)
{
    uint8_t old = s->control;

    s->control = val & 0x3f;
    if (!(val & CTR_INIT)) {
        s->status = STS_IDLE;
        s->irq_pending = false;
    } else if (val & CTR_SELECT) {
        if (val & ~old & CTR_STROBE) {
            s->status &= ~STS_BUSY;
            chr_fe_write_all(&s->chr, &s->data, 1);
        } else if (old & ~val & CTR_STROBE) {
            s->status |= STS_BUSY;
            s->irq_pending = true;
        }
    }
    parallel_update_irq(s);
}

static uint64_t parallel_read(void *opaque, hwaddr addr, unsigned size)
{
    static const ChrParport hw_regs[] = { CHR_PP_DATA, CHR_PP_STATUS,
                                          CHR_PP_CONTROL, CHR_PP_EPP_ADDR,
                                          CHR_PP_EPP_DATA };
    ParallelState *s = opaque;
    uint8_t v = 0xff;

    if (s->hw) {
        chr_fe_parport_read(&s->chr, hw_regs[MIN(addr, 4u)], &v);
        return v;
    }
    switch (addr) {
    case REG_DATA:
        return s->data;
    case REG_STATUS:
        s->irq_pending = false;
        parallel_update_irq(s);
        return s->status;
    case REG_CONTROL:
        return s->control | CTR_FIXED;
    default:
        return 0xff; /* no EPP */
    }
}

static void parallel_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    ParallelState *s = opaque;

    if (s->hw) {
        if (addr != REG_STATUS) {
            chr_fe_parport_write(&s->chr,
                                 addr == REG_DATA      ? CHR_PP_DATA
                                 : addr == REG_CONTROL ? CHR_PP_CONTROL
                                 : addr == REG_EPP_ADDR
                                     ? CHR_PP_EPP_ADDR
                                     : CHR_PP_EPP_DATA,
                                 val);
        }
        return;
    }
    if (addr == REG_DATA) {
        s->data = val;
    } else if (addr == REG_CONTROL) {
        control_write(s, val);
    }
}

static const MemoryRegionOps parallel_ops = {
    .read = parallel_read,
    .write = parallel_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 1 },
};

static void parallel_reset(DeviceState *dev)
{
    ParallelState *s = (ParallelState *)dev;

    s->data = 0xff;
    s->status = STS_IDLE;
    s->control = CTR_RESET;
    s->irq_pending = false;
    parallel_update_irq(s);
}

static bool parallel_realize(DeviceState *dev, Error **errp)
{
    static const uint16_t ports[] = { 0x378, 0x278, 0x3bc };
    static unsigned next_index;
    ParallelState *s = (ParallelState *)dev;
    uint8_t v;

    if (!chr_fe_connected(&s->chr)) {
        error_setg(errp, "Can't create parallel device, empty char device");
        return false;
    }
    if (s->index == UINT32_MAX) {
        s->index = next_index;
    }
    if (s->index >= ARRAY_SIZE(ports)) {
        error_setg(errp, "Max. supported number of parallel ports is %zu.",
                   ARRAY_SIZE(ports));
        return false;
    }
    if (s->iobase == UINT32_MAX) {
        s->iobase = ports[s->index];
    }
    s->irq = isa_get_irq(&s->isa, s->irq_num, errp);
    if (!s->irq) {
        return false;
    }
    next_index = s->index + 1;
    chr_fe_set_handlers(&s->chr, NULL, NULL, NULL, s);
    s->hw = chr_fe_parport_read(&s->chr, CHR_PP_STATUS, &v) == 0;
    /* 3BCh has the monochrome adapter's ports behind it. */
    return isa_add_io(&s->isa, &s->io, &parallel_ops, s, s->iobase,
                      s->iobase == 0x3bc ? 3 : REGS, errp);
}

static void parallel_unrealize(DeviceState *dev)
{
    ParallelState *s = (ParallelState *)dev;

    isa_del_io(&s->isa, &s->io);
    chr_fe_deinit(&s->chr);
}

static const Property parallel_props[] = {
    PROP_UINT32("index", ParallelState, index, UINT32_MAX),
    PROP_UINT32("iobase", ParallelState, iobase, UINT32_MAX),
    PROP_UINT32("irq", ParallelState, irq_num, 7),
    PROP_CHARDEV("chardev", ParallelState, chr),
    PROP_END(),
};

static const VMStateField parallel_fields[] = {
    VMSTATE_UINT8(data, ParallelState),
    VMSTATE_UINT8(status, ParallelState),
    VMSTATE_UINT8(control, ParallelState),
    VMSTATE_BOOL(irq_pending, ParallelState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_parallel = {
    .name = "parallel_isa",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = parallel_fields,
};

static const DeviceInfo parallel_info = {
    .name = "isa-parallel",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_INPUT,
    .no_hotplug = true,
    .fw_name = "parallel",
    .size = sizeof(ParallelState),
    .props = parallel_props,
    .vmsd = &vmstate_parallel,
    .realize = parallel_realize,
    .unrealize = parallel_unrealize,
    .reset = parallel_reset,
};

static void parallel_register(void)
{
    device_register(&parallel_info);
}
device_init(parallel_register)
