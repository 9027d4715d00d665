/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table (options.def), the handlers of its rows, and
 * what is made from the table: -help and the manual page.  Only forms are
 * checked here; the steps in vl.c give them a meaning.
 */
#include "osdep.h"
#include "vmconfig.h"
#include "util/option.h"
#include "util/log.h"

typedef struct OptionDef OptionDef;
typedef bool OptionFn(VMConfig *cfg, const OptionDef *o, const char *arg,
                      const char *loc, Error **errp);
struct OptionDef {
    const char *section;       /* a title instead of an option */
    const char *name, *form, *help;
    OptionFn *fn;
    size_t field;              /* in VMConfig */
    const char *data;          /* implied key, property, reason, ... */
    const char *text;          /* value of a -machine property */
    const char *const *known;  /* the keys it takes; NULL: others know */
    int value;
};

static const char *const keys_smp[] = {
    "cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads", NULL
};
static const char *const keys_memory[] = { "size", "slots", "maxmem", NULL };
static const char *const keys_boot[] = {
    "order", "once", "menu", "splash", "splash-time", "reboot-timeout",
    "strict", NULL
};
static const char *const keys_rtc[] = { "base", "clock", "driftfix", NULL };
static const char *const keys_fw_cfg[] = {
    "name", "file", "string", "gen_id", NULL
};
static const char *const keys_option_rom[] = { "romfile", "bootindex", NULL };

/* ---- helpers ------------------------------------------------------------ */

char *nearest_hint(const char *word, const char *const *names)
{
    const char *near = nearest_name(word, names);
    g_autofree char *all = NULL;

    if (near) {
        return g_strdup_printf(", did you mean '%s'?", near);
    }
    all = g_strjoinv(", ", (char **)names);
    return g_strdup_printf(", valid are: %s", all);
}

static bool check_keys(const QObject *opts, const char *const *known,
                       Error **errp)
{
    for (size_t i = 0; known && i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (!g_strv_contains(known, key)) {
            g_autofree char *hint = nearest_hint(key, known);

            error_setg(errp, "Invalid parameter '%s'%s", key, hint);
            return false;
        }
    }
    return true;
}

/* @value among @names, else an error that names @key. */
static int find_value(const char *key, const char *value,
                      const char *const *names, Error **errp)
{
    g_autofree char *hint = NULL;

    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], value)) {
            return i;
        }
    }
    hint = nearest_hint(value, names);
    error_setg(errp, "Parameter '%s' does not accept value '%s'%s", key,
               value, hint);
    return -1;
}

/* Takes the references of @opts. */
static void list_add(ConfigList *list, const char *loc, const char *text,
                     QObject *opts)
{
    ConfigItem *item = g_new0(ConfigItem, 1);

    item->loc = g_strdup(loc);
    item->text = g_strdup(text);
    item->opts = opts;
    list->items = g_renew(ConfigItem *, list->items, list->n + 1);
    list->items[list->n++] = item;
}

/* Keeps the entries of @to, replaces those that @from has too. */
static void dict_merge(QObject **to, const QObject *from)
{
    if (!*to) {
        *to = qdict_new();
    }
    for (size_t i = 0; i < qdict_size(from); i++) {
        qdict_put(*to, qdict_key_at(from, i),
                  qobject_ref(qdict_value_at(from, i)));
    }
}

static void *field(VMConfig *cfg, const OptionDef *o)
{
    return (char *)cfg + o->field;
}

static void set_str(char **to, const char *s)
{
    g_free(*to);
    *to = g_strdup(s);
}

static bool get_bool(const QObject *opts, const char *key, bool *out,
                     Error **errp)
{
    const char *s = qdict_get_str(opts, key);

    return !s || parse_bool(key, s, out, errp);
}

/* ---- handlers of whole kinds of rows ------------------------------------ */

static bool do_flag(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    *(bool *)field(cfg, o) = o->value;
    return true;
}

static bool do_str(VMConfig *cfg, const OptionDef *o, const char *arg,
                   const char *loc, Error **errp)
{
    if (!*arg) {
        error_setg(errp, "the argument is empty");
        return false;
    }
    set_str(field(cfg, o), arg);
    return true;
}

static bool do_text(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    list_add(field(cfg, o), loc, arg, NULL);
    return true;
}

/* `TYPE,help` and `help` are left to the step that knows the types. */
static QObject *parse_dict(const OptionDef *o, const char *arg, bool json,
                           Error **errp)
{
    bool help = false;
    QObject *opts = json ? keyval_or_json_parse(arg, o->data, &help, errp)
                         : keyval_parse(arg, o->data, NULL, errp);

    if (opts && help) {
        qdict_put_bool(opts, "help", true);
    }
    return opts;
}

static bool check_id(const QObject *opts, Error **errp)
{
    const char *id = qdict_get_str(opts, "id");

    if (id && !id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier, not '%s' "
                   "(a letter, then letters, digits, '-', '.', '_')", id);
        return false;
    }
    return true;
}

static bool do_dict(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = parse_dict(o, arg, false, errp);

    if (!opts || !check_keys(opts, o->known, errp)) {
        return false;
    }
    list_add(field(cfg, o), loc, arg, g_steal_pointer(&opts));
    return true;
}

