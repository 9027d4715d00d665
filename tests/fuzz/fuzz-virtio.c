/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile drivers: random registers, rings, descriptors and buffers for every
 * virtio device, over qtest.
 *
 *     fuzz-virtio [OPERATIONS [SEED]]
 *
 * An operation is one access to a register or to a ring.  What is random is
 * so in the neighbourhood of what is right: rings mostly lie in memory,
 * descriptors mostly point to it (and to rings, to registers, past the end),
 * requests mostly begin as the device expects.  The emulator must live, and
 * answer QMP, to the end; with a sanitizer built in it says what it finds.
 */
#include "osdep.h"
#include "../qtest/virtio-lib.h"

#define MEM     0x100000 /* what descriptors may hit: 1 MiB */
#define MEM_LEN 0x100000
#define RING(q) (MEM + (q) * 0x4000)

typedef struct Target {
    const char *name;
    unsigned slot, queues;
    VtDev dev;
} Target;

static Target targets[] = {
    { "blk", 3, 2 },     { "blk-packed", 4, 2 },  { "blk-iothread", 5, 2 },
    { "net", 6, 3 },     { "net-packed", 7, 3 },  { "balloon", 8, 5 },
    { "serial", 9, 8 },  { "scsi", 10, 4 },       { "scsi-packed", 11, 4 },
    { "rng", 12, 1 },    { "keyboard", 13, 2 },   { "tablet", 14, 2 },
};

static const char command_line[] =
    "-M pc -m 16M -nodefaults -display none -object iothread,id=t0 "
    "-blockdev null-co,node-name=n0,size=4M,read-zeroes=on "
    "-blockdev null-co,node-name=n1,size=4M,read-zeroes=on "
    "-blockdev null-co,node-name=n2,size=4M,read-zeroes=on "
    "-blockdev null-co,node-name=n3,size=4M,read-zeroes=on "
    "-blockdev null-co,node-name=n4,size=4M,read-zeroes=on "
    "-blockdev null-co,node-name=n5,size=4M,read-zeroes=on,read-only=on "
    "-device virtio-blk-pci,addr=3,drive=n0,num-queues=2 "
    "-device virtio-blk-pci,addr=4,drive=n1,num-queues=2,packed=on "
    "-device virtio-blk-pci,addr=5,drive=n2,num-queues=2,iothread=t0 "
    "-netdev user,id=u0,restrict=on -netdev user,id=u1,restrict=on "
    "-device virtio-net-pci,addr=6,netdev=u0,romfile= "
    "-device virtio-net-pci,addr=7,netdev=u1,packed=on,romfile= "
    "-device virtio-balloon-pci,addr=8,free-page-hint=on,"
    "free-page-reporting=on,deflate-on-oom=on "
    "-device virtio-serial-pci,addr=9,id=vs,max_ports=3 "
    "-chardev null,id=c0 -chardev null,id=c1 "
    "-device virtconsole,chardev=c0,bus=vs.0 "
    "-device virtserialport,chardev=c1,bus=vs.0,name=x "
    "-device virtio-scsi-pci,addr=0xa,id=s0,num_queues=2 "
    "-device scsi-hd,bus=s0.0,drive=n3 "
    "-device virtio-scsi-pci,addr=0xb,id=s1,num_queues=2,packed=on "
    "-device scsi-hd,bus=s1.0,drive=n4 -device scsi-cd,bus=s1.0,drive=n5 "
    "-device virtio-rng-pci,addr=0xc -device virtio-keyboard-pci,addr=0xd "
    "-device virtio-tablet-pci,addr=0xe";

static GRand *rnd;
static uint64_t ops;
static QTestState *qts;

static uint32_t below(uint32_t n)
{
    return g_rand_int(rnd) % n;
}

static bool one_in(uint32_t n)
{
    return below(n) == 0;
}

