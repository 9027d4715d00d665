/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation: descriptors, segment loads, far transfers through gates, the
 * hardware task switch, fast system calls.  After the Intel SDM vol. 2 (the
 * instructions' pseudo code) and vol. 3 chapters 5 to 7.
 */
#include "osdep.h"
#include "cpu.h"
#include "decode.h"

#define DESC_TYPE(hi) ((hi) >> 8 & 15)
#define DESC_S(hi)    ((hi) >> 12 & 1)
#define DESC_DPL(hi)  ((hi) >> 13 & 3)
#define DESC_P(hi)    ((hi) >> 15 & 1)
#define DESC_L(hi)    ((hi) >> 21 & 1)
#define DESC_DB(hi)   ((hi) >> 22 & 1)
#define IS_CODE(hi)   ((hi) >> 11 & 1)
#define IS_CONF(hi)   ((hi) >> 10 & 1)
#define IS_RW(hi)     ((hi) >> 9 & 1)

enum { ST_TSS16 = 1, ST_LDT, ST_TSS16_BUSY, ST_CALL16, ST_TASK, ST_INT16,
       ST_TRAP16, ST_TSS32 = 9, ST_TSS32_BUSY = 11, ST_CALL32, ST_INT32 = 14,
       ST_TRAP32 };

static uint32_t desc_base(uint32_t lo, uint32_t hi)
{
    return lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000);
}

uint32_t x86_desc_limit(uint32_t lo, uint32_t hi)
{
    uint32_t limit = (lo & 0xffff) | (hi & 0xf0000);

    return hi & 0x800000 ? limit << 12 | 0xfff : limit;
}

static uint32_t desc_attr(uint32_t hi)
{
    return hi >> 8 & 0xf0ff;
}

static bool protected_mode(CPUX86State *env)
{
    return (env->x.cr0 & CR0_PE) && !(env->eflags_sys & FL_VM);
}

static bool long_mode(CPUX86State *env)
{
    return env->x.efer & EFER_LMA;
}

NORETURN static void raise_sel(CPUX86State *env, int vec, uint16_t sel)
{
    x86_raise_err(env, vec, (sel & ~3u) | env->ext);
}

/* Bit in seg_flat: base 0, limit 4 GB, readable and (but for CS) writable. */
static void update_flat(CPUX86State *env, int seg)
{
    const struct x86_seg *s = &env->x.seg[seg];
    bool flat;

    if (env->code64) {
        flat = seg < R_FS; /* base and limit do not count */
    } else if (seg == R_CS) {
        flat = s->base == 0 && s->limit == UINT32_MAX && (s->attr & SEG_W);
    } else {
        flat = s->base == 0 && s->limit == UINT32_MAX &&
               !(s->attr & SEG_UNUSABLE) &&
               (s->attr & (SEG_X | SEG_E | SEG_W)) == SEG_W;
    }
    env->seg_flat = (env->seg_flat & ~BIT(seg)) | ((uint64_t)flat << seg);
}

static uint32_t wide_key(const CPUX86State *env, int seg, uint32_t bit)
{
    const struct x86_seg *s = &env->x.seg[seg];

    return !env->code64 && s->limit == UINT32_MAX &&
           !(s->attr & SEG_UNUSABLE) &&
           (s->attr & (SEG_X | SEG_E | SEG_W)) == SEG_W ? bit : 0;
}

/* Which units run without #UD, #NM or FERR#. */
static uint32_t unit_key(const CPUX86State *env)
{
    uint64_t cr0 = env->x.cr0, cr4 = env->x.cr4;
    uint32_t key = 0;

    if (cr0 & (CR0_EM | CR0_TS)) {
        return 0;
    }
    if (cr4 & CR4_OSFXSR) {
        key |= KEY_SSE;
    }
    if ((cr4 & CR4_OSXSAVE) && (env->x.xcr0 & 6) == 6) {
        key |= KEY_AVX;
    }
    return key | (cr0 & CR0_NE ? KEY_X87 : 0);
}

