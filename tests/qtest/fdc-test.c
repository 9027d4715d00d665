/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 82078 floppy controller (data sheet 290474). */
#include "osdep.h"
#include "libqtest.h"

#define DATA 0x10000
enum { DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIGITAL_IN = 0x3f7 };

static char *image; /* 1440 KiB: sector n is full of n % 251 + 1 */

static void make_image(void)
{
    g_autofree uint8_t *buf = g_malloc(1440 * KiB);
    int fd = g_file_open_tmp("fd-XXXXXX", &image, NULL);

    for (size_t i = 0; i < 1440 * KiB; i++) {
        buf[i] = i / 512 % 251 + 1;
    }
    g_assert_cmpint(write(fd, buf, 1440 * KiB), ==, 1440 * KiB);
    close(fd);
}

static void send(QTestState *s, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmphex(inb(s, MSR) & 0xc0, ==, 0x80);
        outb(s, FIFO, bytes[i]);
    }
}

static unsigned result(QTestState *s, uint8_t *out)
{
    unsigned n = 0;

    for (int i = 0; (inb(s, MSR) & 0xc0) != 0xc0; i++) {
        g_assert_cmpint(i, <, 100000);
    }
    while ((inb(s, MSR) & 0xd0) == 0xd0 && n < 16) {
        out[n++] = inb(s, FIFO);
    }
    return n;
}

static QTestState *start(const char *more)
{
    QTestState *s = qtest_init("-M pc -m 16M -nodefaults -display none "
                               "-drive if=floppy,format=raw,file=%s%s", image,
                               more);
    static const uint8_t specify[] = { 0x03, 0xaf, 0x02 };
    uint8_t out[16];

    outb(s, DOR, 0);
    outb(s, DOR, 0x1c);
    for (int i = 0; i < 4; i++) { /* polling finds four drives changed */
        static const uint8_t sis[] = { 0x08 };

        send(s, sis, 1);
        g_assert_cmpuint(result(s, out), ==, 2);
        g_assert_cmphex(out[0], ==, 0xc0 | i);
    }
    send(s, specify, 3);
    outb(s, DIGITAL_IN, 0); /* 500 kbit/s */
    return s;
}

static void dma_setup(QTestState *s, uint16_t count, uint8_t mode)
{
    outb(s, 0xd6, 0xc0);
    outb(s, 0xd4, 0);
    outb(s, 0x0a, 6);
    outb(s, 0x0c, 0);
    outb(s, 0x04, DATA & 0xff);
    outb(s, 0x04, DATA >> 8 & 0xff);
    outb(s, 0x81, DATA >> 16);
    outb(s, 0x0c, 0);
    outb(s, 0x05, (count - 1) & 0xff);
    outb(s, 0x05, (count - 1) >> 8);
    outb(s, 0x0b, mode | 2);
    outb(s, 0x0a, 2);
}

static void test_read_write(void)
{
    static const uint8_t seek[] = { 0x0f, 0, 1 }, sis[] = { 0x08 };
    static const uint8_t read[] = { 0xe6, 4, 1, 1, 3, 2, 18, 0x1b, 0xff };
    static const uint8_t wr[] = { 0xc5, 4, 1, 1, 3, 2, 18, 0x1b, 0xff };
    QTestState *s = start("");
    uint8_t out[16], buf[1024];

    g_assert_cmphex(inb(s, DIGITAL_IN) & 0x80, ==, 0x80); /* changed since power-on */
    send(s, seek, 3);
    send(s, sis, 1);
    g_assert_cmpuint(result(s, out), ==, 2);
    g_assert_cmphex(out[0], ==, 0x20);
    g_assert_cmphex(out[1], ==, 1);
    g_assert_cmphex(inb(s, DIGITAL_IN) & 0x80, ==, 0);
    dma_setup(s, 1024, 0x44);
    send(s, read, 9);
    g_assert_cmpuint(result(s, out), ==, 7);
    g_assert_cmphex(out[0], ==, 0x04);
    g_assert_cmphex(out[5], ==, 5);
    memread(s, DATA, buf, sizeof(buf));
    for (unsigned i = 0; i < sizeof(buf); i++) {
        /* Cylinder 1, head 1, sector 3. */
        g_assert_cmphex(buf[i], ==, (3 * 18 + 2 + i / 512) % 251 + 1);
    }
    memset(buf, 0xa7, sizeof(buf));
    memwrite(s, DATA, buf, sizeof(buf));
    dma_setup(s, 1024, 0x48);
    send(s, wr, 9);
    g_assert_cmpuint(result(s, out), ==, 7);
    g_assert_cmphex(out[1] | out[2], ==, 0);
    qmemset(s, DATA, 0, 1024);
    dma_setup(s, 1024, 0x44);
    send(s, read, 9);
    g_assert_cmpuint(result(s, out), ==, 7);
    memread(s, DATA, buf, sizeof(buf));
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, 0xa7);
    }
    qtest_quit(s);
}

