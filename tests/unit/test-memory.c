/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory map: views, accesses, dirty bitmaps, listeners, concurrency. */
#include "osdep.h"

#include <sys/eventfd.h>

#include "exec/memory.h"
#include "util/loop.h"
#include "util/rcu.h"

/* A device that keeps its last access and counts. */
typedef struct Dev {
    Object obj;
    MemoryRegion mr;
    uint64_t val[16], addr[16];
    unsigned size[16], n;
    AddressSpace *dma_as; /* its write handler writes there */
    hwaddr dma_addr;
    MemTxResult dma_result;
} Dev;

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    Dev *d = opaque;

    d->addr[d->n % 16] = addr;
    d->size[d->n++ % 16] = size;
    return 0x1716151413121110 + 0x0101010101010101 * addr;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    Dev *d = opaque;

    d->addr[d->n % 16] = addr;
    d->val[d->n % 16] = val;
    d->size[d->n++ % 16] = size;
    if (d->dma_as) {
        uint32_t x = 1;
        d->dma_result = address_space_write(
            d->dma_as, d->dma_addr, MEMTXATTRS_UNSPECIFIED, &x, sizeof(x));
    }
}

static const MemoryRegionOps any_ops = { .read = dev_read, .write = dev_write };
static const MemoryRegionOps byte_ops = {
    .read = dev_read, .write = dev_write, .access = { .min = 1, .max = 1 },
};
static const MemoryRegionOps split_ops = {
    .read = dev_read, .write = dev_write, .impl = { .min = 1, .max = 2 },
};
static const MemoryRegionOps wide_ops = {
    .read = dev_read, .write = dev_write,
    .access = { .min = 1, .max = 4 }, .impl = { .min = 4, .max = 4 },
};
static const MemoryRegionOps be_ops = {
    .read = dev_read, .write = dev_write, .big_endian = true,
};

static AddressSpace as;
static MemoryRegion root;

static void setup(void)
{
    memory_region_init(&root, NULL, "root", UINT64_MAX);
    address_space_init(&as, &root, "test");
}

static void teardown(void)
{
    address_space_destroy(&as);
    memory_region_destroy(&root);
    while (loop_run_once(loop_main(), false)) {
    }
}

static Dev *dev_new(const MemoryRegionOps *ops, hwaddr addr, uint64_t size,
                    int prio)
{
    Dev *d = g_new0(Dev, 1);

    memory_region_init_io(&d->mr, &d->obj, ops, d, "dev", size);
    memory_region_add_subregion_overlap(&root, addr, &d->mr, prio);
    return d;
}

static void dev_free(Dev *d)
{
    memory_region_destroy(&d->mr);
    rcu_synchronize();
    g_free(d);
}

static uint64_t ld(hwaddr addr, unsigned size)
{
    return address_space_ld(&as, addr, size, MEMTXATTRS_CPU, NULL);
}

static MemTxResult st(hwaddr addr, unsigned size, uint64_t val)
{
    return address_space_st(&as, addr, size, val, MEMTXATTRS_CPU);
}

