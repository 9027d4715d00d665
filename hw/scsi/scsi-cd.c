/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MMC commands of the SCSI CD-ROM (MMC-6), its tray and its medium.  A data
 * disc of one track in one session; of DVD size it says it is a DVD-ROM.
 */
#include "osdep.h"
#include "hw/scsi/scsi-disk-int.h"

#define CD_MAX_BLOCKS (80 * 60 * 75) /* larger: a DVD */

static void change(SCSIDisk *s)
{
    scsi_unit_attention(&s->sd, SENSE_MEDIUM_CHANGED);
    s->event_new_media = true;
    s->event_eject_request = false;
}

static bool cd_change_media(void *opaque, bool load, Error **errp)
{
    SCSIDisk *s = opaque;

    s->tray_open = !load;
    s->tray_locked = false;
    if (load) {
        change(s);
    } else {
        s->event_eject = true;
    }
    return true;
}

static void cd_eject_request(void *opaque, bool force)
{
    SCSIDisk *s = opaque;

    s->event_eject_request = true;
    if (force) {
        s->tray_locked = false;
    }
}

static bool cd_is_tray_open(void *opaque)
{
    return ((SCSIDisk *)opaque)->tray_open;
}

static bool cd_is_locked(void *opaque)
{
    return ((SCSIDisk *)opaque)->tray_locked;
}

static void cd_resize(void *opaque)
{
    change(opaque);
}

const BlockDevOps scsi_cd_dev_ops = {
    .change_media = cd_change_media,
    .eject_request = cd_eject_request,
    .is_tray_open = cd_is_tray_open,
    .is_medium_locked = cd_is_locked,
    .resize = cd_resize,
};

bool scsi_cd_start_stop(SCSIDisk *s, SCSIRequest *req)
{
    bool start = req->cdb[4] & 1, loej = req->cdb[4] & 2;

    if (!loej) {
        return true;
    }
    if (!start && s->tray_locked) {
        scsi_req_fail(req, blk_is_inserted(s->conf.blk)
                               ? SENSE_REMOVAL_PREVENTED
                               : SENSE_NOT_READY);
        return false;
    }
    if (s->tray_open != !start) {
        s->tray_open = !start;
        if (start) {
            change(s);
        }
        blk_eject(s->conf.blk, !start);
    }
    return true;
}

/* ---- replies -------------------------------------------------------------------- */

static void put_msf(uint8_t *p, uint32_t lba, bool msf)
{
    if (msf) {
        lba += 150;
        p[0] = 0;
        p[1] = lba / 75 / 60;
        p[2] = lba / 75 % 60;
        p[3] = lba % 75;
    } else {
        put_be32(p, lba);
    }
}

static size_t toc(SCSIDisk *s, bool msf, uint8_t *b)
{
    b[2] = b[3] = 1; /* tracks */
    b[5] = 0x14;     /* data */
    b[6] = 1;
    put_msf(b + 8, 0, msf);
    b[13] = 0x16;
    b[14] = 0xaa; /* lead-out */
    put_msf(b + 16, scsi_disk_blocks(s), msf);
    return 20;
}

static size_t session_info(bool msf, uint8_t *b)
{
    b[2] = b[3] = 1;
    b[5] = 0x14;
    b[6] = 1;
    put_msf(b + 8, 0, msf);
    return 12;
}

/* The lead-in as it stands on the disc, format 2. */
static size_t full_toc(SCSIDisk *s, uint8_t *b)
{
    static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };
    uint8_t *p = b + 4;

    b[2] = b[3] = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(points); i++, p += 11) {
        p[0] = 1;
        p[1] = 0x14;
        p[3] = points[i];
        switch (points[i]) {
        case 0xa0:
        case 0xa1:
            p[8] = 1; /* first, last track */
            break;
        case 0xa2: {
            uint8_t at[4];

            put_msf(at, scsi_disk_blocks(s), true);
            memcpy(p + 8, at + 1, 3);
            break;
        }
        default:
            p[9] = 2; /* 00:02:00 */
        }
    }
    return p - b;
}

static void read_toc(SCSIDisk *s, SCSIRequest *req)
{
    const uint8_t *c = req->cdb;
    uint8_t b[64] = { 0 };
    bool msf = c[1] & 2;
    unsigned format = c[2] & 15 ? c[2] & 15u : c[9] >> 6;
    size_t len = 0;

    if (format == 0 && (c[6] <= 1 || c[6] == 0xaa)) {
        len = toc(s, msf, b);
        if (c[6] == 0xaa) {
            memmove(b + 4, b + 12, 8);
            len = 12;
        }
    } else if (format == 1) {
        len = session_info(msf, b);
    } else if (format == 2) {
        len = full_toc(s, b);
    }
    if (!len) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    put_be16(b, len - 2);
    scsi_req_reply(req, b, len);
    scsi_req_done(req, SCSI_GOOD);
}

enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };

