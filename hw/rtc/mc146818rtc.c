/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Motorola MC146818A real-time clock and CMOS RAM, ports 70h-71h, IRQ 8.
 *
 * MC146818A data sheet (registers A-D, alarm "don't care" codes, update
 * cycle); the century byte at 32h: ACPI FADT convention.
 *
 * The time is not ticked: it is the configured clock (-rtc clock=) plus an
 * offset that the guest's writes change.  Timers exist only while an
 * interrupt that needs them is enabled: one for the periodic rate, one for
 * the end of the next update cycle.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/rtc/mc146818rtc.h"
#include "qapi/qapi-events.h"
#include "util/timer.h"

enum {
    RTC_SECONDS = 0, RTC_SECONDS_ALARM, RTC_MINUTES, RTC_MINUTES_ALARM,
    RTC_HOURS, RTC_HOURS_ALARM, RTC_DAY_OF_WEEK, RTC_DAY_OF_MONTH,
    RTC_MONTH, RTC_YEAR, RTC_REG_A, RTC_REG_B, RTC_REG_C, RTC_REG_D,
    RTC_CENTURY = 0x32,
    PS2_CENTURY = 0x37, /* the same, where the PS/2 had it */
};
#define REG_A_UIP  0x80
#define REG_A_DV   0x70 /* divider: 2 runs from 32,768 Hz, 6 and 7 reset */
#define REG_A_RS   0x0f
#define REG_B_SET  0x80
#define REG_B_PIE  0x40
#define REG_B_AIE  0x20
#define REG_B_UIE  0x10
#define REG_B_DM   0x04 /* binary */
#define REG_B_24H  0x02
#define REG_C_IRQF 0x80
#define REG_C_PF   0x40
#define REG_C_AF   0x20
#define REG_C_UF   0x10
#define REG_D_VRT  0x80
#define ALARM_ANY(v) (((v) & 0xc0) == 0xc0)
#define UIP_NS (244 * NSEC_PER_US) /* UIP rises this long before an update */
#define MAX_OWED 20000             /* ticks that slew remembers */

typedef struct RTCState {
    ISADevice isa;
    /* Properties. */
    uint16_t iobase;
    uint8_t irq_number;
    int32_t base_year;
    bool slew;
    /* Guest-visible state. */
    uint8_t cmos[128];
    uint8_t index;
    int64_t offset_ns;      /* guest time - clock, ns since 1970 */
    int64_t frozen_ns;      /* guest time while SET or the divider holds it */
    bool frozen;
    int64_t period_start;   /* virtual time the periodic counting began */
    uint32_t owed;          /* periodic interrupts still to be injected */
    int64_t last_update_s;  /* last second whose update was reported */
    Timer periodic_timer;
    Timer update_timer;
    /* Host side. */
    ClockType clock;
    RTCConfig config;
    IRQ *irq;
    bool irq_disabled;
    MemoryRegion io;
} RTCState;

static RTCState *rtc_of(DeviceState *dev)
{
    return (RTCState *)dev;
}

static int64_t guest_ns(const RTCState *s)
{
    return s->frozen ? s->frozen_ns : clock_ns(s->clock) + s->offset_ns;
}

static bool divider_stopped(const RTCState *s)
{
    return (s->cmos[RTC_REG_A] & 0x60) == 0x60;
}

static void rtc_update_irq(RTCState *s)
{
    uint8_t *c = &s->cmos[RTC_REG_C];
    bool level = *c & s->cmos[RTC_REG_B] & (REG_C_PF | REG_C_AF | REG_C_UF);

    *c = level ? *c | REG_C_IRQF : *c & ~REG_C_IRQF;
    if (!s->irq_disabled) {
        irq_set(s->irq, level);
    }
    if (level && (*c & REG_C_AF)) {
        system_wakeup_request("rtc", NULL);
    }
}

/* --- time to registers and back --- */

static uint8_t encode(const RTCState *s, unsigned v)
{
    return s->cmos[RTC_REG_B] & REG_B_DM ? v : v / 10 << 4 | v % 10;
}

static unsigned decode(const RTCState *s, uint8_t v)
{
    return s->cmos[RTC_REG_B] & REG_B_DM ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const RTCState *s, unsigned hour)
{
    unsigned h12 = hour % 12 == 0 ? 12 : hour % 12;

    if (s->cmos[RTC_REG_B] & REG_B_24H) {
        return encode(s, hour);
    }
    return encode(s, h12) | (hour >= 12 ? 0x80 : 0);
}

