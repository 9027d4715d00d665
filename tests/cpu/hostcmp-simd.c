/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vector unit (simd.c, fpu.c) without the rest of the software CPU: what
 * it asks of interpreter and MMU is answered here, with flat memory that is
 * the test's own.
 */
#include "hostcmp.h"
#include <sys/mman.h>

X86Platform x86_platform;
static sigjmp_buf unwind;

void x86_raise(CPUX86State *env, int vector)
{
    siglongjmp(unwind, vector + 1);
}

void x86_raise_err(CPUX86State *env, int vector, uint32_t error)
{
    siglongjmp(unwind, vector + 1);
}

uint64_t x86_cur_rip(const CPUX86State *env)
{
    return HC_CODE;
}

uint32_t x86_cc_get(const CPUX86State *env)
{
    return env->cc_a;
}

void x86_update_mode(CPUX86State *env)
{
}

void bql_lock(void) NO_THREAD_SAFETY
{
}

void bql_unlock(void) NO_THREAD_SAFETY
{
}

static void *at(vaddr lin, unsigned size)
{
    if (lin + 0x800000000000 >= UINT64_C(0x1000000000000)) {
        siglongjmp(unwind, EXCP_GP + 1);
    }
    if (lin < HC_DATA || lin > HC_DATA + HC_DATA_SIZE - size) {
        siglongjmp(unwind, EXCP_PF + 1);
    }
    return (void *)(uintptr_t)lin;
}

uint64_t x86_insn_ea(CPUX86State *env, const struct insn *insn)
{
    uint64_t ea = (int64_t)insn->disp;

    if (insn->base == INSN_RIP) {
        ea += HC_CODE + insn->len;
    } else if (insn->base < 16) {
        ea += env->regs[insn->base];
    }
    if (insn->index < 16) {
        ea += env->regs[insn->index] << insn->scale;
    }
    return insn->addrsize == 4 ? (uint32_t)ea : ea;
}

vaddr x86_seg_lin_slow(CPUX86State *env, int seg, uint64_t off, unsigned size,
                       bool write)
{
    return off;
}

vaddr x86_insn_lin(CPUX86State *env, const struct insn *insn, unsigned size,
                   bool write)
{
    return x86_insn_ea(env, insn);
}

void x86_ld_buf(CPUX86State *env, vaddr lin, void *buf, unsigned size)
{
    memcpy(buf, at(lin, size), size);
}

void x86_st_buf(CPUX86State *env, vaddr lin, const void *buf, unsigned size)
{
    memcpy(at(lin, size), buf, size);
}

void x86_probe(CPUX86State *env, vaddr lin, unsigned size, bool write)
{
    at(lin, size);
}

uint64_t x86_ld_slow(CPUX86State *env, vaddr lin, unsigned size)
{
    uint64_t v = 0;

    x86_ld_buf(env, lin, &v, size);
    return v;
}

void x86_st_slow(CPUX86State *env, vaddr lin, uint64_t val, unsigned size)
{
    x86_st_buf(env, lin, &val, size);
}

bool hc_simd_covers(const struct x86_row *row)
{
    return row->unit != UNIT_INT && row->priv == PRIV_ANY;
}

bool hc_ferr;
static uint64_t flip_cr0, flip_cr4, flip_xcr0;

static void set_ferr(bool level)
{
    hc_ferr = level;
}

void hc_simd_control(uint64_t cr0, uint64_t cr4, uint64_t xcr0)
{
    flip_cr0 = cr0;
    flip_cr4 = cr4;
    flip_xcr0 = xcr0;
}

static CPUX86State *make_env(void)
{
    static X86CPU cpu;
    CPUX86State *env =
        mmap(NULL, sizeof(*env), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    memset(cpu.features, 0xff, sizeof(cpu.features));
    env->cpu = &cpu;
    x86_platform.set_ferr = set_ferr;
    env->code64 = true;
    env->cpl = 3;
    env->tlb_cur = env->tlb[0];
    return env;
}

static int guarded(CPUX86State *env, const struct insn *insn)
{
    int fault = sigsetjmp(unwind, 0);

    if (!fault) {
        simd_exec(env, insn);
    }
    return fault;
}

int hc_simd_engine(const struct host_regs *in, struct host_regs *out,
                   const struct insn *insn)
{
    static CPUX86State *env;
    int fault;

    if (!env) {
        env = make_env();
    }
    env->x.cr0 = (CR0_PE | CR0_PG | CR0_NE | CR0_MP) ^ flip_cr0;
    env->x.cr4 = (CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE) ^ flip_cr4;
    env->x.xcr0 = 7 ^ flip_xcr0;
    memcpy(env->regs, in->gpr, sizeof(in->gpr));
    env->cc_rec = CC_FLAGS;
    env->cc_a = in->rflags & FL_ARITH;
    memset(env->x.xsave, 0, sizeof(env->x.xsave));
    memcpy(env->x.xsave, in->xsave, 832);
    fault = guarded(env, insn);
    memcpy(out->gpr, env->regs, sizeof(out->gpr));
    out->rflags = (in->rflags & ~(uint64_t)FL_ARITH) | env->cc_a;
    memcpy(out->xsave, env->x.xsave, 832);
    return fault;
}

const struct hc_side hc_side = {
    .covers = hc_simd_covers,
    .engine = hc_simd_engine,
};
