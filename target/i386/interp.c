/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter: threaded dispatch of decoded blocks.
 *
 * run() goes from block to block without leaving while exit_req is 0; block
 * ends look.  Instructions of CLASS_END come back to the loop around it
 * (interp-loop.c).  Frequent forms have a label each (h_*), the rest calls
 * x86_ops[].
 */
#include "osdep.h"
#include "host-alu.h"
#include "jit.h"
#include "util/log.h"

static inline bool cc_cf(const CPUX86State *env)
{
    switch (env->cc_rec) {
    case CC_LOGIC:
        return false;
    case CC_ADD:
        return env->cc_res < env->cc_a;
    case CC_SUB:
        return env->cc_a < env->cc_b;
    case CC_INC:
    case CC_DEC:
        return env->cc_b;
    case CC_RES:
    case CC_FLAGS:
        return env->cc_a & FL_CF;
    default:
        return x86_cc_get(env) & FL_CF;
    }
}

/* The frequent cases of x86_cond() without the whole image. */
static inline bool cond(const CPUX86State *env, unsigned cc)
{
    if (likely(env->cc_rec != CC_FLAGS)) {
        switch (cc) {
        case 4:
            return env->cc_res == 0;
        case 5:
            return env->cc_res != 0;
        case 8:
            return (int64_t)env->cc_res < 0;
        case 9:
            return (int64_t)env->cc_res >= 0;
        case 2:
            return cc_cf(env);
        case 3:
            return !cc_cf(env);
        }
        if (env->cc_rec == CC_SUB) {
            int64_t a = env->cc_a, b = env->cc_b;
            switch (cc) {
            case 6:
                return (uint64_t)a <= (uint64_t)b;
            case 7:
                return (uint64_t)a > (uint64_t)b;
            case 12:
                return a < b;
            case 13:
                return a >= b;
            case 14:
                return a <= b;
            case 15:
                return a > b;
            }
        } else if (env->cc_rec == CC_LOGIC) {
            int64_t r = env->cc_res;
            switch (cc) {
            case 6:
                return r == 0;
            case 7:
                return r != 0;
            case 12:
                return r < 0;
            case 13:
                return r >= 0;
            case 14:
                return r <= 0;
            case 15:
                return r > 0;
            }
        }
    }
    return x86_cond(env, cc);
}

/*
 * Things before a rare or privileged instruction.
 */
static void check_priv(CPUX86State *env, const struct insn *in)
{
    if (insn_row(in)->priv == PRIV_CPL0 && env->cpl) {
        x86_raise_err(env, EXCP_GP, 0);
    }
    if (insn_row(in)->priv == PRIV_CPL0_UD && env->cpl) {
        x86_raise(env, EXCP_UD);
    }
}

static void h_simd_fn(CPUX86State *env, const struct insn *in)
{
    simd_exec(env, in);
}

/* The slow address forms of the frequent instructions. */
static __attribute__((noinline)) vaddr ea_slow(CPUX86State *env,
                                               const struct insn *in,
                                               unsigned size, bool write)
{
    env->cur = in;
    return x86_insn_lin(env, in, size, write);
}

/* Labels of run(), by operation, form and log2 of the operand size; run()
 * itself fills them. */
enum form { F_RR, F_RI, F_RM, F_MR, F_MI, F_R, FORMS };
static const void *table[OP_COUNT][FORMS][4];
static const void *jcc_table[16];
static const void *setcc_label, *cmov_label[2][2];
static const void *movzx_label[2][2], *movsx_label[2][3][2];
static const void *h_generic_label, *h_end_label, *h_term_label;
static const void *h_branch_label;

const void *interp_end_handler(void)
{
    return h_term_label;
}

