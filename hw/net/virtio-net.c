/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio network card: virtio 1.1, section 5.1.  Queues rx0, tx0, rx1, ...,
 * then the control queue, which stands at 2 when the driver does not know of
 * several pairs.
 *
 * A peer that speaks virtio-net headers (tap) gets frames as the guest made
 * them and segments by itself.  For others what the guest left to do is done
 * here (net/offload.h), so that every guest may leave it; frames that come
 * from our own user network need no check by the guest.
 *
 * Receiving stops when the guest has no buffers and goes on at its next kick;
 * sending stops when the peer has no room and goes on with net_sent().
 *
 * The main loop and the BQL.
 */
#include "osdep.h"
#include "hw/net/virtio-net-int.h"
#include "net/offload.h"
#include "util/log.h"

enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_MAX_PAIRS = 8, CFG_MTU = 10,
       CFG_SPEED = 12, CFG_DUPLEX = 16, CFG_LEN = 17 };

enum { HDR_NEEDS_CSUM = 1, HDR_DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCPV4 = 1, GSO_UDP = 3, GSO_TCPV6 = 4,
       GSO_ECN = 0x80 };
typedef struct __attribute__((packed)) NetHdr {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
} NetHdr;

#define CTRL_SIZE 64
#define TX_BATCH  256

static VirtIONet *net_of(VirtIODevice *vdev)
{
    return (VirtIONet *)vdev;
}

static unsigned known_pairs(const VirtIONet *s)
{
    return virtio_has(&s->vdev, NF_MQ) ? s->max_pairs : 1;
}

static NetQueue *queue_of(NetClient *nc)
{
    VirtIONet *s = nic_opaque(nc);

    return nc->queue_index < s->max_pairs ? &s->queues[nc->queue_index] : NULL;
}

/* ---- receiving ------------------------------------------------------------- */

static bool rx_usable(const NetQueue *q)
{
    return q && q->nc->queue_index < q->s->pairs &&
           !vhost_net_running(q->vhost) && virtio_queue_ready(q->rx) && q->s->vdev.vm_running;
}

/* The guest need kick only while it has no buffers there. */
static bool rx_has_buffers(NetQueue *q)
{
    if (virtqueue_empty(q->rx)) {
        virtqueue_set_notification(q->rx, true);
        if (virtqueue_empty(q->rx)) {
            return false;
        }
    }
    virtqueue_set_notification(q->rx, false);
    return true;
}

static bool net_can_receive(NetClient *nc)
{
    NetQueue *q = queue_of(nc);

    return !rx_usable(q) || rx_has_buffers(q);
}

/*
 * Some DHCP clients look at raw frames and know nothing of a checksum that is
 * still to be made, as a server on this host leaves it: it is made here.
 */
static bool dhcp_reply(const NetHdr *h, const uint8_t *f, size_t len)
{
    return h->flags & HDR_NEEDS_CSUM && len > 14 + 20 + 8 && len < 1500 &&
           f[12] == 8 && f[13] == 0 && f[14] >> 4 == 4 && f[14 + 9] == 17 &&
           f[14 + (f[14] & 15) * 4] == 0 && f[15 + (f[14] & 15) * 4] == 67;
}

static void finish_sum(uint8_t *f, size_t len, NetHdr *h)
{
    size_t start = GUINT16_FROM_LE(h->csum_start);
    size_t at = start + GUINT16_FROM_LE(h->csum_offset);
    uint16_t sum;

    if (start < len && at + 2 <= len) {
        sum = net_sum_finish(net_sum(f + start, len - start, 0));
        f[at] = sum >> 8;
        f[at + 1] = sum;
        h->flags &= ~HDR_NEEDS_CSUM;
    }
}

/* Fills @e from byte @off of header and frame on; how much went in. */
static size_t fill_buffer(VirtQueueElement *e, const NetHdr *h,
                          unsigned hdr_len, const struct iovec *iov, int n,
                          size_t off)
{
    size_t done = 0;

    for (unsigned i = 0; i < e->in_num; i++) {
        uint8_t *to = e->in[i].iov_base;
        size_t room = e->in[i].iov_len;

        if (off < hdr_len) {
            size_t part = MIN(room, hdr_len - off);

            memcpy(to, (const uint8_t *)h + off, part);
            off += part;
            done += part;
            to += part;
            room -= part;
        }
        if (room) {
            size_t part = iov_copy_out(iov, n, off - hdr_len, to, room);

            off += part;
            done += part;
            if (part < room) {
                break;
            }
        }
    }
    return done;
}

