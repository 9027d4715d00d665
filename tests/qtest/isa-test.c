/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices of the ISA side of the board, register by register. */
#include "osdep.h"
#include "libqtest.h"

/* 8237A data sheet: base and count by flip-flop, masks, status, pages. */
static void test_dma(void)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none");

    outb(s, 0x0d, 0); /* master clear: all masked, flip-flop at the LSB */
    g_assert_cmphex(inb(s, 0x0f) & 0x0f, ==, 0x0f);
    outb(s, 0x04, 0x34);
    outb(s, 0x04, 0x12);
    outb(s, 0x05, 0xff);
    outb(s, 0x05, 0x01);
    outb(s, 0x0c, 0);
    g_assert_cmphex(inb(s, 0x04), ==, 0x34);
    g_assert_cmphex(inb(s, 0x04), ==, 0x12);
    g_assert_cmphex(inb(s, 0x05), ==, 0xff);
    g_assert_cmphex(inb(s, 0x05), ==, 0x01);
    outb(s, 0x0a, 0x02); /* unmask 2 */
    g_assert_cmphex(inb(s, 0x0f) & 0x0f, ==, 0x0b);
    outb(s, 0x0e, 0);
    g_assert_cmphex(inb(s, 0x0f) & 0x0f, ==, 0x00);
    outb(s, 0x0f, 0x05);
    g_assert_cmphex(inb(s, 0x0f) & 0x0f, ==, 0x05);
    outb(s, 0x09, 0x06); /* software request of channel 2 */
    g_assert_cmphex(inb(s, 0x08) & 0x40, ==, 0x40);
    outb(s, 0x09, 0x02);
    outb(s, 0x81, 0xa5);
    g_assert_cmphex(inb(s, 0x81), ==, 0xa5);
    outb(s, 0x82, 0x5a);
    g_assert_cmphex(inb(s, 0x82), ==, 0x5a);
    g_assert_cmphex(inb(s, 0x81), ==, 0xa5);
    /* The second: registers two ports apart. */
    outb(s, 0xda, 0);
    g_assert_cmphex(inb(s, 0xde) & 0x0f, ==, 0x0f);
    outb(s, 0xc4, 0x78);
    outb(s, 0xc4, 0x56);
    outb(s, 0xd8, 0);
    g_assert_cmphex(inb(s, 0xc4), ==, 0x78);
    g_assert_cmphex(inb(s, 0xc4), ==, 0x56);
    outb(s, 0x8b, 0x11);
    g_assert_cmphex(inb(s, 0x8b), ==, 0x11);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/isa/dma", test_dma);
    return g_test_run();
}
