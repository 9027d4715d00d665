/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lockstep: before generated code runs, the interpreter runs the same
 * instructions without leaving a trace and notes what they would do; when
 * generated code comes back to C, registers, flags and the stored bytes must
 * be what was noted.  `-accel tcg,x-jit-check=on`, one vCPU.
 *
 *   arm: shadow run of one translation, a snapshot behind each instruction
 *     -> generated code, which leaves at the head of the next translation
 *     -> at: compare with the snapshot of the place where it left
 *
 * The shadow run reads guest memory and keeps its stores in a log that its
 * loads look through.  It ends where generated code calls C anyway, or at
 * what it cannot foretell (devices, RDTSC): then nothing is compared.
 *
 * Flags that a translation calls dead are inverted when it starts, and the
 * shadow goes on with the right ones: who reads them in spite of that is
 * found.  A location that another thread has changed since is no difference.
 */
#include "osdep.h"
#include "jit-check.h"
#include "jit-tr.h"
#include "util/log.h"

#define FX_BYTES 832 /* legacy area, header, YMM */

struct snap {
    uint64_t regs[16], rip, gs_base, kernel_gs;
    uint32_t fl, sys;
    uint8_t gone;           /* undefined flags */
    uint32_t old_fl;        /* generated code has other ones: see arm */
    unsigned stores;        /* in the log by then */
    unsigned image;         /* of vector and x87 registers */
};

struct access {
    uint8_t *host;
    uint64_t val;
    uint8_t size;
};

#define MAX_STORES 1024
#define MAX_LOADS 2048

struct jit_check {
    struct jblk *jb;
    unsigned from, n;       /* instructions from.. ; n of them foretold */
    bool armed, complete;   /* ran to a jump or the end */
    bool unknown;           /* stopped where generated code does not */
    struct snap s[JIT_MAX_INSNS + 1];
    uint8_t image[JIT_MAX_INSNS + 1][FX_BYTES];
    struct access st[MAX_STORES], ld[MAX_LOADS];
    unsigned nst, nld;
    /* An atomic operation's operand. */
    uint8_t bounce[16], before[16];
    uint8_t *bounce_host;
    unsigned bounce_size;
    uint32_t true_fl;       /* with the dead ones; of the last comparison */
    uint64_t fl_rip;        /* ... if this comes next, with these flags */
    uint32_t fl_real;
    bool have_fl;
    uint8_t gone;
    sigjmp_buf stop;
};

/* Flags as in struct jsite: FL_*'s of the decoder's table. */
static uint32_t eflags_of(uint8_t f)
{
    return (f & FL_O ? FL_OF : 0) | (f & FL_S ? FL_SF : 0) |
           (f & FL_Z ? FL_ZF : 0) | (f & FL_A ? FL_AF : 0) |
           (f & FL_P ? FL_PF : 0) | (f & FL_C ? FL_CF : 0);
}

/*
 * Memory of the shadow run.
 */
static uint8_t shadow_byte(const struct jit_check *c, const uint8_t *p)
{
    for (unsigned i = c->nst; i--;) {
        if (p - c->st[i].host >= 0 && p - c->st[i].host < c->st[i].size) {
            return (uint8_t)(c->st[i].val >> (8 * (p - c->st[i].host)));
        }
    }
    return *p;
}

static uint64_t peek(const uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return *p;
    case 2:
        return *(const volatile uint16_t *)(const void *)p;
    case 4:
        return *(const volatile uint32_t *)(const void *)p;
    case 8:
        return *(const volatile uint64_t *)(const void *)p;
    }
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

static bool full(struct jit_check *c)
{
    c->unknown |= c->nst == MAX_STORES || c->nld + 2 > MAX_LOADS;
    return c->unknown;
}

uint64_t x86_shadow_ld(CPUX86State *env, vaddr lin, unsigned size, int mode)
{
    struct jit_check *c = env->jit->check;
    const uint8_t *p = x86_shadow_host(env, lin, false, mode);
    bool overlap = false;

    if (!p || full(c)) {
        x86_shadow_stop(env);
    }
    for (unsigned i = 0; i < c->nst && !overlap; i++) {
        overlap = p < c->st[i].host + c->st[i].size && c->st[i].host < p + size;
    }
    uint64_t v = peek(p, size);
    if (overlap) {
        v = 0;
        for (unsigned i = 0; i < size; i++) {
            v |= (uint64_t)shadow_byte(c, p + i) << (8 * i);
        }
    } else {
        c->ld[c->nld++] = (struct access){ (uint8_t *)(uintptr_t)p, v,
                                           (uint8_t)size };
    }
    return v;
}

