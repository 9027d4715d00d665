/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NE2000: a DP8390D (National Semiconductor data sheet, "NIC") with a PROM and
 * 16 or, here, 32 KiB of RAM of its own.  The host reaches these only through
 * the chip's remote DMA, a data port.
 *
 *   0x00-0x0f  the chip's registers, four pages by CR
 *   0x10-0x17  data port
 *   0x18-0x1f  reset
 *
 * The card's memory: the PROM (each byte twice, 0-0x1f), RAM from 0x4000 on.
 * Addresses elsewhere float; every access is checked, whatever the page
 * registers hold.  A frame that the ring has no room for stays with its sender
 * until BNRY moves.  ne2000_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "frame.h"
#include "ne2000.h"
#include "util/log.h"

enum { CR = 0, DATA = 0x10, RESET = 0x18 };
enum { CR_STP = 0x01, CR_TXP = 0x04, CR_RD_ABORT = 0x20 };
enum { ISR_PRX = 0x01, ISR_PTX = 0x02, ISR_CNT = 0x20, ISR_RDC = 0x40,
       ISR_RST = 0x80 };
enum { DCR_WTS = 0x01 };
enum { TCR_LB = 0x06 };
enum { RCR_AB = 0x04, RCR_AM = 0x08, RCR_PRO = 0x10, RCR_MON = 0x20 };
enum { TSR_PTX = 0x01 };
enum { RSR_PRX = 0x01, RSR_PHY = 0x20 };
enum { HEADER = 4, FCS = 4, MAX_FRAME = 1536 };

static void ne2000_update_irq(NE2000 *s)
{
    s->set_irq(s->opaque, (s->isr & s->imr & 0x7f) != 0);
}

static void cause(NE2000 *s, uint8_t bits)
{
    s->isr |= bits;
    ne2000_update_irq(s);
}

/* ---- the card's memory ----------------------------------------------------- */

static uint8_t prom(const NE2000 *s, unsigned n)
{
    return n < 6 ? s->conf.mac.a[n] : n >= 14 ? 0x57 : 0;
}

static uint8_t mem_read(const NE2000 *s, uint16_t at)
{
    if (at < 0x20) {
        return prom(s, at / 2);
    }
    return at >= NE_RAM && at < NE_RAM_END ? s->ram[at - NE_RAM] : 0xff;
}

static void mem_write(NE2000 *s, uint16_t at, uint8_t v)
{
    if (at >= NE_RAM && at < NE_RAM_END) {
        s->ram[at - NE_RAM] = v;
    }
}

/* ---- remote DMA ------------------------------------------------------------- */

static void dma_next(NE2000 *s)
{
    if (++s->rsar == s->pstop << 8) {
        s->rsar = s->pstart << 8;
    }
    if (s->rbcr && --s->rbcr == 0) {
        cause(s, ISR_RDC);
    }
}

/* Word-wide cards move two bytes at a time, however few were asked for. */
static unsigned dma_bytes(const NE2000 *s, unsigned size)
{
    return s->dcr & DCR_WTS ? MAX(size, 2) : size;
}

static uint32_t data_read(NE2000 *s, unsigned size)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < dma_bytes(s, size); i++) {
        v |= (uint32_t)mem_read(s, s->rsar) << 8 * i;
        dma_next(s);
    }
    return v;
}

static void data_write(NE2000 *s, uint32_t v, unsigned size)
{
    if (s->rbcr == 0) {
        return;
    }
    for (unsigned i = 0; i < dma_bytes(s, size); i++) {
        mem_write(s, s->rsar, v >> 8 * i);
        dma_next(s);
    }
}

/* ---- receive ------------------------------------------------------------------ */

static bool ring_ok(const NE2000 *s)
{
    return s->pstart < s->pstop && s->curr >= s->pstart && s->curr < s->pstop;
}

/* Pages that the driver has read; an empty ring has BNRY at CURR. */
static unsigned ring_free(const NE2000 *s)
{
    return s->bnry > s->curr ? s->bnry - s->curr
                             : s->pstop - s->pstart - (s->curr - s->bnry);
}

