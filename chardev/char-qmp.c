/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about character devices. */
#include "osdep.h"
#include "chardev/char.h"
#include "qapi/qapi-commands.h"

static void add_chardev(const char *name, const char *type, const char *desc,
                        const QObject *def, void *opaque)
{
    ChardevInfoList ***tail = opaque;
    Chardev *chr = g_str_has_prefix(type, "child<") ? chr_find(name) : NULL;
    ChardevInfo *info;

    if (!chr) {
        return; /* the container's own property */
    }
    info = g_new0(ChardevInfo, 1);
    info->label = g_strdup(chr_label(chr));
    info->filename = g_strdup(chr_filename(chr));
    info->frontend_open = chr_frontend_open(chr);
    QAPI_LIST_APPEND(*tail, info);
}

ChardevInfoList *qmp_query_chardev(Error **errp)
{
    ChardevInfoList *list = NULL, **tail = &list;

    object_foreach_prop(object_container("/chardevs"), add_chardev, &tail);
    return list;
}

static void add_backend(const ObjectType *type, void *opaque)
{
    ChardevBackendInfoList ***tail = opaque;
    ChardevBackendInfo *info;

    if (!type->abstract && object_type_is(type, "chardev")) {
        info = g_new0(ChardevBackendInfo, 1);
        info->name = g_strdup(type->name + strlen("chardev-"));
        QAPI_LIST_APPEND(*tail, info);
        if (!strcmp(info->name, "ringbuf")) {
            info = g_new0(ChardevBackendInfo, 1);
            info->name = g_strdup("memory"); /* the same under its old name */
            QAPI_LIST_APPEND(*tail, info);
        }
    }
}

ChardevBackendInfoList *qmp_query_chardev_backends(Error **errp)
{
    ChardevBackendInfoList *list = NULL, **tail = &list;

    object_type_foreach(add_backend, &tail);
    return list;
}

/* QMP's names of what -chardev calls otherwise, by the back end. */
static const struct {
    const char *backend, *qmp, *option;
} renamed[] = {
    { "file", "out", "path" },
    { "file", "in", "input-path" },
    { "pipe", "device", "path" },
    { "serial", "device", "path" },
    { "parallel", "device", "path" },
    { "socket", "str", "fd" }, /* of an address of type fd */
};

static void put_options(QObject *opts, const char *backend,
                        const QObject *from)
{
    for (size_t i = 0; i < qdict_size(from); i++) {
        const char *key = qdict_key_at(from, i);

        for (unsigned k = 0; k < ARRAY_SIZE(renamed); k++) {
            if (!strcmp(renamed[k].backend, backend) &&
                !strcmp(renamed[k].qmp, key)) {
                key = renamed[k].option;
                break;
            }
        }
        if (strcmp(key, "addr")) {
            qdict_put(opts, key, qobject_ref(qdict_value_at(from, i)));
        }
    }
}

/* One end of a UDP back end: its keys are "host" or "localaddr" and so on. */
static bool put_udp_end(QObject *opts, const QObject *addr, const char *host,
                        const char *port, Error **errp)
{
    const QObject *data = addr ? qdict_get(addr, "data") : NULL;

    if (addr && strcmp(qdict_get_str(addr, "type"), "inet")) {
        error_setg(errp, "chardev: udp: an address of type inet is needed");
        return false;
    }
    for (size_t i = 0; data && i < qdict_size(data); i++) {
        const char *key = qdict_key_at(data, i);

        key = !strcmp(key, "host") ? host : !strcmp(key, "port") ? port : key;
        qdict_put(opts, key, qobject_ref(qdict_value_at(data, i)));
    }
    return true;
}

/* What -chardev would have said; NULL on failure. */
static QObject *backend_options(const char *id, ChardevBackend *backend,
                                Error **errp)
{
    g_autoptr(QObject) dict = qapi_ChardevBackend_to_qobject(backend);
    g_autoptr(QObject) opts = qdict_new();
    const char *type = qdict_get_str(dict, "type");
    QObject *data = qdict_get(dict, "data"), *addr = qdict_get(data, "addr");

    if (!strcmp(type, "udp")) {
        if (!put_udp_end(opts, qdict_get(data, "remote"), "host", "port",
                         errp) ||
            !put_udp_end(opts, qdict_get(data, "local"), "localaddr",
                         "localport", errp)) {
            return NULL;
        }
        qdict_del(data, "remote");
        qdict_del(data, "local");
    }
    put_options(opts, type, data);
    if (addr) {
        if (!strcmp(qdict_get_str(addr, "type"), "vsock")) {
            error_setg(errp, "Parameter 'addr' expects an address of type "
                       "inet, unix or fd");
            return NULL;
        }
        put_options(opts, type, qdict_get(addr, "data"));
        if (!qdict_has(opts, "server")) {
            qdict_put_bool(opts, "server", true);
        }
        if (qdict_get_bool(opts, "server", false) &&
            !qdict_has(opts, "wait")) {
            qdict_put_bool(opts, "wait", false);
        }
    }
    qdict_put_str(opts, "backend", type);
    qdict_put_str(opts, "id", id);
    return g_steal_pointer(&opts);
}

static ChardevReturn *describe(Chardev *chr)
{
    ChardevReturn *ret = g_new0(ChardevReturn, 1);

    if (g_str_has_prefix(chr_filename(chr), "pty:")) {
        ret->pty = g_strdup(chr_filename(chr) + strlen("pty:"));
    }
    return ret;
}

ChardevReturn *qmp_chardev_add(const char *id, ChardevBackend *backend,
                               Error **errp)
{
    g_autoptr(QObject) opts = backend_options(id, backend, errp);
    Chardev *chr = opts ? chr_new_from_opts(opts, errp) : NULL;

    return chr ? describe(chr) : NULL;
}

ChardevReturn *qmp_chardev_change(const char *id, ChardevBackend *backend,
                                  Error **errp)
{
    g_autoptr(QObject) opts = backend_options(id, backend, errp);
    Chardev *chr = opts ? chr_change(id, opts, errp) : NULL;

    return chr ? describe(chr) : NULL;
}

void qmp_chardev_send_break(const char *id, Error **errp)
{
    chr_send_break(id, errp);
}

void qmp_ringbuf_write(const char *device, const char *data, bool has_format,
                       DataFormat format, Error **errp)
{
    if (has_format && format == DATA_FORMAT_BASE64) {
        g_autofree char *copy = g_strdup(data);
        gsize len = 0;

        /* In place; what is no base64 is skipped by it. */
        if (*copy) {
            g_base64_decode_inplace(copy, &len);
        }
        chr_ringbuf_write(device, (const uint8_t *)copy, len, errp);
    } else {
        chr_ringbuf_write(device, (const uint8_t *)data, strlen(data), errp);
    }
}

char *qmp_ringbuf_read(const char *device, int64_t size, bool has_format,
                       DataFormat format, Error **errp)
{
    g_autoptr(GByteArray) bytes = chr_ringbuf_read(device, size, errp);

    if (!bytes) {
        return NULL;
    }
    if (has_format && format == DATA_FORMAT_BASE64) {
        return g_base64_encode(bytes->data, bytes->len);
    }
    return g_utf8_make_valid((const char *)bytes->data, bytes->len);
}

void qmp_chardev_remove(const char *id, Error **errp)
{
    chr_remove(id, errp);
}
