/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's firmware: where its image goes, and what it is told of the machine
 * by CMOS and fw_cfg.
 */
#include "osdep.h"
#include "block/block.h"
#include "hw/acpi/piix4.h"
#include "hw/bootdevice.h"
#include "exec/x86.h"
#include "hw/block/flash.h"
#include "hw/firmware/smbios.h"
#include "hw/i386/pc-int.h"
#include "hw/i386/x86-boot.h"
#include "hw/ide.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/hpet.h"
#include "util/datadir.h"

#define OPTION_ROM      0xc0000
#define OPTION_ROM_SIZE 0x20000
#define BOOTORDER_FILE  "bootorder"

/* --- images --- */

/* The last 128 KiB of firmware are seen below 1 MiB too. */
static bool add_low_bios(PCMachineState *pc, uint64_t size)
{
    uint64_t low = MIN(size, 128 * KiB);

    memory_region_init_alias(&pc->bios_low, NULL, "isa-bios", &pc->bios,
                             size - low, low);
    memory_region_add_subregion_overlap(&pc->pci_mem, MiB - low, &pc->bios_low,
                                        1);
    memory_region_set_readonly(&pc->bios_low, true);
    return true;
}

static bool load_bios(PCMachineState *pc, Error **errp)
{
    const char *name = pc->m.firmware ? pc->m.firmware : "bios-256k.bin";
    g_autofree char *data = NULL;
    gsize size;

    if (!datadir_load(name, &data, &size, errp)) {
        return false;
    }
    if (size == 0 || size % 65536 || size > pc->max_fw_size) {
        error_setg(errp, "firmware '%s' has %zu bytes, not a multiple of 64 "
                         "KiB up to %" PRIu64 " KiB", name, (size_t)size,
                   pc->max_fw_size / KiB);
        return false;
    }
    if (!memory_region_init_rom(&pc->bios, NULL, "pc.bios", size, errp)) {
        return false;
    }
    memcpy(memory_region_ram_ptr(&pc->bios), data, size);
    memory_region_add_subregion(&pc->pci_mem, 4 * GiB - size, &pc->bios);
    return add_low_bios(pc, size);
}

/* Flash chips below 4 GiB, the first on top; the last 128 KiB of that one are
 * copied for the processor's real mode. */
static bool map_flash(PCMachineState *pc, Error **errp)
{
    static const char *const names[] = { "system.flash0", "system.flash1" };
    uint64_t top = 4 * GiB, size, low;
    MemoryRegion *mr;

    for (unsigned i = 0; i < 2 && pc->flash[i]; i++) {
        if (!pflash_cfi01_create(pc->flash[i], names[i], &mr, errp)) {
            return false;
        }
        size = mr->size;
        if (size > pc->max_fw_size - (4 * GiB - top)) {
            error_setg(errp, "combined size of system firmware exceeds "
                             "%" PRIu64 " bytes", pc->max_fw_size);
            return false;
        }
        top -= size;
        memory_region_add_subregion(&pc->pci_mem, top, mr);
        if (i) {
            continue;
        }
        low = MIN(size, 128 * KiB);
        if (!memory_region_init_rom(&pc->bios_low, NULL, "isa-bios", low,
                                    errp)) {
            return false;
        }
        memcpy(memory_region_ram_ptr(&pc->bios_low),
               (uint8_t *)memory_region_ram_ptr(mr) + size - low, low);
        memory_region_add_subregion_overlap(&pc->pci_mem, MiB - low,
                                            &pc->bios_low, 1);
    }
    return true;
}

static bool find_flash(PCMachineState *pc, Error **errp)
{
    for (unsigned i = 0; i < 2; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_PFLASH, 0, i);

        if (di && pc->flash[i]) {
            error_setg(errp, "%s: pflash%u is set by the machine's property "
                             "already", di->loc, i);
            return false;
        }
        if (di) {
            pc->flash[i] = di->blk;
            blk_ref(di->blk);
            di->claimed = true;
        }
    }
    if (pc->flash[1] && !pc->flash[0]) {
        error_setg(errp, "pflash1 requires pflash0");
        return false;
    }
    if (pc->flash[0] && pc->m.firmware) {
        error_setg(errp, "firmware comes from pflash0 or from -bios, not from "
                         "both");
        return false;
    }
    return true;
}

bool pc_load_firmware(PCMachineState *pc, Error **errp)
{
    if (!find_flash(pc, errp) ||
        !(pc->flash[0] ? map_flash : load_bios)(pc, errp) ||
        !memory_region_init_ram(&pc->option_rom, NULL, "pc.rom",
                                OPTION_ROM_SIZE, errp)) {
        return false;
    }
    memory_region_add_subregion_overlap(&pc->pci_mem, OPTION_ROM,
                                        &pc->option_rom, 1);
    return true;
}

