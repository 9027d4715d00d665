/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extensible Host Controller Interface (xHCI specification 1.1), without
 * streams: registers, realize, state.  Nothing here polls; see xhci-xfer.c.
 *
 * xhci_update_irq() alone moves the INTx line.
 */
#include "osdep.h"
#include "xhci-int.h"

/* ---- registers ----------------------------------------------------------- */

static void xhci_chip_reset(XHCIState *s)
{
    bh_cancel(s->bh);
    s->cmd = 0;
    s->sts = STS_HCH;
    s->dnctrl = s->config = 0;
    s->dcbaap = 0;
    memset(&s->command, 0, sizeof(s->command));
    s->command_running = false;
    for (unsigned i = 0; i < SLOTS; i++) {
        xhci_slot_disable(&s->slot[i]);
    }
    memset(s->intr, 0, sizeof(s->intr));
    for (unsigned i = 0; i < INTRS; i++) {
        s->intr[i].cycle = true;
    }
    for (unsigned i = 0; i < s->p2 + s->p3; i++) {
        s->portsc[i] = P_PP;
        xhci_set_pls(s, i, PLS_RXDETECT);
    }
    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        if (s->ports[i].dev && s->ports[i].dev->attached) {
            usb_port_reset(&s->ports[i]);
            xhci_attach(&s->ports[i]);
        }
    }
    s->mfindex_base = clock_ns(CLOCK_VIRTUAL);
    xhci_update_irq(s);
}

static uint32_t cap_read(const XHCIState *s, unsigned addr)
{
    switch (addr) {
    case 0x00:
        return 0x01000000 | OP;
    case 0x04:
        return SLOTS | INTRS << 8 | (s->p2 + s->p3) << 24;
    case 0x08: /* HCSPARAMS2: 16 event ring segments */
        return 0x0000004f;
    case 0x10: /* HCCPARAMS1: 64 bits; capabilities at 0x20 */
        return 0x00080001;
    case 0x14:
        return DOORBELLS;
    case 0x18:
        return RUNTIME;
    case 0x20: /* supported protocol: USB 2 */
        return 0x02000002 | (s->p3 ? 0x400 : 0);
    case 0x24:
    case 0x34:
        return 0x20425355; /* "USB " */
    case 0x28:
        return s->p2 ? 1 | s->p2 << 8 : 0;
    case 0x30: /* supported protocol: USB 3 */
        return s->p3 ? 0x03000002 : 0;
    case 0x38:
        return s->p3 ? (s->p2 + 1) | s->p3 << 8 : 0;
    }
    return 0;
}

static void write_cmd(XHCIState *s, uint32_t v)
{
    if (v & CMD_HCRST) {
        xhci_chip_reset(s);
        return;
    }
    if (v & CMD_RS && !(s->cmd & CMD_RS)) {
        s->sts &= ~STS_HCH;
    } else if (!(v & CMD_RS)) {
        s->sts |= STS_HCH;
        s->command_running = false;
    }
    s->sts &= ~STS_SRE;
    if (v & CMD_CRS) { /* nothing was saved */
        s->sts |= STS_SRE;
    }
    s->cmd = v & 0xc0d;
    xhci_update_irq(s);
}

static void write_crcr(XHCIState *s, uint32_t v)
{
    if (v & (CRCR_CS | CRCR_CA) && s->command_running) {
        s->command_running = false;
        xhci_event(s, 0, s->command.dequeue, CC_RING_STOPPED << 24,
              TRB_EV_COMMAND << 10);
        return;
    }
    if (!s->command_running) {
        s->command.dequeue = (s->command.dequeue & ~UINT64_C(0xffffffff)) |
                             (v & ~0x3fu);
        s->command.cycle = v & CRCR_RCS;
    }
}

static void set_half(uint64_t *r, bool high, uint32_t v)
{
    *r = high ? (*r & UINT32_MAX) | (uint64_t)v << 32
              : (*r & ~(uint64_t)UINT32_MAX) | v;
}

static void op_write(XHCIState *s, unsigned addr, uint32_t v)
{
    switch (addr) {
    case 0x00:
        write_cmd(s, v);
        break;
    case 0x04:
        s->sts &= ~(v & STS_W1C);
        break;
    case 0x14:
        s->dnctrl = v & 0xffff;
        break;
    case 0x18:
        write_crcr(s, v);
        break;
    case 0x1c:
        if (!s->command_running) {
            set_half(&s->command.dequeue, true, v);
        }
        break;
    case 0x30:
        set_half(&s->dcbaap, false, v & ~0x3fu);
        break;
    case 0x34:
        set_half(&s->dcbaap, true, v);
        break;
    case 0x38:
        s->config = v & 0xff;
        break;
    }
}

