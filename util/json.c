/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text (RFC 8259) to values and back.  The reader also takes strings in
 * single quotes, as QMP always has.
 *
 * The stream splits its input at top-level values by counting brackets outside
 * of strings, so that after an error it goes on with the next value; each
 * piece goes through the one recursive-descent parser below.
 */
#include "osdep.h"
#include "util/qobject.h"
#include <math.h>

#define MAX_DEPTH  1024
#define MAX_TEXT   (64 * MiB)
#define MAX_TOKENS (UINT64_C(2) << 20)

typedef struct Parser {
    const char *text, *p, *end;
    unsigned depth;
    uint64_t tokens;
} Parser;

static QObject *fail(Parser *ps, Error **errp, const char *what)
{
    error_setg(errp, "JSON parse error, %s at offset %td", what,
               ps->p - ps->text);
    return NULL;
}

static void skip_space(Parser *ps)
{
    while (ps->p < ps->end && strchr(" \t\r\n", *ps->p) && *ps->p) {
        ps->p++;
    }
}

static int hex4(Parser *ps)
{
    int v = 0;

    if (ps->end - ps->p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int d = g_ascii_xdigit_value(*ps->p++);

        if (d < 0) {
            return -1;
        }
        v = v << 4 | d;
    }
    return v;
}

/* After "\u": appends the character; false if it is none. */
static bool parse_unicode(Parser *ps, GString *out)
{
    int c = hex4(ps), low;

    if (c >= 0xd800 && c < 0xdc00) {
        if (ps->end - ps->p < 6 || ps->p[0] != '\\' || ps->p[1] != 'u') {
            return false;
        }
        ps->p += 2;
        low = hex4(ps);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c <= 0 || (c >= 0xd800 && c < 0xe000)) {
        return false; /* lone surrogates, and NUL, which C cannot hold */
    }
    g_string_append_unichar(out, c);
    return true;
}

static char *parse_string_text(Parser *ps, Error **errp)
{
    char quote = *ps->p++;
    g_autoptr(GString) s = g_string_new(NULL);

    for (;;) {
        unsigned char c;

        if (ps->p >= ps->end) {
            fail(ps, errp, "missing end of string");
            return NULL;
        }
        c = *ps->p++;
        if (c == (unsigned char)quote) {
            break;
        }
        if (c < 0x20) {
            fail(ps, errp, "control character in string");
            return NULL;
        }
        if (c != '\\') {
            g_string_append_c(s, c);
            continue;
        }
        c = ps->p < ps->end ? *ps->p++ : 0;
        switch (c) {
        case '"': case '\'': case '\\': case '/':
            g_string_append_c(s, c);
            break;
        case 'b': g_string_append_c(s, '\b'); break;
        case 'f': g_string_append_c(s, '\f'); break;
        case 'n': g_string_append_c(s, '\n'); break;
        case 'r': g_string_append_c(s, '\r'); break;
        case 't': g_string_append_c(s, '\t'); break;
        case 'u':
            if (!parse_unicode(ps, s)) {
                fail(ps, errp, "invalid \\u escape");
                return NULL;
            }
            break;
        default:
            fail(ps, errp, "invalid escape");
            return NULL;
        }
    }
    if (!g_utf8_validate(s->str, s->len, NULL)) {
        fail(ps, errp, "invalid UTF-8");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&s), FALSE);
}