/* --- CMOS --- */

/* "acdnp" as the nibbles that SeaBIOS reads: 1, 2, 3, 4. */
static unsigned boot_nibble(char c)
{
    switch (c) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
    case 'p':
        return 4;
    default:
        return 0;
    }
}

static void set_boot_order(PCMachineState *pc, const char *order)
{
    unsigned n[3] = { 0 };

    for (unsigned i = 0; i < 3 && order[i]; i++) {
        n[i] = boot_nibble(order[i]);
    }
    rtc_set_memory(pc->rtc, 0x3d, n[1] << 4 | n[0]);
    /* Bit 0: floppies need no signature to be booted. */
    rtc_set_memory(pc->rtc, 0x38, n[2] << 4 | !pc->fd_bootchk);
}

static const char *boot_order(const MachineState *m)
{
    return m->boot_order ? m->boot_order : "cad";
}

void pc_init_cmos(PCMachineState *pc)
{
    DeviceState *rtc = pc->rtc;
    uint64_t low = pc->low_size;
    unsigned ext = low > MiB ? MIN((low - MiB) / KiB, 65535) : 0;
    unsigned above16 = low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0;
    unsigned base = MIN(low / KiB, 640);
    unsigned n = 0;

    rtc_set_memory(rtc, 0x15, base);
    rtc_set_memory(rtc, 0x16, base >> 8);
    rtc_set_memory(rtc, 0x17, ext);
    rtc_set_memory(rtc, 0x18, ext >> 8);
    rtc_set_memory(rtc, 0x30, ext);
    rtc_set_memory(rtc, 0x31, ext >> 8);
    rtc_set_memory(rtc, 0x34, above16);
    rtc_set_memory(rtc, 0x35, above16 >> 8);
    for (unsigned i = 0; i < 3; i++) {
        rtc_set_memory(rtc, 0x5b + i, pc->high_size >> (16 + 8 * i));
    }
    for (unsigned i = 0; i < pc->m.smp.max_cpus; i++) {
        n += pc->cpus[i] != NULL;
    }
    rtc_set_memory(rtc, 0x5f, MAX(n, pc->m.smp.cpus) - 1);
}

static void cmos_disks(PCMachineState *pc)
{
    DeviceState *rtc = pc->rtc, *dev;
    unsigned types = 0, trans = 0, floppies = 0;
    unsigned equipment = 0x06; /* FPU, PS/2 mouse */
    IDEChs chs;

    for (int i = 0; i < 4; i++) {
        dev = pc->ide ? piix3_ide_drive(pc->ide, i / 2, i % 2) : NULL;
        if (!dev || !ide_drive_chs(dev, &chs)) {
            continue;
        }
        trans |= (unsigned)(chs.trans - BIOS_TRANS_NONE) << (2 * i);
        if (i < 2) {
            const uint8_t entry[9] = {
                chs.cyls, chs.cyls >> 8, chs.heads, 0xff, 0xff,
                0xc0 | (chs.heads > 8) << 3, chs.cyls, chs.cyls >> 8, chs.secs,
            };

            types |= i ? 0x0f : 0xf0;
            rtc_set_memory(rtc, 0x19 + i, 47);
            for (int k = 0; k < 9; k++) {
                rtc_set_memory(rtc, 0x1b + 9 * i + k, entry[k]);
            }
        }
    }
    rtc_set_memory(rtc, 0x12, types);
    for (int i = 0; i < 2; i++) {
        unsigned type = isa_fdc_drive_type(pc->fdc, i);

        floppies |= type << (i ? 0 : 4);
        equipment = type ? (equipment & 0x3e) | 1 | i << 6 : equipment;
    }
    rtc_set_memory(rtc, 0x10, floppies);
    rtc_set_memory(rtc, 0x14, equipment);
    rtc_set_memory(rtc, 0x39, trans);
}

/* --- fw_cfg --- */

typedef struct __attribute__((packed)) E820Entry {
    uint64_t addr, len;
    uint32_t type; /* 1 RAM, 2 reserved */
} E820Entry;

