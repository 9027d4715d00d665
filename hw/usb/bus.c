/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports and who is plugged in where. */
#include "osdep.h"
#include "usb-int.h"
#include "hw/pci.h"
#include "util/module.h"

static unsigned next_busnr;
static GPtrArray *buses;

const char *usb_speed_name(USBSpeed s)
{
    static const char *const names[USB_SPEEDS] = { "1.5", "12", "480",
                                                   "5000" };

    return names[s];
}

static const HotplugHandler usb_hotplug; /* devices come and go at once */

void usb_bus_init(USBBus *bus, DeviceState *controller, const char *name)
{
    bus_init(&bus->bus, BUS_USB, controller, name); /* clears it */
    list_init(&bus->ports);
    bus->busnr = next_busnr++;
    if (!buses) {
        buses = g_ptr_array_new();
    }
    g_ptr_array_add(buses, bus);
    bus->bus.hotplug = &usb_hotplug;
}

void usb_bus_fini(USBBus *bus)
{
    g_ptr_array_remove(buses, bus);
}

void usb_register_port(USBBus *bus, USBPort *port, USBPort *hub, unsigned index,
                       unsigned speeds, const USBPortOps *ops, void *opaque)
{
    g_autofree char *text = NULL;

    port->bus = bus;
    port->dev = NULL;
    port->index = index;
    port->speeds = speeds;
    port->ops = ops;
    port->opaque = opaque;
    port->depth = hub ? hub->depth + 1 : 0;
    text = hub ? g_strdup_printf("%s.%u", hub->path, index + 1)
               : g_strdup_printf("%u", index + 1);
    g_strlcpy(port->path, text, sizeof(port->path));
    list_append(&bus->ports, &port->node);
}

void usb_init_companion_port(USBPort *port, unsigned index, unsigned speeds,
                             const USBPortOps *ops, void *opaque)
{
    port->dev = NULL;
    port->index = index;
    port->speeds = speeds;
    port->ops = ops;
    port->opaque = opaque;
}

void usb_unregister_port(USBPort *port)
{
    if (port->dev) {
        device_remove(&port->dev->qdev);
    }
    list_remove(&port->node);
}

char *usb_serial(const USBDevice *d)
{
    DeviceState *hc = d->qdev.parent_bus->parent;
    g_autofree char *place = NULL;

    if (d->serial) {
        return g_strdup(d->serial);
    }
    if (hc->parent_bus && hc->parent_bus->info->dev_path) {
        place = hc->parent_bus->info->dev_path(hc);
    }
    if (place && !strcmp(hc->parent_bus->info->name, BUS_PCI)) {
        return g_strdup_printf("%s-0000:%02x:%s-%s",
                               usb_info(d)->desc->serial_prefix,
                               pci_bus_num((PCIBus *)hc->parent_bus), place,
                               d->port->path);
    }
    return g_strdup_printf("%s-%s-%s", usb_info(d)->desc->serial_prefix,
                           place ? place : "usb", d->port->path);
}

/* ---- plugging ------------------------------------------------------------ */

unsigned usb_device_speeds(const USBDevice *d)
{
    const USBDesc *ds = usb_info(d)->desc;
    unsigned s = usb_info(d)->speeds;

    if (s) {
        return s;
    }
    /* usb_version=1 keeps a device slow. */
    return (ds->full ? USB_SPEED_MASK(USB_SPEED_FULL) : 0) |
           (ds->high && d->usb_version >= 2 ? USB_SPEED_MASK(USB_SPEED_HIGH)
                                            : 0) |
           (ds->super ? USB_SPEED_MASK(USB_SPEED_SUPER) : 0);
}

static bool is_hub(const USBDevice *d)
{
    return usb_info(d)->find != NULL;
}

static USBPort *find_port(USBBus *bus, const char *path)
{
    USBPort *p;

    list_foreach(p, &bus->ports, node) {
        if (!strcmp(p->path, path)) {
            return p;
        }
    }
    return NULL;
}

static USBPort *free_port(USBBus *bus, unsigned speeds, unsigned *count)
{
    USBPort *p, *found = NULL;

    *count = 0;
    list_foreach(p, &bus->ports, node) {
        if (!p->dev && p->speeds & speeds) {
            found = found ? found : p;
            (*count)++;
        }
    }
    return found;
}

/* The port that @d asks for, or one; the last one free gets a hub first. */
static USBPort *choose_port(USBBus *bus, USBDevice *d, Error **errp)
{
    unsigned speeds = usb_device_speeds(d), n;
    USBPort *p;

    if (d->port_path) {
        p = find_port(bus, d->port_path);
        if (!p) {
            error_setg(errp, "usb port %s (bus %s) not found (in use?)",
                       d->port_path, bus->bus.obj.name);
            return NULL;
        }
        if (p->dev) {
            error_setg(errp, "usb port %s (bus %s) is in use by %s",
                       d->port_path, bus->bus.obj.name,
                       p->dev->qdev.info->name);
            return NULL;
        }
    } else {
        p = free_port(bus, speeds, &n);
        if (p && n == 1 && !is_hub(d) && p->depth < USB_MAX_DEPTH) {
            DeviceState *hub = device_new("usb-hub");

            if (!device_realize(hub, &bus->bus, errp)) {
                return NULL;
            }
            p = free_port(bus, speeds, &n);
        }
        if (!p) {
            error_setg(errp, "tried to attach usb device %s to a bus with no "
                             "free ports", usb_info(d)->product);
            return NULL;
        }
    }
    if (!(p->speeds & speeds)) {
        error_setg(errp, "speed mismatch trying to attach usb device \"%s\" to "
                         "bus \"%s\", port \"%s\"", usb_info(d)->product,
                   bus->bus.obj.name, p->path);
        return NULL;
    }
    if (is_hub(d) && p->depth >= USB_MAX_DEPTH) {
        error_setg(errp, "usb hub chain too deep");
        return NULL;
    }
    return p;
}

