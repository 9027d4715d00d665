/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Universal Host Controller Interface (UHCI Design Guide 1.1): PIIX3, PIIX4,
 * and ICH9's six, which can be companions of its EHCI controllers.
 *
 * Once a frame (1 ms) the schedule is walked: a list of transfer descriptors
 * and queue heads in guest memory.  While devices have nothing to say (all
 * NAK) and nothing completes, several frames are walked together, up to
 * LAZY_FRAMES: a pointer that rests costs few wake-ups.  A device that gets
 * something to say ends that at once (port_wakeup()).
 *
 *   - A walk is bounded: FRAME_STEPS entries, FRAME_BYTES of data, and a queue
 *     met twice without progress in between ends it (loops are legal: bandwidth
 *     reclamation).
 *   - A packet that a device answers later is found again by its descriptor's
 *     address; when the descriptor changes or is not seen for ASYNC_FRAMES, it
 *     is taken back.
 *
 * uhci_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/pci.h"
#include "hw/usb.h"
#include "util/log.h"

#define PORTS        2
#define FRAME_NS     1000000
#define FRAME_BYTES  1280
#define FRAME_STEPS  512
#define LAZY_FRAMES  8
#define CATCH_UP     64   /* frames at most in one go */
#define ASYNC_FRAMES 64
#define MAX_PACKET   1280

enum { USBCMD = 0x00, USBSTS = 0x02, USBINTR = 0x04, FRNUM = 0x06,
       FLBASEADD = 0x08, SOFMOD = 0x0c, PORTSC = 0x10 };
enum { CMD_RS = 0x01, CMD_HCRESET = 0x02, CMD_GRESET = 0x04, CMD_EGSM = 0x08,
       CMD_FGR = 0x10, CMD_SWDBG = 0x20, CMD_CF = 0x40, CMD_MAXP = 0x80 };
enum { STS_INT = 0x01, STS_ERROR = 0x02, STS_RESUME = 0x04, STS_HSE = 0x08,
       STS_HCPE = 0x10, STS_HALTED = 0x20 };
enum { INTR_CRC = 0x1, INTR_RESUME = 0x2, INTR_IOC = 0x4, INTR_SHORT = 0x8 };
enum { P_CCS = 0x0001, P_CSC = 0x0002, P_PED = 0x0004, P_PEDC = 0x0008,
       P_LINE = 0x0030, P_RD = 0x0040, P_ONE = 0x0080, P_LSDA = 0x0100,
       P_RESET = 0x0200, P_SUSP = 0x1000, P_RW = 0x1244 };
#define LINK_T  0x1u
#define LINK_Q  0x2u
#define LINK_VF 0x4u
#define LINK_PTR 0xfffffff0u
#define TD_CRC     0x00040000u
#define TD_NAK     0x00080000u
#define TD_BABBLE  0x00100000u
#define TD_STALLED 0x00400000u
#define TD_ACTIVE  0x00800000u
#define TD_IOC     0x01000000u
#define TD_ISO     0x02000000u
#define TD_LS      0x04000000u
#define TD_CERR    0x18000000u
#define TD_SPD     0x20000000u
#define TD_LEN     0x7ffu

typedef struct UHCIState UHCIState;

/* A packet that waits for its device's answer. */
typedef struct UHCIAsync {
    ListNode node;
    USBPacket packet;
    uint32_t td, token;
    uint32_t queue;      /* it stands in; 0: none */
    unsigned unseen;     /* frames */
    bool done;
    uint8_t data[MAX_PACKET];
} UHCIAsync;

