/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AES-256 decryption as FIPS 197 describes it, a byte at a time. */
#include "osdep.h"
#include "util/aes.h"

enum { ROUNDS = 14, BLOCK = 16 };

typedef struct Tables {
    uint8_t sbox[256], inverse[256];
} Tables;

/* Multiplication by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t xtime(uint8_t a)
{
    return (a << 1) ^ (a & 0x80 ? 0x1b : 0);
}

static uint8_t mul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;

    for (; b; b >>= 1, a = xtime(a)) {
        r ^= b & 1 ? a : 0;
    }
    return r;
}

static uint8_t rotl8(uint8_t v, int n)
{
    return (v << n) | (v >> (8 - n));
}

/* 5.1.1: the multiplicative inverse, then the affine map. */
static void make_tables(Tables *t)
{
    uint8_t p = 1, q = 1; /* q is p's inverse, by powers of 3 */

    do {
        uint8_t s;

        p = p ^ xtime(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= q & 0x80 ? 0x09 : 0;
        s = q ^ rotl8(q, 1) ^ rotl8(q, 2) ^ rotl8(q, 3) ^ rotl8(q, 4) ^ 0x63;
        t->sbox[p] = s;
        t->inverse[s] = p;
    } while (p != 1);
    t->sbox[0] = 0x63;
    t->inverse[0x63] = 0;
}

/* 5.2 for a key of 8 words. */
static void expand_key(const Tables *t, const uint8_t key[32],
                       uint8_t w[(ROUNDS + 1) * BLOCK])
{
    uint8_t rcon = 1;

    memcpy(w, key, 32);
    for (int i = 8; i < 4 * (ROUNDS + 1); i++) {
        uint8_t *prev = w + 4 * (i - 1), x[4] = { prev[0], prev[1], prev[2],
                                                  prev[3] };

        if (i % 8 == 0) {
            uint8_t first = x[0];

            x[0] = t->sbox[x[1]] ^ rcon;
            x[1] = t->sbox[x[2]];
            x[2] = t->sbox[x[3]];
            x[3] = t->sbox[first];
            rcon = xtime(rcon);
        } else if (i % 8 == 4) {
            for (int k = 0; k < 4; k++) {
                x[k] = t->sbox[x[k]];
            }
        }
        for (int k = 0; k < 4; k++) {
            w[4 * i + k] = w[4 * (i - 8) + k] ^ x[k];
        }
    }
}

static void add_round_key(uint8_t *s, const uint8_t *w)
{
    for (int i = 0; i < BLOCK; i++) {
        s[i] ^= w[i];
    }
}

/* 5.3.1 and 5.3.2; the state is in columns. */
static void inv_shift_sub(const Tables *t, uint8_t *s)
{
    uint8_t old[BLOCK];

    memcpy(old, s, BLOCK);
    for (int col = 0; col < 4; col++) {
        for (int row = 0; row < 4; row++) {
            s[4 * ((col + row) % 4) + row] = t->inverse[old[4 * col + row]];
        }
    }
}

/* 5.3.3 */
static void inv_mix_columns(uint8_t *s)
{
    for (int c = 0; c < 4; c++, s += 4) {
        uint8_t a = s[0], b = s[1], d = s[2], e = s[3];

        s[0] = mul(a, 14) ^ mul(b, 11) ^ mul(d, 13) ^ mul(e, 9);
        s[1] = mul(a, 9) ^ mul(b, 14) ^ mul(d, 11) ^ mul(e, 13);
        s[2] = mul(a, 13) ^ mul(b, 9) ^ mul(d, 14) ^ mul(e, 11);
        s[3] = mul(a, 11) ^ mul(b, 13) ^ mul(d, 9) ^ mul(e, 14);
    }
}

static void decrypt_block(const Tables *t, const uint8_t *w, uint8_t *s)
{
    add_round_key(s, w + ROUNDS * BLOCK);
    for (int round = ROUNDS - 1; round > 0; round--) {
        inv_shift_sub(t, s);
        add_round_key(s, w + round * BLOCK);
        inv_mix_columns(s);
    }
    inv_shift_sub(t, s);
    add_round_key(s, w);
}

void aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16],
                        uint8_t *data, size_t len)
{
    uint8_t w[(ROUNDS + 1) * BLOCK], chain[BLOCK], cipher[BLOCK];
    Tables t;

    make_tables(&t);
    expand_key(&t, key, w);
    memcpy(chain, iv, BLOCK);
    for (size_t at = 0; at + BLOCK <= len; at += BLOCK) {
        memcpy(cipher, data + at, BLOCK);
        decrypt_block(&t, w, data + at);
        add_round_key(data + at, chain);
        memcpy(chain, cipher, BLOCK);
    }
}
