/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA bus: 16 interrupt lines, 8 DMA channels, ports and memory. */
#ifndef HW_ISA_H
#define HW_ISA_H

#include "exec/memory.h"
#include "hw/qdev.h"

typedef struct ISABus {
    BusState bus;
    MemoryRegion *io;      /* I/O space the devices' ports go to; borrowed */
    MemoryRegion *mem;     /* first 16 MiB; borrowed */
    IRQ *irqs[16];         /* the interrupt controller's inputs; borrowed */
    struct ISADMA *dma[2]; /* 8237 pair, NULL if none (hw/isa-dma.h) */
} ISABus;

typedef struct ISADevice {
    DeviceState qdev;
} ISADevice;

ISABus *isa_bus_new(DeviceState *parent, MemoryRegion *io, MemoryRegion *mem);
/* @irqs: 16 lines, copied. */
void isa_bus_set_irqs(ISABus *bus, IRQ *const *irqs);
static inline ISABus *isa_bus_of(const ISADevice *d)
{
    return (ISABus *)d->qdev.parent_bus;
}
/* Line @n of the device's bus; an error for n > 15. */
IRQ *isa_get_irq(ISADevice *d, unsigned n, Error **errp);
/* Makes @mr of @size ports and maps it at @port; removed with the device. */
bool isa_add_io(ISADevice *d, MemoryRegion *mr, const MemoryRegionOps *ops,
                void *opaque, uint16_t port, unsigned size, Error **errp);
void isa_del_io(ISADevice *d, MemoryRegion *mr);

#endif
