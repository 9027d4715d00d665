/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtl8139 and e1000 by their registers; tests/fuzz/fuzz-nic.c is less kind. */
#include "osdep.h"
#include "nic-lib.h"

#define MMIO NIC_MMIO
#define PORT NIC_PORT

/* ---- rtl8139 ------------------------------------------------------------- */

static uint16_t eeprom_word(Nic *n, unsigned addr)
{
    unsigned cmd = 0x180 | addr;
    uint16_t v = 0;

    writeb(n->qts, MMIO + 0x50, 0x80);
    for (int i = 8; i >= 0; i--) {
        uint8_t bit = 0x88 | (cmd >> i & 1) << 1;

        writeb(n->qts, MMIO + 0x50, bit);
        writeb(n->qts, MMIO + 0x50, bit | 4);
    }
    for (int i = 0; i < 16; i++) {
        writeb(n->qts, MMIO + 0x50, 0x88);
        writeb(n->qts, MMIO + 0x50, 0x8c);
        v = v << 1 | (readb(n->qts, MMIO + 0x50) & 1);
    }
    writeb(n->qts, MMIO + 0x50, 0);
    return v;
}

static void rtl_reset(Nic *n)
{
    writeb(n->qts, MMIO + 0x37, 0x10);
    g_assert_cmphex(readb(n->qts, MMIO + 0x37), ==, 0x01);
}

static void test_rtl_ids(void)
{
    Nic n = nic_start("rtl8139");

    nic_enable(&n, 1, 0);
    g_assert_cmphex(nic_cfg_read(&n, 0), ==, 0x813910ec);
    g_assert_cmphex(nic_cfg_read(&n, 8), ==, 0x02000020);
    g_assert_cmphex(readl(n.qts, MMIO), ==, 0x12005452);
    g_assert_cmphex(inw(n.qts, PORT + 4), ==, 0x5634);
    g_assert_cmphex(eeprom_word(&n, 0), ==, 0x8129);
    g_assert_cmphex(eeprom_word(&n, 7), ==, 0x5452);
    g_assert_cmphex(eeprom_word(&n, 9), ==, 0x5634);
    /* The version says C+; the PHY has a link. */
    g_assert_cmphex(readl(n.qts, MMIO + 0x40) & 0x7cc00000, ==, 0x74800000);
    g_assert_cmphex(readw(n.qts, MMIO + 0x64) & 0x24, ==, 0x24);
    qobject_unref(qmp(n.qts, "{'execute':'set_link','arguments':"
                             "{'name':'n','up':false}}"));
    g_assert_cmphex(readw(n.qts, MMIO + 0x64) & 0x24, ==, 0);
    g_assert_cmphex(readw(n.qts, MMIO + 0x3e), ==, 0x20);
    writew(n.qts, MMIO + 0x3e, 0x20);
    g_assert_cmphex(readw(n.qts, MMIO + 0x3e), ==, 0);
    nic_stop(&n);
}

/* 33 MHz: TimerInt of 33000 is a millisecond. */
static void test_rtl_timer(void)
{
    Nic n = nic_start("rtl8139");

    nic_enable(&n, 1, 0);
    rtl_reset(&n);
    writel(n.qts, MMIO + 0x48, 0);
    writel(n.qts, MMIO + 0x54, 33000);
    clock_step(n.qts, 990000);
    g_assert_cmphex(readw(n.qts, MMIO + 0x3e) & 0x4000, ==, 0);
    clock_step(n.qts, 11000);
    g_assert_cmphex(readw(n.qts, MMIO + 0x3e) & 0x4000, ==, 0x4000);
    g_assert_cmpuint(readl(n.qts, MMIO + 0x48), >=, 33000);
    g_assert_cmpuint(readl(n.qts, MMIO + 0x48), <, 33100);
    nic_stop(&n);
}

