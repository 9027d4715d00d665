/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD PCnet-PCI II (Am79C970A); registers in pcnet-regs.h.
 *
 *   STOP --INIT--> reads the initialization block, IDON
 *   STOP/INIT --STRT--> TXON, RXON: both rings run until STOP or SPND
 *
 * Descriptors have four layouts (software styles): 16 bits like the LANCE's
 * (0), 32 bits (1, 2), 32 bits in another order (3); desc_read() makes one of
 * them.  Transmit runs on the spot, at most TX_BUDGET descriptors, the rest
 * from a bottom half; without room at the peer it stands still until
 * pcnet_tx_sent().
 *
 * The chip looks at its rings by itself from time to time: poll_timer.  A frame
 * for which there is no descriptor stays with its sender for STALL_LIMIT_MS,
 * then it counts as missed.  FCS bytes in memory are zero.
 *
 * pcnet_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "frame.h"
#include "pcnet-regs.h"
#include "hw/pci.h"
#include "util/log.h"

#define TX_BUDGET      256
#define POLL_NS        1638400 /* 65536 bus clocks is the default: 1.6 ms or so */
#define STALL_LIMIT_MS 50
#define FRAME_MAX      4096

typedef struct PCNetState {
    PCIDevice pci;
    /* Properties. */
    NICConf conf;
    /* Guest-visible state. */
    uint8_t aprom[APROM_SIZE];
    uint16_t rap;
    uint16_t csr[CSRS];
    uint16_t bcr[BCRS];
    uint32_t rx_at, tx_at; /* descriptors in the rings, from 0 */
    uint32_t tx_len;
    uint8_t tx_buf[FRAME_MAX];
    Timer poll_timer;
    /* Host side. */
    MemoryRegion io, mmio;
    NICState *nic;
    BH *tx_bh;
    int64_t stall_since;   /* virtual ns, -1: frames flow */
    bool tx_busy, tx_blocked;
} PCNetState;

/* ---- interrupts ------------------------------------------------------------ */

static void pcnet_update_irq(PCNetState *s)
{
    uint16_t *c = s->csr;
    bool intr;

    c[0] &= ~(C0_ERR | C0_INTR);
    if (c[0] & (C0_BABL | C0_CERR | C0_MISS | C0_MERR)) {
        c[0] |= C0_ERR;
    }
    intr = (c[0] & C0_CAUSES & ~c[3]) ||
           /* In CSR4 masks, and in CSR5 enables, are one bit below. */
           ((c[4] & C4_CAUSES & ~C4_UINT) & ~(c[4] << 1)) ||
           (c[4] & C4_UINT) || (c[5] & C5_CAUSES & (c[5] << 1));
    if (intr) {
        c[0] |= C0_INTR;
    }
    pci_set_irq(&s->pci, intr && c[0] & C0_IENA);
}

static void cause(PCNetState *s, uint16_t bits)
{
    s->csr[0] |= bits;
    pcnet_update_irq(s);
}

/* ---- descriptors ------------------------------------------------------------- */

static unsigned style(const PCNetState *s)
{
    return s->bcr[BCR_SWS] & 0xff;
}

static bool wide(const PCNetState *s)
{
    return s->bcr[BCR_SWS] & SWS_SSIZE32;
}

static uint32_t csr32(const PCNetState *s, unsigned n)
{
    return s->csr[n] | (uint32_t)s->csr[n + 1] << 16;
}

/* A guest address as the software style has it: 24 bits get the rest from the
 * initialization block's. */
static hwaddr address(const PCNetState *s, uint32_t a)
{
    return wide(s) ? a
                   : (a & 0xffffff) | (uint32_t)(s->csr[2] & 0xff00) << 16;
}

