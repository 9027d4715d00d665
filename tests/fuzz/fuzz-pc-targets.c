/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzz-pc drives: devices, their registers, and how their work begins. */
#include "osdep.h"
#include "fuzz-pc.h"
#include "exec/x86.h"
#include "ui/input.h"

#define PICK(a) ((a)[below(ARRAY_SIZE(a))])

/* --- interrupts and timers --- */

static void special_pic(void)
{
    uint16_t base = below(2) ? 0x20 : 0xa0;

    /* A whole initialization, then edges on some line (the serial port's). */
    out(1, base, 0x10 | (value() & 0x0b));
    for (int i = 0; i < 3; i++) {
        out(1, base + 1, below(3) ? value() : 1);
    }
    out(1, 0x2000 + below(24), value());
    if (x86_apic_ops && below(2)) {
        x86_apic_ops->ack_interrupt(x86_cpu_get_apic(cpu_first()));
    }
    out(1, base, below(2) ? 0x20 | (value() & 0xe7) : 0x0a | below(2));
}

static void special_apic(void)
{
    static const uint32_t msrs[] = {
        0x802, 0x803, 0x808, 0x80a, 0x80b, 0x80d, 0x80f, 0x810, 0x818, 0x820,
        0x828, 0x82f, 0x830, 0x832, 0x835, 0x836, 0x837, 0x838, 0x839, 0x83e,
        0x83f, 0x6e0,
    };
    void *apic = x86_cpu_get_apic(cpu_first());
    uint32_t msr = below(4) ? PICK(msrs) : 0x800 + below(0x100);
    uint64_t v = below(2) ? rnd() : value();

    switch (below(10)) {
    case 0:
        x86_apic_ops->set_base(apic, (v & 0xfff) | 0xfee00000);
        break;
    case 1: /* x2APIC, in the order that the manual wants */
        x86_apic_ops->set_base(apic, 0xfee00900);
        x86_apic_ops->set_base(apic, 0xfee00d00);
        break;
    case 2:
        x86_apic_ops->set_base(apic, 0xfee00100);
        x86_apic_ops->set_base(apic, 0xfee00900);
        break;
    case 3: case 4:
        x86_apic_ops->write_msr(apic, msr, v);
        break;
    case 5:
        x86_apic_ops->read_msr(apic, msr, &v);
        break;
    case 6:
        x86_apic_ops->set_cr8(apic, v & 15);
        x86_apic_ops->get_cr8(apic);
        break;
    case 7:
        if (x86_apic_ops->has_interrupt(apic)) {
            x86_apic_ops->ack_interrupt(apic);
        }
        break;
    case 8: /* on, timers running */
        store(4, 0xfee000f0, 0x1ff);
        store(4, 0xfee00320, (v & 0x600ff));
        store(4, 0xfee003e0, v >> 32);
        store(4, 0xfee00380, v & 0xffff);
        break;
    default: /* IPIs to ourselves and messages from devices */
        if (below(2)) {
            store(4, 0xfee00310, below(2) ? 0 : v);
            store(4, 0xfee00300, v & 0xcffff);
        } else {
            address_space_st(&address_space_memory, 0xfee00000 | (v & 0xffffc),
                             4, rnd(), (MemTxAttrs){ 0 });
        }
        if (below(64) == 0) {
            hmp("info lapic");
            hmp("nmi");
        }
    }
}

static void special_ioapic(void)
{
    unsigned pin = below(24);

    store(4, 0xfec00000, 0x10 + 2 * pin);
    store(4, 0xfec00010, below(2) ? value() & 0xffff : rnd());
    store(4, 0xfec00000, 0x11 + 2 * pin);
    store(4, 0xfec00010, value());
    out(1, 0x2000 + pin, value());
    out(1, 0x2000 + pin, below(2));
    store(4, 0xfec00040, value());
    store(4, 0xfee000b0, 0); /* EOI of what we took */
    if (below(256) == 0) {
        hmp("info ioapic"); /* not there: an error, or text */
        hmp("info pic");
    }
}

