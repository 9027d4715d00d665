/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio memory balloon: virtio 1.1, section 5.5; free page reporting and
 * hinting: virtio 1.2, 5.5.6.
 *
 *   inflate    page numbers of what the guest does without: given back to the
 *              host
 *   deflate    what it uses again: nothing to do, the host gives zeroes
 *   stats      one buffer that we keep and hand back when we want new figures
 *   hint       free pages a migration may leave out.  Nothing here asks for
 *              them: the command is always "stop".
 *   report     free pages: given back
 *
 * Pages are only given back when the host's page is as small as the guest's.
 */
#include "osdep.h"
#include "exec/runstate.h"
#include "hw/boards.h"
#include "hw/virtio/virtio.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/timer.h"

enum { BF_MUST_TELL_HOST = 0, BF_STATS = 1, BF_DEFLATE_ON_OOM = 2,
       BF_FREE_PAGE_HINT = 3, BF_PAGE_POISON = 4, BF_REPORTING = 5 };
enum { CFG_NUM_PAGES = 0, CFG_ACTUAL = 4, CFG_HINT_CMD = 8, CFG_POISON = 12,
       CFG_LEN = 16 };
#define PAGE_SHIFT 12
#define PAGE       (1u << PAGE_SHIFT)

static const char *const stat_names[] = {
    "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults",
    "stat-free-memory", "stat-total-memory", "stat-available-memory",
    "stat-disk-caches", "stat-htlb-pgalloc", "stat-htlb-pgfail",
};
#define STATS ARRAY_SIZE(stat_names)

typedef struct VirtIOBalloon {
    VirtIODevice vdev;
    /* Guest-visible state. */
    uint32_t num_pages, actual, poison;
    /* Host side. */
    VirtQueue *inflate, *deflate, *stats, *hint, *report;
    VirtQueueElement *stats_buf; /* the guest's, until we want more */
    uint64_t values[STATS];
    int64_t stats_time;          /* s since 1970, of the last */
    int64_t poll_s;              /* 0: never */
    Timer stats_timer;
} VirtIOBalloon;

static VirtIOBalloon *the_balloon(void);

/* ---- pages -------------------------------------------------------------------- */

/* Gives [@addr, @addr + @len) of guest memory back to the host. */
static void give_back(VirtIOBalloon *s, hwaddr addr, uint64_t len)
{
    while (len) {
        hwaddr got = len;
        uint64_t off;
        RAMBlock *b;
        void *host = address_space_map(s->vdev.dma, addr, &got, true,
                                       MEMTXATTRS_UNSPECIFIED);

        if (!host) {
            /* Not RAM: the rest of its page is none either. */
            got = MIN(len, PAGE);
        } else {
            b = ram_block_from_host(host, &off);
            ram_block_discard(b, off, got);
            address_space_unmap(s->vdev.dma, host, got, true, got);
        }
        addr += got;
        len -= got;
    }
}

static void handle_inflate(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        uint64_t first = 0, run = 0;
        uint32_t pfn;

        for (size_t off = 0; vq == s->inflate &&
             virtio_iov_copy_from(e->out, e->out_num, off, &pfn, 4) == 4;
             off += 4) {
            uint64_t page = GUINT32_FROM_LE(pfn);

            /* Neighbours in one go, whichever way they come. */
            if (run && page == first + run) {
                run++;
            } else if (run && page + 1 == first) {
                first--;
                run++;
            } else {
                give_back(s, first << PAGE_SHIFT, run << PAGE_SHIFT);
                first = page;
                run = 1;
            }
        }
        give_back(s, first << PAGE_SHIFT, run << PAGE_SHIFT);
        virtqueue_push(e, 0);
        g_free(e);
        virtio_notify(vq);
    }
}

