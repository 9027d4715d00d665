/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA that every card here has inside: registers and the window at A0000h
 * (vga.c), Bochs' extensions (vga-vbe.c), the picture (vga-draw.c).
 *
 * Video memory is one array.  Plane p at address a is byte 4a + p; with chain
 * 4 the CPU's address is the index itself, so that packed modes and the linear
 * frame buffer see plain pixels.
 *
 * 1. Nothing is drawn when a register changes: vga_refresh() works out the
 *    geometry from the registers, and compares it with what was drawn last.
 * 2. No register value is trusted there: sizes are clamped, addresses wrap at
 *    geom.mask, which lies inside the video memory.
 * 3. Stores of ours go to the dirty bitmap by vga_dirty(), those of the CPU
 *    through RAM mappings by themselves.
 */
#ifndef HW_DISPLAY_VGA_INT_H
#define HW_DISPLAY_VGA_INT_H

#include "exec/memory.h"
#include "hw/qdev.h"
#include "ui/console.h"

#define VGA_LOW_BASE 0xa0000
#define VGA_LOW_SIZE 0x20000
#define VGA_PLANE_MASK 0x3ffff /* 4 planes of 64 KiB */
#define VGA_MAX_VRAM (512 * MiB)

/* Sequencer, graphics controller, attribute controller, CRT controller. */
enum { SR_RESET, SR_CLOCK, SR_MAP_MASK, SR_FONT, SR_MEMORY };
enum { GR_SET_RESET, GR_ENABLE_SR, GR_COMPARE, GR_ROTATE, GR_READ_MAP,
       GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK };
enum { AR_MODE = 0x10, AR_OVERSCAN, AR_PLANES, AR_PANNING, AR_COLOR };
enum {
    CR_HDISP = 0x01, CR_OVERFLOW = 0x07, CR_PRESET_ROW, CR_MAX_SCAN,
    CR_CURSOR_START, CR_CURSOR_END, CR_START_HI, CR_START_LO, CR_CURSOR_HI,
    CR_CURSOR_LO, CR_VSYNC_END = 0x11, CR_VDISP, CR_OFFSET, CR_UNDERLINE,
    CR_MODE = 0x17, CR_LINE_COMPARE
};

/* Bochs' registers by index (the Bochs project's VBE description). */
enum { VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK,
       VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET,
       VBE_MEMORY_64K, VBE_REGS };
enum { VBE_ENABLED = 0x01, VBE_GETCAPS = 0x02, VBE_8BIT_DAC = 0x20,
       VBE_LFB = 0x40, VBE_NOCLEARMEM = 0x80 };
#define VBE_MAX_XRES 16000
#define VBE_MAX_YRES 12000
#define VBE_MAX_BPP  32

typedef enum VGAKind {
    VGA_BLANK, VGA_TEXT, VGA_PLANAR, VGA_CGA, VGA_PACKED8, VGA_RGB15,
    VGA_RGB16, VGA_RGB24, VGA_RGB32,
} VGAKind;

/* How the picture lies in video memory, all checked and clamped. */
typedef struct VGAGeom {
    uint32_t kind;
    int32_t width, height;   /* pixels of the surface */
    uint32_t start, stride;  /* bytes of the array */
    uint32_t mask;           /* addresses wrap: array size - 1 */
    uint32_t line_compare;   /* scan line after which `start` is 0 */
    uint32_t max_scan, twice; /* scan lines a row, less one; each twice */
    uint32_t hdouble;        /* pixels twice as wide */
    uint32_t row_mask;       /* bits of the scan line in the address: CGA */
    uint32_t bit13_shift;    /* where they go */
    uint32_t panning;        /* pixels */
    uint32_t pan_resets;     /* no panning after line_compare */
    uint32_t big_endian;
    uint32_t cursor;         /* the card draws one into the picture */
    /* Text. */
    uint32_t cell_width, cell_height, columns, rows;
    uint32_t font[2];        /* in the array, characters 0 */
    uint32_t line_graphics, blink;
    uint32_t plane_mask;     /* planar: planes that show */
} VGAGeom;

