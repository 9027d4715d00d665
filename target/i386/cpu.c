/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 CPU device: creation, reset, INIT and SIPI, its state in the common
 * format (vmstate, `info registers`), and what the PC's devices ask of it.
 */
#include "osdep.h"
#include "cpu-models.h"
#include "util/log.h"
#include "util/module.h"
#include "util/timer.h"
#include <sys/mman.h>

const X86ApicOps *x86_apic_ops;
X86Platform x86_platform;

void x86_env_to_regs(CPUX86State *env)
{
    memcpy(env->x.gpr, env->regs, sizeof(env->x.gpr));
    env->x.rip = env->rip;
    env->x.rflags = x86_eflags(env);
    env->x.tsc = x86_rdtsc(env);
    env->x.halted = env->cpu->parent.halted;
    if (env->cpu->apic && x86_apic_ops && bql_locked()) {
        env->x.apic_base = x86_apic_ops->get_base(env->cpu->apic);
        env->x.cr8 = x86_apic_ops->get_cr8(env->cpu->apic);
    }
}

void x86_regs_to_env(CPUX86State *env)
{
    memcpy(env->regs, env->x.gpr, sizeof(env->x.gpr));
    env->r[16] = 0;
    env->rip = env->x.rip;
    x86_set_eflags(env, env->x.rflags);
    /* Reserved bits would fault where the host loads it. */
    env->x.xsave[XS_MXCSR + 2] = env->x.xsave[XS_MXCSR + 3] = 0;
    env->tsc_offset = env->x.tsc - x86_scale_tsc(env, x86_host_tsc());
    env->cpu->parent.halted = env->x.halted;
    env->phys_mask = BIT(env->cpu->phys_bits) - 1;
    env->cpl = !(env->x.cr0 & CR0_PE) ? 0 : env->eflags_sys & FL_VM
        ? 3 : SEG_DPL(env->x.seg[R_SS].attr);
    env->cur = NULL;
    env->exc.vector = env->exc.delivering = -1;
    env->halt_pending = false;
    x86_tlb_flush(env);
    x86_update_debug(env);
}

