/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: the link, the PHY (Marvell 88E1011: 8254x manual, 13.4.16 on) and the
 * EEPROM, by EERD and by its wires (EECD).
 */
#include "osdep.h"
#include "e1000-int.h"

#define AUTONEG_MS 100
#define EEPROM_SUM 0xbaba

bool e1000_has_link(const E1000State *s)
{
    return s->phy[PHY_STATUS] & PHY_STATUS_LINK;
}

void e1000_set_link(E1000State *s, bool up)
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

void e1000_autoneg_done(void *opaque)
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

void e1000_link_changed(NetClient *nc)
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

void e1000_phy_reset(E1000State *s)
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
            e1000_phy_reset(s);
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

void e1000_mdic_write(E1000State *s, uint32_t v)
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

void e1000_eeprom_fill(E1000State *s)
{
    const PCIDeviceInfo *pi = &model_of(s)->pci;
    uint16_t *word = s->eeprom.word, sum = 0;

    s->eeprom = (Microwire){ .out = true };
    for (unsigned i = 0; i < 3; i++) {
        word[i] = s->conf.mac.a[2 * i] | s->conf.mac.a[2 * i + 1] << 8;
    }
    word[0x08] = 0xffff; /* PBA: none */
    word[0x09] = 0xffff;
    word[0x0a] = 0x4008; /* initialization control 1: signature */
    word[0x0b] = PCI_SUBDEVICE_QEMU;
    word[0x0c] = PCI_VENDOR_REDHAT_QUMRANET;
    word[0x0d] = pi->device_id;
    word[0x0e] = pi->vendor_id;
    word[0x0f] = 0x2580; /* initialization control 2 */
    for (unsigned i = 0; i < MICROWIRE_WORDS - 1; i++) {
        sum += word[i];
    }
    word[MICROWIRE_WORDS - 1] = EEPROM_SUM - sum;
}

void e1000_eecd_write(E1000State *s, uint32_t v)
{
    uint32_t keep = EECD_SK | EECD_CS | EECD_DI | 0x30 | EECD_REQ;

    s->reg[R(EECD)] = v & keep;
    microwire_drive(&s->eeprom, v & EECD_CS, v & EECD_SK, v & EECD_DI);
}

uint32_t e1000_eecd_read(E1000State *s)
{
    uint32_t v = s->reg[R(EECD)];

    return v | EECD_PRES | (v & EECD_REQ ? EECD_GNT : 0) |
           (s->eeprom.out ? EECD_DO : 0);
}

void e1000_eerd_write(E1000State *s, uint32_t v)
{
    unsigned addr = v >> 8 & 0xff;

    if (!(v & EERD_START)) {
        s->reg[R(EERD)] = v & 0xff00;
        return;
    }
    s->reg[R(EERD)] = (v & 0xff00) | EERD_DONE |
                      (uint32_t)(addr < MICROWIRE_WORDS ? s->eeprom.word[addr] : 0)
                          << 16;
}
