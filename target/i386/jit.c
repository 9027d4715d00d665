/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JIT's frame: code memory, the thunks between C and generated code, the
 * table of translations, and what generated code calls.
 *
 * Each vCPU has its own code memory, so nothing here is shared but the queue
 * of written pages.  The memory is mapped twice, to be written and to be
 * executed; the executable view and CPUX86State lie in the low 2 GB, so that
 * code reaches both by 32-bit addresses.
 *
 * In generated code the guest's registers are in the host's, but for rsp (in
 * r9) and r9 to r11 (in env); r10 and r11 are temporaries; rsp is this
 * thread's stack.  The arithmetic flags are in EFLAGS, in env->flags_img, or
 * dead.  Vector and x87 registers are the guest's while v_live, f_live say
 * so: every way to C stores them.
 */
#include "osdep.h"
#include "jit-check.h"
#include "simd-int.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

unsigned jit_threshold = 6;
bool jit_lockstep;
unsigned jit_off;

static _Thread_local struct jit *thread_jit;
static struct sigaction old_segv, old_fpe, old_ill;

static uint32_t img_to_fl(uint16_t img)
{
    return (img >> 8 & 0xd5) | (img & 1 ? FL_OF : 0);
}

static uint16_t fl_to_img(uint32_t fl)
{
    return (uint16_t)((fl & 0xd5) << 8 | 0x200 | (fl & FL_OF ? 1 : 0));
}

static void flags_to_c(CPUX86State *env)
{
    env->cc_rec = CC_FLAGS;
    env->cc_a = img_to_fl(env->flags_img);
}

static void flags_to_code(CPUX86State *env)
{
    env->flags_img = fl_to_img(x86_cc_get(env));
}

/*
 * Translations.
 */
struct jblk *jit_find(struct block *b, uint64_t va)
{
    for (struct jblk *jb = b->jit; jb; jb = jb->next) {
        if ((jb->va == va || PLANT(PLANT_CHAIN_VA)) && !jb->stale) {
            return jb;
        }
    }
    return NULL;
}

static unsigned page_slot(uint64_t ram_page)
{
    return (ram_page >> 12 ^ ram_page >> 24) % 4096;
}

void jit_flush(CPUX86State *env)
{
    struct jit *j = env->jit;

    if (!j) {
        return;
    }
    for (unsigned i = 0; i < j->nblks; i++) {
        j->blks[i].b->jit = NULL;
    }
    j->hot = j->thunks;
    j->cold = j->hot_end;
    j->nsites = j->nblks = 0;
    j->pool_used = 0;
    memset(j->pages, 0, sizeof(j->pages));
    memset(env->jjc, 0xff, sizeof(env->jjc));
    j->n_flush++;
}

void jit_code_written(CPUX86State *env, uint64_t ram_page)
{
    struct jit *j = env->jit;

    mutex_lock(&j->stale_lock);
    unsigned n = atomic_load(&j->nstale);
    if (n < ARRAY_SIZE(j->stale_pages)) {
        j->stale_pages[n] = ram_page;
    }
    atomic_store(&j->nstale, n + 1);
    mutex_unlock(&j->stale_lock);
    x86_request_exit(env);
}

static void serve_stale(struct jit *j)
{
    mutex_lock(&j->stale_lock);
    unsigned n = atomic_load(&j->nstale);
    bool any = false;

    if (n > ARRAY_SIZE(j->stale_pages)) {
        jit_flush(j->env);
        n = 0;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t page = j->stale_pages[i];
        struct jblk **p = &j->pages[page_slot(page)];

        while (*p) {
            struct jblk *jb = *p;
            if (jb->ram_page != page) {
                p = &jb->page_next;
                continue;
            }
            jb->stale = true;
            *p = jb->page_next;
            any = true;
            j->n_stale++;
        }
    }
    atomic_store(&j->nstale, 0);
    mutex_unlock(&j->stale_lock);
    if (any && !PLANT(PLANT_STALE_JUMPS)) {
        x86_jc_flush(j->env);
        atomic_store(&j->env->jc_key, JC_POISON); /* set again on entry */
    }
}

