/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object tree, types and properties.  All under the BQL. */
#include "osdep.h"
#include "util/module.h"
#include "util/object.h"
#include "util/option.h"
#include "util/property.h"

typedef struct DynProperty {
    ListNode node;
    char *name, *type;
    DynGet get;
    DynSet set;
    void *opaque;
} DynProperty;

typedef struct Global {
    char *type, *prop, *value;
    bool from_user, used;
} Global;

/* name -> ObjectType; made at the first registration. */
static GHashTable *types;
/* type name -> ListNode head of DynProperty. */
static GHashTable *type_dyn_props;
static GPtrArray *globals;
static Object *root;

static const ObjectType object_base = {
    .name = "object", .abstract = true, .size = sizeof(Object),
};
static const ObjectType container_type = {
    .name = "container", .size = sizeof(Object),
};

/* --- types --- */

static GHashTable *type_table(void)
{
    if (!types) {
        types = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(types, (char *)object_base.name,
                            (void *)&object_base);
        g_hash_table_insert(types, (char *)container_type.name,
                            (void *)&container_type);
    }
    return types;
}

void object_type_register(const ObjectType *type)
{
    assert(!g_hash_table_contains(type_table(), type->name));
    g_hash_table_insert(types, (char *)type->name, (void *)type);
}

const ObjectType *object_type_find(const char *name)
{
    return g_hash_table_lookup(type_table(), name);
}

const ObjectType *object_type_parent(const ObjectType *type)
{
    if (type == &object_base) {
        return NULL;
    }
    return type->parent ? object_type_find(type->parent) : &object_base;
}

