/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block layer as devices, machines and monitors see it.  A BlockBackend
 * ("drive") is what a device holds: requests go in on one event loop and come
 * back there.  Under it lies a graph of nodes, format over protocol over file
 * (docs/block.md; drivers see block/block-int.h).
 *
 * Unless said otherwise: the backend's loop, or any thread with the BQL when
 * that is the main loop.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include "osdep.h"
#include <sys/uio.h>
#include "util/error.h"
#include "util/loop.h"
#include "util/object.h"
#include "util/property.h"
#include "util/qobject.h"

typedef struct BlockNode BlockNode;
typedef struct BlockBackend BlockBackend;
typedef struct BlockRequest BlockRequest;

#define BLK_SECTOR 512
/* Largest image and offset that any layer takes. */
#define BLK_MAX_LENGTH (INT64_MAX & ~(int64_t)0xffff)

/* Who may do what at the same time (bits of use and of sharing). */
enum {
    BLK_PERM_CONSISTENT_READ = 1 << 0,
    BLK_PERM_WRITE = 1 << 1,
    BLK_PERM_WRITE_UNCHANGED = 1 << 2, /* writes that change no contents */
    BLK_PERM_RESIZE = 1 << 3,
    BLK_PERM_ALL = 0xf,
};

/* Request flags. */
enum {
    BLK_REQ_FUA = 1 << 0,         /* on stable storage before it is done */
    BLK_REQ_MAY_UNMAP = 1 << 1,   /* zeroes may become holes */
    BLK_REQ_NO_FALLBACK = 1 << 2, /* zeroes: -ENOTSUP rather than writing */
    BLK_REQ_COMPRESSED = 1 << 3,  /* whole clusters, stored compressed */
    BLK_REQ_COPY_ON_READ = 1 << 4,
};

/* ---- life of a backend ---------------------------------------------------- */

/* Without a node: an empty drive.  @name "" for an anonymous one. */
BlockBackend *blk_new(const char *name, unsigned perm, unsigned shared);
void blk_ref(BlockBackend *blk);
void blk_unref(BlockBackend *blk); /* the last one drains; NULL is fine */
/* The named one; NULL if there is none. */
BlockBackend *blk_find(const char *name);
/* All of them, named or not, in order of creation; NULL starts and ends. */
BlockBackend *blk_next(BlockBackend *blk);
const char *blk_name(const BlockBackend *blk);
BlockNode *blk_node(const BlockBackend *blk); /* NULL: no medium */
/* Puts a node in (takes its own reference) or takes the medium out. */
bool blk_insert_node(BlockBackend *blk, BlockNode *node, Error **errp);
void blk_remove_node(BlockBackend *blk);
bool blk_set_perm(BlockBackend *blk, unsigned perm, unsigned shared,
                  Error **errp);
/* Convenience for tools: opens @filename (probing when @format is NULL). */
BlockBackend *blk_open(const char *filename, const char *format,
                       QObject *options, unsigned flags, Error **errp);

/* ---- facts ---------------------------------------------------------------- */

bool blk_is_inserted(const BlockBackend *blk);
bool blk_is_available(const BlockBackend *blk); /* inserted, tray closed */
bool blk_is_read_only(const BlockBackend *blk);
bool blk_is_writable(const BlockBackend *blk);
/* Bytes, or -ENOMEDIUM and other -errno. */
int64_t blk_length(BlockBackend *blk);
/* Smallest request in bytes that needs no read-modify-write. */
uint32_t blk_request_alignment(const BlockBackend *blk);
/* Alignment of buffers that avoids a copy. */
size_t blk_mem_alignment(const BlockBackend *blk);
bool blk_write_cache(const BlockBackend *blk);
/* Off: every write is followed by a flush. */
void blk_set_write_cache(BlockBackend *blk, bool on);
EventLoop *blk_loop(const BlockBackend *blk);
/* Drains, then moves requests and completions to @loop. */
void blk_set_loop(BlockBackend *blk, EventLoop *loop);

/* ---- requests ------------------------------------------------------------- */

/* On the backend's loop; @ret is 0 or -errno.  A whole transfer or none. */
typedef void (*BlockDone)(void *opaque, int ret);

/*
 * The vectors and what they point at stay valid until @done, which always
 * comes, later (never from within the call), once.  @offset and length are
 * bytes; outside the image gives -EIO.
 */
BlockRequest *blk_aio_preadv(BlockBackend *blk, uint64_t offset,
                             const struct iovec *iov, int niov, unsigned flags,
                             BlockDone done, void *opaque);
BlockRequest *blk_aio_pwritev(BlockBackend *blk, uint64_t offset,
                              const struct iovec *iov, int niov,
                              unsigned flags, BlockDone done, void *opaque);
