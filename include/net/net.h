/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network as its devices and back ends see it (docs/net.md).
 *
 * A NetClient is one end of a cable: a queue of a NIC, or of a back end.  Two
 * of them are peers.  Frames are Ethernet without FCS; once a NIC has set a
 * header length (net_set_vnet_hdr), each frame in both directions begins with
 * a virtio-net header of that many bytes.
 *
 * Back-pressure: a receiver that has no room says so (can_receive, or receive
 * returns 0).  The core then keeps the frame, and its sender stops until
 * its `sent` callback runs; the receiver calls net_flush() when it has room.
 * Nobody ever waits.
 *
 * Main loop with the BQL, or a vCPU thread with the BQL.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "qapi/qapi-types.h" /* Netdev, NetClientDriver, RxFilterInfo */
#include "util/list.h"
#include "util/object.h"
#include "util/property.h"
#include <sys/uio.h>

typedef struct NetClient NetClient;
typedef struct NICState NICState;

enum {
    NET_MAX_QUEUES = 256,
    NET_MAX_FRAME = 65536 + 64,  /* a GSO frame with its headers */
    NET_IOV_MAX = 1024,
};

/* Runs when a frame that was kept has been taken (@len > 0) or dropped (0):
 * the sender may go on. */
typedef void NetSentFn(NetClient *sender, ssize_t len);

/* What a NIC can take in frames with a virtio-net header (set_offload):
 * partial checksums, GSO frames.  Bits as TUNSETOFFLOAD's. */
enum {
    NET_OFFLOAD_CSUM = 0x01, NET_OFFLOAD_TSO4 = 0x02, NET_OFFLOAD_TSO6 = 0x04,
    NET_OFFLOAD_TSO_ECN = 0x08, NET_OFFLOAD_UFO = 0x10,
};

/* What a kind of client is; const data. */
typedef struct NetClientInfo {
    NetClientDriver driver;  /* NET_CLIENT_DRIVER_NIC, ... */
    size_t size;             /* of the state; NetClient is its head (not NICs) */
    /* Room for a frame now?  NULL: always. */
    bool (*can_receive)(NetClient *nc);
    /*
     * Takes (or drops, as the hardware would) one frame: returns its length.
     * 0: no room now, net_flush() will follow.  < 0: -errno, dropped.
     */
    ssize_t (*receive)(NetClient *nc, const struct iovec *iov, int n);
    /* link_down of this end changed. */
    void (*link_changed)(NetClient *nc);
    /* The client goes away; frees what the state owns. */
    void (*cleanup)(NetClient *nc);
    /* Back ends that carry virtio-net headers.  NULL: they do not. */
    bool (*has_vnet_hdr_len)(NetClient *nc, unsigned len);
    void (*set_vnet_hdr_len)(NetClient *nc, unsigned len);
    bool (*has_ufo)(NetClient *nc);
    void (*set_offload)(NetClient *nc, uint32_t flags);
    /* Back ends: switches the queue on or off (multi-queue tap). */
    int (*set_queue_enabled)(NetClient *nc, bool on);
    /* Takes TCP frames of up to 64 KiB with whole checksums (user). */
    bool big_frames;
    /* NICs that have one; NULL and an error otherwise. */
    RxFilterInfo *(*query_rx_filter)(NetClient *nc);
    /* NICs that announce themselves by their driver; true: done. */
    bool (*announce)(NetClient *nc);
    /* The peer has room again, perhaps after net_can_send() said no. */
    void (*peer_ready)(NetClient *nc);
    /* Lines after the client's in `info network`/`info usernet`. */
    void (*print)(NetClient *nc, GString *out);
} NetClientInfo;

