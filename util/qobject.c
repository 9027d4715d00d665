/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values.  A dict is an array of entries in insertion order; past
 * INDEX_AT entries a hash table finds them.
 */
#include "osdep.h"
#include "util/qobject.h"

#define INDEX_AT 12

typedef struct DictEntry {
    char *key;
    QObject *value;
} DictEntry;

struct QObject {
    QType type;
    atomic_int refs;
    union {
        bool b;
        struct {
            uint64_t u;   /* two's complement when `negative` */
            bool negative;
        } i;
        double f;
        char *s;
        GPtrArray *list;
        struct {
            GArray *entries;   /* DictEntry */
            GHashTable *index; /* key -> position + 1, or NULL */
        } d;
    };
};

static QObject *make(QType type)
{
    QObject *q = g_new0(QObject, 1);

    q->type = type;
    atomic_init(&q->refs, 1);
    return q;
}

QObject *qobject_ref(QObject *q)
{
    if (q) {
        atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
    }
    return q;
}

static void dict_entry_free(DictEntry *e)
{
    g_free(e->key);
    qobject_unref(e->value);
}

void qobject_unref(QObject *q)
{
    if (!q || atomic_fetch_sub(&q->refs, 1) > 1) {
        return;
    }
    switch (q->type) {
    case QTYPE_STRING:
        g_free(q->s);
        break;
    case QTYPE_LIST:
        g_ptr_array_free(q->list, TRUE);
        break;
    case QTYPE_DICT:
        for (unsigned i = 0; i < q->d.entries->len; i++) {
            dict_entry_free(&g_array_index(q->d.entries, DictEntry, i));
        }
        g_array_free(q->d.entries, TRUE);
        if (q->d.index) {
            g_hash_table_destroy(q->d.index);
        }
        break;
    default:
        break;
    }
    g_free(q);
}

QType qobject_type(const QObject *q)
{
    return q->type;
}

const char *qtype_name(QType t)
{
    static const char *const names[] = {
        [QTYPE_NULL] = "null", [QTYPE_BOOL] = "boolean",
        [QTYPE_INT] = "integer", [QTYPE_FLOAT] = "number",
        [QTYPE_STRING] = "string", [QTYPE_LIST] = "array",
        [QTYPE_DICT] = "object",
    };

    return names[t];
}

bool qobject_equal(const QObject *a, const QObject *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case QTYPE_NULL:
        return true;
    case QTYPE_BOOL:
        return a->b == b->b;
    case QTYPE_INT:
        return a->i.u == b->i.u && a->i.negative == b->i.negative;
    case QTYPE_FLOAT:
        return a->f == b->f;
    case QTYPE_STRING:
        return strcmp(a->s, b->s) == 0;
    case QTYPE_LIST:
        if (a->list->len != b->list->len) {
            return false;
        }
        for (unsigned i = 0; i < a->list->len; i++) {
            if (!qobject_equal(qlist_at(a, i), qlist_at(b, i))) {
                return false;
            }
        }
        return true;
    case QTYPE_DICT:
        if (qdict_size(a) != qdict_size(b)) {
            return false;
        }
        for (size_t i = 0; i < qdict_size(a); i++) {
            QObject *v = qdict_get(b, qdict_key_at(a, i));

            if (!v || !qobject_equal(qdict_value_at(a, i), v)) {
                return false;
            }
        }
        return true;
    }
    return false;
}

QObject *qobject_deep_copy(const QObject *q)
{
    QObject *copy;

    switch (q->type) {
    case QTYPE_STRING:
        return qstring_new(q->s);
    case QTYPE_LIST:
        copy = qlist_new();
        for (size_t i = 0; i < qlist_size(q); i++) {
            qlist_append(copy, qobject_deep_copy(qlist_at(q, i)));
        }
        return copy;
    case QTYPE_DICT:
        copy = qdict_new();
        for (size_t i = 0; i < qdict_size(q); i++) {
            qdict_put(copy, qdict_key_at(q, i),
                      qobject_deep_copy(qdict_value_at(q, i)));
        }
        return copy;
    default:
        copy = make(q->type);
        copy->i = q->i;
        if (q->type == QTYPE_FLOAT) {
            copy->f = q->f;
        } else if (q->type == QTYPE_BOOL) {
            copy->b = q->b;
        }
        return copy;
    }
}

QObject *qnull_new(void)
{
    return make(QTYPE_NULL);
}

QObject *qbool_new(bool v)
{
    QObject *q = make(QTYPE_BOOL);

    q->b = v;
    return q;
}

QObject *qint_new(int64_t v)
{
    QObject *q = make(QTYPE_INT);

    q->i.u = v;
    q->i.negative = v < 0;
    return q;
}

QObject *quint_new(uint64_t v)
{
    QObject *q = make(QTYPE_INT);

    q->i.u = v;
    return q;
}

QObject *qfloat_new(double v)
{
    QObject *q = make(QTYPE_FLOAT);

    q->f = v;
    return q;
}

QObject *qstring_new(const char *s)
{
    QObject *q = make(QTYPE_STRING);

    q->s = g_strdup(s ? s : "");
    return q;
}

QObject *qstring_new_len(const char *s, size_t len)
{
    QObject *q = make(QTYPE_STRING);

    q->s = g_strndup(s, len);
    return q;
}

QObject *qstring_printf(const char *fmt, ...)
{
    QObject *q = make(QTYPE_STRING);
    va_list ap;

    va_start(ap, fmt);
    q->s = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return q;
}

bool qbool_get(const QObject *q)
{
    assert(q->type == QTYPE_BOOL);
    return q->b;
}

int64_t qint_get(const QObject *q)
{
    assert(q->type == QTYPE_INT);
    return q->i.u;
}

