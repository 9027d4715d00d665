/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "util/datadir.h"

static GPtrArray *dirs; /* of -L */

static const char *const places[] = {
    CONFIG_DATADIR,       CONFIG_BUILD_ROOT "/pc-bios",
    "/usr/share/seabios", "/usr/share/vgabios",
    "/usr/lib/ipxe/qemu", "/usr/share/qemu",
    "/usr/share/OVMF",
};

/* Which package brings a file whose name begins so. */
static const struct {
    const char *prefix, *package;
} packages[] = {
    { "bios", "seabios" },    { "vgabios", "seabios" },
    { "acpi", "seabios" },    { "pxe-", "ipxe-qemu" },
    { "efi-", "ipxe-qemu" },  { "OVMF", "ovmf" },
};

void datadir_add(const char *dir)
{
    if (!dirs) {
        dirs = g_ptr_array_new();
    }
    g_ptr_array_add(dirs, g_strdup(dir));
}

void datadir_print(FILE *f)
{
    for (unsigned i = 0; dirs && i < dirs->len; i++) {
        fprintf(f, "%s\n", (char *)g_ptr_array_index(dirs, i));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        fprintf(f, "%s\n", places[i]);
    }
}

static char *try_in(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);

    if (access(path, R_OK) == 0) {
        return path;
    }
    g_free(path);
    return NULL;
}

char *datadir_find(const char *name, Error **errp)
{
    const char *base = strrchr(name, '/');
    char *path;

    if (access(name, R_OK) == 0) {
        return g_strdup(name);
    }
    base = base ? base + 1 : name;
    for (unsigned i = 0; base == name && dirs && i < dirs->len; i++) {
        path = try_in(g_ptr_array_index(dirs, i), name);
        if (path) {
            return path;
        }
    }
    for (unsigned i = 0; base == name && i < ARRAY_SIZE(places); i++) {
        path = try_in(places[i], name);
        if (path) {
            return path;
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(packages); i++) {
        if (g_str_has_prefix(base, packages[i].prefix)) {
            error_setg(errp, "could not find '%s' (Debian's package %s has it; "
                             "see -L)", name, packages[i].package);
            return NULL;
        }
    }
    error_setg(errp, "could not find '%s' (see -L)", name);
    return NULL;
}

bool datadir_load(const char *name, char **data, gsize *size, Error **errp)
{
    g_autofree char *path = datadir_find(name, errp);
    g_autoptr(GError) gerr = NULL;

    if (!path) {
        return false;
    }
    if (!g_file_get_contents(path, data, size, &gerr)) {
        error_setg(errp, "cannot read '%s': %s", path, gerr->message);
        return false;
    }
    return true;
}