/* The translation of @b at env->rip, made if @b is hot; NULL: interpret. */
static struct jblk *get(struct jit *j, struct block *b)
{
    CPUX86State *env = j->env;
    struct jblk *jb = jit_find(b, env->rip);

    if (likely(jb) || b->hits++ < jit_threshold) {
        return jb;
    }
    if (j->hot + JIT_HOT_ROOM > j->hot_end ||
        j->cold + JIT_COLD_ROOM > j->cold_end ||
        j->nsites + JIT_SITES_ROOM > j->max_sites || j->nblks == j->max_blks ||
        j->pool_used + JIT_MAX_INSNS * 16 > j->pool_size) {
        jit_flush(env);
    }
    jb = &j->blks[j->nblks];
    memset(jb, 0, sizeof(*jb));
    jb->b = b;
    jb->va = env->rip;
    jb->ram_page = b->ram & ~UINT64_C(0xfff);
    if (!jit_translate(j, jb)) {
        b->hits = 0;
        return NULL;
    }
    j->nblks++;
    jb->next = b->jit;
    b->jit = jb;
    jb->page_next = j->pages[page_slot(jb->ram_page)];
    j->pages[page_slot(jb->ram_page)] = jb;
    j->n_blocks++;
    j->n_guest += jb->n;
    j->n_host += jb->end - jb->start;
    j->n_cold += jb->cold_end - jb->cold;
    jit_tell(j, jb);
    return jb;
}

/* What cannot be translated at all in the present mode. */
static bool usable(const CPUX86State *env)
{
    return !env->align_check && (env->cpl == 0 || env->cpl == 3) &&
           (env->code64 || (env->key & (KEY_D | KEY_SSB | KEY_FLAT)) ==
                               (KEY_D | KEY_SSB | KEY_FLAT)) &&
           !(env->key & KEY_REAL);
}

/*
 * Called by generated code: all registers are in env.
 */

/* After a request that this overwrites, exit_req is seen. */
static void enter_key(CPUX86State *env)
{
    atomic_store(&env->jc_key, env->jc_gen);
    if (unlikely(atomic_load(&env->exit_req))) {
        atomic_store(&env->jc_key, JC_POISON);
    }
}

/* The code for env->rip, or NULL: to the dispatcher. */
static const uint8_t *lookup(struct jit *j)
{
    CPUX86State *env = j->env;
    vaddr lin = env->rip + env->seg_base[R_CS];
    struct jce *c = &env->jc[(lin ^ lin >> 8) & (JC_SIZE - 1)];
    struct block *b;

    if (unlikely(atomic_load(&env->exit_req)) || unlikely(env->brk)) {
        return NULL;
    }
    if (likely(c->tag == (lin ^ env->jc_gen)) &&
        likely(c->blk->gen == atomic_load(c->blk->gen_ptr))) {
        b = c->blk;
    } else {
        b = block_get(env);
        if (!b->gen_ptr) {
            return NULL;
        }
        c->tag = lin ^ env->jc_gen;
        c->blk = b;
    }
    struct jblk *jb = get(j, b);
    if (!jb) {
        return NULL;
    }
    if (unlikely(j->lockstep)) {
        jit_check_arm(j, jb, 0);
        flags_to_code(env);
    }
    struct jjce *h = &env->jjc[(env->rip ^ env->rip >> 8) & (JC_SIZE - 1)];
    if (!(jit_off & JIT_NO_JCACHE)) {
        h->tag = env->rip ^ env->jc_gen;
        h->host = jb->m;
    }
    return jb->m;
}

/*
 * Behind an instruction that may have changed anything: on without the
 * dispatcher, if that has nothing to do.  (NULL is always right.)
 */
