/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and interrupts: raising, merging into double and triple faults,
 * delivery through the IVT, IDT and task gates, and what the dispatcher takes
 * between instructions.  Intel SDM vol. 3, chapter 6.
 *
 *   x86_raise*()  --siglongjmp-->  dispatcher: x86_deliver_exception()
 *        ^                               |
 *        +---- a fault on the way -------+   merged by the table of 6.15
 */
#include "osdep.h"
#include "cpu.h"
#include "util/log.h"

static bool has_error_code(int vec)
{
    return vec == EXCP_DF || (vec >= EXCP_TS && vec <= EXCP_PF) ||
           vec == EXCP_AC;
}

NORETURN static void do_raise(CPUX86State *env, int vec, uint32_t error)
{
    env->exc.vector = vec;
    env->exc.error = error;
    env->exc.has_error = has_error_code(vec);
    if (env->cur) {
        env->rip = x86_cur_rip(env);
        env->cur = NULL;
    }
    if (env->exclusive) {
        x86_exclusive_end(env);
    }
    siglongjmp(*env->unwind, 1);
}

void x86_raise(CPUX86State *env, int vector)
{
    do_raise(env, vector, 0);
}

void x86_raise_err(CPUX86State *env, int vector, uint32_t error)
{
    do_raise(env, vector, error);
}

void x86_raise_pf(CPUX86State *env, vaddr lin, uint32_t error)
{
    env->x.cr2 = lin;
    do_raise(env, EXCP_PF, error);
}

void x86_raise_db(CPUX86State *env, uint64_t dr6_bits)
{
    env->x.dr[6] = (env->x.dr[6] & ~UINT64_C(0xf)) | dr6_bits;
    env->x.dr[7] &= ~BIT(13); /* GD */
    do_raise(env, EXCP_DB, 0);
}

/*
 * Delivery.
 */
static void real_mode_int(CPUX86State *env, int vec, uint64_t ret_rip)
{
    uint32_t at = vec * 4;

    if (at + 3 > env->x.idt.limit) {
        x86_raise_err(env, EXCP_GP, at + 2);
    }
    uint32_t e = x86_ld_sys(env, env->x.idt.base + at, 4);
    uint64_t sp = env->regs[R_SP];
    uint32_t fl = x86_eflags(env);

    /* All three must fit before SP moves. */
    x86_seg_lin(env, R_SS, (sp - 2) & 0xffff, 2, true);
    x86_seg_lin(env, R_SS, (sp - 4) & 0xffff, 2, true);
    x86_seg_lin(env, R_SS, (sp - 6) & 0xffff, 2, true);
    x86_push(env, fl, 2);
    x86_push(env, env->x.seg[R_CS].sel, 2);
    x86_push(env, ret_rip, 2);
    x86_set_eflags(env, fl & ~(FL_IF | FL_TF | FL_AC | FL_RF));
    x86_load_seg_real(env, R_CS, e >> 16);
    env->rip = e & 0xffff;
    x86_update_mode(env);
}

void x86_interrupt(CPUX86State *env, int vec, int kind, bool has_error,
                   uint32_t error, uint64_t ret_rip)
{
    bool soft = kind == INT_SOFT || kind == INT_INT3 || kind == INT_INTO;

    if (log_enabled(LOG_INT)) {
        log_printf("v=%02x e=%04x i=%d cpl=%d IP=%04x:%016" PRIx64
                   " pc=%016" PRIx64 " SP=%04x:%016" PRIx64 " CR2=%016" PRIx64
                   "\n", vec, error, soft, env->cpl, env->x.seg[R_CS].sel,
                   env->rip, env->rip + env->seg_base[R_CS],
                   env->x.seg[R_SS].sel, env->regs[R_SP], env->x.cr2);
    }
    if (!(env->x.cr0 & CR0_PE)) {
        real_mode_int(env, vec, ret_rip);
        return;
    }
    env->ext = soft ? 0 : 1;

    bool lm = env->x.efer & EFER_LMA;
    uint32_t at = vec * (lm ? 16 : 8), sel_err = vec * 8 + 2 + env->ext;
    if (at + (lm ? 15 : 7) > env->x.idt.limit) {
        x86_raise_err(env, EXCP_GP, sel_err);
    }
    uint64_t d = x86_ld_sys(env, env->x.idt.base + at, 8), high = 0;
    if (lm) {
        high = x86_ld_sys(env, env->x.idt.base + at + 8, 8);
    }
    uint32_t lo = d, hi = d >> 32;
    int type = hi >> 8 & 31, dpl = hi >> 13 & 3;
    uint16_t cs = lo >> 16;
    uint64_t ip = (lo & 0xffff) | (hi & 0xffff0000);
    unsigned size;

    switch (type) {
    case 5:
        if (lm) {
            x86_raise_err(env, EXCP_GP, sel_err);
        }
        size = 0;
        break;
    case 6:
    case 7:
        if (lm) {
            x86_raise_err(env, EXCP_GP, sel_err);
        }
        size = 2;
        ip &= 0xffff;
        break;
    case 14:
    case 15:
        size = lm ? 8 : 4;
        break;
    default:
        x86_raise_err(env, EXCP_GP, sel_err);
    }
    if (soft && dpl < env->cpl) {
        x86_raise_err(env, EXCP_GP, sel_err);
    }
    if (!(hi & 0x8000)) {
        x86_raise_err(env, EXCP_NP, sel_err);
    }
    if (!size) {
        x86_task_switch(env, cs, TASK_INT, ret_rip, has_error, error);
        env->ext = 0;
        return;
    }
    if (lm) {
        ip |= (high & 0xffffffff) << 32;
    }
    x86_enter_gate(env, cs, ip, size, lm ? hi & 7 : 0, type & 1,
                   has_error, error, ret_rip);
    env->ext = 0;
}

