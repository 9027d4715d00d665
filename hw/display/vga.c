/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VGA registers and the memory window at A0000h.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; the
 * memory read and write modes are the graphics controller's section there.
 */
#include "osdep.h"
#include "util/log.h"
#include "vga-int.h"

#define ST01_DISPLAY_OFF 0x01
#define ST01_RETRACE     0x08

/* Bits that exist. */
static const uint8_t sr_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff };
static const uint8_t gr_mask[9] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f,
                                    0x0f, 0xff };

/* Four bits to four bytes. */
static const uint32_t plane_bytes[16] = {
    0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
    0x00ffff00, 0x00ffffff, 0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff,
    0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
};

void vga_dirty(VGACore *v, uint32_t at, uint32_t len)
{
    memory_region_set_dirty(&v->vram, at, len);
}

/* --- the window --- */

bool vga_window_offset(const VGACore *v, uint32_t *addr)
{
    switch (v->gr[GR_MISC] >> 2 & 3) {
    case 0:
        return true;
    case 1:
        if (*addr >= 0x10000) {
            return false;
        }
        *addr += v->bank_offset;
        return true;
    case 2:
        *addr -= 0x10000;
        return *addr < 0x8000;
    default:
        *addr -= 0x18000;
        return *addr < 0x8000;
    }
}

static bool odd_even(const VGACore *v)
{
    return v->gr[GR_MODE] & 0x10;
}

uint8_t vga_mem_read(VGACore *v, uint32_t addr)
{
    uint32_t word, at;
    unsigned plane = v->gr[GR_READ_MAP];

    if (v->sr[SR_MEMORY] & 0x08) { /* chain 4 */
        return addr < v->size ? v->mem[addr] : 0xff;
    }
    if (odd_even(v)) {
        plane = (plane & 2) | (addr & 1);
        addr >>= 1;
    }
    at = addr * 4;
    if (addr >= v->size / 4) {
        return 0xff;
    }
    memcpy(&v->latch, v->mem + at, 4);
    v->latch = GUINT32_FROM_LE(v->latch);
    if (!(v->gr[GR_MODE] & 0x08)) {
        return v->latch >> (plane * 8);
    }
    /* Read mode 1: which pixels have the colour, in the planes that count. */
    word = (v->latch ^ plane_bytes[v->gr[GR_COMPARE]]) &
           plane_bytes[v->gr[GR_DONT_CARE]];
    word |= word >> 16;
    word |= word >> 8;
    return ~word;
}

/* Set/reset instead of the CPU's data where enabled; then the ALU. */
static uint32_t alu(const VGACore *v, uint32_t data)
{
    switch (v->gr[GR_ROTATE] >> 3 & 3) {
    case 1:
        return data & v->latch;
    case 2:
        return data | v->latch;
    case 3:
        return data ^ v->latch;
    default:
        return data;
    }
}

static uint32_t planar_value(const VGACore *v, uint8_t val)
{
    unsigned rotate = v->gr[GR_ROTATE] & 7;
    uint8_t turned = val >> rotate | val << (8 - rotate);
    uint32_t mask = v->gr[GR_BIT_MASK] * 0x01010101u, data, set;

    switch (v->gr[GR_MODE] & 3) {
    case 0:
        set = plane_bytes[v->gr[GR_ENABLE_SR]];
        data = turned * 0x01010101u;
        data = alu(v, (data & ~set) |
                          (plane_bytes[v->gr[GR_SET_RESET]] & set));
        break;
    case 1:
        return v->latch;
    case 2:
        data = alu(v, plane_bytes[val & 0x0f]);
        break;
    default:
        mask &= turned * 0x01010101u;
        data = plane_bytes[v->gr[GR_SET_RESET]];
        break;
    }
    return (data & mask) | (v->latch & ~mask);
}

