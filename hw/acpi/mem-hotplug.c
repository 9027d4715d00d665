/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory hot plug by ACPI.
 *
 *     00h W select slot       00h R address, 8 bytes
 *     04h W _OST event        08h R size, 8 bytes
 *     08h W _OST status       10h R proximity domain
 *     14h W acknowledge       14h R flags
 */
#include "osdep.h"
#include "hw/acpi/mem-hotplug.h"
#include "hw/acpi/piix4.h"
#include "hw/mem/pc-dimm.h"
#include "qapi/qapi-events.h"

#define GPE_MEM 3

#define FLAG_ENABLED 0x01
#define FLAG_INSERT  0x02
#define FLAG_REMOVE  0x04
#define FLAG_EJECT   0x08

static uint64_t memhp_read(void *opaque, hwaddr addr, unsigned size)
{
    MemHotplug *s = opaque;
    MemHotplugSlot *sl;
    const PCDIMM *d;

    if (s->selector >= s->slots) {
        return 0;
    }
    sl = &s->slot[s->selector];
    d = (PCDIMM *)sl->dimm;
    switch (addr) {
    case 0x00:
        return d ? (uint32_t)d->addr : 0;
    case 0x04:
        return d ? d->addr >> 32 : 0;
    case 0x08:
        return d ? (uint32_t)d->size : 0;
    case 0x0c:
        return d ? d->size >> 32 : 0;
    case 0x10:
        return d ? d->node : 0;
    case 0x14:
        return (d ? FLAG_ENABLED : 0) | (sl->inserting ? FLAG_INSERT : 0) |
               (sl->removing ? FLAG_REMOVE : 0);
    default:
        return 0;
    }
}

ACPIOSTInfo *memhp_ost(const MemHotplug *s, unsigned slot)
{
    const MemHotplugSlot *sl = &s->slot[slot];
    ACPIOSTInfo *info = g_new0(ACPIOSTInfo, 1);

    info->device = sl->dimm ? g_strdup(sl->dimm->id) : NULL;
    info->slot = g_strdup_printf("%u", slot);
    info->slot_type = ACPI_SLOT_TYPE_DIMM;
    info->source = sl->ost_event;
    info->status = sl->ost_status;
    return info;
}

static void eject(MemHotplugSlot *sl)
{
    DeviceState *dimm = g_steal_pointer(&sl->dimm);

    sl->inserting = sl->removing = 0;
    if (dimm) {
        device_unplugged(dimm);
    }
}

static void memhp_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    MemHotplug *s = opaque;
    MemHotplugSlot *sl;
    ACPIOSTInfo *info;

    if (addr == 0x00) {
        s->selector = val;
        return;
    }
    if (s->selector >= s->slots) {
        return;
    }
    sl = &s->slot[s->selector];
    switch (addr) {
    case 0x04:
        sl->ost_event = val;
        break;
    case 0x08:
        sl->ost_status = val;
        info = memhp_ost(s, s->selector);
        qapi_event_send_acpi_device_ost(info);
        qapi_free_ACPIOSTInfo(info);
        break;
    case 0x14:
        if (val & FLAG_INSERT) {
            sl->inserting = 0;
        } else if (val & FLAG_REMOVE) {
            sl->removing = 0;
        } else if (val & FLAG_EJECT) {
            eject(sl);
        }
        break;
    }
}

static const MemoryRegionOps memhp_ops = {
    .read = memhp_read,
    .write = memhp_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 4, .max = 4 },
};

void memhp_init(MemHotplug *s, Object *owner, MemoryRegion *io, unsigned slots)
{
    s->slots = MIN(slots, (unsigned)MEM_HOTPLUG_MAX);
    memory_region_init_io(&s->io, owner, &memhp_ops, s, "acpi-mem-hotplug",
                          MEM_HOTPLUG_PORTS);
    memory_region_add_subregion(io, MEM_HOTPLUG_PORT, &s->io);
}

void memhp_plug(MemHotplug *s, unsigned slot, DeviceState *dimm, bool late)
{
    s->slot[slot].dimm = dimm;
    if (late) {
        s->slot[slot].inserting = 1;
        piix4_pm_raise_gpe(GPE_MEM);
    }
}

void memhp_unplug_request(MemHotplug *s, unsigned slot)
{
    s->slot[slot].removing = 1;
    piix4_pm_raise_gpe(GPE_MEM);
}

void memhp_reset(MemHotplug *s)
{
    for (unsigned i = 0; i < s->slots; i++) {
        if (s->slot[i].removing) {
            eject(&s->slot[i]);
        }
        s->slot[i].inserting = 0;
    }
    s->selector = 0;
}

static const VMStateField slot_fields[] = {
    VMSTATE_UINT8(inserting, MemHotplugSlot),
    VMSTATE_UINT8(removing, MemHotplugSlot),
    VMSTATE_UINT32(ost_event, MemHotplugSlot),
    VMSTATE_UINT32(ost_status, MemHotplugSlot),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_slot = {
    .name = "memhp/slot",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = slot_fields,
};

static const VMStateField memhp_fields[] = {
    VMSTATE_UINT32(selector, MemHotplug),
    VMSTATE_STRUCT_ARRAY(slot, MemHotplug, MemHotplugSlot, MEM_HOTPLUG_MAX,
                         vmstate_slot),
    VMSTATE_END(),
};

const VMStateDescription vmstate_memhp = {
    .name = "memhp",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = memhp_fields,
};
