/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets on their way to a device, and endpoint 0.
 *
 *     SETUP --in--> DATA --all read or OUT--> IDLE
 *     SETUP --out, length > 0--> DATA --all written--> ACK --IN--> IDLE
 *     SETUP --out, length 0--> ACK --IN--> IDLE
 *
 * A device sees the request when its data is whole: at SETUP of one that
 * reads, at the status stage of one that writes.
 */
#include "osdep.h"
#include "usb-int.h"

/* ---- control transfers --------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

/* The request in @setup with @data: bytes, -1: stall. */
static int do_request(USBDevice *d, const uint8_t setup[8], uint8_t *data)
{
    uint8_t type = setup[0], request = setup[1];
    uint16_t value = get16(setup + 2), index = get16(setup + 4);
    uint16_t length = get16(setup + 6);
    int ret = -1;

    if ((type & USB_TYPE_MASK) == 0) {
        ret = usb_standard_request(d, type, request, value, index, length,
                                   data);
    }
    if (ret < 0 && usb_info(d)->control) {
        ret = usb_info(d)->control(d, type, request, value, index, length,
                                   data);
    }
    ret = MIN(ret, (int)length);
    usb_pcap_control(d, setup, data, ret);
    return ret;
}

static void control_setup(USBDevice *d, USBPacket *p)
{
    int n;

    if (p->size != 8) {
        p->status = USB_STALL;
        return;
    }
    memcpy(d->setup, p->data, 8);
    p->actual = 8;
    d->setup_len = get16(d->setup + 6);
    d->setup_at = 0;
    d->setup_state = USB_SETUP_IDLE;
    if (d->setup_len > USB_MAX_CONTROL) {
        d->setup_len = 0;
        p->status = USB_STALL;
        return;
    }
    if (d->setup[0] & USB_DIR_IN) {
        n = do_request(d, d->setup, d->control_data);
        if (n < 0) {
            p->status = USB_STALL;
            return;
        }
        d->setup_len = n;
        d->setup_state = USB_SETUP_DATA;
    } else {
        d->setup_state = d->setup_len ? USB_SETUP_DATA : USB_SETUP_ACK;
    }
}

static void control_in(USBDevice *d, USBPacket *p)
{
    bool reads = d->setup[0] & USB_DIR_IN;

    if (d->setup_state == USB_SETUP_ACK && !reads) {
        d->setup_state = USB_SETUP_IDLE;
        if (do_request(d, d->setup, d->control_data) < 0) {
            p->status = USB_STALL;
        }
    } else if (d->setup_state == USB_SETUP_DATA && reads) {
        p->actual = MIN(p->size, d->setup_len - d->setup_at);
        memcpy(p->data, d->control_data + d->setup_at, p->actual);
        d->setup_at += p->actual;
    } else {
        p->status = USB_STALL;
    }
}

static void control_out(USBDevice *d, USBPacket *p)
{
    bool reads = d->setup[0] & USB_DIR_IN;

    if (d->setup_state == USB_SETUP_DATA && reads) {
        d->setup_state = USB_SETUP_IDLE; /* the status stage, maybe early */
    } else if (d->setup_state == USB_SETUP_DATA) {
        p->actual = MIN(p->size, d->setup_len - d->setup_at);
        memcpy(d->control_data + d->setup_at, p->data, p->actual);
        d->setup_at += p->actual;
        if (d->setup_at == d->setup_len) {
            d->setup_state = USB_SETUP_ACK;
        }
    } else {
        p->status = USB_STALL;
    }
}

void usb_control_transfer(USBDevice *d, const uint8_t setup[8], USBPacket *p)
{
    uint32_t len = get16(setup + 6);
    int n;

    p->status = USB_OK;
    p->actual = 0;
    p->dev = NULL;
    if (!d || !d->attached) {
        p->status = USB_NODEV;
        return;
    }
    if (len > USB_MAX_CONTROL || len > p->size) {
        p->status = USB_STALL;
        return;
    }
    d->setup_state = USB_SETUP_IDLE;
    if (!(setup[0] & USB_DIR_IN)) {
        memcpy(d->control_data, p->data, len);
    }
    n = do_request(d, setup, d->control_data);
    if (n < 0) {
        p->status = USB_STALL;
        return;
    }
    if (setup[0] & USB_DIR_IN) {
        memcpy(p->data, d->control_data, n);
        p->actual = n;
    } else {
        p->actual = len;
    }
}

/* ---- packets ------------------------------------------------------------- */

