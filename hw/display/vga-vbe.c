/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bochs' display registers ("DISPI"): a mode is a width, a height and a depth.
 * Ports 1CEh (index) and 1CFh/1D0h (data); the standard card also has them in
 * a BAR.  Document: "VBE Display API" of the Bochs project; QEMU's
 * docs/specs/standard-vga.
 *
 * Registers keep what fits the memory: every write ends in vbe_settle().
 */
#include "osdep.h"
#include "util/log.h"
#include "vga-int.h"

#define VBE_ID0 0xb0c0
#define VBE_ID5 0xb0c5

static unsigned pixel_bits(const VGACore *v)
{
    unsigned bpp = v->vbe[VBE_BPP];

    return bpp == 15 ? 16 : bpp;
}

static uint32_t line_bytes(const VGACore *v)
{
    return (uint32_t)v->vbe[VBE_VIRT_WIDTH] * pixel_bits(v) / 8;
}

/* Makes the mode fit: at least 8x1 pixels, at most the video memory. */
static void vbe_settle(VGACore *v)
{
    uint16_t *r = v->vbe;
    uint64_t offset, line, rows;

    switch (r[VBE_BPP]) {
    case 4:
    case 8:
    case 15:
    case 16:
    case 24:
    case 32:
        break;
    default:
        r[VBE_BPP] = 8;
    }
    r[VBE_XRES] = CLAMP(r[VBE_XRES] & ~7, 8, VBE_MAX_XRES);
    r[VBE_VIRT_WIDTH] = CLAMP(r[VBE_VIRT_WIDTH] & ~7, r[VBE_XRES],
                              VBE_MAX_XRES);
    line = line_bytes(v);
    rows = v->size / line; /* 1 MiB and more over 64000 bytes: never 0 */
    r[VBE_YRES] = CLAMP(r[VBE_YRES], 1, MIN(rows, VBE_MAX_YRES));
    r[VBE_VIRT_HEIGHT] = MIN(rows, UINT16_MAX);

    offset = (uint64_t)r[VBE_X_OFFSET] * pixel_bits(v) / 8 +
             r[VBE_Y_OFFSET] * line;
    if (offset + r[VBE_YRES] * line > v->size) {
        r[VBE_Y_OFFSET] = 0;
        offset = (uint64_t)r[VBE_X_OFFSET] * pixel_bits(v) / 8;
        if (offset + r[VBE_YRES] * line > v->size) {
            r[VBE_X_OFFSET] = 0;
        }
    }
}

/* VGA software that looks at the registers finds a mode that fits, and the
 * window shows pixels (planes, for 4 bits). */
static void set_vga_registers(VGACore *v)
{
    const uint16_t *r = v->vbe;
    unsigned offset = line_bytes(v) / 8, last = r[VBE_YRES] - 1;

    v->gr[GR_MISC] = (v->gr[GR_MISC] & ~0x0c) | 0x05;
    v->cr[CR_MODE] |= 3;
    v->cr[CR_OFFSET] = offset;
    v->cr[CR_HDISP] = r[VBE_XRES] / 8 - 1;
    v->cr[CR_VDISP] = last;
    v->cr[CR_OVERFLOW] = (v->cr[CR_OVERFLOW] & ~0x42) | (last >> 7 & 0x02) |
                         (last >> 3 & 0x40) | 0x10;
    v->cr[CR_LINE_COMPARE] = 0xff;
    v->cr[CR_MAX_SCAN] = (v->cr[CR_MAX_SCAN] & ~0x9f) | 0x40;
    v->gr[GR_MODE] &= ~0x70;
    if (r[VBE_BPP] == 4) {
        v->sr[SR_CLOCK] &= ~0x08;
        v->sr[SR_MEMORY] &= ~0x08;
    } else {
        v->gr[GR_MODE] |= 0x40;
        v->sr[SR_MEMORY] |= 0x08;
    }
    v->sr[SR_MAP_MASK] = 0x0f;
}

static void enable_write(VGACore *v, uint16_t val)
{
    uint16_t *r = v->vbe;
    bool was_on = vga_vbe_on(v);

    r[VBE_ENABLE] = val & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC |
                           VBE_LFB | VBE_NOCLEARMEM);
    v->dac_8bit = val & VBE_8BIT_DAC;
    if ((val & VBE_ENABLED) && !was_on) {
        r[VBE_VIRT_WIDTH] = 0;
        r[VBE_X_OFFSET] = r[VBE_Y_OFFSET] = 0;
        vbe_settle(v);
        if (!(val & VBE_NOCLEARMEM)) {
            uint32_t n = r[VBE_YRES] * line_bytes(v);

            memset(v->mem, 0, n);
            vga_dirty(v, 0, n);
        }
        set_vga_registers(v);
    } else if (!(val & VBE_ENABLED)) {
        r[VBE_BANK] = 0;
        v->bank_offset = 0;
    }
}

