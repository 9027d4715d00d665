/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of the SCSI disk and CD-ROM. */
#ifndef HW_SCSI_DISK_INT_H
#define HW_SCSI_DISK_INT_H

#include "exec/runstate.h"
#include "hw/scsi.h"

typedef struct SCSIDisk {
    SCSIDevice sd;
    /* Properties. */
    BlockConf conf;
    char *version, *vendor, *product, *device_id;
    uint64_t wwn, port_wwn, max_unmap, max_io;
    uint16_t port_index, rotation_rate;
    int32_t scsi_version;
    bool removable, dpofua;
    /* Guest-visible state. */
    bool tray_open, tray_locked;
    bool event_new_media, event_eject, event_eject_request;
    /* Host side. */
    bool is_cd;
    uint32_t block_size;
    VMChangeListener vm_change;
} SCSIDisk;

static inline uint16_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}
static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}
static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}
static inline void put_be16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}
static inline void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v);
}
static inline void put_be64(uint8_t *p, uint64_t v)
{
    put_be32(p, v >> 32);
    put_be32(p + 4, v);
}

/* Blocks of the medium; 0 without one. */
uint64_t scsi_disk_blocks(const SCSIDisk *s);
/* INQUIRY, MODE SENSE, MODE SELECT and the like (scsi-pages.c): they reply
 * and end the request. */
void scsi_disk_inquiry(SCSIDisk *s, SCSIRequest *req);
void scsi_disk_mode_sense(SCSIDisk *s, SCSIRequest *req);
void scsi_disk_mode_select(SCSIDisk *s, SCSIRequest *req);
/* MMC's (scsi-cd.c); false: not one of them. */
bool scsi_cd_parse(SCSIDisk *s, SCSIRequest *req);
bool scsi_cd_start(SCSIDisk *s, SCSIRequest *req);
extern const BlockDevOps scsi_cd_dev_ops;
/* START STOP UNIT's LOEJ: false and an error in @req. */
bool scsi_cd_start_stop(SCSIDisk *s, SCSIRequest *req);

enum {
    TEST_UNIT_READY = 0x00, REZERO_UNIT = 0x01, REQUEST_SENSE = 0x03,
    FORMAT_UNIT = 0x04, READ_6 = 0x08, WRITE_6 = 0x0a, SEEK_6 = 0x0b,
    INQUIRY = 0x12, MODE_SELECT_6 = 0x15, RESERVE_6 = 0x16, RELEASE_6 = 0x17,
    MODE_SENSE_6 = 0x1a, START_STOP = 0x1b, SEND_DIAGNOSTIC = 0x1d,
    PREVENT_ALLOW = 0x1e, READ_CAPACITY_10 = 0x25, READ_10 = 0x28,
    WRITE_10 = 0x2a, SEEK_10 = 0x2b, WRITE_VERIFY_10 = 0x2e, VERIFY_10 = 0x2f,
    SYNCHRONIZE_CACHE = 0x35, WRITE_SAME_10 = 0x41, UNMAP = 0x42,
    READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT_STATUS = 0x4a,
    READ_DISC_INFORMATION = 0x51, MODE_SELECT_10 = 0x55, RESERVE_10 = 0x56,
    RELEASE_10 = 0x57, MODE_SENSE_10 = 0x5a, READ_16 = 0x88, WRITE_16 = 0x8a,
    WRITE_VERIFY_16 = 0x8e, VERIFY_16 = 0x8f, SYNCHRONIZE_CACHE_16 = 0x91,
    WRITE_SAME_16 = 0x93, SERVICE_ACTION_IN_16 = 0x9e, READ_12 = 0xa8,
    WRITE_12 = 0xaa, WRITE_VERIFY_12 = 0xae, VERIFY_12 = 0xaf,
    MECHANISM_STATUS = 0xbd, READ_DVD_STRUCTURE = 0xad, SET_CD_SPEED = 0xbb,
    READ_BUFFER_CAPACITY = 0x5c,
};

#endif
