/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS structures: DMTF DSP0134 2.8 and 3.0.  Section 5.2 has the entry
 * points, 7 the types.
 *
 * A structure is a formatted area and its strings; fields hold strings'
 * numbers.  Text given by -smbios is kept by type and key until the machine
 * is complete.
 */
#include "osdep.h"
#include "hw/firmware/smbios.h"
#include "hw/pci.h"
#include "util/option.h"

#define DIMM_SIZE (16 * GiB)

enum { KIND_STR, KIND_NUM, KIND_BOOL, KIND_UUID };

typedef struct Key {
    uint8_t type;
    uint8_t kind;
    bool repeats;
    const char *name;
} Key;

static const Key keys[] = {
    { 0, KIND_STR, false, "vendor" }, { 0, KIND_STR, false, "version" },
    { 0, KIND_STR, false, "date" }, { 0, KIND_STR, false, "release" },
    { 0, KIND_BOOL, false, "uefi" },
    { 1, KIND_STR, false, "manufacturer" }, { 1, KIND_STR, false, "product" },
    { 1, KIND_STR, false, "version" }, { 1, KIND_STR, false, "serial" },
    { 1, KIND_UUID, false, "uuid" }, { 1, KIND_STR, false, "sku" },
    { 1, KIND_STR, false, "family" },
    { 2, KIND_STR, false, "manufacturer" }, { 2, KIND_STR, false, "product" },
    { 2, KIND_STR, false, "version" }, { 2, KIND_STR, false, "serial" },
    { 2, KIND_STR, false, "asset" }, { 2, KIND_STR, false, "location" },
    { 3, KIND_STR, false, "manufacturer" }, { 3, KIND_STR, false, "version" },
    { 3, KIND_STR, false, "serial" }, { 3, KIND_STR, false, "asset" },
    { 3, KIND_STR, false, "sku" },
    { 4, KIND_STR, false, "sock_pfx" }, { 4, KIND_STR, false, "manufacturer" },
    { 4, KIND_STR, false, "version" }, { 4, KIND_STR, false, "serial" },
    { 4, KIND_STR, false, "asset" }, { 4, KIND_STR, false, "part" },
    { 4, KIND_NUM, false, "max-speed" }, { 4, KIND_NUM, false, "current-speed" },
    { 4, KIND_NUM, false, "processor-id" },
    { 8, KIND_STR, true, "internal_reference" },
    { 8, KIND_STR, true, "external_reference" },
    { 8, KIND_NUM, true, "connector_type" }, { 8, KIND_NUM, true, "port_type" },
    { 11, KIND_STR, true, "value" }, { 11, KIND_STR, true, "path" },
    { 17, KIND_STR, false, "loc_pfx" }, { 17, KIND_STR, false, "bank" },
    { 17, KIND_STR, false, "manufacturer" }, { 17, KIND_STR, false, "serial" },
    { 17, KIND_STR, false, "asset" }, { 17, KIND_STR, false, "part" },
    { 17, KIND_NUM, false, "speed" },
    { 41, KIND_STR, true, "designation" }, { 41, KIND_STR, true, "kind" },
    { 41, KIND_NUM, true, "instance" }, { 41, KIND_STR, true, "pcidev" },
};

typedef struct Pair {
    const Key *key;
    char *value;     /* owned */
    unsigned option; /* which -smbios it came with */
} Pair;

/* What -smbios has said: as long as the process. */
static GArray *given;          /* Pair */
static GByteArray *from_files;
static unsigned file_structs, options, file_max;
static uint32_t have_fields[8], have_file[8]; /* types, a bit each */

static bool bit_test(const uint32_t *map, unsigned n)
{
    return map[n / 32] >> n % 32 & 1;
}

static void bit_set(uint32_t *map, unsigned n)
{
    map[n / 32] |= 1u << n % 32;
}

/* --- parsing --- */

/* The next KEY=VALUE of @p; a doubled comma is a comma. */
static bool next_pair(const char **p, char **key, char **value)
{
    g_autoptr(GString) s = g_string_new(NULL);
    const char *eq;

    if (!**p) {
        return false;
    }
    for (; **p && (**p != ',' || (*p)[1] == ','); (*p)++) {
        *p += **p == ',';
        g_string_append_c(s, **p);
    }
    *p += **p == ',';
    eq = strchr(s->str, '=');
    *key = eq ? g_strndup(s->str, eq - s->str) : g_strdup(s->str);
    *value = g_strdup(eq ? eq + 1 : "on");
    return true;
}

