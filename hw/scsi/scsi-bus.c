/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI buses: who sits where, the life of requests, and the commands that a
 * target answers for an absent LUN (SPC-3, 6.4, 6.21; SAM-4, 5.12).
 */
#include "osdep.h"
#include "exec/cpu.h"
#include "hw/scsi.h"
#include "util/log.h"

enum { OP_TEST_UNIT_READY = 0x00, OP_REQUEST_SENSE = 0x03, OP_INQUIRY = 0x12,
       OP_REPORT_LUNS = 0xa0 };

/* ---- results -------------------------------------------------------------------- */

void scsi_build_sense(uint8_t *buf, SCSISense sense)
{
    memset(buf, 0, SCSI_SENSE_LEN);
    buf[0] = 0x70; /* current, fixed format */
    buf[2] = sense.key;
    buf[7] = SCSI_SENSE_LEN - 8;
    buf[12] = sense.asc;
    buf[13] = sense.ascq;
}

void scsi_req_done(SCSIRequest *req, uint8_t status)
{
    list_remove(&req->node);
    g_clear_pointer(&req->cut, g_free);
    g_clear_pointer(&req->buf, g_free);
    req->aio = NULL;
    req->status = req->cancelled ? SCSI_TASK_ABORTED : status;
    req->complete(req);
}

void scsi_req_fail(SCSIRequest *req, SCSISense sense)
{
    scsi_build_sense(req->sense, sense);
    if (req->dev) {
        req->dev->last = sense;
    }
    scsi_req_done(req, SCSI_CHECK_CONDITION);
}

static size_t copy(const struct iovec *iov, int n, uint64_t off, void *buf,
                   size_t len, bool to)
{
    size_t moved = 0;

    for (int i = 0; i < n && moved < len; i++) {
        size_t part = iov[i].iov_len;

        if (off >= part) {
            off -= part;
            continue;
        }
        part = MIN(part - off, len - moved);
        if (to) {
            memcpy((char *)iov[i].iov_base + off, (char *)buf + moved, part);
        } else {
            memcpy((char *)buf + moved, (char *)iov[i].iov_base + off, part);
        }
        moved += part;
        off = 0;
    }
    return moved;
}

void scsi_req_reply(SCSIRequest *req, const void *buf, size_t len)
{
    len = MIN(len, req->xfer - MIN(req->done, req->xfer));
    req->done += copy(req->iov, req->niov, req->done, (void *)buf, len, true);
}

size_t scsi_req_data(const SCSIRequest *req, size_t off, void *buf, size_t len)
{
    return copy(req->iov, req->niov, off, buf, len, false);
}

void scsi_unit_attention(SCSIDevice *d, SCSISense sense)
{
    /* A reset says more than what follows it. */
    if (!(d->ua.key && d->ua.asc == SENSE_RESET.asc)) {
        d->ua = sense;
    }
}

/* ---- the target's commands --------------------------------------------------------- */

SCSIDevice *scsi_device_find(SCSIBus *bus, uint32_t channel, uint32_t id,
                             uint32_t lun)
{
    DeviceState *dev;

    list_foreach(dev, &bus->bus.devices, bus_node) {
        SCSIDevice *d = (SCSIDevice *)dev;

        if (d->sinfo && d->channel == channel && d->id == id &&
            (lun == UINT32_MAX || d->lun == lun)) {
            return d;
        }
    }
    return NULL;
}

static void report_luns(SCSIRequest *req, uint32_t channel, uint32_t id)
{
    g_autoptr(GByteArray) list = g_byte_array_new();
    DeviceState *dev;
    uint8_t head[8] = { 0 };
    uint32_t len;
    bool lun0 = false;

    if (req->cdb[2] > 2 || req->xfer < 16) {
        scsi_req_fail(req, SENSE_INVALID_FIELD);
        return;
    }
    g_byte_array_append(list, head, 8);
    list_foreach(dev, &req->bus->bus.devices, bus_node) {
        SCSIDevice *d = (SCSIDevice *)dev;
        uint8_t e[8] = { 0 };

        if (!d->sinfo || d->channel != channel || d->id != id) {
            continue;
        }
        lun0 |= d->lun == 0;
        e[0] = d->lun < 256 ? 0 : 0x40 | d->lun >> 8;
        e[1] = d->lun;
        g_byte_array_append(list, e, 8);
    }
    if (!lun0) {
        g_byte_array_append(list, head, 8);
    }
    len = list->len - 8;
    list->data[0] = len >> 24;
    list->data[1] = len >> 16;
    list->data[2] = len >> 8;
    list->data[3] = len;
    scsi_req_reply(req, list->data, list->len);
    scsi_req_done(req, SCSI_GOOD);
}

