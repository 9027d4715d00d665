/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What generated QMP types are made of: const descriptions that one piece of
 * code (qapi/visit.c) walks to convert values from and to JSON and to free
 * them.  Use the typed wrappers of qapi-types.h.  Any thread.
 */
#ifndef QAPI_VISIT_H
#define QAPI_VISIT_H

#include "osdep.h"
#include "util/error.h"
#include "util/qobject.h"

typedef enum QapiKind {
    QAPI_STR,       /* char * */
    QAPI_INT,       /* by size and sign */
    QAPI_SIZE,      /* uint64_t; "4M" in option text */
    QAPI_NUMBER,    /* double */
    QAPI_BOOL,
    QAPI_NULL,      /* QObject * */
    QAPI_ANY,       /* QObject * */
    QAPI_ENUM,
    QAPI_LIST,      /* X *: {next, value} */
    QAPI_STRUCT,    /* X *, or embedded as the branch of a union */
    QAPI_ALTERNATE  /* X *: {type, u} */
} QapiKind;

typedef struct QapiType QapiType;

typedef struct QapiMember {
    const char *name;
    const QapiType *type;
    int offset;         /* of the value */
    int has;            /* offset of has_x, -1: there is none */
    bool optional;
} QapiMember;

struct QapiType {
    const char *name;
    QapiKind kind;
    bool is_signed;             /* integers */
    int size;                   /* of the scalar or the struct */
    int n;                      /* count of values or members */
    const char *const *values;  /* enum */
    const QapiType *element;    /* list */
    const QapiMember *members;  /* struct: with the base's; alternate */
    /* Unions: index of the discriminator in members, the branches by its
     * value (NULL: no members), offset of .u. */
    const QapiType *const *variants;
    int tag, u;
};

extern const QapiType qapi_type_str, qapi_type_int, qapi_type_int8,
    qapi_type_int16, qapi_type_int32, qapi_type_int64, qapi_type_uint8,
    qapi_type_uint16, qapi_type_uint32, qapi_type_uint64, qapi_type_size,
    qapi_type_number, qapi_type_bool, qapi_type_null, qapi_type_any;

/*
 * Scalars, strings and `any`: @v points at the variable.  Lists, structs and
 * alternates: @v is the pointer itself; a NULL list is empty.  New reference.
 */
QObject *qapi_to_qobject(const QapiType *type, const void *v);
/*
 * A new value of a struct, list or alternate type, or NULL and an error that
 * names the member.  Every member must have its type, none may be unknown.
 */
void *qapi_from_qobject(const QapiType *type, QObject *q, Error **errp);
/* The same from option text: scalars may be strings ("on", "4M", "12"). */
void *qapi_from_keyval(const QapiType *type, QObject *q, Error **errp);
/* Frees a struct, list or alternate with all that it owns.  NULL is fine. */
void qapi_free(const QapiType *type, void *v);

const char *qapi_enum_str(const QapiType *type, int v);
/* @name is the parameter's, for the error. */
bool qapi_enum_parse(const QapiType *type, const char *name, const char *s,
                     int *v, Error **errp);

/* Appends to a list through a pointer to its last link:
 * `XList *list = NULL, **tail = &list; QAPI_LIST_APPEND(tail, value);` */
#define QAPI_LIST_APPEND(tail, v) \
    do { \
        *(tail) = g_malloc0(sizeof(**(tail))); \
        (*(tail))->value = (v); \
        (tail) = &(*(tail))->next; \
    } while (0)
#define QAPI_LIST_PREPEND(list, v) \
    do { \
        __typeof__(list) node_ = g_malloc0(sizeof(*(list))); \
        node_->value = (v); \
        node_->next = (list); \
        (list) = node_; \
    } while (0)

#endif