struct UHCIState {
    PCIDevice pci;
    /* Properties. */
    char *masterbus;     /* the EHCI's whose companion it is, or NULL */
    uint32_t firstport;
    /* Guest-visible state. */
    uint16_t cmd, sts, intr, frnum;
    uint32_t flbase;
    uint8_t sofmod;
    bool cause_ioc, cause_short; /* which of them STS_INT stands for */
    uint16_t portsc[PORTS];
    int64_t frame_at;    /* virtual ns at which frame frnum is due */
    uint32_t lazy;       /* frames until the next walk, 1 and more */
    Timer timer;
    /* Host side. */
    USBBus bus;
    USBPort ports[PORTS];
    MemoryRegion io;
    ListNode async;
    UHCIAsync *spare;    /* the next packet's */
    BH *async_bh;
    VMChangeListener vm_change;
    USBBus *master;      /* NULL: it has a bus of its own */
    bool walking, progress;
};

/* DeviceInfo is extended by the interrupt pin. */
typedef struct UHCIModel {
    PCIDeviceInfo pci;
    uint8_t pin;
} UHCIModel;

/* ---- interrupts ---------------------------------------------------------- */

static void uhci_update_irq(UHCIState *s)
{
    bool level = (s->sts & STS_INT &&
                  ((s->cause_ioc && s->intr & INTR_IOC) ||
                   (s->cause_short && s->intr & INTR_SHORT))) ||
                 (s->sts & STS_ERROR && s->intr & INTR_CRC) ||
                 (s->sts & STS_RESUME && s->intr & INTR_RESUME) ||
                 s->sts & (STS_HSE | STS_HCPE);

    pci_set_irq(&s->pci, level);
}

static void halt_with(UHCIState *s, uint16_t why)
{
    s->cmd &= ~CMD_RS;
    s->sts |= why | STS_HALTED;
    timer_del(&s->timer);
    uhci_update_irq(s);
}

/* ---- packets that take longer -------------------------------------------- */

static UHCIAsync *async_find(UHCIState *s, uint32_t td, uint32_t token)
{
    UHCIAsync *a;

    list_foreach(a, &s->async, node) {
        if (a->td == td && a->token == token) {
            return a;
        }
    }
    return NULL;
}

static void async_free(UHCIAsync *a)
{
    if (!a->done) {
        usb_cancel_packet(&a->packet);
    }
    list_remove(&a->node);
    g_free(a);
}

static void async_cancel(UHCIState *s, USBDevice *d)
{
    UHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->async, node) {
        if (!d || a->packet.dev == d) {
            async_free(a);
        }
    }
}

/* The guest took the descriptor out of its schedule. */
static void async_age(UHCIState *s)
{
    UHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->async, node) {
        if (++a->unseen > ASYNC_FRAMES) {
            async_free(a);
        }
    }
}

static void uhci_complete(USBPort *port, USBPacket *p)
{
    UHCIState *s = port->opaque;
    UHCIAsync *a = container_of(p, UHCIAsync, packet);

    a->done = true;
    bh_schedule(s->async_bh);
}

/* ---- descriptors --------------------------------------------------------- */

typedef enum TDResult {
    TD_NEXT_QUEUE, /* not done: the queue stays where it is */
    TD_DONE,       /* the queue goes on behind it */
    TD_STOP,       /* the controller has halted */
} TDResult;

static USBDevice *find_device(UHCIState *s, uint8_t addr)
{
    for (unsigned i = 0; i < PORTS; i++) {
        USBDevice *d = s->portsc[i] & P_PED ? usb_find_device(&s->ports[i],
                                                              addr) : NULL;

        if (d) {
            return d;
        }
    }
    return NULL;
}

