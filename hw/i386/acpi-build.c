/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's ACPI tables, and the script by which firmware puts them into
 * memory.  ACPI specification 6.4, chapter 5; IA-PC HPET 1.0a, 3.2.4; QEMU's
 * documentation of "etc/table-loader" (fw_cfg's linker/loader).
 *
 * Firmware reads the files once it has set the chipset up; they are built at
 * that moment, as they tell where it put things.  Their sizes never change, as
 * the directory is read before.
 */
#include "osdep.h"
#include "acpi-build.h"
#include "hw/acpi/piix4.h"
#include "hw/acpi/user-tables.h"
#include "hw/intc/apic.h"
#include "hw/timer/hpet.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"
#define GUID_FILE   VMGENID_GUID_FILE
#define ADDR_FILE   VMGENID_ADDR_FILE
#define TABLES_ALIGN 0x20000
#define LOADER_ALIGN 0x1000
#define RSDP_SIZE 20

typedef struct Build {
    AcpiInfo *info;
    GByteArray *tables, *loader;
    GArray *rsdt; /* uint32_t offsets of what the RSDT lists */
} Build;

static AcpiInfo *the_info;
static bool built;

/* --- bytes --- */

static void put(GByteArray *a, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t b = v >> (8 * i);

        g_byte_array_append(a, &b, 1);
    }
}

static void put_text(GByteArray *a, const char *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put(a, *s ? *s++ : ' ', 1);
    }
}

static void put_file(GByteArray *a, const char *name)
{
    char field[56] = { 0 };

    g_strlcpy(field, name, sizeof(field));
    g_byte_array_append(a, (uint8_t *)field, sizeof(field));
}

/* --- the loader's script: entries of 128 bytes --- */

enum { LOAD_ALLOCATE = 1, LOAD_POINTER, LOAD_CHECKSUM, LOAD_WRITE_POINTER };
enum { ZONE_HIGH = 1, ZONE_F_SEGMENT = 2 };

static void entry_end(GByteArray *l)
{
    while (l->len % 128) {
        put(l, 0, 1);
    }
}

static void load_allocate(Build *b, const char *file, uint32_t align,
                          uint8_t zone)
{
    put(b->loader, LOAD_ALLOCATE, 4);
    put_file(b->loader, file);
    put(b->loader, align, 4);
    put(b->loader, zone, 1);
    entry_end(b->loader);
}

/* Adds the address of @of to the @size bytes at @offset of @in. */
static void load_pointer(Build *b, const char *in, const char *of,
                         uint32_t offset, uint8_t size)
{
    put(b->loader, LOAD_POINTER, 4);
    put_file(b->loader, in);
    put_file(b->loader, of);
    put(b->loader, offset, 4);
    put(b->loader, size, 1);
    entry_end(b->loader);
}

static void load_checksum(Build *b, const char *file, uint32_t at,
                          uint32_t start, uint32_t len)
{
    put(b->loader, LOAD_CHECKSUM, 4);
    put_file(b->loader, file);
    put(b->loader, at, 4);
    put(b->loader, start, 4);
    put(b->loader, len, 4);
    entry_end(b->loader);
}

/* Writes the address of @of, plus @plus, to our file @in. */
static void load_write_pointer(Build *b, const char *in, const char *of,
                               uint32_t plus, uint8_t size)
{
    put(b->loader, LOAD_WRITE_POINTER, 4);
    put_file(b->loader, in);
    put_file(b->loader, of);
    put(b->loader, 0, 4);
    put(b->loader, plus, 4);
    put(b->loader, size, 1);
    entry_end(b->loader);
}

/* --- table headers (5.2.6) --- */

static uint32_t table_begin(Build *b, const char *sig, uint8_t rev,
                            const char *table_id)
{
    uint32_t at = b->tables->len;

    put_text(b->tables, sig, 4);
    put(b->tables, 0, 4); /* length: table_end() */
    put(b->tables, rev, 1);
    put(b->tables, 0, 1); /* checksum: the loader */
    put_text(b->tables, b->info->oem_id, 6);
    put_text(b->tables, table_id ? table_id : b->info->oem_table_id, 8);
    put(b->tables, 1, 4);
    put_text(b->tables, "BXPC", 4);
    put(b->tables, 1, 4);
    return at;
}