void usb_attach(USBDevice *d)
{
    unsigned both;

    if (d->attached || !d->port) {
        return;
    }
    both = d->port->speeds & usb_device_speeds(d);
    for (int s = USB_SPEED_SUPER; s >= USB_SPEED_LOW; s--) {
        if (both >> s & 1) {
            d->speed = s;
            break;
        }
    }
    d->attached = true;
    d->port->ops->attach(d->port);
}

void usb_detach(USBDevice *d)
{
    if (d->attached) {
        d->port->ops->cancel(d->port, d);
        d->port->ops->detach(d->port);
        d->attached = false;
    }
}

static bool bus_pre_realize(BusState *b, DeviceState *dev, Error **errp)
{
    USBDevice *d = (USBDevice *)dev;

    d->port = choose_port((USBBus *)b, d, errp);
    if (!d->port) {
        return false;
    }
    if (d->pcap_path) {
        d->pcap = usb_pcap_open(d->pcap_path, errp);
        if (!d->pcap) {
            return false;
        }
    }
    d->port->dev = d;
    return true;
}

static bool bus_post_realize(BusState *b, DeviceState *dev, Error **errp)
{
    USBDevice *d = (USBDevice *)dev;

    if (!d->self_attach) {
        usb_attach(d);
    }
    return true;
}

static void bus_unrealize(BusState *b, DeviceState *dev)
{
    USBDevice *d = (USBDevice *)dev;

    if (d->port) {
        usb_detach(d);
        d->port->dev = NULL;
        d->port = NULL;
    }
    usb_pcap_close(d->pcap);
    d->pcap = NULL;
}

/* Controllers reset their ports' devices with themselves; a device reset
 * alone is like one on the wire. */
static void bus_device_reset(BusState *b, DeviceState *dev)
{
    usb_device_bus_reset((USBDevice *)dev);
}

static bool bus_is_full(BusState *b)
{
    unsigned n;

    free_port((USBBus *)b, ~0u, &n);
    return n == 0;
}

static char *usb_dev_path(DeviceState *dev)
{
    DeviceState *hc = dev->parent_bus->parent;
    g_autofree char *place = NULL;
    USBDevice *d = (USBDevice *)dev;

    if (hc->parent_bus && hc->parent_bus->info->dev_path) {
        place = hc->parent_bus->info->dev_path(hc);
    }
    return g_strdup_printf("%s/%s", place ? place : "usb",
                           d->port ? d->port->path : "?");
}

/* "/usb@1,2/hub@1/storage@2": a part for each hub on the way. */
static char *usb_fw_path(DeviceState *dev)
{
    USBDevice *d = (USBDevice *)dev;
    const char *name = dev->info->fw_name ? dev->info->fw_name : "usb-device";
    const char *p = d->port ? d->port->path : "0";
    GString *s = g_string_new(NULL);

    while (*p) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);

        if (*end == '.') {
            g_string_append_printf(s, "hub@%lx/", n);
        } else {
            g_string_append_printf(s, "%s@%lx", name, n);
        }
        p = *end == '.' ? end + 1 : end;
    }
    return g_string_free(s, FALSE);
}

static const Property usb_props[] = {
    PROP_STR("port", USBDevice, port_path),
    PROP_STR("serial", USBDevice, serial),
    PROP_STR("pcap", USBDevice, pcap_path),
    PROP_UINT32("usb_version", USBDevice, usb_version, 2),
    PROP_END(),
};

static void print_dev(DeviceState *dev, GString *out, int indent)
{
    USBDevice *d = (USBDevice *)dev;

    g_string_append_printf(out, "%*saddr %u.%u, port %s, speed %s, name %s%s\n",
                           indent, "", ((USBBus *)dev->parent_bus)->busnr,
                           d->addr, d->port ? d->port->path : "-",
                           usb_speed_name(d->speed), usb_info(d)->product,
                           d->attached ? ", attached" : "");
}

static const BusInfo usb_bus_info = {
    .name = BUS_USB,
    .size = sizeof(USBBus),
    .device_type = "usb-device",
    .device_size = sizeof(USBDevice),
    .device_props = usb_props,
    .pre_realize = bus_pre_realize,
    .post_realize = bus_post_realize,
    .unrealize = bus_unrealize,
    .device_reset = bus_device_reset,
    .is_full = bus_is_full,
    .dev_path = usb_dev_path,
    .fw_dev_path = usb_fw_path,
    .print_dev = print_dev,
};

void usb_print(GString *out)
{
    for (guint i = 0; buses && i < buses->len; i++) {
        USBBus *bus = buses->pdata[i];
        USBPort *p;

        list_foreach(p, &bus->ports, node) {
            USBDevice *d = p->dev;

            if (!d) {
                continue;
            }
            g_string_append_printf(out, "  Device %u.%u, Port %s, Speed %s "
                                        "Mb/s, Product %s%s%s\n",
                                   bus->busnr, d->addr, p->path,
                                   usb_speed_name(d->speed),
                                   usb_info(d)->product,
                                   d->qdev.id ? ", ID: " : "",
                                   d->qdev.id ? d->qdev.id : "");
        }
    }
}

static void usb_bus_register(void)
{
    bus_register(&usb_bus_info);
}
device_init(usb_bus_register)
