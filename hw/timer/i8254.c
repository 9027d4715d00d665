/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8254 programmable interval timer, ports 40h-43h.
 *
 * Intel 8254 data sheet (231164): control word, read-back and counter latch
 * commands, modes 0-5.  Nothing ticks: counts and outputs are computed from
 * the virtual clock and the moment a count was loaded; only channel 0 has a
 * timer, armed for the next change of its OUT.
 *
 * Not modelled: the one-clock delay between writing a count and its load.
 */
#include "osdep.h"
#include "hw/timer/i8254.h"
#include "util/log.h"

enum { RW_LATCH, RW_LSB, RW_MSB, RW_WORD };

typedef struct PITChannel {
    uint32_t count;       /* initial count, 1..65536 (10000 in BCD) */
    uint8_t mode;         /* 0..5 */
    uint8_t rw;           /* RW_x of the control word */
    bool bcd;
    bool gate;
    bool null_count;      /* control word written, count not yet */
    bool write_msb_next;  /* RW_WORD: LSB is in write_lsb */
    bool read_msb_next;
    uint8_t write_lsb;
    uint8_t latched;      /* bytes of latch still to be read: 0, 1, 2 */
    uint16_t latch;
    bool status_latched;
    uint8_t status;
    bool running;         /* a count was loaded (modes 1, 5: triggered) */
    int64_t start;        /* virtual time of load or trigger, ns */
    uint32_t paused_at;   /* clocks that had passed when GATE fell */
} PITChannel;

typedef struct PITState {
    ISADevice isa;
    /* Properties. */
    uint32_t iobase;
    /* Guest-visible state. */
    PITChannel ch[3];
    bool irq_disabled;
    Timer timer;          /* next change of channel 0's OUT */
    /* Host side. */
    IRQ *irq;
    bool irq_level;
    int64_t due;          /* of `timer`: OUT's change, -1 none */
    unsigned owed;        /* ticks that lateness swallowed, given later */
    MemoryRegion io;
} PITState;

/* On a host too busy to run the timer each period, at most so many ticks are
 * made up for, each a part of a period after the one before. */
#define OWED_MAX 16
#define CATCH_UP_PART 8

static void set_owed(PITState *s, unsigned n)
{
    n = MIN(n, OWED_MAX);
    atomic_fetch_add(&clock_ticks_owed, (int)n - (int)s->owed);
    s->owed = n;
}

static bool gate_stops(const PITChannel *c)
{
    return c->mode != 1 && c->mode != 5;
}

/* Clocks since load or trigger; stands still while GATE is low. */
static uint64_t elapsed(const PITChannel *c, int64_t now)
{
    if (!c->running) {
        return 0;
    }
    if (!c->gate && gate_stops(c)) {
        return c->paused_at;
    }
    return now <= c->start ? 0
                           : muldiv64(now - c->start, PIT_HZ, NSEC_PER_SEC);
}

/* Virtual time at which @clocks will have passed (rounded up). */
static int64_t time_of(const PITChannel *c, uint64_t clocks)
{
    unsigned __int128 ns = (unsigned __int128)clocks * NSEC_PER_SEC;

    return c->start + (int64_t)((ns + PIT_HZ - 1) / PIT_HZ);
}

static bool channel_out(const PITChannel *c, int64_t now)
{
    uint64_t t = elapsed(c, now);

    switch (c->mode) {
    case 0:
        return c->running && !c->null_count && t >= c->count;
    case 1:
        return !c->running || t >= c->count;
    case 2: /* low for the last clock of each period */
        return !c->running || !c->gate || t % c->count != c->count - 1;
    case 3: /* high for the first half, longer by one when odd */
        return !c->running || !c->gate ||
               t % c->count < DIV_ROUND_UP(c->count, 2);
    default: /* 4, 5: a one-clock strobe at terminal count */
        return !c->running || t != c->count;
    }
}

/* Virtual time of the next change of OUT after @now; -1: none. */
static int64_t next_change(const PITChannel *c, int64_t now)
{
    uint64_t t = elapsed(c, now), period, half;

    if (!c->running || c->null_count || (!c->gate && gate_stops(c))) {
        return -1;
    }
    switch (c->mode) {
    case 0:
    case 1:
        return t < c->count ? time_of(c, c->count) : -1;
    case 2:
        period = t / c->count * c->count;
        return t - period < c->count - 1
                   ? time_of(c, period + c->count - 1)
                   : time_of(c, period + c->count);
    case 3:
        period = t / c->count * c->count;
        half = DIV_ROUND_UP(c->count, 2);
        return t - period < half ? time_of(c, period + half)
                                 : time_of(c, period + c->count);
    default:
        return t < c->count    ? time_of(c, c->count)
               : t == c->count ? time_of(c, (uint64_t)c->count + 1)
                               : -1;
    }
}

