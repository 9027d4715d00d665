/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Realtek RTL8139C+ fast Ethernet; registers in rtl8139-regs.h.
 *
 * It has two engines a direction.  C mode: four transmit registers, and a
 * receive ring of 8 to 64 KiB in which frames stand behind each other.  C+
 * mode (bits of CPCR): rings of descriptors with checksums, segmentation and
 * VLAN tags.
 *
 * rtl8139-tx.c sends, rtl8139-rx.c receives.
 *
 * rtl8139_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "rtl8139-int.h"
#include "util/log.h"

#define PCI_CLOCK 33000000 /* of TCTR */

/* ---- interrupts, timer --------------------------------------------------- */

static void rtl8139_update_irq(RTL8139State *s)
{
    pci_set_irq(&s->pci, (r16(s, ISR) & r16(s, IMR)) != 0);
}

void rtl8139_cause(RTL8139State *s, uint16_t bits)
{
    w16(s, ISR, r16(s, ISR) | bits);
    rtl8139_update_irq(s);
}

static uint32_t tctr(const RTL8139State *s)
{
    return muldiv64(clock_ns(CLOCK_VIRTUAL) - s->tctr_base, PCI_CLOCK,
                    1000000000);
}

/* The next time TCTR passes TimerInt. */
static void timer_arm(RTL8139State *s)
{
    uint32_t at = r32(s, TIMERINT), left;

    if (!at) {
        timer_del(&s->timer);
        return;
    }
    left = at - tctr(s);
    timer_mod_ns(&s->timer, muldiv64(left ? left : UINT64_C(1) << 32,
                                     1000000000, PCI_CLOCK) + 1);
}

static void rtl8139_timeout(void *opaque)
{
    RTL8139State *s = opaque;

    rtl8139_cause(s, INT_TIMEOUT);
    timer_arm(s);
}

static void tx_bh(void *opaque)
{
    rtl8139_start_xmit(opaque);
}

static void rx_retry(void *opaque)
{
    RTL8139State *s = opaque;

    net_flush(nic_queue(s->nic, 0));
}

/* ---- reset, EEPROM, PHY -------------------------------------------------- */

static void phy_update(RTL8139State *s)
{
    bool up = link_up(s);

    s->reg[MSR] = (s->reg[MSR] & (MSR_RXFCE | MSR_TXFCE)) | MSR_AUX |
                  (up ? 0 : MSR_LINKB);
    w16(s, BMSR, BMSR_ABILITY | (up ? BMSR_LINK | BMSR_AN_DONE : 0));
    w16(s, ANLPAR, up ? 0x45e1 : 0);
    w16(s, ANER, up ? 1 : 0);
    w16(s, CSCR, up ? 0x07c8 : 0x03c0);
}

static void phy_reset(RTL8139State *s)
{
    w16(s, BMCR, BMCR_SPEED | BMCR_ANE | BMCR_DUPLEX);
    w16(s, ANAR, 0x05e1);
    phy_update(s);
}

static void rtl8139_link_changed(NetClient *nc)
{
    RTL8139State *s = nic_opaque(nc);

    phy_update(s);
    rtl8139_cause(s, INT_LINK);
}

static void eeprom_fill(RTL8139State *s)
{
    uint16_t *w = s->eeprom.word;

    memset(&s->eeprom, 0, sizeof(s->eeprom));
    w[0] = 0x8129;
    w[1] = 0x10ec;
    w[2] = 0x8139;
    w[3] = PCI_VENDOR_REDHAT_QUMRANET;
    w[4] = PCI_SUBDEVICE_QEMU;
    w[5] = 0x4020; /* MAXLAT, MINGNT */
    for (unsigned i = 0; i < 3; i++) {
        w[7 + i] = pci_get_word(s->conf.mac.a + 2 * i);
    }
    s->eeprom.out = true;
}

