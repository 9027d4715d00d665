/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a model and what -cpu says to the features of one CPU:
 *
 *   type's init       the model's words and numbers
 *   properties        feat=on|off, +feat, -feat, family=, ... (user_features)
 *   x86_cpu_expand    `max`, dependencies, levels that follow from features
 *   x86_cpu_filter    minus what the accelerator cannot do
 *   x86_cpu_config    warnings, enforce, the decoder's mask
 *
 * BQL; nothing changes after realize.
 */
#include "osdep.h"
#include "cpu-models.h"
#include "decode.h"
#include "util/option.h"
#include "util/property.h"
#include <cpuid.h>

/* What nobody set: models and modes say. */
#define UNSET UINT32_MAX

/*
 * What the software engine does.  `always`: on every host.  `host`: its
 * instructions run on the host's units, so only where CPUID has them.
 */
static const struct {
    uint32_t always, host;
} engine[FW_WORDS] = {
    /* All but pn, ds, ht, tm, ia64, pbe (and two reserved). */
    [FW_1_EDX] = { 0x0fcbfbff, 0 },
    /* cx16 pcid x2apic movbe popcnt tsc-deadline xsave rdrand hypervisor;
     * sse3 pclmulqdq ssse3 fma sse4.1 sse4.2 aes avx f16c; monitor. */
    [FW_1_ECX] = { 0xc5e22008, 0x32181203 },
    /* fsgsbase tsc-adjust bmi1 smep bmi2 erms invpcid rdseed adx smap
     * clflushopt clwb; avx2 sha-ni. */
    [FW_7_EBX] = { 0x019c078b, 0x20000020 },
    /* umip rdpid movdiri movdir64b; gfni vaes vpclmulqdq. */
    [FW_7_ECX] = { 0x18400004, 0x700 },
    /* fsrm serialize. */
    [FW_7_EDX] = { 0x4010, 0 },
    /* syscall nx mmxext fxsr-opt pdpe1gb rdtscp lm, AMD's repeats. */
    [FW_8_1_EDX] = { 0x2fd3fbff, 0 },
    /* lahf-lm abm 3dnowprefetch topoext. */
    [FW_8_1_ECX] = { 0x00400121, 0 },
    [FW_8_7_EDX] = { 0x100, 0 },
    [FW_8_8_EBX] = { 0x200, 0 }, /* wbnoinvd */
    [FW_D1_EAX] = { 7, 0 },
    [FW_6_EAX] = { 4, 0 },
};
/* Not in `max`: a guest does not expect them of an unknown CPU. */
static const uint32_t not_in_max[FW_WORDS] = {
    [FW_1_EDX] = 1u << 1,       /* vme: nested in Linux's 32-bit entry only */
    [FW_8_1_EDX] = 1u << 25,    /* fxsr-opt */
    [FW_8_1_ECX] = 1u << 22,    /* topoext */
    [FW_8_7_EDX] = 1u << 8,     /* invtsc */
};
/* Model data asks for them, QEMU's TCG machines take them away in silence:
 * nested virtualization, which the software engine does not do. */
static const uint32_t quiet[FW_WORDS] = {
    [FW_8_1_ECX] = 1u << 2,
    [FW_SVM] = UINT32_MAX,
};

void (*x86_accel_features)(uint32_t out[FW_WORDS]);

/* CPUID is slow inside a virtual machine: asked once. */
static uint32_t host_word(enum feature_word w)
{
    static uint32_t word[FW_WORDS];
    static bool known[FW_WORDS];
    struct x86_word_place p = x86_feature_place(w);
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (!known[w]) {
        __get_cpuid_count(p.index, p.sub < 0 ? 0 : (unsigned)p.sub, &a, &b,
                          &c, &d);
        word[w] = p.reg == 'a' ? a : p.reg == 'b' ? b
                : p.reg == 'c' ? c : d;
        known[w] = true;
    }
    return word[w];
}

static void supported(uint32_t out[FW_WORDS])
{
    if (x86_accel_features) {
        x86_accel_features(out);
        return;
    }
    for (unsigned w = 0; w < FW_WORDS; w++) {
        out[w] = engine[w].always;
        if (engine[w].host) {
            out[w] |= engine[w].host & host_word(w);
        }
    }
}

/* ---- the model ---- */

static bool is_model(const X86CPU *cpu, const char *name)
{
    const char *type = cpu->parent.qdev.obj.type->name;
    size_t n = strlen(name);

    return !strncmp(type, name, n) && !strcmp(type + n, "-x86_64-cpu");
}

static void unset_is(uint32_t *field, uint32_t value)
{
    if (*field == UNSET) {
        *field = value;
    }
}

