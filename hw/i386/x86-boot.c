/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct kernel boot: the Linux/x86 boot protocol, 2.02 and later, as
 * documented with the kernel (Documentation/arch/x86/boot.rst).
 *
 * The setup code goes to 64 KiB, the command line to 128 KiB, the kernel to 1
 * MiB, the initrd as high as the kernel allows; pc-bios/optionrom/linuxboot.S
 * fetches them.
 */
#include "osdep.h"
#include "hw/i386/x86-boot.h"
#include "x86-elf.h"
#include "util/datadir.h"

#define SETUP_BASE   0x10000
#define CMDLINE_BASE 0x20000
#define KERNEL_BASE  0x100000
/* Top of low RAM that firmware keeps for its tables. */
#define FIRMWARE_RESERVE 0x28000

/* Header fields, by offset in the first sector. */
enum {
    SETUP_SECTS = 0x1f1, VID_MODE = 0x1fa, BOOT_FLAG = 0x1fe, HEADER = 0x202,
    VERSION = 0x206, TYPE_OF_LOADER = 0x210, LOADFLAGS = 0x211,
    RAMDISK_IMAGE = 0x218, RAMDISK_SIZE = 0x21c, HEAP_END_PTR = 0x224,
    CMD_LINE_PTR = 0x228, INITRD_ADDR_MAX = 0x22c, CMDLINE_SIZE = 0x238,
    HEADER_END = 0x240,
};
#define LOADED_HIGH  0x01
#define CAN_USE_HEAP 0x80
#define LOADER_QEMU  0xb0

static uint32_t get_le(const uint8_t *p, unsigned n)
{
    uint32_t v = 0;

    while (n--) {
        v = v << 8 | p[n];
    }
    return v;
}

static void put_le(uint8_t *p, uint32_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        p[i] = v >> (8 * i);
    }
}

static bool read_file(const char *path, char **data, gsize *size, Error **errp)
{
    g_autoptr(GError) gerr = NULL;

    if (!g_file_get_contents(path, data, size, &gerr)) {
        error_setg(errp, "could not load kernel or initrd '%s': %s", path,
                   gerr->message);
        return false;
    }
    return true;
}

/* "vga=" of the command line, as setup wants it. */
static uint16_t video_mode(const char *append)
{
    const char *p = strstr(append, "vga=");

    if (!p || (p != append && p[-1] != ' ')) {
        return 0xffff;
    }
    p += 4;
    if (g_str_has_prefix(p, "ext")) {
        return 0xfffe;
    }
    if (g_str_has_prefix(p, "ask")) {
        return 0xfffd;
    }
    return g_str_has_prefix(p, "normal") ? 0xffff : strtoul(p, NULL, 0);
}

static bool add_initrd(const MachineState *m, FWCfgState *fw, uint8_t *setup,
                       uint64_t low_ram, uint64_t kernel_end, Error **errp)
{
    uint64_t max = get_le(setup + VERSION, 2) >= 0x203
                       ? get_le(setup + INITRD_ADDR_MAX, 4)
                       : 0x37ffffff;
    g_autofree char *data = NULL;
    uint64_t addr;
    gsize size;

    if (!read_file(m->initrd, &data, &size, errp)) {
        return false;
    }
    max = MIN(max, low_ram - FIRMWARE_RESERVE - 1);
    addr = (max + 1 - size) & ~UINT64_C(4095);
    if (size > max || addr < kernel_end) {
        error_setg(errp, "initrd '%s' (%zu bytes) does not fit into memory "
                         "beside the kernel", m->initrd, (size_t)size);
        return false;
    }
    put_le(setup + RAMDISK_IMAGE, addr, 4);
    put_le(setup + RAMDISK_SIZE, size, 4);
    fw_cfg_add_i32(fw, FW_CFG_INITRD_ADDR, addr);
    fw_cfg_add_i32(fw, FW_CFG_INITRD_SIZE, size);
    fw_cfg_add_bytes(fw, FW_CFG_INITRD_DATA, data, size);
    return true;
}