/* num_buffers is known last. */
static void set_num_buffers(VirtQueueElement *e, unsigned count)
{
    uint16_t v = GUINT16_TO_LE(count);

    virtio_iov_copy_to(e->in, e->in_num, offsetof(NetHdr, num_buffers), &v, 2);
}

static void give_back(VirtQueueElement **els, unsigned n)
{
    while (n) {
        virtqueue_unpop(els[--n]);
        g_free(els[n]);
    }
}

/* 1: done, 0: too few buffers now, -1: dropped. */
static int rx_store(NetQueue *q, const NetHdr *h, const struct iovec *iov,
                    int n, size_t len)
{
    VirtIONet *s = q->s;
    size_t total = s->hdr_len + len, off = 0;
    bool merge = virtio_has(&s->vdev, NF_MRG_RXBUF);
    VirtQueueElement *els[VIRTQUEUE_MAX_SIZE];
    uint32_t lens[VIRTQUEUE_MAX_SIZE];
    unsigned count = 0;

    els[0] = NULL;
    while (off < total) {
        VirtQueueElement *e;

        if (count == virtio_queue_size(q->rx) || (count && !merge)) {
            give_back(els, count);
            return -1; /* it never fits */
        }
        e = virtqueue_pop(q->rx, sizeof(*e));
        if (!e) {
            give_back(els, count);
            return s->vdev.broken ? -1 : 0;
        }
        if (e->in_num == 0 || e->in_len < (count ? 1 : s->hdr_len)) {
            virtio_error(&s->vdev, "receive buffer without room for a header");
            virtqueue_drop(e);
            g_free(e);
            while (count) {
                virtqueue_drop(els[--count]);
                g_free(els[count]);
            }
            return -1;
        }
        lens[count] = fill_buffer(e, h, s->hdr_len, iov, n, off);
        off += lens[count];
        els[count++] = e;
    }
    if (s->hdr_len == sizeof(NetHdr)) {
        set_num_buffers(els[0], count);
    }
    for (unsigned i = 0; i < count; i++) {
        virtqueue_fill(els[i], lens[i], i);
        g_free(els[i]);
    }
    virtqueue_flush(q->rx, count);
    virtio_notify(q->rx);
    return 1;
}

static ssize_t net_receive(NetClient *nc, const struct iovec *iov, int n)
{
    VirtIONet *s = nic_opaque(nc);
    NetQueue *q = queue_of(nc);
    size_t skip = nc->vnet_hdr_len, len = iov_total(iov, n);
    NetHdr h = { .num_buffers = GUINT16_TO_LE(1) };
    struct iovec data[NET_IOV_MAX], small;
    uint8_t head[18], copy[1500];
    int ndata = 0;

    if (!rx_usable(q) || len <= skip) {
        return len;
    }
    if (!rx_has_buffers(q)) {
        return s->vdev.broken ? (ssize_t)len : 0;
    }
    if (skip) {
        iov_copy_out(iov, n, 0, &h, MIN(skip, sizeof(h)));
    } else if (s->offloads & BIT(NF_GUEST_CSUM) && nc->peer &&
               nc->peer->info->driver == NET_CLIENT_DRIVER_USER) {
        h.flags = HDR_DATA_VALID;
    }
    /* The frame behind the header. */
    for (int i = 0; i < n; i++) {
        size_t part = iov[i].iov_len;

        if (skip >= part) {
            skip -= part;
            continue;
        }
        data[ndata++] = (struct iovec){ (char *)iov[i].iov_base + skip,
                                        part - skip };
        skip = 0;
    }
    len -= nc->vnet_hdr_len;
    if (!virtio_net_wants(s, head, iov_copy_out(data, ndata, 0, head,
                                                sizeof(head)))) {
        return len + nc->vnet_hdr_len;
    }
    if (h.flags & HDR_NEEDS_CSUM && len < sizeof(copy)) {
        iov_copy_out(data, ndata, 0, copy, len);
        if (dhcp_reply(&h, copy, len)) {
            finish_sum(copy, len, &h);
            small = (struct iovec){ copy, len };
            data[0] = small;
            ndata = 1;
        }
    }
    if (rx_store(q, &h, data, ndata, len) == 0) {
        /* Too few: until there are others.  Some may have come before the
         * driver could see that it has to kick. */
        virtqueue_set_notification(q->rx, true);
        if (rx_store(q, &h, data, ndata, len) == 0) {
            return 0;
        }
    }
    return len + nc->vnet_hdr_len;
}

