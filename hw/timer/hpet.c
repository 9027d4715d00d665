/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * High precision event timers: IA-PC HPET specification 1.0a.  Section 2.3 has
 * the registers, 2.3.9 a comparator's modes, 2.3.8 the legacy replacement.
 *
 * The main counter runs at 100 MHz of virtual time: offset is what it shows
 * when virtual time is 0, or its value while it stands.
 */
#include "osdep.h"
#include "hw/timer/hpet.h"
#include "hw/intc/kernel-irqchip.h"
#include "util/log.h"
#include "util/timer.h"

#define TICK_NS 10
#define PERIOD_FS 10000000 /* CAP: the tick in femtoseconds */
#define TIMERS_MIN 3
#define TIMERS_MAX 32
#define LINES 32

/* General registers. */
enum { REG_CAP = 0x000, REG_CFG = 0x010, REG_ISR = 0x020, REG_CNT = 0x0f0,
       REG_TIMERS = 0x100 };
#define CAP_LEG_RT   BIT(15)
#define CAP_SIZE_64  BIT(13)
#define CFG_ENABLE   BIT(0)
#define CFG_LEG_RT   BIT(1)

/* A timer's registers, 20h apart. */
enum { TN_CFG = 0x00, TN_CMP = 0x08, TN_FSB = 0x10 };
#define TN_LEVEL     BIT(1)
#define TN_INT_ENB   BIT(2)
#define TN_PERIODIC  BIT(3)
#define TN_PER_CAP   BIT(4)
#define TN_SIZE_CAP  BIT(5)
#define TN_VAL_SET   BIT(6)
#define TN_32MODE    BIT(8)
#define TN_ROUTE(c)  BITS(c, 13, 9)
#define TN_FSB_EN    BIT(14)
#define TN_FSB_CAP   BIT(15)
#define TN_WRITABLE  (TN_LEVEL | TN_INT_ENB | TN_PERIODIC | TN_VAL_SET | \
                      TN_32MODE | 0x3e00 | TN_FSB_EN)

#define OWED_MAX 16
#define CATCH_UP_PART 8

typedef struct HPETTimer {
    /* Guest-visible state. */
    uint64_t config;
    uint64_t cmp;       /* where it fires next */
    unsigned owed;      /* host side: ticks that lateness swallowed */
    uint64_t period;    /* what was last written to the comparator */
    uint64_t fsb;       /* address << 32 | data */
    Timer timer;
    /* Host side. */
    struct HPETState *hpet;
    unsigned n;
} HPETTimer;

typedef struct HPETState {
    DeviceState qdev;
    /* Properties. */
    uint8_t timers;
    bool msi;
    uint32_t intcap;    /* inputs of the I/O APIC a timer can go to */
    /* Guest-visible state. */
    uint64_t config, isr, offset;
    uint8_t pit_level, rtc_level;
    HPETTimer timer[TIMERS_MAX];
    /* Host side. */
    IRQ *out[LINES];
    MemoryRegion io;
} HPETState;

/* --- the counter --- */

static uint64_t now_ticks(void)
{
    return clock_ns(CLOCK_VIRTUAL) / TICK_NS;
}

static uint64_t counter(const HPETState *s)
{
    return s->offset + (s->config & CFG_ENABLE ? now_ticks() : 0);
}

/* --- interrupts --- */

/* The line of timer @t; replaced legacy interrupts go where PIT and RTC do. */
static unsigned line_of(const HPETTimer *t)
{
    if ((t->hpet->config & CFG_LEG_RT) && t->n < 2) {
        return t->n ? 8 : 0;
    }
    return TN_ROUTE(t->config);
}

static void timer_update_irq(HPETTimer *t, bool fire)
{
    HPETState *s = t->hpet;
    uint64_t bit = UINT64_C(1) << t->n;
    bool on = (t->config & TN_INT_ENB) && (s->config & CFG_ENABLE);

    if (!fire || !on) {
        s->isr &= ~bit;
        if (!(t->config & TN_FSB_EN)) {
            irq_set(s->out[line_of(t)], 0);
        }
    } else if (t->config & TN_FSB_EN) {
        address_space_st(&address_space_memory, t->fsb >> 32, 4,
                         (uint32_t)t->fsb, MEMTXATTRS_UNSPECIFIED);
    } else if (t->config & TN_LEVEL) {
        s->isr |= bit;
        irq_set(s->out[line_of(t)], 1);
    } else {
        irq_pulse(s->out[line_of(t)]);
    }
}

