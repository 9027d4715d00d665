/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control queue and receive filter of virtio-net: virtio 1.1, 5.1.6.5. */
#include "osdep.h"
#include "hw/net/virtio-net-int.h"
#include "util/log.h"

enum { CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_ANNOUNCE = 3,
       CLASS_MQ = 4, CLASS_OFFLOADS = 5 };
enum { RX_PROMISC = 0, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI,
       RX_NOBCAST };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1 };
enum { VLAN_ADD = 0, VLAN_DEL = 1 };
enum { ACK_OK = 0, ACK_ERR = 1 };

/* What is left of a command's readable part. */
typedef struct Reader {
    const VirtQueueElement *e;
    size_t off;
} Reader;

static bool get(Reader *r, void *buf, size_t len)
{
    size_t n = virtio_iov_copy_from(r->e->out, r->e->out_num, r->off, buf,
                                    len);

    r->off += n;
    return n == len;
}

static size_t left(const Reader *r)
{
    return r->e->out_len - r->off;
}

static void filter_changed(VirtIONet *s)
{
    g_autofree char *path = object_path(&s->vdev.qdev.obj);

    net_rx_filter_changed(nic_queue(s->nic, 0), path);
}

static bool cmd_rx(VirtIONet *s, uint8_t cmd, Reader *r)
{
    bool *const modes[] = {
        [RX_PROMISC] = &s->promisc, [RX_ALLMULTI] = &s->allmulti,
        [RX_ALLUNI] = &s->alluni,   [RX_NOMULTI] = &s->nomulti,
        [RX_NOUNI] = &s->nouni,     [RX_NOBCAST] = &s->nobcast,
    };
    uint8_t on;

    if (cmd >= ARRAY_SIZE(modes) || !get(r, &on, 1) ||
        !virtio_has(&s->vdev, cmd <= RX_ALLMULTI ? NF_CTRL_RX
                                                 : NF_CTRL_RX_EXTRA)) {
        return false;
    }
    *modes[cmd] = on;
    filter_changed(s);
    return true;
}

/* One of the two lists of a table; more than fit are an overflow. */
static bool take_macs(Reader *r, uint8_t *to, uint32_t room, uint32_t *count,
                      bool *overflow)
{
    uint32_t n;

    if (!get(r, &n, 4)) {
        return false;
    }
    n = GUINT32_FROM_LE(n);
    if (n > left(r) / 6) {
        return false;
    }
    *overflow = n > room;
    *count = *overflow ? 0 : n;
    if (*overflow) {
        r->off += (size_t)n * 6;
        return true;
    }
    return get(r, to, (size_t)n * 6);
}

static bool mac_table_set(VirtIONet *s, Reader *r)
{
    uint8_t table[MAC_TABLE * 6] = { 0 };
    uint32_t uni, multi;
    bool uni_over, multi_over;

    if (!take_macs(r, table, MAC_TABLE, &uni, &uni_over) ||
        !take_macs(r, table + uni * 6, MAC_TABLE - uni, &multi, &multi_over) ||
        left(r)) {
        return false;
    }
    memcpy(s->mac_table, table, sizeof(table));
    s->first_multi = uni;
    s->macs = uni + multi;
    s->uni_overflow = uni_over;
    s->multi_overflow = multi_over;
    filter_changed(s);
    return true;
}

static bool cmd_mac(VirtIONet *s, uint8_t cmd, Reader *r)
{
    uint8_t mac[6];

    if (cmd == MAC_TABLE_SET) {
        return mac_table_set(s, r);
    }
    if (cmd != MAC_ADDR_SET || left(r) != 6 || !get(r, mac, 6) ||
        !virtio_has(&s->vdev, NF_CTRL_MAC_ADDR)) {
        return false;
    }
    memcpy(s->mac, mac, 6);
    nic_format_info(s->nic, s->mac);
    filter_changed(s);
    return true;
}

static bool cmd_vlan(VirtIONet *s, uint8_t cmd, Reader *r)
{
    uint16_t vid;

    if (!virtio_has(&s->vdev, NF_CTRL_VLAN) || !get(r, &vid, 2)) {
        return false;
    }
    vid = GUINT16_FROM_LE(vid);
    if (vid >= 4096 || (cmd != VLAN_ADD && cmd != VLAN_DEL)) {
        return false;
    }
    if (cmd == VLAN_ADD) {
        s->vlans[vid / 32] |= 1u << (vid % 32);
    } else {
        s->vlans[vid / 32] &= ~(1u << (vid % 32));
    }
    filter_changed(s);
    return true;
}

static bool cmd_mq(VirtIONet *s, uint8_t cmd, Reader *r)
{
    uint16_t n;

    if (cmd != 0 || !virtio_has(&s->vdev, NF_MQ) || !get(r, &n, 2)) {
        return false;
    }
    n = GUINT16_FROM_LE(n);
    if (n == 0 || n > s->max_pairs) {
        return false;
    }
    s->pairs = n;
    virtio_net_apply_pairs(s);
    virtio_net_update_vhost(s, false);
    return true;
}

