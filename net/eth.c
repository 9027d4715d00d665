/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums of frames: IEEE 802.3 CRC, RFC 1071 sums. */
#include "osdep.h"
#include "net/net.h"
#include <zlib.h>

uint32_t net_crc32_le(const void *buf, size_t len)
{
    return crc32(0, buf, len);
}

uint32_t net_crc32_be(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool carry = (crc >> 31) ^ (p[i] >> bit & 1);

            crc = crc << 1 ^ (carry ? 0x04c11db7 : 0);
        }
    }
    return crc;
}

uint32_t net_sum(const void *buf, size_t len, uint32_t start)
{
    const uint8_t *p = buf;
    uint64_t sum = 0;

    /* Summed in memory order, 32 bits at a time, swapped at the end
     * (RFC 1071, 2B). */
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t v;

        memcpy(&v, p, 4);
        sum += v;
    }
    if (len >= 2) {
        uint16_t v;

        memcpy(&v, p, 2);
        sum += v;
        p += 2;
        len -= 2;
    }
    if (len) {
        sum += *p;
    }
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (GUINT16_FROM_BE((uint16_t)sum)) + (start & 0xffff) + (start >> 16);
}
