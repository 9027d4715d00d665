/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 and the instructions that save and restore the vector state.
 *
 * The state is the FXSAVE/XSAVE image of struct x86_regs.  An arithmetic
 * instruction loads it into the host's unit, runs there by a thunk and is
 * stored back; control instructions work on the image.  ES and B of the
 * status word always follow from the flags and the control word.  The last
 * instruction's and operand's pointers are kept for every instruction: FIP
 * and FDP are 64 bits wide in 64-bit code, else offset and selector in the
 * two halves, as the 32-bit FXSAVE format has them.
 *
 * Formats: Intel SDM volume 1, 8.1.10 and 10.5.1, 13.4-13.13.
 */
#include "osdep.h"
#include "target/i386/simd-int.h"

#define FSW_ES 0x8080u /* with B, its copy */
#define FSW_EXC 0x3fu
#define FSW_TOP(fsw) ((fsw) >> 11 & 7)
#define FCW_INIT 0x37f
#define FCW_VALID 0x1f7fu
#define FCW_ONE 0x40u
#define MXCSR_INIT 0x1f80

#define XCR_X87 BIT(0)
#define XCR_SSE BIT(1)
#define XCR_AVX BIT(2)
#define XCOMP_COMPACT BIT(63)

static void fix_es(CPUX86State *env)
{
    uint16_t *fsw = img16(env, XS_FSW);

    if (*fsw & ~*img16(env, XS_FCW) & FSW_EXC) {
        *fsw |= FSW_ES;
    } else {
        *fsw &= ~FSW_ES;
    }
}

/* The image has the registers by their distance from TOP; they stay where
 * they are when TOP changes. */
static void set_top(CPUX86State *env, unsigned top)
{
    uint16_t *fsw = img16(env, XS_FSW);
    unsigned by = (top - FSW_TOP(*fsw)) & 7;

    if (by) {
        uint8_t old[128];

        memcpy(old, env->x.xsave + XS_ST(0), sizeof(old));
        for (unsigned i = 0; i < 8; i++) {
            memcpy(env->x.xsave + XS_ST(i), old + 16 * ((i + by) & 7), 16);
        }
        *fsw = (*fsw & ~0x3800) | top << 11;
    }
}

static void x87_init(CPUX86State *env)
{
    set_top(env, 0);
    *img16(env, XS_FCW) = FCW_INIT;
    *img16(env, XS_FSW) = 0;
    *img16(env, XS_FTW) = 0;
    *img16(env, XS_FOP) = 0;
    *img64(env, XS_FIP) = 0;
    *img64(env, XS_FDP) = 0;
}

void x86_fpu_reset(CPUX86State *env)
{
    memset(env->x.xsave, 0, sizeof(env->x.xsave));
    x87_init(env);
    /* RESET differs from FNINIT (SDM volume 3, table 9-1): FCW is 40h and
     * all tags say zero; the registers are zero and so they stay. */
    *img16(env, XS_FCW) = FCW_ONE;
    *img16(env, XS_FTW) = 0xff;
    *img32(env, XS_MXCSR) = MXCSR_INIT;
    *img32(env, XS_MXCSR + 4) = MXCSR_VALID;
}

static void raise_ferr(CPUX86State *env)
{
    if (!env->ignne && x86_platform.set_ferr) {
        bql_lock();
        x86_platform.set_ferr(true);
        bql_unlock();
    }
}

void x87_check_pending(CPUX86State *env)
{
    if (likely(!(*img16(env, XS_FSW) & ~*img16(env, XS_FCW) & FSW_EXC))) {
        return;
    }
    if (env->x.cr0 & CR0_NE) {
        x86_raise(env, EXCP_MF);
    }
    /* FERR# was raised with the exception; again if IGNNE# held it off. */
    raise_ferr(env);
}

void x87_to_mmx(CPUX86State *env)
{
    set_top(env, 0);
    *img16(env, XS_FTW) = 0xff;
}

/* ---- environment images ------------------------------------------------- */

