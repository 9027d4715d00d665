/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM: what the VM as a whole has. Memory slots from the memory map, dirty
 * logs, eventfds in place of exits, and the routes of interrupts.  BQL.
 */
#include "osdep.h"
#include "kvm-int.h"

#define FIRST_MSI_GSI 24

/* ---- memory slots ------------------------------------------------------------ */

typedef struct Slot {
    hwaddr gpa;
    uint64_t size;
    uint8_t *host;
    uint64_t ram_offset;
    MemoryRegion *mr;
    uint32_t flags;
    uint16_t id, as_id;
    bool gone, fresh;
} Slot;

typedef struct SlotListener {
    MemoryListener l;
    uint16_t as_id;
} SlotListener;

static GArray *slots;      /* Slot; BQL */
static bool slots_changed;

static bool slot_set(const Slot *s, bool there)
{
    struct kvm_userspace_memory_region r = {
        .slot = s->id | (uint32_t)s->as_id << 16,
        .flags = s->flags,
        .guest_phys_addr = s->gpa,
        .memory_size = there ? s->size : 0,
        .userspace_addr = (uintptr_t)s->host,
    };
    int ret = kvm_vm_ioctl(KVM_SET_USER_MEMORY_REGION, &r);

    if (ret < 0 && there) {
        error_report("kvm: memory slot of '%s' at 0x%" PRIx64 ", 0x%" PRIx64
                     " bytes: %s", s->mr->name, s->gpa, s->size,
                     strerror(-ret));
    }
    return ret >= 0;
}

static uint16_t free_slot_id(uint16_t as_id)
{
    for (uint16_t id = 0;; id++) {
        bool used = false;

        for (guint i = 0; i < slots->len; i++) {
            const Slot *s = &g_array_index(slots, Slot, i);

            used |= s->id == id && s->as_id == as_id;
        }
        if (!used) {
            return id;
        }
    }
}

/* The pages of a section that are RAM to the guest; false: none. */
static bool slot_from(const MemorySection *sec, uint16_t as_id, Slot *s)
{
    hwaddr start = ROUND_UP(sec->addr, 4096);
    uint64_t skip = start - sec->addr;

    if (!memory_section_is_ram(sec) || sec->size <= skip ||
        (sec->size - skip) / 4096 == 0) {
        return false;
    }
    *s = (Slot){
        .gpa = start, .size = (sec->size - skip) & ~UINT64_C(4095),
        .host = sec->mr->ram->host + sec->offset_in_region + skip,
        .ram_offset = sec->mr->ram->offset + sec->offset_in_region + skip,
        .mr = sec->mr, .as_id = as_id,
    };
    if (((uintptr_t)s->host & 4095) != 0) {
        return false; /* not page aligned in its block: by MMIO exits */
    }
    if (sec->readonly || sec->mr->kind != MR_RAM) {
        if (!kvm_state->readonly_mem) {
            return false;
        }
        s->flags |= KVM_MEM_READONLY;
    }
    if (sec->mr->dirty_log_mask) {
        s->flags |= KVM_MEM_LOG_DIRTY_PAGES;
    }
    return true;
}

static Slot *slot_at(hwaddr gpa, uint16_t as_id)
{
    for (guint i = 0; i < slots->len; i++) {
        Slot *s = &g_array_index(slots, Slot, i);

        if (!s->gone && s->gpa == gpa && s->as_id == as_id) {
            return s;
        }
    }
    return NULL;
}

static void region_add(MemoryListener *l, const MemorySection *sec)
{
    uint16_t as_id = container_of(l, SlotListener, l)->as_id;
    Slot s;

    if (slot_from(sec, as_id, &s)) {
        s.fresh = true;
        s.id = free_slot_id(as_id);
        g_array_append_val(slots, s);
        slots_changed = true;
    }
}

static void slot_log_sync(const Slot *s)
{
    uint64_t pages = s->size / 4096;
    g_autofree uint64_t *bits = g_malloc0(ROUND_UP(pages, 64) / 8);
    struct kvm_dirty_log log = { .slot = s->id | (uint32_t)s->as_id << 16,
                                 .dirty_bitmap = bits };

    if (s->fresh || kvm_vm_ioctl(KVM_GET_DIRTY_LOG, &log) < 0) {
        return;
    }
    for (uint64_t w = 0; w < DIV_ROUND_UP(pages, 64); w++) {
        for (uint64_t v = bits[w]; v; v &= v - 1) {
            ram_set_dirty(s->ram_offset +
                          (w * 64 + (unsigned)__builtin_ctzll(v)) * 4096,
                          4096);
        }
    }
}

static void region_del(MemoryListener *l, const MemorySection *sec)
{
    uint16_t as_id = container_of(l, SlotListener, l)->as_id;
    Slot want, *s;

    if (!slot_from(sec, as_id, &want)) {
        return;
    }
    s = slot_at(want.gpa, as_id);
    if (s) {
        s->gone = true;
        slots_changed = true;
    }
}

