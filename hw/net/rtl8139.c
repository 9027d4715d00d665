/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Realtek RTL8139C+ fast Ethernet; registers in rtl8139-regs.h.
 *
 * It has two engines a direction.  C mode: four transmit registers, and a
 * receive ring of 8 to 64 KiB in which frames stand behind each other.  C+
 * mode (bits of CPCR): rings of descriptors with checksums, segmentation and
 * VLAN tags.
 *
 * Transmit runs on the spot, at most TX_BUDGET descriptors, the rest from a
 * bottom half; without room at the peer it stands still until tx_sent().
 *
 * Receive: when the ring is full the frame stays with its sender until CAPR
 * moves.  C+ descriptors are given back without a register write: the guest
 * is told (RXOVW), and the frame is offered again when ISR or IMR is written
 * and each STALL_RETRY_MS; after STALL_LIMIT_MS it counts as missed.  FCS
 * bytes in memory are zero.
 *
 * rtl8139_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "microwire.h"
#include "rtl8139-regs.h"
#include "hw/pci.h"
#include "net/net.h"
#include "net/offload.h"
#include "util/log.h"

#define PCI_CLOCK      33000000 /* of TCTR */
#define TX_MAX         (64 * KiB + 512)
#define TX_BUDGET      256
#define MIN_FRAME      60
#define STALL_RETRY_MS 1
#define STALL_LIMIT_MS 50

/* The block that a dump of DTCCR writes (6.4). */
typedef struct Tally {
    uint64_t tx_ok, rx_ok, tx_err;
    uint32_t rx_err;
    uint16_t missed, align_err;
    uint32_t tx_1col, tx_mcol;
    uint64_t rx_phys, rx_bcast;
    uint32_t rx_mcast;
    uint16_t tx_abort, tx_underrun;
} Tally;

typedef struct RTL8139State {
    PCIDevice pci;
    /* Properties. */
    NICConf conf;
    /* Guest-visible state. */
    uint8_t reg[REGS];
    Microwire eeprom;
    Tally tally;
    uint32_t tx_desc;    /* C mode: the one to go next */
    uint32_t tx_at[2];   /* C+ mode: index in each ring, normal and high */
    uint32_t rx_at;
    uint32_t tx_prio;    /* the ring that tx_buf comes from */
    uint32_t tx_len;
    uint8_t *tx_buf;     /* TX_MAX; there is room for a tag before it */
    bool tx_poll[2];     /* the ring has something to send */
    int64_t tctr_base;   /* virtual ns at which TCTR was 0 */
    Timer timer;         /* TimerInt */
    /* Host side. */
    MemoryRegion io, mmio;
    NICState *nic;
    BH *tx_bh;
    Timer stall_timer;
    int64_t stall_since; /* virtual ns, -1: frames flow */
    bool tx_busy, tx_blocked;
} RTL8139State;

/* ---- registers as numbers ------------------------------------------------ */

static uint16_t r16(const RTL8139State *s, unsigned at)
{
    return pci_get_word(s->reg + at);
}

static uint32_t r32(const RTL8139State *s, unsigned at)
{
    return pci_get_long(s->reg + at);
}

static uint64_t r64(const RTL8139State *s, unsigned at)
{
    return (uint64_t)r32(s, at + 4) << 32 | r32(s, at);
}

static void w16(RTL8139State *s, unsigned at, uint16_t v)
{
    pci_set_word(s->reg + at, v);
}

static void w32(RTL8139State *s, unsigned at, uint32_t v)
{
    pci_set_long(s->reg + at, v);
}

static bool master(const RTL8139State *s)
{
    return pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool link_up(const RTL8139State *s)
{
    return !nic_queue(s->nic, 0)->link_down;
}

/* ---- interrupts, timer --------------------------------------------------- */

static void rtl8139_update_irq(RTL8139State *s)
{
    pci_set_irq(&s->pci, (r16(s, ISR) & r16(s, IMR)) != 0);
}

static void rtl8139_cause(RTL8139State *s, uint16_t bits)
{
    w16(s, ISR, r16(s, ISR) | bits);
    rtl8139_update_irq(s);
}

static uint32_t tctr(const RTL8139State *s)
{
    return muldiv64(clock_ns(CLOCK_VIRTUAL) - s->tctr_base, PCI_CLOCK,
                    1000000000);
}

/* The next time TCTR passes TimerInt. */
static void timer_arm(RTL8139State *s)
{
    uint32_t at = r32(s, TIMERINT), left;

    if (!at) {
        timer_del(&s->timer);
        return;
    }
    left = at - tctr(s);
    timer_mod_ns(&s->timer, muldiv64(left ? left : UINT64_C(1) << 32,
                                     1000000000, PCI_CLOCK) + 1);
}

static void rtl8139_timeout(void *opaque)
{
    RTL8139State *s = opaque;

    rtl8139_cause(s, INT_TIMEOUT);
    timer_arm(s);
}

/* ---- receive ------------------------------------------------------------- */

static bool rx_on(const RTL8139State *s)
{
    return s->reg[CR] & CR_RE && master(s);
}

static bool rx_cplus(const RTL8139State *s)
{
    return r16(s, CPCR) & CPCR_RX;
}

static uint32_t ring_size(const RTL8139State *s)
{
    return 8192u << (r32(s, RCR) >> RCR_RBLEN_SHIFT & 3);
}

/* Bytes of the ring the driver has not read; CAPR is 16 behind. */
static uint32_t ring_used(const RTL8139State *s)
{
    return (r16(s, CBR) - (r16(s, CAPR) + 16u)) & (ring_size(s) - 1);
}

/* 0: not wanted; else the bits of the frame header. */
static uint16_t rx_wanted(const RTL8139State *s, const uint8_t *f)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    uint32_t rcr = r32(s, RCR);
    unsigned hash;

    if (!memcmp(f, broadcast, 6)) {
        return rcr & RCR_AB ? RXH_BAR : 0;
    }
    if (f[0] & 1) {
        hash = net_crc32_be(f, 6) >> 26;
        return rcr & RCR_AM && s->reg[MAR0 + hash / 8] >> (hash & 7) & 1
                   ? RXH_MAR : 0;
    }
    if (!memcmp(f, s->reg + IDR0, 6)) {
        return rcr & (RCR_APM | RCR_AAP) ? RXH_PAM : 0;
    }
    return rcr & RCR_AAP ? RXH_ROK : 0; /* no bit of its own */
}

