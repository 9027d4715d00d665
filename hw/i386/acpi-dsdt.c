/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's ACPI name space: DSDT, and the generation ID's SSDT.
 *
 * ACPI specification 6.4: chapters 5 (name space), 6 (device configuration), 9
 * and 10 (devices).  Ports and their registers: hw/acpi/.  What the text below
 * says is in ASL's prefix form, see hw/acpi/aml.h.
 */
#include "osdep.h"
#include "acpi-build.h"
#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/mem-hotplug.h"
#include "hw/acpi/pcihp.h"
#include "hw/acpi/piix4.h"
#include "hw/rtc/mc146818rtc.h"

/* --- the root bridge --- */

/* Reservation, ejection and labels of slots: hw/acpi/pcihp.c. */
static void dsdt_pci_hotplug(Aml *a)
{
    aml_put(a,
        "OperationRegion PCIR 1 0x%x 0x%x "
        "Field PCIR DWord:NoLock:Zeros { PUP:32 PDWN:32 PEJ:32 :32 PBUS:32 "
        "PIDX:32 } "
        "Mutex PLCK 0 "
        /* Arg0 bus, Arg1 slot. */
        "Method PCEJ 2 { Acquire PLCK 0xffff Store Arg0 PBUS "
        "  Store ShiftLeft 1 Arg1 - PEJ Release PLCK Return 0 } "
        "Method PCIX 2 { Acquire PLCK 0xffff Store Arg0 PBUS "
        "  Store ShiftLeft 1 Arg1 - PIDX Store PIDX Local0 Release PLCK "
        "  Return Local0 } ",
        PCIHP_PORT, PCIHP_PORTS);
    /* Device labels, PCI Firmware Specification 3.1, 4.6.7: _DSM's arguments,
     * then bus and slot. */
    aml_put(a,
        "Method PDSM 5S { Store 0 Local0 "
        "  If LEqual Arg0 ToUUID e5c937d0-3553-4d7a-9117-ea4d19c3434d { "
        "    If LGreater Arg1 1 { Store PCIX Arg3 Arg4 Local0 "
        "      If LEqual Local0 0xffffffff { Store 0 Local0 } } } "
        "  If LEqual Arg2 7 { Store Package 2 { 0 \"\" } Local1 "
        "    Store Local0 Index Local1 0 - Return Local1 } "
        "  Store Buffer 1 { #00 } Local1 "
        "  If LAnd LEqual Arg2 0 LGreater Local0 0 { "
        "    Store 0x81 Index Local1 0 - } "
        "  Return Local1 } ");
}

static void dsdt_routing(Aml *a)
{
    static const char *const link[] = { "LNKA", "LNKB", "LNKC", "LNKD" };

    aml_put(a, "Name _PRT Package 128 { ");
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            /* 1.3's pin is the SCI, which is wired to IRQ 9. */
            aml_put(a, "Package 4 { 0x%x %u %s 0 } ", slot << 16 | 0xffff, pin,
                    slot == 1 && pin == 0 ? "LNKS"
                                          : link[(slot + pin - 1) & 3]);
        }
    }
    aml_put(a, "} ");
}

static void dsdt_links(Aml *a)
{
    aml_put(a,
        "Scope \\_SB { "
        "Field PCI0.S08.PIRQ Byte:NoLock:Preserve "
        "  { PRQ0:8 PRQ1:8 PRQ2:8 PRQ3:8 } "
        /* Bit 7 of a route switches it off. */
        "Method LSTA 1 { If And Arg0 0x80 - { Return 9 } Return 0x0b } "
        "Method LCRS 1S { Name RES Resources { intr 1 0 } "
        "  CreateDWordField RES 5 INT "
        "  If LLess Arg0 0x80 { Store Arg0 INT } Return RES } ");
    for (unsigned i = 0; i < 4; i++) {
        aml_put(a,
            "Device LNK%c { Name _HID EisaId PNP0C0F Name _UID %u "
            "Name _PRS Resources { intr 3 5 10 11 } "
            "Method _STA 0 { Return LSTA PRQ%u } "
            "Method _DIS 0 { Or PRQ%u 0x80 PRQ%u } "
            "Method _CRS 0 { Return LCRS PRQ%u } "
            "Method _SRS 1 { CreateDWordField Arg0 5 INT Store INT PRQ%u } } ",
            'A' + i, i, i, i, i, i, i);
    }
    aml_put(a,
        "Device LNKS { Name _HID EisaId PNP0C0F Name _UID 4 "
        "Name _PRS Resources { intr 1 9 } "
        "Method _STA 0 { Return 0x0b } Method _DIS 0 { } "
        "Method _CRS 0 { Return _PRS } Method _SRS 1 { } } } ");
}

