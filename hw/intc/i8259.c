/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8259A programmable interrupt controller, as the PC's cascaded pair.
 *
 * Intel 8259A data sheet (231468): ICW1-4 and OCW1-3 formats, priority
 * rotation, special mask mode, poll command.  The edge/level control
 * registers (ELCR) at 4D0h/4D1h: Intel 82371SB (PIIX3) section 2.5.
 */
#include "osdep.h"
#include "exec/x86.h"
#include "hw/intc/i8259.h"
#include "util/log.h"

#define ICW1_INIT 0x10 /* A0=0: D4 set starts initialisation */
#define ICW1_LTIM 0x08 /* level triggered; the PC's ELCR replaces it */
#define ICW1_SNGL 0x02
#define ICW1_IC4  0x01
#define ICW4_SFNM 0x10
#define ICW4_AEOI 0x02
#define OCW3      0x08 /* A0=0, D4=0: D3 tells OCW3 from OCW2 */
#define OCW3_ESMM 0x40
#define OCW3_SMM  0x20
#define OCW3_P    0x04
#define OCW3_RR   0x02
#define OCW3_RIS  0x01

typedef struct PICState {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase;
    uint32_t elcr_addr;
    uint8_t elcr_mask; /* lines whose trigger mode can be changed */
    bool master;
    /* Guest-visible state. */
    uint8_t level;     /* inputs as they stand */
    uint8_t irr;
    uint8_t imr;
    uint8_t isr;
    uint8_t elcr;      /* 1: level triggered */
    uint8_t lowest;    /* the IR of lowest priority, 7 after ICW1 */
    uint8_t vector;    /* ICW2, bits 7:3 */
    uint8_t icw3;
    uint8_t icw_next;  /* 0: initialised, else the ICW expected at A0=1 */
    bool icw4_needed;
    bool single;
    bool read_isr;     /* OCW3: RIS */
    bool poll;         /* OCW3: next read is a poll */
    bool special_mask;
    bool auto_eoi;
    bool rotate_aeoi;
    bool sfnm;
    bool int_level;    /* our INT output */
    /* Host side. */
    IRQ *int_out;
    struct PICState *slave; /* master only: who answers IR2 */
    MemoryRegion io, elcr_io;
} PICState;

static PICState *i8259_master;

/* Distance from the highest priority: 0 is served first. */
static unsigned prio(const PICState *s, unsigned ir)
{
    return (ir - s->lowest - 1) & 7;
}

static int highest(const PICState *s, uint8_t set)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned ir = (s->lowest + i) & 7;

        if (set & (1 << ir)) {
            return ir;
        }
    }
    return -1;
}

/* The request to signal, or -1. */
static int i8259_pending(const PICState *s)
{
    int ir = highest(s, s->irr & ~s->imr);
    uint8_t in_service = s->isr;
    int serving;

    if (ir < 0) {
        return -1;
    }
    /* Special mask mode: a masked level in service blocks nobody. */
    if (s->special_mask) {
        in_service &= ~s->imr;
    }
    /* Special fully nested mode: further slave requests pass the cascade. */
    if (s->sfnm && s->master) {
        in_service &= ~(1 << 2);
    }
    serving = highest(s, in_service);
    if (serving >= 0 && prio(s, serving) <= prio(s, ir)) {
        return -1;
    }
    return ir;
}

static void i8259_update(PICState *s)
{
    bool level = i8259_pending(s) >= 0 && s->icw_next == 0;

    if (level != s->int_level || level) {
        s->int_level = level;
        irq_set(s->int_out, level);
    }
}

static void i8259_set_input(void *opaque, int n, int level)
{
    PICState *s = opaque;
    uint8_t bit = 1 << n;

    if (s->elcr & bit) {
        s->irr = level ? s->irr | bit : s->irr & ~bit;
    } else if (level && !(s->level & bit)) {
        s->irr |= bit;
    }
    s->level = level ? s->level | bit : s->level & ~bit;
    i8259_update(s);
}

static void i8259_take(PICState *s, int ir)
{
    uint8_t bit = 1 << ir;

    if (s->auto_eoi) {
        if (s->rotate_aeoi) {
            s->lowest = ir;
        }
    } else {
        s->isr |= bit;
    }
    if (!(s->elcr & bit)) {
        s->irr &= ~bit;
    }
    i8259_update(s);
}

/* One chip's part of INTA: its IR, 7 when the request vanished. */
static int i8259_inta(PICState *s)
{
    int ir = i8259_pending(s);

    if (ir < 0) {
        return 7; /* data sheet: the default IR7, no ISR bit */
    }
    i8259_take(s, ir);
    return ir;
}