void usb_handle_packet(USBDevice *d, USBPacket *p)
{
    p->status = USB_OK;
    p->actual = 0;
    p->dev = NULL;
    if (!d || !d->attached) {
        p->status = USB_NODEV;
        return;
    }
    if (p->ep == 0) {
        if (p->pid == USB_PID_SETUP) {
            control_setup(d, p);
        } else if (p->pid == USB_PID_IN) {
            control_in(d, p);
        } else {
            control_out(d, p);
        }
        return;
    }
    /* SETUP belongs to endpoint 0 (CVE-2024-8354 was an assertion here). */
    if (p->pid == USB_PID_SETUP || !d->config || !usb_info(d)->data ||
        d->halted >> (p->ep + (p->pid == USB_PID_IN ? 16 : 0)) & 1) {
        p->status = USB_STALL;
        return;
    }
    p->dev = d;
    usb_info(d)->data(d, p);
    if (p->status != USB_NAK) {
        usb_pcap_submit(d, p);
    }
    if (p->status != USB_ASYNC) {
        if (p->status != USB_NAK) {
            usb_pcap_complete(d, p);
        }
        p->dev = NULL;
        if (p->status == USB_STALL) {
            d->halted |= 1u << (p->ep + (p->pid == USB_PID_IN ? 16 : 0));
        }
    }
}

void usb_packet_complete(USBPacket *p)
{
    USBDevice *d = p->dev;

    usb_pcap_complete(d, p);
    p->dev = NULL;
    if (p->status == USB_STALL) {
        d->halted |= 1u << (p->ep + (p->pid == USB_PID_IN ? 16 : 0));
    }
    d->port->ops->complete(d->port, p);
}

void usb_cancel_packet(USBPacket *p)
{
    USBDevice *d = p->dev;

    p->dev = NULL;
    if (d) {
        p->status = USB_NAK;
        usb_pcap_complete(d, p);
    }
    if (d && usb_info(d)->cancel) {
        usb_info(d)->cancel(d, p);
    }
}

void usb_device_bus_reset(USBDevice *d)
{
    d->addr = d->config = 0;
    d->halted = 0;
    d->remote_wakeup = d->suspended = false;
    d->setup_state = USB_SETUP_IDLE;
    memset(d->alternate, 0, sizeof(d->alternate));
    if (usb_info(d)->bus_reset) {
        usb_info(d)->bus_reset(d);
    }
}

void usb_port_reset(USBPort *port)
{
    if (port->dev && port->dev->attached) {
        usb_device_bus_reset(port->dev);
    }
}

USBDevice *usb_find_device(USBPort *port, uint8_t addr)
{
    USBDevice *d = port->dev;

    if (!d || !d->attached) {
        return NULL;
    }
    if (d->addr == addr) {
        return d;
    }
    return usb_info(d)->find ? usb_info(d)->find(d, addr) : NULL;
}

void usb_wakeup(USBDevice *d, uint8_t ep)
{
    if (d->port && d->attached && d->port->ops->wakeup) {
        d->port->ops->wakeup(d->port, d, ep);
    }
}

/* ---- state --------------------------------------------------------------- */

static bool usb_post_load(void *opaque, int version, Error **errp)
{
    USBDevice *d = opaque;

    if (d->addr > 127 || d->config > 1 || d->setup_state > USB_SETUP_ACK ||
        d->setup_len > USB_MAX_CONTROL || d->setup_at > d->setup_len) {
        error_setg(errp, "USB device: address, configuration or control "
                         "transfer out of range");
        return false;
    }
    return true;
}

static const VMStateField usb_fields[] = {
    VMSTATE_UINT8(addr, USBDevice),
    VMSTATE_UINT8(config, USBDevice),
    VMSTATE_BOOL(remote_wakeup, USBDevice),
    VMSTATE_BOOL(suspended, USBDevice),
    VMSTATE_UINT32(halted, USBDevice),
    VMSTATE_BUFFER(alternate, USBDevice),
    VMSTATE_UINT32(setup_state, USBDevice),
    VMSTATE_UINT32(setup_len, USBDevice),
    VMSTATE_UINT32(setup_at, USBDevice),
    VMSTATE_BUFFER(setup, USBDevice),
    VMSTATE_BUFFER(control_data, USBDevice),
    VMSTATE_END(),
};

const VMStateDescription vmstate_usb_device = {
    .name = "usb-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = usb_post_load,
    .fields = usb_fields,
};
