/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and buses: registration, life cycle, lines, reset, lookup.
 *
 * A device is made (device_new), gets properties, is realized onto a bus, and
 * goes by device_unplugged() or with its parent.  Its memory regions may still
 * be seen by lock-free readers when it is unrealized, so its storage is freed
 * through rcu_call().
 */
#include "osdep.h"
#include "hw/core/qdev-int.h"
#include "hw/qdev.h"
#include "util/option.h"
#include "util/rcu.h"

static GHashTable *bus_infos;    /* name -> BusInfo */
static GHashTable *device_infos; /* ObjectType -> DeviceInfo */
static GHashTable *aliases;      /* alias -> name */
static BusState *main_bus;
static bool machine_ready;
static const HotplugHandler *busless_hotplug;

/* --- registration --- */

static const ObjectType device_base = {
    .name = "device", .abstract = true, .size = sizeof(DeviceState),
};
static const ObjectType bus_base = {
    .name = "bus", .abstract = true, .size = sizeof(BusState),
};

static void base_types(void)
{
    if (!device_infos) {
        device_infos = g_hash_table_new(NULL, NULL);
        bus_infos = g_hash_table_new(g_str_hash, g_str_equal);
        aliases = g_hash_table_new(g_str_hash, g_str_equal);
        object_type_register(&device_base);
        object_type_register(&bus_base);
    }
}

/* The base type of the devices of @bus; made with the first one. */
static const char *base_of_bus(const char *bus)
{
    static const struct {
        const char *bus, *type;
    } bases[] = {
        { BUS_SYSTEM, "sys-bus-device" }, { BUS_ISA, "isa-device" },
        { BUS_PCI, "pci-device" },        { BUS_IDE, "ide-device" },
        { BUS_FLOPPY, "floppy-device" },  { BUS_SCSI, "scsi-device" },
        { BUS_USB, "usb-device" },        { BUS_I2C, "i2c-slave" },
        { BUS_VIRTIO, "virtio-device" },
        { BUS_VIRTIO_SERIAL, "virtio-serial-port" },
    };

    for (unsigned i = 0; bus && i < ARRAY_SIZE(bases); i++) {
        if (strcmp(bases[i].bus, bus) == 0) {
            return bases[i].type;
        }
    }
    return "device";
}

static ObjectType *make_type(const char *name, const char *parent, size_t size)
{
    ObjectType *t = g_new0(ObjectType, 1);

    t->name = name;
    t->parent = parent;
    t->size = size;
    return t;
}

void bus_register(const BusInfo *info)
{
    ObjectType *t;

    base_types();
    g_hash_table_insert(bus_infos, (char *)info->name, (void *)info);
    object_type_register(make_type(info->name, "bus", info->size));
    if (info->device_type) {
        assert(strcmp(info->device_type, base_of_bus(info->name)) == 0);
        t = make_type(info->device_type, "device", info->device_size);
        t->abstract = true;
        t->props = info->device_props;
        object_type_register(t);
    }
}

static void device_type_init(Object *obj)
{
    DeviceState *dev = DEVICE(obj);

    dev->info = g_hash_table_lookup(device_infos, obj->type);
    list_init(&dev->bus_node);
    list_init(&dev->buses);
    list_init(&dev->ins);
    list_init(&dev->outs);
    if (!property_find(obj->type, "bootindex")) {
        dev->bootindex = -1;
    }
    if (dev->info->init) {
        dev->info->init(dev);
    }
}

static void free_groups(ListNode *head)
{
    while (!list_empty(head)) {
        LineGroup *g = list_first(head, LineGroup, node);

        list_remove(&g->node);
        g_free(g->name);
        g_free(g->in);
        g_free(g->taps);
        g_free(g);
    }
}

static void device_type_finalize(Object *obj)
{
    DeviceState *dev = DEVICE(obj);

    if (dev->info->finalize) {
        dev->info->finalize(dev);
    }
    free_groups(&dev->ins);
    free_groups(&dev->outs);
    list_remove(&dev->bus_node);
    qobject_unref(dev->opts);
    g_free(dev->id);
}