bool x86_load_kernel(const MachineState *m, FWCfgState *fw, uint64_t low_ram,
                     const char **rom, Error **errp)
{
    static const char rom_name[] = "genroms/linuxboot.bin";
    const char *append = m->append ? m->append : "";
    g_autofree char *data = NULL, *rom_data = NULL;
    unsigned version, setup_size, max_cmdline;
    gsize size, rom_size;
    uint8_t *setup;

    if (!read_file(m->kernel, &data, &size, errp)) {
        return false;
    }
    setup = (uint8_t *)data;
    if (size < HEADER_END || get_le(setup + BOOT_FLAG, 2) != 0xaa55 ||
        memcmp(setup + HEADER, "HdrS", 4) != 0) {
        bool known;
        bool ok = x86_load_elf(m, fw, data, size, low_ram, &known, rom, errp);

        if (!known) {
            error_setg(errp, "'%s' is no kernel: neither a Linux bzImage nor "
                             "multiboot nor an ELF file with a PVH entry",
                       m->kernel);
        }
        return ok;
    }
    version = get_le(setup + VERSION, 2);
    if (version < 0x202 || !(setup[LOADFLAGS] & LOADED_HIGH)) {
        error_setg(errp, "'%s': boot protocol %u.%02u%s is not supported, 2.02 "
                         "with a kernel above 1 MiB is needed", m->kernel,
                   version >> 8, version & 0xff,
                   setup[LOADFLAGS] & LOADED_HIGH ? "" : " (zImage)");
        return false;
    }
    setup_size = ((setup[SETUP_SECTS] ? setup[SETUP_SECTS] : 4) + 1) * 512;
    if (setup_size >= size || setup_size > CMDLINE_BASE - SETUP_BASE) {
        error_setg(errp, "'%s': setup_sects %u does not fit the file", m->kernel,
                   setup[SETUP_SECTS]);
        return false;
    }
    if (KERNEL_BASE + (size - setup_size) > low_ram) {
        error_setg(errp, "kernel '%s' (%zu bytes) does not fit into memory",
                   m->kernel, (size_t)size);
        return false;
    }
    max_cmdline = version >= 0x206 ? get_le(setup + CMDLINE_SIZE, 4) : 255;
    if (strlen(append) > MIN(max_cmdline, 0xffff)) {
        error_setg(errp, "-append: %zu characters, the kernel takes %u",
                   strlen(append), MIN(max_cmdline, 0xffff));
        return false;
    }
    put_le(setup + VID_MODE, video_mode(append), 2);
    setup[TYPE_OF_LOADER] = LOADER_QEMU;
    setup[LOADFLAGS] |= CAN_USE_HEAP;
    put_le(setup + HEAP_END_PTR, CMDLINE_BASE - SETUP_BASE - 0x200, 2);
    put_le(setup + CMD_LINE_PTR, CMDLINE_BASE, 4);
    put_le(setup + RAMDISK_IMAGE, 0, 4);
    put_le(setup + RAMDISK_SIZE, 0, 4);
    if (m->initrd && !add_initrd(m, fw, setup, low_ram,
                                 KERNEL_BASE + (size - setup_size), errp)) {
        return false;
    }
    fw_cfg_add_i32(fw, FW_CFG_SETUP_ADDR, SETUP_BASE);
    fw_cfg_add_i32(fw, FW_CFG_SETUP_SIZE, setup_size);
    fw_cfg_add_bytes(fw, FW_CFG_SETUP_DATA, setup, setup_size);
    fw_cfg_add_i32(fw, FW_CFG_KERNEL_ADDR, KERNEL_BASE);
    fw_cfg_add_i32(fw, FW_CFG_KERNEL_SIZE, size - setup_size);
    fw_cfg_add_bytes(fw, FW_CFG_KERNEL_DATA, setup + setup_size,
                     size - setup_size);
    fw_cfg_add_i32(fw, FW_CFG_CMDLINE_ADDR, CMDLINE_BASE);
    fw_cfg_add_i32(fw, FW_CFG_CMDLINE_SIZE, strlen(append) + 1);
    fw_cfg_add_bytes(fw, FW_CFG_CMDLINE_DATA, append, strlen(append) + 1);

    if (!datadir_load("linuxboot.bin", &rom_data, &rom_size, errp) ||
        !fw_cfg_add_file(fw, rom_name, rom_data, rom_size, errp)) {
        return false;
    }
    *rom = "/rom@genroms/linuxboot.bin";
    return true;
}