static void table_end(Build *b, uint32_t at, bool listed)
{
    uint32_t len = b->tables->len - at;

    pci_set_long(b->tables->data + at + 4, len);
    load_checksum(b, TABLES_FILE, at + 9, at, len);
    if (listed) {
        g_array_append_val(b->rsdt, at);
    }
}

/* A 4-byte pointer to another table: its offset, which the loader adds to. */
static void put_table_pointer(Build *b, uint32_t to)
{
    put(b->tables, to, 4);
    load_pointer(b, TABLES_FILE, TABLES_FILE, b->tables->len - 4, 4);
}

/* --- tables --- */

/* 5.2.10: aligned to 64 bytes, so it comes first. */
static void build_facs(Build *b)
{
    put_text(b->tables, "FACS", 4);
    put(b->tables, 64, 4);
    for (unsigned i = 8; i < 64; i++) {
        put(b->tables, 0, 1);
    }
}

static uint32_t build_dsdt(Build *b)
{
    uint32_t at = table_begin(b, "DSDT", 1, NULL);
    Aml a;

    aml_init(&a);
    acpi_build_dsdt(&a, b->info);
    g_byte_array_append(b->tables, a.buf->data, a.buf->len);
    aml_free(&a);
    table_end(b, at, false);
    return at;
}

/* 5.2.9, in the form of ACPI 1.0. */
static void build_fadt(Build *b, uint32_t facs, uint32_t dsdt)
{
    uint32_t at = table_begin(b, "FACP", 1, NULL);
    uint32_t pm = piix4_pm_base();
    GByteArray *t = b->tables;
    /* WBINVD, C1, no sleep button but PWRBTN fixed, RTC wakes from S4,
     * 24-bit timer; platform clock where more than 8 CPUs need flat
     * logical mode to be off. */
    uint32_t flags = 0x1 | 0x4 | 0x20 | 0x80 | 0x8000;

    if (b->info->smp->max_cpus > 8) {
        flags |= 0x40000; /* logical destinations in clusters */
    }
    put_table_pointer(b, facs);
    put_table_pointer(b, dsdt);
    put(t, 1, 1);                  /* MADT and 8259s */
    put(t, 0, 1);
    put(t, 9, 2);                  /* SCI */
    put(t, 0xb2, 4);               /* APMC */
    put(t, PIIX4_ACPI_ENABLE, 1);
    put(t, PIIX4_ACPI_DISABLE, 1);
    put(t, 0, 2);
    put(t, pm, 4);                 /* PM1a event */
    put(t, 0, 4);
    put(t, pm + 4, 4);             /* PM1a control */
    put(t, 0, 8);
    put(t, pm + 8, 4);             /* timer */
    put(t, PIIX4_GPE_BASE, 4);
    put(t, 0, 4);
    put(t, 0x04, 1);               /* lengths */
    put(t, 0x02, 1);
    put(t, 0, 1);
    put(t, 0x04, 1);
    put(t, PIIX4_GPE_LEN, 1);
    put(t, 0, 3);
    put(t, 0xfff, 2);              /* no C2 */
    put(t, 0xfff, 2);              /* no C3 */
    put(t, 0, 8);                  /* cache flush, duty cycle, RTC alarms */
    put(t, 0x32, 1);               /* century */
    put(t, 0, 3);
    put(t, flags, 4);
    table_end(b, at, true);
}

static bool cpu_present(const AcpiInfo *info, unsigned i)
{
    return info->cpus[i] || i < info->smp->cpus;
}

