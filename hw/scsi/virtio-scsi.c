/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio SCSI host: virtio 1.1, section 5.6.  Queues: control, events,
 * requests (any number; they are alike).
 *
 * A LUN is 01h, target, and 16 bits of LUN in the flat format (SAM-4, 4.7).
 * Task management that aborts requests is answered when the last of them has
 * ended.  Events for which the guest had no buffer are told as missed.
 */
#include "osdep.h"
#include "hw/boards.h"
#include "hw/scsi.h"
#include "hw/virtio/virtio.h"
#include "util/log.h"

enum { SF_INOUT = 0, SF_HOTPLUG = 1, SF_CHANGE = 2 };
enum { CFG_NUM_QUEUES = 0, CFG_SEG_MAX = 4, CFG_MAX_SECTORS = 8,
       CFG_CMD_PER_LUN = 12, CFG_EVENT_SIZE = 16, CFG_SENSE_SIZE = 20,
       CFG_CDB_SIZE = 24, CFG_MAX_CHANNEL = 28, CFG_MAX_TARGET = 30,
       CFG_MAX_LUN = 32, CFG_LEN = 36 };
#define MAX_TARGET 255
#define MAX_LUN    16383
#define EVENT_LEN  16
#define SENSE_SIZE 96 /* after a reset */
#define CDB_SIZE   32
#define SIZE_MAX_ALLOWED 256 /* of both, as the driver may set them */

/* Responses, 5.6.6.1. */
enum { VS_OK = 0, VS_OVERRUN = 1, VS_ABORTED = 2, VS_BAD_TARGET = 3, VS_RESET = 4,
       VS_FAILURE = 9, VS_FUNCTION_SUCCEEDED = 10, VS_FUNCTION_REJECTED = 11,
       VS_INCORRECT_LUN = 12, VS_FUNCTION_COMPLETE = 0 };
/* Control queue. */
enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };
enum { TMF_ABORT_TASK = 0, TMF_ABORT_TASK_SET = 1, TMF_CLEAR_ACA = 2,
       TMF_CLEAR_TASK_SET = 3, TMF_NEXUS_RESET = 4, TMF_LUN_RESET = 5,
       TMF_QUERY_TASK = 6, TMF_QUERY_TASK_SET = 7 };
/* Events. */
enum { EV_TRANSPORT_RESET = 1, EV_PARAM_CHANGE = 3 };
#define EV_MISSED 0x80000000u
enum { RESET_HARD = 0, RESET_RESCAN = 1, RESET_REMOVED = 2 };

#define REQ_HEAD  19 /* of a request, before the CDB */
#define RESP_HEAD 12 /* of a response, before the sense data */

typedef struct VirtIOSCSI VirtIOSCSI;

/* Task management under way. */
typedef struct TMF {
    VirtQueueElement *e;
    unsigned remaining;
} TMF;

typedef struct VSReq {
    VirtQueueElement e;
    VirtIOSCSI *s;
    SCSIRequest req;
    uint64_t tag;
    uint32_t sense_size, cdb_size; /* when it came */
    struct iovec *iov;   /* the data; owned */
    TMF *tmf;            /* that waits for its end */
} VSReq;

struct VirtIOSCSI {
    VirtIODevice vdev;
    /* Properties. */
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    bool seg_max_adjust;
    /* Guest-visible state. */
    uint32_t sense_size, cdb_size;
    bool events_missed;
    /* Host side. */
    SCSIBus *bus;
    VirtQueue *ctrl, *event;
};

static uint32_t le32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return GUINT32_FROM_LE(v);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}

/* Target and LUN of an address; false: not one of ours. */
static bool parse_lun(const uint8_t *b, uint32_t *target, uint32_t *lun)
{
    if (b[0] != 1 || (b[2] != 0 && (b[2] < 0x40 || b[2] >= 0x80))) {
        return false;
    }
    *target = b[1];
    *lun = (b[2] << 8 | b[3]) & 0x3fff;
    return true;
}

/* ---- requests ------------------------------------------------------------------ */

