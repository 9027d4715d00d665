/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line adds to firmware's tables: -fw_cfg, -smbios,
 * -acpitable, -option-rom. */
#include "osdep.h"
#include "vl.h"
#include "hw/acpi/user-tables.h"
#include "hw/bootdevice.h"
#include "hw/firmware/smbios.h"
#include "hw/nvram/fw_cfg.h"
#include "util/datadir.h"
#include "util/option.h"

/* fw_cfg replaces a file of the same name; a user's must not. */
static bool add_file(FWCfgState *fw, const char *name, const void *data,
                     size_t len, Error **errp)
{
    size_t old;

    if (fw_cfg_file_data(fw, name, &old)) {
        error_setg(errp, "duplicate fw_cfg file name: %s", name);
        return false;
    }
    return fw_cfg_add_file(fw, name, data, len, errp);
}

static bool add_fw_cfg(FWCfgState *fw, const ConfigItem *item, Error **errp)
{
    const char *name = qdict_get_str(item->opts, "name");
    const char *file = qdict_get_str(item->opts, "file");
    const char *text = qdict_get_str(item->opts, "string");
    const char *gen = qdict_get_str(item->opts, "gen_id");
    g_autofree char *data = NULL;
    g_autoptr(GError) gerr = NULL;
    gsize size;

    file = file && *file ? file : NULL;
    text = text && *text ? text : NULL;
    gen = gen && *gen ? gen : NULL;
    if (!name || !*name || !!file + !!text + !!gen != 1) {
        error_setg(errp, "name, plus exactly one of file, string and gen_id, "
                         "are needed");
        return false;
    }
    if (gen) {
        /* No type of object makes such data. */
        error_setg(errp, "Cannot find object ID '%s'", gen);
        return false;
    }
    if (strlen(name) > 55) {
        error_setg(errp, "name too long (max. 55 char)");
        return false;
    }
    if (!g_str_has_prefix(name, "opt/")) {
        warn_report("%s: externally provided fw_cfg item names should be "
                    "prefixed with \"opt/\"", item->loc);
    }
    if (text) {
        return add_file(fw, name, text, strlen(text), errp);
    }
    if (!g_file_get_contents(file, &data, &size, &gerr)) {
        error_setg(errp, "can't load %s: %s", file, gerr->message);
        return false;
    }
    return add_file(fw, name, data, size, errp);
}

static bool add_option_rom(FWCfgState *fw, const ConfigItem *item,
                           Error **errp)
{
    const char *file = qdict_get_str(item->opts, "romfile");
    const char *index = qdict_get_str(item->opts, "bootindex");
    g_autofree char *data = NULL, *base = NULL, *name = NULL, *path = NULL;
    int64_t n = -1;
    gsize size;

    if (!file) {
        error_setg(errp, "Option ROM file is not specified");
        return false;
    }
    if (index && !parse_int64("bootindex", index, &n, errp)) {
        return false;
    }
    if (!datadir_load(file, &data, &size, errp)) {
        error_prepend(errp, "Could not open option rom '%s': ", file);
        return false;
    }
    base = g_path_get_basename(file);
    name = g_strdup_printf("genroms/%s", base);
    path = g_strdup_printf("/rom@%s", name);
    if (n >= 0) {
        boot_path_add(n, path);
    }
    return add_file(fw, name, data, size, errp);
}

bool take_firmware_options(const VMConfig *cfg, Error **errp)
{
    FWCfgState *fw = fw_cfg_find();
    const ConfigList *need[] = { &cfg->fw_cfg, &cfg->option_rom };

    for (size_t i = 0; i < ARRAY_SIZE(need); i++) {
        for (size_t k = 0; k < need[i]->n; k++) {
            const ConfigItem *item = need[i]->items[k];

            if (!fw) {
                error_setg(errp, "%s: fw_cfg device not available", item->loc);
                return false;
            }
            if (!(i ? add_option_rom : add_fw_cfg)(fw, item, errp)) {
                error_prepend(errp, "%s: ", item->loc);
                return false;
            }
        }
    }
    for (size_t i = 0; i < cfg->smbios.n; i++) {
        const ConfigItem *item = cfg->smbios.items[i];
        g_autofree char *text = item->text ? g_strdup(item->text)
                                           : keyval_to_text(item->opts);

        if (!smbios_add(text, errp)) {
            error_prepend(errp, "%s: ", item->loc);
            return false;
        }
    }
    for (size_t i = 0; i < cfg->acpitable.n; i++) {
        const ConfigItem *item = cfg->acpitable.items[i];

        if (!acpi_user_table_add(item->text, errp)) {
            error_prepend(errp, "%s: ", item->loc);
            return false;
        }
    }
    return true;
}
