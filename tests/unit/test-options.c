/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option table: grammar, merging, config files, topology, bad lines. */
#include "osdep.h"
#include "vmconfig.h"

/* Parses "-a|b|-c|d". */
static bool parse(VMConfig *cfg, const char *line, Error **errp)
{
    g_autofree char *all = g_strconcat("qemu-kvm|-no-user-config|", line,
                                       NULL);
    g_auto(GStrv) argv = g_strsplit(all, "|", -1);
    bool exit_now;

    return options_parse(cfg, g_strv_length(argv), argv, &exit_now, errp);
}

static void parse_ok(VMConfig *cfg, const char *line)
{
    Error *err = NULL;

    if (!parse(cfg, line, &err)) {
        g_test_message("%s: %s", line, error_get_pretty(err));
        g_assert_not_reached();
    }
}

static void test_lists(void)
{
    VMConfig cfg;

    parse_ok(&cfg, "-S|-m|1G|-m|slots=2,maxmem=4G|-smp|2|-smp|cores=2"
             "|-device|ib700,id=w|-usbdevice|tablet|-device|"
             "{\"driver\": \"e1000\", \"id\": \"n\"}"
             "|-set|device.w.iobase=0x500|-global|a.b.c=d|disk,1.img"
             "|--name|vm,process=p|-nodefaults|-serial|none");
    g_assert_false(cfg.autostart);
    g_assert_cmpstr(qdict_get_str(cfg.memory, "size"), ==, "1G");
    g_assert_cmpstr(qdict_get_str(cfg.memory, "slots"), ==, "2");
    g_assert_cmpuint(cfg.devices.n, ==, 3);
    g_assert_cmpstr(qdict_get_str(cfg.devices.items[0]->opts, "iobase"), ==,
                    "0x500");
    g_assert_cmpstr(qdict_get_str(cfg.devices.items[1]->opts, "driver"), ==,
                    "usb-tablet");
    g_assert_cmpstr(cfg.devices.items[0]->loc, ==, "-device ib700,id=w");
    g_assert_cmpstr(qdict_get_str(cfg.globals.items[0]->opts, "property"), ==,
                    "b.c");
    g_assert_cmpstr(qdict_get_str(cfg.drives.items[0]->opts, "file"), ==,
                    "disk,1.img");
    g_assert_cmpstr(cfg.name, ==, "vm");
    g_assert_false(cfg.default_serial);
    g_assert_false(cfg.defaults);
    vmconfig_free(&cfg);
}

static void test_machine(void)
{
    VMConfig cfg;

    parse_ok(&cfg, "-M|pc-1.2,accel=kvm:tcg,kernel_irqchip=off,usb=on"
             "|-no-acpi|-kernel|bzImage|-append|a,b=c");
    g_assert_cmpstr(qdict_get_str(cfg.machine, "type"), ==, "pc-1.2");
    g_assert_cmpstr(qdict_get_str(cfg.machine, "acpi"), ==, "off");
    g_assert_cmpstr(qdict_get_str(cfg.machine, "append"), ==, "a,b=c");
    g_assert_cmpstr(cfg.accel_list, ==, "kvm:tcg");
    g_assert_cmpstr(qdict_get_str(cfg.accel_legacy, "kernel-irqchip"), ==,
                    "off");
    g_assert_false(qdict_has(cfg.machine, "accel"));
    vmconfig_free(&cfg);
}

static void test_config_files(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(),
                                             "qemu-kvm-test-XXXXXX", NULL);
    g_autofree char *line = NULL, *text = NULL;
    int fd = g_mkstemp(path);
    VMConfig cfg;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    line = g_strdup_printf("-device|ide-hd,id=d,serial=a,,b|-m|512|-name|x"
                           "|-writeconfig|%s", path);
    parse_ok(&cfg, line);
    vmconfig_free(&cfg);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "[device \"d\"]\n  driver = \"ide-hd\"\n"
                            "  serial = \"a,b\"\n"));
    g_free(line);
    line = g_strdup_printf("-readconfig|%s", path);
    parse_ok(&cfg, line);
    unlink(path);
    g_assert_cmpstr(qdict_get_str(cfg.devices.items[0]->opts, "serial"), ==,
                    "a,b");
    g_assert_cmpstr(qdict_get_str(cfg.memory, "size"), ==, "512");
    g_assert_cmpstr(cfg.name, ==, "x");
    vmconfig_free(&cfg);
}

static const MachineInfo test_machine_info = {
    .name = "pc-i440fx-7.2", .max_cpus = 255, .default_ram_size = 128 * MiB,
};

