/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of devices and back ends. */
#include "osdep.h"
#include "options-int.h"
#include "util/option.h"

/* A device of these drivers stands for the default one. */
static const struct {
    const char *driver;
    size_t flag;
} default_of[] = {
#define D(drv, f) { drv, offsetof(VMConfig, default_##f) }
    D("isa-serial", serial), D("isa-parallel", parallel), D("isa-fdc", floppy),
    D("floppy", floppy), D("ide-cd", cdrom), D("ide-hd", cdrom),
    D("ide-drive", cdrom), D("scsi-cd", cdrom), D("scsi-hd", cdrom),
    D("VGA", vga), D("isa-vga", vga), D("cirrus-vga", vga),
    D("isa-cirrus-vga", vga), D("vmware-svga", vga), D("qxl-vga", vga),
    D("virtio-vga", vga), D("virtio-vga-gl", vga), D("ati-vga", vga),
    D("bochs-display", vga), D("secondary-vga", vga), D("ramfb", vga),
#undef D
};

static void note_device(VMConfig *cfg, const char *driver)
{
    for (size_t i = 0; driver && i < ARRAY_SIZE(default_of); i++) {
        if (!strcmp(default_of[i].driver, driver)) {
            *(bool *)((char *)cfg + default_of[i].flag) = false;
        }
    }
}

static bool add_device(VMConfig *cfg, const char *loc, const char *text,
                       QObject *opts, Error **errp)
{
    if (!option_check_id(opts, errp)) {
        qobject_unref(opts);
        return false;
    }
    note_device(cfg, qdict_get_str(opts, "driver"));
    config_list_add(&cfg->devices, loc, text, opts);
    return true;
}

/* -device and -watchdog, whose names are drivers too. */
bool opt_device(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    bool help = false;
    QObject *opts = keyval_or_json_parse(arg, "driver", &help, errp);

    if (!opts) {
        return false;
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!qdict_get_str(opts, "driver")) {
        error_setg(errp, "Parameter 'driver' is missing");
        qobject_unref(opts);
        return false;
    }
    return add_device(cfg, loc, arg, opts, errp);
}

/* "disk:[format=FORMAT]:FILE": a drive of its own for it. */
static bool add_usb_disk(VMConfig *cfg, const char *what, const char *loc,
                         const char *arg, Error **errp)
{
    g_autofree char *id = g_strdup_printf("usbdisk%zu", cfg->drives.n);
    const char *colon = strchr(what, ':');
    QObject *drive, *dev;

    drive = qdict_new();
    if (g_str_has_prefix(what, "format=") && colon) {
        g_autofree char *format = g_strndup(what + 7, colon - what - 7);

        qdict_put_str(drive, "format", format);
        what = colon + 1;
    }
    if (!*what) {
        error_setg(errp, "-usbdevice disk: wants a file");
        qobject_unref(drive);
        return false;
    }
    qdict_put_str(drive, "if", "none");
    qdict_put_str(drive, "id", id);
    qdict_put_str(drive, "file", what);
    config_list_add(&cfg->drives, loc, arg, drive);
    dev = qdict_new();
    qdict_put_str(dev, "driver", "usb-storage");
    qdict_put_str(dev, "drive", id);
    do_mprop(cfg, &(OptionDef){ .data = "usb", .text = "on" }, NULL, loc,
             NULL);
    return add_device(cfg, loc, arg, dev, errp);
}

bool opt_usbdevice(VMConfig *cfg, const OptionDef *o, const char *arg,
                   const char *loc, Error **errp)
{
    static const char *const names[] = {
        "tablet", "mouse", "keyboard", "wacom-tablet", "braille", "ccid",
        "u2f", NULL
    };
    static const char *const drivers[] = {
        "usb-tablet", "usb-mouse", "usb-kbd", "usb-wacom-tablet",
        "usb-braille", "usb-ccid", "u2f-passthru"
    };
    QObject *opts;
    int i;

    if (g_str_has_prefix(arg, "disk:")) {
        return add_usb_disk(cfg, arg + 5, loc, arg, errp);
    }
    i = option_find_value("usbdevice", arg, names, errp);
    if (i < 0) {
        return false;
    }
    opts = qdict_new();
    qdict_put_str(opts, "driver", drivers[i]);
    do_mprop(cfg, &(OptionDef){ .data = "usb", .text = "on" }, NULL, loc,
             NULL);
    return add_device(cfg, loc, arg, opts, errp);
}

bool opt_balloon(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    static const char *const kinds[] = { "none", "virtio", NULL };
    static const char *const keys[] = { "type", "addr", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, "type", NULL, errp);
    g_autoptr(QObject) type = NULL;
    int kind;

    if (!opts || !option_check_keys(opts, keys, errp)) {
        return false;
    }
    type = qdict_steal(opts, "type");
    kind = option_find_value("type", type ? qstring_get(type) : "", kinds,
                             errp);
    if (kind < 0) {
        return false;
    }
    if (kind == 1) {
        qdict_put_str(opts, "driver", "virtio-balloon-pci");
        return add_device(cfg, loc, arg, g_steal_pointer(&opts), errp);
    }
    return true;
}

