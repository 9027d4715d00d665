/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PIIX3 IDE and ATAPI: ATA/ATAPI-6, SFF-8038i bus mastering, MMC-3. */
#include "osdep.h"
#include "libqtest.h"

#define CMD  0x1f0
#define CMD2 0x170
#define BM   0xc000
#define PRD  0x10000
#define DATA 0x20000

enum { ST_ERR = 1, ST_DRQ = 8, ST_DRDY = 0x40, ST_BSY = 0x80 };

static char *image; /* 4 MiB: sector n is full of n % 251 + 1 */

static void make_image(void)
{
    g_autofree uint8_t *buf = g_malloc(4 * MiB);
    int fd = g_file_open_tmp("ide-XXXXXX", &image, NULL);

    g_assert_cmpint(fd, >=, 0);
    for (size_t i = 0; i < 4 * MiB; i++) {
        buf[i] = i / 512 % 251 + 1;
    }
    g_assert_cmpint(write(fd, buf, 4 * MiB), ==, 4 * MiB);
    close(fd);
}

static QTestState *start(void)
{
    QTestState *s = qtest_init(
        "-M pc -m 16M -nodefaults -display none "
        "-drive if=none,id=d,format=raw,file=%s "
        "-device ide-hd,drive=d,bus=ide.0,unit=0,serial=ABC123,ver=9.9 "
        "-device ide-cd,bus=ide.1,unit=0,id=cd", image);

    /* Bus master ports of 00:01.1, and its bus mastering. */
    outl(s, 0xcf8, 0x80000920);
    outl(s, 0xcfc, BM);
    outl(s, 0xcf8, 0x80000904);
    outw(s, 0xcfc, 5);
    return s;
}

static uint8_t wait_idle(QTestState *s, uint16_t base)
{
    uint8_t st;

    for (int i = 0; i < 100000; i++) {
        st = inb(s, base + 7);
        if (!(st & ST_BSY)) {
            return st;
        }
    }
    g_assert_not_reached();
}

static void address(QTestState *s, uint32_t lba, uint8_t count)
{
    outb(s, CMD + 2, count);
    outb(s, CMD + 3, lba);
    outb(s, CMD + 4, lba >> 8);
    outb(s, CMD + 5, lba >> 16);
    outb(s, CMD + 6, 0xe0 | lba >> 24);
}

static char *ata_string(const uint16_t *id, unsigned first, unsigned words)
{
    GString *t = g_string_new(NULL);

    for (unsigned i = first; i < first + words; i++) {
        g_string_append_c(t, id[i] >> 8);
        g_string_append_c(t, id[i]);
    }
    return g_strstrip(g_string_free(t, FALSE));
}

static void test_identify(void)
{
    QTestState *s = start();
    uint16_t id[256];
    g_autofree char *serial = NULL, *fw = NULL, *model = NULL;

    g_assert_cmphex(inb(s, CMD + 2), ==, 1); /* signature of a disk */
    g_assert_cmphex(inb(s, CMD + 3), ==, 1);
    g_assert_cmphex(inb(s, CMD + 4), ==, 0);
    outb(s, CMD + 6, 0xe0);
    outb(s, CMD + 7, 0xec);
    g_assert_cmphex(wait_idle(s, CMD) & (ST_DRQ | ST_ERR), ==, ST_DRQ);
    for (int i = 0; i < 256; i++) {
        id[i] = inw(s, CMD);
    }
    g_assert_cmphex(inb(s, CMD + 7) & ST_DRQ, ==, 0);
    serial = ata_string(id, 10, 10);
    fw = ata_string(id, 23, 4);
    model = ata_string(id, 27, 20);
    g_assert_cmpstr(serial, ==, "ABC123");
    g_assert_cmpstr(fw, ==, "9.9");
    g_assert_cmpstr(model, ==, "QEMU HARDDISK");
    g_assert_cmpuint(id[60] | id[61] << 16, ==, 8192);
    g_assert_cmphex(id[49] & 0x300, ==, 0x300); /* LBA, DMA */
    /* The packet device aborts it and shows its signature. */
    outb(s, CMD2 + 6, 0xa0);
    outb(s, CMD2 + 7, 0xec);
    g_assert_cmphex(wait_idle(s, CMD2) & ST_ERR, ==, ST_ERR);
    g_assert_cmphex(inb(s, CMD2 + 4), ==, 0x14);
    g_assert_cmphex(inb(s, CMD2 + 5), ==, 0xeb);
    qtest_quit(s);
}