static bool check_value(const Key *k, const char *v, Error **errp)
{
    uint64_t n;
    unsigned major, minor;
    char end;
    bool b;

    switch (k->kind) {
    case KIND_NUM:
        if (!parse_uint64(k->name, v, &n, errp)) {
            return false;
        }
        if (strstr(k->name, "speed") && n > UINT16_MAX) {
            error_setg(errp, "SMBIOS %s speed is too large (> %d)",
                       k->type == 4 ? "CPU" : "memory", UINT16_MAX);
            return false;
        }
        if (k->type == 8 && n > UINT8_MAX) {
            error_setg(errp, "Parameter '%s' expects a number up to 255",
                       k->name);
            return false;
        }
        return true;
    case KIND_BOOL:
        return parse_bool(k->name, v, &b, errp);
    case KIND_UUID:
        if (!g_uuid_string_is_valid(v)) {
            error_setg(errp, "Invalid UUID");
            return false;
        }
        return true;
    default:
        if (!strcmp(k->name, "release") &&
            (sscanf(v, "%u.%u%c", &major, &minor, &end) != 2 || major > 255 ||
             minor > 255)) {
            error_setg(errp, "Invalid release");
            return false;
        }
        if (!strcmp(k->name, "path") && !g_file_test(v, G_FILE_TEST_EXISTS)) {
            error_setg(errp, "Could not open '%s': %s", v, strerror(ENOENT));
            return false;
        }
        return true;
    }
}

static const char *const kinds[] = {
    NULL, "other", "unknown", "video", "scsi", "ethernet", "tokenring",
    "sound", "pata", "sata", "sas",
};

static unsigned kind_number(const char *name)
{
    for (unsigned i = 1; i < ARRAY_SIZE(kinds); i++) {
        if (!strcmp(kinds[i], name)) {
            return i;
        }
    }
    return 0;
}

static bool take_field(unsigned type, const char *key, const char *value,
                       Error **errp)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        Pair p = { &keys[i], NULL, options };

        if (keys[i].type != type || strcmp(keys[i].name, key)) {
            continue;
        }
        if (!check_value(&keys[i], value, errp)) {
            return false;
        }
        if (!strcmp(key, "kind") && !kind_number(value)) {
            error_setg(errp, "invalid parameter value: %s", value);
            return false;
        }
        p.value = g_strdup(value);
        g_array_append_val(given, p);
        return true;
    }
    error_setg(errp, "Invalid parameter '%s'", key);
    return false;
}

/* Length of the structure at @p with its strings; 0: it does not end. */
static size_t struct_length(const uint8_t *p, size_t left)
{
    if (left < 6 || p[1] < 4 || p[1] + 2u > left) {
        return 0;
    }
    for (size_t i = p[1]; i + 1 < left; i++) {
        if (!p[i] && !p[i + 1]) {
            return i + 2;
        }
    }
    return 0;
}

static bool add_file(const char *path, Error **errp)
{
    g_autofree char *data = NULL;
    gsize size;
    size_t len;

    if (!g_file_get_contents(path, &data, &size, NULL) || size < 4) {
        error_setg(errp, "Cannot read SMBIOS file %s", path);
        return false;
    }
    for (size_t at = 0; at < size; at += len) {
        const uint8_t *p = (uint8_t *)data + at;

        len = struct_length(p, size - at);
        if (!len) {
            error_setg(errp, "SMBIOS file %s: the structure at offset %zu "
                             "has no end", path, at);
            return false;
        }
        if (bit_test(have_fields, p[0])) {
            error_setg(errp, "can't load type %d struct, fields already "
                             "specified!", p[0]);
            return false;
        }
        bit_set(have_file, p[0]);
        file_structs++;
        file_max = MAX(file_max, len);
        g_byte_array_append(from_files, p, len);
    }
    return true;
}