/* An option whose items are told apart by id: each id once. */
static bool do_json(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = parse_dict(o, arg, true, errp);
    ConfigList *list = field(cfg, o);
    const char *id;

    if (!opts || !check_id(opts, errp)) {
        return false;
    }
    id = qdict_get_str(opts, "id");
    for (size_t i = 0; id && i < list->n; i++) {
        const QObject *old = list->items[i]->opts;

        if (!g_strcmp0(qdict_get_str(old, "id"), id)) {
            error_setg(errp, "Duplicate ID '%s' for %s", id, o->name);
            return false;
        }
    }
    list_add(list, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool do_merge(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = parse_dict(o, arg, false, errp);

    if (!opts || !check_keys(opts, o->known, errp)) {
        return false;
    }
    if (o->known == keys_memory) {
        static const char *const sizes[] = { "size", "maxmem" };

        for (int i = 0; i < 2; i++) {
            const char *s = qdict_get_str(opts, sizes[i]);
            uint64_t v;

            if (s && !parse_size(sizes[i], s, MiB, &v, errp)) {
                return false;
            }
        }
    }
    dict_merge(field(cfg, o), opts);
    return true;
}

static bool do_mprop(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    if (!cfg->machine) {
        cfg->machine = qdict_new();
    }
    qdict_put_str(cfg->machine, o->data, arg ? arg : o->text);
    return true;
}

static bool do_later(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    error_setg(errp, "%s: not in this build yet", o->data);
    return false;
}

static bool do_never(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    error_setg(errp, "not supported: %s", o->data);
    return false;
}

/* ---- handlers of single rows -------------------------------------------- */

/* Only found by name in the parser, which answers before anything else. */
static bool opt_help(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    options_print_help(stdout);
    return true;
}

static bool opt_version(VMConfig *cfg, const OptionDef *o, const char *arg,
                        const char *loc, Error **errp)
{
    printf("QEMU emulator version 7.2.0 (qemu-kvm " PROJECT_VERSION ")\n");
    return true;
}

/* Options of -machine that belong to the accelerator since QEMU 5.0. */
static const char *const machine_accel_keys[] = {
    "kernel_irqchip", "kernel-irqchip", "kvm_shadow_mem", "kvm-shadow-mem",
    "kvm-type", NULL
};

static bool opt_machine(VMConfig *cfg, const OptionDef *o, const char *arg,
                        const char *loc, Error **errp)
{
    bool help = false;
    g_autoptr(QObject) opts = keyval_parse(arg, "type", &help, errp);

    if (!opts) {
        return false;
    }
    for (size_t i = 0; i < qdict_size(opts);) {
        const char *key = qdict_key_at(opts, i);
        g_autoptr(QObject) v = NULL;

        if (!strcmp(key, "accel")) {
            v = qdict_steal(opts, key);
            set_str(&cfg->accel_list, qstring_get(v));
        } else if (g_strv_contains(machine_accel_keys, key)) {
            g_autofree char *name = g_strdelimit(g_strdup(key), "_", '-');

            v = qdict_steal(opts, key);
            if (!cfg->accel_legacy) {
                cfg->accel_legacy = qdict_new();
            }
            qdict_put(cfg->accel_legacy, name, qobject_ref(v));
        } else {
            i++;
        }
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    }
    dict_merge(&cfg->machine, opts);
    set_str(&cfg->machine_loc, loc);
    return true;
}

static bool opt_accel(VMConfig *cfg, const OptionDef *o, const char *arg,
                      const char *loc, Error **errp)
{
    bool help = false;
    g_autoptr(QObject) opts = keyval_parse(arg, "accel", &help, errp);

    if (!opts) {
        return false;
    }
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!qdict_has(opts, "accel")) {
        error_setg(errp, "Parameter 'accel' is missing");
        return false;
    }
    list_add(&cfg->accels, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool opt_accel_name(VMConfig *cfg, const OptionDef *o, const char *arg,
                           const char *loc, Error **errp)
{
    set_str(&cfg->accel_list, o->data);
    return true;
}

static bool opt_accel_prop(VMConfig *cfg, const OptionDef *o, const char *arg,
                           const char *loc, Error **errp)
{
    g_autofree char *text =
        arg ? g_strdup_printf("%s=%s", o->data, arg) : g_strdup(o->data);
    g_autoptr(QObject) opts = keyval_parse(text, NULL, NULL, errp);

    if (!opts) {
        return false;
    }
    dict_merge(&cfg->accel_legacy, opts);
    return true;
}

static bool opt_name(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "guest", "process", "debug-threads", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg, "guest", NULL, errp);
    const char *s;

    if (!opts || !check_keys(opts, keys, errp) ||
        !get_bool(opts, "debug-threads", &cfg->debug_threads, errp)) {
        return false;
    }
    s = qdict_get_str(opts, "guest");
    if (s) {
        set_str(&cfg->name, s);
    }
    s = qdict_get_str(opts, "process");
    if (s) {
        set_str(&cfg->process_name, s);
    }
    return true;
}

static bool opt_uuid(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    bool ok = strlen(arg) == 36;
    UUID u = { { 0 } };
    int n = 0;

    for (int i = 0; ok && i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            ok = arg[i] == '-';
        } else if (!g_ascii_isxdigit(arg[i])) {
            ok = false;
        } else {
            u.b[n / 2] |= g_ascii_xdigit_value(arg[i]) << (n % 2 ? 0 : 4);
            n++;
        }
    }
    if (!ok) {
        error_setg(errp, "'%s' is no UUID (8-4-4-4-12 hexadecimal digits)",
                   arg);
        return false;
    }
    cfg->uuid = u;
    cfg->uuid_set = true;
    return true;
}

static bool opt_rtc_base(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_put_str(opts, "base", arg ? arg : o->data);
    dict_merge(&cfg->rtc, opts);
    return true;
}

static bool opt_rtc_slew(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_put_str(opts, "driftfix", "slew");
    dict_merge(&cfg->rtc, opts);
    return true;
}

static bool opt_global_text(VMConfig *cfg, const OptionDef *o, const char *arg,
                            const char *loc, Error **errp)
{
    static const char *const keys[] = { "driver", "property", "value", NULL };
    const char *text = arg ? arg : o->data;
    const char *dot = strchr(text, '.'), *eq = strchr(text, '=');
    g_autoptr(QObject) opts = NULL;

    if (dot && eq && dot < eq) {
        g_autofree char *driver = g_strndup(text, dot - text);
        g_autofree char *prop = g_strndup(dot + 1, eq - dot - 1);

        opts = qdict_new();
        qdict_put_str(opts, "driver", driver);
        qdict_put_str(opts, "property", prop);
        qdict_put_str(opts, "value", eq + 1);
    } else {
        opts = keyval_parse(text, NULL, NULL, errp);
        if (!opts || !check_keys(opts, keys, errp)) {
            return false;
        }
        for (int i = 0; keys[i]; i++) {
            if (!qdict_has(opts, keys[i])) {
                error_setg(errp, "Parameter '%s' is missing (the form is "
                           "DRIVER.PROP=VALUE)", keys[i]);
                return false;
            }
        }
    }
    list_add(&cfg->globals, loc, text, g_steal_pointer(&opts));
    return true;
}

static bool opt_global(VMConfig *cfg, const OptionDef *o, const char *arg,
                       const char *loc, Error **errp)
{
    return opt_global_text(cfg, o, arg, loc, errp);
}

/* Lists that have ids, by the name -set and the config files use. */
static const struct {
    const char *group;
    size_t list;
} id_groups[] = {
    { "device", offsetof(VMConfig, devices) },
    { "drive", offsetof(VMConfig, drives) },
    { "chardev", offsetof(VMConfig, chardevs) },
    { "netdev", offsetof(VMConfig, netdevs) },
    { "net", offsetof(VMConfig, nets) },
    { "object", offsetof(VMConfig, objects) },
    { "mon", offsetof(VMConfig, mons) },
    { "blockdev", offsetof(VMConfig, blockdevs) },
    { "audiodev", offsetof(VMConfig, audiodevs) },
};

static ConfigList *group_list(VMConfig *cfg, const char *group)
{
    for (size_t i = 0; i < ARRAY_SIZE(id_groups); i++) {
        if (!strcmp(id_groups[i].group, group)) {
            return (ConfigList *)((char *)cfg + id_groups[i].list);
        }
    }
    return NULL;
}

static bool opt_set(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    const char *eq = strchr(arg, '=');
    g_autofree char *path = g_strndup(arg, eq ? (size_t)(eq - arg) : 0);
    g_auto(GStrv) part = g_strsplit(path, ".", 3);
    ConfigList *list;

    if (g_strv_length(part) != 3) {
        error_setg(errp, "'%s' is not of the form GROUP.ID.KEY=VALUE", arg);
        return false;
    }
    list = group_list(cfg, part[0]);
    if (!list) {
        const char *names[ARRAY_SIZE(id_groups) + 1] = { NULL };
        g_autofree char *hint = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(id_groups); i++) {
            names[i] = id_groups[i].group;
        }
        hint = nearest_hint(part[0], names);
        error_setg(errp, "there is no option group '%s'%s", part[0], hint);
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        QObject *opts = list->items[i]->opts;

        if (opts && !g_strcmp0(qdict_get_str(opts, "id"), part[1])) {
            qdict_put_str(opts, part[2], eq + 1);
            return true;
        }
    }
    error_setg(errp, "there is no %s \"%s\" defined before it", part[0],
               part[1]);
    return false;
}