/* What the card reads from its EEPROM at power-on. */
static void autoload(RTL8139State *s)
{
    for (unsigned i = 0; i < 3; i++) {
        w16(s, IDR0 + 2 * i, s->eeprom.word[7 + i]);
    }
    s->reg[CONFIG0] = 0x10;
    s->reg[CONFIG1] = 0x0c | (s->reg[CONFIG1] & 0xf0); /* I/O and memory */
    s->reg[CONFIG3] = 0x01;
    s->reg[CONFIG4] = 0;
    s->reg[CONFIG5] = 0;
}

/* CR.RST: engines and their registers; IDR, MAR and configuration stay. */
static void rtl8139_soft_reset(RTL8139State *s)
{
    bh_cancel(s->tx_bh);
    timer_del(&s->stall_timer);
    s->stall_since = -1;
    s->tx_blocked = false;
    s->tx_len = s->tx_desc = s->tx_prio = s->rx_at = 0;
    memset(s->tx_at, 0, sizeof(s->tx_at));
    memset(s->tx_poll, 0, sizeof(s->tx_poll));
    memset(s->reg + TSD0, 0, CR - TSD0);
    for (unsigned i = 0; i < 4; i++) {
        w32(s, TSD0 + 4 * i, TSD_OWN);
    }
    s->reg[CR] = CR_BUFE;
    w16(s, CAPR, 0xfff0);
    w16(s, CBR, 0);
    w16(s, IMR, 0);
    w16(s, ISR, 0);
    w32(s, TCR, TCR_VERSION | 0x03000600);
    w32(s, RCR, 0);
    w32(s, MPC, 0);
    w32(s, TIMERINT, 0);
    s->tctr_base = clock_ns(CLOCK_VIRTUAL);
    timer_del(&s->timer);
    w16(s, CPCR, 0);
    memset(s->reg + RDSAR, 0, 8);
    w16(s, MULINT, 0);
    rtl8139_update_irq(s);
}

static void rtl8139_reset(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    memset(s->reg, 0, sizeof(s->reg));
    memset(&s->tally, 0, sizeof(s->tally));
    eeprom_fill(s);
    autoload(s);
    rtl8139_soft_reset(s);
    phy_reset(s);
    s->reg[RERID] = 0x10;
    net_purge(nic_queue(s->nic, 0));
}

static void write_9346(RTL8139State *s, uint8_t v)
{
    uint8_t mode = v & EEM_MASK;

    if (mode == EEM_AUTOLOAD) {
        autoload(s);
        v = 0;
        mode = 0;
    }
    if (mode == EEM_PROGRAM) {
        microwire_drive(&s->eeprom, v & EE_CS, v & EE_SK, v & EE_DI);
    } else {
        microwire_drive(&s->eeprom, false, false, false);
    }
    s->reg[CR9346] = v & ~EE_DO;
}

static void write_bmcr(RTL8139State *s, uint16_t v)
{
    if (v & BMCR_RESET) {
        phy_reset(s);
        return;
    }
    w16(s, BMCR, v & (BMCR_SPEED | BMCR_ANE | BMCR_DUPLEX));
    if (v & BMCR_ANE && v & BMCR_RESTART) {
        phy_update(s);
        rtl8139_cause(s, INT_LINK);
    }
}

/* DTCCR with its command bit: counters to memory, at once. */
static void dump_tally(RTL8139State *s)
{
    hwaddr at = r64(s, DTCCR) & ~UINT64_C(0x3f);
    const Tally *t = &s->tally;
    uint8_t b[64];

    pci_set_long(b, t->tx_ok);
    pci_set_long(b + 4, t->tx_ok >> 32);
    pci_set_long(b + 8, t->rx_ok);
    pci_set_long(b + 12, t->rx_ok >> 32);
    pci_set_long(b + 16, t->tx_err);
    pci_set_long(b + 20, t->tx_err >> 32);
    pci_set_long(b + 24, t->rx_err);
    pci_set_word(b + 28, t->missed);
    pci_set_word(b + 30, t->align_err);
    pci_set_long(b + 32, t->tx_1col);
    pci_set_long(b + 36, t->tx_mcol);
    pci_set_long(b + 40, t->rx_phys);
    pci_set_long(b + 44, t->rx_phys >> 32);
    pci_set_long(b + 48, t->rx_bcast);
    pci_set_long(b + 52, t->rx_bcast >> 32);
    pci_set_long(b + 56, t->rx_mcast);
    pci_set_word(b + 60, t->tx_abort);
    pci_set_word(b + 62, t->tx_underrun);
    pci_dma_write(&s->pci, at, b, sizeof(b));
    w32(s, DTCCR, r32(s, DTCCR) & ~DTCCR_CMD);
}