void x86_cpu_model_init(X86CPU *cpu)
{
    const char *type = cpu->parent.qdev.obj.type->name;
    g_autofree char *name =
        g_strndup(type, strlen(type) - strlen("-x86_64-cpu"));
    const struct x86_model *m = x86_model_find(name);
    uint32_t words[FW_WORDS] = { 0 };

    cpu->model_data = m;
    cpu->max = is_model(cpu, "max") || is_model(cpu, "host");
    if (m) {
        x86_model_features(m, words);
        cpu->cache = x86_model_cache(m);
        if (cpu->cache != CACHE_LEGACY) {
            cpu->opt.legacy_cache = false;
        }
    }
    for (unsigned w = 0; w < FW_WORDS; w++) {
        cpu->features[w] |= words[w] & ~cpu->user_features[w];
    }
    unset_is(&cpu->opt.min_level, m ? m->level : cpu->max ? 0xd : 0);
    unset_is(&cpu->opt.min_xlevel, m ? m->xlevel
                                     : cpu->max ? 0x8000000a : 0);
    unset_is(&cpu->family, m ? m->family : cpu->max ? 15 : 0);
    unset_is(&cpu->model, m ? m->model : cpu->max ? 107 : 0);
    unset_is(&cpu->stepping, m ? m->stepping : cpu->max ? 1 : 0);
    if (!cpu->vendor[0]) {
        g_strlcpy(cpu->vendor, m ? m->vendor
                  : cpu->max     ? "AuthenticAMD" : "", sizeof(cpu->vendor));
    }
    if (!cpu->model_id[0]) {
        g_strlcpy(cpu->model_id, m ? m->model_id
                  : cpu->max ? "QEMU TCG CPU version 2.5+" : "",
                  sizeof(cpu->model_id));
    }
}

/* ---- what follows from what ---- */

#define F(w, bit) FW_##w, 1u << (bit)
static const struct {
    uint8_t need_word;
    uint32_t need;
    uint8_t word;
    uint32_t mask;
} depends[] = {
    { F(7_EDX, 29), FW_ARCH_CAP, UINT32_MAX },
    { F(7_EDX, 30), FW_CORE_CAP, UINT32_MAX },
    { F(1_ECX, 15), FW_PERF_CAP, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_PIN, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_PROC, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_EXIT, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_ENTRY, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_MISC, UINT32_MAX },
    { F(1_ECX, 5), FW_VMX_BASIC, UINT32_MAX },
    { F(VMX_PROC, 31), FW_VMX_PROC2, UINT32_MAX },
    { F(VMX_PROC2, 1), FW_VMX_EPT, UINT32_MAX },
    { F(VMX_PROC2, 5), FW_VMX_VPID, UINT32_MAX },
    { F(VMX_PROC2, 13), FW_VMX_FUNC, UINT32_MAX },
    { F(8_1_ECX, 2), FW_SVM, UINT32_MAX },
    { F(7_EBX, 2), FW_SGX_0_EAX, UINT32_MAX },
    { F(7_EBX, 2), FW_SGX_0_EBX, UINT32_MAX },
    { F(7_EBX, 2), FW_SGX_1_EAX, UINT32_MAX },
    { F(7_EBX, 25), FW_14_ECX, UINT32_MAX },
    { F(1_ECX, 26), FW_D1_EAX, UINT32_MAX },
    { F(1_ECX, 26), FW_1_ECX, 1u << 28 },                /* avx */
    { F(1_ECX, 26), FW_7_EBX, 1u << 14 },                /* mpx */
    { F(1_ECX, 26), FW_7_ECX, 1u << 3 },                 /* pku */
    { F(1_ECX, 28), FW_1_ECX, 1u << 12 | 1u << 29 },     /* fma f16c */
    { F(1_ECX, 28), FW_7_EBX, 1u << 5 },                 /* avx2 */
    { F(1_ECX, 28), FW_7_ECX, 1u << 9 | 1u << 10 },      /* vaes vpclmul */
    { F(7_EBX, 16), FW_7_EBX, 0xdc220000 },
    { F(7_EBX, 5), FW_7_EBX, 1u << 16 },                 /* avx512f */
    { F(7_EBX, 11), FW_7_EBX, 1u << 4 },                 /* rtm: hle */
};
#undef F

static void raise_to(uint32_t *level, uint32_t to)
{
    *level = MAX(*level, to);
}