void x86_cpu_reset(CPUX86State *env, bool init)
{
    struct x86_regs *x = &env->x;
    const X86CPU *cpu = env->cpu;
    bool bsp = x86_cpu_is_bsp(&env->cpu->parent);

    if (!init) {
        uint64_t base = x->apic_base;
        memset(x, 0, sizeof(*x));
        x->apic_base = base;
        x->smbase = 0x30000;
        x->pat = UINT64_C(0x0007040600070406);
        x->misc_enable = 1;
        x->mcg_ctl = ~UINT64_C(0);
        x->xcr0 = 1;
        x86_fpu_reset(env);
        for (int i = 0; i < X86_NUM_MC_BANKS; i++) {
            x->mc_bank[4 * i] = ~UINT64_C(0);
        }
    }
    memset(x->gpr, 0, sizeof(x->gpr));
    x->gpr[R_DX] = (cpu->family > 15 ? 15 : cpu->family) << 8 |
                   (cpu->model & 15) << 4 | (cpu->model >> 4) << 16 |
                   cpu->stepping;
    x->rip = 0xfff0;
    x->rflags = FL_1;
    /* INIT keeps CD and NW. */
    x->cr0 = CR0_ET | (init ? x->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
    x->cr2 = x->cr3 = x->cr4 = 0;
    x->efer = 0;
    for (int i = 0; i < 6; i++) {
        x->seg[i] = (struct x86_seg){ 0, 0xffff, 0x93, 0 };
    }
    x->seg[R_CS] = (struct x86_seg){ 0xffff0000, 0xffff, 0x9b, 0xf000 };
    x->ldt = (struct x86_seg){ 0, 0xffff, 0x82, 0 };
    x->tr = (struct x86_seg){ 0, 0xffff, 0x8b, 0 };
    x->gdt.base = x->idt.base = 0;
    x->gdt.limit = x->idt.limit = 0xffff;
    memset(x->dr, 0, sizeof(x->dr));
    x->dr[6] = 0xffff0ff0;
    x->dr[7] = 0x400;
    x->shadow = 0;
    x->pending_db = 0;
    x->nmi_blocked = false;
    x->in_smm = false;
    x->exc_pending = false;
    x->sipi_wait = !bsp;
    x->halted = !bsp;
    if (init) {
        x->tsc = x86_rdtsc(env);
    }
    atomic_fetch_and(&env->cpu->parent.interrupt_request,
                     CPU_INTERRUPT_HARD | CPU_INTERRUPT_POLL |
                         (init ? CPU_INTERRUPT_SIPI : 0));
}

void x86_do_init(CPUX86State *env)
{
    CPUState *cs = &env->cpu->parent;

    /* A SIPI that came after the INIT stays. */
    cpu_reset_interrupt(cs, CPU_INTERRUPT_INIT);
    x86_cpu_reset(env, true);
    x86_regs_to_env(env);
    if (env->cpu->apic && x86_apic_ops) {
        x86_apic_ops->init_reset(env->cpu->apic);
    }
}

void x86_do_sipi(CPUX86State *env)
{
    CPUState *cs = &env->cpu->parent;

    cpu_reset_interrupt(cs, CPU_INTERRUPT_SIPI);
    if (!env->x.sipi_wait) {
        return;
    }
    env->x.sipi_wait = false;
    cs->halted = false;
    x86_set_seg(env, R_CS, env->x.sipi_vector << 8,
                (uint32_t)env->x.sipi_vector << 12, 0xffff, 0x9b);
    env->rip = 0;
}

/*
 * What devices ask (include/exec/x86.h).
 */
void x86_cpu_set_apic(CPUState *cs, void *apic)
{
    X86_CPU(cs)->apic = apic;
}

void *x86_cpu_get_apic(CPUState *cs)
{
    return X86_CPU(cs)->apic;
}

void x86_cpu_set_ignne(bool on)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        cpu_env(cs)->ignne = on;
    }
}

static void set_a20(CPUState *cs, void *opaque)
{
    CPUX86State *env = cpu_env(cs);
    uint64_t mask = opaque ? ~UINT64_C(0) : ~UINT64_C(0x100000);

    if (env->a20_mask != mask) {
        env->a20_mask = mask;
        x86_tlb_flush(env);
    }
}

void x86_cpu_set_a20(CPUState *cs, bool on)
{
    if (cs == current_cpu || !cs->created) {
        set_a20(cs, on ? cs : NULL);
    } else {
        cpu_run_on_async(cs, set_a20, on ? cs : NULL);
    }
}

bool x86_cpu_get_a20(CPUState *cs)
{
    return cpu_env(cs)->a20_mask & 0x100000;
}

void x86_cpu_init_ipi(CPUState *cs)
{
    cpu_reset_interrupt(cs, CPU_INTERRUPT_SIPI); /* one before it is void */
    cpu_interrupt(cs, CPU_INTERRUPT_INIT);
}

void x86_cpu_sipi(CPUState *cs, uint8_t vector)
{
    cpu_env(cs)->x.sipi_vector = vector;
    cpu_interrupt(cs, CPU_INTERRUPT_SIPI);
}

/* The engine's registers are where it works with them; other accelerators
 * hand them out and take them back. */
uint64_t x86_cpu_get_gpr(CPUState *cs, unsigned n)
{
    CPUX86State *env = X86_CPU(cs)->env;

    if (accel_is("tcg")) {
        return env->regs[n & 15];
    }
    accel->get_state(cs);
    return env->x.gpr[n & 15];
}

