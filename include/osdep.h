/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First include of every .c file: feature macros, the C library, GLib, a few
 * helpers used everywhere, and the poisoned names.
 */
#ifndef OSDEP_H
#define OSDEP_H

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <assert.h>
#include <glib.h>

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MS  INT64_C(1000000)
#define NSEC_PER_US  INT64_C(1000)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
/* @d need not be a power of two. */
#define ROUND_DOWN(n, d) ((n) / (d) * (d))
#define ROUND_UP(n, d)   ROUND_DOWN((n) + (d) - 1, d)
#define BIT(n) (UINT64_C(1) << (n))
/* Bits @hi..@lo of @v, as datasheets write them. */
#define BITS(v, hi, lo) \
    (((uint64_t)(v) >> (lo)) & (~UINT64_C(0) >> (63 - ((hi) - (lo)))))

#define container_of(ptr, type, member) \
    ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - \
              offsetof(type, member)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

/* Clang's -Wthread-safety annotations; nothing under other compilers. */
#ifdef __clang__
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY(name)     TSA(capability(name))
#define REQUIRES(...)        TSA(requires_capability(__VA_ARGS__))
#define ACQUIRES(...)        TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...)        TSA(release_capability(__VA_ARGS__))
#define EXCLUDES(...)        TSA(locks_excluded(__VA_ARGS__))
#define ASSERTS_LOCK(...)    TSA(assert_capability(__VA_ARGS__))
#define GUARDED_BY(x)        TSA(guarded_by(x))
#define NO_THREAD_SAFETY     TSA(no_thread_safety_analysis)

/* Restart on EINTR. */
#define RETRY_ON_EINTR(expr) TEMP_FAILURE_RETRY(expr)

typedef uint64_t hwaddr; /* guest physical address, or offset in a region */
typedef uint64_t vaddr;  /* guest virtual (linear) address */
#define HWADDR_FMT "0x%016" PRIx64

/* Use g_malloc, g_strlcpy, g_snprintf and friends. */
#ifndef OSDEP_NO_POISON
#undef strcpy
#undef strcat
#undef sprintf
#undef strncpy
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy gets
#pragma GCC poison malloc calloc realloc strtok
#endif

#endif
