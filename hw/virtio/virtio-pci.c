/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI: virtio 1.1, section 4.1, with the legacy interface.
 *
 *   BAR 0  ports: legacy registers, 4.1.4.8
 *   BAR 1  MSI-X
 *   BAR 2  ports: notification, with modern-pio-notify=on
 *   BAR 4  memory: the modern structures, in four parts found by capabilities
 *
 * One instance is two devices: this one on the PCI bus, and on the virtio bus
 * that it has, its child "virtio-backend" that knows nothing of PCI.  For
 * each VirtIOInfo the PCI types are made here; their properties are this
 * file's and the child's, to which they are passed on.
 *
 * The BQL, but for kicks: see virtio_queue_kick().
 */
#include "osdep.h"
#include "util/log.h"
#include "virtio-pci-int.h"

/* Legacy registers. */
enum {
    LEG_DEVICE_FEATURES = 0, LEG_DRIVER_FEATURES = 4, LEG_QUEUE_PFN = 8,
    LEG_QUEUE_SIZE = 12, LEG_QUEUE_SEL = 14, /* LEG_QUEUE_NOTIFY */
    LEG_STATUS = 18, LEG_ISR = 19, LEG_CONFIG_VECTOR = 20,
    LEG_QUEUE_VECTOR = 22,
};
/* Common configuration, 4.1.4.3. */
enum {
    COM_DFSELECT = 0, COM_DF = 4, COM_GFSELECT = 8, COM_GF = 12,
    COM_MSIX = 16, COM_NUMQ = 18, COM_STATUS = 20, COM_GENERATION = 21,
    COM_Q_SELECT = 22, COM_Q_SIZE = 24, COM_Q_MSIX = 26, COM_Q_ENABLE = 28,
    COM_Q_NOFF = 30, COM_Q_ADDR = 32, COM_Q_NDATA = 56, COM_Q_RESET = 58,
    COM_LEN = 60,
};
/* What capabilities call the parts of BAR 4. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
enum { VCAP_LEN = 2, VCAP_TYPE = 3, VCAP_BAR = 4, VCAP_OFFSET = 8,
       VCAP_LENGTH = 12, VCAP_MULT = 16, VCAP_DATA = 16 };
#define PART_SIZE 0x1000
enum { BAR_LEGACY = 0, BAR_MSIX = 1, BAR_PIO = 2, BAR_MODERN = 4 };

enum { VARIANT_GENERIC, VARIANT_TRANSITIONAL, VARIANT_MODERN, VARIANTS };

/* DeviceInfo.bus_info of the PCI types. */
typedef struct VirtIOPCIType {
    PCIDeviceInfo pci;
    const DeviceInfo *child;
    unsigned variant;
    PropertyInfo *forward; /* one for each of the child's properties */
} VirtIOPCIType;

static const VirtIOPCIType *type_of(const VirtIOPCI *s)
{
    return s->pci.qdev.info->bus_info;
}

static const VirtIOInfo *vinfo_of(const VirtIOPCI *s)
{
    return type_of(s)->child->bus_info;
}

/* ---- interrupts ------------------------------------------------------------ */

void virtio_pci_notify(void *opaque, uint16_t vector)
{
    VirtIOPCI *s = opaque;

    if (msix_enabled(&s->pci)) {
        if (vector != VIRTIO_NO_VECTOR) {
            msix_notify(&s->pci, vector);
        }
    } else {
        pci_set_irq(&s->pci, atomic_load(&s->vdev->isr) & 1);
    }
}

static void vp_started(void *opaque, bool on)
{
    if (on) {
        virtio_pci_fds_start(opaque);
    } else {
        virtio_pci_fds_stop(opaque);
    }
}

static uint8_t read_isr(VirtIOPCI *s)
{
    uint8_t v = atomic_exchange(&s->vdev->isr, 0);

    pci_set_irq(&s->pci, 0);
    return v;
}

/* A vector that is not there reads back as none, 4.1.5.1.2. */
static uint16_t valid_vector(VirtIOPCI *s, uint16_t v)
{
    return v < s->pci.msix_entries ? v : VIRTIO_NO_VECTOR;
}

static VirtQueue *selected(VirtIOPCI *s)
{
    return s->queue_sel < s->vdev->num_queues
               ? virtio_queue(s->vdev, s->queue_sel) : NULL;
}

