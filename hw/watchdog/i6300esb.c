/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog of the Intel 6300ESB controller hub.  Intel 6300ESB data sheet
 * (300641), chapter 15: two stages of a 20-bit down counter; the first ends in
 * an interrupt, the second in WDT_TOUT#, which resets the machine.
 *
 *     off --ENABLE--> stage 1 --preload 1--> stage 2 --preload 2--> action
 *                        ^----------- RELOAD -----------'
 *
 * Registers in memory are written after 80h, 86h went to the reload register;
 * every such write needs the sequence anew.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/pci.h"
#include "util/log.h"
#include "util/timer.h"

/* Configuration space. */
#define ESB_CONFIG 0x60
#define CONFIG_REBOOT_OFF 0x20 /* WDT_OUTPUT: no reset */
#define CONFIG_FREQ       0x04 /* preload in units of 2^5 clocks, not 2^15 */
#define CONFIG_INT_TYPE   0x03 /* 0 IRQ, 2 SMI, 3 none */
#define ESB_LOCK   0x68
#define LOCK_FREE_RUN 0x04
#define LOCK_ENABLE   0x02
#define LOCK_LOCK     0x01
/* Memory. */
enum { ESB_TIMER1 = 0x00, ESB_TIMER2 = 0x04, ESB_GINTSR = 0x08,
       ESB_RELOAD = 0x0c };
#define RELOAD_PING    0x0100
#define RELOAD_TIMEOUT 0x0200 /* R: it has expired; write 1 to clear */
#define PRELOAD_MASK   0xfffff
#define PCI_CLOCK_HZ   33000000

typedef struct I6300State {
    PCIDevice pci;
    /* Guest-visible state. */
    bool reboot_enabled, free_run, locked, enabled;
    uint8_t clock_scale;    /* shift of the preload values */
    uint8_t int_type;
    uint8_t stage;          /* 1 or 2 */
    uint32_t preload[2];
    uint8_t unlock;         /* steps of the sequence that were done */
    bool previous_reboot;   /* survives the reset that it tells of */
    uint8_t int_status;
    Timer timer;
    /* Host side. */
    MemoryRegion mmio;
} I6300State;

static void i6300_start(I6300State *s, unsigned stage)
{
    uint64_t clocks = (uint64_t)s->preload[stage - 1] << s->clock_scale;

    if (s->enabled) {
        s->stage = stage;
        timer_mod_ns(&s->timer, muldiv64(clocks, NSEC_PER_SEC, PCI_CLOCK_HZ));
    }
}

static void i6300_expired(void *opaque)
{
    I6300State *s = opaque;

    if (s->stage == 1) {
        if (s->int_type == 0) {
            s->int_status |= 1;
            pci_set_irq(&s->pci, 1);
        } else if (s->int_type == 2) {
            log_mask(LOG_UNIMP, "i6300esb: SMI at the end of stage 1\n");
        }
        i6300_start(s, 2);
        return;
    }
    if (s->reboot_enabled) {
        s->previous_reboot = true;
        system_watchdog_expired();
    }
    if (s->free_run) {
        i6300_start(s, 1);
    } else {
        s->enabled = false;
    }
}

/* --- configuration space --- */

static void config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                         unsigned len)
{
    I6300State *s = (I6300State *)d;

    if (addr == ESB_CONFIG && len == 2) {
        s->reboot_enabled = !(val & CONFIG_REBOOT_OFF);
        s->clock_scale = val & CONFIG_FREQ ? 5 : 15;
        s->int_type = val & CONFIG_INT_TYPE;
    } else if (addr == ESB_LOCK && len == 1) {
        if (s->locked) {
            return;
        }
        s->locked = val & LOCK_LOCK;
        s->free_run = val & LOCK_FREE_RUN;
        if (!!(val & LOCK_ENABLE) == s->enabled) {
            return;
        }
        s->enabled = val & LOCK_ENABLE;
        if (s->enabled) {
            i6300_start(s, 1);
        } else {
            timer_del(&s->timer);
        }
    } else {
        pci_default_write_config(d, addr, val, len);
    }
}

static uint32_t config_read(PCIDevice *d, uint32_t addr, unsigned len)
{
    const I6300State *s = (I6300State *)d;

    if (addr == ESB_CONFIG && len == 2) {
        return (s->reboot_enabled ? 0 : CONFIG_REBOOT_OFF) |
               (s->clock_scale == 5 ? CONFIG_FREQ : 0) | s->int_type;
    }
    if (addr == ESB_LOCK && len == 1) {
        return (s->free_run ? LOCK_FREE_RUN : 0) |
               (s->locked ? LOCK_LOCK : 0) | (s->enabled ? LOCK_ENABLE : 0);
    }
    return pci_default_read_config(d, addr, len);
}

/* --- memory --- */

