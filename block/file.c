/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and block devices of the host: drivers `file`, `host_device`,
 * `host_cdrom`.  Blocking system calls on pool workers.
 *
 * Image locking: open-file-description byte locks that QEMU's tools respect
 * and set too.  Byte 100 + n says that permission n (BLK_PERM_x) is in use,
 * byte 200 + n that it is not shared; both are read locks, and a holder is
 * found by testing for a write lock.
 */
#include "osdep.h"
#include <dirent.h>
#include <linux/cdrom.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "block/aio.h"
#include "block/block-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"

#define LOCK_USED     100
#define LOCK_UNSHARED 200
#define LOCK_BITS     4
#define IOV_CHUNK     256

typedef struct FileState {
    int fd;
    bool device;         /* block device, not a regular file */
    bool locking;
    unsigned locked_used, locked_unshared; /* bits we hold */
    BlockAioKind aio;
    _Atomic bool no_nowait[2]; /* no RWF_NOWAIT here for reads, writes */
    bool in_memory;         /* tmpfs: nothing to wait for, but no flag either */
    _Atomic bool no_zero_range, no_punch, no_write_zeroes_dev;
    _Atomic int flush_error; /* -errno: data may be lost, for good */
} FileState;

/* ---- locks ------------------------------------------------------------------- */