/* Levels that a feature's leaf needs. */
static void expand_levels(X86CPU *cpu)
{
    struct x86_cpu_options *o = &cpu->opt;
    bool intel = !strcmp(cpu->vendor, "GenuineIntel");

    if (o->full_auto_level) {
        for (unsigned w = 0; w < FW_WORDS; w++) {
            struct x86_word_place p = x86_feature_place(w);

            if (!cpu->features[w] || p.reg == 'm' || p.reg == 'h') {
                continue;
            }
            if (p.index >= 0xc0000000) {
                raise_to(&o->min_xlevel2, p.index);
            } else if (p.index >= 0x80000000) {
                raise_to(&o->min_xlevel, p.index);
            } else if (p.index < 0x40000000) {
                raise_to(&o->min_level, p.index);
                if (p.index == 7 && p.sub > 0) {
                    cpu->level7 = MAX(cpu->level7, (uint32_t)p.sub);
                }
            }
        }
        if (cpu->nr_dies > 1 && (intel || !o->vendor_only)) {
            raise_to(&o->min_level, 0x1f);
        }
    }
    if (o->level7 != UNSET) {
        cpu->level7 = o->level7;
    }
    cpu->level = o->level == UNSET ? o->min_level : o->level;
    cpu->xlevel = o->xlevel == UNSET ? o->min_xlevel : o->xlevel;
    cpu->xlevel2 = o->xlevel2 == UNSET ? o->min_xlevel2 : o->xlevel2;
}

static void expand(X86CPU *cpu, bool warn)
{
    uint32_t have[FW_WORDS];

    if (cpu->max) {
        supported(have);
        for (unsigned w = 0; w < FW_WORDS; w++) {
            uint32_t add = have[w] & ~not_in_max[w] & ~cpu->user_features[w];

            if (w == FW_8_1_EDX) {
                add &= 0x2fd3fbff & ~0x0183f3ffu; /* repeats: below */
            }
            cpu->features[w] |= add;
        }
    }
    if (!cpu->opt.kvm) {
        cpu->features[FW_KVM] = 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(depends); i++) {
        uint32_t *f = &cpu->features[depends[i].word], gone;

        if (cpu->features[depends[i].need_word] & depends[i].need) {
            continue;
        }
        gone = *f & depends[i].mask;
        *f &= ~depends[i].mask;
        gone &= cpu->user_features[depends[i].word];
        for (unsigned b = 0; warn && b < 32; b++) {
            if (gone >> b & 1) {
                g_autoptr(GString) s = g_string_new(NULL);

                x86_feature_describe(depends[i].word, b, s);
                warn_report("This feature depends on other features that were"
                            " not requested: %s", s->str);
            }
        }
    }
    expand_levels(cpu);
}

void x86_cpu_expand(X86CPU *cpu)
{
    expand(cpu, false);
}

/* Features of guests under KVM that nothing answers otherwise: no bit of
 * CPUID changes. */
static bool about_kvm(enum feature_word w)
{
    return w == FW_KVM || w == FW_KVM_HINTS;
}

void x86_cpu_filter(X86CPU *cpu)
{
    uint32_t have[FW_WORDS];

    supported(have);
    for (unsigned w = 0; w < FW_WORDS; w++) {
        uint32_t lost = cpu->features[w] & ~have[w];

        cpu->features[w] &= have[w];
        cpu->filtered[w] = lost & ~(quiet[w] & ~cpu->user_features[w]);
    }
    /* Units that need others on the host. */
    if (!(cpu->features[FW_1_ECX] >> 28 & 1)) {
        cpu->features[FW_1_ECX] &= ~(1u << 12 | 1u << 29);
        cpu->features[FW_7_EBX] &= ~(1u << 5);
    }
}

/* ---- realize ---- */

static bool report_filtered(const X86CPU *cpu, Error **errp)
{
    const char *who = accel_is("kvm") ? "Host" : "TCG";
    bool any = false;

    for (unsigned w = 0; w < FW_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            g_autoptr(GString) s = NULL;

            if (!(cpu->filtered[w] >> b & 1)) {
                continue;
            }
            any = true;
            /* One line a feature, not one more for each CPU. */
            if ((cpu->opt.check || cpu->opt.enforce) && !cpu_count()) {
                s = g_string_new(NULL);
                x86_feature_describe(w, b, s);
                warn_report("%s doesn't support requested feature: %s", who,
                            s->str);
            }
        }
    }
    if (any && cpu->opt.enforce) {
        error_setg(errp, "%s doesn't support requested features", who);
        return false;
    }
    return true;
}

