/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDENTIFY DEVICE (ATA/ATAPI-6, 8.15) and IDENTIFY PACKET DEVICE (8.16).  The
 * values of what the standard leaves open are QEMU's, as drivers know them.
 */
#include "osdep.h"
#include "hw/ide/ide-int.h"

static void put(uint8_t *to, unsigned word, uint16_t v)
{
    to[2 * word] = v;
    to[2 * word + 1] = v >> 8;
}

/* ASCII fields have the first character in the high byte; padded by blanks. */
static void put_text(uint8_t *to, unsigned word, const char *s, unsigned bytes)
{
    uint8_t *p = to + 2 * word;
    bool end = false;

    for (unsigned i = 0; i < bytes; i++) {
        end = end || !s[i];
        p[i ^ 1] = end ? ' ' : s[i];
    }
}

/* The chosen transfer mode is shown in the high byte of its word. */
static void put_modes(const IDEDrive *d, uint8_t *to)
{
    unsigned mode = d->xfer_mode & 7, kind = d->xfer_mode >> 3;

    put(to, 62, 7 | (kind == 2 ? 1u << (mode + 8) : 0));
    put(to, 63, 7 | (kind == 4 ? 1u << (mode + 8) : 0));
    put(to, 88, 0x3f | (kind == 8 ? 1u << (mode + 8) : 0));
}

static void identify_disk(IDEDrive *d, uint8_t *to)
{
    uint64_t n = d->nsectors;
    uint32_t chs = (uint32_t)d->cyls * d->heads * d->secs;
    uint32_t lba28 = MIN(n, 0x0fffffff);
    bool trim = d->conf.discard_granularity != 0;

    put(to, 0, d->kind == IDE_CF ? 0x848a : 0x0040);
    put(to, 1, d->conf.cyls);
    put(to, 3, d->conf.heads);
    put(to, 4, 512 * d->conf.secs);
    put(to, 5, 512);
    put(to, 6, d->conf.secs);
    if (d->kind == IDE_CF) {
        put(to, 7, n >> 16);
        put(to, 8, n);
    }
    put_text(to, 10, d->serial, 20);
    put(to, 20, 3);
    put(to, 21, 512);
    put(to, 22, 4);
    put_text(to, 23, d->version, 8);
    put_text(to, 27, d->model, 40);
    put(to, 47, 0x8000 | IDE_MAX_MULT);
    put(to, 48, 1);
    put(to, 49, 0x0b00);            /* DMA, LBA, IORDY */
    put(to, 51, 0x0200);
    put(to, 52, 0x0200);
    put(to, 53, 7);
    put(to, 54, d->cyls);
    put(to, 55, d->heads);
    put(to, 56, d->secs);
    put(to, 57, chs);
    put(to, 58, chs >> 16);
    put(to, 59, d->mult_sectors ? 0x100 | d->mult_sectors : 0);
    put(to, 60, lba28);
    put(to, 61, lba28 >> 16);
    put_modes(d, to);
    put(to, 64, 3);                 /* PIO 3 and 4 */
    for (unsigned w = 65; w <= 68; w++) {
        put(to, w, 120);            /* ns */
    }
    put(to, 69, trim ? 0x4000 : 0); /* reads after TRIM: what was, or zero */
    put(to, 80, 0x00f0);            /* ATA-4 to -7 */
    put(to, 81, 0x0016);
    put(to, 82, 0x4021);            /* NOP, write cache, SMART */
    put(to, 83, 0x7400);            /* FLUSH CACHE (EXT), LBA48 */
    put(to, 84, 0x4000 | (d->wwn ? 0x0100 : 0));
    put(to, 85, 0x4001 | (blk_write_cache(d->conf.blk) ? 0x20 : 0));
    put(to, 86, 0x3400);
    put(to, 87, 0x4000 | (d->wwn ? 0x0100 : 0));
    put(to, 93, 0x6001); /* hardware reset passed */
    for (unsigned i = 0; i < 4; i++) {
        put(to, 100 + i, n >> (16 * i));
    }
    if (d->conf.physical_block_size > d->conf.logical_block_size) {
        put(to, 106, 0x6000 | (__builtin_ctz(d->conf.physical_block_size /
                                             d->conf.logical_block_size)));
    } else {
        put(to, 106, 0x6000);
    }
    if (d->wwn) {
        for (unsigned i = 0; i < 4; i++) {
            put(to, 108 + i, d->wwn >> (48 - 16 * i));
        }
    }
    put(to, 169, trim ? 1 : 0);
    put(to, 217, d->rotation_rate);
}

static void identify_packet(IDEDrive *d, uint8_t *to)
{
    put(to, 0, 0x85c0);             /* CD-ROM, removable, 50 us DRQ */
    put_text(to, 10, d->serial, 20);
    put(to, 20, 3);
    put(to, 21, 512);
    put(to, 22, 4);
    put_text(to, 23, d->version, 8);
    put_text(to, 27, d->model, 40);
    put(to, 48, 1);
    put(to, 49, 0x0300);
    put(to, 53, 7);
    put_modes(d, to);
    put(to, 64, 3);
    put(to, 65, 180);
    put(to, 66, 180);
    put(to, 67, 300);
    put(to, 68, 180);
    put(to, 71, 30);
    put(to, 72, 30);
    put(to, 80, 0x1e);
    if (d->wwn) {
        put(to, 84, 0x0100);
        put(to, 87, 0x0100);
        for (unsigned i = 0; i < 4; i++) {
            put(to, 108 + i, d->wwn >> (48 - 16 * i));
        }
    }
}

void ide_identify(IDEDrive *d, uint8_t *to)
{
    memset(to, 0, IDE_SECTOR);
    if (d->kind == IDE_CD) {
        identify_packet(d, to);
    } else {
        identify_disk(d, to);
    }
}
