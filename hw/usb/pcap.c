/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap=FILE: what goes to a device and comes from it, in the format of Linux's
 * usbmon (Documentation/usb/usbmon.rst; LINKTYPE_USB_LINUX_MMAPPED), which
 * Wireshark reads.  A transfer is two records, submission and completion;
 * control transfers are recorded whole, polls that were answered NAK never.
 */
#include "osdep.h"
#include "usb-int.h"

#define LINKTYPE  220
#define DATA_MAX  (64 * KiB) /* recorded of one transfer */

typedef struct PcapHeader {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snaplen, linktype;
} PcapHeader;

typedef struct PcapRecord {
    uint32_t sec, usec, len, full_len;
} PcapRecord;

typedef struct UsbmonRecord {
    uint64_t id;
    uint8_t type, xfer, ep, dev;
    uint16_t bus;
    uint8_t no_setup, no_data;
    int64_t sec;
    int32_t usec, status;
    uint32_t length, captured;
    uint8_t setup[8];
    int32_t interval, start_frame;
    uint32_t flags, ndesc;
} UsbmonRecord;

enum { XFER_ISO, XFER_INTERRUPT, XFER_CONTROL, XFER_BULK };

struct USBPcap {
    FILE *file; /* NULL: it could not be written */
    uint64_t next_id;
};

USBPcap *usb_pcap_open(const char *path, Error **errp)
{
    PcapHeader h = { 0xa1b2c3d4, 2, 4, .linktype = LINKTYPE,
                     .snaplen = DATA_MAX + sizeof(UsbmonRecord) };
    FILE *f = fopen(path, "we");
    USBPcap *c;

    if (!f || fwrite(&h, sizeof(h), 1, f) != 1 || fflush(f) != 0) {
        error_setg(errp, "pcap: could not write '%s': %s", path,
                   strerror(errno));
        if (f) {
            fclose(f);
        }
        return NULL;
    }
    c = g_new0(USBPcap, 1);
    c->file = f;
    return c;
}

void usb_pcap_close(USBPcap *c)
{
    if (c && c->file) {
        fclose(c->file);
    }
    g_free(c);
}

static uint8_t xfer_of(const USBDevice *d, uint8_t ep)
{
    static const uint8_t kinds[] = {
        [USB_ENDPOINT_CONTROL] = XFER_CONTROL, [USB_ENDPOINT_ISOC] = XFER_ISO,
        [USB_ENDPOINT_BULK] = XFER_BULK, [USB_ENDPOINT_INT] = XFER_INTERRUPT,
    };
    const USBDescDevice *dd = usb_desc(d);

    for (unsigned i = 0; i < dd->n_ifaces; i++) {
        for (unsigned k = 0; k < dd->ifaces[i].n_endpoints; k++) {
            const USBDescEndpoint *e = &dd->ifaces[i].endpoints[k];

            if (e->address == ep) {
                return kinds[e->attributes & 3];
            }
        }
    }
    return ep & 15 ? XFER_BULK : XFER_CONTROL;
}

static int error_of(int status)
{
    switch (status) {
    case USB_OK:
        return 0;
    case USB_STALL:
        return -EPIPE;
    case USB_BABBLE:
        return -EOVERFLOW;
    case USB_NODEV:
        return -ENODEV;
    case USB_ASYNC:
        return -EINPROGRESS;
    case USB_NAK: /* taken back */
        return -ENOENT;
    default:
        return -EPROTO;
    }
}

static void put(USBDevice *d, UsbmonRecord *r, const uint8_t *data)
{
    USBPcap *c = d->pcap;
    int64_t now = g_get_real_time();
    PcapRecord head;

    if (!c->file) {
        return;
    }
    r->dev = d->addr;
    r->bus = ((USBBus *)d->qdev.parent_bus)->busnr + 1;
    r->sec = now / G_USEC_PER_SEC;
    r->usec = now % G_USEC_PER_SEC;
    r->captured = data ? MIN(r->length, DATA_MAX) : 0;
    if (!data && r->length) {
        r->no_data = r->ep & USB_DIR_IN ? '<' : '>';
    }
    head = (PcapRecord){ r->sec, r->usec, sizeof(*r) + r->captured,
                         sizeof(*r) + (data ? r->length : 0) };
    if (fwrite(&head, sizeof(head), 1, c->file) != 1 ||
        fwrite(r, sizeof(*r), 1, c->file) != 1 ||
        (r->captured && fwrite(data, r->captured, 1, c->file) != 1) ||
        fflush(c->file) != 0) {
        warn_report("pcap: could not write: %s", strerror(errno));
        fclose(c->file);
        c->file = NULL;
    }
}

void usb_pcap_control(USBDevice *d, const uint8_t setup[8],
                      const uint8_t *data, int result)
{
    bool in = setup[0] & USB_DIR_IN;
    uint16_t length = setup[6] | setup[7] << 8;
    UsbmonRecord r = { .type = 'S', .xfer = XFER_CONTROL,
                       .ep = in ? USB_DIR_IN : 0, .status = -EINPROGRESS,
                       .length = length };

    if (!d->pcap) {
        return;
    }
    r.id = d->pcap->next_id++;
    memcpy(r.setup, setup, 8);
    put(d, &r, in ? NULL : data);
    r.type = 'C';
    r.no_setup = '-';
    r.no_data = 0;
    r.status = result < 0 ? -EPIPE : 0;
    r.length = result < 0 ? 0 : in ? (uint32_t)result : length;
    put(d, &r, in ? data : NULL);
}

static UsbmonRecord packet_record(const USBDevice *d, const USBPacket *p)
{
    UsbmonRecord r = { .id = p->pcap_id, .no_setup = '-',
                       .ep = p->ep | (p->pid == USB_PID_IN ? USB_DIR_IN : 0) };

    r.xfer = xfer_of(d, r.ep);
    return r;
}

void usb_pcap_submit(USBDevice *d, USBPacket *p)
{
    UsbmonRecord r;

    if (!d->pcap) {
        return;
    }
    p->pcap_id = d->pcap->next_id++;
    r = packet_record(d, p);
    r.type = 'S';
    r.status = -EINPROGRESS;
    r.length = p->size;
    put(d, &r, p->pid == USB_PID_IN ? NULL : p->data);
}

void usb_pcap_complete(USBDevice *d, const USBPacket *p)
{
    UsbmonRecord r;

    if (!d->pcap) {
        return;
    }
    r = packet_record(d, p);
    r.type = 'C';
    r.status = error_of(p->status);
    r.length = p->status == USB_OK ? p->actual : 0;
    put(d, &r, p->pid == USB_PID_IN ? p->data : NULL);
}
