/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APIC, xAPIC and x2APIC, for accelerators without one of their own.
 *
 * Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller
 * (APIC)": register map 10.4.1, delivery 10.6, LVT 10.5.1, timer 10.5.4,
 * priorities 10.8.3, messages 10.11, x2APIC 10.12.
 *
 * All APICs sit on one message bus (`apics`).  The 4 KiB register page shows
 * each CPU its own APIC; a write by anybody else is an MSI.  The timer's input
 * clock is 1 GHz, what guests of this machine type have always measured.
 */
#include "osdep.h"
#include "hw/intc/apic.h"
#include "hw/intc/kernel-irqchip.h"
#include "util/log.h"
#include "util/timer.h"

/* Registers by number: MMIO offset / 16, or x2APIC MSR - 800h. */
enum {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09,
    REG_PPR = 0x0a, REG_EOI = 0x0b, REG_RRD = 0x0c, REG_LDR = 0x0d,
    REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18,
    REG_IRR = 0x20, REG_ESR = 0x28, REG_CMCI = 0x2f, REG_ICR = 0x30,
    REG_ICR2 = 0x31, REG_LVT_TIMER = 0x32, REG_LVT_THERMAL = 0x33,
    REG_LVT_PERF = 0x34, REG_LVT_LINT0 = 0x35, REG_LVT_LINT1 = 0x36,
    REG_LVT_ERROR = 0x37, REG_TMICT = 0x38, REG_TMCCT = 0x39,
    REG_TDCR = 0x3e, REG_SELF_IPI = 0x3f,
};

const KernelIrqchip *kernel_irqchip;

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR,
       LVT_COUNT };
#define LVT_MASKED       (1u << 16)
#define LVT_LEVEL        (1u << 15)
#define LVT_REMOTE_IRR   (1u << 14)
#define LVT_TIMER_MODE(v) ((v) >> 17 & 3)
enum { TIMER_ONESHOT, TIMER_PERIODIC, TIMER_DEADLINE };

enum { DM_FIXED, DM_LOWEST, DM_SMI, DM_RESERVED, DM_NMI, DM_INIT, DM_SIPI,
       DM_EXTINT };

#define SVR_ENABLE (1u << 8)
#define ESR_SEND_ILLEGAL    (1u << 5)
#define ESR_RECEIVE_ILLEGAL (1u << 6)
#define ESR_ILLEGAL_REG     (1u << 7)
#define BASE_BSP    BIT(8)
#define BASE_EXTD   BIT(10)
#define BASE_ENABLE BIT(11)
#define APIC_VERSION 0x50014 /* 14h, six LVT entries */
#define MSR_TSC_DEADLINE 0x6e0

typedef struct APICState {
    DeviceState qdev;
    /* Properties. */
    uint32_t initial_id;
    /* Guest-visible state. */
    uint64_t base;
    uint8_t tpr;
    uint32_t ldr;          /* xAPIC: bits 31:24 */
    uint32_t dfr;
    uint32_t svr;
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t esr, esr_pending;
    uint64_t icr;
    uint32_t lvt[LVT_COUNT];
    uint32_t tdcr;
    uint32_t initial_count;
    int64_t count_start;   /* virtual time the count was (re)loaded */
    uint64_t tsc_deadline;
    bool lint0;            /* level of the 8259's INT */
    Timer timer;
    /* Host side. */
    CPUState *cpu;
} APICState;

static struct {
    GPtrArray *apics;      /* APICState, by creation */
    MemoryRegion io;
} apic_bus;

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff,
};

static bool x2apic(const APICState *s)
{
    return s->base & BASE_EXTD;
}

static bool get_bit(const uint32_t *set, uint8_t n)
{
    return set[n / 32] >> (n % 32) & 1;
}

static void put_bit(uint32_t *set, uint8_t n, bool on)
{
    uint32_t bit = 1u << (n % 32);

    set[n / 32] = on ? set[n / 32] | bit : set[n / 32] & ~bit;
}

static int highest_bit(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--) {
        if (set[i]) {
            return i * 32 + 31 - __builtin_clz(set[i]);
        }
    }
    return -1;
}

