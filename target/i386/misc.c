/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and debug registers, MSRs, the time stamp counter and port I/O of
 * the software CPU.  Intel SDM vol. 3 chapters 2 and 17, vol. 4 (MSRs); AMD
 * APM vol. 2 appendix A.
 */
#include "osdep.h"
#include "jit.h"
#include "util/log.h"
#include "util/timer.h"

#define CR0_WRITABLE (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | \
                      CR0_AM | CR0_NW | CR0_CD | CR0_PG)

uint64_t x86_rdtsc(CPUX86State *env)
{
    return x86_scale_tsc(env, x86_host_tsc()) + env->tsc_offset;
}

/* Bits of CR4 the CPU model has. */
static uint64_t cr4_legal(CPUX86State *env)
{
    uint64_t v = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE |
                 CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    if (x86_has(env, FW_7_ECX, 2)) {
        v |= CR4_UMIP;
    }
    if (x86_has(env, FW_7_EBX, 0)) {
        v |= CR4_FSGSBASE;
    }
    if (x86_has(env, FW_1_ECX, 17)) {
        v |= CR4_PCIDE;
    }
    if (x86_has(env, FW_1_ECX, 26)) {
        v |= CR4_OSXSAVE;
    }
    if (x86_has(env, FW_7_EBX, 7)) {
        v |= CR4_SMEP;
    }
    if (x86_has(env, FW_7_EBX, 20)) {
        v |= CR4_SMAP;
    }
    return v;
}