static bool master(const PCNetState *s)
{
    return pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

typedef struct Desc {
    hwaddr at;
    hwaddr buf;
    uint32_t len;    /* of the buffer, 1 to 4096 */
    uint16_t status;
} Desc;

/* Lengths of rings are kept as two's complement; there is one slot at least. */
static uint32_t ring_len(const PCNetState *s, unsigned csr)
{
    return (uint16_t)-s->csr[csr] ? (uint16_t)-s->csr[csr] : 65536;
}

static bool desc_read(PCNetState *s, unsigned base, uint32_t n, Desc *d)
{
    uint8_t b[16];
    unsigned size = wide(s) ? 16 : 8;
    uint16_t bcnt;

    d->at = address(s, csr32(s, base)) + (uint64_t)n * size;
    if (pci_dma_read(&s->pci, d->at, b, size) != MEMTX_OK) {
        cause(s, C0_MERR);
        return false;
    }
    if (!wide(s)) {
        d->buf = address(s, pci_get_long(b));
        d->status = b[3] << 8;
        bcnt = pci_get_word(b + 4);
    } else {
        d->buf = pci_get_long(b + (style(s) == 3 ? 8 : 0));
        d->status = pci_get_word(b + 6);
        bcnt = pci_get_word(b + 4);
    }
    d->len = 4096 - (bcnt & 0xfff);
    return true;
}

/* Gives it back: @misc is the message's length (receive) or errors. */
static void desc_return(PCNetState *s, const Desc *d, uint32_t misc)
{
    uint8_t b[4];

    if (!wide(s)) {
        pci_set_word(b, misc);
        pci_dma_write(&s->pci, d->at + 6, b, 2);
        b[0] = (d->status & ~D_OWN) >> 8;
        pci_dma_write(&s->pci, d->at + 3, b, 1);
        return;
    }
    pci_set_long(b, misc);
    pci_dma_write(&s->pci, d->at + (style(s) == 3 ? 0 : 8), b, 4);
    pci_set_word(b, d->status & ~D_OWN);
    pci_dma_write(&s->pci, d->at + 6, b, 2);
}

/* ---- receive ------------------------------------------------------------------- */

static bool rx_on(const PCNetState *s)
{
    return s->csr[0] & C0_RXON && !(s->csr[5] & C5_SPND) && master(s);
}

static void rx_advance(PCNetState *s)
{
    s->rx_at = s->rx_at + 1 < ring_len(s, CSR_RCVRL) ? s->rx_at + 1 : 0;
}

/* Bits that tell why it is for us; 0: it is not. */
static uint16_t rx_wanted(const PCNetState *s, const uint8_t *f)
{
    const uint16_t *c = s->csr;
    unsigned hash;

    if (nic_is_broadcast(f) && !(c[CSR_MODE] & MODE_DRCVBC)) {
        return RXD_BAM;
    }
    if (f[0] & 1) {
        /* The register is the complement of what zlib makes of it. */
        hash = ~net_crc32_le(f, 6) >> 26;
        if (c[CSR_LADRF + (hash >> 4)] >> (hash & 15) & 1) {
            return RXD_LAFM;
        }
    } else if (!(c[CSR_MODE] & MODE_DRCVPA)) {
        bool mine = true;

        for (unsigned i = 0; i < 6; i++) {
            mine &= f[i] == (uint8_t)(c[CSR_PADR + i / 2] >> 8 * (i & 1));
        }
        if (mine) {
            return RXD_PAM;
        }
    }
    return c[CSR_MODE] & MODE_PROM ? D_STP : 0; /* no bit of its own */
}

/* No descriptor: true: the frame may wait a little. */
static bool rx_stalled(PCNetState *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->stall_since < 0) {
        s->stall_since = now;
    }
    if (now - s->stall_since > STALL_LIMIT_MS * INT64_C(1000000)) {
        if (++s->csr[CSR_MFC] == 0) {
            s->csr[4] |= C4_MFCO;
        }
        cause(s, C0_MISS);
        return false;
    }
    return true;
}

/* A frame, and what stands for its FCS, into as many buffers as it takes. */
static bool rx_store(PCNetState *s, const NicFrame *f, uint16_t why)
{
    static const uint8_t fcs[4];
    size_t left = f->len + sizeof(fcs), off = 0;
    uint16_t start = D_STP;
    Desc d;

    if (!desc_read(s, CSR_BADR, s->rx_at, &d) || !(d.status & D_OWN)) {
        return false;
    }
    for (;;) {
        size_t part = MIN(left, d.len);
        size_t data = off < f->len ? MIN(part, f->len - off) : 0;
        bool last = part == left;
        Desc next;

        pci_dma_write(&s->pci, d.buf, f->data + off, data);
        if (part > data) {
            pci_dma_write(&s->pci, d.buf + data, fcs, part - data);
        }
        off += part;
        left -= part;
        rx_advance(s);
        d.status = start;
        start = 0;
        if (!last && (!desc_read(s, CSR_BADR, s->rx_at, &next) ||
                      !(next.status & D_OWN))) {
            d.status |= D_ERR | D_BUFF; /* the rest is lost */
            last = true;
        }
        if (last) {
            d.status |= D_ENP | (wide(s) && why != D_STP ? why : 0);
        }
        desc_return(s, &d, last ? f->len + sizeof(fcs) : 0);
        if (last) {
            break;
        }
        d = next;
    }
    return true;
}