bool smbios_add(const char *text, Error **errp)
{
    const char *p = text;
    char *k, *v;
    g_autofree char *file = NULL, *type_text = NULL;
    uint64_t type = 0;

    if (!given) {
        given = g_array_new(FALSE, FALSE, sizeof(Pair));
        from_files = g_byte_array_new();
    }
    options++;
    while (next_pair(&p, &k, &v)) {
        g_autofree char *key = k, *value = v;
        char **to = !strcmp(key, "file")   ? &file
                    : !strcmp(key, "type") ? &type_text
                                           : NULL;

        if (to) {
            g_free(*to);
            *to = g_steal_pointer(&value);
        }
    }
    if (!file && !type_text) {
        error_setg(errp, "Must specify type= or file=");
        return false;
    }
    if (!file) {
        unsigned i;

        if (!parse_uint64("type", type_text, &type, errp)) {
            return false;
        }
        if (type > 255) {
            error_setg(errp, "out of range!");
            return false;
        }
        if (bit_test(have_file, type)) {
            error_setg(errp, "can't add fields, binary file already loaded!");
            return false;
        }
        for (i = 0; i < ARRAY_SIZE(keys) && keys[i].type != type; i++) {
        }
        if (i == ARRAY_SIZE(keys)) {
            error_setg(errp, "Don't know how to build fields for SMBIOS type "
                             "%u", (unsigned)type);
            return false;
        }
        bit_set(have_fields, type);
    }
    for (p = text; next_pair(&p, &k, &v);) {
        g_autofree char *key = k, *value = v;

        if (file ? !strcmp(key, "file") : !strcmp(key, "type")) {
            continue;
        }
        if (file) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return false;
        }
        if (!take_field(type, key, value, errp)) {
            return false;
        }
    }
    return !file || add_file(file, errp);
}

/* --- what was given --- */

/* @option 0: the last of all. */
static const char *field(unsigned type, const char *name, unsigned option)
{
    for (guint i = given ? given->len : 0; i-- > 0;) {
        const Pair *p = &g_array_index(given, Pair, i);

        if (p->key->type == type && !strcmp(p->key->name, name) &&
            (!option || p->option == option)) {
            return p->value;
        }
    }
    return NULL;
}

static uint64_t number(unsigned type, const char *name, unsigned option,
                       uint64_t def)
{
    const char *v = field(type, name, option);
    uint64_t n = def;

    return v && parse_uint64(name, v, &n, NULL) ? n : def;
}

static const char *either(const char *a, const char *b)
{
    return a ? a : b;
}

/* --- building --- */

typedef struct Table {
    GByteArray *all;
    size_t start;       /* of the structure being made */
    GByteArray *strings;
    unsigned n_strings;
    unsigned structs, max;
} Table;

static void put(Table *t, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t b = v >> (8 * i);

        g_byte_array_append(t->all, &b, 1);
    }
}

static void put_str(Table *t, const char *s)
{
    if (!s || !*s || t->n_strings == 255) {
        put(t, 0, 1);
        return;
    }
    put(t, ++t->n_strings, 1);
    g_byte_array_append(t->strings, (const uint8_t *)s, strlen(s) + 1);
}

static void begin(Table *t, uint8_t type, uint16_t handle)
{
    t->start = t->all->len;
    t->strings = g_byte_array_new();
    t->n_strings = 0;
    put(t, type, 1);
    put(t, 0, 1); /* length of the formatted area: end() */
    put(t, handle, 2);
}

static void end(Table *t)
{
    t->all->data[t->start + 1] = t->all->len - t->start;
    if (t->n_strings) {
        g_byte_array_append(t->all, t->strings->data, t->strings->len);
        put(t, 0, 1);
    } else {
        put(t, 0, 2);
    }
    g_byte_array_unref(t->strings);
    t->structs++;
    t->max = MAX(t->max, t->all->len - t->start);
}

static void put_uuid(Table *t, const char *text, const UUID *uuid)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6,
                                       8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t b[16];

    memcpy(b, uuid->b, sizeof(b));
    for (unsigned i = 0, k = 0; text && i < 16; k++) {
        if (text[k] != '-') {
            b[i++] = g_ascii_xdigit_value(text[k]) << 4 |
                     g_ascii_xdigit_value(text[k + 1]);
            k++;
        }
    }
    /* The first three fields are little endian (7.2.1). */
    for (unsigned i = 0; i < 16; i++) {
        put(t, b[order[i]], 1);
    }
}

