/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2, private to its files.  Document: the published "Qcow2 Image File
 * Format" specification (versions 2 and 3).
 *
 * Threads: I/O functions run on many workers.  `lock` guards every piece of
 * metadata and is held over metadata reads, never over guest data transfers
 * nor over the syncs of a flush.  A range lock keeps a transfer apart from
 * whoever changes the mapping of the same clusters.  Opening, resizing,
 * snapshots, check and amend have the node for themselves.
 *
 * Crash order (docs/block.md): nothing in memory reaches the file but by
 * qcow2_writeback() or by writes that are harmless at any time, so that any
 * subset of the writes since the last sync leaves at most leaked clusters:
 *  1. a refcount grows in the file before anything refers to the cluster;
 *  2. data and new tables are in the file before what points at them;
 *  3. a refcount shrinks, and the cluster is used again, only after the
 *     reference to it is gone from the file;
 *  4. whatever changes several of these at once (snapshots) builds new tables
 *     beside the old and switches by one write of the header's first sector.
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include <endian.h>
#include "block/block-int.h"
#include "util/timer.h"

#define QCOW2_MAGIC 0x514649fb /* "QFI\xfb" */

/* Header: byte offsets. */
enum {
    HDR_MAGIC = 0, HDR_VERSION = 4, HDR_BACKING_OFFSET = 8,
    HDR_BACKING_SIZE = 16, HDR_CLUSTER_BITS = 20, HDR_SIZE = 24,
    HDR_CRYPT = 32, HDR_L1_SIZE = 36, HDR_L1_OFFSET = 40,
    HDR_RT_OFFSET = 48, HDR_RT_CLUSTERS = 56, HDR_NB_SNAPSHOTS = 60,
    HDR_SNAPSHOTS_OFFSET = 64, HDR_V2_LENGTH = 72,
    HDR_INCOMPAT = 72, HDR_COMPAT = 80, HDR_AUTOCLEAR = 88,
    HDR_REFCOUNT_ORDER = 96, HDR_LENGTH = 100, HDR_COMPRESSION = 104,
    HDR_V3_MIN_LENGTH = 104, HDR_V3_LENGTH = 112,
};

/* Header extensions. */
#define EXT_END         0x00000000
#define EXT_BACKING_FMT 0xe2792aca
#define EXT_FEATURES    0x6803f857
#define EXT_CRYPTO      0x0537be77
#define EXT_BITMAPS     0x23852875
#define EXT_DATA_FILE   0x44415441

enum {
    INCOMPAT_DIRTY = 1 << 0, INCOMPAT_CORRUPT = 1 << 1,
    INCOMPAT_DATA_FILE = 1 << 2, INCOMPAT_COMPRESSION = 1 << 3,
    INCOMPAT_EXTL2 = 1 << 4, INCOMPAT_KNOWN = 0x1f,
    COMPAT_LAZY_REFCOUNTS = 1 << 0,
    AUTOCLEAR_BITMAPS = 1 << 0, AUTOCLEAR_DATA_FILE_RAW = 1 << 1,
    AUTOCLEAR_KNOWN = 3,
};

/* Entries of L1 and L2 tables. */
#define QCOW2_COPIED     (UINT64_C(1) << 63) /* refcount is exactly one */
#define QCOW2_COMPRESSED (UINT64_C(1) << 62)
#define QCOW2_ZERO       (UINT64_C(1) << 0)
#define QCOW2_OFFSET     UINT64_C(0x00fffffffffffe00)
#define QCOW2_L1_RESERVED UINT64_C(0x7f000000000001ff)
#define QCOW2_L2_RESERVED UINT64_C(0x3f000000000001fe)
#define QCOW2_RT_RESERVED UINT64_C(0x1ff)