/* 10.8.3.1: the higher class of TPR and the vector in service. */
static uint8_t apic_ppr(const APICState *s)
{
    int isrv = MAX(highest_bit(s->isr), 0);

    return (s->tpr & 0xf0) >= (isrv & 0xf0) ? s->tpr : isrv & 0xf0;
}

/* The fixed vector that would be delivered now, or -1. */
static int apic_pending(const APICState *s)
{
    int irrv;

    if (!(s->base & BASE_ENABLE) || !(s->svr & SVR_ENABLE)) {
        return -1;
    }
    irrv = highest_bit(s->irr);
    return irrv >= 0 && (irrv & 0xf0) > (apic_ppr(s) & 0xf0) ? irrv : -1;
}

/* Does the 8259 reach this CPU? */
static bool apic_accepts_pic(const APICState *s)
{
    uint32_t lint0 = s->lvt[LVT_LINT0];

    if (!(s->base & BASE_ENABLE)) {
        return x86_cpu_is_bsp(s->cpu); /* LINT0 is the INTR pin */
    }
    return !(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == DM_EXTINT;
}

static bool apic_has_interrupt(void *opaque)
{
    APICState *s = opaque;

    return apic_pending(s) >= 0 || (s->lint0 && apic_accepts_pic(s));
}

static void apic_update(APICState *s)
{
    if (apic_has_interrupt(s)) {
        cpu_interrupt(s->cpu, CPU_INTERRUPT_HARD);
    } else {
        cpu_reset_interrupt(s->cpu, CPU_INTERRUPT_HARD);
    }
}

static int apic_ack_interrupt(void *opaque)
{
    APICState *s = opaque;
    int vector = apic_pending(s);

    if (vector >= 0) {
        put_bit(s->irr, vector, false);
        put_bit(s->isr, vector, true);
    } else if (s->lint0 && apic_accepts_pic(s)) {
        vector = x86_platform.pic_ack();
    }
    apic_update(s);
    return vector;
}

static void apic_error(APICState *s, uint32_t bits);

static void apic_set_irr(APICState *s, uint8_t vector, bool level)
{
    if (vector < 16) {
        apic_error(s, ESR_RECEIVE_ILLEGAL);
        return;
    }
    put_bit(s->irr, vector, true);
    put_bit(s->tmr, vector, level);
    apic_update(s);
}

static void apic_local_deliver(APICState *s, unsigned n)
{
    uint32_t lvt = s->lvt[n];

    if (lvt & LVT_MASKED) {
        return;
    }
    switch (n == LVT_TIMER || n == LVT_ERROR ? DM_FIXED : lvt >> 8 & 7) {
    case DM_FIXED:
        if (n == LVT_LINT0 && (lvt & LVT_LEVEL)) {
            s->lvt[n] |= LVT_REMOTE_IRR;
        }
        apic_set_irr(s, lvt, (n == LVT_LINT0 || n == LVT_LINT1) &&
                                 (lvt & LVT_LEVEL));
        break;
    case DM_SMI:
        cpu_interrupt(s->cpu, CPU_INTERRUPT_SMI);
        break;
    case DM_NMI:
        cpu_interrupt(s->cpu, CPU_INTERRUPT_NMI);
        break;
    case DM_INIT:
        x86_cpu_init_ipi(s->cpu);
        break;
    case DM_EXTINT:
        apic_update(s);
        break;
    }
}

static void apic_error(APICState *s, uint32_t bits)
{
    bool first = !s->esr_pending;

    s->esr_pending |= bits;
    if (first && (s->lvt[LVT_ERROR] & 0xff) >= 16) {
        apic_local_deliver(s, LVT_ERROR);
    }
}

/* 10.6.2: does @s answer to this destination? */
static bool apic_match(const APICState *s, uint32_t dest, bool logical,
                       bool dest_is_x2)
{
    uint32_t mda, ldr;

    if (!(s->base & BASE_ENABLE)) {
        return false;
    }
    if (dest == (dest_is_x2 ? 0xffffffffu : 0xffu)) {
        return true;
    }
    if (!logical) {
        return dest == s->initial_id;
    }
    if (x2apic(s)) {
        ldr = (s->initial_id & ~15u) << 12 | 1u << (s->initial_id & 15);
        if (!dest_is_x2) {
            return ldr >> 16 == 0 && (ldr & dest);
        }
        return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
    }
    mda = dest & 0xff;
    ldr = s->ldr >> 24;
    if (s->dfr >> 28 == 0xf) { /* flat */
        return mda & ldr;
    }
    return mda >> 4 == ldr >> 4 && (mda & ldr & 0xf);
}

static void apic_accept(APICState *s, unsigned mode, uint8_t vector,
                        bool level_trig)
{
    switch (mode) {
    case DM_FIXED:
    case DM_LOWEST:
        if (s->svr & SVR_ENABLE) {
            apic_set_irr(s, vector, level_trig);
        }
        break;
    case DM_SMI:
        cpu_interrupt(s->cpu, CPU_INTERRUPT_SMI);
        break;
    case DM_NMI:
        cpu_interrupt(s->cpu, CPU_INTERRUPT_NMI);
        break;
    case DM_INIT:
        x86_cpu_init_ipi(s->cpu);
        break;
    case DM_SIPI:
        x86_cpu_sipi(s->cpu, vector);
        break;
    case DM_EXTINT:
        apic_update(s);
        break;
    }
}

enum { SH_NONE, SH_SELF, SH_ALL, SH_OTHERS };

static void apic_send(APICState *from, unsigned shorthand, uint32_t dest,
                      bool logical, bool dest_is_x2, unsigned mode,
                      uint8_t vector, bool level_trig)
{
    APICState *best = NULL;

    for (unsigned i = 0; apic_bus.apics && i < apic_bus.apics->len; i++) {
        APICState *s = g_ptr_array_index(apic_bus.apics, i);
        bool match = shorthand == SH_NONE
                         ? apic_match(s, dest, logical, dest_is_x2)
                     : shorthand == SH_SELF ? s == from
                     : shorthand == SH_ALL  ? true
                                            : s != from;

        if (!match) {
            continue;
        }
        if (mode != DM_LOWEST) {
            apic_accept(s, mode, vector, level_trig);
        } else if ((s->svr & SVR_ENABLE) &&
                   (!best || apic_ppr(s) >> 4 < apic_ppr(best) >> 4)) {
            best = s;
        }
    }
    if (best) {
        apic_accept(best, DM_LOWEST, vector, level_trig);
    }
}

void apic_deliver_msi(hwaddr addr, uint32_t data)
{
    if (kernel_irqchip) {
        kernel_irqchip->signal_msi(addr, data);
        return;
    }
    /* 10.11.1: destination in bits 19:12, DM in bit 2. */
    apic_send(NULL, SH_NONE, BITS(addr, 19, 12), addr & 4, false,
              data >> 8 & 7, data, data & BIT(15));
}

static void apic_write_icr(APICState *s)
{
    uint32_t low = s->icr;
    unsigned mode = low >> 8 & 7;
    bool x2 = x2apic(s);
    uint32_t dest = x2 ? s->icr >> 32 : s->icr >> 56;

    s->icr &= ~BIT(12); /* sent at once */
    if (mode == DM_INIT && (low & BIT(15)) && !(low & BIT(14))) {
        return; /* INIT level de-assert: no effect since the P4 */
    }
    if (mode == DM_RESERVED || mode == DM_EXTINT) {
        log_guest_error("apic: IPI with delivery mode %u\n", mode);
        return;
    }
    if ((mode == DM_FIXED || mode == DM_LOWEST) && (low & 0xff) < 16) {
        apic_error(s, ESR_SEND_ILLEGAL);
        return;
    }
    apic_send(s, low >> 18 & 3, dest, low & BIT(11), x2, mode, low, false);
}

static void apic_eoi(APICState *s)
{
    int vector = highest_bit(s->isr);

    if (vector < 0) {
        return;
    }
    put_bit(s->isr, vector, false);
    if (get_bit(s->tmr, vector)) {
        if ((uint8_t)s->lvt[LVT_LINT0] == vector) {
            s->lvt[LVT_LINT0] &= ~LVT_REMOTE_IRR;
        }
        ioapic_eoi_broadcast(vector);
    }
    apic_update(s);
}

/* --- timer --- */

static unsigned timer_divider(const APICState *s)
{
    unsigned v = (s->tdcr & 3) | (s->tdcr >> 1 & 4);

    return v == 7 ? 1 : 2u << v;
}

static int64_t timer_period_ns(const APICState *s)
{
    return (int64_t)s->initial_count * timer_divider(s);
}

static uint32_t timer_count(const APICState *s)
{
    int64_t passed = clock_ns(CLOCK_VIRTUAL) - s->count_start;
    int64_t period = timer_period_ns(s);

    if (period == 0 || LVT_TIMER_MODE(s->lvt[LVT_TIMER]) == TIMER_DEADLINE) {
        return 0;
    }
    if (LVT_TIMER_MODE(s->lvt[LVT_TIMER]) == TIMER_PERIODIC) {
        passed %= period;
    } else if (passed >= period) {
        return 0;
    }
    return s->initial_count - passed / timer_divider(s);
}

static void timer_arm(APICState *s)
{
    unsigned mode = LVT_TIMER_MODE(s->lvt[LVT_TIMER]);
    int64_t now = clock_ns(CLOCK_VIRTUAL), period = timer_period_ns(s), next;

    if (mode == TIMER_DEADLINE) {
        uint64_t tsc = x86_cpu_tsc(s->cpu);
        unsigned __int128 ns;

        if (s->tsc_deadline == 0) {
            timer_del(&s->timer);
            return;
        }
        if (s->tsc_deadline <= tsc) {
            timer_mod_at(&s->timer, now);
            return;
        }
        ns = (unsigned __int128)(s->tsc_deadline - tsc) * NSEC_PER_SEC /
             x86_cpu_tsc_hz(s->cpu);
        timer_mod_at(&s->timer, ns > INT64_MAX / 4 ? INT64_MAX / 2
                                                   : now + (int64_t)ns + 1);
        return;
    }
    if (period == 0) {
        timer_del(&s->timer);
        return;
    }
    next = s->count_start + period;
    if (mode == TIMER_PERIODIC && next <= now) {
        next = s->count_start + ((now - s->count_start) / period + 1) * period;
    } else if (mode == TIMER_ONESHOT && next <= now) {
        timer_del(&s->timer);
        return;
    }
    timer_mod_at(&s->timer, next);
}

static void apic_timer_expired(void *opaque)
{
    APICState *s = opaque;

    switch (LVT_TIMER_MODE(s->lvt[LVT_TIMER])) {
    case TIMER_DEADLINE:
        if (x86_cpu_tsc(s->cpu) < s->tsc_deadline) {
            timer_arm(s); /* the clocks' rounding; not yet */
            return;
        }
        s->tsc_deadline = 0;
        apic_local_deliver(s, LVT_TIMER);
        break;
    case TIMER_PERIODIC:
        apic_local_deliver(s, LVT_TIMER);
        timer_arm(s);
        break;
    default:
        apic_local_deliver(s, LVT_TIMER);
        break;
    }
}

/* --- registers --- */

static void lvt_write(APICState *s, unsigned n, uint32_t val)
{
    uint32_t old = s->lvt[n];

    val &= lvt_writable[n];
    val |= old & LVT_REMOTE_IRR;
    if (!(s->svr & SVR_ENABLE)) {
        val |= LVT_MASKED;
    }
    s->lvt[n] = val;
    if (n == LVT_TIMER && LVT_TIMER_MODE(old) != LVT_TIMER_MODE(val)) {
        /* 10.5.4.1: changing to or from deadline mode disarms. */
        if (LVT_TIMER_MODE(old) == TIMER_DEADLINE ||
            LVT_TIMER_MODE(val) == TIMER_DEADLINE) {
            s->tsc_deadline = 0;
            s->initial_count = 0;
        }
        timer_arm(s);
    }
    if (n == LVT_LINT0) {
        apic_update(s);
    }
}

static void svr_write(APICState *s, uint32_t val)
{
    s->svr = val & 0x1ff;
    if (!(s->svr & SVR_ENABLE)) {
        for (unsigned n = 0; n < LVT_COUNT; n++) {
            s->lvt[n] |= LVT_MASKED;
        }
    }
    apic_update(s);
}

/* False: no such register (reserved). */
static bool apic_reg_read(APICState *s, unsigned reg, uint64_t *val)
{
    switch (reg) {
    case REG_ID:
        *val = x2apic(s) ? s->initial_id : s->initial_id << 24;
        return true;
    case REG_VERSION:
        *val = APIC_VERSION;
        return true;
    case REG_TPR:
        *val = s->tpr;
        return true;
    case REG_APR:
    case REG_RRD:
        *val = 0;
        return !x2apic(s);
    case REG_PPR:
        *val = apic_ppr(s);
        return true;
    case REG_EOI:
        *val = 0;
        return !x2apic(s);
    case REG_LDR:
        *val = x2apic(s) ? (uint64_t)(s->initial_id & ~15u) << 12 |
                               1u << (s->initial_id & 15)
                         : s->ldr;
        return true;
    case REG_DFR:
        *val = s->dfr;
        return !x2apic(s);
    case REG_SVR:
        *val = s->svr;
        return true;
    case REG_ISR ... REG_ISR + 7:
        *val = s->isr[reg - REG_ISR];
        return true;
    case REG_TMR ... REG_TMR + 7:
        *val = s->tmr[reg - REG_TMR];
        return true;
    case REG_IRR ... REG_IRR + 7:
        *val = s->irr[reg - REG_IRR];
        return true;
    case REG_ESR:
        *val = s->esr;
        return true;
    case REG_ICR:
        *val = x2apic(s) ? s->icr : (uint32_t)s->icr;
        return true;
    case REG_ICR2:
        *val = s->icr >> 32;
        return !x2apic(s);
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        *val = s->lvt[reg - REG_LVT_TIMER];
        return true;
    case REG_TMICT:
        *val = s->initial_count;
        return true;
    case REG_TMCCT:
        *val = timer_count(s);
        return true;
    case REG_TDCR:
        *val = s->tdcr;
        return true;
    default:
        *val = 0;
        return false;
    }
}

static bool apic_reg_write(APICState *s, unsigned reg, uint64_t val)
{
    bool x2 = x2apic(s);

    switch (reg) {
    case REG_TPR:
        s->tpr = val;
        apic_update(s);
        return true;
    case REG_EOI:
        if (x2 && val) {
            return false;
        }
        apic_eoi(s);
        return true;
    case REG_LDR:
        s->ldr = val & 0xff000000;
        return !x2;
    case REG_DFR:
        s->dfr = val | 0x0fffffff;
        return !x2;
    case REG_SVR:
        if (x2 && (val & ~UINT64_C(0x1ff))) {
            return false;
        }
        svr_write(s, val);
        return true;
    case REG_ESR:
        if (x2 && val) {
            return false;
        }
        s->esr = s->esr_pending;
        s->esr_pending = 0;
        return true;
    case REG_ICR:
        s->icr = x2 ? val : (s->icr & ~UINT64_C(0xffffffff)) | (uint32_t)val;
        apic_write_icr(s);
        return true;
    case REG_ICR2:
        s->icr = (uint32_t)s->icr | val << 32;
        return !x2;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        lvt_write(s, reg - REG_LVT_TIMER, val);
        return true;
    case REG_TMICT:
        if (LVT_TIMER_MODE(s->lvt[LVT_TIMER]) != TIMER_DEADLINE) {
            s->initial_count = val;
            s->count_start = clock_ns(CLOCK_VIRTUAL);
            timer_arm(s);
        }
        return true;
    case REG_TDCR:
        s->tdcr = val & 0xb;
        timer_arm(s);
        return true;
    case REG_SELF_IPI:
        if (!x2 || (val & ~UINT64_C(0xff))) {
            return false;
        }
        apic_send(s, SH_SELF, 0, false, true, DM_FIXED, val, false);
        return true;
    default: /* read-only and reserved ones */
        return !x2 && (reg == REG_ID || reg == REG_VERSION || reg == REG_PPR ||
                       reg == REG_APR || reg == REG_RRD ||
                       (reg >= REG_ISR && reg < REG_ESR) || reg == REG_TMCCT);
    }
}

static bool apic_read_msr(void *opaque, uint32_t msr, uint64_t *val)
{
    APICState *s = opaque;

    if (msr == MSR_TSC_DEADLINE) {
        *val = s->tsc_deadline;
        return true;
    }
    return x2apic(s) && apic_reg_read(s, msr - 0x800, val);
}

static bool apic_write_msr(void *opaque, uint32_t msr, uint64_t val)
{
    APICState *s = opaque;
    unsigned reg = msr - 0x800;

    if (msr == MSR_TSC_DEADLINE) {
        if (LVT_TIMER_MODE(s->lvt[LVT_TIMER]) == TIMER_DEADLINE) {
            s->tsc_deadline = val;
            timer_arm(s);
        }
        return true;
    }
    if (!x2apic(s) || (reg != REG_ICR && val >> 32)) {
        return false;
    }
    return apic_reg_write(s, reg, val);
}

static APICState *apic_of_access(MemTxAttrs attrs)
{
    return attrs.cpu && current_cpu ? x86_cpu_get_apic(current_cpu) : NULL;
}

static MemTxResult apic_mmio_read(void *opaque, hwaddr addr, uint64_t *val,
                                  unsigned size, MemTxAttrs attrs)
{
    APICState *s = apic_of_access(attrs);

    *val = UINT64_MAX;
    if (!s || !(s->base & BASE_ENABLE) || x2apic(s) || addr >= 0x1000) {
        return MEMTX_OK;
    }
    *val = 0;
    if (addr & 0xf) {
        return MEMTX_OK; /* 10.4.1: undefined */
    }
    if (!apic_reg_read(s, addr >> 4, val)) {
        apic_error(s, ESR_ILLEGAL_REG);
    }
    return MEMTX_OK;
}

static MemTxResult apic_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                                   unsigned size, MemTxAttrs attrs)
{
    APICState *s = apic_of_access(attrs);

    if (!s || addr >= 0x1000) {
        apic_deliver_msi(APIC_DEFAULT_BASE + addr, val);
        return MEMTX_OK;
    }
    if (!(s->base & BASE_ENABLE) || x2apic(s) || (addr & 0xf)) {
        return MEMTX_OK;
    }
    if (!apic_reg_write(s, addr >> 4, val)) {
        apic_error(s, ESR_ILLEGAL_REG);
    }
    return MEMTX_OK;
}

