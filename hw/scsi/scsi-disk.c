/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI disk and CD-ROM: SBC-3, SPC-3; the CD's own commands are in scsi-cd.c,
 * inquiry and mode pages in scsi-pages.c.
 *
 *     parse: mode and length of each command
 *     start: control commands reply at once; reads, writes, flushes go to the
 *            block layer with the initiator's own vectors
 *
 * An error of the host's goes by rerror/werror: the request may be held until
 * the VM runs again, and then starts from its beginning.
 */
#include "osdep.h"
#include "hw/scsi/scsi-disk-int.h"
#include "util/log.h"

#define SAME_CHUNK (512 * KiB) /* WRITE SAME writes that much at once */

static SCSIDisk *disk_of(SCSIDevice *d)
{
    return (SCSIDisk *)d;
}

uint64_t scsi_disk_blocks(const SCSIDisk *s)
{
    int64_t len = blk_is_inserted(s->conf.blk) ? blk_length(s->conf.blk) : 0;

    return len > 0 ? (uint64_t)len / s->block_size : 0;
}

/* ---- addresses --------------------------------------------------------------- */

/* First block and count of a command that has them. */
static void range_of(const uint8_t *c, uint64_t *lba, uint32_t *n)
{
    switch (c[0] >> 5) {
    case 0:
        *lba = (c[1] & 0x1f) << 16 | be16(c + 2);
        *n = c[4] ? c[4] : 256;
        break;
    case 1:
    case 2:
        *lba = be32(c + 2);
        *n = be16(c + 7);
        break;
    case 4:
        *lba = be64(c + 2);
        *n = be32(c + 10);
        break;
    default:
        *lba = be32(c + 2);
        *n = be32(c + 6);
    }
}

static bool in_range(const SCSIDisk *s, uint64_t lba, uint64_t n)
{
    uint64_t blocks = scsi_disk_blocks(s);

    return lba <= blocks && n <= blocks - lba;
}

static bool is_read(uint8_t op)
{
    return op == READ_6 || op == READ_10 || op == READ_12 || op == READ_16;
}

static bool is_write(uint8_t op)
{
    return op == WRITE_6 || op == WRITE_10 || op == WRITE_12 ||
           op == WRITE_16 || op == WRITE_VERIFY_10 || op == WRITE_VERIFY_12 ||
           op == WRITE_VERIFY_16;
}

static bool is_verify(uint8_t op)
{
    return op == VERIFY_10 || op == VERIFY_12 || op == VERIFY_16;
}

/* ---- what a command moves ------------------------------------------------------- */

static bool disk_parse(SCSIDevice *d, SCSIRequest *req)
{
    SCSIDisk *s = disk_of(d);
    const uint8_t *c = req->cdb;
    uint64_t lba;
    uint32_t n;

    range_of(c, &lba, &n);
    if (is_read(c[0]) || is_write(c[0])) {
        req->mode = is_read(c[0]) ? SCSI_FROM_DEV : SCSI_TO_DEV;
        req->xfer = (uint64_t)n * s->block_size;
        return true;
    }
    if (is_verify(c[0])) {
        /* BYTCHK: compare with data. */
        req->mode = SCSI_TO_DEV;
        req->xfer = (c[1] >> 1 & 3) == 1   ? (uint64_t)n * s->block_size
                    : (c[1] >> 1 & 3) == 3 ? s->block_size
                                           : 0;
        return true;
    }
    switch (c[0]) {
    case REQUEST_SENSE:
    case MODE_SENSE_6:
        req->mode = SCSI_FROM_DEV;
        req->xfer = c[4];
        return true;
    case INQUIRY:
        req->mode = SCSI_FROM_DEV;
        req->xfer = be16(c + 3);
        return true;
    case MODE_SENSE_10:
        req->mode = SCSI_FROM_DEV;
        req->xfer = be16(c + 7);
        return true;
    case READ_CAPACITY_10:
        req->mode = SCSI_FROM_DEV;
        req->xfer = 8;
        return true;
    case SERVICE_ACTION_IN_16:
        req->mode = SCSI_FROM_DEV;
        req->xfer = be32(c + 10);
        return true;
    case MODE_SELECT_6:
        req->mode = SCSI_TO_DEV;
        req->xfer = c[4];
        return true;
    case MODE_SELECT_10:
    case UNMAP:
        req->mode = SCSI_TO_DEV;
        req->xfer = be16(c + 7);
        return true;
    case SEND_DIAGNOSTIC:
        req->mode = SCSI_TO_DEV;
        req->xfer = be16(c + 3);
        return true;
    case WRITE_SAME_10:
    case WRITE_SAME_16:
        req->mode = SCSI_TO_DEV;
        req->xfer = c[0] == WRITE_SAME_16 && c[1] & 1 ? 0 : s->block_size;
        return true;
    }
    return s->is_cd && scsi_cd_parse(s, req);
}