static void rx_missed(RTL8139State *s)
{
    w32(s, MPC, MIN(r32(s, MPC) + 1, 0xffffff));
    s->tally.missed += s->tally.missed < UINT16_MAX;
}

static void rx_count(RTL8139State *s, uint16_t kind)
{
    s->tally.rx_ok++;
    if (kind & RXH_BAR) {
        s->tally.rx_bcast++;
    } else if (kind & RXH_MAR) {
        s->tally.rx_mcast++;
    } else {
        s->tally.rx_phys++;
    }
}

/* Into the ring at @off from its start; wraps unless WRAP is set. */
static uint32_t ring_put(RTL8139State *s, uint32_t off, const void *buf,
                         uint32_t len)
{
    uint32_t size = ring_size(s), part = len;
    bool wrap = !(r32(s, RCR) & RCR_WRAP) || size == 64 * KiB;

    off &= size - 1;
    if (wrap && off + len > size) {
        part = size - off;
    }
    pci_dma_write(&s->pci, r32(s, RBSTART) + off, buf, part);
    if (part < len) {
        pci_dma_write(&s->pci, r32(s, RBSTART), (const uint8_t *)buf + part,
                      len - part);
    }
    return off + len;
}

static ssize_t rx_ring(RTL8139State *s, const uint8_t *f, size_t len,
                       uint16_t kind)
{
    static const uint8_t fcs[4];
    uint32_t size = ring_size(s), need = ROUND_UP(len + 4 + 4, 4), at;
    uint8_t hdr[4];

    if (len + 4 > 4096) { /* "long": such frames are no use to anybody */
        s->tally.rx_err += s->tally.rx_err < UINT32_MAX;
        return len;
    }
    /* Full and empty look alike: the last four bytes stay free. */
    if (size - ring_used(s) <= need) {
        return 0;
    }
    at = r16(s, CBR) & (size - 1);
    pci_set_word(hdr, (kind & ~RXH_ROK) | RXH_ROK);
    pci_set_word(hdr + 2, len + 4);
    ring_put(s, at, hdr, 4);
    /* With WRAP a frame goes on over the end, where its header is not. */
    if (r32(s, RCR) & RCR_WRAP && size != 64 * KiB) {
        ring_put(s, at + 4, f, len);
        pci_dma_write(&s->pci,
                      r32(s, RBSTART) + ((at + 4) & (size - 1)) + len, fcs, 4);
    } else {
        ring_put(s, ring_put(s, at + 4, f, len), fcs, 4);
    }
    w16(s, CBR, (at + need) & (size - 1));
    return len;
}

/* First words of C+ descriptors, as far as the frame's contents say. */
static uint32_t rx_checksums(const RTL8139State *s, const uint8_t *f,
                             size_t len)
{
    unsigned got;
    uint32_t v = 0;

    if (!(r16(s, CPCR) & CPCR_RXCHKSUM)) {
        return 0;
    }
    got = net_rx_check(f, len);
    if (got & NET_RX_IPV4) {
        v |= RXD_PID_IP | (got & NET_RX_IP_OK ? 0 : RXD_IPF);
        if (got & NET_RX_TCP) {
            v = (v & ~RXD_PID_IP) | RXD_PID_TCP |
                (got & NET_RX_L4_OK ? 0 : RXD_TCPF);
        } else if (got & NET_RX_UDP) {
            v = (v & ~RXD_PID_IP) | RXD_PID_UDP |
                (got & NET_RX_L4_OK ? 0 : RXD_UDPF);
        }
    }
    return v;
}

/* Ring addresses are aligned to 256. */
static hwaddr desc_addr(const RTL8139State *s, unsigned reg, uint32_t n)
{
    return (r64(s, reg) & ~UINT64_C(0xff)) + (uint64_t)n * 16;
}

/* Enough descriptors of the guest's for @len bytes?  Their count, or 0. */
static unsigned rx_room(RTL8139State *s, size_t len)
{
    uint32_t at = s->rx_at;
    unsigned n = 0;

    while (n < 64) {
        uint8_t d[4];
        uint32_t v;

        if (pci_dma_read(&s->pci, desc_addr(s, RDSAR, at), d, 4) != MEMTX_OK) {
            return 0;
        }
        v = pci_get_long(d);
        if (!(v & D_OWN)) {
            return 0;
        }
        n++;
        if ((v & RXD_SIZE) >= len) {
            return n;
        }
        len -= v & RXD_SIZE;
        at = v & D_EOR ? 0 : (at + 1) % 64;
    }
    return 0;
}

