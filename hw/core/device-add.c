/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that users make and remove: -device, device_add, device_del.
 *
 *     device_add -> realized -> device_del -> the guest is asked -> (it lets
 *     go) device_unplugged -> DEVICE_DELETED, storage freed
 *
 * A bus whose handler has no unplug_request lets its devices go at once.
 */
#include "osdep.h"
#include "hw/qdev.h"
#include "qapi/qapi-events.h"
#include "util/option.h"

static void add_device_name(const ObjectType *t, void *opaque)
{
    const DeviceInfo *info = device_info_of_type(t);

    if (info && !info->abstract && !info->internal) {
        g_ptr_array_add(opaque, (char *)info->name);
    }
}

/* QEMU's names of what is left out on purpose, by how they begin. */
static const char *why_absent(const char *driver)
{
#define USB_ABSENT "the USB devices are hub, keyboard, mouse, tablet, " \
                   "storage and serial"
    static const struct {
        const char *prefix, *why;
    } absent[] = {
        { "scsi-block", "the host's SCSI devices are not passed on" },
        { "scsi-generic", "the host's SCSI devices are not passed on" },
        { "vhost-", "devices of other processes and of the host's kernel are "
                    "not supported" },
        { "pci-ohci", "use piix3-usb-uhci, usb-ehci or qemu-xhci" },
        { "u2f-", USB_ABSENT },
        { "usb-audio", USB_ABSENT },
        { "usb-bot", "use usb-storage" },
        { "usb-braille", USB_ABSENT },
        { "usb-ccid", USB_ABSENT },
        { "usb-host", "the host's USB devices are not passed on" },
        { "usb-mtp", USB_ABSENT },
        { "usb-net", USB_ABSENT },
        { "usb-redir", "the host's USB devices are not passed on" },
        { "usb-uas", "use usb-storage" },
        { "usb-wacom-tablet", "use usb-tablet" },
        { "virtio-9p", "there is no 9p file server" },
        { "virtio-crypto", "there is no crypto back end" },
        { "virtio-gpu", "use VGA or cirrus-vga" },
        { "virtio-vga", "use VGA or cirrus-vga" },
        { "virtio-input-host", "the host's input devices are not passed on" },
        { "virtio-iommu", "this machine has no IOMMU" },
        { "virtio-mem", "use pc-dimm" },
        { "virtio-pmem", "use pc-dimm" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        if (g_str_has_prefix(driver, absent[i].prefix)) {
            return absent[i].why;
        }
    }
    return NULL;
}

static const DeviceInfo *find_type(const char *driver, Error **errp)
{
    const DeviceInfo *info = device_info_find(driver);
    const ObjectType *type = object_type_find(driver);
    g_autoptr(GPtrArray) names = NULL;
    const char *near;

    /* A bus's base type has no DeviceInfo of its own. */
    if (info ? info->abstract : type && object_type_is(type, "device")) {
        error_setg(errp, "Parameter 'driver' expects a non-abstract device "
                         "type");
        return NULL;
    }
    if (info && (info->internal ||
                 (info->no_hotplug && device_is_machine_ready()))) {
        error_setg(errp, "Parameter 'driver' expects a pluggable device type");
        return NULL;
    }
    if (info) {
        return info;
    }
    if (why_absent(driver)) {
        error_setg(errp, "device '%s' is not supported: %s", driver,
                   why_absent(driver));
        return NULL;
    }
    names = g_ptr_array_new();
    object_type_foreach(add_device_name, names);
    g_ptr_array_add(names, NULL);
    near = nearest_name(driver, (const char *const *)names->pdata);
    error_setg(errp, "'%s' is not a valid device model name%s%s%s", driver,
               near ? " (did you mean '" : "", near ? near : "",
               near ? "'?)" : "");
    return NULL;
}

/* Sets *@bus, NULL for a device that sits on none. */
static bool find_bus(const DeviceInfo *info, const char *name, BusState **bus,
                     Error **errp)
{
    *bus = NULL;
    if (name) {
        *bus = bus_find(name, errp);
        if (!*bus) {
            return false;
        }
        if (!info->bus || !object_type_is((*bus)->obj.type, info->bus)) {
            error_setg(errp, "Device '%s' can't go on %s bus", info->name,
                       (*bus)->info->name);
            return false;
        }
        if ((*bus)->info->is_full && (*bus)->info->is_full(*bus)) {
            error_setg(errp, "Bus '%s' is full", name);
            return false;
        }
    } else if (info->bus) {
        bool exists;

        *bus = bus_first_free(info->bus, &exists);
        if (!*bus) {
            error_setg(errp, "No '%s' bus found for device '%s'%s", info->bus,
                       info->name, exists ? ": all are full" : "");
            return false;
        }
    }
    if (*bus && device_is_machine_ready() && !(*bus)->hotplug) {
        error_setg(errp, "Bus '%s' does not support hotplugging",
                   (*bus)->obj.name);
        return false;
    }
    return true;
}

static bool set_props(DeviceState *dev, const QObject *opts, Error **errp)
{
    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (strcmp(key, "driver") != 0 && strcmp(key, "id") != 0 &&
            strcmp(key, "bus") != 0 &&
            !object_set(&dev->obj, key, qdict_value_at(opts, i), errp)) {
            return false;
        }
    }
    return true;
}

