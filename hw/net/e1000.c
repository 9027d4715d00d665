/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82540EM gigabit Ethernet ("e1000") and its sisters 82544GC, 82545EM:
 * 8254x Software Developer's Manual; registers in e1000-regs.h.
 *
 * Transmit: a write to TDT runs the ring on the spot, at most TX_BUDGET
 * descriptors, the rest from a bottom half.  Fragments are gathered in tx.buf;
 * offloads are net/offload.c's.  When the peer has no room the ring stands
 * still until tx_sent().
 *
 * Receive: checksums are verified here, so the guest need not.  Without free
 * descriptors the frame stays with its sender until RDT moves: nothing is
 * lost that the card's FIFO would have kept.  FCS bytes in memory are zero.
 *
 * Interrupts: e1000_cause() collects in ICR; ITR spaces rising edges of the
 * line, RDTR/RADV and TIDV/TADV delay causes.  e1000_update_irq() alone moves
 * the line.
 */
#include "osdep.h"
#include "e1000-regs.h"
#include "hw/pci.h"
#include "net/net.h"
#include "net/offload.h"
#include "util/log.h"

#define MMIO_SIZE   0x20000
#define IO_SIZE     0x40
#define TX_MAX      (64 * KiB + 512)
#define TX_BUDGET   1024
#define MIN_FRAME   60
#define AUTONEG_MS  100
#define EEPROM_WORDS 64
#define EEPROM_SUM  0xbaba
#define R(x)        ((x) / 4)

/* A transmit context, as its descriptor sets it. */
typedef struct TxContext {
    uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    bool tcp, ip;
} TxContext;

typedef struct E1000State {
    PCIDevice pci;
    /* Properties. */
    NICConf conf;
    bool autoneg, mitigation, init_vet;
    /* Guest-visible state. */
    uint32_t reg[REG_END / 4];
    uint16_t phy[32];
    uint16_t eeprom[EEPROM_WORDS];
    uint32_t io_addr;
    /* Microwire: bits shifted in since CS rose, the word shifted out. */
    uint32_t ee_in;
    uint16_t ee_out;
    uint8_t ee_in_bits, ee_out_bits;
    bool ee_writable, ee_sk, ee_cs;
    TxContext ctx, tso; /* of checksums, of segmentation */
    uint8_t tx_popts;
    bool tx_tse, tx_vlan;
    uint16_t tx_vlan_tag;
    uint32_t tx_len;
    uint8_t *tx_buf;     /* TX_MAX; there is room for a tag before it */
    int64_t itr_next;    /* no rising edge before, virtual ns */
    int64_t rx_deadline, tx_deadline; /* RADV, TADV; -1: none waits */
    Timer itr_timer, rx_timer, tx_timer, autoneg_timer;
    /* Host side. */
    MemoryRegion mmio, io;
    NICState *nic;
    BH *tx_bh;
    bool tx_busy, tx_blocked;
} E1000State;

/* DeviceInfo is extended by what tells the models apart. */
typedef struct E1000Model {
    PCIDeviceInfo pci;
    uint16_t phy_id2;
} E1000Model;

static const E1000Model *model_of(const E1000State *s)
{
    return (const E1000Model *)s->pci.qdev.info->bus_info;
}

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

static void e1000_cause(E1000State *s, uint32_t bits)
{
    s->reg[R(ICR)] |= bits;
    e1000_update_irq(s);
}

static void e1000_itr_expired(void *opaque)
{
    e1000_update_irq(opaque);
}

/* A cause that waits @delay, again at each call, but not past the absolute
 * limit (both in 1.024 us, 0: no limit). */