static int log2size(unsigned size)
{
    return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

void interp_specialize(CPUX86State *env, struct insn *in)
{
    unsigned f0 = OPND_FILE(in->opnd[0]), f1 = OPND_FILE(in->opnd[1]);
    const struct x86_row *row = insn_row(in);
    const void *h = NULL;

    in->handler = row->class_ == CLASS_END || in->op == OP_HLT ? h_end_label
        : row->class_ == CLASS_BRANCH                          ? h_branch_label
                                                               : h_generic_label;
    if (row->unit != UNIT_INT || (in->prefix & (PFX_LOCK | PFX_VEX)) ||
        in->opsize > 8) {
        return;
    }
    int s = log2size(in->opsize);
    bool stack64 = env->code64;

    switch (in->op) {
    case OP_JCC:
        if (in->opsize != 2) {
            h = jcc_table[INSN_CC(in)];
        }
        break;
    case OP_JMP:
    case OP_CALL:
    case OP_RET:
        if (in->opsize == (stack64 ? 8 : 4) &&
            (in->op == OP_JMP || stack64 ||
             ((env->key & (KEY_FLAT | KEY_SSB)) == (KEY_FLAT | KEY_SSB)))) {
            h = table[in->op][f0 == OPND_IMM ? F_RI : F_R][s];
        }
        break;
    case OP_PUSH:
    case OP_POP:
        if (in->opsize == (stack64 ? 8 : 4) &&
            (stack64 ||
             ((env->key & (KEY_FLAT | KEY_SSB)) == (KEY_FLAT | KEY_SSB)))) {
            if (f0 == OPND_GPR) {
                h = table[in->op][F_R][s];
            } else if (f0 == OPND_IMM) {
                h = table[in->op][F_RI][s];
            }
        }
        break;
    case OP_SETCC:
        if (f0 == OPND_GPR) {
            h = setcc_label;
        }
        break;
    case OP_CMOVCC:
        if (s >= 2 && (f1 == OPND_GPR || f1 == OPND_MEM)) {
            h = cmov_label[s - 2][f1 == OPND_MEM];
        }
        break;
    case OP_MOVZX:
    case OP_MOVSX:
    case OP_MOVSXD:
        if (s >= 2 && (f1 == OPND_GPR || f1 == OPND_MEM)) {
            int from = log2size(insn_opnd_size(in, 1));
            if (in->op == OP_MOVZX && from < 2) {
                h = movzx_label[from][f1 == OPND_MEM];
            } else if (in->op != OP_MOVZX && from < 3) {
                h = movsx_label[s - 2][from][f1 == OPND_MEM];
            }
        }
        break;
    case OP_LEA:
        if (s >= 2 && INSN_AMODE(in) != AM_SLOW) {
            h = table[OP_LEA][F_RM][s];
        }
        break;
    case OP_NOP:
    case OP_PREFETCH:
        h = table[OP_NOP][F_R][0];
        break;
    case OP_XCHG:
    case OP_XADD:
        break;
    case OP_IMUL3:
        if (s >= 2 && f1 == OPND_GPR) {
            h = table[OP_IMUL3][F_RR][s];
        }
        break;
    case OP_SHL:
    case OP_SHR:
    case OP_SAR:
        if (s >= 2 && f0 == OPND_GPR) {
            if (f1 == OPND_IMM) {
                if ((in->imm & (s == 3 ? 63 : 31)) != 0) {
                    h = table[in->op][F_RI][s];
                }
            }
        }
        break;
    default:
        if (f0 == OPND_GPR) {
            h = f1 == OPND_GPR ? table[in->op][F_RR][s]
              : f1 == OPND_IMM ? table[in->op][F_RI][s]
              : f1 == OPND_MEM ? table[in->op][F_RM][s]
              : f1 == OPND_NONE ? table[in->op][F_R][s]
                                : NULL;
        } else if (f0 == OPND_MEM) {
            h = f1 == OPND_GPR ? table[in->op][F_MR][s]
              : f1 == OPND_IMM ? table[in->op][F_MI][s]
                               : NULL;
        }
    }
    if (h) {
        in->handler = h;
    }
}

#define SX8(v)  ((int64_t)(int8_t)(v))
#define SX16(v) ((int64_t)(int16_t)(v))
#define SX32(v) ((int64_t)(int32_t)(v))
#define SX64(v) ((int64_t)(v))

/* Register access by size; little-endian host. */
#define GET8(n)  (*(uint8_t *)&env->r[n])
#define GET16(n) (*(uint16_t *)&env->r[n])
#define GET32(n) (*(uint32_t *)&env->r[n])
#define GET64(n) (env->r[n])
#define PUT8(n, v)  (*(uint8_t *)&env->r[n] = (uint8_t)(v))
#define PUT16(n, v) (*(uint16_t *)&env->r[n] = (uint16_t)(v))
#define PUT32(n, v) (env->r[n] = (uint32_t)(v))
#define PUT64(n, v) (env->r[n] = (v))

#define NEXT \
    do { \
        ip++; \
        goto *ip->handler; \
    } while (0)

#define D0 (ip->opnd[0] & 15)
#define D1 (ip->opnd[1] & 15)

/* The linear address of the memory operand. */
#define EA(size, write) \
    ({ \
        uint64_t ea_; \
        uint8_t am_ = INSN_AMODE(ip); \
        if (likely(am_ <= AM_32)) { \
            ea_ = (env->r[ip->base] + (env->r[ip->index] << ip->scale) + \
                   (int64_t)ip->disp); \
            ea_ = am_ ? (uint32_t)ea_ : ea_; \
        } else if (am_ == AM_RIP) { \
            ea_ = env->r[INSN_RIP] + INSN_NEXT(ip) + (int64_t)ip->disp; \
        } else if (am_ == AM_FSGS) { \
            ea_ = (env->r[ip->base] + (env->r[ip->index] << ip->scale) + \
                   (int64_t)ip->disp) + env->seg_base[ip->seg]; \
        } else { \
            ea_ = ea_slow(env, ip, (size), (write)); \
        } \
        env->cur = ip; \
        ea_; \
    })

/* After a store that may have changed code or met a watchpoint. */
#define NEXT_ST \
    do { \
        if (unlikely(env->brk)) { \
            goto leave; \
        } \
        NEXT; \
    } while (0)

#define FLAGS(rec, a, b, res) \
    do { \
        env->cc_rec = (rec); \
        env->cc_a = (a); \
        env->cc_b = (b); \
        env->cc_res = (res); \
    } while (0)

/*
 * Runs @b and what follows; returns with env->rip at the next instruction.
 * @b NULL: fills the handler tables.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#define ONE_COPY __attribute__((noinline, noclone))
#else
#define ONE_COPY __attribute__((noinline))
#endif
static ONE_COPY void *run(CPUX86State *env, struct block *b, bool once)
{
    const struct insn *ip;
    uint64_t rip;

    if (unlikely(!b)) {
        goto init;
    }

enter:
    env->r[INSN_RIP] = env->rip;
    env->insn_count += b->n;
    ip = b->insn;
    goto *ip->handler;

    /* ---- one of everything ---- */
h_generic: {
        X86OpFn *fn = x86_ops[ip->op];

        env->cur = ip;
        if (likely(fn)) {
            check_priv(env, ip);
            env->rip = env->r[INSN_RIP] + INSN_NEXT(ip);
            fn(env, ip);
        } else {
            h_simd_fn(env, ip);
            env->rip = env->r[INSN_RIP] + INSN_NEXT(ip);
        }
        if (unlikely(env->brk)) {
            env->insn_count -= b->n - 1 - (ip - b->insn);
            goto out_masked;
        }
        NEXT;
    }

h_end:
    env->cur = ip;
    env->rip = x86_next_rip(env);
    if (likely(x86_ops[ip->op])) {
        check_priv(env, ip);
        x86_ops[ip->op](env, ip);
    } else {
        h_simd_fn(env, ip);
    }
    env->cur = NULL;
    return NULL;

h_branch:
    env->cur = ip;
    env->rip = x86_next_rip(env);
    x86_ops[ip->op](env, ip);
    goto branched;

h_term: /* the block's last instruction was no branch */
    rip = env->r[INSN_RIP] + INSN_POS(ip);
    goto fall_through;

    /* ---- where control goes ---- */
leave: /* after *ip */
    env->insn_count -= b->n - 1 - (ip - b->insn);
    env->rip = env->r[INSN_RIP] + INSN_NEXT(ip);
out_masked:
    if (!env->code64) {
        env->rip = (uint32_t)env->rip;
    }
    env->cur = NULL;
    return NULL;

jump_taken: /* rip: same page if the chain is there */
    env->rip = rip;
    if (unlikely(atomic_load_explicit(&env->exit_req, memory_order_relaxed)) ||
        unlikely(once) || unlikely(env->brk)) {
        env->cur = NULL;
        return NULL;
    }
    {
        struct block *n = b->chain[1];
        if (likely(n) &&
            likely(n->gen == atomic_load_explicit(n->gen_ptr,
                                                  memory_order_acquire))) {
            b = n;
            goto enter;
        }
    }
    {
        /* A block that runs once lies where the next one is decoded. */
        struct block *from = b->gen_ptr ? b : NULL;
        uint64_t at = env->r[INSN_RIP];
        uint64_t gen = env->flush_count;
        env->cur = NULL;
        goto lookup;
chain1:
        if (((at + env->seg_base[R_CS]) ^ (env->rip + env->seg_base[R_CS])) >>
                12 == 0 && from && b->gen_ptr && !b->ram2 &&
            gen == env->flush_count && !env->no_chain) {
            from->chain[1] = b;
        }
        goto enter;
    lookup: {
            vaddr lin = env->rip + env->seg_base[R_CS];
            struct jce *j = &env->jc[(lin ^ lin >> 8) & (JC_SIZE - 1)];
            if (j->tag == (lin ^ env->jc_gen) &&
                j->blk->gen == atomic_load_explicit(j->blk->gen_ptr,
                                                    memory_order_acquire)) {
                b = j->blk;
            } else {
                b = block_get(env);
                if (likely(b->gen_ptr)) {
                    j->tag = lin ^ env->jc_gen;
                    j->blk = b;
                }
            }
            goto chain1;
        }
    }

fall_through:
    env->rip = rip;
    if (!env->code64) {
        env->rip = (uint32_t)rip;
    }
    if (unlikely(atomic_load_explicit(&env->exit_req, memory_order_relaxed)) ||
        unlikely(once) || unlikely(env->brk)) {
        env->cur = NULL;
        return NULL;
    }
    {
        struct block *n = b->chain[0];
        if (likely(n) &&
            likely(n->gen == atomic_load_explicit(n->gen_ptr,
                                                  memory_order_acquire))) {
            b = n;
            goto enter;
        }
        struct block *from = b->gen_ptr ? b : NULL;
        uint64_t at = env->r[INSN_RIP];
        uint64_t gen = env->flush_count;
        env->cur = NULL;
        b = block_get(env);
        if (((at + env->seg_base[R_CS]) ^ (env->rip + env->seg_base[R_CS])) >>
                12 == 0 && from && b->gen_ptr && !b->ram2 &&
            gen == env->flush_count) {
            from->chain[0] = b;
        }
        goto enter;
    }

branched: /* env->rip is anything */
    env->cur = NULL;
    if (unlikely(atomic_load_explicit(&env->exit_req, memory_order_relaxed)) ||
        unlikely(once) || unlikely(env->brk)) {
        return NULL;
    }
    {
        vaddr lin = env->rip + env->seg_base[R_CS];
        struct jce *j = &env->jc[(lin ^ lin >> 8) & (JC_SIZE - 1)];
        if (likely(j->tag == (lin ^ env->jc_gen)) &&
            likely(j->blk->gen ==
                   atomic_load_explicit(j->blk->gen_ptr,
                                        memory_order_acquire))) {
            b = j->blk;
            goto enter;
        }
        b = block_get(env);
        if (likely(b->gen_ptr)) {
            j->tag = lin ^ env->jc_gen;
            j->blk = b;
        }
        goto enter;
    }

    /* ---- moves ---- */
#define MOV_FORMS(S) \
mov_rr##S: \
    PUT##S(D0, GET##S(D1)); \
    NEXT; \
mov_ri##S: \
    PUT##S(D0, (uint##S##_t)ip->imm); \
    NEXT; \
mov_rm##S: { \
        uint##S##_t v_ = x86_ld##S(env, EA(S / 8, false)); \
        PUT##S(D0, v_); \
        NEXT; \
    } \
