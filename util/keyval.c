/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `key=value,...` text to dicts and back; nesting by dotted keys. */
#include "osdep.h"
#include "util/option.h"

/* The value up to a single comma; ",," is one.  *@p moves past the comma. */
static char *take_value(const char **p)
{
    GString *s = g_string_new(NULL);

    for (; **p; (*p)++) {
        if (**p == ',') {
            if ((*p)[1] != ',') {
                (*p)++;
                break;
            }
            (*p)++;
        }
        g_string_append_c(s, **p);
    }
    return g_string_free(s, FALSE);
}

/* A key of @lists gathers its values as [{"str": value}, ...]. */
static void put_value(QObject *dict, const char *key, const char *value,
                      const char *const *lists)
{
    QObject *list, *item;

    if (!lists || !g_strv_contains(lists, key)) {
        qdict_put(dict, key, qstring_new(value));
        return;
    }
    list = qdict_get(dict, key);
    if (!list) {
        list = qlist_new();
        qdict_put(dict, key, list);
    }
    item = qdict_new();
    qdict_put_str(item, "str", value);
    qlist_append(list, item);
}

QObject *keyval_parse(const char *text, const char *implied, bool *help,
                      Error **errp)
{
    return keyval_parse_lists(text, implied, NULL, help, errp);
}

QObject *keyval_parse_lists(const char *text, const char *implied,
                            const char *const *lists, bool *help, Error **errp)
{
    g_autoptr(QObject) dict = qdict_new();
    const char *p = text;
    bool first = true;

    while (*p) {
        size_t len = strcspn(p, "=,");
        g_autofree char *value = NULL, *key = NULL;

        if (p[len] == '=') {
            if (len == 0) {
                error_setg(errp, "Expected a parameter name before '%s'", p);
                return NULL;
            }
            key = g_strndup(p, len);
            p += len + 1;
            value = take_value(&p);
        } else {
            value = take_value(&p);
            if (help && (!strcmp(value, "help") || !strcmp(value, "?"))) {
                *help = true;
                first = false;
                continue;
            }
            if (first && implied) {
                key = g_strdup(implied);
            } else if (!*value) {
                error_setg(errp, "Expected parameter before ','");
                return NULL;
            } else if (g_str_has_prefix(value, "no") && value[2]) {
                key = g_strdup(value + 2);
                g_free(value);
                value = g_strdup("off");
            } else {
                key = g_steal_pointer(&value);
                value = g_strdup("on");
            }
        }
        put_value(dict, key, value, lists);
        first = false;
    }
    return g_steal_pointer(&dict);
}

QObject *keyval_or_json_parse(const char *text, const char *implied,
                              bool *help, Error **errp)
{
    QObject *v;

    if (*text != '{') {
        return keyval_parse(text, implied, help, errp);
    }
    v = json_parse(text, errp);
    return v;
}

/* "0".."65535": the index, else -1. */
static int list_index(const char *key)
{
    char *end;
    long n = strtol(key, &end, 10);

    return g_ascii_isdigit(*key) && !*end && n <= 65535 ? (int)n : -1;
}

/* Dicts whose keys are all 0..n-1 become lists. */
static QObject *listify(QObject *v, Error **errp)
{
    size_t n, indexes = 0;
    g_autoptr(QObject) out = NULL;

    if (qobject_type(v) != QTYPE_DICT) {
        return qobject_ref(v);
    }
    n = qdict_size(v);
    for (size_t i = 0; i < n; i++) {
        indexes += list_index(qdict_key_at(v, i)) >= 0;
    }
    if (indexes && indexes < n) {
        error_setg(errp, "Cannot mix list and non-list keys at '%s'",
                   qdict_key_at(v, 0));
        return NULL;
    }
    out = indexes ? qlist_new() : qdict_new();
    for (size_t i = 0; i < n; i++) {
        g_autofree char *num = g_strdup_printf("%zu", i);
        const char *key = indexes ? num : qdict_key_at(v, i);
        QObject *item = qdict_get(v, key), *converted;

        if (!item) {
            error_setg(errp, "List index %zu missing", i);
            return NULL;
        }
        converted = listify(item, errp);
        if (!converted) {
            return NULL;
        }
        if (indexes) {
            qlist_append(out, converted);
        } else {
            qdict_put(out, key, converted);
        }
    }
    return g_steal_pointer(&out);
}

QObject *keyval_crumple(QObject *flat, Error **errp)
{
    g_autoptr(QObject) root = qdict_new();

    for (size_t i = 0; i < qdict_size(flat); i++) {
        const char *full = qdict_key_at(flat, i);
        g_auto(GStrv) parts = g_strsplit(full, ".", -1);
        QObject *at = root, *next;
        unsigned k;

        for (k = 0; parts[k + 1]; k++) {
            next = qdict_get(at, parts[k]);
            if (!next) {
                next = qdict_new();
                qdict_put(at, parts[k], next);
            } else if (qobject_type(next) != QTYPE_DICT) {
                error_setg(errp, "Parameters '%s.*' used inconsistently",
                           parts[k]);
                return NULL;
            }
            at = next;
        }
        if (qdict_has(at, parts[k])) {
            error_setg(errp, "Parameter '%s' used inconsistently", full);
            return NULL;
        }
        qdict_put(at, parts[k], qobject_ref(qdict_value_at(flat, i)));
    }
    return listify(root, errp);
}

static void flatten(QObject *out, const char *prefix, QObject *v)
{
    bool dict = qobject_type(v) == QTYPE_DICT;
    size_t n;

    if (!dict && qobject_type(v) != QTYPE_LIST) {
        qdict_put(out, prefix, qobject_ref(v));
        return;
    }
    n = dict ? qdict_size(v) : qlist_size(v);
    for (size_t i = 0; i < n; i++) {
        g_autofree char *key =
            dict ? g_strdup_printf("%s%s%s", prefix, *prefix ? "." : "",
                                   qdict_key_at(v, i))
                 : g_strdup_printf("%s.%zu", prefix, i);

        flatten(out, key, dict ? qdict_value_at(v, i) : qlist_at(v, i));
    }
}

QObject *keyval_flatten(QObject *nested)
{
    QObject *out = qdict_new();

    flatten(out, "", nested);
    return out;
}

static void append_pair(GString *out, const char *key, const QObject *v)
{
    g_autofree char *json = NULL;
    const char *s;

    if (out->len) {
        g_string_append_c(out, ',');
    }
    g_string_append_printf(out, "%s=", key);
    if (qobject_type(v) == QTYPE_BOOL) {
        s = qbool_get(v) ? "on" : "off";
    } else if (qobject_type(v) == QTYPE_STRING) {
        s = qstring_get(v);
    } else {
        s = json = json_to_string(v, false);
    }
    for (; *s; s++) {
        g_string_append_c(out, *s);
        if (*s == ',') {
            g_string_append_c(out, ',');
        }
    }
}

char *keyval_to_text(const QObject *dict)
{
    GString *out = g_string_new(NULL);
    QObject *id = qdict_get(dict, "id");

    if (id) {
        append_pair(out, "id", id);
    }
    for (size_t i = 0; i < qdict_size(dict); i++) {
        if (strcmp(qdict_key_at(dict, i), "id") != 0) {
            append_pair(out, qdict_key_at(dict, i), qdict_value_at(dict, i));
        }
    }
    return g_string_free(out, FALSE);
}
