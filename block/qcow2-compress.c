/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: compressed clusters.  zlib ones are raw deflate streams whose window
 * is 4 KiB (12 bits); zstd ones are frames.  ISA-L (writing) and libdeflate
 * (reading) are taken where the build has them: several times faster, and the
 * streams are plain deflate within the same window.  libdeflate cannot write
 * them, its window is larger.
 */
#include "osdep.h"
#include <zlib.h>
#ifdef CONFIG_ISAL
#include <isa-l/igzip_lib.h>
#endif
#ifdef CONFIG_LIBDEFLATE
#include <libdeflate.h>
#endif
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif
#include "block/qcow2.h"

/* An idle context, or NULL: make one. */
static void *take(Qcow2State *s, GPtrArray *idle)
{
    void *c = NULL;

    mutex_lock(&s->codec_lock);
    if (idle->len > 0) {
        c = g_ptr_array_remove_index(idle, idle->len - 1);
    }
    mutex_unlock(&s->codec_lock);
    return c;
}

static void give(Qcow2State *s, GPtrArray *idle, void *c)
{
    mutex_lock(&s->codec_lock);
    g_ptr_array_add(idle, c);
    mutex_unlock(&s->codec_lock);
}

/* ---- zlib --------------------------------------------------------------------- */

#define WINDOW_BITS 12

#ifdef CONFIG_ISAL
typedef struct IsalDeflater {
    struct isal_zstream z;
    uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
} IsalDeflater;

static ssize_t zlib_deflate(Qcow2State *s, void *dst, size_t dst_len,
                            const void *src, size_t src_len)
{
    IsalDeflater *d = take(s, s->deflaters);
    ssize_t ret;

    if (!d) {
        d = g_new(IsalDeflater, 1);
    }
    isal_deflate_stateless_init(&d->z);
    d->z.level = 1;
    d->z.level_buf = d->level_buf;
    d->z.level_buf_size = sizeof(d->level_buf);
    d->z.hist_bits = WINDOW_BITS;
    d->z.gzip_flag = IGZIP_DEFLATE;
    d->z.end_of_stream = 1;
    d->z.flush = NO_FLUSH;
    d->z.next_in = (uint8_t *)src;
    d->z.avail_in = src_len;
    d->z.next_out = dst;
    d->z.avail_out = dst_len;
    ret = isal_deflate_stateless(&d->z);
    ret = ret == COMP_OK && d->z.avail_in == 0 ? (ssize_t)d->z.total_out
                                               : -ENOSPC;
    give(s, s->deflaters, d);
    return ret;
}

static void zlib_free_deflater(void *d)
{
    g_free(d);
}
#else
static ssize_t zlib_deflate(Qcow2State *s, void *dst, size_t dst_len,
                            const void *src, size_t src_len)
{
    z_stream *z = take(s, s->deflaters);
    ssize_t ret;

    if (!z) {
        z = g_new0(z_stream, 1);
        if (deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS, 9,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
            g_free(z);
            return -ENOMEM;
        }
    } else {
        deflateReset(z);
    }
    z->next_in = (Bytef *)src;
    z->avail_in = src_len;
    z->next_out = dst;
    z->avail_out = dst_len;
    ret = deflate(z, Z_FINISH) == Z_STREAM_END
              ? (ssize_t)(dst_len - z->avail_out) : -ENOSPC;
    give(s, s->deflaters, z);
    return ret;
}

static void zlib_free_deflater(void *d)
{
    deflateEnd(d);
    g_free(d);
}
#endif

#ifdef CONFIG_LIBDEFLATE
static int zlib_inflate(Qcow2State *s, void *dst, size_t dst_len,
                        const void *src, size_t src_len)
{
    struct libdeflate_decompressor *d = take(s, s->inflaters);
    enum libdeflate_result res;

    if (!d && !(d = libdeflate_alloc_decompressor())) {
        return -ENOMEM;
    }
    res = libdeflate_deflate_decompress(d, src, src_len, dst, dst_len, NULL);
    give(s, s->inflaters, d);
    return res == LIBDEFLATE_SUCCESS ? 0 : -EIO;
}

