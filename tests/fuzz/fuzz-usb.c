/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile USB drivers, over qtest: registers, schedules, descriptors and
 * requests of one controller and its devices.
 *
 *     fuzz-usb uhci|ehci|xhci [OPERATIONS [SEED]]
 *
 * An operation is one access to a register, or one descriptor (TD, qTD, TRB,
 * queue head, context) that the controller is given.  Transfers begin as a
 * driver would make them (enumeration, HID polls, hub requests, SCSI commands,
 * serial data); then some of their words become links to each other, lengths
 * and addresses at random.  The emulator must live and answer QMP to the end;
 * with a sanitizer built in it says what it finds.
 */
#include "osdep.h"
#include "../qtest/libqtest.h"

#define BAR   0xe0000000u
#define IO    0xc000u
#define SLOT  4
#define BASE  0x10000u  /* of what is written to guest memory */
#define SPAN  0x40000u
#define BUF   0x40000u
#define BUF_LEN 0x10000u

typedef struct Xfer {
    unsigned addr, ep;
    bool control, in;
    uint8_t setup[8];
    uint32_t len, buf;
} Xfer;

typedef struct Model {
    const char *name, *devices;
    void (*start)(void);
    void (*submit)(const Xfer *x);
    void (*registers)(void);
} Model;

static const Model *model;
static GRand *rnd;
static QTestState *qts;
static uint64_t ops;
static uint8_t mem[SPAN];      /* what guest memory is given, from BASE on */
static struct {
    uint32_t lo, hi;           /* offsets not written yet */
} dirty[SPAN / 4096];

static uint32_t below(uint32_t n)
{
    return g_rand_int(rnd) % n;
}

static bool one_in(uint32_t n)
{
    return below(n) == 0;
}

/* ---- guest memory -------------------------------------------------------- */

static void put(uint32_t addr, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    addr -= BASE;
    memcpy(mem + addr, &v, 4);
    if (!dirty[addr / 4096].hi) {
        dirty[addr / 4096].lo = addr;
    }
    dirty[addr / 4096].lo = MIN(dirty[addr / 4096].lo, addr);
    dirty[addr / 4096].hi = MAX(dirty[addr / 4096].hi, addr + 4);
}

static uint32_t word(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A word that may mean something: a place in the schedules with low bits, a
 * length, a token, an address past the end. */
static uint32_t wild(void)
{
    switch (below(10)) {
    case 0:
    case 1:
    case 2:
        return BASE + 32 * below(0x1000) + below(8);
    case 3:
        return below(0x800) << 21 | below(16) << 15 | below(8) << 8 |
               (one_in(2) ? 0x69 : 0xe1);
    case 4:
        return below(0x8000) << 16 | below(0x10000) | 0x80;
    case 5:
        return below(64) << 10 | below(0x400) | below(32) << 16 |
               below(5) << 24;
    case 6:
        return BUF + below(BUF_LEN);
    case 7:
        return BAR + below(0x3000);
    case 8:
        return 0x1000000 - below(64);
    default:
        return g_rand_int(rnd);
    }
}

static void flush(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(dirty); i++) {
        if (!dirty[i].hi) {
            continue;
        }
        for (unsigned n = one_in(4) ? below(6) : 0; n; n--) {
            put(BASE + dirty[i].lo +
                    (below(dirty[i].hi - dirty[i].lo) & ~3u), wild());
        }
        memwrite(qts, BASE + dirty[i].lo, mem + dirty[i].lo,
                 dirty[i].hi - dirty[i].lo);
        dirty[i].hi = 0;
    }
}

static uint32_t cfg(unsigned fn, unsigned reg)
{
    return 0x80000000u | SLOT << 11 | fn << 8 | reg;
}

static void cfg_write(unsigned fn, unsigned reg, uint32_t v)
{
    outl(qts, 0xcf8, cfg(fn, reg));
    outl(qts, 0xcfc, v);
    ops += 2;
}

static void w32(uint32_t reg, uint32_t v)
{
    writel(qts, BAR + reg, v);
    ops++;
}

static void step(uint32_t us)
{
    clock_step(qts, (int64_t)us * 1000);
}

/* ---- UHCI ---------------------------------------------------------------- */

static const char uhci_devices[] =
    "-device piix3-usb-uhci,id=hc,addr=4 ";

