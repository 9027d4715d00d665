/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile drivers and hostile networks for the cards, over qtest.
 *
 *     fuzz-nic MODEL|all registers|frames|both [OPERATIONS [SEED]]
 *
 * registers: random accesses to registers, descriptors and time, with frames
 * coming in.  Values are those that tend to hurt: ends of memory, the card's
 * own registers, powers of two.
 * frames: a driver that does its work, and frames of all lengths whose headers
 * contradict each other; an operation is a frame.
 *
 * The emulator must live, and answer QMP, to the end; with a sanitizer built
 * in it says what it finds.
 */
#include "osdep.h"
#include "../qtest/nic-lib.h"
#include <sys/socket.h>

#define BURST 64
#define RAM   (16u << 20)

typedef struct Model {
    const char *name;
    int mem_bar, io_bar;
    unsigned io_base, span;  /* of the registers */
    const uint16_t *hot;     /* 0xffff ends it */
    /* Makes it receive; takes @n frames out, or gives buffers back. */
    void (*set_up)(Nic *n);
    void (*refill)(Nic *n);
} Model;

static GRand *rnd;
static GString *burst;
static unsigned in_burst;

static uint32_t pick(uint32_t n)
{
    return g_rand_int(rnd) % n;
}

static uint32_t nasty(void)
{
    static const uint32_t v[] = {
        0, 1, 0x10000, 0x11000, 0x20000, NIC_MMIO, NIC_MMIO + 0x10,
        NIC_MMIO + 0x3800, 0xffffffff, 0x7fffffff, 0x80000000, 0xfffff000, RAM,
        RAM - 4, 0xfff0, 0x80, 0x10, 7,
    };

    switch (pick(3)) {
    case 0:
        return v[pick(ARRAY_SIZE(v))];
    case 1:
        return 1u << pick(32);
    default:
        return g_rand_int(rnd) >> pick(24);
    }
}

static void flush(Nic *n)
{
    uint8_t drop[65536];

    qtest_burst(n->qts, burst, in_burst);
    g_string_truncate(burst, 0);
    in_burst = 0;
    /* Nobody looks at what came out. */
    while (recv(n->sock, drop, sizeof(drop), MSG_DONTWAIT) > 0) {
    }
}

static void ask(Nic *n, const char *fmt, ...) PRINTF(2, 3);
static void ask(Nic *n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(burst, fmt, ap);
    va_end(ap);
    g_string_append_c(burst, '\n');
    if (++in_burst >= BURST) {
        flush(n);
    }
}

static void put_l(Nic *n, uint32_t at, uint32_t v)
{
    ask(n, "writel 0x%x 0x%x", at, v);
}

/* ---- drivers that do their work ------------------------------------------------ */

static void e1000_set_up(Nic *n)
{
    put_l(n, NIC_MMIO + 0x2800, 0x11000);
    put_l(n, NIC_MMIO + 0x2804, 0);
    put_l(n, NIC_MMIO + 0x2808, 0x100);
    put_l(n, NIC_MMIO + 0x5000, 0x300); /* checksums */
    put_l(n, NIC_MMIO, 0x40000241);     /* VLAN tags */
    put_l(n, NIC_MMIO + 0x100, 0x803e | pick(4) << 16 | pick(2) << 25);
}

static void e1000_refill(Nic *n)
{
    for (unsigned i = 0; i < 16; i++) {
        put_l(n, 0x11000 + 16 * i, 0x20000 + 0x4000 * i);
        put_l(n, 0x11004 + 16 * i, 0);
        put_l(n, 0x1100c + 16 * i, 0);
    }
    put_l(n, NIC_MMIO + 0x2810, 0);
    put_l(n, NIC_MMIO + 0x2818, 15);
    ask(n, "readl 0x%x", NIC_MMIO + 0xc0);
}

