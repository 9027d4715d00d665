/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -readconfig and -writeconfig.  A file is sections of `key = "value"` lines
 * under `[group]` or `[group "id"]`; # starts a comment line.
 */
#include "osdep.h"
#include "vmconfig.h"
#include "util/option.h"

typedef struct Section {
    char *group;   /* NULL: none open */
    QObject *opts;
    char *loc;     /* "FILE:LINE" */
} Section;

static bool section_end(VMConfig *cfg, Section *s, Error **errp)
{
    bool ok = !s->group ||
              options_add_section(cfg, s->group, s->opts, s->loc, errp);

    g_free(s->group);
    g_free(s->loc);
    qobject_unref(s->opts);
    *s = (Section){ 0 };
    return ok;
}

/* `[group]`, `[group "id"]`; false: not of this form. */
static bool parse_header(Section *s, const char *line)
{
    g_autoptr(GRegex) re =
        g_regex_new("^\\[\\s*([A-Za-z0-9_-]+)\\s*(?:\"([^\"]*)\")?\\s*\\]$",
                    0, 0, NULL);
    g_autoptr(GMatchInfo) m = NULL;
    g_autofree char *id = NULL;

    if (!g_regex_match(re, line, 0, &m)) {
        return false;
    }
    s->group = g_match_info_fetch(m, 1);
    s->opts = qdict_new();
    id = g_match_info_fetch(m, 2);
    if (id && *id) {
        qdict_put_str(s->opts, "id", id);
    }
    return true;
}

/* `key = "value"`. */
static bool parse_pair(Section *s, const char *line)
{
    const char *eq = strchr(line, '=');
    g_autofree char *key = g_strndup(line, eq ? (size_t)(eq - line) : 0);
    g_autofree char *value = NULL;
    size_t len;

    g_strchomp(key);
    if (!*key || !s->group) {
        return false;
    }
    value = g_strchug(g_strdup(eq + 1));
    len = strlen(value);
    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        return false;
    }
    value[len - 1] = '\0';
    qdict_put_str(s->opts, key, value + 1);
    return true;
}

bool config_read_file(VMConfig *cfg, const char *path, Error **errp)
{
    FILE *f = fopen(path, "re");
    Section s = { 0 };
    char *line = NULL;
    size_t cap = 0;
    int number = 0;
    bool ok = true;

    if (!f) {
        error_setg_errno(errp, errno, "-readconfig %s: cannot open the file",
                         path);
        return false;
    }
    while (ok && getline(&line, &cap, f) >= 0) {
        number++;
        g_strstrip(line);
        if (!*line || *line == '#') {
            continue;
        }
        if (*line == '[') {
            ok = section_end(cfg, &s, errp);
            if (!ok) {
                break;
            }
            s.loc = g_strdup_printf("%s:%d", path, number);
            ok = parse_header(&s, line);
        } else {
            ok = parse_pair(&s, line);
        }
        if (!ok) {
            error_setg(errp, "%s:%d: '%s' is neither [GROUP \"ID\"] nor "
                       "KEY = \"VALUE\" in a section", path, number, line);
        }
    }
    if (ok && ferror(f)) {
        error_setg(errp, "-readconfig %s: cannot read the file", path);
        ok = false;
    }
    if (ok) {
        ok = section_end(cfg, &s, errp);
    } else {
        g_free(s.group);
        g_free(s.loc);
        qobject_unref(s.opts);
    }
    g_free(line);
    fclose(f);
    return ok;
}

static void write_section(const char *group, const QObject *opts, void *opaque)
{
    g_autoptr(QObject) flat = keyval_flatten((QObject *)opts);
    const char *id = qdict_get_str(flat, "id");
    FILE *f = opaque;

    fprintf(f, "\n[%s", group);
    if (id) {
        fprintf(f, " \"%s\"", id);
    }
    fprintf(f, "]\n");
    for (size_t i = 0; i < qdict_size(flat); i++) {
        const char *key = qdict_key_at(flat, i);
        const QObject *v = qdict_value_at(flat, i);
        g_autofree char *json = NULL;

        if (!strcmp(key, "id")) {
            continue;
        }
        if (qobject_type(v) == QTYPE_STRING) {
            fprintf(f, "  %s = \"%s\"\n", key, qstring_get(v));
        } else if (qobject_type(v) == QTYPE_BOOL) {
            fprintf(f, "  %s = \"%s\"\n", key, qbool_get(v) ? "on" : "off");
        } else {
            json = json_to_string(v, false);
            fprintf(f, "  %s = \"%s\"\n", key, json);
        }
    }
}

bool config_write_file(const VMConfig *cfg, const char *path, Error **errp)
{
    bool to_stdout = !strcmp(path, "-"), ok;
    FILE *f = to_stdout ? stdout : fopen(path, "we");

    if (!f) {
        error_setg_errno(errp, errno, "-writeconfig %s: cannot open the file",
                         path);
        return false;
    }
    fprintf(f, "# qemu config file\n");
    options_foreach_section(cfg, write_section, f);
    ok = fflush(f) == 0;
    if (!ok) {
        error_setg_errno(errp, errno, "-writeconfig %s: cannot write", path);
    }
    if (!to_stdout) {
        fclose(f);
    }
    return ok;
}