void x86_cpu_set_gpr(CPUState *cs, unsigned n, uint64_t val)
{
    CPUX86State *env = X86_CPU(cs)->env;

    if (accel_is("tcg")) {
        env->regs[n & 15] = val;
        return;
    }
    accel->get_state(cs);
    env->x.gpr[n & 15] = val;
    accel->put_state(cs);
}

void x86_cpu_cpuid(CPUState *cs, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    x86_cpuid(((X86CPU *)cs)->env, leaf, sub, out);
}

uint32_t x86_cpu_apic_id(CPUState *cs)
{
    return X86_CPU(cs)->apic_id;
}

bool x86_cpu_is_bsp(CPUState *cs)
{
    return cs->cpu_index == 0;
}

bool x86_cpu_in_smm(CPUState *cs)
{
    return cpu_env(cs)->x.in_smm;
}

uint64_t x86_cpu_tsc(CPUState *cs)
{
    return x86_rdtsc(cpu_env(cs));
}

_Atomic uint64_t x86_tsc_frozen;

void x86_tsc_run(bool run)
{
    uint64_t now = __builtin_ia32_rdtsc(), then = x86_tsc_frozen;
    CPUState *cs;

    if (!run) {
        atomic_store(&x86_tsc_frozen, now);
        return;
    }
    CPU_FOREACH(cs) {
        CPUX86State *env = cpu_env(cs);

        if (then) {
            env->tsc_offset -= x86_scale_tsc(env, now) -
                               x86_scale_tsc(env, then);
        }
    }
    atomic_store(&x86_tsc_frozen, 0);
}

/* The host's rate, measured once against the monotonic clock. */
static uint64_t host_tsc_hz(void)
{
    static uint64_t hz;

    if (!hz) {
        struct timespec a, b;
        uint64_t t0, t1, ns;

        clock_gettime(CLOCK_MONOTONIC, &a);
        t0 = __builtin_ia32_rdtsc();
        do {
            clock_gettime(CLOCK_MONOTONIC, &b);
            t1 = __builtin_ia32_rdtsc();
            ns = (b.tv_sec - a.tv_sec) * NSEC_PER_SEC + b.tv_nsec - a.tv_nsec;
        } while (ns < 5 * NSEC_PER_MS);
        hz = (unsigned __int128)(t1 - t0) * NSEC_PER_SEC / ns;
    }
    return hz;
}

uint64_t x86_cpu_tsc_hz(CPUState *cs)
{
    return X86_CPU(cs)->tsc_hz ? X86_CPU(cs)->tsc_hz : host_tsc_hz();
}

/*
 * Text.
 */
static void dump_seg(GString *o, const char *name, const struct x86_seg *s,
                     bool lm)
{
    static const char *const types[2][16] = {
        { "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16",
          "TaskGate", "IntGate16", "TrapGate16", "Reserved", "TSS32-avl",
          "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32",
          "TrapGate32" },
        { "Reserved", "Reserved", "LDT", "Reserved", "Reserved", "Reserved",
          "Reserved", "Reserved", "Reserved", "TSS64-avl", "Reserved",
          "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64" },
    };
    uint32_t flags = (s->attr & 0xf0ff) << 8 | (s->limit & 0xf0000);

    if (lm) {
        g_string_append_printf(o, "%-3s=%04x %016" PRIx64 " %08x %08x", name,
                               s->sel, s->base, s->limit, flags);
    } else {
        g_string_append_printf(o, "%-3s=%04x %08x %08x %08x", name, s->sel,
                               (uint32_t)s->base, s->limit, flags);
    }
    if ((s->attr & SEG_P) && !(s->attr & SEG_UNUSABLE)) {
        g_string_append_printf(o, " DPL=%d ", SEG_DPL(s->attr));
        if (!(s->attr & SEG_S)) {
            g_string_append(o, types[lm][SEG_TYPE(s->attr)]);
        } else if (s->attr & SEG_X) {
            g_string_append_printf(o, "%s [%c%c%c]",
                                   s->attr & SEG_L ? "CS64"
                                   : s->attr & SEG_DB ? "CS32" : "CS16",
                                   s->attr & SEG_E ? 'C' : '-',
                                   s->attr & SEG_W ? 'R' : '-',
                                   s->attr & SEG_A ? 'A' : '-');
        } else {
            g_string_append_printf(o, "%s [%c%c%c]",
                                   s->attr & SEG_DB || lm ? "DS  " : "DS16",
                                   s->attr & SEG_E ? 'E' : '-',
                                   s->attr & SEG_W ? 'W' : '-',
                                   s->attr & SEG_A ? 'A' : '-');
        }
    }
    g_string_append_c(o, '\n');
}

