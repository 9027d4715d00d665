/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bit-block engine of the CL-GD5446 ("BitBLT Engine" in its manual).
 *
 * A row at a time: its source is built (from video memory, an 8x8 pattern,
 * bits that become two colours, or what the CPU wrote), combined with the
 * destination by the raster operation, and written where the mask allows.
 *
 * Every address wraps inside the video memory, whatever pitches and starts
 * say; a row is at most CIRRUS_ROW_MAX bytes.  So no operation can leave the
 * memory, and none takes longer than 16 MiB of copying.
 */
#include "osdep.h"
#include "cirrus-int.h"
#include "util/log.h"

/* --- raster operations --- */

#define ROP(name, expr)                                                     \
    static void rop_##name(uint8_t *restrict d, const uint8_t *restrict s,  \
                           uint32_t n)                                      \
    {                                                                       \
        for (uint32_t i = 0; i < n; i++) {                                  \
            d[i] = (expr);                                                  \
        }                                                                   \
    }
ROP(zero, 0)
ROP(and, s[i] & d[i])
ROP(and_not, s[i] & ~d[i])
ROP(not_dst, ~d[i])
ROP(src, s[i])
ROP(one, 0xff)
ROP(not_and, ~s[i] & d[i])
ROP(xor, s[i] ^ d[i])
ROP(or, s[i] | d[i])
ROP(nor, ~(s[i] | d[i]))
ROP(xnor, ~(s[i] ^ d[i]))
ROP(or_not, s[i] | ~d[i])
ROP(not_src, ~s[i])
ROP(not_or, ~s[i] | d[i])
ROP(nand, ~(s[i] & d[i]))

typedef void RopFn(uint8_t *restrict d, const uint8_t *restrict s, uint32_t n);

static RopFn *rop_of(uint8_t code)
{
    switch (code) {
    case 0x00:
        return rop_zero;
    case 0x05:
        return rop_and;
    case 0x09:
        return rop_and_not;
    case 0x0b:
        return rop_not_dst;
    case 0x0d:
        return rop_src;
    case 0x0e:
        return rop_one;
    case 0x50:
        return rop_not_and;
    case 0x59:
        return rop_xor;
    case 0x6d:
        return rop_or;
    case 0x90:
        return rop_nor;
    case 0x95:
        return rop_xnor;
    case 0xad:
        return rop_or_not;
    case 0xd0:
        return rop_not_src;
    case 0xd6:
        return rop_not_or;
    case 0xda:
        return rop_nand;
    default: /* 06h: the destination stays; others are not defined */
        return NULL;
    }
}

/* --- video memory --- */

static void get_bytes(const VGACore *v, uint32_t addr, uint8_t *to, uint32_t n)
{
    addr &= v->size - 1;
    if (n <= v->size - addr) {
        memcpy(to, v->mem + addr, n);
        return;
    }
    memcpy(to, v->mem + addr, v->size - addr);
    memcpy(to + (v->size - addr), v->mem, n - (v->size - addr));
}

static void put_bytes(VGACore *v, uint32_t addr, const uint8_t *from,
                      uint32_t n)
{
    uint32_t part;

    addr &= v->size - 1;
    part = MIN(n, v->size - addr);
    memcpy(v->mem + addr, from, part);
    vga_dirty(v, addr, part);
    if (part < n) {
        memcpy(v->mem, from + part, n - part);
        vga_dirty(v, 0, n - part);
    }
}

/* --- rows --- */

static void put_pixel(uint8_t *to, uint32_t colour, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = colour >> (8 * i);
    }
}

/* Bits, most significant first, to two colours; transparent ones leave the
 * mask 0.  @repeat: the same eight bits all along. */
static void expand_bits(const CirrusBlt *b, const uint8_t *bits, bool repeat,
                        uint8_t *row, uint8_t *mask)
{
    bool clear = b->mode & BLT_TRANSPARENT;
    bool invert = clear && (b->mode_ext & BLT_INVERT);
    uint32_t fg = invert ? b->bg : b->fg;

    for (uint32_t x = 0, at = 0; at < b->width; x++, at += b->pixel) {
        bool bit = (bits[repeat ? 0 : x / 8] >> (7 - x % 8) & 1) ^ invert;
        uint32_t n = MIN(b->pixel, b->width - at);

        put_pixel(row + at, bit || clear ? fg : b->bg, n);
        if (!bit && clear) {
            memset(mask + at, 0, n);
        }
    }
}