static void respond(VSReq *r, uint8_t response)
{
    VirtQueue *vq = r->e.vq;
    uint8_t b[RESP_HEAD + SIZE_MAX_ALLOWED] = { 0 };
    size_t head = RESP_HEAD + r->sense_size, sense = 0;
    size_t data = r->e.in_len - head;

    if (response == VS_OK) {
        bool in = r->req.mode == SCSI_FROM_DEV;
        size_t offered = in ? data : r->e.out_len - REQ_HEAD - r->cdb_size;

        if (r->req.status == SCSI_CHECK_CONDITION) {
            sense = MIN(SCSI_SENSE_LEN, r->sense_size);
            memcpy(b + RESP_HEAD, r->req.sense, sense);
        }
        put32(b, sense);
        put32(b + 4, offered - MIN(r->req.done, offered));
        b[10] = r->req.status;
        if (!in) {
            data = 0;
        } else {
            data = MIN(data, r->req.done);
        }
    } else {
        data = 0;
    }
    b[11] = response;
    virtio_iov_copy_to(r->e.in, r->e.in_num, 0, b, head);
    virtqueue_push(&r->e, head + data);
    g_free(r->iov);
    g_free(r);
    virtio_notify(vq);
}

static void tmf_answer(VirtIOSCSI *s, VirtQueueElement *e, uint8_t response)
{
    VirtQueue *vq = e->vq;

    virtio_iov_copy_to(e->in, e->in_num, 0, &response, 1);
    virtqueue_push(e, 1);
    g_free(e);
    virtio_notify(vq);
}

static void tmf_release(VirtIOSCSI *s, TMF *t)
{
    if (--t->remaining == 0) {
        tmf_answer(s, t->e, VS_FUNCTION_COMPLETE);
        g_free(t);
    }
}

static void req_complete(SCSIRequest *req)
{
    VSReq *r = container_of(req, VSReq, req);
    VirtIOSCSI *s = r->s;
    TMF *tmf = r->tmf;

    respond(r, req->cancelled ? (tmf ? VS_ABORTED : VS_RESET) : VS_OK);
    if (tmf) {
        tmf_release(s, tmf);
    }
}

/* [@off, @off + @len) of some vectors. */
static struct iovec *slice(const struct iovec *iov, unsigned n, size_t off,
                           int *count)
{
    struct iovec *out = g_new(struct iovec, MAX(n, 1));

    *count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        out[(*count)++] = (struct iovec){ (char *)iov[i].iov_base + off,
                                          iov[i].iov_len - off };
        off = 0;
    }
    return out;
}

/* Looks at the request's head: 0, or the response that refuses it; -1: the
 * ring is broken. */
static int req_prepare(VSReq *r)
{
    VirtIOSCSI *s = r->s;
    uint8_t head[REQ_HEAD + SIZE_MAX_ALLOWED];
    size_t out_head = REQ_HEAD + s->cdb_size;
    size_t in_head = RESP_HEAD + s->sense_size;
    uint32_t target, lun;
    size_t room;
    bool in;

    r->sense_size = s->sense_size;
    r->cdb_size = s->cdb_size;
    if (r->e.out_len < out_head || r->e.in_len < in_head) {
        virtio_error(&s->vdev, "request without its header or response");
        return -1;
    }
    virtio_iov_copy_from(r->e.out, r->e.out_num, 0, head, out_head);
    memcpy(&r->tag, head + 8, 8);
    /* Data both ways is not for any command here (feature INOUT). */
    if (r->e.out_len > out_head && r->e.in_len > in_head) {
        return VS_FAILURE;
    }
    if (!parse_lun(head, &target, &lun) ||
        !scsi_req_init(&r->req, s->bus, 0, target, lun, head + REQ_HEAD,
                       s->cdb_size)) {
        return VS_BAD_TARGET;
    }
    in = r->req.mode != SCSI_TO_DEV;
    room = in ? r->e.in_len - in_head : r->e.out_len - out_head;
    if (r->req.mode != SCSI_NONE && r->req.xfer > room) {
        return VS_OVERRUN;
    }
    r->iov = in ? slice(r->e.in, r->e.in_num, in_head, &r->req.niov)
                : slice(r->e.out, r->e.out_num, out_head, &r->req.niov);
    r->req.iov = r->iov;
    r->req.complete = req_complete;
    return 0;
}

