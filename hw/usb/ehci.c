/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enhanced Host Controller Interface (EHCI specification 1.0): high speed, with
 * companion controllers for the rest.
 *
 * Each millisecond the periodic list's entry of that frame and the ring of
 * asynchronous queue heads are walked; while nothing moves several frames go
 * together, up to LAZY_FRAMES, and a device that gets something to say ends
 * that.  Isochronous descriptors are passed over: no device here has such
 * endpoints.
 *
 *   - Walks are bounded: STEPS entries of a list, QTDS transfers of one queue.
 *   - A qTD is one packet to the device, gathered from its five pages (at most
 *     20 KiB).  One that is answered later is found again by its queue head.
 *   - A port whose owner is its companion shows the device there, at full
 *     speed.
 *
 * ehci_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "hw/pci.h"
#include "hw/usb.h"
#include "util/log.h"

#define PORTS       6
#define CAP_LENGTH  0x20
#define MMIO_SIZE   0x1000
#define FRAME_NS    1000000
#define LAZY_FRAMES 8
#define CATCH_UP    32
#define STEPS       256
#define QTDS        64
#define QTD_MAX     (5 * 4096)
#define UNSEEN_MAX  256 /* frames until a packet is taken back */

enum { USBCMD = 0x00, USBSTS = 0x04, USBINTR = 0x08, FRINDEX = 0x0c,
       CTRLDSSEGMENT = 0x10, PERIODICLISTBASE = 0x14, ASYNCLISTADDR = 0x18,
       CONFIGFLAG = 0x40, PORTSC = 0x44 };
enum { CMD_RS = 0x01, CMD_HCRESET = 0x02, CMD_PSE = 0x10, CMD_ASE = 0x20,
       CMD_IAAD = 0x40, CMD_LHCRESET = 0x80 };
enum { STS_INT = 0x01, STS_ERR = 0x02, STS_PCD = 0x04, STS_FLR = 0x08,
       STS_HSE = 0x10, STS_IAA = 0x20, STS_HALTED = 0x1000,
       STS_PSS = 0x4000, STS_ASS = 0x8000, STS_W1C = 0x3f };
enum { P_CCS = 0x01, P_CSC = 0x02, P_PED = 0x04, P_PEDC = 0x08, P_OCC = 0x20,
       P_RESUME = 0x40, P_SUSP = 0x80, P_RESET = 0x100, P_LINE = 0xc00,
       P_POWER = 0x1000, P_OWNER = 0x2000, P_WAKE = 0x700000,
       P_W1C = P_CSC | P_PEDC | P_OCC };
#define LINK_T 1u
#define LINK_TYPE(l) ((l) >> 1 & 3)
#define LINK_PTR 0xffffffe0u
enum { TYPE_ITD, TYPE_QH, TYPE_SITD, TYPE_FSTN };
#define QTD_ACTIVE 0x80u
#define QTD_HALTED 0x40u
#define QTD_BABBLE 0x10u
#define QTD_XACT   0x08u
#define QTD_IOC    0x8000u
#define QTD_DT     0x80000000u
/* Words of a queue head. */
enum { QH_LINK, QH_CHAR, QH_CAP, QH_CURRENT, QH_NEXT, QH_ALT, QH_TOKEN,
       QH_BUF, QH_WORDS = 12 };

typedef struct EHCIState EHCIState;

typedef struct EHCIAsync {
    ListNode node;
    USBPacket packet;
    uint32_t qh, qtd;
    unsigned unseen;
    bool done;
    uint8_t data[QTD_MAX];
} EHCIAsync;

struct EHCIState {
    PCIDevice pci;
    /* Guest-visible state. */
    uint32_t cmd, sts, intr, frindex, segment, periodic, async_addr, config;
    uint32_t portsc[PORTS];
    int64_t frame_at;
    uint32_t lazy;
    Timer timer;
    /* Host side. */
    USBBus bus;
    USBPort ports[PORTS];
    USBPort *companion[PORTS];
    MemoryRegion mmio;
    ListNode pending;
    EHCIAsync *spare;
    BH *bh;
    bool walking, progress;
};

static void ehci_update_irq(EHCIState *s)
{
    pci_set_irq(&s->pci, (s->sts & s->intr & STS_W1C) != 0);
}

