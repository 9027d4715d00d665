/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of property every subsystem uses. */
#include "osdep.h"
#include "util/option.h"
#include "util/property.h"

static bool wrong_type(const Property *p, QObject *v, Error **errp)
{
    error_setg(errp, "Invalid parameter type for '%s', expected: %s", p->name,
               p->info->name);
    return false;
}

/* --- bool and bits --- */

static bool get_bool(const Property *p, QObject *v, bool *out, Error **errp)
{
    switch (qobject_type(v)) {
    case QTYPE_BOOL:
        *out = qbool_get(v);
        return true;
    case QTYPE_STRING:
        return parse_bool(p->name, qstring_get(v), out, errp);
    default:
        return wrong_type(p, v, errp);
    }
}

static bool set_bool(Object *obj, const Property *p, void *field, QObject *v,
                     Error **errp)
{
    return get_bool(p, v, field, errp);
}

static QObject *bool_value(Object *obj, const Property *p, const void *field)
{
    return qbool_new(*(const bool *)field);
}

static void bool_default(const Property *p, void *field)
{
    *(bool *)field = p->def;
}

static QObject *bool_get_default(const Property *p)
{
    return qbool_new(p->def);
}

const PropertyInfo prop_bool = {
    .name = "bool", .desc = "on/off", .set = set_bool, .get = bool_value,
    .set_default = bool_default, .get_default = bool_get_default,
};

#define DEFINE_BIT(width, T) \
    static bool set_bit##width(Object *obj, const Property *p, void *field, \
                               QObject *v, Error **errp) \
    { \
        T mask = (T)1 << p->bit, *f = field; \
        bool on; \
        if (!get_bool(p, v, &on, errp)) { \
            return false; \
        } \
        *f = on ? *f | mask : *f & ~mask; \
        return true; \
    } \
    static QObject *bit##width##_value(Object *obj, const Property *p, \
                                       const void *field) \
    { \
        return qbool_new(*(const T *)field >> p->bit & 1); \
    } \
    static void bit##width##_default(const Property *p, void *field) \
    { \
        if (p->def) { \
            *(T *)field |= (T)1 << p->bit; \
        } \
    } \
    const PropertyInfo prop_bit##width = { \
        .name = "bool", .desc = "on/off", .set = set_bit##width, \
        .get = bit##width##_value, .set_default = bit##width##_default, \
        .get_default = bool_get_default, \
    };
DEFINE_BIT(32, uint32_t)
DEFINE_BIT(64, uint64_t)

/* --- integers --- */

static bool get_unsigned(const Property *p, QObject *v, uint64_t max,
                         uint64_t *out, Error **errp)
{
    if (qobject_type(v) == QTYPE_STRING) {
        if (!parse_uint64(p->name, qstring_get(v), out, errp)) {
            return false;
        }
    } else if (qobject_type(v) != QTYPE_INT) {
        return wrong_type(p, v, errp);
    } else if (!qint_try_u64(v, out)) {
        *out = UINT64_MAX;
        if (max == UINT64_MAX) {
            error_setg(errp, "Parameter '%s' expects a non-negative number",
                       p->name);
            return false;
        }
    }
    if (*out > max) {
        error_setg(errp, "Parameter '%s' expects %s (0 to %" PRIu64 ")",
                   p->name, p->info->name, max);
        return false;
    }
    return true;
}

static bool get_signed(const Property *p, QObject *v, int64_t min, int64_t max,
                       int64_t *out, Error **errp)
{
    if (qobject_type(v) == QTYPE_STRING) {
        if (!parse_int64(p->name, qstring_get(v), out, errp)) {
            return false;
        }
    } else if (qobject_type(v) != QTYPE_INT) {
        return wrong_type(p, v, errp);
    } else if (!qint_try_i64(v, out)) {
        *out = INT64_MIN;
    }
    if (*out < min || *out > max) {
        error_setg(errp, "Parameter '%s' expects %s", p->name, p->info->name);
        return false;
    }
    return true;
}

static QObject *int_get_default(const Property *p)
{
    return qint_new(p->def);
}

#define DEFINE_UINT(ident, T, typename, max) \
    static bool set_##ident(Object *obj, const Property *p, void *field, \
                            QObject *v, Error **errp) \
    { \
        uint64_t n; \
        if (!get_unsigned(p, v, max, &n, errp)) { \
            return false; \
        } \
        *(T *)field = n; \
        return true; \
    } \
    static QObject *ident##_value(Object *obj, const Property *p, \
                                  const void *field) \
    { \
        return quint_new(*(const T *)field); \
    } \
    static void ident##_default(const Property *p, void *field) \
    { \
        *(T *)field = p->def; \
    } \
    const PropertyInfo prop_##ident = { \
        .name = typename, .set = set_##ident, .get = ident##_value, \
        .set_default = ident##_default, .get_default = int_get_default, \
    };
