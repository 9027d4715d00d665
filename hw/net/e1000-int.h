/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between e1000.c (registers, interrupts, life), e1000-phy.c, e1000-ring.c. */
#ifndef HW_NET_E1000_INT_H
#define HW_NET_E1000_INT_H

#include "e1000-regs.h"
#include "frame.h"
#include "hw/pci.h"
#include "microwire.h"

#define R(x) ((x) / 4)

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
    Microwire eeprom;
    uint32_t io_addr;
    TxContext ctx, tso; /* of checksums, of segmentation */
    uint8_t tx_popts;
    bool tx_tse, tx_vlan;
    uint16_t tx_vlan_tag;
    uint32_t tx_len;
    uint8_t *tx_buf;     /* NIC_TX_MAX; there is room for a tag before it */
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

static inline const E1000Model *model_of(const E1000State *s)
{
    return (const E1000Model *)s->pci.qdev.info->bus_info;
}

/* Sets bits of ICR. */
void e1000_cause(E1000State *s, uint32_t bits);
/* A cause that waits @delay, again at each call, but not past the absolute
 * limit (both in 1.024 us, 0: no limit). */
void e1000_delay(Timer *t, int64_t *deadline, uint32_t delay, uint32_t limit);

/* Link, PHY, EEPROM. */
bool e1000_has_link(const E1000State *s);
void e1000_set_link(E1000State *s, bool up);
void e1000_link_changed(NetClient *nc);
void e1000_autoneg_done(void *opaque); /* of autoneg_timer */
void e1000_phy_reset(E1000State *s);
void e1000_mdic_write(E1000State *s, uint32_t v);
void e1000_eeprom_fill(E1000State *s);
void e1000_eecd_write(E1000State *s, uint32_t v);
uint32_t e1000_eecd_read(E1000State *s);
void e1000_eerd_write(E1000State *s, uint32_t v);

/* The rings. */
bool e1000_can_receive(NetClient *nc);
ssize_t e1000_receive(NetClient *nc, const struct iovec *iov, int n);
/* Sends what there is; not entered twice. */
void e1000_start_xmit(E1000State *s);

#endif