static void e1000_delay(Timer *t, int64_t *deadline, uint32_t delay,
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

/* ---- statistics ---------------------------------------------------------- */

static void stat_add(E1000State *s, unsigned reg, uint32_t n)
{
    uint32_t *r = &s->reg[R(reg)];

    *r = *r + n < *r ? UINT32_MAX : *r + n;
}

static void stat_add64(E1000State *s, unsigned reg, uint64_t n)
{
    uint64_t v = (uint64_t)s->reg[R(reg) + 1] << 32 | s->reg[R(reg)];

    v = v + n < v ? UINT64_MAX : v + n;
    s->reg[R(reg)] = v;
    s->reg[R(reg) + 1] = v >> 32;
}

/* Frames by size, FCS included: 64, -127, -255, -511, -1023, more. */
static unsigned size_class(size_t len)
{
    return len <= 64 ? 0 : len < 128 ? 1 : len < 256 ? 2 : len < 512 ? 3
           : len < 1024 ? 4 : 5;
}

/* ---- link, PHY, EEPROM --------------------------------------------------- */

static bool phy_has_link(const E1000State *s)
{
    return s->phy[PHY_STATUS] & PHY_STATUS_LINK;
}

static void e1000_set_link(E1000State *s, bool up)
{
    if (up) {
        s->phy[PHY_STATUS] |= PHY_STATUS_LINK;
        s->phy[M88_SPEC_STATUS] |= M88_STATUS_LINK | M88_STATUS_RESOLVED;
        s->reg[R(STATUS)] |= STATUS_LU;
    } else {
        s->phy[PHY_STATUS] &= ~(PHY_STATUS_LINK | PHY_STATUS_AN_DONE);
        s->phy[PHY_LPA] &= ~PHY_LPA_ACK;
        s->phy[M88_SPEC_STATUS] &= ~(M88_STATUS_LINK | M88_STATUS_RESOLVED);
        s->reg[R(STATUS)] &= ~STATUS_LU;
    }
}

static void e1000_autoneg_done(void *opaque)
{
    E1000State *s = opaque;

    if (!nic_queue(s->nic, 0)->link_down) {
        e1000_set_link(s, true);
        s->phy[PHY_LPA] |= PHY_LPA_ACK;
        s->phy[PHY_STATUS] |= PHY_STATUS_AN_DONE;
        e1000_cause(s, INT_LSC);
        net_flush(nic_queue(s->nic, 0));
    }
}

static void e1000_link_changed(NetClient *nc)
{
    E1000State *s = nic_opaque(nc);

    if (nc->link_down) {
        timer_del(&s->autoneg_timer);
        e1000_set_link(s, false);
    } else if (s->autoneg && s->phy[PHY_CTRL] & PHY_CTRL_AUTONEG) {
        timer_mod_ms(&s->autoneg_timer, AUTONEG_MS);
        return;
    } else {
        e1000_set_link(s, true);
    }
    e1000_cause(s, INT_LSC);
}

static void phy_reset(E1000State *s)
{
    memset(s->phy, 0, sizeof(s->phy));
    s->phy[PHY_CTRL] = 0x1140;   /* autonegotiation, full duplex, 1000 */
    s->phy[PHY_STATUS] = 0x7949; /* 10/100 half/full, extended status */
    s->phy[PHY_ID1] = 0x0141;
    s->phy[PHY_ID2] = model_of(s)->phy_id2;
    s->phy[PHY_ANA] = 0x0de1;
    s->phy[PHY_LPA] = 0x01e0;
    s->phy[PHY_1000T_CTRL] = 0x0e00;
    s->phy[PHY_1000T_STATUS] = 0x3c00; /* partner does 1000, receivers ok */
    s->phy[PHY_EXT_STATUS] = 0x3000;   /* 1000BASE-T */
    s->phy[M88_SPEC_CTRL] = 0x0360;
    s->phy[M88_SPEC_STATUS] = 0xa000;  /* 1000, full duplex */
    s->phy[M88_EXT_SPEC_CTRL] = 0x0d60;
    if (s->nic && !nic_queue(s->nic, 0)->link_down) {
        e1000_set_link(s, true);
        s->phy[PHY_LPA] |= PHY_LPA_ACK;
        s->phy[PHY_STATUS] |= PHY_STATUS_AN_DONE;
    } else {
        e1000_set_link(s, false);
    }
}

static void phy_write(E1000State *s, unsigned n, uint16_t v)
{
    switch (n) {
    case PHY_CTRL:
        if (v & PHY_CTRL_RESET) {
            phy_reset(s);
            return;
        }
        s->phy[n] = v & ~(PHY_CTRL_RESTART | 0x3f);
        if (s->autoneg && v & PHY_CTRL_AUTONEG && v & PHY_CTRL_RESTART) {
            e1000_set_link(s, false);
            timer_mod_ms(&s->autoneg_timer, AUTONEG_MS);
        }
        break;
    case PHY_ANA:
    case PHY_1000T_CTRL:
    case 7: /* next page */
    case M88_SPEC_CTRL:
    case M88_INT_ENABLE:
    case M88_EXT_SPEC_CTRL:
    case 22: /* LED and test registers */
    case 24: case 25: case 26: case 27: case 28: case 29: case 30:
        s->phy[n] = v;
        break;
    }
}

static void mdic_write(E1000State *s, uint32_t v)
{
    unsigned phy = v >> 21 & 31, n = v >> 16 & 31, op = v >> 26 & 3;

    v &= ~(MDIC_READY | MDIC_ERROR);
    if (phy != 1) {
        v |= MDIC_ERROR;
    } else if (op == MDIC_OP_READ) {
        v = (v & ~0xffffu) | s->phy[n];
    } else if (op == MDIC_OP_WRITE) {
        phy_write(s, n, v);
    }
    s->reg[R(MDIC)] = v | MDIC_READY;
    if (v & MDIC_INT) {
        e1000_cause(s, INT_MDAC);
    }
}

static void eeprom_fill(E1000State *s)
{
    const PCIDeviceInfo *pi = &model_of(s)->pci;
    uint16_t sum = 0;

    memset(s->eeprom, 0, sizeof(s->eeprom));
    for (unsigned i = 0; i < 3; i++) {
        s->eeprom[i] = s->conf.mac.a[2 * i] | s->conf.mac.a[2 * i + 1] << 8;
    }
    s->eeprom[0x08] = 0xffff; /* PBA: none */
    s->eeprom[0x09] = 0xffff;
    s->eeprom[0x0a] = 0x4008; /* initialization control 1: signature */
    s->eeprom[0x0b] = PCI_SUBDEVICE_QEMU;
    s->eeprom[0x0c] = PCI_VENDOR_REDHAT_QUMRANET;
    s->eeprom[0x0d] = pi->device_id;
    s->eeprom[0x0e] = pi->vendor_id;
    s->eeprom[0x0f] = 0x2580; /* initialization control 2 */
    for (unsigned i = 0; i < EEPROM_WORDS - 1; i++) {
        sum += s->eeprom[i];
    }
    s->eeprom[EEPROM_WORDS - 1] = EEPROM_SUM - sum;
}

/* 93C46: start bit, two bits of operation, six of address; data. */
static void eeprom_command(E1000State *s)
{
    unsigned addr = s->ee_in & 0x3f, op = s->ee_in >> 6 & 3;

    if (s->ee_in_bits == 9) {
        if (op == 2) { /* read: a zero bit comes first */
            s->ee_out = s->eeprom[addr];
            s->ee_out_bits = 16;
        } else if (op == 0 && addr >> 4 == 3) {
            s->ee_writable = true;
        } else if (op == 0 && addr >> 4 == 0) {
            s->ee_writable = false;
        } else if (op == 3 && s->ee_writable) {
            s->eeprom[addr] = 0xffff;
        }
    } else if (s->ee_in_bits == 25 && (s->ee_in >> 22 & 3) == 1 &&
               s->ee_writable) {
        s->eeprom[s->ee_in >> 16 & 0x3f] = s->ee_in;
    }
}

static void eecd_write(E1000State *s, uint32_t v)
{
    uint32_t keep = EECD_SK | EECD_CS | EECD_DI | 0x30 | EECD_REQ;
    bool sk = v & EECD_SK, cs = v & EECD_CS;

    s->reg[R(EECD)] = (v & keep) | EECD_DO;
    if (!cs || !s->ee_cs) { /* deselected, or a new command */
        s->ee_in = s->ee_in_bits = s->ee_out_bits = 0;
        s->ee_out = 0xffff;
    }
    if (cs && sk && !s->ee_sk) {
        if (s->ee_out_bits) {
            s->ee_out_bits--;
        } else if (s->ee_in_bits || v & EECD_DI) {
            s->ee_in = s->ee_in << 1 | !!(v & EECD_DI);
            if (s->ee_in_bits < 25) {
                s->ee_in_bits++;
            }
            eeprom_command(s);
        }
    }
    s->ee_sk = sk;
    s->ee_cs = cs;
}

static uint32_t eecd_read(E1000State *s)
{
    uint32_t v = s->reg[R(EECD)] & ~EECD_DO;

    v |= EECD_PRES;
    if (v & EECD_REQ) {
        v |= EECD_GNT;
    }
    /* While data shifts out: its top bit, else ready (1). */
    if (s->ee_in_bits == 9 && (s->ee_in >> 6 & 3) == 2) {
        if (s->ee_out_bits < 16 && s->ee_out >> s->ee_out_bits & 1) {
            v |= EECD_DO;
        }
    } else {
        v |= EECD_DO;
    }
    return v;
}

static void eerd_write(E1000State *s, uint32_t v)
{
    unsigned addr = v >> 8 & 0xff;

    if (!(v & EERD_START)) {
        s->reg[R(EERD)] = v & 0xff00;
        return;
    }
    s->reg[R(EERD)] = (v & 0xff00) | EERD_DONE |
                      (uint32_t)(addr < EEPROM_WORDS ? s->eeprom[addr] : 0)
                          << 16;
}

/* ---- receive ------------------------------------------------------------- */

static unsigned rx_buffer_size(const E1000State *s)
{
    unsigned code = s->reg[R(RCTL)] >> RCTL_BSIZE_SHIFT & 3;

    if (s->reg[R(RCTL)] & RCTL_BSEX) {
        return code ? 32768 >> code : 2048;
    }
    return 2048 >> code;
}

static unsigned rx_ring(const E1000State *s)
{
    return s->reg[R(RDLEN)] / 16;
}

static unsigned rx_free(const E1000State *s)
{
    unsigned n = rx_ring(s), head = s->reg[R(RDH)], tail = s->reg[R(RDT)];

    if (!n || head >= n) {
        return 0;
    }
    /* A tail beyond the ring: all of it up to the end. */
    tail = MIN(tail, n - 1);
    return tail >= head ? tail - head : n - head + tail;
}

static bool rx_on(const E1000State *s)
{
    return s->reg[R(RCTL)] & RCTL_EN && phy_has_link(s) &&
           pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool e1000_can_receive(NetClient *nc)
{
    E1000State *s = nic_opaque(nc);

    return !rx_on(s) || rx_free(s) > 0;
}

static bool rx_wanted(E1000State *s, const uint8_t *f, size_t len)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    static const uint8_t shifts[4] = { 4, 3, 2, 0 };
    uint32_t rctl = s->reg[R(RCTL)];
    unsigned hash;

    if (rctl & RCTL_VFE && len >= 18 &&
        (f[12] << 8 | f[13]) == (int)(s->reg[R(VET)] & 0xffff)) {
        unsigned vid = (f[14] << 8 | f[15]) & 0xfff;

        if (!(s->reg[R(VFTA) + (vid >> 5)] >> (vid & 31) & 1)) {
            return false;
        }
    }
    if (rctl & RCTL_UPE && !(f[0] & 1)) {
        return true;
    }
    if (!memcmp(f, broadcast, 6)) {
        return rctl & (RCTL_BAM | RCTL_MPE);
    }
    if (f[0] & 1 && rctl & RCTL_MPE) {
        return true;
    }
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = s->reg[R(RAL0) + 2 * i], high = s->reg[R(RAH0) + 2 * i];

        if (high & RAH_AV &&
            low == (f[0] | f[1] << 8 | f[2] << 16 | (uint32_t)f[3] << 24) &&
            (high & 0xffff) == (uint32_t)(f[4] | f[5] << 8)) {
            return true;
        }
    }
    if (!(f[0] & 1)) {
        return false;
    }
    hash = (f[4] | f[5] << 8) >> shifts[rctl >> RCTL_MO_SHIFT & 3] & 0xfff;
    return s->reg[R(MTA) + (hash >> 5)] >> (hash & 31) & 1;
}

