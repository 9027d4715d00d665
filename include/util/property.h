/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed properties, declared as data beside the struct they live in:
 *
 *     static const Property ib700_props[] = {
 *         PROP_UINT16("iobase", IB700State, iobase, 0x441),
 *         PROP_END(),
 *     };
 *
 * A wrong field type does not compile.  A device's properties can be set
 * until it is realized, an -object's until it is complete, unless `live`.
 */
#ifndef UTIL_PROPERTY_H
#define UTIL_PROPERTY_H

#include "util/object.h"

/* What all properties of one kind share. */
typedef struct PropertyInfo {
    const char *name; /* as QMP shows it: "uint32", "bool", "str" */
    const char *desc; /* for help, may be NULL */
    const char *const *values; /* enums: the names; NULL-terminated */
    /* @value is a string or has the natural JSON type. */
    bool (*set)(Object *obj, const Property *p, void *field, QObject *value,
                Error **errp);
    QObject *(*get)(Object *obj, const Property *p, const void *field);
    /* Frees what set() made; NULL: nothing. */
    void (*release)(Object *obj, const Property *p, void *field);
    /* Gives the field its default; NULL: p->def as an integer. */
    void (*set_default)(const Property *p, void *field);
    QObject *(*get_default)(const Property *p); /* NULL: by integer */
} PropertyInfo;

struct Property {
    const char *name;  /* NULL ends the table */
    const PropertyInfo *info;
    size_t offset;     /* of the field in the instance */
    int64_t def;       /* default of integers, enums, bools */
    const char *def_str; /* default of strings, may be NULL */
    const char *desc;
    uint8_t bit;       /* bit properties: number in the field */
    bool live;         /* may be set at any time */
};

extern const PropertyInfo prop_bool, prop_uint8, prop_uint16, prop_uint32,
    prop_uint64, prop_int32, prop_int64, prop_size, prop_size32, prop_str,
    prop_bit32, prop_bit64, prop_on_off_auto, prop_uuid, prop_macaddr;

/* The field as a pointer of type @t, or a compile error. */
#define PROP_FIELD(S, f, t) \
    (offsetof(S, f) + \
     0 * sizeof(1 ? (t *)0 : &((S *)0)->f))
#define PROP_(nm, S, f, t, inf, d) \
    { .name = (nm), .info = &(inf), .offset = PROP_FIELD(S, f, t), \
      .def = (int64_t)(d) }
#define PROP_BOOL(n, S, f, d)   PROP_(n, S, f, bool, prop_bool, d)
#define PROP_UINT8(n, S, f, d)  PROP_(n, S, f, uint8_t, prop_uint8, d)
#define PROP_UINT16(n, S, f, d) PROP_(n, S, f, uint16_t, prop_uint16, d)
#define PROP_UINT32(n, S, f, d) PROP_(n, S, f, uint32_t, prop_uint32, d)
#define PROP_UINT64(n, S, f, d) PROP_(n, S, f, uint64_t, prop_uint64, d)
#define PROP_INT32(n, S, f, d)  PROP_(n, S, f, int32_t, prop_int32, d)
#define PROP_INT64(n, S, f, d)  PROP_(n, S, f, int64_t, prop_int64, d)
/* uint64_t bytes; "4M" */
#define PROP_SIZE(n, S, f, d)   PROP_(n, S, f, uint64_t, prop_size, d)
#define PROP_SIZE32(n, S, f, d) PROP_(n, S, f, uint32_t, prop_size32, d)
/* char *, owned by the instance */
#define PROP_STR(n, S, f) PROP_(n, S, f, char *, prop_str, 0)
#define PROP_STR_DEF(n, S, f, d) \
    { .name = (n), .info = &prop_str, .offset = PROP_FIELD(S, f, char *), \
      .def_str = (d) }
#define PROP_BIT(n, S, f, b, d) \
    { .name = (n), .info = &prop_bit32, \
      .offset = PROP_FIELD(S, f, uint32_t), .bit = (b), .def = (d) }
#define PROP_BIT64(n, S, f, b, d) \
    { .name = (n), .info = &prop_bit64, \
      .offset = PROP_FIELD(S, f, uint64_t), .bit = (b), .def = (d) }
typedef enum OnOffAuto { ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, ON_OFF_AUTO_OFF }
    OnOffAuto;
#define PROP_ON_OFF_AUTO(n, S, f, d) \
    PROP_(n, S, f, OnOffAuto, prop_on_off_auto, d)
/* An enum of one's own: @inf has .values and prop_enum_set/get. */
#define PROP_ENUM(n, S, f, t, inf, d) PROP_(n, S, f, t, inf, d)
bool prop_enum_set(Object *obj, const Property *p, void *field, QObject *value,
                   Error **errp);
QObject *prop_enum_get(Object *obj, const Property *p, const void *field);
QObject *prop_enum_get_default(const Property *p);
/*
 * A link to an object, by id or path; the field is a pointer to a struct that
 * has Object first.  Each kind has a PropertyInfo of its own, named
 * "link<TYPE>", with these functions.  The object is held: object-del refuses
 * as long as the link is there.
 */
bool prop_link_set(Object *obj, const Property *p, void *field, QObject *value,
                   Error **errp);
QObject *prop_link_get(Object *obj, const Property *p, const void *field);
void prop_link_release(Object *obj, const Property *p, void *field);
extern const PropertyInfo prop_link_iothread; /* util/iothread.c; Object * */
typedef struct MACAddr { uint8_t a[6]; } MACAddr;
#define PROP_MACADDR(n, S, f) PROP_(n, S, f, MACAddr, prop_macaddr, 0)
typedef struct UUID { uint8_t b[16]; } UUID; /* RFC 4122 byte order */
#define PROP_UUID(n, S, f) PROP_(n, S, f, UUID, prop_uuid, 0)
#define PROP_END() { .name = NULL }

const Property *property_find(const ObjectType *type, const char *name);
void property_set_defaults(Object *obj);
void property_release_all(Object *obj);

#endif
