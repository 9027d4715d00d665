/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices by hand: identities, a disk over split and packed rings and
 * through the legacy ports, and rings that are wrong in all the ways there
 * are.
 */
#include "osdep.h"
#include "virtio-lib.h"

#define SLOT  4
#define HEAD  (VT_RINGS + 0x10000)
#define DATA  (VT_RINGS + 0x11000)
#define STAT  (VT_RINGS + 0x12000)
#define TABLE (VT_RINGS + 0x13000)

static char *image;

static QTestState *start(const char *more)
{
    return qtest_init("-M pc -m 16M -nodefaults -display none %s", more);
}

static QTestState *start_disk(const char *more)
{
    return qtest_init("-M pc -m 16M -nodefaults -display none "
                      "-drive file=%s,format=raw,if=none,id=d,discard=unmap "
                      "-device virtio-blk-pci,addr=%d,drive=d,serial=ser1%s",
                      image, SLOT, more);
}

/* ---- who they are ------------------------------------------------------------- */

static void test_identity(void)
{
    static const struct {
        const char *dev;
        uint16_t id, legacy;
        uint16_t class_;
    } rows[] = {
        { "virtio-net-pci", 1, 0x1000, 0x0200 },
        { "virtio-rng-pci", 4, 0x1005, 0x00ff },
        { "virtio-balloon-pci", 5, 0x1002, 0x00ff },
        { "virtio-serial-pci", 3, 0x1003, 0x0780 },
        { "virtio-scsi-pci", 8, 0x1004, 0x0100 },
        { "virtio-keyboard-pci", 18, 0, 0x0900 },
        { "virtio-tablet-pci", 18, 0, 0x0980 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned v = 0; v < 3; v++) {
            static const char *const suffix[] = { "", "-transitional",
                                                  "-non-transitional" };
            bool legacy = rows[i].legacy && v < 2;
            g_autofree char *arg = NULL;
            QTestState *s;

            if (v && !rows[i].legacy) {
                continue;
            }
            arg = g_strdup_printf("-device %s%s,addr=4", rows[i].dev,
                                  suffix[v]);
            s = start(arg);
            g_assert_cmphex(vt_cfg_read(s, SLOT, 0), ==,
                            (legacy ? rows[i].legacy : 0x1040u + rows[i].id)
                                    << 16 | 0x1af4);
            g_assert_cmphex(vt_cfg_read(s, SLOT, 8), ==,
                            (uint32_t)rows[i].class_ << 16 | !legacy);
            g_assert_cmphex(vt_cfg_read(s, SLOT, 0x2c) >> 16, ==,
                            legacy ? rows[i].id : 0x1100);
            qtest_quit(s);
        }
    }
}

/* ---- a disk -------------------------------------------------------------------- */

static uint8_t blk_req(VtQueue *q, uint32_t type, uint64_t sector,
                       uint32_t len)
{
    QTestState *s = q->d->qts;
    bool in = type == 0 || type == 8;
    VtBuf b[3] = { { HEAD, 16, false }, { DATA, len, in }, { STAT, 1, true } };

    writel(s, HEAD, type);
    writel(s, HEAD + 4, 0);
    writeq(s, HEAD + 8, sector);
    writeb(s, STAT, 0xff);
    if (len == 0) {
        b[1] = b[2];
    }
    vt_add(q, b, len ? 3 : 2);
    vt_kick(q);
    vt_wait(q);
    return readb(s, STAT);
}

static void use_disk(VtQueue *q)
{
    QTestState *s = q->d->qts;
    char id[20];

    g_assert_cmpuint(readq(s, q->d->bar + VT_DEVICE), ==, 2048);
    /* Round the ring a few times. */
    for (unsigned i = 0; i < 12; i++) {
        qmemset(s, DATA, 0x40 + i, 512);
        g_assert_cmphex(blk_req(q, 1, i, 512), ==, 0);
    }
    for (unsigned i = 0; i < 12; i++) {
        qmemset(s, DATA, 0, 512);
        g_assert_cmphex(blk_req(q, 0, i, 512), ==, 0);
        g_assert_cmphex(readb(s, DATA), ==, 0x40 + i);
        g_assert_cmphex(readb(s, DATA + 511), ==, 0x40 + i);
    }
    g_assert_cmphex(blk_req(q, 8, 0, 20), ==, 0);
    memread(s, DATA, id, 20);
    g_assert_cmpstr(id, ==, "ser1");
    g_assert_cmphex(blk_req(q, 4, 0, 0), ==, 0);
    /* Past the end, half a sector, unknown. */
    g_assert_cmphex(blk_req(q, 0, 2048, 512), ==, 1);
    g_assert_cmphex(blk_req(q, 0, UINT64_MAX, 512), ==, 1);
    g_assert_cmphex(blk_req(q, 1, 0, 100), ==, 1);
    g_assert_cmphex(blk_req(q, 99, 0, 512), ==, 2);
    /* Zeroes on sectors 2 and 3. */
    writeq(s, DATA, 2);
    writel(s, DATA + 8, 2);
    writel(s, DATA + 12, 1);
    g_assert_cmphex(blk_req(q, 13, 0, 16), ==, 0);
    g_assert_cmphex(blk_req(q, 0, 3, 512), ==, 0);
    g_assert_cmphex(readb(s, DATA + 5), ==, 0);
    g_assert_cmphex(blk_req(q, 0, 4, 512), ==, 0);
    g_assert_cmphex(readb(s, DATA + 5), ==, 0x44);
    /* A discard with a flag, and one too long. */
    writel(s, DATA + 8, 1);
    g_assert_cmphex(blk_req(q, 11, 0, 16), ==, 2);
    writel(s, DATA + 12, 0);
    writel(s, DATA + 8, 4096);
    g_assert_cmphex(blk_req(q, 11, 0, 16), ==, 1);
}

