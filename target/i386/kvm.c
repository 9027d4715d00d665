/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 under KVM: CPUID, state to and from the kernel, interrupts, exits
 * (Documentation/virt/kvm/api.rst, x86/cpuid.rst, x86/msr.rst).
 *
 * With local APICs in the kernel (irqchip on, split) the kernel also halts
 * and starts CPUs; without, interrupts go in by KVM_INTERRUPT, and INIT, SIPI
 * and HLT are ours.
 */
#include "osdep.h"
#include <cpuid.h>
#include <sys/mman.h>
#include "cpu-models.h"
#include "exec/runstate.h"
#include "hw/intc/apic.h"
#include "hw/intc/kernel-irqchip.h"
#include "kvm-int.h"
#include "util/timer.h"

/* Intel needs four pages in no slot for real mode and identity mapping. */
#define IDENTITY_MAP UINT64_C(0xfeffc000)
#define TSS_ADDR     UINT64_C(0xfeffd000)
#define CPUID_MAX 256
#define MSRS_MAX 128

#define MSR_TSC 0x10
#define MSR_APICBASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0

/* MSRs of KVM's own devices for guests and others that x86_regs lacks: they
 * travel in the section "kvm-cpuN". */
static const uint32_t extra_msrs[] = {
    0x4b564d00, 0x4b564d01, /* kvmclock: wall clock, system time */
    0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, /* async PF, steal, EOI,
                                                       poll control */
    0x4b564d06,             /* async PF interrupt */
    MSR_TSC_DEADLINE, 0x8b, /* microcode revision */
    0x1d9,                  /* DEBUGCTL has its field; kept for order */
};
#define EXTRA_MSRS ARRAY_SIZE(extra_msrs)

typedef struct KVMX86Vcpu {
    CPUState *cpu;
    struct kvm_lapic_state lapic, lapic_reset;
    uint32_t mp_state;
    uint64_t extra[EXTRA_MSRS];
    bool extra_valid;
    bool if_flag;          /* RFLAGS.IF at the last exit */
    uint8_t last_cr8;
    uint64_t last_apic_base;
    struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[CPUID_MAX];
    } cpuid;
    char *section;
} KVMX86Vcpu;

static KVMX86Vcpu *kx(CPUState *cpu)
{
    return kvm_vcpu(cpu)->arch;
}

static struct {
    struct kvm_cpuid2 *cpuid; /* what the kernel can give */
    uint32_t *msrs;           /* MSRs it saves */
    unsigned nmsrs;
    uint64_t clock;           /* kvmclock in ns, while the VM stands */
    bool clock_valid;
} host;

static bool lapic_in_kernel(void)
{
    return kvm_state->irqchip != KVM_IRQCHIP_OFF;
}

/* ---- the kernel's abilities ---------------------------------------------------- */

static bool load_cpuid(Error **errp)
{
    for (unsigned n = 128; n <= 1024; n *= 2) {
        int ret;

        g_free(host.cpuid);
        host.cpuid = g_malloc0(sizeof(struct kvm_cpuid2) +
                               n * sizeof(struct kvm_cpuid_entry2));
        host.cpuid->nent = n;
        ret = kvm_ioctl(KVM_GET_SUPPORTED_CPUID, (unsigned long)host.cpuid);
        if (ret >= 0) {
            return true;
        }
        if (ret != -E2BIG) {
            error_setg_errno(errp, -ret, "kvm: supported CPUID");
            return false;
        }
    }
    error_setg(errp, "kvm: too many CPUID leaves");
    return false;
}

static void load_msr_list(void)
{
    struct kvm_msr_list probe = { .nmsrs = 0 }, *list;

    kvm_ioctl(KVM_GET_MSR_INDEX_LIST, (unsigned long)&probe);
    list = g_malloc0(sizeof(*list) + probe.nmsrs * sizeof(uint32_t));
    list->nmsrs = probe.nmsrs;
    if (kvm_ioctl(KVM_GET_MSR_INDEX_LIST, (unsigned long)list) >= 0) {
        host.nmsrs = list->nmsrs;
        host.msrs = g_memdup2(list->indices, list->nmsrs * sizeof(uint32_t));
    }
    g_free(list);
}

static bool has_msr(uint32_t index)
{
    for (unsigned i = 0; i < host.nmsrs; i++) {
        if (host.msrs[i] == index) {
            return true;
        }
    }
    return false;
}

static uint32_t host_reg(uint32_t leaf, uint32_t sub, char reg)
{
    for (uint32_t i = 0; i < host.cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &host.cpuid->entries[i];

        if (e->function == leaf &&
            (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
             e->index == sub)) {
            return reg == 'a' ? e->eax : reg == 'b' ? e->ebx
                 : reg == 'c' ? e->ecx : e->edx;
        }
    }
    return 0;
}