static const MemoryRegionOps apic_mmio_ops = {
    .read_attrs = apic_mmio_read,
    .write_attrs = apic_mmio_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
    .impl = { .min = 1, .max = 4, .unaligned = true },
};

static void apic_init_regs(APICState *s)
{
    s->tpr = 0;
    s->ldr = 0;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    memset(s->isr, 0, sizeof(s->isr));
    memset(s->tmr, 0, sizeof(s->tmr));
    memset(s->irr, 0, sizeof(s->irr));
    s->esr = s->esr_pending = 0;
    s->icr = 0;
    for (unsigned n = 0; n < LVT_COUNT; n++) {
        s->lvt[n] = LVT_MASKED;
    }
    s->tdcr = 0;
    s->initial_count = 0;
    s->count_start = 0;
    s->tsc_deadline = 0;
    timer_del(&s->timer);
}

static void apic_init_reset(void *opaque)
{
    APICState *s = opaque;

    apic_init_regs(s);
    apic_update(s);
}

static uint64_t apic_get_base(void *opaque)
{
    return ((APICState *)opaque)->base;
}

static bool apic_set_base(void *opaque, uint64_t val)
{
    APICState *s = opaque;
    uint64_t mode = BASE_ENABLE | BASE_EXTD;
    uint64_t was = s->base & mode, now = val & mode;

    /* 10.12.5: EXTD needs EN; x2APIC is left only by disabling, and cannot
     * be entered from the disabled state. */
    if ((val & ~(uint64_t)(0xfffffff000ull | BASE_BSP | mode)) ||
        now == BASE_EXTD || (was == mode && now == BASE_ENABLE) ||
        (was == 0 && now == mode)) {
        return false;
    }
    if ((val & ~UINT64_C(0xfff)) != APIC_DEFAULT_BASE) {
        log_mask(LOG_UNIMP, "apic: registers stay at 0x%x\n",
                 APIC_DEFAULT_BASE);
    }
    s->base = (val & ~BASE_BSP) | (s->base & BASE_BSP);
    if (was && !now) {
        apic_init_regs(s);
    }
    apic_update(s);
    return true;
}

