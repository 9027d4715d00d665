/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Generated QMP code, made from tests/unit/qapi-schema/test-schema.json. */
#include "osdep.h"
#include "tests/unit/qapi-schema/qapi-commands.h"
#include "tests/unit/qapi-schema/qapi-events.h"

/* ---- Handlers ---- */

Child *qmp_echo(Child *arg, Error **errp)
{
    g_autoptr(QObject) q = qapi_Child_to_qobject(arg);

    return qapi_Child_from_qobject(q, errp);
}

int64_t qmp_add_one(int64_t n, bool has_by, uint8_t by, Error **errp)
{
    if (n == INT64_MAX) {
        error_setg(errp, "too large");
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

/* ---- Helpers ---- */

static QObject *parse(const char *json)
{
    return json_parse(json, &error_abort);
}

/* What @type makes of @json: the JSON again, or the error's text. */
static char *convert(const QapiType *type, const char *json, bool keyval)
{
    g_autoptr(QObject) in = parse(json);
    g_autoptr(QObject) out = NULL;
    Error *err = NULL;
    void *v = keyval ? qapi_from_keyval(type, in, &err)
                     : qapi_from_qobject(type, in, &err);
    char *text;

    if (!v) {
        text = g_strdup(error_get_pretty(err));
        error_free(err);
        return text;
    }
    g_assert_null(err);
    out = qapi_to_qobject(type, v);
    qapi_free(type, v);
    return json_to_string(out, false);
}

static void check(const QapiType *type, const char *json, const char *want)
{
    g_autofree char *got = convert(type, json, false);

    g_assert_cmpstr(got, ==, want);
}

static void same(const QapiType *type, const char *json)
{
    check(type, json, json);
}

/* ---- Tests ---- */

static void test_struct(void)
{
    const QapiType *t = &qapi_type_Child;
    const char *full =
        "{\"name\": \"n\", \"size\": 18446744073709551615, "
        "\"any\": [1, null, {}], \"u8\": 255, "
        "\"u64\": 18446744073709551615, \"ref\": {\"kind\": \"empty\"}, "
        "\"kinds\": [\"3d\", \"with-dash\"], \"num\": 1.5, \"flag\": false}";

    same(t, full);
    same(t, "{\"name\": \"\", \"any\": null, \"u8\": 0, \"u64\": 0, "
         "\"kinds\": [], \"flag\": true}");
    check(t, "[]", "Invalid parameter type for '<argument>', expected: object");
    check(t, "{}", "Parameter 'name' is missing");
    check(t, "{\"name\": 3}",
          "Invalid parameter type for 'name', expected: string");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": 256}",
          "Invalid parameter type for 'u8', expected: uint8");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": -1}",
          "Invalid parameter type for 'u8', expected: uint8");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": \"1\"}",
          "Invalid parameter type for 'u8', expected: integer");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": 1, \"u64\": 0, "
          "\"kinds\": [\"plain\", \"x\"]}",
          "Parameter 'kinds[1]' does not accept value 'x'");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": 1, \"u64\": 0, "
          "\"flag\": true, \"zz\": 1}", "Parameter 'zz' is unexpected");
    check(t, "{\"name\": \"\", \"any\": 1, \"u8\": 1, \"u64\": 0, "
          "\"flag\": null}",
          "Invalid parameter type for 'flag', expected: boolean");
}

