/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: the models as data, what the engine can do, and the leaves.
 */
#include "osdep.h"
#include "cpu-models.h"
#include "decode.h"

/*
 * What the engine does, whatever the host.  AVX and the like come with the
 * host's own (design: base and pass-through).
 */
#define EDX1 0x0f8bfbffu
#define ECX1 (BIT(0) | BIT(1) | BIT(9) | BIT(13) | BIT(17) | BIT(19) | \
              BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(24) | BIT(25) | \
              BIT(26) | BIT(30) | BIT(31))

static const uint32_t engine_base[FW_WORDS] = {
    [FW_1_EDX] = EDX1,
    [FW_1_ECX] = ECX1,
    /* fsgsbase smep erms invpcid smap clflushopt */
    [FW_7_EBX] = BIT(0) | BIT(7) | BIT(9) | BIT(10) | BIT(20),
    [FW_7_ECX] = BIT(2),
    /* syscall nx mmxext fxsr-opt-less 1GB rdtscp lm and AMD's repeats */
    [FW_8_1_EDX] = 0x2c100800 | 0x0183f3ff | BIT(22),
    [FW_8_1_ECX] = BIT(0),
    [FW_8_7_EDX] = BIT(8),
    [FW_6_EAX] = BIT(2),
};

static const char max_id[] = "QEMU TCG CPU version 2.5+";

static void feat(X86CPU *cpu, uint64_t *m, enum feature_word w, unsigned bit,
                 int xf)
{
    if (cpu->features[w] >> bit & 1) {
        *m |= XF_BIT(xf);
    }
}

bool x86_cpuid_realize(X86CPU *cpu, Error **errp)
{
    const struct x86_model *md = cpu->model_data;

    if (md) {
        if (!x86_model_features(md, cpu->features)) {
            error_setg(errp, "CPU model '%s' names an unknown feature",
                       md->name);
            return false;
        }
        cpu->level = md->level;
        cpu->xlevel = md->xlevel;
        cpu->family = md->family;
        cpu->model = md->model;
        cpu->stepping = md->stepping;
        g_strlcpy(cpu->vendor, md->vendor, sizeof(cpu->vendor));
        g_strlcpy(cpu->model_id, md->model_id, sizeof(cpu->model_id));
    } else { /* max */
        memcpy(cpu->features, engine_base, sizeof(engine_base));
        cpu->level = 0xd;
        cpu->xlevel = 0x8000000a;
        cpu->family = cpu->model = 6;
        cpu->stepping = 3;
        g_strlcpy(cpu->vendor, "AuthenticAMD", sizeof(cpu->vendor));
        g_strlcpy(cpu->model_id, max_id, sizeof(cpu->model_id));
    }
    for (unsigned w = 0; w < FW_WORDS; w++) {
        cpu->features[w] &= engine_base[w];
    }
    uint64_t m = XF_BIT(XF_BASE);
    cpu->phys_bits = cpu->features[FW_8_1_EDX] >> 29 & 1 ? 40 : 36;
    cpu->amd = strcmp(cpu->vendor, "AuthenticAMD") == 0;

    static const struct { uint8_t w, bit, xf; } map[] = {
        { FW_1_EDX, 0, XF_FPU }, { FW_1_EDX, 8, XF_CX8 },
        { FW_1_EDX, 11, XF_SEP }, { FW_1_EDX, 15, XF_CMOV },
        { FW_1_EDX, 19, XF_CLFLUSH }, { FW_1_EDX, 23, XF_MMX },
        { FW_1_EDX, 24, XF_FXSR }, { FW_1_EDX, 25, XF_SSE },
        { FW_1_EDX, 26, XF_SSE2 }, { FW_1_ECX, 0, XF_SSE3 },
        { FW_1_ECX, 1, XF_PCLMUL }, { FW_1_ECX, 3, XF_MONITOR },
        { FW_1_ECX, 9, XF_SSSE3 }, { FW_1_ECX, 12, XF_FMA },
        { FW_1_ECX, 19, XF_SSE41 }, { FW_1_ECX, 20, XF_SSE42 },
        { FW_1_ECX, 22, XF_MOVBE }, { FW_1_ECX, 23, XF_POPCNT },
        { FW_1_ECX, 25, XF_AES }, { FW_1_ECX, 26, XF_XSAVE },
        { FW_1_ECX, 28, XF_AVX }, { FW_1_ECX, 29, XF_F16C },
        { FW_1_ECX, 30, XF_RDRAND }, { FW_7_EBX, 0, XF_FSGSBASE },
        { FW_7_EBX, 3, XF_BMI1 }, { FW_7_EBX, 5, XF_AVX2 },
        { FW_7_EBX, 8, XF_BMI2 }, { FW_7_EBX, 10, XF_INVPCID },
        { FW_7_EBX, 18, XF_RDSEED }, { FW_7_EBX, 19, XF_ADX },
        { FW_7_EBX, 20, XF_SMAP }, { FW_7_EBX, 23, XF_CLFLUSHOPT },
        { FW_7_EBX, 24, XF_CLWB }, { FW_7_EBX, 29, XF_SHA },
        { FW_7_ECX, 8, XF_GFNI }, { FW_7_ECX, 9, XF_VAES },
        { FW_7_ECX, 10, XF_VPCLMUL }, { FW_7_ECX, 22, XF_RDPID },
        { FW_7_ECX, 27, XF_MOVDIRI }, { FW_7_ECX, 28, XF_MOVDIR64B },
        { FW_8_1_EDX, 11, XF_SYSCALL }, { FW_8_1_EDX, 27, XF_RDTSCP },
        { FW_8_1_ECX, 0, XF_LAHF64 }, { FW_8_1_ECX, 5, XF_LZCNT },
        { FW_D1_EAX, 0, XF_XSAVEOPT }, { FW_D1_EAX, 1, XF_XSAVEC },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
        feat(cpu, &m, map[i].w, map[i].bit, map[i].xf);
    }
    if (cpu->amd && (m & XF_BIT(XF_SYSCALL))) {
        m |= XF_BIT(XF_SYSCALL_AMD);
    }
    cpu->decode_feat = m;
    return true;
}

