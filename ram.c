/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM: blocks and their dirty bitmaps.
 *
 * All blocks live in one space of "RAM offsets".  A dirty bitmap covers that
 * space in chunks that are made with the first block that needs them and then
 * stay, so that setting a bit needs no lock.  Bits are set with release order
 * after the bytes, and cleared before they are read.
 *
 * The list of blocks changes under the BQL; readers search an immutable array
 * sorted by host address (under RCU).  A block that goes while a DMA mapping
 * pins it is unmapped by the last unpin.
 */
#include "osdep.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "memory-int.h"

#define DIRTY_PAGE_BITS 12
#define DIRTY_PAGE_SIZE (UINT64_C(1) << DIRTY_PAGE_BITS)
#define CHUNK_BITS      30 /* RAM covered by one chunk: 1 GiB */
#define CHUNK_PAGES     (UINT64_C(1) << (CHUNK_BITS - DIRTY_PAGE_BITS))
#define CHUNKS          16384 /* 16 TiB of RAM */
#define RAM_OFFSET_MAX  ((uint64_t)CHUNKS << CHUNK_BITS)
/* Blocks start at a multiple of this: bitmap words are not shared. */
#define OFFSET_ALIGN    (2 * MiB)
#define HUGETLBFS_MAGIC_NR 0x958458f6

typedef _Atomic(uint64_t) DirtyWord;
static _Atomic(DirtyWord *) dirty_chunks[DIRTY_MEMORY_NUM][CHUNKS];

typedef struct BlockTable {
    size_t n;
    RAMBlock *blocks[]; /* by host address */
} BlockTable;
static _Atomic(BlockTable *) block_table;

static ListNode ram_blocks = LIST_INIT(ram_blocks); /* by offset; lock: bql */

void (*ram_code_write_hook)(uint64_t ram_offset, uint64_t size);

/* Dirty bitmaps. */

static void dirty_chunks_make(uint64_t offset, uint64_t size)
{
    for (uint64_t c = offset >> CHUNK_BITS;
         c <= (offset + size - 1) >> CHUNK_BITS; c++) {
        for (int i = 0; i < DIRTY_MEMORY_NUM; i++) {
            if (!atomic_load(&dirty_chunks[i][c])) {
                atomic_store(&dirty_chunks[i][c],
                             g_new0(DirtyWord, CHUNK_PAGES / 64));
            }
        }
    }
}

/* Word with the bit of @page, and how many pages from @page to @last are in
 * that word: their mask. */
static DirtyWord *dirty_word(unsigned client, uint64_t page, uint64_t last,
                             uint64_t *mask, uint64_t *next)
{
    uint64_t end = page | 63;
    DirtyWord *chunk = atomic_load_explicit(
        &dirty_chunks[client][page / CHUNK_PAGES], memory_order_acquire);

    end = MIN(end, last);
    *mask = (~UINT64_C(0) >> (63 - (end - page))) << (page & 63);
    *next = end + 1;
    return chunk ? &chunk[page % CHUNK_PAGES / 64] : NULL;
}

void ram_will_dirty(uint64_t ram_offset)
{
    uint64_t page = ram_offset >> DIRTY_PAGE_BITS;
    uint64_t bit = BIT(page & 63);

    for (unsigned c = 0; c < DIRTY_MEMORY_NUM; c++) {
        DirtyWord *w = atomic_load_explicit(
            &dirty_chunks[c][page / CHUNK_PAGES], memory_order_acquire);
        if (w) {
            w += page % CHUNK_PAGES / 64;
            if (!(atomic_load_explicit(w, memory_order_relaxed) & bit)) {
                atomic_fetch_or(w, bit);
            }
        }
    }
}

void ram_set_dirty(uint64_t ram_offset, uint64_t size)
{
    uint64_t mask, next;

    if (size == 0) {
        return;
    }
    assert(ram_offset < RAM_OFFSET_MAX && size <= RAM_OFFSET_MAX - ram_offset);
    uint64_t last = (ram_offset + size - 1) >> DIRTY_PAGE_BITS;
    /*
     * Looking at a word before setting its bits keeps the line shared among
     * writers.  With the order of this, either we see that a client has
     * cleared the bit, or the client sees the bytes we wrote before.
     */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint64_t p = ram_offset >> DIRTY_PAGE_BITS; p <= last; p = next) {
        for (unsigned c = 0; c < DIRTY_MEMORY_NUM; c++) {
            DirtyWord *w = dirty_word(c, p, last, &mask, &next);
            if (w && (atomic_load_explicit(w, memory_order_relaxed) & mask) !=
                         mask) {
                atomic_fetch_or(w, mask);
            }
        }
    }
}

void ram_written(uint64_t ram_offset, uint64_t size)
{
    ram_set_dirty(ram_offset, size);
    if (ram_code_write_hook && size) {
        ram_code_write_hook(ram_offset, size);
    }
}

bool ram_is_dirty(uint64_t ram_offset, unsigned client)
{
    uint64_t page = ram_offset >> DIRTY_PAGE_BITS, mask, next;

    assert(ram_offset < RAM_OFFSET_MAX);
    DirtyWord *w = dirty_word(client, page, page, &mask, &next);
    return w && (atomic_load(w) & mask);
}

