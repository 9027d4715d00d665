/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTL8139C+: receiving.
 *
 * When the ring is full the frame stays with its sender until CAPR moves.  C+
 * descriptors are given back without a register write: the guest is told
 * (RXOVW), and the frame is offered again when ISR or IMR is written and each
 * STALL_RETRY_MS; after STALL_LIMIT_MS it counts as missed.  FCS bytes in
 * memory are zero.
 */
#include "osdep.h"
#include "rtl8139-int.h"

#define STALL_RETRY_MS 1
#define STALL_LIMIT_MS 50

bool rtl8139_rx_on(const RTL8139State *s)
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
uint32_t rtl8139_ring_used(const RTL8139State *s)
{
    return (r16(s, CBR) - (r16(s, CAPR) + 16u)) & (ring_size(s) - 1);
}

/* 0: not wanted; else the bits of the frame header. */
static uint16_t rx_wanted(const RTL8139State *s, const uint8_t *f)
{
    uint32_t rcr = r32(s, RCR);
    unsigned hash;

    if (nic_is_broadcast(f)) {
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
    if (size - rtl8139_ring_used(s) <= need) {
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

static ssize_t rx_descriptors(RTL8139State *s, NicFrame *f, uint16_t kind)
{
    static const uint8_t fcs[4];
    uint32_t sums = rx_checksums(s, f->data, f->len), tag = 0, flags = D_FS;
    size_t off = 0, left, len = f->len;
    unsigned n;

    if (len + 4 > RXD_SIZE) {
        s->tally.rx_err += s->tally.rx_err < UINT32_MAX;
        return len;
    }
    n = rx_room(s, len + 4);
    if (!n) {
        return 0;
    }
    if (r16(s, CPCR) & CPCR_RXVLAN && nic_frame_type(f) == 0x8100) {
        /* Byte by byte in wire order. */
        tag = RXD_TAVA | GUINT16_SWAP_LE_BE(nic_frame_strip_tag(f));
        len = MAX(f->len, NIC_MIN_FRAME);
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
        pci_dma_write(&s->pci, buf, f->data + off, data);
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

bool rtl8139_can_receive(NetClient *nc)
{
    RTL8139State *s = nic_opaque(nc);

    return !rtl8139_rx_on(s) || rx_cplus(s) ||
           rtl8139_ring_used(s) + 2048 < ring_size(s) || rtl8139_ring_used(s) == 0;
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

ssize_t rtl8139_rx_frame(RTL8139State *s, NicFrame *f)
{
    uint16_t kind = rx_wanted(s, f->data);
    size_t len = f->len; /* a tag may go */

    if (!kind) {
        return len;
    }
    if (rx_cplus(s)) {
        if (rx_descriptors(s, f, kind) == 0) {
            return rx_stalled(s) ? 0 : (ssize_t)len;
        }
        s->stall_since = -1;
    } else if (rx_ring(s, f->data, len, kind) == 0) {
        return 0;
    }
    rx_count(s, kind);
    rtl8139_cause(s, INT_ROK);
    return len;
}

ssize_t rtl8139_receive(NetClient *nc, const struct iovec *iov, int n)
{
    RTL8139State *s = nic_opaque(nc);
    size_t total = iov_total(iov, n);
    g_auto(NicFrame) f;

    if (!nic_frame_init(&f, nc, iov, n) || !rtl8139_rx_on(s)) {
        return total;
    }
    return rtl8139_rx_frame(s, &f) ? (ssize_t)total : 0;
}