static void special_hpet(void)
{
    uint64_t t = 0xfed00100 + 0x20 * below(3);

    store(4, 0xfed00010, below(4) ? 1 | below(4) : value());
    store(below(2) ? 4 : 8, t, below(2) ? 0x4c | (value() & 0x7fff) : rnd());
    store(below(2) ? 4 : 8, t + 8, below(2) ? below(100000) : rnd());
    store(8, t + 0x10, below(2) ? UINT64_C(0xfee00000) << 32 : rnd());
    step_clock(below(1000000));
    store(4, 0xfed00020, value());
    if (below(8) == 0) {
        store(4, 0xfed00010, 0);
        store(below(2) ? 4 : 8, 0xfed000f0, rnd());
    }
}

static void special_pit(void)
{
    unsigned c = below(3);

    out(1, 0x43, c << 6 | (value() & 0x3f));
    out(1, 0x40 + c, value());
    out(1, 0x40 + c, value());
    out(1, 0x61, value());
    out(1, 0x43, 0xc0 | (value() & 0x3e));
    in(1, 0x40 + c);
    in(1, 0x61);
}

static void special_rtc(void)
{
    unsigned reg = below(4) ? below(16) : below(128);

    out(1, 0x70, reg);
    switch (below(3)) {
    case 0:
        out(1, 0x71, value());
        break;
    case 1: /* sane: seconds, alarms, rates that run */
        out(1, 0x71, below(0x60));
        out(1, 0x70, 0x0a);
        out(1, 0x71, 0x20 | below(16));
        out(1, 0x70, 0x0b);
        out(1, 0x71, value() & ~0x80u);
        break;
    default:
        in(1, 0x71);
    }
    step_clock(below(4) ? below(1000000) : below(2000000000));
    out(1, 0x70, 0x0c);
    in(1, 0x71);
    if (below(64) == 0) {
        hmp("qom-get /machine rtc-time");
    }
}

/* --- input, ports --- */

static void special_i8042(void)
{
    static const uint8_t kbd[] = { 0xed, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf4,
                                   0xf5, 0xf6, 0xf7, 0xfa, 0xfe, 0xff };
    static const uint8_t mouse[] = { 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec,
                                     0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf4, 0xf5,
                                     0xf6, 0xfe, 0xff };
    static const uint8_t ctl[] = { 0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
                                   0xad, 0xae, 0xc0, 0xd0, 0xd1, 0xd2, 0xd3,
                                   0xd4, 0xdd, 0xdf };

    switch (below(8)) {
    case 0:
        out(1, 0x60, PICK(kbd));
        out(1, 0x60, below(4));
        break;
    case 1:
        out(1, 0x64, 0xd4);
        out(1, 0x60, PICK(mouse));
        out(1, 0x64, 0xd4);
        out(1, 0x60, value());
        break;
    case 2: { /* the knocks of wheel and five buttons */
        static const uint8_t rates[2][3] = { { 200, 100, 80 },
                                             { 200, 200, 80 } };
        unsigned k = below(2);

        for (int i = 0; i < 3; i++) {
            out(1, 0x64, 0xd4);
            out(1, 0x60, 0xf3);
            out(1, 0x64, 0xd4);
            out(1, 0x60, rates[k][i]);
        }
        break;
    }
    case 3:
        input_queue_key(NULL, (QKeyCode)below(Q_KEY_CODE__MAX), below(2), 0);
        break;
    case 4:
        input_send_rel(NULL, (InputAxis)below(2), (int)rnd());
        input_send_button(NULL, (InputButton)below(INPUT_BUTTON__MAX),
                          below(2));
        input_sync(NULL);
        break;
    case 5:
        out(1, 0x64, PICK(ctl));
        out(1, 0x60, value());
        break;
    case 6: /* everything on, and going */
        out(1, 0x64, 0x60);
        out(1, 0x60, 0x43);
        out(1, 0x60, 0xf4);
        out(1, 0x64, 0xd4);
        out(1, 0x60, 0xf4);
        break;
    default:
        step_clock(10000000);
        for (unsigned n = below(20); n; n--) {
            in(1, 0x64);
            in(1, 0x60);
        }
    }
}

