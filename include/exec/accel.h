/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accelerators: KVM, the software engine ("tcg"), and "qtest" where no CPU
 * runs.  `-accel A[,opts]` options and `-machine accel=A:B` pick the first
 * that comes up.
 */
#ifndef EXEC_ACCEL_H
#define EXEC_ACCEL_H

#include "exec/cpu.h"

typedef enum VCPUExit {
    VCPU_EXIT_NONE,     /* asked to leave, or an I/O exit was handled */
    VCPU_EXIT_HALTED,   /* cpu->halted: wait for an interrupt */
    VCPU_EXIT_SHUTDOWN, /* triple fault: reset */
    VCPU_EXIT_DEBUG,    /* breakpoint, watchpoint or step: stop for gdb */
    VCPU_EXIT_ERROR,    /* cannot go on: stop in `internal-error` */
} VCPUExit;

typedef struct AccelOps {
    const char *name;       /* "kvm", "tcg", "qtest" */
    const Property *props;  /* options of -accel NAME,..., in AccelState */
    size_t size;            /* of the state; Object "NAME-accel" is its head */
    /* Brings it up for this process; false: the next in the list is tried. */
    bool (*init)(Object *accel, Error **errp);

    /* The vCPU's own thread, BQL held: make and undo. */
    bool (*vcpu_init)(CPUState *cpu, Error **errp);
    void (*vcpu_destroy)(CPUState *cpu);
    /* Runs guest code until something is to do.  Own thread, BQL not held. */
    VCPUExit (*vcpu_run)(CPUState *cpu);
    /* Any thread, idempotent, no lost wake-up. */
    void (*kick)(CPUState *cpu);
    /* True: has work though halted (an interrupt it knows of).  BQL. */
    bool (*vcpu_has_work)(CPUState *cpu);

    /* The architectural state (struct x86_regs in target/i386/cpu.h) to and
     * from the common copy.  vCPU stands between instructions. */
    void (*get_state)(CPUState *cpu);
    void (*put_state)(CPUState *cpu);
    void (*reset_state)(CPUState *cpu); /* after the CPU device's reset */

    /* Dirty log: brings in what the accelerator holds back.  BQL. */
    void (*dirty_sync)(void);
    /* gdb.  @type: 0 sw, 1 hw, 2 write, 3 read, 4 access; 0 or -errno. */
    int (*breakpoint)(CPUState *cpu, int type, vaddr addr, vaddr len, bool add);
    /* It signals eventfds of the memory map without an exit: worth having. */
    bool has_eventfds;
    /* Optional: what `info jit` shows. */
    void (*info)(GString *out);
    /* -1: none; else the deadline of accelerator timers. */
    const char *thread_name; /* "CPU %d/TCG" */
} AccelOps;

extern const AccelOps *accel; /* the one in use; NULL before start-up */
void accel_register(const AccelOps *ops);
const AccelOps *accel_find(const char *name);
/* Nobody asked for an accelerator: the list is the program's default. */
extern bool accel_by_default;
/* -perfmap: generated code is named for Linux perf. */
extern bool accel_perfmap;
/* In order; prints "falling back to X" when a later one is taken. */
bool accel_start(const QObject *list_of_opts, Error **errp);
Object *accel_object(void);
static inline bool accel_is(const char *name)
{
    return accel && strcmp(accel->name, name) == 0;
}

#endif