static uint32_t op_read(const XHCIState *s, unsigned addr)
{
    switch (addr) {
    case 0x00:
        return s->cmd;
    case 0x04:
        return s->sts;
    case 0x08:
        return 1; /* 4 KiB pages */
    case 0x14:
        return s->dnctrl;
    case 0x18:
        return s->command_running ? CRCR_CRR : 0;
    case 0x30:
        return s->dcbaap;
    case 0x34:
        return s->dcbaap >> 32;
    case 0x38:
        return s->config;
    }
    return 0;
}

static void intr_write(XHCIState *s, unsigned n, unsigned reg, uint32_t v)
{
    XHCIIntr *r = &s->intr[n];

    switch (reg) {
    case 0x00:
        r->iman = (r->iman & IMAN_IP & ~v) | (v & IMAN_IE);
        xhci_update_irq(s);
        break;
    case 0x04:
        r->imod = v;
        break;
    case 0x08:
        r->erstsz = MIN(v & 0xffff, 16);
        break;
    case 0x10:
        set_half(&r->erstba, false, v & ~0x3fu);
        break;
    case 0x14: /* the table is known now */
        set_half(&r->erstba, true, v);
        r->seg = r->pos = 0;
        r->cycle = true;
        break;
    case 0x18:
        set_half(&r->erdp, false,
                 (v & ~(uint32_t)ERDP_EHB) |
                     (r->erdp & ERDP_EHB & ~(uint64_t)v));
        if (v & ERDP_EHB && xhci_events_wait(s, r)) {
            xhci_intr_raise(s, n);
        }
        break;
    case 0x1c:
        set_half(&r->erdp, true, v);
        break;
    }
}

static uint32_t intr_read(const XHCIState *s, unsigned n, unsigned reg)
{
    const XHCIIntr *r = &s->intr[n];

    switch (reg) {
    case 0x00: return r->iman;
    case 0x04: return r->imod;
    case 0x08: return r->erstsz;
    case 0x10: return r->erstba;
    case 0x14: return r->erstba >> 32;
    case 0x18: return r->erdp;
    case 0x1c: return r->erdp >> 32;
    }
    return 0;
}

static void xhci_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    XHCIState *s = opaque;
    unsigned slot, ep;

    if (addr >= OP && addr < PORT_REGS) {
        op_write(s, addr - OP, val);
    } else if (addr >= PORT_REGS && addr < PORT_REGS + 16 * (s->p2 + s->p3)) {
        if (!(addr & 0xf)) {
            xhci_port_write(s, (addr - PORT_REGS) / 16, val);
        }
    } else if (addr >= RUNTIME + 0x20 && addr < RUNTIME + 0x20 + 32 * INTRS) {
        intr_write(s, (addr - RUNTIME - 0x20) / 32, addr & 0x1c, val);
    } else if (addr >= DOORBELLS && addr <= DOORBELLS + 4 * SLOTS) {
        slot = (addr - DOORBELLS) / 4;
        ep = val & 0xff;
        if (!(s->cmd & CMD_RS)) {
            return;
        }
        if (slot == 0) {
            if (ep == 0) {
                xhci_run_commands(s);
            }
        } else if (ep >= 1 && ep <= EPS) {
            XHCIEp *e = &s->slot[slot - 1].ep[ep - 1];

            if (e->state == EP_STOPPED) {
                e->state = EP_RUNNING;
                xhci_ep_store(s, slot, ep);
            }
            xhci_ep_run(s, slot, ep);
        }
    }
}

static uint64_t xhci_read(void *opaque, hwaddr addr, unsigned size)
{
    XHCIState *s = opaque;

    if (addr < OP) {
        return cap_read(s, addr);
    }
    if (addr < PORT_REGS) {
        return op_read(s, addr - OP);
    }
    if (addr < PORT_REGS + 16 * (s->p2 + s->p3)) {
        return addr & 0xf ? 0 : s->portsc[(addr - PORT_REGS) / 16];
    }
    if (addr == RUNTIME) { /* 125 us */
        return (clock_ns(CLOCK_VIRTUAL) - s->mfindex_base) / 125000 & 0x3fff;
    }
    if (addr >= RUNTIME + 0x20 && addr < RUNTIME + 0x20 + 32 * INTRS) {
        return intr_read(s, (addr - RUNTIME - 0x20) / 32, addr & 0x1c);
    }
    return 0;
}

