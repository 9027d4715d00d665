/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of `info qtree`, `info qom-tree`, -device help. */
#include "osdep.h"
#include "hw/core/qdev-int.h"

static void print_bus(BusState *bus, GString *out, int indent);

/* "2 GiB", as `info qtree` writes a size after its number. */
static char *human_size(uint64_t v)
{
    static const char units[][4] = { "B",   "KiB", "MiB", "GiB",
                                     "TiB", "PiB", "EiB" };
    double d = v;
    unsigned i = 0;

    while (i + 1 < ARRAY_SIZE(units) && d >= 1000) {
        d /= 1024;
        i++;
    }
    return g_strdup_printf("%0.3g %s", d, units[i]);
}

static char *value_text(const Property *p, const QObject *v)
{
    uint64_t u;
    int64_t i;

    switch (qobject_type(v)) {
    case QTYPE_STRING:
        /* A number with a notation of its own (PCI addresses). */
        if (g_str_has_prefix(p->info->name, "int")) {
            return g_strdup(qstring_get(v));
        }
        return g_strdup_printf("\"%s\"", qstring_get(v));
    case QTYPE_INT:
        if (p->info == &prop_size && qint_try_u64(v, &u)) {
            g_autofree char *h = human_size(u);

            return g_strdup_printf("%" PRIu64 " (%s)", u, h);
        }
        if (qint_try_u64(v, &u)) {
            return g_strdup_printf("%" PRIu64 " (0x%" PRIx64 ")", u, u);
        }
        i = qint_get(v);
        return g_strdup_printf("%" PRId64 " (0x%" PRIx64 ")", i, (uint64_t)i);
    default:
        return json_to_string(v, false);
    }
}

static void print_lines(const ListNode *head, const char *dir, GString *out,
                        int indent)
{
    LineGroup *g;

    list_foreach(g, head, node) {
        g_string_append_printf(out, "%*sgpio-%s \"%s\" %d\n", indent, "", dir,
                               g->name ? g->name : "", g->n);
    }
}

static void print_device(DeviceState *dev, GString *out, int indent)
{
    const BusInfo *bi = dev->parent_bus ? dev->parent_bus->info : NULL;
    BusState *bus;

    g_string_append_printf(out, "%*sdev: %s, id \"%s\"\n", indent, "",
                           dev->info->name, dev->id ? dev->id : "");
    indent += 2;
    print_lines(&dev->ins, "in", out, indent);
    print_lines(&dev->outs, "out", out, indent);
    for (const ObjectType *t = dev->obj.type; t; t = object_type_parent(t)) {
        for (const Property *p = t->props; p && p->name; p++) {
            g_autoptr(QObject) v =
                p->info->get(&dev->obj, p, (const char *)dev + p->offset);
            g_autofree char *text = v ? value_text(p, v) : NULL;

            g_string_append_printf(out, "%*s%s = %s\n", indent, "", p->name,
                                   text ? text : "<null>");
        }
    }
    if (bi && bi->print_dev) {
        bi->print_dev(dev, out, indent);
    }
    list_foreach(bus, &dev->buses, dev_node) {
        print_bus(bus, out, indent);
    }
}

static void print_bus(BusState *bus, GString *out, int indent)
{
    DeviceState *dev;

    g_string_append_printf(out, "%*sbus: %s\n%*stype %s\n", indent, "",
                           bus->parent ? bus->obj.name : "main-system-bus",
                           indent + 2, "", bus->info->name);
    /* Youngest first. */
    for (ListNode *n = bus->devices.prev; n != &bus->devices; n = n->prev) {
        dev = list_entry(n, DeviceState, bus_node);
        print_device(dev, out, indent + 2);
    }
}

void device_print_tree(GString *out)
{
    print_bus(system_bus(), out, 0);
}

static void print_object(Object *obj, GString *out, int indent)
{
    Object *child;

    g_string_append_printf(out, "%*s/%s (%s)\n", indent, "",
                           obj->name ? obj->name : "", obj->type->name);
    list_foreach(child, &obj->children, node) {
        print_object(child, out, indent + 2);
    }
}

