/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues: split rings (virtio 1.1, 2.6) and packed rings (2.7), with
 * indirect tables and event indices.
 *
 * The guest may rewrite a ring at any moment, so that:
 * 1. every word of it is read once, into a local, and the copy is checked;
 * 2. a chain has at most VIRTQUEUE_MAX_SIZE descriptors, in the ring and in
 *    an indirect table alike: loops end there;
 * 3. a ring is mapped as a whole or not at all; indices are below `num`;
 * 4. what is wrong ends in virtio_error(): the device stops, the VM goes on.
 *
 * The three areas of a ring are mapped when first used and stay so until the
 * memory map changes (`stale`, set by the device's listener; the queue's own
 * thread maps again).  Buffers are mapped one by one and stay pinned until
 * they are given back; they have to be RAM.  All that is written is marked in
 * the dirty bitmaps.
 *
 * Thread: the queue's loop, or any with the BQL when that is the main loop.
 */
#include "osdep.h"
#include "hw/virtio/virtio-int.h"
#include "util/rcu.h"

/* Split: descriptor flags, ring flags. */
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
/* Packed: more descriptor flags; event suppression structures, 2.7.14. */
enum { DESC_AVAIL = 1 << 7, DESC_USED = 1 << 15 };
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2 };

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next; /* packed: the buffer id */
} Desc;

/* A chain on its way into an element. */
typedef struct Chain {
    unsigned out_num, in_num;
    size_t out_len, in_len;
    unsigned descs;
    struct iovec iov[VIRTQUEUE_MAX_SIZE];
    hwaddr addr[VIRTQUEUE_MAX_SIZE];
} Chain;

static bool packed(const VirtQueue *vq)
{
    return virtio_has(vq->vdev, VIRTIO_F_RING_PACKED);
}

/* As it was when the ring was mapped: a legacy driver may change its mind. */
static bool event_idx(const VirtQueue *vq)
{
    return vq->event_idx;
}

/* ---- the ring in memory ------------------------------------------------------- */

void virtqueue_unmap(VirtQueue *vq)
{
    for (unsigned i = 0; i < RING_AREAS; i++) {
        RingArea *a = &vq->area[i];

        if (a->host) {
            address_space_unmap(vq->vdev->dma, a->host, a->len, a->write, 0);
            a->host = NULL;
        }
    }
}

static bool map_area(VirtQueue *vq, unsigned n, uint64_t len, bool write)
{
    static const uint8_t align[RING_AREAS] = { 16, 2, 4 };
    unsigned mask = (packed(vq) && n != RING_DESC ? 4 : align[n]) - 1;
    RingArea *a = &vq->area[n];
    hwaddr got = len;
    uint64_t off;

    if (!(vq->addr[n] & mask)) {
        a->host = address_space_map(vq->vdev->dma, vq->addr[n], &got, write,
                                    MEMTXATTRS_UNSPECIFIED);
    }
    a->len = got;
    a->write = write;
    if (a->host && got == len) {
        RAMBlock *b = ram_block_from_host(a->host, &off);

        a->ram_offset = b->offset + off;
        return true;
    }
    virtio_error(vq->vdev, "queue %u: ring part %u of %" PRIu64 " bytes at "
                 HWADDR_FMT " is not in RAM or not aligned", vq->index, n, len,
                 vq->addr[n]);
    return false;
}

static bool map_ring(VirtQueue *vq)
{
    uint64_t ev, num = vq->num;
    bool ok;

    virtqueue_unmap(vq);
    vq->event_idx = virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX);
    ev = vq->event_idx ? 2 : 0;
    if (packed(vq)) {
        ok = map_area(vq, RING_DESC, num * 16, true) &&
             map_area(vq, RING_DRIVER, 4, false) &&
             map_area(vq, RING_DEVICE, 4, true);
    } else {
        ok = map_area(vq, RING_DESC, num * 16, false) &&
             map_area(vq, RING_DRIVER, 4 + num * 2 + ev, false) &&
             map_area(vq, RING_DEVICE, 4 + num * 8 + ev, true);
    }
    if (!ok) {
        virtqueue_unmap(vq);
    }
    return ok;
}

