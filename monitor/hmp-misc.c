/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands that belong to no one subsystem. */
#include "osdep.h"
#include "exec/accel.h"
#include "exec/cpu.h"
#include "exec/memory.h"
#include "hmp-int.h"
#include "hw/boards.h"
#include "hw/pci.h"
#include "hw/qdev.h"
#include "qapi/qapi-commands.h"
#include "util/log.h"

/* ---- help ---- */

static void help_row(Hmp *mon, const char *prefix, const HmpCommand *c)
{
    hmp_printf(mon, "%s%s %s -- %s\n", prefix, c->name, c->params, c->help);
}

static void help_table(Hmp *mon, const char *prefix, const HmpCommand *table)
{
    for (; table->name; table++) {
        help_row(mon, prefix, table);
    }
}

static bool has_name(const HmpCommand *c, const char *name)
{
    g_auto(GStrv) names = g_strsplit(c->name, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

void hmp_help(Hmp *mon, const QObject *args, Error **errp)
{
    const char *text = qdict_get_str(args, "name");
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t", 2);
    const HmpCommand *table = hmp_commands;
    const char *prefix = "";

    if (!words[0] || !*words[0]) {
        help_table(mon, "", hmp_commands);
        return;
    }
    for (int i = 0; words[i] && table; i++) {
        const HmpCommand *c = table;
        const char *word = g_strstrip(words[i]);

        while (c->name && !has_name(c, word)) {
            c++;
        }
        if (!c->name) {
            hmp_printf(mon, "unknown command: '%s'\n", text);
            return;
        }
        if (!c->sub) {
            help_row(mon, prefix, c);
        } else if (!words[i + 1]) {
            help_table(mon, "info ", c->sub);
        }
        prefix = "info ";
        table = c->sub;
    }
}

/* ---- Values, memory, ports ---- */

void hmp_print(Hmp *mon, const QObject *args, Error **errp)
{
    HmpFormat f = { .count = 1, .size = 8, .format = 'x' };
    g_autofree char *text = NULL;

    if (!hmp_parse_format(qdict_get_str(args, "fmt"), &f, errp)) {
        return;
    }
    f.size = 8;
    text = hmp_format_value(&f, qdict_get_int(args, "val", 0), false);
    hmp_printf(mon, "%s\n", text);
}

void hmp_sum(Hmp *mon, const QObject *args, Error **errp)
{
    hwaddr addr = qdict_get_int(args, "start", 0);
    uint64_t size = qdict_get_int(args, "size", 0);
    uint16_t sum = 0;

    if (size > GiB) {
        error_setg(errp, "size is too large");
        return;
    }
    for (uint64_t i = 0; i < size; i++) {
        MemTxResult result;
        uint64_t v = address_space_ld(&address_space_memory, addr + i, 1,
                                      MEMTXATTRS_UNSPECIFIED, &result);

        sum = (sum >> 1) | (sum << 15);
        sum += result == MEMTX_OK ? v : 0;
    }
    hmp_printf(mon, "%05d\n", sum);
}

void hmp_pmemsave(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_pmemsave(qdict_get_int(args, "val", 0), qdict_get_int(args, "size", 0),
                 qdict_get_str(args, "filename"), errp);
}

/* Port @args "addr" and its width; 4 bytes at most. */
static bool port_args(const QObject *args, HmpFormat *f, uint16_t *port,
                      Error **errp)
{
    *f = (HmpFormat) { .count = 1, .size = 1, .format = 'x' };
    if (!hmp_parse_format(qdict_get_str(args, "fmt"), f, errp)) {
        return false;
    }
    f->size = MIN(f->size, 4);
    *port = qdict_get_int(args, "addr", 0);
    return true;
}

void hmp_io_read(Hmp *mon, const QObject *args, Error **errp)
{
    HmpFormat f;
    uint16_t port;
    uint64_t v;

    if (!port_args(args, &f, &port, errp)) {
        return;
    }
    v = address_space_ld(&address_space_io, port, f.size,
                         MEMTXATTRS_UNSPECIFIED, NULL);
    hmp_printf(mon, "port%c[0x%04x] = 0x%0*" PRIx64 "\n",
               f.size == 1 ? 'b' : f.size == 2 ? 'w' : 'l', port, f.size * 2,
               v);
}

void hmp_io_write(Hmp *mon, const QObject *args, Error **errp)
{
    HmpFormat f;
    uint16_t port;

    if (port_args(args, &f, &port, errp)) {
        address_space_st(&address_space_io, port, f.size,
                         qdict_get_int(args, "val", 0),
                         MEMTXATTRS_UNSPECIFIED);
    }
}

void hmp_cpu_select(Hmp *mon, const QObject *args, Error **errp)
{
    if (!hmp_set_cpu(mon, qdict_get_int(args, "index", 0))) {
        hmp_printf(mon, "invalid CPU index\n");
    }
}

/* ---- Logging ---- */

void hmp_log(Hmp *mon, const QObject *args, Error **errp)
{
    const char *items = qdict_get_str(args, "items");

    if (!strcmp(items, "none")) {
        log_level_mask = 0;
        return;
    }
    log_set_items(items, errp);
}

void hmp_logfile(Hmp *mon, const QObject *args, Error **errp)
{
    log_set_file(qdict_get_str(args, "filename"), errp);
}

void hmp_trace_event(Hmp *mon, const QObject *args, Error **errp)
{
    const char *name = qdict_get_str(args, "name");

    if (!trace_event_enable(name, qdict_get_bool(args, "option", false))) {
        error_setg(errp, "unknown event \"%s\"", name);
    }
}

typedef struct TraceQuery {
    Hmp *mon;
    const char *glob;
} TraceQuery;

static void print_trace_event(TraceEvent *ev, void *opaque)
{
    TraceQuery *q = opaque;

    if (!q->glob || g_pattern_match_simple(q->glob, ev->name)) {
        hmp_printf(q->mon, "%s : state %d\n", ev->name, ev->enabled);
    }
}

void hmp_info_trace_events(Hmp *mon, const QObject *args, Error **errp)
{
    TraceQuery q = { mon, qdict_get_str(args, "name") };

    trace_foreach(print_trace_event, &q);
}

/* ---- The machine ---- */

void hmp_cont(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_cont(errp);
}

void hmp_stop(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_stop(errp);
}

void hmp_quit(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_quit(errp);
}

void hmp_system_reset(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_system_reset(errp);
}

void hmp_system_powerdown(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_system_powerdown(errp);
}

void hmp_system_wakeup(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_system_wakeup(errp);
}

void hmp_nmi(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_inject_nmi(errp);
}

void hmp_watchdog_action(Hmp *mon, const QObject *args, Error **errp)
{
    WatchdogAction action;

    if (WatchdogAction_parse("action", qdict_get_str(args, "action"), &action,
                             errp)) {
        qmp_watchdog_set_action(action, errp);
    }
}

void hmp_getfd(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_getfd(qdict_get_str(args, "fdname"), errp);
}

void hmp_closefd(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_closefd(qdict_get_str(args, "fdname"), errp);
}

/* ---- info ---- */

void hmp_info_jit(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) s = g_string_new(NULL);

    if (accel && accel->info) {
        accel->info(s);
    }
    hmp_printf(mon, "%s", s->len ? s->str : "no code is translated\n");
}

void hmp_info_status(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(StatusInfo) s = qmp_query_status(errp);

    if (!s) {
        return;
    }
    hmp_printf(mon, "VM status: %s", s->running ? "running" : "paused");
    if (!s->running && s->status != RUN_STATE_PAUSED) {
        hmp_printf(mon, " (%s)", RunState_str(s->status));
    }
    hmp_printf(mon, "\n");
}

void hmp_info_version(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(VersionInfo) v = qmp_query_version(errp);

    hmp_printf(mon, "%" PRId64 ".%" PRId64 ".%" PRId64 " (%s)\n",
               v->qemu->major, v->qemu->minor, v->qemu->micro, v->package);
}

void hmp_info_name(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(NameInfo) n = qmp_query_name(errp);

    if (n->name) {
        hmp_printf(mon, "%s\n", n->name);
    }
}

void hmp_info_uuid(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(UuidInfo) u = qmp_query_uuid(errp);

    hmp_printf(mon, "%s\n", u->UUID);
}

void hmp_info_kvm(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(KvmInfo) k = qmp_query_kvm(errp);

    hmp_printf(mon, "kvm support: %s\n",
               !k->present ? "not compiled"
                           : k->enabled ? "enabled" : "disabled");
}

void hmp_info_history(Hmp *mon, const QObject *args, Error **errp)
{
    hmp_print_history(mon);
}

void hmp_info_cpus(Hmp *mon, const QObject *args, Error **errp)
{
    CPUState *cpu, *current = hmp_cpu(mon);

    CPU_FOREACH(cpu) {
        hmp_printf(mon, "%c CPU #%d: thread_id=%d\n",
                   cpu == current ? '*' : ' ', cpu->cpu_index, cpu->thread_id);
    }
}

void hmp_info_mtree(Hmp *mon, const QObject *args, Error **errp)
{
    GString *s = g_string_new(NULL);

    memory_print_tree(s, qdict_get_bool(args, "flat", false));
    hmp_printf(mon, "%s", s->str);
    g_string_free(s, TRUE);
}

void hmp_info_qtree(Hmp *mon, const QObject *args, Error **errp)
{
    GString *s = g_string_new(NULL);

    device_print_tree(s);
    hmp_printf(mon, "%s", s->str);
    g_string_free(s, TRUE);
}

/* --- balloon --- */

void hmp_balloon(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_balloon(qdict_get_int(args, "value", 0), errp);
}

void hmp_info_balloon(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(BalloonInfo) info = qmp_query_balloon(errp);

    if (info) {
        hmp_printf(mon, "balloon: actual=%" PRId64 "\n",
                   info->actual / (int64_t)MiB);
    }
}

void hmp_info_pci(Hmp *mon, const QObject *args, Error **errp)
{
    GString *s = g_string_new(NULL);

    pci_print(s);
    hmp_printf(mon, "%s", s->str);
    g_string_free(s, TRUE);
}

void hmp_info_memory_devices(Hmp *mon, const QObject *args, Error **errp)
{
    MemoryDeviceInfoList *list = qmp_query_memory_devices(errp);

    for (MemoryDeviceInfoList *l = list; l; l = l->next) {
        const PCDIMMDeviceInfo *d = l->value->u.dimm.data;

        hmp_printf(mon, "Memory device [dimm]: \"%s\"\n"
                        "  addr: 0x%" PRIx64 "\n  slot: %" PRId64 "\n"
                        "  node: %" PRId64 "\n  size: %" PRIu64 "\n"
                        "  memdev: %s\n  hotplugged: %s\n"
                        "  hotpluggable: %s\n",
                   d->id ? d->id : "", (uint64_t)d->addr, d->slot, d->node,
                   (uint64_t)d->size, d->memdev,
                   d->hotplugged ? "true" : "false",
                   d->hotpluggable ? "true" : "false");
    }
    qapi_free_MemoryDeviceInfoList(list);
}

void hmp_info_hotpluggable_cpus(Hmp *mon, const QObject *args, Error **errp)
{
    HotpluggableCPUList *list = qmp_query_hotpluggable_cpus(errp);

    hmp_printf(mon, "Hotpluggable CPUs:\n");
    for (HotpluggableCPUList *l = list; l; l = l->next) {
        const HotpluggableCPU *h = l->value;
        const CpuInstanceProperties *p = h->props;
        const struct {
            const char *name;
            bool has;
            int64_t v;
        } ids[] = {
            { "node-id", p->has_node_id, p->node_id },
            { "socket-id", p->has_socket_id, p->socket_id },
            { "die-id", p->has_die_id, p->die_id },
            { "core-id", p->has_core_id, p->core_id },
            { "thread-id", p->has_thread_id, p->thread_id },
        };

        hmp_printf(mon, "  type: \"%s\"\n  vcpus_count: \"%" PRId64 "\"\n",
                   h->type, h->vcpus_count);
        if (h->qom_path) {
            hmp_printf(mon, "  qom_path: \"%s\"\n", h->qom_path);
        }
        hmp_printf(mon, "  CPUInstance Properties:\n");
        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
            if (ids[i].has) {
                hmp_printf(mon, "    %s: \"%" PRId64 "\"\n", ids[i].name,
                           ids[i].v);
            }
        }
    }
    qapi_free_HotpluggableCPUList(list);
}

