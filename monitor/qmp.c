/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP sessions.
 *
 *   chardev -> JsonStream -> queue of requests -> bottom half -> handler
 *           <- MonOut     <- replies, events
 *
 * A monitor stays on its back end; each connection gets a session of its own,
 * so nothing (capabilities, parser state, requests) survives a reconnect.
 *
 * 1. Requests of a session run one after the other, in order, from a bottom
 *    half: a handler may run the main loop (to drain, say) without being
 *    entered again.  `exec-oob` requests run at once when they are parsed.
 * 2. While QMP_QUEUE_MAX requests wait, or replies are not read, no input is
 *    taken.
 * 3. A session whose client went away lives until its handler returns.
 *
 * Main thread, BQL.
 */
#include "osdep.h"
#include "monitor-int.h"
#include "qapi/qapi-commands.h"
#include "qmp-int.h"
#include "util/fdset.h"
#include "util/loop.h"

#define QMP_QUEUE_MAX 8

static ListNode monitors = LIST_INIT(monitors);
/* Whose request is running; NULL when a handler is called by other means. */
static QmpSession *running;

/* ---- Replies ---- */

static void send_object(QmpMonitor *m, const QObject *q)
{
    g_autofree char *text = json_to_string(q, m->pretty);
    GString *line = g_string_new(NULL);

    /* Lines end as on a terminal, inside a pretty value too. */
    for (const char *p = text; *p; p++) {
        if (*p == '\n') {
            g_string_append_c(line, '\r');
        }
        g_string_append_c(line, *p);
    }
    g_string_append(line, "\r\n");
    mon_out_write(&m->out, line->str, line->len);
    g_string_free(line, TRUE);
}

static void send_greeting(QmpMonitor *m)
{
    g_autoptr(QObject) top = qdict_new();
    g_autoptr(VersionInfo) version = qmp_query_version(&error_abort);
    QObject *hello = qdict_new();
    QObject *caps = qlist_new();

    for (int i = 0; i < QMP_CAPABILITY__MAX; i++) {
        qlist_append(caps, qstring_new(QMPCapability_str(i)));
    }
    qdict_put(hello, "version", qapi_VersionInfo_to_qobject(version));
    qdict_put(hello, "capabilities", caps);
    qdict_put(top, "QMP", hello);
    send_object(m, top);
}

/* Takes @ret and @err; one of them says what the reply is. */
static void send_reply(QmpSession *s, QObject *id, QObject *ret, Error *err)
{
    g_autoptr(QObject) reply = qdict_new();

    if (!err) {
        qdict_put(reply, "return", ret ? ret : qdict_new());
    }
    if (id) {
        qdict_put(reply, "id", qobject_ref(id));
    }
    if (err) {
        QObject *e = qdict_new();

        qobject_unref(ret);
        qdict_put_str(e, "class", error_class_name(error_get_class(err)));
        qdict_put_str(e, "desc", error_get_pretty(err));
        qdict_put(reply, "error", e);
        error_free(err);
    }
    if (s->monitor) {
        send_object(s->monitor, reply);
    }
}

/* ---- Requests ---- */

static int compare_command(const void *name, const void *cmd)
{
    return strcmp(name, ((const QapiCommand *)cmd)->name);
}

static const QapiCommand *find_command(const char *name)
{
    return bsearch(name, qapi_commands, qapi_command_count,
                   sizeof(qapi_commands[0]), compare_command);
}

static bool check_string(QObject *v, const char *key, Error **errp)
{
    if (qobject_type(v) == QTYPE_STRING) {
        return true;
    }
    error_setg(errp, "QMP input member '%s' must be a string", key);
    return false;
}

/* The command's name, with *@oob set; NULL and an error if @req is none. */
static const char *check_request(QmpSession *s, QObject *req, bool *oob,
                                 Error **errp)
{
    const char *name = NULL;

    for (size_t i = 0; i < qdict_size(req); i++) {
        const char *key = qdict_key_at(req, i);
        QObject *v = qdict_value_at(req, i);
        bool is_oob = !strcmp(key, "exec-oob") && s->oob;

        if (!strcmp(key, "execute") || is_oob) {
            if (!check_string(v, key, errp)) {
                return NULL;
            }
            if (name) {
                error_setg(errp, "QMP input member '%s' clashes with '%s'",
                           key, is_oob ? "execute" : "exec-oob");
                return NULL;
            }
            name = qstring_get(v);
            *oob = is_oob;
        } else if (!strcmp(key, "arguments")) {
            if (qobject_type(v) != QTYPE_DICT) {
                error_setg(errp,
                           "QMP input member '%s' must be an object", key);
                return NULL;
            }
        } else if (strcmp(key, "id")) {
            error_setg(errp, "QMP input member '%s' is unexpected", key);
            return NULL;
        }
    }
    if (!name) {
        error_setg(errp, "QMP input lacks member 'execute'");
    }
    return name;
}

