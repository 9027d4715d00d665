/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enhanced Host Controller Interface (EHCI specification 1.0): high speed, with
 * companion controllers for the rest.  Registers and ports; ehci-sched.c has
 * the schedules.
 *
 * A port whose owner is its companion shows the device there, at full speed.
 * ehci_update_irq() alone moves the line.
 */
#include "osdep.h"
#include "ehci-int.h"
#include "util/log.h"

void ehci_update_irq(EHCIState *s)
{
    pci_set_irq(&s->pci, (s->sts & s->intr & STS_W1C) != 0);
}

void ehci_cause(EHCIState *s, uint32_t bits)
{
    s->sts |= bits;
    ehci_update_irq(s);
}

/* ---- ports --------------------------------------------------------------- */

static bool owned(const EHCIState *s, unsigned n)
{
    return !(s->portsc[n] & P_OWNER);
}

static void show_here(EHCIState *s, unsigned n)
{
    USBDevice *d = s->ports[n].dev;

    if (usb_device_speeds(d) & USB_SPEED_MASK(USB_SPEED_HIGH)) {
        d->speed = USB_SPEED_HIGH;
    }
    s->portsc[n] |= P_CCS | P_CSC;
    /* K state: a low-speed device for the companion; else J. */
    s->portsc[n] = (s->portsc[n] & ~P_LINE) |
                   (d->speed == USB_SPEED_LOW ? 0x400 : 0x800);
    ehci_cause(s, STS_PCD);
}

static void show_there(EHCIState *s, unsigned n)
{
    USBDevice *d = s->ports[n].dev;
    USBPort *c = s->companion[n];

    if (c && usb_device_speeds(d) & USB_SPEED_MASK(USB_SPEED_FULL)) {
        d->speed = USB_SPEED_FULL;
        c->dev = d;
        c->ops->attach(c);
    }
}

static void hide(EHCIState *s, unsigned n)
{
    USBPort *c = s->companion[n];

    if (!owned(s, n)) {
        if (c && c->dev) {
            c->ops->detach(c);
            c->dev = NULL;
        }
        return;
    }
    if (s->portsc[n] & P_CCS) {
        s->portsc[n] = (s->portsc[n] & ~(P_CCS | P_LINE | P_SUSP | P_RESUME)) |
                       P_CSC;
        if (s->portsc[n] & P_PED) {
            s->portsc[n] &= ~P_PED;
            s->portsc[n] |= P_PEDC;
        }
        ehci_cause(s, STS_PCD);
    }
}

static void ehci_attach(USBPort *port)
{
    EHCIState *s = port->opaque;

    if (owned(s, port->index)) {
        show_here(s, port->index);
    } else {
        show_there(s, port->index);
    }
}

static void ehci_detach(USBPort *port)
{
    EHCIState *s = port->opaque;

    hide(s, port->index);
    /* The next device is ours to look at again (4.2.2). */
    if (s->config & 1) {
        s->portsc[port->index] &= ~P_OWNER;
    }
}

static void ehci_cancel(USBPort *port, USBDevice *d)
{
    EHCIState *s = port->opaque;
    USBPort *c = s->companion[port->index];

    if (!owned(s, port->index) && c) {
        c->ops->cancel(c, d);
    } else {
        ehci_pending_cancel(s, d);
    }
}

static void ehci_wakeup(USBPort *port, USBDevice *d, uint8_t ep)
{
    EHCIState *s = port->opaque;
    unsigned n = port->index;
    USBPort *c = s->companion[n];

    if (!owned(s, n)) {
        if (c && c->dev) {
            c->ops->wakeup(c, d, ep);
        }
        return;
    }
    if (s->portsc[n] & P_SUSP && d->remote_wakeup) {
        s->portsc[n] |= P_RESUME;
        ehci_cause(s, STS_PCD);
    }
    if (ehci_schedules_on(s) && s->lazy > 1) {
        s->lazy = 1;
        ehci_arm(s);
    }
}

static void ehci_complete(USBPort *port, USBPacket *p)
{
    EHCIState *s = port->opaque;
    USBPort *c = s->companion[port->index];

    if (!owned(s, port->index) && c) {
        c->ops->complete(c, p);
        return;
    }
    container_of(p, EHCIAsync, packet)->done = true;
    bh_schedule(s->bh);
}

static const USBPortOps ehci_port_ops = {
    .attach = ehci_attach,
    .detach = ehci_detach,
    .cancel = ehci_cancel,
    .wakeup = ehci_wakeup,
    .complete = ehci_complete,
};

