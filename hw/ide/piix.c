/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE function of the Intel 82371SB (PIIX3): two channels at their ISA
 * addresses, each with a bus master (data sheet 290550, chapters 2.3 and 2.6;
 * Programming Interface for Bus Master IDE Controller 1.0).
 */
#include "osdep.h"
#include "hw/ide.h"
#include "hw/ide/ide-int.h"

/* Bus master registers, eight bytes a channel. */
#define BMIC 0   /* command: bit 0 start, bit 3 to memory */
#define BMIS 2   /* status */
#define BMIDTP 4 /* PRD table */
enum { BMIC_START = 0x01, BMIC_TO_MEMORY = 0x08 };
enum { BMIS_ACTIVE = 0x01, BMIS_ERROR = 0x02, BMIS_IRQ = 0x04,
       BMIS_CAPABLE = 0x60 };
#define PRD_MAX 8192 /* entries: a table fits in 64 KiB */

typedef struct BusMaster {
    IDEBus bus;
    struct PIIX3IDE *parent;
    /* Guest-visible state. */
    uint8_t cmd, status;
    uint32_t table;
    /* Position in the table. */
    uint32_t prd_addr;       /* of the next entry */
    uint32_t cur_addr, cur_len;
    bool last;
    uint32_t entries;        /* read so far */
    /* Before the last fill. */
    uint32_t old_prd_addr, old_cur_addr, old_cur_len, old_entries;
    bool old_last;
    /* Host side. */
    IRQ *line;               /* to the interrupt controller */
    IRQ *tap;                /* what the channel drives */
    MemoryRegion io;
} BusMaster;

typedef struct PIIX3IDE {
    PCIDevice pci;
    BusMaster bm[2];
    MemoryRegion bmiba;
} PIIX3IDE;

/* ---- bus master ------------------------------------------------------------------ */

static void bm_irq(void *opaque, int n, int level)
{
    BusMaster *bm = opaque;

    if (level) {
        bm->status |= BMIS_IRQ;
    }
    irq_set(bm->line, level);
}

static void bm_rewind_table(BusMaster *bm)
{
    bm->prd_addr = bm->table;
    bm->cur_addr = bm->cur_len = 0;
    bm->last = false;
    bm->entries = 0;
}

static bool bm_next(BusMaster *bm)
{
    uint8_t prd[8];
    uint32_t len;

    if (bm->last || bm->entries >= PRD_MAX ||
        pci_dma_read(&bm->parent->pci, bm->prd_addr, prd, 8) != MEMTX_OK) {
        bm->last = true;
        return false;
    }
    bm->prd_addr += 8;
    bm->entries++;
    bm->cur_addr = (pci_get_long(prd)) & ~1u;
    len = pci_get_word(prd + 4) & ~1u;
    bm->cur_len = len ? len : 65536;
    bm->last = prd[7] & 0x80;
    return true;
}

static void bm_fill(void *opaque, SGList *sg, uint64_t limit)
{
    BusMaster *bm = opaque;

    bm->old_prd_addr = bm->prd_addr;
    bm->old_cur_addr = bm->cur_addr;
    bm->old_cur_len = bm->cur_len;
    bm->old_entries = bm->entries;
    bm->old_last = bm->last;
    while (limit > 0) {
        uint32_t n;

        if (bm->cur_len == 0 && !bm_next(bm)) {
            return;
        }
        n = MIN(bm->cur_len, limit);
        sglist_add(sg, bm->cur_addr, n);
        bm->cur_addr += n;
        bm->cur_len -= n;
        limit -= n;
    }
}

static void bm_rewind(void *opaque)
{
    BusMaster *bm = opaque;

    bm->prd_addr = bm->old_prd_addr;
    bm->cur_addr = bm->old_cur_addr;
    bm->cur_len = bm->old_cur_len;
    bm->entries = bm->old_entries;
    bm->last = bm->old_last;
}

static void bm_ready(void *opaque)
{
    BusMaster *bm = opaque;

    if (bm->status & BMIS_ACTIVE) {
        ide_dma_go(&bm->bus);
    }
}

