/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -numa node,... | dist,... | cpu,...  Nodes take memory from back ends
 * (memdev=) or share the machine's (mem=, or evenly).
 */
#include "osdep.h"
#include "hw/core/numa.h"
#include "exec/hostmem.h"
#include "hw/boards.h"
#include "util/option.h"

/* --- values: text or JSON numbers --- */

static bool take_uint(const QObject *o, const char *key, bool required,
                      uint64_t max, uint64_t *out, bool *there, Error **errp)
{
    const QObject *v = qdict_get(o, key);

    if (there) {
        *there = v != NULL;
    }
    if (!v) {
        if (required) {
            error_setg(errp, "Parameter '%s' is missing", key);
        }
        return !required;
    }
    if (qobject_type(v) == QTYPE_STRING) {
        if (!parse_uint64(key, qstring_get(v), out, errp)) {
            return false;
        }
    } else if (!qint_try_u64(v, out)) {
        error_setg(errp, "Parameter '%s' expects a number", key);
        return false;
    }
    if (*out > max) {
        error_setg(errp, "Parameter '%s' expects a number up to %" PRIu64,
                   key, max);
        return false;
    }
    return true;
}

static bool check_keys(const QObject *o, const char *const *known,
                       Error **errp)
{
    for (size_t i = 0; i < qdict_size(o); i++) {
        const char *key = qdict_key_at(o, i);
        unsigned k;

        for (k = 0; known[k] && strcmp(known[k], key); k++) {
        }
        if (!known[k]) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return false;
        }
    }
    return true;
}

/* --- nodes --- */

static bool assign_cpu(MachineState *m, uint64_t cpu, unsigned node,
                       Error **errp)
{
    if (cpu >= m->smp.max_cpus) {
        error_setg(errp, "CPU index (%" PRIu64 ") should be smaller than "
                         "maxcpus (%u)", cpu, m->smp.max_cpus);
        return false;
    }
    if (m->numa.cpu_node[cpu] >= 0) {
        error_setg(errp, "CPU is already assigned to node-id: %d",
                   m->numa.cpu_node[cpu]);
        return false;
    }
    m->numa.cpu_node[cpu] = node;
    return true;
}

/* "0-3", "5", or several with ':' between them. */
static bool assign_cpu_ranges(MachineState *m, const char *text, unsigned node,
                              Error **errp)
{
    g_auto(GStrv) part = g_strsplit(text, ":", -1);

    for (unsigned i = 0; part[i]; i++) {
        g_auto(GStrv) end = g_strsplit(part[i], "-", 2);
        uint64_t from, to;

        if (!end[0] || !parse_uint64("cpus", end[0], &from, errp)) {
            if (!end[0]) {
                error_setg(errp, "Parameter 'cpus' expects numbers");
            }
            return false;
        }
        to = from;
        if (end[1] && !parse_uint64("cpus", end[1], &to, errp)) {
            return false;
        }
        if (to < from || to - from > 65535) {
            error_setg(errp, "Parameter 'cpus' expects a range, not '%s'",
                       part[i]);
            return false;
        }
        for (uint64_t cpu = from; cpu <= to; cpu++) {
            if (!assign_cpu(m, cpu, node, errp)) {
                return false;
            }
        }
    }
    return true;
}

static bool assign_cpus(MachineState *m, const QObject *v, unsigned node,
                        Error **errp)
{
    uint64_t cpu;

    if (qobject_type(v) == QTYPE_STRING) {
        return assign_cpu_ranges(m, qstring_get(v), node, errp);
    }
    if (qobject_type(v) == QTYPE_LIST) {
        for (size_t i = 0; i < qlist_size(v); i++) {
            if (!assign_cpus(m, qlist_at(v, i), node, errp)) {
                return false;
            }
        }
        return true;
    }
    if (qint_try_u64(v, &cpu)) {
        return assign_cpu(m, cpu, node, errp);
    }
    error_setg(errp, "Parameter 'cpus' expects numbers");
    return false;
}

static bool take_memdev(NumaNode *n, const char *id, Error **errp)
{
    g_autofree char *path = g_strdup_printf("/objects/%s", id);
    Object *obj = object_resolve(path, NULL);

    if (!obj || !object_dynamic_cast(obj, "memory-backend")) {
        error_setg(errp, "memdev=%s is ambiguous or not a memory backend", id);
        return false;
    }
    if (!memory_backend_claim(obj, errp)) {
        return false;
    }
    n->memdev = obj;
    n->mem = memory_backend_block(obj)->used_length;
    return true;
}

