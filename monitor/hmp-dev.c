/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands about devices, objects and character devices. */
#include "osdep.h"
#include "hmp-int.h"
#include "chardev/char.h"
#include "exec/memory.h"
#include "hw/qdev.h"
#include "hw/usb.h"
#include "qapi/qapi-commands.h"
#include "util/option.h"

/* --- devices --- */

static bool parse_device(const char *text, QObject **opts, bool *help,
                         Error **errp)
{
    *opts = keyval_or_json_parse(text, "driver", help, errp);
    return *opts != NULL;
}

void hmp_device_add(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(QObject) opts = NULL;
    const char *driver;
    bool help = false;

    if (!parse_device(qdict_get_str(args, "device"), &opts, &help, errp)) {
        return;
    }
    driver = qdict_get_str(opts, "driver");
    if (!g_strcmp0(driver, "help") || !g_strcmp0(driver, "?")) {
        help = true;
        driver = NULL;
    }
    if (help) {
        g_autoptr(GString) text = g_string_new(NULL);

        if (!driver) {
            device_print_list(text);
        } else if (!device_print_help(driver, text, errp)) {
            return;
        }
        hmp_printf(mon, "%s", text->str);
        return;
    }
    device_add(opts, errp);
}

void hmp_device_del(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_device_del(qdict_get_str(args, "id"), errp);
}

static void complete_names(Hmp *mon, const char *container, const char *word)
{
    Object *home = object_container(container), *o;

    list_foreach(o, &home->children, node) {
        hmp_complete_with(mon, word, o->name);
    }
}

void hmp_complete_device(Hmp *mon, int arg, const char *word)
{
    complete_names(mon, "/machine/peripheral", word);
}

void hmp_complete_object(Hmp *mon, int arg, const char *word)
{
    complete_names(mon, "/objects", word);
}

void hmp_complete_chardev(Hmp *mon, int arg, const char *word)
{
    complete_names(mon, "/chardevs", word);
}

typedef struct Completion {
    Hmp *mon;
    const char *word;
} Completion;

static void complete_type(const ObjectType *t, void *opaque)
{
    const DeviceInfo *info = device_info_of_type(t);
    Completion *c = opaque;

    if (info && !info->abstract && !info->internal) {
        hmp_complete_with(c->mon, c->word, t->name);
    }
}

void hmp_complete_driver(Hmp *mon, int arg, const char *word)
{
    Completion c = { mon, word };

    object_type_foreach(complete_type, &c);
}

void hmp_info_qdm(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    device_print_list(text);
    hmp_printf(mon, "%s", text->str);
}

void hmp_info_qom_tree(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *path = qdict_get_str(args, "path");
    bool ambiguous = false;
    Object *obj = path ? object_resolve(path, &ambiguous)
                       : object_container("/machine");

    if (!obj) {
        error_setg(errp, ambiguous ? "Path '%s' is ambiguous"
                                   : "Path '%s' could not be resolved", path);
        return;
    }
    object_print_tree(obj, text);
    hmp_printf(mon, "%s", text->str);
}

/* --- objects --- */

void hmp_object_add(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(QObject) opts = keyval_or_json_parse(
        qdict_get_str(args, "object"), "qom-type", NULL, errp);

    if (opts) {
        object_create_user(opts, errp);
    }
}

void hmp_object_del(Hmp *mon, const QObject *args, Error **errp)
{
    qmp_object_del(qdict_get_str(args, "id"), errp);
}

void hmp_qom_list(Hmp *mon, const QObject *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path");
    ObjectPropertyInfoList *list, *l;

    if (!path) {
        hmp_printf(mon, "/\n");
        return;
    }
    list = qmp_qom_list(path, errp);
    for (l = list; l; l = l->next) {
        hmp_printf(mon, "%s (%s)\n", l->value->name, l->value->type);
    }
    qapi_free_ObjectPropertyInfoList(list);
}

void hmp_qom_get(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(QObject) v = qmp_qom_get(qdict_get_str(args, "path"),
                                       qdict_get_str(args, "property"), errp);
    g_autofree char *text = v ? json_to_string(v, true) : NULL;

    if (text) {
        hmp_printf(mon, "%s\n", text);
    }
}

