/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checksums and segmentation in cards' stead.  RFC 791, 793, 1071, 8200;
 * struct virtio_net_hdr: virtio 1.1, 5.1.6.
 *
 * A frame to be segmented goes, by what the peer can do:
 *   - with a virtio-net header, whole, to a tap: the kernel cuts it, or never
 *     has to;
 *   - whole, lengths and checksum set, to a user network;
 *   - in pieces else.
 */
#include "osdep.h"
#include "net/offload.h"

enum { HDR_NEEDS_CSUM = 1, GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4 };

typedef struct __attribute__((packed)) VnetHdr {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset; /* little endian */
    uint16_t num_buffers;
} VnetHdr;

static uint16_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static ssize_t send_frame(NetClient *nc, const VnetHdr *hdr, uint8_t *head,
                          size_t head_len, uint8_t *rest, size_t rest_len,
                          NetSentFn *sent)
{
    static const VnetHdr none;
    struct iovec iov[3];
    int n = 0;

    if (nc->vnet_hdr_len) {
        iov[n++] = (struct iovec){ (void *)(hdr ? hdr : &none),
                                   MIN(nc->vnet_hdr_len, sizeof(none)) };
    }
    iov[n++] = (struct iovec){ head, head_len };
    if (rest_len) {
        iov[n++] = (struct iovec){ rest, rest_len };
    }
    return net_sendv(nc, iov, n, sent);
}

/* Drops what the frame cannot have. */
static void check_request(NetTx *tx)
{
    if (tx->ip_sum + 2u > tx->len || tx->ip_start >= tx->len ||
        tx->l4_start > tx->len || tx->l4_start <= tx->ip_start) {
        tx->sum_ip = false;
        tx->mss = 0;
    }
    if (tx->l4_end == 0 || tx->l4_end > tx->len) {
        tx->l4_end = tx->len;
    }
    if (tx->l4_start >= tx->l4_end || tx->l4_sum + 2u > tx->len) {
        tx->sum_l4 = false;
        tx->mss = 0;
    }
    if (tx->mss &&
        (tx->hdr_len > tx->len || tx->hdr_len > 512 ||
         tx->ip_start + 20u > tx->l4_start ||
         tx->l4_start + (tx->udp ? 8u : 20u) > tx->hdr_len ||
         tx->ip_sum + 2u > tx->hdr_len || tx->l4_sum + 2u > tx->hdr_len)) {
        tx->mss = 0;
    }
}

static void sum_ip(const NetTx *tx, uint8_t *hdr)
{
    put16(hdr + tx->ip_sum, 0);
    put16(hdr + tx->ip_sum,
          net_sum_finish(net_sum(hdr + tx->ip_start,
                                 tx->l4_start - tx->ip_start, 0)));
}

/* Sets IP's length (and UDP's) for @payload bytes behind the header. */
static void set_lengths(const NetTx *tx, uint8_t *hdr, size_t payload)
{
    size_t total = tx->hdr_len - tx->ip_start + payload;

    if (hdr[tx->ip_start] >> 4 == 4) {
        put16(hdr + tx->ip_start + 2, total);
    } else {
        put16(hdr + tx->ip_start + 4, total - 40);
    }
    if (tx->udp) {
        put16(hdr + tx->l4_start + 4, tx->hdr_len - tx->l4_start + payload);
    }
}

/* The pseudo header's sum with the length of this segment. */
static uint32_t pseudo_sum(const NetTx *tx, const uint8_t *hdr, size_t payload)
{
    return get16(hdr + tx->l4_sum) + (tx->hdr_len - tx->l4_start) + payload;
}

static uint16_t fold(uint32_t sum)
{
    return ~net_sum_finish(sum);
}

static bool v4(const NetTx *tx)
{
    return tx->frame[tx->ip_start] >> 4 == 4;
}

