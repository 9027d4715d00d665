/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extensible Host Controller Interface (xHCI specification 1.1), without
 * streams and isochronous endpoints.
 *
 * Nothing here polls: a doorbell runs an endpoint's ring until a device answers
 * NAK; usb_wakeup() of the device, or the answer to a packet that took longer,
 * runs it again.  The ring's dequeue pointer moves when a transfer (TD) is
 * done, so a transfer under way can always be started anew.
 *
 * Each connector has a USB 2 and a USB 3 port register; the device's speed
 * says where it shows.
 *
 *   - Rings are read with bounds: LINKS links in a row, TD_TRBS blocks and
 *     TD_BYTES of one transfer, RUN transfers at one doorbell.
 *   - A transfer's DMA may hit our doorbells: an endpoint that runs is not run
 *     again, but once more afterwards.
 *
 * xhci_update_irq() alone moves the INTx line.
 */
#include "osdep.h"
#include "hw/pci.h"
#include "hw/usb.h"
#include "util/log.h"

#define MAX_PORTS  15 /* of each kind */
#define SLOTS      64
#define EPS        31
#define INTRS      16
#define BAR_SIZE   0x4000
#define OP         0x40
#define PORT_REGS  0x440
#define RUNTIME    0x1000
#define DOORBELLS  0x2000
#define MSIX_TABLE 0x3000
#define MSIX_PBA   0x3800
#define LINKS      32
#define TD_TRBS    256
#define TD_BYTES   (1 * MiB)
#define RUN        128

enum { CMD_RS = 0x1, CMD_HCRST = 0x2, CMD_INTE = 0x4, CMD_CSS = 0x100,
       CMD_CRS = 0x200 };
enum { STS_HCH = 0x1, STS_EINT = 0x8, STS_PCD = 0x10, STS_SRE = 0x400,
       STS_HCE = 0x1000, STS_W1C = 0x41c };
enum { CRCR_RCS = 1, CRCR_CS = 2, CRCR_CA = 4, CRCR_CRR = 8 };
enum { P_CCS = 0x1, P_PED = 0x2, P_PR = 0x10, P_PLS = 0x1e0, P_PP = 0x200,
       P_SPEED = 0x3c00, P_LWS = 0x10000, P_CSC = 0x20000, P_PEC = 0x40000,
       P_WRC = 0x80000, P_OCC = 0x100000, P_PRC = 0x200000, P_PLC = 0x400000,
       P_CEC = 0x800000, P_CHANGES = 0xfe0000, P_WAKE = 0xe000000 };
#define P_WPR 0x80000000u
enum { PLS_U0 = 0, PLS_U3 = 3, PLS_RXDETECT = 5, PLS_POLLING = 7,
       PLS_RESUME = 15 };
enum { IMAN_IP = 1, IMAN_IE = 2, ERDP_EHB = 8 };
enum { TRB_NORMAL = 1, TRB_SETUP, TRB_DATA, TRB_STATUS, TRB_ISOCH, TRB_LINK,
       TRB_EVDATA, TRB_NOOP, TRB_ENABLE_SLOT, TRB_DISABLE_SLOT, TRB_ADDRESS,
       TRB_CONFIGURE, TRB_EVALUATE, TRB_RESET_EP, TRB_STOP_EP, TRB_SET_DEQ,
       TRB_RESET_DEV, TRB_NOOP_CMD = 23, TRB_EV_TRANSFER = 32,
       TRB_EV_COMMAND = 33, TRB_EV_PORT = 34 };
enum { TRB_C = 0x1, TRB_TC = 0x2, TRB_ISP = 0x4, TRB_CHAIN = 0x10,
       TRB_IOC = 0x20, TRB_IDT = 0x40, TRB_BSR = 0x200, TRB_DIR_IN = 0x10000 };
enum { CC_SUCCESS = 1, CC_BABBLE = 3, CC_TRANSACTION = 4, CC_TRB = 5,
       CC_STALL = 6, CC_NO_SLOTS = 9, CC_SLOT = 11, CC_ENDPOINT = 12,
       CC_SHORT = 13, CC_PARAMETER = 17, CC_CONTEXT = 19,
       CC_RING_STOPPED = 24 };
enum { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR };
enum { SLOT_DEFAULT = 1, SLOT_ADDRESSED = 2, SLOT_CONFIGURED = 3 };

typedef struct XHCIState XHCIState;

typedef struct XHCITrb {
    uint64_t param;
    uint32_t status, control;
    uint64_t addr; /* where it stands */
} XHCITrb;

typedef struct XHCIRing {
    uint64_t dequeue;
    bool cycle;
} XHCIRing;

/* A transfer under way; on the heap. */
typedef struct XHCITransfer {
    USBPacket packet;
    XHCIState *s;
    uint8_t slot, ep;    /* from 1 */
    bool done;
    XHCIRing after;      /* the ring behind it */
    unsigned n;
    XHCITrb trb[TD_TRBS];
    uint8_t data[];
} XHCITransfer;

typedef struct XHCIEp {
    /* Guest-visible. */
    XHCIRing ring;
    uint32_t state, type;
    /* Host side. */
    XHCITransfer *xfer;  /* with a device */
    bool running, again;
} XHCIEp;

typedef struct XHCISlot {
    bool enabled;
    uint32_t state, route, root; /* of the slot context */
    uint32_t intr;
    uint64_t ctx;
    XHCIEp ep[EPS];
} XHCISlot;

typedef struct XHCIIntr {
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    uint32_t seg, pos;   /* where the next event goes */
    bool cycle;
} XHCIIntr;

