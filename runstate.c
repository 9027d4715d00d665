/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run states and the main loop.
 *
 * Requests (any thread, some from signal handlers) only leave a mark and kick
 * the main loop; requests_serve() acts on the marks, one after the other, with
 * the BQL.  vm_stop() and vm_start() are the two edges between `running` and
 * the rest; transitions[] says which edges exist.
 */
#include "osdep.h"

#include <signal.h>

#include "exec/accel.h"
#include "exec/runstate.h"
#include "hw/boards.h"
#include "qapi/qapi-events.h"
#include "util/loop.h"
#include "util/timer.h"

RebootAction reboot_action = REBOOT_ACTION_RESET;
ShutdownAction shutdown_action = SHUTDOWN_ACTION_POWEROFF;
PanicAction panic_action = PANIC_ACTION_SHUTDOWN;
WatchdogAction watchdog_action = WATCHDOG_ACTION_RESET;
void (*nmi_handler)(void);

static _Atomic RunState run_state = RUN_STATE_PRELAUNCH;
static int exit_status;
static ListNode change_listeners = LIST_INIT(change_listeners); /* by prio */
static ListNode powerdown_listeners = LIST_INIT(powerdown_listeners);
static ListNode suspend_listeners = LIST_INIT(suspend_listeners);
static ListNode wakeup_listeners = LIST_INIT(wakeup_listeners);

/* The marks.  Causes: SHUTDOWN_CAUSE_NONE is no request. */
static _Atomic ShutdownCause shutdown_wanted, reset_wanted;
static atomic_bool powerdown_wanted, debug_wanted, suspend_wanted, wakeup_wanted;
static _Atomic size_t wakeup_reason; /* in wakeup_reasons[] */
static _Atomic int stop_wanted = -1; /* a RunState */
static _Atomic int kill_signal;
static _Atomic pid_t kill_pid;

/* Reasons that may wake the guest, by name. */
static struct {
    const char *name;
    bool on;
} wakeup_reasons[] = {
    { "rtc", true }, { "pmtimer", true }, { "other", true },
};

#define TO(s) (1u << RUN_STATE_##s)
static const uint32_t transitions[RUN_STATE__MAX] = {
    [RUN_STATE_DEBUG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_INMIGRATE] = TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(PAUSED) |
                            TO(RUNNING) | TO(SHUTDOWN) | TO(SUSPENDED) |
                            TO(WATCHDOG) | TO(GUEST_PANICKED) |
                            TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                            TO(POSTMIGRATE) | TO(COLO),
    [RUN_STATE_INTERNAL_ERROR] = TO(PAUSED) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH),
    [RUN_STATE_IO_ERROR] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_PAUSED] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(POSTMIGRATE) |
                         TO(PRELAUNCH) | TO(COLO),
    [RUN_STATE_POSTMIGRATE] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_PRELAUNCH] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(INMIGRATE),
    [RUN_STATE_FINISH_MIGRATE] = TO(RUNNING) | TO(PAUSED) | TO(POSTMIGRATE) |
                                 TO(PRELAUNCH) | TO(COLO) |
                                 TO(INTERNAL_ERROR) | TO(IO_ERROR) |
                                 TO(SHUTDOWN) | TO(SUSPENDED) | TO(WATCHDOG) |
                                 TO(GUEST_PANICKED),
    [RUN_STATE_RESTORE_VM] = TO(RUNNING) | TO(PRELAUNCH),
    [RUN_STATE_RUNNING] = TO(DEBUG) | TO(INTERNAL_ERROR) | TO(IO_ERROR) |
                          TO(PAUSED) | TO(FINISH_MIGRATE) | TO(RESTORE_VM) |
                          TO(SAVE_VM) | TO(SHUTDOWN) | TO(WATCHDOG) |
                          TO(GUEST_PANICKED) | TO(SUSPENDED) | TO(COLO),
    [RUN_STATE_SAVE_VM] = TO(RUNNING) | TO(PRELAUNCH),
    [RUN_STATE_SHUTDOWN] = TO(PAUSED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_SUSPENDED] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_WATCHDOG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_GUEST_PANICKED] = TO(RUNNING) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH),
    [RUN_STATE_COLO] = TO(RUNNING) | TO(PRELAUNCH) | TO(SHUTDOWN),
};

