/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What decode.h promises, case by case. */
#include "osdep.h"
#include "target/i386/decode.h"

static int dec(struct insn *i, unsigned mode, x86_feat_mask feat,
               const char *hex)
{
    uint8_t *exact;
    size_t n = strlen(hex) / 2;
    int len;

    /* A buffer of just that size: a sanitizer sees reads beyond it. */
    exact = g_malloc(MAX(n, 1));
    for (size_t k = 0; k < n; k++) {
        exact[k] = g_ascii_xdigit_value(hex[2 * k]) << 4 |
                   g_ascii_xdigit_value(hex[2 * k + 1]);
    }
    len = decode_insn(i, exact, n, mode, feat);
    g_free(exact);
    return len;
}

static void test_ends(void)
{
    struct insn i;

    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, ""), ==, DECODE_MORE);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "488b"), ==, DECODE_MORE);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "488b4424"), ==, DECODE_MORE);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "488b442408"), ==, 5);
    g_assert_cmpint(i.op, ==, OP_MOV);
    g_assert_cmpint(i.opsize, ==, 8);
    g_assert_cmpint(i.base, ==, 4);
    g_assert_cmpint(i.index, ==, INSN_NO_REG);
    g_assert_cmpint(i.seg, ==, 2);
    g_assert_cmpint(i.disp, ==, 8);
    /* Fifteen bytes are the most. */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL,
                        "6666666666666666666666666690"), ==, 14);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL,
                        "666666666666666666666666666666"), ==, DECODE_GP);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL,
                        "666666666666666666666681000000"), ==, 15);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL,
                        "66666666666666666666666681000000"), ==, DECODE_GP);
}

static void test_modes(void)
{
    struct insn i;

    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "06"), ==, DECODE_UD);
    g_assert_cmpint(dec(&i, DECODE_32, XF_ALL, "06"), ==, 1);
    g_assert_cmpint(dec(&i, DECODE_32, XF_ALL, "40"), ==, 1);
    g_assert_cmpint(i.op, ==, OP_INC);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "4090"), ==, 2);
    g_assert_cmpint(i.op, ==, OP_NOP);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "4190"), ==, 2);
    g_assert_cmpint(i.op, ==, OP_XCHG);
    /* 16-bit addresses: [bp+si-1] is in SS. */
    g_assert_cmpint(dec(&i, DECODE_16, XF_ALL, "8a42ff"), ==, 3);
    g_assert_cmpint(i.base, ==, 5);
    g_assert_cmpint(i.index, ==, 6);
    g_assert_cmpint(i.seg, ==, 2);
    g_assert_cmpint(i.disp, ==, -1);
    /* VEX is les in real mode, and invalid as that with a register. */
    g_assert_cmpint(dec(&i, DECODE_32, XF_ALL, "c5f877"), ==, 3);
    g_assert_cmpint(i.op, ==, OP_VZEROUPPER);
    g_assert_cmpint(dec(&i, DECODE_16 | DECODE_REAL, XF_ALL, "c5f877"), ==,
                    DECODE_UD);
    g_assert_cmpint(dec(&i, DECODE_16 | DECODE_REAL, XF_ALL, "63c0"), ==,
                    DECODE_UD);
    /* ES is no override in 64-bit mode, FS is. */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "268b00"), ==, 3);
    g_assert_cmpint(i.seg, ==, 3);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "648b00"), ==, 3);
    g_assert_cmpint(i.seg, ==, 4);
}

static void test_features(void)
{
    x86_feat_mask none = XF_BIT(XF_BASE);
    struct insn i;

    g_assert_cmpint(dec(&i, DECODE_64, none, "f30fbcc0"), ==, 4);
    g_assert_cmpint(i.op, ==, OP_BSF);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "f30fbcc0"), ==, 4);
    g_assert_cmpint(i.op, ==, OP_TZCNT);
    g_assert_cmpint(dec(&i, DECODE_64, none, "0f58c1"), ==, DECODE_UD);
    g_assert_cmpint(dec(&i, DECODE_64, XF_BIT(XF_SSE), "0f58c1"), ==, 3);
    g_assert_cmpint(dec(&i, DECODE_64, none, "0f40c1"), ==, DECODE_UD);
}

static void test_operands(void)
{
    struct insn i;

    /* lock needs a memory destination and an instruction that has it */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "f00100"), ==, 3);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "f001c0"), ==, DECODE_UD);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "f00300"), ==, DECODE_UD);
    /* ah without REX, spl with */
    dec(&i, DECODE_64, XF_ALL, "88e0");
    g_assert_cmpint(i.opnd[1], ==, OPND_GPRH | 0);
    dec(&i, DECODE_64, XF_ALL, "4088e0");
    g_assert_cmpint(i.opnd[1], ==, OPND_GPR | 4);
    /* crc32 %ax,%edx: mixed sizes */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "66f20f38f1d0"), ==, 6);
    g_assert_cmpint(insn_opnd_size(&i, 0), ==, 4);
    g_assert_cmpint(insn_opnd_size(&i, 1), ==, 2);
    /* enter $0x1234,$5 */
    dec(&i, DECODE_64, XF_ALL, "c8341205");
    g_assert_cmpint(i.imm, ==, 0x51234);
    /* a gather wants three different registers */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "c4e259900458"), ==, 6);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "c4e279900458"), ==,
                    DECODE_UD);
    /* vvvv must be unused where it is */
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "c5f828c1"), ==, 4);
    g_assert_cmpint(dec(&i, DECODE_64, XF_ALL, "c5f028c1"), ==, DECODE_UD);
}

static void test_disas(void)
{
    static const uint8_t b[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0 };
    char text[64], tiny[4];

    g_assert_cmpint(disas_bytes(text, sizeof(text), b, 9, 0, DECODE_64), ==,
                    9);
    g_assert_cmpstr(text, ==, "mov    %gs:0x28,%rax");
    g_assert_cmpint(disas_bytes(text, sizeof(text), b, 5, 0, DECODE_64), ==,
                    0);
    disas_bytes(tiny, sizeof(tiny), b, 9, 0, DECODE_64);
    g_assert_cmpstr(tiny, ==, "mov");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/decode/ends", test_ends);
    g_test_add_func("/decode/modes", test_modes);
    g_test_add_func("/decode/features", test_features);
    g_test_add_func("/decode/operands", test_operands);
    g_test_add_func("/decode/disas", test_disas);
    return g_test_run();
}
