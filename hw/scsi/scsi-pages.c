/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a SCSI disk says of itself: INQUIRY with vital product data (SPC-3,
 * 6.4, 7.6; SBC-3, 6.5) and mode pages (SPC-3, 7.4; SBC-3, 6.4; MMC-6, 7.2).
 */
#include "osdep.h"
#include "hw/scsi/scsi-disk-int.h"

/* Left-justified, padded with spaces. */
static void put_text(uint8_t *p, size_t len, const char *text)
{
    memset(p, ' ', len);
    memcpy(p, text, MIN(strlen(text), len));
}

/* ---- vital product data ----------------------------------------------------------- */

typedef struct Page {
    uint8_t b[256];
    size_t len;
} Page;

static uint8_t *room(Page *p, size_t n)
{
    uint8_t *at = p->b + p->len;

    assert(p->len + n <= sizeof(p->b));
    p->len += n;
    return at;
}

static void designator(Page *p, uint8_t code_set, uint8_t type,
                       const void *data, size_t len)
{
    uint8_t *d;

    len = MIN(len, 64);
    d = room(p, 4 + len);
    d[0] = code_set;
    d[1] = type;
    d[3] = len;
    memcpy(d + 4, data, len);
}

static void page_identification(SCSIDisk *s, Page *p)
{
    uint8_t n[8];

    if (s->device_id) {
        designator(p, 2, 0, s->device_id, strlen(s->device_id));
    }
    if (s->wwn) {
        put_be64(n, s->wwn);
        designator(p, 1, 3, n, 8);
    }
    if (s->port_wwn) {
        put_be64(n, s->port_wwn);
        designator(p, 0x61, 0x93, n, 8);
    }
    if (s->port_index) {
        put_be32(n, s->port_index);
        designator(p, 0x61, 0x94, n, 4);
    }
}

static void page_block_limits(SCSIDisk *s, Page *p)
{
    uint8_t *d = room(p, 0x3c);
    uint32_t bs = s->block_size;

    d[0] = 1; /* WSNZ: a WRITE SAME of no blocks means none */
    put_be16(d + 2, s->conf.min_io_size / bs);
    put_be32(d + 4, MIN(s->max_io / bs, UINT32_MAX));
    put_be32(d + 8, s->conf.opt_io_size / bs);
    put_be32(d + 16, MIN(s->max_unmap / bs, UINT32_MAX));
    put_be32(d + 20, 255); /* descriptors of an UNMAP */
    put_be32(d + 24, s->conf.discard_granularity / bs);
    put_be64(d + 32, s->max_unmap / bs); /* of a WRITE SAME */
}

static bool vpd_page(SCSIDisk *s, uint8_t code, Page *p)
{
    static const uint8_t pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
    uint8_t *d;

    switch (code) {
    case 0x00:
        for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
            if ((pages[i] != 0x80 || s->conf.serial) &&
                (pages[i] < 0xb0 || !s->is_cd)) {
                *room(p, 1) = pages[i];
            }
        }
        return true;
    case 0x80:
        if (!s->conf.serial) {
            return false;
        }
        d = room(p, MIN(strlen(s->conf.serial), 36));
        memcpy(d, s->conf.serial, p->b + p->len - d);
        return true;
    case 0x83:
        page_identification(s, p);
        return true;
    case 0xb0:
        if (s->is_cd) {
            return false;
        }
        page_block_limits(s, p);
        return true;
    case 0xb1:
        d = s->is_cd ? NULL : room(p, 0x3c);
        if (d) {
            put_be16(d, s->rotation_rate);
        }
        return d;
    case 0xb2:
        d = s->is_cd ? NULL : room(p, 4);
        if (d) {
            d[1] = 0xe0; /* UNMAP, WRITE SAME(16) and (10) with UNMAP */
            d[2] = s->conf.discard_granularity ? 2 : 0; /* thin */
        }
        return d;
    }
    return false;
}