static void log_store(CPUX86State *env, uint8_t *p, uint64_t val,
                      unsigned size)
{
    struct jit_check *c = env->jit->check;

    if (full(c)) {
        x86_shadow_stop(env);
    }
    c->st[c->nst++] = (struct access){ p, val, (uint8_t)size };
}

void x86_shadow_st(CPUX86State *env, vaddr lin, uint64_t val, unsigned size,
                   int mode)
{
    uint8_t *p = x86_shadow_host(env, lin, true, mode);

    if (!p) {
        x86_shadow_stop(env);
    }
    log_store(env, p, val, size);
}

/* What is written to the operand is logged when the instruction is done. */
void *x86_shadow_rmw(CPUX86State *env, vaddr lin, unsigned size)
{
    struct jit_check *c = env->jit->check;

    if ((lin & 0xfff) + size > 4096 || size > sizeof(c->bounce)) {
        x86_shadow_stop(env);
    }
    uint8_t *p = x86_shadow_host(env, lin, true, env->mmu_idx);
    if (!p || full(c)) {
        x86_shadow_stop(env);
    }
    for (unsigned i = 0; i < size; i++) {
        c->before[i] = c->bounce[i] = shadow_byte(c, p + i);
    }
    for (unsigned i = 0; i < size; i += 8) {
        unsigned k = MIN(size - i, 8);
        c->ld[c->nld++] = (struct access){ p + i, peek(p + i, k), (uint8_t)k };
    }
    c->bounce_host = p;
    c->bounce_size = size;
    return c->bounce;
}

static void settle_bounce(CPUX86State *env)
{
    struct jit_check *c = env->jit->check;

    if (c->bounce_host && memcmp(c->bounce, c->before, c->bounce_size)) {
        for (unsigned i = 0; i < c->bounce_size; i += 8) {
            unsigned k = MIN(c->bounce_size - i, 8);
            log_store(env, c->bounce_host + i, peek(c->bounce + i, k), k);
        }
    }
    c->bounce_host = NULL;
}

void x86_shadow_stop(CPUX86State *env)
{
    siglongjmp(*env->unwind, 1);
}

/*
 * The shadow run.
 */
static void take(CPUX86State *env, struct jit_check *c, struct snap *s,
                 bool vectors)
{
    memcpy(s->regs, env->regs, sizeof(s->regs));
    s->rip = env->rip;
    s->gs_base = env->seg_base[R_GS];
    s->kernel_gs = env->x.kernelgsbase;
    s->fl = x86_cc_get(env);
    s->sys = env->eflags_sys;
    s->stores = c->nst;
    s->image = s == c->s ? 0 : s[-1].image + vectors;
    if (vectors || (s == c->s && c->jb->v)) {
        memcpy(c->image[s->image], env->x.xsave, FX_BYTES);
    }
}

/* What generated code does without the interpreter. */
static bool foretold(enum how how)
{
    return how != HOW_SLOW && how != HOW_LEAVE && how != HOW_SLOW_BRANCH &&
           how != HOW_RDTSC && how != HOW_STAC;
}

/*
 * Flags undefined after @in that the two have from different places: AF,
 * which tr_flag_use() takes for set though the processor may keep it, and OF
 * of rotates, which depends on the encoding.  Logic does set AF.
 */
static uint8_t undefined(const struct insn *in)
{
    switch (in->op) {
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_TEST:
        return 0;
    case OP_ROL:
    case OP_ROR:
    case OP_RCL:
    case OP_RCR:
        return in->opcode == 0xd0 || in->opcode == 0xd1 ? 0 : FL_O;
    }
    return insn_row(in)->fl_u & FL_A;
}

