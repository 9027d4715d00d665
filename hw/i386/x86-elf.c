/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot of ELF kernels: Multiboot specification 0.6.96 (header 3.1,
 * information 3.3) and Xen's x86/HVM direct boot ABI (PVH).
 *
 * The file is not to be trusted: every offset and size is checked in 64 bits
 * against the file and against RAM below 4 GiB.
 *
 * What pc-bios/optionrom/elfboot.inc fetches: the image at its own address,
 * modules behind it, and the information structure with its strings at 64
 * KiB; the memory map at 32 KiB is made there.
 */
#include "osdep.h"
#include "x86-elf.h"
#include "util/datadir.h"

#include <elf.h>

#define INFO_BASE 0x10000
#define INFO_MAX  0x10000
#define MMAP_BASE 0x8000 /* as in the option ROM */
#define MAX_IMAGE GiB
/* Top of low RAM that firmware keeps for its tables. */
#define FIRMWARE_RESERVE 0x28000
#define PAGE 4096

#define MB_MAGIC      0x1badb002
#define MB_SEARCH     8192
#define MB_FLAGS_ADDR 0x10000
/* Modules aligned, memory, video: known; other low bits are demands that a
 * loader which does not know them must refuse. */
#define MB_FLAGS_KNOWN 0x7
#define NOTE_PHYS32_ENTRY 18

typedef struct Image {
    const char *path;
    const uint8_t *file;
    uint64_t file_size;
    uint64_t low_ram;
    uint64_t start, end; /* physical; start > end: nothing yet */
    uint64_t entry;
    GByteArray *mem;     /* [start, end) */
} Image;

static uint64_t get_le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--) {
        v = v << 8 | p[n];
    }
    return v;
}

static void put_le(GByteArray *a, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t b = v >> 8 * i;

        g_byte_array_append(a, &b, 1);
    }
}

/* --- ELF --- */

typedef struct Segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz;
} Segment;

static unsigned elf_class(const Image *im)
{
    if (im->file_size < sizeof(Elf32_Ehdr) ||
        memcmp(im->file, ELFMAG, SELFMAG) ||
        im->file[EI_DATA] != ELFDATA2LSB) {
        return ELFCLASSNONE;
    }
    return im->file[EI_CLASS] == ELFCLASS64 &&
                   im->file_size < sizeof(Elf64_Ehdr)
               ? ELFCLASSNONE
               : im->file[EI_CLASS];
}

static unsigned elf_segments(const Image *im)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;

    if (elf_class(im) == ELFCLASS64) {
        memcpy(&h64, im->file, sizeof(h64));
        return h64.e_phentsize == sizeof(Elf64_Phdr) ? h64.e_phnum : 0;
    }
    memcpy(&h32, im->file, sizeof(h32));
    return h32.e_phentsize == sizeof(Elf32_Phdr) ? h32.e_phnum : 0;
}

static bool elf_segment(const Image *im, unsigned i, Segment *s)
{
    uint64_t at;

    if (elf_class(im) == ELFCLASS64) {
        Elf64_Ehdr h;
        Elf64_Phdr p;

        memcpy(&h, im->file, sizeof(h));
        at = h.e_phoff + (uint64_t)i * sizeof(p);
        if (at < h.e_phoff || im->file_size < sizeof(p) ||
            at > im->file_size - sizeof(p)) {
            return false;
        }
        memcpy(&p, im->file + at, sizeof(p));
        *s = (Segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz,
                        p.p_memsz };
    } else {
        Elf32_Ehdr h;
        Elf32_Phdr p;

        memcpy(&h, im->file, sizeof(h));
        at = h.e_phoff + (uint64_t)i * sizeof(p);
        if (im->file_size < sizeof(p) || at > im->file_size - sizeof(p)) {
            return false;
        }
        memcpy(&p, im->file + at, sizeof(p));
        *s = (Segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz,
                        p.p_memsz };
    }
    return s->offset <= im->file_size &&
           s->filesz <= im->file_size - s->offset;
}