static void no_difference(QTestState *s)
{
    g_autoptr(QObject) reply = qmp(s, "{'execute': 'x-vmstate-roundtrip'}");
    const char *text = qdict_get_str(qdict_get(reply, "return"),
                                     "human-readable-text");

    g_assert_nonnull(text);
    g_assert_null(strstr(text, " -> "));
}

static void disk_with(const char *more, uint64_t features)
{
    QTestState *s = start_disk(more);
    VtQueue q;
    VtDev d;

    vt_open(&d, s, SLOT);
    vt_negotiate(&d, features);
    g_assert_cmphex(d.features & features, ==, features);
    vt_queue(&q, &d, 0, 8, VT_RINGS);
    vt_driver_ok(&d);
    use_disk(&q);
    no_difference(s);
    g_assert_cmphex(blk_req(&q, 0, 4, 512), ==, 0);
    g_assert_cmphex(readb(s, DATA), ==, 0x44);
    qtest_quit(s);
}

static void test_split(void)
{
    disk_with("", 0);
    disk_with("", BIT(VTF_EVENT_IDX));
}

static void test_packed(void)
{
    disk_with(",packed=on", BIT(VTF_PACKED));
    disk_with(",packed=on", BIT(VTF_PACKED) | BIT(VTF_EVENT_IDX));
}

static void test_iothread(void)
{
    disk_with(",iothread=t -object iothread,id=t", 0);
}

static void test_legacy(void)
{
    QTestState *s = start_disk(",disable-modern=on");
    VtDev d;
    VtQueue q;

    vt_open(&d, s, SLOT);
    outb(s, d.io + 18, 0);
    outb(s, d.io + 18, 3);
    outl(s, d.io + 4, 0);
    g_assert_cmpuint(inl(s, d.io + 20), ==, 2048); /* sectors */
    outw(s, d.io + 14, 0);
    g_assert_cmpuint(inw(s, d.io + 12), ==, 256);
    qmemset(s, VT_RINGS, 0, 0x4000);
    outl(s, d.io + 8, VT_RINGS >> 12);
    outb(s, d.io + 18, 7);
    q = (VtQueue){ .d = &d, .size = 256, .desc = VT_RINGS,
                   .driver = VT_RINGS + 4096, .device = VT_RINGS + 8192 };
    writel(s, HEAD, 8);
    vt_add(&q, (VtBuf[]){ { HEAD, 16, false }, { DATA, 20, true },
                          { STAT, 1, true } }, 3);
    outw(s, d.io + 16, 0);
    while (readw(s, q.device + 2) == 0) {
    }
    g_assert_cmphex(readl(s, DATA), ==, 0x31726573); /* "ser1" */
    g_assert_cmphex(inb(s, d.io + 19), ==, 1); /* ISR: read and cleared */
    g_assert_cmphex(inb(s, d.io + 19), ==, 0);
    qtest_quit(s);
}

/* The window in configuration space reads the status register. */
static void test_window(void)
{
    QTestState *s = start_disk("");
    unsigned cap, n = 0;
    VtDev d;

    vt_open(&d, s, SLOT);
    vt_negotiate(&d, 0);
    for (cap = vt_cfg_read(s, SLOT, 0x34) & 0xff; cap;
         cap = vt_cfg_read(s, SLOT, cap) >> 8 & 0xff) {
        uint32_t v = vt_cfg_read(s, SLOT, cap);

        n++;
        if ((v & 0xff) == 9 && v >> 24 == 5) {
            vt_cfg_write(s, SLOT, cap + 4, 4);
            vt_cfg_write(s, SLOT, cap + 8, 20);
            vt_cfg_write(s, SLOT, cap + 12, 1);
            g_assert_cmphex(vt_cfg_read(s, SLOT, cap + 16) & 0xff, ==, 11);
            vt_cfg_write(s, SLOT, cap + 12, 3); /* nonsense: nothing */
            vt_cfg_read(s, SLOT, cap + 16);
        }
    }
    g_assert_cmpuint(n, ==, 6);
    qtest_quit(s);
}