static QObject *parse_number(Parser *ps, Error **errp)
{
    const char *start = ps->p, *p = ps->p, *digits;
    g_autofree char *text = NULL;
    bool integer = true;
    double f;

    if (p < ps->end && *p == '-') {
        p++;
    }
    digits = p;
    while (p < ps->end && g_ascii_isdigit(*p)) {
        p++;
    }
    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return fail(ps, errp, "invalid number");
    }
    if (p < ps->end && *p == '.') {
        const char *frac = ++p;

        integer = false;
        while (p < ps->end && g_ascii_isdigit(*p)) {
            p++;
        }
        if (p == frac) {
            return fail(ps, errp, "invalid number");
        }
    }
    if (p < ps->end && (*p == 'e' || *p == 'E')) {
        const char *exp;

        integer = false;
        p++;
        if (p < ps->end && (*p == '+' || *p == '-')) {
            p++;
        }
        exp = p;
        while (p < ps->end && g_ascii_isdigit(*p)) {
            p++;
        }
        if (p == exp) {
            return fail(ps, errp, "invalid number");
        }
    }
    text = g_strndup(start, p - start);
    ps->p = p;
    if (integer) {
        errno = 0;
        if (*text == '-') {
            int64_t v = g_ascii_strtoll(text, NULL, 10);

            if (errno == 0) {
                return qint_new(v);
            }
        } else {
            uint64_t v = g_ascii_strtoull(text, NULL, 10);

            if (errno == 0) {
                return quint_new(v);
            }
        }
    }
    f = g_ascii_strtod(text, NULL);
    return isfinite(f) ? qfloat_new(f)
                       : fail(ps, errp, "number out of range");
}

static QObject *parse_value(Parser *ps, Error **errp);

static QObject *parse_dict(Parser *ps, Error **errp)
{
    g_autoptr(QObject) dict = qdict_new();

    ps->p++;
    skip_space(ps);
    if (ps->p < ps->end && *ps->p == '}') {
        ps->p++;
        return g_steal_pointer(&dict);
    }
    for (;;) {
        g_autofree char *key = NULL;
        QObject *v;

        skip_space(ps);
        if (ps->p >= ps->end || (*ps->p != '"' && *ps->p != '\'')) {
            return fail(ps, errp, "expecting a key string");
        }
        key = parse_string_text(ps, errp);
        if (!key) {
            return NULL;
        }
        if (qdict_has(dict, key)) {
            error_setg(errp, "JSON parse error, duplicate key '%s'", key);
            return NULL;
        }
        skip_space(ps);
        if (ps->p >= ps->end || *ps->p != ':') {
            return fail(ps, errp, "expecting ':'");
        }
        ps->p++;
        v = parse_value(ps, errp);
        if (!v) {
            return NULL;
        }
        qdict_put(dict, key, v);
        skip_space(ps);
        if (ps->p < ps->end && *ps->p == ',') {
            ps->p++;
        } else if (ps->p < ps->end && *ps->p == '}') {
            ps->p++;
            return g_steal_pointer(&dict);
        } else {
            return fail(ps, errp, "expecting ',' or '}'");
        }
    }
}

static QObject *parse_list(Parser *ps, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();

    ps->p++;
    skip_space(ps);
    if (ps->p < ps->end && *ps->p == ']') {
        ps->p++;
        return g_steal_pointer(&list);
    }
    for (;;) {
        QObject *v = parse_value(ps, errp);

        if (!v) {
            return NULL;
        }
        qlist_append(list, v);
        skip_space(ps);
        if (ps->p < ps->end && *ps->p == ',') {
            ps->p++;
        } else if (ps->p < ps->end && *ps->p == ']') {
            ps->p++;
            return g_steal_pointer(&list);
        } else {
            return fail(ps, errp, "expecting ',' or ']'");
        }
    }
}

static QObject *parse_word(Parser *ps, Error **errp)
{
    static const struct {
        const char *word;
        size_t len;
    } words[] = { { "true", 4 }, { "false", 5 }, { "null", 4 } };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        if ((size_t)(ps->end - ps->p) >= words[i].len &&
            memcmp(ps->p, words[i].word, words[i].len) == 0) {
            ps->p += words[i].len;
            return i == 2 ? qnull_new() : qbool_new(i == 0);
        }
    }
    return fail(ps, errp, "invalid keyword or character");
}