static void set_owner(EHCIState *s, unsigned n, bool companion)
{
    USBPort *p = &s->ports[n];
    bool there = p->dev && p->dev->attached;

    if (owned(s, n) != companion || (companion && !s->companion[n])) {
        return; /* as it is, or there is nobody to give it to */
    }
    if (there) {
        ehci_cancel(p, p->dev);
        hide(s, n);
        s->portsc[n] &= ~(P_CSC | P_PEDC); /* software knows */
        usb_device_bus_reset(p->dev);
    }
    s->portsc[n] = companion ? s->portsc[n] | P_OWNER
                             : s->portsc[n] & ~P_OWNER;
    if (there) {
        ehci_attach(p);
    }
}

static bool ehci_register_companion(USBBus *bus, USBPort *ports, unsigned n,
                                    unsigned first, Error **errp)
{
    EHCIState *s = container_of(bus, EHCIState, bus);

    for (unsigned i = 0; i < n; i++) {
        if (first + i >= PORTS || s->companion[first + i]) {
            error_setg(errp, "firstport must be between 0 and %u, and ports "
                             "not taken by another companion", PORTS - n);
            return false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned at = first + i;

        s->companion[at] = &ports[i];
        s->ports[at].speeds |= USB_SPEED_MASK(USB_SPEED_LOW) |
                               USB_SPEED_MASK(USB_SPEED_FULL);
        s->portsc[at] |= P_OWNER; /* until CONFIGFLAG is set */
    }
    return true;
}

static void ehci_unregister_companion(USBBus *bus, USBPort *ports, unsigned n)
{
    EHCIState *s = container_of(bus, EHCIState, bus);

    for (unsigned i = 0; i < PORTS; i++) {
        if (s->companion[i] >= ports && s->companion[i] < ports + n) {
            set_owner(s, i, false);
            s->companion[i] = NULL;
        }
    }
}

static void write_port(EHCIState *s, unsigned n, uint32_t v)
{
    uint32_t *p = &s->portsc[n];
    USBDevice *d = s->ports[n].dev;

    set_owner(s, n, v & P_OWNER);
    if (!owned(s, n)) {
        return;
    }
    *p &= ~(v & P_W1C);
    if (!(v & P_PED)) { /* software can switch off only */
        *p &= ~P_PED;
    }
    if (v & P_RESET && !(*p & P_RESET)) {
        *p = (*p | P_RESET) & ~(P_PED | P_SUSP);
        if (d) {
            ehci_pending_cancel(s, NULL);
            usb_port_reset(&s->ports[n]);
        }
    } else if (!(v & P_RESET) && *p & P_RESET) {
        *p &= ~P_RESET;
        /* Who chirped is of high speed, and enabled. */
        if (d && d->attached && d->speed == USB_SPEED_HIGH) {
            *p = (*p | P_PED) & ~P_LINE;
        }
    }
    if (v & P_SUSP && *p & P_PED) {
        *p |= P_SUSP;
    }
    if (v & P_RESUME && *p & P_SUSP) {
        *p |= P_RESUME;
    } else if (!(v & P_RESUME) && *p & P_RESUME) {
        *p &= ~(P_RESUME | P_SUSP);
    }
    *p = (*p & ~P_WAKE) | (v & P_WAKE) | P_POWER;
}

/* ---- registers ----------------------------------------------------------- */

static void ehci_chip_reset(EHCIState *s)
{
    timer_del(&s->timer);
    bh_cancel(s->bh);
    ehci_pending_cancel(s, NULL);
    s->cmd = 0x00080000; /* at most one interrupt in 8 microframes */
    s->sts = STS_HALTED;
    s->intr = s->frindex = s->segment = s->periodic = s->async_addr = 0;
    s->config = 0;
    s->lazy = 1;
    s->quick = 0;
    for (unsigned i = 0; i < PORTS; i++) {
        bool there = s->ports[i].dev && s->ports[i].dev->attached;

        if (there) {
            hide(s, i);
            usb_port_reset(&s->ports[i]);
        }
        s->portsc[i] = P_POWER | (s->companion[i] ? P_OWNER : 0);
        if (there) {
            ehci_attach(&s->ports[i]);
        }
    }
    ehci_update_irq(s);
}

static void write_cmd(EHCIState *s, uint32_t v)
{
    bool was_on = ehci_schedules_on(s);

    if (v & CMD_HCRESET) {
        ehci_chip_reset(s);
        return;
    }
    ehci_sync_frames(s);
    if (v & CMD_RS && !(s->cmd & CMD_RS)) {
        s->frame_at = clock_ns(CLOCK_VIRTUAL) + FRAME_NS;
        s->sts &= ~STS_HALTED;
    } else if (!(v & CMD_RS)) {
        s->sts |= STS_HALTED;
    }
    /* A doorbell that waits stays; ringing needs a schedule that runs. */
    s->cmd = (v & 0x00ff0033) | ((v | s->cmd) & CMD_IAAD);
    if (s->cmd & CMD_IAAD && !(s->cmd & CMD_ASE)) {
        s->cmd &= ~CMD_IAAD;
        s->sts |= STS_IAA;
    }
    ehci_follow_enables(s);
    if (!ehci_schedules_on(s)) {
        timer_del(&s->timer);
    } else if (!was_on || s->lazy > 1) {
        s->lazy = 1;
        ehci_arm(s);
    }
    ehci_update_irq(s);
}

static void ehci_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    EHCIState *s = opaque;
    unsigned reg = addr - CAP_LENGTH;

    if (addr < CAP_LENGTH) {
        return;
    }
    switch (reg) {
    case USBCMD:
        write_cmd(s, val);
        break;
    case USBSTS:
        s->sts &= ~(val & STS_W1C);
        ehci_update_irq(s);
        break;
    case USBINTR:
        s->intr = val & STS_W1C;
        ehci_update_irq(s);
        break;
    case FRINDEX:
        if (!(s->cmd & CMD_RS)) {
            s->frindex = val & 0x3ff8;
        }
        break;
    case PERIODICLISTBASE:
        s->periodic = val & 0xfffff000;
        break;
    case ASYNCLISTADDR:
        s->async_addr = val & LINK_PTR;
        break;
    case CONFIGFLAG:
        s->config = val & 1;
        for (unsigned i = 0; i < PORTS; i++) {
            set_owner(s, i, !s->config);
        }
        break;
    case PORTSC ... PORTSC + 4 * PORTS - 1:
        write_port(s, (reg - PORTSC) / 4, val);
        break;
    }
}