static void rx_count(E1000State *s, const uint8_t *f, size_t len)
{
    stat_add(s, TPR, 1);
    stat_add(s, GPRC, 1);
    stat_add64(s, TORL, len + 4);
    stat_add64(s, GORCL, len + 4);
    stat_add(s, PRC64 + 4 * size_class(len + 4), 1);
    if (f[0] & 1) {
        stat_add(s, f[0] == 0xff && f[1] == 0xff ? BPRC : MPRC, 1);
    }
}

/* Status and errors for what net_rx_check() found, as RXCSUM wants. */
static void rx_checksums(E1000State *s, const uint8_t *f, size_t len,
                         uint8_t *status, uint8_t *errors)
{
    uint32_t rxcsum = s->reg[R(RXCSUM)];
    unsigned got;

    if (!(rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL))) {
        *status |= RXD_IXSM;
        return;
    }
    got = net_rx_check(f, len);
    if (got & NET_RX_IPV4 && rxcsum & RXCSUM_IPOFL) {
        *status |= RXD_IPCS;
        *errors |= got & NET_RX_IP_OK ? 0 : RXD_ERR_IPE;
    }
    if (got & (NET_RX_TCP | NET_RX_UDP) && rxcsum & RXCSUM_TUOFL) {
        *status |= RXD_TCPCS;
        *errors |= got & NET_RX_L4_OK ? 0 : RXD_ERR_TCPE;
    }
    if (!(*status & (RXD_IPCS | RXD_TCPCS))) {
        *status |= RXD_IXSM;
    }
}

