/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82441FX (i440FX) host bridge.
 *
 * 82441FX data sheet (290549): CONFADD/CONFDATA, PAM0-PAM6 (59h-5Fh), SMRAM
 * (72h).  The PCI bus owns all addresses that are not RAM; PAM aliases lie
 * over both in 13 areas between C0000h and FFFFFh.
 */
#include "osdep.h"
#include "exec/x86.h"
#include "hw/boards.h"
#include "hw/i386/i440fx.h"

#define PAM0        0x59
#define SMRAM       0x72
#define SMRAM_OPEN  0x40
#define SMRAM_CLS   0x20
#define SMRAM_LCK   0x10
#define SMRAM_EN    0x08
#define PAM_RE      1
#define PAM_WE      2
#define PAM_AREAS   13
#define SMRAM_BASE  0xa0000
#define SMRAM_SIZE  0x20000

typedef struct I440FXState {
    PCIDevice pci;
    /* Host side. */
    MemoryRegion *system, *pci_mem, *ram;
    MemoryRegion pam_ram[PAM_AREAS], pam_rom[PAM_AREAS], pam_pci[PAM_AREAS];
    MemoryRegion vga_area;             /* PCI over the RAM at A0000h */
    MemoryRegion smram, smram_low;     /* what SMM sees besides */
    bool mapped;
} I440FXState;

typedef struct I440FXHost {
    DeviceState qdev;
    /* Guest-visible state. */
    uint32_t confadd;
    /* Host side. */
    PCIBus *bus;
    MemoryRegion conf_io, data_io;
} I440FXHost;

/* Area 0 is F0000h (64 KiB, PAM0 bits 5:4), then twelve of 16 KiB. */
static unsigned pam_attr(const I440FXState *s, unsigned area)
{
    if (area == 0) {
        return s->pci.config[PAM0] >> 4 & 3;
    }
    return s->pci.config[PAM0 + 1 + (area - 1) / 2] >> ((area - 1) % 2 * 4) & 3;
}

static void i440fx_update(I440FXState *s)
{
    uint8_t smram = s->pci.config[SMRAM];

    if (!s->mapped) {
        return;
    }
    memory_transaction_begin();
    for (unsigned i = 0; i < PAM_AREAS; i++) {
        unsigned attr = pam_attr(s, i);

        memory_region_set_enabled(&s->pam_ram[i], attr == (PAM_RE | PAM_WE));
        memory_region_set_enabled(&s->pam_rom[i], attr == PAM_RE);
        /* Write-only shadowing cannot be shown as a map: reads win. */
        memory_region_set_enabled(&s->pam_pci[i], !(attr & PAM_RE));
    }
    memory_region_set_enabled(&s->vga_area, !(smram & SMRAM_OPEN));
    memory_region_set_enabled(&s->smram_low, smram & SMRAM_EN);
    memory_transaction_commit();
}

static void i440fx_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                                unsigned len)
{
    I440FXState *s = (I440FXState *)d;
    uint8_t old = d->config[SMRAM];

    pci_default_write_config(d, addr, val, len);
    if (old & SMRAM_LCK) {
        /* Locked: only D_CLS can still change, until reset. */
        d->config[SMRAM] = (old & ~SMRAM_CLS) | (d->config[SMRAM] & SMRAM_CLS);
    } else if (d->config[SMRAM] & SMRAM_LCK) {
        d->config[SMRAM] &= ~SMRAM_OPEN;
    }
    if (pci_range_hit(addr, len, PAM0, 7) || pci_range_hit(addr, len, SMRAM, 1)) {
        i440fx_update(s);
    }
}

static bool i440fx_realize(DeviceState *dev, Error **errp)
{
    I440FXState *s = (I440FXState *)dev;

    memset(s->pci.wmask + PAM0, 0x33, 7);
    s->pci.wmask[PAM0] = 0x30;
    s->pci.wmask[SMRAM] = SMRAM_OPEN | SMRAM_CLS | SMRAM_LCK | SMRAM_EN;
    s->pci.config[SMRAM] = 0x02;
    /* Where QEMU tells other firmware how much RAM there is, in 8 MiB. */
    s->pci.config[0x57] = MIN(current_machine->ram_size / (8 * MiB), 255u);
    return true;
}

static void i440fx_map(I440FXState *s)
{
    Object *o = &s->pci.qdev.obj;

    memory_transaction_begin();
    for (unsigned i = 0; i < PAM_AREAS; i++) {
        hwaddr at = i == 0 ? 0xf0000 : 0xc0000 + (i - 1) * 0x4000;
        uint64_t size = i == 0 ? 0x10000 : 0x4000;

        memory_region_init_alias(&s->pam_ram[i], o, "pam-ram", s->ram, at,
                                 size);
        memory_region_init_alias(&s->pam_rom[i], o, "pam-rom", s->ram, at,
                                 size);
        memory_region_set_readonly(&s->pam_rom[i], true);
        memory_region_init_alias(&s->pam_pci[i], o, "pam-pci", s->pci_mem, at,
                                 size);
        memory_region_add_subregion_overlap(s->system, at, &s->pam_ram[i], 1);
        memory_region_add_subregion_overlap(s->system, at, &s->pam_rom[i], 1);
        memory_region_add_subregion_overlap(s->system, at, &s->pam_pci[i], 1);
    }
    memory_region_init_alias(&s->vga_area, o, "smram-region", s->pci_mem,
                             SMRAM_BASE, SMRAM_SIZE);
    memory_region_add_subregion_overlap(s->system, SMRAM_BASE, &s->vga_area, 1);
    memory_region_init(&s->smram, o, "smram", 4 * GiB);
    memory_region_init_alias(&s->smram_low, o, "smram-low", s->ram, SMRAM_BASE,
                             SMRAM_SIZE);
    memory_region_add_subregion(&s->smram, SMRAM_BASE, &s->smram_low);
    x86_smram_root = &s->smram;
    s->mapped = true;
    i440fx_update(s);
    memory_transaction_commit();
}

