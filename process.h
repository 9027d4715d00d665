/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program does to its own process: vl.c's steps call it. */
#ifndef PROCESS_H
#define PROCESS_H

#include "osdep.h"
#include "util/error.h"
#include "util/qobject.h"

/* SIGINT, SIGTERM and SIGHUP end the VM; SIGPIPE is ignored. */
void process_catch_signals(void);
/*
 * -daemonize: goes on in a child of its own session.  The parent waits in
 * here and exits with 0 when the child calls process_ready(), with 1 when the
 * child ends before.
 */
bool process_daemonize(Error **errp);
/* Standard descriptors to /dev/null and the parent's release; no daemon: does
 * nothing. */
bool process_ready(Error **errp);
/* -pidfile: made and locked, removed again by process_cleanup(). */
bool process_write_pidfile(const char *path, Error **errp);
void process_cleanup(void);
/* -chroot and -runas; either may be NULL. */
bool process_drop_privileges(const char *root, const char *user, Error **errp);
/* -overcommit mem-lock=on. */
bool process_lock_memory(Error **errp);
/* -sandbox: @opts is its dict, checked by then. */
bool process_sandbox(const QObject *opts, Error **errp);

#endif