/* What the answer means for the descriptor's control word. */
static TDResult td_finish(UHCIState *s, uint32_t *ctrl, uint32_t token,
                          uint32_t buffer, const USBPacket *p)
{
    bool iso = *ctrl & TD_ISO;

    *ctrl &= ~(TD_NAK | TD_LEN);
    if (p->status == USB_NAK && !iso) {
        *ctrl |= TD_NAK | TD_LEN;
        return TD_NEXT_QUEUE;
    }
    s->progress = true;
    *ctrl &= ~TD_ACTIVE;
    *ctrl |= (p->actual - 1) & TD_LEN;
    if (*ctrl & TD_IOC) {
        s->sts |= STS_INT;
        s->cause_ioc = true;
    }
    switch (p->status) {
    case USB_OK:
        if (p->pid == USB_PID_IN) {
            if (p->actual) {
                pci_dma_write(&s->pci, buffer, p->data, p->actual);
            }
            if (p->actual < p->size && *ctrl & TD_SPD && !iso) {
                s->sts |= STS_INT;
                s->cause_short = true;
                return TD_NEXT_QUEUE;
            }
        }
        return TD_DONE;
    case USB_NAK: /* isochronous: no data this time */
        return TD_DONE;
    case USB_STALL:
        *ctrl |= TD_STALLED;
        break;
    case USB_BABBLE:
        *ctrl |= TD_STALLED | TD_BABBLE;
        break;
    default: /* nobody answers: three tries are over */
        *ctrl |= TD_CRC | (iso ? 0 : TD_STALLED);
        *ctrl &= ~TD_CERR;
        break;
    }
    s->sts |= STS_ERROR;
    return iso ? TD_DONE : TD_NEXT_QUEUE;
}

static void put_word(UHCIState *s, uint32_t addr, uint32_t v)
{
    uint8_t b[4];

    pci_set_long(b, v);
    pci_dma_write(&s->pci, addr, b, 4);
}

/* @td: its four words; @queue: of the head that leads to it, 0: none. */
static TDResult run_td(UHCIState *s, uint32_t queue, uint32_t addr,
                       uint32_t td[4], uint32_t *bytes)
{
    uint32_t token = td[2], len = ((token >> 21) + 1) & 0x7ff;
    uint8_t pid = token & 0xff;
    UHCIAsync *a;
    USBPacket *p;
    TDResult ret;

    if (!(td[1] & TD_ACTIVE)) {
        if (td[1] & TD_IOC) { /* drivers put one at a frame's end */
            s->sts |= STS_INT;
            s->cause_ioc = true;
        }
        return TD_NEXT_QUEUE;
    }
    if ((pid != USB_PID_IN && pid != USB_PID_OUT && pid != USB_PID_SETUP) ||
        len > MAX_PACKET) {
        halt_with(s, STS_HCPE);
        return TD_STOP;
    }
    a = async_find(s, addr, token);
    if (a) {
        a->unseen = 0;
        if (!a->done) {
            return TD_NEXT_QUEUE;
        }
        p = &a->packet;
    } else {
        USBDevice *d = find_device(s, token >> 8 & 0x7f);

        p = &s->spare->packet;
        *p = (USBPacket){ .pid = pid, .ep = token >> 15 & 15,
                          .data = s->spare->data, .size = len };
        if (pid != USB_PID_IN && len) {
            pci_dma_read(&s->pci, td[3], p->data, len);
        }
        usb_handle_packet(d, p);
        if (p->status == USB_ASYNC) {
            a = s->spare;
            a->td = addr;
            a->token = token;
            a->queue = queue;
            a->unseen = 0;
            a->done = false;
            list_append(&s->async, &a->node);
            s->spare = g_new0(UHCIAsync, 1);
            return TD_NEXT_QUEUE;
        }
    }
    *bytes += p->actual;
    ret = td_finish(s, &td[1], token, td[3], p);
    if (a) {
        async_free(a);
    }
    put_word(s, addr + 4, td[1]);
    return ret;
}

static bool read_words(UHCIState *s, uint32_t addr, uint32_t *w, unsigned n)
{
    uint8_t b[16];

    if (pci_dma_read(&s->pci, addr, b, 4 * n) != MEMTX_OK) {
        halt_with(s, STS_HSE);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        w[i] = pci_get_long(b + 4 * i);
    }
    return true;
}

