/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of generated QMP types: to JSON, from JSON or option text, free.
 * One walk over the const type descriptions each.
 *
 * A "slot" is where a value of a type is kept: the variable itself for
 * scalars, a pointer for everything else.  Structs are handled by the address
 * of the struct, since branches of unions are embedded.
 */
#include "osdep.h"
#include "qapi/visit.h"
#include "util/option.h"

#define INT_TYPE(n, s, sign) \
    const QapiType qapi_type_##n = { \
        .name = #n, .kind = QAPI_INT, .size = s, .is_signed = sign }
INT_TYPE(int, 8, true);
INT_TYPE(int8, 1, true);
INT_TYPE(int16, 2, true);
INT_TYPE(int32, 4, true);
INT_TYPE(int64, 8, true);
INT_TYPE(uint8, 1, false);
INT_TYPE(uint16, 2, false);
INT_TYPE(uint32, 4, false);
INT_TYPE(uint64, 8, false);
const QapiType qapi_type_size = { .name = "size", .kind = QAPI_SIZE,
                                  .size = 8 };
const QapiType qapi_type_number = { .name = "number", .kind = QAPI_NUMBER,
                                    .size = sizeof(double) };
const QapiType qapi_type_bool = { .name = "bool", .kind = QAPI_BOOL,
                                  .size = sizeof(bool) };
const QapiType qapi_type_str = { .name = "str", .kind = QAPI_STR,
                                 .size = sizeof(char *) };
const QapiType qapi_type_null = { .name = "null", .kind = QAPI_NULL,
                                  .size = sizeof(QObject *) };
const QapiType qapi_type_any = { .name = "any", .kind = QAPI_ANY,
                                 .size = sizeof(QObject *) };

/* Every list node is a pointer to the next one, then the value. */
typedef struct ListHead {
    struct ListHead *next;
    uint64_t value;
} ListHead;

static bool is_pointer(const QapiType *t)
{
    return t->kind == QAPI_STR || t->kind == QAPI_NULL ||
           t->kind == QAPI_ANY || t->kind >= QAPI_LIST;
}

static void *load_pointer(const void *slot)
{
    return *(void *const *)slot;
}

static int load_enum(const void *slot)
{
    return *(const int *)slot;
}

const char *qapi_enum_str(const QapiType *type, int v)
{
    g_assert(v >= 0 && v < type->n);
    return type->values[v];
}

