/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE channels and drives.  ATA/ATAPI-6 (T13/1410D) registers and protocols;
 * packets after SFF-8020i and MMC-3.
 *
 * A channel ("bus") has two places.  The task file of each place is the
 * channel's, as both drives see every register write; the drive behind the
 * selected place acts on commands.  BQL; disk requests end on the main loop.
 */
#ifndef HW_IDE_INT_H
#define HW_IDE_INT_H

#include "block/block.h"
#include "exec/runstate.h"
#include "hw/qdev.h"
#include "hw/sglist.h"

/* Status register. */
enum { ST_ERR = 0x01, ST_DRQ = 0x08, ST_SEEK = 0x10, ST_DF = 0x20,
       ST_RDY = 0x40, ST_BSY = 0x80 };
/* Error register. */
enum { ER_ABRT = 0x04, ER_MCR = 0x08, ER_IDNF = 0x10, ER_UNC = 0x40 };
/* Device register. */
enum { DEV_SLAVE = 0x10, DEV_LBA = 0x40, DEV_ALWAYS = 0xa0 };
/* Device control register. */
enum { CTL_NIEN = 0x02, CTL_SRST = 0x04, CTL_HOB = 0x80 };
/* Interrupt reason: the sector count register of packet devices. */
enum { IR_COD = 0x01, IR_IO = 0x02 };

#define IDE_SECTOR 512
#define CD_SECTOR  2048
#define CD_RAW     2352
/* PIO data: a multiple of sectors and of CD sectors. */
#define IDE_BUFFER (128 * 1024)
#define IDE_MAX_MULT 16
#define IDE_DMA_CHUNK (16 * MiB)

typedef struct IDEBus IDEBus;
typedef struct IDEDrive IDEDrive;
typedef struct IDERequest IDERequest;

typedef enum IDEKind { IDE_HD, IDE_CD, IDE_CF } IDEKind;

/* What happens when the data register has been read or written to the end. */
typedef enum PioNext {
    PIO_IDLE,          /* no transfer */
    PIO_STOP,          /* the command is over */
    PIO_READ_MORE,     /* the next sectors */
    PIO_WRITE,         /* write what came */
    PIO_PACKET,        /* a packet came */
    PIO_ATAPI_REPLY,   /* the next part of a reply */
    PIO_NEXT_MAX
} PioNext;

/* A command that waits for the bus master, or to be tried again. */
typedef enum IDEOp {
    IDE_OP_NONE, IDE_OP_PIO_READ, IDE_OP_PIO_WRITE, IDE_OP_DMA_READ,
    IDE_OP_DMA_WRITE, IDE_OP_DMA_TRIM, IDE_OP_FLUSH, IDE_OP_ATAPI_READ,
    IDE_OP_ATAPI_DMA, IDE_OP_MAX
} IDEOp;

typedef struct IDETaskFile {
    uint8_t feature, error, nsector, sector, lcyl, hcyl, select, status;
    uint8_t hob_feature, hob_nsector, hob_sector, hob_lcyl, hob_hcyl;
} IDETaskFile;

struct IDEDrive {
    DeviceState qdev;
    /* Properties. */
    uint32_t unit;
    BlockConf conf;
    char *version, *model;
    uint64_t wwn;
    uint16_t rotation_rate;
    /* Guest-visible state. */
    IDEKind kind;
    uint16_t cyls, heads, secs;    /* as INITIALIZE DEVICE PARAMETERS left it */
    uint8_t mult_sectors;          /* SET MULTIPLE MODE, 0: off */
    uint8_t xfer_mode;             /* SET FEATURES 03h */
    bool write_cache;
    bool lba48;                    /* of the running command */
    uint64_t lba;                  /* next sector of the command */
    uint32_t count;                /* sectors to go */
    uint32_t chunk;                /* of them in the buffer */
    uint32_t data_pos, data_end;   /* in buf */
    uint32_t pio_next;             /* PioNext */
    uint32_t dma_op;               /* IDEOp that waits for the bus master */
    uint32_t retry;                /* IDEOp to do again when the VM runs */
    uint32_t dma_done;             /* bytes of the DMA command so far */
    uint8_t smart_enabled, smart_autosave, smart_errors;
    uint8_t smart_selftest_count, smart_selftest[21][24];
    /* Packet devices. */
    uint8_t sense_key, asc;
    bool atapi_dma;
    bool tray_open, tray_locked;
    bool event_new_media, event_eject;
    uint8_t media_changed;         /* 2: tell "no medium", then 1: "changed" */
    uint32_t reply_left;           /* bytes of the reply not yet offered */
    uint32_t reply_pos;            /* in buf */
    uint32_t cd_sector_size;       /* 0: the reply is in buf */
    /* Host side. */
    uint8_t *buf;                  /* IDE_BUFFER bytes */
    IDERequest *req;               /* in flight */
    IDEBus *bus;
    uint64_t nsectors;
    char serial[21];
    VMChangeListener vm_change;
};