static void pit_in(void *opaque, int n, int level)
{
    HPETState *s = opaque;

    s->pit_level = level;
    if (!(s->config & CFG_LEG_RT)) {
        irq_set(s->out[0], level);
    }
}

static void rtc_in(void *opaque, int n, int level)
{
    HPETState *s = opaque;

    s->rtc_level = level;
    if (!(s->config & CFG_LEG_RT)) {
        irq_set(s->out[8], level);
    }
}

/* --- comparators --- */

static uint64_t ticks_left(const HPETTimer *t)
{
    uint64_t now = counter(t->hpet), left = t->cmp - now;

    if (t->config & TN_32MODE) {
        left = (uint32_t)left;
        return left > INT32_MAX ? 0 : left;
    }
    /* What has just been missed is made good at once. */
    return left > INT64_MAX ? 0 : left;
}

static bool is_periodic(const HPETTimer *t)
{
    return (t->config & TN_PERIODIC) && t->period;
}

/*
 * On a host too busy to run a timer each period the ticks it missed are given
 * afterwards, in parts of a period: a guest counts them.
 */
static void set_owed(HPETTimer *t, uint64_t n)
{
    bool edges = is_periodic(t) && (t->config & TN_INT_ENB) &&
                 !(t->config & (TN_LEVEL | TN_FSB_EN));

    n = edges ? MIN(n, OWED_MAX) : 0;
    atomic_fetch_add(&clock_ticks_owed, (int)n - (int)t->owed);
    t->owed = n;
}

static void timer_arm(HPETTimer *t)
{
    uint64_t left;

    if (!(t->hpet->config & CFG_ENABLE)) {
        set_owed(t, 0);
        timer_del(&t->timer);
        return;
    }
    set_owed(t, t->owed);
    left = MIN(ticks_left(t), (uint64_t)INT64_MAX / TICK_NS / 2);
    if (t->owed) {
        left = MIN(left, t->period / CATCH_UP_PART);
    }
    timer_mod_ns(&t->timer, MAX(left, 1u) * TICK_NS);
}

static void timer_fired(void *opaque)
{
    HPETTimer *t = opaque;
    uint64_t now = counter(t->hpet);

    if (is_periodic(t)) {
        uint64_t behind = now - t->cmp;

        if (t->config & TN_32MODE) {
            behind = (uint32_t)behind;
        }
        if (t->owed && ticks_left(t)) {
            set_owed(t, t->owed - 1); /* between two of its own */
            timer_arm(t);
            timer_update_irq(t, true);
            return;
        }
        set_owed(t, t->owed + behind / t->period);
        /* A period too short for us loses ticks, not the phase. */
        t->cmp += (behind / t->period + 1) * t->period;
        if (t->config & TN_32MODE) {
            t->cmp = (uint32_t)t->cmp;
        }
        timer_arm(t);
    }
    timer_update_irq(t, true);
}

static void start_or_stop(HPETState *s, uint64_t old)
{
    if ((s->config & ~old) & CFG_ENABLE) {
        s->offset -= now_ticks();
        for (unsigned i = 0; i < s->timers; i++) {
            timer_arm(&s->timer[i]);
            if ((s->isr >> i & 1) && (s->timer[i].config & TN_INT_ENB)) {
                irq_set(s->out[line_of(&s->timer[i])], 1);
            }
        }
    } else if ((old & ~s->config) & CFG_ENABLE) {
        s->offset += now_ticks();
        for (unsigned i = 0; i < s->timers; i++) {
            timer_del(&s->timer[i].timer);
            timer_update_irq(&s->timer[i], false);
        }
    }
    if ((s->config ^ old) & CFG_LEG_RT) {
        bool legacy = !(s->config & CFG_LEG_RT);

        irq_set(s->out[0], legacy && s->pit_level);
        irq_set(s->out[8], legacy && s->rtc_level);
        if (kernel_irqchip && kernel_irqchip->all) {
            kvm_pit_disable_irq(!legacy); /* its line does not come by here */
        }
    }
}

