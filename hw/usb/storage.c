/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-storage: a disk by USB Mass Storage Class, Bulk-Only Transport 1.0.  It
 * has a SCSI bus with one disk, which takes over the drive and its properties.
 *
 *     COMMAND --CBW, data out--> DATA_OUT --all of it--> STATUS
 *             --CBW, data in---> DATA_IN ---all of it--> STATUS
 *             --CBW, no data----------------------------> STATUS
 *     STATUS --CSW read--> COMMAND
 *     any --CBW that is none--> BROKEN --class reset--> COMMAND
 *
 *   - The data stage is as long as the host said (dCBWDataTransferLength):
 *     what the command does not move is zeroes, or thrown away, and counted as
 *     residue (6.7.2, 6.7.3).  A command that wants more is a phase error.
 *   - One buffer holds all data of a command, MAX_DATA at most: the command
 *     runs before data is read and after it was written.
 *   - A reset leaves a command that is at the block layer behind; it frees
 *     itself when it ends.
 */
#include "osdep.h"
#include "hw/scsi.h"
#include "hw/usb.h"
#include "util/log.h"

#define MAX_DATA (16 * MiB)
#define CBW_LEN  31
#define CSW_LEN  13
#define EP_IN    1
#define EP_OUT   2
#define ALIGN    4096 /* of the buffer: host files open with O_DIRECT */

enum { REQ_RESET = 0xff, REQ_GET_MAX_LUN = 0xfe };
enum { CSW_GOOD = 0, CSW_FAILED = 1, CSW_PHASE_ERROR = 2 };
enum { ST_COMMAND, ST_DATA_OUT, ST_DATA_IN, ST_STATUS, ST_BROKEN };

typedef struct USBStorage USBStorage;

/* The command and its data; owned by the device, or on its own after a reset
 * came in between (s == NULL). */
typedef struct MSDCommand {
    SCSIRequest req;
    USBStorage *s;
    bool busy;           /* with the disk */
    struct iovec iov;
    uint8_t *data;
    size_t room;
} MSDCommand;

struct USBStorage {
    USBDevice usb;
    /* Properties. */
    BlockConf conf;      /* the disk's: handed on */
    bool removable;
    /* Guest-visible state. */
    uint32_t state;      /* ST_x */
    uint32_t tag, length; /* of the CBW */
    uint32_t at;         /* bytes of the data stage that have moved */
    uint32_t wanted;     /* bytes of it that the command takes or gives */
    uint8_t result;      /* CSW_x */
    /* Host side. */
    SCSIBus *bus;
    MSDCommand *cmd;
    USBPacket *waiting;  /* of the IN endpoint, for the disk */
};

/* ---- the command at the disk --------------------------------------------- */

static MSDCommand *command_new(USBStorage *s)
{
    MSDCommand *c = g_new0(MSDCommand, 1);

    c->s = s;
    return c;
}

static void command_free(MSDCommand *c)
{
    g_aligned_free(c->data);
    g_free(c);
}

static void command_room(MSDCommand *c, size_t len)
{
    if (!c->data || c->room < len || c->room > MAX(len, 1 * MiB)) {
        g_aligned_free(c->data);
        c->room = MAX(len, 64 * KiB);
        c->data = g_aligned_alloc(1, c->room, ALIGN);
    }
    c->iov = (struct iovec){ c->data, len };
}

static bool answer_in(USBStorage *s, USBPacket *p);

static void command_done(SCSIRequest *req)
{
    MSDCommand *c = container_of(req, MSDCommand, req);
    USBStorage *s = c->s;
    USBPacket *p;

    c->busy = false;
    if (!s) {
        command_free(c);
        return;
    }
    s->wanted = MIN(req->done, s->length);
    s->result = req->done > s->length         ? CSW_PHASE_ERROR
                : req->status != SCSI_GOOD    ? CSW_FAILED
                                              : CSW_GOOD;
    p = s->waiting;
    if (p) {
        s->waiting = NULL;
        answer_in(s, p);
        usb_packet_complete(p);
    } else {
        usb_wakeup(&s->usb, EP_IN);
    }
}

/* One that was held and will not go on: its reset comes. */
static void command_drop(SCSIRequest *req)
{
    MSDCommand *c = container_of(req, MSDCommand, req);

    c->busy = false;
    if (!c->s) {
        command_free(c);
    } else {
        c->s->wanted = 0;
        c->s->result = CSW_FAILED;
    }
}

static void command_start(MSDCommand *c)
{
    c->busy = true;
    c->req.iov = &c->iov;
    c->req.niov = 1;
    c->req.complete = command_done;
    if (c->req.xfer > MAX_DATA) {
        scsi_req_fail(&c->req, SENSE_INVALID_FIELD);
    } else {
        scsi_req_start(&c->req);
    }
}