static void kvm_features(uint32_t out[FW_WORDS])
{
    for (unsigned w = 0; w < FW_WORDS; w++) {
        struct x86_word_place p = x86_feature_place(w);

        /* MSR words: nested VMX and the like are not passed on. */
        out[w] = p.reg == 'm' || p.reg == 'h'
                     ? 0 : host_reg(p.index, p.sub < 0 ? 0 : p.sub, p.reg);
    }
    out[FW_1_EDX] |= 1u << 28;                /* HT: we lay topology out */
    out[FW_1_ECX] |= 1u << 31;                /* hypervisor */
    out[FW_1_ECX] &= ~(1u << 3);              /* MONITOR exits by itself */
    out[FW_6_EAX] |= 1u << 2;                 /* ARAT */
    out[FW_7_EDX] &= ~(7u << 22 | 1u << 24 | 1u << 25); /* AMX state */
    if (lapic_in_kernel()) {
        out[FW_1_ECX] |= 1u << 21;            /* x2APIC */
        if (kvm_check(KVM_CAP_TSC_DEADLINE_TIMER)) {
            out[FW_1_ECX] |= 1u << 24;
        }
    } else {
        out[FW_1_ECX] &= ~(1u << 21 | 1u << 24);
        /* They need the kernel's APIC: EOI, unhalt, IPI, async PF. */
        out[FW_KVM] &= ~(1u << 6 | 1u << 7 | 1u << 11 | 1u << 14 | 1u << 4);
    }
    /* The guest's clock is not passed on by the TSC alone. */
    out[FW_8_7_EDX] |= host_reg(0x80000007, 0, 'd') & (1u << 8);
}

/* ---- the interrupt controllers' table --------------------------------------------- */

static void signal_msi(hwaddr addr, uint32_t data)
{
    struct kvm_msi msi = { .address_lo = (uint32_t)addr,
                           .address_hi = addr >> 32, .data = data };

    kvm_vm_ioctl(KVM_SIGNAL_MSI, &msi);
}

static void set_gsi(int gsi, int level)
{
    struct kvm_irq_level l = { .irq = gsi, .level = level != 0 };

    kvm_vm_ioctl(KVM_IRQ_LINE, &l);
}

static void set_pic_intr(int level)
{
    CPUState *cpu = cpu_first();

    if (cpu && level) {
        cpu_interrupt(cpu, CPU_INTERRUPT_HARD);
    } else if (cpu) {
        cpu_reset_interrupt(cpu, CPU_INTERRUPT_HARD);
    }
}

static KernelIrqchip irqchip_ops = {
    .signal_msi = signal_msi,
    .set_gsi = set_gsi,
    .set_pin_route = kvm_route_pin_msi,
    .set_pic_intr = set_pic_intr,
    .vm_ioctl = kvm_vm_ioctl,
};

static bool create_irqchip(KVMState *s, Error **errp)
{
    static const KVMIrqchip kinds[] = { KVM_IRQCHIP_ON, KVM_IRQCHIP_ON,
                                        KVM_IRQCHIP_OFF, KVM_IRQCHIP_SPLIT };
    int ret = 0;

    s->irqchip = kinds[s->irqchip_opt];
    if (s->irqchip == KVM_IRQCHIP_ON) {
        ret = kvm_vm_ioctl(KVM_CREATE_IRQCHIP, NULL);
        irqchip_ops.all = true;
    } else if (s->irqchip == KVM_IRQCHIP_SPLIT) {
        struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP,
                                      .args[0] = IOAPIC_PINS };

        ret = kvm_vm_ioctl(KVM_ENABLE_CAP, &cap);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: no %s interrupt controller in the "
                         "kernel", s->irqchip == KVM_IRQCHIP_ON ? "whole"
                                                                : "split");
        return false;
    }
    if (s->irqchip != KVM_IRQCHIP_OFF) {
        kernel_irqchip = &irqchip_ops;
    }
    return true;
}

/* kvmclock stands while the VM does. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    struct kvm_clock_data data = { 0 };

    if (!running) {
        if (kvm_vm_ioctl(KVM_GET_CLOCK, &data) >= 0) {
            host.clock = data.clock;
            host.clock_valid = true;
        }
    } else if (host.clock_valid) {
        data.clock = host.clock;
        kvm_vm_ioctl(KVM_SET_CLOCK, &data);
        if (kvm_check(KVM_CAP_KVMCLOCK_CTRL)) {
            CPUState *cpu;

            CPU_FOREACH(cpu) {
                /* Fails where the guest has no such clock. */
                kvm_vcpu_ioctl(cpu, KVM_KVMCLOCK_CTRL, NULL);
            }
        }
    }
}

bool kvm_arch_init(KVMState *s, Error **errp)
{
    static VMChangeListener listener = { .prio = VM_PRIO_CPU,
                                         .fn = vm_changed };
    uint64_t identity = IDENTITY_MAP;
    int ret;

    if (!kvm_check(KVM_CAP_XSAVE) || !kvm_check(KVM_CAP_XCRS) ||
        !kvm_check(KVM_CAP_VCPU_EVENTS) || !kvm_check(KVM_CAP_DEBUGREGS)) {
        error_setg(errp, "kvm lacks xsave, xcrs, vcpu_events or debugregs: a "
                   "newer kernel is needed");
        return false;
    }
    ret = kvm_vm_ioctl(KVM_SET_IDENTITY_MAP_ADDR, &identity);
    if (ret >= 0) {
        ret = kvm_vm_ioctl(KVM_SET_TSS_ADDR, (void *)TSS_ADDR);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: places for real mode");
        return false;
    }
    s->smm = kvm_check(KVM_CAP_X86_SMM) &&
             kvm_check(KVM_CAP_MULTI_ADDRESS_SPACE) >= 2;
    x86_no_smm = !s->smm;
    s->xsave2 = kvm_check(KVM_CAP_XSAVE2) > 4096;
    if (s->shadow_mem) {
        kvm_vm_ioctl(KVM_SET_NR_MMU_PAGES,
                     (void *)(uintptr_t)(s->shadow_mem / 4096));
    }
    if (!create_irqchip(s, errp) || !load_cpuid(errp)) {
        return false;
    }
    load_msr_list();
    x86_accel_features = kvm_features;
    vm_change_add(&listener);
    return true;
}

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
    e = &x->cpuid.entries[x->cpuid.head.nent++];
    *e = (struct kvm_cpuid_entry2){
        .function = leaf, .index = sub,
        .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = r[0], .ebx = r[1], .ecx = r[2], .edx = r[3],
    };
}