/* A piece of the image's memory: within RAM above the first MiB. */
static bool claim(Image *im, uint64_t addr, uint64_t size, Error **errp)
{
    uint64_t top = im->low_ram - FIRMWARE_RESERVE;

    if (addr < MiB || addr > top || size > top - addr) {
        error_setg(errp, "'%s': 0x%" PRIx64 " bytes at 0x%" PRIx64 " do not "
                         "lie in RAM between 1 MiB and 0x%" PRIx64, im->path,
                   size, addr, top);
        return false;
    }
    im->start = MIN(im->start, addr);
    im->end = MAX(im->end, addr + size);
    if (im->end - im->start > MAX_IMAGE) {
        error_setg(errp, "'%s': the image is larger than 1 GiB", im->path);
        return false;
    }
    return true;
}

static bool load_elf(Image *im, Error **errp)
{
    unsigned n = elf_segments(im);
    Segment s;

    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < n; i++) {
            if (!elf_segment(im, i, &s) || s.filesz > s.memsz) {
                error_setg(errp, "'%s': program header %u is invalid",
                           im->path, i);
                return false;
            }
            if (s.type != PT_LOAD || !s.memsz) {
                continue;
            }
            if (pass == 0) {
                if (!claim(im, s.paddr, s.memsz, errp)) {
                    return false;
                }
            } else {
                memcpy(im->mem->data + (s.paddr - im->start),
                       im->file + s.offset, s.filesz);
            }
        }
        if (im->start >= im->end) {
            error_setg(errp, "'%s': nothing to load", im->path);
            return false;
        }
        if (pass == 0) {
            g_byte_array_set_size(im->mem, im->end - im->start);
            memset(im->mem->data, 0, im->mem->len);
        }
    }
    return true;
}

/* --- modules: -initrd "FILE ARGS,FILE ARGS" or one file --- */

typedef struct Module {
    GBytes *data;
    char *text;
    uint64_t addr;
} Module;

static void module_clear(gpointer p)
{
    Module *m = p;

    g_bytes_unref(m->data);
    g_free(m->text);
}

static bool add_module(GArray *list, const char *text, const char *path,
                       Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    char *data;
    gsize size;
    Module m;

    if (!g_file_get_contents(path, &data, &size, &gerr)) {
        error_setg(errp, "could not load module '%s': %s", path,
                   gerr->message);
        return false;
    }
    m = (Module){ .data = g_bytes_new_take(data, size),
                  .text = g_strdup(text) };
    g_array_append_val(list, m);
    return true;
}

/* One blob of all modules, each on a page, from @base on. */
static GByteArray *place_modules(GArray *list, uint64_t base)
{
    GByteArray *blob = g_byte_array_new();

    for (guint i = 0; i < list->len; i++) {
        Module *m = &g_array_index(list, Module, i);
        gsize n;
        const void *p = g_bytes_get_data(m->data, &n);

        while (blob->len % PAGE) {
            put_le(blob, 0, 1);
        }
        m->addr = base + blob->len;
        g_byte_array_append(blob, p, n);
    }
    return blob;
}

static bool fits(const Image *im, uint64_t base, uint64_t size, Error **errp)
{
    if (base + size > im->low_ram - FIRMWARE_RESERVE) {
        error_setg(errp, "'%s' and its modules do not fit into memory",
                   im->path);
        return false;
    }
    return true;
}

/* --- what the option ROM gets --- */