static bool opt_readconfig(VMConfig *cfg, const OptionDef *o, const char *arg,
                           const char *loc, Error **errp)
{
    return config_read_file(cfg, arg, errp);
}

static bool opt_add_fd(VMConfig *cfg, const OptionDef *o, const char *arg,
                       const char *loc, Error **errp)
{
    static const char *const keys[] = { "fd", "set", "opaque", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);
    int64_t v;

    if (!opts || !check_keys(opts, keys, errp)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        const char *s = qdict_get_str(opts, keys[i]);

        if (!s) {
            error_setg(errp, "Parameter '%s' is missing", keys[i]);
            return false;
        }
        if (!parse_int64(keys[i], s, &v, errp)) {
            return false;
        }
        if (v < 0 || v > INT_MAX) {
            error_setg(errp, "Parameter '%s' expects 0 to %d, not '%s'",
                       keys[i], INT_MAX, s);
            return false;
        }
    }
    list_add(&cfg->add_fds, loc, arg, g_steal_pointer(&opts));
    return true;
}

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
    if (!check_id(opts, errp)) {
        qobject_unref(opts);
        return false;
    }
    note_device(cfg, qdict_get_str(opts, "driver"));
    list_add(&cfg->devices, loc, text, opts);
    return true;
}

/* -device and -watchdog, whose names are drivers too. */
static bool opt_device(VMConfig *cfg, const OptionDef *o, const char *arg,
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

static bool opt_usbdevice(VMConfig *cfg, const OptionDef *o, const char *arg,
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
    int i = find_value("usbdevice", arg, names, errp);
    QObject *opts;

    if (i < 0) {
        return false;
    }
    opts = qdict_new();
    qdict_put_str(opts, "driver", drivers[i]);
    do_mprop(cfg, &(OptionDef){ .data = "usb", .text = "on" }, NULL, loc,
             NULL);
    return add_device(cfg, loc, arg, opts, errp);
}

static bool opt_balloon(VMConfig *cfg, const OptionDef *o, const char *arg,
                        const char *loc, Error **errp)
{
    static const char *const kinds[] = { "none", "virtio", NULL };
    static const char *const keys[] = { "type", "addr", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, "type", NULL, errp);
    g_autoptr(QObject) type = NULL;
    int kind;

    if (!opts || !check_keys(opts, keys, errp)) {
        return false;
    }
    type = qdict_steal(opts, "type");
    kind = find_value("type", type ? qstring_get(type) : "", kinds, errp);
    if (kind < 0) {
        return false;
    }
    if (kind == 1) {
        qdict_put_str(opts, "driver", "virtio-balloon-pci");
        return add_device(cfg, loc, arg, g_steal_pointer(&opts), errp);
    }
    return true;
}

static bool opt_disk(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    QObject *opts = qdict_new();

    qdict_put_str(opts, "index", o->data);
    qdict_put_str(opts, "media", "disk");
    qdict_put_str(opts, "file", arg);
    if (!strcmp(o->data, "2")) {
        cfg->default_cdrom = false;
    }
    list_add(&cfg->drives, loc, arg, opts);
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
    if ((iface && find_value("if", iface, ifs, errp) < 0) ||
        (media && find_value("media", media, medias, errp) < 0) ||
        !check_id(opts, errp)) {
        return false;
    }
    if (iface && !strcmp(iface, "floppy")) {
        cfg->default_floppy = false;
    }
    if (media && !strcmp(media, "cdrom") && !iface) {
        cfg->default_cdrom = false;
    }
    list_add(&cfg->drives, loc, text, qobject_ref(opts));
    return true;
}

static bool opt_drive(VMConfig *cfg, const OptionDef *o, const char *arg,
                      const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && add_drive(cfg, loc, arg, opts, errp);
}

static bool opt_drive_short(VMConfig *cfg, const OptionDef *o, const char *arg,
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
    } else if (find_value("type", type, net_types, errp) < 0) {
        return false;
    }
    list_add(list, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool opt_nic(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    cfg->default_net = false;
    return parse_net(&cfg->nics, arg, loc, true, errp);
}

static bool opt_net(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    cfg->default_net = false;
    return parse_net(&cfg->nets, arg, loc, false, errp);
}

static bool opt_display(VMConfig *cfg, const OptionDef *o, const char *arg,
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
        list_add(&cfg->vncs, loc, arg + 4, NULL);
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
        if (find_value("type", type, types, errp) < 0) {
            return false;
        }
        if (!strcmp(type, "vnc")) {
            error_setg(errp, "the form is vnc=ADDRESS:N");
            return false;
        }
    }
    qobject_unref(cfg->display);
    cfg->display = g_steal_pointer(&opts);
    set_str(&cfg->display_loc, loc);
    return true;
}

static bool opt_nographic(VMConfig *cfg, const OptionDef *o, const char *arg,
                          const char *loc, Error **errp)
{
    cfg->nographic = true;
    return do_mprop(cfg, &(OptionDef){ .data = "graphics", .text = "off" },
                    NULL, loc, errp);
}

static bool opt_vnc(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    list_add(&cfg->vncs, loc, arg, NULL);
    return true;
}

static bool set_vga(VMConfig *cfg, const char *name, Error **errp)
{
    static const char *const names[] = {
        "std", "cirrus", "vmware", "qxl", "virtio", "none", NULL
    };

    if (find_value("vga", name, names, errp) < 0) {
        return false;
    }
    set_str(&cfg->vga, name);
    cfg->default_vga = false;
    return true;
}

static bool opt_vga(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    return set_vga(cfg, arg, errp);
}

static bool opt_vga_name(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    return set_vga(cfg, o->data, errp);
}

static bool opt_audiodev(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    static const char *const drivers[] = {
        "none", "alsa", "dbus", "oss", "pa", "sdl", "sndio", "spice", "wav",
        NULL
    };
    bool help = false;
    g_autoptr(QObject) opts = keyval_or_json_parse(arg, "driver", &help, errp);
    const char *driver;

    if (!opts || !check_id(opts, errp)) {
        return false;
    }
    driver = qdict_get_str(opts, "driver");
    if (help) {
        qdict_put_bool(opts, "help", true);
    } else if (!driver) {
        error_setg(errp, "Parameter 'driver' is missing");
        return false;
    } else if (find_value("driver", driver, drivers, errp) < 0) {
        return false;
    } else if (!qdict_get_str(opts, "id")) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    list_add(&cfg->audiodevs, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool opt_data_dir(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    g_ptr_array_add(cfg->data_dirs, g_strdup(arg));
    return true;
}

static bool opt_serial(VMConfig *cfg, const OptionDef *o, const char *arg,
                       const char *loc, Error **errp)
{
    cfg->default_serial = false;
    if (g_str_has_prefix(arg, "mon:")) {
        cfg->default_monitor = false;
    }
    list_add(&cfg->serials, loc, arg, NULL);
    return true;
}

static bool opt_parallel(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    cfg->default_parallel = false;
    if (g_str_has_prefix(arg, "mon:")) {
        cfg->default_monitor = false;
    }
    list_add(&cfg->parallels, loc, arg, NULL);
    return true;
}

/* -monitor, -qmp, -qmp-pretty: the item's opts say which. */
static bool opt_monitor(VMConfig *cfg, const OptionDef *o, const char *arg,
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
    list_add(&cfg->monitors, loc, arg, opts);
    return true;
}

static bool opt_mon(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "chardev", "mode", "pretty", "id", "default", NULL
    };
    static const char *const modes[] = { "readline", "control", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, "chardev", NULL, errp);
    const char *mode;
    bool pretty = false;

    if (!opts || !check_keys(opts, keys, errp) || !check_id(opts, errp)) {
        return false;
    }
    mode = qdict_get_str(opts, "mode");
    if (!qdict_get_str(opts, "chardev")) {
        error_setg(errp, "Parameter 'chardev' is missing");
        return false;
    }
    if ((mode && find_value("mode", mode, modes, errp) < 0) ||
        !get_bool(opts, "pretty", &pretty, errp)) {
        return false;
    }
    if (pretty && (!mode || strcmp(mode, "control"))) {
        error_setg(errp, "Parameter 'pretty' needs mode=control");
        return false;
    }
    cfg->default_monitor = false;
    list_add(&cfg->mons, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool opt_echr(VMConfig *cfg, const OptionDef *o, const char *arg,
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

/* In the order of the enums in qapi/run-state.json. */
static const char *const reboot_actions[] = { "reset", "shutdown", NULL };
static const char *const shutdown_actions[] = { "poweroff", "pause", NULL };
static const char *const panic_actions[] = {
    "pause", "shutdown", "exit-failure", "none", NULL
};
static const char *const watchdog_actions[] = {
    "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi",
    NULL
};

static bool opt_action(VMConfig *cfg, const OptionDef *o, const char *arg,
                       const char *loc, Error **errp)
{
    const struct {
        const char *key;
        const char *const *names;
        int *out;
    } what[] = {
        { "reboot", reboot_actions, &cfg->reboot },
        { "shutdown", shutdown_actions, &cfg->shutdown },
        { "panic", panic_actions, &cfg->panic },
        { "watchdog", watchdog_actions, &cfg->watchdog },
    };
    static const char *const keys[] = {
        "reboot", "shutdown", "panic", "watchdog", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg ? arg : o->data, NULL, NULL,
                                           errp);

    if (!opts || !check_keys(opts, keys, errp)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
        const char *s = qdict_get_str(opts, what[i].key);
        int v;

        if (s) {
            v = find_value(what[i].key, s, what[i].names, errp);
            if (v < 0) {
                return false;
            }
            *what[i].out = v;
        }
    }
    return true;
}

static bool opt_watchdog_action(VMConfig *cfg, const OptionDef *o,
                                const char *arg, const char *loc, Error **errp)
{
    int v = find_value("watchdog", arg, watchdog_actions, errp);

    if (v < 0) {
        return false;
    }
    cfg->watchdog = v;
    return true;
}

static bool opt_gdb_default(VMConfig *cfg, const OptionDef *o, const char *arg,
                            const char *loc, Error **errp)
{
    set_str(&cfg->gdb, "tcp::1234");
    return true;
}

static bool opt_seed(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    uint64_t v;

    if (!parse_uint64("seed", arg, &v, errp)) {
        return false;
    }
    set_str(&cfg->seed, arg);
    return true;
}

static bool opt_overcommit(VMConfig *cfg, const OptionDef *o, const char *arg,
                           const char *loc, Error **errp)
{
    static const char *const keys[] = { "mem-lock", "cpu-pm", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && check_keys(opts, keys, errp) &&
           get_bool(opts, "mem-lock", &cfg->mem_lock, errp) &&
           get_bool(opts, "cpu-pm", &cfg->cpu_pm, errp);
}

static bool opt_realtime(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    static const char *const keys[] = { "mlock", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && check_keys(opts, keys, errp) &&
           get_bool(opts, "mlock", &cfg->mem_lock, errp);
}

static bool opt_sandbox(VMConfig *cfg, const OptionDef *o, const char *arg,
                        const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "enable", "obsolete", "elevateprivileges", "spawn", "resourcecontrol",
        NULL
    };
    static const char *const answers[] = {
        "allow", "deny", "children", NULL
    };
    g_autoptr(QObject) opts = keyval_parse(arg, "enable", NULL, errp);
    bool enable = false;

    if (!opts || !check_keys(opts, keys, errp) ||
        !get_bool(opts, "enable", &enable, errp)) {
        return false;
    }
    for (int i = 1; keys[i]; i++) {
        const char *s = qdict_get_str(opts, keys[i]);
        int v = s ? find_value(keys[i], s, answers, errp) : 0;

        if (v < 0) {
            return false;
        }
        if (v == 2 && i != 2) {
            error_setg(errp, "Parameter '%s' does not accept value "
                       "'children', valid are: allow, deny", keys[i]);
            return false;
        }
    }
    qobject_unref(cfg->sandbox);
    cfg->sandbox = enable ? g_steal_pointer(&opts) : NULL;
    return true;
}

static bool opt_msg(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    static const char *const keys[] = { "timestamp", "guest-name", NULL };
    g_autoptr(QObject) opts = keyval_parse(arg, NULL, NULL, errp);

    return opts && check_keys(opts, keys, errp) &&
           get_bool(opts, "timestamp", &cfg->msg_timestamp, errp) &&
           get_bool(opts, "guest-name", &cfg->msg_guest_name, errp);
}

static bool opt_compat(VMConfig *cfg, const OptionDef *o, const char *arg,
                       const char *loc, Error **errp)
{
    static const char *const keys[] = {
        "deprecated-input", "deprecated-output", "unstable-input",
        "unstable-output", NULL
    };
    static const char *const input[] = { "accept", "reject", "crash", NULL };
    static const char *const output[] = { "accept", "hide", NULL };
    g_autoptr(QObject) opts = keyval_or_json_parse(arg, NULL, NULL, errp);

    if (!opts || !check_keys(opts, keys, errp)) {
        return false;
    }
    for (int i = 0; keys[i]; i++) {
        const char *s = qdict_get_str(opts, keys[i]);
        int v = s ? find_value(keys[i], s, i % 2 ? output : input, errp) : 0;

        if (v < 0) {
            return false;
        }
        if (v > 0) {
            error_setg(errp, "%s=%s: not in this build yet", keys[i], s);
            return false;
        }
    }
    return true;
}

/* ---- the table ----------------------------------------------------------- */

#define OFS(f) offsetof(VMConfig, f)
static const OptionDef option_table[] = {
#define SECTION(title) { .section = title },
#define FLAG(n, h, f, v) \
    { .name = n, .help = h, .fn = do_flag, .field = OFS(f), .value = v },
#define STR(n, fo, h, f) \
    { .name = n, .form = fo, .help = h, .fn = do_str, .field = OFS(f) },
#define TEXT(n, fo, h, f) \
    { .name = n, .form = fo, .help = h, .fn = do_text, .field = OFS(f) },
#define DICT(n, fo, h, f, imp, k) \
    { .name = n, .form = fo, .help = h, .fn = do_dict, .field = OFS(f), \
      .data = imp, .known = k },
#define JSON(n, fo, h, f, imp) \
    { .name = n, .form = fo, .help = h, .fn = do_json, .field = OFS(f), \
      .data = imp },
#define MERGE(n, fo, h, f, imp, k) \
    { .name = n, .form = fo, .help = h, .fn = do_merge, .field = OFS(f), \
      .data = imp, .known = k },
#define MPROP(n, fo, h, p, v) \
    { .name = n, .form = fo, .help = h, .fn = do_mprop, .data = p, \
      .text = v },
#define CALL(n, fo, h, f, d) \
    { .name = n, .form = fo, .help = h, .fn = f, .data = d },
#define LATER(n, fo, what) \
    { .name = n, .form = fo, .fn = do_later, .data = what },
#define NEVER(n, fo, why) \
    { .name = n, .form = fo, .fn = do_never, .data = why },
#include "options.def"
};

static const OptionDef *find_option(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(option_table); i++) {
        if (option_table[i].name && !strcmp(option_table[i].name, name)) {
            return &option_table[i];
        }
    }
    return NULL;
}

static void set_unknown_option(Error **errp, const char *word)
{
    const char *names[ARRAY_SIZE(option_table) + 1] = { NULL };
    const char *near;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(option_table); i++) {
        const OptionDef *o = &option_table[i];

        if (o->name && o->fn != do_never) {
            names[n++] = o->name;
        }
    }
    near = nearest_name(word + strspn(word, "-"), names);
    if (near) {
        error_setg(errp, "%s: invalid option, did you mean '-%s'?", word,
                   near);
    } else {
        error_setg(errp, "%s: invalid option, -help lists the valid ones",
                   word);
    }
}

static bool apply_option(VMConfig *cfg, const OptionDef *o, const char *arg,
                         const char *loc, Error **errp)
{
    Error *err = NULL;

    if (!o->fn(cfg, o, arg, loc, &err)) {
        /* A config file names its own line before the message. */
        if (o->fn != opt_readconfig) {
            error_prepend(&err, "%s: ", loc);
        }
        error_propagate(errp, err);
        return false;
    }
    return true;
}

/* The file every start reads unless -no-user-config is given. */
#define USER_CONFIG "/etc/qemu/qemu.conf"

static void set_defaults(VMConfig *cfg, int argc, char **argv)
{
    *cfg = (VMConfig){
        .defaults = true, .user_config = true, .autostart = true,
        .default_serial = true, .default_parallel = true,
        .default_monitor = true, .default_net = true, .default_floppy = true,
        .default_cdrom = true, .default_sdcard = true, .default_vga = true,
        .panic = 1 /* shutdown */, .escape_char = 1,
        .data_dirs = g_ptr_array_new_with_free_func(g_free),
    };
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");

        if (*argv[i] == '-' && (!strcmp(name, "no-user-config") ||
                                !strcmp(name, "nodefconfig"))) {
            cfg->user_config = false;
        }
    }
}

bool options_parse(VMConfig *cfg, int argc, char **argv, bool *exit_now,
                   Error **errp)
{
    *exit_now = false;
    set_defaults(cfg, argc, argv);
    if (cfg->user_config && access(USER_CONFIG, R_OK) == 0 &&
        !config_read_file(cfg, USER_CONFIG, errp)) {
        return false;
    }
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *arg = NULL, *name;
        g_autofree char *loc = NULL;
        const OptionDef *o;

        if (*word != '-') {
            o = find_option("hda");
            if (!apply_option(cfg, o, word, word, errp)) {
                return false;
            }
            continue;
        }
        name = word + (word[1] == '-' ? 2 : 1);
        o = find_option(name);
        if (!o) {
            set_unknown_option(errp, word);
            return false;
        }
        if (o->form && o->fn != do_never && o->fn != do_later) {
            if (++i == argc) {
                error_setg(errp, "-%s: requires an argument", name);
                return false;
            }
            arg = argv[i];
        }
        loc = arg ? g_strdup_printf("-%s %s", name, arg)
                  : g_strdup_printf("-%s", name);
        if (!apply_option(cfg, o, arg, loc, errp)) {
            return false;
        }
        if (o->fn == opt_help || o->fn == opt_version) {
            *exit_now = true;
            return true;
        }
    }
    if (cfg->writeconfig && !config_write_file(cfg, cfg->writeconfig, errp)) {
        return false;
    }
    if (cfg->msg_guest_name && !cfg->name) {
        cfg->msg_guest_name = false;
    }
    return true;
}

/* ---- configuration files ------------------------------------------------- */

/* Section name -> option whose text form has the same keys. */
static const struct {
    const char *group, *option;
} sections[] = {
    { "machine", "machine" }, { "accel", "accel" }, { "memory", "m" },
    { "smp-opts", "smp" }, { "boot-opts", "boot" }, { "rtc", "rtc" },
    { "name", "name" }, { "msg", "msg" }, { "overcommit", "overcommit" },
    { "sandbox", "sandbox" }, { "action", "action" }, { "global", "global" },
    { "add-fd", "add-fd" }, { "object", "object" }, { "chardev", "chardev" },
    { "mon", "mon" }, { "drive", "drive" }, { "blockdev", "blockdev" },
    { "netdev", "netdev" }, { "net", "net" }, { "nic", "nic" },
    { "device", "device" }, { "audiodev", "audiodev" }, { "numa", "numa" },
    { "fw_cfg", "fw_cfg" }, { "smbios", "smbios" }, { "vnc", "vnc" },
    { "option-rom", "option-rom" }, { "trace", "trace" },
    { "acpi", "acpitable" }, { "spice", "spice" }, { "iscsi", "iscsi" },
    { "fsdev", "fsdev" }, { "virtfs", "virtfs" }, { "tpmdev", "tpmdev" },
    { "icount", "icount" },
};

bool options_add_section(VMConfig *cfg, const char *group, QObject *opts,
                         const char *loc, Error **errp)
{
    const char *names[ARRAY_SIZE(sections) + 1] = { NULL };
    g_autofree char *hint = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        names[i] = sections[i].group;
        if (!strcmp(names[i], group)) {
            g_autofree char *text = keyval_to_text(opts);

            return apply_option(cfg, find_option(sections[i].option), text,
                                loc, errp);
        }
    }
    hint = nearest_hint(group, names);
    error_setg(errp, "%s: there is no option group '%s'%s", loc, group, hint);
    return false;
}

void options_foreach_section(const VMConfig *cfg,
                             void (*fn)(const char *group, const QObject *o,
                                        void *opaque),
                             void *opaque)
{
    const struct {
        const char *group;
        const QObject *opts;
    } single[] = {
        { "machine", cfg->machine }, { "memory", cfg->memory },
        { "smp-opts", cfg->smp }, { "boot-opts", cfg->boot },
        { "rtc", cfg->rtc }, { "sandbox", cfg->sandbox },
    };
    const struct {
        const char *group;
        const ConfigList *list;
    } many[] = {
        { "accel", &cfg->accels }, { "add-fd", &cfg->add_fds },
        { "global", &cfg->globals }, { "object", &cfg->objects },
        { "chardev", &cfg->chardevs }, { "mon", &cfg->mons },
        { "audiodev", &cfg->audiodevs }, { "drive", &cfg->drives },
        { "blockdev", &cfg->blockdevs }, { "netdev", &cfg->netdevs },
        { "net", &cfg->nets }, { "nic", &cfg->nics },
        { "device", &cfg->devices }, { "numa", &cfg->numa },
        { "fw_cfg", &cfg->fw_cfg }, { "smbios", &cfg->smbios },
        { "option-rom", &cfg->option_rom },
    };

    for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
        if (single[i].opts) {
            fn(single[i].group, single[i].opts, opaque);
        }
    }
    if (cfg->accel_list) {
        g_autoptr(QObject) o = qdict_new();

        qdict_put_str(o, "accel", cfg->accel_list);
        fn("machine", o, opaque);
    }
    if (cfg->name) {
        g_autoptr(QObject) o = qdict_new();

        qdict_put_str(o, "guest", cfg->name);
        fn("name", o, opaque);
    }
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        for (size_t k = 0; k < many[i].list->n; k++) {
            fn(many[i].group, many[i].list->items[k]->opts, opaque);
        }
    }
    for (size_t k = 0; k < cfg->vncs.n; k++) {
        g_autoptr(QObject) o = keyval_parse(cfg->vncs.items[k]->text, "vnc",
                                            NULL, NULL);

        if (o) {
            fn("vnc", o, opaque);
        }
    }
}

