/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio disk whose host fails it: requests that werror= and rerror= hold,
 * the VM that stops and goes on, a file system that is full, and an iothread
 * that works while the main loop does not.  Every request ends once, with the
 * data where it belongs.
 */
#include "osdep.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "virtio-lib.h"

#define SLOT  4
#define HEADS (VT_RINGS + 0x10000)  /* 16 bytes each */
#define STATS (VT_RINGS + 0x18000)  /* a byte each */
#define DATA  (VT_RINGS + 0x20000)  /* PIECE each */
#define COUNT 64
#define PIECE 4096

typedef struct Disk {
    QTestState *s;
    VtDev dev;
    VtQueue q;
    unsigned seen[COUNT]; /* how often a request was given back */
} Disk;

static char *dir;

static void start(Disk *d, const char *blockdev, const char *more,
                  bool iothread)
{
    memset(d, 0, sizeof(*d));
    d->s = qtest_init("-M pc -m 16M -nodefaults -display none "
                      "-object iothread,id=io0 -blockdev '%s' "
                      "-device virtio-blk-pci,addr=%d,drive=d%s%s", blockdev,
                      SLOT, more, iothread ? ",iothread=io0" : "");
    vt_open(&d->dev, d->s, SLOT);
    vt_negotiate(&d->dev, BIT(VTF_EVENT_IDX));
    vt_queue(&d->q, &d->dev, 0, 256, VT_RINGS);
    vt_driver_ok(&d->dev);
}

static uint8_t byte_of(unsigned i)
{
    return i * 5 + 1;
}

/* All COUNT requests in the ring at once. */
static void submit(Disk *d, bool write)
{
    memset(d->seen, 0, sizeof(d->seen));
    for (unsigned i = 0; i < COUNT; i++) {
        VtBuf b[3] = { { HEADS + i * 16, 16, false },
                       { DATA + i * PIECE, PIECE, !write },
                       { STATS + i, 1, true } };

        qmemset(d->s, b[1].addr, write ? byte_of(i) : 0, PIECE);
        writel(d->s, b[0].addr, write);
        writel(d->s, b[0].addr + 4, 0);
        writeq(d->s, b[0].addr + 8, (uint64_t)i * (PIECE / 512));
        writeb(d->s, b[2].addr, 0xff);
        vt_add(&d->q, b, 3);
    }
    vt_kick(&d->q);
}

/* What was given back so far. */
static unsigned collect(Disk *d)
{
    VtQueue *q = &d->q;
    unsigned n = 0;

    while (readw(d->s, q->device + 2) != q->used) {
        uint32_t id = readl(d->s, q->device + 4 + q->used % q->size * 8);
        uint64_t data, first = q->desc + id * 16;
        uint16_t next = readw(d->s, first + 14);

        data = readq(d->s, q->desc + next * 16);
        d->seen[(data - DATA) / PIECE]++;
        q->used++;
        n++;
    }
    return n;
}

static void finish(Disk *d, bool write)
{
    unsigned done = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        done += d->seen[i];
    }
    while (done < COUNT) {
        done += collect(d);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        g_assert_cmpuint(d->seen[i], ==, 1);
        g_assert_cmphex(readb(d->s, STATS + i), ==, 0);
        if (!write) {
            g_assert_cmphex(readb(d->s, DATA + i * PIECE), ==, byte_of(i));
            g_assert_cmphex(readb(d->s, DATA + i * PIECE + PIECE - 1), ==,
                            byte_of(i));
        }
    }
}

static void command(Disk *d, const char *name)
{
    g_autoptr(QObject) r = qmp(d->s, "{'execute': '%s'}", name);

    g_assert_nonnull(qdict_get(r, "return"));
}

static void stopped_by(Disk *d, bool write, bool nospace)
{
    g_autoptr(QObject) ev = qmp_wait_event(d->s, "BLOCK_IO_ERROR");
    g_autoptr(QObject) stop = qmp_wait_event(d->s, "STOP");
    g_autoptr(QObject) r = NULL, status = NULL;
    QObject *data = qdict_get(ev, "data");

    g_assert_cmpstr(qdict_get_str(data, "action"), ==, "stop");
    g_assert_cmpstr(qdict_get_str(data, "operation"), ==,
                    write ? "write" : "read");
    g_assert_cmpint(qdict_get_bool(data, "nospace", false), ==, nospace);
    status = qmp(d->s, "{'execute': 'query-status'}");
    g_assert_cmpstr(qdict_get_str(qdict_get(status, "return"), "status"), ==,
                    "io-error");
    r = qmp(d->s, "{'execute': 'query-block'}");
    g_assert_cmpstr(qdict_get_str(qlist_at(qdict_get(r, "return"), 0),
                                  "io-status"), ==,
                    nospace ? "nospace" : "failed");
}