static void ehci_cause(EHCIState *s, uint32_t bits)
{
    s->sts |= bits;
    ehci_update_irq(s);
}

static void host_error(EHCIState *s)
{
    s->cmd &= ~CMD_RS;
    timer_del(&s->timer);
    s->sts = (s->sts & ~(STS_PSS | STS_ASS)) | STS_HALTED;
    ehci_cause(s, STS_HSE);
}

/* ---- memory -------------------------------------------------------------- */

static hwaddr guest(const EHCIState *s, uint32_t addr)
{
    return addr; /* 32 bits: HCCPARAMS says so, CTRLDSSEGMENT stays 0 */
}

static bool get_words(EHCIState *s, uint32_t addr, uint32_t *w, unsigned n)
{
    uint8_t b[4 * QH_WORDS];

    if (pci_dma_read(&s->pci, guest(s, addr), b, 4 * n) != MEMTX_OK) {
        host_error(s);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        w[i] = pci_get_long(b + 4 * i);
    }
    return true;
}

static void put_words(EHCIState *s, uint32_t addr, const uint32_t *w,
                      unsigned n)
{
    uint8_t b[4 * QH_WORDS];

    for (unsigned i = 0; i < n; i++) {
        pci_set_long(b + 4 * i, w[i]);
    }
    pci_dma_write(&s->pci, guest(s, addr), b, 4 * n);
}

/* Data of an overlay: its five pages from the current one's offset on. */
static void move_data(EHCIState *s, const uint32_t *qh, uint8_t *data,
                      uint32_t len, bool in)
{
    unsigned page = qh[QH_TOKEN] >> 12 & 7;
    uint32_t off = qh[QH_BUF] & 0xfff, at = 0;

    while (at < len && page < 5) {
        uint32_t part = MIN(len - at, 4096 - off);
        hwaddr addr = guest(s, (qh[QH_BUF + page] & 0xfffff000) + off);

        if (in) {
            pci_dma_write(&s->pci, addr, data + at, part);
        } else {
            pci_dma_read(&s->pci, addr, data + at, part);
        }
        at += part;
        off = 0;
        page++;
    }
}

/* ---- packets ------------------------------------------------------------- */

static void pending_free(EHCIAsync *a)
{
    if (!a->done) {
        usb_cancel_packet(&a->packet);
    }
    list_remove(&a->node);
    g_free(a);
}

static void pending_cancel(EHCIState *s, const USBDevice *d)
{
    EHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->pending, node) {
        if (!d || a->packet.dev == d) {
            pending_free(a);
        }
    }
}

static EHCIAsync *pending_find(EHCIState *s, uint32_t qh)
{
    EHCIAsync *a;

    list_foreach(a, &s->pending, node) {
        if (a->qh == qh) {
            return a;
        }
    }
    return NULL;
}

static void pending_age(EHCIState *s)
{
    EHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->pending, node) {
        if (++a->unseen > UNSEEN_MAX) {
            pending_free(a);
        }
    }
}

static USBDevice *find_device(EHCIState *s, uint8_t addr)
{
    for (unsigned i = 0; i < PORTS; i++) {
        USBDevice *d = (s->portsc[i] & (P_PED | P_OWNER)) == P_PED
                           ? usb_find_device(&s->ports[i], addr) : NULL;

        if (d) {
            return d;
        }
    }
    return NULL;
}

/* ---- queues -------------------------------------------------------------- */

