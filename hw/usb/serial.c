/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-serial: a serial port as FTDI's FT232BM has it (its data sheet; requests
 * as Linux's ftdi_sio.h lists them) on a character device.
 *
 * Each packet to the host begins with modem and line status.  Without data and
 * news of the lines the device answers NAK.  It is plugged in while the other
 * end is open, or always (always-plugged).
 */
#include "osdep.h"
#include "chardev/char.h"
#include "hw/usb.h"

#define RX_ROOM 1024
#define PACKET  64
#define EP_IN   1
#define EP_OUT  2

enum { FTDI_RESET = 0, FTDI_MODEM_CTRL = 1, FTDI_FLOW_CTRL = 2,
       FTDI_BAUD_RATE = 3, FTDI_DATA = 4, FTDI_MODEM_STATUS = 5,
       FTDI_EVENT_CHAR = 6, FTDI_ERROR_CHAR = 7, FTDI_SET_LATENCY = 9,
       FTDI_GET_LATENCY = 10 };
enum { ST_ONE = 0x01, ST_CTS = 0x10, ST_DSR = 0x20, ST_RI = 0x40,
       ST_RLSD = 0x80 };
enum { LS_OVERRUN = 0x02, LS_BREAK = 0x10, LS_THRE = 0x20, LS_TEMT = 0x40 };

typedef struct USBSerial {
    USBDevice usb;
    /* Properties. */
    CharFrontend chr;
    bool always_plugged;
    /* Guest-visible state. */
    uint8_t rx[RX_ROOM];
    uint32_t rx_at, rx_len; /* a ring */
    uint8_t latency, event_char, error_char;
    uint8_t line_news;   /* LS_x to tell once */
    bool news;           /* a packet without data is due */
    uint32_t baud;
    uint8_t data_bits, stop_bits;
    uint32_t parity;     /* 'N', 'E', 'O' */
    /* Host side: sent, and not taken by the back end yet. */
    GByteArray *tx;
} USBSerial;

/* ---- the other end ------------------------------------------------------- */

static void send_params(USBSerial *s)
{
    ChrSerialParams p = { s->baud, s->parity, s->data_bits, s->stop_bits };

    chr_fe_set_serial_params(&s->chr, &p);
}

static uint8_t modem_status(USBSerial *s)
{
    int t;

    if (chr_fe_get_tiocm(&s->chr, &t) != 0) {
        return ST_ONE | ST_CTS | ST_DSR | ST_RLSD;
    }
    return ST_ONE | (t & CHR_TIOCM_CTS ? ST_CTS : 0) |
           (t & CHR_TIOCM_DSR ? ST_DSR : 0) | (t & CHR_TIOCM_RI ? ST_RI : 0) |
           (t & CHR_TIOCM_CAR ? ST_RLSD : 0);
}

static int serial_can_read(void *opaque)
{
    USBSerial *s = opaque;

    return s->usb.attached && s->usb.config ? RX_ROOM - s->rx_len : 0;
}

static void serial_read(void *opaque, const uint8_t *buf, int len)
{
    USBSerial *s = opaque;

    for (int i = 0; i < len && s->rx_len < RX_ROOM; i++) {
        s->rx[(s->rx_at + s->rx_len++) % RX_ROOM] = buf[i];
    }
    usb_wakeup(&s->usb, EP_IN);
}

static void serial_event(void *opaque, ChrEvent ev)
{
    USBSerial *s = opaque;

    switch (ev) {
    case CHR_EVENT_BREAK:
        s->line_news |= LS_BREAK;
        s->news = true;
        usb_wakeup(&s->usb, EP_IN);
        break;
    case CHR_EVENT_OPENED:
        usb_attach(&s->usb);
        break;
    case CHR_EVENT_CLOSED:
        if (!s->always_plugged) {
            usb_detach(&s->usb);
        }
        break;
    default:
        break;
    }
}

static void serial_tx_ready(void *opaque);

static void serial_flush(USBSerial *s)
{
    int n;

    while (s->tx->len) {
        n = chr_fe_write(&s->chr, s->tx->data, s->tx->len);
        if (n <= 0) {
            if (!chr_fe_backend_open(&s->chr)) {
                g_byte_array_set_size(s->tx, 0); /* nobody hears it */
                break;
            }
            chr_fe_add_watch(&s->chr, serial_tx_ready, s);
            return;
        }
        g_byte_array_remove_range(s->tx, 0, n);
    }
}

/* The endpoint takes more when all that waited is gone. */
static void serial_tx_ready(void *opaque)
{
    USBSerial *s = opaque;

    serial_flush(s);
    if (!s->tx->len) {
        usb_wakeup(&s->usb, EP_OUT);
    }
}

/* ---- requests ------------------------------------------------------------ */

static void drop_rx(USBSerial *s)
{
    s->rx_at = s->rx_len = 0;
    chr_fe_accept_input(&s->chr);
}

