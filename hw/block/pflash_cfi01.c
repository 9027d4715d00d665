/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallel NOR flash with Intel's command set.
 *
 * JESD68.01 (CFI), Intel 28F320J3/640J3/128J3 data sheet (290667) for the
 * commands and the status register.  Commands:
 *
 *     FF read array        70 read status       50 clear status
 *     90 read identifiers  98 CFI query
 *     10/40 DATA program   20 D0 erase block    60 01/D0 lock, unlock
 *     E8 N-1 DATA... D0 write to buffer
 *
 * While the array is read, the guest sees the memory itself (romd).  What is
 * programmed and erased goes to the drive at once.  A cleared status reads as
 * 0, ready bit and all: this is how EDK2 tells flash from RAM and ROM.
 */
#include "osdep.h"
#include "hw/block/flash.h"
#include "exec/x86.h"
#include "util/log.h"

enum {
    CMD_READ_ARRAY_0 = 0x00, CMD_LOCK_OK = 0x01, CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20, CMD_ERASE_28 = 0x28, CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50, CMD_LOCK = 0x60, CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90, CMD_CFI = 0x98, CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8, CMD_SUSPEND = 0xb0, CMD_READ_ARRAY_F0 = 0xf0,
    CMD_READ_ARRAY = 0xff,
};
#define STATUS_READY       0x80
#define STATUS_ERASE_ERR   0x20
#define STATUS_PROGRAM_ERR 0x10
#define BUFFER_MAX 2048
#define CFI_LEN    0x52

typedef struct PFlash {
    DeviceState qdev;
    /* Properties. */
    BlockBackend *blk;
    uint32_t blocks;
    uint64_t sector_len;
    bool secure;
    uint16_t id[4];
    char *name;
    /* Guest-visible state; the array's contents are the memory's. */
    uint8_t cmd;          /* what reads answer, and what is under way */
    uint8_t cycle;        /* 0: the next write is a command */
    uint8_t status;
    uint32_t count;       /* bytes that the buffer still takes */
    uint64_t buffer_base;
    uint8_t buffer[BUFFER_MAX];
    uint8_t buffer_used[BUFFER_MAX];
    /* Host side. */
    MemoryRegion mr;
    uint8_t *array;
    uint64_t size;
    bool read_only;
    uint8_t cfi[CFI_LEN];
} PFlash;

static void set_array_mode(PFlash *s)
{
    s->cycle = 0;
    s->cmd = CMD_READ_ARRAY_0;
    memory_region_rom_device_set_romd(&s->mr, true);
}

/* --- changing the array --- */

/* Whole sectors of the drive; a failure shows in the status. */
static void store(PFlash *s, uint64_t at, uint64_t len, uint8_t error)
{
    uint64_t from = ROUND_DOWN(at, BLK_SECTOR);
    uint64_t to = ROUND_UP(at + len, BLK_SECTOR);

    memory_region_set_dirty(&s->mr, at, len);
    if (s->blk && !s->read_only &&
        blk_pwrite(s->blk, from, s->array + from, MIN(to, s->size) - from,
                   0) < 0) {
        s->status |= error;
    }
}

/* Bits go from 1 to 0 only. */
static void program(PFlash *s, uint64_t at, uint64_t val, unsigned size)
{
    if (s->read_only || at + size > s->size) {
        s->status |= STATUS_PROGRAM_ERR;
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        s->array[at + i] &= val >> 8 * i;
    }
    store(s, at, size, STATUS_PROGRAM_ERR);
}

static void erase(PFlash *s, uint64_t at)
{
    at = ROUND_DOWN(at, s->sector_len);
    if (s->read_only) {
        s->status |= STATUS_ERASE_ERR;
    } else {
        memset(s->array + at, 0xff, s->sector_len);
        store(s, at, s->sector_len, STATUS_ERASE_ERR);
    }
    s->status |= STATUS_READY;
}

static void buffer_add(PFlash *s, uint64_t at, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint64_t k = at + i - s->buffer_base;

        /* All of it within one aligned buffer. */
        if (k < BUFFER_MAX) {
            s->buffer[k] = val >> 8 * i;
            s->buffer_used[k] = 1;
        } else {
            s->status |= STATUS_PROGRAM_ERR;
        }
    }
    s->count -= MIN(s->count, size);
}