/* Limits that keep crafted images from costing memory. */
#define QCOW2_MAX_L1_BYTES       (32 * MiB)
#define QCOW2_MAX_RT_BYTES       (8 * MiB)
#define QCOW2_MAX_SNAPSHOTS      65536
#define QCOW2_MAX_SNAPSHOT_TABLE (64 * MiB)
#define QCOW2_MAX_SNAPSHOT_EXTRA 1024
#define QCOW2_MAX_BITMAPS        65535
#define QCOW2_MAX_BITMAP_DIR     (64 * MiB)
#define QCOW2_MAX_BITMAP_TABLE   (32 * MiB / 8)
#define QCOW2_MAX_CLUSTER_BITS   21
#define QCOW2_MIN_CLUSTER_BITS   9

enum { COMPRESSION_ZLIB = 0, COMPRESSION_ZSTD = 1 };

/* ---- metadata cache (qcow2-cache.c) ----------------------------------------- */

/* A piece of an L2 table or refcount block. */
typedef struct Qcow2Slice {
    struct Qcow2Slice *next; /* in its hash chain */
    uint64_t offset;         /* in the image file */
    void *data;              /* big endian, as in the file */
    unsigned slot;
    unsigned pins;
    bool dirty;
    bool hot;                /* used since the clock hand passed */
} Qcow2Slice;

typedef struct Qcow2Cache {
    const char *what;
    unsigned bytes;          /* of a slice */
    unsigned max;            /* slices wanted at most */
    unsigned used, dirty, hand;
    Qcow2Slice **slots;      /* used of room */
    unsigned room;
    Qcow2Slice **hash;
    unsigned hash_size;      /* power of two */
} Qcow2Cache;

/* ---- ranges -------------------------------------------------------------------- */

typedef struct Qcow2Range {
    ListNode node;
    uint64_t start, end; /* guest bytes, whole clusters */
    bool exclusive;
} Qcow2Range;

/* ---- the image ------------------------------------------------------------------ */

typedef struct Qcow2Snapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    char *id, *name;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec;
    uint64_t vm_state_size;
    uint64_t disk_size;      /* UINT64_MAX: not in the table */
    uint64_t icount;         /* UINT64_MAX: not in the table */
    uint32_t extra_size;     /* extra data that we do not know, kept */
    uint8_t *extra;
} Qcow2Snapshot;

typedef enum Qcow2FreeKind { FREE_REQUEST, FREE_SNAPSHOT, FREE_OTHER,
                             FREE_NEVER } Qcow2FreeKind;

/* Clusters whose last reference is gone from memory, but not from the file. */
typedef struct Qcow2Free {
    uint64_t first, count; /* clusters */
    Qcow2FreeKind kind;
} Qcow2Free;

typedef struct Qcow2L1Change {
    uint32_t index;
    uint64_t entry;
} Qcow2L1Change;

typedef struct Qcow2Ext {  /* a header extension that we only keep */
    uint32_t magic, len;
    uint8_t *data;
} Qcow2Ext;

typedef struct Qcow2Bitmap { /* an entry of the bitmap directory */
    uint64_t table_offset;
    uint32_t table_size;   /* entries */
    uint32_t flags;
    uint8_t granularity_bits;
    char *name;
    uint64_t dir_at;       /* of its entry in the directory */
} Qcow2Bitmap;
enum { BITMAP_IN_USE = 1, BITMAP_AUTO = 2, BITMAP_EXTRA_COMPATIBLE = 4 };