/* 5.2.12 */
static void build_madt(Build *b)
{
    const CpuTopology *smp = b->info->smp;
    uint32_t at = table_begin(b, "APIC", 1, NULL);
    GByteArray *t = b->tables;
    bool x2apic = false;

    put(t, 0xfee00000, 4);
    put(t, 1, 4); /* 8259s there */
    for (unsigned i = 0; i < smp->max_cpus; i++) {
        uint32_t id = b->info->apic_ids[i];

        if (id < 255) {
            put(t, 0x0800, 2);
            put(t, i, 1);
            put(t, id, 1);
            put(t, cpu_present(b->info, i), 4);
        } else {
            x2apic = true;
            put(t, 0x1009, 2);
            put(t, 0, 2);
            put(t, id, 4);
            put(t, cpu_present(b->info, i), 4);
            put(t, i, 4);
        }
    }
    put(t, 0x0c01, 2);
    put(t, 0, 2);
    put(t, IOAPIC_DEFAULT_BASE, 4);
    put(t, 0, 4);
    for (unsigned i = 0; i < 16; i++) {
        /* IRQ 0 is on pin 2; what PCI shares is level, active high. */
        bool pci = i == 5 || i == 9 || i == 10 || i == 11;

        if (i == 0 || pci) {
            put(t, 0x0a02, 2);
            put(t, 0, 1);
            put(t, i, 1);
            put(t, i ? i : 2, 4);
            put(t, pci ? 0x0d : 0, 2);
        }
    }
    if (x2apic) {
        put(t, 0x0c0a, 2);
        put(t, 0, 2);
        put(t, UINT32_MAX, 4);
        put(t, 1, 1);
        put(t, 0, 3);
    } else {
        put(t, 0x0604, 2);
        put(t, 0xff, 1);
        put(t, 0, 2);
        put(t, 1, 1); /* LINT1 */
    }
    table_end(b, at, true);
}

static void build_vmgenid(Build *b)
{
    uint32_t at = table_begin(b, "SSDT", 1, "VMGENID");
    uint32_t base = b->tables->len;
    size_t vgia;
    Aml a;

    aml_init(&a);
    vgia = acpi_build_vmgenid(&a);
    g_byte_array_append(b->tables, a.buf->data, a.buf->len);
    aml_free(&a);
    load_allocate(b, GUID_FILE, 4096, ZONE_HIGH);
    load_write_pointer(b, ADDR_FILE, GUID_FILE, VMGENID_OFFSET, 8);
    load_pointer(b, TABLES_FILE, GUID_FILE, base + vgia, 4);
    table_end(b, at, true);
}

static void build_hpet(Build *b)
{
    uint32_t at = table_begin(b, "HPET", 1, NULL);

    put(b->tables, HPET_BLOCK_ID, 4);
    put(b->tables, 0, 4); /* system memory */
    put(b->tables, HPET_BASE, 8);
    put(b->tables, 0, 4);
    table_end(b, at, true);
}

/* 5.2.16.2: node, range, enabled | hot pluggable << 1 */
static void srat_memory(Build *b, unsigned node, uint64_t base, uint64_t len,
                        uint32_t flags)
{
    GByteArray *t = b->tables;

    put(t, 0x2801, 2);
    put(t, node, 4);
    put(t, 0, 2);
    put(t, base, 8);
    put(t, len, 8);
    put(t, 0, 4);
    put(t, flags, 4);
    put(t, 0, 8);
}

/* The part of RAM [@start, @end) that is one piece in memory from @base on. */
static void srat_node_part(Build *b, unsigned node, uint64_t start,
                           uint64_t end, uint64_t piece_start,
                           uint64_t piece_end, uint64_t base)
{
    uint64_t from = MAX(start, piece_start), to = MIN(end, piece_end);

    if (from < to) {
        srat_memory(b, node, base + (from - piece_start), to - from, 1);
    }
}