void x86_update_mode(CPUX86State *env)
{
    env->code64 = long_mode(env) && (env->x.seg[R_CS].attr & SEG_L);
    env->a_mask = env->code64 ? ~UINT64_C(0) : UINT32_MAX;
    for (int i = 0; i < 6; i++) {
        env->seg_base[i] = env->code64 && i < R_FS ? 0 : env->x.seg[i].base;
        update_flat(env, i);
    }
    x86_mmu_update_mode(env);
    env->single_only = (env->eflags_sys & (FL_TF | FL_RF)) ||
                       env->debug_single;
    /* CS is read through only by overrides: the others make "flat". */
    bool flat = env->code64 || (env->seg_flat & 0xf) == 0xf;
    env->key = (env->code64 ? KEY_L : 0) |
               (env->x.seg[R_CS].attr & SEG_DB ? KEY_D : 0) |
               (env->x.seg[R_SS].attr & SEG_DB ? KEY_SSB : 0) |
               (flat ? KEY_FLAT : 0) | (env->cpl == 3 ? KEY_USER : 0) |
               (protected_mode(env) ? 0 : KEY_REAL) |
               (env->mmu_idx == MMU_KSMAP ? KEY_KSMAP : 0) | unit_key(env) |
               wide_key(env, R_FS, KEY_FS) | wide_key(env, R_GS, KEY_GS);
    x86_jc_update(env);
    x86_break(env);
}

void x86_set_cpl(CPUX86State *env, int cpl)
{
    env->cpl = cpl;
    env->x.seg[R_SS].attr = (env->x.seg[R_SS].attr & ~0x60u) | cpl << 5;
}

void x86_set_seg(CPUX86State *env, int seg, uint16_t sel, uint64_t base,
                 uint32_t limit, uint32_t attr)
{
    env->x.seg[seg] = (struct x86_seg){ base, limit, attr, sel };
    if (seg == R_CS || seg == R_SS) {
        x86_update_mode(env);
    } else {
        bool was = (env->seg_flat & 0xf) == 0xf;
        env->seg_base[seg] = env->code64 && seg < R_FS ? 0 : base;
        update_flat(env, seg);
        if (!env->code64 &&
            (was != ((env->seg_flat & 0xf) == 0xf) ||
             (wide_key(env, R_FS, KEY_FS) | wide_key(env, R_GS, KEY_GS)) !=
                 (env->key & (KEY_FS | KEY_GS)))) {
            x86_update_mode(env);
        }
    }
}

void x86_load_seg_real(CPUX86State *env, int seg, uint16_t sel)
{
    struct x86_seg *s = &env->x.seg[seg];

    if (env->eflags_sys & FL_VM) {
        x86_set_seg(env, seg, sel, (uint32_t)sel << 4, 0xffff, 0xf3);
    } else {
        /* Real mode keeps the limit and, but for CS, the rights. */
        uint32_t attr = s->attr & ~SEG_UNUSABLE;
        if (seg == R_CS) {
            attr = (attr & ~0xffu) | 0x9b;
            if (s->limit < 0xffff) {
                s->limit = 0xffff;
            }
        } else {
            attr |= 0x93;
        }
        x86_set_seg(env, seg, sel, (uint32_t)sel << 4, s->limit, attr);
    }
}

void x86_read_desc(CPUX86State *env, uint16_t sel, int vec, uint32_t *lo,
                   uint32_t *hi, vaddr *at)
{
    uint64_t base;
    uint32_t limit;

    if (sel & 4) {
        base = env->x.ldt.base;
        limit = env->x.ldt.attr & SEG_UNUSABLE ? 0 : env->x.ldt.limit;
        if (env->x.ldt.attr & SEG_UNUSABLE) {
            raise_sel(env, vec, sel);
        }
    } else {
        base = env->x.gdt.base;
        limit = env->x.gdt.limit;
    }
    if ((sel | 7u) > limit) {
        raise_sel(env, vec, sel);
    }
    *at = base + (sel & ~7u);
    uint64_t d = x86_ld_sys(env, *at, 8);
    *lo = d;
    *hi = d >> 32;
}

