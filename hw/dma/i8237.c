/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8237A programmable DMA controller, as a PC has two of them.
 *
 * 8237A data sheet (231466).  The first moves bytes on channels 0-3 (ports
 * 00h-0Fh), the second words on 5-7 (C0h-DFh, registers two ports apart);
 * its channel 0 is the cascade.  The page registers (74LS612 on the AT) hold
 * the address bits above the 8237's sixteen.
 *
 * A transfer runs at once, in one piece, when DREQ and mask allow: cycle
 * stealing cannot be seen by software.  Not there, as on any PC: memory to
 * memory transfers (channel 0 and 1 of the first would be needed for it).
 */
#include "osdep.h"
#include "hw/isa.h"
#include "util/log.h"

/* Control registers, by number. */
enum {
    REG_COMMAND = 0, /* R: status */
    REG_REQUEST = 1,
    REG_MASK = 2,
    REG_MODE = 3,
    REG_CLEAR_FF = 4,
    REG_MASTER_CLEAR = 5, /* R: temporary register */
    REG_CLEAR_MASK = 6,
    REG_ALL_MASKS = 7,
};
#define CMD_MEM_TO_MEM 0x01
#define CMD_DISABLE    0x04
#define MODE_TYPE(m)   ((m) >> 2 & 3)
#define MODE_AUTOINIT  0x10
#define MODE_DOWN      0x20
#define MODE_SELECT(m) ((m) >> 6) /* demand, single, block, cascade */
#define MODE_CASCADE   3

typedef struct DMAChannel {
    uint16_t base_addr, base_count;
    uint16_t addr, count;   /* current; count is one less than what is left */
    uint8_t mode;           /* bits 7:2 of the mode register */
    uint8_t page;
} DMAChannel;

typedef struct ISADMA {
    ISADevice isa;
    /* Properties. */
    uint16_t base, page_base;
    uint8_t shift;          /* 1: words, registers two ports apart */
    /* Guest-visible state. */
    DMAChannel ch[4];
    uint8_t command, mask, tc, dreq, request;
    bool msb;               /* byte pointer flip-flop */
    /* Host side. */
    ISADMATransfer fn[4];
    void *opaque[4];
    bool running;
    MemoryRegion chan_io, ctl_io, page_io[2];
} ISADMA;

/* --- transfers --- */

static size_t bytes_left(const ISADMA *s, const DMAChannel *c)
{
    return ((size_t)c->count + 1) << s->shift;
}

/* Sixteen bits of address count, the page does not. */
static hwaddr memory_at(const ISADMA *s, const DMAChannel *c, size_t offset)
{
    size_t unit = offset >> s->shift, within = offset & s->shift;
    uint16_t low = c->mode & MODE_DOWN ? c->addr - unit : c->addr + unit;

    return s->shift ? (hwaddr)(c->page & 0xfe) << 16 | (hwaddr)low << 1 | within
                    : (hwaddr)c->page << 16 | low;
}

static void channel_copy(ISADMA *s, unsigned n, size_t offset, uint8_t *buf,
                         size_t len, bool write)
{
    DMAChannel *c = &s->ch[n];

    len = offset < bytes_left(s, c) ? MIN(len, bytes_left(s, c) - offset) : 0;
    while (len) {
        hwaddr at = memory_at(s, c, offset);
        size_t unit = (size_t)1 << s->shift;
        /* Up to the end of the page in one piece; downwards unit by unit. */
        size_t run = c->mode & MODE_DOWN ? unit - (offset & s->shift)
                                         : (unit << 16) - (at & ((unit << 16) - 1));

        run = MIN(run, len);
        address_space_rw(&address_space_memory, at, MEMTXATTRS_UNSPECIFIED,
                         buf, run, write);
        buf += run;
        offset += run;
        len -= run;
    }
}

static void channel_advance(ISADMA *s, unsigned n, size_t moved)
{
    DMAChannel *c = &s->ch[n];
    size_t units = moved >> s->shift;

    c->addr = c->mode & MODE_DOWN ? c->addr - units : c->addr + units;
    if (units <= c->count) {
        c->count -= units;
        return;
    }
    c->count = 0xffff;
    s->tc |= 1 << n;
    s->request &= ~(1 << n);
    if (c->mode & MODE_AUTOINIT) {
        c->addr = c->base_addr;
        c->count = c->base_count;
    } else {
        s->mask |= 1 << n;
    }
}

static bool channel_ready(const ISADMA *s, unsigned n)
{
    return ((s->dreq | s->request) & ~s->mask & 1 << n) && s->fn[n] &&
           !(s->command & CMD_DISABLE) &&
           MODE_SELECT(s->ch[n].mode) != MODE_CASCADE;
}

