/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82540EM gigabit Ethernet ("e1000") and its sisters 82544GC, 82545EM:
 * 8254x Software Developer's Manual; registers in e1000-regs.h.
 *
 * e1000-ring.c has the rings, e1000-phy.c link, PHY and EEPROM.
 *
 * Interrupts: e1000_cause() collects in ICR; ITR spaces rising edges of the
 * line, RDTR/RADV and TIDV/TADV delay causes.  e1000_update_irq() alone moves
 * the line.
 */
#include "osdep.h"
#include "e1000-int.h"
#include "util/log.h"

#define MMIO_SIZE 0x20000
#define IO_SIZE   0x40

/* ---- interrupts ---------------------------------------------------------- */

static void e1000_update_irq(E1000State *s)
{
    bool want = s->reg[R(ICR)] & s->reg[R(IMS)];

    if (want && !(s->pci.intx_level & 1)) {
        int64_t gap = s->mitigation ? (s->reg[R(ITR)] & 0xffff) * 256 : 0;

        if (gap) {
            int64_t now = clock_ns(CLOCK_VIRTUAL);

            if (now < s->itr_next && s->itr_next - now <= gap) {
                if (!timer_pending(&s->itr_timer)) {
                    timer_mod_at(&s->itr_timer, s->itr_next);
                }
                return;
            }
            s->itr_next = now + gap;
        }
    }
    pci_set_irq(&s->pci, want);
}

void e1000_cause(E1000State *s, uint32_t bits)
{
    s->reg[R(ICR)] |= bits;
    e1000_update_irq(s);
}

static void e1000_itr_expired(void *opaque)
{
    e1000_update_irq(opaque);
}

void e1000_delay(Timer *t, int64_t *deadline, uint32_t delay,
                        uint32_t limit)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL), at = now + (int64_t)delay * 1024;

    if (*deadline < 0) {
        *deadline = limit ? now + (int64_t)limit * 1024 : INT64_MAX;
    }
    timer_mod_at(t, MIN(at, *deadline));
}

static void e1000_rx_expired(void *opaque)
{
    E1000State *s = opaque;

    s->rx_deadline = -1;
    e1000_cause(s, INT_RXT0);
}

static void e1000_tx_expired(void *opaque)
{
    E1000State *s = opaque;

    s->tx_deadline = -1;
    e1000_cause(s, INT_TXDW);
}

static void tx_bh(void *opaque)
{
    e1000_start_xmit(opaque);
}

/* ---- registers ----------------------------------------------------------- */

static void e1000_chip_reset(E1000State *s)
{
    timer_del(&s->itr_timer);
    timer_del(&s->rx_timer);
    timer_del(&s->tx_timer);
    timer_del(&s->autoneg_timer);
    bh_cancel(s->tx_bh);
    memset(s->reg, 0, sizeof(s->reg));
    memset(&s->ctx, 0, sizeof(s->ctx));
    memset(&s->tso, 0, sizeof(s->tso));
    s->tx_len = 0;
    s->tx_tse = s->tx_vlan = s->tx_blocked = false;
    s->tx_popts = 0;
    s->tx_vlan_tag = 0;
    s->itr_next = 0;
    s->rx_deadline = s->tx_deadline = -1;
    microwire_drive(&s->eeprom, false, false, false);
    s->io_addr = 0;
    s->reg[R(CTRL)] = 0x00140241; /* full duplex, link up, 1000, pins 0 and 2 */
    s->reg[R(STATUS)] = STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000;
    s->reg[R(EECD)] = EECD_FWE_DIS;
    s->reg[R(PBA)] = 0x00100030; /* 48 KiB for receive, 16 for transmit */
    s->reg[R(LEDCTL)] = 0x07068302;
    s->reg[R(TXDCTL)] = s->reg[R(RXDCTL)] = 0;
    s->reg[R(TCTL)] = 0;
    s->reg[R(VET)] = s->init_vet ? 0x8100 : 0;
    s->reg[R(TXCW)] = 0;
    s->reg[R(RAL0)] = pci_get_long(s->conf.mac.a);
    s->reg[R(RAH0)] = RAH_AV | s->conf.mac.a[4] | s->conf.mac.a[5] << 8;
    e1000_phy_reset(s);
    e1000_update_irq(s);
}

