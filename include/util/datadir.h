/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware and option ROM files: -L folders, then Debian's places. */
#ifndef UTIL_DATADIR_H
#define UTIL_DATADIR_H

#include "osdep.h"
#include "util/error.h"

void datadir_add(const char *dir); /* -L, searched in order */
void datadir_print(FILE *f);       /* -L help */
/* Path of @name (a path with a slash is tried as it is first); g_free.
 * NULL: the error names the file and the package that brings it. */
char *datadir_find(const char *name, Error **errp);
/* Whole contents; g_free *@data. */
bool datadir_load(const char *name, char **data, gsize *size, Error **errp);

#endif
