/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Authorization objects; include/util/authz.h.
 *
 * Questions come from any thread, so everything that an answer needs is under
 * one lock: the list of objects, their names and rules.
 */
#include "osdep.h"
#include "util/authz.h"
#include "util/module.h"
#include "util/property.h"
#include <fnmatch.h>
#include <sys/stat.h>

#define FILE_MAX MiB

typedef struct Authz {
    Object obj;
    ListNode node;      /* lock: lock; linked when it can be asked */
    char *id;           /* lock: lock; owned */
    bool (*allows)(struct Authz *a, const char *identity); /* lock held */
} Authz;

static GMutex lock;
static ListNode all = LIST_INIT(all);

bool authz_is_allowed(const char *id, const char *identity)
{
    bool allowed = false;
    Authz *a;

    g_mutex_lock(&lock);
    list_foreach(a, &all, node) {
        if (!strcmp(a->id, id)) {
            allowed = a->allows(a, identity);
            break;
        }
    }
    g_mutex_unlock(&lock);
    return allowed;
}

static bool add(Object *obj, bool (*allows)(Authz *, const char *))
{
    Authz *a = (Authz *)obj;

    g_mutex_lock(&lock);
    a->id = g_strdup(obj->name);
    a->allows = allows;
    list_append(&all, &a->node);
    g_mutex_unlock(&lock);
    return true;
}

/* Harmless when it was never added, or twice. */
static void authz_finalize(Object *obj)
{
    Authz *a = (Authz *)obj;

    g_mutex_lock(&lock);
    if (a->id) {
        list_remove(&a->node);
        g_clear_pointer(&a->id, g_free);
    }
    g_mutex_unlock(&lock);
}

static const ObjectType authz_type = {
    .name = "authz", .abstract = true, .size = sizeof(Authz),
    .finalize = authz_finalize,
};

/* ---- authz-simple: one identity ------------------------------------------ */

typedef struct AuthzSimple {
    Authz parent;
    char *identity;
} AuthzSimple;

static bool simple_allows(Authz *a, const char *identity)
{
    return !strcmp(((AuthzSimple *)a)->identity, identity);
}

static bool simple_complete(Object *obj, Error **errp)
{
    if (!((AuthzSimple *)obj)->identity) {
        error_setg(errp, "Parameter 'identity' is missing");
        return false;
    }
    return add(obj, simple_allows);
}

static const Property simple_props[] = {
    PROP_STR("identity", AuthzSimple, identity),
    PROP_END(),
};

static const ObjectType simple_type = {
    .name = "authz-simple", .parent = "authz", .user_creatable = true,
    .size = sizeof(AuthzSimple), .props = simple_props,
    .complete = simple_complete,
};

/* ---- rules --------------------------------------------------------------- */

/* What @d says under @key, one of @a and @b; @def when it says nothing. */
static const char *one_of(const QObject *d, const char *key, const char *a,
                          const char *b, const char *def, Error **errp)
{
    const char *v = qdict_get_str(d, key);

    if (!qdict_has(d, key)) {
        if (!def) {
            error_setg(errp, "Parameter '%s' is missing", key);
        }
        return def;
    }
    if (v && (!strcmp(v, a) || !strcmp(v, b))) {
        return v;
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s'", key,
               v ? v : "");
    return NULL;
}

static bool check_rule(const QObject *rule, Error **errp)
{
    static const char *const keys[] = { "match", "policy", "format", NULL };

    if (qobject_type(rule) != QTYPE_DICT) {
        error_setg(errp, "Parameter 'rules' expects objects");
        return false;
    }
    if (!qdict_get_str(rule, "match")) {
        error_setg(errp, "Parameter 'match' is missing");
        return false;
    }
    for (size_t i = 0; i < qdict_size(rule); i++) {
        if (!g_strv_contains(keys, qdict_key_at(rule, i))) {
            error_setg(errp, "Parameter '%s' is unexpected",
                       qdict_key_at(rule, i));
            return false;
        }
    }
    return one_of(rule, "policy", "allow", "deny", NULL, errp) &&
           one_of(rule, "format", "exact", "glob", "exact", errp);
}

static bool check_rules(const QObject *rules, Error **errp)
{
    if (qobject_type(rules) != QTYPE_LIST) {
        error_setg(errp, "Invalid parameter type for 'rules', expected: array");
        return false;
    }
    for (size_t i = 0; i < qlist_size(rules); i++) {
        if (!check_rule(qlist_at(rules, i), errp)) {
            return false;
        }
    }
    return true;
}

/* The first rule that matches decides. */
static bool rules_allow(const QObject *rules, bool otherwise,
                        const char *identity)
{
    for (size_t i = 0; rules && i < qlist_size(rules); i++) {
        const QObject *rule = qlist_at(rules, i);
        const char *match = qdict_get_str(rule, "match");
        const char *format = qdict_get_str(rule, "format");

        if (format && !strcmp(format, "glob") ? !fnmatch(match, identity, 0)
                                              : !strcmp(match, identity)) {
            return !strcmp(qdict_get_str(rule, "policy"), "allow");
        }
    }
    return otherwise;
}

/* ---- authz-list ---------------------------------------------------------- */

typedef struct AuthzList {
    Authz parent;
    int policy;        /* lock: lock */
    QObject *rules;    /* lock: lock; owned, NULL: none */
} AuthzList;

enum { POLICY_DENY, POLICY_ALLOW };
static const char *const policies[] = { "deny", "allow", NULL };

static bool policy_set(Object *obj, const Property *p, void *field, QObject *v,
                       Error **errp)
{
    int policy;

    if (!prop_enum_set(obj, p, &policy, v, errp)) {
        return false;
    }
    g_mutex_lock(&lock);
    *(int *)field = policy;
    g_mutex_unlock(&lock);
    return true;
}

