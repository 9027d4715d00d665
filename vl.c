/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main(): from the command line to a running machine and back, as a list of
 * steps.  A step that fails has set an error, which main() prints as one line;
 * the exit status is 1 then.  docs/startup.md has the table.
 */
#include "osdep.h"
#include "process.h"
#include "vl.h"
#include "block/block.h"
#include "exec/accel.h"
#include "exec/qtest.h"
#include "exec/runstate.h"
#include "monitor/gdbstub.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "util/datadir.h"
#include "util/fdset.h"
#include "ui/vnc.h"
#include "util/log.h"
#include "util/module.h"
#include "util/option.h"
#include "util/thread.h"

#include <sys/prctl.h>

static bool start_logging(const VMConfig *cfg, Error **errp)
{
    error_set_message_prefix(cfg->msg_timestamp,
                             cfg->msg_guest_name ? cfg->name : NULL);
    if (cfg->log_file && !log_set_file(cfg->log_file, errp)) {
        return false;
    }
    if (cfg->log_items && !log_set_items(cfg->log_items, errp)) {
        error_prepend(errp, "-d %s: ", cfg->log_items);
        return false;
    }
    for (size_t i = 0; i < cfg->traces.n; i++) {
        if (!trace_apply_option(cfg->traces.items[i]->text, errp)) {
            error_prepend(errp, "%s: ", cfg->traces.items[i]->loc);
            return false;
        }
    }
    return true;
}

/* -add-fd: the set gets a copy, the number given is closed. */
static bool add_fds(const VMConfig *cfg, Error **errp)
{
    for (size_t i = 0; i < cfg->add_fds.n; i++) {
        const ConfigItem *item = cfg->add_fds.items[i];
        int64_t fd = 0, set = 0;
        int flags, copy;

        if (!parse_int64("fd", qdict_get_str(item->opts, "fd"), &fd, errp) ||
            !parse_int64("set", qdict_get_str(item->opts, "set"), &set,
                         errp)) {
            return false;
        }
        if (fd <= STDERR_FILENO) {
            error_setg(errp, "%s: fd cannot be a standard I/O stream",
                       item->loc);
            return false;
        }
        flags = fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC)) {
            /* Close-on-exec: ours, not inherited. */
            error_setg(errp, "%s: fd is not valid or already in use",
                       item->loc);
            return false;
        }
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            error_setg_errno(errp, errno, "%s: cannot copy the descriptor",
                             item->loc);
            return false;
        }
        if (fdset_add(set, copy, qdict_get_str(item->opts, "opaque"), errp) <
            0) {
            error_prepend(errp, "%s: ", item->loc);
            return false;
        }
    }
    /* Last: one number may be in several sets. */
    for (size_t i = 0; i < cfg->add_fds.n; i++) {
        int64_t fd = -1;

        if (parse_int64("fd",
                        qdict_get_str(cfg->add_fds.items[i]->opts, "fd"), &fd,
                        NULL)) {
            close(fd);
        }
    }
    return true;
}

static bool start_process(const VMConfig *cfg, Error **errp)
{
    if (cfg->daemonize && cfg->nographic &&
        (cfg->default_serial || cfg->default_monitor) && cfg->defaults) {
        error_setg(errp, "-nographic cannot be used with -daemonize");
        return false;
    }
    if (cfg->process_name) {
        prctl(PR_SET_NAME, cfg->process_name);
    }
    thread_enable_names(cfg->debug_threads);
    for (guint i = 0; i < cfg->data_dirs->len; i++) {
        datadir_add(g_ptr_array_index(cfg->data_dirs, i));
    }
    if (!add_fds(cfg, errp) ||
        (cfg->daemonize && !process_daemonize(errp)) ||
        (cfg->pidfile && !process_write_pidfile(cfg->pidfile, errp))) {
        return false;
    }
    process_catch_signals();
    return true;
}

