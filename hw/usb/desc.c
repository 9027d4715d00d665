/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors from tables, and the standard requests (USB 2.0, 9.4 to 9.6). */
#include "osdep.h"
#include "usb-int.h"

static const USBDescDevice *desc_at(const USBDesc *d, USBSpeed speed)
{
    return speed == USB_SPEED_SUPER ? d->super
           : speed == USB_SPEED_HIGH ? d->high : d->full;
}

const USBDescDevice *usb_desc(const USBDevice *d)
{
    return desc_at(usb_info(d)->desc, d->speed);
}

static void put8(GByteArray *b, uint8_t v)
{
    g_byte_array_append(b, &v, 1);
}

static void put16(GByteArray *b, uint16_t v)
{
    put8(b, v);
    put8(b, v >> 8);
}

static void put_device(const USBDevice *d, GByteArray *b)
{
    const USBDesc *ds = usb_info(d)->desc;
    const USBDescDevice *dd = usb_desc(d);

    put8(b, 18);
    put8(b, USB_DT_DEVICE);
    put16(b, dd->bcd_usb);
    put8(b, dd->class_id);
    put8(b, dd->subclass);
    put8(b, dd->protocol);
    put8(b, dd->max_packet0);
    put16(b, ds->vendor);
    put16(b, ds->product);
    put16(b, ds->bcd_device);
    put8(b, ds->manufacturer);
    put8(b, ds->product_string);
    put8(b, ds->serial_string);
    put8(b, 1);
}

/* How it would look at the other of full and high speed; NULL: not at all. */
static const USBDescDevice *other_speed(const USBDevice *d)
{
    const USBDesc *ds = usb_info(d)->desc;

    if (d->speed == USB_SPEED_HIGH) {
        return ds->full;
    }
    return d->speed == USB_SPEED_FULL &&
                   usb_device_speeds(d) & USB_SPEED_MASK(USB_SPEED_HIGH)
               ? ds->high : NULL;
}

static bool put_qualifier(const USBDevice *d, GByteArray *b)
{
    const USBDescDevice *other = other_speed(d);

    if (!other) {
        return false;
    }
    put8(b, 10);
    put8(b, USB_DT_QUALIFIER);
    put16(b, other->bcd_usb);
    put8(b, other->class_id);
    put8(b, other->subclass);
    put8(b, other->protocol);
    put8(b, other->max_packet0);
    put8(b, 1);
    put8(b, 0);
    return true;
}

static void put_config(const USBDescDevice *dd, uint8_t type, GByteArray *b)
{
    uint8_t numbers = 0;

    for (unsigned i = 0; i < dd->n_ifaces; i++) {
        numbers = MAX(numbers, dd->ifaces[i].number + 1);
    }
    put8(b, 9);
    put8(b, type);
    put16(b, 0); /* total length: below */
    put8(b, numbers);
    put8(b, 1);
    put8(b, dd->config_string);
    put8(b, 0x80 | dd->attributes);
    put8(b, dd->max_power);
    for (unsigned i = 0; i < dd->n_ifaces; i++) {
        const USBDescIface *f = &dd->ifaces[i];

        put8(b, 9);
        put8(b, USB_DT_INTERFACE);
        put8(b, f->number);
        put8(b, f->alternate);
        put8(b, f->n_endpoints);
        put8(b, f->class_id);
        put8(b, f->subclass);
        put8(b, f->protocol);
        put8(b, f->string);
        if (f->extra) {
            g_byte_array_append(b, f->extra, f->extra_len);
        }
        for (unsigned k = 0; k < f->n_endpoints; k++) {
            const USBDescEndpoint *e = &f->endpoints[k];

            put8(b, 7);
            put8(b, USB_DT_ENDPOINT);
            put8(b, e->address);
            put8(b, e->attributes);
            put16(b, e->max_packet);
            put8(b, e->interval);
            if (dd->bcd_usb >= 0x0300) { /* endpoint companion */
                put8(b, 6);
                put8(b, 0x30);
                put8(b, e->max_burst);
                put8(b, 0);
                put16(b, (e->attributes & 3) == USB_ENDPOINT_INT
                             ? e->max_packet : 0);
            }
        }
    }
    b->data[2] = b->len;
    b->data[3] = b->len >> 8;
}