RunState runstate_get(void)
{
    return atomic_load(&run_state);
}

bool runstate_check(RunState s)
{
    return runstate_get() == s;
}

bool runstate_is_running(void)
{
    return runstate_check(RUN_STATE_RUNNING);
}

void runstate_set(RunState s)
{
    RunState old = runstate_get();

    if (s == old) {
        return;
    }
    if (!(transitions[old] & (1u << s))) {
        /* Our bug, but no reason to take the guest down. */
        error_report("unexpected change of run state from '%s' to '%s'",
                     RunState_str(old), RunState_str(s));
    }
    atomic_store(&run_state, s);
}

/* Start and stop. */

void vm_change_add(VMChangeListener *l)
{
    ListNode *pos;

    for (pos = change_listeners.next; pos != &change_listeners;
         pos = pos->next) {
        if (list_entry(pos, VMChangeListener, node)->prio > l->prio) {
            break;
        }
    }
    list_insert_before(pos, &l->node);
}

void vm_change_remove(VMChangeListener *l)
{
    list_remove(&l->node);
}

static void change_notify(bool running, RunState state)
{
    ListNode *pos, *next;

    for (pos = running ? change_listeners.next : change_listeners.prev;
         pos != &change_listeners; pos = next) {
        VMChangeListener *l = list_entry(pos, VMChangeListener, node);
        next = running ? pos->next : pos->prev;
        l->fn(l->opaque, running, state);
    }
}

static void do_stop(RunState state, bool event)
{
    if (!runstate_is_running()) {
        return;
    }
    clock_virtual_stop();
    cpus_pause_all();
    runstate_set(state);
    change_notify(false, state);
    if (event) {
        qapi_event_send_stop();
    }
}

int vm_stop(RunState state)
{
    if (current_cpu) {
        /* A vCPU cannot wait for itself. */
        vm_stop_request(state);
        cpu_kick(current_cpu);
        return 0;
    }
    do_stop(state, true);
    return 0;
}

void vm_start(void)
{
    /* A stop that was asked for before is overtaken by this. */
    int stop = atomic_exchange(&stop_wanted, -1);

    if (runstate_is_running()) {
        if (stop >= 0) {
            qapi_event_send_stop();
            qapi_event_send_resume();
        }
        return;
    }
    qapi_event_send_resume();
    runstate_set(RUN_STATE_RUNNING);
    change_notify(true, RUN_STATE_RUNNING);
    clock_virtual_start();
    cpus_resume_all();
}

void vm_stop_request(RunState state)
{
    atomic_store(&stop_wanted, (int)state);
    loop_kick(loop_main());
}

/* Requests. */

static bool caused_by_guest(ShutdownCause cause)
{
    return cause >= SHUTDOWN_CAUSE_GUEST_SHUTDOWN;
}

void system_shutdown_request(ShutdownCause cause)
{
    atomic_store(&shutdown_wanted, cause);
    loop_kick(loop_main());
}

/*
 * The vCPU that asked does not run another instruction; the main loop, which
 * serves the request, lets it go on.
 */
static void leave_guest(void)
{
    if (current_cpu) {
        current_cpu->stop = true;
        cpu_kick(current_cpu);
    }
    loop_kick(loop_main());
}

void system_reset_request(ShutdownCause cause)
{
    if (reboot_action == REBOOT_ACTION_SHUTDOWN &&
        cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        atomic_store(&shutdown_wanted, cause);
    } else {
        atomic_store(&reset_wanted, cause);
    }
    leave_guest();
}

void system_powerdown_request(void)
{
    atomic_store(&powerdown_wanted, true);
    loop_kick(loop_main());
}

void system_debug_request(void)
{
    atomic_store(&debug_wanted, true);
    loop_kick(loop_main());
}

void system_suspend_request(void)
{
    if (!runstate_check(RUN_STATE_SUSPENDED)) {
        atomic_store(&suspend_wanted, true);
        leave_guest();
    }
}

