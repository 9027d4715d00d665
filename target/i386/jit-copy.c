/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation: memory accesses, and instructions that are copied.
 */
#include "osdep.h"
#include "jit-tr.h"

/*
 * Memory.
 */
static void add_seg(struct tr *t, unsigned seg)
{
    e_op(&t->h, t->m64, 0x03, H_T1, rm_abs(&t->env->seg_base[seg]));
}

void tr_mem_regs(struct tr *t, const struct insn *in, int *base, int *index)
{
    *base = *index = -1;
    if (in->base < 16) {
        *base = home[in->base];
        if (*base < 0) {
            e_ld(&t->h, H_T1, rm_env(t, in->base));
            *base = H_T1;
        }
    }
    if (in->index < 16) {
        *index = home[in->index];
        if (*index < 0) {
            e_ld(&t->h, H_T2, rm_env(t, in->index));
            *index = H_T2;
        }
    }
}

/* The linear address into T1. */
void tr_ea(struct tr *t, const struct insn *in)
{
    struct emit *e = &t->h;
    bool w = in->addrsize == 8;
    int base, index;

    if (in->base == INSN_RIP) {
        e_imm(e, H_T1, next_va(t, t->i) + (int64_t)in->disp);
    } else {
        tr_mem_regs(t, in, &base, &index);
        if (base >= 0 && index < 0 && !in->disp && w) {
            if (base != H_T1) {
                e_mov_rr(e, H_T1, base);
            }
        } else {
            e_lea(e, w, H_T1, rm_mem(base, index, in->scale, in->disp));
        }
    }
    if (in->seg >= R_FS) {
        add_seg(t, in->seg);
    }
}

unsigned tr_slot(const struct insn *in)
{
    return in->seg == R_FS         ? SLOT_FS
        : in->seg == R_GS          ? SLOT_GS
        : in->base < 16            ? in->base
        : in->base == INSN_RIP     ? SLOT_RIP
                                   : SLOT_ABS;
}

/* At least @size bytes from T1, less the tag, to the page's end? */
static void compare_size(struct emit *e, unsigned size)
{
    e_alui(e, 1, 7, rm_reg(H_T1),
           (int32_t)(4096 - (PLANT(PLANT_CHECK_SIZE) ? 1 : size)));
}

static void hash_and_compare(struct emit *e, unsigned size, struct rm tag)
{
    e_mov_rr(e, H_T2, H_T1);
    e_shift(e, 1, 5, H_T2, 7);
    e_alui(e, 0, 4, rm_reg(H_T2), (TLB_SIZE - 1) * 32);
    e_op(e, 1, 0x2b, H_T1, tag);
    compare_size(e, size);
}

/* The address again, then see t_miss. */
static void miss_stub(struct jit *j, struct emit *c, struct rm tag,
                      const uint8_t *thunk, const uint8_t *again,
                      uint32_t site)
{
    e_op(c, 1, 0x03, H_T1, tag);
    e8(c, 0xe8), e32(c, 0);
    e_fix(c->p - 4, to_rw(j, thunk));
    e_jmp_to(c, again);
    e32(c, site);
}

uint8_t *tr_check_hashed(struct jit *j, struct emit *e, struct tlbe *tlb,
                         uint32_t site)
{
    const struct jsite *s = &j->sites[site];
    struct rm tag = rm_tab(s->write ? &tlb[0].tag_w : &tlb[0].tag_r, H_T2);

    e_imm(e, H_T2, (uintptr_t)&s->left);
    e_alui(e, 0, 5, rm_mem(H_T2, -1, 0, 0), 1);
    uint8_t *enough = e_jcc(e, CC_S);
    uint8_t *again = e->p;
    hash_and_compare(e, s->size, tag);
    uint8_t *miss = e_jcc(e, CC_A);
    e_ld(e, H_T2, rm_tab(&tlb[0].host, H_T2));
    uint8_t *hit = e_jmp(e);
    e_fix(miss, e->p);
    miss_stub(j, e, tag, j->t_miss[s->write], again, site);
    e_fix(enough, e->p);
    e8(e, 0x41), e8(e, 0xb8 | (H_T2 & 7));
    e32(e, site);
    e_jmp_to(e, to_rw(j, j->t_slow));
    return hit;
}

