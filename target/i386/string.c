/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String instructions.  A repeated one runs in bulk, page by page, where both
 * sides are plain RAM and the direction is up; else element by element.  The
 * registers are right after every element, so a fault or an interrupt stops
 * it between two (SDM vol. 2, REP).
 */
#include "osdep.h"
#include "ops-int.h"

static uint64_t addr_mask(unsigned asz)
{
    return asz == 8 ? ~UINT64_C(0) : asz == 4 ? UINT32_MAX : 0xffff;
}

static void reg_add(CPUX86State *env, int r, int64_t n, unsigned asz)
{
    uint64_t m = addr_mask(asz), v = env->regs[r] + n;

    env->regs[r] = asz == 2 ? (env->regs[r] & ~m) | (v & m) : v & m;
}

static void set_acc(CPUX86State *env, uint64_t v, unsigned size)
{
    switch (size) {
    case 1:
        env->regs[R_AX] = (env->regs[R_AX] & ~UINT64_C(0xff)) | (v & 0xff);
        break;
    case 2:
        env->regs[R_AX] = (env->regs[R_AX] & ~UINT64_C(0xffff)) | (v & 0xffff);
        break;
    case 4:
        env->regs[R_AX] = (uint32_t)v;
        break;
    default:
        env->regs[R_AX] = v;
    }
}

static void compare(CPUX86State *env, uint64_t a, uint64_t b, unsigned size)
{
    env->cc_rec = CC_SUB;
    env->cc_a = sext(a, size);
    env->cc_b = sext(b, size);
    env->cc_res = sext(a - b, size);
}

/* Elements up to the page's end, going up. */
static uint64_t in_page(vaddr lin, unsigned size)
{
    return (4096 - (lin & 0xfff)) / size;
}

/* Host bytes of a plain page, or NULL. */
static uint8_t *host_r(CPUX86State *env, vaddr lin)
{
    struct tlbe *t = tlb_at(env, lin);

    return lin - t->tag_r < 4096 ? (uint8_t *)(uintptr_t)(t->host + lin -
                                                          t->tag_r)
                                 : NULL;
}

static uint8_t *host_w(CPUX86State *env, vaddr lin)
{
    struct tlbe *t = tlb_at(env, lin);

    return lin - t->tag_w < 4096 ? (uint8_t *)(uintptr_t)(t->host + lin -
                                                          t->tag_w)
                                 : NULL;
}

/* The offset space must not wrap within n elements. */
static uint64_t before_wrap(uint64_t off, unsigned size, unsigned asz)
{
    uint64_t m = addr_mask(asz);

    return asz == 8 ? UINT64_MAX : (m - off + 1) / size;
}

/* @n elements of @size bytes from @d on, aligned or not. */
static void fill(uint8_t *d, uint64_t v, uint64_t n, unsigned size)
{
    switch (size) {
    case 1:
        memset(d, v, n);
        break;
    case 2:
        for (uint64_t i = 0; i < n; i++) {
            memcpy(d + i * 2, &v, 2);
        }
        break;
    case 4:
        for (uint64_t i = 0; i < n; i++) {
            memcpy(d + i * 4, &v, 4);
        }
        break;
    default:
        for (uint64_t i = 0; i < n; i++) {
            memcpy(d + i * 8, &v, 8);
        }
    }
}

/* Several elements of STOS or MOVS at once: how many were done. */
static uint64_t bulk(CPUX86State *env, const struct insn *in, uint64_t count,
                     unsigned size)
{
    unsigned asz = in->addrsize;
    uint64_t m = addr_mask(asz), di = env->regs[R_DI] & m, n;

    if ((env->eflags_sys & FL_DF) || env->watch_any || env->align_check) {
        return 0;
    }
    vaddr dst = x86_seg_lin(env, R_ES, di, size, true);
    n = MIN(MIN(count, in_page(dst, size)), before_wrap(di, size, asz));
    if (!env->code64) {
        n = MIN(n, ((uint64_t)env->x.seg[R_ES].limit - di + 1) / size);
    }
    if (n < 2) {
        return 0;
    }
    uint8_t *d = host_w(env, dst);
    if (!d) {
        x86_probe(env, dst, size, true);
        d = host_w(env, dst);
        if (!d) {
            return 0;
        }
    }
    if (in->op == OP_STOS) {
        fill(d, env->regs[R_AX], n, size);
        reg_add(env, R_DI, n * size, asz);
        return n;
    }
    uint64_t si = env->regs[R_SI] & m;
    vaddr src = x86_seg_lin(env, in->seg, si, size, false);
    n = MIN(MIN(n, in_page(src, size)), before_wrap(si, size, asz));
    if (!env->code64) {
        n = MIN(n, ((uint64_t)env->x.seg[in->seg].limit - si + 1) / size);
    }
    if (n < 2) {
        return 0;
    }
    const uint8_t *s = host_r(env, src);
    if (!s) {
        x86_probe(env, src, size, false);
        s = host_r(env, src);
        if (!s) {
            return 0;
        }
        d = host_w(env, dst); /* the same entry may have been refilled */
        if (!d) {
            return 0;
        }
    }
    if (d > s && d < s + n * size) {
        /* Overlap upwards repeats a pattern. */
        if ((uint64_t)(d - s) < size) {
            return 0;
        }
        n = MIN(n, (uint64_t)(d - s) / size);
    }
    memmove(d, s, n * size);
    reg_add(env, R_SI, n * size, asz);
    reg_add(env, R_DI, n * size, asz);
    return n;
}