/* Back to the start; what waits ends with an error. */
static void storage_abort(USBStorage *s)
{
    MSDCommand *c = s->cmd;
    USBPacket *p = s->waiting;

    s->state = ST_COMMAND;
    s->wanted = s->at = s->length = 0;
    if (c->busy) {
        c->s = NULL;
        s->cmd = command_new(s);
        scsi_req_cancel(&c->req); /* may end and free it */
    }
    if (p) {
        s->waiting = NULL;
        p->status = USB_IOERROR;
        usb_packet_complete(p);
    }
}

/* ---- packets ------------------------------------------------------------- */

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}

/* A command block wrapper, 5.1; false: it is none, or means nothing here. */
static bool take_cbw(USBStorage *s, const USBPacket *p)
{
    const uint8_t *b = p->data;
    MSDCommand *c = s->cmd;
    SCSIMode mode;

    if (p->size != CBW_LEN || memcmp(b, "USBC", 4) != 0 || b[13] & 15 ||
        (b[14] & 31) < 1 || (b[14] & 31) > 16) {
        return false;
    }
    s->tag = le32(b + 4);
    s->length = le32(b + 8);
    s->at = s->wanted = 0;
    s->result = CSW_GOOD;
    s->state = !s->length ? ST_STATUS : b[12] & 0x80 ? ST_DATA_IN
                                                     : ST_DATA_OUT;
    if (!scsi_req_init(&c->req, s->bus, 0, 0, 0, b + 15, b[14] & 31)) {
        s->result = CSW_FAILED; /* the disk was taken away */
        return true;
    }
    mode = c->req.mode;
    if ((mode == SCSI_TO_DEV && (s->state != ST_DATA_OUT ||
                                 c->req.xfer > s->length)) ||
        (mode == SCSI_FROM_DEV && s->state == ST_DATA_OUT)) {
        s->result = CSW_PHASE_ERROR;
        return true;
    }
    command_room(c, MIN(c->req.xfer, MAX_DATA));
    if (mode == SCSI_TO_DEV && c->req.xfer <= MAX_DATA) {
        s->wanted = c->req.xfer; /* it starts when the data is there */
    } else {
        command_start(c);
    }
    return true;
}

static void take_data(USBStorage *s, USBPacket *p)
{
    uint32_t len = MIN(p->size, s->length - s->at);
    bool more = s->at < s->wanted;

    if (more) {
        memcpy(s->cmd->data + s->at, p->data, MIN(len, s->wanted - s->at));
    }
    s->at += len;
    p->actual = p->size;
    if (s->at == s->length) {
        s->state = ST_STATUS;
        usb_wakeup(&s->usb, EP_IN);
    }
    if (more && s->at >= s->wanted) {
        command_start(s->cmd);
    }
}

static void give_csw(USBStorage *s, USBPacket *p)
{
    uint8_t b[CSW_LEN] = "USBS";

    put32(b + 4, s->tag);
    put32(b + 8, s->length - s->wanted);
    b[12] = s->result;
    p->actual = MIN(p->size, CSW_LEN);
    memcpy(p->data, b, p->actual);
    s->state = ST_COMMAND;
}

/* False: there is nothing to say yet. */
static bool answer_in(USBStorage *s, USBPacket *p)
{
    uint32_t len, part;

    switch (s->state) {
    case ST_DATA_IN:
        len = MIN(p->size, s->length - s->at);
        part = s->at < s->wanted ? MIN(len, s->wanted - s->at) : 0;
        if (part) {
            memcpy(p->data, s->cmd->data + s->at, part);
        }
        memset(p->data + part, 0, len - part);
        s->at += len;
        p->actual = len;
        if (s->at == s->length) {
            s->state = ST_STATUS;
        }
        break;
    case ST_STATUS:
        give_csw(s, p);
        break;
    default:
        return false;
    }
    p->status = USB_OK;
    return true;
}

static void storage_data(USBDevice *d, USBPacket *p)
{
    USBStorage *s = (USBStorage *)d;

    p->status = USB_STALL;
    if (s->state == ST_BROKEN) {
        return;
    }
    if (p->pid == USB_PID_OUT && p->ep == EP_OUT) {
        if (s->state == ST_DATA_OUT) {
            p->status = USB_OK;
            take_data(s, p);
        } else if (s->state == ST_COMMAND && take_cbw(s, p)) {
            p->status = USB_OK;
            p->actual = p->size;
        } else {
            log_guest_error("usb-storage: not a command wrapper\n");
            s->state = s->cmd->busy ? s->state : ST_BROKEN;
        }
    } else if (p->pid == USB_PID_IN && p->ep == EP_IN) {
        if (s->cmd->busy && s->state != ST_DATA_OUT) {
            if (!s->waiting) {
                s->waiting = p;
                p->status = USB_ASYNC;
            }
        } else if (!answer_in(s, p)) {
            p->status = USB_NAK;
        }
    }
}

