/* SPDX-License-Identifier: GPL-2.0-or-later */
/* screendump: a console's picture as PPM or PNG. */
#include "osdep.h"
#include "qapi/qapi-commands.h"
#include "ui/console.h"
#include "util/fdset.h"

#ifdef CONFIG_PNG
#include <png.h>
#endif

/* The picture as x8r8g8b8 rows of 4 * width bytes. */
static uint32_t *take_picture(Console *c, int *w, int *h)
{
    uint32_t *pixels;

    console_refresh(c);
    *w = console_width(c);
    *h = console_height(c);
    pixels = g_new(uint32_t, (size_t)*w * *h);
    console_copy(c, 0, 0, *w, *h, (uint8_t *)pixels, *w * 4);
    return pixels;
}

static void to_rgb(uint8_t *out, const uint32_t *in, int n)
{
    for (int i = 0; i < n; i++) {
        *out++ = in[i] >> 16;
        *out++ = in[i] >> 8;
        *out++ = in[i];
    }
}

static bool write_ppm(FILE *f, const uint32_t *pixels, int w, int h)
{
    g_autofree uint8_t *row = g_malloc((size_t)w * 3);

    fprintf(f, "P6\n%d %d\n255\n", w, h);
    for (int y = 0; y < h; y++) {
        to_rgb(row, pixels + (size_t)y * w, w);
        if (fwrite(row, 3, w, f) != (size_t)w) {
            return false;
        }
    }
    return true;
}

#ifdef CONFIG_PNG
static bool write_png(FILE *f, const uint32_t *pixels, int w, int h)
{
    g_autofree uint8_t *row = g_malloc((size_t)w * 3);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL,
                                              NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;

    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, w, h, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < h; y++) {
        to_rgb(row, pixels + (size_t)y * w, w);
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return true;
}
#endif

static bool write_picture(FILE *f, ImageFormat format, const uint32_t *pixels,
                          int w, int h)
{
#ifdef CONFIG_PNG
    if (format == IMAGE_FORMAT_PNG) {
        return write_png(f, pixels, w, h);
    }
#endif
    return write_ppm(f, pixels, w, h);
}

void qmp_screendump(const char *filename, const char *device, bool has_head,
                    int64_t head, bool has_format, ImageFormat format,
                    Error **errp)
{
    g_autofree uint32_t *pixels = NULL;
    Console *c = console_default();
    FILE *f;
    int fd, w, h;
    bool ok;

    if (has_head && !device) {
        error_setg(errp, "'head' must be specified together with 'device'");
        return;
    }
    if (device) {
        c = console_find(device, has_head ? CLAMP(head, 0, INT_MAX) : 0, errp);
        if (!c) {
            return;
        }
    }
    if (!c) {
        error_setg(errp, "There is no console to take a screendump from");
        return;
    }
#ifndef CONFIG_PNG
    if (has_format && format == IMAGE_FORMAT_PNG) {
        error_setg(errp, "format 'png': this build has no libpng");
        return;
    }
#endif
    fd = open_path(filename, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot open '%s'", filename);
        return;
    }
    f = fdopen(fd, "wb");
    if (!f) {
        error_setg_errno(errp, errno, "cannot write '%s'", filename);
        close(fd);
        return;
    }
    pixels = take_picture(c, &w, &h);
    ok = write_picture(f, has_format ? format : IMAGE_FORMAT_PPM, pixels, w,
                       h);
    if (fclose(f) != 0 || !ok) {
        error_setg_errno(errp, errno, "cannot write '%s'", filename);
    }
}