static bool rx_frame(PCNetState *s, const NicFrame *f)
{
    uint16_t why = rx_wanted(s, f->data);

    if (!why || f->len + 4 > FRAME_MAX) {
        return true;
    }
    if (!rx_store(s, f, why)) {
        return !rx_stalled(s);
    }
    s->stall_since = -1;
    cause(s, C0_RINT);
    return true;
}

static ssize_t pcnet_receive(NetClient *nc, const struct iovec *iov, int n)
{
    PCNetState *s = nic_opaque(nc);
    size_t total = iov_total(iov, n);
    g_auto(NicFrame) f;

    if (!nic_frame_init(&f, nc, iov, n) || !rx_on(s) ||
        s->csr[CSR_MODE] & MODE_LOOP) {
        return total;
    }
    return rx_frame(s, &f) ? (ssize_t)total : 0;
}

/* ---- transmit -------------------------------------------------------------------- */

static void pcnet_tx_sent(NetClient *nc, ssize_t len)
{
    PCNetState *s = nic_opaque(nc);

    if (s->tx_blocked) {
        s->tx_blocked = false;
        bh_schedule(s->tx_bh);
    }
}

static void tx_send(PCNetState *s)
{
    NetClient *nc = nic_queue(s->nic, 0);

    if (s->csr[CSR_MODE] & MODE_LOOP) {
        struct iovec iov = { s->tx_buf, s->tx_len };
        g_auto(NicFrame) f;

        if (nic_frame_init(&f, &(NetClient){ 0 }, &iov, 1) && rx_on(s)) {
            rx_frame(s, &f);
        }
    } else if (s->tx_len &&
               net_send(nc, s->tx_buf, s->tx_len, pcnet_tx_sent) == 0) {
        s->tx_blocked = true;
    }
    s->csr[4] |= C4_TXSTRT;
}

static bool tx_on(const PCNetState *s)
{
    return s->csr[0] & C0_TXON && !(s->csr[5] & C5_SPND) && !s->tx_blocked &&
           master(s);
}

/* One descriptor; false: there is none. */
static bool tx_descriptor(PCNetState *s)
{
    bool tint;
    Desc d;

    if (!desc_read(s, CSR_BADX, s->tx_at, &d) || !(d.status & D_OWN)) {
        return false;
    }
    if (d.status & D_STP) {
        s->tx_len = 0;
    }
    d.len = MIN(d.len, FRAME_MAX - s->tx_len);
    pci_dma_read(&s->pci, d.buf, s->tx_buf + s->tx_len, d.len);
    s->tx_len += d.len;
    s->tx_at = s->tx_at + 1 < ring_len(s, CSR_XMTRL) ? s->tx_at + 1 : 0;
    desc_return(s, &d, 0);
    if (d.status & D_ENP) {
        tint = !(s->csr[5] & C5_TOKINTD) &&
               (!(s->csr[5] & C5_LTINTEN) || d.status & TXD_LTINT);
        tx_send(s);
        s->tx_len = 0;
        cause(s, tint ? C0_TINT : 0);
    }
    return true;
}

static void pcnet_start_xmit(PCNetState *s)
{
    unsigned budget = TX_BUDGET;

    if (s->tx_busy) {
        return; /* a descriptor's DMA came back to our registers */
    }
    s->tx_busy = true;
    while (tx_on(s)) {
        if (budget-- == 0) {
            bh_schedule(s->tx_bh);
            break;
        }
        if (!tx_descriptor(s)) {
            break;
        }
    }
    s->tx_busy = false;
}

static void pcnet_tx_bh(void *opaque)
{
    pcnet_start_xmit(opaque);
}

static void poll_arm(PCNetState *s)
{
    if (s->csr[0] & (C0_TXON | C0_RXON) && !timer_pending(&s->poll_timer)) {
        timer_mod_at(&s->poll_timer, clock_ns(CLOCK_VIRTUAL) + POLL_NS);
    }
}

static void pcnet_poll(void *opaque)
{
    PCNetState *s = opaque;

    if (!(s->csr[4] & C4_DPOLL)) {
        pcnet_start_xmit(s);
    }
    net_flush(nic_queue(s->nic, 0));
    poll_arm(s);
}