/* Answers that have come go to the guest's memory: before a save. */
static void async_settle(UHCIState *s)
{
    UHCIAsync *a, *tmp;

    list_foreach_safe(a, tmp, &s->async, node) {
        uint32_t td[4], qh[2] = { 0 };

        if (!a->done) {
            continue;
        }
        if (read_words(s, a->td, td, 4) && td[2] == a->token &&
            td[1] & TD_ACTIVE &&
            (!a->queue || read_words(s, a->queue, qh, 2))) {
            TDResult ret = td_finish(s, &td[1], td[2], td[3], &a->packet);

            put_word(s, a->td + 4, td[1]);
            if (ret == TD_DONE && a->queue && (qh[1] & LINK_PTR) == a->td) {
                put_word(s, a->queue + 4, td[0]);
            }
        }
        async_free(a);
    }
    uhci_update_irq(s);
}

/* ---- frames -------------------------------------------------------------- */

static void walk_frame(UHCIState *s)
{
    uint32_t link, qh[2], td[4], queue = 0, bytes = 0, first = 0;
    uint32_t seen[64];
    unsigned n_seen = 0;
    bool progress = false;

    if (!read_words(s, (s->flbase & ~0xfffu) + 4 * (s->frnum & 0x3ff), &link,
                    1)) {
        return;
    }
    for (unsigned step = 0; step < FRAME_STEPS && bytes < FRAME_BYTES; step++) {
        TDResult ret;

        if (link & LINK_T) {
            break;
        }
        if (link & LINK_Q) {
            uint32_t at = link & LINK_PTR;
            bool again = false;

            for (unsigned i = 0; i < n_seen; i++) {
                again |= seen[i] == at;
            }
            if (again) { /* a loop: another round if the last one did good */
                if (!progress) {
                    break;
                }
                progress = false;
                n_seen = 0;
            }
            if (n_seen < ARRAY_SIZE(seen)) {
                seen[n_seen++] = at;
            }
            if (!read_words(s, at, qh, 2)) {
                return;
            }
            queue = at;
            first = qh[0];
            if (qh[1] & LINK_T) {
                link = first;
                queue = 0;
            } else {
                link = qh[1];
                if (link & LINK_Q) { /* a queue in a queue */
                    queue = 0;
                }
            }
            continue;
        }
        if (!read_words(s, link & LINK_PTR, td, 4)) {
            return;
        }
        ret = run_td(s, queue, link & LINK_PTR, td, &bytes);
        if (ret == TD_STOP) {
            return;
        }
        if (!queue) {
            link = td[0];
        } else if (ret == TD_NEXT_QUEUE) {
            link = first;
            queue = 0;
        } else {
            progress = true;
            put_word(s, queue + 4, td[0]);
            if (td[0] & LINK_VF && !(td[0] & (LINK_T | LINK_Q))) {
                link = td[0];
            } else {
                link = first;
                queue = 0;
            }
        }
    }
}

static void arm(UHCIState *s)
{
    timer_mod_at(&s->timer, s->frame_at + (int64_t)(s->lazy - 1) * FRAME_NS);
}

static void run_frames(UHCIState *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    unsigned n = 0;

    if (s->walking) {
        return; /* a transfer's DMA came back to our registers */
    }
    s->walking = true;
    s->progress = false;
    if (now - s->frame_at > (int64_t)CATCH_UP * FRAME_NS) {
        uint64_t skip = (now - s->frame_at) / FRAME_NS - CATCH_UP / 2;

        s->frnum = (s->frnum + skip) & 0x7ff;
        s->frame_at += skip * FRAME_NS;
    }
    while (s->cmd & CMD_RS && s->frame_at <= now && n++ < CATCH_UP) {
        walk_frame(s);
        async_age(s);
        s->frnum = (s->frnum + 1) & 0x7ff;
        s->frame_at += FRAME_NS;
    }
    s->walking = false;
    uhci_update_irq(s);
    if (s->cmd & CMD_RS) {
        s->lazy = s->progress || !list_empty(&s->async)
                      ? 1 : MIN(s->lazy * 2, LAZY_FRAMES);
        arm(s);
    }
}