/* ---- sending ---------------------------------------------------------------- */

static void tx_flush(NetQueue *q);

static void net_sent(NetClient *nc, ssize_t len)
{
    NetQueue *q = queue_of(nc);

    if (q && q->tx_blocked && net_can_send(nc)) {
        q->tx_blocked = false;
        virtio_queue_schedule(q->tx);
    }
}

/* The sum of a TCP pseudo header without the length. */
static uint16_t tcp_pseudo(const uint8_t *ip, bool v6)
{
    uint32_t sum = v6 ? net_sum(ip + 8, 32, 6) : net_sum(ip + 12, 8, 6);

    return ~net_sum_finish(sum);
}

/* What @h asks for, as net_tx() wants it.  False: nonsense, drop it. */
static bool tx_request(const NetHdr *h, NetTx *tx)
{
    uint8_t type = h->gso_type & ~GSO_ECN, *f = tx->frame;
    unsigned ip = 14, l4;

    if (tx->len > 16 && f[12] == 0x81 && f[13] == 0) {
        ip = 18;
    }
    tx->ip_start = ip;
    tx->ip_sum = ip + 10;
    if (h->flags & HDR_NEEDS_CSUM) {
        unsigned start = GUINT16_FROM_LE(h->csum_start);
        unsigned at = start + GUINT16_FROM_LE(h->csum_offset);

        if (at + 2 > tx->len || at > UINT16_MAX || start <= ip) {
            return false;
        }
        tx->sum_l4 = true;
        tx->l4_start = start;
        tx->l4_sum = at;
    }
    if (type == GSO_NONE) {
        return true;
    }
    l4 = tx->l4_start;
    if ((type != GSO_TCPV4 && type != GSO_TCPV6) || !tx->sum_l4 ||
        l4 + 20 > tx->len || l4 < ip + (type == GSO_TCPV6 ? 40u : 20u) ||
        tx->l4_sum != l4 + 16 || f[ip] >> 4 != (type == GSO_TCPV4 ? 4 : 6) ||
        h->gso_size == 0) {
        return false;
    }
    tx->mss = GUINT16_FROM_LE(h->gso_size);
    tx->hdr_len = l4 + (f[l4 + 12] >> 4) * 4;
    tx->sum_ip = type == GSO_TCPV4;
    if (tx->hdr_len > tx->len || tx->hdr_len < l4 + 20u) {
        return false;
    }
    if (tx->len == tx->hdr_len) {
        tx->mss = 0; /* no payload; the sum stands with its length */
        return true;
    }
    {
        uint16_t sum = tcp_pseudo(f + ip, type == GSO_TCPV6);

        f[l4 + 16] = sum >> 8;
        f[l4 + 17] = sum;
    }
    return true;
}

/* Frame @e without its header, by what the peer can; false: it is full. */
static bool tx_one(NetQueue *q, VirtQueueElement *e)
{
    VirtIONet *s = q->s;
    size_t len = e->out_len - s->hdr_len, bytes;
    unsigned frames;
    NetHdr h;
    NetTx tx = { .frame = s->tx_buf, .len = len };

    if (s->peer_hdr) {
        return net_sendv(q->nc, e->out, e->out_num, net_sent) != 0;
    }
    virtio_iov_copy_from(e->out, e->out_num, 0, &h,
                         MIN(s->hdr_len, sizeof(h)));
    if (!(h.flags & HDR_NEEDS_CSUM) && h.gso_type == GSO_NONE) {
        struct iovec iov[VIRTQUEUE_MAX_SIZE];
        size_t skip = s->hdr_len;
        int n = 0;

        for (unsigned i = 0; i < e->out_num; i++) {
            if (skip >= e->out[i].iov_len) {
                skip -= e->out[i].iov_len;
                continue;
            }
            iov[n++] = (struct iovec){ (char *)e->out[i].iov_base + skip,
                                       e->out[i].iov_len - skip };
            skip = 0;
        }
        return n == 0 || net_sendv(q->nc, iov, n, net_sent) != 0;
    }
    virtio_iov_copy_from(e->out, e->out_num, s->hdr_len, s->tx_buf, len);
    if (!tx_request(&h, &tx)) {
        log_guest_error("virtio-net: frame with impossible offloads\n");
        return true;
    }
    return net_tx(q->nc, &tx, net_sent, &frames, &bytes) != 0;
}