static hwaddr ring_addr(const E1000State *s, unsigned bal, unsigned n)
{
    return ((uint64_t)s->reg[R(bal) + 1] << 32 |
            (s->reg[R(bal)] & ~0xfu)) + (uint64_t)n * 16;
}

static void rx_interrupt(E1000State *s)
{
    uint32_t causes = 0, rdtr = s->reg[R(RDTR)] & 0xffff;
    unsigned n = rx_ring(s);
    unsigned shift = (s->reg[R(RCTL)] >> RCTL_RDMTS_SHIFT & 3) + 1;

    if (rx_free(s) <= n >> shift) {
        causes |= INT_RXDMT0;
    }
    if (rdtr && s->mitigation) {
        e1000_delay(&s->rx_timer, &s->rx_deadline, rdtr,
                    s->reg[R(RADV)] & 0xffff);
    } else {
        causes |= INT_RXT0;
    }
    if (causes) {
        e1000_cause(s, causes);
    }
}

static ssize_t e1000_receive(NetClient *nc, const struct iovec *iov, int n)
{
    E1000State *s = nic_opaque(nc);
    size_t total = iov_total(iov, n), skip = nc->vnet_hdr_len, len, off = 0;
    uint8_t small[MIN_FRAME], status = RXD_DD, errors = 0;
    g_autofree uint8_t *copy = NULL;
    const uint8_t *f;
    unsigned bufsize = rx_buffer_size(s), need, fcs;
    uint16_t tag = 0;

    if (!rx_on(s) || total <= skip) {
        return total;
    }
    len = total - skip;
    if (len < MIN_FRAME) { /* as the wire would have padded it */
        memset(small, 0, sizeof(small));
        iov_copy_out(iov, n, skip, small, len);
        f = small;
        len = MIN_FRAME;
    } else if (n == 1) {
        f = (uint8_t *)iov[0].iov_base + skip;
    } else {
        copy = g_malloc(len);
        iov_copy_out(iov, n, skip, copy, len);
        f = copy;
    }
    if ((len > 1518 && !(s->reg[R(RCTL)] & (RCTL_LPE | RCTL_SBP))) ||
        len > 16384) {
        stat_add(s, ROC, 1);
        return total;
    }
    if (!rx_wanted(s, f, len)) {
        return total;
    }
    fcs = s->reg[R(RCTL)] & RCTL_SECRC ? 0 : 4;
    need = DIV_ROUND_UP(len + fcs, bufsize);
    if (rx_free(s) < need) {
        stat_add(s, RNBC, 1);
        e1000_cause(s, INT_RXO);
        return rx_ring(s) > need ? 0 : (ssize_t)total;
    }
    rx_checksums(s, f, len, &status, &errors);
    if (s->reg[R(CTRL)] & CTRL_VME &&
        (f[12] << 8 | f[13]) == (int)(s->reg[R(VET)] & 0xffff)) {
        uint8_t *strip = g_malloc(len);

        tag = f[14] << 8 | f[15];
        status |= RXD_VP;
        memcpy(strip, f, 12);
        memcpy(strip + 12, f + 16, len - 16);
        g_free(copy);
        f = copy = strip;
        len -= 4;
    }
    rx_count(s, f, len);
    while (off < len + fcs) {
        hwaddr at = ring_addr(s, RDBAL, s->reg[R(RDH)]);
        size_t part = MIN(len + fcs - off, bufsize);
        size_t data = off < len ? MIN(len - off, part) : 0;
        static const uint8_t zero[4];
        uint8_t desc[16];
        uint64_t buf;

        pci_dma_read(&s->pci, at, desc, 8);
        buf = pci_get_long(desc) | (uint64_t)pci_get_long(desc + 4) << 32;
        if (buf) { /* a null descriptor is only marked */
            pci_dma_write(&s->pci, buf, f + off, data);
            if (part > data) {
                pci_dma_write(&s->pci, buf + data, zero, part - data);
            }
        }
        off += part;
        pci_set_word(desc + 8, part);
        pci_set_word(desc + 10, 0);
        desc[12] = status | (off >= len + fcs ? RXD_EOP : 0);
        desc[13] = errors;
        pci_set_word(desc + 14, tag);
        pci_dma_write(&s->pci, at + 8, desc + 8, 8);
        if (++s->reg[R(RDH)] >= rx_ring(s)) {
            s->reg[R(RDH)] = 0;
        }
        if (!rx_ring(s)) {
            break; /* a register in the way of the DMA took the ring away */
        }
    }
    rx_interrupt(s);
    return total;
}

