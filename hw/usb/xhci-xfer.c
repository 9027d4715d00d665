/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI: slots, endpoints and their transfers (4.8 to 4.11).
 *
 * A doorbell runs an endpoint's ring until a device answers NAK; usb_wakeup()
 * of the device, or the answer to a packet that took longer, runs it again.
 * The ring's dequeue pointer moves when a transfer (TD) is done, so a transfer
 * under way can always be started anew.
 *
 *   - Bounds: TD_TRBS blocks and TD_BYTES of one transfer, RUN transfers at one
 *     doorbell.
 *   - A transfer's DMA may hit our doorbells: an endpoint that runs is not run
 *     again, but once more afterwards.
 *   - An isochronous transfer is done when its doorbell rings: one that the
 *     device has no answer to is empty, and errors halt nothing.
 */
#include "osdep.h"
#include "xhci-int.h"

#define TD_BYTES   (1 * MiB)
#define RUN        128

/* ---- contexts ------------------------------------------------------------ */

void xhci_ep_store(XHCIState *s, unsigned slot, unsigned ep)
{
    XHCISlot *sl = &s->slot[slot - 1];
    XHCIEp *e = &sl->ep[ep - 1];
    uint64_t at = sl->ctx + 32 * ep;
    uint32_t w[4];

    if (!sl->ctx) {
        return;
    }
    xhci_get(s, at, w, 4);
    w[0] = (w[0] & ~7u) | e->state;
    w[2] = (uint32_t)e->ring.dequeue | e->ring.cycle;
    w[3] = e->ring.dequeue >> 32;
    xhci_put(s, at, w, 4);
}

void xhci_slot_store(XHCIState *s, unsigned slot)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint32_t w;

    if (!sl->ctx) {
        return;
    }
    xhci_get(s, sl->ctx + 12, &w, 1);
    w = (w & 0x07ffff00) | sl->state << 27 |
        (sl->state >= SLOT_ADDRESSED ? slot : 0);
    xhci_put(s, sl->ctx + 12, &w, 1);
}

void xhci_xfer_drop(XHCIEp *e)
{
    XHCITransfer *x = e->xfer;

    e->xfer = NULL;
    if (x) {
        if (!x->done) {
            usb_cancel_packet(&x->packet);
        }
        g_free(x);
    }
}

void xhci_ep_disable(XHCIEp *e)
{
    xhci_xfer_drop(e);
    e->state = EP_DISABLED;
}

void xhci_slot_disable(XHCISlot *sl)
{
    for (unsigned i = 0; i < EPS; i++) {
        xhci_ep_disable(&sl->ep[i]);
    }
    sl->enabled = false;
    sl->state = sl->route = sl->root = 0;
    sl->ctx = 0;
}

/* By root port and route string: four bits a hub. */
USBDevice *xhci_slot_device(XHCIState *s, const XHCISlot *sl)
{
    unsigned n = sl->root > s->p2 ? sl->root - s->p2 : sl->root;
    g_autoptr(GString) path = g_string_new(NULL);
    USBPort *p;

    if (!sl->root || sl->root > s->p2 + s->p3) {
        return NULL;
    }
    g_string_printf(path, "%u", n);
    for (uint32_t r = sl->route & 0xfffff; r; r >>= 4) {
        g_string_append_printf(path, ".%u", r & 15);
    }
    list_foreach(p, &s->bus.ports, node) {
        if (!strcmp(p->path, path->str)) {
            return p->dev && p->dev->attached ? p->dev : NULL;
        }
    }
    return NULL;
}

/* ---- transfers ----------------------------------------------------------- */

static void xfer_event(XHCITransfer *x, const XHCITrb *t, uint64_t param,
                       uint32_t length, unsigned code, bool evdata)
{
    XHCIState *s = x->s;

    xhci_event(s, t->status >> 22 & 0x3ff, param,
          (length & 0xffffff) | code << 24,
          TRB_EV_TRANSFER << 10 | (uint32_t)x->ep << 16 |
              (uint32_t)x->slot << 24 | (evdata ? 4 : 0));
}

static bool carries_data(const XHCITrb *t)
{
    unsigned type = xhci_trb_type(t);

    return type == TRB_NORMAL || type == TRB_DATA || type == TRB_ISOCH;
}

