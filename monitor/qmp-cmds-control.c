/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the monitor itself, and descriptors from its clients. */
#include "osdep.h"
#include "monitor-int.h"
#include "qapi/qapi-commands.h"
#include "util/fdset.h"

static MonitorOptionsFn options_source;

void monitor_set_options_source(MonitorOptionsFn fn)
{
    options_source = fn;
}

VersionInfo *qmp_query_version(Error **errp)
{
    VersionInfo *v = g_new0(VersionInfo, 1);

    v->qemu = g_new0(VersionTriple, 1);
    v->qemu->major = VERSION_MAJOR;
    v->qemu->minor = VERSION_MINOR;
    v->qemu->micro = VERSION_MICRO;
    v->package = g_strdup(VERSION_PACKAGE);
    return v;
}

CommandInfoList *qmp_query_commands(Error **errp)
{
    CommandInfoList *list = NULL, **tail = &list;

    for (int i = 0; i < qapi_command_count; i++) {
        CommandInfo *c = g_new0(CommandInfo, 1);

        c->name = g_strdup(qapi_commands[i].name);
        QAPI_LIST_APPEND(tail, c);
    }
    return list;
}

QObject *qmp_query_qmp_schema(QObject *args, Error **errp)
{
    if (qdict_size(args)) {
        error_setg(errp, "Parameter '%s' is unexpected",
                   qdict_key_at(args, 0));
        return NULL;
    }
    return json_parse(qapi_schema_json, errp);
}

CommandLineOptionInfoList *
qmp_query_command_line_options(const char *option, Error **errp)
{
    if (!options_source) {
        error_setg(errp, "This program has no command line options");
        return NULL;
    }
    return options_source(option, errp);
}

char *qmp_human_monitor_command(const char *command_line, bool has_cpu_index,
                                int64_t cpu_index, Error **errp)
{
    if (has_cpu_index && cpu_index < 0) {
        error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
        return NULL;
    }
    return hmp_run(command_line, has_cpu_index ? cpu_index : -1, errp);
}

/* ---- Descriptors ---- */

void qmp_getfd(const char *fdname, Error **errp)
{
    int fd = qmp_take_fd(errp);

    if (fd < 0) {
        return;
    }
    if (g_ascii_isdigit(fdname[0])) {
        close(fd);
        error_setg(errp, "Parameter 'fdname' expects a name not starting "
                   "with a digit");
        return;
    }
    fd_name_add(fdname, fd);
}

void qmp_closefd(const char *fdname, Error **errp)
{
    int fd = fd_name_take(fdname);

    if (fd < 0) {
        error_setg(errp, "File descriptor named '%s' not found", fdname);
        return;
    }
    close(fd);
}

AddfdInfo *qmp_add_fd(bool has_fdset_id, int64_t fdset_id, const char *opaque,
                      Error **errp)
{
    AddfdInfo *info;
    int fd = qmp_take_fd(errp);

    if (fd < 0) {
        return NULL;
    }
    if (has_fdset_id && fdset_id < 0) {
        close(fd);
        error_setg(errp, "Parameter 'fdset-id' expects a non-negative value");
        return NULL;
    }
    fdset_id = fdset_add(has_fdset_id ? fdset_id : -1, fd, opaque, errp);
    if (fdset_id < 0) {
        return NULL;
    }
    info = g_new0(AddfdInfo, 1);
    info->fdset_id = fdset_id;
    info->fd = fd;
    return info;
}

void qmp_remove_fd(int64_t fdset_id, bool has_fd, int64_t fd, Error **errp)
{
    if (has_fd && (fd < 0 || fd > INT_MAX)) {
        error_setg(errp, "Parameter 'fd' expects a file descriptor number");
        return;
    }
    fdset_remove(fdset_id, has_fd ? fd : -1, errp);
}

typedef struct FdsetQuery {
    FdsetInfoList *list, **tail;
    FdsetInfo *current;
    FdsetFdInfoList **fd_tail;
} FdsetQuery;

static void add_fdset_fd(int64_t set, int fd, const char *opaque, void *arg)
{
    FdsetQuery *q = arg;
    FdsetFdInfo *info = g_new0(FdsetFdInfo, 1);

    if (!q->current || q->current->fdset_id != set) {
        q->current = g_new0(FdsetInfo, 1);
        q->current->fdset_id = set;
        q->fd_tail = &q->current->fds;
        QAPI_LIST_APPEND(q->tail, q->current);
    }
    info->fd = fd;
    info->opaque = g_strdup(opaque);
    QAPI_LIST_APPEND(q->fd_tail, info);
}

FdsetInfoList *qmp_query_fdsets(Error **errp)
{
    FdsetQuery q = { .tail = &q.list };

    fdset_foreach(add_fdset_fd, &q);
    return q.list;
}