static int lock_byte(int fd, off_t byte, bool on)
{
    struct flock fl = { .l_type = on ? F_RDLCK : F_UNLCK,
                        .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

/* Someone else's lock on that byte? */
static bool byte_taken(int fd, off_t byte)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
                        .l_start = byte, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

/* " (held by PROGRAM, pid N)": who else has the file open; "" if unknown. */
static char *find_holder(int fd)
{
    struct stat us, st;
    DIR *proc;
    struct dirent *de;
    char *found = NULL;

    if (fstat(fd, &us) < 0 || !(proc = opendir("/proc"))) {
        return g_strdup("");
    }
    while (!found && (de = readdir(proc))) {
        g_autofree char *dir = NULL;
        struct dirent *fe;
        DIR *fds;
        long pid = strtol(de->d_name, NULL, 10);

        if (pid <= 0 || pid == getpid()) {
            continue;
        }
        dir = g_strdup_printf("/proc/%ld/fd", pid);
        fds = opendir(dir);
        while (fds && !found && (fe = readdir(fds))) {
            if (fstatat(dirfd(fds), fe->d_name, &st, 0) == 0 &&
                st.st_dev == us.st_dev && st.st_ino == us.st_ino) {
                g_autofree char *path = g_strdup_printf("/proc/%ld/comm", pid);
                g_autofree char *comm = NULL;

                g_file_get_contents(path, &comm, NULL, NULL);
                found = g_strdup_printf(" (held by %s, pid %ld)",
                                        comm ? g_strchomp(comm) : "?", pid);
            }
        }
        if (fds) {
            closedir(fds);
        }
    }
    closedir(proc);
    return found ? found : g_strdup("");
}

static void drop_locks(FileState *s, unsigned used, unsigned unshared)
{
    for (int i = 0; i < LOCK_BITS; i++) {
        unsigned bit = 1u << i;

        if (used & s->locked_used & bit) {
            lock_byte(s->fd, LOCK_USED + i, false);
            s->locked_used &= ~bit;
        }
        if (unshared & s->locked_unshared & bit) {
            lock_byte(s->fd, LOCK_UNSHARED + i, false);
            s->locked_unshared &= ~bit;
        }
    }
}

static bool file_set_perm(BlockNode *n, unsigned perm, unsigned shared,
                          Error **errp)
{
    static const char *const names[] = { "consistent read", "write",
                                         "write unchanged", "resize" };
    FileState *s = n->state;
    unsigned unshared = BLK_PERM_ALL & ~shared;
    unsigned new_used = perm & ~s->locked_used;
    unsigned new_unshared = unshared & ~s->locked_unshared;

    if (!s->locking || (n->flags & BLK_O_FORCE_SHARE)) {
        return true;
    }
    for (int i = 0; i < LOCK_BITS; i++) {
        unsigned bit = 1u << i;
        int ret = 0;

        if (new_used & bit) {
            ret = lock_byte(s->fd, LOCK_USED + i, true);
            s->locked_used |= ret == 0 ? bit : 0;
        }
        if (ret == 0 && (new_unshared & bit)) {
            ret = lock_byte(s->fd, LOCK_UNSHARED + i, true);
            s->locked_unshared |= ret == 0 ? bit : 0;
        }
        if (ret < 0 && ret != -EAGAIN && ret != -EACCES) {
            s->locking = false; /* a file system without locks */
            return true;
        }
    }
    for (int i = 0; i < LOCK_BITS; i++) {
        unsigned bit = 1u << i;
        bool taken = ((new_used & bit) && byte_taken(s->fd, LOCK_UNSHARED + i));
        bool used = ((new_unshared & bit) && byte_taken(s->fd, LOCK_USED + i));

        if (taken || used) {
            g_autofree char *who = find_holder(s->fd);

            error_setg(errp, "Failed to get %s\"%s\" lock on '%s'%s",
                       taken ? "" : "shared ", names[i], n->filename, who);
            error_append_hint(errp, "Is another process using the image "
                              "[%s]?", n->filename);
            drop_locks(s, new_used, new_unshared);
            return false;
        }
    }
    drop_locks(s, ~perm, ~unshared);
    return true;
}

/* ---- opening ----------------------------------------------------------------- */

/* The smallest transfer that O_DIRECT takes here. */
static void find_alignment(BlockNode *n, FileState *s)
{
    int sector = 0;
    void *buf;

    n->request_alignment = 1;
    n->mem_alignment = 1;
    if (s->device && ioctl(s->fd, BLKSSZGET, &sector) == 0 && sector > 0 &&
        (sector & (sector - 1)) == 0 && sector <= 65536) {
        n->request_alignment = sector;
    }
    if (!(n->flags & BLK_O_DIRECT)) {
        return;
    }
    n->mem_alignment = 4096;
    n->request_alignment = 4096;
    if (posix_memalign(&buf, 4096, 8192) != 0) {
        return;
    }
    for (uint32_t a = 512; a < 4096; a *= 2) {
        if (pread(s->fd, buf, a, 0) >= 0 &&
            pread(s->fd, (char *)buf + a, a, 0) >= 0) {
            n->request_alignment = a;
            n->mem_alignment = a;
            break;
        }
    }
    free(buf);
}

static int64_t file_getlength(BlockNode *n)
{
    FileState *s = n->state;
    struct stat st;
    uint64_t size;

    if (s->device) {
        if (ioctl(s->fd, BLKGETSIZE64, &size) == 0) {
            return MIN(size, (uint64_t)BLK_MAX_LENGTH);
        }
        off_t end = lseek(s->fd, 0, SEEK_END);

        return end < 0 ? -errno : end;
    }
    return fstat(s->fd, &st) < 0 ? -errno : st.st_size;
}

static int open_flags(unsigned flags, bool cdrom)
{
    return ((flags & BLK_O_RDWR) ? O_RDWR : O_RDONLY) | O_CLOEXEC |
           ((flags & BLK_O_DIRECT) ? O_DIRECT : 0) |
           (cdrom ? O_NONBLOCK : 0);
}

/* Not every kernel lets everybody have every engine. */
static BlockAioKind usable_aio(BlockAioKind kind)
{
    Error *err = NULL;
    BlockAio *a;

    if (kind == BLOCK_AIO_THREADS) {
        return kind;
    }
    a = block_aio_new(kind, loop_current(), &err);
    if (!a) {
        error_report("warning: %s; using the worker pool",
                     error_get_pretty(err));
        error_free(err);
        return BLOCK_AIO_THREADS;
    }
    block_aio_free(a);
    return kind;
}

static bool open_any(BlockNode *n, QObject *opts, bool want_device, bool cdrom,
                     Error **errp)
{
    static const char *const locks[] = { "auto", "on", "off", NULL };
    static const char *const aios[] = { "threads", "native", "io_uring", NULL };
    FileState *s = n->state;
    g_autofree char *filename = NULL;
    int locking = 0, aio = 0;
    struct statfs fs;
    struct stat st;
    int64_t len;

    s->fd = -1;
    if (!opts_take_str(opts, "filename", &filename, errp) ||
        !opts_take_enum(opts, "locking", locks, &locking, errp) ||
        !opts_take_enum(opts, "aio", aios, &aio, errp)) {
        return false;
    }
    if (!filename || !*filename) {
        error_setg(errp, "The '%s' block driver requires a file name",
                   n->drv->name);
        return false;
    }
    if (aio == 1 && !(n->flags & BLK_O_DIRECT)) {
        error_setg(errp, "aio=native was specified, but is not supported in "
                   "this configuration: it requires cache.direct=on");
        return false;
    }
    s->aio = usable_aio(aio);
    s->fd = open_path(filename, open_flags(n->flags, cdrom), 0);
    if (s->fd < 0 && (n->flags & BLK_O_RDWR) &&
        ((n->flags & BLK_O_AUTO_RDONLY) || cdrom) &&
        (errno == EACCES || errno == EROFS || errno == EPERM)) {
        n->flags &= ~(unsigned)BLK_O_RDWR;
        s->fd = open_path(filename, open_flags(n->flags, cdrom), 0);
    }
    if (s->fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", filename);
        return false;
    }
    if (fstat(s->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", filename);
        goto fail;
    }
    s->device = S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode);
    if (!want_device && !S_ISREG(st.st_mode)) {
        error_setg(errp, "'file' driver requires '%s' to be a regular file",
                   filename);
        goto fail;
    }
    if (want_device && !s->device) {
        error_setg(errp, "'%s' driver requires '%s' to be either a character "
                   "or block device", n->drv->name, filename);
        goto fail;
    }
    s->locking = locking == 1 || (locking == 0 && !s->device);
    g_free(n->filename);
    n->filename = g_strdup(filename);
    g_free(n->exact_filename);
    n->exact_filename = g_strdup(filename);
    s->in_memory = fstatfs(s->fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
    find_alignment(n, s);
    n->supported_zero_flags = BLK_REQ_MAY_UNMAP;
    if (s->device && (n->flags & BLK_O_UNMAP)) {
        n->pdiscard_alignment = MAX(n->request_alignment, 512);
    }
    len = file_getlength(n);
    if (len < 0 && !cdrom) {
        error_setg_errno(errp, -len, "Could not get the size of '%s'",
                         filename);
        goto fail;
    }
    n->length = MAX(len, 0);
    return true;

fail:
    close(s->fd);
    s->fd = -1;
    return false;
}

static bool file_open(BlockNode *n, QObject *opts, Error **errp)
{
    return open_any(n, opts, false, false, errp);
}

static bool device_open(BlockNode *n, QObject *opts, Error **errp)
{
    return open_any(n, opts, true, false, errp);
}

static bool cdrom_open(BlockNode *n, QObject *opts, Error **errp)
{
    n->flags &= ~(unsigned)BLK_O_RDWR;
    return open_any(n, opts, true, true, errp);
}

static void file_close(BlockNode *n)
{
    FileState *s = n->state;

    if (s->fd >= 0) {
        close(s->fd); /* and with it all locks */
    }
}

static bool file_reopen(BlockNode *n, unsigned flags, QObject *opts,
                        Error **errp)
{
    FileState *s = n->state;
    unsigned relevant = BLK_O_RDWR | BLK_O_DIRECT;
    unsigned used = s->locked_used, unshared = s->locked_unshared;
    int fd;

    if (((flags ^ n->flags) & relevant) == 0) {
        return true;
    }
    fd = open_path(n->filename, open_flags(flags, false), 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not reopen '%s'", n->filename);
        return false;
    }
    for (int i = 0; i < LOCK_BITS; i++) {
        if (used & (1u << i)) {
            lock_byte(fd, LOCK_USED + i, true);
        }
        if (unshared & (1u << i)) {
            lock_byte(fd, LOCK_UNSHARED + i, true);
        }
    }
    close(s->fd);
    s->fd = fd;
    n->flags = (n->flags & ~relevant) | (flags & relevant);
    find_alignment(n, s);
    return true;
}

/* ---- I/O ----------------------------------------------------------------------- */

static int transfer(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                    bool write)
{
    FileState *s = n->state;

    while (bytes > 0) {
        struct iovec iov[IOV_CHUNK];
        size_t len;
        int cnt = block_vec_fill(v, MIN(bytes, 1 * GiB), iov, IOV_CHUNK, &len);
        ssize_t done;

        if (cnt == 0) {
            return -EINVAL;
        }
        done = write ? pwritev(s->fd, iov, cnt, offset)
                     : preadv(s->fd, iov, cnt, offset);
        if (done < 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            return -errno;
        }
        if (done == 0) {
            if (write) {
                return -ENOSPC;
            }
            block_vec_zero(v, bytes); /* the end of the file */
            return 0;
        }
        offset += done;
        bytes -= done;
        v = block_vec_at(v, done);
    }
    return 0;
}

static int file_preadv(BlockNode *n, uint64_t offset, uint64_t bytes,
                       BlockVec v)
{
    return transfer(n, offset, bytes, v, false);
}

static int file_rw_nowait(BlockNode *n, uint64_t offset, uint64_t bytes,
                          BlockVec v, bool write)
{
    FileState *s = n->state;
    struct iovec iov[IOV_CHUNK];
    int cnt, flags = s->in_memory ? 0 : RWF_NOWAIT;
    ssize_t done;
    size_t len;

    if (s->device || s->no_nowait[write] || (n->flags & BLK_O_DIRECT)) {
        return -EAGAIN;
    }
    cnt = block_vec_fill(v, bytes, iov, IOV_CHUNK, &len);
    if (len < bytes) {
        return -EAGAIN;
    }
    done = write ? pwritev2(s->fd, iov, cnt, offset, flags)
                 : preadv2(s->fd, iov, cnt, offset, flags);
    if (done == (ssize_t)bytes) {
        return 0;
    }
    /* The rest, and what is wrong, is found out by a worker. */
    s->no_nowait[write] = done < 0 && errno == EOPNOTSUPP;
    return -EAGAIN;
}

static int file_aio_kind(BlockNode *n, int *fd)
{
    FileState *s = n->state;

    *fd = s->fd;
    return s->aio;
}

static int file_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes,
                        BlockVec v, unsigned flags)
{
    return transfer(n, offset, bytes, v, true);
}

static int file_copy_range(BlockNode *from, uint64_t src, BlockNode *to,
                           uint64_t dst, uint64_t bytes)
{
    FileState *a = from->state, *b = to->state;
    loff_t in = src, out = dst;

    while (bytes > 0) {
        ssize_t n = copy_file_range(a->fd, &in, b->fd, &out, bytes, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) { /* 0: past the end of the source */
            return n == 0 || errno == EXDEV || errno == ENOSYS ||
                   errno == EINVAL || errno == EOPNOTSUPP ? -ENOTSUP : -errno;
        }
        bytes -= n;
    }
    return 0;
}

static int do_fallocate(int fd, int mode, uint64_t offset, uint64_t bytes)
{
    int ret;

    do {
        ret = fallocate(fd, mode, offset, bytes);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static bool unsupported(int ret)
{
    return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENOTTY ||
           ret == -EINVAL || ret == -EPERM;
}

static int file_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                              unsigned flags)
{
    FileState *s = n->state;
    bool extends = offset + bytes > n->length;
    int ret;

    if (s->device) {
        uint64_t range[2] = { offset, bytes };

        if (s->no_write_zeroes_dev || (flags & BLK_REQ_MAY_UNMAP) == 0) {
            /* BLKZEROOUT is quick only where the device has it. */
            if (s->no_write_zeroes_dev) {
                return -ENOTSUP;
            }
        }
        if (ioctl(s->fd, BLKZEROOUT, range) == 0) {
            return 0;
        }
        if (unsupported(-errno)) {
            s->no_write_zeroes_dev = true;
            return -ENOTSUP;
        }
        return -errno;
    }
    if ((flags & BLK_REQ_MAY_UNMAP) && !s->no_punch) {
        ret = do_fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           offset, bytes);
        if (ret == 0 && extends && ftruncate(s->fd, offset + bytes) < 0) {
            return -errno;
        }
        if (ret == 0 || !unsupported(ret)) {
            return ret;
        }
        s->no_punch = true;
    }
    if (!s->no_zero_range) {
        ret = do_fallocate(s->fd, FALLOC_FL_ZERO_RANGE, offset, bytes);
        if (ret == 0 || !unsupported(ret)) {
            return ret;
        }
        s->no_zero_range = true;
    }
    if (!s->no_punch && !extends) {
        /* A hole filled again: zeroes with their space kept. */
        ret = do_fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           offset, bytes);
        if (ret == 0) {
            ret = do_fallocate(s->fd, 0, offset, bytes);
            return unsupported(ret) ? 0 : ret;
        }
        if (!unsupported(ret)) {
            return ret;
        }
        s->no_punch = true;
    }
    return -ENOTSUP;
}

static int file_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    FileState *s = n->state;
    int ret;

    if (s->device) {
        uint64_t range[2] = { offset, bytes };

        ret = ioctl(s->fd, BLKDISCARD, range) < 0 ? -errno : 0;
    } else {
        if (s->no_punch) {
            return -ENOTSUP;
        }
        ret = do_fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           offset, bytes);
    }
    if (unsupported(ret)) {
        s->no_punch = true;
        return -ENOTSUP;
    }
    return ret;
}