/* ---- transmit ------------------------------------------------------------ */

static void e1000_start_xmit(E1000State *s);

static void e1000_tx_sent(NetClient *nc, ssize_t len)
{
    E1000State *s = nic_opaque(nc);

    if (s->tx_blocked) {
        s->tx_blocked = false;
        bh_schedule(s->tx_bh);
    }
}

static void tx_bh(void *opaque)
{
    e1000_start_xmit(opaque);
}

static void tx_context(E1000State *s, const uint8_t *d)
{
    uint32_t cmd = pci_get_long(d + 8);
    TxContext *c = cmd & TXD_TSE ? &s->tso : &s->ctx;

    c->ipcss = d[0];
    c->ipcso = d[1];
    c->ipcse = pci_get_word(d + 2);
    c->tucss = d[4];
    c->tucso = d[5];
    c->tucse = pci_get_word(d + 6);
    c->paylen = cmd & 0xfffff;
    c->tcp = cmd & TXC_TCP;
    c->ip = cmd & TXC_IP;
    c->hdr_len = d[13];
    c->mss = pci_get_word(d + 14);
}

static void tx_count(E1000State *s, const uint8_t *f, unsigned frames,
                     size_t bytes)
{
    stat_add(s, TPT, frames);
    stat_add(s, GPTC, frames);
    stat_add64(s, TOTL, bytes + 4 * frames);
    stat_add64(s, GOTCL, bytes + 4 * frames);
    stat_add(s, PTC64 + 4 * size_class(bytes / MAX(frames, 1) + 4), frames);
    if (f[0] & 1) {
        stat_add(s, f[0] == 0xff && f[1] == 0xff ? BPTC : MPTC, frames);
    }
    if (frames > 1) {
        stat_add(s, TSCTC, 1);
    }
}