static void special_serial(void)
{
    out(1, 0x3fb, 0x80);
    out(1, 0x3f8, below(2) ? 1 : value());
    out(1, 0x3f9, below(4) ? 0 : value());
    out(1, 0x3fb, value() & 0x7f);
    out(1, 0x3fa, below(2) ? 1 | (value() & 0xce) : value());
    out(1, 0x3f9, value());
    out(1, 0x3fc, value() & (below(2) ? 0xff : 0xef));
    for (unsigned n = below(40); n; n--) {
        out(1, 0x3f8, value());
        step_clock(20000);
        if (below(2)) {
            in(1, 0x3f8 + below(8));
        }
    }
    if (below(16) == 0) {
        hmp("ringbuf_write in %s", "abcdefghijklmnopqrstuvwxyz0123456789");
    }
}

static void special_vmport(void)
{
    CPUState *cpu = cpu_first();

    x86_cpu_set_gpr(cpu, 0, below(8) ? 0x564d5868 : rnd());
    x86_cpu_set_gpr(cpu, 3, below(2) ? PICK(((const uint32_t[]){
                                0x45414552, 0xf5, 0x4c455252, 0x53424152, 1 }))
                                     : rnd());
    x86_cpu_set_gpr(cpu, 1, below(8) ? PICK(((const uint32_t[]){ 10, 20, 39, 40,
                                41 })) : rnd());
    below(2) ? (void)in(4, 0x5658) : out(4, 0x5658, value());
    x86_cpu_set_gpr(cpu, 0, 0x564d5868);
    x86_cpu_set_gpr(cpu, 3, below(2) ? 4 : rnd());
    x86_cpu_set_gpr(cpu, 1, 39);
    in(4, 0x5658);
    input_send_abs(NULL, (InputAxis)below(2), (int)below(1000), 1000);
    input_send_rel(NULL, (InputAxis)below(2), (int)below(1000));
    input_send_button(NULL, (InputButton)below(INPUT_BUTTON__MAX), below(2));
    input_sync(NULL);
}

/* --- disks --- */

static void special_dma(void)
{
    unsigned c = below(8);
    uint16_t base = c < 4 ? 0 : 0xc0, unit = c < 4 ? 1 : 2;
    static const uint8_t pages[] = { 0x87, 0x83, 0x81, 0x82,
                                     0x8f, 0x8b, 0x89, 0x8a };

    out(1, base + 12 * unit, 0);
    out(1, base + 2 * (c & 3) * unit, value());
    out(1, base + 2 * (c & 3) * unit, value());
    out(1, base + (2 * (c & 3) + 1) * unit, value());
    out(1, base + (2 * (c & 3) + 1) * unit, value());
    out(1, pages[c], value());
    out(1, base + 11 * unit, (value() & 0xfc) | (c & 3));
    out(1, base + 9 * unit, (below(2) << 2) | (c & 3));
    out(1, base + 10 * unit, (below(4) == 0) << 2 | (c & 3));
}

