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
#include "exec/runstate.h"
#include "hw/intc/apic.h"
#include "hw/intc/kernel-irqchip.h"
#include "kvm-x86.h"
#include "util/timer.h"

/* Intel needs four pages in no slot for real mode and identity mapping. */
#define IDENTITY_MAP UINT64_C(0xfeffc000)
#define TSS_ADDR     UINT64_C(0xfeffd000)


static struct {
    struct kvm_cpuid2 *cpuid; /* what the kernel can give */
    uint32_t *msrs;           /* MSRs it saves */
    unsigned nmsrs;
    uint64_t clock;           /* kvmclock in ns, while the VM stands */
    bool clock_valid;
} host;

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

bool kvm_has_msr(uint32_t index)
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
    if (kvm_lapic_in_kernel()) {
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
    .add_msi_route = kvm_route_add_msi,
    .set_msi_route = kvm_route_set_msi,
    .remove_route = kvm_route_remove,
    .irqfd = kvm_irqfd,
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
    ret = kvm_set_cpuid(cs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: CPUID of vCPU %d", cs->cpu_index);
        g_free(x);
        return false;
    }
    if (kvm_lapic_in_kernel()) {
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
    if (kvm_lapic_in_kernel()) {
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

    if (!kvm_lapic_in_kernel()) {
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
        vector = kvm_lapic_in_kernel() ? x86_platform.pic_ack()
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
    if (!kvm_lapic_in_kernel()) {
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
    if (!kvm_lapic_in_kernel() && x86_apic_ops) {
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
    if (kvm_lapic_in_kernel() || !x86_apic_ops) {
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

void kvm_arch_dump(CPUState *cs) NO_THREAD_SAFETY
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