static void shadow_run(CPUX86State *env, struct jit_check *c)
{
    struct jblk *jb = c->jb;
    volatile unsigned i = c->from;
    sigjmp_buf *unwind = env->unwind;

    c->n = 0;
    c->complete = c->unknown = false;
    c->bounce_host = NULL;
    env->unwind = &c->stop;
    if (sigsetjmp(c->stop, 0)) {
        /* A fault or something that cannot be foretold: generated code calls
         * C there, or it goes on and nothing is compared. */
        env->ea_bias = 0;
        c->nst = c->s[c->n].stores;
        goto out;
    }
    take(env, c, &c->s[0], false);
    c->s[0].gone = c->gone;
    while (i < jb->n) {
        const struct insn *in = jb->in[i];
        uint64_t next = jb->va + jb->pos[i] + in->len;

        uint8_t gone = c->s[c->n].gone, reads, kills;
        tr_flag_use(in, jb->how[i], &reads, &kills);
        if (!foretold(jb->how[i])) {
            c->unknown = jb->how[i] == HOW_RDTSC || jb->how[i] == HOW_STAC;
            break;
        }
        if (reads & gone || (jb->how[i] == HOW_JCC && !in->imm)) {
            c->unknown = true;
            break;
        }
        next = env->code64 ? next : (uint32_t)next;
        if (jb->how[i] == HOW_STI) {
            env->eflags_sys |= FL_IF;
            env->rip = next;
        } else {
            interp_one(env, in, jb->va + jb->pos[i]);
            settle_bounce(env);
        }
        i++;
        c->n++;
        take(env, c, &c->s[c->n], insn_row(in)->unit != UNIT_INT);
        c->s[c->n].old_fl = c->s[c->n - 1].old_fl &
                            ~eflags_of(insn_row(in)->fl_w);
        c->s[c->n].gone = (gone & ~insn_row(in)->fl_w) | undefined(in);
        if (env->rip != next || jb->how[i - 1] > HOW_JCC) {
            c->complete = env->rip != next || jb->how[i - 1] != HOW_STAC;
            break;
        }
    }
    c->complete |= i == jb->n && jb->how[i - 1] != HOW_LEAVE &&
                   jb->how[i - 1] != HOW_SLOW_BRANCH;
out:
    env->unwind = unwind;
}

static void report(struct jit *j, const struct jit_check *c, unsigned step,
                   const char *text)
{
    GString *out = g_string_new(NULL);
    char line[128];

    g_string_append_printf(out, "jit-check: difference in translation 0x%"
                           PRIx64 " after %u instructions\n", c->jb->va, step);
    for (unsigned i = c->from; i < c->jb->n && i <= c->from + step; i++) {
        uint64_t va = c->jb->va + c->jb->pos[i];

        disas_insn(line, sizeof(line), c->jb->in[i], va,
                   c->jb->b->key & KEY_L ? DECODE_64 : DECODE_32);
        g_string_append_printf(out, "  %c0x%" PRIx64 ": %s\n",
                               i == c->from + step ? '>' : ' ', va, line);
    }
    g_string_append(out, text);
    if (j->n_differ++ < 20) {
        fprintf(stderr, "%s", out->str);
        jit_log_code(j, c->jb);
    }
    g_string_free(out, TRUE);
}

