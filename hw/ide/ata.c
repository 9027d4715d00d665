/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ATA command set (ATA/ATAPI-6 chapter 8) of disks and CompactFlash. */
#include "osdep.h"
#include "hw/ide/ide-int.h"

/* ---- addresses ------------------------------------------------------------------- */

/* LBA and sector count out of the task file. */
static void take_address(IDEDrive *d, bool lba48)
{
    IDETaskFile *t = ide_tf(d);

    d->lba48 = lba48;
    if (lba48) {
        d->lba = (uint64_t)t->hob_hcyl << 40 | (uint64_t)t->hob_lcyl << 32 |
                 (uint64_t)t->hob_sector << 24 | t->hcyl << 16 |
                 t->lcyl << 8 | t->sector;
        d->count = t->hob_nsector << 8 | t->nsector;
        d->count = d->count ? d->count : 65536;
        return;
    }
    d->count = t->nsector ? t->nsector : 256;
    if (t->select & DEV_LBA) {
        d->lba = (t->select & 15) << 24 | t->hcyl << 16 | t->lcyl << 8 |
                 t->sector;
    } else {
        /* Sectors count from 1; sector 0 wraps to far outside. */
        d->lba = ((uint64_t)(t->hcyl << 8 | t->lcyl) * d->heads +
                  (t->select & 15)) * d->secs + t->sector - 1;
    }
}

/* The task file shows how far the command came. */
static void show_address(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    t->nsector = d->count;
    if (d->lba48) {
        t->hob_nsector = d->count >> 8;
        t->sector = d->lba;
        t->lcyl = d->lba >> 8;
        t->hcyl = d->lba >> 16;
        t->hob_sector = d->lba >> 24;
        t->hob_lcyl = d->lba >> 32;
        t->hob_hcyl = d->lba >> 40;
    } else if (t->select & DEV_LBA) {
        t->select = (t->select & 0xf0) | (d->lba >> 24 & 15);
        t->hcyl = d->lba >> 16;
        t->lcyl = d->lba >> 8;
        t->sector = d->lba;
    } else if (d->heads && d->secs) {
        uint64_t track = d->lba / d->secs;

        t->sector = d->lba % d->secs + 1;
        t->select = (t->select & 0xf0) | (track % d->heads & 15);
        t->lcyl = track / d->heads;
        t->hcyl = track / d->heads >> 8;
    }
}

static bool in_range(const IDEDrive *d, uint64_t lba, uint64_t count)
{
    return lba < d->nsectors && count <= d->nsectors - lba;
}

static void finished(IDEDrive *d)
{
    ide_tf(d)->status = ST_RDY | ST_SEEK;
    ide_raise(d);
}

/* ---- PIO -------------------------------------------------------------------------- */

static uint32_t block_sectors(const IDEDrive *d, bool multiple)
{
    return multiple ? d->mult_sectors : 1;
}

static void pio_read_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_PIO_READ)) {
        return;
    }
    d->lba += d->chunk;
    d->count -= d->chunk;
    show_address(d);
    ide_tf(d)->status = ST_RDY | ST_SEEK;
    ide_pio_begin(d, 0, d->chunk * IDE_SECTOR,
                  d->count ? PIO_READ_MORE : PIO_STOP);
    ide_raise(d);
}

static void pio_read(IDEDrive *d)
{
    uint32_t n = MIN(d->count, MAX(d->reply_left, 1));

    ide_tf(d)->status = ST_RDY | ST_SEEK | ST_BSY;
    ide_tf(d)->error = 0;
    if (!in_range(d, d->lba, n)) {
        ide_abort(d);
        return;
    }
    d->chunk = n;
    ide_request_read(ide_request_new(d, pio_read_done), d->lba * IDE_SECTOR,
                     n * IDE_SECTOR);
}

static void pio_write_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_PIO_WRITE)) {
        return;
    }
    d->lba += d->chunk;
    d->count -= d->chunk;
    show_address(d);
    ide_tf(d)->status = ST_RDY | ST_SEEK;
    if (d->count) {
        d->chunk = MIN(d->count, MAX(d->reply_left, 1));
        ide_pio_begin(d, 0, d->chunk * IDE_SECTOR, PIO_WRITE);
    }
    ide_raise(d);
}

static void pio_write(IDEDrive *d)
{
    ide_tf(d)->status = ST_RDY | ST_SEEK | ST_BSY;
    if (!in_range(d, d->lba, d->chunk)) {
        ide_abort(d);
        return;
    }
    ide_request_write(ide_request_new(d, pio_write_done), d->lba * IDE_SECTOR,
                      d->chunk * IDE_SECTOR);
}