/* The driver keeps BNRY at the frame it reads next, or at the page before. */
static bool ring_empty(const NE2000 *s)
{
    uint8_t last = s->curr == s->pstart ? s->pstop - 1 : s->curr - 1;

    return s->bnry == s->curr || s->bnry == last ||
           s->bnry == (uint8_t)(s->curr - 1);
}

static bool wanted(const NE2000 *s, const uint8_t *f)
{
    if (s->rcr & RCR_PRO) {
        return true;
    }
    if (nic_is_broadcast(f)) {
        return s->rcr & RCR_AB;
    }
    if (f[0] & 1) {
        unsigned hash = net_crc32_be(f, 6) >> 26;

        return s->rcr & RCR_AM && s->mar[hash >> 3] >> (hash & 7) & 1;
    }
    return !memcmp(f, s->par, 6);
}

/* Into the ring from page @s->curr on; the next frame begins at page @next. */
static void ring_put(NE2000 *s, const NicFrame *f, uint8_t next)
{
    uint16_t at = s->curr << 8, count = f->len + FCS;

    s->rsr = RSR_PRX | (f->data[0] & 1 ? RSR_PHY : 0);
    mem_write(s, at++, s->rsr);
    mem_write(s, at++, next);
    mem_write(s, at++, count);
    mem_write(s, at++, count >> 8);
    for (size_t i = 0; i < f->len; i++) {
        mem_write(s, at++, f->data[i]);
        if (at == s->pstop << 8) {
            at = s->pstart << 8;
        }
    }
    s->curr = next;
}

static ssize_t ne2000_receive(NetClient *nc, const struct iovec *iov, int n)
{
    NE2000 *s = nic_opaque(nc);
    size_t total = iov_total(iov, n);
    unsigned pages, next;
    g_auto(NicFrame) f;

    /* Not STA: once started, a CR of neither bit leaves the chip running. */
    if (!nic_frame_init(&f, nc, iov, n) || s->cr & CR_STP ||
        s->tcr & TCR_LB || !ring_ok(s) || f.len > MAX_FRAME ||
        !wanted(s, f.data)) {
        return total;
    }
    if (s->rcr & RCR_MON) {
        s->missed += s->missed < 192;
        if (s->missed >= 128) {
            cause(s, ISR_CNT);
        }
        return total;
    }
    pages = DIV_ROUND_UP(HEADER + f.len + FCS, 256);
    if (pages >= (unsigned)(s->pstop - s->pstart)) {
        return total; /* such a ring never has room */
    }
    if (ring_free(s) <= pages) {
        return 0;
    }
    next = s->curr + pages;
    if (next >= s->pstop) {
        next -= s->pstop - s->pstart;
    }
    ring_put(s, &f, next);
    s->fresh = true;
    cause(s, ISR_PRX);
    return total;
}

/* ---- transmit ------------------------------------------------------------------- */

static void tx_done(NE2000 *s)
{
    s->tx_waits = false;
    s->cr &= ~CR_TXP;
    s->tsr = TSR_PTX;
    cause(s, ISR_PTX);
}

static void ne2000_tx_sent(NetClient *nc, ssize_t len)
{
    NE2000 *s = nic_opaque(nc);

    if (s->tx_waits) {
        tx_done(s);
    }
}

static void transmit(NE2000 *s)
{
    unsigned at = s->tpsr << 8, len = s->tbcr;

    if (s->tx_waits) {
        return; /* the last one is not out */
    }
    if (at < NE_RAM || at + len > NE_RAM_END || len > MAX_FRAME) {
        log_guest_error("ne2000: frame of %u bytes at 0x%x\n", len, at);
    } else if (!(s->tcr & TCR_LB) && len &&
               net_send(nic_queue(s->nic, 0), s->ram + (at - NE_RAM), len,
                        ne2000_tx_sent) == 0) {
        s->tx_waits = true;
        return;
    }
    tx_done(s);
}

/* ---- registers ------------------------------------------------------------------- */

