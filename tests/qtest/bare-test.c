/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device model on the bare machine, with ib700 and pci-testdev: registers,
 * properties, hot plug and unplug, the trees, the round trip.
 */
#include "osdep.h"
#include "libqtest.h"

#define MMIO UINT64_C(0xfeb00000)
#define PIO  0xc000

static QTestState *start(const char *more)
{
    return qtest_init("-M x-bare -m 16M -nodefaults -display none %s", more);
}

static void cfg_write(QTestState *s, unsigned slot, unsigned reg, uint32_t v)
{
    outl(s, 0xcf8, 0x80000000 | slot << 11 | reg);
    outl(s, 0xcfc, v);
}

static uint32_t cfg_read(QTestState *s, unsigned slot, unsigned reg)
{
    outl(s, 0xcf8, 0x80000000 | slot << 11 | reg);
    return inl(s, 0xcfc);
}

static void map_bars(QTestState *s, unsigned slot)
{
    cfg_write(s, slot, 0x10, MMIO);
    cfg_write(s, slot, 0x14, PIO);
    cfg_write(s, slot, 0x04, 3);
}

static void check(QTestState *s, const char *cmd, const char *want)
{
    g_autoptr(QObject) reply = qmp(s, "%s", cmd);
    QObject *err = qdict_get(reply, "error");
    g_autofree char *got = err ? g_strdup(qdict_get_str(err, "desc"))
                               : json_to_string(qdict_get(reply, "return"),
                                                false);

    g_assert_cmpstr(got, ==, want);
}

static void no_difference(QTestState *s)
{
    g_autoptr(QObject) reply = qmp(s, "{'execute': 'x-vmstate-roundtrip'}");
    const char *text = qdict_get_str(qdict_get(reply, "return"),
                                     "human-readable-text");

    g_assert_nonnull(text);
    g_assert_null(strstr(text, " -> "));
    g_assert_nonnull(strstr(text, " sections, "));
}

static void test_config(void)
{
    QTestState *s = start("-device pci-testdev,addr=5 "
                          "-device pci-testdev,addr=6,membar=64K");

    g_assert_cmphex(cfg_read(s, 5, 0), ==, 0x00051b36);
    g_assert_cmphex(cfg_read(s, 5, 8), ==, 0x00ff0000);
    g_assert_cmphex(cfg_read(s, 5, 0x2c), ==, 0x11001af4);
    cfg_write(s, 5, 0x10, 0xffffffff);
    g_assert_cmphex(cfg_read(s, 5, 0x10), ==, 0xfffff000);
    cfg_write(s, 5, 0x14, 0xffffffff);
    g_assert_cmphex(cfg_read(s, 5, 0x14), ==, 0xffffff01);
    g_assert_cmphex(cfg_read(s, 5, 0x18), ==, 0);
    cfg_write(s, 6, 0x18, 0xffffffff);
    g_assert_cmphex(cfg_read(s, 6, 0x18), ==, 0xffff000c);
    g_assert_cmphex(cfg_read(s, 7, 0), ==, 0xffffffff);
    outl(s, 0xcf8, 0); /* not enabled */
    g_assert_cmphex(inl(s, 0xcfc), ==, 0xffffffff);
    qtest_quit(s);
}

/* Headers and counts as Debian's QEMU shows them. */
static void test_testdev(void)
{
    static const char *const names[] = {
        "mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd",
        "portio-no-eventfd", "portio-wildcard-eventfd",
        "portio-datamatch-eventfd",
    };
    QTestState *s = start("-device pci-testdev,addr=5");

    map_bars(s, 5);
    g_assert_cmphex(readl(s, MMIO), ==, 0);
    for (unsigned t = 0; t < 6; t++) {
        bool io = t >= 3;
        uint8_t data = t % 3 == 1 ? 0xce : 0xfa;
        uint32_t off = (io ? 0x80 : 0x800) + t;
        char name[32];

        if (io) {
            outb(s, PIO, t - 3);
        } else {
            writeb(s, MMIO, t);
        }
        g_assert_cmphex(readb(s, MMIO), ==, t);
        g_assert_cmphex(inb(s, PIO), ==, t);
        g_assert_cmphex(readb(s, MMIO + 1), ==, 1);
        g_assert_cmphex(readl(s, MMIO + 4), ==, off);
        g_assert_cmphex(inl(s, PIO + 8), ==, data);
        memread(s, MMIO + 16, name, sizeof(name));
        g_assert_cmpstr(name, ==, names[t]);
        g_assert_cmpuint(readl(s, MMIO + 12), ==, 0);
        for (unsigned i = 0; i < 2; i++) {
            if (io) {
                outb(s, PIO + off, data ^ i);
                outb(s, PIO + off + 1, data);
            } else {
                writeb(s, MMIO + off, data ^ i);
                writeb(s, MMIO + off + 1, data);
            }
        }
        g_assert_cmpuint(readl(s, MMIO + 12), ==, t % 3 == 1 ? 2 : 1);
        no_difference(s);
        g_assert_cmpuint(readl(s, MMIO + 12), ==, t % 3 == 1 ? 2 : 1);
    }
    outb(s, PIO, 3); /* no such test */
    g_assert_cmphex(readl(s, MMIO + 4), ==, 0);
    qtest_quit(s);
}

