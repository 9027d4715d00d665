/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cards do to frames on the way out and in: checksums, segmentation.
 * Shared by all of them; where the peer can do it (a tap), it is left to it.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include "net/net.h"

/*
 * A frame to go out.  Offsets count from its start; those that make no sense
 * (a guest gave them) switch off what needs them.
 */
typedef struct NetTx {
    uint8_t *frame;      /* in one piece, may be changed */
    size_t len;
    bool sum_ip;         /* IPv4 header [ip_start, l4_start) at ip_sum */
    bool sum_l4;         /* [l4_start, l4_end) at l4_sum, where the pseudo
                          * header's sum already stands */
    bool udp;            /* segmentation: UDP, else TCP */
    uint16_t ip_start, ip_sum, l4_start, l4_sum;
    uint32_t l4_end;     /* 0: the end of the frame */
    uint16_t mss;        /* 0: no segmentation; then the pseudo header's sum
                          * lacks the length */
    uint16_t hdr_len;    /* what each segment repeats */
} NetTx;

/*
 * Sends it as one frame or several; what net_sendv() returns (0: something
 * was queued, @sent runs for each frame that was).  Sets *@frames and
 * *@bytes, as they would be on the wire without FCS.
 */
ssize_t net_tx(NetClient *nc, NetTx *tx, NetSentFn *sent, unsigned *frames,
               size_t *bytes);

/* What is right or wrong about a received frame's checksums. */
enum {
    NET_RX_IPV4 = 1, NET_RX_IP_OK = 2, NET_RX_TCP = 4, NET_RX_UDP = 8,
    NET_RX_L4_OK = 16, NET_RX_IPV6 = 32,
};
/* NET_RX_TCP/UDP only for whole ones (no fragments) whose sum was checked. */
unsigned net_rx_check(const uint8_t *frame, size_t len);

#endif
