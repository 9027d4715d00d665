/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hardware task switch (Intel SDM vol. 3, chapter 7) for 16- and 32-bit
 * TSSs: JMP, CALL, IRET and task gates.  Not in long mode.
 */
#include "osdep.h"
#include "cpu.h"

#define DESC_TYPE(hi) ((hi) >> 8 & 15)
#define TSS_BUSY 0x200u

static void ts(CPUX86State *env, uint16_t sel)
{
    x86_raise_err(env, EXCP_TS, (sel & ~3u) | env->ext);
}

static void save_old(CPUX86State *env, uint64_t ip, uint32_t fl, bool wide)
{
    vaddr b = env->x.tr.base;

    if (wide) {
        x86_st_sys(env, b + 0x20, ip, 4);
        x86_st_sys(env, b + 0x24, fl, 4);
        for (int i = 0; i < 8; i++) {
            x86_st_sys(env, b + 0x28 + 4 * i, env->regs[i], 4);
        }
        for (int i = 0; i < 6; i++) {
            x86_st_sys(env, b + 0x48 + 4 * i, env->x.seg[i].sel, 2);
        }
    } else {
        x86_st_sys(env, b + 0x0e, ip, 2);
        x86_st_sys(env, b + 0x10, fl, 2);
        for (int i = 0; i < 8; i++) {
            x86_st_sys(env, b + 0x12 + 2 * i, env->regs[i], 2);
        }
        for (int i = 0; i < 4; i++) {
            x86_st_sys(env, b + 0x22 + 2 * i, env->x.seg[i].sel, 2);
        }
    }
}

/* Segments of the new task: faults are the new task's, as #TS and friends. */
static void load_task_seg(CPUX86State *env, int seg, uint16_t sel, int cpl)
{
    uint32_t lo, hi;
    vaddr at;

    if (!(sel & ~3u)) {
        if (seg == R_CS || seg == R_SS) {
            ts(env, sel);
        }
        x86_set_seg(env, seg, sel, 0, 0, SEG_UNUSABLE);
        return;
    }
    x86_read_desc(env, sel, EXCP_TS, &lo, &hi, &at);
    int dpl = hi >> 13 & 3, rpl = sel & 3;
    bool code = hi >> 11 & 1, conf = hi >> 10 & 1, rw = hi >> 9 & 1;
    if (!(hi >> 12 & 1)) {
        ts(env, sel);
    }
    if (seg == R_CS) {
        if (!code || (conf ? dpl > rpl : dpl != rpl)) {
            ts(env, sel);
        }
    } else if (seg == R_SS) {
        if (code || !rw || dpl != cpl || rpl != cpl) {
            ts(env, sel);
        }
    } else if ((code && !rw) || (!(code && conf) && dpl < MAX(cpl, rpl))) {
        ts(env, sel);
    }
    if (!(hi & 0x8000)) {
        x86_raise_err(env, seg == R_SS ? EXCP_SS : EXCP_NP,
                      (sel & ~3u) | env->ext);
    }
    if (!(hi & 0x100)) {
        hi |= 0x100;
        x86_st_sys(env, at + 4, hi, 4);
    }
    x86_set_seg(env, seg, sel,
                lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000),
                x86_desc_limit(lo, hi), hi >> 8 & 0xf0ff);
}

