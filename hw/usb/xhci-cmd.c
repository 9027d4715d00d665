/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI: the command ring (4.6). */
#include "osdep.h"
#include "xhci-int.h"

#define COMMANDS 256 /* at one doorbell */

/* ---- commands ------------------------------------------------------------ */

static unsigned ep_enable(XHCIState *s, unsigned slot, unsigned ep,
                          const uint32_t *w)
{
    XHCIEp *e = &s->slot[slot - 1].ep[ep - 1];
    unsigned type = w[1] >> 3 & 7;

    if (!type || (ep == 1) != (type == 4)) {
        return CC_TRB;
    }
    xhci_xfer_drop(e);
    e->type = type;
    e->ring.dequeue = xhci_pair(w + 2) & ~UINT64_C(15);
    e->ring.cycle = w[2] & 1;
    e->state = EP_RUNNING;
    return CC_SUCCESS;
}

/* Copies the input context's part @index (0: slot) to the slot's own. */
static void copy_context(XHCIState *s, XHCISlot *sl, uint64_t in,
                         unsigned index, uint32_t *w)
{
    xhci_get(s, in + 32 * (index + 1), w, 8);
    xhci_put(s, sl->ctx + 32 * index, w, 8);
}

static unsigned cmd_address(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], ctx[2];
    uint8_t setup[8] = { 0, USB_REQ_SET_ADDRESS, slot };
    USBPacket p = { .pid = USB_PID_OUT, .data = setup };
    USBDevice *d;

    xhci_get(s, in, flags, 2);
    if (flags[0] || flags[1] != 3) {
        return CC_TRB;
    }
    xhci_get(s, s->dcbaap + 8 * slot, ctx, 2);
    sl->ctx = xhci_pair(ctx) & ~UINT64_C(0x3f);
    xhci_get(s, in + 32, w, 8);
    sl->route = w[0] & 0xfffff;
    sl->root = w[1] >> 16 & 0xff;
    sl->intr = w[2] >> 22;
    d = xhci_slot_device(s, sl);
    if (!d || !sl->ctx) {
        return d ? CC_PARAMETER : CC_TRANSACTION;
    }
    copy_context(s, sl, in, 0, w);
    copy_context(s, sl, in, 1, w);
    if (ep_enable(s, slot, 1, w) != CC_SUCCESS) {
        return CC_TRB;
    }
    if (t->control & TRB_BSR) {
        sl->state = SLOT_DEFAULT;
    } else {
        usb_control_transfer(d, setup, &p);
        if (p.status != USB_OK) {
            return CC_TRANSACTION;
        }
        sl->state = SLOT_ADDRESSED;
    }
    xhci_slot_store(s, slot);
    xhci_ep_store(s, slot, 1);
    return CC_SUCCESS;
}

static unsigned cmd_configure(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], dw0;
    unsigned code = CC_SUCCESS, entries = 1;

    if (sl->state < SLOT_ADDRESSED) {
        return CC_CONTEXT;
    }
    if (t->control & TRB_BSR) { /* here: deconfigure */
        flags[0] = ~3u;
        flags[1] = 1;
    } else {
        xhci_get(s, in, flags, 2);
        if (flags[0] & 3 || (flags[1] & 3) != 1) {
            return CC_TRB;
        }
    }
    for (unsigned ep = 2; ep <= EPS; ep++) {
        if (flags[0] >> ep & 1) {
            xhci_ep_disable(&sl->ep[ep - 1]);
            xhci_ep_store(s, slot, ep);
        }
        if (flags[1] >> ep & 1) {
            copy_context(s, sl, in, ep, w);
            code = ep_enable(s, slot, ep, w);
            if (code != CC_SUCCESS) {
                return code;
            }
            xhci_ep_store(s, slot, ep);
        }
    }
    for (unsigned ep = 1; ep <= EPS; ep++) {
        entries = sl->ep[ep - 1].state != EP_DISABLED ? ep : entries;
    }
    xhci_get(s, sl->ctx, &dw0, 1);
    dw0 = (dw0 & 0x07ffffff) | entries << 27;
    if (!(t->control & TRB_BSR)) { /* what a hub is told about itself */
        uint32_t told;

        xhci_get(s, in + 32, &told, 1);
        dw0 = (dw0 & ~0x06000000u) | (told & 0x06000000u);
    }
    xhci_put(s, sl->ctx, &dw0, 1);
    sl->state = entries > 1 ? SLOT_CONFIGURED : SLOT_ADDRESSED;
    xhci_slot_store(s, slot);
    return code;
}