void x86_dump_regs(CPUX86State *env, GString *o, bool fpu)
{
    static const char *const n64[] = { "RAX", "RCX", "RDX", "RBX", "RSP",
                                       "RBP", "RSI", "RDI", "R8 ", "R9 ",
                                       "R10", "R11", "R12", "R13", "R14",
                                       "R15" };
    static const uint8_t order[] = { 0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12,
                                     13, 14, 15 };
    static const char *const segs[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
    bool lm = env->x.efer & EFER_LMA;
    uint32_t fl = env->x.rflags;
    bool c64 = lm && (env->x.seg[R_CS].attr & SEG_L);
    int cpl = !(env->x.cr0 & CR0_PE) ? 0 : fl & FL_VM
              ? 3 : SEG_DPL(env->x.seg[R_SS].attr);

    for (unsigned i = 0; i < (c64 ? 16u : 8u); i++) {
        unsigned r = order[i];
        if (c64) {
            g_string_append_printf(o, "%s=%016" PRIx64 "%c", n64[r],
                                   env->x.gpr[r], i % 4 == 3 ? '\n' : ' ');
        } else {
            g_string_append_printf(o, "E%.2s=%08x%c", n64[r] + 1,
                                   (uint32_t)env->x.gpr[r],
                                   i % 4 == 3 ? '\n' : ' ');
        }
    }
    g_string_append_printf(
        o, c64 ? "RIP=%016" PRIx64 " RFL=%08x" : "EIP=%08" PRIx64 " EFL=%08x",
        env->x.rip, fl);
    g_string_append_printf(
        o, " [%c%c%c%c%c%c%c] CPL=%d II=%d A20=%d SMM=%d HLT=%d\n",
        fl & FL_DF ? 'D' : '-', fl & FL_OF ? 'O' : '-', fl & FL_SF ? 'S' : '-',
        fl & FL_ZF ? 'Z' : '-', fl & FL_AF ? 'A' : '-', fl & FL_PF ? 'P' : '-',
        fl & FL_CF ? 'C' : '-', cpl, env->x.shadow != 0,
        (env->a20_mask & 0x100000) != 0, env->x.in_smm,
        env->cpu->parent.halted);
    for (int i = 0; i < 6; i++) {
        dump_seg(o, segs[i], &env->x.seg[i], lm);
    }
    dump_seg(o, "LDT", &env->x.ldt, lm);
    dump_seg(o, "TR", &env->x.tr, lm);
    if (lm) {
        g_string_append_printf(
            o, "GDT=     %016" PRIx64 " %08x\nIDT=     %016" PRIx64 " %08x\n"
            "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x\n",
            env->x.gdt.base, env->x.gdt.limit, env->x.idt.base,
            env->x.idt.limit, (uint32_t)env->x.cr0, env->x.cr2, env->x.cr3,
            (uint32_t)env->x.cr4);
        for (int i = 0; i < 4; i++) {
            g_string_append_printf(o, "DR%d=%016" PRIx64 "%s", i,
                                   env->x.dr[i], i == 3 ? " \n" : " ");
        }
        g_string_append_printf(o, "DR6=%016" PRIx64 " DR7=%016" PRIx64 "\n",
                               env->x.dr[6], env->x.dr[7]);
    } else {
        g_string_append_printf(
            o, "GDT=     %08x %08x\nIDT=     %08x %08x\n"
            "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n",
            (uint32_t)env->x.gdt.base, env->x.gdt.limit,
            (uint32_t)env->x.idt.base, env->x.idt.limit,
            (uint32_t)env->x.cr0, (uint32_t)env->x.cr2, (uint32_t)env->x.cr3,
            (uint32_t)env->x.cr4);
        for (int i = 0; i < 4; i++) {
            g_string_append_printf(o, "DR%d=%016" PRIx64 "%s", i,
                                   env->x.dr[i], i == 3 ? " \n" : " ");
        }
        g_string_append_printf(o, "DR6=%016" PRIx64 " DR7=%016" PRIx64 "\n",
                               env->x.dr[6], env->x.dr[7]);
    }
    g_string_append_printf(o, "EFER=%016" PRIx64 "\n", env->x.efer);
    if (!fpu) {
        return;
    }
    const uint8_t *xs = env->x.xsave;
    uint16_t fcw, fsw;
    uint32_t mxcsr;
    memcpy(&fcw, xs + XS_FCW, 2);
    memcpy(&fsw, xs + XS_FSW, 2);
    memcpy(&mxcsr, xs + XS_MXCSR, 4);
    g_string_append_printf(o, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n",
                           fcw, fsw, fsw >> 11 & 7, xs[XS_FTW], mxcsr);
    for (int i = 0; i < 8; i++) {
        uint64_t m;
        uint16_t e;
        memcpy(&m, xs + XS_ST(i), 8);
        memcpy(&e, xs + XS_ST(i) + 8, 2);
        g_string_append_printf(o, "FPR%d=%016" PRIx64 " %04x%c", i, m, e,
                               i & 1 ? '\n' : ' ');
    }
    for (int i = 0; i < (c64 ? 16 : 8); i++) {
        uint64_t lo, hi;
        memcpy(&lo, xs + XS_XMM(i), 8);
        memcpy(&hi, xs + XS_XMM(i) + 8, 8);
        g_string_append_printf(o, "XMM%02d=%016" PRIx64 " %016" PRIx64 "%c", i,
                               hi, lo, i & 1 ? '\n' : ' ');
    }
}

/*
 * vmstate: struct x86_regs, all of it.
 */
static const VMStateField seg_fields[] = {
    VMSTATE_UINT64(base, struct x86_seg),
    VMSTATE_UINT32(limit, struct x86_seg),
    VMSTATE_UINT32(attr, struct x86_seg),
    VMSTATE_UINT16(sel, struct x86_seg),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_seg = {
    .name = "x86-segment",
    .version_id = 1,
    .fields = seg_fields,
};

static void regs_pre_save(void *opaque)
{
    struct x86_regs *x = opaque;
    CPUX86State *env = container_of(x, CPUX86State, x);

    x86_env_to_regs(env);
    x->interrupt_request = atomic_load(&env->cpu->parent.interrupt_request);
    x->a20 = x86_cpu_get_a20(&env->cpu->parent);
}

static bool regs_post_load(void *opaque, int version_id, Error **errp)
{
    struct x86_regs *x = opaque;
    CPUX86State *env = container_of(x, CPUX86State, x);

    if ((x->shadow & ~3) || x->exc_kind > INT_INTO) {
        error_setg(errp, "CPU %d: bad event state",
                   env->cpu->parent.cpu_index);
        return false;
    }
    x->rflags &= 0x3fffd7;
    env->a20_mask = x->a20 ? ~UINT64_C(0) : ~UINT64_C(0x100000);
    atomic_store(&env->cpu->parent.interrupt_request, x->interrupt_request);
    if (accel) {
        accel->put_state(&env->cpu->parent);
    }
    return true;
}

#define X struct x86_regs
static const VMStateField regs_fields[] = {
    VMSTATE_UINT64_ARRAY(gpr, X, 16),
    VMSTATE_UINT64(rip, X),
    VMSTATE_UINT64(rflags, X),
    VMSTATE_STRUCT_ARRAY(seg, X, struct x86_seg, 6, vmstate_seg),
    VMSTATE_STRUCT(ldt, X, struct x86_seg, vmstate_seg),
    VMSTATE_STRUCT(tr, X, struct x86_seg, vmstate_seg),
    VMSTATE_UINT64(gdt.base, X),
    VMSTATE_UINT16(gdt.limit, X),
    VMSTATE_UINT64(idt.base, X),
    VMSTATE_UINT16(idt.limit, X),
    VMSTATE_UINT64(cr0, X),
    VMSTATE_UINT64(cr2, X),
    VMSTATE_UINT64(cr3, X),
    VMSTATE_UINT64(cr4, X),
    VMSTATE_UINT64(cr8, X),
    VMSTATE_UINT64(xcr0, X),
    VMSTATE_UINT64_ARRAY(dr, X, 8),
    VMSTATE_UINT64(efer, X),
    VMSTATE_UINT64(star, X),
    VMSTATE_UINT64(lstar, X),
    VMSTATE_UINT64(cstar, X),
    VMSTATE_UINT64(fmask, X),
    VMSTATE_UINT64(kernelgsbase, X),
    VMSTATE_UINT64(sysenter_cs, X),
    VMSTATE_UINT64(sysenter_esp, X),
    VMSTATE_UINT64(sysenter_eip, X),
    VMSTATE_UINT64(tsc_aux, X),
    VMSTATE_UINT64(tsc_adjust, X),
    VMSTATE_UINT64(pat, X),
    VMSTATE_UINT64(misc_enable, X),
    VMSTATE_UINT64(debugctl, X),
    VMSTATE_UINT64(feature_control, X),
    VMSTATE_UINT64(tsc, X),
    VMSTATE_UINT64(mtrr_deftype, X),
    VMSTATE_UINT64_ARRAY(mtrr_fixed, X, 11),
    VMSTATE_UINT64_ARRAY(mtrr_var, X, 16),
    VMSTATE_UINT64(mcg_status, X),
    VMSTATE_UINT64(mcg_ctl, X),
    VMSTATE_UINT64_ARRAY(mc_bank, X, 4 * X86_NUM_MC_BANKS),
    VMSTATE_UINT64(spec_ctrl, X),
    VMSTATE_UINT64(xss, X),
    VMSTATE_UINT64(pkru, X),
    VMSTATE_UINT64(smi_count, X),
    VMSTATE_UINT64_ARRAY(pdpte, X, 4),
    VMSTATE_UINT32(smbase, X),
    VMSTATE_UINT8(shadow, X),
    VMSTATE_BOOL(nmi_blocked, X),
    VMSTATE_BOOL(in_smm, X),
    VMSTATE_BOOL(halted, X),
    VMSTATE_BOOL(smi_nmi_blocked, X),
    VMSTATE_BOOL(sipi_wait, X),
    VMSTATE_UINT8(sipi_vector, X),
    VMSTATE_BOOL(exc_pending, X),
    VMSTATE_UINT8(exc_vector, X),
    VMSTATE_UINT8(exc_kind, X),
    VMSTATE_UINT32(exc_error, X),
    VMSTATE_UINT64(pending_db, X),
    VMSTATE_UINT32(interrupt_request, X),
    VMSTATE_BOOL(a20, X),
    VMSTATE_BUFFER(xsave, X),
    VMSTATE_END(),
};
#undef X
const VMStateDescription vmstate_x86_regs = {
    .name = "cpu",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = regs_pre_save,
    .post_load = regs_post_load,
    .fields = regs_fields,
};

/*
 * The device.
 */
static size_t env_size(void)
{
    return ROUND_UP(sizeof(CPUX86State), 4096);
}

CPUX86State *x86_env_new(X86CPU *cpu)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    /* Low, for the JIT; where that fails it stays off. */
    CPUX86State *env = mmap(NULL, env_size(), PROT_READ | PROT_WRITE,
                            flags | MAP_32BIT, -1, 0);

    if (env == MAP_FAILED) {
        env = mmap(NULL, env_size(), PROT_READ | PROT_WRITE, flags, -1, 0);
    }
    g_assert(env != MAP_FAILED);
    env->cpu = cpu;
    env->a20_mask = ~UINT64_C(0);
    cpu->env = env;
    return env;
}

void x86_env_free(X86CPU *cpu)
{
    if (cpu->env) {
        if (cpu->env->gdb_bp) {
            g_array_free(cpu->env->gdb_bp, TRUE);
        }
        if (cpu->env->gdb_wp) {
            g_array_free(cpu->env->gdb_wp, TRUE);
        }
        munmap(cpu->env, env_size());
        cpu->env = NULL;
    }
}

static void cpu_device_reset(DeviceState *dev)
{
    X86CPU *cpu = (X86CPU *)dev;

    if (!cpu->env) {
        return;
    }
    if (log_enabled(LOG_RESET) && cpu->parent.created) {
        g_autoptr(GString) text = g_string_new(NULL);

        x86_env_to_regs(cpu->env);
        x86_dump_regs(cpu->env, text, true);
        log_printf("CPU Reset (CPU %d)\n%s", cpu->parent.cpu_index,
                   text->str);
    }
    x86_cpu_reset(cpu->env, false);
    atomic_store(&cpu->parent.interrupt_request, 0);
    cpu->env->a20_mask = ~UINT64_C(0);
    cpu->parent.halted = cpu->env->x.halted;
    if (accel && cpu->parent.created) {
        accel->reset_state(&cpu->parent);
    }
}

/* tsc-frequency: within what guests call accurate, the host's own does. */
static void set_tsc_scale(X86CPU *cpu)
{
    uint64_t host = cpu->tsc_hz ? host_tsc_hz() : 0;
    uint64_t off = cpu->tsc_hz > host ? cpu->tsc_hz - host
                                      : host - cpu->tsc_hz;

    if (host && off > host / 4000) {
        cpu->env->tsc_mul = ((unsigned __int128)cpu->tsc_hz << 48) / host;
    }
}

static bool cpu_realize(DeviceState *dev, Error **errp)
{
    X86CPU *cpu = (X86CPU *)dev;
    CPUState *cs = &cpu->parent;

    cpu->nr_threads = MAX(x86_platform.threads, 1u);
    cpu->nr_cores = MAX(x86_platform.cores, 1u);
    cpu->nr_dies = MAX(x86_platform.dies, 1u);
    if (!x86_cpu_config(cpu, errp)) {
        return false;
    }
    if (!cs->as) {
        cs->as = &address_space_memory;
    }
    x86_env_new(cpu);
    set_tsc_scale(cpu);
    if (accel_is("qtest") && !x86_tsc_frozen) {
        x86_tsc_run(false); /* for good: no code runs, all time stands */
    }
    cs->cpu_index = cpu_count();
    if (cpu->apic_id == UINT32_MAX) {
        cpu->apic_id = cs->cpu_index;
    }
    cpu_device_reset(dev);
    if (!cpu_thread_start(cs, errp)) {
        x86_env_free(cpu);
        return false;
    }
    g_autofree char *section = g_strdup_printf("cpu%d", cs->cpu_index);
    vmstate_register(section, VMSTATE_PRIO_CPU, &vmstate_x86_regs,
                     &cpu->env->x);
    cpu_device_reset(dev);
    return true;
}

static void cpu_unrealize(DeviceState *dev)
{
    X86CPU *cpu = (X86CPU *)dev;

    vmstate_unregister(&vmstate_x86_regs, &cpu->env->x);
    cpu_thread_stop(&cpu->parent);
    x86_env_free(cpu);
}

static void cpu_init(DeviceState *dev)
{
    x86_cpu_model_init((X86CPU *)dev);
}

static DeviceInfo cpu_base = {
    .name = "x86_64-cpu",
    .bus = BUS_NONE,
    .abstract = true,
    .category = DEVICE_CATEGORY_CPU,
    .size = sizeof(X86CPU),
    .init = cpu_init,
    .realize = cpu_realize,
    .unrealize = cpu_unrealize,
    .reset = cpu_device_reset,
};

static void model_register(const char *name, const char *desc,
                           const Property *props)
{
    DeviceInfo *info = g_new(DeviceInfo, 1); /* lives for ever */

    *info = cpu_base;
    info->name = g_strdup_printf("%s-x86_64-cpu", name);
    info->desc = desc;
    info->parent = "x86_64-cpu";
    info->abstract = false;
    info->props = props;
    device_register(info);
}

/* What a version changes where the model's own name does not say it. */
static const char *model_note(const char *name)
{
    static const char *const notes[][2] = {
        { "Cascadelake-Server-v2", "ARCH_CAPABILITIES" },
        { "Cascadelake-Server-v3", "ARCH_CAPABILITIES, no TSX" },
        { "Cascadelake-Server-v4",
          "ARCH_CAPABILITIES, EPT switching, no TSX" },
        { "Cascadelake-Server-v5",
          "ARCH_CAPABILITIES, EPT switching, XSAVES, no TSX" },
        { "Cooperlake-v2", "XSAVES" },
        { "Denverton-v2", "no MPX, no MONITOR" },
        { "Denverton-v3", "XSAVES, no MPX, no MONITOR" },
        { "Dhyana-v2", "XSAVES" },
        { "Icelake-Server-v2", "no TSX" },
        { "Icelake-Server-v5", "XSAVES" },
        { "Icelake-Server-v6", "5-level EPT" },
        { "Skylake-Client-v4", "IBRS, XSAVES, no TSX" },
        { "Skylake-Server-v4", "IBRS, EPT switching, no TSX" },
        { "Skylake-Server-v5", "IBRS, XSAVES, EPT switching, no TSX" },
        { "Snowridge-v3", "XSAVES, no MPX" },
        { "Snowridge-v4", "no split lock detect, no core-capability" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(notes); i++) {
        if (!strcmp(notes[i][0], name)) {
            return notes[i][1];
        }
    }
    return NULL;
}

static char *model_desc(const struct x86_model *m)
{
    const char *note = model_note(m->name);

    return note ? g_strdup_printf("%s [%s]", m->model_id, note)
                : g_strdup(m->model_id);
}

/* "NAME" alone is whichever version the machine type chooses. */
static char *alias_desc(const struct x86_model_alias *al)
{
    size_t n = strlen(al->name);

    return !strncmp(al->of, al->name, n) && !strcmp(al->of + n, "-v1")
               ? g_strdup("(alias configured by machine type)")
               : g_strdup_printf("(alias of %s)", al->of);
}

static void cpu_register(void)
{
    cpu_base.props = x86_cpu_props();
    device_register(&cpu_base);
    model_register("max", "Enables all features supported by the accelerator "
                   "in the current host", x86_cpu_max_props);
    model_register("host", "processor with all supported host features",
                   x86_cpu_max_props);
    model_register("base", "base CPU model type with no features enabled",
                   NULL);
    for (unsigned i = 0; i < x86_model_count; i++) {
        model_register(x86_models[i].name, model_desc(&x86_models[i]), NULL);
    }
    for (unsigned i = 0; i < x86_model_alias_count; i++) {
        const struct x86_model_alias *al = &x86_model_aliases[i];

        model_register(al->name, alias_desc(al), NULL);
    }
    x86_cpu_add_qom();
}
device_init(cpu_register)
