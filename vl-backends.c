/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Back ends: objects, character devices, the board's ports, monitors. */
#include "osdep.h"
#include "vl.h"
#include "chardev/char.h"
#include "exec/runstate.h"
#include "monitor/monitor.h"
#include "ui/vnc.h"

/* ---- what no part of this build takes ------------------------------------ */

static bool refuse_list(const ConfigList *list, const char *what,
                        const char *accepted, Error **errp)
{
    for (size_t i = 0; i < list->n; i++) {
        const ConfigItem *item = list->items[i];
        const char *type = NULL;

        if (accepted && item->opts) {
            type = qdict_get_str(item->opts, "type");
            type = type ? type : qdict_get_str(item->opts, "driver");
        } else if (accepted) {
            type = item->text;
        }
        if (type && !strcmp(type, accepted)) {
            continue; /* it asks for nothing */
        }
        error_setg(errp, "%s: %s: not in this build yet", item->loc, what);
        return false;
    }
    return true;
}

static bool refuse_text(const char *option, const char *value,
                        const char *what, Error **errp)
{
    if (value) {
        error_setg(errp, "-%s %s: %s: not in this build yet", option, value,
                   what);
        return false;
    }
    return true;
}

/*
 * Each row leaves with the commit that brings the subsystem, which then takes
 * the list from VMConfig in a step of its own.
 */
bool refuse_absent(const VMConfig *cfg, Error **errp)
{
    if (cfg->cpu_pm) {
        error_setg(errp, "-overcommit cpu-pm=on: not in this build yet");
        return false;
    }
    return refuse_list(&cfg->audiodevs, "sound", "none", errp) &&
           refuse_text("incoming", cfg->incoming, "migration", errp) &&
           refuse_text("loadvm", cfg->loadvm, "snapshots", errp) &&
           refuse_text("seed", cfg->seed, "seeding", errp);
}

/* ---- objects and character devices --------------------------------------- */

/* Some need what other options make. */
static ObjectPhase phase_of(const char *type)
{
    return !g_strcmp0(type, "rng-egd") ? OBJECTS_ON_CHARDEVS
           : type && g_str_has_prefix(type, "filter-") ? OBJECTS_ON_NETDEVS
                                                       : OBJECTS_FIRST;
}

bool make_objects(const VMConfig *cfg, ObjectPhase phase, Error **errp)
{
    for (size_t i = 0; i < cfg->objects.n; i++) {
        const char *type = qdict_get_str(cfg->objects.items[i]->opts,
                                         "qom-type");

        if (phase_of(type) != phase) {
            continue;
        }
        if (!object_create_user(cfg->objects.items[i]->opts, errp)) {
            error_prepend(errp, "%s: ", cfg->objects.items[i]->loc);
            return false;
        }
    }
    return true;
}

/* The escape character and `x` at a terminal that carries a mux. */
static void quit_from_terminal(void)
{
    /* Whatever -no-shutdown says: the user wants the process to end. */
    shutdown_action = SHUTDOWN_ACTION_POWEROFF;
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_UI);
}

bool make_chardevs(const VMConfig *cfg, Error **errp)
{
    mux_escape_char = cfg->escape_char;
    mux_quit_hook = quit_from_terminal;
    for (size_t i = 0; i < cfg->chardevs.n; i++) {
        if (!chr_new_from_opts(cfg->chardevs.items[i]->opts, errp)) {
            error_prepend(errp, "%s: ", cfg->chardevs.items[i]->loc);
            return false;
        }
    }
    return true;
}

/* "mon:DEV" puts a human monitor beside the port on the same back end. */
static bool new_port(const char *label, const char *text, const char *loc,
                     Chardev **out, Error **errp)
{
    bool none = false;

    *out = chr_new_from_text(label, text, &none, errp);
    if (none) {
        return true;
    }
    if (!*out || (g_str_has_prefix(text, "mon:") &&
                  !monitor_new_on(*out, MONITOR_MODE_READLINE, false, errp))) {
        error_prepend(errp, "%s: ", loc);
        return false;
    }
    return true;
}

static bool make_port_list(const ConfigList *list, const char *name,
                           Chardev **ports, size_t max, Error **errp)
{
    for (size_t i = 0; i < list->n; i++) {
        g_autofree char *label = g_strdup_printf("%s%zu", name, i);
        Chardev *none;

        if (max && i >= max) {
            error_setg(errp, "%s: too many %s ports, the board has %zu",
                       list->items[i]->loc, name, max);
            return false;
        }
        if (!new_port(label, list->items[i]->text, list->items[i]->loc,
                      ports ? &ports[i] : &none, errp)) {
            return false;
        }
    }
    return true;
}

