/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses to address spaces: by value, by buffer, by mapping.
 *
 * RAM is copied inside an RCU section, without any lock.  A device's handler
 * needs the BQL, and nobody may wait for that inside an RCU section (freeing
 * waits for readers with the BQL held): the section is left, the BQL taken,
 * and the address looked up again.  A holder of the BQL needs no RCU: views
 * are only replaced under it.
 *
 * Handlers that run on this thread form a chain of HandlerFrames.  A bus
 * master that reaches a region of a device whose handler is in the chain gets
 * MEMTX_ACCESS_ERROR: no device expects to be re-entered by its own DMA.
 */
#include "osdep.h"

#include "memory-int.h"
#include "util/log.h"

/* Nested handlers (device A writes to B's register, which writes to C's). */
#define HANDLER_DEPTH_MAX 16

typedef struct HandlerFrame {
    const Object *owner;
    const MemoryRegion *mr;
    struct HandlerFrame *outer;
    unsigned depth;
} HandlerFrame;
static _Thread_local HandlerFrame *handler_chain;

/* Leaves the thread as it was: takes the BQL if need be, and gives it back. */
static bool bql_take(void) NO_THREAD_SAFETY
{
    if (bql_locked()) {
        return false;
    }
    bql_lock();
    return true;
}

static void bql_give(bool taken) NO_THREAD_SAFETY
{
    if (taken) {
        bql_unlock();
    }
}

/* A view to read: with the BQL it stays, else an RCU section is entered. */
static FlatView *view_enter(AddressSpace *as, bool *rcu)
{
    *rcu = !bql_locked();
    if (*rcu) {
        rcu_read_lock();
    }
    return atomic_load_explicit(&as->view, memory_order_acquire);
}

static void view_leave(bool rcu)
{
    if (rcu) {
        rcu_read_unlock();
    }
}

static uint64_t size_mask(unsigned size)
{
    return ~UINT64_C(0) >> (64 - 8 * size);
}

static bool handler_enter(HandlerFrame *f, MemoryRegion *mr, MemTxAttrs attrs)
{
    const HandlerFrame *o;

    *f = (HandlerFrame){ mr->owner, mr, handler_chain,
                         handler_chain ? handler_chain->depth + 1 : 0 };
    if (f->depth >= HANDLER_DEPTH_MAX) {
        log_guest_error("%s: devices call each other too deeply\n", mr->name);
        return false;
    }
    for (o = handler_chain; o && !attrs.cpu; o = o->outer) {
        if (mr->owner ? o->owner == mr->owner : o->mr == mr) {
            log_guest_error("%s: device accesses its own registers by DMA\n",
                            mr->name);
            return false;
        }
    }
    handler_chain = f;
    return true;
}

static void handler_exit(HandlerFrame *f)
{
    handler_chain = f->outer;
}

/* One call of a handler.  Values are the register's own, not the bus's. */
static MemTxResult handler_read(MemoryRegion *mr, hwaddr addr, uint64_t *val,
                                unsigned size, MemTxAttrs attrs)
{
    const MemoryRegionOps *ops = mr->ops;
    MemTxResult r = MEMTX_OK;

    *val = ~UINT64_C(0);
    if (ops->read_attrs) {
        r = ops->read_attrs(mr->opaque, addr, val, size, attrs);
    } else if (ops->read) {
        *val = ops->read(mr->opaque, addr, size);
    }
    *val &= size_mask(size);
    return r;
}

static MemTxResult handler_write(MemoryRegion *mr, hwaddr addr, uint64_t val,
                                 unsigned size, MemTxAttrs attrs)
{
    const MemoryRegionOps *ops = mr->ops;

    val &= size_mask(size);
    if (ops->write_attrs) {
        return ops->write_attrs(mr->opaque, addr, val, size, attrs);
    }
    if (ops->write) {
        ops->write(mr->opaque, addr, val, size);
    }
    return MEMTX_OK;
}

/* Between the bus's little endian and the device's order. */
static uint64_t device_order(const MemoryRegionOps *ops, uint64_t v,
                             unsigned size)
{
    return ops->big_endian ? __builtin_bswap64(v) >> (64 - 8 * size) : v;
}

/*
 * How the next handler call goes for an access to [addr, addr + left): its
 * size, where it starts, and which of its bytes count.
 */
