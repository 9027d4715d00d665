/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What monitors and debuggers ask of a vCPU, whatever the accelerator and the
 * architecture.  BQL; running vCPUs are asked between two instructions (the
 * caller waits for that).
 */
#ifndef EXEC_CPU_DEBUG_H
#define EXEC_CPU_DEBUG_H

#include "exec/cpu.h"

/* `info registers`, `info tlb`, `info mem`, `info lapic`. */
void cpu_dump(CPUState *cpu, bool fpu, GString *out);
void cpu_dump_tlb(CPUState *cpu, GString *out);
void cpu_dump_mem(CPUState *cpu, GString *out);
void cpu_dump_lapic(CPUState *cpu, GString *out);

/* A register by its name in monitor expressions ("eax", "pc", "cs.base"). */
bool cpu_register(CPUState *cpu, const char *name, uint64_t *val);

/* Physical address of @addr by the tables of the moment; false: unmapped. */
bool cpu_translate(CPUState *cpu, vaddr addr, hwaddr *phys);
/* Virtual memory, ROM included; false as soon as a page is unmapped. */
bool cpu_memory_rw(CPUState *cpu, vaddr addr, void *buf, size_t size,
                   bool write);
/* Text of the instruction at @bytes as the CPU's mode has it; its length, or
 * 0 if @avail is too short. */
int cpu_disas(CPUState *cpu, const uint8_t *bytes, size_t avail, vaddr pc,
              char *buf, size_t size);

/*
 * gdb's view: registers by number, in the order of the target description.
 * Values little-endian, at most 16 bytes each.
 */
const char *cpu_gdb_xml(CPUState *cpu);
const char *cpu_gdb_arch(CPUState *cpu); /* "i386:x86-64" */
unsigned cpu_gdb_core_regs(CPUState *cpu); /* how many `g` carries */
/* Bytes of register @n, 0 if there is none. */
size_t cpu_gdb_read(CPUState *cpu, unsigned n, uint8_t buf[16]);
size_t cpu_gdb_write(CPUState *cpu, unsigned n, const uint8_t *buf,
                     size_t avail);
void cpu_gdb_set_pc(CPUState *cpu, vaddr pc);
/* The watchpoint that stopped it, once: type as AccelOps.breakpoint's. */
bool cpu_gdb_watch_hit(CPUState *cpu, vaddr *addr, int *type);
/* One instruction at a time from now on; @no_irq: interrupts wait. */
void cpu_gdb_single_step(CPUState *cpu, bool on, bool no_irq);

#endif
