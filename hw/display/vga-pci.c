/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standard graphics card, PCI 1234:1111: VGA with Bochs' extensions.
 *
 * BAR 0 is the video memory, BAR 2 (4 KiB) has the registers:
 *   0x000  EDID
 *   0x400  ports 3C0h..3DFh
 *   0x500  Bochs' registers, 16 bits each
 *   0x600  size of this block; byte order of the frame buffer
 * Document: QEMU's docs/specs/standard-vga.  `secondary-vga` is the same
 * without the ports and the window at A0000h, so that it can be a second one.
 */
#include "osdep.h"
#include "hw/display/edid.h"
#include "hw/pci.h"
#include "vga-int.h"

#define MMIO_SIZE    0x1000
#define MMIO_PORTS   0x400
#define MMIO_VBE     0x500
#define MMIO_EXT     0x600
#define EXT_SIZE     8
#define EXT_LITTLE   0x1e1e1e1eu
#define EXT_BIG      0xbebebebeu

typedef struct PCIVGAState {
    PCIDevice pci;
    /* Properties. */
    uint32_t vgamem_mb;
    bool mmio, extended, edid, big_endian;
    EDIDInfo edid_info;
    /* Guest-visible state. */
    VGACore vga;
    /* Host side. */
    uint8_t edid_data[EDID_SIZE];
    MemoryRegion vbe_ports, bar2, ports_mmio, vbe_mmio, ext_mmio, edid_mmio;
} PCIVGAState;

static uint64_t edid_read(void *opaque, hwaddr addr, unsigned size)
{
    PCIVGAState *s = opaque;

    return addr < EDID_SIZE ? s->edid_data[addr] : 0;
}

static const MemoryRegionOps edid_ops = {
    .read = edid_read,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 1 },
};

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    return vga_port_read(opaque, 0x3c0 + addr);
}

static void ports_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    vga_port_write(opaque, 0x3c0 + addr, val);
}

static const MemoryRegionOps ports_ops = {
    .read = ports_read,
    .write = ports_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 1 },
};

static uint64_t vbe_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    return vga_vbe_read(opaque, addr / 2);
}

static void vbe_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    vga_vbe_write(opaque, addr / 2, val);
}

static const MemoryRegionOps vbe_mmio_ops = {
    .read = vbe_mmio_read,
    .write = vbe_mmio_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 2, .max = 2 },
};

static uint64_t ext_read(void *opaque, hwaddr addr, unsigned size)
{
    VGACore *v = opaque;

    switch (addr) {
    case 0:
        return EXT_SIZE;
    case 4:
        return v->big_endian ? EXT_BIG : EXT_LITTLE;
    default:
        return 0;
    }
}

static void ext_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    VGACore *v = opaque;

    if (addr == 4 && (val == EXT_BIG || val == EXT_LITTLE)) {
        v->big_endian = val == EXT_BIG;
        console_wake(v->con);
    }
}

static const MemoryRegionOps ext_ops = {
    .read = ext_read,
    .write = ext_write,
    .access = { .min = 4, .max = 4 },
};

static void make_mmio(PCIVGAState *s)
{
    Object *o = &s->pci.qdev.obj;

    memory_region_init(&s->bar2, o, "vga.mmio", MMIO_SIZE);
    memory_region_init_io(&s->ports_mmio, o, &ports_ops, &s->vga,
                          "vga ioports remapped", 0x20);
    memory_region_add_subregion(&s->bar2, MMIO_PORTS, &s->ports_mmio);
    memory_region_init_io(&s->vbe_mmio, o, &vbe_mmio_ops, &s->vga,
                          "bochs dispi interface", VBE_REGS * 2);
    memory_region_add_subregion(&s->bar2, MMIO_VBE, &s->vbe_mmio);
    if (s->extended) {
        memory_region_init_io(&s->ext_mmio, o, &ext_ops, &s->vga,
                              "qemu extended regs", EXT_SIZE);
        memory_region_add_subregion(&s->bar2, MMIO_EXT, &s->ext_mmio);
    }
    if (s->edid) {
        edid_generate(s->edid_data, &s->edid_info);
        memory_region_init_io(&s->edid_mmio, o, &edid_ops, s, "edid", 0x400);
        memory_region_add_subregion(&s->bar2, 0, &s->edid_mmio);
    }
    s->pci.config[PCI_REVISION_ID] = 2; /* the block is there */
    pci_register_bar(&s->pci, 2, PCI_BAR_MEM32, &s->bar2);
}

static void free_mmio(PCIVGAState *s)
{
    if (s->edid) {
        memory_region_destroy(&s->edid_mmio);
    }
    if (s->extended) {
        memory_region_destroy(&s->ext_mmio);
    }
    memory_region_destroy(&s->vbe_mmio);
    memory_region_destroy(&s->ports_mmio);
    memory_region_destroy(&s->bar2);
}

