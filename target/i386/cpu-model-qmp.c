/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models for the outside: query-cpu-definitions and -model-expansion, the
 * computed QOM properties of CPUs, the feature list of -cpu help.  BQL.
 */
#include "osdep.h"
#include "cpu-models.h"
#include "qapi/qapi-commands.h"
#include "util/property.h"

#define SUFFIX "-x86_64-cpu"

static void add_name(strList ***tail, const char *name)
{
    QAPI_LIST_APPEND(*tail, g_strdup(name));
}

static strList *lost_features(const X86CPU *cpu)
{
    strList *list = NULL, **tail = &list;

    for (unsigned w = 0; w < FW_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            char name[48];

            if ((cpu->filtered[w] >> b & 1) &&
                x86_feature_name(w, b, name, sizeof(name))) {
                add_name(&tail, name);
            }
        }
    }
    return list;
}

static CpuDefinitionInfo *definition(const char *name)
{
    g_autofree char *type = g_strconcat(name, SUFFIX, NULL);
    bool by_name = !strcmp(name, "max") || !strcmp(name, "host");
    CpuDefinitionInfo *d = g_new0(CpuDefinitionInfo, 1);
    X86CPU *cpu = (X86CPU *)object_new(type);

    d->name = g_strdup(name);
    d->typename = g_strdup(type);
    d->has_migration_safe = true;
    d->migration_safe = !by_name;
    d->q_static = !strcmp(name, "base");
    d->has_unavailable_features = true;
    if (!strcmp(name, "host") && !accel_is("kvm")) {
        strList **tail = &d->unavailable_features;

        add_name(&tail, "kvm");
    } else {
        x86_cpu_expand(cpu);
        x86_cpu_filter(cpu);
        d->unavailable_features = lost_features(cpu);
    }
    if (!by_name && !d->q_static && strcmp(cpu->model_data->name, name)) {
        d->alias_of = g_strdup(cpu->model_data->name);
    }
    object_free(&cpu->parent.qdev.obj);
    return d;
}

/* Later names first. */
static int by_name_desc(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

CpuDefinitionInfoList *qmp_query_cpu_definitions(Error **errp)
{
    CpuDefinitionInfoList *list = NULL, **tail = &list;
    static const char *const first[] = { "max", "host", "base" };
    unsigned n = x86_model_count + x86_model_alias_count;
    g_autofree const char **names = g_new(const char *, n);

    for (unsigned i = 0; i < x86_model_count; i++) {
        names[i] = x86_models[i].name;
    }
    for (unsigned i = 0; i < x86_model_alias_count; i++) {
        names[x86_model_count + i] = x86_model_aliases[i].name;
    }
    qsort(names, n, sizeof(*names), by_name_desc);
    for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
        QAPI_LIST_APPEND(tail, definition(first[i]));
    }
    for (unsigned i = 0; i < n; i++) {
        QAPI_LIST_APPEND(tail, definition(names[i]));
    }
    return list;
}

/* ---- expansion ---- */

static bool is_feature(const char *name)
{
    enum feature_word w;
    unsigned b;

    return x86_feature_find(name, &w, &b);
}

static bool is_synonym(const char *name)
{
    for (unsigned i = 0; i < x86_feature_synonym_count; i++) {
        if (!strcmp(x86_feature_synonyms[i][0], name)) {
            return true;
        }
    }
    return false;
}

/* What makes up a CPU on top of "base". */
static bool in_static(const char *name)
{
    static const char *const other[] = {
        "min-level", "min-xlevel", "vendor", "family", "model", "stepping",
        "model-id", "lmce",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
        if (!strcmp(other[i], name)) {
            return true;
        }
    }
    return is_feature(name) && !is_synonym(name);
}

static void put_props(Object *obj, bool all, QObject *out)
{
    for (const ObjectType *t = obj->type; t; t = object_type_parent(t)) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (all || in_static(p->name)) {
                QObject *v = object_get(obj, p->name, NULL);

                if (v) {
                    qdict_put(out, p->name, v);
                }
            }
        }
    }
}