static char *new_file(const char *where, const char *name, uint64_t size)
{
    char *path = g_build_filename(where, name, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    close(fd);
    return path;
}

/* Three requests fail, once each; the VM stops, and goes on. */
static void errors(bool write, int error, bool iothread, bool merging)
{
    g_autofree char *path = new_file(dir, "disk", COUNT * PIECE);
    g_autofree char *node = g_strdup_printf(
        "{\"driver\": \"raw\", \"node-name\": \"d\", \"file\": {\"driver\": "
        "\"blkdebug\", \"image\": {\"driver\": \"file\", \"filename\": "
        "\"%s\"}, \"inject-error\": ["
        "{\"event\": \"none\", \"iotype\": \"%s\", \"errno\": %d, "
        "\"sector\": 24, \"once\": true},"
        "{\"event\": \"none\", \"iotype\": \"%s\", \"errno\": %d, "
        "\"sector\": 25, \"once\": true},"
        "{\"event\": \"none\", \"iotype\": \"%s\", \"errno\": %d, "
        "\"sector\": 400, \"once\": true}]}}", path, write ? "write" : "read",
        error, write ? "write" : "read", error, write ? "write" : "read",
        error);
    g_autofree char *more = g_strdup_printf(
        ",werror=stop,rerror=stop,request-merging=%s", merging ? "on" : "off");
    unsigned stops = 0;
    Disk d;

    start(&d, node, more, iothread);
    if (!write) {
        submit(&d, true);
        finish(&d, true);
    }
    submit(&d, write);
    for (unsigned done = 0; done < COUNT;) {
        g_autoptr(QObject) st = NULL;

        done = 0;
        collect(&d);
        for (unsigned i = 0; i < COUNT; i++) {
            done += d.seen[i];
        }
        st = qmp(d.s, "{'execute': 'query-status'}");
        if (!qdict_get_bool(qdict_get(st, "return"), "running", true)) {
            stopped_by(&d, write, error == ENOSPC);
            stops++;
            command(&d, "x-vmstate-roundtrip"); /* with what is held */
            command(&d, "cont");
        }
    }
    /* At least sectors 24 and 25 are one request. */
    g_assert_cmpuint(stops, >=, 2);
    g_assert_cmpuint(stops, <=, 3);
    finish(&d, write);
    if (write) {
        submit(&d, false);
        finish(&d, false);
    }
    qtest_quit(d.s);
    unlink(path);
}

static void test_errors(void)
{
    static const int codes[] = { EIO, EAGAIN, ENOSPC };

    for (unsigned k = 0; k < 16; k++) {
        errors(k & 1, codes[k % 3], k & 2, k & 4);
    }
}

/* Errors that the guest is told of. */
static void test_report(void)
{
    for (unsigned iothread = 0; iothread < 2; iothread++) {
        g_autofree char *path = new_file(dir, "disk", COUNT * PIECE);
        g_autofree char *node = g_strdup_printf(
            "{\"driver\": \"raw\", \"node-name\": \"d\", \"file\": "
            "{\"driver\": \"blkdebug\", \"image\": {\"driver\": \"file\", "
            "\"filename\": \"%s\"}, \"inject-error\": [{\"event\": \"none\", "
            "\"iotype\": \"write\", \"errno\": 5, \"sector\": 24}]}}", path);
        unsigned done = 0;
        Disk d;

        start(&d, node, ",werror=report,request-merging=off", iothread);
        submit(&d, true);
        while (done < COUNT) {
            done += collect(&d);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            g_assert_cmpuint(d.seen[i], ==, 1);
            g_assert_cmphex(readb(d.s, STATS + i), ==, i == 24 * 512 / PIECE);
        }
        qtest_quit(d.s);
        unlink(path);
    }
}

/* ---- a full file system ------------------------------------------------------------ */

static void full(const char *fs, const char *driver, bool iothread)
{
    g_autofree char *path = new_file(fs, "disk", COUNT * PIECE);
    g_autofree char *node = g_strdup_printf(
        "{\"driver\": \"%s\", \"node-name\": \"d\", \"file\": {\"driver\": "
        "\"file\", \"filename\": \"%s\"}}", driver, path);
    unsigned seen = 0;
    Disk d;

    g_assert_cmpint(mount("none", fs, NULL, MS_REMOUNT, "size=128k"), ==, 0);
    if (strcmp(driver, "raw")) {
        g_autofree char *cmd = g_strdup_printf(
            CONFIG_BUILD_ROOT "/qemu-img create -q -f %s -o "
            "cluster_size=4096 %s 256k", driver, path);

        g_assert_cmpint(system(cmd), ==, 0);
    }
    start(&d, node, "", iothread); /* werror=enospc */
    submit(&d, true);
    stopped_by(&d, true, true);
    seen = collect(&d);
    g_assert_cmpuint(seen, <, COUNT);
    /* It is as full as before: stops again. */
    command(&d, "cont");
    stopped_by(&d, true, true);
    g_assert_cmpint(mount("none", fs, NULL, MS_REMOUNT, "size=8m"), ==, 0);
    command(&d, "cont");
    finish(&d, true);
    submit(&d, false);
    finish(&d, false);
    qtest_quit(d.s);
    unlink(path);
}

static void test_full(void)
{
    g_autofree char *fs = g_build_filename(dir, "fs", NULL);

    g_assert_cmpint(mkdir(fs, 0700), ==, 0);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", fs, "tmpfs", 0, "size=128k") < 0) {
        g_test_skip("no mount namespace for us");
    } else {
        for (unsigned iothread = 0; iothread < 2; iothread++) {
            full(fs, "raw", iothread);
            full(fs, "qcow2", iothread);
        }
        umount(fs);
    }
    rmdir(fs);
}