typedef struct VGACore VGACore;
struct VGACore {
    /* Guest-visible state: vmstate_vga_core. */
    uint8_t sr_index, sr[256];
    uint8_t gr_index, gr[256];
    uint8_t ar_index, ar[21], ar_flip_flop;
    uint8_t cr_index, cr[256];
    uint8_t msr, fcr, st01;
    uint8_t dac_state, dac_sub, dac_read, dac_write, dac_mask;
    uint8_t dac_cache[3], palette[768];
    bool dac_8bit, big_endian;
    uint32_t latch, bank_offset;
    uint16_t vbe_index, vbe[VBE_REGS];
    /* Host side. */
    Object *owner;
    MemoryRegion vram;        /* "vga.vram" */
    uint8_t *mem;
    uint32_t size;            /* bytes, a power of two */
    MemoryRegion *legacy;     /* address space with the window; NULL: none */
    MemoryRegion low, low_ram; /* the window; RAM seen through it */
    MemoryRegion ports[5];
    MemoryRegion *io;         /* where they are mapped */
    bool has_vbe;
    Console *con;
    /* What cards add; NULL: nothing. */
    bool (*ext_geometry)(VGACore *v, VGAGeom *g);
    void (*draw_cursor)(VGACore *v, int y, uint32_t *line);
    /* Rows where the cursor was or is now another than drawn; false: none. */
    bool (*cursor_rows)(VGACore *v, int *first, int *last);
    /* Maps the window by itself: true. */
    bool (*ext_memory)(VGACore *v);
    uint8_t (*ext_read)(VGACore *v, uint16_t port, bool *done);
    bool (*ext_write)(VGACore *v, uint16_t port, uint8_t val);
    const MemoryRegionOps *low_ops; /* NULL: vga.c's own */
    /* The picture as it was drawn last. */
    VGAGeom drawn;
    bool all, colours_changed, font_changed, shares_vram;
    uint32_t colours[256], drawn16[16];
    uint16_t *cells;          /* character, attribute; owned */
    uint32_t cells_n;
    uint32_t cursor_cell;     /* UINT32_MAX: none drawn */
    uint8_t cursor_shape[2];
    bool blink_on;
    uint8_t *line_copy;       /* one row that wraps around; owned */
    uint32_t *line_wide;      /* one row with room for panning; owned */
    uint8_t *dirty;           /* snapshot, one byte a page; owned */
};

/*
 * Makes memory and console.  @mb: MiB, rounded up to a power of two.  @io and
 * @mem: where ports and window go, NULL for a card without.  Hooks and
 * v->has_vbe are set before.
 */
bool vga_core_realize(VGACore *v, Object *owner, uint32_t mb,
                      MemoryRegion *io, MemoryRegion *mem, Error **errp);
void vga_core_unrealize(VGACore *v);
void vga_core_reset(VGACore *v);
extern const VMStateDescription vmstate_vga_core;
#define VMSTATE_VGA(f, S) VMSTATE_STRUCT(f, S, VGACore, vmstate_vga_core)

/* vga.c: ports 3B0h..3DFh and the window, also for cards' own regions. */
uint8_t vga_port_read(VGACore *v, uint16_t port);
void vga_port_write(VGACore *v, uint16_t port, uint8_t val);
uint8_t vga_mem_read(VGACore *v, uint32_t addr);
void vga_mem_write(VGACore *v, uint32_t addr, uint8_t val);
/* @addr of the window as an offset behind the memory map of GR6; false: this
 * address is not decoded. */
bool vga_window_offset(const VGACore *v, uint32_t *addr);
/* Maps or unmaps what of the window is plain RAM. */
void vga_update_window(VGACore *v);
void vga_dirty(VGACore *v, uint32_t at, uint32_t len);

/* vga-vbe.c */
void vga_vbe_reset(VGACore *v);
void vga_vbe_write(VGACore *v, unsigned index, uint16_t val);
uint16_t vga_vbe_read(VGACore *v, unsigned index);
bool vga_vbe_geometry(VGACore *v, VGAGeom *g);
extern const MemoryRegionOps vga_vbe_ops;
static inline bool vga_vbe_on(const VGACore *v)
{
    return v->vbe[VBE_ENABLE] & VBE_ENABLED;
}

/* vga-draw.c */
extern const ConsoleOps vga_console_ops;
void vga_geometry(VGACore *v, VGAGeom *g);

#endif