static void tx_flush(NetQueue *q)
{
    VirtIONet *s = q->s;
    unsigned burst = MIN(MIN((unsigned)s->tx_burst, TX_BATCH),
                         virtio_queue_size(q->tx));

    if (q->tx_blocked) {
        return;
    }
    do {
        unsigned n = 0;

        virtqueue_set_notification(q->tx, false);
        while (n < burst && !q->tx_blocked) {
            VirtQueueElement *e = virtqueue_pop(q->tx, sizeof(*e));

            if (!e) {
                break;
            }
            if (e->out_len < s->hdr_len || e->in_num ||
                e->out_len - s->hdr_len > NET_MAX_FRAME) {
                virtio_error(&s->vdev, "frame of %zu readable bytes, %zu "
                                       "writable", e->out_len, e->in_len);
                virtqueue_drop(e);
                g_free(e);
                return;
            }
            q->tx_blocked = !tx_one(q, e);
            virtqueue_fill(e, 0, n++);
            g_free(e);
        }
        if (n) {
            virtqueue_flush(q->tx, n);
            virtio_notify(q->tx);
        }
        if (q->tx_blocked) {
            return;
        }
        if (n == burst) {
            /* Others have their turn first. */
            virtio_queue_schedule(q->tx);
            return;
        }
        virtqueue_set_notification(q->tx, true);
    } while (!virtqueue_empty(q->tx));
}

static void tx_timer_expired(void *opaque)
{
    NetQueue *q = opaque;

    if (virtio_queue_ready(q->tx) && q->s->vdev.vm_running) {
        tx_flush(q);
    }
}

static void handle_tx(NetQueue *q)
{
    if (q->s->tx_by_timer && !q->tx_blocked) {
        /* Wait for more; the driver need not kick again. */
        if (!timer_pending(&q->tx_timer)) {
            virtqueue_set_notification(q->tx, false);
            timer_mod_ns(&q->tx_timer, q->s->tx_timeout);
        }
        return;
    }
    tx_flush(q);
}

static void handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *s = net_of(vdev);
    unsigned n = virtio_queue_index(vq), pairs = known_pairs(s);

    if (n == 2 * pairs) {
        virtio_net_ctrl(vdev, vq);
    } else if (n < 2 * pairs && n % 2) {
        handle_tx(&s->queues[n / 2]);
    } else if (n < 2 * pairs) {
        net_flush(s->queues[n / 2].nc);
    }
}

/* ---- features, configuration --------------------------------------------------- */

static uint64_t net_features(VirtIODevice *vdev, uint64_t f)
{
    VirtIONet *s = net_of(vdev);

    f |= BIT(NF_MAC);
    if (!s->peer_hdr) {
        /* Nobody here makes such frames. */
        f &= ~(BIT(NF_GUEST_TSO4) | BIT(NF_GUEST_TSO6) | BIT(NF_GUEST_ECN) |
               BIT(NF_GUEST_UFO) | BIT(NF_HOST_UFO));
    } else if (!net_peer_has_ufo(nic_queue(s->nic, 0))) {
        f &= ~(BIT(NF_GUEST_UFO) | BIT(NF_HOST_UFO));
    }
    if (!(f & BIT(NF_CSUM))) {
        f &= ~(BIT(NF_HOST_TSO4) | BIT(NF_HOST_TSO6) | BIT(NF_HOST_ECN) |
               BIT(NF_HOST_UFO) | BIT(NF_GSO));
    }
    if (!(f & BIT(NF_GUEST_CSUM))) {
        f &= ~(BIT(NF_GUEST_TSO4) | BIT(NF_GUEST_TSO6) | BIT(NF_GUEST_ECN) |
               BIT(NF_GUEST_UFO));
    }
    if (!(f & BIT(NF_CTRL_VQ))) {
        f &= ~(BIT(NF_CTRL_RX) | BIT(NF_CTRL_RX_EXTRA) | BIT(NF_CTRL_VLAN) |
               BIT(NF_CTRL_MAC_ADDR) | BIT(NF_GUEST_ANNOUNCE) | BIT(NF_MQ) |
               BIT(NF_CTRL_GUEST_OFFLOADS));
    }
    if (s->host_mtu) {
        f |= BIT(NF_MTU);
    }
    if (s->speed >= 0 || s->duplex) {
        f |= BIT(NF_SPEED_DUPLEX);
    }
    return s->queues && s->queues[0].vhost
               ? vhost_net_features(s->queues[0].vhost, f) : f;
}