void device_register(const DeviceInfo *info)
{
    ObjectType *t;

    base_types();
    t = make_type(info->name,
                  info->parent ? info->parent : base_of_bus(info->bus),
                  info->size);
    t->desc = info->desc;
    t->abstract = info->abstract;
    t->props = info->props;
    t->init = info->abstract ? NULL : device_type_init;
    t->finalize = info->abstract ? NULL : device_type_finalize;
    object_type_register(t);
    g_hash_table_insert(device_infos, t, (void *)info);
    if (info->alias) {
        g_hash_table_insert(aliases, (char *)info->alias, (char *)info->name);
    }
}

const DeviceInfo *device_info_of_type(const ObjectType *type)
{
    return device_infos && type ? g_hash_table_lookup(device_infos, type)
                                : NULL;
}

const DeviceInfo *device_info_find(const char *name)
{
    const char *real = aliases ? g_hash_table_lookup(aliases, name) : NULL;

    return device_info_of_type(object_type_find(real ? real : name));
}

bool device_is_a(const DeviceState *dev, const char *type)
{
    return object_type_is(dev->obj.type, type);
}

/* --- buses --- */

void bus_init(BusState *bus, const char *bus_type, DeviceState *parent,
              const char *name)
{
    g_autofree char *made = NULL;

    object_init_in(&bus->obj, bus_type);
    bus->info = g_hash_table_lookup(bus_infos, bus_type);
    bus->parent = parent;
    list_init(&bus->devices);
    list_init(&bus->dev_node);
    if (!parent) {
        object_add_child(object_container("/machine/unattached"),
                         name ? name : bus_type, &bus->obj);
        return;
    }
    if (!name && parent->id) {
        name = made = g_strdup_printf("%s.%u", parent->id, 0);
    } else if (!name) {
        g_autofree char *low = g_ascii_strdown(bus_type, -1);

        name = made = g_strdup_printf("%s.0", low);
    }
    list_append(&parent->buses, &bus->dev_node);
    object_add_child(&parent->obj, name, &bus->obj);
}

BusState *bus_new(const char *bus_type, DeviceState *parent, const char *name)
{
    const ObjectType *t = object_type_find(bus_type);
    BusState *bus;

    assert(t);
    bus = g_malloc(t->size);
    bus_init(bus, bus_type, parent, name);
    return bus;
}

static const BusInfo system_bus_info = {
    .name = BUS_SYSTEM,
    .size = sizeof(BusState),
    .device_type = "sys-bus-device",
    .device_size = sizeof(DeviceState),
};

BusState *system_bus(void)
{
    if (!main_bus) {
        main_bus = bus_new(BUS_SYSTEM, NULL, "sysbus");
    }
    return main_bus;
}

/* Depth first over buses; @fn returning false ends the walk. */
static bool walk_buses(BusState *bus, bool (*fn)(BusState *, void *),
                       void *opaque)
{
    DeviceState *dev, *next_dev;
    BusState *child, *next;

    if (!fn(bus, opaque)) {
        return false;
    }
    list_foreach_safe(dev, next_dev, &bus->devices, bus_node) {
        list_foreach_safe(child, next, &dev->buses, dev_node) {
            if (!walk_buses(child, fn, opaque)) {
                return false;
            }
        }
    }
    return true;
}

typedef struct BusSearch {
    const char *name;  /* by name, or by type */
    const char *type;
    bool need_room;
    BusState *found;
    bool full;         /* one of the type was there but had no room */
} BusSearch;

static bool bus_matches(BusState *bus, void *opaque)
{
    BusSearch *s = opaque;

    if (s->name ? strcmp(bus->obj.name, s->name) != 0
                : !object_type_is(bus->obj.type, s->type)) {
        return true;
    }
    if (s->need_room && bus->info->is_full && bus->info->is_full(bus)) {
        s->full = true;
        return true;
    }
    s->found = bus;
    return false;
}

BusState *bus_first_of(const char *bus_type)
{
    BusSearch s = { .type = bus_type };

    walk_buses(system_bus(), bus_matches, &s);
    return s.found;
}