void vga_mem_write(VGACore *v, uint32_t addr, uint8_t val)
{
    uint32_t planes = v->sr[SR_MAP_MASK] & 0x0f, bytes, old, at;

    if (v->sr[SR_MEMORY] & 0x08) {
        if ((planes >> (addr & 3) & 1) && addr < v->size) {
            v->mem[addr] = val;
            v->font_changed |= (addr & 3) == 2;
            vga_dirty(v, addr, 1);
        }
        return;
    }
    if (odd_even(v)) {
        /* Even addresses to planes 0 and 2, odd ones to 1 and 3. */
        planes &= addr & 1 ? 0x0a : 0x05;
        addr >>= 1;
    }
    if (addr >= v->size / 4 || !planes) {
        return;
    }
    at = addr * 4;
    bytes = plane_bytes[planes];
    memcpy(&old, v->mem + at, 4);
    old = GUINT32_FROM_LE(old);
    old = GUINT32_TO_LE((old & ~bytes) | (planar_value(v, val) & bytes));
    memcpy(v->mem + at, &old, 4);
    v->font_changed |= planes >> 2 & 1;
    vga_dirty(v, at, 4);
}

static uint64_t low_read(void *opaque, hwaddr addr, unsigned size)
{
    VGACore *v = opaque;
    uint32_t at = addr;

    return vga_window_offset(v, &at) ? vga_mem_read(v, at) : 0xff;
}

static void low_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    VGACore *v = opaque;
    uint32_t at = addr;

    if (vga_window_offset(v, &at)) {
        vga_mem_write(v, at, val);
    }
}

static const MemoryRegionOps low_ops = {
    .read = low_read,
    .write = low_write,
    .impl = { .min = 1, .max = 1 },
};

/* Chain 4 with all planes: the window is plain RAM, no need to trap. */
void vga_update_window(VGACore *v)
{
    unsigned map = v->gr[GR_MISC] >> 2 & 3;
    uint32_t offset = map == 1 ? v->bank_offset : 0;
    uint32_t size = map == 1 ? 0x10000 : 0x20000;
    bool plain = (v->sr[SR_MEMORY] & 0x08) &&
                 (v->sr[SR_MAP_MASK] & 0x0f) == 0x0f && map <= 1 &&
                 offset <= v->size && size <= v->size - offset;

    if (!v->legacy) {
        return;
    }
    if (v->ext_memory && v->ext_memory(v)) {
        plain = false;
    }
    if (v->low_ram.enabled == plain &&
        (!plain || (v->low_ram.alias_offset == offset &&
                    v->low_ram.size == size))) {
        return;
    }
    memory_transaction_begin();
    if (plain) {
        memory_region_set_alias_offset(&v->low_ram, offset);
        memory_region_set_size(&v->low_ram, size);
    }
    memory_region_set_enabled(&v->low_ram, plain);
    memory_transaction_commit();
}

/* --- registers --- */

static void attr_write(VGACore *v, uint8_t val)
{
    unsigned index = v->ar_index & 0x1f;

    v->ar_flip_flop ^= 1;
    if (v->ar_flip_flop) {
        v->ar_index = val & 0x3f;
        return;
    }
    if (index < 0x10) {
        v->ar[index] = val & 0x3f;
    } else if (index < ARRAY_SIZE(v->ar)) {
        static const uint8_t mask[5] = { 0xef, 0xff, 0x3f, 0x0f, 0x0f };

        v->ar[index] = val & mask[index - 0x10];
    }
    v->colours_changed = true;
}

static void dac_write(VGACore *v, uint8_t val)
{
    v->dac_cache[v->dac_sub++] = val;
    if (v->dac_sub == 3) {
        memcpy(&v->palette[v->dac_write * 3], v->dac_cache, 3);
        v->dac_sub = 0;
        v->dac_write++;
        v->colours_changed = true;
    }
}

static uint8_t dac_read(VGACore *v)
{
    uint8_t val = v->palette[v->dac_read * 3 + v->dac_sub];

    if (++v->dac_sub == 3) {
        v->dac_sub = 0;
        v->dac_read++;
    }
    return val;
}