static void rtl8139_set_up(Nic *n)
{
    bool plus = pick(2);

    ask(n, "writeb 0x%x 0x10", NIC_MMIO + 0x37);
    ask(n, "writew 0x%x 0x%x", NIC_MMIO + 0xe0, plus ? 0x63 : 0);
    put_l(n, NIC_MMIO + 0xe4, 0x11000);
    put_l(n, NIC_MMIO + 0xe8, 0);
    put_l(n, NIC_MMIO + 0x30, 0x20000);
    ask(n, "writeb 0x%x 0x0c", NIC_MMIO + 0x37);
    put_l(n, NIC_MMIO + 0x44, 0x0f | pick(2) << 7 | pick(4) << 11);
}

static void rtl8139_refill(Nic *n)
{
    /* CBR, less 16: all was read. */
    uint16_t cbr = readw(n->qts, NIC_MMIO + 0x3a);

    for (unsigned i = 0; i < 16; i++) {
        put_l(n, 0x11004 + 16 * i, 0);
        put_l(n, 0x11008 + 16 * i, 0x40000 + 0x2000 * i);
        put_l(n, 0x1100c + 16 * i, 0);
        put_l(n, 0x11000 + 16 * i,
              0x80000000 | (i == 15 ? 1u << 30 : 0) | (pick(4) ? 0x1ff8 : 64));
    }
    ask(n, "writew 0x%x 0x%x", NIC_MMIO + 0x38, (uint16_t)(cbr - 16));
    ask(n, "writew 0x%x 0xffff", NIC_MMIO + 0x3e);
}

static unsigned ne_base(const Nic *n)
{
    return n->port;
}

