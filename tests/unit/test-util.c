/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util/: values, JSON, option text, loops, timers, pool, deferred freeing. */
#include "osdep.h"
#include "util/loop.h"
#include "util/option.h"
#include "util/pool.h"
#include "util/rcu.h"
#include "util/thread.h"
#include "util/timer.h"

static void test_json_round_trip(void)
{
    static const char text[] =
        "{\"a\": [1, -2, 18446744073709551615, 1.5, true, null], "
        "\"b\": {\"c\": \"x\\n\\u0001\"}}";
    g_autoptr(QObject) v = json_parse(text, &error_abort);
    g_autofree char *out = json_to_string(v, false);

    g_assert_cmpstr(out, ==, text);
}

static void test_json_errors(void)
{
    static const char *const bad[] = {
        "", "{", "[1,]", "{\"a\":1,\"a\":2}", "01", "1.", "tru", "\"\\x\"",
        "\"\xff\"", "1 2", "{1:2}", "\"\\ud800\"", "[1 2]", "-", "1e999",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(Error) err = NULL;

        g_assert_null(json_parse(bad[i], &err));
        g_assert_nonnull(err);
    }
}

typedef struct Emitted {
    unsigned values, errors;
} Emitted;

static void count_emit(void *opaque, QObject *v, Error *err)
{
    Emitted *e = opaque;

    e->values += v != NULL;
    e->errors += err != NULL;
    qobject_unref(v);
    error_free(err);
}

static void test_json_stream(void)
{
    static const char text[] = "{\"a\": \"}\"} [1]\n{x} 5 {\"b\":1}";
    Emitted e = { 0 };
    JsonStream *s = json_stream_new(count_emit, &e);

    for (const char *p = text; *p; p++) {
        json_stream_feed(s, p, 1);
    }
    g_assert_cmpuint(e.values, ==, 4);
    g_assert_cmpuint(e.errors, ==, 1);
    json_stream_free(s);
}

static void test_json_depth(void)
{
    Emitted e = { 0 };
    JsonStream *s = json_stream_new(count_emit, &e);

    for (int i = 0; i < 100000; i++) {
        json_stream_feed(s, "[", 1);
    }
    for (int i = 0; i < 100000; i++) {
        json_stream_feed(s, "]", 1);
    }
    json_stream_feed(s, "{}", 2);
    g_assert_cmpuint(e.errors, ==, 1);
    g_assert_cmpuint(e.values, ==, 1);
    json_stream_free(s);
}

static void test_keyval(void)
{
    g_autoptr(QObject) d = keyval_parse("tap,id=a,,b,server,nowait,x=", "type",
                                        NULL, &error_abort);
    g_autofree char *text = keyval_to_text(d);

    g_assert_cmpstr(qdict_get_str(d, "type"), ==, "tap");
    g_assert_cmpstr(qdict_get_str(d, "id"), ==, "a,b");
    g_assert_cmpstr(qdict_get_str(d, "server"), ==, "on");
    g_assert_cmpstr(qdict_get_str(d, "wait"), ==, "off");
    g_assert_cmpstr(qdict_get_str(d, "x"), ==, "");
    g_assert_cmpstr(text, ==, "id=a,,b,type=tap,server=on,wait=off,x=");
}

static void test_crumple(void)
{
    g_autoptr(QObject) d = keyval_parse("file.driver=raw,l.0=a,l.1=b", NULL,
                                        NULL, &error_abort);
    g_autoptr(QObject) n = keyval_crumple(d, &error_abort);
    g_autoptr(QObject) flat = keyval_flatten(n);
    g_autofree char *json = json_to_string(n, false);

    g_assert_cmpstr(json, ==,
                    "{\"file\": {\"driver\": \"raw\"}, \"l\": [\"a\", \"b\"]}");
    g_assert_true(qobject_equal(flat, d));
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t value;
        bool ok;
    } cases[] = {
        { "4M", 4 * MiB, true }, { "1.5G", 3 * GiB / 2, true },
        { "7", 7, true }, { "0x10", 16, true }, { "1.5", 0, false },
        { "-1", 0, false }, { "", 0, false }, { "4Mx", 0, false },
        { "99999999999E", 0, false }, { "16E", 0, false }, { "k", 0, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(Error) err = NULL;
        uint64_t v = 0;
        bool ok = parse_size("size", cases[i].text, 1, &v, &err);

        g_assert_cmpint(ok, ==, cases[i].ok);
        if (ok) {
            g_assert_cmpuint(v, ==, cases[i].value);
        }
    }
}