void jit_check_arm(struct jit *j, struct jblk *jb, unsigned i)
{
    CPUX86State *env = j->env;
    struct jit_check *c = j->check;
    struct {
        struct snap s;
        struct x86_seg gs;
        uint64_t cr2, cc_a, cc_b, cc_res, insn_count, watch_hit;
        uint32_t cc_rec, break_gen;
        bool brk;
        const void *cur;
        struct tlbe *tlb;
        uint8_t fx[FX_BYTES];
    } old;
    if (!c) {
        c = j->check = g_new0(struct jit_check, 1);
    }
    c->jb = jb;
    c->from = i;
    c->nst = c->nld = 0;
    c->armed = true;
    if (i == 0) {
        env->check_left = 1;
        if (env->rip != jb->va) {
            report(j, c, 0, "  entered for another address\n");
        }
    } else if (jb->b->gen != atomic_load(jb->b->gen_ptr)) {
        report(j, c, 0, "  goes on in code that was written\n");
    }
    memcpy(old.s.regs, env->regs, sizeof(old.s.regs));
    if (jb->v) {
        memcpy(old.fx, env->x.xsave, FX_BYTES);
    }
    old.s.rip = env->rip;
    old.s.gs_base = env->seg_base[R_GS];
    old.s.kernel_gs = env->x.kernelgsbase;
    old.s.sys = env->eflags_sys;
    old.gs = env->x.seg[R_GS];
    old.cr2 = env->x.cr2;
    old.cc_a = env->cc_a;
    old.cc_b = env->cc_b;
    old.cc_res = env->cc_res;
    old.cc_rec = env->cc_rec;
    old.insn_count = env->insn_count;
    old.watch_hit = env->watch_hit;
    old.break_gen = env->break_gen;
    old.brk = env->brk;
    old.cur = env->cur;
    old.tlb = env->tlb_cur;
    /*
     * What the translation before took for dead may be in @need, of a
     * translation that was made when less of the page was known.
     */
    uint32_t real = x86_cc_get(env), need = eflags_of(jb->fl_in);

    c->s[0].old_fl = c->have_fl && i == 0 ? (real ^ c->true_fl) & need : 0;
    if (c->have_fl && i == 0 && env->rip == c->fl_rip &&
        x86_cc_get(env) == c->fl_real) {
        x86_cc_set(env, c->true_fl);
    } else {
        c->gone = 0;
        c->s[0].old_fl = 0;
    }
    c->have_fl = false;
    env->tlb_cur = x86_tlb_none();
    env->shadow = true;
    env->rip = jb->va + (i < jb->n ? jb->pos[i]
                                   : jb->pos[i - 1] + jb->in[i - 1]->len);
    shadow_run(env, c);
    env->shadow = false;
    env->tlb_cur = old.tlb;
    memcpy(env->regs, old.s.regs, sizeof(old.s.regs));
    if (jb->v) { /* else none of its instructions was foretold */
        memcpy(env->x.xsave, old.fx, FX_BYTES);
    }
    env->rip = old.s.rip;
    env->seg_base[R_GS] = old.s.gs_base;
    env->x.kernelgsbase = old.s.kernel_gs;
    env->x.seg[R_GS] = old.gs;
    env->eflags_sys = old.s.sys;
    env->x.cr2 = old.cr2;
    env->cc_a = old.cc_a;
    env->cc_b = old.cc_b;
    env->cc_res = old.cc_res;
    env->cc_rec = old.cc_rec;
    env->insn_count = old.insn_count;
    env->watch_hit = old.watch_hit;
    env->break_gen = old.break_gen;
    env->brk = old.brk;
    env->cur = old.cur;
    env->exc.vector = -1;
    if (i == 0) {
        x86_cc_set(env, (real & need) | (~c->s[0].fl & ~need));
    }
}

/*
 * Comparison.
 */

/* Did another thread write what the shadow read? */
static bool moved(const struct jit_check *c)
{
    for (unsigned i = 0; i < c->nld; i++) {
        uint64_t v = 0;

        if (peek(c->ld[i].host, c->ld[i].size) == c->ld[i].val) {
            continue;
        }
        for (unsigned k = 0; k < c->ld[i].size; k++) {
            v |= (uint64_t)shadow_byte(c, c->ld[i].host + k) << (8 * k);
        }
        if (v == c->ld[i].val || v == peek(c->ld[i].host, c->ld[i].size)) {
            continue; /* its own later store */
        }
        return true;
    }
    return false;
}

/* Text only if there is a difference: nearly always there is none. */
#define DIFFER(out, is, want, ...) \
    do { \
        if (unlikely((is) != (want))) { \
            differ(out, is, want, __VA_ARGS__); \
        } \
    } while (0)

static void G_GNUC_PRINTF(4, 5) differ(GString **out, uint64_t is,
                                       uint64_t want, const char *name, ...)
{
    va_list ap;

    if (!*out) {
        *out = g_string_new(NULL);
    }
    g_string_append(*out, "  ");
    va_start(ap, name);
    g_string_append_vprintf(*out, name, ap);
    va_end(ap);
    g_string_append_printf(*out, " 0x%" PRIx64 ", interpreter 0x%" PRIx64 "\n",
                           is, want);
}