/* ---- text ---------------------------------------------------------------- */

static void print_indented(FILE *f, const char *text, int indent)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (int i = 0; lines[i]; i++) {
        fprintf(f, "%*s%s\n", i ? indent : 0, "", lines[i]);
    }
}

void options_print_help(FILE *f)
{
    fprintf(f, "Usage: %s [OPTION]... [DISK_IMAGE]\n"
            "DISK_IMAGE alone is the first IDE hard disk.\n",
            error_get_progname());
    for (size_t i = 0; i < ARRAY_SIZE(option_table); i++) {
        const OptionDef *o = &option_table[i];

        if (o->section) {
            fprintf(f, "\n%s:\n", o->section);
        } else if (o->help) {
            g_autofree char *head =
                g_strdup_printf("-%s %s", o->name, o->form ? o->form : "");

            print_indented(f, head, 8);
            fprintf(f, "%16s", "");
            print_indented(f, o->help, 16);
        }
    }
    fprintf(f, "\nNot in this build:\n");
    for (size_t i = 0; i < ARRAY_SIZE(option_table); i++) {
        const OptionDef *o = &option_table[i];

        if (o->fn == do_later) {
            fprintf(f, "-%s: %s\n", o->name, o->data);
        }
    }
}

/* Keys of options whose handlers have them to themselves. */
static const struct {
    const char *group, *keys;
} described[] = {
    { "action", "reboot shutdown panic watchdog" },
    { "add-fd", "fd set opaque" },
    { "global", "driver property value" },
    { "mon", "mode chardev pretty" },
    { "msg", "timestamp guest-name" },
    { "name", "guest process debug-threads" },
    { "overcommit", "mem-lock cpu-pm" },
    { "sandbox", "enable obsolete elevateprivileges spawn resourcecontrol" },
    { "trace", "enable events file" },
    { "vnc", "vnc id websocket tls-creds share display head connections to "
      "ipv4 ipv6 password password-secret reverse lock-key-sync key-delay-ms "
      "sasl tls-authz sasl-authz lossy non-adaptive audiodev power-control "
      "web" },
};