static void dsdt_windows(Aml *a, const AcpiInfo *info)
{
    aml_put(a, "Name _CRS Resources { busno 0 0xff io 0xcf8 0xcf8 1 8 "
               "wordio 0 0xcf7 wordio 0xd00 0xffff "
               "dwordmem cached 0xa0000 0xbffff "
               "dwordmem uncached 0x%" PRIx64 " 0xfebfffff ",
            info->hole_start);
    if (info->hole64_size) {
        aml_put(a, "qwordmem cached 0x%" PRIx64 " 0x%" PRIx64 " ",
                info->hole64_start,
                info->hole64_start + info->hole64_size - 1);
    }
    aml_put(a, "} ");
}

/* --- slots --- */

static void dsdt_isa(Aml *a);

static void dsdt_bus(Aml *a, PCIBus *bus)
{
    int bsel = pcihp_bus_number(bus);
    g_autoptr(GString) notify = g_string_new(NULL);
    g_autoptr(GString) below = g_string_new(NULL);

    for (unsigned slot = 0; slot < 32; slot++) {
        unsigned devfn = PCI_DEVFN(slot, 0);
        PCIDevice *d = bus->devices[devfn];
        PCIBus *child = d ? pci_child_bus(d) : NULL;

        if (!d && bsel < 0) {
            continue;
        }
        aml_put(a, "Device S%02X { Name _ADR 0x%x ", devfn, slot << 16);
        if (bsel >= 0) {
            aml_put(a, "Method _DSM 4S { Return PDSM Arg0 Arg1 Arg2 %d %u } ",
                    bsel, slot);
        }
        if (bsel >= 0 && pcihp_slot_removable(bus, slot)) {
            aml_put(a, "Name _SUN %u Method _EJ0 1 { PCEJ %d %u } ", slot,
                    bsel, slot);
            g_string_append_printf(notify, "If And Arg0 0x%x - { Notify S%02X "
                                           "Arg1 } ", 1u << slot, devfn);
        }
        if (d && pci_get_word(d->config + PCI_CLASS_DEVICE) == 0x0300) {
            /* The card keeps its state in all sleep states. */
            aml_put(a, "Method _S1D 0 { Return 0 } Method _S2D 0 { Return 0 } "
                       "Method _S3D 0 { Return 0 } ");
        } else if (d && device_is_a(&d->qdev, "PIIX3")) {
            dsdt_isa(a);
        } else if (child && pcihp_bus_number(child) >= 0) {
            dsdt_bus(a, child);
            g_string_append_printf(below, "^S%02X.PCNT ", devfn);
        }
        aml_put(a, "} ");
    }
    if (bsel >= 0) {
        /* PLCK is held. */
        aml_put(a,
            "Method DVNT 2 { %s } "
            "Method PCNT 0 { Store %d PBUS DVNT PUP 1 DVNT PDWN 3 %s } ",
            notify->str, bsel, below->str);
    }
}

/* --- devices of the ISA bus --- */