static const PropertyInfo prop_policy = {
    .name = "QAuthZListPolicy", .values = policies, .set = policy_set,
    .get = prop_enum_get, .get_default = prop_enum_get_default,
};

static bool rules_set(Object *obj, const Property *p, void *field, QObject *v,
                      Error **errp)
{
    QObject **rules = field, *old;

    if (!check_rules(v, errp)) {
        return false;
    }
    g_mutex_lock(&lock);
    old = *rules;
    *rules = qobject_deep_copy(v);
    g_mutex_unlock(&lock);
    qobject_unref(old);
    return true;
}

static QObject *rules_get(Object *obj, const Property *p, const void *field)
{
    const QObject *const *rules = field;

    return *rules ? qobject_deep_copy(*rules) : qlist_new();
}

static void rules_release(Object *obj, const Property *p, void *field)
{
    qobject_unref(*(QObject **)field);
    *(QObject **)field = NULL;
}

static void rules_default(const Property *p, void *field)
{
    *(QObject **)field = NULL;
}

static QObject *rules_get_default(const Property *p)
{
    return NULL;
}

static const PropertyInfo prop_rules = {
    .name = "QAuthZListRule", .set = rules_set, .get = rules_get,
    .release = rules_release, .set_default = rules_default,
    .get_default = rules_get_default,
};

static bool list_allows(Authz *a, const char *identity)
{
    AuthzList *l = (AuthzList *)a;

    return rules_allow(l->rules, l->policy == POLICY_ALLOW, identity);
}

static bool list_complete(Object *obj, Error **errp)
{
    return add(obj, list_allows);
}

static const Property list_props[] = {
    { .name = "policy", .info = &prop_policy, .live = true,
      .offset = PROP_FIELD(AuthzList, policy, int), .def = POLICY_DENY },
    { .name = "rules", .info = &prop_rules, .live = true,
      .offset = PROP_FIELD(AuthzList, rules, QObject *) },
    PROP_END(),
};

static const ObjectType list_type = {
    .name = "authz-list", .parent = "authz", .user_creatable = true,
    .size = sizeof(AuthzList), .props = list_props, .complete = list_complete,
};

/* ---- authz-listfile: the same as JSON in a file ------------------------- */

typedef struct AuthzFile {
    Authz parent;
    char *filename;
    bool refresh;
    QObject *text;      /* lock: lock; owned: "policy" and "rules" */
    struct stat read;   /* lock: lock; the file that it came from */
} AuthzFile;

static bool file_load(AuthzFile *f, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autofree char *text = NULL;
    g_autoptr(QObject) o = NULL;
    struct stat st;

    if (stat(f->filename, &st) < 0 || st.st_size > (off_t)FILE_MAX) {
        error_setg(errp, "Unable to read '%s': it is not there, or longer "
                   "than 1 MiB", f->filename);
        return false;
    }
    f->read = st; /* a bad one is not read again either */
    if (!g_file_get_contents(f->filename, &text, NULL, &gerr)) {
        error_setg(errp, "Unable to read '%s': %s", f->filename,
                   gerr->message);
        return false;
    }
    o = json_parse(text, errp);
    if (!o) {
        error_prepend(errp, "'%s': ", f->filename);
        return false;
    }
    if (qobject_type(o) != QTYPE_DICT) {
        error_setg(errp, "'%s' does not hold a JSON object", f->filename);
        return false;
    }
    if (!one_of(o, "policy", "allow", "deny", "deny", errp) ||
        (qdict_has(o, "rules") && !check_rules(qdict_get(o, "rules"), errp))) {
        error_prepend(errp, "'%s': ", f->filename);
        return false;
    }
    qobject_unref(f->text);
    f->text = g_steal_pointer(&o);
    return true;
}

static bool file_allows(Authz *a, const char *identity)
{
    AuthzFile *f = (AuthzFile *)a;
    const char *policy;
    struct stat st;
    Error *err = NULL;

    if (f->refresh && stat(f->filename, &st) == 0 &&
        (st.st_ino != f->read.st_ino || st.st_size != f->read.st_size ||
         memcmp(&st.st_mtim, &f->read.st_mtim, sizeof(st.st_mtim))) &&
        !file_load(f, &err)) {
        warn_report("%s; what it said before stays", error_get_pretty(err));
        error_free(err);
    }
    policy = qdict_get_str(f->text, "policy");
    return rules_allow(qdict_get(f->text, "rules"),
                       policy && !strcmp(policy, "allow"), identity);
}

static bool file_complete(Object *obj, Error **errp)
{
    AuthzFile *f = (AuthzFile *)obj;

    if (!f->filename) {
        error_setg(errp, "Parameter 'filename' is missing");
        return false;
    }
    return file_load(f, errp) && add(obj, file_allows);
}

static void file_finalize(Object *obj)
{
    authz_finalize(obj); /* off the list first */
    qobject_unref(((AuthzFile *)obj)->text);
}

static const Property file_props[] = {
    PROP_STR("filename", AuthzFile, filename),
    PROP_BOOL("refresh", AuthzFile, refresh, true),
    PROP_END(),
};

static const ObjectType file_type = {
    .name = "authz-listfile", .parent = "authz", .user_creatable = true,
    .size = sizeof(AuthzFile), .props = file_props,
    .complete = file_complete, .finalize = file_finalize,
};

static void authz_register(void)
{
    object_type_register(&authz_type);
    object_type_register(&simple_type);
    object_type_register(&list_type);
    object_type_register(&file_type);
}
object_init(authz_register)
