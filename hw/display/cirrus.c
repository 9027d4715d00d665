/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cirrus CL-GD5446 on PCI, 1013:00B8.
 *
 * "CL-GD5446 Technical Reference Manual": extension registers in the free
 * indices of sequencer, graphics and CRT controller; packed modes of 8 to 32
 * bits; two banks or a linear aperture; a 64x64 cursor; the bit-block engine
 * (cirrus-blt.c).
 *
 * BAR 0 (32 MiB): video memory, from 16 MiB on the aperture for the engine's
 * data.  BAR 1 (4 KiB): ports 3C0h.. at 0, the engine's registers at 100h.
 * Where nothing but plain bytes is meant, video memory is mapped as RAM.
 */
#include "osdep.h"
#include "cirrus-int.h"
#include "util/log.h"

#define BAR0_SIZE      (32 * MiB)
#define APERTURE       (16 * MiB)
#define APERTURE_SIZE  (4 * MiB)
#define BANK_SIZE      0x8000
#define CURSOR_MEMORY  0x4000 /* patterns: the last 16 KiB */
#define CURSOR_ON      0x01
#define CURSOR_PALETTE 0x02
#define CURSOR_LARGE   0x04
#define CHIP_ID        0xb8
/* GRB */
#define EXT_TWO_BANKS  0x01
#define EXT_BY8        0x02
#define EXT_WRITE      0x04
#define EXT_BY16       0x10
#define EXT_16K        0x20

static bool extended(const CirrusState *s)
{
    return s->vga.sr[SR_EXT_MODE] & 1;
}

/* Bytes go to memory as they are: no expansion, no engine, no registers. */
static bool plain_memory(const CirrusState *s)
{
    const uint8_t *gr = s->vga.gr;
    unsigned mode = gr[GR_MODE] & 7;

    return !cirrus_blt_wants_data(s) && !(gr[GR_EXT_MODE] & EXT_BY8) &&
           (gr[GR_EXT_MODE] & (EXT_WRITE | EXT_BY16)) !=
               (EXT_WRITE | EXT_BY16) &&
           !((gr[GR_EXT_MODE] & EXT_WRITE) && (mode == 4 || mode == 5));
}

static bool linear_registers(const CirrusState *s)
{
    return (s->vga.sr[SR_CONFIG] & 0x44) == 0x44;
}

/* --- memory --- */

/* Eight pixels of foreground or (mode 5) background where bits are set. */
static void expand_write(CirrusState *s, uint32_t at, uint8_t bits,
                         unsigned bytes)
{
    VGACore *v = &s->vga;
    bool opaque = (v->gr[GR_MODE] & 7) == 5;
    uint8_t fg[2] = { s->gr1, v->gr[0x11] }, bg[2] = { s->gr0, v->gr[0x10] };

    for (unsigned x = 0; x < 8; x++, bits <<= 1) {
        for (unsigned i = 0; i < bytes; i++) {
            uint32_t to = (at + x * bytes + i) & (v->size - 1);

            if (bits & 0x80) {
                v->mem[to] = fg[i];
            } else if (opaque) {
                v->mem[to] = bg[i];
            }
        }
    }
    at &= v->size - 1;
    vga_dirty(v, at, MIN(8 * bytes, v->size - at));
    if (at + 8 * bytes > v->size) {
        vga_dirty(v, 0, at + 8 * bytes - v->size);
    }
}

/* An address in packed memory, as the extensions turn it. */
static uint32_t turned(const CirrusState *s, uint32_t at)
{
    unsigned ext = s->vga.gr[GR_EXT_MODE];

    if ((ext & (EXT_WRITE | EXT_BY16)) == (EXT_WRITE | EXT_BY16)) {
        at <<= 4;
    } else if (ext & EXT_BY8) {
        at <<= 3;
    }
    return at & (s->vga.size - 1);
}

static uint8_t packed_read(CirrusState *s, uint32_t at)
{
    return s->vga.mem[turned(s, at)];
}

