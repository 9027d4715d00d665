/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI: between rings (xhci-ring.c), transfers (xhci-xfer.c), commands
 * (xhci-cmd.c), ports (xhci-port.c) and registers (xhci.c). */
#ifndef HW_USB_XHCI_INT_H
#define HW_USB_XHCI_INT_H

#include "exec/runstate.h"
#include "hw/pci.h"
#include "hw/usb.h"

#define MAX_PORTS  15 /* of each kind */
#define SLOTS      64
#define EPS        31
#define INTRS      16
#define BAR_SIZE   0x4000
#define OP         0x40
#define PORT_REGS  0x440
#define RUNTIME    0x1000
#define DOORBELLS  0x2000
#define MSIX_TABLE 0x3000
#define MSIX_PBA   0x3800
#define TD_TRBS    256

enum { CMD_RS = 0x1, CMD_HCRST = 0x2, CMD_INTE = 0x4, CMD_CSS = 0x100,
       CMD_CRS = 0x200 };
enum { STS_HCH = 0x1, STS_EINT = 0x8, STS_PCD = 0x10, STS_SRE = 0x400,
       STS_HCE = 0x1000, STS_W1C = 0x41c };
enum { CRCR_RCS = 1, CRCR_CS = 2, CRCR_CA = 4, CRCR_CRR = 8 };
enum { P_CCS = 0x1, P_PED = 0x2, P_PR = 0x10, P_PLS = 0x1e0, P_PP = 0x200,
       P_SPEED = 0x3c00, P_LWS = 0x10000, P_CSC = 0x20000, P_PEC = 0x40000,
       P_WRC = 0x80000, P_OCC = 0x100000, P_PRC = 0x200000, P_PLC = 0x400000,
       P_CEC = 0x800000, P_CHANGES = 0xfe0000, P_WAKE = 0xe000000 };
#define P_WPR 0x80000000u
enum { PLS_U0 = 0, PLS_U3 = 3, PLS_RXDETECT = 5, PLS_POLLING = 7,
       PLS_RESUME = 15 };
enum { IMAN_IP = 1, IMAN_IE = 2, ERDP_EHB = 8 };
enum { TRB_NORMAL = 1, TRB_SETUP, TRB_DATA, TRB_STATUS, TRB_ISOCH, TRB_LINK,
       TRB_EVDATA, TRB_NOOP, TRB_ENABLE_SLOT, TRB_DISABLE_SLOT, TRB_ADDRESS,
       TRB_CONFIGURE, TRB_EVALUATE, TRB_RESET_EP, TRB_STOP_EP, TRB_SET_DEQ,
       TRB_RESET_DEV, TRB_NOOP_CMD = 23, TRB_EV_TRANSFER = 32,
       TRB_EV_COMMAND = 33, TRB_EV_PORT = 34 };
enum { TRB_C = 0x1, TRB_TC = 0x2, TRB_ISP = 0x4, TRB_CHAIN = 0x10,
       TRB_IOC = 0x20, TRB_IDT = 0x40, TRB_BSR = 0x200, TRB_DIR_IN = 0x10000 };
enum { CC_SUCCESS = 1, CC_BABBLE = 3, CC_TRANSACTION = 4, CC_TRB = 5,
       CC_STALL = 6, CC_NO_SLOTS = 9, CC_SLOT = 11, CC_ENDPOINT = 12,
       CC_SHORT = 13, CC_PARAMETER = 17, CC_CONTEXT = 19,
       CC_RING_STOPPED = 24 };
enum { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR };
enum { SLOT_DEFAULT = 1, SLOT_ADDRESSED = 2, SLOT_CONFIGURED = 3 };

typedef struct XHCIState XHCIState;

typedef struct XHCITrb {
    uint64_t param;
    uint32_t status, control;
    uint64_t addr; /* where it stands */
} XHCITrb;

typedef struct XHCIRing {
    uint64_t dequeue;
    bool cycle;
} XHCIRing;