/* Rows of a pattern: eight pixels, 24-bit ones padded to 32 bytes. */
static uint32_t pattern_pitch(const CirrusBlt *b)
{
    return b->mode & BLT_EXPAND ? 1 : b->pixel == 3 ? 32 : b->pixel * 8;
}

/* @pattern: eight rows.  The low bits of the source address say which one
 * comes first. */
static void pattern_row(const CirrusBlt *b, const uint8_t *pattern, uint32_t y,
                        uint8_t *row, uint8_t *mask)
{
    const uint8_t *p = pattern + ((y + b->src) & 7) * pattern_pitch(b);

    if (b->mode & BLT_EXPAND) {
        expand_bits(b, p, true, row, mask);
        return;
    }
    for (uint32_t at = 0; at < b->width; at++) {
        row[at] = p[at % (8 * b->pixel)];
    }
}

/* Transparency by colour compares the result; 8 and 16 bits only. */
static void key_mask(const CirrusBlt *b, const uint8_t *result, uint8_t *mask)
{
    if (!(b->mode & BLT_TRANSPARENT) || (b->mode & BLT_EXPAND) ||
        b->pixel > 2) {
        return;
    }
    for (uint32_t at = 0; at + b->pixel <= b->width; at += b->pixel) {
        uint32_t p = result[at] | (b->pixel == 2 ? result[at + 1] << 8 : 0);

        if (p == (b->key & (b->pixel == 2 ? 0xffff : 0xff))) {
            memset(mask + at, 0, b->pixel);
        }
    }
}

/* Combines the source row with what is at @dst. */
static void write_row(CirrusState *s, uint32_t dst)
{
    CirrusBlt *b = &s->blt;
    uint8_t *src = s->rows[0], *out = s->rows[1], *mask = s->rows[2];
    RopFn *rop = rop_of(b->rop);
    bool masked = b->skip || (b->mode & BLT_TRANSPARENT);

    if (!rop) {
        return;
    }
    get_bytes(&s->vga, dst, out, b->width);
    if (!masked) {
        rop(out, src, b->width);
    } else {
        uint8_t result[CIRRUS_ROW_MAX];

        memcpy(result, out, b->width);
        rop(result, src, b->width);
        key_mask(b, result, mask);
        memset(mask, 0, MIN(b->skip, b->width));
        for (uint32_t i = 0; i < b->width; i++) {
            out[i] = mask[i] ? result[i] : out[i];
        }
    }
    put_bytes(&s->vga, dst, out, b->width);
}

/* --- operations --- */

static void finish(CirrusState *s)
{
    s->blt.feed_rows = s->blt.feed_len = 0;
    s->vga.gr[GR_BLT_STATUS] &= ~(BLT_BUSY | BLT_START | BLT_BUFFERED);
    vga_update_window(&s->vga);
}

void cirrus_blt_reset(CirrusState *s)
{
    finish(s);
}

static void clear_mask(CirrusState *s)
{
    memset(s->rows[2], 0xff, s->blt.width);
}

static void do_pattern(CirrusState *s, const uint8_t *pattern)
{
    CirrusBlt *b = &s->blt;

    for (uint32_t y = 0; y < b->height; y++) {
        clear_mask(s);
        pattern_row(b, pattern, y, s->rows[0], s->rows[2]);
        write_row(s, b->dst + y * b->dst_pitch);
    }
}

static void do_solid(CirrusState *s)
{
    CirrusBlt *b = &s->blt;

    for (uint32_t y = 0; y < b->height; y++) {
        clear_mask(s);
        for (uint32_t at = 0; at < b->width; at += b->pixel) {
            put_pixel(s->rows[0] + at, b->fg, MIN(b->pixel, b->width - at));
        }
        write_row(s, b->dst + y * b->dst_pitch);
    }
}