static void packed_write(CirrusState *s, uint32_t at, uint8_t val)
{
    VGACore *v = &s->vga;
    unsigned ext = v->gr[GR_EXT_MODE], mode = v->gr[GR_MODE] & 7;

    at = turned(s, at);
    if (!(ext & EXT_WRITE) || mode < 4 || mode > 5) {
        v->mem[at] = val;
        vga_dirty(v, at, 1);
    } else {
        expand_write(s, at, val, ext & EXT_BY16 ? 2 : 1);
    }
}

static void update_banks(CirrusState *s)
{
    const uint8_t *gr = s->vga.gr;

    for (int i = 0; i < 2; i++) {
        bool two = gr[GR_EXT_MODE] & EXT_TWO_BANKS;
        uint32_t base = two ? gr[GR_OFFSET0 + i] : gr[GR_OFFSET0], left;

        base <<= gr[GR_EXT_MODE] & EXT_16K ? 14 : 12;
        left = base < s->vga.size ? s->vga.size - base : 0;
        if (!two && i == 1) {
            base += left > BANK_SIZE ? BANK_SIZE : 0;
            left = left > BANK_SIZE ? left - BANK_SIZE : 0;
        }
        s->bank_base[i] = base;
        s->bank_limit[i] = left;
    }
}

/* vga_update_window() asks: RAM seen through the banks and linearly. */
static bool cirrus_map(VGACore *v)
{
    CirrusState *s = cirrus_of(v);
    bool plain = plain_memory(s), linear = plain && !linear_registers(s);

    update_banks(s);
    memory_transaction_begin();
    for (int i = 0; i < 2; i++) {
        bool on = extended(s) && plain && s->bank_limit[i] >= BANK_SIZE;

        if (on && s->bank_ram[i].alias_offset != s->bank_base[i]) {
            memory_region_set_alias_offset(&s->bank_ram[i], s->bank_base[i]);
        }
        if (on != s->bank_ram[i].enabled) {
            memory_region_set_enabled(&s->bank_ram[i], on);
        }
    }
    if (linear != s->linear_ram.enabled) {
        memory_region_set_enabled(&s->linear_ram, linear);
    }
    memory_transaction_commit();
    return extended(s);
}

/* --- registers --- */

static uint8_t sr_read(CirrusState *s)
{
    VGACore *v = &s->vga;
    unsigned index = v->sr_index & 0x1f;

    switch (index) {
    case SR_CURSOR_X:
        return s->cursor_x >> 3;
    case SR_CURSOR_Y:
        return s->cursor_y >> 3;
    default:
        return v->sr[index];
    }
}

static bool sr_write(CirrusState *s, uint8_t val)
{
    VGACore *v = &s->vga;
    unsigned index = v->sr_index & 0x1f;

    switch (index) {
    case 0x00 ... 0x05:
        v->sr_index = index;
        return false;
    case SR_UNLOCK:
        v->sr[index] = (val & 0x17) == 0x12 ? 0x12 : 0x0f;
        break;
    case SR_CURSOR_X: /* the low bits come with the index */
        s->cursor_x = val << 3 | v->sr_index >> 5;
        break;
    case SR_CURSOR_Y:
        s->cursor_y = val << 3 | v->sr_index >> 5;
        break;
    case SR_CONFIG: /* the bus type is read only */
        v->sr[index] = (v->sr[index] & 0x38) | (val & 0xc7);
        break;
    default:
        v->sr[index] = val;
        break;
    }
    s->cursor_changed |= index >= SR_CURSOR_X && index <= SR_CURSOR_PATTERN;
    vga_update_window(v);
    console_wake(v->con);
    return true;
}

static void status_write(CirrusState *s, uint8_t val)
{
    uint8_t *gr = s->vga.gr, old = gr[GR_BLT_STATUS];

    gr[GR_BLT_STATUS] = (val & ~BLT_BUSY) | (old & (BLT_BUSY | BLT_BUFFERED));
    if ((old & BLT_RESET) && !(val & BLT_RESET)) {
        cirrus_blt_reset(s);
    } else if (!(old & BLT_START) && (val & BLT_START)) {
        cirrus_blt_start(s);
    }
}

static uint8_t gr_read(CirrusState *s, unsigned index)
{
    switch (index) {
    case 0:
        return s->gr0;
    case 1:
        return s->gr1;
    default:
        return index < 0x3a ? s->vga.gr[index] : 0xff;
    }
}