static void ne_set_up(Nic *n)
{
    static const uint8_t init[][2] = {
        { 0x00, 0x21 }, { 0x0e, 0x49 }, { 0x0c, 0x1c }, { 0x01, 0x46 },
        { 0x02, 0x80 }, { 0x03, 0x46 }, { 0x0d, 0x00 }, { 0x00, 0x61 },
        { 0x07, 0x46 }, { 0x00, 0x22 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(init); i++) {
        ask(n, "outb 0x%x 0x%x", ne_base(n) + init[i][0], init[i][1]);
    }
}

static void ne_refill(Nic *n)
{
    uint8_t curr;

    flush(n);
    outb(n->qts, ne_base(n), 0x62);
    curr = inb(n->qts, ne_base(n) + 7);
    outb(n->qts, ne_base(n), 0x22);
    outb(n->qts, ne_base(n) + 3, curr);
}

static void pcnet_csr(Nic *n, unsigned r, uint16_t v)
{
    ask(n, "outw 0x%x 0x%x", NIC_PORT + 0x12, r);
    ask(n, "outw 0x%x 0x%x", NIC_PORT + 0x10, v);
}

static void pcnet_set_up(Nic *n)
{
    ask(n, "inw 0x%x", NIC_PORT + 0x14);
    ask(n, "outw 0x%x 20", NIC_PORT + 0x12);
    ask(n, "outw 0x%x 2", NIC_PORT + 0x16);
    pcnet_csr(n, 15, 0x8000);
    pcnet_csr(n, 24, 0x1000);
    pcnet_csr(n, 25, 1);
    pcnet_csr(n, 76, (uint16_t)-16);
    pcnet_csr(n, 0, 2);
}

static void pcnet_refill(Nic *n)
{
    for (unsigned i = 0; i < 16; i++) {
        put_l(n, 0x11000 + 16 * i, 0x20000 + 0x2000 * i);
        put_l(n, 0x11004 + 16 * i,
              0x8000f000 | (pick(4) ? -2048 & 0xfff : pick(4096)));
    }
    ask(n, "clock_step 2000000");
}

static const uint16_t rtl8139_hot[] = {
    0x10, 0x14, 0x20, 0x24, 0x28, 0x30, 0x37, 0x38, 0x3c, 0x3e, 0x40, 0x44,
    0x48, 0x50, 0x54, 0xd9, 0xe0, 0xe4, 0xe8, 0xffff,
};
static const uint16_t e1000_hot[] = {
    0x00, 0x10, 0x14, 0x20, 0xc4, 0xc8, 0xd0, 0x100, 0x400, 0x2800, 0x2804,
    0x2808, 0x2810, 0x2818, 0x2820, 0x282c, 0x3800, 0x3804, 0x3808, 0x3810,
    0x3818, 0x3820, 0x382c, 0x5000, 0xffff,
};
static const uint16_t ne_hot[] = {
    0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 16, 16, 16, 0x1f,
    0xffff,
};
static const uint16_t pcnet_hot[] = {
    0x10, 0x10, 0x10, 0x12, 0x12, 0x12, 0x14, 0x16, 0x18, 0x1c, 0xffff,
};

static const Model models[] = {
    { "rtl8139", 1, 0, NIC_PORT, 0x100, rtl8139_hot, rtl8139_set_up,
      rtl8139_refill },
    { "e1000", 0, 1, NIC_PORT, 0x8000, e1000_hot, e1000_set_up, e1000_refill },
    { "ne2k_pci", -1, 0, NIC_PORT, 0x20, ne_hot, ne_set_up, ne_refill },
    { "ne2k_isa", -1, -1, 0x300, 0x20, ne_hot, ne_set_up, ne_refill },
    { "pcnet", 1, 0, NIC_PORT, 0x20, pcnet_hot, pcnet_set_up, pcnet_refill },
};

/* ---- frames ------------------------------------------------------------------------ */

static uint32_t any_frame(uint8_t *f)
{
    static const uint32_t lens[] = { 1, 13, 14, 59, 60, 64, 1514, 1518, 1522,
                                     4090, 4092, 4096, 9014, 16384, 65535 };
    uint32_t len = pick(8) ? 14 + pick(pick(4) ? 200 : 1600)
                           : lens[pick(ARRAY_SIZE(lens))];
    uint8_t *p = f + 12;

    make_frame(f, MAX(len, 64));
    if (!pick(4)) {
        memset(f, pick(2) ? 0xff : 0x01, 6);
    }
    if (!pick(3)) { /* VLAN */
        memcpy(p, (uint8_t[]){ 0x81, 0, pick(256), pick(256) }, 4);
        p += 4;
    }
    if (pick(3)) {
        bool v6 = pick(2);
        uint16_t total = pick(3) ? (uint16_t)(len - (p + 2 - f)) : pick(65536);

        *p++ = v6 ? 0x86 : 0x08;
        *p++ = v6 ? 0xdd : 0x00;
        memset(p, 0, 24);
        p[0] = v6 ? 0x60 : 0x40 | (pick(3) ? 5 : pick(16));
        p[v6 ? 4 : 2] = total >> 8;
        p[v6 ? 5 : 3] = total;
        p[v6 ? 6 : 9] = (uint8_t[]){ 6, 17, 0, 44, 1, 58 }[pick(6)];
        p += v6 ? 40 : 20;
        p[4] = pick(4) ? total >> 8 : pick(256); /* UDP's length */
        p[5] = pick(4) ? total : pick(256);
        p[12] = pick(256); /* TCP's header's */
    }
    for (unsigned k = pick(6); k; k--) {
        f[pick(64)] = pick(256);
    }
    return len;
}

/* What the wire has not taken yet: the card may let its sender wait. */
static GByteArray *waiting;

/* False: there is no room, the frame is not sent. */
static bool wire_try(Nic *n, const uint8_t *f, uint32_t len)
{
    uint8_t hdr[4] = { len >> 24, len >> 16, len >> 8, len };
    bool took = waiting->len == 0;
    ssize_t put;

    if (took) {
        g_byte_array_append(waiting, hdr, sizeof(hdr));
        g_byte_array_append(waiting, f, len);
    }
    put = send(n->sock, waiting->data, waiting->len,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0) {
        g_byte_array_remove_range(waiting, 0, put);
    }
    return took;
}

static void descriptors(Nic *n)
{
    for (unsigned k = 0; k < 4; k++) {
        uint32_t at = (pick(2) ? 0x10000 : 0x11000) + 16 * pick(8);

        for (unsigned w = 0; w < 4; w++) {
            put_l(n, at + 4 * w, w == 2 && pick(2) ? 0x20000 : nasty());
        }
    }
}

static void registers(Nic *n, const Model *m)
{
    static const char width[] = { 'b', 'w', 'l' };
    unsigned hot = 0, w = pick(3);
    uint32_t reg;
    bool port = m->mem_bar < 0 || !pick(4);

    while (m->hot[hot] != 0xffff) {
        hot++;
    }
    reg = pick(4) ? m->hot[pick(hot)] : pick(m->span);
    reg &= ~((1u << w) - 1);
    if (!strcmp(m->name, "e1000") && port) {
        reg &= 4;
    }
    if (!pick(6)) {
        ask(n, port ? "in%c 0x%x" : "read%c 0x%x", width[w],
            port ? m->io_base + (reg & 0xff) : NIC_MMIO + reg);
    } else {
        ask(n, port ? "out%c 0x%x 0x%x" : "write%c 0x%x 0x%x", width[w],
            port ? m->io_base + (reg & 0xff) : NIC_MMIO + reg,
            w == 0 ? nasty() & 0xff : w == 1 ? nasty() & 0xffff : nasty());
    }
}

static void fuzz_registers(Nic *n, const Model *m, uint64_t count)
{
    uint8_t f[65536];

    for (uint64_t i = 0; i < count; i++) {
        switch (pick(40)) {
        case 0: case 1: case 2:
            descriptors(n);
            break;
        case 3: case 4:
            wire_try(n, f, any_frame(f));
            break;
        case 5:
            ask(n, "clock_step %u", pick(10) ? pick(100000) : pick(100000000));
            break;
        case 6:
            if (!pick(50)) {
                flush(n);
                nic_enable(n, m->mem_bar, m->io_bar);
            } else if (!pick(4)) {
                m->set_up(n);
            }
            break;
        default:
            registers(n, m);
        }
        if (i % 100000 == 99999) {
            flush(n);
            qobject_unref(qmp(n->qts, "{'execute':'x-vmstate-roundtrip'}"));
        }
    }
}

static void fuzz_frames(Nic *n, const Model *m, uint64_t count)
{
    uint8_t f[65536];
    uint32_t len;

    for (uint64_t i = 0; i < count; i++) {
        if (i % 4096 == 0) {
            m->set_up(n);
        }
        if (i % 16 == 0) {
            m->refill(n);
        }
        len = any_frame(f);
        while (!wire_try(n, f, len)) {
            m->refill(n);
            ask(n, "clock_step 1000000");
        }
    }
}

static void run(const Model *m, bool frames, uint64_t count)
{
    Nic n = nic_start(m->name);

    n.port = m->io_base;
    g_byte_array_set_size(waiting, 0);
    if (m->io_bar >= 0) {
        nic_enable(&n, m->mem_bar, m->io_bar);
    }
    if (frames) {
        fuzz_frames(&n, m, count);
    } else {
        fuzz_registers(&n, m, count);
    }
    flush(&n);
    qobject_unref(qmp(n.qts, "{'execute':'query-status'}"));
    nic_stop(&n);
    printf("%s: %" PRIu64 " %s\n", m->name, count,
           frames ? "frames" : "register operations");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *model = argc > 1 ? argv[1] : "all";
    const char *what = argc > 2 ? argv[2] : "both";
    uint64_t count = argc > 3 ? g_ascii_strtoull(argv[3], NULL, 0) : 3000;
    uint32_t seed = argc > 4 ? g_ascii_strtoull(argv[4], NULL, 0) : 1;

    rnd = g_rand_new_with_seed(seed);
    burst = g_string_new(NULL);
    waiting = g_byte_array_new();
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++) {
        if (!strcmp(model, "all") || !strcmp(model, models[i].name)) {
            if (strcmp(what, "frames") != 0) {
                run(&models[i], false, count);
            }
            if (strcmp(what, "registers") != 0) {
                run(&models[i], true, count);
            }
        }
    }
    g_string_free(burst, TRUE);
    g_byte_array_unref(waiting);
    g_rand_free(rnd);
    return 0;
}