static int file_flush(BlockNode *n)
{
    FileState *s = n->state;

    if (n->flags & BLK_O_NO_FLUSH) {
        return 0;
    }
    if (s->flush_error) {
        return s->flush_error;
    }
    if (fdatasync(s->fd) < 0) {
        int ret = -errno;

        /* The kernel has dropped the dirty pages: later success would lie. */
        if (ret != -EINTR) {
            s->flush_error = ret;
        }
        return ret;
    }
    return 0;
}

static bool preallocate(int fd, uint64_t from, uint64_t to, const char *how,
                        Error **errp)
{
    if (from >= to || !strcmp(how, "off")) {
        return true;
    }
    if (!strcmp(how, "falloc")) {
        int ret = posix_fallocate(fd, from, to - from);

        if (ret) {
            error_setg_errno(errp, ret, "Could not preallocate data");
        }
        return ret == 0;
    }
    if (!strcmp(how, "full")) {
        g_autofree char *zero = g_malloc0(64 * KiB);

        while (from < to) {
            ssize_t done = pwrite(fd, zero, MIN(to - from, 64 * KiB), from);

            if (done < 0 && errno == EINTR) {
                continue;
            }
            if (done <= 0) {
                error_setg_errno(errp, done < 0 ? errno : ENOSPC,
                                 "Could not write zeros for preallocation");
                return false;
            }
            from += done;
        }
        if (fsync(fd) < 0) {
            error_setg_errno(errp, errno, "Could not flush file to disk");
            return false;
        }
        return true;
    }
    error_setg(errp, "Unsupported preallocation mode '%s'", how);
    return false;
}