void virtio_net_apply_offloads(VirtIONet *s)
{
    uint32_t flags = 0;

    if (!s->peer_hdr) {
        return;
    }
    flags |= s->offloads & BIT(NF_GUEST_CSUM) ? NET_OFFLOAD_CSUM : 0;
    flags |= s->offloads & BIT(NF_GUEST_TSO4) ? NET_OFFLOAD_TSO4 : 0;
    flags |= s->offloads & BIT(NF_GUEST_TSO6) ? NET_OFFLOAD_TSO6 : 0;
    flags |= s->offloads & BIT(NF_GUEST_ECN) ? NET_OFFLOAD_TSO_ECN : 0;
    flags |= s->offloads & BIT(NF_GUEST_UFO) ? NET_OFFLOAD_UFO : 0;
    for (unsigned i = 0; i < s->max_pairs; i++) {
        net_peer_set_offload(s->queues[i].nc, flags);
    }
}

void virtio_net_apply_pairs(VirtIONet *s)
{
    for (unsigned i = 0; i < s->max_pairs; i++) {
        NetClient *peer = s->queues[i].nc->peer;

        if (peer && peer->info->set_queue_enabled) {
            peer->info->set_queue_enabled(peer, i < s->pairs);
        }
    }
}

static void set_hdr_len(VirtIONet *s)
{
    s->hdr_len = virtio_has(&s->vdev, NF_MRG_RXBUF) ||
                         virtio_has(&s->vdev, VIRTIO_F_VERSION_1)
                     ? sizeof(NetHdr) : 10;
    for (unsigned i = 0; s->peer_hdr && i < s->max_pairs; i++) {
        net_set_vnet_hdr(s->queues[i].nc, s->hdr_len);
    }
}

static void net_set_features(VirtIODevice *vdev, uint64_t f)
{
    VirtIONet *s = net_of(vdev);

    set_hdr_len(s);
    s->offloads = f & GUEST_OFFLOADS;
    virtio_net_apply_offloads(s);
    virtio_net_filter_features(s);
}

static void put16(uint8_t *c, unsigned off, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    memcpy(c + off, &v, 2);
}

static void net_get_config(VirtIODevice *vdev, uint8_t *c)
{
    VirtIONet *s = net_of(vdev);
    uint32_t speed = GUINT32_TO_LE((uint32_t)s->speed);

    memcpy(c + CFG_MAC, s->mac, 6);
    put16(c, CFG_STATUS, s->status);
    put16(c, CFG_MAX_PAIRS, s->max_pairs);
    put16(c, CFG_MTU, s->host_mtu);
    memcpy(c + CFG_SPEED, &speed, 4);
    c[CFG_DUPLEX] = s->duplex_full;
}

static void net_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    VirtIONet *s = net_of(vdev);

    /* Old drivers set the address here. */
    if (!virtio_has(vdev, NF_CTRL_MAC_ADDR) &&
        !virtio_has(vdev, VIRTIO_F_VERSION_1) &&
        memcmp(s->mac, c + CFG_MAC, 6) != 0) {
        memcpy(s->mac, c + CFG_MAC, 6);
        nic_format_info(s->nic, s->mac);
    }
}

static void net_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIONet *s = net_of(vdev);

    virtio_net_update_vhost(s, false);
    for (unsigned i = 0; (status & VIRTIO_S_DRIVER_OK) && i < s->pairs; i++) {
        net_flush(s->queues[i].nc);
    }
}

