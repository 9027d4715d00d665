/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART on the ISA bus ("isa-serial").
 *
 * National Semiconductor PC16550D data sheet: register map, interrupt
 * priorities, 16-byte FIFOs with trigger levels and the character time-out.
 *
 * Output is not paced: a byte goes to the back end at once, and the
 * transmitter is empty again unless the back end has no room; then THRE stays
 * low until it does, as with a line whose CTS is away.
 */
#include "osdep.h"
#include "chardev/char.h"
#include "hw/isa.h"
#include "util/timer.h"

enum { REG_RBR_THR, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR,
       REG_SCR };
#define IER_RDI  0x01
#define IER_THRI 0x02
#define IER_RLSI 0x04
#define IER_MSI  0x08
#define IIR_NONE 0x01
#define IIR_MSI  0x00
#define IIR_THRI 0x02
#define IIR_RDI  0x04
#define IIR_RLSI 0x06
#define IIR_CTI  0x0c
#define IIR_FIFO 0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define LCR_DLAB  0x80
#define LCR_BREAK 0x40
#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define LSR_DR   0x01
#define LSR_OE   0x02
#define LSR_BI   0x10
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define LSR_ERRORS 0x1e
#define MSR_DELTAS 0x0f
#define MSR_CTS  0x10
#define MSR_DSR  0x20
#define MSR_RI   0x40
#define MSR_DCD  0x80
#define FIFO_SIZE 16
#define CLOCK_HZ 1843200

typedef struct SerialState {
    ISADevice isa;
    /* Properties. */
    uint32_t index;
    uint32_t iobase;  /* 0xffffffff: by index */
    uint32_t irq;
    CharFrontend chr;
    /* Guest-visible state. */
    uint8_t ier, lcr, mcr, lsr, msr, scr, fcr;
    uint16_t divider;
    uint8_t tx[FIFO_SIZE];    /* bytes that wait for room */
    uint8_t tx_head, tx_count;
    bool thri_pending;        /* THRE rose and was not seen in IIR */
    bool timeout_pending;
    uint8_t rx[FIFO_SIZE];
    uint8_t rx_head, rx_count;
    Timer rx_timer;           /* four character times without a read */
    /* Host side. */
    IRQ *irq_line;
    MemoryRegion io;
} SerialState;

static unsigned rx_trigger(const SerialState *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

static uint8_t serial_iir(const SerialState *s)
{
    uint8_t fifo = s->fcr & FCR_ENABLE ? IIR_FIFO : 0;

    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS)) {
        return fifo | IIR_RLSI;
    }
    if ((s->ier & IER_RDI) && s->timeout_pending) {
        return fifo | IIR_CTI;
    }
    if ((s->ier & IER_RDI) && s->rx_count >= rx_trigger(s)) {
        return fifo | IIR_RDI;
    }
    if ((s->ier & IER_THRI) && s->thri_pending) {
        return fifo | IIR_THRI;
    }
    if ((s->ier & IER_MSI) && (s->msr & MSR_DELTAS)) {
        return fifo | IIR_MSI;
    }
    return fifo | IIR_NONE;
}

/* OUT2 gates the line on the PC's boards. */
static void serial_update_irq(SerialState *s)
{
    irq_set(s->irq_line, !(serial_iir(s) & IIR_NONE) && (s->mcr & MCR_OUT2));
}

static int64_t char_time_ns(const SerialState *s)
{
    unsigned bits = 7 + (s->lcr & 3) + !!(s->lcr & 4) + !!(s->lcr & 8);

    return (int64_t)bits * MAX(s->divider, 1) * 16 * NSEC_PER_SEC / CLOCK_HZ;
}

/* --- transmitter --- */

static void serial_try_send(void *opaque)
{
    SerialState *s = opaque;

    while (s->tx_count) {
        if (chr_fe_write(&s->chr, &s->tx[s->tx_head], 1) == 0) {
            chr_fe_add_watch(&s->chr, serial_try_send, s);
            return;
        }
        s->tx_head = (s->tx_head + 1) % FIFO_SIZE;
        s->tx_count--;
    }
    s->lsr |= LSR_THRE | LSR_TEMT;
    s->thri_pending = true;
    serial_update_irq(s);
}