static const QapiCommand *check_command(QmpSession *s, const char *name,
                                        bool oob, Error **errp)
{
    const QapiCommand *cmd = find_command(name);
    bool negotiates = !strcmp(name, "qmp_capabilities");

    if (!s->negotiated && !negotiates) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "Expecting capabilities negotiation with "
                        "'qmp_capabilities'");
        return NULL;
    }
    if (s->negotiated && negotiates) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, "
                        "command ignored");
        return NULL;
    }
    if (!cmd) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "The command %s has not been found", name);
        return NULL;
    }
    if (oob && !cmd->oob) {
        error_setg(errp, "The command %s does not support OOB", name);
        return NULL;
    }
    return cmd;
}

static QObject *call_command(const QapiCommand *cmd, QObject *args,
                             Error **errp)
{
    QObject *ret;
    void *arg;

    if (!cmd->gen) {
        return cmd->run(args, errp);
    }
    if (!cmd->arg) {
        if (qdict_size(args)) {
            error_setg(errp, "Parameter '%s' is unexpected",
                       qdict_key_at(args, 0));
            return NULL;
        }
        return cmd->run(NULL, errp);
    }
    arg = qapi_from_qobject(cmd->arg, args, errp);
    if (!arg) {
        return NULL;
    }
    ret = cmd->run(arg, errp);
    qapi_free(cmd->arg, arg);
    return ret;
}

static QObject *execute(QmpSession *s, QObject *req, Error **errp)
{
    g_autoptr(QObject) args = qobject_ref(qdict_get(req, "arguments"));
    QmpSession *outer = running;
    const QapiCommand *cmd;
    const char *name;
    bool oob = false;
    QObject *ret;

    name = check_request(s, req, &oob, errp);
    cmd = name ? check_command(s, name, oob, errp) : NULL;
    if (!cmd) {
        return NULL;
    }
    if (!args) {
        args = qdict_new();
    }
    running = s;
    ret = call_command(cmd, args, errp);
    running = outer;
    return ret;
}

static void run_request(QmpSession *s, QObject *req, Error *parse_error)
{
    g_autoptr(QObject) id = NULL;
    QObject *ret = NULL;
    Error *err = parse_error;

    if (!err && qobject_type(req) != QTYPE_DICT) {
        error_setg(&err, "QMP input must be a JSON object");
    } else if (!err) {
        id = qobject_ref(qdict_get(req, "id"));
        ret = execute(s, req, &err);
    }
    send_reply(s, id, ret, err);
}

/* ---- The queue ---- */

typedef struct Request {
    ListNode node;
    QObject *value; /* NULL: */
    Error *err;     /* what the parser said instead */
} Request;

static void free_request(Request *r)
{
    list_remove(&r->node);
    qobject_unref(r->value);
    error_free(r->err);
    g_free(r);
}

static QmpSession *session_ref(QmpSession *s)
{
    s->refs++;
    return s;
}

static void session_unref(QmpSession *s)
{
    if (--s->refs) {
        return;
    }
    while (!list_empty(&s->requests)) {
        free_request(list_first(&s->requests, Request, node));
    }
    bh_delete(s->bh);
    json_stream_free(s->parser);
    g_free(s);
}

static void run_queue(void *opaque)
{
    QmpSession *s = opaque;
    Request *r;
    Error *err;

    if (s->busy || list_empty(&s->requests)) {
        return;
    }
    session_ref(s);
    s->busy = true;
    r = list_first(&s->requests, Request, node);
    list_remove(&r->node);
    s->queued--;
    err = g_steal_pointer(&r->err);
    run_request(s, r->value, err);
    free_request(r);
    s->busy = false;
    if (s->monitor) {
        if (!list_empty(&s->requests)) {
            bh_schedule(s->bh);
        }
        chr_fe_accept_input(&s->monitor->fe);
    }
    session_unref(s);
}

