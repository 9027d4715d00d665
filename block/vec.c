/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking scatter-gather lists. */
#include "osdep.h"
#include "block/block-int.h"

BlockVec block_vec(const struct iovec *iov, int n)
{
    return (BlockVec){ .iov = iov, .n = n };
}

BlockVec block_vec_buf(struct iovec *iov, void *buf, size_t len)
{
    *iov = (struct iovec){ .iov_base = buf, .iov_len = len };
    return (BlockVec){ .iov = iov, .n = 1 };
}

size_t block_vec_size(BlockVec v)
{
    size_t size = 0;

    for (int i = 0; i < v.n; i++) {
        size += v.iov[i].iov_len;
    }
    return size - (v.n ? v.skip : 0);
}

BlockVec block_vec_at(BlockVec v, size_t skip)
{
    skip += v.skip;
    while (v.n > 0 && skip >= v.iov->iov_len) {
        skip -= v.iov->iov_len;
        v.iov++;
        v.n--;
    }
    v.skip = skip;
    return v;
}

/* Calls @fn over the first @len bytes, piece by piece. */
#define VEC_FOREACH(v, len, p, chunk) \
    for (size_t left_ = (len), i_ = 0, skip_ = (v).skip, chunk = 0; \
         left_ > 0 && (int)i_ < (v).n; i_++, skip_ = 0) \
        for (char *p = (char *)(v).iov[i_].iov_base + skip_, \
                  *once_ = (chunk = MIN((v).iov[i_].iov_len - skip_, left_), \
                            p); \
             once_; once_ = NULL, left_ -= chunk)

void block_vec_to_buf(BlockVec v, void *buf, size_t len)
{
    char *to = buf;

    VEC_FOREACH(v, len, p, chunk) {
        memcpy(to, p, chunk);
        to += chunk;
    }
}

void block_vec_from_buf(BlockVec v, const void *buf, size_t len)
{
    const char *from = buf;

    VEC_FOREACH(v, len, p, chunk) {
        memcpy(p, from, chunk);
        from += chunk;
    }
}

void block_vec_zero(BlockVec v, size_t len)
{
    VEC_FOREACH(v, len, p, chunk) {
        memset(p, 0, chunk);
    }
}

bool block_vec_is_zero(BlockVec v, size_t len)
{
    VEC_FOREACH(v, len, p, chunk) {
        if (!buffer_is_zero(p, chunk)) {
            return false;
        }
    }
    return true;
}

bool buffer_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    size_t head = MIN(len, 16);

    for (size_t i = 0; i < head; i++) {
        if (p[i]) {
            return false;
        }
    }
    /* The first bytes are zero: each byte must equal the one 16 before. */
    return len <= head || !memcmp(p, p + head, len - head);
}

int block_vec_fill(BlockVec v, size_t len, struct iovec *out, int max,
                   size_t *covered)
{
    int n = 0;

    *covered = 0;
    for (int i = 0; i < v.n && n < max && len > 0; i++) {
        size_t skip = i == 0 ? v.skip : 0;
        size_t chunk = MIN(v.iov[i].iov_len - skip, len);

        if (chunk == 0) {
            continue;
        }
        out[n++] = (struct iovec){
            .iov_base = (char *)v.iov[i].iov_base + skip, .iov_len = chunk,
        };
        len -= chunk;
        *covered += chunk;
    }
    return n;
}