static uint64_t any_addr(const Target *t)
{
    switch (below(24)) {
    case 0:
        return t->dev.bar + below(0x4000); /* its own registers */
    case 1:
        return (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd);
    case 2:
        return 0xfffffff0 + below(32);
    case 3:
        return 0x1000000 - below(64); /* the end of memory */
    case 4:
        return 0xa0000 + below(0x20000);
    default:
        return MEM + below(MEM_LEN);
    }
}

static uint32_t any_len(void)
{
    static const uint32_t lens[] = { 1,  2,   4,   8,   10,  12,  16, 20, 24,
                                     36, 51,  108, 512, 520, 1024, 4096 };

    switch (below(12)) {
    case 0:
        return g_rand_int(rnd);
    case 1:
        return below(70000);
    case 2:
        return 0;
    default:
        return lens[below(ARRAY_SIZE(lens))];
    }
}

static void fill_desc(const Target *t, uint8_t *d, bool packed, bool last)
{
    uint64_t addr = any_addr(t);
    uint32_t len = any_len();
    uint16_t flags = below(4) | (one_in(12) ? VTD_INDIRECT : 0);
    uint16_t next = one_in(16) ? g_rand_int(rnd) : below(16);

    if (last) {
        flags &= ~VTD_NEXT;
    }
    if (one_in(64)) {
        flags = g_rand_int(rnd);
    }
    memcpy(d, &addr, 8);
    memcpy(d + 8, &len, 4);
    if (packed) {
        flags |= one_in(8) ? 0x8000 : 0x80;
        memcpy(d + 12, &next, 2);
        memcpy(d + 14, &flags, 2);
    } else {
        memcpy(d + 12, &flags, 2);
        memcpy(d + 14, &next, 2);
    }
}

/* A chain as drivers make it: readable parts, then writable ones. */
static unsigned good_chain(const Target *t, uint8_t *ring, unsigned at,
                           unsigned size, bool packed)
{
    unsigned out = below(3), in = below(3) + !out, n = out + in;

    for (unsigned i = 0; i < n; i++) {
        uint8_t *d = ring + (at + i) % size * 16;
        uint64_t addr = MEM + below(MEM_LEN - 8192);
        uint32_t len = any_len() % 8192;
        uint16_t flags = (i + 1 < n ? VTD_NEXT : 0) |
                         (i >= out ? VTD_WRITE : 0) | (packed ? 0x80 : 0);
        uint16_t next = (at + i + 1) % size;

        len = len ? len : 1;
        memcpy(d, &addr, 8);
        memcpy(d + 8, &len, 4);
        memcpy(d + (packed ? 14 : 12), &flags, 2);
        memcpy(d + (packed ? 12 : 14), &next, 2);
    }
    return n;
}

/* Words that mean something at the head of some device's request. */
static void fill_memory(void)
{
    uint8_t b[1024];
    uint64_t at = MEM + below(MEM_LEN - sizeof(b));

    for (unsigned i = 0; i < sizeof(b); i += 4) {
        static const uint32_t words[] = {
            0, 1, 2, 4, 8, 11, 13, 0x00000001, 0x40000001, 0x00000101, 0x28,
            0x2a, 0x12, 0x1a, 0xa0, 0x88, 0x8a, 0x41, 0x42, 0x93, 0x2f,
        };
        uint32_t v = one_in(3) ? g_rand_int(rnd)
                               : words[below(ARRAY_SIZE(words))];

        memcpy(b + i, &v, 4);
    }
    memwrite(qts, at, b, sizeof(b));
    ops++;
}

static void fill_ring(Target *t, unsigned q)
{
    bool packed = t->dev.features & BIT(VTF_PACKED);
    uint8_t ring[16 * 16], avail[4 + 16 * 2 + 2];
    bool good = !one_in(4);
    uint16_t idx = below(17);

    for (unsigned i = 0; i < 16;) {
        if (good) {
            i += good_chain(t, ring, i, 16, packed);
        } else {
            fill_desc(t, ring + i * 16, packed, i == 15);
            i++;
        }
    }
    memwrite(qts, RING(q), ring, sizeof(ring));
    for (unsigned i = 0; i < sizeof(avail); i++) {
        avail[i] = 0;
    }
    for (unsigned i = 0; i < 16; i++) {
        avail[4 + 2 * i] = one_in(200) ? below(256) : below(16);
    }
    avail[0] = below(2);
    avail[2] = one_in(50) ? below(256) : idx;
    avail[36] = below(20); /* used_event */
    memwrite(qts, RING(q) + 0x1000, avail, sizeof(avail));
    ops += 2;
}

