/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MMX, SSE and AVX: each instruction runs on the host's own unit.
 *
 * Registers live in the XSAVE image (struct x86_regs).  A row of opcodes.def
 * that has a register form has a thunk: that form with fixed registers
 * (scripts/gen-simd-thunks.py, simd-call.S).  Memory operands are read into a
 * buffer and then stand in for the register, so page faults and alignment are
 * settled before the host sees the instruction.  What only exists with memory
 * (masked moves, gathers, halves), and the plain moves, which are most of
 * what programs execute, are C here.
 *
 * Instructions that round run under the guest's MXCSR.  If it unmasks an
 * exception and one happens, the host raises SIGFPE at the thunk; the handler
 * lets the stub return with nothing changed but MXCSR's flags, and the guest
 * gets #XM.
 */
#include "osdep.h"
#include "target/i386/simd-int.h"
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

/* What is done in C.  By mnemonic, without the v of the AVX twin. */
enum simd_fast {
    FAST_NONE,
    FAST_MOV,        /* whole register or memory operand */
    FAST_MOVQ,       /* movd, movq: 4 or 8 bytes from anywhere to anywhere */
    FAST_MOVS4, FAST_MOVS8,
    FAST_MOVL, FAST_MOVH,
    FAST_XOR,        /* clears when both sources are the same register */
    FAST_STRI, FAST_STRM, /* results in ecx, xmm0 */
    FAST_BROADCAST,
    FAST_VMASK4, FAST_VMASK8, FAST_MASKMOV,
    FAST_GATHER,
    FAST_LDMXCSR, FAST_STMXCSR,
    FAST_EMMS, FAST_ZEROUPPER, FAST_ZEROALL,
    FAST_INSERTPS,   /* from memory the source selector means nothing */
    FAST_CVTPI,      /* from memory leaves x87 alone */
};

static const struct {
    const char *name;
    uint8_t fast;
} fast_names[] = {
    { "movaps", FAST_MOV }, { "movapd", FAST_MOV }, { "movups", FAST_MOV },
    { "movupd", FAST_MOV }, { "movdqa", FAST_MOV }, { "movdqu", FAST_MOV },
    { "lddqu", FAST_MOV }, { "movntps", FAST_MOV }, { "movntpd", FAST_MOV },
    { "movntdq", FAST_MOV }, { "movntdqa", FAST_MOV },
    { "movd", FAST_MOVQ }, { "movq", FAST_MOVQ }, { "movntq", FAST_MOVQ },
    { "movss", FAST_MOVS4 }, { "movsd", FAST_MOVS8 },
    { "movlps", FAST_MOVL }, { "movlpd", FAST_MOVL },
    { "movhps", FAST_MOVH }, { "movhpd", FAST_MOVH },
    { "pxor", FAST_XOR }, { "xorps", FAST_XOR }, { "xorpd", FAST_XOR },
    { "pcmpestri", FAST_STRI }, { "pcmpistri", FAST_STRI },
    { "pcmpestrm", FAST_STRM }, { "pcmpistrm", FAST_STRM },
    { "broadcastss", FAST_BROADCAST }, { "broadcastsd", FAST_BROADCAST },
    { "broadcastf128", FAST_BROADCAST }, { "broadcasti128", FAST_BROADCAST },
    { "maskmovps", FAST_VMASK4 }, { "maskmovpd", FAST_VMASK8 },
    { "pmaskmovd", FAST_VMASK4 }, { "pmaskmovq", FAST_VMASK8 },
    { "maskmovq", FAST_MASKMOV }, { "maskmovdqu", FAST_MASKMOV },
    { "gatherdps", FAST_GATHER }, { "gatherdpd", FAST_GATHER },
    { "gatherqps", FAST_GATHER }, { "gatherqpd", FAST_GATHER },
    { "pgatherdd", FAST_GATHER }, { "pgatherdq", FAST_GATHER },
    { "pgatherqd", FAST_GATHER }, { "pgatherqq", FAST_GATHER },
    { "ldmxcsr", FAST_LDMXCSR }, { "stmxcsr", FAST_STMXCSR },
    { "emms", FAST_EMMS }, { "zeroupper", FAST_ZEROUPPER },
    { "zeroall", FAST_ZEROALL }, { "insertps", FAST_INSERTPS },
    { "cvtpi2ps", FAST_CVTPI }, { "cvtpi2pd", FAST_CVTPI },
};

/* By row number, made once. */
static struct simd_row {
    const struct simd_form *form;
    uint8_t fast;
    bool plain;       /* vec_plain() may do it */
    uint8_t rm;       /* then: operand that is rm, 0 none */
} *simd_rows;

/* ---- traps -------------------------------------------------------------- */

