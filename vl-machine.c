/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine object: what -M, -m, -smp, -boot, -rtc and -cpu say. */
#include "osdep.h"
#include "vl.h"
#include "exec/hostmem.h"
#include "exec/x86.h"
#include "util/option.h"

static void collect_name(const MachineInfo *mi, void *opaque)
{
    g_ptr_array_add(opaque, (char *)mi->name);
    if (mi->alias) {
        g_ptr_array_add(opaque, (char *)mi->alias);
    }
}

static void find_default(const MachineInfo *mi, void *opaque)
{
    if (mi->is_default) {
        *(const MachineInfo **)opaque = mi;
    }
}

const MachineInfo *choose_machine(const VMConfig *cfg, Error **errp)
{
    const char *name = cfg->machine ? qdict_get_str(cfg->machine, "type")
                                    : NULL;
    const MachineInfo *mi = NULL;
    g_autoptr(GPtrArray) names = NULL;
    const char *near;

    if (!name) {
        machine_foreach(find_default, &mi);
        if (!mi) {
            error_setg(errp, "No machine specified, and there is no default; "
                       "-machine help lists the machines");
        }
        return mi;
    }
    mi = machine_find(name);
    if (mi) {
        if (mi->deprecated) {
            warn_report("Machine type '%s' is deprecated: %s", mi->name,
                        mi->deprecation_reason);
        }
        return mi;
    }
    names = g_ptr_array_new();
    machine_foreach(collect_name, names);
    g_ptr_array_add(names, NULL);
    near = nearest_name(name, (const char *const *)names->pdata);
    if (near) {
        error_setg(errp, "%s: unsupported machine type '%s', did you mean "
                   "'%s'?", cfg->machine_loc, name, near);
    } else {
        error_setg(errp, "%s: unsupported machine type '%s', -machine help "
                   "lists the machines", cfg->machine_loc, name);
    }
    return NULL;
}

static bool set_machine_props(MachineState *m, const VMConfig *cfg,
                              Error **errp)
{
    for (size_t i = 0; cfg->machine && i < qdict_size(cfg->machine); i++) {
        const char *key = qdict_key_at(cfg->machine, i);

        if (!strcmp(key, "type") || !strcmp(key, "help")) {
            continue;
        }
        if (!object_set(&m->obj, key, qdict_value_at(cfg->machine, i),
                        errp)) {
            if (cfg->machine_loc) {
                error_prepend(errp, "%s: ", cfg->machine_loc);
            }
            return false;
        }
    }
    if (!m->kernel && (m->append || m->initrd)) {
        error_setg(errp, "-%s only allowed with -kernel option",
                   m->append ? "append" : "initrd");
        return false;
    }
    return true;
}

/* A number of milliseconds from @min to 65535. */
static bool take_ms(const QObject *boot, const char *key, int64_t min,
                    int64_t *out, Error **errp)
{
    const char *s = qdict_get_str(boot, key);

    *out = -1;
    if (!s) {
        return true;
    }
    if (!parse_int64(key, s, out, errp)) {
        return false;
    }
    if (*out < min || *out > 0xffff) {
        error_setg(errp, "Parameter '%s' expects %" PRId64 " to 65535, not "
                   "'%s'", key, min, s);
        return false;
    }
    return true;
}

static bool set_boot(MachineState *m, const QObject *boot, Error **errp)
{
    const char *order = boot ? qdict_get_str(boot, "order") : NULL;
    const char *once = boot ? qdict_get_str(boot, "once") : NULL;
    const char *menu = boot ? qdict_get_str(boot, "menu") : NULL;
    const char *strict = boot ? qdict_get_str(boot, "strict") : NULL;

    m->boot_splash_time = m->boot_reboot_timeout = -1;
    if ((order && !boot_order_check(order, errp)) ||
        (once && !boot_order_check(once, errp)) ||
        (menu && !parse_bool("menu", menu, &m->boot_menu, errp)) ||
        (strict && !parse_bool("strict", strict, &m->boot_strict, errp)) ||
        (boot &&
         (!take_ms(boot, "splash-time", 0, &m->boot_splash_time, errp) ||
          !take_ms(boot, "reboot-timeout", -1, &m->boot_reboot_timeout,
                   errp)))) {
        return false;
    }
    m->boot_order = g_strdup(order);
    m->boot_once = g_strdup(once);
    m->boot_splash = g_strdup(boot ? qdict_get_str(boot, "splash") : NULL);
    return true;
}

/* "2006-06-17T16:01:21" or "2006-06-17", in UTC. */
static bool parse_date(const char *s, int64_t *epoch)
{
    struct tm tm = { 0 };
    const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end || *end) {
        tm = (struct tm){ 0 };
        end = strptime(s, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        return false;
    }
    *epoch = timegm(&tm);
    return true;
}