/* ---- wrong rings ------------------------------------------------------------------ */

static void desc(QTestState *s, uint64_t at, uint64_t addr, uint32_t len,
                 uint16_t flags, uint16_t next)
{
    writeq(s, at, addr);
    writel(s, at + 8, len);
    writew(s, at + 12, flags);
    writew(s, at + 14, next);
}

static void await_broken(VtDev *d)
{
    for (unsigned i = 0; !(vt_status(d) & VT_S_NEEDS_RESET); i++) {
        g_assert_cmpuint(i, <, 1000000);
    }
}

static void broken(VtQueue *q)
{
    vt_kick(q);
    await_broken(q->d);
    /* It stays so, whatever is written, until the reset. */
    writeb(q->d->qts, q->d->bar + 20, 15);
    g_assert_cmphex(vt_status(q->d) & VT_S_NEEDS_RESET, !=, 0);
    vt_negotiate(q->d, BIT(VTF_INDIRECT));
    vt_queue(q, q->d, 0, 8, VT_RINGS);
    vt_driver_ok(q->d);
}

static void offer(VtQueue *q, uint16_t head)
{
    writew(q->d->qts, q->driver + 4, head);
    writew(q->d->qts, q->driver + 2, 1);
}

static void test_broken_split(void)
{
    QTestState *s = start_disk("");
    VtQueue q;
    VtDev d;

    vt_open(&d, s, SLOT);
    vt_negotiate(&d, BIT(VTF_INDIRECT));
    vt_queue(&q, &d, 0, 8, VT_RINGS);
    vt_driver_ok(&d);
    /* A loop; a head and a next beyond the ring. */
    desc(s, q.desc, HEAD, 16, VTD_NEXT, 0);
    offer(&q, 0);
    broken(&q);
    offer(&q, 8);
    broken(&q);
    desc(s, q.desc, HEAD, 16, VTD_NEXT, 8);
    offer(&q, 0);
    broken(&q);
    /* The index runs away. */
    writew(s, q.driver + 2, 9);
    broken(&q);
    /* No RAM there; around the end of memory; empty. */
    desc(s, q.desc, 0xf0000000, 16, 0, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, q.desc, UINT64_MAX - 3, 16, 0, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, q.desc, HEAD, 0, 0, 0);
    offer(&q, 0);
    broken(&q);
    /* The device's own registers. */
    desc(s, q.desc, d.bar, 16, VTD_NEXT, 1);
    desc(s, q.desc + 16, d.bar + 20, 1, VTD_WRITE, 0);
    offer(&q, 0);
    broken(&q);
    /* Readable after writable. */
    desc(s, q.desc, HEAD, 16, VTD_NEXT | VTD_WRITE, 1);
    desc(s, q.desc + 16, HEAD, 16, 0, 0);
    offer(&q, 0);
    broken(&q);
    /* Indirect: of an odd length, empty, in a chain, nested, looped. */
    desc(s, q.desc, TABLE, 17, VTD_INDIRECT, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, q.desc, TABLE, 0, VTD_INDIRECT, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, q.desc, TABLE, 32, VTD_INDIRECT | VTD_NEXT, 1);
    offer(&q, 0);
    broken(&q);
    desc(s, TABLE, TABLE, 16, VTD_INDIRECT, 0);
    desc(s, q.desc, TABLE, 16, VTD_INDIRECT, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, TABLE, HEAD, 16, VTD_NEXT, 1);
    desc(s, TABLE + 16, HEAD, 16, VTD_NEXT, 0);
    desc(s, q.desc, TABLE, 32, VTD_INDIRECT, 0);
    offer(&q, 0);
    broken(&q);
    /* No room for the header, or for the status. */
    desc(s, q.desc, HEAD, 15, VTD_NEXT, 1);
    desc(s, q.desc + 16, STAT, 1, VTD_WRITE, 0);
    offer(&q, 0);
    broken(&q);
    desc(s, q.desc, HEAD, 16, 0, 0);
    offer(&q, 0);
    broken(&q);
    /* Afterwards it works. */
    g_assert_cmphex(blk_req(&q, 0, 0, 512), ==, 0);
    qtest_quit(s);
}

