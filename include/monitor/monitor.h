/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors, for the code that starts the program; nobody else includes this.
 * Main thread.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "qapi/qapi-types.h"

/* -mon: attaches a monitor to the chardev @opts names. */
bool monitor_new(const MonitorOptions *opts, Error **errp);
/* -monitor/-qmp short forms: a back end that nobody uses yet. */
struct Chardev;
bool monitor_new_on(struct Chardev *chr, MonitorMode mode, bool pretty,
                    Error **errp);
/* Sends what is queued as far as clients take it, then lets go of them. */
void monitor_cleanup(void);

/* Who answers query-command-line-options: all options, or the one named
 * (NULL and an error if there is none). */
typedef CommandLineOptionInfoList *(*MonitorOptionsFn)(const char *option,
                                                       Error **errp);
void monitor_set_options_source(MonitorOptionsFn fn);

/*
 * Runs a human command line and returns what it printed (g_free), lines ended
 * by "\r\n".  @cpu_index -1: the first CPU.
 */
char *hmp_run(const char *line, int64_t cpu_index, Error **errp);

#endif