static uint64_t ehci_read(void *opaque, hwaddr addr, unsigned size)
{
    EHCIState *s = opaque;
    unsigned companions = 0;

    for (unsigned i = 0; i < PORTS; i++) {
        companions += s->companion[i] != NULL;
    }
    switch (addr) {
    case 0x00: /* CAPLENGTH, HCIVERSION */
        return 0x01000000 | CAP_LENGTH;
    case 0x04: /* HCSPARAMS: ports; ports a companion, companions */
        return PORTS | (companions ? 2u << 8 | companions / 2 << 12 : 0);
    case 0x08: /* HCCPARAMS: 32-bit addresses, 1024 frames */
        return 0;
    }
    if (addr < CAP_LENGTH) {
        return 0;
    }
    switch (addr - CAP_LENGTH) {
    case USBCMD:
        return s->cmd;
    case USBSTS:
        ehci_sync_frames(s);
        return s->sts;
    case USBINTR:
        return s->intr;
    case FRINDEX: {
        int64_t now = clock_ns(CLOCK_VIRTUAL), past;

        ehci_sync_frames(s);
        if (!(s->cmd & CMD_RS)) {
            return s->frindex;
        }
        past = now - (s->frame_at - FRAME_NS); /* of the frame that runs */
        return (s->frindex + past / (FRAME_NS / 8)) & 0x3fff;
    }
    case CTRLDSSEGMENT:
        return s->segment;
    case PERIODICLISTBASE:
        return s->periodic;
    case ASYNCLISTADDR:
        return s->async_addr;
    case CONFIGFLAG:
        return s->config;
    case PORTSC ... PORTSC + 4 * PORTS - 1:
        return s->portsc[(addr - CAP_LENGTH - PORTSC) / 4];
    }
    return 0;
}

static const MemoryRegionOps ehci_ops = {
    .read = ehci_read,
    .write = ehci_write,
    .impl = { .min = 4, .max = 4 },
};

/* ---- life ---------------------------------------------------------------- */

static void ehci_reset(DeviceState *dev)
{
    ehci_chip_reset((EHCIState *)dev);
}

