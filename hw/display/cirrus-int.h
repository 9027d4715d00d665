/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cirrus CL-GD5446: registers (cirrus.c) and bit-block engine (cirrus-blt.c).
 * Names and offsets from the "CL-GD5446 Technical Reference Manual". */
#ifndef HW_DISPLAY_CIRRUS_INT_H
#define HW_DISPLAY_CIRRUS_INT_H

#include "hw/pci.h"
#include "vga-int.h"

/* Extension registers. */
enum {
    SR_UNLOCK = 0x06, SR_EXT_MODE = 0x07, SR_CURSOR_X = 0x10,
    SR_CURSOR_Y = 0x11, SR_CURSOR_ATTR = 0x12, SR_CURSOR_PATTERN = 0x13,
    SR_CONFIG = 0x17,
    GR_OFFSET0 = 0x09, GR_OFFSET1 = 0x0a, GR_EXT_MODE = 0x0b,
    GR_BLT_WIDTH = 0x20, GR_BLT_HEIGHT = 0x22, GR_BLT_DST_PITCH = 0x24,
    GR_BLT_SRC_PITCH = 0x26, GR_BLT_DST = 0x28, GR_BLT_SRC = 0x2c,
    GR_BLT_SKIP = 0x2f, GR_BLT_MODE = 0x30, GR_BLT_STATUS = 0x31,
    GR_BLT_ROP = 0x32, GR_BLT_MODE_EXT = 0x33, GR_BLT_KEY = 0x34,
};
/* GR31 */
enum { BLT_BUSY = 0x01, BLT_START = 0x02, BLT_RESET = 0x04,
       BLT_BUFFERED = 0x10, BLT_AUTOSTART = 0x80 };
/* GR30 */
enum { BLT_BACKWARDS = 0x01, BLT_TO_CPU = 0x02, BLT_FROM_CPU = 0x04,
       BLT_TRANSPARENT = 0x08, BLT_PIXEL_WIDTH = 0x30, BLT_PATTERN = 0x40,
       BLT_EXPAND = 0x80 };
/* GR33 */
enum { BLT_DWORDS = 0x01, BLT_INVERT = 0x02, BLT_SOLID = 0x04 };

#define CIRRUS_ROW_MAX 0x2000 /* bytes: 13 bits of width */

/* One operation, decoded from the registers when it starts. */
typedef struct CirrusBlt {
    uint32_t width, height;   /* bytes, rows */
    uint32_t dst_pitch, src_pitch, dst, src;
    uint32_t pixel;           /* bytes: 1 to 4 */
    uint32_t fg, bg, key;
    uint32_t skip;            /* bytes at the left that stay */
    uint8_t mode, mode_ext, rop;
    /* Data from the CPU: bytes of a row (or the pattern), those here, and
     * rows that are still to come; 0: none awaited. */
    uint32_t feed_size, feed_len, feed_rows;
    uint8_t feed[CIRRUS_ROW_MAX + 8];
} CirrusBlt;

typedef struct CirrusState {
    PCIDevice pci;
    /* Properties. */
    uint32_t vgamem_mb;
    bool blitter;
    /* Guest-visible state. */
    VGACore vga;
    uint8_t gr0, gr1;         /* all eight bits of GR0, GR1 */
    uint8_t dac_reads;        /* of 3C6h, one after the other */
    uint8_t hidden_dac;
    uint8_t cursor_palette[48];
    uint16_t cursor_x, cursor_y;
    CirrusBlt blt;
    /* Host side. */
    MemoryRegion bar0, linear, linear_ram, aperture, mmio, bank_ram[2];
    uint32_t bank_base[2], bank_limit[2];
    int cursor_drawn_y;       /* where the picture has it */
    bool cursor_changed;
    uint8_t rows[3][CIRRUS_ROW_MAX + 8]; /* source, destination, mask */
} CirrusState;

static inline CirrusState *cirrus_of(VGACore *v)
{
    return container_of(v, CirrusState, vga);
}

/* The registers say: go. */
void cirrus_blt_start(CirrusState *s);
void cirrus_blt_reset(CirrusState *s);
static inline bool cirrus_blt_wants_data(const CirrusState *s)
{
    return s->blt.feed_rows != 0;
}
void cirrus_blt_feed(CirrusState *s, uint8_t byte);
/* From a saved state: sizes are in range. */
bool cirrus_blt_valid(const CirrusBlt *b);
extern const VMStateDescription vmstate_cirrus_blt;

#endif