static const MemoryRegionOps xhci_ops = {
    .read = xhci_read,
    .write = xhci_write,
    .access = { .min = 1, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static void xhci_reset(DeviceState *dev)
{
    xhci_chip_reset((XHCIState *)dev);
}

static void xhci_vm_changed(void *opaque, bool running, RunState state)
{
    if (running) { /* answers that came while it was stopped */
        bh_schedule(((XHCIState *)opaque)->bh);
    }
}

static bool xhci_realize(DeviceState *dev, Error **errp)
{
    XHCIState *s = (XHCIState *)dev;

    if (s->p2 > MAX_PORTS || s->p3 > MAX_PORTS || !(s->p2 + s->p3)) {
        error_setg(errp, "p2=%u,p3=%u: each is 0 to %d, and there is at least "
                         "one port", s->p2, s->p3, MAX_PORTS);
        return false;
    }
    s->pci.config[0x60] = 0x30; /* serial bus release number: USB 3.0 */
    s->pci.config[PCI_CACHE_LINE_SIZE] = 0x10;
    pci_set_interrupt_pin(&s->pci, 1);
    memory_region_init(&s->bar, &dev->obj, "xhci", BAR_SIZE);
    memory_region_init_io(&s->regs, &dev->obj, &xhci_ops, s, "xhci-regs",
                          MSIX_TABLE);
    memory_region_add_subregion(&s->bar, 0, &s->regs);
    if (!msix_init(&s->pci, INTRS, &s->bar, 0, MSIX_TABLE, &s->bar, 0,
                   MSIX_PBA, 0x90, errp)) {
        return false;
    }
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM64, &s->bar);
    s->bh = bh_new(loop_main(), xhci_bh, s);
    s->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                       .fn = xhci_vm_changed, .opaque = s };
    vm_change_add(&s->vm_change);
    usb_bus_init(&s->bus, dev, NULL);
    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        usb_register_port(&s->bus, &s->ports[i], NULL, i,
                          (i < s->p2 ? USB_SPEED_MASK(USB_SPEED_LOW) |
                                           USB_SPEED_MASK(USB_SPEED_FULL) |
                                           USB_SPEED_MASK(USB_SPEED_HIGH)
                                     : 0) |
                              (i < s->p3 ? USB_SPEED_MASK(USB_SPEED_SUPER)
                                         : 0),
                          &xhci_port_ops, s);
    }
    return true;
}

static void xhci_unrealize(DeviceState *dev)
{
    XHCIState *s = (XHCIState *)dev;

    vm_change_remove(&s->vm_change);
    for (unsigned i = 0; i < MAX(s->p2, s->p3); i++) {
        usb_unregister_port(&s->ports[i]);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        xhci_slot_disable(&s->slot[i]);
    }
    bh_delete(s->bh);
    msix_uninit(&s->pci);
    usb_bus_fini(&s->bus);
}

static void xhci_finalize(DeviceState *dev)
{
    XHCIState *s = (XHCIState *)dev;

    memory_region_destroy(&s->regs);
    memory_region_destroy(&s->bar);
}

static void xhci_pre_save(void *opaque)
{
    xhci_settle(opaque);
}

