/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture: from registers to a geometry, from video memory to pixels.
 *
 * Modes of 15 to 32 bits a pixel are not copied: the console's surface is the
 * video memory itself, unless something does not fit (a card's cursor, split
 * screen, addresses that wrap, rows that are not whole words).  Other modes
 * are drawn into a surface of 32 bits a pixel.
 *
 * Graphics: rows whose pages were written since last time are drawn.  Text:
 * cells that differ from those drawn.  A change of geometry, colours or font
 * draws everything.  Without a watcher nothing is tracked, and a look (a
 * screendump) draws everything.
 */
#include "osdep.h"
#include "util/timer.h"
#include "vga-int.h"

#define PAGE_BITS 12
/* The cursor blinks every 16 frames, characters every 32, of 70 a second. */
#define BLINK_NS (16 * NSEC_PER_SEC / 70)

/* --- geometry --- */

static void text_geometry(VGACore *v, VGAGeom *g, unsigned columns,
                          unsigned lines)
{
    unsigned font = v->sr[SR_FONT];

    g->kind = VGA_TEXT;
    g->cell_height = (v->cr[CR_MAX_SCAN] & 0x1f) + 1;
    g->twice = v->cr[CR_MAX_SCAN] >> 7;
    g->cell_width = v->sr[SR_CLOCK] & 0x01 ? 8 : 9;
    g->hdouble = v->sr[SR_CLOCK] >> 3 & 1;
    g->columns = columns;
    g->rows = MAX(lines / (g->cell_height << g->twice), 1);
    g->width = (columns * g->cell_width) << g->hdouble;
    g->height = (g->rows * g->cell_height) << g->twice;
    g->line_graphics = v->ar[AR_MODE] >> 2 & 1;
    g->blink = v->ar[AR_MODE] >> 3 & 1;
    /* Character maps A (for attribute bit 3 set) and B, 8 KiB each: maps 0-7
     * lie at 0, 16, 32, 48, 8, 24, 40 and 56 KiB of plane 2. */
    g->font[1] = ((font >> 2 & 3) * 0x4000 + (font >> 5 & 1) * 0x2000) * 4 + 2;
    g->font[0] = ((font & 3) * 0x4000 + (font >> 4 & 1) * 0x2000) * 4 + 2;
}

static void graphics_geometry(VGACore *v, VGAGeom *g, unsigned columns,
                              unsigned lines)
{
    unsigned shift = v->gr[GR_MODE] >> 5 & 3;

    g->width = columns * 8;
    g->height = lines;
    g->hdouble = v->sr[SR_CLOCK] >> 3 & 1;
    g->max_scan = v->cr[CR_MAX_SCAN] & 0x1f;
    g->twice = v->cr[CR_MAX_SCAN] >> 7;
    g->panning = v->ar[AR_PANNING] & 7;
    if (shift == 0) {
        g->kind = VGA_PLANAR;
        g->plane_mask = v->ar[AR_PLANES] & 0x0f;
    } else if (shift == 1) {
        g->kind = VGA_CGA;
    } else {
        g->kind = VGA_PACKED8;
        g->hdouble = 1; /* two dot clocks a pixel */
        g->panning /= 2;
    }
    g->width <<= shift < 2 ? g->hdouble : 0;
    g->panning <<= g->hdouble;
    g->row_mask = ~v->cr[CR_MODE] & 3;
    g->bit13_shift = 14 + (v->cr[CR_MODE] >> 6 & 1);
}