static void test_broken_places(void)
{
    static const uint64_t bad[] = { 0xf0000000, 0x200001, UINT64_MAX - 15 };
    QTestState *s = start_disk("");
    VtDev d;

    vt_open(&d, s, SLOT);
    for (unsigned i = 0; i < ARRAY_SIZE(bad) * 3; i++) {
        VtQueue q;

        vt_negotiate(&d, 0);
        vt_queue(&q, &d, 0, 8, VT_RINGS);
        /* An address cannot be changed while the queue is on: start anew. */
        vt_negotiate(&d, 0);
        writew(s, d.bar + 22, 0);
        writew(s, d.bar + 24, 8);
        for (unsigned k = 0; k < 3; k++) {
            uint64_t a = k == i % 3 ? bad[i / 3] : VT_RINGS + k * 4096;

            writel(s, d.bar + 32 + 8 * k, a);
            writel(s, d.bar + 36 + 8 * k, a >> 32);
        }
        writew(s, d.bar + 28, 1);
        vt_driver_ok(&d);
        vt_kick(&q);
        await_broken(&d);
    }
    qtest_quit(s);
}

static void test_broken_packed(void)
{
    QTestState *s = start_disk(",packed=on");
    VtQueue q;
    VtDev d;

    vt_open(&d, s, SLOT);
    for (unsigned i = 0; i < 4; i++) {
        vt_negotiate(&d, BIT(VTF_PACKED) | BIT(VTF_INDIRECT));
        vt_queue(&q, &d, 0, 7, VT_RINGS); /* need not be a power of two */
        vt_driver_ok(&d);
        for (unsigned k = 0; k < 7; k++) {
            /* All slots in one chain without an end; or indirect wrongs. */
            desc(s, q.desc + k * 16, i == 3 ? 0xf0000000 : HEAD,
                 i == 1 ? 15 : 16, 0,
                 0x80 | (i == 0 ? VTD_NEXT : i < 3 ? VTD_INDIRECT : 0) |
                     (i == 2 ? VTD_NEXT : 0));
        }
        vt_kick(&q);
        await_broken(&d);
    }
    qtest_quit(s);
}

/* One queue is reset, the rest of the device stays. */
static void test_queue_reset(void)
{
    QTestState *s = start_disk(",num-queues=2");
    VtQueue q, q1;
    VtDev d;

    vt_open(&d, s, SLOT);
    vt_negotiate(&d, BIT(VTF_RING_RESET));
    vt_queue(&q, &d, 0, 8, VT_RINGS);
    vt_queue(&q1, &d, 1, 8, VT_RINGS + 0x4000);
    vt_driver_ok(&d);
    g_assert_cmphex(blk_req(&q, 0, 0, 512), ==, 0);
    g_assert_cmphex(blk_req(&q1, 0, 0, 512), ==, 0);
    writew(s, d.bar + 22, 0);
    writew(s, d.bar + 58, 1);
    while (readw(s, d.bar + 58)) {
    }
    g_assert_cmphex(readw(s, d.bar + 28), ==, 0);
    g_assert_cmphex(blk_req(&q1, 0, 0, 512), ==, 0);
    vt_queue(&q, &d, 0, 16, VT_RINGS);
    g_assert_cmphex(blk_req(&q, 0, 0, 512), ==, 0);
    qtest_quit(s);
}

static void test_rng(void)
{
    QTestState *s = start("-device virtio-rng-pci,addr=4");
    uint8_t buf[64], zero[64] = { 0 };
    VtQueue q;
    VtDev d;

    vt_open(&d, s, SLOT);
    vt_negotiate(&d, 0);
    vt_queue(&q, &d, 0, 8, VT_RINGS);
    vt_driver_ok(&d);
    for (unsigned i = 0; i < 20; i++) {
        vt_add(&q, &(VtBuf){ DATA, 64, true }, 1);
        vt_kick(&q);
        g_assert_cmpuint(vt_wait(&q), ==, 64);
        memread(s, DATA, buf, 64);
        g_assert_cmpint(memcmp(buf, zero, 64), !=, 0);
    }
    no_difference(s);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("virtio-test-XXXXXX", &image, &err), ret;

    g_assert_no_error(err);
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    close(fd);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/identity", test_identity);
    g_test_add_func("/virtio/blk/split", test_split);
    g_test_add_func("/virtio/blk/packed", test_packed);
    g_test_add_func("/virtio/blk/iothread", test_iothread);
    g_test_add_func("/virtio/blk/legacy", test_legacy);
    g_test_add_func("/virtio/pci/window", test_window);
    g_test_add_func("/virtio/ring/broken-split", test_broken_split);
    g_test_add_func("/virtio/ring/broken-places", test_broken_places);
    g_test_add_func("/virtio/ring/broken-packed", test_broken_packed);
    g_test_add_func("/virtio/ring/reset", test_queue_reset);
    g_test_add_func("/virtio/rng", test_rng);
    ret = g_test_run();
    unlink(image);
    return ret;
}
