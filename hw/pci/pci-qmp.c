/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-pci and its text for people.  Class codes: PCI Code and ID Assignment
 * Specification. */
#include "osdep.h"
#include "hw/pci.h"
#include "qapi/qapi-commands.h"

static const struct {
    uint16_t class_id;
    const char *desc;
} classes[] = {
    { 0x0001, "VGA controller" }, { 0x0100, "SCSI controller" },
    { 0x0101, "IDE controller" }, { 0x0102, "Floppy controller" },
    { 0x0103, "IPI controller" }, { 0x0104, "RAID controller" },
    { 0x0106, "SATA controller" }, { 0x0107, "SAS controller" },
    { 0x0108, "NVMe controller" }, { 0x0180, "Storage controller" },
    { 0x0200, "Ethernet controller" }, { 0x0201, "Token Ring controller" },
    { 0x0202, "FDDI controller" }, { 0x0203, "ATM controller" },
    { 0x0280, "Network controller" }, { 0x0300, "VGA controller" },
    { 0x0301, "XGA controller" }, { 0x0302, "3D controller" },
    { 0x0380, "Display controller" }, { 0x0400, "Video controller" },
    { 0x0401, "Audio controller" }, { 0x0402, "Phone" },
    { 0x0403, "Audio controller" }, { 0x0480, "Multimedia controller" },
    { 0x0500, "RAM controller" }, { 0x0501, "Flash controller" },
    { 0x0580, "Memory controller" }, { 0x0600, "Host bridge" },
    { 0x0601, "ISA bridge" }, { 0x0602, "EISA bridge" },
    { 0x0603, "MC bridge" }, { 0x0604, "PCI bridge" },
    { 0x0605, "PCMCIA bridge" }, { 0x0606, "NUBUS bridge" },
    { 0x0607, "CARDBUS bridge" }, { 0x0608, "RACEWAY bridge" },
    { 0x0680, "Bridge" }, { 0x0700, "Serial port" },
    { 0x0701, "Parallel port" }, { 0x0780, "Communication controller" },
    { 0x0800, "Interrupt controller" }, { 0x0801, "DMA controller" },
    { 0x0802, "Timer" }, { 0x0803, "RTC" }, { 0x0900, "Keyboard" },
    { 0x0901, "Pen" }, { 0x0902, "Mouse" }, { 0x0a00, "Dock station" },
    { 0x0b00, "i386 cpu" }, { 0x0c00, "Firewire controller" },
    { 0x0c01, "Access bus controller" }, { 0x0c02, "SSA controller" },
    { 0x0c03, "USB controller" }, { 0x0c04, "Fibre channel controller" },
    { 0x0c05, "SMBus" },
};

static const char *class_desc(uint16_t class_id)
{
    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
        if (classes[i].class_id == class_id) {
            return classes[i].desc;
        }
    }
    return NULL;
}

static PciMemoryRegionList *regions_of(const PCIDevice *d)
{
    PciMemoryRegionList *list = NULL, **tail = &list;

    for (unsigned n = 0; n <= PCI_ROM_SLOT; n++) {
        const PCIBar *b = &d->bars[n];
        PciMemoryRegion *r;

        if (!b->mr) {
            continue;
        }
        r = g_new0(PciMemoryRegion, 1);
        r->bar = n;
        r->type = g_strdup(b->type & PCI_BAR_IO ? "io" : "memory");
        r->address = b->addr;
        r->size = b->size;
        if (!(b->type & PCI_BAR_IO)) {
            r->has_prefetch = r->has_mem_type_64 = true;
            r->prefetch = b->type & PCI_BAR_PREFETCH;
            r->mem_type_64 = b->type & PCI_BAR_MEM64;
        }
        QAPI_LIST_APPEND(tail, r);
    }
    return list;
}

static PciDeviceInfoList *devices_of(PCIBus *bus);

static PciMemoryRange *range(uint64_t base, uint64_t limit)
{
    PciMemoryRange *r = g_new0(PciMemoryRange, 1);

    r->base = base;
    r->limit = limit;
    return r;
}

static PciBridgeInfo *bridge_of(PCIDevice *d, PCIBus *sec)
{
    PciBridgeInfo *b = g_new0(PciBridgeInfo, 1);
    const uint8_t *c = d->config;
    uint64_t base, limit;

    b->bus = g_new0(PciBusInfo, 1);
    b->bus->number = c[PCI_PRIMARY_BUS];
    b->bus->secondary = c[PCI_SECONDARY_BUS];
    b->bus->subordinate = c[PCI_SUBORDINATE_BUS];
    b->bus->io_range = range((c[PCI_IO_BASE] & 0xf0) << 8,
                             (c[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff);
    b->bus->memory_range =
        range((uint64_t)(pci_get_word(c + PCI_MEMORY_BASE) & 0xfff0) << 16,
              (uint64_t)(pci_get_word(c + PCI_MEMORY_LIMIT) & 0xfff0) << 16 |
                  0xfffff);
    base = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_BASE) & 0xfff0) << 16 |
           (uint64_t)pci_get_long(c + PCI_PREF_BASE_UPPER32) << 32;
    limit = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_LIMIT) & 0xfff0)
                << 16 |
            (uint64_t)pci_get_long(c + PCI_PREF_LIMIT_UPPER32) << 32 | 0xfffff;
    b->bus->prefetchable_range = range(base, limit);
    if (c[PCI_SECONDARY_BUS]) {
        b->has_devices = true;
        b->devices = devices_of(sec);
    }
    return b;
}

