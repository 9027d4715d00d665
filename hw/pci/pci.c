/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI buses and devices: configuration space, BAR mapping, INTx, bus
 * mastering, expansion ROMs.  PCI Local Bus Specification 3.0.
 *
 * A guest's write goes through wmask/w1cmask byte by byte; whatever it leaves
 * in the BARs, pci_update_mappings() maps only what decodes, never wraps and
 * is switched on in the command register.
 */
#include "osdep.h"
#include "pci-int.h"
#include "util/datadir.h"
#include "util/log.h"
#include "util/option.h"

uint16_t pci_get_word(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

uint32_t pci_get_long(const uint8_t *p)
{
    return pci_get_word(p) | (uint32_t)pci_get_word(p + 2) << 16;
}

void pci_set_word(uint8_t *p, uint16_t v)
{
    p[0] = v;
    p[1] = v >> 8;
}

void pci_set_long(uint8_t *p, uint32_t v)
{
    pci_set_word(p, v);
    pci_set_word(p + 2, v >> 16);
}

static const PCIDeviceInfo *info_of(const PCIDevice *d)
{
    return d->qdev.info->bus_info;
}

/* --- buses --- */

int pci_bus_num(const PCIBus *bus)
{
    return bus->parent_bridge ? bus->parent_bridge->config[PCI_SECONDARY_BUS]
                              : 0;
}

PCIBus *pci_root_bus(void)
{
    return (PCIBus *)bus_first_of(BUS_PCI);
}

PCIBus *pci_root_bus_new(DeviceState *parent, const char *name,
                         MemoryRegion *mem, MemoryRegion *io,
                         const PCIBusOps *ops, void *opaque, int nirq)
{
    PCIBus *bus = (PCIBus *)bus_new(BUS_PCI, parent, name);

    bus->mem = mem;
    bus->io = io;
    bus->ops = ops;
    bus->opaque = opaque;
    bus->nirq = nirq;
    bus->irq_count = g_new0(int, nirq);
    return bus;
}

PCIBus *pci_child_bus(const PCIDevice *d)
{
    BusState *b;

    list_foreach(b, &d->qdev.buses, dev_node) {
        if (strcmp(b->info->name, BUS_PCI) == 0) {
            return (PCIBus *)b;
        }
    }
    return NULL;
}

/* The bus with number @num below @bus; loops in the numbers end it. */
static PCIBus *find_bus(PCIBus *bus, int num, unsigned depth)
{
    if (pci_bus_num(bus) == num) {
        return bus;
    }
    for (unsigned i = 0; i < 256 && depth < 16; i++) {
        PCIDevice *d = bus->devices[i];
        PCIBus *child = d && info_of(d)->is_bridge ? pci_child_bus(d) : NULL;

        if (child && num >= d->config[PCI_SECONDARY_BUS] &&
            num <= d->config[PCI_SUBORDINATE_BUS]) {
            return find_bus(child, num, depth + 1);
        }
    }
    return NULL;
}

PCIDevice *pci_find_device(PCIBus *root, int bus_num, uint8_t devfn)
{
    PCIBus *bus = find_bus(root, bus_num, 0);

    return bus ? bus->devices[devfn] : NULL;
}

uint32_t pci_host_config_read(PCIBus *root, uint32_t addr, unsigned len)
{
    PCIDevice *d = pci_find_device(root, addr >> 16 & 0xff, addr >> 8 & 0xff);
    uint32_t reg = addr & 0xff;

    if (!d || reg + len > PCI_CONFIG_SIZE) {
        return len == 4 ? UINT32_MAX : (1u << (8 * len)) - 1;
    }
    return info_of(d)->config_read ? info_of(d)->config_read(d, reg, len)
                                   : pci_default_read_config(d, reg, len);
}

void pci_host_config_write(PCIBus *root, uint32_t addr, uint32_t val,
                           unsigned len)
{
    PCIDevice *d = pci_find_device(root, addr >> 16 & 0xff, addr >> 8 & 0xff);
    uint32_t reg = addr & 0xff;

    if (!d || reg + len > PCI_CONFIG_SIZE) {
        return;
    }
    if (info_of(d)->config_write) {
        info_of(d)->config_write(d, reg, val, len);
    } else {
        pci_default_write_config(d, reg, val, len);
    }
}

/* --- INTx --- */

static void intx_changed(PCIDevice *d, int change)
{
    PCIBus *bus = pci_bus_of(d);
    int pin = d->config[PCI_INTERRUPT_PIN] - 1;

    /* Bridges swizzle: bridge specification 9.1. */
    while (bus->parent_bridge) {
        pin = (pin + PCI_SLOT(d->devfn)) & 3;
        d = bus->parent_bridge;
        bus = pci_bus_of(d);
    }
    if (bus->ops && bus->nirq) {
        int line = bus->ops->map_irq(d, pin);

        bus->irq_count[line] += change;
        bus->ops->set_irq(bus->opaque, line, bus->irq_count[line] > 0);
    }
}

/* The pin follows the device's level unless the guest disabled INTx. */
static void intx_update(PCIDevice *d, bool level, bool disabled)
{
    bool was = d->intx_level & 2, now = level && !disabled;

    d->intx_level = level | now << 1;
    if (level) {
        d->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    } else {
        d->config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    }
    if (was != now && d->config[PCI_INTERRUPT_PIN]) {
        intx_changed(d, now ? 1 : -1);
    }
}

static bool intx_disabled(const PCIDevice *d)
{
    return pci_get_word(d->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

void pci_set_irq(PCIDevice *d, int level)
{
    if (msi_enabled(d) || msix_enabled(d)) {
        level = 0;
    }
    intx_update(d, level != 0, intx_disabled(d));
}

static void intx_line_set(void *opaque, int n, int level)
{
    pci_set_irq(opaque, level);
}

IRQ *pci_intx_line(PCIDevice *d)
{
    return irq_array_new(intx_line_set, d, 1);
}

/* --- BARs --- */

static unsigned bar_offset(const PCIDevice *d, unsigned n)
{
    if (n == PCI_ROM_SLOT) {
        return info_of(d)->is_bridge ? PCI_BRIDGE_ROM_ADDRESS
                                     : PCI_ROM_ADDRESS;
    }
    return PCI_BAR0 + 4 * n;
}

static uint64_t bar_decode(const PCIDevice *d, unsigned n)
{
    const PCIBar *b = &d->bars[n];
    uint16_t cmd = pci_get_word(d->config + PCI_COMMAND);
    unsigned off = bar_offset(d, n);
    uint64_t addr = pci_get_long(d->config + off), last;

    if (b->type & PCI_BAR_IO) {
        addr &= ~(b->size - 1) & 0xffffffff;
        last = addr + b->size - 1;
        return cmd & PCI_COMMAND_IO && addr && last <= 0xffff ? addr
                                                              : UINT64_MAX;
    }
    if (n == PCI_ROM_SLOT && !(addr & 1)) {
        return UINT64_MAX;
    }
    if (b->type & PCI_BAR_MEM64) {
        addr |= (uint64_t)pci_get_long(d->config + off + 4) << 32;
    }
    addr &= ~(b->size - 1);
    last = addr + b->size - 1;
    /* Zero, all ones and ranges that wrap do not decode; sizing writes put
     * such values here for a moment. */
    if (!(cmd & PCI_COMMAND_MEMORY) || addr == 0 || last <= addr ||
        last == UINT64_MAX ||
        (!(b->type & PCI_BAR_MEM64) && last >= UINT32_MAX)) {
        return UINT64_MAX;
    }
    return addr;
}

static void pci_update_mappings(PCIDevice *d)
{
    memory_transaction_begin();
    for (unsigned n = 0; n <= PCI_ROM_SLOT; n++) {
        PCIBar *b = &d->bars[n];
        uint64_t addr;

        if (!b->mr) {
            continue;
        }
        addr = bar_decode(d, n);
        if (addr == b->addr) {
            continue;
        }
        if (b->addr != UINT64_MAX) {
            memory_region_del_subregion(b->space, b->mr);
        }
        b->addr = addr;
        if (addr != UINT64_MAX) {
            memory_region_add_subregion_overlap(b->space, addr, b->mr, 1);
        }
    }
    memory_transaction_commit();
}

void pci_register_bar(PCIDevice *d, unsigned n, uint8_t type, MemoryRegion *mr)
{
    PCIBar *b = &d->bars[n];
    unsigned off = bar_offset(d, n);
    uint64_t mask = ~(mr->size - 1);

    assert(n <= PCI_ROM_SLOT && (mr->size & (mr->size - 1)) == 0 && !b->mr);
    b->mr = mr;
    b->size = mr->size;
    b->type = type;
    b->addr = UINT64_MAX;
    b->space = type & PCI_BAR_IO ? pci_bus_of(d)->io : pci_bus_of(d)->mem;
    if (n == PCI_ROM_SLOT) {
        mask |= 1; /* enable bit */
    } else {
        pci_set_long(d->config + off, type);
        pci_set_long(d->cmask + off, 0xf);
    }
    pci_set_long(d->wmask + off, mask);
    if (type & PCI_BAR_MEM64) {
        pci_set_long(d->wmask + off + 4, mask >> 32);
    }
}

uint64_t pci_bar_address(const PCIDevice *d, unsigned n)
{
    return d->bars[n].mr ? d->bars[n].addr : UINT64_MAX;
}

/* --- configuration space --- */

static void update_bus_master(PCIDevice *d)
{
    memory_region_set_enabled(&d->dma_alias,
                              pci_get_word(d->config + PCI_COMMAND) &
                                  PCI_COMMAND_MASTER);
}


uint32_t pci_default_read_config(PCIDevice *d, uint32_t addr, unsigned len)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < len && addr + i < PCI_CONFIG_SIZE; i++) {
        v |= (uint32_t)d->config[addr + i] << (8 * i);
    }
    return v;
}

void pci_default_write_config(PCIDevice *d, uint32_t addr, uint32_t val,
                              unsigned len)
{
    for (unsigned i = 0; i < len && addr + i < PCI_CONFIG_SIZE; i++) {
        uint8_t *p = &d->config[addr + i];
        uint8_t wmask = d->wmask[addr + i], w1c = d->w1cmask[addr + i];
        uint8_t byte = val >> (8 * i);

        *p = (*p & ~wmask) | (byte & wmask);
        *p &= ~(byte & w1c);
    }
    if (pci_range_hit(addr, len, PCI_COMMAND, 2)) {
        update_bus_master(d);
        intx_update(d, d->intx_level & 1, intx_disabled(d));
    }
    if (pci_range_hit(addr, len, PCI_BAR0, 24) ||
        pci_range_hit(addr, len, PCI_ROM_ADDRESS, 4) ||
        pci_range_hit(addr, len, PCI_BRIDGE_ROM_ADDRESS, 4) ||
        pci_range_hit(addr, len, PCI_COMMAND, 2)) {
        pci_update_mappings(d);
    }
    if (info_of(d)->is_bridge) {
        pci_bridge_config_written(d, addr, len);
    }
    msi_config_written(d, addr, len);
    msix_config_written(d, addr, len);
}

uint8_t pci_find_capability(const PCIDevice *d, uint8_t id)
{
    uint8_t pos = d->config[PCI_CAPABILITY_LIST];

    for (unsigned n = 0; pos && n < 48; n++) {
        if (d->config[pos] == id) {
            return pos;
        }
        pos = d->config[pos + 1];
    }
    return 0;
}

uint8_t pci_add_capability(PCIDevice *d, uint8_t id, uint8_t offset,
                           uint8_t size, Error **errp)
{
    unsigned start = offset ? offset : 0x40;

    for (; start + size <= PCI_CONFIG_SIZE; start += 4) {
        unsigned i;

        for (i = 0; i < size && !d->used[start + i]; i++) {
        }
        if (i == size) {
            break;
        }
        if (offset) {
            start = PCI_CONFIG_SIZE;
        }
    }
    if (start + size > PCI_CONFIG_SIZE) {
        error_setg(errp, "%s: no room for PCI capability 0x%02x",
                   d->qdev.info->name, id);
        return 0;
    }
    d->config[start] = id;
    d->config[start + 1] = d->config[PCI_CAPABILITY_LIST];
    d->config[PCI_CAPABILITY_LIST] = start;
    d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    memset(d->used + start, 1, ROUND_UP(size, 4));
    memset(d->wmask + start, 0, size);
    memset(d->cmask + start, 0xff, 2);
    return start;
}

static void pci_init_config(PCIDevice *d)
{
    const PCIDeviceInfo *pi = info_of(d);

    memset(d->used, 1, 0x40);
    pci_set_word(d->config + PCI_VENDOR_ID, pi->vendor_id);
    pci_set_word(d->config + PCI_DEVICE_ID, pi->device_id);
    d->config[PCI_REVISION_ID] = pi->revision;
    d->config[PCI_CLASS_PROG] = pi->prog_if;
    pci_set_word(d->config + PCI_CLASS_DEVICE, pi->class_id);
    if (pi->is_bridge) {
        d->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
    } else {
        pci_set_word(d->config + PCI_SUBSYSTEM_VENDOR_ID,
                     pi->subsystem_vendor_id ? pi->subsystem_vendor_id
                                             : PCI_VENDOR_REDHAT_QUMRANET);
        pci_set_word(d->config + PCI_SUBSYSTEM_ID,
                     pi->subsystem_id ? pi->subsystem_id : PCI_SUBDEVICE_QEMU);
    }
    if (d->multifunction) {
        d->config[PCI_HEADER_TYPE] |= PCI_HEADER_TYPE_MULTI_FUNCTION;
    }
    d->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    d->wmask[PCI_INTERRUPT_LINE] = 0xff;
    pci_set_word(d->wmask + PCI_COMMAND,
                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                     PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    pci_set_word(d->w1cmask + PCI_STATUS, 0xf900);
    pci_set_long(d->cmask + PCI_VENDOR_ID, UINT32_MAX);
    pci_set_long(d->cmask + PCI_REVISION_ID, UINT32_MAX);
    d->cmask[PCI_HEADER_TYPE] = 0xff;
    d->cmask[PCI_CAPABILITY_LIST] = 0xff;
}

/* --- expansion ROM --- */

/*
 * The ROM that comes with a type may be made for a whole family (Debian's of
 * ne2k_pci names no device): the firmware runs only one that names this device
 * (PCI Firmware Specification 3.0, 5.1).  Byte 6 of the image is free, and
 * keeps its sum zero.
 */
static void rom_name_device(const PCIDevice *d, uint8_t *rom, size_t size)
{
    size_t at = size >= 0x1a ? pci_get_word(rom + 0x18) : size;
    uint8_t sum = 0;

    if (at + 8 > size || pci_get_word(rom) != 0xaa55 ||
        memcmp(rom + at, "PCIR", 4) != 0) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        sum += rom[at + 4 + i] - d->config[PCI_VENDOR_ID + i];
        rom[at + 4 + i] = d->config[PCI_VENDOR_ID + i];
    }
    rom[6] += sum;
}

static bool pci_load_rom(PCIDevice *d, Error **errp)
{
    const char *name = d->romfile ? d->romfile : info_of(d)->romfile;
    g_autofree char *data = NULL, *block = NULL;
    gsize size;
    uint64_t bar = 1;

    if (!name || !*name || !d->rombar) {
        return true;
    }
    if (!datadir_load(name, &data, &size, errp)) {
        return false;
    }
    if (size == 0 || size > 16 * MiB) {
        error_setg(errp, "romfile '%s' has a size of %zu bytes, out of range",
                   name, (size_t)size);
        return false;
    }
    while (bar < MAX(size, 2048)) {
        bar <<= 1;
    }
    if (d->romsize != UINT32_MAX) {
        if (d->romsize < size || (d->romsize & (d->romsize - 1))) {
            error_setg(errp, "romfile '%s' (%zu bytes) does not fit romsize %u",
                       name, (size_t)size, d->romsize);
            return false;
        }
        bar = d->romsize;
    }
    block = device_vmstate_id(&d->qdev); /* unlike those of its like */
    if (!memory_region_init_rom(&d->rom, &d->qdev.obj, block, bar, errp)) {
        return false;
    }
    if (!g_strcmp0(name, info_of(d)->romfile)) {
        rom_name_device(d, (uint8_t *)data, size);
    }
    memcpy(memory_region_ram_ptr(&d->rom), data, size);
    d->has_rom = true;
    pci_register_bar(d, PCI_ROM_SLOT, PCI_BAR_MEM32, &d->rom);
    return true;
}

/* --- the bus's part of a device's life --- */

static bool pci_pick_devfn(PCIBus *bus, PCIDevice *d, Error **errp)
{
    if (d->devfn < 0) {
        for (d->devfn = bus->devfn_min; d->devfn < 256; d->devfn += 8) {
            if (!bus->devices[d->devfn]) {
                return true;
            }
        }
        error_setg(errp, "PCI: no slot/function available for %s, all in use "
                         "or reserved", d->qdev.info->name);
        return false;
    }
    if (bus->devices[d->devfn]) {
        const DeviceState *other = &bus->devices[d->devfn]->qdev;

        error_setg(errp, "PCI: slot %d function %d not available for %s, in "
                         "use by %s,id=%s", PCI_SLOT(d->devfn),
                   PCI_FUNC(d->devfn), d->qdev.info->name, other->info->name,
                   other->id ? other->id : "");
        return false;
    }
    if (PCI_FUNC(d->devfn) && bus->devices[d->devfn & ~7] &&
        !bus->devices[d->devfn & ~7]->multifunction) {
        error_setg(errp, "PCI: %x.0 indicates single function, but %x.%x is "
                         "already populated.", PCI_SLOT(d->devfn),
                   PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
        return false;
    }
    return true;
}

static bool pci_pre_realize(BusState *b, DeviceState *dev, Error **errp)
{
    PCIBus *bus = (PCIBus *)b;
    PCIDevice *d = (PCIDevice *)dev;

    if (!pci_pick_devfn(bus, d, errp)) {
        d->devfn = -1;
        return false;
    }
    bus->devices[d->devfn] = d;
    pci_init_config(d);
    memory_region_init(&d->dma_root, &dev->obj, "bus master container",
                       UINT64_MAX);
    memory_region_init_alias(&d->dma_alias, &dev->obj, "bus master",
                             system_memory(), 0, UINT64_MAX);
    memory_region_set_enabled(&d->dma_alias, false);
    memory_region_add_subregion(&d->dma_root, 0, &d->dma_alias);
    address_space_init(&d->dma_as, &d->dma_root, dev->info->name);
    return true;
}

static bool pci_post_realize(BusState *b, DeviceState *dev, Error **errp)
{
    return pci_load_rom((PCIDevice *)dev, errp);
}

static void pci_unrealize(BusState *b, DeviceState *dev)
{
    PCIBus *bus = (PCIBus *)b;
    PCIDevice *d = (PCIDevice *)dev;

    intx_update(d, false, true);
    for (unsigned n = 0; n <= PCI_ROM_SLOT; n++) {
        PCIBar *bar = &d->bars[n];

        /* The device may have destroyed, and so unmapped, it already. */
        if (bar->mr && bar->addr != UINT64_MAX && bar->mr->container) {
            memory_region_del_subregion(bar->space, bar->mr);
        }
        bar->mr = NULL;
    }
    if (d->has_rom) {
        memory_region_destroy(&d->rom);
        d->has_rom = false;
    }
    msix_uninit(d);
    address_space_destroy(&d->dma_as);
    memory_region_destroy(&d->dma_alias);
    memory_region_destroy(&d->dma_root);
    bus->devices[d->devfn] = NULL;
}


static void pci_device_reset(BusState *b, DeviceState *dev)
{
    PCIDevice *d = (PCIDevice *)dev;

    intx_update(d, false, true);
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        /* Read-only identity stays; what can be written goes to zero. */
        if (i < 0x40) {
            d->config[i] &= ~(d->wmask[i] | d->w1cmask[i]);
        }
    }
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        if (d->bars[n].mr) {
            pci_set_long(d->config + bar_offset(d, n), d->bars[n].type);
        }
    }
    msi_reset(d);
    msix_reset(d);
    update_bus_master(d);
    pci_update_mappings(d);
}