static void serial_receive_byte(SerialState *s, uint8_t c)
{
    unsigned size = s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

    if (s->rx_count >= size) {
        s->lsr |= LSR_OE;
        if (size == 1) {
            s->rx[s->rx_head] = c; /* the data register is overwritten */
        }
    } else {
        s->rx[(s->rx_head + s->rx_count++) % FIFO_SIZE] = c;
    }
    s->lsr |= LSR_DR;
    timer_mod_ns(&s->rx_timer, 4 * char_time_ns(s));
}

static void serial_write_thr(SerialState *s, uint8_t val)
{
    if (s->mcr & MCR_LOOP) {
        serial_receive_byte(s, val);
        s->thri_pending = true;
    } else if (s->tx_count < (s->fcr & FCR_ENABLE ? FIFO_SIZE : 1)) {
        s->tx[(s->tx_head + s->tx_count++) % FIFO_SIZE] = val;
        s->lsr &= ~(LSR_THRE | LSR_TEMT);
        s->thri_pending = false;
        serial_update_irq(s);
        serial_try_send(s);
    } /* a write into the full FIFO is lost, as on the chip */
    serial_update_irq(s);
}

/* --- receiver --- */

static void serial_rx_timeout(void *opaque)
{
    SerialState *s = opaque;

    if (s->rx_count && (s->fcr & FCR_ENABLE)) {
        s->timeout_pending = true;
        serial_update_irq(s);
    }
}

static int serial_can_receive(void *opaque)
{
    SerialState *s = opaque;

    if (s->mcr & MCR_LOOP) {
        return 0;
    }
    return s->fcr & FCR_ENABLE ? FIFO_SIZE - s->rx_count : !s->rx_count;
}

static void serial_receive(void *opaque, const uint8_t *buf, int len)
{
    SerialState *s = opaque;

    for (int i = 0; i < len; i++) {
        serial_receive_byte(s, buf[i]);
    }
    serial_update_irq(s);
}

static uint8_t serial_read_rbr(SerialState *s)
{
    uint8_t c = s->rx[s->rx_head];

    if (s->rx_count) {
        s->rx_head = (s->rx_head + 1) % FIFO_SIZE;
        s->rx_count--;
    }
    if (!s->rx_count) {
        s->lsr &= ~LSR_DR;
        timer_del(&s->rx_timer);
    } else {
        timer_mod_ns(&s->rx_timer, 4 * char_time_ns(s));
    }
    s->timeout_pending = false;
    serial_update_irq(s);
    if (!(s->mcr & MCR_LOOP)) {
        chr_fe_accept_input(&s->chr);
    }
    return c;
}

/* --- modem lines --- */

