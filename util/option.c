/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option values: booleans, numbers, sizes, and typed reading of dicts. */
#include "osdep.h"
#include "util/option.h"
#include <math.h>

bool parse_bool(const char *name, const char *s, bool *out, Error **errp)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(yes, s)) {
        *out = true;
    } else if (g_strv_contains(no, s)) {
        *out = false;
    } else {
        error_setg(errp, "Parameter '%s' expects 'on' or 'off'", name);
        return false;
    }
    return true;
}

bool parse_uint64(const char *name, const char *s, uint64_t *out, Error **errp)
{
    char *end;

    errno = 0;
    *out = strtoull(s, &end, 0);
    if (!*s || *end || errno || strchr(s, '-') || g_ascii_isspace(*s)) {
        error_setg(errp, "Parameter '%s' expects a number", name);
        return false;
    }
    return true;
}

bool parse_int64(const char *name, const char *s, int64_t *out, Error **errp)
{
    char *end;

    errno = 0;
    *out = strtoll(s, &end, 0);
    if (!*s || *end || errno || g_ascii_isspace(*s)) {
        error_setg(errp, "Parameter '%s' expects a number", name);
        return false;
    }
    return true;
}

bool parse_size(const char *name, const char *s, uint64_t unit_default,
                uint64_t *out, Error **errp)
{
    static const char suffixes[] = "BKMGTPE";
    uint64_t unit = unit_default, whole;
    const char *at;
    char *end;
    double frac = 0;

    errno = 0;
    if (!g_ascii_isdigit(*s)) {
        goto bad;
    }
    whole = strtoull(s, &end, s[0] == '0' && (s[1] | 32) == 'x' ? 16 : 10);
    if (errno) {
        goto too_large;
    }
    if (*end == '.') {
        const char *start = end;

        frac = g_ascii_strtod(start, &end);
        if (end == start + 1 && !g_ascii_isdigit(start[1])) {
            goto bad;
        }
    }
    if (*end) {
        at = strchr(suffixes, g_ascii_toupper(*end));
        if (!at || end[1]) {
            goto bad;
        }
        unit = UINT64_C(1) << (10 * (at - suffixes));
    }
    if (frac != 0 && unit == 1) {
        goto bad; /* no fractions of a byte */
    }
    if (whole > (UINT64_MAX - (uint64_t)(frac * unit)) / unit) {
        goto too_large;
    }
    *out = whole * unit + (uint64_t)(frac * unit);
    return true;
bad:
    error_setg(errp, "Parameter '%s' expects a non-negative number below 2^64",
               name);
    error_append_hint(errp,
                      "Optional suffix k, M, G, T, P or E means kilo-, mega-, "
                      "giga-, tera-, peta-\nand exabytes, respectively.\n");
    return false;
too_large:
    error_setg(errp, "Value '%s' is too large for parameter '%s'", s, name);
    return false;
}

static bool expect(const char *key, const char *what, Error **errp)
{
    error_setg(errp, "Parameter '%s' expects %s", key, what);
    return false;
}

bool opts_take_str(QObject *opts, const char *key, char **out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(opts, key);

    if (!v) {
        return true;
    }
    if (qobject_type(v) != QTYPE_STRING) {
        return expect(key, "a string", errp);
    }
    g_free(*out);
    *out = g_strdup(qstring_get(v));
    return true;
}

bool opts_take_bool(QObject *opts, const char *key, bool *out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(opts, key);

    if (!v) {
        return true;
    }
    if (qobject_type(v) == QTYPE_BOOL) {
        *out = qbool_get(v);
        return true;
    }
    if (qobject_type(v) != QTYPE_STRING) {
        return expect(key, "'on' or 'off'", errp);
    }
    return parse_bool(key, qstring_get(v), out, errp);
}

bool opts_take_u64(QObject *opts, const char *key, uint64_t *out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(opts, key);

    if (!v || qint_try_u64(v, out)) {
        return true;
    }
    if (qobject_type(v) != QTYPE_STRING) {
        return expect(key, "a number", errp);
    }
    return parse_uint64(key, qstring_get(v), out, errp);
}

bool opts_take_size(QObject *opts, const char *key, uint64_t *out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(opts, key);

    if (!v || qint_try_u64(v, out)) {
        return true;
    }
    if (qobject_type(v) != QTYPE_STRING) {
        return expect(key, "a size", errp);
    }
    return parse_size(key, qstring_get(v), 1, out, errp);
}

bool opts_take_enum(QObject *opts, const char *key, const char *const *names,
                    int *out, Error **errp)
{
    g_autoptr(QObject) v = qdict_steal(opts, key);
    g_autofree char *list = NULL;

    if (!v) {
        return true;
    }
    for (int i = 0; qobject_type(v) == QTYPE_STRING && names[i]; i++) {
        if (strcmp(names[i], qstring_get(v)) == 0) {
            *out = i;
            return true;
        }
    }
    list = g_strjoinv(", ", (char **)names);
    error_setg(errp, "Parameter '%s' does not accept value '%s' (valid: %s)",
               key, qobject_type(v) == QTYPE_STRING
                        ? qstring_get(v) : qtype_name(qobject_type(v)), list);
    return false;
}

bool opts_done(const QObject *opts, const char *const *known, Error **errp)
{
    const char *key = qdict_key_at(opts, 0), *near;

    if (!key) {
        return true;
    }
    near = known ? nearest_name(key, known) : NULL;
    if (near) {
        error_setg(errp, "Invalid parameter '%s' (did you mean '%s'?)", key,
                   near);
    } else {
        error_setg(errp, "Invalid parameter '%s'", key);
    }
    return false;
}

/* Levenshtein distance, rows of at most 63 characters. */
static unsigned distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned row[64];

    if (la > 63 || lb > 63) {
        return UINT_MAX;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        unsigned diag = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned up = row[j];
            unsigned sub = diag + (g_ascii_tolower(a[i - 1]) !=
                                   g_ascii_tolower(b[j - 1]));

            row[j] = MIN(sub, MIN(up, row[j - 1]) + 1);
            diag = up;
        }
    }
    return row[lb];
}

const char *nearest_name(const char *word, const char *const *names)
{
    unsigned best = MAX(strlen(word) / 2, 2), d;
    const char *name = NULL;

    for (; *names; names++) {
        d = distance(word, *names);
        if (d < best || (d == best && !name)) {
            best = d;
            name = *names;
        }
    }
    return name;
}

bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    for (id++; *id; id++) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}