static void crtc_write(VGACore *v, uint8_t val)
{
    /* CR11 bit 7 protects CR0-CR7, but for the line compare bit in CR7. */
    if ((v->cr[CR_VSYNC_END] & 0x80) && v->cr_index <= CR_OVERFLOW) {
        if (v->cr_index == CR_OVERFLOW) {
            v->cr[CR_OVERFLOW] = (v->cr[CR_OVERFLOW] & ~0x10) | (val & 0x10);
        }
        return;
    }
    v->cr[v->cr_index] = val;
}

/* The colour or the monochrome addresses of CRTC and status are decoded. */
static bool decoded(const VGACore *v, uint16_t port)
{
    if ((port >= 0x3b0 && port <= 0x3bf) || (port >= 0x3d0 && port <= 0x3df)) {
        return (port >= 0x3d0) == (v->msr & 1);
    }
    return true;
}

uint8_t vga_port_read(VGACore *v, uint16_t port)
{
    bool done = false;
    uint8_t val;

    if (!decoded(v, port)) {
        return 0xff;
    }
    if (v->ext_read) {
        val = v->ext_read(v, port, &done);
        if (done) {
            return val;
        }
    }
    switch (port) {
    case 0x3c0:
        return v->ar_flip_flop ? 0 : v->ar_index;
    case 0x3c1:
        return (v->ar_index & 0x1f) < ARRAY_SIZE(v->ar)
                   ? v->ar[v->ar_index & 0x1f]
                   : 0;
    case 0x3c2:
        return 0x10; /* a monitor is there; no vertical interrupt */
    case 0x3c4:
        return v->sr_index;
    case 0x3c5:
        return v->sr[v->sr_index];
    case 0x3c6:
        return v->dac_mask;
    case 0x3c7:
        return v->dac_state;
    case 0x3c8:
        return v->dac_write;
    case 0x3c9:
        return dac_read(v);
    case 0x3ca:
        return v->fcr;
    case 0x3cc:
        return v->msr;
    case 0x3ce:
        return v->gr_index;
    case 0x3cf:
        return v->gr[v->gr_index];
    case 0x3b4:
    case 0x3d4:
        return v->cr_index;
    case 0x3b5:
    case 0x3d5:
        return v->cr[v->cr_index];
    case 0x3ba:
    case 0x3da:
        /*
         * Retrace alternates with display on every read: programs that wait
         * for either edge go on, whatever the speed of the machine.
         */
        v->st01 ^= ST01_RETRACE | ST01_DISPLAY_OFF;
        v->ar_flip_flop = 0;
        return v->st01;
    default:
        return 0xff;
    }
}

void vga_port_write(VGACore *v, uint16_t port, uint8_t val)
{
    if (!decoded(v, port) || (v->ext_write && v->ext_write(v, port, val))) {
        return;
    }
    switch (port) {
    case 0x3c0:
        attr_write(v, val);
        break;
    case 0x3c2:
        v->msr = val & ~0x10;
        break;
    case 0x3c4:
        v->sr_index = val & 7;
        break;
    case 0x3c5:
        v->sr[v->sr_index] = val & sr_mask[v->sr_index & 7];
        vga_update_window(v);
        break;
    case 0x3c6:
        v->dac_mask = val;
        v->colours_changed = true;
        break;
    case 0x3c7:
        v->dac_read = val;
        v->dac_sub = 0;
        v->dac_state = 3;
        break;
    case 0x3c8:
        v->dac_write = val;
        v->dac_sub = 0;
        v->dac_state = 0;
        break;
    case 0x3c9:
        dac_write(v, val);
        break;
    case 0x3ce:
        v->gr_index = val & 0x0f;
        break;
    case 0x3cf:
        if (v->gr_index < ARRAY_SIZE(gr_mask)) {
            v->gr[v->gr_index] = val & gr_mask[v->gr_index];
            vga_update_window(v);
        }
        break;
    case 0x3b4:
    case 0x3d4:
        v->cr_index = val;
        break;
    case 0x3b5:
    case 0x3d5:
        crtc_write(v, val);
        break;
    case 0x3ba:
    case 0x3da:
        v->fcr = val & 0x10;
        break;
    }
    if (v->con) {
        console_wake(v->con);
    }
}

