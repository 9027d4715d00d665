/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg by I/O ports: selector 510h (16 bit), data 511h, DMA address
 * 514h-51Bh (big endian, the low half starts the transfer).
 */
#include "osdep.h"
#include "hw/nvram/fw_cfg.h"
#include "util/log.h"

#define FILE_NAME_MAX 56
#define DMA_ERROR  0x01
#define DMA_READ   0x02
#define DMA_SKIP   0x04
#define DMA_SELECT 0x08
#define DMA_WRITE  0x10
#define KEY_INVALID 0xffff
#define ARCH_LOCAL  0x8000
#define ENTRIES (FW_CFG_FILE_FIRST + FW_CFG_FILE_SLOTS)

typedef struct Entry {
    uint8_t *data; /* owned */
    uint32_t len;
    bool writable;
    void (*select)(void *);
    void (*written)(void *, uint32_t, uint32_t);
    void *opaque;
    char *name;    /* files */
} Entry;

struct FWCfgState {
    DeviceState qdev;
    /* Properties. */
    bool dma_enabled;
    /* Guest-visible state. */
    uint16_t cur_entry;
    uint32_t cur_offset;
    uint64_t dma_addr;
    /* Host side. */
    Entry entries[2][ENTRIES]; /* generic, architecture's own */
    unsigned files;
    MemoryRegion io, dma_io;
};

static FWCfgState *the_fw_cfg;

FWCfgState *fw_cfg_find(void)
{
    return the_fw_cfg;
}

static Entry *current(FWCfgState *s)
{
    unsigned key = s->cur_entry & 0x3fff;

    return s->cur_entry == KEY_INVALID || key >= ENTRIES
               ? NULL
               : &s->entries[s->cur_entry & ARCH_LOCAL ? 1 : 0][key];
}

static void fw_cfg_select(FWCfgState *s, uint16_t key)
{
    Entry *e;

    s->cur_offset = 0;
    /* Bit 14 asked for writing by port, which is gone. */
    s->cur_entry = (key & 0x3fff) < ENTRIES ? key & ~0x4000 : KEY_INVALID;
    e = current(s);
    if (e && e->select) {
        e->select(e->opaque);
    }
}

static uint8_t read_byte(FWCfgState *s)
{
    Entry *e = current(s);

    return e && e->data && s->cur_offset < e->len ? e->data[s->cur_offset++]
                                                  : 0;
}

/* Multi-byte reads give bytes in address order, first one on top. */
static uint64_t fw_cfg_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr == 1 ? read_byte(opaque) : 0;
}

static void fw_cfg_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    if (addr == 0 && size == 2) {
        fw_cfg_select(opaque, val);
    }
}

static const MemoryRegionOps fw_cfg_ops = {
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .access = { .min = 1, .max = 2, .unaligned = true },
};

/* --- DMA --- */

static bool dma_copy_out(FWCfgState *s, Entry *e, hwaddr addr, uint32_t len)
{
    static const uint8_t zeros[4096];
    uint32_t have = e && e->data && s->cur_offset < e->len
                        ? MIN(len, e->len - s->cur_offset) : 0;
    MemTxResult r = MEMTX_OK;

    if (have) {
        r = address_space_write(&address_space_memory, addr,
                                MEMTXATTRS_UNSPECIFIED,
                                e->data + s->cur_offset, have);
        s->cur_offset += have;
    }
    /* Past the end an item reads as zeros. */
    for (uint32_t done = have; done < len && r == MEMTX_OK;) {
        uint32_t n = MIN(len - done, sizeof(zeros));

        r = address_space_write(&address_space_memory, addr + done,
                                MEMTXATTRS_UNSPECIFIED, zeros, n);
        done += n;
    }
    return r == MEMTX_OK;
}

static bool dma_copy_in(FWCfgState *s, Entry *e, hwaddr addr, uint32_t len)
{
    uint32_t offset = s->cur_offset;

    if (!e || !e->writable || offset > e->len || len > e->len - offset ||
        address_space_read(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED,
                           e->data + offset, len) != MEMTX_OK) {
        return false;
    }
    s->cur_offset += len;
    if (e->written) {
        e->written(e->opaque, offset, len);
    }
    return true;
}

