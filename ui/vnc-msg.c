/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VNC clients say, taken apart (RFC 6143, section 7.5, and the registry
 * of extensions in the community's "The RFB Protocol": ExtendedDesktopSize,
 * xvp, QEMU's client messages).  Bytes in, a struct out; nothing else.
 */
#include "osdep.h"
#include "vnc-int.h"
#include <rfb/rfbproto.h>

#define TYPE_SET_FORMAT    0
#define TYPE_SET_ENCODINGS 2
#define TYPE_REQUEST       3
#define TYPE_KEY           4
#define TYPE_POINTER       5
#define TYPE_CUT           6
#define TYPE_XVP           250
#define TYPE_SET_SIZE      251
#define TYPE_QEMU          255

#define QEMU_KEY   0
#define QEMU_AUDIO 1

#define ENC_EXT_SIZE     -308
#define ENC_XVP          -309
#define ENC_LEDS         -261
#define ENC_EXT_KEY      -258
#define ENC_POINTER_TYPE -257
#define ENC_RESIZE       -223
#define ENC_LAST_RECT    -224
#define ENC_EXT_CUT      ((int32_t)0xc0a1e5ce)

static uint16_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static bool channel_ok(const VncPixelFormat *f, unsigned max, unsigned shift)
{
    return max > 0 && shift < f->bpp &&
           ((uint64_t)max << shift) <= (UINT64_C(1) << f->bpp) - 1;
}

static bool parse_format(const uint8_t *p, VncPixelFormat *f)
{
    f->bpp = p[0];
    f->depth = p[1];
    f->big_endian = p[2];
    f->true_colour = p[3];
    f->red_max = be16(p + 4);
    f->green_max = be16(p + 6);
    f->blue_max = be16(p + 8);
    f->red_shift = p[10];
    f->green_shift = p[11];
    f->blue_shift = p[12];
    if (f->bpp != 8 && f->bpp != 16 && f->bpp != 32) {
        return false;
    }
    if (!f->true_colour) {
        return f->bpp == 8;
    }
    return channel_ok(f, f->red_max, f->red_shift) &&
           channel_ok(f, f->green_max, f->green_shift) &&
           channel_ok(f, f->blue_max, f->blue_shift);
}

static bool is_picture_encoding(int32_t e)
{
    return e == rfbEncodingRaw || e == rfbEncodingRRE ||
           e == rfbEncodingHextile || e == rfbEncodingZlib ||
           e == rfbEncodingTight || e == rfbEncodingZRLE;
}

static void parse_encodings(const uint8_t *p, unsigned n, VncEncodings *out)
{
    bool found = false;

    memset(out, 0, sizeof(*out));
    out->preferred = rfbEncodingRaw;
    out->quality = out->compress = -1;
    for (unsigned i = 0; i < n; i++, p += 4) {
        int32_t e = be32(p);

        if (is_picture_encoding(e)) {
            /* The first is what the client likes best. */
            out->preferred = found ? out->preferred : e;
            found = true;
        } else if (e >= -32 && e <= -23) {
            out->quality = e + 32;
        } else if (e >= -256 && e <= -247) {
            out->compress = e + 256;
        } else {
            out->resize |= e == ENC_RESIZE;
            out->ext_resize |= e == ENC_EXT_SIZE;
            out->last_rect |= e == ENC_LAST_RECT;
            out->ext_key |= e == ENC_EXT_KEY;
            out->pointer_type |= e == ENC_POINTER_TYPE;
            out->leds |= e == ENC_LEDS;
            out->xvp |= e == ENC_XVP;
            out->ext_cut |= e == ENC_EXT_CUT;
        }
    }
}

/* Lengths below 0 are of the extended clipboard: flags come first. */
static int parse_cut(const uint8_t *buf, size_t len, VncMsg *msg)
{
    bool extended;
    uint32_t n;

    if (len < 8) {
        return 0;
    }
    n = be32(buf + 4);
    extended = n > INT32_MAX;
    n = extended ? -n : n;
    if (extended && n < 4) {
        return -1;
    }
    if (n > VNC_CUT_MAX) {
        msg->type = VNC_MSG_IGNORE;
        msg->skip = n;
        return 8;
    }
    if (len < 8 + n) {
        return 0;
    }
    msg->type = VNC_MSG_CUT_TEXT;
    msg->cut.extended = extended;
    msg->cut.flags = extended ? be32(buf + 8) : 0;
    msg->cut.text = buf + 8 + 4 * extended;
    msg->cut.len = n - 4 * extended;
    return 8 + n;
}

static int parse_qemu(const uint8_t *buf, size_t len, VncMsg *msg)
{
    if (len < 2) {
        return 0;
    }
    if (buf[1] == QEMU_KEY) {
        if (len < 12) {
            return 0;
        }
        msg->type = VNC_MSG_KEY;
        msg->key.down = be16(buf + 2);
        msg->key.keysym = be32(buf + 4);
        /* E0 codes come with bit 7 set; others have no key. */
        msg->key.code = be32(buf + 8) <= 0xff ? be32(buf + 8) : 0;
        return 12;
    }
    if (buf[1] == QEMU_AUDIO) { /* not offered: on, off, format */
        int n;

        if (len < 4) {
            return 0;
        }
        n = be16(buf + 2) == 2 ? 10 : 4;
        if (len < (size_t)n) {
            return 0;
        }
        msg->type = VNC_MSG_IGNORE;
        return n;
    }
    return -1;
}

static int parse_set_size(const uint8_t *buf, size_t len, VncMsg *msg)
{
    size_t n;

    if (len < 8) {
        return 0;
    }
    n = 8 + (size_t)buf[6] * 16;
    if (len < n) {
        return 0;
    }
    msg->type = VNC_MSG_SET_SIZE;
    msg->size.w = be16(buf + 2);
    msg->size.h = be16(buf + 4);
    return n;
}

static int parse_set_encodings(const uint8_t *buf, size_t len, VncMsg *msg)
{
    size_t n;

    if (len < 4) {
        return 0;
    }
    n = 4 + (size_t)be16(buf + 2) * 4;
    if (len < n) {
        return 0;
    }
    msg->type = VNC_MSG_ENCODINGS;
    parse_encodings(buf + 4, be16(buf + 2), &msg->encodings);
    return n;
}

int vnc_msg_parse(const uint8_t *buf, size_t len, VncMsg *msg)
{
    static const uint8_t fixed[7] = { 20, 0, 0, 10, 8, 6, 0 };

    if (len < 1) {
        return 0;
    }
    msg->skip = 0;
    if (buf[0] < ARRAY_SIZE(fixed) && len < fixed[buf[0]]) {
        return 0;
    }
    switch (buf[0]) {
    case TYPE_SET_FORMAT:
        msg->type = VNC_MSG_PIXEL_FORMAT;
        return parse_format(buf + 4, &msg->format) ? 20 : -1;
    case TYPE_SET_ENCODINGS:
        return parse_set_encodings(buf, len, msg);
    case TYPE_REQUEST:
        msg->type = VNC_MSG_UPDATE_REQUEST;
        msg->request.incremental = buf[1];
        msg->request.x = be16(buf + 2);
        msg->request.y = be16(buf + 4);
        msg->request.w = be16(buf + 6);
        msg->request.h = be16(buf + 8);
        return 10;
    case TYPE_KEY:
        msg->type = VNC_MSG_KEY;
        msg->key.down = buf[1];
        msg->key.keysym = be32(buf + 4);
        msg->key.code = 0;
        return 8;
    case TYPE_POINTER:
        msg->type = VNC_MSG_POINTER;
        msg->pointer.buttons = buf[1];
        msg->pointer.x = be16(buf + 2);
        msg->pointer.y = be16(buf + 4);
        return 6;
    case TYPE_CUT:
        return parse_cut(buf, len, msg);
    case TYPE_XVP:
        if (len < 4) {
            return 0;
        }
        msg->type = VNC_MSG_XVP;
        msg->xvp = buf[3];
        return 4;
    case TYPE_SET_SIZE:
        return parse_set_size(buf, len, msg);
    case TYPE_QEMU:
        return parse_qemu(buf, len, msg);
    default:
        return -1;
    }
}