typedef struct Qcow2State {
    BlockNode *n;
    Mutex lock;
    Cond cond;             /* a writeback ended */

    /* Geometry, fixed while open (but for amend). */
    unsigned version, cluster_bits, l2_bits; /* l2_bits: log2 entries */
    uint64_t cluster_size;
    bool extl2;            /* subclusters */
    unsigned sub_bits;     /* log2 of the smallest mapped unit */
    unsigned l2_entry_size;
    unsigned slice_entries;
    unsigned refcount_order, refcount_bits;
    uint64_t refcount_max;
    unsigned rb_bits;      /* log2 refcounts in a refcount block */
    unsigned compression;
    BlockEdge *data_edge;  /* external data file, or NULL */
    BlockNode *data;       /* where guest data lies */
    char *data_file_name;
    bool data_file_raw;

    /* Header. lock */
    uint64_t size;         /* virtual disk, bytes */
    uint64_t incompat, compat, autoclear;
    uint32_t header_length;
    GPtrArray *exts;       /* Qcow2Ext: unknown ones */
    uint64_t backing_offset;

    uint64_t *l1;          /* host order. lock */
    uint32_t l1_size;
    uint64_t l1_offset;
    GArray *l1_dirty;      /* Qcow2L1Change */

    uint64_t *rt;          /* refcount table, host order. lock */
    uint32_t rt_size;      /* entries */
    uint64_t rt_offset;
    GArray *rt_dirty;      /* uint32_t indices */

    Qcow2Cache l2c, rbc;
    uint64_t free_hint;    /* no free cluster below. lock */
    uint64_t fresh_end;    /* from here on the file reads as zeroes */
    uint64_t comp_pos;     /* next byte for compressed data, 0: none */
    GArray *frees;         /* Qcow2Free waiting for a writeback */
    uint64_t frees_total;
    bool wb_busy;          /* someone writes back with the lock dropped */
    bool settling;         /* everything goes out, lazy or not */
    GHashTable *new_tables; /* L2 tables that the file's L1 does not name */

    Mutex range_lock;      /* leaf, so that a loop may take it: the next two */
    Cond range_cond;       /* a range was left */
    ListNode ranges;
    unsigned range_waiters;
    GHashTable *meta;      /* clusters that hold metadata; NULL: not built */

    Qcow2Snapshot *snapshots;
    unsigned nb_snapshots;
    uint64_t snapshots_offset, snapshots_bytes;

    GPtrArray *bitmaps;    /* Qcow2Bitmap; NULL: not read */
    uint32_t nb_bitmaps;
    uint64_t bitmap_dir_offset, bitmap_dir_size;
    bool bitmaps_loaded;

    /* Options. */
    bool lazy;             /* refcounts are left to a repair */
    _Atomic int sparse_file; /* 1: much of it is holes, -1: no, 0: unknown */
    bool file_zero_init;   /* past its end the file reads as zeroes */
    bool pass_discard[3];  /* by Qcow2FreeKind */
    unsigned overlap;      /* OVERLAP_x */
    uint64_t clean_interval;
    Timer clean_timer;

    Mutex codec_lock;      /* leaf */
    GPtrArray *inflaters, *deflaters; /* idle contexts. codec_lock */
} Qcow2State;

enum {
    OVERLAP_HEADER = 1 << 0, OVERLAP_L1 = 1 << 1, OVERLAP_L2 = 1 << 2,
    OVERLAP_RT = 1 << 3, OVERLAP_RB = 1 << 4, OVERLAP_SNAPSHOTS = 1 << 5,
    OVERLAP_INACTIVE_L1 = 1 << 6, OVERLAP_INACTIVE_L2 = 1 << 7,
    OVERLAP_BITMAPS = 1 << 8,
};

static inline uint32_t get_be32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return be32toh(v);
}

static inline uint64_t get_be64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return be64toh(v);
}

static inline void put_be32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
}

static inline void put_be64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, 8);
}

static inline uint64_t qcow2_bytes_to_clusters(const Qcow2State *s, uint64_t b)
{
    return (b + s->cluster_size - 1) >> s->cluster_bits;
}

static inline uint64_t qcow2_into_cluster(const Qcow2State *s, uint64_t offset)
{
    return offset & (s->cluster_size - 1);
}

/* L1 entries that an image of @size bytes needs. */
static inline uint64_t qcow2_l1_needed(const Qcow2State *s, uint64_t size)
{
    unsigned shift = s->cluster_bits + s->l2_bits;

    return (size >> shift) + ((size & (BIT(shift) - 1)) != 0);
}