static const uint8_t *after_end(struct jit *j)
{
    CPUX86State *env = j->env;
    CPUState *cs = &env->cpu->parent;

    if (atomic_load_explicit(&env->exit_req, memory_order_relaxed) ||
        atomic_load_explicit(&cs->interrupt_request, memory_order_relaxed) ||
        env->x.pending_db || env->x.shadow || env->single_only ||
        env->one_insn || env->watch_hit || env->gdb_watch_type ||
        env->halt_pending || cs->halted || env->exc.vector >= 0 ||
        atomic_load(&j->nstale) || !usable(env)) {
        return NULL;
    }
    env->brk = false;
    enter_key(env);
    return lookup(j);
}

static const uint8_t *jit_slow(CPUX86State *env, uint32_t n)
{
    struct jit *j = env->jit;
    struct jsite s = j->sites[n];
    struct jblk *jb = s.jb;
    uint64_t rip = jb->va + jb->pos[s.insn], flushes = j->n_flush;
    const struct insn *in = jb->in[s.insn];

    env->v_want = jb->v;
    env->f_want = jb->f;
    flags_to_c(env);
    if (unlikely(j->lockstep)) {
        jit_check_at(j, jb, s.insn, false, s.fl);
    }
    j->n_slow++;
    j->slow_by_op[in->op]++;
    jit_slot_judge(j, n);
    interp_one(env, in, rip);
    flags_to_code(env);
    if (s.kind == SITE_INSN) {
        rip += in->len;
        if (!env->code64) {
            rip = (uint32_t)rip;
        }
        if ((likely(!env->brk) && likely(env->rip == rip) &&
             likely(j->n_flush == flushes) &&
             likely(!atomic_load_explicit(&env->exit_req,
                                          memory_order_relaxed))) ||
            PLANT(PLANT_SMC_GOES_ON)) {
            if (unlikely(j->lockstep)) {
                jit_check_arm(j, jb, s.insn + 1);
            }
            return j->rx + s.back;
        }
        return NULL;
    }
    env->v_want = env->f_want = 0;
    if (s.kind == SITE_LEAVE) {
        j->n_leave++;
        return after_end(j);
    }
    j->n_branch++;
    return lookup(j);
}

static const uint8_t *jit_link(CPUX86State *env, uint32_t n)
{
    struct jit *j = env->jit;
    struct jsite s = j->sites[n];
    uint64_t flushes = j->n_flush;

    env->v_want = env->f_want = 0;
    env->rip = s.va;
    flags_to_c(env);
    j->n_link++;
    if (unlikely(j->lockstep)) {
        jit_check_at(j, s.jb, s.insn, true, s.fl);
    }
    const uint8_t *to = lookup(j);
    if (to && j->n_flush == flushes && s.patch && !s.jb->stale) {
        /* lookup() has just found it valid, in a page that is ours. */
        struct block *b =
            env->jc[((env->rip + env->seg_base[R_CS]) ^
                     (env->rip + env->seg_base[R_CS]) >> 8) &
                    (JC_SIZE - 1)].blk;
        struct jblk *jb = jit_find(b, env->rip);

        if (jb && !(jit_off & JIT_NO_CHAIN) &&
            jb->ram_page == s.jb->ram_page &&
            jb->b->key == s.jb->b->key) {
            uint8_t *at = j->rw + s.patch;
            const uint8_t *dst = s.kind == SITE_LINK_E ? jb->e : jb->m;

            if (jb->b->ram2) { /* by a lookup only */
                dst = j->lockstep ? NULL
                    : jit_jump_stub(j, s.jb, env->rip, s.kind == SITE_LINK_E);
            }
            if (dst) {
                e_fix(at, j->rw + (dst - j->rx));
            }
        }
    }
    return to;
}

