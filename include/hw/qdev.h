/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and buses.  A device type is one const DeviceInfo (see the skeleton
 * in docs/adding-a-device.md); an instance sits on one bus, may offer buses of
 * its own, and lives: new -> properties set -> realized -> (unplug request) ->
 * unrealized -> freed.  BQL throughout.
 */
#ifndef HW_QDEV_H
#define HW_QDEV_H

#include "util/module.h"
#include "util/object.h"
#include "util/property.h"
#include "hw/irq.h"
#include "hw/vmstate.h"

typedef struct DeviceState DeviceState;
typedef struct BusState BusState;
typedef struct DeviceInfo DeviceInfo;
typedef struct BusInfo BusInfo;

/* Bus type names, as `info qtree` and `bus=` show them. */
#define BUS_SYSTEM "System"
#define BUS_ISA    "ISA"
#define BUS_PCI    "PCI"
#define BUS_IDE    "IDE"
#define BUS_FLOPPY "floppy-bus"
#define BUS_SCSI   "SCSI"
#define BUS_USB    "usb-bus"
#define BUS_I2C    "i2c-bus"
#define BUS_VIRTIO "virtio-bus"
#define BUS_VIRTIO_SERIAL "virtio-serial-bus"
/* No bus: parts of the machine, CPUs, DIMMs. */
#define BUS_NONE   NULL

/* For `-device help`. */
typedef enum DeviceCategory {
    DEVICE_CATEGORY_MISC, DEVICE_CATEGORY_BRIDGE, DEVICE_CATEGORY_USB,
    DEVICE_CATEGORY_STORAGE, DEVICE_CATEGORY_NETWORK, DEVICE_CATEGORY_INPUT,
    DEVICE_CATEGORY_DISPLAY, DEVICE_CATEGORY_SOUND, DEVICE_CATEGORY_CPU,
    DEVICE_CATEGORY_WATCHDOG, DEVICE_CATEGORY_MAX
} DeviceCategory;

struct DeviceInfo {
    const char *name;
    const char *alias;      /* second name -device takes, or NULL */
    const char *desc;
    const char *bus;        /* type of the bus it sits on; BUS_NONE */
    const char *parent;     /* type it extends; NULL: the bus's base type */
    bool abstract;
    DeviceCategory category;
    size_t size;            /* instance; the bus's base struct is its head */
    const Property *props;
    const VMStateDescription *vmsd;
    const void *bus_info;   /* e.g. PCIDeviceInfo, read by the bus */
    /* Not for -device and device_add: the machine makes it. */
    bool internal;
    /* May not come or go while the VM runs. */
    bool no_hotplug;
    /* Name in firmware paths ("ethernet", "serial"); NULL: .name. */
    const char *fw_name;
    /* Things below it that have an index of their own in the boot order: calls
     * @add for each, with what follows the device's path; NULL: none. */
    void (*boot_indices)(DeviceState *dev,
                         void (*add)(int32_t index, const char *suffix,
                                     void *opaque), void *opaque);

    void (*init)(DeviceState *dev);   /* sub-objects, dynamic properties */
    /* On failure undoes what it did itself. */
    bool (*realize)(DeviceState *dev, Error **errp);
    void (*unrealize)(DeviceState *dev);
    /* Power-on values; safe to call twice and with I/O in flight (it cancels
     * or orphans it).  Children of a device are reset before it. */
    void (*reset)(DeviceState *dev);
    void (*finalize)(DeviceState *dev);
};

struct DeviceState {
    Object obj;
    const DeviceInfo *info;
    char *id;               /* the user's, or NULL; owned */
    BusState *parent_bus;   /* NULL: none */
    ListNode bus_node;      /* in parent_bus->devices */
    ListNode buses;         /* BusState.dev_node; owned as child objects */
    ListNode ins, outs;     /* named line groups (qdev.c) */
    bool realized;
    bool hotplugged;        /* came after the machine was ready */
    int32_t bootindex;      /* -1: none; property by PROP_BOOTINDEX */
    QObject *opts;          /* the options it was made from; may be NULL */
};

struct BusInfo {
    const char *name;          /* BUS_x */
    size_t size;               /* instance; BusState is its head */
    /* Base type of its devices ("pci-device"), size and properties that each
     * has (addr, multifunction, ...). */
    const char *device_type;
    size_t device_size;
    const Property *device_props;
    /* Around a device's own realize: find a free address, make config space
     * (before); map ROMs (after).  NULL: nothing. */
    bool (*pre_realize)(BusState *bus, DeviceState *dev, Error **errp);
    bool (*post_realize)(BusState *bus, DeviceState *dev, Error **errp);
    /* After the device's own unrealize; undoes both. */
    void (*unrealize)(BusState *bus, DeviceState *dev);
    /* After the devices of the bus were reset. */
    void (*reset)(BusState *bus);
    /* Before a device's own reset. */
    void (*device_reset)(BusState *bus, DeviceState *dev);
    bool (*is_full)(BusState *bus);
    /* "04.0", "1.2": the device's place, for vmstate ids; g_free. */
    char *(*dev_path)(DeviceState *dev);
    /* Open Firmware unit ("ethernet@3"); g_free. */
    char *(*fw_dev_path)(DeviceState *dev);
    /* Lines of `info qtree` for @dev, indented by @indent. */
    void (*print_dev)(DeviceState *dev, GString *out, int indent);
};

