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

/* ---- hostile drivers, by the book of old holes ----------------------------- */

static void run_uhci(QTestState *s, uint32_t link)
{
    for (unsigned i = 0; i < 1024; i++) {
        writel(s, 0x18000 + 4 * i, link);
    }
    outl(s, PORT + 0x08, 0x18000);
    outw(s, PORT + 0x00, 0x81);
    clock_step(s, 20000000);
    outw(s, PORT + 0x00, 0x80);
}

static QTestState *start_uhci(const char *more)
{
    QTestState *s = start("piix3-usb-uhci", 4, more);

    outw(s, PORT + 0x10, 0x200);
    outw(s, PORT + 0x10, 0x4);
    writel(s, 0x10000, 1);
    writel(s, 0x10004, 0x11000);
    return s;
}

/* CVE-2020-14364: wLength beyond the device's buffer, then data stages. */
static void test_setup_length(void)
{
    static const uint8_t setups[][8] = {
        { 0x80, 6, 0, 2, 0, 0, 0xff, 0xff }, { 0x21, 9, 0, 2, 0, 0, 0, 0xff },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(setups); i++) {
        QTestState *s = start_uhci("-device usb-kbd");
        QObject *r;

        memwrite(s, 0x20000, setups[i], 8);
        put_td(s, 0x11000, 0x11024, 0x2d, 0, 8, 0x20000);
        for (unsigned k = 1; k < 20; k++) {
            put_td(s, 0x11000 + 32 * k, 0x11024 + 32 * k, i ? 0xe1 : 0x69, 0,
                   1024, 0x20100);
        }
        run_uhci(s, 0x10002);
        g_assert_cmphex(readl(s, 0x11004) & 0x00c00000, ==, 0x00400000);
        /* And its state can be saved and loaded still. */
        r = qmp(s, "{'execute':'x-vmstate-roundtrip'}");
        g_assert_true(qdict_has(r, "return"));
        qobject_unref(r);
        qtest_quit(s);
    }
}

/* CVE-2024-8354: SETUP to another endpoint than 0. */
static void test_setup_endpoint(void)
{
    QTestState *s = start_uhci("-device usb-kbd");

    put_td(s, 0x11000, 1, 0x2d, 0, 8, 0x20000);
    writel(s, 0x11008, 7u << 21 | 1 << 15 | 0x2d);
    run_uhci(s, 0x10002);
    g_assert_cmphex(readl(s, 0x11004) & 0x00c00000, ==, 0x00400000);
    qtest_quit(s);
}

/* Heads and descriptors that lead to themselves and to each other. */
static void test_uhci_loops(void)
{
    static const uint32_t links[] = { 0x10002, 0x11000 };

    for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
        QTestState *s = start_uhci("-device usb-tablet");

        writel(s, 0x10000, 0x10022);
        writel(s, 0x10004, 0x10022);
        writel(s, 0x10020, 0x10002);
        writel(s, 0x10024, 0x10002);
        put_td(s, 0x11000, 0x11000, 0x69, 0, 8, 0x20000);
        run_uhci(s, links[i]);
        g_assert_cmphex(inw(s, PORT) & 1, ==, 0);
        qtest_quit(s);
    }
}

static void run_ehci(QTestState *s, uint32_t link)
{
    for (unsigned i = 0; i < 1024; i++) {
        writel(s, 0x18000 + 4 * i, link);
    }
    writel(s, MMIO + 0x60, 1);
    writel(s, MMIO + 0x64, 0x1100);
    writel(s, MMIO + 0x64, 0x1000);
    g_assert_cmphex(readl(s, MMIO + 0x64) & 5, ==, 5);
    writel(s, MMIO + 0x34, 0x18000);
    writel(s, MMIO + 0x38, 0x10000);
    writel(s, MMIO + 0x20, link & 1 ? 0x21 : 0x11);
    clock_step(s, 50000000);
}