/* May the ring be looked at? */
static bool ring_ready(VirtQueue *vq)
{
    VirtIODevice *vdev = vq->vdev;

    if (!vq->enabled || vdev->broken || vdev->dma_off) {
        return false;
    }
    if (unlikely(atomic_load_explicit(&vq->stale, memory_order_relaxed))) {
        atomic_store(&vq->stale, false);
        if (!map_ring(vq)) {
            return false;
        }
    }
    return vq->area[RING_DESC].host;
}

static uint16_t load16(const uint8_t *p)
{
    return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)p,
                                           __ATOMIC_ACQUIRE));
}

/* Stores to the ring are seen in program order. */
static void store16(VirtQueue *vq, unsigned n, uint64_t off, uint16_t v)
{
    RingArea *a = &vq->area[n];

    __atomic_store_n((uint16_t *)(a->host + off), GUINT16_TO_LE(v),
                     __ATOMIC_RELEASE);
    ram_written(a->ram_offset + off, 2);
}

static void load_desc(const uint8_t *p, Desc *d)
{
    memcpy(d, p, sizeof(*d));
    d->addr = GUINT64_FROM_LE(d->addr);
    d->len = GUINT32_FROM_LE(d->len);
    d->flags = GUINT16_FROM_LE(d->flags);
    d->next = GUINT16_FROM_LE(d->next);
}

/* In the packed layout `flags` and the id have changed places. */
static void load_packed(const uint8_t *p, Desc *d)
{
    uint16_t id;

    load_desc(p, d);
    id = d->flags;
    d->flags = d->next;
    d->next = id;
}

void virtqueue_reset(VirtQueue *vq)
{
    virtqueue_unmap(vq);
    vq->num = vq->max;
    vq->enabled = false;
    vq->vector = VIRTIO_NO_VECTOR;
    memset(vq->addr, 0, sizeof(vq->addr));
    vq->last_avail = vq->used = vq->signalled = vq->shadow_avail = 0;
    vq->avail_wrap = vq->used_wrap = true;
    vq->signalled_valid = false;
    vq->notification = true;
    vq->inuse = 0;
    atomic_store(&vq->resetting, false);
    vq->epoch++;
    atomic_store(&vq->stale, true);
    atomic_store(&vq->notify, false);
}

void virtqueue_set_legacy(VirtQueue *vq, uint64_t pa)
{
    uint64_t num = vq->num;

    vq->addr[RING_DESC] = pa;
    vq->addr[RING_DRIVER] = pa + num * 16;
    vq->addr[RING_DEVICE] = ROUND_UP(vq->addr[RING_DRIVER] + 6 + num * 2, 4096);
    vq->enabled = pa != 0;
    atomic_store(&vq->stale, true);
}

/* ---- descriptors --------------------------------------------------------------- */

static void chain_unmap(VirtQueue *vq, Chain *c)
{
    for (unsigned i = 0; i < c->out_num + c->in_num; i++) {
        address_space_unmap(vq->vdev->dma, c->iov[i].iov_base,
                            c->iov[i].iov_len, i >= c->out_num, 0);
    }
}

static bool chain_add(VirtQueue *vq, Chain *c, const Desc *d)
{
    bool write = d->flags & DESC_WRITE;
    hwaddr addr = d->addr, left = d->len;

    if (!write && c->in_num) {
        virtio_error(vq->vdev, "queue %u: readable buffer after a writable "
                               "one", vq->index);
        return false;
    }
    if (!left || left - 1 > UINT64_MAX - addr) {
        virtio_error(vq->vdev, "queue %u: buffer of %u bytes at " HWADDR_FMT,
                     vq->index, d->len, d->addr);
        return false;
    }
    if (write) {
        c->in_len += left;
    } else {
        c->out_len += left;
    }
    while (left) {
        unsigned n = c->out_num + c->in_num;
        hwaddr got = left;
        void *host;

        if (n == VIRTQUEUE_MAX_SIZE) {
            virtio_error(vq->vdev, "queue %u: request of too many pieces",
                         vq->index);
            return false;
        }
        host = address_space_map(vq->vdev->dma, addr, &got, write,
                                 MEMTXATTRS_UNSPECIFIED);
        if (!host) {
            virtio_error(vq->vdev, "queue %u: buffer at " HWADDR_FMT
                         " is not in RAM", vq->index, addr);
            return false;
        }
        c->iov[n] = (struct iovec){ host, got };
        c->addr[n] = addr;
        c->out_num += !write;
        c->in_num += write;
        addr += got;
        left -= got;
    }
    return true;
}