static uint32_t last_type(const KVMX86Vcpu *x)
{
    return x->cpuid.entries[x->cpuid.head.nent - 1].eax & 31;
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
                if (!(x->cpuid.entries[x->cpuid.head.nent - 1].ecx >> 8 &
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
    struct kvm_cpuid_entry2 *e = &x->cpuid.entries[x->cpuid.head.nent];

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

static int set_cpuid(CPUState *cs)
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

/* ---- MSRs ------------------------------------------------------------------------------- */

typedef struct MsrList {
    struct kvm_msrs head;
    struct kvm_msr_entry e[MSRS_MAX];
    uint64_t *field[MSRS_MAX];
} MsrList;

static void msr_add(MsrList *l, uint32_t index, uint64_t *field)
{
    if (l->head.nmsrs < MSRS_MAX && has_msr(index)) {
        l->field[l->head.nmsrs] = field;
        l->e[l->head.nmsrs++] = (struct kvm_msr_entry){ .index = index,
                                                        .data = *field };
    }
}

/* What the kernel lists nowhere but takes. */
static void msr_force(MsrList *l, uint32_t index, uint64_t *field)
{
    l->field[l->head.nmsrs] = field;
    l->e[l->head.nmsrs++] = (struct kvm_msr_entry){ .index = index,
                                                    .data = *field };
}

static void list_msrs(MsrList *l, CPUState *cs, KVMPut level)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    const X86CPU *cpu = X86_CPU(cs);
    KVMX86Vcpu *x = kx(cs);

    msr_add(l, 0x174, &r->sysenter_cs);
    msr_add(l, 0x175, &r->sysenter_esp);
    msr_add(l, 0x176, &r->sysenter_eip);
    msr_add(l, 0x277, &r->pat);
    msr_add(l, 0xc0000081, &r->star);
    if (cpu->features[FW_8_1_EDX] >> 29 & 1) {
        msr_add(l, 0xc0000082, &r->lstar);
        msr_add(l, 0xc0000083, &r->cstar);
        msr_add(l, 0xc0000084, &r->fmask);
        msr_add(l, 0xc0000102, &r->kernelgsbase);
    }
    if (cpu->features[FW_8_1_EDX] >> 27 & 1) {
        msr_add(l, 0xc0000103, &r->tsc_aux);
    }
    if (cpu->features[FW_7_EBX] >> 1 & 1) {
        msr_add(l, 0x3b, &r->tsc_adjust);
    }
    if (cpu->features[FW_7_EDX] >> 26 & 1) {
        msr_add(l, 0x48, &r->spec_ctrl);
    }
    msr_add(l, 0x1a0, &r->misc_enable);
    for (unsigned i = 0; i < EXTRA_MSRS - 1; i++) {
        if (level != KVM_PUT_FULL || x->extra_valid) {
            msr_add(l, extra_msrs[i], &x->extra[i]);
        }
    }
    if (level != KVM_PUT_FULL) {
        return;
    }
    msr_add(l, MSR_TSC, &r->tsc);
    if (cpu->features[FW_1_EDX] >> 12 & 1) {
        static const uint16_t fixed[11] = { 0x250, 0x258, 0x259, 0x268, 0x269,
                                            0x26a, 0x26b, 0x26c, 0x26d, 0x26e,
                                            0x26f };

        msr_force(l, 0x2ff, &r->mtrr_deftype);
        for (unsigned i = 0; i < 11; i++) {
            msr_force(l, fixed[i], &r->mtrr_fixed[i]);
        }
        for (unsigned i = 0; i < 16; i++) {
            msr_force(l, 0x200 + i, &r->mtrr_var[i]);
        }
    }
}

static bool put_msrs(CPUState *cs, KVMPut level)
{
    g_autofree MsrList *l = g_new0(MsrList, 1);

    list_msrs(l, cs, level);
    while (l->head.nmsrs) {
        int ret = kvm_vcpu_ioctl(cs, KVM_SET_MSRS, l);
        unsigned n = l->head.nmsrs;

        /* One that it refuses is left out, and the rest tried again. */
        if (ret < 0) {
            return false;
        }
        if ((unsigned)ret == n) {
            break;
        }
        memmove(l->e, l->e + ret + 1, (n - ret - 1) * sizeof(l->e[0]));
        l->head.nmsrs = n - ret - 1;
    }
    return true;
}

static bool get_msrs(CPUState *cs)
{
    g_autofree MsrList *l = g_new0(MsrList, 1);
    int ret;

    kx(cs)->extra_valid = true;
    list_msrs(l, cs, KVM_PUT_FULL);
    ret = kvm_vcpu_ioctl(cs, KVM_GET_MSRS, l);
    for (int i = 0; i < ret; i++) {
        *l->field[i] = l->e[i].data;
    }
    return ret >= 0;
}

/* ---- registers ----------------------------------------------------------------------------- */

static struct kvm_segment seg_out(const struct x86_seg *s)
{
    return (struct kvm_segment){
        .base = s->base, .limit = s->limit, .selector = s->sel,
        .type = SEG_TYPE(s->attr), .s = !!(s->attr & SEG_S),
        .dpl = SEG_DPL(s->attr), .present = !!(s->attr & SEG_P),
        .avl = !!(s->attr & SEG_AVL), .l = !!(s->attr & SEG_L),
        .db = !!(s->attr & SEG_DB), .g = !!(s->attr & SEG_G),
        .unusable = !!(s->attr & SEG_UNUSABLE) || !(s->attr & SEG_P),
    };
}

static struct x86_seg seg_in(const struct kvm_segment *k)
{
    return (struct x86_seg){
        .base = k->base, .limit = k->limit, .sel = k->selector,
        .attr = k->type | (k->s ? SEG_S : 0) | (uint32_t)k->dpl << 5 |
                (k->present ? SEG_P : 0) | (k->avl ? SEG_AVL : 0) |
                (k->l ? SEG_L : 0) | (k->db ? SEG_DB : 0) |
                (k->g ? SEG_G : 0) | (k->unusable ? SEG_UNUSABLE : 0),
    };
}

static bool put_sregs(CPUState *cs)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_sregs s = {
        .es = seg_out(&r->seg[R_ES]), .cs = seg_out(&r->seg[R_CS]),
        .ss = seg_out(&r->seg[R_SS]), .ds = seg_out(&r->seg[R_DS]),
        .fs = seg_out(&r->seg[R_FS]), .gs = seg_out(&r->seg[R_GS]),
        .tr = seg_out(&r->tr), .ldt = seg_out(&r->ldt),
        .gdt = { .base = r->gdt.base, .limit = r->gdt.limit },
        .idt = { .base = r->idt.base, .limit = r->idt.limit },
        .cr0 = r->cr0, .cr2 = r->cr2, .cr3 = r->cr3, .cr4 = r->cr4,
        .cr8 = r->cr8, .efer = r->efer, .apic_base = r->apic_base,
    };

    return kvm_vcpu_ioctl(cs, KVM_SET_SREGS, &s) >= 0;
}

static bool get_sregs(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_sregs s;

    if (kvm_vcpu_ioctl(cs, KVM_GET_SREGS, &s) < 0) {
        return false;
    }
    r->seg[R_ES] = seg_in(&s.es);
    r->seg[R_CS] = seg_in(&s.cs);
    r->seg[R_SS] = seg_in(&s.ss);
    r->seg[R_DS] = seg_in(&s.ds);
    r->seg[R_FS] = seg_in(&s.fs);
    r->seg[R_GS] = seg_in(&s.gs);
    r->tr = seg_in(&s.tr);
    r->ldt = seg_in(&s.ldt);
    r->gdt.base = s.gdt.base;
    r->gdt.limit = s.gdt.limit;
    r->idt.base = s.idt.base;
    r->idt.limit = s.idt.limit;
    r->cr0 = s.cr0;
    r->cr2 = s.cr2;
    r->cr3 = s.cr3;
    r->cr4 = s.cr4;
    r->cr8 = s.cr8;
    r->efer = s.efer;
    r->apic_base = s.apic_base;
    return true;
}

/* kvm_regs in the order of the instruction encoding. */
static __u64 *gpr_at(struct kvm_regs *k, unsigned i)
{
    __u64 *const at[16] = { &k->rax, &k->rcx, &k->rdx, &k->rbx, &k->rsp,
                            &k->rbp, &k->rsi, &k->rdi, &k->r8, &k->r9,
                            &k->r10, &k->r11, &k->r12, &k->r13, &k->r14,
                            &k->r15 };

    return at[i];
}

static bool put_gprs(CPUState *cs)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_regs k = { .rip = r->rip, .rflags = r->rflags };

    for (unsigned i = 0; i < 16; i++) {
        *gpr_at(&k, i) = r->gpr[i];
    }
    return kvm_vcpu_ioctl(cs, KVM_SET_REGS, &k) >= 0;
}