static char *pci_dev_path(DeviceState *dev)
{
    PCIDevice *d = (PCIDevice *)dev;

    return g_strdup_printf("%02x.%x", PCI_SLOT(d->devfn), PCI_FUNC(d->devfn));
}

static char *pci_fw_dev_path(DeviceState *dev)
{
    PCIDevice *d = (PCIDevice *)dev;
    const char *name = dev->info->fw_name;
    g_autofree char *generic =
        g_strdup_printf("pci%04x,%04x", info_of(d)->vendor_id,
                        info_of(d)->device_id);
    GString *s;

    if (!name) {
        switch (info_of(d)->class_id >> 8) {
        case 0x01:
            name = info_of(d)->class_id == 0x0101   ? "ide"
                   : info_of(d)->class_id == 0x0100 ? "scsi"
                                                    : generic;
            break;
        case 0x02:
            name = "ethernet";
            break;
        case 0x03:
            name = "display";
            break;
        case 0x06:
            name = info_of(d)->class_id == 0x0601   ? "isa"
                   : info_of(d)->class_id == 0x0604 ? "pci-bridge"
                                                    : generic;
            break;
        case 0x0c:
            name = info_of(d)->class_id == 0x0c03 ? "usb" : generic;
            break;
        default:
            name = generic;
            break;
        }
    }
    s = g_string_new(NULL);
    g_string_printf(s, "%s@%x", name, PCI_SLOT(d->devfn));
    if (PCI_FUNC(d->devfn)) {
        g_string_append_printf(s, ",%x", PCI_FUNC(d->devfn));
    }
    return g_string_free(s, FALSE);
}