void ata_pio_next(IDEDrive *d, PioNext next)
{
    if (next == PIO_READ_MORE) {
        pio_read(d);
    } else if (next == PIO_WRITE) {
        pio_write(d);
    }
}

/* Disks use `reply_left` as the sectors of a DRQ block. */
static void start_pio(IDEDrive *d, bool write, bool multiple, bool lba48)
{
    IDETaskFile *t = ide_tf(d);

    if (multiple && !d->mult_sectors) {
        ide_abort(d);
        return;
    }
    take_address(d, lba48);
    d->reply_left = block_sectors(d, multiple);
    t->error = 0;
    if (!write) {
        pio_read(d);
        return;
    }
    t->status = ST_RDY | ST_SEEK;
    d->chunk = MIN(d->count, d->reply_left);
    ide_pio_begin(d, 0, d->chunk * IDE_SECTOR, PIO_WRITE);
}

/* ---- DMA -------------------------------------------------------------------------- */

static void dma_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, d->dma_op)) {
        return;
    }
    d->lba += d->chunk;
    d->count -= d->chunk;
    show_address(d);
    ata_dma_run(d);
}

static void trim_done(IDEDrive *d, int ret);

/* DATA SET MANAGEMENT: ranges of 48-bit LBA and 16-bit count in the buffer. */
static bool trim_next(IDEDrive *d)
{
    while (d->data_pos + 8 <= d->data_end) {
        const uint8_t *p = d->buf + d->data_pos;
        uint64_t lba = 0;
        uint32_t n = p[6] | p[7] << 8;

        for (int i = 5; i >= 0; i--) {
            lba = lba << 8 | p[i];
        }
        d->data_pos += 8;
        if (n == 0) {
            continue;
        }
        if (!in_range(d, lba, n)) {
            ide_abort(d);
            ide_dma_finish(d, true);
            return true;
        }
        ide_request_discard(ide_request_new(d, trim_done), lba * IDE_SECTOR,
                            (uint64_t)n * IDE_SECTOR);
        return true;
    }
    return false;
}

static void trim_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_DMA_TRIM)) {
        return;
    }
    if (!trim_next(d)) {
        ide_dma_finish(d, false);
        finished(d);
    }
}

static void trim_run(IDEDrive *d)
{
    SGList sg;
    uint64_t want = MIN((uint64_t)d->count * IDE_SECTOR, IDE_BUFFER);

    sglist_init(&sg, d->bus->dma->as(d->bus->dma_opaque));
    d->bus->dma->fill(d->bus->dma_opaque, &sg, want);
    d->data_pos = 0;
    d->data_end = sglist_read(&sg, 0, d->buf, ROUND_DOWN(sg.size, 8));
    sglist_clear(&sg);
    trim_done(d, 0);
}

void ata_dma_run(IDEDrive *d)
{
    uint64_t took;

    if (d->dma_op == IDE_OP_DMA_TRIM) {
        trim_run(d);
        return;
    }
    if (d->count == 0) {
        ide_dma_finish(d, false);
        finished(d);
        return;
    }
    if (!in_range(d, d->lba, d->count)) {
        ide_dma_finish(d, true);
        ide_abort(d);
        return;
    }
    if (!ide_dma_chunk(d, d->lba * IDE_SECTOR,
                       (uint64_t)d->count * IDE_SECTOR, IDE_SECTOR,
                       d->dma_op == IDE_OP_DMA_WRITE, dma_done, &took)) {
        /* The table ends first: no interrupt, the bus master goes idle. */
        d->count = 0;
        ide_tf(d)->status = ST_RDY | ST_SEEK;
        ide_dma_finish(d, false);
        return;
    }
    d->chunk = took / IDE_SECTOR;
}

static void start_dma(IDEDrive *d, IDEOp op, bool lba48)
{
    take_address(d, lba48);
    ide_tf(d)->status = ST_RDY | ST_SEEK | ST_DRQ;
    ide_tf(d)->error = 0;
    ide_dma_wait(d, op);
}

/* ---- other commands ----------------------------------------------------------------- */

static void flush_done(IDEDrive *d, int ret)
{
    if (ret < 0 && ide_handle_error(d, ret, IDE_OP_FLUSH)) {
        return;
    }
    finished(d);
}

static void flush(IDEDrive *d)
{
    ide_tf(d)->status = ST_RDY | ST_SEEK | ST_BSY;
    ide_request_flush(ide_request_new(d, flush_done));
}