static bool gr_write(CirrusState *s, unsigned index, uint8_t val)
{
    VGACore *v = &s->vga;

    switch (index) {
    case GR_SET_RESET:
        s->gr0 = val;
        v->gr[index] = val & 0x0f;
        return true;
    case GR_ENABLE_SR:
        s->gr1 = val;
        v->gr[index] = val & 0x0f;
        return true;
    case 0x02 ... 0x04:
    case 0x06 ... 0x08:
        return false;
    case GR_MODE:
        v->gr[index] = val & 0x7f;
        break;
    case GR_OFFSET0 ... GR_EXT_MODE:
        v->gr[index] = val;
        break;
    case 0x0c ... 0x16:
    case GR_BLT_WIDTH:
    case GR_BLT_HEIGHT:
    case GR_BLT_DST_PITCH:
    case GR_BLT_SRC_PITCH:
    case GR_BLT_DST:
    case GR_BLT_DST + 1:
    case GR_BLT_SRC:
    case GR_BLT_SRC + 1:
    case GR_BLT_SKIP:
    case GR_BLT_MODE:
    case GR_BLT_ROP:
    case GR_BLT_MODE_EXT:
    case GR_BLT_KEY:
    case GR_BLT_KEY + 1:
    case 0x38:
    case 0x39:
        v->gr[index] = val;
        return true;
    case GR_BLT_WIDTH + 1:
    case GR_BLT_HEIGHT + 1:
    case GR_BLT_DST_PITCH + 1:
    case GR_BLT_SRC_PITCH + 1:
        v->gr[index] = val & 0x1f;
        return true;
    case GR_BLT_SRC + 2:
        v->gr[index] = val & 0x3f;
        return true;
    case GR_BLT_DST + 2:
        v->gr[index] = val & 0x3f;
        if (v->gr[GR_BLT_STATUS] & BLT_AUTOSTART) {
            cirrus_blt_start(s);
        }
        return true;
    case GR_BLT_STATUS:
        status_write(s, val);
        return true;
    default:
        return true;
    }
    vga_update_window(v);
    return true;
}

static uint8_t cr_read(CirrusState *s)
{
    VGACore *v = &s->vga;

    switch (v->cr_index) {
    case 0x00 ... 0x1d:
        return v->cr[v->cr_index];
    case 0x22: /* what the graphics controller has latched */
        return v->latch >> (8 * (v->gr[GR_READ_MAP] & 3));
    case 0x24: /* what the next write of 3C0h is */
        return v->ar_flip_flop << 7;
    case 0x25: /* part status */
        return 0;
    case 0x26:
        return v->ar_index & 0x3f;
    case 0x27:
        return CHIP_ID;
    default:
        return 0xff;
    }
}

static uint8_t cirrus_port_read(VGACore *v, uint16_t port, bool *done)
{
    CirrusState *s = cirrus_of(v);

    /* The fifth read of 3C6h in a row is the hidden register. */
    s->dac_reads = port == 0x3c6 ? MIN(s->dac_reads + 1, 5) : 0;
    *done = true;
    switch (port) {
    case 0x3c5:
        return sr_read(s);
    case 0x3c6:
        if (s->dac_reads == 5) {
            s->dac_reads = 0;
            return s->hidden_dac;
        }
        return v->dac_mask;
    case 0x3c9:
        if (v->sr[SR_CURSOR_ATTR] & CURSOR_PALETTE) {
            uint8_t val = s->cursor_palette[(v->dac_read & 15) * 3 +
                                            v->dac_sub];

            if (++v->dac_sub == 3) {
                v->dac_sub = 0;
                v->dac_read++;
            }
            return val;
        }
        break;
    case 0x3cf:
        return gr_read(s, v->gr_index);
    case 0x3b5:
    case 0x3d5:
        return cr_read(s);
    }
    *done = false;
    return 0;
}