/* ---- registers ----------------------------------------------------------- */

/* Bytes of the register that @at lies in. */
static unsigned reg_width(unsigned at)
{
    switch (at) {
    case TSD0 ... RBSTART + 3:
    case TCR ... MPC + 3:
    case TIMERINT ... TIMERINT + 3:
    case FLASH ... FLASH + 3:
    case RDSAR ... RDSAR + 7:
    case FER ... FER + 0xf:
        return 4;
    case ERBCR ... ERBCR + 1:
    case CAPR ... ISR + 1:
    case MULINT ... MULINT + 1:
    case TSAD ... 0x7f:
    case CPCR ... CPCR + 1:
        return 2;
    }
    return 1;
}

static void write_cr(RTL8139State *s, uint8_t v)
{
    uint8_t old = s->reg[CR];

    if (v & CR_RST) {
        rtl8139_soft_reset(s);
        net_flush(nic_queue(s->nic, 0));
        return;
    }
    s->reg[CR] = (s->reg[CR] & ~(CR_TE | CR_RE)) | (v & (CR_TE | CR_RE));
    if (v & CR_RE && !(old & CR_RE)) {
        w16(s, CBR, 0);
        w16(s, CAPR, 0xfff0);
        s->rx_at = 0;
        s->stall_since = -1;
    }
    if (v & CR_TE && !(old & CR_TE)) {
        s->tx_desc = 0;
        memset(s->tx_at, 0, sizeof(s->tx_at));
    }
    net_flush(nic_queue(s->nic, 0));
}

static void write_tsd(RTL8139State *s, unsigned at, uint32_t v)
{
    if (r16(s, CPCR) & CPCR_TX) {
        w32(s, at, v);
        if (at == DTCCR && v & DTCCR_CMD) {
            dump_tally(s);
        }
        return;
    }
    w32(s, at, v & (TSD_SIZE | TSD_OWN | 0x003f0000));
    rtl8139_start_xmit(s);
}

/* Configuration registers are open in one mode of 9346CR only. */
static void write_config(RTL8139State *s, unsigned at, uint8_t v)
{
    static const struct { uint8_t at, mask; } masks[] = {
        { CONFIG1, 0xf1 }, { CONFIG3, 0x70 }, { CONFIG4, 0xff },
        { CONFIG5, 0x7f },
    };

    if ((s->reg[CR9346] & EEM_MASK) != EEM_CONFIG && at != CONFIG5) {
        log_guest_error("rtl8139: write of 0x%02x to 0x%02x, which is locked\n",
                        v, at);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
        if (masks[i].at == at) {
            s->reg[at] = (s->reg[at] & ~masks[i].mask) | (v & masks[i].mask);
        }
    }
}

static void write_tppoll(RTL8139State *s, uint8_t v)
{
    if (v & POLL_FSWINT) {
        rtl8139_cause(s, INT_SW);
    }
    s->tx_poll[0] |= !!(v & POLL_NPQ);
    s->tx_poll[1] |= !!(v & POLL_HPQ);
    if (v & (POLL_NPQ | POLL_HPQ) && r16(s, CPCR) & CPCR_TX) {
        rtl8139_start_xmit(s);
    }
}

