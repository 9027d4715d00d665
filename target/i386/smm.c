/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: SMI and RSM with the AMD64 state-save map (AMD APM
 * vol. 2, section 10.2), or the 32-bit one for CPUs without long mode (Intel
 * SDM vol. 3, table 31-1).
 */
#include "osdep.h"
#include "cpu.h"
#include "util/log.h"

#define SMM_REVISION_64 0x00020064
#define SMM_REVISION_32 0x00020000

static bool has_lm(CPUX86State *env)
{
    return x86_has(env, FW_8_1_EDX, 29);
}

static void put(CPUX86State *env, uint32_t off, uint64_t v, unsigned size)
{
    x86_phys_st(env, env->x.smbase + 0x8000 + off, v, size);
}

static uint64_t get(CPUX86State *env, uint32_t off, unsigned size)
{
    return x86_phys_ld(env, env->x.smbase + 0x8000 + off, size);
}

static void put_seg64(CPUX86State *env, uint32_t off, const struct x86_seg *s)
{
    put(env, off, s->sel, 2);
    put(env, off + 2, (s->attr & 0xff) | (s->attr >> 4 & 0xf00), 2);
    put(env, off + 4, s->limit, 4);
    put(env, off + 8, s->base, 8);
}

static struct x86_seg get_seg64(CPUX86State *env, uint32_t off)
{
    struct x86_seg s;
    uint32_t a = get(env, off + 2, 2);

    s.sel = get(env, off, 2);
    s.attr = (a & 0xff) | (a & 0xf00) << 4;
    s.limit = get(env, off + 4, 4);
    s.base = get(env, off + 8, 8);
    if (!(s.attr & SEG_P)) {
        s.attr |= SEG_UNUSABLE;
    }
    return s;
}

static const uint8_t seg32_sel[] = { 0xa8, 0xac, 0xb0, 0xb4, 0xb8, 0xbc };

static void put_seg32(CPUX86State *env, uint32_t off, uint32_t sel_off,
                      const struct x86_seg *s)
{
    put(env, sel_off, s->sel, 4);
    put(env, off, (s->attr & 0xf0ff) << 8, 4);
    put(env, off + 4, s->base, 4);
    put(env, off + 8, s->limit, 4);
}

static struct x86_seg get_seg32(CPUX86State *env, uint32_t off,
                                uint32_t sel_off)
{
    struct x86_seg s;

    s.sel = get(env, sel_off, 4);
    s.attr = get(env, off, 4) >> 8 & 0xf0ff;
    s.base = get(env, off + 4, 4);
    s.limit = get(env, off + 8, 4);
    if (!(s.attr & SEG_P)) {
        s.attr |= SEG_UNUSABLE;
    }
    return s;
}

static void save64(CPUX86State *env)
{
    for (int i = 0; i < 6; i++) {
        put_seg64(env, 0x7e00 + 16 * i, &env->x.seg[i]);
    }
    put(env, 0x7e64, env->x.gdt.limit, 4);
    put(env, 0x7e68, env->x.gdt.base, 8);
    put_seg64(env, 0x7e70, &env->x.ldt);
    put(env, 0x7e84, env->x.idt.limit, 4);
    put(env, 0x7e88, env->x.idt.base, 8);
    put_seg64(env, 0x7e90, &env->x.tr);
    put(env, 0x7ed0, env->x.efer, 8);
    put(env, 0x7ec8, env->x.halted, 1);
    for (int i = 0; i < 16; i++) {
        /* rax first, r15 last, downwards from 7ff8h. */
        put(env, 0x7ff8 - 8 * i, env->regs[i], 8);
    }
    put(env, 0x7f78, env->rip, 8);
    put(env, 0x7f70, x86_eflags(env), 4);
    put(env, 0x7f68, env->x.dr[6], 4);
    put(env, 0x7f60, env->x.dr[7], 4);
    put(env, 0x7f58, env->x.cr0, 4);
    put(env, 0x7f50, env->x.cr3, 8);
    put(env, 0x7f48, env->x.cr4, 4);
    put(env, 0x7efc, SMM_REVISION_64, 4);
    put(env, 0x7f00, env->x.smbase, 4);
}

static void save32(CPUX86State *env)
{
    put(env, 0x7ffc, env->x.cr0, 4);
    put(env, 0x7ff8, env->x.cr3, 4);
    put(env, 0x7ff4, x86_eflags(env), 4);
    put(env, 0x7ff0, env->rip, 4);
    for (int i = 0; i < 8; i++) {
        put(env, 0x7fd0 + 4 * i, env->regs[i], 4);
    }
    put(env, 0x7fcc, env->x.dr[6], 4);
    put(env, 0x7fc8, env->x.dr[7], 4);
    put_seg32(env, 0x7f5c, 0x7fc4, &env->x.tr);
    put_seg32(env, 0x7f78, 0x7fc0, &env->x.ldt);
    put(env, 0x7f74, env->x.gdt.base, 4);
    put(env, 0x7f70, env->x.gdt.limit, 4);
    put(env, 0x7f58, env->x.idt.base, 4);
    put(env, 0x7f54, env->x.idt.limit, 4);
    for (int i = 0; i < 6; i++) {
        put_seg32(env, i < 3 ? 0x7f84 + 12 * i : 0x7f2c + 12 * (i - 3),
                  0x7f00 + seg32_sel[i], &env->x.seg[i]);
    }
    put(env, 0x7f14, env->x.cr4, 4);
    put(env, 0x7efc, SMM_REVISION_32, 4);
    put(env, 0x7ef8, env->x.smbase, 4);
}

