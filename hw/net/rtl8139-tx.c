/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTL8139C+: transmitting.  It runs on the spot, at most TX_BUDGET
 * descriptors, the rest from a bottom half; without room at the peer it stands
 * still until rtl8139_tx_sent().
 */
#include "osdep.h"
#include "rtl8139-int.h"

#define TX_BUDGET 256

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
        struct iovec iov = { tx->frame, tx->len };
        g_auto(NicFrame) f;

        /* No header: it did not go through the cable. */
        if (nic_frame_init(&f, &(NetClient){ 0 }, &iov, 1) && tx->len >= 14 &&
            rtl8139_rx_on(s)) {
            rtl8139_rx_frame(s, &f);
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
    NetTx tx = { .frame = s->tx_buf, .len = s->tx_len };

    if (s->tx_len < 14) {
        return;
    }
    if (vlan & TXD_TAGC) {
        /* Byte by byte in wire order. */
        nic_tx_insert_tag(&tx, 0x8100, GUINT16_SWAP_LE_BE((uint16_t)vlan));
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
    len = MIN(cmd & 0xffff, NIC_TX_MAX - s->tx_len);
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

void rtl8139_start_xmit(RTL8139State *s)
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