int i8259_ack(void)
{
    PICState *s = i8259_master;
    int ir;

    if (!s) {
        return -1;
    }
    ir = i8259_inta(s);
    if (ir == 2 && s->slave) {
        return s->slave->vector + i8259_inta(s->slave);
    }
    return s->vector + ir;
}

bool i8259_has_interrupt(void)
{
    return i8259_master && i8259_master->int_level;
}

static void i8259_init_regs(PICState *s)
{
    /* ICW1: edge sense circuit reset, IMR cleared, IR7 lowest. */
    s->irr &= s->elcr & s->level;
    s->imr = 0;
    s->isr = 0;
    s->lowest = 7;
    s->special_mask = false;
    s->read_isr = false;
    s->poll = false;
    s->auto_eoi = false;
    s->rotate_aeoi = false;
    s->sfnm = false;
}

static void i8259_ocw2(PICState *s, uint8_t val)
{
    unsigned ir = val & 7;
    int in_service;

    switch (val >> 5) {
    case 0: /* rotate in automatic EOI mode: clear */
    case 4: /* set */
        s->rotate_aeoi = val >> 7;
        break;
    case 1: /* non-specific EOI */
    case 5: /* rotate on non-specific EOI */
        in_service = highest(s, s->special_mask ? s->isr & ~s->imr : s->isr);
        if (in_service >= 0) {
            s->isr &= ~(1 << in_service);
            if (val & 0x80) {
                s->lowest = in_service;
            }
        }
        break;
    case 3: /* specific EOI */
        s->isr &= ~(1 << ir);
        break;
    case 7: /* rotate on specific EOI */
        s->isr &= ~(1 << ir);
        s->lowest = ir;
        break;
    case 6: /* set priority */
        s->lowest = ir;
        break;
    }
    i8259_update(s);
}

static void i8259_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    PICState *s = opaque;
    uint8_t val = data;

    if (addr == 0 && (val & ICW1_INIT)) {
        i8259_init_regs(s);
        s->icw4_needed = val & ICW1_IC4;
        s->single = val & ICW1_SNGL;
        s->icw_next = 2;
        if (val & ICW1_LTIM) {
            log_mask(LOG_UNIMP, "i8259: LTIM has no effect on a PC\n");
        }
        i8259_update(s);
    } else if (addr == 0 && (val & OCW3)) {
        if (val & OCW3_P) {
            s->poll = true;
        }
        if (val & OCW3_RR) {
            s->read_isr = val & OCW3_RIS;
        }
        if (val & OCW3_ESMM) {
            s->special_mask = val & OCW3_SMM;
            i8259_update(s);
        }
    } else if (addr == 0) {
        i8259_ocw2(s, val);
    } else {
        switch (s->icw_next) {
        case 0:
            s->imr = val;
            break;
        case 2:
            s->vector = val & 0xf8;
            s->icw_next = !s->single ? 3 : s->icw4_needed ? 4 : 0;
            break;
        case 3:
            s->icw3 = val;
            s->icw_next = s->icw4_needed ? 4 : 0;
            break;
        case 4:
            s->sfnm = val & ICW4_SFNM;
            s->auto_eoi = val & ICW4_AEOI;
            s->icw_next = 0;
            break;
        }
        i8259_update(s);
    }
}

static uint64_t i8259_read(void *opaque, hwaddr addr, unsigned size)
{
    PICState *s = opaque;
    int ir;

    if (s->poll) {
        /* Poll command: the read is the acknowledge; D7 tells of a request. */
        s->poll = false;
        ir = i8259_pending(s);
        if (ir < 0) {
            return 0;
        }
        i8259_take(s, ir);
        return 0x80 | ir;
    }
    if (addr == 1) {
        return s->imr;
    }
    return s->read_isr ? s->isr : s->irr;
}

static void elcr_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PICState *s = opaque;

    s->elcr = val & s->elcr_mask;
    /* A line that is up requests at once when it becomes level triggered. */
    s->irr = (s->irr & ~s->elcr) | (s->level & s->elcr);
    i8259_update(s);
}

static uint64_t elcr_read(void *opaque, hwaddr addr, unsigned size)
{
    PICState *s = opaque;

    return s->elcr;
}

static const MemoryRegionOps i8259_ops = {
    .read = i8259_read,
    .write = i8259_write,
    .impl = { .min = 1, .max = 1 },
};

static const MemoryRegionOps elcr_ops = {
    .read = elcr_read,
    .write = elcr_write,
    .impl = { .min = 1, .max = 1 },
};

static void i8259_reset(DeviceState *dev)
{
    PICState *s = (PICState *)dev;

    s->elcr = 0;
    s->irr = 0;
    i8259_init_regs(s);
    s->vector = 0;
    s->icw3 = 0;
    s->icw_next = 0;
    s->icw4_needed = false;
    s->single = false;
    s->int_level = false;
    irq_set(s->int_out, 0);
}