static void write_cr(NE2000 *s, uint8_t v)
{
    /* Until the frame is out CR says so. */
    s->cr = (v & ~CR_TXP) | (s->tx_waits ? CR_TXP : 0);
    if (v & CR_STP) {
        return;
    }
    s->isr &= ~ISR_RST;
    /* A remote DMA of nothing is over at once. */
    if (v & 0x18 && s->rbcr == 0) {
        s->isr |= ISR_RDC;
    }
    ne2000_update_irq(s);
    if (v & CR_TXP) {
        s->cr |= CR_TXP;
        transmit(s);
    }
    net_flush(nic_queue(s->nic, 0));
}

static void write_page0(NE2000 *s, unsigned at, uint8_t v)
{
    switch (at) {
    case 0x1: s->pstart = v; break;
    case 0x2: s->pstop = v; break;
    case 0x3:
        s->bnry = v;
        net_flush(nic_queue(s->nic, 0));
        break;
    case 0x4: s->tpsr = v; break;
    case 0x5: s->tbcr = (s->tbcr & 0xff00) | v; break;
    case 0x6: s->tbcr = (s->tbcr & 0xff) | v << 8; break;
    case 0x7:
        s->isr &= ~(v & 0x7f);
        /* On a wire the next frame would tell of those that came between the
         * driver's look at CURR and this; ours waits for room, so PRX stays. */
        if (v & ISR_PRX && ring_ok(s) && (s->fresh || !ring_empty(s))) {
            s->isr |= ISR_PRX;
        }
        ne2000_update_irq(s);
        break;
    case 0x8: s->rsar = (s->rsar & 0xff00) | v; break;
    case 0x9: s->rsar = (s->rsar & 0xff) | v << 8; break;
    case 0xa: s->rbcr = (s->rbcr & 0xff00) | v; break;
    case 0xb: s->rbcr = (s->rbcr & 0xff) | v << 8; break;
    case 0xc:
        s->rcr = v & 0x3f;
        net_flush(nic_queue(s->nic, 0));
        break;
    case 0xd:
        s->tcr = v & 0x1f;
        net_flush(nic_queue(s->nic, 0));
        break;
    case 0xe: s->dcr = v & 0x7f; break;
    case 0xf:
        s->imr = v & 0x7f;
        ne2000_update_irq(s);
        break;
    }
}

static void write_reg(NE2000 *s, unsigned at, uint8_t v)
{
    if (at == CR) {
        write_cr(s, v);
    } else if (s->cr >> 6 == 0) {
        write_page0(s, at, v);
    } else if (s->cr >> 6 == 1) {
        if (at <= 6) {
            s->par[at - 1] = v;
        } else if (at == 7) {
            s->curr = v;
            net_flush(nic_queue(s->nic, 0));
        } else {
            s->mar[at - 8] = v;
        }
    }
}

static uint8_t read_page0(NE2000 *s, unsigned at)
{
    uint8_t v;

    switch (at) {
    case 0x3: return s->bnry;
    case 0x4: return s->tsr;
    case 0x7: return s->isr;
    case 0x8: return s->rsar;
    case 0x9: return s->rsar >> 8;
    case 0xa: return s->is_8029 ? 'P' : 0xff;
    case 0xb: return s->is_8029 ? 'C' : 0xff;
    case 0xc: return s->rsr;
    case 0xf:
        v = s->missed;
        s->missed = 0;
        return v;
    }
    return 0;
}

static uint8_t read_page2(const NE2000 *s, unsigned at)
{
    switch (at) {
    case 0x1: return s->pstart;
    case 0x2: return s->pstop;
    case 0x4: return s->tpsr;
    case 0xc: return s->rcr;
    case 0xd: return s->tcr;
    case 0xe: return s->dcr;
    case 0xf: return s->imr;
    }
    return 0;
}

static uint8_t read_reg(NE2000 *s, unsigned at)
{
    if (at == CR) {
        return s->cr;
    }
    switch (s->cr >> 6) {
    case 0:
        return read_page0(s, at);
    case 1:
        if (at == 7) {
            s->fresh = false;
            return s->curr;
        }
        return at <= 6 ? s->par[at - 1] : s->mar[at - 8];
    case 2:
        return read_page2(s, at);
    default: /* RTL8029AS: CONFIG2 and CONFIG3 say full duplex */
        return s->is_8029 && (at == 5 || at == 6) ? 0x40 : 0;
    }
}

