/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes, drivers and blocking I/O on them: what drivers, jobs and the block
 * layer's own files see.
 *
 * Drivers are plain blocking code.  Their I/O functions run on pool workers,
 * many at once, with no lock of ours held; what they share they lock
 * themselves.  Opening, closing and changing the graph happens under the BQL
 * with the workers out of the nodes concerned (block_pause_begin()).
 */
#ifndef BLOCK_INT_H
#define BLOCK_INT_H

#include "block/block.h"
#include "util/list.h"
#include "util/thread.h"

/* ---- scatter-gather --------------------------------------------------------- */

/* A place in a vector list: the bytes that follow are the request's. */
typedef struct BlockVec {
    const struct iovec *iov;
    int n;
    size_t skip; /* bytes of iov[0] gone already, < iov[0].iov_len */
} BlockVec;

BlockVec block_vec(const struct iovec *iov, int n);
/* One buffer; @iov is the caller's and must outlive the result. */
BlockVec block_vec_buf(struct iovec *iov, void *buf, size_t len);
size_t block_vec_size(BlockVec v);
BlockVec block_vec_at(BlockVec v, size_t skip); /* further on */
void block_vec_to_buf(BlockVec v, void *buf, size_t len);
void block_vec_from_buf(BlockVec v, const void *buf, size_t len);
void block_vec_zero(BlockVec v, size_t len);
bool block_vec_is_zero(BlockVec v, size_t len);
bool buffer_is_zero(const void *buf, size_t len);
/* At most @max entries covering at most @len bytes; *covered says how many. */
int block_vec_fill(BlockVec v, size_t len, struct iovec *out, int max,
                   size_t *covered);

/* ---- drivers ------------------------------------------------------------------ */

typedef struct BlockDriver BlockDriver;
typedef struct BlockEdge BlockEdge;

/* Open flags. */
enum {
    BLK_O_RDWR = 1 << 0,
    BLK_O_AUTO_RDONLY = 1 << 1, /* read-only when read-write is refused */
    BLK_O_DIRECT = 1 << 2,      /* cache.direct */
    BLK_O_NO_FLUSH = 1 << 3,    /* cache.no-flush */
    BLK_O_UNMAP = 1 << 4,       /* discard=unmap */
    BLK_O_NO_BACKING = 1 << 5,  /* do not open the backing file */
    BLK_O_CHECK = 1 << 6,       /* qemu-img check: damaged is fine */
    BLK_O_FORCE_SHARE = 1 << 7, /* no locks, read-only */
    BLK_O_COPY_ON_READ = 1 << 8,
    BLK_O_NO_IO = 1 << 9,       /* facts only: guest data is never read */
    BLK_O_PROBED = 1 << 10,     /* raw by probing: sector 0 is guarded */
    BLK_O_SNAPSHOT = 1 << 11,   /* writes go to a temporary overlay */
    BLK_O_WRITETHROUGH = 1 << 12, /* of the backend, not the node */
    BLK_O_INACTIVE = 1 << 13,
};

/* block_status bits. */
enum {
    BLK_ST_DATA = 1 << 0,       /* reads come from the place named */
    BLK_ST_ZERO = 1 << 1,       /* reads as zeroes */
    BLK_ST_OFFSET_VALID = 1 << 2, /* *map is the byte in *file */
    BLK_ST_RAW = 1 << 3,        /* ask *file (filters, raw) */
    BLK_ST_ALLOCATED = 1 << 4,  /* this layer decides, not its backing file */
    BLK_ST_EOF = 1 << 5,
    BLK_ST_RECURSE = 1 << 6,    /* *file may know of holes */
    BLK_ST_COMPRESSED = 1 << 7,
};

typedef enum BlockKind { BLK_FORMAT, BLK_PROTOCOL, BLK_FILTER } BlockKind;