struct XHCIState {
    PCIDevice pci;
    /* Properties. */
    uint32_t p2, p3;
    /* Guest-visible state. */
    uint32_t cmd, sts, dnctrl, config;
    uint64_t dcbaap;
    XHCIRing command;
    bool command_running;
    uint32_t portsc[2 * MAX_PORTS];
    XHCIIntr intr[INTRS];
    XHCISlot slot[SLOTS];
    int64_t mfindex_base;
    /* Host side. */
    USBBus bus;
    USBPort ports[MAX_PORTS];
    MemoryRegion bar, regs;
    BH *bh;
    bool in_command;
};

/* ---- memory -------------------------------------------------------------- */

static void get_words(XHCIState *s, uint64_t addr, uint32_t *w, unsigned n)
{
    uint8_t b[64];

    pci_dma_read(&s->pci, addr, b, 4 * n);
    for (unsigned i = 0; i < n; i++) {
        w[i] = pci_get_long(b + 4 * i);
    }
}

static void put_words(XHCIState *s, uint64_t addr, const uint32_t *w,
                      unsigned n)
{
    uint8_t b[64];

    for (unsigned i = 0; i < n; i++) {
        pci_set_long(b + 4 * i, w[i]);
    }
    pci_dma_write(&s->pci, addr, b, 4 * n);
}

static uint64_t pair(const uint32_t *w)
{
    return (uint64_t)w[1] << 32 | w[0];
}

/* ---- interrupts and events ----------------------------------------------- */

static void xhci_update_irq(XHCIState *s)
{
    pci_set_irq(&s->pci, s->cmd & CMD_INTE &&
                (s->intr[0].iman & (IMAN_IP | IMAN_IE)) ==
                    (IMAN_IP | IMAN_IE));
}

static void intr_raise(XHCIState *s, unsigned n)
{
    XHCIIntr *r = &s->intr[n];

    r->erdp |= ERDP_EHB;
    r->iman |= IMAN_IP;
    s->sts |= STS_EINT;
    if (!(r->iman & IMAN_IE) || !(s->cmd & CMD_INTE)) {
        return;
    }
    if (msix_enabled(&s->pci)) {
        r->iman &= ~IMAN_IP;
        msix_notify(&s->pci, n);
        return;
    }
    xhci_update_irq(s);
}

static void event(XHCIState *s, unsigned n, uint64_t param, uint32_t status,
                  uint32_t control)
{
    XHCIIntr *r = &s->intr[n < INTRS ? n : 0];
    uint32_t seg[4], w[4], size, next_pos, next_seg;
    uint64_t at;

    if (!(s->cmd & CMD_RS) || !r->erstsz) {
        return;
    }
    get_words(s, r->erstba + 16 * r->seg, seg, 4);
    size = seg[2] & 0xffff;
    if (size < 16 || size > 4096) {
        s->sts |= STS_HCE;
        return;
    }
    if (r->pos >= size) {
        r->pos = 0;
    }
    at = (pair(seg) & ~UINT64_C(0x3f)) + 16 * r->pos;
    next_pos = r->pos + 1;
    next_seg = r->seg;
    if (next_pos == size) {
        next_pos = 0;
        next_seg = (r->seg + 1) % r->erstsz;
    }
    /* Full: the next one would stand where the guest reads. */
    if (r->erdp >> 4 == (at + 16) >> 4 && next_pos) {
        log_guest_error("xhci: event ring %u is full\n", n);
        return;
    }
    w[0] = param;
    w[1] = param >> 32;
    w[2] = status;
    w[3] = control | r->cycle;
    put_words(s, at, w, 3);
    put_words(s, at + 12, w + 3, 1); /* the cycle bit goes last */
    r->pos = next_pos;
    if (!next_pos && next_seg == 0) {
        r->cycle = !r->cycle;
    }
    r->seg = next_seg;
    if (!(r->erdp & ERDP_EHB)) {
        intr_raise(s, n < INTRS ? n : 0);
    }
}

/* Has the guest read all that was written? */
static bool events_wait(XHCIState *s, const XHCIIntr *r)
{
    uint32_t seg[4];
    uint64_t at;

    if (!r->erstsz) {
        return false;
    }
    get_words(s, r->erstba + 16 * r->seg, seg, 4);
    at = (pair(seg) & ~UINT64_C(0x3f)) + 16 * r->pos;
    return r->erdp >> 4 != at >> 4;
}

/* ---- rings --------------------------------------------------------------- */

/* The next block; false: none there yet, or only links in a circle. */
static bool ring_fetch(XHCIState *s, XHCIRing *r, XHCITrb *t)
{
    for (unsigned n = 0; n < LINKS; n++) {
        uint32_t w[4];

        get_words(s, r->dequeue, w, 4);
        if ((w[3] & TRB_C) != (r->cycle ? TRB_C : 0)) {
            return false;
        }
        t->addr = r->dequeue;
        t->param = pair(w);
        t->status = w[2];
        t->control = w[3];
        if ((w[3] >> 10 & 0x3f) != TRB_LINK) {
            r->dequeue += 16;
            return true;
        }
        r->dequeue = t->param & ~UINT64_C(15);
        if (w[3] & TRB_TC) {
            r->cycle = !r->cycle;
        }
    }
    log_guest_error("xhci: a ring of links only\n");
    return false;
}

static unsigned trb_type(const XHCITrb *t)
{
    return t->control >> 10 & 0x3f;
}

/* ---- contexts ------------------------------------------------------------ */