static void add_param(QObject *params, const char *name)
{
    QObject *p = qdict_new();

    qdict_put_str(p, "name", name);
    qdict_put_str(p, "type", "string");
    qlist_append(params, p);
}

static void add_described(QObject *params, const char *group)
{
    for (size_t i = 0; i < ARRAY_SIZE(described); i++) {
        g_auto(GStrv) keys = NULL;

        if (strcmp(described[i].group, group)) {
            continue;
        }
        keys = g_strsplit(described[i].keys, " ", -1);
        for (int k = 0; keys[k]; k++) {
            add_param(params, keys[k]);
        }
    }
}

QObject *options_describe(const char *only)
{
    QObject *out = qlist_new();

    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        const OptionDef *o = find_option(sections[i].option);
        QObject *entry, *params;

        if (o->fn == do_never || o->fn == do_later ||
            (only && strcmp(only, sections[i].group))) {
            continue;
        }
        entry = qdict_new();
        params = qlist_new();
        for (int k = 0; o->known && o->known[k]; k++) {
            add_param(params, o->known[k]);
        }
        add_described(params, sections[i].group);
        qdict_put_str(entry, "option", sections[i].group);
        qdict_put(entry, "parameters", params);
        qlist_append(out, entry);
    }
    return out;
}

/* ---- the end ------------------------------------------------------------- */

