/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table (options.def), the handlers of its rows, and
 * what is made from the table: -help and the manual page.  Only forms are
 * checked here; the steps in vl.c give them a meaning.
 */
#include "osdep.h"
#include "options-int.h"
#include "util/option.h"
#include "util/log.h"

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

bool option_check_keys(const QObject *opts, const char *const *known,
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

int option_find_value(const char *key, const char *value,
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

void config_list_add(ConfigList *list, const char *loc, const char *text,
                     QObject *opts)
{
    ConfigItem *item = g_new0(ConfigItem, 1);

    item->loc = g_strdup(loc);
    item->text = g_strdup(text);
    item->opts = opts;
    list->items = g_renew(ConfigItem *, list->items, list->n + 1);
    list->items[list->n++] = item;
}

void config_dict_merge(QObject **to, const QObject *from)
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

void config_set_str(char **to, const char *s)
{
    g_free(*to);
    *to = g_strdup(s);
}

bool option_get_bool(const QObject *opts, const char *key, bool *out,
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
    config_set_str(field(cfg, o), arg);
    return true;
}

static bool do_text(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    config_list_add(field(cfg, o), loc, arg, NULL);
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

bool option_check_id(const QObject *opts, Error **errp)
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

    if (!opts || !option_check_keys(opts, o->known, errp)) {
        return false;
    }
    config_list_add(field(cfg, o), loc, arg, g_steal_pointer(&opts));
    return true;
}

/* An option whose items are told apart by id: each id once. */
static bool do_json(VMConfig *cfg, const OptionDef *o, const char *arg,
                    const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = parse_dict(o, arg, true, errp);
    ConfigList *list = field(cfg, o);
    const char *id;

    if (!opts || !option_check_id(opts, errp)) {
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
    config_list_add(list, loc, arg, g_steal_pointer(&opts));
    return true;
}

static bool do_merge(VMConfig *cfg, const OptionDef *o, const char *arg,
                     const char *loc, Error **errp)
{
    g_autoptr(QObject) opts = parse_dict(o, arg, false, errp);

    if (!opts || !option_check_keys(opts, o->known, errp)) {
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
    config_dict_merge(field(cfg, o), opts);
    return true;
}

bool do_mprop(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    if (!cfg->machine) {
        cfg->machine = qdict_new();
    }
    qdict_put_str(cfg->machine, o->data, arg ? arg : o->text);
    return true;
}

bool do_later(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    error_setg(errp, "%s: not in this build yet", o->data);
    return false;
}

bool do_never(VMConfig *cfg, const OptionDef *o, const char *arg,
              const char *loc, Error **errp)
{
    error_setg(errp, "not supported: %s", o->data);
    return false;
}

/* ---- the table ----------------------------------------------------------- */

#define OFS(f) offsetof(VMConfig, f)
const OptionDef option_table[] = {
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
    { 0 },
};

const OptionDef *find_option(const char *name)
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
    const char *names[ARRAY_SIZE(option_table)] = { NULL };
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
    if (cfg->netdevs.n) {
        cfg->default_net = false;
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
const OptionGroup option_groups[] = {
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
    { NULL, NULL },
};

bool options_add_section(VMConfig *cfg, const char *group, QObject *opts,
                         const char *loc, Error **errp)
{
    const char *names[ARRAY_SIZE(option_groups)] = { NULL };
    g_autofree char *hint = NULL;

    for (size_t i = 0; option_groups[i].group; i++) {
        names[i] = option_groups[i].group;
        if (!strcmp(names[i], group)) {
            g_autofree char *text = keyval_to_text(opts);

            return apply_option(cfg, find_option(option_groups[i].option), text,
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