static bool publish(const Image *im, FWCfgState *fw, uint64_t mods_base,
                    const GByteArray *mods, const GByteArray *info,
                    const char *rom, Error **errp)
{
    g_autofree char *data = NULL, *name = g_strdup_printf("genroms/%s", rom);
    gsize size;

    if (info->len > INFO_MAX) {
        error_setg(errp, "'%s': command lines and modules take more than 64 "
                         "KiB", im->path);
        return false;
    }
    fw_cfg_add_i32(fw, FW_CFG_KERNEL_ENTRY, im->entry);
    fw_cfg_add_i32(fw, FW_CFG_KERNEL_ADDR, im->start);
    fw_cfg_add_i32(fw, FW_CFG_KERNEL_SIZE, im->mem->len);
    fw_cfg_add_bytes(fw, FW_CFG_KERNEL_DATA, im->mem->data, im->mem->len);
    fw_cfg_add_i32(fw, FW_CFG_INITRD_ADDR, mods_base);
    fw_cfg_add_i32(fw, FW_CFG_INITRD_SIZE, mods->len);
    fw_cfg_add_bytes(fw, FW_CFG_INITRD_DATA, mods->data, mods->len);
    fw_cfg_add_i32(fw, FW_CFG_SETUP_ADDR, INFO_BASE);
    fw_cfg_add_i32(fw, FW_CFG_SETUP_SIZE, info->len);
    fw_cfg_add_bytes(fw, FW_CFG_SETUP_DATA, info->data, info->len);
    return datadir_load(rom, &data, &size, errp) &&
           fw_cfg_add_file(fw, name, data, size, errp);
}

/* Strings go behind the structures; returns where @s will be. */
static uint32_t add_string(GByteArray *strings, uint32_t base, const char *s)
{
    uint32_t at = base + strings->len;

    g_byte_array_append(strings, (const uint8_t *)s, strlen(s) + 1);
    return at;
}

/* --- Multiboot --- */

static bool mb_find(const Image *im, uint64_t *at)
{
    uint64_t end = MIN(im->file_size, (uint64_t)MB_SEARCH);

    for (uint64_t i = 0; i + 48 <= end; i += 4) {
        const uint8_t *p = im->file + i;

        if (get_le(p, 4) == MB_MAGIC &&
            (uint32_t)(get_le(p, 4) + get_le(p + 4, 4) + get_le(p + 8, 4)) ==
                0) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* 3.1.3: the header says itself where the file goes. */
static bool mb_load_by_header(Image *im, uint64_t at, Error **errp)
{
    const uint8_t *h = im->file + at;
    uint64_t header = get_le(h + 12, 4), load = get_le(h + 16, 4);
    uint64_t load_end = get_le(h + 20, 4), bss_end = get_le(h + 24, 4);
    uint64_t from, size, mem;

    if (header < load || header - load > at) {
        error_setg(errp, "'%s': invalid load_addr address", im->path);
        return false;
    }
    from = at - (header - load);
    size = load_end ? load_end - load : im->file_size - from;
    if ((load_end && load_end < load) || size > im->file_size - from) {
        error_setg(errp, "'%s': invalid load_end_addr address", im->path);
        return false;
    }
    mem = bss_end ? bss_end - load : size;
    if ((bss_end && bss_end < load) || mem < size) {
        error_setg(errp, "'%s': invalid bss_end_addr address", im->path);
        return false;
    }
    if (!claim(im, load, mem, errp)) {
        return false;
    }
    g_byte_array_set_size(im->mem, mem);
    memset(im->mem->data, 0, mem);
    memcpy(im->mem->data, im->file + from, size);
    im->entry = get_le(h + 28, 4);
    return true;
}

static GArray *mb_modules(const char *initrd, Error **errp)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Module));
    g_auto(GStrv) part = g_strsplit(initrd ? initrd : "", ",", -1);

    g_array_set_clear_func(list, module_clear);
    for (unsigned i = 0; part[i]; i++) {
        g_autofree char *path = g_strndup(part[i], strcspn(part[i], " "));

        if (*path && !add_module(list, part[i], path, errp)) {
            g_array_unref(list);
            return NULL;
        }
    }
    return list;
}

