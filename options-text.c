/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made from the table: -help, query-command-line-options. */
#include "osdep.h"
#include "options-int.h"

static void print_indented(FILE *f, const char *text, int indent)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (int i = 0; lines[i]; i++) {
        fprintf(f, "%*s%s\n", i ? indent : 0, "", lines[i]);
    }
}

void options_print_help(FILE *f)
{
    fprintf(f, "Usage: %s [OPTION]... [DISK_IMAGE]\n"
            "DISK_IMAGE alone is the first IDE hard disk.\n",
            error_get_progname());
    for (size_t i = 0; option_table[i].section || option_table[i].name; i++) {
        const OptionDef *o = &option_table[i];

        if (o->section) {
            fprintf(f, "\n%s:\n", o->section);
        } else if (o->help) {
            g_autofree char *head =
                g_strdup_printf("-%s %s", o->name, o->form ? o->form : "");

            print_indented(f, head, 8);
            fprintf(f, "%16s", "");
            print_indented(f, o->help, 16);
        }
    }
    fprintf(f, "\nNot in this build:\n");
    for (size_t i = 0; option_table[i].section || option_table[i].name; i++) {
        const OptionDef *o = &option_table[i];

        if (o->fn == do_later) {
            fprintf(f, "-%s: %s\n", o->name, o->data);
        }
    }
}

/* Keys of options whose handlers have them to themselves. */
static const struct {
    const char *group, *keys;
} described[] = {
    { "action", "reboot shutdown panic watchdog" },
    { "add-fd", "fd set opaque" },
    { "global", "driver property value" },
    { "mon", "mode chardev pretty" },
    { "msg", "timestamp guest-name" },
    { "name", "guest process debug-threads" },
    { "overcommit", "mem-lock cpu-pm" },
    { "sandbox", "enable obsolete elevateprivileges spawn resourcecontrol" },
    { "trace", "enable events file" },
    { "vnc", "vnc id websocket tls-creds share display head connections to "
      "ipv4 ipv6 password password-secret reverse lock-key-sync key-delay-ms "
      "sasl tls-authz sasl-authz lossy non-adaptive audiodev power-control "
      "web" },
};

static void add_param(QObject *params, const char *name)
{
    QObject *p = qdict_new();

    qdict_put_str(p, "name", name);
    qdict_put_str(p, "type", "string");
    qlist_append(params, p);
}

static void add_described(QObject *params, const char *group)
{
    for (size_t i = 0; i < ARRAY_SIZE(described); i++) {
        g_auto(GStrv) keys = NULL;

        if (strcmp(described[i].group, group)) {
            continue;
        }
        keys = g_strsplit(described[i].keys, " ", -1);
        for (int k = 0; keys[k]; k++) {
            add_param(params, keys[k]);
        }
    }
}

QObject *options_describe(const char *only)
{
    QObject *out = qlist_new();

    for (size_t i = 0; option_groups[i].group; i++) {
        const OptionDef *o = find_option(option_groups[i].option);
        QObject *entry, *params;

        if (o->fn == do_never || o->fn == do_later ||
            (only && strcmp(only, option_groups[i].group))) {
            continue;
        }
        entry = qdict_new();
        params = qlist_new();
        for (int k = 0; o->known && o->known[k]; k++) {
            add_param(params, o->known[k]);
        }
        add_described(params, option_groups[i].group);
        qdict_put_str(entry, "option", option_groups[i].group);
        qdict_put(entry, "parameters", params);
        qlist_append(out, entry);
    }
    return out;
}