bool opt_disk(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    QObject *opts = qdict_new();

    qdict_put_str(opts, "index", o->data);
    qdict_put_str(opts, "media", "disk");
    qdict_put_str(opts, "file", arg);
    if (!strcmp(o->data, "2")) {
        cfg->default_cdrom = false;
    }
    config_list_add(&cfg->drives, loc, arg, opts);
    return true;
}

static bool add_drive(VMConfig *cfg, const char *loc, const char *text,
                      QObject *opts, Error **errp)
{
    static const char *const keys[] = {
        "file", "if", "bus", "unit", "index", "media", "id", "format",
        "driver", "cache", "aio", "snapshot", "rerror", "werror", "readonly",
        "read-only", "copy-on-read", "discard", "detect-zeroes", "serial",
        "addr", "cyls", "heads", "secs", "trans", "boot", "bps", "bps_rd",
        "bps_wr", "iops", "iops_rd", "iops_wr", "bps_max", "bps_rd_max",
        "bps_wr_max", "iops_max", "iops_rd_max", "iops_wr_max", "iops_size",
        "group", "auto-read-only", "force-share", "node-name", NULL
    };
    static const char *const ifs[] = {
        "none", "ide", "scsi", "floppy", "pflash", "virtio", "sd", "mtd",
        "xen", NULL
    };
    static const char *const medias[] = { "disk", "cdrom", NULL };
    const char *iface = qdict_get_str(opts, "if");
    const char *media = qdict_get_str(opts, "media");

    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        /* Dotted keys are the driver's: file.driver, throttling.*. */
        if (!strchr(key, '.') && !g_strv_contains(keys, key)) {
            const char *near = nearest_name(key, keys);

            error_setg(errp, "Invalid parameter '%s'%s%s%s", key,
                       near ? ", did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
            return false;
        }
    }
    if ((iface && option_find_value("if", iface, ifs, errp) < 0) ||
        (media && option_find_value("media", media, medias, errp) < 0) ||
        !option_check_id(opts, errp)) {
        return false;
    }
    config_list_add(&cfg->drives, loc, text, qobject_ref(opts));
    return true;
}

bool opt_drive(VMConfig *cfg, const OptionDef *o, const char *arg,
               const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && add_drive(cfg, loc, arg, opts, errp);
}

bool opt_drive_short(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = keyval_parse(o->data, NULL, NULL, errp);

    if (!opts) {
        return false;
    }
    qdict_put_str(opts, "file", arg);
    return add_drive(cfg, loc, arg, opts, errp);
}

/* Back ends of -net and -nic; "nic" itself only with -net. */
static const char *const net_types[] = {
    "none", "user", "tap", "bridge", "socket", "stream", "dgram", "vde",
    "l2tpv3", "vhost-user", "vhost-vdpa", "hubport", "nic", NULL
};

static bool parse_net(ConfigList *list, const char *arg, const char *loc,
                      bool json, Error **errp)
{
    bool help = false;
    g_autoptr(QObject) opts = json
        ? keyval_or_json_parse(arg, "type", &help, errp)
        : keyval_parse(arg, "type", &help, errp);
    const char *type;

    if (!opts) {
        return false;
    }
    type = qdict_get_str(opts, "type");
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!type) {
        error_setg(errp, "Parameter 'type' is missing");
        return false;
    } else if (option_find_value("type", type, net_types, errp) < 0) {
        return false;
    }
    config_list_add(list, loc, arg, g_steal_pointer(&opts));
    return true;
}

bool opt_nic(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    cfg->default_net = false;
    return parse_net(&cfg->nics, arg, loc, true, errp);
}

bool opt_net(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    cfg->default_net = false;
    return parse_net(&cfg->nets, arg, loc, false, errp);
}

