/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostcmp: one instruction on random state, executed by the host CPU and by
 * the software CPU, must leave the same behind.
 */
#ifndef HOSTCMP_H
#define HOSTCMP_H

#include "osdep.h"
#include "target/i386/cpu.h"
#include "target/i386/decode.h"

struct host_regs {
    uint64_t gpr[16];
    uint64_t rflags;
    uint64_t rip;          /* out: 0 next, 1 branch taken; not host_run's */
    uint64_t pad[6];
    uint8_t xsave[1024] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct host_regs, xsave) == 192, "hostcmp-asm.S");

/* Fixed places, in the host's address space and in the guest's. */
#define HC_DATA 0x20000000u      /* two pages; none before and behind */
#define HC_DATA_SIZE 0x2000u
#define HC_CODE 0x20100000u      /* one page */

#define HC_TAKEN (HC_CODE + 0x40) /* where branches go */

/* Outcome: 0 or the vector + 1 of an exception. */
typedef int (*hc_engine)(const struct host_regs *in, struct host_regs *out,
                         const struct insn *insn);

/* The vector unit alone, on flat memory. */
int hc_simd_engine(const struct host_regs *in, struct host_regs *out,
                   const struct insn *insn);
/* Flips bits of CR0, CR4 and XCR0 against the usual ones. */
void hc_simd_control(uint64_t cr0, uint64_t cr4, uint64_t xcr0);
extern bool hc_ferr; /* FERR# was raised */
bool hc_simd_covers(const struct x86_row *row);

/* Which part of the CPU a program compares. */
struct hc_side {
    void (*setup)(void);           /* NULL: nothing to do */
    void (*set_mode)(unsigned mode); /* DECODE_*; NULL: 64-bit mode only */
    bool (*covers)(const struct x86_row *row);
    /* Fits registers, memory (of HC_DATA) and code to an instruction; false:
     * not with these operands.  NULL: they fit. */
    bool (*prepare)(const struct insn *insn, uint8_t *code,
                    struct host_regs *s, uint8_t *mem, unsigned mode);
    /* Flags undefined by the operands' values; NULL: none. */
    uint32_t (*undefined)(const struct insn *insn, const struct host_regs *s);
    /* The engine has not this row's feature, whatever it decodes. */
    bool (*lacks)(const struct x86_row *row);
    hc_engine engine;
    bool edges; /* the engine has an MMU: addresses at all edges */
};
/* -j: the JIT from the first execution, all units. */
extern bool hc_jit;
extern const struct hc_side hc_side;

#endif