static bool config_phys_bits(X86CPU *cpu, Error **errp)
{
    struct x86_cpu_options *o = &cpu->opt;

    if (!(cpu->features[FW_8_1_EDX] >> 29 & 1)) {
        if (o->phys_bits) {
            error_setg(errp, "phys-bits is not user-configurable in 32 bit");
            return false;
        }
        cpu->phys_bits = cpu->features[FW_1_EDX] >> 17 & 1 ? 36 : 32;
        return true;
    }
    if (o->phys_bits && (o->phys_bits > 52 || o->phys_bits < 32)) {
        error_setg(errp, "phys-bits should be between 32 and 52  (but is %u)",
                   o->phys_bits);
        return false;
    }
    cpu->phys_bits = o->phys_bits ? o->phys_bits : 40;
    if (o->host_phys_bits) {
        unsigned a = 0, b, c, d;

        __get_cpuid(0x80000008, &a, &b, &c, &d);
        cpu->phys_bits = a & 0xff ? MIN(a & 0xff, 52u) : 40;
        if (o->phys_bits_limit && cpu->phys_bits > o->phys_bits_limit) {
            cpu->phys_bits = MAX(o->phys_bits_limit, 32);
        }
    }
    return true;
}

static void decoder_mask(X86CPU *cpu)
{
    static const struct { uint8_t w, bit, xf; } map[] = {
        { FW_1_EDX, 0, XF_FPU },       { FW_1_EDX, 8, XF_CX8 },
        { FW_1_EDX, 11, XF_SEP },      { FW_1_EDX, 15, XF_CMOV },
        { FW_1_EDX, 19, XF_CLFLUSH },  { FW_1_EDX, 23, XF_MMX },
        { FW_1_EDX, 24, XF_FXSR },     { FW_1_EDX, 25, XF_SSE },
        { FW_1_EDX, 26, XF_SSE2 },     { FW_1_ECX, 0, XF_SSE3 },
        { FW_1_ECX, 1, XF_PCLMUL },    { FW_1_ECX, 3, XF_MONITOR },
        { FW_1_ECX, 9, XF_SSSE3 },     { FW_1_ECX, 12, XF_FMA },
        { FW_1_ECX, 19, XF_SSE41 },    { FW_1_ECX, 20, XF_SSE42 },
        { FW_1_ECX, 22, XF_MOVBE },    { FW_1_ECX, 23, XF_POPCNT },
        { FW_1_ECX, 25, XF_AES },      { FW_1_ECX, 26, XF_XSAVE },
        { FW_1_ECX, 28, XF_AVX },      { FW_1_ECX, 29, XF_F16C },
        { FW_1_ECX, 30, XF_RDRAND },   { FW_7_EBX, 0, XF_FSGSBASE },
        { FW_7_EBX, 3, XF_BMI1 },      { FW_7_EBX, 5, XF_AVX2 },
        { FW_7_EBX, 8, XF_BMI2 },      { FW_7_EBX, 10, XF_INVPCID },
        { FW_7_EBX, 18, XF_RDSEED },   { FW_7_EBX, 19, XF_ADX },
        { FW_7_EBX, 20, XF_SMAP },     { FW_7_EBX, 23, XF_CLFLUSHOPT },
        { FW_7_EBX, 24, XF_CLWB },     { FW_7_EBX, 29, XF_SHA },
        { FW_7_ECX, 8, XF_GFNI },      { FW_7_ECX, 9, XF_VAES },
        { FW_7_ECX, 10, XF_VPCLMUL },  { FW_7_ECX, 22, XF_RDPID },
        { FW_7_ECX, 27, XF_MOVDIRI },  { FW_7_ECX, 28, XF_MOVDIR64B },
        { FW_7_EDX, 14, XF_SERIALIZE },
        { FW_8_1_EDX, 11, XF_SYSCALL }, { FW_8_1_EDX, 27, XF_RDTSCP },
        { FW_8_1_ECX, 0, XF_LAHF64 },  { FW_8_1_ECX, 5, XF_LZCNT },
        { FW_8_8_EBX, 9, XF_WBNOINVD }, { FW_D1_EAX, 0, XF_XSAVEOPT },
        { FW_D1_EAX, 1, XF_XSAVEC },
    };
    uint64_t m = XF_BIT(XF_BASE);

    for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
        if (cpu->features[map[i].w] >> map[i].bit & 1) {
            m |= XF_BIT(map[i].xf);
        }
    }
    /* Rows that need two features. */
    if (m & XF_BIT(XF_AVX)) {
        m |= m & XF_BIT(XF_AES) ? XF_BIT(XF_AVX_AES) : 0;
        m |= m & XF_BIT(XF_PCLMUL) ? XF_BIT(XF_AVX_PCLMUL) : 0;
        m |= m & XF_BIT(XF_GFNI) ? XF_BIT(XF_AVX_GFNI) : 0;
    }
    if (cpu->amd && (m & XF_BIT(XF_SYSCALL))) {
        m |= XF_BIT(XF_SYSCALL_AMD);
    }
    cpu->decode_feat = m;
}