typedef struct Piece {
    hwaddr addr;
    unsigned size;
    unsigned skip;  /* bytes of it before addr */
    unsigned count; /* bytes of the access that it serves */
} Piece;

static Piece next_piece(const MemoryRegionOps *ops, hwaddr addr, unsigned left)
{
    unsigned max = ops->impl.max ? ops->impl.max
                                 : ops->access.max ? ops->access.max : 8;
    unsigned min = ops->impl.min ? ops->impl.min
                                 : ops->access.min ? ops->access.min : 1;
    bool unaligned = ops->impl.unaligned ||
                     (!ops->impl.max && !ops->impl.min &&
                      ops->access.unaligned);
    unsigned size = 1;

    max = MAX(max, min);
    while (size * 2 <= left && size * 2 <= max &&
           (unaligned || addr % (size * 2) == 0)) {
        size *= 2;
    }
    if (size >= min) {
        return (Piece){ addr, size, 0, size };
    }
    /* Narrower than the device takes: the aligned wide one around it. */
    unsigned skip = addr % min;
    return (Piece){ addr - skip, min, skip, MIN(left, min - skip) };
}

static bool access_fits(MemoryRegion *mr, hwaddr addr, unsigned size,
                        bool write)
{
    const MemoryRegionOps *ops = mr->ops;
    unsigned max = ops->access.max ? ops->access.max : 8;

    if (addr <= memory_region_last(mr) &&
        size - 1 <= memory_region_last(mr) - addr && size <= max &&
        size >= ops->access.min &&
        (ops->access.unaligned || addr % size == 0)) {
        return true;
    }
    log_guest_error("%s: bad %s of %u bytes at 0x%" PRIx64 "\n", mr->name,
                    write ? "write" : "read", size, addr);
    return false;
}

/* BQL held. */
static MemTxResult dispatch_read_locked(MemoryRegion *mr, hwaddr addr,
                                        uint64_t *val, unsigned size,
                                        MemTxAttrs attrs)
{
    HandlerFrame frame;
    MemTxResult r = MEMTX_OK;

    *val = size_mask(size);
    if (!mr->ops || !access_fits(mr, addr, size, false)) {
        return mr->ops ? MEMTX_ERROR : MEMTX_DECODE_ERROR;
    }
    if (!handler_enter(&frame, mr, attrs)) {
        return MEMTX_ACCESS_ERROR;
    }
    const MemoryRegionOps *ops = mr->ops;
    uint64_t out = 0;
    for (unsigned done = 0; done < size;) {
        Piece p = next_piece(ops, addr + done, size - done);
        uint64_t v;
        r |= handler_read(mr, p.addr, &v, p.size, attrs);
        v = device_order(ops, v, p.size) >> (8 * p.skip);
        out |= (v & size_mask(p.count)) << (8 * done);
        done += p.count;
    }
    handler_exit(&frame);
    *val = out;
    return r;
}

static MemTxResult dispatch_write_locked(MemoryRegion *mr, hwaddr addr,
                                         uint64_t val, unsigned size,
                                         MemTxAttrs attrs)
{
    HandlerFrame frame;
    MemTxResult r = MEMTX_OK;

    val &= size_mask(size);
    if (mr->ioeventfds && memory_region_signal_eventfd(mr, addr, val, size)) {
        return MEMTX_OK;
    }
    if (!mr->ops || !access_fits(mr, addr, size, true)) {
        return mr->ops ? MEMTX_ERROR : MEMTX_DECODE_ERROR;
    }
    if (!handler_enter(&frame, mr, attrs)) {
        return MEMTX_ACCESS_ERROR;
    }
    const MemoryRegionOps *ops = mr->ops;
    for (unsigned done = 0; done < size;) {
        Piece p = next_piece(ops, addr + done, size - done);
        uint64_t v = (val >> (8 * done)) & size_mask(p.count);
        v = device_order(ops, v << (8 * p.skip), p.size);
        r |= handler_write(mr, p.addr, v, p.size, attrs);
        done += p.count;
    }
    handler_exit(&frame);
    return r;
}

MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr offset,
                                        uint64_t *val, unsigned size,
                                        MemTxAttrs attrs)
{
    bool taken = bql_take();
    MemTxResult r = dispatch_read_locked(mr, offset, val, size, attrs);

    bql_give(taken);
    return r;
}

MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr offset,
                                         uint64_t val, unsigned size,
                                         MemTxAttrs attrs)
{
    bool taken = bql_take();
    MemTxResult r = dispatch_write_locked(mr, offset, val, size, attrs);

    bql_give(taken);
    return r;
}

/* Bytes, by what lies there. */

static uint64_t load_le(const void *p, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return GUINT64_FROM_LE(v);
}

static void store_le(void *p, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, size);
}

/* Guest accesses of one width are whole to other vCPUs when aligned. */
static uint64_t ram_load(const void *p, unsigned size)
{
    if ((uintptr_t)p % size == 0) {
        switch (size) {
        case 1:
            return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
        case 2:
            return GUINT16_FROM_LE(
                __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
        case 4:
            return GUINT32_FROM_LE(
                __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED));
        case 8:
            return GUINT64_FROM_LE(
                __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED));
        }
    }
    return load_le(p, size);
}

static void ram_store(void *p, uint64_t v, unsigned size)
{
    if ((uintptr_t)p % size == 0) {
        switch (size) {
        case 1:
            __atomic_store_n((uint8_t *)p, (uint8_t)v, __ATOMIC_RELAXED);
            return;
        case 2:
            __atomic_store_n((uint16_t *)p, GUINT16_TO_LE((uint16_t)v),
                             __ATOMIC_RELAXED);
            return;
        case 4:
            __atomic_store_n((uint32_t *)p, GUINT32_TO_LE((uint32_t)v),
                             __ATOMIC_RELAXED);
            return;
        case 8:
            __atomic_store_n((uint64_t *)p, GUINT64_TO_LE(v),
                             __ATOMIC_RELAXED);
            return;
        }
    }
    store_le(p, v, size);
}

/* Largest power of two that a device's region takes at @offset. */
static unsigned chunk_size(const MemoryRegion *mr, hwaddr offset, hwaddr len)
{
    const MemoryRegionOps *ops = mr->ops;
    unsigned max = ops && ops->access.max ? ops->access.max : 4, size = 1;

    while (size * 2 <= max && size * 2 <= len &&
           ((ops && ops->access.unaligned) || offset % (size * 2) == 0)) {
        size *= 2;
    }
    return size;
}

/*
 * How many bytes after the one at @addr still belong to the device there.  The
 * device that decodes the first byte takes the access whole, even where another
 * one lies over its later bytes (CF9h within the 32-bit register at CF8h).
 */
static hwaddr device_left(const FlatRange *r, hwaddr addr)
{
    return memory_region_last(r->mr) - (r->offset + (addr - r->addr));
}

/* One device access of at most @len bytes at @addr.  BQL held.  Returns how
 * many bytes were done. */
static hwaddr device_rw_locked(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               uint8_t *buf, hwaddr len, bool write,
                               MemTxResult *result)
{
    const FlatRange *r = flat_view_find(
        atomic_load_explicit(&as->view, memory_order_acquire), addr);

    if (!r || flat_range_is_direct(r, write)) {
        return 0; /* the map has changed: look again */
    }
    if (device_left(r, addr) < len - 1) {
        len = device_left(r, addr) + 1;
    }
    if (write && (r->readonly || r->mr->kind == MR_ROM)) {
        log_guest_error("%s: write to read-only memory at 0x%" PRIx64 "\n",
                        r->mr->name, addr);
        return len;
    }
    MemoryRegion *mr = r->mr;
    hwaddr offset = r->offset + (addr - r->addr);
    unsigned size = chunk_size(mr, offset, len);
    uint64_t val;
    if (write) {
        *result |= dispatch_write_locked(mr, offset, load_le(buf, size), size,
                                         attrs);
    } else {
        *result |= dispatch_read_locked(mr, offset, &val, size, attrs);
        store_le(buf, val, size);
    }
    return size;
}