/* --- regions --- */

static const struct {
    uint16_t first, n;
} port_ranges[] = {
    { 0x3b4, 2 }, { 0x3ba, 1 }, { 0x3c0, 16 }, { 0x3d4, 2 }, { 0x3da, 1 },
};

/* The regions know their place: their address is the port. */
#define PORT_OPS(n)                                                        \
    static uint64_t port_read_##n(void *opaque, hwaddr addr, unsigned sz)  \
    {                                                                      \
        return vga_port_read(opaque, port_ranges[n].first + addr);         \
    }                                                                      \
    static void port_write_##n(void *opaque, hwaddr addr, uint64_t val,    \
                               unsigned sz)                                \
    {                                                                      \
        vga_port_write(opaque, port_ranges[n].first + addr, val);          \
    }
PORT_OPS(0)
PORT_OPS(1)
PORT_OPS(2)
PORT_OPS(3)
PORT_OPS(4)

#define OPS(n) { .read = port_read_##n, .write = port_write_##n, \
                 .impl = { .min = 1, .max = 1 } }
static const MemoryRegionOps port_ops[] = {
    OPS(0), OPS(1), OPS(2), OPS(3), OPS(4),
};

static void map_legacy(VGACore *v, MemoryRegion *io, MemoryRegion *mem)
{
    for (unsigned i = 0; i < ARRAY_SIZE(port_ranges); i++) {
        memory_region_init_io(&v->ports[i], v->owner, &port_ops[i], v, "vga",
                              port_ranges[i].n);
        memory_region_add_subregion(io, port_ranges[i].first, &v->ports[i]);
    }
    v->io = io;
    v->legacy = mem;
    memory_region_init_io(&v->low, v->owner,
                          v->low_ops ? v->low_ops : &low_ops, v,
                          "vga-lowmem", VGA_LOW_SIZE);
    memory_region_set_coalescing(&v->low);
    memory_region_add_subregion_overlap(mem, VGA_LOW_BASE, &v->low, 1);
    memory_region_init_alias(&v->low_ram, v->owner, "vga.chain4", &v->vram, 0,
                             0x10000);
    memory_region_set_enabled(&v->low_ram, false);
    memory_region_add_subregion_overlap(mem, VGA_LOW_BASE, &v->low_ram, 2);
}

bool vga_core_realize(VGACore *v, Object *owner, uint32_t mb,
                      MemoryRegion *io, MemoryRegion *mem, Error **errp)
{
    uint64_t size = MiB;

    while (size < mb * MiB && size < VGA_MAX_VRAM) {
        size *= 2;
    }
    v->owner = owner;
    v->size = size;
    if (!memory_region_init_ram(&v->vram, owner, "vga.vram", size, errp)) {
        return false;
    }
    v->mem = memory_region_ram_ptr(&v->vram);
    v->dirty = g_malloc0(size >> 12);
    v->line_copy = g_malloc(CONSOLE_MAX_SIZE * 4 + 64);
    v->line_wide = g_new(uint32_t, CONSOLE_MAX_SIZE + 32);
    if (io) {
        map_legacy(v, io, mem);
    }
    v->con = console_new(owner, 0, owner->type->name, &vga_console_ops, v);
    return true;
}