static void pci_print_dev(DeviceState *dev, GString *out, int indent)
{
    PCIDevice *d = (PCIDevice *)dev;

    g_string_append_printf(
        out, "%*sclass 0x%04x, addr %02x:%02x.%x, pci id %04x:%04x (sub "
             "%04x:%04x)\n",
        indent, "", pci_get_word(d->config + PCI_CLASS_DEVICE),
        pci_bus_num(pci_bus_of(d)), PCI_SLOT(d->devfn), PCI_FUNC(d->devfn),
        pci_get_word(d->config + PCI_VENDOR_ID),
        pci_get_word(d->config + PCI_DEVICE_ID),
        pci_get_word(d->config + PCI_SUBSYSTEM_VENDOR_ID),
        pci_get_word(d->config + PCI_SUBSYSTEM_ID));
    for (unsigned n = 0; n <= PCI_ROM_SLOT; n++) {
        const PCIBar *b = &d->bars[n];

        if (b->mr) {
            g_string_append_printf(
                out, "%*sbar %u: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n",
                indent, "", n, b->type & PCI_BAR_IO ? "i/o" : "mem", b->addr,
                b->addr + b->size - 1);
        }
    }
}

/* --- property "addr" --- */

static bool devfn_set(Object *obj, const Property *p, void *field, QObject *v,
                      Error **errp)
{
    int32_t *devfn = field;
    unsigned slot, fn = 0;
    int used = 0;
    int64_t n;

    if (qint_try_i64(v, &n)) {
        if (n < -1 || n > 255) {
            goto bad;
        }
        *devfn = n;
        return true;
    }
    if (qobject_type(v) != QTYPE_STRING) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   p->name);
        return false;
    }
    if (sscanf(qstring_get(v), "%x.%x%n", &slot, &fn, &used) != 2 ||
        qstring_get(v)[used]) {
        fn = 0;
        used = 0;
        if (sscanf(qstring_get(v), "%x%n", &slot, &used) != 1 ||
            qstring_get(v)[used]) {
            goto bad;
        }
    }
    if (slot > 31 || fn > 7) {
        goto bad;
    }
    *devfn = PCI_DEVFN(slot, fn);
    return true;