static void write8(RTL8139State *s, unsigned at, uint8_t v)
{
    switch (at) {
    case IDR0 ... IDR0 + 5:
        s->reg[at] = v;
        if (at == IDR0 + 5) {
            nic_format_info(s->nic, s->reg + IDR0);
        }
        break;
    case MAR0 ... MAR0 + 7:
    case WAKE ... 0xd3:
    case ETTHR:
        s->reg[at] = v;
        break;
    case CR:
        write_cr(s, v);
        break;
    case CR9346:
        write_9346(s, v);
        break;
    case CONFIG1:
    case CONFIG3:
    case CONFIG4:
    case CONFIG5:
        write_config(s, at, v);
        break;
    case MSR:
        s->reg[at] = (s->reg[at] & ~(MSR_RXFCE | MSR_TXFCE)) |
                     (v & (MSR_RXFCE | MSR_TXFCE));
        break;
    case TPPOLL:
        write_tppoll(s, v);
        break;
    default:
        log_guest_error("rtl8139: write of 0x%02x to 0x%02x\n", v, at);
    }
}

static void write16(RTL8139State *s, unsigned at, uint16_t v)
{
    NetClient *nc = nic_queue(s->nic, 0);

    switch (at) {
    case CAPR:
        w16(s, CAPR, v);
        net_flush(nc);
        break;
    case IMR:
        w16(s, IMR, v & INT_ALL);
        rtl8139_update_irq(s);
        if (s->stall_since >= 0) {
            net_flush(nc);
        }
        break;
    case ISR:
        w16(s, ISR, r16(s, ISR) & ~v);
        rtl8139_update_irq(s);
        if (s->stall_since >= 0) {
            net_flush(nc);
        }
        break;
    case MULINT:
        w16(s, at, v & 0x0fff);
        break;
    case BMCR:
        write_bmcr(s, v);
        break;
    case ANAR:
    case NWAYTR:
        w16(s, at, v);
        break;
    case CPCR:
        w16(s, at, v & 0x007b);
        net_flush(nc);
        break;
    default:
        log_guest_error("rtl8139: write of 0x%04x to 0x%02x\n", v, at);
    }
}

static void write32(RTL8139State *s, unsigned at, uint32_t v)
{
    switch (at) {
    case TSD0 ... TSD0 + 0xc:
        write_tsd(s, at, v);
        break;
    case TSAD0 ... TSAD0 + 0xc:
    case RBSTART:
    case FLASH:
        w32(s, at, v);
        if (at < TSAD0 + 0x10 && r16(s, CPCR) & CPCR_TX) {
            s->tx_at[at >= THPDS] = 0;
        }
        break;
    case TCR:
        w32(s, at, TCR_VERSION | (v & 0x03070ff0));
        break;
    case RCR:
        w32(s, at, v & 0x0f03ffbf);
        net_flush(nic_queue(s->nic, 0));
        break;
    case TCTR:
        s->tctr_base = clock_ns(CLOCK_VIRTUAL);
        timer_arm(s);
        break;
    case MPC:
        w32(s, at, 0);
        break;
    case TIMERINT:
        w32(s, at, v);
        timer_arm(s);
        break;
    case RDSAR ... RDSAR + 4:
        w32(s, at, v);
        s->rx_at = 0;
        net_flush(nic_queue(s->nic, 0));
        break;
    case FER ... FER + 0xc: /* CardBus: there is none */
        break;
    }
}

/* Registers within the access, whole; of a part the rest is kept, or
 * (interrupt status) zero. */
static void rtl8139_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    RTL8139State *s = opaque;
    unsigned at = addr, end = addr + size;

    while (at < end && at < REGS) {
        unsigned width = reg_width(at), base = at & ~(width - 1), n;
        uint32_t v = 0;

        if (base != ISR) {
            for (unsigned i = 0; i < width; i++) {
                v |= (uint32_t)s->reg[base + i] << 8 * i;
            }
        }
        for (n = 0; at < end && at < base + width; n++, at++) {
            unsigned shift = 8 * (at - base);

            v = (v & ~(0xffu << shift)) | (uint32_t)(val & 0xff) << shift;
            val >>= 8;
        }
        if (width == 1) {
            write8(s, base, v);
        } else if (width == 2) {
            write16(s, base, v);
        } else {
            write32(s, base, v);
        }
    }
}