/* Data between the blocks' buffers and x->data; bytes moved. */
static uint32_t xfer_copy(XHCITransfer *x, bool in, uint32_t len)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < x->n && at < len; i++) {
        const XHCITrb *t = &x->trb[i];
        uint32_t part = MIN(t->status & 0x1ffff, len - at);

        if (!carries_data(t)) {
            continue;
        }
        if (t->control & TRB_IDT && !in) {
            uint8_t b[8];

            part = MIN(part, 8);
            pci_set_long(b, t->param);
            pci_set_long(b + 4, t->param >> 32);
            memcpy(x->data + at, b, part);
        } else if (in) {
            pci_dma_write(&x->s->pci, t->param, x->data + at, part);
        } else {
            pci_dma_read(&x->s->pci, t->param, x->data + at, part);
        }
        at += part;
    }
    return at;
}

static bool ep_is_iso(const XHCIEp *e)
{
    return (e->type & 3) == USB_ENDPOINT_ISOC;
}

static unsigned code_of(int status)
{
    return status == USB_OK ? CC_SUCCESS : status == USB_STALL ? CC_STALL
           : status == USB_BABBLE ? CC_BABBLE : CC_TRANSACTION;
}

/* Events of a transfer that is done (4.10.1, 4.11.5). */
static void xfer_report(XHCITransfer *x)
{
    unsigned code = code_of(x->packet.status);
    uint32_t left = x->packet.actual, total = 0;
    bool told = false, is_short = false;

    for (unsigned i = 0; i < x->n; i++) {
        const XHCITrb *t = &x->trb[i];
        unsigned type = xhci_trb_type(t);
        uint32_t len = carries_data(t) ? t->status & 0x1ffff : 0;
        uint32_t part = MIN(left, len);
        bool last = i + 1 == x->n;

        if (code != CC_SUCCESS) {
            /* One event, at the block that failed: the first that got less
             * than it has. */
            left -= part;
            if (last || (len && part < len)) {
                xfer_event(x, t, t->addr, len - part, code, false);
                return;
            }
            continue;
        }
        left -= part;
        total += part;
        if (type == TRB_EVDATA) {
            if (t->control & TRB_IOC) {
                xfer_event(x, t, t->param, total,
                           is_short ? CC_SHORT : CC_SUCCESS, true);
                told = true;
            }
            total = 0;
            continue;
        }
        if (is_short && type != TRB_STATUS) {
            if (last && t->control & TRB_IOC && !told) {
                xfer_event(x, t, t->addr, len, CC_SHORT, false);
            }
            continue;
        }
        if (len && part < len) {
            is_short = true;
            if (t->control & (TRB_ISP | TRB_IOC)) {
                xfer_event(x, t, t->addr, len - part, CC_SHORT, false);
                told = true;
            }
        } else if (t->control & TRB_IOC) {
            xfer_event(x, t, t->addr, len - part, CC_SUCCESS, false);
            told = true;
        }
    }
}

/* x->packet has its answer.  False: NAK, the ring stays where it is. */
static bool xfer_finish(XHCITransfer *x)
{
    XHCIState *s = x->s;
    XHCIEp *e = &s->slot[x->slot - 1].ep[x->ep - 1];

    bool iso = ep_is_iso(e);

    if (x->packet.status == USB_NAK && iso) {
        x->packet.status = USB_OK; /* nothing this time */
        x->packet.actual = 0;
    }
    if (x->packet.status == USB_NAK) {
        return false;
    }
    if (x->packet.status == USB_OK && x->packet.pid == USB_PID_IN) {
        xfer_copy(x, true, x->packet.actual);
    }
    if (x->packet.status == USB_OK || iso) { /* which goes on */
        e->ring = x->after;
    } else {
        e->state = EP_HALTED;
    }
    xhci_ep_store(s, x->slot, x->ep);
    xfer_report(x);
    return e->state == EP_RUNNING;
}

/* The next whole transfer of the ring: NULL if there is none.  *@bad: it is
 * none that can be. */
static XHCITransfer *xfer_fetch(XHCIState *s, unsigned slot, unsigned ep,
                                bool *bad)
{
    XHCIEp *e = &s->slot[slot - 1].ep[ep - 1];
    XHCITransfer *x;
    XHCIRing r = e->ring;
    XHCITrb t[1];
    GArray *list = g_array_new(FALSE, FALSE, sizeof(XHCITrb));
    uint64_t bytes = 0;
    bool whole = false;

    *bad = false;
    while (!whole && list->len < TD_TRBS && xhci_ring_fetch(s, &r, t)) {
        g_array_append_val(list, *t);
        if (carries_data(t)) {
            bytes += t->status & 0x1ffff;
        }
        whole = ep == 1 ? xhci_trb_type(t) == TRB_STATUS ||
                              (list->len == 1 && xhci_trb_type(t) != TRB_SETUP)
                        : !(t->control & TRB_CHAIN);
        /* The status stage may be followed by event data. */
        if (whole && ep == 1 && t->control & TRB_CHAIN &&
            xhci_trb_type(t) == TRB_STATUS) {
            if (!xhci_ring_fetch(s, &r, t)) {
                whole = false;
                break;
            }
            g_array_append_val(list, *t);
        }
    }
    if (bytes > TD_BYTES || (!whole && list->len >= TD_TRBS)) {
        *bad = true;
        bytes = 0;
    }
    if (!whole && !*bad) {
        g_array_free(list, TRUE);
        return NULL;
    }
    x = g_malloc0(sizeof(*x) + bytes);
    x->s = s;
    x->slot = slot;
    x->ep = ep;
    x->after = r;
    x->n = MIN(list->len, TD_TRBS);
    memcpy(x->trb, list->data, x->n * sizeof(XHCITrb));
    x->packet.data = x->data;
    x->packet.size = bytes;
    g_array_free(list, TRUE);
    return x;
}