BusState *bus_first_free(const char *bus_type, bool *exists)
{
    BusSearch s = { .type = bus_type, .need_room = true };

    walk_buses(system_bus(), bus_matches, &s);
    *exists = s.found || s.full;
    return s.found;
}

BusState *bus_find(const char *name, Error **errp)
{
    BusSearch s = { .name = name };
    Object *o;

    if (*name == '/') {
        o = object_dynamic_cast(object_resolve(name, NULL), "bus");
        if (o) {
            return (BusState *)o;
        }
    } else {
        walk_buses(system_bus(), bus_matches, &s);
        if (s.found) {
            return s.found;
        }
    }
    error_setg(errp, "Bus '%s' not found", name);
    return NULL;
}

/* --- life cycle --- */

DeviceState *device_new(const char *type)
{
    return DEVICE(object_new(type));
}

static void free_device(void *opaque)
{
    object_free(opaque);
}

/* Takes the device out of the tree now, its storage goes after all readers.
 * What its properties hold (drives, character devices) is free now. */
static void free_later(DeviceState *dev)
{
    property_release_all(&dev->obj);
    list_remove(&dev->obj.node);
    dev->obj.parent = NULL;
    rcu_call(free_device, &dev->obj);
}

bool device_realize(DeviceState *dev, BusState *bus, Error **errp)
{
    const BusInfo *bi = bus ? bus->info : NULL;
    const HotplugHandler *hp = bus ? bus->hotplug : busless_hotplug;

    assert(!dev->realized);
    dev->hotplugged = machine_ready;
    if (!dev->obj.parent) {
        object_add_child_indexed(object_container("/machine/unattached"),
                                 "device", &dev->obj);
    }
    dev->parent_bus = bus;
    if (bus) {
        list_append(&bus->devices, &dev->bus_node);
    }
    if (bi && bi->pre_realize && !bi->pre_realize(bus, dev, errp)) {
        goto fail;
    }
    if (hp && hp->pre_plug && !hp->pre_plug(hp->opaque, dev, errp)) {
        goto fail_bus;
    }
    if (dev->info->realize && !dev->info->realize(dev, errp)) {
        goto fail_bus;
    }
    if (bi && bi->post_realize && !bi->post_realize(bus, dev, errp)) {
        if (dev->info->unrealize) {
            dev->info->unrealize(dev);
        }
        goto fail_bus;
    }
    dev->realized = true;
    if (dev->hotplugged) {
        device_reset(dev);
    }
    if (hp && hp->plug && (dev->hotplugged || !bus)) {
        hp->plug(hp->opaque, dev);
    }
    return true;

fail_bus:
    if (bi && bi->unrealize) {
        bi->unrealize(bus, dev);
    }
fail:
    /* Readers may still see regions that realize mapped and took away. */
    while (!list_empty(&dev->buses)) {
        BusState *child = list_first(&dev->buses, BusState, dev_node);

        list_remove(&child->dev_node);
    }
    list_remove(&dev->bus_node);
    dev->parent_bus = NULL;
    free_later(dev);
    return false;
}

void device_unrealize(DeviceState *dev)
{
    BusState *bus, *next_bus;

    if (!dev->realized) {
        return;
    }
    list_foreach_safe(bus, next_bus, &dev->buses, dev_node) {
        while (!list_empty(&bus->devices)) {
            DeviceState *child = list_entry(bus->devices.prev, DeviceState,
                                            bus_node);

            device_remove(child);
        }
        list_remove(&bus->dev_node);
    }
    dev->realized = false;
    if (dev->info->unrealize) {
        dev->info->unrealize(dev);
    }
    bus = dev->parent_bus;
    if (bus && bus->info->unrealize) {
        bus->info->unrealize(bus, dev);
    }
    list_remove(&dev->bus_node);
    dev->parent_bus = NULL;
}

DeviceState *device_create(BusState *bus, const char *type)
{
    DeviceState *dev = device_new(type);

    return device_realize(dev, bus, &error_fatal) ? dev : NULL;
}

void device_set_busless_hotplug(const HotplugHandler *hp)
{
    busless_hotplug = hp;
}