static void buffer_program(PFlash *s)
{
    if (s->read_only) {
        s->status |= STATUS_PROGRAM_ERR;
    } else if (!(s->status & STATUS_PROGRAM_ERR)) {
        uint64_t len = MIN(BUFFER_MAX, s->size - s->buffer_base);

        for (uint64_t i = 0; i < len; i++) {
            if (s->buffer_used[i]) {
                s->array[s->buffer_base + i] &= s->buffer[i];
            }
        }
        store(s, s->buffer_base, len, STATUS_PROGRAM_ERR);
    }
    s->status |= STATUS_READY;
}

/* --- bus --- */

static uint64_t repeat(uint8_t byte, unsigned size)
{
    /* One chip, eight bits wide: every byte of a wide read is an answer. */
    return (UINT64_C(0x0101010101010101) * byte) >> 8 * (8 - size);
}

static MemTxResult pflash_read(void *opaque, hwaddr addr, uint64_t *val,
                               unsigned size, MemTxAttrs attrs)
{
    PFlash *s = opaque;
    uint64_t v = 0;

    switch (s->cmd) {
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
    case CMD_ERASE_28:
    case CMD_PROGRAM:
    case CMD_CLEAR_STATUS:
    case CMD_LOCK:
    case CMD_READ_STATUS:
    case CMD_BUFFER:
        v = repeat(s->status, size);
        break;
    case CMD_READ_ID:
        v = (addr & 0xff) == 0   ? s->id[0] << 8 | s->id[1]
            : (addr & 0xff) == 1 ? s->id[2] << 8 | s->id[3]
                                 : 0;
        break;
    case CMD_CFI:
        for (unsigned i = 0; i < size; i++) {
            v |= (uint64_t)(addr + i < CFI_LEN ? s->cfi[addr + i] : 0)
                 << 8 * i;
        }
        break;
    default:
        for (unsigned i = 0; i < size; i++) {
            v |= (uint64_t)s->array[addr + i] << 8 * i;
        }
        break;
    }
    *val = v;
    return MEMTX_OK;
}

static void command(PFlash *s, uint64_t addr, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PROGRAM_ALT:
    case CMD_PROGRAM:
    case CMD_LOCK:
        break;
    case CMD_ERASE:
    case CMD_ERASE_28:
        break;
    case CMD_CLEAR_STATUS:
        s->status = 0;
        set_array_mode(s);
        return;
    case CMD_READ_STATUS:
    case CMD_READ_ID:
    case CMD_CFI:
        s->cmd = cmd;
        memory_region_rom_device_set_romd(&s->mr, false);
        return;
    case CMD_BUFFER:
        s->status |= STATUS_READY;
        break;
    default:
        if (cmd != CMD_READ_ARRAY && cmd != CMD_READ_ARRAY_0 &&
            cmd != CMD_READ_ARRAY_F0) {
            log_mask(LOG_UNIMP, "pflash: command 0x%02x\n", cmd);
        }
        set_array_mode(s);
        return;
    }
    s->cmd = cmd;
    s->cycle = 1;
    memory_region_rom_device_set_romd(&s->mr, false);
}

static void second_cycle(PFlash *s, uint64_t addr, uint64_t val, unsigned size)
{
    uint8_t byte = val;

    switch (s->cmd) {
    case CMD_PROGRAM_ALT:
    case CMD_PROGRAM:
        program(s, addr, val, size);
        s->status |= STATUS_READY;
        s->cycle = 0;
        break;
    case CMD_ERASE:
    case CMD_ERASE_28:
        if (byte == CMD_CONFIRM) {
            erase(s, addr);
            s->cycle = 0;
        } else if (byte == CMD_READ_ARRAY) {
            set_array_mode(s);
        } else {
            /* Wrong sequence: both error bits (data sheet, table 19). */
            s->status |= STATUS_READY | STATUS_ERASE_ERR | STATUS_PROGRAM_ERR;
            s->cycle = 0;
        }
        break;
    case CMD_LOCK:
        /* No block can be locked: both are done at once. */
        s->status |= STATUS_READY;
        s->cycle = 0;
        if (byte != CMD_LOCK_OK && byte != CMD_CONFIRM) {
            set_array_mode(s);
        }
        break;
    case CMD_BUFFER:
        s->count = byte + 1u;
        s->buffer_base = ROUND_DOWN(addr, BUFFER_MAX);
        memset(s->buffer_used, 0, sizeof(s->buffer_used));
        s->cycle = 2;
        break;
    }
}