static void test_rtl_c_mode(void)
{
    Nic n = nic_start("rtl8139");
    uint8_t f[1514], got[2048];
    uint32_t at = 0, v;

    nic_enable(&n, 1, 0);
    rtl_reset(&n);
    writeb(n.qts, MMIO + 0x37, 0x0c);
    for (unsigned i = 0; i < 6; i++) { /* more than there are registers */
        uint32_t len = 60 + 200 * i;

        make_frame(f, len);
        memwrite(n.qts, 0x10000 + 0x800 * (i % 4), f, len);
        writel(n.qts, MMIO + 0x20 + 4 * (i % 4), 0x10000 + 0x800 * (i % 4));
        writel(n.qts, MMIO + 0x10 + 4 * (i % 4), len);
        g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, len);
        g_assert_cmpint(memcmp(f, got, len), ==, 0);
        g_assert_cmphex(readl(n.qts, MMIO + 0x10 + 4 * (i % 4)) & 0xa000, ==,
                        0xa000);
        g_assert_cmphex(readw(n.qts, MMIO + 0x3e) & 4, ==, 4);
        writew(n.qts, MMIO + 0x3e, 4);
    }
    /* An 8 KiB ring, wrapped over several times; nothing may get lost
     * although the reader is slow. */
    writel(n.qts, MMIO + 0x30, 0x20000);
    writel(n.qts, MMIO + 0x44, 0x0000000a); /* mine, broadcast */
    for (unsigned i = 0; i < 20; i++) {
        make_frame(f, 1000 + i);
        wire_send(&n, f, 1000 + i);
    }
    for (unsigned i = 0; i < 20; i++) {
        uint32_t len = 1000 + i, part;

        while (readb(n.qts, MMIO + 0x37) & 1) {
        }
        v = readl(n.qts, 0x20000 + at);
        g_assert_cmphex(v & 0xffff, ==, 0x4001);
        g_assert_cmpuint(v >> 16, ==, len + 4);
        make_frame(f, len);
        part = MIN(len, 0x2000 - (at + 4));
        memread(n.qts, 0x20000 + at + 4, got, part);
        memread(n.qts, 0x20000, got + part, len - part);
        g_assert_cmpint(memcmp(f, got, len), ==, 0);
        at = ROUND_UP(at + 8 + len, 4) & 0x1fff;
        writew(n.qts, MMIO + 0x38, at - 16);
    }
    /* Not for us. */
    f[5]++;
    wire_send(&n, f, 100);
    f[0] = 0x01;
    wire_send(&n, f, 100);
    memset(f, 0xff, 6);
    wire_send(&n, f, 60);
    while (readb(n.qts, MMIO + 0x37) & 1) {
    }
    g_assert_cmphex(readl(n.qts, 0x20000 + at), ==, 64 << 16 | 0x2001);
    nic_stop(&n);
}

