/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers and descriptors of the Realtek RTL8139C+ ("RTL8139C+ 3.3V Single
 * Chip Fast Ethernet Controller", chapters 5 and 6; the C mode is the
 * RTL8139C's).
 */
#ifndef HW_NET_RTL8139_REGS_H
#define HW_NET_RTL8139_REGS_H

enum {
    IDR0 = 0x00, MAR0 = 0x08,
    TSD0 = 0x10,     /* C mode: transmit status of four descriptors */
    DTCCR = 0x10,    /* C+ mode: dump tally counters, 64 bits */
    TSAD0 = 0x20,    /* C mode: addresses of four frames */
    TNPDS = 0x20,    /* C+ mode: ring of normal priority, 64 bits */
    THPDS = 0x28,    /* C+ mode: ring of high priority, 64 bits */
    RBSTART = 0x30, ERBCR = 0x34, ERSR = 0x36, CR = 0x37, CAPR = 0x38,
    CBR = 0x3a, IMR = 0x3c, ISR = 0x3e, TCR = 0x40, RCR = 0x44, TCTR = 0x48,
    MPC = 0x4c, CR9346 = 0x50, CONFIG0 = 0x51, CONFIG1 = 0x52,
    TIMERINT = 0x54, MSR = 0x58, CONFIG3 = 0x59, CONFIG4 = 0x5a,
    MULINT = 0x5c, RERID = 0x5e, TSAD = 0x60, BMCR = 0x62, BMSR = 0x64,
    ANAR = 0x66, ANLPAR = 0x68, ANER = 0x6a, NWAYTR = 0x70, CSCR = 0x74,
    WAKE = 0x84 /* to 0xd3 */, FLASH = 0xd4, CONFIG5 = 0xd8, TPPOLL = 0xd9,
    CPCR = 0xe0, RDSAR = 0xe4, ETTHR = 0xec, FER = 0xf0 /* to 0xff */,
    REGS = 0x100,
};

enum { CR_BUFE = 0x01, CR_TE = 0x04, CR_RE = 0x08, CR_RST = 0x10 };
enum {
    INT_ROK = 0x0001, INT_RER = 0x0002, INT_TOK = 0x0004, INT_TER = 0x0008,
    INT_RXOVW = 0x0010 /* C+: no receive descriptor */, INT_LINK = 0x0020,
    INT_FOVW = 0x0040, INT_TDU = 0x0080, INT_SW = 0x0100,
    INT_LENCHG = 0x2000, INT_TIMEOUT = 0x4000, INT_SERR = 0x8000,
    INT_ALL = 0xe1ff,
};
enum { TSD_SIZE = 0x1fff, TSD_OWN = 0x2000, TSD_TUN = 0x4000,
       TSD_TOK = 0x8000, TSD_TABT = 0x40000000 };
enum { TCR_CLRABT = 0x1, TCR_LBK = 0x60000,
       TCR_VERSION = 0x74800000 /* C+ */, TCR_VERSION_MASK = 0x7cc00000 };
enum { RCR_AAP = 0x01, RCR_APM = 0x02, RCR_AM = 0x04, RCR_AB = 0x08,
       RCR_AR = 0x10, RCR_AER = 0x20, RCR_WRAP = 0x80, RCR_RBLEN_SHIFT = 11 };
/* Header of a frame in the ring (C mode). */
enum { RXH_ROK = 0x0001, RXH_BAR = 0x2000, RXH_PAM = 0x4000,
       RXH_MAR = 0x8000 };
enum { EE_DO = 0x01, EE_DI = 0x02, EE_SK = 0x04, EE_CS = 0x08,
       EEM_MASK = 0xc0, EEM_AUTOLOAD = 0x40, EEM_PROGRAM = 0x80,
       EEM_CONFIG = 0xc0 };
enum { MSR_LINKB = 0x04, MSR_AUX = 0x10, MSR_RXFCE = 0x40, MSR_TXFCE = 0x80 };
enum { BMCR_RESET = 0x8000, BMCR_SPEED = 0x2000, BMCR_ANE = 0x1000,
       BMCR_RESTART = 0x0200, BMCR_DUPLEX = 0x0100 };
enum { BMSR_ABILITY = 0x7809, BMSR_LINK = 0x0004, BMSR_AN_DONE = 0x0020 };
enum { POLL_HPQ = 0x80, POLL_NPQ = 0x40, POLL_FSWINT = 0x01 };
enum { CPCR_TX = 0x0001, CPCR_RX = 0x0002, CPCR_MULRW = 0x0008,
       CPCR_DAC = 0x0010, CPCR_RXCHKSUM = 0x0020, CPCR_RXVLAN = 0x0040 };
enum { DTCCR_CMD = 0x8 };

/* Descriptors of the C+ mode: four little-endian words. */
#define D_OWN   0x80000000u
#define D_EOR   0x40000000u
#define D_FS    0x20000000u
#define D_LS    0x10000000u
#define TXD_LGSEN 0x08000000u
#define TXD_IPCS  0x00040000u
#define TXD_UDPCS 0x00020000u
#define TXD_TCPCS 0x00010000u
#define TXD_TAGC  0x00020000u /* second word */
#define RXD_SIZE  0x1fffu
#define RXD_MAR   0x04000000u
#define RXD_PAM   0x02000000u
#define RXD_BAR   0x01000000u
#define RXD_PID_TCP 0x00010000u
#define RXD_PID_UDP 0x00020000u
#define RXD_PID_IP  0x00030000u
#define RXD_IPF   0x00008000u
#define RXD_UDPF  0x00004000u
#define RXD_TCPF  0x00002000u
#define RXD_TAVA  0x00010000u /* second word */

#endif