static void build_bios(Table *t)
{
    unsigned major = 0, minor = 0;
    const char *release = field(0, "release", 0);
    const char *uefi = field(0, "uefi", 0);
    bool is_uefi = false;

    if (release) {
        sscanf(release, "%u.%u", &major, &minor);
    }
    if (uefi) {
        parse_bool("uefi", uefi, &is_uefi, NULL);
    }
    begin(t, 0, 0);
    put_str(t, field(0, "vendor", 0));
    put_str(t, field(0, "version", 0));
    put(t, 0xe800, 2);
    put_str(t, field(0, "date", 0));
    put(t, 0, 1);
    put(t, 0x08, 8);                   /* characteristics not supported */
    put(t, 0, 1);
    put(t, 0x14 | (is_uefi ? 8 : 0), 1); /* virtual machine, targeted */
    put(t, major, 1);
    put(t, minor, 1);
    put(t, 0xffff, 2);
    end(t);
}

static void build_system(Table *t, const MachineState *m)
{
    begin(t, 1, 0x100);
    put_str(t, either(field(1, "manufacturer", 0), "QEMU"));
    put_str(t, either(field(1, "product", 0), m->info->desc));
    put_str(t, either(field(1, "version", 0), m->info->name));
    put_str(t, field(1, "serial", 0));
    put_uuid(t, field(1, "uuid", 0), &m->uuid);
    put(t, 6, 1); /* wake-up by power switch */
    put_str(t, field(1, "sku", 0));
    put_str(t, field(1, "family", 0));
    end(t);
}

static void build_board(Table *t, const MachineState *m)
{
    begin(t, 2, 0x200);
    put_str(t, either(field(2, "manufacturer", 0), "QEMU"));
    put_str(t, field(2, "product", 0));
    put_str(t, either(field(2, "version", 0), m->info->name));
    put_str(t, field(2, "serial", 0));
    put_str(t, field(2, "asset", 0));
    put(t, 1, 1);      /* hosting board */
    put_str(t, field(2, "location", 0));
    put(t, 0x300, 2);  /* chassis */
    put(t, 0x0a, 1);   /* motherboard */
    put(t, 0, 1);
    end(t);
}

static void build_chassis(Table *t, const MachineState *m)
{
    begin(t, 3, 0x300);
    put_str(t, either(field(3, "manufacturer", 0), "QEMU"));
    put(t, 1, 1); /* other */
    put_str(t, either(field(3, "version", 0), m->info->name));
    put_str(t, field(3, "serial", 0));
    put_str(t, field(3, "asset", 0));
    put(t, 0x030303, 3); /* boot-up, supply, thermal state: safe */
    put(t, 2, 1); /* security unknown */
    put(t, 0, 8);
    put_str(t, field(3, "sku", 0));
    end(t);
}

static void build_cpu(Table *t, const SmbiosInfo *info, unsigned socket)
{
    const CpuTopology *smp = &info->m->smp;
    unsigned cores = smp->cores * smp->dies, threads = cores * smp->threads;
    g_autofree char *name = g_strdup_printf(
        "%s %x", either(field(4, "sock_pfx", 0), "CPU"), socket);

    begin(t, 4, 0x400 + socket);
    put_str(t, name);
    put(t, 3, 1); /* central processor */
    put(t, 1, 1); /* family: other */
    put_str(t, either(field(4, "manufacturer", 0), "QEMU"));
    put(t, number(4, "processor-id", 0,
                  info->cpuid_1[0] | (uint64_t)info->cpuid_1[1] << 32), 8);
    put_str(t, either(field(4, "version", 0), info->m->info->name));
    put(t, 0, 3); /* voltage, external clock unknown */
    put(t, number(4, "max-speed", 0, 2000), 2);
    put(t, number(4, "current-speed", 0, 2000), 2);
    put(t, 0x41, 1); /* populated and enabled */
    put(t, 1, 1);
    put(t, 0xffff, 2);
    put(t, 0xffff, 2);
    put(t, 0xffff, 2);
    put_str(t, field(4, "serial", 0));
    put_str(t, field(4, "asset", 0));
    put_str(t, field(4, "part", 0));
    put(t, MIN(cores, 255u), 1);
    put(t, MIN(cores, 255u), 1);
    put(t, MIN(threads, 255u), 1);
    put(t, 2, 2); /* characteristics unknown */
    put(t, 1, 2);
    if (info->v3) {
        put(t, cores, 2);
        put(t, cores, 2);
        put(t, threads, 2);
    }
    end(t);
}