/* 3 MHz over a divisor that has eighths. */
static void set_baud(USBSerial *s, uint16_t value, uint16_t index)
{
    static const uint8_t eighths[8] = { 0, 4, 2, 1, 3, 5, 6, 7 };
    uint32_t div = (value & 0x3fff) * 8 +
                   eighths[value >> 14 | (index & 1) << 2];

    s->baud = div == 0 ? 3000000 : div == 8 ? 2000000 : 24000000 / div;
    send_params(s);
}

static int set_data(USBSerial *s, uint16_t value)
{
    static const char parities[] = "NOE";
    unsigned parity = value >> 8 & 7, stop = value >> 11 & 3;

    /* Mark and space, and one and a half stop bits are for no line here. */
    if (((value & 0x7f) != 7 && (value & 0x7f) != 8) || parity > 2 ||
        stop == 1 || stop > 2) {
        return -1;
    }
    s->data_bits = value & 0x7f;
    s->parity = parities[parity];
    s->stop_bits = stop ? 2 : 1;
    send_params(s);
    chr_fe_set_break(&s->chr, value & 0x4000);
    return 0;
}

static void set_modem(USBSerial *s, uint16_t value)
{
    int t;

    if (chr_fe_get_tiocm(&s->chr, &t) != 0) {
        return;
    }
    if (value & 0x100) {
        t = value & 1 ? t | CHR_TIOCM_DTR : t & ~CHR_TIOCM_DTR;
    }
    if (value & 0x200) {
        t = value & 2 ? t | CHR_TIOCM_RTS : t & ~CHR_TIOCM_RTS;
    }
    chr_fe_set_tiocm(&s->chr, t);
}

static void serial_init(USBSerial *s)
{
    s->latency = 16;
    s->event_char = 0x0d;
    s->error_char = 0;
    s->line_news = 0;
    s->news = true;
    s->baud = 9600;
    s->data_bits = 8;
    s->stop_bits = 1;
    s->parity = 'N';
    drop_rx(s);
}

static int serial_control(USBDevice *d, uint8_t type, uint8_t request,
                          uint16_t value, uint16_t index, uint16_t length,
                          uint8_t *data)
{
    USBSerial *s = (USBSerial *)d;
    bool in = type & USB_DIR_IN;

    if ((type & ~USB_DIR_IN) != (USB_TYPE_VENDOR | USB_RECIP_DEVICE) ||
        in != (request == FTDI_MODEM_STATUS || request == FTDI_GET_LATENCY)) {
        return -1;
    }
    switch (request) {
    case FTDI_RESET:
        if (value == 0) {
            serial_init(s);
        } else if (value == 1) {
            drop_rx(s);
        } else if (value == 2) {
            g_byte_array_set_size(s->tx, 0);
        }
        return value <= 2 ? 0 : -1;
    case FTDI_MODEM_CTRL:
        set_modem(s, value);
        return 0;
    case FTDI_FLOW_CTRL: /* the line has as much room as it needs */
        return 0;
    case FTDI_BAUD_RATE:
        set_baud(s, value, index);
        return 0;
    case FTDI_DATA:
        return set_data(s, value);
    case FTDI_MODEM_STATUS:
        data[0] = modem_status(s);
        return 1;
    case FTDI_EVENT_CHAR:
        s->event_char = value;
        return 0;
    case FTDI_ERROR_CHAR:
        s->error_char = value;
        return 0;
    case FTDI_SET_LATENCY:
        s->latency = value;
        return 0;
    case FTDI_GET_LATENCY:
        data[0] = s->latency;
        return 1;
    }
    return -1;
}

/* ---- packets ------------------------------------------------------------- */

static void give_data(USBSerial *s, USBPacket *p)
{
    while (p->actual + 2 < p->size && (s->rx_len || s->news)) {
        uint8_t *b = p->data + p->actual;
        uint32_t n = MIN(s->rx_len, MIN(p->size - p->actual, PACKET) - 2);

        b[0] = modem_status(s);
        b[1] = LS_THRE | LS_TEMT | s->line_news;
        s->line_news = 0;
        s->news = false;
        for (uint32_t i = 0; i < n; i++) {
            b[2 + i] = s->rx[s->rx_at];
            s->rx_at = (s->rx_at + 1) % RX_ROOM;
        }
        s->rx_len -= n;
        p->actual += 2 + n;
        if (2 + n < PACKET) {
            break;
        }
    }
    if (!p->actual) {
        p->status = USB_NAK;
        return;
    }
    chr_fe_accept_input(&s->chr);
}

static void serial_data(USBDevice *d, USBPacket *p)
{
    USBSerial *s = (USBSerial *)d;

    if (p->pid == USB_PID_IN && p->ep == EP_IN) {
        give_data(s, p);
    } else if (p->pid == USB_PID_OUT && p->ep == EP_OUT) {
        if (s->tx->len) {
            p->status = USB_NAK;
            return;
        }
        g_byte_array_append(s->tx, p->data, p->size);
        p->actual = p->size;
        serial_flush(s);
    } else {
        p->status = USB_STALL;
    }
}

static void serial_bus_reset(USBDevice *d)
{
    serial_init((USBSerial *)d);
}

static void serial_set_config(USBDevice *d)
{
    chr_fe_accept_input(&((USBSerial *)d)->chr);
}