static uint16_t to_bcd(unsigned v)
{
    return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

static unsigned from_bcd(uint16_t v)
{
    return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 +
           (v & 15);
}

/* The counting element as the CPU reads it. */
static uint16_t channel_count(const PITChannel *c, int64_t now)
{
    uint64_t t = elapsed(c, now);
    uint32_t modulus = c->bcd ? 10000 : 65536;
    uint32_t left;

    switch (c->mode) {
    case 2:
        left = c->count - t % c->count;
        break;
    case 3: /* counts down by two, twice a period */
        left = c->count - (2 * t) % c->count;
        left &= ~1u;
        break;
    default: /* wraps and goes on after terminal count */
        left = (c->count + modulus - t % modulus) % modulus;
        break;
    }
    left %= modulus;
    return c->bcd ? to_bcd(left) : left;
}

static void pit_update_irq(PITState *s, int64_t now)
{
    PITChannel *c = &s->ch[0];
    bool out = channel_out(c, now);
    int64_t next = next_change(c, now);

    if (out != s->irq_level) {
        s->irq_level = out;
        if (!s->irq_disabled) {
            irq_set(s->irq, out);
        }
    }
    s->due = s->irq_disabled ? -1 : next;
    if (s->due < 0) {
        timer_del(&s->timer);
        set_owed(s, 0);
    } else if (s->owed) {
        int64_t part = time_of(c, c->count) - time_of(c, 0);
        timer_mod_at(&s->timer, MIN(next, now + part / CATCH_UP_PART));
    } else {
        /* Mode 2's low pulse lasts one clock: OUT's rise is what counts, so
         * a late timer still shows both edges. */
        timer_mod_at(&s->timer, next);
    }
}

/* A rise of OUT, whatever it is now. */
static void pit_pulse(PITState *s)
{
    irq_set(s->irq, !s->irq_level);
    irq_set(s->irq, s->irq_level);
}

/* Channel 0, periodic: rises of OUT since the change that was due. */
static uint64_t rises_since_due(PITState *s, int64_t now)
{
    PITChannel *c = &s->ch[0];
    uint64_t due = s->due > c->start ? elapsed(c, s->due) : 1;

    return elapsed(c, now) / c->count - (MAX(due, 1) - 1) / c->count;
}

static void pit_tick(void *opaque)
{
    PITState *s = opaque;
    PITChannel *c = &s->ch[0];
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if ((c->mode == 2 || c->mode == 3) && !s->irq_disabled) {
        bool out = channel_out(c, now);

        if (s->owed && now < s->due) {
            pit_pulse(s);
            set_owed(s, s->owed - 1);
        } else {
            uint64_t rises = rises_since_due(s, now);

            if (out && s->irq_level && rises) {
                pit_pulse(s); /* down and up again in the meantime */
            }
            set_owed(s, MIN(s->owed + rises - (out && rises), OWED_MAX));
        }
    }
    pit_update_irq(s, now);
}

static void channel_load(PITState *s, unsigned n, uint16_t value)
{
    PITChannel *c = &s->ch[n];
    uint32_t count = c->bcd ? from_bcd(value) : value;
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (count == 0) {
        count = c->bcd ? 10000 : 65536;
    }
    /* A count of 1 is illegal in modes 2 and 3; hardware hangs high. */
    if (count == 1 && (c->mode == 2 || c->mode == 3)) {
        count = 2;
    }
    if (c->running && !c->null_count && (c->mode == 2 || c->mode == 3)) {
        /* Taken over at the end of the current period; we switch now but
         * keep the phase at a period's start. */
        c->start = now;
        c->paused_at = 0;
    } else if (c->mode != 1 && c->mode != 5) {
        c->start = now;
        c->paused_at = 0;
        c->running = true;
    }
    c->count = count;
    c->null_count = false;
    if (n == 0) {
        set_owed(s, 0);
        pit_update_irq(s, now);
    }
}

static void channel_latch_count(PITChannel *c, int64_t now)
{
    if (!c->latched) {
        c->latch = channel_count(c, now);
        c->latched = c->rw == RW_WORD ? 2 : 1;
    }
}

static void pit_control(PITState *s, uint8_t val)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    unsigned n = val >> 6;
    PITChannel *c;

    if (n == 3) { /* read-back: D5=0 count, D4=0 status, D3:1 channels */
        for (n = 0; n < 3; n++) {
            c = &s->ch[n];
            if (!(val & (2 << n))) {
                continue;
            }
            if (!(val & 0x20)) {
                channel_latch_count(c, now);
            }
            if (!(val & 0x10) && !c->status_latched) {
                c->status = channel_out(c, now) << 7 | c->null_count << 6 |
                            c->rw << 4 | c->mode << 1 | c->bcd;
                c->status_latched = true;
            }
        }
        return;
    }
    c = &s->ch[n];
    if ((val >> 4 & 3) == RW_LATCH) {
        channel_latch_count(c, now);
        return;
    }
    c->rw = val >> 4 & 3;
    c->mode = val >> 1 & 7;
    if (c->mode > 5) { /* modes 6 and 7 are 2 and 3 */
        c->mode -= 4;
    }
    c->bcd = val & 1;
    c->null_count = true;
    c->running = false;
    c->write_msb_next = false;
    c->read_msb_next = false;
    c->latched = 0;
    c->status_latched = false;
    c->paused_at = 0;
    if (n == 0) {
        pit_update_irq(s, now);
    }
}