/* TSAD: four bits each of OWN, TABT, TUN, TOK. */
static uint16_t tx_summary(const RTL8139State *s)
{
    uint16_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t tsd = r32(s, TSD0 + 4 * i);

        v |= (tsd & TSD_OWN ? 1u << i : 0) | (tsd & TSD_TABT ? 16u << i : 0) |
             (tsd & TSD_TUN ? 256u << i : 0) | (tsd & TSD_TOK ? 4096u << i : 0);
    }
    return v;
}

static uint64_t rtl8139_read(void *opaque, hwaddr addr, unsigned size)
{
    RTL8139State *s = opaque;
    uint64_t v = 0;

    switch (addr & ~(hwaddr)3) {
    case CR & ~3:
        s->reg[CR] = (s->reg[CR] & ~CR_BUFE) | (rtl8139_ring_used(s) ? 0 : CR_BUFE);
        break;
    case TCTR:
        w32(s, TCTR, tctr(s));
        break;
    case CR9346:
        s->reg[CR9346] = (s->reg[CR9346] & ~EE_DO) |
                         (s->eeprom.out &&
                          (s->reg[CR9346] & EEM_MASK) == EEM_PROGRAM);
        break;
    case TSAD:
        w16(s, TSAD, r16(s, CPCR) & CPCR_TX ? 0 : tx_summary(s));
        break;
    }
    for (unsigned i = 0; i < size && addr + i < REGS; i++) {
        v |= (uint64_t)s->reg[addr + i] << 8 * i;
    }
    return v;
}

static const MemoryRegionOps rtl8139_ops = {
    .read = rtl8139_read,
    .write = rtl8139_write,
    .access = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static const NetClientInfo rtl8139_net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .can_receive = rtl8139_can_receive,
    .receive = rtl8139_receive,
    .link_changed = rtl8139_link_changed,
};

static void rtl8139_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                                 unsigned len)
{
    RTL8139State *s = (RTL8139State *)d;

    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PCI_COMMAND, 2) && s->nic) {
        net_flush(nic_queue(s->nic, 0));
    }
}

