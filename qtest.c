/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server of the qtest protocol: text lines, one request, one reply.  One
 * table holds the requests; a handler appends its reply to `out`.  Everything
 * runs on the main loop with the BQL; replies queue in the chardev.
 */
#include "osdep.h"

#include "chardev/char.h"
#include "exec/accel.h"
#include "exec/qtest.h"
#include "hw/qdev.h"
#include "util/timer.h"

#define LINE_MAX_LEN (64 * MiB)
#define DATA_MAX_LEN (16 * MiB)
#define INTERCEPT_MAX 1024

typedef struct QTest {
    CharFrontend chr;
    GString *in;        /* the line so far */
    bool overlong;      /* drops the rest of a line */
    FILE *log;
    int64_t opened_ns;
    DeviceState *intercepted; /* one a process */
    uint8_t level[INTERCEPT_MAX];
} QTest;

static void qtest_log(QTest *q, char kind, const char *text)
{
    if (q->log) {
        double t = (double)(clock_ns(CLOCK_REALTIME_NS) - q->opened_ns) /
                   (double)NSEC_PER_SEC;
        fprintf(q->log, "[%c +%.6f] %s\n", kind, t, text);
        fflush(q->log);
    }
}

static void qtest_send(QTest *q, GString *line)
{
    qtest_log(q, 'S', line->str);
    g_string_append_c(line, '\n');
    chr_fe_write_all(&q->chr, (const uint8_t *)line->str, (int)line->len);
}

/* Arguments: C numbers. */
static bool number(const char *word, uint64_t *v)
{
    char *end;

    errno = 0;
    *v = g_ascii_strtoull(word, &end, 0);
    return errno == 0 && end != word && *end == '\0';
}

typedef struct Request {
    QTest *q;
    char **word;      /* word[0] is the request's name; NULL ends them */
    int argc;         /* arguments */
    uint64_t arg[3];  /* the leading numbers */
    int size;         /* of the access */
    GString *out;     /* the reply; empty: "OK" */
} Request;

static void fail(Request *r, const char *why)
{
    g_string_printf(r->out, "FAIL %s", why);
}

static void do_endianness(Request *r)
{
    g_string_assign(r->out, "OK little");
}

static void do_out(Request *r)
{
    if (r->arg[0] > 0xffff) {
        fail(r, "port out of range");
        return;
    }
    address_space_st(&address_space_io, r->arg[0], (unsigned)r->size,
                     r->arg[1], MEMTXATTRS_CPU);
}

static void do_in(Request *r)
{
    if (r->arg[0] > 0xffff) {
        fail(r, "port out of range");
        return;
    }
    uint64_t v = address_space_ld(&address_space_io, r->arg[0],
                                  (unsigned)r->size, MEMTXATTRS_CPU, NULL);
    g_string_printf(r->out, "OK 0x%04" PRIx64, v);
}

/* What the first CPU sees; the machine's memory where there is none. */
static AddressSpace *cpu_space(void)
{
    CPUState *cpu = cpu_first();

    return cpu && cpu->as ? cpu->as : &address_space_memory;
}

static void do_store(Request *r)
{
    address_space_st(cpu_space(), r->arg[0], (unsigned)r->size, r->arg[1],
                     MEMTXATTRS_CPU);
}

static void do_load(Request *r)
{
    uint64_t v = address_space_ld(cpu_space(), r->arg[0], (unsigned)r->size,
                                  MEMTXATTRS_CPU, NULL);

    g_string_printf(r->out, "OK 0x%016" PRIx64, v);
}

static uint8_t *data_new(Request *r, bool may_be_empty)
{
    if (r->arg[1] > DATA_MAX_LEN || (r->arg[1] == 0 && !may_be_empty)) {
        fail(r, "bad length");
        return NULL;
    }
    return g_malloc0(MAX(r->arg[1], 1));
}

static void do_read(Request *r)
{
    g_autofree uint8_t *data = data_new(r, false);

    if (!data) {
        return;
    }
    address_space_read(cpu_space(), r->arg[0], MEMTXATTRS_CPU, data,
                       r->arg[1]);
    if (r->size) {
        g_autofree char *text = g_base64_encode(data, r->arg[1]);
        g_string_printf(r->out, "OK %s", text);
        return;
    }
    g_string_assign(r->out, "OK 0x");
    for (uint64_t i = 0; i < r->arg[1]; i++) {
        g_string_append_c(r->out, "0123456789abcdef"[data[i] >> 4]);
        g_string_append_c(r->out, "0123456789abcdef"[data[i] & 15]);
    }
}

static void do_write(Request *r)
{
    g_autofree uint8_t *data = data_new(r, false);
    const char *hex = r->word[3];
    size_t n = strlen(hex);

    if (!data) {
        return;
    }
    if (n < 2 || hex[0] != '0' || (hex[1] | 0x20) != 'x') {
        fail(r, "data must begin with 0x");
        return;
    }
    for (size_t i = 2; i < n && (i - 2) / 2 < r->arg[1]; i++) {
        int digit = g_ascii_xdigit_value(hex[i]);
        if (digit < 0) {
            fail(r, "data has a character that is no hex digit");
            return;
        }
        data[(i - 2) / 2] |= (uint8_t)(digit << (i % 2 ? 0 : 4));
    }
    address_space_write(cpu_space(), r->arg[0], MEMTXATTRS_CPU, data,
                        r->arg[1]);
}