static void bm_done(void *opaque, bool error)
{
    BusMaster *bm = opaque;

    if (error) {
        bm->status |= BMIS_ERROR;
    }
    /* A table that is longer than the transfer leaves it active. */
    if (error || (bm->cur_len == 0 && bm->last)) {
        bm->status &= ~BMIS_ACTIVE;
    }
}

static void bm_reset(void *opaque)
{
    BusMaster *bm = opaque;

    bm->cmd = bm->status = 0;
    bm->table = 0;
    bm_rewind_table(bm);
}

static AddressSpace *bm_as(void *opaque)
{
    return pci_dma_as(&((BusMaster *)opaque)->parent->pci);
}

static const IDEDMAOps bm_dma_ops = {
    .ready = bm_ready,
    .fill = bm_fill,
    .rewind = bm_rewind,
    .done = bm_done,
    .reset = bm_reset,
    .as = bm_as,
};

static void bm_command(BusMaster *bm, uint8_t val)
{
    bool start = val & BMIC_START;

    if (start != !!(bm->cmd & BMIC_START)) {
        if (start) {
            bm->status |= BMIS_ACTIVE;
            bm_rewind_table(bm);
            bm->cmd = val & (BMIC_START | BMIC_TO_MEMORY);
            ide_dma_go(&bm->bus);
            return;
        }
        /* Stopped under way: what the drive still does is lost. */
        for (int i = 0; i < 2; i++) {
            IDEDrive *d = bm->bus.drive[i];

            if (d && d->dma_op != IDE_OP_NONE && d->req) {
                ide_cancel(d);
                bm->bus.tf[i].status = ST_RDY | ST_SEEK;
            }
        }
        bm->status &= ~BMIS_ACTIVE;
    }
    bm->cmd = val & (BMIC_START | BMIC_TO_MEMORY);
}

static uint64_t bm_read(void *opaque, hwaddr addr, unsigned size)
{
    BusMaster *bm = opaque;

    switch (addr) {
    case BMIC:
        return bm->cmd;
    case BMIS:
        return bm->status;
    case BMIDTP: case BMIDTP + 1: case BMIDTP + 2: case BMIDTP + 3:
        return bm->table >> (8 * (addr - BMIDTP)) & 0xff;
    default:
        return 0xff;
    }
}

static void bm_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    BusMaster *bm = opaque;

    switch (addr) {
    case BMIC:
        bm_command(bm, val);
        break;
    case BMIS:
        bm->status = (val & BMIS_CAPABLE) | (bm->status & BMIS_ACTIVE) |
                     (bm->status & ~val & (BMIS_ERROR | BMIS_IRQ));
        break;
    case BMIDTP: case BMIDTP + 1: case BMIDTP + 2: case BMIDTP + 3: {
        unsigned shift = 8 * (addr - BMIDTP);

        bm->table = (bm->table & ~(0xffu << shift)) |
                    (uint32_t)(val & 0xff) << shift;
        bm->table &= ~3u;
        break;
    }
    }
}

static const MemoryRegionOps bm_ops = {
    .read = bm_read,
    .write = bm_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
    .impl = { .min = 1, .max = 1 },
};

/* ---- PCI function ------------------------------------------------------------------ */

static bool piix3_ide_realize(DeviceState *dev, Error **errp)
{
    static const uint16_t ports[2][2] = { { 0x1f0, 0x3f6 }, { 0x170, 0x376 } };
    PIIX3IDE *s = (PIIX3IDE *)dev;
    PCIBus *bus = pci_bus_of(&s->pci);

    /* IDETIM of both channels, and SIDETIM. */
    memset(s->pci.wmask + 0x40, 0xff, 5);
    memory_region_init(&s->bmiba, &dev->obj, "piix-bmdma-container", 16);
    for (int i = 0; i < 2; i++) {
        BusMaster *bm = &s->bm[i];

        bm->parent = s;
        ide_bus_init(&bm->bus, dev, i);
        ide_bus_add_ports(&bm->bus, bus->io, ports[i][0], ports[i][1]);
        bm->bus.dma = &bm_dma_ops;
        bm->bus.dma_opaque = bm;
        bm->tap = irq_array_new(bm_irq, bm, 1);
        bm->bus.irq = bm->tap;
        memory_region_init_io(&bm->io, &dev->obj, &bm_ops, bm, "piix-bmdma",
                              8);
        memory_region_add_subregion(&s->bmiba, 8 * i, &bm->io);
    }
    pci_register_bar(&s->pci, 4, PCI_BAR_IO, &s->bmiba);
    return true;
}

