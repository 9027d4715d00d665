/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run states, their transitions, and requests to change them.  Requests may
 * come from any thread or a signal handler; the main loop serves them
 * (runstate.c).
 */
#ifndef EXEC_RUNSTATE_H
#define EXEC_RUNSTATE_H

#include "osdep.h"
#include "qapi/qapi-types.h" /* RunState, ShutdownCause */
#include "util/error.h"
#include "util/list.h"
#include "util/object.h"

RunState runstate_get(void);
bool runstate_is_running(void);
bool runstate_check(RunState s);
/* Checked against the table of legal transitions; a wrong one is our bug. */
void runstate_set(RunState s);

/*
 * vm_stop: takes the vCPUs out at an instruction boundary, stops the virtual
 * clock, drains the backends, calls the listeners, emits STOP.  0, or -errno
 * when a flush failed.  vm_start goes the other way and emits RESUME.  BQL,
 * main thread (from a vCPU thread: vm_stop_request).
 */
int vm_stop(RunState state);
void vm_start(void);
/* Any thread: the main loop will vm_stop(@state). */
void vm_stop_request(RunState state);

/* Called on every start and stop, by ascending @prio on start, descending on
 * stop.  BQL. */
typedef struct VMChangeListener {
    ListNode node;
    int prio;
    void (*fn)(void *opaque, bool running, RunState state);
    void *opaque;
} VMChangeListener;
void vm_change_add(VMChangeListener *l); /* l->fn, prio, opaque filled in */
void vm_change_remove(VMChangeListener *l);
/* Backends that finish or hold their requests when the VM stops. */
enum { VM_PRIO_BACKEND = -10, VM_PRIO_CPU = 0, VM_PRIO_DEVICE = 10 };

void system_shutdown_request(ShutdownCause cause);
void system_reset_request(ShutdownCause cause);
void system_powerdown_request(void);
void system_debug_request(void);
void system_suspend_request(void);  /* S3 */
bool system_wakeup_request(const char *reason, Error **errp);
/* Whether the machine has what suspends and wakes it. */
bool system_wakeup_supported(void);
/* What woke it last. */
const char *system_wakeup_reason(void);
void system_wakeup_enable(const char *reason, bool on); /* "rtc", "pmtimer", "other" */
void system_killed(int signo, pid_t pid); /* async-signal-safe */
void system_guest_panicked(const QObject *info); /* may be NULL */
void system_watchdog_expired(void);
void system_nmi_request(void);      /* inject-nmi: the machine's handler */
extern void (*nmi_handler)(void);

/* Notifier lists of power events; opaque as registered.  BQL. */
typedef struct PowerListener {
    ListNode node;
    void (*fn)(void *opaque);
    void *opaque;
} PowerListener;
void powerdown_listener_add(PowerListener *l);
void powerdown_listener_remove(PowerListener *l);
void suspend_listener_add(PowerListener *l);
void suspend_listener_remove(PowerListener *l);
void wakeup_listener_add(PowerListener *l);
void wakeup_listener_remove(PowerListener *l);

/* -no-reboot, -no-shutdown, -action, set-action, -watchdog-action. */
extern RebootAction reboot_action;
extern ShutdownAction shutdown_action;
extern PanicAction panic_action;
extern WatchdogAction watchdog_action;

/* The main thread's loop: runs until the process shall exit; returns its exit
 * status. */
int main_loop_run(void);
/* Resets everything now (VM stopped or from the main loop). */
void system_reset(ShutdownCause cause);

/* dump-guest-memory is writing: the machine has to stand (dump.c). */
bool dump_in_progress(void);

#endif