static void write_comparator(HPETTimer *t, unsigned shift, uint64_t mask,
                             uint64_t val)
{
    if (t->config & TN_32MODE) {
        if (shift) {
            return;
        }
        val = (uint32_t)val;
    }
    /* In periodic mode a write sets the period; with VAL_SET, as the first
     * after it, the comparator as well (2.3.9.2.2). */
    if (!(t->config & TN_PERIODIC) || (t->config & TN_VAL_SET)) {
        t->cmp = (t->cmp & ~mask) | (val << shift & mask);
    }
    if (t->config & TN_PERIODIC) {
        t->period = (t->period & ~mask) | (val << shift & mask);
        if (t->config & TN_32MODE) {
            t->period = (uint32_t)t->period;
        }
    }
    if (mask >> 32 || (t->config & TN_32MODE)) {
        t->config &= ~(uint64_t)TN_VAL_SET;
    }
    timer_arm(t);
}

static void write_timer_config(HPETTimer *t, uint64_t val)
{
    HPETState *s = t->hpet;
    uint64_t old = t->config;

    /* Off its old line before the line changes. */
    if (s->isr >> t->n & 1) {
        irq_set(s->out[line_of(t)], 0);
    }
    t->config = (old & ~(uint64_t)TN_WRITABLE) | (val & TN_WRITABLE);
    if (!(t->config & TN_FSB_CAP)) {
        t->config &= ~(uint64_t)TN_FSB_EN;
    }
    if (t->config & TN_32MODE) {
        t->cmp = (uint32_t)t->cmp;
        t->period = (uint32_t)t->period;
    }
    if ((s->isr >> t->n & 1)) {
        timer_update_irq(t, (t->config & TN_LEVEL) != 0);
    }
    if ((val & TN_INT_ENB) || (old ^ t->config) & (TN_32MODE | TN_PERIODIC)) {
        timer_arm(t);
    }
}

/* --- registers --- */

static uint64_t hpet_cap(const HPETState *s)
{
    return UINT64_C(0x80860001) | CAP_LEG_RT | CAP_SIZE_64 |
           (uint64_t)(s->timers - 1) << 8 | (uint64_t)PERIOD_FS << 32;
}

static uint64_t hpet_read(void *opaque, hwaddr addr, unsigned size)
{
    HPETState *s = opaque;
    unsigned n = addr < REG_TIMERS ? 0 : (addr - REG_TIMERS) / 0x20;
    uint64_t v = 0;

    if (addr >= REG_TIMERS) {
        if (n >= s->timers) {
            return 0;
        }
        switch (addr & 0x18) {
        case TN_CFG:
            v = s->timer[n].config;
            break;
        case TN_CMP:
            v = s->timer[n].cmp;
            break;
        case TN_FSB:
            v = s->timer[n].fsb;
            break;
        }
    } else {
        switch (addr & ~(hwaddr)7) {
        case REG_CAP:
            v = hpet_cap(s);
            break;
        case REG_CFG:
            v = s->config;
            break;
        case REG_ISR:
            v = s->isr;
            break;
        case REG_CNT:
            v = counter(s);
            break;
        }
    }
    return size == 8 ? v : (uint32_t)(v >> 8 * (addr & 4));
}

static void write_counter(HPETState *s, uint64_t mask, uint64_t val)
{
    uint64_t v;

    if (s->config & CFG_ENABLE) {
        log_guest_error("hpet: counter written while it runs\n");
    }
    v = (counter(s) & ~mask) | (val & mask);
    s->offset = v - (s->config & CFG_ENABLE ? now_ticks() : 0);
    for (unsigned i = 0; i < s->timers; i++) {
        timer_arm(&s->timer[i]);
    }
}

static void write_isr(HPETState *s, uint64_t val)
{
    val &= s->isr;
    for (unsigned i = 0; i < s->timers; i++) {
        if (val >> i & 1) {
            timer_update_irq(&s->timer[i], false);
        }
    }
}

static void hpet_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    HPETState *s = opaque;
    unsigned shift = size == 8 ? 0 : 8 * (addr & 4);
    uint64_t mask = (size == 8 ? UINT64_MAX : UINT32_MAX) << shift;
    uint64_t placed = val << shift, old;
    HPETTimer *t;

    if (addr >= REG_TIMERS) {
        if ((addr - REG_TIMERS) / 0x20 >= s->timers) {
            return;
        }
        t = &s->timer[(addr - REG_TIMERS) / 0x20];
        switch (addr & 0x18) {
        case TN_CFG:
            write_timer_config(t, (t->config & ~mask) | placed);
            break;
        case TN_CMP:
            write_comparator(t, shift, mask, val);
            break;
        case TN_FSB:
            t->fsb = (t->fsb & ~mask) | placed;
            break;
        }
        return;
    }
    switch (addr & ~(hwaddr)7) {
    case REG_CFG:
        old = s->config;
        s->config = ((old & ~mask) | placed) & (CFG_ENABLE | CFG_LEG_RT);
        start_or_stop(s, old);
        break;
    case REG_ISR:
        write_isr(s, placed);
        break;
    case REG_CNT:
        write_counter(s, mask, placed);
        break;
    }
}

