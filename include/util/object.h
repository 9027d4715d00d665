/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object tree behind qom-list and friends.  An object has a type, typed
 * properties (declared as data, see property.h) and one owner, its parent;
 * its path is made of names from the root ("/machine/peripheral/net0").
 * Devices (hw/qdev.h), buses, backends (-object) and the machine are objects.
 * All of it under the BQL.
 */
#ifndef UTIL_OBJECT_H
#define UTIL_OBJECT_H

#include "osdep.h"
#include "util/error.h"
#include "util/list.h"
#include "util/qobject.h"

typedef struct Object Object;
typedef struct Property Property;

/* A type; static const data, or made once at registration. */
typedef struct ObjectType {
    const char *name;        /* "secret", "ib700" */
    const char *parent;      /* what it extends; NULL: "object" */
    const char *desc;        /* one line for help, may be NULL */
    bool abstract;           /* cannot be instantiated */
    bool user_creatable;     /* -object and object-add take it */
    size_t size;             /* of the instance struct; Object is its head */
    const Property *props;   /* own ones, after the parent's; may be NULL */
    /* Base types first.  Memory is zero and defaults are set already. */
    void (*init)(Object *obj);
    /* User-creatable: after all properties were set. */
    bool (*complete)(Object *obj, Error **errp);
    /* User-creatable: may object-del have it? NULL: yes. */
    bool (*can_be_deleted)(Object *obj, Error **errp);
    /* Derived types first; children are gone already. */
    void (*finalize)(Object *obj);
} ObjectType;

struct Object {
    const ObjectType *type;
    Object *parent;      /* NULL: not in the tree */
    char *name;          /* in the parent; owned */
    ListNode node;       /* in the parent's children */
    ListNode children;   /* Object.node, in order of creation; owned */
    ListNode dyn_props;  /* DynProperty.node (object.c) */
    unsigned users;      /* link properties that name it: object-del waits */
};

void object_type_register(const ObjectType *type); /* keeps the pointer */
const ObjectType *object_type_find(const char *name);
/* NULL: the type is "object". */
const ObjectType *object_type_parent(const ObjectType *type);
/* True if @type is @name or extends it. */
bool object_type_is(const ObjectType *type, const char *name);
/* In order of names. */
void object_type_foreach(void (*fn)(const ObjectType *, void *), void *opaque);

/*
 * Makes an instance without a place in the tree; free it with object_free()
 * or hand it to a parent.  Asserts that the type exists and is not abstract.
 */
Object *object_new(const char *type);
/* Same, in memory of the caller's (object_free() then does not free it). */
void object_init_in(Object *obj, const char *type);
/* Frees @obj, its children and its place in the tree.  NULL is fine. */
void object_free(Object *obj);
/* Takes @obj out of the tree; the caller owns it then. */
void object_unparent(Object *obj);

Object *object_root(void);
/* "/machine", "/objects", ...: made on demand as plain containers. */
Object *object_container(const char *path);
/* @parent owns @child from now on; the name must be free there. */
void object_add_child(Object *parent, const char *name, Object *child);
/* Like it, with "NAME[N]" for the first free N. */
void object_add_child_indexed(Object *parent, const char *name, Object *child);
Object *object_child(const Object *parent, const char *name);
/* Absolute ("/machine/x") or partial ("x", must be unique): NULL if none. */
Object *object_resolve(const char *path, bool *ambiguous);
char *object_path(const Object *obj); /* g_free */
/* `obj` if it is a @type, else NULL. */
Object *object_dynamic_cast(Object *obj, const char *type);

/*
 * A property of one instance only, or one that is computed: `get` returns a
 * new reference, `set` may be NULL (read-only).  @type is the name qom-list
 * shows ("int", "link<bus>").
 */
typedef QObject *(*DynGet)(Object *obj, const char *name, void *opaque,
                           Error **errp);
typedef bool (*DynSet)(Object *obj, const char *name, QObject *value,
                       void *opaque, Error **errp);
void object_add_dyn_prop(Object *obj, const char *name, const char *type,
                         DynGet get, DynSet set, void *opaque);
/* For types whose every instance has it (shown by qom-list-properties). */
void object_type_add_dyn_prop(const char *type, const char *name,
                              const char *prop_type, DynGet get, DynSet set,
                              void *opaque);

/* Any property by name; values from strings are parsed by the type. */
bool object_set(Object *obj, const char *prop, QObject *value, Error **errp);
bool object_set_str(Object *obj, const char *prop, const char *v, Error **errp);
bool object_set_int(Object *obj, const char *prop, int64_t v, Error **errp);
bool object_set_bool(Object *obj, const char *prop, bool v, Error **errp);
QObject *object_get(Object *obj, const char *prop, Error **errp);
/* All of @props (a dict); the error names the object and the property. */
bool object_set_dict(Object *obj, const QObject *props, Error **errp);
/* Static, dynamic and child properties, in that order. */
void object_foreach_prop(Object *obj,
                         void (*fn)(const char *name, const char *type,
                                    const char *desc, const QObject *def,
                                    void *opaque),
                         void *opaque);
/* The same of a type that has no instance at hand. */
void object_type_foreach_prop(const ObjectType *type,
                              void (*fn)(const char *name, const char *type_,
                                         const char *desc, const QObject *def,
                                         void *opaque),
                              void *opaque);

/* -object / object-add: @opts has "qom-type", "id" and the properties. */
Object *object_create_user(const QObject *opts, Error **errp);
bool object_delete_user(const char *id, Error **errp);
/* `-global TYPE.PROP=VALUE` and machine compat tables.  Compat first, then
 * the user's; the user's that matched nothing are reported at the end. */
void object_add_global(const char *type, const char *prop, const char *value,
                       bool from_user);
void object_check_globals_used(void);

#endif
