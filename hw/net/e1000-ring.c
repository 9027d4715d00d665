/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: the rings.
 *
 * Transmit: a write to TDT runs the ring on the spot, at most TX_BUDGET
 * descriptors, the rest from a bottom half.  Fragments are gathered in tx_buf;
 * offloads are net/offload.c's.  When the peer has no room the ring stands
 * still until e1000_tx_sent().
 *
 * Receive: checksums are verified here, so the guest need not.  Without free
 * descriptors the frame stays with its sender until RDT moves: nothing is
 * lost that the card's FIFO would have kept.  FCS bytes in memory are zero.
 */
#include "osdep.h"
#include "e1000-int.h"

#define TX_BUDGET 1024

/* ---- statistics ---------------------------------------------------------- */

static void stat_add(E1000State *s, unsigned reg, uint32_t n)
{
    uint32_t *r = &s->reg[R(reg)];

    *r = *r + n < *r ? UINT32_MAX : *r + n;
}

static void stat_add64(E1000State *s, unsigned reg, uint64_t n)
{
    uint64_t v = (uint64_t)s->reg[R(reg) + 1] << 32 | s->reg[R(reg)];

    v = v + n < v ? UINT64_MAX : v + n;
    s->reg[R(reg)] = v;
    s->reg[R(reg) + 1] = v >> 32;
}

/* Frames by size, FCS included: 64, -127, -255, -511, -1023, more. */
static unsigned size_class(size_t len)
{
    return len <= 64 ? 0 : len < 128 ? 1 : len < 256 ? 2 : len < 512 ? 3
           : len < 1024 ? 4 : 5;
}

/* ---- receive ------------------------------------------------------------- */

static unsigned rx_buffer_size(const E1000State *s)
{
    unsigned code = s->reg[R(RCTL)] >> RCTL_BSIZE_SHIFT & 3;

    if (s->reg[R(RCTL)] & RCTL_BSEX) {
        return code ? 32768 >> code : 2048;
    }
    return 2048 >> code;
}

static unsigned rx_ring(const E1000State *s)
{
    return s->reg[R(RDLEN)] / 16;
}

static unsigned rx_free(const E1000State *s)
{
    unsigned n = rx_ring(s), head = s->reg[R(RDH)], tail = s->reg[R(RDT)];

    if (!n || head >= n) {
        return 0;
    }
    /* A tail beyond the ring: all of it up to the end. */
    tail = MIN(tail, n - 1);
    return tail >= head ? tail - head : n - head + tail;
}

static bool rx_on(const E1000State *s)
{
    return s->reg[R(RCTL)] & RCTL_EN && e1000_has_link(s) &&
           pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

bool e1000_can_receive(NetClient *nc)
{
    E1000State *s = nic_opaque(nc);

    return !rx_on(s) || rx_free(s) > 0;
}

static bool rx_wanted(E1000State *s, const uint8_t *f, size_t len)
{
    static const uint8_t shifts[4] = { 4, 3, 2, 0 };
    uint32_t rctl = s->reg[R(RCTL)];
    unsigned hash;

    if (rctl & RCTL_VFE && len >= 18 &&
        (f[12] << 8 | f[13]) == (int)(s->reg[R(VET)] & 0xffff)) {
        unsigned vid = (f[14] << 8 | f[15]) & 0xfff;

        if (!(s->reg[R(VFTA) + (vid >> 5)] >> (vid & 31) & 1)) {
            return false;
        }
    }
    if (rctl & RCTL_UPE && !(f[0] & 1)) {
        return true;
    }
    if (nic_is_broadcast(f)) {
        return rctl & (RCTL_BAM | RCTL_MPE);
    }
    if (f[0] & 1 && rctl & RCTL_MPE) {
        return true;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = s->reg[R(RAL0) + 2 * i], high = s->reg[R(RAH0) + 2 * i];

        if (high & RAH_AV &&
            low == (f[0] | f[1] << 8 | f[2] << 16 | (uint32_t)f[3] << 24) &&
            (high & 0xffff) == (uint32_t)(f[4] | f[5] << 8)) {
            return true;
        }
    }
    if (!(f[0] & 1)) {
        return false;
    }
    hash = (f[4] | f[5] << 8) >> shifts[rctl >> RCTL_MO_SHIFT & 3] & 0xfff;
    return s->reg[R(MTA) + (hash >> 5)] >> (hash & 31) & 1;
}

static void rx_count(E1000State *s, const uint8_t *f, size_t len)
{
    stat_add(s, TPR, 1);
    stat_add(s, GPRC, 1);
    stat_add64(s, TORL, len + 4);
    stat_add64(s, GORCL, len + 4);
    stat_add(s, PRC64 + 4 * size_class(len + 4), 1);
    if (f[0] & 1) {
        stat_add(s, f[0] == 0xff && f[1] == 0xff ? BPRC : MPRC, 1);
    }
}

/* Status and errors for what net_rx_check() found, as RXCSUM wants. */
static void rx_checksums(E1000State *s, const uint8_t *f, size_t len,
                         uint8_t *status, uint8_t *errors)
{
    uint32_t rxcsum = s->reg[R(RXCSUM)];
    unsigned got;

    if (!(rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL))) {
        *status |= RXD_IXSM;
        return;
    }
    got = net_rx_check(f, len);
    if (got & NET_RX_IPV4 && rxcsum & RXCSUM_IPOFL) {
        *status |= RXD_IPCS;
        *errors |= got & NET_RX_IP_OK ? 0 : RXD_ERR_IPE;
    }
    if (got & (NET_RX_TCP | NET_RX_UDP) && rxcsum & RXCSUM_TUOFL) {
        *status |= RXD_TCPCS;
        *errors |= got & NET_RX_L4_OK ? 0 : RXD_ERR_TCPE;
    }
    if (!(*status & (RXD_IPCS | RXD_TCPCS))) {
        *status |= RXD_IXSM;
    }
}

