/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One QMP monitor on a back end that is two strings. */
#ifndef HARNESS_H
#define HARNESS_H

#include "osdep.h"
#include "util/qobject.h"

void harness_start(bool pretty);
void harness_stop(void);
void harness_connect(void);
void harness_disconnect(void);
/* Feeds as far as the monitor reads, and runs the loop until it is idle.
 * How many bytes were taken. */
size_t harness_feed(const char *bytes, size_t len);
/* What the monitor wrote since the last call; g_free. */
char *harness_output(void);
/* At most this many bytes are taken until the next call; -1: any. */
void harness_set_room(int bytes);
void harness_add_fd(int fd); /* comes with the next bytes */
void harness_run(void);      /* the loop, until nothing is due */
extern int harness_quits;    /* how often `quit` ran */

#endif
