/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot order.  A device with a bootindex is named by its Open Firmware path
 * (device_fw_path()) and, for what lies behind it, its type's boot_suffix.
 */
#include "osdep.h"
#include "hw/bootdevice.h"

typedef struct BootEntry {
    int32_t index;
    char *path; /* owned */
} BootEntry;

static GArray *extra; /* BootEntry: boot_path_add() */

static bool add_device(DeviceState *dev, void *opaque)
{
    BootEntry e = { .index = dev->bootindex };

    if (e.index >= 0 && property_find(dev->obj.type, "bootindex")) {
        g_autofree char *path = device_fw_path(dev);

        e.path = g_strconcat(path, dev->info->boot_suffix, NULL);
        g_array_append_val(opaque, e);
    }
    return true;
}

static gint by_index(gconstpointer a, gconstpointer b)
{
    const BootEntry *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static GArray *collect(void)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(BootEntry));

    for (guint i = 0; extra && i < extra->len; i++) {
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

bool boot_path_add(int32_t bootindex, const char *path, Error **errp)
{
    BootEntry e = { bootindex, g_strdup(path) };

    if (!extra) {
        extra = g_array_new(FALSE, FALSE, sizeof(BootEntry));
    }
    g_array_append_val(extra, e);
    return true;
}

bool boot_order_is_unique(Error **errp)
{
    GArray *list = collect();
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
    GArray *list = collect();
    GString *s = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++) {
        g_string_append_printf(s, "%s%s", i ? "\n" : "",
                               g_array_index(list, BootEntry, i).path);
    }
    *len = list->len ? s->len + 1 : 0;
    free_list(list);
    return g_string_free(s, FALSE);
}