/* Bytes from @addr to the next range, at most @len. */
static hwaddr hole_len(const FlatView *v, hwaddr addr, hwaddr len)
{
    size_t lo = 0, hi = v->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (v->ranges[mid].addr > addr) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo < v->n ? MIN(len, v->ranges[lo].addr - addr) : len;
}

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *data, hwaddr len, bool write)
{
    MemTxResult result = MEMTX_OK;
    uint8_t *buf = data;

    while (len) {
        hwaddr at = addr, n = len;
        bool rcu;

        if (as->translate) {
            MemTxResult t = as->translate(as->translate_opaque, &at, &n, write,
                                          attrs);
            n = CLAMP(n, 1, len);
            if (t != MEMTX_OK) {
                result |= t;
                if (!write) {
                    memset(buf, 0xff, n);
                }
                goto next;
            }
        }
        /* No wrap at the top: the rest is one more round from 0. */
        if (n - 1 > UINT64_MAX - at) {
            n = UINT64_MAX - at + 1;
        }
        FlatView *v = view_enter(as, &rcu);
        const FlatRange *r = flat_view_find(v, at);
        if (!r) {
            n = hole_len(v, at, n);
            view_leave(rcu);
            result |= MEMTX_DECODE_ERROR;
            if (!write) {
                memset(buf, 0xff, n);
            }
        } else if (flat_range_is_direct(r, write)) {
            uint8_t *host = flat_range_host(r, at);
            if (r->last - at < n - 1) {
                n = r->last - at + 1;
            }
            if (write) {
                memcpy(host, buf, n);
                ram_written(r->ram->offset + (host - r->ram->host), n);
            } else {
                memcpy(buf, host, n);
            }
            view_leave(rcu);
        } else {
            view_leave(rcu);
            bool taken = bql_take();
            n = device_rw_locked(as, at, attrs, buf, n, write, &result);
            bql_give(taken);
        }
next:
        addr += n;
        buf += n;
        len -= n;
    }
    return result;
}

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr len)
{
    return address_space_rw(as, addr, attrs, buf, len, false);
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                MemTxAttrs attrs, const void *buf, hwaddr len)
{
    return address_space_rw(as, addr, attrs, (void *)buf, len, true);
}

MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                    const void *buf, hwaddr len)
{
    const uint8_t *from = buf;
    MemTxResult result = MEMTX_OK;

    while (len) {
        hwaddr n = MIN(len, UINT64_MAX - addr);
        bool rcu;
        FlatView *v = view_enter(as, &rcu);
        const FlatRange *r = flat_view_find(v, addr);

        n = MAX(n, 1);
        if (r) {
            n = MIN(n - 1, r->last - addr) + 1;
        } else {
            n = hole_len(v, addr, n);
        }
        if (r && r->ram && !r->ram->readonly) {
            uint8_t *host = flat_range_host(r, addr);
            memcpy(host, from, n);
            ram_written(r->ram->offset + (host - r->ram->host), n);
        } else {
            result |= r ? MEMTX_ACCESS_ERROR : MEMTX_DECODE_ERROR;
        }
        view_leave(rcu);
        addr += n;
        from += n;
        len -= n;
    }
    return result;
}

/*
 * One access of @size that lies in one range and needs no translation.  False:
 * it does not, address_space_rw() must cut it up.
 */
static bool access_whole(AddressSpace *as, hwaddr addr, unsigned size,
                         uint64_t *val, bool write, MemTxAttrs attrs,
                         MemTxResult *result)
{
    bool rcu;

    if (as->translate) {
        return false;
    }
    FlatView *v = view_enter(as, &rcu);
    const FlatRange *r = flat_view_find(v, addr);
    if (!r || (flat_range_is_direct(r, write) ? r->last - addr
                                              : device_left(r, addr)) <
                  size - 1) {
        view_leave(rcu);
        return false;
    }
    if (flat_range_is_direct(r, write)) {
        uint8_t *host = flat_range_host(r, addr);
        if (write) {
            ram_store(host, *val, size);
            ram_written(r->ram->offset + (host - r->ram->host), size);
        } else {
            *val = ram_load(host, size);
        }
        view_leave(rcu);
        return true;
    }
    view_leave(rcu);

    bool taken = bql_take(), done = false;
    r = flat_view_find(atomic_load_explicit(&as->view, memory_order_acquire),
                       addr);
    if (r && !flat_range_is_direct(r, write) &&
        device_left(r, addr) >= size - 1 &&
        !(write && (r->readonly || r->mr->kind == MR_ROM))) {
        hwaddr offset = r->offset + (addr - r->addr);
        *result = write ? dispatch_write_locked(r->mr, offset, *val, size,
                                                attrs)
                        : dispatch_read_locked(r->mr, offset, val, size,
                                               attrs);
        done = true;
    }
    bql_give(taken);
    return done;
}