/* Bytes of a row of bits. */
static uint32_t bit_bytes(const CirrusBlt *b)
{
    uint32_t pixels = DIV_ROUND_UP(b->width, b->pixel);

    return DIV_ROUND_UP(pixels, 8);
}

static void do_expand(CirrusState *s)
{
    CirrusBlt *b = &s->blt;
    uint32_t n = bit_bytes(b), src = b->src;
    uint8_t bits[CIRRUS_ROW_MAX / 8 + 1];

    /* Rows of bits follow each other; the source pitch has no part in it. */
    for (uint32_t y = 0; y < b->height; y++, src += n) {
        clear_mask(s);
        get_bytes(&s->vga, src, bits, n);
        expand_bits(b, bits, false, s->rows[0], s->rows[2]);
        write_row(s, b->dst + y * b->dst_pitch);
    }
}

static void do_copy(CirrusState *s)
{
    CirrusBlt *b = &s->blt;
    bool back = b->mode & BLT_BACKWARDS;

    for (uint32_t y = 0; y < b->height; y++) {
        /* Backwards: addresses of last bytes, and rows go up. */
        uint32_t src = back ? b->src - y * b->src_pitch - (b->width - 1)
                            : b->src + y * b->src_pitch;
        uint32_t dst = back ? b->dst - y * b->dst_pitch - (b->width - 1)
                            : b->dst + y * b->dst_pitch;

        clear_mask(s);
        get_bytes(&s->vga, src, s->rows[0], b->width);
        write_row(s, dst);
    }
}

static void start_feed(CirrusState *s)
{
    CirrusBlt *b = &s->blt;

    b->feed_rows = b->height;
    if (b->mode & BLT_PATTERN) {
        b->feed_size = pattern_pitch(b) * 8;
        b->feed_rows = 1;
    } else if (b->mode & BLT_EXPAND) {
        b->feed_size = bit_bytes(b);
        if (b->mode_ext & BLT_DWORDS) {
            b->feed_size = ROUND_UP(b->feed_size, 4);
        }
    } else {
        b->feed_size = ROUND_UP(b->width, 4);
    }
    b->feed_len = 0;
    s->vga.gr[GR_BLT_STATUS] |= BLT_BUFFERED;
    vga_update_window(&s->vga);
}

void cirrus_blt_feed(CirrusState *s, uint8_t byte)
{
    CirrusBlt *b = &s->blt;

    b->feed[b->feed_len++] = byte;
    if (b->feed_len < b->feed_size) {
        return;
    }
    b->feed_len = 0;
    if (b->mode & BLT_PATTERN) {
        do_pattern(s, b->feed);
    } else {
        clear_mask(s);
        if (b->mode & BLT_EXPAND) {
            expand_bits(b, b->feed, false, s->rows[0], s->rows[2]);
        } else {
            memcpy(s->rows[0], b->feed, b->width);
        }
        write_row(s, b->dst);
        b->dst += b->dst_pitch;
    }
    if (--b->feed_rows == 0) {
        finish(s);
    }
}

static uint32_t gr_bits(const CirrusState *s, unsigned reg, unsigned bytes,
                        uint32_t mask)
{
    uint32_t val = 0;

    for (unsigned i = 0; i < bytes; i++) {
        val |= (uint32_t)s->vga.gr[reg + i] << (8 * i);
    }
    return val & mask;
}

static uint32_t colour(const CirrusState *s, uint8_t low, unsigned reg)
{
    const uint8_t *gr = s->vga.gr;

    return low | gr[reg] << 8 | gr[reg + 2] << 16 |
           (uint32_t)gr[reg + 4] << 24;
}