/* ---- a main loop that is held --------------------------------------------------------- */

#define HELD_COUNT 320 /* five rounds of the pool's 64 workers */

static _Atomic int64_t held_until; /* us */

static gpointer hold(gpointer s)
{
    g_free(hmp(s, "qemu-io d \"sleep 1500\""));
    atomic_store(&held_until, g_get_monotonic_time());
    return NULL;
}

static void test_held(void)
{
    g_autofree char *ram = new_file(dir, "ram", 16 * MiB);
    int fd = open(ram, O_RDWR);
    uint8_t *mem = mmap(NULL, 16 * MiB, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        0);
    QTestState *s = qtest_init(
        "-M pc,memory-backend=m -m 16M -nodefaults -display none "
        "-object memory-backend-file,id=m,size=16M,mem-path=%s,share=on "
        "-object iothread,id=io0 -blockdev '{\"driver\": \"null-co\", "
        "\"node-name\": \"d\", \"size\": 1073741824, \"latency-ns\": "
        "200000000}' -device virtio-blk-pci,addr=%d,drive=d,iothread=io0,"
        "queue-size=1024,request-merging=off", ram, SLOT);
    int64_t half = 0; /* when half of them were done */
    GThread *thread;
    VtQueue q;
    VtDev d;

    close(fd);
    vt_open(&d, s, SLOT);
    vt_negotiate(&d, 0);
    /* 1,024 slots: the rings are larger than vt_queue() has them. */
    q = (VtQueue){ .d = &d, .size = 1024, .desc = VT_RINGS,
                   .driver = VT_RINGS + 0x4000, .device = VT_RINGS + 0x8000 };
    writew(s, d.bar + 22, 0);
    writew(s, d.bar + 24, q.size);
    writew(s, d.bar + 26, 0xffff);
    writel(s, d.bar + 32, q.desc);
    writel(s, d.bar + 40, q.driver);
    writel(s, d.bar + 48, q.device);
    writew(s, d.bar + 28, 1);
    vt_driver_ok(&d);
    for (unsigned i = 0; i < HELD_COUNT; i++) {
        VtBuf b[3] = { { HEADS + i * 16, 16, false },
                       { DATA + i * 512, 512, true }, { STATS + i, 1, true } };

        writeq(s, b[0].addr, 0);
        writeq(s, b[0].addr + 8, i * 16);
        vt_add(&q, b, 3);
    }
    vt_kick(&q);
    thread = g_thread_new("hold", hold, s);
    while (!half || !atomic_load(&held_until)) {
        if (!half && *(volatile uint16_t *)(mem + q.device + 2) >
                         HELD_COUNT / 2) {
            half = g_get_monotonic_time();
        }
        g_thread_yield();
    }
    g_thread_join(thread);
    /* Three rounds are over in 0.6 s, while the main loop sleeps. */
    g_assert_cmpint(half, <, held_until - 50000);
    while (*(volatile uint16_t *)(mem + q.device + 2) < HELD_COUNT) {
        readb(s, STATS);
    }
    munmap(mem, 16 * MiB);
    qtest_quit(s);
    unlink(ram);
}

/* The monitor's commit: what -snapshot kept goes into the image. */
static void test_commit(void)
{
    g_autofree char *path = new_file(dir, "base", MiB), *all = NULL;
    g_autofree char *none = NULL, *data = NULL;
    QTestState *s = qtest_init("-M none -snapshot -drive if=none,id=d,"
                               "format=raw,file=%s -drive if=none,id=e,"
                               "driver=null-co", path);
    gsize len;

    g_free(hmp(s, "qemu-io d \"write -q -P 90 64k 4k\""));
    g_assert(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmphex(data[64 * KiB], ==, 0);
    all = hmp(s, "commit all");
    g_assert_cmpstr(all, ==, "");
    none = hmp(s, "commit x");
    g_assert_nonnull(strstr(none, "Device 'x' not found"));
    qtest_quit(s);
    g_free(g_steal_pointer(&data));
    g_assert(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(len, ==, MiB);
    g_assert_cmphex(data[64 * KiB], ==, 90);
    g_assert_cmphex(data[68 * KiB - 1], ==, 90);
    g_assert_cmphex(data[68 * KiB], ==, 0);
    unlink(path);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("blk-error-XXXXXX", NULL);
    g_test_add_func("/blk-error/stop", test_errors);
    g_test_add_func("/blk-error/report", test_report);
    g_test_add_func("/blk-error/full", test_full);
    g_test_add_func("/blk-error/held-loop", test_held);
    g_test_add_func("/blk-error/commit", test_commit);
    ret = g_test_run();
    rmdir(dir);
    g_free(dir);
    return ret;
}
