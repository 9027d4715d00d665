/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID features by name, and the CPU models of cpu-models.def.
 *
 * Bits: Intel SDM volume 2 CPUID, AMD APM volume 3 appendix E.  The names are
 * QEMU's, which -cpu, libvirt and QMP use.
 */
#include "osdep.h"
#include "cpu-models.h"

/* One string a word, bit 0 first; "-": no name, "=N": the next is bit N. */
static const struct {
    uint32_t index;  /* leaf, or MSR */
    int8_t sub;      /* -1: the leaf has no subleaves */
    char reg;        /* 'a'..'d'; 'm': an MSR, 'h': its high half */
    const char *names;
} words[FW_WORDS] = {
    [FW_1_EDX] = { 1, -1, 'd',
        "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca "
        "cmov pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht "
        "tm ia64 pbe" },
    [FW_1_ECX] = { 1, -1, 'c',
        "pni pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 "
        "cid - fma cx16 xtpr pdcm - pcid dca sse4.1 sse4.2 x2apic "
        "movbe popcnt tsc-deadline aes xsave - avx f16c rdrand "
        "hypervisor" },
    [FW_7_EBX] = { 7, 0, 'b',
        "fsgsbase tsc-adjust sgx bmi1 hle avx2 - smep bmi2 erms "
        "invpcid rtm - - mpx - avx512f avx512dq rdseed adx smap "
        "avx512ifma pcommit clflushopt clwb intel-pt avx512pf "
        "avx512er avx512cd sha-ni avx512bw avx512vl" },
    [FW_7_ECX] = { 7, 0, 'c',
        "- avx512vbmi umip pku - waitpkg avx512vbmi2 - gfni vaes "
        "vpclmulqdq avx512vnni avx512bitalg - avx512-vpopcntdq - la57 "
        "=22 rdpid - bus-lock-detect cldemote - movdiri "
        "movdir64b - sgxlc pks" },
    [FW_7_EDX] = { 7, 0, 'd',
        "- - avx512-4vnniw avx512-4fmaps fsrm - - - "
        "avx512-vp2intersect - md-clear - - - serialize - tsx-ldtrk - "
        "- arch-lbr - - amx-bf16 avx512-fp16 amx-tile amx-int8 "
        "spec-ctrl stibp - arch-capabilities core-capability ssbd" },
    [FW_7_1_EAX] = { 7, 1, 'a', "=4 avx-vnni avx512-bf16" },
    [FW_8_1_EDX] = { 0x80000001, -1, 'd',
        "=11 syscall =20 nx - mmxext - - fxsr-opt pdpe1gb rdtscp - lm "
        "3dnowext 3dnow" },
    [FW_8_1_ECX] = { 0x80000001, -1, 'c',
        "lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a "
        "misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 "
        "tce - nodeid-msr - tbm topoext perfctr-core perfctr-nb" },
    [FW_8_7_EDX] = { 0x80000007, -1, 'd', "=8 invtsc" },
    [FW_8_8_EBX] = { 0x80000008, -1, 'b',
        "clzero - xsaveerptr =9 wbnoinvd =12 ibpb - ibrs amd-stibp "
        "=24 amd-ssbd virt-ssbd amd-no-ssb" },
    [FW_C_1_EDX] = { 0xc0000001, -1, 'd',
        "=2 xstore xstore-en =6 xcrypt xcrypt-en ace2 ace2-en phe phe-en "
        "pmm pmm-en" },
    [FW_KVM] = { 0x40000001, -1, 'a',
        "kvmclock kvm-nopiodelay kvm-mmu - kvm-asyncpf kvm-steal-time "
        "kvm-pv-eoi kvm-pv-unhalt - kvm-pv-tlb-flush - kvm-pv-ipi "
        "kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int "
        "kvm-msi-ext-dest-id =24 kvmclock-stable-bit" },
    [FW_KVM_HINTS] = { 0x40000001, -1, 'd', "kvm-hint-dedicated" },
    [FW_SVM] = { 0x8000000a, -1, 'd',
        "npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid "
        "decodeassists - - pause-filter - pfthreshold avic - "
        "v-vmsave-vmload vgif =28 svme-addr-chk" },
    [FW_D1_EAX] = { 0xd, 1, 'a', "xsaveopt xsavec xgetbv1 xsaves xfd" },
    [FW_6_EAX] = { 6, -1, 'a', "=2 arat" },
    [FW_14_ECX] = { 0x14, 0, 'c', "=31 intel-pt-lip" },
    [FW_SGX_0_EAX] = { 0x12, 0, 'a', "sgx1 sgx2" },
    [FW_SGX_0_EBX] = { 0x12, 0, 'b', "sgx-exinfo" },
    [FW_SGX_1_EAX] = { 0x12, 1, 'a',
        "- sgx-debug sgx-mode64 - sgx-provisionkey sgx-tokenkey - "
        "sgx-kss" },
    [FW_ARCH_CAP] = { 0x10a, -1, 'm',
        "rdctl-no ibrs-all rsba skip-l1dfl-vmentry ssb-no mds-no "
        "pschange-mc-no tsx-ctrl taa-no" },
    [FW_CORE_CAP] = { 0xcf, -1, 'm', "=5 split-lock-detect" },
    [FW_PERF_CAP] = { 0x345, -1, 'm', "=13 full-width-write" },
    [FW_VMX_PIN] = { 0x48d, -1, 'm',
        "vmx-intr-exit =3 vmx-nmi-exit - vmx-vnmi vmx-preemption-timer "
        "vmx-posted-intr" },
    [FW_VMX_PROC] = { 0x48e, -1, 'm',
        "=2 vmx-vintr-pending vmx-tsc-offset =7 vmx-hlt-exit - "
        "vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit "
        "=15 vmx-cr3-load-noexit vmx-cr3-store-noexit =19 "
        "vmx-cr8-load-exit vmx-cr8-store-exit vmx-flexpriority "
        "vmx-vnmi-pending vmx-movdr-exit vmx-io-exit vmx-io-bitmap - "
        "vmx-mtf vmx-msr-bitmap vmx-monitor-exit vmx-pause-exit "
        "vmx-secondary-ctls" },
    [FW_VMX_PROC2] = { 0x48b, -1, 'm',
        "vmx-apicv-xapic vmx-ept vmx-desc-exit vmx-rdtscp-exit "
        "vmx-apicv-x2apic vmx-vpid vmx-wbinvd-exit "
        "vmx-unrestricted-guest vmx-apicv-register vmx-apicv-vid vmx-ple "
        "vmx-rdrand-exit vmx-invpcid-exit vmx-vmfunc vmx-shadow-vmcs "
        "vmx-encls-exit vmx-rdseed-exit vmx-pml =20 vmx-xsaves =25 "
        "vmx-tsc-scaling" },
    [FW_VMX_EXIT] = { 0x48f, -1, 'm',
        "=2 vmx-exit-nosave-debugctl =12 vmx-exit-load-perf-global-ctrl "
        "=15 vmx-exit-ack-intr =18 vmx-exit-save-pat vmx-exit-load-pat "
        "vmx-exit-save-efer vmx-exit-load-efer "
        "vmx-exit-save-preemption-timer vmx-exit-clear-bndcfgs - "
        "vmx-exit-clear-rtit-ctl =29 vmx-exit-load-pkrs" },
    [FW_VMX_ENTRY] = { 0x490, -1, 'm',
        "=2 vmx-entry-noload-debugctl =9 vmx-entry-ia32e-mode =13 "
        "vmx-entry-load-perf-global-ctrl vmx-entry-load-pat "
        "vmx-entry-load-efer vmx-entry-load-bndcfgs - "
        "vmx-entry-load-rtit-ctl =22 vmx-entry-load-pkrs" },
    [FW_VMX_MISC] = { 0x485, -1, 'm',
        "=5 vmx-store-lma vmx-activity-hlt vmx-activity-shutdown "
        "vmx-activity-wait-sipi =29 vmx-vmwrite-vmexit-fields "
        "vmx-zero-len-inject" },
    [FW_VMX_EPT] = { 0x48c, -1, 'm',
        "vmx-ept-execonly =6 vmx-page-walk-4 vmx-page-walk-5 =16 "
        "vmx-ept-2mb vmx-ept-1gb =20 vmx-invept vmx-eptad "
        "vmx-ept-advanced-exitinfo =25 vmx-invept-single-context "
        "vmx-invept-all-context" },
    [FW_VMX_VPID] = { 0x48c, -1, 'h',
        "vmx-invvpid =8 vmx-invvpid-single-addr - "
        "vmx-invvpid-all-context vmx-invept-single-context-noglobals" },
    [FW_VMX_BASIC] = { 0x480, -1, 'h', "=22 vmx-ins-outs vmx-true-ctls" },
    [FW_VMX_FUNC] = { 0x491, -1, 'm', "vmx-eptp-switching" },
};