void x86_load_pdptrs(CPUX86State *env, uint64_t cr3)
{
    uint64_t e[4], rsvd = (~env->phys_mask & ~(BIT(63))) | BIT(63) | 0x1e6;

    for (int i = 0; i < 4; i++) {
        e[i] = x86_phys_ld(env, (cr3 & 0xffffffe0) + 8 * i, 8);
        if ((e[i] & 1) && (e[i] & rsvd)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    }
    memcpy(env->x.pdpte, e, sizeof(e));
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

void x86_set_cr0(CPUX86State *env, uint64_t val)
{
    uint64_t old = env->x.cr0, diff;

    if (val >> 32) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    val = (val & CR0_WRITABLE) | CR0_ET;
    diff = old ^ val;
    if (((val & CR0_PG) && !(val & CR0_PE)) ||
        ((val & CR0_NW) && !(val & CR0_CD))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (diff & CR0_PG) {
        if (val & CR0_PG) {
            if (env->x.efer & EFER_LME) {
                if (!(env->x.cr4 & CR4_PAE) ||
                    (env->x.seg[R_CS].attr & SEG_L)) {
                    x86_raise_err(env, EXCP_GP, 0);
                }
            } else if (env->x.cr4 & CR4_PAE) {
                x86_load_pdptrs(env, env->x.cr3);
            }
            if (env->x.efer & EFER_LME) {
                env->x.efer |= EFER_LMA;
            }
        } else {
            if (env->code64 || (env->x.cr4 & CR4_PCIDE)) {
                x86_raise_err(env, EXCP_GP, 0);
            }
            env->x.efer &= ~EFER_LMA;
        }
    } else if ((diff & (CR0_CD | CR0_NW)) &&
               pae_paging(val, env->x.cr4, env->x.efer)) {
        x86_load_pdptrs(env, env->x.cr3);
    }
    env->x.cr0 = val;
    if (diff & (CR0_PG | CR0_WP | CR0_PE)) {
        x86_tlb_flush(env);
    }
    if (diff & CR4_SMAP) {
        jit_flush(env); /* STAC and CLAC were translated for the other */
    }
    if ((diff & CR0_PE) && !(val & CR0_PE)) {
        x86_set_cpl(env, 0);
    }
    x86_jc_flush(env);
    x86_update_mode(env);
}

void x86_set_cr3(CPUX86State *env, uint64_t val)
{
    bool keep = false;

    if (env->x.efer & EFER_LMA) {
        if (env->x.cr4 & CR4_PCIDE) {
            keep = val >> 63;
            val &= ~BIT(63);
        }
        if (val & ~env->phys_mask) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else {
        val = (uint32_t)val;
        if (pae_paging(env->x.cr0, env->x.cr4, env->x.efer)) {
            x86_load_pdptrs(env, val);
        }
    }
    env->x.cr3 = val;
    /* Entries carry no PCID, so another space's must go even if the guest
     * would let them stay. */
    (void)keep;
    x86_tlb_flush_non_global(env);
}

void x86_set_cr4(CPUX86State *env, uint64_t val)
{
    uint64_t diff = env->x.cr4 ^ val;

    if (val & ~cr4_legal(env)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if ((env->x.efer & EFER_LMA) && !(val & CR4_PAE)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if ((diff & CR4_PCIDE) && (val & CR4_PCIDE) &&
        (!(env->x.efer & EFER_LMA) || (env->x.cr3 & 0xfff))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if ((diff & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) &&
        pae_paging(env->x.cr0, val, env->x.efer)) {
        x86_load_pdptrs(env, env->x.cr3);
    }
    env->x.cr4 = val;
    if (diff & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_SMAP |
                CR4_PCIDE)) {
        x86_tlb_flush(env);
    }
    x86_jc_flush(env);
    x86_update_mode(env);
}

void x86_set_efer(CPUX86State *env, uint64_t val)
{
    uint64_t legal = 0;

    if (x86_has(env, FW_8_1_EDX, 11)) {
        legal |= EFER_SCE;
    }
    if (x86_has(env, FW_8_1_EDX, 29)) {
        legal |= EFER_LME | EFER_LMA;
    }
    if (x86_has(env, FW_8_1_EDX, 20)) {
        legal |= EFER_NXE;
    }
    if (x86_has(env, FW_8_1_EDX, 25)) {
        legal |= EFER_FFXSR;
    }
    if (val & ~legal) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (((val ^ env->x.efer) & EFER_LME) && (env->x.cr0 & CR0_PG)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    val = (val & ~EFER_LMA) | (env->x.efer & EFER_LMA);
    bool nx = (val ^ env->x.efer) & EFER_NXE;
    env->x.efer = val;
    if (nx) {
        x86_tlb_flush(env);
    }
    x86_update_mode(env);
}

/* Pages with data breakpoints have no valid tags; code ones single-step. */
void x86_update_debug(CPUX86State *env)
{
    bool exec = false, data = false;

    for (int i = 0; i < 4; i++) {
        if (env->x.dr[7] >> (2 * i) & 3) {
            unsigned rw = env->x.dr[7] >> (16 + 4 * i) & 3;
            exec |= rw == 0;
            data |= rw & 1;
            exec |= rw == 2;
        }
    }
    bool was = env->watch_any;
    env->watch_any = data || (env->gdb_wp && env->gdb_wp->len);
    env->debug_single = exec || (env->gdb_bp && env->gdb_bp->len) ||
                        env->cpu->parent.singlestep;
    if (was || env->watch_any) {
        x86_tlb_flush(env);
    }
    x86_update_mode(env);
}

/*
 * Ports.
 */
uint32_t x86_io_in(CPUX86State *env, unsigned port, unsigned size)
{
    bool held = bql_locked();
    uint64_t v;

    if (!held) {
        cpu_guest_leave(&env->cpu->parent);
        bql_lock();
    }
    v = address_space_ld(&address_space_io, port, size, MEMTXATTRS_CPU, NULL);
    if (!held) {
        bql_unlock();
        x86_guest_reenter(env);
    }
    for (int i = 0; i < 4 && (env->x.cr4 & CR4_DE); i++) {
        if ((env->x.dr[7] >> (2 * i) & 3) &&
            (env->x.dr[7] >> (16 + 4 * i) & 3) == 2 &&
            port <= env->x.dr[i] && env->x.dr[i] < port + size) {
            env->watch_hit |= BIT(i);
        }
    }
    return v;
}

void x86_io_out(CPUX86State *env, unsigned port, uint32_t val, unsigned size)
{
    bool held = bql_locked();

    if (!held) {
        cpu_guest_leave(&env->cpu->parent);
        bql_lock();
    }
    address_space_st(&address_space_io, port, size, val, MEMTXATTRS_CPU);
    if (!held) {
        bql_unlock();
        x86_guest_reenter(env);
    }
    for (int i = 0; i < 4 && (env->x.cr4 & CR4_DE); i++) {
        if ((env->x.dr[7] >> (2 * i) & 3) &&
            (env->x.dr[7] >> (16 + 4 * i) & 3) == 2 &&
            port <= env->x.dr[i] && env->x.dr[i] < port + size) {
            env->watch_hit |= BIT(i);
        }
    }
}

/*
 * MSRs.
 */
enum {
    MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_FEATURE_CONTROL = 0x3a,
    MSR_TSC_ADJUST = 0x3b, MSR_SPEC_CTRL = 0x48, MSR_PRED_CMD = 0x49,
    MSR_UCODE_REV = 0x8b, MSR_SMBASE = 0x9e, MSR_MTRR_CAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a, MSR_FLUSH_CMD = 0x10b,
    MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
    MSR_MCG_CAP = 0x179, MSR_MCG_STATUS, MSR_MCG_CTL,
    MSR_PERF_STATUS = 0x198, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_VAR = 0x200, MSR_MTRR_FIX64K = 0x250, MSR_MTRR_FIX16K_8 = 0x258,
    MSR_MTRR_FIX16K_A = 0x259, MSR_MTRR_FIX4K = 0x268, MSR_PAT = 0x277,
    MSR_MTRR_DEFTYPE = 0x2ff, MSR_MC0 = 0x400, MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800, MSR_XSS = 0xda0, MSR_SMI_COUNT = 0x34,
    MSR_EFER = 0xc0000080, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK,
    MSR_FS_BASE = 0xc0000100, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
};
#define MCG_CAP (X86_NUM_MC_BANKS | BIT(8) | BIT(24))

static uint64_t *mtrr_fixed(CPUX86State *env, uint32_t msr)
{
    switch (msr) {
    case MSR_MTRR_FIX64K:
        return &env->x.mtrr_fixed[0];
    case MSR_MTRR_FIX16K_8:
    case MSR_MTRR_FIX16K_A:
        return &env->x.mtrr_fixed[1 + msr - MSR_MTRR_FIX16K_8];
    case MSR_MTRR_FIX4K ... MSR_MTRR_FIX4K + 7:
        return &env->x.mtrr_fixed[3 + msr - MSR_MTRR_FIX4K];
    }
    return NULL;
}

/* The plain ones: read gives what was written. */
static uint64_t *msr_plain(CPUX86State *env, uint32_t msr)
{
    struct x86_regs *x = &env->x;

    switch (msr) {
    case MSR_SYSENTER_CS:
        return &x->sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &x->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &x->sysenter_eip;
    case MSR_STAR:
        return &x->star;
    case MSR_LSTAR:
        return &x->lstar;
    case MSR_CSTAR:
        return &x->cstar;
    case MSR_FMASK:
        return &x->fmask;
    case MSR_KERNEL_GS_BASE:
        return &x->kernelgsbase;
    case MSR_TSC_AUX:
        return &x->tsc_aux;
    case MSR_PAT:
        return &x->pat;
    case MSR_MTRR_DEFTYPE:
        return &x->mtrr_deftype;
    case MSR_MISC_ENABLE:
        return &x->misc_enable;
    case MSR_DEBUGCTL:
        return &x->debugctl;
    case MSR_MCG_STATUS:
        return &x->mcg_status;
    case MSR_MCG_CTL:
        return &x->mcg_ctl;
    case MSR_FEATURE_CONTROL:
        return &x->feature_control;
    case MSR_MTRR_VAR ... MSR_MTRR_VAR + 15:
        return &x->mtrr_var[msr - MSR_MTRR_VAR];
    case MSR_MC0 ... MSR_MC0 + 4 * X86_NUM_MC_BANKS - 1:
        return &x->mc_bank[msr - MSR_MC0];
    }
    return mtrr_fixed(env, msr);
}

/* The APIC's MSRs, with the BQL. */
static bool apic_msr(CPUX86State *env, uint32_t msr, uint64_t *val, bool write)
{
    bool held = bql_locked(), ok = false;
    void *apic = env->cpu->apic;

    if (!apic || !x86_apic_ops) {
        if (msr == MSR_APIC_BASE && !write) {
            *val = env->x.apic_base;
            return true;
        }
        return false;
    }
    if (msr == MSR_APIC_BASE && write && (*val & BIT(10)) &&
        !x86_has(env, FW_1_ECX, 21)) {
        return false; /* no x2APIC in this model */
    }
    if (!held) {
        cpu_guest_leave(&env->cpu->parent);
        bql_lock();
    }
    if (msr == MSR_APIC_BASE) {
        if (write) {
            ok = x86_apic_ops->set_base(apic, *val);
        } else {
            *val = x86_apic_ops->get_base(apic);
            ok = true;
        }
    } else {
        ok = write ? x86_apic_ops->write_msr(apic, msr, *val)
                   : x86_apic_ops->read_msr(apic, msr, val);
    }
    if (!held) {
        bql_unlock();
        x86_guest_reenter(env);
    }
    return ok;
}

/* Machine check banks beyond those MCG_CAP counts. */
static bool no_such_bank(uint32_t msr)
{
    return msr >= MSR_MC0 + 4 * X86_NUM_MC_BANKS && msr < MSR_MC0 + 4 * 32;
}

bool x86_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    uint64_t *p = msr_plain(env, msr);

    if (p) {
        *val = *p;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        *val = x86_rdtsc(env);
        return true;
    case MSR_TSC_ADJUST:
        *val = env->x.tsc_adjust;
        return true;
    case MSR_EFER:
        *val = env->x.efer;
        return true;
    case MSR_FS_BASE:
        *val = env->x.seg[R_FS].base;
        return true;
    case MSR_GS_BASE:
        *val = env->x.seg[R_GS].base;
        return true;
    case MSR_APIC_BASE:
    case MSR_TSC_DEADLINE:
    case MSR_X2APIC ... MSR_X2APIC + 0xff:
        return apic_msr(env, msr, val, false);
    case MSR_MTRR_CAP:
        *val = 8 | BIT(8) | BIT(10);
        return true;
    case MSR_MCG_CAP:
        *val = MCG_CAP;
        return true;
    case MSR_UCODE_REV:
        *val = env->cpu->opt.ucode_rev;
        return true;
    case MSR_SPEC_CTRL:
        *val = env->x.spec_ctrl;
        return x86_has(env, FW_7_EDX, 26);
    case MSR_ARCH_CAPABILITIES:
        /* RDCL_NO, IBRS_ALL, SKIP_L1DFL, MDS_NO, PSCHANGE, TAA_NO. */
        *val = BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(6) | BIT(8);
        return x86_has(env, FW_7_EDX, 29);
    case MSR_SMBASE:
        *val = env->x.smbase;
        return env->x.in_smm;
    case MSR_SMI_COUNT:
        *val = env->x.smi_count;
        return true;
    case MSR_PERF_STATUS:
        *val = 1000 | (UINT64_C(4) << 40);
        return true;
    case MSR_XSS:
        *val = env->x.xss;
        return true;
    }
    /* Like QEMU: the rest reads as 0. */
    if (msr == MSR_PRED_CMD || msr == MSR_FLUSH_CMD) {
        return false; /* commands, write only */
    }
    if (no_such_bank(msr)) {
        return false;
    }
    log_mask(LOG_UNIMP, "rdmsr 0x%x\n", msr);
    *val = 0;
    return true;
}

static bool canonical(uint64_t a)
{
    return (uint64_t)((int64_t)a >> 47) + 1 <= 1;
}

static bool pat_valid(uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        unsigned t = v >> (8 * i) & 0xff;
        if (t > 7 || t == 2 || t == 3) {
            return false;
        }
    }
    return true;
}

bool x86_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    uint64_t *p;

    switch (msr) {
    case MSR_TSC: {
        uint64_t delta = val - x86_rdtsc(env);
        env->tsc_offset += delta;
        env->x.tsc_adjust += delta;
        return true;
    }
    case MSR_TSC_ADJUST:
        env->tsc_offset += val - env->x.tsc_adjust;
        env->x.tsc_adjust = val;
        return true;
    case MSR_EFER:
        x86_set_efer(env, val);
        return true;
    case MSR_FS_BASE:
    case MSR_GS_BASE: {
        int seg = msr == MSR_FS_BASE ? R_FS : R_GS;
        if (!canonical(val)) {
            return false;
        }
        env->x.seg[seg].base = val;
        env->seg_base[seg] = val;
        return true;
    }
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_KERNEL_GS_BASE:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
        if (!canonical(val)) {
            return false;
        }
        break;
    case MSR_FMASK:
        val = (uint32_t)val;
        break;
    case MSR_PAT:
        if (!pat_valid(val)) {
            return false;
        }
        break;
    case MSR_APIC_BASE:
    case MSR_TSC_DEADLINE:
    case MSR_X2APIC ... MSR_X2APIC + 0xff:
        return apic_msr(env, msr, &val, true);
    case MSR_MTRR_CAP:
    case MSR_MCG_CAP:
    case MSR_PERF_STATUS:
    case MSR_SMI_COUNT:
    case MSR_ARCH_CAPABILITIES:
        return false;
    case MSR_MCG_CTL:
        if (val != 0 && val != ~UINT64_C(0)) {
            return false;
        }
        break;
    case MSR_MC0 ... MSR_MC0 + 4 * X86_NUM_MC_BANKS - 1:
        /* Control all or none; status may only be cleared. */
        if ((msr & 3) == 0 ? val != 0 && val != ~UINT64_C(0) &&
                                 (val | BIT(10)) != ~UINT64_C(0)
                           : (msr & 3) == 1 && val != 0) {
            return false;
        }
        break;
    case MSR_SPEC_CTRL:
        if (!x86_has(env, FW_7_EDX, 26) || (val & ~UINT64_C(7))) {
            return false;
        }
        env->x.spec_ctrl = val;
        return true;
    case MSR_PRED_CMD:
        /* IBPB comes with SPEC_CTRL, or alone as AMD counts it. */
        return (x86_has(env, FW_7_EDX, 26) || x86_has(env, FW_8_8_EBX, 12)) &&
               !(val & ~UINT64_C(1));
    case MSR_FLUSH_CMD:
        return x86_has(env, FW_7_EDX, 28) && !(val & ~UINT64_C(1));
    case MSR_XSS:
        return val == 0;
    }
    p = msr_plain(env, msr);
    if (p) {
        *p = val;
        return true;
    }
    if (no_such_bank(msr)) {
        return false;
    }
    log_mask(LOG_UNIMP, "wrmsr 0x%x <- 0x%" PRIx64 "\n", msr, val);
    return true;
}