/* ---- start, stop ------------------------------------------------------------------- */

static void pcnet_stop(PCNetState *s)
{
    bh_cancel(s->tx_bh);
    timer_del(&s->poll_timer);
    s->tx_blocked = false;
    s->tx_len = 0;
    s->stall_since = -1;
    s->csr[0] = C0_STOP;
    s->csr[4] &= ~C4_CAUSES;
    s->csr[5] &= ~(C5_CAUSES | C5_SPND);
    pcnet_update_irq(s);
}

static void ring_code(PCNetState *s, unsigned csr, unsigned code)
{
    s->csr[csr] = -(1 << MIN(code, 9));
}

/* The initialization block: 28 bytes, or 24 of the LANCE's. */
static void pcnet_init(PCNetState *s)
{
    uint8_t b[28];
    uint16_t *c = s->csr;
    unsigned rlen, tlen;
    uint32_t rx, tx;
    const uint8_t *padr, *ladrf;

    if (pci_dma_read(&s->pci, wide(s) ? csr32(s, CSR_IADR)
                                      : csr32(s, CSR_IADR) & 0xffffff,
                     b, wide(s) ? 28 : 24) != MEMTX_OK) {
        cause(s, C0_MERR);
        return;
    }
    c[CSR_MODE] = pci_get_word(b);
    if (wide(s)) {
        rlen = b[2] >> 4;
        tlen = b[3] >> 4;
        padr = b + 4;
        ladrf = b + 12;
        rx = pci_get_long(b + 20);
        tx = pci_get_long(b + 24);
    } else {
        padr = b + 2;
        ladrf = b + 8;
        rx = pci_get_long(b + 16);
        tx = pci_get_long(b + 20);
        rlen = rx >> 29;
        tlen = tx >> 29;
        rx &= 0xffffff;
        tx &= 0xffffff;
    }
    for (unsigned i = 0; i < 3; i++) {
        c[CSR_PADR + i] = pci_get_word(padr + 2 * i);
    }
    for (unsigned i = 0; i < 4; i++) {
        c[CSR_LADRF + i] = pci_get_word(ladrf + 2 * i);
    }
    c[CSR_BADR] = rx;
    c[CSR_BADR + 1] = rx >> 16;
    c[CSR_BADX] = tx;
    c[CSR_BADX + 1] = tx >> 16;
    ring_code(s, CSR_RCVRL, rlen);
    ring_code(s, CSR_XMTRL, tlen);
    s->rx_at = s->tx_at = 0;
    c[0] &= ~C0_STOP;
    cause(s, C0_INIT | C0_IDON);
}

static void pcnet_start(PCNetState *s)
{
    uint16_t mode = s->csr[CSR_MODE];

    s->csr[0] &= ~C0_STOP;
    s->csr[0] |= C0_STRT | (mode & MODE_DTX ? 0 : C0_TXON) |
                 (mode & MODE_DRX ? 0 : C0_RXON);
    /* Rings that another driver left shorter. */
    s->rx_at = s->rx_at < ring_len(s, CSR_RCVRL) ? s->rx_at : 0;
    s->tx_at = s->tx_at < ring_len(s, CSR_XMTRL) ? s->tx_at : 0;
    poll_arm(s);
}

static void write_csr0(PCNetState *s, uint16_t v)
{
    s->csr[0] &= ~(v & (C0_CAUSES | C0_CERR));
    if (v & C0_STOP) {
        pcnet_stop(s);
        return;
    }
    s->csr[0] = (s->csr[0] & ~C0_IENA) | (v & C0_IENA);
    if (v & C0_INIT && !(s->csr[0] & C0_INIT)) {
        pcnet_init(s);
    }
    if (v & C0_STRT && !(s->csr[0] & C0_STRT)) {
        pcnet_start(s);
    }
    pcnet_update_irq(s);
    if (v & C0_TDMD) {
        pcnet_start_xmit(s);
    }
    net_flush(nic_queue(s->nic, 0));
}

