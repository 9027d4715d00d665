/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot order.  A device with a bootindex is named by its Open Firmware path
 * (device_fw_path()); network cards by that of their PHY, as SeaBIOS and EDK2
 * match them.
 */
#include "osdep.h"
#include "hw/bootdevice.h"

typedef struct BootEntry {
    int32_t index;
    char *path; /* owned */
} BootEntry;

static GArray *extra; /* BootEntry: boot_path_add() */

typedef struct Collect {
    GArray *list;
    DeviceState *dev;
} Collect;

static void add_entry(int32_t index, const char *suffix, void *opaque)
{
    Collect *c = opaque;
    g_autofree char *path = device_fw_path(c->dev);
    const char *last = strrchr(path, '/');
    BootEntry e = { .index = index };

    if (index >= 0) {
        if (!suffix && last && g_str_has_prefix(last, "/ethernet@")) {
            suffix = "/ethernet-phy@0";
        }
        e.path = g_strconcat(path, suffix, NULL);
        g_array_append_val(c->list, e);
    }
}

static bool add_device(DeviceState *dev, void *opaque)
{
    Collect c = { opaque, dev };

    if (property_find(dev->obj.type, "bootindex")) {
        add_entry(dev->bootindex, NULL, &c);
    }
    if (dev->info->boot_indices) {
        dev->info->boot_indices(dev, add_entry, &c);
    }
    return true;
}

static gint by_index(gconstpointer a, gconstpointer b)
{
    const BootEntry *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static GArray *collect(bool with_extra)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(BootEntry));

    for (guint i = 0; with_extra && extra && i < extra->len;
         i++) {
        BootEntry e = g_array_index(extra, BootEntry, i);

        e.path = g_strdup(e.path);
        g_array_append_val(list, e);
    }
    device_foreach(add_device, list);
    g_array_sort(list, by_index);
    return list;
}

static void free_list(GArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        g_free(g_array_index(list, BootEntry, i).path);
    }
    g_array_unref(list);
}

void boot_path_add(int32_t bootindex, const char *path)
{
    BootEntry e = { bootindex, g_strdup(path) };

    if (!extra) {
        extra = g_array_new(FALSE, FALSE, sizeof(BootEntry));
    }
    g_array_append_val(extra, e);
}

bool boot_order_is_unique(Error **errp)
{
    GArray *list = collect(false);
    guint i;

    for (i = 1; i < list->len && g_array_index(list, BootEntry, i).index !=
                    g_array_index(list, BootEntry, i - 1).index; i++) {
    }
    if (i < list->len) {
        error_setg(errp, "The bootindex %d has already been used",
                   g_array_index(list, BootEntry, i).index);
    }
    i = i < list->len;
    free_list(list);
    return !i;
}

char *boot_order_list(size_t *len)
{
    GArray *list = collect(true);
    GString *s = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++) {
        g_string_append_printf(s, "%s%s", i ? "\n" : "",
                               g_array_index(list, BootEntry, i).path);
    }
    *len = list->len ? s->len + 1 : 0;
    free_list(list);
    return g_string_free(s, FALSE);
}