/* New levels of CTS, DSR, RI, DCD; deltas are kept until MSR is read. */
static void serial_set_lines(SerialState *s, uint8_t lines)
{
    uint8_t changed = (s->msr ^ lines) & 0xf0;

    s->msr = lines | (s->msr & MSR_DELTAS) |
             ((changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4);
    if ((changed & MSR_RI) && !(lines & MSR_RI)) {
        s->msr |= 0x04; /* trailing edge of RI */
    }
}

static void serial_update_msr(SerialState *s)
{
    int tiocm;

    if (s->mcr & MCR_LOOP) {
        serial_set_lines(s, (s->mcr & MCR_RTS ? MSR_CTS : 0) |
                                (s->mcr & MCR_DTR ? MSR_DSR : 0) |
                                (s->mcr & MCR_OUT1 ? MSR_RI : 0) |
                                (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
    } else if (chr_fe_get_tiocm(&s->chr, &tiocm) == 0) {
        serial_set_lines(s, (tiocm & CHR_TIOCM_CTS ? MSR_CTS : 0) |
                                (tiocm & CHR_TIOCM_DSR ? MSR_DSR : 0) |
                                (tiocm & CHR_TIOCM_RI ? MSR_RI : 0) |
                                (tiocm & CHR_TIOCM_CAR ? MSR_DCD : 0));
    } else {
        serial_set_lines(s, MSR_CTS | MSR_DSR | MSR_DCD);
    }
}

static void serial_update_params(SerialState *s)
{
    ChrSerialParams p = {
        .speed = CLOCK_HZ / 16 / MAX(s->divider, 1),
        .parity = !(s->lcr & 8) ? 'N' : s->lcr & 16 ? 'E' : 'O',
        .data_bits = 5 + (s->lcr & 3),
        .stop_bits = s->lcr & 4 ? 2 : 1,
    };

    chr_fe_set_serial_params(&s->chr, &p);
}

static void serial_event(void *opaque, ChrEvent ev)
{
    SerialState *s = opaque;

    if (ev == CHR_EVENT_BREAK) {
        serial_receive_byte(s, 0);
        s->lsr |= LSR_BI | LSR_DR;
        serial_update_irq(s);
    }
}

/* --- registers --- */

static void serial_write_fcr(SerialState *s, uint8_t val)
{
    if ((val ^ s->fcr) & FCR_ENABLE) {
        val |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    }
    if (val & FCR_CLEAR_RX) {
        s->rx_count = 0;
        s->lsr &= ~(LSR_DR | LSR_BI);
        s->timeout_pending = false;
        timer_del(&s->rx_timer);
    }
    if (val & FCR_CLEAR_TX && s->tx_count) {
        s->tx_count = 0;
        serial_try_send(s);
    }
    s->fcr = val & (val & FCR_ENABLE ? 0xc9 : 0);
    serial_update_irq(s);
    chr_fe_accept_input(&s->chr);
}

static void serial_write_mcr(SerialState *s, uint8_t val)
{
    s->mcr = val & 0x1f;
    if (!(s->mcr & MCR_LOOP)) {
        chr_fe_set_tiocm(&s->chr, (val & MCR_DTR ? CHR_TIOCM_DTR : 0) |
                                      (val & MCR_RTS ? CHR_TIOCM_RTS : 0));
    }
    serial_update_msr(s);
    serial_update_irq(s);
}

static void serial_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    SerialState *s = opaque;
    uint8_t val = data, old;

    switch (addr) {
    case REG_RBR_THR:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff00) | val;
            serial_update_params(s);
        } else {
            serial_write_thr(s, val);
        }
        break;
    case REG_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0x00ff) | val << 8;
            serial_update_params(s);
            break;
        }
        old = s->ier;
        s->ier = val & 0x0f;
        /* Enabling THRI with an empty transmitter interrupts at once. */
        if ((s->ier & ~old & IER_THRI) && (s->lsr & LSR_THRE)) {
            s->thri_pending = true;
        }
        serial_update_irq(s);
        break;
    case REG_IIR_FCR:
        serial_write_fcr(s, val);
        break;
    case REG_LCR:
        if ((val ^ s->lcr) & LCR_BREAK) {
            chr_fe_set_break(&s->chr, val & LCR_BREAK);
        }
        s->lcr = val;
        serial_update_params(s);
        break;
    case REG_MCR:
        serial_write_mcr(s, val);
        break;
    case REG_SCR:
        s->scr = val;
        break;
    }
}

static uint64_t serial_read(void *opaque, hwaddr addr, unsigned size)
{
    SerialState *s = opaque;
    uint8_t v;

    switch (addr) {
    case REG_RBR_THR:
        return s->lcr & LCR_DLAB ? s->divider & 0xff : serial_read_rbr(s);
    case REG_IER:
        return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case REG_IIR_FCR:
        v = serial_iir(s);
        if ((v & 0x0f) == IIR_THRI) {
            s->thri_pending = false;
            serial_update_irq(s);
        }
        return v;
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        v = s->lsr;
        s->lsr &= ~LSR_ERRORS;
        serial_update_irq(s);
        return v;
    case REG_MSR:
        serial_update_msr(s);
        v = s->msr;
        s->msr &= ~MSR_DELTAS;
        serial_update_irq(s);
        return v;
    default:
        return s->scr;
    }
}

static const MemoryRegionOps serial_ops = {
    .read = serial_read,
    .write = serial_write,
    .impl = { .min = 1, .max = 1 },
};

static void serial_reset(DeviceState *dev)
{
    SerialState *s = (SerialState *)dev;

    s->ier = s->lcr = s->scr = s->fcr = 0;
    s->mcr = MCR_OUT2;
    s->lsr = LSR_THRE | LSR_TEMT;
    s->msr = MSR_DCD | MSR_DSR | MSR_CTS;
    s->divider = 12; /* 9600 baud */
    s->thri_pending = s->timeout_pending = false;
    s->rx_count = s->rx_head = s->tx_count = s->tx_head = 0;
    timer_del(&s->rx_timer);
    irq_set(s->irq_line, 0);
}

/* chardev-change: the new line gets the settings of the old one. */
static bool serial_changed(void *opaque)
{
    serial_update_params(opaque);
    return true;
}