static void test_overlap(void)
{
    MemoryRegion ram, win;
    MemTxResult r;

    setup();
    g_assert_true(memory_region_init_ram(&ram, NULL, "ram", 64 * KiB, NULL));
    memory_region_add_subregion(&root, 0x10000, &ram);
    Dev *d = dev_new(&any_ops, 0x14000, 0x1000, 1);
    Dev *low = dev_new(&any_ops, 0x1f000, 0x2000, -1);

    st(0x13ffc, 4, 0xdeadbeef);
    g_assert_cmphex(ld(0x13ffc, 4), ==, 0xdeadbeef);
    g_assert_cmphex(ld(0x14001, 1), ==, 0x11);
    /* Over the edge from RAM into the device. */
    g_assert_cmphex(ld(0x13ffe, 4), ==, 0x1110dead);
    /* RAM hides the first half of `low`. */
    g_assert_cmphex(ld(0x1f000, 1), ==, 0);
    g_assert_cmphex(ld(0x20000, 1), ==, 0x10);
    g_assert_cmphex(low->addr[0], ==, 0x1000);

    /* Nothing there. */
    g_assert_cmphex(address_space_ld(&as, 0x50000, 2, MEMTXATTRS_CPU, &r), ==,
                    0xffff);
    g_assert_cmpint(r, ==, MEMTX_DECODE_ERROR);
    /* The top of the space. */
    g_assert_cmphex(ld(UINT64_MAX - 3, 4), ==, 0xffffffff);

    memory_region_set_enabled(&d->mr, false);
    g_assert_cmphex(ld(0x14000, 4), ==, 0);
    memory_region_set_enabled(&d->mr, true);
    memory_region_set_address(&d->mr, 0x15000);
    g_assert_cmphex(ld(0x15001, 1), ==, 0x11);
    g_assert_cmphex(ld(0x14001, 1), ==, 0);

    /* Of equals the latest wins. */
    memory_region_init_alias(&win, NULL, "win", &ram, 0x3ffc, 0x1000);
    memory_region_add_subregion_overlap(&root, 0x15000, &win, 1);
    g_assert_cmphex(ld(0x15000, 4), ==, 0xdeadbeef);
    memory_region_set_readonly(&win, true);
    g_assert_cmpint(st(0x15000, 4, 1), ==, MEMTX_OK);
    g_assert_cmphex(ld(0x15000, 4), ==, 0xdeadbeef);
    g_assert_true(address_space_lookup(&as, 0x15000).readonly);
    address_space_write_rom(&as, 0x15000, "abcd", 4);
    g_assert_cmphex(ld(0x13ffc, 4), ==, 0x64636261);
    memory_region_set_alias_offset(&win, 0);
    g_assert_cmphex(ld(0x15000, 4), ==, 0);

    g_autoptr(GString) s = g_string_new(NULL);
    memory_print_tree(s, false);
    g_assert_nonnull(strstr(s->str, "    0000000000015000-0000000000015fff "
                                    "(prio 1, rom): alias win @ram "
                                    "0000000000000000-0000000000000fff\n"));
    memory_print_tree(s, true);
    g_assert_nonnull(strstr(s->str, "  0000000000015000-0000000000015fff "
                                    "(prio 0, rom): ram\n"));
    memory_region_destroy(&win);
    dev_free(d);
    dev_free(low);
    memory_region_destroy(&ram);
    teardown();
}

static void test_sizes(void)
{
    uint8_t buf[8];
    MemTxResult r;

    setup();
    Dev *d = dev_new(&split_ops, 0, 0x100, 0);
    g_assert_cmphex(ld(4, 4), ==, 0x17161514);
    g_assert_cmpint(d->n, ==, 2);
    g_assert_cmpint(d->size[0], ==, 2);
    g_assert_cmphex(d->addr[1], ==, 6);
    st(0, 4, 0x44332211);
    g_assert_cmphex(d->val[2], ==, 0x2211);
    g_assert_cmphex(d->val[3], ==, 0x4433);
    /* Not aligned and not allowed. */
    g_assert_cmphex(address_space_ld(&as, 1, 2, MEMTXATTRS_CPU, &r), ==,
                    0xffff);
    g_assert_cmpint(r, ==, MEMTX_ERROR);
    /* By buffer it is cut up: 1 at 1, 2 at 2. */
    d->n = 0;
    address_space_read(&as, 1, MEMTXATTRS_CPU, buf, 3);
    g_assert_cmpint(d->n, ==, 2);
    g_assert_cmpint(d->size[0], ==, 1);
    dev_free(d);

    d = dev_new(&byte_ops, 0, 0x100, 0);
    g_assert_cmpint(st(0, 4, 1), ==, MEMTX_ERROR);
    g_assert_cmpint(d->n, ==, 0);
    address_space_write(&as, 0, MEMTXATTRS_CPU, "abc", 3);
    g_assert_cmpint(d->n, ==, 3);
    g_assert_cmphex(d->val[2], ==, 'c');
    dev_free(d);

    d = dev_new(&wide_ops, 0, 0x100, 0);
    g_assert_cmphex(ld(5, 1), ==, 0x15);
    g_assert_cmphex(d->addr[0], ==, 4);
    g_assert_cmpint(d->size[0], ==, 4);
    st(6, 2, 0xabcd);
    g_assert_cmphex(d->val[1], ==, 0xabcd0000);
    g_assert_cmpint(d->n, ==, 2);
    dev_free(d);

    d = dev_new(&be_ops, 0, 0x100, 0);
    g_assert_cmphex(ld(0, 4), ==, 0x10111213);
    st(0, 2, 0x1234);
    g_assert_cmphex(d->val[1], ==, 0x3412);
    dev_free(d);

    /* Past a device's end the next one answers. */
    d = dev_new(&any_ops, 0, 1, 0);
    g_assert_cmphex(ld(0, 2), ==, 0xff10);
    dev_free(d);
    teardown();
}