/* What QEMU 7.2 computed or said, seen with its -smp and -m. */
static void test_topology(void)
{
    static const struct {
        const char *smp;
        unsigned cpus, max, sockets, cores, threads;
        const char *error;
    } cases[] = {
        { "1", 1, 1, 1, 1, 1, NULL },
        { "4", 4, 4, 1, 4, 1, NULL },
        { "8,sockets=2,maxcpus=16", 8, 16, 2, 8, 1, NULL },
        { "8,sockets=2,cores=2,threads=2", 8, 8, 2, 2, 2, NULL },
        { "8,cores=2", 8, 8, 4, 2, 1, NULL },
        { "sockets=2,cores=3", 6, 6, 2, 3, 1, NULL },
        { "4,sockets=1,cores=2", 4, 4, 1, 2, 2, NULL },
        { "2,cores=3", 0, 0, 0, 0, 0,
          "Invalid CPU topology: product of the hierarchy must match maxcpus: "
          "sockets (0) * dies (1) * cores (3) * threads (1) != maxcpus (2)" },
        { "4,maxcpus=2", 0, 0, 0, 0, 0,
          "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
          "sockets (1) * dies (1) * cores (2) * threads (1) == maxcpus (2) < "
          "smp_cpus (4)" },
        { "300", 0, 0, 0, 0, 0, "Invalid SMP CPUs 300. The max CPUs supported "
          "by machine 'pc-i440fx-7.2' is 255" },
        { "2,clusters=2", 0, 0, 0, 0, 0,
          "clusters not supported by this machine's CPU topology" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *line = g_strdup_printf("-smp|%s", cases[i].smp);
        CpuTopology t = { 0 };
        Error *err = NULL;
        VMConfig cfg;
        bool ok;

        parse_ok(&cfg, line);
        ok = topology_compute(&t, cfg.smp, &test_machine_info, &err);
        g_test_message("%s", cases[i].smp);
        if (cases[i].error) {
            g_assert_false(ok);
            g_assert_cmpstr(error_get_pretty(err), ==, cases[i].error);
            error_free(err);
        } else {
            g_assert_true(ok);
            g_assert_cmpuint(t.cpus, ==, cases[i].cpus);
            g_assert_cmpuint(t.max_cpus, ==, cases[i].max);
            g_assert_cmpuint(t.sockets, ==, cases[i].sockets);
            g_assert_cmpuint(t.cores, ==, cases[i].cores);
            g_assert_cmpuint(t.threads, ==, cases[i].threads);
        }
        vmconfig_free(&cfg);
    }
}

static void test_memory(void)
{
    static const struct {
        const char *m;
        uint64_t size, max;
        const char *error;
    } cases[] = {
        { "1G", GiB, GiB, NULL },
        { "64", 64 * MiB, 64 * MiB, NULL },
        { "0", 128 * MiB, 128 * MiB, NULL },
        { "1G,slots=2,maxmem=2G", GiB, 2 * GiB, NULL },
        { "1G,slots=2", 0, 0, "slots specified but no max-size" },
        { "1G,slots=300,maxmem=2G", 0, 0,
          "unsupported amount of memory slots: 300" },
        { "2G,slots=1,maxmem=1G", 0, 0,
          "invalid value of maxmem: maximum memory size (0x40000000) must be "
          "at least the initial memory size (0x80000000)" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *line = g_strdup_printf("-m|%s", cases[i].m);
        MemoryConfig mem;
        Error *err = NULL;
        VMConfig cfg;

        parse_ok(&cfg, line);
        if (memory_compute(&mem, cfg.memory, &test_machine_info, &err)) {
            g_assert_null(cases[i].error);
            g_assert_cmpuint(mem.size, ==, cases[i].size);
            g_assert_cmpuint(mem.max_size, ==, cases[i].max);
        } else {
            g_assert_cmpstr(error_get_pretty(err), ==, cases[i].error);
            error_free(err);
        }
        vmconfig_free(&cfg);
    }
}

/* Faults of form, word for word. */
static const char *const bad_lines[][2] = {
#include "test-options-bad.h"
};

static void test_bad(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
        Error *err = NULL;
        VMConfig cfg;

        g_test_message("%s", bad_lines[i][0]);
        g_assert_false(parse(&cfg, bad_lines[i][0], &err));
        g_assert_cmpstr(error_get_pretty(err), ==, bad_lines[i][1]);
        error_free(err);
        vmconfig_free(&cfg);
    }
    g_assert_cmpuint(ARRAY_SIZE(bad_lines), >=, 60);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/lists", test_lists);
    g_test_add_func("/options/machine", test_machine);
    g_test_add_func("/options/config-files", test_config_files);
    g_test_add_func("/options/topology", test_topology);
    g_test_add_func("/options/memory", test_memory);
    g_test_add_func("/options/bad", test_bad);
    return g_test_run();
}