bad:
    error_setg(errp, "Property '%s.%s' doesn't take value '%s'",
               obj->type->name, p->name,
               qobject_type(v) == QTYPE_STRING ? qstring_get(v) : "(number)");
    return false;
}

static QObject *devfn_get(Object *obj, const Property *p, const void *field)
{
    int32_t devfn = *(const int32_t *)field;

    if (devfn < 0) {
        return qstring_new("-1");
    }
    return qstring_printf("%02x.%x", PCI_SLOT(devfn), PCI_FUNC(devfn));
}

static void devfn_default(const Property *p, void *field)
{
    *(int32_t *)field = p->def;
}

const PropertyInfo prop_pci_devfn = {
    .name = "str", .desc = "Slot and optional function number, example: "
                           "06.0 or 06",
    .set = devfn_set, .get = devfn_get, .set_default = devfn_default,
};

static const Property pci_props[] = {
    PROP_("addr", PCIDevice, devfn, int32_t, prop_pci_devfn, -1),
    PROP_BOOL("multifunction", PCIDevice, multifunction, false),
    PROP_STR("romfile", PCIDevice, romfile),
    PROP_BOOL("rombar", PCIDevice, rombar, true),
    PROP_UINT32("romsize", PCIDevice, romsize, UINT32_MAX),
    PROP_UINT32("acpi-index", PCIDevice, acpi_index, 0),
    PROP_END(),
};