static void ep_store(XHCIState *s, unsigned slot, unsigned ep)
{
    XHCISlot *sl = &s->slot[slot - 1];
    XHCIEp *e = &sl->ep[ep - 1];
    uint64_t at = sl->ctx + 32 * ep;
    uint32_t w[4];

    if (!sl->ctx) {
        return;
    }
    get_words(s, at, w, 4);
    w[0] = (w[0] & ~7u) | e->state;
    w[2] = (uint32_t)e->ring.dequeue | e->ring.cycle;
    w[3] = e->ring.dequeue >> 32;
    put_words(s, at, w, 4);
}

static void slot_store(XHCIState *s, unsigned slot)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint32_t w;

    if (!sl->ctx) {
        return;
    }
    get_words(s, sl->ctx + 12, &w, 1);
    w = (w & 0x07ffff00) | sl->state << 27 |
        (sl->state >= SLOT_ADDRESSED ? slot : 0);
    put_words(s, sl->ctx + 12, &w, 1);
}

static void xfer_drop(XHCIEp *e)
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

static void ep_disable(XHCIEp *e)
{
    xfer_drop(e);
    e->state = EP_DISABLED;
}

static void slot_disable(XHCISlot *sl)
{
    for (unsigned i = 0; i < EPS; i++) {
        ep_disable(&sl->ep[i]);
    }
    sl->enabled = false;
    sl->state = sl->route = sl->root = 0;
    sl->ctx = 0;
}

/* By root port and route string: four bits a hub. */
static USBDevice *slot_device(XHCIState *s, const XHCISlot *sl)
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

    event(s, t->status >> 22 & 0x3ff, param,
          (length & 0xffffff) | code << 24,
          TRB_EV_TRANSFER << 10 | (uint32_t)x->ep << 16 |
              (uint32_t)x->slot << 24 | (evdata ? 4 : 0));
}

