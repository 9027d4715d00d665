/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 under KVM: the CPU model's CPUID as the kernel wants it. */
#include "osdep.h"
#include "kvm-x86.h"

/* ---- CPUID ---------------------------------------------------------------------------- */

static void add_leaf(KVMX86Vcpu *x, CPUX86State *env, uint32_t leaf,
                     uint32_t sub, bool indexed)
{
    struct kvm_cpuid_entry2 *e;
    uint32_t r[4];

    if (x->cpuid.head.nent >= CPUID_MAX) {
        return;
    }
    x86_cpuid(env, leaf, sub, r);
    e = &x->cpuid.head.entries[x->cpuid.head.nent++];
    *e = (struct kvm_cpuid_entry2){
        .function = leaf, .index = sub,
        .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = r[0], .ebx = r[1], .ecx = r[2], .edx = r[3],
    };
}

static uint32_t last_type(const KVMX86Vcpu *x)
{
    return x->cpuid.head.entries[x->cpuid.head.nent - 1].eax & 31;
}

static void add_range(KVMX86Vcpu *x, CPUX86State *env, uint32_t first,
                      uint32_t last)
{
    for (uint32_t leaf = first; leaf <= last; leaf++) {
        uint32_t r[4];

        switch (leaf) {
        case 4:
        case 0x8000001d:
            for (uint32_t i = 0; i < 8; i++) {
                add_leaf(x, env, leaf, i, true);
                if (!last_type(x)) {
                    break;
                }
            }
            break;
        case 7:
            x86_cpuid(env, 7, 0, r);
            for (uint32_t i = 0; i <= MIN(r[0], 3u); i++) {
                add_leaf(x, env, leaf, i, true);
            }
            break;
        case 0xb:
        case 0x1f:
            for (uint32_t i = 0; i < 8; i++) {
                add_leaf(x, env, leaf, i, true);
                if (!(x->cpuid.head.entries[x->cpuid.head.nent - 1].ecx >> 8 &
                      0xff)) {
                    break;
                }
            }
            break;
        case 0xd:
            for (uint32_t i = 0; i < 64; i++) {
                x86_cpuid(env, leaf, i, r);
                if (i < 2 || r[0]) {
                    add_leaf(x, env, leaf, i, true);
                }
            }
            break;
        default:
            add_leaf(x, env, leaf, 0, false);
            break;
        }
    }
}

static void add_hypervisor(KVMX86Vcpu *x, const X86CPU *cpu)
{
    struct kvm_cpuid_entry2 *e = &x->cpuid.head.entries[x->cpuid.head.nent];

    if (!cpu->opt.kvm || !(cpu->features[FW_1_ECX] >> 31)) {
        return;
    }
    e[0] = (struct kvm_cpuid_entry2){
        .function = 0x40000000, .eax = 0x40000001, /* "KVMKVMKVM\0\0\0" */
        .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d,
    };
    e[1] = (struct kvm_cpuid_entry2){
        .function = 0x40000001, .eax = cpu->features[FW_KVM],
        .edx = cpu->features[FW_KVM_HINTS],
    };
    x->cpuid.head.nent += 2;
}

int kvm_set_cpuid(CPUState *cs)
{
    X86CPU *cpu = X86_CPU(cs);
    KVMX86Vcpu *x = kx(cs);

    x->cpuid.head.nent = 0;
    add_hypervisor(x, cpu);
    add_range(x, cpu->env, 0, MIN(cpu->level, 0x40u));
    if (cpu->xlevel >= 0x80000000) {
        add_range(x, cpu->env, 0x80000000, MIN(cpu->xlevel, 0x80000040u));
    }
    return kvm_vcpu_ioctl(cs, KVM_SET_CPUID2, &x->cpuid);
}