static inline BlockNode *qcow2_file(const Qcow2State *s)
{
    return s->n->file->node;
}

/* qcow2-cache.c */
void qcow2_cache_init(Qcow2Cache *c, const char *what, unsigned bytes,
                      uint64_t max_bytes);
void qcow2_cache_destroy(Qcow2Cache *c);
/* The slice at @offset, pinned; read unless @blank (then zeroes).  -errno. */
int qcow2_cache_get(Qcow2State *s, Qcow2Cache *c, uint64_t offset, bool blank,
                    Qcow2Slice **out) REQUIRES(s->lock);
/* Only if it is there already; pinned. */
Qcow2Slice *qcow2_cache_peek(Qcow2Cache *c, uint64_t offset);
static inline void qcow2_cache_put(Qcow2Slice *sl)
{
    sl->pins--;
}
static inline void qcow2_cache_dirty(Qcow2Cache *c, Qcow2Slice *sl)
{
    c->dirty += !sl->dirty;
    sl->dirty = true;
}
static inline void qcow2_cache_cleaned(Qcow2Cache *c, Qcow2Slice *sl)
{
    c->dirty -= sl->dirty;
    sl->dirty = false;
}
/* Forgets what it holds of [offset, offset + bytes): the clusters are free. */
void qcow2_cache_forget(Qcow2Cache *c, uint64_t offset, uint64_t bytes);
/* Forgets everything. */
void qcow2_cache_empty(Qcow2Cache *c);
/* Frees slices unused since the last call. */
void qcow2_cache_trim(Qcow2Cache *c);
/* Dirty ones in file order; g_ptr_array_unref() the result. */
GPtrArray *qcow2_cache_list_dirty(Qcow2Cache *c);
int qcow2_cache_write_one(Qcow2State *s, Qcow2Cache *c, Qcow2Slice *sl)
    REQUIRES(s->lock);

/* qcow2-writeback.c */
/* Everything to the file in order.  @keep_lock: the lock is not dropped.
 * @durable: with a sync at the end. */
int qcow2_writeback(Qcow2State *s, bool keep_lock, bool durable)
    REQUIRES(s->lock);
/* Until nothing is left, refcounts of freed clusters included. */
int qcow2_settle(Qcow2State *s) REQUIRES(s->lock);
/* Sets or clears bits of the header's feature fields, at once. */
int qcow2_write_features(Qcow2State *s) REQUIRES(s->lock);
int qcow2_mark_dirty(Qcow2State *s) REQUIRES(s->lock);
int qcow2_sync(Qcow2State *s);
/* Reports damage and sets the corrupt bit; gives -EIO. */
int qcow2_corrupt(Qcow2State *s, int64_t offset, int64_t size,
                  const char *fmt, ...) PRINTF(4, 5) REQUIRES(s->lock);

/* qcow2-refcount.c */
int qcow2_get_refcount(Qcow2State *s, uint64_t cluster, uint64_t *refcount)
    REQUIRES(s->lock);
/* Counts of 1 << @order bits in a block. */
uint64_t qcow2_rc_get(unsigned order, const void *block, uint64_t index);
void qcow2_rc_put(unsigned order, void *block, uint64_t index, uint64_t value);
/* Adds @delta (+1/-1) to the refcounts of clusters, in memory.  Fails halfway
 * only with leaks. */
int qcow2_add_refcount(Qcow2State *s, uint64_t first, uint64_t count,
                       int delta) REQUIRES(s->lock);
/* 1..@want free clusters in a row, refcounts set to one; -errno or offset. */
int64_t qcow2_alloc(Qcow2State *s, uint64_t want, uint64_t *got, bool *fresh)
    REQUIRES(s->lock);