static void uhci_start(void)
{
    cfg_write(0, 0x20, IO);
    cfg_write(0, 4, 7);
    outw(qts, IO, one_in(4) ? 2 : 0);
    for (unsigned i = 0; i < 2; i++) {
        outw(qts, IO + 0x10 + 2 * i, 0x200);
        outw(qts, IO + 0x10 + 2 * i, 0x4 | (one_in(16) ? below(0x10000) : 0));
    }
    outl(qts, IO + 8, BASE);
    outw(qts, IO + 4, 15);
    outw(qts, IO, 0x81);
    ops += 9;
}

static uint32_t uhci_td(unsigned n, uint8_t pid, const Xfer *x, uint32_t buf,
                        uint32_t len, bool last)
{
    uint32_t at = BASE + 0x3000 + 32 * n;

    put(at, last ? 1 : (at + 32) | (one_in(4) ? 0 : 4));
    put(at + 4, 0x18800000 | (last ? 0x01000000 : 0) |
                    (one_in(4) ? 0x20000000 : 0) |
                    (one_in(20) ? 0x02000000 : 0));
    put(at + 8, ((len - 1) & 0x7ff) << 21 | x->ep << 15 | x->addr << 8 | pid);
    put(at + 12, buf);
    ops++;
    return n + 1;
}

static void uhci_submit(const Xfer *x)
{
    static const uint16_t sizes[] = { 8, 64, 64, 512, 1280 };
    uint32_t part = sizes[below(ARRAY_SIZE(sizes))], at;
    unsigned first = below(64), n = first;

    if (x->control) {
        put(BUF - 8, word(x->setup));
        put(BUF - 4, word(x->setup + 4));
        n = uhci_td(n, 0x2d, x, BUF - 8, 8, false);
    }
    for (at = 0; at < x->len && n < first + 40; at += part) {
        n = uhci_td(n, x->in ? 0x69 : 0xe1, x, x->buf + at,
                    MIN(part, x->len - at),
                    !x->control && (at + part >= x->len || n == first + 39));
    }
    if (x->control) {
        n = uhci_td(n, x->in ? 0xe1 : 0x69, x, 0, 0, true);
    }
    put(BASE + 0x2000, one_in(8) ? BASE + 0x2002 : 1);
    put(BASE + 0x2004, n > first ? BASE + 0x3000 + 32 * first : 1);
    for (unsigned i = 0; i < 1024 && one_in(8); i++) {
        put(BASE + 4 * i, BASE + 0x2002);
    }
    ops++;
    flush();
    step(1000 + below(4000));
}

static void uhci_registers(void)
{
    unsigned reg = below(0x20);

    switch (below(5)) {
    case 0:
        inl(qts, IO + reg);
        break;
    case 1:
        outb(qts, IO + reg, below(256));
        break;
    case 2:
        outl(qts, IO + reg, g_rand_int(rnd));
        break;
    default:
        outw(qts, IO + reg, below(0x10000));
    }
    ops++;
}

/* ---- EHCI with a companion ------------------------------------------------- */

static const char ehci_devices[] =
    "-device ich9-usb-ehci1,id=hc,addr=4.7,multifunction=on "
    "-device ich9-usb-uhci1,masterbus=hc.0,firstport=0,addr=4.0,"
    "multifunction=on "
    "-device ich9-usb-uhci2,masterbus=hc.0,firstport=2,addr=4.1,"
    "multifunction=on ";

static void ehci_start(void)
{
    cfg_write(7, 0x10, BAR);
    cfg_write(7, 4, 7);
    cfg_write(0, 0x20, IO);
    cfg_write(0, 4, 7);
    if (one_in(4)) {
        w32(0x20, 2);
    }
    w32(0x60, !one_in(8));
    for (unsigned i = 0; i < 6; i++) {
        w32(0x64 + 4 * i, 0x1100);
        w32(0x64 + 4 * i, 0x1000 | (one_in(16) ? wild() : 0));
    }
    w32(0x28, 0x3f);
    w32(0x34, BASE);
    w32(0x38, BASE + 0x2000);
    w32(0x20, 0x31 | (one_in(4) ? 0x40 : 0));
}