static void test_reentry(void)
{
    setup();
    Dev *a = dev_new(&any_ops, 0, 0x100, 0), *b = dev_new(&any_ops, 0x100,
                                                         0x100, 0);
    a->dma_as = &as;
    a->dma_addr = 8;
    st(0, 4, 1);
    g_assert_cmpint(a->dma_result, ==, MEMTX_ACCESS_ERROR);
    g_assert_cmpint(a->n, ==, 1);
    /* Another device's registers are fine, but not back to a's. */
    a->dma_addr = 0x100;
    b->dma_as = &as;
    b->dma_addr = 0;
    st(0, 4, 1);
    g_assert_cmpint(a->dma_result, ==, MEMTX_OK);
    g_assert_cmpint(b->dma_result, ==, MEMTX_ACCESS_ERROR);
    dev_free(a);
    dev_free(b);
    teardown();
}

static void test_romd(void)
{
    MemoryRegion rom;
    Dev d = { .n = 0 };

    setup();
    g_assert_true(memory_region_init_rom_device(&rom, &d.obj, &any_ops, &d,
                                                "flash", 8192, NULL));
    memory_region_add_subregion(&root, 0, &rom);
    memset(memory_region_ram_ptr(&rom), 0x5a, 8192);
    g_assert_cmphex(ld(0, 2), ==, 0x5a5a);
    st(0, 1, 0x20);
    g_assert_cmphex(d.val[0], ==, 0x20);
    g_assert_cmphex(ld(0, 1), ==, 0x5a);
    memory_region_rom_device_set_romd(&rom, false);
    g_assert_cmphex(ld(0, 1), ==, 0x10);
    memory_region_destroy(&rom);
    teardown();
}

static void test_dirty(void)
{
    MemoryRegion ram;

    setup();
    g_assert_true(memory_region_init_ram(&ram, NULL, "vram", MiB, NULL));
    memory_region_add_subregion(&root, 0, &ram);
    g_assert_true(
        memory_region_test_and_clear_dirty(&ram, 0, MiB, DIRTY_MEMORY_VGA));
    g_assert_false(
        memory_region_test_and_clear_dirty(&ram, 0, MiB, DIRTY_MEMORY_VGA));
    st(0x40fff, 1, 1);
    g_assert_false(memory_region_test_and_clear_dirty(&ram, 0, 0x40000,
                                                      DIRTY_MEMORY_VGA));
    g_assert_false(memory_region_test_and_clear_dirty(&ram, 0x41000, 0x1000,
                                                      DIRTY_MEMORY_VGA));
    g_assert_true(memory_region_test_and_clear_dirty(&ram, 0x40000, 0x1000,
                                                     DIRTY_MEMORY_VGA));
    hwaddr len = 0x3000;
    void *p = address_space_map(&as, 0x7f000, &len, true,
                                MEMTXATTRS_UNSPECIFIED);
    g_assert_nonnull(p);
    g_assert_cmpint(len, ==, 0x3000);
    address_space_unmap(&as, p, len, true, 0x1001);
    g_assert_true(ram_is_dirty(ram.ram->offset + 0x80000, DIRTY_MEMORY_VGA));
    g_assert_false(ram_is_dirty(ram.ram->offset + 0x81000, DIRTY_MEMORY_VGA));

    /* A mapping outlives its block. */
    len = 16;
    p = address_space_map(&as, 0, &len, true, MEMTXATTRS_UNSPECIFIED);
    memory_region_destroy(&ram);
    rcu_synchronize();
    while (loop_run_once(loop_main(), false)) {
    }
    memset(p, 1, 16);
    address_space_unmap(&as, p, len, true, 16);
    teardown();
    while (ram_block_first()) { /* it goes after grace periods */
        loop_run_once(loop_main(), true);
    }
}