/* LUN 0 is missing, or the LUN is wrong: SPC-3 6.4.1. */
static void target_command(SCSIRequest *req)
{
    uint8_t buf[36] = { 0 };

    switch (req->cdb[0]) {
    case OP_INQUIRY:
        if (req->cdb[1] & 1) {
            scsi_req_fail(req, SENSE_INVALID_FIELD);
            return;
        }
        buf[0] = req->lun ? 0x7f : 0x3f; /* nothing there */
        buf[2] = 5;
        buf[3] = 0x12;
        buf[4] = sizeof(buf) - 5;
        memcpy(buf + 8, "QEMU    QEMU TARGET     2.5+", 28);
        scsi_req_reply(req, buf, sizeof(buf));
        scsi_req_done(req, SCSI_GOOD);
        break;
    case OP_REQUEST_SENSE:
        scsi_build_sense(buf, req->lun ? SENSE_LUN_NOT_SUPPORTED
                                       : SENSE_NO_SENSE);
        scsi_req_reply(req, buf, SCSI_SENSE_LEN);
        scsi_req_done(req, SCSI_GOOD);
        break;
    case OP_TEST_UNIT_READY:
        if (req->lun == 0) {
            scsi_req_done(req, SCSI_GOOD);
            break;
        }
        goto fail;
    default:
    fail:
        scsi_req_fail(req, req->lun ? SENSE_LUN_NOT_SUPPORTED
                                    : SENSE_INVALID_OPCODE);
    }
}

static void target_parse(SCSIRequest *req)
{
    const uint8_t *c = req->cdb;

    switch (c[0]) {
    case OP_INQUIRY:
        req->mode = SCSI_FROM_DEV;
        req->xfer = c[3] << 8 | c[4];
        break;
    case OP_REQUEST_SENSE:
        req->mode = SCSI_FROM_DEV;
        req->xfer = c[4];
        break;
    case OP_REPORT_LUNS:
        req->mode = SCSI_FROM_DEV;
        req->xfer = (uint32_t)c[6] << 24 | c[7] << 16 | c[8] << 8 | c[9];
        break;
    }
}

/* ---- requests ----------------------------------------------------------------------- */

bool scsi_req_init(SCSIRequest *req, SCSIBus *bus, uint32_t channel,
                   uint32_t id, uint32_t lun, const uint8_t *cdb,
                   size_t cdb_len)
{
    SCSIDevice *any = scsi_device_find(bus, channel, id, UINT32_MAX);

    *req = (SCSIRequest){ .bus = bus, .lun = lun };
    list_init(&req->node);
    memcpy(req->cdb, cdb, MIN(cdb_len, SCSI_CDB_MAX));
    if (!any) {
        return false;
    }
    req->dev = scsi_device_find(bus, channel, id, lun);
    target_parse(req);
    if (req->dev && req->cdb[0] != OP_REPORT_LUNS) {
        req->mode = SCSI_NONE;
        req->xfer = 0;
        req->dev->sinfo->parse(req->dev, req);
        if (req->xfer == 0) {
            req->mode = SCSI_NONE;
        }
    }
    /* Whose the answer to REPORT LUNS is. */
    req->offset = (uint64_t)channel << 32 | id;
    return true;
}

void scsi_req_start(SCSIRequest *req)
{
    SCSIDevice *d = req->dev;
    uint64_t place = req->offset;
    uint8_t op = req->cdb[0];

    req->offset = 0;
    if (d) {
        list_append(&d->requests, &req->node);
    }
    /* SAM-4 5.14: those do not report a unit attention. */
    if (d && d->ua.key && op != OP_INQUIRY && op != OP_REPORT_LUNS &&
        op != OP_REQUEST_SENSE) {
        SCSISense ua = d->ua;

        d->ua = SENSE_NO_SENSE;
        scsi_req_fail(req, ua);
        return;
    }
    if (op == OP_REPORT_LUNS) {
        if (d && d->ua.asc == SENSE_LUNS_CHANGED.asc) {
            d->ua = SENSE_NO_SENSE;
        }
        report_luns(req, place >> 32, place);
        return;
    }
    if (!d) {
        target_command(req);
        return;
    }
    d->sinfo->start(d, req);
}