static bool realize(PCIVGAState *s, bool legacy, Error **errp)
{
    PCIBus *bus = pci_bus_of(&s->pci);

    s->vga.has_vbe = true;
    if (!vga_core_realize(&s->vga, &s->pci.qdev.obj,
                          CLAMP(s->vgamem_mb, 1, 512),
                          legacy ? bus->io : NULL, legacy ? bus->mem : NULL,
                          errp)) {
        return false;
    }
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32 | PCI_BAR_PREFETCH,
                     &s->vga.vram);
    if (s->mmio) {
        make_mmio(s);
    }
    return true;
}

static bool vga_realize(DeviceState *dev, Error **errp)
{
    PCIVGAState *s = (PCIVGAState *)dev;

    if (!realize(s, true, errp)) {
        return false;
    }
    memory_region_init_io(&s->vbe_ports, &dev->obj, &vga_vbe_ops, &s->vga,
                          "vbe", 4);
    memory_region_add_subregion(pci_bus_of(&s->pci)->io, 0x1ce, &s->vbe_ports);
    return true;
}

static bool secondary_realize(DeviceState *dev, Error **errp)
{
    PCIVGAState *s = (PCIVGAState *)dev;

    s->mmio = true; /* the only way to it */
    return realize(s, false, errp);
}

static void vga_unrealize(DeviceState *dev)
{
    PCIVGAState *s = (PCIVGAState *)dev;

    if (s->vbe_ports.container) {
        memory_region_del_subregion(pci_bus_of(&s->pci)->io, &s->vbe_ports);
        memory_region_destroy(&s->vbe_ports);
    }
    if (s->mmio) {
        free_mmio(s);
    }
    vga_core_unrealize(&s->vga);
}

static void vga_reset(DeviceState *dev)
{
    PCIVGAState *s = (PCIVGAState *)dev;

    vga_core_reset(&s->vga);
    s->vga.big_endian = s->big_endian;
    if (!s->vga.legacy) {
        /* Nothing but the frame buffer: no attribute controller hides it. */
        s->vga.ar_index = 0x20;
    }
}

#define EDID_PROPS \
    PROP_BOOL("edid", PCIVGAState, edid, true), \
    PROP_UINT32("xres", PCIVGAState, edid_info.width, 0), \
    PROP_UINT32("yres", PCIVGAState, edid_info.height, 0), \
    PROP_UINT32("xmax", PCIVGAState, edid_info.max_width, 0), \
    PROP_UINT32("ymax", PCIVGAState, edid_info.max_height, 0), \
    PROP_UINT32("refresh_rate", PCIVGAState, edid_info.refresh_mhz, 0)

static const Property vga_props[] = {
    PROP_UINT32("vgamem_mb", PCIVGAState, vgamem_mb, 16),
    PROP_BOOL("mmio", PCIVGAState, mmio, true),
    PROP_BOOL("qemu-extended-regs", PCIVGAState, extended, true),
    PROP_BOOL("big-endian-framebuffer", PCIVGAState, big_endian, false),
    EDID_PROPS,
    PROP_END(),
};

static const Property secondary_props[] = {
    PROP_UINT32("vgamem_mb", PCIVGAState, vgamem_mb, 16),
    PROP_BOOL("qemu-extended-regs", PCIVGAState, extended, true),
    PROP_BOOL("big-endian-framebuffer", PCIVGAState, big_endian, false),
    EDID_PROPS,
    PROP_END(),
};

static const VMStateField vga_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PCIVGAState),
    VMSTATE_VGA(vga, PCIVGAState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_vga = {
    .name = "vga",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = vga_fields,
};

static const PCIDeviceInfo vga_pci = {
    .vendor_id = 0x1234,
    .device_id = 0x1111,
    .class_id = 0x0300,
    .romfile = "vgabios-stdvga.bin",
};

static const DeviceInfo vga_info = {
    .name = "VGA",
    .desc = "standard graphics card",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_DISPLAY,
    .no_hotplug = true,
    .fw_name = "display",
    .size = sizeof(PCIVGAState),
    .props = vga_props,
    .vmsd = &vmstate_vga,
    .bus_info = &vga_pci,
    .realize = vga_realize,
    .unrealize = vga_unrealize,
    .reset = vga_reset,
};

static const PCIDeviceInfo secondary_pci = {
    .vendor_id = 0x1234,
    .device_id = 0x1111,
    .class_id = 0x0380,
};

static const DeviceInfo secondary_info = {
    .name = "secondary-vga",
    .desc = "standard graphics card without VGA ports, for a second screen",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_DISPLAY,
    .fw_name = "display",
    .size = sizeof(PCIVGAState),
    .props = secondary_props,
    .vmsd = &vmstate_vga,
    .bus_info = &secondary_pci,
    .realize = secondary_realize,
    .unrealize = vga_unrealize,
    .reset = vga_reset,
};

static void vga_pci_register(void)
{
    device_register(&vga_info);
    device_register(&secondary_info);
}
device_init(vga_pci_register)
