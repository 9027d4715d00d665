/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EHCI's schedules: the periodic list's entry of each frame (queues and
 * isochronous descriptors) and the ring of asynchronous queue heads.
 *
 * Frames are walked each millisecond; while nothing moves several go together,
 * up to LAZY_FRAMES, and a device that gets something to say ends that.  After
 * transfers of the asynchronous list the driver mostly has more soon: it is
 * looked at QUICK_PASSES times more, one each QUICK_NS.
 *
 *   - Walks are bounded: STEPS entries of a list, QTDS transfers of one queue.
 *   - A qTD is one packet to the device, gathered from its five pages (at most
 *     20 KiB).  One that is answered later is found again by its queue head.
 *   - A frame's isochronous transactions are done at its beginning, all eight.
 */
#include "osdep.h"
#include "ehci-int.h"

#define CATCH_UP     32
#define STEPS        256
#define QTDS         64
#define UNSEEN_MAX   256 /* frames until a packet is taken back */
#define QUICK_NS     125000
#define QUICK_PASSES 16

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
    uint8_t b[4 * ITD_WORDS];

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
    uint8_t b[4 * ITD_WORDS];

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

void ehci_pending_cancel(EHCIState *s, const USBDevice *d)
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

/* The packet's answer into the overlay of the queue at @addr and its qTD; true:
 * that is done, and well. */
static bool qtd_finish(EHCIState *s, uint32_t addr, uint32_t *qh,
                       const USBPacket *p)
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
    put_words(s, addr + 4 * QH_TOKEN, &qh[QH_TOKEN], 2);
    put_words(s, (qh[QH_CURRENT] & LINK_PTR) + 8, &qh[QH_TOKEN], 1);
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
    ok = qtd_finish(s, addr, qh, p);
    if (a) {
        pending_free(a);
    }
    return ok;
}

void ehci_pending_settle(EHCIState *s)
{
    EHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->pending, node) {
        uint32_t qh[QH_WORDS];

        if (!a->done) {
            continue;
        }
        if (get_words(s, a->qh, qh, QH_WORDS) &&
            qh[QH_CURRENT] == a->qtd && qh[QH_TOKEN] & QTD_ACTIVE) {
            qtd_finish(s, a->qh, qh, &a->packet);
        }
        pending_free(a);
    }
    ehci_update_irq(s);
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

/* ---- isochronous transfers ----------------------------------------------- */

typedef struct IsoPlace {
    hwaddr first, second; /* where the data begins, where it goes on */
    uint32_t in_first;    /* bytes up to there */
} IsoPlace;

static void iso_move(EHCIState *s, const IsoPlace *at, uint8_t *data,
                     uint32_t len, bool in)
{
    uint32_t part = MIN(len, at->in_first);

    if (in) {
        pci_dma_write(&s->pci, at->first, data, part);
        pci_dma_write(&s->pci, at->second, data + part, len - part);
    } else {
        pci_dma_read(&s->pci, at->first, data, part);
        pci_dma_read(&s->pci, at->second, data + part, len - part);
    }
}

/* One transaction: there is no retry and no later answer.  Its USB_x; *@len:
 * bytes that moved. */
static int iso_packet(EHCIState *s, uint32_t addr_ep, bool in, uint32_t *len,
                      const IsoPlace *at)
{
    USBPacket p = { .pid = in ? USB_PID_IN : USB_PID_OUT,
                    .ep = addr_ep >> 8 & 15, .data = s->spare->data,
                    .size = *len };

    if (!in) {
        iso_move(s, at, p.data, *len, false);
    }
    usb_handle_packet(find_device(s, addr_ep & 0x7f), &p);
    if (p.status == USB_ASYNC) {
        usb_cancel_packet(&p);
        p.status = USB_NAK;
    }
    if (in) {
        *len = p.status == USB_OK ? p.actual : 0;
        iso_move(s, at, p.data, *len, true);
    }
    s->progress = true;
    return p.status;
}

/* 3.3: up to eight transactions of a frame, in seven pages. */
static void run_itd(EHCIState *s, uint32_t addr, uint32_t *itd)
{
    uint32_t mult = MAX(itd[11] & 3, 1), packet = itd[10] & 0x7ff;
    bool in = itd[10] & 0x800;

    for (unsigned i = 0; i < 8; i++) {
        uint32_t t = itd[1 + i], page = t >> 12 & 7, off = t & 0xfff;
        uint32_t len = MIN(t >> 16 & 0xfff, mult * packet);
        IsoPlace at;

        if (!(t & ITD_ACTIVE) || page > 6) {
            continue;
        }
        len = MIN(len, page == 6 ? 4096 - off : 3 * 1024);
        at = (IsoPlace){ guest(s, (itd[9 + page] & ~0xfffu) + off),
                         guest(s, itd[9 + MIN(page + 1, 6)] & ~0xfffu),
                         4096 - off };
        t &= ~(ITD_ACTIVE | ITD_STATUS);
        switch (iso_packet(s, itd[9], in, &len, &at)) {
        case USB_OK:
        case USB_NAK:
            break;
        case USB_BABBLE:
            t |= ITD_BABBLE;
            s->sts |= STS_ERR;
            break;
        default:
            t |= ITD_XACT;
            s->sts |= STS_ERR;
        }
        if (in) {
            t = (t & ~0x0fff0000u) | len << 16;
        }
        if (t & ITD_IOC) {
            s->sts |= STS_INT;
        }
        itd[1 + i] = t;
        put_words(s, addr + 4 + 4 * i, &t, 1);
    }
}