/* The packet's answer into the overlay; true: the qTD is done, and well. */
static bool qtd_finish(EHCIState *s, uint32_t *qh, const USBPacket *p)
{
    uint32_t token = qh[QH_TOKEN], left = token >> 16 & 0x7fff, moved;
    uint32_t mpl = MAX(qh[QH_CHAR] >> 16 & 0x7ff, 1), off, packets;
    bool ok = false;

    if (p->status == USB_NAK) {
        return false;
    }
    s->progress = true;
    token &= ~QTD_ACTIVE;
    if (p->status == USB_OK) {
        moved = MIN(p->pid == USB_PID_IN ? p->actual : left, left);
        if (p->pid == USB_PID_IN) {
            move_data(s, qh, p->data, moved, true);
        }
        left -= moved;
        off = (qh[QH_BUF] & 0xfff) + moved + (token & 0x7000);
        packets = MAX(DIV_ROUND_UP(moved, mpl), 1);
        token = (token & ~(0x7fff0000u | 0x7000u)) | left << 16 |
                (off & 0x7000);
        token ^= packets & 1 ? QTD_DT : 0;
        qh[QH_BUF] = (qh[QH_BUF] & ~0xfffu) | (off & 0xfff);
        if (token & QTD_IOC || (p->pid == USB_PID_IN && left)) {
            s->sts |= STS_INT;
        }
        ok = true;
    } else {
        token |= QTD_HALTED;
        if (p->status == USB_BABBLE) {
            token |= QTD_BABBLE;
        } else if (p->status != USB_STALL) {
            token = (token | QTD_XACT) & ~0xc00u;
        }
        s->sts |= STS_ERR | (token & QTD_IOC ? STS_INT : 0);
    }
    qh[QH_TOKEN] = token;
    return ok;
}

/* One transfer of the queue at @addr; true: it went well, go on. */
static bool run_qtd(EHCIState *s, uint32_t addr, uint32_t *qh)
{
    static const uint8_t pids[4] = { USB_PID_OUT, USB_PID_IN, USB_PID_SETUP };
    uint32_t token = qh[QH_TOKEN], len = MIN(token >> 16 & 0x7fff, QTD_MAX);
    uint8_t pid = pids[token >> 8 & 3];
    EHCIAsync *a = pending_find(s, addr);
    USBPacket *p;
    bool ok;

    if (a && a->qtd != qh[QH_CURRENT]) {
        pending_free(a); /* the guest made another of it */
        a = NULL;
    }
    if (a) {
        a->unseen = 0;
        if (!a->done) {
            return false;
        }
        p = &a->packet;
    } else {
        p = &s->spare->packet;
        *p = (USBPacket){ .pid = pid, .ep = qh[QH_CHAR] >> 8 & 15,
                          .data = s->spare->data, .size = len };
        if (!pid) {
            p->status = USB_IOERROR;
        } else {
            if (pid != USB_PID_IN) {
                move_data(s, qh, p->data, len, false);
            }
            usb_handle_packet(find_device(s, qh[QH_CHAR] & 0x7f), p);
        }
        if (p->status == USB_ASYNC) {
            a = s->spare;
            a->qh = addr;
            a->qtd = qh[QH_CURRENT];
            a->unseen = 0;
            a->done = false;
            list_append(&s->pending, &a->node);
            s->spare = g_new0(EHCIAsync, 1);
            return false;
        }
    }
    if (p->status == USB_NAK) {
        if (a) {
            pending_free(a);
        }
        return false;
    }
    ok = qtd_finish(s, qh, p);
    if (a) {
        pending_free(a);
    }
    /* Overlay and transfer: the token, the overlay's offset. */
    put_words(s, addr + 4 * QH_TOKEN, &qh[QH_TOKEN], 2);
    put_words(s, (qh[QH_CURRENT] & LINK_PTR) + 8, &qh[QH_TOKEN], 1);
    return ok;
}

static void run_queue(EHCIState *s, uint32_t addr, uint32_t *qh)
{
    for (unsigned n = 0; n < QTDS; n++) {
        uint32_t qtd[8], next;

        if (qh[QH_TOKEN] & QTD_HALTED) {
            return;
        }
        if (!(qh[QH_TOKEN] & QTD_ACTIVE)) { /* advance (4.10.2) */
            next = qh[QH_TOKEN] >> 16 & 0x7fff && !(qh[QH_ALT] & LINK_T)
                       ? qh[QH_ALT] : qh[QH_NEXT];
            if (next & LINK_T || !get_words(s, next & LINK_PTR, qtd, 8) ||
                !(qtd[2] & QTD_ACTIVE)) {
                return;
            }
            if (!(qh[QH_CHAR] & 0x4000)) { /* the queue keeps the toggle */
                qtd[2] = (qtd[2] & ~QTD_DT) | (qh[QH_TOKEN] & QTD_DT);
            }
            qh[QH_CURRENT] = next & LINK_PTR;
            memcpy(qh + QH_NEXT, qtd, sizeof(qtd));
            put_words(s, addr + 4 * QH_CURRENT, qh + QH_CURRENT, 9);
        }
        if (!run_qtd(s, addr, qh) || !(s->cmd & CMD_RS)) {
            return;
        }
    }
}

