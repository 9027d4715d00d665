/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the data path and the control queue of virtio-net. */
#ifndef HW_NET_VIRTIO_NET_INT_H
#define HW_NET_VIRTIO_NET_INT_H

#include "hw/virtio/virtio.h"
#include "net/net.h"
#include "util/timer.h"
#include "vhost-net.h"

/* Feature bits, virtio 1.1, 5.1.3. */
enum {
    NF_CSUM = 0, NF_GUEST_CSUM = 1, NF_CTRL_GUEST_OFFLOADS = 2, NF_MTU = 3,
    NF_MAC = 5, NF_GSO = 6, NF_GUEST_TSO4 = 7, NF_GUEST_TSO6 = 8,
    NF_GUEST_ECN = 9, NF_GUEST_UFO = 10, NF_HOST_TSO4 = 11, NF_HOST_TSO6 = 12,
    NF_HOST_ECN = 13, NF_HOST_UFO = 14, NF_MRG_RXBUF = 15, NF_STATUS = 16,
    NF_CTRL_VQ = 17, NF_CTRL_RX = 18, NF_CTRL_VLAN = 19, NF_CTRL_RX_EXTRA = 20,
    NF_GUEST_ANNOUNCE = 21, NF_MQ = 22, NF_CTRL_MAC_ADDR = 23,
    NF_SPEED_DUPLEX = 63,
};
#define GUEST_OFFLOADS \
    (BIT(NF_GUEST_CSUM) | BIT(NF_GUEST_TSO4) | BIT(NF_GUEST_TSO6) | \
     BIT(NF_GUEST_ECN) | BIT(NF_GUEST_UFO))

enum { NET_S_LINK_UP = 1, NET_S_ANNOUNCE = 2 };
#define MAC_TABLE 64

typedef struct VirtIONet VirtIONet;

typedef struct NetQueue {
    VirtIONet *s;
    NetClient *nc;
    VirtQueue *rx, *tx;
    Timer tx_timer;     /* tx=timer */
    VHostNet *vhost;    /* NULL: none; owned */
    bool tx_blocked;    /* the peer has no room */
} NetQueue;

struct VirtIONet {
    VirtIODevice vdev;
    /* Properties. */
    NICConf conf;
    uint16_t rx_queue_size, tx_queue_size;
    char *tx;              /* "bh", "timer" */
    uint32_t tx_timeout;   /* ns */
    int32_t tx_burst;
    uint16_t host_mtu;
    int32_t speed;
    char *duplex;
    bool failover;
    /* Guest-visible state. */
    uint8_t mac[6];
    uint16_t status;
    bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint32_t macs;         /* in use; unicast ones first */
    uint32_t first_multi;
    bool uni_overflow, multi_overflow;
    uint8_t mac_table[MAC_TABLE * 6];
    uint32_t vlans[4096 / 32];
    uint16_t pairs;        /* in use */
    uint64_t offloads;     /* GUEST_x that are on */
    /* Host side. */
    NICState *nic;
    NetQueue *queues;      /* [max_pairs]; owned */
    uint16_t max_pairs;
    unsigned hdr_len;      /* of the guest's header */
    bool peer_hdr;         /* the peer speaks it */
    bool tx_by_timer;
    uint8_t duplex_full;
    uint8_t *tx_buf;       /* a frame in one piece */
};

void virtio_net_ctrl(VirtIODevice *vdev, VirtQueue *vq);
/* For realize: vhost for the taps that ask for it.  False: one must have it
 * and cannot. */
bool virtio_net_open_vhost(VirtIONet *s, Error **errp);
void virtio_net_close_vhost(VirtIONet *s);
/* The kernel serves the queues of those exactly while guest and cable are up;
 * @stop: not now. */
void virtio_net_update_vhost(VirtIONet *s, bool stop);
/* Does the guest want that frame? */
bool virtio_net_wants(VirtIONet *s, const uint8_t *frame, size_t len);
void virtio_net_filter_reset(VirtIONet *s);
void virtio_net_filter_features(VirtIONet *s);
RxFilterInfo *virtio_net_query_filter(NetClient *nc);
/* Tells the peers what the guest takes and which queues it uses. */
void virtio_net_apply_offloads(VirtIONet *s);
void virtio_net_apply_pairs(VirtIONet *s);

#endif