mov_mr##S: \
    x86_st##S(env, EA(S / 8, true), GET##S(D1)); \
    NEXT_ST; \
mov_mi##S: \
    x86_st##S(env, EA(S / 8, true), (uint##S##_t)ip->imm); \
    NEXT_ST;
    MOV_FORMS(8)
    MOV_FORMS(16)
    MOV_FORMS(32)
    MOV_FORMS(64)

    /* ---- ALU: NAME, record, expression of a and b, writes back ---- */
#define ALU(name, S, EXPR, SETFL, WB_R, WB_M) \
name##_rr##S: { \
        uint##S##_t a = GET##S(D0), b_ = GET##S(D1), r_ = EXPR; \
        SETFL(S); \
        WB_R(S); \
        NEXT; \
    } \
name##_ri##S: { \
        uint##S##_t a = GET##S(D0), b_ = (uint##S##_t)ip->imm, r_ = EXPR; \
        SETFL(S); \
        WB_R(S); \
        NEXT; \
    } \
name##_rm##S: { \
        uint##S##_t b_ = x86_ld##S(env, EA(S / 8, false)); \
        uint##S##_t a = GET##S(D0), r_ = EXPR; \
        SETFL(S); \
        WB_R(S); \
        NEXT; \
    } \
name##_mr##S: { \
        uint64_t ea = EA(S / 8, true); \
        uint##S##_t a = x86_ld##S(env, ea), b_ = GET##S(D1), r_ = EXPR; \
        WB_M(S); \
        SETFL(S); \
        NEXT_ST; \
    } \