static uint16_t profile(const SCSIDisk *s)
{
    uint64_t n = scsi_disk_blocks(s);

    return n == 0 ? 0 : n > CD_MAX_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

/* A feature of GET CONFIGURATION, MMC-6 5.3. */
static uint8_t *feature(uint8_t *p, uint16_t code, bool current,
                        uint8_t version, const uint8_t *data, uint8_t len)
{
    put_be16(p, code);
    p[2] = version << 2 | 2 | current; /* persistent */
    p[3] = len;
    memcpy(p + 4, data, len);
    return p + 4 + len;
}

static void get_configuration(SCSIDisk *s, SCSIRequest *req)
{
    uint16_t now = profile(s), start = be16(req->cdb + 2);
    unsigned rt = req->cdb[1] & 3;
    uint8_t profiles[8] = { 0, PROFILE_DVD, now == PROFILE_DVD, 0,
                            0, PROFILE_CD, now == PROFILE_CD, 0 };
    static const uint8_t core[8] = { 0, 0, 0, 1, 1 }; /* SCSI, DBE */
    static const uint8_t removable[4] = { 0x29 }; /* tray, ejects, locks */
    uint8_t b[64] = { 0 }, *p = b + 8;

    if (rt == 3) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    put_be16(b + 6, now);
    if (rt == 2 ? start == 0 : start <= 0) {
        p = feature(p, 0, true, 0, profiles, 8);
    }
    if (rt == 2 ? start == 1 : start <= 1) {
        p = feature(p, 1, true, 2, core, 8);
    }
    if (rt == 2 ? start == 3 : start <= 3) {
        p = feature(p, 3, true, 0, removable, 4);
    }
    put_be32(b, p - b - 4);
    scsi_req_reply(req, b, p - b);
    scsi_req_done(req, SCSI_GOOD);
}

static void get_event_status(SCSIDisk *s, SCSIRequest *req)
{
    uint8_t b[8] = { 0 };
    size_t len = 4;

    if (!(req->cdb[1] & 1)) { /* only polled */
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    b[3] = 1 << 4; /* the media class is there */
    if (req->cdb[4] & 1 << 4) {
        b[2] = 4;
        b[4] = s->event_new_media       ? 2
               : s->event_eject         ? 3
               : s->event_eject_request ? 1
                                        : 0;
        b[5] = (s->tray_open ? 1 : 0) |
               (!s->tray_open && blk_is_inserted(s->conf.blk) ? 2 : 0);
        s->event_new_media = s->event_eject = s->event_eject_request = false;
        len = 8;
    } else {
        b[2] = 0x80; /* none of those asked for */
    }
    put_be16(b, len - 2);
    scsi_req_reply(req, b, len);
    scsi_req_done(req, SCSI_GOOD);
}

static void read_disc_information(SCSIDisk *s, SCSIRequest *req)
{
    uint8_t b[34] = { 0 };

    if (req->cdb[1] & 7) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    b[1] = 32;
    b[2] = 0x0e; /* complete, last session complete */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20; /* unrestricted use */
    scsi_req_reply(req, b, sizeof(b));
    scsi_req_done(req, SCSI_GOOD);
}

static void read_dvd_structure(SCSIDisk *s, SCSIRequest *req)
{
    uint64_t n = scsi_disk_blocks(s);
    uint8_t b[4 + 2048] = { 0 };

    if (profile(s) != PROFILE_DVD) {
        scsi_req_fail(req, (SCSISense){ 5, 0x30, 0x02 }); /* wrong medium */
        return;
    }
    if (req->cdb[1] || req->cdb[6] || req->cdb[7]) {
        /* One layer; only the physical format is told. */
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    put_be16(b, sizeof(b) - 2);
    b[4] = 1;    /* DVD-ROM, version 1 */
    b[5] = 0x0f; /* 120 mm, no rate given */
    b[6] = 1;    /* embossed */
    b[9] = 3;    /* sectors 30000h.. */
    put_be32(b + 12, 0x30000 + n - 1);
    scsi_req_reply(req, b, sizeof(b));
    scsi_req_done(req, SCSI_GOOD);
}

bool scsi_cd_parse(SCSIDisk *s, SCSIRequest *req)
{
    const uint8_t *c = req->cdb;

    switch (c[0]) {
    case READ_TOC:
    case GET_CONFIGURATION:
    case GET_EVENT_STATUS:
    case READ_DISC_INFORMATION:
    case READ_BUFFER_CAPACITY:
        req->xfer = be16(c + 7);
        break;
    case MECHANISM_STATUS:
    case READ_DVD_STRUCTURE:
        req->xfer = be16(c + 8);
        break;
    case SET_CD_SPEED:
        return true;
    default:
        return false;
    }
    req->mode = SCSI_FROM_DEV;
    return true;
}

bool scsi_cd_start(SCSIDisk *s, SCSIRequest *req)
{
    uint8_t b[12] = { 0 };

    switch (req->cdb[0]) {
    case GET_CONFIGURATION:
        get_configuration(s, req);
        return true;
    case GET_EVENT_STATUS:
        get_event_status(s, req);
        return true;
    case MECHANISM_STATUS:
        b[1] = s->tray_open ? 0x10 : 0;
        b[5] = 1; /* slot */
        scsi_req_reply(req, b, 8);
        scsi_req_done(req, SCSI_GOOD);
        return true;
    case SET_CD_SPEED:
        scsi_req_done(req, SCSI_GOOD);
        return true;
    case READ_BUFFER_CAPACITY:
        b[1] = 10;
        scsi_req_reply(req, b, sizeof(b));
        scsi_req_done(req, SCSI_GOOD);
        return true;
    case READ_TOC:
    case READ_DISC_INFORMATION:
    case READ_DVD_STRUCTURE:
        break;
    default:
        return false;
    }
    if (!blk_is_available(s->conf.blk)) {
        scsi_req_fail(req, s->tray_open ? SENSE_TRAY_OPEN : SENSE_NO_MEDIUM);
    } else if (req->cdb[0] == READ_TOC) {
        read_toc(s, req);
    } else if (req->cdb[0] == READ_DISC_INFORMATION) {
        read_disc_information(s, req);
    } else {
        read_dvd_structure(s, req);
    }
    return true;
}
