/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of the machine, the accelerator, the process and its run. */
#include "osdep.h"
#include "options-int.h"
#include "util/option.h"
#include "util/log.h"

/* Only found by name in the parser, which answers before anything else. */
bool opt_help(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    options_print_help(stdout);
    return true;
}

bool opt_version(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    printf("QEMU emulator version 7.2.0 (qemu-kvm " PROJECT_VERSION ")\n");
    return true;
}

/* Options of -machine that belong to the accelerator since QEMU 5.0. */
static const char *const machine_accel_keys[] = {
    "kernel_irqchip", "kernel-irqchip", "kvm_shadow_mem", "kvm-shadow-mem",
    "kvm-type", NULL
};

bool opt_machine(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    bool help = false;
    g_autoptr(QObject) opts = keyval_parse(arg, "type", &help, errp);

    if (!opts) {
        return false;
    }
    for (size_t i = 0; i < qdict_size(opts);) {
        const char *key = qdict_key_at(opts, i);
        g_autoptr(QObject) v = NULL;

        if (!strcmp(key, "accel")) {
            v = qdict_steal(opts, key);
            config_set_str(&cfg->accel_list, qstring_get(v));
        } else if (g_strv_contains(machine_accel_keys, key)) {
            g_autofree char *name = g_strdelimit(g_strdup(key), "_", '-');

            v = qdict_steal(opts, key);
            if (!cfg->accel_legacy) {
                cfg->accel_legacy = qdict_new();
            }
            qdict_put(cfg->accel_legacy, name, qobject_ref(v));
        } else {
            i++;
        }
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    }
    config_dict_merge(&cfg->machine, opts);
    config_set_str(&cfg->machine_loc, loc);
    return true;
}

bool opt_accel(VMConfig *cfg, const OptionDef *o, const char *arg,
               const char *loc, Error **errp)
{
    bool help = false;
    g_autoptr(QObject) opts = keyval_parse(arg, "accel", &help, errp);

    if (!opts) {
        return false;
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!qdict_has(opts, "accel")) {
        error_setg(errp, "Parameter 'accel' is missing");
        return false;
    }
    config_list_add(&cfg->accels, loc, arg, g_steal_pointer(&opts));
    return true;
}

bool opt_accel_name(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    config_set_str(&cfg->accel_list, o->data);
    return true;
}

bool opt_accel_prop(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    g_autofree char *text =
        arg ? g_strdup_printf("%s=%s", o->data, arg) : g_strdup(o->data);
    g_autoptr(QObject) opts = keyval_parse(text, NULL, NULL, errp);

    if (!opts) {
        return false;
    }
    config_dict_merge(&cfg->accel_legacy, opts);
    return true;
}

bool opt_name(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "guest", "process", "debug-threads", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg, "guest", NULL, errp);
    const char *s;

    if (!opts || !option_check_keys(opts, keys, errp) ||
        !option_get_bool(opts, "debug-threads", &cfg->debug_threads, errp)) {
        return false;
    }
    s = qdict_get_str(opts, "guest");
    if (s) {
        config_set_str(&cfg->name, s);
    }
    s = qdict_get_str(opts, "process");
    if (s) {
        config_set_str(&cfg->process_name, s);
    }
    return true;
}

bool opt_uuid(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    bool ok = strlen(arg) == 36;
    UUID u = { { 0 } };
    int n = 0;

    for (int i = 0; ok && i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            ok = arg[i] == '-';
        } else if (!g_ascii_isxdigit(arg[i])) {
            ok = false;
        } else {
            u.b[n / 2] |= g_ascii_xdigit_value(arg[i]) << (n % 2 ? 0 : 4);
            n++;
        }
    }
    if (!ok) {
        error_setg(errp, "'%s' is no UUID (8-4-4-4-12 hexadecimal digits)",
                   arg);
        return false;
    }
    cfg->uuid = u;
    cfg->uuid_set = true;
    return true;
}

bool opt_rtc_base(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_put_str(opts, "base", arg ? arg : o->data);
    config_dict_merge(&cfg->rtc, opts);
    return true;
}

bool opt_rtc_slew(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_put_str(opts, "driftfix", "slew");
    config_dict_merge(&cfg->rtc, opts);
    return true;
}