/* S_RESET: by a read of the reset port. */
static void chip_reset(PCNetState *s)
{
    static const struct { uint8_t n; uint16_t v; } csrs[] = {
        { 4, C4_RESET }, { CSR_RCVRC, 1 }, { CSR_XMTRC, 1 },
        { CSR_RCVRL, 0xffff }, { CSR_XMTRL, 0xffff }, { CSR_DMATCFW, 0x1410 },
        { CSR_CHIPID, 0x1003 }, { CSR_CHIPID + 1, 0x0262 },
        { CSR_MERRTO, 0x0200 },
    }, bcrs[] = {
        { BCR_MSRDA, 5 }, { BCR_MSWRA, 5 }, { BCR_MC, 2 }, { BCR_LNKST, 0xc0 },
        { 5, 0x84 }, { 6, 0x88 }, { BCR_LED3, 0x90 }, { BCR_BSBC, 0x9001 },
        { BCR_EECAS, 2 }, { BCR_SWS, SWS_CSRPCNET }, { BCR_PCILAT, 0xff06 },
    };

    memset(s->csr, 0, sizeof(s->csr));
    memset(s->bcr, 0, sizeof(s->bcr));
    for (unsigned i = 0; i < ARRAY_SIZE(csrs); i++) {
        s->csr[csrs[i].n] = csrs[i].v;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bcrs); i++) {
        s->bcr[bcrs[i].n] = bcrs[i].v;
    }
    s->rap = 0;
    s->rx_at = s->tx_at = 0;
    pcnet_stop(s);
}

/* ---- registers ----------------------------------------------------------------------- */

static void write_bcr(PCNetState *s, unsigned n, uint16_t v)
{
    switch (n) {
    case BCR_MC:
    case BCR_FDC:
    case BCR_BSBC:
    case 16: case 17: /* jumpers of the ISA cards */
    case 21: case BCR_PCILAT:
        s->bcr[n] = v;
        break;
    case BCR_LNKST ... BCR_LED3:
        s->bcr[n] = v & ~LED_OUT;
        break;
    case BCR_SWS:
        switch (v & 0xff) {
        case 0: s->bcr[n] = SWS_CSRPCNET; break;
        case 1: s->bcr[n] = SWS_SSIZE32 | 1; break;
        case 2: case 3:
            s->bcr[n] = SWS_SSIZE32 | SWS_CSRPCNET | (v & 0xff);
            break;
        default:
            log_guest_error("pcnet: software style %u\n", v & 0xff);
        }
        break;
    }
}

static uint16_t read_bcr(PCNetState *s, unsigned n)
{
    if (n >= BCRS) {
        return 0;
    }
    if (n >= BCR_LNKST && n <= BCR_LED3) {
        bool up = !nic_queue(s->nic, 0)->link_down;

        return s->bcr[n] | (up && s->bcr[n] & LED_LINK ? LED_OUT : 0);
    }
    return s->bcr[n];
}

static void write_csr(PCNetState *s, unsigned n, uint16_t v)
{
    bool quiet = s->csr[0] & C0_STOP || s->csr[5] & C5_SPND;

    switch (n) {
    case 0:
        write_csr0(s, v);
        return;
    case 3:
        s->csr[3] = v & C3_WRITABLE;
        break;
    case 4:
        s->csr[4] = (v & C4_WRITABLE) | (s->csr[4] & C4_CAUSES & ~v) |
                    (v & C4_UINTCMD ? C4_UINT : 0);
        break;
    case 5:
        s->csr[5] = (v & C5_WRITABLE) | (s->csr[5] & C5_CAUSES & ~v);
        break;
    case 1: case 2:
    case 8 ... 15:
    case CSR_BADR ... CSR_BADR + 1:
    case CSR_BADX ... CSR_BADX + 1:
    case CSR_POLLINT:
    case CSR_RCVRL:
    case CSR_XMTRL:
        if (!quiet) {
            log_guest_error("pcnet: CSR%u written while it runs\n", n);
            return;
        }
        s->csr[n] = v;
        if (n == CSR_RCVRL || n == CSR_BADR || n == CSR_BADR + 1) {
            s->rx_at = 0;
        } else if (n == CSR_XMTRL || n == CSR_BADX || n == CSR_BADX + 1) {
            s->tx_at = 0;
        }
        return;
    case 16: case 17:
        write_csr(s, n - 15, v);
        return;
    case CSR_RCVRC:
    case CSR_XMTRC:
        if (quiet) {
            uint32_t len = ring_len(s, n + 4), left = (uint16_t)-v;
            uint32_t *at = n == CSR_RCVRC ? &s->rx_at : &s->tx_at;

            *at = left && left <= len ? len - left : 0;
        }
        return;
    case CSR_SWSTYLE:
        write_bcr(s, BCR_SWS, v);
        return;
    case CSR_DMATCFW: case 82: case CSR_MERRTO: case CSR_MFC: case 114:
        s->csr[n] = v;
        return;
    default:
        return;
    }
    pcnet_update_irq(s);
    /* SPND may have gone. */
    pcnet_start_xmit(s);
    net_flush(nic_queue(s->nic, 0));
}

