/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the Intel 8254x family: PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual, chapter 13 and 3 (descriptors).
 */
#ifndef HW_NET_E1000_REGS_H
#define HW_NET_E1000_REGS_H

enum {
    CTRL = 0x0000, STATUS = 0x0008, EECD = 0x0010, EERD = 0x0014,
    CTRL_EXT = 0x0018, FLA = 0x001c, MDIC = 0x0020, FCAL = 0x0028,
    FCAH = 0x002c, FCT = 0x0030, VET = 0x0038, ICR = 0x00c0, ITR = 0x00c4,
    ICS = 0x00c8, IMS = 0x00d0, IMC = 0x00d8, RCTL = 0x0100, FCTTV = 0x0170,
    TXCW = 0x0178, RXCW = 0x0180, TCTL = 0x0400, TIPG = 0x0410,
    AIFS = 0x0458, LEDCTL = 0x0e00, PBA = 0x1000, FCRTL = 0x2160,
    FCRTH = 0x2168, RDFH = 0x2410, RDFT = 0x2418, RDFHS = 0x2420,
    RDFTS = 0x2428, RDFPC = 0x2430, RDBAL = 0x2800, RDBAH = 0x2804,
    RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818, RDTR = 0x2820,
    RXDCTL = 0x2828, RADV = 0x282c, RSRPD = 0x2c00, TDFH = 0x3410,
    TDFT = 0x3418, TDFHS = 0x3420, TDFTS = 0x3428, TDFPC = 0x3430,
    TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810,
    TDT = 0x3818, TIDV = 0x3820, TXDCTL = 0x3828, TADV = 0x382c,
    TSPMT = 0x3830,
    /* Statistics, cleared by reading. */
    STATS = 0x4000, MPC = 0x4010, PRC64 = 0x405c, GPRC = 0x4074,
    BPRC = 0x4078, MPRC = 0x407c, GPTC = 0x4080, GORCL = 0x4088,
    GORCH = 0x408c, GOTCL = 0x4090, GOTCH = 0x4094, RNBC = 0x40a0,
    RUC = 0x40a4, ROC = 0x40ac, TORL = 0x40c0, TORH = 0x40c4, TOTL = 0x40c8,
    TOTH = 0x40cc, TPR = 0x40d0, TPT = 0x40d4, PTC64 = 0x40d8,
    MPTC = 0x40f0, BPTC = 0x40f4, TSCTC = 0x40f8, TSCTFC = 0x40fc,
    STATS_END = 0x4100,
    RXCSUM = 0x5000, MTA = 0x5200, RAL0 = 0x5400, RAH0 = 0x5404,
    VFTA = 0x5600, WUC = 0x5800, WUFC = 0x5808, WUS = 0x5810, IPAV = 0x5838,
    IP4AT = 0x5840, IP6AT = 0x5880, WUPL = 0x5900, WUPM = 0x5a00,
    FFLT = 0x5f00, FFMT = 0x9000, FFVT = 0x9800, REG_END = 0xa000,
    PBM = 0x10000,
};

enum {
    CTRL_SLU = 1 << 6, CTRL_RST = 1 << 26, CTRL_VME = 1 << 30,
    CTRL_PHY_RST = 1u << 31,
    STATUS_FD = 1, STATUS_LU = 2, STATUS_SPEED_1000 = 2 << 6,
    STATUS_ASDV_1000 = 2 << 8,
    EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8, EECD_FWE_DIS = 0x10,
    EECD_REQ = 0x40, EECD_GNT = 0x80, EECD_PRES = 0x100,
    EERD_START = 1, EERD_DONE = 0x10,
    MDIC_OP_WRITE = 1, MDIC_OP_READ = 2,
    MDIC_READY = 1 << 28, MDIC_INT = 1 << 29, MDIC_ERROR = 1 << 30,
};

/* ICR, ICS, IMS, IMC. */
enum {
    INT_TXDW = 1 << 0, INT_TXQE = 1 << 1, INT_LSC = 1 << 2,
    INT_RXDMT0 = 1 << 4, INT_RXO = 1 << 6, INT_RXT0 = 1 << 7,
    INT_MDAC = 1 << 9, INT_TXD_LOW = 1 << 15,
};

enum {
    RCTL_EN = 1 << 1, RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3,
    RCTL_MPE = 1 << 4, RCTL_LPE = 1 << 5, RCTL_LBM = 3 << 6,
    RCTL_RDMTS_SHIFT = 8, RCTL_MO_SHIFT = 12, RCTL_BAM = 1 << 15,
    RCTL_BSIZE_SHIFT = 16, RCTL_VFE = 1 << 18, RCTL_BSEX = 1 << 25,
    RCTL_SECRC = 1 << 26,
    TCTL_EN = 1 << 1, TCTL_PSP = 1 << 3,
    RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9,
    RAH_AV = 1u << 31,
};

/* Receive descriptor: status, errors. */
enum {
    RXD_DD = 1, RXD_EOP = 2, RXD_IXSM = 4, RXD_VP = 8, RXD_TCPCS = 0x20,
    RXD_IPCS = 0x40, RXD_PIF = 0x80, RXD_ERR_TCPE = 0x20, RXD_ERR_IPE = 0x40,
};

/* Transmit descriptor, the second double word's command bits. */
enum {
    TXD_EOP = 1 << 24, TXD_IC = 1 << 26 /* legacy */,
    TXD_TSE = 1 << 26 /* extended */, TXD_RS = 1 << 27, TXD_RPS = 1 << 28,
    TXD_DEXT = 1 << 29, TXD_VLE = 1 << 30, TXD_IDE = 1u << 31,
    TXD_DATA = 1 << 20 /* extended: data, else context */,
    TXC_TCP = 1 << 24, TXC_IP = 1 << 25,
    TXD_STAT_DD = 1, POPTS_IXSM = 1, POPTS_TXSM = 2,
};

/* PHY registers (IEEE 802.3 clause 22, then Marvell 88E1011's). */
enum {
    PHY_CTRL, PHY_STATUS, PHY_ID1, PHY_ID2, PHY_ANA, PHY_LPA, PHY_ANE,
    PHY_1000T_CTRL = 9, PHY_1000T_STATUS = 10, PHY_EXT_STATUS = 15,
    M88_SPEC_CTRL = 16, M88_SPEC_STATUS = 17, M88_INT_ENABLE = 18,
    M88_INT_STATUS = 19, M88_EXT_SPEC_CTRL = 20, M88_RX_ERRORS = 21,
    PHY_CTRL_RESET = 0x8000, PHY_CTRL_LOOPBACK = 0x4000,
    PHY_CTRL_AUTONEG = 0x1000, PHY_CTRL_POWER_DOWN = 0x0800,
    PHY_CTRL_RESTART = 0x0200,
    PHY_STATUS_LINK = 0x0004, PHY_STATUS_AN_DONE = 0x0020,
    PHY_LPA_ACK = 0x4000, M88_STATUS_LINK = 0x0400,
    M88_STATUS_RESOLVED = 0x0800,
};

#endif