static unsigned decode_hour(const RTCState *s, uint8_t v)
{
    if (s->cmos[RTC_REG_B] & REG_B_24H) {
        return decode(s, v);
    }
    return decode(s, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static void guest_tm(const RTCState *s, struct tm *tm)
{
    int64_t ns = guest_ns(s);
    time_t t = ns / NSEC_PER_SEC - (ns % NSEC_PER_SEC < 0);

    gmtime_r(&t, tm);
}

static void rtc_time_to_regs(RTCState *s)
{
    struct tm tm;
    int year;

    if (s->frozen) {
        return; /* the registers hold what the guest wrote */
    }
    guest_tm(s, &tm);
    year = tm.tm_year + 1900 - s->base_year;
    s->cmos[RTC_SECONDS] = encode(s, tm.tm_sec);
    s->cmos[RTC_MINUTES] = encode(s, tm.tm_min);
    s->cmos[RTC_HOURS] = encode_hour(s, tm.tm_hour);
    s->cmos[RTC_DAY_OF_WEEK] = encode(s, tm.tm_wday + 1);
    s->cmos[RTC_DAY_OF_MONTH] = encode(s, tm.tm_mday);
    s->cmos[RTC_MONTH] = encode(s, tm.tm_mon + 1);
    s->cmos[RTC_YEAR] = encode(s, (year % 100 + 100) % 100);
    s->cmos[RTC_CENTURY] = encode(s, (year / 100 + 100) % 100);
}

/* Sets the clock to what the registers say; tells the host's user. */
static void rtc_regs_to_time(RTCState *s)
{
    struct tm tm = {
        .tm_sec = decode(s, s->cmos[RTC_SECONDS]),
        .tm_min = decode(s, s->cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(s, s->cmos[RTC_HOURS]),
        .tm_mday = decode(s, s->cmos[RTC_DAY_OF_MONTH]),
        .tm_mon = (int)decode(s, s->cmos[RTC_MONTH]) - 1,
        .tm_year = decode(s, s->cmos[RTC_YEAR]) +
                   decode(s, s->cmos[RTC_CENTURY]) * 100 + s->base_year - 1900,
    };
    int64_t sub = (guest_ns(s) % NSEC_PER_SEC + NSEC_PER_SEC) % NSEC_PER_SEC;
    int64_t ns = (int64_t)timegm(&tm) * NSEC_PER_SEC + (s->frozen ? 0 : sub);

    if (s->frozen) {
        s->frozen_ns = ns;
    } else {
        s->offset_ns = ns - clock_ns(s->clock);
    }
}

static void report_change(RTCState *s)
{
    int64_t host = clock_ns(CLOCK_HOST) / NSEC_PER_SEC;
    g_autofree char *path = object_path(&s->isa.qdev.obj);

    qapi_event_send_rtc_change(guest_ns(s) / NSEC_PER_SEC -
                                   (host + s->config.offset),
                               path);
}

/* --- periodic interrupt --- */

/* Period in ns of the rate select bits, 0: none. */
static int64_t periodic_ns(const RTCState *s)
{
    unsigned rs = s->cmos[RTC_REG_A] & REG_A_RS;

    if (rs == 0 || divider_stopped(s)) {
        return 0;
    }
    if (rs <= 2) { /* 256 and 128 Hz with the 32,768 Hz base */
        rs += 7;
    }
    return muldiv64(1u << (rs - 1), NSEC_PER_SEC, 32768);
}

static void periodic_arm(RTCState *s)
{
    int64_t period = periodic_ns(s), now = clock_ns(CLOCK_VIRTUAL);

    if (period == 0 || !(s->cmos[RTC_REG_B] & REG_B_PIE)) {
        timer_del(&s->periodic_timer);
        return;
    }
    timer_mod_at(&s->periodic_timer,
                 s->period_start +
                     ((now - s->period_start) / period + 1) * period);
}

static void periodic_tick(void *opaque)
{
    RTCState *s = opaque;

    if (s->slew && (s->cmos[RTC_REG_C] & REG_C_PF) && s->owed < MAX_OWED) {
        s->owed++; /* the guest missed one: give it later */
    }
    s->cmos[RTC_REG_C] |= REG_C_PF;
    rtc_update_irq(s);
    periodic_arm(s);
}

/* --- update cycle: UF and the alarm --- */

static bool field_matches(RTCState *s, uint8_t alarm, unsigned now, bool hour)
{
    return ALARM_ANY(alarm) ||
           (hour ? decode_hour(s, alarm) : decode(s, alarm)) == now;
}

static bool alarm_matches(RTCState *s, const struct tm *tm)
{
    return field_matches(s, s->cmos[RTC_SECONDS_ALARM], tm->tm_sec, false) &&
           field_matches(s, s->cmos[RTC_MINUTES_ALARM], tm->tm_min, false) &&
           field_matches(s, s->cmos[RTC_HOURS_ALARM], tm->tm_hour, true);
}

/* Seconds from @tm (exclusive) to the next alarm, at most a day. */
static unsigned alarm_distance(RTCState *s, struct tm tm)
{
    for (unsigned n = 1; n <= 86400; n++) {
        if (++tm.tm_sec > 59) {
            tm.tm_sec = 0;
            if (++tm.tm_min > 59) {
                tm.tm_min = 0;
                tm.tm_hour = (tm.tm_hour + 1) % 24;
            }
        }
        if (alarm_matches(s, &tm)) {
            return n;
        }
        /* Skip whole minutes and hours that cannot match. */
        if (tm.tm_sec == 0 && !field_matches(s, s->cmos[RTC_MINUTES_ALARM],
                                             tm.tm_min, false)) {
            tm.tm_sec = 59;
            n += 59;
        }
    }
    return 86400;
}

static void update_arm(RTCState *s)
{
    uint8_t b = s->cmos[RTC_REG_B];
    int64_t ns, to_second;
    uint64_t seconds = 1;
    struct tm tm;

    if (s->frozen || !(b & (REG_B_UIE | REG_B_AIE))) {
        timer_del(&s->update_timer);
        return;
    }
    ns = guest_ns(s);
    to_second = NSEC_PER_SEC - (ns % NSEC_PER_SEC + NSEC_PER_SEC) % NSEC_PER_SEC;
    if (!(b & REG_B_UIE)) {
        guest_tm(s, &tm);
        seconds = alarm_distance(s, tm);
    }
    timer_mod_at(&s->update_timer,
                 clock_ns(s->clock) + to_second + (seconds - 1) * NSEC_PER_SEC);
}

/* Latches UF (and AF) for the seconds that passed since last asked. */
static void update_flags(RTCState *s)
{
    int64_t now_s = guest_ns(s) / NSEC_PER_SEC;
    struct tm tm;

    if (s->frozen || now_s == s->last_update_s) {
        return;
    }
    s->cmos[RTC_REG_C] |= REG_C_UF;
    guest_tm(s, &tm);
    if (alarm_matches(s, &tm)) {
        s->cmos[RTC_REG_C] |= REG_C_AF;
    } else if (now_s > s->last_update_s) {
        time_t last = s->last_update_s;

        gmtime_r(&last, &tm);
        if ((int64_t)alarm_distance(s, tm) <= now_s - s->last_update_s) {
            s->cmos[RTC_REG_C] |= REG_C_AF;
        }
    }
    s->last_update_s = now_s;
}

static void update_tick(void *opaque)
{
    RTCState *s = opaque;

    update_flags(s);
    rtc_update_irq(s);
    update_arm(s);
}

/* --- registers --- */

static void rtc_freeze(RTCState *s, bool freeze)
{
    if (freeze == s->frozen) {
        return;
    }
    if (freeze) {
        rtc_time_to_regs(s);
        s->frozen_ns = guest_ns(s);
        s->frozen = true;
    } else {
        rtc_regs_to_time(s);
        s->frozen = false;
        s->offset_ns = s->frozen_ns - clock_ns(s->clock);
        s->last_update_s = guest_ns(s) / NSEC_PER_SEC;
        report_change(s);
    }
}

static void rtc_write_b(RTCState *s, uint8_t val)
{
    uint8_t old = s->cmos[RTC_REG_B];

    if (val & REG_B_SET) {
        val &= ~REG_B_UIE; /* data sheet: SET clears UIE */
    }
    if (!((val ^ old) & (REG_B_DM | REG_B_24H))) {
        s->cmos[RTC_REG_B] = val;
    } else if (s->frozen) {
        /* The registers' bytes stay; only their meaning changes. */
        s->cmos[RTC_REG_B] = val;
    } else {
        s->cmos[RTC_REG_B] = val;
        rtc_time_to_regs(s);
    }
    rtc_freeze(s, (val & REG_B_SET) || divider_stopped(s));
    if ((val ^ old) & REG_B_PIE) {
        periodic_arm(s);
    }
    if (!(old & (REG_B_UIE | REG_B_AIE))) {
        s->last_update_s = guest_ns(s) / NSEC_PER_SEC;
    }
    rtc_update_irq(s);
    update_arm(s);
}

static void rtc_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    RTCState *s = opaque;
    uint8_t val = data, reg = s->index, old;

    if ((addr & 1) == 0) {
        s->index = val & 0x7f; /* bit 7 is the board's NMI mask */
        if (s->index == PS2_CENTURY) {
            s->index = RTC_CENTURY;
        }
        return;
    }
    switch (reg) {
    case RTC_SECONDS_ALARM:
    case RTC_MINUTES_ALARM:
    case RTC_HOURS_ALARM:
        s->cmos[reg] = val;
        update_arm(s);
        break;
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_DAY_OF_WEEK:
    case RTC_DAY_OF_MONTH:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        rtc_time_to_regs(s);
        s->cmos[reg] = val;
        if (!s->frozen) {
            rtc_regs_to_time(s);
            s->last_update_s = guest_ns(s) / NSEC_PER_SEC;
            update_arm(s);
            report_change(s);
        }
        break;
    case RTC_REG_A:
        old = s->cmos[RTC_REG_A];
        s->cmos[RTC_REG_A] = val & ~REG_A_UIP;
        if ((old & 0x60) == 0x60 && !divider_stopped(s)) {
            /* The first update comes half a second after the release. */
            s->period_start = clock_ns(CLOCK_VIRTUAL);
        }
        if ((old ^ val) & (REG_A_RS | REG_A_DV)) {
            s->owed = 0;
            periodic_arm(s);
        }
        rtc_freeze(s, (s->cmos[RTC_REG_B] & REG_B_SET) || divider_stopped(s));
        update_arm(s);
        break;
    case RTC_REG_B:
        rtc_write_b(s, val);
        break;
    case RTC_REG_C:
    case RTC_REG_D:
        break; /* read-only */
    default:
        s->cmos[reg] = val;
        break;
    }
}

static uint8_t rtc_read_c(RTCState *s)
{
    uint8_t val;

    update_flags(s);
    rtc_update_irq(s);
    val = s->cmos[RTC_REG_C];
    s->cmos[RTC_REG_C] = 0;
    if (s->owed && (s->cmos[RTC_REG_B] & REG_B_PIE)) {
        s->owed--;
        s->cmos[RTC_REG_C] = REG_C_PF;
        irq_set(s->irq_disabled ? NULL : s->irq, 0);
    }
    rtc_update_irq(s);
    return val;
}

static uint64_t rtc_read(void *opaque, hwaddr addr, unsigned size)
{
    RTCState *s = opaque;
    int64_t sub;

    if ((addr & 1) == 0) {
        return 0xff; /* the index cannot be read back */
    }
    switch (s->index) {
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_DAY_OF_WEEK:
    case RTC_DAY_OF_MONTH:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        rtc_time_to_regs(s);
        return s->cmos[s->index];
    case RTC_REG_A:
        sub = (guest_ns(s) % NSEC_PER_SEC + NSEC_PER_SEC) % NSEC_PER_SEC;
        return s->cmos[RTC_REG_A] |
               (!s->frozen && sub >= NSEC_PER_SEC - UIP_NS ? REG_A_UIP : 0);
    case RTC_REG_C:
        return rtc_read_c(s);
    default:
        return s->cmos[s->index];
    }
}

static const MemoryRegionOps rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .impl = { .min = 1, .max = 1 },
};

void rtc_set_memory(DeviceState *rtc, unsigned addr, uint8_t val)
{
    if (addr < 128) {
        rtc_of(rtc)->cmos[addr] = val;
    }
}

uint8_t rtc_get_memory(DeviceState *rtc, unsigned addr)
{
    return addr < 128 ? rtc_of(rtc)->cmos[addr] : 0xff;
}

void rtc_get_time(DeviceState *rtc, struct tm *tm)
{
    guest_tm(rtc_of(rtc), tm);
}

void rtc_reset_reinjection(DeviceState *rtc)
{
    rtc_of(rtc)->owed = 0;
}

void rtc_disable_irq(DeviceState *rtc, bool disable)
{
    rtc_of(rtc)->irq_disabled = disable;
}

/* RESET# clears the interrupt enables and flags; time and RAM stay. */
static void rtc_reset(DeviceState *dev)
{
    RTCState *s = rtc_of(dev);

    s->cmos[RTC_REG_B] &= ~(REG_B_PIE | REG_B_AIE | REG_B_UIE | 0x08);
    s->cmos[RTC_REG_C] = 0;
    s->owed = 0;
    s->irq_disabled = false;
    irq_set(s->irq, 0);
    periodic_arm(s);
    update_arm(s);
}

static QObject *rtc_get_date(Object *obj, const char *name, void *opaque,
                             Error **errp)
{
    QObject *date = qdict_new();
    struct tm tm;

    guest_tm((RTCState *)obj, &tm);
    qdict_put_int(date, "tm_year", tm.tm_year);
    qdict_put_int(date, "tm_mon", tm.tm_mon);
    qdict_put_int(date, "tm_mday", tm.tm_mday);
    qdict_put_int(date, "tm_hour", tm.tm_hour);
    qdict_put_int(date, "tm_min", tm.tm_min);
    qdict_put_int(date, "tm_sec", tm.tm_sec);
    return date;
}

static bool rtc_realize(DeviceState *dev, Error **errp)
{
    RTCState *s = rtc_of(dev);

    if (s->irq_number > 15) {
        error_setg(errp, "mc146818rtc: property 'irq' must be 0 to 15");
        return false;
    }
    s->clock = s->config.clock;
    s->offset_ns = s->config.base_date
                       ? s->config.base_epoch * NSEC_PER_SEC - clock_ns(s->clock)
                       : clock_ns(CLOCK_HOST) - clock_ns(s->clock) +
                             s->config.offset * NSEC_PER_SEC;
    s->last_update_s = guest_ns(s) / NSEC_PER_SEC;
    s->cmos[RTC_REG_A] = 0x26; /* 32,768 Hz base, 1,024 Hz rate */
    s->cmos[RTC_REG_B] = REG_B_24H;
    s->cmos[RTC_REG_D] = REG_D_VRT;
    rtc_time_to_regs(s);
    timer_init_virtual(&s->periodic_timer, periodic_tick, s);
    timer_init(&s->update_timer, loop_main(), s->clock, update_tick, s);
    device_init_out(dev, NULL, &s->irq, 1);
    device_connect_out(dev, NULL, 0, isa_get_irq(&s->isa, s->irq_number, NULL));
    object_add_dyn_prop(&dev->obj, "date", "struct tm", rtc_get_date, NULL,
                        NULL);
    return isa_add_io(&s->isa, &s->io, &rtc_ops, s, s->iobase, 2, errp);
}

static void rtc_unrealize(DeviceState *dev)
{
    RTCState *s = rtc_of(dev);

    timer_del(&s->periodic_timer);
    timer_del(&s->update_timer);
}

static const Property rtc_props[] = {
    PROP_INT32("base_year", RTCState, base_year, 0),
    PROP_UINT16("iobase", RTCState, iobase, 0x70),
    PROP_UINT8("irq", RTCState, irq_number, 8),
    PROP_BOOL("x-slew", RTCState, slew, false),
    PROP_END(),
};

static bool rtc_post_load(void *opaque, int version, Error **errp)
{
    RTCState *s = opaque;

    s->index &= 0x7f;
    s->owed = MIN(s->owed, MAX_OWED);
    return true;
}

static const VMStateField rtc_fields[] = {
    VMSTATE_UINT8_ARRAY(cmos, RTCState, 128),
    VMSTATE_UINT8(index, RTCState),
    VMSTATE_INT64(offset_ns, RTCState),
    VMSTATE_INT64(frozen_ns, RTCState),
    VMSTATE_BOOL(frozen, RTCState),
    VMSTATE_INT64(period_start, RTCState),
    VMSTATE_UINT32(owed, RTCState),
    VMSTATE_INT64(last_update_s, RTCState),
    VMSTATE_BOOL(irq_disabled, RTCState),
    VMSTATE_TIMER(periodic_timer, RTCState),
    VMSTATE_TIMER(update_timer, RTCState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_rtc = {
    .name = "mc146818rtc",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = rtc_post_load,
    .fields = rtc_fields,
};

static const DeviceInfo rtc_info = {
    .name = "mc146818rtc",
    .desc = "real-time clock",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .fw_name = "rtc",
    .size = sizeof(RTCState),
    .props = rtc_props,
    .vmsd = &vmstate_rtc,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
};

DeviceState *rtc_create(ISABus *bus, const RTCConfig *config, Error **errp)
{
    DeviceState *dev = device_new("mc146818rtc");

    rtc_of(dev)->config = *config;
    rtc_of(dev)->slew = config->slew;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

static void rtc_register(void)
{
    device_register(&rtc_info);
}
device_init(rtc_register)