static void handle_report(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    bool zeroes = !virtio_has(vdev, BF_PAGE_POISON) || s->poison == 0;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        for (unsigned i = 0; zeroes && i < e->in_num; i++) {
            hwaddr first = ROUND_UP(e->in_addr[i], PAGE);
            hwaddr end = ROUND_DOWN(e->in_addr[i] + e->in[i].iov_len, PAGE);

            if (first < end) {
                give_back(s, first, end - first);
            }
        }
        virtqueue_push(e, 0);
        g_free(e);
        virtio_notify(vq);
    }
}

/* Ids of commands, and free pages of one that was never given. */
static void handle_hint(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        virtqueue_push(e, 0);
        g_free(e);
        virtio_notify(vq);
    }
}

/* ---- statistics ----------------------------------------------------------------- */

static void clear_stats(VirtIOBalloon *s)
{
    for (unsigned i = 0; i < STATS; i++) {
        s->values[i] = UINT64_MAX;
    }
}

static void stats_arm(VirtIOBalloon *s)
{
    if (s->poll_s) {
        timer_mod_ns(&s->stats_timer, s->poll_s * NSEC_PER_SEC);
    } else {
        timer_del(&s->stats_timer);
    }
}

static void handle_stats(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    VirtQueueElement *e = virtqueue_pop(vq, sizeof(*e));
    uint8_t entry[10];

    if (!e) {
        return;
    }
    if (s->stats_buf) {
        /* It may send a second one; we need but one. */
        virtqueue_push(s->stats_buf, 0);
        g_free(s->stats_buf);
        virtio_notify(vq);
    }
    s->stats_buf = e;
    clear_stats(s);
    for (size_t off = 0; virtio_iov_copy_from(e->out, e->out_num, off, entry,
                                              10) == 10; off += 10) {
        uint16_t tag;
        uint64_t v;

        memcpy(&tag, entry, 2);
        memcpy(&v, entry + 2, 8);
        tag = GUINT16_FROM_LE(tag);
        if (tag < STATS) {
            s->values[tag] = GUINT64_FROM_LE(v);
        }
    }
    s->stats_time = g_get_real_time() / G_USEC_PER_SEC;
    stats_arm(s);
}

static void ask_stats(void *opaque)
{
    VirtIOBalloon *s = opaque;

    if (s->stats_buf && virtio_queue_ready(s->stats) && s->vdev.vm_running) {
        virtqueue_push(s->stats_buf, 0);
        g_clear_pointer(&s->stats_buf, g_free);
        virtio_notify(s->stats);
    } else {
        stats_arm(s);
    }
}

static QObject *get_stats(Object *obj, const char *name, void *opaque,
                          Error **errp)
{
    VirtIOBalloon *s = opaque ? opaque : (VirtIOBalloon *)obj;
    QObject *dict = qdict_new(), *stats = qdict_new();

    for (unsigned i = 0; i < STATS; i++) {
        qdict_put(stats, stat_names[i], quint_new(s->values[i]));
    }
    qdict_put(dict, "stats", stats);
    qdict_put_int(dict, "last-update", s->stats_time);
    return dict;
}

static QObject *get_poll(Object *obj, const char *name, void *opaque,
                         Error **errp)
{
    VirtIOBalloon *s = opaque ? opaque : (VirtIOBalloon *)obj;

    return qint_new(s->poll_s);
}

static bool set_poll(Object *obj, const char *name, QObject *value,
                     void *opaque, Error **errp)
{
    VirtIOBalloon *s = opaque ? opaque : (VirtIOBalloon *)obj;
    const Property p = { .name = name, .info = &prop_int64 };
    int64_t v = 0;

    if (!prop_int64.set(obj, &p, &v, value, errp)) {
        return false;
    }
    if (v < 0 || v > UINT32_MAX) {
        error_setg(errp, "timer value must be %s",
                   v < 0 ? "greater than zero" : "smaller than 2^32");
        return false;
    }
    s->poll_s = v;
    if (s->stats_timer.loop) {
        /* The first figures at once. */
        if (v && !timer_pending(&s->stats_timer)) {
            timer_mod_ns(&s->stats_timer, 0);
        } else {
            stats_arm(s);
        }
    }
    return true;
}