static QObject *parse_value(Parser *ps, Error **errp)
{
    QObject *v;
    char *s;

    skip_space(ps);
    if (ps->p >= ps->end) {
        return fail(ps, errp, "expecting a value");
    }
    if (++ps->tokens > MAX_TOKENS) {
        return fail(ps, errp, "too many tokens");
    }
    switch (*ps->p) {
    case '{':
    case '[':
        if (++ps->depth > MAX_DEPTH) {
            return fail(ps, errp, "nesting too deep");
        }
        v = *ps->p == '{' ? parse_dict(ps, errp) : parse_list(ps, errp);
        ps->depth--;
        return v;
    case '"':
    case '\'':
        s = parse_string_text(ps, errp);
        if (!s) {
            return NULL;
        }
        v = qstring_new(s);
        g_free(s);
        return v;
    case '-':
    case '0' ... '9':
        return parse_number(ps, errp);
    default:
        return parse_word(ps, errp);
    }
}

static QObject *parse_len(const char *text, size_t len, Error **errp)
{
    Parser ps = { .text = text, .p = text, .end = text + len };
    QObject *v = parse_value(&ps, errp);

    skip_space(&ps);
    if (v && ps.p < ps.end) {
        qobject_unref(v);
        return fail(&ps, errp, "trailing text");
    }
    return v;
}

QObject *json_parse(const char *text, Error **errp)
{
    return parse_len(text, strlen(text), errp);
}

/* --- writing --- */

static void write_string(GString *out, const char *s)
{
    g_string_append_c(out, '"');
    for (; *s; s++) {
        unsigned char c = *s;

        switch (c) {
        case '"': g_string_append(out, "\\\""); break;
        case '\\': g_string_append(out, "\\\\"); break;
        case '\b': g_string_append(out, "\\b"); break;
        case '\f': g_string_append(out, "\\f"); break;
        case '\n': g_string_append(out, "\\n"); break;
        case '\r': g_string_append(out, "\\r"); break;
        case '\t': g_string_append(out, "\\t"); break;
        default:
            if (c < 0x20 || c == 0x7f) {
                g_string_append_printf(out, "\\u%04x", c);
            } else {
                g_string_append_c(out, c);
            }
        }
    }
    g_string_append_c(out, '"');
}

static void newline(GString *out, int indent)
{
    if (indent >= 0) {
        g_string_append_c(out, '\n');
        for (int i = 0; i < indent; i++) {
            g_string_append(out, "    ");
        }
    }
}

/* @indent < 0: on one line. */
static void write_value(GString *out, const QObject *q, int indent)
{
    int inner = indent < 0 ? -1 : indent + 1;
    char buf[G_ASCII_DTOSTR_BUF_SIZE];
    size_t n;
    int64_t i;
    uint64_t u;

    switch (qobject_type(q)) {
    case QTYPE_NULL:
        g_string_append(out, "null");
        break;
    case QTYPE_BOOL:
        g_string_append(out, qbool_get(q) ? "true" : "false");
        break;
    case QTYPE_INT:
        if (qint_try_u64(q, &u)) {
            g_string_append_printf(out, "%" PRIu64, u);
        } else if (qint_try_i64(q, &i)) {
            g_string_append_printf(out, "%" PRId64, i);
        }
        break;
    case QTYPE_FLOAT:
        g_string_append(out, g_ascii_dtostr(buf, sizeof(buf),
                                            qnum_get_double(q)));
        break;
    case QTYPE_STRING:
        write_string(out, qstring_get(q));
        break;
    case QTYPE_LIST:
        n = qlist_size(q);
        g_string_append_c(out, '[');
        for (size_t k = 0; k < n; k++) {
            newline(out, inner);
            write_value(out, qlist_at(q, k), inner);
            if (k + 1 < n) {
                g_string_append(out, indent < 0 ? ", " : ",");
            }
        }
        if (n) {
            newline(out, indent);
        }
        g_string_append_c(out, ']');
        break;
    case QTYPE_DICT:
        n = qdict_size(q);
        g_string_append_c(out, '{');
        for (size_t k = 0; k < n; k++) {
            newline(out, inner);
            write_string(out, qdict_key_at(q, k));
            g_string_append(out, ": ");
            write_value(out, qdict_value_at(q, k), inner);
            if (k + 1 < n) {
                g_string_append(out, indent < 0 ? ", " : ",");
            }
        }
        if (n) {
            newline(out, indent);
        }
        g_string_append_c(out, '}');
        break;
    }
}

