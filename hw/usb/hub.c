/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hub at full speed with up to eight ports (USB 2.0, chapter 11). */
#include "osdep.h"
#include "hw/usb.h"

#define MAX_PORTS 8

enum { PORT_CONNECTION = 0x0001, PORT_ENABLE = 0x0002, PORT_SUSPEND = 0x0004,
       PORT_RESET = 0x0010, PORT_POWER = 0x0100, PORT_LOW_SPEED = 0x0200 };
enum { F_CONNECTION = 0, F_ENABLE = 1, F_SUSPEND = 2, F_OVERCURRENT = 3,
       F_RESET = 4, F_POWER = 8, F_C_CONNECTION = 16, F_C_ENABLE = 17,
       F_C_SUSPEND = 18, F_C_OVERCURRENT = 19, F_C_RESET = 20 };

typedef struct USBHub {
    USBDevice usb;
    /* Properties. */
    uint32_t nports;
    /* Guest-visible state. */
    uint16_t status[MAX_PORTS], change[MAX_PORTS];
    /* Host side. */
    USBPort ports[MAX_PORTS];
} USBHub;

static void hub_notify(USBHub *h)
{
    usb_wakeup(&h->usb, 1);
}

static void port_attach(USBPort *port)
{
    USBHub *h = port->opaque;
    uint16_t *st = &h->status[port->index];

    *st |= PORT_CONNECTION;
    h->change[port->index] |= PORT_CONNECTION;
    *st = port->dev->speed == USB_SPEED_LOW ? *st | PORT_LOW_SPEED
                                            : *st & ~PORT_LOW_SPEED;
    hub_notify(h);
}

static void port_detach(USBPort *port)
{
    USBHub *h = port->opaque;
    unsigned n = port->index;

    h->status[n] &= ~(PORT_CONNECTION | PORT_LOW_SPEED | PORT_SUSPEND);
    h->change[n] |= PORT_CONNECTION;
    if (h->status[n] & PORT_ENABLE) {
        h->status[n] &= ~PORT_ENABLE;
        h->change[n] |= PORT_ENABLE;
    }
    hub_notify(h);
}

static void port_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    USBHub *h = port->opaque;
    unsigned n = port->index;

    if (h->status[n] & PORT_SUSPEND && d->remote_wakeup) {
        h->status[n] &= ~PORT_SUSPEND;
        h->change[n] |= PORT_SUSPEND;
        hub_notify(h);
    }
    /* The controller dozes for all that is behind it. */
    if (h->usb.port && h->usb.attached) {
        h->usb.port->ops->wakeup(h->usb.port, &h->usb, 1);
    }
}

static void port_complete(USBPort *port, USBPacket *p)
{
    USBHub *h = port->opaque;

    h->usb.port->ops->complete(h->usb.port, p);
}

static void port_cancel(USBPort *port, USBDevice *d)
{
    USBHub *h = port->opaque;

    if (h->usb.port) {
        h->usb.port->ops->cancel(h->usb.port, d);
    }
}

static const USBPortOps hub_port_ops = {
    .cancel = port_cancel,
    .attach = port_attach,
    .detach = port_detach,
    .wakeup = port_wakeup,
    .complete = port_complete,
};

static USBDevice *hub_find(USBDevice *d, uint8_t addr)
{
    USBHub *h = (USBHub *)d;

    for (unsigned i = 0; i < h->nports; i++) {
        USBDevice *found = h->status[i] & PORT_ENABLE
                               ? usb_find_device(&h->ports[i], addr) : NULL;

        if (found) {
            return found;
        }
    }
    return NULL;
}

static int set_port_feature(USBHub *h, unsigned n, uint16_t feature)
{
    USBDevice *d = h->ports[n].dev;

    switch (feature) {
    case F_SUSPEND:
        h->status[n] |= PORT_SUSPEND;
        return 0;
    case F_RESET:
        h->change[n] |= PORT_RESET;
        if (d && d->attached) {
            usb_device_bus_reset(d);
            h->status[n] |= PORT_ENABLE;
        }
        h->status[n] &= ~PORT_SUSPEND;
        hub_notify(h);
        return 0;
    case F_POWER:
        h->status[n] |= PORT_POWER;
        return 0;
    }
    return -1;
}

static int clear_port_feature(USBHub *h, unsigned n, uint16_t feature)
{
    switch (feature) {
    case F_ENABLE:
        h->status[n] &= ~PORT_ENABLE;
        return 0;
    case F_SUSPEND:
        if (h->status[n] & PORT_SUSPEND) {
            h->status[n] &= ~PORT_SUSPEND;
            h->change[n] |= PORT_SUSPEND;
            hub_notify(h);
        }
        return 0;
    case F_POWER: /* ports have no switches: wHubCharacteristics */
        return 0;
    case F_C_CONNECTION:
    case F_C_ENABLE:
    case F_C_SUSPEND:
    case F_C_OVERCURRENT:
    case F_C_RESET:
        h->change[n] &= ~(1u << (feature - F_C_CONNECTION));
        return 0;
    }
    return -1;
}

static int hub_descriptor(const USBHub *h, uint8_t *data, unsigned length)
{
    uint8_t b[11] = {
        0, USB_DT_HUB, h->nports,
        0x0a, 0x00, /* no power switches, overcurrent for each port */
        1,          /* 2 ms until power is good */
        0,
    };
    unsigned bytes = (h->nports + 1 + 7) / 8, len = 7 + 2 * bytes;

    memset(b + 7 + bytes, 0xff, bytes); /* nothing is fixed; all ones */
    b[0] = len;
    len = MIN(len, length);
    memcpy(data, b, len);
    return len;
}