/* What AMD's leaf 80000001h EDX repeats of leaf 1 EDX. */
#define AMD_REPEATED 0x0183f3ffu

bool x86_cpu_config(X86CPU *cpu, Error **errp)
{
    bool first = !cpu_count();

    if (is_model(cpu, "host") && !accel_is("kvm")) {
        error_setg(errp, "CPU model 'host' requires KVM or HVF");
        return false;
    }
    expand(cpu, first);
    x86_cpu_filter(cpu);
    if (!report_filtered(cpu, errp) || !config_phys_bits(cpu, errp)) {
        return false;
    }
    if (first && !accel_is("kvm")) {
        bool pv = false;

        for (unsigned w = 0; w < FW_WORDS; w++) {
            pv |= about_kvm(w) && cpu->user_features[w] & cpu->filtered[w];
        }
        if (cpu->opt.hv_any || pv) {
            warn_report("%s need KVM, the guest does not see them",
                        cpu->opt.hv_any ? "hv-* enlightenments"
                                        : "kvm-* features");
        }
    }
    cpu->amd = strcmp(cpu->vendor, "AuthenticAMD") == 0;
    if (cpu->amd) {
        cpu->features[FW_8_1_EDX] &= ~AMD_REPEATED;
        cpu->features[FW_8_1_EDX] |= cpu->features[FW_1_EDX] & AMD_REPEATED;
    }
    if (!cpu->opt.ucode_rev) {
        cpu->opt.ucode_rev = cpu->amd ? 0x01000065 : UINT64_C(1) << 32;
    }
    decoder_mask(cpu);
    return true;
}

/* ---- properties ---- */

static bool set_feature(Object *obj, const Property *p, void *field,
                        QObject *v, Error **errp)
{
    X86CPU *cpu = (X86CPU *)obj;
    size_t w = (p->offset - offsetof(X86CPU, features)) / sizeof(uint32_t);

    if (!prop_bit32.set(obj, p, field, v, errp)) {
        return false;
    }
    cpu->user_features[w] |= 1u << p->bit;
    return true;
}

static QObject *get_feature(Object *obj, const Property *p, const void *field)
{
    return prop_bit32.get(obj, p, field);
}

static void no_default(const Property *p, void *field)
{
}

static QObject *no_get_default(const Property *p)
{
    return NULL;
}

static const PropertyInfo prop_feature = {
    .name = "bool", .set = set_feature, .get = get_feature,
    .set_default = no_default, .get_default = no_get_default,
};

static bool set_limited(Object *obj, const Property *p, void *field,
                        QObject *v, unsigned max, Error **errp)
{
    g_autofree char *text = NULL;
    uint64_t n;

    if (qobject_type(v) == QTYPE_STRING
            ? !parse_uint64(p->name, qstring_get(v), &n, NULL)
            : qobject_type(v) != QTYPE_INT || !qint_try_u64(v, &n)) {
        n = UINT64_MAX;
    }
    if (n > max) {
        text = qobject_type(v) == QTYPE_STRING ? g_strdup(qstring_get(v))
                                               : json_to_string(v, false);
        error_setg(errp, "Property .%s doesn't take value %s (minimum: 0, "
                   "maximum: %u)", p->name, text, max);
        return false;
    }
    *(uint32_t *)field = n;
    return true;
}

static QObject *get_u32(Object *obj, const Property *p, const void *field)
{
    return qint_new(*(const uint32_t *)field);
}

static bool set_family(Object *obj, const Property *p, void *field, QObject *v,
                       Error **errp)
{
    return set_limited(obj, p, field, v, 0xff + 0xf, errp);
}

static bool set_model(Object *obj, const Property *p, void *field, QObject *v,
                      Error **errp)
{
    return set_limited(obj, p, field, v, 0xff, errp);
}

static bool set_stepping(Object *obj, const Property *p, void *field,
                         QObject *v, Error **errp)
{
    return set_limited(obj, p, field, v, 0xf, errp);
}

static void unset_default(const Property *p, void *field)
{
    *(uint32_t *)field = UNSET;
}

#define VERSION_PROP(name_) \
    static const PropertyInfo prop_##name_ = { \
        .name = "int", .set = set_##name_, .get = get_u32, \
        .set_default = unset_default, .get_default = no_get_default, \
    };
VERSION_PROP(family)
VERSION_PROP(model)
VERSION_PROP(stepping)

static bool set_text(const Property *p, char *field, size_t max, QObject *v,
                     Error **errp)
{
    if (qobject_type(v) != QTYPE_STRING) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   p->name);
        return false;
    }
    g_strlcpy(field, qstring_get(v), max);
    return true;
}