static ssize_t rx_descriptors(RTL8139State *s, const uint8_t *f, size_t len,
                              uint16_t kind)
{
    static const uint8_t fcs[4];
    uint32_t sums = rx_checksums(s, f, len), tag = 0, flags = D_FS;
    g_autofree uint8_t *strip = NULL;
    size_t off = 0, left;
    unsigned n;

    if (len + 4 > RXD_SIZE) {
        s->tally.rx_err += s->tally.rx_err < UINT32_MAX;
        return len;
    }
    n = rx_room(s, len + 4);
    if (!n) {
        return 0;
    }
    if (r16(s, CPCR) & CPCR_RXVLAN && f[12] == 0x81 && f[13] == 0x00) {
        tag = RXD_TAVA | f[15] << 8 | f[14];
        strip = g_malloc0(MAX(len - 4, MIN_FRAME));
        memcpy(strip, f, 12);
        memcpy(strip + 12, f + 16, len - 16);
        f = strip;
        len = MAX(len - 4, MIN_FRAME);
    }
    if (kind == RXH_PAM) {
        flags |= RXD_PAM;
    } else if (kind == RXH_BAR) {
        flags |= RXD_BAR;
    } else if (kind == RXH_MAR) {
        flags |= RXD_MAR;
    }
    for (left = len + 4; n-- && left;) {
        hwaddr at = desc_addr(s, RDSAR, s->rx_at);
        uint8_t d[16];
        uint32_t v;
        uint64_t buf;
        size_t part, data;

        pci_dma_read(&s->pci, at, d, 16);
        v = pci_get_long(d);
        buf = pci_get_long(d + 8) | (uint64_t)pci_get_long(d + 12) << 32;
        part = MIN(left, v & RXD_SIZE);
        data = off < len ? MIN(part, len - off) : 0;
        pci_dma_write(&s->pci, buf, f + off, data);
        if (part > data) {
            pci_dma_write(&s->pci, buf + data, fcs, part - data);
        }
        off += part;
        left -= part;
        pci_set_long(d, (v & D_EOR) | flags | sums |
                            (left ? part : D_LS | (len + 4)));
        pci_set_long(d + 4, tag);
        /* OWN goes last. */
        pci_dma_write(&s->pci, at + 4, d + 4, 4);
        pci_dma_write(&s->pci, at, d, 4);
        flags &= ~D_FS;
        s->rx_at = v & D_EOR ? 0 : (s->rx_at + 1) % 64;
    }
    return len;
}

static bool rtl8139_can_receive(NetClient *nc)
{
    RTL8139State *s = nic_opaque(nc);

    return !rx_on(s) || rx_cplus(s) ||
           ring_used(s) + 2048 < ring_size(s) || ring_used(s) == 0;
}

/* No room for a C+ frame: tell the guest, and try again soon. */
static bool rx_stalled(RTL8139State *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);

    if (s->stall_since < 0) {
        s->stall_since = now;
        rtl8139_cause(s, INT_RXOVW);
    }
    if (now - s->stall_since > STALL_LIMIT_MS * INT64_C(1000000)) {
        rx_missed(s);
        return false;
    }
    timer_mod_ms(&s->stall_timer, STALL_RETRY_MS);
    return true;
}

static void rx_retry(void *opaque)
{
    RTL8139State *s = opaque;

    net_flush(nic_queue(s->nic, 0));
}

/* A frame without virtio-net header. */
static ssize_t rx_frame(RTL8139State *s, const uint8_t *f, size_t len)
{
    uint16_t kind = rx_wanted(s, f);
    ssize_t ret;

    if (!kind) {
        return len;
    }
    if (rx_cplus(s)) {
        ret = rx_descriptors(s, f, len, kind);
        if (ret == 0 && rx_stalled(s)) {
            return 0;
        }
        if (ret == 0) {
            return len;
        }
        s->stall_since = -1;
    } else {
        ret = rx_ring(s, f, len, kind);
        if (ret == 0) {
            return 0;
        }
    }
    rx_count(s, kind);
    rtl8139_cause(s, INT_ROK);
    return len;
}

static ssize_t rtl8139_receive(NetClient *nc, const struct iovec *iov, int n)
{
    RTL8139State *s = nic_opaque(nc);
    size_t total = iov_total(iov, n), skip = nc->vnet_hdr_len, len;
    uint8_t small[MIN_FRAME] = { 0 };
    g_autofree uint8_t *copy = NULL;
    const uint8_t *f;

    if (!rx_on(s) || total <= skip) {
        return total;
    }
    len = total - skip;
    if (len < MIN_FRAME) { /* as the wire would have padded it */
        iov_copy_out(iov, n, skip, small, len);
        f = small;
        len = MIN_FRAME;
    } else if (n == 1) {
        f = (uint8_t *)iov[0].iov_base + skip;
    } else {
        f = copy = g_malloc(len);
        iov_copy_out(iov, n, skip, copy, len);
    }
    return rx_frame(s, f, len) ? (ssize_t)total : 0;
}

/* ---- transmit ------------------------------------------------------------ */

static void rtl8139_tx_sent(NetClient *nc, ssize_t len)
{
    RTL8139State *s = nic_opaque(nc);

    if (s->tx_blocked) {
        s->tx_blocked = false;
        bh_schedule(s->tx_bh);
    }
}

/* tx->frame is whole; what net_tx() cannot do without peers is done here. */
static void tx_send(RTL8139State *s, NetTx *tx)
{
    NetClient *nc = nic_queue(s->nic, 0);
    unsigned frames;
    size_t bytes;

    if ((r32(s, TCR) & TCR_LBK) == TCR_LBK) {
        if (tx->len >= 14 && rx_on(s)) {
            uint8_t small[MIN_FRAME] = { 0 };

            memcpy(small, tx->frame, MIN(tx->len, MIN_FRAME));
            rx_frame(s, tx->len < MIN_FRAME ? small : tx->frame,
                     MAX(tx->len, MIN_FRAME));
        }
    } else if (net_tx(nc, tx, rtl8139_tx_sent, &frames, &bytes) == 0) {
        s->tx_blocked = true;
    }
    s->tally.tx_ok++;
}

