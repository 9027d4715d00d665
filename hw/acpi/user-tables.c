/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -acpitable: tables from files.  data= files hold what follows the header,
 * file= files have one, of which the other keys change fields (ACPI 6.4,
 * 5.2.6).  Length and checksum are made right in either case.
 */
#include "osdep.h"
#include "hw/acpi/user-tables.h"
#include "util/option.h"

#define HEADER 36 /* bytes */

static GPtrArray *tables;

typedef struct TableOptions {
    char *sig, *rev, *oem_id, *oem_table_id, *oem_rev, *asl_id, *asl_rev;
    char *file, *data;
} TableOptions;

static void options_clear(TableOptions *o)
{
    char **all = (char **)o;

    for (size_t i = 0; i < sizeof(*o) / sizeof(char *); i++) {
        g_free(all[i]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TableOptions, options_clear)

static bool parse(TableOptions *o, const char *text, Error **errp)
{
    struct {
        const char *name;
        char **to;
    } known[] = {
        { "sig", &o->sig }, { "rev", &o->rev }, { "oem_id", &o->oem_id },
        { "oem_table_id", &o->oem_table_id }, { "oem_rev", &o->oem_rev },
        { "asl_compiler_id", &o->asl_id },
        { "asl_compiler_rev", &o->asl_rev }, { "file", &o->file },
        { "data", &o->data },
    };
    g_auto(GStrv) part = g_strsplit(text, ",", -1);

    for (unsigned i = 0; part[i]; i++) {
        char *eq = strchr(part[i], '=');
        unsigned k;

        if (!eq) {
            /* Alone, it is a file. */
            g_free(o->file);
            o->file = g_strdup(part[i]);
            continue;
        }
        *eq = 0;
        for (k = 0; k < ARRAY_SIZE(known) && strcmp(known[k].name, part[i]);
             k++) {
        }
        if (k == ARRAY_SIZE(known)) {
            error_setg(errp, "Invalid parameter '%s'", part[i]);
            return false;
        }
        g_free(*known[k].to);
        *known[k].to = g_strdup(eq + 1);
    }
    if (!o->file == !o->data) {
        error_setg(errp, "'-acpitable' requires one of 'data' or 'file'");
        return false;
    }
    return true;
}

static bool read_files(GByteArray *to, const char *names, Error **errp)
{
    g_auto(GStrv) part = g_strsplit(names, ":", -1);

    for (unsigned i = 0; part[i]; i++) {
        g_autofree char *data = NULL;
        g_autoptr(GError) gerr = NULL;
        gsize size;

        if (!*part[i]) {
            continue;
        }
        if (!g_file_get_contents(part[i], &data, &size, &gerr)) {
            error_setg(errp, "can't open file %s: %s", part[i],
                       gerr->message);
            return false;
        }
        if (to->len + size > MiB) {
            error_setg(errp, "table in %s is too large", part[i]);
            return false;
        }
        g_byte_array_append(to, (uint8_t *)data, size);
    }
    return true;
}

static void set_text(uint8_t *at, const char *s, size_t n)
{
    if (s) {
        for (size_t i = 0; i < n; i++) {
            at[i] = *s ? *s++ : 0;
        }
    }
}

static bool set_number(uint8_t *at, const char *name, const char *s, size_t n,
                       Error **errp)
{
    uint64_t v;

    if (!s) {
        return true;
    }
    if (!parse_uint64(name, s, &v, errp)) {
        return false;
    }
    if (v >> (8 * n)) {
        error_setg(errp, "Parameter '%s' expects uint%zu_t", name, 8 * n);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        at[i] = v >> 8 * i;
    }
    return true;
}

bool acpi_user_table_add(const char *text, Error **errp)
{
    static const uint8_t plain[HEADER] =
        "QEMU\0\0\0\0\1\0QEMUQEQEMUQEMU\1\0\0\0QEMU\1\0\0";
    g_auto(TableOptions) o = { 0 };
    g_autoptr(GByteArray) t = g_byte_array_new();
    uint8_t *h, sum = 0;

    if (!parse(&o, text, errp)) {
        return false;
    }
    if (o.data) {
        g_byte_array_append(t, plain, HEADER);
    }
    if (!read_files(t, o.data ? o.data : o.file, errp)) {
        return false;
    }
    if (t->len < HEADER) {
        error_setg(errp, "ACPI table claiming to have header is too short, "
                         "available: %u, expected: %d", t->len, HEADER);
        return false;
    }
    h = t->data;
    set_text(h, o.sig, 4);
    set_text(h + 10, o.oem_id, 6);
    set_text(h + 16, o.oem_table_id, 8);
    set_text(h + 28, o.asl_id, 4);
    if (!set_number(h + 8, "rev", o.rev, 1, errp) ||
        !set_number(h + 24, "oem_rev", o.oem_rev, 4, errp) ||
        !set_number(h + 32, "asl_compiler_rev", o.asl_rev, 4, errp)) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        h[4 + i] = t->len >> 8 * i;
    }
    h[9] = 0;
    for (guint i = 0; i < t->len; i++) {
        sum += h[i];
    }
    h[9] = -sum;
    if (!tables) {
        tables = g_ptr_array_new();
    }
    g_ptr_array_add(tables, g_bytes_new(t->data, t->len));
    return true;
}

GPtrArray *acpi_user_tables(void)
{
    return tables;
}
