/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB: bus, ports, devices and the packets between them (USB 2.0, chapters 5,
 * 8 and 9; docs/usb.md).
 *
 * A host controller registers ports on its bus and sends packets to the device
 * that has an address; a hub is a device that registers further ports.  A
 * packet is answered at once (status, actual), or with USB_ASYNC, and then
 * later by usb_packet_complete().  Endpoint 0 is handled here: a device sees
 * whole control requests only, and standard ones not at all.
 *
 * BQL.
 */
#ifndef HW_USB_H
#define HW_USB_H

#include "hw/qdev.h"

typedef struct USBDevice USBDevice;
typedef struct USBPort USBPort;
typedef struct USBBus USBBus;
typedef struct USBPacket USBPacket;
typedef struct USBPcap USBPcap;

typedef enum USBSpeed {
    USB_SPEED_LOW, USB_SPEED_FULL, USB_SPEED_HIGH, USB_SPEED_SUPER,
    USB_SPEEDS
} USBSpeed;
#define USB_SPEED_MASK(s) (1u << (s))
const char *usb_speed_name(USBSpeed s); /* "1.5" Mb/s, ... */

enum { USB_PID_SETUP = 0x2d, USB_PID_IN = 0x69, USB_PID_OUT = 0xe1 };
/* Packet status. */
enum {
    USB_OK, USB_NAK, USB_STALL, USB_BABBLE, USB_IOERROR, USB_NODEV, USB_ASYNC,
};
enum { /* standard requests and what belongs to them */
    USB_DIR_IN = 0x80, USB_TYPE_MASK = 0x60, USB_TYPE_CLASS = 0x20,
    USB_TYPE_VENDOR = 0x40,
    USB_RECIP_MASK = 0x1f, USB_RECIP_DEVICE = 0, USB_RECIP_INTERFACE = 1,
    USB_RECIP_ENDPOINT = 2, USB_RECIP_OTHER = 3,
    USB_REQ_GET_STATUS = 0, USB_REQ_CLEAR_FEATURE = 1, USB_REQ_SET_FEATURE = 3,
    USB_REQ_SET_ADDRESS = 5, USB_REQ_GET_DESCRIPTOR = 6,
    USB_REQ_GET_CONFIGURATION = 8, USB_REQ_SET_CONFIGURATION = 9,
    USB_REQ_GET_INTERFACE = 10, USB_REQ_SET_INTERFACE = 11,
    USB_DT_DEVICE = 1, USB_DT_CONFIG = 2, USB_DT_STRING = 3,
    USB_DT_INTERFACE = 4, USB_DT_ENDPOINT = 5, USB_DT_QUALIFIER = 6,
    USB_DT_OTHER_SPEED = 7, USB_DT_BOS = 15, USB_DT_HID = 0x21,
    USB_DT_REPORT = 0x22, USB_DT_HUB = 0x29,
    USB_FEATURE_ENDPOINT_HALT = 0, USB_FEATURE_REMOTE_WAKEUP = 1,
    USB_ENDPOINT_CONTROL = 0, USB_ENDPOINT_ISOC = 1, USB_ENDPOINT_BULK = 2,
    USB_ENDPOINT_INT = 3,
};
enum { USB_MAX_CONTROL = 4096, USB_MAX_STRINGS = 16, USB_MAX_INTERFACES = 4,
       USB_MAX_DEPTH = 5 /* hubs between root and device */ };

struct USBPacket {
    int pid;             /* USB_PID_x */
    uint8_t ep;          /* number, without direction */
    uint8_t *data;       /* the controller's; valid until it is complete */
    uint32_t size;       /* OUT, SETUP: bytes there are; IN: room */
    uint32_t actual;     /* bytes moved */
    int status;          /* USB_x */
    USBDevice *dev;      /* while it is with one (USB_ASYNC); else NULL */
    void *opaque;        /* the device's, while it has the packet */
    uint64_t pcap_id;    /* in the capture */
};

/* ---- descriptors as data ------------------------------------------------- */

typedef struct USBDescEndpoint {
    uint8_t address, attributes, interval;
    uint16_t max_packet;
    uint8_t max_burst;   /* USB 3 */
} USBDescEndpoint;

typedef struct USBDescIface {
    uint8_t number, alternate, class_id, subclass, protocol, string;
    uint8_t n_endpoints;
    const USBDescEndpoint *endpoints;
    /* Class descriptor (HID), between interface and endpoints; NULL: none. */
    const uint8_t *extra;
    uint8_t extra_len;
} USBDescIface;

/* How it looks at one speed; one configuration, number 1. */
typedef struct USBDescDevice {
    uint16_t bcd_usb;
    uint8_t class_id, subclass, protocol, max_packet0;
    uint8_t config_string, attributes, max_power; /* 2 mA */
    uint8_t n_ifaces;    /* descriptors, alternates included */
    const USBDescIface *ifaces;
} USBDescDevice;

typedef struct USBDesc {
    uint16_t vendor, product, bcd_device;
    uint8_t manufacturer, product_string, serial_string;
    const USBDescDevice *full, *high, *super; /* NULL: not at this speed */
    const char *const *strings; /* by index, [0] unused */
    const char *serial_prefix;  /* "28754": made unique by the path */
} USBDesc;

/* ---- devices ------------------------------------------------------------- */

