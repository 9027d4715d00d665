/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -smp, -m and -boot leave open, and which of their values agree. */
#include "osdep.h"
#include "vmconfig.h"
#include "util/option.h"

static bool take(const QObject *smp, const char *key, int64_t *out,
                 Error **errp)
{
    const char *s = smp ? qdict_get_str(smp, key) : NULL;

    if (s) {
        if (!parse_int64(key, s, out, errp)) {
            return false;
        }
        if (*out < 1 || *out > INT_MAX) {
            error_setg(errp, "Parameter '%s' expects a number above zero, "
                       "not '%s'", key, s);
            return false;
        }
    }
    return true;
}

/*
 * QEMU's rule since 6.2: cores take what is left before sockets, then
 * threads; a machine before 6.2 is not told apart (no guest of ours saw it).
 */
bool topology_compute(CpuTopology *out, const QObject *smp,
                      const MachineInfo *mi, Error **errp)
{
    int64_t cpus = 0, maxcpus = 0, sockets = 0, dies = 0, clusters = 0;
    int64_t cores = 0, threads = 0, limit = MAX(mi->max_cpus, 1u), total;

    if (!take(smp, "cpus", &cpus, errp) ||
        !take(smp, "maxcpus", &maxcpus, errp) ||
        !take(smp, "sockets", &sockets, errp) ||
        !take(smp, "dies", &dies, errp) ||
        !take(smp, "clusters", &clusters, errp) ||
        !take(smp, "cores", &cores, errp) ||
        !take(smp, "threads", &threads, errp)) {
        return false;
    }
    if (clusters > 1) {
        error_setg(errp, "clusters not supported by this machine's CPU "
                   "topology");
        return false;
    }
    /* Products stay far inside int64. */
    if (MAX(MAX(MAX(cpus, maxcpus), MAX(sockets, dies)),
            MAX(cores, threads)) > 65536) {
        error_setg(errp, "Invalid SMP CPUs %" PRId64 ". The max CPUs "
                   "supported by machine '%s' is %" PRId64,
                   MAX(MAX(MAX(cpus, maxcpus), MAX(sockets, dies)),
                       MAX(cores, threads)), mi->name, limit);
        return false;
    }
    dies = MAX(dies, 1);
    if (!cpus && !maxcpus) {
        sockets = MAX(sockets, 1);
        cores = MAX(cores, 1);
        threads = MAX(threads, 1);
    } else {
        maxcpus = maxcpus ? maxcpus : cpus;
        if (!cores) {
            sockets = MAX(sockets, 1);
            threads = MAX(threads, 1);
            cores = maxcpus / (sockets * dies * threads);
        } else if (!sockets) {
            threads = MAX(threads, 1);
            sockets = maxcpus / (dies * cores * threads);
        }
        if (!threads) {
            threads = maxcpus / MAX(sockets * dies * cores, 1);
        }
    }
    total = sockets * dies * cores * threads;
    maxcpus = maxcpus ? maxcpus : total;
    cpus = cpus ? cpus : maxcpus;
    if (total != maxcpus) {
        error_setg(errp, "Invalid CPU topology: product of the hierarchy must "
                   "match maxcpus: sockets (%" PRId64 ") * dies (%" PRId64
                   ") * cores (%" PRId64 ") * threads (%" PRId64
                   ") != maxcpus (%" PRId64 ")", sockets, dies, cores, threads,
                   maxcpus);
        return false;
    }
    if (maxcpus < cpus) {
        error_setg(errp, "Invalid CPU topology: maxcpus must be equal to or "
                   "greater than smp: sockets (%" PRId64 ") * dies (%" PRId64
                   ") * cores (%" PRId64 ") * threads (%" PRId64
                   ") == maxcpus (%" PRId64 ") < smp_cpus (%" PRId64 ")",
                   sockets, dies, cores, threads, maxcpus, cpus);
        return false;
    }
    if (maxcpus > limit) {
        error_setg(errp, "Invalid SMP CPUs %" PRId64 ". The max CPUs "
                   "supported by machine '%s' is %" PRId64, maxcpus, mi->name,
                   limit);
        return false;
    }
    *out = (CpuTopology){
        .cpus = cpus, .max_cpus = maxcpus, .sockets = sockets, .dies = dies,
        .cores = cores, .threads = threads,
    };
    return true;
}

enum { MAX_RAM_SLOTS = 256 };

bool memory_compute(MemoryConfig *out, const QObject *memory,
                    const MachineInfo *mi, Error **errp)
{
    const char *size = memory ? qdict_get_str(memory, "size") : NULL;
    const char *max = memory ? qdict_get_str(memory, "maxmem") : NULL;
    const char *slots = memory ? qdict_get_str(memory, "slots") : NULL;
    uint64_t n = 0;

    *out = (MemoryConfig){ .size = mi->default_ram_size };
    if ((size && !parse_size("size", size, MiB, &out->size, errp)) ||
        (max && !parse_size("maxmem", max, MiB, &out->max_size, errp)) ||
        (slots && !parse_uint64("slots", slots, &n, errp))) {
        return false;
    }
    if (out->size == 0) {
        out->size = mi->default_ram_size;
    }
    if (out->size > UINT64_MAX - 8191) {
        error_setg(errp, "-m: memory size '%s' is too large", size);
        return false;
    }
    out->size = ROUND_UP(out->size, 8192);
    out->slots = n;
    if (n > MAX_RAM_SLOTS) {
        error_setg(errp, "unsupported amount of memory slots: %" PRIu64, n);
        return false;
    }
    if (max && out->max_size < out->size) {
        error_setg(errp, "invalid value of maxmem: maximum memory size (0x%"
                   PRIx64 ") must be at least the initial memory size (0x%"
                   PRIx64 ")", out->max_size, out->size);
        return false;
    }
    if (slots && !max) {
        error_setg(errp, "slots specified but no max-size");
        return false;
    }
    if (!max) {
        out->max_size = out->size;
    }
    return true;
}

bool boot_order_check(const char *order, Error **errp)
{
    uint32_t seen = 0;

    for (const char *p = order; *p; p++) {
        if (*p < 'a' || *p > 'p') {
            error_setg(errp, "Invalid boot device '%c'", *p);
            return false;
        }
        if (seen & (1u << (*p - 'a'))) {
            error_setg(errp, "Boot device '%c' was given twice", *p);
            return false;
        }
        seen |= 1u << (*p - 'a');
    }
    return true;
}