static bool cirrus_port_write(VGACore *v, uint16_t port, uint8_t val)
{
    CirrusState *s = cirrus_of(v);
    unsigned reads = s->dac_reads;

    s->dac_reads = 0;
    switch (port) {
    case 0x3c4:
        v->sr_index = val;
        return true;
    case 0x3c5:
        return sr_write(s, val);
    case 0x3c6:
        if (reads == 4) {
            s->hidden_dac = val;
            return true;
        }
        return false;
    case 0x3c9:
        if (!(v->sr[SR_CURSOR_ATTR] & CURSOR_PALETTE)) {
            return false;
        }
        v->dac_cache[v->dac_sub++] = val;
        if (v->dac_sub == 3) {
            memcpy(&s->cursor_palette[(v->dac_write & 15) * 3], v->dac_cache,
                   3);
            v->dac_sub = 0;
            v->dac_write++;
            s->cursor_changed = true;
        }
        return true;
    case 0x3ce:
        v->gr_index = val;
        return true;
    case 0x3cf:
        return gr_write(s, v->gr_index, val);
    case 0x3b5:
    case 0x3d5: /* beyond CR1D nothing can be written */
        return v->cr_index > 0x1d;
    default:
        return false;
    }
}

/* --- the engine's registers in memory --- */

/* Offset to graphics controller register; 0: none. */
static const uint8_t mmio_gr[256] = {
    [0x00] = 0xff, /* GR0, told from "none" below */
    [0x01] = 0x10, [0x02] = 0x12, [0x03] = 0x14, [0x04] = 0x01,
    [0x05] = 0x11, [0x06] = 0x13, [0x07] = 0x15, [0x08] = 0x20,
    [0x09] = 0x21, [0x0a] = 0x22, [0x0b] = 0x23, [0x0c] = 0x24,
    [0x0d] = 0x25, [0x0e] = 0x26, [0x0f] = 0x27, [0x10] = 0x28,
    [0x11] = 0x29, [0x12] = 0x2a, [0x14] = 0x2c, [0x15] = 0x2d,
    [0x16] = 0x2e, [0x17] = 0x2f, [0x18] = 0x30, [0x1a] = 0x32,
    [0x1b] = 0x33, [0x1c] = 0x34, [0x1d] = 0x35, [0x20] = 0x38,
    [0x21] = 0x39, [0x40] = 0x31,
};

static uint8_t blt_mmio_read(CirrusState *s, unsigned at)
{
    unsigned reg = mmio_gr[at & 0xff];

    return reg ? gr_read(s, reg == 0xff ? 0 : reg) : 0xff;
}

static void blt_mmio_write(CirrusState *s, unsigned at, uint8_t val)
{
    unsigned reg = mmio_gr[at & 0xff];

    if (reg) {
        gr_write(s, reg == 0xff ? 0 : reg, val);
    }
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    CirrusState *s = opaque;

    if (addr >= 0x100) {
        return addr < 0x200 ? blt_mmio_read(s, addr - 0x100) : 0xff;
    }
    return addr < 0x20 ? vga_port_read(&s->vga, 0x3c0 + addr) : 0xff;
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    CirrusState *s = opaque;

    if (addr >= 0x100) {
        if (addr < 0x200) {
            blt_mmio_write(s, addr - 0x100, val);
        }
    } else if (addr < 0x20) {
        vga_port_write(&s->vga, 0x3c0 + addr, val);
    }
}

/* --- regions --- */

static bool low_registers(const CirrusState *s, uint32_t addr)
{
    return (s->vga.sr[SR_CONFIG] & 0x44) == 0x04 && addr >= 0x18000 &&
           addr < 0x18100;
}

static uint64_t low_read(void *opaque, hwaddr addr, unsigned size)
{
    VGACore *v = opaque;
    CirrusState *s = cirrus_of(v);
    uint32_t at = addr, bank = addr / BANK_SIZE, off = addr % BANK_SIZE;

    if (low_registers(s, addr)) {
        return blt_mmio_read(s, addr & 0xff);
    }
    if (!extended(s)) {
        return vga_window_offset(v, &at) ? vga_mem_read(v, at) : 0xff;
    }
    if (bank > 1 || off >= s->bank_limit[bank]) {
        return 0xff;
    }
    return packed_read(s, s->bank_base[bank] + off);
}