#define TEXT_CONSOLE "vc:80Cx24C"

bool make_ports(const VMConfig *cfg, MachineState *m, Error **errp)
{
    bool serial = cfg->defaults && cfg->default_serial && !m->info->no_serial;
    bool monitor = cfg->defaults && cfg->default_monitor;
    bool parallel = cfg->default_parallel && !m->info->no_parallel, none;

    if (!make_port_list(&cfg->serials, "serial", m->serial, MACHINE_SERIALS,
                        errp) ||
        !make_port_list(&cfg->parallels, "parallel", m->parallel,
                        MACHINE_PARALLELS, errp) ||
        !make_port_list(&cfg->debugcons, "debugcon", NULL, 0, errp)) {
        return false;
    }
    if (cfg->nographic && serial) {
        return new_port("serial0", monitor ? "mon:stdio" : "stdio",
                        "-nographic", &m->serial[0], errp);
    }
    /* Otherwise they are text consoles beside the screen (Ctrl-Alt-2). */
    if (cfg->nographic || !cfg->defaults) {
        return true;
    }
    return (!monitor || cfg->monitors.n ||
            chr_new_from_text("compat_monitor0", TEXT_CONSOLE, &none, errp)) &&
           (!serial || new_port("serial0", TEXT_CONSOLE, "-serial vc",
                                &m->serial[0], errp)) &&
           (!parallel || new_port("parallel0", TEXT_CONSOLE, "-parallel vc",
                                  &m->parallel[0], errp));
}

/* ---- displays ------------------------------------------------------------ */

static const VMConfig *display_config;

static bool is_audiodev(const char *id)
{
    for (size_t i = 0; i < display_config->audiodevs.n; i++) {
        const QObject *o = display_config->audiodevs.items[i]->opts;

        if (!g_strcmp0(qdict_get_str(o, "id"), id)) {
            return true;
        }
    }
    return false;
}

bool make_displays(const VMConfig *cfg, Error **errp)
{
    const char *type = cfg->display ? qdict_get_str(cfg->display, "type")
                                    : NULL;

    if (type && strcmp(type, "none") && strcmp(type, "default")) {
        error_setg(errp, "%s: this build has no such display, -vnc and "
                   "-display none are there", cfg->display_loc);
        return false;
    }
    if (cfg->keyboard && !vnc_set_layout(cfg->keyboard, errp)) {
        error_prepend(errp, "-k %s: ", cfg->keyboard);
        return false;
    }
    display_config = cfg;
    for (size_t i = 0; i < cfg->vncs.n; i++) {
        if (!vnc_start(cfg->vncs.items[i]->text, cfg->name, false, is_audiodev,
                       errp)) {
            error_prepend(errp, "%s: ", cfg->vncs.items[i]->loc);
            return false;
        }
    }
    /* Nobody said where the screen goes: VNC on this host only. */
    if (!cfg->vncs.n && !cfg->nographic && !cfg->qtest &&
        (!type || !strcmp(type, "default")) &&
        !vnc_start("localhost:0,to=99,id=default", cfg->name, true,
                   is_audiodev, errp)) {
        error_prepend(errp, "default display (-display none: no display): ");
        return false;
    }
    return true;
}

/* ---- monitors ------------------------------------------------------------ */

static bool make_mon(const ConfigItem *item, Error **errp)
{
    const char *mode = qdict_get_str(item->opts, "mode");
    const char *pretty = qdict_get_str(item->opts, "pretty");
    MonitorOptions o = {
        .id = (char *)qdict_get_str(item->opts, "id"),
        .chardev = (char *)qdict_get_str(item->opts, "chardev"),
        .has_mode = true,
        .mode = mode && !strcmp(mode, "control") ? MONITOR_MODE_CONTROL
                                                 : MONITOR_MODE_READLINE,
    };

    if (pretty) {
        o.has_pretty = true;
        o.pretty = !strcmp(pretty, "on");
    }
    if (!monitor_new(&o, errp)) {
        error_prepend(errp, "%s: ", item->loc);
        return false;
    }
    return true;
}

