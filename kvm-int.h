/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between kvm-all.c and the architecture's part (target/i386/kvm.c). */
#ifndef KVM_INT_H
#define KVM_INT_H

#include <linux/kvm.h>
#include "exec/accel.h"

typedef enum KVMIrqchip { KVM_IRQCHIP_OFF, KVM_IRQCHIP_SPLIT, KVM_IRQCHIP_ON }
    KVMIrqchip;

typedef struct KVMState {
    Object obj;
    /* Options. */
    int32_t irqchip_opt;       /* OnOffSplit: 0 auto */
    uint64_t shadow_mem;
    /* Descriptors. */
    int fd, vm;
    size_t run_size;           /* of a vCPU's shared page */
    KVMIrqchip irqchip;
    bool smm;                  /* second address space for SMM */
    bool readonly_mem, xsave2, sregs2;
} KVMState;
extern KVMState *kvm_state;    /* NULL: KVM is not in use */

/* How much of the state goes to the kernel. */
typedef enum KVMPut { KVM_PUT_NONE, KVM_PUT_RUNTIME, KVM_PUT_FULL } KVMPut;

typedef struct KVMVcpu {
    int fd;
    struct kvm_run *run;
    KVMPut dirty;              /* the common copy is newer */
    bool valid;                /* the common copy is up to date */
    bool io_pending;           /* the kernel completes it at the next entry */
    void *arch;                /* target's own */
} KVMVcpu;
static inline KVMVcpu *kvm_vcpu(CPUState *cpu)
{
    return cpu->accel;
}

/* Results of ioctl(): >= 0 or -errno; EINTR is tried again. */
int kvm_ioctl(unsigned long request, unsigned long arg);
int kvm_vm_ioctl(unsigned long request, void *arg);
int kvm_vcpu_ioctl(CPUState *cpu, unsigned long request, void *arg);
int kvm_check(unsigned cap); /* KVM_CHECK_EXTENSION on the VM */

/* Slots and eventfds follow the memory map from here on. */
void kvm_listen(void);
/* All dirty logs; the common bitmaps know who asked. */
void kvm_dirty_sync(void);
/* PIC pins 0-15 and I/O APIC pins 0-23 behind the GSIs; 0 goes to pin 2. */
void kvm_routes_init(KVMIrqchip kind);
/* GSI routes of MSIs; numbers from 24 on.  -errno: none left. */
int kvm_route_add_msi(hwaddr addr, uint32_t data);
void kvm_route_set_msi(int gsi, hwaddr addr, uint32_t data);
void kvm_route_remove(int gsi);
int kvm_irqfd(int gsi, int fd, bool on); /* 0 or -errno */
void kvm_routes_commit(void);
void kvm_route_pin_msi(int pin, bool masked, hwaddr addr, uint32_t data);

/* The descriptor of vCPU @id: a parked one or a new one; -errno. */
int kvm_vcpu_fd(unsigned long id);
/* The kernel cannot free a vCPU: its descriptor waits for the next one. */
void kvm_vcpu_park(int fd, unsigned long id);
/* SMM's view gets slots; once the board has said where SMRAM is. */
void kvm_smm_listen(void);

/* The architecture's part. */
bool kvm_arch_init(KVMState *s, Error **errp);
bool kvm_arch_vcpu_init(CPUState *cpu, Error **errp);
void kvm_arch_vcpu_destroy(CPUState *cpu);
/* Own thread.  get: kernel to common copy; put: the reverse. */
bool kvm_arch_get(CPUState *cpu);
/* struct x86_regs and its like were written: the working copy follows. */
void kvm_arch_adopt(CPUState *cpu);
bool kvm_arch_put(CPUState *cpu, KVMPut level);
/* After the CPU device's reset. */
void kvm_arch_reset(CPUState *cpu);
/* Before an entry when something is asked for: takes the BQL. */
bool kvm_arch_wants_attention(CPUState *cpu);
void kvm_arch_pre_run(CPUState *cpu);
void kvm_arch_post_run(CPUState *cpu);
/* Exits that kvm-all.c does not know; false: not handled. */
bool kvm_arch_exit(CPUState *cpu, VCPUExit *why);
bool kvm_arch_has_work(CPUState *cpu);
void kvm_arch_dump(CPUState *cpu);
int kvm_arch_breakpoint(CPUState *cpu, int type, vaddr addr, vaddr len,
                        bool add);
void kvm_arch_update_debug(CPUState *cpu);
/* What accesses of @cpu go to (SMM). */
AddressSpace *kvm_arch_as(CPUState *cpu);
AddressSpace *kvm_arch_smm_as(void); /* NULL: there is no SMM */

#endif
