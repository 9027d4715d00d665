/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB controllers by their registers: a control transfer over UHCI, and random
 * registers and schedules (USB_OPS operations, default 2000, from USB_SEED).
 */
#include "osdep.h"
#include "libqtest.h"

#define MMIO 0xe0000000u
#define PORT 0xc000
#define SLOT 4

static uint32_t cfg(unsigned reg)
{
    return 0x80000000u | SLOT << 11 | reg;
}

static QTestState *start(const char *hc, unsigned bar, const char *more)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-device %s,id=hc,addr=%u %s", hc, SLOT, more);

    outl(s, 0xcf8, cfg(0x10 + 4 * bar));
    outl(s, 0xcfc, bar ? PORT : MMIO);
    outl(s, 0xcf8, cfg(4));
    outw(s, 0xcfc, 7);
    return s;
}

static void put_td(QTestState *s, uint32_t at, uint32_t link, uint8_t pid,
                   unsigned addr, int len, uint32_t buf)
{
    writel(s, at, link);
    writel(s, at + 4, 0x18800000);
    writel(s, at + 8, (uint32_t)((len - 1) & 0x7ff) << 21 | addr << 8 | pid);
    writel(s, at + 12, buf);
}

/* GET_DESCRIPTOR(device) of a tablet on port 1; UHCI guide, 3. */
static void test_uhci_control(void)
{
    static const uint8_t setup[8] = { 0x80, 6, 0, 1, 0, 0, 18, 0 };
    static const uint8_t want[18] = {
        18, 1, 0, 2, 0, 0, 0, 8, 0x27, 0x06, 1, 0, 0, 0, 1, 3, 10, 1,
    };
    QTestState *s = start("piix3-usb-uhci", 4, "-device usb-tablet");
    uint8_t got[18];

    g_assert_cmphex(inw(s, PORT + 0x02), ==, 0x20);
    g_assert_cmphex(inw(s, PORT + 0x10) & 0x3, ==, 3); /* connected, changed */
    g_assert_cmphex(inw(s, PORT + 0x12) & 0x1, ==, 0);
    outw(s, PORT + 0x10, 0x200 | 2);
    outw(s, PORT + 0x10, 0x4);
    g_assert_cmphex(inw(s, PORT + 0x10) & 0x7, ==, 5);
    memwrite(s, 0x20000, setup, 8);
    put_td(s, 0x11000, 0x11024, 0x2d, 0, 8, 0x20000);
    put_td(s, 0x11020, 0x11044, 0x69, 0, 8, 0x20100);
    put_td(s, 0x11040, 0x11064, 0x69, 0, 8, 0x20108);
    put_td(s, 0x11060, 0x11084, 0x69, 0, 8, 0x20110);
    put_td(s, 0x11080, 1, 0xe1, 0, 0, 0);
    writel(s, 0x10000, 1);
    writel(s, 0x10004, 0x11000);
    for (unsigned i = 0; i < 1024; i++) {
        writel(s, 0x18000 + 4 * i, 0x10000 | 2);
    }
    outl(s, PORT + 0x08, 0x18000);
    outw(s, PORT + 0x00, 0x81);
    clock_step(s, 20000000);
    memread(s, 0x20100, got, 18);
    g_assert_cmpint(memcmp(got, want, 18), ==, 0);
    g_assert_cmphex(readl(s, 0x10004), ==, 1);
    g_assert_cmphex(readl(s, 0x11064) & 0x00fe07ff, ==, 1); /* two bytes */
    outw(s, PORT + 0x00, 0);
    g_assert_cmphex(inw(s, PORT + 0x02) & 0x20, ==, 0x20);
    qtest_quit(s);
}

static void test_ports(void)
{
    QTestState *s = start("piix3-usb-uhci", 4,
                          "-device usb-hub,id=h1,port=1 "
                          "-device usb-hub,port=1.1 -device usb-hub,port=1.1.1 "
                          "-device usb-hub,port=1.1.1.1 "
                          "-device usb-hub,port=1.1.1.1.1 "
                          "-device usb-kbd,id=k,port=1.1.1.1.1.2");
    g_autofree char *text = hmp(s, "info usb");
    QObject *r;

    g_assert_nonnull(strstr(text, "Port 1.1.1.1.1.2, Speed 12 Mb/s, Product "
                                  "QEMU USB Keyboard, ID: k"));
    r = qmp(s, "{'execute':'device_add','arguments':{'driver':'usb-hub',"
               "'port':'1.1.1.1.1.1'}}");
    g_assert_nonnull(strstr(qdict_get_str(qdict_get(r, "error"), "desc"),
                            "too deep"));
    qobject_unref(r);
    r = qmp(s, "{'execute':'device_add','arguments':{'driver':'usb-mouse',"
               "'port':'1.1.1.1.1.2'}}");
    g_assert_nonnull(strstr(qdict_get_str(qdict_get(r, "error"), "desc"),
                            "in use"));
    qobject_unref(r);
    for (unsigned i = 0; i < 20; i++) {
        qobject_unref(qmp(s, "{'execute':'device_add','arguments':"
                             "{'driver':'usb-mouse','id':'m'}}"));
        qobject_unref(qmp(s, "{'execute':'device_del','arguments':"
                             "{'id':'m'}}"));
        qobject_unref(qmp_wait_event(s, "DEVICE_DELETED"));
    }
    /* With a hub go those behind it. */
    qobject_unref(qmp(s, "{'execute':'device_del','arguments':{'id':'h1'}}"));
    g_free(g_steal_pointer(&text));
    text = hmp(s, "info usb");
    g_assert_null(strstr(text, "Port 1"));
    qtest_quit(s);
}

