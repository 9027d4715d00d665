/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the machine as a whole: run state, power, names. */
#include "osdep.h"
#include "exec/accel.h"
#include "exec/memory.h"
#include "exec/runstate.h"
#include "hw/boards.h"
#include "qapi/qapi-commands.h"
#include "util/fdset.h"
#include "util/iothread.h"

StatusInfo *qmp_query_status(Error **errp)
{
    StatusInfo *s = g_new0(StatusInfo, 1);

    s->running = runstate_is_running();
    s->status = runstate_get();
    return s;
}

void qmp_quit(Error **errp)
{
    /* Whatever -no-shutdown says: the user wants the process to end. */
    shutdown_action = SHUTDOWN_ACTION_POWEROFF;
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}

void qmp_stop(Error **errp)
{
    vm_stop(RUN_STATE_PAUSED);
}

void qmp_cont(Error **errp)
{
    if (dump_in_progress()) {
        error_setg(errp, "There is a dump in process, please wait.");
        return;
    }
    switch (runstate_get()) {
    case RUN_STATE_INTERNAL_ERROR:
    case RUN_STATE_SHUTDOWN:
        error_setg(errp, "Resetting the Virtual Machine is required");
        return;
    case RUN_STATE_FINISH_MIGRATE:
        error_setg(errp, "Migration is not finalized yet");
        return;
    case RUN_STATE_SUSPENDED: /* the guest sleeps: nothing to start */
    case RUN_STATE_RUNNING:
        return;
    default:
        vm_start();
        return;
    }
}

void qmp_system_reset(Error **errp)
{
    system_reset_request(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}

void qmp_system_powerdown(Error **errp)
{
    system_powerdown_request();
}

void qmp_system_wakeup(Error **errp)
{
    if (!system_wakeup_supported()) {
        error_setg(errp, "wake-up from suspend is not supported by this guest");
        return;
    }
    system_wakeup_request("other", errp);
}

CurrentMachineParams *qmp_query_current_machine(Error **errp)
{
    CurrentMachineParams *p = g_new0(CurrentMachineParams, 1);

    p->wakeup_suspend_support = system_wakeup_supported();
    return p;
}

void qmp_inject_nmi(Error **errp)
{
    if (!nmi_handler) {
        error_setg(errp, "this feature or command is not currently supported");
        return;
    }
    system_nmi_request();
}

void qmp_set_action(bool has_reboot, RebootAction reboot, bool has_shutdown,
                    ShutdownAction shutdown, bool has_panic, PanicAction panic,
                    bool has_watchdog, WatchdogAction watchdog, Error **errp)
{
    if (has_reboot) {
        reboot_action = reboot;
    }
    if (has_shutdown) {
        shutdown_action = shutdown;
    }
    if (has_panic) {
        panic_action = panic;
    }
    if (has_watchdog) {
        watchdog_action = watchdog;
    }
}

void qmp_watchdog_set_action(WatchdogAction action, Error **errp)
{
    watchdog_action = action;
}

NameInfo *qmp_query_name(Error **errp)
{
    NameInfo *n = g_new0(NameInfo, 1);

    n->name = g_strdup(current_machine->name);
    return n;
}

UuidInfo *qmp_query_uuid(Error **errp)
{
    UuidInfo *u = g_new0(UuidInfo, 1);
    const uint8_t *b = current_machine->uuid.b;

    u->UUID = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
        "%02x%02x%02x%02x%02x%02x",
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
        b[11], b[12], b[13], b[14], b[15]);
    return u;
}

/* `present`: this program can use it, whether or not this host can. */
KvmInfo *qmp_query_kvm(Error **errp)
{
    KvmInfo *k = g_new0(KvmInfo, 1);

    k->enabled = accel_is("kvm");
    k->present = accel_find("kvm") != NULL;
    return k;
}

TargetInfo *qmp_query_target(Error **errp)
{
    TargetInfo *t = g_new0(TargetInfo, 1);

    t->arch = SYS_EMU_TARGET_X86_64;
    return t;
}

static void add_machine(const MachineInfo *info, void *opaque)
{
    QmpMachineInfoList ***tail = opaque;
    QmpMachineInfo *m = g_new0(QmpMachineInfo, 1);

    m->name = g_strdup(info->name);
    m->alias = g_strdup(info->alias);
    m->has_is_default = m->is_default = info->is_default;
    m->cpu_max = info->max_cpus ? info->max_cpus : 1;
    m->hotpluggable_cpus = info->has_hotpluggable_cpus;
    m->numa_mem_supported = info->numa_mem_supported;
    m->deprecated = info->deprecated;
    m->default_cpu_type = g_strdup(info->default_cpu);
    m->default_ram_id = g_strdup(info->default_ram_id);
    QAPI_LIST_APPEND(*tail, m);
}

QmpMachineInfoList *qmp_query_machines(Error **errp)
{
    QmpMachineInfoList *list = NULL, **tail = &list;

    machine_foreach(add_machine, &tail);
    return list;
}

/* Copies @size bytes at guest physical @addr to @filename. */
void qmp_pmemsave(int64_t addr, int64_t size, const char *filename,
                  Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(64 * KiB);
    int fd;

    if (addr < 0 || size < 0) {
        error_setg(errp, "Parameter '%s' expects a non-negative value",
                   addr < 0 ? "val" : "size");
        return;
    }
    fd = open_path(filename, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", filename);
        return;
    }
    while (size) {
        int64_t n = MIN(size, (int64_t)(64 * KiB));

        address_space_read(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED,
                           buf, n);
        if (RETRY_ON_EINTR(write(fd, buf, n)) != n) {
            error_setg_errno(errp, errno, "Could not write '%s'", filename);
            break;
        }
        addr += n;
        size -= n;
    }
    close(fd);
}

static void add_iothread(const IOThreadStatus *st, void *opaque)
{
    IOThreadInfoList ***tail = opaque;
    IOThreadInfo *info = g_new0(IOThreadInfo, 1);

    info->id = g_strdup(st->id);
    info->thread_id = st->tid;
    info->poll_max_ns = st->poll_max_ns;
    info->poll_grow = st->poll_grow;
    info->poll_shrink = st->poll_shrink;
    QAPI_LIST_APPEND(*tail, info);
}

IOThreadInfoList *qmp_query_iothreads(Error **errp)
{
    IOThreadInfoList *list = NULL, **tail = &list;

    iothread_foreach(add_iothread, &tail);
    return list;
}

/* Nothing in this program makes a job yet. */
JobInfoList *qmp_query_jobs(Error **errp)
{
    return NULL;
}
