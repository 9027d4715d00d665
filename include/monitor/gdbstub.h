/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A remote debugger: gdb's serial protocol on a character device. */
#ifndef MONITOR_GDBSTUB_H
#define MONITOR_GDBSTUB_H

#include "util/error.h"

/*
 * Listens on @device: text as for -serial ("tcp::1234" and "unix:" listen
 * unless told otherwise), "chardev:ID", or "none" to end.  Replaces what was
 * there.  Main thread, BQL.
 */
bool gdbstub_start(const char *device, Error **errp);
/* Exit: tells a debugger that the guest is gone. */
void gdbstub_stop(int status);

#endif
