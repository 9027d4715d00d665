/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EHCI: between the schedules (ehci-sched.c) and registers and ports
 * (ehci.c). */
#ifndef HW_USB_EHCI_INT_H
#define HW_USB_EHCI_INT_H

#include "exec/runstate.h"
#include "hw/pci.h"
#include "hw/usb.h"

#define PORTS       6
#define CAP_LENGTH  0x20
#define MMIO_SIZE   0x1000
#define FRAME_NS    1000000
#define LAZY_FRAMES 8
#define QTD_MAX     (5 * 4096)

enum { USBCMD = 0x00, USBSTS = 0x04, USBINTR = 0x08, FRINDEX = 0x0c,
       CTRLDSSEGMENT = 0x10, PERIODICLISTBASE = 0x14, ASYNCLISTADDR = 0x18,
       CONFIGFLAG = 0x40, PORTSC = 0x44 };
enum { CMD_RS = 0x01, CMD_HCRESET = 0x02, CMD_PSE = 0x10, CMD_ASE = 0x20,
       CMD_IAAD = 0x40, CMD_LHCRESET = 0x80 };
enum { STS_INT = 0x01, STS_ERR = 0x02, STS_PCD = 0x04, STS_FLR = 0x08,
       STS_HSE = 0x10, STS_IAA = 0x20, STS_HALTED = 0x1000,
       STS_PSS = 0x4000, STS_ASS = 0x8000, STS_W1C = 0x3f };
enum { P_CCS = 0x01, P_CSC = 0x02, P_PED = 0x04, P_PEDC = 0x08, P_OCC = 0x20,
       P_RESUME = 0x40, P_SUSP = 0x80, P_RESET = 0x100, P_LINE = 0xc00,
       P_POWER = 0x1000, P_OWNER = 0x2000, P_WAKE = 0x700000,
       P_W1C = P_CSC | P_PEDC | P_OCC };
#define LINK_T 1u
#define LINK_TYPE(l) ((l) >> 1 & 3)
#define LINK_PTR 0xffffffe0u
enum { TYPE_ITD, TYPE_QH, TYPE_SITD, TYPE_FSTN };
#define QTD_ACTIVE 0x80u
#define QTD_HALTED 0x40u
#define QTD_BABBLE 0x10u
#define QTD_XACT   0x08u
#define QTD_IOC    0x8000u
#define QTD_DT     0x80000000u
#define ITD_ACTIVE 0x80000000u
#define ITD_BABBLE 0x20000000u
#define ITD_XACT   0x10000000u
#define ITD_STATUS 0x70000000u
#define ITD_IOC    0x00008000u
#define SITD_IOC    0x80000000u
#define SITD_BABBLE 0x20u
#define SITD_XACT   0x08u
/* Words of a queue head. */
enum { QH_LINK, QH_CHAR, QH_CAP, QH_CURRENT, QH_NEXT, QH_ALT, QH_TOKEN,
       QH_BUF, QH_WORDS = 12, ITD_WORDS = 16, SITD_WORDS = 6 };

typedef struct EHCIState EHCIState;

typedef struct EHCIAsync {
    ListNode node;
    USBPacket packet;
    uint32_t qh, qtd;
    unsigned unseen;
    bool done;
    uint8_t data[QTD_MAX];
} EHCIAsync;

struct EHCIState {
    PCIDevice pci;
    /* Guest-visible state. */
    uint32_t cmd, sts, intr, frindex, segment, periodic, async_addr, config;
    uint32_t portsc[PORTS];
    int64_t frame_at;
    uint32_t lazy;
    Timer timer;
    /* Host side. */
    USBBus bus;
    USBPort ports[PORTS];
    USBPort *companion[PORTS];
    MemoryRegion mmio;
    ListNode pending;
    EHCIAsync *spare;
    BH *bh;
    VMChangeListener vm_change;
    bool walking, progress;
    unsigned quick;      /* passes of the asynchronous list to come soon */
};

void ehci_update_irq(EHCIState *s);
void ehci_cause(EHCIState *s, uint32_t bits);

/* The schedules run: some of the timer's time or a device's answer. */
bool ehci_schedules_on(const EHCIState *s);
void ehci_tick(void *opaque);      /* timer */
void ehci_bh(void *opaque);        /* an answer has come */
void ehci_arm(EHCIState *s);
void ehci_follow_enables(EHCIState *s);
/* FRINDEX as time goes by, also while no timer runs. */
void ehci_sync_frames(EHCIState *s);
/* Takes back what @d (NULL: anybody) has not answered. */
void ehci_pending_cancel(EHCIState *s, const USBDevice *d);
/* Answers that have come go to the guest's memory: before a save. */
void ehci_pending_settle(EHCIState *s);
void ehci_vm_changed(void *opaque, bool running, RunState state);

#endif