/* ---- life ---------------------------------------------------------------- */

static bool serial_realize(DeviceState *dev, Error **errp)
{
    USBSerial *s = (USBSerial *)dev;

    if (!chr_fe_connected(&s->chr)) {
        error_setg(errp, "Property chardev is required");
        return false;
    }
    s->tx = g_byte_array_new();
    s->usb.self_attach = true;
    serial_init(s);
    chr_fe_set_handlers(&s->chr, serial_can_read, serial_read, serial_event,
                        s);
    if (s->always_plugged || chr_fe_backend_open(&s->chr)) {
        usb_attach(&s->usb);
    }
    return true;
}

static void serial_unrealize(DeviceState *dev)
{
    USBSerial *s = (USBSerial *)dev;

    chr_fe_cancel_watch(&s->chr);
    chr_fe_deinit(&s->chr);
    g_byte_array_free(s->tx, TRUE);
}

static void save_tx(const void *field, VMStateWriter *w)
{
    GByteArray *tx = *(GByteArray *const *)field;

    vmstate_put_u32(w, tx->len);
    vmstate_put_bytes(w, tx->data, tx->len);
}

static bool load_tx(void *field, VMStateReader *r, Error **errp)
{
    GByteArray *tx = *(GByteArray **)field;
    uint32_t n;

    if (!vmstate_get_u32(r, &n, errp)) {
        return false;
    }
    if (n > 1 * MiB) {
        error_setg(errp, "usb-serial: too much to send");
        return false;
    }
    g_byte_array_set_size(tx, n);
    return vmstate_get_bytes(r, tx->data, n, errp);
}

static bool serial_post_load(void *opaque, int version, Error **errp)
{
    USBSerial *s = opaque;

    if (s->rx_at >= RX_ROOM || s->rx_len > RX_ROOM) {
        error_setg(errp, "usb-serial: data received out of range");
        return false;
    }
    send_params(s);
    serial_flush(s);
    return true;
}

static const VMStateField serial_fields[] = {
    VMSTATE_USB_DEVICE(usb, USBSerial),
    VMSTATE_BUFFER(rx, USBSerial),
    VMSTATE_UINT32(rx_at, USBSerial),
    VMSTATE_UINT32(rx_len, USBSerial),
    VMSTATE_UINT8(latency, USBSerial),
    VMSTATE_UINT8(event_char, USBSerial),
    VMSTATE_UINT8(error_char, USBSerial),
    VMSTATE_UINT8(line_news, USBSerial),
    VMSTATE_BOOL(news, USBSerial),
    VMSTATE_UINT32(baud, USBSerial),
    VMSTATE_UINT8(data_bits, USBSerial),
    VMSTATE_UINT8(stop_bits, USBSerial),
    VMSTATE_UINT32(parity, USBSerial),
    VMSTATE_CUSTOM("tx", USBSerial, tx, save_tx, load_tx),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_serial = {
    .name = "usb-serial",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = serial_post_load,
    .fields = serial_fields,
};

/* ---- descriptors, registration ------------------------------------------- */

static const USBDescEndpoint serial_eps[] = {
    { .address = USB_DIR_IN | EP_IN, .attributes = USB_ENDPOINT_BULK,
      .max_packet = PACKET },
    { .address = EP_OUT, .attributes = USB_ENDPOINT_BULK,
      .max_packet = PACKET },
};
static const USBDescIface serial_ifaces[] = {
    { .class_id = 0xff, .subclass = 0xff, .protocol = 0xff, .n_endpoints = 2,
      .endpoints = serial_eps },
};
static const USBDescDevice serial_full = {
    .bcd_usb = 0x0200, .max_packet0 = 8, .attributes = 0, .max_power = 50,
    .n_ifaces = 1, .ifaces = serial_ifaces,
};
static const char *const serial_strings[USB_MAX_STRINGS] = {
    [1] = "QEMU", [2] = "QEMU USB SERIAL",
};
static const USBDesc serial_desc = {
    .vendor = 0x0403, .product = 0x6001, .bcd_device = 0x0400,
    .manufacturer = 1, .product_string = 2, .serial_string = 3,
    .full = &serial_full, .strings = serial_strings, .serial_prefix = "1",
};

static const USBDeviceInfo serial_usb_info = {
    .product = "QEMU USB Serial",
    .desc = &serial_desc,
    .control = serial_control,
    .data = serial_data,
    .bus_reset = serial_bus_reset,
    .set_config = serial_set_config,
};

static const Property serial_props[] = {
    PROP_CHARDEV("chardev", USBSerial, chr),
    PROP_BOOL("always-plugged", USBSerial, always_plugged, false),
    PROP_END(),
};

static const DeviceInfo serial_info = {
    .name = "usb-serial",
    .desc = "USB serial port (FTDI)",
    .bus = BUS_USB,
    .category = DEVICE_CATEGORY_INPUT,
    .size = sizeof(USBSerial),
    .props = serial_props,
    .vmsd = &vmstate_serial,
    .bus_info = &serial_usb_info,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
};

static void usb_serial_register(void)
{
    device_register(&serial_info);
}
device_init(usb_serial_register)
