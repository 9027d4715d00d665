/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System instructions: descriptor tables, control and debug registers, MSRs,
 * I/O, CPUID, the TLB.
 */
#include "osdep.h"
#include "ops-int.h"
#include <sched.h>
#include "util/log.h"
#include "util/timer.h"

static void umip(Env *env)
{
    if ((env->x.cr4 & CR4_UMIP) && env->cpl) {
        x86_raise_err(env, EXCP_GP, 0);
    }
}

void op_sldt(Env *env, In in)
{
    umip(env);
    uint16_t sel = in->op == OP_SLDT ? env->x.ldt.sel : env->x.tr.sel;
    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), sel, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), sel, in->opsize);
    }
}

void op_smsw(Env *env, In in)
{
    umip(env);
    if (is_mem(in, 0)) {
        stn(env, x86_insn_lin(env, in, 2, true), env->x.cr0, 2);
    } else {
        reg_set(env, OPND_NUM(in->opnd[0]), env->x.cr0, in->opsize);
    }
}

void op_lmsw(Env *env, In in)
{
    uint16_t v = rd(env, in, 0);

    /* It can set PE but not clear it. */
    x86_set_cr0(env, (env->x.cr0 & ~UINT64_C(0xe)) | (v & 0xf));
}

void op_sgdt(Env *env, In in)
{
    unsigned n = env->code64 ? 10 : 6;
    uint8_t buf[10];
    uint16_t limit = in->op == OP_SGDT ? env->x.gdt.limit : env->x.idt.limit;
    uint64_t base = in->op == OP_SGDT ? env->x.gdt.base : env->x.idt.base;

    umip(env);
    memcpy(buf, &limit, 2);
    memcpy(buf + 2, &base, 8);
    x86_st_buf(env, x86_insn_lin(env, in, n, true), buf, n);
}