/* What `check` found; see qemu-img check. */
typedef struct BlockCheck {
    int64_t corruptions, leaks, check_errors;
    int64_t corruptions_fixed, leaks_fixed;
    int64_t image_end_offset;
    int64_t total_clusters, allocated_clusters, fragmented_clusters,
        compressed_clusters; /* 0 totals: the format has no such thing */
} BlockCheck;
enum { BLK_FIX_LEAKS = 1, BLK_FIX_ERRORS = 2 };

typedef struct BlockSnapshotInfo {
    char id[128], name[256];
    uint64_t vm_state_size;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec;
    uint64_t disk_size; /* UINT64_MAX: not stored */
    uint64_t icount;    /* UINT64_MAX: none */
} BlockSnapshotInfo;

/* An option of create/amend: for -o help and for checking. */
typedef struct BlockCreateOpt {
    const char *name;   /* NULL ends a table */
    enum { BLK_OPT_STR, BLK_OPT_BOOL, BLK_OPT_NUM, BLK_OPT_SIZE } type;
    const char *help;
    const char *def;    /* shown by -o help, may be NULL */
    bool amend;         /* `amend` takes it too */
} BlockCreateOpt;

typedef struct BlockPin BlockPin;

struct BlockDriver {
    const char *name;     /* "qcow2" */
    BlockKind kind;
    const char *protocol; /* "nbd": FILENAMEs "nbd:..." are its; NULL: none */
    size_t state_size;    /* of BlockNode.state, zeroed before open */
    /* Score 0..100 for the first bytes of a file; NULL: never probed. */
    int (*probe)(const uint8_t *buf, size_t len, const char *filename);
    bool supports_backing;
    bool is_internal;     /* not for -blockdev */
    bool zero_past_end;   /* what was never written behind the end is zero */

    /* Takes its keys out of @opts (leftovers are errors of the caller's), opens
     * children by node_open_child()/node_open_backing(), sets n->length. */
    bool (*open)(BlockNode *n, QObject *opts, Error **errp);
    void (*close)(BlockNode *n);
    /* New flags (read-only <-> read-write, cache): checked and applied. */
    bool (*reopen)(BlockNode *n, unsigned flags, QObject *opts, Error **errp);
    /* The driver's own file name for a json-less description; g_free. */
    char *(*describe)(const BlockNode *n);
    /* What the edge to a child needs and shares, given what the parents of
     * @n do; NULL: by kind. */
    void (*child_perm)(BlockNode *n, const BlockEdge *e, unsigned perm,
                       unsigned shared, unsigned *nperm, unsigned *nshared);
    /* The permissions on @n became these: protocol drivers lock the file. */
    bool (*set_perm)(BlockNode *n, unsigned perm, unsigned shared,
                     Error **errp);

    /* I/O, on workers.  0 or -errno; requests lie within the node's length
     * (which is rounded up to request_alignment) and are aligned to it. */
    int (*preadv)(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v);
    int (*pwritev)(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                   unsigned flags);
    /*
     * The way past the workers (block/direct.h), on the backend's loop: never
     * waits, takes locks only when they are free; -EAGAIN: a worker must do it.
     * A layer says where the bytes lie: p->below and p->where, where writes
     * may go as they are; it keeps them there until unpin.  Below NULL: they
     * read as zeroes.
     */
    int (*pin)(BlockNode *n, uint64_t offset, uint64_t bytes, bool write,
               BlockPin *p);
    void (*unpin)(BlockNode *n, BlockPin *p);
    /* The bottom: all of it at once, or -EAGAIN. */
    int (*rw_nowait)(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                     bool write);
    /* Its engine (BlockAioKind) and descriptor. */
    int (*aio_kind)(BlockNode *n, int *fd);
    /* NULL or -ENOTSUP: written as data. */
    int (*pwrite_zeroes)(BlockNode *n, uint64_t offset, uint64_t bytes,
                         unsigned flags);
    int (*pdiscard)(BlockNode *n, uint64_t offset, uint64_t bytes);
    /* Out of the driver's own caches; the node then flushes its children. */
    int (*flush)(BlockNode *n);
    int (*pwritev_compressed)(BlockNode *n, uint64_t offset, uint64_t bytes,
                              BlockVec v);
    /* @exact: an image that stays larger is an error.  @prealloc: "off",
     * "metadata", "falloc", "full". */
    bool (*truncate)(BlockNode *n, uint64_t bytes, bool exact,
                     const char *prealloc, unsigned flags, Error **errp);
    /* Bytes now, or -errno; NULL: n->length. */
    int64_t (*getlength)(BlockNode *n);
    /* Status at @offset: bits, or -errno; *pnum (1..@bytes) bytes share it. */
    int (*block_status)(BlockNode *n, bool want_zero, uint64_t offset,
                        uint64_t bytes, uint64_t *pnum, uint64_t *map,
                        BlockNode **file);