static bool add_node(MachineState *m, const QObject *o, Error **errp)
{
    static const char *const known[] = { "type", "nodeid", "cpus", "mem",
                                         "memdev", "initiator", NULL };
    NumaState *s = &m->numa;
    const char *mem = qdict_get_str(o, "mem");
    const char *memdev = qdict_get_str(o, "memdev");
    uint64_t id = s->count;
    NumaNode *n;

    if (!check_keys(o, known, errp) ||
        !take_uint(o, "nodeid", false, UINT16_MAX, &id, NULL, errp)) {
        return false;
    }
    if (id >= NUMA_NODES_MAX) {
        error_setg(errp, "Max number of NUMA nodes reached: %" PRIu64, id);
        return false;
    }
    if (qdict_has(o, "mem") && !m->info->numa_mem_supported) {
        error_setg(errp, "Parameter -numa node,mem is not supported by this "
                         "machine type");
        error_append_hint(errp, "Use -numa node,memdev instead\n");
        return false;
    }
    n = &s->nodes[id];
    if (n->present) {
        error_setg(errp, "Duplicate NUMA nodeid: %" PRIu64, id);
        return false;
    }
    if (qdict_has(o, "initiator")) {
        error_setg(errp, "initiator= needs a machine with an HMAT, which '%s' "
                         "has not", m->info->name);
        return false;
    }
    if (qdict_has(o, "mem") && qdict_has(o, "memdev")) {
        error_setg(errp, "cannot specify both mem= and memdev=");
        return false;
    }
    if (mem) {
        n->has_mem = true;
        if (!parse_size("mem", mem, MiB, &n->mem, errp)) {
            return false;
        }
    } else if (!take_uint(o, "mem", false, UINT64_MAX, &n->mem, &n->has_mem,
                          errp) ||
               (memdev && !take_memdev(n, memdev, errp))) {
        return false;
    }
    n->present = true;
    s->count++;
    return !qdict_has(o, "cpus") ||
           assign_cpus(m, qdict_get(o, "cpus"), id, errp);
}

/* --- distances, CPUs by their place --- */

static bool add_distance(MachineState *m, const QObject *o, Error **errp)
{
    static const char *const known[] = { "type", "src", "dst", "val", NULL };
    NumaState *s = &m->numa;
    uint64_t src, dst, val;

    if (!check_keys(o, known, errp) ||
        !take_uint(o, "src", true, UINT16_MAX, &src, NULL, errp) ||
        !take_uint(o, "dst", true, UINT16_MAX, &dst, NULL, errp) ||
        !take_uint(o, "val", true, UINT8_MAX, &val, NULL, errp)) {
        return false;
    }
    if (src >= NUMA_NODES_MAX || dst >= NUMA_NODES_MAX) {
        error_setg(errp, "Parameter '%s' expects an integer between 0 and %d",
                   src >= NUMA_NODES_MAX ? "src" : "dst", NUMA_NODES_MAX - 1);
        return false;
    }
    if (!s->nodes[src].present || !s->nodes[dst].present) {
        error_setg(errp, "Source/Destination NUMA node is missing. Please use "
                         "'-numa node' option to declare it first.");
        return false;
    }
    if (val < NUMA_DISTANCE_LOCAL) {
        error_setg(errp, "NUMA distance (%" PRIu64 ") is invalid, it shouldn't "
                         "be less than %d.", val, NUMA_DISTANCE_LOCAL);
        return false;
    }
    if (src == dst && val != NUMA_DISTANCE_LOCAL) {
        error_setg(errp, "Local distance of node %" PRIu64 " should be %d.",
                   src, NUMA_DISTANCE_LOCAL);
        return false;
    }
    s->distance[src][dst] = val;
    s->have_distances = true;
    return true;
}

static bool add_cpu(MachineState *m, const QObject *o, Error **errp)
{
    static const char *const known[] = { "type", "node-id", "socket-id",
                                         "die-id", "core-id", "thread-id",
                                         NULL };
    const CpuTopology *t = &m->smp;
    uint64_t node, socket, die, core, thread;
    bool by_socket, by_die, by_core, by_thread, any = false;

    if (!check_keys(o, known, errp) ||
        !take_uint(o, "node-id", true, INT16_MAX, &node, NULL, errp) ||
        !take_uint(o, "socket-id", false, INT_MAX, &socket, &by_socket,
                   errp) ||
        !take_uint(o, "die-id", false, INT_MAX, &die, &by_die, errp) ||
        !take_uint(o, "core-id", false, INT_MAX, &core, &by_core, errp) ||
        !take_uint(o, "thread-id", false, INT_MAX, &thread, &by_thread,
                   errp)) {
        return false;
    }
    if (node >= NUMA_NODES_MAX || !m->numa.nodes[node].present) {
        error_setg(errp, "Invalid node-id=%" PRIu64 ", NUMA node must be "
                         "defined with -numa node,nodeid=ID before it's used "
                         "with -numa cpu,node-id=ID", node);
        return false;
    }
    for (unsigned i = 0; i < t->max_cpus; i++) {
        unsigned rest = i / t->threads;

        if ((by_thread && thread != i % t->threads) ||
            (by_core && core != rest % t->cores) ||
            (by_die && die != rest / t->cores % t->dies) ||
            (by_socket && socket != rest / t->cores / t->dies)) {
            continue;
        }
        if (!assign_cpu(m, i, node, errp)) {
            return false;
        }
        any = true;
    }
    if (!any) {
        error_setg(errp, "no match found");
    }
    return any;
}