/* Without DMA the guest takes each byte; the track's end ends the command. */
static void test_pio(void)
{
    static const uint8_t specify[] = { 0x03, 0xaf, 0x03 };
    static const uint8_t read[] = { 0x66, 0, 0, 0, 17, 2, 18, 0x1b, 0xff };
    QTestState *s = start("");
    uint8_t out[16];

    send(s, specify, 3);
    send(s, read, 9);
    for (unsigned i = 0; i < 1024; i++) {
        for (int k = 0; !(inb(s, MSR) & 0x80); k++) {
            g_assert_cmpint(k, <, 100000);
        }
        g_assert_cmphex(inb(s, MSR) & 0xf0, ==, 0xf0);
        g_assert_cmphex(inb(s, FIFO), ==, 17 + i / 512);
    }
    g_assert_cmpuint(result(s, out), ==, 7);
    g_assert_cmphex(out[1], ==, 0x80); /* end of cylinder */
    qtest_quit(s);
}

static void test_errors(void)
{
    static const uint8_t far[] = { 0x46, 0, 90, 0, 1, 2, 18, 0x1b, 0xff };
    static const uint8_t none[] = { 0x46, 1, 0, 0, 1, 2, 18, 0x1b, 0xff };
    static const uint8_t wr[] = { 0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff };
    static const uint8_t bad[] = { 0x1f };
    QTestState *s = start(",readonly=on");
    uint8_t out[16];

    dma_setup(s, 512, 0x44);
    send(s, far, 9);
    result(s, out);
    g_assert_cmphex(out[0] & 0xc0, ==, 0x40);
    send(s, none, 9); /* CVE-2021-20196: no such drive */
    result(s, out);
    g_assert_cmphex(out[0] & 0xc0, ==, 0x40);
    dma_setup(s, 512, 0x48);
    send(s, wr, 9);
    result(s, out);
    g_assert_cmphex(out[1], ==, 2); /* write protected */
    send(s, bad, 1);
    g_assert_cmpuint(result(s, out), ==, 1);
    g_assert_cmphex(out[0], ==, 0x80);
    qtest_quit(s);
}

/* VENOM (CVE-2015-3456): READ ID and DRIVE SPECIFICATION with parameters that
 * never end; CVE-2021-3507: wide writes to 3F4h, an EOT past the track. */
static void test_history(void)
{
    static const uint8_t eot[] = { 0xe6, 0, 0, 0, 1, 2, 255, 0x1b, 0xff };
    QTestState *s = start("");
    uint8_t out[16];

    outb(s, FIFO, 0x0a);
    for (int i = 0; i < 1000; i++) {
        outb(s, FIFO, 0x42);
    }
    outb(s, DOR, 0);
    outb(s, DOR, 0x1c);
    outb(s, FIFO, 0x8e);
    for (int i = 0; i < 1000; i++) {
        outb(s, FIFO, 0x42);
    }
    outb(s, DOR, 0);
    outb(s, DOR, 0x1c);
    dma_setup(s, 0xffff, 0x44);
    send(s, eot, 9);
    result(s, out);
    for (int i = 0; i < 100; i++) {
        outl(s, MSR, 0x01020304u * i);
        outw(s, FIFO, 0xe6e6);
    }
    qtest_quit(s);
}

static void test_fuzz(void)
{
    QTestState *s = start("");
    GRand *r = g_rand_new_with_seed(3456);

    for (int i = 0; i < 30000; i++) {
        uint16_t port = g_rand_int_range(r, 0x3f0, 0x3f8);

        switch (g_rand_int_range(r, 0, 6)) {
        case 0:
            inb(s, port);
            break;
        case 1:
            dma_setup(s, g_rand_int_range(r, 1, 65536),
                      g_rand_int_range(r, 0, 64) << 2);
            break;
        default:
            outb(s, i % 5 ? FIFO : port, g_rand_int(r));
            break;
        }
    }
    g_rand_free(r);
    qtest_quit(s);
}

/* A medium comes and goes by QMP. */
static void test_media(void)
{
    QTestState *s = start("");
    static const uint8_t id[] = { 0x4a, 0 };
    uint8_t out[16];
    QObject *r = qmp(s, "{'execute':'eject','arguments':"
                     "{'device':'floppy0'}}");

    g_assert_true(qdict_has(r, "return"));
    qobject_unref(r);
    g_assert_cmphex(inb(s, DIGITAL_IN) & 0x80, ==, 0x80);
    send(s, id, 2);
    result(s, out);
    g_assert_cmphex(out[0] & 0xc0, ==, 0x40);
    r = qmp(s, "{'execute':'blockdev-change-medium','arguments':"
            "{'device':'floppy0','filename':'%s','format':'raw'}}", image);
    g_assert_true(qdict_has(r, "return"));
    qobject_unref(r);
    send(s, id, 2);
    g_assert_cmpuint(result(s, out), ==, 7);
    g_assert_cmphex(out[0], ==, 0);
    qtest_quit(s);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    make_image();
    g_test_add_func("/fdc/read-write", test_read_write);
    g_test_add_func("/fdc/pio", test_pio);
    g_test_add_func("/fdc/errors", test_errors);
    g_test_add_func("/fdc/history", test_history);
    g_test_add_func("/fdc/media", test_media);
    g_test_add_func("/fdc/fuzz", test_fuzz);
    ret = g_test_run();
    unlink(image);
    g_free(image);
    return ret;
}