static void storage_cancel(USBDevice *d, USBPacket *p)
{
    USBStorage *s = (USBStorage *)d;

    if (s->waiting == p) {
        s->waiting = NULL;
    }
}

static int storage_control(USBDevice *d, uint8_t type, uint8_t request,
                           uint16_t value, uint16_t index, uint16_t length,
                           uint8_t *data)
{
    if ((type & ~USB_DIR_IN) != (USB_TYPE_CLASS | USB_RECIP_INTERFACE)) {
        return -1;
    }
    if (request == REQ_RESET && !(type & USB_DIR_IN)) {
        storage_abort((USBStorage *)d);
        return 0;
    }
    if (request == REQ_GET_MAX_LUN && type & USB_DIR_IN) {
        data[0] = 0;
        return 1;
    }
    return -1;
}

static void storage_bus_reset(USBDevice *d)
{
    storage_abort((USBStorage *)d);
}

/* ---- the SCSI bus -------------------------------------------------------- */

/* A command that waits for the VM to go on (werror=stop): CDB and data. */
static void save_held(SCSIRequest *req, VMStateWriter *w)
{
    MSDCommand *c = container_of(req, MSDCommand, req);

    vmstate_put_bytes(w, req->cdb, 16);
    if (req->mode == SCSI_TO_DEV) {
        vmstate_put_bytes(w, c->data, req->xfer);
    }
}

static SCSIRequest *load_held(SCSIBus *bus, SCSIDevice *d, VMStateReader *in,
                              Error **errp)
{
    USBStorage *s = bus->opaque;
    MSDCommand *c = s->cmd;
    uint8_t cdb[16];

    if (c->busy || !vmstate_get_bytes(in, cdb, sizeof(cdb), errp) ||
        !scsi_req_init(&c->req, bus, 0, 0, 0, cdb, sizeof(cdb)) ||
        c->req.dev != d || c->req.xfer > MAX_DATA) {
        return NULL;
    }
    command_room(c, c->req.xfer);
    if (c->req.mode == SCSI_TO_DEV &&
        !vmstate_get_bytes(in, c->data, c->req.xfer, errp)) {
        return NULL;
    }
    c->req.iov = &c->iov;
    c->req.niov = 1;
    c->req.complete = command_done;
    c->busy = true;
    return &c->req;
}

static const SCSIBusOps storage_bus_ops = {
    .save = save_held,
    .load = load_held,
    .drop = command_drop,
};

/* ---- life ---------------------------------------------------------------- */