name##_mi##S: { \
        uint64_t ea = EA(S / 8, true); \
        uint##S##_t a = x86_ld##S(env, ea), b_ = (uint##S##_t)ip->imm, \
                    r_ = EXPR; \
        WB_M(S); \
        SETFL(S); \
        NEXT_ST; \
    }
#define FL_ADD(S) FLAGS(CC_ADD, SX##S(a), SX##S(b_), SX##S(r_))
#define FL_SUB(S) FLAGS(CC_SUB, SX##S(a), SX##S(b_), SX##S(r_))
#define FL_LOG(S) \
    do { \
        env->cc_rec = CC_LOGIC; \
        env->cc_res = SX##S(r_); \
        (void)a; \
        (void)b_; \
    } while (0)
#define WR(S) PUT##S(D0, r_)
#define WM(S) x86_st##S(env, ea, r_)
#define NO_W(S) do { } while (0)
#define NO_WM(S) (void)ea
#define ALL_ALU(S) \
    ALU(add, S, (uint##S##_t)(a + b_), FL_ADD, WR, WM) \
    ALU(sub, S, (uint##S##_t)(a - b_), FL_SUB, WR, WM) \
    ALU(and, S, a & b_, FL_LOG, WR, WM) \
    ALU(or, S, a | b_, FL_LOG, WR, WM) \
    ALU(xor, S, a ^ b_, FL_LOG, WR, WM)
    ALL_ALU(8)
    ALL_ALU(16)
    ALL_ALU(32)
    ALL_ALU(64)
    /* cmp and test do not need the right to write. */
#define CMP(name, S, EXPR, SETFL) \
name##_rr##S: { \
        uint##S##_t a = GET##S(D0), b_ = GET##S(D1), r_ = EXPR; \
        SETFL(S); \
        NEXT; \
    } \
name##_ri##S: { \
        uint##S##_t a = GET##S(D0), b_ = (uint##S##_t)ip->imm, r_ = EXPR; \
        SETFL(S); \
        NEXT; \
    } \
name##_rm##S: { \
        uint##S##_t b_ = x86_ld##S(env, EA(S / 8, false)); \
        uint##S##_t a = GET##S(D0), r_ = EXPR; \
        SETFL(S); \
        NEXT; \
    } \
name##_mr##S: { \
        uint##S##_t a = x86_ld##S(env, EA(S / 8, false)); \
        uint##S##_t b_ = GET##S(D1), r_ = EXPR; \
        SETFL(S); \
        NEXT; \
    } \