/*
 * One element; CX is the caller's.  What CMPS and SCAS compare goes to @pair:
 * the flags change when the whole instruction is over or interrupted, and are
 * the old ones at a fault (SDM volume 2, REP).
 */
static void one(CPUX86State *env, const struct insn *in, unsigned size,
                uint64_t pair[2])
{
    unsigned asz = in->addrsize;
    uint64_t m = addr_mask(asz);
    int64_t step = env->eflags_sys & FL_DF ? -(int64_t)size : size;
    uint64_t si = env->regs[R_SI] & m, di = env->regs[R_DI] & m, a, b;

    switch (in->op) {
    case OP_MOVS:
        a = ldn(env, x86_seg_lin(env, in->seg, si, size, false), size);
        stn(env, x86_seg_lin(env, R_ES, di, size, true), a, size);
        reg_add(env, R_SI, step, asz);
        reg_add(env, R_DI, step, asz);
        break;
    case OP_CMPS:
        a = ldn(env, x86_seg_lin(env, in->seg, si, size, false), size);
        b = ldn(env, x86_seg_lin(env, R_ES, di, size, false), size);
        pair[0] = a;
        pair[1] = b;
        reg_add(env, R_SI, step, asz);
        reg_add(env, R_DI, step, asz);
        break;
    case OP_STOS:
        stn(env, x86_seg_lin(env, R_ES, di, size, true), env->regs[R_AX], size);
        reg_add(env, R_DI, step, asz);
        break;
    case OP_LODS:
        a = ldn(env, x86_seg_lin(env, in->seg, si, size, false), size);
        set_acc(env, a, size);
        reg_add(env, R_SI, step, asz);
        break;
    case OP_SCAS:
        b = ldn(env, x86_seg_lin(env, R_ES, di, size, false), size);
        pair[0] = env->regs[R_AX];
        pair[1] = b;
        reg_add(env, R_DI, step, asz);
        break;
    case OP_INS: {
        vaddr lin = x86_seg_lin(env, R_ES, di, size, true);
        x86_probe(env, lin, size, true);
        stn(env, lin, x86_io_in(env, env->regs[R_DX] & 0xffff, size), size);
        reg_add(env, R_DI, step, asz);
        break;
    }
    case OP_OUTS:
        a = ldn(env, x86_seg_lin(env, in->seg, si, size, false), size);
        x86_io_out(env, env->regs[R_DX] & 0xffff, a, size);
        reg_add(env, R_SI, step, asz);
        break;
    }
}

bool x86_string(CPUX86State *env, const struct insn *in)
{
    unsigned size = in->opsize, asz = in->addrsize;
    uint64_t m = addr_mask(asz), left = env->regs[R_CX] & m;
    bool rep = in->prefix & (PFX_REP | PFX_REPNE);
    bool cond = in->op == OP_CMPS || in->op == OP_SCAS;
    uint32_t gen = env->break_gen;
    uint64_t pair[2];
    bool done = true;

    if (rep && left == 0) {
        return true;
    }
    if (in->op == OP_INS || in->op == OP_OUTS) {
        x86_check_io(env, env->regs[R_DX] & 0xffff, size);
    }
    if (!rep) {
        one(env, in, size, pair);
        if (cond) {
            compare(env, pair[0], pair[1], size);
        }
        return true;
    }
    for (;;) {
        uint64_t n = 0;

        if ((in->op == OP_STOS || in->op == OP_MOVS) && left > 3) {
            n = bulk(env, in, left, size);
        }
        if (!n) {
            one(env, in, size, pair);
            n = 1;
        }
        left -= n;
        reg_add(env, R_CX, -(int64_t)n, asz);
        if (!left) {
            break;
        }
        if (cond) {
            bool zf = !((pair[0] ^ pair[1]) << (64 - 8 * size));

            if (zf != !!(in->prefix & PFX_REP)) {
                break;
            }
        }
        if (unlikely(atomic_load_explicit(&env->exit_req,
                                          memory_order_relaxed)) ||
            env->break_gen != gen || env->single_only || env->watch_hit) {
            done = false;
            break;
        }
    }
    if (cond) {
        compare(env, pair[0], pair[1], size);
    }
    return done;
}
