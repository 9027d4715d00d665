/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM accelerator, all that does not depend on the architecture: the VM
 * and the vCPU loop; slots and routes are in kvm-slots.c
 * (Documentation/virt/kvm/api.rst of the kernel; docs/kvm.md).
 *
 * State of a vCPU lives in the kernel while it runs.  `valid` says that the
 * common copy holds it too; whoever asks for the copy is taken to change it,
 * so it goes back before the next entry (`dirty`).
 */
#include "osdep.h"
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <pthread.h>
#include "exec/runstate.h"
#include "kvm-int.h"
#include "util/module.h"

#define SIG_KICK SIGUSR1

KVMState *kvm_state;

/* ---- ioctls ---------------------------------------------------------------- */

static int retry_ioctl(int fd, unsigned long request, unsigned long arg)
{
    int r;

    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

int kvm_ioctl(unsigned long request, unsigned long arg)
{
    return retry_ioctl(kvm_state->fd, request, arg);
}

int kvm_vm_ioctl(unsigned long request, void *arg)
{
    return retry_ioctl(kvm_state->vm, request, (unsigned long)arg);
}

int kvm_vcpu_ioctl(CPUState *cpu, unsigned long request, void *arg)
{
    return retry_ioctl(kvm_vcpu(cpu)->fd, request, (unsigned long)arg);
}

int kvm_check(unsigned cap)
{
    int r = kvm_vm_ioctl(KVM_CHECK_EXTENSION, (void *)(uintptr_t)cap);

    if (r < 0) {
        r = kvm_ioctl(KVM_CHECK_EXTENSION, cap);
    }
    return MAX(r, 0);
}

/* ---- vCPUs ------------------------------------------------------------------------- */

static void kick_handler(int sig)
{
    /* It only has to end the ioctl. */
}

static void kvm_kick(CPUState *cpu)
{
    KVMVcpu *k = kvm_vcpu(cpu);

    if (k && k->run) {
        k->run->immediate_exit = 1;
        if (cpu != current_cpu && atomic_load(&cpu->in_guest)) {
            pthread_kill(cpu->thread.id, SIG_KICK);
        }
    }
}

static bool kvm_vcpu_start(CPUState *cpu, Error **errp)
{
    KVMVcpu *k = g_new0(KVMVcpu, 1);
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIG_KICK);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    k->fd = -1;
    cpu->accel = k;
    if (!kvm_arch_vcpu_init(cpu, errp)) {
        if (k->run) {
            munmap(k->run, kvm_state->run_size);
        }
        if (k->fd >= 0) {
            close(k->fd);
        }
        cpu->accel = NULL;
        g_free(k);
        return false;
    }
    k->valid = true;
    k->dirty = KVM_PUT_FULL;
    return true;
}

/* The kernel cannot free a vCPU: its descriptor stays for the next one of the
 * same id. */
typedef struct ParkedVcpu {
    int fd;
    unsigned long id;
} ParkedVcpu;
static GArray *parked;

int kvm_vcpu_fd(unsigned long id)
{
    for (guint i = 0; parked && i < parked->len; i++) {
        ParkedVcpu p = g_array_index(parked, ParkedVcpu, i);

        if (p.id == id) {
            g_array_remove_index_fast(parked, i);
            return p.fd;
        }
    }
    return kvm_vm_ioctl(KVM_CREATE_VCPU, (void *)id);
}

void kvm_vcpu_park(int fd, unsigned long id)
{
    ParkedVcpu p = { fd, id };

    if (!parked) {
        parked = g_array_new(FALSE, FALSE, sizeof(p));
    }
    g_array_append_val(parked, p);
}

static void kvm_vcpu_stop(CPUState *cpu)
{
    KVMVcpu *k = kvm_vcpu(cpu);

    kvm_arch_vcpu_destroy(cpu);
    munmap(k->run, kvm_state->run_size);
    cpu->accel = NULL;
    g_free(k);
}

/* ---- exits --------------------------------------------------------------------------- */

static void exit_io(CPUState *cpu, struct kvm_run *run)
{
    uint8_t *p = (uint8_t *)run + run->io.data_offset;
    bool out = run->io.direction == KVM_EXIT_IO_OUT;

    for (uint32_t i = 0; i < run->io.count; i++) {
        address_space_rw(&address_space_io, run->io.port, MEMTXATTRS_CPU, p,
                         run->io.size, out);
        p += run->io.size;
    }
}

