/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control registers allow: the exception that vector and x87
 * instructions raise, by CR0, CR4, XCR0 (SDM volume 2, tables of exception
 * types; volume 3, table 2-2), pending x87 errors, images FXRSTOR and XRSTOR
 * refuse, and the environment formats of each mode.
 */
#include "hostcmp.h"
#include <sys/mman.h>

static struct host_regs in, out;

struct rule {
    const char *name;
    uint8_t code[8];
    uint64_t cr0, cr4, xcr0; /* changed against the usual ones */
    int want;                /* vector, -1 none */
};

#define FADD  { 0xd8, 0xc1 }
#define FWAIT { 0x9b }
#define PADDB { 0x0f, 0xfc, 0xc1 }
#define ADDPS { 0x0f, 0x58, 0xc1 }
#define VADD  { 0xc5, 0xf0, 0x58, 0xc2 }
#define XGETBV { 0x0f, 0x01, 0xd0 }
#define XSAVE { 0x0f, 0xae, 0x23 } /* at rbx */
#define FXSAVE { 0x0f, 0xae, 0x03 }

static const struct rule rules[] = {
    { "x87", FADD, 0, 0, 0, -1 },
    { "x87 TS", FADD, CR0_TS, 0, 0, EXCP_NM },
    { "x87 EM", FADD, CR0_EM, 0, 0, EXCP_NM },
    { "wait TS MP", FWAIT, CR0_TS, 0, 0, EXCP_NM },
    { "wait TS", FWAIT, CR0_TS | CR0_MP, 0, 0, -1 },
    { "wait EM", FWAIT, CR0_EM, 0, 0, -1 },
    { "mmx", PADDB, 0, 0, 0, -1 },
    { "mmx EM TS", PADDB, CR0_EM | CR0_TS, 0, 0, EXCP_UD },
    { "mmx TS", PADDB, CR0_TS, 0, 0, EXCP_NM },
    { "mmx without OSFXSR", PADDB, 0, CR4_OSFXSR, 0, -1 },
    { "sse", ADDPS, 0, 0, 0, -1 },
    { "sse EM", ADDPS, CR0_EM, 0, 0, EXCP_UD },
    { "sse TS", ADDPS, CR0_TS, 0, 0, EXCP_NM },
    { "sse without OSFXSR", ADDPS, CR0_TS, CR4_OSFXSR, 0, EXCP_UD },
    { "avx", VADD, 0, 0, 0, -1 },
    { "avx EM", VADD, CR0_EM, 0, 0, -1 },
    { "avx TS", VADD, CR0_TS, 0, 0, EXCP_NM },
    { "avx without OSXSAVE", VADD, CR0_TS, CR4_OSXSAVE, 0, EXCP_UD },
    { "avx without XCR0.AVX", VADD, CR0_TS, 0, 4, EXCP_UD },
    { "xgetbv TS", XGETBV, CR0_TS, 0, 0, -1 },
    { "xgetbv without OSXSAVE", XGETBV, 0, CR4_OSXSAVE, 0, EXCP_UD },
    { "xsave", XSAVE, 0, 0, 0, -1 },
    { "xsave TS", XSAVE, CR0_TS, 0, 0, EXCP_NM },
    { "xsave without OSXSAVE", XSAVE, CR0_TS, CR4_OSXSAVE, 0, EXCP_UD },
    { "fxsave EM", FXSAVE, CR0_EM, 0, 0, EXCP_NM },
    { "fxsave without OSFXSR", FXSAVE, 0, CR4_OSFXSR, 0, -1 },
};

static void reset(void)
{
    memset(&in, 0, sizeof(in));
    in.gpr[R_BX] = HC_DATA;
    *(uint16_t *)in.xsave = 0x37f;
    *(uint32_t *)(in.xsave + XS_MXCSR) = 0x1f80;
    in.gpr[R_AX] = 7;
    memset((void *)(uintptr_t)HC_DATA, 0, HC_DATA_SIZE);
}

/* The vector raised, or -1. */
static int run(const uint8_t *code)
{
    uint8_t bytes[16] = { 0 };
    struct insn insn;

    memcpy(bytes, code, 8);
    g_assert_cmpint(decode_insn(&insn, bytes, 15, DECODE_64, XF_ALL), >, 0);
    return hc_simd_engine(&in, &out, &insn) - 1;
}

static void test_control(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *r = &rules[i];

        reset();
        hc_simd_control(r->cr0, r->cr4, r->xcr0);
        g_test_message("%s", r->name);
        g_assert_cmpint(run(r->code), ==, r->want);
    }
    hc_simd_control(0, 0, 0);
}

static void test_pending(void)
{
    static const uint8_t fnstsw[8] = { 0xdf, 0xe0 }, fwait[8] = FWAIT,
                         fnclex[8] = { 0xdb, 0xe2 }, emms[8] = { 0x0f, 0x77 };

    reset();
    *(uint16_t *)in.xsave = 0x37e;         /* invalid unmasked */
    *(uint16_t *)(in.xsave + 2) = 0x8081;
    g_assert_cmpint(run(fwait), ==, EXCP_MF);
    g_assert_cmpint(run(emms), ==, EXCP_MF);
    g_assert_cmpint(run(fnstsw), ==, -1);
    g_assert_cmpuint(out.gpr[R_AX] & 0xffff, ==, 0x8081);
    g_assert_cmpint(run(fnclex), ==, -1);
    g_assert_cmpuint(*(uint16_t *)(out.xsave + 2), ==, 0);
    /* NE = 0: no exception, FERR# instead. */
    hc_simd_control(CR0_NE, 0, 0);
    g_assert_cmpint(run(fwait), ==, -1);
    g_assert_true(hc_ferr);
    hc_simd_control(0, 0, 0);
}

static void test_images(void)
{
    static const uint8_t fxrstor[8] = { 0x0f, 0xae, 0x0b },
                         xrstor[8] = { 0x0f, 0xae, 0x2b },
                         fxsave[8] = FXSAVE;
    uint8_t *mem = (uint8_t *)(uintptr_t)HC_DATA;

    reset();
    in.gpr[R_BX]++;
    g_assert_cmpint(run(fxsave), ==, EXCP_GP);
    reset();
    mem[27] = 1; /* MXCSR bit 24 */
    g_assert_cmpint(run(fxrstor), ==, EXCP_GP);
    g_assert_cmpint(run(xrstor), ==, EXCP_GP);
    reset();
    mem[XS_XSTATE_BV] = 8; /* not in XCR0 */
    g_assert_cmpint(run(xrstor), ==, EXCP_GP);
    reset();
    mem[XS_XSTATE_BV + 16] = 1;
    g_assert_cmpint(run(xrstor), ==, EXCP_GP);
    reset();
    memset(in.xsave + XS_XMM(0), 0xaa, 256);
    g_assert_cmpint(run(xrstor), ==, -1); /* all to the initial state */
    g_assert_cmpuint(out.xsave[XS_XMM(3)], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (mmap((void *)(uintptr_t)HC_DATA, HC_DATA_SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) == MAP_FAILED) {
        return 77;
    }
    g_test_add_func("/simd/control-registers", test_control);
    g_test_add_func("/simd/pending-x87", test_pending);
    g_test_add_func("/simd/images", test_images);
    return g_test_run();
}