static void build_srat(Build *b)
{
    const AcpiInfo *info = b->info;
    uint32_t at = table_begin(b, "SRAT", 1, NULL);
    GByteArray *t = b->tables;
    uint64_t start = 0, low = info->low_size;

    put(t, 1, 4);
    put(t, 0, 8);
    for (unsigned i = 0; i < info->smp->max_cpus; i++) {
        uint32_t id = info->apic_ids[i], node = info->numa->cpu_node[i];

        if (id < 255) {
            put(t, 0x1000, 2);
            put(t, node, 1);
            put(t, id, 1);
            put(t, 1, 4);
            put(t, 0, 8);
        } else {
            put(t, 0x1802, 2);
            put(t, 0, 2);
            put(t, node, 4);
            put(t, id, 4);
            put(t, 1, 4);
            put(t, 0, 8);
        }
    }
    /* Without the hole of video memory and ROMs. */
    for (unsigned n = 0; n < info->numa->count; n++) {
        uint64_t end = start + info->numa->nodes[n].mem;

        srat_node_part(b, n, start, end, 0, MIN(low, 640 * KiB), 0);
        srat_node_part(b, n, start, end, MIN(low, MiB), low, MiB);
        srat_node_part(b, n, start, end, low, UINT64_MAX, 4 * GiB);
        start = end;
    }
    if (info->hotplug_size) {
        srat_memory(b, info->numa->count - 1, info->hotplug_base,
                    info->hotplug_size, 3);
    }
    table_end(b, at, true);
}

static void build_slit(Build *b)
{
    const NumaState *numa = b->info->numa;
    uint32_t at = table_begin(b, "SLIT", 1, NULL);

    put(b->tables, numa->count, 8);
    for (unsigned i = 0; i < numa->count; i++) {
        for (unsigned k = 0; k < numa->count; k++) {
            put(b->tables, numa->distance[i][k], 1);
        }
    }
    table_end(b, at, true);
}

/* Windows ACPI Emulated Devices Table: the PM timer needs one read only. */
static void build_waet(Build *b)
{
    uint32_t at = table_begin(b, "WAET", 1, NULL);

    put(b->tables, 2, 4);
    table_end(b, at, true);
}

static void add_user_tables(Build *b)
{
    GPtrArray *user = acpi_user_tables();

    for (guint i = 0; user && i < user->len; i++) {
        gsize n;
        const uint8_t *p = g_bytes_get_data(g_ptr_array_index(user, i), &n);
        uint32_t at = b->tables->len;

        g_byte_array_append(b->tables, p, n);
        g_array_append_val(b->rsdt, at);
    }
}

static uint32_t build_rsdt(Build *b)
{
    uint32_t at = table_begin(b, "RSDT", 1, NULL);

    for (guint i = 0; i < b->rsdt->len; i++) {
        put_table_pointer(b, g_array_index(b->rsdt, uint32_t, i));
    }
    table_end(b, at, false);
    return at;
}

static GByteArray *build_rsdp(Build *b, uint32_t rsdt)
{
    GByteArray *r = g_byte_array_new();

    put_text(r, "RSD PTR ", 8);
    put(r, 0, 1);
    put_text(r, b->info->oem_id, 6);
    put(r, 0, 1); /* ACPI 1.0 */
    put(r, rsdt, 4);
    load_pointer(b, RSDP_FILE, TABLES_FILE, 16, 4);
    load_checksum(b, RSDP_FILE, 8, 0, RSDP_SIZE);
    return r;
}

/* --- where firmware put the BARs --- */

static void bar_range(AcpiInfo *info, const PCIBar *bar, uint64_t *end64)
{
    uint64_t addr = bar->addr;

    if (!bar->mr || addr == UINT64_MAX || (bar->type & PCI_BAR_IO)) {
        return;
    }
    if (addr >= 4 * GiB) {
        info->hole64_start = MIN(info->hole64_start, addr);
        *end64 = MAX(*end64, addr + bar->size);
    }
}

static void scan_bus(AcpiInfo *info, PCIBus *bus, uint64_t *end64,
                     unsigned depth)
{
    for (unsigned i = 0; i < 256; i++) {
        PCIDevice *d = bus->devices[i];

        for (unsigned n = 0; d && n <= PCI_ROM_SLOT; n++) {
            bar_range(info, &d->bars[n], end64);
        }
        if (d && pci_child_bus(d) && depth < 8) {
            scan_bus(info, pci_child_bus(d), end64, depth + 1);
        }
    }
}