static void do_b64write(Request *r)
{
    g_autofree uint8_t *data = data_new(r, false);
    gsize len;

    if (!data) {
        return;
    }
    g_autofree guchar *from = g_base64_decode(r->word[3], &len);
    memcpy(data, from, MIN(len, r->arg[1]));
    address_space_write(cpu_space(), r->arg[0], MEMTXATTRS_CPU, data,
                        r->arg[1]);
}

static void do_memset(Request *r)
{
    g_autofree uint8_t *data = data_new(r, true);

    if (data && r->arg[1]) {
        memset(data, (int)(r->arg[2] & 0xff), r->arg[1]);
        address_space_write(cpu_space(), r->arg[0], MEMTXATTRS_CPU, data,
                            r->arg[1]);
    }
}

static void clock_to(Request *r, int64_t ns)
{
    clock_virtual_step(ns);
    g_string_printf(r->out, "%s %" PRId64,
                    clock_ns(CLOCK_VIRTUAL) == ns ? "OK" : "FAIL",
                    clock_ns(CLOCK_VIRTUAL));
}

static void do_clock_step(Request *r)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL), to;
    uint64_t delta;

    if (!accel_is("qtest")) {
        fail(r, "the clock moves by itself; use -accel qtest");
    } else if (r->argc == 0) {
        to = clock_next_deadline(CLOCK_VIRTUAL);
        if (to < 0) {
            fail(r, "no timer is armed");
        } else {
            clock_to(r, MAX(to, now));
        }
    } else if (!number(r->word[1], &delta) ||
               delta > (uint64_t)(INT64_MAX - now)) {
        fail(r, "bad time");
    } else {
        clock_to(r, now + (int64_t)delta);
    }
}

static void do_clock_set(Request *r)
{
    if (!accel_is("qtest")) {
        fail(r, "the clock moves by itself; use -accel qtest");
    } else if (r->arg[0] > INT64_MAX) {
        fail(r, "bad time");
    } else {
        clock_to(r, (int64_t)r->arg[0]);
    }
}

static void irq_seen(void *opaque, int n, int level)
{
    QTest *q = opaque;

    if (n >= 0 && n < INTERCEPT_MAX && q->level[n] != (level != 0)) {
        g_autoptr(GString) line = g_string_new(NULL);
        q->level[n] = level != 0;
        g_string_printf(line, "IRQ %s %d", level ? "raise" : "lower", n);
        qtest_send(q, line);
    }
}

static DeviceState *find_device(Request *r)
{
    bool ambiguous = false;
    Object *obj = object_resolve(r->word[1], &ambiguous);

    obj = obj ? object_dynamic_cast(obj, "device") : NULL;
    if (!obj) {
        fail(r, ambiguous ? "path is ambiguous" : "no such device");
    }
    return (DeviceState *)obj;
}

static void do_intercept(Request *r)
{
    DeviceState *dev = find_device(r);
    Error *err = NULL;
    bool ok;

    if (!dev) {
        return;
    }
    if (r->q->intercepted) {
        if (r->q->intercepted != dev) {
            fail(r, "another device is intercepted already");
        }
        return;
    }
    ok = r->size ? device_intercept_out(dev, r->argc > 1 ? r->word[2] : NULL,
                                        irq_seen, r->q, &err)
                 : device_intercept_in(dev, irq_seen, r->q, &err);
    if (!ok) {
        fail(r, error_get_pretty(err));
        error_free(err);
        return;
    }
    r->q->intercepted = dev;
}

static void do_set_irq_in(Request *r)
{
    DeviceState *dev = find_device(r);
    const char *name = r->word[2];
    uint64_t n, level;

    if (!dev) {
        return;
    }
    if (strcmp(name, "unnamed-gpio-in") == 0) {
        name = NULL;
    }
    if (!number(r->word[3], &n) || n > INT_MAX ||
        (!number(r->word[4], &level) && strcmp(r->word[4], "-1") != 0)) {
        fail(r, "bad number");
        return;
    }
    IRQ *irq = device_in(dev, name, (int)n);
    if (!irq) {
        fail(r, "no such input");
        return;
    }
    irq_set(irq, strcmp(r->word[4], "-1") == 0 ? -1 : (int)level);
}

static void do_module_load(Request *r)
{
    fail(r, "this build has no modules");
}