static void kick(VirtIOPCI *s, unsigned n)
{
    virtio_queue_kick(s->vdev, n, s->ioeventfd);
}

static void update_dma(VirtIOPCI *s)
{
    if (s->vdev) {
        virtio_set_dma_off(s->vdev, !(pci_get_word(s->pci.config +
                                                   PCI_COMMAND) &
                                      PCI_COMMAND_MASTER));
    }
}

static void set_status(VirtIOPCI *s, uint8_t v, bool legacy)
{
    VirtIODevice *vdev = s->vdev;

    if (!legacy && (v & ~vdev->status & VIRTIO_S_FEATURES_OK) &&
        !virtio_set_features(vdev, s->driver_features, false)) {
        v &= ~VIRTIO_S_FEATURES_OK;
    }
    if (v == 0) {
        s->driver_features = 0;
    }
    virtio_set_status(vdev, v, legacy);
}

/* ---- legacy ---------------------------------------------------------------- */

static unsigned legacy_config_start(const VirtIOPCI *s)
{
    return msix_enabled(&s->pci) ? 24 : 20;
}

static uint32_t legacy_reg_read(VirtIOPCI *s, hwaddr addr)
{
    VirtIODevice *vdev = s->vdev;
    VirtQueue *vq = selected(s);

    switch (addr) {
    case LEG_DEVICE_FEATURES:
        return virtio_offered_features(vdev, true);
    case LEG_DRIVER_FEATURES:
        return vdev->guest_features;
    case LEG_QUEUE_PFN:
        return vq ? vq->addr[RING_DESC] >> 12 : 0;
    case LEG_QUEUE_SIZE:
        return vq ? vq->max : 0;
    case LEG_QUEUE_SEL:
        return s->queue_sel;
    case LEG_STATUS:
        return vdev->status;
    case LEG_ISR:
        return read_isr(s);
    case LEG_CONFIG_VECTOR:
        return vdev->config_vector;
    case LEG_QUEUE_VECTOR:
        return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default:
        return UINT32_MAX;
    }
}

static void legacy_status(VirtIOPCI *s, uint8_t v)
{
    uint16_t cmd = pci_get_word(s->pci.config + PCI_COMMAND);

    /* Linux before 2.6.34 lets the device master the bus without saying so. */
    if (v == (VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER) &&
        !(cmd & PCI_COMMAND_MASTER)) {
        pci_default_write_config(&s->pci, PCI_COMMAND,
                                 cmd | PCI_COMMAND_MASTER, 2);
        update_dma(s);
    }
    set_status(s, v, true);
}

static void legacy_reg_write(VirtIOPCI *s, hwaddr addr, uint32_t v)
{
    VirtIODevice *vdev = s->vdev;
    VirtQueue *vq = selected(s);

    switch (addr) {
    case LEG_DRIVER_FEATURES:
        /* A driver without the bit may have taken all bits by mistake. */
        if (v & BIT(VIRTIO_F_BAD_FEATURE)) {
            v = 0;
        }
        virtio_set_features(vdev, v, true);
        break;
    case LEG_QUEUE_PFN:
        if (v == 0) {
            virtio_reset(vdev);
        } else if (vq) {
            virtqueue_set_legacy(vq, (uint64_t)v << 12);
        }
        break;
    case LEG_QUEUE_SEL:
        s->queue_sel = v;
        break;
    case LEG_QUEUE_NOTIFY:
        kick(s, v & 0xffff);
        break;
    case LEG_STATUS:
        legacy_status(s, v);
        break;
    case LEG_CONFIG_VECTOR:
        vdev->config_vector = valid_vector(s, v);
        break;
    case LEG_QUEUE_VECTOR:
        if (vq) {
            vq->vector = valid_vector(s, v);
        }
        break;
    default:
        log_guest_error("%s: write of 0x%x to legacy register %u\n",
                        s->pci.qdev.info->name, v, (unsigned)addr);
    }
}

/* What register has its first byte there, how wide; 0: none. */
static unsigned legacy_width(hwaddr addr)
{
    switch (addr) {
    case LEG_DEVICE_FEATURES: case LEG_DRIVER_FEATURES: case LEG_QUEUE_PFN:
        return 4;
    case LEG_QUEUE_SIZE: case LEG_QUEUE_SEL: case LEG_QUEUE_NOTIFY:
    case LEG_CONFIG_VECTOR: case LEG_QUEUE_VECTOR:
        return 2;
    case LEG_STATUS: case LEG_ISR:
        return 1;
    }
    return 0;
}