/* ---- hostile drivers ----------------------------------------------------- */

static uint64_t state;

static uint32_t pick(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % n;
}

/* Words of schedules: links among a few places, tokens, lengths. */
static uint32_t word(void)
{
    static const uint8_t pids[] = { 0x69, 0xe1, 0x2d, 0x00 };

    switch (pick(8)) {
    case 0:
        return 0x10000 + 32 * pick(64) + pick(8);
    case 1:
        return 0x10000 + 32 * pick(64) + 2;
    case 2:
        return 0x18800000 | pick(0x800);
    case 7:
        return pick(0x800) << 21 | pick(16) << 15 | pick(3) << 8 |
               pids[pick(4)];
    case 3: /* xHCI: transfers, commands, links; both cycles */
        return (1 + pick(24)) << 10 | pick(2) | pick(0x40) << 1 |
               pick(4) << 24 | pick(5) << 16;
    case 4: /* EHCI tokens */
        return pick(0x7fff) << 16 | pick(0x10000) | 0x80;
    case 5:
        return 0x20000 + pick(0x1000);
    default:
        return pick(0x7fffffff) << pick(2);
    }
}

static void fuzz(const char *hc, unsigned bar, unsigned span,
                 const uint16_t *hot, unsigned n_hot)
{
    QTestState *s = start(hc, bar, "-device usb-tablet -device usb-kbd");
    const char *ops = getenv("USB_OPS"), *seed = getenv("USB_SEED");
    long count = ops ? atol(ops) : 2000;

    state = seed ? strtoull(seed, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
    /* xHCI: device contexts, one event ring of 32 blocks. */
    for (unsigned i = 0; i < 65; i++) {
        writeq(s, 0x18000 + 8 * i, 0x1a000 + 0x400 * (i % 4));
    }
    writeq(s, 0x19000, 0x19100);
    writel(s, 0x19008, 32);
    for (long i = 0; i < count; i++) {
        unsigned reg = pick(4) ? hot[pick(n_hot)] : pick(span) & ~3u;
        uint32_t v = word();

        switch (pick(6)) {
        case 0:
            for (unsigned k = 0; k < 16; k++) {
                writel(s, 0x10000 + 4 * pick(1024), word());
            }
            break;
        case 1:
            clock_step(s, 1 + pick(5000000));
            break;
        case 2: /* what makes it run */
            if (bar) {
                outl(s, PORT + 8, 0x10000);
                outw(s, PORT + 0x10, 4);
                outw(s, PORT, 1 | (pick(20) ? 0 : v & 0xff));
            } else if (!strcmp(hc, "qemu-xhci")) {
                writel(s, MMIO + 0x58, 0x10001);
                writel(s, MMIO + 0x5c, 0);
                writel(s, MMIO + 0x70, 0x18000);
                writel(s, MMIO + 0x1028, 1);
                writel(s, MMIO + 0x1030, 0x19000);
                writel(s, MMIO + 0x1034, 0);
                writel(s, MMIO + 0x40, 5);
                writel(s, MMIO + 0x2000 + 4 * pick(4), pick(5));
            } else {
                writel(s, MMIO + 0x34, 0x10000);
                writel(s, MMIO + 0x38, 0x10000 + 32 * pick(64));
                writel(s, MMIO + 0x60, 1);
                writel(s, MMIO + 0x64, 0x1100);
                writel(s, MMIO + 0x64, 0x1000);
                writel(s, MMIO + 0x20, 0x31 | (pick(4) ? 0 : 0x40));
            }
            break;
        case 3:
            if (bar) {
                inl(s, PORT + reg);
            } else {
                readl(s, MMIO + reg);
            }
            break;
        default:
            if (bar) {
                outw(s, PORT + reg, v);
            } else {
                writel(s, MMIO + reg, v);
            }
            break;
        }
    }
    outl(s, 0xcf8, cfg(0));
    g_assert_cmphex(inl(s, 0xcfc), !=, UINT32_MAX);
    qtest_quit(s);
}

static void test_uhci_fuzz(void)
{
    static const uint16_t hot[] = { 0x00, 0x04, 0x10, 0x12 };

    fuzz("piix3-usb-uhci", 4, 0x20, hot, ARRAY_SIZE(hot));
}

static void test_ehci_fuzz(void)
{
    static const uint16_t hot[] = { 0x20, 0x28, 0x34, 0x38, 0x64, 0x68 };

    fuzz("usb-ehci", 0, 0x1000, hot, ARRAY_SIZE(hot));
}

static void test_xhci_fuzz(void)
{
    static const uint16_t hot[] = { 0x40, 0x58, 0x70, 0x440, 0x450, 0x1020,
                                    0x1028, 0x1030, 0x1038, 0x2000, 0x2004,
                                    0x2008 };

    fuzz("qemu-xhci", 0, 0x3000, hot, ARRAY_SIZE(hot));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/usb/uhci/control", test_uhci_control);
    g_test_add_func("/usb/ports", test_ports);
    g_test_add_func("/usb/uhci/fuzz", test_uhci_fuzz);
    g_test_add_func("/usb/ehci/fuzz", test_ehci_fuzz);
    g_test_add_func("/usb/xhci/fuzz", test_xhci_fuzz);
    return g_test_run();
}