void system_wakeup_enable(const char *reason, bool on)
{
    for (size_t i = 0; i < ARRAY_SIZE(wakeup_reasons); i++) {
        if (strcmp(wakeup_reasons[i].name, reason) == 0) {
            wakeup_reasons[i].on = on;
            return;
        }
    }
    g_assert_not_reached();
}

bool system_wakeup_supported(void)
{
    return !list_empty(&wakeup_listeners);
}

const char *system_wakeup_reason(void)
{
    return wakeup_reasons[atomic_load(&wakeup_reason)].name;
}

bool system_wakeup_request(const char *reason, Error **errp)
{
    if (!runstate_check(RUN_STATE_SUSPENDED)) {
        error_setg(errp, "Unable to wake up: guest is not in suspended state");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(wakeup_reasons); i++) {
        if (strcmp(wakeup_reasons[i].name, reason) == 0 &&
            wakeup_reasons[i].on) {
            atomic_store(&wakeup_reason, i);
            atomic_store(&wakeup_wanted, true);
            loop_kick(loop_main());
        }
    }
    return true;
}

void system_killed(int signo, pid_t pid)
{
    atomic_store(&kill_pid, pid);
    atomic_store(&kill_signal, signo);
    loop_kick(loop_main());
}

void system_nmi_request(void)
{
    if (nmi_handler) {
        nmi_handler();
    }
}

void system_guest_panicked(const QObject *info)
{
    GuestPanicAction action = GUEST_PANIC_ACTION_RUN;
    GuestPanicInformation *pi = NULL;
    Error *err = NULL;

    if (panic_action == PANIC_ACTION_PAUSE ||
        (panic_action == PANIC_ACTION_SHUTDOWN &&
         shutdown_action == SHUTDOWN_ACTION_PAUSE)) {
        action = GUEST_PANIC_ACTION_PAUSE;
    } else if (panic_action != PANIC_ACTION_NONE) {
        action = GUEST_PANIC_ACTION_POWEROFF;
    }
    if (info) {
        pi = qapi_from_qobject(&qapi_type_GuestPanicInformation,
                               (QObject *)info, &err);
        if (!pi) {
            error_report_err(err);
        }
    }
    qapi_event_send_guest_panicked(action, pi);
    if (pi) {
        qapi_free(&qapi_type_GuestPanicInformation, pi);
    }
    if (action == GUEST_PANIC_ACTION_RUN) {
        return;
    }
    vm_stop(RUN_STATE_GUEST_PANICKED);
    if (action == GUEST_PANIC_ACTION_POWEROFF) {
        if (panic_action == PANIC_ACTION_EXIT_FAILURE) {
            exit_status = EXIT_FAILURE;
        }
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
    }
}

void system_watchdog_expired(void)
{
    WatchdogAction action = watchdog_action;

    qapi_event_send_watchdog(action);
    switch (action) {
    case WATCHDOG_ACTION_RESET:
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case WATCHDOG_ACTION_SHUTDOWN:
        system_powerdown_request();
        break;
    case WATCHDOG_ACTION_POWEROFF:
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        break;
    case WATCHDOG_ACTION_PAUSE:
        vm_stop_request(RUN_STATE_WATCHDOG);
        break;
    case WATCHDOG_ACTION_DEBUG:
        error_report("watchdog: timer fired");
        break;
    case WATCHDOG_ACTION_INJECT_NMI:
        system_nmi_request();
        break;
    default:
        break;
    }
}

/* Power events. */

void powerdown_listener_add(PowerListener *l)
{
    list_append(&powerdown_listeners, &l->node);
}

void suspend_listener_add(PowerListener *l)
{
    list_append(&suspend_listeners, &l->node);
}

void wakeup_listener_add(PowerListener *l)
{
    list_append(&wakeup_listeners, &l->node);
}

void powerdown_listener_remove(PowerListener *l)
{
    list_remove(&l->node);
}

void suspend_listener_remove(PowerListener *l)
{
    list_remove(&l->node);
}

void wakeup_listener_remove(PowerListener *l)
{
    list_remove(&l->node);
}

static void power_notify(ListNode *list)
{
    PowerListener *l, *tmp;

    list_foreach_safe(l, tmp, list, node) {
        l->fn(l->opaque);
    }
}

