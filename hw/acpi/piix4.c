/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371AB (PIIX4), function 3: power management and SMBus.
 *
 * 82371AB data sheet (290562), section 7: PMSTS/PMEN/PMCNTRL/PMTMR at PMBA,
 * APMC/APMS, SMBus host registers at SMBBA.  ACPI specification 4.7 for the
 * meaning of the PM1 bits.  GPE0 at AFE0h is this board's own.
 */
#include "osdep.h"
#include "exec/cpu.h"
#include "exec/runstate.h"
#include "hw/acpi/pcihp.h"
#include "hw/acpi/piix4.h"
#include "hw/i2c/pm-smbus.h"
#include "qapi/qapi-events.h"
#include "util/timer.h"

#define PM_HZ 3579545

/* Configuration space. */
#define PMBA      0x40
#define DEVACTB   0x58
#define APMC_EN   BIT(25) /* in DEVACTB: a write to APMC raises SMI# */
#define PMREGMISC 0x80
#define SMBBA     0x90
#define SMBHSTCFG 0xd2

/* PMSTS, PMEN */
#define PM_TMR    0x0001
#define PM_GBL    0x0020
#define PM_PWRBTN 0x0100
#define PM_RTC    0x0400
#define PM_WAK    0x8000
/* PMCNTRL */
#define SCI_EN    0x0001
#define SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_EN    0x2000

#define SLP_S5 0
#define SLP_S3 1

typedef struct PIIX4PMState {
    PCIDevice pci;
    /* Properties. */
    uint8_t disable_s3, disable_s4, s4_val;
    uint32_t smb_io_base;
    /* Guest-visible state. */
    uint16_t pmsts, pmen, pmcntrl;
    int64_t tmr_rollover;     /* virtual time of the next change of bit 23 */
    uint8_t apmc, apms;
    uint8_t gpe_sts[2], gpe_en[2];
    PMSMBus smbus;
    Timer tmr;
    PCIHotplug pcihp;
    CPUHotplug cpuhp;
    MemHotplug memhp;
    /* Host side. */
    bool smm;
    IRQ *sci;
    MemoryRegion io, evt_io, cnt_io, tmr_io, apm_io, gpe_io;
    PowerListener powerdown, wakeup;
} PIIX4PMState;

static PIIX4PMState *the_pm;

/* --- SCI --- */

static uint32_t pm_clocks(void)
{
    return muldiv64(clock_ns(CLOCK_VIRTUAL), PM_HZ, NSEC_PER_SEC);
}

static void pm_arm_timer(PIIX4PMState *s)
{
    if ((s->pmen & PM_TMR) && !(s->pmsts & PM_TMR)) {
        timer_mod_at(&s->tmr, s->tmr_rollover);
    } else {
        timer_del(&s->tmr);
    }
}

/* TMR_STS: set each time that bit 23 toggles. */
static void pm_update_tmr_sts(PIIX4PMState *s)
{
    uint64_t now = clock_ns(CLOCK_VIRTUAL), clocks;

    if ((int64_t)now < s->tmr_rollover) {
        return;
    }
    s->pmsts |= PM_TMR;
    clocks = muldiv64(now, PM_HZ, NSEC_PER_SEC);
    clocks = (clocks + 0x800000) & ~UINT64_C(0x7fffff);
    s->tmr_rollover = muldiv64(clocks, NSEC_PER_SEC, PM_HZ) + 1;
}

static void pm_update_sci(PIIX4PMState *s)
{
    bool level = (s->pmsts & s->pmen & (PM_TMR | PM_GBL | PM_PWRBTN | PM_RTC));

    for (unsigned i = 0; i < 2; i++) {
        level |= s->gpe_sts[i] & s->gpe_en[i];
    }
    irq_set(s->sci, level);
    pm_arm_timer(s);
}

static void pm_tmr_expired(void *opaque)
{
    PIIX4PMState *s = opaque;

    pm_update_tmr_sts(s);
    pm_update_sci(s);
}

/* --- PM1 event, control, timer --- */

static uint64_t evt_read(void *opaque, hwaddr addr, unsigned size)
{
    PIIX4PMState *s = opaque;

    pm_update_tmr_sts(s);
    return addr == 0 ? s->pmsts : s->pmen;
}

static void evt_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PIIX4PMState *s = opaque;

    if (addr == 0) {
        pm_update_tmr_sts(s);
        s->pmsts &= ~val;
    } else {
        s->pmen = val;
        system_wakeup_enable("rtc", val & PM_RTC);
        system_wakeup_enable("pmtimer", val & PM_TMR);
    }
    pm_update_sci(s);
}