char *json_to_string(const QObject *q, bool pretty)
{
    GString *out = g_string_new(NULL);

    write_value(out, q, pretty ? 0 : -1);
    return g_string_free(out, FALSE);
}

/* --- stream --- */

struct JsonStream {
    JsonEmit emit;
    void *opaque;
    GString *buf;
    unsigned depth;
    char quote;      /* inside a string: its quote, else 0 */
    bool escaped;
    bool discard;    /* too long or too deep: to the end of this value */
};

JsonStream *json_stream_new(JsonEmit emit, void *opaque)
{
    JsonStream *s = g_new0(JsonStream, 1);

    s->emit = emit;
    s->opaque = opaque;
    s->buf = g_string_new(NULL);
    return s;
}

void json_stream_reset(JsonStream *s)
{
    g_string_truncate(s->buf, 0);
    s->depth = 0;
    s->quote = 0;
    s->escaped = false;
    s->discard = false;
}

void json_stream_free(JsonStream *s)
{
    if (s) {
        g_string_free(s->buf, TRUE);
        g_free(s);
    }
}

static void stream_end_value(JsonStream *s)
{
    GString *buf = s->buf;
    bool discard = s->discard;
    Error *err = NULL;
    QObject *v;

    /* emit() may reset or feed: leave a clean state first. */
    s->buf = g_string_new(NULL);
    json_stream_reset(s);
    if (!discard) {
        v = parse_len(buf->str, buf->len, &err);
        s->emit(s->opaque, v, err);
    }
    g_string_free(buf, TRUE);
}

static void stream_overflow(JsonStream *s, const char *what)
{
    Error *err = NULL;

    error_setg(&err, "JSON %s limit exceeded", what);
    s->discard = true;
    g_string_truncate(s->buf, 0);
    s->emit(s->opaque, NULL, err);
}

void json_stream_feed(JsonStream *s, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = buf[i];
        bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';

        if (s->quote) {
            if (c == '\n' || (unsigned char)c == 0xff) {
                /* Strings do not span lines: the value ends here. */
                s->quote = 0;
                if (!s->discard) {
                    g_string_append_c(s->buf, c);
                }
                stream_end_value(s);
                continue;
            }
            if (s->escaped) {
                s->escaped = false;
            } else if (c == '\\') {
                s->escaped = true;
            } else if (c == s->quote) {
                s->quote = 0;
            }
        } else if ((unsigned char)c == 0xff) {
            /* A client's way to resynchronise: forget all, say nothing. */
            json_stream_reset(s);
            continue;
        } else if (c == '"' || c == '\'') {
            s->quote = c;
        } else if (c == '{' || c == '[') {
            if (s->depth == 0 && s->buf->len) {
                stream_end_value(s); /* a bare word before it */
            }
            if (++s->depth > MAX_DEPTH && !s->discard) {
                stream_overflow(s, "nesting depth");
            }
        } else if (c == '}' || c == ']') {
            if (s->depth > 0) {
                s->depth--;
            }
            if (s->depth == 0) {
                if (!s->discard) {
                    g_string_append_c(s->buf, c);
                }
                stream_end_value(s);
                continue;
            }
        } else if (space && s->depth == 0) {
            if (s->buf->len || s->discard) {
                stream_end_value(s);
            }
            continue;
        }
        if (!s->discard) {
            if (s->buf->len >= MAX_TEXT) {
                stream_overflow(s, "token size");
            } else {
                g_string_append_c(s->buf, c);
            }
        }
    }
}