/* Exactly @count in a row. */
int64_t qcow2_alloc_exact(Qcow2State *s, uint64_t count) REQUIRES(s->lock);
/* Room for compressed data; may continue the cluster used last. */
int64_t qcow2_alloc_bytes(Qcow2State *s, uint32_t bytes) REQUIRES(s->lock);
/* The reference is gone from memory: freed after the next writeback. */
void qcow2_free_later(Qcow2State *s, uint64_t offset, uint64_t bytes,
                      Qcow2FreeKind kind) REQUIRES(s->lock);
/* Never referenced by anything: free at once. */
void qcow2_free_now(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock);
/* After a writeback: what was in the list is free. */
int qcow2_apply_frees(Qcow2State *s, GArray *frees) REQUIRES(s->lock);
/* The cluster after the last one in use. */
int qcow2_end_cluster(Qcow2State *s, uint64_t *end) REQUIRES(s->lock);
/* Would a write of guest data there hit metadata?  0 or -EIO. */
int qcow2_check_overlap(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock);
/* It would not, for sure, by what is in memory. */
bool qcow2_overlaps_nothing(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock);
void qcow2_meta_add(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock);
void qcow2_meta_forget(Qcow2State *s);
void qcow2_compressed_extent(const Qcow2State *s, uint64_t entry,
                             uint64_t *offset, uint32_t *bytes);

/* qcow2-map.c */
typedef enum Qcow2Type {
    QCOW2_UNALLOCATED,      /* the backing file shows through */
    QCOW2_UNALLOCATED_HOST, /* likewise, in a cluster that has room here */
    QCOW2_ZERO_PLAIN,
    QCOW2_ZERO_HOST,
    QCOW2_NORMAL,
    QCOW2_COMPRESSED_DATA,
} Qcow2Type;

typedef struct Qcow2Map {
    Qcow2Type type;
    uint64_t bytes;  /* of the same type; *_HOST and NORMAL: in a row */
    uint64_t host;   /* of the first byte, where there is one */
    uint64_t entry;  /* of the first cluster */
    bool copied;     /* all of them have QCOW2_COPIED */
} Qcow2Map;

/* An L2 entry in memory. */
typedef struct Qcow2L2 {
    Qcow2Slice *slice; /* NULL: no table */
    unsigned index;    /* in the slice */
    unsigned room;     /* entries from here to its end */
} Qcow2L2;

int qcow2_map(Qcow2State *s, uint64_t offset, uint64_t bytes, Qcow2Map *m)
    REQUIRES(s->lock);
/* @write: makes the table (or our own copy of it) first. */
int qcow2_l2_get(Qcow2State *s, uint64_t offset, bool write, Qcow2L2 *l2)
    REQUIRES(s->lock);
static inline void qcow2_l2_put(Qcow2L2 *l2)
{
    if (l2->slice) {
        qcow2_cache_put(l2->slice);
        l2->slice = NULL;
    }
}
uint64_t qcow2_l2_entry(const Qcow2State *s, const Qcow2L2 *l2, unsigned i);
uint64_t qcow2_l2_bitmap(const Qcow2State *s, const Qcow2L2 *l2, unsigned i);
void qcow2_l2_set(Qcow2State *s, Qcow2L2 *l2, unsigned i, uint64_t entry,
                  uint64_t bitmap) REQUIRES(s->lock);
/* Type of subcluster @sc of an entry; -1: makes no sense. */
int qcow2_type(const Qcow2State *s, uint64_t entry, uint64_t bitmap,
               unsigned sc);
/* What an entry holds is not referred to any more. */
void qcow2_free_entry(Qcow2State *s, uint64_t entry, Qcow2FreeKind kind)
    REQUIRES(s->lock);

/* qcow2-io.c */
/* False: had to wait, and what was known about the mapping is stale; nothing
 * is held, try again. */
bool qcow2_range_try(Qcow2State *s, Qcow2Range *r, uint64_t offset,
                     uint64_t bytes, bool exclusive) REQUIRES(s->lock);
void qcow2_range_end(Qcow2State *s, Qcow2Range *r);
int qcow2_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v);
int qcow2_pin(BlockNode *n, uint64_t offset, uint64_t bytes, bool write,
              BlockPin *p);