static PciDeviceInfo *device_of(PCIBus *bus, PCIDevice *d)
{
    PciDeviceInfo *p = g_new0(PciDeviceInfo, 1);
    PCIBus *sec = pci_child_bus(d);
    uint16_t class_id = pci_get_word(d->config + PCI_CLASS_DEVICE);

    p->bus = pci_bus_num(bus);
    p->slot = PCI_SLOT(d->devfn);
    p->function = PCI_FUNC(d->devfn);
    p->class_info = g_new0(PciDeviceClass, 1);
    p->class_info->class = class_id;
    p->class_info->desc = g_strdup(class_desc(class_id));
    p->id = g_new0(PciDeviceId, 1);
    p->id->vendor = pci_get_word(d->config + PCI_VENDOR_ID);
    p->id->device = pci_get_word(d->config + PCI_DEVICE_ID);
    if (!sec) {
        p->id->has_subsystem = p->id->has_subsystem_vendor = true;
        p->id->subsystem = pci_get_word(d->config + PCI_SUBSYSTEM_ID);
        p->id->subsystem_vendor =
            pci_get_word(d->config + PCI_SUBSYSTEM_VENDOR_ID);
    }
    p->irq_pin = d->config[PCI_INTERRUPT_PIN];
    p->has_irq = p->irq_pin != 0;
    p->irq = d->config[PCI_INTERRUPT_LINE];
    p->qdev_id = g_strdup(d->qdev.id ? d->qdev.id : "");
    p->pci_bridge = sec ? bridge_of(d, sec) : NULL;
    p->regions = regions_of(d);
    return p;
}

static PciDeviceInfoList *devices_of(PCIBus *bus)
{
    PciDeviceInfoList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < 256; i++) {
        if (bus->devices[i]) {
            PciDeviceInfo *p = device_of(bus, bus->devices[i]);

            QAPI_LIST_APPEND(tail, p);
        }
    }
    return list;
}

PciInfoList *qmp_query_pci(Error **errp)
{
    PciInfoList *list = NULL, **tail = &list;
    PCIBus *root = pci_root_bus();

    if (root) {
        PciInfo *info = g_new0(PciInfo, 1);

        info->bus = pci_bus_num(root);
        info->devices = devices_of(root);
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

/* --- info pci --- */

static void print_range(GString *out, const char *what,
                        const PciMemoryRange *r, int digits)
{
    g_string_append_printf(out, "      %s [0x%0*" PRIx64 ", 0x%0*" PRIx64
                                "]\n", what, digits, (uint64_t)r->base, digits,
                           (uint64_t)r->limit);
}

static void print_device(const PciDeviceInfo *p, GString *out);

static void print_bridge(const PciBridgeInfo *b, GString *out)
{
    g_string_append_printf(out, "      BUS %" PRId64 ".\n"
                                "      secondary bus %" PRId64 ".\n"
                                "      subordinate bus %" PRId64 ".\n",
                           b->bus->number, b->bus->secondary,
                           b->bus->subordinate);
    print_range(out, "IO range", b->bus->io_range, 4);
    print_range(out, "memory range", b->bus->memory_range, 8);
    print_range(out, "prefetchable memory range", b->bus->prefetchable_range,
                8);
}

static void print_region(const PciMemoryRegion *r, GString *out)
{
    uint64_t addr = r->address, end = addr + r->size - 1;

    if (!strcmp(r->type, "io")) {
        g_string_append_printf(out, "      BAR%" PRId64 ": I/O at 0x%04" PRIx64
                                    " [0x%04" PRIx64 "].\n", r->bar, addr,
                               end);
    } else {
        g_string_append_printf(
            out, "      BAR%" PRId64 ": %d bit%s memory at 0x%08" PRIx64
                 " [0x%08" PRIx64 "].\n", r->bar, r->mem_type_64 ? 64 : 32,
            r->prefetch ? " prefetchable" : "", addr, end);
    }
}

static void print_device(const PciDeviceInfo *p, GString *out)
{
    g_string_append_printf(out, "  Bus %2" PRId64 ", device %3" PRId64
                                ", function %" PRId64 ":\n    ", p->bus,
                           p->slot, p->function);
    if (p->class_info->desc) {
        g_string_append(out, p->class_info->desc);
    } else {
        g_string_append_printf(out, "Class %04" PRIx64,
                               (uint64_t)p->class_info->class);
    }
    g_string_append_printf(out, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n",
                           (uint64_t)p->id->vendor, (uint64_t)p->id->device);
    if (p->id->has_subsystem) {
        g_string_append_printf(
            out, "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n",
            (uint64_t)p->id->subsystem_vendor, (uint64_t)p->id->subsystem);
    }
    if (p->has_irq) {
        g_string_append_printf(out, "      IRQ %" PRId64 ", pin %c\n", p->irq,
                               (char)('A' + p->irq_pin - 1));
    }
    if (p->pci_bridge) {
        print_bridge(p->pci_bridge, out);
    }
    for (PciMemoryRegionList *r = p->regions; r; r = r->next) {
        print_region(r->value, out);
    }
    g_string_append_printf(out, "      id \"%s\"\n", p->qdev_id);
    if (p->pci_bridge && p->pci_bridge->has_devices) {
        for (PciDeviceInfoList *l = p->pci_bridge->devices; l; l = l->next) {
            print_device(l->value, out);
        }
    }
}

void pci_print(GString *out)
{
    PciInfoList *list = qmp_query_pci(NULL);

    if (!list) {
        g_string_append(out, "PCI devices not supported\n");
    }
    for (PciInfoList *i = list; i; i = i->next) {
        for (PciDeviceInfoList *l = i->value->devices; l; l = l->next) {
            print_device(l->value, out);
        }
    }
    qapi_free_PciInfoList(list);
}