static const struct {
    const char *name;
    void (*fn)(Request *r);
    int numbers;        /* leading arguments that are numbers */
    int min, max;       /* arguments */
    int size;
} requests[] = {
    { "endianness", do_endianness, 0, 0, 0, 0 },
    { "outb", do_out, 2, 2, 2, 1 },
    { "outw", do_out, 2, 2, 2, 2 },
    { "outl", do_out, 2, 2, 2, 4 },
    { "inb", do_in, 1, 1, 1, 1 },
    { "inw", do_in, 1, 1, 1, 2 },
    { "inl", do_in, 1, 1, 1, 4 },
    { "writeb", do_store, 2, 2, 2, 1 },
    { "writew", do_store, 2, 2, 2, 2 },
    { "writel", do_store, 2, 2, 2, 4 },
    { "writeq", do_store, 2, 2, 2, 8 },
    { "readb", do_load, 1, 1, 1, 1 },
    { "readw", do_load, 1, 1, 1, 2 },
    { "readl", do_load, 1, 1, 1, 4 },
    { "readq", do_load, 1, 1, 1, 8 },
    { "read", do_read, 2, 2, 2, 0 },
    { "b64read", do_read, 2, 2, 2, 1 },
    { "write", do_write, 2, 3, 3, 0 },
    { "b64write", do_b64write, 2, 3, 3, 0 },
    { "memset", do_memset, 3, 3, 3, 0 },
    { "clock_step", do_clock_step, 0, 0, 1, 0 },
    { "clock_set", do_clock_set, 1, 1, 1, 0 },
    { "irq_intercept_in", do_intercept, 0, 1, 1, 0 },
    { "irq_intercept_out", do_intercept, 0, 1, 2, 1 },
    { "set_irq_in", do_set_irq_in, 0, 4, 4, 0 },
    { "module_load", do_module_load, 0, 2, 2, 0 },
};

static void handle(Request *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        if (strcmp(requests[i].name, r->word[0]) != 0) {
            continue;
        }
        if (r->argc < requests[i].min || r->argc > requests[i].max) {
            fail(r, "wrong number of arguments");
            return;
        }
        for (int k = 0; k < requests[i].numbers; k++) {
            if (!number(r->word[k + 1], &r->arg[k])) {
                fail(r, "bad number");
                return;
            }
        }
        r->size = requests[i].size;
        requests[i].fn(r);
        return;
    }
    g_string_printf(r->out, "FAIL Unknown command '%s'", r->word[0]);
}

static void handle_line(QTest *q, const char *line)
{
    g_auto(GStrv) word = g_strsplit_set(line, " \t\r", -1);
    g_autoptr(GString) out = g_string_new("");
    Request r = { .q = q, .word = word, .out = out };
    int n = 0;

    qtest_log(q, 'R', line);
    for (int i = 0; word[i]; i++) {
        if (word[i][0]) {
            word[n++] = word[i];
        } else {
            g_free(word[i]);
        }
    }
    word[n] = NULL;
    if (n == 0) {
        return;
    }
    r.argc = n - 1;
    handle(&r);
    if (out->len == 0) {
        g_string_assign(out, "OK");
    }
    qtest_send(q, out);
}

static int qtest_can_read(void *opaque)
{
    return 65536;
}

static void qtest_read(void *opaque, const uint8_t *buf, int len)
{
    QTest *q = opaque;

    for (int i = 0; i < len; i++) {
        if (buf[i] != '\n') {
            if (q->in->len >= LINE_MAX_LEN) {
                q->overlong = true;
            } else {
                g_string_append_c(q->in, (char)buf[i]);
            }
            continue;
        }
        if (q->overlong) {
            g_autoptr(GString) out = g_string_new("FAIL line too long");
            qtest_send(q, out);
        } else {
            handle_line(q, q->in->str);
        }
        q->overlong = false;
        g_string_truncate(q->in, 0);
    }
}

static void qtest_event(void *opaque, ChrEvent ev)
{
    QTest *q = opaque;

    if (ev == CHR_EVENT_OPENED) {
        q->opened_ns = clock_ns(CLOCK_REALTIME_NS);
        memset(q->level, 0, sizeof(q->level));
        g_string_truncate(q->in, 0);
        qtest_log(q, 'I', "OPENED");
    } else if (ev == CHR_EVENT_CLOSED) {
        qtest_log(q, 'I', "CLOSED");
    }
}

bool qtest_start(const char *chardev, const char *log, Error **errp)
{
    QTest *q = g_new0(QTest, 1); /* lives as long as the process */
    bool none = false;

    q->in = g_string_new(NULL);
    if (!log) {
        q->log = stderr;
    } else if (strcmp(log, "none") != 0) {
        q->log = fopen(log, "we");
        if (!q->log) {
            error_setg_errno(errp, errno, "cannot open the qtest log '%s'",
                             log);
            goto fail;
        }
    }
    Chardev *chr = chr_new_from_text("qtest", chardev, &none, errp);
    if (!chr) {
        if (none) {
            error_setg(errp, "-qtest needs a character device, not 'none'");
        }
        goto fail;
    }
    if (!chr_fe_init(&q->chr, chr, errp)) {
        goto fail;
    }
    chr_fe_set_handlers(&q->chr, qtest_can_read, qtest_read, qtest_event, q);
    return true;

fail:
    if (q->log && q->log != stderr) {
        fclose(q->log);
    }
    g_string_free(q->in, true);
    g_free(q);
    return false;
}
