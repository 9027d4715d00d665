/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's HPET, hot plug registers, watchdog, SMBus, flash and small parts. */
#include "osdep.h"
#include "libqtest.h"

#define HPET 0xfed00000

static void pci_write(QTestState *s, unsigned devfn, unsigned reg,
                      uint32_t val, unsigned size)
{
    outl(s, 0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
    if (size == 1) {
        outb(s, 0xcfc + (reg & 3), val);
    } else if (size == 2) {
        outw(s, 0xcfc + (reg & 3), val);
    } else {
        outl(s, 0xcfc, val);
    }
}

static uint32_t pci_read(QTestState *s, unsigned devfn, unsigned reg)
{
    outl(s, 0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
    return inl(s, 0xcfc);
}

static void roundtrip(QTestState *s)
{
    g_autoptr(QObject) r = qmp(s, "{'execute':'x-vmstate-roundtrip'}");

    g_assert_true(qdict_has(r, "return"));
}

/* IA-PC HPET 1.0a, 2.3: 100 MHz, three timers, one shot, level, status. */
static void test_hpet(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none");

    g_assert_cmphex(readq(s, HPET), ==, 0x009896808086a201);
    g_assert_cmphex(readl(s, HPET + 4), ==, 0x00989680);
    g_assert_cmphex(readq(s, HPET + 0xf0), ==, 0);
    clock_step(s, 1000);
    g_assert_cmphex(readq(s, HPET + 0xf0), ==, 0); /* it stands */
    writeq(s, HPET + 0x10, 1);
    clock_step(s, 1000);
    g_assert_cmpuint(readq(s, HPET + 0xf0), ==, 100);
    /* Timer 0: level, enabled, to input 2; fires once at tick 200. */
    g_assert_cmphex(readq(s, HPET + 0x100), ==, 0x0000000400000030);
    writeq(s, HPET + 0x100, 0x0406);
    writeq(s, HPET + 0x108, 200);
    clock_step(s, 900);
    g_assert_cmphex(readq(s, HPET + 0x20), ==, 0);
    clock_step(s, 200);
    g_assert_cmphex(readq(s, HPET + 0x20), ==, 1);
    roundtrip(s);
    g_assert_cmphex(readq(s, HPET + 0x20), ==, 1);
    writeq(s, HPET + 0x20, 1);
    g_assert_cmphex(readq(s, HPET + 0x20), ==, 0);
    /* Periodic: the comparator moves on by itself. */
    writeq(s, HPET + 0x10, 0);
    writeq(s, HPET + 0xf0, 0);
    writeq(s, HPET + 0x100, 0x044e); /* + VAL_SET, periodic */
    writeq(s, HPET + 0x108, 1000);
    writeq(s, HPET + 0x108, 1000);
    writeq(s, HPET + 0x10, 1);
    clock_step(s, 25000);
    g_assert_cmpuint(readq(s, HPET + 0x108), ==, 3000);
    /* Reset stops it. */
    qobject_unref(qmp(s, "{'execute':'system_reset'}"));
    qobject_unref(qmp_wait_event(s, "RESET"));
    g_assert_cmphex(readq(s, HPET + 0x10), ==, 0);
    qtest_quit(s);
    s = qtest_init("-M pc,hpet=off -m 16M -nodefaults -display none");
    g_assert_cmphex(readl(s, HPET), ==, 0xffffffff);
    qtest_quit(s);
}

static void test_pvpanic(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-action panic=none -device pvpanic");
    g_autoptr(QObject) ev = NULL;

    g_assert_cmphex(inb(s, 0x505), ==, 3);
    outb(s, 0x505, 0x80); /* no such event */
    outb(s, 0x505, 2);
    qobject_unref(qmp_wait_event(s, "GUEST_CRASHLOADED"));
    outb(s, 0x505, 1);
    ev = qmp_wait_event(s, "GUEST_PANICKED");
    g_assert_cmpstr(qdict_get_str(qdict_get(ev, "data"), "action"), ==,
                    "run");
    qtest_quit(s);
}

/* IEEE 1284 compatibility mode: strobe, acknowledge, reset. */
static void test_parallel(void)
{
    QTestState *s = qtest_init(
        "-M pc -m 16M -nodefaults -display none -chardev ringbuf,id=p "
        "-device isa-parallel,chardev=p");
    g_autoptr(QObject) r = NULL;

    g_assert_cmphex(inb(s, 0x379), ==, 0xd9);
    g_assert_cmphex(inb(s, 0x37a), ==, 0xcc);
    outb(s, 0x378, 'A');
    g_assert_cmphex(inb(s, 0x378), ==, 'A');
    outb(s, 0x37a, 0x0d);
    g_assert_cmphex(inb(s, 0x379) & 0x80, ==, 0); /* busy */
    outb(s, 0x37a, 0x0c);
    g_assert_cmphex(inb(s, 0x379) & 0x80, ==, 0x80);
    r = qmp(s, "{'execute':'ringbuf-read','arguments':{'device':'p',"
               "'size':16}}");
    g_assert_cmpstr(qdict_get_str(r, "return"), ==, "A");
    roundtrip(s);
    qtest_quit(s);
}

static void i6300_unlock(QTestState *s, uint64_t bar)
{
    writew(s, bar + 0x0c, 0x80);
    writew(s, bar + 0x0c, 0x86);
}

/* 6300ESB data sheet, chapter 15: two stages, then the action. */
static void test_i6300esb(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-action watchdog=none -device i6300esb,addr=4");
    const unsigned fn = 4 << 3;
    const uint64_t bar = 0xe0000000;
    g_autoptr(QObject) ev = NULL;

    g_assert_cmphex(pci_read(s, fn, 0), ==, 0x25ab8086);
    pci_write(s, fn, 0x10, bar, 4);
    pci_write(s, fn, 0x04, 0x0002, 2);
    pci_write(s, fn, 0x60, 0x0003, 2); /* no interrupt, reboot on */
    i6300_unlock(s, bar);
    writel(s, bar, 0x100); /* 2^15 clocks each: 254 ms */
    i6300_unlock(s, bar);
    writel(s, bar + 4, 0x100);
    writel(s, bar + 4, 0x1); /* locked again: ignored */
    pci_write(s, fn, 0x68, 0x02, 1);
    clock_step(s, 300 * INT64_C(1000000));
    g_assert_cmphex(readw(s, bar + 0x0c), ==, 0);
    i6300_unlock(s, bar);
    writew(s, bar + 0x0c, 0x100); /* kick: stage 1 again */
    clock_step(s, 400 * INT64_C(1000000));
    g_assert_cmphex(readw(s, bar + 0x0c), ==, 0);
    roundtrip(s);
    clock_step(s, 200 * INT64_C(1000000));
    ev = qmp_wait_event(s, "WATCHDOG");
    g_assert_cmphex(readw(s, bar + 0x0c), ==, 0x200);
    i6300_unlock(s, bar);
    writew(s, bar + 0x0c, 0x200);
    g_assert_cmphex(readw(s, bar + 0x0c), ==, 0);
    qtest_quit(s);
}

static uint8_t smbus_run(QTestState *s, uint16_t io, uint8_t addr,
                         uint8_t cnt)
{
    outb(s, io + 4, addr);
    outb(s, io + 0, 0x1e);
    outb(s, io + 2, cnt | 0x40);
    return inb(s, io);
}

/* 82371AB, SMBus host: byte, word, block; an address without a slave. */
static void test_smbus(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none");
    const uint16_t io = pci_read(s, 0x0b, 0x90) & 0xffc0;

    g_assert_cmphex(io, ==, 0xb100);
    pci_write(s, 0x0b, 0xd2, 0x09, 1);
    g_assert_cmphex(smbus_run(s, io, 0x30 << 1 | 1, 0x08), ==, 0x04);
    outb(s, io + 3, 0x10);
    outb(s, io + 5, 0xab);
    outb(s, io + 6, 0xcd);
    g_assert_cmphex(smbus_run(s, io, 0x50 << 1, 0x0c), ==, 0x02);
    outb(s, io + 5, 0);
    g_assert_cmphex(smbus_run(s, io, 0x50 << 1 | 1, 0x08), ==, 0x02);
    g_assert_cmphex(inb(s, io + 5), ==, 0xab);
    g_assert_cmphex(smbus_run(s, io, 0x50 << 1 | 1, 0x04), ==, 0x02);
    g_assert_cmphex(inb(s, io + 5), ==, 0xcd); /* goes on behind it */
    /* A block whose count is out of range fails. */
    outb(s, io + 5, 33);
    g_assert_cmphex(smbus_run(s, io, 0x51 << 1, 0x14) & 4, ==, 4);
    for (unsigned i = 0; i < 100; i++) {
        outb(s, io + 7, i); /* the index wraps */
    }
    roundtrip(s);
    qtest_quit(s);
}

/* JESD68.01 and Intel's command set, as EDK2 uses them; the file follows. */
static void test_pflash(void)
{
    g_autofree char *dir = g_dir_make_tmp("pflash-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "flash", NULL);
    g_autofree char *blank = g_malloc(131072), *after = NULL;
    const uint64_t base = 0x100000000 - 131072;
    QTestState *s;
    gsize n;

    memset(blank, 0x5a, 131072);
    g_assert_true(g_file_set_contents(path, blank, 131072, NULL));
    s = qtest_init("-M pc -m 16M -nodefaults -display none -drive "
                   "if=pflash,format=raw,file=%s", path);
    g_assert_cmphex(readb(s, base + 16), ==, 0x5a);
    g_assert_cmphex(readb(s, 0xffff0), ==, 0x5a);
    writeb(s, base, 0x98);
    g_assert_cmphex(readb(s, base + 0x10), ==, 'Q');
    g_assert_cmphex(readb(s, base + 0x12), ==, 'Y');
    g_assert_cmphex(readb(s, base + 0x27), ==, 17);
    writeb(s, base, 0x50);
    writeb(s, base, 0x70);
    g_assert_cmphex(readb(s, base), ==, 0);
    writeb(s, base + 4096, 0x20);
    writeb(s, base + 4096, 0xd0);
    g_assert_cmphex(readb(s, base), ==, 0x80);
    writeb(s, base + 4100, 0x10);
    writeb(s, base + 4100, 0x3c);
    g_assert_cmphex(readb(s, base), ==, 0x80);
    roundtrip(s);
    writeb(s, base, 0xff);
    g_assert_cmphex(readb(s, base + 4096), ==, 0xff);
    g_assert_cmphex(readb(s, base + 4100), ==, 0x3c);
    /* 1 stays 1 and 0 stays 0; a buffer of two bytes. */
    writeb(s, base + 4100, 0x40);
    writeb(s, base + 4100, 0xf0);
    writeb(s, base + 4104, 0xe8);
    writeb(s, base + 4104, 1);
    writeb(s, base + 4104, 0x11);
    writeb(s, base + 4105, 0x22);
    writeb(s, base + 4104, 0xd0);
    writeb(s, base, 0xff);
    g_assert_cmphex(readl(s, base + 4100), ==, 0xffffff30);
    g_assert_cmphex(readw(s, base + 4104), ==, 0x2211);
    /* A wrong confirmation sets both error bits and changes nothing. */
    writeb(s, base, 0x20);
    writeb(s, base, 0x00);
    g_assert_cmphex(readb(s, base), ==, 0xb0);
    qtest_quit(s);
    g_assert_true(g_file_get_contents(path, &after, &n, NULL));
    g_assert_cmpuint(n, ==, 131072);
    g_assert_cmphex((uint8_t)after[4100], ==, 0x30);
    g_assert_cmphex((uint8_t)after[4105], ==, 0x22);
    unlink(path);
    rmdir(dir);
}

/* A client types faster than the guest reads: nothing is lost or changed. */
static void test_keyboard_pace(void)
{
    static const char digits[] = "0123456789";
    static const uint8_t codes[] = { 0x0b, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none");
    g_autofree char *text = g_malloc0(201);
    g_autoptr(QObject) r = NULL;

    outb(s, 0x64, 0x60);
    outb(s, 0x60, 0x41); /* interrupts and translation on */
    for (unsigned i = 0; i < 200; i++) {
        text[i] = digits[i % 10];
    }
    r = qmp(s, "{'execute':'input-send-text','arguments':{'text':'%s'}}",
            text);
    g_assert_true(qdict_has(r, "return"));
    for (unsigned i = 0; i < 400; i++) {
        for (unsigned n = 0; !(inb(s, 0x64) & 1) && n < 100; n++) {
            clock_step(s, 10000000);
        }
        g_assert_cmphex(inb(s, 0x60), ==,
                        codes[i / 2 % 10] | (i % 2 ? 0x80 : 0));
        if (i == 10) {
            clock_step(s, 4000000000); /* a long while elsewhere */
        }
    }
    g_assert_cmphex(inb(s, 0x64) & 1, ==, 0);
    qtest_quit(s);
}

static void ok(QObject *r)
{
    g_assert_true(qdict_has(r, "return"));
    qobject_unref(r);
}

/* AE00h: up is read once, down until the eject. */
static void test_pci_hotplug(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none -device "
                               "pci-bridge,id=br,chassis_nr=1,addr=3");

    outl(s, 0xae10, 0);
    g_assert_cmphex(inl(s, 0xae00), ==, 0);
    g_assert_cmphex(inl(s, 0xae0c), ==, 0xfffffff4 & ~8u);
    outw(s, 0xafe2, 0x0002);
    ok(qmp(s, "{'execute':'device_add','arguments':{'driver':'e1000',"
              "'id':'n','addr':'5','acpi-index':7}}"));
    g_assert_cmphex(inw(s, 0xafe0), ==, 0x0002);
    outw(s, 0xafe0, 0x0002);
    g_assert_cmphex(inl(s, 0xae00), ==, 1u << 5);
    g_assert_cmphex(inl(s, 0xae00), ==, 0);
    outl(s, 0xae14, 1u << 5);
    g_assert_cmphex(inl(s, 0xae14), ==, 7);
    g_assert_cmphex(pci_read(s, 5 << 3, 0), ==, 0x100e8086);
    roundtrip(s); /* not later: its reset completes removals */
    ok(qmp(s, "{'execute':'device_del','arguments':{'id':'n'}}"));
    g_assert_cmphex(inl(s, 0xae04), ==, 1u << 5);
    outl(s, 0xae08, 1u << 5);
    qobject_unref(qmp_wait_event(s, "DEVICE_DELETED"));
    g_assert_cmphex(inl(s, 0xae04), ==, 0);
    g_assert_cmphex(pci_read(s, 5 << 3, 0), ==, 0xffffffff);
    /* What was there from the start stays; a bus that is none is nothing. */
    outl(s, 0xae08, 1u << 1);
    g_assert_cmphex(pci_read(s, 1 << 3, 0), ==, 0x70008086);
    outl(s, 0xae10, 0xffffffff);
    outl(s, 0xae08, 0xffffffff);
    g_assert_cmphex(inl(s, 0xae0c), ==, 0);
    /* Behind the bridge, and gone with a reset while it is being removed. */
    ok(qmp(s, "{'execute':'device_add','arguments':{'driver':'e1000',"
              "'id':'m','bus':'br','addr':'2'}}"));
    outl(s, 0xae10, 1);
    g_assert_cmphex(inl(s, 0xae00), ==, 1u << 2);
    ok(qmp(s, "{'execute':'device_del','arguments':{'id':'m'}}"));
    ok(qmp(s, "{'execute':'system_reset'}"));
    qobject_unref(qmp_wait_event(s, "DEVICE_DELETED"));
    qtest_quit(s);
}

static void test_memory_hotplug(void)
{
    QTestState *s = qtest_init("-M pc -m 16M,slots=2,maxmem=1G -nodefaults "
                               "-display none -object memory-backend-ram,"
                               "id=a,size=128M -object memory-backend-ram,"
                               "id=b,size=64M -device pc-dimm,memdev=a,id=d0");
    g_autoptr(QObject) r = NULL;

    outl(s, 0xa00, 0);
    g_assert_cmphex(inl(s, 0xa00), ==, 0);
    g_assert_cmphex(inl(s, 0xa04), ==, 1);
    g_assert_cmphex(inl(s, 0xa08), ==, 128 << 20);
    g_assert_cmphex(inb(s, 0xa14), ==, 1);
    writel(s, 0x100000000, 0x12345678);
    g_assert_cmphex(readl(s, 0x100000000), ==, 0x12345678);
    ok(qmp(s, "{'execute':'device_add','arguments':{'driver':'pc-dimm',"
              "'id':'d1','memdev':'b'}}"));
    outl(s, 0xa00, 1);
    g_assert_cmphex(inl(s, 0xa00), ==, 0x08000000);
    g_assert_cmphex(inb(s, 0xa14), ==, 3);
    outb(s, 0xa14, 2);
    g_assert_cmphex(inb(s, 0xa14), ==, 1);
    outl(s, 0xa04, 1);
    outl(s, 0xa08, 0);
    qobject_unref(qmp_wait_event(s, "ACPI_DEVICE_OST"));
    roundtrip(s);
    ok(qmp(s, "{'execute':'device_del','arguments':{'id':'d1'}}"));
    g_assert_cmphex(inb(s, 0xa14), ==, 5);
    outb(s, 0xa14, 8);
    qobject_unref(qmp_wait_event(s, "DEVICE_DELETED"));
    g_assert_cmphex(inb(s, 0xa14), ==, 0);
    g_assert_cmphex(readl(s, 0x108000000), ==, 0xffffffff);
    outl(s, 0xa00, 77); /* no such slot */
    g_assert_cmphex(inb(s, 0xa14), ==, 0);
    outb(s, 0xa14, 0xff);
    r = qmp(s, "{'execute':'query-memory-devices'}");
    g_assert_cmpuint(qlist_size(qdict_get(r, "return")), ==, 1);
    qtest_quit(s);
}

/* AF00h: the old bitmap until 0 is written, then the registers. */
static void test_cpu_hotplug(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-smp 1,maxcpus=4");

    outb(s, 0xaf00, 1);
    g_assert_cmphex(inb(s, 0xaf00), ==, 1); /* APIC ID 0 is there */
    outb(s, 0xaf00, 0);
    outl(s, 0xaf00, 3);
    outb(s, 0xaf05, 3);
    g_assert_cmphex(inl(s, 0xaf08), ==, 3); /* its APIC ID */
    outl(s, 0xaf00, 4);
    g_assert_cmphex(inl(s, 0xaf08), ==, 0);
    outb(s, 0xaf04, 0xff);
    outl(s, 0xaf00, 0);
    outb(s, 0xaf04, 8); /* the boot CPU is not ejected */
    roundtrip(s);
    qtest_quit(s);
}

/* fw_cfg by DMA: [control, length, address], big endian. */
static void fw_cfg_read(QTestState *s, uint16_t key, void *buf, uint32_t len)
{
    const uint64_t at = 0x1000, to = 0x100000;
    uint32_t cmd[4] = { GUINT32_TO_BE((uint32_t)key << 16 | 0x0a),
                        GUINT32_TO_BE(len), 0,
                        GUINT32_TO_BE((uint32_t)to) };

    memwrite(s, at, cmd, sizeof(cmd));
    outl(s, 0x514, 0);
    outl(s, 0x518, GUINT32_TO_BE((uint32_t)at));
    memread(s, to, buf, len);
}

static uint8_t *fw_cfg_file(QTestState *s, const char *name, uint32_t *len)
{
    struct __attribute__((packed)) {
        uint32_t size;
        uint16_t key, pad;
        char name[56];
    } dir[65];
    uint32_t n;
    uint8_t *data;

    fw_cfg_read(s, 0x19, &n, 4);
    n = GUINT32_FROM_BE(n);
    g_assert_cmpuint(n, <, 64);
    data = g_malloc(4 + n * 64);
    fw_cfg_read(s, 0x19, data, 4 + n * 64);
    memcpy(dir, data + 4, n * 64);
    g_free(data);
    for (uint32_t i = 0; i < n; i++) {
        if (!strcmp(dir[i].name, name)) {
            *len = GUINT32_FROM_BE(dir[i].size);
            data = g_malloc(*len + 1);
            fw_cfg_read(s, GUINT16_FROM_BE(dir[i].key), data, *len);
            return data;
        }
    }
    return NULL;
}

/* The loader's script stays within its files; what it sums becomes 0. */
static void test_acpi_tables(void)
{
    QTestState *s = qtest_init(
        "-M pc -m 64M,slots=2,maxmem=1G -nodefaults -display none -smp "
        "2,maxcpus=4 -object memory-backend-ram,id=a,size=32M -object "
        "memory-backend-ram,id=b,size=32M -numa node,cpus=0-1,memdev=a "
        "-numa node,cpus=2-3,memdev=b -device vmgenid "
        "-device pci-bridge,chassis_nr=1");
    uint32_t tables_len, loader_len, rsdp_len, sums = 0, pointers = 0;
    g_autofree uint8_t *t = fw_cfg_file(s, "etc/acpi/tables", &tables_len);
    g_autofree uint8_t *l = fw_cfg_file(s, "etc/table-loader", &loader_len);
    g_autofree uint8_t *r = fw_cfg_file(s, "etc/acpi/rsdp", &rsdp_len);

    g_assert_nonnull(t);
    g_assert_nonnull(l);
    g_assert_cmpuint(rsdp_len, ==, 20);
    g_assert_cmpmem(r, 8, "RSD PTR ", 8);
    g_assert_cmpmem(t, 4, "FACS", 4);
    g_assert_cmpmem(t + 64, 4, "DSDT", 4);
    for (uint32_t at = 0; at + 128 <= loader_len; at += 128) {
        uint32_t cmd, a[3];

        memcpy(&cmd, l + at, 4);
        if (cmd == 3 && !strcmp((char *)l + at + 4, "etc/acpi/tables")) {
            memcpy(a, l + at + 60, 12);
            g_assert_cmpuint(a[1] + a[2], <=, tables_len);
            g_assert_cmpuint(a[0], ==, a[1] + 9);
            memcpy(&cmd, t + a[1] + 4, 4); /* the table's own length */
            g_assert_cmpuint(cmd, ==, a[2]);
            sums++;
        } else if (cmd == 2) {
            memcpy(a, l + at + 116, 4);
            g_assert_cmpuint(a[0], <, tables_len);
            pointers++;
        }
    }
    /* DSDT, FACP, APIC, SSDT, HPET, SRAT, WAET, RSDT. */
    g_assert_cmpuint(sums, ==, 8);
    g_assert_cmpuint(pointers, ==, 2 + 1 + 6 + 1);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pc/hpet", test_hpet);
    g_test_add_func("/pc/pvpanic", test_pvpanic);
    g_test_add_func("/pc/parallel", test_parallel);
    g_test_add_func("/pc/i6300esb", test_i6300esb);
    g_test_add_func("/pc/smbus", test_smbus);
    g_test_add_func("/pc/pflash", test_pflash);
    g_test_add_func("/pc/keyboard-pace", test_keyboard_pace);
    g_test_add_func("/pc/hotplug/pci", test_pci_hotplug);
    g_test_add_func("/pc/hotplug/memory", test_memory_hotplug);
    g_test_add_func("/pc/hotplug/cpu", test_cpu_hotplug);
    g_test_add_func("/pc/acpi-tables", test_acpi_tables);
    return g_test_run();
}
