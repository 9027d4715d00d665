/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI: port registers (4.19).  Each connector has a USB 2 and a USB 3
 * register; the device's speed says where it shows.
 */
#include "osdep.h"
#include "xhci-int.h"

/* ---- ports --------------------------------------------------------------- */

/* Register of connector @n for @speed. */
static unsigned port_of(const XHCIState *s, unsigned n, USBSpeed speed)
{
    return speed == USB_SPEED_SUPER ? s->p2 + n : n;
}

/* The other way: of root port @root, from 1. */
static unsigned connector(const XHCIState *s, unsigned root)
{
    return root > s->p2 ? root - s->p2 - 1 : root - 1;
}

static void port_event(XHCIState *s, unsigned n, uint32_t change)
{
    if ((s->portsc[n] & change) == change) {
        return;
    }
    s->portsc[n] |= change;
    s->sts |= STS_PCD;
    xhci_event(s, 0, (uint64_t)(n + 1) << 24, CC_SUCCESS << 24,
          TRB_EV_PORT << 10);
}

void xhci_set_pls(XHCIState *s, unsigned n, unsigned pls)
{
    s->portsc[n] = (s->portsc[n] & ~P_PLS) | pls << 5;
}

void xhci_attach(USBPort *port)
{
    static const uint8_t ids[USB_SPEEDS] = { 2, 1, 3, 4 };
    XHCIState *s = port->opaque;
    USBSpeed speed = port->dev->speed;
    unsigned n = port_of(s, port->index, speed);

    s->portsc[n] = (s->portsc[n] & ~P_SPEED) | P_CCS | ids[speed] << 10;
    if (speed == USB_SPEED_SUPER) {
        s->portsc[n] |= P_PED;
        xhci_set_pls(s, n, PLS_U0);
    } else {
        xhci_set_pls(s, n, PLS_POLLING);
    }
    port_event(s, n, P_CSC);
}

static void xhci_cancel(USBPort *port, USBDevice *d)
{
    XHCIState *s = port->opaque;

    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; k < EPS; k++) {
            XHCIEp *e = &s->slot[i].ep[k];

            if (e->xfer && e->xfer->packet.dev == d) {
                xhci_xfer_drop(e);
            }
        }
    }
}

static void xhci_detach(USBPort *port)
{
    XHCIState *s = port->opaque;
    unsigned n = port_of(s, port->index, port->dev->speed);

    s->portsc[n] &= ~(P_CCS | P_PED | P_SPEED | P_PR);
    xhci_set_pls(s, n, PLS_RXDETECT);
    port_event(s, n, P_CSC);
}

static void xhci_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    XHCIState *s = port->opaque;
    USBDevice *root = port->dev;
    unsigned n = port_of(s, port->index, root ? root->speed : d->speed);

    if ((s->portsc[n] & P_PLS) >> 5 == PLS_U3 && root &&
        root->remote_wakeup) {
        xhci_set_pls(s, n, PLS_RESUME);
        port_event(s, n, P_PLC);
    }
    /* A hub passes on for those behind it: all that wait on such an endpoint
     * look again. */
    for (unsigned i = 0; i < SLOTS; i++) {
        XHCISlot *sl = &s->slot[i];

        for (unsigned k = 2 * ep - 1; ep && k <= 2 * ep; k++) { /* out, in */
            if (sl->enabled && sl->root && sl->ep[k].state == EP_RUNNING &&
                connector(s, sl->root) == port->index) {
                sl->ep[k].again = true;
                bh_schedule(s->bh);
            }
        }
    }
}

static void xhci_complete(USBPort *port, USBPacket *p)
{
    XHCIState *s = port->opaque;

    container_of(p, XHCITransfer, packet)->done = true;
    bh_schedule(s->bh);
}

const USBPortOps xhci_port_ops = {
    .attach = xhci_attach,
    .detach = xhci_detach,
    .cancel = xhci_cancel,
    .wakeup = xhci_wakeup,
    .complete = xhci_complete,
};

static void port_reset(XHCIState *s, unsigned n, bool warm)
{
    bool super = n >= s->p2;
    USBPort *p = &s->ports[super ? n - s->p2 : n];

    if (!(s->portsc[n] & P_CCS) || !p->dev || !p->dev->attached) {
        return;
    }
    usb_port_reset(p);
    s->portsc[n] = (s->portsc[n] | P_PED) & ~P_PR;
    xhci_set_pls(s, n, PLS_U0);
    port_event(s, n, P_PRC | (warm && super ? P_WRC : 0));
}

void xhci_port_write(XHCIState *s, unsigned n, uint32_t v)
{
    if (v & P_WPR && n >= s->p2) {
        port_reset(s, n, true);
        return;
    }
    if (v & P_PR) {
        port_reset(s, n, false);
        return;
    }
    s->portsc[n] &= ~(v & P_CHANGES);
    if (v & P_PED) {
        s->portsc[n] &= ~P_PED;
    }
    if (v & P_LWS) {
        unsigned from = (s->portsc[n] & P_PLS) >> 5, to = (v & P_PLS) >> 5;

        if (to == PLS_U0 && from != PLS_U0 && s->portsc[n] & P_PED) {
            xhci_set_pls(s, n, PLS_U0);
            port_event(s, n, P_PLC);
        } else if (to == PLS_U3 && from < PLS_U3) {
            xhci_set_pls(s, n, PLS_U3);
        } else if (to == PLS_RESUME && from == PLS_U3) {
            xhci_set_pls(s, n, PLS_RESUME);
        } else if (to == PLS_RXDETECT && !(s->portsc[n] & P_CCS)) {
            xhci_set_pls(s, n, PLS_RXDETECT);
        }
    }
    s->portsc[n] = (s->portsc[n] & ~(P_PP | P_WAKE)) | (v & (P_PP | P_WAKE));
}
