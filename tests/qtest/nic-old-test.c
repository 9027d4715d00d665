/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ne2k_isa, ne2k_pci and pcnet by their registers. */
#include "osdep.h"
#include "nic-lib.h"

#define RX_PAGES 0x46 /* first page of the receive ring */
#define END_PAGE 0x80

/* ---- NE2000 ---------------------------------------------------------------- */

static uint16_t ne_base;

static void ne_start_dma(Nic *n, uint16_t at, uint16_t len, uint8_t op)
{
    outb(n->qts, ne_base + 8, at);
    outb(n->qts, ne_base + 9, at >> 8);
    outb(n->qts, ne_base + 10, len);
    outb(n->qts, ne_base + 11, len >> 8);
    outb(n->qts, ne_base, op);
}

static void ne_get(Nic *n, uint16_t at, uint8_t *buf, uint16_t len)
{
    ne_start_dma(n, at, len, 0x0a);
    for (unsigned i = 0; i < len; i += 2) {
        uint16_t v = inw(n->qts, ne_base + 16);

        buf[i] = v;
        if (i + 1 < len) {
            buf[i + 1] = v >> 8;
        }
    }
}

static void ne_put(Nic *n, uint16_t at, const uint8_t *buf, uint16_t len)
{
    ne_start_dma(n, at, ROUND_UP(len, 2), 0x12);
    for (unsigned i = 0; i < len; i += 2) {
        outw(n->qts, ne_base + 16, buf[i] | buf[MIN(i + 1, len - 1u)] << 8);
    }
}

static Nic ne_start(const char *model)
{
    static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
    Nic n = nic_start(model);

    ne_base = 0x300;
    if (!strcmp(model, "ne2k_pci")) {
        nic_enable(&n, -1, 0);
        ne_base = NIC_PORT;
    }
    inb(n.qts, ne_base + 0x1f);
    g_assert_cmphex(inb(n.qts, ne_base + 7), ==, 0x80);
    outb(n.qts, ne_base, 0x21);
    outb(n.qts, ne_base + 14, 0x49); /* words */
    outb(n.qts, ne_base + 12, 0x0c); /* broadcast, multicast */
    outb(n.qts, ne_base + 1, RX_PAGES);
    outb(n.qts, ne_base + 2, END_PAGE);
    outb(n.qts, ne_base + 3, RX_PAGES);
    outb(n.qts, ne_base + 15, 0x7f);
    outb(n.qts, ne_base, 0x61);
    for (unsigned i = 0; i < 6; i++) {
        outb(n.qts, ne_base + 1 + i, mac[i]);
    }
    outb(n.qts, ne_base + 7, RX_PAGES);
    outb(n.qts, ne_base, 0x22);
    return n;
}

static void ne_send(Nic *n, const uint8_t *f, uint16_t len)
{
    ne_put(n, 0x4000, f, len);
    outb(n->qts, ne_base + 4, 0x40);
    outb(n->qts, ne_base + 5, len);
    outb(n->qts, ne_base + 6, len >> 8);
    outb(n->qts, ne_base + 7, 0x7f);
    outb(n->qts, ne_base, 0x26);
}