static uint32_t ehci_qtd(unsigned n, unsigned pid, uint32_t buf, uint32_t len,
                         bool last)
{
    uint32_t at = BASE + 0x3000 + 64 * n;

    put(at, last ? 1 : at + 64);
    put(at + 4, one_in(3) ? at + 64 * below(4) : 1);
    put(at + 8, len << 16 | (last ? 0x8000 : 0) | 0xc00 | pid << 8 | 0x80);
    put(at + 12, buf);
    for (unsigned i = 1; i < 5; i++) {
        put(at + 12 + 4 * i, (buf & ~0xfffu) + 4096 * i);
    }
    ops++;
    return n + 1;
}

static void ehci_iso(const Xfer *x)
{
    uint32_t at = BASE + 0x8000 + 64 * below(16);
    bool split = one_in(3);

    put(at, one_in(4) ? BASE + 0x8000 + 64 * below(16) + 2 * below(4) : 1);
    if (split) {
        put(at + 4, x->addr | x->ep << 8 | (x->in ? 0x80000000u : 0));
        put(at + 8, 0xff01);
        put(at + 12, 0x80000080u | (x->len & 0x3ff) << 16);
        put(at + 16, x->buf);
        put(at + 20, (x->buf & ~0xfffu) + 4096);
    } else {
        for (unsigned i = 0; i < 8; i++) {
            put(at + 4 + 4 * i, (one_in(3) ? 0 : 0x80000000u) | below(7) << 12 |
                                    (x->len & 0xfff) << 16 | below(0x1000) |
                                    (one_in(4) ? 0x8000 : 0));
        }
        for (unsigned i = 0; i < 7; i++) {
            put(at + 36 + 4 * i, (x->buf & ~0xfffu) + 4096 * i);
        }
        put(at + 36, (x->buf & ~0xfffu) | x->ep << 8 | x->addr);
        put(at + 40, ((x->buf & ~0xfffu) + 4096) | (x->in ? 0x800 : 0) | 512);
        put(at + 44, ((x->buf & ~0xfffu) + 8192) | below(4));
    }
    ops++;
    for (unsigned i = 0; i < 1024; i++) {
        put(BASE + 4 * i, at | (split ? 4 : 0));
    }
}

static void ehci_submit(const Xfer *x)
{
    unsigned first = below(32), n = first;
    uint32_t qh = BASE + 0x2000 + 128 * below(4), part, at;

    if (one_in(12)) {
        ehci_iso(x);
    }
    if (x->control) {
        put(BUF - 8, word(x->setup));
        put(BUF - 4, word(x->setup + 4));
        n = ehci_qtd(n, 2, BUF - 8, 8, false);
    }
    part = one_in(4) ? 512 : 16384;
    for (at = 0; at < x->len && n < first + 12; at += part) {
        n = ehci_qtd(n, x->in, x->buf + at, MIN(part, x->len - at),
                     !x->control && at + part >= x->len);
    }
    if (x->control) {
        n = ehci_qtd(n, !x->in, 0, 0, true);
    }
    /* The ring of heads; one of them has the transfer. */
    for (unsigned i = 0; i < 4; i++) {
        uint32_t h = BASE + 0x2000 + 128 * i;

        put(h, (BASE + 0x2000 + 128 * ((i + 1) % 4)) | 2);
        put(h + 4, 64 << 16 | 0x4000 | (i ? 0 : 0x8000) | 2 << 12 |
                       x->ep << 8 | x->addr);
        put(h + 8, 1u << 30);
        put(h + 12, 0);
        put(h + 16, h == qh && n > first ? BASE + 0x3000 + 64 * first : 1);
        put(h + 20, 1);
        put(h + 24, 0);
        ops++;
    }
    if (one_in(8)) {
        for (unsigned i = 0; i < 1024; i++) {
            put(BASE + 4 * i, (BASE + 0x2000 + 128 * below(4)) | 2);
        }
    }
    flush();
    step(500 + below(4000));
    if (one_in(4)) {
        w32(0x20, 0x71);
    }
}

static void ehci_registers(void)
{
    static const uint16_t hot[] = { 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38,
                                    0x60, 0x64, 0x68, 0x6c, 0x70 };
    unsigned reg = one_in(4) ? below(0x1000) : hot[below(ARRAY_SIZE(hot))];

    switch (below(4)) {
    case 0:
        readl(qts, BAR + (reg & ~3u));
        ops++;
        break;
    case 1:
        uhci_registers();
        break;
    default:
        w32(reg & ~3u, one_in(2) ? BIT(below(32)) | 0x31 : wild());
    }
}