static void walk_async(EHCIState *s)
{
    uint32_t start = s->async_addr & LINK_PTR, at = start, qh[QH_WORDS];

    for (unsigned n = 0; n < STEPS; n++) {
        if (!get_words(s, at, qh, QH_WORDS)) {
            return;
        }
        run_queue(s, at, qh);
        if (!(s->cmd & CMD_RS) || qh[QH_LINK] & LINK_T) {
            return;
        }
        at = qh[QH_LINK] & LINK_PTR;
        if (at == start) {
            break;
        }
    }
    s->async_addr = at;
}

static void walk_periodic(EHCIState *s)
{
    uint32_t link, qh[QH_WORDS];

    if (!get_words(s, (s->periodic & ~0xfffu) + (s->frindex >> 3 & 0x3ff) * 4,
                   &link, 1)) {
        return;
    }
    for (unsigned n = 0; n < STEPS && !(link & LINK_T); n++) {
        uint32_t at = link & LINK_PTR;

        if (LINK_TYPE(link) == TYPE_QH) {
            if (!get_words(s, at, qh, QH_WORDS)) {
                return;
            }
            run_queue(s, at, qh);
            link = qh[QH_LINK];
        } else if (!get_words(s, at, &link, 1)) {
            return;
        }
        if (!(s->cmd & CMD_RS)) {
            return;
        }
    }
}

/* ---- time ---------------------------------------------------------------- */

static void arm(EHCIState *s)
{
    timer_mod_at(&s->timer, s->frame_at + (int64_t)(s->lazy - 1) * FRAME_NS);
}

/* Schedules go on and off at frames' ends; then the status says so. */
static void follow_enables(EHCIState *s)
{
    s->sts &= ~(STS_PSS | STS_ASS);
    s->sts |= (s->cmd & CMD_PSE ? STS_PSS : 0) |
              (s->cmd & CMD_ASE ? STS_ASS : 0);
}

static bool schedules_on(const EHCIState *s)
{
    return s->cmd & CMD_RS && s->cmd & (CMD_PSE | CMD_ASE);
}

static void advance(EHCIState *s, uint32_t frames)
{
    uint32_t old = s->frindex;

    s->frindex = (s->frindex + 8 * frames) & 0x3fff;
    if ((old ^ s->frindex) & 0x2000 || frames >= 1024) {
        s->sts |= STS_FLR;
    }
    s->frame_at += (int64_t)frames * FRAME_NS;
}

static void async_pass(EHCIState *s)
{
    if (s->cmd & CMD_ASE) {
        walk_async(s);
    }
    if (s->cmd & CMD_IAAD) {
        s->cmd &= ~CMD_IAAD;
        s->sts |= STS_IAA;
    }
}

static void ehci_tick(void *opaque)
{
    EHCIState *s = opaque;
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->walking) {
        return; /* a transfer's DMA came back to our registers */
    }
    s->walking = true;
    s->progress = false;
    if (now - s->frame_at > (int64_t)CATCH_UP * FRAME_NS) {
        advance(s, (now - s->frame_at) / FRAME_NS - CATCH_UP / 2);
    }
    for (unsigned n = 0; n < CATCH_UP && s->frame_at <= now &&
                         s->cmd & CMD_RS; n++) {
        if (s->cmd & CMD_PSE) {
            walk_periodic(s);
        }
        async_pass(s);
        pending_age(s);
        advance(s, 1);
    }
    s->walking = false;
    ehci_update_irq(s);
    if (schedules_on(s)) {
        s->lazy = s->progress || !list_empty(&s->pending)
                      ? 1 : MIN(s->lazy * 2, LAZY_FRAMES);
        arm(s);
    }
}

/* An answer has come: it need not wait for the next frame. */
static void ehci_bh(void *opaque)
{
    EHCIState *s = opaque;

    if (schedules_on(s) && !s->walking) {
        s->walking = true;
        async_pass(s);
        s->walking = false;
        ehci_update_irq(s);
        s->lazy = 1;
        if (schedules_on(s)) {
            arm(s);
        }
    }
}