void scsi_req_cancel(SCSIRequest *req)
{
    if (req->cancelled) {
        return;
    }
    req->cancelled = true;
    if (req->held) {
        req->held = false;
        scsi_req_done(req, SCSI_TASK_ABORTED);
    } else if (req->aio) {
        blk_aio_cancel(req->aio);
    }
}

static bool any_busy(SCSIDevice *d)
{
    return d->in_flight > 0;
}

void scsi_device_purge(SCSIDevice *d)
{
    SCSIRequest *r, *tmp;

    list_foreach_safe(r, tmp, &d->requests, node) {
        r->cancelled = true;
        if (r->aio) {
            blk_aio_cancel(r->aio);
        }
    }
    /* A vCPU cannot wait: the adapter sees that they end for nobody. */
    while (any_busy(d) && !current_cpu) {
        loop_run_once(loop_main(), true);
    }
    list_foreach_safe(r, tmp, &d->requests, node) {
        if (!r->held) {
            continue;
        }
        list_remove(&r->node);
        g_clear_pointer(&r->cut, g_free);
        g_clear_pointer(&r->buf, g_free);
        r->bus->ops->drop(r);
    }
}

bool scsi_bus_busy(SCSIBus *bus)
{
    DeviceState *dev;

    list_foreach(dev, &bus->bus.devices, bus_node) {
        SCSIDevice *d = (SCSIDevice *)dev;

        if (d->sinfo && any_busy(d)) {
            return true;
        }
    }
    return false;
}

void scsi_bus_drain(SCSIBus *bus)
{
    while (scsi_bus_busy(bus)) {
        loop_run_once(loop_main(), true);
    }
}

void scsi_bus_reset(SCSIBus *bus)
{
    DeviceState *dev;

    list_foreach(dev, &bus->bus.devices, bus_node) {
        SCSIDevice *d = (SCSIDevice *)dev;

        if (d->sinfo) {
            scsi_device_purge(d);
            d->ua = SENSE_RESET;
        }
    }
}

/* ---- the bus ------------------------------------------------------------------------- */

SCSIBus *scsi_bus_new(DeviceState *parent, const char *name,
                      const SCSIBusOps *ops, void *opaque)
{
    SCSIBus *bus = (SCSIBus *)bus_new(BUS_SCSI, parent, name);

    bus->ops = ops;
    bus->opaque = opaque;
    return bus;
}

static bool pick_place(SCSIBus *bus, SCSIDevice *d, Error **errp)
{
    const SCSIBusOps *ops = bus->ops;

    if (d->channel > ops->max_channel) {
        error_setg(errp, "bad scsi channel id: %u", d->channel);
        return false;
    }
    if (d->id != UINT32_MAX && d->id > ops->max_target) {
        error_setg(errp, "bad scsi device id: %u", d->id);
        return false;
    }
    if (d->lun != UINT32_MAX && d->lun > ops->max_lun) {
        error_setg(errp, "bad scsi device lun: %u", d->lun);
        return false;
    }
    if (d->id == UINT32_MAX) {
        if (d->lun == UINT32_MAX) {
            d->lun = 0;
        }
        for (d->id = 0; d->id <= ops->max_target &&
             scsi_device_find(bus, d->channel, d->id, d->lun); d->id++) {
        }
        if (d->id > ops->max_target) {
            error_setg(errp, "no free target");
            return false;
        }
    } else if (d->lun == UINT32_MAX) {
        for (d->lun = 0; d->lun <= ops->max_lun &&
             scsi_device_find(bus, d->channel, d->id, d->lun); d->lun++) {
        }
        if (d->lun > ops->max_lun) {
            error_setg(errp, "no free lun");
            return false;
        }
    } else if (scsi_device_find(bus, d->channel, d->id, d->lun)) {
        error_setg(errp, "lun already used by '%s'",
                   scsi_device_find(bus, d->channel, d->id, d->lun)
                       ->qdev.info->name);
        return false;
    }
    return true;
}