/* ---- xHCI ---------------------------------------------------------------- */

static const char xhci_devices[] =
    "-device qemu-xhci,id=hc,addr=4,p2=8,p3=4 ";

#define DCBAA   (BASE)
#define ERST    (BASE + 0x800)
#define EVENTS  (BASE + 0x1000)
#define COMMAND (BASE + 0x2000)
#define INPUT   (BASE + 0x3000)
#define CTX(s)  (BASE + 0x4000 + 0x800 * (s))
#define RING(s, ep) (BASE + 0x10000 + 0x4000 * (s) + 0x200 * (ep))
#define XSLOTS  4

static struct {
    unsigned command;
    unsigned at[XSLOTS + 1][32];
} xr;

static void trb(uint32_t at, uint64_t param, uint32_t status, uint32_t control)
{
    put(at, param);
    put(at + 4, param >> 32);
    put(at + 8, status);
    put(at + 12, control);
    ops++;
}

/* The next block of a ring of 31 and a link; the cycle bit turns over. */
static void ring_put(uint32_t ring, unsigned *n, uint64_t param,
                     uint32_t status, uint32_t control)
{
    unsigned cycle = (*n / 31 & 1) ^ 1;

    trb(ring + 16 * (*n % 31), param, status, control | cycle);
    if (++*n % 31 == 0) {
        trb(ring + 16 * 31, ring, 0, 6 << 10 | 2 | cycle);
    }
}

static void xhci_command(uint64_t param, unsigned type, unsigned slot,
                         uint32_t bits)
{
    ring_put(COMMAND, &xr.command, param, 0, type << 10 | slot << 24 | bits);
    flush();
    w32(0x2000, 0);
}

static void xhci_slot(unsigned slot)
{
    unsigned root = 1 + below(one_in(4) ? 12 : 6);

    memset(xr.at[slot], 0, sizeof(xr.at[slot]));
    xhci_command(0, 9, 0, 0);
    put(INPUT, 0);
    put(INPUT + 4, 3);
    put(INPUT + 32, (one_in(3) ? 1 + below(4) : 0) | 1 << 27);
    put(INPUT + 36, root << 16);
    put(INPUT + 40, below(4) << 22);
    put(INPUT + 64, 0);
    put(INPUT + 68, 64 << 16 | 4 << 3 | 6);
    put(INPUT + 72, RING(slot, 1) | 1);
    put(INPUT + 76, 0);
    ops += 3;
    xhci_command(INPUT, 11, slot, one_in(4) ? 0x200 : 0);
    /* All endpoints that devices here have, and an isochronous one. */
    put(INPUT + 4, 1 | 1 << 3 | 1 << 4 | 1 << 7);
    for (unsigned ep = 2; ep < 8; ep++) {
        static const uint8_t types[8] = { [3] = 6, [4] = 2, [7] = 5 };

        put(INPUT + 32 * (ep + 1) + 4, 512 << 16 | types[ep] << 3 | 6);
        put(INPUT + 32 * (ep + 1) + 8, RING(slot, ep) | 1);
        put(INPUT + 32 * (ep + 1) + 12, 0);
        ops++;
    }
    xhci_command(INPUT, 12, slot, 0);
}

static void xhci_start(void)
{
    cfg_write(0, 0x10, BAR);
    cfg_write(0, 4, 7);
    if (one_in(4)) {
        cfg_write(0, 0x90, 0x80000000u | below(0x8000) << 16);
    }
    w32(0x40, 2);
    for (unsigned i = 0; i <= XSLOTS; i++) {
        put(DCBAA + 8 * i, i ? CTX(i) : 0);
        put(DCBAA + 8 * i + 4, 0);
    }
    put(ERST, EVENTS);
    put(ERST + 4, 0);
    put(ERST + 8, one_in(8) ? 16 : 64);
    put(ERST + 16, EVENTS + 0x400);
    put(ERST + 24, 64);
    memset(&xr, 0, sizeof(xr));
    for (uint32_t at = COMMAND; at < COMMAND + 512; at += 4) {
        put(at, 0);
    }
    flush();
    w32(0x78, 64);
    w32(0x58, COMMAND | 1);
    w32(0x5c, 0);
    w32(0x70, DCBAA);
    for (unsigned i = 0; i < 4; i++) {
        w32(0x1028 + 32 * i, 1 + below(2));
        w32(0x1030 + 32 * i, ERST);
        w32(0x1034 + 32 * i, 0);
        w32(0x1038 + 32 * i, EVENTS);
        w32(0x1020 + 32 * i, 2);
    }
    w32(0x40, 5);
    for (unsigned i = 0; i < 12; i++) {
        w32(0x440 + 16 * i, 0x210);
    }
    for (unsigned slot = 1; slot <= XSLOTS; slot++) {
        xhci_slot(slot);
    }
}