/* ---- the block layer's part -------------------------------------------------------- */

static void disk_start(SCSIDevice *d, SCSIRequest *req);

/* True: the error was seen to, the request is over or held. */
static bool io_failed(SCSIRequest *req, int ret)
{
    SCSIDevice *d = req->dev;
    SCSIDisk *s = disk_of(d);
    bool reading = req->mode == SCSI_FROM_DEV || is_verify(req->cdb[0]);

    d->in_flight--;
    req->aio = NULL;
    if (req->cancelled) {
        scsi_req_done(req, SCSI_TASK_ABORTED);
        return true;
    }
    if (ret == 0) {
        return false;
    }
    switch (blk_error_action(s->conf.blk, reading, -ret)) {
    case BLK_ACTION_IGNORE:
        return false;
    case BLK_ACTION_STOP:
        req->held = true;
        return true;
    default:
        break;
    }
    switch (-ret) {
    case ENOMEDIUM:
        scsi_req_fail(req, SENSE_NO_MEDIUM);
        break;
    case ENOSPC:
        scsi_req_fail(req, SENSE_SPACE_ALLOC);
        break;
    case EINVAL:
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        break;
    case ENOMEM:
        scsi_req_fail(req, SENSE_TARGET_FAILURE);
        break;
    default:
        scsi_req_fail(req, reading ? SENSE_READ_ERROR : SENSE_WRITE_ERROR);
    }
    return true;
}

static void simple_done(void *opaque, int ret)
{
    SCSIRequest *req = opaque;

    if (!io_failed(req, ret)) {
        scsi_req_done(req, SCSI_GOOD);
    }
}

static void rw_done(void *opaque, int ret)
{
    SCSIRequest *req = opaque;

    if (!io_failed(req, ret)) {
        req->done = req->xfer;
        scsi_req_done(req, SCSI_GOOD);
    }
}

/* The initiator's vectors, @len bytes of them. */
static const struct iovec *data_iov(SCSIRequest *req, uint64_t len, int *n)
{
    uint64_t have = 0;
    int i;

    for (i = 0; i < req->niov && have < len; i++) {
        have += req->iov[i].iov_len;
    }
    *n = i;
    if (have <= len) {
        return req->iov;
    }
    req->cut = g_memdup2(req->iov, i * sizeof(*req->iov));
    req->cut[i - 1].iov_len -= have - len;
    return req->cut;
}

static uint64_t room_of(const SCSIRequest *req)
{
    uint64_t n = 0;

    for (int i = 0; i < req->niov; i++) {
        n += req->iov[i].iov_len;
    }
    return n;
}

static void start_rw(SCSIDisk *s, SCSIRequest *req)
{
    bool reading = is_read(req->cdb[0]);
    bool fua = req->cdb[0] > 0x1f && req->cdb[1] & 8;
    const struct iovec *iov;
    uint64_t lba;
    uint32_t n;
    int niov;

    range_of(req->cdb, &lba, &n);
    if (!reading && !blk_is_writable(s->conf.blk)) {
        scsi_req_fail(req, SENSE_WRITE_PROTECTED);
        return;
    }
    if (req->cdb[0] > 0x1f && req->cdb[1] & 0xe0) {
        scsi_req_fail(req, SENSE_INVALID_FIELD); /* no protection data */
        return;
    }
    if (!in_range(s, lba, n)) {
        scsi_req_fail(req, SENSE_LBA_RANGE);
        return;
    }
    if (n == 0) {
        scsi_req_done(req, SCSI_GOOD);
        return;
    }
    if (room_of(req) < req->xfer) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    iov = data_iov(req, req->xfer, &niov);
    s->sd.in_flight++;
    if (reading) {
        req->aio = blk_aio_preadv(s->conf.blk, lba * s->block_size, iov, niov,
                                  0, rw_done, req);
    } else {
        req->aio = blk_aio_pwritev(s->conf.blk, lba * s->block_size, iov, niov,
                                   fua ? BLK_REQ_FUA : 0, rw_done, req);
    }
}