/* CVE-2015-8558: isochronous lists in circles; the descriptors are executed. */
static void test_ehci_iso(void)
{
    for (unsigned split = 0; split < 2; split++) {
        QTestState *s = start("usb-ehci", 0, "-device usb-tablet");

        /* Each leads to the other.  Nobody has endpoint 5. */
        for (unsigned i = 0; i < 2; i++) {
            uint32_t at = 0x12000 + 64 * i;

            writel(s, at, (0x12000 + 64 * !i) | 4 * split);
            if (split) {
                writel(s, at + 4, 5 << 8 | 0x80000000);
                writel(s, at + 12, 0x80400080);
                writel(s, at + 16, 0x20000);
                writel(s, at + 20, 0x21000);
                continue;
            }
            for (unsigned k = 0; k < 8; k++) {
                writel(s, at + 4 + 4 * k, 0x80408000);
            }
            writel(s, at + 36, 0x20000 | 5 << 8);
            writel(s, at + 40, 0x21000 | 0x800 | 64);
            writel(s, at + 44, 0x22000 | 1);
        }
        run_ehci(s, 0x12000 | 4 * split);
        if (split) {
            g_assert_cmphex(readl(s, 0x1200c) & 0x03ff00ff, ==, 0x00400008);
        } else {
            g_assert_cmphex(readl(s, 0x12004) & 0xffff0000, ==, 0x10000000);
        }
        g_assert_cmphex(readl(s, MMIO + 0x24) & 3, ==, 3);
        qtest_quit(s);
    }
}

/* CVE-2020-25084, 2016-8576's kin: buffers that cannot be mapped, queues
 * without an end. */
static void test_ehci_queue(void)
{
    QTestState *s = start("usb-ehci", 0, "-device usb-tablet");

    writel(s, 0x10000, 0x10002);
    writel(s, 0x10004, 64 << 16 | 0xe000);
    writel(s, 0x10008, 1u << 30);
    writel(s, 0x10010, 0x11000);
    writel(s, 0x10014, 1);
    writel(s, 0x10018, 0);
    writel(s, 0x11000, 0x11000); /* its own successor */
    writel(s, 0x11004, 0x11000);
    writel(s, 0x11008, 0x7fff0c80 | 1 << 8);
    for (unsigned i = 0; i < 5; i++) {
        writel(s, 0x1100c + 4 * i, 0xfffff000);
    }
    run_ehci(s, 1);
    g_assert_cmphex(readl(s, 0x10018) & 0xc0, ==, 0x40);
    qtest_quit(s);
}

/* xHCI: rings of links only; a control transfer without an end; a ring in
 * its own registers. */
static void test_xhci_links(void)
{
    static const uint64_t targets[] = { 0x11000, 0x10000, MMIO + 0x2000,
                                        UINT64_C(0xffffffffffffff00) };

    for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
        QTestState *s = start("qemu-xhci", 0, "-device usb-tablet");

        for (unsigned k = 0; k < 16; k++) {
            writeq(s, 0x11000 + 16 * k, targets[i]);
            writel(s, 0x11008 + 16 * k, 0);
            writel(s, 0x1100c + 16 * k, 6 << 10 | 1 | (k & 1) << 4);
        }
        writeq(s, 0x19000, 0x19100);
        writel(s, 0x19008, 32);
        writel(s, MMIO + 0x58, 0x11001);
        writel(s, MMIO + 0x5c, 0);
        writel(s, MMIO + 0x1028, 1);
        writel(s, MMIO + 0x1030, 0x19000);
        writel(s, MMIO + 0x1034, 0);
        writel(s, MMIO + 0x40, 5);
        for (unsigned k = 0; k < 4; k++) {
            writel(s, MMIO + 0x2000, 0);
        }
        g_assert_cmphex(readl(s, MMIO + 0x44) & 1, ==, 0);
        qtest_quit(s);
    }
}

/* ---- storage ----------------------------------------------------------------- */

/* One bulk transfer of up to 512 bytes by UHCI; the bytes that moved, -1: an
 * error. */
static int bulk(QTestState *s, bool in, uint32_t buf, unsigned len)
{
    unsigned moved = 0, n = 0;

    for (unsigned at = 0; at < len; at += 64, n++) {
        put_td(s, 0x11000 + 32 * n, at + 64 < len ? 0x11024 + 32 * n : 1,
               in ? 0x69 : 0xe1, 0, MIN(64, len - at), buf + at);
        writel(s, 0x11008 + 32 * n,
               readl(s, 0x11008 + 32 * n) | (in ? 1 : 2) << 15);
    }
    writel(s, 0x10004, 0x11000);
    run_uhci(s, 0x10002);
    for (unsigned i = 0; i < n; i++) {
        uint32_t ctrl = readl(s, 0x11004 + 32 * i);

        if (ctrl & 0x00fe0000) {
            return -1;
        }
        moved += (ctrl + 1) & 0x7ff;
    }
    return moved;
}