void scsi_disk_inquiry(SCSIDisk *s, SCSIRequest *req)
{
    uint8_t type = s->is_cd ? 5 : 0;
    Page p = { .len = 0 };
    uint8_t *d;

    if (req->cdb[1] & 1) {
        d = room(&p, 4);
        d[0] = type;
        d[1] = req->cdb[2];
        if (!vpd_page(s, req->cdb[2], &p)) {
            scsi_req_fail(req, SENSE_INVALID_FIELD);
            return;
        }
        put_be16(d + 2, p.len - 4);
    } else if (req->cdb[2]) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    } else {
        d = room(&p, 36);
        d[0] = type;
        d[1] = s->is_cd || s->removable ? 0x80 : 0;
        d[2] = s->scsi_version;
        d[3] = 0x12; /* HISUP, format of SPC */
        d[4] = p.len - 5;
        d[7] = 0x12; /* 16-bit wide, commands queue */
        put_text(d + 8, 8, s->vendor);
        put_text(d + 16, 16, s->product);
        put_text(d + 32, 4, s->version);
    }
    scsi_req_reply(req, p.b, p.len);
    scsi_req_done(req, SCSI_GOOD);
}

/* ---- mode pages --------------------------------------------------------------------- */

enum { PAGE_ERROR = 0x01, PAGE_GEOMETRY = 0x04, PAGE_FLEXIBLE = 0x05,
       PAGE_CACHING = 0x08, PAGE_AUDIO = 0x0e, PAGE_CAPABILITIES = 0x2a,
       PAGE_ALL = 0x3f };

static void geometry(SCSIDisk *s, uint8_t *d)
{
    uint32_t cyls = s->conf.cyls;

    d[0] = cyls >> 16;
    d[1] = cyls >> 8;
    d[2] = cyls;
    d[3] = s->conf.heads;
    /* No write precompensation, no reduced current: beyond the last. */
    memcpy(d + 4, d, 3);
    memcpy(d + 7, d, 3);
    put_be16(d + 10, 200); /* step rate, 100 ns */
    put_be16(d + 12, 0xffff);
    d[14] = 0xff; /* landing zone */
    put_be16(d + 18, 5400);
}

static void flexible(SCSIDisk *s, uint8_t *d)
{
    put_be16(d, 5000); /* kbit/s */
    d[2] = s->conf.heads;
    d[3] = s->conf.secs;
    put_be16(d + 4, s->block_size);
    put_be16(d + 6, MIN(s->conf.cyls, UINT16_MAX));
    put_be16(d + 26, 5400);
}

static void capabilities(SCSIDisk *s, uint8_t *d)
{
    d[0] = 0x3b; /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
    d[2] = 0x7f; /* audio, composite, digital, mode 2, multi-session */
    d[3] = 0xff; /* CD-DA accurate, R-W, C2, ISRC, UPC */
    d[4] = 0x2d | (s->tray_locked ? 2 : 0); /* tray, locks, ejects */
    put_be16(d + 6, 50 * 176); /* fastest: 50 times */
    put_be16(d + 8, 2);        /* volume levels */
    put_be16(d + 10, 2048);    /* buffer, KiB */
    put_be16(d + 12, 16 * 176);
    put_be16(d + 16, 16 * 176);
    put_be16(d + 18, 16 * 176);
}

/* The page behind its two bytes of header; length, 0: there is none.
 * @control 1: which bits MODE SELECT can change. */
static size_t mode_page(SCSIDisk *s, uint8_t page, unsigned control,
                        uint8_t *d)
{
    bool values = control != 1;

    switch (page) {
    case PAGE_ERROR:
        if (values) {
            d[0] = s->is_cd ? 0x20 : 0x80; /* automatic reallocation */
        }
        return 10;
    case PAGE_GEOMETRY:
        if (s->is_cd) {
            return 0;
        }
        if (values) {
            geometry(s, d);
        }
        return 22;
    case PAGE_FLEXIBLE:
        if (s->is_cd) {
            return 0;
        }
        if (values) {
            flexible(s, d);
        }
        return 30;
    case PAGE_CACHING:
        if (!values || blk_write_cache(s->conf.blk)) {
            d[0] = 4; /* WCE */
        }
        return 18;
    case PAGE_AUDIO:
        if (!s->is_cd) {
            return 0;
        }
        return 14;
    case PAGE_CAPABILITIES:
        if (!s->is_cd) {
            return 0;
        }
        if (values) {
            capabilities(s, d);
        }
        return 20;
    }
    return 0;
}