static void apply_slots(void *opaque)
{
    /* Old ones first: places and addresses may be taken over. */
    for (guint i = slots->len; i-- > 0;) {
        Slot *s = &g_array_index(slots, Slot, i);

        if (s->gone) {
            if (!s->fresh) {
                if (s->flags & KVM_MEM_LOG_DIRTY_PAGES) {
                    slot_log_sync(s);
                }
                slot_set(s, false);
            }
            g_array_remove_index_fast(slots, i);
        }
    }
    for (guint i = 0; i < slots->len; i++) {
        Slot *s = &g_array_index(slots, Slot, i);

        if (s->fresh) {
            slot_set(s, true);
            s->fresh = false;
        }
    }
}

/* With every vCPU out: none shall meet the moment when a slot is not there. */
static void slots_commit(MemoryListener *l)
{
    if (slots_changed) {
        slots_changed = false;
        cpu_exclusive(apply_slots, NULL);
    }
}

static void set_log(MemoryListener *l, const MemorySection *sec, bool on)
{
    uint16_t as_id = container_of(l, SlotListener, l)->as_id;
    hwaddr start = ROUND_UP(sec->addr, 4096);
    Slot *s = slot_at(start, as_id);
    uint32_t flags;

    if (!s) {
        return;
    }
    flags = on ? s->flags | KVM_MEM_LOG_DIRTY_PAGES
               : s->flags & ~(uint32_t)KVM_MEM_LOG_DIRTY_PAGES;
    if (flags != s->flags) {
        s->flags = flags;
        if (!s->fresh) {
            slot_set(s, true);
        }
    }
}

static void log_start(MemoryListener *l, const MemorySection *sec)
{
    set_log(l, sec, true);
}

static void log_stop(MemoryListener *l, const MemorySection *sec)
{
    set_log(l, sec, sec->mr->dirty_log_mask != 0);
}

/* All logs; the common bitmaps know who asked. */
void kvm_dirty_sync(void)
{
    for (guint i = 0; slots && i < slots->len; i++) {
        const Slot *s = &g_array_index(slots, Slot, i);

        if ((s->flags & KVM_MEM_LOG_DIRTY_PAGES) && !s->gone) {
            slot_log_sync(s);
        }
    }
}

/* ---- eventfds ----------------------------------------------------------------- */

static void ioeventfd(const MemorySection *sec, bool pio, unsigned size,
                      bool match, uint64_t data, int fd, bool add)
{
    struct kvm_ioeventfd e = {
        .addr = sec->addr, .len = size, .fd = fd,
        .datamatch = match ? data : 0,
        .flags = (pio ? KVM_IOEVENTFD_FLAG_PIO : 0u) |
                 (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u) |
                 (add ? 0u : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };
    int ret = kvm_vm_ioctl(KVM_IOEVENTFD, &e);

    if (ret < 0 && add) {
        warn_report("kvm: eventfd at 0x%" PRIx64 ": %s; it works by exits",
                    sec->addr, strerror(-ret));
    }
}

static void mem_eventfd_add(MemoryListener *l, const MemorySection *s,
                            unsigned size, bool match, uint64_t data, int fd)
{
    ioeventfd(s, false, size, match, data, fd, true);
}

static void mem_eventfd_del(MemoryListener *l, const MemorySection *s,
                            unsigned size, bool match, uint64_t data, int fd)
{
    ioeventfd(s, false, size, match, data, fd, false);
}

static void io_eventfd_add(MemoryListener *l, const MemorySection *s,
                           unsigned size, bool match, uint64_t data, int fd)
{
    ioeventfd(s, true, size, match, data, fd, true);
}

static void io_eventfd_del(MemoryListener *l, const MemorySection *s,
                           unsigned size, bool match, uint64_t data, int fd)
{
    ioeventfd(s, true, size, match, data, fd, false);
}

static SlotListener mem_listener = {
    .l = { .priority = 10, .region_add = region_add, .region_del = region_del,
           .log_start = log_start, .log_stop = log_stop,
           .eventfd_add = mem_eventfd_add, .eventfd_del = mem_eventfd_del,
           .commit = slots_commit },
};
static SlotListener smm_listener = {
    .l = { .priority = 10, .region_add = region_add, .region_del = region_del,
           .log_start = log_start, .log_stop = log_stop,
           .commit = slots_commit },
    .as_id = 1,
};
static MemoryListener io_listener = {
    .priority = 10, .eventfd_add = io_eventfd_add,
    .eventfd_del = io_eventfd_del,
};

/* ---- interrupt routes ------------------------------------------------------------ */

static GArray *routes;     /* struct kvm_irq_routing_entry; BQL */
static uint64_t *gsi_used; /* bits */
static unsigned gsi_max;

void kvm_routes_commit(void)
{
    g_autofree struct kvm_irq_routing *r =
        g_malloc0(sizeof(*r) + routes->len * sizeof(r->entries[0]));
    int ret;

    r->nr = routes->len;
    memcpy(r->entries, routes->data, routes->len * sizeof(r->entries[0]));
    ret = kvm_vm_ioctl(KVM_SET_GSI_ROUTING, r);
    if (ret < 0) {
        error_report("kvm: interrupt routes: %s", strerror(-ret));
    }
}

static struct kvm_irq_routing_entry msi_entry(int gsi, hwaddr addr,
                                              uint32_t data)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = { .address_lo = (uint32_t)addr, .address_hi = addr >> 32,
                   .data = data },
    };
}