static int hub_control(USBDevice *d, uint8_t type, uint8_t request,
                       uint16_t value, uint16_t index, uint16_t length,
                       uint8_t *data)
{
    USBHub *h = (USBHub *)d;
    bool port = (type & USB_RECIP_MASK) == USB_RECIP_OTHER;
    unsigned n = (index & 0xff) - 1;

    if ((type & USB_TYPE_MASK) != USB_TYPE_CLASS || (port && n >= h->nports)) {
        return -1;
    }
    switch (request) {
    case USB_REQ_GET_DESCRIPTOR:
        return value >> 8 == USB_DT_HUB || !(value >> 8)
                   ? hub_descriptor(h, data, length) : -1;
    case USB_REQ_GET_STATUS:
        memset(data, 0, 4);
        if (port) {
            data[0] = h->status[n];
            data[1] = h->status[n] >> 8;
            data[2] = h->change[n];
        }
        return 4;
    case USB_REQ_SET_FEATURE:
        return port ? set_port_feature(h, n, value) : value < 2 ? 0 : -1;
    case USB_REQ_CLEAR_FEATURE:
        return port ? clear_port_feature(h, n, value) : value < 2 ? 0 : -1;
    }
    return -1;
}

/* The status change endpoint: bit n + 1 for port n. */
static void hub_data(USBDevice *d, USBPacket *p)
{
    USBHub *h = (USBHub *)d;
    uint32_t bits = 0;
    unsigned bytes = (h->nports + 1 + 7) / 8;

    if (p->pid != USB_PID_IN || p->ep != 1) {
        p->status = USB_STALL;
        return;
    }
    for (unsigned i = 0; i < h->nports; i++) {
        bits |= h->change[i] ? 2u << i : 0;
    }
    if (!bits) {
        p->status = USB_NAK;
        return;
    }
    p->actual = MIN(bytes, p->size);
    for (unsigned i = 0; i < p->actual; i++) {
        p->data[i] = bits >> 8 * i;
    }
}

static void hub_bus_reset(USBDevice *d)
{
    USBHub *h = (USBHub *)d;

    for (unsigned i = 0; i < h->nports; i++) {
        h->status[i] = PORT_POWER;
        h->change[i] = 0;
        if (h->ports[i].dev && h->ports[i].dev->attached) {
            port_attach(&h->ports[i]);
        }
    }
}

static bool hub_realize(DeviceState *dev, Error **errp)
{
    USBHub *h = (USBHub *)dev;

    if (h->nports < 1 || h->nports > MAX_PORTS) {
        error_setg(errp, "num ports (%u) out of range (1-%d)", h->nports,
                   MAX_PORTS);
        return false;
    }
    for (unsigned i = 0; i < h->nports; i++) {
        usb_register_port((USBBus *)dev->parent_bus, &h->ports[i],
                          h->usb.port, i,
                          USB_SPEED_MASK(USB_SPEED_LOW) |
                              USB_SPEED_MASK(USB_SPEED_FULL),
                          &hub_port_ops, h);
    }
    hub_bus_reset(&h->usb);
    return true;
}

static void hub_unrealize(DeviceState *dev)
{
    USBHub *h = (USBHub *)dev;

    for (unsigned i = 0; i < h->nports; i++) {
        usb_unregister_port(&h->ports[i]);
    }
}

static const USBDescEndpoint hub_eps[] = {
    { .address = 0x81, .attributes = USB_ENDPOINT_INT, .max_packet = 2,
      .interval = 255 },
};
static const USBDescIface hub_ifaces[] = {
    { .class_id = 9, .n_endpoints = 1, .endpoints = hub_eps },
};
static const USBDescDevice hub_full = {
    .bcd_usb = 0x0110, .class_id = 9, .max_packet0 = 8, .attributes = 0x60,
    .n_ifaces = 1, .ifaces = hub_ifaces,
};
static const char *const hub_strings[USB_MAX_STRINGS] = {
    [1] = "QEMU", [2] = "QEMU USB Hub",
};
static const USBDesc hub_desc = {
    .vendor = 0x0409, .product = 0x55aa, .bcd_device = 0x0101,
    .manufacturer = 1, .product_string = 2, .serial_string = 3,
    .full = &hub_full, .strings = hub_strings, .serial_prefix = "314159",
};

static const Property hub_props[] = {
    PROP_UINT32("ports", USBHub, nports, 8),
    PROP_END(),
};

static const VMStateField hub_fields[] = {
    VMSTATE_USB_DEVICE(usb, USBHub),
    VMSTATE_UINT16_ARRAY(status, USBHub, MAX_PORTS),
    VMSTATE_UINT16_ARRAY(change, USBHub, MAX_PORTS),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_hub = {
    .name = "usb-hub",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = hub_fields,
};

static const USBDeviceInfo hub_usb_info = {
    .product = "QEMU USB Hub",
    .desc = &hub_desc,
    .control = hub_control,
    .data = hub_data,
    .bus_reset = hub_bus_reset,
    .find = hub_find,
};

static const DeviceInfo hub_info = {
    .name = "usb-hub",
    .desc = "USB hub with up to 8 ports",
    .bus = BUS_USB,
    .category = DEVICE_CATEGORY_BRIDGE,
    .size = sizeof(USBHub),
    .props = hub_props,
    .vmsd = &vmstate_hub,
    .bus_info = &hub_usb_info,
    .fw_name = "hub",
    .realize = hub_realize,
    .unrealize = hub_unrealize,
};

static void hub_register(void)
{
    device_register(&hub_info);
}
device_init(hub_register)
