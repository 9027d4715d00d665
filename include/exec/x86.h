/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an x86 vCPU and the PC's devices ask of each other, so that neither
 * includes the other.  The interrupt controllers fill x86_apic_ops and
 * x86_platform; the vCPU code (target/i386) offers the rest.
 */
#ifndef EXEC_X86_H
#define EXEC_X86_H

#include "exec/cpu.h"

/*
 * The local APIC of user space.  All with the BQL, on any thread unless said.
 * @apic is CPUState's own, set by x86_cpu_set_apic() (NULL: CPU without one).
 */
typedef struct X86ApicOps {
    /* Something deliverable now (above PPR), ExtINT of the PIC included. */
    bool (*has_interrupt)(void *apic);
    /* Acknowledges it: vector 0..255, or -1 when it went away. */
    int (*ack_interrupt)(void *apic);
    /* MSR 1Bh.  set: false means #GP. */
    uint64_t (*get_base)(void *apic);
    bool (*set_base)(void *apic, uint64_t val);
    /* CR8: bits 7:4 of TPR, 0..15. */
    uint8_t (*get_cr8)(void *apic);
    void (*set_cr8)(void *apic, uint8_t val);
    /* MSRs 800h-8FFh and 6E0h (TSC deadline).  False means #GP. */
    bool (*read_msr)(void *apic, uint32_t msr, uint64_t *val);
    bool (*write_msr)(void *apic, uint32_t msr, uint64_t val);
    /* INIT: all but the ID and the base. */
    void (*init_reset)(void *apic);
    /* `info lapic` text. */
    void (*print)(void *apic, GString *out);
} X86ApicOps;
extern const X86ApicOps *x86_apic_ops; /* NULL: machine without APICs */
void x86_cpu_set_apic(CPUState *cpu, void *apic);
void *x86_cpu_get_apic(CPUState *cpu);

/* The rest of the board as the vCPU needs it.  BQL. */
typedef struct X86Platform {
    /* The 8259 pair's INTA for CPUs without APIC: vector or -1. */
    int (*pic_ack)(void);
    bool (*pic_has_interrupt)(void);
    /* FERR#: x87 error with CR0.NE = 0 (IRQ 13). */
    void (*set_ferr)(bool level);
    /* Shape of a socket, for CPUID; 0 is 1. */
    unsigned threads, cores, dies;
    /* IN/OUT go to address_space_io; nothing here. */
} X86Platform;
extern X86Platform x86_platform;

/* IGNNE#: port F0h writes. */
void x86_cpu_set_ignne(bool on);
/* A20M# for all vCPUs: true lets A20 through. */
void x86_cpu_set_a20(CPUState *cpu, bool on);
bool x86_cpu_get_a20(CPUState *cpu);
/* INIT and start-up IPIs, from the APIC. */
void x86_cpu_init_ipi(CPUState *cpu);
void x86_cpu_sipi(CPUState *cpu, uint8_t vector);
uint32_t x86_cpu_apic_id(CPUState *cpu);
bool x86_cpu_is_bsp(CPUState *cpu);
bool x86_cpu_in_smm(CPUState *cpu);
/* Memory a CPU sees in SMM besides everything else; the machine sets it. */
extern MemoryRegion *x86_smram_root;
/* General register @n (0 RAX, 1 RCX, ...) of a CPU whose access is being
 * served, on its thread. */
uint64_t x86_cpu_get_gpr(CPUState *cpu, unsigned n);
void x86_cpu_set_gpr(CPUState *cpu, unsigned n, uint64_t val);
/* What CPUID gives: EAX to EDX. */
void x86_cpu_cpuid(CPUState *cpu, uint32_t leaf, uint32_t sub,
                   uint32_t out[4]);
/* The accelerator has no system management mode: SMI# does nothing. */
extern bool x86_no_smm;
uint64_t x86_cpu_tsc(CPUState *cpu);      /* what RDTSC gives now */
uint64_t x86_cpu_tsc_hz(CPUState *cpu);
/* What follows the model's name in -cpu, for all CPUs of @type. */
bool x86_cpu_parse_features(const char *type, const char *text, Error **errp);
/* The end of -cpu help. */
void x86_cpu_print_features(GString *out);
/* Topology and identity a machine gives a CPU before realize: properties
 * "apic-id", "socket-id", "die-id", "core-id", "thread-id", "node-id". */

#endif