bool object_type_is(const ObjectType *type, const char *name)
{
    for (; type; type = object_type_parent(type)) {
        if (strcmp(type->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void object_type_foreach(void (*fn)(const ObjectType *, void *), void *opaque)
{
    unsigned n;
    g_autofree char **names =
        (char **)g_hash_table_get_keys_as_array(type_table(), &n);

    qsort(names, n, sizeof(*names), compare_names);
    for (unsigned i = 0; i < n; i++) {
        fn(object_type_find(names[i]), opaque);
    }
}

/* --- life --- */

static void run_init(Object *obj, const ObjectType *type)
{
    const ObjectType *parent = object_type_parent(type);

    if (parent) {
        run_init(obj, parent);
    }
    if (type->init) {
        type->init(obj);
    }
}

void object_init_in(Object *obj, const char *name)
{
    const ObjectType *type = object_type_find(name);

    assert(type && !type->abstract);
    memset(obj, 0, type->size);
    obj->type = type;
    list_init(&obj->node);
    list_init(&obj->children);
    list_init(&obj->dyn_props);
    property_set_defaults(obj);
    run_init(obj, type);
}

Object *object_new(const char *name)
{
    const ObjectType *type = object_type_find(name);
    Object *obj;

    assert(type && !type->abstract && type->size >= sizeof(Object));
    obj = g_malloc(type->size);
    object_init_in(obj, name);
    return obj;
}

static void object_clear(Object *obj)
{
    while (!list_empty(&obj->children)) {
        object_free(list_entry(obj->children.prev, Object, node));
    }
    for (const ObjectType *t = obj->type; t; t = object_type_parent(t)) {
        if (t->finalize) {
            t->finalize(obj);
        }
    }
    property_release_all(obj);
    while (!list_empty(&obj->dyn_props)) {
        DynProperty *p = list_first(&obj->dyn_props, DynProperty, node);

        list_remove(&p->node);
        g_free(p->name);
        g_free(p->type);
        g_free(p);
    }
    list_remove(&obj->node);
    g_free(obj->name);
    obj->name = NULL;
    obj->parent = NULL;
}

void object_unparent(Object *obj)
{
    list_remove(&obj->node);
    g_free(obj->name);
    obj->name = NULL;
    obj->parent = NULL;
}

void object_free(Object *obj)
{
    if (obj) {
        object_clear(obj);
        g_free(obj);
    }
}

/* --- tree --- */

Object *object_root(void)
{
    if (!root) {
        root = object_new("container");
    }
    return root;
}

Object *object_child(const Object *parent, const char *name)
{
    Object *o;

    list_foreach(o, &parent->children, node) {
        if (strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

void object_add_child(Object *parent, const char *name, Object *child)
{
    assert(!child->parent && !object_child(parent, name));
    child->parent = parent;
    child->name = g_strdup(name);
    list_append(&parent->children, &child->node);
}

void object_add_child_indexed(Object *parent, const char *name, Object *child)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *full = g_strdup_printf("%s[%u]", name, n);

        if (!object_child(parent, full)) {
            object_add_child(parent, full, child);
            return;
        }
    }
}

Object *object_container(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *o = object_root();

    for (char **p = parts; *p; p++) {
        Object *next;

        if (!**p) {
            continue;
        }
        next = object_child(o, *p);
        if (!next) {
            next = object_new("container");
            object_add_child(o, *p, next);
        }
        o = next;
    }
    return o;
}

static Object *walk(Object *from, char **parts)
{
    for (; from && *parts; parts++) {
        if (**parts) {
            from = object_child(from, *parts);
        }
    }
    return from;
}

static Object *search(Object *from, char **parts, bool *ambiguous)
{
    Object *found = walk(from, parts), *child, *other;

    list_foreach(child, &from->children, node) {
        other = search(child, parts, ambiguous);
        if (other && found && other != found) {
            *ambiguous = true;
        }
        found = found ? found : other;
    }
    return found;
}

Object *object_resolve(const char *path, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    bool dummy = false;
    Object *o;

    ambiguous = ambiguous ? ambiguous : &dummy;
    *ambiguous = false;
    if (!*path) {
        return NULL;
    }
    if (*path == '/') {
        return walk(object_root(), parts);
    }
    o = search(object_root(), parts, ambiguous);
    return *ambiguous ? NULL : o;
}

char *object_path(const Object *obj)
{
    GString *s = g_string_new(NULL);

    for (; obj && obj->parent; obj = obj->parent) {
        g_string_prepend(s, obj->name);
        g_string_prepend_c(s, '/');
    }
    if (!s->len) {
        g_string_append_c(s, '/');
    }
    return g_string_free(s, FALSE);
}

Object *object_dynamic_cast(Object *obj, const char *type)
{
    return obj && object_type_is(obj->type, type) ? obj : NULL;
}

/* --- properties --- */

static DynProperty *dyn_new(const char *name, const char *type, DynGet get,
                            DynSet set, void *opaque)
{
    DynProperty *p = g_new0(DynProperty, 1);

    p->name = g_strdup(name);
    p->type = g_strdup(type);
    p->get = get;
    p->set = set;
    p->opaque = opaque;
    return p;
}

void object_add_dyn_prop(Object *obj, const char *name, const char *type,
                         DynGet get, DynSet set, void *opaque)
{
    list_append(&obj->dyn_props, &dyn_new(name, type, get, set, opaque)->node);
}

static ListNode *type_dyn_list(const char *type)
{
    return type_dyn_props ? g_hash_table_lookup(type_dyn_props, type) : NULL;
}

void object_type_add_dyn_prop(const char *type, const char *name,
                              const char *prop_type, DynGet get, DynSet set,
                              void *opaque)
{
    ListNode *head;

    if (!type_dyn_props) {
        type_dyn_props = g_hash_table_new(g_str_hash, g_str_equal);
    }
    head = type_dyn_list(type);
    if (!head) {
        head = g_new(ListNode, 1);
        list_init(head);
        g_hash_table_insert(type_dyn_props, (char *)type, head);
    }
    list_append(head, &dyn_new(name, prop_type, get, set, opaque)->node);
}

static DynProperty *dyn_find_in(ListNode *head, const char *name)
{
    DynProperty *p;

    if (head) {
        list_foreach(p, head, node) {
            if (strcmp(p->name, name) == 0) {
                return p;
            }
        }
    }
    return NULL;
}

static DynProperty *dyn_find(Object *obj, const char *name)
{
    DynProperty *p = dyn_find_in(&obj->dyn_props, name);

    for (const ObjectType *t = obj->type; !p && t; t = object_type_parent(t)) {
        p = dyn_find_in(type_dyn_list(t->name), name);
    }
    return p;
}

static void no_property(Object *obj, const char *name, Error **errp)
{
    error_setg(errp, "Property '%s.%s' not found", obj->type->name, name);
}

bool object_set(Object *obj, const char *name, QObject *value, Error **errp)
{
    const Property *p = property_find(obj->type, name);
    DynProperty *d;

    if (p) {
        void *field = (char *)obj + p->offset;
        Error *err = NULL;

        if (!p->info->set(obj, p, field, value, &err)) {
            g_autofree char *what = g_strdup_printf(
                "Property '%s.%s'", obj->type->name, name);

            if (!strstr(error_get_pretty(err), name)) {
                error_prepend(&err, "%s: ", what);
            }
            error_propagate(errp, err);
            return false;
        }
        return true;
    }
    d = dyn_find(obj, name);
    if (!d) {
        no_property(obj, name, errp);
        return false;
    }
    if (!d->set) {
        error_setg(errp, "Property '%s.%s' is not writable", obj->type->name,
                   name);
        return false;
    }
    return d->set(obj, name, value, d->opaque, errp);
}

bool object_set_str(Object *obj, const char *prop, const char *v, Error **errp)
{
    g_autoptr(QObject) q = qstring_new(v);

    return object_set(obj, prop, q, errp);
}

bool object_set_int(Object *obj, const char *prop, int64_t v, Error **errp)
{
    g_autoptr(QObject) q = qint_new(v);

    return object_set(obj, prop, q, errp);
}

bool object_set_bool(Object *obj, const char *prop, bool v, Error **errp)
{
    g_autoptr(QObject) q = qbool_new(v);

    return object_set(obj, prop, q, errp);
}

QObject *object_get(Object *obj, const char *name, Error **errp)
{
    const Property *p = property_find(obj->type, name);
    DynProperty *d;
    Object *child;

    if (p) {
        return p->info->get(obj, p, (char *)obj + p->offset);
    }
    if (strcmp(name, "type") == 0) {
        return qstring_new(obj->type->name);
    }
    d = dyn_find(obj, name);
    if (d && d->get) {
        return d->get(obj, name, d->opaque, errp);
    }
    child = object_child(obj, name);
    if (child) {
        g_autofree char *path = object_path(child);

        return qstring_new(path);
    }
    if (d) {
        error_setg(errp, "Property '%s.%s' is not readable", obj->type->name,
                   name);
    } else {
        no_property(obj, name, errp);
    }
    return NULL;
}

bool object_set_dict(Object *obj, const QObject *props, Error **errp)
{
    for (size_t i = 0; i < qdict_size(props); i++) {
        if (!object_set(obj, qdict_key_at(props, i), qdict_value_at(props, i),
                        errp)) {
            return false;
        }
    }
    return true;
}

typedef void (*PropVisitor)(const char *, const char *, const char *,
                            const QObject *, void *);

static void visit_static(const ObjectType *type, PropVisitor fn, void *opaque)
{
    const ObjectType *parent = object_type_parent(type);

    if (parent) {
        visit_static(parent, fn, opaque);
    }
    for (const Property *p = type->props; p && p->name; p++) {
        g_autoptr(QObject) def =
            p->info->get_default ? p->info->get_default(p) : NULL;

        fn(p->name, p->info->name, p->desc ? p->desc : p->info->desc, def,
           opaque);
    }
}

static void visit_dyn(ListNode *head, PropVisitor fn, void *opaque)
{
    DynProperty *p;

    if (head) {
        list_foreach(p, head, node) {
            fn(p->name, p->type, NULL, NULL, opaque);
        }
    }
}

void object_type_foreach_prop(const ObjectType *type, PropVisitor fn,
                              void *opaque)
{
    fn("type", "string", NULL, NULL, opaque);
    visit_static(type, fn, opaque);
    for (const ObjectType *t = type; t; t = object_type_parent(t)) {
        visit_dyn(type_dyn_list(t->name), fn, opaque);
    }
}

void object_foreach_prop(Object *obj, PropVisitor fn, void *opaque)
{
    Object *child;

    object_type_foreach_prop(obj->type, fn, opaque);
    visit_dyn(&obj->dyn_props, fn, opaque);
    list_foreach(child, &obj->children, node) {
        g_autofree char *type = g_strdup_printf("child<%s>", child->type->name);

        fn(child->name, type, NULL, NULL, opaque);
    }
}

/* --- -global and compat tables --- */

void object_add_global(const char *type, const char *prop, const char *value,
                       bool from_user)
{
    Global *g = g_new0(Global, 1);

    g->type = g_strdup(type);
    g->prop = g_strdup(prop);
    g->value = g_strdup(value);
    g->from_user = from_user;
    if (!globals) {
        globals = g_ptr_array_new();
    }
    g_ptr_array_add(globals, g);
}

/* Defaults first by the compat tables, then by the user. */
static void apply_globals(Object *obj, bool from_user)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        Global *g = g_ptr_array_index(globals, i);
        Error *err = NULL;

        if (g->from_user != from_user || !object_type_is(obj->type, g->type)) {
            continue;
        }
        g->used = true;
        if (!object_set_str(obj, g->prop, g->value, &err)) {
            if (!from_user) {
                error_free(err); /* a table may know more than we do */
                continue;
            }
            error_prepend(&err, "can't apply global %s.%s=%s: ", g->type,
                          g->prop, g->value);
            warn_report_err(err);
        }
    }
}

void object_check_globals_used(void)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        Global *g = g_ptr_array_index(globals, i);

        if (g->from_user && !g->used) {
            if (object_type_find(g->type)) {
                warn_report("global %s.%s=%s not used", g->type, g->prop,
                            g->value);
            } else {
                warn_report("global %s.%s has invalid class name", g->type,
                            g->prop);
            }
        }
    }
}

void property_set_defaults(Object *obj)
{
    for (const ObjectType *t = obj->type; t; t = object_type_parent(t)) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (p->info->set_default) {
                p->info->set_default(p, (char *)obj + p->offset);
            } else if (p->info->values) {
                *(int *)((char *)obj + p->offset) = p->def; /* an enum */
            }
        }
    }
    if (globals) {
        apply_globals(obj, false);
        apply_globals(obj, true);
    }
}