/* Each -smbios type=8 is one connector, type=41 one device. */
static void build_ports(Table *t)
{
    unsigned n = 0;

    for (unsigned o = 1; o <= options; o++) {
        const char *in = field(8, "internal_reference", o);
        const char *ex = field(8, "external_reference", o);
        uint64_t c = number(8, "connector_type", o, UINT64_MAX);
        uint64_t p = number(8, "port_type", o, UINT64_MAX);

        if (!in && !ex && c == UINT64_MAX && p == UINT64_MAX) {
            continue;
        }
        begin(t, 8, 0x800 + n++);
        put_str(t, in);
        put(t, 0, 1);
        put_str(t, ex);
        put(t, c == UINT64_MAX ? 0 : c, 1);
        put(t, p == UINT64_MAX ? 0 : p, 1);
        end(t);
    }
}

static bool build_oem(Table *t, Error **errp)
{
    size_t count_at;

    begin(t, 11, 0xe00);
    count_at = t->all->len;
    put(t, 0, 1);
    for (guint i = 0; i < given->len; i++) {
        const Pair *p = &g_array_index(given, Pair, i);
        g_autofree char *data = NULL;

        if (p->key->type != 11) {
            continue;
        }
        if (!strcmp(p->key->name, "path")) {
            gsize size;

            if (!g_file_get_contents(p->value, &data, &size, NULL)) {
                error_setg(errp, "-smbios type=11: Could not read '%s'",
                           p->value);
                g_byte_array_unref(t->strings);
                return false;
            }
            if (memchr(data, 0, size)) {
                error_setg(errp, "NUL in OEM strings value in %s", p->value);
                g_byte_array_unref(t->strings);
                return false;
            }
        }
        /* An empty one would end the list. */
        g_byte_array_append(t->strings,
                            (const uint8_t *)(data ? data : p->value),
                            strlen(data ? data : p->value) + 1);
        t->n_strings++;
    }
    t->all->data[count_at] = t->n_strings;
    end(t);
    return true;
}

static void build_memory(Table *t, const SmbiosInfo *info)
{
    uint64_t size = info->m->ram_size;
    unsigned dimms = MAX(DIV_ROUND_UP(size, DIMM_SIZE), 1u);

    begin(t, 16, 0x1000);
    put(t, 1, 1); /* location other */
    put(t, 3, 1); /* system memory */
    put(t, 6, 1); /* multi-bit ECC */
    put(t, size / KiB < 0x80000000 ? size / KiB : 0x80000000, 4);
    put(t, 0xfffe, 2);
    put(t, dimms, 2);
    put(t, size / KiB < 0x80000000 ? 0 : size, 8);
    end(t);
    for (unsigned i = 0; i < dimms; i++) {
        uint64_t part = i + 1 < dimms ? DIMM_SIZE : size - i * DIMM_SIZE;
        unsigned speed = number(17, "speed", 0, 0);
        g_autofree char *name = g_strdup_printf(
            "%s %u", either(field(17, "loc_pfx", 0), "DIMM"), i);

        begin(t, 17, 0x1100 + i);
        put(t, 0x1000, 2);
        put(t, 0xfffe, 2);
        put(t, 0xffff, 2); /* widths unknown */
        put(t, 0xffff, 2);
        put(t, part / MiB < 0x7fff ? part / MiB : 0x7fff, 2);
        put(t, 9, 1);      /* DIMM */
        put(t, 0, 1);
        put_str(t, name);
        put_str(t, field(17, "bank", 0));
        put(t, 7, 1);      /* RAM */
        put(t, 2, 2);
        put(t, speed, 2);
        put_str(t, either(field(17, "manufacturer", 0), "QEMU"));
        put_str(t, field(17, "serial", 0));
        put_str(t, field(17, "asset", 0));
        put_str(t, field(17, "part", 0));
        put(t, 0, 1);
        put(t, part / MiB < 0x7fff ? 0 : part / MiB, 4);
        put(t, speed, 2);
        put(t, 0, 6);
        end(t);
    }
    for (unsigned i = 0; i < info->rams; i++) {
        uint64_t from = info->ram[i].base, to = from + info->ram[i].size;
        bool big = (to - 1) / KiB >= UINT32_MAX;

        begin(t, 19, 0x1300 + i);
        put(t, big ? UINT32_MAX : from / KiB, 4);
        put(t, big ? UINT32_MAX : (to - 1) / KiB, 4);
        put(t, 0x1000, 2);
        put(t, 1, 1);
        put(t, big ? from : 0, 8);
        put(t, big ? to - 1 : 0, 8);
        end(t);
    }
}