static uint64_t mem_read(void *opaque, hwaddr addr, unsigned size)
{
    const I6300State *s = opaque;

    switch (addr & ~(hwaddr)3) {
    case ESB_GINTSR:
        return s->int_status;
    case ESB_RELOAD:
        return s->previous_reboot ? RELOAD_TIMEOUT : 0;
    default:
        return 0; /* preload registers are write-only */
    }
}

static void mem_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    I6300State *s = opaque;

    if (addr == ESB_RELOAD && val == 0x80) {
        s->unlock = 1;
        return;
    }
    if (addr == ESB_RELOAD && val == 0x86 && s->unlock == 1) {
        s->unlock = 2;
        return;
    }
    if (s->unlock != 2) {
        if (addr == ESB_GINTSR && (val & 1)) {
            s->int_status &= ~1;
            pci_set_irq(&s->pci, 0);
        }
        return;
    }
    s->unlock = 0;
    switch (addr & ~(hwaddr)3) {
    case ESB_TIMER1:
        s->preload[0] = val & PRELOAD_MASK;
        break;
    case ESB_TIMER2:
        s->preload[1] = val & PRELOAD_MASK;
        break;
    case ESB_GINTSR:
        if (val & 1) {
            s->int_status &= ~1;
            pci_set_irq(&s->pci, 0);
        }
        break;
    case ESB_RELOAD:
        if (val & RELOAD_PING) {
            i6300_start(s, 1);
        }
        if (val & RELOAD_TIMEOUT) {
            s->previous_reboot = false;
        }
        break;
    }
}

static const MemoryRegionOps mem_ops = {
    .read = mem_read,
    .write = mem_write,
    .access = { .min = 1, .max = 4 },
};

/* --- the device --- */

static void i6300_reset(DeviceState *dev)
{
    I6300State *s = (I6300State *)dev;

    timer_del(&s->timer);
    /* previous_reboot stays: the reset may be our own. */
    s->reboot_enabled = true;
    s->clock_scale = 15;
    s->int_type = 0;
    s->free_run = s->locked = s->enabled = false;
    s->stage = 1;
    s->preload[0] = s->preload[1] = PRELOAD_MASK;
    s->unlock = 0;
    s->int_status = 0;
}

static bool i6300_realize(DeviceState *dev, Error **errp)
{
    I6300State *s = (I6300State *)dev;

    timer_init_virtual(&s->timer, i6300_expired, s);
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init_io(&s->mmio, &dev->obj, &mem_ops, s, "i6300esb", 16);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void i6300_unrealize(DeviceState *dev)
{
    I6300State *s = (I6300State *)dev;

    timer_del(&s->timer);
    memory_region_destroy(&s->mmio);
}

static bool i6300_post_load(void *opaque, int version, Error **errp)
{
    I6300State *s = opaque;

    if (s->stage < 1 || s->stage > 2 || s->clock_scale > 15) {
        error_setg(errp, "i6300esb: stage %u, scale %u are out of range",
                   s->stage, s->clock_scale);
        return false;
    }
    s->preload[0] &= PRELOAD_MASK;
    s->preload[1] &= PRELOAD_MASK;
    return true;
}

static const VMStateField i6300_fields[] = {
    VMSTATE_PCI_DEVICE(pci, I6300State),
    VMSTATE_BOOL(reboot_enabled, I6300State),
    VMSTATE_BOOL(free_run, I6300State),
    VMSTATE_BOOL(locked, I6300State),
    VMSTATE_BOOL(enabled, I6300State),
    VMSTATE_UINT8(clock_scale, I6300State),
    VMSTATE_UINT8(int_type, I6300State),
    VMSTATE_UINT8(stage, I6300State),
    VMSTATE_UINT32_ARRAY(preload, I6300State, 2),
    VMSTATE_UINT8(unlock, I6300State),
    VMSTATE_BOOL(previous_reboot, I6300State),
    VMSTATE_UINT8(int_status, I6300State),
    VMSTATE_TIMER(timer, I6300State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_i6300 = {
    .name = "i6300esb_wdt",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i6300_post_load,
    .fields = i6300_fields,
};

static const PCIDeviceInfo i6300_pci = {
    .vendor_id = PCI_VENDOR_INTEL,
    .device_id = 0x25ab,
    .class_id = 0x0880,
    .config_read = config_read,
    .config_write = config_write,
};

static const DeviceInfo i6300_info = {
    .name = "i6300esb",
    .desc = "Intel 6300ESB",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_WATCHDOG,
    .size = sizeof(I6300State),
    .vmsd = &vmstate_i6300,
    .bus_info = &i6300_pci,
    .realize = i6300_realize,
    .unrealize = i6300_unrealize,
    .reset = i6300_reset,
};

static void i6300_register(void)
{
    device_register(&i6300_info);
}
device_init(i6300_register)