static bool ehci_realize(DeviceState *dev, Error **errp)
{
    EHCIState *s = (EHCIState *)dev;

    s->pci.config[0x60] = 0x20; /* serial bus release number: USB 2.0 */
    s->pci.config[0x61] = 0x20; /* frame length: 60000 bit times */
    pci_set_interrupt_pin(&s->pci, 4);
    list_init(&s->pending);
    s->spare = g_new0(EHCIAsync, 1);
    s->lazy = 1;
    s->bh = bh_new(loop_main(), ehci_bh, s);
    timer_init_virtual(&s->timer, ehci_tick, s);
    s->vm_change = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                       .fn = ehci_vm_changed, .opaque = s };
    vm_change_add(&s->vm_change);
    usb_bus_init(&s->bus, dev, NULL);
    s->bus.register_companion = ehci_register_companion;
    s->bus.unregister_companion = ehci_unregister_companion;
    for (unsigned i = 0; i < PORTS; i++) {
        usb_register_port(&s->bus, &s->ports[i], NULL, i,
                          USB_SPEED_MASK(USB_SPEED_HIGH), &ehci_port_ops, s);
    }
    memory_region_init_io(&s->mmio, &dev->obj, &ehci_ops, s, "ehci",
                          MMIO_SIZE);
    pci_register_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    return true;
}

static void ehci_unrealize(DeviceState *dev)
{
    EHCIState *s = (EHCIState *)dev;

    vm_change_remove(&s->vm_change);
    timer_del(&s->timer);
    for (unsigned i = 0; i < PORTS; i++) {
        usb_unregister_port(&s->ports[i]);
    }
    ehci_pending_cancel(s, NULL);
    bh_delete(s->bh);
    g_free(s->spare);
    usb_bus_fini(&s->bus);
}

static void ehci_finalize(DeviceState *dev)
{
    memory_region_destroy(&((EHCIState *)dev)->mmio);
}

static bool ehci_post_load(void *opaque, int version, Error **errp)
{
    EHCIState *s = opaque;

    if (s->lazy < 1 || s->lazy > LAZY_FRAMES || s->frindex > 0x3fff) {
        error_setg(errp, "ehci: frame number or pace out of range");
        return false;
    }
    for (unsigned i = 0; i < PORTS; i++) {
        USBDevice *d = s->ports[i].dev;

        if (s->companion[i]) {
            s->companion[i]->dev = owned(s, i) ? NULL : d;
        }
        if (d && d->attached) {
            d->speed = owned(s, i) && usb_device_speeds(d) &
                                          USB_SPEED_MASK(USB_SPEED_HIGH)
                           ? USB_SPEED_HIGH : USB_SPEED_FULL;
        }
    }
    return true;
}

static void ehci_pre_save(void *opaque)
{
    ehci_pending_settle(opaque);
}

static const VMStateField ehci_fields[] = {
    VMSTATE_PCI_DEVICE(pci, EHCIState),
    VMSTATE_UINT32(cmd, EHCIState),
    VMSTATE_UINT32(sts, EHCIState),
    VMSTATE_UINT32(intr, EHCIState),
    VMSTATE_UINT32(frindex, EHCIState),
    VMSTATE_UINT32(periodic, EHCIState),
    VMSTATE_UINT32(async_addr, EHCIState),
    VMSTATE_UINT32(config, EHCIState),
    VMSTATE_UINT32_ARRAY(portsc, EHCIState, PORTS),
    VMSTATE_INT64(frame_at, EHCIState),
    VMSTATE_UINT32(lazy, EHCIState),
    VMSTATE_TIMER(timer, EHCIState),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_ehci = {
    .name = "ehci",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = ehci_pre_save,
    .post_load = ehci_post_load,
    .fields = ehci_fields,
};

#define EHCI_PCI(dev_id, rev) \
    { .vendor_id = PCI_VENDOR_INTEL, .device_id = (dev_id), \
      .revision = (rev), .class_id = 0x0c03, .prog_if = 0x20 }
static const PCIDeviceInfo ehci_models[] = {
    EHCI_PCI(0x24cd, 0x10), EHCI_PCI(0x293a, 3), EHCI_PCI(0x293c, 3),
};

#define EHCI_INFO(nm, ds, mod) \
    { .name = (nm), .desc = (ds), .bus = BUS_PCI, \
      .category = DEVICE_CATEGORY_USB, .size = sizeof(EHCIState), \
      .vmsd = &vmstate_ehci, .bus_info = &(mod), .fw_name = "usb", \
      .no_hotplug = true, .realize = ehci_realize, \
      .unrealize = ehci_unrealize, .reset = ehci_reset, \
      .finalize = ehci_finalize }

static const DeviceInfo ehci_infos[] = {
    EHCI_INFO("usb-ehci", "USB 2.0 controller", ehci_models[0]),
    EHCI_INFO("ich9-usb-ehci1", "ICH9 USB 2.0 controller", ehci_models[1]),
    EHCI_INFO("ich9-usb-ehci2", "ICH9 USB 2.0 controller", ehci_models[2]),
};

static void ehci_register(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ehci_infos); i++) {
        device_register(&ehci_infos[i]);
    }
}
device_init(ehci_register)
