/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card under test; the far end of its cable is the test (-netdev
 * stream).  PCI cards have their memory at NIC_MMIO and ports at NIC_PORT.
 */
#ifndef NIC_LIB_H
#define NIC_LIB_H

#include "libqtest.h"

#define NIC_MMIO 0xe0000000u
#define NIC_PORT 0xc000
#define NIC_SLOT 4

typedef struct Nic {
    QTestState *qts;
    int sock;
    unsigned port;  /* of the registers; the user's */
    char *dir;
} Nic;

/* Its address is 52:54:00:12:34:56.  "ne2k_isa" sits at 0x300. */
Nic nic_start(const char *model);
void nic_stop(Nic *n);
/* BARs (numbers, -1: none) and bus mastering. */
void nic_enable(Nic *n, int mem_bar, int io_bar);
uint32_t nic_cfg_read(Nic *n, unsigned reg);

void wire_send(Nic *n, const uint8_t *f, uint32_t len);
uint32_t wire_recv(Nic *n, uint8_t *f, uint32_t room);
/* A frame for the card, of a type that nobody knows, with a pattern. */
void make_frame(uint8_t *f, uint32_t len);

#endif