static bool pci_bus_is_full(BusState *b)
{
    PCIBus *bus = (PCIBus *)b;

    for (unsigned i = bus->devfn_min; i < 256; i += 8) {
        if (!bus->devices[i]) {
            return false;
        }
    }
    return true;
}

static const BusInfo pci_bus_info = {
    .name = BUS_PCI,
    .size = sizeof(PCIBus),
    .device_type = "pci-device",
    .device_size = sizeof(PCIDevice),
    .device_props = pci_props,
    .pre_realize = pci_pre_realize,
    .post_realize = pci_post_realize,
    .unrealize = pci_unrealize,
    .device_reset = pci_device_reset,
    .is_full = pci_bus_is_full,
    .dev_path = pci_dev_path,
    .fw_dev_path = pci_fw_dev_path,
    .print_dev = pci_print_dev,
};

/* --- creation, DMA --- */

PCIDevice *pci_new(int devfn, const char *type)
{
    PCIDevice *d = (PCIDevice *)device_new(type);

    d->devfn = devfn;
    return d;
}

PCIDevice *pci_create(PCIBus *bus, int devfn, const char *type, Error **errp)
{
    PCIDevice *d = pci_new(devfn, type);

    return device_realize(&d->qdev, &bus->bus, errp) ? d : NULL;
}