static void test_ne_frames(const void *model)
{
    Nic n = ne_start(model);
    uint8_t f[1514], got[2048], page = RX_PAGES;

    ne_get(&n, 0, got, 32);
    g_assert_cmphex(got[0], ==, 0x52);
    g_assert_cmphex(got[1], ==, 0x52);
    g_assert_cmphex(got[10], ==, 0x56);
    g_assert_cmphex(got[28], ==, 0x57);
    g_assert_cmphex(inb(n.qts, ne_base + 7) & 0x40, ==, 0x40);
    for (unsigned len = 60; len <= 1514; len += 727) {
        make_frame(f, len);
        ne_send(&n, f, len);
        g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, len);
        g_assert_cmpint(memcmp(f, got, len), ==, 0);
        g_assert_cmphex(inb(n.qts, ne_base + 7) & 2, ==, 2);
        g_assert_cmphex(inb(n.qts, ne_base), ==, 0x22);
        g_assert_cmphex(inb(n.qts, ne_base + 4), ==, 1);
    }
    /* Several times the ring's 58 pages, read slowly: nothing gets lost. */
    for (unsigned i = 0; i < 60; i++) {
        make_frame(f, 900 + i);
        wire_send(&n, f, 900 + i);
        outb(n.qts, ne_base, 0x20); /* without STA: it runs on */
    }
    for (unsigned i = 0; i < 60; i++) {
        uint32_t len = 900 + i;

        for (;;) { /* CURR in page 1 */
            uint8_t curr;

            outb(n.qts, ne_base, 0x62);
            curr = inb(n.qts, ne_base + 7);
            outb(n.qts, ne_base, 0x22);
            if (curr != page) {
                break;
            }
        }
        ne_get(&n, page << 8, got, 4);
        g_assert_cmphex(got[0], ==, 1);
        g_assert_cmpuint(got[2] | got[3] << 8, ==, len + 4);
        make_frame(f, len);
        /* Remote DMA wraps as the ring does. */
        ne_get(&n, page << 8, got, len + 4);
        g_assert_cmpint(memcmp(f, got + 4, len), ==, 0);
        page += (len + 8 + 255) / 256;
        if (page >= END_PAGE) {
            page -= END_PAGE - RX_PAGES;
        }
        outb(n.qts, ne_base + 3, page);
    }
    /* Not for us; then one that is. */
    make_frame(f, 100);
    f[5]++;
    wire_send(&n, f, 100);
    memset(f, 0xff, 6);
    wire_send(&n, f, 60);
    while (!(inb(n.qts, ne_base + 12) & 0x20)) {
    }
    ne_get(&n, page << 8, got, 4);
    g_assert_cmphex(got[0], ==, 0x21);
    g_assert_cmpuint(got[2], ==, 64);
    nic_stop(&n);
}

/* PRX that is acknowledged while there are frames comes back. */
static void test_ne_wakeup(const void *model)
{
    Nic n = ne_start(model);
    uint8_t f[100];

    make_frame(f, sizeof(f));
    wire_send(&n, f, sizeof(f));
    while (!(inb(n.qts, ne_base + 7) & 1)) {
    }
    outb(n.qts, ne_base + 7, 1); /* CURR was not looked at */
    g_assert_cmphex(inb(n.qts, ne_base + 7) & 1, ==, 1);
    wire_send(&n, f, sizeof(f));
    wire_send(&n, f, sizeof(f));
    outb(n.qts, ne_base, 0x62);
    while (inb(n.qts, ne_base + 7) != RX_PAGES + 3) {
    }
    outb(n.qts, ne_base, 0x22);
    outb(n.qts, ne_base + 7, 1); /* it was, but frames are left */
    g_assert_cmphex(inb(n.qts, ne_base + 7) & 1, ==, 1);
    outb(n.qts, ne_base + 3, RX_PAGES + 2);
    outb(n.qts, ne_base + 7, 1);
    g_assert_cmphex(inb(n.qts, ne_base + 7) & 1, ==, 0);
    nic_stop(&n);
}

/* CVE-2015-5278, -5279 and their kin: pages outside memory, rings that are
 * none, transfers over every end. */
static void test_ne_hostile(const void *model)
{
    static const uint8_t pages[][3] = { /* start, stop, current */
        { 0x46, 0x46, 0x46 }, { 0x80, 0x46, 0x50 }, { 0x00, 0xff, 0xfe },
        { 0xb8, 0xff, 0xbf }, { 0x46, 0x80, 0xff }, { 0x46, 0x80, 0x00 },
        { 0xff, 0xff, 0xff }, { 0x46, 0x47, 0x46 },
    };
    Nic n = ne_start(model);
    uint8_t f[1514];

    make_frame(f, sizeof(f));
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        outb(n.qts, ne_base, 0x21);
        outb(n.qts, ne_base + 1, pages[i][0]);
        outb(n.qts, ne_base + 2, pages[i][1]);
        outb(n.qts, ne_base + 3, pages[i][0]);
        outb(n.qts, ne_base, 0x61);
        outb(n.qts, ne_base + 7, pages[i][2]);
        outb(n.qts, ne_base, 0x22);
        wire_send(&n, f, sizeof(f));
        wire_send(&n, f, 60);
        qobject_unref(qmp(n.qts, "{'execute':'query-status'}"));
        ne_start_dma(&n, (pages[i][1] << 8) - 3, 0xffff, 0x0a);
        for (unsigned k = 0; k < 8; k++) {
            inl(n.qts, ne_base + 16);
        }
        ne_start_dma(&n, 0xfffe, 0xffff, 0x12);
        for (unsigned k = 0; k < 8; k++) {
            outl(n.qts, ne_base + 16, 0x55555555);
        }
    }
    /* A frame over the end of memory. */
    outb(n.qts, ne_base + 4, 0xbf);
    outb(n.qts, ne_base + 5, 0xff);
    outb(n.qts, ne_base + 6, 0xff);
    outb(n.qts, ne_base, 0x26);
    g_assert_cmphex(inb(n.qts, ne_base), ==, 0x22);
    nic_stop(&n);
}