static bool put_string(const USBDevice *d, uint8_t n, GByteArray *b)
{
    const USBDesc *ds = usb_info(d)->desc;
    g_autofree char *text = NULL;

    put8(b, 0);
    put8(b, USB_DT_STRING);
    if (n == 0) {
        put16(b, 0x0409); /* English (United States) */
    } else {
        if (n == ds->serial_string) {
            text = usb_serial(d);
        } else if (n < USB_MAX_STRINGS && ds->strings[n]) {
            text = g_strdup(ds->strings[n]);
        }
        if (!text) {
            return false;
        }
        for (const char *p = text; *p && b->len < 254; p++) {
            put16(b, (uint8_t)*p);
        }
    }
    b->data[0] = b->len;
    return true;
}

/* USB 3.0, 9.6.2: what a SuperSpeed device can. */
static void put_bos(GByteArray *b)
{
    static const uint8_t bos[] = {
        5, USB_DT_BOS, 22, 0, 2,
        7, 0x10, 2, 0x02, 0, 0, 0,                  /* USB 2.0 extension */
        10, 0x10, 3, 0, 0x0e, 0, 1, 0x0a, 0x20, 0, /* SuperSpeed */
    };

    g_byte_array_append(b, bos, sizeof(bos));
}

static int get_descriptor(USBDevice *d, uint16_t value, uint8_t *data,
                          unsigned room)
{
    const USBDesc *ds = usb_info(d)->desc;
    GByteArray *b = g_byte_array_new();
    bool ok = true;
    int len = -1;

    switch (value >> 8) {
    case USB_DT_DEVICE:
        put_device(d, b);
        break;
    case USB_DT_CONFIG:
        ok = (value & 0xff) == 0;
        put_config(usb_desc(d), USB_DT_CONFIG, b);
        break;
    case USB_DT_STRING:
        ok = put_string(d, value, b);
        break;
    case USB_DT_QUALIFIER:
        ok = put_qualifier(d, b);
        break;
    case USB_DT_OTHER_SPEED:
        ok = other_speed(d) != NULL;
        if (ok) {
            put_config(other_speed(d), USB_DT_OTHER_SPEED, b);
        }
        break;
    case USB_DT_BOS:
        ok = ds->super != NULL;
        put_bos(b);
        break;
    default:
        ok = false;
    }
    if (ok) {
        len = MIN(b->len, room);
        memcpy(data, b->data, len);
    }
    g_byte_array_free(b, TRUE);
    return len;
}

static const USBDescIface *find_iface(const USBDevice *d, unsigned n,
                                      unsigned alt)
{
    const USBDescDevice *dd = usb_desc(d);

    for (unsigned i = 0; i < dd->n_ifaces; i++) {
        if (dd->ifaces[i].number == n && dd->ifaces[i].alternate == alt) {
            return &dd->ifaces[i];
        }
    }
    return NULL;
}

/* Bit of an endpoint in ->halted; 0: there is none. */
static uint32_t endpoint_bit(const USBDevice *d, uint16_t index)
{
    const USBDescDevice *dd = usb_desc(d);

    for (unsigned i = 0; i < dd->n_ifaces; i++) {
        for (unsigned k = 0; k < dd->ifaces[i].n_endpoints; k++) {
            if (dd->ifaces[i].endpoints[k].address == (index & 0xff)) {
                return 1u << ((index & 15) + (index & USB_DIR_IN ? 16 : 0));
            }
        }
    }
    return 0;
}