static uint8_t apic_get_cr8(void *opaque)
{
    return ((APICState *)opaque)->tpr >> 4;
}

static void apic_set_cr8(void *opaque, uint8_t val)
{
    APICState *s = opaque;

    s->tpr = val << 4;
    apic_update(s);
}

static void apic_print(void *opaque, GString *out)
{
    APICState *s = opaque;
    static const char *const names[LVT_COUNT] = { "LVTT", "LVTTHMR", "LVTPC",
                                                  "LVT0", "LVT1", "LVTERR" };

    g_string_append_printf(out, "dumping local APIC state for CPU %u\n\n",
                           s->initial_id);
    for (unsigned n = 0; n < LVT_COUNT; n++) {
        g_string_append_printf(out, "%-8s 0x%08x%s\n", names[n], s->lvt[n],
                               s->lvt[n] & LVT_MASKED ? " masked" : "");
    }
    g_string_append_printf(out,
                           "Timer    DCR=0x%x initial_count=%u count=%u\n"
                           "SPIV     0x%08x\nICR      0x%016" PRIx64 "\n"
                           "ESR      0x%08x\nTPR 0x%02x PPR 0x%02x "
                           "LDR 0x%08x DFR 0x%08x\n",
                           s->tdcr, s->initial_count, timer_count(s), s->svr,
                           s->icr, s->esr, s->tpr, apic_ppr(s), s->ldr,
                           s->dfr);
    for (unsigned v = 0; v < 256; v++) {
        if (get_bit(s->isr, v) || get_bit(s->irr, v)) {
            g_string_append_printf(out, "vector %u%s%s\n", v,
                                   get_bit(s->isr, v) ? " in service" : "",
                                   get_bit(s->irr, v) ? " requested" : "");
        }
    }
}