static void zlib_free_inflater(void *d)
{
    libdeflate_free_decompressor(d);
}
#else
static int zlib_inflate(Qcow2State *s, void *dst, size_t dst_len,
                        const void *src, size_t src_len)
{
    z_stream *z = take(s, s->inflaters);
    int res;

    if (!z) {
        z = g_new0(z_stream, 1);
        if (inflateInit2(z, -WINDOW_BITS) != Z_OK) {
            g_free(z);
            return -ENOMEM;
        }
    } else {
        inflateReset(z);
    }
    z->next_in = (Bytef *)src;
    z->avail_in = src_len;
    z->next_out = dst;
    z->avail_out = dst_len;
    res = inflate(z, Z_FINISH);
    /* What follows the stream in its last sector does not matter. */
    res = (res == Z_STREAM_END || res == Z_BUF_ERROR) && z->avail_out == 0
              ? 0 : -EIO;
    give(s, s->inflaters, z);
    return res;
}

static void zlib_free_inflater(void *d)
{
    inflateEnd(d);
    g_free(d);
}
#endif

/* ---- zstd --------------------------------------------------------------------- */

#ifdef CONFIG_ZSTD
static ssize_t zstd_deflate(Qcow2State *s, void *dst, size_t dst_len,
                            const void *src, size_t src_len)
{
    ZSTD_CCtx *c = take(s, s->deflaters);
    size_t n;

    if (!c && !(c = ZSTD_createCCtx())) {
        return -ENOMEM;
    }
    n = ZSTD_compress2(c, dst, dst_len, src, src_len);
    give(s, s->deflaters, c);
    return ZSTD_isError(n) ? -ENOSPC : (ssize_t)n;
}

static int zstd_inflate(Qcow2State *s, void *dst, size_t dst_len,
                        const void *src, size_t src_len)
{
    ZSTD_DCtx *d = take(s, s->inflaters);
    ZSTD_inBuffer in = { src, src_len, 0 };
    ZSTD_outBuffer out = { dst, dst_len, 0 };
    int ret = 0;

    if (!d && !(d = ZSTD_createDCtx())) {
        return -ENOMEM;
    }
    ZSTD_DCtx_reset(d, ZSTD_reset_session_only);
    while (out.pos < out.size && ret == 0) {
        size_t in_was = in.pos, out_was = out.pos;
        size_t n = ZSTD_decompressStream(d, &out, &in);

        if (ZSTD_isError(n) || (in.pos == in_was && out.pos == out_was)) {
            ret = -EIO;
        }
    }
    give(s, s->inflaters, d);
    return ret;
}
#endif

/* ---- both ----------------------------------------------------------------------- */

ssize_t qcow2_deflate(Qcow2State *s, void *dst, size_t dst_len,
                      const void *src, size_t src_len)
{
#ifdef CONFIG_ZSTD
    if (s->compression == COMPRESSION_ZSTD) {
        return zstd_deflate(s, dst, dst_len, src, src_len);
    }
#endif
    return zlib_deflate(s, dst, dst_len, src, src_len);
}

int qcow2_inflate(Qcow2State *s, void *dst, size_t dst_len, const void *src,
                  size_t src_len)
{
#ifdef CONFIG_ZSTD
    if (s->compression == COMPRESSION_ZSTD) {
        return zstd_inflate(s, dst, dst_len, src, src_len);
    }
#endif
    return zlib_inflate(s, dst, dst_len, src, src_len);
}

void qcow2_codecs_free(Qcow2State *s)
{
    for (guint i = 0; s->inflaters && i < s->inflaters->len; i++) {
#ifdef CONFIG_ZSTD
        if (s->compression == COMPRESSION_ZSTD) {
            ZSTD_freeDCtx(s->inflaters->pdata[i]);
            continue;
        }
#endif
        zlib_free_inflater(s->inflaters->pdata[i]);
    }
    for (guint i = 0; s->deflaters && i < s->deflaters->len; i++) {
#ifdef CONFIG_ZSTD
        if (s->compression == COMPRESSION_ZSTD) {
            ZSTD_freeCCtx(s->deflaters->pdata[i]);
            continue;
        }
#endif
        zlib_free_deflater(s->deflaters->pdata[i]);
    }
    g_clear_pointer(&s->inflaters, g_ptr_array_unref);
    g_clear_pointer(&s->deflaters, g_ptr_array_unref);
}
