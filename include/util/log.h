/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `-d`/`-D` logging and trace events.  Any thread. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "osdep.h"
#include "util/error.h"

/* One bit per `-d` item, with QEMU's item names (`-d help`). */
enum {
    LOG_TB_OUT_ASM = 1 << 0,  /* out_asm */
    LOG_TB_IN_ASM = 1 << 1,   /* in_asm */
    LOG_TB_OP = 1 << 2,       /* op */
    LOG_INT = 1 << 4,         /* int */
    LOG_EXEC = 1 << 5,        /* exec */
    LOG_PCALL = 1 << 6,       /* pcall */
    LOG_TB_CPU = 1 << 8,      /* cpu */
    LOG_RESET = 1 << 9,       /* cpu_reset */
    LOG_UNIMP = 1 << 10,      /* unimp */
    LOG_GUEST_ERROR = 1 << 11, /* guest_errors */
    LOG_MMU = 1 << 12,        /* mmu */
    LOG_PAGE = 1 << 14,       /* page */
    LOG_TRACE = 1 << 15,      /* trace:GLOB */
    LOG_TB_NOCHAIN = 1 << 13, /* nochain */
    LOG_STRACE = 1 << 19,
};

extern int log_level_mask; /* what is on; read without a lock */

static inline bool log_enabled(int mask)
{
    return unlikely((log_level_mask & mask) != 0);
}

/* Writes to the log (-D FILE, else stderr), no prefix. */
void log_printf(const char *fmt, ...) PRINTF(1, 2);
#define log_mask(mask, ...) \
    do { \
        if (log_enabled(mask)) { \
            log_printf(__VA_ARGS__); \
        } \
    } while (0)
#define log_guest_error(...) log_mask(LOG_GUEST_ERROR, __VA_ARGS__)

/* Parses "-d" items ("int,guest_errors", "trace:ib700*"). */
bool log_set_items(const char *items, Error **errp);
void log_print_items_help(FILE *f);
/* "-D FILE": "%d" stands for the process id. */
bool log_set_file(const char *filename, Error **errp);

/*
 * Trace events.  scripts/tracegen.py turns each folder's `trace-events`
 * ("ib700_arm(unsigned sel) \"sel 0x%x\"") into "trace-FOLDER.h" with one
 * inline trace_NAME() per line: one predictable branch when off.
 */
typedef struct TraceEvent {
    const char *name;
    bool enabled;
    struct TraceEvent *next;
} TraceEvent;

void trace_event_register(TraceEvent *ev); /* by constructors */
/* Returns the number of events that match @glob. */
int trace_event_enable(const char *glob, bool on);
bool trace_apply_option(const char *arg, Error **errp); /* -trace */
void trace_foreach(void (*fn)(TraceEvent *, void *), void *opaque);
void trace_printf(const TraceEvent *ev, const char *fmt, ...) PRINTF(2, 3);

#endif