static bool i8259_realize(DeviceState *dev, Error **errp)
{
    PICState *s = (PICState *)dev;

    device_init_in(dev, NULL, i8259_set_input, s, 8);
    device_init_out(dev, NULL, &s->int_out, 1);
    return isa_add_io(&s->isa, &s->io, &i8259_ops, s, s->iobase, 2, errp) &&
           isa_add_io(&s->isa, &s->elcr_io, &elcr_ops, s, s->elcr_addr, 1,
                      errp);
}

static const Property i8259_props[] = {
    PROP_UINT32("iobase", PICState, iobase, 0x20),
    PROP_UINT32("elcr_addr", PICState, elcr_addr, 0x4d0),
    PROP_UINT8("elcr_mask", PICState, elcr_mask, 0xf8),
    PROP_BOOL("master", PICState, master, true),
    PROP_END(),
};

static bool i8259_post_load(void *opaque, int version, Error **errp)
{
    PICState *s = opaque;

    if (s->lowest > 7 || s->icw_next > 4 || s->icw_next == 1) {
        error_setg(errp, "i8259: impossible priority or ICW state");
        return false;
    }
    return true;
}

static const VMStateField i8259_fields[] = {
    VMSTATE_UINT8(level, PICState),
    VMSTATE_UINT8(irr, PICState),
    VMSTATE_UINT8(imr, PICState),
    VMSTATE_UINT8(isr, PICState),
    VMSTATE_UINT8(elcr, PICState),
    VMSTATE_UINT8(lowest, PICState),
    VMSTATE_UINT8(vector, PICState),
    VMSTATE_UINT8(icw3, PICState),
    VMSTATE_UINT8(icw_next, PICState),
    VMSTATE_BOOL(icw4_needed, PICState),
    VMSTATE_BOOL(single, PICState),
    VMSTATE_BOOL(read_isr, PICState),
    VMSTATE_BOOL(poll, PICState),
    VMSTATE_BOOL(special_mask, PICState),
    VMSTATE_BOOL(auto_eoi, PICState),
    VMSTATE_BOOL(rotate_aeoi, PICState),
    VMSTATE_BOOL(sfnm, PICState),
    VMSTATE_BOOL(int_level, PICState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_i8259 = {
    .name = "i8259",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i8259_post_load,
    .fields = i8259_fields,
};

static const DeviceInfo i8259_info = {
    .name = "isa-i8259",
    .desc = "8259A interrupt controller",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(PICState),
    .props = i8259_props,
    .vmsd = &vmstate_i8259,
    .realize = i8259_realize,
    .reset = i8259_reset,
};

static PICState *i8259_create(ISABus *bus, bool master, Error **errp)
{
    DeviceState *dev = device_new("isa-i8259");

    if (!master) {
        object_set_int(&dev->obj, "iobase", 0xa0, NULL);
        object_set_int(&dev->obj, "elcr_addr", 0x4d1, NULL);
        object_set_int(&dev->obj, "elcr_mask", 0xde, NULL);
        object_set_bool(&dev->obj, "master", false, NULL);
    }
    return device_realize(dev, &bus->bus, errp) ? (PICState *)dev : NULL;
}

bool i8259_pair_create(ISABus *bus, IRQ *intr, IRQ *inputs[16], Error **errp)
{
    PICState *master = i8259_create(bus, true, errp);
    PICState *slave = master ? i8259_create(bus, false, errp) : NULL;

    if (!slave) {
        return false;
    }
    device_connect_out(&master->isa.qdev, NULL, 0, intr);
    device_connect_out(&slave->isa.qdev, NULL, 0,
                       device_in(&master->isa.qdev, NULL, 2));
    master->slave = slave;
    i8259_master = master;
    for (int i = 0; i < 8; i++) {
        inputs[i] = i == 2 ? NULL : device_in(&master->isa.qdev, NULL, i);
        inputs[8 + i] = device_in(&slave->isa.qdev, NULL, i);
    }
    x86_platform.pic_ack = i8259_ack;
    x86_platform.pic_has_interrupt = i8259_has_interrupt;
    return true;
}

void i8259_print(GString *out)
{
    PICState *s = i8259_master;

    for (int n = 0; s && n < 2; n++, s = s->slave) {
        g_string_append_printf(out,
                               "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d "
                               "irq_base=%02x rr_sel=%d elcr=%02x fnm=%d\n",
                               n, s->irr, s->imr, s->isr, (s->lowest + 1) & 7,
                               s->vector, s->read_isr, s->elcr, s->sfnm);
    }
}

static void i8259_register(void)
{
    device_register(&i8259_info);
}
device_init(i8259_register)