static void low_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    VGACore *v = opaque;
    CirrusState *s = cirrus_of(v);
    uint32_t at = addr, bank = addr / BANK_SIZE, off = addr % BANK_SIZE;

    if (low_registers(s, addr)) {
        blt_mmio_write(s, addr & 0xff, val);
    } else if (!extended(s)) {
        if (vga_window_offset(v, &at)) {
            vga_mem_write(v, at, val);
        }
    } else if (bank > 1) {
        return;
    } else if (cirrus_blt_wants_data(s)) {
        cirrus_blt_feed(s, val);
    } else if (off < s->bank_limit[bank]) {
        packed_write(s, s->bank_base[bank] + off, val);
    }
}

static bool linear_register(const CirrusState *s, hwaddr addr)
{
    return linear_registers(s) && (addr & (s->vga.size - 1)) >=
                                      s->vga.size - 0x100;
}

static uint64_t linear_read(void *opaque, hwaddr addr, unsigned size)
{
    CirrusState *s = opaque;

    return linear_register(s, addr) ? blt_mmio_read(s, addr)
                                    : packed_read(s, addr);
}

static void linear_write(void *opaque, hwaddr addr, uint64_t val,
                         unsigned size)
{
    CirrusState *s = opaque;

    if (linear_register(s, addr)) {
        blt_mmio_write(s, addr, val);
    } else if (cirrus_blt_wants_data(s)) {
        cirrus_blt_feed(s, val);
    } else {
        packed_write(s, addr, val);
    }
}

static uint64_t aperture_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0xff; /* data to the CPU: not offered by the engine here */
}

static void aperture_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    CirrusState *s = opaque;

    if (cirrus_blt_wants_data(s)) {
        cirrus_blt_feed(s, val);
    }
}

#define BYTE_OPS(name) \
    static const MemoryRegionOps name##_ops = { \
        .read = name##_read, .write = name##_write, \
        .impl = { .min = 1, .max = 1 }, \
    }
BYTE_OPS(mmio);
BYTE_OPS(low);
BYTE_OPS(linear);
BYTE_OPS(aperture);

/* --- the picture --- */

static bool cirrus_geometry(VGACore *v, VGAGeom *g)
{
    CirrusState *s = cirrus_of(v);
    const uint8_t *cr = v->cr;
    unsigned overflow = cr[CR_OVERFLOW];

    if (!extended(s)) {
        return false;
    }
    switch (v->sr[SR_EXT_MODE] & 0x0e) {
    case 0x00:
        g->kind = VGA_PACKED8;
        break;
    case 0x02: /* 15 or 16, as the DAC says */
        g->kind = s->hidden_dac & 0x0f ? VGA_RGB16 : VGA_RGB15;
        break;
    case 0x04:
        g->kind = VGA_RGB24;
        break;
    case 0x06:
        g->kind = VGA_RGB16;
        break;
    default:
        g->kind = VGA_RGB32;
        break;
    }
    g->width = (cr[CR_HDISP] + 1) * 8;
    g->height = (cr[CR_VDISP] | (overflow & 0x02) << 7 |
                 (overflow & 0x40) << 3) + 1;
    if (cr[0x1a] & 0x01) { /* interlaced */
        g->height *= 2;
    }
    g->stride = (cr[CR_OFFSET] | (cr[0x1b] & 0x10) << 4) * 8;
    g->start = (cr[CR_START_HI] << 8 | cr[CR_START_LO] |
                (cr[0x1b] & 0x01) << 16 | (cr[0x1b] & 0x0c) << 15 |
                (cr[0x1d] & 0x80) << 12) * 4;
    g->mask = v->size - 1;
    g->line_compare = cr[CR_LINE_COMPARE] | (overflow & 0x10) << 4 |
                      (cr[CR_MAX_SCAN] & 0x40) << 3;
    g->max_scan = cr[CR_MAX_SCAN] & 0x1f;
    g->twice = cr[CR_MAX_SCAN] >> 7;
    g->cursor = v->sr[SR_CURSOR_ATTR] & CURSOR_ON;
    return true;
}

static uint32_t cursor_colour(const CirrusState *s, unsigned index)
{
    const uint8_t *p = &s->cursor_palette[index * 3];
    uint32_t c = 0;

    for (int i = 0; i < 3; i++) {
        unsigned six = p[i] & 0x3f;

        c = c << 8 | six << 2 | (six & 1) * 3;
    }
    return c;
}