/* VERIFY with data: read and compare, a piece at a time. */
static void verify_next(SCSIDisk *s, SCSIRequest *req);

static void verify_done(void *opaque, int ret)
{
    SCSIRequest *req = opaque;
    SCSIDisk *s = disk_of(req->dev);
    bool one = (req->cdb[1] >> 1 & 3) == 3;
    uint64_t part = MIN(req->left, SAME_CHUNK);
    g_autofree uint8_t *want = NULL;

    if (io_failed(req, ret)) {
        return;
    }
    want = g_malloc(part);
    for (uint64_t at = 0; at < part; at += one ? s->block_size : part) {
        scsi_req_data(req, one ? 0 : req->done, want + at,
                      one ? s->block_size : part);
    }
    if (memcmp(want, req->buf, part) != 0) {
        scsi_req_fail(req, SENSE_MISCOMPARE);
        return;
    }
    req->done += one ? 0 : part;
    req->offset += part;
    req->left -= part;
    verify_next(s, req);
}

static void verify_next(SCSIDisk *s, SCSIRequest *req)
{
    if (req->left == 0) {
        req->done = req->xfer;
        scsi_req_done(req, SCSI_GOOD);
        return;
    }
    g_free(req->cut);
    req->cut = g_new(struct iovec, 1);
    *req->cut = (struct iovec){ req->buf, MIN(req->left, SAME_CHUNK) };
    s->sd.in_flight++;
    req->aio = blk_aio_preadv(s->conf.blk, req->offset, req->cut, 1, 0,
                              verify_done, req);
}

static void start_verify(SCSIDisk *s, SCSIRequest *req)
{
    uint64_t lba;
    uint32_t n;

    range_of(req->cdb, &lba, &n);
    if ((req->cdb[1] >> 1 & 3) == 2 || room_of(req) < req->xfer) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
    } else if (!in_range(s, lba, n)) {
        scsi_req_fail(req, SENSE_LBA_RANGE);
    } else if (req->xfer == 0) {
        scsi_req_done(req, SCSI_GOOD); /* nothing here forgets */
    } else {
        g_free(req->buf);
        req->buf = g_malloc(SAME_CHUNK);
        req->offset = lba * s->block_size;
        req->left = (uint64_t)n * s->block_size;
        verify_next(s, req);
    }
}

/* WRITE SAME with data that is not zero: copies of it. */
static void same_next(SCSIDisk *s, SCSIRequest *req);

static void same_done(void *opaque, int ret)
{
    SCSIRequest *req = opaque;

    if (!io_failed(req, ret)) {
        req->offset += req->cut->iov_len;
        req->left -= req->cut->iov_len;
        same_next(disk_of(req->dev), req);
    }
}

static void same_next(SCSIDisk *s, SCSIRequest *req)
{
    if (req->left == 0) {
        req->done = req->xfer;
        scsi_req_done(req, SCSI_GOOD);
        return;
    }
    g_free(req->cut);
    req->cut = g_new(struct iovec, 1);
    *req->cut = (struct iovec){ req->buf, MIN(req->left, SAME_CHUNK) };
    s->sd.in_flight++;
    req->aio = blk_aio_pwritev(s->conf.blk, req->offset, req->cut, 1, 0,
                               same_done, req);
}

static void start_write_same(SCSIDisk *s, SCSIRequest *req)
{
    bool unmap = req->cdb[1] & 8, no_data = req->xfer == 0;
    g_autofree uint8_t *block = g_malloc0(s->block_size);
    uint64_t lba, bytes;
    uint32_t n;

    range_of(req->cdb, &lba, &n);
    bytes = (uint64_t)n * s->block_size;
    if (!blk_is_writable(s->conf.blk)) {
        scsi_req_fail(req, SENSE_WRITE_PROTECTED);
        return;
    }
    if (n == 0 || req->cdb[1] & 0x16 || room_of(req) < req->xfer) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    if (!in_range(s, lba, n)) {
        scsi_req_fail(req, SENSE_LBA_RANGE);
        return;
    }
    scsi_req_data(req, 0, block, no_data ? 0 : s->block_size);
    if (block[0] == 0 && !memcmp(block, block + 1, s->block_size - 1)) {
        s->sd.in_flight++;
        req->aio = blk_aio_pwrite_zeroes(s->conf.blk, lba * s->block_size,
                                         bytes,
                                         unmap ? BLK_REQ_MAY_UNMAP : 0,
                                         rw_done, req);
        return;
    }
    g_free(req->buf);
    req->buf = g_malloc(SAME_CHUNK);
    for (size_t at = 0; at < SAME_CHUNK; at += s->block_size) {
        memcpy(req->buf + at, block, s->block_size);
    }
    req->offset = lba * s->block_size;
    req->left = bytes;
    same_next(s, req);
}