static bool carries_data(const XHCITrb *t)
{
    unsigned type = trb_type(t);

    return type == TRB_NORMAL || type == TRB_DATA;
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
        unsigned type = trb_type(t);
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

    if (x->packet.status == USB_NAK) {
        return false;
    }
    if (x->packet.status == USB_OK && x->packet.pid == USB_PID_IN) {
        xfer_copy(x, true, x->packet.actual);
    }
    if (x->packet.status == USB_OK) {
        e->ring = x->after;
    } else {
        e->state = EP_HALTED;
    }
    ep_store(s, x->slot, x->ep);
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
    while (!whole && list->len < TD_TRBS && ring_fetch(s, &r, t)) {
        g_array_append_val(list, *t);
        if (carries_data(t)) {
            bytes += t->status & 0x1ffff;
        }
        whole = ep == 1 ? trb_type(t) == TRB_STATUS ||
                              (list->len == 1 && trb_type(t) != TRB_SETUP)
                        : !(t->control & TRB_CHAIN);
        /* The status stage may be followed by event data. */
        if (whole && ep == 1 && t->control & TRB_CHAIN &&
            trb_type(t) == TRB_STATUS) {
            if (!ring_fetch(s, &r, t)) {
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
    USBDevice *d = slot_device(s, &s->slot[x->slot - 1]);
    USBPacket *p = &x->packet;
    uint8_t setup[8];

    p->ep = x->ep / 2;
    p->pid = x->ep & 1 ? USB_PID_IN : USB_PID_OUT;
    if (x->ep == 1) {
        const XHCITrb *t = x->trb;

        if (trb_type(t) != TRB_SETUP) {
            p->status = trb_type(t) == TRB_NOOP ? USB_OK : USB_IOERROR;
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
    if (trb_type(x->trb) == TRB_NOOP) {
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

static void ep_run(XHCIState *s, unsigned slot, unsigned ep)
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

/* What was left over by ep_run(), or completed meanwhile. */
static void xhci_bh(void *opaque)
{
    XHCIState *s = opaque;

    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; s->slot[i].enabled && k < EPS; k++) {
            XHCIEp *e = &s->slot[i].ep[k];

            if (e->again || (e->xfer && e->xfer->done)) {
                ep_run(s, i + 1, k + 1);
            }
        }
    }
}

/* ---- commands ------------------------------------------------------------ */

static unsigned ep_enable(XHCIState *s, unsigned slot, unsigned ep,
                          const uint32_t *w)
{
    XHCIEp *e = &s->slot[slot - 1].ep[ep - 1];
    unsigned type = w[1] >> 3 & 7;

    if (!type || (ep == 1) != (type == 4)) {
        return CC_TRB;
    }
    xfer_drop(e);
    e->type = type;
    e->ring.dequeue = pair(w + 2) & ~UINT64_C(15);
    e->ring.cycle = w[2] & 1;
    e->state = EP_RUNNING;
    return CC_SUCCESS;
}

/* Copies the input context's part @index (0: slot) to the slot's own. */
static void copy_context(XHCIState *s, XHCISlot *sl, uint64_t in,
                         unsigned index, uint32_t *w)
{
    get_words(s, in + 32 * (index + 1), w, 8);
    put_words(s, sl->ctx + 32 * index, w, 8);
}

static unsigned cmd_address(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], ctx[2];
    uint8_t setup[8] = { 0, USB_REQ_SET_ADDRESS, slot };
    USBPacket p = { .pid = USB_PID_OUT, .data = setup };
    USBDevice *d;

    get_words(s, in, flags, 2);
    if (flags[0] || flags[1] != 3) {
        return CC_TRB;
    }
    get_words(s, s->dcbaap + 8 * slot, ctx, 2);
    sl->ctx = pair(ctx) & ~UINT64_C(0x3f);
    get_words(s, in + 32, w, 8);
    sl->route = w[0] & 0xfffff;
    sl->root = w[1] >> 16 & 0xff;
    sl->intr = w[2] >> 22;
    d = slot_device(s, sl);
    if (!d || !sl->ctx) {
        return d ? CC_PARAMETER : CC_TRANSACTION;
    }
    copy_context(s, sl, in, 0, w);
    copy_context(s, sl, in, 1, w);
    if (ep_enable(s, slot, 1, w) != CC_SUCCESS) {
        return CC_TRB;
    }
    if (t->control & TRB_BSR) {
        sl->state = SLOT_DEFAULT;
    } else {
        usb_control_transfer(d, setup, &p);
        if (p.status != USB_OK) {
            return CC_TRANSACTION;
        }
        sl->state = SLOT_ADDRESSED;
    }
    slot_store(s, slot);
    ep_store(s, slot, 1);
    return CC_SUCCESS;
}

static unsigned cmd_configure(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], dw0;
    unsigned code = CC_SUCCESS, entries = 1;

    if (sl->state < SLOT_ADDRESSED) {
        return CC_CONTEXT;
    }
    if (t->control & TRB_BSR) { /* here: deconfigure */
        flags[0] = ~3u;
        flags[1] = 1;
    } else {
        get_words(s, in, flags, 2);
        if (flags[0] & 3 || (flags[1] & 3) != 1) {
            return CC_TRB;
        }
    }
    for (unsigned ep = 2; ep <= EPS; ep++) {
        if (flags[0] >> ep & 1) {
            ep_disable(&sl->ep[ep - 1]);
            ep_store(s, slot, ep);
        }
        if (flags[1] >> ep & 1) {
            copy_context(s, sl, in, ep, w);
            code = ep_enable(s, slot, ep, w);
            if (code != CC_SUCCESS) {
                return code;
            }
            ep_store(s, slot, ep);
        }
    }
    for (unsigned ep = 1; ep <= EPS; ep++) {
        entries = sl->ep[ep - 1].state != EP_DISABLED ? ep : entries;
    }
    get_words(s, sl->ctx, &dw0, 1);
    dw0 = (dw0 & 0x07ffffff) | entries << 27;
    if (!(t->control & TRB_BSR)) { /* what a hub is told about itself */
        uint32_t told;

        get_words(s, in + 32, &told, 1);
        dw0 = (dw0 & ~0x06000000u) | (told & 0x06000000u);
    }
    put_words(s, sl->ctx, &dw0, 1);
    sl->state = entries > 1 ? SLOT_CONFIGURED : SLOT_ADDRESSED;
    slot_store(s, slot);
    return code;
}

static unsigned cmd_evaluate(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], own[8];

    get_words(s, in, flags, 2);
    if (flags[0] || !sl->ctx) {
        return CC_TRB;
    }
    if (flags[1] & 1) { /* exit latency, interrupter */
        get_words(s, in + 32, w, 8);
        get_words(s, sl->ctx, own, 8);
        own[1] = (own[1] & ~0xffffu) | (w[1] & 0xffff);
        own[2] = (own[2] & 0x3fffff) | (w[2] & 0xffc00000);
        put_words(s, sl->ctx, own, 8);
        sl->intr = w[2] >> 22;
    }
    if (flags[1] & 2) { /* packet size of endpoint 0 */
        get_words(s, in + 64, w, 8);
        get_words(s, sl->ctx + 32, own, 8);
        own[1] = (own[1] & 0xffff) | (w[1] & 0xffff0000);
        put_words(s, sl->ctx + 32, own, 8);
    }
    return CC_SUCCESS;
}

static unsigned cmd_endpoint(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    unsigned ep = t->control >> 16 & 0x1f;
    XHCIEp *e;

    if (ep < 1 || ep > EPS) {
        return CC_TRB;
    }
    e = &s->slot[slot - 1].ep[ep - 1];
    if (e->state == EP_DISABLED) {
        return CC_ENDPOINT;
    }
    switch (trb_type(t)) {
    case TRB_RESET_EP:
        if (e->state != EP_HALTED) {
            return CC_CONTEXT;
        }
        xfer_drop(e);
        e->state = EP_STOPPED;
        break;
    case TRB_STOP_EP:
        if (e->state != EP_RUNNING) {
            return CC_CONTEXT;
        }
        xfer_drop(e);
        e->state = EP_STOPPED;
        break;
    default: /* TRB_SET_DEQ */
        if (e->state != EP_STOPPED && e->state != EP_ERROR) {
            return CC_CONTEXT;
        }
        xfer_drop(e);
        e->ring.dequeue = t->param & ~UINT64_C(15);
        e->ring.cycle = t->param & 1;
        break;
    }
    ep_store(s, slot, ep);
    return CC_SUCCESS;
}

static unsigned cmd_reset_device(XHCIState *s, unsigned slot)
{
    XHCISlot *sl = &s->slot[slot - 1];

    if (sl->state < SLOT_ADDRESSED) {
        return CC_CONTEXT;
    }
    for (unsigned ep = 2; ep <= EPS; ep++) {
        if (sl->ep[ep - 1].state != EP_DISABLED) {
            ep_disable(&sl->ep[ep - 1]);
            ep_store(s, slot, ep);
        }
    }
    sl->state = SLOT_DEFAULT;
    slot_store(s, slot);
    return CC_SUCCESS;
}

static unsigned enable_slot(XHCIState *s, unsigned *slot)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!s->slot[i].enabled) {
            slot_disable(&s->slot[i]);
            s->slot[i].enabled = true;
            *slot = i + 1;
            return CC_SUCCESS;
        }
    }
    return CC_NO_SLOTS;
}