static GByteArray *mb_info(const MachineState *m, const Image *im,
                           const GArray *mods)
{
    g_autofree char *cmdline = g_strdup_printf("%s %s", im->path,
                                               m->append ? m->append : "");
    g_autoptr(GByteArray) strings = g_byte_array_new();
    GByteArray *b = g_byte_array_new();
    uint32_t list = INFO_BASE + 88, text = list + 16 * mods->len;

    /* Memory, boot device, command line, modules, map, loader's name. */
    put_le(b, 0x1 | 0x2 | 0x4 | 0x8 | 0x40 | 0x200, 4);
    put_le(b, 640, 4);
    put_le(b, (im->low_ram - MiB) / KiB, 4);
    put_le(b, 0x8000ffff, 4);
    put_le(b, add_string(strings, text, cmdline), 4);
    put_le(b, mods->len, 4);
    put_le(b, list, 4);
    put_le(b, 0, 16); /* symbols: none */
    put_le(b, 0, 4);  /* length of the map: the option ROM */
    put_le(b, MMAP_BASE, 4);
    put_le(b, 0, 12);
    put_le(b, add_string(strings, text, "qemu-kvm"), 4);
    while (b->len < 88) {
        put_le(b, 0, 1);
    }
    for (guint i = 0; i < mods->len; i++) {
        const Module *mod = &g_array_index(mods, Module, i);

        put_le(b, mod->addr, 4);
        put_le(b, mod->addr + g_bytes_get_size(mod->data), 4);
        put_le(b, add_string(strings, text, mod->text), 4);
        put_le(b, 0, 4);
    }
    g_byte_array_append(b, strings->data, strings->len);
    return b;
}

static bool mb_boot(const MachineState *m, FWCfgState *fw, Image *im,
                    uint64_t at, Error **errp)
{
    uint32_t flags = get_le(im->file + at + 4, 4);
    g_autoptr(GByteArray) blob = NULL, info = NULL;
    uint64_t base;
    GArray *mods;
    bool ok;

    if (flags & 0xffff & ~MB_FLAGS_KNOWN) {
        error_setg(errp, "'%s': the multiboot header demands what is not "
                         "there (flags 0x%x)", im->path, flags);
        return false;
    }
    if (flags & MB_FLAGS_ADDR) {
        if (!mb_load_by_header(im, at, errp)) {
            return false;
        }
    } else if (elf_class(im) == ELFCLASS64) {
        error_setg(errp, "Cannot load x86-64 image, give a 32bit one.");
        return false;
    } else if (elf_class(im) != ELFCLASS32) {
        error_setg(errp, "'%s': a multiboot kernel that is no ELF file needs "
                         "load addresses in its header", im->path);
        return false;
    } else {
        Elf32_Ehdr h;

        memcpy(&h, im->file, sizeof(h));
        im->entry = h.e_entry;
        if (!load_elf(im, errp)) {
            return false;
        }
    }
    mods = mb_modules(m->initrd, errp);
    if (!mods) {
        return false;
    }
    base = ROUND_UP(im->end, PAGE);
    blob = place_modules(mods, base);
    info = mb_info(m, im, mods);
    ok = fits(im, base, blob->len, errp) &&
         publish(im, fw, base, blob, info, "elfboot-mb.bin", errp);
    g_array_unref(mods);
    return ok;
}

/* --- PVH --- */

static bool notes_entry(const Image *im, const Segment *s, uint64_t *entry)
{
    const uint8_t *p = im->file + s->offset;
    uint64_t left = s->filesz;

    while (left >= 12) {
        uint64_t name = get_le(p, 4), desc = get_le(p + 4, 4);
        uint64_t type = get_le(p + 8, 4);
        uint64_t all = 12 + ROUND_UP(name, 4) + ROUND_UP(desc, 4);

        if (all > left) {
            return false;
        }
        if (type == NOTE_PHYS32_ENTRY && name == 4 &&
            !memcmp(p + 12, "Xen", 4) && (desc == 4 || desc == 8)) {
            *entry = get_le(p + 16, desc);
            return *entry <= UINT32_MAX;
        }
        p += all;
        left -= all;
    }
    return false;
}