void op_lgdt(Env *env, In in)
{
    unsigned n = env->code64 ? 10 : 6;
    uint8_t buf[10] = { 0 };
    uint16_t limit;
    uint64_t base;

    x86_ld_buf(env, x86_insn_lin(env, in, n, false), buf, n);
    memcpy(&limit, buf, 2);
    memcpy(&base, buf + 2, 8);
    if (env->code64) {
        if ((uint64_t)((int64_t)base >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else if (in->opsize == 2) {
        base &= 0xffffff;
    }
    if (in->op == OP_LGDT) {
        env->x.gdt.base = base;
        env->x.gdt.limit = limit;
    } else {
        env->x.idt.base = base;
        env->x.idt.limit = limit;
    }
}

void op_lldt(Env *env, In in)
{
    uint16_t sel = rd(env, in, 0);

    if (in->op == OP_LLDT) {
        x86_lldt(env, sel);
    } else {
        x86_ltr(env, sel);
    }
}

void op_lar(Env *env, In in)
{
    uint16_t sel = is_mem(in, 1)
        ? ldn(env, x86_insn_lin(env, in, 2, false), 2)
        : env->regs[OPND_NUM(in->opnd[1])];
    uint32_t res = 0;
    bool ok;

    switch (in->op) {
    case OP_LAR:
        ok = x86_lar(env, sel, &res);
        break;
    default:
        ok = x86_lsl(env, sel, &res);
    }
    if (ok) {
        reg_set(env, OPND_NUM(in->opnd[0]), res, in->opsize);
    }
    flags_set(env, FL_ZF, ok ? FL_ZF : 0);
}

void op_verr(Env *env, In in)
{
    bool ok = x86_verx(env, rd(env, in, 0), in->op == OP_VERW);

    flags_set(env, FL_ZF, ok ? FL_ZF : 0);
}

void op_mov_cr(Env *env, In in)
{
    bool to = in->op == OP_MOV_TO_CR;
    unsigned cr = OPND_NUM(in->opnd[to ? 0 : 1]);
    unsigned gpr = OPND_NUM(in->opnd[to ? 1 : 0]);
    uint64_t v = env->code64 ? env->regs[gpr] : (uint32_t)env->regs[gpr];
    bool held;

    switch (cr) {
    case 0:
        if (to) {
            x86_set_cr0(env, v);
        } else {
            v = env->x.cr0;
        }
        break;
    case 2:
        if (to) {
            env->x.cr2 = v;
        } else {
            v = env->x.cr2;
        }
        break;
    case 3:
        if (to) {
            x86_set_cr3(env, v);
        } else {
            v = env->x.cr3;
        }
        break;
    case 4:
        if (to) {
            x86_set_cr4(env, v);
        } else {
            v = env->x.cr4;
        }
        break;
    case 8:
        if (to && (v & ~UINT64_C(15))) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        if (!env->cpu->apic || !x86_apic_ops) {
            if (to) {
                env->x.cr8 = v;
            } else {
                v = env->x.cr8;
            }
            break;
        }
        held = bql_locked();
        if (!held) {
            cpu_guest_leave(&env->cpu->parent);
            bql_lock();
        }
        if (to) {
            x86_apic_ops->set_cr8(env->cpu->apic, v);
        } else {
            v = x86_apic_ops->get_cr8(env->cpu->apic);
        }
        if (!held) {
            bql_unlock();
            x86_guest_reenter(env);
        }
        break;
    default:
        x86_raise(env, EXCP_UD);
    }
    if (!to) {
        env->regs[gpr] = env->code64 ? v : (uint32_t)v;
    }
}

void op_mov_dr(Env *env, In in)
{
    bool to = in->op == OP_MOV_TO_DR;
    unsigned dr = OPND_NUM(in->opnd[to ? 0 : 1]);
    unsigned gpr = OPND_NUM(in->opnd[to ? 1 : 0]);
    uint64_t v = env->code64 ? env->regs[gpr] : (uint32_t)env->regs[gpr];

    if (dr > 7 || ((dr == 4 || dr == 5) && (env->x.cr4 & CR4_DE))) {
        x86_raise(env, EXCP_UD);
    }
    if (env->x.dr[7] & BIT(13)) {
        x86_raise_db(env, BIT(13) | (env->x.dr[6] & 15));
    }
    if (dr == 4 || dr == 5) {
        dr += 2;
    }
    if (!to) {
        env->regs[gpr] = env->code64 ? env->x.dr[dr] : (uint32_t)env->x.dr[dr];
        return;
    }
    if (dr >= 6 && v >> 32) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (dr == 6) {
        env->x.dr[6] = (v & 0xe00f) | 0xffff0ff0;
    } else if (dr == 7) {
        env->x.dr[7] = (v & 0xffff2bff) | 0x400;
    } else {
        env->x.dr[dr] = v;
    }
    x86_update_debug(env);
}

void op_io(Env *env, In in)
{
    bool input = in->op == OP_IN;
    unsigned po = in->opnd[input ? 1 : 0];
    unsigned port = OPND_FILE(po) == OPND_IMM ? in->imm & 0xff
                                              : env->regs[R_DX] & 0xffff;
    unsigned size = in->opsize == 8 ? 4 : in->opsize;

    x86_check_io(env, port, size);
    if (input) {
        reg_set(env, R_AX, x86_io_in(env, port, size), size);
    } else {
        x86_io_out(env, port, reg_get(env, R_AX, size), size);
    }
}

void op_string(Env *env, In in)
{
    if (!x86_string(env, in)) {
        env->rip = x86_cur_rip(env); /* again after the interrupt */
        x86_break(env);
    }
}

void op_msr(Env *env, In in)
{
    uint32_t msr = env->regs[R_CX];
    uint64_t v = (uint32_t)env->regs[R_AX] | env->regs[R_DX] << 32;

    if (in->op == OP_WRMSR) {
        if (!x86_wrmsr(env, msr, v)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else {
        if (!x86_rdmsr(env, msr, &v)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        env->regs[R_AX] = (uint32_t)v;
        env->regs[R_DX] = v >> 32;
    }
}

void op_rdtsc(Env *env, In in)
{
    uint64_t v;

    if ((env->x.cr4 & CR4_TSD) && env->cpl) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    v = x86_rdtsc(env);
    env->regs[R_AX] = (uint32_t)v;
    env->regs[R_DX] = v >> 32;
    if (in->op == OP_RDTSCP) {
        env->regs[R_CX] = (uint32_t)env->x.tsc_aux;
    }
}

void op_rdpmc(Env *env, In in)
{
    if ((!(env->x.cr4 & CR4_PCE) && env->cpl) || (env->x.cr0 & CR0_PE)) {
        /* No counters. */
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_raise_err(env, EXCP_GP, 0);
}

void op_rdpid(Env *env, In in)
{
    env->regs[OPND_NUM(in->opnd[0])] = env->x.tsc_aux;
}

void op_cpuid(Env *env, In in)
{
    uint32_t out[4];

    x86_cpuid(env, env->regs[R_AX], env->regs[R_CX], out);
    env->regs[R_AX] = out[0];
    env->regs[R_BX] = out[1];
    env->regs[R_CX] = out[2];
    env->regs[R_DX] = out[3];
}

void op_fsgsbase(Env *env, In in)
{
    unsigned r = OPND_NUM(in->opnd[0]);
    int seg = in->op == OP_RDFSBASE || in->op == OP_WRFSBASE ? R_FS : R_GS;

    if (!(env->x.cr4 & CR4_FSGSBASE) || !env->code64) {
        x86_raise(env, EXCP_UD);
    }
    if (in->op == OP_RDFSBASE || in->op == OP_RDGSBASE) {
        reg_set(env, r, env->x.seg[seg].base, in->opsize);
        return;
    }
    uint64_t v = reg_get(env, r, in->opsize);
    if ((uint64_t)((int64_t)v >> 47) + 1 > 1) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->x.seg[seg].base = env->seg_base[seg] = v;
}

void op_swapgs(Env *env, In in)
{
    uint64_t v = env->x.seg[R_GS].base;

    env->x.seg[R_GS].base = env->seg_base[R_GS] = env->x.kernelgsbase;
    env->x.kernelgsbase = v;
}

void op_invlpg(Env *env, In in)
{
    vaddr lin = x86_insn_ea(env, in);

    if (!env->code64 || in->seg >= R_FS) {
        lin += env->x.seg[in->seg].base;
    }
    if (!env->code64 || (uint64_t)((int64_t)lin >> 47) + 1 <= 1) {
        x86_tlb_flush_page(env, lin);
    }
}

void op_invpcid(Env *env, In in)
{
    uint64_t type = reg_get(env, OPND_NUM(in->opnd[0]), env->code64 ? 8 : 4);
    uint64_t desc[2];

    x86_ld_buf(env, x86_insn_lin(env, in, 16, false), desc, 16);
    if (type > 3 || (type < 2 && (desc[0] >> 12)) ||
        (type < 2 && !(env->x.cr4 & CR4_PCIDE) && (desc[0] & 0xfff)) ||
        (type == 0 && (uint64_t)((int64_t)desc[1] >> 47) + 1 > 1)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (type == 0) {
        x86_tlb_flush_page(env, desc[1]);
    } else if (type == 2) {
        x86_tlb_flush(env);
    } else {
        x86_tlb_flush_non_global(env);
    }
}

static bool timers_late(void)
{
    int64_t due = clock_next_deadline(CLOCK_VIRTUAL);

    return atomic_load(&clock_ticks_owed) ||
           (due >= 0 && clock_ns(CLOCK_VIRTUAL) - due > 200 * NSEC_PER_US);
}

/*
 * PAUSE.  A guest that waits so may be counting the ticks that come meanwhile
 * (Linux's test of the timer interrupt at boot, which panics).  On a busy host
 * the main loop may not get to run the timers in that time: then this
 * processor, which only waits, lets it, and is not through with its PAUSE
 * until the ticks that are owed have come.
 */
static void pause_op(Env *env)
{
    const int64_t every = 200000, step_us = 100, steps = 1000;
    CPUState *cs = &env->cpu->parent;
    int64_t now = (int64_t)__builtin_ia32_rdtsc();
    int n = 0;

    __builtin_ia32_pause();
    if (!atomic_load_explicit(&clock_ticks_owed, memory_order_relaxed) &&
        now - env->pause_looked < every) {
        return;
    }
    env->pause_looked = now;
    if (!(env->eflags_sys & FL_IF) || likely(!timers_late())) {
        return;
    }
    cpu_guest_leave(cs);
    do {
        g_usleep(step_us);
    } while (++n < steps && timers_late() && !atomic_load(&cs->exit_request) &&
             !atomic_load(&cs->interrupt_request));
    x86_guest_reenter(env);
    if (n < steps && atomic_load(&clock_ticks_owed)) {
        env->rip = x86_cur_rip(env); /* again, behind the interrupt */
    }
    x86_break(env);
}

void op_misc(Env *env, In in)
{
    switch (in->op) {
    case OP_CLTS:
        x86_set_cr0(env, env->x.cr0 & ~CR0_TS);
        break;
    case OP_HLT:
        env->halt_pending = true;
        x86_break(env);
        break;
    case OP_MWAIT:
        if (env->regs[R_CX] & ~UINT64_C(1)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        /*
         * A lone CPU sleeps until an interrupt, nobody else stores.  With
         * others the wake-up by a store is not seen: a pause, then on.
         */
        if (cpu_count() == 1 &&
            ((env->eflags_sys & FL_IF) || !(env->regs[R_CX] & 1))) {
            env->halt_pending = true;
            x86_break(env);
        } else {
            sched_yield();
        }
        break;
    case OP_CLAC:
    case OP_STAC:
        env->eflags_sys = (env->eflags_sys & ~FL_AC) |
                          (in->op == OP_STAC ? FL_AC : 0);
        x86_update_mode(env);
        break;
    case OP_CLFLUSH:
        x86_probe(env, x86_insn_lin(env, in, 1, false), 1, false);
        break;
    case OP_MFENCE:
    case OP_SERIALIZE:
        atomic_thread_fence(memory_order_seq_cst);
        break;
    case OP_PAUSE:
        if (x86_pause_yields) {
            atomic_store(&env->cpu->parent.exit_request, true);
            atomic_store(&env->exit_req, 1);
            x86_break(env);
        } else {
            pause_op(env);
        }
        break;
    }
}

void op_ud(Env *env, In in)
{
    x86_raise(env, EXCP_UD);
}

void op_nop(Env *env, In in)
{
}

void op_xgetbv(Env *env, In in)
{
    uint32_t n = env->regs[R_CX];

    if (!(env->x.cr4 & CR4_OSXSAVE)) {
        x86_raise(env, EXCP_UD);
    }
    if (in->op == OP_XGETBV) {
        if (n > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        uint64_t v = env->x.xcr0;
        if (n == 1) {
            uint64_t bv;
            memcpy(&bv, env->x.xsave + XS_XSTATE_BV, 8);
            v &= bv;
        }
        env->regs[R_AX] = (uint32_t)v;
        env->regs[R_DX] = v >> 32;
        return;
    }
    uint64_t v = (uint32_t)env->regs[R_AX] | env->regs[R_DX] << 32;
    uint32_t out[4];
    x86_cpuid(env, 0xd, 0, out);
    uint64_t legal = out[0] | (uint64_t)out[3] << 32;
    if (n || !(v & 1) || (v & ~legal) || ((v & 4) && !(v & 2)) ||
        ((v & 0xe0) && ((v & 0xe0) != 0xe0 || !(v & 4)))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->x.xcr0 = v;
    x86_update_mode(env);
}

void op_rsm(Env *env, In in)
{
    if (!env->x.in_smm) {
        x86_raise(env, EXCP_UD);
    }
    x86_rsm(env);
}
