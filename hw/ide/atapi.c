/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ATAPI CD/DVD-ROM: the packet protocol (ATA/ATAPI-6 chapter 9.8) and the
 * commands of MMC-3 and SFF-8020i that operating systems use on a reader.
 */
#include "osdep.h"
#include "hw/ide/ide-int.h"

/* Sense keys and additional sense codes. */
enum { SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_MEDIUM_ERROR = 3,
       SENSE_ILLEGAL_REQUEST = 5, SENSE_UNIT_ATTENTION = 6 };
enum { ASC_NONE = 0, ASC_ILLEGAL_OPCODE = 0x20, ASC_OUT_OF_RANGE = 0x21,
       ASC_INV_FIELD = 0x24, ASC_MEDIUM_MAY_HAVE_CHANGED = 0x28,
       ASC_SAVING_NOT_SUPPORTED = 0x39, ASC_NO_MEDIUM = 0x3a,
       ASC_REMOVAL_PREVENTED = 0x53, ASC_MODE_MISMATCH = 0x64,
       ASC_DATA_PHASE = 0x4b, ASC_READ_ERROR = 0x11,
       ASC_INCOMPATIBLE_FORMAT = 0x30 };

static uint16_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* ---- medium ------------------------------------------------------------------------ */

/* CD sectors; 0: no medium, or the tray is out. */
static uint32_t cd_sectors(const IDEDrive *d)
{
    if (d->tray_open || !blk_is_inserted(d->conf.blk)) {
        return 0;
    }
    return MIN(d->nsectors / (CD_SECTOR / IDE_SECTOR), UINT32_MAX);
}

static bool has_medium(const IDEDrive *d)
{
    return !d->tray_open && blk_is_inserted(d->conf.blk) && d->nsectors > 0;
}

/* Larger than a CD holds: a DVD. */
static bool is_dvd(const IDEDrive *d)
{
    return cd_sectors(d) > 80 * 60 * 75;
}

static void put_msf(uint8_t *p, uint32_t lba)
{
    lba += 150; /* the two seconds before the first sector */
    p[0] = lba / (75 * 60);
    p[1] = lba / 75 % 60;
    p[2] = lba % 75;
}

/* ---- ends of commands ---------------------------------------------------------------- */

static void reason(IDEDrive *d, uint8_t bits)
{
    IDETaskFile *t = ide_tf(d);

    t->nsector = (t->nsector & ~7) | bits;
}

static void command_ok(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    t->error = 0;
    t->status = ST_RDY | ST_SEEK;
    reason(d, IR_IO | IR_COD);
    ide_raise(d);
}

static void command_error(IDEDrive *d, uint8_t key, uint8_t asc)
{
    IDETaskFile *t = ide_tf(d);

    ide_pio_stop(d);
    t->error = key << 4;
    t->status = ST_RDY | ST_ERR;
    reason(d, IR_IO | IR_COD);
    d->sense_key = key;
    d->asc = asc;
    ide_raise(d);
}

static void bad_field(IDEDrive *d)
{
    command_error(d, SENSE_ILLEGAL_REQUEST, ASC_INV_FIELD);
}

/* ---- replies -------------------------------------------------------------------------- */

static void load_sectors(IDEDrive *d);

/* Raw sectors (mode 1): sync, header, and a data area without its checks. */
static void make_raw(uint8_t *to, uint32_t lba)
{
    to[0] = 0;
    memset(to + 1, 0xff, 10);
    to[11] = 0;
    put_msf(to + 12, lba);
    to[15] = 1;
    memset(to + 16 + CD_SECTOR, 0, CD_RAW - 16 - CD_SECTOR);
}