static bool serial_realize(DeviceState *dev, Error **errp)
{
    static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t irqs[] = { 4, 3, 4, 3 };
    SerialState *s = (SerialState *)dev;

    if (s->index == UINT32_MAX) {
        /* The first one that no port of ours answers at yet. */
        BusState *bus = dev->parent_bus;
        DeviceState *d;
        unsigned used = 0;

        list_foreach(d, &bus->devices, bus_node) {
            if (d != dev && d->info == dev->info &&
                ((SerialState *)d)->index < 4) {
                used |= 1u << ((SerialState *)d)->index;
            }
        }
        s->index = __builtin_ctz(~used);
    }
    if (s->index >= 4) {
        error_setg(errp, "Max. supported number of ISA serial ports is 4.");
        return false;
    }
    if (!chr_fe_connected(&s->chr)) {
        error_setg(errp, "Can't create serial device, empty char device");
        return false;
    }
    if (s->iobase == UINT32_MAX) {
        s->iobase = ports[s->index];
    }
    if (s->irq == UINT32_MAX) {
        s->irq = irqs[s->index];
    }
    if (s->irq > 15) {
        error_setg(errp, "isa-serial: there is no ISA IRQ %u", s->irq);
        return false;
    }
    s->irq_line = isa_get_irq(&s->isa, s->irq, errp);
    timer_init_virtual(&s->rx_timer, serial_rx_timeout, s);
    if (!isa_add_io(&s->isa, &s->io, &serial_ops, s, s->iobase, 8, errp)) {
        return false;
    }
    serial_reset(dev);
    chr_fe_set_handlers(&s->chr, serial_can_receive, serial_receive,
                        serial_event, s);
    s->chr.changed = serial_changed;
    return true;
}

static void serial_unrealize(DeviceState *dev)
{
    SerialState *s = (SerialState *)dev;

    chr_fe_deinit(&s->chr);
    timer_del(&s->rx_timer);
    isa_del_io(&s->isa, &s->io);
}

static const Property serial_props[] = {
    PROP_UINT32("index", SerialState, index, UINT32_MAX),
    PROP_UINT32("iobase", SerialState, iobase, UINT32_MAX),
    PROP_UINT32("irq", SerialState, irq, UINT32_MAX),
    PROP_CHARDEV("chardev", SerialState, chr),
    PROP_END(),
};

static bool serial_post_load(void *opaque, int version, Error **errp)
{
    SerialState *s = opaque;

    if (s->rx_head >= FIFO_SIZE || s->rx_count > FIFO_SIZE ||
        s->tx_head >= FIFO_SIZE || s->tx_count > FIFO_SIZE) {
        error_setg(errp, "serial: impossible FIFO state");
        return false;
    }
    if (s->tx_count) {
        serial_try_send(s);
    }
    return true;
}

static const VMStateField serial_fields[] = {
    VMSTATE_UINT8(ier, SerialState),
    VMSTATE_UINT8(lcr, SerialState),
    VMSTATE_UINT8(mcr, SerialState),
    VMSTATE_UINT8(lsr, SerialState),
    VMSTATE_UINT8(msr, SerialState),
    VMSTATE_UINT8(scr, SerialState),
    VMSTATE_UINT8(fcr, SerialState),
    VMSTATE_UINT16(divider, SerialState),
    VMSTATE_UINT8_ARRAY(tx, SerialState, FIFO_SIZE),
    VMSTATE_UINT8(tx_head, SerialState),
    VMSTATE_UINT8(tx_count, SerialState),
    VMSTATE_BOOL(thri_pending, SerialState),
    VMSTATE_BOOL(timeout_pending, SerialState),
    VMSTATE_UINT8_ARRAY(rx, SerialState, FIFO_SIZE),
    VMSTATE_UINT8(rx_head, SerialState),
    VMSTATE_UINT8(rx_count, SerialState),
    VMSTATE_TIMER(rx_timer, SerialState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_serial = {
    .name = "serial",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = serial_post_load,
    .fields = serial_fields,
};

static const DeviceInfo serial_info = {
    .name = "isa-serial",
    .desc = "16550A serial port",
    .bus = BUS_ISA,
    .category = DEVICE_CATEGORY_INPUT,
    .fw_name = "serial",
    .size = sizeof(SerialState),
    .props = serial_props,
    .vmsd = &vmstate_serial,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
};

static void serial_register(void)
{
    device_register(&serial_info);
}
device_init(serial_register)