static void test_union(void)
{
    const QapiType *t = &qapi_type_Tree;

    same(t, "{\"kind\": \"plain\", \"value\": -128, \"default\": true}");
    same(t, "{\"kind\": \"with-dash\", \"tags\": [\"a\"], \"list-of\": "
         "[{\"name\": \"x\"}], \"next\": {\"kind\": \"plain\", "
         "\"value\": 1}}");
    same(t, "{\"kind\": \"3d\"}");
    check(t, "{\"kind\": \"3d\", \"value\": 1}",
          "Parameter 'value' is unexpected");
    check(t, "{\"kind\": \"plain\"}", "Parameter 'value' is missing");
    check(t, "{\"kind\": \"plain\", \"value\": 128}",
          "Invalid parameter type for 'value', expected: int8");
    check(t, "{\"kind\": \"with-dash\", \"list-of\": [{\"name\": \"x\"}, "
          "{\"name\": []}]}",
          "Invalid parameter type for 'list-of[1].name', expected: string");
    check(t, "{\"kind\": \"with-dash\", \"list-of\": [], \"next\": "
          "{\"kind\": \"no\"}}",
          "Parameter 'next.kind' does not accept value 'no'");
}

static void test_alternate(void)
{
    const QapiType *t = &qapi_type_TreeRef;
    g_autoptr(QObject) q = parse("{\"kind\": \"plain\", \"value\": 7}");
    g_autoptr(TreeRef) r = qapi_TreeRef_from_qobject(q, &error_abort);

    g_assert_cmpint(r->type, ==, QTYPE_DICT);
    g_assert_cmpint(r->u.def.u.plain.value, ==, 7);
    same(t, "\"text\"");
    same(t, "null");
    same(t, "2");
    check(t, "true",
          "Invalid parameter type for '<argument>', expected: TreeRef");
}

static void test_keyval(void)
{
    g_autofree char *a = convert(&qapi_type_Child,
        "{\"name\": \"n\", \"size\": \"4K\", \"any\": \"x\", \"u8\": \"12\", "
        "\"u64\": \"0x10\", \"flag\": \"on\", \"num\": \"2.5\"}", true);
    g_autofree char *b = convert(&qapi_type_Plain,
        "{\"value\": \"x\"}", true);
    g_autofree char *c = convert(&qapi_type_Plain,
        "{\"value\": \"300\"}", true);

    g_assert_cmpstr(a, ==,
        "{\"name\": \"n\", \"size\": 4096, \"any\": \"x\", \"u8\": 12, "
        "\"u64\": 16, \"num\": 2.5, \"flag\": true}");
    g_assert_cmpstr(b, ==,
        "Invalid parameter type for 'value', expected: integer");
    g_assert_cmpstr(c, ==,
        "Invalid parameter type for 'value', expected: int8");
}