/* The whole of it to one that segments by itself. */
static ssize_t send_gso(NetClient *nc, NetTx *tx, NetSentFn *sent)
{
    uint8_t *f = tx->frame;
    size_t payload = tx->len - tx->hdr_len;
    VnetHdr hdr = {
        .flags = HDR_NEEDS_CSUM,
        .gso_type = v4(tx) ? GSO_TCPV4 : GSO_TCPV6,
        .hdr_len = GUINT16_TO_LE(tx->hdr_len),
        .gso_size = GUINT16_TO_LE(tx->mss),
        .csum_start = GUINT16_TO_LE(tx->l4_start),
        .csum_offset = GUINT16_TO_LE(tx->l4_sum - tx->l4_start),
    };

    set_lengths(tx, f, payload);
    if (tx->sum_ip) {
        sum_ip(tx, f);
    }
    put16(f + tx->l4_sum, fold(pseudo_sum(tx, f, payload)));
    return send_frame(nc, &hdr, f, tx->len, NULL, 0, sent);
}

static void sum_l4(const NetTx *tx)
{
    uint8_t *f = tx->frame;
    uint16_t sum = net_sum_finish(net_sum(f + tx->l4_start,
                                          tx->l4_end - tx->l4_start, 0));

    put16(f + tx->l4_sum, sum ? sum : 0xffff);
}

static ssize_t send_big(NetClient *nc, NetTx *tx, NetSentFn *sent)
{
    uint8_t *f = tx->frame;
    size_t payload = tx->len - tx->hdr_len;

    set_lengths(tx, f, payload);
    if (tx->sum_ip) {
        sum_ip(tx, f);
    }
    if (tx->sum_l4) {
        put16(f + tx->l4_sum, fold(pseudo_sum(tx, f, payload)));
        sum_l4(tx);
    }
    return send_frame(nc, NULL, f, tx->len, NULL, 0, sent);
}

static ssize_t send_segments(NetClient *nc, NetTx *tx, NetSentFn *sent,
                             unsigned *frames)
{
    uint8_t hdr[512];
    uint8_t *data = tx->frame + tx->hdr_len;
    size_t left = tx->len - tx->hdr_len;
    uint32_t seq = tx->udp ? 0 : get32(tx->frame + tx->l4_start + 4);
    uint16_t id = get16(tx->frame + tx->ip_start + 4);
    ssize_t ret = 1, one;

    do {
        size_t n = MIN(left, tx->mss);
        uint8_t *l4 = hdr + tx->l4_start;

        memcpy(hdr, tx->frame, tx->hdr_len);
        set_lengths(tx, hdr, n);
        if (v4(tx)) {
            put16(hdr + tx->ip_start + 4, id++);
        }
        if (tx->sum_ip) {
            sum_ip(tx, hdr);
        }
        if (!tx->udp) {
            put32(l4 + 4, seq);
            seq += n;
            if (n < left) {
                l4[13] &= ~0x09; /* FIN, PSH: the last one's */
            }
            if (data != tx->frame + tx->hdr_len) {
                l4[13] &= ~0x80; /* CWR: the first one's (RFC 3168) */
            }
        }
        if (tx->sum_l4) {
            uint32_t sum = fold(pseudo_sum(tx, hdr, n));
            uint16_t field;

            put16(hdr + tx->l4_sum, 0);
            sum = net_sum(l4, tx->hdr_len - tx->l4_start, sum);
            field = net_sum_finish(net_sum(data, n, sum));
            put16(hdr + tx->l4_sum, field ? field : 0xffff);
        }
        one = send_frame(nc, NULL, hdr, tx->hdr_len, data, n, sent);
        ret = one == 0 ? 0 : ret;
        (*frames)++;
        data += n;
        left -= n;
    } while (left);
    return ret;
}