static bool get_gprs(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_regs k;

    if (kvm_vcpu_ioctl(cs, KVM_GET_REGS, &k) < 0) {
        return false;
    }
    for (unsigned i = 0; i < 16; i++) {
        r->gpr[i] = *gpr_at(&k, i);
    }
    r->rip = k.rip;
    r->rflags = k.rflags;
    return true;
}

static bool put_xsave(CPUState *cs)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_xcrs xcrs = { .nr_xcrs = 1,
                             .xcrs[0] = { .xcr = 0, .value = r->xcr0 } };
    g_autofree struct kvm_xsave *xs = g_new0(struct kvm_xsave, 1);
    uint64_t bv;

    memcpy(xs, r->xsave, X86_XSAVE_SIZE);
    /* x87 and SSE always count: they stand in the image. */
    memcpy(&bv, (uint8_t *)xs + XS_XSTATE_BV, 8);
    bv |= 3;
    memcpy((uint8_t *)xs + XS_XSTATE_BV, &bv, 8);
    return kvm_vcpu_ioctl(cs, KVM_SET_XSAVE, xs) >= 0 &&
           (!(x86_has(cpu_env(cs), FW_1_ECX, 26)) ||
            kvm_vcpu_ioctl(cs, KVM_SET_XCRS, &xcrs) >= 0);
}