void tr_check(struct tr *t, unsigned size, bool write, unsigned slot)
{
    struct emit *e = &t->h;
    uint8_t *again = e->p;
    bool group = t->group && !PLANT(PLANT_GROUP_SITE);
    int kind = t->how[t->i] >= HOW_JCC || group ? SITE_BRANCH : SITE_INSN;
    uint32_t site = tr_new_site(t, kind, 0);
    struct rm tag;

    if (t->in[t->i]->aux & INSN_HASHED || jit_off & JIT_NO_SLOTS) {
        slot = SLOTS;
    }
    if (slot == SLOTS) {
        tag = rm_tab(write ? &t->tlb[0].tag_w : &t->tlb[0].tag_r, H_T2);
        hash_and_compare(e, size, tag);
    } else {
        struct slot *s = &t->env->slots[t->mode][slot];
        struct jsite *at = &t->j->sites[site];

        tag = rm_abs(write ? &s->tag_w : &s->tag_r);
        e_op(e, 1, 0x2b, H_T1, tag);
        compare_size(e, size);
        at->slot = (uint8_t)slot;
        at->size = (uint16_t)size;
        at->write = write;
        at->check = (uint32_t)(again - t->j->rw);
    }
    e_fix(e_jcc(e, CC_A), t->c.p);
    if (slot == SLOTS) {
        e_ld(e, H_T2, rm_tab(&t->tlb[0].host, H_T2));
    } else {
        struct slot *s = &t->env->slots[t->mode][slot];

        e_ld(e, H_T2, rm_abs(write ? &s->host_w : &s->host_r));
        t->j->sites[site].checked = (uint32_t)(e->p - t->j->rw);
    }
    miss_stub(t->j, &t->c, tag,
              slot == SLOTS ? t->j->t_miss[write] : t->j->t_slot_miss[write],
              again, site);
}
_Static_assert(sizeof(struct tlbe) == 32, "tr_check() knows it");

/* T1: the host address; T2 is free. */
struct rm tr_sum(struct tr *t)
{
    e_lea(&t->h, 1, H_T1, rm_host());
    return rm_mem(H_T1, -1, 0, 0);
}

/*
 * Copies.
 */

/* One byte register that needs REX to be spl, bpl, sil, dil. */
static bool low_byte_rex(const struct insn *in, int n, int host)
{
    return is_gpr(in, n) && host >= 4 && host < 8 &&
           insn_opnd_size(in, (unsigned)n) == 1;
}

/* @m: r/m or the register in the opcode; @reg: ModRM.reg; @vv: vvvv. */
static void encode(struct tr *t, const struct insn *in, const struct roles *r,
                   struct rm m, int reg, int vv, bool rex40)
{
    const struct x86_row *row = insn_row(in);
    struct emit *e = &t->h;
    unsigned map = row->map & 3, opcode = in->opcode;
    unsigned w = INSN_W(in), rex;

    if (!t->m64 && w && insn_w_is_size(in)) {
        w = 0;
    }
    if (row->flags & ROW_VEX) {
        unsigned pp = row->pfx ? row->pfx - 1u : 0;
        unsigned b = rm_rex(m);

        e8(e, 0xc4);
        e8(e, (reg & 8 ? 0 : 0x80) | (b & 2 ? 0 : 0x40) | (b & 1 ? 0 : 0x20) |
                  map);
        e8(e, w << 7 | (~(unsigned)vv & 15) << 3 | INSN_L(in) << 2 | pp);
        e8(e, opcode);
        if (row->modrm) {
            e_modrm(e, reg, m);
        }
    } else {
        bool p66 = row->pfx == 2 ||
                   (in->opsize == 2 && !(row->flags & ROW_MANDATORY66) &&
                    row->unit == UNIT_INT);
        if (in->prefix & PFX_LOCK) {
            e8(e, 0xf0);
        }
        if (p66) {
            e8(e, 0x66);
        }
        if (row->pfx > 2) {
            e8(e, row->pfx == 3 ? 0xf3 : 0xf2);
        }
        if (!t->m64 && map == 0 && (opcode & 0xf0) == 0x40) {
            /* inc, dec: REX prefixes in 64-bit mode. */
            reg = opcode >> 3 & 1;
            opcode = 0xff;
        }
        if (opcode == 0x82 && !map) {
            opcode = 0x80; /* its twin that 64-bit mode has */
        }
        rex = w << 3 | (reg & 8) >> 1 | rm_rex(m) | (rex40 ? 0x40 : 0);
        if (rex) {
            e8(e, 0x40 | rex);
        }
        if (map) {
            e8(e, 0x0f);
        }
        if (map > 1) {
            e8(e, map == 2 ? 0x38 : 0x3a);
        }
        if (r->z >= 0 && opcode != 0xff) {
            e8(e, (opcode & 0xf8) | (m.reg & 7));
        } else if (r->z >= 0) {
            e8(e, opcode);
            e_modrm(e, reg, m);
        } else {
            e8(e, opcode);
            if (row->modrm) {
                e_modrm(e, reg, m);
            }
        }
    }
    for (unsigned k = 0; k < r->imm_size; k++) {
        e8(e, (unsigned)((uint64_t)in->imm >> (8 * k)) & 0xff);
    }
}