const HotplugHandler *device_hotplug_handler(const DeviceState *dev)
{
    return dev->parent_bus ? dev->parent_bus->hotplug : busless_hotplug;
}

void device_machine_ready(void)
{
    machine_ready = true;
}

bool device_is_machine_ready(void)
{
    return machine_ready;
}

void device_remove(DeviceState *dev)
{
    device_unrealize(dev);
    free_later(dev);
}

/* --- lines --- */

static LineGroup *group_find(ListNode *head, const char *name)
{
    LineGroup *g;

    list_foreach(g, head, node) {
        if (g_strcmp0(g->name, name) == 0) {
            return g;
        }
    }
    return NULL;
}

static LineGroup *group_new(ListNode *head, const char *name, int n)
{
    LineGroup *g = g_new0(LineGroup, 1);

    assert(!group_find(head, name));
    g->name = g_strdup(name);
    g->n = n;
    list_append(head, &g->node);
    return g;
}

void device_init_in(DeviceState *dev, const char *name, IRQHandler handler,
                    void *opaque, int n)
{
    group_new(&dev->ins, name, n)->in = irq_array_new(handler, opaque, n);
}

void device_init_out(DeviceState *dev, const char *name, IRQ **slots, int n)
{
    group_new(&dev->outs, name, n)->slots = slots;
}

IRQ *device_in(DeviceState *dev, const char *name, int n)
{
    LineGroup *g = group_find(&dev->ins, name);

    assert(g && n >= 0 && n < g->n);
    return &g->in[n];
}

void device_connect_out(DeviceState *dev, const char *name, int n, IRQ *irq)
{
    LineGroup *g = group_find(&dev->outs, name);

    assert(g && n >= 0 && n < g->n);
    g->slots[n] = irq;
}

bool device_intercept_in(DeviceState *dev, IRQHandler tap, void *opaque,
                         Error **errp)
{
    LineGroup *g;
    bool any = false;

    list_foreach(g, &dev->ins, node) {
        for (int i = 0; i < g->n; i++) {
            g->in[i].tap = tap;
            g->in[i].tap_opaque = opaque;
            any = true;
        }
    }
    if (!any) {
        error_setg(errp, "device '%s' has no inputs", dev->info->name);
    }
    return any;
}

/* The handler of a tapped output: passes on to where it went before. */
static void pass_on(void *opaque, int n, int level)
{
    irq_set(opaque, level);
}

bool device_intercept_out(DeviceState *dev, const char *name, IRQHandler tap,
                          void *opaque, Error **errp)
{
    LineGroup *g = group_find(&dev->outs, name);

    if (!g) {
        error_setg(errp, "device '%s' has no outputs '%s'", dev->info->name,
                   name ? name : "unnamed-gpio-out");
        return false;
    }
    if (!g->taps) {
        g->taps = g_new0(IRQ, g->n);
        for (int i = 0; i < g->n; i++) {
            g->taps[i] = (IRQ){ .handler = pass_on, .opaque = g->slots[i],
                                .n = i };
            g->slots[i] = &g->taps[i];
        }
    }
    for (int i = 0; i < g->n; i++) {
        g->taps[i].tap = tap;
        g->taps[i].tap_opaque = opaque;
    }
    return true;
}

/* --- reset --- */

typedef struct ResetHook {
    ListNode node;
    void (*fn)(void *);
    void *opaque;
} ResetHook;

static ListNode reset_hooks = LIST_INIT(reset_hooks);

void device_reset(DeviceState *dev)
{
    BusState *bus;

    list_foreach(bus, &dev->buses, dev_node) {
        bus_reset(bus);
    }
    if (dev->parent_bus && dev->parent_bus->info->device_reset) {
        dev->parent_bus->info->device_reset(dev->parent_bus, dev);
    }
    if (dev->info->reset) {
        dev->info->reset(dev);
    }
}

void bus_reset(BusState *bus)
{
    DeviceState *dev, *next;

    list_foreach_safe(dev, next, &bus->devices, bus_node) {
        if (dev->realized) {
            device_reset(dev);
        }
    }
    if (bus->info->reset) {
        bus->info->reset(bus);
    }
}

