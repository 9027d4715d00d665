/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random register traffic to one of the board's devices, inside the emulator's
 * own process: fuzz-pc DEVICE [OPERATIONS [SEED]]; "all" is each in a process
 * of its own, `fuzz-pc list` names them and the files they are to reach.
 *
 * The emulator starts with the device (its main() is linked in under another
 * name) and the qtest accelerator.  Then a bottom half makes accesses to the
 * device's ports, registers and configuration space, and DMA addresses point
 * into RAM, past its end and at registers, the device's own among them.  Most
 * devices have a routine besides that knows how to begin what their registers
 * do.  Between batches the main loop runs, the clock moves, and at times the
 * machine is reset, or its state saved and loaded, which must not change it.
 */
#include "osdep.h"
#include "fuzz-pc.h"
#include "exec/runstate.h"
#include "exec/x86.h"
#include "hw/pci.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/timer.h"

#undef main /* the build renames the emulator's */
#define BATCH 512

static const FuzzTarget *target;
static uint64_t operations, done;
static BH *bh;
static uint64_t seed_a, seed_b;
static unsigned batches;
bool wait_for_loop;

uint64_t rnd(void)
{
    /* xorshift128+ */
    uint64_t a = seed_a, b = seed_b;

    seed_a = b;
    a ^= a << 23;
    seed_b = a ^ b ^ a >> 17 ^ b >> 26;
    return seed_b + b;
}

unsigned below(unsigned n)
{
    return (unsigned)(rnd() >> 16) % n;
}

uint64_t dma_address(void)
{
    static const uint64_t places[] = {
        0, 0xffc, 0x1000, 0x10000, 0x1fff0, FUZZ_RAM - 4, FUZZ_RAM - 512,
        FUZZ_RAM, 0xa0000, 0xb8000, 0xc0000, 0xfffff, 0xe0000000, 0xe0001000,
        0xfec00000, 0xfec00010, 0xfed00000, 0xfed000f0, 0xfee00000, 0xfee00300,
        0xfffe0000, 0xfffffff0, 0xffffffff, UINT64_C(0x100000000),
        UINT64_C(0x7fffffffffff), UINT64_MAX - 3,
    };

    return below(3) ? (rnd() & (FUZZ_RAM - 1)) : places[below(
                                                     ARRAY_SIZE(places))];
}

uint32_t value(void)
{
    static const uint32_t likely[] = {
        0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80,
        0xa0, 0xc0, 0xfe, 0xff, 0x100, 0x1ff, 0x200, 0x7fff, 0x8000, 0xffff,
        0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
    };

    switch (below(4)) {
    case 0:
        return likely[below(ARRAY_SIZE(likely))];
    case 1:
        return (uint32_t)dma_address();
    case 2:
        return (uint32_t)rnd() & 0xff;
    default:
        return (uint32_t)rnd();
    }
}

void out(unsigned size, uint16_t port, uint32_t v)
{
    done++;
    address_space_st(&address_space_io, port, size, v, MEMTXATTRS_CPU);
}

uint32_t in(unsigned size, uint16_t port)
{
    done++;
    return (uint32_t)address_space_ld(&address_space_io, port, size,
                                      MEMTXATTRS_CPU, NULL);
}

void store(unsigned size, uint64_t addr, uint64_t v)
{
    done++;
    address_space_st(cpu_first()->as, addr, size, v, MEMTXATTRS_CPU);
}

uint64_t load(unsigned size, uint64_t addr)
{
    done++;
    return address_space_ld(cpu_first()->as, addr, size, MEMTXATTRS_CPU, NULL);
}

void config(unsigned devfn, unsigned reg, unsigned size, uint32_t v)
{
    out(4, 0xcf8, 0x80000000 | devfn << 8 | (reg & ~3u));
    out(size, 0xcfc + (reg & 3), v);
}

void step_clock(int64_t ns)
{
    clock_virtual_step(clock_ns(CLOCK_VIRTUAL) + ns);
}

void hmp(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    Error *err = NULL;
    g_autofree char *text = qmp_human_monitor_command(line, false, 0, &err);

    error_free(err);
    if (g_getenv("FUZZ_VERBOSE")) {
        fprintf(stderr, "%s: %s", line, text);
    }
}

/* The BAR at @reg of the tested device, where memory and ports are enabled. */
static void map_device(void)
{
    if (!target->bars) {
        return;
    }
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        uint32_t v = FUZZ_BAR + i * 0x10000;

        out(4, 0xcf8, 0x80000000 | FUZZ_DEVFN << 8 | (PCI_BAR0 + 4 * i));
        config(FUZZ_DEVFN, PCI_BAR0 + 4 * i, 4,
               in(4, 0xcfc) & PCI_BAR_IO ? FUZZ_PORTS + i * 0x100 : v);
    }
    config(FUZZ_DEVFN, PCI_COMMAND, 2, 7);
}

static void access_random(void)
{
    unsigned size = 1u << below(3), total = 0, at;
    const FuzzRange *r;

    for (r = target->ranges; r->size; r++) {
        total += r->weight ? r->weight : 1;
    }
    if (!total) {
        return;
    }
    at = below(total);
    for (r = target->ranges; at >= (r->weight ? r->weight : 1); r++) {
        at -= r->weight ? r->weight : 1;
    }
    uint64_t addr = r->base + below(r->size);
    bool write = below(3) != 0;

    if (r->kind == FUZZ_CONFIG) {
        unsigned reg = (unsigned)(addr & 0xff);

        out(4, 0xcf8, (uint32_t)(0x80000000 | r->base << 8 | (reg & 0xfc)));
        if (write) {
            out(size, 0xcfc + (reg & 3), value());
        } else {
            in(size, 0xcfc + (reg & 3));
        }
    } else if (r->kind == FUZZ_MMIO) {
        size = below(16) ? size : 8;
        if (below(8)) {
            addr &= ~(uint64_t)(size - 1);
        }
        write ? store(size, addr, value()) : (void)load(size, addr);
    } else if (write) {
        out(size, (uint16_t)addr, value());
    } else {
        in(size, (uint16_t)addr);
    }
}