/* Debian's libvirt asks with properties of the model's own kind. */
static bool set_props(Object *obj, const QObject *props, Error **errp)
{
    if (!props) {
        return true;
    }
    if (qobject_type(props) != QTYPE_DICT) {
        error_setg(errp, "Invalid parameter type for 'model.props', expected: "
                   "dict");
        return false;
    }
    for (size_t i = 0; i < qdict_size(props); i++) {
        if (!object_set(obj, qdict_key_at(props, i), qdict_value_at(props, i),
                        errp)) {
            return false;
        }
    }
    return true;
}

CpuModelExpansionInfo *
qmp_query_cpu_model_expansion(CpuModelExpansionType type, CpuModelInfo *model,
                              Error **errp)
{
    g_autofree char *name = g_strconcat(model->name, SUFFIX, NULL);
    const ObjectType *t = object_type_find(name);
    CpuModelExpansionInfo *info;
    X86CPU *cpu;

    if (!t || t->abstract) {
        error_setg(errp, "CPU model '%s' not found", model->name);
        return NULL;
    }
    cpu = (X86CPU *)object_new(name);
    if (!set_props(&cpu->parent.qdev.obj, model->props, errp)) {
        object_free(&cpu->parent.qdev.obj);
        return NULL;
    }
    x86_cpu_expand(cpu);
    info = g_new0(CpuModelExpansionInfo, 1);
    info->model = g_new0(CpuModelInfo, 1);
    info->model->props = qdict_new();
    info->model->name = g_strdup(type == CPU_MODEL_EXPANSION_TYPE_STATIC
                                     ? "base" : model->name);
    put_props(&cpu->parent.qdev.obj, type == CPU_MODEL_EXPANSION_TYPE_FULL,
              info->model->props);
    object_free(&cpu->parent.qdev.obj);
    return info;
}

/* ---- QOM ---- */

static QObject *get_unavailable(Object *obj, const char *name, void *opaque,
                                Error **errp)
{
    strList *lost = lost_features((X86CPU *)obj);
    QObject *list = qlist_new();

    for (strList *s = lost; s; s = s->next) {
        qlist_append(list, qstring_new(s->value));
    }
    qapi_free_strList(lost);
    return list;
}

static QObject *get_words(Object *obj, const char *name, void *opaque,
                          Error **errp)
{
    const X86CPU *cpu = (X86CPU *)obj;
    const uint32_t *f = opaque ? cpu->filtered : cpu->features;
    QObject *list = qlist_new();

    for (int w = FW_WORDS - 1; w >= 0; w--) {
        struct x86_word_place p = x86_feature_place(w);
        QObject *o;

        if (p.reg == 'm' || p.reg == 'h') {
            continue;
        }
        o = qdict_new();
        qdict_put(o, "cpuid-register",
                  qstring_printf("E%cX", g_ascii_toupper(p.reg)));
        if (p.sub >= 0) {
            qdict_put_int(o, "cpuid-input-ecx", p.sub);
        }
        qdict_put_int(o, "cpuid-input-eax", p.index);
        qdict_put_int(o, "features", f[w]);
        qlist_append(list, o);
    }
    return list;
}

void x86_cpu_add_qom(void)
{
    const char *type = "x86_64-cpu";

    object_type_add_dyn_prop(type, "unavailable-features", "strList",
                             get_unavailable, NULL, NULL);
    object_type_add_dyn_prop(type, "feature-words", "X86CPUFeatureWordInfo",
                             get_words, NULL, NULL);
    object_type_add_dyn_prop(type, "filtered-features",
                             "X86CPUFeatureWordInfo", get_words, NULL,
                             (void *)1);
}

/* ---- -cpu help ---- */

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void x86_cpu_print_features(GString *out)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    size_t column = 0;

    for (unsigned w = 0; w < FW_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            char name[48];

            if (x86_feature_name(w, b, name, sizeof(name))) {
                g_ptr_array_add(names, g_strdup(name));
            }
        }
    }
    g_ptr_array_sort(names, by_name);
    g_string_append(out, "\nRecognized CPUID flags:\n ");
    for (unsigned i = 0; i < names->len; i++) {
        const char *s = g_ptr_array_index(names, i);

        if (column + strlen(s) + 1 > 75) {
            g_string_append(out, "\n ");
            column = 0;
        }
        g_string_append_printf(out, " %s", s);
        column += strlen(s) + 1;
    }
    g_string_append_c(out, '\n');
}