static void test_pio(void)
{
    QTestState *s = start();

    address(s, 1000, 2);
    outb(s, CMD + 7, 0x20);
    for (int sec = 1000; sec < 1002; sec++) {
        g_assert_cmphex(wait_idle(s, CMD) & ST_DRQ, ==, ST_DRQ);
        for (int i = 0; i < 256; i++) {
            g_assert_cmphex(inw(s, CMD), ==, (sec % 251 + 1) * 0x101);
        }
    }
    g_assert_cmphex(wait_idle(s, CMD) & (ST_DRQ | ST_ERR), ==, 0);
    address(s, 77, 1);
    outb(s, CMD + 7, 0x30);
    g_assert_cmphex(wait_idle(s, CMD) & ST_DRQ, ==, ST_DRQ);
    for (int i = 0; i < 256; i++) {
        outw(s, CMD, i);
    }
    g_assert_cmphex(wait_idle(s, CMD) & (ST_DRQ | ST_ERR), ==, 0);
    outb(s, CMD + 7, 0xe7); /* FLUSH CACHE */
    g_assert_cmphex(wait_idle(s, CMD) & ST_ERR, ==, 0);
    address(s, 77, 1);
    outb(s, CMD + 7, 0x20);
    wait_idle(s, CMD);
    for (int i = 0; i < 256; i++) {
        g_assert_cmphex(inw(s, CMD), ==, i);
    }
    /* Past the end: ID not found. */
    address(s, 8192, 1);
    outb(s, CMD + 7, 0x20);
    g_assert_cmphex(wait_idle(s, CMD) & ST_ERR, ==, ST_ERR);
    qtest_quit(s);
}

static void dma(QTestState *s, bool write, uint32_t lba, uint8_t count,
                uint32_t bytes)
{
    writel(s, PRD, DATA);
    writel(s, PRD + 4, bytes | 0x80000000u);
    outb(s, BM, 0);
    outb(s, BM + 2, 6);
    outl(s, BM + 4, PRD);
    address(s, lba, count);
    outb(s, CMD + 7, write ? 0xca : 0xc8);
    outb(s, BM, write ? 1 : 9);
}

static void wait_dma(QTestState *s)
{
    for (int i = 0; i < 100000; i++) {
        if (!(inb(s, BM + 2) & 1)) {
            return;
        }
    }
    g_assert_not_reached();
}

static void test_dma(void)
{
    QTestState *s = start();
    uint8_t buf[2048];

    dma(s, false, 500, 4, 2048);
    wait_dma(s);
    g_assert_cmphex(inb(s, BM + 2) & 6, ==, 4); /* interrupt, no error */
    g_assert_cmphex(wait_idle(s, CMD) & (ST_ERR | ST_DRQ), ==, 0);
    memread(s, DATA, buf, sizeof(buf));
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, (500 + i / 512) % 251 + 1);
    }
    memset(buf, 0x5a, sizeof(buf));
    memwrite(s, DATA, buf, sizeof(buf));
    dma(s, true, 600, 4, 2048);
    wait_dma(s);
    qmemset(s, DATA, 0, 2048);
    dma(s, false, 600, 4, 2048);
    wait_dma(s);
    memread(s, DATA, buf, sizeof(buf));
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, 0x5a);
    }
    /* A table shorter than the transfer: the engine stops without the drive
     * being done; nothing hangs and the next command works. */
    dma(s, false, 0, 4, 512);
    outb(s, BM, 0);
    dma(s, false, 500, 1, 512);
    wait_dma(s);
    g_assert_cmphex(wait_idle(s, CMD) & ST_ERR, ==, 0);
    qtest_quit(s);
}

static uint8_t packet(QTestState *s, const uint8_t cdb[12])
{
    outb(s, CMD2 + 6, 0xa0);
    outb(s, CMD2 + 1, 0);
    outb(s, CMD2 + 4, 0xfe);
    outb(s, CMD2 + 5, 0xff);
    outb(s, CMD2 + 7, 0xa0);
    g_assert_cmphex(wait_idle(s, CMD2) & ST_DRQ, ==, ST_DRQ);
    for (int i = 0; i < 12; i += 2) {
        outw(s, CMD2, cdb[i] | cdb[i + 1] << 8);
    }
    return wait_idle(s, CMD2);
}

static void sense(QTestState *s, uint8_t key, uint8_t asc)
{
    static const uint8_t cdb[12] = { 0x03, 0, 0, 0, 18 };
    uint8_t out[18];

    g_assert_cmphex(packet(s, cdb) & ST_DRQ, ==, ST_DRQ);
    for (int i = 0; i < 18; i += 2) {
        uint16_t v = inw(s, CMD2);

        out[i] = v;
        out[i + 1] = v >> 8;
    }
    g_assert_cmphex(out[2] & 15, ==, key);
    g_assert_cmphex(out[12], ==, asc);
}