static bool set_rtc(RTCConfig *rtc, const QObject *opts, Error **errp)
{
    static const char *const clocks[] = { "host", "rt", "vm", NULL };
    static const ClockType types[] = {
        CLOCK_HOST, CLOCK_REALTIME_NS, CLOCK_VIRTUAL
    };
    static const char *const fixes[] = { "none", "slew", NULL };
    g_autoptr(QObject) o = opts ? qobject_deep_copy(opts) : qdict_new();
    const char *base = qdict_get_str(o, "base");
    int clock = 0, fix = 0;

    if (!opts_take_enum(o, "clock", clocks, &clock, errp) ||
        !opts_take_enum(o, "driftfix", fixes, &fix, errp)) {
        return false;
    }
    rtc->clock = types[clock];
    rtc->slew = fix == 1;
    if (!base || !strcmp(base, "utc")) {
        return true;
    }
    if (!strcmp(base, "localtime")) {
        time_t now = time(NULL);
        struct tm tm;

        localtime_r(&now, &tm);
        rtc->offset = tm.tm_gmtoff;
        return true;
    }
    if (!parse_date(base, &rtc->base_epoch)) {
        error_setg(errp, "-rtc base=%s: neither utc, localtime nor a date "
                   "(2006-06-17T16:01:21 or 2006-06-17)", base);
        return false;
    }
    rtc->base_date = true;
    rtc->offset = rtc->base_epoch - time(NULL);
    return true;
}

static void set_cpu(MachineState *m, const char *cpu)
{
    g_auto(GStrv) part = NULL;

    if (!cpu) {
        m->cpu_type = g_strdup(m->info->default_cpu);
        return;
    }
    part = g_strsplit(cpu, ",", 2);
    m->cpu_type = g_str_has_suffix(part[0], "-x86_64-cpu")
                      ? g_strdup(part[0])
                      : g_strdup_printf("%s-x86_64-cpu", part[0]);
    m->cpu_features = g_strdup(part[0] ? part[1] : NULL);
}

static void collect_cpu(const ObjectType *type, void *opaque)
{
    if (g_str_has_suffix(type->name, "-x86_64-cpu") && !type->abstract) {
        g_ptr_array_add(opaque, g_strndup(type->name, strlen(type->name) -
                                          strlen("-x86_64-cpu")));
    }
}

static bool check_cpu(const MachineState *m, const char *cpu, Error **errp)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autofree char *model = NULL;
    const char *near;

    if (!cpu || object_type_find(m->cpu_type)) {
        return true;
    }
    names = g_ptr_array_new_with_free_func(g_free);
    object_type_foreach(collect_cpu, names);
    g_ptr_array_add(names, NULL);
    model = g_strndup(cpu, strcspn(cpu, ","));
    near = nearest_name(model, (const char *const *)names->pdata);
    error_setg(errp, "-cpu %s: unable to find CPU model '%s'%s%s%s", cpu,
               model, near ? ", did you mean '" : "", near ? near : "",
               near ? "'?" : "");
    return false;
}

MachineState *make_machine(const VMConfig *cfg, const MachineInfo *mi,
                           Error **errp)
{
    g_autofree char *type = g_strdup_printf("%s-machine", mi->name);
    MachineState *m = (MachineState *)object_new(type);
    MemoryConfig mem;

    current_machine = m;
    object_add_child(object_root(), "machine", &m->obj);
    m->info = mi;
    if (!topology_compute(&m->smp, cfg->smp, mi, errp) ||
        !memory_compute(&mem, cfg->memory, mi, errp) ||
        !set_boot(m, cfg->boot, errp) || !set_rtc(&m->rtc, cfg->rtc, errp) ||
        !set_machine_props(m, cfg, errp)) {
        return NULL;
    }
    m->ram_size = mem.size;
    m->max_ram_size = mem.max_size;
    m->ram_slots = mem.slots;
    m->defaults = cfg->defaults;
    m->uuid = cfg->uuid;
    m->uuid_set = cfg->uuid_set;
    m->name = g_strdup(cfg->name);
    m->vga = g_strdup(cfg->vga                              ? cfg->vga
                      : cfg->defaults && cfg->default_vga
                          ? mi->default_display
                          : "none");
    m->default_floppy = cfg->defaults && cfg->default_floppy &&
                        !mi->no_floppy;
    m->default_cdrom = cfg->defaults && cfg->default_cdrom && !mi->no_cdrom;
    m->default_net = cfg->defaults && cfg->default_net;
    set_cpu(m, cfg->cpu);
    if (!check_cpu(m, cfg->cpu, errp) ||
        (m->cpu_features &&
         !x86_cpu_parse_features(m->cpu_type, m->cpu_features, errp))) {
        return NULL;
    }
    return m;
}