static hwaddr ring_addr(const E1000State *s, unsigned bal, unsigned n)
{
    return ((uint64_t)s->reg[R(bal) + 1] << 32 |
            (s->reg[R(bal)] & ~0xfu)) + (uint64_t)n * 16;
}

static void rx_interrupt(E1000State *s)
{
    uint32_t causes = 0, rdtr = s->reg[R(RDTR)] & 0xffff;
    unsigned n = rx_ring(s);
    unsigned shift = (s->reg[R(RCTL)] >> RCTL_RDMTS_SHIFT & 3) + 1;

    if (rx_free(s) <= n >> shift) {
        causes |= INT_RXDMT0;
    }
    if (rdtr && s->mitigation) {
        e1000_delay(&s->rx_timer, &s->rx_deadline, rdtr,
                    s->reg[R(RADV)] & 0xffff);
    } else {
        causes |= INT_RXT0;
    }
    if (causes) {
        e1000_cause(s, causes);
    }
}

ssize_t e1000_receive(NetClient *nc, const struct iovec *iov, int n)
{
    E1000State *s = nic_opaque(nc);
    size_t total = iov_total(iov, n), len, off = 0;
    uint8_t status = RXD_DD, errors = 0;
    g_auto(NicFrame) f;
    unsigned bufsize = rx_buffer_size(s), need, fcs;
    uint16_t tag = 0;

    if (!nic_frame_init(&f, nc, iov, n) || !rx_on(s)) {
        return total;
    }
    len = f.len;
    if ((len > 1518 && !(s->reg[R(RCTL)] & (RCTL_LPE | RCTL_SBP))) ||
        len > 16384) {
        stat_add(s, ROC, 1);
        return total;
    }
    if (!rx_wanted(s, f.data, len)) {
        return total;
    }
    fcs = s->reg[R(RCTL)] & RCTL_SECRC ? 0 : 4;
    need = DIV_ROUND_UP(len + fcs, bufsize);
    if (rx_free(s) < need) {
        stat_add(s, RNBC, 1);
        e1000_cause(s, INT_RXO);
        return rx_ring(s) > need ? 0 : (ssize_t)total;
    }
    rx_checksums(s, f.data, len, &status, &errors);
    if (s->reg[R(CTRL)] & CTRL_VME &&
        nic_frame_type(&f) == (s->reg[R(VET)] & 0xffff)) {
        tag = nic_frame_strip_tag(&f);
        status |= RXD_VP;
        len = f.len;
    }
    rx_count(s, f.data, len);
    while (off < len + fcs) {
        hwaddr at = ring_addr(s, RDBAL, s->reg[R(RDH)]);
        size_t part = MIN(len + fcs - off, bufsize);
        size_t data = off < len ? MIN(len - off, part) : 0;
        static const uint8_t zero[4];
        uint8_t desc[16];
        uint64_t buf;

        pci_dma_read(&s->pci, at, desc, 8);
        buf = pci_get_long(desc) | (uint64_t)pci_get_long(desc + 4) << 32;
        if (buf) { /* a null descriptor is only marked */
            pci_dma_write(&s->pci, buf, f.data + off, data);
            if (part > data) {
                pci_dma_write(&s->pci, buf + data, zero, part - data);
            }
        }
        off += part;
        pci_set_word(desc + 8, part);
        pci_set_word(desc + 10, 0);
        desc[12] = status | (off >= len + fcs ? RXD_EOP : 0);
        desc[13] = errors;
        pci_set_word(desc + 14, tag);
        pci_dma_write(&s->pci, at + 8, desc + 8, 8);
        if (++s->reg[R(RDH)] >= rx_ring(s)) {
            s->reg[R(RDH)] = 0;
        }
        if (!rx_ring(s)) {
            break; /* a register in the way of the DMA took the ring away */
        }
    }
    rx_interrupt(s);
    return total;
}

