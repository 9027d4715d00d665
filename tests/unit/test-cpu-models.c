/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of CPU models and feature names. */
#include "osdep.h"
#include "target/i386/cpu-models.h"

static void test_models(void)
{
    uint32_t f[FW_WORDS];

    for (unsigned i = 0; i < x86_model_count; i++) {
        g_assert_true(x86_model_features(&x86_models[i], f));
        g_assert_cmpuint(strlen(x86_models[i].vendor), ==, 12);
        g_assert_cmpuint(strlen(x86_models[i].model_id), <=, 48);
        g_assert_true(f[FW_1_EDX] & 1);
        g_assert_true(x86_model_find(x86_models[i].name) == &x86_models[i]);
    }
    for (unsigned i = 0; i < x86_model_alias_count; i++) {
        g_assert_nonnull(x86_model_find(x86_model_aliases[i].name));
    }
    g_assert_null(x86_model_find("no-such-cpu"));
    /* CPUID of Debian's QEMU: leaf 1 EDX and ECX, leaf 80000001h EDX. */
    g_assert_true(x86_model_features(x86_model_find("qemu64"), f));
    g_assert_cmphex(f[FW_1_EDX], ==, 0x078bfbfd);
    g_assert_cmphex(f[FW_1_ECX], ==, 0x80002001);
    g_assert_cmphex(f[FW_8_1_EDX] & 0x20100800, ==, 0x20100800);
}

static void test_names(void)
{
    static const char *const same[][2] = {
        { "sse4_1", "sse4.1" }, { "ds_cpl", "ds-cpl" }, { "xd", "nx" },
        { "sse3", "pni" },      { "lahf_lm", "lahf-lm" },
    };
    enum feature_word w, w2;
    unsigned bit, bit2;
    char buf[48];

    for (unsigned i = 0; i < ARRAY_SIZE(same); i++) {
        g_assert_true(x86_feature_find(same[i][0], &w, &bit));
        g_assert_true(x86_feature_find(same[i][1], &w2, &bit2));
        g_assert_cmpuint(w, ==, w2);
        g_assert_cmpuint(bit, ==, bit2);
    }
    g_assert_false(x86_feature_find("", &w, &bit));
    g_assert_false(x86_feature_find("-", &w, &bit));
    g_assert_false(x86_feature_find("sse", &w, &bit) && bit != 25);
    g_assert_true(x86_feature_find("avx2", &w, &bit));
    g_assert_cmpuint(w, ==, FW_7_EBX);
    g_assert_cmpuint(bit, ==, 5);
    g_assert_true(x86_feature_find("ssbd", &w, &bit));
    g_assert_cmpuint(bit, ==, 31);
    g_assert_true(x86_feature_find("lm", &w, &bit));
    g_assert_cmpuint(bit, ==, 29);
    for (unsigned x = 0; x < FW_WORDS; x++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_name(x, b, buf, sizeof(buf))) {
                g_assert_true(x86_feature_find(buf, &w, &bit));
                g_assert_cmpuint(w, ==, x);
                g_assert_cmpuint(bit, ==, b);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-models/models", test_models);
    g_test_add_func("/cpu-models/names", test_names);
    return g_test_run();
}
