/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP sessions: negotiation, replies, errors, events, descriptors. */
#include "osdep.h"
#include "harness.h"
#include "qapi/qapi-events.h"
#include "util/fdset.h"
#include "util/thread.h"

#define HELLO "{\"execute\":\"qmp_capabilities\"}\n"

static void send(const char *text)
{
    g_assert_cmpint(harness_feed(text, strlen(text)), ==, strlen(text));
}

/* Sends @text; the answer is @want and CR LF. */
static void check(const char *text, const char *want)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    g_autofree char *full = g_strconcat(want, "\r\n", NULL);
    g_autofree char *got = NULL;

    send(line);
    got = harness_output();
    g_assert_cmpstr(got, ==, full);
}

static char *error_reply(const char *class, const char *desc)
{
    return g_strdup_printf("{\"error\": {\"class\": \"%s\", "
                           "\"desc\": \"%s\"}}", class, desc);
}

static void check_error(const char *text, const char *desc)
{
    g_autofree char *want = error_reply("GenericError", desc);

    check(text, want);
}

static void open_session(void)
{
    harness_start(false);
    harness_connect();
    send(HELLO);
    g_free(harness_output());
}

static void test_negotiation(void)
{
    const char *early = "{\"id\": 1, \"error\": {\"class\": "
        "\"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation "
        "with 'qmp_capabilities'\"}}";
    g_autofree char *late = error_reply("CommandNotFound",
        "Capabilities negotiation is already complete, command ignored");
    g_autofree char *hello = NULL;

    harness_start(false);
    harness_connect();
    hello = harness_output();
    g_assert_true(g_str_has_prefix(hello,
        "{\"QMP\": {\"version\": {\"qemu\": {"));
    g_assert_true(g_str_has_suffix(hello, "\"capabilities\": [\"oob\"]}}\r\n"));
    check("{\"execute\":\"nothing\",\"id\":1}", early);
    check("{\"execute\":\"nope\",\"id\":1}", early);
    check_error("{\"execute\":\"qmp_capabilities\",\"arguments\":"
                "{\"enable\":[\"x\"]}}",
                "Parameter 'enable[0]' does not accept value 'x'");
    check("{\"execute\":\"qmp_capabilities\",\"id\":{\"a\":[1]}}",
          "{\"return\": {}, \"id\": {\"a\": [1]}}");
    check(HELLO, late);
    /* The next connection starts over. */
    harness_disconnect();
    harness_connect();
    g_free(harness_output());
    check("{\"execute\":\"nope\",\"id\":1}", early);
    harness_stop();
}

static void test_commands(void)
{
    open_session();
    check("{\"execute\":\"nothing\"}", "{\"return\": {}}");
    check("{\"execute\":\"add-one\",\"arguments\":{\"n\":41},\"id\":null}",
          "{\"return\": 42, \"id\": null}");
    check("{\"execute\":\"raw\",\"arguments\":{\"q\":1}}",
          "{\"return\": {\"q\": 1}}");
    check("{\"execute\":\"human-monitor-command\",\"arguments\":"
          "{\"command-line\":\"x\",\"cpu-index\":2}}",
          "{\"return\": \"x@2\"}");
    send("{\"execute\":\"quit\"}");
    g_assert_cmpint(harness_quits, ==, 1);
    g_free(harness_output());
    /* Several in one go, in order. */
    check("{\"execute\":\"nothing\",\"id\":1}{\"execute\":\"nothing\","
          "\"id\":2}", "{\"return\": {}, \"id\": 1}\r\n"
          "{\"return\": {}, \"id\": 2}");
    harness_stop();
}

static void test_errors(void)
{
    g_autofree char *class = error_reply("DeviceNotFound", "too large");
    g_autofree char *unknown = error_reply("CommandNotFound",
        "The command nope has not been found");

    open_session();
    check("{\"execute\":\"nope\"}", unknown);
    check("{\"execute\":\"add-one\",\"arguments\":{\"n\":"
          "9223372036854775807}}", class);
    check_error("[]", "QMP input must be a JSON object");
    check_error("{}", "QMP input lacks member 'execute'");
    check_error("{\"execute\":1}",
                "QMP input member 'execute' must be a string");
    check_error("{\"execute\":\"nothing\",\"arguments\":[]}",
                "QMP input member 'arguments' must be an object");
    check_error("{\"execute\":\"nothing\",\"arguments\":{\"a\":1}}",
                "Parameter 'a' is unexpected");
    check_error("{\"execute\":\"nothing\",\"b\":1}",
                "QMP input member 'b' is unexpected");
    check_error("{\"exec-oob\":\"add-one\"}",
                "QMP input member 'exec-oob' is unexpected");
    check_error("{\"execute\":\"add-one\",\"arguments\":{\"n\":\"1\"}}",
                "Invalid parameter type for 'n', expected: integer");
    check_error("{\"execute\":\"add-one\"}", "Parameter 'n' is missing");
    /* It lives on. */
    check("{\"execute\":\"nothing\"}", "{\"return\": {}}");
    harness_stop();
}