/* C mode: registers in turn, each once its OWN bit is clear. */
static void tx_registers(RTL8139State *s)
{
    while (!s->tx_blocked && s->reg[CR] & CR_TE && master(s)) {
        unsigned n = s->tx_desc;
        uint32_t tsd = r32(s, TSD0 + 4 * n);
        NetTx tx = { .frame = s->tx_buf, .len = tsd & TSD_SIZE };

        if (tsd & TSD_OWN) {
            break;
        }
        s->tx_desc = (n + 1) % 4;
        w32(s, TSD0 + 4 * n, tsd | TSD_OWN | TSD_TOK);
        if (tx.len) {
            pci_dma_read(&s->pci, r32(s, TSAD0 + 4 * n), tx.frame, tx.len);
            tx_send(s, &tx);
        }
        rtl8139_cause(s, INT_TOK);
    }
}

static uint16_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

/*
 * What the descriptor's bits want of an IPv4 or IPv6 frame, as offsets.  The
 * card makes the pseudo header's sum itself; a frame whose headers are short
 * or contradict each other goes out as it is.
 */
static void tx_offload(NetTx *tx, uint32_t cmd)
{
    uint8_t *f = tx->frame, *ip, *l4;
    unsigned eth = 14, ihl, proto;
    size_t total;
    uint32_t pseudo;
    bool tcp, lso = cmd & TXD_LGSEN;
    bool v6;

    if (tx->len < eth + 20) {
        return;
    }
    if (be16(f + 12) == 0x8100) {
        eth += 4;
    }
    v6 = be16(f + eth - 2) == 0x86dd;
    ip = f + eth;
    if (v6) {
        ihl = 40;
        if (tx->len < eth + ihl || ip[0] >> 4 != 6) {
            return;
        }
        proto = ip[6];
        total = ihl + be16(ip + 4);
    } else {
        ihl = (ip[0] & 15) * 4;
        if (be16(f + eth - 2) != 0x0800 || ip[0] >> 4 != 4 || ihl < 20 ||
            tx->len < eth + ihl) {
            return;
        }
        proto = ip[9];
        total = be16(ip + 2);
    }
    tx->ip_start = eth;
    tx->ip_sum = eth + 10;
    tx->l4_start = eth + ihl;
    tx->sum_ip = !v6 && (lso || cmd & TXD_IPCS);
    tcp = proto == 6;
    if (lso) {
        total = tx->len - eth;
    }
    if (total < ihl || total > tx->len - eth) {
        return;
    }
    if (!(tcp && (lso || cmd & TXD_TCPCS)) &&
        !(proto == 17 && !lso && cmd & TXD_UDPCS)) {
        return;
    }
    if (total - ihl < (tcp ? 20u : 8u) ||
        (!v6 && be16(ip + 6) & 0x3fff)) { /* short, or a fragment */
        return;
    }
    l4 = ip + ihl;
    tx->l4_sum = tx->l4_start + (tcp ? 16 : 6);
    tx->l4_end = eth + total;
    tx->sum_l4 = true;
    pseudo = net_sum(ip + (v6 ? 8 : 12), v6 ? 32 : 8, proto);
    if (lso) {
        unsigned doff = (l4[12] >> 4) * 4, mss = cmd >> 16 & 0x7ff;

        if (doff < 20 || doff > total - ihl || !mss) {
            tx->sum_l4 = false;
            return;
        }
        tx->mss = mss;
        tx->hdr_len = tx->l4_start + doff;
        tx->l4_end = 0;
    } else {
        pseudo += total - ihl;
    }
    pci_set_word(f + tx->l4_sum,
                 GUINT16_TO_BE((uint16_t)~net_sum_finish(pseudo)));
}

/* The frame in tx_buf is whole; @cmd, @vlan: of its last descriptor. */
static void tx_plus_frame(RTL8139State *s, uint32_t cmd, uint32_t vlan)
{
    uint8_t *f = s->tx_buf;
    NetTx tx = { .frame = f, .len = s->tx_len };

    if (s->tx_len < 14) {
        return;
    }
    if (vlan & TXD_TAGC) {
        f -= 4;
        memmove(f, f + 4, 12);
        f[12] = 0x81;
        f[13] = 0x00;
        f[14] = vlan; /* the tag stands byte by byte in wire order */
        f[15] = vlan >> 8;
        tx.frame = f;
        tx.len += 4;
    }
    if (cmd & (TXD_LGSEN | TXD_IPCS | TXD_UDPCS | TXD_TCPCS)) {
        tx_offload(&tx, cmd);
    }
    tx_send(s, &tx);
}

/* One descriptor of ring @p; false: there is none. */
static bool tx_descriptor(RTL8139State *s, unsigned p)
{
    hwaddr at = desc_addr(s, p ? THPDS : TNPDS, s->tx_at[p]);
    uint8_t d[16];
    uint32_t cmd, len;
    uint64_t buf;

    if (pci_dma_read(&s->pci, at, d, sizeof(d)) != MEMTX_OK) {
        rtl8139_cause(s, INT_SERR);
        return false;
    }
    cmd = pci_get_long(d);
    if (!(cmd & D_OWN)) {
        return false;
    }
    if (cmd & D_FS || s->tx_prio != p) {
        s->tx_len = 0;
        s->tx_prio = p;
    }
    buf = pci_get_long(d + 8) | (uint64_t)pci_get_long(d + 12) << 32;
    len = MIN(cmd & 0xffff, TX_MAX - s->tx_len);
    pci_dma_read(&s->pci, buf, s->tx_buf + s->tx_len, len);
    s->tx_len += len;
    s->tx_at[p] = cmd & D_EOR ? 0 : (s->tx_at[p] + 1) % 64;
    /* The frame was read: the guest may have its buffers back. */
    pci_set_long(d, cmd & ~(D_OWN | 0x03f00000));
    if (pci_dma_write(&s->pci, at, d, 4) != MEMTX_OK) {
        rtl8139_cause(s, INT_SERR);
        return false;
    }
    if (cmd & D_LS) {
        tx_plus_frame(s, cmd, pci_get_long(d + 4));
        s->tx_len = 0;
        rtl8139_cause(s, INT_TOK);
    }
    return true;
}

