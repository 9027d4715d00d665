/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "pc-dimm": a memory back end as a DIMM.  The machine gives it its place. */
#include "osdep.h"
#include "hw/mem/pc-dimm.h"
#include "exec/hostmem.h"
#include "qapi/qapi-commands.h"

static const PropertyInfo prop_link_backend = {
    .name = "link<memory-backend>", .set = prop_link_set,
    .get = prop_link_get, .release = prop_link_release,
};

bool pc_dimm_get_size(PCDIMM *d, uint64_t *size, Error **errp)
{
    if (!d->memdev) {
        error_setg(errp, "'memdev' property must be set");
        return false;
    }
    *size = memory_backend_block(d->memdev)->used_length;
    return true;
}

static bool dimm_realize(DeviceState *dev, Error **errp)
{
    PCDIMM *d = (PCDIMM *)dev;
    g_autoptr(Error) taken = NULL;

    if (!pc_dimm_get_size(d, &d->size, errp)) {
        return false;
    }
    if (!memory_backend_claim(d->memdev, &taken)) {
        error_setg(errp, "can't use already busy memdev: %s", d->memdev->name);
        return false;
    }
    memory_region_init_ram_block(&d->mr, &dev->obj, d->memdev->name,
                                 memory_backend_block(d->memdev));
    return true;
}

static void dimm_unrealize(DeviceState *dev)
{
    PCDIMM *d = (PCDIMM *)dev;

    memory_region_destroy(&d->mr);
    memory_backend_release(d->memdev);
}

static const Property dimm_props[] = {
    PROP_UINT64("addr", PCDIMM, addr, 0),
    PROP_UINT32("node", PCDIMM, node, 0),
    PROP_INT32("slot", PCDIMM, slot, -1),
    PROP_("memdev", PCDIMM, memdev, Object *, prop_link_backend, 0),
    PROP_END(),
};

static const DeviceInfo dimm_info = {
    .name = "pc-dimm",
    .desc = "DIMM memory module",
    .bus = BUS_NONE,
    .size = sizeof(PCDIMM),
    .props = dimm_props,
    .realize = dimm_realize,
    .unrealize = dimm_unrealize,
};

/* --- QMP --- */

static bool add_info(DeviceState *dev, void *opaque)
{
    MemoryDeviceInfoList ***tail = opaque;
    const PCDIMM *d = (PCDIMM *)dev;
    MemoryDeviceInfo *info;
    PCDIMMDeviceInfo *p;

    if (!device_is_a(dev, "pc-dimm")) {
        return true;
    }
    info = g_new0(MemoryDeviceInfo, 1);
    info->type = MEMORY_DEVICE_INFO_KIND_DIMM;
    p = info->u.dimm.data = g_new0(PCDIMMDeviceInfo, 1);
    p->id = g_strdup(dev->id);
    p->addr = d->addr;
    p->size = d->size;
    p->slot = d->slot;
    p->node = d->node;
    p->memdev = object_path(d->memdev);
    p->hotplugged = dev->hotplugged;
    p->hotpluggable = !dev->info->no_hotplug;
    QAPI_LIST_APPEND(*tail, info);
    return true;
}

MemoryDeviceInfoList *qmp_query_memory_devices(Error **errp)
{
    MemoryDeviceInfoList *list = NULL, **tail = &list;

    device_foreach(add_info, &tail);
    return list;
}

static void dimm_register(void)
{
    device_register(&dimm_info);
}
device_init(dimm_register)
