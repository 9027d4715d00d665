/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM accelerator's door: it finds out whether this host could run one.
 * A `kvm:tcg` list goes on with the next accelerator when it cannot.
 */
#include "osdep.h"
#include "exec/accel.h"
#include "util/module.h"

typedef struct KVMState {
    Object obj;
    char *kernel_irqchip; /* "on", "off", "split" */
    uint64_t shadow_mem;
} KVMState;

static const Property kvm_props[] = {
    PROP_STR("kernel-irqchip", KVMState, kernel_irqchip),
    PROP_SIZE("kvm-shadow-mem", KVMState, shadow_mem, 0),
    PROP_END(),
};

static bool kvm_init(Object *obj, Error **errp)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        int err = errno;

        error_report("Could not access KVM kernel module: %s", strerror(err));
        error_setg_errno(errp, err, "failed to initialize kvm");
        return false;
    }
    close(fd);
    /* TODO: the ioctls; a user of -accel kvm gets this sentence until then. */
    error_setg(errp, "failed to initialize kvm: not in this build yet");
    return false;
}

static const AccelOps kvm_accel = {
    .name = "kvm",
    .props = kvm_props,
    .size = sizeof(KVMState),
    .init = kvm_init,
    .thread_name = "CPU %d/KVM",
};

static void kvm_register(void)
{
    accel_register(&kvm_accel);
}
object_init(kvm_register)