static void pit_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PITState *s = opaque;
    PITChannel *c;

    if (addr == 3) {
        pit_control(s, val);
        return;
    }
    c = &s->ch[addr];
    switch (c->rw) {
    case RW_LSB:
        channel_load(s, addr, val & 0xff);
        break;
    case RW_MSB:
        channel_load(s, addr, (val & 0xff) << 8);
        break;
    case RW_WORD:
        if (!c->write_msb_next) {
            c->write_lsb = val;
            c->write_msb_next = true;
            if (c->mode == 0) { /* the first byte stops counting */
                c->null_count = true;
                if (addr == 0) {
                    pit_update_irq(s, clock_ns(CLOCK_VIRTUAL));
                }
            }
        } else {
            c->write_msb_next = false;
            channel_load(s, addr, c->write_lsb | (val & 0xff) << 8);
        }
        break;
    }
}

static uint64_t pit_read(void *opaque, hwaddr addr, unsigned size)
{
    PITState *s = opaque;
    PITChannel *c;
    uint16_t v;

    if (addr == 3) {
        return 0; /* the control port cannot be read */
    }
    c = &s->ch[addr];
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->latched) {
        bool msb = c->rw == RW_MSB || (c->rw == RW_WORD && c->latched == 1);

        c->latched--;
        return msb ? c->latch >> 8 : c->latch & 0xff;
    }
    v = channel_count(c, clock_ns(CLOCK_VIRTUAL));
    switch (c->rw) {
    case RW_MSB:
        return v >> 8;
    case RW_WORD:
        c->read_msb_next = !c->read_msb_next;
        return c->read_msb_next ? v & 0xff : v >> 8;
    default:
        return v & 0xff;
    }
}

static const MemoryRegionOps pit_ops = {
    .read = pit_read,
    .write = pit_write,
    .impl = { .min = 1, .max = 1 },
};

static PITState *pit_of(DeviceState *pit)
{
    return (PITState *)pit;
}

bool pit_get_out(DeviceState *pit, unsigned channel)
{
    return channel_out(&pit_of(pit)->ch[channel], clock_ns(CLOCK_VIRTUAL));
}

bool pit_get_gate(DeviceState *pit, unsigned channel)
{
    return pit_of(pit)->ch[channel].gate;
}

void pit_set_gate(DeviceState *pit, unsigned channel, bool level)
{
    PITState *s = pit_of(pit);
    PITChannel *c = &s->ch[channel];
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (level == c->gate) {
        return;
    }
    if (!level) {
        c->paused_at = gate_stops(c) ? elapsed(c, now) : 0;
        c->gate = false;
    } else {
        c->gate = true;
        switch (c->mode) {
        case 0:
        case 4: /* goes on counting */
            c->start = now - (int64_t)muldiv64(c->paused_at, NSEC_PER_SEC,
                                               PIT_HZ);
            break;
        case 1:
        case 5: /* the rising edge triggers */
            if (!c->null_count) {
                c->running = true;
            }
            c->start = now;
            break;
        default: /* 2, 3: reloads */
            c->start = now;
            break;
        }
    }
    if (channel == 0) {
        pit_update_irq(s, now);
    }
}

unsigned pit_get_frequency(DeviceState *pit, unsigned channel)
{
    PITChannel *c = &pit_of(pit)->ch[channel];

    if (!c->running || (c->mode != 2 && c->mode != 3)) {
        return 0;
    }
    return PIT_HZ / c->count;
}