ssize_t net_tx(NetClient *nc, NetTx *tx, NetSentFn *sent, unsigned *frames,
               size_t *bytes)
{
    VnetHdr hdr = { 0 };

    *frames = 0;
    *bytes = tx->len;
    check_request(tx);
    if (tx->mss && tx->len - tx->hdr_len > 0) {
        size_t payload = tx->len - tx->hdr_len;
        bool fits = tx->len - tx->ip_start <= 65535;

        if (!nc->peer || nc->link_down) {
            *frames = DIV_ROUND_UP(payload, tx->mss);
        } else if (nc->vnet_hdr_len && !tx->udp && tx->sum_l4 && fits &&
                   payload > tx->mss) {
            *frames = DIV_ROUND_UP(payload, tx->mss);
            *bytes += (*frames - 1) * tx->hdr_len;
            return send_gso(nc, tx, sent);
        } else if (net_peer_takes_big_frames(nc) && !tx->udp && fits &&
                   !nc->vnet_hdr_len) {
            *frames = DIV_ROUND_UP(payload, tx->mss);
            *bytes += (*frames - 1) * tx->hdr_len;
            return send_big(nc, tx, sent);
        } else {
            ssize_t ret = send_segments(nc, tx, sent, frames);

            *bytes += (*frames - 1) * tx->hdr_len;
            return ret;
        }
        return tx->len;
    }
    *frames = 1;
    if (tx->sum_ip) {
        sum_ip(tx, tx->frame);
    }
    if (tx->sum_l4) {
        if (nc->vnet_hdr_len && tx->l4_end == tx->len &&
            tx->l4_sum > tx->l4_start) {
            hdr.flags = HDR_NEEDS_CSUM;
            hdr.csum_start = GUINT16_TO_LE(tx->l4_start);
            hdr.csum_offset = GUINT16_TO_LE(tx->l4_sum - tx->l4_start);
        } else {
            sum_l4(tx);
        }
    }
    return send_frame(nc, &hdr, tx->frame, tx->len, NULL, 0, sent);
}

/* ---- receiving ----------------------------------------------------------- */

static unsigned check_l4(const uint8_t *l4, size_t len, uint8_t proto,
                         uint32_t pseudo)
{
    if (proto == 6 && len >= 20) {
        return NET_RX_TCP |
               (fold(net_sum(l4, len, pseudo)) == 0xffff ? NET_RX_L4_OK : 0);
    }
    if (proto == 17 && len >= 8) {
        uint16_t ulen = get16(l4 + 4);

        if (ulen < 8 || ulen > len) {
            return 0;
        }
        if (get16(l4 + 6) == 0) {
            return 0; /* none was made */
        }
        return NET_RX_UDP |
               (fold(net_sum(l4, len, pseudo)) == 0xffff ? NET_RX_L4_OK : 0);
    }
    return 0;
}

unsigned net_rx_check(const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + 14;
    uint16_t type;
    unsigned flags;

    if (len < 14 + 20) {
        return 0;
    }
    type = get16(frame + 12);
    if (type == 0x8100) {
        type = get16(frame + 16);
        ip += 4;
    }
    len -= ip - frame;
    if (type == 0x0800 && len >= 20 && ip[0] >> 4 == 4) {
        size_t ihl = (ip[0] & 15) * 4, total = get16(ip + 2);

        if (ihl < 20 || ihl > len || total < ihl || total > len) {
            return 0;
        }
        flags = NET_RX_IPV4 |
                (fold(net_sum(ip, ihl, 0)) == 0xffff ? NET_RX_IP_OK : 0);
        if (get16(ip + 6) & 0x3fff) {
            return flags; /* a fragment */
        }
        return flags | check_l4(ip + ihl, total - ihl, ip[9],
                                net_sum(ip + 12, 8, ip[9] + (total - ihl)));
    }
    if (type == 0x86dd && len >= 40 && ip[0] >> 4 == 6) {
        size_t payload = get16(ip + 4);

        if (payload > len - 40) {
            return 0;
        }
        return NET_RX_IPV6 |
               check_l4(ip + 40, payload, ip[6],
                        net_sum(ip + 8, 32, ip[6] + payload));
    }
    return 0;
}
