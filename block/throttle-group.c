/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Object "throttle-group": a group of backends' limits with a name of its own,
 * which lives without members.  The limits are given one by one (x-iops-total)
 * or as one value (limits, QMP and JSON only) and may be changed at any time.
 */
#include "osdep.h"
#include "block/throttle.h"
#include "util/module.h"
#include "util/object.h"
#include "util/property.h"

typedef struct ThrottleGroup {
    Object obj;
    ThrottleConfig cfg;
    Throttle *group;     /* once complete */
} ThrottleGroup;

/* In the order of ThrottleConfig's buckets. */
static const char *const buckets[THROTTLE_BUCKETS] = {
    [THROTTLE_BPS_TOTAL] = "bps-total", [THROTTLE_BPS_READ] = "bps-read",
    [THROTTLE_BPS_WRITE] = "bps-write", [THROTTLE_OPS_TOTAL] = "iops-total",
    [THROTTLE_OPS_READ] = "iops-read", [THROTTLE_OPS_WRITE] = "iops-write",
};

enum { FIELD_AVG, FIELD_MAX, FIELD_LENGTH, FIELDS };
static const char *const suffixes[FIELDS] = { "", "-max", "-max-length" };

/* Every limit's name without "x-", made at registration. */
static char *names[THROTTLE_BUCKETS * FIELDS];

static int64_t limit_get(const ThrottleConfig *cfg, int n)
{
    const ThrottleBucket *b = &cfg->b[n / FIELDS];

    switch (n % FIELDS) {
    case FIELD_AVG:
        return b->avg;
    case FIELD_MAX:
        return b->max;
    default:
        return b->burst_length;
    }
}

static bool limit_set(ThrottleConfig *cfg, int n, const char *name, int64_t v,
                      Error **errp)
{
    ThrottleBucket *b = &cfg->b[n / FIELDS];

    if (v < 0) {
        error_setg(errp, "Property values cannot be negative");
        return false;
    }
    switch (n % FIELDS) {
    case FIELD_AVG:
        b->avg = v;
        return true;
    case FIELD_MAX:
        b->max = v;
        return true;
    default:
        if (v == 0 || v > UINT32_MAX) {
            error_setg(errp, "%s value must be in the range [1, %u]", name,
                       UINT32_MAX);
            return false;
        }
        b->burst_length = v;
        return true;
    }
}

static bool parse_value(const char *name, QObject *value, int64_t *v,
                        Error **errp)
{
    const Property p = { .name = name, .info = &prop_int64 };

    return prop_int64.set(NULL, &p, v, value, errp);
}

/* Takes effect at once in a group that is in use. */
static bool apply(ThrottleGroup *g, const ThrottleConfig *cfg, Error **errp)
{
    if (g->group && !throttle_check(cfg, errp)) {
        return false;
    }
    g->cfg = *cfg;
    if (g->group) {
        throttle_set(g->group, cfg);
    }
    return true;
}

static QObject *one_get(Object *obj, const char *name, void *opaque,
                        Error **errp)
{
    return qint_new(limit_get(&((ThrottleGroup *)obj)->cfg,
                              GPOINTER_TO_INT(opaque)));
}

static bool one_set(Object *obj, const char *name, QObject *value,
                    void *opaque, Error **errp)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;
    ThrottleConfig cfg = g->cfg;
    int64_t v;

    if (g->group) {
        error_setg(errp, "Property cannot be set after initialization");
        return false;
    }
    return parse_value(name, value, &v, errp) &&
           limit_set(&cfg, GPOINTER_TO_INT(opaque), name, v, errp) &&
           apply(g, &cfg, errp);
}

static QObject *op_size_get(Object *obj, const char *name, void *opaque,
                            Error **errp)
{
    return qint_new(((ThrottleGroup *)obj)->cfg.op_size);
}