static void compare_fx(GString **out, const uint8_t *is, const uint8_t *want,
                       bool avx)
{
    DIFFER(out, peek(is, 4), peek(want, 4), "fcw, fsw");
    DIFFER(out, is[XS_FTW], want[XS_FTW], "ftw");
    DIFFER(out, peek(is + XS_MXCSR, 4), peek(want + XS_MXCSR, 4), "mxcsr");
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *a = is + XS_ST(i), *b = want + XS_ST(i);

        DIFFER(out, peek(a, 8), peek(b, 8), "st%u", i);
        DIFFER(out, peek(a + 8, 2), peek(b + 8, 2), "st%u exponent", i);
    }
    for (unsigned i = 0; i < (avx ? 32 : 16); i++) {
        const uint8_t *a = is + (i < 16 ? XS_XMM(i) : XS_YMMH(i - 16));
        const uint8_t *b = want + (a - is);

        DIFFER(out, peek(a, 8), peek(b, 8), "%s%u", i < 16 ? "xmm" : "ymmh",
               i % 16);
        DIFFER(out, peek(a + 8, 8), peek(b + 8, 8), "%s%u, high",
               i < 16 ? "xmm" : "ymmh", i % 16);
    }
}

static void compare(struct jit *j, unsigned step, uint32_t flags, bool rip)
{
    CPUX86State *env = j->env;
    struct jit_check *c = j->check;
    const struct snap *s = &c->s[step];
    GString *out = NULL;
    uint32_t fl = x86_cc_get(env);

    flags &= ~(eflags_of(s->gone) | s->old_fl);
    unsigned all = c->nst;

    j->n_checked++;
    for (unsigned i = 0; i < 16; i++) {
        DIFFER(&out, env->regs[i], s->regs[i], "r%u", i);
    }
    DIFFER(&out, fl & flags, s->fl & flags, "flags");
    DIFFER(&out, env->eflags_sys, s->sys, "eflags");
    DIFFER(&out, env->seg_base[R_GS], s->gs_base, "gs base");
    DIFFER(&out, env->x.kernelgsbase, s->kernel_gs, "kernel gs base");
    if (rip) {
        DIFFER(&out, env->rip, s->rip, "rip");
    }
    if (s->image || c->jb->v) {
        compare_fx(&out, env->x.xsave, c->image[s->image],
                   c->jb->b->key & KEY_AVX);
    }
    c->nst = s->stores; /* those done by then */
    for (unsigned i = 0; i < c->nst; i++) {
        for (unsigned k = 0; k < c->st[i].size; k++) {
            uint8_t *p = c->st[i].host + k, want = shadow_byte(c, p);

            DIFFER(&out, *p, want, "byte %u of store %u", k, i);
        }
    }
    if (!out) {
        c->true_fl = s->fl;
        c->fl_real = fl;
        c->fl_rip = env->rip;
        c->gone = s->gone;
        c->have_fl = true;
    } else {
        if (moved(c)) {
            j->n_moved++;
        } else {
            report(j, c, step, out->str);
        }
        g_string_free(out, TRUE);
    }
    c->nst = all;
}

void jit_check_at(struct jit *j, const struct jblk *jb, unsigned i,
                  bool behind, uint8_t flags)
{
    struct jit_check *c = j->check;
    unsigned step = i - c->from + behind;
    char text[64];

    if (!c || !c->armed) {
        return;
    }
    c->armed = false;
    if (jb != c->jb || i < c->from) {
        snprintf(text, sizeof(text), "  went on into another: 0x%" PRIx64
                 " instruction %u\n", jb->va, i);
        report(j, c, c->n, text);
        return;
    }
    if (step > c->n) {
        if (c->complete) {
            report(j, c, c->n, "  did not jump\n");
        } else {
            j->n_unknown++;
        }
        return;
    }
    compare(j, step, eflags_of(flags), behind);
    if (!behind && c->have_fl) {
        x86_cc_set(j->env, c->true_fl);
        c->have_fl = false;
        c->gone = 0;
    }
}

void jit_check_left(struct jit *j)
{
    struct jit_check *c = j->check;
    uint32_t head = j->env->check_head;

    j->env->check_head = 0;
    if (!c || !c->armed) {
        return;
    }
    c->armed = false;
    if (head && j->blks[head - 1].stale) {
        report(j, c, c->n, "  went on into code that was written\n");
    } else if (c->unknown) {
        j->n_unknown++;
    } else if (!c->complete) {
        report(j, c, c->n, "  jumped\n");
    } else {
        compare(j, c->n, 0, true);
    }
}

void jit_check_free(struct jit *j)
{
    g_free(j->check);
    j->check = NULL;
}