static bool set_vendor(Object *obj, const Property *p, void *field, QObject *v,
                       Error **errp)
{
    if (qobject_type(v) == QTYPE_STRING && strlen(qstring_get(v)) != 12) {
        error_setg(errp, "Property '.vendor' doesn't take value '%s'",
                   qstring_get(v));
        return false;
    }
    return set_text(p, field, 13, v, errp);
}

static bool set_model_id(Object *obj, const Property *p, void *field,
                         QObject *v, Error **errp)
{
    return set_text(p, field, 49, v, errp);
}

static QObject *get_text(Object *obj, const Property *p, const void *field)
{
    return qstring_new(field);
}

static const PropertyInfo prop_vendor = {
    .name = "string", .set = set_vendor, .get = get_text,
    .set_default = no_default, .get_default = no_get_default,
};
static const PropertyInfo prop_model_id = {
    .name = "string", .set = set_model_id, .get = get_text,
    .set_default = no_default, .get_default = no_get_default,
};

/* Before realize: what the option says; then what it came to. */
static QObject *get_level(Object *obj, const Property *p, const void *field)
{
    const X86CPU *cpu = (const X86CPU *)obj;
    uint32_t v = *(const uint32_t *)field;

    if (v == UNSET) {
        v = field == &cpu->opt.level    ? cpu->level
          : field == &cpu->opt.xlevel   ? cpu->xlevel
          : field == &cpu->opt.xlevel2  ? cpu->xlevel2
                                        : cpu->level7;
    }
    return qint_new(v);
}

static bool set_level(Object *obj, const Property *p, void *field, QObject *v,
                      Error **errp)
{
    return prop_uint32.set(obj, p, field, v, errp);
}

static const PropertyInfo prop_level = {
    .name = "uint32", .set = set_level, .get = get_level,
    .set_default = unset_default, .get_default = no_get_default,
};

/* "2.5G": Hz, in thousands. */
static bool set_tsc(Object *obj, const Property *p, void *field, QObject *v,
                    Error **errp)
{
    uint64_t hz;

    if (qobject_type(v) == QTYPE_STRING) {
        const char *s = qstring_get(v);
        char *end;
        double d = g_ascii_strtod(s, &end);

        d *= !*end ? 1 : *end == 'k' || *end == 'K' ? 1e3
           : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : *end == 'T' ? 1e12 : -1;
        if (end == s || (*end && end[1]) || !(d >= 0 && d <= 1e13)) {
            error_setg(errp, "Parameter '%s' expects a frequency in Hz, not "
                       "'%s'", p->name, s);
            return false;
        }
        hz = (uint64_t)d;
    } else if (!prop_uint64.set(obj, p, &hz, v, errp)) {
        return false;
    }
    *(uint64_t *)field = hz;
    return true;
}

static QObject *get_tsc(Object *obj, const Property *p, const void *field)
{
    return prop_uint64.get(obj, p, field);
}

static const PropertyInfo prop_tsc = {
    .name = "int", .set = set_tsc, .get = get_tsc, .set_default = no_default,
    .get_default = no_get_default,
};

/* Hyper-V's: KVM only; said once at realize. */
static bool set_hv(Object *obj, const Property *p, void *field, QObject *v,
                   Error **errp)
{
    bool on = true;

    if (qobject_type(v) == QTYPE_BOOL) {
        on = qbool_get(v);
    } else if (qobject_type(v) == QTYPE_STRING &&
               !parse_bool(p->name, qstring_get(v), &on, errp)) {
        return false;
    }
    ((X86CPU *)obj)->opt.hv_any |= on;
    return true;
}

static QObject *get_hv(Object *obj, const Property *p, const void *field)
{
    return qbool_new(false);
}

static const PropertyInfo prop_hv = {
    .name = "bool", .set = set_hv, .get = get_hv, .set_default = no_default,
    .get_default = no_get_default,
};

static bool set_hv_value(Object *obj, const Property *p, void *field,
                         QObject *v, Error **errp)
{
    ((X86CPU *)obj)->opt.hv_any = true;
    return true;
}

static QObject *get_hv_value(Object *obj, const Property *p, const void *field)
{
    return p->def_str ? qstring_new(p->def_str) : quint_new((uint64_t)p->def);
}

#define HV_VALUE(ident, type) \
    static const PropertyInfo prop_hv_##ident = { \
        .name = type, .set = set_hv_value, .get = get_hv_value, \
        .set_default = no_default, .get_default = no_get_default, \
    };
HV_VALUE(u32, "uint32")
HV_VALUE(str, "str")
HV_VALUE(onoff, "OnOffAuto")