static void exit_mmio(CPUState *cpu, struct kvm_run *run)
{
    address_space_rw(kvm_arch_as(cpu), run->mmio.phys_addr, MEMTXATTRS_CPU,
                     run->mmio.data, MIN(run->mmio.len, 8u),
                     run->mmio.is_write);
}

/* What came of an entry; false: go on with the next one. */
static bool handle_exit(CPUState *cpu, VCPUExit *why)
{
    KVMVcpu *k = kvm_vcpu(cpu);
    struct kvm_run *run = k->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        k->io_pending = true;
        exit_io(cpu, run);
        return false;
    case KVM_EXIT_MMIO:
        k->io_pending = true;
        exit_mmio(cpu, run);
        return false;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        return false;
    case KVM_EXIT_SHUTDOWN:
        *why = VCPU_EXIT_SHUTDOWN;
        return true;
    case KVM_EXIT_INTERNAL_ERROR:
        error_report("KVM internal error. Suberror: %u",
                     run->internal.suberror);
        for (uint32_t i = 0; i < MIN(run->internal.ndata, 16u); i++) {
            error_report("extra data[%u]: 0x%016" PRIx64, i,
                         (uint64_t)run->internal.data[i]);
        }
        kvm_arch_dump(cpu);
        *why = VCPU_EXIT_ERROR;
        return true;
    case KVM_EXIT_FAIL_ENTRY:
        error_report("KVM: entry failed, hardware error 0x%" PRIx64,
                     (uint64_t)run->fail_entry.hardware_entry_failure_reason);
        kvm_arch_dump(cpu);
        *why = VCPU_EXIT_ERROR;
        return true;
    case KVM_EXIT_SYSTEM_EVENT:
        bql_lock();
        if (run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN) {
            system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        } else if (run->system_event.type == KVM_SYSTEM_EVENT_RESET) {
            system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        } else {
            system_guest_panicked(NULL);
        }
        bql_unlock();
        *why = VCPU_EXIT_NONE;
        return true;
    default:
        if (kvm_arch_exit(cpu, why)) {
            return *why != VCPU_EXIT_NONE;
        }
        error_report("KVM: unknown exit, reason %u", run->exit_reason);
        kvm_arch_dump(cpu);
        *why = VCPU_EXIT_ERROR;
        return true;
    }
}

/* One entry.  -EINTR: kicked. */
static int enter(CPUState *cpu)
{
    KVMVcpu *k = kvm_vcpu(cpu);
    int r;

    cpu_guest_enter(cpu);
    r = ioctl(k->fd, KVM_RUN, 0);
    r = r < 0 ? -errno : r;
    cpu_guest_leave(cpu);
    k->io_pending = false;
    return r;
}

static VCPUExit kvm_vcpu_run(CPUState *cpu)
{
    KVMVcpu *k = kvm_vcpu(cpu);
    VCPUExit why = VCPU_EXIT_NONE;

    for (;;) {
        int r;

        /* A kick from here on is seen by the kernel. */
        k->run->immediate_exit = 0;
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load(&cpu->exit_request)) {
            return VCPU_EXIT_NONE;
        }
        if (k->dirty) {
            if (!kvm_arch_put(cpu, k->dirty)) {
                return VCPU_EXIT_ERROR;
            }
            k->dirty = KVM_PUT_NONE;
        }
        if (kvm_arch_wants_attention(cpu)) {
            bql_lock();
            kvm_arch_pre_run(cpu);
            bql_unlock();
            if (cpu->halted && !kvm_state->irqchip) {
                return VCPU_EXIT_HALTED; /* INIT came */
            }
        }
        k->valid = false;
        r = enter(cpu);
        kvm_arch_post_run(cpu);
        if (r == -EINTR || r == -EAGAIN) {
            if (atomic_load(&cpu->exit_request)) {
                return VCPU_EXIT_NONE;
            }
            continue;
        }
        if (r < 0) {
            error_report("kvm: running CPU %d: %s", cpu->cpu_index,
                         strerror(-r));
            kvm_arch_dump(cpu);
            return VCPU_EXIT_ERROR;
        }
        if (handle_exit(cpu, &why)) {
            return why;
        }
    }
}