static bool xhci_post_load(void *opaque, int version, Error **errp)
{
    XHCIState *s = opaque;

    for (unsigned i = 0; i < INTRS; i++) {
        if (s->intr[i].erstsz > 16 ||
            s->intr[i].seg >= MAX(s->intr[i].erstsz, 1)) {
            error_setg(errp, "xhci: event ring segment out of range");
            return false;
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        for (unsigned k = 0; k < EPS; k++) {
            if (s->slot[i].ep[k].state > EP_ERROR) {
                error_setg(errp, "xhci: endpoint state out of range");
                return false;
            }
            /* Transfers that were with a device start anew. */
            s->slot[i].ep[k].again = s->slot[i].enabled &&
                                     s->slot[i].ep[k].state == EP_RUNNING;
        }
    }
    bh_schedule(s->bh);
    return true;
}

static const VMStateField ring_fields[] = {
    VMSTATE_UINT64(dequeue, XHCIRing), VMSTATE_BOOL(cycle, XHCIRing),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_ring = {
    .name = "xhci/ring", .version_id = 1, .minimum_version_id = 1,
    .fields = ring_fields,
};
static const VMStateField ep_fields[] = {
    VMSTATE_STRUCT(ring, XHCIEp, XHCIRing, vmstate_ring),
    VMSTATE_UINT32(state, XHCIEp), VMSTATE_UINT32(type, XHCIEp),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_ep = {
    .name = "xhci/endpoint", .version_id = 1, .minimum_version_id = 1,
    .fields = ep_fields,
};
static const VMStateField slot_fields[] = {
    VMSTATE_BOOL(enabled, XHCISlot), VMSTATE_UINT32(state, XHCISlot),
    VMSTATE_UINT32(route, XHCISlot), VMSTATE_UINT32(root, XHCISlot),
    VMSTATE_UINT32(intr, XHCISlot), VMSTATE_UINT64(ctx, XHCISlot),
    VMSTATE_STRUCT_ARRAY(ep, XHCISlot, XHCIEp, EPS, vmstate_ep),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_slot = {
    .name = "xhci/slot", .version_id = 1, .minimum_version_id = 1,
    .fields = slot_fields,
};
static const VMStateField intr_fields[] = {
    VMSTATE_UINT32(iman, XHCIIntr), VMSTATE_UINT32(imod, XHCIIntr),
    VMSTATE_UINT32(erstsz, XHCIIntr), VMSTATE_UINT64(erstba, XHCIIntr),
    VMSTATE_UINT64(erdp, XHCIIntr), VMSTATE_UINT32(seg, XHCIIntr),
    VMSTATE_UINT32(pos, XHCIIntr), VMSTATE_BOOL(cycle, XHCIIntr),
    VMSTATE_END(),
};
static const VMStateDescription vmstate_intr = {
    .name = "xhci/interrupter", .version_id = 1, .minimum_version_id = 1,
    .fields = intr_fields,
};

static const VMStateField xhci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, XHCIState),
    VMSTATE_UINT32(cmd, XHCIState),
    VMSTATE_UINT32(sts, XHCIState),
    VMSTATE_UINT32(dnctrl, XHCIState),
    VMSTATE_UINT32(config, XHCIState),
    VMSTATE_UINT64(dcbaap, XHCIState),
    VMSTATE_STRUCT(command, XHCIState, XHCIRing, vmstate_ring),
    VMSTATE_BOOL(command_running, XHCIState),
    VMSTATE_UINT32_ARRAY(portsc, XHCIState, 2 * MAX_PORTS),
    VMSTATE_STRUCT_ARRAY(intr, XHCIState, XHCIIntr, INTRS, vmstate_intr),
    VMSTATE_STRUCT_ARRAY(slot, XHCIState, XHCISlot, SLOTS, vmstate_slot),
    VMSTATE_INT64(mfindex_base, XHCIState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_xhci = {
    .name = "xhci",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = xhci_pre_save,
    .post_load = xhci_post_load,
    .fields = xhci_fields,
};

static const Property xhci_props[] = {
    PROP_UINT32("p2", XHCIState, p2, 4),
    PROP_UINT32("p3", XHCIState, p3, 4),
    PROP_END(),
};

#define XHCI_PCI(vendor, dev_id, rev) \
    { .vendor_id = (vendor), .device_id = (dev_id), .revision = (rev), \
      .class_id = 0x0c03, .prog_if = 0x30 }
static const PCIDeviceInfo xhci_models[] = {
    XHCI_PCI(PCI_VENDOR_REDHAT, 0x000d, 1), XHCI_PCI(0x1033, 0x0194, 3),
};

#define XHCI_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_USB, .size = sizeof(XHCIState), \
      .props = xhci_props, .vmsd = &vmstate_xhci, .bus_info = &(mod), \
      .no_hotplug = true, .fw_name = "usb", .realize = xhci_realize, \
      .unrealize = xhci_unrealize, .reset = xhci_reset, \
      .finalize = xhci_finalize }

static const DeviceInfo xhci_infos[] = {
    XHCI_INFO("qemu-xhci", "USB 3.0 controller", xhci_models[0]),
    XHCI_INFO("nec-usb-xhci", "NEC uPD720200 USB 3.0 controller",
              xhci_models[1]),
};

static void xhci_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(xhci_infos); i++) {
        device_register(&xhci_infos[i]);
    }
}
device_init(xhci_register)