typedef struct Log {
    MemoryListener l;
    GString *s;
} Log;

static void log_add(MemoryListener *l, const MemorySection *s)
{
    g_string_append_printf(container_of(l, Log, l)->s, "+%" PRIx64 ",%" PRIx64
                           " ", s->addr, s->size);
}

static void log_del(MemoryListener *l, const MemorySection *s)
{
    g_string_append_printf(container_of(l, Log, l)->s, "-%" PRIx64 ",%" PRIx64
                           " ", s->addr, s->size);
}

static void log_start(MemoryListener *l, const MemorySection *s)
{
    g_string_append(container_of(l, Log, l)->s, "log ");
}

static void log_stop(MemoryListener *l, const MemorySection *s)
{
    g_string_append(container_of(l, Log, l)->s, "nolog ");
}

static void log_eventfd_add(MemoryListener *l, const MemorySection *s,
                            unsigned size, bool match, uint64_t data, int fd)
{
    g_string_append_printf(container_of(l, Log, l)->s, "ev+%" PRIx64 " ",
                           s->addr);
}

static void log_eventfd_del(MemoryListener *l, const MemorySection *s,
                            unsigned size, bool match, uint64_t data, int fd)
{
    g_string_append_printf(container_of(l, Log, l)->s, "ev-%" PRIx64 " ",
                           s->addr);
}

static void log_is(Log *log, const char *text)
{
    g_assert_cmpstr(log->s->str, ==, text);
    g_string_truncate(log->s, 0);
}

static void test_listener(void)
{
    Log log = {
        .l = { .region_add = log_add, .region_del = log_del,
               .log_start = log_start, .log_stop = log_stop,
               .eventfd_add = log_eventfd_add,
               .eventfd_del = log_eventfd_del },
        .s = g_string_new(NULL),
    };
    MemoryRegion ram;
    uint64_t count;

    setup();
    g_assert_true(memory_region_init_ram(&ram, NULL, "ram", 0x10000, NULL));
    memory_region_add_subregion(&root, 0, &ram);
    memory_listener_register(&log.l, &as);
    log_is(&log, "+0,10000 ");
    Dev *d = dev_new(&any_ops, 0x8000, 0x1000, 1);
    log_is(&log, "-0,10000 +0,8000 +8000,1000 +9000,7000 ");
    memory_region_set_log(&ram, true, DIRTY_MEMORY_VGA);
    log_is(&log, "log log ");
    memory_region_set_log(&ram, false, DIRTY_MEMORY_VGA);
    log_is(&log, "nolog nolog ");

    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    memory_region_add_eventfd(&d->mr, 0x10, 2, true, 7, fd);
    log_is(&log, "ev+8010 ");
    st(0x8010, 2, 8);
    g_assert_cmpint(d->n, ==, 1);
    st(0x8010, 2, 7);
    g_assert_cmpint(d->n, ==, 1);
    g_assert_cmpint(read(fd, &count, sizeof(count)), ==, sizeof(count));
    memory_region_set_enabled(&d->mr, false);
    log_is(&log, "-9000,7000 ev-8010 -8000,1000 -0,8000 +0,10000 ");
    memory_region_set_enabled(&d->mr, true);
    g_string_truncate(log.s, 0);
    memory_region_del_eventfd(&d->mr, 0x10, 2, true, 7, fd);
    log_is(&log, "ev-8010 ");
    close(fd);

    /* One transaction, one update; nothing for nothing. */
    memory_transaction_begin();
    memory_region_set_enabled(&d->mr, false);
    memory_region_set_enabled(&d->mr, true);
    memory_transaction_commit();
    log_is(&log, "");
    memory_listener_unregister(&log.l);
    g_string_free(log.s, true);
    dev_free(d);
    memory_region_destroy(&ram);
    teardown();
}

