/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors that a client handed over: by name (getfd) and in numbered
 * sets (add-fd, -add-fd), and the opener that every file name goes through, so
 * that "/dev/fdset/N" works everywhere.  Any thread.
 */
#ifndef UTIL_FDSET_H
#define UTIL_FDSET_H

#include "osdep.h"
#include "util/error.h"

/* Takes @fd; an older one of that name is closed. */
void fd_name_add(const char *name, int fd);
/* Hands the descriptor out and forgets the name; -1: no such name. */
int fd_name_take(const char *name);
/* What `fd=TEXT` of a back end means: a number is a descriptor that we
 * inherited, anything else a name (which is taken).  -1 on failure. */
int fd_from_text(const char *text, Error **errp);

/*
 * Takes @fd (on failure too: closes it).  @set -1: a new set.  Returns the
 * set's number, -1 on failure.  @opaque may be NULL.
 */
int64_t fdset_add(int64_t set, int fd, const char *opaque, Error **errp);
/* Drops the set, or only its descriptor @fd when that is not -1.  Copies that
 * open_path() made live on. */
bool fdset_remove(int64_t set, int fd, Error **errp);
/* By set, then in order of addition. */
void fdset_foreach(void (*fn)(int64_t set, int fd, const char *opaque,
                              void *arg), void *arg);

/*
 * open(2), close-on-exec; "/dev/fdset/N" gives a copy of the descriptor in set
 * N whose access mode is that of @flags.  -1 and errno on failure.
 */
int open_path(const char *path, int flags, mode_t mode);

#endif