static void ctrl_write(E1000State *s, uint32_t v)
{
    if (v & CTRL_RST) {
        e1000_chip_reset(s);
        net_flush(nic_queue(s->nic, 0));
        return;
    }
    if (v & CTRL_PHY_RST) {
        e1000_phy_reset(s);
    }
    s->reg[R(CTRL)] = v & ~(CTRL_RST | CTRL_PHY_RST);
}

/* Bits that a plain register keeps; 0: there is no such register. */
static uint32_t write_mask(uint32_t reg)
{
    switch (reg) {
    case FCAL: case CTRL_EXT: case LEDCTL: case RDBAH: case TDBAH: case TADV:
    case WUC: case WUFC: case RXCSUM: case AIFS:
    case IP4AT ... IP4AT + 0x18: case IP6AT ... IP6AT + 0xc:
    case MTA ... MTA + 0x1fc: case VFTA ... VFTA + 0x1fc:
    case WUPM ... WUPM + 0x7c: case FFMT ... FFMT + 0x3fc:
    case FFVT ... FFVT + 0x3fc:
        return UINT32_MAX;
    case RAL0 ... RAL0 + 0x7c:
        return reg & 4 ? 0x8003ffff : UINT32_MAX;
    case FCAH: case FCT: case VET: case FCTTV: case RDTR: case TIDV:
    case RADV: case RDH: case TDH: case ITR: case PBA: case IPAV:
    case RSRPD:
        return 0xffff;
    case RDBAL: case TDBAL:
        return 0xfffffff0;
    case RDLEN: case TDLEN:
        return 0xfff80;
    case FCRTL: case FCRTH:
        return 0x8000fff8;
    case TXCW:
        return 0xc000ffff;
    case TIPG:
        return 0x3fffffff;
    case TXDCTL: case RXDCTL:
        return 0xfe3fffff;
    case TSPMT:
        return UINT32_MAX;
    case RDFH: case RDFT: case RDFHS: case RDFTS: case RDFPC:
    case TDFH: case TDFT: case TDFHS: case TDFTS: case TDFPC:
        return 0x1fff;
    case FFLT ... FFLT + 0x18:
        return 0x7ff;
    }
    return 0;
}

static void e1000_reg_write(E1000State *s, uint32_t reg, uint32_t v)
{
    NetClient *nc = nic_queue(s->nic, 0);
    uint32_t mask;

    switch (reg) {
    case CTRL:
    case CTRL + 4: /* its copy */
        ctrl_write(s, v);
        return;
    case EECD:
        e1000_eecd_write(s, v);
        return;
    case EERD:
        e1000_eerd_write(s, v);
        return;
    case MDIC:
        e1000_mdic_write(s, v);
        return;
    case ICR:
        s->reg[R(ICR)] &= ~v;
        e1000_update_irq(s);
        return;
    case ICS:
        e1000_cause(s, v & 0x1ffff);
        return;
    case IMS:
        s->reg[R(IMS)] |= v & 0x1ffff;
        e1000_update_irq(s);
        return;
    case IMC:
        s->reg[R(IMS)] &= ~v;
        e1000_update_irq(s);
        return;
    case RCTL:
        s->reg[R(RCTL)] = v & 0x06dfb3fe;
        net_flush(nc);
        return;
    case TCTL:
        s->reg[R(TCTL)] = v & 0x03fffffa;
        e1000_start_xmit(s);
        return;
    case RDT:
        s->reg[R(RDT)] = v & 0xffff;
        net_flush(nc);
        return;
    case TDT:
        s->reg[R(TDT)] = v & 0xffff;
        e1000_start_xmit(s);
        return;
    case WUS:
        s->reg[R(WUS)] = 0;
        return;
    }
    mask = write_mask(reg);
    if (mask) {
        s->reg[R(reg)] = v & mask;
    } else {
        log_guest_error("e1000: write of 0x%x to 0x%x\n", v, reg);
    }
}

static uint32_t e1000_reg_read(E1000State *s, uint32_t reg)
{
    uint32_t v = s->reg[R(reg)];

    switch (reg) {
    case CTRL + 4:
        return s->reg[R(CTRL)];
    case EECD:
        return e1000_eecd_read(s);
    case ICR:
        s->reg[R(ICR)] = 0;
        e1000_update_irq(s);
        return v;
    case ICS:
        return s->reg[R(ICR)];
    case IMC:
        return s->reg[R(IMS)];
    case GORCH: case GOTCH: case TORH: case TOTH:
        s->reg[R(reg) - 1] = s->reg[R(reg)] = 0;
        return v;
    case GORCL: case GOTCL: case TORL: case TOTL:
        return v; /* cleared with its upper half */
    }
    if (reg >= STATS && reg < STATS_END) {
        s->reg[R(reg)] = 0;
    }
    return v;
}