void cirrus_blt_start(CirrusState *s)
{
    CirrusBlt *b = &s->blt;
    const uint8_t *gr = s->vga.gr;
    uint8_t pattern[256];

    s->vga.gr[GR_BLT_STATUS] |= BLT_BUSY;
    b->feed_rows = b->feed_len = 0;
    b->width = gr_bits(s, GR_BLT_WIDTH, 2, 0x1fff) + 1;
    b->height = gr_bits(s, GR_BLT_HEIGHT, 2, 0x7ff) + 1;
    b->dst_pitch = gr_bits(s, GR_BLT_DST_PITCH, 2, 0x1fff);
    b->src_pitch = gr_bits(s, GR_BLT_SRC_PITCH, 2, 0x1fff);
    b->dst = gr_bits(s, GR_BLT_DST, 3, 0x3fffff);
    b->src = gr_bits(s, GR_BLT_SRC, 3, 0x3fffff);
    b->mode = gr[GR_BLT_MODE];
    b->mode_ext = gr[GR_BLT_MODE_EXT];
    b->rop = gr[GR_BLT_ROP];
    b->key = gr_bits(s, GR_BLT_KEY, 2, 0xffff);
    b->pixel = (b->mode & BLT_PIXEL_WIDTH) / 0x10 + 1;
    b->bg = colour(s, s->gr0, 0x10);
    b->fg = colour(s, s->gr1, 0x11);
    b->skip = 0;
    if (b->mode & (BLT_PATTERN | BLT_EXPAND)) {
        b->skip = b->pixel == 3 ? gr[GR_BLT_SKIP] & 0x1f
                                : (gr[GR_BLT_SKIP] & 7) * b->pixel;
    }
    if (!s->blitter || (b->mode & BLT_TO_CPU)) {
        log_mask(LOG_UNIMP, "cirrus: blit mode 0x%02x ignored\n", b->mode);
        finish(s);
        return;
    }
    if ((b->mode_ext & BLT_SOLID) &&
        (b->mode & (BLT_TRANSPARENT | BLT_PATTERN | BLT_EXPAND)) ==
            (BLT_PATTERN | BLT_EXPAND)) {
        do_solid(s);
    } else if (b->mode & BLT_FROM_CPU) {
        start_feed(s);
        return;
    } else if (b->mode & BLT_PATTERN) {
        get_bytes(&s->vga, b->src & ~7u, pattern, pattern_pitch(b) * 8);
        do_pattern(s, pattern);
    } else if (b->mode & BLT_EXPAND) {
        do_expand(s);
    } else {
        do_copy(s);
    }
    finish(s);
}

/* --- saved state --- */

bool cirrus_blt_valid(const CirrusBlt *b)
{
    return b->width <= CIRRUS_ROW_MAX && b->height <= 0x800 &&
           b->feed_rows <= b->height && b->feed_size <= CIRRUS_ROW_MAX &&
           (!b->feed_rows ||
            (b->feed_len < b->feed_size && b->pixel >= 1 && b->pixel <= 4 &&
             b->width && b->feed_size >= (b->mode & BLT_PATTERN
                                              ? pattern_pitch(b) * 8
                                          : b->mode & BLT_EXPAND
                                              ? bit_bytes(b)
                                              : b->width)));
}

static const VMStateField blt_fields[] = {
    VMSTATE_UINT32(width, CirrusBlt),
    VMSTATE_UINT32(height, CirrusBlt),
    VMSTATE_UINT32(dst_pitch, CirrusBlt),
    VMSTATE_UINT32(src_pitch, CirrusBlt),
    VMSTATE_UINT32(dst, CirrusBlt),
    VMSTATE_UINT32(src, CirrusBlt),
    VMSTATE_UINT32(pixel, CirrusBlt),
    VMSTATE_UINT32(fg, CirrusBlt),
    VMSTATE_UINT32(bg, CirrusBlt),
    VMSTATE_UINT32(key, CirrusBlt),
    VMSTATE_UINT32(skip, CirrusBlt),
    VMSTATE_UINT8(mode, CirrusBlt),
    VMSTATE_UINT8(mode_ext, CirrusBlt),
    VMSTATE_UINT8(rop, CirrusBlt),
    VMSTATE_UINT32(feed_size, CirrusBlt),
    VMSTATE_UINT32(feed_len, CirrusBlt),
    VMSTATE_UINT32(feed_rows, CirrusBlt),
    VMSTATE_UINT8_ARRAY(feed, CirrusBlt, CIRRUS_ROW_MAX + 8),
    VMSTATE_END(),
};

const VMStateDescription vmstate_cirrus_blt = {
    .name = "cirrus/blt",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = blt_fields,
};
