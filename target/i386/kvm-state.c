/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 under KVM: struct x86_regs to and from the kernel (api.rst: KVM_SET_REGS
 * and the ioctls beside it; x86/msr.rst).
 */
#include "osdep.h"
#include "kvm-x86.h"

#define MSRS_MAX 128

/* KVM's own devices for guests and others: they travel in the section
 * "kvm-cpuN". */
static const uint32_t extra_msrs[EXTRA_MSRS] = {
    0x4b564d00, 0x4b564d01, /* kvmclock: wall clock, system time */
    0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, /* async PF, steal, EOI,
                                                       poll control */
    0x4b564d06,             /* async PF interrupt */
    MSR_TSC_DEADLINE, 0x8b, /* microcode revision */
};

/* ---- MSRs ------------------------------------------------------------------------------- */

typedef struct MsrList {
    struct kvm_msrs head;
    struct kvm_msr_entry e[MSRS_MAX];
    uint64_t *field[MSRS_MAX];
} MsrList;

static void msr_add(MsrList *l, uint32_t index, uint64_t *field)
{
    if (l->head.nmsrs < MSRS_MAX && kvm_has_msr(index)) {
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
    for (unsigned i = 0; i < EXTRA_MSRS; i++) {
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

    if (!kvm_lapic_in_kernel()) {
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

    if (!kvm_lapic_in_kernel()) {
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
    if (!kvm_lapic_in_kernel()) {
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