DEFINE_UINT(uint8, uint8_t, "uint8", UINT8_MAX)
DEFINE_UINT(uint16, uint16_t, "uint16", UINT16_MAX)
DEFINE_UINT(uint32, uint32_t, "uint32", UINT32_MAX)
DEFINE_UINT(uint64, uint64_t, "uint64", UINT64_MAX)

#define DEFINE_INT(ident, T, typename, min, max) \
    static bool set_##ident(Object *obj, const Property *p, void *field, \
                            QObject *v, Error **errp) \
    { \
        int64_t n; \
        if (!get_signed(p, v, min, max, &n, errp)) { \
            return false; \
        } \
        *(T *)field = n; \
        return true; \
    } \
    static QObject *ident##_value(Object *obj, const Property *p, \
                                  const void *field) \
    { \
        return qint_new(*(const T *)field); \
    } \
    static void ident##_default(const Property *p, void *field) \
    { \
        *(T *)field = p->def; \
    } \
    const PropertyInfo prop_##ident = { \
        .name = typename, .set = set_##ident, .get = ident##_value, \
        .set_default = ident##_default, .get_default = int_get_default, \
    };
DEFINE_INT(int32, int32_t, "int32", INT32_MIN, INT32_MAX)
DEFINE_INT(int64, int64_t, "int64", INT64_MIN, INT64_MAX)

/* --- sizes --- */

static bool get_size(const Property *p, QObject *v, uint64_t max,
                     uint64_t *out, Error **errp)
{
    if (qobject_type(v) == QTYPE_STRING) {
        if (!parse_size(p->name, qstring_get(v), 1, out, errp)) {
            return false;
        }
        if (*out > max) {
            error_setg(errp, "Value '%s' is too large for parameter '%s'",
                       qstring_get(v), p->name);
            return false;
        }
        return true;
    }
    return get_unsigned(p, v, max, out, errp);
}

static bool set_size(Object *obj, const Property *p, void *field, QObject *v,
                     Error **errp)
{
    return get_size(p, v, UINT64_MAX, field, errp);
}

static bool set_size32(Object *obj, const Property *p, void *field, QObject *v,
                       Error **errp)
{
    uint64_t n;

    if (!get_size(p, v, UINT32_MAX, &n, errp)) {
        return false;
    }
    *(uint32_t *)field = n;
    return true;
}

const PropertyInfo prop_size = {
    .name = "size", .set = set_size, .get = uint64_value,
    .set_default = uint64_default, .get_default = int_get_default,
};
const PropertyInfo prop_size32 = {
    .name = "size", .set = set_size32, .get = uint32_value,
    .set_default = uint32_default, .get_default = int_get_default,
};

/* --- strings --- */

static bool set_str(Object *obj, const Property *p, void *field, QObject *v,
                    Error **errp)
{
    char **s = field;

    if (qobject_type(v) != QTYPE_STRING) {
        return wrong_type(p, v, errp);
    }
    g_free(*s);
    *s = g_strdup(qstring_get(v));
    return true;
}

static QObject *str_value(Object *obj, const Property *p, const void *field)
{
    const char *s = *(char *const *)field;

    return qstring_new(s ? s : "");
}

static void str_release(Object *obj, const Property *p, void *field)
{
    g_free(*(char **)field);
    *(char **)field = NULL;
}

static void str_default(const Property *p, void *field)
{
    *(char **)field = g_strdup(p->def_str);
}

static QObject *str_get_default(const Property *p)
{
    return p->def_str ? qstring_new(p->def_str) : NULL;
}

const PropertyInfo prop_str = {
    .name = "str", .set = set_str, .get = str_value, .release = str_release,
    .set_default = str_default, .get_default = str_get_default,
};

/* --- enums --- */

bool prop_enum_set(Object *obj, const Property *p, void *field, QObject *v,
                   Error **errp)
{
    const char *const *names = p->info->values;

    if (qobject_type(v) != QTYPE_STRING) {
        return wrong_type(p, v, errp);
    }
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], qstring_get(v)) == 0) {
            *(int *)field = i;
            return true;
        }
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s'", p->name,
               qstring_get(v));
    return false;
}

QObject *prop_enum_get(Object *obj, const Property *p, const void *field)
{
    return qstring_new(p->info->values[*(const int *)field]);
}

static void enum_default(const Property *p, void *field)
{
    *(int *)field = p->def;
}