static void fw_cfg_dma(FWCfgState *s)
{
    hwaddr at = s->dma_addr;
    struct {
        uint32_t control, length;
        uint64_t address;
    } dma;
    uint32_t control, len, result = 0;
    hwaddr addr;
    bool ok = true;
    Entry *e;

    s->dma_addr = 0;
    if (address_space_read(&address_space_memory, at, MEMTXATTRS_UNSPECIFIED,
                           &dma, sizeof(dma)) != MEMTX_OK) {
        result = GUINT32_TO_BE(DMA_ERROR);
        address_space_write(&address_space_memory, at, MEMTXATTRS_UNSPECIFIED,
                            &result, 4);
        return;
    }
    control = GUINT32_FROM_BE(dma.control);
    len = GUINT32_FROM_BE(dma.length);
    addr = GUINT64_FROM_BE(dma.address);
    if (control & DMA_SELECT) {
        fw_cfg_select(s, control >> 16);
    }
    e = current(s);
    /* An item is never larger than this; a longer request is a mistake. */
    if (control & DMA_READ) {
        ok = len <= GiB && dma_copy_out(s, e, addr, len);
    } else if (control & DMA_WRITE) {
        ok = dma_copy_in(s, e, addr, len);
    } else if (control & DMA_SKIP) {
        if (e) {
            s->cur_offset = MIN((uint64_t)s->cur_offset + len, e->len);
        }
    }
    result = GUINT32_TO_BE(ok ? 0 : DMA_ERROR);
    address_space_write(&address_space_memory, at, MEMTXATTRS_UNSPECIFIED,
                        &result, 4);
}

static uint64_t dma_read(void *opaque, hwaddr addr, unsigned size)
{
    /* "QEMU CFG", so that firmware finds the interface. */
    return UINT64_C(0x51454d5520434647) >> (8 * (8 - addr - size));
}

static void dma_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    FWCfgState *s = opaque;

    if (size == 8 && addr == 0) {
        s->dma_addr = val;
        fw_cfg_dma(s);
    } else if (size == 4 && addr == 0) {
        s->dma_addr = val << 32;
    } else if (size == 4 && addr == 4) {
        s->dma_addr |= (uint32_t)val;
        fw_cfg_dma(s);
    }
}

static const MemoryRegionOps dma_ops = {
    .read = dma_read,
    .write = dma_write,
    .big_endian = true,
    .access = { .min = 1, .max = 8 },
};

/* --- contents --- */

static void set_entry(Entry *e, const void *data, size_t len)
{
    g_free(e->data);
    e->data = g_memdup2(len ? data : "", MAX(len, 1));
    e->len = len;
}

void fw_cfg_add_bytes(FWCfgState *s, uint16_t key, const void *data,
                      size_t len)
{
    unsigned n = key & 0x3fff;

    assert(n < ENTRIES && len <= UINT32_MAX);
    set_entry(&s->entries[key & ARCH_LOCAL ? 1 : 0][n], data, len);
}

void fw_cfg_add_i16(FWCfgState *s, uint16_t key, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    fw_cfg_add_bytes(s, key, &v, sizeof(v));
}

void fw_cfg_add_i32(FWCfgState *s, uint16_t key, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    fw_cfg_add_bytes(s, key, &v, sizeof(v));
}

void fw_cfg_add_i64(FWCfgState *s, uint16_t key, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    fw_cfg_add_bytes(s, key, &v, sizeof(v));
}

static Entry *file_entry(FWCfgState *s, unsigned i)
{
    return &s->entries[0][FW_CFG_FILE_FIRST + i];
}

/* The directory: count, then size, select, reserved, name; big endian. */
static void rebuild_dir(FWCfgState *s)
{
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint32_t n = GUINT32_TO_BE(s->files);

    g_byte_array_append(dir, (uint8_t *)&n, 4);
    for (unsigned i = 0; i < s->files; i++) {
        Entry *e = file_entry(s, i);
        uint32_t size = GUINT32_TO_BE(e->len);
        uint16_t sel[2] = { GUINT16_TO_BE(FW_CFG_FILE_FIRST + i), 0 };
        char name[FILE_NAME_MAX] = { 0 };

        g_strlcpy(name, e->name, sizeof(name));
        g_byte_array_append(dir, (uint8_t *)&size, 4);
        g_byte_array_append(dir, (uint8_t *)sel, 4);
        g_byte_array_append(dir, (uint8_t *)name, sizeof(name));
    }
    fw_cfg_add_bytes(s, FW_CFG_FILE_DIR, dir->data, dir->len);
}