static uint16_t read_csr(PCNetState *s, unsigned n)
{
    switch (n) {
    case 16: case 17:
        return s->csr[n - 15];
    case CSR_SWSTYLE:
        return s->bcr[BCR_SWS];
    case CSR_RCVRC:
        return -(ring_len(s, CSR_RCVRL) - s->rx_at);
    case CSR_XMTRC:
        return -(ring_len(s, CSR_XMTRL) - s->tx_at);
    case CSR_CHIPID:
        return s->csr[n];
    }
    return n < CSRS ? s->csr[n] : 0;
}

/* The registers behind the PROM: 0 data, 1 address, 2 reset, 3 BCR data. */
static void port_write(PCNetState *s, unsigned n, uint16_t v)
{
    switch (n) {
    case 0:
        if (s->rap < CSRS) {
            write_csr(s, s->rap, v);
        }
        break;
    case 1:
        s->rap = v & 0x7f;
        break;
    case 3:
        if (s->rap < BCRS) {
            write_bcr(s, s->rap, v);
        }
        break;
    }
}

static uint16_t port_read(PCNetState *s, unsigned n)
{
    switch (n) {
    case 0:
        return read_csr(s, s->rap);
    case 1:
        return s->rap;
    case 2:
        chip_reset(s);
        return 0;
    default:
        return read_bcr(s, s->rap);
    }
}

static bool dwio(const PCNetState *s)
{
    return s->bcr[BCR_BSBC] & BSBC_DWIO;
}

static void pcnet_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCNetState *s = opaque;

    if (addr < APROM_SIZE) {
        for (unsigned i = 0; i < size && s->bcr[BCR_MC] & MC_APROMWE; i++) {
            s->aprom[addr + i] = val >> 8 * i;
        }
    } else if (size == 4) {
        /* A double word to RDP is how a driver chooses DWIO. */
        if (addr == PORT_RDP) {
            s->bcr[BCR_BSBC] |= BSBC_DWIO;
        }
        if (dwio(s)) {
            port_write(s, (addr - PORT_RDP) / 4, val);
        }
    } else if (size == 2 && !dwio(s) && addr < PORT_RDP + 8) {
        port_write(s, (addr - PORT_RDP) / 2, val);
    }
}

static uint64_t pcnet_read(void *opaque, hwaddr addr, unsigned size)
{
    PCNetState *s = opaque;
    uint64_t v = 0;

    if (addr < APROM_SIZE) {
        for (unsigned i = 0; i < size; i++) {
            v |= (uint64_t)s->aprom[addr + i] << 8 * i;
        }
        return v;
    }
    if (size == 4 && dwio(s)) {
        return port_read(s, (addr - PORT_RDP) / 4);
    }
    if (size == 2 && !dwio(s) && addr < PORT_RDP + 8) {
        return port_read(s, (addr - PORT_RDP) / 2);
    }
    /* A byte of the reset port resets as well. */
    if (size == 1 && addr == (dwio(s) ? PORT_RDP + 8 : PORT_RDP + 4)) {
        chip_reset(s);
    }
    return 0;
}

static const MemoryRegionOps pcnet_ops = {
    .read = pcnet_read,
    .write = pcnet_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

/* ---- life ------------------------------------------------------------------------------- */

static const NetClientInfo pcnet_net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .receive = pcnet_receive,
};

/* MAC address, hardware id, checksum, "WW". */
static void aprom_fill(PCNetState *s)
{
    unsigned sum = 0;

    memset(s->aprom, 0, sizeof(s->aprom));
    memcpy(s->aprom, s->conf.mac.a, 6);
    s->aprom[9] = 0x11;
    s->aprom[14] = s->aprom[15] = 0x57;
    for (unsigned i = 0; i < APROM_SIZE; i++) {
        sum += s->aprom[i];
    }
    s->aprom[12] = sum;
    s->aprom[13] = sum >> 8;
}