bool opt_global_text(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    static const char *const keys[] = { "driver", "property", "value", NULL };
    const char *text = arg ? arg : o->data;
    const char *dot = strchr(text, '.'), *eq = strchr(text, '=');
    g_autoptr(QObject) opts = NULL;

    if (dot && eq && dot < eq) {
        g_autofree char *driver = g_strndup(text, dot - text);
        g_autofree char *prop = g_strndup(dot + 1, eq - dot - 1);

        opts = qdict_new();
        qdict_put_str(opts, "driver", driver);
        qdict_put_str(opts, "property", prop);
        qdict_put_str(opts, "value", eq + 1);
    } else {
        opts = keyval_parse(text, NULL, NULL, errp);
        if (!opts || !option_check_keys(opts, keys, errp)) {
            return false;
        }
        for (int i = 0; keys[i]; i++) {
            if (!qdict_has(opts, keys[i])) {
                error_setg(errp, "Parameter '%s' is missing (the form is "
                           "DRIVER.PROP=VALUE)", keys[i]);
                return false;
            }
        }
    }
    config_list_add(&cfg->globals, loc, text, g_steal_pointer(&opts));
    return true;
}

bool opt_global(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    return opt_global_text(cfg, o, arg, loc, errp);
}

/* Lists that have ids, by the name -set and the config files use. */
static const struct {
    const char *group;
    size_t list;
} id_groups[] = {
    { "device", offsetof(VMConfig, devices) },
    { "drive", offsetof(VMConfig, drives) },
    { "chardev", offsetof(VMConfig, chardevs) },
    { "netdev", offsetof(VMConfig, netdevs) },
    { "net", offsetof(VMConfig, nets) },
    { "object", offsetof(VMConfig, objects) },
    { "mon", offsetof(VMConfig, mons) },
    { "blockdev", offsetof(VMConfig, blockdevs) },
    { "audiodev", offsetof(VMConfig, audiodevs) },
};

static ConfigList *group_list(VMConfig *cfg, const char *group)
{
    for (size_t i = 0; i < ARRAY_SIZE(id_groups); i++) {
        if (!strcmp(id_groups[i].group, group)) {
            return (ConfigList *)((char *)cfg + id_groups[i].list);
        }
    }
    return NULL;
}

bool opt_set(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    const char *eq = strchr(arg, '=');
    g_autofree char *path = g_strndup(arg, eq ? (size_t)(eq - arg) : 0);
    g_auto(GStrv) part = g_strsplit(path, ".", 3);
    ConfigList *list;

    if (g_strv_length(part) != 3) {
        error_setg(errp, "'%s' is not of the form GROUP.ID.KEY=VALUE", arg);
        return false;
    }
    list = group_list(cfg, part[0]);
    if (!list) {
        const char *names[ARRAY_SIZE(id_groups) + 1] = { NULL };
        g_autofree char *hint = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(id_groups); i++) {
            names[i] = id_groups[i].group;
        }
        hint = nearest_hint(part[0], names);
        error_setg(errp, "there is no option group '%s'%s", part[0], hint);
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        QObject *opts = list->items[i]->opts;

        if (opts && !g_strcmp0(qdict_get_str(opts, "id"), part[1])) {
            qdict_put_str(opts, part[2], eq + 1);
            return true;
        }
    }
    error_setg(errp, "there is no %s \"%s\" defined before it", part[0],
               part[1]);
    return false;
}

bool opt_readconfig(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    return config_read_file(cfg, arg, errp);
}

bool opt_add_fd(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    static const char *const keys[] = { "fd", "set", "opaque", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);
    int64_t v;

    if (!opts || !option_check_keys(opts, keys, errp)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        const char *s = qdict_get_str(opts, keys[i]);

        if (!s) {
            error_setg(errp, "Parameter '%s' is missing", keys[i]);
            return false;
        }
        if (!parse_int64(keys[i], s, &v, errp)) {
            return false;
        }
        if (v < 0 || v > INT_MAX) {
            error_setg(errp, "Parameter '%s' expects 0 to %d, not '%s'",
                       keys[i], INT_MAX, s);
            return false;
        }
    }
    config_list_add(&cfg->add_fds, loc, arg, g_steal_pointer(&opts));
    return true;
}


/* In the order of the enums in qapi/run-state.json. */
static const char *const reboot_actions[] = { "reset", "shutdown", NULL };
static const char *const shutdown_actions[] = { "poweroff", "pause", NULL };
static const char *const panic_actions[] = {
    "pause", "shutdown", "exit-failure", "none", NULL
};
static const char *const watchdog_actions[] = {
    "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi",
    NULL
};

