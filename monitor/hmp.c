/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The human monitor: sessions on a back end, lines to commands, arguments by
 * the types in the tables (hmp-int.h).
 */
#include "osdep.h"
#include "exec/cpu.h"
#include "hmp-int.h"
#include "readline.h"
#include "util/option.h"

struct Hmp {
    ListNode node;
    CharFrontend fe;
    bool attached;      /* false: output goes to @text (hmp_run) */
    MonOut out;
    GString *text;
    Readline readline;
    int cpu_index;
    bool focus;         /* of a mux: the user looks at us */
};

static ListNode monitors = LIST_INIT(monitors);

/* ---- Output ---- */

static void emit(Hmp *mon, const char *s, size_t len)
{
    if (mon->attached) {
        mon_out_write(&mon->out, s, len);
    } else {
        g_string_append_len(mon->text, s, len);
    }
}

void hmp_printf(Hmp *mon, const char *fmt, ...)
{
    g_autofree char *s = NULL;
    GString *out = g_string_new(NULL);
    va_list ap;

    va_start(ap, fmt);
    s = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    for (const char *p = s; *p; p++) {
        if (*p == '\n') {
            g_string_append_c(out, '\r');
        }
        g_string_append_c(out, *p);
    }
    emit(mon, out->str, out->len);
    g_string_free(out, TRUE);
}

/* error_report() by what a command calls. */
static void report_line(void *opaque, const char *line)
{
    hmp_printf(opaque, "%s%s", line, g_str_has_suffix(line, "\n") ? "" : "\n");
}

CPUState *hmp_cpu(Hmp *mon)
{
    CPUState *cpu = cpu_by_index(mon->cpu_index);

    return cpu ? cpu : cpu_first();
}

bool hmp_set_cpu(Hmp *mon, int64_t index)
{
    if (index < 0 || index > INT_MAX || !cpu_by_index(index)) {
        return false;
    }
    mon->cpu_index = index;
    return true;
}

void hmp_print_history(Hmp *mon)
{
    if (mon->attached) {
        for (guint i = 0; i < mon->readline.history->len; i++) {
            hmp_printf(mon, "%u: '%s'\n", i,
                       (char *)g_ptr_array_index(mon->readline.history, i));
        }
    }
}

/* ---- Words and arguments ---- */

static void skip_space(const char **p)
{
    while (g_ascii_isspace(**p)) {
        (*p)++;
    }
}

/* A word, or "text" with \n \r \\ \' \" in it.  NULL: bad quoting. */
static char *take_string(const char **p)
{
    GString *s = g_string_new(NULL);

    skip_space(p);
    if (**p != '"') {
        while (**p && !g_ascii_isspace(**p)) {
            g_string_append_c(s, *(*p)++);
        }
        return g_string_free(s, FALSE);
    }
    for ((*p)++; **p != '"'; (*p)++) {
        char c = **p;

        if (c == '\\') {
            c = *++(*p);
            c = c == 'n' ? '\n' : c == 'r' ? '\r'
                : c && strchr("\\'\"", c) ? c : '\0';
        }
        if (!c) {
            g_string_free(s, TRUE);
            return NULL;
        }
        g_string_append_c(s, c);
    }
    (*p)++;
    return g_string_free(s, FALSE);
}

static QObject *read_string(const char *cmd, const char *type, const char **p,
                            Error **errp)
{
    g_autofree char *s = NULL;

    skip_space(p);
    if (!**p) {
        error_setg(errp, "%s: %s expected", cmd,
                   !strcmp(type, "file") ? "filename" : "string");
        return NULL;
    }
    s = take_string(p);
    if (!s) {
        error_setg(errp, "unsupported or unterminated quoting");
        return NULL;
    }
    return qstring_new(s);
}

static QObject *read_bool(const char **p, Error **errp)
{
    g_autofree char *s = take_string(p);

    if (s && (!strcmp(s, "on") || !strcmp(s, "off"))) {
        return qbool_new(!strcmp(s, "on"));
    }
    error_setg(errp, "Expected 'on' or 'off'");
    return NULL;
}

static QObject *read_size(const char **p, bool mib, Error **errp)
{
    g_autofree char *s = take_string(p);
    uint64_t v;

    if (!s || !parse_size("size", s, mib ? MiB : 1, &v, errp)) {
        return NULL;
    }
    return quint_new(v);
}

static QObject *read_number(const char **p, Error **errp)
{
    char *end;
    double d;

    skip_space(p);
    d = g_ascii_strtod(*p, &end);
    if (end == *p || (*end && !g_ascii_isspace(*end))) {
        error_setg(errp, "number expected");
        return NULL;
    }
    *p = end;
    return qfloat_new(d);
}

static QObject *read_opts(const char *cmd, const char **p, Error **errp)
{
    g_autofree char *s = NULL;

    skip_space(p);
    s = take_string(p);
    if (!s) {
        error_setg(errp, "%s: option list expected", cmd);
        return NULL;
    }
    return keyval_or_json_parse(s, NULL, NULL, errp);
}