/* System descriptors have 16 bytes in long mode. */
static uint32_t desc_high(CPUX86State *env, uint16_t sel, vaddr at, int vec)
{
    uint32_t limit = sel & 4 ? env->x.ldt.limit : env->x.gdt.limit;

    if ((sel | 7u) + 8 > limit) {
        raise_sel(env, vec, sel);
    }
    if (x86_ld_sys(env, at + 12, 4) & 0x1f00) {
        raise_sel(env, vec, sel);
    }
    return x86_ld_sys(env, at + 8, 4);
}

static void set_accessed(CPUX86State *env, uint32_t *hi, vaddr at)
{
    if (!(*hi & 0x100)) {
        *hi |= 0x100;
        x86_st_sys(env, at + 5, *hi >> 8 & 0xff, 1);
    }
}

void x86_load_seg(CPUX86State *env, int seg, uint16_t sel)
{
    uint32_t lo, hi;
    vaddr at;
    int cpl = env->cpl, rpl = sel & 3;

    if (!protected_mode(env)) {
        x86_load_seg_real(env, seg, sel);
        return;
    }
    if (!(sel & ~3u)) {
        if (seg == R_SS && (!env->code64 || cpl == 3 || rpl != cpl)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        x86_set_seg(env, seg, sel, 0, 0,
                    SEG_UNUSABLE | (seg == R_SS ? (uint32_t)cpl << 5 : 0));
        return;
    }
    x86_read_desc(env, sel, EXCP_GP, &lo, &hi, &at);
    if (!DESC_S(hi)) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (seg == R_SS) {
        if (rpl != cpl || (int)DESC_DPL(hi) != cpl || IS_CODE(hi) ||
            !IS_RW(hi)) {
            raise_sel(env, EXCP_GP, sel);
        }
        if (!DESC_P(hi)) {
            raise_sel(env, EXCP_SS, sel);
        }
    } else {
        if (IS_CODE(hi) && !IS_RW(hi)) {
            raise_sel(env, EXCP_GP, sel);
        }
        if (!(IS_CODE(hi) && IS_CONF(hi)) &&
            (int)DESC_DPL(hi) < MAX(rpl, cpl)) {
            raise_sel(env, EXCP_GP, sel);
        }
        if (!DESC_P(hi)) {
            raise_sel(env, EXCP_NP, sel);
        }
    }
    set_accessed(env, &hi, at);
    x86_set_seg(env, seg, sel, desc_base(lo, hi), x86_desc_limit(lo, hi),
                desc_attr(hi));
}

/* CS and CPL at once, checked by the caller; P is checked here. */
void x86_load_cs_desc(CPUX86State *env, uint16_t sel, uint32_t lo,
                      uint32_t hi, vaddr at, int cpl)
{
    set_accessed(env, &hi, at);
    env->cpl = cpl;
    x86_set_seg(env, R_CS, (sel & ~3u) | cpl, desc_base(lo, hi),
                x86_desc_limit(lo, hi), desc_attr(hi));
}

vaddr x86_seg_lin_slow(CPUX86State *env, int seg, uint64_t off, unsigned size,
                       bool write)
{
    const struct x86_seg *s = &env->x.seg[seg];
    int vec = seg == R_SS ? EXCP_SS : EXCP_GP;

    if (env->code64) {
        vaddr lin = env->seg_base[seg] + off;
        if ((uint64_t)((int64_t)lin >> 47) + 1 > 1 ||
            (uint64_t)((int64_t)(lin + size - 1) >> 47) + 1 > 1) {
            x86_raise_err(env, vec, 0);
        }
        return lin;
    }
    off = (uint32_t)off;
    uint64_t last = off + size - 1;
    if (protected_mode(env)) {
        if (s->attr & SEG_UNUSABLE) {
            x86_raise_err(env, vec, 0);
        }
        if (s->attr & SEG_X) {
            if (write || !(s->attr & SEG_W)) {
                x86_raise_err(env, vec, 0);
            }
        } else if (write && !(s->attr & SEG_W)) {
            x86_raise_err(env, vec, 0);
        }
    }
    if ((s->attr & (SEG_X | SEG_E)) == SEG_E && protected_mode(env)) {
        uint64_t top = s->attr & SEG_DB ? UINT32_MAX : 0xffff;
        if (off <= s->limit || last > top) {
            x86_raise_err(env, vec, 0);
        }
    } else if (last > s->limit) {
        /*
         * With a limit of 4 GB the access wraps, as processors do.  In real
         * mode 32-bit offsets beyond the limit go through: U-Boot runs the
         * VGA BIOS without "big real mode", and that reads the card's MMIO.
         * It works with QEMU, which checks no limits.
         */
        if (s->limit != UINT32_MAX &&
            !(!(env->x.cr0 & CR0_PE) && off > UINT16_MAX)) {
            x86_raise_err(env, vec, 0);
        }
    }
    return (uint32_t)(s->base + off);
}

/*
 * Stack.
 */
static uint64_t sp_mask(CPUX86State *env)
{
    return env->code64 ? ~UINT64_C(0)
        : env->x.seg[R_SS].attr & SEG_DB ? UINT32_MAX
                                         : 0xffff;
}

static void set_sp(CPUX86State *env, uint64_t val)
{
    uint64_t m = sp_mask(env);

    if (m == UINT32_MAX) {
        env->regs[R_SP] = (uint32_t)val;
    } else {
        env->regs[R_SP] = (env->regs[R_SP] & ~m) | (val & m);
    }
}

void x86_sp_add(CPUX86State *env, int64_t n)
{
    set_sp(env, env->regs[R_SP] + n);
}

static void st_sized(CPUX86State *env, vaddr lin, uint64_t val, unsigned size)
{
    switch (size) {
    case 2:
        x86_st16(env, lin, val);
        break;
    case 4:
        x86_st32(env, lin, val);
        break;
    default:
        x86_st64(env, lin, val);
    }
}

void x86_push(CPUX86State *env, uint64_t val, unsigned size)
{
    uint64_t sp = (env->regs[R_SP] - size) & sp_mask(env);

    st_sized(env, x86_seg_lin(env, R_SS, sp, size, true), val, size);
    set_sp(env, sp);
}

uint64_t x86_pop_peek(CPUX86State *env, unsigned size, uint64_t skip)
{
    uint64_t sp = (env->regs[R_SP] + skip) & sp_mask(env);
    vaddr lin = x86_seg_lin(env, R_SS, sp, size, false);

    return size == 2 ? x86_ld16(env, lin)
         : size == 4 ? x86_ld32(env, lin)
                     : x86_ld64(env, lin);
}

/* Pushes in the making: the register moves only when all is written. */
struct stack {
    uint64_t base, sp, mask, limit;
    int cpl;
    bool same;  /* the stack in use: its segment's checks apply */
    uint32_t attr;
    uint16_t sel;
};

static void stk_push(CPUX86State *env, struct stack *k, uint64_t val,
                     unsigned size)
{
    uint64_t sp = (k->sp - size) & k->mask;

    if (k->same) {
        st_sized(env, x86_seg_lin(env, R_SS, sp, size, true), val, size);
    } else {
        if (!long_mode(env)) {
            uint64_t last = sp + size - 1;
            bool bad = k->attr & SEG_E
                ? sp <= k->limit ||
                      last > (k->attr & SEG_DB ? UINT32_MAX : 0xffff)
                : last > k->limit;
            if (bad) {
                x86_raise_err(env, EXCP_SS, (k->sel & ~3u) | env->ext);
            }
        }
        x86_st_cpl(env, k->base + sp, val, size, k->cpl);
    }
    k->sp = (k->sp & ~k->mask) | sp;
}

static struct stack stk_current(CPUX86State *env)
{
    return (struct stack){ .base = env->seg_base[R_SS],
                           .sp = env->regs[R_SP], .mask = sp_mask(env),
                           .cpl = env->cpl, .same = true };
}

uint64_t x86_tss_stack(CPUX86State *env, int cpl, int ist, uint16_t *ss)
{
    const struct x86_seg *tr = &env->x.tr;
    uint32_t off, size;

    if (long_mode(env)) {
        off = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;
        if (off + 7 > tr->limit) {
            raise_sel(env, EXCP_TS, tr->sel);
        }
        *ss = cpl;
        return x86_ld_sys(env, tr->base + off, 8);
    }
    if (SEG_TYPE(tr->attr) & 8) {
        off = 4 + 8 * cpl;
        size = 4;
    } else {
        off = 2 + 4 * cpl;
        size = 2;
    }
    if (off + size + 1 > tr->limit) {
        raise_sel(env, EXCP_TS, tr->sel);
    }
    *ss = x86_ld_sys(env, tr->base + off + size, 2);
    return x86_ld_sys(env, tr->base + off, size);
}

/* Checks and describes the stack of an inner level. */
static struct stack stk_inner(CPUX86State *env, int cpl, int ist,
                              uint32_t *ss_lo, uint32_t *ss_hi, vaddr *ss_at)
{
    struct stack k = { .cpl = cpl };
    uint16_t ss;

    k.sp = x86_tss_stack(env, cpl, ist, &ss);
    k.sel = ss;
    if (long_mode(env)) {
        k.mask = ~UINT64_C(0);
        return k;
    }
    if (!(ss & ~3u)) {
        raise_sel(env, EXCP_TS, ss);
    }
    x86_read_desc(env, ss, EXCP_TS, ss_lo, ss_hi, ss_at);
    if ((ss & 3) != cpl || (int)DESC_DPL(*ss_hi) != cpl || !DESC_S(*ss_hi) ||
        IS_CODE(*ss_hi) || !IS_RW(*ss_hi)) {
        raise_sel(env, EXCP_TS, ss);
    }
    if (!DESC_P(*ss_hi)) {
        raise_sel(env, EXCP_SS, ss);
    }
    k.base = desc_base(*ss_lo, *ss_hi);
    k.limit = x86_desc_limit(*ss_lo, *ss_hi);
    k.attr = desc_attr(*ss_hi);
    k.mask = DESC_DB(*ss_hi) ? UINT32_MAX : 0xffff;
    return k;
}

static void stk_commit(CPUX86State *env, struct stack *k, uint32_t ss_lo,
                       uint32_t ss_hi, vaddr ss_at)
{
    if (!k->same) {
        env->cpl = k->cpl;
        if (long_mode(env)) {
            x86_set_seg(env, R_SS, k->cpl, 0, 0,
                        SEG_UNUSABLE | (uint32_t)k->cpl << 5);
            env->regs[R_SP] = k->sp;
            return;
        }
        set_accessed(env, &ss_hi, ss_at);
        x86_set_seg(env, R_SS, k->sel, desc_base(ss_lo, ss_hi),
                    x86_desc_limit(ss_lo, ss_hi), desc_attr(ss_hi));
    }
    if (k->mask == UINT32_MAX) {
        env->regs[R_SP] = (uint32_t)k->sp;
    } else {
        env->regs[R_SP] = (env->regs[R_SP] & ~k->mask) | (k->sp & k->mask);
    }
}

/* The new instruction pointer must lie in the code segment. */
static void check_ip(CPUX86State *env, uint64_t ip, uint32_t lo, uint32_t hi)
{
    if (long_mode(env) && DESC_L(hi)) {
        if ((uint64_t)((int64_t)ip >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else if ((uint32_t)ip > x86_desc_limit(lo, hi)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
}

static void set_rip(CPUX86State *env, uint64_t ip)
{
    env->rip = env->code64 ? ip : (uint32_t)ip;
}

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
        ip |= (uint64_t)desc_high(env, sel, at, EXCP_GP) << 32;
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
        check_ip(env, ip, clo, chi);
        x86_load_cs_desc(env, cs, clo, chi, cat, cpl);
        set_rip(env, ip);
        return;
    }
    uint64_t ret = x86_next_rip(env);
    uint16_t old_cs = env->x.seg[R_CS].sel;
    if (!IS_CONF(chi) && cdpl < cpl) {
        uint32_t slo = 0, shi = 0;
        vaddr sat = 0;
        struct stack k = stk_inner(env, cdpl, 0, &slo, &shi, &sat);
        unsigned n = long_mode(env) ? 0 : hi & 31;

        stk_push(env, &k, env->x.seg[R_SS].sel, size);
        stk_push(env, &k, env->regs[R_SP], size);
        for (unsigned i = n; i-- > 0;) {
            stk_push(env, &k, x86_pop_peek(env, size, i * size), size);
        }
        stk_push(env, &k, old_cs, size);
        stk_push(env, &k, ret, size);
        check_ip(env, ip, clo, chi);
        set_accessed(env, &chi, cat);
        x86_load_cs_desc(env, cs, clo, chi, cat, cdpl);
        stk_commit(env, &k, slo, shi, sat);
    } else {
        struct stack k = stk_current(env);

        stk_push(env, &k, old_cs, size);
        stk_push(env, &k, ret, size);
        check_ip(env, ip, clo, chi);
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
            struct stack k = stk_current(env);
            stk_push(env, &k, env->x.seg[R_CS].sel, osz);
            stk_push(env, &k, ret, osz);
            stk_commit(env, &k, 0, 0, 0);
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
            struct stack k = stk_current(env);
            uint64_t m = k.mask;

            stk_push(env, &k, env->x.seg[R_CS].sel, osz);
            stk_push(env, &k, ret, osz);
            check_ip(env, off, lo, hi);
            x86_load_cs_desc(env, sel, lo, hi, at, env->cpl);
            env->regs[R_SP] = m == UINT32_MAX
                ? (uint32_t)k.sp
                : (env->regs[R_SP] & ~m) | (k.sp & m);
        } else {
            check_ip(env, off, lo, hi);
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
        /* fall through */
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
        check_ip(env, ip, lo, hi);
        uint64_t m = sp_mask(env), sp = env->regs[R_SP] + used + pop_bytes;
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
        check_ip(env, ip, lo, hi);
        if (ss & ~3u) {
            set_accessed(env, &shi, sat); /* while nothing has changed */
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
            uint64_t m = sp_mask(env);
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
 * LDTR, TR, and the descriptor queries.
 */
static void load_system(CPUX86State *env, uint16_t sel, struct x86_seg *out,
                        bool tss)
{
    uint32_t lo, hi;
    uint64_t base;
    vaddr at;

    if (!(sel & ~3u)) {
        if (tss) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        *out = (struct x86_seg){ .sel = sel, .attr = SEG_UNUSABLE };
        return;
    }
    if (sel & 4) {
        raise_sel(env, EXCP_GP, sel);
    }
    x86_read_desc(env, sel, EXCP_GP, &lo, &hi, &at);
    int type = DESC_TYPE(hi);
    if (DESC_S(hi) ||
        (tss ? type != ST_TSS32 && (type != ST_TSS16 || long_mode(env))
             : type != ST_LDT)) {
        raise_sel(env, EXCP_GP, sel);
    }
    if (!DESC_P(hi)) {
        raise_sel(env, EXCP_NP, sel);
    }
    base = desc_base(lo, hi);
    if (long_mode(env)) {
        base |= (uint64_t)desc_high(env, sel, at, EXCP_GP) << 32;
        if ((uint64_t)((int64_t)base >> 47) + 1 > 1) {
            raise_sel(env, EXCP_GP, sel);
        }
    }
    if (tss) {
        hi |= 0x200; /* busy */
        x86_st_sys(env, at + 4, hi, 4);
    }
    *out = (struct x86_seg){ base, x86_desc_limit(lo, hi), desc_attr(hi),
                             sel };
}

void x86_lldt(CPUX86State *env, uint16_t sel)
{
    load_system(env, sel, &env->x.ldt, false);
}

void x86_ltr(CPUX86State *env, uint16_t sel)
{
    load_system(env, sel, &env->x.tr, true);
}

/* For LAR and friends: no fault but those of the access itself. */
static bool peek_desc(CPUX86State *env, uint16_t sel, uint32_t *lo,
                      uint32_t *hi)
{
    const struct x86_seg *l = &env->x.ldt;
    uint32_t limit = sel & 4 ? l->limit : env->x.gdt.limit;
    uint64_t base = sel & 4 ? l->base : env->x.gdt.base;

    if (!(sel & ~3u) || ((sel & 4) && (l->attr & SEG_UNUSABLE)) ||
        (sel | 7u) > limit) {
        return false;
    }
    uint64_t d = x86_ld_sys(env, base + (sel & ~7u), 8);
    *lo = d;
    *hi = d >> 32;
    return true;
}

static bool visible(CPUX86State *env, uint16_t sel, uint32_t hi)
{
    if (DESC_S(hi) && IS_CODE(hi) && IS_CONF(hi)) {
        return true;
    }
    return (int)DESC_DPL(hi) >= MAX(env->cpl, sel & 3);
}

bool x86_lar(CPUX86State *env, uint16_t sel, uint32_t *res)
{
    uint32_t lo, hi;

    if (!peek_desc(env, sel, &lo, &hi)) {
        return false;
    }
    if (!DESC_S(hi)) {
        unsigned ok = BIT(ST_TSS16) | BIT(ST_LDT) | BIT(ST_TSS16_BUSY) |
                      BIT(ST_CALL16) | BIT(ST_TASK) | BIT(ST_TSS32) |
                      BIT(ST_TSS32_BUSY) | BIT(ST_CALL32);
        if (long_mode(env)) {
            ok = BIT(ST_LDT) | BIT(ST_TSS32) | BIT(ST_TSS32_BUSY) |
                 BIT(ST_CALL32);
        }
        if (!(ok >> DESC_TYPE(hi) & 1)) {
            return false;
        }
    }
    if (!visible(env, sel, hi)) {
        return false;
    }
    *res = hi & 0x00f0ff00;
    return true;
}

bool x86_lsl(CPUX86State *env, uint16_t sel, uint32_t *res)
{
    uint32_t lo, hi;

    if (!peek_desc(env, sel, &lo, &hi)) {
        return false;
    }
    if (!DESC_S(hi)) {
        unsigned ok = BIT(ST_LDT) | BIT(ST_TSS32) | BIT(ST_TSS32_BUSY);
        if (!long_mode(env)) {
            ok |= BIT(ST_TSS16) | BIT(ST_TSS16_BUSY);
        }
        if (!(ok >> DESC_TYPE(hi) & 1)) {
            return false;
        }
    }
    if (!visible(env, sel, hi)) {
        return false;
    }
    *res = x86_desc_limit(lo, hi);
    return true;
}

bool x86_verx(CPUX86State *env, uint16_t sel, bool write)
{
    uint32_t lo, hi;

    if (!peek_desc(env, sel, &lo, &hi) || !DESC_S(hi) ||
        !visible(env, sel, hi)) {
        return false;
    }
    if (IS_CODE(hi)) {
        return !write && IS_RW(hi);
    }
    return !write || IS_RW(hi);
}

/* The I/O permission bitmap, or IOPL. */
void x86_check_io(CPUX86State *env, unsigned port, unsigned size)
{
    const struct x86_seg *tr = &env->x.tr;

    if (!(env->x.cr0 & CR0_PE) ||
        (!(env->eflags_sys & FL_VM) &&
         env->cpl <= (int)(env->eflags_sys >> 12 & 3))) {
        return;
    }
    if (!(SEG_TYPE(tr->attr) & 8) || tr->limit < 0x67) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    uint32_t map = x86_ld_sys(env, tr->base + 0x66, 2);
    uint32_t at = map + port / 8;
    if (at + 1 > tr->limit) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    uint32_t bits = x86_ld_sys(env, tr->base + at, 2) >> (port & 7);
    if (bits & ((1u << size) - 1)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
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
        k = stk_inner(env, new_cpl, ist, &slo, &shi, &sat);
    } else {
        k = stk_current(env);
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
        stk_push(env, &k, env->x.seg[R_GS].sel, size);
        stk_push(env, &k, env->x.seg[R_FS].sel, size);
        stk_push(env, &k, env->x.seg[R_DS].sel, size);
        stk_push(env, &k, env->x.seg[R_ES].sel, size);
    }
    if (new_cpl < cpl || long_mode(env)) {
        stk_push(env, &k, env->x.seg[R_SS].sel, size);
        stk_push(env, &k, env->regs[R_SP], size);
    }
    stk_push(env, &k, fl, size);
    stk_push(env, &k, env->x.seg[R_CS].sel, size);
    stk_push(env, &k, ret_rip, size);
    if (has_error) {
        stk_push(env, &k, error, size);
    }
    check_ip(env, ip, lo, hi);
    set_accessed(env, &hi, at);
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
            stk_commit(env, &k, slo, shi, sat);
        }
    }
    set_rip(env, ip);
    x86_update_mode(env);
}