static void e1000_mmio_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    if (addr < REG_END) {
        e1000_reg_write(opaque, addr, val);
    }
}

static uint64_t e1000_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr < REG_END ? e1000_reg_read(opaque, addr) : 0;
}

static const MemoryRegionOps e1000_mmio_ops = {
    .read = e1000_mmio_read,
    .write = e1000_mmio_write,
    .impl = { .min = 4, .max = 4 },
};

/* IOADDR and IODATA: the registers through two ports. */
static void e1000_io_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    E1000State *s = opaque;

    if (addr == 0) {
        s->io_addr = val;
    } else if (addr == 4 && s->io_addr < REG_END && !(s->io_addr & 3)) {
        e1000_reg_write(s, s->io_addr, val);
    }
}

static uint64_t e1000_io_read(void *opaque, hwaddr addr, unsigned size)
{
    E1000State *s = opaque;

    if (addr == 0) {
        return s->io_addr;
    }
    return addr == 4 && s->io_addr < REG_END && !(s->io_addr & 3)
               ? e1000_reg_read(s, s->io_addr) : 0;
}

static const MemoryRegionOps e1000_io_ops = {
    .read = e1000_io_read,
    .write = e1000_io_write,
    .impl = { .min = 4, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static const NetClientInfo e1000_net_info = {
    .driver = NET_CLIENT_DRIVER_NIC,
    .can_receive = e1000_can_receive,
    .receive = e1000_receive,
    .link_changed = e1000_link_changed,
};

static void e1000_reset(DeviceState *dev)
{
    E1000State *s = (E1000State *)dev;

    e1000_eeprom_fill(s);
    e1000_chip_reset(s);
    net_purge(nic_queue(s->nic, 0));
}

static void e1000_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                               unsigned len)
{
    E1000State *s = (E1000State *)d;

    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PCI_COMMAND, 2) && s->nic) {
        net_flush(nic_queue(s->nic, 0));
    }
}