static void test_ib700(void)
{
    QTestState *s = start("-device ib700,id=w -action watchdog=none");
    g_autoptr(QObject) event = NULL;

    outb(s, 0x443, 0x0f); /* 0 s: at once */
    clock_step(s, 1);
    event = qmp_wait_event(s, "WATCHDOG");
    outb(s, 0x443, 0x0e); /* 2 s */
    no_difference(s);
    clock_step(s, 1999999999);
    outb(s, 0x441, 0);    /* disarmed */
    clock_step(s, 10000000000);
    g_assert_cmphex(inb(s, 0x443), ==, 0xff);
    qtest_quit(s);
}

static void test_properties(void)
{
    QTestState *s = start("-device pci-testdev,id=t,addr=5,membar=1M");

    check(s, "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"t\", "
             "\"property\": \"membar\"}}", "1048576");
    check(s, "{\"execute\": \"qom-get\", \"arguments\": {\"path\": "
             "\"/machine/peripheral/t\", \"property\": \"addr\"}}", "\"05.0\"");
    check(s, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
             "\"pci-testdev\", \"membar\": 3}}",
          "pci-testdev: membar=3 is no power of two");
    check(s, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
             "\"pci-testdev\", \"addr\": \"5\"}}",
          "PCI: slot 5 function 0 not available for pci-testdev, in use by "
          "pci-testdev,id=t");
    check(s, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
             "\"pci-testdev\", \"id\": \"t\"}}", "Duplicate device ID 't'");
    check(s, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
             "\"ib700\", \"iobas\": 1}}",
          "Property 'ib700.iobas' not found");
    qtest_quit(s);
}

static void test_hotplug(void)
{
    QTestState *s = start("");
    g_autofree char *before = hmp(s, "info mtree -f");
    g_autofree char *tree = hmp(s, "info qtree");

    for (int i = 0; i < 1000; i++) {
        bool pci = i & 1;
        g_autoptr(QObject) event = NULL;

        if (pci) {
            check(s, "{\"execute\": \"device_add\", \"arguments\": "
                     "{\"driver\": \"pci-testdev\", \"id\": \"d\", "
                     "\"addr\": \"5\"}}", "{}");
            map_bars(s, 5);
            writeb(s, MMIO, i % 3);
        } else {
            check(s, "{\"execute\": \"device_add\", \"arguments\": "
                     "{\"driver\": \"ib700\", \"id\": \"d\"}}", "{}");
            outb(s, 0x443, 0); /* armed while it goes */
        }
        check(s, "{\"execute\": \"device_del\", \"arguments\": "
                 "{\"id\": \"d\"}}", "{}");
        event = qmp_wait_event(s, "DEVICE_DELETED");
        g_assert_cmpstr(qdict_get_str(qdict_get(event, "data"), "device"), ==,
                        "d");
        if (i % 100 == 1) {
            g_autofree char *now = hmp(s, "info mtree -f");
            g_autofree char *tree_now = hmp(s, "info qtree");

            g_assert_cmpstr(now, ==, before);
            g_assert_cmpstr(tree_now, ==, tree);
            g_assert_cmphex(readl(s, MMIO), ==, 0xffffffff);
            no_difference(s);
        }
    }
    qtest_quit(s);
}

static void test_trees(void)
{
    QTestState *s = start("-device pci-testdev,id=t,addr=5 "
                          "-device ib700");
    g_autofree char *qtree = NULL, *qom = NULL, *flat = NULL;

    map_bars(s, 5);
    qtree = hmp(s, "info qtree");
    qom = hmp(s, "info qom-tree");
    flat = hmp(s, "info mtree -f");
    g_assert_nonnull(strstr(qtree, "dev: pci-testdev, id \"t\""));
    g_assert_nonnull(strstr(qtree, "membar = 0 (0 B)"));
    g_assert_nonnull(strstr(qtree, "bar 0: mem at 0xfeb00000 [0xfeb00fff]"));
    g_assert_nonnull(strstr(qom, "/t (pci-testdev)"));
    g_assert_nonnull(strstr(qom, "/device[0] (ib700)"));
    g_assert_nonnull(strstr(flat, "00000000feb00000-00000000feb00fff"));
    g_assert_nonnull(strstr(flat, "000000000000c000-000000000000c0ff"));
    g_assert_nonnull(strstr(flat, "0000000000000441-0000000000000443"));
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bare/config", test_config);
    g_test_add_func("/bare/pci-testdev", test_testdev);
    g_test_add_func("/bare/ib700", test_ib700);
    g_test_add_func("/bare/properties", test_properties);
    g_test_add_func("/bare/hotplug", test_hotplug);
    g_test_add_func("/bare/trees", test_trees);
    return g_test_run();
}