static const MemoryRegionOps evt_ops = {
    .read = evt_read, .write = evt_write,
    .access = { .min = 1, .max = 4 }, .impl = { .min = 2, .max = 2 },
};

static uint64_t cnt_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((PIIX4PMState *)opaque)->pmcntrl;
}

static void pm_sleep(PIIX4PMState *s, unsigned type)
{
    if (type == SLP_S5) {
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (type == SLP_S3 && !s->disable_s3) {
        system_suspend_request();
    } else if (type == s->s4_val && !s->disable_s4) {
        qapi_event_send_suspend_disk();
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    }
}

static void cnt_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PIIX4PMState *s = opaque;

    s->pmcntrl = val & ~SLP_EN;
    if (val & SLP_EN) {
        pm_sleep(s, SLP_TYP(val));
    }
}

static const MemoryRegionOps cnt_ops = {
    .read = cnt_read, .write = cnt_write,
    .access = { .min = 1, .max = 2 }, .impl = { .min = 2, .max = 2 },
};

static uint64_t tmr_read(void *opaque, hwaddr addr, unsigned size)
{
    return pm_clocks() & 0xffffff;
}

static const MemoryRegionOps tmr_ops = {
    .read = tmr_read,
    .access = { .min = 1, .max = 4 }, .impl = { .min = 4, .max = 4 },
};

/* --- APM: how the guest turns ACPI mode on and raises SMIs --- */

static uint64_t apm_read(void *opaque, hwaddr addr, unsigned size)
{
    PIIX4PMState *s = opaque;

    return addr == 0 ? s->apmc : s->apms;
}

static void apm_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PIIX4PMState *s = opaque;

    if (addr != 0) {
        s->apms = val;
        return;
    }
    s->apmc = val;
    if (val == PIIX4_ACPI_ENABLE) {
        s->pmcntrl |= SCI_EN;
    } else if (val == PIIX4_ACPI_DISABLE) {
        s->pmcntrl &= ~SCI_EN;
    }
    if ((pci_get_long(s->pci.config + DEVACTB) & APMC_EN) && s->smm &&
        current_cpu) {
        cpu_interrupt(current_cpu, CPU_INTERRUPT_SMI);
    }
}

static const MemoryRegionOps apm_ops = {
    .read = apm_read, .write = apm_write, .impl = { .min = 1, .max = 1 },
};

/* --- GPE0 --- */

static uint64_t gpe_read(void *opaque, hwaddr addr, unsigned size)
{
    PIIX4PMState *s = opaque;

    return addr < 2 ? s->gpe_sts[addr] : s->gpe_en[addr - 2];
}

static void gpe_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PIIX4PMState *s = opaque;

    if (addr < 2) {
        s->gpe_sts[addr] &= ~val;
    } else {
        s->gpe_en[addr - 2] = val;
    }
    pm_update_sci(s);
}

static const MemoryRegionOps gpe_ops = {
    .read = gpe_read, .write = gpe_write, .impl = { .min = 1, .max = 1 },
};

void piix4_pm_raise_gpe(unsigned bit)
{
    PIIX4PMState *s = the_pm;

    if (s && bit < 16) {
        s->gpe_sts[bit / 8] |= 1 << bit % 8;
        pm_update_sci(s);
    }
}

/* --- mapping --- */

static void pm_update_maps(PIIX4PMState *s)
{
    uint8_t *c = s->pci.config;

    memory_transaction_begin();
    memory_region_set_enabled(&s->io, c[PMREGMISC] & 1);
    memory_region_set_address(&s->io, pci_get_long(c + PMBA) & 0xffc0);
    memory_region_set_enabled(&s->smbus.io, c[SMBHSTCFG] & 1);
    memory_region_set_address(&s->smbus.io, pci_get_long(c + SMBBA) & 0xffc0);
    memory_transaction_commit();
}

static void pm_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                            unsigned len)
{
    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PMBA, 4) ||
        pci_range_hit(addr, len, PMREGMISC, 1) ||
        pci_range_hit(addr, len, SMBBA, 4) ||
        pci_range_hit(addr, len, SMBHSTCFG, 1)) {
        pm_update_maps((PIIX4PMState *)d);
    }
}

/* --- power events --- */

static void pm_powerdown(void *opaque)
{
    PIIX4PMState *s = opaque;

    s->pmsts |= PM_PWRBTN;
    pm_update_sci(s);
}

static void pm_wakeup(void *opaque)
{
    PIIX4PMState *s = opaque;

    const char *why = system_wakeup_reason();

    s->pmsts |= PM_WAK | (!strcmp(why, "rtc")       ? PM_RTC
                          : !strcmp(why, "pmtimer") ? PM_TMR
                                                    : PM_PWRBTN);
    pm_update_sci(s);
}