static bool e1000_realize(DeviceState *dev, Error **errp)
{
    E1000State *s = (E1000State *)dev;

    s->nic = nic_new(&e1000_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    nic_use_vnet_hdr(s->nic);
    s->tx_buf = nic_tx_buf_new();
    s->tx_bh = bh_new(loop_main(), tx_bh, s);
    timer_init_virtual(&s->itr_timer, e1000_itr_expired, s);
    timer_init_virtual(&s->rx_timer, e1000_rx_expired, s);
    timer_init_virtual(&s->tx_timer, e1000_tx_expired, s);
    timer_init_virtual(&s->autoneg_timer, e1000_autoneg_done, s);
    s->pci.config[PCI_CACHE_LINE_SIZE] = 0x10;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init_io(&s->mmio, &dev->obj, &e1000_mmio_ops, s,
                          "e1000-mmio", MMIO_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    memory_region_init_io(&s->io, &dev->obj, &e1000_io_ops, s, "e1000-io",
                          IO_SIZE);
    pci_register_bar(&s->pci, 1, PCI_BAR_IO, &s->io);
    return true;
}

static void e1000_unrealize(DeviceState *dev)
{
    E1000State *s = (E1000State *)dev;

    timer_del(&s->itr_timer);
    timer_del(&s->rx_timer);
    timer_del(&s->tx_timer);
    timer_del(&s->autoneg_timer);
    bh_delete(s->tx_bh);
    nic_free(s->nic);
    s->nic = NULL;
    nic_tx_buf_free(s->tx_buf);
    s->tx_buf = NULL;
}

static void e1000_finalize(DeviceState *dev)
{
    E1000State *s = (E1000State *)dev;

    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->io);
}

static const Property e1000_props[] = {
    PROP_NIC(E1000State, conf),
    PROP_BOOL("autonegotiation", E1000State, autoneg, true),
    PROP_BOOL("mitigation", E1000State, mitigation, true),
    PROP_BOOL("init-vet", E1000State, init_vet, true),
    PROP_END(),
};

static void e1000_pre_save(void *opaque)
{
    E1000State *s = opaque;

    /* A frame held by the peer is not ours any more. */
    s->tx_len = MIN(s->tx_len, NIC_TX_MAX);
}

static bool e1000_post_load(void *opaque, int version, Error **errp)
{
    E1000State *s = opaque;
    NetClient *nc = nic_queue(s->nic, 0);

    if (s->tx_len > NIC_TX_MAX) {
        error_setg(errp, "e1000: transmit length %u out of range", s->tx_len);
        return false;
    }
    /* The cable is this host's. */
    if (nc->link_down == e1000_has_link(s) && !timer_pending(&s->autoneg_timer)) {
        e1000_set_link(s, !nc->link_down);
    }
    net_flush(nc);
    bh_schedule(s->tx_bh);
    return true;
}

static const VMStateField tx_context_fields[] = {
    VMSTATE_UINT8(ipcss, TxContext),  VMSTATE_UINT8(ipcso, TxContext),
    VMSTATE_UINT8(tucss, TxContext),  VMSTATE_UINT8(tucso, TxContext),
    VMSTATE_UINT8(hdr_len, TxContext), VMSTATE_UINT16(ipcse, TxContext),
    VMSTATE_UINT16(tucse, TxContext), VMSTATE_UINT16(mss, TxContext),
    VMSTATE_UINT32(paylen, TxContext), VMSTATE_BOOL(tcp, TxContext),
    VMSTATE_BOOL(ip, TxContext),      VMSTATE_END(),
};

static const VMStateDescription vmstate_tx_context = {
    .name = "e1000/context",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = tx_context_fields,
};

static const VMStateField e1000_fields[] = {
    VMSTATE_PCI_DEVICE(pci, E1000State),
    VMSTATE_UINT32_ARRAY(reg, E1000State, REG_END / 4),
    VMSTATE_UINT16_ARRAY(phy, E1000State, 32),
    VMSTATE_STRUCT(eeprom, E1000State, Microwire, vmstate_microwire),
    VMSTATE_UINT32(io_addr, E1000State),
    VMSTATE_STRUCT(ctx, E1000State, TxContext, vmstate_tx_context),
    VMSTATE_STRUCT(tso, E1000State, TxContext, vmstate_tx_context),
    VMSTATE_UINT8(tx_popts, E1000State),
    VMSTATE_BOOL(tx_tse, E1000State),
    VMSTATE_BOOL(tx_vlan, E1000State),
    VMSTATE_UINT16(tx_vlan_tag, E1000State),
    VMSTATE_UINT32(tx_len, E1000State),
    VMSTATE_VBUFFER(tx_buf, E1000State, tx_len, NIC_TX_MAX),
    VMSTATE_INT64(itr_next, E1000State),
    VMSTATE_INT64(rx_deadline, E1000State),
    VMSTATE_INT64(tx_deadline, E1000State),
    VMSTATE_TIMER(itr_timer, E1000State),
    VMSTATE_TIMER(rx_timer, E1000State),
    VMSTATE_TIMER(tx_timer, E1000State),
    VMSTATE_TIMER(autoneg_timer, E1000State),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_e1000 = {
    .name = "e1000",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = e1000_pre_save,
    .post_load = e1000_post_load,
    .fields = e1000_fields,
};

#define E1000_MODEL(id, phy) \
    { .pci = { .vendor_id = PCI_VENDOR_INTEL, .device_id = (id), \
               .revision = 3, .class_id = 0x0200, \
               .romfile = "efi-e1000.rom", \
               .config_write = e1000_config_write }, \
      .phy_id2 = (phy) }
#define E1000_INFO(nm, al, ds, mod) \
    { .name = (nm), .alias = (al), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_NETWORK, .size = sizeof(E1000State), \
      .props = e1000_props, .vmsd = &vmstate_e1000, .bus_info = &(mod), \
      .realize = e1000_realize, .unrealize = e1000_unrealize, \
      .reset = e1000_reset, .finalize = e1000_finalize }

static const E1000Model e1000_models[] = {
    E1000_MODEL(0x100e, 0x0c20),
    E1000_MODEL(0x1008, 0x0c30),
    E1000_MODEL(0x100f, 0x0c20),
};

static const DeviceInfo e1000_infos[] = {
    E1000_INFO("e1000", "e1000-82540em", "Intel Gigabit Ethernet",
               e1000_models[0]),
    E1000_INFO("e1000-82544gc", NULL, "Intel Gigabit Ethernet",
               e1000_models[1]),
    E1000_INFO("e1000-82545em", NULL, "Intel Gigabit Ethernet",
               e1000_models[2]),
};

static void e1000_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(e1000_infos); i++) {
        device_register(&e1000_infos[i]);
    }
}
device_init(e1000_register)