static void set_features(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    switch (t->feature) {
    case 0x02: /* write cache on */
        blk_set_write_cache(d->conf.blk, true);
        break;
    case 0x82: /* ... off: what is cached goes out first */
        blk_set_write_cache(d->conf.blk, false);
        flush(d);
        return;
    case 0x03: { /* transfer mode */
        unsigned kind = t->nsector >> 3, mode = t->nsector & 7;

        if (kind > 1 && !(kind == 2 && mode < 3) && !(kind == 4 && mode < 3) &&
            !(kind == 8 && mode < 6)) {
            ide_abort(d);
            return;
        }
        if (kind >= 2) {
            d->xfer_mode = t->nsector;
        } else {
            d->xfer_mode = 0;
        }
        break;
    }
    /* Nothing here depends on them. */
    case 0x05: case 0x85: case 0x66: case 0x69: case 0x67: case 0x96:
    case 0x9a: case 0x42: case 0xc2: case 0xcc: case 0xaa: case 0x55:
        break;
    default:
        ide_abort(d);
        return;
    }
    finished(d);
}

static void identify(IDEDrive *d)
{
    ide_identify(d, d->buf);
    ide_tf(d)->status = ST_RDY | ST_SEEK;
    ide_pio_begin(d, 0, IDE_SECTOR, PIO_STOP);
    ide_raise(d);
}

static void native_max(IDEDrive *d, bool lba48)
{
    uint64_t last = d->nsectors ? d->nsectors - 1 : 0;
    uint32_t keep = d->count;

    d->lba48 = lba48;
    d->count = ide_tf(d)->nsector;
    d->lba = lba48 ? last : MIN(last, 0x0ffffffe);
    show_address(d);
    d->count = keep;
    finished(d);
}

static void diagnostics(IDEDrive *d)
{
    for (int i = 0; i < 2; i++) {
        IDEDrive *o = d->bus->drive[i];

        if (o) {
            ide_cancel(o);
            ide_signature(o);
            d->bus->tf[i].error = 0x01;
            d->bus->tf[i].status = o->kind == IDE_CD ? 0 : ST_RDY | ST_SEEK;
        }
    }
    d->bus->unit = 0;
    for (int i = 0; i < 2; i++) {
        d->bus->tf[i].select &= ~DEV_SLAVE;
    }
    ide_raise(d);
}

static void init_parameters(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    if (t->nsector) {
        uint16_t heads = (t->select & 15) + 1;

        d->heads = heads;
        d->secs = t->nsector;
        d->cyls = MIN(d->nsectors / (heads * t->nsector), 65535);
    }
    finished(d);
}

static void set_multiple(IDEDrive *d)
{
    uint8_t n = ide_tf(d)->nsector;

    if (n > IDE_MAX_MULT || (n & (n - 1))) {
        ide_abort(d);
        return;
    }
    d->mult_sectors = n;
    finished(d);
}

static void verify(IDEDrive *d, bool lba48)
{
    take_address(d, lba48);
    finished(d);
}

/* CompactFlash: the sector's state word after "translate sector". */
static void cf_translate(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    take_address(d, false);
    memset(d->buf, 0, IDE_SECTOR);
    d->buf[0] = t->hcyl;
    d->buf[1] = t->lcyl;
    d->buf[2] = t->select;
    d->buf[3] = t->sector;
    d->buf[4] = d->lba >> 16;
    d->buf[5] = d->lba >> 8;
    d->buf[6] = d->lba;
    t->status = ST_RDY | ST_SEEK;
    ide_pio_begin(d, 0, IDE_SECTOR, PIO_STOP);
    ide_raise(d);
}

/* ---- dispatch ------------------------------------------------------------------------- */

/* Commands that packet devices know too. */
static bool common_command(IDEDrive *d, uint8_t cmd)
{
    IDETaskFile *t = ide_tf(d);

    switch (cmd) {
    case 0x08: /* DEVICE RESET: packet devices only */
        if (d->kind != IDE_CD) {
            return false;
        }
        ide_cancel(d);
        ide_signature(d);
        t->error = 0;
        t->status = 0; /* "not ready": the sign of a packet device */
        return true;
    case 0x90:
        diagnostics(d);
        return true;
    case 0xa1:
        if (d->kind != IDE_CD) {
            return false;
        }
        identify(d);
        return true;
    case 0xa0:
        if (d->kind != IDE_CD) {
            return false;
        }
        atapi_begin(d);
        return true;
    case 0xec:
        if (d->kind == IDE_CD) {
            ide_signature(d);
            return false;
        }
        identify(d);
        return true;
    case 0xef:
        set_features(d);
        return true;
    case 0xe7:
        flush(d);
        return true;
    default:
        return false;
    }
}

