/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a running instruction's functions ask of the state: the lazy flags,
 * where the instruction is, and where its operand is.
 */
#include "osdep.h"
#include "interp.h"

uint32_t x86_cc_get(const CPUX86State *env)
{
    uint64_t a = env->cc_a, b = env->cc_b, r = env->cc_res, cov, over;
    uint32_t fl;

    if (env->cc_rec == CC_FLAGS) {
        return (uint32_t)a;
    }
    fl = (r ? 0 : FL_ZF) | ((int64_t)r < 0 ? FL_SF : 0) |
         (__builtin_parity(r & 0xff) ? 0 : FL_PF);
    switch (env->cc_rec) {
    case CC_LOGIC:
        return fl;
    case CC_ADD:
    case CC_ADC:
        cov = (a & b) | ((a | b) & ~r);
        over = (a ^ r) & (b ^ r);
        break;
    case CC_SUB:
    case CC_SBB:
        cov = (~a & b) | ((~a | b) & r);
        over = (a ^ b) & (a ^ r);
        break;
    case CC_INC:
        cov = a & ~r;
        fl |= (a ^ r) & 0x10 ? FL_AF : 0;
        /* Overflow only from the largest positive number. */
        fl |= (int64_t)a >= 0 && (int64_t)r < 0 ? FL_OF : 0;
        return fl | (b ? FL_CF : 0);
    case CC_DEC:
        fl |= (a ^ r) & 0x10 ? FL_AF : 0;
        fl |= (int64_t)a < 0 && (int64_t)r >= 0 ? FL_OF : 0;
        return fl | (b ? FL_CF : 0);
    default:
        return fl | (uint32_t)a;
    }
    return fl | (cov >> 63 ? FL_CF : 0) | (cov & 8 ? FL_AF : 0) |
           (over >> 63 ? FL_OF : 0);
}

bool x86_cond(const CPUX86State *env, unsigned cc)
{
    uint32_t fl = x86_cc_get(env);
    bool v;

    switch (cc >> 1) {
    case 0:
        v = fl & FL_OF;
        break;
    case 1:
        v = fl & FL_CF;
        break;
    case 2:
        v = fl & FL_ZF;
        break;
    case 3:
        v = fl & (FL_CF | FL_ZF);
        break;
    case 4:
        v = fl & FL_SF;
        break;
    case 5:
        v = fl & FL_PF;
        break;
    case 6:
        v = !(fl & FL_SF) != !(fl & FL_OF);
        break;
    default:
        v = (fl & FL_ZF) || !(fl & FL_SF) != !(fl & FL_OF);
    }
    return v ^ (cc & 1);
}

/*
 * Where the running instruction is.
 */
uint64_t x86_cur_rip(const CPUX86State *env)
{
    const struct insn *in = env->cur;
    uint64_t rip;

    if (!in) {
        return env->rip;
    }
    rip = env->r[INSN_RIP] + INSN_POS(in);
    return env->code64 ? rip : (uint32_t)rip;
}

uint64_t x86_next_rip(const CPUX86State *env)
{
    const struct insn *in = env->cur;
    uint64_t rip;

    if (!in) {
        return env->rip;
    }
    rip = env->r[INSN_RIP] + INSN_NEXT(in);
    return env->code64 ? rip : (uint32_t)rip;
}

bool x86_cur_is_stack(CPUX86State *env, vaddr lin)
{
    const struct insn *in = env->cur;

    if (!in) {
        return false;
    }
    switch (in->op) {
    case OP_PUSH:
    case OP_POP:
    case OP_CALL:
    case OP_CALL_IND:
        /* The operand, or the push and pop? */
        if (OPND_FILE(in->opnd[0]) == OPND_MEM &&
            lin - (env->regs[R_SP] - 16) > 32) {
            return in->seg == R_SS;
        }
        return true;
    case OP_RET:
    case OP_LEAVE:
    case OP_ENTER:
    case OP_PUSHF:
    case OP_POPF:
    case OP_IRET:
        return true;
    }
    return in->seg == R_SS;
}

uint64_t x86_insn_ea(CPUX86State *env, const struct insn *in)
{
    uint64_t ea = (int64_t)in->disp;

    if (in->base == INSN_RIP) {
        ea += env->r[INSN_RIP] + INSN_NEXT(in);
    } else {
        ea += env->r[in->base] + (env->r[in->index] << in->scale);
    }
    ea += env->ea_bias;
    return in->addrsize == 8 ? ea
         : in->addrsize == 4 ? (uint32_t)ea
                             : ea & 0xffff;
}

vaddr x86_ea_lin(CPUX86State *env, const struct insn *in, uint64_t ea,
                 unsigned size, bool write)
{
    if (env->code64) {
        /* A non-canonical one misses the TLB and is found there. */
        return in->seg >= R_FS ? ea + env->seg_base[in->seg] : ea;
    }
    if (write && in->seg == R_CS) { /* may be flat, never writable */
        return x86_seg_lin_slow(env, R_CS, ea, size, true);
    }
    return x86_seg_lin(env, in->seg, ea, size, write);
}

vaddr x86_insn_lin(CPUX86State *env, const struct insn *in, unsigned size,
                   bool write)
{
    return x86_ea_lin(env, in, x86_insn_ea(env, in), size, write);
}