PCIDevice *pci_create_multifunction(PCIBus *bus, int devfn, const char *type,
                                    Error **errp)
{
    PCIDevice *d = pci_new(devfn, type);

    d->multifunction = true;
    return device_realize(&d->qdev, &bus->bus, errp) ? d : NULL;
}

static MemTxAttrs pci_attrs(const PCIDevice *d)
{
    return (MemTxAttrs){ .requester_id =
                             pci_bus_num(pci_bus_of(d)) << 8 | d->devfn };
}

MemTxResult pci_dma_read(PCIDevice *d, hwaddr addr, void *buf, hwaddr len)
{
    return address_space_read(&d->dma_as, addr, pci_attrs(d), buf, len);
}

MemTxResult pci_dma_write(PCIDevice *d, hwaddr addr, const void *buf,
                          hwaddr len)
{
    return address_space_write(&d->dma_as, addr, pci_attrs(d), buf, len);
}

void pci_send_msi(PCIDevice *d, uint64_t addr, uint32_t data)
{
    address_space_st(&d->dma_as, addr, 4, data, pci_attrs(d));
}

/* --- state --- */

static bool pci_post_load(void *opaque, int version, Error **errp)
{
    PCIDevice *d = opaque;

    /* The level the pin had is in the interrupt controllers' states too;
     * only our account of it is rebuilt. */
    update_bus_master(d);
    pci_update_mappings(d);
    if (info_of(d)->is_bridge) {
        pci_bridge_config_written(d, 0, PCI_CONFIG_SIZE);
    }
    msix_config_written(d, 0, PCI_CONFIG_SIZE);
    return true;
}