static void tx_descriptors(RTL8139State *s)
{
    unsigned budget = TX_BUDGET;

    while (s->tx_poll[0] || s->tx_poll[1]) {
        unsigned p = s->tx_poll[1];

        if (s->tx_blocked || !(s->reg[CR] & CR_TE) || !master(s)) {
            return;
        }
        if (budget-- == 0) {
            bh_schedule(s->tx_bh);
            return;
        }
        if (!tx_descriptor(s, p)) {
            s->tx_poll[p] = false;
            rtl8139_cause(s, INT_TDU);
        }
    }
}

static void rtl8139_start_xmit(RTL8139State *s)
{
    if (s->tx_busy) {
        return; /* a descriptor's DMA came back to our registers */
    }
    s->tx_busy = true;
    if (r16(s, CPCR) & CPCR_TX) {
        tx_descriptors(s);
    } else {
        tx_registers(s);
    }
    s->tx_busy = false;
}

static void tx_bh(void *opaque)
{
    rtl8139_start_xmit(opaque);
}

/* ---- reset, EEPROM, PHY -------------------------------------------------- */

static void phy_update(RTL8139State *s)
{
    bool up = link_up(s);

    s->reg[MSR] = (s->reg[MSR] & (MSR_RXFCE | MSR_TXFCE)) | MSR_AUX |
                  (up ? 0 : MSR_LINKB);
    w16(s, BMSR, BMSR_ABILITY | (up ? BMSR_LINK | BMSR_AN_DONE : 0));
    w16(s, ANLPAR, up ? 0x45e1 : 0);
    w16(s, ANER, up ? 1 : 0);
    w16(s, CSCR, up ? 0x07c8 : 0x03c0);
}

static void phy_reset(RTL8139State *s)
{
    w16(s, BMCR, BMCR_SPEED | BMCR_ANE | BMCR_DUPLEX);
    w16(s, ANAR, 0x05e1);
    phy_update(s);
}

static void rtl8139_link_changed(NetClient *nc)
{
    RTL8139State *s = nic_opaque(nc);

    phy_update(s);
    rtl8139_cause(s, INT_LINK);
}

static void eeprom_fill(RTL8139State *s)
{
    uint16_t *w = s->eeprom.word;

    memset(&s->eeprom, 0, sizeof(s->eeprom));
    w[0] = 0x8129;
    w[1] = 0x10ec;
    w[2] = 0x8139;
    w[3] = PCI_VENDOR_REDHAT_QUMRANET;
    w[4] = PCI_SUBDEVICE_QEMU;
    w[5] = 0x4020; /* MAXLAT, MINGNT */
    for (unsigned i = 0; i < 3; i++) {
        w[7 + i] = pci_get_word(s->conf.mac.a + 2 * i);
    }
    s->eeprom.out = true;
}

/* What the card reads from its EEPROM at power-on. */
static void autoload(RTL8139State *s)
{
    for (unsigned i = 0; i < 3; i++) {
        w16(s, IDR0 + 2 * i, s->eeprom.word[7 + i]);
    }
    s->reg[CONFIG0] = 0x10;
    s->reg[CONFIG1] = 0x0c | (s->reg[CONFIG1] & 0xf0); /* I/O and memory */
    s->reg[CONFIG3] = 0x01;
    s->reg[CONFIG4] = 0;
    s->reg[CONFIG5] = 0;
}

/* CR.RST: engines and their registers; IDR, MAR and configuration stay. */
static void rtl8139_soft_reset(RTL8139State *s)
{
    bh_cancel(s->tx_bh);
    timer_del(&s->stall_timer);
    s->stall_since = -1;
    s->tx_blocked = false;
    s->tx_len = s->tx_desc = s->tx_prio = s->rx_at = 0;
    memset(s->tx_at, 0, sizeof(s->tx_at));
    memset(s->tx_poll, 0, sizeof(s->tx_poll));
    memset(s->reg + TSD0, 0, CR - TSD0);
    for (unsigned i = 0; i < 4; i++) {
        w32(s, TSD0 + 4 * i, TSD_OWN);
    }
    s->reg[CR] = CR_BUFE;
    w16(s, CAPR, 0xfff0);
    w16(s, CBR, 0);
    w16(s, IMR, 0);
    w16(s, ISR, 0);
    w32(s, TCR, TCR_VERSION | 0x03000600);
    w32(s, RCR, 0);
    w32(s, MPC, 0);
    w32(s, TIMERINT, 0);
    s->tctr_base = clock_ns(CLOCK_VIRTUAL);
    timer_del(&s->timer);
    w16(s, CPCR, 0);
    memset(s->reg + RDSAR, 0, 8);
    w16(s, MULINT, 0);
    rtl8139_update_irq(s);
}

static void rtl8139_reset(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    memset(s->reg, 0, sizeof(s->reg));
    memset(&s->tally, 0, sizeof(s->tally));
    eeprom_fill(s);
    autoload(s);
    rtl8139_soft_reset(s);
    phy_reset(s);
    s->reg[RERID] = 0x10;
    net_purge(nic_queue(s->nic, 0));
}