static void handle_cmd(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    VSReq *r;

    do {
        virtqueue_set_notification(vq, false);
        while ((r = virtqueue_pop(vq, sizeof(*r)))) {
            int ret;

            r->s = s;
            ret = req_prepare(r);
            if (ret < 0) {
                virtqueue_drop(&r->e);
                g_free(r);
                return;
            }
            if (ret > 0) {
                respond(r, ret);
            } else {
                scsi_req_start(&r->req);
            }
        }
        virtqueue_set_notification(vq, true);
    } while (!virtqueue_empty(vq));
}

/* ---- task management ---------------------------------------------------------------- */

static bool hit(const SCSIRequest *req, uint32_t subtype, uint64_t tag)
{
    const VSReq *r = container_of(req, VSReq, req);

    return (subtype != TMF_ABORT_TASK && subtype != TMF_QUERY_TASK) ||
           r->tag == tag;
}

static void abort_requests(VirtIOSCSI *s, SCSIDevice *d, TMF *t,
                           uint32_t subtype, uint64_t tag)
{
    SCSIRequest *req;
    bool again = true;

    /* One that ends at once changes the list. */
    while (again) {
        again = false;
        list_foreach(req, &d->requests, node) {
            VSReq *r = container_of(req, VSReq, req);

            if (hit(req, subtype, tag) && !r->tmf && !req->cancelled) {
                r->tmf = t;
                t->remaining++;
                scsi_req_cancel(req);
                again = true;
                break;
            }
        }
    }
}

static bool any_hit(SCSIDevice *d, uint32_t subtype, uint64_t tag)
{
    SCSIRequest *req;

    list_foreach(req, &d->requests, node) {
        if (hit(req, subtype, tag)) {
            return true;
        }
    }
    return false;
}

static void do_tmf(VirtIOSCSI *s, VirtQueueElement *e)
{
    uint8_t b[24];
    uint32_t subtype, target, lun;
    uint64_t tag;
    SCSIDevice *d, *any;
    TMF *t;

    if (virtio_iov_copy_from(e->out, e->out_num, 0, b, 24) < 24 ||
        !parse_lun(b + 8, &target, &lun)) {
        tmf_answer(s, e, VS_BAD_TARGET);
        return;
    }
    subtype = le32(b + 4);
    memcpy(&tag, b + 16, 8);
    any = scsi_device_find(s->bus, 0, target, UINT32_MAX);
    d = scsi_device_find(s->bus, 0, target, lun);
    if (!any || (!d && subtype != TMF_NEXUS_RESET)) {
        tmf_answer(s, e, any ? VS_INCORRECT_LUN : VS_BAD_TARGET);
        return;
    }
    switch (subtype) {
    case TMF_QUERY_TASK:
    case TMF_QUERY_TASK_SET:
        tmf_answer(s, e, any_hit(d, subtype, tag) ? VS_FUNCTION_SUCCEEDED
                                                  : VS_FUNCTION_COMPLETE);
        return;
    case TMF_ABORT_TASK:
    case TMF_ABORT_TASK_SET:
    case TMF_CLEAR_TASK_SET:
    case TMF_LUN_RESET:
    case TMF_NEXUS_RESET:
        break;
    default:
        tmf_answer(s, e, VS_FUNCTION_REJECTED);
        return;
    }
    t = g_new(TMF, 1);
    *t = (TMF){ .e = e, .remaining = 1 };
    if (subtype == TMF_NEXUS_RESET) {
        for (lun = 0; lun <= MAX_LUN; lun++) {
            d = scsi_device_find(s->bus, 0, target, lun);
            if (d) {
                abort_requests(s, d, t, subtype, tag);
                scsi_unit_attention(d, SENSE_RESET);
            }
        }
    } else {
        abort_requests(s, d, t, subtype, tag);
        if (subtype == TMF_LUN_RESET) {
            scsi_unit_attention(d, SENSE_RESET);
        }
    }
    tmf_release(s, t);
}