bool qint_try_i64(const QObject *q, int64_t *v)
{
    if (q->type != QTYPE_INT || (!q->i.negative && q->i.u > INT64_MAX)) {
        return false;
    }
    *v = q->i.u;
    return true;
}

bool qint_try_u64(const QObject *q, uint64_t *v)
{
    if (q->type != QTYPE_INT || q->i.negative) {
        return false;
    }
    *v = q->i.u;
    return true;
}

double qnum_get_double(const QObject *q)
{
    if (q->type == QTYPE_FLOAT) {
        return q->f;
    }
    assert(q->type == QTYPE_INT);
    return q->i.negative ? (double)(int64_t)q->i.u : (double)q->i.u;
}

const char *qstring_get(const QObject *q)
{
    assert(q->type == QTYPE_STRING);
    return q->s;
}

static void unref_item(void *p)
{
    qobject_unref(p);
}

QObject *qlist_new(void)
{
    QObject *q = make(QTYPE_LIST);

    q->list = g_ptr_array_new_with_free_func(unref_item);
    return q;
}

void qlist_append(QObject *list, QObject *v)
{
    assert(list->type == QTYPE_LIST);
    g_ptr_array_add(list->list, v);
}

size_t qlist_size(const QObject *list)
{
    assert(list->type == QTYPE_LIST);
    return list->list->len;
}

QObject *qlist_at(const QObject *list, size_t i)
{
    return i < qlist_size(list) ? g_ptr_array_index(list->list, i) : NULL;
}

QObject *qdict_new(void)
{
    QObject *q = make(QTYPE_DICT);

    q->d.entries = g_array_new(FALSE, FALSE, sizeof(DictEntry));
    return q;
}

static DictEntry *entry_at(const QObject *d, size_t i)
{
    return &g_array_index(d->d.entries, DictEntry, i);
}

static void reindex(QObject *d)
{
    unsigned n = d->d.entries->len;

    if (d->d.index) {
        g_hash_table_destroy(d->d.index);
        d->d.index = NULL;
    }
    if (n > INDEX_AT) {
        d->d.index = g_hash_table_new(g_str_hash, g_str_equal);
        for (unsigned i = 0; i < n; i++) {
            g_hash_table_insert(d->d.index, entry_at(d, i)->key,
                                GUINT_TO_POINTER(i + 1));
        }
    }
}

static int find(const QObject *d, const char *key)
{
    assert(d->type == QTYPE_DICT);
    if (d->d.index) {
        return (int)GPOINTER_TO_UINT(
                   g_hash_table_lookup(d->d.index, key)) - 1;
    }
    for (unsigned i = 0; i < d->d.entries->len; i++) {
        if (strcmp(entry_at(d, i)->key, key) == 0) {
            return i;
        }
    }
    return -1;
}

void qdict_put(QObject *dict, const char *key, QObject *v)
{
    int i = find(dict, key);
    DictEntry e;

    if (i >= 0) {
        qobject_unref(entry_at(dict, i)->value);
        entry_at(dict, i)->value = v;
        return;
    }
    e = (DictEntry){ g_strdup(key), v };
    g_array_append_val(dict->d.entries, e);
    if (dict->d.index) {
        g_hash_table_insert(dict->d.index, e.key,
                            GUINT_TO_POINTER(dict->d.entries->len));
    } else if (dict->d.entries->len > INDEX_AT) {
        reindex(dict);
    }
}

void qdict_put_str(QObject *dict, const char *key, const char *v)
{
    qdict_put(dict, key, qstring_new(v));
}

void qdict_put_int(QObject *dict, const char *key, int64_t v)
{
    qdict_put(dict, key, qint_new(v));
}

void qdict_put_bool(QObject *dict, const char *key, bool v)
{
    qdict_put(dict, key, qbool_new(v));
}

QObject *qdict_get(const QObject *dict, const char *key)
{
    int i = find(dict, key);

    return i < 0 ? NULL : entry_at(dict, i)->value;
}

bool qdict_has(const QObject *dict, const char *key)
{
    return find(dict, key) >= 0;
}

QObject *qdict_steal(QObject *dict, const char *key)
{
    int i = find(dict, key);
    QObject *v;

    if (i < 0) {
        return NULL;
    }
    v = entry_at(dict, i)->value;
    if (dict->d.index) {
        g_hash_table_destroy(dict->d.index);
        dict->d.index = NULL;
    }
    g_free(entry_at(dict, i)->key);
    g_array_remove_index(dict->d.entries, i);
    reindex(dict);
    return v;
}

bool qdict_del(QObject *dict, const char *key)
{
    QObject *v = qdict_steal(dict, key);

    qobject_unref(v);
    return v != NULL;
}

size_t qdict_size(const QObject *dict)
{
    assert(dict->type == QTYPE_DICT);
    return dict->d.entries->len;
}

const char *qdict_key_at(const QObject *dict, size_t i)
{
    return i < qdict_size(dict) ? entry_at(dict, i)->key : NULL;
}

QObject *qdict_value_at(const QObject *dict, size_t i)
{
    return i < qdict_size(dict) ? entry_at(dict, i)->value : NULL;
}

const char *qdict_get_str(const QObject *dict, const char *key)
{
    QObject *v = qdict_get(dict, key);

    return v && v->type == QTYPE_STRING ? v->s : NULL;
}

int64_t qdict_get_int(const QObject *dict, const char *key, int64_t def)
{
    QObject *v = qdict_get(dict, key);
    int64_t n;

    return v && qint_try_i64(v, &n) ? n : def;
}

bool qdict_get_bool(const QObject *dict, const char *key, bool def)
{
    QObject *v = qdict_get(dict, key);

    return v && v->type == QTYPE_BOOL ? v->b : def;
}