/* Lower channels first; each is asked until it has no more for now. */
static void dma_run(ISADMA *s)
{
    if (s->running) {
        return; /* a device's DREQ from within its own transfer */
    }
    s->running = true;
    for (unsigned n = 0; n < 4; n++) {
        /* An endless device with auto-initialisation gets a bounded turn. */
        for (unsigned turn = 0; turn < 16 && channel_ready(s, n); turn++) {
            size_t left = bytes_left(s, &s->ch[n]);
            size_t moved = s->fn[n](s->opaque[n], left);

            moved = MIN(moved, left);
            channel_advance(s, n, moved);
            if (moved < left) {
                break;
            }
        }
    }
    s->running = false;
}

/* --- the devices' side --- */

static ISADMA *controller(ISADevice *d, unsigned channel)
{
    return channel < 8 ? isa_bus_of(d)->dma[channel / 4] : NULL;
}

bool isa_dma_claim(ISADevice *d, unsigned channel, ISADMATransfer transfer,
                   void *opaque, Error **errp)
{
    ISADMA *s = controller(d, channel);

    if (!s || channel == 4) {
        error_setg(errp, "%s: there is no ISA DMA channel %u",
                   d->qdev.info->name, channel);
        return false;
    }
    if (s->fn[channel & 3]) {
        error_setg(errp, "%s: ISA DMA channel %u is in use",
                   d->qdev.info->name, channel);
        return false;
    }
    s->fn[channel & 3] = transfer;
    s->opaque[channel & 3] = opaque;
    return true;
}

void isa_dma_release(ISADevice *d, unsigned channel)
{
    ISADMA *s = controller(d, channel);

    if (s) {
        s->fn[channel & 3] = NULL;
        s->dreq &= ~(1 << (channel & 3));
    }
}

void isa_dma_dreq(ISADevice *d, unsigned channel, bool level)
{
    ISADMA *s = controller(d, channel);
    uint8_t bit = 1 << (channel & 3);

    if (s) {
        s->dreq = level ? s->dreq | bit : s->dreq & ~bit;
        if (level) {
            dma_run(s);
        }
    }
}

ISADMAType isa_dma_type(ISADevice *d, unsigned channel)
{
    ISADMA *s = controller(d, channel);

    return s ? MODE_TYPE(s->ch[channel & 3].mode) : ISA_DMA_ILLEGAL;
}

void isa_dma_read(ISADevice *d, unsigned channel, size_t offset, void *buf,
                  size_t len)
{
    ISADMA *s = controller(d, channel);

    if (s && isa_dma_type(d, channel) == ISA_DMA_READ) {
        channel_copy(s, channel & 3, offset, buf, len, false);
    } else {
        memset(buf, 0xff, len); /* nobody drives the bus */
    }
}

void isa_dma_write(ISADevice *d, unsigned channel, size_t offset,
                   const void *buf, size_t len)
{
    ISADMA *s = controller(d, channel);

    if (s && isa_dma_type(d, channel) == ISA_DMA_WRITE) {
        channel_copy(s, channel & 3, offset, (uint8_t *)buf, len, true);
    }
}

/* --- registers --- */

static void master_clear(ISADMA *s)
{
    s->command = s->tc = s->request = 0;
    s->msb = false;
    s->mask = 0x0f;
}

static uint64_t chan_read(void *opaque, hwaddr addr, unsigned size)
{
    ISADMA *s = opaque;
    const DMAChannel *c = &s->ch[addr >> (s->shift + 1) & 3];
    uint16_t v = addr >> s->shift & 1 ? c->count : c->addr;

    s->msb = !s->msb;
    return s->msb ? v & 0xff : v >> 8;
}

static void chan_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    ISADMA *s = opaque;
    DMAChannel *c = &s->ch[addr >> (s->shift + 1) & 3];
    bool is_count = addr >> s->shift & 1;
    uint16_t *base = is_count ? &c->base_count : &c->base_addr;

    if (s->msb) {
        *base = (*base & 0x00ff) | (val & 0xff) << 8;
    } else {
        *base = (*base & 0xff00) | (val & 0xff);
    }
    if (is_count) {
        c->count = *base;
    } else {
        c->addr = *base;
    }
    s->msb = !s->msb;
}

static const MemoryRegionOps chan_ops = {
    .read = chan_read,
    .write = chan_write,
    .impl = { .min = 1, .max = 1 },
};

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    ISADMA *s = opaque;
    uint64_t v;

    switch (addr >> s->shift) {
    case REG_COMMAND:
        v = s->tc | (s->dreq | s->request) << 4;
        s->tc = 0;
        return v;
    case REG_ALL_MASKS:
        return s->mask;
    default: /* the temporary register: only memory to memory loads it */
        return 0;
    }
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    ISADMA *s = opaque;
    uint8_t bit = 1 << (val & 3);

    switch (addr >> s->shift) {
    case REG_COMMAND:
        if (val & CMD_MEM_TO_MEM) {
            log_mask(LOG_UNIMP, "i8237: memory to memory transfers\n");
        }
        s->command = val;
        break;
    case REG_REQUEST:
        s->request = val & 4 ? s->request | bit : s->request & ~bit;
        s->tc &= ~bit;
        break;
    case REG_MASK:
        s->mask = val & 4 ? s->mask | bit : s->mask & ~bit;
        break;
    case REG_MODE:
        s->ch[val & 3].mode = val & 0xfc;
        break;
    case REG_CLEAR_FF:
        s->msb = false;
        break;
    case REG_MASTER_CLEAR:
        master_clear(s);
        break;
    case REG_CLEAR_MASK:
        s->mask = 0;
        break;
    case REG_ALL_MASKS:
        s->mask = val & 0x0f;
        break;
    }
    dma_run(s);
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .impl = { .min = 1, .max = 1 },
};