static void handle_ctrl(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        uint8_t type[4], reply[5] = { 0 };

        if (virtio_iov_copy_from(e->out, e->out_num, 0, type, 4) < 4 ||
            e->in_len < 1) {
            virtio_error(vdev, "control request without type or response");
            virtqueue_drop(e);
            g_free(e);
            return;
        }
        switch (le32(type)) {
        case T_TMF:
            do_tmf(s, e);
            continue;
        case T_AN_QUERY:
        case T_AN_SUBSCRIBE:
            /* No asynchronous events of the medium: none is on. */
            virtqueue_push(e, virtio_iov_copy_to(e->in, e->in_num, 0, reply,
                                                 5));
            break;
        default:
            virtqueue_push(e, 0);
            log_guest_error("virtio-scsi: control type %u\n", le32(type));
        }
        g_free(e);
        virtio_notify(vq);
    }
}

/* ---- events ---------------------------------------------------------------------------- */

static void push_event(VirtIOSCSI *s, const SCSIDevice *d, uint32_t event,
                       uint32_t reason)
{
    VirtQueueElement *e;
    uint8_t b[EVENT_LEN] = { 0 };

    if (!(s->vdev.status & VIRTIO_S_DRIVER_OK)) {
        return;
    }
    e = virtqueue_pop(s->event, sizeof(*e));
    if (!e) {
        s->events_missed = true;
        return;
    }
    if (s->events_missed) {
        event |= EV_MISSED;
        s->events_missed = false;
    }
    put32(b, event);
    put32(b + 12, reason);
    if (d) {
        b[4] = 1;
        b[5] = d->id;
        /* Flat only where it must be: Linux takes the 16 bits as they are. */
        b[6] = d->lun < 256 ? 0 : (d->lun >> 8) | 0x40;
        b[7] = d->lun;
    }
    virtqueue_push(e, virtio_iov_copy_to(e->in, e->in_num, 0, b, EVENT_LEN));
    g_free(e);
    virtio_notify(s->event);
}

static void handle_event(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;

    if (s->events_missed) {
        push_event(s, NULL, 0, 0);
    }
}

static void vs_changed(SCSIBus *bus, SCSIDevice *d, SCSISense sense)
{
    VirtIOSCSI *s = bus->opaque;

    if (virtio_has(&s->vdev, SF_CHANGE)) {
        push_event(s, d, EV_PARAM_CHANGE, sense.asc | sense.ascq << 8);
    }
}

static void vs_plug(void *opaque, DeviceState *dev)
{
    VirtIOSCSI *s = opaque;

    if (virtio_has(&s->vdev, SF_HOTPLUG)) {
        push_event(s, (SCSIDevice *)dev, EV_TRANSPORT_RESET, RESET_RESCAN);
    }
}

static bool vs_unplug(void *opaque, DeviceState *dev, Error **errp)
{
    VirtIOSCSI *s = opaque;

    if (virtio_has(&s->vdev, SF_HOTPLUG)) {
        push_event(s, (SCSIDevice *)dev, EV_TRANSPORT_RESET, RESET_REMOVED);
    }
    device_unplugged(dev);
    return true;
}

/* ---- the bus ----------------------------------------------------------------------------- */

static void vs_save(SCSIRequest *req, VMStateWriter *w)
{
    virtqueue_save_element(w, &container_of(req, VSReq, req)->e);
}

static SCSIRequest *vs_load(SCSIBus *bus, SCSIDevice *d, VMStateReader *in,
                            Error **errp)
{
    VirtIOSCSI *s = bus->opaque;
    VSReq *r = virtqueue_load_element(&s->vdev, in, sizeof(*r), errp);

    if (!r) {
        return NULL;
    }
    r->s = s;
    if (req_prepare(r) != 0 || r->req.dev != d) {
        virtqueue_drop(&r->e);
        g_free(r->iov);
        g_free(r);
        return NULL;
    }
    return &r->req;
}

