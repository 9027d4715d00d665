/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far jumps, calls and returns, IRET, the system calls, and the entry through
 * a gate of the IDT (SDM vol. 3A, chapters 5 and 6).
 */
#include "osdep.h"
#include "seg-int.h"
#include "decode.h"

/*
 * Far jumps and calls.
 */
static void check_cs(CPUX86State *env, uint16_t sel, uint32_t hi, bool gate)
{
    int cpl = env->cpl, dpl = DESC_DPL(hi);

    if (!DESC_S(hi) || !IS_CODE(hi)) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (gate) {
        if (dpl > cpl) {
            raise_sel(env, EXCP_GP, sel);
        }
    } else if (IS_CONF(hi)) {
        if (dpl > cpl) {
            raise_sel(env, EXCP_GP, sel);
        }
    } else if ((sel & 3) > cpl || dpl != cpl) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (long_mode(env) && DESC_L(hi) && DESC_DB(hi)) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (!DESC_P(hi)) {
        raise_sel(env, EXCP_NP, sel);
    }
}

static void far_gate(CPUX86State *env, uint16_t sel, uint32_t lo, uint32_t hi,
                     vaddr at, bool call, unsigned osz)
{
    int type = DESC_TYPE(hi), cpl = env->cpl, dpl = DESC_DPL(hi);
    uint16_t cs = lo >> 16;
    uint64_t ip = (lo & 0xffff) | (hi & 0xffff0000);
    unsigned size = type == ST_CALL16 ? 2 : 4;
    uint32_t clo, chi;
    vaddr cat;

    if (dpl < cpl || dpl < (sel & 3)) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (!DESC_P(hi)) {
        raise_sel(env, EXCP_NP, sel);
    }
    if (type == ST_TASK) {
        x86_task_switch(env, cs, call ? TASK_CALL : TASK_JMP,
                        x86_next_rip(env), false, 0);
        return;
    }
    if (long_mode(env)) {
        size = 8;
        ip |= (uint64_t)x86_desc_high(env, sel, at, EXCP_GP) << 32;
    } else if (size == 2) {
        ip &= 0xffff;
    }
    if (!(cs & ~3u)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_read_desc(env, cs, EXCP_GP, &clo, &chi, &cat);
    int cdpl = DESC_DPL(chi);
    if (!DESC_S(chi) || !IS_CODE(chi) || cdpl > cpl ||
        (long_mode(env) && (!DESC_L(chi) || DESC_DB(chi))) ||
        (!call && !IS_CONF(chi) && cdpl != cpl)) {
        raise_sel(env, EXCP_GP, cs);
    }
    if (!DESC_P(chi)) {
        raise_sel(env, EXCP_NP, cs);
    }
    if (!call) {
        x86_check_ip(env, ip, clo, chi);
        x86_load_cs_desc(env, cs, clo, chi, cat, cpl);
        set_rip(env, ip);
        return;
    }
    uint64_t ret = x86_next_rip(env);
    uint16_t old_cs = env->x.seg[R_CS].sel;
    if (!IS_CONF(chi) && cdpl < cpl) {
        uint32_t slo = 0, shi = 0;
        vaddr sat = 0;
        struct stack k = x86_stk_inner(env, cdpl, 0, &slo, &shi, &sat);
        unsigned n = long_mode(env) ? 0 : hi & 31;

        x86_stk_push(env, &k, env->x.seg[R_SS].sel, size);
        x86_stk_push(env, &k, env->regs[R_SP], size);
        for (unsigned i = n; i-- > 0;) {
            x86_stk_push(env, &k, x86_pop_peek(env, size, i * size), size);
        }
        x86_stk_push(env, &k, old_cs, size);
        x86_stk_push(env, &k, ret, size);
        x86_check_ip(env, ip, clo, chi);
        x86_set_accessed(env, &chi, cat);
        x86_load_cs_desc(env, cs, clo, chi, cat, cdpl);
        x86_stk_commit(env, &k, slo, shi, sat);
    } else {
        struct stack k = x86_stk_current(env);

        x86_stk_push(env, &k, old_cs, size);
        x86_stk_push(env, &k, ret, size);
        x86_check_ip(env, ip, clo, chi);
        uint64_t sp = k.sp, m = k.mask;
        x86_load_cs_desc(env, cs, clo, chi, cat, cpl);
        env->regs[R_SP] = m == UINT32_MAX
            ? (uint32_t)sp
            : (env->regs[R_SP] & ~m) | (sp & m);
    }
    set_rip(env, ip);
}

static void far_transfer(CPUX86State *env, uint16_t sel, uint64_t off,
                         unsigned osz, bool call)
{
    uint32_t lo, hi;
    vaddr at;
    uint64_t ret = x86_next_rip(env);

    if (!protected_mode(env)) {
        if (off > env->x.seg[R_CS].limit) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        if (call) {
            struct stack k = x86_stk_current(env);
            x86_stk_push(env, &k, env->x.seg[R_CS].sel, osz);
            x86_stk_push(env, &k, ret, osz);
            x86_stk_commit(env, &k, 0, 0, 0);
        }
        x86_load_seg_real(env, R_CS, sel);
        env->rip = (uint32_t)off;
        return;
    }
    if (!(sel & ~3u)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_read_desc(env, sel, EXCP_GP, &lo, &hi, &at);
    if (DESC_S(hi)) {
        check_cs(env, sel, hi, false);
        if (call) {
            struct stack k = x86_stk_current(env);
            uint64_t m = k.mask;

            x86_stk_push(env, &k, env->x.seg[R_CS].sel, osz);
            x86_stk_push(env, &k, ret, osz);
            x86_check_ip(env, off, lo, hi);
            x86_load_cs_desc(env, sel, lo, hi, at, env->cpl);
            env->regs[R_SP] = m == UINT32_MAX
                ? (uint32_t)k.sp
                : (env->regs[R_SP] & ~m) | (k.sp & m);
        } else {
            x86_check_ip(env, off, lo, hi);
            x86_load_cs_desc(env, sel, lo, hi, at, env->cpl);
        }
        set_rip(env, off);
        return;
    }
    switch (DESC_TYPE(hi)) {
    case ST_TSS16:
    case ST_TSS32:
        if (long_mode(env)) {
            raise_sel(env, EXCP_GP, sel);
        }
        if ((int)DESC_DPL(hi) < env->cpl || (int)DESC_DPL(hi) < (sel & 3)) {
            raise_sel(env, EXCP_GP, sel);
        }
        if (!DESC_P(hi)) {
            raise_sel(env, EXCP_NP, sel);
        }
        x86_task_switch(env, sel, call ? TASK_CALL : TASK_JMP, ret, false, 0);
        break;
    case ST_CALL16:
    case ST_TASK:
        if (long_mode(env)) {
            raise_sel(env, EXCP_GP, sel);
        }
        __attribute__((fallthrough));
    case ST_CALL32:
        far_gate(env, sel, lo, hi, at, call, osz);
        break;
    default:
        raise_sel(env, EXCP_GP, sel);
    }
}

void x86_far_jmp(CPUX86State *env, uint16_t sel, uint64_t off, unsigned osz)
{
    far_transfer(env, sel, off, osz, false);
}

void x86_far_call(CPUX86State *env, uint16_t sel, uint64_t off, unsigned osz)
{
    far_transfer(env, sel, off, osz, true);
}

/* Data segments an outer level may not keep are made null. */
static void drop_inner_segs(CPUX86State *env)
{
    static const uint8_t segs[] = { R_ES, R_DS, R_FS, R_GS };

    for (unsigned i = 0; i < ARRAY_SIZE(segs); i++) {
        struct x86_seg *s = &env->x.seg[segs[i]];
        if (s->attr & SEG_UNUSABLE) {
            continue;
        }
        if ((s->attr & (SEG_X | SEG_E)) != (SEG_X | SEG_E) &&
            (int)SEG_DPL(s->attr) < env->cpl) {
            x86_set_seg(env, segs[i], 0, segs[i] >= R_FS ? s->base : 0, 0,
                        SEG_UNUSABLE);
        }
    }
}

static void far_return(CPUX86State *env, unsigned osz, unsigned pop_bytes,
                       bool iret)
{
    uint64_t ip = x86_pop_peek(env, osz, 0);
    uint16_t cs = x86_pop_peek(env, osz, osz);
    uint32_t lo, hi, fl = 0;
    uint64_t used = 2 * osz;
    vaddr at;
    int cpl = env->cpl, rpl = cs & 3;

    if (iret) {
        fl = x86_pop_peek(env, osz, 2 * osz);
        used = 3 * osz;
    }
    if (!(cs & ~3u)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_read_desc(env, cs, EXCP_GP, &lo, &hi, &at);
    if (!DESC_S(hi) || !IS_CODE(hi) || rpl < cpl ||
        (IS_CONF(hi) ? (int)DESC_DPL(hi) > rpl : (int)DESC_DPL(hi) != rpl) ||
        (long_mode(env) && DESC_L(hi) && DESC_DB(hi))) {
        raise_sel(env, EXCP_GP, cs);
    }
    if (!DESC_P(hi)) {
        raise_sel(env, EXCP_NP, cs);
    }
    bool to64 = long_mode(env) && DESC_L(hi);
    if (rpl == cpl && !(iret && env->code64)) {
        x86_check_ip(env, ip, lo, hi);
        uint64_t m = x86_sp_mask(env), sp = env->regs[R_SP] + used + pop_bytes;
        x86_load_cs_desc(env, cs, lo, hi, at, cpl);
        env->regs[R_SP] = m == UINT32_MAX
            ? (uint32_t)sp
            : (env->regs[R_SP] & ~m) | (sp & m);
    } else {
        uint64_t sp = x86_pop_peek(env, osz, used + pop_bytes);
        uint16_t ss = x86_pop_peek(env, osz, used + pop_bytes + osz);
        uint32_t slo = 0, shi = 0;
        vaddr sat = 0;

        if (!(ss & ~3u)) {
            if (!to64 || rpl == 3 || (ss & 3) != rpl) {
                x86_raise_err(env, EXCP_GP, 0);
            }
        } else {
            x86_read_desc(env, ss, EXCP_GP, &slo, &shi, &sat);
            if ((ss & 3) != rpl || !DESC_S(shi) || IS_CODE(shi) ||
                !IS_RW(shi) || (int)DESC_DPL(shi) != rpl) {
                raise_sel(env, EXCP_GP, ss);
            }
            if (!DESC_P(shi)) {
                raise_sel(env, EXCP_SS, ss);
            }
        }
        x86_check_ip(env, ip, lo, hi);
        if (ss & ~3u) {
            x86_set_accessed(env, &shi, sat); /* while nothing has changed */
        }
        x86_load_cs_desc(env, cs, lo, hi, at, rpl);
        if (ss & ~3u) {
            x86_set_seg(env, R_SS, ss, desc_base(slo, shi),
                        x86_desc_limit(slo, shi), desc_attr(shi));
        } else {
            x86_set_seg(env, R_SS, ss, 0, 0, SEG_UNUSABLE | (uint32_t)rpl << 5);
        }
        if (env->code64) {
            env->regs[R_SP] = sp + pop_bytes;
        } else {
            uint64_t m = x86_sp_mask(env);
            uint64_t v = sp + pop_bytes;
            env->regs[R_SP] = m == UINT32_MAX
                ? (uint32_t)v
                : (env->regs[R_SP] & ~m) | (v & m);
            if (m == 0xffff && osz == 4) {
                /* Upper half comes from the popped ESP's destination. */
                env->regs[R_SP] = (env->regs[R_SP] & 0xffff0000) | (v & m);
            }
        }
        if (rpl != cpl) {
            drop_inner_segs(env);
        }
    }
    set_rip(env, ip);
    if (iret) {
        uint32_t mask = FL_ARITH | FL_TF | FL_DF | FL_NT;
        if (osz != 2) {
            mask |= FL_RF | FL_AC | FL_ID;
        }
        if (cpl == 0) {
            mask |= FL_IOPL | (osz != 2 ? FL_VIF | FL_VIP : 0);
        }
        if (cpl <= (int)(env->eflags_sys >> 12 & 3)) {
            mask |= FL_IF;
        }
        x86_set_eflags(env, (x86_eflags(env) & ~mask) | (fl & mask));
    }
    x86_update_mode(env);
}

void x86_far_ret(CPUX86State *env, unsigned osz, unsigned pop_bytes)
{
    if (!protected_mode(env)) {
        uint64_t ip = x86_pop_peek(env, osz, 0);
        uint16_t cs = x86_pop_peek(env, osz, osz);

        if (ip > env->x.seg[R_CS].limit) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        x86_sp_add(env, 2 * osz + pop_bytes);
        x86_load_seg_real(env, R_CS, cs);
        env->rip = (uint32_t)ip;
        return;
    }
    far_return(env, osz, pop_bytes, false);
}

static void iret_to_vm86(CPUX86State *env, uint32_t ip, uint16_t cs,
                         uint32_t fl)
{
    uint32_t sp = x86_pop_peek(env, 4, 12);
    uint16_t sel[6];
    static const uint8_t order[] = { R_SS, R_ES, R_DS, R_FS, R_GS };

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        sel[order[i]] = x86_pop_peek(env, 4, 16 + 4 * i);
    }
    sel[R_CS] = cs;
    x86_set_eflags(env, fl);
    env->cpl = 3;
    for (int i = 0; i < 6; i++) {
        x86_load_seg_real(env, i, sel[i]);
    }
    env->regs[R_SP] = sp;
    env->rip = ip & 0xffff;
    x86_update_mode(env);
}

void x86_iret(CPUX86State *env, unsigned osz)
{
    if (!(env->x.cr0 & CR0_PE) || (env->eflags_sys & FL_VM)) {
        uint32_t iopl = env->eflags_sys >> 12 & 3, mask;
        bool vm = env->eflags_sys & FL_VM;
        bool vme = vm && iopl < 3 && (env->x.cr4 & CR4_VME) && osz == 2;

        if (vm && iopl < 3 && !vme) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        uint64_t ip = x86_pop_peek(env, osz, 0);
        uint16_t cs = x86_pop_peek(env, osz, osz);
        uint32_t fl = x86_pop_peek(env, osz, 2 * osz), old = x86_eflags(env);

        if (ip > env->x.seg[R_CS].limit) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        mask = FL_ARITH | FL_TF | FL_DF | FL_NT;
        if (vme) {
            /* IF of the image is VIF. */
            if ((fl & FL_TF) || ((fl & FL_IF) && (old & FL_VIP))) {
                x86_raise_err(env, EXCP_GP, 0);
            }
            fl |= fl & FL_IF ? FL_VIF : 0;
            mask |= FL_VIF;
        } else {
            mask |= FL_IF;
            if (!vm) {
                mask |= FL_IOPL;
            }
            if (osz == 4) {
                mask |= FL_RF | FL_AC | FL_ID;
            }
        }
        x86_sp_add(env, 3 * osz);
        x86_load_seg_real(env, R_CS, cs);
        env->rip = (uint32_t)ip;
        x86_set_eflags(env, (old & ~mask) | (fl & mask));
        env->x.nmi_blocked = false;
        x86_update_mode(env);
        return;
    }
    if (env->eflags_sys & FL_NT) {
        if (long_mode(env)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        uint16_t link = x86_ld_sys(env, env->x.tr.base, 2);
        env->x.nmi_blocked = false;
        x86_task_switch(env, link, TASK_IRET, x86_next_rip(env), false, 0);
        return;
    }
    if (!long_mode(env) && osz == 4) {
        uint32_t fl = x86_pop_peek(env, 4, 8);
        if ((fl & FL_VM) && env->cpl == 0) {
            iret_to_vm86(env, x86_pop_peek(env, 4, 0), x86_pop_peek(env, 4, 4),
                         fl);
            env->x.nmi_blocked = false;
            return;
        }
    }
    far_return(env, osz, 0, true);
    env->x.nmi_blocked = false;
}

/*
 * Fast system calls.
 */
static void flat_seg(CPUX86State *env, int seg, uint16_t sel, uint32_t attr)
{
    x86_set_seg(env, seg, sel, 0, UINT32_MAX, attr);
}

/* Around a system call TF counts as it is afterwards. */
static void step_after(CPUX86State *env)
{
    if (env->eflags_sys & FL_TF) {
        env->x.pending_db |= BIT(14);
    }
}

#define ATTR_CODE32(dpl) (0xc09bu | (dpl) << 5)
#define ATTR_CODE64(dpl) (0xa09bu | (dpl) << 5)
#define ATTR_DATA(dpl)   (0xc093u | (dpl) << 5)

void x86_syscall(CPUX86State *env)
{
    uint16_t sel = BITS(env->x.star, 47, 32);
    uint64_t next = x86_next_rip(env);

    if (!(env->x.efer & EFER_SCE) || !protected_mode(env)) {
        x86_raise(env, EXCP_UD);
    }
    if (long_mode(env)) {
        uint32_t fl = x86_eflags(env);
        uint64_t target = env->code64 ? env->x.lstar : env->x.cstar;

        env->regs[R_CX] = next;
        env->regs[11] = fl & ~FL_RF;
        x86_set_eflags(env, fl & ~(uint32_t)env->x.fmask & ~FL_RF);
        env->cpl = 0;
        flat_seg(env, R_CS, sel & ~3u, ATTR_CODE64(0));
        flat_seg(env, R_SS, (sel + 8) & ~3u, ATTR_DATA(0));
        env->rip = target;
    } else {
        env->regs[R_CX] = (uint32_t)next;
        x86_set_eflags(env, x86_eflags(env) & ~(FL_IF | FL_VM | FL_RF));
        env->cpl = 0;
        flat_seg(env, R_CS, sel & ~3u, ATTR_CODE32(0));
        flat_seg(env, R_SS, (sel + 8) & ~3u, ATTR_DATA(0));
        env->rip = (uint32_t)env->x.star;
    }
    step_after(env);
}

void x86_sysret(CPUX86State *env, unsigned osz)
{
    uint16_t sel = BITS(env->x.star, 63, 48);

    if (!(env->x.efer & EFER_SCE) || !protected_mode(env)) {
        x86_raise(env, EXCP_UD);
    }
    if (env->cpl != 0) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (long_mode(env)) {
        uint64_t rip = osz == 8 ? env->regs[R_CX] : (uint32_t)env->regs[R_CX];

        if ((uint64_t)((int64_t)rip >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        x86_set_eflags(env, env->regs[11] & (0x3c7fd7 & ~(FL_RF | FL_VM)));
        env->cpl = 3;
        if (osz == 8) {
            flat_seg(env, R_CS, (sel + 16) | 3, ATTR_CODE64(3));
        } else {
            flat_seg(env, R_CS, sel | 3, ATTR_CODE32(3));
        }
        flat_seg(env, R_SS, (sel + 8) | 3, ATTR_DATA(3));
        env->rip = rip;
    } else {
        uint32_t rip = env->regs[R_CX];

        env->eflags_sys |= FL_IF;
        env->cpl = 3;
        flat_seg(env, R_CS, sel | 3, ATTR_CODE32(3));
        flat_seg(env, R_SS, (sel + 8) | 3, ATTR_DATA(3));
        env->rip = rip;
    }
    step_after(env);
}

void x86_sysenter(CPUX86State *env)
{
    uint16_t sel = env->x.sysenter_cs & ~3u;

    if (!protected_mode(env) && !(env->eflags_sys & FL_VM)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (!sel) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    x86_set_eflags(env, x86_eflags(env) & ~(FL_VM | FL_IF | FL_RF));
    env->cpl = 0;
    flat_seg(env, R_CS, sel,
             long_mode(env) ? ATTR_CODE64(0) : ATTR_CODE32(0));
    flat_seg(env, R_SS, sel + 8, ATTR_DATA(0));
    if (long_mode(env)) {
        env->regs[R_SP] = env->x.sysenter_esp;
        env->rip = env->x.sysenter_eip;
    } else {
        env->regs[R_SP] = (uint32_t)env->x.sysenter_esp;
        env->rip = (uint32_t)env->x.sysenter_eip;
    }
}

void x86_sysexit(CPUX86State *env, unsigned osz)
{
    uint16_t sel = env->x.sysenter_cs & ~3u;
    uint64_t rip = env->regs[R_DX], rsp = env->regs[R_CX];

    if (!protected_mode(env) || env->cpl != 0 || !sel) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (osz == 8) {
        if ((uint64_t)((int64_t)rip >> 47) + 1 > 1 ||
            (uint64_t)((int64_t)rsp >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        env->cpl = 3;
        flat_seg(env, R_CS, (sel + 32) | 3, ATTR_CODE64(3));
        flat_seg(env, R_SS, (sel + 40) | 3, ATTR_DATA(3));
    } else {
        rip = (uint32_t)rip;
        rsp = (uint32_t)rsp;
        env->cpl = 3;
        flat_seg(env, R_CS, (sel + 16) | 3, ATTR_CODE32(3));
        flat_seg(env, R_SS, (sel + 24) | 3, ATTR_DATA(3));
    }
    env->regs[R_SP] = rsp;
    env->rip = rip;
}

/*
 * Gates of the IDT (called from excp.c, which has read the gate).
 */
void x86_enter_gate(CPUX86State *env, uint16_t cs, uint64_t ip, unsigned size,
                    int ist, bool trap, bool has_error, uint32_t error,
                    uint64_t ret_rip)
{
    uint32_t lo, hi, slo = 0, shi = 0;
    vaddr at, sat = 0;
    int cpl = env->cpl;
    uint32_t fl = x86_eflags(env);
    struct stack k;

    if (!(cs & ~3u)) {
        x86_raise_err(env, EXCP_GP, env->ext);
    }
    x86_read_desc(env, cs, EXCP_GP, &lo, &hi, &at);
    int dpl = DESC_DPL(hi);
    if (!DESC_S(hi) || !IS_CODE(hi) || dpl > cpl ||
        (long_mode(env) && (!DESC_L(hi) || DESC_DB(hi)))) {
        raise_sel(env, EXCP_GP, cs);
    }
    if (!DESC_P(hi)) {
        raise_sel(env, EXCP_NP, cs);
    }
    int new_cpl = IS_CONF(hi) ? cpl : dpl;
    bool vm = fl & FL_VM;
    if (vm && new_cpl != 0) {
        raise_sel(env, EXCP_GP, cs);
    }
    if (new_cpl < cpl || ist) {
        k = x86_stk_inner(env, new_cpl, ist, &slo, &shi, &sat);
    } else {
        k = x86_stk_current(env);
        k.same = !long_mode(env);
        k.cpl = new_cpl;
        if (long_mode(env)) {
            k.mask = ~UINT64_C(0);
            k.base = 0;
        }
    }
    if (long_mode(env)) {
        k.sp &= ~UINT64_C(15);
    }
    if (vm) {
        x86_stk_push(env, &k, env->x.seg[R_GS].sel, size);
        x86_stk_push(env, &k, env->x.seg[R_FS].sel, size);
        x86_stk_push(env, &k, env->x.seg[R_DS].sel, size);
        x86_stk_push(env, &k, env->x.seg[R_ES].sel, size);
    }
    if (new_cpl < cpl || long_mode(env)) {
        x86_stk_push(env, &k, env->x.seg[R_SS].sel, size);
        x86_stk_push(env, &k, env->regs[R_SP], size);
    }
    x86_stk_push(env, &k, fl, size);
    x86_stk_push(env, &k, env->x.seg[R_CS].sel, size);
    x86_stk_push(env, &k, ret_rip, size);
    if (has_error) {
        x86_stk_push(env, &k, error, size);
    }
    x86_check_ip(env, ip, lo, hi);
    x86_set_accessed(env, &hi, at);
    if (vm) {
        static const uint8_t segs[] = { R_ES, R_DS, R_FS, R_GS };
        for (unsigned i = 0; i < ARRAY_SIZE(segs); i++) {
            env->x.seg[segs[i]] = (struct x86_seg){ .attr = SEG_UNUSABLE };
        }
    }
    fl &= ~(FL_TF | FL_NT | FL_RF | FL_VM);
    if (!trap) {
        fl &= ~FL_IF;
    }
    x86_set_eflags(env, fl);
    if (long_mode(env) && new_cpl == cpl && !ist) {
        /* Same level: SS stays; RSP is the aligned one. */
        x86_load_cs_desc(env, cs, lo, hi, at, new_cpl);
        env->regs[R_SP] = k.sp;
    } else {
        bool keep_ss = long_mode(env) && new_cpl == cpl;
        x86_load_cs_desc(env, cs, lo, hi, at, new_cpl);
        if (keep_ss) {
            env->regs[R_SP] = k.sp;
        } else {
            x86_stk_commit(env, &k, slo, shi, sat);
        }
    }
    set_rip(env, ip);
    x86_update_mode(env);
}