/* ---- PCnet ------------------------------------------------------------------- */

enum { IB = 0x8000, RXR = 0x10000, TXR = 0x11000, RXB = 0x20000, TXB = 0x30000 };
enum { OWN = 0x8000, STP = 0x0200, ENP = 0x0100 };

static uint16_t pc_csr(Nic *n, unsigned r)
{
    outw(n->qts, NIC_PORT + 0x12, r);
    return inw(n->qts, NIC_PORT + 0x10);
}

static void pc_set_csr(Nic *n, unsigned r, uint16_t v)
{
    outw(n->qts, NIC_PORT + 0x12, r);
    outw(n->qts, NIC_PORT + 0x10, v);
}

static void pc_desc(Nic *n, unsigned style, uint32_t ring, unsigned i,
                    uint32_t buf, unsigned len, uint16_t status)
{
    uint32_t at = ring + i * (style ? 16 : 8);
    uint16_t bcnt = -len;

    if (style == 0) {
        writew(n->qts, at + 4, bcnt);
        writew(n->qts, at + 6, 0);
        writel(n->qts, at, (buf & 0xffffff) | (uint32_t)status << 16);
        return;
    }
    writel(n->qts, at + (style == 3 ? 0 : 8), 0);
    writel(n->qts, at + (style == 3 ? 8 : 0), buf);
    writel(n->qts, at + 4, bcnt | (uint32_t)status << 16);
}

static uint16_t pc_status(Nic *n, unsigned style, uint32_t ring, unsigned i)
{
    return style ? readw(n->qts, ring + i * 16 + 6)
                 : readb(n->qts, ring + i * 8 + 3) << 8;
}

static unsigned pc_length(Nic *n, unsigned style, uint32_t ring, unsigned i)
{
    return readw(n->qts, ring + i * (style ? 16 : 8) +
                             (style == 0 ? 6 : style == 3 ? 0 : 8));
}

/* Rings of 8, stopped; @mode goes into the initialization block. */
static void pc_init(Nic *n, unsigned style, uint16_t mode)
{
    static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

    inw(n->qts, NIC_PORT + 0x14);
    outw(n->qts, NIC_PORT + 0x12, 20);
    outw(n->qts, NIC_PORT + 0x16, style);
    qmemset(n->qts, IB, 0, 28);
    writew(n->qts, IB, mode);
    memwrite(n->qts, IB + (style ? 4 : 2), mac, 6);
    if (style) {
        writew(n->qts, IB + 2, 0x3030);
        writel(n->qts, IB + 20, RXR);
        writel(n->qts, IB + 24, TXR);
    } else {
        writel(n->qts, IB + 16, RXR | 3u << 29);
        writel(n->qts, IB + 20, TXR | 3u << 29);
    }
    for (unsigned i = 0; i < 8; i++) {
        pc_desc(n, style, RXR, i, RXB + i * 0x800, 0x100, 0);
        pc_desc(n, style, TXR, i, TXB + i * 0x800, 0x100, 0);
    }
    pc_set_csr(n, 1, IB);
    pc_set_csr(n, 2, 0);
    pc_set_csr(n, 0, 0x41);
    g_assert_cmphex(pc_csr(n, 0), ==, 0x01c1);
    pc_set_csr(n, 0, 0x0142);
}