/* UNMAP: the descriptors one after another. */
static void unmap_next(SCSIDisk *s, SCSIRequest *req);

static void unmap_done(void *opaque, int ret)
{
    SCSIRequest *req = opaque;

    if (!io_failed(req, ret)) {
        req->offset += 16;
        req->left -= 16;
        unmap_next(disk_of(req->dev), req);
    }
}

static void unmap_next(SCSIDisk *s, SCSIRequest *req)
{
    while (req->left) {
        const uint8_t *d = req->buf + req->offset;
        uint64_t lba = be64(d);
        uint32_t n = be32(d + 8);

        if (!in_range(s, lba, n)) {
            scsi_req_fail(req, SENSE_LBA_RANGE);
            return;
        }
        if (n) {
            s->sd.in_flight++;
            req->aio = blk_aio_pdiscard(s->conf.blk, lba * s->block_size,
                                        (uint64_t)n * s->block_size,
                                        unmap_done, req);
            return;
        }
        req->offset += 16;
        req->left -= 16;
    }
    req->done = req->xfer;
    scsi_req_done(req, SCSI_GOOD);
}

static void start_unmap(SCSIDisk *s, SCSIRequest *req)
{
    size_t len = req->xfer, list;

    if (req->cdb[1] & 1) { /* ANCHOR */
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    if (!blk_is_writable(s->conf.blk)) {
        scsi_req_fail(req, SENSE_WRITE_PROTECTED);
        return;
    }
    if (len < 8) {
        if (len == 0) {
            scsi_req_done(req, SCSI_GOOD);
        } else {
            scsi_req_fail(req, SENSE_INVALID_PARAM_LEN);
        }
        return;
    }
    g_free(req->buf);
    req->buf = g_malloc(len);
    if (scsi_req_data(req, 0, req->buf, len) < len ||
        be16(req->buf) > len - 2 || be16(req->buf + 2) > len - 8 ||
        be16(req->buf + 2) % 16) {
        scsi_req_fail(req, SENSE_INVALID_PARAM_LEN);
        return;
    }
    list = be16(req->buf + 2);
    if (list / 16 > 255) {
        scsi_req_fail(req, SENSE_INVALID_PARAM);
        return;
    }
    req->offset = 8;
    req->left = list;
    unmap_next(s, req);
}

/* ---- control ------------------------------------------------------------------------ */

static void request_sense(SCSIDisk *s, SCSIRequest *req)
{
    uint8_t b[SCSI_SENSE_LEN];
    SCSISense sense = s->sd.ua.key ? s->sd.ua : s->sd.last;

    if (req->cdb[1] & 1) { /* descriptor format */
        uint8_t d[8] = { 0x72, sense.key, sense.asc, sense.ascq };

        scsi_req_reply(req, d, sizeof(d));
    } else {
        scsi_build_sense(b, sense);
        scsi_req_reply(req, b, sizeof(b));
    }
    s->sd.ua = s->sd.last = SENSE_NO_SENSE;
    scsi_req_done(req, SCSI_GOOD);
}

static bool medium_ready(SCSIDisk *s, SCSIRequest *req)
{
    if (s->tray_open || !blk_is_inserted(s->conf.blk)) {
        scsi_req_fail(req, s->tray_open ? SENSE_TRAY_OPEN : SENSE_NO_MEDIUM);
        return false;
    }
    return true;
}

static void read_capacity(SCSIDisk *s, SCSIRequest *req)
{
    uint64_t n = scsi_disk_blocks(s);
    uint8_t b[32] = { 0 };

    if (req->cdb[0] == READ_CAPACITY_10) {
        if (!(req->cdb[8] & 1) && be32(req->cdb + 2)) {
            scsi_req_fail(req, SENSE_INVALID_FIELD);
            return;
        }
        put_be32(b, MIN(n ? n - 1 : 0, UINT32_MAX));
        put_be32(b + 4, s->block_size);
        scsi_req_reply(req, b, 8);
    } else if ((req->cdb[1] & 31) == 0x10) {
        put_be64(b, n ? n - 1 : 0);
        put_be32(b + 8, s->block_size);
        b[13] = __builtin_ctz(s->conf.physical_block_size / s->block_size);
        b[14] = s->conf.discard_granularity && !s->is_cd ? 0x80 : 0;
        scsi_req_reply(req, b, sizeof(b));
    } else {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    scsi_req_done(req, SCSI_GOOD);
}

static bool lockable(const SCSIDisk *s)
{
    return s->is_cd || s->removable;
}

static void disk_start(SCSIDevice *d, SCSIRequest *req)
{
    SCSIDisk *s = disk_of(d);
    uint8_t op = req->cdb[0];

    req->done = 0;
    switch (op) {
    case INQUIRY:
        scsi_disk_inquiry(s, req);
        return;
    case REQUEST_SENSE:
        request_sense(s, req);
        return;
    case MODE_SENSE_6:
    case MODE_SENSE_10:
        scsi_disk_mode_sense(s, req);
        return;
    case MODE_SELECT_6:
    case MODE_SELECT_10:
        scsi_disk_mode_select(s, req);
        return;
    case START_STOP:
        if (!lockable(s) || scsi_cd_start_stop(s, req)) {
            scsi_req_done(req, SCSI_GOOD);
        }
        return;
    case PREVENT_ALLOW:
        s->tray_locked = lockable(s) && req->cdb[4] & 1;
        scsi_req_done(req, SCSI_GOOD);
        return;
    case RESERVE_6:
    case RESERVE_10:
    case RELEASE_6:
    case RELEASE_10:
        /* One initiator: it always has what it reserves. */
        if (req->cdb[1] & (op < 0x20 ? 1 : 3)) {
            scsi_req_fail(req, SENSE_INVALID_FIELD);
        } else {
            scsi_req_done(req, SCSI_GOOD);
        }
        return;
    case SEND_DIAGNOSTIC:
        if (req->cdb[1] & 4) { /* self-test */
            scsi_req_done(req, SCSI_GOOD);
        } else {
            scsi_req_fail(req, SENSE_INVALID_FIELD);
        }
        return;
    }
    if (s->is_cd && scsi_cd_start(s, req)) {
        return;
    }
    if (is_read(op) || is_write(op) || is_verify(op) ||
        op == TEST_UNIT_READY || op == READ_CAPACITY_10 ||
        op == SERVICE_ACTION_IN_16 || op == SYNCHRONIZE_CACHE ||
        op == SYNCHRONIZE_CACHE_16 || op == WRITE_SAME_10 ||
        op == WRITE_SAME_16 || op == UNMAP || op == SEEK_6 || op == SEEK_10 ||
        op == REZERO_UNIT) {
        if (!medium_ready(s, req)) {
            return;
        }
    }
    if (s->is_cd && (is_write(op) || op == WRITE_SAME_10 || op == UNMAP ||
                     op == WRITE_SAME_16)) {
        scsi_req_fail(req, SENSE_INVALID_OPCODE);
    } else if (is_read(op) || is_write(op)) {
        start_rw(s, req);
    } else if (is_verify(op)) {
        start_verify(s, req);
    } else {
        switch (op) {
        case TEST_UNIT_READY:
        case SEEK_6:
        case SEEK_10:
        case REZERO_UNIT:
            scsi_req_done(req, SCSI_GOOD);
            break;
        case READ_CAPACITY_10:
        case SERVICE_ACTION_IN_16:
            read_capacity(s, req);
            break;
        case SYNCHRONIZE_CACHE:
        case SYNCHRONIZE_CACHE_16:
            s->sd.in_flight++;
            req->aio = blk_aio_flush(s->conf.blk, simple_done, req);
            break;
        case WRITE_SAME_10:
        case WRITE_SAME_16:
            start_write_same(s, req);
            break;
        case UNMAP:
            start_unmap(s, req);
            break;
        default:
            log_guest_error("%s: command 0x%02x\n", d->qdev.info->name, op);
            scsi_req_fail(req, SENSE_INVALID_OPCODE);
        }
    }
}

/* ---- life ------------------------------------------------------------------------------ */

static void hd_resize(void *opaque)
{
    SCSIDisk *s = opaque;
    SCSIBus *bus = (SCSIBus *)s->sd.qdev.parent_bus;

    scsi_unit_attention(&s->sd, SENSE_CAPACITY_CHANGED);
    if (bus->ops->changed) {
        bus->ops->changed(bus, &s->sd, SENSE_CAPACITY_CHANGED);
    }
}

static const BlockDevOps hd_dev_ops = {
    .resize = hd_resize,
};

static void vm_changed(void *opaque, bool running, RunState state)
{
    SCSIDisk *s = opaque;
    SCSIRequest *r, *tmp;

    if (!running) {
        return;
    }
    list_foreach_safe(r, tmp, &s->sd.requests, node) {
        if (r->held) {
            blk_iostatus_reset(s->conf.blk);
            r->held = false;
            g_clear_pointer(&r->cut, g_free);
            disk_start(&s->sd, r);
        }
    }
}

static void set_default(char **p, const char *text)
{
    if (!*p) {
        *p = g_strdup(text);
    }
}

static bool check_props(SCSIDisk *s, Error **errp)
{
    if (!s->conf.blk) {
        if (!s->is_cd) {
            error_setg(errp, "drive property not set");
            return false;
        }
        s->conf.blk = blk_new("", 0, BLK_PERM_ALL);
    }
    if (!lockable(s) && !blk_is_inserted(s->conf.blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    if ((s->vendor && strlen(s->vendor) > 8) ||
        (s->product && strlen(s->product) > 16)) {
        error_setg(errp, "vendor is at most 8 characters, product 16");
        return false;
    }
    if (s->scsi_version < 3 || s->scsi_version > 7) {
        error_setg(errp, "scsi_version must be between 3 and 7");
        return false;
    }
    if (s->conf.serial && strlen(s->conf.serial) > 36) {
        error_setg(errp, "The serial number can't be longer than 36 "
                         "characters");
        return false;
    }
    return true;
}

static bool realize(SCSIDisk *s, Error **errp)
{
    g_autofree char *name = s->sd.qdev.id ? g_strdup(s->sd.qdev.id)
                                          : object_path(&s->sd.qdev.obj);

    if (!check_props(s, errp)) {
        return false;
    }
    if (s->is_cd && !s->conf.logical_block_size) {
        s->conf.logical_block_size = s->conf.physical_block_size = 2048;
    }
    if (!blk_conf_realize(&s->conf,
                          s->is_cd || blk_is_read_only(s->conf.blk),
                          !s->is_cd, name,
                          lockable(s) ? &scsi_cd_dev_ops : &hd_dev_ops, s,
                          errp)) {
        return false;
    }
    s->block_size = s->conf.logical_block_size;
    if (!s->is_cd && !blk_conf_geometry(&s->conf, 65535, 255, 255, errp)) {
        blk_conf_unrealize(&s->conf);
        return false;
    }
    if (s->conf.discard_granularity == UINT32_MAX) {
        s->conf.discard_granularity = MAX(s->block_size, 4096);
    }
    set_default(&s->version, "2.5+");
    set_default(&s->vendor, "QEMU");
    set_default(&s->product, s->is_cd ? "QEMU CD-ROM" : "QEMU HARDDISK");
    if (!s->device_id && s->conf.serial) {
        s->device_id = g_strndup(s->conf.serial, 20);
    } else if (!s->device_id && *blk_name(s->conf.blk)) {
        s->device_id = g_strdup(blk_name(s->conf.blk));
    }
    blk_iostatus_enable(s->conf.blk);
    s->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                       .fn = vm_changed, .opaque = s };
    vm_change_add(&s->vm_change);
    return true;
}

static bool hd_realize(DeviceState *dev, Error **errp)
{
    return realize((SCSIDisk *)dev, errp);
}

static bool cd_realize(DeviceState *dev, Error **errp)
{
    ((SCSIDisk *)dev)->is_cd = true;
    return realize((SCSIDisk *)dev, errp);
}

static void disk_unrealize(DeviceState *dev)
{
    SCSIDisk *s = (SCSIDisk *)dev;

    scsi_device_purge(&s->sd);
    vm_change_remove(&s->vm_change);
    blk_conf_unrealize(&s->conf);
}

static void disk_reset(DeviceState *dev)
{
    SCSIDisk *s = (SCSIDisk *)dev;

    scsi_device_purge(&s->sd);
    s->sd.ua = SENSE_RESET;
    s->sd.last = SENSE_NO_SENSE;
    s->tray_locked = false;
    s->event_new_media = s->event_eject = s->event_eject_request = false;
    if (s->tray_open) {
        s->tray_open = false;
        blk_eject(s->conf.blk, false);
    }
}

static const VMStateField disk_fields[] = {
    VMSTATE_SCSI_DEVICE(sd, SCSIDisk),
    VMSTATE_BOOL(tray_open, SCSIDisk),
    VMSTATE_BOOL(tray_locked, SCSIDisk),
    VMSTATE_BOOL(event_new_media, SCSIDisk),
    VMSTATE_BOOL(event_eject, SCSIDisk),
    VMSTATE_BOOL(event_eject_request, SCSIDisk),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_disk = {
    .name = "scsi-disk",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = disk_fields,
};

#define DISK_PROPS \
    PROP_BLOCK_CONF(SCSIDisk, conf), \
    PROP_STR("ver", SCSIDisk, version), \
    PROP_STR("vendor", SCSIDisk, vendor), \
    PROP_STR("product", SCSIDisk, product), \
    PROP_STR("device_id", SCSIDisk, device_id), \
    PROP_UINT64("wwn", SCSIDisk, wwn, 0), \
    PROP_UINT64("port_wwn", SCSIDisk, port_wwn, 0), \
    PROP_UINT16("port_index", SCSIDisk, port_index, 0), \
    PROP_UINT64("max_io_size", SCSIDisk, max_io, INT32_MAX), \
    PROP_INT32("scsi_version", SCSIDisk, scsi_version, 5), \
    PROP_BOOTINDEX()

static const Property hd_props[] = {
    DISK_PROPS,
    PROP_BOOL("removable", SCSIDisk, removable, false),
    PROP_BOOL("dpofua", SCSIDisk, dpofua, false),
    PROP_UINT64("max_unmap_size", SCSIDisk, max_unmap, 1 * GiB),
    PROP_UINT16("rotation_rate", SCSIDisk, rotation_rate, 0),
    PROP_UINT32("cyls", SCSIDisk, conf.cyls, 0),
    PROP_UINT32("heads", SCSIDisk, conf.heads, 0),
    PROP_UINT32("secs", SCSIDisk, conf.secs, 0),
    PROP_END(),
};

static const Property cd_props[] = {
    DISK_PROPS,
    PROP_END(),
};

static const SCSIDeviceInfo disk_scsi = {
    .parse = disk_parse,
    .start = disk_start,
};

#define SCSI_DISK(nm, text, rlz, prp) \
    { .name = (nm), .desc = (text), .bus = BUS_SCSI, \
      .category = DEVICE_CATEGORY_STORAGE, .size = sizeof(SCSIDisk), \
      .props = (prp), .vmsd = &vmstate_disk, .bus_info = &disk_scsi, \
      .realize = (rlz), .unrealize = disk_unrealize, .reset = disk_reset }

static const DeviceInfo infos[] = {
    SCSI_DISK("scsi-hd", "virtual SCSI disk", hd_realize, hd_props),
    SCSI_DISK("scsi-cd", "virtual SCSI CD-ROM", cd_realize, cd_props),
};

bool scsi_bus_add_drive(SCSIBus *bus, BlockConf *conf, bool removable,
                        int32_t bootindex, Error **errp)
{
    DriveInfo *di = drive_by_blk(conf->blk);
    DeviceState *dev = device_new(di && di->is_cdrom ? "scsi-cd" : "scsi-hd");
    SCSIDisk *s = (SCSIDisk *)dev;

    s->conf = *conf;
    conf->blk = NULL;
    conf->serial = NULL;
    s->removable = removable;
    dev->bootindex = bootindex;
    object_add_child_indexed(&bus->bus.obj, "legacy", &dev->obj);
    return device_realize(dev, &bus->bus, errp);
}

static void scsi_disk_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(infos); i++) {
        device_register(&infos[i]);
    }
}
device_init(scsi_disk_register)