QObject *prop_enum_get_default(const Property *p)
{
    return qstring_new(p->info->values[p->def]);
}

/* --- links --- */

void prop_link_release(Object *obj, const Property *p, void *field)
{
    Object **link = field;

    if (*link) {
        (*link)->users--;
        *link = NULL;
    }
}

bool prop_link_set(Object *obj, const Property *p, void *field, QObject *v,
                   Error **errp)
{
    /* "link<TYPE>" */
    g_autofree char *type = g_strndup(p->info->name + strlen("link<"),
                                      strlen(p->info->name) - strlen("link<>"));
    const char *id;
    Object *o;

    if (qobject_type(v) != QTYPE_STRING) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   p->name);
        return false;
    }
    id = qstring_get(v);
    if (!*id) {
        prop_link_release(obj, p, field);
        return true;
    }
    o = *id == '/' ? object_resolve(id, NULL)
                   : object_child(object_container("/objects"), id);
    if (!o) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return false;
    }
    if (!object_dynamic_cast(o, type)) {
        error_setg(errp, "Invalid parameter type for '%s', expected: %s",
                   p->name, type);
        return false;
    }
    o->users++;
    prop_link_release(obj, p, field);
    *(Object **)field = o;
    return true;
}

QObject *prop_link_get(Object *obj, const Property *p, const void *field)
{
    Object *o = *(Object *const *)field;
    g_autofree char *path = o ? object_path(o) : g_strdup("");

    return qstring_new(path);
}

static const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };

const PropertyInfo prop_on_off_auto = {
    .name = "OnOffAuto", .desc = "on/off/auto", .values = on_off_auto_names,
    .set = prop_enum_set, .get = prop_enum_get, .set_default = enum_default,
    .get_default = prop_enum_get_default,
};

/* --- MAC addresses, UUIDs --- */

static bool parse_hex_pairs(const char *s, uint8_t *out, unsigned n,
                            const char *separators)
{
    for (unsigned i = 0; i < n; i++) {
        int hi = g_ascii_xdigit_value(s[0]);
        int lo = hi < 0 ? -1 : g_ascii_xdigit_value(s[1]);

        if (lo < 0) {
            return false;
        }
        out[i] = hi << 4 | lo;
        s += 2;
        if (i + 1 < n && *separators) {
            if (!strchr(separators, *s) || !*s) {
                return false;
            }
            s++;
        }
    }
    return !*s;
}

static bool set_macaddr(Object *obj, const Property *p, void *field,
                        QObject *v, Error **errp)
{
    MACAddr mac;

    if (qobject_type(v) != QTYPE_STRING) {
        return wrong_type(p, v, errp);
    }
    if (!parse_hex_pairs(qstring_get(v), mac.a, 6, ":-")) {
        error_setg(errp, "Property '%s.%s' doesn't take value '%s'",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    *(MACAddr *)field = mac;
    return true;
}

static QObject *macaddr_value(Object *obj, const Property *p, const void *field)
{
    const uint8_t *a = ((const MACAddr *)field)->a;

    return qstring_printf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2],
                          a[3], a[4], a[5]);
}

const PropertyInfo prop_macaddr = {
    .name = "str", .desc = "Ethernet 6-byte MAC Address, example: "
                           "52:54:00:12:34:56",
    .set = set_macaddr, .get = macaddr_value,
};

static bool set_uuid(Object *obj, const Property *p, void *field, QObject *v,
                     Error **errp)
{
    g_autofree char *hex = NULL;
    g_auto(GStrv) parts = NULL;

    if (qobject_type(v) != QTYPE_STRING) {
        return wrong_type(p, v, errp);
    }
    parts = g_strsplit(qstring_get(v), "-", -1);
    hex = g_strjoinv("", parts);
    if (strlen(qstring_get(v)) != 36 || g_strv_length(parts) != 5 ||
        !parse_hex_pairs(hex, ((UUID *)field)->b, 16, "")) {
        error_setg(errp, "Property '%s.%s' doesn't take value '%s'",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    return true;
}

static QObject *uuid_value(Object *obj, const Property *p, const void *field)
{
    const uint8_t *b = ((const UUID *)field)->b;
    GString *s = g_string_new(NULL);
    QObject *q;

    for (unsigned i = 0; i < 16; i++) {
        g_string_append_printf(s, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                               b[i]);
    }
    q = qstring_new(s->str);
    g_string_free(s, TRUE);
    return q;
}

const PropertyInfo prop_uuid = {
    .name = "str", .desc = "UUID (aka GUID)", .set = set_uuid,
    .get = uuid_value,
};