static bool isa_device(DeviceState *dev, void *opaque)
{
    Aml *a = opaque;
    g_autoptr(QObject) v = NULL;
    int64_t index = 0;

    if (device_is_a(dev, "i8042")) {
        aml_put(a,
            "Device KBD { Name _HID EisaId PNP0303 Name _STA 0x0f "
            "Name _CRS Resources { io 0x60 0x60 1 1 io 0x64 0x64 1 1 irq 1 } "
            "} "
            "Device MOU { Name _HID EisaId PNP0F13 Name _STA 0x0f "
            "Name _CRS Resources { irq 12 } } ");
    } else if (device_is_a(dev, "isa-serial") ||
               device_is_a(dev, "isa-parallel")) {
        bool serial = device_is_a(dev, "isa-serial");
        g_autoptr(QObject) irq = object_get(&dev->obj, "irq", NULL);
        g_autoptr(QObject) base = object_get(&dev->obj, "iobase", NULL);
        int64_t n, port;

        v = object_get(&dev->obj, "index", NULL);
        if (qint_try_i64(v, &index) && qint_try_i64(irq, &n) &&
            qint_try_i64(base, &port)) {
            aml_put(a,
                "Device %s%u { Name _HID EisaId %s Name _UID %u Name _STA 0x0f "
                "Name _CRS Resources { io 0x%x 0x%x %u 8 irq %u } } ",
                serial ? "COM" : "LPT", (unsigned)index + 1,
                serial ? "PNP0501" : "PNP0400", (unsigned)index + 1,
                (unsigned)port, (unsigned)port, serial ? 0 : 8, (unsigned)n);
        }
    } else if (device_is_a(dev, "mc146818rtc")) {
        aml_put(a, "Device RTC { Name _HID EisaId PNP0B00 "
                   "Name _CRS Resources { io 0x70 0x70 1 8 irq 8 } } ");
    } else if (device_is_a(dev, "pvpanic")) {
        g_autoptr(QObject) port = object_get(&dev->obj, "ioport", NULL);

        if (qint_try_i64(port, &index)) {
            unsigned n = index;

            aml_put(a,
                "Device PEVT { Name _HID \"QEMU0001\" Name _STA 0x0f "
                "Name _CRS Resources { io 0x%x 0x%x 1 1 } "
                "OperationRegion PEOR 1 0x%x 1 "
                "Field PEOR Byte:NoLock:Preserve { PEPT:8 } "
                "Method RDPT 0 { Return PEPT } "
                "Method WRPT 1 { Store Arg0 PEPT } } ", n, n, n);
        }
    }
    return true;
}

/* 10.5: geometry as INT 13h function 8 reports it, for each drive. */
static void dsdt_floppy(Aml *a, DeviceState *rtc)
{
    /* Type, last cylinder, sectors a track, gap and format gap. */
    static const struct {
        uint8_t cyl, sectors, rate, gap, fmt_gap;
    } types[] = {
        { 0, 0, 0, 0, 0 },
        { 39, 9, 0xdf, 0x2a, 0x50 },   /* 360 KiB */
        { 79, 15, 0xdf, 0x1b, 0x54 },  /* 1.2 MiB */
        { 79, 9, 0xdf, 0x2a, 0x50 },   /* 720 KiB */
        { 79, 18, 0xaf, 0x1b, 0x6c },  /* 1.44 MiB */
        { 79, 36, 0xaf, 0x1b, 0x50 },  /* 2.88 MiB */
    };
    uint8_t cmos = rtc_get_memory(rtc, 0x10);
    unsigned present = 0;

    aml_put(a, "Device FDC0 { Name _HID EisaId PNP0700 "
               "Name _CRS Resources { io 0x3f2 0x3f2 0 4 io 0x3f7 0x3f7 0 1 "
               "irq 6 dma 2 } ");
    for (unsigned i = 0; i < 2; i++) {
        unsigned type = i ? cmos & 15 : cmos >> 4;

        if (type == 0 || type >= ARRAY_SIZE(types)) {
            continue;
        }
        present |= 1 << i;
        aml_put(a, "Device FLP%c { Name _ADR %u Name _FDI Package 16 { %u %u "
                   "%u %u 1 0x%x 2 0x25 2 %u 0x%x 0xff 0x%x 0xf6 0x0f 8 } } ",
                'A' + i, i, i, type, types[type].cyl, types[type].sectors,
                types[type].rate, types[type].sectors, types[type].gap,
                types[type].fmt_gap);
    }
    /* Drives 0 to 3, then "no tape". */
    aml_put(a, "Name _FDE Buffer 20 { #%02x000000 #%02x000000 #00000000 "
               "#00000000 #02000000 } } ", present & 1, present >> 1);
}

static void dsdt_isa(Aml *a)
{
    const AcpiInfo *info = acpi_info_now();
    /* The order that numbers a guest's PNP devices as QEMU's are. */
    static const char *const order[] = {
        "pvpanic", "i8042", "isa-fdc", "isa-parallel", "isa-serial",
        "mc146818rtc",
    };
    DeviceState *dev;

    /* PIRQRCA-D of the PIIX3. */
    aml_put(a, "OperationRegion PIRQ 2 0x60 4 ");
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        list_foreach(dev, &info->isa->bus.devices, bus_node) {
            if (!device_is_a(dev, order[i])) {
                continue;
            }
            if (device_is_a(dev, "isa-fdc")) {
                dsdt_floppy(a, info->rtc);
            } else {
                isa_device(dev, a);
            }
        }
    }
}

