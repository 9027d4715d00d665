/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the parts of x86 under KVM. */
#ifndef TARGET_I386_KVM_X86_H
#define TARGET_I386_KVM_X86_H

#include "cpu-models.h"
#include "kvm-int.h"

#define CPUID_MAX 256
#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0
/* MSRs that x86_regs lacks: kvm-state.c lists them. */
#define EXTRA_MSRS 9

typedef struct KVMX86Vcpu {
    CPUState *cpu;
    struct kvm_lapic_state lapic, lapic_reset;
    uint32_t mp_state;
    uint64_t extra[EXTRA_MSRS];
    bool extra_valid;
    bool if_flag;          /* RFLAGS.IF at the last exit */
    uint8_t last_cr8;
    uint64_t last_apic_base;
    char *section;
    union { /* last: its array has no length of its own */
        struct kvm_cpuid2 head;
        uint8_t room[sizeof(struct kvm_cpuid2) +
                     CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
    } cpuid;
} KVMX86Vcpu;

static inline KVMX86Vcpu *kx(CPUState *cpu)
{
    return kvm_vcpu(cpu)->arch;
}

static inline bool kvm_lapic_in_kernel(void)
{
    return kvm_state->irqchip != KVM_IRQCHIP_OFF;
}

/* The kernel saves and loads that MSR. */
bool kvm_has_msr(uint32_t index);
/* What the CPU model says, to the kernel: 0 or -errno. */
int kvm_set_cpuid(CPUState *cs);

#endif
