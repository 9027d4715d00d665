/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the two kinds of monitors.  Main thread. */
#ifndef MONITOR_INT_H
#define MONITOR_INT_H

#include "chardev/char.h"
#include "monitor/monitor.h"
#include "util/list.h"

/* What the monitor says it is: clients parse these. */
#define VERSION_MAJOR 7
#define VERSION_MINOR 2
#define VERSION_MICRO 0
#define VERSION_PACKAGE "qemu-kvm-" PROJECT_VERSION

/*
 * Output of a monitor: bytes that the back end did not take yet.  Grows with
 * what the client asks for; its owner stops reading commands while it is
 * large, so a client that does not read stops itself only.
 */
typedef struct MonOut {
    CharFrontend *fe;
    GString *buf;
    bool watching;
} MonOut;

#define MON_OUT_HIGH (64 * KiB) /* no more commands */
#define MON_OUT_MAX  (4 * MiB)  /* no more events either */

void mon_out_init(MonOut *o, CharFrontend *fe);
void mon_out_write(MonOut *o, const char *text, size_t len);
void mon_out_reset(MonOut *o);
/* The end of the program: waits a little for somebody to read the rest. */
void mon_out_drain(MonOut *o);
void mon_out_fini(MonOut *o);

bool qmp_monitor_new(Chardev *chr, bool pretty, Error **errp);
void qmp_monitors_cleanup(void);
/* The session whose command is running, for getfd and add-fd: takes one
 * descriptor that came with it; -1 and an error if there is none. */
int qmp_take_fd(Error **errp);

bool hmp_monitor_new(Chardev *chr, Error **errp);
void hmp_monitors_cleanup(void);

#endif
