/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hostile system does to its CPU: random descriptors, gates, TSS, LDT
 * and page tables, some of them in a device whose reads change the tables and
 * raise NMIs; random system instructions in all modes; instructions across
 * 64 KiB, 4 GiB and the end of the canonical half; storms of #DF and #DB.
 * Nothing to compare: it must come back, whatever happens, within its time,
 * and leave the memory around its own alone.
 *
 *   attack ACCEL-PROPERTIES [ROUNDS [SEED]]
 */
#include "bare.h"
#include "exec/memory.h"
#include "exec/cpu.h"

#define MMIO 0x800000u
#define MMIO_SIZE 0x4000u

static uint64_t seed = 1;
static MemoryRegion mmio;
static unsigned reads;
static uint8_t pristine[BARE_RAM];

static uint64_t rnd(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(unsigned n)
{
    return (unsigned)((rnd() >> 33) % n);
}

static uint64_t pick(void)
{
    static const uint64_t at[] = {
        BARE_GDT, BARE_IDT, BARE_TSS, BARE_STACK, BARE_CODE, BARE_DATA, MMIO,
        MMIO + 0x1000, 0x10000, 0x11000, BARE_RAM, BIT(32), BIT(47),
        0xffff800000000000, 0, 0x10000, 0xfffffffffffff000,
    };

    return at[below(ARRAY_SIZE(at))] + (below(2) ? 0 : below(64) - 32);
}

/* A descriptor or gate that is nearly right. */
static uint64_t descriptor(void)
{
    uint64_t base = pick() & 0xffffffff, limit = below(2) ? 0xfffff : below(512);
    uint64_t type = below(3) ? 0x80 | below(256) : below(256);

    if (below(3) == 0) { /* a gate */
        return (base & 0xffff) | (uint64_t)(8 * below(16) + below(4)) << 16 |
               (uint64_t)below(32) << 32 | type << 40 | (base >> 16) << 48;
    }
    return (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 |
           (limit >> 16) << 48 | (uint64_t)(below(16) << 4) << 48 |
           (base >> 24) << 56;
}

static uint64_t pte(void)
{
    static const uint64_t frames[] = {
        BARE_CODE, BARE_DATA, MMIO, 0x10000, 0x11000, 0x12000, BARE_GDT & ~0xfffu,
        0x7ffff000, 0xffffffffff000, BARE_TSS,
    };
    uint64_t v = frames[below(ARRAY_SIZE(frames))];

    return v | (below(4) ? 0x67 : below(4096)) | (below(8) ? 0 : BIT(63)) |
           (below(8) ? 0 : BIT(7));
}

static void put64(uint32_t at, uint64_t v)
{
    memcpy(bare_mem + at, &v, 8);
}

static void disturb(void)
{
    switch (below(5)) {
    case 0:
        put64(BARE_GDT + 8 * below(32), descriptor());
        break;
    case 1:
        put64(BARE_IDT + 8 * below(64), descriptor());
        break;
    case 2:
        put64(BARE_TSS + 4 * below(26), below(2) ? pick() : descriptor());
        break;
    default:
        put64(0x10000 + 8 * below(0x800), pte());
    }
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    if (++reads % 64 == 0) {
        cpu_interrupt(current_cpu, CPU_INTERRUPT_NMI);
    }
    if (below(4) == 0) {
        disturb();
    }
    return below(2) ? descriptor() : below(2) ? pte() : pick();
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    disturb();
}

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .access = { .min = 1, .max = 8, .unaligned = true },
};

/* System instructions, random in their operands. */
static unsigned emit(uint8_t *p)
{
    static const char *const insns[] = {
        "\xcd", "\xcc", "\xce", "\xcf", "\x48\xcf", "\xcb", "\xca\x08\x00",
        "\x0f\x00", "\x0f\x01", "\x0f\x20", "\x0f\x22", "\x0f\x23", "\x0f\x05",
        "\x0f\x07", "\x0f\x34", "\x0f\x35", "\x8e", "\x8c", "\x9c", "\x9d",
        "\xff", "\x48\xff", "\xf3\xa4", "\xf3\xaa", "\xf3\xa6", "\x0f\xc7",
        "\x0f\xae", "\x48\x0f\xae", "\x0f\x30", "\x0f\x32", "\xc8", "\xc9",
        "\x1f", "\x07", "\x17", "\x9a", "\xea", "\x0f\xb2", "\xc5", "\xc4",
        "\xe4", "\x6c", "\x6e", "\xf0\x0f\xc7", "\xf0\x0f\xab", "\x0f\xa3",
        "\xfa", "\xfb", "\xf4", "\x0f\xaa", "\x0f\x01\xf8", "\x0f\x02",
        "\x0f\x03", "\x63", "\x89", "\x8b", "\x87", "\xd9", "\xdd", "\xc6\xf8",
    };
    const char *s = insns[below(ARRAY_SIZE(insns))];
    unsigned n = 0;

    if (below(6) == 0) {
        p[n++] = "\x66\x67\x48\x64\x65\x2e\x36\xf2"[below(8)];
    }
    do {
        p[n++] = (uint8_t)*s++;
    } while (*s);
    for (unsigned k = below(7); k--;) {
        p[n++] = (uint8_t)rnd();
    }
    return n;
}

static void set_mode(struct x86_regs *r, unsigned mode)
{
    struct x86_seg code = { 0, UINT32_MAX, 0xc09b, 8 };

    if (mode == 0) {
        return; /* 64-bit */
    }
    if (mode == 1 && below(2)) { /* compatibility */
        r->seg[R_CS] = code;
        return;
    }
    r->efer = below(2) ? EFER_NXE : 0;
    r->cr4 = below(2) ? CR4_PSE | CR4_OSFXSR : CR4_PAE | CR4_OSFXSR | CR4_VME;
    r->cr0 &= ~CR0_PG;
    if (mode == 3) { /* real */
        r->cr0 &= ~CR0_PE;
        for (int i = 0; i < 6; i++) {
            r->seg[i] = (struct x86_seg){ 0x10 * below(0xffff), 0xffff, 0x93,
                                          (uint16_t)rnd() };
        }
        r->seg[R_CS] = (struct x86_seg){ BARE_CODE, 0xffff, 0x9b, 0x1000 };
        r->rip &= 0xffff;
        return;
    }
    code.attr = mode == 2 ? 0x009b : 0xc09b;
    if (mode == 2) {
        code.limit = 0xffff;
        code.base = BARE_CODE;
        r->rip &= 0xffff;
    }
    r->seg[R_CS] = code;
    if (below(3) == 0) {
        r->rflags |= FL_VM | FL_IOPL;
        for (int i = 0; i < 6; i++) {
            r->seg[i] = (struct x86_seg){ BARE_CODE, 0xffff, 0xf3, 0x1000 };
        }
        r->rip &= 0xffff;
    }
}

static void round_once(void)
{
    static const uint32_t starts[] = { 0, 0xfff0, 0xfff8, 0x3ff0, 0xffff,
                                       0xfffd, 0x8ffa };
    uint32_t off = starts[below(ARRAY_SIZE(starts))];
    struct x86_regs *r;

    memcpy(bare_mem, pristine, BARE_RAM);
    x86_code_written(BARE_CODE, 0x10000);
    for (unsigned i = below(24); i--;) {
        disturb();
    }
    for (unsigned at = off; at < 0xfff0 && at < off + 400;) {
        at += emit(bare_mem + BARE_CODE + at);
    }
    for (unsigned at = 0xfff0; at < 0x10000; at++) {
        bare_mem[BARE_CODE + at] = (uint8_t)rnd();
    }
    bare_reset(BARE_CODE + off);
    /* The code's last pages, at the end of what can be addressed. */
    r = &bare_env->x;
    unsigned far = below(6);
    if (far < 2) {
        r->rip = (far ? BIT(47) : BIT(32)) - 0x10000 + off;
    }
    for (int i = 0; i < 16; i++) {
        r->gpr[i] = below(4) ? pick() : rnd();
    }
    if (below(3)) {
        r->gpr[R_SP] = BARE_STACK - 8 * below(64);
    }
    r->rflags = 2 | (rnd() & (FL_ARITH | FL_IF | FL_DF | FL_NT | FL_AC |
                              FL_IOPL)) | (below(4) ? 0 : FL_TF);
    if (below(4) == 0) {
        r->gdt.base = below(2) ? MMIO : pick();
        r->gdt.limit = (uint16_t)rnd();
    } else {
        r->gdt.limit = 0xff;
    }
    if (below(4) == 0) {
        r->idt.base = below(2) ? MMIO + 0x1000 : pick();
        r->idt.limit = (uint16_t)rnd();
    }
    if (below(4) == 0) {
        r->ldt = (struct x86_seg){ below(2) ? MMIO : pick(), 0xffff, 0x82, 0x20 };
    }
    if (below(4) == 0) {
        r->tr.base = below(2) ? MMIO + 0x2000 : pick();
        r->tr.limit = below(2) ? 0xffff : below(0x80);
    }
    if (below(8) == 0) {
        r->cr3 = below(2) ? MMIO : 0x10000 + 0x1000 * below(8);
    }
    r->dr[7] = below(6) ? 0x400 : (rnd() & 0xffff03ff) | 0x400;
    r->dr[0] = pick();
    r->dr[1] = BARE_CODE + off;
    set_mode(r, below(5));
    x86_regs_to_env(bare_env);
    x86_update_debug(bare_env);
    x86_tlb_flush(bare_env);
    if (below(8) == 0) {
        cpu_interrupt(current_cpu, CPU_INTERRUPT_NMI);
    }
    for (int again = 0; again < 4; again++) {
        int how = bare_run(3);

        if (how == BARE_SHUTDOWN || how == BARE_TIME) {
            break;
        }
        /* An NMI wakes it up: on with what stands in the gates. */
        current_cpu->halted = false;
        cpu_interrupt(current_cpu, CPU_INTERRUPT_NMI);
        disturb();
    }
    cpu_reset_interrupt(current_cpu, CPU_INTERRUPT_NMI);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1000;

    if (argc > 3) {
        seed = strtoull(argv[3], NULL, 0) | 1;
    }
    bare_init(argc > 1 ? argv[1] : "engine=interp");
    bql_lock();
    memory_region_init_io(&mmio, NULL, &mmio_ops, NULL, "hostile", MMIO_SIZE);
    memory_region_add_subregion(system_memory(), MMIO, &mmio);
    bql_unlock();
    for (unsigned i = 0; i < 4; i++) {
        bare_map(MMIO + 0x1000 * i, MMIO + 0x1000 * i, 0x67);
    }
    for (unsigned i = 0; i < 16; i++) {
        bare_map(BIT(32) - 0x10000 + 0x1000 * i, BARE_CODE + 0x1000 * i, 0x67);
        bare_map(BIT(32) + 0x1000 * i, BARE_CODE + 0x1000 * i, 0x67);
        bare_map(BIT(47) - 0x10000 + 0x1000 * i, BARE_CODE + 0x1000 * i, 0x67);
    }
    memcpy(pristine, bare_mem, BARE_RAM);
    for (unsigned i = 0; i < rounds; i++) {
        if (g_getenv("ATTACK_VERBOSE")) {
            fprintf(stderr, "%u seed 0x%" PRIx64 "\n", i, seed);
        }
        round_once();
    }
    printf("%u rounds, %u device reads: it lives\n", rounds, reads);
    return 0;
}