/* Other spellings that are properties too; in -cpu '_' is '-' everywhere. */
const char *const x86_feature_synonyms[][2] = {
    { "sse3", "pni" },
    { "pclmuldq", "pclmulqdq" },
    { "sse4-1", "sse4.1" },
    { "sse4-2", "sse4.2" },
    { "sse4_1", "sse4.1" },
    { "sse4_2", "sse4.2" },
    { "xd", "nx" },
    { "ffxsr", "fxsr-opt" },
    { "i64", "lm" },
    { "ds_cpl", "ds-cpl" },
    { "tsc_adjust", "tsc-adjust" },
    { "fxsr_opt", "fxsr-opt" },
    { "lahf_lm", "lahf-lm" },
    { "cmp_legacy", "cmp-legacy" },
    { "nodeid_msr", "nodeid-msr" },
    { "perfctr_core", "perfctr-core" },
    { "perfctr_nb", "perfctr-nb" },
    { "kvm_nopiodelay", "kvm-nopiodelay" },
    { "kvm_mmu", "kvm-mmu" },
    { "kvm_asyncpf", "kvm-asyncpf" },
    { "kvm_asyncpf_int", "kvm-asyncpf-int" },
    { "kvm_steal_time", "kvm-steal-time" },
    { "kvm_pv_eoi", "kvm-pv-eoi" },
    { "kvm_pv_unhalt", "kvm-pv-unhalt" },
    { "kvm_poll_control", "kvm-poll-control" },
    { "svm_lock", "svm-lock" },
    { "nrip_save", "nrip-save" },
    { "tsc_scale", "tsc-scale" },
    { "vmcb_clean", "vmcb-clean" },
    { "pause_filter", "pause-filter" },
};
const unsigned x86_feature_synonym_count = ARRAY_SIZE(x86_feature_synonyms);

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