static void find_windows(AcpiInfo *info)
{
    uint64_t end64 = 0, base, least = 2 * GiB;

    info->hole_start = MAX(info->low_size, (uint64_t)16 * MiB);
    info->hole64_start = UINT64_MAX;
    info->hole64_size = 0;
    scan_bus(info, info->pci, &end64, 0);
    /* Also when nothing is there now: for what is plugged later. */
    base = 4 * GiB + info->high_size;
    if (info->hotplug_size) {
        base = info->hotplug_base + info->hotplug_size;
    }
    base = ROUND_UP(base, GiB);
    info->hole64_start = end64 ? MIN(info->hole64_start, base) : base;
    info->hole64_size = MAX(end64 - MIN(end64, info->hole64_start), least);
}

/* --- files --- */

static void build_all(AcpiInfo *info, GByteArray **tables, GByteArray **rsdp,
                      GByteArray **loader)
{
    Build b = {
        .info = info, .tables = g_byte_array_new(),
        .loader = g_byte_array_new(),
        .rsdt = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    uint32_t dsdt;

    find_windows(info);
    load_allocate(&b, RSDP_FILE, 16, ZONE_F_SEGMENT);
    load_allocate(&b, TABLES_FILE, 64, ZONE_HIGH);
    build_facs(&b);
    dsdt = build_dsdt(&b);
    build_fadt(&b, 0, dsdt);
    build_madt(&b);
    if (info->vmgenid) {
        build_vmgenid(&b);
    }
    if (info->hpet) {
        build_hpet(&b);
    }
    if (info->numa->count) {
        build_srat(&b);
        if (info->numa->have_distances) {
            build_slit(&b);
        }
    }
    build_waet(&b);
    add_user_tables(&b);
    *rsdp = build_rsdp(&b, build_rsdt(&b));
    g_array_unref(b.rsdt);
    *tables = b.tables;
    *loader = b.loader;
}

static void grow(GByteArray *a, size_t align)
{
    size_t old = a->len, len = ROUND_UP(MAX(old, 1u), align);

    g_byte_array_set_size(a, len);
    memset(a->data + old, 0, len - old);
}

static void refresh(const char *name, GByteArray *from)
{
    size_t len;
    uint8_t *p = fw_cfg_file_data(the_info->fw_cfg, name, &len);

    /* A table that has outgrown its file would have to be cut: leave it. */
    if (from->len <= len) {
        memset(p, 0, len);
        memcpy(p, from->data, from->len);
    }
    g_byte_array_unref(from);
}

static void selected(void *opaque)
{
    GByteArray *tables, *rsdp, *loader;

    if (!built) {
        built = true;
        build_all(the_info, &tables, &rsdp, &loader);
        refresh(TABLES_FILE, tables);
        refresh(RSDP_FILE, rsdp);
        refresh(LOADER_FILE, loader);
    }
}

static void acpi_reset(void *opaque)
{
    built = false;
}

const AcpiInfo *acpi_info_now(void)
{
    return the_info;
}

bool acpi_setup(AcpiInfo *info, Error **errp)
{
    GByteArray *tables, *rsdp, *loader;
    bool ok;

    the_info = info;
    build_all(info, &tables, &rsdp, &loader);
    /* Room for what hot plug may add before the next building. */
    grow(tables, TABLES_ALIGN);
    grow(loader, LOADER_ALIGN);
    ok = fw_cfg_add_file_callback(info->fw_cfg, TABLES_FILE, selected, NULL,
                                  NULL, tables->data, tables->len, false,
                                  errp) &&
         fw_cfg_add_file_callback(info->fw_cfg, LOADER_FILE, selected, NULL,
                                  NULL, loader->data, loader->len, false,
                                  errp) &&
         fw_cfg_add_file_callback(info->fw_cfg, RSDP_FILE, selected, NULL,
                                  NULL, rsdp->data, rsdp->len, false, errp);
    g_byte_array_unref(tables);
    g_byte_array_unref(rsdp);
    g_byte_array_unref(loader);
    if (ok) {
        reset_register(acpi_reset, NULL);
    }
    return ok;
}