static bool rtl8139_realize(DeviceState *dev, Error **errp)
{
    RTL8139State *s = (RTL8139State *)dev;

    s->nic = nic_new(&rtl8139_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    nic_use_vnet_hdr(s->nic);
    s->tx_buf = nic_tx_buf_new();
    s->stall_since = -1;
    s->tx_bh = bh_new(loop_main(), tx_bh, s);
    timer_init_virtual(&s->timer, rtl8139_timeout, s);
    timer_init_virtual(&s->stall_timer, rx_retry, s);
    s->pci.config[PCI_MIN_GNT] = 0x20;
    s->pci.config[PCI_MAX_LAT] = 0x40;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init_io(&s->io, &dev->obj, &rtl8139_ops, s, "rtl8139-io",
                          REGS);
    pci_register_bar(&s->pci, 0, PCI_BAR_IO, &s->io);
    memory_region_init_io(&s->mmio, &dev->obj, &rtl8139_ops, s, "rtl8139-mem",
                          REGS);
    pci_register_bar(&s->pci, 1, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void rtl8139_unrealize(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    timer_del(&s->timer);
    timer_del(&s->stall_timer);
    bh_delete(s->tx_bh);
    nic_free(s->nic);
    s->nic = NULL;
    nic_tx_buf_free(s->tx_buf);
    s->tx_buf = NULL;
}

static void rtl8139_finalize(DeviceState *dev)
{
    RTL8139State *s = (RTL8139State *)dev;

    memory_region_destroy(&s->io);
    memory_region_destroy(&s->mmio);
}

static const Property rtl8139_props[] = {
    PROP_NIC(RTL8139State, conf),
    PROP_END(),
};

static bool rtl8139_post_load(void *opaque, int version, Error **errp)
{
    RTL8139State *s = opaque;

    if (s->tx_desc > 3 || s->tx_at[0] > 63 || s->tx_at[1] > 63 ||
        s->rx_at > 63 || s->tx_prio > 1 || s->tx_len > NIC_TX_MAX) {
        error_setg(errp, "rtl8139: ring index or frame length out of range");
        return false;
    }
    phy_update(s); /* the cable is this host's */
    nic_format_info(s->nic, s->reg + IDR0);
    s->stall_since = -1;
    net_flush(nic_queue(s->nic, 0));
    bh_schedule(s->tx_bh);
    return true;
}

static const VMStateField tally_fields[] = {
    VMSTATE_UINT64(tx_ok, Tally),    VMSTATE_UINT64(rx_ok, Tally),
    VMSTATE_UINT64(tx_err, Tally),   VMSTATE_UINT32(rx_err, Tally),
    VMSTATE_UINT16(missed, Tally),   VMSTATE_UINT16(align_err, Tally),
    VMSTATE_UINT32(tx_1col, Tally),  VMSTATE_UINT32(tx_mcol, Tally),
    VMSTATE_UINT64(rx_phys, Tally),  VMSTATE_UINT64(rx_bcast, Tally),
    VMSTATE_UINT32(rx_mcast, Tally), VMSTATE_UINT16(tx_abort, Tally),
    VMSTATE_UINT16(tx_underrun, Tally), VMSTATE_END(),
};

static const VMStateDescription vmstate_tally = {
    .name = "rtl8139/tally",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = tally_fields,
};

static const VMStateField rtl8139_fields[] = {
    VMSTATE_PCI_DEVICE(pci, RTL8139State),
    VMSTATE_BUFFER(reg, RTL8139State),
    VMSTATE_STRUCT(eeprom, RTL8139State, Microwire, vmstate_microwire),
    VMSTATE_STRUCT(tally, RTL8139State, Tally, vmstate_tally),
    VMSTATE_UINT32(tx_desc, RTL8139State),
    VMSTATE_UINT32_ARRAY(tx_at, RTL8139State, 2),
    VMSTATE_UINT32(rx_at, RTL8139State),
    VMSTATE_UINT32(tx_prio, RTL8139State),
    VMSTATE_UINT32(tx_len, RTL8139State),
    VMSTATE_VBUFFER(tx_buf, RTL8139State, tx_len, NIC_TX_MAX),
    VMSTATE_BOOL_ARRAY(tx_poll, RTL8139State, 2),
    VMSTATE_INT64(tctr_base, RTL8139State),
    VMSTATE_TIMER(timer, RTL8139State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_rtl8139 = {
    .name = "rtl8139",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = rtl8139_post_load,
    .fields = rtl8139_fields,
};

static const PCIDeviceInfo rtl8139_pci_info = {
    .vendor_id = 0x10ec,
    .device_id = 0x8139,
    .revision = 0x20, /* from here on it is the C+ */
    .class_id = 0x0200,
    .romfile = "efi-rtl8139.rom",
    .config_write = rtl8139_config_write,
};

static const DeviceInfo rtl8139_info = {
    .name = "rtl8139",
    .desc = "Realtek RTL8139C+ fast Ethernet",
    .bus = BUS_PCI,
    .category = DEVICE_CATEGORY_NETWORK,
    .size = sizeof(RTL8139State),
    .props = rtl8139_props,
    .vmsd = &vmstate_rtl8139,
    .bus_info = &rtl8139_pci_info,
    .realize = rtl8139_realize,
    .unrealize = rtl8139_unrealize,
    .reset = rtl8139_reset,
    .finalize = rtl8139_finalize,
};

static void rtl8139_register(void)
{
    device_register(&rtl8139_info);
}
device_init(rtl8139_register)