static void test_pcnet_ids(void)
{
    static const uint8_t want[16] = {
        0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0x11, 0, 0, 0x01, 0x02,
        0x57, 0x57,
    };
    Nic n = nic_start("pcnet");

    nic_enable(&n, 1, 0);
    g_assert_cmphex(nic_cfg_read(&n, 0), ==, 0x20001022);
    g_assert_cmphex(nic_cfg_read(&n, 8), ==, 0x02000010);
    g_assert_cmphex(nic_cfg_read(&n, 0x2c), ==, 0);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(inb(n.qts, NIC_PORT + i), ==, want[i]);
        g_assert_cmphex(readb(n.qts, NIC_MMIO + i), ==, want[i]);
    }
    g_assert_cmphex(pc_csr(&n, 0), ==, 0x0004);
    g_assert_cmphex(pc_csr(&n, 4), ==, 0x0115);
    g_assert_cmphex(pc_csr(&n, 88), ==, 0x1003);
    g_assert_cmphex(pc_csr(&n, 89), ==, 0x0262);
    outw(n.qts, NIC_PORT + 0x12, 4);
    g_assert_cmphex(inw(n.qts, NIC_PORT + 0x16), ==, 0x80c0);
    qobject_unref(qmp(n.qts, "{'execute':'set_link','arguments':"
                             "{'name':'n','up':false}}"));
    g_assert_cmphex(inw(n.qts, NIC_PORT + 0x16), ==, 0x00c0);
    /* A double word turns the ports into double words, a reset undoes it. */
    outl(n.qts, NIC_PORT + 0x10, 0);
    outl(n.qts, NIC_PORT + 0x14, 88);
    g_assert_cmphex(inl(n.qts, NIC_PORT + 0x10), ==, 0x1003);
    inl(n.qts, NIC_PORT + 0x18);
    g_assert_cmphex(pc_csr(&n, 88), ==, 0x1003);
    nic_stop(&n);
}

static void test_pcnet_frames(const void *arg)
{
    unsigned style = GPOINTER_TO_UINT(arg);
    Nic n = nic_start("pcnet");
    uint8_t f[1514], got[2048];

    nic_enable(&n, 1, 0);
    pc_init(&n, style, 0);
    /* Out: of one buffer, and of three. */
    make_frame(f, 600);
    memwrite(n.qts, TXB, f, 600);
    pc_desc(&n, style, TXR, 0, TXB, 200, OWN | STP | ENP);
    pc_set_csr(&n, 0, 0x48);
    g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, 200);
    g_assert_cmpint(memcmp(f, got, 200), ==, 0);
    g_assert_cmphex(pc_csr(&n, 0) & 0x0280, ==, 0x0280);
    pc_set_csr(&n, 0, 0x0240);
    g_assert_cmphex(pc_csr(&n, 0) & 0x0280, ==, 0);
    pc_desc(&n, style, TXR, 3, TXB + 300, 300, OWN | ENP);
    pc_desc(&n, style, TXR, 2, TXB + 100, 200, OWN);
    pc_desc(&n, style, TXR, 1, TXB, 100, OWN | STP);
    /* No demand: the chip looks by itself. */
    clock_step(n.qts, 2000000);
    g_assert_cmpuint(wire_recv(&n, got, sizeof(got)), ==, 600);
    g_assert_cmpint(memcmp(f, got, 600), ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(pc_status(&n, style, TXR, i) & 0xc000, ==, 0);
    }
    /* In: no descriptor at first; then over three of 256 bytes. */
    wire_send(&n, f, 600);
    wire_send(&n, f, 60);
    qobject_unref(qmp(n.qts, "{'execute':'query-status'}"));
    for (int i = 3; i >= 0; i--) {
        pc_desc(&n, style, RXR, i, RXB + i * 0x800, 0x100, OWN);
    }
    while (pc_status(&n, style, RXR, 3) & OWN) {
        clock_step(n.qts, 2000000);
    }
    g_assert_cmphex(pc_csr(&n, 0) & 0x1400, ==, 0x0400);
    g_assert_cmphex(pc_status(&n, style, RXR, 0) & 0x4700, ==, STP);
    g_assert_cmphex(pc_status(&n, style, RXR, 1) & 0x4700, ==, 0);
    g_assert_cmphex(pc_status(&n, style, RXR, 2) & 0x4700, ==, ENP);
    g_assert_cmphex(pc_status(&n, style, RXR, 3) & 0x4700, ==, STP | ENP);
    if (style) {
        g_assert_cmphex(pc_status(&n, style, RXR, 3) & 0x70, ==, 0x40);
    }
    g_assert_cmpuint(pc_length(&n, style, RXR, 2), ==, 604);
    g_assert_cmpuint(pc_length(&n, style, RXR, 3), ==, 64);
    for (unsigned i = 0; i < 3; i++) {
        memread(n.qts, RXB + i * 0x800, got + i * 256, 256);
    }
    g_assert_cmpint(memcmp(f, got, 600), ==, 0);
    qobject_unref(qmp(n.qts, "{'execute':'x-vmstate-roundtrip'}"));
    memset(f, 0xff, 6);
    pc_desc(&n, style, RXR, 4, RXB, 0x800, OWN);
    wire_send(&n, f, 100);
    while (pc_status(&n, style, RXR, 4) & OWN) {
        clock_step(n.qts, 2000000);
    }
    g_assert_cmpuint(pc_length(&n, style, RXR, 4), ==, 104);
    nic_stop(&n);
}