static int get_status(USBDevice *d, uint8_t recip, uint16_t index,
                      uint8_t *data)
{
    uint32_t bit;

    data[0] = data[1] = 0;
    switch (recip) {
    case USB_RECIP_DEVICE:
        data[0] = (usb_desc(d)->attributes & 0x40 ? 1 : 0) |
                  (d->remote_wakeup ? 2 : 0);
        return 2;
    case USB_RECIP_INTERFACE:
        return find_iface(d, index & 0xff, 0) ? 2 : -1;
    case USB_RECIP_ENDPOINT:
        bit = endpoint_bit(d, index);
        if (!bit && (index & 0x7f)) {
            return -1;
        }
        data[0] = !!(d->halted & bit);
        return 2;
    }
    return -1;
}

static int feature(USBDevice *d, uint8_t recip, uint16_t value, uint16_t index,
                   bool set)
{
    uint32_t bit;

    if (recip == USB_RECIP_DEVICE && value == USB_FEATURE_REMOTE_WAKEUP) {
        if (!(usb_desc(d)->attributes & 0x20)) {
            return -1;
        }
        d->remote_wakeup = set;
        return 0;
    }
    if (recip == USB_RECIP_DEVICE && d->speed == USB_SPEED_SUPER) {
        return 0; /* U1, U2, LTM: nothing to save */
    }
    if (recip == USB_RECIP_INTERFACE && d->speed == USB_SPEED_SUPER) {
        return 0; /* function suspend */
    }
    if (recip == USB_RECIP_ENDPOINT && value == USB_FEATURE_ENDPOINT_HALT) {
        bit = endpoint_bit(d, index);
        if (!bit && (index & 0x7f)) {
            return -1;
        }
        d->halted = set ? d->halted | bit : d->halted & ~bit;
        return 0;
    }
    return -1;
}

static int set_config(USBDevice *d, uint16_t value)
{
    if (value > 1) {
        return -1;
    }
    d->config = value;
    d->halted = 0;
    memset(d->alternate, 0, sizeof(d->alternate));
    if (usb_info(d)->set_config) {
        usb_info(d)->set_config(d);
    }
    return 0;
}

static int set_interface(USBDevice *d, uint16_t n, uint16_t alt)
{
    if (n >= USB_MAX_INTERFACES || !find_iface(d, n, alt)) {
        return -1;
    }
    d->alternate[n] = alt;
    if (usb_info(d)->set_interface) {
        usb_info(d)->set_interface(d, n, alt);
    }
    return 0;
}

int usb_standard_request(USBDevice *d, uint8_t type, uint8_t request,
                         uint16_t value, uint16_t index, uint16_t length,
                         uint8_t *data)
{
    uint8_t recip = type & USB_RECIP_MASK;
    bool in = type & USB_DIR_IN;

    switch (request) {
    case USB_REQ_GET_STATUS:
        return in ? get_status(d, recip, index, data) : -1;
    case USB_REQ_CLEAR_FEATURE:
    case USB_REQ_SET_FEATURE:
        return in ? -1 : feature(d, recip, value, index,
                                 request == USB_REQ_SET_FEATURE);
    case USB_REQ_SET_ADDRESS:
        if (in || recip || value > 127) {
            return -1;
        }
        d->addr = value;
        return 0;
    case USB_REQ_GET_DESCRIPTOR:
        return in && recip == USB_RECIP_DEVICE
                   ? get_descriptor(d, value, data, length) : -1;
    case USB_REQ_GET_CONFIGURATION:
        data[0] = d->config;
        return in ? 1 : -1;
    case USB_REQ_SET_CONFIGURATION:
        return in ? -1 : set_config(d, value);
    case USB_REQ_GET_INTERFACE:
        if (!in || index >= USB_MAX_INTERFACES || !find_iface(d, index, 0)) {
            return -1;
        }
        data[0] = d->alternate[index];
        return 1;
    case USB_REQ_SET_INTERFACE:
        return in ? -1 : set_interface(d, index, value);
    case 48: /* SET_SEL, SET_ISOCH_DELAY (USB 3): taken note of */
    case 49:
        return in || d->speed != USB_SPEED_SUPER ? -1 : 0;
    }
    return -1;
}
