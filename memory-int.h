/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What memory.c, memory-access.c, memory-print.c and ram.c share. */
#ifndef MEMORY_INT_H
#define MEMORY_INT_H

#include "exec/memory.h"
#include "util/rcu.h"

/* One piece of a view.  Ends are inclusive, so that 2^64 fits. */
typedef struct FlatRange {
    hwaddr addr, last;
    MemoryRegion *mr;
    hwaddr offset;          /* of addr in mr */
    RAMBlock *ram;          /* NULL: not RAM; outlives the view's readers */
    bool readonly, romd, coalesced;
    uint8_t dirty_log_mask;
    int priority;           /* for printing */
} FlatRange;

/* Immutable once published; shared by address spaces that look alike. */
struct FlatView {
    unsigned ref;           /* address spaces that use it; lock: bql */
    MemoryRegion *root;     /* NULL: empty */
    size_t n;
    FlatRange *ranges;      /* by address, never overlapping */
};

static inline hwaddr memory_region_last(const MemoryRegion *mr)
{
    return mr->size == UINT64_MAX ? UINT64_MAX : mr->size - 1;
}

/* Does @r give (@write: take) bytes without its device's handlers? */
static inline bool flat_range_is_direct(const FlatRange *r, bool write)
{
    if (!r->ram || r->mr->ram_device) {
        return false;
    }
    if (write) {
        return !r->readonly && r->mr->kind == MR_RAM;
    }
    return r->mr->kind != MR_ROM_DEVICE || r->romd;
}

static inline uint8_t *flat_range_host(const FlatRange *r, hwaddr addr)
{
    return r->ram->host + r->offset + (addr - r->addr);
}

/* The range with @addr in it, or NULL.  Under RCU or the BQL. */
const FlatRange *flat_view_find(const FlatView *view, hwaddr addr);

/* Signals the eventfd that a write matches; false if there is none.  BQL. */
bool memory_region_signal_eventfd(MemoryRegion *mr, hwaddr addr, uint64_t val,
                                  unsigned size);

void memory_spaces_foreach(void (*fn)(AddressSpace *as, void *opaque),
                           void *opaque);

/* Keeps the mapping although the block is freed.  Under RCU or the BQL. */
void ram_block_pin(RAMBlock *block);
void ram_block_unpin(RAMBlock *block);
bool ram_test_and_clear_dirty(uint64_t ram_offset, uint64_t size,
                              unsigned client);

#endif
