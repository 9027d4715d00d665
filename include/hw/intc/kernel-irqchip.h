/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt controllers that the accelerator has inside the kernel (KVM).
 * The accelerator fills the table before the machine is made; boards and the
 * controllers of user space look at it.  BQL.
 */
#ifndef HW_INTC_KERNEL_IRQCHIP_H
#define HW_INTC_KERNEL_IRQCHIP_H

#include "hw/isa.h"

typedef struct KernelIrqchip {
    bool all; /* 8259 pair, I/O APIC and PIT too; else only local APICs */
    void (*signal_msi)(hwaddr addr, uint32_t data);
    /* all: one of 24 GSIs. */
    void (*set_gsi)(int gsi, int level);
    /* Local APICs only: what I/O APIC pin @pin sends when it fires, so that
     * the kernel knows whose EOIs to report.  @masked: nothing. */
    void (*set_pin_route)(int pin, bool masked, hwaddr addr, uint32_t data);
    /* Local APICs only: the 8259's INT. */
    void (*set_pic_intr)(int level);
    /* A GSI that stands for this message, for irqfd(); -errno: none left. */
    int (*add_msi_route)(hwaddr addr, uint32_t data);
    void (*set_msi_route)(int gsi, hwaddr addr, uint32_t data);
    void (*remove_route)(int gsi);
    /* From now on (or no more) the kernel fires @gsi when @fd is signalled:
     * 0 or -errno. */
    int (*irqfd)(int gsi, int fd, bool on);
    /* ioctls on the VM: 0 or -errno. */
    int (*vm_ioctl)(unsigned long request, void *arg);
} KernelIrqchip;
extern const KernelIrqchip *kernel_irqchip; /* NULL: all in user space */

/* "kvm-i8259" x2 and "kvm-ioapic": the kernel's, for reset and vmstate. */
bool kvm_irqchip_devices_create(Error **errp);
/* "kvm-pit" at 40h-43h and 61h. */
DeviceState *kvm_pit_create(ISABus *bus, Error **errp);
/* HPET legacy replacement: channel 0 drives GSI 0 no more. */
void kvm_pit_disable_irq(bool disable);

#endif