void object_print_tree(Object *root, GString *out)
{
    print_object(root, out, 0);
}

/* --- -device help --- */

static const char *const category_titles[DEVICE_CATEGORY_MAX] = {
    [DEVICE_CATEGORY_MISC] = "Misc",
    [DEVICE_CATEGORY_BRIDGE] = "Controller/Bridge/Hub",
    [DEVICE_CATEGORY_USB] = "USB",
    [DEVICE_CATEGORY_STORAGE] = "Storage",
    [DEVICE_CATEGORY_NETWORK] = "Network",
    [DEVICE_CATEGORY_INPUT] = "Input",
    [DEVICE_CATEGORY_DISPLAY] = "Display",
    [DEVICE_CATEGORY_SOUND] = "Sound",
    [DEVICE_CATEGORY_CPU] = "CPU",
    [DEVICE_CATEGORY_WATCHDOG] = "Watchdog",
};
static const DeviceCategory category_order[] = {
    DEVICE_CATEGORY_BRIDGE,  DEVICE_CATEGORY_USB,   DEVICE_CATEGORY_STORAGE,
    DEVICE_CATEGORY_NETWORK, DEVICE_CATEGORY_INPUT, DEVICE_CATEGORY_DISPLAY,
    DEVICE_CATEGORY_SOUND,   DEVICE_CATEGORY_MISC,  DEVICE_CATEGORY_CPU,
    DEVICE_CATEGORY_WATCHDOG,
};

typedef struct ListArgs {
    GString *out;
    DeviceCategory category;
    bool titled, any;
} ListArgs;

static void list_type(const ObjectType *t, void *opaque)
{
    ListArgs *a = opaque;
    const DeviceInfo *info = device_info_of_type(t);

    if (!info || info->abstract || info->internal ||
        info->category != a->category) {
        return;
    }
    if (!a->titled) {
        g_string_append_printf(a->out, "%s%s devices:\n", a->any ? "\n" : "",
                               category_titles[a->category]);
        a->titled = a->any = true;
    }
    g_string_append_printf(a->out, "name \"%s\"", info->name);
    if (info->bus) {
        g_string_append_printf(a->out, ", bus %s", info->bus);
    }
    if (info->alias) {
        g_string_append_printf(a->out, ", alias \"%s\"", info->alias);
    }
    if (info->desc) {
        g_string_append_printf(a->out, ", desc \"%s\"", info->desc);
    }
    g_string_append_c(a->out, '\n');
}

void device_print_list(GString *out)
{
    ListArgs a = { .out = out };

    for (unsigned i = 0; i < ARRAY_SIZE(category_order); i++) {
        a.category = category_order[i];
        a.titled = false;
        object_type_foreach(list_type, &a);
    }
}

static void help_prop(const char *name, const char *type, const char *desc,
                      const QObject *def, void *opaque)
{
    GString *line;
    g_autofree char *head = g_strdup_printf("%s=<%s>", name, type);

    if (strcmp(name, "type") == 0) { /* every object's, not an option */
        return;
    }
    line = g_string_new(NULL);
    g_string_printf(line, desc || def ? "  %-22s - " : "  %s", head);
    g_string_append(line, desc ? desc : "");
    if (def) {
        g_autofree char *v = json_to_string(def, false);

        g_string_append_printf(line, " (default: %s)", v);
    }
    g_ptr_array_add(opaque, g_string_free(line, FALSE));
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool device_print_help(const char *type, GString *out, Error **errp)
{
    const DeviceInfo *info = device_info_find(type);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (!info) {
        error_setg(errp, "Device '%s' not found", type);
        return false;
    }
    object_type_foreach_prop(object_type_find(info->name), help_prop, lines);
    g_ptr_array_sort(lines, compare_lines);
    if (lines->len == 0) {
        g_string_append_printf(out, "There are no options for %s.\n", type);
        return true;
    }
    g_string_append_printf(out, "%s options:\n", type);
    for (guint i = 0; i < lines->len; i++) {
        g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
    }
    return true;
}