static void write_9346(RTL8139State *s, uint8_t v)
{
    uint8_t mode = v & EEM_MASK;

    if (mode == EEM_AUTOLOAD) {
        autoload(s);
        v = 0;
        mode = 0;
    }
    if (mode == EEM_PROGRAM) {
        microwire_drive(&s->eeprom, v & EE_CS, v & EE_SK, v & EE_DI);
    } else {
        microwire_drive(&s->eeprom, false, false, false);
    }
    s->reg[CR9346] = v & ~EE_DO;
}

static void write_bmcr(RTL8139State *s, uint16_t v)
{
    if (v & BMCR_RESET) {
        phy_reset(s);
        return;
    }
    w16(s, BMCR, v & (BMCR_SPEED | BMCR_ANE | BMCR_DUPLEX));
    if (v & BMCR_ANE && v & BMCR_RESTART) {
        phy_update(s);
        rtl8139_cause(s, INT_LINK);
    }
}

/* DTCCR with its command bit: counters to memory, at once. */
static void dump_tally(RTL8139State *s)
{
    hwaddr at = r64(s, DTCCR) & ~UINT64_C(0x3f);
    const Tally *t = &s->tally;
    uint8_t b[64];

    pci_set_long(b, t->tx_ok);
    pci_set_long(b + 4, t->tx_ok >> 32);
    pci_set_long(b + 8, t->rx_ok);
    pci_set_long(b + 12, t->rx_ok >> 32);
    pci_set_long(b + 16, t->tx_err);
    pci_set_long(b + 20, t->tx_err >> 32);
    pci_set_long(b + 24, t->rx_err);
    pci_set_word(b + 28, t->missed);
    pci_set_word(b + 30, t->align_err);
    pci_set_long(b + 32, t->tx_1col);
    pci_set_long(b + 36, t->tx_mcol);
    pci_set_long(b + 40, t->rx_phys);
    pci_set_long(b + 44, t->rx_phys >> 32);
    pci_set_long(b + 48, t->rx_bcast);
    pci_set_long(b + 52, t->rx_bcast >> 32);
    pci_set_long(b + 56, t->rx_mcast);
    pci_set_word(b + 60, t->tx_abort);
    pci_set_word(b + 62, t->tx_underrun);
    pci_dma_write(&s->pci, at, b, sizeof(b));
    w32(s, DTCCR, r32(s, DTCCR) & ~DTCCR_CMD);
}

/* ---- registers ----------------------------------------------------------- */

/* Bytes of the register that @at lies in. */
static unsigned reg_width(unsigned at)
{
    switch (at) {
    case TSD0 ... RBSTART + 3:
    case TCR ... MPC + 3:
    case TIMERINT ... TIMERINT + 3:
    case FLASH ... FLASH + 3:
    case RDSAR ... RDSAR + 7:
    case FER ... FER + 0xf:
        return 4;
    case ERBCR ... ERBCR + 1:
    case CAPR ... ISR + 1:
    case MULINT ... MULINT + 1:
    case TSAD ... 0x7f:
    case CPCR ... CPCR + 1:
        return 2;
    }
    return 1;
}

static void write_cr(RTL8139State *s, uint8_t v)
{
    uint8_t old = s->reg[CR];

    if (v & CR_RST) {
        rtl8139_soft_reset(s);
        net_flush(nic_queue(s->nic, 0));
        return;
    }
    s->reg[CR] = (s->reg[CR] & ~(CR_TE | CR_RE)) | (v & (CR_TE | CR_RE));
    if (v & CR_RE && !(old & CR_RE)) {
        w16(s, CBR, 0);
        w16(s, CAPR, 0xfff0);
        s->rx_at = 0;
        s->stall_since = -1;
    }
    if (v & CR_TE && !(old & CR_TE)) {
        s->tx_desc = 0;
        memset(s->tx_at, 0, sizeof(s->tx_at));
    }
    net_flush(nic_queue(s->nic, 0));
}

static void write_tsd(RTL8139State *s, unsigned at, uint32_t v)
{
    if (r16(s, CPCR) & CPCR_TX) {
        w32(s, at, v);
        if (at == DTCCR && v & DTCCR_CMD) {
            dump_tally(s);
        }
        return;
    }
    w32(s, at, v & (TSD_SIZE | TSD_OWN | 0x003f0000));
    rtl8139_start_xmit(s);
}

/* Configuration registers are open in one mode of 9346CR only. */
static void write_config(RTL8139State *s, unsigned at, uint8_t v)
{
    static const struct { uint8_t at, mask; } masks[] = {
        { CONFIG1, 0xf1 }, { CONFIG3, 0x70 }, { CONFIG4, 0xff },
        { CONFIG5, 0x7f },
    };

    if ((s->reg[CR9346] & EEM_MASK) != EEM_CONFIG && at != CONFIG5) {
        log_guest_error("rtl8139: write of 0x%02x to 0x%02x, which is locked\n",
                        v, at);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
        if (masks[i].at == at) {
            s->reg[at] = (s->reg[at] & ~masks[i].mask) | (v & masks[i].mask);
        }
    }
}

static void write_tppoll(RTL8139State *s, uint8_t v)
{
    if (v & POLL_FSWINT) {
        rtl8139_cause(s, INT_SW);
    }
    s->tx_poll[0] |= !!(v & POLL_NPQ);
    s->tx_poll[1] |= !!(v & POLL_HPQ);
    if (v & (POLL_NPQ | POLL_HPQ) && r16(s, CPCR) & CPCR_TX) {
        rtl8139_start_xmit(s);
    }
}