static bool disk_command(IDEDrive *d, uint8_t cmd)
{
    IDETaskFile *t = ide_tf(d);

    switch (cmd) {
    case 0x06: /* DATA SET MANAGEMENT */
        if (!(t->feature & 1) || !d->conf.discard_granularity) {
            return false;
        }
        take_address(d, true);
        t->status = ST_RDY | ST_SEEK | ST_DRQ;
        ide_dma_wait(d, IDE_OP_DMA_TRIM);
        return true;
    case 0x20: case 0x21:
        start_pio(d, false, false, false);
        return true;
    case 0x24:
        start_pio(d, false, false, true);
        return true;
    case 0x30: case 0x31: case 0x3c:
        start_pio(d, true, false, false);
        return true;
    case 0x34:
        start_pio(d, true, false, true);
        return true;
    case 0xc4:
        start_pio(d, false, true, false);
        return true;
    case 0x29:
        start_pio(d, false, true, true);
        return true;
    case 0xc5:
        start_pio(d, true, true, false);
        return true;
    case 0x39: case 0xce:
        start_pio(d, true, true, true);
        return true;
    case 0xc8: case 0xc9:
        start_dma(d, IDE_OP_DMA_READ, false);
        return true;
    case 0x25:
        start_dma(d, IDE_OP_DMA_READ, true);
        return true;
    case 0xca: case 0xcb:
        start_dma(d, IDE_OP_DMA_WRITE, false);
        return true;
    case 0x35: case 0x3d:
        start_dma(d, IDE_OP_DMA_WRITE, true);
        return true;
    case 0x40: case 0x41:
        verify(d, false);
        return true;
    case 0x42:
        verify(d, true);
        return true;
    case 0x91:
        init_parameters(d);
        return true;
    case 0xc6:
        set_multiple(d);
        return true;
    case 0xe5: case 0x98: /* CHECK POWER MODE: active */
        t->nsector = 0xff;
        finished(d);
        return true;
    case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe6:
    case 0x94: case 0x95: case 0x96: case 0x97: case 0x99:
        t->status = ST_RDY;
        ide_raise(d);
        return true;
    case 0xea:
        flush(d);
        return true;
    case 0xf5: /* SECURITY FREEZE LOCK: nothing to freeze */
        finished(d);
        return true;
    case 0xf8:
        native_max(d, false);
        return true;
    case 0x27:
        native_max(d, true);
        return true;
    case 0xb0:
        ata_smart(d);
        return true;
    default:
        break;
    }
    if (cmd >= 0x10 && cmd <= 0x1f) { /* RECALIBRATE */
        finished(d);
        return true;
    }
    if (cmd >= 0x70 && cmd <= 0x7f) { /* SEEK */
        finished(d);
        return true;
    }
    return false;
}

static bool cf_command(IDEDrive *d, uint8_t cmd)
{
    IDETaskFile *t = ide_tf(d);

    switch (cmd) {
    case 0x03: /* REQUEST EXTENDED ERROR: none */
        t->error = 0x09;
        finished(d);
        return true;
    case 0xc0: /* ERASE SECTORS: writes erase by themselves */
        verify(d, false);
        return true;
    case 0x38:
        start_pio(d, true, false, false);
        return true;
    case 0xcd:
        start_pio(d, true, true, false);
        return true;
    case 0x87:
        cf_translate(d);
        return true;
    default:
        return false;
    }
}

void ata_command(IDEDrive *d, uint8_t cmd)
{
    IDETaskFile *t = ide_tf(d);
    bool known;

    t->error = 0;
    ide_pio_stop(d);
    known = common_command(d, cmd) ||
            (d->kind != IDE_CD && disk_command(d, cmd)) ||
            (d->kind == IDE_CF && cf_command(d, cmd));
    if (!known) {
        ide_abort(d);
    }
}

void ata_retry(IDEDrive *d, IDEOp op)
{
    switch (op) {
    case IDE_OP_PIO_READ:
        pio_read(d);
        break;
    case IDE_OP_PIO_WRITE:
        pio_write(d);
        break;
    case IDE_OP_DMA_READ:
    case IDE_OP_DMA_WRITE:
    case IDE_OP_DMA_TRIM:
        ide_dma_wait(d, op);
        break;
    case IDE_OP_FLUSH:
        flush(d);
        break;
    default:
        atapi_retry(d);
        break;
    }
}