/* One command with its parameters; by DMA or by hand. */
static void special_fdc(void)
{
    static const struct {
        uint8_t cmd, params;
    } commands[] = {
        { 0xe6, 8 }, { 0x46, 8 }, { 0xcc, 8 }, { 0x42, 8 }, { 0x4a, 1 },
        { 0xc5, 8 }, { 0xc9, 8 }, { 0x4d, 5 }, { 0xd1, 8 }, { 0xd9, 8 },
        { 0xdd, 8 }, { 0xf6, 8 }, { 0x07, 1 }, { 0x08, 0 }, { 0x03, 2 },
        { 0x04, 1 }, { 0x0f, 2 }, { 0x8f, 2 }, { 0xcf, 2 }, { 0x10, 0 },
        { 0x12, 1 }, { 0x13, 3 }, { 0x14, 0 }, { 0x94, 0 }, { 0x0e, 0 },
        { 0x18, 0 }, { 0x17, 1 }, { 0x2e, 0 }, { 0x4e, 16 }, { 0x33, 1 },
        { 0x8e, 4 },
    };
    unsigned k = below(ARRAY_SIZE(commands));
    unsigned drive = below(8) ? 0 : below(4), head = below(2);
    uint8_t sane[8] = { head << 2 | drive, below(4) ? 0 : below(90), head,
                        1 + below(18), 2, 18, 0x1b, 0xff };
    bool pio = below(3) == 0;

    if (below(4) == 0) {
        out(1, 0x3f2, below(4) ? 0x1c | drive : value());
        out(1, 0x3f2, 0x1c | drive);
        step_clock(1000000);
        for (int i = 0; i < 4; i++) {
            out(1, 0x3f5, 8);
            in(1, 0x3f5);
            in(1, 0x3f5);
        }
        out(1, 0x3f5, 3);
        out(1, 0x3f5, 0xaf);
        out(1, 0x3f5, 2 | pio);
    }
    out(1, 0x0c, 0);
    out(1, 0x04, value());
    out(1, 0x04, value());
    out(1, 0x81, below(2) ? 0 : value());
    out(1, 0x05, 0xff);
    out(1, 0x05, below(8));
    out(1, 0x0b, (below(3) << 2) | 0x42);
    out(1, 0x0a, 2);
    out(1, 0xd6, 0xc0);
    out(1, 0x3f5, commands[k].cmd & (below(4) ? 0xff : ~0xc0u));
    for (unsigned i = 0; i < commands[k].params; i++) {
        out(1, 0x3f5, i < 8 && below(8) ? sane[i] : value());
    }
    if (commands[k].cmd == 0x4d && below(2)) {
        for (int i = 0; i < 72; i++) {
            out(1, 0x3f5, below(20));
        }
    }
    for (unsigned n = below(pio ? 600 : 8); n; n--) {
        unsigned msr = in(1, 0x3f4);

        if (!(msr & 0x80)) {
            step_clock(30000);
        } else if (msr & 0x40) {
            in(1, 0x3f5);
        } else if (msr & 0x20) {
            out(1, 0x3f5, value());
        } else {
            break;
        }
    }
    step_clock(below(4) ? below(1000000) : below(500000000));
    if (below(4096) == 0) {
        hmp("eject -f floppy0");
    }
}

static void special_dma_floppy(void)
{
    below(2) ? special_dma() : special_fdc();
}

static void ide_prd(uint64_t at)
{
    unsigned n = 1 + below(4);

    for (unsigned i = 0; i < n; i++) {
        store(4, at + 8 * i, dma_address());
        store(4, at + 8 * i + 4, (below(2) ? below(0x1000) : rnd() & 0xffff) |
              (uint64_t)(i + 1 == n) << 31);
    }
}

/* Some of the data phase; the disk's part comes in the main loop. */
static void ide_data(uint16_t base, uint16_t bm)
{
    for (unsigned n = below(8) ? 256 : below(600); n; n--) {
        switch (below(64)) {
        case 0:
            in(1, base + 7);
            break;
        case 1:
            in(1, bm + 2);
            break;
        case 2:
            in(4, base);
            break;
        default:
            if ((in(1, base + 7) & 8) && below(2)) {
                out(2, base, (uint32_t)rnd());
            } else {
                in(2, base);
            }
        }
    }
}

