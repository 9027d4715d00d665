/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about objects, their properties, and devices. */
#include "osdep.h"
#include "hw/qdev.h"
#include "qapi/qapi-commands.h"

static Object *find_object(const char *path, Error **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve(path, &ambiguous);

    if (obj) {
        return obj;
    }
    if (ambiguous) {
        error_setg(errp, "Path '%s' is ambiguous", path);
    } else {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", path);
    }
    return NULL;
}

typedef struct PropList {
    ObjectPropertyInfoList **tail;
    bool device;    /* without "type", with descriptions and defaults */
} PropList;

static void add_prop(const char *name, const char *type, const char *desc,
                     const QObject *def, void *opaque)
{
    PropList *l = opaque;
    ObjectPropertyInfo *p;

    if (l->device && strcmp(name, "type") == 0) {
        return;
    }
    p = g_new0(ObjectPropertyInfo, 1);
    p->name = g_strdup(name);
    p->type = g_strdup(type);
    if (l->device) {
        p->description = g_strdup(desc);
        p->default_value = qobject_ref((QObject *)def);
    }
    QAPI_LIST_APPEND(l->tail, p);
}

ObjectPropertyInfoList *qmp_qom_list(const char *path, Error **errp)
{
    Object *obj = find_object(path, errp);
    ObjectPropertyInfoList *list = NULL;
    PropList l = { .tail = &list };

    if (obj) {
        object_foreach_prop(obj, add_prop, &l);
    }
    return list;
}

QObject *qmp_qom_get(const char *path, const char *property, Error **errp)
{
    Object *obj = find_object(path, errp);

    return obj ? object_get(obj, property, errp) : NULL;
}

void qmp_qom_set(const char *path, const char *property, QObject *value,
                 Error **errp)
{
    Object *obj = find_object(path, errp);

    if (obj) {
        object_set(obj, property, value, errp);
    }
}

typedef struct TypeList {
    ObjectTypeInfoList **tail;
    const char *implements; /* NULL: any */
    bool abstract;          /* abstract ones too */
} TypeList;

static void add_type(const ObjectType *type, void *opaque)
{
    TypeList *l = opaque;
    const ObjectType *parent = object_type_parent(type);
    ObjectTypeInfo *t;

    if ((l->implements && !object_type_is(type, l->implements)) ||
        (type->abstract && !l->abstract)) {
        return;
    }
    t = g_new0(ObjectTypeInfo, 1);
    t->name = g_strdup(type->name);
    t->has_abstract = t->abstract = type->abstract;
    t->parent = parent ? g_strdup(parent->name) : NULL;
    QAPI_LIST_APPEND(l->tail, t);
}

ObjectTypeInfoList *qmp_qom_list_types(const char *implements,
                                       bool has_abstract, bool abstract,
                                       Error **errp)
{
    ObjectTypeInfoList *list = NULL;
    TypeList l = { .tail = &list, .implements = implements,
                   .abstract = has_abstract && abstract };

    object_type_foreach(add_type, &l);
    return list;
}

static ObjectPropertyInfoList *type_props(const char *name, bool device,
                                          Error **errp)
{
    const ObjectType *type = object_type_find(name);
    ObjectPropertyInfoList *list = NULL;
    PropList l = { .tail = &list, .device = device };

    if (!type) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        device ? "Device '%s' not found"
                               : "Class '%s' not found", name);
        return NULL;
    }
    if (device && (!object_type_is(type, "device") || type->abstract)) {
        error_setg(errp, "Parameter 'typename' expects %s",
                   type->abstract ? "a non-abstract device type"
                                  : "a device type");
        return NULL;
    }
    object_type_foreach_prop(type, add_prop, &l);
    return list;
}

ObjectPropertyInfoList *qmp_qom_list_properties(const char *typename,
                                                Error **errp)
{
    return type_props(typename, false, errp);
}

ObjectPropertyInfoList *qmp_device_list_properties(const char *typename,
                                                   Error **errp)
{
    return type_props(typename, true, errp);
}

void qmp_object_add(ObjectOptions *arg, Error **errp)
{
    g_autoptr(QObject) opts = qapi_ObjectOptions_to_qobject(arg);

    object_create_user(opts, errp);
}

void qmp_object_del(const char *id, Error **errp)
{
    object_delete_user(id, errp);
}

QObject *qmp_device_add(QObject *args, Error **errp)
{
    return device_add(args, errp) ? qdict_new() : NULL;
}

void qmp_device_del(const char *id, Error **errp)
{
    device_del(id, errp);
}