static void xhci_submit(const Xfer *x)
{
    unsigned slot = 1 + below(XSLOTS);
    unsigned ep = x->control ? 1 : one_in(12) ? 7 : 2 * x->ep + x->in;
    unsigned *n;
    uint32_t ring, at = 0;

    ep = MIN(ep, 7);
    n = &xr.at[slot][ep];
    ring = RING(slot, ep);
    if (x->control) {
        uint64_t setup;

        memcpy(&setup, x->setup, 8);
        ring_put(ring, n, GUINT64_FROM_LE(setup), 8,
                 2 << 10 | 0x40 | (x->len ? (x->in ? 3 : 2) << 16 : 0));
    }
    while (at < x->len) {
        uint32_t part = MIN(one_in(3) ? 512 : 0x10000, x->len - at);
        unsigned type = x->control && at == 0 ? 3 : ep == 7 ? 5 : 1;
        bool more = at + part < x->len;

        ring_put(ring, n, x->buf + at, part | below(4) << 22,
                 type << 10 | (more ? 0x10 : one_in(4) ? 0 : 0x20) |
                     (one_in(3) ? 4 : 0) | (x->in ? 0x10000 : 0) |
                     (one_in(16) ? 0x40 : 0));
        at += part;
    }
    if (!x->control && one_in(6)) {
        ring_put(ring, n, g_rand_int(rnd), 0, 7 << 10 | 0x20);
    }
    if (x->control) {
        ring_put(ring, n, 0, 0,
                 4 << 10 | 0x20 | (x->in ? 0 : 0x10000) |
                     (one_in(8) ? 0x10 : 0));
    }
    flush();
    w32(0x2000 + 4 * slot, ep);
    if (one_in(4)) {
        step(below(1000));
    }
    if (one_in(8)) { /* the guest reads its events, and mends its endpoints */
        w32(0x1038, EVENTS + 16 * below(64) + 8);
        w32(0x44, 0x18);
        xhci_command(0, one_in(2) ? 14 : 15, slot, ep << 16);
        xhci_command((ring + 16 * (*n % 31)) | ((*n / 31 & 1) ^ 1), 16, slot,
                     ep << 16);
    }
    if (one_in(40)) {
        xhci_command(INPUT, 9 + below(16), below(6), wild() & 0x1f0200);
    }
    if (one_in(60)) {
        xhci_command(0, one_in(2) ? 10 : 17, slot, 0);
        xhci_slot(slot);
    }
}

static void xhci_registers(void)
{
    static const uint16_t hot[] = {
        0x40, 0x44, 0x54, 0x58, 0x5c, 0x70, 0x74, 0x78, 0x440, 0x450, 0x4c0,
        0x1020, 0x1024, 0x1028, 0x1030, 0x1034, 0x1038, 0x103c, 0x1048, 0x1050,
        0x2000, 0x2004, 0x2008, 0x3000, 0x300c, 0x3800,
    };
    unsigned reg = one_in(4) ? below(0x4000) : hot[below(ARRAY_SIZE(hot))];

    if (one_in(3)) {
        readl(qts, BAR + (reg & ~3u));
        ops++;
    } else {
        w32(reg & ~3u, one_in(2) ? BIT(below(32)) | 5 : wild());
    }
}

static const Model models[] = {
    { "uhci", uhci_devices, uhci_start, uhci_submit, uhci_registers },
    { "ehci", ehci_devices, ehci_start, ehci_submit, ehci_registers },
    { "xhci", xhci_devices, xhci_start, xhci_submit, xhci_registers },
};