static void add_props(VirtIODevice *vdev, Object *proxy)
{
    object_add_dyn_prop(proxy, "guest-stats", "guest statistics", get_stats,
                        NULL, vdev);
    object_add_dyn_prop(proxy, "guest-stats-polling-interval", "int", get_poll,
                        set_poll, vdev);
}

/* ---- monitor ---------------------------------------------------------------------- */

static uint64_t actual_bytes(const VirtIOBalloon *s)
{
    uint64_t gone = (uint64_t)s->actual << PAGE_SHIFT;

    return current_machine->ram_size - MIN(gone, current_machine->ram_size);
}

static VirtIOBalloon *balloon_get(Error **errp)
{
    VirtIOBalloon *s = the_balloon();

    if (!s) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                        "No balloon device has been activated");
    }
    return s;
}

void qmp_balloon(int64_t value, Error **errp)
{
    VirtIOBalloon *s = balloon_get(errp);
    uint64_t ram = current_machine->ram_size;

    if (!s) {
        return;
    }
    if (value <= 0) {
        error_setg(errp, "Parameter 'target' expects a size");
        return;
    }
    s->num_pages = (ram - MIN((uint64_t)value, ram)) >> PAGE_SHIFT;
    virtio_notify_config(&s->vdev);
}

BalloonInfo *qmp_query_balloon(Error **errp)
{
    VirtIOBalloon *s = balloon_get(errp);
    BalloonInfo *info = s ? g_new0(BalloonInfo, 1) : NULL;

    if (s) {
        info->actual = actual_bytes(s);
    }
    return info;
}

/* ---- configuration ------------------------------------------------------------------ */

static uint64_t balloon_features(VirtIODevice *vdev, uint64_t f)
{
    f |= BIT(BF_STATS);
    if (!(f & (BIT(BF_FREE_PAGE_HINT) | BIT(BF_REPORTING)))) {
        f &= ~BIT(BF_PAGE_POISON); /* of use to them only */
    }
    return f;
}

static void put32(uint8_t *c, unsigned off, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(c + off, &v, 4);
}

static uint32_t get32(const uint8_t *c, unsigned off)
{
    uint32_t v;

    memcpy(&v, c + off, 4);
    return GUINT32_FROM_LE(v);
}

static void balloon_get_config(VirtIODevice *vdev, uint8_t *c)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;

    put32(c, CFG_NUM_PAGES, s->num_pages);
    put32(c, CFG_ACTUAL, s->actual);
    put32(c, CFG_HINT_CMD, 0);
    put32(c, CFG_POISON, s->poison);
}

static void balloon_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    uint32_t old = s->actual;

    s->actual = get32(c, CFG_ACTUAL);
    if (s->actual != old) {
        qapi_event_send_balloon_change(actual_bytes(s));
    }
    s->poison = virtio_has(vdev, BF_PAGE_POISON) ? get32(c, CFG_POISON) : 0;
}

/* ---- life ----------------------------------------------------------------------------- */

static void drop_stats_buf(VirtIOBalloon *s, bool to_ring)
{
    if (s->stats_buf) {
        if (to_ring) {
            virtqueue_unpop(s->stats_buf);
        } else {
            virtqueue_drop(s->stats_buf);
        }
        g_clear_pointer(&s->stats_buf, g_free);
    }
}

static void balloon_reset(VirtIODevice *vdev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;

    drop_stats_buf(s, false);
    clear_stats(s);
    s->poison = 0;
}

static void balloon_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;

    if (vq == s->stats) {
        drop_stats_buf(s, false);
    }
}

/* While the VM stands still the buffer is the ring's: it is read again. */
static void balloon_vm_state(VirtIODevice *vdev, bool running)
{
    if (!running) {
        drop_stats_buf((VirtIOBalloon *)vdev, true);
    }
}