static void add_one(void *opaque)
{
    ++*(int *)opaque;
}

static void test_bh(void)
{
    int n = 0;
    BH *bh = bh_new(loop_main(), add_one, &n);

    bh_schedule(bh);
    bh_schedule(bh);
    loop_run_once(loop_main(), false);
    g_assert_cmpint(n, ==, 1);
    bh_schedule(bh);
    bh_cancel(bh);
    loop_run_once(loop_main(), false);
    g_assert_cmpint(n, ==, 1);
    bh_schedule(bh);
    bh_delete(bh);
    loop_run_once(loop_main(), false);
    g_assert_cmpint(n, ==, 1);
}

static void test_timers(void)
{
    int n = 0, m = 0;
    Timer a, b;

    clock_virtual_set_manual(true);
    timer_init_virtual(&a, add_one, &n);
    timer_init_virtual(&b, add_one, &m);
    timer_mod_at(&a, clock_ns(CLOCK_VIRTUAL) + 100);
    timer_mod_at(&b, clock_ns(CLOCK_VIRTUAL) + 50);
    clock_virtual_step(clock_ns(CLOCK_VIRTUAL) + 60);
    g_assert_cmpint(n, ==, 0);
    g_assert_cmpint(m, ==, 1);
    g_assert_true(timer_pending(&a));
    clock_virtual_step(clock_ns(CLOCK_VIRTUAL) + 60);
    g_assert_cmpint(n, ==, 1);
    g_assert_false(timer_pending(&a));
    timer_mod_ns(&a, 10);
    timer_del(&a);
    g_assert_cmpint(clock_next_deadline(CLOCK_VIRTUAL), ==, -1);
    clock_virtual_set_manual(false);
}

static int work(void *opaque)
{
    return *(int *)opaque;
}

static int pool_sum;

static void work_done(void *opaque, int ret)
{
    pool_sum += ret;
}

static void test_pool(void)
{
    static int values[200];
    int expect = 0;

    for (int i = 0; i < 200; i++) {
        values[i] = i;
        expect += i;
        pool_submit(loop_main(), work, work_done, &values[i]);
    }
    while (pool_sum != expect) {
        loop_run_once(loop_main(), true);
    }
}

static atomic_bool reader_in, writer_done;

static void *reader(void *opaque)
{
    rcu_read_lock();
    atomic_store(&reader_in, true);
    while (!atomic_load(&writer_done)) {
    }
    rcu_read_unlock();
    return NULL;
}

static void test_rcu(void)
{
    int freed = 0;
    Thread t;

    thread_create(&t, "reader", reader, NULL);
    while (!atomic_load(&reader_in)) {
    }
    rcu_call(add_one, &freed);
    loop_run_once(loop_main(), false);
    g_assert_cmpint(freed, ==, 0);
    atomic_store(&writer_done, true);
    thread_join(&t);
    while (!freed) {
        loop_run_once(loop_main(), true);
    }
}

static void test_fd(void)
{
    int fds[2], n = 0;

    g_assert_cmpint(pipe(fds), ==, 0);
    loop_set_fd(loop_main(), fds[0], add_one, NULL, &n);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    loop_run_once(loop_main(), true);
    g_assert_cmpint(n, ==, 1);
    loop_set_fd(loop_main(), fds[0], NULL, NULL, NULL);
    loop_run_once(loop_main(), false);
    g_assert_cmpint(n, ==, 1);
    close(fds[0]);
    close(fds[1]);
}

static void test_nearest(void)
{
    static const char *const names[] = { "device", "drive", "display", NULL };

    g_assert_cmpstr(nearest_name("devcie", names), ==, "device");
    g_assert_null(nearest_name("zzzzzzzz", names));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/round-trip", test_json_round_trip);
    g_test_add_func("/json/errors", test_json_errors);
    g_test_add_func("/json/stream", test_json_stream);
    g_test_add_func("/json/depth", test_json_depth);
    g_test_add_func("/option/keyval", test_keyval);
    g_test_add_func("/option/crumple", test_crumple);
    g_test_add_func("/option/sizes", test_sizes);
    g_test_add_func("/option/nearest", test_nearest);
    g_test_add_func("/loop/bh", test_bh);
    g_test_add_func("/loop/fd", test_fd);
    g_test_add_func("/timer", test_timers);
    g_test_add_func("/pool", test_pool);
    g_test_add_func("/rcu", test_rcu);
    return g_test_run();
}