void scsi_disk_mode_sense(SCSIDisk *s, SCSIRequest *req)
{
    const uint8_t *c = req->cdb;
    bool ten = c[0] == MODE_SENSE_10, dbd = c[1] & 8;
    uint8_t page = c[2] & 0x3f, buf[512] = { 0 }, *p, *d;
    unsigned control = c[2] >> 6, first = page == PAGE_ALL ? 0 : page;
    unsigned last = page == PAGE_ALL ? 0x3e : page;
    bool found = page == PAGE_ALL;

    if (control == 3) {
        scsi_req_fail(req, SENSE_SAVING_PARAMS);
        return;
    }
    p = buf + (ten ? 8 : 4);
    if (!s->is_cd && !dbd) {
        uint64_t n = scsi_disk_blocks(s);

        put_be32(p, MIN(n, UINT32_MAX));
        p[4] = 0;
        p[5] = s->block_size >> 16;
        p[6] = s->block_size >> 8;
        p[7] = s->block_size;
        if (n > 0xffffff) {
            put_be32(p, 0); /* more than the field holds: see capacity */
        }
        buf[ten ? 7 : 3] = 8;
        p += 8;
    }
    for (unsigned i = first; i <= last; i++) {
        size_t n = mode_page(s, i, control, p + 2);

        if (n) {
            found = true;
            p[0] = i;
            p[1] = n;
            p += 2 + n;
        }
    }
    if (!found) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    d = buf + (ten ? 3 : 2);
    if (!s->is_cd) {
        *d = (s->dpofua ? 0x10 : 0) |
             (blk_is_writable(s->conf.blk) ? 0 : 0x80);
    }
    if (ten) {
        put_be16(buf, p - buf - 2);
    } else {
        buf[0] = p - buf - 1;
    }
    scsi_req_reply(req, buf, p - buf);
    scsi_req_done(req, SCSI_GOOD);
}

/* One page of MODE SELECT: as it is but for what may change. */
static bool check_page(SCSIDisk *s, uint8_t page, const uint8_t *in,
                       size_t len)
{
    uint8_t now[32] = { 0 }, mask[32] = { 0 };
    size_t n = mode_page(s, page, 0, now);

    mode_page(s, page, 1, mask);
    if (n == 0 || n != len) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((in[i] ^ now[i]) & ~mask[i]) {
            return false;
        }
    }
    return true;
}

void scsi_disk_mode_select(SCSIDisk *s, SCSIRequest *req)
{
    bool ten = req->cdb[0] == MODE_SELECT_10;
    size_t head = ten ? 8 : 4, len = MIN(req->xfer, 512), at, blocks;
    uint8_t buf[512];

    if ((req->cdb[1] & 0x11) != 0x10) { /* page format, not saved */
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    if (req->xfer == 0) {
        scsi_req_done(req, SCSI_GOOD);
        return;
    }
    req->done = scsi_req_data(req, 0, buf, len);
    if (req->done < len || len < head) {
        scsi_req_fail(req, SENSE_INVALID_PARAM_LEN);
        return;
    }
    blocks = ten ? be16(buf + 6) : buf[3];
    at = head + blocks;
    if (blocks && (blocks != 8 || at > len ||
                   (be32(buf + head + 4) & 0xffffff) != s->block_size)) {
        scsi_req_fail(req, at > len ? SENSE_INVALID_PARAM_LEN
                                    : SENSE_INVALID_PARAM);
        return;
    }
    while (at < len) {
        uint8_t page = buf[at] & 0x3f;

        if (len - at < 2 || len - at - 2 < buf[at + 1]) {
            scsi_req_fail(req, SENSE_INVALID_PARAM_LEN);
            return;
        }
        if (buf[at] & 0x40 || !check_page(s, page, buf + at + 2,
                                          buf[at + 1])) {
            scsi_req_fail(req, SENSE_INVALID_PARAM);
            return;
        }
        if (page == PAGE_CACHING) {
            blk_set_write_cache(s->conf.blk, buf[at + 2] & 4);
        }
        at += 2 + buf[at + 1];
    }
    scsi_req_done(req, SCSI_GOOD);
}