static unsigned cmd_evaluate(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    XHCISlot *sl = &s->slot[slot - 1];
    uint64_t in = t->param & ~UINT64_C(15);
    uint32_t flags[2], w[8], own[8];

    xhci_get(s, in, flags, 2);
    if (flags[0] || !sl->ctx) {
        return CC_TRB;
    }
    if (flags[1] & 1) { /* exit latency, interrupter */
        xhci_get(s, in + 32, w, 8);
        xhci_get(s, sl->ctx, own, 8);
        own[1] = (own[1] & ~0xffffu) | (w[1] & 0xffff);
        own[2] = (own[2] & 0x3fffff) | (w[2] & 0xffc00000);
        xhci_put(s, sl->ctx, own, 8);
        sl->intr = w[2] >> 22;
    }
    if (flags[1] & 2) { /* packet size of endpoint 0 */
        xhci_get(s, in + 64, w, 8);
        xhci_get(s, sl->ctx + 32, own, 8);
        own[1] = (own[1] & 0xffff) | (w[1] & 0xffff0000);
        xhci_put(s, sl->ctx + 32, own, 8);
    }
    return CC_SUCCESS;
}

static unsigned cmd_endpoint(XHCIState *s, unsigned slot, const XHCITrb *t)
{
    unsigned ep = t->control >> 16 & 0x1f;
    XHCIEp *e;

    if (ep < 1 || ep > EPS) {
        return CC_TRB;
    }
    e = &s->slot[slot - 1].ep[ep - 1];
    if (e->state == EP_DISABLED) {
        return CC_ENDPOINT;
    }
    switch (xhci_trb_type(t)) {
    case TRB_RESET_EP:
        if (e->state != EP_HALTED) {
            return CC_CONTEXT;
        }
        xhci_xfer_drop(e);
        e->state = EP_STOPPED;
        break;
    case TRB_STOP_EP:
        if (e->state != EP_RUNNING) {
            return CC_CONTEXT;
        }
        xhci_xfer_drop(e);
        e->state = EP_STOPPED;
        break;
    default: /* TRB_SET_DEQ */
        if (e->state != EP_STOPPED && e->state != EP_ERROR) {
            return CC_CONTEXT;
        }
        xhci_xfer_drop(e);
        e->ring.dequeue = t->param & ~UINT64_C(15);
        e->ring.cycle = t->param & 1;
        break;
    }
    xhci_ep_store(s, slot, ep);
    return CC_SUCCESS;
}

static unsigned cmd_reset_device(XHCIState *s, unsigned slot)
{
    XHCISlot *sl = &s->slot[slot - 1];

    if (sl->state < SLOT_ADDRESSED) {
        return CC_CONTEXT;
    }
    for (unsigned ep = 2; ep <= EPS; ep++) {
        if (sl->ep[ep - 1].state != EP_DISABLED) {
            xhci_ep_disable(&sl->ep[ep - 1]);
            xhci_ep_store(s, slot, ep);
        }
    }
    sl->state = SLOT_DEFAULT;
    xhci_slot_store(s, slot);
    return CC_SUCCESS;
}

static unsigned enable_slot(XHCIState *s, unsigned *slot)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!s->slot[i].enabled) {
            xhci_slot_disable(&s->slot[i]);
            s->slot[i].enabled = true;
            *slot = i + 1;
            return CC_SUCCESS;
        }
    }
    return CC_NO_SLOTS;
}

static unsigned run_command(XHCIState *s, const XHCITrb *t, unsigned *slot)
{
    unsigned type = xhci_trb_type(t);

    *slot = 0;
    if (type == TRB_ENABLE_SLOT) {
        return enable_slot(s, slot);
    }
    if (type == TRB_NOOP_CMD) {
        return CC_SUCCESS;
    }
    if (type < TRB_DISABLE_SLOT || type > TRB_RESET_DEV) {
        return CC_TRB;
    }
    *slot = t->control >> 24;
    if (*slot < 1 || *slot > SLOTS || !s->slot[*slot - 1].enabled) {
        return CC_SLOT;
    }
    switch (type) {
    case TRB_DISABLE_SLOT:
        xhci_slot_disable(&s->slot[*slot - 1]);
        return CC_SUCCESS;
    case TRB_ADDRESS:
        return cmd_address(s, *slot, t);
    case TRB_CONFIGURE:
        return cmd_configure(s, *slot, t);
    case TRB_EVALUATE:
        return cmd_evaluate(s, *slot, t);
    case TRB_RESET_DEV:
        return cmd_reset_device(s, *slot);
    default:
        return cmd_endpoint(s, *slot, t);
    }
}

void xhci_run_commands(XHCIState *s)
{
    if (s->in_command) {
        return;
    }
    s->in_command = true;
    s->command_running = true;
    for (unsigned n = 0; n < COMMANDS && s->cmd & CMD_RS && s->command_running;
         n++) {
        XHCITrb t;
        unsigned slot, code;

        if (!xhci_ring_fetch(s, &s->command, &t)) {
            break;
        }
        code = run_command(s, &t, &slot);
        xhci_event(s, 0, t.addr, code << 24,
              TRB_EV_COMMAND << 10 | (uint32_t)slot << 24);
    }
    s->in_command = false;
}