    /* Image files. */
    const BlockCreateOpt *create_opts;
    /* @opts: strings or JSON types; "size" and the names of create_opts. */
    bool (*create)(const char *filename, QObject *opts, Error **errp);
    /* blockdev-create: the options of the QMP type; NULL: refused. */
    bool (*create_blockdev)(QObject *opts, Error **errp);
    bool (*amend)(BlockNode *n, QObject *opts, bool force, Error **errp);
    int (*check)(BlockNode *n, BlockCheck *res, unsigned fix);
    /* Bytes on the host, or -errno. */
    int64_t (*allocated_size)(BlockNode *n);
    uint32_t (*cluster_size)(BlockNode *n);   /* 0: none */
    QObject *(*specific_info)(BlockNode *n);  /* "format-specific", or NULL */
    bool (*dirty_flag)(BlockNode *n);
    /* "required"/"fully-allocated"/"bitmaps"; @src may be NULL. */
    QObject *(*measure)(QObject *opts, BlockNode *src, Error **errp);
    bool (*make_empty)(BlockNode *n, Error **errp);
    bool (*change_backing)(BlockNode *n, const char *file, const char *fmt,
                           Error **errp);

    bool (*snapshot_create)(BlockNode *n, BlockSnapshotInfo *sn, Error **errp);
    bool (*snapshot_goto)(BlockNode *n, const char *id, Error **errp);
    bool (*snapshot_delete)(BlockNode *n, const char *id, const char *name,
                            Error **errp);
    /* g_free the array; -errno, or the number. */
    int (*snapshot_list)(BlockNode *n, BlockSnapshotInfo **list);
    bool (*snapshot_load_tmp)(BlockNode *n, const char *id, const char *name,
                              Error **errp);
    int (*save_vmstate)(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v);
    int (*load_vmstate)(BlockNode *n, uint64_t pos, uint64_t bytes, BlockVec v);
    uint64_t (*vmstate_offset)(BlockNode *n);
    /* Between two nodes of this driver, by the host; -ENOTSUP: cannot. */
    int (*copy_range)(BlockNode *from, uint64_t src, BlockNode *to,
                      uint64_t dst, uint64_t bytes);

    /* blkdebug: an event of a format above; breakpoints.  0 or -errno. */
    void (*debug_event)(BlockNode *n, const char *event);
    int (*debug_break)(BlockNode *n, const char *event, const char *tag);
    int (*debug_resume)(BlockNode *n, const char *tag, bool remove);
    bool (*debug_held)(BlockNode *n, const char *tag);

    /* Persistent bitmaps: see dirty-bitmap functions below. */
    bool (*can_store_bitmap)(BlockNode *n, const char *name,
                             uint32_t granularity, Error **errp);
    bool (*remove_bitmap)(BlockNode *n, const char *name, Error **errp);
};

void block_driver_register(const BlockDriver *drv); /* from block_init() */
const BlockDriver *block_driver_find(const char *name);
void block_driver_foreach(void (*fn)(const BlockDriver *drv, void *opaque),
                          void *opaque);
/* The best match for the first bytes; raw if none scores. */
const BlockDriver *block_driver_probe(const uint8_t *buf, size_t len,
                                      const char *filename);