static bool find_balloon(DeviceState *dev, void *opaque)
{
    VirtIOBalloon **found = opaque;

    if (device_is_a(dev, "virtio-balloon-device")) {
        *found = (VirtIOBalloon *)dev;
        return false;
    }
    return true;
}

static VirtIOBalloon *the_balloon(void)
{
    VirtIOBalloon *found = NULL;

    device_foreach(find_balloon, &found);
    return found;
}

static bool balloon_realize(DeviceState *dev, Error **errp)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;

    if (the_balloon()) {
        error_setg(errp, "Only one balloon device is supported");
        return false;
    }
    if (!virtio_init(&s->vdev, errp)) {
        return false;
    }
    s->inflate = virtio_add_queue(&s->vdev, 128, handle_inflate);
    s->deflate = virtio_add_queue(&s->vdev, 128, handle_inflate);
    s->stats = virtio_add_queue(&s->vdev, 128, handle_stats);
    if (s->vdev.host_features & BIT(BF_FREE_PAGE_HINT)) {
        s->hint = virtio_add_queue(&s->vdev, 128, handle_hint);
    }
    if (s->vdev.host_features & BIT(BF_REPORTING)) {
        s->report = virtio_add_queue(&s->vdev, 32, handle_report);
    }
    clear_stats(s);
    timer_init_virtual(&s->stats_timer, ask_stats, s);
    stats_arm(s);
    return true;
}

static void balloon_unrealize(DeviceState *dev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;

    timer_del(&s->stats_timer);
    drop_stats_buf(s, false);
    virtio_cleanup(&s->vdev);
}

static void balloon_device_reset(DeviceState *dev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;

    /* A machine that starts anew has all its memory. */
    s->actual = 0;
}

static const VMStateField balloon_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIOBalloon, VirtIODevice, vmstate_virtio),
    VMSTATE_UINT32(num_pages, VirtIOBalloon),
    VMSTATE_UINT32(actual, VirtIOBalloon),
    VMSTATE_UINT32(poison, VirtIOBalloon),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_balloon = {
    .name = "virtio-balloon",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = balloon_fields,
};

#define BALLOON_FEATURE(n, b, d) \
    PROP_BIT64(n, VirtIOBalloon, vdev.host_features, b, d)
static const Property balloon_props[] = {
    BALLOON_FEATURE("deflate-on-oom", BF_DEFLATE_ON_OOM, false),
    BALLOON_FEATURE("free-page-hint", BF_FREE_PAGE_HINT, false),
    BALLOON_FEATURE("page-poison", BF_PAGE_POISON, true),
    BALLOON_FEATURE("free-page-reporting", BF_REPORTING, false),
    PROP_END(),
};

static const VirtIOInfo balloon_virtio = {
    .device_id = VIRTIO_ID_BALLOON,
    .pci_name = "virtio-balloon-pci",
    .pci_class = 0x00ff,
    .pci_legacy_id = 0x1002,
    .no_vectors_prop = true,
    .config_len = CFG_LEN,
    .get_features = balloon_features,
    .get_config = balloon_get_config,
    .set_config = balloon_set_config,
    .reset = balloon_reset,
    .queue_reset = balloon_queue_reset,
    .vm_state = balloon_vm_state,
    .add_props = add_props,
};

static const DeviceInfo balloon_info = {
    .name = "virtio-balloon-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_MISC,
    .size = sizeof(VirtIOBalloon),
    .props = balloon_props,
    .vmsd = &vmstate_balloon,
    .bus_info = &balloon_virtio,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .reset = balloon_device_reset,
};

static void virtio_balloon_register(void)
{
    virtio_device_register(&balloon_info);
    object_type_add_dyn_prop("virtio-balloon-device", "guest-stats",
                             "guest statistics", get_stats, NULL, NULL);
    object_type_add_dyn_prop("virtio-balloon-device",
                             "guest-stats-polling-interval", "int", get_poll,
                             set_poll, NULL);
}
device_init(virtio_balloon_register)