/* The image keeps a bit a register; FNSTENV shows what is in it. */
static uint16_t full_tags(CPUX86State *env)
{
    unsigned top = FSW_TOP(*img16(env, XS_FSW));
    unsigned ftw = *img16(env, XS_FTW);
    uint16_t out = 0;

    for (unsigned p = 0; p < 8; p++) {
        const uint8_t *st = env->x.xsave + XS_ST((p - top) & 7);
        uint64_t mant;
        uint16_t se;
        unsigned tag;

        memcpy(&mant, st, 8);
        memcpy(&se, st + 8, 2);
        se &= 0x7fff;
        if (!(ftw >> p & 1)) {
            tag = 3;
        } else if (se == 0x7fff) {
            tag = 2;
        } else if (se == 0) {
            tag = mant ? 2 : 1;
        } else {
            tag = mant >> 63 ? 0 : 2;
        }
        out |= tag << (2 * p);
    }
    return out;
}

static void set_full_tags(CPUX86State *env, uint16_t tags)
{
    uint16_t ftw = 0;

    for (unsigned p = 0; p < 8; p++) {
        if ((tags >> (2 * p) & 3) != 3) {
            ftw |= 1u << p;
        }
    }
    *img16(env, XS_FTW) = ftw;
}

static bool in_protected(const CPUX86State *env)
{
    return (env->x.cr0 & CR0_PE) && !(env->eflags_sys & FL_VM);
}

static bool env_is_32(const CPUX86State *env, const struct insn *insn)
{
    bool d = env->code64 || (env->x.seg[R_CS].attr & SEG_DB);

    return d != !!(insn->prefix & PFX_66) || (env->code64 && INSN_W(insn));
}

/* Builds the environment at @buf, returns its size: 14 or 28. */
static unsigned put_env(CPUX86State *env, bool is32, uint8_t *buf)
{
    uint16_t fcw = *img16(env, XS_FCW), fsw = *img16(env, XS_FSW);
    uint16_t ftw = full_tags(env), fop = *img16(env, XS_FOP) & 0x7ff;
    uint32_t fip = *img32(env, XS_FIP), fdp = *img32(env, XS_FDP);
    uint32_t fcs = 0, fds = 0;

    if (!env->code64) {
        fcs = *img16(env, XS_FIP + 4);
        fds = *img16(env, XS_FDP + 4);
    }
    if (!in_protected(env)) {
        fip += fcs << 4;
        fdp += fds << 4;
        /* 20 and 32 bits of linear address; the opcode is in the middle. */
        fcs = (is32 ? fip >> 16 << 12 : fip >> 4 & 0xf000) | fop;
        fds = is32 ? fdp >> 16 << 12 : fdp >> 4 & 0xf000;
        fip &= 0xffff;
        fdp &= 0xffff;
    } else if (is32) {
        fcs |= (uint32_t)fop << 16;
        fds |= 0xffff0000;
    }
    if (is32) {
        uint32_t v[7] = { fcw | 0xffff0000, fsw | 0xffff0000,
                          ftw | 0xffff0000, fip, fcs, fdp, fds };
        memcpy(buf, v, sizeof(v));
        return sizeof(v);
    }
    uint16_t v[7] = { fcw, fsw, ftw, fip, fcs, fdp, fds };
    memcpy(buf, v, sizeof(v));
    return sizeof(v);
}