/* FRINDEX as time goes by, also while no timer runs. */
static void sync_frames(EHCIState *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->cmd & CMD_RS && !schedules_on(s) && now >= s->frame_at) {
        advance(s, (now - s->frame_at) / FRAME_NS + 1);
    }
}

/* ---- ports --------------------------------------------------------------- */

static bool owned(const EHCIState *s, unsigned n)
{
    return !(s->portsc[n] & P_OWNER);
}

static void show_here(EHCIState *s, unsigned n)
{
    USBDevice *d = s->ports[n].dev;

    if (usb_device_speeds(d) & USB_SPEED_MASK(USB_SPEED_HIGH)) {
        d->speed = USB_SPEED_HIGH;
    }
    s->portsc[n] |= P_CCS | P_CSC;
    /* K state: a low-speed device for the companion; else J. */
    s->portsc[n] = (s->portsc[n] & ~P_LINE) |
                   (d->speed == USB_SPEED_LOW ? 0x400 : 0x800);
    ehci_cause(s, STS_PCD);
}

static void show_there(EHCIState *s, unsigned n)
{
    USBDevice *d = s->ports[n].dev;
    USBPort *c = s->companion[n];

    if (c && usb_device_speeds(d) & USB_SPEED_MASK(USB_SPEED_FULL)) {
        d->speed = USB_SPEED_FULL;
        c->dev = d;
        c->ops->attach(c);
    }
}

static void hide(EHCIState *s, unsigned n)
{
    USBPort *c = s->companion[n];

    if (!owned(s, n)) {
        if (c && c->dev) {
            c->ops->detach(c);
            c->dev = NULL;
        }
        return;
    }
    if (s->portsc[n] & P_CCS) {
        s->portsc[n] = (s->portsc[n] & ~(P_CCS | P_LINE | P_SUSP | P_RESUME)) |
                       P_CSC;
        if (s->portsc[n] & P_PED) {
            s->portsc[n] &= ~P_PED;
            s->portsc[n] |= P_PEDC;
        }
        ehci_cause(s, STS_PCD);
    }
}

static void ehci_attach(USBPort *port)
{
    EHCIState *s = port->opaque;

    if (owned(s, port->index)) {
        show_here(s, port->index);
    } else {
        show_there(s, port->index);
    }
}

static void ehci_detach(USBPort *port)
{
    EHCIState *s = port->opaque;

    hide(s, port->index);
    /* The next device is ours to look at again (4.2.2). */
    if (s->config & 1) {
        s->portsc[port->index] &= ~P_OWNER;
    }
}

static void ehci_cancel(USBPort *port, USBDevice *d)
{
    EHCIState *s = port->opaque;
    USBPort *c = s->companion[port->index];

    if (!owned(s, port->index) && c) {
        c->ops->cancel(c, d);
    } else {
        pending_cancel(s, d);
    }
}

static void ehci_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    EHCIState *s = port->opaque;
    unsigned n = port->index;
    USBPort *c = s->companion[n];

    if (!owned(s, n)) {
        if (c && c->dev) {
            c->ops->wakeup(c, d, ep);
        }
        return;
    }
    if (s->portsc[n] & P_SUSP && d->remote_wakeup) {
        s->portsc[n] |= P_RESUME;
        ehci_cause(s, STS_PCD);
    }
    if (schedules_on(s) && s->lazy > 1) {
        s->lazy = 1;
        arm(s);
    }
}

static void ehci_complete(USBPort *port, USBPacket *p)
{
    EHCIState *s = port->opaque;
    USBPort *c = s->companion[port->index];

    if (!owned(s, port->index) && c) {
        c->ops->complete(c, p);
        return;
    }
    container_of(p, EHCIAsync, packet)->done = true;
    bh_schedule(s->bh);
}

static const USBPortOps ehci_port_ops = {
    .attach = ehci_attach,
    .detach = ehci_detach,
    .cancel = ehci_cancel,
    .wakeup = ehci_wakeup,
    .complete = ehci_complete,
};