void property_release_all(Object *obj)
{
    for (const ObjectType *t = obj->type; t; t = object_type_parent(t)) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (p->info->release) {
                p->info->release(obj, p, (char *)obj + p->offset);
            }
        }
    }
}

const Property *property_find(const ObjectType *type, const char *name)
{
    for (const ObjectType *t = type; t; t = object_type_parent(t)) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (strcmp(p->name, name) == 0) {
                return p;
            }
        }
    }
    return NULL;
}

/* --- -object --- */

static void add_user_type(const ObjectType *t, void *opaque)
{
    if (t->user_creatable && !t->abstract) {
        g_ptr_array_add(opaque, (char *)t->name);
    }
}

static bool check_user_type(const char *name, Error **errp)
{
    const ObjectType *type = object_type_find(name);
    g_autoptr(GPtrArray) names = NULL;
    const char *near;

    if (type && type->user_creatable && !type->abstract) {
        return true;
    }
    names = g_ptr_array_new();
    object_type_foreach(add_user_type, names);
    g_ptr_array_add(names, NULL);
    near = nearest_name(name, (const char *const *)names->pdata);
    if (near) {
        error_setg(errp, "invalid object type: %s (did you mean '%s'?)", name,
                   near);
    } else {
        error_setg(errp, "invalid object type: %s", name);
    }
    return false;
}