/* 3.4: a split transaction, here in one go. */
static void run_sitd(EHCIState *s, uint32_t addr, uint32_t *td)
{
    uint32_t t = td[3], len = MIN(t >> 16 & 0x3ff, 1023);
    uint32_t off = td[4] & 0xfff, moved = len;
    IsoPlace at = { guest(s, td[4]), guest(s, td[5] & ~0xfffu), 4096 - off };

    if (!(t & QTD_ACTIVE)) {
        return;
    }
    t &= ~0xffu;
    switch (iso_packet(s, td[1], td[1] >> 31, &moved, &at)) {
    case USB_OK:
    case USB_NAK:
        break;
    case USB_BABBLE:
        t |= SITD_BABBLE;
        s->sts |= STS_ERR;
        break;
    default:
        t |= SITD_XACT;
        s->sts |= STS_ERR;
    }
    t = (t & ~0x03ff0000u) | (len - moved) << 16;
    if (t & SITD_IOC) {
        s->sts |= STS_INT;
    }
    put_words(s, addr + 12, &t, 1);
}

/* ---- lists --------------------------------------------------------------- */

static void walk_periodic(EHCIState *s)
{
    uint32_t link, w[ITD_WORDS];

    if (!get_words(s, (s->periodic & ~0xfffu) + (s->frindex >> 3 & 0x3ff) * 4,
                   &link, 1)) {
        return;
    }
    for (unsigned n = 0; n < STEPS && !(link & LINK_T); n++) {
        uint32_t at = link & LINK_PTR;

        static const uint8_t words[] = {
            [TYPE_ITD] = ITD_WORDS, [TYPE_QH] = QH_WORDS,
            [TYPE_SITD] = SITD_WORDS, [TYPE_FSTN] = 1,
        };

        if (!get_words(s, at, w, words[LINK_TYPE(link)])) {
            return;
        }
        switch (LINK_TYPE(link)) {
        case TYPE_QH:
            run_queue(s, at, w);
            break;
        case TYPE_ITD:
            run_itd(s, at, w);
            break;
        case TYPE_SITD:
            run_sitd(s, at, w);
            break;
        }
        link = w[0];
        if (!(s->cmd & CMD_RS)) {
            return;
        }
    }
}

/* ---- time ---------------------------------------------------------------- */

void ehci_arm(EHCIState *s)
{
    int64_t at = s->frame_at + (int64_t)(s->lazy - 1) * FRAME_NS;

    if (s->quick && s->cmd & CMD_ASE) {
        at = MIN(at, clock_ns(CLOCK_VIRTUAL) + QUICK_NS);
    }
    timer_mod_at(&s->timer, at);
}

/* Schedules go on and off at frames' ends; then the status says so. */
void ehci_follow_enables(EHCIState *s)
{
    s->sts &= ~(STS_PSS | STS_ASS);
    s->sts |= (s->cmd & CMD_PSE ? STS_PSS : 0) |
              (s->cmd & CMD_ASE ? STS_ASS : 0);
}

bool ehci_schedules_on(const EHCIState *s)
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
    bool before = s->progress;

    s->progress = false;
    if (s->cmd & CMD_ASE) {
        walk_async(s);
    }
    if (s->progress) {
        s->quick = QUICK_PASSES;
    }
    s->progress |= before;
    if (s->cmd & CMD_IAAD) {
        s->cmd &= ~CMD_IAAD;
        s->sts |= STS_IAA;
    }
}

void ehci_tick(void *opaque)
{
    EHCIState *s = opaque;
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->walking) {
        return; /* a transfer's DMA came back to our registers */
    }
    s->walking = true;
    s->progress = false;
    if (s->quick) {
        s->quick--;
        async_pass(s);
    }
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
    if (ehci_schedules_on(s)) {
        s->lazy = s->progress || s->quick || !list_empty(&s->pending)
                      ? 1 : MIN(s->lazy * 2, LAZY_FRAMES);
        ehci_arm(s);
    }
}

void ehci_bh(void *opaque)
{
    EHCIState *s = opaque;

    if (!ehci_schedules_on(s) || s->walking || !runstate_is_running()) {
        return;
    }
    s->walking = true;
    async_pass(s);
    s->walking = false;
    ehci_update_irq(s);
    s->lazy = 1;
    if (ehci_schedules_on(s)) {
        ehci_arm(s);
    }
}

void ehci_vm_changed(void *opaque, bool running, RunState state)
{
    EHCIState *s = opaque;

    if (running) {
        bh_schedule(s->bh); /* answers that came while it was stopped */
    }
}

void ehci_sync_frames(EHCIState *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->cmd & CMD_RS && !ehci_schedules_on(s) && now >= s->frame_at) {
        advance(s, (now - s->frame_at) / FRAME_NS + 1);
    }
}