/* DeviceInfo.bus_info of a USB device. */
typedef struct USBDeviceInfo {
    const char *product;     /* `info usb` */
    const USBDesc *desc;
    unsigned speeds;         /* mask of those it can; 0: by .desc */
    /* Class and vendor requests on endpoint 0: moves at most @length bytes of
     * @data; the count, or -1 to stall.  NULL: none. */
    int (*control)(USBDevice *d, uint8_t type, uint8_t request, uint16_t value,
                   uint16_t index, uint16_t length, uint8_t *data);
    /* Other endpoints: sets status and actual. */
    void (*data)(USBDevice *d, USBPacket *p);
    void (*cancel)(USBDevice *d, USBPacket *p); /* of an asynchronous one */
    void (*bus_reset)(USBDevice *d);
    void (*set_config)(USBDevice *d);
    void (*set_interface)(USBDevice *d, unsigned iface, unsigned alt);
    USBDevice *(*find)(USBDevice *d, uint8_t addr); /* hubs */
} USBDeviceInfo;

typedef enum USBSetupState {
    USB_SETUP_IDLE, USB_SETUP_DATA, USB_SETUP_ACK,
} USBSetupState;

struct USBDevice {
    DeviceState qdev;
    /* Properties. */
    char *port_path, *serial, *pcap_path;
    uint32_t usb_version;
    /* Guest-visible state. */
    uint8_t addr, config;
    bool remote_wakeup, suspended;
    uint32_t halted;         /* bit: endpoint number, +16: IN */
    uint8_t alternate[USB_MAX_INTERFACES];
    uint32_t setup_state;    /* USBSetupState */
    uint32_t setup_len, setup_at;
    uint8_t setup[8];
    uint8_t control_data[USB_MAX_CONTROL];
    /* Host side. */
    USBPort *port;
    USBSpeed speed;
    bool attached;
    bool self_attach;        /* realize() says: not by the bus */
    USBPcap *pcap;           /* NULL: no capture */
};

static inline const USBDeviceInfo *usb_info(const USBDevice *d)
{
    return d->qdev.info->bus_info;
}
const USBDescDevice *usb_desc(const USBDevice *d); /* at its speed */
unsigned usb_device_speeds(const USBDevice *d);    /* mask of those it can */

/* For realize() of devices: nothing to do; the bus attaches them after it. */
void usb_attach(USBDevice *d);
void usb_detach(USBDevice *d);
/* Endpoint @ep has something to say: wakes controllers that doze, and the
 * port if the guest suspended it. */
void usb_wakeup(USBDevice *d, uint8_t ep);
/* An asynchronous packet is done (status, actual are set). */
void usb_packet_complete(USBPacket *p);

extern const VMStateDescription vmstate_usb_device;
#define VMSTATE_USB_DEVICE(f, S) VMSTATE_STRUCT(f, S, USBDevice, \
                                                vmstate_usb_device)

/* ---- ports --------------------------------------------------------------- */

typedef struct USBPortOps {
    void (*attach)(USBPort *port);   /* port->dev is there */
    void (*detach)(USBPort *port);   /* it goes */
    /* Takes back all packets that @d has. */
    void (*cancel)(USBPort *port, USBDevice *d);
    void (*wakeup)(USBPort *port, USBDevice *d, uint8_t ep);
    void (*complete)(USBPort *port, USBPacket *p);
} USBPortOps;

struct USBPort {
    ListNode node;           /* in bus->ports */
    USBBus *bus;
    USBDevice *dev;          /* NULL: empty */
    unsigned speeds;         /* mask */
    char path[32];           /* "1.2" */
    unsigned index, depth;   /* depth: hubs above it */
    const USBPortOps *ops;
    void *opaque;
};

struct USBBus {
    BusState bus;
    ListNode ports;
    unsigned busnr;
    /* EHCI: @n ports of a companion controller stand behind its own from
     * @first on.  NULL: it takes none. */
    bool (*register_companion)(USBBus *bus, USBPort *ports, unsigned n,
                               unsigned first, Error **errp);
    void (*unregister_companion)(USBBus *bus, USBPort *ports, unsigned n);
};

/* @name NULL: by the controller's id or "usb-bus.N". */
void usb_bus_init(USBBus *bus, DeviceState *controller, const char *name);
void usb_bus_fini(USBBus *bus); /* the controller is unrealized */
/* @hub: the device it belongs to, NULL: a root port. */
void usb_register_port(USBBus *bus, USBPort *port, USBPort *hub, unsigned index,
                       unsigned speeds, const USBPortOps *ops, void *opaque);
void usb_unregister_port(USBPort *port);
/* A port of a companion: on no bus of its own. */
void usb_init_companion_port(USBPort *port, unsigned index, unsigned speeds,
                             const USBPortOps *ops, void *opaque);
/* The device with that address behind @port, enabled or not; or NULL. */
USBDevice *usb_find_device(USBPort *port, uint8_t addr);
/* USB reset on the wire. */
void usb_port_reset(USBPort *port);
void usb_device_bus_reset(USBDevice *d);

/* ---- packets ------------------------------------------------------------- */

/* To @d (NULL: nobody answers).  USB_ASYNC: port->ops->complete() follows. */
void usb_handle_packet(USBDevice *d, USBPacket *p);
/* Takes an asynchronous packet back: no completion will come. */
void usb_cancel_packet(USBPacket *p);
/* A whole control transfer (xHCI): status, actual as for a packet. */
void usb_control_transfer(USBDevice *d, const uint8_t setup[8], USBPacket *p);

void usb_print(GString *out); /* `info usb` */

#endif