static void special_ide(void)
{
    static unsigned more; /* rounds of data that the last command may have */
    static uint16_t last;

    if (more) {
        more--;
        ide_data(last, last == 0x170 ? FUZZ_PORTS + 8 : FUZZ_PORTS);
        wait_for_loop = more != 0;
        return;
    }
    static const uint8_t ata[] = {
        0x00, 0x03, 0x06, 0x08, 0x10, 0x20, 0x24, 0x25, 0x27, 0x29, 0x30, 0x34,
        0x35, 0x37, 0x38, 0x39, 0x40, 0x42, 0x70, 0x87, 0x90, 0x91, 0xa0, 0xa1,
        0xb0, 0xc0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xcd, 0xce, 0xe0, 0xe5, 0xe7,
        0xea, 0xec, 0xef, 0xf5, 0xf8, 0xf9,
    };
    static const uint8_t packets[] = {
        0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x42, 0x43, 0x46,
        0x4a, 0x51, 0x55, 0x5a, 0xa8, 0xad, 0xb9, 0xbb, 0xbd, 0xbe,
    };
    unsigned ch = below(2);
    uint16_t base = ch ? 0x170 : 0x1f0, bm = FUZZ_PORTS + 8 * ch;
    uint8_t cmd = below(8) ? PICK(ata) : rnd();

    /* The function's own base address; then a table. */
    config(9, 0x20, 4, FUZZ_PORTS);
    config(9, 0x04, 2, below(16) ? 5 : value());
    ide_prd(0x4000);
    out(4, bm + 4, below(8) ? 0x4000 : (uint32_t)dma_address());
    out(1, bm + 2, 6);
    out(1, base + 0x206, below(16) ? 0 : value());
    out(1, base + 1, below(2) ? 0xd0 + below(12) : value());
    out(1, base + 2, below(2) ? below(8) : value());
    out(1, base + 3, below(2) ? 1 : value());
    out(1, base + 4, below(2) ? 0x4f : value());
    out(1, base + 5, below(2) ? 0xc2 : value());
    out(1, base + 6, 0xa0 | below(4) << 4 | below(16) | below(2) << 6);
    if (below(4) == 0) {
        cmd = 0xa0;
        out(1, base + 1, below(2));
        out(1, base + 4, value());
        out(1, base + 5, below(4) ? 8 : value());
    }
    out(1, base + 7, cmd);
    if (cmd == 0xa0) {
        uint8_t p[12] = { below(8) ? PICK(packets) : rnd() };

        for (int i = 1; i < 12; i++) {
            p[i] = below(3) ? below(3) : value();
        }
        for (int i = 0; i < 12; i += 2) {
            out(2, base, p[i] | p[i + 1] << 8);
        }
    }
    out(1, bm, below(4) ? 1 | below(2) << 3 : value());
    if (below(4)) {
        more = 1 + below(4);
        last = base;
        wait_for_loop = true;
    } else {
        out(1, bm, 0);
    }
    if (below(256) == 0) {
        out(1, base + 0x206, 4);
        out(1, base + 0x206, 0);
    }
    if (below(2048) == 0) {
        hmp("eject -f cd");
    } else if (below(2048) == 0) {
        hmp("change cd %s raw", "/dev/zero"); /* refused: not a file */
    }
}

static void special_pflash(void)
{
    static const uint8_t commands[] = { 0x10, 0x20, 0x28, 0x40, 0x50, 0x60,
                                        0x70, 0x80, 0x90, 0x98, 0xd0, 0xe8,
                                        0xf0, 0xff, 0x01, 0x2f };
    uint64_t at = 0xfffe0000 + below(0x20000);
    unsigned n = below(32);

    store(1, at, PICK(commands));
    switch (below(3)) {
    case 0: /* a buffer of n + 1 bytes */
        store(1, at, 0x50);
        store(1, at, 0xe8);
        store(1, at, n);
        for (unsigned i = 0; i <= n; i++) {
            store(1, below(8) ? (at & ~UINT64_C(63)) + i : at + value(),
                  value());
        }
        store(1, at, below(8) ? 0xd0 : value());
        break;
    case 1:
        store(1, at, below(2) ? 0x20 : 0x40);
        store(1, at, below(2) ? 0xd0 : value());
        break;
    default:
        load(1, at);
        load(4, 0xfffe0000 + (at & 0x3f));
    }
    if (below(4) == 0) {
        store(1, at, 0xff);
    }
}

/* --- firmware's and ACPI's --- */

static uint32_t big(uint32_t v)
{
    return GUINT32_TO_BE(v);
}

static void special_fw_cfg(void)
{
    uint64_t d = below(8) ? 0x3000 : dma_address();
    uint32_t key = below(2) ? below(0x40) : value();
    uint64_t to = dma_address();

    store(4, d, big(key << 16 | (below(4) ? below(32) : value())));
    store(4, d + 4, big(below(2) ? below(0x2000) : value()));
    store(4, d + 8, big((uint32_t)(to >> 32)));
    store(4, d + 12, big((uint32_t)to));
    if (below(4) == 0) {
        out(2, 0x510, key);
        for (unsigned n = below(64); n; n--) {
            in(1, 0x511);
        }
        out(1, 0x511, value());
    }
    out(4, 0x514, big((uint32_t)(d >> 32)));
    out(4, 0x518, big((uint32_t)d));
}

