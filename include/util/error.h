/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Error objects.  A function that can fail takes `Error **errp` last, returns
 * false or NULL on failure and has then set *errp exactly once (if errp is not
 * NULL).  Whoever detects a fault words it with the user's own words; whoever
 * consumes it reports it.  &error_fatal prints and exits (start-up only),
 * &error_abort is for errors that would be our own bug.  Any thread.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include "osdep.h"

typedef struct Error Error;

/* The QMP error classes. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
} ErrorClass;

extern Error *error_abort;
extern Error *error_fatal;

/* Sets *errp to a new error; no trailing newline or full stop in @fmt. */
void error_setg(Error **errp, const char *fmt, ...) PRINTF(2, 3);
/* The same, followed by ": " and strerror(@os_errno). */
void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...)
    PRINTF(3, 4);
void error_set_class(Error **errp, ErrorClass klass, const char *fmt, ...)
    PRINTF(3, 4);
/* Moves @err (may be NULL) into *@errp, or frees it when errp is NULL. */
void error_propagate(Error **errp, Error *err);
/* Puts text before the message of *errp, if there is one. */
void error_prepend(Error **errp, const char *fmt, ...) PRINTF(2, 3);
/* Adds advice printed on lines of its own by error_report_err(). */
void error_append_hint(Error **errp, const char *fmt, ...) PRINTF(2, 3);

const char *error_get_pretty(const Error *err);
ErrorClass error_get_class(const Error *err);
const char *error_class_name(ErrorClass klass); /* "GenericError", ... */
Error *error_copy(const Error *err);
void error_free(Error *err); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * To the user: one line "PROGRAM: [LOCATION: ]TEXT" on stderr, or to the
 * current monitor when a human monitor command is running on this thread.
 * With -msg timestamp=on / guest-name=on a prefix comes first.
 */
void error_report(const char *fmt, ...) PRINTF(1, 2);
void warn_report(const char *fmt, ...) PRINTF(1, 2);
void info_report(const char *fmt, ...) PRINTF(1, 2);
/* Reports and frees @err. */
void error_report_err(Error *err);
void warn_report_err(Error *err);

/*
 * Where the user's words stand: a thread-local stack whose top is printed as
 * LOCATION ("-device ide-hd,bus=x: ", "FILE:LINE: ").  @text is borrowed until
 * the matching pop.
 */
void error_loc_push(const char *text);
void error_loc_pop(void);

void error_set_progname(const char *argv0); /* keeps the base name */
const char *error_get_progname(void);
void error_set_message_prefix(bool timestamp, const char *guest_name);
/* Redirects this thread's reports (a human monitor); NULL restores stderr. */
typedef void (*ErrorSink)(void *opaque, const char *line);
void error_set_sink(ErrorSink sink, void *opaque);

#endif