Object *object_create_user(const QObject *opts, Error **errp)
{
    const char *type = qdict_get_str(opts, "qom-type");
    const char *id = qdict_get_str(opts, "id");
    Object *objects = object_container("/objects"), *obj;

    if (!type) {
        error_setg(errp, "Parameter 'qom-type' is missing");
        return NULL;
    }
    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return NULL;
    }
    if (!id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return NULL;
    }
    if (!check_user_type(type, errp)) {
        return NULL;
    }
    if (object_child(objects, id)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object "
                         "(type 'container')", id);
        return NULL;
    }
    obj = object_new(type);
    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (strcmp(key, "qom-type") != 0 && strcmp(key, "id") != 0 &&
            !object_set(obj, key, qdict_value_at(opts, i), errp)) {
            object_free(obj);
            return NULL;
        }
    }
    object_add_child(objects, id, obj);
    if (obj->type->complete && !obj->type->complete(obj, errp)) {
        object_free(obj);
        return NULL;
    }
    return obj;
}

bool object_delete_user(const char *id, Error **errp)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj) {
        error_setg(errp, "object '%s' not found", id);
        return false;
    }
    if (obj->users) {
        error_setg(errp, "object '%s' is in use, can not be deleted", id);
        return false;
    }
    if (obj->type->can_be_deleted && !obj->type->can_be_deleted(obj, errp)) {
        return false;
    }
    object_free(obj);
    return true;
}
