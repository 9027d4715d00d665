/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map.  Regions form a tree (containers, RAM, ROM, MMIO, aliases)
 * with priorities; an AddressSpace is a view of one root, flattened into an
 * immutable, sorted list that readers search without a lock (under
 * rcu_read_lock).  Changing the tree needs the BQL; changes between
 * memory_transaction_begin/commit show all at once.
 *
 * A device's MMIO and port handlers run with the BQL held.
 */
#ifndef EXEC_MEMORY_H
#define EXEC_MEMORY_H

#include "util/list.h"
#include "util/object.h"
#include "util/thread.h"

typedef struct MemoryRegion MemoryRegion;
typedef struct AddressSpace AddressSpace;
typedef struct RAMBlock RAMBlock;
typedef struct FlatView FlatView;

typedef uint32_t MemTxResult; /* bits, 0: all of it done */
enum {
    MEMTX_OK = 0,
    MEMTX_ERROR = 1 << 0,        /* the device says no */
    MEMTX_DECODE_ERROR = 1 << 1, /* nothing there */
    MEMTX_ACCESS_ERROR = 1 << 2, /* kept from it (re-entry, no access) */
};

/* Who makes an access. */
typedef struct MemTxAttrs {
    uint16_t requester_id; /* PCI bus/devfn of a bus master */
    bool unspecified;
    bool secure;           /* SMM */
    bool cpu;              /* from a vCPU */
} MemTxAttrs;
#define MEMTXATTRS_UNSPECIFIED ((MemTxAttrs){ .unspecified = true })
#define MEMTXATTRS_CPU         ((MemTxAttrs){ .cpu = true })

typedef struct MemoryRegionOps {
    /* @addr: offset in the region; @size 1, 2, 4 or 8.  NULL read gives all
     * ones, NULL write is ignored. */
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    void (*write)(void *opaque, hwaddr addr, uint64_t val, unsigned size);
    /* Instead of those, when the requester or the result matter. */
    MemTxResult (*read_attrs)(void *opaque, hwaddr addr, uint64_t *val,
                              unsigned size, MemTxAttrs attrs);
    MemTxResult (*write_attrs)(void *opaque, hwaddr addr, uint64_t val,
                               unsigned size, MemTxAttrs attrs);
    /* Sizes the device accepts from the bus, and whether unaligned.  0: 1 to
     * 8 (1 to 4 for ports).  Others give MEMTX_ERROR / all ones. */
    struct {
        unsigned min, max;
        bool unaligned;
    } access;
    /* Sizes the handlers take: others are split or widened for them.  0: as
     * `access`.  Widened reads pick their bytes out of the aligned wide
     * value, widened writes have zeroes around them (no read-modify-write). */
    struct {
        unsigned min, max;
        bool unaligned;
    } impl;
    bool big_endian;
} MemoryRegionOps;

typedef enum MemoryRegionKind {
    MR_CONTAINER, MR_RAM, MR_ROM, MR_ROM_DEVICE, MR_IO, MR_ALIAS,
} MemoryRegionKind;

/* Embedded in devices; filled by memory_region_init_*. */
struct MemoryRegion {
    const char *name;          /* owned */
    Object *owner;             /* device, for paths and the re-entry guard */
    MemoryRegionKind kind;
    uint64_t size;             /* bytes; UINT64_MAX means 2^64 */
    bool enabled;
    bool readonly;             /* RAM seen as ROM (PAM) */
    bool romd;                 /* ROM device: reads go straight to memory */
    bool ram_device;           /* RAM of a device that wants no direct access */
    bool ram_borrowed;         /* a backend owns the block */
    bool flush_coalesced;
    uint8_t dirty_log_mask;    /* clients that log it */
    const MemoryRegionOps *ops;
    void *opaque;
    RAMBlock *ram;
    MemoryRegion *alias;
    hwaddr alias_offset;
    MemoryRegion *container;   /* NULL: root or unmapped */
    hwaddr addr;               /* in the container */
    int priority;
    ListNode subregions;       /* by priority, then latest first */
    ListNode node;
    GArray *ioeventfds;        /* memory.c */
    GArray *coalesced;
};

/*
 * Guest RAM: named, page aligned, memory of one host mapping.  `offset` is its
 * place in the one space of all RAM that dirty bitmaps and code tracking use
 * (page aligned, never reused while the block lives).
 */
struct RAMBlock {
    char *name;                /* "pc.ram", unique */
    uint8_t *host;
    uint64_t offset;
    uint64_t used_length;      /* bytes the guest sees */
    uint64_t max_length;       /* bytes mapped */
    size_t page_size;
    int fd;                    /* memfd or file, -1 if anonymous */
    uint64_t fd_offset;
    bool shared;
    bool readonly;
    MemoryRegion *mr;
    _Atomic unsigned pins;     /* owner and DMA mappings (ram.c) */
    ListNode node;             /* a freed block stays, named "", till unpinned */
};

/* Initialisers.  @owner may be NULL for parts of the machine. */
void memory_region_init(MemoryRegion *mr, Object *owner, const char *name,
                        uint64_t size); /* container */