static void link_changed(NetClient *nc)
{
    VirtIONet *s = nic_opaque(nc);
    uint16_t old = s->status;

    if (nc->link_down) {
        s->status &= ~NET_S_LINK_UP;
    } else {
        s->status |= NET_S_LINK_UP;
    }
    virtio_net_update_vhost(s, false);
    if (s->status != old) {
        virtio_notify_config(&s->vdev);
    }
}

static void net_vm_state(VirtIODevice *vdev, bool on)
{
    virtio_net_update_vhost(net_of(vdev), false);
}

static bool net_announce(NetClient *nc)
{
    VirtIONet *s = nic_opaque(nc);

    if (!virtio_has(&s->vdev, NF_GUEST_ANNOUNCE) ||
        !virtio_has(&s->vdev, NF_CTRL_VQ) ||
        !(s->vdev.status & VIRTIO_S_DRIVER_OK)) {
        return false;
    }
    s->status |= NET_S_ANNOUNCE;
    virtio_notify_config(&s->vdev);
    return true;
}

/* ---- life ------------------------------------------------------------------------ */

static const NetClientInfo net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .can_receive = net_can_receive,
    .receive = net_receive,
    .link_changed = link_changed,
    .query_rx_filter = virtio_net_query_filter,
    .announce = net_announce,
};

static void net_reset(VirtIODevice *vdev)
{
    VirtIONet *s = net_of(vdev);

    virtio_net_update_vhost(s, true);
    virtio_net_filter_reset(s);
    memcpy(s->mac, s->conf.mac.a, 6);
    nic_format_info(s->nic, s->mac);
    s->status &= ~NET_S_ANNOUNCE;
    s->pairs = 1;
    virtio_net_apply_pairs(s);
    s->offloads = 0;
    virtio_net_apply_offloads(s);
    for (unsigned i = 0; i < s->max_pairs; i++) {
        NetQueue *q = &s->queues[i];

        timer_del(&q->tx_timer);
        net_purge(q->nc);
        if (q->nc->peer) {
            net_purge(q->nc->peer);
        }
        q->tx_blocked = false;
    }
}

static bool good_size(unsigned v)
{
    return v >= 256 && v <= VIRTQUEUE_MAX_SIZE && !(v & (v - 1));
}

static bool check_props(VirtIONet *s, Error **errp)
{
    if (!good_size(s->rx_queue_size) || !good_size(s->tx_queue_size)) {
        error_setg(errp, "Invalid %s (= %u), must be a power of 2 between 256 "
                         "and %u",
                   good_size(s->rx_queue_size) ? "tx_queue_size"
                                               : "rx_queue_size",
                   good_size(s->rx_queue_size) ? s->tx_queue_size
                                               : s->rx_queue_size,
                   VIRTQUEUE_MAX_SIZE);
        return false;
    }
    if (s->tx && strcmp(s->tx, "timer") && strcmp(s->tx, "bh")) {
        error_setg(errp, "tx: '%s' is neither \"timer\" nor \"bh\"", s->tx);
        return false;
    }
    if (s->tx_burst < 1) {
        error_setg(errp, "x-txburst must be at least 1");
        return false;
    }
    if (s->duplex && strcmp(s->duplex, "half") && strcmp(s->duplex, "full")) {
        error_setg(errp, "'duplex' must be 'half' or 'full'");
        return false;
    }
    if (s->speed < -1) {
        error_setg(errp, "'speed' must be between 0 and INT_MAX");
        return false;
    }
    if (s->host_mtu && s->host_mtu < 68) {
        error_setg(errp, "host_mtu must be at least 68");
        return false;
    }
    if (s->failover) {
        error_setg(errp, "failover=on: standby devices are not supported");
        return false;
    }
    return true;
}

static unsigned pairs_of(const VirtIONet *s)
{
    NetClient *ncs[NET_MAX_QUEUES];
    unsigned n = s->conf.netdev
                     ? net_find(s->conf.netdev, false, ncs, NET_MAX_QUEUES)
                     : 1;

    return s->vdev.host_features & BIT(NF_MQ) ? MAX(n, 1) : 1;
}

/* One a queue, control and configuration. */
static uint32_t net_pick_vectors(VirtIODevice *vdev)
{
    return 2 * pairs_of(net_of(vdev)) + 2;
}

