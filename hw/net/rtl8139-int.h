/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between rtl8139.c (registers, life), rtl8139-rx.c and rtl8139-tx.c. */
#ifndef HW_NET_RTL8139_INT_H
#define HW_NET_RTL8139_INT_H

#include "frame.h"
#include "hw/pci.h"
#include "microwire.h"
#include "rtl8139-regs.h"

/* The block that a dump of DTCCR writes (6.4). */
typedef struct Tally {
    uint64_t tx_ok, rx_ok, tx_err;
    uint32_t rx_err;
    uint16_t missed, align_err;
    uint32_t tx_1col, tx_mcol;
    uint64_t rx_phys, rx_bcast;
    uint32_t rx_mcast;
    uint16_t tx_abort, tx_underrun;
} Tally;

typedef struct RTL8139State {
    PCIDevice pci;
    /* Properties. */
    NICConf conf;
    /* Guest-visible state. */
    uint8_t reg[REGS];
    Microwire eeprom;
    Tally tally;
    uint32_t tx_desc;    /* C mode: the one to go next */
    uint32_t tx_at[2];   /* C+ mode: index in each ring, normal and high */
    uint32_t rx_at;
    uint32_t tx_prio;    /* the ring that tx_buf comes from */
    uint32_t tx_len;
    uint8_t *tx_buf;     /* NIC_TX_MAX; there is room for a tag before it */
    bool tx_poll[2];     /* the ring has something to send */
    int64_t tctr_base;   /* virtual ns at which TCTR was 0 */
    Timer timer;         /* TimerInt */
    /* Host side. */
    MemoryRegion io, mmio;
    NICState *nic;
    BH *tx_bh;
    Timer stall_timer;
    int64_t stall_since; /* virtual ns, -1: frames flow */
    bool tx_busy, tx_blocked;
} RTL8139State;

/* ---- registers as numbers ------------------------------------------------ */

static inline uint16_t r16(const RTL8139State *s, unsigned at)
{
    return pci_get_word(s->reg + at);
}

static inline uint32_t r32(const RTL8139State *s, unsigned at)
{
    return pci_get_long(s->reg + at);
}

static inline uint64_t r64(const RTL8139State *s, unsigned at)
{
    return (uint64_t)r32(s, at + 4) << 32 | r32(s, at);
}

static inline void w16(RTL8139State *s, unsigned at, uint16_t v)
{
    pci_set_word(s->reg + at, v);
}

static inline void w32(RTL8139State *s, unsigned at, uint32_t v)
{
    pci_set_long(s->reg + at, v);
}

static inline bool master(const RTL8139State *s)
{
    return pci_get_word(s->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static inline bool link_up(const RTL8139State *s)
{
    return !nic_queue(s->nic, 0)->link_down;
}

/* Ring addresses are aligned to 256. */
static inline hwaddr desc_addr(const RTL8139State *s, unsigned reg, uint32_t n)
{
    return (r64(s, reg) & ~UINT64_C(0xff)) + (uint64_t)n * 16;
}

/* Sets bits of ISR. */
void rtl8139_cause(RTL8139State *s, uint16_t bits);

/* Receiving. */
bool rtl8139_rx_on(const RTL8139State *s);
/* Bytes of the C mode's ring that the driver has not read. */
uint32_t rtl8139_ring_used(const RTL8139State *s);
bool rtl8139_can_receive(NetClient *nc);
ssize_t rtl8139_receive(NetClient *nc, const struct iovec *iov, int n);
/* A frame in one piece, without header; 0: no room now. */
ssize_t rtl8139_rx_frame(RTL8139State *s, NicFrame *f);

/* Sends what there is; not entered twice. */
void rtl8139_start_xmit(RTL8139State *s);

#endif