/* The bus master behind a channel. */
typedef struct IDEDMAOps {
    /* The drive waits with dma_op: go when the guest has started it. */
    void (*ready)(void *opaque);
    /* Appends at most @limit bytes from the PRD table. */
    void (*fill)(void *opaque, SGList *sg, uint64_t limit);
    /* The last fill did not count: the chunk will be tried again. */
    void (*rewind)(void *opaque);
    /* The command is over. */
    void (*done)(void *opaque, bool error);
    void (*reset)(void *opaque);
    AddressSpace *(*as)(void *opaque);
} IDEDMAOps;

struct IDEBus {
    BusState bus;
    IDEDrive *drive[2];
    IDETaskFile tf[2];
    uint8_t unit;       /* selected */
    uint8_t control;
    int index;
    IRQ *irq;
    const IDEDMAOps *dma; /* NULL: PIO only */
    void *dma_opaque;
    MemoryRegion cmd_io, ctl_io;
};

extern const VMStateDescription vmstate_ide_bus;

/* core.c */
void ide_bus_init(IDEBus *bus, DeviceState *parent, int index);
void ide_bus_add_ports(IDEBus *bus, MemoryRegion *io, uint16_t cmd,
                       uint16_t ctl);
void ide_bus_reset(IDEBus *bus);
static inline IDETaskFile *ide_tf(IDEDrive *d)
{
    return &d->bus->tf[d->unit];
}
void ide_raise(IDEDrive *d);
void ide_abort(IDEDrive *d);
void ide_signature(IDEDrive *d);
/* Offers (or expects) bytes of buf through the data register. */
void ide_pio_begin(IDEDrive *d, uint32_t pos, uint32_t len, PioNext next);
void ide_pio_stop(IDEDrive *d);
/* A disk request whose end is forgotten after a reset. */
typedef void (*IDERequestDone)(IDEDrive *d, int ret);
IDERequest *ide_request_new(IDEDrive *d, IDERequestDone done);
void ide_request_read(IDERequest *r, uint64_t offset, uint64_t bytes);
void ide_request_write(IDERequest *r, uint64_t offset, uint64_t bytes);
void ide_request_flush(IDERequest *r);
void ide_request_discard(IDERequest *r, uint64_t offset, uint64_t bytes);
/* True: the error is dealt with (ignored ones: false). */
bool ide_handle_error(IDEDrive *d, int ret, IDEOp op);
/* Puts the command on the bus master. */
void ide_dma_wait(IDEDrive *d, IDEOp op);
/* The bus master was started: run what waits. */
void ide_dma_go(IDEBus *bus);
/* Starts a chunk between the disk at @offset and what the PRD table names, in
 * whole @unit bytes; false when the table has no room for one. */
bool ide_dma_chunk(IDEDrive *d, uint64_t offset, uint64_t bytes, unsigned unit,
                   bool is_write, IDERequestDone done, uint64_t *took);
void ide_dma_finish(IDEDrive *d, bool error);
void ide_cancel(IDEDrive *d);

/* ata.c */
void ata_command(IDEDrive *d, uint8_t cmd);
void ata_pio_next(IDEDrive *d, PioNext next);
void ata_dma_run(IDEDrive *d);
void ata_retry(IDEDrive *d, IDEOp op);

/* identify.c */
void ide_identify(IDEDrive *d, uint8_t *to);

/* atapi.c */
void atapi_begin(IDEDrive *d);
void atapi_packet(IDEDrive *d);
void atapi_reply_next(IDEDrive *d);
void atapi_dma_run(IDEDrive *d);
void atapi_retry(IDEDrive *d);
extern const BlockDevOps atapi_dev_ops;

/* smart.c */
void ata_smart(IDEDrive *d);

#endif