static unsigned run_command(XHCIState *s, const XHCITrb *t, unsigned *slot)
{
    unsigned type = trb_type(t);

    *slot = 0;
    if (type == TRB_ENABLE_SLOT) {
        return enable_slot(s, slot);
    }
    if (type == TRB_NOOP_CMD) {
        return CC_SUCCESS;
    }
    if (type < TRB_DISABLE_SLOT || type > TRB_RESET_DEV) {
        return CC_TRB;
    }
    *slot = t->control >> 24;
    if (*slot < 1 || *slot > SLOTS || !s->slot[*slot - 1].enabled) {
        return CC_SLOT;
    }
    switch (type) {
    case TRB_DISABLE_SLOT:
        slot_disable(&s->slot[*slot - 1]);
        return CC_SUCCESS;
    case TRB_ADDRESS:
        return cmd_address(s, *slot, t);
    case TRB_CONFIGURE:
        return cmd_configure(s, *slot, t);
    case TRB_EVALUATE:
        return cmd_evaluate(s, *slot, t);
    case TRB_RESET_DEV:
        return cmd_reset_device(s, *slot);
    default:
        return cmd_endpoint(s, *slot, t);
    }
}

static void run_commands(XHCIState *s)
{
    if (s->in_command) {
        return;
    }
    s->in_command = true;
    s->command_running = true;
    for (unsigned n = 0; n < 256 && s->cmd & CMD_RS && s->command_running;
         n++) {
        XHCITrb t;
        unsigned slot, code;

        if (!ring_fetch(s, &s->command, &t)) {
            break;
        }
        code = run_command(s, &t, &slot);
        event(s, 0, t.addr, code << 24,
              TRB_EV_COMMAND << 10 | (uint32_t)slot << 24);
    }
    s->in_command = false;
}

/* ---- ports --------------------------------------------------------------- */

/* Register of connector @n for @speed. */
static unsigned port_of(const XHCIState *s, unsigned n, USBSpeed speed)
{
    return speed == USB_SPEED_SUPER ? s->p2 + n : n;
}

static void port_event(XHCIState *s, unsigned n, uint32_t change)
{
    if ((s->portsc[n] & change) == change) {
        return;
    }
    s->portsc[n] |= change;
    s->sts |= STS_PCD;
    event(s, 0, (uint64_t)(n + 1) << 24, CC_SUCCESS << 24,
          TRB_EV_PORT << 10);
}

static void set_pls(XHCIState *s, unsigned n, unsigned pls)
{
    s->portsc[n] = (s->portsc[n] & ~P_PLS) | pls << 5;
}

static void xhci_attach(USBPort *port)
{
    static const uint8_t ids[USB_SPEEDS] = { 2, 1, 3, 4 };
    XHCIState *s = port->opaque;
    USBSpeed speed = port->dev->speed;
    unsigned n = port_of(s, port->index, speed);

    s->portsc[n] = (s->portsc[n] & ~P_SPEED) | P_CCS | ids[speed] << 10;
    if (speed == USB_SPEED_SUPER) {
        s->portsc[n] |= P_PED;
        set_pls(s, n, PLS_U0);
    } else {
        set_pls(s, n, PLS_POLLING);
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
                xfer_drop(e);
            }
        }
    }
}

static void xhci_detach(USBPort *port)
{
    XHCIState *s = port->opaque;
    unsigned n = port_of(s, port->index, port->dev->speed);

    s->portsc[n] &= ~(P_CCS | P_PED | P_SPEED | P_PR);
    set_pls(s, n, PLS_RXDETECT);
    port_event(s, n, P_CSC);
}

static void xhci_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    XHCIState *s = port->opaque;
    USBDevice *root = port->dev;
    unsigned n = port_of(s, port->index, root ? root->speed : d->speed);

    if ((s->portsc[n] & P_PLS) >> 5 == PLS_U3 && root &&
        root->remote_wakeup) {
        set_pls(s, n, PLS_RESUME);
        port_event(s, n, P_PLC);
    }
    /* A hub passes on for those behind it: all that wait on such an endpoint
     * look again. */
    for (unsigned i = 0; i < SLOTS; i++) {
        XHCISlot *sl = &s->slot[i];

        if (sl->enabled && sl->root && sl->ep[2 * ep].state == EP_RUNNING &&
            (sl->root - 1) % MAX(s->p2, 1) == port->index) {
            sl->ep[2 * ep].again = true;
            bh_schedule(s->bh);
        }
    }
}

static void xhci_complete(USBPort *port, USBPacket *p)
{
    XHCIState *s = port->opaque;

    container_of(p, XHCITransfer, packet)->done = true;
    bh_schedule(s->bh);
}

static const USBPortOps xhci_port_ops = {
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
    set_pls(s, n, PLS_U0);
    port_event(s, n, P_PRC | (warm && super ? P_WRC : 0));
}

static void port_write(XHCIState *s, unsigned n, uint32_t v)
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
            set_pls(s, n, PLS_U0);
            port_event(s, n, P_PLC);
        } else if (to == PLS_U3 && from < PLS_U3) {
            set_pls(s, n, PLS_U3);
        } else if (to == PLS_RESUME && from == PLS_U3) {
            set_pls(s, n, PLS_RESUME);
        } else if (to == PLS_RXDETECT && !(s->portsc[n] & P_CCS)) {
            set_pls(s, n, PLS_RXDETECT);
        }
    }
    s->portsc[n] = (s->portsc[n] & ~(P_PP | P_WAKE)) | (v & (P_PP | P_WAKE));
}