/* INT n, INT3, INTO, in block code: rip is the instruction's. */
void x86_software_int(CPUX86State *env, int vec, int kind)
{
    uint64_t next = x86_next_rip(env);

    if ((env->eflags_sys & FL_VM) && kind == INT_SOFT) {
        /* VME: the bitmap before the I/O bitmap sends it to the guest's IVT.*/
        if (env->x.cr4 & CR4_VME) {
            uint32_t map = x86_ld_sys(env, env->x.tr.base + 0x66, 2);
            uint32_t at = map - 32 + vec / 8;

            if (at > env->x.tr.limit) {
                x86_raise_err(env, EXCP_GP, 0);
            }
            if (!(x86_ld_sys(env, env->x.tr.base + at, 1) >> (vec & 7) & 1)) {
                bool iopl3 = (env->eflags_sys & FL_IOPL) == FL_IOPL;
                uint32_t fl = x86_eflags(env);
                uint32_t e = x86_ld_sys(env, vec * 4, 4);

                if (!iopl3) {
                    fl = (fl & ~FL_IF) | FL_IOPL |
                         (fl & FL_VIF ? FL_IF : 0);
                }
                x86_push(env, fl, 2);
                x86_push(env, env->x.seg[R_CS].sel, 2);
                x86_push(env, next, 2);
                env->eflags_sys &= ~(FL_TF | (iopl3 ? FL_IF : FL_VIF));
                x86_load_seg_real(env, R_CS, e >> 16);
                env->rip = e & 0xffff;
                x86_update_mode(env);
                return;
            }
        }
        if ((env->eflags_sys & FL_IOPL) != FL_IOPL) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    }
    x86_interrupt(env, vec, kind, false, 0, next);
}

static bool contributory(int vec)
{
    return vec == EXCP_DE || (vec >= EXCP_TS && vec <= EXCP_GP);
}

static void note_fault(CPUX86State *env, int vec, uint32_t err)
{
    size_t n = strlen(env->exc.trail);

    g_snprintf(env->exc.trail + n, sizeof(env->exc.trail) - n,
               "%s#%d(0x%x) at %04x:%" PRIx64, n ? " <- " : "", vec, err,
               env->x.seg[R_CS].sel, env->rip);
}

bool x86_deliver_exception(CPUX86State *env)
{
    int first = env->exc.delivering, vec = env->exc.vector;

    env->ext = 0;
    if (first < 0) {
        env->exc.trail[0] = 0;
    }
    if (first >= 0 && first < 32) {
        if (first == EXCP_DF && (contributory(vec) || vec == EXCP_PF)) {
            note_fault(env, vec, env->exc.error);
            log_mask(LOG_RESET | LOG_INT, "Triple fault: %s\n",
                     env->exc.trail);
            env->exc.vector = env->exc.delivering = -1;
            return false;
        }
        if ((contributory(first) && contributory(vec)) ||
            (first == EXCP_PF && (contributory(vec) || vec == EXCP_PF))) {
            note_fault(env, vec, env->exc.error);
            vec = EXCP_DF;
            env->exc.error = 0;
            env->exc.has_error = true;
        }
    }
    note_fault(env, vec, env->exc.error);
    log_mask(LOG_INT, "check_exception old: 0x%x new 0x%x\n", first, vec);
    env->exc.vector = -1;
    env->exc.delivering = vec;
    env->x.shadow = 0;

    bool real = !(env->x.cr0 & CR0_PE);
    /* Faults, but not traps, push RF set. */
    if (vec != EXCP_DB && vec != EXCP_BP && vec != EXCP_OF &&
        vec != EXCP_DF && vec != EXCP_NMI) {
        env->eflags_sys |= FL_RF;
    }
    bool has_error = env->exc.has_error && !real;
    x86_interrupt(env, vec, INT_EXCP, has_error, env->exc.error, env->rip);
    env->exc.delivering = -1;
    return true;
}