static const X86ApicOps apic_ops = {
    .has_interrupt = apic_has_interrupt,
    .ack_interrupt = apic_ack_interrupt,
    .get_base = apic_get_base,
    .set_base = apic_set_base,
    .get_cr8 = apic_get_cr8,
    .set_cr8 = apic_set_cr8,
    .read_msr = apic_read_msr,
    .write_msr = apic_write_msr,
    .init_reset = apic_init_reset,
    .print = apic_print,
};

void apic_set_pic_intr(int level)
{
    if (kernel_irqchip) {
        kernel_irqchip->set_pic_intr(level);
        return;
    }
    for (unsigned i = 0; apic_bus.apics && i < apic_bus.apics->len; i++) {
        APICState *s = g_ptr_array_index(apic_bus.apics, i);
        bool rise = level && !s->lint0;

        s->lint0 = level;
        if (!(s->base & BASE_ENABLE)) {
            apic_update(s);
        } else if (rise || (level && (s->lvt[LVT_LINT0] & LVT_LEVEL) &&
                            !(s->lvt[LVT_LINT0] & LVT_REMOTE_IRR))) {
            apic_local_deliver(s, LVT_LINT0);
        } else {
            apic_update(s);
        }
    }
}

void apic_lint1_nmi(CPUState *cpu)
{
    APICState *s = x86_cpu_get_apic(cpu);

    if (s && (s->base & BASE_ENABLE)) {
        apic_local_deliver(s, LVT_LINT1);
    } else {
        cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    }
}