static void net_unrealize(DeviceState *dev)
{
    VirtIONet *s = (VirtIONet *)dev;

    for (unsigned i = 0; i < s->max_pairs; i++) {
        timer_del(&s->queues[i].tx_timer);
    }
    virtio_net_close_vhost(s);
    virtio_cleanup(&s->vdev);
    nic_free(s->nic);
    s->nic = NULL;
    g_clear_pointer(&s->queues, g_free);
    g_clear_pointer(&s->tx_buf, g_free);
}

static bool net_realize(DeviceState *dev, Error **errp)
{
    VirtIONet *s = (VirtIONet *)dev;
    DeviceState *proxy = dev->parent_bus->parent;

    if (!check_props(s, errp)) {
        return false;
    }
    s->max_pairs = pairs_of(s);
    s->nic = nic_new(&net_info, &s->conf, proxy->info->name, proxy->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    if (!virtio_init(&s->vdev, errp)) {
        nic_free(s->nic);
        return false;
    }
    s->pairs = 1;
    s->hdr_len = 10;
    s->tx_by_timer = !g_strcmp0(s->tx, "timer");
    s->duplex_full = !s->duplex ? 0xff : !strcmp(s->duplex, "full");
    s->tx_buf = g_malloc(NET_MAX_FRAME);
    memcpy(s->mac, s->conf.mac.a, 6);
    virtio_net_filter_reset(s);
    s->queues = g_new0(NetQueue, s->max_pairs);
    for (unsigned i = 0; i < s->max_pairs; i++) {
        NetQueue *q = &s->queues[i];

        q->s = s;
        q->nc = nic_queue(s->nic, i);
        q->rx = virtio_add_queue(&s->vdev, s->rx_queue_size, handle_queue);
        q->tx = virtio_add_queue(&s->vdev, s->tx_queue_size, handle_queue);
        timer_init_virtual(&q->tx_timer, tx_timer_expired, q);
    }
    virtio_add_queue(&s->vdev, CTRL_SIZE, handle_queue);
    s->peer_hdr = net_peer_has_vnet_hdr(s->queues[0].nc, sizeof(NetHdr)) &&
                  net_peer_has_vnet_hdr(s->queues[0].nc, 10);
    s->status = s->queues[0].nc->link_down ? 0 : NET_S_LINK_UP;
    if (!virtio_net_open_vhost(s, errp)) {
        net_unrealize(dev);
        return false;
    }
    virtio_net_apply_pairs(s);
    nic_format_info(s->nic, s->mac);
    return true;
}

static bool net_post_load(void *opaque, int version, Error **errp)
{
    VirtIONet *s = opaque;
    uint64_t offloads = s->offloads & s->vdev.guest_features & GUEST_OFFLOADS;

    if (s->macs > MAC_TABLE || s->first_multi > s->macs || s->pairs == 0 ||
        s->pairs > s->max_pairs) {
        error_setg(errp, "virtio-net: address table or number of queues out of "
                         "range");
        return false;
    }
    set_hdr_len(s);
    s->offloads = offloads;
    virtio_net_apply_offloads(s);
    virtio_net_apply_pairs(s);
    nic_format_info(s->nic, s->mac);
    /* The cable is this host's. */
    s->status = (s->status & ~NET_S_LINK_UP) |
                (s->queues[0].nc->link_down ? 0 : NET_S_LINK_UP);
    return true;
}

static const VMStateField net_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIONet, VirtIODevice, vmstate_virtio),
    VMSTATE_UINT8_ARRAY(mac, VirtIONet, 6),
    VMSTATE_UINT16(status, VirtIONet),
    VMSTATE_BOOL(promisc, VirtIONet),
    VMSTATE_BOOL(allmulti, VirtIONet),
    VMSTATE_BOOL(alluni, VirtIONet),
    VMSTATE_BOOL(nomulti, VirtIONet),
    VMSTATE_BOOL(nouni, VirtIONet),
    VMSTATE_BOOL(nobcast, VirtIONet),
    VMSTATE_UINT32(macs, VirtIONet),
    VMSTATE_UINT32(first_multi, VirtIONet),
    VMSTATE_BOOL(uni_overflow, VirtIONet),
    VMSTATE_BOOL(multi_overflow, VirtIONet),
    VMSTATE_UINT8_ARRAY(mac_table, VirtIONet, MAC_TABLE * 6),
    VMSTATE_UINT32_ARRAY(vlans, VirtIONet, 4096 / 32),
    VMSTATE_UINT16(pairs, VirtIONet),
    VMSTATE_UINT64(offloads, VirtIONet),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_net = {
    .name = "virtio-net",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = net_post_load,
    .fields = net_fields,
};