static struct sigaction old_fpe, old_ill;

static void on_trap(int sig, siginfo_t *info, void *opaque)
{
    ucontext_t *uc = opaque;
    uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    struct sigaction *old = sig == SIGFPE ? &old_fpe : &old_ill;

    if (ip >= (uintptr_t)simd_thunks && ip < (uintptr_t)simd_thunks_end) {
        uc->uc_mcontext.gregs[REG_RIP] =
            (greg_t)(uintptr_t)(sig == SIGFPE ? simd_trap_fpe : simd_trap_ill);
    } else if ((old->sa_flags & SA_SIGINFO) && old->sa_sigaction) {
        old->sa_sigaction(sig, info, opaque);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(sig);
    } else {
        signal(sig, SIG_DFL); /* a bug of ours: dies where it happened */
    }
}

/* The generator and the decoder quote the same line of opcodes.def. */
static char *form_key(const char *form)
{
    GString *s = g_string_new(NULL);

    for (; *form; form++) {
        if (*form != ' ' && *form != ':') {
            g_string_append_c(s, *form);
        }
    }
    return g_string_free(s, FALSE);
}

static void set_plain(struct simd_row *sr, const struct x86_row *row)
{
    const struct simd_form *f = sr->form;

    if (!f || f->kind == 'm' || f->rm_file != 'x' || row->fl_w ||
        f->role[0] != ROLE_REG ||
        (row->access != ACC_W && row->access != ACC_RW)) {
        return;
    }
    sr->plain = true;
    for (unsigned n = 1; n < 4; n++) {
        if (f->role[n] == ROLE_RM) {
            sr->rm = n;
        }
        sr->plain &= f->role[n] != ROLE_IS4;
    }
}

