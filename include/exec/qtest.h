/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server of the qtest protocol (-qtest): register access for tests. */
#ifndef EXEC_QTEST_H
#define EXEC_QTEST_H

#include "osdep.h"
#include "util/error.h"

/*
 * Serves @chardev ("unix:PATH", ...; unix sockets are connected to) until the
 * process ends.  @log: file for the conversation, "none", or NULL for stderr.
 * Main thread, BQL.
 */
bool qtest_start(const char *chardev, const char *log, Error **errp);

#endif