void hmp_info_numa(Hmp *mon, const QObject *args, Error **errp)
{
    const NumaState *numa = &current_machine->numa;
    MemoryDeviceInfoList *dimms = qmp_query_memory_devices(NULL);

    hmp_printf(mon, "%u nodes\n", numa->count);
    for (unsigned n = 0; n < numa->count; n++) {
        uint64_t plugged = 0;

        for (MemoryDeviceInfoList *l = dimms; l; l = l->next) {
            const PCDIMMDeviceInfo *d = l->value->u.dimm.data;

            plugged += d->node == n ? (uint64_t)d->size : 0;
        }
        hmp_printf(mon, "node %u cpus:", n);
        for (unsigned i = 0; i < current_machine->smp.max_cpus; i++) {
            if (numa->cpu_node[i] == (int)n && cpu_by_index(i)) {
                hmp_printf(mon, " %u", i);
            }
        }
        hmp_printf(mon, "\nnode %u size: %" PRIu64 " MB\nnode %u plugged: %"
                        PRIu64 " MB\n", n,
                   (numa->nodes[n].mem + plugged) / MiB, n, plugged / MiB);
    }
    qapi_free_MemoryDeviceInfoList(dimms);
}

void hmp_info_vm_generation_id(Hmp *mon, const QObject *args, Error **errp)
{
    GuidInfo *info = qmp_query_vm_generation_id(errp);

    if (info) {
        hmp_printf(mon, "%s\n", info->guid);
        qapi_free_GuidInfo(info);
    }
}