void x86_task_switch(CPUX86State *env, uint16_t sel, int how, uint64_t ret_ip,
                     bool has_error, uint32_t error)
{
    uint32_t lo, hi, olo, ohi, fl = x86_eflags(env);
    int vec = how == TASK_IRET ? EXCP_TS : EXCP_GP;
    uint16_t old_sel = env->x.tr.sel, segs[6], ldt;
    bool old_wide = SEG_TYPE(env->x.tr.attr) & 8;
    uint32_t regs[8], ip, nfl, cr3 = 0;
    vaddr at, oat;

    if (!(sel & ~3u) || (sel & 4)) {
        x86_raise_err(env, vec, (sel & ~3u) | env->ext);
    }
    x86_read_desc(env, sel, vec, &lo, &hi, &at);
    int type = DESC_TYPE(hi);
    bool wide = type & 8, busy = type & 2;
    if ((hi >> 12 & 1) || ((type & 5) != 1) || busy != (how == TASK_IRET)) {
        x86_raise_err(env, vec, (sel & ~3u) | env->ext);
    }
    if (!(hi & 0x8000)) {
        x86_raise_err(env, EXCP_NP, (sel & ~3u) | env->ext);
    }
    uint32_t limit = x86_desc_limit(lo, hi);
    vaddr base = lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000);
    if (limit < (wide ? 0x67u : 0x2bu)) {
        ts(env, sel);
    }
    /* Both TSSs and descriptors are there before anything changes. */
    x86_probe_sys(env, env->x.tr.base, old_wide ? 0x68 : 0x2c, true);
    x86_probe_sys(env, base, wide ? 0x68 : 0x2c, how == TASK_CALL ||
                                                     how == TASK_INT);
    if (wide) {
        cr3 = x86_ld_sys(env, base + 0x1c, 4);
        ip = x86_ld_sys(env, base + 0x20, 4);
        nfl = x86_ld_sys(env, base + 0x24, 4);
        for (int i = 0; i < 8; i++) {
            regs[i] = x86_ld_sys(env, base + 0x28 + 4 * i, 4);
        }
        for (int i = 0; i < 6; i++) {
            segs[i] = x86_ld_sys(env, base + 0x48 + 4 * i, 2);
        }
        ldt = x86_ld_sys(env, base + 0x60, 2);
    } else {
        ip = x86_ld_sys(env, base + 0x0e, 2);
        nfl = x86_ld_sys(env, base + 0x10, 2);
        for (int i = 0; i < 8; i++) {
            regs[i] = x86_ld_sys(env, base + 0x12 + 2 * i, 2) | 0xffff0000;
        }
        for (int i = 0; i < 4; i++) {
            segs[i] = x86_ld_sys(env, base + 0x22 + 2 * i, 2);
        }
        segs[R_FS] = segs[R_GS] = 0;
        ldt = x86_ld_sys(env, base + 0x2a, 2);
    }
    if (how == TASK_JMP || how == TASK_IRET) {
        x86_read_desc(env, old_sel, EXCP_TS, &olo, &ohi, &oat);
        x86_st_sys(env, oat + 4, ohi & ~TSS_BUSY, 4);
    }
    if (how == TASK_IRET) {
        fl &= ~FL_NT;
    }
    save_old(env, ret_ip, fl, old_wide);
    if (how == TASK_CALL || how == TASK_INT) {
        x86_st_sys(env, base, old_sel, 2);
        nfl |= FL_NT;
    }
    if (how != TASK_IRET) {
        hi |= TSS_BUSY;
        x86_st_sys(env, at + 4, hi, 4);
    }
    /* The point of no return: what fails from here fails in the new task. */
    env->cur = NULL;
    env->x.tr = (struct x86_seg){ base, limit, hi >> 8 & 0xf0ff, sel };
    env->x.cr0 |= CR0_TS;
    env->x.dr[7] &= ~UINT64_C(0x155);
    if (wide && (env->x.cr0 & CR0_PG)) {
        x86_set_cr3(env, cr3);
    }
    x86_jc_flush(env);
    env->rip = ip;
    x86_set_eflags(env, nfl);
    for (int i = 0; i < 8; i++) {
        env->regs[i] = regs[i];
    }
    env->x.ldt = (struct x86_seg){ .sel = ldt, .attr = SEG_UNUSABLE };
    if (nfl & FL_VM) {
        env->cpl = 3;
        for (int i = 0; i < 6; i++) {
            x86_load_seg_real(env, i, segs[i]);
        }
    } else {
        int cpl = segs[R_CS] & 3;

        env->cpl = cpl;
        for (int i = 0; i < 6; i++) {
            env->x.seg[i] = (struct x86_seg){ .sel = segs[i],
                                              .attr = SEG_UNUSABLE };
        }
        x86_set_cpl(env, cpl);
        x86_update_mode(env);
        if (ldt & ~3u) {
            uint32_t llo, lhi;
            vaddr lat;
            if (ldt & 4) {
                ts(env, ldt);
            }
            x86_read_desc(env, ldt, EXCP_TS, &llo, &lhi, &lat);
            if ((lhi >> 12 & 1) || DESC_TYPE(lhi) != 2 || !(lhi & 0x8000)) {
                ts(env, ldt);
            }
            env->x.ldt = (struct x86_seg){
                llo >> 16 | (lhi & 0xff) << 16 | (lhi & 0xff000000),
                x86_desc_limit(llo, lhi), lhi >> 8 & 0xf0ff, ldt };
        }
        load_task_seg(env, R_CS, segs[R_CS], cpl);
        load_task_seg(env, R_SS, segs[R_SS], cpl);
        load_task_seg(env, R_ES, segs[R_ES], cpl);
        load_task_seg(env, R_DS, segs[R_DS], cpl);
        load_task_seg(env, R_FS, segs[R_FS], cpl);
        load_task_seg(env, R_GS, segs[R_GS], cpl);
    }
    x86_update_mode(env);
    if (has_error) {
        x86_push(env, error, wide ? 4 : 2);
    }
    if (ip > env->x.seg[R_CS].limit) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (wide && (x86_ld_sys(env, base + 0x64, 2) & 1)) {
        x86_raise_db(env, BIT(15));
    }
}