/* --- processors, memory --- */

static void dsdt_cpus(Aml *a, const AcpiInfo *info)
{
    unsigned n = info->smp->max_cpus;

    aml_put(a,
        "Device \\_SB.PCI0.PRES { Name _HID EisaId PNP0A06 "
        "Name _UID \"CPU Hotplug resources\" "
        "Name _CRS Resources { io 0x%x 0x%x 1 %u } "
        "Mutex CLCK 0 "
        "OperationRegion CREG 1 0x%x %u "
        "Field CREG Byte:NoLock:Zeros "
        "  { :32 CPEN:1 CINS:1 CRMV:1 CEJ:1 :4 CCMD:8 } "
        "Field CREG DWord:NoLock:Preserve { CSEL:32 :32 CDAT:32 } "
        "Method _INI 0S { Store 0 CSEL } } ",
        CPU_HOTPLUG_PORT, CPU_HOTPLUG_PORT, CPU_HOTPLUG_PORTS,
        CPU_HOTPLUG_PORT, CPU_HOTPLUG_PORTS);
    aml_put(a, "Device \\_SB.CPUS { Name _HID \"ACPI0010\" "
               "Name _CID EisaId PNP0A05 "
               "Method CTFY 2 { ");
    for (unsigned i = 0; i < n; i++) {
        aml_put(a, "If LEqual Arg0 %u { Notify C%03X Arg1 } ", i, i);
    }
    aml_put(a,
        "} "
        "Method CSTA 1S { Acquire \\_SB.PCI0.PRES.CLCK 0xffff "
        "  Store Arg0 \\_SB.PCI0.PRES.CSEL Store 0 Local0 "
        "  If \\_SB.PCI0.PRES.CPEN { Store 0x0f Local0 } "
        "  Release \\_SB.PCI0.PRES.CLCK Return Local0 } "
        "Method CEJ0 1S { Acquire \\_SB.PCI0.PRES.CLCK 0xffff "
        "  Store Arg0 \\_SB.PCI0.PRES.CSEL Store 1 \\_SB.PCI0.PRES.CEJ "
        "  Release \\_SB.PCI0.PRES.CLCK } "
        "Method COST 3S { Acquire \\_SB.PCI0.PRES.CLCK 0xffff "
        "  Store Arg0 \\_SB.PCI0.PRES.CSEL "
        "  Store 1 \\_SB.PCI0.PRES.CCMD Store Arg1 \\_SB.PCI0.PRES.CDAT "
        "  Store 2 \\_SB.PCI0.PRES.CCMD Store Arg2 \\_SB.PCI0.PRES.CDAT "
        "  Release \\_SB.PCI0.PRES.CLCK } ");
    /* Command 0 selects the next CPU with an event, from the selected one on;
     * an event is acknowledged before it is told, as the listener may select
     * another CPU. */
    aml_put(a,
        "Method CSCN 0S { Acquire \\_SB.PCI0.PRES.CLCK 0xffff Store 0 Local0 "
        "  While LLess Local0 %u { Store Local0 \\_SB.PCI0.PRES.CSEL "
        "    Store 0 \\_SB.PCI0.PRES.CCMD Store \\_SB.PCI0.PRES.CDAT Local1 "
        "    If LLess Local1 Local0 { Break } "
        "    If \\_SB.PCI0.PRES.CINS { Store 1 \\_SB.PCI0.PRES.CINS "
        "      CTFY Local1 1 } "
        "    Else { If \\_SB.PCI0.PRES.CRMV { Store 1 \\_SB.PCI0.PRES.CRMV "
        "        CTFY Local1 3 } Else { Break } } "
        "    Add Local1 1 Local0 } "
        "  Release \\_SB.PCI0.PRES.CLCK } ", n);
    for (unsigned i = 0; i < n; i++) {
        aml_put(a,
            "Processor C%03X %u 0 0 { Method _STA 0S { Return CSTA %u } "
            "Name _MAT Buffer 8 { #0008%02x%02x01000000 } "
            "Method _OST 3S { COST %u Arg0 Arg1 } ",
            i, i, i, i, info->apic_ids[i], i);
        if (i) {
            aml_put(a, "Method _EJ0 1 { CEJ0 %u } ", i);
        }
        if (info->numa->count) {
            aml_put(a, "Name _PXM %u ", (unsigned)info->numa->cpu_node[i]);
        }
        aml_put(a, "} ");
    }
    aml_put(a, "} Method \\_GPE._E02 0 { \\_SB.CPUS.CSCN } ");
}