/* Offers the next part; the reply is over when nothing is left. */
void atapi_reply_next(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);
    uint32_t limit, n, in_buf;

    if (d->reply_left == 0 && d->count == 0) {
        command_ok(d);
        return;
    }
    if (d->reply_left == 0) {
        load_sectors(d);
        return;
    }
    in_buf = d->reply_left;
    limit = t->hcyl << 8 | t->lcyl;
    /* The host's byte count; the drive's own for the next phases too. */
    limit = d->chunk ? d->chunk : limit;
    d->chunk = limit;
    n = MIN(in_buf, limit);
    if (n < in_buf && (n & 1)) {
        n--; /* odd only at the end */
    }
    if (n == 0) {
        n = MIN(in_buf, 2);
    }
    t->lcyl = n;
    t->hcyl = n >> 8;
    t->status = ST_RDY | ST_SEEK;
    reason(d, IR_IO);
    ide_pio_begin(d, d->reply_pos, ROUND_UP(n, 2), PIO_ATAPI_REPLY);
    d->reply_pos += n;
    d->reply_left -= n;
    ide_raise(d);
}

static void read_failed(IDEDrive *d)
{
    d->count = 0;
    d->reply_left = 0;
    if (has_medium(d)) {
        command_error(d, SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
    } else {
        command_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
    }
}

static void sectors_loaded(IDEDrive *d, int ret)
{
    uint32_t n = d->dma_done;

    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_ATAPI_READ)) {
        if (d->retry == IDE_OP_NONE) {
            read_failed(d);
        }
        return;
    }
    if (d->cd_sector_size == CD_RAW) {
        /* From the last to the first, as they grow in place. */
        for (uint32_t i = n; i-- > 0;) {
            memmove(d->buf + i * CD_RAW + 16, d->buf + i * CD_SECTOR,
                    CD_SECTOR);
            make_raw(d->buf + i * CD_RAW, d->lba + i);
        }
    }
    d->lba += n;
    d->count -= n;
    d->reply_pos = 0;
    d->reply_left = n * d->cd_sector_size;
    atapi_reply_next(d);
}

/* The next sectors of a PIO read; `dma_done` says how many. */
static void load_sectors(IDEDrive *d)
{
    uint32_t n = MIN(d->count, IDE_BUFFER / CD_RAW);
    uint32_t total = cd_sectors(d);

    if (d->lba >= total || n > total - d->lba) {
        read_failed(d);
        return;
    }
    ide_tf(d)->status = ST_BSY;
    d->dma_done = n;
    ide_request_read(ide_request_new(d, sectors_loaded), d->lba * CD_SECTOR,
                     (uint64_t)n * CD_SECTOR);
}

/* A reply that stands in buf. */
static void reply(IDEDrive *d, uint32_t size, uint32_t max)
{
    size = MIN(size, max);
    if (size == 0) {
        command_ok(d);
        return;
    }
    d->count = 0;
    d->cd_sector_size = 0;
    d->reply_pos = 0;
    d->reply_left = size;
    d->chunk = 0;
    if (d->atapi_dma) {
        ide_tf(d)->status = ST_RDY | ST_SEEK | ST_DRQ;
        ide_dma_wait(d, IDE_OP_ATAPI_DMA);
        return;
    }
    atapi_reply_next(d);
}

static void dma_sectors_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_ATAPI_DMA)) {
        if (d->retry == IDE_OP_NONE) {
            ide_dma_finish(d, true);
            read_failed(d);
        }
        return;
    }
    d->lba += d->dma_done;
    d->count -= d->dma_done;
    atapi_dma_run(d);
}

/* Raw sectors by DMA: assembled in buf, then copied out. */
static void raw_sectors_done(IDEDrive *d, int ret)
{
    uint32_t n = d->dma_done;
    SGList sg;

    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_ATAPI_DMA)) {
        if (d->retry == IDE_OP_NONE) {
            ide_dma_finish(d, true);
            read_failed(d);
        }
        return;
    }
    for (uint32_t i = n; i-- > 0;) {
        memmove(d->buf + i * CD_RAW + 16, d->buf + i * CD_SECTOR, CD_SECTOR);
        make_raw(d->buf + i * CD_RAW, d->lba + i);
    }
    sglist_init(&sg, d->bus->dma->as(d->bus->dma_opaque));
    d->bus->dma->fill(d->bus->dma_opaque, &sg, n * CD_RAW);
    sglist_write(&sg, 0, d->buf, n * CD_RAW);
    sglist_clear(&sg);
    d->lba += n;
    d->count -= n;
    atapi_dma_run(d);
}