/* ---- state ----------------------------------------------------------------------------- */

/* An instruction whose I/O was done is completed by one more entry, which
 * leaves at once. */
static void finish_io(CPUState *cpu)
{
    KVMVcpu *k = kvm_vcpu(cpu);

    while (k->io_pending) {
        VCPUExit why;

        k->run->immediate_exit = 1;
        if (enter(cpu) == 0) {
            bool locked = bql_locked();

            if (locked) {
                bql_unlock();
            }
            handle_exit(cpu, &why);
            if (locked) {
                bql_lock();
            }
        }
    }
}

static void do_get(CPUState *cpu, void *opaque)
{
    KVMVcpu *k = kvm_vcpu(cpu);

    if (!k->valid) {
        finish_io(cpu);
        k->valid = kvm_arch_get(cpu);
        k->dirty = MAX(k->dirty, KVM_PUT_RUNTIME);
    }
}

static void kvm_get_state(CPUState *cpu)
{
    if (kvm_vcpu(cpu)) {
        cpu_run_on(cpu, do_get, NULL);
    }
}

static void do_put(CPUState *cpu, void *opaque)
{
    KVMVcpu *k = kvm_vcpu(cpu);

    /* What the kernel still wants to complete must not hit the new state. */
    finish_io(cpu);
    kvm_arch_adopt(cpu);
    k->valid = true;
    k->dirty = kvm_arch_put(cpu, KVM_PUT_FULL) ? KVM_PUT_NONE : KVM_PUT_FULL;
}

static void kvm_put_state(CPUState *cpu)
{
    if (kvm_vcpu(cpu)) {
        cpu_run_on(cpu, do_put, NULL);
    }
}

static void kvm_reset_state(CPUState *cpu)
{
    if (kvm_vcpu(cpu)) {
        kvm_arch_reset(cpu);
        kvm_put_state(cpu);
    }
}

static bool kvm_has_work(CPUState *cpu)
{
    return kvm_state->irqchip != KVM_IRQCHIP_OFF || kvm_arch_has_work(cpu);
}

/* ---- start-up ---------------------------------------------------------------------------- */

/* Why /dev/kvm would not open, and what helps. */
static void open_error(int err, Error **errp)
{
    const char *cure = "";

    if (err == ENOENT) {
        cure = "; load the module kvm_intel or kvm_amd (a virtual machine "
               "needs nested virtualization switched on by its host)";
    } else if (err == EACCES || err == EPERM) {
        cure = "; add this user to the group of /dev/kvm, usually 'kvm'";
    } else if (err == ENODEV) {
        cure = "; the CPU has no virtualization, or firmware or the host of "
               "this machine keeps it off";
    } else if (err == EBUSY) {
        cure = "; another hypervisor holds the CPU's virtualization";
    }
    error_report("Could not access KVM kernel module: %s%s", strerror(err),
                 cure);
    error_setg_errno(errp, err, "failed to initialize kvm");
}

static bool need(unsigned cap, const char *name, Error **errp)
{
    if (!kvm_check(cap)) {
        error_setg(errp, "kvm does not support %s: a newer kernel is needed",
                   name);
        return false;
    }
    return true;
}

/* A guest of two instructions: kernels that only emulate code of privilege
 * level 0 (no hardware virtualization beneath) know no x87. */