/* A key that has to be a string when it is there. */
static bool get_str(const QObject *opts, const char *key, const char **v,
                    Error **errp)
{
    *v = qdict_get_str(opts, key);
    if (!*v && qdict_has(opts, key)) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   key);
        return false;
    }
    return true;
}

DeviceState *device_add(const QObject *opts, Error **errp)
{
    Object *home;
    const char *driver, *id, *bus_name;
    const DeviceInfo *info;
    DeviceState *dev;
    BusState *bus;

    if (!get_str(opts, "driver", &driver, errp) ||
        !get_str(opts, "id", &id, errp) ||
        !get_str(opts, "bus", &bus_name, errp)) {
        return NULL;
    }
    if (!driver) {
        error_setg(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return NULL;
    }
    info = find_type(driver, errp);
    if (!info || !find_bus(info, bus_name, &bus, errp)) {
        return NULL;
    }
    home = object_container(id ? "/machine/peripheral"
                               : "/machine/peripheral-anon");
    if (id && object_child(home, id)) {
        error_setg(errp, "Duplicate device ID '%s'", id);
        return NULL;
    }
    dev = device_new(info->name);
    dev->id = g_strdup(id);
    if (!set_props(dev, opts, errp)) {
        object_free(&dev->obj);
        return NULL;
    }
    dev->opts = qobject_ref((QObject *)opts);
    if (id) {
        object_add_child(home, id, &dev->obj);
    } else {
        object_add_child_indexed(home, "device", &dev->obj);
    }
    return device_realize(dev, bus, errp) ? dev : NULL;
}

bool device_del(const char *id_or_path, Error **errp)
{
    DeviceState *dev = device_find(id_or_path, errp);
    const HotplugHandler *hp;

    if (!dev) {
        return false;
    }
    hp = device_hotplug_handler(dev);
    if (dev->parent_bus && !hp) {
        error_setg(errp, "Bus '%s' does not support hotplugging",
                   dev->parent_bus->obj.name);
        return false;
    }
    if (!hp || !dev->realized || dev->info->no_hotplug ||
        dev->info->internal) {
        error_setg(errp, "Device '%s' does not support hotplugging",
                   dev->info->name);
        return false;
    }
    if (!hp->unplug_request) {
        device_unplugged(dev);
        return true;
    }
    /* A guest that was slow or refused is asked again. */
    return hp->unplug_request(hp->opaque, dev, errp);
}

/* Ids (may be NULL) and paths of @dev and what sits on it, innermost first. */
static void collect(DeviceState *dev, GPtrArray *list)
{
    BusState *bus;
    DeviceState *child;

    list_foreach(bus, &dev->buses, dev_node) {
        list_foreach(child, &bus->devices, bus_node) {
            collect(child, list);
        }
    }
    g_ptr_array_add(list, g_strdup(dev->id));
    g_ptr_array_add(list, object_path(&dev->obj));
}

void device_unplugged(DeviceState *dev)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
    const HotplugHandler *hp = device_hotplug_handler(dev);

    collect(dev, gone);
    if (hp && hp->unplug) {
        hp->unplug(hp->opaque, dev);
    }
    device_remove(dev);
    for (guint i = 0; i < gone->len; i += 2) {
        qapi_event_send_device_deleted(gone->pdata[i], gone->pdata[i + 1]);
    }
}