void atapi_dma_run(IDEDrive *d)
{
    uint64_t took;

    if (d->cd_sector_size == 0 && d->reply_left) {
        SGList sg;

        sglist_init(&sg, d->bus->dma->as(d->bus->dma_opaque));
        d->bus->dma->fill(d->bus->dma_opaque, &sg, d->reply_left);
        sglist_write(&sg, 0, d->buf, d->reply_left);
        sglist_clear(&sg);
        d->reply_left = 0;
    } else if (d->count && d->cd_sector_size == CD_RAW) {
        uint32_t n = MIN(d->count, IDE_BUFFER / CD_RAW);

        d->dma_done = n;
        ide_request_read(ide_request_new(d, raw_sectors_done),
                         d->lba * CD_SECTOR, (uint64_t)n * CD_SECTOR);
        return;
    } else if (d->count) {
        if (ide_dma_chunk(d, d->lba * CD_SECTOR, (uint64_t)d->count * CD_SECTOR,
                          CD_SECTOR, false, dma_sectors_done, &took)) {
            d->dma_done = took / CD_SECTOR;
            return;
        }
        /* The table is too short for what was asked. */
        d->count = 0;
        ide_tf(d)->status = ST_RDY | ST_SEEK;
        ide_dma_finish(d, false);
        return;
    }
    ide_dma_finish(d, false);
    command_ok(d);
}