static void set_owner(EHCIState *s, unsigned n, bool companion)
{
    USBPort *p = &s->ports[n];
    bool there = p->dev && p->dev->attached;

    if (owned(s, n) != companion || (companion && !s->companion[n])) {
        return; /* as it is, or there is nobody to give it to */
    }
    if (there) {
        ehci_cancel(p, p->dev);
        hide(s, n);
        s->portsc[n] &= ~(P_CSC | P_PEDC); /* software knows */
        usb_device_bus_reset(p->dev);
    }
    s->portsc[n] = companion ? s->portsc[n] | P_OWNER
                             : s->portsc[n] & ~P_OWNER;
    if (there) {
        ehci_attach(p);
    }
}

static bool ehci_register_companion(USBBus *bus, USBPort *ports, unsigned n,
                                    unsigned first, Error **errp)
{
    EHCIState *s = container_of(bus, EHCIState, bus);

    for (unsigned i = 0; i < n; i++) {
        if (first + i >= PORTS || s->companion[first + i]) {
            error_setg(errp, "firstport must be between 0 and %u, and ports "
                             "not taken by another companion", PORTS - n);
            return false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned at = first + i;

        s->companion[at] = &ports[i];
        s->ports[at].speeds |= USB_SPEED_MASK(USB_SPEED_LOW) |
                               USB_SPEED_MASK(USB_SPEED_FULL);
        s->portsc[at] |= P_OWNER; /* until CONFIGFLAG is set */
    }
    return true;
}

static void ehci_unregister_companion(USBBus *bus, USBPort *ports, unsigned n)
{
    EHCIState *s = container_of(bus, EHCIState, bus);

    for (unsigned i = 0; i < PORTS; i++) {
        if (s->companion[i] >= ports && s->companion[i] < ports + n) {
            set_owner(s, i, false);
            s->companion[i] = NULL;
        }
    }
}

static void write_port(EHCIState *s, unsigned n, uint32_t v)
{
    uint32_t *p = &s->portsc[n];
    USBDevice *d = s->ports[n].dev;

    set_owner(s, n, v & P_OWNER);
    if (!owned(s, n)) {
        return;
    }
    *p &= ~(v & P_W1C);
    if (!(v & P_PED)) { /* software can switch off only */
        *p &= ~P_PED;
    }
    if (v & P_RESET && !(*p & P_RESET)) {
        *p = (*p | P_RESET) & ~(P_PED | P_SUSP);
        if (d) {
            pending_cancel(s, NULL);
            usb_port_reset(&s->ports[n]);
        }
    } else if (!(v & P_RESET) && *p & P_RESET) {
        *p &= ~P_RESET;
        /* Who chirped is of high speed, and enabled. */
        if (d && d->attached && d->speed == USB_SPEED_HIGH) {
            *p = (*p | P_PED) & ~P_LINE;
        }
    }
    if (v & P_SUSP && *p & P_PED) {
        *p |= P_SUSP;
    }
    if (v & P_RESUME && *p & P_SUSP) {
        *p |= P_RESUME;
    } else if (!(v & P_RESUME) && *p & P_RESUME) {
        *p &= ~(P_RESUME | P_SUSP);
    }
    *p = (*p & ~P_WAKE) | (v & P_WAKE) | P_POWER;
}

/* ---- registers ----------------------------------------------------------- */

static void ehci_chip_reset(EHCIState *s)
{
    timer_del(&s->timer);
    bh_cancel(s->bh);
    pending_cancel(s, NULL);
    s->cmd = 0x00080000; /* at most one interrupt in 8 microframes */
    s->sts = STS_HALTED;
    s->intr = s->frindex = s->segment = s->periodic = s->async_addr = 0;
    s->config = 0;
    s->lazy = 1;
    for (unsigned i = 0; i < PORTS; i++) {
        bool there = s->ports[i].dev && s->ports[i].dev->attached;

        if (there) {
            hide(s, i);
            usb_port_reset(&s->ports[i]);
        }
        s->portsc[i] = P_POWER | (s->companion[i] ? P_OWNER : 0);
        if (there) {
            ehci_attach(&s->ports[i]);
        }
    }
    ehci_update_irq(s);
}

static void write_cmd(EHCIState *s, uint32_t v)
{
    bool was_on = schedules_on(s);

    if (v & CMD_HCRESET) {
        ehci_chip_reset(s);
        return;
    }
    sync_frames(s);
    if (v & CMD_RS && !(s->cmd & CMD_RS)) {
        s->frame_at = clock_ns(CLOCK_VIRTUAL) + FRAME_NS;
        s->sts &= ~STS_HALTED;
    } else if (!(v & CMD_RS)) {
        s->sts |= STS_HALTED;
    }
    /* A doorbell that waits stays; ringing needs a schedule that runs. */
    s->cmd = (v & 0x00ff0033) | ((v | s->cmd) & CMD_IAAD);
    if (s->cmd & CMD_IAAD && !(s->cmd & CMD_ASE)) {
        s->cmd &= ~CMD_IAAD;
        s->sts |= STS_IAA;
    }
    follow_enables(s);
    if (!schedules_on(s)) {
        timer_del(&s->timer);
    } else if (!was_on || s->lazy > 1) {
        s->lazy = 1;
        arm(s);
    }
    ehci_update_irq(s);
}

static void ehci_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    EHCIState *s = opaque;
    unsigned reg = addr - CAP_LENGTH;

    if (addr < CAP_LENGTH) {
        return;
    }
    switch (reg) {
    case USBCMD:
        write_cmd(s, val);
        break;
    case USBSTS:
        s->sts &= ~(val & STS_W1C);
        ehci_update_irq(s);
        break;
    case USBINTR:
        s->intr = val & STS_W1C;
        ehci_update_irq(s);
        break;
    case FRINDEX:
        if (!(s->cmd & CMD_RS)) {
            s->frindex = val & 0x3ff8;
        }
        break;
    case PERIODICLISTBASE:
        s->periodic = val & 0xfffff000;
        break;
    case ASYNCLISTADDR:
        s->async_addr = val & LINK_PTR;
        break;
    case CONFIGFLAG:
        s->config = val & 1;
        for (unsigned i = 0; i < PORTS; i++) {
            set_owner(s, i, !s->config);
        }
        break;
    case PORTSC ... PORTSC + 4 * PORTS - 1:
        write_port(s, (reg - PORTSC) / 4, val);
        break;
    }
}