bool opt_action(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    const struct {
        const char *key;
        const char *const *names;
        int *out;
    } what[] = {
        { "reboot", reboot_actions, &cfg->reboot },
        { "shutdown", shutdown_actions, &cfg->shutdown },
        { "panic", panic_actions, &cfg->panic },
        { "watchdog", watchdog_actions, &cfg->watchdog },
    };
    static const char *const keys[] = {
        "reboot", "shutdown", "panic", "watchdog", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg ? arg : o->data, NULL, NULL,
                                           errp);

    if (!opts || !option_check_keys(opts, keys, errp)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
        const char *s = qdict_get_str(opts, what[i].key);
        int v;

        if (s) {
            v = option_find_value(what[i].key, s, what[i].names, errp);
            if (v < 0) {
                return false;
            }
            *what[i].out = v;
        }
    }
    return true;
}

bool opt_watchdog_action(VMConfig *cfg, const OptionDef *o,
                         const char *arg, const char *loc, Error **errp)
{
    int v = option_find_value("watchdog", arg, watchdog_actions, errp);

    if (v < 0) {
        return false;
    }
    cfg->watchdog = v;
    return true;
}

bool opt_gdb_default(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    config_set_str(&cfg->gdb, "tcp::1234");
    return true;
}

bool opt_seed(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    uint64_t v;

    if (!parse_uint64("seed", arg, &v, errp)) {
        return false;
    }
    config_set_str(&cfg->seed, arg);
    return true;
}

bool opt_overcommit(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    static const char *const keys[] = { "mem-lock", "cpu-pm", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && option_check_keys(opts, keys, errp) &&
           option_get_bool(opts, "mem-lock", &cfg->mem_lock, errp) &&
           option_get_bool(opts, "cpu-pm", &cfg->cpu_pm, errp);
}

bool opt_realtime(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    static const char *const keys[] = { "mlock", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && option_check_keys(opts, keys, errp) &&
           option_get_bool(opts, "mlock", &cfg->mem_lock, errp);
}

bool opt_sandbox(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "enable", "obsolete", "elevateprivileges", "spawn", "resourcecontrol",
        NULL
    };
    static const char *const answers[] = {
        "allow", "deny", "children", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg, "enable", NULL, errp);
    bool enable = false;

    if (!opts || !option_check_keys(opts, keys, errp) ||
        !option_get_bool(opts, "enable", &enable, errp)) {
        return false;
    }
    for (int i = 1; keys[i]; i++) {
        const char *s = qdict_get_str(opts, keys[i]);
        int v = s ? option_find_value(keys[i], s, answers, errp) : 0;

        if (v < 0) {
            return false;
        }
        if (v == 2 && i != 2) {
            error_setg(errp, "Parameter '%s' does not accept value "
                       "'children', valid are: allow, deny", keys[i]);
            return false;
        }
    }
    qobject_unref(cfg->sandbox);
    cfg->sandbox = enable ? g_steal_pointer(&opts) : NULL;
    return true;
}

bool opt_msg(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    static const char *const keys[] = { "timestamp", "guest-name", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && option_check_keys(opts, keys, errp) &&
           option_get_bool(opts, "timestamp", &cfg->msg_timestamp, errp) &&
           option_get_bool(opts, "guest-name", &cfg->msg_guest_name, errp);
}

bool opt_compat(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "deprecated-input", "deprecated-output", "unstable-input",
        "unstable-output", NULL
    };
    static const char *const input[] = { "accept", "reject", "crash", NULL };
    static const char *const output[] = { "accept", "hide", NULL };
    g_autoptr(QObject) opts = keyval_or_json_parse(arg, NULL, NULL, errp);

    if (!opts || !option_check_keys(opts, keys, errp)) {
        return false;
    }
    for (int i = 0; keys[i]; i++) {
        const char *s = qdict_get_str(opts, keys[i]);
        int v = s ? option_find_value(keys[i], s, i % 2 ? output : input, errp)
                  : 0;

        if (v < 0) {
            return false;
        }
        if (v > 0) {
            error_setg(errp, "%s=%s: not in this build yet", keys[i], s);
            return false;
        }
    }
    return true;
}