/* Boards that know the place of each possible CPU. */
static bool has_numa(const MachineState *m)
{
    return m->info->has_hotpluggable_cpus;
}

bool numa_add(MachineState *m, const QObject *opts, Error **errp)
{
    const char *type = qdict_get_str(opts, "type");

    if (!has_numa(m)) {
        error_setg(errp, "NUMA is not supported by this machine-type");
        return false;
    }
    if (!m->numa.cpu_node) {
        m->numa.cpu_node = g_new(int16_t, m->smp.max_cpus);
        memset(m->numa.cpu_node, 0xff, m->smp.max_cpus * sizeof(int16_t));
    }
    if (!g_strcmp0(type, "node")) {
        return add_node(m, opts, errp);
    } else if (!g_strcmp0(type, "dist")) {
        return add_distance(m, opts, errp);
    } else if (!g_strcmp0(type, "cpu")) {
        return add_cpu(m, opts, errp);
    } else if (!g_strcmp0(type, "hmat-lb") || !g_strcmp0(type, "hmat-cache")) {
        error_setg(errp, "%s: machine '%s' has no Heterogeneous Memory "
                         "Attribute Table", type, m->info->name);
        return false;
    }
    error_setg(errp, "Parameter 'type' does not accept value '%s'",
               type ? type : "");
    return false;
}

/* --- completion --- */

/* Memory that no node asked for: even shares, in steps of 8 MiB. */
static void share_memory(MachineState *m)
{
    NumaState *s = &m->numa;
    uint64_t left = m->ram_size;

    for (unsigned i = 0; i + 1 < s->count; i++) {
        s->nodes[i].mem = m->ram_size / s->count & ~(8 * MiB - 1);
        left -= s->nodes[i].mem;
    }
    s->nodes[s->count - 1].mem = left;
}

static bool complete_memory(MachineState *m, Error **errp)
{
    NumaState *s = &m->numa;
    unsigned backed = 0, plain = 0;
    uint64_t total = 0;

    for (unsigned i = 0; i < s->count; i++) {
        if (!s->nodes[i].present) {
            error_setg(errp, "numa: Node ID missing: %u", i);
            return false;
        }
        backed += s->nodes[i].memdev != NULL;
        plain += s->nodes[i].has_mem;
    }
    if (backed && plain) {
        error_setg(errp, "numa configuration should use either mem= or "
                         "memdev=, mixing both is not allowed");
        return false;
    }
    if (backed && m->memory_backend) {
        error_setg(errp, "'memory-backend' property can't be used together "
                         "with -numa memdev=");
        return false;
    }
    /* Newer types want to be told; the node made for DIMMs has it all. */
    if (!backed && !plain &&
        (m->info->numa_mem_supported || s->made_for_dimms)) {
        share_memory(m);
    }
    for (unsigned i = 0; i < s->count; i++) {
        total += s->nodes[i].mem;
    }
    if (total != m->ram_size) {
        error_setg(errp, "total memory for NUMA nodes (0x%" PRIx64 ") should "
                         "equal RAM size (0x%" PRIx64 ")", total, m->ram_size);
        return false;
    }
    return true;
}

static bool complete_distances(NumaState *s, Error **errp)
{
    for (unsigned a = 0; a < s->count && s->have_distances; a++) {
        for (unsigned b = 0; b < s->count; b++) {
            uint8_t *d = &s->distance[a][b];

            if (a == b) {
                *d = NUMA_DISTANCE_LOCAL;
            } else if (!*d && !s->distance[b][a]) {
                error_setg(errp, "The distance between node %u and %u is "
                                 "missing, at least one distance value "
                                 "between each nodes should be provided.",
                           a, b);
                return false;
            } else if (!*d) {
                *d = s->distance[b][a];
            }
        }
    }
    return true;
}

bool numa_complete(MachineState *m, Error **errp)
{
    NumaState *s = &m->numa;
    bool any = false;

    /* Room for DIMMs comes with an affinity table. */
    if (s->count == 0 && m->ram_slots && has_numa(m)) {
        g_autoptr(QObject) node = qdict_new();

        qdict_put_str(node, "type", "node");
        s->made_for_dimms = true;
        if (!numa_add(m, node, errp)) {
            return false;
        }
    }
    if (s->count == 0) {
        return true;
    }
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        any |= s->cpu_node[i] >= 0;
    }
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        unsigned socket = i / m->smp.threads / m->smp.cores / m->smp.dies;

        if (s->cpu_node[i] < 0) {
            s->cpu_node[i] = any ? 0 : socket % s->count;
        }
    }
    return complete_memory(m, errp) && complete_distances(s, errp);
}
