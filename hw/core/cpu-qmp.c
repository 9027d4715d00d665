/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about CPUs and memory, whatever the architecture. */
#include "osdep.h"
#include "exec/cpu.h"
#include "hw/boards.h"
#include "qapi/qapi-commands.h"

/* Negative: the board did not say. */
static int64_t cpu_prop(CPUState *cpu, const char *name)
{
    g_autoptr(QObject) v = object_get(&cpu->qdev.obj, name, NULL);
    int64_t n;

    return v && qint_try_i64(v, &n) ? n : -1;
}

static CpuInstanceProperties *cpu_place(CPUState *cpu)
{
    CpuInstanceProperties *p = g_new0(CpuInstanceProperties, 1);

    p->node_id = cpu_prop(cpu, "node-id");
    p->has_node_id = p->node_id >= 0;
    p->socket_id = cpu_prop(cpu, "socket-id");
    p->has_socket_id = p->socket_id >= 0;
    p->die_id = cpu_prop(cpu, "die-id");
    p->has_die_id = p->die_id >= 0;
    p->core_id = cpu_prop(cpu, "core-id");
    p->has_core_id = p->core_id >= 0;
    p->thread_id = cpu_prop(cpu, "thread-id");
    p->has_thread_id = p->thread_id >= 0;
    return p;
}

CpuInfoFastList *qmp_query_cpus_fast(Error **errp)
{
    CpuInfoFastList *list = NULL, **tail = &list;
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        CpuInfoFast *c = g_new0(CpuInfoFast, 1);

        c->cpu_index = cpu->cpu_index;
        c->qom_path = object_path(&cpu->qdev.obj);
        c->thread_id = cpu->thread_id;
        c->props = cpu_place(cpu);
        c->target = SYS_EMU_TARGET_X86_64;
        QAPI_LIST_APPEND(tail, c);
    }
    return list;
}

/* CPU @i of the topology: threads vary fastest, then cores, dies, sockets. */
static CpuInstanceProperties *place_of(const CpuTopology *t, unsigned i)
{
    CpuInstanceProperties *p = g_new0(CpuInstanceProperties, 1);

    p->has_thread_id = p->has_core_id = p->has_socket_id = true;
    p->has_die_id = t->dies > 1;
    p->thread_id = i % t->threads;
    p->core_id = i / t->threads % t->cores;
    p->die_id = i / t->threads / t->cores % t->dies;
    p->socket_id = i / t->threads / t->cores / t->dies;
    return p;
}

/* CPUs that came later have no particular index. */
static CPUState *cpu_at(const CpuInstanceProperties *p)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu_prop(cpu, "socket-id") == p->socket_id &&
            cpu_prop(cpu, "die-id") == p->die_id &&
            cpu_prop(cpu, "core-id") == p->core_id &&
            cpu_prop(cpu, "thread-id") == p->thread_id) {
            return cpu;
        }
    }
    return NULL;
}

HotpluggableCPUList *qmp_query_hotpluggable_cpus(Error **errp)
{
    const MachineState *m = current_machine;
    HotpluggableCPUList *list = NULL, **tail = &list;

    if (!m->info->has_hotpluggable_cpus) {
        error_setg(errp, "machine does not support hot-plugging CPUs");
        return NULL;
    }
    for (unsigned i = m->smp.max_cpus; i-- > 0;) {
        HotpluggableCPU *h = g_new0(HotpluggableCPU, 1);
        CPUState *cpu = NULL;

        h->type = g_strdup(m->cpu_type);
        h->vcpus_count = 1;
        h->props = place_of(&m->smp, i);
        cpu = cpu_at(h->props);
        if (m->numa.count) {
            h->props->has_node_id = true;
            h->props->node_id = m->numa.cpu_node[i];
        }
        h->qom_path = cpu ? object_path(&cpu->qdev.obj) : NULL;
        QAPI_LIST_APPEND(tail, h);
    }
    return list;
}

MemoryInfo *qmp_query_memory_size_summary(Error **errp)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);
    MemoryDeviceInfoList *dimms = qmp_query_memory_devices(NULL);

    info->base_memory = current_machine->ram_size;
    info->has_plugged_memory = true;
    for (MemoryDeviceInfoList *l = dimms; l; l = l->next) {
        info->plugged_memory += l->value->u.dimm.data->size;
    }
    qapi_free_MemoryDeviceInfoList(dimms);
    return info;
}