/*
 * Who handles hot plug on a bus (chipset, bridge).  plug: tell the guest of a
 * device just realized; unplug_request: ask the guest, which may be slow or
 * refuse, and ends with device_unplugged(); NULL: the device goes at once.
 */
typedef struct HotplugHandler {
    bool (*pre_plug)(void *opaque, DeviceState *dev, Error **errp);
    void (*plug)(void *opaque, DeviceState *dev);
    bool (*unplug_request)(void *opaque, DeviceState *dev, Error **errp);
    /* The device is about to go; NULL: nothing to undo. */
    void (*unplug)(void *opaque, DeviceState *dev);
    void *opaque;
} HotplugHandler;

struct BusState {
    Object obj;
    const BusInfo *info;
    DeviceState *parent;       /* NULL: the main system bus */
    ListNode dev_node;         /* in parent->buses */
    ListNode devices;          /* DeviceState.bus_node, oldest first */
    const HotplugHandler *hotplug; /* NULL: no hot plug here */
};

static inline DeviceState *DEVICE(void *obj)
{
    return obj;
}

void device_register(const DeviceInfo *info);
void bus_register(const BusInfo *info);
const DeviceInfo *device_info_find(const char *name); /* alias too */
const DeviceInfo *device_info_of_type(const ObjectType *type);

/* Creation by code.  @bus may be NULL only for BUS_NONE devices. */
DeviceState *device_new(const char *type);
/* Puts it in the tree (under /machine/unattached unless it has a parent) and
 * on the bus, sets globals, realizes.  On failure @dev is freed. */
bool device_realize(DeviceState *dev, BusState *bus, Error **errp);
void device_unrealize(DeviceState *dev);
/* device_new() + realize with no properties, for parts that cannot fail. */
DeviceState *device_create(BusState *bus, const char *type);

/* -device / device_add: picks the bus, sets properties, realizes.  @opts:
 * "driver", "id", "bus" and properties; strings or JSON types. */
DeviceState *device_add(const QObject *opts, Error **errp);
bool device_del(const char *id_or_path, Error **errp);
/* Unrealizes; the storage goes once no reader can see it. */
void device_remove(DeviceState *dev);
/* The guest has let go: device_remove() and DEVICE_DELETED. */
void device_unplugged(DeviceState *dev);
DeviceState *device_find(const char *id_or_path, Error **errp);
bool device_is_a(const DeviceState *dev, const char *type);
/* After machine creation: later devices count as hotplugged. */
void device_machine_ready(void);
/* The machine's handler for devices that sit on no bus (CPUs, DIMMs): its
 * plug is called for cold ones too. */
void device_set_busless_hotplug(const HotplugHandler *hp);
const HotplugHandler *device_hotplug_handler(const DeviceState *dev);
bool device_is_machine_ready(void);

/* @name NULL: "TYPE.N" / the device's id based name ("ide.0"). */
void bus_init(BusState *bus, const char *bus_type, DeviceState *parent,
              const char *name);
BusState *bus_new(const char *bus_type, DeviceState *parent, const char *name);
BusState *bus_find(const char *name_or_path, Error **errp);
BusState *bus_first_of(const char *bus_type); /* NULL if there is none */
/* The first with room; *@exists: there is one, maybe full. */
BusState *bus_first_free(const char *bus_type, bool *exists);
BusState *system_bus(void);

/* Reset: the whole tree (children first), or a part of it. */
void device_reset(DeviceState *dev);
void bus_reset(BusState *bus);
void system_devices_reset(void);
/* Things that are no devices and want the reset too, in order. */
void reset_register(void (*fn)(void *opaque), void *opaque);
void reset_unregister(void (*fn)(void *opaque), void *opaque);

/* Line groups.  Name NULL is the unnamed group. */
void device_init_in(DeviceState *dev, const char *name, IRQHandler handler,
                    void *opaque, int n);
/* @slots[0..n-1] get what device_connect_out() says; they start NULL. */
void device_init_out(DeviceState *dev, const char *name, IRQ **slots, int n);
IRQ *device_in(DeviceState *dev, const char *name, int n);
void device_connect_out(DeviceState *dev, const char *name, int n, IRQ *irq);
/* qtest: @tap sees every level of an input/output group first.  The error
 * names the device or group. */
bool device_intercept_in(DeviceState *dev, IRQHandler tap, void *opaque,
                         Error **errp);
bool device_intercept_out(DeviceState *dev, const char *name, IRQHandler tap,
                          void *opaque, Error **errp);

/* "/pci@i0cf8/ide@1,1/drive@0/disk@0", g_free. */
char *device_fw_path(DeviceState *dev);
/* Stable name of its vmstate section. */
char *device_vmstate_id(DeviceState *dev);
/* Devices depth first, in order of creation. */
void device_foreach(bool (*fn)(DeviceState *dev, void *opaque), void *opaque);

extern const PropertyInfo prop_bootindex;
/* In the device's table; boot order: hw/core/bootdevice.c. */
#define PROP_BOOTINDEX() \
    { .name = "bootindex", .info = &prop_bootindex, .def = -1, \
      .offset = offsetof(DeviceState, bootindex) }

/* Text of `info qtree`, of `info qom-tree` from @root down. */
void device_print_tree(GString *out);
void object_print_tree(Object *root, GString *out);
/* Text of `-device help` and `-device TYPE,help`. */
void device_print_list(GString *out);
bool device_print_help(const char *type, GString *out, Error **errp);

#endif