/* Formats and protocols of QEMU's that this program does not have. */
bool block_driver_foreign(const char *name);
/* What an image is, when it is of such a format; NULL: it is not. */
const char *block_probe_foreign(const uint8_t *buf, size_t len);

/* ---- the graph ------------------------------------------------------------------ */

/* A parent's hold on a node. */
struct BlockEdge {
    ListNode parent_node; /* in parent->children (a node's edge) */
    ListNode child_node;  /* in node->parents */
    char *role;           /* "file", "backing", "root", ...; owned */
    BlockNode *node;      /* the child */
    BlockNode *parent;    /* NULL: a backend's or a job's */
    BlockBackend *blk;    /* then: the backend */
    unsigned perm, shared;
};

/* A request on a node, while it may conflict with others. */
typedef struct TrackedRequest {
    ListNode node;
    uint64_t offset, bytes;
    bool serialising;
    bool write;
} TrackedRequest;

/* One layer of a request that passes it by: see BlockDriver.pin. */
struct BlockPin {
    BlockNode *node;
    TrackedRequest tracked;
    BlockNode *below;
    uint64_t where;
    void *token;          /* the driver's */
};

typedef struct DirtyBitmap DirtyBitmap;

struct BlockNode {
    const BlockDriver *drv;
    void *state;
    char name[32];          /* node-name; "#blockNNN" when nobody chose */
    char *filename;         /* of messages and queries; owned, never NULL */
    char *exact_filename;   /* plain file name, or "" */
    unsigned flags;         /* BLK_O_x */
    QObject *opts;          /* as given, for reopen; owned */
    int detect_zeroes;      /* 0 off, 1 on, 2 unmap */
    unsigned refs;          /* parents' edges, the monitor, ... */
    bool monitor_owned;     /* blockdev-add made it; one of refs */
    ListNode all;           /* block_nodes, in order of creation */
    ListNode children, parents; /* BlockEdge */
    BlockEdge *file, *backing;  /* among children, or NULL */
    /* From the image, for queries: what it names as its backing file. */
    char *backing_file, *backing_format; /* owned, may be NULL */
    bool backing_overridden;   /* the user chose another */

    /* Set by open/truncate, read by workers. */
    _Atomic uint64_t length;   /* bytes */
    uint32_t request_alignment; /* power of two, 1..64 KiB */
    uint32_t mem_alignment;
    uint64_t max_transfer;     /* 0: none */
    uint32_t pdiscard_alignment, pwrite_zeroes_alignment; /* 0: none */
    unsigned supported_zero_flags, supported_write_flags;
    bool encrypted, corrupt;

    /* Requests. */
    Mutex lock;                /* leaf: tracked, bitmaps */
    Cond cond;
    ListNode tracked;          /* TrackedRequest.node */
    unsigned serialising;      /* of them; lock */
    _Atomic uint64_t write_gen;   /* counts finished writes */
    _Atomic uint64_t flushed_gen; /* highest that a flush covered */
    _Atomic uint64_t wr_highest_offset;
    _Atomic uint64_t write_threshold; /* 0: none */
    ListNode bitmaps;          /* DirtyBitmap.node; BQL, bits under lock */
    unsigned nbitmaps;
};

extern ListNode block_nodes;
BlockNode *node_find(const char *name);

/*
 * Opens a node from a nested option dict ("driver", "file", "node-name",
 * "read-only", "cache", ... ), which is consumed.  @flags are what the parent
 * hands down; options override.  Without "driver" the format is probed
 * (through "file").  The caller owns the returned reference.
 */
BlockNode *node_open(QObject *opts, unsigned flags, Error **errp);
/* FILENAME as users write it: a path, "json:{...}", "PROTOCOL:...".
 * @opts may be NULL; consumed. */
BlockNode *node_open_filename(const char *filename, QObject *opts,
                              unsigned flags, Error **errp);