static void desc(Nic *n, uint64_t at, uint32_t cmd, uint32_t vlan,
                 uint64_t buf)
{
    writel(n->qts, at + 4, vlan);
    writeq(n->qts, at + 8, buf);
    writel(n->qts, at, cmd);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static uint32_t sum16(const uint8_t *p, size_t len)
{
    uint32_t s = 0;

    for (size_t i = 0; i < len; i++) {
        s += i & 1 ? p[i] : p[i] << 8;
    }
    return s;
}

static uint16_t fold(uint32_t s)
{
    s = (s & 0xffff) + (s >> 16);
    return (s & 0xffff) + (s >> 16);
}

/* An IPv4/TCP frame without checksums. */
static void make_tcp(uint8_t *f, uint32_t payload)
{
    make_frame(f, 54 + payload);
    put16(f + 12, 0x0800);
    memset(f + 14, 0, 40);
    f[14] = 0x45;
    put16(f + 16, 40 + payload);
    f[22] = 64;
    f[23] = 6;
    f[26] = 10;
    f[30] = 10;
    f[46] = 5 << 4;
    f[47] = 0x18;
}

static void check_tcp(const uint8_t *f, uint32_t len)
{
    uint32_t total = f[16] << 8 | f[17];

    g_assert_cmpuint(total, ==, len - 14);
    g_assert_cmphex(fold(sum16(f + 14, 20)), ==, 0xffff);
    g_assert_cmphex(fold(sum16(f + 26, 8) + 6 + total - 20 +
                         sum16(f + 34, total - 20)), ==, 0xffff);
}

static void rtl_plus(Nic *n)
{
    nic_enable(n, 1, 0);
    rtl_reset(n);
    writew(n->qts, MMIO + 0xe0, 0x63); /* both engines, checksums, VLAN */
    writel(n->qts, MMIO + 0x20, 0x10000);
    writel(n->qts, MMIO + 0x24, 0);
    writel(n->qts, MMIO + 0xe4, 0x11000);
    writel(n->qts, MMIO + 0xe8, 0);
    writeb(n->qts, MMIO + 0x37, 0x0c);
    writel(n->qts, MMIO + 0x44, 0x0a);
}

static void test_rtl_plus(void)
{
    Nic n = nic_start("rtl8139");
    uint8_t f[9000], got[9100];
    uint32_t len;

    rtl_plus(&n);
    /* Two fragments, checksums, a VLAN tag. */
    make_tcp(f, 101);
    memwrite(n.qts, 0x20000, f, 155);
    desc(&n, 0x10000, 0xa0000000 | 50, 0, 0x20000);
    desc(&n, 0x10010, 0x90000000 | 0x50000 | 105, 0x20000 | 0x3412, 0x20032);
    desc(&n, 0x10020, 0, 0, 0);
    writeb(n.qts, MMIO + 0xd9, 0x40);
    g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, 159);
    g_assert_cmphex(got[12], ==, 0x81);
    g_assert_cmphex(got[14], ==, 0x12);
    g_assert_cmphex(got[15], ==, 0x34);
    memmove(got + 12, got + 16, 143);
    check_tcp(got, 155);
    g_assert_cmphex(readl(n.qts, 0x10010) >> 31, ==, 0);
    /* Segmentation: 5000 bytes in pieces of 1460. */
    make_tcp(f, 5000);
    memwrite(n.qts, 0x20000, f, 5054);
    desc(&n, 0x10020, 0xf8000000 | 1460 << 16 | 5054, 0, 0x20000);
    writeb(n.qts, MMIO + 0xd9, 0x40);
    for (unsigned off = 0; off < 5000; off += 1460) {
        uint32_t want = MIN(1460, 5000 - off), seq;

        len = wire_recv(&n, got, sizeof(got));
        g_assert_cmpuint(len, ==, 54 + want);
        check_tcp(got, len);
        seq = got[40] << 8 | got[41];
        g_assert_cmpuint(seq, ==, off);
        g_assert_cmpint(memcmp(got + 54, f + 54 + off, want), ==, 0);
    }
    /* In: no descriptor first; it is told, and gets the frame later. */
    make_tcp(f, 10);
    wire_send(&n, f, 64);
    while (!(readw(n.qts, MMIO + 0x3e) & 0x10)) {
    }
    desc(&n, 0x11000, 0xc0000000 | 1600, 0, 0x30000);
    writew(n.qts, MMIO + 0x3e, 0x10);
    while (readl(n.qts, 0x11000) >> 31) {
    }
    /* Own address, TCP, both sums wrong, 64 bytes and four more. */
    g_assert_cmphex(readl(n.qts, 0x11000), ==, 0x7201a000 | 68);
    memread(n.qts, 0x30000, got, 64);
    g_assert_cmpint(memcmp(f, got, 64), ==, 0);
    nic_stop(&n);
}

/* CVE-2015-5165: headers whose lengths contradict each other. */
static void test_rtl_bad_headers(void)
{
    static const struct { unsigned at; uint8_t v; } twists[] = {
        { 14, 0x40 }, { 14, 0x4f }, { 14, 0x65 }, { 17, 0 }, { 17, 19 },
        { 16, 0xff }, { 46, 0 }, { 46, 0xf0 }, { 23, 17 }, { 20, 0x20 },
    };
    Nic n = nic_start("rtl8139");
    uint8_t f[1600], got[2048];

    rtl_plus(&n);
    for (unsigned i = 0; i < ARRAY_SIZE(twists); i++) {
        for (unsigned lso = 0; lso < 2; lso++) {
            make_tcp(f, 20);
            f[twists[i].at] = twists[i].v;
            memwrite(n.qts, 0x20000, f, 74);
            desc(&n, 0x10000, 0xf0000000 | (lso ? 0x08000000 | 100 << 16
                                                : 0x70000) | 74, 0, 0x20000);
            writeb(n.qts, MMIO + 0xd9, 0x40);
            g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, 74);
            g_assert_cmpint(memcmp(f + 54, got + 54, 20), ==, 0);
        }
    }
    nic_stop(&n);
}

/* ---- e1000 --------------------------------------------------------------- */