BlockRequest *blk_aio_pwrite_zeroes(BlockBackend *blk, uint64_t offset,
                                    uint64_t bytes, unsigned flags,
                                    BlockDone done, void *opaque);
BlockRequest *blk_aio_pdiscard(BlockBackend *blk, uint64_t offset,
                               uint64_t bytes, BlockDone done, void *opaque);
BlockRequest *blk_aio_flush(BlockBackend *blk, BlockDone done, void *opaque);
/* Asks for an early end: done() still comes, with -ECANCELED if it helped. */
void blk_aio_cancel(BlockRequest *req);

/* The same on the calling thread, blocking (start-up, flash, tools). */
int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, size_t bytes);
int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf,
               size_t bytes, unsigned flags);
int blk_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
               int niov);
int blk_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
                int niov, unsigned flags);
int blk_pwrite_zeroes(BlockBackend *blk, uint64_t offset, uint64_t bytes,
                      unsigned flags);
int blk_pdiscard(BlockBackend *blk, uint64_t offset, uint64_t bytes);
int blk_flush(BlockBackend *blk);
bool blk_truncate(BlockBackend *blk, uint64_t bytes, bool exact,
                  const char *prealloc, Error **errp);

/* Waits until @blk (or every backend) has no request under way and all
 * done() have run.  Main thread, or @blk's loop. */
void blk_drain(BlockBackend *blk);
void blk_drain_all(void);
/* Flushes every node; 0 or the first -errno. */
int blk_flush_all(void);
bool blk_in_flight(const BlockBackend *blk);

/* ---- errors: rerror=, werror= ---------------------------------------------- */

typedef enum BlockErrorPolicy {
    BLK_ON_ERROR_REPORT, BLK_ON_ERROR_IGNORE, BLK_ON_ERROR_ENOSPC,
    BLK_ON_ERROR_STOP, BLK_ON_ERROR_AUTO, BLK_ON_ERROR_MAX
} BlockErrorPolicy;
typedef enum BlockErrorAction {
    BLK_ACTION_REPORT, /* tell the guest */
    BLK_ACTION_IGNORE, /* as if it had gone well */
    BLK_ACTION_STOP,   /* keep the request, try again when the VM runs */
} BlockErrorAction;

void blk_set_on_error(BlockBackend *blk, BlockErrorPolicy on_read,
                      BlockErrorPolicy on_write);
BlockErrorPolicy blk_get_on_error(const BlockBackend *blk, bool is_read);
/* What to do about @error (positive errno): counts it, emits BLOCK_IO_ERROR,
 * and asks for the VM's stop where that is the action. */
BlockErrorAction blk_error_action(BlockBackend *blk, bool is_read, int error);
/* `io-status` of query-block; a device that retries enables it. */
void blk_iostatus_enable(BlockBackend *blk);
void blk_iostatus_reset(BlockBackend *blk);

/* ---- the device on top ------------------------------------------------------ */

typedef struct BlockDevOps {
    /* The medium came (@load) or went.  False refuses. */
    bool (*change_media)(void *opaque, bool load, Error **errp);
    /* The host wants the tray open: ask the guest; @force: do it now. */
    void (*eject_request)(void *opaque, bool force);
    bool (*is_tray_open)(void *opaque);
    bool (*is_medium_locked)(void *opaque);
    void (*resize)(void *opaque);
} BlockDevOps;

/* One device a backend.  @qdev: its id or path, as query-block shows it. */
bool blk_attach_dev(BlockBackend *blk, const char *qdev, const BlockDevOps *ops,
                    void *opaque, Error **errp);
void blk_detach_dev(BlockBackend *blk);
/* NULL: none. */
const char *blk_attached_dev(const BlockBackend *blk);
BlockBackend *blk_find_by_qdev(const char *qdev);
bool blk_has_removable_media(const BlockBackend *blk);
/* The guest opened or closed the tray: tells clients. */
void blk_eject(BlockBackend *blk, bool open);

/* "drive": a backend's name or a node's; field type BlockBackend *. */
extern const PropertyInfo prop_drive;
#define PROP_DRIVE(n, S, f) PROP_(n, S, f, BlockBackend *, prop_drive, 0)
/* Properties that all disk devices have; filled in by blk_conf_*. */
typedef struct BlockConf {
    BlockBackend *blk;
    uint32_t logical_block_size, physical_block_size; /* 0: by default */
    uint32_t min_io_size, opt_io_size, discard_granularity;
    OnOffAuto write_cache;
    bool share_rw;
    int32_t rerror, werror; /* BlockErrorPolicy; AUTO: the drive's */
    uint32_t cyls, heads, secs; /* 0: guess */
    int32_t bios_chs_trans;     /* BIOS_TRANS_x */
    char *serial;
} BlockConf;
enum { BIOS_TRANS_AUTO, BIOS_TRANS_NONE, BIOS_TRANS_LBA, BIOS_TRANS_LARGE,
       BIOS_TRANS_RECHS };