/* Walks a word's names: the one at *@p with its bit, or false at the end. */
static bool next_name(const char **p, unsigned *bit, const char **name,
                      size_t *len)
{
    for (; **p; (*bit)++) {
        *name = *p;
        *len = strcspn(*p, " ");
        *p += *len + ((*p)[*len] == ' ');
        if (**name == '=') {
            *bit = strtoul(*name + 1, NULL, 10) - 1;
        } else if (**name != '-') {
            return true;
        }
    }
    return false;
}

bool x86_feature_find(const char *name, enum feature_word *word,
                      unsigned *bit)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x86_feature_synonyms); i++) {
        if (!strcmp(x86_feature_synonyms[i][0], name)) {
            name = x86_feature_synonyms[i][1];
            break;
        }
    }
    for (unsigned w = 0; w < FW_WORDS; w++) {
        const char *p = words[w].names, *s;
        size_t len;

        for (*bit = 0; next_name(&p, bit, &s, &len); (*bit)++) {
            if (same_name(s, len, name)) {
                *word = w;
                return true;
            }
        }
    }
    return false;
}

bool x86_feature_name(enum feature_word word, unsigned bit, char *buf,
                      size_t size)
{
    const char *p = words[word].names, *s;
    size_t len;

    for (unsigned b = 0; next_name(&p, &b, &s, &len) && b <= bit; b++) {
        if (b == bit) {
            g_strlcpy(buf, s, MIN(size, len + 1));
            return true;
        }
    }
    return false;
}

struct x86_word_place x86_feature_place(enum feature_word w)
{
    return (struct x86_word_place){ words[w].index, words[w].sub,
                                    words[w].reg };
}

void x86_feature_describe(enum feature_word w, unsigned bit, GString *out)
{
    char name[48];
    bool named = x86_feature_name(w, bit, name, sizeof(name));

    if (words[w].reg == 'm' || words[w].reg == 'h') {
        g_string_append_printf(out, "MSR(%02XH)", words[w].index);
        bit += words[w].reg == 'h' ? 32 : 0;
    } else {
        g_string_append_printf(out, "CPUID.%02XH:E%cX", words[w].index,
                               g_ascii_toupper(words[w].reg));
    }
    g_string_append_printf(out, "%s%s [bit %u]", named ? "." : "",
                           named ? name : "", bit);
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

enum x86_cache_kind x86_model_cache(const struct x86_model *m)
{
    return !strncmp(m->name, "EPYC-Milan", 10)  ? CACHE_MILAN
           : !strncmp(m->name, "EPYC-Rome", 9)  ? CACHE_ROME
           : !strncmp(m->name, "EPYC", 4) ||
                   !strncmp(m->name, "Dhyana", 6) ? CACHE_EPYC
                                                  : CACHE_LEGACY;
}

bool x86_model_features(const struct x86_model *m,
                        uint32_t features[FW_WORDS])
{
    const char *p = m->features;

    memset(features, 0, FW_WORDS * sizeof(features[0]));
    features[FW_1_ECX] = 1u << 31;
    while (*p) {
        size_t len = strcspn(p, " ");
        char name[48];
        enum feature_word w;
        unsigned bit;

        g_strlcpy(name, p, MIN(sizeof(name), len + 1));
        if (!x86_feature_find(name, &w, &bit)) {
            return false;
        }
        features[w] |= 1u << bit;
        p += len + (p[len] == ' ');
    }
    return true;
}