bool qapi_enum_parse(const QapiType *type, const char *name, const char *s,
                     int *v, Error **errp)
{
    for (int i = 0; i < type->n; i++) {
        if (!strcmp(type->values[i], s)) {
            *v = i;
            return true;
        }
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s'", name, s);
    return false;
}

/* The members of @t's branch, or NULL. */
static const QapiType *variant_of(const QapiType *t, const void *obj)
{
    int tag;

    if (!t->variants) {
        return NULL;
    }
    tag = load_enum((const char *)obj + t->members[t->tag].offset);
    return tag >= 0 && tag < t->members[t->tag].type->n ? t->variants[tag]
                                                        : NULL;
}

static QType qtype_of(const QapiType *t)
{
    switch (t->kind) {
    case QAPI_STR:
    case QAPI_ENUM:
        return QTYPE_STRING;
    case QAPI_INT:
    case QAPI_SIZE:
        return QTYPE_INT;
    case QAPI_NUMBER:
        return QTYPE_FLOAT;
    case QAPI_BOOL:
        return QTYPE_BOOL;
    case QAPI_LIST:
        return QTYPE_LIST;
    case QAPI_STRUCT:
    case QAPI_ALTERNATE:
        return QTYPE_DICT;
    default:
        return QTYPE_NULL;
    }
}

/* ---- To JSON ---- */

static void struct_to_dict(const QapiType *t, const char *obj, QObject *dict);

static QObject *alternate_to_qobject(const QapiType *t, const char *obj);

static QObject *int_to_qobject(const QapiType *t, const void *slot)
{
    switch (t->size) {
    case 1:
        return qint_new(t->is_signed ? *(const int8_t *)slot
                                     : *(const uint8_t *)slot);
    case 2:
        return qint_new(t->is_signed ? *(const int16_t *)slot
                                     : *(const uint16_t *)slot);
    case 4:
        return qint_new(t->is_signed ? *(const int32_t *)slot
                                     : (int64_t)*(const uint32_t *)slot);
    default:
        return t->is_signed ? qint_new(*(const int64_t *)slot)
                            : quint_new(*(const uint64_t *)slot);
    }
}

static QObject *slot_to_qobject(const QapiType *t, const void *slot)
{
    QObject *q;

    switch (t->kind) {
    case QAPI_INT:
    case QAPI_SIZE:
        return int_to_qobject(t, slot);
    case QAPI_NUMBER:
        return qfloat_new(*(const double *)slot);
    case QAPI_BOOL:
        return qbool_new(*(const bool *)slot);
    case QAPI_ENUM:
        return qstring_new(qapi_enum_str(t, load_enum(slot)));
    case QAPI_STR:
        q = load_pointer(slot);
        return qstring_new(q ? (const char *)q : "");
    case QAPI_NULL:
    case QAPI_ANY:
        q = load_pointer(slot);
        return q ? qobject_ref(q) : qnull_new();
    default:
        return qapi_to_qobject(t, load_pointer(slot));
    }
}

static void struct_to_dict(const QapiType *t, const char *obj, QObject *dict)
{
    const QapiType *branch;

    for (int i = 0; i < t->n; i++) {
        const QapiMember *m = &t->members[i];
        const char *slot = obj + m->offset;

        if (m->optional) {
            bool has = m->has >= 0 && *(const bool *)(obj + m->has);

            if (!has && !(is_pointer(m->type) && load_pointer(slot))) {
                continue;
            }
        }
        qdict_put(dict, m->name, slot_to_qobject(m->type, slot));
    }
    branch = variant_of(t, obj);
    if (branch) {
        struct_to_dict(branch, obj + t->u, dict);
    }
}

static const QapiMember *alternate_branch(const QapiType *t, QType type)
{
    for (int i = 0; i < t->n; i++) {
        if (qtype_of(t->members[i].type) == type) {
            return &t->members[i];
        }
    }
    return NULL;
}

static QObject *alternate_to_qobject(const QapiType *t, const char *obj)
{
    const QapiMember *m = alternate_branch(t, *(const QType *)obj);

    if (!m) {
        return qnull_new();
    }
    if (m->type->kind == QAPI_STRUCT) {
        return qapi_to_qobject(m->type, obj + m->offset);
    }
    return slot_to_qobject(m->type, obj + m->offset);
}

QObject *qapi_to_qobject(const QapiType *t, const void *v)
{
    QObject *q;

    switch (t->kind) {
    case QAPI_LIST:
        q = qlist_new();
        for (const ListHead *l = v; l; l = l->next) {
            qlist_append(q, slot_to_qobject(t->element, &l->value));
        }
        return q;
    case QAPI_STRUCT:
        q = qdict_new();
        if (v) {
            struct_to_dict(t, v, q);
        }
        return q;
    case QAPI_ALTERNATE:
        return v ? alternate_to_qobject(t, v) : qnull_new();
    default:
        return slot_to_qobject(t, v);
    }
}

/* ---- Freeing ---- */

static void free_members(const QapiType *t, char *obj);

static void free_slot(const QapiType *t, void *slot)
{
    switch (t->kind) {
    case QAPI_STR:
        g_free(load_pointer(slot));
        break;
    case QAPI_NULL:
    case QAPI_ANY:
        qobject_unref(load_pointer(slot));
        break;
    case QAPI_LIST:
    case QAPI_STRUCT:
    case QAPI_ALTERNATE:
        qapi_free(t, load_pointer(slot));
        break;
    default:
        break;
    }
}

static void free_members(const QapiType *t, char *obj)
{
    const QapiType *branch = variant_of(t, obj);

    if (branch) {
        free_members(branch, obj + t->u);
    }
    for (int i = 0; i < t->n; i++) {
        free_slot(t->members[i].type, obj + t->members[i].offset);
    }
}

void qapi_free(const QapiType *t, void *v)
{
    const QapiMember *m;
    ListHead *l, *next;

    if (!v) {
        return;
    }
    switch (t->kind) {
    case QAPI_LIST:
        for (l = v; l; l = next) {
            next = l->next;
            free_slot(t->element, &l->value);
            g_free(l);
        }
        return;
    case QAPI_STRUCT:
        free_members(t, v);
        break;
    case QAPI_ALTERNATE:
        m = alternate_branch(t, *(QType *)v);
        if (m && m->type->kind == QAPI_STRUCT) {
            free_members(m->type, (char *)v + m->offset);
        } else if (m) {
            free_slot(m->type, (char *)v + m->offset);
        }
        break;
    default:
        g_assert_not_reached();
    }
    g_free(v);
}

/* ---- From JSON or option text ---- */

/* Where in the input we are, innermost first, for messages. */
typedef struct Place {
    const struct Place *up;
    const char *name; /* NULL: element @index of a list */
    size_t index;
} Place;

typedef struct Input {
    bool keyval;      /* scalars may be strings */
    Error **errp;
} Input;

static void place_text(const Place *at, GString *out)
{
    if (!at) {
        return;
    }
    place_text(at->up, out);
    if (at->name) {
        g_string_append_printf(out, "%s%s", out->len ? "." : "", at->name);
    } else {
        g_string_append_printf(out, "[%zu]", at->index);
    }
}

static char *place_name(const Place *at)
{
    GString *s = g_string_new(NULL);

    place_text(at, s);
    if (!s->len) {
        g_string_append(s, "<argument>");
    }
    return g_string_free(s, FALSE);
}

static bool wrong_type(const Input *in, const Place *at, const char *expected)
{
    g_autofree char *name = place_name(at);

    error_setg(in->errp, "Invalid parameter type for '%s', expected: %s", name,
               expected);
    return false;
}

static bool read_struct(const Input *in, const QapiType *t, char *obj,
                        QObject *q, const Place *at);
static bool read_slot(const Input *in, const QapiType *t, void *slot,
                      QObject *q, const Place *at);

static bool store_int(const Input *in, const QapiType *t, void *slot,
                      int64_t i, uint64_t u, bool fits_i, bool fits_u,
                      const Place *at)
{
    int bits = t->size * 8;
    int64_t max = t->size == 8 ? INT64_MAX : INT64_MAX >> (64 - bits);
    bool ok;

    if (t->is_signed) {
        ok = fits_i && i >= -max - 1 && i <= max;
    } else if (t->size == 8) {
        /* -1 is a common way to say "all ones" or "no limit". */
        ok = fits_u || fits_i;
        u = fits_u ? u : (uint64_t)i;
    } else {
        ok = fits_i && i >= 0 && i >> bits == 0;
    }
    if (!ok) {
        return wrong_type(in, at, t->name);
    }
    switch (t->size) {
    case 1:
        *(uint8_t *)slot = i;
        break;
    case 2:
        *(uint16_t *)slot = i;
        break;
    case 4:
        *(uint32_t *)slot = i;
        break;
    default:
        *(uint64_t *)slot = t->is_signed ? (uint64_t)i : u;
        break;
    }
    return true;
}

static bool read_int(const Input *in, const QapiType *t, void *slot,
                     QObject *q, const Place *at)
{
    int64_t i = 0;
    uint64_t u = 0;
    bool fits_i, fits_u;

    if (in->keyval && qobject_type(q) == QTYPE_STRING) {
        g_autofree char *name = place_name(at);
        const char *s = qstring_get(q);

        if (t->kind == QAPI_SIZE) {
            return parse_size(name, s, 1, slot, in->errp);
        }
        fits_i = parse_int64(name, s, &i, NULL);
        fits_u = parse_uint64(name, s, &u, NULL);
        if (!fits_i && !fits_u) {
            return wrong_type(in, at, "integer");
        }
    } else if (qobject_type(q) == QTYPE_INT) {
        fits_i = qint_try_i64(q, &i);
        fits_u = qint_try_u64(q, &u);
    } else {
        return wrong_type(in, at, "integer");
    }
    return store_int(in, t, slot, i, u, fits_i, fits_u, at);
}

static bool read_number(const Input *in, double *slot, QObject *q,
                        const Place *at)
{
    QType type = qobject_type(q);
    char *end;

    if (type == QTYPE_INT || type == QTYPE_FLOAT) {
        *slot = qnum_get_double(q);
        return true;
    }
    if (in->keyval && type == QTYPE_STRING) {
        *slot = g_ascii_strtod(qstring_get(q), &end);
        if (end != qstring_get(q) && !*end) {
            return true;
        }
    }
    return wrong_type(in, at, "number");
}

static bool read_bool(const Input *in, bool *slot, QObject *q, const Place *at)
{
    if (qobject_type(q) == QTYPE_BOOL) {
        *slot = qbool_get(q);
        return true;
    }
    if (in->keyval && qobject_type(q) == QTYPE_STRING) {
        g_autofree char *name = place_name(at);

        return parse_bool(name, qstring_get(q), slot, in->errp);
    }
    return wrong_type(in, at, "boolean");
}

static bool read_enum(const Input *in, const QapiType *t, int *slot,
                      QObject *q, const Place *at)
{
    g_autofree char *name = NULL;

    if (qobject_type(q) != QTYPE_STRING) {
        return wrong_type(in, at, "string");
    }
    name = place_name(at);
    return qapi_enum_parse(t, name, qstring_get(q), slot, in->errp);
}

static bool read_list(const Input *in, const QapiType *t, void *slot,
                      QObject *q, const Place *at)
{
    ListHead *head = NULL, **tail = &head;

    if (qobject_type(q) != QTYPE_LIST) {
        return wrong_type(in, at, "array");
    }
    for (size_t i = 0; i < qlist_size(q); i++) {
        Place here = { .up = at, .index = i };

        *tail = g_new0(ListHead, 1);
        if (!read_slot(in, t->element, &(*tail)->value, qlist_at(q, i),
                       &here)) {
            qapi_free(t, head);
            return false;
        }
        tail = &(*tail)->next;
    }
    *(ListHead **)slot = head;
    return true;
}

static const QapiMember *choose_branch(const Input *in, const QapiType *t,
                                       QType type)
{
    const QapiMember *m = alternate_branch(t, type);

    if (!m && type == QTYPE_INT) {
        m = alternate_branch(t, QTYPE_FLOAT);
    }
    if (!m && type == QTYPE_STRING && in->keyval) {
        m = alternate_branch(t, QTYPE_BOOL);
        m = m ? m : alternate_branch(t, QTYPE_INT);
        m = m ? m : alternate_branch(t, QTYPE_FLOAT);
    }
    return m;
}

static bool read_alternate(const Input *in, const QapiType *t, void *slot,
                           QObject *q, const Place *at)
{
    const QapiMember *m = choose_branch(in, t, qobject_type(q));
    char *obj;
    bool ok;

    if (!m) {
        return wrong_type(in, at, t->name);
    }
    obj = g_malloc0(t->size);
    *(QType *)obj = qtype_of(m->type);
    if (m->type->kind == QAPI_STRUCT) {
        ok = read_struct(in, m->type, obj + m->offset, q, at);
    } else {
        ok = read_slot(in, m->type, obj + m->offset, q, at);
    }
    if (!ok) {
        qapi_free(t, obj);
        return false;
    }
    *(void **)slot = obj;
    return true;
}

/* On failure nothing is left behind in @slot. */
static bool read_slot(const Input *in, const QapiType *t, void *slot,
                      QObject *q, const Place *at)
{
    void *obj;

    switch (t->kind) {
    case QAPI_STR:
        if (qobject_type(q) != QTYPE_STRING) {
            return wrong_type(in, at, "string");
        }
        *(char **)slot = g_strdup(qstring_get(q));
        return true;
    case QAPI_INT:
    case QAPI_SIZE:
        return read_int(in, t, slot, q, at);
    case QAPI_NUMBER:
        return read_number(in, slot, q, at);
    case QAPI_BOOL:
        return read_bool(in, slot, q, at);
    case QAPI_ENUM:
        return read_enum(in, t, slot, q, at);
    case QAPI_NULL:
        if (qobject_type(q) != QTYPE_NULL) {
            return wrong_type(in, at, "null");
        }
        *(QObject **)slot = qobject_ref(q);
        return true;
    case QAPI_ANY:
        *(QObject **)slot = qobject_ref(q);
        return true;
    case QAPI_LIST:
        return read_list(in, t, slot, q, at);
    case QAPI_ALTERNATE:
        return read_alternate(in, t, slot, q, at);
    case QAPI_STRUCT:
        obj = g_malloc0(t->size);
        if (!read_struct(in, t, obj, q, at)) {
            qapi_free(t, obj);
            return false;
        }
        *(void **)slot = obj;
        return true;
    }
    g_assert_not_reached();
}

static bool read_members(const Input *in, const QapiType *t, char *obj,
                         QObject *q, const Place *at)
{
    const QapiType *branch;

    for (int i = 0; i < t->n; i++) {
        const QapiMember *m = &t->members[i];
        Place here = { .up = at, .name = m->name };
        QObject *v = qdict_get(q, m->name);

        if (v) {
            if (!read_slot(in, m->type, obj + m->offset, v, &here)) {
                return false;
            }
            if (m->has >= 0) {
                *(bool *)(obj + m->has) = true;
            }
        } else if (!m->optional) {
            g_autofree char *name = place_name(&here);

            error_setg(in->errp, "Parameter '%s' is missing", name);
            return false;
        }
    }
    branch = variant_of(t, obj);
    return !branch || read_members(in, branch, obj + t->u, q, at);
}

static bool knows_member(const QapiType *t, const char *obj, const char *name)
{
    const QapiType *branch = variant_of(t, obj);

    for (int i = 0; i < t->n; i++) {
        if (!strcmp(t->members[i].name, name)) {
            return true;
        }
    }
    return branch && knows_member(branch, obj + t->u, name);
}

/* Fills @obj (zero so far); on failure the caller frees its members. */
static bool read_struct(const Input *in, const QapiType *t, char *obj,
                        QObject *q, const Place *at)
{
    if (qobject_type(q) != QTYPE_DICT) {
        return wrong_type(in, at, "object");
    }
    if (!read_members(in, t, obj, q, at)) {
        return false;
    }
    for (size_t i = 0; i < qdict_size(q); i++) {
        const char *key = qdict_key_at(q, i);

        if (!knows_member(t, obj, key)) {
            Place here = { .up = at, .name = key };
            g_autofree char *name = place_name(&here);

            error_setg(in->errp, "Parameter '%s' is unexpected", name);
            return false;
        }
    }
    return true;
}

static void *from_input(const Input *in, const QapiType *t, QObject *q)
{
    void *v = NULL;

    return read_slot(in, t, &v, q, NULL) ? v : NULL;
}

void *qapi_from_qobject(const QapiType *t, QObject *q, Error **errp)
{
    Input in = { .errp = errp };

    return from_input(&in, t, q);
}

void *qapi_from_keyval(const QapiType *t, QObject *q, Error **errp)
{
    Input in = { .keyval = true, .errp = errp };

    return from_input(&in, t, q);
}
