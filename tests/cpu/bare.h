/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of one CPU and RAM, inside a test: 64-bit code at CPL 0 behind
 * page tables of its own; each exception's handler is HLT.
 *
 *   1000h GDT | 1800h IDT | 3000h TSS | 4000h handlers, 16 bytes each |
 *   6000h top of the stack | 10000h.. page tables | BARE_CODE, BARE_DATA
 */
#ifndef TESTS_BARE_H
#define TESTS_BARE_H

#include "osdep.h"
#include "target/i386/cpu.h"

#define BARE_GDT 0x1000u
#define BARE_IDT 0x1800u
#define BARE_TSS 0x3000u
#define BARE_HANDLERS 0x4000u
#define BARE_STACK 0x6000u
#define BARE_CODE 0x100000u  /* 64 KiB, also at BARE_ALIAS */
#define BARE_ALIAS 0x40100000u
#define BARE_DATA 0x200000u  /* 16 pages, in reverse order in memory */
#define BARE_RAM 0x400000u

extern CPUX86State *bare_env;
extern uint8_t *bare_mem;    /* host address of guest memory */

/* @props: of -accel tcg, "name=value,...". */
void bare_init(const char *props);
/* A 4 KiB page; @bits as in the PTE. */
void bare_map(vaddr at, hwaddr phys, uint64_t bits);
/* All registers as at the start, rip at @rip. */
void bare_reset(uint64_t rip);
/*
 * Runs until HLT: the exception's vector if that is its handler, else
 * BARE_HLT; BARE_SHUTDOWN for a triple fault; BARE_TIME after @ms.
 */
int bare_run(unsigned ms);
enum { BARE_HLT = 256, BARE_SHUTDOWN, BARE_TIME };

#endif