/* ---- what the devices are told ------------------------------------------- */

static void set(Xfer *x, uint8_t type, uint8_t request, uint16_t value,
                uint16_t index, uint16_t length)
{
    uint8_t s[8] = { type, request, value, value >> 8, index, index >> 8,
                     length, length >> 8 };

    memcpy(x->setup, s, 8);
    x->control = true;
    x->ep = 0;
    x->in = type & 0x80;
    x->len = one_in(20) ? below(0x3000) : length;
}

static void any_control(Xfer *x)
{
    static const uint8_t descriptors[] = { 1, 2, 3, 6, 7, 15, 0x21, 0x22,
                                           0x29 };
    uint16_t len = one_in(12) ? below(0x10000) : below(80);

    switch (below(13)) {
    case 0:
        set(x, 0x80 | below(2), 6,
            descriptors[below(ARRAY_SIZE(descriptors))] << 8 | below(12), 0,
            len);
        break;
    case 1:
    case 2:
        x->addr = one_in(2) ? 0 : x->addr;
        set(x, 0, 5, below(8), 0, 0);
        break;
    case 3:
    case 4:
        set(x, 0, 9, !one_in(8), 0, 0);
        break;
    case 5: /* features, status */
        set(x, below(3), one_in(2) ? 1 : 3, below(3),
            one_in(2) ? 0x81 : below(4), 0);
        break;
    case 6:
        set(x, 0x80 | below(3), one_in(2) ? 0 : 10, 0,
            one_in(2) ? 0x81 : below(3), 2);
        break;
    case 7: /* HID */
        set(x, one_in(2) ? 0xa1 : 0x21, one_in(2) ? 1 + below(3) : 9 + below(3),
            below(0x300), 0, below(9));
        break;
    case 8: /* hub */
        set(x, one_in(2) ? 0x23 : 0xa3, one_in(3) ? 0 : one_in(2) ? 1 : 3,
            below(22), 1 + below(9), one_in(2) ? 4 : 0);
        break;
    case 9: /* hub, for those behind it */
        set(x, 0x23, 3, 4, 1 + below(4), 0);
        break;
    case 10: /* storage */
        set(x, one_in(2) ? 0x21 : 0xa1, 0xfe + below(2), 0, 0, below(2));
        break;
    case 11: /* serial */
        set(x, one_in(3) ? 0xc0 : 0x40, below(12), g_rand_int(rnd), below(4),
            below(3));
        break;
    default:
        set(x, g_rand_int(rnd), below(20), g_rand_int(rnd), below(0x100), len);
    }
}

static void any_cbw(Xfer *x)
{
    static const uint8_t codes[] = { 0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25,
                                     0x28, 0x2a, 0x2f, 0x35, 0x41, 0x42, 0x55,
                                     0x5a, 0x88, 0x8a, 0x93, 0x9e, 0xa0,
                                     0xa8 };
    uint8_t b[32] = "USBC";
    uint32_t len = one_in(8)    ? g_rand_int(rnd)
                   : one_in(3) ? below(256)
                               : 512 * below(64);

    for (unsigned i = 4; i < 32; i++) {
        b[i] = one_in(3) ? below(256) : 0;
    }
    b[8] = len;
    b[9] = len >> 8;
    b[10] = len >> 16;
    b[11] = len >> 24;
    b[12] = one_in(2) ? 0x80 : 0;
    b[13] = one_in(30) ? below(256) : 0;
    b[14] = one_in(30) ? below(256) : 10 + below(7);
    b[15] = codes[below(ARRAY_SIZE(codes))];
    if (one_in(2)) { /* as long as the command says */
        b[17] = b[18] = b[19] = 0;
        b[22] = 0;
        b[23] = len / 512;
    }
    x->ep = 2;
    x->in = false;
    x->len = one_in(30) ? below(64) : 31;
    x->buf = BUF;
    for (unsigned i = 0; i < 32; i += 4) {
        put(BUF + i, word(b + i));
    }
}