/* ---- registers ----------------------------------------------------------- */

static void xhci_chip_reset(XHCIState *s)
{
    bh_cancel(s->bh);
    s->cmd = 0;
    s->sts = STS_HCH;
    s->dnctrl = s->config = 0;
    s->dcbaap = 0;
    memset(&s->command, 0, sizeof(s->command));
    s->command_running = false;
    for (unsigned i = 0; i < SLOTS; i++) {
        slot_disable(&s->slot[i]);
    }
    memset(s->intr, 0, sizeof(s->intr));
    for (unsigned i = 0; i < INTRS; i++) {
        s->intr[i].cycle = true;
    }
    for (unsigned i = 0; i < s->p2 + s->p3; i++) {
        s->portsc[i] = P_PP;
        set_pls(s, i, PLS_RXDETECT);
    }
    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        if (s->ports[i].dev && s->ports[i].dev->attached) {
            usb_port_reset(&s->ports[i]);
            xhci_attach(&s->ports[i]);
        }
    }
    s->mfindex_base = clock_ns(CLOCK_VIRTUAL);
    xhci_update_irq(s);
}

static uint32_t cap_read(const XHCIState *s, unsigned addr)
{
    switch (addr) {
    case 0x00:
        return 0x01000000 | OP;
    case 0x04:
        return SLOTS | INTRS << 8 | (s->p2 + s->p3) << 24;
    case 0x08: /* HCSPARAMS2: 16 event ring segments */
        return 0x0000004f;
    case 0x10: /* HCCPARAMS1: 64 bits; capabilities at 0x20 */
        return 0x00080001;
    case 0x14:
        return DOORBELLS;
    case 0x18:
        return RUNTIME;
    case 0x20: /* supported protocol: USB 2 */
        return 0x02000002 | (s->p3 ? 0x400 : 0);
    case 0x24:
    case 0x34:
        return 0x20425355; /* "USB " */
    case 0x28:
        return s->p2 ? 1 | s->p2 << 8 : 0;
    case 0x30: /* supported protocol: USB 3 */
        return s->p3 ? 0x03000002 : 0;
    case 0x38:
        return s->p3 ? (s->p2 + 1) | s->p3 << 8 : 0;
    }
    return 0;
}

static void write_cmd(XHCIState *s, uint32_t v)
{
    if (v & CMD_HCRST) {
        xhci_chip_reset(s);
        return;
    }
    if (v & CMD_RS && !(s->cmd & CMD_RS)) {
        s->sts &= ~STS_HCH;
    } else if (!(v & CMD_RS)) {
        s->sts |= STS_HCH;
        s->command_running = false;
    }
    s->sts &= ~STS_SRE;
    if (v & CMD_CRS) { /* nothing was saved */
        s->sts |= STS_SRE;
    }
    s->cmd = v & 0xc0d;
    xhci_update_irq(s);
}

static void write_crcr(XHCIState *s, uint32_t v)
{
    if (v & (CRCR_CS | CRCR_CA) && s->command_running) {
        s->command_running = false;
        event(s, 0, s->command.dequeue, CC_RING_STOPPED << 24,
              TRB_EV_COMMAND << 10);
        return;
    }
    if (!s->command_running) {
        s->command.dequeue = (s->command.dequeue & ~UINT64_C(0xffffffff)) |
                             (v & ~0x3fu);
        s->command.cycle = v & CRCR_RCS;
    }
}

static void set_half(uint64_t *r, bool high, uint32_t v)
{
    *r = high ? (*r & UINT32_MAX) | (uint64_t)v << 32
              : (*r & ~(uint64_t)UINT32_MAX) | v;
}

static void op_write(XHCIState *s, unsigned addr, uint32_t v)
{
    switch (addr) {
    case 0x00:
        write_cmd(s, v);
        break;
    case 0x04:
        s->sts &= ~(v & STS_W1C);
        break;
    case 0x14:
        s->dnctrl = v & 0xffff;
        break;
    case 0x18:
        write_crcr(s, v);
        break;
    case 0x1c:
        if (!s->command_running) {
            set_half(&s->command.dequeue, true, v);
        }
        break;
    case 0x30:
        set_half(&s->dcbaap, false, v & ~0x3fu);
        break;
    case 0x34:
        set_half(&s->dcbaap, true, v);
        break;
    case 0x38:
        s->config = v & 0xff;
        break;
    }
}

static uint32_t op_read(const XHCIState *s, unsigned addr)
{
    switch (addr) {
    case 0x00:
        return s->cmd;
    case 0x04:
        return s->sts;
    case 0x08:
        return 1; /* 4 KiB pages */
    case 0x14:
        return s->dnctrl;
    case 0x18:
        return s->command_running ? CRCR_CRR : 0;
    case 0x30:
        return s->dcbaap;
    case 0x34:
        return s->dcbaap >> 32;
    case 0x38:
        return s->config;
    }
    return 0;
}

