/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "frame.h"

bool nic_frame_init(NicFrame *f, const NetClient *nc, const struct iovec *iov,
                    int n)
{
    size_t total = iov_total(iov, n), skip = nc->vnet_hdr_len;

    f->copy = NULL;
    if (total <= skip) {
        return false;
    }
    f->len = total - skip;
    if (f->len < NIC_MIN_FRAME) {
        memset(f->small, 0, sizeof(f->small));
        iov_copy_out(iov, n, skip, f->small, f->len);
        f->data = f->small;
        f->len = NIC_MIN_FRAME;
    } else if (n == 1) {
        f->data = (uint8_t *)iov[0].iov_base + skip;
    } else {
        f->data = f->copy = g_malloc(f->len);
        iov_copy_out(iov, n, skip, f->copy, f->len);
    }
    return true;
}

void nic_frame_clear(NicFrame *f)
{
    g_clear_pointer(&f->copy, g_free);
}

uint16_t nic_frame_strip_tag(NicFrame *f)
{
    uint16_t tag = f->data[NIC_TAG_AT + 2] << 8 | f->data[NIC_TAG_AT + 3];
    size_t len = f->len - NIC_TAG;
    uint8_t *to = g_malloc0(MAX(len, NIC_MIN_FRAME));

    memcpy(to, f->data, NIC_TAG_AT);
    memcpy(to + NIC_TAG_AT, f->data + NIC_TAG_AT + NIC_TAG, len - NIC_TAG_AT);
    g_free(f->copy);
    f->data = f->copy = to;
    f->len = len;
    return tag;
}

uint8_t *nic_tx_buf_new(void)
{
    return (uint8_t *)g_malloc(NIC_TX_MAX + NIC_TAG) + NIC_TAG;
}

void nic_tx_buf_free(uint8_t *buf)
{
    if (buf) {
        g_free(buf - NIC_TAG);
    }
}

void nic_tx_insert_tag(NetTx *tx, uint16_t type, uint16_t tag)
{
    uint8_t *f = tx->frame -= NIC_TAG;

    memmove(f, f + NIC_TAG, NIC_TAG_AT);
    f[NIC_TAG_AT] = type >> 8;
    f[NIC_TAG_AT + 1] = type;
    f[NIC_TAG_AT + 2] = tag >> 8;
    f[NIC_TAG_AT + 3] = tag;
    tx->len += NIC_TAG;
}

void nic_use_vnet_hdr(NICState *nic)
{
    NetClient *nc = nic_queue(nic, 0);

    if (net_peer_has_vnet_hdr(nc, 10)) {
        net_set_vnet_hdr(nc, 10);
        net_peer_set_offload(nc, 0);
    }
}