static void config_save(const void *field, VMStateWriter *w)
{
    vmstate_put_bytes(w, field, PCI_CONFIG_SIZE);
}

static bool config_load(void *field, VMStateReader *r, Error **errp)
{
    PCIDevice *d = container_of((uint8_t(*)[PCI_CONFIG_SIZE])field, PCIDevice,
                                config);
    uint8_t in[PCI_CONFIG_SIZE];

    if (!vmstate_get_bytes(r, in, sizeof(in), errp)) {
        return false;
    }
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        if ((in[i] ^ d->config[i]) & d->cmask[i] & ~d->wmask[i] &
            ~d->w1cmask[i]) {
            error_setg(errp, "%s: configuration byte 0x%02x is 0x%02x here, "
                             "0x%02x in the state", d->qdev.info->name, i,
                       d->config[i], in[i]);
            return false;
        }
    }
    memcpy(d->config, in, sizeof(in));
    return true;
}

static void intx_save(const void *field, VMStateWriter *w)
{
    vmstate_put_u8(w, *(const uint8_t *)field);
}

static bool intx_load(void *field, VMStateReader *r, Error **errp)
{
    PCIDevice *d = container_of((uint8_t *)field, PCIDevice, intx_level);
    uint8_t level;

    if (!vmstate_get_u8(r, &level, errp)) {
        return false;
    }
    intx_update(d, level & 1, intx_disabled(d));
    return true;
}

static const VMStateField pci_fields[] = {
    VMSTATE_CUSTOM("config", PCIDevice, config, config_save, config_load),
    VMSTATE_CUSTOM("intx_level", PCIDevice, intx_level, intx_save, intx_load),
    VMSTATE_VBUFFER(msix_table, PCIDevice, msix_table_bytes, 2048 * 16),
    VMSTATE_END(),
};

const VMStateDescription vmstate_pci_device = {
    .name = "pci",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pci_post_load,
    .fields = pci_fields,
};

static void pci_register(void)
{
    bus_register(&pci_bus_info);
}
device_init(pci_register)