static void special_smbus(void)
{
    out(1, 0x700, 0x1e);
    out(1, 0x703, below(8) ? value() : 0);
    out(1, 0x704, below(2) ? 0xa0 | (value() & 0xf) : value());
    out(1, 0x705, value());
    out(1, 0x706, below(2) ? 1 + below(32) : value());
    for (int i = 0; i < 4; i++) {
        out(1, 0x707, value());
    }
    out(1, 0x702, 0x40 | (value() & 0x3f));
    step_clock(1000000);
    in(1, 0x700);
    in(1, 0x702);
    in(1, 0x707);
}

static void special_pm(void)
{
    special_smbus();
    out(2, 0x602, value());
    out(1, 0xb2, value());
    out(1, 0xafe0 + below(4), value());
    switch (below(64)) {
    case 0:
        out(2, 0x604, 0x2000 | (value() & 0x1fff)); /* sleep or off */
        break;
    case 1:
        hmp("system_powerdown");
        break;
    case 2:
        hmp("system_wakeup");
        break;
    case 3: /* everything at home again */
        config(0x0b, 0x40, 4, 0x601);
        config(0x0b, 0x90, 4, 0x701);
        config(0x0b, 0x80, 1, 1);
        config(0x0b, 0xd2, 1, 9);
    }
}

static void special_pcihp(void)
{
    unsigned slot = 6 + below(4);

    switch (below(16)) {
    case 0:
        hmp("device_add pvpanic-pci,id=s%u,addr=%u", slot, slot);
        break;
    case 1:
        hmp("device_del s%u", slot);
        break;
    case 2:
        out(4, 0xae10, below(4));
        out(4, 0xae08, 1u << slot);
        break;
    default:
        out(4, 0xae10, below(4) ? 0 : value());
        in(4, 0xae00 + 4 * below(6));
    }
}

static void special_cpuhp(void)
{
    switch (below(64)) {
    case 0:
        hmp("device_add qemu64-x86_64-cpu,id=c%u,socket-id=%u,core-id=0,"
            "thread-id=0", 1, 1 + below(3));
        break;
    case 1:
        hmp("device_del c1");
        break;
    default:
        out(4, 0xaf00, below(2) ? below(5) : value());
        out(1, 0xaf05, below(4));
        out(4, 0xaf08, value());
        out(1, 0xaf04, below(4) ? 1u << below(5) : value());
        in(4, 0xaf00 + 4 * below(3));
    }
}

static void special_memhp(void)
{
    switch (below(64)) {
    case 0:
        hmp("object_add memory-backend-ram,id=m%u,size=2M", below(2));
        hmp("device_add pc-dimm,id=d%u,memdev=m%u", below(2), below(2));
        break;
    case 1:
        hmp("device_del d%u", below(2));
        break;
    default:
        out(4, 0x0a00, below(2) ? below(3) : value());
        out(4, 0x0a00 + 4 * below(6), value());
        out(1, 0x0a14, below(4) ? 1u << below(4) : value());
        in(4, 0x0a00 + 4 * below(6));
    }
}

static void special_pci(void)
{
    static const uint16_t devfns[] = { 0x00, 0x08, 0x09, 0x0b, 0x18, 0x20,
                                       0x28, 0x100, 0x108 };
    unsigned devfn = PICK(devfns);

    switch (below(8) ? below(8) : 8) {
    case 8:
        special_pcihp();
        break;
    case 0: /* a bridge that lets things through */
        config(0x20, 0x18, 4, 0x010100);
        config(0x20, 0x1c, 2, 0xf1c1);
        config(0x20, 0x20, 4, below(2) ? 0xe7f0e000 : value());
        config(0x20, 0x04, 2, 7);
        break;
    case 1: /* size a BAR */
        out(4, 0xcf8, 0x80000010 | devfn << 8 | below(6) << 2);
        out(4, 0xcfc, 0xffffffff);
        in(4, 0xcfc);
        out(4, 0xcfc, value());
        break;
    case 2: /* a ROM over anything */
        config(devfn, 0x30, 4, value() | 1);
        config(devfn, 0x04, 2, 7);
        break;
    case 3:
        store(4, FUZZ_BAR + below(0x40000), rnd());
        load(4, FUZZ_BAR + below(0x40000));
        break;
    default:
        config(devfn, below(4) ? below(0x40) : below(0x100), 1u << below(3),
               value());
    }
}