void memory_region_init_io(MemoryRegion *mr, Object *owner,
                           const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size);
bool memory_region_init_ram(MemoryRegion *mr, Object *owner, const char *name,
                            uint64_t size, Error **errp);
/* Guest sees read-only memory; writes are dropped and logged. */
bool memory_region_init_rom(MemoryRegion *mr, Object *owner, const char *name,
                            uint64_t size, Error **errp);
/* Reads go to memory (while romd), writes to @ops. */
bool memory_region_init_rom_device(MemoryRegion *mr, Object *owner,
                                   const MemoryRegionOps *ops, void *opaque,
                                   const char *name, uint64_t size,
                                   Error **errp);
/* RAM of a backend (-object memory-backend-*), which keeps the block. */
void memory_region_init_ram_block(MemoryRegion *mr, Object *owner,
                                  const char *name, RAMBlock *block);
void memory_region_init_alias(MemoryRegion *mr, Object *owner,
                              const char *name, MemoryRegion *orig,
                              hwaddr offset, uint64_t size);
/* Unmaps it and frees what init made; readers may still be in it, so the
 * storage itself must outlive a grace period (devices' does).  Nothing for a
 * zeroed region that was never made. */
void memory_region_destroy(MemoryRegion *mr);

void memory_region_add_subregion(MemoryRegion *mr, hwaddr addr,
                                 MemoryRegion *sub);
/* Higher priority hides lower; 0 is the default. */
void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr addr,
                                         MemoryRegion *sub, int priority);
void memory_region_del_subregion(MemoryRegion *mr, MemoryRegion *sub);
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_set_address(MemoryRegion *mr, hwaddr addr);
void memory_region_set_size(MemoryRegion *mr, uint64_t size);
void memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset);
void memory_region_set_readonly(MemoryRegion *mr, bool readonly);
void memory_region_rom_device_set_romd(MemoryRegion *mr, bool romd);
void memory_transaction_begin(void);
void memory_transaction_commit(void);

/* Host address of a RAM/ROM region; ordinary C accesses by its device. */
void *memory_region_ram_ptr(MemoryRegion *mr);
/* A device wrote its own RAM region by pointer: marks it dirty, drops code. */
void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr, uint64_t size);

/* Dirty bitmaps, 4 KiB pages, one per client. */
enum { DIRTY_MEMORY_VGA, DIRTY_MEMORY_CODE, DIRTY_MEMORY_MIGRATION,
       DIRTY_MEMORY_NUM };
void memory_region_set_log(MemoryRegion *mr, bool log, unsigned client);
/* Brings in what accelerators hold back (KVM log, vCPU TLBs): log_sync of
 * the listeners, then this hook (accel.c sets it).  BQL. */
extern void (*ram_dirty_sync_hook)(void);
void memory_region_sync_dirty(MemoryRegion *mr, unsigned client);
/* True if any page of it was; clears them.  After a sync. */
bool memory_region_test_and_clear_dirty(MemoryRegion *mr, hwaddr addr,
                                        uint64_t size, unsigned client);
/* By RAM offset, any thread: the engine's stores and DMA. */
void ram_set_dirty(uint64_t ram_offset, uint64_t size);
/* The page may be written from now on by someone who marks it again when the
 * log is synchronized (AccelOps.dirty_sync); so this needs no barrier.  Called
 * with a guest's vector registers live. */
void ram_will_dirty(uint64_t ram_offset)
#ifndef __clang__
    __attribute__((target("general-regs-only")))
#endif
    ;
/* The same, and tells who tracks code: after DMA through a mapping that stays
 * (rings).  Any thread. */
void ram_written(uint64_t ram_offset, uint64_t size);
bool ram_is_dirty(uint64_t ram_offset, unsigned client);

/* Port or MMIO writes that match signal @fd instead of calling the device. */
void memory_region_add_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                               bool match_data, uint64_t data, int fd);
void memory_region_del_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                               bool match_data, uint64_t data, int fd);
/* Writes may be batched by the accelerator until the next read elsewhere. */
void memory_region_set_coalescing(MemoryRegion *mr);
void memory_region_clear_coalescing(MemoryRegion *mr);

/* Address spaces. */
struct AddressSpace {
    char *name;
    MemoryRegion *root;
    _Atomic(FlatView *) view;  /* immutable; replaced under the BQL */
    ListNode listeners;        /* MemoryListener.node */
    ListNode node;
    /* Hook for an IOMMU: rewrites *addr, limits *len; NULL: none. */
    MemTxResult (*translate)(void *opaque, hwaddr *addr, hwaddr *len,
                             bool write, MemTxAttrs attrs);
    void *translate_opaque;
};
extern AddressSpace address_space_memory; /* what CPUs see, no SMM */
extern AddressSpace address_space_io;
MemoryRegion *system_memory(void);
MemoryRegion *system_io(void);
void memory_map_init(void); /* start-up, once */

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name);
void address_space_destroy(AddressSpace *as);

/*
 * Accesses.  They take the BQL by themselves around a device's handlers when
 * the caller does not hold it.  Read data is all ones where nothing answered.
 */
MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool write);
MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr len);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                MemTxAttrs attrs, const void *buf, hwaddr len);
/* Writes ROM too (loaders, the monitor, gdb). */
MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                    const void *buf, hwaddr len);
/* One little-endian access of 1, 2, 4 or 8 bytes. */
uint64_t address_space_ld(AddressSpace *as, hwaddr addr, unsigned size,
                          MemTxAttrs attrs, MemTxResult *result);
MemTxResult address_space_st(AddressSpace *as, hwaddr addr, unsigned size,
                             uint64_t val, MemTxAttrs attrs);
bool address_space_access_valid(AddressSpace *as, hwaddr addr, hwaddr len,
                                bool write, MemTxAttrs attrs);

/*
 * Direct access for DMA: the host address of @addr and in *len how many bytes
 * follow there (at most what was asked).  NULL: not RAM (use address_space_rw,
 * or bounce).  The mapping stays until unmap, which marks @access_len bytes
 * dirty when it was for writing.
 */
void *address_space_map(AddressSpace *as, hwaddr addr, hwaddr *len, bool write,
                        MemTxAttrs attrs);
void address_space_unmap(AddressSpace *as, void *host, hwaddr len, bool write,
                         hwaddr access_len);

/*
 * What lies at @addr: filled for the engines' TLB fills and for tests.  Under
 * rcu_read_lock, valid until it is released.
 */
typedef struct MemorySection {
    MemoryRegion *mr;         /* never an alias or container; NULL: nothing */
    hwaddr offset_in_region;
    hwaddr addr;              /* as asked */
    uint64_t size;            /* contiguous bytes from here */
    bool readonly;            /* RAM through a read-only alias, ROM */
    bool romd;
} MemorySection;
MemorySection address_space_lookup(AddressSpace *as, hwaddr addr);
/* Host pointer when it is RAM (any) or a ROM device in romd; else NULL. */
static inline bool memory_section_is_ram(const MemorySection *s)
{
    return s->mr && (s->mr->kind == MR_RAM || s->mr->kind == MR_ROM ||
                     (s->mr->kind == MR_ROM_DEVICE && s->romd));
}
/* The access to a non-RAM section; takes the BQL if need be. */
MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr offset,
                                        uint64_t *val, unsigned size,
                                        MemTxAttrs attrs);
MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr offset,
                                         uint64_t val, unsigned size,
                                         MemTxAttrs attrs);

/* Listeners: KVM slots, vhost, the engines' TLBs.  BQL. */
typedef struct MemoryListener {
    ListNode node;
    AddressSpace *as;
    int priority;
    void (*begin)(struct MemoryListener *l);
    /* Sections of the view that came, went, or stayed. */
    void (*region_add)(struct MemoryListener *l, const MemorySection *s);
    void (*region_del)(struct MemoryListener *l, const MemorySection *s);
    void (*log_start)(struct MemoryListener *l, const MemorySection *s);
    void (*log_stop)(struct MemoryListener *l, const MemorySection *s);
    void (*log_sync)(struct MemoryListener *l, const MemorySection *s);
    void (*eventfd_add)(struct MemoryListener *l, const MemorySection *s,
                        unsigned size, bool match, uint64_t data, int fd);
    void (*eventfd_del)(struct MemoryListener *l, const MemorySection *s,
                        unsigned size, bool match, uint64_t data, int fd);
    /* Writes to it may be batched until something else is accessed. */
    void (*coalesced_add)(struct MemoryListener *l, const MemorySection *s);
    void (*coalesced_del)(struct MemoryListener *l, const MemorySection *s);
    void (*commit)(struct MemoryListener *l);
} MemoryListener;
void memory_listener_register(MemoryListener *l, AddressSpace *as);
void memory_listener_unregister(MemoryListener *l);

/*
 * Code tracking: the software engine says which RAM pages hold translated
 * code and is told of writes to them by anyone else (DMA, the monitor, other
 * views).  Called on the writer's thread, after the bytes are there.
 */
extern void (*ram_code_write_hook)(uint64_t ram_offset, uint64_t size);

/* RAM blocks.  from_fd: takes @fd over when it succeeds. */
RAMBlock *ram_block_new(const char *name, uint64_t size, bool shared,
                        bool prealloc, Error **errp);
RAMBlock *ram_block_from_fd(const char *name, uint64_t size, int fd,
                            uint64_t fd_offset, bool shared, bool readonly,
                            bool prealloc, Error **errp);
void ram_block_free(RAMBlock *block);
/* Gives whole host pages within the range back to the host: they read as
 * zeroes afterwards (of a private file mapping: as the file).  Not while the
 * memory is locked. */
void ram_block_discard(RAMBlock *block, uint64_t offset, uint64_t len);
RAMBlock *ram_block_first(void); /* then by .node through ram_block_next */
RAMBlock *ram_block_next(RAMBlock *block);
/* The block whose mapping has @host in it; NULL if none. */
RAMBlock *ram_block_from_host(const void *host, uint64_t *offset_in_block);
/* One past the largest RAM offset: size of bitmaps over all RAM. */
uint64_t ram_offset_end(void);

/* `info mtree [-f]` text. */
void memory_print_tree(GString *out, bool flat);

#endif