static void xfer_submit(XHCITransfer *x)
{
    XHCIState *s = x->s;
    USBDevice *d = xhci_slot_device(s, &s->slot[x->slot - 1]);
    USBPacket *p = &x->packet;
    uint8_t setup[8];

    p->ep = x->ep / 2;
    p->pid = x->ep & 1 ? USB_PID_IN : USB_PID_OUT;
    if (x->ep == 1) {
        const XHCITrb *t = x->trb;

        if (xhci_trb_type(t) != TRB_SETUP) {
            p->status = xhci_trb_type(t) == TRB_NOOP ? USB_OK : USB_IOERROR;
            return;
        }
        pci_set_long(setup, t->param);
        pci_set_long(setup + 4, t->param >> 32);
        p->pid = setup[0] & USB_DIR_IN ? USB_PID_IN : USB_PID_OUT;
        if (p->pid == USB_PID_OUT) {
            xfer_copy(x, false, p->size);
        }
        /* A request longer than its data stage reads what fits. */
        if (pci_get_word(setup + 6) > p->size) {
            pci_set_word(setup + 6, p->size);
        }
        usb_control_transfer(d, setup, p);
        return;
    }
    if (xhci_trb_type(x->trb) == TRB_NOOP) {
        p->status = USB_OK;
        return;
    }
    if (p->pid == USB_PID_OUT) {
        xfer_copy(x, false, p->size);
    }
    usb_handle_packet(d, p);
    if (p->pid == USB_PID_OUT && p->status == USB_OK) {
        p->actual = p->size;
    }
}

void xhci_ep_run(XHCIState *s, unsigned slot, unsigned ep)
{
    XHCISlot *sl = &s->slot[slot - 1];
    XHCIEp *e = &sl->ep[ep - 1];

    if (e->running) {
        e->again = true;
        return;
    }
    e->running = true;
    for (unsigned n = 0; n < RUN; n++) {
        XHCITransfer *x = e->xfer;
        bool bad, more;

        e->again = false;
        if (!(s->cmd & CMD_RS) || !sl->enabled || e->state != EP_RUNNING) {
            break;
        }
        if (x && !x->done) {
            break;
        }
        if (!x) {
            x = xfer_fetch(s, slot, ep, &bad);
            if (!x) {
                break;
            }
            if (bad) {
                x->packet.status = USB_IOERROR;
            } else {
                e->xfer = x;
                xfer_submit(x);
                if (e->xfer != x) { /* a doorbell or a detach took it */
                    break;
                }
            }
            if (x->packet.status == USB_ASYNC) {
                break;
            }
        }
        e->xfer = NULL;
        more = xfer_finish(x);
        g_free(x);
        if (!more && !e->again) {
            break;
        }
        if (n == RUN - 1) {
            e->again = true;
            bh_schedule(s->bh);
        }
    }
    e->running = false;
}

/* What was left over by xhci_ep_run(), or completed meanwhile. */
void xhci_bh(void *opaque)
{
    XHCIState *s = opaque;

    if (!runstate_is_running()) {
        return; /* comes again when it is */
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; s->slot[i].enabled && k < EPS; k++) {
            XHCIEp *e = &s->slot[i].ep[k];

            if (e->again || (e->xfer && e->xfer->done)) {
                xhci_ep_run(s, i + 1, k + 1);
            }
        }
    }
}

void xhci_settle(XHCIState *s)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; s->slot[i].enabled && k < EPS; k++) {
            XHCIEp *e = &s->slot[i].ep[k];
            XHCITransfer *x = e->xfer;

            if (x && x->done) {
                e->xfer = NULL;
                xfer_finish(x);
                g_free(x);
                e->again = true;
            }
        }
    }
}