static MemTxResult pflash_write(void *opaque, hwaddr addr, uint64_t val,
                                unsigned size, MemTxAttrs attrs)
{
    PFlash *s = opaque;

    /* With `secure` only SMM may change the flash or its mode. */
    if (s->secure && !(current_cpu && x86_cpu_in_smm(current_cpu))) {
        return MEMTX_ERROR;
    }
    if (s->cycle == 0) {
        command(s, addr, val);
    } else if (s->cycle == 1) {
        second_cycle(s, addr, val, size);
    } else if (s->count) {
        buffer_add(s, addr, val, size);
    } else {
        if ((uint8_t)val == CMD_CONFIRM) {
            buffer_program(s);
        } else {
            s->status |= STATUS_READY | STATUS_ERASE_ERR | STATUS_PROGRAM_ERR;
        }
        s->cycle = 0;
    }
    return MEMTX_OK;
}

static const MemoryRegionOps pflash_ops = {
    .read_attrs = pflash_read,
    .write_attrs = pflash_write,
};

/* --- the device --- */

/* JESD68.01, table 1 and on; the numbers of a 28F part with one region. */
static void make_cfi(PFlash *s)
{
    static const uint8_t fixed[] = {
        'Q', 'R', 'Y', 0x01, 0x00, /* Intel extended command set */
        0x31, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x45, 0x55, 0x00, 0x00,    /* 4.5 to 5.5 V */
        0x07, 0x07, 0x0a, 0x00,    /* typical times: 2^n */
        0x04, 0x04, 0x04, 0x00,    /* maximum, in multiples of typical */
    };

    memcpy(s->cfi + 0x10, fixed, sizeof(fixed));
    s->cfi[0x27] = s->size > 1 ? 63 - __builtin_clzll(s->size) : 0;
    s->cfi[0x28] = 0x02;
    s->cfi[0x2a] = 11; /* buffer of 2^11 bytes */
    s->cfi[0x2c] = 1;
    s->cfi[0x2d] = s->blocks - 1;
    s->cfi[0x2e] = (s->blocks - 1) >> 8;
    s->cfi[0x2f] = s->sector_len >> 8;
    s->cfi[0x30] = s->sector_len >> 16;
    memcpy(s->cfi + 0x31, "PRI10", 5);
    s->cfi[0x3f] = 1; /* one protection field */
}

static void pflash_reset(DeviceState *dev)
{
    PFlash *s = (PFlash *)dev;

    s->status = 0;
    s->count = 0;
    set_array_mode(s);
}

static bool load_array(PFlash *s, Error **errp)
{
    int64_t len = blk_length(s->blk);
    int ret;

    s->read_only = blk_is_read_only(s->blk);
    if (!blk_set_perm(s->blk, BLK_PERM_CONSISTENT_READ |
                                  (s->read_only ? 0 : BLK_PERM_WRITE),
                      BLK_PERM_ALL & ~(unsigned)(BLK_PERM_WRITE |
                                                 BLK_PERM_RESIZE), errp)) {
        return false;
    }
    if (len != (int64_t)s->size) {
        error_setg(errp, "device requires %" PRIu64 " bytes, block backend "
                         "'%s' provides %" PRId64 " bytes", s->size,
                   blk_name(s->blk), len);
        return false;
    }
    ret = blk_pread(s->blk, 0, s->array, s->size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "can't read block backend '%s'",
                         blk_name(s->blk));
        return false;
    }
    return true;
}