static void vs_drop(SCSIRequest *req)
{
    VSReq *r = container_of(req, VSReq, req);

    virtqueue_drop(&r->e);
    g_free(r->iov);
    g_free(r);
}

static const SCSIBusOps vs_bus_ops = {
    .max_channel = 0,
    .max_target = MAX_TARGET,
    .max_lun = MAX_LUN,
    .changed = vs_changed,
    .save = vs_save,
    .load = vs_load,
    .drop = vs_drop,
};

/* ---- the device --------------------------------------------------------------------------- */

static bool vs_busy(VirtIODevice *vdev)
{
    return scsi_bus_busy(((VirtIOSCSI *)vdev)->bus);
}

static void vs_drain(VirtIODevice *vdev)
{
    scsi_bus_drain(((VirtIOSCSI *)vdev)->bus);
}

static void vs_reset(VirtIODevice *vdev)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;

    scsi_bus_reset(s->bus);
    s->sense_size = SENSE_SIZE;
    s->cdb_size = CDB_SIZE;
    s->events_missed = false;
}

static void vs_get_config(VirtIODevice *vdev, uint8_t *c)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;

    memset(c, 0, CFG_LEN);
    put32(c + CFG_NUM_QUEUES, s->num_queues);
    put32(c + CFG_SEG_MAX, s->seg_max_adjust ? s->queue_size - 2 : 126);
    put32(c + CFG_MAX_SECTORS, s->max_sectors);
    put32(c + CFG_CMD_PER_LUN, s->cmd_per_lun);
    put32(c + CFG_EVENT_SIZE, EVENT_LEN);
    put32(c + CFG_SENSE_SIZE, s->sense_size);
    put32(c + CFG_CDB_SIZE, s->cdb_size);
    c[CFG_MAX_TARGET] = MAX_TARGET;
    put32(c + CFG_MAX_LUN, MAX_LUN);
}

static void vs_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    VirtIOSCSI *s = (VirtIOSCSI *)vdev;
    uint32_t sense = le32(c + CFG_SENSE_SIZE), cdb = le32(c + CFG_CDB_SIZE);

    if (sense > SIZE_MAX_ALLOWED || cdb > SIZE_MAX_ALLOWED || cdb < 1 ||
        vs_busy(vdev)) {
        virtio_error(vdev, "sense data of %u and commands of %u bytes", sense,
                     cdb);
        return;
    }
    s->sense_size = sense;
    s->cdb_size = cdb;
}

static uint32_t queues_of(const VirtIOSCSI *s)
{
    /* One a vCPU, besides control and events. */
    return s->num_queues != UINT32_MAX
               ? s->num_queues
               : MIN(current_machine->smp.cpus, VIRTIO_QUEUE_MAX - 2);
}

static uint32_t vs_pick_vectors(VirtIODevice *vdev)
{
    return queues_of((VirtIOSCSI *)vdev) + 3;
}

