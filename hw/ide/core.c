/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE channels: registers, the data port, interrupts, requests, resets. */
#include "osdep.h"
#include "hw/ide/ide-int.h"

struct IDERequest {
    IDEDrive *d;      /* NULL: nobody waits for it any more */
    BlockRequest *req;
    IDERequestDone done;
    struct iovec iov; /* into own, copied when it is over */
    SGMap map;
    bool mapped;
    bool is_write;
    uint8_t *own;     /* PIO: a buffer of its own, as the drive may go */
    uint64_t bytes;
};

/* ---- interrupts ------------------------------------------------------------------ */

void ide_raise(IDEDrive *d)
{
    if (!(d->bus->control & CTL_NIEN)) {
        irq_raise(d->bus->irq);
    }
}

void ide_abort(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    d->pio_next = PIO_IDLE;
    t->status = ST_RDY | ST_ERR;
    t->error = ER_ABRT;
    ide_raise(d);
}

/* ---- the data register ------------------------------------------------------------- */

void ide_pio_begin(IDEDrive *d, uint32_t pos, uint32_t len, PioNext next)
{
    IDETaskFile *t = ide_tf(d);

    d->data_pos = pos;
    d->data_end = pos + len;
    d->pio_next = next;
    if (!(t->status & ST_ERR)) {
        t->status |= ST_DRQ;
    }
}

void ide_pio_stop(IDEDrive *d)
{
    d->data_pos = d->data_end = 0;
    d->pio_next = PIO_IDLE;
    ide_tf(d)->status &= ~ST_DRQ;
}

static void pio_ended(IDEDrive *d)
{
    PioNext next = d->pio_next;

    d->pio_next = PIO_IDLE;
    ide_tf(d)->status &= ~ST_DRQ;
    switch (next) {
    case PIO_PACKET:
        atapi_packet(d);
        break;
    case PIO_ATAPI_REPLY:
        atapi_reply_next(d);
        break;
    case PIO_IDLE:
    case PIO_STOP:
        ide_pio_stop(d);
        break;
    default:
        ata_pio_next(d, next);
        break;
    }
}

static IDEDrive *selected(IDEBus *bus)
{
    return bus->drive[bus->unit];
}

static uint64_t data_read(IDEBus *bus, unsigned size)
{
    IDEDrive *d = selected(bus);
    uint64_t val = 0;

    if (!d || !(ide_tf(d)->status & ST_DRQ) || d->pio_next == PIO_WRITE ||
        d->pio_next == PIO_PACKET) {
        return 0;
    }
    if (size > d->data_end - d->data_pos) {
        return 0;
    }
    memcpy(&val, d->buf + d->data_pos, size);
    d->data_pos += size;
    if (d->data_pos >= d->data_end) {
        pio_ended(d);
    }
    return val;
}

static void data_write(IDEBus *bus, uint64_t val, unsigned size)
{
    IDEDrive *d = selected(bus);

    if (!d || !(ide_tf(d)->status & ST_DRQ) ||
        (d->pio_next != PIO_WRITE && d->pio_next != PIO_PACKET)) {
        return;
    }
    if (size > d->data_end - d->data_pos) {
        return;
    }
    memcpy(d->buf + d->data_pos, &val, size);
    d->data_pos += size;
    if (d->data_pos >= d->data_end) {
        pio_ended(d);
    }
}

/* ---- the task file ------------------------------------------------------------------- */

static bool nobody(IDEBus *bus)
{
    return !bus->drive[0] && !bus->drive[1];
}

static uint8_t reg_read(IDEBus *bus, unsigned reg)
{
    IDETaskFile *t = &bus->tf[bus->unit];
    bool hob = bus->control & CTL_HOB;
    bool absent = nobody(bus) || (bus->unit == 1 && !bus->drive[1]);

    switch (reg) {
    case 1:
        return absent ? 0 : hob ? t->hob_feature : t->error;
    case 2:
        return nobody(bus) ? 0 : hob ? t->hob_nsector : t->nsector;
    case 3:
        return nobody(bus) ? 0 : hob ? t->hob_sector : t->sector;
    case 4:
        return nobody(bus) ? 0 : hob ? t->hob_lcyl : t->lcyl;
    case 5:
        return nobody(bus) ? 0 : hob ? t->hob_hcyl : t->hcyl;
    case 6:
        return nobody(bus) ? 0 : t->select;
    default:
        irq_lower(bus->irq);
        return absent ? 0 : t->status;
    }
}

