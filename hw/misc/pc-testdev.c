/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pc-testdev": what kvm-unit-tests want of a PC beside isa-debug-exit (their
 * lib/x86 and x86/README tell the ports).
 *
 *   E0h        a latch, 1, 2 or 4 bytes
 *   E4h        flushes a page: nothing to do, no guest sees it
 *   E8h        the same latch, by bytes
 *   2000h + n  sets interrupt line n to the value written
 *   FF000000h  64 KiB that are a device's, not RAM
 */
#include "osdep.h"
#include "hw/irq.h"
#include "hw/isa.h"

#define LINES 24
#define IOMEM_BASE 0xff000000u
#define IOMEM_SIZE 0x10000

typedef struct PCTestdevState {
    ISADevice isa;
    /* Guest-visible state. */
    uint8_t latch[4];
    uint8_t iomem_data[IOMEM_SIZE];
    /* Host side. */
    MemoryRegion port, flush, port_bytes, lines, iomem;
} PCTestdevState;

static uint64_t bytes_read(const uint8_t *from, hwaddr addr, unsigned size,
                           hwaddr total)
{
    uint64_t v = 0;

    if (addr + size <= total) {
        memcpy(&v, from + addr, size);
    }
    return v;
}

static void bytes_write(uint8_t *to, hwaddr addr, uint64_t val, unsigned size,
                        hwaddr total)
{
    if (addr + size <= total) {
        memcpy(to + addr, &val, size);
    }
}

static uint64_t latch_read(void *opaque, hwaddr addr, unsigned size)
{
    PCTestdevState *s = opaque;

    return bytes_read(s->latch, addr, size, sizeof(s->latch));
}

static void latch_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCTestdevState *s = opaque;

    bytes_write(s->latch, addr, val, size, sizeof(s->latch));
}

static uint64_t iomem_read(void *opaque, hwaddr addr, unsigned size)
{
    PCTestdevState *s = opaque;

    return bytes_read(s->iomem_data, addr, size, IOMEM_SIZE);
}

static void iomem_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCTestdevState *s = opaque;

    bytes_write(s->iomem_data, addr, val, size, IOMEM_SIZE);
}

static void flush_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    /* Mappings follow memory by themselves. */
}

static void line_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PCTestdevState *s = opaque;
    IRQ *irq = addr < 16 ? isa_get_irq(&s->isa, addr, NULL) : NULL;

    if (irq) {
        irq_set(irq, val != 0);
    }
}

static const MemoryRegionOps latch_ops = {
    .read = latch_read, .write = latch_write, .access = { 1, 4 },
};
static const MemoryRegionOps byte_ops = {
    .read = latch_read, .write = latch_write, .access = { 1, 1 },
};
static const MemoryRegionOps flush_ops = {
    .write = flush_write, .access = { 4, 4 },
};
static const MemoryRegionOps line_ops = {
    .write = line_write, .access = { 1, 1 },
};
static const MemoryRegionOps iomem_ops = {
    .read = iomem_read, .write = iomem_write, .access = { 1, 8 },
};

static void testdev_unrealize(DeviceState *dev)
{
    PCTestdevState *s = (PCTestdevState *)dev;

    memory_region_destroy(&s->iomem);
    isa_del_io(&s->isa, &s->lines);
    isa_del_io(&s->isa, &s->port_bytes);
    isa_del_io(&s->isa, &s->flush);
    isa_del_io(&s->isa, &s->port);
}

static bool testdev_realize(DeviceState *dev, Error **errp)
{
    PCTestdevState *s = (PCTestdevState *)dev;

    if (!isa_add_io(&s->isa, &s->port, &latch_ops, s, 0xe0, 4, errp) ||
        !isa_add_io(&s->isa, &s->flush, &flush_ops, s, 0xe4, 4, errp) ||
        !isa_add_io(&s->isa, &s->port_bytes, &byte_ops, s, 0xe8, 4, errp) ||
        !isa_add_io(&s->isa, &s->lines, &line_ops, s, 0x2000, LINES, errp)) {
        return false;
    }
    memory_region_init_io(&s->iomem, &dev->obj, &iomem_ops, s, "testdev-iomem",
                          IOMEM_SIZE);
    memory_region_add_subregion(system_memory(), IOMEM_BASE, &s->iomem);
    return true;
}

static void testdev_reset(DeviceState *dev)
{
    PCTestdevState *s = (PCTestdevState *)dev;

    memset(s->latch, 0, sizeof(s->latch));
    memset(s->iomem_data, 0, sizeof(s->iomem_data));
}

static const VMStateField testdev_fields[] = {
    VMSTATE_BUFFER(latch, PCTestdevState),
    VMSTATE_BUFFER(iomem_data, PCTestdevState),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_testdev = {
    .name = "pc-testdev",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = testdev_fields,
};

static const DeviceInfo testdev_info = {
    .name = "pc-testdev",
    .desc = "ports and memory for kvm-unit-tests",
    .bus = BUS_ISA,
    .size = sizeof(PCTestdevState),
    .vmsd = &vmstate_testdev,
    .realize = testdev_realize,
    .unrealize = testdev_unrealize,
    .reset = testdev_reset,
};

static void testdev_register(void)
{
    device_register(&testdev_info);
}
device_init(testdev_register)