static uint64_t ehci_read(void *opaque, hwaddr addr, unsigned size)
{
    EHCIState *s = opaque;
    unsigned companions = 0;

    for (unsigned i = 0; i < PORTS; i++) {
        companions += s->companion[i] != NULL;
    }
    switch (addr) {
    case 0x00: /* CAPLENGTH, HCIVERSION */
        return 0x01000000 | CAP_LENGTH;
    case 0x04: /* HCSPARAMS: ports; ports a companion, companions */
        return PORTS | (companions ? 2u << 8 | companions / 2 << 12 : 0);
    case 0x08: /* HCCPARAMS: 32-bit addresses, 1024 frames */
        return 0;
    }
    if (addr < CAP_LENGTH) {
        return 0;
    }
    switch (addr - CAP_LENGTH) {
    case USBCMD:
        return s->cmd;
    case USBSTS:
        sync_frames(s);
        return s->sts;
    case USBINTR:
        return s->intr;
    case FRINDEX: {
        int64_t now = clock_ns(CLOCK_VIRTUAL), past;

        sync_frames(s);
        if (!(s->cmd & CMD_RS)) {
            return s->frindex;
        }
        past = now - (s->frame_at - FRAME_NS); /* of the frame that runs */
        return (s->frindex + past / (FRAME_NS / 8)) & 0x3fff;
    }
    case CTRLDSSEGMENT:
        return s->segment;
    case PERIODICLISTBASE:
        return s->periodic;
    case ASYNCLISTADDR:
        return s->async_addr;
    case CONFIGFLAG:
        return s->config;
    case PORTSC ... PORTSC + 4 * PORTS - 1:
        return s->portsc[(addr - CAP_LENGTH - PORTSC) / 4];
    }
    return 0;
}