static void dsdt_memory(Aml *a, unsigned slots)
{
    aml_put(a,
        "Device \\_SB.PCI0.MHPD { Name _HID EisaId PNP0A06 "
        "Name _UID \"Memory hotplug resources\" "
        "Name _CRS Resources { io 0x%x 0x%x 0 %u } "
        "OperationRegion MREG 1 0x%x %u } "
        "Device \\_SB.MHPC { Name _HID EisaId PNP0A06 "
        "Name _UID \"DIMM devices\" Name _STA 0x0b "
        "Field \\_SB.PCI0.MHPD.MREG DWord:NoLock:Preserve "
        "  { MADL:32 MADH:32 MSZL:32 MSZH:32 MPX:32 } "
        "Field \\_SB.PCI0.MHPD.MREG Byte:NoLock:Zeros "
        "  { :160 MEN:1 MINS:1 MRMV:1 MEJ:1 } "
        "Field \\_SB.PCI0.MHPD.MREG DWord:NoLock:Preserve "
        "  { MSEL:32 MOEV:32 MOST:32 } "
        "Mutex MLCK 0 ",
        MEM_HOTPLUG_PORT, MEM_HOTPLUG_PORT, MEM_HOTPLUG_PORTS,
        MEM_HOTPLUG_PORT, MEM_HOTPLUG_PORTS);
    aml_put(a, "Method MTFY 2 { ");
    for (unsigned i = 0; i < slots; i++) {
        aml_put(a, "If LEqual Arg0 %u { Notify MP%02X Arg1 } ", i, i);
    }
    aml_put(a,
        "} "
        "Method MSCN 0 { Acquire MLCK 0xffff Store 0 Local0 "
        "  While LLess Local0 %u { Store Local0 MSEL "
        "    If MINS { Store 1 MINS MTFY Local0 1 } "
        "    Else { If MRMV { Store 1 MRMV MTFY Local0 3 } } "
        "    Increment Local0 } "
        "  Release MLCK } "
        "Method MSTA 1 { Store 0 Local0 Acquire MLCK 0xffff Store Arg0 MSEL "
        "  If MEN { Store 0x0f Local0 } Release MLCK Return Local0 } "
        "Method MPXM 1 { Acquire MLCK 0xffff Store Arg0 MSEL Store MPX Local0 "
        "  Release MLCK Return Local0 } "
        "Method MOSI 3 { Acquire MLCK 0xffff Store Arg0 MSEL Store Arg1 MOEV "
        "  Store Arg2 MOST Release MLCK } "
        "Method MEJ0 1 { Acquire MLCK 0xffff Store Arg0 MSEL Store 1 MEJ "
        "  Release MLCK } ", slots);
    /* The revision of this table makes integers 32 bits wide: halves, and a
     * carry by hand. */
    aml_put(a,
        "Method MCRS 1S { "
        "  Name RES Resources { qwordmem cached 0 0xfffffffffffffffe } "
        "  CreateDWordField RES 14 MINL CreateDWordField RES 18 MINH "
        "  CreateDWordField RES 22 MAXL CreateDWordField RES 26 MAXH "
        "  CreateDWordField RES 38 LENL CreateDWordField RES 42 LENH "
        "  Acquire MLCK 0xffff Store Arg0 MSEL "
        "  Store MADL MINL Store MADH MINH Store MSZL LENL Store MSZH LENH "
        "  Release MLCK "
        "  Add MINL LENL MAXL Add MINH LENH MAXH "
        "  If LLess MAXL MINL { Add MAXH 1 MAXH } "
        "  If LEqual MAXL 0 { Subtract MAXH 1 MAXH } "
        "  Subtract MAXL 1 MAXL "
        "  Return RES } ");
    for (unsigned i = 0; i < slots; i++) {
        aml_put(a,
            "Device MP%02X { Name _UID \"0x%02X\" Name _HID EisaId PNP0C80 "
            "Method _CRS 0 { Return MCRS %u } "
            "Method _STA 0 { Return MSTA %u } "
            "Method _PXM 0 { Return MPXM %u } "
            "Method _OST 3 { MOSI %u Arg0 Arg1 } "
            "Method _EJ0 1 { MEJ0 %u } } ", i, i, i, i, i, i, i);
    }
    aml_put(a, "} Method \\_GPE._E03 0 { \\_SB.MHPC.MSCN } ");
}

