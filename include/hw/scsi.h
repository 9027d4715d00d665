/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI: a host bus adapter (virtio-scsi, USB storage) has a bus; devices sit
 * at channel, target and LUN.  SPC-3, SBC-3, MMC-6.
 *
 * A request is embedded in the adapter's own, which owns it:
 *     scsi_req_init() - looks at the CDB: mode, xfer
 *     the adapter sets iov (room for `xfer` bytes at least), complete, opaque
 *     scsi_req_start() - complete() comes once, now or later
 * BQL, main loop.
 */
#ifndef HW_SCSI_H
#define HW_SCSI_H

#include "block/block.h"
#include "hw/qdev.h"

#define SCSI_CDB_MAX   32
#define SCSI_SENSE_LEN 18 /* fixed format */

/* Status, SAM-4 5.3. */
enum { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2, SCSI_BUSY = 8,
       SCSI_TASK_ABORTED = 0x40 };

typedef enum SCSIMode { SCSI_NONE, SCSI_FROM_DEV, SCSI_TO_DEV } SCSIMode;

typedef struct SCSISense {
    uint8_t key, asc, ascq;
} SCSISense;

typedef struct SCSIBus SCSIBus;
typedef struct SCSIDevice SCSIDevice;
typedef struct SCSIRequest SCSIRequest;

struct SCSIRequest {
    /* Filled by scsi_req_init(). */
    SCSIBus *bus;
    SCSIDevice *dev;      /* NULL: the target's, for an absent LUN */
    uint32_t lun;
    uint8_t cdb[SCSI_CDB_MAX];
    SCSIMode mode;
    uint64_t xfer;        /* bytes the command moves at most */
    /* The adapter's. */
    const struct iovec *iov;
    int niov;
    void (*complete)(SCSIRequest *req);
    void *opaque;
    /* Results. */
    uint64_t done;        /* bytes moved */
    uint8_t status;
    uint8_t sense[SCSI_SENSE_LEN];
    bool cancelled;       /* nobody wants the result; complete() comes still */
    /* The device's. */
    ListNode node;        /* in dev->requests, while under way */
    BlockRequest *aio;
    struct iovec *cut;    /* a shorter iov; owned */
    uint8_t *buf;         /* owned */
    uint64_t left, offset; /* of commands in several steps */
    bool held;            /* waits for the VM to go on (rerror, werror) */
};

/* How a kind of device works: DeviceInfo.bus_info. */
typedef struct SCSIDeviceInfo {
    /* Mode and length of a command; false: illegal operation code. */
    bool (*parse)(SCSIDevice *d, SCSIRequest *req);
    void (*start)(SCSIDevice *d, SCSIRequest *req);
    /* Fills a standard INQUIRY's 36 bytes from device type on. */
    void (*inquiry)(SCSIDevice *d, uint8_t *buf);
} SCSIDeviceInfo;

struct SCSIDevice {
    DeviceState qdev;
    /* Properties; UINT32_MAX: the bus picks. */
    uint32_t channel, id, lun;
    /* Guest-visible state. */
    SCSISense ua;         /* unit attention; key 0: none */
    SCSISense last;       /* for REQUEST SENSE */
    /* Host side. */
    const SCSIDeviceInfo *sinfo;
    ListNode requests;    /* oldest first */
    unsigned in_flight;   /* at the block layer */
};

typedef struct SCSIBusOps {
    uint32_t max_channel, max_target, max_lun;
    /* The device's parameters changed: asc and ascq. */
    void (*changed)(SCSIBus *bus, SCSIDevice *d, SCSISense sense);
    /* Saved state of a request that waits: the adapter's part.  load returns
     * a request that was initialised and has its vectors. */
    void (*save)(SCSIRequest *req, VMStateWriter *w);
    SCSIRequest *(*load)(SCSIBus *bus, SCSIDevice *d, VMStateReader *r,
                         Error **errp);
    /* Lets go of a request that will not complete. */
    void (*drop)(SCSIRequest *req);
} SCSIBusOps;

struct SCSIBus {
    BusState bus;
    const SCSIBusOps *ops;
    void *opaque;         /* the adapter */
};

/* @name NULL: by the parent's id or "scsi.0". */
SCSIBus *scsi_bus_new(DeviceState *parent, const char *name,
                      const SCSIBusOps *ops, void *opaque);
/* The one disk of an adapter that is itself the user's device (USB storage):
 * takes @conf's drive and strings over.  Its path is the bus's "legacy[0]". */
