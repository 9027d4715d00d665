/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VGA with Bochs' extensions on the ISA bus.  The frame buffer is seen through
 * the window at A0000h only; firmware finds the video BIOS in fw_cfg.
 */
#include "osdep.h"
#include "hw/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "util/datadir.h"
#include "vga-int.h"

#define BIOS_NAME "vgabios.bin"

typedef struct ISAVGAState {
    ISADevice isa;
    /* Properties. */
    uint32_t vgamem_mb;
    /* Guest-visible state. */
    VGACore vga;
    /* Host side. */
    MemoryRegion vbe_ports;
} ISAVGAState;

static bool add_bios(Error **errp)
{
    g_autofree char *data = NULL;
    FWCfgState *fw = fw_cfg_find();
    gsize size;

    if (!fw) {
        return true; /* no firmware to run it */
    }
    return datadir_load(BIOS_NAME, &data, &size, errp) &&
           fw_cfg_add_file(fw, "vgaroms/" BIOS_NAME, data, size, errp);
}

static bool isa_vga_realize(DeviceState *dev, Error **errp)
{
    ISAVGAState *s = (ISAVGAState *)dev;
    ISABus *bus = isa_bus_of(&s->isa);

    s->vga.has_vbe = true;
    if (!add_bios(errp) ||
        !vga_core_realize(&s->vga, &dev->obj, CLAMP(s->vgamem_mb, 1, 512),
                          bus->io, bus->mem, errp)) {
        return false;
    }
    return isa_add_io(&s->isa, &s->vbe_ports, &vga_vbe_ops, &s->vga, 0x1ce, 4,
                      errp);
}

static void isa_vga_unrealize(DeviceState *dev)
{
    ISAVGAState *s = (ISAVGAState *)dev;

    isa_del_io(&s->isa, &s->vbe_ports);
    vga_core_unrealize(&s->vga);
}

static void isa_vga_reset(DeviceState *dev)
{
    vga_core_reset(&((ISAVGAState *)dev)->vga);
}

static const Property isa_vga_props[] = {
    PROP_UINT32("vgamem_mb", ISAVGAState, vgamem_mb, 8),
    PROP_END(),
};

static const VMStateField isa_vga_fields[] = {
    VMSTATE_VGA(vga, ISAVGAState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_isa_vga = {
    .name = "isa-vga",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = isa_vga_fields,
};

static const DeviceInfo isa_vga_info = {
    .name = "isa-vga",
    .desc = "graphics card on the ISA bus",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_DISPLAY,
    .no_hotplug = true,
    .size = sizeof(ISAVGAState),
    .props = isa_vga_props,
    .vmsd = &vmstate_isa_vga,
    .realize = isa_vga_realize,
    .unrealize = isa_vga_unrealize,
    .reset = isa_vga_reset,
};

static void isa_vga_register(void)
{
    device_register(&isa_vga_info);
}
device_init(isa_vga_register)
