/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chip and memory of NE2000 cards (ne2000.c) for those that put them on a
 * bus (ne2k-isa.c, ne2k-pci.c).  BQL.
 */
#ifndef HW_NET_NE2000_H
#define HW_NET_NE2000_H

#include "exec/memory.h"
#include "hw/qdev.h"
#include "net/net.h"

enum { NE_PORTS = 0x20, NE_RAM = 0x4000, NE_RAM_END = 0xc000 };

typedef struct NE2000 {
    /* Properties. */
    NICConf conf;
    /* Guest-visible state: vmstate_ne2000. */
    uint8_t cr, isr, imr, dcr, tcr, rcr, tsr, rsr;
    uint8_t pstart, pstop, bnry, curr, tpsr;
    uint16_t tbcr, rsar, rbcr;
    uint8_t par[6], mar[8];
    uint8_t missed;      /* CNTR2 */
    bool tx_waits;       /* for room at the peer */
    bool fresh;          /* a frame came since the driver read CURR */
    uint8_t ram[NE_RAM_END - NE_RAM];
    /* Host side. */
    NICState *nic;
    bool is_8029;        /* Realtek's, with its identification */
    void (*set_irq)(void *opaque, int level);
    void *opaque;
} NE2000;

extern const VMStateDescription vmstate_ne2000;
extern const MemoryRegionOps ne2000_ops; /* NE_PORTS; opaque: the NE2000 */

/* For realize; set_irq, opaque and is_8029 stand. */
bool ne2000_init(NE2000 *s, DeviceState *dev, Error **errp);
void ne2000_fini(NE2000 *s);
void ne2000_reset(NE2000 *s);

#endif