/*
 * CVE-2015-3209, -7504, -7512: frames of more buffers than any memory of the
 * card's, also in loopback, where an FCS is added; rings and blocks in its own
 * registers.
 */
static void test_pcnet_hostile(void)
{
    Nic n = nic_start("pcnet");
    uint8_t f[9000];

    nic_enable(&n, 1, 0);
    for (unsigned mode = 0; mode < 8; mode += 4) {
        pc_init(&n, 2, mode);
        for (unsigned i = 0; i < 8; i++) {
            pc_desc(&n, 2, RXR, i, RXB, 0x100, OWN);
            pc_desc(&n, 2, TXR, i, TXB, 4096,
                    OWN | (i == 0 ? STP : i == 7 ? ENP : 0));
        }
        pc_set_csr(&n, 0, 0x48);
        g_assert_cmphex(pc_status(&n, 2, TXR, 7) & OWN, ==, 0);
        /* Starts and never ends. */
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned i = 0; i < 8; i++) {
                pc_desc(&n, 2, TXR, i, TXB, 4096, OWN);
            }
            pc_set_csr(&n, 0, 0x48);
        }
    }
    g_assert_cmpuint(wire_recv(&n, f, sizeof(f)), ==, 4096);
    /* From a length that the frame does not fit in. */
    pc_init(&n, 2, 0x8000);
    pc_desc(&n, 2, RXR, 0, RXB, 1, OWN);
    make_frame(f, sizeof(f));
    wire_send(&n, f, 60);
    wire_send(&n, f, 4093);
    wire_send(&n, f, 9000);
    while (pc_status(&n, 2, RXR, 0) & OWN) {
        clock_step(n.qts, 2000000);
    }
    g_assert_cmphex(pc_status(&n, 2, RXR, 0) & 0x4700, ==,
                    0x4000 | 0x0400 | STP | ENP);
    /* The card reads and writes itself. */
    pc_init(&n, 2, 0);
    pc_desc(&n, 2, TXR, 0, NIC_MMIO, 32, OWN | STP | ENP);
    pc_desc(&n, 2, RXR, 0, NIC_MMIO + 0x10, 32, OWN);
    wire_send(&n, f, 60);
    pc_set_csr(&n, 0, 0x48);
    pc_set_csr(&n, 0, 0x04);
    pc_set_csr(&n, 24, (uint16_t)NIC_MMIO);
    pc_set_csr(&n, 25, NIC_MMIO >> 16);
    pc_set_csr(&n, 30, (uint16_t)NIC_MMIO);
    pc_set_csr(&n, 31, NIC_MMIO >> 16);
    pc_set_csr(&n, 76, 0);
    pc_set_csr(&n, 78, 0);
    pc_set_csr(&n, 0, 0x4a);
    clock_step(n.qts, 10000000);
    pc_set_csr(&n, 0, 0x04);
    pc_set_csr(&n, 1, (uint16_t)NIC_MMIO);
    pc_set_csr(&n, 2, NIC_MMIO >> 16);
    pc_set_csr(&n, 0, 0x01);
    g_assert_cmphex(pc_csr(&n, 88), ==, 0x1003);
    nic_stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ne2k_isa/frames", "ne2k_isa", test_ne_frames);
    g_test_add_data_func("/ne2k_pci/frames", "ne2k_pci", test_ne_frames);
    g_test_add_data_func("/ne2k_pci/wakeup", "ne2k_pci", test_ne_wakeup);
    g_test_add_data_func("/ne2k_isa/hostile", "ne2k_isa", test_ne_hostile);
    g_test_add_data_func("/ne2k_pci/hostile", "ne2k_pci", test_ne_hostile);
    g_test_add_func("/pcnet/ids", test_pcnet_ids);
    g_test_add_data_func("/pcnet/style0", GUINT_TO_POINTER(0),
                         test_pcnet_frames);
    g_test_add_data_func("/pcnet/style2", GUINT_TO_POINTER(2),
                         test_pcnet_frames);
    g_test_add_data_func("/pcnet/style3", GUINT_TO_POINTER(3),
                         test_pcnet_frames);
    g_test_add_func("/pcnet/hostile", test_pcnet_hostile);
    return g_test_run();
}