static uint64_t legacy_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtIOPCI *s = opaque;
    unsigned start = legacy_config_start(s), width;
    hwaddr base = addr;

    if (!s->vdev) {
        return UINT64_MAX;
    }
    if (addr >= start) {
        return virtio_config_read(s->vdev, addr - start, size);
    }
    while (!(width = legacy_width(base)) && base) {
        base--;
    }
    return addr - base < width ? legacy_reg_read(s, base) >> 8 * (addr - base)
                               : UINT64_MAX;
}

static void legacy_write(void *opaque, hwaddr addr, uint64_t val,
                         unsigned size)
{
    VirtIOPCI *s = opaque;
    unsigned start = legacy_config_start(s);

    if (!s->vdev) {
        return;
    }
    if (addr >= start) {
        virtio_config_write(s->vdev, addr - start, val, size);
    } else {
        legacy_reg_write(s, addr, val);
    }
}

static const MemoryRegionOps legacy_ops = {
    .read = legacy_read,
    .write = legacy_write,
    .access = { .min = 1, .max = 4, .unaligned = true },
    .impl = { .min = 1, .max = 4, .unaligned = true },
};

/* ---- modern: common -------------------------------------------------------- */

static uint32_t common_reg_read(VirtIOPCI *s, hwaddr addr)
{
    VirtIODevice *vdev = s->vdev;
    VirtQueue *vq = selected(s);

    switch (addr) {
    case COM_DFSELECT:
        return s->dfselect;
    case COM_DF:
        return s->dfselect < 2 ? virtio_offered_features(vdev, false) >>
                                     32 * s->dfselect : 0;
    case COM_GFSELECT:
        return s->gfselect;
    case COM_GF:
        return s->gfselect < 2 ? s->driver_features >> 32 * s->gfselect : 0;
    case COM_MSIX:
        return vdev->config_vector;
    case COM_NUMQ:
        return vdev->num_queues;
    case COM_STATUS:
        return vdev->status;
    case COM_GENERATION:
        return vdev->generation & 0xff;
    case COM_Q_SELECT:
        return s->queue_sel;
    case COM_Q_SIZE:
        return vq ? vq->num : 0;
    case COM_Q_MSIX:
        return vq ? vq->vector : VIRTIO_NO_VECTOR;
    case COM_Q_ENABLE:
        return vq ? vq->enabled : 0;
    case COM_Q_NOFF:
        return vq ? vq->index : 0;
    case COM_Q_NDATA:
        return 0;
    case COM_Q_RESET: /* 1 until it is over */
        return vq ? vq->resetting : 0;
    }
    if (addr >= COM_Q_ADDR && addr < COM_Q_NDATA && vq && !(addr & 3)) {
        return vq->addr[(addr - COM_Q_ADDR) / 8] >> (addr & 4 ? 32 : 0);
    }
    return 0;
}

static void queue_size(VirtIOPCI *s, VirtQueue *vq, uint32_t v)
{
    bool packed = s->driver_features >> VIRTIO_F_RING_PACKED & 1;

    if (vq->enabled || v == 0 || v > vq->max || (!packed && (v & (v - 1)))) {
        log_guest_error("%s: queue %u: size %u\n", s->pci.qdev.info->name,
                        vq->index, v);
    } else {
        vq->num = v;
    }
}

static void queue_enable(VirtIOPCI *s, VirtQueue *vq, uint32_t v)
{
    /* 4.1.4.3.2: only 1 may be written. */
    if (v == 1 && !vq->enabled && !s->vdev->resetting) {
        atomic_store(&vq->stale, true);
        vq->enabled = true;
    } else {
        log_guest_error("%s: queue %u: %u to queue_enable\n",
                        s->pci.qdev.info->name, vq->index, v);
    }
}

static void queue_addr(VirtIOPCI *s, VirtQueue *vq, hwaddr addr, uint32_t v)
{
    uint64_t *p = &vq->addr[(addr - COM_Q_ADDR) / 8];

    if (vq->enabled) {
        log_guest_error("%s: queue %u: address of a ring in use\n",
                        s->pci.qdev.info->name, vq->index);
    } else if (addr & 4) {
        *p = (*p & UINT32_MAX) | (uint64_t)v << 32;
    } else {
        *p = (*p & ~(uint64_t)UINT32_MAX) | v;
    }
}