/* In a driver's open: the child named by the key @role of @opts (a node name,
 * a nested dict, or for "file" also "filename").  False with an error when it
 * is missing. */
BlockEdge *node_open_child(BlockNode *n, QObject *opts, const char *role,
                           Error **errp);
/* Likewise "backing": an option (a node name, a dict, null) or n->backing_file.
 * True also when there is none. */
bool node_open_backing(BlockNode *n, QObject *opts, Error **errp);
void node_ref(BlockNode *n);
void node_unref(BlockNode *n); /* the last one closes it; NULL is fine */
/* A new node of @drv without driver-level open (overlay of tests, filters made
 * by jobs); @name NULL: generated. */
BlockEdge *node_attach_child(BlockNode *parent, BlockNode *child,
                             const char *role, Error **errp); /* takes a ref */
void node_detach_child(BlockEdge *e);
/* A backend's hold, detached like the others. */
BlockEdge *node_attach_backend(BlockBackend *blk, BlockNode *child,
                               unsigned perm, unsigned shared, Error **errp);
bool edge_set_perm(BlockEdge *e, unsigned perm, unsigned shared, Error **errp);
/* Makes all parents of @from point to @to (filters inserted or taken out). */
bool node_replace(BlockNode *from, BlockNode *to, Error **errp);
bool node_set_backing(BlockNode *n, BlockNode *backing, Error **errp);
/* Applies new flags/options through the driver; drains. */
bool node_reopen(BlockNode *n, unsigned flags, QObject *opts, Error **errp);
/* Recomputes permissions below @n after an edge above changed. */
bool node_update_perm(BlockNode *n, Error **errp);
static inline bool node_is_read_only(const BlockNode *n)
{
    return !(n->flags & BLK_O_RDWR);
}
/* Names as messages show them: the node's name, or its backend's. */
const char *node_device_or_name(const BlockNode *n);
/* Absolute name of @target as named inside an image at @base; g_free. */
char *block_path_combine(const char *base, const char *target);
bool block_path_has_protocol(const char *path);
/* "json:{...}" or a file name; g_free. */
char *node_describe(const BlockNode *n);

/* Copies what @blk's layers above @base hold into it, and then empties the
 * topmost (@empty).  Blocking; in the emulator with the graph paused.  @step
 * (may be NULL) hears of the place and of the bytes copied. */
typedef void (*BlockCommitStep)(void *opaque, uint64_t at, uint64_t copied);
bool block_commit(BlockBackend *blk, BlockNode *base, bool empty,
                  BlockCommitStep step, void *opaque, Error **errp);

/* Keeps workers out of the whole graph, so that it can change; nests.  BQL. */
void block_pause_begin(void);
void block_pause_end(void);

/* A format announces what it is about to do, by QEMU's names ("l2_load"). */
static inline void node_debug_event(BlockNode *n, const char *event)
{
    if (n->drv->debug_event) {
        n->drv->debug_event(n, event);
    }
}

/* Marks the image damaged: no writes from now on; tells the user once. */
void node_mark_corrupt(BlockNode *n, bool fatal, int64_t offset, int64_t size,
                       const char *fmt, ...) PRINTF(5, 6);

/* ---- blocking I/O on nodes: workers, tools, open functions ------------------ */

int node_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                unsigned flags);
int node_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                 unsigned flags);
int node_pread(BlockNode *n, uint64_t offset, void *buf, size_t bytes);
int node_pwrite(BlockNode *n, uint64_t offset, const void *buf, size_t bytes);
/* ... followed by a flush. */
int node_pwrite_sync(BlockNode *n, uint64_t offset, const void *buf,
                     size_t bytes);
int node_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                       unsigned flags);
int node_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes);
/* Copies within the host (reflinks, offload) where both sides are plain ranges
 * of files; -ENOTSUP: by hand, please. */
int node_copy_range(BlockNode *from, uint64_t src, BlockNode *to, uint64_t dst,
                    uint64_t bytes);