/* ---- accelerator --------------------------------------------------------- */

/* Without a wish: a program named ...kvm tries KVM first. */
static const char *default_accels(void)
{
    return g_str_has_suffix(error_get_progname(), "kvm") ? "kvm:tcg" : "tcg";
}

static bool start_accel(const VMConfig *cfg, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();
    const char *names = cfg->accel_list ? cfg->accel_list : default_accels();

    /* A probe of the kernel is worth its time where vCPUs are to run. */
    accel_by_default = !cfg->accel_list && !cfg->accels.n &&
                       g_strcmp0(cfg->machine ? qdict_get_str(cfg->machine, "type")
                                               : NULL, "none");

    if (cfg->accels.n && cfg->accel_list) {
        error_setg(errp, "The -accel and \"-machine accel=\" options are "
                   "incompatible");
        return false;
    }
    for (size_t i = 0; i < cfg->accels.n; i++) {
        qlist_append(list, qobject_deep_copy(cfg->accels.items[i]->opts));
    }
    if (!cfg->accels.n) {
        g_auto(GStrv) part = g_strsplit(names, ":", -1);

        for (int i = 0; part[i]; i++) {
            QObject *opts = qdict_new();

            qdict_put_str(opts, "accel", part[i]);
            qlist_append(list, opts);
        }
    }
    /* -machine kernel_irqchip= and -no-kvm-irqchip are KVM's business. */
    for (size_t i = 0; cfg->accel_legacy && i < qlist_size(list); i++) {
        QObject *opts = qlist_at(list, i);

        if (g_strcmp0(qdict_get_str(opts, "accel"), "kvm")) {
            continue;
        }
        for (size_t k = 0; k < qdict_size(cfg->accel_legacy); k++) {
            qdict_put(opts, qdict_key_at(cfg->accel_legacy, k),
                      qobject_ref(qdict_value_at(cfg->accel_legacy, k)));
        }
    }
    return accel_start(list, errp);
}

/* ---- machine and devices ------------------------------------------------- */

static bool add_globals(const VMConfig *cfg, const MachineInfo *mi)
{
    for (int i = 0; mi->compat && mi->compat[i]; i++) {
        for (const CompatProp *p = mi->compat[i]; p->type; p++) {
            object_add_global(p->type, p->prop, p->value, false);
        }
    }
    for (size_t i = 0; i < cfg->globals.n; i++) {
        const QObject *o = cfg->globals.items[i]->opts;

        object_add_global(qdict_get_str(o, "driver"),
                          qdict_get_str(o, "property"),
                          qdict_get_str(o, "value"), true);
    }
    return true;
}

static bool make_devices(const VMConfig *cfg, Error **errp)
{
    for (size_t i = 0; i < cfg->devices.n; i++) {
        const ConfigItem *item = cfg->devices.items[i];

        if (!device_add(item->opts, errp)) {
            error_prepend(errp, "%s: ", item->loc);
            return false;
        }
    }
    for (size_t i = 0; i < cfg->debugcons.n; i++) {
        g_autofree char *label = g_strdup_printf("debugcon%zu", i);
        g_autoptr(QObject) opts = qdict_new();

        qdict_put_str(opts, "driver", "isa-debugcon");
        qdict_put_str(opts, "chardev", label);
        if (!device_add(opts, errp)) {
            error_prepend(errp, "%s: ", cfg->debugcons.items[i]->loc);
            return false;
        }
    }
    return true;
}