static void apic_reset(DeviceState *dev)
{
    APICState *s = (APICState *)dev;

    s->base = APIC_DEFAULT_BASE | BASE_ENABLE |
              (x86_cpu_is_bsp(s->cpu) ? BASE_BSP : 0);
    apic_init_regs(s);
    if (x86_cpu_is_bsp(s->cpu)) {
        /* Virtual wire until somebody sets it up. */
        s->lvt[LVT_LINT0] = DM_EXTINT << 8;
    }
    apic_update(s);
}

static bool apic_realize(DeviceState *dev, Error **errp)
{
    APICState *s = (APICState *)dev;

    if (!s->cpu) {
        error_setg(errp, "apic belongs to a CPU and is made with it");
        return false;
    }
    timer_init_virtual(&s->timer, apic_timer_expired, s);
    g_ptr_array_add(apic_bus.apics, s);
    x86_cpu_set_apic(s->cpu, s);
    return true;
}

static void apic_unrealize(DeviceState *dev)
{
    APICState *s = (APICState *)dev;

    timer_del(&s->timer);
    x86_cpu_set_apic(s->cpu, NULL);
    g_ptr_array_remove(apic_bus.apics, s);
}

static const Property apic_props[] = {
    PROP_UINT32("id", APICState, initial_id, 0),
    PROP_END(),
};