static void common_reg_write(VirtIOPCI *s, hwaddr addr, uint32_t v)
{
    VirtIODevice *vdev = s->vdev;
    VirtQueue *vq = selected(s);

    switch (addr) {
    case COM_DFSELECT:
        s->dfselect = v;
        return;
    case COM_GFSELECT:
        s->gfselect = v;
        return;
    case COM_GF:
        if (s->gfselect < 2 && !(vdev->status & VIRTIO_S_FEATURES_OK)) {
            unsigned shift = 32 * s->gfselect;

            s->driver_features &= ~((uint64_t)UINT32_MAX << shift);
            s->driver_features |= (uint64_t)v << shift;
        }
        return;
    case COM_MSIX:
        vdev->config_vector = valid_vector(s, v);
        return;
    case COM_STATUS:
        set_status(s, v, false);
        return;
    case COM_Q_SELECT:
        s->queue_sel = v;
        return;
    case COM_Q_SIZE:
        if (vq) {
            queue_size(s, vq, v & 0xffff);
        }
        return;
    case COM_Q_MSIX:
        if (vq) {
            vq->vector = valid_vector(s, v);
        }
        return;
    case COM_Q_ENABLE:
        if (vq) {
            queue_enable(s, vq, v & 0xffff);
        }
        return;
    case COM_Q_RESET:
        if (vq && v == 1 && virtio_has(vdev, VIRTIO_F_RING_RESET)) {
            virtio_queue_reset(vq);
        }
        return;
    }
    if (addr >= COM_Q_ADDR && addr < COM_Q_NDATA && !(addr & 3)) {
        if (vq) {
            queue_addr(s, vq, addr, v);
        }
        return;
    }
    log_guest_error("%s: write of 0x%x to common register 0x%x\n",
                    s->pci.qdev.info->name, v, (unsigned)addr);
}

static uint64_t part_read(VirtIOPCI *s, unsigned part, hwaddr addr,
                          unsigned size)
{
    if (!s->vdev) {
        return UINT64_MAX;
    }
    switch (part) {
    case PART_COMMON:
        return addr < COM_LEN ? common_reg_read(s, addr) : 0;
    case PART_ISR:
        return addr == 0 ? read_isr(s) : 0;
    case PART_DEVICE:
        return virtio_config_read(s->vdev, addr, size);
    default:
        return 0;
    }
}

static void part_write(VirtIOPCI *s, unsigned part, hwaddr addr, uint64_t v,
                       unsigned size)
{
    if (!s->vdev) {
        return;
    }
    switch (part) {
    case PART_COMMON:
        common_reg_write(s, addr, v);
        break;
    case PART_DEVICE:
        virtio_config_write(s->vdev, addr, v, size);
        break;
    case PART_NOTIFY:
        kick(s, addr / s->notify_mult);
        break;
    }
}

#define PART_FNS(name, nr) \
    static uint64_t name##_read(void *opaque, hwaddr addr, unsigned size) \
    { \
        return part_read(opaque, nr, addr, size); \
    } \
    static void name##_write(void *opaque, hwaddr addr, uint64_t v, \
                             unsigned size) \
    { \
        part_write(opaque, nr, addr, v, size); \
    }
PART_FNS(common, PART_COMMON)
PART_FNS(isr, PART_ISR)
PART_FNS(device, PART_DEVICE)
PART_FNS(notify, PART_NOTIFY)

static const MemoryRegionOps part_ops[PARTS] = {
    [PART_COMMON] = { .read = common_read, .write = common_write,
                      .impl = { .min = 1, .max = 4 } },
    [PART_ISR] = { .read = isr_read, .write = isr_write,
                   .impl = { .min = 1, .max = 4 } },
    [PART_DEVICE] = { .read = device_read, .write = device_write,
                      .impl = { .min = 1, .max = 4 } },
    [PART_NOTIFY] = { .read = notify_read, .write = notify_write,
                      .impl = { .min = 1, .max = 4 } },
};

static void pio_notify_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    VirtIOPCI *s = opaque;

    if (s->vdev) {
        kick(s, val & 0xffff);
    }
}

static uint64_t pio_notify_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static const MemoryRegionOps pio_ops = {
    .read = pio_notify_read,
    .write = pio_notify_write,
    .impl = { .min = 1, .max = 4 },
};