static void command(IDEBus *bus, uint8_t cmd)
{
    IDEDrive *d = selected(bus);
    IDETaskFile *t = &bus->tf[bus->unit];

    irq_lower(bus->irq);
    if (!d) {
        if (cmd == 0x90 && bus->drive[!bus->unit]) {
            d = bus->drive[!bus->unit]; /* both answer diagnostics */
        } else {
            return;
        }
    }
    t = ide_tf(d);
    /* A busy drive hears nothing but DEVICE RESET. */
    if ((t->status & (ST_BSY | ST_DRQ)) && !(cmd == 0x08 && d->kind == IDE_CD)) {
        return;
    }
    ata_command(d, cmd);
}

static void reg_write(IDEBus *bus, unsigned reg, uint8_t val)
{
    if (reg == 7) {
        command(bus, val);
        return;
    }
    bus->control &= ~CTL_HOB;
    for (int i = 0; i < 2; i++) {
        IDETaskFile *t = &bus->tf[i];

        switch (reg) {
        case 1:
            t->hob_feature = t->feature;
            t->feature = val;
            break;
        case 2:
            t->hob_nsector = t->nsector;
            t->nsector = val;
            break;
        case 3:
            t->hob_sector = t->sector;
            t->sector = val;
            break;
        case 4:
            t->hob_lcyl = t->lcyl;
            t->lcyl = val;
            break;
        case 5:
            t->hob_hcyl = t->hcyl;
            t->hcyl = val;
            break;
        case 6:
            t->select = val | DEV_ALWAYS;
            break;
        }
    }
    if (reg == 6) {
        bus->unit = (val & DEV_SLAVE) != 0;
    }
}

/* Port 0 is the data register for any width; the others are bytes. */
static uint64_t cmd_read(void *opaque, hwaddr addr, unsigned size)
{
    IDEBus *bus = opaque;
    uint64_t val = 0;

    if (addr == 0) {
        return data_read(bus, size);
    }
    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)(addr + i < 8 ? reg_read(bus, addr + i) : 0xff)
               << (8 * i);
    }
    return val;
}

static void cmd_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    IDEBus *bus = opaque;

    if (addr == 0) {
        data_write(bus, val, size);
        return;
    }
    for (unsigned i = 0; i < size && addr + i < 8; i++) {
        reg_write(bus, addr + i, val >> (8 * i));
    }
}

static const MemoryRegionOps cmd_ops = {
    .read = cmd_read,
    .write = cmd_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
    .impl = { .min = 1, .max = 4, .unaligned = true },
};

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    IDEBus *bus = opaque;

    if (nobody(bus) || (bus->unit == 1 && !bus->drive[1])) {
        return 0;
    }
    return bus->tf[bus->unit].status;
}

static void soft_reset(IDEDrive *d)
{
    ide_cancel(d);
    ide_signature(d);
    ide_tf(d)->error = 0x01; /* diagnostics passed */
    ide_tf(d)->status = d->kind == IDE_CD ? 0 : ST_RDY | ST_SEEK;
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    IDEBus *bus = opaque;
    uint8_t old = bus->control;

    bus->control = val;
    if (!(old & CTL_SRST) && (val & CTL_SRST)) {
        for (int i = 0; i < 2; i++) {
            if (bus->drive[i]) {
                ide_cancel(bus->drive[i]);
                bus->tf[i].status = ST_BSY | ST_SEEK;
                bus->tf[i].error = 0x01;
            }
        }
        bus->unit = 0;
    } else if ((old & CTL_SRST) && !(val & CTL_SRST)) {
        for (int i = 0; i < 2; i++) {
            if (bus->drive[i]) {
                soft_reset(bus->drive[i]);
            }
        }
    }
    if (val & CTL_NIEN) {
        irq_lower(bus->irq);
    }
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .access = { .min = 1, .max = 1 },
};

/* ---- requests -------------------------------------------------------------------------- */

static void request_done(void *opaque, int ret)
{
    IDERequest *r = opaque;
    IDEDrive *d = r->d;

    if (r->mapped) {
        sgmap_end(&r->map, ret < 0 ? 0 : r->bytes);
    } else if (d && !r->is_write && ret == 0 && r->own) {
        memcpy(d->buf, r->own, r->bytes);
    }
    g_free(r->own);
    if (d) {
        IDERequestDone done = r->done;

        d->req = NULL;
        g_free(r);
        done(d, ret);
        return;
    }
    g_free(r);
}

IDERequest *ide_request_new(IDEDrive *d, IDERequestDone done)
{
    IDERequest *r = g_new0(IDERequest, 1);

    r->d = d;
    r->done = done;
    d->req = r;
    return r;
}

void ide_request_read(IDERequest *r, uint64_t offset, uint64_t bytes)
{
    r->bytes = bytes;
    r->own = g_malloc(bytes);
    r->iov = (struct iovec){ .iov_base = r->own, .iov_len = bytes };
    r->req = blk_aio_preadv(r->d->conf.blk, offset, &r->iov, 1, 0,
                            request_done, r);
}