struct NetClient {
    const NetClientInfo *info;
    ListNode node;           /* among all, oldest first */
    NetClient *peer;         /* NULL: cable unplugged */
    char *name;              /* netdev's id, or the NIC's; owned */
    char *model;             /* "tap", "e1000"; owned */
    char *text;              /* for `info network`; owned */
    unsigned queue_index;
    bool link_down;
    bool is_netdev;          /* made by -netdev: netdev_del may have it */
    bool rx_filter_notify;   /* an event is due at the next change */
    unsigned vnet_hdr_len;   /* of frames on this cable, 0: none */
    NICState *nic;           /* NICs: what it belongs to */
    ListNode filters;        /* NetFilter.node (net/filter.h), in order */
    /* Frames for this client that wait for room. */
    ListNode queue;
    unsigned queued;
    bool delivering;         /* receive() is running */
    bool blocked;            /* it said 0: until net_flush() */
    bool dying;
};

/* ---- NICs ---------------------------------------------------------------- */

typedef struct NICConf {
    MACAddr mac;             /* all zero: nic_new() picks one */
    char *netdev;            /* id of the back end, NULL: no cable */
} NICConf;

struct NICState {
    NetClient *ncs;          /* [queues] */
    unsigned queues;         /* at least 1 */
    NICConf *conf;
    void *opaque;            /* the device */
};

extern const PropertyInfo prop_netdev;
/* Properties "mac", "netdev" and "bootindex" of a NIC (needs hw/qdev.h). */
#define PROP_NIC(S, f) \
    PROP_MACADDR("mac", S, f.mac), \
    PROP_("netdev", S, f.netdev, char *, prop_netdev, 0), \
    PROP_BOOTINDEX()

/*
 * For realize(): gives the NIC a MAC address if it has none, makes one client
 * for each queue of its netdev (at least one) and joins them.  @model names
 * the type ("e1000"), @id is the device's or NULL.  Fails when the address is
 * a multicast one.  nic_free() is for unrealize.
 */
NICState *nic_new(const NetClientInfo *info, NICConf *conf, const char *model,
                  const char *id, void *opaque, Error **errp);
void nic_free(NICState *nic);
static inline NetClient *nic_queue(NICState *nic, unsigned n)
{
    return &nic->ncs[n];
}
/* The device behind a NIC's client. */
static inline void *nic_opaque(NetClient *nc)
{
    return nc->nic->opaque;
}
/* "model=e1000,macaddr=52:54:00:12:34:56" into `info network`. */
void nic_format_info(NICState *nic, const uint8_t mac[6]);
static inline bool net_mac_is_zero(const MACAddr *m)
{
    static const MACAddr zero;

    return !memcmp(m, &zero, sizeof(zero));
}
/* RX filter of a NIC changed: sends NIC_RX_FILTER_CHANGED once until the
 * filter is queried.  @path: the device's. */
void net_rx_filter_changed(NetClient *nc, const char *path);

/* ---- sending ------------------------------------------------------------- */

/*
 * Sends a frame to the peer.  Its length: taken, or gone where a cable would
 * lose it (no peer, link down).  0: the peer has no room, the core has kept a
 * copy; send no more until @sent runs.  With @sent NULL the sender cannot
 * stop, and the frame is dropped when 1024 wait already.
 */
ssize_t net_sendv(NetClient *nc, const struct iovec *iov, int n,
                  NetSentFn *sent);
ssize_t net_send(NetClient *nc, const void *buf, size_t len, NetSentFn *sent);
/* Would the peer take a frame now? (True without a peer: it vanishes.) */
bool net_can_send(NetClient *nc);
/* The receiver has room again: hands on what waits for it and lets its
 * senders go on. */
void net_flush(NetClient *nc);
/* Drops what waits for @nc (link down, reset, unplug). */
void net_purge(NetClient *nc);
/* virtio-net headers: can the peer carry @len bytes; from now on it does, in
 * both directions (0: no header).  All queues have to agree. */
bool net_peer_has_vnet_hdr(NetClient *nc, unsigned len);
void net_set_vnet_hdr(NetClient *nc, unsigned len);
bool net_peer_has_ufo(NetClient *nc);
void net_peer_set_offload(NetClient *nc, uint32_t flags);
static inline bool net_peer_takes_big_frames(const NetClient *nc)
{
    return nc->peer && nc->peer->info->big_frames &&
           list_empty(&nc->peer->filters);
}