static void get_env(CPUX86State *env, bool is32, const uint8_t *buf)
{
    uint32_t v[7], fcs, fds;

    if (is32) {
        memcpy(v, buf, sizeof(v));
    } else {
        for (int i = 0; i < 7; i++) {
            uint16_t h;

            memcpy(&h, buf + 2 * i, 2);
            v[i] = h;
        }
    }
    *img16(env, XS_FCW) = (v[0] & FCW_VALID) | FCW_ONE;
    set_top(env, FSW_TOP(v[1]));
    *img16(env, XS_FSW) = v[1];
    set_full_tags(env, v[2]);
    fcs = v[4] & 0xffff;
    fds = v[6] & 0xffff;
    if (!in_protected(env)) {
        *img16(env, XS_FOP) = v[4] & 0x7ff;
        v[3] = (v[3] & 0xffff) | (is32 ? v[4] >> 12 << 16 : (v[4] >> 12) << 16);
        v[5] = (v[5] & 0xffff) | (is32 ? v[6] >> 12 << 16 : (v[6] >> 12) << 16);
        fcs = fds = 0;
    } else if (is32) {
        *img16(env, XS_FOP) = v[4] >> 16 & 0x7ff;
    }
    *img64(env, XS_FIP) = v[3] | (uint64_t)(env->code64 ? 0 : fcs) << 32;
    *img64(env, XS_FDP) = v[5] | (uint64_t)(env->code64 ? 0 : fds) << 32;
    fix_es(env);
}

/* ---- x87 ---------------------------------------------------------------- */

/* Memory operand by opcode and ModRM.reg: size, with ST if stored. */
enum { ST = 0x80 };
static const uint8_t x87_mem[8][8] = {
    { 4, 4, 4, 4, 4, 4, 4, 4 },
    { 4, 0, 4 | ST, 4 | ST, 0, 0, 0, 0 },
    { 4, 4, 4, 4, 4, 4, 4, 4 },
    { 4, 4 | ST, 4 | ST, 4 | ST, 0, 10, 0, 10 | ST },
    { 8, 8, 8, 8, 8, 8, 8, 8 },
    { 8, 8 | ST, 8 | ST, 8 | ST, 0, 0, 0, 0 },
    { 2, 2, 2, 2, 2, 2, 2, 2 },
    { 2, 2 | ST, 2 | ST, 2 | ST, 10, 8, 10 | ST, 8 | ST },
};

static void store16(CPUX86State *env, const struct insn *insn, uint16_t val)
{
    x86_st16(env, x86_insn_lin(env, insn, 2, true), val);
}

/* The control instructions; false: it is another. */
static bool x87_control(CPUX86State *env, const struct insn *insn)
{
    unsigned op = insn->opcode & 7, reg = insn->modrm >> 3 & 7;
    uint8_t buf[28 + 80];
    unsigned n;

    if (insn->modrm >= 0xc0) {
        if (op == 3 && reg == 4) {
            switch (insn->modrm & 7) {
            case 0: /* fneni */
            case 1: /* fndisi */
            case 4: /* fnsetpm: nothing since the 387 */
                return true;
            case 2: /* fnclex */
                *img16(env, XS_FSW) &= 0x7f00;
                return true;
            case 3: /* fninit */
                x87_init(env);
                return true;
            }
        } else if (op == 7 && insn->modrm == 0xe0) { /* fnstsw ax */
            env->regs[R_AX] = (env->regs[R_AX] & ~UINT64_C(0xffff)) |
                              *img16(env, XS_FSW);
            return true;
        }
        return false;
    }
    if (op == 1 && reg >= 4) {
        bool is32 = env_is_32(env, insn);

        n = is32 ? 28 : 14;
        switch (reg) {
        case 4: /* fldenv */
            x87_check_pending(env);
            x86_ld_buf(env, x86_insn_lin(env, insn, n, false), buf, n);
            get_env(env, is32, buf);
            break;
        case 5: { /* fldcw */
            uint16_t v;

            x87_check_pending(env);
            v = x86_ld16(env, x86_insn_lin(env, insn, 2, false));
            *img16(env, XS_FCW) = (v & FCW_VALID) | FCW_ONE;
            fix_es(env);
            break;
        }
        case 6: /* fnstenv */
            put_env(env, is32, buf);
            x86_st_buf(env, x86_insn_lin(env, insn, n, true), buf, n);
            *img16(env, XS_FCW) |= FSW_EXC;
            fix_es(env);
            break;
        case 7:
            store16(env, insn, *img16(env, XS_FCW));
            break;
        }
        return true;
    }
    if (op == 5 && reg >= 4) {
        bool is32 = env_is_32(env, insn);

        n = is32 ? 28 : 14;
        switch (reg) {
        case 4: /* frstor */
            x87_check_pending(env);
            x86_ld_buf(env, x86_insn_lin(env, insn, n + 80, false), buf,
                       n + 80);
            get_env(env, is32, buf);
            for (int i = 0; i < 8; i++) {
                memset(env->x.xsave + XS_ST(i), 0, 16);
                memcpy(env->x.xsave + XS_ST(i), buf + n + 10 * i, 10);
            }
            break;
        case 6: /* fnsave */
            put_env(env, is32, buf);
            for (int i = 0; i < 8; i++) {
                memcpy(buf + n + 10 * i, env->x.xsave + XS_ST(i), 10);
            }
            x86_st_buf(env, x86_insn_lin(env, insn, n + 80, true), buf,
                       n + 80);
            x87_init(env);
            break;
        case 7:
            store16(env, insn, *img16(env, XS_FSW));
            break;
        default:
            x86_raise(env, EXCP_UD);
        }
        return true;
    }
    return false;
}