static void standard_geometry(VGACore *v, VGAGeom *g)
{
    unsigned overflow = v->cr[CR_OVERFLOW];
    unsigned columns = v->cr[CR_HDISP] + 1;
    unsigned lines = (v->cr[CR_VDISP] | (overflow & 0x02) << 7 |
                      (overflow & 0x40) << 3) + 1;

    g->start = (v->cr[CR_START_HI] << 8 | v->cr[CR_START_LO]) * 4;
    g->stride = v->cr[CR_OFFSET] * 8;
    g->mask = VGA_PLANE_MASK;
    g->line_compare = v->cr[CR_LINE_COMPARE] | (overflow & 0x10) << 4 |
                      (v->cr[CR_MAX_SCAN] & 0x40) << 3;
    g->pan_resets = v->ar[AR_MODE] >> 5 & 1;
    if (v->gr[GR_MISC] & 1) {
        graphics_geometry(v, g, columns, lines);
    } else {
        text_geometry(v, g, columns, lines);
    }
}

void vga_geometry(VGACore *v, VGAGeom *g)
{
    memset(g, 0, sizeof(*g));
    if (!vga_vbe_geometry(v, g) &&
        !(v->ext_geometry && v->ext_geometry(v, g))) {
        standard_geometry(v, g);
    }
    /* The attribute controller shows nothing while the CPU has the palette.
     * SR01 bit 5, "screen off", does not count: the Cirrus BIOS leaves it set
     * in its graphics modes, and QEMU shows them. */
    if (!(v->ar_index & 0x20)) {
        int w = v->drawn.width, h = v->drawn.height;

        memset(g, 0, sizeof(*g));
        g->kind = VGA_BLANK;
        g->width = w ? w : 720;
        g->height = h ? h : 400;
    }
    g->width = CLAMP(g->width, 8, CONSOLE_MAX_SIZE);
    g->height = CLAMP(g->height, 1, CONSOLE_MAX_SIZE);
    if (g->kind != VGA_TEXT && g->line_compare >= (uint32_t)g->height) {
        g->line_compare = UINT32_MAX;
    }
}

/* --- colours --- */

static uint32_t dac_colour(const VGACore *v, unsigned index)
{
    const uint8_t *p = &v->palette[(index & v->dac_mask) * 3];
    uint32_t c[3];

    for (int i = 0; i < 3; i++) {
        unsigned six = p[i] & 0x3f;

        /* Six bits to eight: 63 is white; the rest as QEMU's pictures have
         * it, the last bit three times. */
        c[i] = v->dac_8bit ? p[i] : six << 2 | (six & 1) * 3;
    }
    return c[0] << 16 | c[1] << 8 | c[2];
}

static uint32_t attr_colour(const VGACore *v, unsigned attr)
{
    unsigned c = v->ar[attr & 0x0f];

    if (v->ar[AR_MODE] & 0x80) {
        c = (v->ar[AR_COLOR] & 0x0f) << 4 | (c & 0x0f);
    } else {
        c = (v->ar[AR_COLOR] & 0x0c) << 4 | (c & 0x3f);
    }
    return dac_colour(v, c);
}

static bool update_colours(VGACore *v)
{
    bool changed = false;

    if (!v->colours_changed) {
        return false;
    }
    v->colours_changed = false;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t c = dac_colour(v, i);

        changed |= c != v->colours[i];
        v->colours[i] = c;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint32_t c = attr_colour(v, i);

        changed |= c != v->drawn16[i];
        v->drawn16[i] = c;
    }
    return changed;
}

/* --- text --- */

static void draw_cell(VGACore *v, const VGAGeom *g, unsigned x, unsigned y,
                      uint16_t cell, const uint8_t *cursor)
{
    uint32_t *out = pixman_image_get_data(console_surface(v->con));
    size_t stride = pixman_image_get_stride(console_surface(v->con)) / 4;
    unsigned ch = cell & 0xff, attr = cell >> 8;
    const uint8_t *font = v->mem + g->font[attr >> 3 & 1] + ch * 32 * 4;
    unsigned back = attr >> 4, fore = attr & 0x0f, wide = 1u << g->hdouble;
    bool gap = !(g->line_graphics && ch >= 0xc0 && ch <= 0xdf);
    uint32_t c[2];

    if (g->font[0] == g->font[1]) {
        font = v->mem + g->font[0] + ch * 32 * 4;
    }
    if (g->blink) {
        if ((back & 8) && !v->blink_on) {
            fore = back & 7;
        }
        back &= 7;
    }
    c[0] = v->drawn16[back];
    c[1] = v->drawn16[fore];
    out += (size_t)(y * g->cell_height << g->twice) * stride +
           (size_t)x * g->cell_width * wide;
    for (unsigned row = 0; row < g->cell_height; row++) {
        /* Nine dots: the ninth repeats the eighth in line graphics. */
        unsigned bits = font[row * 4] << 1;

        bits |= gap ? 0 : bits >> 1 & 1;
        if (cursor && row >= cursor[0] && row <= cursor[1]) {
            bits = 0x1ff;
        }
        for (unsigned again = 0; again <= g->twice; again++, out += stride) {
            for (unsigned i = 0; i < g->cell_width * wide; i++) {
                out[i] = c[bits >> (8 - i / wide) & 1];
            }
        }
    }
}