static void test_enum(void)
{
    Error *err = NULL;
    Kind k = 0;

    g_assert_cmpstr(Kind_str(KIND_3D), ==, "3d");
    g_assert_true(Kind_parse("k", "with-dash", &k, &error_abort));
    g_assert_cmpint(k, ==, KIND_WITH_DASH);
    g_assert_false(Kind_parse("k", "with_dash", &k, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Parameter 'k' does not accept value 'with_dash'");
    error_free(err);
    g_assert_null(Kind_names[KIND__MAX]);
}

static const QapiCommand *command(const char *name)
{
    for (int i = 0; i < qapi_command_count; i++) {
        if (!strcmp(qapi_commands[i].name, name)) {
            return &qapi_commands[i];
        }
    }
    g_assert_not_reached();
}

/* Runs a command; its result or error as text. */
static char *run(const char *name, const char *json)
{
    const QapiCommand *c = command(name);
    g_autoptr(QObject) args = parse(json);
    void *arg = c->gen && c->arg ? qapi_from_qobject(c->arg, args,
                                                     &error_abort) : NULL;
    Error *err = NULL;
    g_autoptr(QObject) ret = c->run(c->gen ? arg : args, &err);
    char *text;

    if (arg) {
        qapi_free(c->arg, arg);
    }
    if (err) {
        text = g_strdup(error_get_pretty(err));
        error_free(err);
        return text;
    }
    return ret ? json_to_string(ret, false) : g_strdup("nothing");
}

static void check_run(const char *name, const char *json, const char *want)
{
    g_autofree char *got = run(name, json);

    g_assert_cmpstr(got, ==, want);
}

static void test_commands(void)
{
    const char *child = "{\"name\": \"n\", \"any\": {\"a\": 1}, \"u8\": 1, "
                        "\"u64\": 2, \"ref\": \"r\", \"flag\": true}";

    for (int i = 1; i < qapi_command_count; i++) {
        g_assert_cmpstr(qapi_commands[i - 1].name, <, qapi_commands[i].name);
    }
    check_run("echo", child, child);
    check_run("add-one", "{\"n\": 4}", "5");
    check_run("add-one", "{\"n\": 4, \"by\": 6}", "10");
    check_run("add-one", "{\"n\": 9223372036854775807}", "too large");
    check_run("nothing", "{}", "nothing");
    check_run("raw", "{\"y\": [1]}", "{\"y\": [1]}");
    g_assert_true(command("add-one")->oob);
    g_assert_false(command("echo")->oob);
}

static char *last_event;

static void sink(QAPIEvent ev, QObject *data)
{
    g_autofree char *text = data ? json_to_string(data, false)
                                 : g_strdup("-");

    g_free(last_event);
    last_event = g_strdup_printf("%s %s", QAPIEvent_names[ev], text);
}

static void test_events(void)
{
    Inner inner = { .name = (char *)"in" };

    qapi_event_send_plain(); /* nobody listens */
    g_assert_null(last_event);
    qapi_event_sink = sink;
    qapi_event_send_plain();
    g_assert_cmpstr(last_event, ==, "PLAIN -");
    qapi_event_send_with_data("x", NULL);
    g_assert_cmpstr(last_event, ==, "WITH_DATA {\"id\": \"x\"}");
    qapi_event_send_with_data("x", &inner);
    g_assert_cmpstr(last_event, ==,
                    "WITH_DATA {\"id\": \"x\", \"inner\": {\"name\": "
                    "\"in\"}}");
    qapi_event_sink = NULL;
    g_clear_pointer(&last_event, g_free);
}

static QObject *schema_entry(QObject *schema, const char *name)
{
    for (size_t i = 0; i < qlist_size(schema); i++) {
        QObject *e = qlist_at(schema, i);

        if (!strcmp(qdict_get_str(e, "name"), name)) {
            return e;
        }
    }
    g_error("no entry %s", name);
}

static void test_introspection(void)
{
    g_autoptr(QObject) schema = parse(qapi_schema_json);
    QObject *e = schema_entry(schema, "add-one");
    QObject *arg = schema_entry(schema, qdict_get_str(e, "arg-type"));
    QObject *members = qdict_get(arg, "members");
    QObject *echo = schema_entry(schema, "echo");

    g_assert_cmpstr(qdict_get_str(e, "meta-type"), ==, "command");
    g_assert_cmpstr(qdict_get_str(e, "ret-type"), ==, "int");
    g_assert_true(qdict_get_bool(e, "allow-oob", false));
    g_assert_cmpstr(qstring_get(qlist_at(qdict_get(e, "features"), 0)), ==,
                    "unstable");
    g_assert_cmpint(qlist_size(members), ==, 2);
    g_assert_false(qdict_has(qlist_at(members, 0), "default"));
    g_assert_true(qdict_has(qlist_at(members, 1), "default"));
    g_assert_cmpstr(qdict_get_str(echo, "arg-type"), ==,
                    qdict_get_str(echo, "ret-type"));
    schema_entry(schema, "[str]");
    schema_entry(schema, "WITH_DATA");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/struct", test_struct);
    g_test_add_func("/qapi/union", test_union);
    g_test_add_func("/qapi/alternate", test_alternate);
    g_test_add_func("/qapi/keyval", test_keyval);
    g_test_add_func("/qapi/enum", test_enum);
    g_test_add_func("/qapi/commands", test_commands);
    g_test_add_func("/qapi/events", test_events);
    g_test_add_func("/qapi/introspection", test_introspection);
    return g_test_run();
}
