/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which TLB entries let stores to a page of RAM pass.
 *
 * When code is first decoded from a page, stores to it must be seen again.
 * Guests that generate code ask for that 100,000 times a second, so the
 * entries are not searched for: a small table by a hash of the page names
 * those that have the permission.  It may name entries that have lost it, but
 * leaves none out; where a row is too short for all, it says so.
 */
#include "osdep.h"
#include "cpu.h"

#define WAYS ARRAY_SIZE(((CPUX86State *)NULL)->writers[0])
#define TOO_MANY 0xffff /* in the first: search */

static uint16_t *row_of(CPUX86State *env, uint64_t ram) NO_VECTORS;
static bool may_write(CPUX86State *env, unsigned id) NO_VECTORS;

static uint16_t *row_of(CPUX86State *env, uint64_t ram)
{
    return env->writers[(ram >> 12 ^ ram >> 24) %
                        ARRAY_SIZE(((CPUX86State *)NULL)->writers)];
}

/* @id: 1 + mode * TLB_SIZE + index; 0: none. */
static bool may_write(CPUX86State *env, unsigned id)
{
    unsigned m = (id - 1) / TLB_SIZE, i = (id - 1) % TLB_SIZE;

    return id && (env->tlb_info[m][i].flags & TLB_VALID) &&
           env->tlb[m][i].tag_w == env->tlb_info[m][i].vpage;
}

void x86_tlb_note_writer(CPUX86State *env, int mode, unsigned i)
{
    uint16_t *row = row_of(env, env->tlb_info[mode][i].ram_offset);
    unsigned id = 1 + (unsigned)mode * TLB_SIZE + i;
    uint16_t *place = NULL;

    if (row[0] == TOO_MANY) {
        return;
    }
    for (unsigned k = 0; k < WAYS; k++) {
        if (row[k] == id) {
            return;
        }
        if (!place && (!may_write(env, row[k]) ||
                       row_of(env, env->tlb_info[(row[k] - 1) / TLB_SIZE]
                                       [(row[k] - 1) % TLB_SIZE]
                                  .ram_offset) != row)) {
            place = &row[k];
        }
    }
    if (place) {
        *place = (uint16_t)id;
    } else {
        row[0] = TOO_MANY;
    }
}

static void drop(CPUX86State *env, unsigned id, uint64_t ram_page)
{
    unsigned m = (id - 1) / TLB_SIZE, i = (id - 1) % TLB_SIZE;

    if (may_write(env, id) && env->tlb_info[m][i].ram_offset == ram_page) {
        env->tlb[m][i].tag_w = (uint64_t)(i ^ 1) << 12;
    }
}

void x86_tlb_drop_write_ram(CPUX86State *env, uint64_t ram_page)
{
    uint16_t *row = row_of(env, ram_page);

    x86_slots_drop(env);
    if (row[0] != TOO_MANY) {
        for (unsigned k = 0; k < WAYS; k++) {
            drop(env, row[k], ram_page);
        }
        return;
    }
    /* All of them; the table is made anew on the way. */
    memset(env->writers, 0, sizeof(env->writers));
    for (unsigned id = 1; id <= MMU_MODES * TLB_SIZE; id++) {
        drop(env, id, ram_page);
        if (may_write(env, id)) {
            x86_tlb_note_writer(env, (int)((id - 1) / TLB_SIZE),
                                (id - 1) % TLB_SIZE);
        }
    }
}