static bool build_onboard(Table *t, Error **errp)
{
    unsigned n = 0;

    for (unsigned o = 1; o <= options; o++) {
        const char *name = field(41, "designation", o);
        const char *kind = field(41, "kind", o), *dev = field(41, "pcidev", o);
        uint64_t instance = number(41, "instance", o, UINT64_MAX);
        DeviceState *d = NULL;

        if (!name && !kind && !dev && instance == UINT64_MAX) {
            continue;
        }
        if (dev) {
            d = device_find(dev, NULL);
            if (!d || !object_type_is(d->obj.type, "pci-device")) {
                error_setg(errp, "No PCI device %s for SMBIOS type 41 entry "
                                 "%s", dev, name ? name : "(unnamed)");
                return false;
            }
        }
        begin(t, 41, 0x2900 + n++);
        put_str(t, name);
        put(t, (kind ? kind_number(kind) : 1) | 0x80, 1); /* enabled */
        put(t, instance == UINT64_MAX ? 1 : instance, 1);
        put(t, 0, 2);
        put(t, d ? pci_bus_num(pci_bus_of((PCIDevice *)d)) : 0, 1);
        put(t, d ? ((PCIDevice *)d)->devfn : 0, 1);
        end(t);
    }
    return true;
}

static bool wanted(unsigned type)
{
    return !bit_test(have_file, type);
}

static bool build_all(Table *t, const SmbiosInfo *info, Error **errp)
{
    const MachineState *m = info->m;

    if (bit_test(have_fields, 0)) {
        build_bios(t);
    }
    if (wanted(1)) {
        build_system(t, m);
    }
    if (bit_test(have_fields, 2)) {
        build_board(t, m);
    }
    if (wanted(3)) {
        build_chassis(t, m);
    }
    for (unsigned i = 0; wanted(4) && i < m->smp.sockets; i++) {
        build_cpu(t, info, i);
    }
    if (bit_test(have_fields, 8)) {
        build_ports(t);
    }
    if (bit_test(have_fields, 11) && !build_oem(t, errp)) {
        return false;
    }
    if (wanted(16) && wanted(17) && wanted(19)) {
        build_memory(t, info);
    }
    if (wanted(32)) {
        begin(t, 32, 0x2000);
        put(t, 0, 7); /* no errors at boot */
        end(t);
    }
    if (bit_test(have_fields, 41) && !build_onboard(t, errp)) {
        return false;
    }
    if (wanted(127)) {
        begin(t, 127, 0x7f00);
        end(t);
    }
    return true;
}

/* 5.2: firmware fills in addresses and checksums. */
static void build_anchor(GByteArray *out, const Table *t, bool v3)
{
    Table a = { .all = out };

    if (v3) {
        g_byte_array_append(out, (const uint8_t *)"_SM3_", 5);
        put(&a, 0x1800, 2); /* checksum, length */
        put(&a, 3, 1);
        put(&a, 0, 2);
        put(&a, 1, 2);      /* revision of this structure */
        put(&a, t->all->len, 4);
        put(&a, 0, 8);
        return;
    }
    g_byte_array_append(out, (const uint8_t *)"_SM_", 4);
    put(&a, 0x1f00, 2);
    put(&a, 2, 1);
    put(&a, 8, 1);
    put(&a, t->max, 2);
    put(&a, 0, 6);
    g_byte_array_append(out, (const uint8_t *)"_DMI_", 5);
    put(&a, 0, 1);
    put(&a, t->all->len, 2);
    put(&a, 0, 4);
    put(&a, t->structs, 2);
    put(&a, 0x28, 1);
}

bool smbios_setup(FWCfgState *fw, const SmbiosInfo *info, Error **errp)
{
    g_autoptr(GByteArray) anchor = g_byte_array_new();
    Table t = { .all = g_byte_array_new() };
    bool ok;

    if (from_files) {
        g_byte_array_append(t.all, from_files->data, from_files->len);
        t.structs = file_structs;
        t.max = file_max;
    }
    ok = build_all(&t, info, errp);
    if (ok && !info->v3 && t.all->len > UINT16_MAX) {
        error_setg(errp, "SMBIOS 2.1 table length %u exceeds %d",
                   t.all->len, UINT16_MAX);
        ok = false;
    }
    if (ok) {
        build_anchor(anchor, &t, info->v3);
        ok = fw_cfg_add_file(fw, "etc/smbios/smbios-tables", t.all->data,
                             t.all->len, errp) &&
             fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", anchor->data,
                             anchor->len, errp);
    }
    g_byte_array_unref(t.all);
    return ok;
}