void system_reset(ShutdownCause cause)
{
    cpus_synchronize_all();
    if (current_machine && current_machine->info->reset) {
        current_machine->info->reset(current_machine);
    } else {
        system_devices_reset();
    }
    if (cause != SHUTDOWN_CAUSE_NONE &&
        cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        qapi_event_send_reset(caused_by_guest(cause), cause);
    }
}

/* The main loop. */

/* Who sent the signal, as far as /proc tells. */
static void report_killed(int signo, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    g_autofree char *name = NULL;

    if (pid <= 0) {
        error_report("terminating on signal %d", signo); /* a terminal's */
        return;
    }
    if (!g_file_get_contents(path, &name, NULL, NULL)) {
        name = g_strdup("<unknown process>");
    }
    error_report("terminating on signal %d from pid %d (%s)", signo, (int)pid,
                 name);
}

/* True: the process shall end. */
static bool serve_shutdown(void)
{
    int signo = atomic_exchange(&kill_signal, 0);

    if (signo) {
        report_killed(signo, atomic_load(&kill_pid));
        shutdown_action = SHUTDOWN_ACTION_POWEROFF;
        atomic_store(&shutdown_wanted, SHUTDOWN_CAUSE_HOST_SIGNAL);
    }
    ShutdownCause cause = atomic_exchange(&shutdown_wanted,
                                          SHUTDOWN_CAUSE_NONE);
    if (cause == SHUTDOWN_CAUSE_NONE) {
        return false;
    }
    qapi_event_send_shutdown(caused_by_guest(cause), cause);
    if (shutdown_action == SHUTDOWN_ACTION_PAUSE) {
        do_stop(RUN_STATE_SHUTDOWN, true);
        return false;
    }
    return true;
}

static void serve_suspend(void)
{
    cpus_pause_all();
    power_notify(&suspend_listeners);
    runstate_set(RUN_STATE_SUSPENDED);
    qapi_event_send_suspend();
}

static void serve_reset(ShutdownCause cause)
{
    cpus_pause_all();
    atomic_store(&suspend_wanted, false); /* of the machine before */
    system_reset(cause);
    cpus_resume_all();
    if (!runstate_is_running() && !runstate_check(RUN_STATE_INMIGRATE)) {
        runstate_set(RUN_STATE_PRELAUNCH);
    }
}

/* The CPUs begin at the reset vector; firmware finds S3 in its RAM. */
static void serve_wakeup(void)
{
    cpus_pause_all();
    system_reset(SHUTDOWN_CAUSE_NONE);
    power_notify(&wakeup_listeners);
    runstate_set(RUN_STATE_RUNNING);
    cpus_resume_all();
    qapi_event_send_wakeup();
}

/* In QEMU's order.  True: the process shall end. */
static bool requests_serve(void)
{
    ShutdownCause cause;
    int stop;

    if (atomic_exchange(&debug_wanted, false)) {
        do_stop(RUN_STATE_DEBUG, true);
    }
    /* One that a stop overtook waits until the VM goes on. */
    if (runstate_is_running() && atomic_exchange(&suspend_wanted, false)) {
        serve_suspend();
    }
    if (serve_shutdown()) {
        return true;
    }
    cause = atomic_exchange(&reset_wanted, SHUTDOWN_CAUSE_NONE);
    if (cause != SHUTDOWN_CAUSE_NONE) {
        serve_reset(cause);
    }
    if (atomic_exchange(&wakeup_wanted, false)) {
        serve_wakeup();
    }
    if (atomic_exchange(&powerdown_wanted, false)) {
        qapi_event_send_powerdown();
        power_notify(&powerdown_listeners);
    }
    stop = atomic_exchange(&stop_wanted, -1);
    if (stop >= 0) {
        do_stop((RunState)stop, true);
    }
    return false;
}

int main_loop_run(void)
{
    while (!requests_serve()) {
        loop_run_once(loop_main(), true);
    }
    /* The last words on QMP are SHUTDOWN's, without a STOP. */
    do_stop(RUN_STATE_SHUTDOWN, false);
    return exit_status;
}