void x86_smm_enter(CPUX86State *env)
{
    log_mask(LOG_INT, "SMM: enter at 0x%" PRIx64 "\n", env->rip);
    env->x.in_smm = true;
    env->x.smi_nmi_blocked = env->x.nmi_blocked;
    env->x.nmi_blocked = true;
    env->x.smi_count++;
    bql_lock();
    x86_smm_as_init();
    bql_unlock();
    x86_tlb_flush(env);
    if (has_lm(env)) {
        save64(env);
        env->x.efer = 0;
    } else {
        save32(env); /* has no place for EFER, which may have NXE */
    }
    x86_set_eflags(env, FL_1);
    env->x.dr[7] = 0x400;
    env->x.cr0 &= ~(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    env->x.cr4 = 0;
    env->cpl = 0;
    for (int i = 0; i < 6; i++) {
        env->x.seg[i] = (struct x86_seg){ 0, UINT32_MAX, 0x8093, 0 };
    }
    env->x.seg[R_CS].sel = env->x.smbase >> 4;
    env->x.seg[R_CS].base = env->x.smbase;
    env->x.seg[R_CS].attr = 0x809b;
    env->rip = 0x8000;
    x86_tlb_flush(env);
    x86_update_debug(env);
}

void x86_rsm(CPUX86State *env)
{
    uint32_t base;
    uint64_t cr0, cr4, rip;

    env->cur = NULL;
    if (has_lm(env)) {
        env->x.efer = get(env, 0x7ed0, 8);
        for (int i = 0; i < 16; i++) {
            env->regs[i] = get(env, 0x7ff8 - 8 * i, 8);
        }
        rip = get(env, 0x7f78, 8);
        x86_set_eflags(env, get(env, 0x7f70, 4));
        env->x.dr[6] = get(env, 0x7f68, 4);
        env->x.dr[7] = get(env, 0x7f60, 4);
        cr0 = get(env, 0x7f58, 4);
        cr4 = get(env, 0x7f48, 4);
        env->x.cr3 = get(env, 0x7f50, 8);
        env->x.gdt.limit = get(env, 0x7e64, 4);
        env->x.gdt.base = get(env, 0x7e68, 8);
        env->x.idt.limit = get(env, 0x7e84, 4);
        env->x.idt.base = get(env, 0x7e88, 8);
        env->x.ldt = get_seg64(env, 0x7e70);
        env->x.tr = get_seg64(env, 0x7e90);
        for (int i = 0; i < 6; i++) {
            env->x.seg[i] = get_seg64(env, 0x7e00 + 16 * i);
        }
        base = get(env, 0x7f00, 4);
    } else {
        cr0 = get(env, 0x7ffc, 4);
        env->x.cr3 = get(env, 0x7ff8, 4);
        x86_set_eflags(env, get(env, 0x7ff4, 4));
        rip = get(env, 0x7ff0, 4);
        for (int i = 0; i < 8; i++) {
            env->regs[i] = get(env, 0x7fd0 + 4 * i, 4);
        }
        env->x.dr[6] = get(env, 0x7fcc, 4);
        env->x.dr[7] = get(env, 0x7fc8, 4);
        env->x.tr = get_seg32(env, 0x7f5c, 0x7fc4);
        env->x.ldt = get_seg32(env, 0x7f78, 0x7fc0);
        env->x.gdt.base = get(env, 0x7f74, 4);
        env->x.gdt.limit = get(env, 0x7f70, 4);
        env->x.idt.base = get(env, 0x7f58, 4);
        env->x.idt.limit = get(env, 0x7f54, 4);
        for (int i = 0; i < 6; i++) {
            env->x.seg[i] =
                get_seg32(env, i < 3 ? 0x7f84 + 12 * i : 0x7f2c + 12 * (i - 3),
                          0x7f00 + seg32_sel[i]);
        }
        cr4 = get(env, 0x7f14, 4);
        base = get(env, 0x7ef8, 4);
    }
    env->x.smbase = base;
    env->x.in_smm = false;
    env->x.nmi_blocked = env->x.smi_nmi_blocked;
    env->x.cr4 = cr4;
    env->x.cr0 = cr0;
    if ((cr0 & CR0_PG) && (env->x.efer & EFER_LME)) {
        env->x.efer |= EFER_LMA;
    } else {
        env->x.efer &= ~EFER_LMA;
    }
    env->rip = rip;
    env->cpl = !(cr0 & CR0_PE) ? 0 : env->eflags_sys & FL_VM
        ? 3 : SEG_DPL(env->x.seg[R_SS].attr);
    x86_tlb_flush(env);
    if ((cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(env->x.efer & EFER_LMA)) {
        x86_load_pdptrs(env, env->x.cr3);
    }
    x86_update_debug(env);
    log_mask(LOG_INT, "SMM: leave to 0x%" PRIx64 "\n", env->rip);
}