static bool get_xsave(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_xcrs xcrs = { 0 };
    g_autofree struct kvm_xsave *xs = g_new0(struct kvm_xsave, 1);
    uint64_t bv;

    if (kvm_vcpu_ioctl(cs, KVM_GET_XSAVE, xs) < 0) {
        return false;
    }
    memcpy(r->xsave, xs, X86_XSAVE_SIZE);
    memcpy(&bv, r->xsave + XS_XSTATE_BV, 8);
    if (!(bv & 1)) { /* x87 in its initial state */
        static const uint16_t fcw = 0x37f;

        memset(r->xsave, 0, 24);
        memset(r->xsave + 32, 0, 128);
        memcpy(r->xsave + XS_FCW, &fcw, 2);
    }
    if (!(bv & 2)) {
        memset(r->xsave + XS_XMM(0), 0, 256);
    }
    if (kvm_vcpu_ioctl(cs, KVM_GET_XCRS, &xcrs) >= 0 && xcrs.nr_xcrs) {
        r->xcr0 = xcrs.xcrs[0].value;
    }
    return true;
}

static bool put_events(CPUState *cs)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_vcpu_events e = {
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
        .nmi.masked = r->nmi_blocked,
        .interrupt.shadow = (r->shadow & 1 ? KVM_X86_SHADOW_INT_STI : 0) |
                            (r->shadow & 2 ? KVM_X86_SHADOW_INT_MOV_SS : 0),
    };

    if (r->exc_pending && r->exc_kind == INT_EXCP) {
        e.exception.injected = 1;
        e.exception.nr = r->exc_vector;
        e.exception.error_code = r->exc_error;
        e.exception.has_error_code = (r->exc_vector < 32) &&
                                     (0x27d00 >> r->exc_vector & 1);
    } else if (r->exc_pending && r->exc_kind == INT_HW &&
               r->exc_vector == 2) {
        e.nmi.injected = 1;
    } else if (r->exc_pending) {
        e.interrupt.injected = 1;
        e.interrupt.nr = r->exc_vector;
        e.interrupt.soft = r->exc_kind != INT_HW;
    }
    if (kvm_state->smm) {
        e.flags |= KVM_VCPUEVENT_VALID_SMM;
        e.smi.smm = r->in_smm;
        e.smi.smm_inside_nmi = r->smi_nmi_blocked;
    }
    return kvm_vcpu_ioctl(cs, KVM_SET_VCPU_EVENTS, &e) >= 0;
}

static bool get_events(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_vcpu_events e = { 0 };

    if (kvm_vcpu_ioctl(cs, KVM_GET_VCPU_EVENTS, &e) < 0) {
        return false;
    }
    r->shadow = (e.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? 1 : 0) |
                (e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? 2 : 0);
    r->nmi_blocked = e.nmi.masked;
    r->exc_pending = e.exception.injected || e.interrupt.injected ||
                     e.nmi.injected;
    if (e.exception.injected) {
        r->exc_vector = e.exception.nr;
        r->exc_kind = INT_EXCP;
        r->exc_error = e.exception.error_code;
    } else if (e.nmi.injected) {
        r->exc_vector = 2;
        r->exc_kind = INT_HW;
    } else if (e.interrupt.injected) {
        r->exc_vector = e.interrupt.nr;
        r->exc_kind = e.interrupt.soft ? INT_SOFT : INT_HW;
    }
    if (e.flags & KVM_VCPUEVENT_VALID_SMM) {
        r->in_smm = e.smi.smm;
        r->smi_nmi_blocked = e.smi.smm_inside_nmi;
    }
    if (e.nmi.pending) {
        cpu_interrupt(cs, CPU_INTERRUPT_NMI);
    }
    return true;
}

static bool put_debugregs(CPUState *cs)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_debugregs d = { .dr6 = r->dr[6], .dr7 = r->dr[7] };

    for (unsigned i = 0; i < 4; i++) {
        d.db[i] = r->dr[i];
    }
    return kvm_vcpu_ioctl(cs, KVM_SET_DEBUGREGS, &d) >= 0;
}

static bool get_debugregs(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    struct kvm_debugregs d;

    if (kvm_vcpu_ioctl(cs, KVM_GET_DEBUGREGS, &d) < 0) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        r->dr[i] = d.db[i];
    }
    r->dr[6] = d.dr6;
    r->dr[7] = d.dr7;
    return true;
}

static bool put_apic(CPUState *cs, KVMPut level)
{
    const struct x86_regs *r = &cpu_env(cs)->x;
    KVMX86Vcpu *x = kx(cs);
    struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

    if (!lapic_in_kernel()) {
        return true;
    }
    mp.mp_state = r->sipi_wait ? x->mp_state : r->halted
                      ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
    if (r->sipi_wait && mp.mp_state != KVM_MP_STATE_INIT_RECEIVED) {
        mp.mp_state = KVM_MP_STATE_UNINITIALIZED;
    }
    if (level == KVM_PUT_FULL &&
        kvm_vcpu_ioctl(cs, KVM_SET_LAPIC, &x->lapic) < 0) {
        return false;
    }
    return kvm_vcpu_ioctl(cs, KVM_SET_MP_STATE, &mp) >= 0;
}