static const MemoryRegionOps hpet_ops = {
    .read = hpet_read,
    .write = hpet_write,
    .access = { .min = 4, .max = 8 },
};

/* --- the device --- */

static void hpet_reset(DeviceState *dev)
{
    HPETState *s = (HPETState *)dev;

    for (unsigned i = 0; i < s->timers; i++) {
        HPETTimer *t = &s->timer[i];

        timer_del(&t->timer);
        if (s->isr >> i & 1) {
            irq_set(s->out[line_of(t)], 0);
        }
        t->config = TN_PER_CAP | TN_SIZE_CAP | (s->msi ? TN_FSB_CAP : 0) |
                    (uint64_t)s->intcap << 32;
        t->cmp = UINT64_MAX;
        t->period = 0;
        t->fsb = 0;
        set_owed(t, 0);
    }
    s->config = 0;
    s->isr = 0;
    s->offset = 0;
}

static bool hpet_realize(DeviceState *dev, Error **errp)
{
    HPETState *s = (HPETState *)dev;

    if (s->timers < TIMERS_MIN || s->timers > TIMERS_MAX) {
        error_setg(errp, "hpet: property 'timers' must be %d to %d",
                   TIMERS_MIN, TIMERS_MAX);
        return false;
    }
    if (!s->intcap) {
        error_setg(errp, "hpet: property 'hpet-intcap' must not be 0");
        return false;
    }
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        s->timer[i].hpet = s;
        s->timer[i].n = i;
        timer_init_virtual(&s->timer[i].timer, timer_fired, &s->timer[i]);
    }
    device_init_in(dev, "pit", pit_in, s, 1);
    device_init_in(dev, "rtc", rtc_in, s, 1);
    device_init_out(dev, NULL, s->out, LINES);
    memory_region_init_io(&s->io, &dev->obj, &hpet_ops, s, "hpet", HPET_SIZE);
    return true;
}

static const Property hpet_props[] = {
    PROP_UINT8("timers", HPETState, timers, TIMERS_MIN),
    PROP_BOOL("msi", HPETState, msi, false),
    PROP_UINT32("hpet-intcap", HPETState, intcap, 0),
    PROP_END(),
};

static const VMStateField timer_fields[] = {
    VMSTATE_UINT64(config, HPETTimer),
    VMSTATE_UINT64(cmp, HPETTimer),
    VMSTATE_UINT64(period, HPETTimer),
    VMSTATE_UINT64(fsb, HPETTimer),
    VMSTATE_TIMER(timer, HPETTimer),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_timer = {
    .name = "hpet/timer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = timer_fields,
};

static const VMStateField hpet_fields[] = {
    VMSTATE_UINT64(config, HPETState),
    VMSTATE_UINT64(isr, HPETState),
    VMSTATE_UINT64(offset, HPETState),
    VMSTATE_UINT8(pit_level, HPETState),
    VMSTATE_UINT8(rtc_level, HPETState),
    VMSTATE_STRUCT_ARRAY(timer, HPETState, HPETTimer, TIMERS_MAX,
                         vmstate_timer),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_hpet = {
    .name = "hpet",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = hpet_fields,
};

static const DeviceInfo hpet_info = {
    .name = "hpet",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(HPETState),
    .props = hpet_props,
    .vmsd = &vmstate_hpet,
    .realize = hpet_realize,
    .reset = hpet_reset,
};

DeviceState *hpet_create(MemoryRegion *mem, IRQ **gsi, uint32_t routes,
                         IRQ **pit, IRQ **rtc, Error **errp)
{
    DeviceState *dev = device_new("hpet");
    HPETState *s = (HPETState *)dev;

    s->intcap = s->intcap ? s->intcap : routes;
    if (!device_realize(dev, system_bus(), errp)) {
        return NULL;
    }
    for (unsigned i = 0; i < LINES; i++) {
        device_connect_out(dev, NULL, i, gsi[i]);
    }
    memory_region_add_subregion(mem, HPET_BASE, &s->io);
    *pit = device_in(dev, "pit", 0);
    *rtc = device_in(dev, "rtc", 0);
    return dev;
}

static void hpet_register(void)
{
    device_register(&hpet_info);
}
device_init(hpet_register)