static bool pvh_find(const Image *im, uint64_t *entry)
{
    unsigned n = elf_class(im) == ELFCLASSNONE ? 0 : elf_segments(im);
    Segment s;

    for (unsigned i = 0; i < n; i++) {
        if (elf_segment(im, i, &s) && s.type == PT_NOTE &&
            notes_entry(im, &s, entry)) {
            return true;
        }
    }
    return false;
}

static GByteArray *pvh_info(const MachineState *m, const GArray *mods)
{
    g_autoptr(GByteArray) strings = g_byte_array_new();
    GByteArray *b = g_byte_array_new();
    uint32_t list = INFO_BASE + 56, text = list + 32 * mods->len;

    put_le(b, 0x336ec578, 4);
    put_le(b, 1, 4); /* version: with memory map */
    put_le(b, 0, 4);
    put_le(b, mods->len, 4);
    put_le(b, mods->len ? list : 0, 8);
    put_le(b, add_string(strings, text, m->append ? m->append : ""), 8);
    put_le(b, 0, 8); /* RSDP: the option ROM */
    put_le(b, MMAP_BASE, 8);
    put_le(b, 0, 8); /* entries: the option ROM */
    for (guint i = 0; i < mods->len; i++) {
        const Module *mod = &g_array_index(mods, Module, i);

        put_le(b, mod->addr, 8);
        put_le(b, g_bytes_get_size(mod->data), 8);
        put_le(b, 0, 16);
    }
    g_byte_array_append(b, strings->data, strings->len);
    return b;
}

static bool pvh_boot(const MachineState *m, FWCfgState *fw, Image *im,
                     Error **errp)
{
    g_autoptr(GByteArray) blob = NULL, info = NULL;
    uint64_t top = ROUND_DOWN(im->low_ram - FIRMWARE_RESERVE, PAGE), base;
    GArray *mods;
    bool ok;

    if (!load_elf(im, errp)) {
        return false;
    }
    mods = g_array_new(FALSE, FALSE, sizeof(Module));
    g_array_set_clear_func(mods, module_clear);
    if (m->initrd && !add_module(mods, "", m->initrd, errp)) {
        g_array_unref(mods);
        return false;
    }
    base = mods->len ? ROUND_UP(g_bytes_get_size(
                                    g_array_index(mods, Module, 0).data),
                                PAGE)
                     : 0;
    /* As high as it goes. */
    base = base < top - im->end ? top - base : ROUND_UP(im->end, PAGE);
    blob = place_modules(mods, base);
    info = pvh_info(m, mods);
    ok = fits(im, base, blob->len, errp) &&
         publish(im, fw, base, blob, info, "elfboot-pvh.bin", errp);
    g_array_unref(mods);
    return ok;
}

bool x86_load_elf(const MachineState *m, FWCfgState *fw, const char *file,
                  size_t size, uint64_t low_ram, bool *known,
                  const char **rom, Error **errp)
{
    g_autoptr(GByteArray) mem = g_byte_array_new();
    Image im = {
        .path = m->kernel, .file = (const uint8_t *)file, .file_size = size,
        .low_ram = low_ram, .start = UINT64_MAX, .mem = mem,
    };
    uint64_t at;

    *known = true;
    if (low_ram < 2 * MiB) {
        error_setg(errp, "'%s' needs at least 2 MiB of memory", m->kernel);
        return false;
    }
    if (mb_find(&im, &at)) {
        *rom = "/rom@genroms/elfboot-mb.bin";
        return mb_boot(m, fw, &im, at, errp);
    }
    if (pvh_find(&im, &im.entry)) {
        *rom = "/rom@genroms/elfboot-pvh.bin";
        return pvh_boot(m, fw, &im, errp);
    }
    *known = false;
    return false;
}
