/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU models and the names of CPUID features.  Constant data, any thread.
 */
#ifndef TARGET_I386_CPU_MODELS_H
#define TARGET_I386_CPU_MODELS_H

#include "cpu.h"

struct x86_model {
    const char *name;     /* with its version: "Broadwell-v3" */
    const char *vendor, *model_id;
    uint32_t level, xlevel, family, model, stepping;
    const char *features; /* names with a space between; not "hypervisor" */
};

/* Caches as CPUID tells them: what most models say, and Zen's. */
enum x86_cache_kind { CACHE_LEGACY, CACHE_EPYC, CACHE_ROME, CACHE_MILAN };
enum x86_cache_kind x86_model_cache(const struct x86_model *m);

extern const struct x86_model x86_models[];
extern const unsigned x86_model_count;

struct x86_model_alias {
    const char *name, *of;
};
extern const struct x86_model_alias x86_model_aliases[];
extern const unsigned x86_model_alias_count;

/* By versioned name or alias; NULL: none ("max" and "host" are not data). */
const struct x86_model *x86_model_find(const char *name);
/* The model's words, "hypervisor" included; false if
 * the table names an unknown feature (the unit test says it does not). */
bool x86_model_features(const struct x86_model *m,
                        uint32_t features[FW_WORDS]);
/* "sse4.1", "sse4_1" -> word and bit. */
bool x86_feature_find(const char *name, enum feature_word *word,
                      unsigned *bit);
/* The other way; false: the bit has no name. */
bool x86_feature_name(enum feature_word word, unsigned bit, char *buf,
                      size_t size);
/* The same as text: "CPUID.01H:ECX.vmx [bit 5]". */
void x86_feature_describe(enum feature_word word, unsigned bit, GString *out);
/* Where a word stands. */
struct x86_word_place {
    uint32_t index; /* leaf or MSR */
    int sub;        /* -1: none */
    char reg;       /* 'a'..'d', 'm' and 'h': MSR */
};
struct x86_word_place x86_feature_place(enum feature_word word);
/* Further names of features: spelling, meaning. */
extern const char *const x86_feature_synonyms[][2];
extern const unsigned x86_feature_synonym_count;

#endif