void pit_disable_irq(DeviceState *pit, bool disable)
{
    PITState *s = pit_of(pit);

    if (disable && s->irq_level && !s->irq_disabled) {
        irq_set(s->irq, 0);
    }
    s->irq_disabled = disable;
    s->irq_level = false;
    pit_update_irq(s, clock_ns(CLOCK_VIRTUAL));
}

static void pit_reset(DeviceState *dev)
{
    PITState *s = pit_of(dev);

    s->irq_disabled = false;
    for (unsigned n = 0; n < 3; n++) {
        s->ch[n] = (PITChannel){
            .mode = 3, .count = 65536, .rw = RW_WORD, .gate = n != 2,
            .null_count = false, .running = n != 2,
            .start = clock_ns(CLOCK_VIRTUAL),
        };
    }
    /* OUT is high at power-on without an edge to report. */
    s->irq_level = true;
    set_owed(s, 0);
    pit_update_irq(s, clock_ns(CLOCK_VIRTUAL));
}

static bool pit_realize(DeviceState *dev, Error **errp)
{
    PITState *s = pit_of(dev);

    timer_init_virtual(&s->timer, pit_tick, s);
    device_init_out(dev, NULL, &s->irq, 1);
    return isa_add_io(&s->isa, &s->io, &pit_ops, s, s->iobase, 4, errp);
}

static void pit_unrealize(DeviceState *dev)
{
    timer_del(&pit_of(dev)->timer);
    set_owed(pit_of(dev), 0);
}

static const Property pit_props[] = {
    PROP_UINT32("iobase", PITState, iobase, 0x40),
    PROP_END(),
};

static const VMStateField pit_channel_fields[] = {
    VMSTATE_UINT32(count, PITChannel),
    VMSTATE_UINT8(mode, PITChannel),
    VMSTATE_UINT8(rw, PITChannel),
    VMSTATE_BOOL(bcd, PITChannel),
    VMSTATE_BOOL(gate, PITChannel),
    VMSTATE_BOOL(null_count, PITChannel),
    VMSTATE_BOOL(write_msb_next, PITChannel),
    VMSTATE_BOOL(read_msb_next, PITChannel),
    VMSTATE_UINT8(write_lsb, PITChannel),
    VMSTATE_UINT8(latched, PITChannel),
    VMSTATE_UINT16(latch, PITChannel),
    VMSTATE_BOOL(status_latched, PITChannel),
    VMSTATE_UINT8(status, PITChannel),
    VMSTATE_BOOL(running, PITChannel),
    VMSTATE_INT64(start, PITChannel),
    VMSTATE_UINT32(paused_at, PITChannel),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pit_channel = {
    .name = "i8254/channel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = pit_channel_fields,
};

static bool pit_post_load(void *opaque, int version, Error **errp)
{
    PITState *s = opaque;

    for (unsigned n = 0; n < 3; n++) {
        PITChannel *c = &s->ch[n];

        if (c->mode > 5 || c->rw > 3 || c->latched > 2 || c->count > 65536 ||
            c->count < (c->mode == 2 || c->mode == 3 ? 2 : 1)) {
            error_setg(errp, "i8254: channel %u: impossible mode or count", n);
            return false;
        }
    }
    return true;
}

static const VMStateField pit_fields[] = {
    VMSTATE_STRUCT_ARRAY(ch, PITState, PITChannel, 3, vmstate_pit_channel),
    VMSTATE_BOOL(irq_disabled, PITState),
    VMSTATE_BOOL(irq_level, PITState),
    VMSTATE_TIMER(timer, PITState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pit = {
    .name = "i8254",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pit_post_load,
    .fields = pit_fields,
};

static const DeviceInfo pit_info = {
    .name = "isa-pit",
    .desc = "8254 interval timer",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(PITState),
    .props = pit_props,
    .vmsd = &vmstate_pit,
    .realize = pit_realize,
    .unrealize = pit_unrealize,
    .reset = pit_reset,
};

DeviceState *pit_create(ISABus *bus, IRQ *irq0, Error **errp)
{
    DeviceState *dev = device_new("isa-pit");

    object_add_child(object_container("/machine"), "pit", &dev->obj);
    if (!device_realize(dev, &bus->bus, errp)) {
        return NULL;
    }
    device_connect_out(dev, NULL, 0, irq0);
    return dev;
}

static void pit_register(void)
{
    device_register(&pit_info);
}
device_init(pit_register)
