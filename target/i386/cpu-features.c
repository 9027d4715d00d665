/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID features by name, and the CPU models of cpu-models.def.
 *
 * Bits: Intel SDM volume 2 CPUID, AMD APM volume 3 appendix E.  The names are
 * QEMU's, which -cpu, libvirt and QMP use.
 */
#include "osdep.h"
#include "cpu-models.h"

/* One string a word, bit 0 first; "-": no name. */
static const char *const words[FW_WORDS] = {
    [FW_1_EDX] =
        "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca "
        "cmov pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht "
        "tm ia64 pbe",
    [FW_1_ECX] =
        "pni pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 "
        "cid - fma cx16 xtpr pdcm - pcid dca sse4.1 sse4.2 x2apic "
        "movbe popcnt tsc-deadline aes xsave - avx f16c rdrand "
        "hypervisor",
    [FW_7_EBX] =
        "fsgsbase tsc-adjust sgx bmi1 hle avx2 - smep bmi2 erms "
        "invpcid rtm - - mpx - avx512f avx512dq rdseed adx smap "
        "avx512ifma pcommit clflushopt clwb intel-pt avx512pf "
        "avx512er avx512cd sha-ni avx512bw avx512vl",
    [FW_7_ECX] =
        "- avx512vbmi umip pku - waitpkg avx512vbmi2 - gfni vaes "
        "vpclmulqdq avx512vnni avx512bitalg - avx512-vpopcntdq - la57 "
        "- - - - - rdpid - bus-lock-detect cldemote - movdiri "
        "movdir64b - sgxlc pks",
    [FW_7_EDX] =
        "- - avx512-4vnniw avx512-4fmaps fsrm - - - "
        "avx512-vp2intersect - md-clear - - - serialize - tsx-ldtrk - "
        "- arch-lbr - - amx-bf16 avx512-fp16 amx-tile amx-int8 "
        "spec-ctrl stibp - arch-capabilities core-capability ssbd",
    [FW_8_1_EDX] =
        "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - "
        "- fxsr-opt pdpe1gb rdtscp - lm 3dnowext 3dnow",
    [FW_8_1_ECX] =
        "lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a "
        "misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 "
        "tce - nodeid-msr - tbm topoext perfctr-core perfctr-nb - - - "
        "- - - -",
    [FW_8_7_EDX] =
        "- - - - - - - - invtsc",
    [FW_8_8_EBX] =
        "clzero - xsaveerptr - - - - - - wbnoinvd - - ibpb - ibrs "
        "amd-stibp - - - - - - - - amd-ssbd virt-ssbd amd-no-ssb",
    [FW_D1_EAX] =
        "xsaveopt xsavec xgetbv1 xsaves xfd",
    [FW_6_EAX] =
        "- - arat",
    [FW_7_1_EAX] =
        "- - - - avx-vnni avx512-bf16",
    [FW_KVM] =
        "kvmclock kvm-nopiodelay kvm-mmu - kvm-asyncpf kvm-steal-time "
        "kvm-pv-eoi kvm-pv-unhalt - kvm-pv-tlb-flush - kvm-pv-ipi "
        "kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int "
        "kvm-msi-ext-dest-id - - - - - - - - kvmclock-stable-bit",
    [FW_ARCH_CAP] =
        "rdctl-no ibrs-all rsba skip-l1dfl-vmentry ssb-no mds-no "
        "pschange-mc-no tsx-ctrl taa-no",
};

/* Other spellings; '_' for '-' is taken everywhere. */
static const char *const synonyms[][2] = {
    { "sse3", "pni" },          { "pclmuldq", "pclmulqdq" },
    { "sse4-1", "sse4.1" },     { "sse4-2", "sse4.2" },
    { "xd", "nx" },             { "ffxsr", "fxsr-opt" },
    { "i64", "lm" },
};

#define MODEL(n, v, f, m, s, l, x, id, feat) \
    { n, v, id, l, x, f, m, s, feat },
#define ALIAS(n, of)
const struct x86_model x86_models[] = {
#include "cpu-models.def"
};
#undef MODEL
#undef ALIAS
const unsigned x86_model_count = ARRAY_SIZE(x86_models);

#define MODEL(n, v, f, m, s, l, x, id, feat)
#define ALIAS(n, of) { n, of },
const struct x86_model_alias x86_model_aliases[] = {
#include "cpu-models.def"
};
#undef MODEL
#undef ALIAS
const unsigned x86_model_alias_count = ARRAY_SIZE(x86_model_aliases);

/* Is the word at @p of @len equal to @name, '_' being '-'? */
static bool same_name(const char *p, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != (name[i] == '_' ? '-' : name[i])) {
            return false;
        }
    }
    return name[len] == 0;
}

bool x86_feature_find(const char *name, enum feature_word *word,
                      unsigned *bit)
{
    for (unsigned i = 0; i < ARRAY_SIZE(synonyms); i++) {
        if (same_name(synonyms[i][0], strlen(synonyms[i][0]), name)) {
            name = synonyms[i][1];
            break;
        }
    }
    if (!strcmp(name, "sse4_1") || !strcmp(name, "sse4_2")) {
        name = name[5] == '1' ? "sse4.1" : "sse4.2";
    }
    for (unsigned w = 0; w < FW_WORDS; w++) {
        const char *p = words[w];

        for (unsigned b = 0; p && *p; b++) {
            size_t len = strcspn(p, " ");

            if (*p != '-' && same_name(p, len, name)) {
                *word = w;
                *bit = b;
                return true;
            }
            p += len + (p[len] == ' ');
        }
    }
    return false;
}

bool x86_feature_name(enum feature_word word, unsigned bit, char *buf,
                      size_t size)
{
    const char *p = words[word];
    size_t len;

    for (unsigned b = 0; p && *p; b++) {
        len = strcspn(p, " ");
        if (b == bit) {
            if (*p == '-') {
                return false;
            }
            g_strlcpy(buf, p, MIN(size, len + 1));
            return true;
        }
        p += len + (p[len] == ' ');
    }
    return false;
}

const struct x86_model *x86_model_find(const char *name)
{
    for (unsigned i = 0; i < x86_model_alias_count; i++) {
        if (!strcmp(x86_model_aliases[i].name, name)) {
            name = x86_model_aliases[i].of;
            break;
        }
    }
    for (unsigned i = 0; i < x86_model_count; i++) {
        if (!strcmp(x86_models[i].name, name)) {
            return &x86_models[i];
        }
    }
    return NULL;
}

/* What AMD's leaf 80000001h EDX repeats of leaf 1 EDX. */
#define AMD_REPEATED 0x0183f3ffu

bool x86_model_features(const struct x86_model *m,
                        uint32_t features[FW_WORDS])
{
    const char *p = m->features;

    memset(features, 0, FW_WORDS * sizeof(features[0]));
    features[FW_1_ECX] = 1u << 31;
    while (*p) {
        size_t len = strcspn(p, " ");
        char name[32];
        enum feature_word w;
        unsigned bit;

        g_strlcpy(name, p, MIN(sizeof(name), len + 1));
        if (!x86_feature_find(name, &w, &bit)) {
            return false;
        }
        features[w] |= 1u << bit;
        p += len + (p[len] == ' ');
    }
    if (!strcmp(m->vendor, "AuthenticAMD") ||
        !strcmp(m->vendor, "HygonGenuine")) {
        features[FW_8_1_EDX] |= features[FW_1_EDX] & AMD_REPEATED;
    }
    return true;
}