static void test_oob(void)
{
    g_autofree char *got = NULL;

    harness_start(false);
    harness_connect();
    send("{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":"
         "[\"oob\"]}}");
    g_free(harness_output());
    check_error("{\"exec-oob\":\"nothing\"}",
                "The command nothing does not support OOB");
    check_error("{\"exec-oob\":\"add-one\",\"execute\":\"add-one\"}",
                "QMP input member 'execute' clashes with 'exec-oob'");
    /* Overtakes what was sent before it. */
    send("{\"execute\":\"nothing\",\"id\":1}{\"exec-oob\":\"add-one\","
         "\"arguments\":{\"n\":1},\"id\":2}");
    got = harness_output();
    g_assert_cmpstr(got, ==, "{\"return\": 2, \"id\": 2}\r\n"
                    "{\"return\": {}, \"id\": 1}\r\n");
    harness_stop();
}

static void test_back_pressure(void)
{
    const char *query = "{\"execute\":\"query-qmp-schema\"}\n";
    size_t sent = 0, total;
    g_autofree char *got = NULL;

    open_session();
    harness_set_room(10);
    for (int i = 0; i < 1000; i++) {
        size_t n = harness_feed(query, strlen(query));

        sent += n;
        if (n < strlen(query)) {
            break;
        }
    }
    /* A client that does not read is not read from. */
    g_assert_cmpint(sent, <, 1000 * strlen(query));
    harness_set_room(-1);
    harness_run();
    got = harness_output();
    total = sent / strlen(query);
    for (const char *p = got; (p = strstr(p, "\r\n")); p++) {
        total--;
    }
    g_assert_cmpint(total, ==, 0);
    harness_stop();
}

static void *send_from_thread(void *arg)
{
    bql_lock();
    qapi_event_send_with_data("thread", NULL);
    bql_unlock();
    return NULL;
}

static void NO_THREAD_SAFETY test_events(void)
{
    g_autofree char *a = NULL, *b = NULL, *c = NULL;
    Thread t;

    harness_start(false);
    harness_connect();
    g_free(harness_output());
    qapi_event_send_plain(); /* not before negotiation */
    send(HELLO);
    g_free(harness_output());
    qapi_event_send_plain();
    a = harness_output();
    g_assert_true(g_str_has_prefix(a, "{\"timestamp\": {\"seconds\": "));
    g_assert_true(g_str_has_suffix(a, "}, \"event\": \"PLAIN\"}\r\n"));
    /* From another thread: by way of the loop, in order. */
    bql_unlock();
    thread_create(&t, "sender", send_from_thread, NULL);
    thread_join(&t);
    bql_lock();
    qapi_event_send_plain();
    b = harness_output();
    g_assert_true(strstr(b, "WITH_DATA") < strstr(b, "PLAIN"));
    /* Limited for each id: the second for "a" waits. */
    qapi_event_send_vserport_change("a", true);
    qapi_event_send_vserport_change("a", false);
    qapi_event_send_vserport_change("b", true);
    c = harness_output();
    g_assert_nonnull(strstr(c, "{\"id\": \"a\", \"open\": true}"));
    g_assert_null(strstr(c, "{\"id\": \"a\", \"open\": false}"));
    g_assert_nonnull(strstr(c, "{\"id\": \"b\", \"open\": true}"));
    harness_stop();
}

static void test_fds(void)
{
    int fd;

    open_session();
    check_error("{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}",
                "No file descriptor supplied via SCM_RIGHTS");
    harness_add_fd(open("/dev/null", O_RDWR));
    check_error("{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"1x\"}}",
                "Parameter 'fdname' expects a name not starting with a digit");
    harness_add_fd(open("/dev/null", O_RDWR));
    check("{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}",
          "{\"return\": {}}");
    check("{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"x\"}}",
          "{\"return\": {}}");
    check_error("{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"x\"}}",
                "File descriptor named 'x' not found");
    harness_add_fd(open("/dev/null", O_RDONLY));
    send("{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":3,"
         "\"opaque\":\"o\"}}");
    g_free(harness_output());
    g_assert_cmpint(open_path("/dev/fdset/3", O_RDWR, 0), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    fd = open_path("/dev/fdset/3", O_RDONLY, 0);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_cmpint(open_path("/dev/fdset/x", O_RDONLY, 0), ==, -1);
    check("{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":3}}",
          "{\"return\": {}}");
    check("{\"execute\":\"query-fdsets\"}", "{\"return\": []}");
    check_error("{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":3}}",
                "File descriptor named 'fdset-id:3' not found");
    harness_stop();
}

static void test_pretty(void)
{
    harness_start(true);
    harness_connect();
    send(HELLO);
    g_free(harness_output());
    check("{\"execute\":\"add-one\",\"arguments\":{\"n\":1}}",
          "{\r\n    \"return\": 2\r\n}");
    harness_stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bql_lock();
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/commands", test_commands);
    g_test_add_func("/qmp/errors", test_errors);
    g_test_add_func("/qmp/oob", test_oob);
    g_test_add_func("/qmp/back-pressure", test_back_pressure);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/fds", test_fds);
    g_test_add_func("/qmp/pretty", test_pretty);
    return g_test_run();
}
