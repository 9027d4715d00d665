/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots: the page that a base register pointed into the last time.
 *
 * An access is checked against its base register's slot, at a fixed address:
 * no index to compute, and the data does not wait for the table.  Another page
 * comes from the TLB, by C.  That costs some 20 ns, so where it happens all
 * the time (rsp never, a walk through a tree always) the site is changed to
 * look into the TLB itself.
 *
 * A slot is a copy of a TLB entry.  It may outlive the entry's replacement,
 * but not a flush or the loss of a permission: all slots go then.
 */
#include "osdep.h"
#include "jit-tr.h"

#define NO_PAGE UINT64_C(0x7ff0000000000000) /* not canonical */

/* Misses of a site, at a rate of more than one in this many TSC ticks, all
 * sites together, until it is changed. */
#define MISSES 32
#define TICKS 1000
#define WINDOW 1024
/* A changed site goes out of its way: after so many times its page's code is
 * translated anew. */
#define EXECUTIONS 20000

void x86_slots_drop(CPUX86State *env)
{
    if (!env->slots_used) {
        return;
    }
    env->slots_used = false;
    for (int m = 0; m < MMU_MODES; m++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            env->slots[m][i] = (struct slot){
                NO_PAGE, env->slot_guard, NO_PAGE, env->slot_guard,
            };
        }
    }
}

bool jit_slot_refill(CPUX86State *env, vaddr lin, uint32_t write,
                     uint32_t site)
{
    struct jit *j = env->jit;
    struct jsite *s = &j->sites[site];
    struct slot *slot = &env->slots[env->mmu_idx][s->slot];
    vaddr page = lin & ~UINT64_C(0xfff);
    const struct tlbe *t =
        &env->tlb[env->mmu_idx][(lin >> 12) & (TLB_SIZE - 1)];

#ifdef __clang__
    if (env->v_live) {
        return false;
    }
#endif
    if ((write ? slot->tag_w : slot->tag_r) == page) {
        return false; /* it reaches into the next page */
    }
    if ((write ? t->tag_w : t->tag_r) != page &&
        !x86_tlb_refill(env, lin, write)) {
        return false;
    }
    slot->tag_r = page;
    slot->host_r = t->host;
    if (t->tag_w == page) {
        slot->tag_w = page;
        slot->host_w = t->host;
    } else {
        slot->tag_w = NO_PAGE;
        slot->host_w = env->slot_guard;
    }
    env->slots_used = true;

    if (!(++j->slot_misses % WINDOW)) {
        uint64_t now = __builtin_ia32_rdtsc();

        j->slots_thrash = now - j->slot_tsc < (uint64_t)TICKS * WINDOW;
        j->slot_tsc = now;
    }
    /* jit_slot_judge() comes with the interpreter. */
    if (s->miss < SITE_HASHED - 1) {
        s->miss++;
    }
    return s->miss < MISSES || !j->slots_thrash;
}

void jit_slot_judge(struct jit *j, uint32_t site)
{
    struct jsite *s = &j->sites[site];
    struct insn *in = (struct insn *)(uintptr_t)s->jb->in[s->insn];

    if (!s->check || s->miss < MISSES) {
        return;
    }
    if (s->miss == SITE_HASHED) {
        if (s->left < 0) { /* it is worth a translation */
            s->left = INT32_MAX;
            jit_code_written(j->env, s->jb->ram_page);
        }
        return;
    }
    if (j->cold + 256 > j->cold_end) {
        return;
    }
    in->aux |= INSN_HASHED;
    s->miss = SITE_HASHED;
    s->left = EXECUTIONS;

    uint32_t key = s->jb->b->key;
    struct tlbe *tlb = j->env->tlb[key & KEY_USER    ? MMU_USER
                                   : key & KEY_KSMAP ? MMU_KSMAP
                                                     : MMU_KERNEL];
    struct emit e = { j->rw + j->cold }, at = { j->rw + s->check };
    uint8_t *hashed = e.p;

    e_fix(tr_check_hashed(j, &e, tlb, site), j->rw + s->checked);
    j->cold = (uint32_t)(e.p - j->rw);
    e_jmp_to(&at, hashed);
    j->n_hashed++;
}
