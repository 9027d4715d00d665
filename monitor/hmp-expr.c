/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions and formats of the human monitor.
 *
 *   sum     = logic { ("+" | "-") logic }
 *   logic   = prod { ("&" | "|" | "^") prod }
 *   prod    = unary { ("*" | "/" | "%") unary }
 *   unary   = { "+" | "-" | "~" } ( number | 'c' | $reg | "(" sum ")" )
 *
 * 64-bit two's complement.  That & | ^ bind closer than + and - is the
 * interface's tradition.
 */
#include "osdep.h"
#include "exec/cpu-debug.h"
#include "hmp-int.h"

#define MAX_DEPTH 200

typedef struct Eval {
    Hmp *mon;
    const char *p;
    int depth;
    Error **errp;
} Eval;

static bool eval_sum(Eval *e, uint64_t *v);

static void skip_space(Eval *e)
{
    while (g_ascii_isspace(*e->p)) {
        e->p++;
    }
}

static bool eval_char(Eval *e, uint64_t *v)
{
    if (!e->p[1] || e->p[2] != '\'') {
        error_setg(e->errp, "missing terminating \"'\" character");
        return false;
    }
    *v = (uint8_t)e->p[1];
    e->p += 3;
    return true;
}

static bool eval_number(Eval *e, uint64_t *v)
{
    char *end;

    if (!*e->p) {
        error_setg(e->errp, "unexpected end of expression");
        return false;
    }
    errno = 0;
    *v = strtoull(e->p, &end, 0);
    if (errno == ERANGE) {
        error_setg(e->errp, "number too large");
        return false;
    }
    if (end == e->p || !g_ascii_isdigit(*e->p)) {
        error_setg(e->errp, "invalid char '%c' in expression", *e->p);
        return false;
    }
    e->p = end;
    return true;
}

static bool eval_register(Eval *e, uint64_t *v)
{
    CPUState *cpu = hmp_cpu(e->mon);
    size_t n = strspn(e->p + 1, "abcdefghijklmnopqrstuvwxyz0123456789._");
    g_autofree char *name = g_strndup(e->p + 1, n);

    if (!cpu || !cpu_register(cpu, name, v)) {
        error_setg(e->errp, "unknown register '$%s'", name);
        return false;
    }
    e->p += n + 1;
    return true;
}

static bool eval_unary(Eval *e, uint64_t *v)
{
    bool ok = true;

    skip_space(e);
    if (++e->depth > MAX_DEPTH) {
        error_setg(e->errp, "expression nested too deep");
        return false;
    }
    switch (*e->p) {
    case '+':
        e->p++;
        ok = eval_unary(e, v);
        break;
    case '-':
        e->p++;
        ok = eval_unary(e, v);
        *v = -*v;
        break;
    case '~':
        e->p++;
        ok = eval_unary(e, v);
        *v = ~*v;
        break;
    case '(':
        e->p++;
        ok = eval_sum(e, v);
        if (ok && *e->p != ')') {
            error_setg(e->errp, "')' expected");
            ok = false;
        } else if (ok) {
            e->p++;
        }
        break;
    case '\'':
        ok = eval_char(e, v);
        break;
    case '$':
        ok = eval_register(e, v);
        break;
    default:
        ok = eval_number(e, v);
        break;
    }
    e->depth--;
    skip_space(e);
    return ok;
}

static bool eval_prod(Eval *e, uint64_t *v)
{
    uint64_t r = 0;

    if (!eval_unary(e, v)) {
        return false;
    }
    while (*e->p && strchr("*/%", *e->p)) {
        char op = *e->p++;

        if (!eval_unary(e, &r)) {
            return false;
        }
        if (op != '*' && r == 0) {
            error_setg(e->errp, "division by zero");
            return false;
        }
        if (op == '*') {
            *v *= r;
        } else if (r == UINT64_MAX) { /* by -1: INT64_MIN would trap */
            *v = op == '/' ? -*v : 0;
        } else if (op == '/') {
            *v = (uint64_t)((int64_t)*v / (int64_t)r);
        } else {
            *v = (uint64_t)((int64_t)*v % (int64_t)r);
        }
    }
    return true;
}

static bool eval_logic(Eval *e, uint64_t *v)
{
    uint64_t r = 0;

    if (!eval_prod(e, v)) {
        return false;
    }
    while (*e->p && strchr("&|^", *e->p)) {
        char op = *e->p++;

        if (!eval_prod(e, &r)) {
            return false;
        }
        *v = op == '&' ? *v & r : op == '|' ? *v | r : *v ^ r;
    }
    return true;
}

static bool eval_sum(Eval *e, uint64_t *v)
{
    uint64_t r = 0;

    if (!eval_logic(e, v)) {
        return false;
    }
    while (*e->p == '+' || *e->p == '-') {
        char op = *e->p++;

        if (!eval_logic(e, &r)) {
            return false;
        }
        *v = op == '+' ? *v + r : *v - r;
    }
    return true;
}

bool hmp_eval(Hmp *mon, const char **p, int64_t *value, Error **errp)
{
    Eval e = { .mon = mon, .p = *p, .errp = errp };
    uint64_t v = 0;
    bool ok = eval_sum(&e, &v);

    *p = e.p;
    *value = (int64_t)v;
    return ok;
}

bool hmp_parse_format(const char *text, HmpFormat *f, Error **errp)
{
    const char *p = text;
    char *end;

    if (g_ascii_isdigit(*p)) {
        unsigned long n = strtoul(p, &end, 10);

        if (n > 1 << 20) {
            error_setg(errp, "count '%lu' is too large", n);
            return false;
        }
        f->count = n;
        p = end;
    }
    for (; *p; p++) {
        if (strchr("xduoci", *p)) {
            f->format = *p;
        } else if (*p == 'b') {
            f->size = 1;
        } else if (*p == 'h') {
            f->size = 2;
        } else if (*p == 'w') {
            f->size = 4;
        } else if (*p == 'g' || *p == 'L') {
            f->size = 8;
        } else {
            error_setg(errp, "invalid char in format: '%c'", *p);
            return false;
        }
    }
    return true;
}

static char *format_char(uint8_t c)
{
    static const char names[] = "\nn\rr\tt\vv\aa\bb\ff\\\\''";

    for (size_t i = 0; names[i]; i += 2) {
        if (names[i] == (char)c) {
            return g_strdup_printf("'\\%c'", names[i + 1]);
        }
    }
    return c >= ' ' && c < 127 ? g_strdup_printf("'%c'", c)
                               : g_strdup_printf("'\\x%02x'", c);
}

char *hmp_format_value(const HmpFormat *f, uint64_t v, bool pad)
{
    /* Widest texts of 1, 2, 4 and 8 bytes. */
    static const int oct[] = { 3, 6, 11, 22 }, dec[] = { 4, 6, 11, 20 };
    int shift = 64 - f->size * 8, i = g_bit_nth_lsf(f->size, -1);
    int64_t s = (int64_t)(v << shift) >> shift;

    v = v << shift >> shift;
    switch (f->format) {
    case 'o':
        return g_strdup_printf("0%0*" PRIo64, pad ? oct[i] : 0, v);
    case 'd':
        return g_strdup_printf("%*" PRId64, pad ? dec[i] : 0, s);
    case 'u':
        return g_strdup_printf("%*" PRIu64, pad ? dec[i] - 1 : 0, v);
    case 'c':
        return format_char(v);
    default:
        return g_strdup_printf("0x%0*" PRIx64, pad ? f->size * 2 : 0, v);
    }
}