static void write8(RTL8139State *s, unsigned at, uint8_t v)
{
    switch (at) {
    case IDR0 ... IDR0 + 5:
        s->reg[at] = v;
        if (at == IDR0 + 5) {
            nic_format_info(s->nic, s->reg + IDR0);
        }
        break;
    case MAR0 ... MAR0 + 7:
    case WAKE ... 0xd3:
    case ETTHR:
        s->reg[at] = v;
        break;
    case CR:
        write_cr(s, v);
        break;
    case CR9346:
        write_9346(s, v);
        break;
    case CONFIG1:
    case CONFIG3:
    case CONFIG4:
    case CONFIG5:
        write_config(s, at, v);
        break;
    case MSR:
        s->reg[at] = (s->reg[at] & ~(MSR_RXFCE | MSR_TXFCE)) |
                     (v & (MSR_RXFCE | MSR_TXFCE));
        break;
    case TPPOLL:
        write_tppoll(s, v);
        break;
    default:
        log_guest_error("rtl8139: write of 0x%02x to 0x%02x\n", v, at);
    }
}

static void write16(RTL8139State *s, unsigned at, uint16_t v)
{
    NetClient *nc = nic_queue(s->nic, 0);

    switch (at) {
    case CAPR:
        w16(s, CAPR, v);
        net_flush(nc);
        break;
    case IMR:
        w16(s, IMR, v & INT_ALL);
        rtl8139_update_irq(s);
        if (s->stall_since >= 0) {
            net_flush(nc);
        }
        break;
    case ISR:
        w16(s, ISR, r16(s, ISR) & ~v);
        rtl8139_update_irq(s);
        if (s->stall_since >= 0) {
            net_flush(nc);
        }
        break;
    case MULINT:
        w16(s, at, v & 0x0fff);
        break;
    case BMCR:
        write_bmcr(s, v);
        break;
    case ANAR:
    case NWAYTR:
        w16(s, at, v);
        break;
    case CPCR:
        w16(s, at, v & 0x007b);
        net_flush(nc);
        break;
    default:
        log_guest_error("rtl8139: write of 0x%04x to 0x%02x\n", v, at);
    }
}

static void write32(RTL8139State *s, unsigned at, uint32_t v)
{
    switch (at) {
    case TSD0 ... TSD0 + 0xc:
        write_tsd(s, at, v);
        break;
    case TSAD0 ... TSAD0 + 0xc:
    case RBSTART:
    case FLASH:
        w32(s, at, v);
        if (at < TSAD0 + 0x10 && r16(s, CPCR) & CPCR_TX) {
            s->tx_at[at >= THPDS] = 0;
        }
        break;
    case TCR:
        w32(s, at, TCR_VERSION | (v & 0x03070ff0));
        break;
    case RCR:
        w32(s, at, v & 0x0f03ffbf);
        net_flush(nic_queue(s->nic, 0));
        break;
    case TCTR:
        s->tctr_base = clock_ns(CLOCK_VIRTUAL);
        timer_arm(s);
        break;
    case MPC:
        w32(s, at, 0);
        break;
    case TIMERINT:
        w32(s, at, v);
        timer_arm(s);
        break;
    case RDSAR ... RDSAR + 4:
        w32(s, at, v);
        s->rx_at = 0;
        net_flush(nic_queue(s->nic, 0));
        break;
    case FER ... FER + 0xc: /* CardBus: there is none */
        break;
    }
}

/* Registers within the access, whole; of a part the rest is kept, or
 * (interrupt status) zero. */
static void rtl8139_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    RTL8139State *s = opaque;
    unsigned at = addr, end = addr + size;

    while (at < end && at < REGS) {
        unsigned width = reg_width(at), base = at & ~(width - 1), n;
        uint32_t v = 0;

        if (base != ISR) {
            for (unsigned i = 0; i < width; i++) {
                v |= (uint32_t)s->reg[base + i] << 8 * i;
            }
        }
        for (n = 0; at < end && at < base + width; n++, at++) {
            unsigned shift = 8 * (at - base);

            v = (v & ~(0xffu << shift)) | (uint32_t)(val & 0xff) << shift;
            val >>= 8;
        }
        if (width == 1) {
            write8(s, base, v);
        } else if (width == 2) {
            write16(s, base, v);
        } else {
            write32(s, base, v);
        }
    }
}

/* TSAD: four bits each of OWN, TABT, TUN, TOK. */
static uint16_t tx_summary(const RTL8139State *s)
{
    uint16_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t tsd = r32(s, TSD0 + 4 * i);

        v |= (tsd & TSD_OWN ? 1u << i : 0) | (tsd & TSD_TABT ? 16u << i : 0) |
             (tsd & TSD_TUN ? 256u << i : 0) | (tsd & TSD_TOK ? 4096u << i : 0);
    }
    return v;
}

static uint64_t rtl8139_read(void *opaque, hwaddr addr, unsigned size)
{
    RTL8139State *s = opaque;
    uint64_t v = 0;

    switch (addr & ~(hwaddr)3) {
    case CR & ~3:
        s->reg[CR] = (s->reg[CR] & ~CR_BUFE) | (ring_used(s) ? 0 : CR_BUFE);
        break;
    case TCTR:
        w32(s, TCTR, tctr(s));
        break;
    case CR9346:
        s->reg[CR9346] = (s->reg[CR9346] & ~EE_DO) |
                         (s->eeprom.out &&
                          (s->reg[CR9346] & EEM_MASK) == EEM_PROGRAM);
        break;
    case TSAD:
        w16(s, TSAD, r16(s, CPCR) & CPCR_TX ? 0 : tx_summary(s));
        break;
    }
    for (unsigned i = 0; i < size && addr + i < REGS; i++) {
        v |= (uint64_t)s->reg[addr + i] << 8 * i;
    }
    return v;
}

static const MemoryRegionOps rtl8139_ops = {
    .read = rtl8139_read,
    .write = rtl8139_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static const NetClientInfo rtl8139_net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .can_receive = rtl8139_can_receive,
    .receive = rtl8139_receive,
    .link_changed = rtl8139_link_changed,
};