static bool apic_post_load(void *opaque, int version, Error **errp)
{
    APICState *s = opaque;

    for (unsigned n = 0; n < LVT_COUNT; n++) {
        s->lvt[n] &= lvt_writable[n] | LVT_REMOTE_IRR;
    }
    s->tdcr &= 0xb;
    return true;
}

static const VMStateField apic_fields[] = {
    VMSTATE_UINT64(base, APICState),
    VMSTATE_UINT8(tpr, APICState),
    VMSTATE_UINT32(ldr, APICState),
    VMSTATE_UINT32(dfr, APICState),
    VMSTATE_UINT32(svr, APICState),
    VMSTATE_UINT32_ARRAY(isr, APICState, 8),
    VMSTATE_UINT32_ARRAY(tmr, APICState, 8),
    VMSTATE_UINT32_ARRAY(irr, APICState, 8),
    VMSTATE_UINT32(esr, APICState),
    VMSTATE_UINT32(esr_pending, APICState),
    VMSTATE_UINT64(icr, APICState),
    VMSTATE_UINT32_ARRAY(lvt, APICState, LVT_COUNT),
    VMSTATE_UINT32(tdcr, APICState),
    VMSTATE_UINT32(initial_count, APICState),
    VMSTATE_INT64(count_start, APICState),
    VMSTATE_UINT64(tsc_deadline, APICState),
    VMSTATE_BOOL(lint0, APICState),
    VMSTATE_TIMER(timer, APICState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_apic = {
    .name = "apic",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = apic_post_load,
    .fields = apic_fields,
};

static const DeviceInfo apic_info = {
    .name = "apic",
    .desc = "local APIC",
    .bus = BUS_NONE,
    .internal = true,
    .size = sizeof(APICState),
    .props = apic_props,
    .vmsd = &vmstate_apic,
    .realize = apic_realize,
    .unrealize = apic_unrealize,
    .reset = apic_reset,
};

void apic_bus_init(MemoryRegion *mem)
{
    apic_bus.apics = g_ptr_array_new();
    x86_apic_ops = kernel_irqchip ? NULL : &apic_ops;
    memory_region_init_io(&apic_bus.io, NULL, &apic_mmio_ops, NULL,
                          "apic-msi", 0x100000);
    memory_region_add_subregion_overlap(mem, APIC_DEFAULT_BASE, &apic_bus.io,
                                        0x1000);
}

bool apic_create(CPUState *cpu, uint32_t id, Error **errp)
{
    DeviceState *dev;

    if (kernel_irqchip) {
        return true; /* the kernel's came with the vCPU */
    }
    dev = device_new("apic");

    ((APICState *)dev)->initial_id = id;
    ((APICState *)dev)->cpu = cpu;
    object_add_child(&cpu->qdev.obj, "lapic", &dev->obj);
    return device_realize(dev, NULL, errp);
}

static void apic_register(void)
{
    device_register(&apic_info);
}
device_init(apic_register)