/* ---- configuration space ------------------------------------------------------ */

/* The window of 4.1.4.7: the part and the offset in it; -1: outside. */
static int window(const VirtIOPCI *s, hwaddr *addr, unsigned *size)
{
    const uint8_t *cap = s->pci.config + s->cfg_cap;
    uint32_t off = pci_get_long(cap + VCAP_OFFSET);
    uint32_t len = pci_get_long(cap + VCAP_LENGTH);
    unsigned part = MIN(off / PART_SIZE, PART_NOTIFY);

    *addr = off - part * PART_SIZE;
    *size = len;
    if (!s->cfg_cap || cap[VCAP_BAR] != BAR_MODERN ||
        (len != 1 && len != 2 && len != 4) || off % len ||
        *addr >= s->part[part].size) {
        return -1;
    }
    return part;
}

static uint32_t vp_config_read(PCIDevice *d, uint32_t addr, unsigned len)
{
    VirtIOPCI *s = (VirtIOPCI *)d;

    if (s->cfg_cap &&
        pci_range_hit(addr, len, s->cfg_cap + VCAP_DATA, 4)) {
        unsigned size;
        hwaddr off;
        int part = window(s, &off, &size);

        if (part >= 0) {
            pci_set_long(d->config + s->cfg_cap + VCAP_DATA,
                         part_read(s, part, off, size));
        }
    }
    return pci_default_read_config(d, addr, len);
}

static void vp_config_write(PCIDevice *d, uint32_t addr, uint32_t val,
                            unsigned len)
{
    VirtIOPCI *s = (VirtIOPCI *)d;

    pci_default_write_config(d, addr, val, len);
    if (pci_range_hit(addr, len, PCI_COMMAND, 2)) {
        update_dma(s);
    }
    if (s->cfg_cap &&
        pci_range_hit(addr, len, s->cfg_cap + VCAP_DATA, 4)) {
        unsigned size;
        hwaddr off;
        int part = window(s, &off, &size);
        uint32_t v = pci_get_long(d->config + s->cfg_cap + VCAP_DATA);

        if (part >= 0) {
            part_write(s, part, off,
                       size < 4 ? v & (BIT(8 * size) - 1) : v, size);
        }
    }
}

static uint8_t add_cap(VirtIOPCI *s, uint8_t type, uint8_t at, unsigned bar,
                       uint32_t off, uint32_t length, uint32_t extra,
                       Error **errp)
{
    uint8_t size = type == CAP_NOTIFY || type == CAP_PCI ? 20 : 16;
    uint8_t *cap, pos = pci_add_capability(&s->pci, PCI_CAP_ID_VNDR, at, size,
                                           errp);

    if (!pos) {
        return 0;
    }
    cap = s->pci.config + pos;
    cap[VCAP_LEN] = size;
    cap[VCAP_TYPE] = type;
    cap[VCAP_BAR] = bar;
    pci_set_long(cap + VCAP_OFFSET, off);
    pci_set_long(cap + VCAP_LENGTH, length);
    if (type == CAP_NOTIFY) {
        pci_set_long(cap + VCAP_MULT, extra);
    }
    return pos;
}

