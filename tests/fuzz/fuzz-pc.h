/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzer of the board's devices and its targets' routines. */
#ifndef FUZZ_PC_H
#define FUZZ_PC_H

#include "osdep.h"
#include "exec/cpu.h"
#include "exec/memory.h"

#define FUZZ_RAM   (16 * MiB)
#define FUZZ_DEVFN 0x20              /* where a PCI target sits */
#define FUZZ_BAR   UINT32_C(0xe0000000)
#define FUZZ_PORTS 0xc000

typedef enum FuzzKind { FUZZ_PIO, FUZZ_MMIO, FUZZ_CONFIG } FuzzKind;

typedef struct FuzzRange {
    FuzzKind kind;
    uint64_t base;   /* FUZZ_CONFIG: bus << 8 | devfn */
    unsigned size;   /* 0 ends the table */
    unsigned weight; /* 0: 1 */
} FuzzRange;

typedef struct FuzzTarget {
    const char *name;
    const char *files;   /* whose lines it is to reach, under hw/ */
    const char *machine; /* ",property=value" of -M pc */
    const char *args;    /* @DISK@, @FLOPPY@ and @FLASH@ are scratch files */
    bool bars;           /* a PCI device at FUZZ_DEVFN */
    void (*special)(void);
    FuzzRange ranges[12];
} FuzzTarget;

extern const FuzzTarget fuzz_targets[]; /* a row without name ends it */

uint64_t rnd(void);
unsigned below(unsigned n);
uint32_t value(void);        /* a register's next value */
uint64_t dma_address(void);  /* RAM, its end, registers, nothing at all */
void out(unsigned size, uint16_t port, uint32_t v);
uint32_t in(unsigned size, uint16_t port);
void store(unsigned size, uint64_t addr, uint64_t v);
uint64_t load(unsigned size, uint64_t addr);
void config(unsigned devfn, unsigned reg, unsigned size, uint32_t v);
void step_clock(int64_t ns);
/* Set by a routine that can go on when the main loop has run: it is called
 * again first thing then. */
extern bool wait_for_loop;
/* A command of the monitor; whether it fails does not matter. */
void hmp(const char *fmt, ...) PRINTF(1, 2);

int emulator_main(int argc, char **argv);

#endif