void vga_core_unrealize(VGACore *v)
{
    console_free(v->con);
    v->con = NULL;
    if (v->io) {
        for (unsigned i = 0; i < ARRAY_SIZE(v->ports); i++) {
            memory_region_del_subregion(v->io, &v->ports[i]);
            memory_region_destroy(&v->ports[i]);
        }
        memory_region_del_subregion(v->legacy, &v->low_ram);
        memory_region_destroy(&v->low_ram);
        memory_region_del_subregion(v->legacy, &v->low);
        memory_region_destroy(&v->low);
    }
    memory_region_destroy(&v->vram);
    g_free(v->dirty);
    g_free(v->line_copy);
    g_free(v->line_wide);
    g_free(v->cells);
}

void vga_core_reset(VGACore *v)
{
    v->sr_index = v->gr_index = v->ar_index = v->cr_index = 0;
    memset(v->sr, 0, sizeof(v->sr));
    memset(v->gr, 0, sizeof(v->gr));
    memset(v->ar, 0, sizeof(v->ar));
    memset(v->cr, 0, sizeof(v->cr));
    v->ar_flip_flop = 0;
    v->msr = v->fcr = v->st01 = 0;
    v->dac_state = v->dac_sub = v->dac_read = v->dac_write = 0;
    v->dac_mask = 0xff;
    memset(v->dac_cache, 0, sizeof(v->dac_cache));
    memset(v->palette, 0, sizeof(v->palette));
    v->dac_8bit = v->big_endian = false;
    v->latch = v->bank_offset = 0;
    vga_vbe_reset(v);
    vga_update_window(v);
    v->all = v->colours_changed = true;
}

static bool core_post_load(void *opaque, int version, Error **errp)
{
    VGACore *v = opaque;

    if (v->dac_sub > 2 || v->bank_offset > v->size ||
        (!v->ext_write && (v->sr_index > 7 || v->gr_index > 15))) {
        error_setg(errp, "vga: impossible register values");
        return false;
    }
    v->gr[GR_READ_MAP] &= 3;
    for (unsigned i = 0; i < ARRAY_SIZE(gr_mask); i++) {
        if (!v->ext_write) {
            v->gr[i] &= gr_mask[i];
        }
    }
    vga_update_window(v);
    v->all = v->colours_changed = true;
    return true;
}

static const VMStateField core_fields[] = {
    VMSTATE_UINT8(sr_index, VGACore),
    VMSTATE_UINT8_ARRAY(sr, VGACore, 256),
    VMSTATE_UINT8(gr_index, VGACore),
    VMSTATE_UINT8_ARRAY(gr, VGACore, 256),
    VMSTATE_UINT8(ar_index, VGACore),
    VMSTATE_UINT8_ARRAY(ar, VGACore, 21),
    VMSTATE_UINT8(ar_flip_flop, VGACore),
    VMSTATE_UINT8(cr_index, VGACore),
    VMSTATE_UINT8_ARRAY(cr, VGACore, 256),
    VMSTATE_UINT8(msr, VGACore),
    VMSTATE_UINT8(fcr, VGACore),
    VMSTATE_UINT8(st01, VGACore),
    VMSTATE_UINT8(dac_state, VGACore),
    VMSTATE_UINT8(dac_sub, VGACore),
    VMSTATE_UINT8(dac_read, VGACore),
    VMSTATE_UINT8(dac_write, VGACore),
    VMSTATE_UINT8(dac_mask, VGACore),
    VMSTATE_UINT8_ARRAY(dac_cache, VGACore, 3),
    VMSTATE_UINT8_ARRAY(palette, VGACore, 768),
    VMSTATE_BOOL(dac_8bit, VGACore),
    VMSTATE_BOOL(big_endian, VGACore),
    VMSTATE_UINT32(latch, VGACore),
    VMSTATE_UINT32(bank_offset, VGACore),
    VMSTATE_UINT16(vbe_index, VGACore),
    VMSTATE_UINT16_ARRAY(vbe, VGACore, VBE_REGS),
    VMSTATE_END(),
};

const VMStateDescription vmstate_vga_core = {
    .name = "vga/core",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = core_post_load,
    .fields = core_fields,
};