/* ---- transmit ------------------------------------------------------------ */

static void e1000_tx_sent(NetClient *nc, ssize_t len)
{
    E1000State *s = nic_opaque(nc);

    if (s->tx_blocked) {
        s->tx_blocked = false;
        bh_schedule(s->tx_bh);
    }
}

static void tx_context(E1000State *s, const uint8_t *d)
{
    uint32_t cmd = pci_get_long(d + 8);
    TxContext *c = cmd & TXD_TSE ? &s->tso : &s->ctx;

    c->ipcss = d[0];
    c->ipcso = d[1];
    c->ipcse = pci_get_word(d + 2);
    c->tucss = d[4];
    c->tucso = d[5];
    c->tucse = pci_get_word(d + 6);
    c->paylen = cmd & 0xfffff;
    c->tcp = cmd & TXC_TCP;
    c->ip = cmd & TXC_IP;
    c->hdr_len = d[13];
    c->mss = pci_get_word(d + 14);
}

static void tx_count(E1000State *s, const uint8_t *f, unsigned frames,
                     size_t bytes)
{
    stat_add(s, TPT, frames);
    stat_add(s, GPTC, frames);
    stat_add64(s, TOTL, bytes + 4 * frames);
    stat_add64(s, GOTCL, bytes + 4 * frames);
    stat_add(s, PTC64 + 4 * size_class(bytes / MAX(frames, 1) + 4), frames);
    if (f[0] & 1) {
        stat_add(s, f[0] == 0xff && f[1] == 0xff ? BPTC : MPTC, frames);
    }
    if (frames > 1) {
        stat_add(s, TSCTC, 1);
    }
}

static void tx_loopback(E1000State *s, uint8_t *f, size_t len)
{
    struct iovec iov = { f, len };
    NetClient *nc = nic_queue(s->nic, 0);
    unsigned hdr = nc->vnet_hdr_len;

    nc->vnet_hdr_len = 0;
    e1000_receive(nc, &iov, 1);
    nc->vnet_hdr_len = hdr;
}

/* The frame in tx_buf is whole. */
static void tx_frame(E1000State *s)
{
    const TxContext *c = s->tx_tse ? &s->tso : &s->ctx;
    NetClient *nc = nic_queue(s->nic, 0);
    unsigned shift = 0, frames = 1;
    size_t bytes;
    NetTx tx = {
        .frame = s->tx_buf, .len = s->tx_len,
        .sum_ip = s->tx_popts & POPTS_IXSM,
        .sum_l4 = s->tx_popts & POPTS_TXSM,
        .udp = !c->tcp,
    };

    if (s->tx_len < 14) {
        return;
    }
    if (s->tx_vlan && s->reg[R(CTRL)] & CTRL_VME) {
        nic_tx_insert_tag(&tx, s->reg[R(VET)], s->tx_vlan_tag);
        shift = NIC_TAG;
    }
    tx.ip_start = c->ipcss + shift;
    tx.ip_sum = c->ipcso + shift;
    tx.l4_start = s->tx_tse || c->tucss > c->ipcss ? c->tucss + shift
                                                    : c->ipcse + 1 + shift;
    tx.l4_sum = c->tucso + shift;
    tx.l4_end = c->tucse ? c->tucse + 1u + shift : 0;
    if (s->tx_tse && c->mss) {
        tx.mss = c->mss;
        tx.hdr_len = c->hdr_len + shift;
        tx.l4_end = 0;
    }
    if (s->phy[PHY_CTRL] & PHY_CTRL_LOOPBACK ||
        (s->reg[R(RCTL)] & RCTL_LBM) == RCTL_LBM) {
        tx_loopback(s, tx.frame, tx.len);
        bytes = tx.len;
    } else if (net_tx(nc, &tx, e1000_tx_sent, &frames, &bytes) == 0) {
        s->tx_blocked = true;
    }
    tx_count(s, tx.frame, frames, bytes);
}