void qcow2_unpin(BlockNode *n, BlockPin *p);
int qcow2_write_locked(Qcow2State *s, uint64_t offset, uint64_t bytes,
                       BlockVec v) REQUIRES(s->lock);
int qcow2_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                  unsigned flags);
int qcow2_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                        unsigned flags);
int qcow2_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes);
int qcow2_pwritev_compressed(BlockNode *n, uint64_t offset, uint64_t bytes,
                             BlockVec v);
int qcow2_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                       uint64_t bytes, uint64_t *pnum, uint64_t *map,
                       BlockNode **file);
/* Less than a cluster becomes zeroes, as data if need be. */
int qcow2_zero_part(Qcow2State *s, uint64_t offset, uint64_t bytes)
    REQUIRES(s->lock);
/* Sets whole clusters to "reads as zeroes" or, @full, to nothing at all. */
int qcow2_drop_clusters(Qcow2State *s, uint64_t offset, uint64_t bytes,
                        bool full, Qcow2FreeKind kind) REQUIRES(s->lock);
int qcow2_flush(BlockNode *n);
/* As guest data behind the disk's end. */
int qcow2_save_vmstate(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v);
uint64_t qcow2_vmstate_offset(BlockNode *n);
int qcow2_load_vmstate(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v);

/* qcow2-compress.c */
/* Compressed size, or -ENOSPC when it does not get smaller. */
ssize_t qcow2_deflate(Qcow2State *s, void *dst, size_t dst_len,
                      const void *src, size_t src_len);
/* Exactly @dst_len bytes, or -EIO. */
int qcow2_inflate(Qcow2State *s, void *dst, size_t dst_len, const void *src,
                  size_t src_len);
void qcow2_codecs_free(Qcow2State *s);

/* qcow2-txn.c: a new set of metadata beside the old, switched by one write of
 * the header's first sector.  The lock is held from begin to end. */
typedef struct Qcow2Txn {
    Qcow2State *s;
    unsigned order;       /* refcount width of the new state */
    uint64_t n;           /* clusters that the arrays cover */
    uint64_t room;
    uint8_t *now;         /* refcounts of the new state */
    uint8_t *busy;        /* bits: not free in the old state, or taken since */
    uint8_t *was;         /* bits: in use in the old state */
    uint64_t was_n, hint;
    bool full_header;     /* the whole header cluster is written anew */
} Qcow2Txn;
/* @load: start from the counts in the file; else all are zero, and @busy as
 * the caller marks it. */
Qcow2Txn *qcow2_txn_begin(Qcow2State *s, unsigned order, bool load,
                          Error **errp) REQUIRES(s->lock);
void qcow2_txn_free(Qcow2Txn *t);
int64_t qcow2_txn_alloc(Qcow2Txn *t, uint64_t bytes, Error **errp);
uint64_t qcow2_txn_get(Qcow2Txn *t, uint64_t cluster);
bool qcow2_txn_ref(Qcow2Txn *t, uint64_t offset, uint64_t bytes, int delta,
                   Error **errp);
/* Counts all that an L2 entry refers to. */
bool qcow2_txn_ref_entry(Qcow2Txn *t, uint64_t entry, int delta, Error **errp);
void qcow2_txn_mark(Qcow2Txn *t, uint64_t cluster, uint64_t count);
/* Writes a table of host-order entries. */
bool qcow2_txn_write_table(Qcow2Txn *t, uint64_t offset, const uint64_t *table,
                           uint64_t entries, Error **errp);
/* A copy of @table as the new active L1, the old one given up. */
bool qcow2_txn_set_l1(Qcow2Txn *t, uint64_t *table, uint32_t entries,
                      Error **errp);
/* Writes refcounts, syncs, writes the header from @s (which the caller has
 * brought up to date), forgets the caches; frees @t.  False: @s was changed
 * but the file may not be, the node takes no more writes. */