/* An empty drive, a medium by QMP, UNIT ATTENTION, READ, lock and eject. */
static void test_cdrom(void)
{
    static const uint8_t tur[12] = { 0 };
    static const uint8_t read10[12] = { 0x28, 0, 0, 0, 0, 3, 0, 0, 1 };
    static const uint8_t lock[12] = { 0x1e, 0, 0, 0, 1 };
    static const uint8_t beyond[12] = { 0x28, 0, 0, 0x10, 0, 0, 0, 0, 1 };
    QTestState *s = start();
    QObject *r;

    g_assert_cmphex(packet(s, tur) & ST_ERR, ==, ST_ERR);
    sense(s, 2, 0x3a); /* NOT READY, medium not present */
    r = qmp(s, "{'execute':'blockdev-change-medium',"
            "'arguments':{'id':'cd','filename':'%s','format':'raw',"
            "'read-only-mode':'read-only','force':true}}", image);
    /* The disk writes that image: two users must not. */
    g_assert_true(qdict_has(r, "error"));
    qobject_unref(r);
    g_autofree char *copy = g_strconcat(image, ".iso", NULL);
    g_autofree char *text = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(image, &text, &len, NULL));
    g_assert_true(g_file_set_contents(copy, text, len, NULL));
    r = qmp(s, "{'execute':'blockdev-change-medium',"
            "'arguments':{'id':'cd','filename':'%s','format':'raw'}}", copy);
    g_assert_true(qdict_has(r, "return"));
    qobject_unref(r);
    /* First "no medium" or "changed", then ready. */
    for (int i = 0; packet(s, tur) & ST_ERR; i++) {
        static const uint8_t any[12] = { 0x03, 0, 0, 0, 18 };

        g_assert_cmpint(i, <, 4);
        packet(s, any);
        for (int k = 0; k < 18; k += 2) {
            inw(s, CMD2);
        }
    }
    g_assert_cmphex(packet(s, read10) & ST_DRQ, ==, ST_DRQ);
    g_assert_cmpuint(inb(s, CMD2 + 4) | inb(s, CMD2 + 5) << 8, ==, 2048);
    for (int i = 0; i < 1024; i++) {
        g_assert_cmphex(inw(s, CMD2), ==, ((12 + i / 256) % 251 + 1) * 0x101);
    }
    g_assert_cmphex(wait_idle(s, CMD2) & (ST_ERR | ST_DRQ), ==, 0);
    g_assert_cmphex(packet(s, beyond) & ST_ERR, ==, ST_ERR);
    sense(s, 5, 0x21); /* ILLEGAL REQUEST, LBA out of range */
    g_assert_cmphex(packet(s, lock) & ST_ERR, ==, 0);
    r = qmp(s, "{'execute':'eject','arguments':{'id':'cd'}}");
    g_assert_true(qdict_has(r, "error"));
    qobject_unref(r);
    r = qmp(s, "{'execute':'eject','arguments':{'id':'cd','force':true}}");
    g_assert_true(qdict_has(r, "return"));
    qobject_unref(r);
    qobject_unref(qmp_wait_event(s, "DEVICE_TRAY_MOVED"));
    g_assert_cmphex(packet(s, tur) & ST_ERR, ==, ST_ERR);
    unlink(copy);
    qtest_quit(s);
}

/* Soft reset in the middle of everything (CVE-2023-5088's neighbourhood). */
static void test_reset(void)
{
    QTestState *s = start();

    for (int i = 0; i < 50; i++) {
        dma(s, i & 1, i * 8, 8, 4096);
        if (i % 3 == 0) {
            outb(s, CMD + 0x206, 4); /* SRST */
            outb(s, CMD + 0x206, 0);
        } else if (i % 3 == 1) {
            outb(s, BM, 0);
        } else {
            qobject_unref(qmp(s, "{'execute':'system_reset'}"));
            outl(s, 0xcf8, 0x80000920);
            outl(s, 0xcfc, BM);
            outl(s, 0xcf8, 0x80000904);
            outw(s, 0xcfc, 5);
        }
        wait_idle(s, CMD);
    }
    dma(s, false, 500, 1, 512);
    wait_dma(s);
    qtest_quit(s);
}

/* Random register traffic, DMA into the table itself included. */
static void test_fuzz(void)
{
    static const uint16_t ports[] = { CMD, CMD + 1, CMD + 2, CMD + 3, CMD + 4,
                                      CMD + 5, CMD + 6, CMD + 7, 0x3f6, CMD2,
                                      CMD2 + 1, CMD2 + 4, CMD2 + 5, CMD2 + 6,
                                      CMD2 + 7, 0x376, BM, BM + 2, BM + 4,
                                      BM + 8, BM + 10, BM + 12 };
    QTestState *s = start();
    GRand *r = g_rand_new_with_seed(5088);

    writel(s, PRD, PRD); /* a transfer over its own table */
    writel(s, PRD + 4, 0x80001000u);
    for (int i = 0; i < 20000; i++) {
        uint16_t port = ports[g_rand_int_range(r, 0, ARRAY_SIZE(ports))];
        uint32_t v = g_rand_int(r);

        switch (g_rand_int_range(r, 0, 8)) {
        case 0:
            inb(s, port);
            break;
        case 1:
            inw(s, port);
            break;
        case 2:
            outl(s, port, port >= BM ? PRD : v);
            break;
        case 3:
            outw(s, port, v);
            break;
        default:
            outb(s, port, v);
            break;
        }
    }
    g_rand_free(r);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    make_image();
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio", test_pio);
    g_test_add_func("/ide/dma", test_dma);
    g_test_add_func("/ide/cdrom", test_cdrom);
    g_test_add_func("/ide/reset", test_reset);
    g_test_add_func("/ide/fuzz", test_fuzz);
    ret = g_test_run();
    unlink(image);
    g_free(image);
    return ret;
}