static bool add_modern(VirtIOPCI *s, Error **errp)
{
    static const char *const names[PARTS] = {
        "virtio-pci-common", "virtio-pci-isr", "virtio-pci-device",
        "virtio-pci-notify",
    };
    Object *obj = &s->pci.qdev.obj;
    uint64_t notify_size, bar_size = 4 * PART_SIZE;
    uint8_t *wmask;

    s->notify_mult = s->page_per_vq ? 4096 : 4;
    notify_size = (uint64_t)s->notify_mult * VIRTIO_QUEUE_MAX;
    while (bar_size < PART_NOTIFY * PART_SIZE + notify_size) {
        bar_size <<= 1;
    }
    memory_region_init(&s->modern_bar, obj, "virtio-pci", bar_size);
    for (unsigned i = 0; i < PARTS; i++) {
        memory_region_init_io(&s->part[i], obj, &part_ops[i], s, names[i],
                              i == PART_NOTIFY ? notify_size : PART_SIZE);
        memory_region_add_subregion(&s->modern_bar, i * PART_SIZE,
                                    &s->part[i]);
    }
    pci_register_bar(&s->pci, BAR_MODERN, PCI_BAR_MEM64 | PCI_BAR_PREFETCH,
                     &s->modern_bar);
    if (!add_cap(s, CAP_COMMON, 0, BAR_MODERN, 0, PART_SIZE, 0, errp) ||
        !add_cap(s, CAP_ISR, 0, BAR_MODERN, PART_ISR * PART_SIZE, PART_SIZE, 0,
                 errp) ||
        !add_cap(s, CAP_DEVICE, 0, BAR_MODERN, PART_DEVICE * PART_SIZE,
                 PART_SIZE, 0, errp) ||
        !add_cap(s, CAP_NOTIFY, 0, BAR_MODERN, PART_NOTIFY * PART_SIZE,
                 notify_size, s->notify_mult, errp)) {
        return false;
    }
    if (s->pio_notify) {
        memory_region_init_io(&s->pio_bar, obj, &pio_ops, s,
                              "virtio-pci-notify-pio", 4);
        pci_register_bar(&s->pci, BAR_PIO, PCI_BAR_IO, &s->pio_bar);
        if (!add_cap(s, CAP_NOTIFY, 0, BAR_PIO, 0, 4, 0, errp)) {
            return false;
        }
    }
    s->cfg_cap = add_cap(s, CAP_PCI, 0, 0, 0, 0, 0, errp);
    if (!s->cfg_cap) {
        return false;
    }
    wmask = s->pci.wmask + s->cfg_cap;
    wmask[VCAP_BAR] = 0xff;
    pci_set_long(wmask + VCAP_OFFSET, UINT32_MAX);
    pci_set_long(wmask + VCAP_LENGTH, UINT32_MAX);
    pci_set_long(wmask + VCAP_DATA, UINT32_MAX);
    return true;
}

static void add_legacy(VirtIOPCI *s)
{
    uint64_t size = 32;

    while (size < 24 + vinfo_of(s)->config_len) {
        size <<= 1;
    }
    memory_region_init_io(&s->legacy_bar, &s->pci.qdev.obj, &legacy_ops, s,
                          "virtio-pci", size);
    pci_register_bar(&s->pci, BAR_LEGACY, PCI_BAR_IO, &s->legacy_bar);
}

/* ---- life -------------------------------------------------------------------- */

static bool choose_interfaces(VirtIOPCI *s, Error **errp)
{
    const VirtIOInfo *vi = vinfo_of(s);
    const char *name = s->pci.qdev.info->name;

    s->modern = !s->disable_modern;
    s->legacy = s->disable_legacy != ON_OFF_AUTO_ON;
    switch (type_of(s)->variant) {
    case VARIANT_TRANSITIONAL:
        s->legacy = s->modern = true;
        break;
    case VARIANT_MODERN:
        s->legacy = false;
        s->modern = true;
        break;
    }
    if (!vi->pci_legacy_id) {
        if (s->disable_legacy == ON_OFF_AUTO_OFF || s->disable_modern) {
            error_setg(errp, "%s has no legacy interface: disable-legacy=off "
                             "and disable-modern=on do not go", name);
            return false;
        }
        s->legacy = false;
    }
    if (!s->legacy && !s->modern) {
        error_setg(errp, "device cannot work as neither modern nor legacy mode "
                         "is enabled");
        error_append_hint(errp, "Set either disable-modern or disable-legacy "
                                "to off\n");
        return false;
    }
    return true;
}

/* 4.1.2: identity by what interfaces there are. */
static void set_identity(VirtIOPCI *s)
{
    const VirtIOInfo *vi = vinfo_of(s);
    uint8_t *c = s->pci.config;

    if (s->legacy) {
        pci_set_word(c + PCI_DEVICE_ID, vi->pci_legacy_id);
        pci_set_word(c + PCI_SUBSYSTEM_ID, vi->device_id);
        pci_set_word(c + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR_REDHAT_QUMRANET);
        c[PCI_REVISION_ID] = 0;
    } else {
        pci_set_word(c + PCI_DEVICE_ID, 0x1040 + vi->device_id);
        pci_set_word(c + PCI_SUBSYSTEM_ID, PCI_SUBDEVICE_QEMU);
        pci_set_word(c + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR_REDHAT_QUMRANET);
        c[PCI_REVISION_ID] = 1;
    }
    if (s->class_code) {
        pci_set_word(c + PCI_CLASS_DEVICE, s->class_code >> 8);
        c[PCI_CLASS_PROG] = s->class_code;
    }
    pci_set_interrupt_pin(&s->pci, 1);
}