static bool get_apic(CPUState *cs)
{
    struct x86_regs *r = &cpu_env(cs)->x;
    KVMX86Vcpu *x = kx(cs);
    struct kvm_mp_state mp;

    if (!lapic_in_kernel()) {
        r->halted = cs->halted;
        return true;
    }
    if (kvm_vcpu_ioctl(cs, KVM_GET_MP_STATE, &mp) < 0 ||
        kvm_vcpu_ioctl(cs, KVM_GET_LAPIC, &x->lapic) < 0) {
        return false;
    }
    x->mp_state = mp.mp_state;
    r->halted = mp.mp_state == KVM_MP_STATE_HALTED;
    r->sipi_wait = mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
                   mp.mp_state == KVM_MP_STATE_INIT_RECEIVED;
    return true;
}

void kvm_arch_adopt(CPUState *cs)
{
    x86_regs_to_env(cpu_env(cs));
}

bool kvm_arch_put(CPUState *cs, KVMPut level)
{
    CPUX86State *env = cpu_env(cs);
    bool ok;

    x86_env_to_regs(env);
    if (!lapic_in_kernel()) {
        kx(cs)->last_cr8 = env->x.cr8;
        kx(cs)->last_apic_base = env->x.apic_base;
    }
    ok = put_events(cs) && put_sregs(cs) && put_gprs(cs) && put_xsave(cs) &&
         put_msrs(cs, level) && put_apic(cs, level) && put_debugregs(cs);
    kx(cs)->if_flag = env->x.rflags & FL_IF;
    if (!ok) {
        error_report("kvm: the state of CPU %d does not go in: %s",
                     cs->cpu_index, strerror(errno));
    }
    kvm_arch_update_debug(cs);
    return ok;
}

bool kvm_arch_get(CPUState *cs)
{
    CPUX86State *env = cpu_env(cs);
    bool ok = get_events(cs) && get_gprs(cs) && get_sregs(cs) &&
              get_xsave(cs) && get_msrs(cs) && get_debugregs(cs) &&
              get_apic(cs);

    if (!ok) {
        error_report("kvm: the state of CPU %d does not come out: %s",
                     cs->cpu_index, strerror(errno));
    }
    x86_regs_to_env(env);
    return ok;
}

/* ---- a vCPU's life ----------------------------------------------------------------------------- */

/* The device's reset has put the common copy to power-on values. */
static void lapic_reset(CPUState *cs)
{
    KVMX86Vcpu *x = kx(cs);

    x->lapic = x->lapic_reset;
    memset(x->extra, 0, sizeof(x->extra));
    x->extra_valid = true;
    x->mp_state = x86_cpu_is_bsp(cs) ? KVM_MP_STATE_RUNNABLE
                                     : KVM_MP_STATE_UNINITIALIZED;
    cpu_env(cs)->x.apic_base = APIC_DEFAULT_BASE | BIT(11) |
                               (x86_cpu_is_bsp(cs) ? BIT(8) : 0);
}

static void extra_pre_save(void *opaque)
{
    accel->get_state(((KVMX86Vcpu *)opaque)->cpu);
}

static bool extra_post_load(void *opaque, int version, Error **errp)
{
    KVMX86Vcpu *x = opaque;

    x->extra_valid = true;
    accel->put_state(x->cpu);
    return true;
}

