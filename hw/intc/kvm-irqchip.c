/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's 8259 pair, I/O APIC and 8254 as devices: their reset values are
 * what they held when they were made, their state goes in and out by KVM's
 * ioctls (Documentation/virt/kvm/api.rst: KVM_GET_IRQCHIP, KVM_GET_PIT2).
 */
#include "osdep.h"
#include <linux/kvm.h>
#include "exec/runstate.h"
#include "hw/intc/kernel-irqchip.h"

typedef struct KVMChip {
    DeviceState qdev;
    uint32_t chip_id;
    struct kvm_irqchip state, at_reset;
} KVMChip;

static void chip_get(KVMChip *s, struct kvm_irqchip *to)
{
    to->chip_id = s->chip_id;
    kernel_irqchip->vm_ioctl(KVM_GET_IRQCHIP, to);
}

static void chip_reset(DeviceState *dev)
{
    KVMChip *s = (KVMChip *)dev;
    struct kvm_irqchip copy = s->at_reset;

    kernel_irqchip->vm_ioctl(KVM_SET_IRQCHIP, &copy);
}

static bool chip_realize(DeviceState *dev, Error **errp)
{
    KVMChip *s = (KVMChip *)dev;

    if (!kernel_irqchip || !kernel_irqchip->all) {
        error_setg(errp, "%s needs -accel kvm,kernel-irqchip=on",
                   dev->info->name);
        return false;
    }
    chip_get(s, &s->at_reset);
    return true;
}

static void chip_pre_save(void *opaque)
{
    KVMChip *s = opaque;

    chip_get(s, &s->state);
}

static bool chip_post_load(void *opaque, int version, Error **errp)
{
    KVMChip *s = opaque;
    int ret;

    s->state.chip_id = s->chip_id;
    ret = kernel_irqchip->vm_ioctl(KVM_SET_IRQCHIP, &s->state);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: state of interrupt controller %u",
                         s->chip_id);
        return false;
    }
    return true;
}

static const VMStateField chip_fields[] = {
    VMSTATE_BUFFER(state.chip.dummy, KVMChip),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_chip = {
    .name = "kvm-irqchip",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = chip_pre_save,
    .post_load = chip_post_load,
    .fields = chip_fields,
};

#define CHIP(nm, text) \
    { .name = nm, .desc = text, .bus = BUS_NONE, .internal = true, \
      .no_hotplug = true, .size = sizeof(KVMChip), .vmsd = &vmstate_chip, \
      .realize = chip_realize, .reset = chip_reset }

static const DeviceInfo chips[] = {
    CHIP("kvm-i8259", "8259A in the kernel"),
    CHIP("kvm-ioapic", "I/O APIC in the kernel"),
};

bool kvm_irqchip_devices_create(Error **errp)
{
    static const char *const types[] = { "kvm-i8259", "kvm-i8259",
                                         "kvm-ioapic" };

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        DeviceState *dev = device_new(types[i]);

        /* KVM_IRQCHIP_PIC_MASTER, _SLAVE and _IOAPIC are 0 to 2. */
        ((KVMChip *)dev)->chip_id = i;
        if (!device_realize(dev, NULL, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- the timer ------------------------------------------------------------------- */

enum { LOST_TICK_DELAY, LOST_TICK_DISCARD };

typedef struct KVMPit {
    ISADevice isa;
    /* Properties. */
    int32_t lost_tick_policy;
    /* Host side. */
    struct kvm_pit_state2 state, at_reset;
    VMChangeListener listener;
    bool stopped; /* state is what stood when the VM stopped */
} KVMPit;

static void pit_set(KVMPit *s)
{
    kernel_irqchip->vm_ioctl(KVM_SET_PIT2, &s->state);
}

static void pit_get(KVMPit *s)
{
    kernel_irqchip->vm_ioctl(KVM_GET_PIT2, &s->state);
}

/* Its counters run by the kernel's clock: they go on where they stood. */
static void pit_vm_changed(void *opaque, bool running, RunState state)
{
    KVMPit *s = opaque;

    if (running && s->stopped) {
        int64_t now = 0;
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        now = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
        for (int i = 0; i < 3; i++) {
            s->state.channels[i].count_load_time = now;
        }
        pit_set(s);
    } else if (!running) {
        pit_get(s);
    }
    s->stopped = !running;
}

static bool pit_realize(DeviceState *dev, Error **errp)
{
    KVMPit *s = (KVMPit *)dev;
    struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
    struct kvm_reinject_control control = {
        .pit_reinject = s->lost_tick_policy == LOST_TICK_DELAY,
    };
    int ret;

    if (!kernel_irqchip || !kernel_irqchip->all) {
        error_setg(errp, "kvm-pit needs -accel kvm,kernel-irqchip=on");
        return false;
    }
    ret = kernel_irqchip->vm_ioctl(KVM_CREATE_PIT2, &config);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "kvm: no timer in the kernel");
        return false;
    }
    kernel_irqchip->vm_ioctl(KVM_REINJECT_CONTROL, &control);
    pit_get(s);
    s->at_reset = s->state;
    s->listener = (VMChangeListener){ .prio = VM_PRIO_DEVICE,
                                      .fn = pit_vm_changed, .opaque = s };
    vm_change_add(&s->listener);
    return true;
}

static void pit_unrealize(DeviceState *dev)
{
    vm_change_remove(&((KVMPit *)dev)->listener);
}

static void pit_reset(DeviceState *dev)
{
    KVMPit *s = (KVMPit *)dev;

    s->state = s->at_reset;
    pit_set(s);
}

static void pit_pre_save(void *opaque)
{
    KVMPit *s = opaque;

    if (!s->stopped) {
        pit_get(s);
    }
}

static bool pit_post_load(void *opaque, int version, Error **errp)
{
    pit_set(opaque);
    return true;
}

static const VMStateField pit_fields[] = {
    VMSTATE_BUFFER(state, KVMPit),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_pit = {
    .name = "kvm-pit",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = pit_pre_save,
    .post_load = pit_post_load,
    .fields = pit_fields,
};

static const char *const policies[] = { "delay", "discard", NULL };
static const PropertyInfo prop_policy = {
    .name = "LostTickPolicy",
    .desc = "Lost tick policy, delay/discard",
    .values = policies,
    .set = prop_enum_set,
    .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

static const Property pit_props[] = {
    PROP_("lost_tick_policy", KVMPit, lost_tick_policy, int32_t, prop_policy,
          LOST_TICK_DELAY),
    PROP_END(),
};

static const DeviceInfo pit_info = {
    .name = "kvm-pit",
    .desc = "8254 interval timer in the kernel",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(KVMPit),
    .props = pit_props,
    .vmsd = &vmstate_pit,
    .realize = pit_realize,
    .unrealize = pit_unrealize,
    .reset = pit_reset,
};

DeviceState *kvm_pit_create(ISABus *bus, Error **errp)
{
    DeviceState *dev = device_new("kvm-pit");

    object_add_child(object_container("/machine"), "pit", &dev->obj);
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

void kvm_pit_disable_irq(bool disable)
{
    KVMPit *s = (KVMPit *)object_resolve("/machine/pit", NULL);

    if (!s) {
        return;
    }
    pit_get(s);
    s->state.flags &= ~(uint32_t)KVM_PIT_FLAGS_HPET_LEGACY;
    s->state.flags |= disable ? KVM_PIT_FLAGS_HPET_LEGACY : 0;
    pit_set(s);
}

static void kvm_irqchip_register(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++) {
        device_register(&chips[i]);
    }
    device_register(&pit_info);
}
device_init(kvm_irqchip_register)