/* One argument of @type; NULL and an error if there is none. */
static QObject *read_arg(Hmp *mon, const char *cmd, const char *type,
                         const char **p, Error **errp)
{
    int64_t v;

    if (!strcmp(type, "str") || !strcmp(type, "file")) {
        return read_string(cmd, type, p, errp);
    }
    if (!strcmp(type, "rest")) {
        QObject *q;

        skip_space(p);
        q = qstring_new(*p);
        *p += strlen(*p);
        return q;
    }
    if (!strcmp(type, "bool")) {
        return read_bool(p, errp);
    }
    if (!strcmp(type, "size") || !strcmp(type, "mib")) {
        return read_size(p, !strcmp(type, "mib"), errp);
    }
    if (!strcmp(type, "number")) {
        return read_number(p, errp);
    }
    if (!strcmp(type, "opts")) {
        return read_opts(cmd, p, errp);
    }
    if (!hmp_eval(mon, p, &v, errp)) {
        return NULL;
    }
    if (!strcmp(type, "int") && (v < INT32_MIN || v > UINT32_MAX)) {
        error_setg(errp, "integer is for 32-bit values");
        return NULL;
    }
    return qint_new(v);
}

/* "-f" if it is next; flags stand as single letters or together. */
static bool take_flag(const char **p, char flag)
{
    skip_space(p);
    if ((*p)[0] == '-' && (*p)[1] == flag &&
        (!(*p)[2] || g_ascii_isspace((*p)[2]))) {
        *p += 2;
        return true;
    }
    return false;
}

/* The dict of arguments of @c from @p; NULL and an error. */
static QObject *parse_args(Hmp *mon, const HmpCommand *c, const char *p,
                           Error **errp)
{
    g_auto(GStrv) specs = g_strsplit(c->args, " ", -1);
    g_autoptr(QObject) args = qdict_new();

    for (char **spec = specs; *spec && **spec; spec++) {
        char *type = strchr(*spec, ':');
        bool optional;
        QObject *v;

        *type++ = '\0';
        if (**spec == '-') {
            if (take_flag(&p, (*spec)[1])) {
                qdict_put_bool(args, type, true);
            }
            continue;
        }
        if (!strcmp(type, "fmt")) {
            g_autofree char *fmt = NULL;

            skip_space(&p);
            fmt = *p == '/' ? (p++, take_string(&p)) : g_strdup("");
            qdict_put_str(args, *spec, fmt ? fmt : "");
            continue;
        }
        optional = g_str_has_suffix(type, "?");
        if (optional) {
            type[strlen(type) - 1] = '\0';
            skip_space(&p);
            if (!*p) {
                continue;
            }
        }
        v = read_arg(mon, c->name, type, &p, errp);
        if (!v) {
            return NULL;
        }
        qdict_put(args, *spec, v);
    }
    skip_space(&p);
    if (*p) {
        error_setg(errp, "%s: extraneous characters at the end of line",
                   c->name);
        return NULL;
    }
    return g_steal_pointer(&args);
}

/* ---- Lines ---- */

/* Is @word one of the names in "stop|s"? */
static bool name_matches(const char *names, const char *word, size_t len)
{
    while (*names) {
        size_t n = strcspn(names, "|");

        if (n == len && !strncmp(names, word, n)) {
            return true;
        }
        names += n + (names[n] == '|');
    }
    return false;
}

static const HmpCommand *find_row(const HmpCommand *table, const char *word,
                                  size_t len)
{
    for (; table->name; table++) {
        if (name_matches(table->name, word, len)) {
            return table;
        }
    }
    return NULL;
}

/* The row that @line names; *@rest is what follows the names. */
static const HmpCommand *find_command(const char *line, const char **rest)
{
    const HmpCommand *table = hmp_commands, *row = NULL;

    for (;;) {
        size_t len;

        skip_space(&line);
        len = strcspn(line, " \t\n\r\f\v/");
        if (table == hmp_commands && *line == '?') {
            len = 1;
        }
        if (!len && row) {
            break; /* "info" alone */
        }
        row = find_row(table, line, len);
        if (!row) {
            return NULL;
        }
        line += len;
        if (!row->sub) {
            break;
        }
        table = row->sub;
    }
    *rest = line;
    return row;
}

static void execute(Hmp *mon, const char *line)
{
    const char *rest;
    const HmpCommand *c;
    g_autoptr(QObject) args = NULL;
    Error *err = NULL;

    skip_space(&line);
    if (!*line || *line == '#') {
        return;
    }
    c = find_command(line, &rest);
    if (!c) {
        g_autofree char *word = g_strchomp(g_strdup(line));

        hmp_printf(mon, "unknown command: '%s'\n", word);
        return;
    }
    if (c->sub) {
        args = qdict_new();
        qdict_put_str(args, "name", c->name);
        hmp_help(mon, args, &err);
        return;
    }
    args = parse_args(mon, c, rest, &err);
    if (!args) {
        g_autofree char *path = g_strndup(line, rest - line);

        hmp_printf(mon, "%s\nTry \"help %s\" for more information\n",
                   error_get_pretty(err), g_strstrip(path));
        error_free(err);
        return;
    }
    error_set_sink(report_line, mon);
    c->run(mon, args, &err);
    error_set_sink(NULL, NULL);
    if (err) {
        hmp_printf(mon, "Error: %s\n", error_get_pretty(err));
        error_free(err);
    }
}