void ide_request_write(IDERequest *r, uint64_t offset, uint64_t bytes)
{
    r->bytes = bytes;
    r->is_write = true;
    r->own = g_memdup2(r->d->buf, bytes);
    r->iov = (struct iovec){ .iov_base = r->own, .iov_len = bytes };
    r->req = blk_aio_pwritev(r->d->conf.blk, offset, &r->iov, 1, 0,
                             request_done, r);
}

void ide_request_flush(IDERequest *r)
{
    r->is_write = true;
    r->req = blk_aio_flush(r->d->conf.blk, request_done, r);
}

void ide_request_discard(IDERequest *r, uint64_t offset, uint64_t bytes)
{
    r->is_write = true;
    r->req = blk_aio_pdiscard(r->d->conf.blk, offset, bytes, request_done, r);
}

/* Guest memory and disk, straight. */
static void request_dma(IDERequest *r, const SGList *sg, uint64_t offset,
                        uint64_t bytes, bool is_write)
{
    r->bytes = bytes;
    r->is_write = is_write;
    r->mapped = true;
    sgmap_begin(&r->map, sg, bytes, !is_write);
    r->req = is_write ? blk_aio_pwritev(r->d->conf.blk, offset, r->map.iov,
                                        r->map.n, 0, request_done, r)
                      : blk_aio_preadv(r->d->conf.blk, offset, r->map.iov,
                                       r->map.n, 0, request_done, r);
}

void ide_cancel(IDEDrive *d)
{
    IDERequest *r = d->req;

    d->req = NULL;
    if (r) {
        r->d = NULL;
        blk_aio_cancel(r->req);
    }
    d->dma_op = IDE_OP_NONE;
    d->retry = IDE_OP_NONE;
    d->count = 0;
    d->reply_left = 0;
    ide_pio_stop(d);
}

bool ide_handle_error(IDEDrive *d, int ret, IDEOp op)
{
    bool is_read = op == IDE_OP_PIO_READ || op == IDE_OP_DMA_READ ||
                   op == IDE_OP_ATAPI_READ || op == IDE_OP_ATAPI_DMA;

    switch (blk_error_action(d->conf.blk, is_read, -ret)) {
    case BLK_ACTION_STOP:
        d->retry = op;
        if (d->dma_op != IDE_OP_NONE) {
            d->bus->dma->rewind(d->bus->dma_opaque);
        }
        return true;
    case BLK_ACTION_IGNORE:
        return false;
    default:
        break;
    }
    if (op == IDE_OP_ATAPI_READ || op == IDE_OP_ATAPI_DMA) {
        return true; /* the packet layer tells the guest */
    }
    ide_abort(d);
    if (op == IDE_OP_DMA_READ || op == IDE_OP_DMA_WRITE ||
        op == IDE_OP_DMA_TRIM) {
        ide_dma_finish(d, true);
    }
    return true;
}

/* ---- DMA --------------------------------------------------------------------------------- */

void ide_dma_wait(IDEDrive *d, IDEOp op)
{
    d->dma_op = op;
    if (!d->bus->dma) {
        ide_abort(d);
        d->dma_op = IDE_OP_NONE;
        return;
    }
    d->bus->dma->ready(d->bus->dma_opaque);
}

void ide_dma_go(IDEBus *bus)
{
    for (int i = 0; i < 2; i++) {
        IDEDrive *d = bus->drive[i];

        if (!d || d->req || d->dma_op == IDE_OP_NONE) {
            continue;
        }
        if (d->dma_op == IDE_OP_ATAPI_DMA) {
            atapi_dma_run(d);
        } else {
            ata_dma_run(d);
        }
    }
}

void ide_dma_finish(IDEDrive *d, bool error)
{
    d->dma_op = IDE_OP_NONE;
    d->bus->dma->done(d->bus->dma_opaque, error);
}

bool ide_dma_chunk(IDEDrive *d, uint64_t offset, uint64_t bytes, unsigned unit,
                   bool is_write, IDERequestDone done, uint64_t *took)
{
    SGList sg;

    sglist_init(&sg, d->bus->dma->as(d->bus->dma_opaque));
    d->bus->dma->fill(d->bus->dma_opaque, &sg, MIN(bytes, IDE_DMA_CHUNK));
    *took = ROUND_DOWN(sg.size, unit);
    if (*took) {
        request_dma(ide_request_new(d, done), &sg, offset, *took, is_write);
    }
    sglist_clear(&sg);
    return *took > 0;
}

/* ---- resets -------------------------------------------------------------------------------- */

void ide_signature(IDEDrive *d)
{
    IDETaskFile *t = ide_tf(d);

    t->select &= 0xf0;
    t->nsector = 1;
    t->sector = 1;
    t->lcyl = d->kind == IDE_CD ? 0x14 : 0;
    t->hcyl = d->kind == IDE_CD ? 0xeb : 0;
}