/*
 * Between instructions, BQL not held.
 */
static bool take_hard_interrupt(CPUX86State *env)
{
    CPUState *cs = &env->cpu->parent;
    int vec = -1;

    bql_lock();
    if (env->cpu->apic && x86_apic_ops) {
        if (x86_apic_ops->has_interrupt(env->cpu->apic)) {
            vec = x86_apic_ops->ack_interrupt(env->cpu->apic);
        }
        if (!x86_apic_ops->has_interrupt(env->cpu->apic)) {
            cpu_reset_interrupt(cs, CPU_INTERRUPT_HARD);
        }
    } else {
        if (x86_platform.pic_has_interrupt &&
            x86_platform.pic_has_interrupt()) {
            vec = x86_platform.pic_ack();
        }
        if (!x86_platform.pic_has_interrupt ||
            !x86_platform.pic_has_interrupt()) {
            cpu_reset_interrupt(cs, CPU_INTERRUPT_HARD);
        }
    }
    bql_unlock();
    if (vec < 0) {
        return false;
    }
    log_mask(LOG_INT, "Servicing hardware INT=0x%02x\n", vec);
    env->exc.delivering = 256; /* no merge with what comes */
    x86_interrupt(env, vec, INT_HW, false, 0, env->rip);
    env->exc.delivering = -1;
    return true;
}

bool x86_service_events(CPUX86State *env)
{
    CPUState *cs = &env->cpu->parent;
    uint32_t req = atomic_load(&cs->interrupt_request);

    if (req & CPU_INTERRUPT_POLL) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_POLL);
        if (env->cpu->apic && x86_apic_ops) {
            bql_lock();
            bool has = x86_apic_ops->has_interrupt(env->cpu->apic);
            bql_unlock();
            if (has) {
                cpu_interrupt(cs, CPU_INTERRUPT_HARD);
                req |= CPU_INTERRUPT_HARD;
            }
        }
    }
    if (req & CPU_INTERRUPT_INIT) {
        bql_lock();
        x86_do_init(env);
        bql_unlock();
        return true;
    }
    if (req & CPU_INTERRUPT_SIPI) {
        bql_lock();
        x86_do_sipi(env);
        bql_unlock();
        return true;
    }
    if (env->x.sipi_wait) {
        return false;
    }
    if ((req & CPU_INTERRUPT_SMI) && !env->x.in_smm && !env->x.shadow) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_SMI);
        cs->halted = false;
        x86_smm_enter(env);
        return true;
    }
    if (env->x.shadow & 2) {
        return false;
    }
    if (env->x.pending_db) {
        uint64_t bits = env->x.pending_db;
        env->x.pending_db = 0;
        x86_raise_db(env, bits);
    }
    if ((req & CPU_INTERRUPT_NMI) && !env->x.nmi_blocked && !env->x.shadow) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_NMI);
        env->x.nmi_blocked = true;
        cs->halted = false;
        env->exc.delivering = 256;
        x86_interrupt(env, EXCP_NMI, INT_HW, false, 0, env->rip);
        env->exc.delivering = -1;
        return true;
    }
    if ((req & CPU_INTERRUPT_MCE) && (env->x.cr4 & CR4_MCE)) {
        cpu_reset_interrupt(cs, CPU_INTERRUPT_MCE);
        cs->halted = false;
        env->exc.delivering = 256;
        x86_interrupt(env, EXCP_MC, INT_HW, false, 0, env->rip);
        env->exc.delivering = -1;
        return true;
    }
    if ((req & CPU_INTERRUPT_HARD) && (env->eflags_sys & FL_IF) &&
        !env->x.shadow && (!cs->step_no_irq || cs->halted)) {
        cs->halted = false;
        return take_hard_interrupt(env);
    }
    return false;
}