uint64_t address_space_ld(AddressSpace *as, hwaddr addr, unsigned size,
                          MemTxAttrs attrs, MemTxResult *result)
{
    MemTxResult r = MEMTX_OK;
    uint64_t val = 0;

    if (!access_whole(as, addr, size, &val, false, attrs, &r)) {
        uint8_t buf[8];
        r = address_space_rw(as, addr, attrs, buf, size, false);
        val = load_le(buf, size);
    }
    if (result) {
        *result = r;
    }
    return val;
}

MemTxResult address_space_st(AddressSpace *as, hwaddr addr, unsigned size,
                             uint64_t val, MemTxAttrs attrs)
{
    MemTxResult r = MEMTX_OK;

    if (!access_whole(as, addr, size, &val, true, attrs, &r)) {
        uint8_t buf[8];
        store_le(buf, val, size);
        r = address_space_rw(as, addr, attrs, buf, size, true);
    }
    return r;
}

bool address_space_access_valid(AddressSpace *as, hwaddr addr, hwaddr len,
                                bool write, MemTxAttrs attrs)
{
    bool ok = true;

    while (len && ok) {
        hwaddr at = addr, n = len;
        bool rcu;

        if (as->translate && as->translate(as->translate_opaque, &at, &n,
                                           write, attrs) != MEMTX_OK) {
            return false;
        }
        n = CLAMP(n, 1, len);
        FlatView *v = view_enter(as, &rcu);
        const FlatRange *r = flat_view_find(v, at);
        ok = r && !(write && (r->readonly || r->mr->kind == MR_ROM));
        if (ok) {
            n = MIN(n - 1, r->last - at) + 1;
            if (!flat_range_is_direct(r, write) && r->mr->ops) {
                unsigned c = chunk_size(r->mr, r->offset + (at - r->addr), n);
                ok = c >= r->mr->ops->access.min;
                n = c;
            }
        }
        view_leave(rcu);
        if (ok && n < len && addr + n < addr) {
            return false; /* past the end of the space */
        }
        addr += n;
        len -= n;
    }
    return ok;
}

/* Mappings. */

void *address_space_map(AddressSpace *as, hwaddr addr, hwaddr *len, bool write,
                        MemTxAttrs attrs)
{
    hwaddr n = *len;
    uint8_t *host = NULL;
    bool rcu;

    if (n == 0 || (as->translate &&
                   as->translate(as->translate_opaque, &addr, &n, write,
                                 attrs) != MEMTX_OK)) {
        return NULL;
    }
    n = MIN(n, *len);
    FlatView *v = view_enter(as, &rcu);
    const FlatRange *r = n ? flat_view_find(v, addr) : NULL;
    if (r && flat_range_is_direct(r, write)) {
        RAMBlock *block = r->ram;
        const FlatRange *end = v->ranges + v->n;
        host = flat_range_host(r, addr);
        hwaddr have = r->last - addr; /* less one */
        /* Pieces of one block that were cut by attributes go on. */
        while (have < n - 1 && r + 1 < end && r[1].addr == r->last + 1 &&
               r[1].ram == block && flat_range_is_direct(r + 1, write) &&
               flat_range_host(r + 1, r[1].addr) == host + have + 1) {
            r++;
            have += r->last - r->addr + 1;
        }
        *len = MIN(n - 1, have) + 1;
        ram_block_pin(block);
    }
    view_leave(rcu);
    return host;
}

void address_space_unmap(AddressSpace *as, void *host, hwaddr len, bool write,
                         hwaddr access_len)
{
    uint64_t offset;
    RAMBlock *b = ram_block_from_host(host, &offset);

    assert(b && access_len <= len);
    if (write && access_len) {
        ram_written(b->offset + offset, access_len);
    }
    ram_block_unpin(b);
}

MemorySection address_space_lookup(AddressSpace *as, hwaddr addr)
{
    FlatView *v = atomic_load_explicit(&as->view, memory_order_acquire);
    const FlatRange *r = flat_view_find(v, addr);

    if (!r) {
        return (MemorySection){ .addr = addr,
                                .size = hole_len(v, addr, UINT64_MAX - addr) };
    }
    return (MemorySection){
        .mr = r->mr,
        .offset_in_region = r->offset + (addr - r->addr),
        .addr = addr,
        .size = r->last - addr == UINT64_MAX ? UINT64_MAX
                                             : r->last - addr + 1,
        .readonly = r->readonly,
        .romd = r->romd,
    };
}
