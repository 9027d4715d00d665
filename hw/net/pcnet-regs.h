/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the AMD Am79C970A ("PCnet-PCI II Single-Chip Full-Duplex
 * Ethernet Controller", data sheet 19436).
 */
#ifndef HW_NET_PCNET_REGS_H
#define HW_NET_PCNET_REGS_H

/* Ports: address PROM, then data, address, reset, BCR data; as words (WIO) or
 * double words (DWIO). */
enum { APROM_SIZE = 0x10, PORT_RDP = 0x10, PORTS = 0x20 };

/* CSR0. */
enum {
    C0_INIT = 0x0001, C0_STRT = 0x0002, C0_STOP = 0x0004, C0_TDMD = 0x0008,
    C0_TXON = 0x0010, C0_RXON = 0x0020, C0_IENA = 0x0040, C0_INTR = 0x0080,
    C0_IDON = 0x0100, C0_TINT = 0x0200, C0_RINT = 0x0400, C0_MERR = 0x0800,
    C0_MISS = 0x1000, C0_CERR = 0x2000, C0_BABL = 0x4000, C0_ERR = 0x8000,
    C0_CAUSES = C0_IDON | C0_TINT | C0_RINT | C0_MERR | C0_MISS | C0_BABL,
};
enum { C3_MASKS = 0x5f00, C3_WRITABLE = 0x5f7c };
/* CSR4: each cause with its mask one bit below. */
enum {
    C4_TXSTRTM = 0x0004, C4_TXSTRT = 0x0008, C4_UINT = 0x0040,
    C4_UINTCMD = 0x0080, C4_MFCO = 0x0200, C4_ASTRP_RCV = 0x0400,
    C4_APAD_XMT = 0x0800, C4_DPOLL = 0x1000,
    C4_CAUSES = 0x026a, /* MFCO, UINT, RCVCCO, TXSTRT, JAB */
    C4_WRITABLE = 0xfd15, C4_RESET = 0x0115,
};
/* CSR5: causes, each with its enable one bit below. */
enum {
    C5_SPND = 0x0001, C5_CAUSES = 0x0a90, C5_ENABLES = 0x0548,
    C5_LTINTEN = 0x4000, C5_TOKINTD = 0x8000, C5_WRITABLE = 0xc56f,
};
/* CSR15, MODE. */
enum {
    MODE_DRX = 0x0001, MODE_DTX = 0x0002, MODE_LOOP = 0x0004,
    MODE_DRCVPA = 0x2000, MODE_DRCVBC = 0x4000, MODE_PROM = 0x8000,
};
/* Others, by number. */
enum {
    CSR_IADR = 1, CSR_LADRF = 8, CSR_PADR = 12, CSR_MODE = 15,
    CSR_BADR = 24, CSR_BADX = 30, CSR_POLLINT = 47, CSR_SWSTYLE = 58,
    CSR_RCVRC = 72, CSR_XMTRC = 74, CSR_RCVRL = 76, CSR_XMTRL = 78,
    CSR_DMATCFW = 80, CSR_CHIPID = 88, CSR_MERRTO = 100, CSR_MFC = 112,
    CSRS = 128,
};
enum {
    BCR_MSRDA = 0, BCR_MSWRA = 1, BCR_MC = 2, BCR_LNKST = 4, BCR_LED3 = 7,
    BCR_FDC = 9, BCR_BSBC = 18, BCR_EECAS = 19, BCR_SWS = 20, BCR_PCILAT = 22,
    BCRS = 32,
};
enum { MC_APROMWE = 0x0100, BSBC_DWIO = 0x0080 };
enum { LED_OUT = 0x8000, LED_LINK = 0x0040 };
enum { SWS_SSIZE32 = 0x0100, SWS_CSRPCNET = 0x0200 };

/* Status of a descriptor, as the upper half of its second double word. */
enum {
    D_OWN = 0x8000, D_ERR = 0x4000, D_BUFF = 0x0400, D_STP = 0x0200,
    D_ENP = 0x0100,
    RXD_PAM = 0x0040, RXD_LAFM = 0x0020, RXD_BAM = 0x0010,
    TXD_LTINT = 0x1000,
};

#endif