#define OPT_BOOL(n, f, d) PROP_BOOL(n, X86CPU, opt.f, d)
#define OPT_LEVEL(n, f) \
    { .name = n, .info = &prop_level, \
      .offset = PROP_FIELD(X86CPU, opt.f, uint32_t) }
#define VERSION(n, f) \
    { .name = n, .info = &prop_##f, .offset = PROP_FIELD(X86CPU, f, uint32_t) }
#define HV(n, inf, d, s) \
    { .name = "hv-" n, .info = &inf, .def = (int64_t)(d), .def_str = s }
static const Property options[] = {
    PROP_UINT32("apic-id", X86CPU, apic_id, UINT32_MAX),
    PROP_INT32("socket-id", X86CPU, socket_id, -1),
    PROP_INT32("die-id", X86CPU, die_id, -1),
    PROP_INT32("core-id", X86CPU, core_id, -1),
    PROP_INT32("thread-id", X86CPU, thread_id, -1),
    PROP_INT32("node-id", X86CPU, node_id, -1),
    VERSION("family", family),
    VERSION("model", model),
    VERSION("stepping", stepping),
    { .name = "vendor", .info = &prop_vendor,
      .offset = offsetof(X86CPU, vendor) },
    { .name = "model-id", .info = &prop_model_id,
      .offset = offsetof(X86CPU, model_id) },
    { .name = "tsc-frequency", .info = &prop_tsc,
      .offset = PROP_FIELD(X86CPU, tsc_hz, uint64_t) },
    OPT_LEVEL("level", level),
    OPT_LEVEL("xlevel", xlevel),
    OPT_LEVEL("xlevel2", xlevel2),
    OPT_LEVEL("level-func7", level7),
    PROP_UINT32("min-level", X86CPU, opt.min_level, UNSET),
    PROP_UINT32("min-xlevel", X86CPU, opt.min_xlevel, UNSET),
    PROP_UINT32("min-xlevel2", X86CPU, opt.min_xlevel2, 0),
    PROP_UINT32("phys-bits", X86CPU, opt.phys_bits, 0),
    PROP_UINT8("host-phys-bits-limit", X86CPU, opt.phys_bits_limit, 0),
    PROP_UINT64("ucode-rev", X86CPU, opt.ucode_rev, 0),
    PROP_UINT64("lbr-fmt", X86CPU, opt.lbr_fmt, -64),
    PROP_UINT64("lbr_fmt", X86CPU, opt.lbr_fmt, -64),
    OPT_BOOL("check", check, true),
    OPT_BOOL("enforce", enforce, false),
    OPT_BOOL("host-phys-bits", host_phys_bits, false),
    OPT_BOOL("l3-cache", l3_cache, true),
    OPT_BOOL("legacy-cache", legacy_cache, true),
    OPT_BOOL("cpuid-0xb", cpuid_0xb, true),
    OPT_BOOL("tcg-cpuid", tcg_cpuid, true),
    OPT_BOOL("kvm", kvm, true),
    OPT_BOOL("pmu", pmu, false),
    OPT_BOOL("lmce", lmce, false),
    OPT_BOOL("full-cpuid-auto-level", full_auto_level, true),
    OPT_BOOL("x-vendor-cpuid-only", vendor_only, true),
    OPT_BOOL("fill-mtrr-mask", fill_mtrr_mask, true),
    OPT_BOOL("vmware-cpuid-freq", vmware_freq, true),
    OPT_BOOL("x-force-features", force_features, false),
    HV("relaxed", prop_hv, 0, NULL), HV("vapic", prop_hv, 0, NULL),
    HV("time", prop_hv, 0, NULL), HV("crash", prop_hv, 0, NULL),
    HV("reset", prop_hv, 0, NULL), HV("vpindex", prop_hv, 0, NULL),
    HV("runtime", prop_hv, 0, NULL), HV("synic", prop_hv, 0, NULL),
    HV("stimer", prop_hv, 0, NULL), HV("frequencies", prop_hv, 0, NULL),
    HV("reenlightenment", prop_hv, 0, NULL),
    HV("tlbflush", prop_hv, 0, NULL), HV("evmcs", prop_hv, 0, NULL),
    HV("ipi", prop_hv, 0, NULL), HV("stimer-direct", prop_hv, 0, NULL),
    HV("avic", prop_hv, 0, NULL), HV("apicv", prop_hv, 0, NULL),
    HV("syndbg", prop_hv, 0, NULL), HV("emsr-bitmap", prop_hv, 0, NULL),
    HV("xmm-input", prop_hv, 0, NULL), HV("tlbflush-ext", prop_hv, 0, NULL),
    HV("tlbflush-direct", prop_hv, 0, NULL),
    HV("enforce-cpuid", prop_hv, 0, NULL),
    HV("passthrough", prop_hv, 0, NULL),
    HV("spinlocks", prop_hv_u32, UINT32_MAX, NULL),
    HV("vendor-id", prop_hv_str, 0, ""),
    HV("no-nonarch-coresharing", prop_hv_onoff, 0, "off"),
    HV("version-id-build", prop_hv_u32, 14393, NULL),
    HV("version-id-major", prop_hv_u32, 10, NULL),
    HV("version-id-minor", prop_hv_u32, 0, NULL),
    HV("version-id-spack", prop_hv_u32, 0, NULL),
    HV("version-id-sbranch", prop_hv_u32, 0, NULL),
    HV("version-id-snumber", prop_hv_u32, 0, NULL),
};
const Property x86_cpu_max_props[] = {
    OPT_BOOL("migratable", migratable, true),
    OPT_BOOL("host-cache-info", host_cache_info, false),
    PROP_END(),
};

static void add_feature(Property **p, const char *name, enum feature_word w,
                        unsigned bit)
{
    **p = (Property){
        .name = name,
        .info = &prop_feature,
        .offset = offsetof(X86CPU, features) + w * sizeof(uint32_t),
        .bit = bit,
    };
    (*p)++;
}

/* The options and a property for each feature, made once. */
const Property *x86_cpu_props(void)
{
    static Property *table;
    Property *p;

    if (table) {
        return table;
    }
    table = g_new0(Property, ARRAY_SIZE(options) + 32 * FW_WORDS +
                                 x86_feature_synonym_count + 1);
    memcpy(table, options, sizeof(options));
    p = table + ARRAY_SIZE(options);
    for (unsigned w = 0; w < FW_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            char name[48];

            if (x86_feature_name(w, b, name, sizeof(name))) {
                add_feature(&p, g_strdup(name), w, b);
            }
        }
    }
    for (unsigned i = 0; i < x86_feature_synonym_count; i++) {
        enum feature_word w;
        unsigned b;

        if (x86_feature_find(x86_feature_synonyms[i][0], &w, &b)) {
            add_feature(&p, x86_feature_synonyms[i][0], w, b);
        }
    }
    return table;
}