static bool cmd_offloads(VirtIONet *s, uint8_t cmd, Reader *r)
{
    uint64_t v;

    if (cmd != 0 || !virtio_has(&s->vdev, NF_CTRL_GUEST_OFFLOADS) ||
        !get(r, &v, 8)) {
        return false;
    }
    v = GUINT64_FROM_LE(v);
    if (v & ~(s->vdev.guest_features & GUEST_OFFLOADS)) {
        return false;
    }
    s->offloads = v;
    virtio_net_apply_offloads(s);
    return true;
}

static bool command(VirtIONet *s, VirtQueueElement *e)
{
    Reader r = { e, 0 };
    uint8_t head[2]; /* class, command */

    if (!get(&r, head, 2)) {
        return false;
    }
    switch (head[0]) {
    case CLASS_RX:
        return cmd_rx(s, head[1], &r);
    case CLASS_MAC:
        return cmd_mac(s, head[1], &r);
    case CLASS_VLAN:
        return cmd_vlan(s, head[1], &r);
    case CLASS_ANNOUNCE:
        if (head[1] != 0 || !(s->status & NET_S_ANNOUNCE)) {
            return false;
        }
        s->status &= ~NET_S_ANNOUNCE;
        return true;
    case CLASS_MQ:
        return cmd_mq(s, head[1], &r);
    case CLASS_OFFLOADS:
        return cmd_offloads(s, head[1], &r);
    default:
        return false;
    }
}

void virtio_net_ctrl(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *s = (VirtIONet *)vdev;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        uint8_t ack;

        if (e->in_len < 1 || e->out_len < 2) {
            virtio_error(vdev, "control command without header or ack");
            virtqueue_drop(e);
            g_free(e);
            return;
        }
        ack = command(s, e) ? ACK_OK : ACK_ERR;
        virtio_iov_copy_to(e->in, e->in_num, 0, &ack, 1);
        virtqueue_push(e, 1);
        g_free(e);
        virtio_notify(vq);
    }
}

/* ---- the filter ------------------------------------------------------------- */

void virtio_net_filter_reset(VirtIONet *s)
{
    s->promisc = true;
    s->allmulti = s->alluni = s->nomulti = s->nouni = s->nobcast = false;
    s->macs = s->first_multi = 0;
    s->uni_overflow = s->multi_overflow = false;
    memset(s->mac_table, 0, sizeof(s->mac_table));
    memset(s->vlans, 0xff, sizeof(s->vlans));
}

void virtio_net_filter_features(VirtIONet *s)
{
    memset(s->vlans, virtio_has(&s->vdev, NF_CTRL_VLAN) ? 0 : 0xff,
           sizeof(s->vlans));
}

static bool in_table(const VirtIONet *s, const uint8_t *mac, unsigned from,
                     unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (!memcmp(s->mac_table + i * 6, mac, 6)) {
            return true;
        }
    }
    return false;
}

bool virtio_net_wants(VirtIONet *s, const uint8_t *f, size_t len)
{
    static const uint8_t bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (s->promisc) {
        return true;
    }
    if (len < 14) {
        return false;
    }
    if (f[12] == 0x81 && f[13] == 0 && len >= 16) {
        unsigned vid = (f[14] << 8 | f[15]) & 0xfff;

        if (!(s->vlans[vid / 32] >> (vid % 32) & 1)) {
            return false;
        }
    }
    if (f[0] & 1) {
        if (!memcmp(f, bcast, 6)) {
            return !s->nobcast;
        }
        return !s->nomulti &&
               (s->allmulti || s->multi_overflow ||
                in_table(s, f, s->first_multi, s->macs));
    }
    return !s->nouni && (s->alluni || s->uni_overflow ||
                         !memcmp(f, s->mac, 6) ||
                         in_table(s, f, 0, s->first_multi));
}

static char *mac_text(const uint8_t *m)
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                           m[3], m[4], m[5]);
}

static strList *mac_list(const VirtIONet *s, unsigned from, unsigned to)
{
    strList *list = NULL, **tail = &list;

    for (unsigned i = from; i < to; i++) {
        QAPI_LIST_APPEND(tail, mac_text(s->mac_table + i * 6));
    }
    return list;
}

RxFilterInfo *virtio_net_query_filter(NetClient *nc)
{
    VirtIONet *s = nic_opaque(nc);
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);
    intList **tail = &info->vlan_table;

    info->name = g_strdup(nc->name);
    info->promiscuous = s->promisc;
    info->unicast = s->nouni    ? RX_STATE_NONE
                    : s->alluni ? RX_STATE_ALL
                                : RX_STATE_NORMAL;
    info->multicast = s->nomulti    ? RX_STATE_NONE
                      : s->allmulti ? RX_STATE_ALL
                                    : RX_STATE_NORMAL;
    info->vlan = virtio_has(&s->vdev, NF_CTRL_VLAN) ? RX_STATE_NORMAL
                                                    : RX_STATE_ALL;
    info->broadcast_allowed = !s->nobcast;
    info->multicast_overflow = s->multi_overflow;
    info->unicast_overflow = s->uni_overflow;
    info->main_mac = mac_text(s->mac);
    info->unicast_table = mac_list(s, 0, s->first_multi);
    info->multicast_table = mac_list(s, s->first_multi, s->macs);
    for (unsigned i = 0; i < 4096 && info->vlan == RX_STATE_NORMAL; i++) {
        if (s->vlans[i / 32] >> (i % 32) & 1) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return info;
}
