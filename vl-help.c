/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `help` in place of a name: lists made from what is registered. */
#include "osdep.h"
#include "vl.h"
#include "chardev/char.h"
#include "exec/accel.h"
#include "exec/x86.h"
#include "hw/qdev.h"
#include "net/net.h"
#include "util/datadir.h"
#include "util/log.h"
#include "util/option.h"

static bool is_help(const char *s)
{
    return s && (!strcmp(s, "help") || !strcmp(s, "?"));
}

/* The first item of @list that asks for help, or NULL. */
static const ConfigItem *wants_help(const ConfigList *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (qdict_has(list->items[i]->opts, "help")) {
            return list->items[i];
        }
    }
    return NULL;
}

static void print_machine(const MachineInfo *mi, void *opaque)
{
    if (mi->alias) {
        printf("%-20s %s (alias of %s)\n", mi->alias, mi->desc, mi->name);
    }
    printf("%-20s %s%s%s\n", mi->name, mi->desc,
           mi->is_default ? " (default)" : "",
           mi->deprecated ? " (deprecated)" : "");
}

static void print_prop(const char *name, const char *type, const char *desc,
                       const QObject *def, void *opaque)
{
    g_autofree char *head = g_strdup_printf("%s=<%s>", name, type);
    g_autofree char *text = def ? json_to_string(def, false) : NULL;

    printf("  %-24s%s%s%s%s%s\n", head, desc || text ? " - " : "",
           desc ? desc : "", text ? " (default: " : "", text ? text : "",
           text ? ")" : "");
}

static bool device_help(const ConfigItem *item, Error **errp)
{
    const char *driver = qdict_get_str(item->opts, "driver");
    g_autoptr(GString) text = g_string_new(NULL);

    if (!driver) {
        device_print_list(text);
    } else if (!device_print_help(driver, text, errp)) {
        error_prepend(errp, "%s: ", item->loc);
        return false;
    }
    fputs(text->str, stdout);
    return true;
}

static void print_user_type(const ObjectType *type, void *opaque)
{
    if (type->user_creatable && !type->abstract) {
        printf("  %s\n", type->name);
    }
}

static bool object_help(const ConfigItem *item, Error **errp)
{
    const char *name = qdict_get_str(item->opts, "qom-type");
    const ObjectType *type = name ? object_type_find(name) : NULL;

    if (!name) {
        printf("List of user creatable objects:\n");
        object_type_foreach(print_user_type, NULL);
        return true;
    }
    if (!type || !type->user_creatable) {
        error_setg(errp, "%s: there is no object type '%s'", item->loc, name);
        return false;
    }
    printf("%s options:\n", name);
    object_type_foreach_prop(type, print_prop, NULL);
    return true;
}

/* The models that are made at run time stand at the end. */
static int by_cpu_name(gconstpointer a, gconstpointer b)
{
    static const char *const last[] = { "base", "host", "max", NULL };
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    bool xl = g_strv_contains(last, x), yl = g_strv_contains(last, y);

    return xl != yl ? xl - yl : strcmp(x, y);
}

static void collect_cpu(const ObjectType *type, void *opaque)
{
    static const char suffix[] = "-x86_64-cpu";

    if (g_str_has_suffix(type->name, suffix) && !type->abstract) {
        g_ptr_array_add(opaque, g_strndup(type->name, strlen(type->name) -
                                                          strlen(suffix)));
    }
}

static void print_cpus(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) flags = g_string_new(NULL);

    object_type_foreach(collect_cpu, names);
    g_ptr_array_sort(names, by_cpu_name);
    printf("Available CPUs:\n");
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *type = g_strconcat(name, "-x86_64-cpu", NULL);
        const ObjectType *t = object_type_find(type);

        printf("x86 %-20s  %s\n", name, t->desc ? t->desc : "");
    }
    x86_cpu_print_features(flags);
    fputs(flags->str, stdout);
}

static void print_accels(void)
{
    static const char *const names[] = { "tcg", "kvm", "qtest" };

    printf("Accelerators supported in QEMU binary:\n");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (accel_find(names[i])) {
            printf("%s\n", names[i]);
        }
    }
}

static bool data_dir_help(const VMConfig *cfg)
{
    for (guint i = 0; i < cfg->data_dirs->len; i++) {
        if (is_help(g_ptr_array_index(cfg->data_dirs, i))) {
            return true;
        }
    }
    return false;
}

bool answer_help(const VMConfig *cfg, bool *done, Error **errp)
{
    const ConfigItem *item;

    *done = true;
    if (cfg->machine && (qdict_has(cfg->machine, "help") ||
                         is_help(qdict_get_str(cfg->machine, "type")))) {
        const char *name = qdict_get_str(cfg->machine, "type");
        const MachineInfo *mi = name ? choose_machine(cfg, errp) : NULL;

        if (!name) {
            printf("Supported machines are:\n");
            machine_foreach(print_machine, NULL);
        } else if (mi) {
            g_autofree char *type = g_strdup_printf("%s-machine", mi->name);

            printf("%s options:\n", mi->name);
            object_type_foreach_prop(object_type_find(type), print_prop,
                                     NULL);
        } else {
            return false;
        }
        return true;
    }
    if (is_help(cfg->cpu)) {
        print_cpus();
        return true;
    }
    if (wants_help(&cfg->accels)) {
        print_accels();
        return true;
    }
    if (is_help(cfg->log_items)) {
        log_print_items_help(stdout);
        return true;
    }
    if (data_dir_help(cfg)) {
        datadir_print(stdout);
        return true;
    }
    if (wants_help(&cfg->netdevs) || wants_help(&cfg->nics) ||
        wants_help(&cfg->nets)) {
        g_autoptr(GString) text = g_string_new(NULL);

        netdev_help(text);
        fputs(text->str, stdout);
        return true;
    }
    if (nic_help(cfg)) {
        return true;
    }
    if (wants_help(&cfg->chardevs)) {
        g_autoptr(GString) text = g_string_new(NULL);

        chr_print_list(text);
        fputs(text->str, stdout);
        return true;
    }
    item = wants_help(&cfg->devices);
    if (item) {
        return device_help(item, errp);
    }
    item = wants_help(&cfg->objects);
    if (item) {
        return object_help(item, errp);
    }
    if (cfg->display && qdict_has(cfg->display, "help")) {
        printf("Available display backend types:\nnone\n");
        return true;
    }
    *done = false;
    return true;
}