static bool file_truncate(BlockNode *n, uint64_t bytes, bool exact,
                          const char *prealloc, unsigned flags, Error **errp)
{
    FileState *s = n->state;
    uint64_t old = n->length;

    if (s->device) {
        int64_t len = file_getlength(n);

        if (strcmp(prealloc, "off")) {
            error_setg(errp, "Preallocation mode '%s' unsupported for this "
                       "device", prealloc);
            return false;
        }
        if (len < 0 || bytes > (uint64_t)len || (exact && bytes != (uint64_t)len)) {
            error_setg(errp, "Cannot resize device files");
            return false;
        }
        n->length = len;
        return true;
    }
    if (ftruncate(s->fd, bytes) < 0) {
        error_setg_errno(errp, errno, "Failed to resize '%s'", n->filename);
        return false;
    }
    if (!preallocate(s->fd, old, bytes, prealloc, errp)) {
        if (ftruncate(s->fd, old) < 0) {
            error_append_hint(errp, "The file keeps its new size");
        }
        return false;
    }
    n->length = bytes;
    return true;
}

static int64_t file_allocated_size(BlockNode *n)
{
    FileState *s = n->state;
    struct stat st;

    return fstat(s->fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512;
}

static int file_block_status(BlockNode *n, bool want_zero, uint64_t offset,
                             uint64_t bytes, uint64_t *pnum, uint64_t *map,
                             BlockNode **file)
{
    FileState *s = n->state;
    off_t data, hole;

    *map = offset;
    *file = n;
    *pnum = bytes;
    if (!want_zero || s->device) {
        return BLK_ST_DATA | BLK_ST_OFFSET_VALID;
    }
    data = lseek(s->fd, offset, SEEK_DATA);
    if (data < 0) {
        /* ENXIO: a hole to the end of the file. */
        return errno == ENXIO ? BLK_ST_ZERO | BLK_ST_OFFSET_VALID
                              : BLK_ST_DATA | BLK_ST_OFFSET_VALID;
    }
    if ((uint64_t)data > offset) {
        *pnum = MIN(bytes, (uint64_t)data - offset);
        if (*pnum < bytes) {
            *pnum = ROUND_DOWN(*pnum, n->request_alignment);
        }
        if (*pnum > 0) {
            return BLK_ST_ZERO | BLK_ST_OFFSET_VALID;
        }
        *pnum = MIN(bytes, n->request_alignment);
        return BLK_ST_DATA | BLK_ST_OFFSET_VALID;
    }
    hole = lseek(s->fd, offset, SEEK_HOLE);
    if (hole > 0 && (uint64_t)hole > offset) {
        *pnum = MIN(bytes, ROUND_UP((uint64_t)hole - offset,
                                    n->request_alignment));
    }
    return BLK_ST_DATA | BLK_ST_OFFSET_VALID;
}

/* ---- creating ------------------------------------------------------------------ */

bool block_create_file(const char *filename, uint64_t size,
                       const char *prealloc, Error **errp)
{
    struct stat st;
    const char *path = g_str_has_prefix(filename, "file:") ? filename + 5
                                                           : filename;
    int fd;
    bool ok = false;

    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        uint64_t len = 0;

        fd = open_path(path, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0) {
            error_setg_errno(errp, errno, "Could not open '%s'", path);
            return false;
        }
        ok = ioctl(fd, BLKGETSIZE64, &len) == 0 && len >= size;
        if (!ok) {
            error_setg(errp, "Device '%s' is smaller than the image", path);
        }
        close(fd);
        return ok;
    }
    fd = open_path(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not create '%s'", path);
        return false;
    }
    /* Somebody's image is not cut under their feet. */
    for (int i = 0; i < LOCK_BITS; i++) {
        if (byte_taken(fd, LOCK_UNSHARED + i) || byte_taken(fd, LOCK_USED + i)) {
            g_autofree char *who = find_holder(fd);

            error_setg(errp, "Failed to get \"write\" lock on '%s'%s", path,
                       who);
            error_append_hint(errp, "Is another process using the image "
                              "[%s]?", path);
            close(fd);
            return false;
        }
    }
    if (ftruncate(fd, 0) < 0 || ftruncate(fd, size) < 0) {
        error_setg_errno(errp, errno, "Could not resize '%s'", path);
    } else {
        ok = preallocate(fd, 0, size, prealloc ? prealloc : "off", errp);
    }
    if (close(fd) < 0 && ok) {
        error_setg_errno(errp, errno, "Could not close '%s'", path);
        ok = false;
    }
    return ok;
}