static const VMStateField extra_fields[] = {
    VMSTATE_BUFFER(lapic.regs, KVMX86Vcpu),
    VMSTATE_UINT32(mp_state, KVMX86Vcpu),
    VMSTATE_UINT64_ARRAY(extra, KVMX86Vcpu, EXTRA_MSRS),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_extra = {
    .name = "kvm-cpu",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = extra_pre_save,
    .post_load = extra_post_load,
    .fields = extra_fields,
};

bool kvm_arch_vcpu_init(CPUState *cs, Error **errp)
{
    KVMVcpu *k = kvm_vcpu(cs);
    KVMX86Vcpu *x = g_new0(KVMX86Vcpu, 1);
    int ret;

    x->cpu = cs;
    k->arch = x;
    k->fd = kvm_vcpu_fd(x86_cpu_apic_id(cs));
    if (k->fd < 0) {
        error_setg_errno(errp, -k->fd, "kvm: cannot make vCPU %d",
                         cs->cpu_index);
        g_free(x);
        return false;
    }
    k->run = mmap(NULL, kvm_state->run_size, PROT_READ | PROT_WRITE,
                  MAP_SHARED, k->fd, 0);
    if (k->run == MAP_FAILED) {
        k->run = NULL;
        error_setg_errno(errp, errno, "kvm: mapping vCPU %d", cs->cpu_index);
        g_free(x);
        return false;
    }
    ret = set_cpuid(cs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: CPUID of vCPU %d", cs->cpu_index);
        g_free(x);
        return false;
    }
    if (lapic_in_kernel()) {
        kvm_vcpu_ioctl(cs, KVM_GET_LAPIC, &x->lapic_reset);
        lapic_reset(cs);
    }
    if (!X86_CPU(cs)->tsc_hz) {
        ret = kvm_vcpu_ioctl(cs, KVM_GET_TSC_KHZ, NULL);
        X86_CPU(cs)->tsc_hz = ret > 0 ? (uint64_t)ret * 1000 : 0;
    }
    if (kvm_state->smm) {
        x86_smm_as_init();
        kvm_smm_listen();
    }
    x->section = g_strdup_printf("kvm-cpu%d", cs->cpu_index);
    vmstate_register(x->section, VMSTATE_PRIO_CPU, &vmstate_extra, x);
    return true;
}

void kvm_arch_vcpu_destroy(CPUState *cs)
{
    KVMX86Vcpu *x = kx(cs);

    vmstate_unregister(&vmstate_extra, x);
    kvm_vcpu_park(kvm_vcpu(cs)->fd, x86_cpu_apic_id(cs));
    g_free(x->section);
    g_free(x);
}

void kvm_arch_reset(CPUState *cs)
{
    if (lapic_in_kernel()) {
        lapic_reset(cs);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

AddressSpace *kvm_arch_smm_as(void)
{
    return kvm_state->smm ? x86_smm_as() : NULL;
}

AddressSpace *kvm_arch_as(CPUState *cs)
{
    AddressSpace *smm = kvm_vcpu(cs)->run->flags & KVM_RUN_X86_SMM
                            ? x86_smm_as() : NULL;

    return smm ? smm : &address_space_memory;
}

bool kvm_arch_wants_attention(CPUState *cs)
{
    uint32_t req = atomic_load(&cs->interrupt_request);
    struct kvm_run *run = kvm_vcpu(cs)->run;

    if (!lapic_in_kernel()) {
        return true; /* CR8 and the interrupt window are ours */
    }
    run->request_interrupt_window = 0;
    return req & (CPU_INTERRUPT_NMI | CPU_INTERRUPT_SMI | CPU_INTERRUPT_HARD |
                  CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
}

static void inject_pic(CPUState *cs)
{
    struct kvm_run *run = kvm_vcpu(cs)->run;
    int vector;

    if (!(atomic_load(&cs->interrupt_request) & CPU_INTERRUPT_HARD)) {
        return;
    }
    if (run->ready_for_interrupt_injection) {
        vector = lapic_in_kernel() ? x86_platform.pic_ack()
                 : x86_apic_ops    ? x86_apic_ops->ack_interrupt(
                                         x86_cpu_get_apic(cs))
                                   : x86_platform.pic_ack();
        if (vector >= 0) {
            struct kvm_interrupt irq = { .irq = vector };

            cs->halted = false;
            kvm_vcpu_ioctl(cs, KVM_INTERRUPT, &irq);
        }
    }
    run->request_interrupt_window =
        (atomic_load(&cs->interrupt_request) & CPU_INTERRUPT_HARD) != 0;
}

/* INIT and SIPI, when the local APIC is ours. */
static void do_init_sipi(CPUState *cs, uint32_t req)
{
    CPUX86State *env = cpu_env(cs);

    accel->get_state(cs);
    if (req & CPU_INTERRUPT_INIT) {
        x86_do_init(env);
    }
    if (atomic_load(&cs->interrupt_request) & CPU_INTERRUPT_SIPI) {
        x86_do_sipi(env);
    }
    kvm_arch_put(cs, KVM_PUT_RUNTIME);
    kvm_vcpu(cs)->dirty = KVM_PUT_NONE;
}

void kvm_arch_pre_run(CPUState *cs)
{
    uint32_t req = atomic_load(&cs->interrupt_request);
    struct kvm_run *run = kvm_vcpu(cs)->run;

    if (req & CPU_INTERRUPT_NMI) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_NMI);
        cs->halted = false;
        kvm_vcpu_ioctl(cs, KVM_NMI, NULL);
    }
    if (req & CPU_INTERRUPT_SMI) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_SMI);
        cs->halted = false;
        if (kvm_state->smm) {
            kvm_vcpu_ioctl(cs, KVM_SMI, NULL);
        }
    }
    if (!lapic_in_kernel()) {
        if (req & CPU_INTERRUPT_POLL) {
            cpu_reset_interrupt(cs, CPU_INTERRUPT_POLL);
        }
        if (req & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI)) {
            do_init_sipi(cs, req);
        }
        if (cpu_env(cs)->x.sipi_wait) {
            cs->halted = true;
            return;
        }
    } else {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
    }
    if (!kernel_irqchip || !kernel_irqchip->all) {
        inject_pic(cs);
    }
    if (!lapic_in_kernel() && x86_apic_ops) {
        kx(cs)->last_cr8 = x86_apic_ops->get_cr8(x86_cpu_get_apic(cs));
        run->cr8 = kx(cs)->last_cr8;
    }
}

void kvm_arch_post_run(CPUState *cs)
{
    struct kvm_run *run = kvm_vcpu(cs)->run;
    KVMX86Vcpu *x = kx(cs);
    void *apic;

    x->if_flag = run->if_flag;
    if (lapic_in_kernel() || !x86_apic_ops) {
        return;
    }
    apic = x86_cpu_get_apic(cs);
    if ((run->cr8 & 15) != x->last_cr8 ||
        run->apic_base != x->last_apic_base) {
        bql_lock();
        x->last_cr8 = run->cr8 & 15;
        x86_apic_ops->set_cr8(apic, x->last_cr8);
        if (run->apic_base != x->last_apic_base) {
            x->last_apic_base = run->apic_base;
            x86_apic_ops->set_base(apic, run->apic_base);
        }
        bql_unlock();
    }
}

bool kvm_arch_has_work(CPUState *cs)
{
    uint32_t req = atomic_load(&cs->interrupt_request);

    if (req & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI)) {
        return true;
    }
    if (cpu_env(cs)->x.sipi_wait) {
        return false;
    }
    return ((req & CPU_INTERRUPT_HARD) && kx(cs)->if_flag) ||
           (req & (CPU_INTERRUPT_NMI | CPU_INTERRUPT_SMI |
                   CPU_INTERRUPT_POLL));
}