static bool op_size_set(Object *obj, const char *name, QObject *value,
                        void *opaque, Error **errp)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;
    int64_t v;

    if (g->group) {
        error_setg(errp, "Property cannot be set after initialization");
        return false;
    }
    if (!parse_value(name, value, &v, errp)) {
        return false;
    }
    if (v < 0) {
        error_setg(errp, "Property values cannot be negative");
        return false;
    }
    g->cfg.op_size = v;
    return true;
}

static QObject *limits_get(Object *obj, const char *name, void *opaque,
                           Error **errp)
{
    const ThrottleConfig *cfg = &((ThrottleGroup *)obj)->cfg;
    QObject *d = qdict_new();

    for (int n = 0; n < THROTTLE_BUCKETS * FIELDS; n++) {
        qdict_put_int(d, names[n], limit_get(cfg, n));
    }
    qdict_put_int(d, "iops-size", cfg->op_size);
    return d;
}

static bool limits_take(ThrottleConfig *cfg, QObject *value, Error **errp)
{
    for (size_t i = 0; i < qdict_size(value); i++) {
        const char *key = qdict_key_at(value, i);
        int n = 0;
        int64_t v;

        if (!parse_value(key, qdict_value_at(value, i), &v, errp)) {
            return false;
        }
        while (n < THROTTLE_BUCKETS * FIELDS && strcmp(names[n], key)) {
            n++;
        }
        if (n < THROTTLE_BUCKETS * FIELDS) {
            if (!limit_set(cfg, n, key, v, errp)) {
                return false;
            }
        } else if (strcmp(key, "iops-size")) {
            error_setg(errp, "Parameter 'limits.%s' is unexpected", key);
            return false;
        } else if (v < 0) {
            error_setg(errp, "Property values cannot be negative");
            return false;
        } else {
            cfg->op_size = v;
        }
    }
    return true;
}

static bool limits_set(Object *obj, const char *name, QObject *value,
                       void *opaque, Error **errp)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;
    ThrottleConfig cfg = g->cfg;

    if (qobject_type(value) != QTYPE_DICT) {
        error_setg(errp, "Invalid parameter type for 'limits', expected: "
                   "object");
        return false;
    }
    return limits_take(&cfg, value, errp) && apply(g, &cfg, errp);
}

static void group_init(Object *obj)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;

    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        g->cfg.b[i].burst_length = 1;
    }
}

static bool group_complete(Object *obj, Error **errp)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;

    if (!throttle_check(&g->cfg, errp)) {
        return false;
    }
    g->group = throttle_group_ref(obj->name);
    throttle_set(g->group, &g->cfg);
    return true;
}

static bool group_can_go(Object *obj, Error **errp)
{
    if (!list_empty(&((ThrottleGroup *)obj)->group->members)) {
        error_setg(errp, "object '%s' is in use, can not be deleted",
                   obj->name);
        return false;
    }
    return true;
}

static void group_finalize(Object *obj)
{
    ThrottleGroup *g = (ThrottleGroup *)obj;

    if (g->group) {
        throttle_group_unref(g->group);
    }
}

static const ObjectType group_type = {
    .name = "throttle-group", .user_creatable = true,
    .size = sizeof(ThrottleGroup), .init = group_init,
    .complete = group_complete, .can_be_deleted = group_can_go,
    .finalize = group_finalize,
};

static void throttle_group_register(void)
{
    object_type_register(&group_type);
    for (int n = 0; n < THROTTLE_BUCKETS * FIELDS; n++) {
        g_autofree char *x = g_strdup_printf("x-%s%s", buckets[n / FIELDS],
                                             suffixes[n % FIELDS]);

        names[n] = g_strdup(x + 2);
        object_type_add_dyn_prop("throttle-group", x, "int", one_get, one_set,
                                 GINT_TO_POINTER(n));
    }
    object_type_add_dyn_prop("throttle-group", "x-iops-size", "int",
                             op_size_get, op_size_set, NULL);
    object_type_add_dyn_prop("throttle-group", "limits", "ThrottleLimits",
                             limits_get, limits_set, NULL);
}
object_init(throttle_group_register)