static void list_free(ConfigList *list)
{
    for (size_t i = 0; i < list->n; i++) {
        g_free(list->items[i]->loc);
        g_free(list->items[i]->text);
        qobject_unref(list->items[i]->opts);
        g_free(list->items[i]);
    }
    g_free(list->items);
}

void vmconfig_free(VMConfig *cfg)
{
    ConfigList *lists[] = {
        &cfg->accels, &cfg->numa, &cfg->fw_cfg, &cfg->smbios, &cfg->acpitable,
        &cfg->option_rom, &cfg->objects, &cfg->chardevs, &cfg->drives,
        &cfg->blockdevs, &cfg->netdevs, &cfg->nets, &cfg->nics,
        &cfg->audiodevs, &cfg->devices, &cfg->globals, &cfg->monitors,
        &cfg->mons, &cfg->serials, &cfg->parallels, &cfg->debugcons,
        &cfg->vncs, &cfg->add_fds, &cfg->traces,
    };
    char *strings[] = {
        cfg->machine_loc, cfg->accel_list, cfg->cpu, cfg->mem_path, cfg->name,
        cfg->process_name, cfg->display_loc, cfg->vga, cfg->keyboard,
        cfg->incoming, cfg->loadvm, cfg->gdb, cfg->qtest, cfg->qtest_log,
        cfg->seed, cfg->pidfile, cfg->chroot_dir, cfg->runas, cfg->log_file,
        cfg->log_items, cfg->writeconfig,
    };
    QObject *dicts[] = {
        cfg->machine, cfg->accel_legacy, cfg->smp, cfg->memory, cfg->boot,
        cfg->rtc, cfg->display, cfg->sandbox,
    };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        list_free(lists[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        g_free(strings[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(dicts); i++) {
        qobject_unref(dicts[i]);
    }
    if (cfg->data_dirs) {
        g_ptr_array_free(cfg->data_dirs, TRUE);
    }
    *cfg = (VMConfig){ 0 };
}