/* Two bits a pixel: nothing, inverted, background, foreground. */
static void cirrus_draw_cursor(VGACore *v, int y, uint32_t *line)
{
    CirrusState *s = cirrus_of(v);
    bool large = v->sr[SR_CURSOR_ATTR] & CURSOR_LARGE;
    int size = large ? 64 : 32, row = y - s->cursor_y;
    uint32_t base = v->size - CURSOR_MEMORY, plane1 = large ? 8 : 128;
    uint32_t colours[4] = { 0, 0, cursor_colour(s, 0), cursor_colour(s, 15) };
    const uint8_t *bits;

    if (row < 0 || row >= size) {
        return;
    }
    base += (v->sr[SR_CURSOR_PATTERN] & (large ? 0x3c : 0x3f)) * 256;
    bits = v->mem + base + row * (large ? 16 : 4);
    for (int i = 0; i < size && s->cursor_x + i < v->drawn.width; i++) {
        unsigned at = 7 - i % 8;
        unsigned p = (bits[i / 8] >> at & 1) |
                     (bits[plane1 + i / 8] >> at & 1) << 1;

        if (p == 1) {
            line[s->cursor_x + i] ^= 0xffffff;
        } else if (p) {
            line[s->cursor_x + i] = colours[p];
        }
    }
}

static bool cirrus_cursor_rows(VGACore *v, int *first, int *last)
{
    CirrusState *s = cirrus_of(v);
    int size = v->sr[SR_CURSOR_ATTR] & CURSOR_LARGE ? 64 : 32;

    s->cursor_changed |= memory_region_test_and_clear_dirty(
        &v->vram, v->size - CURSOR_MEMORY, CURSOR_MEMORY, DIRTY_MEMORY_VGA);
    if (!s->cursor_changed) {
        return false;
    }
    s->cursor_changed = false;
    *first = MIN(s->cursor_drawn_y, s->cursor_y);
    *last = MAX(s->cursor_drawn_y + 63, s->cursor_y + size - 1);
    s->cursor_drawn_y = s->cursor_y;
    return true;
}

/* --- device --- */

static bool map_regions(CirrusState *s)
{
    Object *o = &s->pci.qdev.obj;
    VGACore *v = &s->vga;

    memory_region_init(&s->bar0, o, "cirrus-pci-bar0", BAR0_SIZE);
    memory_region_init_io(&s->linear, o, &linear_ops, s, "cirrus-linear-io",
                          v->size);
    memory_region_add_subregion(&s->bar0, 0, &s->linear);
    memory_region_init_alias(&s->linear_ram, o, "cirrus-linear", &v->vram, 0,
                             v->size);
    memory_region_add_subregion_overlap(&s->bar0, 0, &s->linear_ram, 1);
    memory_region_init_io(&s->aperture, o, &aperture_ops, s,
                          "cirrus-bitblt-mmio", APERTURE_SIZE);
    memory_region_add_subregion_overlap(&s->bar0, APERTURE, &s->aperture, 1);
    memory_region_init_io(&s->mmio, o, &mmio_ops, s, "cirrus-mmio", 0x1000);
    for (int i = 0; i < 2; i++) {
        memory_region_init_alias(&s->bank_ram[i], o,
                                 i ? "cirrus-bank-1" : "cirrus-bank-0",
                                 &v->vram, 0, BANK_SIZE);
        memory_region_set_enabled(&s->bank_ram[i], false);
        memory_region_add_subregion_overlap(v->legacy, VGA_LOW_BASE +
                                            i * BANK_SIZE, &s->bank_ram[i], 3);
    }
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32 | PCI_BAR_PREFETCH, &s->bar0);
    pci_register_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static bool cirrus_realize(DeviceState *dev, Error **errp)
{
    CirrusState *s = (CirrusState *)dev;
    VGACore *v = &s->vga;
    PCIBus *bus = pci_bus_of(&s->pci);

    if (s->vgamem_mb != 4 && s->vgamem_mb != 8 && s->vgamem_mb != 16) {
        error_setg(errp, "Invalid cirrus_vga ram size '%u', it must be 4, 8 "
                         "or 16 (MiB)", s->vgamem_mb);
        return false;
    }
    v->ext_geometry = cirrus_geometry;
    v->ext_memory = cirrus_map;
    v->ext_read = cirrus_port_read;
    v->ext_write = cirrus_port_write;
    v->draw_cursor = cirrus_draw_cursor;
    v->cursor_rows = cirrus_cursor_rows;
    v->low_ops = &low_ops;
    return vga_core_realize(v, &dev->obj, s->vgamem_mb, bus->io, bus->mem,
                            errp) &&
           map_regions(s);
}