extern const PropertyInfo prop_on_error, prop_bios_chs_trans;
#define PROP_BLOCK_CONF(S, f) \
    PROP_BLOCK_CONF_NO_SERIAL(S, f), \
    PROP_STR("serial", S, f.serial)
#define PROP_BLOCK_CONF_NO_SERIAL(S, f) \
    PROP_DRIVE("drive", S, f.blk), \
    PROP_SIZE32("logical_block_size", S, f.logical_block_size, 0), \
    PROP_SIZE32("physical_block_size", S, f.physical_block_size, 0), \
    PROP_SIZE32("min_io_size", S, f.min_io_size, 0), \
    PROP_SIZE32("opt_io_size", S, f.opt_io_size, 0), \
    PROP_SIZE32("discard_granularity", S, f.discard_granularity, UINT32_MAX), \
    PROP_ON_OFF_AUTO("write-cache", S, f.write_cache, ON_OFF_AUTO_AUTO), \
    PROP_BOOL("share-rw", S, f.share_rw, false), \
    PROP_("rerror", S, f.rerror, int32_t, prop_on_error, BLK_ON_ERROR_AUTO), \
    PROP_("werror", S, f.werror, int32_t, prop_on_error, BLK_ON_ERROR_AUTO)
/* Checks the properties against the drive and applies them: block sizes,
 * permissions (@read_only: the device never writes; @resizable: it copes with
 * a new size), error policy, write cache.  @qdev and @ops: blk_attach_dev(). */
bool blk_conf_realize(BlockConf *conf, bool read_only, bool resizable,
                      const char *qdev, const BlockDevOps *ops, void *opaque,
                      Error **errp);
void blk_conf_unrealize(BlockConf *conf);
/* Fills cyls, heads, secs and the translation from the properties, a partition
 * table, or the size. */
bool blk_conf_geometry(BlockConf *conf, unsigned max_cyls, unsigned max_heads,
                       unsigned max_secs, Error **errp);

/* ---- -drive ------------------------------------------------------------------ */

typedef enum DriveIf {
    DRIVE_IF_NONE, DRIVE_IF_IDE, DRIVE_IF_SCSI, DRIVE_IF_FLOPPY,
    DRIVE_IF_PFLASH, DRIVE_IF_MTD, DRIVE_IF_SD, DRIVE_IF_VIRTIO, DRIVE_IF_MAX
} DriveIf;
typedef struct DriveInfo {
    ListNode node;
    BlockBackend *blk;     /* owned */
    DriveIf type;
    int bus, unit;
    bool is_cdrom;
    bool claimed;          /* a device was made for it */
    char *loc;             /* the option, for messages */
    char *serial;          /* serial= of 0.12 */
    uint32_t cyls, heads, secs;
    int trans;
} DriveInfo;

/* The drive at a place, or NULL; max_bus: highest bus number used, or -1. */
DriveInfo *drive_get(DriveIf type, int bus, int unit);
DriveInfo *drive_next(DriveInfo *after); /* NULL starts */
int drive_max_bus(DriveIf type);
DriveInfo *drive_by_blk(const BlockBackend *blk);
/* A -drive option's dict (keys as typed).  @block_default: what if= is when it
 * is absent. */
DriveInfo *drive_new(const QObject *opts, DriveIf block_default, bool snapshot,
                     const char *loc, Error **errp);
/* After all devices: drives with if= that nothing took are an error. */
bool drive_check_orphans(Error **errp);
/* drive_del: the medium goes at once, the drive with its device. */
void drive_delete(BlockBackend *blk);
/* -blockdev / blockdev-add. */
bool blockdev_add(const QObject *opts, Error **errp);

/* Closes everything (end of the process), then forgets the drives. */
void block_cleanup(void);
void drives_cleanup(void);

/* Hooks by which the emulator hears of things; NULL in tools. */
typedef struct BlockHooks {
    void (*io_error)(BlockBackend *blk, bool is_read, BlockErrorAction action,
                     int error);
    void (*image_corrupted)(BlockNode *node, bool fatal, const char *msg,
                            int64_t offset, int64_t size);
    void (*tray_moved)(BlockBackend *blk, bool open);
    void (*write_threshold)(BlockNode *node, uint64_t exceeded,
                            uint64_t threshold);
} BlockHooks;
extern BlockHooks block_hooks;

#endif