static void test_e1000(void)
{
    Nic n = nic_start("e1000");
    uint8_t f[9000], got[9100];
    uint32_t len;

    nic_enable(&n, 0, 1);
    g_assert_cmphex(nic_cfg_read(&n, 0), ==, 0x100e8086);
    g_assert_cmphex(readl(n.qts, MMIO + 0x5400), ==, 0x12005452);
    /* EERD: the EEPROM's words sum up to 0xbaba. */
    len = 0;
    for (unsigned i = 0; i < 64; i++) {
        writel(n.qts, MMIO + 0x14, i << 8 | 1);
        g_assert_cmphex(readl(n.qts, MMIO + 0x14) & 0x10, ==, 0x10);
        len += readl(n.qts, MMIO + 0x14) >> 16;
    }
    g_assert_cmphex(len & 0xffff, ==, 0xbaba);
    /* Transmit: context for TCP segmentation, then data. */
    make_tcp(f, 3000);
    /* The driver leaves the pseudo header's sum without length. */
    put16(f + 50, fold(sum16(f + 26, 8) + 6));
    put16(f + 16, 0);
    memwrite(n.qts, 0x20000, f, 3054);
    writel(n.qts, MMIO + 0x3800, 0x10000);
    writel(n.qts, MMIO + 0x3804, 0);
    writel(n.qts, MMIO + 0x3808, 128);
    writel(n.qts, MMIO + 0x400, 0x2);
    writel(n.qts, 0x10000, 14 | 24 << 8 | 33 << 16);
    writel(n.qts, 0x10004, 34 | 50 << 8);
    writel(n.qts, 0x10008, 0x20000000 | 0x07000000 | 3000);
    writel(n.qts, 0x1000c, 1460u << 16 | 54 << 8);
    writeq(n.qts, 0x10010, 0x20000);
    writel(n.qts, 0x10018, 0x20000000 | 0x00100000 | 0x0d000000 | 3054);
    writel(n.qts, 0x1001c, 0x300);
    writel(n.qts, MMIO + 0x3818, 2);
    for (unsigned off = 0; off < 3000; off += 1460) {
        uint32_t want = MIN(1460, 3000 - off);

        len = wire_recv(&n, got, sizeof(got));
        g_assert_cmpuint(len, ==, 54 + want);
        check_tcp(got, len);
        g_assert_cmpint(memcmp(got + 54, f + 54 + off, want), ==, 0);
    }
    g_assert_cmphex(readl(n.qts, 0x1001c) & 1, ==, 1);
    g_assert_cmpuint(readl(n.qts, MMIO + 0x3810), ==, 2);
    g_assert_cmphex(readl(n.qts, MMIO + 0xc0) & 3, ==, 3);
    g_assert_cmphex(readl(n.qts, MMIO + 0xc0), ==, 0); /* read clears */
    /* Receive: nothing is lost until there are descriptors. */
    writel(n.qts, MMIO + 0x100, 0x8002);
    for (unsigned i = 0; i < 5; i++) {
        make_frame(f, 100 + i);
        wire_send(&n, f, 100 + i);
    }
    writel(n.qts, MMIO + 0x2800, 0x11000);
    writel(n.qts, MMIO + 0x2804, 0);
    writel(n.qts, MMIO + 0x2808, 128);
    for (unsigned i = 0; i < 8; i++) {
        writeq(n.qts, 0x11000 + 16 * i, 0x30000 + 0x800 * i);
        writeq(n.qts, 0x11008 + 16 * i, 0);
    }
    writel(n.qts, MMIO + 0x2818, 7);
    for (unsigned i = 0; i < 5; i++) {
        while (!(readl(n.qts, 0x1100c + 16 * i) & 1)) {
        }
        g_assert_cmpuint(readw(n.qts, 0x11008 + 16 * i), ==, 104 + i);
        make_frame(f, 100 + i);
        memread(n.qts, 0x30000 + 0x800 * i, got, 100 + i);
        g_assert_cmpint(memcmp(f, got, 100 + i), ==, 0);
    }
    nic_stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtl8139/ids", test_rtl_ids);
    g_test_add_func("/rtl8139/timer", test_rtl_timer);
    g_test_add_func("/rtl8139/c-mode", test_rtl_c_mode);
    g_test_add_func("/rtl8139/c-plus", test_rtl_plus);
    g_test_add_func("/rtl8139/bad-headers", test_rtl_bad_headers);
    g_test_add_func("/e1000/rings", test_e1000);
    return g_test_run();
}