/* Where the cursor is shown now: a cell, and its scan lines. */
static uint32_t text_cursor(VGACore *v, const VGAGeom *g, uint8_t shape[2])
{
    uint32_t at = (v->cr[CR_CURSOR_HI] << 8 | v->cr[CR_CURSOR_LO]) -
                  g->start / 4;
    uint32_t row = g->stride ? at * 4 / g->stride : 0;
    uint32_t column = at - row * g->stride / 4;

    shape[0] = v->cr[CR_CURSOR_START] & 0x1f;
    shape[1] = MIN(v->cr[CR_CURSOR_END] & 0x1f, g->cell_height - 1);
    if ((v->cr[CR_CURSOR_START] & 0x20) || shape[0] > shape[1] ||
        at > 0xffff || row >= g->rows || column >= g->columns ||
        !(clock_ns(CLOCK_VIRTUAL) / BLINK_NS & 1)) {
        return UINT32_MAX;
    }
    return row * g->columns + column;
}

static void draw_text(VGACore *v, const VGAGeom *g, bool all)
{
    uint32_t n = g->rows * g->columns, addr = g->start, cursor;
    bool blink = clock_ns(CLOCK_VIRTUAL) / (2 * BLINK_NS) & 1;
    bool blinked = g->blink && blink != v->blink_on;
    uint8_t shape[2];

    if (n != v->cells_n) {
        v->cells = g_renew(uint16_t, v->cells, n);
        v->cells_n = n;
        all = true;
    }
    if (v->font_changed) {
        v->font_changed = false;
        all = true;
    }
    v->blink_on = blink;
    cursor = text_cursor(v, g, shape);
    for (unsigned y = 0; y < g->rows; y++) {
        unsigned first = UINT_MAX, last = 0;

        for (unsigned x = 0; x < g->columns; x++) {
            uint32_t cell = y * g->columns + x, at = (addr + x * 4) & g->mask;
            uint16_t now = v->mem[at] | v->mem[at + 1] << 8;
            bool here = cell == cursor, was = cell == v->cursor_cell;

            if (!all && now == v->cells[cell] && here == was &&
                !(here && memcmp(shape, v->cursor_shape, 2)) &&
                !(blinked && (now & 0x8000))) {
                continue;
            }
            v->cells[cell] = now;
            draw_cell(v, g, x, y, now, here ? shape : NULL);
            first = MIN(first, x);
            last = x;
        }
        if (first != UINT_MAX) {
            unsigned w = g->cell_width << g->hdouble;
            unsigned h = g->cell_height << g->twice;

            console_update(v->con, first * w, y * h, (last - first + 1) * w,
                           h);
        }
        addr += g->stride;
        if (((y + 1) * g->cell_height << g->twice) == g->line_compare + 1) {
            addr = 0;
        }
    }
    v->cursor_cell = cursor;
    memcpy(v->cursor_shape, shape, 2);
}

/* --- rows of graphics --- */

