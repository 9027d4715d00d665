/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -d/-D logging and the trace event registry. */
#include "osdep.h"
#include "util/log.h"
#include "util/option.h"
#include "util/thread.h"

int log_level_mask;
static FILE *log_file; /* NULL: stderr */
static TraceEvent *trace_events;

static const struct {
    int mask;
    const char *name, *help;
} items[] = {
    { LOG_TB_OUT_ASM, "out_asm", "host code of each translated block" },
    { LOG_TB_IN_ASM, "in_asm", "guest code of each new block" },
    { LOG_TB_OP, "op", "what the translator decided for each instruction" },
    { LOG_INT, "int", "interrupts and exceptions" },
    { LOG_EXEC, "exec", "each block as it is entered (much output)" },
    { LOG_TB_CPU, "cpu", "CPU registers before each block" },
    { LOG_MMU, "mmu", "page walks and TLB fills" },
    { LOG_PCALL, "pcall", "protected mode far calls, returns and exceptions" },
    { LOG_RESET, "cpu_reset", "CPU state before resets" },
    { LOG_UNIMP, "unimp", "use of what a device does not implement" },
    { LOG_GUEST_ERROR, "guest_errors", "wrong doings of the guest" },
    { LOG_PAGE, "page", "RAM block changes" },
    { LOG_TB_NOCHAIN, "nochain", "keep blocks from chaining, for exec logs" },
};

void log_printf(const char *fmt, ...)
{
    FILE *f = log_file ? log_file : stderr;
    va_list ap;

    flockfile(f);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fflush(f);
    funlockfile(f);
}

void log_print_items_help(FILE *f)
{
    fprintf(f, "Log items (comma separated):\n");
    for (unsigned i = 0; i < ARRAY_SIZE(items); i++) {
        fprintf(f, "%-15s %s\n", items[i].name, items[i].help);
    }
    fprintf(f, "%-15s %s\n", "trace:PATTERN", "enable trace events");
    fprintf(f, "%-15s %s\n", "all", "everything but trace events");
}

bool log_set_items(const char *text, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    const char *names[ARRAY_SIZE(items) + 2] = { "all" };
    int mask = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(items); i++) {
        names[i + 1] = items[i].name;
    }
    for (char **w = words; *w; w++) {
        unsigned i;

        if (g_str_has_prefix(*w, "trace:")) {
            mask |= LOG_TRACE;
            if (!trace_event_enable(*w + 6, true)) {
                error_setg(errp, "Invalid trace event '%s'", *w + 6);
                return false;
            }
            continue;
        }
        if (!strcmp(*w, "all")) {
            mask |= ~(LOG_TRACE | LOG_TB_NOCHAIN);
            continue;
        }
        for (i = 0; i < ARRAY_SIZE(items) && strcmp(items[i].name, *w); i++) {
        }
        if (i == ARRAY_SIZE(items)) {
            const char *near = nearest_name(*w, names);

            error_setg(errp, "Invalid log item '%s'%s%s%s", *w,
                       near ? " (did you mean '" : "", near ? near : "",
                       near ? "'?)" : "");
            return false;
        }
        mask |= items[i].mask;
    }
    log_level_mask |= mask;
    return true;
}

bool log_set_file(const char *filename, Error **errp)
{
    g_autofree char *name = g_strdup(filename);
    char *pid = strstr(name, "%d");
    FILE *f;

    if (pid) {
        char *full = g_strdup_printf("%.*s%d%s", (int)(pid - name), name,
                                     (int)getpid(), pid + 2);

        g_free(name);
        name = full;
    }
    f = fopen(name, "we");
    if (!f) {
        error_setg_errno(errp, errno, "cannot open log file '%s'", name);
        return false;
    }
    if (log_file) {
        fclose(log_file);
    }
    log_file = f;
    return true;
}

void trace_event_register(TraceEvent *ev)
{
    ev->next = trace_events;
    trace_events = ev;
}

int trace_event_enable(const char *glob, bool on)
{
    int n = 0;

    for (TraceEvent *ev = trace_events; ev; ev = ev->next) {
        if (g_pattern_match_simple(glob, ev->name)) {
            ev->enabled = on;
            n++;
        }
    }
    return n;
}

bool trace_apply_option(const char *arg, Error **errp)
{
    const char *glob = g_str_has_prefix(arg, "enable=") ? arg + 7 : arg;

    if (!trace_event_enable(glob, true)) {
        error_setg(errp, "no trace event matches '%s'", glob);
        return false;
    }
    return true;
}

void trace_foreach(void (*fn)(TraceEvent *, void *), void *opaque)
{
    for (TraceEvent *ev = trace_events; ev; ev = ev->next) {
        fn(ev, opaque);
    }
}

void trace_printf(const TraceEvent *ev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_printf("%d@%" PRId64 ":%s %s\n", thread_get_tid(),
               g_get_real_time(), ev->name, text);
}