static const MemoryRegionOps ehci_ops = {
    .read = ehci_read,
    .write = ehci_write,
    .impl = { .min = 4, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static void ehci_reset(DeviceState *dev)
{
    ehci_chip_reset((EHCIState *)dev);
}

static bool ehci_realize(DeviceState *dev, Error **errp)
{
    EHCIState *s = (EHCIState *)dev;

    s->pci.config[0x60] = 0x20; /* serial bus release number: USB 2.0 */
    s->pci.config[0x61] = 0x20; /* frame length: 60000 bit times */
    pci_set_interrupt_pin(&s->pci, 4);
    list_init(&s->pending);
    s->spare = g_new0(EHCIAsync, 1);
    s->lazy = 1;
    s->bh = bh_new(loop_main(), ehci_bh, s);
    timer_init_virtual(&s->timer, ehci_tick, s);
    usb_bus_init(&s->bus, dev, NULL);
    s->bus.register_companion = ehci_register_companion;
    s->bus.unregister_companion = ehci_unregister_companion;
    for (unsigned i = 0; i < PORTS; i++) {
        usb_register_port(&s->bus, &s->ports[i], NULL, i,
                          USB_SPEED_MASK(USB_SPEED_HIGH), &ehci_port_ops, s);
    }
    memory_region_init_io(&s->mmio, &dev->obj, &ehci_ops, s, "ehci",
                          MMIO_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void ehci_unrealize(DeviceState *dev)
{
    EHCIState *s = (EHCIState *)dev;

    timer_del(&s->timer);
    for (unsigned i = 0; i < PORTS; i++) {
        usb_unregister_port(&s->ports[i]);
    }
    pending_cancel(s, NULL);
    bh_delete(s->bh);
    g_free(s->spare);
    usb_bus_fini(&s->bus);
}

static void ehci_finalize(DeviceState *dev)
{
    memory_region_destroy(&((EHCIState *)dev)->mmio);
}

static bool ehci_post_load(void *opaque, int version, Error **errp)
{
    EHCIState *s = opaque;

    if (s->lazy < 1 || s->lazy > LAZY_FRAMES || s->frindex > 0x3fff) {
        error_setg(errp, "ehci: frame number or pace out of range");
        return false;
    }
    for (unsigned i = 0; i < PORTS; i++) {
        USBDevice *d = s->ports[i].dev;

        if (s->companion[i]) {
            s->companion[i]->dev = owned(s, i) ? NULL : d;
        }
        if (d && d->attached) {
            d->speed = owned(s, i) && usb_device_speeds(d) &
                                          USB_SPEED_MASK(USB_SPEED_HIGH)
                           ? USB_SPEED_HIGH : USB_SPEED_FULL;
        }
    }
    return true;
}

static const VMStateField ehci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, EHCIState),
    VMSTATE_UINT32(cmd, EHCIState),
    VMSTATE_UINT32(sts, EHCIState),
    VMSTATE_UINT32(intr, EHCIState),
    VMSTATE_UINT32(frindex, EHCIState),
    VMSTATE_UINT32(periodic, EHCIState),
    VMSTATE_UINT32(async_addr, EHCIState),
    VMSTATE_UINT32(config, EHCIState),
    VMSTATE_UINT32_ARRAY(portsc, EHCIState, PORTS),
    VMSTATE_INT64(frame_at, EHCIState),
    VMSTATE_UINT32(lazy, EHCIState),
    VMSTATE_TIMER(timer, EHCIState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ehci = {
    .name = "ehci",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = ehci_post_load,
    .fields = ehci_fields,
};

#define EHCI_PCI(dev_id, rev) \
    { .vendor_id = PCI_VENDOR_INTEL, .device_id = (dev_id), \
      .revision = (rev), .class_id = 0x0c03, .prog_if = 0x20 }
static const PCIDeviceInfo ehci_models[] = {
    EHCI_PCI(0x24cd, 0x10), EHCI_PCI(0x293a, 3), EHCI_PCI(0x293c, 3),
};

#define EHCI_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_USB, .size = sizeof(EHCIState), \
      .vmsd = &vmstate_ehci, .bus_info = &(mod), .fw_name = "usb", \
      .no_hotplug = true, .realize = ehci_realize, \
      .unrealize = ehci_unrealize, .reset = ehci_reset, \
      .finalize = ehci_finalize }

static const DeviceInfo ehci_infos[] = {
    EHCI_INFO("usb-ehci", "USB 2.0 controller", ehci_models[0]),
    EHCI_INFO("ich9-usb-ehci1", "ICH9 USB 2.0 controller", ehci_models[1]),
    EHCI_INFO("ich9-usb-ehci2", "ICH9 USB 2.0 controller", ehci_models[2]),
};

static void ehci_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ehci_infos); i++) {
        device_register(&ehci_infos[i]);
    }
}
device_init(ehci_register)