static bool handle_halt(CPUState *cs)
{
    bql_lock();
    if (!kvm_arch_has_work(cs)) {
        cs->halted = true;
    }
    bql_unlock();
    return cs->halted;
}

bool kvm_arch_exit(CPUState *cs, VCPUExit *why)
{
    struct kvm_run *run = kvm_vcpu(cs)->run;

    *why = VCPU_EXIT_NONE;
    switch (run->exit_reason) {
    case KVM_EXIT_HLT:
        if (handle_halt(cs)) {
            *why = VCPU_EXIT_HALTED;
        }
        return true;
    case KVM_EXIT_SET_TPR:
        return true; /* kvm_arch_post_run() has seen it */
    case KVM_EXIT_IOAPIC_EOI:
        bql_lock();
        ioapic_eoi_broadcast(run->eoi.vector);
        bql_unlock();
        return true;
    case KVM_EXIT_DEBUG:
        *why = VCPU_EXIT_DEBUG;
        return true;
    default:
        return false;
    }
}

void kvm_arch_dump(CPUState *cs)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool locked = bql_locked();

    if (!locked) {
        bql_lock();
    }
    accel->get_state(cs);
    x86_dump_regs(cpu_env(cs), text, false);
    if (!locked) {
        bql_unlock();
    }
    fputs(text->str, stderr);
}

/* ---- gdb -------------------------------------------------------------------------------------- */

/* Hardware breakpoints and watchpoints, for all vCPUs. */
static struct {
    vaddr addr, len;
    int type;
} hw_bp[4];
static unsigned hw_bps;

/* int3 in memory: what stood there. */
typedef struct SwBp {
    vaddr addr;
    uint8_t saved;
} SwBp;
static GArray *sw_bps;

void kvm_arch_update_debug(CPUState *cs)
{
    static const uint8_t kinds[] = { 0, 0, 1, 2, 3 }; /* DR7.R/W by gdb type */
    struct kvm_guest_debug d = { 0 };

    if (cs->singlestep) {
        d.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    }
    if (sw_bps && sw_bps->len) {
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
    }
    if (hw_bps) {
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        d.arch.debugreg[7] = 0x600;
        for (unsigned i = 0; i < hw_bps; i++) {
            unsigned len = hw_bp[i].type == 1 ? 0 : hw_bp[i].len == 8
                               ? 2 : hw_bp[i].len - 1;

            d.arch.debugreg[i] = hw_bp[i].addr;
            d.arch.debugreg[7] |= 2u << (i * 2) |
                                  (hw_bp[i].type == 1
                                       ? 0u : (unsigned)kinds[hw_bp[i].type])
                                      << (16 + i * 4) |
                                  len << (18 + i * 4);
        }
    }
    kvm_vcpu_ioctl(cs, KVM_SET_GUEST_DEBUG, &d);
}

static void update_debug_work(CPUState *cs, void *opaque)
{
    kvm_arch_update_debug(cs);
}

static int patch(CPUState *cs, vaddr addr, uint8_t *old, uint8_t new)
{
    hwaddr pa;

    accel->get_state(cs);
    if (!x86_translate_debug(cpu_env(cs), addr, &pa) ||
        address_space_read(&address_space_memory, pa, MEMTXATTRS_CPU, old,
                           1)) {
        return -EFAULT;
    }
    return address_space_write_rom(&address_space_memory, pa, &new, 1)
               ? -EFAULT : 0;
}

static int sw_breakpoint(CPUState *cs, vaddr addr, bool add)
{
    uint8_t now;

    if (!sw_bps) {
        sw_bps = g_array_new(FALSE, FALSE, sizeof(SwBp));
    }
    for (guint i = 0; i < sw_bps->len; i++) {
        SwBp *b = &g_array_index(sw_bps, SwBp, i);

        if (b->addr == addr) {
            int ret = add ? 0 : patch(cs, addr, &now, b->saved);

            if (!add) {
                g_array_remove_index_fast(sw_bps, i);
            }
            return ret;
        }
    }
    if (!add) {
        return -ENOENT;
    }
    SwBp b = { .addr = addr };
    int ret = patch(cs, addr, &b.saved, 0xcc);

    if (ret == 0) {
        g_array_append_val(sw_bps, b);
    }
    return ret;
}

int kvm_arch_breakpoint(CPUState *cs, int type, vaddr addr, vaddr len,
                        bool add)
{
    int ret = 0;

    if (type == 0) {
        ret = sw_breakpoint(cs, addr, add);
    } else if (add) {
        if (hw_bps == ARRAY_SIZE(hw_bp)) {
            return -ENOBUFS;
        }
        if (type == 3 || (type > 1 && ((len & (len - 1)) || len > 8))) {
            return -ENOSYS; /* x86 has no trap on reads alone */
        }
        hw_bp[hw_bps].addr = addr;
        hw_bp[hw_bps].len = len;
        hw_bp[hw_bps++].type = type;
    } else {
        unsigned i = 0;

        while (i < hw_bps && (hw_bp[i].addr != addr || hw_bp[i].type != type)) {
            i++;
        }
        if (i == hw_bps) {
            return -ENOENT;
        }
        hw_bp[i] = hw_bp[--hw_bps];
    }
    CPU_FOREACH(cs) {
        cpu_run_on(cs, update_debug_work, NULL);
    }
    return ret;
}