/* A transfer under way; on the heap. */
typedef struct XHCITransfer {
    USBPacket packet;
    XHCIState *s;
    uint8_t slot, ep;    /* from 1 */
    bool done;
    XHCIRing after;      /* the ring behind it */
    unsigned n;
    XHCITrb trb[TD_TRBS];
    uint8_t data[];
} XHCITransfer;

typedef struct XHCIEp {
    /* Guest-visible. */
    XHCIRing ring;
    uint32_t state, type;
    /* Host side. */
    XHCITransfer *xfer;  /* with a device */
    bool running, again;
} XHCIEp;

typedef struct XHCISlot {
    bool enabled;
    uint32_t state, route, root; /* of the slot context */
    uint32_t intr;
    uint64_t ctx;
    XHCIEp ep[EPS];
} XHCISlot;

typedef struct XHCIIntr {
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    uint32_t seg, pos;   /* where the next event goes */
    bool cycle;
} XHCIIntr;

struct XHCIState {
    PCIDevice pci;
    /* Properties. */
    uint32_t p2, p3;
    /* Guest-visible state. */
    uint32_t cmd, sts, dnctrl, config;
    uint64_t dcbaap;
    XHCIRing command;
    bool command_running;
    uint32_t portsc[2 * MAX_PORTS];
    XHCIIntr intr[INTRS];
    XHCISlot slot[SLOTS];
    int64_t mfindex_base;
    /* Host side. */
    USBBus bus;
    USBPort ports[MAX_PORTS];
    MemoryRegion bar, regs;
    BH *bh;
    VMChangeListener vm_change;
    bool in_command;
};

static inline uint64_t xhci_pair(const uint32_t *w)
{
    return (uint64_t)w[1] << 32 | w[0];
}

static inline unsigned xhci_trb_type(const XHCITrb *t)
{
    return t->control >> 10 & 0x3f;
}

/* ---- rings --------------------------------------------------------------- */

/* Words of guest memory, at most 16. */
void xhci_get(XHCIState *s, uint64_t addr, uint32_t *w, unsigned n);
void xhci_put(XHCIState *s, uint64_t addr, const uint32_t *w, unsigned n);
void xhci_update_irq(XHCIState *s);
void xhci_intr_raise(XHCIState *s, unsigned n);
/* An event for interrupter @n. */
void xhci_event(XHCIState *s, unsigned n, uint64_t param, uint32_t status,
                uint32_t control);
/* Has the guest not read all that was written? */
bool xhci_events_wait(XHCIState *s, const XHCIIntr *r);
/* The next block; false: none there yet, or only links in a circle. */
bool xhci_ring_fetch(XHCIState *s, XHCIRing *r, XHCITrb *t);

/* ---- slots and transfers; slots and endpoints count from 1 --------------- */

/* What the guest may read of a context. */
void xhci_ep_store(XHCIState *s, unsigned slot, unsigned ep);
void xhci_slot_store(XHCIState *s, unsigned slot);
void xhci_xfer_drop(XHCIEp *e);
void xhci_ep_disable(XHCIEp *e);
void xhci_slot_disable(XHCISlot *sl);
/* Whom its route leads to; NULL: nobody is there. */
USBDevice *xhci_slot_device(XHCIState *s, const XHCISlot *sl);
void xhci_ep_run(XHCIState *s, unsigned slot, unsigned ep);
void xhci_bh(void *opaque);
/* Answers that have come go to the guest's memory: before a save. */
void xhci_settle(XHCIState *s);

/* ---- commands, ports ----------------------------------------------------- */

void xhci_run_commands(XHCIState *s);
extern const USBPortOps xhci_port_ops;
void xhci_attach(USBPort *port);
void xhci_set_pls(XHCIState *s, unsigned n, unsigned pls);
void xhci_port_write(XHCIState *s, unsigned n, uint32_t v);

#endif