static bool is_oob(const QmpSession *s, const QObject *q)
{
    return s->oob && q && qobject_type(q) == QTYPE_DICT &&
           qdict_has(q, "exec-oob") && !qdict_has(q, "execute");
}

static void parsed(void *opaque, QObject *value, Error *err)
{
    QmpSession *s = opaque;
    Request *r;

    if (is_oob(s, value)) {
        session_ref(s);
        run_request(s, value, NULL);
        session_unref(s);
        qobject_unref(value);
        return;
    }
    r = g_new0(Request, 1);
    r->value = value;
    r->err = err;
    list_append(&s->requests, &r->node);
    s->queued++;
    bh_schedule(s->bh);
}

static QmpSession *session_new(QmpMonitor *m)
{
    QmpSession *s = g_new0(QmpSession, 1);

    s->refs = 1;
    s->monitor = m;
    list_init(&s->requests);
    s->parser = json_stream_new(parsed, s);
    s->bh = bh_new(loop_main(), run_queue, s);
    return s;
}

static void end_session(QmpMonitor *m)
{
    QmpSession *s = g_steal_pointer(&m->session);

    if (s) {
        s->monitor = NULL;
        bh_cancel(s->bh);
        session_unref(s);
    }
    mon_out_reset(&m->out);
}

/* ---- The back end ---- */

static int can_read(void *opaque)
{
    QmpMonitor *m = opaque;

    /* Without oob nothing may overtake: then the end of a script that is piped
     * in is not seen before its last request was answered. */
    return m->session &&
           m->session->queued < (m->session->oob ? QMP_QUEUE_MAX : 1) &&
           m->out.buf->len < MON_OUT_HIGH ? 4096 : 0;
}

static void read_bytes(void *opaque, const uint8_t *buf, int len)
{
    QmpMonitor *m = opaque;
    QmpSession *s = m->session;

    if (s) {
        /* An out-of-band command may end the session. */
        session_ref(s);
        json_stream_feed(s->parser, (const char *)buf, len);
        session_unref(s);
    }
}

static void event(void *opaque, ChrEvent ev)
{
    QmpMonitor *m = opaque;

    switch (ev) {
    case CHR_EVENT_OPENED:
        end_session(m);
        m->session = session_new(m);
        send_greeting(m);
        break;
    case CHR_EVENT_CLOSED:
        end_session(m);
        break;
    default:
        break;
    }
}

bool qmp_monitor_new(Chardev *chr, bool pretty, Error **errp)
{
    QmpMonitor *m = g_new0(QmpMonitor, 1);

    if (!chr_fe_init(&m->fe, chr, errp)) {
        g_free(m);
        return false;
    }
    m->pretty = pretty;
    mon_out_init(&m->out, &m->fe);
    list_append(&monitors, &m->node);
    qmp_events_init();
    chr_fe_set_handlers(&m->fe, can_read, read_bytes, event, m);
    return true;
}

void qmp_monitors_cleanup(void)
{
    QmpMonitor *m, *tmp;

    qmp_events_fini();
    list_foreach_safe(m, tmp, &monitors, node) {
        list_remove(&m->node);
        mon_out_drain(&m->out);
        end_session(m);
        mon_out_fini(&m->out);
        chr_fe_deinit(&m->fe);
        g_free(m);
    }
}

void qmp_broadcast(const QObject *event_object)
{
    QmpMonitor *m;

    list_foreach(m, &monitors, node) {
        if (m->session && m->session->negotiated &&
            m->out.buf->len < MON_OUT_MAX) {
            send_object(m, event_object);
        }
    }
}

/* ---- Handlers that act on their session ---- */

void qmp_qmp_capabilities(QMPCapabilityList *enable, Error **errp)
{
    if (!running) {
        error_setg(errp, "No QMP session is being negotiated");
        return;
    }
    for (; enable; enable = enable->next) {
        if (enable->value == QMP_CAPABILITY_OOB) {
            running->oob = true;
        }
    }
    running->negotiated = true;
}

int qmp_take_fd(Error **errp)
{
    int fd = -1;

    if (!running || !running->monitor ||
        chr_fe_take_fds(&running->monitor->fe, &fd, 1) != 1) {
        error_setg(errp, "No file descriptor supplied via SCM_RIGHTS");
        return -1;
    }
    return fd;
}