/* Page register at 81h is channel 2's, and so on; 80h and 84h-86h are none. */
static const int8_t page_channel[8] = { -1, 2, 3, 1, -1, -1, -1, 0 };

static uint64_t page_read(ISADMA *s, hwaddr port)
{
    int n = page_channel[port & 7];

    return n < 0 ? 0xff : s->ch[n].page;
}

static void page_write(ISADMA *s, hwaddr port, uint64_t val)
{
    int n = page_channel[port & 7];

    if (n >= 0) {
        s->ch[n].page = val;
    }
}

static uint64_t page123_read(void *opaque, hwaddr addr, unsigned size)
{
    return page_read(opaque, addr + 1);
}

static void page123_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    page_write(opaque, addr + 1, val);
}

static uint64_t page7_read(void *opaque, hwaddr addr, unsigned size)
{
    return page_read(opaque, 7);
}

static void page7_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    page_write(opaque, 7, val);
}

static const MemoryRegionOps page123_ops = {
    .read = page123_read,
    .write = page123_write,
    .impl = { .min = 1, .max = 1 },
};

static const MemoryRegionOps page7_ops = {
    .read = page7_read,
    .write = page7_write,
    .impl = { .min = 1, .max = 1 },
};

/* --- the device --- */

static void i8237_reset(DeviceState *dev)
{
    ISADMA *s = (ISADMA *)dev;

    master_clear(s);
}

static bool i8237_realize(DeviceState *dev, Error **errp)
{
    ISADMA *s = (ISADMA *)dev;
    unsigned ports = 8 << s->shift;

    s->mask = 0x0f;
    return isa_add_io(&s->isa, &s->chan_io, &chan_ops, s, s->base, ports,
                      errp) &&
           isa_add_io(&s->isa, &s->ctl_io, &ctl_ops, s, s->base + ports, ports,
                      errp) &&
           isa_add_io(&s->isa, &s->page_io[0], &page123_ops, s,
                      s->page_base + 1, 3, errp) &&
           isa_add_io(&s->isa, &s->page_io[1], &page7_ops, s, s->page_base + 7,
                      1, errp);
}

static const Property i8237_props[] = {
    PROP_UINT16("base", ISADMA, base, 0x00),
    PROP_UINT16("page-base", ISADMA, page_base, 0x80),
    PROP_UINT8("dshift", ISADMA, shift, 0),
    PROP_END(),
};

static const VMStateField channel_fields[] = {
    VMSTATE_UINT16(base_addr, DMAChannel),
    VMSTATE_UINT16(base_count, DMAChannel),
    VMSTATE_UINT16(addr, DMAChannel),
    VMSTATE_UINT16(count, DMAChannel),
    VMSTATE_UINT8(mode, DMAChannel),
    VMSTATE_UINT8(page, DMAChannel),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_channel = {
    .name = "dma_channel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = channel_fields,
};

static bool i8237_post_load(void *opaque, int version, Error **errp)
{
    ISADMA *s = opaque;

    s->mask &= 0x0f;
    s->tc &= 0x0f;
    s->dreq &= 0x0f;
    s->request &= 0x0f;
    return true;
}

static const VMStateField i8237_fields[] = {
    VMSTATE_STRUCT_ARRAY(ch, ISADMA, DMAChannel, 4, vmstate_channel),
    VMSTATE_UINT8(command, ISADMA),
    VMSTATE_UINT8(mask, ISADMA),
    VMSTATE_UINT8(tc, ISADMA),
    VMSTATE_UINT8(dreq, ISADMA),
    VMSTATE_UINT8(request, ISADMA),
    VMSTATE_BOOL(msb, ISADMA),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_i8237 = {
    .name = "dma",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i8237_post_load,
    .fields = i8237_fields,
};

static const DeviceInfo i8237_info = {
    .name = "i8257",
    .desc = "8237 DMA controller",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(ISADMA),
    .props = i8237_props,
    .vmsd = &vmstate_i8237,
    .realize = i8237_realize,
    .reset = i8237_reset,
};

bool i8237_pair_create(ISABus *bus, Error **errp)
{
    for (unsigned i = 0; i < 2; i++) {
        DeviceState *dev = device_new("i8257");
        ISADMA *s = (ISADMA *)dev;

        s->base = i ? 0xc0 : 0x00;
        s->page_base = i ? 0x88 : 0x80;
        s->shift = i;
        if (!device_realize(dev, &bus->bus, errp)) {
            return false;
        }
        bus->dma[i] = s;
    }
    return true;
}

static void i8237_register(void)
{
    device_register(&i8237_info);
}
device_init(i8237_register)