/* @n bytes at @addr, which may wrap around. */
static const uint8_t *row_bytes(VGACore *v, const VGAGeom *g, uint32_t addr,
                                uint32_t n)
{
    addr &= g->mask;
    if (n <= g->mask + 1 - addr) {
        return v->mem + addr;
    }
    for (uint32_t done = 0; done < n; ) {
        uint32_t part = MIN(n - done, g->mask + 1 - addr);

        memcpy(v->line_copy + done, v->mem + addr, part);
        done += part;
        addr = 0;
    }
    return v->line_copy;
}

static uint32_t row_length(const VGAGeom *g)
{
    uint32_t pixels = DIV_ROUND_UP(g->width + g->panning, 1u << g->hdouble);

    switch (g->kind) {
    case VGA_PLANAR:
        return DIV_ROUND_UP(pixels, 8) * 4;
    case VGA_CGA:
        return DIV_ROUND_UP(pixels, 8) * 4; /* of four bytes two are used */
    case VGA_PACKED8:
        return ROUND_UP(pixels, 4);
    case VGA_RGB15:
    case VGA_RGB16:
        return pixels * 2;
    case VGA_RGB24:
        return pixels * 3;
    default:
        return pixels * 4;
    }
}

static void planar_row(const VGACore *v, const VGAGeom *g, const uint8_t *in,
                       uint32_t *out, unsigned pixels)
{
    for (unsigned x = 0; x < pixels; x += 8, in += 4) {
        for (unsigned bit = 0; bit < 8 && x + bit < pixels; bit++) {
            unsigned at = 7 - bit;
            unsigned c = (in[0] >> at & 1) | (in[1] >> at & 1) << 1 |
                         (in[2] >> at & 1) << 2 | (in[3] >> at & 1) << 3;

            *out++ = v->drawn16[c & g->plane_mask];
        }
    }
}

/* Two bits a pixel; even bytes in plane 0, odd ones in plane 1. */
static void cga_row(const VGACore *v, const VGAGeom *g, const uint8_t *in,
                    uint32_t *out, unsigned pixels)
{
    unsigned planes = v->ar[AR_PLANES] & 0x0f;

    for (unsigned x = 0; x < pixels; x += 8, in += 4) {
        for (unsigned i = 0; i < 8 && x + i < pixels; i++) {
            unsigned shift = 6 - i % 4 * 2;
            unsigned low = in[i / 4] >> shift & 3;
            unsigned high = in[i / 4 + 2] >> shift & 3;

            *out++ = v->drawn16[(low | high << 2) & planes];
        }
    }
}

static void rgb_row(const VGAGeom *g, const uint8_t *in, uint32_t *out,
                    unsigned pixels)
{
    unsigned bytes = g->kind == VGA_RGB32 ? 4 : g->kind == VGA_RGB24 ? 3 : 2;

    for (unsigned x = 0; x < pixels; x++, in += bytes) {
        uint32_t p = 0;

        for (unsigned i = 0; i < bytes; i++) {
            p |= (uint32_t)in[g->big_endian ? bytes - 1 - i : i] << (8 * i);
        }
        if (g->kind == VGA_RGB16) {
            uint32_t r = p >> 11, gr = p >> 5 & 0x3f, b = p & 0x1f;

            p = (r << 3 | r >> 2) << 16 | (gr << 2 | gr >> 4) << 8 |
                (b << 3 | b >> 2);
        } else if (g->kind == VGA_RGB15) {
            uint32_t r = p >> 10 & 0x1f, gr = p >> 5 & 0x1f, b = p & 0x1f;

            p = (r << 3 | r >> 2) << 16 | (gr << 3 | gr >> 2) << 8 |
                (b << 3 | b >> 2);
        }
        out[x] = p & 0xffffff;
    }
}