/* --- the whole --- */

static void dsdt_hpet(Aml *a)
{
    /* There if its capabilities register says so (IA-PC HPET 1.0a, 2.3.4). */
    aml_put(a,
        "Device HPET { Name _HID EisaId PNP0103 Name _UID 0 "
        "OperationRegion HREG 0 0xfed00000 0x400 "
        "Field HREG DWord:Lock:Preserve { VEND:32 PRD:32 } "
        "Method _STA 0 { Store ShiftRight VEND 16 - Local0 "
        "  If LOr LEqual Local0 0 LEqual Local0 0xffff { Return 0 } "
        "  If LOr LEqual PRD 0 LGreater PRD 100000000 { Return 0 } "
        "  Return 0x0f } "
        "Name _CRS Resources { mem32 ro 0xfed00000 0x400 } } ");
}

static void dsdt_sleep(Aml *a, const AcpiInfo *info)
{
    if (info->s3 & 0x80) {
        aml_put(a, "Name \\_S3 Package 4 { 1 1 0 0 } ");
    }
    if (info->s4 & 0x80) {
        aml_put(a, "Name \\_S4 Package 4 { %u %u 0 0 } ", info->s4 & 7,
                info->s4 & 7);
    }
    aml_put(a, "Name \\_S5 Package 4 { 0 0 0 0 } ");
}

void acpi_build_dsdt(Aml *a, const AcpiInfo *info)
{
    aml_put(a, "Scope \\_GPE { Name _HID \"ACPI0006\" } "
               "Scope \\_SB { Device PCI0 { Name _HID EisaId PNP0A03 "
               "Name _ADR 0 Name _UID 0 ");
    dsdt_windows(a, info);
    dsdt_pci_hotplug(a);
    aml_put(a,
        "Device GPE0 { Name _HID EisaId PNP0A06 Name _UID \"GPE0 resources\" "
        "Name _STA 0x0b Name _CRS Resources { io 0xafe0 0xafe0 1 4 } } "
        "Device PHPR { Name _HID EisaId PNP0A06 "
        "Name _UID \"PCI Hotplug resources\" Name _STA 0x0b "
        "Name _CRS Resources { io 0x%x 0x%x 1 0x%x } } "
        "Device FWCF { Name _HID \"QEMU0002\" Name _STA 0x0b "
        "Name _CRS Resources { io 0x510 0x510 1 12 } } ",
        PCIHP_PORT, PCIHP_PORT, PCIHP_PORTS);
    dsdt_bus(a, info->pci);
    dsdt_routing(a);
    aml_put(a, "} ");
    if (info->hpet) {
        dsdt_hpet(a);
    }
    aml_put(a, "} ");
    dsdt_links(a);
    dsdt_cpus(a, info);
    if (info->mem_slots) {
        dsdt_memory(a, info->mem_slots);
    }
    aml_put(a, "Method \\_GPE._E01 0 { Acquire \\_SB.PCI0.PLCK 0xffff "
               "\\_SB.PCI0.PCNT Release \\_SB.PCI0.PLCK } ");
    dsdt_sleep(a, info);
}

size_t acpi_build_vmgenid(Aml *a)
{
    size_t at;

    /* The loader puts the page's address here: a double word at all events. */
    aml_put(a, "Name VGIA 0xffffffff ");
    at = a->buf->len - 4;
    memset(a->buf->data + at, 0, 4);
    aml_put(a,
        "Scope \\_SB { Device VGEN { Name _HID \"QEMUVGID\" "
        "Name _CID \"VM_Gen_Counter\" Name _DDN \"VM_Gen_Counter\" "
        "Method _STA 0 { If VGIA { Return 0x0f } Return 0 } "
        "Method ADDR 0 { Store Package 2 { 0 0 } Local0 "
        "  Store Add VGIA %u - Index Local0 0 - Return Local0 } } } "
        "Method \\_GPE._E05 0 { Notify \\_SB.VGEN 0x80 } ", VMGENID_OFFSET);
    return at;
}