static inline size_t iov_total(const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    return len;
}
/* Copies up to @len bytes from byte @off of the vector; how many. */
size_t iov_copy_out(const struct iovec *iov, int n, size_t off, void *buf,
                    size_t len);
size_t iov_copy_in(const struct iovec *iov, int n, size_t off, const void *buf,
                   size_t len);

/* ---- back ends ----------------------------------------------------------- */

/* A kind of back end; its file registers it by netdev_init(). */
typedef struct NetdevDriver {
    NetClientDriver driver;
    /* Makes one or more clients called @opts->id with peer @peer (may be
     * NULL). */
    bool (*open)(const Netdev *opts, NetClient *peer, Error **errp);
} NetdevDriver;
void netdev_register(const NetdevDriver *d);

/* For open(): a new client (info->size bytes) named @name; @model "tap". */
NetClient *net_client_new(const NetClientInfo *info, NetClient *peer,
                          const char *model, const char *name);
/* Unplugs and frees it. */
void net_client_free(NetClient *nc);
void net_client_set_text(NetClient *nc, const char *fmt, ...) PRINTF(2, 3);

/* All clients called @name (of back ends, or of NICs when @nics); count. */
unsigned net_find(const char *name, bool nics, NetClient **ncs, unsigned max);
NetClient *net_find_one(const char *name); /* of any kind; NULL */
void net_foreach(void (*fn)(NetClient *nc, void *opaque), void *opaque);

/* -netdev/netdev_add; false with an error. */
bool netdev_add(const Netdev *opts, Error **errp);
bool netdev_open(const Netdev *opts, Error **errp); /* takes any free id */
/* The same from option text (NULL: from @dict, which JSON or a file gave). */
Netdev *netdev_parse(const char *text, QObject *dict, Error **errp);
/* Its two steps, for options that carry more than the back end's. */
QObject *netdev_dict(const char *text, QObject *given, bool *keyval,
                     Error **errp);
Netdev *netdev_from_dict(QObject *flat, bool keyval, Error **errp);
void netdev_help(GString *out);
/* The same behind a new port of hub @hub (-net TYPE). */
bool net_open_on_hub(const Netdev *opts, int hub, Error **errp);
/* A port of hub @id, made on demand; @name NULL: "hubXportY". */
NetClient *net_hub_port_new(int id, const char *name, NetClient *peer,
                            Error **errp);

/* The descriptor of /dev/vhost-net that a tap queue was given, -1: none, or
 * not a tap; @forced: the NIC shall not do without. */
int net_tap_vhost(NetClient *nc, bool *forced);
/* The kernel takes the tap's frames from the descriptor that is returned (or
 * no more): nobody here reads it. */
int net_tap_lend(NetClient *nc, bool lent);

/* User networks, for the monitor: adds "tcp::2222-:22" or removes
 * "tcp::2222" (@id NULL: the first network); `info usernet`. */
bool net_user_hostfwd(const char *id, const char *rule, bool add, Error **errp);
void net_user_print(GString *out);
/* The VM runs or stands still: stopped guests receive nothing. */
void net_set_running(bool running);
/* Closes all back ends (end of the program). */
void net_cleanup(void);
/* Text of `info network`. */
void net_print(GString *out);

/* ---- frames -------------------------------------------------------------- */

/* FCS of @len bytes (IEEE 802.3, 3.2.9), as it stands on the wire from the
 * low byte up. */
uint32_t net_crc32_le(const void *buf, size_t len);
/* Index into a multicast hash table: the top @bits of the CRC. */
uint32_t net_crc32_be(const void *buf, size_t len);
/* RFC 1071 sum of 16-bit words, not folded nor complemented. */
uint32_t net_sum(const void *buf, size_t len, uint32_t start);
static inline uint16_t net_sum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

#endif