static bool start_machine(const VMConfig *cfg, Error **errp)
{
    const MachineInfo *mi = choose_machine(cfg, errp);
    MachineState *m;

    if (!mi) {
        return false;
    }
    memory_map_init();
    accel_perfmap = cfg->perfmap;
    if (!start_accel(cfg, errp)) {
        return false;
    }
    add_globals(cfg, mi);
    m = make_machine(cfg, mi, errp);
    if (!m || !make_objects(cfg, OBJECTS_FIRST, errp) ||
        !make_chardevs(cfg, errp) ||
        !make_objects(cfg, OBJECTS_ON_CHARDEVS, errp) ||
        !make_ports(cfg, m, errp) || !make_drives(cfg, m, errp) ||
        !make_netdevs(cfg, m, errp) ||
        !make_objects(cfg, OBJECTS_ON_NETDEVS, errp) || !make_numa(cfg, m, errp) ||
        !make_machine_ram(m, cfg, errp) ||
        !mi->init(m, errp) || !take_firmware_options(cfg, errp) ||
        !make_nics(m, errp) ||
        !make_devices(cfg, errp) || !make_virtio_drives(errp) ||
        !drive_check_orphans(errp) || (mi->ready && !mi->ready(m, errp))) {
        return false;
    }
    object_check_globals_used();
    device_machine_ready();
    return true;
}

/* ---- monitors ------------------------------------------------------------ */

static bool start_monitors(const VMConfig *cfg, Error **errp)
{
    if (!make_monitors(cfg, errp)) {
        return false;
    }
    if (cfg->qtest && !qtest_start(cfg->qtest, cfg->qtest_log, errp)) {
        error_prepend(errp, "-qtest %s: ", cfg->qtest);
        return false;
    }
    return true;
}

/* ---- running ------------------------------------------------------------- */

static bool enter_guest(const VMConfig *cfg, Error **errp)
{
    reboot_action = cfg->reboot;
    shutdown_action = cfg->shutdown;
    panic_action = cfg->panic;
    watchdog_action = cfg->watchdog;
    if (cfg->mem_lock && !process_lock_memory(errp)) {
        return false;
    }
    if (!process_drop_privileges(cfg->chroot_dir, cfg->runas, errp) ||
        (cfg->sandbox && !process_sandbox(cfg->sandbox, errp)) ||
        !process_ready(errp)) {
        return false;
    }
    system_reset(SHUTDOWN_CAUSE_NONE);
    if (cfg->gdb && !gdbstub_start(cfg->gdb, errp)) {
        return false;
    }
    if (cfg->autostart) {
        vm_start();
    }
    return true;
}

static void clean_up(VMConfig *cfg)
{
    vnc_cleanup();
    monitor_cleanup();
    net_cleanup();
    block_cleanup();
    drives_cleanup();
    process_cleanup();
    vmconfig_free(cfg);
}

static int fail(VMConfig *cfg, Error *err)
{
    /* One line; advice that an error carries is for monitors. */
    error_report("%s", error_get_pretty(err));
    error_free(err);
    vnc_cleanup();
    net_cleanup();
    block_cleanup();
    drives_cleanup();
    process_cleanup();
    vmconfig_free(cfg);
    return 1;
}

int main(int argc, char **argv)
{
    VMConfig cfg;
    Error *err = NULL;
    bool done = false;
    int status;

    error_set_progname(argv[0]);
    if (!options_parse(&cfg, argc, argv, &done, &err)) {
        return fail(&cfg, err);
    }
    if (done) {
        vmconfig_free(&cfg);
        return 0;
    }
    for (int type = 0; type < MODULE_TYPES; type++) {
        module_call_init(type);
    }
    bql_lock();
    if (!answer_help(&cfg, &done, &err)) {
        return fail(&cfg, err);
    }
    if (done) {
        vmconfig_free(&cfg);
        return 0;
    }
    if (!start_logging(&cfg, &err) || !refuse_absent(&cfg, &err) ||
        !start_process(&cfg, &err) || !start_machine(&cfg, &err) ||
        !make_displays(&cfg, &err) || !start_monitors(&cfg, &err) ||
        !enter_guest(&cfg, &err)) {
        return fail(&cfg, err);
    }
    status = main_loop_run();
    gdbstub_stop(status);
    clean_up(&cfg);
    return status;
}