/* Bus masters' views are the system's until their alias is disabled. */
static void test_shared_view(void)
{
    MemoryRegion ram, master, alias;
    AddressSpace dma;

    setup();
    g_assert_true(memory_region_init_ram(&ram, NULL, "ram", 0x10000, NULL));
    memory_region_add_subregion(&root, 0, &ram);
    memory_region_init(&master, NULL, "bus master container", UINT64_MAX);
    memory_region_init_alias(&alias, NULL, "bus master", &root, 0, UINT64_MAX);
    memory_region_set_enabled(&alias, false);
    memory_region_add_subregion(&master, 0, &alias);
    address_space_init(&dma, &master, "dma");
    g_assert_cmpint(address_space_st(&dma, 0, 4, 1, MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_DECODE_ERROR);
    memory_region_set_enabled(&alias, true);
    g_assert_true(atomic_load(&dma.view) == atomic_load(&as.view));
    g_assert_cmpint(address_space_st(&dma, 0, 4, 1, MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_OK);
    memory_region_set_enabled(&alias, false);
    g_assert_cmpint(address_space_st(&dma, 0, 4, 1, MEMTXATTRS_UNSPECIFIED),
                    ==, MEMTX_DECODE_ERROR);
    g_assert_cmpint(ld(0, 4), ==, 1);
    address_space_destroy(&dma);
    memory_region_destroy(&alias);
    memory_region_destroy(&master);
    memory_region_destroy(&ram);
    teardown();
}

static atomic_bool reader_stop;

static void *reader(void *opaque)
{
    unsigned long n = 0;

    while (!atomic_load(&reader_stop)) {
        uint64_t v = ld(0x4000 + (n & 0xff8), 8);
        /* RAM's zeroes or the device's bytes, never a mixture. */
        g_assert_true(v == 0 || (v & 0xff) == ((0x10 + (n & 0xf8)) & 0xff));
        ld(0x4ffe, 4);
        n++;
    }
    return NULL;
}

static void test_readers(void)
{
    MemoryRegion ram;
    Thread t[2];

    setup();
    g_assert_true(memory_region_init_ram(&ram, NULL, "ram", 0x10000, NULL));
    memory_region_add_subregion(&root, 0, &ram);
    Dev *d = dev_new(&any_ops, 0x4000, 0x1000, 1);
    atomic_store(&reader_stop, false);
    for (int i = 0; i < 2; i++) {
        thread_create(&t[i], "reader", reader, NULL);
    }
    for (int i = 0; i < 400; i++) {
        memory_region_set_enabled(&d->mr, i & 1);
        bql_unlock();
        g_thread_yield();
        bql_lock();
        loop_run_once(loop_main(), false);
    }
    atomic_store(&reader_stop, true);
    bql_unlock();
    for (int i = 0; i < 2; i++) {
        thread_join(&t[i]);
    }
    bql_lock();
    dev_free(d);
    memory_region_destroy(&ram);
    teardown();
}

static void test_blocks(void)
{
    Error *err = NULL;
    uint64_t off;

    RAMBlock *a = ram_block_new("a", 5000, false, true, NULL);
    RAMBlock *b = ram_block_new("b", 4 * MiB, true, false, NULL);
    g_assert_true(a && b && a->offset != b->offset);
    g_assert_true(ram_block_from_host(b->host + 12345, &off) == b);
    g_assert_cmpint(off, ==, 12345);
    g_assert_null(ram_block_from_host(&off, NULL));
    g_assert_null(ram_block_new("a", 4096, false, false, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "RAM block 'a' exists already");
    error_free(err);
    g_assert_null(ram_block_new("z", 0, false, false, NULL));
    g_assert_null(ram_block_new("z", UINT64_MAX, false, false, NULL));
    g_assert_cmpint(ram_offset_end(), ==, b->offset + 4 * MiB);
    ram_block_free(a);
    ram_block_free(b);
    while (loop_run_once(loop_main(), false)) {
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bql_lock();
    g_test_add_func("/memory/overlap", test_overlap);
    g_test_add_func("/memory/sizes", test_sizes);
    g_test_add_func("/memory/reentry", test_reentry);
    g_test_add_func("/memory/romd", test_romd);
    g_test_add_func("/memory/dirty", test_dirty);
    g_test_add_func("/memory/listener", test_listener);
    g_test_add_func("/memory/shared-view", test_shared_view);
    g_test_add_func("/memory/readers", test_readers);
    g_test_add_func("/memory/blocks", test_blocks);
    int ret = g_test_run();
    bql_unlock();
    return ret;
}