static void simd_init(void)
{
    GHashTable *by_form =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct sigaction sa = { .sa_sigaction = on_trap,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    for (uint32_t i = 0; i < simd_form_count; i++) {
        g_hash_table_insert(by_form, form_key(simd_forms[i].form),
                            (void *)&simd_forms[i]);
    }
    simd_rows = g_new0(struct simd_row, x86_row_count);
    for (unsigned i = 0; i < x86_row_count; i++) {
        const struct x86_row *row = &x86_rows[i];
        const char *name = row->name;
        g_autofree char *key = form_key(row->form);

        if (row->unit == UNIT_INT || row->unit == UNIT_X87) {
            continue;
        }
        simd_rows[i].form = g_hash_table_lookup(by_form, key);
        set_plain(&simd_rows[i], row);
        if ((row->flags & ROW_VEX) && *name == 'v') {
            name++;
        }
        for (unsigned k = 0; k < ARRAY_SIZE(fast_names); k++) {
            if (strcmp(name, fast_names[k].name) == 0) {
                simd_rows[i].fast = fast_names[k].fast;
            }
        }
    }
    g_hash_table_unref(by_form);
    sigemptyset(&sa.sa_mask);
    sigaction(SIGFPE, &sa, &old_fpe);
    sigaction(SIGILL, &sa, &old_ill);
}

static _Thread_local bool thread_ready;

static void thread_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t set;

    pthread_once(&once, simd_init);
    sigemptyset(&set);
    sigaddset(&set, SIGFPE);
    sigaddset(&set, SIGILL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    thread_ready = true;
}

void simd_thread_ready(void)
{
    if (unlikely(!thread_ready)) {
        thread_prepare();
    }
}

/* ---- operands ----------------------------------------------------------- */

static inline void vec_ld(CPUX86State *env, vaddr lin, void *p, unsigned size)
{
    struct tlbe *t = tlb_at(env, lin);
    uint64_t off = lin - t->tag_r;

    if (likely(off <= 4096 - size)) {
        const uint8_t *host = (const uint8_t *)(uintptr_t)(t->host + off);

        /* One access each of the sizes that promise it. */
        switch (size) {
        case 4:
            memcpy(p, host, 4);
            return;
        case 8:
            memcpy(p, host, 8);
            return;
        case 16:
            memcpy(p, host, 16);
            return;
        case 32:
            memcpy(p, host, 32);
            return;
        }
    }
    x86_ld_buf(env, lin, p, size);
}

static inline void vec_st(CPUX86State *env, vaddr lin, const void *p,
                          unsigned size)
{
    struct tlbe *t = tlb_at(env, lin);
    uint64_t off = lin - t->tag_w;

    if (likely(off <= 4096 - size)) {
        uint8_t *host = (uint8_t *)(uintptr_t)(t->host + off);

        switch (size) {
        case 4:
            memcpy(host, p, 4);
            return;
        case 8:
            memcpy(host, p, 8);
            return;
        case 16:
            memcpy(host, p, 16);
            return;
        case 32:
            memcpy(host, p, 32);
            return;
        }
    }
    x86_st_buf(env, lin, p, size);
}

static vaddr mem_lin(CPUX86State *env, const struct insn *insn,
                     const struct x86_row *row, unsigned size, bool write)
{
    if (row->flags & ROW_ALIGN) { /* before the segment's limit */
        uint64_t base = env->code64 && insn->seg < R_FS
            ? 0 : env->seg_base[insn->seg];

        if ((base + x86_insn_ea(env, insn)) & (size - 1)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
    }
    return x86_insn_lin(env, insn, size, write);
}

static void zero_upper(CPUX86State *env, const struct x86_row *row, unsigned n)
{
    if (row->flags & ROW_VEX) {
        memset(simd_ymmh(env, n), 0, 16);
    }
}

/* Vector operand @o to @buf (32 bytes) and back. */
static void vec_get(CPUX86State *env, uint8_t o, uint8_t *buf)
{
    memcpy(buf, simd_xmm(env, OPND_NUM(o)), 16);
    memcpy(buf + 16, simd_ymmh(env, OPND_NUM(o)), 16);
}

static void vec_put(CPUX86State *env, const struct x86_row *row, uint8_t o,
                    const uint8_t *buf)
{
    memcpy(simd_xmm(env, OPND_NUM(o)), buf, 16);
    if (OPND_FILE(o) == OPND_YMM) {
        memcpy(simd_ymmh(env, OPND_NUM(o)), buf + 16, 16);
    } else {
        zero_upper(env, row, OPND_NUM(o));
    }
}

static void gpr_put(CPUX86State *env, unsigned n, uint64_t val, unsigned size)
{
    env->regs[n] = size == 8 ? val : (uint32_t)val;
}

/* An instruction with MMX registers: x87 is over. */
static void mmx_enter(CPUX86State *env)
{
    x87_check_pending(env);
    x87_to_mmx(env);
}

static void mmx_put(CPUX86State *env, unsigned n, uint64_t val)
{
    memcpy(simd_mm(env, n), &val, 8);
    simd_mm(env, n)[8] = simd_mm(env, n)[9] = 0xff;
}

/* ---- moves and the like in C --------------------------------------------- */

static void do_mov(CPUX86State *env, const struct insn *insn,
                   const struct x86_row *row)
{
    uint8_t d = insn->opnd[0], s = insn->opnd[1], buf[32];
    unsigned size = insn->opsize;

    if (OPND_FILE(d) == OPND_MEM) {
        vaddr lin = mem_lin(env, insn, row, insn->msize, true);

        if (OPND_FILE(s) == OPND_XMM) {
            vec_st(env, lin, simd_xmm(env, OPND_NUM(s)), 16);
        } else {
            vec_get(env, s, buf);
            vec_st(env, lin, buf, 32);
        }
        return;
    }
    if (OPND_FILE(s) == OPND_MEM) {
        size = insn->msize;
        vec_ld(env, mem_lin(env, insn, row, size, false), buf, size);
    } else {
        vec_get(env, s, buf);
    }
    vec_put(env, row, d, buf);
}

static void do_movq(CPUX86State *env, const struct insn *insn,
                    const struct x86_row *row)
{
    uint8_t d = insn->opnd[0], s = insn->opnd[1];
    bool mmx = OPND_FILE(d) == OPND_MMX || OPND_FILE(s) == OPND_MMX;
    unsigned size = 8;
    uint64_t val = 0;
    vaddr lin = 0;

    if (OPND_FILE(d) == OPND_MEM || OPND_FILE(s) == OPND_MEM) {
        size = insn->msize;
    } else if (OPND_FILE(d) == OPND_GPR || OPND_FILE(s) == OPND_GPR) {
        size = INSN_W(insn) && env->code64 ? 8 : 4;
    }
    if (mmx) {
        x87_check_pending(env);
    }
    if (OPND_FILE(s) == OPND_MEM) {
        lin = mem_lin(env, insn, row, size, false);
        val = size == 8 ? x86_ld64(env, lin) : x86_ld32(env, lin);
    } else if (OPND_FILE(d) == OPND_MEM) {
        lin = mem_lin(env, insn, row, size, true);
        if (mmx) {
            x86_probe(env, lin, size, true);
        }
    }
    if (mmx) {
        x87_to_mmx(env);
    }
    switch (OPND_FILE(s)) {
    case OPND_GPR:
        val = env->regs[OPND_NUM(s)];
        break;
    case OPND_MMX:
        memcpy(&val, simd_mm(env, OPND_NUM(s)), 8);
        break;
    case OPND_XMM:
        memcpy(&val, simd_xmm(env, OPND_NUM(s)), 8);
        break;
    }
    if (size == 4) {
        val = (uint32_t)val;
    }
    switch (OPND_FILE(d)) {
    case OPND_MEM:
        if (size == 8) {
            x86_st64(env, lin, val);
        } else {
            x86_st32(env, lin, (uint32_t)val);
        }
        break;
    case OPND_GPR:
        gpr_put(env, OPND_NUM(d), val, size);
        break;
    case OPND_MMX:
        mmx_put(env, OPND_NUM(d), val);
        break;
    case OPND_XMM:
        memcpy(simd_xmm(env, OPND_NUM(d)), &val, 8);
        memset(simd_xmm(env, OPND_NUM(d)) + 8, 0, 8);
        zero_upper(env, row, OPND_NUM(d));
        break;
    }
}

/* movss, movsd; false: the three-operand form. */
static bool do_movs(CPUX86State *env, const struct insn *insn,
                    const struct x86_row *row, unsigned size)
{
    uint8_t d = insn->opnd[0], s = insn->opnd[1];

    if (OPND_FILE(d) == OPND_MEM) {
        vec_st(env, mem_lin(env, insn, row, size, true),
               simd_xmm(env, OPND_NUM(s)), size);
    } else if (OPND_FILE(s) == OPND_MEM) {
        uint8_t buf[16] = { 0 };

        vec_ld(env, mem_lin(env, insn, row, size, false), buf, size);
        memcpy(simd_xmm(env, OPND_NUM(d)), buf, 16);
        zero_upper(env, row, OPND_NUM(d));
    } else if (row->flags & ROW_VEX) {
        return false;
    } else {
        memcpy(simd_xmm(env, OPND_NUM(d)), simd_xmm(env, OPND_NUM(s)), size);
    }
    return true;
}

/* movlps, movhps and twins; false: movhlps, movlhps by another name. */
static bool do_movhalf(CPUX86State *env, const struct insn *insn,
                       const struct x86_row *row, unsigned at)
{
    uint8_t d = insn->opnd[0], s = insn->opnd[1], buf[16];

    if (OPND_FILE(d) == OPND_MEM) {
        vec_st(env, mem_lin(env, insn, row, 8, true),
               simd_xmm(env, OPND_NUM(s)) + at, 8);
        return true;
    }
    if (OPND_FILE(s) != OPND_MEM && OPND_FILE(insn->opnd[2]) != OPND_MEM) {
        return false;
    }
    memcpy(buf, simd_xmm(env, OPND_NUM(row->flags & ROW_VEX ? s : d)), 16);
    vec_ld(env, mem_lin(env, insn, row, 8, false), buf + at, 8);
    memcpy(simd_xmm(env, OPND_NUM(d)), buf, 16);
    zero_upper(env, row, OPND_NUM(d));
    return true;
}

static bool do_xor(CPUX86State *env, const struct insn *insn,
                   const struct x86_row *row)
{
    unsigned a = row->flags & ROW_VEX ? 1 : 0;
    uint8_t d = insn->opnd[0];

    if (insn->opnd[a] != insn->opnd[a + 1] || OPND_FILE(d) == OPND_MMX) {
        return false;
    }
    memset(simd_xmm(env, OPND_NUM(d)), 0, 16);
    zero_upper(env, row, OPND_NUM(d)); /* of a YMM register as well */
    return true;
}

static bool do_broadcast(CPUX86State *env, const struct insn *insn,
                         const struct x86_row *row)
{
    unsigned size = insn->msize;
    uint8_t buf[32];

    if (OPND_FILE(insn->opnd[1]) != OPND_MEM) {
        return false;
    }
    vec_ld(env, mem_lin(env, insn, row, size, false), buf, size);
    for (unsigned i = size; i < 32; i += size) {
        memcpy(buf + i, buf, size);
    }
    vec_put(env, row, insn->opnd[0], buf);
    return true;
}

static uint64_t trunc_ea(const struct insn *insn, uint64_t ea)
{
    return insn->addrsize == 8 ? ea :
           insn->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
}

static vaddr elem_lin(CPUX86State *env, const struct insn *insn, uint64_t ea,
                      unsigned size, bool write)
{
    return x86_seg_lin(env, insn->seg, trunc_ea(insn, ea), size, write);
}

/* Elements whose mask bit is clear are not accessed. */
static void do_vmask(CPUX86State *env, const struct insn *insn,
                     const struct x86_row *row, unsigned esize)
{
    bool store = OPND_FILE(insn->opnd[0]) == OPND_MEM;
    uint64_t ea = x86_insn_ea(env, insn);
    unsigned size = insn->opsize;
    uint8_t mask[32], data[32];

    vec_get(env, insn->opnd[1], mask);
    if (store) {
        vec_get(env, insn->opnd[2], data);
        for (unsigned i = 0; i < size; i += esize) {
            if (mask[i + esize - 1] & 0x80) {
                x86_probe(env, elem_lin(env, insn, ea + i, esize, true),
                          esize, true);
            }
        }
    } else {
        memset(data, 0, sizeof(data));
    }
    for (unsigned i = 0; i < size; i += esize) {
        if (mask[i + esize - 1] & 0x80) {
            vaddr lin = elem_lin(env, insn, ea + i, esize, store);

            if (store) {
                vec_st(env, lin, data + i, esize);
            } else {
                vec_ld(env, lin, data + i, esize);
            }
        }
    }
    if (!store) {
        vec_put(env, row, insn->opnd[0], data);
    }
}

/* maskmovq, maskmovdqu: bytes to [rDI]. */
static void do_maskmov(CPUX86State *env, const struct insn *insn)
{
    bool mmx = false;
    uint64_t ea = env->regs[R_DI];
    uint8_t mask[16], data[16];
    unsigned size = 16, n = 0;
    uint8_t v[2];

    /* The two register operands, whether or not memory is listed first. */
    for (int i = 0; i < 4 && n < 2; i++) {
        uint8_t f = OPND_FILE(insn->opnd[i]);

        if (f == OPND_XMM || f == OPND_MMX) {
            v[n++] = insn->opnd[i];
            mmx = f == OPND_MMX;
        }
    }
    if (mmx) {
        unsigned top = *img16(env, XS_FSW) >> 11 & 7;

        size = 8;
        x87_check_pending(env);
        memcpy(data, env->x.xsave + XS_ST((OPND_NUM(v[0]) - top) & 7), 8);
        memcpy(mask, env->x.xsave + XS_ST((OPND_NUM(v[1]) - top) & 7), 8);
    } else {
        memcpy(data, simd_xmm(env, OPND_NUM(v[0])), 16);
        memcpy(mask, simd_xmm(env, OPND_NUM(v[1])), 16);
    }
    for (unsigned i = 0; i < size; i++) {
        if (mask[i] & 0x80) {
            x86_probe(env, elem_lin(env, insn, ea + i, 1, true), 1, true);
        }
    }
    if (mmx) {
        x87_to_mmx(env);
    }
    for (unsigned i = 0; i < size; i++) {
        if (mask[i] & 0x80) {
            x86_st8(env, elem_lin(env, insn, ea + i, 1, true), data[i]);
        }
    }
}

/* Element by element; a fault leaves what was done done, with its mask bits
 * cleared, so that the restart goes on there (SDM volume 2, VGATHER). */
static void do_gather(CPUX86State *env, const struct insn *insn,
                      const struct x86_row *row)
{
    const char *suffix = strstr(row->name, "gather") + 6;
    unsigned isize = suffix[0] == 'd' ? 4 : 8;
    bool fp = suffix[1] == 'p';
    unsigned esize = fp ? (suffix[2] == 's' ? 4 : 8) :
                          (suffix[1] == 'd' ? 4 : 8);
    unsigned vl = INSN_L(insn) ? 32 : 16;
    unsigned count = vl / MAX(isize, esize);
    unsigned d = OPND_NUM(insn->opnd[0]), m = OPND_NUM(insn->opnd[2]);
    uint64_t base = insn->base < 16 ? env->regs[insn->base] : 0;
    uint8_t index[32], masks[32];

    if (d == m || d == insn->index || m == insn->index) {
        x86_raise(env, EXCP_UD);
    }
    vec_get(env, OPND_YMM | insn->index, index);
    vec_get(env, OPND_YMM | m, masks);
    for (unsigned i = 0; i < 32; i += esize) {
        memset(masks + i, i < vl && (masks[i + esize - 1] & 0x80) ? 0xff : 0,
               esize);
    }
    vec_put(env, row, OPND_YMM | m, masks);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i * esize;
        uint8_t *mask = (at < 16 ? simd_xmm(env, m) : simd_ymmh(env, m) - 16) +
                        at;
        uint8_t *dst = (at < 16 ? simd_xmm(env, d) : simd_ymmh(env, d) - 16) +
                       at;
        int64_t idx;

        if (mask[esize - 1] & 0x80) {
            if (isize == 4) {
                int32_t v;

                memcpy(&v, index + 4 * i, 4);
                idx = v;
            } else {
                memcpy(&idx, index + 8 * i, 8);
            }
            vec_ld(env,
                   elem_lin(env, insn,
                            base + ((uint64_t)idx << insn->scale) +
                                (int64_t)insn->disp,
                            esize, false),
                   dst, esize);
            if (vl == 16) {
                memset(simd_ymmh(env, d), 0, 16);
            }
        }
        memset(mask, 0, esize);
    }
    memset(simd_xmm(env, m), 0, 16);
    memset(simd_ymmh(env, m), 0, 16);
    if (count * esize < 16) {
        memset(simd_xmm(env, d) + count * esize, 0, 16 - count * esize);
    }
    if (count * esize <= 16) {
        memset(simd_ymmh(env, d), 0, 16);
    }
}

static void do_ldmxcsr(CPUX86State *env, const struct insn *insn)
{
    uint32_t v = x86_ld32(env, x86_insn_lin(env, insn, 4, false));

    if (v & ~MXCSR_VALID) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    *img32(env, XS_MXCSR) = v;
}

static void do_zero(CPUX86State *env, bool all)
{
    size_t n = env->code64 ? 256 : 128;

    memset(simd_ymmh(env, 0), 0, n);
    if (all) {
        memset(simd_xmm(env, 0), 0, n);
    }
}

/* True: done. */
static bool do_fast(CPUX86State *env, const struct insn *insn,
                    const struct x86_row *row, enum simd_fast fast)
{
    switch (fast) {
    case FAST_MOV:
        do_mov(env, insn, row);
        return true;
    case FAST_MOVQ:
        do_movq(env, insn, row);
        return true;
    case FAST_MOVS4:
        return do_movs(env, insn, row, 4);
    case FAST_MOVS8:
        return do_movs(env, insn, row, 8);
    case FAST_MOVL:
        return do_movhalf(env, insn, row, 0);
    case FAST_MOVH:
        return do_movhalf(env, insn, row, 8);
    case FAST_XOR:
        return do_xor(env, insn, row);
    case FAST_BROADCAST:
        return do_broadcast(env, insn, row);
    case FAST_VMASK4:
        do_vmask(env, insn, row, 4);
        return true;
    case FAST_VMASK8:
        do_vmask(env, insn, row, 8);
        return true;
    case FAST_MASKMOV:
        do_maskmov(env, insn);
        return true;
    case FAST_GATHER:
        do_gather(env, insn, row);
        return true;
    case FAST_LDMXCSR:
        do_ldmxcsr(env, insn);
        return true;
    case FAST_STMXCSR:
        x86_st32(env, x86_insn_lin(env, insn, 4, true),
                 *img32(env, XS_MXCSR));
        return true;
    case FAST_EMMS:
        mmx_enter(env);
        *img16(env, XS_FTW) = 0;
        return true;
    case FAST_ZEROUPPER:
        do_zero(env, false);
        return true;
    case FAST_ZEROALL:
        do_zero(env, true);
        return true;
    default:
        return false;
    }
}

/* ---- thunks ------------------------------------------------------------- */

static const uint8_t *pick_thunk(CPUX86State *env, const struct simd_form *f,
                                 const struct insn *insn)
{
    unsigned w = INSN_W(insn), l = INSN_L(insn);

    if (w && unlikely(!env->code64) && insn_w_is_size(insn)) {
        w = 0;
    }
    const uint8_t *t = f->thunk[w][l];

    /* Where W or L means nothing there is one thunk. */
    t = t ? t : f->thunk[!w][l];
    t = t ? t : f->thunk[w][!l];
    t = t ? t : f->thunk[!w][!l];
    return t + f->stride * (uint8_t)insn->imm;
}

static uint64_t load_le(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static NORETURN void raise_trap(CPUX86State *env, const struct simd_call *c)
{
    if (c->trap == EXCP_XM) {
        *img32(env, XS_MXCSR) = c->mxcsr;
        x86_raise(env, env->x.cr4 & CR4_OSXMMEXCPT ? EXCP_XM : EXCP_UD);
    }
    x86_raise(env, c->trap);
}

/* The common shape, 16 bytes: xmm, xmm or memory, perhaps a third. */
static bool vec_plain(CPUX86State *env, const struct insn *insn,
                      const struct x86_row *row, const struct simd_row *sr)
{
    const struct simd_form *f = sr->form;
    uint8_t mem[32] __attribute__((aligned(16)));
    uint8_t dump[16] __attribute__((aligned(16)));
    uint8_t d = insn->opnd[0], rm = insn->opnd[sr->rm];
    struct simd_call c;

    if (OPND_FILE(d) != OPND_XMM ||
        (INSN_L(insn) && (f->thunk[0][1] || f->thunk[1][1])) ||
        sr->fast == FAST_INSERTPS) {
        return false;
    }
    c.out_reg = simd_xmm(env, OPND_NUM(d));
    c.reg = c.is4 = c.vvvv = c.out_reg;
    if (f->role[1] == ROLE_VVVV) {
        c.vvvv = simd_xmm(env, OPND_NUM(insn->opnd[1]));
    }
    if (OPND_FILE(rm) == OPND_MEM) {
        unsigned size = insn->msize;

        if (size < 16) {
            memset(mem, 0, sizeof(mem));
        }
        vec_ld(env, mem_lin(env, insn, row, size, false), mem, size);
        c.rm = mem;
    } else {
        c.rm = simd_xmm(env, OPND_NUM(rm));
    }
    c.x0 = simd_xmm(env, 0);
    c.out_rm = c.out_x0 = dump;
    c.trap = 0;
    if (f->kind == 'i') {
        simd_call_int(&c, pick_thunk(env, f, insn));
    } else {
        c.mxcsr = *img32(env, XS_MXCSR);
        simd_call_fp(&c, pick_thunk(env, f, insn));
        if (unlikely(c.trap)) {
            raise_trap(env, &c);
        }
        *img32(env, XS_MXCSR) = c.mxcsr;
    }
    if (unlikely(c.trap)) {
        raise_trap(env, &c);
    }
    zero_upper(env, row, OPND_NUM(d));
    return true;
}

static void vec_exec(CPUX86State *env, const struct insn *insn,
                     const struct x86_row *row, const struct simd_row *sr)
{
    static const uint8_t zeros[32] __attribute__((aligned(32)));
    const struct simd_form *f = sr->form;
    const uint8_t *thunk = pick_thunk(env, f, insn);
    uint8_t buf[4][32] __attribute__((aligned(32)));
    uint8_t mem[32] __attribute__((aligned(32)));
    uint8_t dump[32] __attribute__((aligned(32)));
    uint8_t mmdump[8];
    uint8_t d = insn->opnd[0];
    bool wide = INSN_L(insn) && (f->thunk[0][1] || f->thunk[1][1]);
    /* CVTPI2PS and CVTPI2PD from memory leave x87 alone. */
    bool to_mem = false, mmx = f->kind == 'm';
    bool over = mmx && (sr->fast != FAST_CVTPI ||
                        OPND_FILE(insn->opnd[1]) != OPND_MEM);
    bool has_dst = row->access == ACC_W || row->access == ACC_RW;
    vaddr lin = 0;
    struct simd_call c = {
        .reg = zeros, .vvvv = zeros, .rm = zeros, .is4 = zeros,
        .x0 = simd_xmm(env, 0), .out_reg = dump, .out_rm = dump,
        .out_x0 = dump, .rax = env->regs[R_AX], .rdx = env->regs[R_DX],
        .mxcsr = *img32(env, XS_MXCSR), .mm_reg = mmdump, .mm_rm = mmdump,
    };

    if (over) { /* what is pending comes before the operand's faults */
        x87_check_pending(env);
    }
    for (unsigned n = 0; n < 4; n++) {
        uint8_t file = OPND_FILE(insn->opnd[n]);

        if (file == OPND_MEM) {
            to_mem = n == 0 && has_dst;
            lin = mem_lin(env, insn, row, insn->msize, to_mem);
            memset(mem, 0, sizeof(mem));
            if (!to_mem) {
                vec_ld(env, lin, mem, insn->msize);
            }
            if (sr->fast == FAST_INSERTPS) {
                thunk -= f->stride * ((uint8_t)insn->imm & 0xc0);
            }
        }
    }
    if (wide) {
        c.x0 = zeros;
    }
    if (over) {
        x87_to_mmx(env);
    }

    for (unsigned n = 0; n < 4; n++) {
        uint8_t o = insn->opnd[n], num = OPND_NUM(o);
        unsigned role = f->role[n];
        const void **in = role == ROLE_REG ? &c.reg :
                          role == ROLE_VVVV ? &c.vvvv :
                          role == ROLE_RM ? &c.rm : &c.is4;

        if (role == ROLE_NONE || role >= ROLE_X0) {
            continue;
        }
        switch (OPND_FILE(o)) {
        case OPND_XMM:
            if (!wide) {
                *in = simd_xmm(env, num);
                break;
            }
            __attribute__((fallthrough));
        case OPND_YMM:
            vec_get(env, o, buf[n]);
            *in = buf[n];
            break;
        case OPND_MMX:
            *(role == ROLE_REG ? &c.mm_reg : &c.mm_rm) = simd_mm(env, num);
            break;
        case OPND_GPR:
            *(role == ROLE_REG ? &c.rcx : &c.rbx) = env->regs[num];
            break;
        case OPND_MEM:
            if (f->rm_file == 'g') {
                c.rbx = load_le(mem);
            } else if (f->rm_file == 'm') {
                c.mm_rm = mem;
            } else {
                c.rm = mem;
            }
            break;
        }
    }
    if (has_dst) {
        void **out = f->role[0] == ROLE_RM ? &c.out_rm : &c.out_reg;

        if (OPND_FILE(d) == OPND_MEM) {
            *out = mem;
        } else if (wide) {
            *out = buf[0];
        } else if (OPND_FILE(d) == OPND_XMM) {
            *out = simd_xmm(env, OPND_NUM(d));
        }
    }
    if (sr->fast == FAST_STRM) {
        c.out_x0 = simd_xmm(env, 0);
    }

    if (mmx) {
        simd_call_mmx(&c, thunk);
    } else if (wide) {
        simd_call_ymm(&c, thunk);
    } else if (f->kind == 'i') {
        simd_call_int(&c, thunk);
    } else {
        simd_call_fp(&c, thunk);
    }
    if (unlikely(c.trap)) {
        raise_trap(env, &c);
    }
    if (to_mem) {
        /* #XM comes before the store's faults, those before the flags. */
        if (f->rm_file == 'g') {
            memcpy(mem, &c.rbx, 8);
        }
        vec_st(env, lin, mem, insn->msize);
    }
    *img32(env, XS_MXCSR) = c.mxcsr;

    if (row->fl_w) {
        x86_cc_set(env, (c.flags >> 8 & (FL_ARITH & ~FL_OF)) |
                            (c.flags & 1 ? FL_OF : 0));
    }
    if (sr->fast == FAST_STRI) {
        gpr_put(env, R_CX, c.rcx, 4);
    } else if (sr->fast == FAST_STRM) {
        zero_upper(env, row, 0);
    }
    if (!has_dst) {
        return;
    }
    switch (OPND_FILE(d)) {
    case OPND_XMM:
        if (wide) {
            vec_put(env, row, d, buf[0]);
        } else {
            zero_upper(env, row, OPND_NUM(d));
        }
        break;
    case OPND_YMM:
        vec_put(env, row, d, buf[0]);
        break;
    case OPND_MMX:
        simd_mm(env, OPND_NUM(d))[8] = simd_mm(env, OPND_NUM(d))[9] = 0xff;
        break;
    case OPND_GPR:
        gpr_put(env, OPND_NUM(d), f->role[0] == ROLE_RM ? c.rbx : c.rcx,
                insn_opnd_size(insn, 0));
        break;
    }
}

/* ---- entry -------------------------------------------------------------- */

static inline void check_unit(CPUX86State *env, const struct x86_row *row)
{
    uint64_t cr0 = env->x.cr0, cr4 = env->x.cr4;

    switch (row->unit) {
    case UNIT_WAIT:
        if ((cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) {
            x86_raise(env, EXCP_NM);
        }
        return;
    case UNIT_X87:
    case UNIT_FXSR:
        if (cr0 & (CR0_EM | CR0_TS)) {
            x86_raise(env, EXCP_NM);
        }
        return;
    case UNIT_SSE:
        if (!(cr4 & CR4_OSFXSR)) {
            x86_raise(env, EXCP_UD);
        }
        __attribute__((fallthrough));
    case UNIT_MMX:
        if (cr0 & CR0_EM) {
            x86_raise(env, EXCP_UD);
        }
        break;
    case UNIT_AVX:
        if (!(cr4 & CR4_OSXSAVE) || (~env->x.xcr0 & 6)) {
            x86_raise(env, EXCP_UD);
        }
        break;
    case UNIT_XSAVE:
        if (!(cr4 & CR4_OSXSAVE)) {
            x86_raise(env, EXCP_UD);
        }
        if (!(row->opnd[0])) {
            return; /* xgetbv, xsetbv: no operand, no state */
        }
        break;
    }
    if (cr0 & CR0_TS) {
        x86_raise(env, EXCP_NM);
    }
}

void simd_exec(CPUX86State *env, const struct insn *insn)
{
    const struct x86_row *row = insn_row(insn);
    const struct simd_row *sr;

    simd_thread_ready();
    check_unit(env, row);
    switch (row->unit) {
    case UNIT_X87:
    case UNIT_WAIT:
        x87_exec(env, insn);
        return;
    case UNIT_FXSR:
    case UNIT_XSAVE:
        x87_xsave_exec(env, insn);
        return;
    }
    sr = &simd_rows[insn->row];
    if (sr->fast != FAST_NONE && do_fast(env, insn, row, sr->fast)) {
        return;
    }
    if (!sr->form) {
        x86_raise(env, EXCP_UD);
    }
    if (sr->plain && vec_plain(env, insn, row, sr)) {
        return;
    }
    vec_exec(env, insn, row, sr);
}