static bool file_create(const char *filename, QObject *opts, Error **errp)
{
    g_autofree char *prealloc = NULL;
    uint64_t size = 0;
    bool nocow = false;

    return opts_take_size(opts, "size", &size, errp) &&
           opts_take_str(opts, "preallocation", &prealloc, errp) &&
           opts_take_bool(opts, "nocow", &nocow, errp) &&
           block_create_file(filename, size, prealloc, errp);
}

static const BlockCreateOpt file_create_opts[] = {
    { "preallocation", BLK_OPT_STR,
      "Preallocation mode (allowed values: off, falloc, full)", "off" },
    { "size", BLK_OPT_SIZE, "Virtual disk size", NULL },
    { NULL }
};

#define FILE_IO \
    .state_size = sizeof(FileState), \
    .kind = BLK_PROTOCOL, \
    .close = file_close, \
    .reopen = file_reopen, \
    .set_perm = file_set_perm, \
    .preadv = file_preadv, \
    .rw_nowait = file_rw_nowait, \
    .aio_kind = file_aio_kind, \
    .pwritev = file_pwritev, \
    .pwrite_zeroes = file_pwrite_zeroes, \
    .pdiscard = file_pdiscard, \
    .flush = file_flush, \
    .truncate = file_truncate, \
    .getlength = file_getlength, \
    .allocated_size = file_allocated_size, \
    .copy_range = file_copy_range, \
    .block_status = file_block_status

static const BlockDriver driver_file = {
    .name = "file",
    .protocol = "file",
    .zero_past_end = true,
    .open = file_open,
    .create = file_create,
    .create_opts = file_create_opts,
    FILE_IO,
};

static const BlockDriver driver_host_device = {
    .name = "host_device",
    .open = device_open,
    FILE_IO,
};

static const BlockDriver driver_host_cdrom = {
    .name = "host_cdrom",
    .open = cdrom_open,
    FILE_IO,
};

static void file_register(void)
{
    block_driver_register(&driver_file);
    block_driver_register(&driver_host_device);
    block_driver_register(&driver_host_cdrom);
}
block_init(file_register)