static void rtl8139_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                                 unsigned len)
{
    RTL8139State *s = (RTL8139State *)d;

    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PCI_COMMAND, 2) && s->nic) {
        net_flush(nic_queue(s->nic, 0));
    }
}

static bool rtl8139_realize(DeviceState *dev, Error **errp)
{
    RTL8139State *s = (RTL8139State *)dev;
    NetClient *nc;

    s->nic = nic_new(&rtl8139_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    nc = nic_queue(s->nic, 0);
    if (net_peer_has_vnet_hdr(nc, 10)) {
        net_set_vnet_hdr(nc, 10);
        net_peer_set_offload(nc, 0);
    }
    s->tx_buf = (uint8_t *)g_malloc(TX_MAX + 4) + 4;
    s->stall_since = -1;
    s->tx_bh = bh_new(loop_main(), tx_bh, s);
    timer_init_virtual(&s->timer, rtl8139_timeout, s);
    timer_init_virtual(&s->stall_timer, rx_retry, s);
    s->pci.config[PCI_MIN_GNT] = 0x20;
    s->pci.config[PCI_MAX_LAT] = 0x40;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init_io(&s->io, &dev->obj, &rtl8139_ops, s, "rtl8139-io",
                          REGS);
    pci_register_bar(&s->pci, 0, PCI_BAR_IO, &s->io);
    memory_region_init_io(&s->mmio, &dev->obj, &rtl8139_ops, s, "rtl8139-mem",
                          REGS);
    pci_register_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void rtl8139_unrealize(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    timer_del(&s->timer);
    timer_del(&s->stall_timer);
    bh_delete(s->tx_bh);
    nic_free(s->nic);
    s->nic = NULL;
    g_free(s->tx_buf - 4);
    s->tx_buf = NULL;
}

static void rtl8139_finalize(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    memory_region_destroy(&s->io);
    memory_region_destroy(&s->mmio);
}

static const Property rtl8139_props[] = {
    PROP_NIC(RTL8139State, conf),
    PROP_END(),
};

static bool rtl8139_post_load(void *opaque, int version, Error **errp)
{
    RTL8139State *s = opaque;

    if (s->tx_desc > 3 || s->tx_at[0] > 63 || s->tx_at[1] > 63 ||
        s->rx_at > 63 || s->tx_prio > 1 || s->tx_len > TX_MAX) {
        error_setg(errp, "rtl8139: ring index or frame length out of range");
        return false;
    }
    phy_update(s); /* the cable is this host's */
    nic_format_info(s->nic, s->reg + IDR0);
    s->stall_since = -1;
    net_flush(nic_queue(s->nic, 0));
    bh_schedule(s->tx_bh);
    return true;
}

static const VMStateField tally_fields[] = {
    VMSTATE_UINT64(tx_ok, Tally),    VMSTATE_UINT64(rx_ok, Tally),
    VMSTATE_UINT64(tx_err, Tally),   VMSTATE_UINT32(rx_err, Tally),
    VMSTATE_UINT16(missed, Tally),   VMSTATE_UINT16(align_err, Tally),
    VMSTATE_UINT32(tx_1col, Tally),  VMSTATE_UINT32(tx_mcol, Tally),
    VMSTATE_UINT64(rx_phys, Tally),  VMSTATE_UINT64(rx_bcast, Tally),
    VMSTATE_UINT32(rx_mcast, Tally), VMSTATE_UINT16(tx_abort, Tally),
    VMSTATE_UINT16(tx_underrun, Tally), VMSTATE_END(),
};

static const VMStateDescription vmstate_tally = {
    .name = "rtl8139/tally",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = tally_fields,
};

static const VMStateField rtl8139_fields[] = {
    VMSTATE_PCI_DEVICE(pci, RTL8139State),
    VMSTATE_BUFFER(reg, RTL8139State),
    VMSTATE_STRUCT(eeprom, RTL8139State, Microwire, vmstate_microwire),
    VMSTATE_STRUCT(tally, RTL8139State, Tally, vmstate_tally),
    VMSTATE_UINT32(tx_desc, RTL8139State),
    VMSTATE_UINT32_ARRAY(tx_at, RTL8139State, 2),
    VMSTATE_UINT32(rx_at, RTL8139State),
    VMSTATE_UINT32(tx_prio, RTL8139State),
    VMSTATE_UINT32(tx_len, RTL8139State),
    VMSTATE_VBUFFER(tx_buf, RTL8139State, tx_len, TX_MAX),
    VMSTATE_BOOL_ARRAY(tx_poll, RTL8139State, 2),
    VMSTATE_INT64(tctr_base, RTL8139State),
    VMSTATE_TIMER(timer, RTL8139State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_rtl8139 = {
    .name = "rtl8139",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = rtl8139_post_load,
    .fields = rtl8139_fields,
};

static const PCIDeviceInfo rtl8139_pci_info = {
    .vendor_id = 0x10ec,
    .device_id = 0x8139,
    .revision = 0x20, /* from here on it is the C+ */
    .class_id = 0x0200,
    .romfile = "efi-rtl8139.rom",
    .config_write = rtl8139_config_write,
};

static const DeviceInfo rtl8139_info = {
    .name = "rtl8139",
    .desc = "Realtek RTL8139C+ fast Ethernet",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_NETWORK,
    .size = sizeof(RTL8139State),
    .props = rtl8139_props,
    .vmsd = &vmstate_rtl8139,
    .bus_info = &rtl8139_pci_info,
    .realize = rtl8139_realize,
    .unrealize = rtl8139_unrealize,
    .reset = rtl8139_reset,
    .finalize = rtl8139_finalize,
};

static void rtl8139_register(void)
{
    device_register(&rtl8139_info);
}
device_init(rtl8139_register)
