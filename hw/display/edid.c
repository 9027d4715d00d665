/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The EDID of our monitor: base block and CTA-861 extension.
 *
 * VESA Enhanced EDID Standard, release A2 (structure 1.4): section 3 for the
 * base block, 3.10.3 for descriptors; CTA-861-G section 7.5 for the video data
 * block.  Identity, size and default timings are those that guests of QEMU
 * 7.2 see, so that settings they keep for this monitor still apply.
 */
#include "osdep.h"
#include "hw/display/edid.h"

#define DPI 100

typedef struct Mode {
    uint16_t width, height;
    uint8_t byte, bit; /* where it is announced */
} Mode;

/* Established timings I, II (bytes 35 and 36) and III (in a descriptor). */
static const Mode established[] = {
    { 640, 480, 35, 5 }, { 800, 600, 35, 0 }, { 1024, 768, 36, 3 },
};
static const Mode established3[] = {
    { 1280, 768, 1, 6 },  { 1360, 768, 2, 7 },  { 1400, 1050, 2, 1 },
    { 1792, 1344, 4, 5 }, { 1856, 1392, 4, 3 }, { 1920, 1440, 5, 7 },
};
/* Standard timings, 60 Hz each; `byte` is the aspect code. */
static const Mode standard[] = {
    { 2048, 1152, 3 }, { 1920, 1080, 3 }, { 1920, 1200, 0 }, { 1600, 1200, 1 },
    { 1680, 1050, 0 }, { 1440, 900, 0 },  { 1280, 1024, 2 }, { 1280, 960, 1 },
};
/* CTA-861 video identification codes, in `byte`. */
static const Mode cta[] = {
    { 5120, 2160, 125 }, { 4096, 2160, 101 }, { 3840, 2160, 96 },
    { 2560, 1080, 89 },  { 1920, 1080, 31 },  { 3840, 2160, 97 },
};

static bool fits(const EDIDInfo *i, const Mode *m)
{
    return (!i->max_width || m->width <= i->max_width) &&
           (!i->max_height || m->height <= i->max_height);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = v;
    p[1] = v >> 8;
}

/* 10-bit fixed point, the low bits of two coordinates in one byte. */
static void put_colours(uint8_t *e)
{
    /* sRGB, in 1/1024: red x y, green x y, blue x y, white x y. */
    static const uint16_t c[8] = { 655, 338, 307, 614, 154, 61, 320, 337 };

    for (int i = 0; i < 8; i++) {
        e[27 + i] = c[i] >> 2;
        e[25 + i / 4] |= (c[i] & 3) << (6 - i % 4 * 2);
    }
}

/* The preferred mode in full, with generous blanking. */
static void put_timing(uint8_t *d, unsigned w, unsigned h, unsigned mhz)
{
    unsigned hfront = w * 25 / 100, hsync = w * 3 / 100;
    unsigned hblank = w * 35 / 100, vfront = h * 5 / 1000;
    unsigned vsync = h * 5 / 1000, vblank = h * 35 / 1000;
    uint64_t clock = (uint64_t)mhz * (w + hblank) * (h + vblank) / 10000000;
    unsigned wmm = w * 254 / 10 / DPI, hmm = h * 254 / 10 / DPI;

    put16(d, MIN(clock, UINT16_MAX)); /* 10 kHz */
    d[2] = w;
    d[3] = hblank;
    d[4] = (w >> 8 & 0x0f) << 4 | (hblank >> 8 & 0x0f);
    d[5] = h;
    d[6] = vblank;
    d[7] = (h >> 8 & 0x0f) << 4 | (vblank >> 8 & 0x0f);
    d[8] = hfront;
    d[9] = hsync;
    d[10] = (vfront & 0x0f) << 4 | (vsync & 0x0f);
    d[11] = (hfront >> 8 & 3) << 6 | (hsync >> 8 & 3) << 4 |
            (vfront >> 4 & 3) << 2 | (vsync >> 4 & 3);
    d[12] = wmm;
    d[13] = hmm;
    d[14] = (wmm >> 8 & 0x0f) << 4 | (hmm >> 8 & 0x0f);
    d[17] = 0x18; /* separate syncs, both negative */
}

static void put_name(uint8_t *d)
{
    static const char name[] = "QEMU Monitor\n";

    d[3] = 0xfc;
    memcpy(d + 5, name, 13);
}

static void put_ranges(uint8_t *d)
{
    d[3] = 0xfd;
    d[5] = 50;   /* Hz, vertical */
    d[6] = 125;
    d[7] = 30;   /* kHz, horizontal */
    d[8] = 160;
    d[9] = 255;  /* 10 MHz, pixel clock */
    d[10] = 1;   /* limits only */
    d[11] = '\n';
    memset(d + 12, ' ', 6);
}

static void checksum(uint8_t *block)
{
    uint8_t sum = 0;

    for (int i = 0; i < 127; i++) {
        sum += block[i];
    }
    block[127] = -sum;
}

static void put_extension(uint8_t *e, const EDIDInfo *info)
{
    unsigned n = 0;

    e[0] = 2; /* CTA-861 */
    e[1] = 3;
    for (size_t i = 0; i < ARRAY_SIZE(cta); i++) {
        if (fits(info, &cta[i])) {
            e[5 + n++] = cta[i].byte;
        }
    }
    e[4] = 2 << 5 | n; /* video data block */
    e[2] = 5 + n;      /* no detailed timings follow */
    checksum(e);
}

void edid_generate(uint8_t e[EDID_SIZE], const EDIDInfo *info)
{
    static const uint8_t magic[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
    unsigned w = info->width ? info->width : 1280;
    unsigned h = info->height ? info->height : 800;
    uint8_t *third = e + 72;

    memset(e, 0, EDID_SIZE);
    /* Twelve bits each in a detailed timing. */
    w = MIN(w, 4095);
    h = MIN(h, 4095);
    memcpy(e, magic, 8);
    e[8] = 0x49; /* "RHT", five bits a letter */
    e[9] = 0x14;
    put16(e + 10, 0x1234);
    e[16] = 42;         /* week */
    e[17] = 2014 - 1990;
    e[18] = 1;
    e[19] = 4;
    e[20] = 0xa5;       /* digital, 8 bits a colour, DisplayPort */
    e[21] = w * 254 / 100 / DPI; /* cm */
    e[22] = h * 254 / 100 / DPI;
    e[23] = 220 - 100;  /* gamma */
    e[24] = 0x06;       /* sRGB, preferred timing is native */
    put_colours(e);
    for (size_t i = 0; i < ARRAY_SIZE(established); i++) {
        if (fits(info, &established[i])) {
            e[established[i].byte] |= 1 << established[i].bit;
        }
    }
    memset(e + 38, 1, 16); /* unused */
    for (size_t i = 0, n = 0; i < ARRAY_SIZE(standard); i++) {
        if (fits(info, &standard[i])) {
            e[38 + n++] = standard[i].width / 8 - 31;
            e[38 + n++] = standard[i].byte << 6;
        }
    }
    put_timing(e + 54, w, h, info->refresh_mhz ? info->refresh_mhz : 75000);
    third[3] = 0xf7;
    third[5] = 10; /* version */
    for (size_t i = 0; i < ARRAY_SIZE(established3); i++) {
        if (fits(info, &established3[i])) {
            third[5 + established3[i].byte] |= 1 << established3[i].bit;
        }
    }
    put_ranges(e + 90);
    put_name(e + 108);
    e[126] = 1; /* extensions */
    checksum(e);
    put_extension(e + 128, info);
}