static bool port_is_there(uint16_t port)
{
    return address_space_access_valid(&address_space_io, port, 1, false,
                                      MEMTXATTRS_CPU);
}

static void pm_reset(DeviceState *dev)
{
    PIIX4PMState *s = (PIIX4PMState *)dev;
    uint8_t *c = s->pci.config;

    s->pmsts = s->pmen = 0;
    s->pmcntrl = 0;
    s->tmr_rollover = 0;
    pm_update_tmr_sts(s);
    s->pmsts = 0;
    s->apmc = s->apms = 0;
    memset(s->gpe_sts, 0, sizeof(s->gpe_sts));
    memset(s->gpe_en, 0, sizeof(s->gpe_en));
    pm_smbus_reset(&s->smbus);
    memset(c + 0x58, 0, 8);
    if (!s->smm) {
        /* Firmware takes this for an SMI handler that is installed already,
         * and waits for none. */
        pci_set_long(c + DEVACTB, APMC_EN);
    }
    pci_set_long(c + PMBA, 1);
    c[PMREGMISC] = 0;
    pci_set_word(c + PCI_STATUS, PCI_STATUS_DEVSEL_MEDIUM |
                                     PCI_STATUS_FAST_BACK);
    /* Serial ports 1 and 2 decode, as firmware tables ask. */
    /* DEVRESB, C, D: the ports that are there are decoded. */
    c[0x5f] = 0x10 | (port_is_there(0x378) ? 0x80 : 0);
    c[0x63] = 0x60;
    c[0x67] = (port_is_there(0x3f8) ? 0x08 : 0) |
              (port_is_there(0x2f8) ? 0x90 : 0);
    pci_set_long(c + SMBBA, s->smb_io_base | 1);
    c[SMBHSTCFG] = 0x09;
    pm_update_maps(s);
    pm_update_sci(s);
    cpuhp_reset(&s->cpuhp);
    memhp_reset(&s->memhp);
}

/* Not with the device's reset: devices that were being removed go, and buses
 * are looked at, which all have to be there. */
static void pm_reset_last(void *opaque)
{
    pcihp_reset(&((PIIX4PMState *)opaque)->pcihp);
}

static bool pm_realize(DeviceState *dev, Error **errp)
{
    PIIX4PMState *s = (PIIX4PMState *)dev;
    PCIBus *bus = pci_bus_of(&s->pci);
    Object *o = &dev->obj;

    if (s->s4_val > 7) {
        error_setg(errp, "PIIX4_PM: property 's4_val' must be 0 to 7");
        return false;
    }
    memset(s->pci.wmask + 0x40, 0xff, 0xc0);
    pci_set_long(s->pci.wmask + PMBA, 0xffc0);
    pci_set_long(s->pci.wmask + SMBBA, 0xffc0);
    pci_set_interrupt_pin(&s->pci, 1);
    timer_init_virtual(&s->tmr, pm_tmr_expired, s);
    device_init_out(dev, "sci", &s->sci, 1);

    memory_region_init(&s->io, o, "piix4-pm", 64);
    memory_region_init_io(&s->evt_io, o, &evt_ops, s, "acpi-evt", 4);
    memory_region_init_io(&s->cnt_io, o, &cnt_ops, s, "acpi-cnt", 2);
    memory_region_init_io(&s->tmr_io, o, &tmr_ops, s, "acpi-tmr", 4);
    memory_region_add_subregion(&s->io, 0, &s->evt_io);
    memory_region_add_subregion(&s->io, 4, &s->cnt_io);
    memory_region_add_subregion(&s->io, 8, &s->tmr_io);
    memory_region_set_enabled(&s->io, false);
    memory_region_add_subregion_overlap(bus->io, 0, &s->io, 1);
    pm_smbus_init(&s->smbus, o);
    memory_region_set_enabled(&s->smbus.io, false);
    memory_region_add_subregion_overlap(bus->io, 0, &s->smbus.io, 1);
    memory_region_init_io(&s->apm_io, o, &apm_ops, s, "apm-io", 2);
    memory_region_add_subregion(bus->io, 0xb2, &s->apm_io);
    memory_region_init_io(&s->gpe_io, o, &gpe_ops, s, "acpi-gpe0",
                          PIIX4_GPE_LEN);
    memory_region_add_subregion(bus->io, PIIX4_GPE_BASE, &s->gpe_io);
    if (s->pcihp.root || s->pcihp.bridges) {
        pcihp_init(&s->pcihp, o, bus->io);
    }
    s->powerdown = (PowerListener){ .fn = pm_powerdown, .opaque = s };
    powerdown_listener_add(&s->powerdown);
    s->wakeup = (PowerListener){ .fn = pm_wakeup, .opaque = s };
    wakeup_listener_add(&s->wakeup);
    the_pm = s;
    return true;
}