void x87_exec(CPUX86State *env, const struct insn *insn)
{
    unsigned op = insn->opcode & 7, reg = insn->modrm >> 3 & 7, size = 0;
    const uint8_t *thunk;
    uint8_t mem[16] __attribute__((aligned(16)));
    uint8_t tmp[512] __attribute__((aligned(16)));
    void *img = env->x.xsave;
    struct simd_call c;
    vaddr lin = 0;
    uint64_t cs;
    bool store = false;
    uint16_t bad;

    if (insn->opcode == 0x9b) { /* fwait */
        x87_check_pending(env);
        return;
    }
    if (x87_control(env, insn)) {
        return;
    }
    x87_check_pending(env);
    if (insn->modrm < 0xc0) {
        size = x87_mem[op][reg] & ~ST;
        store = x87_mem[op][reg] & ST;
        if (!size) {
            x86_raise(env, EXCP_UD);
        }
        lin = x86_insn_lin(env, insn, size, store);
        if (!store) {
            x86_ld_buf(env, lin, mem, size);
        }
        thunk = x87_mem_thunks[op][reg];
    } else {
        thunk = x87_reg_thunks[op][insn->modrm & 0x3f];
    }
    simd_thread_ready();
    c.trap = 0;
    c.flags = (x86_cc_get(env) & 0xff) << 8;
    fix_es(env);
    if (store) {
        /* Whether it stores, and so may fault, is known afterwards. */
        memcpy(tmp, env->x.xsave, XS_XMM(0));
        memset(tmp + XS_XMM(0), 0, 256);
        img = tmp;
    }
    x87_call(&c, thunk, img, mem);
    if (c.trap) {
        x86_raise(env, c.trap == EXCP_UD ? EXCP_UD : EXCP_MF);
    }
    if (store) {
        uint16_t fcw, fsw;

        memcpy(&fcw, tmp + XS_FCW, 2);
        memcpy(&fsw, tmp + XS_FSW, 2);
        /* Unmasked invalid, overflow and underflow store nothing. */
        if (!(fsw & ~fcw & 0x1d)) {
            x86_st_buf(env, lin, mem, size);
        }
        memcpy(env->x.xsave, tmp, 24);
        memcpy(env->x.xsave + XS_ST(0), tmp + XS_ST(0), 128);
    }

    cs = env->code64 ? 0 : (uint64_t)env->x.seg[R_CS].sel << 32;
    *img64(env, XS_FIP) = x86_cur_rip(env) | cs;
    *img16(env, XS_FOP) = (op << 8 | insn->modrm) & 0x7ff;
    if (size) {
        uint64_t ds = env->code64 ? 0 :
                      (uint64_t)env->x.seg[insn->seg].sel << 32;

        *img64(env, XS_FDP) = x86_insn_ea(env, insn) | ds;
    }
    if (insn_row(insn)->fl_w) {
        x86_cc_set(env, c.flags >> 8 & (FL_ZF | FL_PF | FL_CF));
    }
    bad = *img16(env, XS_FSW) & ~*img16(env, XS_FCW) & FSW_EXC;
    if (unlikely(bad) && !(env->x.cr0 & CR0_NE)) {
        raise_ferr(env);
    }
}