static void tx_loopback(E1000State *s, uint8_t *f, size_t len)
{
    struct iovec iov = { f, len };
    NetClient *nc = nic_queue(s->nic, 0);
    unsigned hdr = nc->vnet_hdr_len;

    nc->vnet_hdr_len = 0;
    e1000_receive(nc, &iov, 1);
    nc->vnet_hdr_len = hdr;
}

/* The frame in tx_buf is whole. */
static void tx_frame(E1000State *s)
{
    const TxContext *c = s->tx_tse ? &s->tso : &s->ctx;
    uint8_t *f = s->tx_buf;
    NetClient *nc = nic_queue(s->nic, 0);
    unsigned shift = 0, frames = 1;
    size_t bytes;
    NetTx tx = {
        .frame = f, .len = s->tx_len,
        .sum_ip = s->tx_popts & POPTS_IXSM,
        .sum_l4 = s->tx_popts & POPTS_TXSM,
        .udp = !c->tcp,
    };

    if (s->tx_len < 14) {
        return;
    }
    if (s->tx_vlan && s->reg[R(CTRL)] & CTRL_VME) {
        f -= 4;
        memmove(f, f + 4, 12);
        f[12] = s->reg[R(VET)] >> 8;
        f[13] = s->reg[R(VET)];
        f[14] = s->tx_vlan_tag >> 8;
        f[15] = s->tx_vlan_tag;
        shift = 4;
        tx.frame = f;
        tx.len += 4;
    }
    tx.ip_start = c->ipcss + shift;
    tx.ip_sum = c->ipcso + shift;
    tx.l4_start = s->tx_tse || c->tucss > c->ipcss ? c->tucss + shift
                                                    : c->ipcse + 1 + shift;
    tx.l4_sum = c->tucso + shift;
    tx.l4_end = c->tucse ? c->tucse + 1u + shift : 0;
    if (s->tx_tse && c->mss) {
        tx.mss = c->mss;
        tx.hdr_len = c->hdr_len + shift;
        tx.l4_end = 0;
    }
    if (s->phy[PHY_CTRL] & PHY_CTRL_LOOPBACK ||
        (s->reg[R(RCTL)] & RCTL_LBM) == RCTL_LBM) {
        tx_loopback(s, tx.frame, tx.len);
        bytes = tx.len;
    } else if (net_tx(nc, &tx, e1000_tx_sent, &frames, &bytes) == 0) {
        s->tx_blocked = true;
    }
    tx_count(s, tx.frame, frames, bytes);
}