static bool pre_realize(BusState *b, DeviceState *dev, Error **errp)
{
    SCSIDevice *d = (SCSIDevice *)dev;

    list_init(&d->requests);
    return pick_place((SCSIBus *)b, d, errp);
}

static bool post_realize(BusState *b, DeviceState *dev, Error **errp)
{
    SCSIDevice *d = (SCSIDevice *)dev;

    d->sinfo = dev->info->bus_info; /* from here on it is found */
    d->ua = SENSE_RESET;
    return true;
}

static void unrealize(BusState *b, DeviceState *dev)
{
    ((SCSIDevice *)dev)->sinfo = NULL;
}

/* With room for one device, which the adapter makes itself. */
static bool is_full(BusState *b)
{
    const SCSIBusOps *ops = ((SCSIBus *)b)->ops;

    return !ops->max_target && !ops->max_lun && !list_empty(&b->devices);
}

static char *dev_path(DeviceState *dev)
{
    SCSIDevice *d = (SCSIDevice *)dev;
    char *adapter = dev->parent_bus->parent
                        ? object_path(&dev->parent_bus->parent->obj) : NULL;
    char *s = g_strdup_printf("%s/%u:%u:%u", adapter ? adapter : "",
                              d->channel, d->id, d->lun);

    g_free(adapter);
    return s;
}

static char *fw_dev_path(DeviceState *dev)
{
    SCSIDevice *d = (SCSIDevice *)dev;

    return g_strdup_printf("channel@%x/disk@%x,%x", d->channel, d->id, d->lun);
}

static const Property scsi_props[] = {
    PROP_UINT32("channel", SCSIDevice, channel, 0),
    PROP_UINT32("scsi-id", SCSIDevice, id, UINT32_MAX),
    PROP_UINT32("lun", SCSIDevice, lun, UINT32_MAX),
    PROP_END(),
};

static const BusInfo scsi_bus_info = {
    .name = BUS_SCSI,
    .size = sizeof(SCSIBus),
    .device_type = "scsi-device",
    .device_size = sizeof(SCSIDevice),
    .device_props = scsi_props,
    .pre_realize = pre_realize,
    .post_realize = post_realize,
    .unrealize = unrealize,
    .is_full = is_full,
    .dev_path = dev_path,
    .fw_dev_path = fw_dev_path,
};

/* ---- saved state ------------------------------------------------------------------------ */

static void save_held(const void *field, VMStateWriter *w)
{
    const ListNode *head = field;
    SCSIRequest *r;

    list_foreach(r, (ListNode *)head, node) {
        if (r->held) {
            vmstate_put_u8(w, 1);
            r->bus->ops->save(r, w);
        }
    }
    vmstate_put_u8(w, 0);
}

static bool load_held(void *field, VMStateReader *in, Error **errp)
{
    SCSIDevice *d = container_of((ListNode *)field, SCSIDevice, requests);
    SCSIBus *bus = (SCSIBus *)d->qdev.parent_bus;
    uint8_t more;

    for (;;) {
        SCSIRequest *r;

        if (!vmstate_get_u8(in, &more, errp)) {
            return false;
        }
        if (!more) {
            return true;
        }
        r = bus->ops->load ? bus->ops->load(bus, d, in, errp) : NULL;
        if (!r) {
            error_setg(errp, "scsi: a request in the state of a bus that keeps "
                             "none");
            return false;
        }
        r->held = true;
        list_append(&d->requests, &r->node);
    }
}

static const VMStateField sense_fields[] = {
    VMSTATE_UINT8(key, SCSISense),
    VMSTATE_UINT8(asc, SCSISense),
    VMSTATE_UINT8(ascq, SCSISense),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_sense = {
    .name = "scsi/sense",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = sense_fields,
};

static const VMStateField device_fields[] = {
    VMSTATE_STRUCT(ua, SCSIDevice, SCSISense, vmstate_sense),
    VMSTATE_STRUCT(last, SCSIDevice, SCSISense, vmstate_sense),
    VMSTATE_CUSTOM("requests", SCSIDevice, requests, save_held, load_held),
    VMSTATE_END(),
};

const VMStateDescription vmstate_scsi_device = {
    .name = "scsi-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = device_fields,
};

static void scsi_bus_register(void)
{
    bus_register(&scsi_bus_info);
}
device_init(scsi_bus_register)