static uint32_t pick_vectors(VirtIOPCI *s)
{
    const VirtIOInfo *vi = vinfo_of(s);

    if (vi->no_vectors_prop) {
        return 0;
    }
    if (s->vectors != UINT32_MAX) {
        return s->vectors;
    }
    return vi->pick_vectors ? vi->pick_vectors(s->vdev) : 2;
}

static bool vp_realize(DeviceState *dev, Error **errp)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;
    VirtIODevice *vdev = s->vdev;
    uint32_t vectors;

    if (!choose_interfaces(s, errp)) {
        return false;
    }
    vdev->dma = pci_dma_as(&s->pci);
    vdev->dma_off = true;
    vdev->notify = virtio_pci_notify;
    vdev->started = vp_started;
    vdev->transport = s;
    vdev->modern = s->modern;
    set_identity(s);
    if (s->legacy) {
        add_legacy(s);
    }
    if (s->modern && !add_modern(s, errp)) {
        return false;
    }
    vectors = pick_vectors(s);
    if (vectors && !msix_init_exclusive_bar(&s->pci, vectors, BAR_MSIX, errp)) {
        return false;
    }
    s->bus = bus_new(BUS_VIRTIO, dev, "virtio-bus");
    if (!device_realize(&vdev->qdev, s->bus, errp)) {
        s->vdev = NULL; /* gone with it */
        list_remove(&s->bus->dev_node);
        return false;
    }
    return true;
}

static void vp_unrealize(DeviceState *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;

    /* The child has gone with its bus. */
    s->vdev = NULL;
    virtio_pci_fds_stop(s);
    s->cfg_cap = 0;
}

static void vp_init(DeviceState *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;

    dev->bootindex = -1; /* the child has it */
    s->vdev = VIRTIO(device_new(type_of(s)->child->name));
    object_add_child(&dev->obj, "virtio-backend", &s->vdev->qdev.obj);
    if (vinfo_of(s)->add_props) {
        vinfo_of(s)->add_props(s->vdev, &dev->obj);
    }
}

static void vp_finalize(DeviceState *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;

    if (s->legacy_bar.size) {
        memory_region_destroy(&s->legacy_bar);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        if (s->part[i].size) {
            memory_region_destroy(&s->part[i]);
        }
    }
    if (s->modern_bar.size) {
        memory_region_destroy(&s->modern_bar);
    }
    if (s->pio_bar.size) {
        memory_region_destroy(&s->pio_bar);
    }
}

static void vp_reset(DeviceState *dev)
{
    VirtIOPCI *s = (VirtIOPCI *)dev;

    /* The bus reset the child. */
    s->dfselect = s->gfselect = 0;
    s->driver_features = 0;
    s->queue_sel = 0;
    if (s->cfg_cap) {
        for (unsigned i = 0; i < 20; i++) {
            s->pci.config[s->cfg_cap + i] &= ~s->pci.wmask[s->cfg_cap + i];
        }
    }
    update_dma(s);
}

static bool vp_post_load(void *opaque, int version, Error **errp)
{
    update_dma(opaque);
    return true;
}