static void tx_data(E1000State *s, const uint8_t *d)
{
    uint32_t cmd = pci_get_long(d + 8);
    uint64_t buf = pci_get_long(d) | (uint64_t)pci_get_long(d + 4) << 32;
    bool ext = cmd & TXD_DEXT;
    uint32_t len = ext ? cmd & 0xfffff : cmd & 0xffff;

    if (s->tx_len == 0) {
        s->tx_popts = ext ? d[13] & 3 : 0;
        s->tx_tse = ext && cmd & TXD_TSE;
    }
    if (cmd & TXD_VLE && (ext || cmd & TXD_EOP)) {
        s->tx_vlan = true;
        s->tx_vlan_tag = pci_get_word(d + 14);
    }
    len = MIN(len, TX_MAX - s->tx_len);
    if (len && buf) {
        pci_dma_read(&s->pci, buf, s->tx_buf + s->tx_len, len);
        s->tx_len += len;
    }
    if (!(cmd & TXD_EOP)) {
        return;
    }
    if (!ext && cmd & TXD_IC) {
        unsigned cso = d[10], css = d[13];

        if (css < s->tx_len && cso + 2u <= s->tx_len) {
            uint8_t *f = s->tx_buf;
            uint16_t sum = net_sum_finish(net_sum(f + css, s->tx_len - css,
                                                  0));

            f[cso] = sum >> 8;
            f[cso + 1] = sum;
        }
    }
    tx_frame(s);
    s->tx_len = 0;
    s->tx_vlan = s->tx_tse = false;
    s->tx_popts = 0;
}