char *hmp_run(const char *line, int64_t cpu_index, Error **errp)
{
    Hmp mon = { .focus = true };

    if (cpu_index >= 0 && !hmp_set_cpu(&mon, cpu_index)) {
        error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
        return NULL;
    }
    mon.text = g_string_new(NULL);
    execute(&mon, line);
    return g_string_free(mon.text, FALSE);
}

/* ---- Sessions ---- */

static void editor_write(void *opaque, const char *text, size_t len)
{
    emit(opaque, text, len);
}

static void editor_line(void *opaque, const char *line)
{
    Hmp *mon = opaque;

    execute(mon, line);
    if (chr_fe_backend_open(&mon->fe)) {
        readline_prompt(&mon->readline);
    }
}

void hmp_complete_with(Hmp *mon, const char *word, const char *candidate)
{
    if (g_str_has_prefix(candidate, word)) {
        readline_add_completion(&mon->readline, candidate);
    }
}

static void complete_names(Hmp *mon, const HmpCommand *table, const char *word)
{
    for (; table->name; table++) {
        g_auto(GStrv) names = g_strsplit(table->name, "|", -1);

        for (char **n = names; *n; n++) {
            hmp_complete_with(mon, word, *n);
        }
    }
}

static void editor_complete(void *opaque, const char *line)
{
    Hmp *mon = opaque;
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
    const HmpCommand *table = hmp_commands, *row = NULL;
    int n = g_strv_length(words), arg = 0;

    /* All but the last are complete; empty ones come of double spaces. */
    for (int i = 0; i + 1 < n; i++) {
        if (!*words[i]) {
            continue;
        }
        if (table) {
            row = find_row(table, words[i], strlen(words[i]));
            if (!row) {
                return;
            }
            table = row->run == hmp_help ? hmp_commands : row->sub;
        } else {
            arg++;
        }
    }
    if (n > 0 && table) {
        complete_names(mon, table, words[n - 1]);
    } else if (n > 0 && row->complete) {
        row->complete(mon, arg, words[n - 1]);
    }
}

static const ReadlineOps editor_ops = {
    .write = editor_write,
    .line = editor_line,
    .complete = editor_complete,
};

static int can_read(void *opaque)
{
    Hmp *mon = opaque;

    return mon->out.buf->len < MON_OUT_HIGH ? 256 : 0;
}

static void read_bytes(void *opaque, const uint8_t *buf, int len)
{
    Hmp *mon = opaque;

    for (int i = 0; i < len; i++) {
        readline_feed(&mon->readline, buf[i]);
    }
}

static void event(void *opaque, ChrEvent ev)
{
    Hmp *mon = opaque;

    switch (ev) {
    case CHR_EVENT_OPENED:
        mon_out_reset(&mon->out);
        mon->readline.state = KEY_PLAIN;
        hmp_printf(mon, "QEMU %d.%d.%d monitor - type 'help' for more "
                   "information\n", VERSION_MAJOR, VERSION_MINOR,
                   VERSION_MICRO);
        readline_prompt(&mon->readline);
        break;
    case CHR_EVENT_MUX_IN:
        if (!mon->focus) {
            mon->focus = true;
            readline_redraw(&mon->readline);
        }
        break;
    case CHR_EVENT_MUX_OUT:
        if (mon->focus) {
            hmp_printf(mon, "\n");
            mon->focus = false;
        }
        break;
    case CHR_EVENT_CLOSED:
        mon_out_reset(&mon->out);
        break;
    default:
        break;
    }
}

bool hmp_monitor_new(Chardev *chr, Error **errp)
{
    Hmp *mon = g_new0(Hmp, 1);

    if (!chr_fe_init(&mon->fe, chr, errp)) {
        g_free(mon);
        return false;
    }
    mon->attached = true;
    mon->focus = true;
    mon_out_init(&mon->out, &mon->fe);
    readline_init(&mon->readline, "(qemu) ", &editor_ops, mon);
    list_append(&monitors, &mon->node);
    chr_fe_set_handlers(&mon->fe, can_read, read_bytes, event, mon);
    return true;
}

void hmp_monitors_cleanup(void)
{
    Hmp *mon, *tmp;

    list_foreach_safe(mon, tmp, &monitors, node) {
        list_remove(&mon->node);
        mon_out_drain(&mon->out);
        mon_out_fini(&mon->out);
        chr_fe_deinit(&mon->fe);
        readline_fini(&mon->readline);
        g_free(mon);
    }
}