bool fw_cfg_add_file_callback(FWCfgState *s, const char *name,
                              void (*select)(void *opaque),
                              void (*written)(void *opaque, uint32_t offset,
                                              uint32_t len),
                              void *opaque, const void *data, size_t len,
                              bool writable, Error **errp)
{
    unsigned i;
    Entry *e;

    if (!*name || strlen(name) >= FILE_NAME_MAX) {
        error_setg(errp, "fw_cfg file name '%s' must have 1 to %d characters",
                   name, FILE_NAME_MAX - 1);
        return false;
    }
    for (i = 0; i < s->files && strcmp(file_entry(s, i)->name, name); i++) {
    }
    if (i == FW_CFG_FILE_SLOTS) {
        error_setg(errp, "no room for fw_cfg file '%s'", name);
        return false;
    }
    e = file_entry(s, i);
    if (i == s->files) {
        s->files++;
        e->name = g_strdup(name);
    }
    set_entry(e, data, len);
    e->select = select;
    e->written = written;
    e->opaque = opaque;
    e->writable = writable;
    rebuild_dir(s);
    return true;
}

bool fw_cfg_add_file(FWCfgState *s, const char *name, const void *data,
                     size_t len, Error **errp)
{
    return fw_cfg_add_file_callback(s, name, NULL, NULL, NULL, data, len,
                                    false, errp);
}

uint8_t *fw_cfg_file_data(FWCfgState *s, const char *name, size_t *len)
{
    for (unsigned i = 0; i < s->files; i++) {
        Entry *e = file_entry(s, i);

        if (strcmp(e->name, name) == 0) {
            *len = e->len;
            return e->data;
        }
    }
    return NULL;
}

/* --- the device --- */

static void fw_cfg_reset(DeviceState *dev)
{
    FWCfgState *s = (FWCfgState *)dev;

    fw_cfg_select(s, 0);
    s->dma_addr = 0;
}

static bool fw_cfg_realize(DeviceState *dev, Error **errp)
{
    FWCfgState *s = (FWCfgState *)dev;

    memory_region_init_io(&s->io, &dev->obj, &fw_cfg_ops, s, "fwcfg", 2);
    if (s->dma_enabled) {
        memory_region_init_io(&s->dma_io, &dev->obj, &dma_ops, s, "fwcfg.dma",
                              8);
    }
    fw_cfg_add_bytes(s, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_i32(s, FW_CFG_ID, 1 | (s->dma_enabled ? 2 : 0));
    rebuild_dir(s);
    the_fw_cfg = s;
    return true;
}

static void fw_cfg_unrealize(DeviceState *dev)
{
    FWCfgState *s = (FWCfgState *)dev;

    the_fw_cfg = NULL;
    memory_region_destroy(&s->io);
    if (s->dma_enabled) {
        memory_region_destroy(&s->dma_io);
    }
}

static void fw_cfg_finalize(DeviceState *dev)
{
    FWCfgState *s = (FWCfgState *)dev;

    for (unsigned a = 0; a < 2; a++) {
        for (unsigned i = 0; i < ENTRIES; i++) {
            g_free(s->entries[a][i].data);
            g_free(s->entries[a][i].name);
        }
    }
}

static const Property fw_cfg_props[] = {
    PROP_BOOL("dma_enabled", FWCfgState, dma_enabled, true),
    PROP_END(),
};

static const VMStateField fw_cfg_fields[] = {
    VMSTATE_UINT16(cur_entry, FWCfgState),
    VMSTATE_UINT32(cur_offset, FWCfgState),
    VMSTATE_UINT64(dma_addr, FWCfgState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_fw_cfg = {
    .name = "fw_cfg",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = fw_cfg_fields,
};

static const DeviceInfo fw_cfg_info = {
    .name = "fw_cfg_io",
    .desc = "firmware configuration",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .fw_name = "fwcfg",
    .size = sizeof(FWCfgState),
    .props = fw_cfg_props,
    .vmsd = &vmstate_fw_cfg,
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
    .finalize = fw_cfg_finalize,
};

FWCfgState *fw_cfg_create(MemoryRegion *io, Error **errp)
{
    DeviceState *dev = device_new("fw_cfg_io");
    FWCfgState *s = (FWCfgState *)dev;

    if (!device_realize(dev, system_bus(), errp)) {
        return NULL;
    }
    memory_region_add_subregion(io, 0x510, &s->io);
    if (s->dma_enabled) {
        memory_region_add_subregion(io, 0x514, &s->dma_io);
    }
    return s;
}

static void fw_cfg_register(void)
{
    device_register(&fw_cfg_info);
}
device_init(fw_cfg_register)
