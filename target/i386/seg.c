/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation: descriptors, segment loads, stacks, LAR and its like.
 * Transfers are in far.c, task switches in task.c.  After the Intel SDM
 * vol. 2 (the instructions' pseudo code) and vol. 3 chapters 5 to 7.
 */
#include "osdep.h"
#include "seg-int.h"
#include "decode.h"

uint32_t x86_desc_limit(uint32_t lo, uint32_t hi)
{
    uint32_t limit = (lo & 0xffff) | (hi & 0xf0000);

    return hi & 0x800000 ? limit << 12 | 0xfff : limit;
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
uint32_t x86_desc_high(CPUX86State *env, uint16_t sel, vaddr at, int vec)
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

void x86_set_accessed(CPUX86State *env, uint32_t *hi, vaddr at)
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
    x86_set_accessed(env, &hi, at);
    x86_set_seg(env, seg, sel, desc_base(lo, hi), x86_desc_limit(lo, hi),
                desc_attr(hi));
}

/* CS and CPL at once, checked by the caller; P is checked here. */
void x86_load_cs_desc(CPUX86State *env, uint16_t sel, uint32_t lo,
                      uint32_t hi, vaddr at, int cpl)
{
    x86_set_accessed(env, &hi, at);
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
uint64_t x86_sp_mask(CPUX86State *env)
{
    return env->code64 ? ~UINT64_C(0)
        : env->x.seg[R_SS].attr & SEG_DB ? UINT32_MAX
                                         : 0xffff;
}

static void set_sp(CPUX86State *env, uint64_t val)
{
    uint64_t m = x86_sp_mask(env);

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
    uint64_t sp = (env->regs[R_SP] - size) & x86_sp_mask(env);

    st_sized(env, x86_seg_lin(env, R_SS, sp, size, true), val, size);
    set_sp(env, sp);
}

uint64_t x86_pop_peek(CPUX86State *env, unsigned size, uint64_t skip)
{
    uint64_t sp = (env->regs[R_SP] + skip) & x86_sp_mask(env);
    vaddr lin = x86_seg_lin(env, R_SS, sp, size, false);

    return size == 2 ? x86_ld16(env, lin)
         : size == 4 ? x86_ld32(env, lin)
                     : x86_ld64(env, lin);
}

void x86_stk_push(CPUX86State *env, struct stack *k, uint64_t val,
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

struct stack x86_stk_current(CPUX86State *env)
{
    return (struct stack){ .base = env->seg_base[R_SS],
                           .sp = env->regs[R_SP], .mask = x86_sp_mask(env),
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
struct stack x86_stk_inner(CPUX86State *env, int cpl, int ist,
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

void x86_stk_commit(CPUX86State *env, struct stack *k, uint32_t ss_lo,
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
        x86_set_accessed(env, &ss_hi, ss_at);
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
void x86_check_ip(CPUX86State *env, uint64_t ip, uint32_t lo, uint32_t hi)
{
    if (long_mode(env) && DESC_L(hi)) {
        if ((uint64_t)((int64_t)ip >> 47) + 1 > 1) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else if ((uint32_t)ip > x86_desc_limit(lo, hi)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
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
        base |= (uint64_t)x86_desc_high(env, sel, at, EXCP_GP) << 32;
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
