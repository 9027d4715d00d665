/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "libqtest.h"

#define IRQ_MAX 1024

typedef struct Line {
    int fd;
    GString *buf;
} Line;

struct QTestState {
    GPid pid;
    Line qtest, qmp;
    bool irq[IRQ_MAX];
    GQueue events; /* QObject */
};

static int listen_at(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
        listen(fd, 1) < 0) {
        g_error("listening at %s: %s", path, g_strerror(errno));
    }
    return fd;
}

static int accept_at(int lfd, const char *path)
{
    struct timeval patience = { .tv_sec = 60 };
    int fd;

    /* accept() obeys it too: a program that never connects fails the test. */
    setsockopt(lfd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    fd = (int)RETRY_ON_EINTR(accept4(lfd, NULL, NULL, SOCK_CLOEXEC));
    if (fd < 0) {
        g_error("the emulator did not connect: %s", g_strerror(errno));
    }
    close(lfd);
    unlink(path);
    return fd;
}

/* Next line without its LF; g_free. */
static char *line_get(Line *l)
{
    char *lf;

    while (!(lf = memchr(l->buf->str, '\n', l->buf->len))) {
        char chunk[65536];
        ssize_t n = RETRY_ON_EINTR(read(l->fd, chunk, sizeof(chunk)));
        if (n <= 0) {
            g_error("the emulator closed the connection");
        }
        g_string_append_len(l->buf, chunk, n);
    }
    char *text = g_strndup(l->buf->str, (gsize)(lf - l->buf->str));
    g_string_erase(l->buf, 0, lf - l->buf->str + 1);
    return text;
}

static void line_send(Line *l, const char *p, size_t left)
{
    while (left) {
        ssize_t n = RETRY_ON_EINTR(send(l->fd, p, left, MSG_NOSIGNAL));
        if (n < 0) {
            g_error("sending to the emulator: %s", g_strerror(errno));
        }
        p += n;
        left -= (size_t)n;
    }
}

static void line_put(Line *l, const char *text)
{
    g_autofree char *all = g_strconcat(text, "\n", NULL);

    line_send(l, all, strlen(all));
}

/* The next answer's text after "OK"; g_free. */
static char *answer(QTestState *s, const char *to)
{
    for (;;) {
        g_autofree char *line = line_get(&s->qtest);
        int n;
        if (sscanf(line, "IRQ raise %d", &n) == 1 && n >= 0 && n < IRQ_MAX) {
            s->irq[n] = true;
        } else if (sscanf(line, "IRQ lower %d", &n) == 1 && n >= 0 &&
                   n < IRQ_MAX) {
            s->irq[n] = false;
        } else if (g_str_has_prefix(line, "OK")) {
            return g_strdup(g_strchug(line + 2));
        } else {
            g_error("qtest request '%.80s': %s", to, line);
        }
    }
}

void qtest_burst(QTestState *s, const GString *lines, unsigned n)
{
    line_send(&s->qtest, lines->str, lines->len);
    while (n--) {
        g_free(answer(s, "of a burst"));
    }
}

static char *request(QTestState *s, const char *fmt, ...) PRINTF(2, 3);
static char *request(QTestState *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    line_put(&s->qtest, text);
    return answer(s, text);
}

static void order(QTestState *s, const char *text)
{
    g_free(request(s, "%s", text));
}

static QObject *qmp_receive(QTestState *s)
{
    g_autofree char *line = line_get(&s->qmp);
    Error *err = NULL;
    QObject *q = json_parse(line, &err);

    if (!q) {
        g_error("QMP: %s", error_get_pretty(err));
    }
    return q;
}

static void child_setup(gpointer unused)
{
    /* A test that dies takes its emulator along. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static const char *binary(void)
{
    const char *env = g_getenv("QTEST_BINARY");

    return env ? env : CONFIG_BUILD_ROOT "/qemu-kvm";
}

QTestState *qtest_init(const char *fmt, ...)
{
    static unsigned count;
    QTestState *s = g_new0(QTestState, 1);
    GError *err = NULL;
    g_auto(GStrv) argv = NULL;
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *extra = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autofree char *path = g_strdup_printf(
        "%s/qtest-%d-%u", g_get_tmp_dir(), (int)getpid(), count++);
    g_autofree char *qtest_path = g_strconcat(path, ".sock", NULL);
    g_autofree char *qmp_path = g_strconcat(path, ".qmp", NULL);
    int qtest_fd = listen_at(qtest_path), qmp_fd = listen_at(qmp_path);
    g_autofree char *program = g_shell_quote(binary());
    g_autofree char *cmd = g_strdup_printf(
        "%s -qtest unix:%s -qtest-log %s -chardev socket,path=%s,id=char0 "
        "-mon chardev=char0,mode=control -display none %s -accel qtest",
        program, qtest_path, g_getenv("QTEST_LOG") ? "/dev/fd/2" : "none",
        qmp_path, extra);

    if (!g_shell_parse_argv(cmd, NULL, &argv, &err) ||
        !g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                       child_setup, NULL, &s->pid, &err)) {
        g_error("%s: %s", cmd, err->message);
    }
    s->qtest = (Line){ accept_at(qtest_fd, qtest_path), g_string_new(NULL) };
    s->qmp = (Line){ accept_at(qmp_fd, qmp_path), g_string_new(NULL) };
    order(s, "endianness");
    qobject_unref(qmp_receive(s)); /* the greeting */
    qobject_unref(qmp(s, "{\"execute\":\"qmp_capabilities\"}"));
    return s;
}

void qtest_quit(QTestState *s)
{
    int status = 0;

    kill(s->pid, SIGTERM);
    if (RETRY_ON_EINTR(waitpid(s->pid, &status, 0)) != s->pid || status) {
        g_error("the emulator ended with wait status 0x%x", status);
    }
    g_spawn_close_pid(s->pid);
    close(s->qtest.fd);
    close(s->qmp.fd);
    g_string_free(s->qtest.buf, true);
    g_string_free(s->qmp.buf, true);
    g_queue_clear_full(&s->events, (GDestroyNotify)qobject_unref);
    g_free(s);
}

#define STORE(name, type, addr_type) \
    void name(QTestState *s, addr_type addr, type v) \
    { \
        g_free(request(s, #name " 0x%" PRIx64 " 0x%" PRIx64, (uint64_t)addr, \
                       (uint64_t)v)); \
    }
#define LOAD(name, type, addr_type) \
    type name(QTestState *s, addr_type addr) \
    { \
        g_autofree char *r = request(s, #name " 0x%" PRIx64, (uint64_t)addr); \
        return (type)g_ascii_strtoull(r, NULL, 0); \
    }
STORE(outb, uint8_t, uint16_t)
STORE(outw, uint16_t, uint16_t)
STORE(outl, uint32_t, uint16_t)
STORE(writeb, uint8_t, uint64_t)
STORE(writew, uint16_t, uint64_t)
STORE(writel, uint32_t, uint64_t)
STORE(writeq, uint64_t, uint64_t)
LOAD(inb, uint8_t, uint16_t)
LOAD(inw, uint16_t, uint16_t)
LOAD(inl, uint32_t, uint16_t)
LOAD(readb, uint8_t, uint64_t)
LOAD(readw, uint16_t, uint64_t)
LOAD(readl, uint32_t, uint64_t)
LOAD(readq, uint64_t, uint64_t)

void memread(QTestState *s, uint64_t addr, void *buf, size_t len)
{
    gsize got;

    if (len == 0) {
        return;
    }
    g_autofree char *r = request(s, "b64read 0x%" PRIx64 " 0x%zx", addr, len);
    g_autofree guchar *data = g_base64_decode(r, &got);
    g_assert_cmpuint(got, ==, len);
    memcpy(buf, data, len);
}

void memwrite(QTestState *s, uint64_t addr, const void *buf, size_t len)
{
    if (len) {
        g_autofree char *text = g_base64_encode(buf, len);
        g_free(request(s, "b64write 0x%" PRIx64 " 0x%zx %s", addr, len, text));
    }
}

void qmemset(QTestState *s, uint64_t addr, uint8_t byte, size_t len)
{
    g_free(request(s, "memset 0x%" PRIx64 " 0x%zx 0x%x", addr, len, byte));
}

static int64_t take_time(char *reply)
{
    int64_t ns = g_ascii_strtoll(reply, NULL, 0);

    g_free(reply);
    return ns;
}

int64_t clock_step_next(QTestState *s)
{
    return take_time(request(s, "clock_step"));
}

int64_t clock_step(QTestState *s, int64_t ns)
{
    return take_time(request(s, "clock_step %" PRId64, ns));
}

int64_t clock_set(QTestState *s, int64_t ns)
{
    return take_time(request(s, "clock_set %" PRId64, ns));
}

void irq_intercept_in(QTestState *s, const char *path)
{
    g_free(request(s, "irq_intercept_in %s", path));
}

void irq_intercept_out(QTestState *s, const char *path, const char *name)
{
    g_free(request(s, "irq_intercept_out %s %s", path, name ? name : ""));
}

void set_irq_in(QTestState *s, const char *path, const char *name, int n,
                int level)
{
    g_free(request(s, "set_irq_in %s %s %d %d", path,
                   name ? name : "unnamed-gpio-in", n, level));
}

bool get_irq(QTestState *s, int n)
{
    return s->irq[n];
}

QObject *qmp(QTestState *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    line_put(&s->qmp, text);
    for (;;) {
        QObject *q = qmp_receive(s);
        if (!qdict_has(q, "event")) {
            return q;
        }
        g_queue_push_tail(&s->events, q);
    }
}

QObject *qmp_wait_event(QTestState *s, const char *name)
{
    for (;;) {
        QObject *q = g_queue_pop_head(&s->events);
        q = q ? q : qmp_receive(s);
        if (g_strcmp0(qdict_get_str(q, "event"), name) == 0) {
            return q;
        }
        qobject_unref(q);
    }
}

char *hmp(QTestState *s, const char *fmt, ...)
{
    g_autoptr(QObject) line = NULL;
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    line = qstring_new(text);
    g_autofree char *json = json_to_string(line, false);
    g_autoptr(QObject) r = qmp(
        s, "{\"execute\":\"human-monitor-command\",\"arguments\":"
           "{\"command-line\":%s}}", json);
    return g_strdup(qdict_get_str(r, "return"));
}

bool qtest_has_device(const char *type)
{
    QTestState *s = qtest_init("-machine none");
    g_autoptr(QObject) r = qmp(
        s, "{\"execute\":\"qom-list-types\",\"arguments\":"
           "{\"implements\":\"device\",\"abstract\":false}}");
    const QObject *list = qdict_get(r, "return");
    bool found = false;

    for (size_t i = 0; list && i < qlist_size(list); i++) {
        const char *name = qdict_get_str(qlist_at(list, i), "name");
        found |= g_strcmp0(name, type) == 0;
    }
    qtest_quit(s);
    return found;
}
