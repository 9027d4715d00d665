/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC board's own devices, register by register, with no CPU running. */
#include "osdep.h"
#include "libqtest.h"

static QTestState *start(void)
{
    return qtest_init("-M pc -m 16M -nodefaults -display none");
}

static uint8_t cmos(QTestState *s, uint8_t reg)
{
    outb(s, 0x70, reg);
    return inb(s, 0x71);
}

/* Intel 8259A data sheet: ICW1-4, then OCW1 reads back, OCW3 picks IRR/ISR. */
static void test_pic(void)
{
    QTestState *s = start();

    outb(s, 0x20, 0x11);
    outb(s, 0x21, 0x20);
    outb(s, 0x21, 0x04);
    outb(s, 0x21, 0x01);
    g_assert_cmphex(inb(s, 0x21), ==, 0); /* ICW1 clears the mask */
    outb(s, 0x21, 0xa5);
    g_assert_cmphex(inb(s, 0x21), ==, 0xa5);
    outb(s, 0x20, 0x0b);
    g_assert_cmphex(inb(s, 0x20), ==, 0); /* nothing in service */
    /* ELCR: IRQ 0, 1, 2, 8 and 13 are always edges. */
    outb(s, 0x4d0, 0xff);
    outb(s, 0x4d1, 0xff);
    g_assert_cmphex(inb(s, 0x4d0), ==, 0xf8);
    g_assert_cmphex(inb(s, 0x4d1), ==, 0xde);
    qtest_quit(s);
}

/* Intel 8254: 1193182 Hz, mode 2, latch command, read-back status. */
static void test_pit(void)
{
    QTestState *s = start();
    unsigned first, second;

    outb(s, 0x43, 0x34);
    outb(s, 0x40, 0x00);
    outb(s, 0x40, 0x80);
    outb(s, 0x43, 0x00);
    first = inb(s, 0x40);
    first |= inb(s, 0x40) << 8;
    clock_step(s, 1000000); /* 1193 ticks */
    outb(s, 0x43, 0x00);
    second = inb(s, 0x40);
    second |= inb(s, 0x40) << 8;
    g_assert_cmpuint(first - second, >=, 1192);
    g_assert_cmpuint(first - second, <=, 1195);
    outb(s, 0x43, 0xe2); /* status of counter 0 */
    g_assert_cmphex(inb(s, 0x40) & 0x3f, ==, 0x34);
    qtest_quit(s);
}

/* MC146818: status registers and the RAM behind them. */
static void test_rtc(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-rtc clock=vm");

    g_assert_cmphex(cmos(s, 0x0a), ==, 0x26);
    g_assert_cmphex(cmos(s, 0x0b), ==, 0x02);
    g_assert_cmphex(cmos(s, 0x0d), ==, 0x80); /* battery good */
    outb(s, 0x70, 0x60);
    outb(s, 0x71, 0x5a);
    g_assert_cmphex(cmos(s, 0x60), ==, 0x5a);
    outb(s, 0x70, 0x0c);
    inb(s, 0x71);
    clock_step(s, INT64_C(1100000000));
    g_assert_cmphex(cmos(s, 0x0c) & 0x10, ==, 0x10); /* update ended */
    g_assert_cmphex(cmos(s, 0x0c), ==, 0);           /* reading clears */
    qtest_quit(s);
}

/* fw_cfg: selector at 510h, data at 511h; file 0 is "QEMU". */
static void test_fw_cfg(void)
{
    QTestState *s = start();
    char sig[5] = "";

    outw(s, 0x510, 0);
    for (int i = 0; i < 4; i++) {
        sig[i] = inb(s, 0x511);
    }
    g_assert_cmpstr(sig, ==, "QEMU");
    g_assert_cmphex(inb(s, 0x511), ==, 0); /* past the end */
    outw(s, 0x510, 5);                     /* number of CPUs */
    g_assert_cmpuint(inb(s, 0x511), ==, 1);
    qtest_quit(s);
}

static uint32_t config(QTestState *s, unsigned devfn, unsigned reg)
{
    outl(s, 0xcf8, 0x80000000 | devfn << 8 | reg);
    return inl(s, 0xcfc);
}

/* 440FX and PIIX3 data sheets; PCI 2.1 for what is not there. */
static void test_pci(void)
{
    QTestState *s = start();

    g_assert_cmphex(config(s, 0, 0), ==, 0x12378086);
    g_assert_cmphex(config(s, 8, 0), ==, 0x70008086);
    g_assert_cmphex(config(s, 11, 0), ==, 0x71138086);
    g_assert_cmphex(config(s, 0x50, 0), ==, 0xffffffff);
    outl(s, 0xcf8, 0); /* not enabled */
    g_assert_cmphex(inl(s, 0xcfc), ==, 0xffffffff);
    qtest_quit(s);
}

/* 16550A: scratch, DLAB, loopback. */
static void test_serial(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-serial null");

    outb(s, 0x3ff, 0x5a);
    g_assert_cmphex(inb(s, 0x3ff), ==, 0x5a);
    outb(s, 0x3fb, 0x83);
    outb(s, 0x3f8, 0x0c);
    outb(s, 0x3f9, 0x00);
    g_assert_cmphex(inb(s, 0x3f8), ==, 0x0c);
    outb(s, 0x3fb, 0x03);
    outb(s, 0x3fc, 0x1f); /* loop: OUT2, OUT1, RTS, DTR come back */
    g_assert_cmphex(inb(s, 0x3fe) & 0xf0, ==, 0xf0);
    g_assert_cmphex(inb(s, 0x3fd) & 0x60, ==, 0x60);
    qtest_quit(s);
}

/* Registers that tests above set survive a save, a reset and a load. */
static void test_roundtrip(void)
{
    QTestState *s = start();
    g_autoptr(QObject) reply = NULL;
    const char *text;

    outb(s, 0x21, 0xa5);
    outb(s, 0x43, 0x34);
    outb(s, 0x40, 0x34);
    outb(s, 0x40, 0x12);
    outb(s, 0x70, 0x60);
    outb(s, 0x71, 0x5a);
    outl(s, 0xcf8, 0x80000804);
    reply = qmp(s, "{'execute': 'x-vmstate-roundtrip'}");
    text = qdict_get_str(qdict_get(reply, "return"), "human-readable-text");
    g_assert_nonnull(text);
    g_assert_null(strstr(text, " -> "));
    g_assert_cmphex(inb(s, 0x21), ==, 0xa5);
    g_assert_cmphex(inb(s, 0x71), ==, 0x5a);
    g_assert_cmphex(inl(s, 0xcf8), ==, 0x80000804);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pc/pic", test_pic);
    g_test_add_func("/pc/pit", test_pit);
    g_test_add_func("/pc/rtc", test_rtc);
    g_test_add_func("/pc/fw_cfg", test_fw_cfg);
    g_test_add_func("/pc/pci", test_pci);
    g_test_add_func("/pc/serial", test_serial);
    g_test_add_func("/pc/roundtrip", test_roundtrip);
    return g_test_run();
}