static bool tx_on(const E1000State *s)
{
    return s->reg[R(TCTL)] & TCTL_EN && !s->tx_blocked &&
           pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static void e1000_start_xmit(E1000State *s)
{
    unsigned budget = TX_BUDGET;
    uint32_t causes = 0;
    bool delayed = false;

    if (s->tx_busy || !tx_on(s)) {
        return;
    }
    s->tx_busy = true;
    while (tx_on(s)) {
        unsigned n = s->reg[R(TDLEN)] / 16, head = s->reg[R(TDH)];
        hwaddr at = ring_addr(s, TDBAL, head);
        uint8_t d[16];
        uint32_t cmd;

        if (!n || head >= n || head == s->reg[R(TDT)]) {
            causes |= causes ? INT_TXQE : 0;
            break;
        }
        if (budget-- == 0) {
            bh_schedule(s->tx_bh);
            break;
        }
        pci_dma_read(&s->pci, at, d, sizeof(d));
        cmd = pci_get_long(d + 8);
        if (cmd & TXD_DEXT && !(cmd & TXD_DATA)) {
            tx_context(s, d);
        } else {
            tx_data(s, d);
        }
        if (cmd & (TXD_RS | TXD_RPS)) {
            d[12] = (d[12] & ~0xf) | TXD_STAT_DD;
            pci_dma_write(&s->pci, at + 12, d + 12, 1);
            if (cmd & TXD_IDE && s->mitigation && s->reg[R(TIDV)] & 0xffff) {
                delayed = true;
            } else {
                causes |= INT_TXDW;
            }
        }
        s->reg[R(TDH)] = head + 1 < n ? head + 1 : 0;
    }
    s->tx_busy = false;
    if (delayed) {
        e1000_delay(&s->tx_timer, &s->tx_deadline, s->reg[R(TIDV)] & 0xffff,
                    s->reg[R(TADV)] & 0xffff);
    }
    if (causes) {
        e1000_cause(s, causes);
    }
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
    s->ee_in = s->ee_in_bits = s->ee_out_bits = 0;
    s->ee_out = 0xffff;
    s->ee_writable = s->ee_sk = s->ee_cs = false;
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
    phy_reset(s);
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
        phy_reset(s);
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
        eecd_write(s, v);
        return;
    case EERD:
        eerd_write(s, v);
        return;
    case MDIC:
        mdic_write(s, v);
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
        return eecd_read(s);
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

    eeprom_fill(s);
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
    NetClient *nc;

    s->nic = nic_new(&e1000_net_info, &s->conf, dev->info->name, dev->id, s,
                     errp);
    if (!s->nic) {
        return false;
    }
    nc = nic_queue(s->nic, 0);
    if (net_peer_has_vnet_hdr(nc, 10)) {
        net_set_vnet_hdr(nc, 10);
        net_peer_set_offload(nc, 0);
    }
    s->tx_buf = (uint8_t *)g_malloc(TX_MAX + 4) + 4;
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
    g_free(s->tx_buf - 4);
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
    s->tx_len = MIN(s->tx_len, TX_MAX);
}

static bool e1000_post_load(void *opaque, int version, Error **errp)
{
    E1000State *s = opaque;
    NetClient *nc = nic_queue(s->nic, 0);

    if (s->tx_len > TX_MAX || s->ee_out_bits > 16 || s->ee_in_bits > 25) {
        error_setg(errp, "e1000: transmit length %u or EEPROM state out of "
                         "range", s->tx_len);
        return false;
    }
    /* The cable is this host's. */
    if (nc->link_down == phy_has_link(s) && !timer_pending(&s->autoneg_timer)) {
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
    VMSTATE_UINT16_ARRAY(eeprom, E1000State, EEPROM_WORDS),
    VMSTATE_UINT32(io_addr, E1000State),
    VMSTATE_UINT32(ee_in, E1000State),
    VMSTATE_UINT16(ee_out, E1000State),
    VMSTATE_UINT8(ee_in_bits, E1000State),
    VMSTATE_UINT8(ee_out_bits, E1000State),
    VMSTATE_BOOL(ee_writable, E1000State),
    VMSTATE_BOOL(ee_sk, E1000State),
    VMSTATE_BOOL(ee_cs, E1000State),
    VMSTATE_STRUCT(ctx, E1000State, TxContext, vmstate_tx_context),
    VMSTATE_STRUCT(tso, E1000State, TxContext, vmstate_tx_context),
    VMSTATE_UINT8(tx_popts, E1000State),
    VMSTATE_BOOL(tx_tse, E1000State),
    VMSTATE_BOOL(tx_vlan, E1000State),
    VMSTATE_UINT16(tx_vlan_tag, E1000State),
    VMSTATE_UINT32(tx_len, E1000State),
    VMSTATE_VBUFFER(tx_buf, E1000State, tx_len, TX_MAX),
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
