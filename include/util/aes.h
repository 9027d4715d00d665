/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AES-256 decryption (FIPS 197), enough for what secrets come in.  Not
 * hardened against timing: the only user is the owner of the host. */
#ifndef UTIL_AES_H
#define UTIL_AES_H

#include "osdep.h"

/* In place; @len is a multiple of 16. */
void aes256_cbc_decrypt(const uint8_t key[32], const uint8_t iv[16],
                        uint8_t *data, size_t len);

#endif
