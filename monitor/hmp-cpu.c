/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Human monitor commands that look into a CPU or through its eyes. */
#include "osdep.h"
#include "exec/cpu-debug.h"
#include "hmp-int.h"
#include "monitor/gdbstub.h"
#include "qapi/qapi-commands.h"

static CPUState *need_cpu(Hmp *mon, Error **errp)
{
    CPUState *cpu = hmp_cpu(mon);

    if (!cpu) {
        error_setg(errp, "No CPU available");
    }
    return cpu;
}

static void print_text(Hmp *mon, GString *text)
{
    hmp_printf(mon, "%s", text->str);
}

void hmp_info_registers(Hmp *mon, const QObject *args, Error **errp)
{
    bool all = qdict_get_bool(args, "cpustate_all", false);
    CPUState *cpu = need_cpu(mon, errp);

    for (CPUState *c = all ? cpu_first() : cpu; c; c = all ? cpu_next(c)
                                                           : NULL) {
        g_autoptr(GString) text = g_string_new(NULL);

        cpu_dump(c, true, text);
        hmp_printf(mon, "\nCPU#%d\n", c->cpu_index);
        print_text(mon, text);
    }
}

static void info_text(Hmp *mon, void (*fn)(CPUState *, GString *),
                      Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    CPUState *cpu = need_cpu(mon, errp);

    if (cpu) {
        fn(cpu, text);
        print_text(mon, text);
    }
}

void hmp_info_tlb(Hmp *mon, const QObject *args, Error **errp)
{
    info_text(mon, cpu_dump_tlb, errp);
}

void hmp_info_mem(Hmp *mon, const QObject *args, Error **errp)
{
    info_text(mon, cpu_dump_mem, errp);
}

void hmp_info_lapic(Hmp *mon, const QObject *args, Error **errp)
{
    int64_t id = qdict_get_int(args, "apic-id", -1);

    if (id >= 0) {
        CPUState *cpu = cpu_by_index(MIN(id, INT_MAX));
        g_autoptr(GString) text = g_string_new(NULL);

        if (!cpu) {
            error_setg(errp, "there is no CPU %" PRId64, id);
            return;
        }
        cpu_dump_lapic(cpu, text);
        print_text(mon, text);
        return;
    }
    info_text(mon, cpu_dump_lapic, errp);
}

/* Memory at @addr of the CPU's address space or of physical memory. */
static bool read_memory(CPUState *cpu, bool virt, uint64_t addr, void *buf,
                        size_t size)
{
    if (virt) {
        return cpu_memory_rw(cpu, addr, buf, size, false);
    }
    return address_space_read(cpu && cpu->as ? cpu->as : &address_space_memory,
                              addr, MEMTXATTRS_UNSPECIFIED, buf,
                              size) == MEMTX_OK;
}

static void disassemble(Hmp *mon, CPUState *cpu, bool virt, uint64_t addr,
                        int count)
{
    for (int i = 0; i < count; i++) {
        g_autoptr(GString) hex = g_string_new(NULL);
        uint8_t bytes[16];
        size_t avail = 0;
        char text[128];
        int n;

        /* The next page may not be there. */
        while (avail < sizeof(bytes) &&
               read_memory(cpu, virt, addr + avail, bytes + avail, 1)) {
            avail++;
        }
        n = avail ? cpu_disas(cpu, bytes, avail, addr, text, sizeof(text)) : 0;
        if (n <= 0) {
            hmp_printf(mon, "0x%08" PRIx64 ": unable to read memory\n", addr);
            return;
        }
        for (int k = 0; k < n; k++) {
            g_string_append_printf(hex, "%02x ", bytes[k]);
        }
        hmp_printf(mon, "0x%08" PRIx64 ":  %-24s %s\n", addr, hex->str, text);
        addr += n;
    }
}

/* x and xp. */
static void examine(Hmp *mon, const QObject *args, bool virt, Error **errp)
{
    HmpFormat f = { .count = 1, .size = 4, .format = 'x' };
    uint64_t addr = qdict_get_int(args, "addr", 0);
    CPUState *cpu = hmp_cpu(mon);
    int per_line;

    if (!hmp_parse_format(qdict_get_str(args, "fmt"), &f, errp) ||
        ((virt || f.format == 'i') && !need_cpu(mon, errp))) {
        return;
    }
    if (f.format == 'i') {
        disassemble(mon, cpu, virt, addr, f.count);
        return;
    }
    if (f.format == 'c') {
        f.size = 1;
    }
    per_line = f.size == 1 ? 8 : 16 / f.size;
    for (int i = 0; i < f.count; i++, addr += f.size) {
        g_autofree char *text = NULL;
        uint64_t v = 0;

        if (i % per_line == 0) {
            hmp_printf(mon, "%s%016" PRIx64 ":", i ? "\n" : "", addr);
        }
        if (!read_memory(cpu, virt, addr, &v, f.size)) {
            hmp_printf(mon, " Cannot access memory");
            break;
        }
        text = hmp_format_value(&f, v, true);
        hmp_printf(mon, " %s", text);
    }
    hmp_printf(mon, "\n");
}

void hmp_x(Hmp *mon, const QObject *args, Error **errp)
{
    examine(mon, args, true, errp);
}

void hmp_xp(Hmp *mon, const QObject *args, Error **errp)
{
    examine(mon, args, false, errp);
}

/* gva2gpa, gpa2hva, gpa2hpa have one argument "addr". */
void hmp_gva2gpa(Hmp *mon, const QObject *args, Error **errp)
{
    CPUState *cpu = need_cpu(mon, errp);
    hwaddr phys;

    if (cpu && cpu_translate(cpu, qdict_get_int(args, "addr", 0), &phys)) {
        hmp_printf(mon, "gpa: %#" PRIx64 "\n", phys);
    } else if (cpu) {
        hmp_printf(mon, "Unmapped\n");
    }
}

void hmp_memsave(Hmp *mon, const QObject *args, Error **errp)
{
    CPUState *cpu = need_cpu(mon, errp);

    if (cpu) {
        qmp_memsave(qdict_get_int(args, "val", 0),
                    qdict_get_int(args, "size", 0),
                    qdict_get_str(args, "filename"), true, cpu->cpu_index,
                    errp);
    }
}

void hmp_gdbserver(Hmp *mon, const QObject *args, Error **errp)
{
    const char *dev = qdict_get_str(args, "device");

    dev = dev ? dev : "tcp::1234";
    if (gdbstub_start(dev, errp)) {
        hmp_printf(mon, strcmp(dev, "none") ? "Waiting for gdb connection on "
                   "device '%s'\n" : "Disabled gdbserver\n", dev);
    }
}