static const Property pm_props[] = {
    PROP_UINT32("smb_io_base", PIIX4PMState, smb_io_base, 0xb100),
    PROP_UINT8("disable_s3", PIIX4PMState, disable_s3, 0),
    PROP_UINT8("disable_s4", PIIX4PMState, disable_s4, 0),
    PROP_UINT8("s4_val", PIIX4PMState, s4_val, 2),
    PROP_BOOL("acpi-pci-hotplug-with-bridge-support", PIIX4PMState,
              pcihp.bridges, true),
    PROP_BOOL("acpi-root-pci-hotplug", PIIX4PMState, pcihp.root, true),
    PROP_END(),
};

static bool pm_post_load(void *opaque, int version, Error **errp)
{
    pm_update_maps(opaque);
    return true;
}

static const VMStateField pm_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PIIX4PMState),
    VMSTATE_UINT16(pmsts, PIIX4PMState),
    VMSTATE_UINT16(pmen, PIIX4PMState),
    VMSTATE_UINT16(pmcntrl, PIIX4PMState),
    VMSTATE_INT64(tmr_rollover, PIIX4PMState),
    VMSTATE_UINT8(apmc, PIIX4PMState),
    VMSTATE_UINT8(apms, PIIX4PMState),
    VMSTATE_UINT8_ARRAY(gpe_sts, PIIX4PMState, 2),
    VMSTATE_UINT8_ARRAY(gpe_en, PIIX4PMState, 2),
    VMSTATE_STRUCT(smbus, PIIX4PMState, PMSMBus, vmstate_pm_smbus),
    VMSTATE_TIMER(tmr, PIIX4PMState),
    VMSTATE_STRUCT(pcihp, PIIX4PMState, PCIHotplug, vmstate_pcihp),
    VMSTATE_STRUCT(cpuhp, PIIX4PMState, CPUHotplug, vmstate_cpuhp),
    VMSTATE_STRUCT(memhp, PIIX4PMState, MemHotplug, vmstate_memhp),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pm = {
    .name = "piix4_pm",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pm_post_load,
    .fields = pm_fields,
};

static const PCIDeviceInfo pm_pci = {
    .vendor_id = PCI_VENDOR_INTEL,
    .device_id = 0x7113,
    .revision = 3,
    .class_id = 0x0680,
    .config_write = pm_config_write,
};

static const DeviceInfo pm_info = {
    .name = "PIIX4_PM",
    .desc = "PM",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_BRIDGE,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(PIIX4PMState),
    .props = pm_props,
    .vmsd = &vmstate_pm,
    .bus_info = &pm_pci,
    .realize = pm_realize,
    .reset = pm_reset,
};

uint16_t piix4_pm_base(void)
{
    return the_pm ? pci_get_long(the_pm->pci.config + PMBA) & 0xffc0 : 0;
}

CPUHotplug *piix4_cpuhp(void)
{
    return the_pm ? &the_pm->cpuhp : NULL;
}

MemHotplug *piix4_memhp(void)
{
    return the_pm ? &the_pm->memhp : NULL;
}

bool piix4_pm_create(PCIBus *bus, const PIIX4Config *cfg, uint8_t *s3,
                     uint8_t *s4, Error **errp)
{
    PCIDevice *d = pci_create(bus, PCI_DEVFN(1, 3), "PIIX4_PM", errp);
    PIIX4PMState *s = (PIIX4PMState *)d;

    if (!d) {
        return false;
    }
    device_connect_out(&d->qdev, "sci", 0, cfg->sci);
    s->smm = cfg->smm;
    cpuhp_init(&s->cpuhp, &d->qdev.obj, bus->io, cfg->possible_cpus,
               cfg->apic_ids);
    if (cfg->mem_slots) {
        memhp_init(&s->memhp, &d->qdev.obj, bus->io, cfg->mem_slots);
    }
    reset_register(pm_reset_last, s);
    /* As "etc/system-states" wants them: bit 7 says that the state exists. */
    *s3 = SLP_S3 | (s->disable_s3 ? 0 : 0x80);
    *s4 = s->s4_val | (s->disable_s4 ? 0 : 0x80);
    return true;
}

static void piix4_register(void)
{
    device_register(&pm_info);
}
device_init(piix4_register)