static bool add_e820(PCMachineState *pc, Error **errp)
{
    E820Entry e[3];
    unsigned n = 0;

    /* AMD processors keep 12 GiB below 1 TiB to themselves (HyperTransport,
     * BKDG for family 10h, 2.4.1). */
    e[n++] = (E820Entry){ GUINT64_TO_LE(UINT64_C(0xfd00000000)),
                          GUINT64_TO_LE(12 * GiB), GUINT32_TO_LE(2) };
    e[n++] = (E820Entry){ 0, GUINT64_TO_LE(pc->low_size), GUINT32_TO_LE(1) };
    if (pc->high_size) {
        e[n++] = (E820Entry){ GUINT64_TO_LE(4 * GiB),
                              GUINT64_TO_LE(pc->high_size), GUINT32_TO_LE(1) };
    }
    return fw_cfg_add_file(pc->fw_cfg, "etc/e820", e, n * sizeof(e[0]), errp);
}

/* CPUs' nodes, then memory per node: how firmware learnt it before SRAT. */
static void add_numa(PCMachineState *pc)
{
    const NumaState *numa = &pc->m.numa;
    unsigned cpus = 0, k = 0;
    g_autofree uint64_t *v = NULL;

    for (unsigned i = 0; i < pc->m.smp.max_cpus; i++) {
        cpus = MAX(cpus, pc->apic_ids[i] + 1);
    }
    v = g_new0(uint64_t, 1 + cpus + numa->count);
    v[k++] = GUINT64_TO_LE(numa->count);
    for (unsigned i = 0; numa->count && i < pc->m.smp.max_cpus; i++) {
        v[1 + pc->apic_ids[i]] = GUINT64_TO_LE(numa->cpu_node[i]);
    }
    k += cpus;
    for (unsigned i = 0; i < numa->count; i++) {
        v[k++] = GUINT64_TO_LE(numa->nodes[i].mem);
    }
    fw_cfg_add_bytes(pc->fw_cfg, FW_CFG_NUMA, v, k * sizeof(v[0]));
}

static void add_hpet(PCMachineState *pc)
{
    struct __attribute__((packed)) {
        uint8_t count;
        uint32_t block_id;
        uint64_t address;
        uint16_t min_tick;
        uint8_t page_prot;
    } item = { pc->hpet, GUINT32_TO_LE(HPET_BLOCK_ID),
               GUINT64_TO_LE(HPET_BASE), GUINT16_TO_LE(100), 0 };

    fw_cfg_add_bytes(pc->fw_cfg, FW_CFG_HPET, &item, sizeof(item));
}

static bool add_boot_files(PCMachineState *pc, Error **errp)
{
    const MachineState *m = &pc->m;
    uint32_t timeout = GUINT32_TO_LE(m->boot_reboot_timeout);
    uint16_t wait = GUINT16_TO_LE(m->boot_splash_time);
    g_autofree char *data = NULL;
    const char *name;
    gsize size;

    if (!fw_cfg_add_file(pc->fw_cfg, "etc/boot-fail-wait", &timeout, 4,
                         errp) ||
        (m->boot_splash_time >= 0 &&
         !fw_cfg_add_file(pc->fw_cfg, "etc/boot-menu-wait", &wait, 2, errp))) {
        return false;
    }
    if (!m->boot_splash) {
        return true;
    }
    if (!datadir_load(m->boot_splash, &data, &size, errp)) {
        error_prepend(errp, "-boot splash=%s: ", m->boot_splash);
        return false;
    }
    if (size >= 2 && !memcmp(data, "BM", 2)) {
        name = "bootsplash.bmp";
    } else if (size >= 2 && !memcmp(data, "\xff\xd8", 2)) {
        name = "bootsplash.jpg";
    } else {
        error_setg(errp, "-boot splash=%s: neither a BMP nor a JPEG picture",
                   m->boot_splash);
        return false;
    }
    return fw_cfg_add_file(pc->fw_cfg, name, data, size, errp);
}

bool pc_init_fw_cfg(PCMachineState *pc, Error **errp)
{
    static const uint8_t zero[16];
    MachineState *m = &pc->m;
    FWCfgState *fw = pc->fw_cfg;
    uint32_t max_id = 0;

    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        max_id = MAX(max_id, pc->apic_ids[i]);
    }
    fw_cfg_add_bytes(fw, FW_CFG_UUID, m->uuid_set ? m->uuid.b : zero, 16);
    fw_cfg_add_i64(fw, FW_CFG_RAM_SIZE, m->ram_size);
    fw_cfg_add_i16(fw, FW_CFG_NOGRAPHIC, !m->graphics);
    fw_cfg_add_i16(fw, FW_CFG_NB_CPUS, m->smp.cpus);
    /* An upper bound of APIC IDs, by which SeaBIOS sizes its tables. */
    fw_cfg_add_i16(fw, FW_CFG_MAX_CPUS, max_id + 1);
    fw_cfg_add_i16(fw, FW_CFG_BOOT_MENU, m->boot_menu);
    fw_cfg_add_i32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    add_numa(pc);
    add_hpet(pc);
    if (m->kernel) {
        const char *rom;

        if (!x86_load_kernel(m, fw, pc->low_size, &rom, errp)) {
            return false;
        }
        boot_path_add(0, rom);
    }
    if (pc->devmem_size) {
        uint64_t end = GUINT64_TO_LE(ROUND_UP(pc->devmem_base +
                                              pc->devmem_size, GiB));

        if (!fw_cfg_add_file(fw, "etc/reserved-memory-end", &end, 8, errp)) {
            return false;
        }
    }
    return add_boot_files(pc, errp) && add_e820(pc, errp) &&
           fw_cfg_add_file(fw, "etc/system-states", pc->sleep_states,
                           sizeof(pc->sleep_states), errp);
}