static bool storage_realize(DeviceState *dev, Error **errp)
{
    USBStorage *s = (USBStorage *)dev;

    if (!s->conf.blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    s->cmd = command_new(s);
    s->bus = scsi_bus_new(dev, NULL, &storage_bus_ops, s);
    s->conf.serial = g_strdup(s->usb.serial);
    if (!scsi_bus_add_drive(s->bus, &s->conf, s->removable, dev->bootindex,
                            errp)) {
        command_free(s->cmd);
        return false;
    }
    dev->bootindex = -1; /* the disk has it */
    return true;
}

static void storage_unrealize(DeviceState *dev)
{
    USBStorage *s = (USBStorage *)dev;

    if (s->cmd->busy) {
        s->cmd->s = NULL;
    } else {
        command_free(s->cmd);
    }
}

/* ---- state --------------------------------------------------------------- */

/* Data that came in and was not used yet, or is there to be read.  (A held
 * command's goes with it.) */
static uint32_t data_kept(const USBStorage *s)
{
    return s->cmd->busy               ? 0
           : s->state == ST_DATA_OUT ? MIN(s->at, s->wanted)
           : s->state == ST_DATA_IN  ? s->wanted
                                     : 0;
}

static void save_data(const void *field, VMStateWriter *w)
{
    const USBStorage *s = container_of((MSDCommand *const *)field,
                                       const USBStorage, cmd);
    uint32_t n = data_kept(s);

    vmstate_put_u32(w, n);
    vmstate_put_bytes(w, s->cmd->req.cdb, 16);
    vmstate_put_bytes(w, s->cmd->data, n);
}

static bool load_data(void *field, VMStateReader *in, Error **errp)
{
    USBStorage *s = container_of((MSDCommand **)field, USBStorage, cmd);
    MSDCommand *c = s->cmd;
    uint8_t cdb[16];
    uint32_t n;

    if (s->state > ST_BROKEN || s->at > s->length || s->wanted > s->length ||
        s->wanted > MAX_DATA || s->result > CSW_PHASE_ERROR) {
        error_setg(errp, "usb-storage: transfer out of range");
        return false;
    }
    if (!vmstate_get_u32(in, &n, errp) ||
        !vmstate_get_bytes(in, cdb, sizeof(cdb), errp)) {
        return false;
    }
    if (c->busy) {
        return true; /* its data came with it */
    }
    if (s->state == ST_DATA_OUT && s->at < s->wanted &&
        (!scsi_req_init(&c->req, s->bus, 0, 0, 0, cdb, sizeof(cdb)) ||
         c->req.xfer != s->wanted || c->req.mode != SCSI_TO_DEV)) {
        error_setg(errp, "usb-storage: a command that does not write");
        return false;
    }
    command_room(c, s->wanted);
    if (n > s->wanted) {
        error_setg(errp, "usb-storage: more data than the command has");
        return false;
    }
    memset(c->data, 0, s->wanted);
    return vmstate_get_bytes(in, c->data, n, errp);
}

static const VMStateField storage_fields[] = {
    VMSTATE_USB_DEVICE(usb, USBStorage),
    VMSTATE_UINT32(state, USBStorage),
    VMSTATE_UINT32(tag, USBStorage),
    VMSTATE_UINT32(length, USBStorage),
    VMSTATE_UINT32(at, USBStorage),
    VMSTATE_UINT32(wanted, USBStorage),
    VMSTATE_UINT8(result, USBStorage),
    VMSTATE_CUSTOM("data", USBStorage, cmd, save_data, load_data),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_storage = {
    .name = "usb-storage",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = storage_fields,
};

/* ---- descriptors, registration ------------------------------------------- */

enum { S_MANUFACTURER = 1, S_PRODUCT, S_SERIAL, S_FULL, S_HIGH, S_SUPER };

static const char *const storage_strings[USB_MAX_STRINGS] = {
    [S_MANUFACTURER] = "QEMU", [S_PRODUCT] = "QEMU USB HARDDRIVE",
    [S_FULL] = "Full speed config (usb 1.1)",
    [S_HIGH] = "High speed config (usb 2.0)",
    [S_SUPER] = "Super speed config (usb 3.0)",
};

#define STORAGE_AT(n, usb, packet0, packet, burst, text) \
    static const USBDescEndpoint n##_eps[] = { \
        { .address = USB_DIR_IN | EP_IN, .attributes = USB_ENDPOINT_BULK, \
          .max_packet = (packet), .max_burst = (burst) }, \
        { .address = EP_OUT, .attributes = USB_ENDPOINT_BULK, \
          .max_packet = (packet), .max_burst = (burst) }, \
    }; \
    static const USBDescIface n##_ifaces[] = { \
        { .class_id = 8, .subclass = 6, .protocol = 0x50, \
          .n_endpoints = 2, .endpoints = n##_eps }, \
    }; \
    static const USBDescDevice n##_speed = { \
        .bcd_usb = (usb), .max_packet0 = (packet0), .attributes = 0x40, \
        .config_string = (text), .n_ifaces = 1, .ifaces = n##_ifaces, \
    }

STORAGE_AT(full, 0x0200, 8, 64, 0, S_FULL);
STORAGE_AT(high, 0x0200, 64, 512, 0, S_HIGH);
STORAGE_AT(super, 0x0300, 9, 1024, 15, S_SUPER);

static const USBDesc storage_desc = {
    .vendor = 0x46f4, .product = 0x0001, .manufacturer = S_MANUFACTURER,
    .product_string = S_PRODUCT, .serial_string = S_SERIAL,
    .full = &full_speed, .high = &high_speed, .super = &super_speed,
    .strings = storage_strings, .serial_prefix = "1",
};

static const USBDeviceInfo storage_usb_info = {
    .product = "QEMU USB MSD",
    .desc = &storage_desc,
    .control = storage_control,
    .data = storage_data,
    .cancel = storage_cancel,
    .bus_reset = storage_bus_reset,
};

static const Property storage_props[] = {
    PROP_BLOCK_CONF_NO_SERIAL(USBStorage, conf),
    PROP_BOOL("removable", USBStorage, removable, false),
    PROP_BOOTINDEX(),
    PROP_END(),
};

static const DeviceInfo storage_info = {
    .name = "usb-storage",
    .desc = "USB disk",
    .bus = BUS_USB,
    .category = DEVICE_CATEGORY_STORAGE,
    .size = sizeof(USBStorage),
    .props = storage_props,
    .vmsd = &vmstate_storage,
    .bus_info = &storage_usb_info,
    .fw_name = "storage",
    .realize = storage_realize,
    .unrealize = storage_unrealize,
};

static void storage_register(void)
{
    device_register(&storage_info);
}
device_init(storage_register)