static void special_msix(void)
{
    /* virtio-rng's tables are in BAR 1. */
    uint64_t table = FUZZ_BAR + 0x10000;

    store(4, table + below(0x20), below(2) ? 0xfee00000 : rnd());
    store(below(2) ? 4 : 8, table + below(0x1000), rnd());
    load(below(2) ? 4 : 8, table + below(0x1000));
    config(FUZZ_DEVFN, 0x98, 4, value());
    config(FUZZ_DEVFN, below(2) ? 0x84 : 0x9a, 2, value());
}

static void special_esb(void)
{
    uint64_t bar = FUZZ_BAR;

    config(FUZZ_DEVFN, 0x60, 2, value() & 0x27);
    config(FUZZ_DEVFN, 0x68, 1, value() & (below(8) ? 6 : 7));
    for (unsigned r = 0; r < 0x10; r += 4) {
        store(2, bar + 0xc, 0x80);
        store(2, bar + 0xc, 0x86);
        store(below(2) ? 2 : 4, bar + r, below(2) ? 1 : value());
    }
    step_clock(below(1000000));
}

/* --- the table --- */

#define PIO(base, size)    { FUZZ_PIO, base, size, 0 }
#define MMIO(base, size)   { FUZZ_MMIO, base, size, 0 }
#define CONFIG(bdf)        { FUZZ_CONFIG, bdf, 0x100, 0 }
#define LINES "-device pc-testdev"