static int route_index(int gsi)
{
    for (guint i = 0; i < routes->len; i++) {
        if (g_array_index(routes, struct kvm_irq_routing_entry, i).gsi ==
            (uint32_t)gsi) {
            return i;
        }
    }
    return -1;
}

int kvm_route_add_msi(hwaddr addr, uint32_t data)
{
    struct kvm_irq_routing_entry e;
    unsigned gsi = FIRST_MSI_GSI;

    while (gsi < gsi_max && (gsi_used[gsi / 64] >> gsi % 64 & 1)) {
        gsi++;
    }
    if (!routes || gsi >= gsi_max) {
        return -ENOSPC;
    }
    gsi_used[gsi / 64] |= BIT(gsi % 64);
    e = msi_entry(gsi, addr, data);
    g_array_append_val(routes, e);
    kvm_routes_commit();
    return gsi;
}

void kvm_route_set_msi(int gsi, hwaddr addr, uint32_t data)
{
    int i = route_index(gsi);

    if (i >= 0) {
        g_array_index(routes, struct kvm_irq_routing_entry, i) =
            msi_entry(gsi, addr, data);
        kvm_routes_commit();
    }
}

void kvm_route_remove(int gsi)
{
    int i = route_index(gsi);

    if (i >= 0) {
        g_array_remove_index_fast(routes, i);
        gsi_used[gsi / 64] &= ~BIT(gsi % 64);
        kvm_routes_commit();
    }
}

int kvm_irqfd(int gsi, int fd, bool on)
{
    struct kvm_irqfd args = { .fd = fd, .gsi = gsi,
                              .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN };

    return kvm_vm_ioctl(KVM_IRQFD, &args);
}

void kvm_route_pin_msi(int pin, bool masked, hwaddr addr, uint32_t data)
{
    struct kvm_irq_routing_entry e = msi_entry(pin, addr, data);
    int i = route_index(pin);

    if (i >= 0 && masked) {
        g_array_remove_index_fast(routes, i);
    } else if (i >= 0) {
        g_array_index(routes, struct kvm_irq_routing_entry, i) = e;
    } else if (!masked) {
        g_array_append_val(routes, e);
    } else {
        return;
    }
    kvm_routes_commit();
}

/* PIC pins 0-15 and I/O APIC pins 0-23 behind the GSIs; 0 goes to pin 2. */
void kvm_routes_init(KVMIrqchip kind)
{
    int max = kvm_check(KVM_CAP_IRQ_ROUTING);

    gsi_max = MIN(max, 4096);
    if (!gsi_max) {
        return;
    }
    routes = g_array_new(FALSE, FALSE, sizeof(struct kvm_irq_routing_entry));
    gsi_used = g_new0(uint64_t, DIV_ROUND_UP(gsi_max, 64));
    for (unsigned gsi = 0; kind == KVM_IRQCHIP_ON && gsi < 24; gsi++) {
        struct kvm_irq_routing_entry e = { .gsi = gsi,
                                           .type = KVM_IRQ_ROUTING_IRQCHIP };

        if (gsi < 16) {
            e.u.irqchip.irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER
                                          : KVM_IRQCHIP_PIC_SLAVE;
            e.u.irqchip.pin = gsi % 8;
            g_array_append_val(routes, e);
        }
        if (gsi != 2) {
            e.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
            e.u.irqchip.pin = gsi ? gsi : 2;
            g_array_append_val(routes, e);
        }
    }
    if (kind == KVM_IRQCHIP_ON) {
        kvm_routes_commit();
    }
}

/* ---- start-up ------------------------------------------------------------------- */

void kvm_listen(void)
{
    slots = g_array_new(FALSE, FALSE, sizeof(Slot));
    memory_listener_register(&mem_listener.l, &address_space_memory);
    memory_listener_register(&io_listener, &address_space_io);
}

void kvm_smm_listen(void)
{
    AddressSpace *as = kvm_arch_smm_as();

    if (as && !smm_listener.l.as) {
        memory_listener_register(&smm_listener.l, as);
    }
}