static bool runs_natively(void)
{
    static const uint8_t code[] = { 0xd9, 0xe8, 0xf4 }; /* fld1; hlt */
    struct kvm_userspace_memory_region slot = { .memory_size = 4096 };
    struct kvm_regs regs = { .rflags = 2 };
    struct kvm_sregs sregs;
    struct kvm_run *run = MAP_FAILED;
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int vm = retry_ioctl(kvm_state->fd, KVM_CREATE_VM, 0), cpu = -1;
    bool native = true;

    if (page != MAP_FAILED && vm >= 0) {
        memcpy(page, code, sizeof(code));
        slot.userspace_addr = (uintptr_t)page;
        retry_ioctl(vm, KVM_SET_USER_MEMORY_REGION, (unsigned long)&slot);
        cpu = retry_ioctl(vm, KVM_CREATE_VCPU, 0);
    }
    if (cpu >= 0) {
        run = mmap(NULL, kvm_state->run_size, PROT_READ | PROT_WRITE,
                   MAP_SHARED, cpu, 0);
    }
    if (run != MAP_FAILED &&
        retry_ioctl(cpu, KVM_GET_SREGS, (unsigned long)&sregs) >= 0) {
        sregs.cs.base = sregs.cs.selector = 0;
        if (retry_ioctl(cpu, KVM_SET_SREGS, (unsigned long)&sregs) >= 0 &&
            retry_ioctl(cpu, KVM_SET_REGS, (unsigned long)&regs) >= 0 &&
            retry_ioctl(cpu, KVM_RUN, 0) >= 0) {
            native = run->exit_reason != KVM_EXIT_INTERNAL_ERROR;
        }
    }
    if (run != MAP_FAILED) {
        munmap(run, kvm_state->run_size);
    }
    if (cpu >= 0) {
        close(cpu);
    }
    if (vm >= 0) {
        close(vm);
    }
    if (page != MAP_FAILED) {
        munmap(page, 4096);
    }
    return native;
}

static bool bring_up(KVMState *s, Error **errp)
{
    int ret = retry_ioctl(s->fd, KVM_GET_API_VERSION, 0);

    if (ret != KVM_API_VERSION) {
        error_setg(errp, "kvm: API version %d, not %d", ret, KVM_API_VERSION);
        return false;
    }
    s->run_size = retry_ioctl(s->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (accel_by_default && !runs_natively()) {
        error_setg(errp, "/dev/kvm emulates the code of guest kernels, which "
                   "is slower than tcg (-accel kvm insists)");
        return false;
    }
    s->vm = retry_ioctl(s->fd, KVM_CREATE_VM, 0);
    if (s->vm < 0) {
        error_setg_errno(errp, -s->vm, "failed to initialize kvm: no VM");
        return false;
    }
    if (!need(KVM_CAP_USER_MEMORY, "user memory", errp) ||
        !need(KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "removing memory", errp) ||
        !need(KVM_CAP_IMMEDIATE_EXIT, "immediate exits", errp)) {
        return false;
    }
    s->readonly_mem = kvm_check(KVM_CAP_READONLY_MEM);
    return kvm_arch_init(s, errp);
}

static bool kvm_init(Object *obj, Error **errp)
{
    struct sigaction act = { .sa_handler = kick_handler };
    KVMState *s = (KVMState *)obj;

    s->vm = -1;
    s->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (s->fd < 0) {
        open_error(errno, errp);
        return false;
    }
    kvm_state = s;
    sigaction(SIG_KICK, &act, NULL);
    if (!bring_up(s, errp)) {
        if (s->vm >= 0) {
            close(s->vm);
        }
        close(s->fd);
        kvm_state = NULL;
        return false;
    }
    if (s->irqchip != KVM_IRQCHIP_OFF) {
        kvm_routes_init(s->irqchip);
    }
    kvm_listen();
    return true;
}

static const char *const irqchip_names[] = { "auto", "on", "off", "split",
                                             NULL };
static const PropertyInfo prop_irqchip = {
    .name = "on|off|split",
    .values = irqchip_names,
    .set = prop_enum_set,
    .get = prop_enum_get,
    .get_default = prop_enum_get_default,
};

static const Property kvm_props[] = {
    PROP_("kernel-irqchip", KVMState, irqchip_opt, int32_t, prop_irqchip, 0),
    PROP_SIZE("kvm-shadow-mem", KVMState, shadow_mem, 0),
    PROP_END(),
};

static const AccelOps kvm_accel = {
    .name = "kvm",
    .props = kvm_props,
    .size = sizeof(KVMState),
    .init = kvm_init,
    .vcpu_init = kvm_vcpu_start,
    .vcpu_destroy = kvm_vcpu_stop,
    .vcpu_run = kvm_vcpu_run,
    .kick = kvm_kick,
    .vcpu_has_work = kvm_has_work,
    .get_state = kvm_get_state,
    .put_state = kvm_put_state,
    .reset_state = kvm_reset_state,
    .dirty_sync = kvm_dirty_sync,
    .breakpoint = kvm_arch_breakpoint,
    .has_eventfds = true,
    .thread_name = "CPU %d/KVM",
};

static void kvm_register(void)
{
    accel_register(&kvm_accel);
}
object_init(kvm_register)