static void frame_timer(void *opaque)
{
    run_frames(opaque);
}

/* An answer has come: no need to wait for the next frame's time. */
static void async_bh(void *opaque)
{
    UHCIState *s = opaque;

    if (s->cmd & CMD_RS && !s->walking && runstate_is_running()) {
        s->walking = true;
        s->progress = false;
        walk_frame(s);
        s->walking = false;
        uhci_update_irq(s);
        s->lazy = 1;
        if (s->cmd & CMD_RS) {
            arm(s);
        }
    }
}

static void uhci_vm_changed(void *opaque, bool running, RunState state)
{
    if (running) { /* answers that came while it was stopped */
        bh_schedule(((UHCIState *)opaque)->async_bh);
    }
}

/* ---- ports --------------------------------------------------------------- */

static void resume_signal(UHCIState *s)
{
    if (s->cmd & CMD_EGSM) {
        s->cmd |= CMD_FGR;
        s->sts |= STS_RESUME;
        uhci_update_irq(s);
    }
}

static void uhci_attach(USBPort *port)
{
    UHCIState *s = port->opaque;
    uint16_t *p = &s->portsc[port->index];

    *p |= P_CCS | P_CSC;
    *p = port->dev->speed == USB_SPEED_LOW ? *p | P_LSDA : *p & ~P_LSDA;
    resume_signal(s);
}

static void uhci_cancel(USBPort *port, USBDevice *d)
{
    async_cancel(port->opaque, d);
}

static void uhci_detach(USBPort *port)
{
    UHCIState *s = port->opaque;
    uint16_t *p = &s->portsc[port->index];

    if (*p & P_CCS) {
        *p = (*p & ~(P_CCS | P_LSDA)) | P_CSC;
    }
    if (*p & P_PED) {
        *p = (*p & ~P_PED) | P_PEDC;
    }
    *p &= ~(P_SUSP | P_RD);
    resume_signal(s);
}

static void uhci_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    UHCIState *s = port->opaque;
    uint16_t *p = &s->portsc[port->index];

    if (d->remote_wakeup && *p & P_SUSP && !(*p & P_RD)) {
        *p |= P_RD;
        resume_signal(s);
    } else if (d->remote_wakeup && s->cmd & CMD_EGSM) {
        resume_signal(s);
    }
    if (s->cmd & CMD_RS && s->lazy > 1) {
        s->lazy = 1;
        arm(s);
    }
}

static const USBPortOps uhci_port_ops = {
    .attach = uhci_attach,
    .detach = uhci_detach,
    .cancel = uhci_cancel,
    .wakeup = uhci_wakeup,
    .complete = uhci_complete,
};

static void port_write(UHCIState *s, unsigned n, uint16_t v)
{
    uint16_t *p = &s->portsc[n];

    if (v & P_RESET && !(*p & P_RESET)) {
        async_cancel(s, NULL);
        usb_port_reset(&s->ports[n]);
    }
    *p &= ~(v & (P_CSC | P_PEDC));
    *p = (*p & ~P_RW) | (v & P_RW);
    if (!(*p & P_CCS)) { /* nobody there: it cannot be enabled */
        *p &= ~P_PED;
    }
}

static uint16_t port_read(const UHCIState *s, unsigned n)
{
    uint16_t v = s->portsc[n] | P_ONE;

    /* Idle lines: D+ high at full speed, D- at low speed. */
    if (v & P_CCS && !(v & P_RESET)) {
        v |= v & P_LSDA ? 0x20 : 0x10;
    }
    return v;
}

/* ---- registers ----------------------------------------------------------- */