static void read_sectors(IDEDrive *d, uint32_t lba, uint32_t count,
                         uint32_t sector_size)
{
    uint32_t total = cd_sectors(d);

    if (count == 0) {
        command_ok(d);
        return;
    }
    if (lba >= total || count > total - lba) {
        command_error(d, SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
        return;
    }
    d->lba = lba;
    d->count = count;
    d->cd_sector_size = sector_size;
    d->reply_left = 0;
    d->reply_pos = 0;
    d->chunk = 0;
    if (d->atapi_dma) {
        ide_tf(d)->status = ST_RDY | ST_SEEK | ST_DRQ;
        ide_dma_wait(d, IDE_OP_ATAPI_DMA);
        return;
    }
    load_sectors(d);
}

void atapi_retry(IDEDrive *d)
{
    if (d->atapi_dma) {
        ide_dma_wait(d, IDE_OP_ATAPI_DMA);
    } else {
        load_sectors(d);
    }
}

/* ---- commands --------------------------------------------------------------------------- */

static void cmd_test_unit_ready(IDEDrive *d, const uint8_t *cdb)
{
    command_ok(d);
}

static void cmd_request_sense(IDEDrive *d, const uint8_t *cdb)
{
    memset(d->buf, 0, 18);
    d->buf[0] = 0x70 | 0x80;
    d->buf[2] = d->sense_key;
    d->buf[7] = 10;
    d->buf[12] = d->asc;
    if (d->sense_key == SENSE_UNIT_ATTENTION) {
        d->sense_key = SENSE_NONE; /* told */
    }
    reply(d, 18, cdb[4]);
}

static void pad_text(uint8_t *to, const char *s, unsigned n)
{
    bool end = false;

    for (unsigned i = 0; i < n; i++) {
        end = end || !s[i];
        to[i] = end ? ' ' : s[i];
    }
}

static void inquiry_vpd(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf;
    unsigned len = 4;

    b[0] = 0x05;
    b[1] = cdb[2];
    b[2] = 0;
    switch (cdb[2]) {
    case 0x00: /* which pages there are */
        b[len++] = 0x00;
        b[len++] = 0x83;
        break;
    case 0x83: { /* identification: serial number in ASCII */
        b[len++] = 0x02;
        b[len++] = 0x00;
        b[len++] = 0;
        b[len++] = 20;
        pad_text(b + len, d->serial, 20);
        len += 20;
        if (d->wwn) {
            b[len++] = 0x01;
            b[len++] = 0x03; /* NAA */
            b[len++] = 0;
            b[len++] = 8;
            put32(b + len, d->wwn >> 32);
            put32(b + len + 4, d->wwn);
            len += 8;
        }
        break;
    }
    default:
        bad_field(d);
        return;
    }
    b[3] = len - 4;
    reply(d, len, be16(cdb + 3));
}

static void cmd_inquiry(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf;

    if (cdb[1] & 1) {
        inquiry_vpd(d, cdb);
        return;
    }
    if (cdb[2]) {
        bad_field(d);
        return;
    }
    memset(b, 0, 36);
    b[0] = 0x05; /* CD-ROM */
    b[1] = 0x80; /* removable */
    b[2] = 0x00;
    b[3] = 0x21; /* ATAPI-2, response format 1 */
    b[4] = 31;
    pad_text(b + 8, "QEMU", 8);
    pad_text(b + 16, "QEMU DVD-ROM", 16);
    pad_text(b + 32, d->version, 4);
    reply(d, 36, be16(cdb + 3) & 0xff ? cdb[4] : be16(cdb + 3));
}

static void cmd_start_stop(IDEDrive *d, const uint8_t *cdb)
{
    bool start = cdb[4] & 1, load_eject = cdb[4] & 2;

    if ((cdb[4] & 0xf0) || !load_eject) {
        command_ok(d); /* power conditions, spinning up and down */
        return;
    }
    if (!start && !d->tray_open && d->tray_locked) {
        command_error(d, blk_is_inserted(d->conf.blk) ? SENSE_NOT_READY
                                                      : SENSE_ILLEGAL_REQUEST,
                      ASC_REMOVAL_PREVENTED);
        return;
    }
    if (d->tray_open != !start) {
        d->tray_open = !start;
        blk_eject(d->conf.blk, !start);
    }
    command_ok(d);
}

static void cmd_prevent_allow(IDEDrive *d, const uint8_t *cdb)
{
    d->tray_locked = cdb[4] & 1;
    command_ok(d);
}

static void cmd_mode_sense(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf, page = cdb[2] & 0x3f, *p = b + 8;
    unsigned len;

    if (cdb[2] >> 6 == 3) {
        command_error(d, SENSE_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
        return;
    }
    if (cdb[2] >> 6) {
        bad_field(d); /* changeable, default values */
        return;
    }
    memset(b, 0, 32);
    b[2] = 0x70; /* medium type */
    p[0] = page;
    switch (page) {
    case 0x01: /* read error recovery */
        p[1] = 6;
        p[3] = 5; /* retries */
        break;
    case 0x0e: /* CD audio control: two channels, volumes */
        p[1] = 14;
        p[10] = 6;
        p[12] = 0x20;
        p[14] = 0x20;
        break;
    case 0x2a: /* capabilities and mechanical status */
        p[1] = 20;
        p[2] = 0x3b; /* reads CD-R, -RW, method 2, DVD-ROM, -R */
        p[4] = 0x71; /* plays audio, mode 2, multi-session */
        p[5] = 0x60; /* ISRC, UPC */
        p[6] = 0x29 | (d->tray_locked ? 2 : 0); /* tray, eject, lock */
        put16(p + 8, 704); /* KB/s: 4x, as fast as it gets and now */
        put16(p + 10, 2);
        put16(p + 12, 512);
        put16(p + 14, 704);
        break;
    default:
        bad_field(d);
        return;
    }
    len = 8 + 2 + p[1];
    put16(b, len - 2);
    reply(d, len, be16(cdb + 7));
}

static void cmd_read_capacity(IDEDrive *d, const uint8_t *cdb)
{
    put32(d->buf, cd_sectors(d) - 1);
    put32(d->buf + 4, CD_SECTOR);
    reply(d, 8, 8);
}

static void cmd_read(IDEDrive *d, const uint8_t *cdb)
{
    uint32_t n = cdb[0] == 0x28 ? be16(cdb + 7) : be32(cdb + 6);

    read_sectors(d, be32(cdb + 2), n, CD_SECTOR);
}

static void cmd_read_cd(IDEDrive *d, const uint8_t *cdb)
{
    uint32_t n = cdb[6] << 16 | cdb[7] << 8 | cdb[8];

    if (n == 0) {
        command_ok(d);
        return;
    }
    switch (cdb[9] & 0xf8) {
    case 0x00:
        command_ok(d);
        break;
    case 0x10: /* user data */
        read_sectors(d, be32(cdb + 2), n, CD_SECTOR);
        break;
    case 0xf8: /* everything */
        read_sectors(d, be32(cdb + 2), n, CD_RAW);
        break;
    default:
        bad_field(d);
    }
}

/* One data track and the lead-out. */
static unsigned toc_formatted(IDEDrive *d, bool msf, uint8_t start)
{
    uint8_t *b = d->buf;
    unsigned n = 4;
    uint32_t end = cd_sectors(d);

    b[2] = b[3] = 1;
    if (start <= 1) {
        static const uint8_t track[4] = { 0, 0x14, 1, 0 };

        memcpy(b + n, track, 4);
        if (msf) {
            b[n + 4] = 0;
            put_msf(b + n + 5, 0);
        } else {
            put32(b + n + 4, 0);
        }
        n += 8;
    }
    b[n] = 0;
    b[n + 1] = 0x16;
    b[n + 2] = 0xaa;
    b[n + 3] = 0;
    if (msf) {
        b[n + 4] = 0;
        put_msf(b + n + 5, end);
    } else {
        put32(b + n + 4, end);
    }
    return n + 8;
}

static unsigned toc_raw_entry(uint8_t *p, uint8_t point, uint32_t lba,
                              bool address, uint8_t first)
{
    memset(p, 0, 11);
    p[0] = 1;
    p[1] = 0x14;
    p[3] = point;
    if (address) {
        put_msf(p + 8, lba);
    } else {
        p[8] = first;
    }
    return 11;
}

static void cmd_read_toc(IDEDrive *d, const uint8_t *cdb)
{
    unsigned format = cdb[2] & 15, len;
    bool msf = cdb[1] & 2;

    format = format ? format : cdb[9] >> 6;
    memset(d->buf, 0, 64);
    switch (format) {
    case 0:
        if (cdb[6] > 1 && cdb[6] != 0xaa) {
            bad_field(d);
            return;
        }
        len = toc_formatted(d, msf, cdb[6]);
        break;
    case 1: /* sessions: one */
        d->buf[2] = d->buf[3] = 1;
        len = 12;
        d->buf[5] = 0x14;
        d->buf[6] = 1;
        break;
    case 2: /* raw */
        d->buf[2] = d->buf[3] = 1;
        len = 4;
        len += toc_raw_entry(d->buf + len, 0xa0, 0, false, 1);
        len += toc_raw_entry(d->buf + len, 0xa1, 0, false, 1);
        len += toc_raw_entry(d->buf + len, 0xa2, cd_sectors(d), true, 0);
        len += toc_raw_entry(d->buf + len, 1, 0, true, 0);
        break;
    default:
        bad_field(d);
        return;
    }
    put16(d->buf, len - 2);
    reply(d, len, be16(cdb + 7));
}

static void cmd_get_configuration(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf;
    uint16_t profile = !has_medium(d) ? 0 : is_dvd(d) ? 0x10 : 0x08;
    unsigned len;

    if (cdb[1] & 2 || be16(cdb + 2)) {
        bad_field(d); /* only all features, from the first */
        return;
    }
    memset(b, 0, 40);
    put16(b + 6, profile);
    b[8 + 2] = 0x03;  /* profile list: persistent, current */
    b[8 + 3] = 8;
    put16(b + 12, 0x10);
    b[14] = profile == 0x10;
    put16(b + 16, 0x08);
    b[18] = profile == 0x08;
    len = 20;
    put32(b, len - 4);
    reply(d, len, be16(cdb + 7));
}

static void cmd_event_status(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf;
    unsigned len = 4;

    if (!(cdb[1] & 1)) {
        bad_field(d); /* only polled */
        return;
    }
    memset(b, 0, 8);
    b[3] = 1 << 4; /* supported: media events */
    if (cdb[4] & 1 << 4) {
        bool present = blk_is_inserted(d->conf.blk);

        b[2] = 4; /* the media class */
        if (d->event_new_media) {
            b[4] = 2;
            d->event_new_media = false;
        } else if (d->event_eject) {
            b[4] = 1;
            d->event_eject = false;
        }
        b[5] = (d->tray_open ? 1 : 0) | (!d->tray_open && present ? 2 : 0);
        len = 8;
    } else {
        b[2] = 0x80; /* no event of those classes */
    }
    put16(b, len - 4);
    reply(d, len, be16(cdb + 7));
}

static void cmd_mechanism_status(IDEDrive *d, const uint8_t *cdb)
{
    memset(d->buf, 0, 8);
    d->buf[5] = 1;
    reply(d, 8, be16(cdb + 8));
}

static void cmd_read_disc_information(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf;

    if (cdb[1] & 7) {
        bad_field(d);
        return;
    }
    memset(b, 0, 34);
    b[1] = 32;
    b[2] = 0x0e; /* last session complete, disc finalised */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20; /* unrestricted use */
    reply(d, 34, be16(cdb + 7));
}

static void cmd_read_dvd_structure(IDEDrive *d, const uint8_t *cdb)
{
    uint8_t *b = d->buf, format = cdb[7];
    uint32_t total = cd_sectors(d);
    unsigned len;

    if (!is_dvd(d)) {
        if (format < 0xc0) {
            command_error(d, SENSE_ILLEGAL_REQUEST, ASC_INCOMPATIBLE_FORMAT);
        } else {
            bad_field(d);
        }
        return;
    }
    memset(b, 0, 2064);
    switch (format) {
    case 0x00: /* physical format */
        if (cdb[6]) {
            bad_field(d);
            return;
        }
        b[4] = 1;    /* DVD-ROM, part version 1 */
        b[5] = 0x0f; /* 120 mm, rate not specified */
        b[6] = 1;    /* one layer, embossed */
        put32(b + 8, 0x30000);
        put32(b + 12, 0x30000 + total - 1);
        len = 2052;
        break;
    case 0x01: /* copyright: none */
        len = 8;
        break;
    case 0x03: /* burst cutting area */
        bad_field(d);
        return;
    case 0x04: /* manufacturing information */
        len = 2052;
        break;
    case 0xff: /* what there is */
        b[4] = 0x00;
        put16(b + 6, 2052);
        b[5] = 0x40;
        b[8] = 0x01;
        b[9] = 0x40;
        put16(b + 10, 8);
        b[12] = 0x04;
        b[13] = 0x40;
        put16(b + 14, 2052);
        b[16] = 0xff;
        b[17] = 0x40;
        put16(b + 18, 16);
        len = 20;
        break;
    default:
        bad_field(d);
        return;
    }
    put16(b, len - 2);
    reply(d, len, be16(cdb + 8));
}

static void cmd_set_cd_speed(IDEDrive *d, const uint8_t *cdb)
{
    command_ok(d);
}

static void cmd_seek(IDEDrive *d, const uint8_t *cdb)
{
    if (be32(cdb + 2) > cd_sectors(d)) {
        command_error(d, SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
        return;
    }
    command_ok(d);
}

/* ---- dispatch ----------------------------------------------------------------------------- */

enum {
    ALLOW_UA = 1,   /* also while a unit attention waits */
    NEED_MEDIUM = 2,
    NON_DATA = 4,
};

static const struct AtapiCommand {
    void (*run)(IDEDrive *d, const uint8_t *cdb);
    uint8_t flags;
} commands[256] = {
    [0x00] = { cmd_test_unit_ready, NEED_MEDIUM | NON_DATA },
    [0x03] = { cmd_request_sense, ALLOW_UA },
    [0x12] = { cmd_inquiry, ALLOW_UA },
    [0x1b] = { cmd_start_stop, NON_DATA },
    [0x1e] = { cmd_prevent_allow, NON_DATA },
    [0x25] = { cmd_read_capacity, NEED_MEDIUM },
    [0x28] = { cmd_read, NEED_MEDIUM },
    [0x2b] = { cmd_seek, NEED_MEDIUM | NON_DATA },
    [0x43] = { cmd_read_toc, NEED_MEDIUM },
    [0x46] = { cmd_get_configuration, ALLOW_UA },
    [0x4a] = { cmd_event_status, ALLOW_UA },
    [0x51] = { cmd_read_disc_information, NEED_MEDIUM },
    [0x5a] = { cmd_mode_sense, 0 },
    [0xa8] = { cmd_read, NEED_MEDIUM },
    [0xad] = { cmd_read_dvd_structure, NEED_MEDIUM },
    [0xbb] = { cmd_set_cd_speed, NON_DATA },
    [0xbd] = { cmd_mechanism_status, 0 },
    [0xbe] = { cmd_read_cd, NEED_MEDIUM },
};

/* 12 bytes of packet are in buf. */
void atapi_packet(IDEDrive *d)
{
    uint8_t cdb[12];
    const struct AtapiCommand *c;

    memcpy(cdb, d->buf, sizeof(cdb));
    c = &commands[cdb[0]];
    d->chunk = 0;
    d->reply_left = 0;
    d->count = 0;
    if (d->sense_key == SENSE_UNIT_ATTENTION && !(c->flags & ALLOW_UA)) {
        command_error(d, SENSE_UNIT_ATTENTION, d->asc);
        return;
    }
    if (!c->run) {
        command_error(d, SENSE_ILLEGAL_REQUEST, ASC_ILLEGAL_OPCODE);
        return;
    }
    /* A change of medium is told twice: it was out, then it is another. */
    if (!(c->flags & ALLOW_UA) && !d->tray_open && d->media_changed &&
        blk_is_inserted(d->conf.blk)) {
        if (d->media_changed == 2) {
            d->media_changed = 1;
            command_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        } else {
            d->media_changed = 0;
            command_error(d, SENSE_UNIT_ATTENTION,
                          ASC_MEDIUM_MAY_HAVE_CHANGED);
        }
        return;
    }
    if ((c->flags & NEED_MEDIUM) && !has_medium(d)) {
        command_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        return;
    }
    c->run(d, cdb);
}

void atapi_begin(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    if (t->feature & 2) {
        ide_abort(d); /* overlapped commands */
        return;
    }
    d->atapi_dma = t->feature & 1;
    t->status = ST_RDY | ST_SEEK;
    t->nsector = IR_COD;
    ide_pio_begin(d, 0, 12, PIO_PACKET);
}

/* ---- medium changes from the host ----------------------------------------------------------- */

static bool cd_change_media(void *opaque, bool load, Error **errp)
{
    IDEDrive *d = opaque;
    int64_t len = load ? blk_length(d->conf.blk) : 0;

    d->tray_open = !load;
    d->nsectors = len > 0 ? len / IDE_SECTOR : 0;
    d->event_new_media = load;
    d->event_eject = false;
    d->media_changed = 2;
    return true;
}

static void cd_eject_request(void *opaque, bool force)
{
    IDEDrive *d = opaque;

    d->event_eject = true;
    if (force) {
        d->tray_locked = false;
    }
    ide_raise(d);
}

static bool cd_is_tray_open(void *opaque)
{
    return ((IDEDrive *)opaque)->tray_open;
}

static bool cd_is_locked(void *opaque)
{
    return ((IDEDrive *)opaque)->tray_locked;
}

const BlockDevOps atapi_dev_ops = {
    .change_media = cd_change_media,
    .eject_request = cd_eject_request,
    .is_tray_open = cd_is_tray_open,
    .is_medium_locked = cd_is_locked,
};