static const uint8_t *jit_ind(CPUX86State *env, uint32_t n)
{
    struct jit *j = env->jit;
    struct jsite s = j->sites[n];

    env->v_want = env->f_want = 0;
    flags_to_c(env);
    j->n_ind++;
    if (env->code64 && (uint64_t)((int64_t)env->rip >> 47) + 1 > 1) {
        /* The instruction itself faults: undo what it did to rsp. */
        env->regs[R_SP] -= s.pop;
        if (unlikely(j->lockstep)) {
            jit_check_at(j, s.jb, s.insn, false, 0);
        }
        interp_one(env, s.jb->in[s.insn], s.jb->va + s.jb->pos[s.insn]);
        flags_to_code(env);
        return NULL;
    }
    if (unlikely(j->lockstep)) {
        jit_check_at(j, s.jb, s.insn, true, s.fl);
    }
    return lookup(j);
}

/* A host exception at @at: the interpreter raises the guest's. */
static const uint8_t *jit_fault(CPUX86State *env, const uint8_t *at)
{
    struct jit *j = env->jit;
    uint32_t off = (uint32_t)(at - j->rx);
    unsigned lo = 0, hi = j->nblks;

    env->v_want = env->f_want = 0;
    j->n_fault++;
    while (hi - lo > 1) {
        unsigned mid = (lo + hi) / 2;
        if (j->blks[mid].start <= off) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    struct jblk *jb = &j->blks[lo];
    if (off < jb->start || off >= jb->end) {
        fprintf(stderr, "jit: fault outside of guest code\n");
        abort();
    }
    unsigned i = jb->n - 1;
    while (i && JIT_OFF(jb->off[i]) > off - jb->start) {
        i--;
    }
    if (jb->off[i] & JIT_OFF_E) {
        env->flags_img = env->fault_img;
    }
    /* In a run of pushes or pops nothing is done before the first access. */
    while (i && JIT_OFF(jb->off[i - 1]) == JIT_OFF(jb->off[i])) {
        i--;
    }
    flags_to_c(env);
    if (unlikely(j->lockstep)) {
        jit_check_at(j, jb, i, false, 0);
    }
    interp_one(env, jb->in[i], jb->va + jb->pos[i]);
    flags_to_code(env);
    return NULL;
}

/*
 * Thunks.
 */
static void gen_store(struct emit *e, CPUX86State *env)
{
    for (int i = 0; i < 16; i++) {
        if (home[i] >= 0) {
            e_st(e, home[i], rm_abs(&env->regs[i]));
        }
    }
}

static void gen_load(struct emit *e, CPUX86State *env)
{
    for (int i = 0; i < 16; i++) {
        if (home[i] >= 0) {
            e_ld(e, home[i], rm_abs(&env->regs[i]));
        }
    }
}

/* flags_img from EFLAGS; rax is put back, T1 is lost. */
static void gen_flags_save(struct emit *e, const uint16_t *img)
{
    e_mov_rr(e, H_T1, H_AX);
    e8(e, 0x9f);                           /* lahf */
    e_op0f(e, 0, 0x90, 0, rm_reg(H_AX));   /* seto %al */
    e8(e, 0x66);
    e_op(e, 0, 0x89, H_AX, rm_abs(img));
    e_mov_rr(e, H_AX, H_T1);
}

/* movups/vmovups between register @n and @m. */
static void gen_vmov(struct emit *e, bool store, bool vex, unsigned n,
                     struct rm m)
{
    if (vex) {
        e8(e, 0xc5);
        e8(e, (n & 8 ? 0 : 0x80) | 0x78);
    } else {
        if (n & 8) {
            e8(e, 0x44);
        }
        e8(e, 0x0f);
    }
    e8(e, store ? 0x11 : 0x10);
    e_modrm(e, (int)(n & 7), m);
}

/* vextractf128/vinsertf128 $1 with @m. */
static void gen_vhigh(struct emit *e, bool store, unsigned n, struct rm m)
{
    e8(e, 0xc4);
    e8(e, (n & 8 ? 0 : 0x80) | 0x63);
    e8(e, store ? 0x7d : (~n & 15) << 3 | 5);
    e8(e, store ? 0x19 : 0x18);
    e_modrm(e, (int)(n & 7), m);
    e8(e, 1);
}

static const uint32_t *host_mxcsr(struct jit *j)
{
    return (const uint32_t *)(const void *)&j->env->jit_tmp[3];
}

static void gen_mxcsr(struct emit *e, unsigned reg, const void *p)
{
    e8(e, 0x0f);
    e8(e, 0xae);
    e_modrm(e, (int)reg, rm_abs(p)); /* 2 ldmxcsr, 3 stmxcsr, 0 fxsave... */
}

static void gen_fx(struct emit *e, unsigned reg, const void *p)
{
    e8(e, 0x48);
    gen_mxcsr(e, reg, p);
}

/* Stores the live vector and x87 registers; EFLAGS are lost. */
static void gen_fp_save(struct emit *e, struct jit *j)
{
    CPUX86State *env = j->env;
    uint8_t *img = env->x.xsave;

    e_cmp8(e, rm_abs(&env->v_live), 0);
    uint8_t *none = e_jcc(e, CC_E);
    e_cmp8(e, rm_abs(&env->f_live), 0);
    uint8_t *no_f = e_jcc(e, CC_E);
    gen_fx(e, 0, img);
    /* The host's FIP and FDP mean nothing to the guest. */
    e_op(e, 1, 0xc7, 0, rm_abs(img + XS_FIP)), e32(e, 0);
    e_op(e, 1, 0xc7, 0, rm_abs(img + XS_FDP)), e32(e, 0);
    e8(e, 0xdb), e8(e, 0xe3); /* fninit */
    e_op(e, 0, 0xc6, 0, rm_abs(&env->f_live)), e8(e, 0);
    e_fix(no_f, e->p);
    gen_mxcsr(e, 3, img + XS_MXCSR);
    gen_mxcsr(e, 2, host_mxcsr(j));
    e_cmp8(e, rm_abs(&env->v_live), 2);
    uint8_t *ymm = e_jcc(e, CC_E);
    for (unsigned i = 0; i < 16; i++) {
        gen_vmov(e, true, false, i, rm_abs(img + XS_XMM(i)));
    }
    uint8_t *done = e_jmp(e);
    e_fix(ymm, e->p);
    if (__builtin_cpu_supports("avx")) {
        for (unsigned i = 0; i < 16; i++) {
            gen_vmov(e, true, true, i, rm_abs(img + XS_XMM(i)));
            gen_vhigh(e, true, i, rm_abs(img + XS_YMMH(i)));
        }
        e8(e, 0xc5), e8(e, 0xf8), e8(e, 0x77); /* vzeroupper */
    }
    e_fix(done, e->p);
    e_op(e, 0, 0xc6, 0, rm_abs(&env->v_live)), e8(e, 0);
    e_fix(none, e->p);
}

/* Called; changes no general register, but EFLAGS. */
static void gen_load_v(struct emit *e, struct jit *j, int how)
{
    CPUX86State *env = j->env;
    uint8_t *img = env->x.xsave;

    gen_mxcsr(e, 2, img + XS_MXCSR);
    for (unsigned i = 0; i < 16; i++) {
        gen_vmov(e, false, how == 2, i, rm_abs(img + XS_XMM(i)));
        if (how == 2) {
            gen_vhigh(e, false, i, rm_abs(img + XS_YMMH(i)));
        }
    }
    e_op(e, 0, 0xc6, 0, rm_abs(&env->v_live)), e8(e, (unsigned)how);
    e8(e, 0xc3);
}

static void e_call_abs(struct emit *e, const void *fn)
{
    e_imm(e, H_AX, (uintptr_t)fn);
    e8(e, 0xff);
    e8(e, 0xd0);
}

static void e_call_to(struct emit *e, const uint8_t *rw)
{
    e8(e, 0xe8);
    e32(e, 0);
    e_fix(e->p - 4, rw);
}

static void gen_out(struct emit *e)
{
    static const uint8_t pops[] = { 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41,
                                    0x5c, 0x5d, 0x5b, 0xc3 };

    e_alui(e, 1, 0, rm_reg(H_RSP), 8);
    for (unsigned i = 0; i < sizeof(pops); i++) {
        e8(e, pops[i]);
    }
}

static void gen_thunks(struct jit *j)
{
    static const uint8_t pushes[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41,
                                      0x56, 0x41, 0x57 };
    CPUX86State *env = j->env;
    struct emit em = { j->rw }, *e = &em;
    uint8_t *to_tail[8], *tail;
    unsigned n = 0;
#define RX(p) (j->rx + ((p) - j->rw))

    env->jit_tmp[3] = 0x1f80;
    j->enter = (void (*)(const uint8_t *))(uintptr_t)RX(e->p);
    for (unsigned i = 0; i < sizeof(pushes); i++) {
        e8(e, pushes[i]);
    }
    e_alui(e, 1, 5, rm_reg(H_RSP), 8);
    e_mov_rr(e, H_T1, H_DI);
    gen_load(e, env);
    e_op(e, 0, 0xff, 4, rm_reg(H_T1));

    uint8_t *v[3], *f[3];
    int ways = __builtin_cpu_supports("avx") ? 2 : 1;
    for (int how = 1; how <= ways; how++) {
        v[how] = e->p;
        j->t_load_v[how] = RX(e->p);
        gen_load_v(e, j, how);
        f[how] = e->p;
        j->t_load_f[how] = RX(e->p);
        /* All of it, vectors too: stored first if they are live. */
        gen_fp_save(e, j);
        gen_fx(e, 1, env->x.xsave);
        e_op(e, 0, 0xc6, 0, rm_abs(&env->f_live)), e8(e, 1);
        e_jmp_to(e, v[how]);
    }

    /*
     * TLB misses: called with the address in T1, returns when the entry is
     * filled.  Else the site's number, which follows the jump behind the
     * call, is interpreted.
     */
    uint8_t *to_slow[4];
    for (int n_miss = 0; n_miss < 4; n_miss++) {
        bool write = n_miss & 1, slot = n_miss & 2;
        static const uint8_t save[] = { 0x50, 0x51, 0x52, 0x56, 0x57, 0x41,
                                        0x50, 0x41, 0x51, 0x41, 0x52, 0x50 };
        static const uint8_t back[] = { 0x58, 0x41, 0x5a, 0x41, 0x59, 0x41,
                                        0x58, 0x5f, 0x5e, 0x5a, 0x59, 0x58 };
        *(slot ? &j->t_slot_miss[write] : &j->t_miss[write]) = RX(e->p);
        for (unsigned i = 0; i < sizeof(save); i++) {
            e8(e, save[i]);
        }
        e_imm(e, H_DI, (uintptr_t)env);
        e_mov_rr(e, H_SI, H_T1);
        e_imm(e, H_DX, (unsigned)write);
        if (jit_off & JIT_NO_REFILL) {
            e_imm(e, H_AX, 0);
        } else if (slot) { /* the site's number, see below */
            e_ld(e, H_CX, rm_mem(H_RSP, -1, 0, 9 * 8));
            e_ld32(e, H_CX, rm_mem(H_CX, -1, 0, 5));
            e_call_abs(e, jit_slot_refill);
        } else {
            e_call_abs(e, x86_tlb_refill);
        }
        e_op(e, 0, 0x84, H_AX, rm_reg(H_AX)); /* test %al,%al */
        for (unsigned i = 0; i < sizeof(back); i++) {
            e8(e, back[i]); /* pop: flags stay */
        }
        uint8_t *no = e_jcc(e, CC_E);
        e8(e, 0xc3);
        e_fix(no, e->p);
        e8(e, 0x41), e8(e, 0x5b); /* pop T2 */
        e_ld32(e, H_T2, rm_mem(H_T2, -1, 0, 5));
        to_slow[n_miss] = e_jmp(e);
    }

    j->t_leave = RX(e->p);
    gen_store(e, env);
    gen_fp_save(e, j);
    gen_out(e);

    struct { const uint8_t **t; const void *fn; bool fl; } calls[] = {
        { &j->t_slow, jit_slow, false },
        { &j->t_link_m, jit_link, false },
        { &j->t_link_e, jit_link, true },
        { &j->t_ind, jit_ind, false },
        { &j->t_fault, jit_fault, true },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        bool fault = calls[i].t == &j->t_fault;
        *calls[i].t = RX(e->p);
        if (calls[i].t == &j->t_slow) {
            for (unsigned k = 0; k < ARRAY_SIZE(to_slow); k++) {
                e_fix(to_slow[k], e->p);
            }
        }
        if (calls[i].fl) {
            gen_flags_save(e, fault ? &env->fault_img : &env->flags_img);
        }
        gen_store(e, env);
        e_mov_rr(e, H_BX, H_T2);
        gen_fp_save(e, j);
        e_mov_rr(e, H_SI, H_BX);
        e_imm(e, H_DI, (uintptr_t)env);
        e_call_abs(e, calls[i].fn);
        to_tail[n++] = e_jmp(e);
    }
    tail = e->p;
    for (unsigned i = 0; i < n; i++) {
        e_fix(to_tail[i], tail);
    }
    e_op(e, 1, 0x85, H_AX, rm_reg(H_AX));
    uint8_t *go = e_jcc(e, CC_NE);
    gen_out(e);
    e_fix(go, e->p);
    e_mov_rr(e, H_T1, H_AX);
    for (int how = 1; how <= ways; how++) {
        e_cmp8(e, rm_abs(&env->v_want), (unsigned)how);
        uint8_t *no = e_jcc(e, CC_NE);
        e_cmp8(e, rm_abs(&env->f_want), 0);
        uint8_t *no_f = e_jcc(e, CC_E);
        e_call_to(e, f[how]);
        uint8_t *loaded = e_jmp(e);
        e_fix(no_f, e->p);
        e_call_to(e, v[how]);
        e_fix(loaded, e->p);
        e_fix(no, e->p);
    }
    e_op0f(e, 0, 0xb7, H_AX, rm_abs(&env->flags_img));
    e8(e, 0x04), e8(e, 0x7f); /* add $0x7f,%al: OF */
    e8(e, 0x9e);              /* sahf */
    gen_load(e, env);
    e_op(e, 0, 0xff, 4, rm_reg(H_T1));
    j->thunks = (uint32_t)ROUND_UP((size_t)(e->p - j->rw), 64);
#undef RX
}

/*
 * Host exceptions in copied instructions.
 */
static void on_fault(int sig, siginfo_t *info, void *opaque)
{
    ucontext_t *uc = opaque;
    greg_t *r = uc->uc_mcontext.gregs;
    struct jit *j = thread_jit;
    uintptr_t ip = (uintptr_t)r[REG_RIP];
    struct sigaction *old = sig == SIGFPE ? &old_fpe
                            : sig == SIGILL ? &old_ill : &old_segv;

    /* Alignment and control registers: no address, sent by the kernel; an
     * invalid slot's page.  What this host cannot execute is interpreted,
     * too. */
    if (j && ip >= (uintptr_t)j->rx + j->thunks &&
        ip < (uintptr_t)j->rx + j->size &&
        (sig != SIGSEGV || info->si_code == SI_KERNEL ||
         (uintptr_t)info->si_addr - j->env->slot_guard < 4096)) {
        r[REG_R11] = r[REG_RIP];
        r[REG_RIP] = (greg_t)(uintptr_t)j->t_fault;
    } else if ((old->sa_flags & SA_SIGINFO) && old->sa_sigaction) {
        old->sa_sigaction(sig, info, opaque);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(sig);
    } else {
        signal(sig, SIG_DFL); /* a bug of ours: dies where it happened */
    }
}

static void thread_prepare(struct jit *j)
{
    static gsize once;
    sigset_t set;

    simd_thread_ready();
    if (g_once_init_enter(&once)) {
        struct sigaction sa = { .sa_sigaction = on_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                            SA_NODEFER };
        sigemptyset(&sa.sa_mask);
        sigaction(SIGSEGV, &sa, &old_segv);
        sigaction(SIGFPE, &sa, &old_fpe);
        sigaction(SIGILL, &sa, &old_ill);
        g_once_init_leave(&once, 1);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGFPE);
    sigaddset(&set, SIGILL);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    thread_jit = j;
}

enum jit_ran jit_run(CPUX86State *env, struct block *b)
{
    struct jit *j = env->jit;

    if (unlikely(atomic_load_explicit(&j->nstale, memory_order_acquire))) {
        serve_stale(j);
    }
    if (unlikely(!usable(env))) {
        return JIT_NEVER;
    }
    struct jblk *jb = b->gen_ptr ? get(j, b) : NULL;
    if (!jb) {
        return JIT_COLD;
    }
    if (unlikely(thread_jit != j)) {
        thread_prepare(j);
    }
    env->cur = NULL;
    if (unlikely(j->lockstep)) {
        jit_check_arm(j, jb, 0);
    }
    flags_to_code(env);
    enter_key(env);
    env->v_want = env->f_want = 0;
    j->n_enter++;
    j->enter(jb->m);
    flags_to_c(env);
    if (unlikely(j->lockstep)) {
        jit_check_left(j);
    }
    env->cur = NULL;
    return JIT_RAN;
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    g_assert(p != MAP_FAILED);
    return p;
}

bool jit_init(CPUX86State *env, uint64_t bytes)
{
    void *rw, *rx;

    if ((uintptr_t)env + sizeof(*env) > INT32_MAX) {
        return false;
    }
    /* Two views of one memory.  Not a memfd: only this sort of mapping counts
     * as generated code for perf (see jit_tell). */
    rx = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (rx == MAP_FAILED) {
        return false;
    }
    rw = mremap(rx, 0, bytes, MREMAP_MAYMOVE);
    if (rw == MAP_FAILED || mprotect(rx, bytes, PROT_READ | PROT_EXEC) < 0) {
        munmap(rx, bytes);
        if (rw != MAP_FAILED) {
            munmap(rw, bytes);
        }
        return false;
    }
    struct jit *j = reserve(sizeof(*j));
    j->env = env;
    j->rw = rw;
    j->rx = rx;
    j->size = bytes;
    mutex_init(&j->stale_lock);
    j->max_sites = (unsigned)(bytes / 24);
    j->sites = reserve(j->max_sites * sizeof(*j->sites));
    j->max_blks = (unsigned)(bytes / 128);
    j->blks = reserve(j->max_blks * sizeof(*j->blks));
    j->pool_size = bytes;
    j->pool = reserve(j->pool_size);
    j->lockstep = jit_lockstep;
    env->slot_guard = (uintptr_t)mmap(NULL, 4096, PROT_NONE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert((void *)env->slot_guard != MAP_FAILED);
    env->slots_used = true;
    x86_slots_drop(env);
    gen_thunks(j);
    j->hot = j->thunks;
    j->hot_end = j->cold = (uint32_t)(bytes / 3 * 2);
    j->cold_end = (uint32_t)bytes;
    env->jit = j;
    return true;
}

void jit_destroy(CPUX86State *env)
{
    struct jit *j = env->jit;

    if (!j) {
        return;
    }
    env->jit = NULL;
    munmap(j->rw, j->size);
    munmap((void *)(uintptr_t)j->rx, j->size);
    munmap(j->sites, j->max_sites * sizeof(*j->sites));
    munmap(j->blks, j->max_blks * sizeof(*j->blks));
    munmap(j->pool, j->pool_size);
    munmap((void *)env->slot_guard, 4096);
    mutex_destroy(&j->stale_lock);
    jit_check_free(j);
    munmap(j, sizeof(*j));
}
