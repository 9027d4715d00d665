/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between input.c and the monitor commands about it. */
#ifndef UI_INPUT_INT_H
#define UI_INPUT_INT_H

#include "ui/input.h"

MouseInfoList *input_list_mice(void);
/* Whether a device takes one of these kinds from @c. */
bool input_console_takes(Console *c, unsigned mask);

#endif