bool ram_test_and_clear_dirty(uint64_t ram_offset, uint64_t size,
                              unsigned client)
{
    uint64_t mask, next;
    bool dirty = false;

    if (size == 0) {
        return false;
    }
    uint64_t last = (ram_offset + size - 1) >> DIRTY_PAGE_BITS;
    for (uint64_t p = ram_offset >> DIRTY_PAGE_BITS; p <= last; p = next) {
        DirtyWord *w = dirty_word(client, p, last, &mask, &next);
        if (w && (atomic_load(w) & mask)) {
            dirty |= (atomic_fetch_and(w, ~mask) & mask) != 0;
        }
    }
    return dirty;
}

/* Blocks. */

static int by_host(const void *a, const void *b)
{
    const RAMBlock *x = *(RAMBlock *const *)a, *y = *(RAMBlock *const *)b;

    return x->host < y->host ? -1 : x->host > y->host;
}

static void block_table_publish(void)
{
    BlockTable *old = atomic_load(&block_table), *t;
    RAMBlock *b;
    size_t n = 0;

    list_foreach(b, &ram_blocks, node) {
        n++;
    }
    t = g_malloc(sizeof(*t) + n * sizeof(t->blocks[0]));
    t->n = 0;
    list_foreach(b, &ram_blocks, node) {
        t->blocks[t->n++] = b;
    }
    qsort(t->blocks, n, sizeof(t->blocks[0]), by_host);
    atomic_store_explicit(&block_table, t, memory_order_release);
    if (old) {
        rcu_call(g_free, old);
    }
}

RAMBlock *ram_block_from_host(const void *host, uint64_t *offset_in_block)
{
    const uint8_t *p = host;
    RAMBlock *found = NULL;

    rcu_read_lock();
    BlockTable *t = atomic_load_explicit(&block_table, memory_order_acquire);
    size_t lo = 0, hi = t ? t->n : 0;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        RAMBlock *b = t->blocks[mid];
        if (p < b->host) {
            hi = mid;
        } else if ((uint64_t)(p - b->host) >= b->max_length) {
            lo = mid + 1;
        } else {
            found = b;
            break;
        }
    }
    if (found && offset_in_block) {
        *offset_in_block = (uint64_t)(p - found->host);
    }
    rcu_read_unlock();
    return found;
}

static RAMBlock *ram_block_find(const char *name)
{
    RAMBlock *b;

    list_foreach(b, &ram_blocks, node) {
        if (strcmp(b->name, name) == 0) {
            return b;
        }
    }
    return NULL;
}

/* First gap of @size; puts @block there. */
static bool ram_block_place(RAMBlock *block, Error **errp)
{
    uint64_t at = 0;
    RAMBlock *b;

    if (ram_block_find(block->name)) {
        error_setg(errp, "RAM block '%s' exists already", block->name);
        return false;
    }
    list_foreach(b, &ram_blocks, node) {
        if (b->offset - at >= block->max_length) {
            break;
        }
        at = ROUND_UP(b->offset + b->max_length, OFFSET_ALIGN);
    }
    if (at > RAM_OFFSET_MAX || block->max_length > RAM_OFFSET_MAX - at) {
        error_setg(errp, "more than %u TiB of guest RAM are not supported",
                   (unsigned)(RAM_OFFSET_MAX / TiB));
        return false;
    }
    block->offset = at;
    list_insert_before(&b->node, &block->node);
    dirty_chunks_make(at, block->max_length);
    ram_set_dirty(at, block->max_length);
    block_table_publish();
    return true;
}

static RAMBlock *ram_block_make(const char *name, uint64_t size, uint8_t *host,
                                size_t page_size, int fd, uint64_t fd_offset,
                                Error **errp)
{
    RAMBlock *b = g_new0(RAMBlock, 1);

    b->name = g_strdup(name);
    b->host = host;
    b->used_length = size;
    b->max_length = ROUND_UP(size, page_size);
    b->page_size = page_size;
    b->fd = fd;
    b->fd_offset = fd_offset;
    atomic_init(&b->pins, 1);
    if (!ram_block_place(b, errp)) {
        munmap(host, b->max_length);
        g_free(b->name);
        g_free(b);
        return NULL;
    }
    return b;
}

/* Touches every page now, so that a lack of host memory shows at start-up. */
static bool ram_prealloc(void *host, size_t size, const char *name,
                         Error **errp)
{
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
    if (madvise(host, size, MADV_POPULATE_WRITE) == 0) {
        return true;
    }
    if (errno != EINVAL) {
        error_setg_errno(errp, errno, "cannot preallocate RAM of '%s'", name);
        return false;
    }
    /* Before Linux 5.14: write to each page what is there. */
    for (size_t i = 0; i < size; i += 4096) {
        volatile uint8_t *p = (uint8_t *)host + i;
        *p = *p;
    }
    return true;
}

static bool ram_size_valid(const char *name, uint64_t size, Error **errp)
{
    if (size == 0 || size > RAM_OFFSET_MAX) {
        error_setg(errp, "RAM of '%s' cannot have a size of %" PRIu64
                   " bytes", name, size);
        return false;
    }
    return true;
}