bool opt_display(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    static const char *const types[] = {
        "none", "vnc", "default", "gtk", "sdl", "curses", "egl-headless",
        "dbus", "spice-app", "cocoa", NULL
    };
    g_autoptr(QObject) opts = NULL;
    bool help = false;
    const char *type;

    if (g_str_has_prefix(arg, "vnc=")) {
        config_list_add(&cfg->vncs, loc, arg + 4, NULL);
        return true;
    }
    opts = keyval_or_json_parse(arg, "type", &help, errp);
    if (!opts) {
        return false;
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else {
        type = qdict_get_str(opts, "type");
        if (!type) {
            error_setg(errp, "Parameter 'type' is missing");
            return false;
        }
        if (option_find_value("type", type, types, errp) < 0) {
            return false;
        }
        if (!strcmp(type, "vnc")) {
            error_setg(errp, "the form is vnc=ADDRESS:N");
            return false;
        }
    }
    qobject_unref(cfg->display);
    cfg->display = g_steal_pointer(&opts);
    config_set_str(&cfg->display_loc, loc);
    return true;
}

bool opt_nographic(VMConfig *cfg, const OptionDef *o, const char *arg,
                   const char *loc, Error **errp)
{
    cfg->nographic = true;
    return do_mprop(cfg, &(OptionDef){ .data = "graphics", .text = "off" },
                    NULL, loc, errp);
}

bool opt_vnc(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    config_list_add(&cfg->vncs, loc, arg, NULL);
    return true;
}

static bool set_vga(VMConfig *cfg, const char *name, Error **errp)
{
    static const char *const names[] = {
        "std", "cirrus", "vmware", "qxl", "virtio", "none", NULL
    };

    if (option_find_value("vga", name, names, errp) < 0) {
        return false;
    }
    config_set_str(&cfg->vga, name);
    cfg->default_vga = false;
    return true;
}

bool opt_vga(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    return set_vga(cfg, arg, errp);
}

bool opt_vga_name(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    return set_vga(cfg, o->data, errp);
}

bool opt_audiodev(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    static const char *const drivers[] = {
        "none", "alsa", "dbus", "oss", "pa", "sdl", "sndio", "spice", "wav",
        NULL
    };
    bool help = false;
    g_autoptr(QObject) opts = keyval_or_json_parse(arg, "driver", &help, errp);
    const char *driver;

    if (!opts || !option_check_id(opts, errp)) {
        return false;
    }
    driver = qdict_get_str(opts, "driver");
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!driver) {
        error_setg(errp, "Parameter 'driver' is missing");
        return false;
    } else if (option_find_value("driver", driver, drivers, errp) < 0) {
        return false;
    } else if (!qdict_get_str(opts, "id")) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    config_list_add(&cfg->audiodevs, loc, arg, g_steal_pointer(&opts));
    return true;
}

bool opt_data_dir(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    g_ptr_array_add(cfg->data_dirs, g_strdup(arg));
    return true;
}

bool opt_serial(VMConfig *cfg, const OptionDef *o, const char *arg,
                const char *loc, Error **errp)
{
    cfg->default_serial = false;
    if (g_str_has_prefix(arg, "mon:")) {
        cfg->default_monitor = false;
    }
    config_list_add(&cfg->serials, loc, arg, NULL);
    return true;
}

bool opt_parallel(VMConfig *cfg, const OptionDef *o, const char *arg,
                  const char *loc, Error **errp)
{
    cfg->default_parallel = false;
    if (g_str_has_prefix(arg, "mon:")) {
        cfg->default_monitor = false;
    }
    config_list_add(&cfg->parallels, loc, arg, NULL);
    return true;
}

/* -monitor, -qmp, -qmp-pretty: the item's opts say which. */
bool opt_monitor(VMConfig *cfg, const OptionDef *o, const char *arg,
                 const char *loc, Error **errp)
{
    QObject *opts;

    cfg->default_monitor = false;
    if (!strcmp(arg, "none")) {
        return true;
    }
    opts = qdict_new();
    qdict_put_str(opts, "mode",
                  !strcmp(o->name, "monitor") ? "readline" : "control");
    qdict_put_bool(opts, "pretty", !strcmp(o->name, "qmp-pretty"));
    config_list_add(&cfg->monitors, loc, arg, opts);
    return true;
}

bool opt_mon(VMConfig *cfg, const OptionDef *o, const char *arg,
             const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "chardev", "mode", "pretty", "id", "default", NULL
    };
    static const char *const modes[] = { "readline", "control", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, "chardev", NULL, errp);
    const char *mode;
    bool pretty = false;

    if (!opts || !option_check_keys(opts, keys, errp) ||
        !option_check_id(opts, errp)) {
        return false;
    }
    mode = qdict_get_str(opts, "mode");
    if (!qdict_get_str(opts, "chardev")) {
        error_setg(errp, "Parameter 'chardev' is missing");
        return false;
    }
    if ((mode && option_find_value("mode", mode, modes, errp) < 0) ||
        !option_get_bool(opts, "pretty", &pretty, errp)) {
        return false;
    }
    if (pretty && (!mode || strcmp(mode, "control"))) {
        error_setg(errp, "Parameter 'pretty' needs mode=control");
        return false;
    }
    cfg->default_monitor = false;
    config_list_add(&cfg->mons, loc, arg, g_steal_pointer(&opts));
    return true;
}

bool opt_echr(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    uint64_t v;

    if (!parse_uint64("echr", arg, &v, errp)) {
        return false;
    }
    if (v > 255) {
        error_setg(errp, "Parameter 'echr' expects 0 to 255, not '%s'", arg);
        return false;
    }
    cfg->escape_char = v;
    return true;
}