name##_mi##S: { \
        uint##S##_t a = x86_ld##S(env, EA(S / 8, false)); \
        uint##S##_t b_ = (uint##S##_t)ip->imm, r_ = EXPR; \
        SETFL(S); \
        NEXT; \
    }
#define ALL_CMP(S) \
    CMP(cmp, S, (uint##S##_t)(a - b_), FL_SUB) \
    CMP(test, S, a & b_, FL_LOG)
    ALL_CMP(8)
    ALL_CMP(16)
    ALL_CMP(32)
    ALL_CMP(64)

#define ADC_FORMS(S) \
adc_rr##S: { \
        uint##S##_t a = GET##S(D0), b_ = GET##S(D1), \
                    r_ = (uint##S##_t)(a + b_ + cc_cf(env)); \
        FLAGS(CC_ADC, SX##S(a), SX##S(b_), SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    } \
adc_ri##S: { \
        uint##S##_t a = GET##S(D0), b_ = (uint##S##_t)ip->imm, \
                    r_ = (uint##S##_t)(a + b_ + cc_cf(env)); \
        FLAGS(CC_ADC, SX##S(a), SX##S(b_), SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    } \
sbb_rr##S: { \
        uint##S##_t a = GET##S(D0), b_ = GET##S(D1), \
                    r_ = (uint##S##_t)(a - b_ - cc_cf(env)); \
        FLAGS(CC_SBB, SX##S(a), SX##S(b_), SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    } \
sbb_ri##S: { \
        uint##S##_t a = GET##S(D0), b_ = (uint##S##_t)ip->imm, \
                    r_ = (uint##S##_t)(a - b_ - cc_cf(env)); \
        FLAGS(CC_SBB, SX##S(a), SX##S(b_), SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    }
    ADC_FORMS(32)
    ADC_FORMS(64)

#define INC_FORMS(S) \
inc_r##S: { \
        uint##S##_t a = GET##S(D0), r_ = (uint##S##_t)(a + 1); \
        bool c_ = cc_cf(env); \
        FLAGS(CC_INC, SX##S(a), c_, SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    } \
dec_r##S: { \
        uint##S##_t a = GET##S(D0), r_ = (uint##S##_t)(a - 1); \
        bool c_ = cc_cf(env); \
        FLAGS(CC_DEC, SX##S(a), c_, SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    } \
not_r##S: \
    PUT##S(D0, ~GET##S(D0)); \
    NEXT; \
neg_r##S: { \
        uint##S##_t b_ = GET##S(D0), r_ = (uint##S##_t)-b_; \
        FLAGS(CC_SUB, 0, SX##S(b_), SX##S(r_)); \
        PUT##S(D0, r_); \
        NEXT; \
    }
    INC_FORMS(32)
    INC_FORMS(64)

    /* ---- shifts by a constant that is not 0 ---- */
    /* (Overflow as the host has it: host-alu.h.) */
#define SH_FORM(name, S, M) \
name##_ri##S: { \
        uint##S##_t r_ = GET##S(D0); \
        bool c_, o_; \
        __asm__(#name " %%cl, %0" : "+r"(r_), "=@ccc"(c_), "=@cco"(o_) \
                : "c"((uint8_t)(ip->imm & (M)))); \
        env->cc_rec = CC_RES; \
        env->cc_res = SX##S(r_); \
        env->cc_a = (c_ ? FL_CF : 0) | (o_ ? FL_OF : 0); \
        PUT##S(D0, r_); \
        NEXT; \
    }
#define SH_FORMS(S, M) \
    SH_FORM(shl, S, M) SH_FORM(shr, S, M) SH_FORM(sar, S, M)
    SH_FORMS(32, 31)
    SH_FORMS(64, 63)

#define IMUL_FORMS(S) \
imul2_rr##S: { \
        uint64_t r_ = GET##S(D0); \
        x86_cc_set(env, alu_bits(OP_IMUL2, S / 8, &r_, GET##S(D1), 0)); \
        PUT##S(D0, (uint##S##_t)r_); \
        NEXT; \
    } \
imul3_rr##S: { \
        uint64_t r_ = GET##S(D1); \
        x86_cc_set(env, alu_bits(OP_IMUL2, S / 8, &r_, ip->imm, 0)); \
        PUT##S(D0, (uint##S##_t)r_); \
        NEXT; \
    }
    IMUL_FORMS(32)
    IMUL_FORMS(64)

    /* ---- widening ---- */
movzx8_r:
    PUT64(D0, GET8(D1));
    NEXT;
movzx16_r:
    PUT64(D0, GET16(D1));
    NEXT;
movzx8_m: {
        uint8_t v = x86_ld8(env, EA(1, false));
        PUT64(D0, v);
        NEXT;
    }
movzx16_m: {
        uint16_t v = x86_ld16(env, EA(2, false));
        PUT64(D0, v);
        NEXT;
    }
#define MOVSX(D, S) \
movsx##D##_##S##_r: \
    PUT##D(D0, (int##D##_t)(int##S##_t)GET##S(D1)); \
    NEXT; \
movsx##D##_##S##_m: { \
        int##S##_t v = (int##S##_t)x86_ld##S(env, EA(S / 8, false)); \
        PUT##D(D0, (int##D##_t)v); \
        NEXT; \
    }
    MOVSX(32, 8)
    MOVSX(32, 16)
    MOVSX(32, 32)
    MOVSX(64, 8)
    MOVSX(64, 16)
    MOVSX(64, 32)

#define LEA(S) \
lea##S: { \
        uint64_t v = ip->base == INSN_RIP \
            ? env->r[INSN_RIP] + INSN_NEXT(ip) + (int64_t)ip->disp \
            : env->r[ip->base] + (env->r[ip->index] << ip->scale) + \
                  (int64_t)ip->disp; \
        if (ip->addrsize == 4) { \
            v = (uint32_t)v; \
        } \
        PUT##S(D0, v); \
        NEXT; \
    }
    LEA(32)
    LEA(64)

nop:
    NEXT;

setcc:
    PUT8(D0, cond(env, INSN_CC(ip)));
    NEXT;
#define CMOV(S) \
cmov##S##_r: { \
        uint##S##_t v_ = cond(env, INSN_CC(ip)) ? GET##S(D1) : GET##S(D0); \
        PUT##S(D0, v_); \
        NEXT; \
    } \
cmov##S##_m: { \
        uint##S##_t v_ = x86_ld##S(env, EA(S / 8, false)); \
        if (!cond(env, INSN_CC(ip))) { \
            v_ = GET##S(D0); \
        } \
        PUT##S(D0, v_); \
        NEXT; \
    }
    CMOV(32)
    CMOV(64)

    /* ---- stack, flat SS ---- */
push64: {
        uint64_t sp = env->regs[R_SP] - 8, v = GET64(D0);
        env->cur = ip;
        x86_st64(env, sp, v);
        env->regs[R_SP] = sp;
        NEXT_ST;
    }
push_i64: {
        uint64_t sp = env->regs[R_SP] - 8;
        env->cur = ip;
        x86_st64(env, sp, ip->imm);
        env->regs[R_SP] = sp;
        NEXT_ST;
    }
pop64: {
        uint64_t sp = env->regs[R_SP], v;
        env->cur = ip;
        v = x86_ld64(env, sp);
        env->regs[R_SP] = sp + 8;
        PUT64(D0, v);
        NEXT;
    }
push32: {
        uint32_t sp = (uint32_t)env->regs[R_SP] - 4, v = GET32(D0);
        env->cur = ip;
        x86_st32(env, sp, v);
        env->regs[R_SP] = sp;
        NEXT_ST;
    }
push_i32: {
        uint32_t sp = (uint32_t)env->regs[R_SP] - 4;
        env->cur = ip;
        x86_st32(env, sp, (uint32_t)ip->imm);
        env->regs[R_SP] = sp;
        NEXT_ST;
    }
pop32: {
        uint32_t sp = env->regs[R_SP], v;
        env->cur = ip;
        v = x86_ld32(env, sp);
        env->regs[R_SP] = (uint32_t)(sp + 4);
        PUT32(D0, v);
        NEXT;
    }

    /* ---- branches ---- */
jmp64:
jmp32:
    rip = env->r[INSN_RIP] + INSN_NEXT(ip) + ip->imm;
    if (!env->code64) {
        rip = (uint32_t)rip;
        if (unlikely(rip > env->x.seg[R_CS].limit)) {
            env->cur = ip;
            x86_raise_err(env, EXCP_GP, 0);
        }
    }
    goto jump_taken;
call64: {
        uint64_t sp = env->regs[R_SP] - 8, next;
        next = env->r[INSN_RIP] + INSN_NEXT(ip);
        env->cur = ip;
        x86_st64(env, sp, next);
        env->regs[R_SP] = sp;
        rip = next + ip->imm;
        goto jump_taken;
    }
call32: {
        uint32_t sp = (uint32_t)env->regs[R_SP] - 4, next;
        next = (uint32_t)(env->r[INSN_RIP] + INSN_NEXT(ip));
        rip = (uint32_t)(next + ip->imm);
        env->cur = ip;
        if (unlikely(rip > env->x.seg[R_CS].limit)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        x86_st32(env, sp, next);
        env->regs[R_SP] = sp;
        goto jump_taken;
    }
ret64: {
        uint64_t sp = env->regs[R_SP];
        env->cur = ip;
        rip = x86_ld64(env, sp);
        if (unlikely((uint64_t)((int64_t)rip >> 47) + 1 > 1)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        env->regs[R_SP] = sp + 8 + (ip->opnd[0] == OPND_NONE ? 0
                                        : (uint64_t)ip->imm & 0xffff);
        env->rip = rip;
        goto branched;
    }
ret32: {
        uint32_t sp = env->regs[R_SP];
        env->cur = ip;
        rip = x86_ld32(env, sp);
        if (unlikely(rip > env->x.seg[R_CS].limit)) {
            x86_raise_err(env, EXCP_GP, 0);
        }
        env->regs[R_SP] = (uint32_t)(sp + 4 + (ip->opnd[0] == OPND_NONE
                                     ? 0 : (uint32_t)ip->imm & 0xffff));
        env->rip = rip;
        goto branched;
    }
#define JCC(n) \
jcc##n: \
    if (cond(env, n)) { \
        goto jmp64; \
    } \
    rip = env->r[INSN_RIP] + INSN_NEXT(ip); \
    goto fall_through;
    JCC(0) JCC(1) JCC(2) JCC(3) JCC(4) JCC(5) JCC(6) JCC(7)
    JCC(8) JCC(9) JCC(10) JCC(11) JCC(12) JCC(13) JCC(14) JCC(15)

init:
    h_generic_label = &&h_generic;
    h_end_label = &&h_end;
    h_branch_label = &&h_branch;
    h_term_label = &&h_term;
#define T4(OP, lab, F, f) \
    table[OP][F][0] = &&lab##_##f##8; \
    table[OP][F][1] = &&lab##_##f##16; \
    table[OP][F][2] = &&lab##_##f##32; \
    table[OP][F][3] = &&lab##_##f##64;
#define T5(OP, lab) \
    T4(OP, lab, F_RR, rr) \
    T4(OP, lab, F_RI, ri) \
    T4(OP, lab, F_RM, rm) \
    T4(OP, lab, F_MR, mr) \
    T4(OP, lab, F_MI, mi)
    T5(OP_MOV, mov)
    T5(OP_ADD, add)
    T5(OP_SUB, sub)
    T5(OP_AND, and)
    T5(OP_OR, or)
    T5(OP_XOR, xor)
    T5(OP_CMP, cmp)
    T5(OP_TEST, test)
#define T2(OP, F, lab) \
    table[OP][F][2] = &&lab##32; \
    table[OP][F][3] = &&lab##64;
    T2(OP_ADC, F_RR, adc_rr)
    T2(OP_ADC, F_RI, adc_ri)
    T2(OP_SBB, F_RR, sbb_rr)
    T2(OP_SBB, F_RI, sbb_ri)
    T2(OP_INC, F_R, inc_r)
    T2(OP_DEC, F_R, dec_r)
    T2(OP_NOT, F_R, not_r)
    T2(OP_NEG, F_R, neg_r)
    T2(OP_SHL, F_RI, shl_ri)
    T2(OP_SHR, F_RI, shr_ri)
    T2(OP_SAR, F_RI, sar_ri)
    T2(OP_IMUL2, F_RR, imul2_rr)
    T2(OP_IMUL3, F_RR, imul3_rr)
    T2(OP_LEA, F_RM, lea)
    T2(OP_PUSH, F_R, push)
    T2(OP_PUSH, F_RI, push_i)
    T2(OP_POP, F_R, pop)
    T2(OP_JMP, F_R, jmp)
    T2(OP_CALL, F_R, call)
    T2(OP_RET, F_R, ret)
    T2(OP_RET, F_RI, ret)
    table[OP_NOP][F_R][0] = &&nop;
    setcc_label = &&setcc;
    cmov_label[0][0] = &&cmov32_r;
    cmov_label[0][1] = &&cmov32_m;
    cmov_label[1][0] = &&cmov64_r;
    cmov_label[1][1] = &&cmov64_m;
    movzx_label[0][0] = &&movzx8_r;
    movzx_label[0][1] = &&movzx8_m;
    movzx_label[1][0] = &&movzx16_r;
    movzx_label[1][1] = &&movzx16_m;
#define TSX(i, D) \
    movsx_label[i][0][0] = &&movsx##D##_8_r; \
    movsx_label[i][0][1] = &&movsx##D##_8_m; \
    movsx_label[i][1][0] = &&movsx##D##_16_r; \
    movsx_label[i][1][1] = &&movsx##D##_16_m; \
    movsx_label[i][2][0] = &&movsx##D##_32_r; \
    movsx_label[i][2][1] = &&movsx##D##_32_m;
    TSX(0, 32)
    TSX(1, 64)
#define TJ(n) jcc_table[n] = &&jcc##n;
    TJ(0) TJ(1) TJ(2) TJ(3) TJ(4) TJ(5) TJ(6) TJ(7)
    TJ(8) TJ(9) TJ(10) TJ(11) TJ(12) TJ(13) TJ(14) TJ(15)
    return NULL;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

void interp_init_labels(void)
{
    run(NULL, NULL, false);
}

void interp_run_block(CPUX86State *env, struct block *b, bool once)
{
    run(env, b, once);
}

void interp_one(CPUX86State *env, const struct insn *in, uint64_t rip)
{
    struct {
        struct block b;
        struct insn insn[2];
    } one;

    memset(&one.b, 0, sizeof(one.b));
    one.insn[0] = *in;
    one.insn[0].aux = (in->aux & ~UINT64_C(0xffffffff)) |
                      (uint64_t)in->len << 16;
    one.insn[1].handler = h_term_label;
    one.insn[1].aux = in->len | (uint64_t)in->len << 16;
    one.b.n = 1;
    env->rip = rip;
    run(env, &one.b, true);
}