static void set_up(Target *t)
{
    VtDev *d = &t->dev;

    if (one_in(4)) {
        /* Bus mastering and memory may have gone. */
        vt_cfg_write(qts, t->slot, 4, 7);
    }
    vt_negotiate(d, (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd));
    for (unsigned q = 0; q < t->queues; q++) {
        VtQueue vq;

        if (!one_in(16)) {
            vt_queue(&vq, d, q, 16, RING(q));
        }
        ops += 12;
    }
    vt_driver_ok(d);
    ops += 14;
}

static void registers(Target *t)
{
    VtDev *d = &t->dev;
    uint32_t v = one_in(2) ? below(64) : g_rand_int(rnd);

    switch (below(8)) {
    case 0:
        writel(qts, d->bar + below(60), v);
        break;
    case 1:
        writew(qts, d->bar + below(60), v);
        break;
    case 2:
        writel(qts, d->bar + VT_DEVICE + below(64), v);
        break;
    case 3:
        readl(qts, d->bar + below(0x2100));
        break;
    case 4:
        outl(qts, d->io + below(64), v);
        break;
    case 5:
        outb(qts, d->io + below(64), v);
        break;
    case 6:
        writew(qts, d->bar + 22, below(t->queues));
        writew(qts, d->bar + 58, 1); /* reset one queue */
        break;
    default:
        vt_cfg_write(qts, t->slot, 0x40 + below(0x30) * 4, v);
    }
    ops++;
}

static void session(Target *t)
{
    VtDev *d = &t->dev;

    set_up(t);
    for (unsigned i = below(24); i; i--) {
        unsigned q = below(t->queues);

        if (one_in(6)) {
            fill_memory();
        }
        fill_ring(t, q);
        writew(qts, d->bar + VT_NOTIFY + q * 4, q);
        ops++;
        if (one_in(10)) {
            registers(t);
        }
        if (one_in(40)) {
            writeb(qts, d->bar + 20, 0); /* a reset with all in flight */
            ops++;
            break;
        }
        if (one_in(60)) {
            vt_cfg_write(qts, t->slot, 4, below(8));
            ops++;
        }
        if (vt_status(d) & VT_S_NEEDS_RESET) {
            break;
        }
    }
    vt_cfg_write(qts, t->slot, 4, 7);
    vt_cfg_write(qts, t->slot, 0x20, d->bar);
    vt_cfg_write(qts, t->slot, 0x10, d->io);
    clock_step(qts, 1000000);
    ops += 4;
}

int main(int argc, char **argv)
{
    uint64_t want = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 0) : 20000;
    uint32_t seed = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 0) : 1;
    uint64_t sessions = 0;

    rnd = g_rand_new_with_seed(seed);
    qts = qtest_init("%s", command_line);
    for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
        vt_open(&targets[i].dev, qts, targets[i].slot);
    }
    while (ops < want) {
        session(&targets[below(ARRAY_SIZE(targets))]);
        if (++sessions % 200 == 0) {
            qobject_unref(qmp(qts, "{'execute': 'query-status'}"));
        }
        if (sessions % 1000 == 0) {
            qobject_unref(qmp(qts, "{'execute': 'x-vmstate-roundtrip'}"));
        }
    }
    qtest_quit(qts);
    printf("%" PRIu64 " operations in %" PRIu64 " sessions, seed %u\n", ops,
           sessions, seed);
    g_rand_free(rnd);
    return 0;
}
