/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values: reference counted, immutable once shared by convention.  Dicts
 * keep insertion order.  Integers are exact over int64 and uint64.
 */
#ifndef UTIL_QOBJECT_H
#define UTIL_QOBJECT_H

#include "osdep.h"
#include "util/error.h"

typedef enum QType {
    QTYPE_NULL, QTYPE_BOOL, QTYPE_INT, QTYPE_FLOAT, QTYPE_STRING,
    QTYPE_LIST, QTYPE_DICT
} QType;

typedef struct QObject QObject;

QObject *qobject_ref(QObject *q); /* returns q; NULL is fine */
void qobject_unref(QObject *q);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QObject, qobject_unref)
QType qobject_type(const QObject *q);
const char *qtype_name(QType t); /* "string", "integer", ... for messages */
bool qobject_equal(const QObject *a, const QObject *b);
QObject *qobject_deep_copy(const QObject *q);

QObject *qnull_new(void);
QObject *qbool_new(bool v);
QObject *qint_new(int64_t v);
QObject *quint_new(uint64_t v);
QObject *qfloat_new(double v);
QObject *qstring_new(const char *s);
QObject *qstring_new_len(const char *s, size_t len);
QObject *qstring_printf(const char *fmt, ...) PRINTF(1, 2);

/* Getters: the value must have the type (assert), but for the _try ones. */
bool qbool_get(const QObject *q);
int64_t qint_get(const QObject *q);
bool qint_try_i64(const QObject *q, int64_t *v);  /* false: not in range */
bool qint_try_u64(const QObject *q, uint64_t *v);
double qnum_get_double(const QObject *q); /* int or float */
const char *qstring_get(const QObject *q);

QObject *qlist_new(void);
void qlist_append(QObject *list, QObject *v); /* takes the reference */
size_t qlist_size(const QObject *list);
QObject *qlist_at(const QObject *list, size_t i); /* borrowed */

QObject *qdict_new(void);
/* Takes the reference of @v; replaces a value already there in its place. */
void qdict_put(QObject *dict, const char *key, QObject *v);
void qdict_put_str(QObject *dict, const char *key, const char *v);
void qdict_put_int(QObject *dict, const char *key, int64_t v);
void qdict_put_bool(QObject *dict, const char *key, bool v);
QObject *qdict_get(const QObject *dict, const char *key); /* borrowed, NULL */
bool qdict_has(const QObject *dict, const char *key);
bool qdict_del(QObject *dict, const char *key);
/* Removes the entry and hands its reference out; NULL if there is none. */
QObject *qdict_steal(QObject *dict, const char *key);
size_t qdict_size(const QObject *dict);
/* Entries by position, in insertion order. */
const char *qdict_key_at(const QObject *dict, size_t i);
QObject *qdict_value_at(const QObject *dict, size_t i); /* borrowed */
/* Convenience: NULL / @def when absent or of another type. */
const char *qdict_get_str(const QObject *dict, const char *key);
int64_t qdict_get_int(const QObject *dict, const char *key, int64_t def);
bool qdict_get_bool(const QObject *dict, const char *key, bool def);

/* JSON.  Depth at most 1024, one value; duplicate keys, bad UTF-8 and
 * trailing text are errors that name the position. */
QObject *json_parse(const char *text, Error **errp);
char *json_to_string(const QObject *q, bool pretty); /* g_free */

/*
 * Streaming parser for QMP: feed bytes, @emit gets each complete top-level
 * value or error (the parser resynchronises by itself).  Tokens, nesting and
 * total size are bounded (64 MiB, 1024, 2^21 tokens).
 */
typedef struct JsonStream JsonStream;
typedef void (*JsonEmit)(void *opaque, QObject *value, Error *err);
JsonStream *json_stream_new(JsonEmit emit, void *opaque);
void json_stream_feed(JsonStream *s, const char *buf, size_t len);
void json_stream_reset(JsonStream *s);
void json_stream_free(JsonStream *s);

#endif
