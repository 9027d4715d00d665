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
    struct ISADMA *dma[2]; /* 8237 pair, NULL if none; borrowed */
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

/*
 * DMA through the board's 8237 pair (hw/dma/i8237.c): channels 0-3 move bytes,
 * 5-7 words.  The controller calls @transfer while DREQ is up and the channel
 * is unmasked: @len bytes are left until terminal count; it moves what it can
 * with isa_dma_read/write and returns how much that was (@len: TC is reached).
 * Called from within isa_dma_dreq() or from the guest's port write.  When it
 * returns 0 or less than @len it is called again on the next isa_dma_dreq().
 */
typedef size_t (*ISADMATransfer)(void *opaque, size_t len);
/* The transfer direction that the guest programmed, seen from memory. */
typedef enum ISADMAType {
    ISA_DMA_VERIFY, ISA_DMA_WRITE, ISA_DMA_READ, ISA_DMA_ILLEGAL,
} ISADMAType;

/* False: no such channel, no controller, or taken by another device. */
bool isa_dma_claim(ISADevice *d, unsigned channel, ISADMATransfer transfer,
                   void *opaque, Error **errp);
void isa_dma_release(ISADevice *d, unsigned channel);
void isa_dma_dreq(ISADevice *d, unsigned channel, bool level);
ISADMAType isa_dma_type(ISADevice *d, unsigned channel);
/* Within @transfer: @offset bytes on from where the channel stands; memory to
 * device and device to memory.  Wrong directions move nothing. */
void isa_dma_read(ISADevice *d, unsigned channel, size_t offset, void *buf,
                  size_t len);
void isa_dma_write(ISADevice *d, unsigned channel, size_t offset,
                   const void *buf, size_t len);
/* Both controllers of a PC. */
bool i8237_pair_create(ISABus *bus, Error **errp);

#endif