/* ---- FXSAVE, XSAVE ------------------------------------------------------- */

static void need_align(CPUX86State *env, vaddr lin, unsigned align)
{
    if (lin & (align - 1)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
}

static unsigned num_xmm(const CPUX86State *env)
{
    return env->code64 ? 16 : 8;
}

/* The x87 part of the legacy area: bytes 0-23 and 32-159. */
static void legacy_to_mem(CPUX86State *env, const struct insn *insn,
                          uint8_t *buf)
{
    memcpy(buf, env->x.xsave, 24);
    memcpy(buf + 32, env->x.xsave + 32, 128);
    buf[5] = 0; /* tags have one byte */
    if (!(env->code64 && INSN_W(insn))) {
        buf[14] = buf[15] = buf[22] = buf[23] = 0;
    }
}

static void legacy_from_mem(CPUX86State *env, const struct insn *insn,
                            const uint8_t *buf)
{
    memcpy(env->x.xsave, buf, 24);
    memcpy(env->x.xsave + 32, buf + 32, 128);
    env->x.xsave[5] = 0;
    *img16(env, XS_FCW) = (*img16(env, XS_FCW) & FCW_VALID) | FCW_ONE;
    *img16(env, XS_FOP) &= 0x7ff;
    if (!(env->code64 && INSN_W(insn))) {
        *img16(env, XS_FIP + 6) = 0;
        *img16(env, XS_FDP + 6) = 0;
    }
    for (int i = 0; i < 8; i++) {
        memset(env->x.xsave + XS_ST(i) + 10, 0, 6);
    }
    fix_es(env);
}

static void mxcsr_check(CPUX86State *env, uint32_t mxcsr)
{
    if (mxcsr & ~MXCSR_VALID) {
        x86_raise_err(env, EXCP_GP, 0);
    }
}

static bool fast_fxsr(const CPUX86State *env)
{
    return (env->x.efer & EFER_FFXSR) && env->code64 && env->cpl == 0;
}

static void fxsave(CPUX86State *env, const struct insn *insn)
{
    vaddr lin = x86_insn_lin(env, insn, 512, true);
    uint8_t buf[416];

    need_align(env, lin, 16);
    x86_probe(env, lin, 512, true);
    legacy_to_mem(env, insn, buf);
    memcpy(buf + 24, env->x.xsave + 24, 4);
    *(uint32_t *)(buf + 28) = MXCSR_VALID;
    if (fast_fxsr(env)) {
        x86_st_buf(env, lin, buf, 160);
        return;
    }
    memcpy(buf + 160, env->x.xsave + 160, 256);
    x86_st_buf(env, lin, buf, XS_XMM(num_xmm(env)));
}

static void fxrstor(CPUX86State *env, const struct insn *insn)
{
    vaddr lin = x86_insn_lin(env, insn, 512, false);
    uint8_t buf[512];
    uint32_t mxcsr;

    need_align(env, lin, 16);
    x86_ld_buf(env, lin, buf, 512);
    memcpy(&mxcsr, buf + XS_MXCSR, 4);
    if (env->x.cr4 & CR4_OSFXSR) {
        mxcsr_check(env, mxcsr);
        *img32(env, XS_MXCSR) = mxcsr;
        if (!fast_fxsr(env)) {
            memcpy(env->x.xsave + XS_XMM(0), buf + XS_XMM(0),
                   16 * num_xmm(env));
        }
    }
    legacy_from_mem(env, insn, buf);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    while (n--) {
        if (*p++) {
            return false;
        }
    }
    return true;
}

/* Components that are not in their initial state. */
static uint64_t xinuse(CPUX86State *env)
{
    uint64_t m = 0;

    if (*img16(env, XS_FCW) != FCW_INIT || *img16(env, XS_FSW) ||
        *img16(env, XS_FTW) || *img64(env, XS_FIP) || *img64(env, XS_FDP) ||
        *img16(env, XS_FOP) || !all_zero(env->x.xsave + XS_ST(0), 128)) {
        m |= XCR_X87;
    }
    if (!all_zero(env->x.xsave + XS_XMM(0), 256)) {
        m |= XCR_SSE;
    }
    if (!all_zero(env->x.xsave + XS_YMMH(0), 256)) {
        m |= XCR_AVX;
    }
    return m;
}

static uint64_t requested(CPUX86State *env)
{
    uint64_t m = (env->regs[R_DX] & UINT32_MAX) << 32 |
                 (env->regs[R_AX] & UINT32_MAX);

    return m & env->x.xcr0;
}

enum { XS_PLAIN, XS_OPT, XS_COMPACT };

static void xsave(CPUX86State *env, const struct insn *insn, int how)
{
    uint64_t rfbm = requested(env), inuse = xinuse(env), put;
    unsigned size = 576 + (rfbm & XCR_AVX ? 256 : 0);
    vaddr lin = x86_insn_lin(env, insn, size, true);
    uint8_t buf[416];
    uint64_t header[2];

    need_align(env, lin, 64);
    x86_probe(env, lin, size, true);
    legacy_to_mem(env, insn, buf);
    memcpy(buf + XS_MXCSR, env->x.xsave + XS_MXCSR, 4);
    *(uint32_t *)(buf + XS_MXCSR + 4) = MXCSR_VALID;
    memcpy(buf + XS_XMM(0), env->x.xsave + XS_XMM(0), 256);
    /* XSAVEC counts MXCSR as a part of SSE (SDM volume 1, 13.10). */
    if (how == XS_COMPACT && *img32(env, XS_MXCSR) != MXCSR_INIT) {
        inuse |= XCR_SSE;
    }
    put = how == XS_PLAIN ? rfbm : rfbm & inuse;

    if (put & XCR_X87) {
        x86_st_buf(env, lin, buf, 24);
        x86_st_buf(env, lin + 32, buf + 32, 128);
    }
    if (how == XS_COMPACT ? put & XCR_SSE : rfbm & (XCR_SSE | XCR_AVX)) {
        x86_st_buf(env, lin + XS_MXCSR, buf + XS_MXCSR, 8);
    }
    if (put & XCR_SSE) {
        x86_st_buf(env, lin + XS_XMM(0), buf + XS_XMM(0), 16 * num_xmm(env));
    }
    if (put & XCR_AVX) {
        x86_st_buf(env, lin + XS_YMMH(0), env->x.xsave + XS_YMMH(0),
                   16 * num_xmm(env));
    }
    if (how == XS_COMPACT) {
        header[0] = put;
        header[1] = rfbm | XCOMP_COMPACT;
        x86_st_buf(env, lin + XS_XSTATE_BV, header, sizeof(header));
    } else {
        uint64_t old = x86_ld64(env, lin + XS_XSTATE_BV);

        x86_st64(env, lin + XS_XSTATE_BV, (old & ~rfbm) | (rfbm & inuse));
    }
}

static void xrstor(CPUX86State *env, const struct insn *insn)
{
    uint64_t rfbm = requested(env), bv, comp;
    vaddr lin = x86_insn_lin(env, insn, 576, false);
    uint8_t buf[832];
    uint64_t *header = (uint64_t *)(buf + XS_XSTATE_BV);
    uint32_t mxcsr;
    bool compact, has_avx;

    need_align(env, lin, 64);
    x86_ld_buf(env, lin, buf, 576);
    bv = header[0];
    comp = header[1];
    compact = comp & XCOMP_COMPACT;
    if (compact) {
        comp &= ~XCOMP_COMPACT;
        if (!x86_has(env, FW_D1_EAX, 1) || (comp & ~env->x.xcr0) ||
            (bv & ~comp) || !all_zero(buf + 528, 48)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    } else if ((bv & ~env->x.xcr0) || !all_zero(buf + 520, 16)) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    has_avx = rfbm & bv & XCR_AVX;
    if (has_avx) {
        /* The only extended component: at 576 in either format. */
        lin = x86_insn_lin(env, insn, 832, false);
        x86_ld_buf(env, lin + 576, buf + 576, 256);
    }
    memcpy(&mxcsr, buf + XS_MXCSR, 4);
    if (compact) {
        if (rfbm & XCR_SSE) {
            mxcsr = bv & XCR_SSE ? mxcsr : MXCSR_INIT;
            mxcsr_check(env, mxcsr);
            *img32(env, XS_MXCSR) = mxcsr;
        }
    } else if (rfbm & (XCR_SSE | XCR_AVX)) {
        mxcsr_check(env, mxcsr);
        *img32(env, XS_MXCSR) = mxcsr;
    }
    if (rfbm & bv & XCR_X87) {
        legacy_from_mem(env, insn, buf);
    } else if (rfbm & XCR_X87) {
        x87_init(env);
        memset(env->x.xsave + XS_ST(0), 0, 128);
    }
    if (rfbm & bv & XCR_SSE) {
        memcpy(simd_xmm(env, 0), buf + XS_XMM(0), 16 * num_xmm(env));
    } else if (rfbm & XCR_SSE) {
        memset(simd_xmm(env, 0), 0, 16 * num_xmm(env));
    }
    if (has_avx) {
        memcpy(simd_ymmh(env, 0), buf + XS_YMMH(0), 16 * num_xmm(env));
    } else if (rfbm & XCR_AVX) {
        memset(simd_ymmh(env, 0), 0, 16 * num_xmm(env));
    }
}

static void xgetbv(CPUX86State *env)
{
    uint32_t n = env->regs[R_CX];
    uint64_t val = env->x.xcr0;

    if (n == 1 && x86_has(env, FW_D1_EAX, 2)) {
        val &= xinuse(env);
        if (*img32(env, XS_MXCSR) != MXCSR_INIT) {
            val |= env->x.xcr0 & XCR_SSE;
        }
    } else if (n != 0) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->regs[R_AX] = (uint32_t)val;
    env->regs[R_DX] = val >> 32;
}

static void xsetbv(CPUX86State *env)
{
    uint64_t val = (env->regs[R_DX] & UINT32_MAX) << 32 |
                   (env->regs[R_AX] & UINT32_MAX);
    uint64_t legal = XCR_X87 | XCR_SSE;

    if (x86_has(env, FW_1_ECX, 28)) {
        legal |= XCR_AVX;
    }
    if (env->cpl != 0 || (uint32_t)env->regs[R_CX] != 0 ||
        !(val & XCR_X87) || (val & ~legal) ||
        ((val & XCR_AVX) && !(val & XCR_SSE))) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    env->x.xcr0 = val;
    x86_update_mode(env);
    x86_break(env);
}

void x87_xsave_exec(CPUX86State *env, const struct insn *insn)
{
    switch (insn->op) {
    case OP_FXSAVE:
        fxsave(env, insn);
        break;
    case OP_FXRSTOR:
        fxrstor(env, insn);
        break;
    case OP_XSAVE:
        xsave(env, insn, XS_PLAIN);
        break;
    case OP_XSAVEOPT:
        xsave(env, insn, XS_OPT);
        break;
    case OP_XSAVEC:
        xsave(env, insn, XS_COMPACT);
        break;
    case OP_XRSTOR:
        xrstor(env, insn);
        break;
    case OP_XGETBV:
        xgetbv(env);
        break;
    case OP_XSETBV:
        xsetbv(env);
        break;
    default:
        x86_raise(env, EXCP_UD);
    }
}
