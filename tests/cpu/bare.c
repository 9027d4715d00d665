/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bare.h"
#include "exec/runstate.h"
#include "util/module.h"
#include "util/qobject.h"
#include <signal.h>
#include <sys/time.h>

#define TABLES 0x10000u

CPUX86State *bare_env;
uint8_t *bare_mem;
static struct x86_regs power_on;
static hwaddr next_table = TABLES + 0x1000;
static volatile sig_atomic_t out_of_time;

static void put64(hwaddr at, uint64_t v)
{
    memcpy(bare_mem + at, &v, 8);
}

void bare_map(vaddr at, hwaddr phys, uint64_t bits)
{
    hwaddr table = TABLES;

    for (int level = 4; level > 1; level--) {
        hwaddr e = table + (at >> (12 + 9 * (level - 1)) & 511) * 8;
        uint64_t v;

        memcpy(&v, bare_mem + e, 8);
        if (!v) {
            v = next_table | 7;
            next_table += 0x1000;
            put64(e, v);
        }
        table = v & ~UINT64_C(0xfff);
    }
    put64(table + (at >> 12 & 511) * 8, phys | bits);
}

static void build(void)
{
    for (uint32_t at = 0x1000; at < BARE_STACK; at += 0x1000) {
        bare_map(at, at, 0x63);
    }
    for (uint32_t i = 0; i < 16; i++) {
        bare_map(BARE_CODE + 0x1000 * i, BARE_CODE + 0x1000 * i, 0x63);
        bare_map(BARE_ALIAS + 0x1000 * i, BARE_CODE + 0x1000 * i, 0x63);
        bare_map(BARE_DATA + 0x1000 * i, BARE_DATA + 0x2000 * (15 - i), 0x63);
    }
    put64(BARE_GDT + 0x08, 0x00af9b000000ffff);
    put64(BARE_GDT + 0x10, 0x00cf93000000ffff);
    put64(BARE_GDT + 0x18, 0x00008b0000000067 | (uint64_t)BARE_TSS << 16);
    put64(BARE_TSS + 4, BARE_STACK);
    put64(BARE_TSS + 36, BARE_STACK);
    for (unsigned i = 0; i < 32; i++) {
        uint64_t at = BARE_HANDLERS + 16 * i;

        put64(BARE_IDT + 16 * i, at | 0x8ull << 16 | 0x8e00ull << 32);
        bare_mem[at] = 0xf4;
    }
}

static void set_power_on(void)
{
    struct x86_regs *r = &power_on;
    struct x86_seg data = { 0, UINT32_MAX, 0xc093, 0x10 };

    *r = bare_env->x;
    r->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    r->cr3 = TABLES;
    r->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    r->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    r->xcr0 = 7;
    r->gdt.base = BARE_GDT;
    r->gdt.limit = 0x27;
    r->idt.base = BARE_IDT;
    r->idt.limit = 16 * 32 - 1;
    r->tr = (struct x86_seg){ BARE_TSS, 0x67, 0x8b, 0x18 };
    r->ldt = (struct x86_seg){ 0, 0, SEG_UNUSABLE, 0 };
    for (int i = 0; i < 6; i++) {
        r->seg[i] = data;
    }
    r->seg[R_CS] = (struct x86_seg){ 0, UINT32_MAX, 0xa09b, 8 };
    r->rflags = 2;
    r->gpr[R_SP] = BARE_STACK;
}

void bare_init(const char *props)
{
    static MemoryRegion ram;
    g_autoptr(QObject) list = qlist_new();
    QObject *opts = qdict_new();
    g_auto(GStrv) words = g_strsplit(props, ",", -1);
    Error *err = NULL;
    Object *obj;

    for (int type = 0; type < MODULE_TYPES; type++) {
        module_call_init(type);
    }
    bql_lock();
    memory_map_init();
    qdict_put(opts, "accel", qstring_new("tcg"));
    for (char **w = words; *w && **w; w++) {
        char *eq = strchr(*w, '=');

        *eq = 0;
        qdict_put(opts, *w, qstring_new(eq + 1));
    }
    qlist_append(list, opts);
    if (!accel_start(list, &err) ||
        !memory_region_init_ram(&ram, NULL, "bare", BARE_RAM, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    memory_region_add_subregion(system_memory(), 0, &ram);
    bare_mem = memory_region_ram_ptr(&ram);
    obj = object_new("max-x86_64-cpu");
    if (!device_realize((DeviceState *)obj, NULL, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    current_cpu = (CPUState *)obj;
    bare_env = cpu_env(current_cpu);
    build();
    set_power_on();
    bare_reset(BARE_CODE);
    bql_unlock();
}

void bare_reset(uint64_t rip)
{
    current_cpu->halted = false;
    power_on.rip = rip;
    bare_env->x = power_on;
    bare_env->exc.vector = bare_env->exc.delivering = -1;
    bare_env->halt_pending = false;
    x86_regs_to_env(bare_env);
    x86_tlb_flush(bare_env);
}

static void on_alarm(int sig)
{
    out_of_time = 1;
    atomic_store(&current_cpu->exit_request, true);
    x86_request_exit(bare_env);
}

int bare_run(unsigned ms)
{
    struct itimerval it = { .it_value = { ms / 1000, ms % 1000 * 1000 } };
    VCPUExit why = VCPU_EXIT_NONE;

    out_of_time = 0;
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &it, NULL);
    while (!out_of_time && why != VCPU_EXIT_HALTED &&
           why != VCPU_EXIT_SHUTDOWN) {
        why = x86_interp_run(bare_env);
    }
    it.it_value = (struct timeval){ 0, 0 };
    setitimer(ITIMER_REAL, &it, NULL);
    atomic_store(&current_cpu->exit_request, false);
    if (why == VCPU_EXIT_SHUTDOWN) {
        return BARE_SHUTDOWN;
    }
    if (why != VCPU_EXIT_HALTED) {
        return BARE_TIME;
    }
    unsigned n = (unsigned)(bare_env->rip - BARE_HANDLERS) / 16;

    return n < 32 ? (int)n : BARE_HLT;
}