static void any_xfer(Xfer *x)
{
    static const uint32_t lens[] = { 0, 4, 8, 13, 31, 64, 512, 4096, 20480,
                                     65536 };

    *x = (Xfer){ .addr = below(8), .ep = 1 + below(2), .in = !one_in(3),
                 .len = lens[below(ARRAY_SIZE(lens))],
                 .buf = BUF + below(0x2000) };
    switch (below(6)) {
    case 0:
    case 1:
        any_control(x);
        break;
    case 2:
        any_cbw(x);
        break;
    case 3: /* its answer, or the status */
        x->ep = 1;
        x->in = true;
        x->len = one_in(2) ? 13 : x->len;
        break;
    default:
        if (one_in(8)) {
            x->ep = below(16);
            x->len = below(0x10000);
        }
        break;
    }
}

/* Enumerates as a driver would, so that most of the rest finds somebody. */
static void enumerate(void)
{
    for (unsigned i = 1; i < 8; i++) {
        Xfer x = { 0 };

        set(&x, 0, 5, i, 0, 0);
        model->submit(&x);
        x.addr = i;
        set(&x, 0x80, 6, 0x200, 0, 64);
        x.buf = BUF;
        model->submit(&x);
        set(&x, 0, 9, 1, 0, 0);
        model->submit(&x);
        for (unsigned port = 1; port < 5 && one_in(2); port++) {
            set(&x, 0x23, 3, 4, port, 0);
            model->submit(&x);
        }
    }
}

static void host_side(void)
{
    static const char *const lines[] = {
        "mouse_move 10 -5", "mouse_button 1", "mouse_button 0", "sendkey a",
        "sendkey shift-b", "mouse_move 300 200 1", "device_del gone",
        "device_add usb-mouse,id=gone", "info usb",
    };

    g_free(hmp(qts, "%s", lines[below(ARRAY_SIZE(lines))]));
    qobject_unref(qmp(qts, "{'execute':'ringbuf-write','arguments':"
                           "{'device':'ring','data':'hello'}}"));
}

static void session(void)
{
    model->start();
    if (!one_in(8)) {
        enumerate();
    }
    for (unsigned n = below(60); n; n--) {
        Xfer x;

        if (one_in(12)) {
            model->registers();
            continue;
        }
        if (one_in(100)) {
            host_side();
        }
        any_xfer(&x);
        model->submit(&x);
    }
}

int main(int argc, char **argv)
{
    uint64_t want = argc > 2 ? g_ascii_strtoull(argv[2], NULL, 0) : 20000;
    uint32_t seed = argc > 3 ? g_ascii_strtoull(argv[3], NULL, 0) : 1;
    uint64_t sessions = 0;

    for (unsigned i = 0; argc > 1 && i < ARRAY_SIZE(models); i++) {
        model = !strcmp(models[i].name, argv[1]) ? &models[i] : model;
    }
    if (!model) {
        fprintf(stderr, "fuzz-usb uhci|ehci|xhci [OPERATIONS [SEED]]\n");
        return 2;
    }
    rnd = g_rand_new_with_seed(seed);
    qts = qtest_init(
        "-M pc -m 16M -nodefaults -display none %s"
        "-blockdev null-co,node-name=n0,size=4M,read-zeroes=on "
        "-chardev ringbuf,id=ring,size=1024 "
        "-device usb-storage,drive=n0,bus=hc.0,pcap=/dev/null "
        "-device usb-hub,id=hub,bus=hc.0,ports=4 "
        "-device usb-serial,chardev=ring,bus=hc.0,always-plugged=on "
        "-device usb-tablet,bus=hc.0 -device usb-kbd,bus=hc.0 "
        "-device usb-mouse,bus=hc.0", model->devices);
    while (ops < want) {
        session();
        if (++sessions % 50 == 0) {
            qobject_unref(qmp(qts, "{'execute': 'query-status'}"));
        }
        if (sessions % 200 == 0) {
            QObject *r = qmp(qts, "{'execute': 'x-vmstate-roundtrip'}");

            if (qdict_has(r, "error")) {
                g_error("%s", qdict_get_str(qdict_get(r, "error"), "desc"));
            }
            qobject_unref(r);
        }
        if (sessions % 300 == 0) {
            qobject_unref(qmp(qts, "{'execute': 'system_reset'}"));
        }
    }
    qtest_quit(qts);
    printf("%s: %" PRIu64 " operations in %" PRIu64 " sessions, seed %u\n",
           model->name, ops, sessions, seed);
    g_rand_free(rnd);
    return 0;
}