const FuzzTarget fuzz_targets[] = {
    { "i8259", "intc/i8259.c", NULL, LINES, false, special_pic,
      { PIO(0x20, 2), PIO(0xa0, 2), PIO(0x4d0, 2), PIO(0x2000, 16) } },
    { "apic", "intc/apic.c", NULL, LINES, false, special_apic,
      { MMIO(0xfee00000, 0x400), PIO(0x2000, 16) } },
    { "ioapic", "intc/ioapic.c", NULL, LINES, false, special_ioapic,
      { MMIO(0xfec00000, 0x100), PIO(0x2000, 24) } },
    { "hpet", "timer/hpet.c", NULL, "", false, special_hpet,
      { MMIO(0xfed00000, 0x400) } },
    { "i8254", "timer/i8254.c audio/pcspk.c", NULL, "", false, special_pit,
      { PIO(0x40, 4), PIO(0x61, 1) } },
    { "rtc", "rtc/mc146818rtc.c", NULL, "-rtc base=2019-12-31T23:59:50",
      false, special_rtc, { PIO(0x70, 2) } },
    { "i8042", "input/i8042.c input/ps2.c misc/port92.c", NULL, "", false,
      special_i8042, { PIO(0x60, 1), PIO(0x64, 1), PIO(0x92, 1) } },
    { "vmport", "i386/vmport.c input/vmmouse.c", NULL, "", false,
      special_vmport, { PIO(0x5658, 4) } },
    { "serial", "char/serial.c", NULL,
      "-chardev ringbuf,id=in,size=64 -device isa-serial,chardev=in", false,
      special_serial, { PIO(0x3f8, 8) } },
    { "parallel", "char/parallel.c", NULL,
      "-chardev null,id=n -device isa-parallel,chardev=n", false, NULL,
      { PIO(0x378, 8) } },
    { "debugcon", "char/debugcon.c", NULL,
      "-chardev null,id=n -device isa-debugcon,chardev=n", false, NULL,
      { PIO(0xe9, 1), PIO(0x402, 1) } },
    { "i8237", "dma/i8237.c", NULL,
      "-drive file=@FLOPPY@,format=raw,if=floppy,id=floppy0", false,
      special_dma_floppy,
      { PIO(0x00, 0x10), PIO(0x80, 0x10), PIO(0xc0, 0x20) } },
    { "fdc", "block/fdc.c block/floppy.c", NULL,
      "-drive file=@FLOPPY@,format=raw,if=floppy,id=floppy0", false,
      special_fdc, { PIO(0x3f0, 6), PIO(0x3f7, 1) } },
    { "ide", "ide/core.c ide/ata.c ide/atapi.c ide/piix.c ide/smart.c", NULL,
      "-drive file=@DISK@,format=raw,if=ide,index=0 "
      "-drive file=@FLOPPY@,format=raw,media=cdrom,index=2,id=cd ",
      false, special_ide,
      { PIO(0x1f0, 8), PIO(0x170, 8), PIO(0x3f6, 1), PIO(0x376, 1),
        PIO(FUZZ_PORTS, 16), CONFIG(0x09) } },
    { "pflash", "block/pflash_cfi01.c", NULL,
      "-drive if=pflash,format=raw,file=@FLASH@", false, special_pflash,
      { MMIO(0xfffe0000, 0x20000) } },
    { "fw_cfg", "nvram/fw_cfg.c", NULL, "-fw_cfg name=opt/a,string=b", false,
      special_fw_cfg, { PIO(0x510, 12) } },
    { "piix4", "acpi/piix4.c i2c/pm-smbus.c", NULL, "", false, special_pm,
      { PIO(0x600, 0x40), PIO(0x700, 0x40), PIO(0xb2, 2), PIO(0xafe0, 4),
        CONFIG(0x0b) } },
    { "pcihp", "acpi/pcihp.c", NULL, "", false, special_pcihp,
      { PIO(0xae00, 0x18) } },
    { "cpuhp", "acpi/cpu-hotplug.c", NULL, "", false, special_cpuhp,
      { PIO(0xaf00, 0x0c) } },
    { "memhp", "acpi/mem-hotplug.c", NULL, "", false, special_memhp,
      { PIO(0x0a00, 0x18) } },
    { "pci", "pci/pci.c pci/pci-bridge.c pci-host/i440fx.c isa/piix3.c", NULL,
      "-device pci-bridge,chassis_nr=1,addr=4,id=b -device VGA,addr=3 "
      "-device pci-testdev,bus=b,addr=1 -device pvpanic-pci,addr=5", false,
      special_pci,
      { PIO(0xcf8, 8), CONFIG(0x00), CONFIG(0x08), CONFIG(0x18), CONFIG(0x20),
        CONFIG(0x108), PIO(0xcf9, 1), MMIO(0xa0000, 0x60000) } },
    { "msix", "pci/msi.c", NULL, "-device virtio-rng-pci,addr=4", true,
      special_msix, { CONFIG(FUZZ_DEVFN), MMIO(FUZZ_BAR, 0x14000) } },
    { "pci-testdev", "misc/pci-testdev.c", NULL,
      "-device pci-testdev,addr=4,membar=16M", true, NULL,
      { MMIO(FUZZ_BAR, 16), MMIO(FUZZ_BAR, 0x1000),
        PIO(FUZZ_PORTS + 0x100, 16), PIO(FUZZ_PORTS + 0x100, 256) } },
    { "pc-testdev", "misc/pc-testdev.c", NULL, LINES, false, NULL,
      { PIO(0xe0, 16), PIO(0x2000, 24), MMIO(0xff000000, 0x10000) } },
    { "pvpanic", "misc/pvpanic.c", NULL,
      "-device pvpanic -device pvpanic-pci,addr=4", true, NULL,
      { PIO(0x505, 1), MMIO(FUZZ_BAR, 2), CONFIG(FUZZ_DEVFN) } },
    { "ib700", "watchdog/ib700.c", NULL, "-device ib700", false, NULL,
      { PIO(0x441, 3) } },
    { "i6300esb", "watchdog/i6300esb.c", NULL, "-device i6300esb,addr=4", true,
      special_esb, { MMIO(FUZZ_BAR, 16), CONFIG(FUZZ_DEVFN) } },
    { NULL }
};