static const VMStateField vp_fields[] = {
    VMSTATE_PCI_DEVICE(pci, VirtIOPCI),
    VMSTATE_UINT32(dfselect, VirtIOPCI),
    VMSTATE_UINT32(gfselect, VirtIOPCI),
    VMSTATE_UINT64(driver_features, VirtIOPCI),
    VMSTATE_UINT16(queue_sel, VirtIOPCI),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_vp = {
    .name = "virtio-pci",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = vp_post_load,
    .fields = vp_fields,
};

/* ---- properties ---------------------------------------------------------------- */

static const Property common_props[] = {
    PROP_BOOL("page-per-vq", VirtIOPCI, page_per_vq, false),
    PROP_BOOL("modern-pio-notify", VirtIOPCI, pio_notify, false),
    PROP_BOOL("ioeventfd", VirtIOPCI, ioeventfd, true),
    PROP_END(),
};

static const Property generic_props[] = {
    PROP_ON_OFF_AUTO("disable-legacy", VirtIOPCI, disable_legacy,
                     ON_OFF_AUTO_AUTO),
    PROP_BOOL("disable-modern", VirtIOPCI, disable_modern, false),
    PROP_END(),
};

/* The child's property of the same name. */
static bool forward_set(Object *obj, const Property *p, void *field,
                        QObject *value, Error **errp)
{
    VirtIODevice *vdev = ((VirtIOPCI *)obj)->vdev;

    if (!vdev) {
        error_setg(errp, "the device is going");
        return false;
    }
    return object_set(&vdev->qdev.obj, p->name, value, errp);
}

static QObject *forward_get(Object *obj, const Property *p, const void *field)
{
    VirtIODevice *vdev = ((VirtIOPCI *)obj)->vdev;

    return vdev ? object_get(&vdev->qdev.obj, p->name, NULL) : qnull_new();
}

static void forward_default(const Property *p, void *field)
{
}

static void add_table(GArray *to, const Property *from)
{
    for (; from && from->name; from++) {
        g_array_append_val(to, *from);
    }
}

static void add_forwards(GArray *to, const Property *from)
{
    for (; from && from->name; from++) {
        PropertyInfo *inf = g_new(PropertyInfo, 1);
        Property p = *from;

        *inf = *from->info;
        inf->set = forward_set;
        inf->get = forward_get;
        inf->set_default = forward_default;
        inf->release = NULL;
        p.info = inf;
        p.offset = 0;
        g_array_append_val(to, p);
    }
}

/* By QEMU's names: one table for each type, made once. */
static const Property *make_props(const DeviceInfo *child, unsigned variant)
{
    const VirtIOInfo *vi = child->bus_info;
    GArray *a = g_array_new(true, true, sizeof(Property));

    add_table(a, common_props);
    if (variant == VARIANT_GENERIC) {
        add_table(a, generic_props);
    }
    if (!vi->no_vectors_prop) {
        g_array_append_val(a, ((Property)PROP_UINT32("vectors", VirtIOPCI,
                                                     vectors,
                                                     vi->pci_vectors)));
    }
    if (vi->has_class_prop) {
        g_array_append_val(a, ((Property)PROP_UINT32("class", VirtIOPCI,
                                                     class_code, 0)));
    }
    add_forwards(a, child->props);
    add_forwards(a, virtio_base_props);
    return (const Property *)g_array_free(a, FALSE);
}

/* What the machine versions' tables name. */
static const ObjectType vp_base = {
    .name = "virtio-pci",
    .parent = "pci-device",
    .abstract = true,
    .size = sizeof(VirtIOPCI),
};

void virtio_pci_register(const DeviceInfo *child)
{
    static const char *const suffix[VARIANTS] = {
        "", "-transitional", "-non-transitional",
    };
    const VirtIOInfo *vi = child->bus_info;

    if (!object_type_find(vp_base.name)) {
        object_type_register(&vp_base);
    }

    for (unsigned v = 0; v < VARIANTS && vi->pci_name; v++) {
        VirtIOPCIType *t;
        DeviceInfo *info;

        if (v && !vi->pci_legacy_id) {
            continue;
        }
        t = g_new0(VirtIOPCIType, 1);
        info = g_new0(DeviceInfo, 1);
        t->child = child;
        t->variant = v;
        t->pci = (PCIDeviceInfo){
            .vendor_id = PCI_VENDOR_REDHAT_QUMRANET,
            .device_id = vi->pci_legacy_id ? vi->pci_legacy_id
                                           : 0x1040 + vi->device_id,
            .class_id = vi->pci_class,
            .romfile = vi->pci_romfile,
            .config_read = vp_config_read,
            .config_write = vp_config_write,
        };
        *info = (DeviceInfo){
            .name = g_strconcat(vi->pci_name, suffix[v], NULL),
            .desc = child->desc,
            .bus = BUS_PCI,
            .parent = "virtio-pci",
            .category = child->category,
            .size = sizeof(VirtIOPCI),
            .props = make_props(child, v),
            .vmsd = &vmstate_vp,
            .bus_info = &t->pci,
            .init = vp_init,
            .realize = vp_realize,
            .unrealize = vp_unrealize,
            .reset = vp_reset,
            .finalize = vp_finalize,
        };
        if (v == VARIANT_GENERIC) {
            info->alias = g_strndup(info->name, strlen(info->name) - 4);
        }
        device_register(info);
    }
}