static void i440fx_reset(DeviceState *dev)
{
    I440FXState *s = (I440FXState *)dev;

    /* The shadow RAM stays shown, as in QEMU: SeaBIOS relies on it to find in
     * its own variables that this is a reset or a resume, not power-on. */
    s->pci.config[SMRAM] &= ~(SMRAM_LCK | SMRAM_OPEN);
    i440fx_update(s);
}

static bool i440fx_post_load(void *opaque, int version, Error **errp)
{
    i440fx_update(opaque);
    return true;
}

static const VMStateField i440fx_fields[] = {
    VMSTATE_PCI_DEVICE(pci, I440FXState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_i440fx = {
    .name = "I440FX",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i440fx_post_load,
    .fields = i440fx_fields,
};

static const PCIDeviceInfo i440fx_pci = {
    .vendor_id = PCI_VENDOR_INTEL,
    .device_id = 0x1237,
    .revision = 2,
    .class_id = 0x0600,
    .config_write = i440fx_config_write,
};

static const DeviceInfo i440fx_info = {
    .name = "i440FX",
    .desc = "Host bridge",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_BRIDGE,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(I440FXState),
    .vmsd = &vmstate_i440fx,
    .bus_info = &i440fx_pci,
    .realize = i440fx_realize,
    .reset = i440fx_reset,
};

/* --- the ports CF8h and CFCh --- */

static uint64_t conf_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((I440FXHost *)opaque)->confadd;
}

/* Only 32-bit writes reach CONFADD; CF9h is the PIIX3's. */
static void conf_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    if (size == 4 && addr == 0) {
        ((I440FXHost *)opaque)->confadd = val & ~3u;
    }
}

static const MemoryRegionOps conf_ops = {
    .read = conf_read,
    .write = conf_write,
    .access = { .min = 4, .max = 4 },
};

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    I440FXHost *s = opaque;

    return s->confadd & 0x80000000
               ? pci_host_config_read(s->bus, s->confadd | addr, size)
               : UINT64_MAX;
}

static void data_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    I440FXHost *s = opaque;

    if (s->confadd & 0x80000000) {
        pci_host_config_write(s->bus, s->confadd | addr, val, size);
    }
}

static const MemoryRegionOps data_ops = {
    .read = data_read,
    .write = data_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
};

static void host_reset(DeviceState *dev)
{
    ((I440FXHost *)dev)->confadd = 0;
}

static bool host_realize(DeviceState *dev, Error **errp)
{
    I440FXHost *s = (I440FXHost *)dev;

    memory_region_init_io(&s->conf_io, &dev->obj, &conf_ops, s,
                          "pci-conf-idx", 4);
    memory_region_init_io(&s->data_io, &dev->obj, &data_ops, s,
                          "pci-conf-data", 4);
    return true;
}

static const VMStateField host_fields[] = {
    VMSTATE_UINT32(confadd, I440FXHost),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_host = {
    .name = "PCIHost",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = host_fields,
};

static const DeviceInfo host_info = {
    .name = "i440FX-pcihost",
    .desc = "i440FX PCI host",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .fw_name = "pci@i0cf8",
    .size = sizeof(I440FXHost),
    .vmsd = &vmstate_host,
    .realize = host_realize,
    .reset = host_reset,
};

PCIBus *i440fx_create(MemoryRegion *system, MemoryRegion *io,
                      MemoryRegion *pci_mem, MemoryRegion *ram, Error **errp)
{
    DeviceState *dev = device_new("i440FX-pcihost");
    I440FXHost *host = (I440FXHost *)dev;
    I440FXState *s;

    object_add_child(object_container("/machine"), "i440fx", &dev->obj);
    if (!device_realize(dev, system_bus(), errp)) {
        return NULL;
    }
    /* INTx lines are given by the PIIX3 when it comes. */
    host->bus = pci_root_bus_new(dev, "pci.0", pci_mem, io, NULL, NULL, 4);
    memory_region_add_subregion_overlap(io, 0xcf8, &host->conf_io, 0);
    memory_region_add_subregion_overlap(io, 0xcfc, &host->data_io, 0);
    s = (I440FXState *)pci_create(host->bus, 0, "i440FX", errp);
    if (!s) {
        return NULL;
    }
    s->system = system;
    s->pci_mem = pci_mem;
    s->ram = ram;
    i440fx_map(s);
    return host->bus;
}

static void i440fx_register(void)
{
    device_register(&i440fx_info);
    device_register(&host_info);
}
device_init(i440fx_register)
