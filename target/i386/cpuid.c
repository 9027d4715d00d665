/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the CPUID instruction answers.  Intel SDM vol. 2 CPUID, AMD APM vol. 3
 * appendix E; where the two leave a choice, as QEMU 7.2's TCG does.
 */
#include "osdep.h"
#include "cpu-models.h"

static unsigned width_for(unsigned n)
{
    return n <= 1 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

/* Shape of the package, and where the parts of an APIC id begin. */
struct shape {
    unsigned threads, cores, dies;
    unsigned core_at, die_at, pkg_at;
};

static struct shape shape_of(const X86CPU *cpu)
{
    struct shape s = { MAX(cpu->nr_threads, 1u), MAX(cpu->nr_cores, 1u),
                       MAX(cpu->nr_dies, 1u), 0, 0, 0 };

    s.core_at = width_for(s.threads);
    s.die_at = s.core_at + width_for(s.cores);
    s.pkg_at = s.die_at + width_for(s.dies);
    return s;
}

/*
 * Caches as the leaves hold them: L1 data, L1 instruction, L2, L3 in the
 * format of leaves 4 and 8000001Dh without the sharing, then leaf
 * 80000005h ECX, EDX, 80000006h ECX, EDX, then leaf 2 EDX and its L3 byte.
 */
struct caches {
    struct { uint32_t a, b, c, d; } level[4];
    uint32_t amd5[2], amd6[2], leaf2, leaf2_l3;
};
static const struct caches caches[] = {
    [CACHE_LEGACY] = {
        { { 0x121, 0x1c0003f, 63, 1 }, { 0x122, 0x1c0003f, 63, 1 },
          { 0x143, 0x3c0003f, 4095, 1 }, { 0x163, 0x3c0003f, 16383, 6 } },
        { 0x40020140, 0x40020140 }, { 0x02008140, 0x00808140 },
        0x2c307d, 0x4d },
    [CACHE_EPYC] = {
        { { 0x121, 0x1c0003f, 63, 1 }, { 0x122, 0x0c0003f, 255, 1 },
          { 0x043, 0x1c0003f, 1023, 0 }, { 0x163, 0x3c0003f, 8191, 6 } },
        { 0x20080140, 0x40040140 }, { 0x02006140, 0x00408140 },
        0x2cff80, 0x4b },
    [CACHE_ROME] = {
        { { 0x121, 0x1c0003f, 63, 1 }, { 0x122, 0x1c0003f, 63, 1 },
          { 0x043, 0x1c0003f, 1023, 0 }, { 0x163, 0x3c0003f, 16383, 6 } },
        { 0x20080140, 0x20080140 }, { 0x02006140, 0x00808140 },
        0x2c3080, 0x4d },
    [CACHE_MILAN] = {
        { { 0x121, 0x1c0003f, 63, 1 }, { 0x122, 0x1c0003f, 63, 1 },
          { 0x043, 0x1c0003f, 1023, 0 }, { 0x163, 0x3c0003f, 32767, 6 } },
        { 0x20080140, 0x20080140 }, { 0x02006140, 0x01008140 },
        0x2c3080, 0x4e },
};

/* Of leaves 4 and 1Dh: the legacy set has AMD's L1 sizes nowhere else. */
static const struct caches *caches_of(const X86CPU *cpu)
{
    return &caches[cpu->opt.legacy_cache ? CACHE_LEGACY : cpu->cache];
}

static void leaf_4(const X86CPU *cpu, const struct shape *s, uint32_t sub,
                   uint32_t out[4])
{
    const struct caches *c = caches_of(cpu);
    unsigned sharing;

    if (cpu->opt.host_cache_info) {
        __asm__("cpuid"
                : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                : "0"(4), "2"(sub));
        out[0] &= ~0xfc000000u;
        if (out[0] & 31) {
            out[0] |= (s->cores - 1) << 26;
        }
        return;
    }
    if (sub > 3 || (sub == 3 && !cpu->opt.l3_cache)) {
        return;
    }
    sharing = sub < 2 ? 1 : sub == 2 ? s->threads : 1u << s->die_at;
    out[0] = c->level[sub].a | (sharing - 1) << 14 | (s->cores - 1) << 26;
    out[1] = c->level[sub].b;
    out[2] = c->level[sub].c;
    out[3] = c->level[sub].d;
}

static void leaf_1d(const X86CPU *cpu, const struct shape *s, uint32_t sub,
                    uint32_t out[4])
{
    const struct caches *c = caches_of(cpu);
    unsigned sharing = sub < 3 ? s->threads : s->threads * s->cores;

    if (sub > 3) {
        return;
    }
    out[0] = c->level[sub].a | (sharing - 1) << 14;
    out[1] = c->level[sub].b;
    out[2] = c->level[sub].c;
    out[3] = c->level[sub].d;
}

/* Leaves 0Bh and 1Fh. */
static void leaf_topology(const X86CPU *cpu, const struct shape *s, bool dies,
                          uint32_t sub, uint32_t out[4])
{
    out[2] = sub & 0xff;
    out[3] = cpu->apic_id;
    if (sub == 0) {
        out[0] = s->core_at;
        out[1] = s->threads;
        out[2] |= 1 << 8;
    } else if (sub == 1) {
        out[0] = dies ? s->die_at : s->pkg_at;
        out[1] = s->threads * s->cores;
        out[2] |= 2 << 8;
    } else if (sub == 2 && dies) {
        out[0] = s->pkg_at;
        out[1] = s->threads * s->cores * s->dies;
        out[2] |= 5 << 8;
    }
}

uint64_t x86_xcr0_legal(const X86CPU *cpu)
{
    return !(cpu->features[FW_1_ECX] >> 26 & 1) ? 0
         : cpu->features[FW_1_ECX] >> 28 & 1    ? 7
                                                : 3;
}

static uint32_t xsave_size(uint64_t components)
{
    return components & 4 ? 832 : 576;
}

static void leaf_d(const CPUX86State *env, uint32_t sub, uint32_t out[4])
{
    uint64_t legal = x86_xcr0_legal(env->cpu);

    if (!legal) {
        return;
    }
    if (sub == 0) {
        out[0] = (uint32_t)legal;
        out[1] = xsave_size(env->x.xcr0);
        out[2] = xsave_size(legal);
    } else if (sub == 1) {
        out[0] = env->cpu->features[FW_D1_EAX];
        /* The size in use, compacted: AVX stands at the same place. */
        out[1] = xsave_size(env->x.xcr0);
    } else if (sub == 2 && (legal & 4)) {
        out[0] = 256;
        out[1] = 576;
    }
}

static uint32_t version(const X86CPU *cpu)
{
    uint32_t ext = cpu->family > 15 ? cpu->family - 15 : 0;

    return MIN(cpu->family, 15u) << 8 | ext << 20 | (cpu->model & 15) << 4 |
           cpu->model >> 4 << 16 | cpu->stepping;
}

static void vendor_leaf(const X86CPU *cpu, uint32_t max, uint32_t out[4])
{
    out[0] = max;
    memcpy(&out[1], cpu->vendor, 4);
    memcpy(&out[3], cpu->vendor + 4, 4);
    memcpy(&out[2], cpu->vendor + 8, 4);
}

static void basic(CPUX86State *env, uint32_t leaf, uint32_t sub,
                  uint32_t out[4])
{
    const X86CPU *cpu = env->cpu;
    const uint32_t *f = cpu->features;
    struct shape s = shape_of(cpu);
    uint32_t *a = &out[0], *b = &out[1], *c = &out[2], *d = &out[3];
    /* Leaves that AMD does not have. */
    bool intel_leaf = !(cpu->amd && cpu->opt.vendor_only);

    switch (leaf) {
    case 0:
        vendor_leaf(cpu, cpu->level, out);
        break;
    case 1:
        *a = version(cpu);
        *b = cpu->apic_id << 24 | 8 << 8; /* CLFLUSH: 64 bytes */
        *c = f[FW_1_ECX];
        if ((*c & 1u << 26) && (env->x.cr4 & CR4_OSXSAVE)) {
            *c |= 1u << 27;
        }
        *d = f[FW_1_EDX];
        if (s.threads * s.cores > 1) {
            *b |= (s.threads * s.cores & 0xff) << 16;
            *d |= 1u << 28;
        }
        /* The APIC's own switch shows in its feature bit. */
        if (cpu->apic && !(x86_apic_ops->get_base(cpu->apic) & 1u << 11)) {
            *d &= ~(1u << 9);
        }
        break;
    case 2:
        if (intel_leaf) {
            *a = 1;
            *c = cpu->opt.l3_cache ? caches_of(cpu)->leaf2_l3 : 0;
            *d = caches_of(cpu)->leaf2;
        }
        break;
    case 4:
        if (intel_leaf) {
            leaf_4(cpu, &s, sub, out);
        }
        break;
    case 5: /* MONITOR lines of any size; extensions, breaks though IF is 0 */
        *c = 3;
        break;
    case 6:
        *a = f[FW_6_EAX];
        break;
    case 7:
        if (sub == 0) {
            *a = cpu->level7;
            *b = f[FW_7_EBX];
            *c = f[FW_7_ECX];
            *d = f[FW_7_EDX];
        } else if (sub == 1) {
            *a = f[FW_7_1_EAX];
        }
        break;
    case 0xb:
        if (cpu->opt.cpuid_0xb) {
            leaf_topology(cpu, &s, false, sub, out);
        }
        break;
    case 0xd:
        leaf_d(env, sub, out);
        break;
    case 0x1f:
        if (s.dies > 1) {
            leaf_topology(cpu, &s, true, sub, out);
        }
        break;
    }
}

static void extended(CPUX86State *env, uint32_t leaf, uint32_t sub,
                     uint32_t out[4])
{
    const X86CPU *cpu = env->cpu;
    const uint32_t *f = cpu->features;
    struct shape s = shape_of(cpu);
    uint32_t *a = &out[0], *b = &out[1], *c = &out[2], *d = &out[3];
    const struct caches *k = caches_of(cpu);

    switch (leaf) {
    case 0x80000000:
        vendor_leaf(cpu, cpu->xlevel, out);
        break;
    case 0x80000001:
        *a = version(cpu);
        *c = f[FW_8_1_ECX];
        *d = f[FW_8_1_EDX];
        if (s.threads * s.cores > 1 && strcmp(cpu->vendor, "GenuineIntel") &&
            strcmp(cpu->vendor, "CentaurHauls")) {
            *c |= 1 << 1; /* cmp-legacy */
        }
        break;
    case 0x80000002 ... 0x80000004:
        memcpy(out, cpu->model_id + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000005:
        *a = *b = 0x01ff01ff;
        *c = k->amd5[0];
        *d = k->amd5[1];
        break;
    case 0x80000006:
        *b = 0x42004200;
        *c = k->amd6[0];
        *d = cpu->opt.l3_cache ? k->amd6[1] : 0;
        break;
    case 0x80000007:
        *d = f[FW_8_7_EDX];
        break;
    case 0x80000008:
        *a = cpu->phys_bits | (f[FW_8_1_EDX] >> 29 & 1 ? 48 << 8 : 0);
        *b = f[FW_8_8_EBX];
        if (s.threads * s.cores > 1) {
            *c = (s.threads * s.cores - 1) | s.pkg_at << 12;
        }
        break;
    case 0x8000000a:
        if (f[FW_8_1_ECX] >> 2 & 1) {
            *a = 1;
            *b = 16;
            *d = f[FW_SVM];
        }
        break;
    case 0x8000001d:
        leaf_1d(cpu, &s, sub, out);
        break;
    case 0x8000001e:
        *a = cpu->apic_id;
        *b = (s.threads - 1) << 8 |
             (cpu->apic_id >> s.core_at & (BIT(s.die_at - s.core_at) - 1));
        *c = (s.dies - 1) << 8 | (cpu->apic_id >> s.die_at & 0xff);
        break;
    }
}

void x86_cpuid(CPUX86State *env, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const X86CPU *cpu = env->cpu;
    uint32_t max = leaf >= 0xc0000000   ? cpu->xlevel2
                   : leaf >= 0x80000000 ? cpu->xlevel
                   : leaf >= 0x40000000 ? 0x40000001
                                        : cpu->level;

    memset(out, 0, 4 * sizeof(out[0]));
    /* Out of range: the last basic leaf, as Intel's processors do. */
    if (leaf > max) {
        leaf = cpu->level;
    }
    if (leaf >= 0xc0000000) {
        if (leaf == 0xc0000000) {
            out[0] = cpu->xlevel2;
        } else if (leaf == 0xc0000001) {
            out[3] = cpu->features[FW_C_1_EDX];
        }
    } else if (leaf >= 0x80000000) {
        extended(env, leaf, sub, out);
    } else if (leaf >= 0x40000000) {
        if (leaf == 0x40000000 && cpu->opt.tcg_cpuid) {
            out[0] = 0x40000001;
            memcpy(&out[1], "TCGTCGTCGTCG", 12);
        }
    } else {
        basic(env, leaf, sub, out);
    }
}