/* An indirect table, 2.6.5.3 and 2.7.7: mapped while it is read. */
static bool chain_indirect(VirtQueue *vq, Chain *c, const Desc *table)
{
    unsigned count = table->len / 16, i = 0;
    bool pack = packed(vq), ok = false;
    hwaddr got = table->len;
    uint8_t *host;
    Desc d;

    if (!virtio_has(vq->vdev, VIRTIO_F_INDIRECT_DESC) || table->len % 16 ||
        count == 0 || count > VIRTQUEUE_MAX_SIZE) {
        virtio_error(vq->vdev, "queue %u: bad indirect table of %u bytes",
                     vq->index, table->len);
        return false;
    }
    host = address_space_map(vq->vdev->dma, table->addr, &got, false,
                             MEMTXATTRS_UNSPECIFIED);
    if (!host || got < table->len) {
        virtio_error(vq->vdev, "queue %u: indirect table at " HWADDR_FMT
                     " is not in RAM", vq->index, table->addr);
        goto out;
    }
    for (unsigned seen = 0; seen < count; seen++) {
        if (pack) {
            load_packed(host + i * 16, &d);
        } else {
            load_desc(host + i * 16, &d);
        }
        if (d.flags & DESC_INDIRECT) {
            virtio_error(vq->vdev, "queue %u: nested indirect tables",
                         vq->index);
            goto out;
        }
        if (!chain_add(vq, c, &d)) {
            goto out;
        }
        if (pack) {
            i++;
            continue;
        }
        if (!(d.flags & DESC_NEXT)) {
            ok = true;
            goto out;
        }
        i = d.next;
        if (i >= count) {
            virtio_error(vq->vdev, "queue %u: next descriptor %u of %u",
                         vq->index, i, count);
            goto out;
        }
    }
    ok = pack;
    if (!ok) {
        virtio_error(vq->vdev, "queue %u: looped descriptors", vq->index);
    }
out:
    if (host) {
        address_space_unmap(vq->vdev->dma, host, got, false, 0);
    }
    return ok;
}

static VirtQueueElement *chain_element(VirtQueue *vq, const Chain *c,
                                       size_t size, uint32_t id,
                                       uint32_t ndescs)
{
    unsigned n = c->out_num + c->in_num;
    size_t head = ROUND_UP(size, 16);
    VirtQueueElement *e = g_malloc(head + n * (sizeof(struct iovec) +
                                               sizeof(hwaddr)));
    struct iovec *iov = (struct iovec *)((char *)e + head);
    hwaddr *addr = (hwaddr *)(iov + n);

    memset(e, 0, size);
    memcpy(iov, c->iov, n * sizeof(*iov));
    memcpy(addr, c->addr, n * sizeof(*addr));
    *e = (VirtQueueElement){
        .vq = vq, .id = id, .ndescs = ndescs, .epoch = vq->epoch,
        .out_num = c->out_num, .in_num = c->in_num,
        .out_len = c->out_len, .in_len = c->in_len,
        .out = iov, .in = iov + c->out_num,
        .out_addr = addr, .in_addr = addr + c->out_num,
    };
    return e;
}

/* ---- split: taking --------------------------------------------------------------- */

/* How many requests wait; -1 after an error. */
static int split_waiting(VirtQueue *vq)
{
    uint16_t n = vq->shadow_avail - vq->last_avail;

    if (n == 0) {
        if (vq->notification) {
            /* After what says when to kick: else a kick may get lost. */
            atomic_thread_fence(memory_order_seq_cst);
        }
        vq->shadow_avail = load16(vq->area[RING_DRIVER].host + 2);
        n = vq->shadow_avail - vq->last_avail;
    }
    if (n > vq->num) {
        virtio_error(vq->vdev, "queue %u: index moved from %u to %u, the ring "
                     "has %u slots", vq->index, vq->last_avail,
                     vq->shadow_avail, vq->num);
        return -1;
    }
    return n;
}