static void tx_data(E1000State *s, const uint8_t *d)
{
    uint32_t cmd = pci_get_long(d + 8);
    uint64_t buf = pci_get_long(d) | (uint64_t)pci_get_long(d + 4) << 32;
    bool ext = cmd & TXD_DEXT;
    uint32_t len = ext ? cmd & 0xfffff : cmd & 0xffff;

    if (s->tx_len == 0) {
        s->tx_popts = ext ? d[13] & 3 : 0;
        s->tx_tse = ext && cmd & TXD_TSE;
    }
    if (cmd & TXD_VLE && (ext || cmd & TXD_EOP)) {
        s->tx_vlan = true;
        s->tx_vlan_tag = pci_get_word(d + 14);
    }
    len = MIN(len, NIC_TX_MAX - s->tx_len);
    if (len && buf) {
        pci_dma_read(&s->pci, buf, s->tx_buf + s->tx_len, len);
        s->tx_len += len;
    }
    if (!(cmd & TXD_EOP)) {
        return;
    }
    if (!ext && cmd & TXD_IC) {
        unsigned cso = d[10], css = d[13];

        if (css < s->tx_len && cso + 2u <= s->tx_len) {
            uint8_t *f = s->tx_buf;
            uint16_t sum = net_sum_finish(net_sum(f + css, s->tx_len - css,
                                                  0));

            f[cso] = sum >> 8;
            f[cso + 1] = sum;
        }
    }
    tx_frame(s);
    s->tx_len = 0;
    s->tx_vlan = s->tx_tse = false;
    s->tx_popts = 0;
}

static bool tx_on(const E1000State *s)
{
    return s->reg[R(TCTL)] & TCTL_EN && !s->tx_blocked &&
           pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

void e1000_start_xmit(E1000State *s)
{
    unsigned budget = TX_BUDGET;
    uint32_t causes = 0;
    bool delayed = false;

    if (s->tx_busy || !tx_on(s)) {
        return;
    }
    s->tx_busy = true;
    while (tx_on(s)) {
        unsigned n = s->reg[R(TDLEN)] / 16, head = s->reg[R(TDH)];
        hwaddr at = ring_addr(s, TDBAL, head);
        uint8_t d[16];
        uint32_t cmd;

        if (!n || head >= n || head == s->reg[R(TDT)]) {
            causes |= causes ? INT_TXQE : 0;
            break;
        }
        if (budget-- == 0) {
            bh_schedule(s->tx_bh);
            break;
        }
        pci_dma_read(&s->pci, at, d, sizeof(d));
        cmd = pci_get_long(d + 8);
        if (cmd & TXD_DEXT && !(cmd & TXD_DATA)) {
            tx_context(s, d);
        } else {
            tx_data(s, d);
        }
        if (cmd & (TXD_RS | TXD_RPS)) {
            d[12] = (d[12] & ~0xf) | TXD_STAT_DD;
            pci_dma_write(&s->pci, at + 12, d + 12, 1);
            if (cmd & TXD_IDE && s->mitigation && s->reg[R(TIDV)] & 0xffff) {
                delayed = true;
            } else {
                causes |= INT_TXDW;
            }
        }
        s->reg[R(TDH)] = head + 1 < n ? head + 1 : 0;
    }
    s->tx_busy = false;
    if (delayed) {
        e1000_delay(&s->tx_timer, &s->tx_deadline, s->reg[R(TIDV)] & 0xffff,
                    s->reg[R(TADV)] & 0xffff);
    }
    if (causes) {
        e1000_cause(s, causes);
    }
}
