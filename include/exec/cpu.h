/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual CPU as the machine and the accelerators see it, whatever the
 * architecture.  One thread each (cpus.c).  The architecture's state follows
 * in its own struct (target/i386/cpu.h: X86CPU).
 */
#ifndef EXEC_CPU_H
#define EXEC_CPU_H

#include "exec/memory.h"
#include "hw/qdev.h"
#include "util/thread.h"

typedef struct CPUState CPUState;

/* interrupt_request bits: set by any thread, with cpu_interrupt(). */
enum {
    CPU_INTERRUPT_HARD = 1 << 0,   /* the PIC's INTR or the local APIC's */
    CPU_INTERRUPT_NMI = 1 << 1,
    CPU_INTERRUPT_SMI = 1 << 2,
    CPU_INTERRUPT_INIT = 1 << 3,
    CPU_INTERRUPT_SIPI = 1 << 4,
    CPU_INTERRUPT_MCE = 1 << 5,
    CPU_INTERRUPT_DEBUG = 1 << 6,
    CPU_INTERRUPT_TPR = 1 << 7,
    CPU_INTERRUPT_POLL = 1 << 8,   /* ask the APIC what is pending */
};

typedef struct CPUWork {
    struct CPUWork *next;
    void (*fn)(CPUState *cpu, void *opaque);
    void *opaque;
    bool wait;           /* the submitter waits: not freed by the vCPU */
    atomic_bool done;
} CPUWork;

struct CPUState {
    DeviceState qdev;       /* type "qemu64-x86_64-cpu", bus BUS_NONE */
    ListNode node;          /* in the list of CPUs, by cpu_index */
    int cpu_index;
    Thread thread;
    int thread_id;          /* the kernel's, 0 before it runs */
    bool created;           /* thread is up; lock: bql */
    bool unplug;            /* thread shall end; lock: bql */
    /* Stop protocol, lock: bql: `stop` asks, `stopped` answers. */
    bool stop, stopped;
    /* Waiting for an interrupt (HLT, or an AP before SIPI).  vCPU's thread. */
    bool halted;
    Cond halt_cond;         /* with the bql */
    _Atomic uint32_t interrupt_request;
    /* Set to leave the run function soon; accelerators may mirror it. */
    atomic_bool exit_request;
    _Atomic(CPUWork *) work; /* stack of queued work, newest first */
    atomic_bool waiting;    /* in halt_cond's wait, or about to */
    Error *start_error;     /* why the thread gave up at once */
    atomic_bool in_guest;   /* runs guest code: cpu_exclusive() waits for it */
    AddressSpace *as;       /* what it sees; SMM has a second one */
    void *accel;            /* the accelerator's own per-vCPU data */
    /* Debugging (gdb): lock: bql, VM stopped. */
    bool singlestep;
    bool step_no_irq;       /* ... and interrupts wait meanwhile */
    bool held;              /* stays stopped when the VM goes on */
    bool debug_stop;        /* it is what stopped the VM */
    bool bp_pass;           /* stopped at a breakpoint: goes on past it */
};

extern _Thread_local CPUState *current_cpu;

CPUState *cpu_first(void);
CPUState *cpu_next(CPUState *cpu);
CPUState *cpu_by_index(int index); /* NULL if none */
int cpu_count(void);
#define CPU_FOREACH(cpu) \
    for (cpu = cpu_first(); cpu; cpu = cpu_next(cpu))

/* realize/unrealize of a CPU device: starts and ends its thread.  BQL. */
bool cpu_thread_start(CPUState *cpu, Error **errp);
void cpu_thread_stop(CPUState *cpu);

/* Sets bits and makes the vCPU look at them.  Any thread. */
void cpu_interrupt(CPUState *cpu, uint32_t mask);
void cpu_reset_interrupt(CPUState *cpu, uint32_t mask);
/* Out of the run function or out of its wait.  Any thread. */
void cpu_kick(CPUState *cpu);

/* Runs @fn on the vCPU's thread between instructions, with the BQL.  _wait
 * needs the BQL and drops it while it waits. */
void cpu_run_on(CPUState *cpu, void (*fn)(CPUState *, void *), void *opaque);
void cpu_run_on_async(CPUState *cpu, void (*fn)(CPUState *, void *),
                      void *opaque);
/* Every vCPU out of guest code; then @fn, then they go on.  Caller must not
 * hold a leaf lock.  Any thread. */
void cpu_exclusive(void (*fn)(void *opaque), void *opaque);
/* The same in two halves.  Lock order: BQL, then this. */
void cpu_exclusive_begin(void);
void cpu_exclusive_end(void);
/* Accelerators, own thread: around guest code.  enter waits while somebody is
 * exclusive; whoever blocks or takes the BQL must have left. */
void cpu_guest_enter(CPUState *cpu);
void cpu_guest_leave(CPUState *cpu);
/* Asked to stop, to work, to let somebody be exclusive: leave the run
 * function.  Own thread, from guest code. */
bool cpu_guest_must_leave(CPUState *cpu);

/* Stop and go, BQL; cpus_pause_all() returns when all stand. */
void cpus_pause_all(void);
void cpus_resume_all(void);
bool cpus_all_stopped(void);
/* State is in the common format / must be written back before running. */
void cpus_synchronize_all(void);
/* Appends the ELF notes of all vCPUs to @out; the ELF machine.  They stand. */
uint16_t cpu_dump_notes(GByteArray *out);

#endif