static void uhci_chip_reset(UHCIState *s)
{
    timer_del(&s->timer);
    bh_cancel(s->async_bh);
    async_cancel(s, NULL);
    s->cmd = s->intr = s->frnum = 0;
    s->sts = STS_HALTED;
    s->flbase = 0;
    s->sofmod = 0x40;
    s->cause_ioc = s->cause_short = false;
    s->lazy = 1;
    for (unsigned i = 0; i < PORTS; i++) {
        s->portsc[i] = 0;
        if (s->ports[i].dev && s->ports[i].dev->attached) {
            usb_port_reset(&s->ports[i]);
            uhci_attach(&s->ports[i]);
        }
    }
    uhci_update_irq(s);
}

static void write_cmd(UHCIState *s, uint16_t v)
{
    if (v & CMD_HCRESET) {
        uhci_chip_reset(s);
        return;
    }
    if (v & CMD_GRESET && !(s->cmd & CMD_GRESET)) {
        uhci_chip_reset(s);
    }
    if (v & CMD_RS && !(s->cmd & CMD_RS)) {
        s->sts &= ~STS_HALTED;
        s->lazy = 1;
        s->frame_at = clock_ns(CLOCK_VIRTUAL) + FRAME_NS;
        arm(s);
    } else if (!(v & CMD_RS)) {
        timer_del(&s->timer);
        s->sts |= STS_HALTED;
    }
    s->cmd = v & 0xff;
}

static uint16_t read_frnum(UHCIState *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    /* Frames that are due but not walked yet have passed, too. */
    if (s->cmd & CMD_RS && now >= s->frame_at) {
        return (s->frnum + (now - s->frame_at) / FRAME_NS + 1) & 0x7ff;
    }
    return s->frnum;
}

static void uhci_write16(UHCIState *s, unsigned addr, uint16_t v)
{
    switch (addr) {
    case USBCMD:
        write_cmd(s, v);
        break;
    case USBSTS:
        s->sts &= ~(v & 0x1f);
        if (v & STS_INT) {
            s->cause_ioc = s->cause_short = false;
        }
        uhci_update_irq(s);
        break;
    case USBINTR:
        s->intr = v & 0x0f;
        uhci_update_irq(s);
        break;
    case FRNUM:
        if (s->sts & STS_HALTED) {
            s->frnum = v & 0x7ff;
        }
        break;
    case FLBASEADD:
        s->flbase = (s->flbase & 0xffff0000) | (v & 0xf000);
        break;
    case FLBASEADD + 2:
        s->flbase = (s->flbase & 0xffff) | (uint32_t)v << 16;
        break;
    case SOFMOD:
        s->sofmod = v & 0x7f;
        break;
    case PORTSC:
    case PORTSC + 2:
        port_write(s, (addr - PORTSC) / 2, v);
        break;
    }
}

static uint16_t uhci_read16(UHCIState *s, unsigned addr)
{
    switch (addr) {
    case USBCMD:
        return s->cmd;
    case USBSTS:
        return s->sts;
    case USBINTR:
        return s->intr;
    case FRNUM:
        return read_frnum(s);
    case FLBASEADD:
        return s->flbase;
    case FLBASEADD + 2:
        return s->flbase >> 16;
    case SOFMOD:
        return s->sofmod;
    case PORTSC:
    case PORTSC + 2:
        return port_read(s, (addr - PORTSC) / 2);
    }
    return addr < 0x18 ? 0 : 0xff7f; /* no more ports */
}

static void uhci_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    UHCIState *s = opaque;

    if (size == 1) { /* the other half is what it was, but not ones to clear */
        unsigned at = addr & ~1u;
        uint16_t old = at == USBSTS ? 0
                       : at >= PORTSC ? uhci_read16(s, at) & ~(P_CSC | P_PEDC)
                                      : uhci_read16(s, at);

        uhci_write16(s, at, addr & 1 ? (old & 0xff) | (val & 0xff) << 8
                                     : (old & 0xff00) | (val & 0xff));
        return;
    }
    uhci_write16(s, addr, val);
    if (size == 4) {
        uhci_write16(s, addr + 2, val >> 16);
    }
}