/* What the guest has switched off or halted goes on. */
static void revive(void)
{
    Error *err = NULL;

    if (runstate_check(RUN_STATE_SUSPENDED)) {
        system_wakeup_request("other", &err);
    } else if (!runstate_is_running()) {
        system_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
        qmp_cont(&err);
    }
    error_free(err);
}

static void check_state(void)
{
    Error *err = NULL;
    HumanReadableText *t;

    if (strstr(target->files, "acpi/") || strstr(target->files, "pci/")) {
        /* It lets go what is to be unplugged, which the state lacks then. */
        system_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    }
    t = qmp_x_vmstate_roundtrip(&err);

    if (!t || strchr(t->human_readable_text, '\n') !=
                  strrchr(t->human_readable_text, '\n')) {
        fprintf(stderr, "%s: state: %s\n", target->name,
                t ? t->human_readable_text : error_get_pretty(err));
        abort();
    }
    qapi_free_HumanReadableText(t);
}

static void batch(void *opaque)
{
    if (!cpu_first() || (done == 0 && !runstate_is_running())) {
        bh_schedule(bh); /* the machine is not there yet */
        return;
    }
    if (done >= operations) {
        Error *err = NULL;

        printf("%s: %" PRIu64 " operations\n", target->name, done);
        fflush(stdout);
        qmp_quit(&err);
        return;
    }
    current_cpu = cpu_first();
    if (batches % 16 == 0) {
        map_device();
    }
    if (wait_for_loop) {
        wait_for_loop = false;
        target->special();
    }
    for (uint64_t end = done + BATCH; done < end && !wait_for_loop;) {
        if (target->special && below(4) == 0) {
            target->special();
        } else {
            access_random();
            done += !target->ranges->size;
        }
        if (below(16) == 0) {
            step_clock(below(2) ? below(100000) : below(100000000));
        }
    }
    current_cpu = NULL;
    batches++;
    revive();
    if (batches % 512 == 0) {
        check_state();
    } else if (batches % 256 == 0) {
        system_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    }
    bh_schedule(bh);
}

static char *scratch(const char *dir, const char *name, uint64_t size)
{
    char *path = g_build_filename(dir, name, NULL);
    FILE *f = fopen(path, "wb");

    if (!f || ftruncate(fileno(f), (off_t)size) < 0) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return path;
}

/* Each target in a process of its own; the number that failed. */
static int run_all(int argc, char **argv)
{
    int failed = 0;

    for (target = fuzz_targets; target->name; target++) {
        g_autoptr(GPtrArray) args = g_ptr_array_new();
        int status = 0;

        g_ptr_array_add(args, argv[0]);
        g_ptr_array_add(args, (char *)target->name);
        for (int i = 2; i <= argc; i++) {
            g_ptr_array_add(args, argv[i]); /* with the NULL that ends it */
        }
        if (!g_spawn_sync(NULL, (char **)args->pdata, NULL,
                          G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL,
                          &status, NULL) || status) {
            printf("%s failed: wait status 0x%x\n", target->name, status);
            failed++;
        }
    }
    return failed;
}

int main(int argc, char **argv)
{
    g_auto(GStrv) args = NULL;
    GError *err = NULL;
    uint64_t seed = argc > 3 ? g_ascii_strtoull(argv[3], NULL, 0) : 1;
    int status;

    if (argc > 1 && strcmp(argv[1], "all") == 0) {
        return run_all(argc, argv) != 0;
    }
    for (target = fuzz_targets; target->name; target++) {
        if (argc > 1 && strcmp(argv[1], target->name) == 0) {
            break;
        }
        if (argc < 2 || strcmp(argv[1], "list") == 0) {
            printf("%s %s\n", target->name, target->files);
        }
    }
    if (!target->name) {
        return argc > 1 && strcmp(argv[1], "list") == 0 ? 0 : 1;
    }
    operations = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 0) : 100000;
    seed_a = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    seed_b = ~seed;

    g_autofree char *dir = g_dir_make_tmp("fuzz-pc-XXXXXX", NULL);
    g_autofree char *disk = scratch(dir, "disk", 8 * MiB);
    g_autofree char *floppy = scratch(dir, "floppy", 1440 * KiB);
    g_autofree char *flash = scratch(dir, "flash", 128 * KiB);
    g_autofree char *cmd = g_strdup_printf(
        "fuzz-pc -M pc%s -m 16M,slots=2,maxmem=1G -smp 1,maxcpus=4 -nodefaults "
        "-display none -vga none -accel qtest -no-shutdown -action "
        "panic=none,watchdog=none %s",
        target->machine ? target->machine : "", target->args);
    g_autoptr(GString) line = g_string_new(cmd);

    g_string_replace(line, "@DISK@", disk, 0);
    g_string_replace(line, "@FLOPPY@", floppy, 0);
    g_string_replace(line, "@FLASH@", flash, 0);
    if (!g_shell_parse_argv(line->str, NULL, &args, &err)) {
        g_error("%s", err->message);
    }
    bh = bh_new(loop_main(), batch, NULL);
    bh_schedule(bh);
    status = emulator_main((int)g_strv_length(args), args);
    unlink(disk);
    unlink(floppy);
    unlink(flash);
    rmdir(dir);
    return status;
}