bool scsi_bus_add_drive(SCSIBus *bus, BlockConf *conf, bool removable,
                        int32_t bootindex, Error **errp);
/* The device; NULL if there is none.  lun UINT32_MAX: any of the target. */
SCSIDevice *scsi_device_find(SCSIBus *bus, uint32_t channel, uint32_t id,
                             uint32_t lun);
/* False: no such target. */
bool scsi_req_init(SCSIRequest *req, SCSIBus *bus, uint32_t channel,
                   uint32_t id, uint32_t lun, const uint8_t *cdb,
                   size_t cdb_len);
void scsi_req_start(SCSIRequest *req);
/* Asks for an early end, with status TASK ABORTED. */
void scsi_req_cancel(SCSIRequest *req);
/* All of a device's, and waits for them (not on a vCPU's thread); held ones
 * are dropped. */
void scsi_device_purge(SCSIDevice *d);
/* Waits for what is at the block layer; false: nothing was. */
void scsi_bus_drain(SCSIBus *bus);
bool scsi_bus_busy(SCSIBus *bus);
/* Bus reset: purge, and a unit attention for each. */
void scsi_bus_reset(SCSIBus *bus);

/* ---- for devices ------------------------------------------------------------ */

void scsi_req_done(SCSIRequest *req, uint8_t status);
void scsi_req_fail(SCSIRequest *req, SCSISense sense);
/* Copies to the initiator and adds to `done`; what fits. */
void scsi_req_reply(SCSIRequest *req, const void *buf, size_t len);
/* Data from the initiator; bytes. */
size_t scsi_req_data(const SCSIRequest *req, size_t off, void *buf,
                     size_t len);
void scsi_build_sense(uint8_t *buf, SCSISense sense);
void scsi_unit_attention(SCSIDevice *d, SCSISense sense);
extern const VMStateDescription vmstate_scsi_device;
#define VMSTATE_SCSI_DEVICE(f, S) \
    VMSTATE_STRUCT(f, S, SCSIDevice, vmstate_scsi_device)

/* Sense data of this program's devices, SPC-3 4.5.6 and annex D. */
#define SENSE_NO_SENSE         ((SCSISense){ 0, 0, 0 })
#define SENSE_NOT_READY        ((SCSISense){ 2, 0x04, 0x00 })
#define SENSE_NO_MEDIUM        ((SCSISense){ 2, 0x3a, 0x00 })
#define SENSE_TRAY_OPEN        ((SCSISense){ 2, 0x3a, 0x02 })
#define SENSE_READ_ERROR       ((SCSISense){ 3, 0x11, 0x00 })
#define SENSE_WRITE_ERROR      ((SCSISense){ 3, 0x0c, 0x00 })
#define SENSE_TARGET_FAILURE   ((SCSISense){ 4, 0x44, 0x00 })
#define SENSE_INVALID_OPCODE   ((SCSISense){ 5, 0x20, 0x00 })
#define SENSE_LBA_RANGE        ((SCSISense){ 5, 0x21, 0x00 })
#define SENSE_INVALID_FIELD    ((SCSISense){ 5, 0x24, 0x00 })
#define SENSE_LUN_NOT_SUPPORTED ((SCSISense){ 5, 0x25, 0x00 })
#define SENSE_INVALID_PARAM    ((SCSISense){ 5, 0x26, 0x00 })
#define SENSE_INVALID_PARAM_LEN ((SCSISense){ 5, 0x1a, 0x00 })
#define SENSE_SAVING_PARAMS    ((SCSISense){ 5, 0x39, 0x00 })
#define SENSE_REMOVAL_PREVENTED ((SCSISense){ 5, 0x53, 0x02 })
#define SENSE_MEDIUM_CHANGED   ((SCSISense){ 6, 0x28, 0x00 })
#define SENSE_RESET            ((SCSISense){ 6, 0x29, 0x00 })
#define SENSE_CAPACITY_CHANGED ((SCSISense){ 6, 0x2a, 0x09 })
#define SENSE_LUNS_CHANGED     ((SCSISense){ 6, 0x3f, 0x0e })
#define SENSE_WRITE_PROTECTED  ((SCSISense){ 7, 0x27, 0x00 })
#define SENSE_SPACE_ALLOC      ((SCSISense){ 7, 0x27, 0x07 })
#define SENSE_MISCOMPARE       ((SCSISense){ 0xe, 0x1d, 0x00 })

#endif