static void chip_reset(NE2000 *s)
{
    s->cr = CR_STP | CR_RD_ABORT;
    s->isr = ISR_RST;
    s->imr = s->tcr = s->rcr = s->dcr = s->tsr = s->rsr = 0;
    s->rbcr = 0;
    s->tx_waits = s->fresh = false;
    ne2000_update_irq(s);
}

static void ne2000_write(void *opaque, hwaddr addr, uint64_t val,
                         unsigned size)
{
    NE2000 *s = opaque;

    if (addr >= DATA) {
        if (addr < RESET) {
            data_write(s, val, size);
        }
        return; /* the reset needs a read */
    }
    for (unsigned i = 0; i < size && addr + i < DATA; i++) {
        write_reg(s, addr + i, val >> 8 * i);
    }
}

static uint64_t ne2000_read(void *opaque, hwaddr addr, unsigned size)
{
    NE2000 *s = opaque;
    uint64_t v = 0;

    if (addr >= RESET) {
        chip_reset(s);
        return 0;
    }
    if (addr >= DATA) {
        return data_read(s, size);
    }
    for (unsigned i = 0; i < size && addr + i < DATA; i++) {
        v |= (uint64_t)read_reg(s, addr + i) << 8 * i;
    }
    return v;
}

const MemoryRegionOps ne2000_ops = {
    .read = ne2000_read,
    .write = ne2000_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

/* ---- life -------------------------------------------------------------------------- */

static const NetClientInfo ne2000_net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .receive = ne2000_receive,
};

void ne2000_reset(NE2000 *s)
{
    memset(s->ram, 0, sizeof(s->ram));
    memset(s->par, 0, sizeof(s->par));
    memset(s->mar, 0, sizeof(s->mar));
    s->pstart = s->pstop = s->bnry = s->curr = s->tpsr = 0;
    s->tbcr = s->rsar = 0;
    s->missed = 0;
    chip_reset(s);
    net_purge(nic_queue(s->nic, 0));
}

bool ne2000_init(NE2000 *s, DeviceState *dev, Error **errp)
{
    s->nic = nic_new(&ne2000_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    return s->nic;
}

void ne2000_fini(NE2000 *s)
{
    nic_free(s->nic);
    s->nic = NULL;
}

static bool ne2000_post_load(void *opaque, int version, Error **errp)
{
    NE2000 *s = opaque;

    if (s->tx_waits) {
        s->tx_waits = false; /* its frame waited at the other host's peer */
        transmit(s);
    }
    net_flush(nic_queue(s->nic, 0));
    return true;
}

/* A frame that waits is sent again from RAM. */
static const VMStateField ne2000_fields[] = {
    VMSTATE_UINT8(cr, NE2000),     VMSTATE_UINT8(isr, NE2000),
    VMSTATE_UINT8(imr, NE2000),    VMSTATE_UINT8(dcr, NE2000),
    VMSTATE_UINT8(tcr, NE2000),    VMSTATE_UINT8(rcr, NE2000),
    VMSTATE_UINT8(tsr, NE2000),    VMSTATE_UINT8(rsr, NE2000),
    VMSTATE_UINT8(pstart, NE2000), VMSTATE_UINT8(pstop, NE2000),
    VMSTATE_UINT8(bnry, NE2000),   VMSTATE_UINT8(curr, NE2000),
    VMSTATE_UINT8(tpsr, NE2000),   VMSTATE_UINT16(tbcr, NE2000),
    VMSTATE_UINT16(rsar, NE2000),  VMSTATE_UINT16(rbcr, NE2000),
    VMSTATE_UINT8_ARRAY(par, NE2000, 6),
    VMSTATE_UINT8_ARRAY(mar, NE2000, 8),
    VMSTATE_UINT8(missed, NE2000), VMSTATE_BOOL(tx_waits, NE2000),
    VMSTATE_BOOL(fresh, NE2000),
    VMSTATE_BUFFER(ram, NE2000),   VMSTATE_END(),
};

const VMStateDescription vmstate_ne2000 = {
    .name = "ne2000",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = ne2000_post_load,
    .fields = ne2000_fields,
};
