/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC servers, for the code that starts the program.  Main thread. */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "ui/keymap.h"
#include "util/error.h"

/*
 * One -vnc option.  @vm_name: the guest's, shown to clients, may be NULL.
 * @say: prints where it listens.  @audiodev: whether there is one of that id.
 */
bool vnc_start(const char *text, const char *vm_name, bool say,
               bool (*audiodev)(const char *id), Error **errp);
/* Ends all of them and waits for their clients' threads. */
void vnc_cleanup(void);
/* -k: keys are characters of that layout.  Before a client comes. */
bool vnc_set_layout(const char *name, Error **errp);

#endif