static uint64_t uhci_read(void *opaque, hwaddr addr, unsigned size)
{
    UHCIState *s = opaque;

    if (size == 1) {
        return uhci_read16(s, addr & ~1u) >> 8 * (addr & 1) & 0xff;
    }
    return uhci_read16(s, addr) |
           (size == 4 ? (uint32_t)uhci_read16(s, addr + 2) << 16 : 0);
}

static const MemoryRegionOps uhci_ops = {
    .read = uhci_read,
    .write = uhci_write,
    .impl = { .min = 1, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static void uhci_reset(DeviceState *dev)
{
    uhci_chip_reset((UHCIState *)dev);
}

static bool find_master(UHCIState *s, Error **errp)
{
    BusState *b = bus_find(s->masterbus, errp);

    if (!b) {
        return false;
    }
    if (strcmp(b->info->name, BUS_USB) != 0 ||
        !((USBBus *)b)->register_companion) {
        error_setg(errp, "USB bus '%s' does not allow companion controllers",
                   s->masterbus);
        return false;
    }
    for (unsigned i = 0; i < PORTS; i++) {
        usb_init_companion_port(&s->ports[i], i,
                                USB_SPEED_MASK(USB_SPEED_LOW) |
                                    USB_SPEED_MASK(USB_SPEED_FULL),
                                &uhci_port_ops, s);
    }
    if (!((USBBus *)b)->register_companion((USBBus *)b, s->ports, PORTS,
                                           s->firstport, errp)) {
        return false;
    }
    s->master = (USBBus *)b;
    return true;
}

static bool uhci_realize(DeviceState *dev, Error **errp)
{
    UHCIState *s = (UHCIState *)dev;

    const UHCIModel *model = (const UHCIModel *)dev->info->bus_info;
    unsigned speeds = USB_SPEED_MASK(USB_SPEED_LOW) |
                      USB_SPEED_MASK(USB_SPEED_FULL);

    if (s->masterbus && !find_master(s, errp)) {
        return false;
    }
    s->pci.config[0x60] = 0x10; /* serial bus release number: USB 1.0 */
    s->pci.config[0x6a] = 0x01; /* its clock runs */
    pci_set_interrupt_pin(&s->pci, model->pin);
    list_init(&s->async);
    s->spare = g_new0(UHCIAsync, 1);
    s->lazy = 1;
    s->async_bh = bh_new(loop_main(), async_bh, s);
    timer_init_virtual(&s->timer, frame_timer, s);
    s->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                       .fn = uhci_vm_changed, .opaque = s };
    vm_change_add(&s->vm_change);
    if (!s->master) {
        usb_bus_init(&s->bus, dev, NULL);
        for (unsigned i = 0; i < PORTS; i++) {
            usb_register_port(&s->bus, &s->ports[i], NULL, i, speeds,
                              &uhci_port_ops, s);
        }
    }
    memory_region_init_io(&s->io, &dev->obj, &uhci_ops, s, "uhci", 0x20);
    pci_register_bar(&s->pci, 4, PCI_BAR_IO, &s->io);
    return true;
}

static void uhci_unrealize(DeviceState *dev)
{
    UHCIState *s = (UHCIState *)dev;

    vm_change_remove(&s->vm_change);
    timer_del(&s->timer);
    async_cancel(s, NULL);
    if (s->master) {
        s->master->unregister_companion(s->master, s->ports, PORTS);
    } else {
        for (unsigned i = 0; i < PORTS; i++) {
            usb_unregister_port(&s->ports[i]);
        }
        usb_bus_fini(&s->bus);
    }
    bh_delete(s->async_bh);
    g_free(s->spare);
}

static void uhci_finalize(DeviceState *dev)
{
    memory_region_destroy(&((UHCIState *)dev)->io);
}

static void uhci_pre_save(void *opaque)
{
    async_settle(opaque);
}

static bool uhci_post_load(void *opaque, int version, Error **errp)
{
    UHCIState *s = opaque;

    if (s->lazy < 1 || s->lazy > LAZY_FRAMES || s->frnum > 0x7ff) {
        error_setg(errp, "uhci: frame number or pace out of range");
        return false;
    }
    return true;
}

static const VMStateField uhci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, UHCIState),
    VMSTATE_UINT16(cmd, UHCIState),
    VMSTATE_UINT16(sts, UHCIState),
    VMSTATE_UINT16(intr, UHCIState),
    VMSTATE_UINT16(frnum, UHCIState),
    VMSTATE_UINT32(flbase, UHCIState),
    VMSTATE_UINT8(sofmod, UHCIState),
    VMSTATE_BOOL(cause_ioc, UHCIState),
    VMSTATE_BOOL(cause_short, UHCIState),
    VMSTATE_UINT16_ARRAY(portsc, UHCIState, PORTS),
    VMSTATE_INT64(frame_at, UHCIState),
    VMSTATE_UINT32(lazy, UHCIState),
    VMSTATE_TIMER(timer, UHCIState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_uhci = {
    .name = "uhci",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = uhci_pre_save,
    .post_load = uhci_post_load,
    .fields = uhci_fields,
};

static const Property uhci_props[] = {
    PROP_STR("masterbus", UHCIState, masterbus),
    PROP_UINT32("firstport", UHCIState, firstport, 0),
    PROP_END(),
};

#define UHCI_PCI(dev_id, rev, int_pin) \
    { .pci = { .vendor_id = PCI_VENDOR_INTEL, .device_id = (dev_id), \
               .revision = (rev), .class_id = 0x0c03 }, .pin = (int_pin) }
static const UHCIModel uhci_models[] = {
    UHCI_PCI(0x7020, 1, 4), UHCI_PCI(0x7112, 1, 4), UHCI_PCI(0x2934, 3, 1),
    UHCI_PCI(0x2935, 3, 2), UHCI_PCI(0x2936, 3, 3), UHCI_PCI(0x2937, 3, 1),
    UHCI_PCI(0x2938, 3, 2), UHCI_PCI(0x2939, 3, 3),
};

#define UHCI_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_USB, .size = sizeof(UHCIState), \
      .props = uhci_props, .vmsd = &vmstate_uhci, .bus_info = &(mod), \
      .no_hotplug = true, .fw_name = "usb", .realize = uhci_realize, \
      .unrealize = uhci_unrealize, .reset = uhci_reset, \
      .finalize = uhci_finalize }

static const DeviceInfo uhci_infos[] = {
    UHCI_INFO("piix3-usb-uhci", "PIIX3 USB 1.1 controller", uhci_models[0]),
    UHCI_INFO("piix4-usb-uhci", "PIIX4 USB 1.1 controller", uhci_models[1]),
    UHCI_INFO("ich9-usb-uhci1", "ICH9 USB 1.1 controller", uhci_models[2]),
    UHCI_INFO("ich9-usb-uhci2", "ICH9 USB 1.1 controller", uhci_models[3]),
    UHCI_INFO("ich9-usb-uhci3", "ICH9 USB 1.1 controller", uhci_models[4]),
    UHCI_INFO("ich9-usb-uhci4", "ICH9 USB 1.1 controller", uhci_models[5]),
    UHCI_INFO("ich9-usb-uhci5", "ICH9 USB 1.1 controller", uhci_models[6]),
    UHCI_INFO("ich9-usb-uhci6", "ICH9 USB 1.1 controller", uhci_models[7]),
};

static void uhci_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(uhci_infos); i++) {
        device_register(&uhci_infos[i]);
    }
}
device_init(uhci_register)
