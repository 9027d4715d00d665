/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMART (ATA/ATAPI-6, 8.41): a healthy disk.  The attribute table is vendor
 * specific; ours has the few that tools show.
 */
#include "osdep.h"
#include "hw/ide/ide-int.h"

typedef struct SmartAttr {
    uint8_t id;
    uint16_t flags;
    uint8_t value, worst, raw0, threshold;
} SmartAttr;

static const SmartAttr attrs[] = {
    { 1, 0x0003, 100, 100, 0, 6 },    /* raw read error rate */
    { 3, 0x0003, 100, 100, 16, 0 },   /* spin-up time */
    { 4, 0x0002, 100, 100, 100, 20 }, /* start/stop count */
    { 5, 0x0003, 100, 100, 0, 36 },   /* reallocated sectors */
    { 9, 0x0003, 100, 100, 1, 0 },    /* power-on hours */
    { 12, 0x0003, 100, 100, 0, 0 },   /* power cycle count */
    { 190, 0x0003, 69, 69, 31, 50 },  /* airflow temperature */
};

static void checksum(uint8_t *p)
{
    uint8_t sum = 0;

    for (int i = 0; i < 511; i++) {
        sum += p[i];
    }
    p[511] = -sum;
}

static void read_data(IDEDrive *d)
{
    uint8_t *p = d->buf;

    p[0] = 1;
    for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
        uint8_t *a = p + 2 + 12 * i;

        a[0] = attrs[i].id;
        a[1] = attrs[i].flags;
        a[2] = attrs[i].flags >> 8;
        a[3] = attrs[i].value;
        a[4] = attrs[i].worst;
        a[5] = attrs[i].raw0;
    }
    p[362] = 0x02 | (d->smart_autosave ? 0x80 : 0); /* off-line collection */
    p[363] = d->smart_selftest_count == 0 ? 0
             : d->smart_selftest[(d->smart_selftest_count - 1) % 21][1];
    p[364] = 0x20;
    p[367] = 1 << 4 | 1 << 3 | 1; /* self-test, off-line, immediate */
    p[368] = 0x03;                /* saves attributes */
    p[370] = 0x01;                /* error log */
    p[372] = 2;                   /* minutes: short test */
    p[373] = 54;                  /* extended */
}

static void read_thresholds(IDEDrive *d)
{
    d->buf[0] = 1;
    for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
        d->buf[2 + 12 * i] = attrs[i].id;
        d->buf[3 + 12 * i] = attrs[i].threshold;
    }
}

static bool read_log(IDEDrive *d)
{
    uint8_t *p = d->buf;

    switch (ide_tf(d)->sector) {
    case 0x01: /* summary error log: empty */
        p[0] = 1;
        p[452] = d->smart_errors;
        return true;
    case 0x06: /* self-test log */
        p[0] = 1;
        for (unsigned i = 0; i < MIN(d->smart_selftest_count, 21); i++) {
            memcpy(p + 2 + 24 * i, d->smart_selftest[i], 24);
        }
        p[508] = d->smart_selftest_count
                     ? (d->smart_selftest_count - 1) % 21 + 1 : 0;
        return true;
    default:
        return false;
    }
}

static bool self_test(IDEDrive *d)
{
    uint8_t what = ide_tf(d)->sector, *e;

    switch (what) {
    case 0: /* off-line data collection: done at once */
        return true;
    case 1: case 2: /* short, extended */
        e = d->smart_selftest[d->smart_selftest_count % 21];
        memset(e, 0, 24);
        e[0] = what;
        e[1] = 0x00; /* completed without error */
        e[2] = 0x34; /* hours of life */
        e[3] = 0x12;
        d->smart_selftest_count = MIN(d->smart_selftest_count + 1, 255);
        return true;
    default:
        return false;
    }
}

static void reply(IDEDrive *d)
{
    checksum(d->buf);
    ide_tf(d)->status = ST_RDY | ST_SEEK;
    ide_pio_begin(d, 0, IDE_SECTOR, PIO_STOP);
    ide_raise(d);
}

void ata_smart(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);
    bool ok = t->hcyl == 0xc2 && t->lcyl == 0x4f &&
              (d->smart_enabled || t->feature == 0xd8);

    memset(d->buf, 0, IDE_SECTOR);
    if (ok) {
        switch (t->feature) {
        case 0xd0:
            read_data(d);
            reply(d);
            return;
        case 0xd1:
            read_thresholds(d);
            reply(d);
            return;
        case 0xd5:
            ok = read_log(d);
            if (ok) {
                reply(d);
                return;
            }
            break;
        case 0xd2:
            d->smart_autosave = t->nsector == 0xf1;
            ok = t->nsector == 0xf1 || t->nsector == 0;
            break;
        case 0xd3: /* SAVE ATTRIBUTE VALUES */
        case 0xda: /* RETURN STATUS: 4F/C2 stays, nothing is wrong */
            break;
        case 0xd4:
            ok = self_test(d);
            break;
        case 0xd8:
            d->smart_enabled = 1;
            break;
        case 0xd9:
            d->smart_enabled = 0;
            break;
        default:
            ok = false;
        }
    }
    if (!ok) {
        ide_abort(d);
        return;
    }
    t->status = ST_RDY | ST_SEEK;
    ide_raise(d);
}