/* Is the old value of operand @n of no account? */
static bool pure_write(const struct insn *in, int n)
{
    const struct x86_row *row = insn_row(in);

    return n == 0 && row->access == ACC_W &&
           insn_opnd_size(in, 0) >= 4 && in->op != OP_CMOVCC &&
           in->op != OP_BSF && in->op != OP_BSR;
}

static bool written(const struct insn *in, int n)
{
    const struct x86_row *row = insn_row(in);

    return (n == 0 && (row->access == ACC_W || row->access == ACC_RW)) ||
           (n == 1 && (row->flags & ROW_RW2));
}

/* Bytes that the instruction may touch. */
static unsigned mem_size(const struct insn *in)
{
    /* MMX unpacks are said to read 64 bits for their 32. */
    return OPND_FILE(in->opnd[0]) == OPND_MMX ? MAX(in->msize, 8)
                                              : in->msize;
}

static bool mem_written(const struct insn *in)
{
    const struct x86_row *row = insn_row(in);

    for (int n = 0; n < 2; n++) {
        if (in->opnd[n] == OPND_MEM && written(in, n)) {
            return true;
        }
    }
    return row->access == ACC_W && in->opnd[0] == OPND_MEM;
}

void emit_copy(struct tr *t, const struct insn *in)
{
    struct roles r = tr_roles(in);
    struct emit *e = &t->h;
    bool mem = r.rm >= 0 && in->opnd[r.rm] == OPND_MEM;
    int pos[4] = { r.reg, r.rm, r.z, r.v }, host[4];
    int temps[2] = { mem ? H_T2 : H_T1, H_T2 }, nt = 0;
    int guest[2] = { -1, -1 };
    bool rex40 = false, high = false;
    struct rm m = rm_reg(0);

    if (mem) {
        tr_flags_out(t, e, t->need[t->i]);
        tr_ea(t, in);
        /* A host fault must not find AL and AH swapped: no slot then. */
        tr_check(t, mem_size(in), mem_written(in),
                 is_high(in, r.reg) ? SLOTS : tr_slot(in));
        m = rm_host();
    }
    bool summed = false;
    for (int k = 0; k < 4; k++) {
        int n = pos[k];
        host[k] = 0;
        if (n < 0) {
            continue;
        }
        unsigned num = OPND_NUM(in->opnd[n]);
        if (is_high(in, n)) {
            host[k] = (int)num + 4;
            high = true;
        } else if (!is_gpr(in, n)) {
            host[k] = OPND_FILE(in->opnd[n]) == OPND_MEM ? 0 : (int)num;
        } else if (home[num] >= 0) {
            host[k] = home[num];
            rex40 |= low_byte_rex(in, n, host[k]);
        } else {
            int s = 0;
            while (s < nt && guest[s] != (int)num) {
                s++;
            }
            if (s == nt) {
                guest[nt++] = (int)num;
                if (!pure_write(in, n) || nt > 1) {
                    if (mem && !summed) {
                        m = tr_sum(t);
                        summed = true;
                    }
                    e_ld(e, temps[s], rm_env(t, num));
                }
            } else if (mem && !summed) {
                m = tr_sum(t);
                summed = true;
                e_ld(e, temps[s], rm_env(t, num));
            } else if (!mem) {
                e_ld(e, temps[s], rm_env(t, num));
            }
            host[k] = temps[s];
        }
    }
    tr_flags_in(t);
    tr_mark_flags(t);
    int reg = r.reg >= 0 ? host[0] : in->modrm >> 3 & 7;
    if (r.z >= 0) {
        m = rm_reg(host[2]);
        reg = 0;
    } else if (!mem) {
        m = rm_reg(r.rm >= 0 ? host[1] : in->modrm & 7);
    }
    if (high && mem) {
        /* No AH beside r10: swap it with AL for the time being. */
        int k = reg - 4;
        e8(e, 0x86), e8(e, 0xc0 | (unsigned)reg << 3 | (unsigned)k);
        encode(t, in, &r, m, k, host[3], rex40);
        e8(e, 0x86), e8(e, 0xc0 | (unsigned)reg << 3 | (unsigned)k);
    } else {
        encode(t, in, &r, m, reg, r.v >= 0 ? host[3] : 0, rex40);
    }
    for (int k = 0; k < 4; k++) {
        int n = pos[k];
        if (n >= 0 && spilled(in, n) && written(in, n)) {
            e_st(e, host[k], rm_env(t, OPND_NUM(in->opnd[n])));
        }
    }
    tr_flags_set(t);
}
