/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 under KVM: breakpoints of gdb (api.rst: KVM_SET_GUEST_DEBUG). */
#include "osdep.h"
#include "kvm-x86.h"

/* ---- gdb -------------------------------------------------------------------------------------- */

/* Hardware breakpoints and watchpoints, for all vCPUs. */
static struct {
    vaddr addr, len;
    int type;
} hw_bp[4];
static unsigned hw_bps;

/* int3 in memory: what stood there. */
typedef struct SwBp {
    vaddr addr;
    uint8_t saved;
} SwBp;
static GArray *sw_bps;

void kvm_arch_update_debug(CPUState *cs)
{
    static const uint8_t kinds[] = { 0, 0, 1, 2, 3 }; /* DR7.R/W by gdb type */
    struct kvm_guest_debug d = { 0 };

    if (cs->singlestep) {
        d.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    }
    if (sw_bps && sw_bps->len) {
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
    }
    if (hw_bps) {
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        d.arch.debugreg[7] = 0x600;
        for (unsigned i = 0; i < hw_bps; i++) {
            unsigned len = hw_bp[i].type == 1 ? 0 : hw_bp[i].len == 8
                               ? 2 : hw_bp[i].len - 1;

            d.arch.debugreg[i] = hw_bp[i].addr;
            d.arch.debugreg[7] |= 2u << (i * 2) |
                                  (hw_bp[i].type == 1
                                       ? 0u : (unsigned)kinds[hw_bp[i].type])
                                      << (16 + i * 4) |
                                  len << (18 + i * 4);
        }
    }
    kvm_vcpu_ioctl(cs, KVM_SET_GUEST_DEBUG, &d);
}

static void update_debug_work(CPUState *cs, void *opaque)
{
    kvm_arch_update_debug(cs);
}

static int patch(CPUState *cs, vaddr addr, uint8_t *old, uint8_t new)
{
    hwaddr pa;

    accel->get_state(cs);
    if (!x86_translate_debug(cpu_env(cs), addr, &pa) ||
        address_space_read(&address_space_memory, pa, MEMTXATTRS_CPU, old,
                           1)) {
        return -EFAULT;
    }
    return address_space_write_rom(&address_space_memory, pa, &new, 1)
               ? -EFAULT : 0;
}

static int sw_breakpoint(CPUState *cs, vaddr addr, bool add)
{
    uint8_t now;

    if (!sw_bps) {
        sw_bps = g_array_new(FALSE, FALSE, sizeof(SwBp));
    }
    for (guint i = 0; i < sw_bps->len; i++) {
        SwBp *b = &g_array_index(sw_bps, SwBp, i);

        if (b->addr == addr) {
            int ret = add ? 0 : patch(cs, addr, &now, b->saved);

            if (!add) {
                g_array_remove_index_fast(sw_bps, i);
            }
            return ret;
        }
    }
    if (!add) {
        return -ENOENT;
    }
    SwBp b = { .addr = addr };
    int ret = patch(cs, addr, &b.saved, 0xcc);

    if (ret == 0) {
        g_array_append_val(sw_bps, b);
    }
    return ret;
}

int kvm_arch_breakpoint(CPUState *cs, int type, vaddr addr, vaddr len,
                        bool add)
{
    int ret = 0;

    if (type == 0) {
        ret = sw_breakpoint(cs, addr, add);
    } else if (add) {
        if (hw_bps == ARRAY_SIZE(hw_bp)) {
            return -ENOBUFS;
        }
        if (type == 3 || (type > 1 && ((len & (len - 1)) || len > 8))) {
            return -ENOSYS; /* x86 has no trap on reads alone */
        }
        hw_bp[hw_bps].addr = addr;
        hw_bp[hw_bps].len = len;
        hw_bp[hw_bps++].type = type;
    } else {
        unsigned i = 0;

        while (i < hw_bps && (hw_bp[i].addr != addr || hw_bp[i].type != type)) {
            i++;
        }
        if (i == hw_bps) {
            return -ENOENT;
        }
        hw_bp[i] = hw_bp[--hw_bps];
    }
    CPU_FOREACH(cs) {
        cpu_run_on(cs, update_debug_work, NULL);
    }
    return ret;
}
