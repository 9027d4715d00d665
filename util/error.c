/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error objects and reports to the user. */
#include "osdep.h"
#include "util/error.h"
#include <sys/time.h>

struct Error {
    ErrorClass klass;
    char *msg;
    GString *hint; /* NULL: none */
};

Error *error_abort;
Error *error_fatal;

static const char *progname = "qemu-kvm";
static bool with_timestamp;
static char *with_guest_name;

#define LOC_MAX 8
static _Thread_local struct {
    const char *loc[LOC_MAX];
    unsigned depth;
    ErrorSink sink;
    void *sink_opaque;
} tls;

/* Stores @err for the caller, or ends the process for &error_fatal. */
static void deliver(Error **errp, Error *err)
{
    if (errp == &error_abort) {
        error_report("unexpected error: %s", err->msg);
        abort();
    }
    if (errp == &error_fatal) {
        error_report_err(err);
        exit(1);
    }
    if (errp && !*errp) {
        *errp = err;
    } else {
        error_free(err);
    }
}

static PRINTF(2, 0) Error *error_vnew(ErrorClass klass, const char *fmt,
                                      va_list ap)
{
    Error *err = g_new0(Error, 1);

    err->klass = klass;
    err->msg = g_strdup_vprintf(fmt, ap);
    return err;
}

void error_setg(Error **errp, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;

    if (errp) {
        va_start(ap, fmt);
        deliver(errp, error_vnew(ERROR_CLASS_GENERIC_ERROR, fmt, ap));
        va_end(ap);
    }
    errno = saved;
}

void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    Error *err;
    char *msg;

    if (errp) {
        va_start(ap, fmt);
        err = error_vnew(ERROR_CLASS_GENERIC_ERROR, fmt, ap);
        va_end(ap);
        msg = g_strdup_printf("%s: %s", err->msg, g_strerror(ABS(os_errno)));
        g_free(err->msg);
        err->msg = msg;
        deliver(errp, err);
    }
    errno = saved;
}

void error_set_class(Error **errp, ErrorClass klass, const char *fmt, ...)
{
    va_list ap;

    if (errp) {
        va_start(ap, fmt);
        deliver(errp, error_vnew(klass, fmt, ap));
        va_end(ap);
    }
}

void error_propagate(Error **errp, Error *err)
{
    if (err) {
        deliver(errp, err);
    }
}

void error_prepend(Error **errp, const char *fmt, ...)
{
    g_autofree char *prefix = NULL;
    va_list ap;
    char *msg;

    if (!errp || !*errp) {
        return;
    }
    va_start(ap, fmt);
    prefix = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    msg = g_strconcat(prefix, (*errp)->msg, NULL);
    g_free((*errp)->msg);
    (*errp)->msg = msg;
}

void error_append_hint(Error **errp, const char *fmt, ...)
{
    va_list ap;

    if (!errp || !*errp) {
        return;
    }
    if (!(*errp)->hint) {
        (*errp)->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf((*errp)->hint, fmt, ap);
    va_end(ap);
}

const char *error_get_pretty(const Error *err)
{
    return err->msg;
}

ErrorClass error_get_class(const Error *err)
{
    return err->klass;
}

const char *error_class_name(ErrorClass klass)
{
    static const char *const names[] = {
        [ERROR_CLASS_GENERIC_ERROR] = "GenericError",
        [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
    };

    return names[klass];
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);

    copy->klass = err->klass;
    copy->msg = g_strdup(err->msg);
    copy->hint = err->hint ? g_string_new(err->hint->str) : NULL;
    return copy;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->msg);
        if (err->hint) {
            g_string_free(err->hint, TRUE);
        }
        g_free(err);
    }
}

/* One line to the sink of this thread, or to stderr with the prefixes. */
static void report(const char *kind, const char *text)
{
    g_autoptr(GString) line = g_string_new(NULL);

    if (!tls.sink) {
        if (with_timestamp) {
            g_autoptr(GDateTime) now = g_date_time_new_now_utc();
            g_autofree char *iso = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

            g_string_append_printf(line, "%s.%06dZ ", iso,
                                   g_date_time_get_microsecond(now));
        }
        if (with_guest_name) {
            g_string_append_printf(line, "%s ", with_guest_name);
        }
        g_string_append_printf(line, "%s: ", progname);
        for (unsigned i = 0; i < MIN(tls.depth, LOC_MAX); i++) {
            g_string_append_printf(line, "%s: ", tls.loc[i]);
        }
    }
    g_string_append_printf(line, "%s%s\n", kind, text);
    if (tls.sink) {
        tls.sink(tls.sink_opaque, line->str);
    } else {
        fputs(line->str, stderr);
        fflush(stderr);
    }
}

#define REPORT(kind) \
    do { \
        g_autofree char *text = NULL; \
        va_list ap; \
        va_start(ap, fmt); \
        text = g_strdup_vprintf(fmt, ap); \
        va_end(ap); \
        report(kind, text); \
    } while (0)

void error_report(const char *fmt, ...)
{
    REPORT("");
}

void warn_report(const char *fmt, ...)
{
    REPORT("warning: ");
}

void info_report(const char *fmt, ...)
{
    REPORT("info: ");
}

static void report_err(const char *kind, Error *err)
{
    report(kind, err->msg);
    if (err->hint && tls.sink) {
        tls.sink(tls.sink_opaque, err->hint->str);
    } else if (err->hint) {
        fputs(err->hint->str, stderr);
    }
    error_free(err);
}

void error_report_err(Error *err)
{
    report_err(tls.sink ? "Error: " : "", err);
}

void warn_report_err(Error *err)
{
    report_err("warning: ", err);
}

void error_loc_push(const char *text)
{
    if (tls.depth < LOC_MAX) {
        tls.loc[tls.depth] = text;
    }
    tls.depth++;
}

void error_loc_pop(void)
{
    assert(tls.depth > 0);
    tls.depth--;
}

void error_set_progname(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    progname = slash ? slash + 1 : argv0;
}

const char *error_get_progname(void)
{
    return progname;
}

void error_set_message_prefix(bool timestamp, const char *guest_name)
{
    with_timestamp = timestamp;
    g_free(with_guest_name);
    with_guest_name = g_strdup(guest_name);
}

void error_set_sink(ErrorSink sink, void *opaque)
{
    tls.sink = sink;
    tls.sink_opaque = opaque;
}