void vga_vbe_write(VGACore *v, unsigned index, uint16_t val)
{
    uint16_t *r = v->vbe;

    switch (index) {
    case VBE_ID:
        if (val >= VBE_ID0 && val <= VBE_ID5) {
            r[VBE_ID] = val;
        }
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP:
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        r[index] = val;
        /* Set before the mode is on, one after the other: settled then. */
        if (vga_vbe_on(v)) {
            vbe_settle(v);
            set_vga_registers(v);
        }
        break;
    case VBE_ENABLE:
        enable_write(v, val);
        break;
    case VBE_BANK: {
        /* 64 KiB of the window; four times that in planar modes. */
        uint32_t banks = v->size / 0x10000 / (r[VBE_BPP] == 4 ? 4 : 1);

        r[VBE_BANK] = val & (banks - 1);
        v->bank_offset = r[VBE_BANK] * 0x10000u;
        break;
    }
    case VBE_VIRT_HEIGHT: /* follows from the width */
        return;
    default:
        log_guest_error("vga: write of VBE register %u\n", index);
        return;
    }
    vga_update_window(v);
    v->colours_changed = true;
    console_wake(v->con);
}

uint16_t vga_vbe_read(VGACore *v, unsigned index)
{
    if (index == VBE_MEMORY_64K) {
        return v->size / 0x10000;
    }
    if (v->vbe[VBE_ENABLE] & VBE_GETCAPS) {
        switch (index) {
        case VBE_XRES:
            return VBE_MAX_XRES;
        case VBE_YRES:
            return VBE_MAX_YRES;
        case VBE_BPP:
            return VBE_MAX_BPP;
        }
    }
    return index < VBE_REGS ? v->vbe[index] : 0;
}

/* The registers may come from a saved state: everything is clamped again. */
bool vga_vbe_geometry(VGACore *v, VGAGeom *g)
{
    const uint16_t *r = v->vbe;
    unsigned bits;

    if (!v->has_vbe || !vga_vbe_on(v)) {
        return false;
    }
    vbe_settle(v);
    bits = pixel_bits(v);
    switch (r[VBE_BPP]) {
    case 4:
        g->kind = VGA_PLANAR;
        g->plane_mask = v->ar[AR_PLANES] & 0x0f;
        break;
    case 8:
        g->kind = VGA_PACKED8;
        break;
    case 15:
        g->kind = VGA_RGB15;
        break;
    case 16:
        g->kind = VGA_RGB16;
        break;
    case 24:
        g->kind = VGA_RGB24;
        break;
    default:
        g->kind = VGA_RGB32;
        break;
    }
    g->width = r[VBE_XRES];
    g->height = r[VBE_YRES];
    g->stride = line_bytes(v);
    g->start = r[VBE_X_OFFSET] * bits / 8 + r[VBE_Y_OFFSET] * g->stride;
    g->mask = v->size - 1;
    g->line_compare = UINT32_MAX;
    g->big_endian = v->big_endian;
    return true;
}

void vga_vbe_reset(VGACore *v)
{
    memset(v->vbe, 0, sizeof(v->vbe));
    v->vbe[VBE_ID] = VBE_ID5;
    v->vbe_index = 0;
    v->bank_offset = 0;
}

/* --- ports --- */

static uint64_t vbe_port_read(void *opaque, hwaddr addr, unsigned size)
{
    VGACore *v = opaque;

    return addr == 0 ? v->vbe_index : vga_vbe_read(v, v->vbe_index);
}

static void vbe_port_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    VGACore *v = opaque;

    if (addr == 0) {
        v->vbe_index = val;
    } else {
        vga_vbe_write(v, v->vbe_index, val);
    }
}

/* Words at any of the addresses: index 1CEh, data 1CFh (and 1D0h). */
const MemoryRegionOps vga_vbe_ops = {
    .read = vbe_port_read,
    .write = vbe_port_write,
    .access = { .min = 2, .max = 2, .unaligned = true },
    .impl = { .min = 2, .max = 2, .unaligned = true },
};