static void pcnet_reset(DeviceState *dev)
{
    PCNetState *s = (PCNetState *)dev;

    aprom_fill(s);
    chip_reset(s);
    net_purge(nic_queue(s->nic, 0));
}

static void pcnet_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                               unsigned len)
{
    PCNetState *s = (PCNetState *)d;

    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PCI_COMMAND, 2) && s->nic) {
        net_flush(nic_queue(s->nic, 0));
    }
}

static bool pcnet_realize(DeviceState *dev, Error **errp)
{
    PCNetState *s = (PCNetState *)dev;

    s->nic = nic_new(&pcnet_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    s->stall_since = -1;
    s->tx_bh = bh_new(loop_main(), pcnet_tx_bh, s);
    timer_init_virtual(&s->poll_timer, pcnet_poll, s);
    /* The data sheet's, and no subsystem. */
    pci_set_word(s->pci.config + PCI_STATUS,
                 PCI_STATUS_DEVSEL_MEDIUM | PCI_STATUS_FAST_BACK);
    pci_set_long(s->pci.config + PCI_SUBSYSTEM_VENDOR_ID, 0);
    s->pci.config[PCI_MIN_GNT] = 0x06;
    s->pci.config[PCI_MAX_LAT] = 0xff;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init_io(&s->io, &dev->obj, &pcnet_ops, s, "pcnet-io", PORTS);
    pci_register_bar(&s->pci, 0, PCI_BAR_IO, &s->io);
    memory_region_init_io(&s->mmio, &dev->obj, &pcnet_ops, s, "pcnet-mem",
                          PORTS);
    pci_register_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void pcnet_unrealize(DeviceState *dev)
{
    PCNetState *s = (PCNetState *)dev;

    timer_del(&s->poll_timer);
    bh_delete(s->tx_bh);
    nic_free(s->nic);
    s->nic = NULL;
}

static void pcnet_finalize(DeviceState *dev)
{
    PCNetState *s = (PCNetState *)dev;

    memory_region_destroy(&s->io);
    memory_region_destroy(&s->mmio);
}

static const Property pcnet_props[] = {
    PROP_NIC(PCNetState, conf),
    PROP_END(),
};

static bool pcnet_post_load(void *opaque, int version, Error **errp)
{
    PCNetState *s = opaque;

    if (s->tx_len > FRAME_MAX || s->rap > 0x7f ||
        s->rx_at >= ring_len(s, CSR_RCVRL) ||
        s->tx_at >= ring_len(s, CSR_XMTRL) || style(s) > 3) {
        error_setg(errp, "pcnet: ring index or frame length out of range");
        return false;
    }
    s->stall_since = -1;
    net_flush(nic_queue(s->nic, 0));
    bh_schedule(s->tx_bh);
    return true;
}

static const VMStateField pcnet_fields[] = {
    VMSTATE_PCI_DEVICE(pci, PCNetState),
    VMSTATE_BUFFER(aprom, PCNetState),
    VMSTATE_UINT16(rap, PCNetState),
    VMSTATE_UINT16_ARRAY(csr, PCNetState, CSRS),
    VMSTATE_UINT16_ARRAY(bcr, PCNetState, BCRS),
    VMSTATE_UINT32(rx_at, PCNetState),
    VMSTATE_UINT32(tx_at, PCNetState),
    VMSTATE_UINT32(tx_len, PCNetState),
    VMSTATE_BUFFER(tx_buf, PCNetState),
    VMSTATE_TIMER(poll_timer, PCNetState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pcnet = {
    .name = "pcnet",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pcnet_post_load,
    .fields = pcnet_fields,
};

static const PCIDeviceInfo pcnet_pci_info = {
    .vendor_id = 0x1022,
    .device_id = 0x2000,
    .revision = 0x10,
    .class_id = 0x0200,
    .romfile = "efi-pcnet.rom",
    .config_write = pcnet_config_write,
};

static const DeviceInfo pcnet_info = {
    .name = "pcnet",
    .desc = "AMD PCnet-PCI II Ethernet (Am79C970A)",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_NETWORK,
    .size = sizeof(PCNetState),
    .props = pcnet_props,
    .vmsd = &vmstate_pcnet,
    .bus_info = &pcnet_pci_info,
    .realize = pcnet_realize,
    .unrealize = pcnet_unrealize,
    .reset = pcnet_reset,
    .finalize = pcnet_finalize,
};

static void pcnet_register(void)
{
    device_register(&pcnet_info);
}
device_init(pcnet_register)
