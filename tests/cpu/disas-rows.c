/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *   disas-rows 16|32|64 COUNT
 *
 * Writes COUNT encodings of each row of the opcode table that the mode has,
 * a line each: bytes in hex, the row, our text at the address of its 16-byte
 * slot.  test-disas.py gives them to binutils.  Prefixes that mean nothing to
 * the instruction are left out, as disassemblers name them in their own ways.
 * COUNT "-": the bytes come from stdin, a line of hex each.
 */
#include "osdep.h"
#include "target/i386/decode.h"

static uint64_t rng = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng >> 16;
}

static unsigned generate(uint8_t *b, const struct x86_row *row, bool m64)
{
    static const uint8_t mand[] = { 0, 0, 0x66, 0xf3, 0xf2 };
    unsigned n = 0, osz = row->osz;
    bool sized = osz == OS_V || osz == OS_Z;

    if (row->flags & ROW_VEX) {
        b[n++] = 0xc4;
        b[n++] = (rnd() & (m64 ? 0xe0 : 0x20)) | (m64 ? 0 : 0xc0) | row->map;
        b[n++] = (rnd() & 0x84) | (row->flags & ROW_VVVV ? rnd() & 0x78 : 0x78) |
                 (row->pfx == 1 ? 0 : row->pfx == 2 ? 1 : row->pfx == 3 ? 2 : 3);
        if (!m64) {
            b[n - 1] |= 0x40;
        }
    } else {
        if (sized && row->pfx != 2 && !(row->flags & ROW_F64) &&
            rnd() % 3 == 0) {
            b[n++] = 0x66;
        }
        if (mand[row->pfx]) {
            b[n++] = mand[row->pfx];
        }
        if (m64 && rnd() % 3 == 0) {
            b[n++] = 0x40 | (rnd() & 15);
        }
        if (row->map) {
            b[n++] = 0x0f;
        }
        if (row->map > 1) {
            b[n++] = row->map == 2 ? 0x38 : 0x3a;
        }
    }
    b[n++] = row->opcode;
    while (n < 16) {
        b[n++] = rnd();
    }
    return n;
}

static void print_insn(const uint8_t *b, int len, const struct insn *i,
                       unsigned slot, unsigned mode)
{
    char text[128];

    disas_insn(text, sizeof(text), i, slot * 16, mode);
    for (int n = 0; n < len; n++) {
        printf("%02x", b[n]);
    }
    printf("\t%s\t%s\n", insn_row(i)->form, text);
}

static void from_stdin(unsigned mode)
{
    char line[64];

    for (unsigned slot = 0; fgets(line, sizeof(line), stdin); slot++) {
        uint8_t b[16] = { 0 };
        unsigned n = 0, v;
        struct insn i;
        int len;

        while (n < 15 && sscanf(line + 2 * n, "%2x", &v) == 1) {
            b[n++] = v;
        }
        len = decode_insn(&i, b, n, mode, XF_ALL);
        if (len > 0) {
            print_insn(b, len, &i, slot, mode);
        } else {
            printf("-\t-\t-\n");
        }
    }
}

int main(int argc, char **argv)
{
    unsigned bits, count, slot = 0, mode;

    if (argc != 3) {
        fprintf(stderr, "usage: disas-rows 16|32|64 COUNT\n");
        return 1;
    }
    bits = atoi(argv[1]);
    count = atoi(argv[2]);
    mode = bits == 64 ? DECODE_64 : bits == 32 ? DECODE_32 : DECODE_16;
    if (strcmp(argv[2], "-") == 0) {
        from_stdin(mode);
        return 0;
    }
    for (unsigned r = 0; r < x86_row_count; r++) {
        unsigned found = 0;

        for (unsigned tries = 0; tries < 20000 && found < count; tries++) {
            uint8_t b[16];
            struct insn i;
            int len;

            generate(b, &x86_rows[r], bits == 64);
            len = decode_insn(&i, b, 15, mode, XF_ALL);
            if (len < 0 || i.row != r) {
                continue;
            }
            print_insn(b, len, &i, slot++, mode);
            found++;
        }
    }
    return 0;
}
