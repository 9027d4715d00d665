/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "harness.h"
#include "monitor/monitor-int.h"
#include "qapi/qapi-commands.h"
#include "util/loop.h"

struct Chardev {
    CharFrontend *fe;
    bool open;
    GString *out;
    int room;
    int fds[16], n_fds;
    void (*watch)(void *opaque);
    void *watch_opaque;
};

static Chardev chardev;
int harness_quits;

/* ---- The chardev interface ---- */

Chardev *chr_find(const char *id)
{
    return !strcmp(id, "mon0") ? &chardev : NULL;
}

bool chr_fe_init(CharFrontend *fe, Chardev *chr, Error **errp)
{
    fe->chr = chr;
    chr->fe = fe;
    return true;
}

void chr_fe_deinit(CharFrontend *fe)
{
    fe->chr->fe = NULL;
    fe->chr = NULL;
}

void chr_fe_set_handlers(CharFrontend *fe, int (*can_read)(void *),
                         void (*read_fn)(void *, const uint8_t *, int),
                         void (*event)(void *, ChrEvent), void *opaque)
{
    fe->can_read = can_read;
    fe->read = read_fn;
    fe->event = event;
    fe->opaque = opaque;
}

int chr_fe_write(CharFrontend *fe, const uint8_t *buf, int len)
{
    Chardev *c = fe->chr;

    if (!c->open) {
        return 0;
    }
    if (c->room >= 0) {
        len = MIN(len, c->room);
        c->room -= len;
    }
    g_string_append_len(c->out, (const char *)buf, len);
    return len;
}

void chr_fe_add_watch(CharFrontend *fe, void (*fn)(void *opaque), void *opaque)
{
    fe->chr->watch = fn;
    fe->chr->watch_opaque = opaque;
}

void chr_fe_cancel_watch(CharFrontend *fe)
{
    fe->chr->watch = NULL;
}

bool chr_fe_wait_room(CharFrontend *fe, int ms)
{
    return false;
}

void chr_fe_accept_input(CharFrontend *fe)
{
}

bool chr_fe_backend_open(const CharFrontend *fe)
{
    return fe->chr->open;
}

int chr_fe_take_fds(CharFrontend *fe, int *fds, int max)
{
    Chardev *c = fe->chr;
    int n = MIN(max, c->n_fds);

    memcpy(fds, c->fds, n * sizeof(int));
    c->n_fds -= n;
    memmove(c->fds, c->fds + n, c->n_fds * sizeof(int));
    return n;
}

/* ---- The human monitor, for qmp-cmds-control.c and monitor.c ---- */

char *hmp_run(const char *line, int64_t cpu_index, Error **errp)
{
    return g_strdup_printf("%s@%" PRId64, line, cpu_index);
}

bool hmp_monitor_new(Chardev *chr, Error **errp)
{
    error_setg(errp, "no human monitor here");
    return false;
}

void hmp_monitors_cleanup(void)
{
}

/* ---- Commands ---- */

void qmp_quit(Error **errp)
{
    harness_quits++;
}

Child *qmp_echo(Child *arg, Error **errp)
{
    g_autoptr(QObject) q = qapi_Child_to_qobject(arg);

    return qapi_Child_from_qobject(q, errp);
}

int64_t qmp_add_one(int64_t n, bool has_by, uint8_t by, Error **errp)
{
    if (n > INT64_MAX - 255) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "too large");
        return 0;
    }
    return n + (has_by ? by : 1);
}

void qmp_nothing(Error **errp)
{
}

QObject *qmp_raw(QObject *args, Error **errp)
{
    return qobject_ref(args);
}

/* ---- Control ---- */

void harness_start(bool pretty)
{
    MonitorOptions opts = { .chardev = (char *)"mon0", .has_mode = true,
                            .mode = MONITOR_MODE_CONTROL, .has_pretty = true,
                            .pretty = pretty };

    chardev.out = g_string_new(NULL);
    chardev.room = -1;
    monitor_new(&opts, &error_abort);
}

void harness_stop(void)
{
    monitor_cleanup();
    g_string_free(chardev.out, TRUE);
    chardev = (Chardev) { 0 };
}

void harness_connect(void)
{
    chardev.open = true;
    chardev.fe->event(chardev.fe->opaque, CHR_EVENT_OPENED);
}

void harness_disconnect(void)
{
    chardev.open = false;
    chardev.fe->event(chardev.fe->opaque, CHR_EVENT_CLOSED);
    while (chardev.n_fds) {
        close(chardev.fds[--chardev.n_fds]);
    }
}

void harness_run(void)
{
    while (loop_run_once(loop_main(), false)) {
    }
}

size_t harness_feed(const char *bytes, size_t len)
{
    size_t done = 0;

    for (;;) {
        size_t n = MIN((size_t)chardev.fe->can_read(chardev.fe->opaque),
                       len - done);

        if (!n) {
            break;
        }
        chardev.fe->read(chardev.fe->opaque, (const uint8_t *)bytes + done, n);
        done += n;
        harness_run();
    }
    return done;
}

char *harness_output(void)
{
    char *s = g_strdup(chardev.out->str);

    g_string_truncate(chardev.out, 0);
    return s;
}

void harness_set_room(int bytes)
{
    void (*fn)(void *) = chardev.watch;

    chardev.room = bytes;
    chardev.watch = NULL;
    if (fn) {
        fn(chardev.watch_opaque);
    }
}

void harness_add_fd(int fd)
{
    chardev.fds[chardev.n_fds++] = fd;
}