static void intr_write(XHCIState *s, unsigned n, unsigned reg, uint32_t v)
{
    XHCIIntr *r = &s->intr[n];

    switch (reg) {
    case 0x00:
        r->iman = (r->iman & IMAN_IP & ~v) | (v & IMAN_IE);
        xhci_update_irq(s);
        break;
    case 0x04:
        r->imod = v;
        break;
    case 0x08:
        r->erstsz = MIN(v & 0xffff, 16);
        break;
    case 0x10:
        set_half(&r->erstba, false, v & ~0x3fu);
        break;
    case 0x14: /* the table is known now */
        set_half(&r->erstba, true, v);
        r->seg = r->pos = 0;
        r->cycle = true;
        break;
    case 0x18:
        set_half(&r->erdp, false,
                 (v & ~(uint32_t)ERDP_EHB) |
                     (r->erdp & ERDP_EHB & ~(uint64_t)v));
        if (v & ERDP_EHB && events_wait(s, r)) {
            intr_raise(s, n);
        }
        break;
    case 0x1c:
        set_half(&r->erdp, true, v);
        break;
    }
}

static uint32_t intr_read(const XHCIState *s, unsigned n, unsigned reg)
{
    const XHCIIntr *r = &s->intr[n];

    switch (reg) {
    case 0x00: return r->iman;
    case 0x04: return r->imod;
    case 0x08: return r->erstsz;
    case 0x10: return r->erstba;
    case 0x14: return r->erstba >> 32;
    case 0x18: return r->erdp;
    case 0x1c: return r->erdp >> 32;
    }
    return 0;
}

static void xhci_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    XHCIState *s = opaque;
    unsigned slot, ep;

    if (addr >= OP && addr < PORT_REGS) {
        op_write(s, addr - OP, val);
    } else if (addr >= PORT_REGS && addr < PORT_REGS + 16 * (s->p2 + s->p3)) {
        if (!(addr & 0xf)) {
            port_write(s, (addr - PORT_REGS) / 16, val);
        }
    } else if (addr >= RUNTIME + 0x20 && addr < RUNTIME + 0x20 + 32 * INTRS) {
        intr_write(s, (addr - RUNTIME - 0x20) / 32, addr & 0x1c, val);
    } else if (addr >= DOORBELLS && addr <= DOORBELLS + 4 * SLOTS) {
        slot = (addr - DOORBELLS) / 4;
        ep = val & 0xff;
        if (!(s->cmd & CMD_RS)) {
            return;
        }
        if (slot == 0) {
            if (ep == 0) {
                run_commands(s);
            }
        } else if (ep >= 1 && ep <= EPS) {
            XHCIEp *e = &s->slot[slot - 1].ep[ep - 1];

            if (e->state == EP_STOPPED) {
                e->state = EP_RUNNING;
                ep_store(s, slot, ep);
            }
            ep_run(s, slot, ep);
        }
    }
}

static uint64_t xhci_read(void *opaque, hwaddr addr, unsigned size)
{
    XHCIState *s = opaque;

    if (addr < OP) {
        return cap_read(s, addr);
    }
    if (addr < PORT_REGS) {
        return op_read(s, addr - OP);
    }
    if (addr < PORT_REGS + 16 * (s->p2 + s->p3)) {
        return addr & 0xf ? 0 : s->portsc[(addr - PORT_REGS) / 16];
    }
    if (addr == RUNTIME) { /* 125 us */
        return (clock_ns(CLOCK_VIRTUAL) - s->mfindex_base) / 125000 & 0x3fff;
    }
    if (addr >= RUNTIME + 0x20 && addr < RUNTIME + 0x20 + 32 * INTRS) {
        return intr_read(s, (addr - RUNTIME - 0x20) / 32, addr & 0x1c);
    }
    return 0;
}

static const MemoryRegionOps xhci_ops = {
    .read = xhci_read,
    .write = xhci_write,
    .access = { .min = 1, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static void xhci_reset(DeviceState *dev)
{
    xhci_chip_reset((XHCIState *)dev);
}

static bool xhci_realize(DeviceState *dev, Error **errp)
{
    XHCIState *s = (XHCIState *)dev;

    if (s->p2 > MAX_PORTS || s->p3 > MAX_PORTS || !(s->p2 + s->p3)) {
        error_setg(errp, "p2=%u,p3=%u: each is 0 to %d, and there is at least "
                         "one port", s->p2, s->p3, MAX_PORTS);
        return false;
    }
    s->pci.config[0x60] = 0x30; /* serial bus release number: USB 3.0 */
    s->pci.config[PCI_CACHE_LINE_SIZE] = 0x10;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init(&s->bar, &dev->obj, "xhci", BAR_SIZE);
    memory_region_init_io(&s->regs, &dev->obj, &xhci_ops, s, "xhci-regs",
                          MSIX_TABLE);
    memory_region_add_subregion(&s->bar, 0, &s->regs);
    if (!msix_init(&s->pci, INTRS, &s->bar, 0, MSIX_TABLE, &s->bar, 0,
                   MSIX_PBA, 0x90, errp)) {
        return false;
    }
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM64, &s->bar);
    s->bh = bh_new(loop_main(), xhci_bh, s);
    usb_bus_init(&s->bus, dev, NULL);
    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        usb_register_port(&s->bus, &s->ports[i], NULL, i,
                          (i < s->p2 ? USB_SPEED_MASK(USB_SPEED_LOW) |
                                           USB_SPEED_MASK(USB_SPEED_FULL) |
                                           USB_SPEED_MASK(USB_SPEED_HIGH)
                                     : 0) |
                              (i < s->p3 ? USB_SPEED_MASK(USB_SPEED_SUPER)
                                         : 0),
                          &xhci_port_ops, s);
    }
    return true;
}

static void xhci_unrealize(DeviceState *dev)
{
    XHCIState *s = (XHCIState *)dev;

    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        usb_unregister_port(&s->ports[i]);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        slot_disable(&s->slot[i]);
    }
    bh_delete(s->bh);
    msix_uninit(&s->pci);
    usb_bus_fini(&s->bus);
}