RAMBlock *ram_block_new(const char *name, uint64_t size, bool shared,
                        bool prealloc, Error **errp)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    /* Room to start at a huge page: the kernel can then back it with some. */
    size_t align = size >= 2 * MiB ? 2 * MiB : page;

    if (!ram_size_valid(name, size, errp)) {
        return NULL;
    }
    size_t len = ROUND_UP(size, page), total = len + align - page;
    uint8_t *area = mmap(NULL, total, PROT_READ | PROT_WRITE,
                         MAP_ANONYMOUS | MAP_NORESERVE |
                             (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
    if (area == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot set up guest memory '%s'", name);
        return NULL;
    }
    uint8_t *host = (uint8_t *)ROUND_UP((uintptr_t)area, align);
    if (host > area) {
        munmap(area, (size_t)(host - area));
    }
    if (host + len < area + total) {
        munmap(host + len, (size_t)(area + total - (host + len)));
    }
    if (align > page) {
        madvise(host, len, MADV_HUGEPAGE);
    }
    madvise(host, len, MADV_DONTFORK);
    if (prealloc && !ram_prealloc(host, len, name, errp)) {
        munmap(host, len);
        return NULL;
    }
    RAMBlock *b = ram_block_make(name, size, host, page, -1, 0, errp);
    if (b) {
        b->shared = shared;
    }
    return b;
}

RAMBlock *ram_block_from_fd(const char *name, uint64_t size, int fd,
                            uint64_t fd_offset, bool shared, bool readonly,
                            bool prealloc, Error **errp)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct statfs fs;

    if (!ram_size_valid(name, size, errp)) {
        return NULL;
    }
    if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC_NR) {
        page = (size_t)fs.f_bsize;
    }
    if (fd_offset % page) {
        error_setg(errp, "the offset of '%s' is not a multiple of the page "
                   "size 0x%zx", name, page);
        return NULL;
    }
    size_t len = ROUND_UP(size, page);
    uint8_t *host = mmap(NULL, len, PROT_READ | (readonly ? 0 : PROT_WRITE),
                         (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE,
                         fd, (off_t)fd_offset);
    if (host == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map guest memory '%s'", name);
        return NULL;
    }
    madvise(host, len, MADV_DONTFORK);
    if (prealloc && !readonly && !ram_prealloc(host, len, name, errp)) {
        munmap(host, len);
        return NULL;
    }
    RAMBlock *b = ram_block_make(name, size, host, page, fd, fd_offset, errp);
    if (b) {
        b->shared = shared;
        b->readonly = readonly;
    }
    return b;
}

static void ram_block_unmap(void *opaque)
{
    RAMBlock *b = opaque;

    munmap(b->host, b->max_length);
    if (b->fd >= 0) {
        close(b->fd);
    }
    g_free(b->name);
    g_free(b);
}

static void ram_block_release(void *opaque)
{
    RAMBlock *b = opaque;

    list_remove(&b->node);
    block_table_publish();
    rcu_call(ram_block_unmap, b); /* the old table's readers */
}

void ram_block_pin(RAMBlock *block)
{
    atomic_fetch_add_explicit(&block->pins, 1, memory_order_relaxed);
}

void ram_block_unpin(RAMBlock *block)
{
    if (atomic_fetch_sub(&block->pins, 1) == 1) {
        /* The BQL is needed, and readers may still copy from it. */
        rcu_call(ram_block_release, block);
    }
}

static void ram_block_drop(void *opaque)
{
    ram_block_unpin(opaque);
}

void ram_block_free(RAMBlock *block)
{
    if (block) {
        /* Not at once: a reader of an old view may be about to pin it. */
        g_free(block->name);
        block->name = g_strdup("");
        rcu_call(ram_block_drop, block);
    }
}

void ram_block_discard(RAMBlock *block, uint64_t offset, uint64_t len)
{
    uint64_t first = ROUND_UP(offset, block->page_size);
    uint64_t end = ROUND_DOWN(offset + len, block->page_size);

    if (first >= end || end > block->max_length || block->readonly) {
        return;
    }
    /* Shared memory stays in its file else.  What is locked fails: fine. */
    if (block->shared && block->fd >= 0 &&
        fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  block->fd_offset + first, end - first) < 0) {
        return;
    }
    madvise(block->host + first, end - first,
            block->shared && block->fd < 0 ? MADV_REMOVE : MADV_DONTNEED);
    ram_written(block->offset + first, end - first);
}

RAMBlock *ram_block_first(void)
{
    return list_empty(&ram_blocks) ? NULL
                                   : list_first(&ram_blocks, RAMBlock, node);
}

RAMBlock *ram_block_next(RAMBlock *block)
{
    return block->node.next == &ram_blocks
               ? NULL
               : list_entry(block->node.next, RAMBlock, node);
}

uint64_t ram_offset_end(void)
{
    if (list_empty(&ram_blocks)) {
        return 0;
    }
    RAMBlock *b = list_entry(ram_blocks.prev, RAMBlock, node);
    return b->offset + b->max_length;
}