#define NET_FEATURE(n, b, d) PROP_BIT64(n, VirtIONet, vdev.host_features, b, d)
static const Property net_props[] = {
    PROP_NIC(VirtIONet, conf),
    NET_FEATURE("csum", NF_CSUM, true),
    NET_FEATURE("guest_csum", NF_GUEST_CSUM, true),
    NET_FEATURE("gso", NF_GSO, true),
    NET_FEATURE("guest_tso4", NF_GUEST_TSO4, true),
    NET_FEATURE("guest_tso6", NF_GUEST_TSO6, true),
    NET_FEATURE("guest_ecn", NF_GUEST_ECN, true),
    NET_FEATURE("guest_ufo", NF_GUEST_UFO, true),
    NET_FEATURE("guest_announce", NF_GUEST_ANNOUNCE, true),
    NET_FEATURE("host_tso4", NF_HOST_TSO4, true),
    NET_FEATURE("host_tso6", NF_HOST_TSO6, true),
    NET_FEATURE("host_ecn", NF_HOST_ECN, true),
    NET_FEATURE("host_ufo", NF_HOST_UFO, true),
    NET_FEATURE("mrg_rxbuf", NF_MRG_RXBUF, true),
    NET_FEATURE("status", NF_STATUS, true),
    NET_FEATURE("ctrl_vq", NF_CTRL_VQ, true),
    NET_FEATURE("ctrl_rx", NF_CTRL_RX, true),
    NET_FEATURE("ctrl_vlan", NF_CTRL_VLAN, true),
    NET_FEATURE("ctrl_rx_extra", NF_CTRL_RX_EXTRA, true),
    NET_FEATURE("ctrl_mac_addr", NF_CTRL_MAC_ADDR, true),
    NET_FEATURE("ctrl_guest_offloads", NF_CTRL_GUEST_OFFLOADS, true),
    NET_FEATURE("mq", NF_MQ, false),
    PROP_UINT32("x-txtimer", VirtIONet, tx_timeout, 150000),
    PROP_INT32("x-txburst", VirtIONet, tx_burst, TX_BATCH),
    PROP_STR("tx", VirtIONet, tx),
    PROP_UINT16("rx_queue_size", VirtIONet, rx_queue_size, 256),
    PROP_UINT16("tx_queue_size", VirtIONet, tx_queue_size, 256),
    PROP_UINT16("host_mtu", VirtIONet, host_mtu, 0),
    PROP_INT32("speed", VirtIONet, speed, -1),
    PROP_STR("duplex", VirtIONet, duplex),
    PROP_BOOL("failover", VirtIONet, failover, false),
    PROP_END(),
};

static const VirtIOInfo net_virtio = {
    .device_id = VIRTIO_ID_NET,
    .pci_name = "virtio-net-pci",
    .pci_class = 0x0200,
    .pci_legacy_id = 0x1000,
    .pci_vectors = UINT32_MAX,
    .pick_vectors = net_pick_vectors,
    .pci_romfile = "efi-virtio.rom",
    .config_len = CFG_LEN,
    .get_features = net_features,
    .set_features = net_set_features,
    .get_config = net_get_config,
    .set_config = net_set_config,
    .set_status = net_set_status,
    .reset = net_reset,
    .vm_state = net_vm_state,
};

static const DeviceInfo net_device_info = {
    .name = "virtio-net-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_NETWORK,
    .fw_name = "ethernet-phy@0",
    .size = sizeof(VirtIONet),
    .props = net_props,
    .vmsd = &vmstate_net,
    .bus_info = &net_virtio,
    .realize = net_realize,
    .unrealize = net_unrealize,
};

static void virtio_net_register(void)
{
    virtio_device_register(&net_device_info);
}
device_init(virtio_net_register)