static bool pflash_realize(DeviceState *dev, Error **errp)
{
    PFlash *s = (PFlash *)dev;

    s->size = s->blocks * s->sector_len;
    if (!s->blocks || !s->sector_len || s->sector_len % BLK_SECTOR ||
        s->size > GiB) {
        error_setg(errp, "attributes \"num-blocks\" and \"sector-length\" "
                         "must be set and multiples of %d", BLK_SECTOR);
        return false;
    }
    if (!memory_region_init_rom_device(&s->mr, &dev->obj, &pflash_ops, s,
                                       s->name ? s->name : "pflash", s->size,
                                       errp)) {
        return false;
    }
    s->array = memory_region_ram_ptr(&s->mr);
    if (!s->blk) {
        memset(s->array, 0xff, s->size);
    } else if (!blk_attach_dev(s->blk, s->name, NULL, s, errp) ||
               !load_array(s, errp)) {
        memory_region_destroy(&s->mr);
        return false;
    }
    make_cfi(s);
    return true;
}

static const Property pflash_props[] = {
    PROP_DRIVE("drive", PFlash, blk),
    PROP_UINT32("num-blocks", PFlash, blocks, 0),
    PROP_UINT64("sector-length", PFlash, sector_len, 0),
    PROP_BOOL("secure", PFlash, secure, false),
    PROP_UINT16("id0", PFlash, id[0], 0),
    PROP_UINT16("id1", PFlash, id[1], 0),
    PROP_UINT16("id2", PFlash, id[2], 0),
    PROP_UINT16("id3", PFlash, id[3], 0),
    PROP_STR("name", PFlash, name),
    PROP_END(),
};

static bool pflash_post_load(void *opaque, int version, Error **errp)
{
    PFlash *s = opaque;

    if (s->cycle > 2 || s->buffer_base % BUFFER_MAX ||
        s->buffer_base >= s->size) {
        error_setg(errp, "cfi.pflash01: the state is out of range");
        return false;
    }
    memory_region_rom_device_set_romd(&s->mr, s->cmd == CMD_READ_ARRAY_0);
    return true;
}

static const VMStateField pflash_fields[] = {
    VMSTATE_UINT8(cmd, PFlash),
    VMSTATE_UINT8(cycle, PFlash),
    VMSTATE_UINT8(status, PFlash),
    VMSTATE_UINT32(count, PFlash),
    VMSTATE_UINT64(buffer_base, PFlash),
    VMSTATE_UINT8_ARRAY(buffer, PFlash, BUFFER_MAX),
    VMSTATE_UINT8_ARRAY(buffer_used, PFlash, BUFFER_MAX),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pflash = {
    .name = "pflash_cfi01",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pflash_post_load,
    .fields = pflash_fields,
};

static const DeviceInfo pflash_info = {
    .name = "cfi.pflash01",
    .bus = BUS_SYSTEM,
    .internal = true,
    .no_hotplug = true,
    .category = DEVICE_CATEGORY_STORAGE,
    .size = sizeof(PFlash),
    .props = pflash_props,
    .vmsd = &vmstate_pflash,
    .realize = pflash_realize,
    .reset = pflash_reset,
};

DeviceState *pflash_cfi01_create(BlockBackend *blk, const char *name,
                                 MemoryRegion **mr, Error **errp)
{
    int64_t size = blk_length(blk);
    DeviceState *dev;

    if (size < 0) {
        error_setg_errno(errp, -size, "can't get size of block device %s",
                         blk_name(blk));
        return NULL;
    }
    if (size == 0 || size % FLASH_SECTOR) {
        error_setg(errp, "system firmware block device %s has invalid size "
                         "%" PRId64, blk_name(blk), size);
        error_append_hint(errp, "its size must be a non-zero multiple of "
                                "0x%x\n", FLASH_SECTOR);
        return NULL;
    }
    dev = device_new("cfi.pflash01");
    ((PFlash *)dev)->blocks = size / FLASH_SECTOR;
    ((PFlash *)dev)->sector_len = FLASH_SECTOR;
    ((PFlash *)dev)->name = g_strdup(name);
    ((PFlash *)dev)->blk = blk;
    blk_ref(blk);
    if (!device_realize(dev, system_bus(), errp)) {
        return NULL;
    }
    *mr = &((PFlash *)dev)->mr;
    return dev;
}

static void pflash_register(void)
{
    device_register(&pflash_info);
}
device_init(pflash_register)