static void cirrus_unrealize(DeviceState *dev)
{
    CirrusState *s = (CirrusState *)dev;

    for (int i = 0; i < 2; i++) {
        memory_region_del_subregion(s->vga.legacy, &s->bank_ram[i]);
        memory_region_destroy(&s->bank_ram[i]);
    }
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->aperture);
    memory_region_destroy(&s->linear_ram);
    memory_region_destroy(&s->linear);
    memory_region_destroy(&s->bar0);
    vga_core_unrealize(&s->vga);
}

static void cirrus_reset(DeviceState *dev)
{
    CirrusState *s = (CirrusState *)dev;
    VGACore *v = &s->vga;

    s->gr0 = s->gr1 = 0;
    s->dac_reads = s->hidden_dac = 0;
    s->cursor_x = s->cursor_y = 0;
    memset(s->cursor_palette, 0, sizeof(s->cursor_palette));
    memset(&s->blt, 0, sizeof(s->blt));
    vga_core_reset(v);
    v->sr[SR_UNLOCK] = 0x0f;
    v->sr[0x0f] = 0x98; /* DRAM: 64 bits wide, two banks */
    v->sr[0x15] = 0x04; /* 4 MiB */
    v->sr[SR_CONFIG] = 0x20; /* PCI */
    v->sr[0x1f] = 0x2d; /* memory clock */
    v->gr[0x18] = 0x0f;
    vga_update_window(v);
}

static bool cirrus_post_load(void *opaque, int version, Error **errp)
{
    CirrusState *s = opaque;

    if (!cirrus_blt_valid(&s->blt) || s->dac_reads > 5) {
        error_setg(errp, "cirrus-vga: impossible state of the engine");
        return false;
    }
    s->cursor_x &= 0x7ff;
    s->cursor_y &= 0x7ff;
    vga_update_window(&s->vga);
    return true;
}

static const VMStateField cirrus_fields[] = {
    VMSTATE_PCI_DEVICE(pci, CirrusState),
    VMSTATE_VGA(vga, CirrusState),
    VMSTATE_UINT8(gr0, CirrusState),
    VMSTATE_UINT8(gr1, CirrusState),
    VMSTATE_UINT8(dac_reads, CirrusState),
    VMSTATE_UINT8(hidden_dac, CirrusState),
    VMSTATE_UINT8_ARRAY(cursor_palette, CirrusState, 48),
    VMSTATE_UINT16(cursor_x, CirrusState),
    VMSTATE_UINT16(cursor_y, CirrusState),
    VMSTATE_STRUCT(blt, CirrusState, CirrusBlt, vmstate_cirrus_blt),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_cirrus = {
    .name = "cirrus_vga",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = cirrus_post_load,
    .fields = cirrus_fields,
};

static const Property cirrus_props[] = {
    PROP_UINT32("vgamem_mb", CirrusState, vgamem_mb, 4),
    PROP_BOOL("blitter", CirrusState, blitter, true),
    PROP_END(),
};

static const PCIDeviceInfo cirrus_pci = {
    .vendor_id = 0x1013,
    .device_id = 0x00b8,
    .class_id = 0x0300,
    .romfile = "vgabios-cirrus.bin",
};

static const DeviceInfo cirrus_info = {
    .name = "cirrus-vga",
    .desc = "Cirrus CL-GD5446",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_DISPLAY,
    .no_hotplug = true,
    .fw_name = "display",
    .size = sizeof(CirrusState),
    .props = cirrus_props,
    .vmsd = &vmstate_cirrus,
    .bus_info = &cirrus_pci,
    .realize = cirrus_realize,
    .unrealize = cirrus_unrealize,
    .reset = cirrus_reset,
};

static void cirrus_register(void)
{
    device_register(&cirrus_info);
}
device_init(cirrus_register)