void hmp_qom_set(Hmp *mon, const QObject *args, Error **errp)
{
    const char *text = qdict_get_str(args, "value");
    bool json = qdict_get_bool(args, "json", false);
    g_autoptr(QObject) v = json ? json_parse(text, errp) : qstring_new(text);

    if (v) {
        qmp_qom_set(qdict_get_str(args, "path"),
                    qdict_get_str(args, "property"), v, errp);
    }
}

void hmp_info_iothreads(Hmp *mon, const QObject *args, Error **errp)
{
    IOThreadInfoList *list = qmp_query_iothreads(errp), *l;

    for (l = list; l; l = l->next) {
        hmp_printf(mon, "%s:\n  thread_id=%" PRId64 "\n", l->value->id,
                   l->value->thread_id);
    }
    qapi_free_IOThreadInfoList(list);
}

void hmp_info_ramblock(Hmp *mon, const QObject *args, Error **errp)
{
    hmp_printf(mon, "%24s %8s  %18s %18s %18s\n", "Block Name", "PSize",
               "Offset", "Used", "Total");
    for (RAMBlock *b = ram_block_first(); b; b = ram_block_next(b)) {
        hmp_printf(mon, "%24s %4zu KiB  0x%016" PRIx64 " 0x%016" PRIx64
                   " 0x%016" PRIx64 "\n", b->name, b->page_size / KiB,
                   b->offset, b->used_length, b->max_length);
    }
}

/* --- character devices --- */

void hmp_info_chardev(Hmp *mon, const QObject *args, Error **errp)
{
    ChardevInfoList *list = qmp_query_chardev(errp), *l;

    for (l = list; l; l = l->next) {
        hmp_printf(mon, "%s: filename=%s\n", l->value->label,
                   l->value->filename);
    }
    qapi_free_ChardevInfoList(list);
}

void hmp_chardev_add(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(QObject) opts = keyval_parse(qdict_get_str(args, "args"),
                                           "backend", NULL, errp);

    if (opts) {
        chr_new_from_opts(opts, errp);
    }
}

void hmp_chardev_change(Hmp *mon, const QObject *args, Error **errp)
{
    const char *id = qdict_get_str(args, "id");
    g_autoptr(QObject) opts = keyval_parse(qdict_get_str(args, "args"),
                                           "backend", NULL, errp);

    if (!opts) {
        return;
    }
    if (qdict_has(opts, "id")) {
        error_setg(errp, "Unexpected 'id' parameter");
        return;
    }
    qdict_put_str(opts, "id", id);
    chr_change(id, opts, errp);
}

void hmp_chardev_remove(Hmp *mon, const QObject *args, Error **errp)
{
    chr_remove(qdict_get_str(args, "id"), errp);
}

void hmp_chardev_send_break(Hmp *mon, const QObject *args, Error **errp)
{
    chr_send_break(qdict_get_str(args, "id"), errp);
}

void hmp_ringbuf_write(Hmp *mon, const QObject *args, Error **errp)
{
    const char *data = qdict_get_str(args, "data");

    chr_ringbuf_write(qdict_get_str(args, "device"), (const uint8_t *)data,
                      strlen(data), errp);
}

void hmp_ringbuf_read(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GByteArray) bytes = chr_ringbuf_read(
        qdict_get_str(args, "device"), qdict_get_int(args, "size", 0), errp);
    g_autofree char *text = NULL;

    if (!bytes) {
        return;
    }
    text = g_utf8_make_valid((const char *)bytes->data, bytes->len);
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c == '\\') {
            hmp_printf(mon, "\\\\");
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            hmp_printf(mon, "\\u%04x", c);
        } else {
            hmp_printf(mon, "%.*s", (int)(g_utf8_next_char(p) - p), p);
        }
    }
    hmp_printf(mon, "\n");
}

void hmp_info_usb(Hmp *mon, const QObject *args, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!bus_first_of(BUS_USB)) {
        error_setg(errp, "USB support not enabled");
        return;
    }
    usb_print(text);
    hmp_printf(mon, "%s", text->str);
}