int node_flush(BlockNode *n);
bool node_truncate(BlockNode *n, uint64_t bytes, bool exact,
                   const char *prealloc, unsigned flags, Error **errp);
int64_t node_getlength(BlockNode *n); /* asks the driver */
int node_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                      uint64_t bytes, uint64_t *pnum, uint64_t *map,
                      BlockNode **file);
/* Over the backing chain down to (not including) @base, NULL: all of it;
 * *depth (may be NULL): 1 for @n itself.  ALLOCATED: somewhere above @base. */
int node_block_status_above(BlockNode *n, BlockNode *base, bool want_zero,
                            uint64_t offset, uint64_t bytes, uint64_t *pnum,
                            uint64_t *map, BlockNode **file, int *depth);
int64_t node_allocated_size(BlockNode *n);
/* The node that guest data of @n comes from: through filters. */
BlockNode *node_skip_filters(BlockNode *n);
/* The backing node, through filters; NULL if none. */
BlockNode *node_backing(BlockNode *n);

/* Aligned buffer for I/O on @n; free with free(). */
void *node_buffer(const BlockNode *n, size_t bytes);

/* Range locks of copy-on-read and read-modify-write. */
void node_track_begin(BlockNode *n, TrackedRequest *t, uint64_t offset,
                      uint64_t bytes, bool write, bool serialising);
void node_track_end(BlockNode *n, TrackedRequest *t);
/* A plain one; false: it would have to wait. */
bool node_track_try(BlockNode *n, TrackedRequest *t, uint64_t offset,
                    uint64_t bytes, bool write);
/* Neither place nor memory needs a buffer in between? */
bool node_request_aligned(const BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v);
/* A write was carried out. */
void node_note_write(BlockNode *n, uint64_t offset, uint64_t bytes);

/* ---- dirty bitmaps (dirty-bitmap.c) ------------------------------------------ */

struct DirtyBitmap {
    ListNode node;
    char *name;             /* NULL: a job's own */
    BlockNode *owner;
    uint32_t granularity;   /* bytes, power of two */
    uint64_t size;          /* bytes covered */
    uint64_t *bits;         /* owner->lock */
    uint64_t count;         /* dirty granules; owner->lock */
    bool enabled, persistent, inconsistent, busy, skip_store;
};
DirtyBitmap *dirty_bitmap_new(BlockNode *n, const char *name,
                              uint32_t granularity, Error **errp);
void dirty_bitmap_free(DirtyBitmap *b);
DirtyBitmap *dirty_bitmap_find(BlockNode *n, const char *name);
void dirty_bitmap_set(DirtyBitmap *b, uint64_t offset, uint64_t bytes);
void dirty_bitmap_reset(DirtyBitmap *b, uint64_t offset, uint64_t bytes);
bool dirty_bitmap_get(DirtyBitmap *b, uint64_t offset);
/* First dirty or clean byte at or after @offset; UINT64_MAX: none. */
uint64_t dirty_bitmap_next(DirtyBitmap *b, uint64_t offset, bool dirty);
/* A write happened (I/O path). */
void node_bitmaps_mark(BlockNode *n, uint64_t offset, uint64_t bytes);
void node_bitmaps_resize(BlockNode *n, uint64_t bytes);

/* A temporary overlay over @base that is gone when it is closed. */
BlockNode *block_temp_overlay(BlockNode *base, Error **errp);
/* cache=MODE of -drive and the tools; false: no such mode. */
bool block_cache_mode(const char *mode, unsigned *flags, bool *writethrough);

/* ---- creating image files ------------------------------------------------------ */

/* qemu-img create: @opts as of create_opts; the file appears or an error. */
bool block_create(const BlockDriver *drv, const char *filename, QObject *opts,
                  Error **errp);
/* The plain file under an image, truncated to nothing, with the "preallocation"
 * of @opts left alone: for formats' create. */
bool block_create_file(const char *filename, uint64_t size,
                       const char *prealloc, Error **errp);

#endif
