/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the models of cards do alike to frames on their way in and out:
 * headers of the cable, padding, VLAN tags (IEEE 802.3, 802.1Q).  Checksums
 * and segmentation are net/offload.c's.
 */
#ifndef HW_NET_FRAME_H
#define HW_NET_FRAME_H

#include "net/offload.h"

enum {
    NIC_MIN_FRAME = 60, /* without FCS; a wire has no shorter one */
    NIC_TX_MAX = 64 * 1024 + 512,
    NIC_TAG = 4,        /* bytes of a VLAN tag, at NIC_TAG_AT */
    NIC_TAG_AT = 12,
};

/* A frame that came in, in one piece and padded as the wire would have. */
typedef struct NicFrame {
    const uint8_t *data;
    size_t len;
    uint8_t small[NIC_MIN_FRAME];
    uint8_t *copy;
} NicFrame;

/* False: there is nothing behind the cable's header.  nic_frame_clear() ends
 * the use; @f->data borrows from @iov. */
bool nic_frame_init(NicFrame *f, const NetClient *nc, const struct iovec *iov,
                    int n);
void nic_frame_clear(NicFrame *f);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NicFrame, nic_frame_clear)
/* Takes the tag out; NIC_MIN_FRAME bytes can be read behind it still. */
uint16_t nic_frame_strip_tag(NicFrame *f);
static inline uint16_t nic_frame_type(const NicFrame *f)
{
    return f->data[NIC_TAG_AT] << 8 | f->data[NIC_TAG_AT + 1];
}

static inline bool nic_is_broadcast(const uint8_t *f)
{
    return f[0] == 0xff && f[1] == 0xff && f[2] == 0xff && f[3] == 0xff &&
           f[4] == 0xff && f[5] == 0xff;
}

/* A buffer of NIC_TX_MAX bytes with room for a tag before it. */
uint8_t *nic_tx_buf_new(void);
void nic_tx_buf_free(uint8_t *buf);
/* Puts a tag into the frame @tx in such a buffer; tx->frame moves. */
void nic_tx_insert_tag(NetTx *tx, uint16_t type, uint16_t tag);

/* Headers of the cable, if the far end can use them for offloads. */
void nic_use_vnet_hdr(NICState *nic);

#endif