/* -mem-path: the file itself, or a nameless one in the directory. */
static RAMBlock *ram_from_path(const VMConfig *cfg, const char *id,
                               uint64_t size, Error **errp)
{
    bool dir = g_file_test(cfg->mem_path, G_FILE_TEST_IS_DIR);
    int fd = dir ? open(cfg->mem_path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                 : open(cfg->mem_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    RAMBlock *block;

    if (fd < 0 || (lseek(fd, 0, SEEK_END) < (off_t)size &&
                   ftruncate(fd, size) < 0)) {
        error_setg_errno(errp, errno, "-mem-path %s: cannot %s", cfg->mem_path,
                         fd < 0 ? "open it" : "make it large enough");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    block = ram_block_from_fd(id, size, fd, 0, false, false,
                              cfg->mem_prealloc, errp);
    if (!block) {
        close(fd);
        error_prepend(errp, "-mem-path %s: ", cfg->mem_path);
    }
    return block;
}

/* -machine memory-backend=ID: its size is the machine's. */
static bool ram_from_backend(MachineState *m, const VMConfig *cfg,
                             Error **errp)
{
    g_autofree char *path = g_strdup_printf("/objects/%s", m->memory_backend);
    Object *obj = object_resolve(path, NULL);
    g_autoptr(QObject) size = NULL;
    uint64_t bytes = 0;

    if (cfg->mem_path) {
        error_setg(errp, "'-mem-path' can't be used together with "
                   "'-machine memory-backend'");
        return false;
    }
    if (!obj || !object_dynamic_cast(obj, "memory-backend")) {
        error_setg(errp, "Memory backend '%s' not found", m->memory_backend);
        return false;
    }
    size = object_get(obj, "size", errp);
    if (!size || !qint_try_u64(size, &bytes)) {
        return false;
    }
    if (cfg->memory && qdict_has(cfg->memory, "size") &&
        m->ram_size != bytes) {
        error_setg(errp, "Machine memory size does not match the size of the "
                   "memory backend");
        return false;
    }
    if (!memory_backend_claim(obj, errp)) {
        return false;
    }
    m->ram_size = bytes;
    m->max_ram_size = MAX(m->max_ram_size, bytes);
    m->ram = g_new0(MemoryRegion, 1);
    memory_region_init_ram_block(m->ram, &m->obj, m->memory_backend,
                                 memory_backend_block(obj));
    return true;
}

bool make_numa(const VMConfig *cfg, MachineState *m, Error **errp)
{
    for (size_t i = 0; i < cfg->numa.n; i++) {
        if (!numa_add(m, cfg->numa.items[i]->opts, errp)) {
            error_prepend(errp, "%s: ", cfg->numa.items[i]->loc);
            return false;
        }
    }
    return numa_complete(m, errp);
}

/* -numa node,memdev=: the nodes' back ends one after the other. */
static bool ram_from_nodes(MachineState *m, const VMConfig *cfg, Error **errp)
{
    uint64_t at = 0;

    if (cfg->mem_path) {
        error_setg(errp, "'-mem-path' can't be used together with -numa "
                   "memdev=");
        return false;
    }
    m->ram = g_new0(MemoryRegion, 1);
    memory_region_init(m->ram, &m->obj, m->info->default_ram_id, m->ram_size);
    for (unsigned i = 0; i < m->numa.count; i++) {
        NumaNode *n = &m->numa.nodes[i];
        MemoryRegion *mr;

        if (!n->memdev) {
            continue;
        }
        mr = g_new0(MemoryRegion, 1);
        memory_region_init_ram_block(mr, &m->obj, n->memdev->name,
                                     memory_backend_block(n->memdev));
        memory_region_add_subregion(m->ram, at, mr);
        at += n->mem;
    }
    return true;
}

bool make_machine_ram(MachineState *m, const VMConfig *cfg, Error **errp)
{
    const char *id = m->info->default_ram_id ? m->info->default_ram_id : "ram";
    RAMBlock *block;

    if (m->memory_backend) {
        return ram_from_backend(m, cfg, errp);
    }
    for (unsigned i = 0; i < m->numa.count; i++) {
        if (m->numa.nodes[i].memdev) {
            return ram_from_nodes(m, cfg, errp);
        }
    }
    if (m->ram_size == 0) {
        return true;
    }
    block = cfg->mem_path
                ? ram_from_path(cfg, id, m->ram_size, errp)
                : ram_block_new(id, m->ram_size, false, cfg->mem_prealloc,
                                errp);
    if (!block) {
        return false;
    }
    m->ram = g_new0(MemoryRegion, 1);
    memory_region_init_ram_block(m->ram, &m->obj, id, block);
    return true;
}