static unsigned shift_for(unsigned n)
{
    return n <= 1 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

void x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const X86CPU *cpu = env->cpu;
    const uint32_t *f = cpu->features;
    uint32_t *a = &out[0], *b = &out[1], *c = &out[2], *d = &out[3];
    unsigned threads = MAX(cpu->nr_threads, 1u);
    unsigned logical = threads * MAX(cpu->nr_cores, 1u) * MAX(cpu->nr_dies, 1u);

    memset(out, 0, 16);
    if (leaf >= 0x80000000) {
        if (leaf > cpu->xlevel) {
            leaf = cpu->level;
        }
    } else if (leaf >= 0x40000000 && leaf < 0x40000100) {
        if (leaf == 0x40000000) {
            *a = 0x40000001;
            memcpy(b, "TCGTCGTCGTCG", 12);
        }
        return;
    } else if (leaf > cpu->level) {
        leaf = cpu->level;
    }
    switch (leaf) {
    case 0:
        *a = cpu->level;
        memcpy(b, cpu->vendor, 4);
        memcpy(d, cpu->vendor + 4, 4);
        memcpy(c, cpu->vendor + 8, 4);
        break;
    case 1: {
        uint32_t ext = cpu->family > 15 ? cpu->family - 15 : 0;
        *a = MIN(cpu->family, 15u) << 8 | ext << 20 | (cpu->model & 15) << 4 |
             cpu->model >> 4 << 16 | cpu->stepping;
        *b = cpu->apic_id << 24 | 8 << 8 | logical << 16;
        *c = f[FW_1_ECX];
        if ((*c & BIT(26)) && (env->x.cr4 & CR4_OSXSAVE)) {
            *c |= BIT(27);
        }
        *d = f[FW_1_EDX];
        if (logical > 1) {
            *d |= BIT(28);
        }
        break;
    }
    case 2:
        *a = 1;
        *d = 0x2c307d;
        break;
    case 4:
        if (!cpu->amd && sub < 4) {
            static const struct { uint32_t a, b, c; } caches[] = {
                { 0x121, 0x1c0003f, 63 }, { 0x122, 0x1c0003f, 63 },
                { 0x143, 0x3c0003f, 4095 }, { 0x163, 0x3c0003f, 16383 },
            };
            *a = caches[sub].a | (MAX(cpu->nr_cores, 1u) - 1) << 26 |
                 ((sub < 3 ? threads : logical) - 1) << 14;
            *b = caches[sub].b;
            *c = caches[sub].c;
        }
        break;
    case 6:
        *a = f[FW_6_EAX];
        break;
    case 7:
        if (sub == 0) {
            *b = f[FW_7_EBX];
            *c = f[FW_7_ECX];
            *d = f[FW_7_EDX];
        }
        break;
    case 0xb:
        *c = sub & 0xff;
        *d = cpu->apic_id;
        if (sub == 0) {
            *a = shift_for(threads);
            *b = threads;
            *c |= 1 << 8;
        } else if (sub == 1) {
            *a = shift_for(threads) + shift_for(MAX(cpu->nr_cores, 1u)) +
                 shift_for(MAX(cpu->nr_dies, 1u));
            *b = logical;
            *c |= 2 << 8;
        }
        break;
    case 0xd:
        if (!(f[FW_1_ECX] & BIT(26))) {
            break;
        }
        if (sub == 0) {
            *a = f[FW_1_ECX] & BIT(28) ? 7 : 3;
            *c = *a & 4 ? 832 : 576;
            *b = env->x.xcr0 & 4 ? 832 : 576;
        } else if (sub == 1) {
            *a = f[FW_D1_EAX];
        } else if (sub == 2 && (f[FW_1_ECX] & BIT(28))) {
            *a = 256;
            *b = 576;
        }
        break;
    case 0x80000000:
        *a = cpu->xlevel;
        memcpy(b, cpu->vendor, 4);
        memcpy(d, cpu->vendor + 4, 4);
        memcpy(c, cpu->vendor + 8, 4);
        break;
    case 0x80000001:
        x86_cpuid(env, 1, 0, out);
        *b = 0;
        *c = f[FW_8_1_ECX] | (logical > 1 ? BIT(1) : 0);
        *d = f[FW_8_1_EDX];
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, cpu->model_id + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000005:
        *a = *b = 0x01ff01ff;
        *c = *d = 0x40020140;
        break;
    case 0x80000006:
        *b = 0x42004200;
        *c = 0x02008140;
        break;
    case 0x80000007:
        *d = f[FW_8_7_EDX];
        break;
    case 0x80000008:
        *a = cpu->phys_bits | (f[FW_8_1_EDX] & BIT(29) ? 48 : 32) << 8;
        *b = f[FW_8_8_EBX];
        if (logical > 1) {
            *c = (logical - 1) | shift_for(logical) << 12;
        }
        break;
    }
}