static void split_set_avail_event(VirtQueue *vq, uint16_t v)
{
    if (vq->notification) {
        store16(vq, RING_DEVICE, 4 + vq->num * UINT64_C(8), v);
    }
}

static bool split_chain(VirtQueue *vq, Chain *c, unsigned i)
{
    const uint8_t *table = vq->area[RING_DESC].host;
    Desc d;

    for (unsigned seen = 0; seen < vq->num; seen++) {
        load_desc(table + i * 16, &d);
        if (d.flags & DESC_INDIRECT) {
            if (seen || (d.flags & DESC_NEXT)) {
                virtio_error(vq->vdev, "queue %u: indirect table within a "
                                       "chain", vq->index);
                return false;
            }
            return chain_indirect(vq, c, &d);
        }
        if (!chain_add(vq, c, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        i = d.next;
        if (i >= vq->num) {
            virtio_error(vq->vdev, "queue %u: next descriptor %u of %u",
                         vq->index, i, vq->num);
            return false;
        }
    }
    virtio_error(vq->vdev, "queue %u: looped descriptors", vq->index);
    return false;
}

static VirtQueueElement *split_pop(VirtQueue *vq, size_t size)
{
    unsigned head;
    Chain c;

    if (split_waiting(vq) <= 0) {
        return NULL;
    }
    if (vq->inuse >= vq->num) {
        virtio_error(vq->vdev, "queue %u: more requests than slots",
                     vq->index);
        return NULL;
    }
    head = load16(vq->area[RING_DRIVER].host + 4 +
                  vq->last_avail % vq->num * 2);
    if (head >= vq->num) {
        virtio_error(vq->vdev, "queue %u: descriptor %u of %u", vq->index,
                     head, vq->num);
        return NULL;
    }
    c.out_num = c.in_num = 0;
    c.out_len = c.in_len = 0;
    if (!split_chain(vq, &c, head)) {
        chain_unmap(vq, &c);
        return NULL;
    }
    vq->last_avail++;
    vq->inuse++;
    if (event_idx(vq)) {
        split_set_avail_event(vq, vq->last_avail);
    }
    return chain_element(vq, &c, size, head, 1);
}

/* ---- packed: taking -------------------------------------------------------------- */

static bool packed_available(VirtQueue *vq)
{
    uint16_t flags = load16(vq->area[RING_DESC].host + vq->last_avail * 16 +
                            14);

    return !!(flags & DESC_AVAIL) == vq->avail_wrap &&
           !!(flags & DESC_USED) != vq->avail_wrap;
}

static VirtQueueElement *packed_pop(VirtQueue *vq, size_t size)
{
    const uint8_t *ring = vq->area[RING_DESC].host;
    unsigned i = vq->last_avail, n = 0;
    bool ok = true;
    Chain c;
    Desc d;

    if (!packed_available(vq)) {
        return NULL;
    }
    c.out_num = c.in_num = 0;
    c.out_len = c.in_len = 0;
    do {
        if (n == vq->num - vq->inuse) {
            virtio_error(vq->vdev, "queue %u: more descriptors than slots",
                         vq->index);
            ok = false;
            break;
        }
        load_packed(ring + i * 16, &d);
        if (d.flags & DESC_INDIRECT) {
            if (n || (d.flags & DESC_NEXT)) {
                virtio_error(vq->vdev, "queue %u: indirect table within a "
                                       "chain", vq->index);
                ok = false;
                break;
            }
            ok = chain_indirect(vq, &c, &d);
        } else {
            ok = chain_add(vq, &c, &d);
        }
        n++;
        i = i + 1 == vq->num ? 0 : i + 1;
    } while (ok && (d.flags & DESC_NEXT));
    if (!ok) {
        chain_unmap(vq, &c);
        return NULL;
    }
    vq->avail_wrap ^= i < vq->last_avail || n == vq->num;
    vq->last_avail = i;
    vq->inuse += n;
    if (vq->notification && event_idx(vq)) {
        store16(vq, RING_DEVICE, 0, i | (unsigned)vq->avail_wrap << 15);
    }
    return chain_element(vq, &c, size, d.next, n);
}

void *virtqueue_pop(VirtQueue *vq, size_t size)
{
    if (!ring_ready(vq)) {
        return NULL;
    }
    return packed(vq) ? packed_pop(vq, size) : split_pop(vq, size);
}

bool virtqueue_empty(VirtQueue *vq)
{
    if (!ring_ready(vq)) {
        return true;
    }
    return packed(vq) ? !packed_available(vq) : split_waiting(vq) <= 0;
}

void virtqueue_set_notification(VirtQueue *vq, bool on)
{
    vq->notification = on;
    if (!ring_ready(vq)) {
        return;
    }
    if (packed(vq)) {
        if (on && event_idx(vq)) {
            store16(vq, RING_DEVICE, 0,
                    vq->last_avail | (unsigned)vq->avail_wrap << 15);
        }
        store16(vq, RING_DEVICE, 2, !on             ? EVENT_DISABLE
                                    : event_idx(vq) ? EVENT_DESC
                                                    : EVENT_ENABLE);
    } else if (event_idx(vq)) {
        split_set_avail_event(vq, vq->last_avail);
    } else {
        store16(vq, RING_DEVICE, 0, on ? 0 : USED_NO_NOTIFY);
    }
    if (on) {
        /* The caller looks at the ring once more: after the driver can see
         * that it has to kick. */
        atomic_thread_fence(memory_order_seq_cst);
    }
}

/* ---- giving back ------------------------------------------------------------------ */

static void unmap_element(VirtQueueElement *e, bool written)
{
    AddressSpace *as = e->vq->vdev->dma;

    for (unsigned i = 0; i < e->out_num; i++) {
        address_space_unmap(as, e->out[i].iov_base, e->out[i].iov_len, false,
                            0);
    }
    for (unsigned i = 0; i < e->in_num; i++) {
        size_t len = e->in[i].iov_len;

        address_space_unmap(as, e->in[i].iov_base, len, true,
                            written ? len : 0);
    }
    e->out_num = e->in_num = 0;
}

void virtqueue_drop(VirtQueueElement *e)
{
    unmap_element(e, true);
}

void virtqueue_unpop(VirtQueueElement *e)
{
    VirtQueue *vq = e->vq;

    unmap_element(e, false);
    if (e->epoch != vq->epoch) {
        return;
    }
    vq->inuse -= e->ndescs;
    if (!packed(vq)) {
        vq->last_avail--;
    } else if (vq->last_avail < e->ndescs) {
        vq->last_avail += vq->num - e->ndescs;
        vq->avail_wrap ^= true;
    } else {
        vq->last_avail -= e->ndescs;
    }
}

void virtqueue_fill(VirtQueueElement *e, size_t len, unsigned n)
{
    VirtQueue *vq = e->vq;

    unmap_element(e, true);
    if (e->epoch != vq->epoch) {
        return;
    }
    assert(n < vq->max);
    vq->filled[n] = (UsedEntry){ e->id, MIN(len, UINT32_MAX), e->ndescs };
}

static void split_flush(VirtQueue *vq, unsigned count)
{
    RingArea *a = &vq->area[RING_DEVICE];
    uint16_t old = vq->used, now = old + count;

    for (unsigned i = 0; i < count; i++) {
        uint64_t off = 4 + (uint16_t)(old + i) % vq->num * UINT64_C(8);
        uint32_t entry[2] = { GUINT32_TO_LE(vq->filled[i].id),
                              GUINT32_TO_LE(vq->filled[i].len) };

        memcpy(a->host + off, entry, 8);
        ram_written(a->ram_offset + off, 8);
    }
    store16(vq, RING_DEVICE, 2, now);
    vq->used = now;
    vq->inuse -= count;
    if ((uint16_t)(now - vq->signalled) < (uint16_t)(now - old)) {
        vq->signalled_valid = false; /* went all the way round */
    }
}

static void packed_write(VirtQueue *vq, unsigned at, bool wrap,
                         const UsedEntry *u)
{
    RingArea *a = &vq->area[RING_DESC];
    uint8_t *p = a->host + at * 16;
    uint32_t len = GUINT32_TO_LE(u->len);
    uint16_t id = GUINT16_TO_LE(u->id);
    uint16_t flags = wrap ? DESC_AVAIL | DESC_USED : 0;

    /* 2.7.8.1: the length and id before the flags; a buffer that the device
     * wrote nothing to has no WRITE flag. */
    if (u->len) {
        flags |= DESC_WRITE;
    }
    memcpy(p + 8, &len, 4);
    memcpy(p + 12, &id, 2);
    __atomic_store_n((uint16_t *)(p + 14), GUINT16_TO_LE(flags),
                     __ATOMIC_RELEASE);
    ram_written(a->ram_offset + at * 16, 16);
}

static void packed_flush(VirtQueue *vq, unsigned count)
{
    unsigned first = vq->used, at = first;
    bool first_wrap = vq->used_wrap, wrap = first_wrap;

    /* The driver goes on from the first: that one is shown last. */
    for (unsigned i = 0; i < count; i++) {
        if (i) {
            packed_write(vq, at, wrap, &vq->filled[i]);
        }
        at += vq->filled[i].ndescs;
        vq->inuse -= vq->filled[i].ndescs;
        if (at >= vq->num) {
            at -= vq->num;
            wrap ^= true;
            vq->signalled_valid = false;
        }
    }
    packed_write(vq, first, first_wrap, &vq->filled[0]);
    vq->used = at;
    vq->used_wrap = wrap;
}

void virtqueue_flush(VirtQueue *vq, unsigned count)
{
    if (count == 0 || !ring_ready(vq)) {
        return;
    }
    if (packed(vq)) {
        packed_flush(vq, count);
    } else {
        split_flush(vq, count);
    }
}

void virtqueue_push(VirtQueueElement *e, size_t len)
{
    bool old = e->epoch != e->vq->epoch;

    virtqueue_fill(e, len, 0);
    if (!old) {
        virtqueue_flush(e->vq, 1);
    }
}

/* ---- interrupts -------------------------------------------------------------------- */

/* 2.6.7.1: did the index pass @event on its way from @old to @now? */
static bool need_event(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool split_should(VirtQueue *vq)
{
    const uint8_t *driver = vq->area[RING_DRIVER].host;
    bool valid = vq->signalled_valid;
    uint16_t old = vq->signalled;

    if (virtio_has(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY) && vq->inuse == 0 &&
        split_waiting(vq) <= 0) {
        return true;
    }
    if (!event_idx(vq)) {
        return !(load16(driver) & AVAIL_NO_INTERRUPT);
    }
    vq->signalled_valid = true;
    vq->signalled = vq->used;
    return !valid || need_event(load16(driver + 4 + vq->num * 2), vq->used,
                                old);
}

static bool packed_should(VirtQueue *vq)
{
    const uint8_t *driver = vq->area[RING_DRIVER].host;
    uint16_t flags = load16(driver + 2), off_wrap = load16(driver), event;
    bool valid = vq->signalled_valid;
    uint16_t old = vq->signalled;

    vq->signalled_valid = true;
    vq->signalled = vq->used;
    if (flags != EVENT_DESC || !event_idx(vq)) {
        return flags != EVENT_DISABLE;
    }
    event = off_wrap & 0x7fff;
    if (off_wrap >> 15 != vq->used_wrap) {
        event -= vq->num;
    }
    return !valid || need_event(event, vq->used, old);
}

bool virtqueue_should_notify(VirtQueue *vq)
{
    if (!ring_ready(vq)) {
        return false;
    }
    /* What was shown before what the driver wants. */
    atomic_thread_fence(memory_order_seq_cst);
    return packed(vq) ? packed_should(vq) : split_should(vq);
}

/* ---- saved state -------------------------------------------------------------------- */

bool virtqueue_take(VirtQueue *vq, uint8_t *area[RING_AREAS])
{
    if (vq->taken || packed(vq) || !ring_ready(vq)) {
        return false;
    }
    for (unsigned n = 0; n < RING_AREAS; n++) {
        area[n] = vq->area[n].host;
    }
    virtio_queue_watch(vq, -1);
    vq->taken = true;
    return true;
}

void virtqueue_return(VirtQueue *vq, uint16_t next_avail, int kick_fd)
{
    vq->taken = false;
    vq->last_avail = vq->shadow_avail = next_avail;
    /* All that was taken has been given back. */
    vq->used = next_avail;
    vq->inuse = 0;
    vq->signalled_valid = false;
    vq->notification = true;
    virtio_queue_watch(vq, kick_fd);
}

bool virtqueue_post_load(VirtQueue *vq, Error **errp)
{
    bool pack = packed(vq);

    if (vq->num > vq->max || vq->num == 0 ||
        (!pack && (vq->num & (vq->num - 1))) || vq->inuse > vq->num ||
        (pack && (vq->last_avail >= vq->num || vq->used >= vq->num)) ||
        (!pack && (uint16_t)(vq->last_avail - vq->used) != vq->inuse)) {
        error_setg(errp, "%s: impossible queue %u", vq->vdev->qdev.info->name,
                   vq->index);
        return false;
    }
    vq->shadow_avail = vq->last_avail;
    vq->epoch++;
    virtqueue_unmap(vq);
    atomic_store(&vq->stale, true);
    return true;
}

static void save_part(VMStateWriter *w, const struct iovec *iov,
                      const hwaddr *addr, unsigned n)
{
    vmstate_put_u32(w, n);
    for (unsigned i = 0; i < n; i++) {
        vmstate_put_u64(w, addr[i]);
        vmstate_put_u32(w, iov[i].iov_len);
    }
}

void virtqueue_save_element(VMStateWriter *w, const VirtQueueElement *e)
{
    vmstate_put_u32(w, e->vq->index);
    vmstate_put_u32(w, e->id);
    vmstate_put_u32(w, e->ndescs);
    save_part(w, e->out, e->out_addr, e->out_num);
    save_part(w, e->in, e->in_addr, e->in_num);
}

static bool load_part(VirtQueue *vq, Chain *c, VMStateReader *r, bool write,
                      Error **errp)
{
    uint32_t n, len;
    uint64_t addr;

    if (!vmstate_get_u32(r, &n, errp)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!vmstate_get_u64(r, &addr, errp) ||
            !vmstate_get_u32(r, &len, errp)) {
            return false;
        }
        if (!chain_add(vq, c, &(Desc){ .addr = addr, .len = len,
                                       .flags = write ? DESC_WRITE : 0 })) {
            error_setg(errp, "%s: impossible request in the state",
                       vq->vdev->qdev.info->name);
            return false;
        }
    }
    return true;
}

void *virtqueue_load_element(VirtIODevice *vdev, VMStateReader *r, size_t size,
                             Error **errp)
{
    uint32_t index, id, ndescs;
    VirtQueue *vq;
    Chain c;

    if (!vmstate_get_u32(r, &index, errp) || !vmstate_get_u32(r, &id, errp) ||
        !vmstate_get_u32(r, &ndescs, errp)) {
        return NULL;
    }
    vq = index < vdev->num_queues ? virtio_queue(vdev, index) : NULL;
    if (!vq || id > UINT16_MAX || ndescs == 0 || ndescs > vq->inuse ||
        (!packed(vq) && (id >= vq->num || ndescs != 1))) {
        error_setg(errp, "%s: impossible request in the state",
                   vdev->qdev.info->name);
        return NULL;
    }
    c.out_num = c.in_num = 0;
    c.out_len = c.in_len = 0;
    if (!load_part(vq, &c, r, false, errp) ||
        !load_part(vq, &c, r, true, errp)) {
        chain_unmap(vq, &c);
        return NULL;
    }
    return chain_element(vq, &c, size, id, ndescs);
}

/* ---- vectors ------------------------------------------------------------------------- */

static size_t copy(const struct iovec *iov, unsigned n, size_t off,
                   uint8_t *buf, size_t len, bool to)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        size_t part;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - off, len - done);
        if (to) {
            memcpy((uint8_t *)iov[i].iov_base + off, buf + done, part);
        } else {
            memcpy(buf + done, (uint8_t *)iov[i].iov_base + off, part);
        }
        done += part;
        off = 0;
    }
    return done;
}

size_t virtio_iov_copy_from(const struct iovec *iov, unsigned n, size_t off,
                            void *buf, size_t len)
{
    return copy(iov, n, off, buf, len, false);
}

size_t virtio_iov_copy_to(const struct iovec *iov, unsigned n, size_t off,
                          const void *buf, size_t len)
{
    return copy(iov, n, off, (uint8_t *)buf, len, true);
}