static void xhci_finalize(DeviceState *dev)
{
    XHCIState *s = (XHCIState *)dev;

    memory_region_destroy(&s->regs);
    memory_region_destroy(&s->bar);
}

static bool xhci_post_load(void *opaque, int version, Error **errp)
{
    XHCIState *s = opaque;

    for (unsigned i = 0; i < INTRS; i++) {
        if (s->intr[i].erstsz > 16 ||
            s->intr[i].seg >= MAX(s->intr[i].erstsz, 1)) {
            error_setg(errp, "xhci: event ring segment out of range");
            return false;
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; k < EPS; k++) {
            if (s->slot[i].ep[k].state > EP_ERROR) {
                error_setg(errp, "xhci: endpoint state out of range");
                return false;
            }
            /* Transfers that were with a device start anew. */
            s->slot[i].ep[k].again = s->slot[i].enabled &&
                                     s->slot[i].ep[k].state == EP_RUNNING;
        }
    }
    bh_schedule(s->bh);
    return true;
}

static const VMStateField ring_fields[] = {
    VMSTATE_UINT64(dequeue, XHCIRing), VMSTATE_BOOL(cycle, XHCIRing),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_ring = {
    .name = "xhci/ring", .version_id = 1, .minimum_version_id = 1,
    .fields = ring_fields,
};
static const VMStateField ep_fields[] = {
    VMSTATE_STRUCT(ring, XHCIEp, XHCIRing, vmstate_ring),
    VMSTATE_UINT32(state, XHCIEp), VMSTATE_UINT32(type, XHCIEp),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_ep = {
    .name = "xhci/endpoint", .version_id = 1, .minimum_version_id = 1,
    .fields = ep_fields,
};
static const VMStateField slot_fields[] = {
    VMSTATE_BOOL(enabled, XHCISlot), VMSTATE_UINT32(state, XHCISlot),
    VMSTATE_UINT32(route, XHCISlot), VMSTATE_UINT32(root, XHCISlot),
    VMSTATE_UINT32(intr, XHCISlot), VMSTATE_UINT64(ctx, XHCISlot),
    VMSTATE_STRUCT_ARRAY(ep, XHCISlot, XHCIEp, EPS, vmstate_ep),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_slot = {
    .name = "xhci/slot", .version_id = 1, .minimum_version_id = 1,
    .fields = slot_fields,
};
static const VMStateField intr_fields[] = {
    VMSTATE_UINT32(iman, XHCIIntr), VMSTATE_UINT32(imod, XHCIIntr),
    VMSTATE_UINT32(erstsz, XHCIIntr), VMSTATE_UINT64(erstba, XHCIIntr),
    VMSTATE_UINT64(erdp, XHCIIntr), VMSTATE_UINT32(seg, XHCIIntr),
    VMSTATE_UINT32(pos, XHCIIntr), VMSTATE_BOOL(cycle, XHCIIntr),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_intr = {
    .name = "xhci/interrupter", .version_id = 1, .minimum_version_id = 1,
    .fields = intr_fields,
};

static const VMStateField xhci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, XHCIState),
    VMSTATE_UINT32(cmd, XHCIState),
    VMSTATE_UINT32(sts, XHCIState),
    VMSTATE_UINT32(dnctrl, XHCIState),
    VMSTATE_UINT32(config, XHCIState),
    VMSTATE_UINT64(dcbaap, XHCIState),
    VMSTATE_STRUCT(command, XHCIState, XHCIRing, vmstate_ring),
    VMSTATE_BOOL(command_running, XHCIState),
    VMSTATE_UINT32_ARRAY(portsc, XHCIState, 2 * MAX_PORTS),
    VMSTATE_STRUCT_ARRAY(intr, XHCIState, XHCIIntr, INTRS, vmstate_intr),
    VMSTATE_STRUCT_ARRAY(slot, XHCIState, XHCISlot, SLOTS, vmstate_slot),
    VMSTATE_INT64(mfindex_base, XHCIState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_xhci = {
    .name = "xhci",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = xhci_post_load,
    .fields = xhci_fields,
};

static const Property xhci_props[] = {
    PROP_UINT32("p2", XHCIState, p2, 4),
    PROP_UINT32("p3", XHCIState, p3, 4),
    PROP_END(),
};

#define XHCI_PCI(vendor, dev_id, rev) \
    { .vendor_id = (vendor), .device_id = (dev_id), .revision = (rev), \
      .class_id = 0x0c03, .prog_if = 0x30 }
static const PCIDeviceInfo xhci_models[] = {
    XHCI_PCI(PCI_VENDOR_REDHAT, 0x000d, 1), XHCI_PCI(0x1033, 0x0194, 3),
};

#define XHCI_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_USB, .size = sizeof(XHCIState), \
      .props = xhci_props, .vmsd = &vmstate_xhci, .bus_info = &(mod), \
      .no_hotplug = true, .fw_name = "usb", .realize = xhci_realize, \
      .unrealize = xhci_unrealize, .reset = xhci_reset, \
      .finalize = xhci_finalize }

static const DeviceInfo xhci_infos[] = {
    XHCI_INFO("qemu-xhci", "USB 3.0 controller", xhci_models[0]),
    XHCI_INFO("nec-usb-xhci", "NEC uPD720200 USB 3.0 controller",
              xhci_models[1]),
};

static void xhci_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(xhci_infos); i++) {
        device_register(&xhci_infos[i]);
    }
}
device_init(xhci_register)