bool qcow2_txn_commit(Qcow2Txn *t, Error **errp);

/* qcow2-header.c */
/* Reads and checks everything but L1 and refcount table contents. */
bool qcow2_read_header(BlockNode *n, Error **errp);
/* Rewrites the header cluster from memory. */
int qcow2_write_header(Qcow2State *s, Error **errp);
/* Header of @s into a cluster-sized buffer; false: does not fit. */
bool qcow2_format_header(Qcow2State *s, uint8_t *buf, Error **errp);
/* Only the fields in the first sector, in one write. */
int qcow2_write_first_sector(Qcow2State *s);
bool qcow2_change_backing(BlockNode *n, const char *file, const char *fmt,
                          Error **errp);
bool qcow2_set_geometry(Qcow2State *s, unsigned cluster_bits, bool extl2,
                        unsigned refcount_order);

/* qcow2-create.c */
extern const BlockCreateOpt qcow2_create_opts[];
bool qcow2_create(const char *filename, QObject *opts, Error **errp);
bool qcow2_create_blockdev(QObject *opts, Error **errp);
QObject *qcow2_measure(QObject *opts, BlockNode *src, Error **errp);
/* Allocates everything in [from, to). */
bool qcow2_preallocate(Qcow2State *s, uint64_t from, uint64_t to,
                       const char *mode, Error **errp) REQUIRES(s->lock);

/* qcow2-resize.c */
bool qcow2_truncate(BlockNode *n, uint64_t bytes, bool exact,
                    const char *prealloc, unsigned flags, Error **errp);
bool qcow2_grow_l1(Qcow2State *s, uint64_t entries, Error **errp)
    REQUIRES(s->lock);
bool qcow2_make_empty(BlockNode *n, Error **errp);

/* qcow2-snapshot.c */
bool qcow2_read_snapshots(Qcow2State *s, Error **errp);
void qcow2_free_snapshots(Qcow2State *s);
bool qcow2_snapshot_create(BlockNode *n, BlockSnapshotInfo *sn, Error **errp);
bool qcow2_snapshot_goto(BlockNode *n, const char *id, Error **errp);
bool qcow2_snapshot_delete(BlockNode *n, const char *id, const char *name,
                           Error **errp);
int qcow2_snapshot_list(BlockNode *n, BlockSnapshotInfo **list);
bool qcow2_snapshot_load_tmp(BlockNode *n, const char *id, const char *name,
                             Error **errp);
/* Rewrites the table (after amend changed the version). */
bool qcow2_rewrite_snapshots(Qcow2State *s, Error **errp) REQUIRES(s->lock);

/* qcow2-check.c */
int qcow2_check(BlockNode *n, BlockCheck *res, unsigned fix);

/* qcow2-amend.c */
bool qcow2_amend(BlockNode *n, QObject *opts, bool force, Error **errp);

/* qcow2-bitmap.c */
bool qcow2_read_bitmap_dir(Qcow2State *s, Error **errp);
bool qcow2_load_bitmaps(Qcow2State *s, Error **errp);
bool qcow2_store_bitmaps(Qcow2State *s, Error **errp);
void qcow2_free_bitmaps(Qcow2State *s);
bool qcow2_can_store_bitmap(BlockNode *n, const char *name,
                            uint32_t granularity, Error **errp);
bool qcow2_remove_bitmap(BlockNode *n, const char *name, Error **errp);
QObject *qcow2_bitmap_info(Qcow2State *s);

/* Subclusters of the cluster at @start that [from, to) covers, as bits. */
static inline uint64_t qcow2_covered_bits(const Qcow2State *s, uint64_t start,
                                          uint64_t from, uint64_t to)
{
    uint64_t a = MAX(from, start), b = MIN(to, start + s->cluster_size);
    unsigned lo = (a - start) >> s->sub_bits, hi = (b - start) >> s->sub_bits;

    return (BIT(hi) - 1) & ~(BIT(lo) - 1);
}

#endif
