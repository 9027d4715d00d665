/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random register traffic for the board's devices: whatever a guest writes,
 * the emulator answers and ends cleanly.  FUZZ_OPS sets the number of accesses
 * (default 20000), FUZZ_SEED the sequence.
 */
#include "osdep.h"
#include "libqtest.h"

typedef struct Range {
    uint64_t base, size;
    bool mmio;
} Range;

static const Range ranges[] = {
    { 0x000, 0x20, false },  { 0x020, 2, false },    { 0x040, 4, false },
    { 0x060, 5, false },     { 0x070, 2, false },    { 0x080, 0x10, false },
    { 0x092, 1, false },     { 0x0a0, 2, false },    { 0x0b2, 2, false },
    { 0x0c0, 0x20, false },  { 0x0e0, 0x10, false }, { 0x1f0, 8, false },
    { 0x170, 8, false },     { 0x378, 8, false },    { 0x3b0, 0x30, false },
    { 0x3f0, 8, false },     { 0x3f8, 8, false },    { 0x441, 3, false },
    { 0x4d0, 2, false },     { 0x510, 12, false },   { 0x600, 0x40, false },
    { 0x700, 0x40, false },  { 0xa00, 0x18, false }, { 0xae00, 0x18, false },
    { 0xaf00, 0x20, false }, { 0xafe0, 4, false },   { 0x5658, 4, false },
    { 0x2000, 24, false },   { 0xcf8, 8, false },
    { 0xfec00000, 0x100, true },  { 0xfed00000, 0x400, true },
    { 0xff000000, 0x100, true },  { 0xe0000000, 0x10, true },
    { 0xfffe0000, 0x20000, true },
};

/* Ports that end the machine or the process by design. */
static bool forbidden(const Range *r, uint64_t addr, unsigned size, uint32_t v)
{
    if (r->mmio) {
        return false;
    }
    for (unsigned i = 0; i < size; i++) {
        uint64_t p = addr + i;

        /* Power off and sleep are PMCNTRL's; reset is wanted traffic. */
        if (p == 0x604 || p == 0x605) {
            return true;
        }
    }
    return false;
}

static void one(QTestState *s, GRand *rnd)
{
    const Range *r = &ranges[g_rand_int_range(rnd, 0, ARRAY_SIZE(ranges))];
    unsigned size = 1u << g_rand_int_range(rnd, 0, 3);
    uint64_t addr = r->base + g_rand_int_range(rnd, 0, r->size);
    uint32_t v = g_rand_int(rnd);

    if (g_rand_int_range(rnd, 0, 3) == 0) {
        v &= 0xff;
    }
    if (r->mmio) {
        addr &= ~(uint64_t)(size - 1);
    }
    switch (g_rand_int_range(rnd, 0, 5)) {
    case 0:
        if (r->mmio) {
            size == 1 ? readb(s, addr) : size == 2 ? readw(s, addr)
                                                   : readl(s, addr);
        } else {
            size == 1 ? inb(s, addr) : size == 2 ? inw(s, addr)
                                                 : inl(s, addr);
        }
        break;
    case 1:
        clock_step(s, g_rand_int_range(rnd, 1, 1000000));
        break;
    default:
        if (forbidden(r, addr, size, v)) {
            break;
        }
        if (r->mmio) {
            size == 1   ? writeb(s, addr, v)
            : size == 2 ? writew(s, addr, v)
                        : writel(s, addr, v);
        } else {
            size == 1   ? outb(s, addr, v)
            : size == 2 ? outw(s, addr, v)
                        : outl(s, addr, v);
        }
        break;
    }
}

static void test_fuzz(void)
{
    const char *ops = g_getenv("FUZZ_OPS"), *seed = g_getenv("FUZZ_SEED");
    unsigned long n = ops ? strtoul(ops, NULL, 0) : 20000;
    GRand *rnd = g_rand_new_with_seed(seed ? strtoul(seed, NULL, 0) : 1);
    g_autofree char *dir = g_dir_make_tmp("pcfuzz-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "flash", NULL);
    g_autofree char *blank = g_malloc0(131072);
    QTestState *s;

    g_assert_true(g_file_set_contents(path, blank, 131072, NULL));
    s = qtest_init("-M pc -m 16M,slots=2,maxmem=1G -smp 1,maxcpus=4 "
                   "-nodefaults -display none -no-shutdown -action "
                   "panic=none,watchdog=none -drive if=pflash,format=raw,"
                   "file=%s -device pvpanic,ioport=1285 -device pc-testdev "
                   "-device ib700 -device i6300esb,addr=4 -device vmgenid "
                   "-chardev null,id=n -device isa-parallel,chardev=n "
                   "-device pci-bridge,id=b,chassis_nr=1,addr=5", path);
    for (unsigned long i = 0; i < n; i++) {
        one(s, rnd);
    }
    qtest_quit(s);
    g_rand_free(rnd);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pc/fuzz", test_fuzz);
    return g_test_run();
}