static bool vs_realize(DeviceState *dev, Error **errp)
{
    VirtIOSCSI *s = (VirtIOSCSI *)dev;
    const char *id = dev->parent_bus->parent->id;
    g_autofree char *name = id ? g_strdup_printf("%s.0", id) : NULL;
    static const HotplugHandler proto = { .plug = vs_plug,
                                          .unplug_request = vs_unplug };
    HotplugHandler *hp;

    s->num_queues = queues_of(s);
    if (s->num_queues == 0 || s->num_queues > VIRTIO_QUEUE_MAX - 2) {
        error_setg(errp, "Invalid number of queues (= %u), must be a positive "
                         "integer less than %u.", s->num_queues,
                   VIRTIO_QUEUE_MAX - 2);
        return false;
    }
    if (s->queue_size <= 2 || s->queue_size > VIRTQUEUE_MAX_SIZE ||
        (s->queue_size & (s->queue_size - 1))) {
        error_setg(errp, "invalid virtqueue_size property (= %u), must be a "
                         "power of 2 and larger than 2", s->queue_size);
        return false;
    }
    if (!virtio_init(&s->vdev, errp)) {
        return false;
    }
    s->sense_size = SENSE_SIZE;
    s->cdb_size = CDB_SIZE;
    s->ctrl = virtio_add_queue(&s->vdev, s->queue_size, handle_ctrl);
    s->event = virtio_add_queue(&s->vdev, s->queue_size, handle_event);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_add_queue(&s->vdev, s->queue_size, handle_cmd);
    }
    s->bus = scsi_bus_new(dev, name, &vs_bus_ops, s);
    if (s->vdev.host_features & BIT(SF_HOTPLUG)) {
        hp = g_new(HotplugHandler, 1);
        *hp = proto;
        hp->opaque = s;
        s->bus->bus.hotplug = hp;
    }
    return true;
}

static void vs_unrealize(DeviceState *dev)
{
    VirtIOSCSI *s = (VirtIOSCSI *)dev;

    g_free((void *)s->bus->bus.hotplug);
    s->bus->bus.hotplug = NULL;
    virtio_cleanup(&s->vdev);
}

static bool vs_post_load(void *opaque, int version, Error **errp)
{
    VirtIOSCSI *s = opaque;

    if (s->sense_size > SIZE_MAX_ALLOWED || s->cdb_size > SIZE_MAX_ALLOWED ||
        s->cdb_size < 1) {
        error_setg(errp, "virtio-scsi: sizes of sense data and commands out of "
                         "range");
        return false;
    }
    return true;
}

static const VMStateField vs_fields[] = {
    VMSTATE_STRUCT(vdev, VirtIOSCSI, VirtIODevice, vmstate_virtio),
    VMSTATE_UINT32(sense_size, VirtIOSCSI),
    VMSTATE_UINT32(cdb_size, VirtIOSCSI),
    VMSTATE_BOOL(events_missed, VirtIOSCSI),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_vs = {
    .name = "virtio-scsi",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = vs_post_load,
    .fields = vs_fields,
};

static const Property vs_props[] = {
    PROP_UINT32("num_queues", VirtIOSCSI, num_queues, UINT32_MAX),
    PROP_UINT32("virtqueue_size", VirtIOSCSI, queue_size, 256),
    PROP_BOOL("seg_max_adjust", VirtIOSCSI, seg_max_adjust, true),
    PROP_UINT32("max_sectors", VirtIOSCSI, max_sectors, 0xffff),
    PROP_UINT32("cmd_per_lun", VirtIOSCSI, cmd_per_lun, 128),
    PROP_BIT64("hotplug", VirtIOSCSI, vdev.host_features, SF_HOTPLUG, true),
    PROP_BIT64("param_change", VirtIOSCSI, vdev.host_features, SF_CHANGE,
               true),
    PROP_END(),
};

static const VirtIOInfo vs_virtio = {
    .device_id = VIRTIO_ID_SCSI,
    .pci_name = "virtio-scsi-pci",
    .pci_class = 0x0100,
    .pci_legacy_id = 0x1004,
    .pci_vectors = UINT32_MAX,
    .pick_vectors = vs_pick_vectors,
    .config_len = CFG_LEN,
    .get_config = vs_get_config,
    .set_config = vs_set_config,
    .reset = vs_reset,
    .busy = vs_busy,
    .drain = vs_drain,
};

static const DeviceInfo vs_info = {
    .name = "virtio-scsi-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_STORAGE,
    .fw_name = "",
    .size = sizeof(VirtIOSCSI),
    .props = vs_props,
    .vmsd = &vmstate_vs,
    .bus_info = &vs_virtio,
    .realize = vs_realize,
    .unrealize = vs_unrealize,
};

static void virtio_scsi_register(void)
{
    virtio_device_register(&vs_info);
}
device_init(virtio_scsi_register)