static void piix3_ide_reset(DeviceState *dev)
{
    PIIX3IDE *s = (PIIX3IDE *)dev;

    for (int i = 0; i < 2; i++) {
        ide_bus_reset(&s->bm[i].bus);
    }
    pci_set_word(s->pci.config + PCI_STATUS,
                 PCI_STATUS_DEVSEL_MEDIUM | PCI_STATUS_FAST_BACK);
    memset(s->pci.config + 0x40, 0, 5);
}

static bool bm_post_load(void *opaque, int version, Error **errp)
{
    BusMaster *bm = opaque;

    if (bm->cur_len > 65536 || bm->entries > PRD_MAX) {
        error_setg(errp, "bus master: PRD position out of range");
        return false;
    }
    return true;
}

static const VMStateField bm_fields[] = {
    VMSTATE_STRUCT(bus, BusMaster, IDEBus, vmstate_ide_bus),
    VMSTATE_UINT8(cmd, BusMaster),
    VMSTATE_UINT8(status, BusMaster),
    VMSTATE_UINT32(table, BusMaster),
    VMSTATE_UINT32(prd_addr, BusMaster),
    VMSTATE_UINT32(cur_addr, BusMaster),
    VMSTATE_UINT32(cur_len, BusMaster),
    VMSTATE_UINT32(entries, BusMaster),
    VMSTATE_BOOL(last, BusMaster),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_bm = {
    .name = "bmdma",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = bm_post_load,
    .fields = bm_fields,
};

static const VMStateField ide_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PIIX3IDE),
    VMSTATE_STRUCT_ARRAY(bm, PIIX3IDE, BusMaster, 2, vmstate_bm),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ide = {
    .name = "ide",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = ide_fields,
};

static const PCIDeviceInfo ide_pci = {
    .vendor_id = PCI_VENDOR_INTEL,
    .device_id = 0x7010,
    .prog_if = 0x80,
    .class_id = 0x0101,
};

static const DeviceInfo ide_info = {
    .name = "piix3-ide",
    .desc = "PIIX3 IDE controller",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_STORAGE,
    .internal = true,
    .no_hotplug = true,
    .fw_name = "ide",
    .size = sizeof(PIIX3IDE),
    .vmsd = &vmstate_ide,
    .bus_info = &ide_pci,
    .realize = piix3_ide_realize,
    .reset = piix3_ide_reset,
};

PCIDevice *piix3_ide_create(PCIBus *bus, int devfn, IRQ **gsi, Error **errp)
{
    PIIX3IDE *s = (PIIX3IDE *)pci_create(bus, devfn, "piix3-ide", errp);

    if (s) {
        s->bm[0].line = gsi[14];
        s->bm[1].line = gsi[15];
    }
    return (PCIDevice *)s;
}

DeviceState *piix3_ide_drive(PCIDevice *ide, int channel, int unit)
{
    IDEDrive *d = ((PIIX3IDE *)ide)->bm[channel].bus.drive[unit];

    return d ? &d->qdev : NULL;
}

bool piix3_ide_add_drives(PCIDevice *ide, Error **errp)
{
    PIIX3IDE *s = (PIIX3IDE *)ide;

    for (int i = 0; i < 4; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_IDE, i / 2, i % 2);
        DeviceState *dev;

        if (!di) {
            continue;
        }
        dev = device_new(di->is_cdrom ? "ide-cd" : "ide-hd");
        if (!object_set_int(&dev->obj, "unit", i % 2, errp) ||
            !object_set_str(&dev->obj, "drive", blk_name(di->blk), errp) ||
            !device_realize(dev, &s->bm[i / 2].bus.bus, errp)) {
            error_prepend(errp, "%s: ", di->loc);
            return false;
        }
    }
    return true;
}

static void piix3_ide_register(void)
{
    device_register(&ide_info);
}
device_init(piix3_ide_register)