static bool make_monitor(const ConfigItem *item, size_t i, Error **errp)
{
    g_autofree char *label = g_strdup_printf("compat_monitor%zu", i);
    bool control = !strcmp(qdict_get_str(item->opts, "mode"), "control");
    bool pretty = qdict_get_bool(item->opts, "pretty", false), none = false;
    Chardev *chr = chr_new_from_text(label, item->text, &none, errp);

    if (none) {
        return true;
    }
    if (!chr || !monitor_new_on(chr, control ? MONITOR_MODE_CONTROL
                                             : MONITOR_MODE_READLINE,
                                pretty, errp)) {
        error_prepend(errp, "%s: ", item->loc);
        return false;
    }
    return true;
}

static void add_machine_prop(const char *name, const char *type,
                             const char *desc, const QObject *def,
                             void *opaque)
{
    CommandLineParameterInfoList ***tail = opaque;
    CommandLineParameterInfo *p;

    if (!strcmp(name, "type")) {
        return;
    }
    p = g_new0(CommandLineParameterInfo, 1);
    p->name = g_strdup(name);
    p->type = !strcmp(type, "bool")   ? COMMAND_LINE_PARAMETER_TYPE_BOOLEAN
              : !strcmp(type, "size") ? COMMAND_LINE_PARAMETER_TYPE_SIZE
                                      : COMMAND_LINE_PARAMETER_TYPE_STRING;
    p->help = g_strdup(desc);
    QAPI_LIST_APPEND(*tail, p);
}

static void find_pc(const MachineInfo *mi, void *opaque)
{
    if (mi->is_default) {
        *(const MachineInfo **)opaque = mi;
    }
}

/* What -machine takes: the properties of the default type. */
static void add_machine_props(CommandLineParameterInfoList **tail)
{
    const MachineInfo *mi = NULL;
    g_autofree char *type = NULL;

    machine_foreach(find_pc, &mi);
    if (mi) {
        type = g_strdup_printf("%s-machine", mi->name);
        object_type_foreach_prop(object_type_find(type), add_machine_prop,
                                 &tail);
    }
}

/* Who answers query-command-line-options. */
static CommandLineOptionInfoList *describe_options(const char *option,
                                                   Error **errp)
{
    g_autoptr(QObject) all = options_describe(option);
    CommandLineOptionInfoList *list = NULL, **tail = &list;

    if (option && !qlist_size(all)) {
        error_setg(errp, "invalid option name: %s", option);
        return NULL;
    }
    for (size_t i = 0; i < qlist_size(all); i++) {
        QObject *o = qlist_at(all, i), *params = qdict_get(o, "parameters");
        CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);
        CommandLineParameterInfoList **ptail = &info->parameters;

        info->option = g_strdup(qdict_get_str(o, "option"));
        for (size_t k = 0; k < qlist_size(params); k++) {
            CommandLineParameterInfo *p = g_new0(CommandLineParameterInfo, 1);

            p->name = g_strdup(qdict_get_str(qlist_at(params, k), "name"));
            p->type = COMMAND_LINE_PARAMETER_TYPE_STRING;
            QAPI_LIST_APPEND(ptail, p);
        }
        if (!strcmp(info->option, "machine")) {
            add_machine_props(ptail);
        }
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

bool make_monitors(const VMConfig *cfg, Error **errp)
{
    bool serial = cfg->default_serial && current_machine &&
                  !current_machine->info->no_serial;

    monitor_set_options_source(describe_options);
    for (size_t i = 0; i < cfg->mons.n; i++) {
        if (!make_mon(cfg->mons.items[i], errp)) {
            return false;
        }
    }
    for (size_t i = 0; i < cfg->monitors.n; i++) {
        if (!make_monitor(cfg->monitors.items[i], i, errp)) {
            return false;
        }
    }
    if (cfg->defaults && cfg->default_monitor && !cfg->monitors.n &&
        !(cfg->nographic && serial)) {
        bool none;
        Chardev *chr = cfg->nographic
                           ? chr_new_from_text("compat_monitor0", "stdio",
                                               &none, errp)
                           : chr_find("compat_monitor0"); /* make_ports() */

        if (!chr ||
            !monitor_new_on(chr, MONITOR_MODE_READLINE, false, errp)) {
            error_prepend(errp, "%s: ", cfg->nographic ? "-nographic"
                                                       : "-monitor vc");
            return false;
        }
    }
    return true;
}