static void draw_row(VGACore *v, const VGAGeom *g, uint32_t addr, bool pan,
                     uint32_t *out)
{
    unsigned skip = pan ? g->panning : 0;
    unsigned total = g->width + skip, pixels = total >> g->hdouble;
    uint32_t *to = skip ? v->line_wide : out;
    const uint8_t *in = row_bytes(v, g, addr, row_length(g));

    switch (g->kind) {
    case VGA_PLANAR:
        planar_row(v, g, in, to, pixels);
        break;
    case VGA_CGA:
        cga_row(v, g, in, to, pixels);
        break;
    case VGA_PACKED8:
        for (unsigned x = 0; x < pixels; x++) {
            to[x] = v->colours[in[x]];
        }
        break;
    default:
        rgb_row(g, in, to, pixels);
        break;
    }
    if (g->hdouble) {
        for (unsigned x = total; x-- > 0; ) {
            to[x] = to[MIN(x / 2, pixels - 1)];
        }
    }
    if (skip) {
        memcpy(out, to + skip, (size_t)g->width * 4);
    }
}

/* --- pages that changed --- */

static bool row_dirty(const VGACore *v, const VGAGeom *g, uint32_t addr,
                      uint32_t n)
{
    uint32_t first = (addr & g->mask) >> PAGE_BITS, pages = g->mask >> PAGE_BITS;

    for (uint32_t i = 0; i <= ((addr & 0xfff) + n - 1) >> PAGE_BITS; i++) {
        if (v->dirty[(first + i) & pages]) {
            return true;
        }
    }
    return false;
}

/* Takes the bits of all pages that can be shown; false: none was set. */
static bool take_dirty(VGACore *v, const VGAGeom *g)
{
    uint32_t n = (g->mask >> PAGE_BITS) + 1, first = 0;
    uint64_t bytes = (uint64_t)g->stride * (g->height / ((g->max_scan + 1) << g->twice) +
                                  1) + row_length(g);
    bool any = false;

    if (g->line_compare == UINT32_MAX && !g->row_mask &&
        g->start <= g->mask && bytes <= g->mask + 1 - g->start) {
        first = g->start >> PAGE_BITS;
        n = ((g->start + bytes - 1) >> PAGE_BITS) + 1;
    }
    memory_region_sync_dirty(&v->vram, DIRTY_MEMORY_VGA);
    for (uint32_t i = first; i < n; i++) {
        v->dirty[i] = memory_region_test_and_clear_dirty(
            &v->vram, (hwaddr)i << PAGE_BITS, 1 << PAGE_BITS,
            DIRTY_MEMORY_VGA);
        any |= v->dirty[i];
    }
    return any;
}

static void draw_graphics(VGACore *v, const VGAGeom *g, bool all)
{
    pixman_image_t *image = console_surface(v->con);
    uint8_t *data = (uint8_t *)pixman_image_get_data(image);
    size_t out_stride = pixman_image_get_stride(image);
    uint32_t addr = g->start, n = row_length(g), scan = 0;
    int run = -1;
    bool pan = true, draw = false, again = false, second = false;
    int cursor_first = 0, cursor_last = -1;

    if (g->cursor) {
        v->cursor_rows(v, &cursor_first, &cursor_last);
    }

    for (int y = 0; y < g->height; y++) {
        uint32_t at = addr;
        uint32_t *out = (uint32_t *)(data + y * out_stride);

        /* CGA and Hercules layouts: scan lines of a row lie in banks. */
        if (g->row_mask & 1) {
            at = (at & ~(1u << g->bit13_shift)) |
                 (scan & 1) << g->bit13_shift;
        }
        if (g->row_mask & 2) {
            at = (at & ~(2u << g->bit13_shift)) |
                 (scan >> 1 & 1) << (g->bit13_shift + 1);
        }
        if (!again || g->cursor) {
            draw = all || row_dirty(v, g, at, n) ||
                   (y >= cursor_first && y <= cursor_last);
        }
        if (draw && !v->shares_vram) {
            if (!again || g->cursor) {
                draw_row(v, g, at, pan, out);
            } else {
                memcpy(out, data + (y - 1) * out_stride, (size_t)g->width * 4);
            }
            if (g->cursor) {
                v->draw_cursor(v, y, out);
            }
        }
        if (draw && run < 0) {
            run = y;
        } else if (!draw && run >= 0) {
            console_update(v->con, 0, run, g->width, y - run);
            run = -1;
        }
        /* The next scan line shows the same row again, its next bank, or the
         * next row. */
        second = g->twice && !second;
        if (!second && ++scan > g->max_scan) {
            scan = 0;
            addr += g->stride;
        }
        again = second || (scan && !g->row_mask);
        if ((uint32_t)y == g->line_compare) {
            addr = scan = 0;
            second = again = false;
            pan = !g->pan_resets;
        }
    }
    if (run >= 0) {
        console_update(v->con, 0, run, g->width, g->height - run);
    }
}