/* --- when all devices are there, and at each reset --- */

static bool update_boot_order(PCMachineState *pc, Error **errp)
{
    size_t len;
    g_autofree char *list = boot_order_list(&len);
    g_autofree char *strict = NULL;

    if (pc->m.boot_strict) {
        strict = g_strconcat(list, len ? "\n" : "", "HALT", NULL);
        len = strlen(strict) + 1;
    }
    return fw_cfg_add_file(pc->fw_cfg, BOOTORDER_FILE, strict ? strict : list,
                           len, errp);
}

static void fw_reset(void *opaque)
{
    PCMachineState *pc = opaque;

    cmos_disks(pc);
    update_boot_order(pc, NULL); /* the file is there: this cannot fail */
    /* Power-on is the first reset; `once` holds until the second. */
    if (pc->once_served) {
        g_clear_pointer(&pc->m.boot_once, g_free);
    }
    pc->once_served = true;
    set_boot_order(pc, pc->m.boot_once ? pc->m.boot_once
                                       : boot_order(&pc->m));
}

/* CMOS 0Fh, the shutdown status: FEh sends SeaBIOS to the waking vector. */
static void fw_suspend(void *opaque)
{
    rtc_set_memory(((PCMachineState *)opaque)->rtc, 0x0f, 0xfe);
}

static bool add_smbios(PCMachineState *pc, Error **errp)
{
    SmbiosInfo info = {
        .m = &pc->m, .v3 = !strcmp(pc->smbios_ep, "64"), .rams = 1,
        .ram = { { 0, pc->low_size }, { 4 * GiB, pc->high_size } },
    };
    uint32_t r[4] = { 0 };

    if (!info.v3 && strcmp(pc->smbios_ep, "32")) {
        error_setg(errp, "smbios-entry-point-type must be 32 or 64, not '%s'",
                   pc->smbios_ep);
        return false;
    }
    info.rams += pc->high_size != 0;
    if (cpu_first()) {
        x86_cpu_cpuid(cpu_first(), 1, 0, r);
    }
    info.cpuid_1[0] = r[0];
    /* Without HTT, which says how many CPUs there are, not what they are. */
    /* The APIC's bit, which its switch hides until the first reset. */
    info.cpuid_1[1] = (r[3] & ~BIT(28)) |
                      (x86_cpu_get_apic(cpu_first()) ? BIT(9) : 0);
    return smbios_setup(pc->fw_cfg, &info, errp);
}

bool pc_fw_ready(PCMachineState *pc, Error **errp)
{
    AcpiInfo *a = &pc->acpi_info;

    if (!boot_order_is_unique(errp) || !update_boot_order(pc, errp) ||
        !add_smbios(pc, errp)) {
        return false;
    }
    reset_register(fw_reset, pc);
    pc->suspend = (PowerListener){ .fn = fw_suspend, .opaque = pc };
    suspend_listener_add(&pc->suspend);
    if (!pc_has_acpi(pc)) {
        return true;
    }
    *a = (AcpiInfo){
        .smp = &pc->m.smp, .numa = &pc->m.numa, .fw_cfg = pc->fw_cfg,
        .pci = pc->pci, .isa = pc->isa, .rtc = pc->rtc,
        .cpus = pc->cpus, .apic_ids = pc->apic_ids,
        .oem_id = pc->oem_id, .oem_table_id = pc->oem_table_id,
        .low_size = pc->low_size, .high_size = pc->high_size,
        .hotplug_base = pc->devmem_base, .hotplug_size = pc->devmem_size,
        .mem_slots = pc->devmem_size ? pc->m.ram_slots : 0,
        .s3 = pc->sleep_states[3], .s4 = pc->sleep_states[4],
        .hpet = pc->hpet, .vmgenid = vmgenid_present(),
    };
    return acpi_setup(a, errp);
}