static bool reset_busless(DeviceState *dev, void *opaque)
{
    if (!dev->parent_bus) {
        device_reset(dev);
    }
    return true;
}

void system_devices_reset(void)
{
    ResetHook *h, *next;

    bus_reset(system_bus());
    device_foreach(reset_busless, NULL);
    list_foreach_safe(h, next, &reset_hooks, node) {
        h->fn(h->opaque);
    }
}

void reset_register(void (*fn)(void *opaque), void *opaque)
{
    ResetHook *h = g_new0(ResetHook, 1);

    h->fn = fn;
    h->opaque = opaque;
    list_append(&reset_hooks, &h->node);
}

void reset_unregister(void (*fn)(void *opaque), void *opaque)
{
    ResetHook *h, *next;

    list_foreach_safe(h, next, &reset_hooks, node) {
        if (h->fn == fn && h->opaque == opaque) {
            list_remove(&h->node);
            g_free(h);
        }
    }
}

/* --- lookup and paths --- */

static bool foreach_in(Object *obj, bool (*fn)(DeviceState *, void *),
                       void *opaque)
{
    Object *child, *next;

    if (object_type_is(obj->type, "device") && DEVICE(obj)->realized &&
        !fn(DEVICE(obj), opaque)) {
        return false;
    }
    list_foreach_safe(child, next, &obj->children, node) {
        if (!foreach_in(child, fn, opaque)) {
            return false;
        }
    }
    return true;
}

void device_foreach(bool (*fn)(DeviceState *dev, void *opaque), void *opaque)
{
    foreach_in(object_root(), fn, opaque);
}

DeviceState *device_find(const char *id, Error **errp)
{
    Object *o;

    if (*id == '/') {
        o = object_resolve(id, NULL);
    } else {
        o = object_child(object_container("/machine/peripheral"), id);
    }
    if (!o) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return NULL;
    }
    if (!object_dynamic_cast(o, "device")) {
        error_setg(errp, "%s is not a hotpluggable device", id);
        return NULL;
    }
    return DEVICE(o);
}

char *device_fw_path(DeviceState *dev)
{
    GString *s = g_string_new(NULL);

    for (; dev; dev = dev->parent_bus ? dev->parent_bus->parent : NULL) {
        const BusInfo *bi = dev->parent_bus ? dev->parent_bus->info : NULL;
        g_autofree char *part = NULL;

        if (bi && bi->fw_dev_path) {
            part = bi->fw_dev_path(dev);
        } else {
            part = g_strdup(dev->info->fw_name ? dev->info->fw_name
                                               : dev->info->name);
        }
        if (*part) { /* a level that firmware does not see */
            g_string_prepend(s, part);
            g_string_prepend_c(s, '/');
        }
    }
    return g_string_free(s, FALSE);
}

char *device_vmstate_id(DeviceState *dev)
{
    g_autofree char *path = object_path(&dev->obj);
    g_autofree char *place = NULL;

    if (dev->parent_bus && dev->parent_bus->info->dev_path) {
        place = dev->parent_bus->info->dev_path(dev);
        return g_strdup_printf("%s@%s/%s", dev->info->name,
                               dev->parent_bus->obj.name, place);
    }
    return g_strdup_printf("%s@%s", dev->info->name, path);
}

/* --- bootindex --- */

static bool bootindex_set(Object *obj, const Property *p, void *field,
                          QObject *v, Error **errp)
{
    return prop_int32.set(obj, p, field, v, errp);
}

static QObject *bootindex_get(Object *obj, const Property *p, const void *field)
{
    return qint_new(*(const int32_t *)field);
}

static void bootindex_default(const Property *p, void *field)
{
    *(int32_t *)field = -1;
}

const PropertyInfo prop_bootindex = {
    .name = "int32",
    .set = bootindex_set,
    .get = bootindex_get,
    .set_default = bootindex_default,
};

static void qdev_register(void)
{
    bus_register(&system_bus_info);
}
device_init(qdev_register)