/* --- a look --- */

/* The surface can be the video memory: pixels as pixman has them. */
static bool can_share(const VGACore *v, const VGAGeom *g)
{
    uint64_t bytes = (uint64_t)g->stride * (g->height - 1) + row_length(g);

    return g->kind >= VGA_RGB15 && !g->big_endian && !g->cursor &&
           !g->max_scan && !g->twice && !g->hdouble && !g->panning && !g->row_mask &&
           g->line_compare == UINT32_MAX && g->stride % 4 == 0 &&
           g->start % 4 == 0 && g->start <= g->mask &&
           bytes <= g->mask + 1 - g->start && g->stride >= row_length(g) &&
           G_BYTE_ORDER == G_LITTLE_ENDIAN;
}

static void new_surface(VGACore *v, const VGAGeom *g)
{
    static const pixman_format_code_t formats[] = {
        [VGA_RGB15] = PIXMAN_x1r5g5b5, [VGA_RGB16] = PIXMAN_r5g6b5,
        [VGA_RGB24] = PIXMAN_r8g8b8, [VGA_RGB32] = PIXMAN_x8r8g8b8,
    };

    v->shares_vram = can_share(v, g);
    if (v->shares_vram) {
        console_set_surface(v->con, g->width, g->height, formats[g->kind],
                            v->mem + g->start, g->stride);
    } else {
        console_set_surface(v->con, g->width, g->height, PIXMAN_x8r8g8b8,
                            NULL, 0);
    }
}

static void vga_refresh(void *opaque)
{
    VGACore *v = opaque;
    VGAGeom g;
    bool all = v->all || !console_watched(v->con);

    vga_geometry(v, &g);
    if (memcmp(&g, &v->drawn, sizeof(g))) {
        /* A surface of its own stays while its size does: a program that
         * pages or scrolls draws another part of the memory. */
        if (v->shares_vram || g.kind >= VGA_RGB15 ||
            g.width != v->drawn.width || g.height != v->drawn.height) {
            new_surface(v, &g);
        }
        v->drawn = g;
        all = true;
    }
    all |= update_colours(v) && g.kind < VGA_RGB15;
    v->all = false;
    if (g.kind == VGA_BLANK) {
        if (all) {
            pixman_color_t black = { 0, 0, 0, 0xffff };
            pixman_rectangle16_t r = { 0, 0, g.width, g.height };

            pixman_image_fill_rectangles(PIXMAN_OP_SRC,
                                         console_surface(v->con), &black, 1,
                                         &r);
            console_update(v->con, 0, 0, g.width, g.height);
        }
    } else if (g.kind == VGA_TEXT) {
        draw_text(v, &g, all);
    } else if (!console_watched(v->con) || take_dirty(v, &g) || all ||
               g.cursor) {
        draw_graphics(v, &g, all);
    }
}

static void vga_invalidate(void *opaque)
{
    VGACore *v = opaque;

    v->all = true;
}

static void vga_watch(void *opaque, bool on)
{
    VGACore *v = opaque;

    memory_region_set_log(&v->vram, on, DIRTY_MEMORY_VGA);
    v->all = true;
}

const ConsoleOps vga_console_ops = {
    .refresh = vga_refresh,
    .invalidate = vga_invalidate,
    .watch = vga_watch,
};
