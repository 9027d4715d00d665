/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between loop.c and timer.c only. */
#ifndef UTIL_LOOP_INT_H
#define UTIL_LOOP_INT_H

#include "util/timer.h"

void loops_kick_all(void);
/* Runs what is due on the main loop's queue of @clock; BQL. */
void loops_run_timers(ClockType clock);
bool clock_virtual_is_stopped(void);

#endif