void ide_bus_reset(IDEBus *bus)
{
    bus->unit = 0;
    bus->control = 0;
    for (int i = 0; i < 2; i++) {
        IDETaskFile *t = &bus->tf[i];
        IDEDrive *d = bus->drive[i];

        *t = (IDETaskFile){ .select = DEV_ALWAYS | (i ? DEV_SLAVE : 0),
                            .nsector = 1, .sector = 1, .lcyl = 0xff,
                            .hcyl = 0xff };
        if (d) {
            ide_cancel(d);
            d->mult_sectors = d->kind == IDE_CD ? 0 : IDE_MAX_MULT;
            t->status = ST_RDY | ST_SEEK;
            ide_signature(d);
        }
    }
    irq_lower(bus->irq);
    if (bus->dma) {
        bus->dma->reset(bus->dma_opaque);
    }
}

static void bus_reset_cb(BusState *bus)
{
    ide_bus_reset((IDEBus *)bus);
}

static bool bus_full(BusState *bus)
{
    IDEBus *b = (IDEBus *)bus;

    return b->drive[0] && b->drive[1];
}

static char *dev_path(DeviceState *dev)
{
    return g_strdup_printf("%u", ((IDEDrive *)dev)->unit);
}

static char *fw_dev_path(DeviceState *dev)
{
    IDEDrive *d = (IDEDrive *)dev;

    return g_strdup_printf("drive@%x/disk@%u", d->bus ? d->bus->index : 0,
                           d->unit);
}

static const Property ide_device_props[] = {
    PROP_UINT32("unit", IDEDrive, unit, UINT32_MAX),
    PROP_END(),
};

static const BusInfo ide_bus_info = {
    .name = BUS_IDE,
    .size = sizeof(IDEBus),
    .device_type = "ide-device",
    .device_size = sizeof(IDEDrive),
    .device_props = ide_device_props,
    .reset = bus_reset_cb,
    .is_full = bus_full,
    .dev_path = dev_path,
    .fw_dev_path = fw_dev_path,
};

void ide_bus_init(IDEBus *bus, DeviceState *parent, int index)
{
    g_autofree char *name = g_strdup_printf("ide.%d", index);

    bus_init(&bus->bus, BUS_IDE, parent, name);
    bus->index = index;
}

void ide_bus_add_ports(IDEBus *bus, MemoryRegion *io, uint16_t cmd,
                       uint16_t ctl)
{
    Object *owner = &bus->bus.parent->obj;

    memory_region_init_io(&bus->cmd_io, owner, &cmd_ops, bus, "ide-command",
                          8);
    memory_region_init_io(&bus->ctl_io, owner, &ctl_ops, bus, "ide-control",
                          1);
    memory_region_add_subregion(io, cmd, &bus->cmd_io);
    memory_region_add_subregion(io, ctl, &bus->ctl_io);
}

/* ---- vmstate --------------------------------------------------------------------------------- */

static const VMStateField tf_fields[] = {
    VMSTATE_UINT8(feature, IDETaskFile),
    VMSTATE_UINT8(error, IDETaskFile),
    VMSTATE_UINT8(nsector, IDETaskFile),
    VMSTATE_UINT8(sector, IDETaskFile),
    VMSTATE_UINT8(lcyl, IDETaskFile),
    VMSTATE_UINT8(hcyl, IDETaskFile),
    VMSTATE_UINT8(select, IDETaskFile),
    VMSTATE_UINT8(status, IDETaskFile),
    VMSTATE_UINT8(hob_feature, IDETaskFile),
    VMSTATE_UINT8(hob_nsector, IDETaskFile),
    VMSTATE_UINT8(hob_sector, IDETaskFile),
    VMSTATE_UINT8(hob_lcyl, IDETaskFile),
    VMSTATE_UINT8(hob_hcyl, IDETaskFile),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_tf = {
    .name = "ide-taskfile",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = tf_fields,
};

static bool bus_post_load(void *opaque, int version, Error **errp)
{
    IDEBus *bus = opaque;

    bus->unit &= 1;
    return true;
}

static const VMStateField bus_fields[] = {
    VMSTATE_STRUCT_ARRAY(tf, IDEBus, IDETaskFile, 2, vmstate_tf),
    VMSTATE_UINT8(unit, IDEBus),
    VMSTATE_UINT8(control, IDEBus),
    VMSTATE_END(),
};

const VMStateDescription vmstate_ide_bus = {
    .name = "ide-bus",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = bus_post_load,
    .fields = bus_fields,
};

static void ide_bus_register(void)
{
    bus_register(&ide_bus_info);
}
device_init(ide_bus_register)