static void set_config(QTestState *s)
{
    static const uint8_t setup[8] = { 0, 9, 1, 0, 0, 0, 0, 0 };

    memwrite(s, 0x20000, setup, 8);
    put_td(s, 0x11000, 0x11024, 0x2d, 0, 8, 0x20000);
    put_td(s, 0x11020, 1, 0x69, 0, 0, 0);
    writel(s, 0x10004, 0x11000);
    run_uhci(s, 0x10002);
}

static int command(QTestState *s, uint32_t len, bool in, const uint8_t *cdb)
{
    uint8_t b[31] = "USBC";

    b[4] = 0x5a;
    memcpy(b + 8, &len, 4);
    b[12] = in ? 0x80 : 0;
    b[14] = 10;
    memcpy(b + 15, cdb, 10);
    memwrite(s, 0x20000, b, 31);
    return bulk(s, false, 0x20000, 31);
}

static void check_status(QTestState *s, uint32_t residue, uint8_t status)
{
    uint8_t b[13];
    uint32_t got;

    g_assert_cmpint(bulk(s, true, 0x21000, 13), ==, 13);
    memread(s, 0x21000, b, 13);
    memcpy(&got, b + 8, 4);
    g_assert_cmpint(memcmp(b, "USBS\x5a", 5), ==, 0);
    g_assert_cmpint(got, ==, residue);
    g_assert_cmpint(b[12], ==, status);
}

/* BOT 6.7: agreement and disagreement of host and device. */
static void test_storage(void)
{
    static const uint8_t ready[10] = { 0 }, sense[10] = { 3, 0, 0, 0, 18 },
        inquiry[10] = { 0x12, 0, 0, 0, 36 },
        read1[10] = { 0x28, 0, 0, 0, 0, 0, 0, 0, 1 },
        read_far[10] = { 0x28, 0, 0x7f, 0, 0, 0, 0, 0, 1 },
        read_much[10] = { 0x28, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    QTestState *s = start_uhci(
        "-blockdev null-co,node-name=n,size=1M,read-zeroes=on "
        "-device usb-storage,drive=n");

    set_config(s);
    g_assert_cmpint(command(s, 0, false, ready), ==, 31);
    check_status(s, 0, 1); /* unit attention */
    g_assert_cmpint(command(s, 18, true, sense), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 18), ==, 18);
    check_status(s, 0, 0);
    /* More is expected than there is: filled up, and told. */
    g_assert_cmpint(command(s, 64, true, inquiry), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 64), ==, 64);
    g_assert_cmphex(readl(s, 0x21008), ==, 0x554d4551); /* "QEMU" */
    check_status(s, 28, 0);
    g_assert_cmpint(command(s, 512, true, read1), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 512), ==, 512);
    check_status(s, 0, 0);
    /* Less than there is; the other direction: phase errors. */
    g_assert_cmpint(command(s, 64, true, read1), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 64), ==, 64);
    check_status(s, 0, 2);
    g_assert_cmpint(command(s, 64, false, read1), ==, 31);
    g_assert_cmpint(bulk(s, false, 0x21000, 64), ==, 64);
    check_status(s, 64, 2);
    /* Past the end, and more than one command moves here. */
    g_assert_cmpint(command(s, 512, true, read_far), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 512), ==, 512);
    check_status(s, 512, 1);
    g_assert_cmpint(command(s, 64, true, read_much), ==, 31);
    g_assert_cmpint(bulk(s, true, 0x21000, 64), ==, 64);
    check_status(s, 64, 1);
    /* No wrapper: both endpoints stall. */
    g_assert_cmpint(bulk(s, false, 0x21000, 30), ==, -1);
    g_assert_cmpint(bulk(s, true, 0x21000, 13), ==, -1);
    qtest_quit(s);
}

/* ---- random drivers ------------------------------------------------------ */

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
    g_test_add_func("/usb/uhci/setup-length", test_setup_length);
    g_test_add_func("/usb/uhci/setup-endpoint", test_setup_endpoint);
    g_test_add_func("/usb/uhci/loops", test_uhci_loops);
    g_test_add_func("/usb/ehci/iso", test_ehci_iso);
    g_test_add_func("/usb/ehci/queue", test_ehci_queue);
    g_test_add_func("/usb/xhci/links", test_xhci_links);
    g_test_add_func("/usb/storage", test_storage);
    g_test_add_func("/usb/uhci/fuzz", test_uhci_fuzz);
    g_test_add_func("/usb/ehci/fuzz", test_ehci_fuzz);
    g_test_add_func("/usb/xhci/fuzz", test_xhci_fuzz);
    return g_test_run();
}