/* ---- -cpu MODEL,... ---- */

static bool add_setting(const char *type, const char *name, const char *value,
                        bool plain, Error **errp)
{
    const ObjectType *t = object_type_find(type);
    g_autoptr(QObject) v = qstring_new(value);
    Error *err = NULL;
    Object *probe;
    bool ok;

    if (!property_find(t, name)) {
        error_setg(errp, "Property '%s.%s' not found", type, name);
        if (!plain) {
            error_prepend(errp, "can't apply global %s.%s=%s: ", type, name,
                          value);
        }
        return false;
    }
    /* Try the value now, where the error can name the option. */
    probe = object_new(type);
    ok = object_set(probe, name, v, &err);
    object_free(probe);
    if (!ok) {
        error_prepend(&err, "can't apply global %s.%s=%s: ", type, name,
                      value);
        error_propagate(errp, err);
        return false;
    }
    object_add_global(type, name, value, false);
    return true;
}

bool x86_cpu_parse_features(const char *type, const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
    g_autoptr(GHashTable) named =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    /* NAME[=VALUE] first, then all +NAME, then all -NAME. */
    for (int pass = 0; pass < 3; pass++) {
        for (char **s = parts; *s; s++) {
            int kind = **s == '+' ? 1 : **s == '-' ? 2 : 0;
            g_autofree char *name = NULL;
            const char *eq = strchr(*s, '='), *value = eq ? eq + 1 : "on";

            if (kind != pass || !**s) {
                continue;
            }
            if (kind) {
                name = g_strdelimit(g_strdup(*s + 1), "_", '-');
                if (g_hash_table_contains(named, name)) {
                    warn_report("Ambiguous CPU model string. Don't mix both "
                                "\"%c%s\" and \"%s=%s\"", **s, name, name,
                                (char *)g_hash_table_lookup(named, name));
                }
                if (!add_setting(type, name, kind == 1 ? "on" : "off", true,
                                 errp)) {
                    return false;
                }
                continue;
            }
            name = g_strndup(*s, eq ? (size_t)(eq - *s) : strlen(*s));
            g_strdelimit(name, "_", '-');
            if (!strcmp(name, "tsc-freq")) {
                g_free(name);
                name = g_strdup("tsc-frequency");
            }
            if (!add_setting(type, name, value, false, errp)) {
                return false;
            }
            g_hash_table_insert(named, g_strdup(name), (char *)value);
        }
    }
    return true;
}
