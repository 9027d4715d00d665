/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The versions of the PC as data.
 *
 * Each table holds what became different with the version after it: machine
 * 6.2 gets the tables 7.1 to 6.2, newest first, so that an older value wins.
 * The values are those that Debian's QEMU 7.2 shows (qom-get on every device
 * of every machine type) for 1.4 to 7.1, and what release notes say of the
 * older ones.  Only what a guest can see stands here; a row about a property
 * that we do not have would be without effect.
 */
#include "osdep.h"
#include "hw/i386/pc-machines.h"

#define QEMU64 "qemu64-x86_64-cpu"

static const CompatProp compat_7_1[] = {
    { "virtio-device", "queue_reset", "off" },
    { "virtio-rng-pci", "vectors", "0" },
    { NULL }
};
static const CompatProp compat_6_0[] = {
    { "e1000", "init-vet", "off" },
    { QEMU64, "family", "6" },
    { QEMU64, "model", "6" },
    { QEMU64, "stepping", "3" },
    { "x86_64-cpu", "x-vendor-cpuid-only", "off" },
    { NULL }
};
static const CompatProp compat_5_2[] = {
    { "virtio-blk-device", "report-discard-granularity", "off" },
    { "virtio-net-pci", "vectors", "3" },
    { NULL }
};
static const CompatProp compat_5_1[] = {
    { "pvpanic", "events", "1" },
    { "virtio-pci", "x-ats-page-aligned", "off" },
    { NULL }
};
static const CompatProp compat_5_0[] = {
    { "virtio-balloon-device", "page-poison", "off" },
    { "vmport", "x-cmds-v2", "off" },
    { "vmport", "x-read-set-eax", "off" },
    { "vmport", "x-report-vmx-type", "off" },
    { "vmport", "x-signal-unsupported-cmd", "off" },
    { NULL }
};
static const CompatProp compat_4_2[] = {
    { "virtio-blk-device", "queue-size", "128" },
    { "virtio-blk-device", "seg-max-adjust", "off" },
    { "virtio-blk-device", "x-enable-wce-if-config-wce", "off" },
    { "virtio-scsi-device", "seg_max_adjust", "off" },
    { "virtio-scsi-device", "virtqueue_size", "128" },
    { NULL }
};
static const CompatProp compat_4_0[] = {
    { "VGA", "edid", "off" },
    { "secondary-vga", "edid", "off" },
    { "virtio-balloon-device", "qemu-4-0-config-size", "on" },
    { NULL }
};
static const CompatProp compat_3_1[] = {
    { "usb-kbd", "serial", "42" },
    { "usb-mouse", "serial", "42" },
    { "usb-tablet", "serial", "42" },
    { "virtio-balloon-device", "qemu-4-0-config-size", "off" },
    { "virtio-blk-device", "discard", "off" },
    { "virtio-blk-device", "write-zeroes", "off" },
    { NULL }
};
static const CompatProp compat_2_12[] = {
    { "hda-audio", "use-timer", "off" },
    { NULL }
};
static const CompatProp compat_2_10[] = {
    { "i440FX-pcihost", "x-pci-hole64-fix", "off" },
    { "virtio-mouse-device", "wheel-axis", "off" },
    { "virtio-tablet-device", "wheel-axis", "off" },
    { NULL }
};
static const CompatProp compat_2_9[] = {
    { "pci-bridge", "shpc", "off" },
    { NULL }
};
static const CompatProp compat_2_8[] = {
    { "cirrus-vga", "vgamem_mb", "8" },
    { "pci-bridge", "shpc", "on" },
    { "x86_64-cpu", "tcg-cpuid", "off" },
    { "x86_64-cpu", "vmware-cpuid-freq", "off" },
    { NULL }
};
static const CompatProp compat_2_7[] = {
    { "ioapic", "version", "0x11" },
    { "x86_64-cpu", "full-cpuid-auto-level", "off" },
    { "x86_64-cpu", "l3-cache", "off" },
    { "virtio-pci", "page-per-vq", "on" },
    { "virtio-serial-device", "emergency-write", "off" },
    { NULL }
};
static const CompatProp compat_2_6[] = {
    { "x86_64-cpu", "cpuid-0xb", "off" },
    { "x86_64-cpu", "fill-mtrr-mask", "off" },
    { "virtio-pci", "disable-modern", "on" },
    { "virtio-blk-device", "any_layout", "off" },
    { NULL }
};
static const CompatProp compat_2_5[] = {
    { "floppy", "drive-type", "144" },
    { "isa-fdc", "fallback", "144" },
    { NULL }
};

/* The version that drives and CPUs told their guests. */
#define TOLD_VERSION(v) \
    { "ide-hd", "ver", v }, { "ide-cd", "ver", v }, { "ide-cf", "ver", v }, \
    { "ide-drive", "ver", v }, { "scsi-hd", "ver", v }, \
    { "scsi-cd", "ver", v }, \
    { QEMU64, "model-id", "QEMU Virtual CPU version " v }, \
    { "qemu32-x86_64-cpu", "model-id", "QEMU Virtual CPU version " v }, \
    { "athlon-x86_64-cpu", "model-id", "QEMU Virtual CPU version " v }

static const CompatProp compat_2_4[] = {
    TOLD_VERSION("2.4.0"),
    { "fw_cfg_io", "dma_enabled", "off" },
    { QEMU64, "abm", "on" },
    { QEMU64, "popcnt", "on" },
    { QEMU64, "sse4a", "on" },
    { "x86_64-cpu", "check", "off" },
    { "virtio-blk-device", "scsi", "on" },
    { NULL }
};
static const CompatProp compat_2_3[] = {
    TOLD_VERSION("2.3.0"),
    { QEMU64, "min-level", "4" },
    { "virtio-balloon-device", "any_layout", "off" },
    { "virtio-rng-device", "any_layout", "off" },
    { "virtio-serial-device", "any_layout", "off" },
    { NULL }
};
static const CompatProp compat_2_2[] = {
    TOLD_VERSION("2.2.0"),
    { NULL }
};
static const CompatProp compat_2_1[] = {
    TOLD_VERSION("2.1.0"),
    { "VGA", "qemu-extended-regs", "off" },
    { "secondary-vga", "qemu-extended-regs", "off" },
    { "intel-hda", "old_msi_addr", "on" },
    { "usb-kbd", "usb_version", "1" },
    { "usb-mouse", "usb_version", "1" },
    { "virtio-scsi-device", "any_layout", "off" },
    { NULL }
};

static const CompatProp compat_2_0[] = {
    TOLD_VERSION("2.0.0"),
    { "PIIX4_PM", "memory-hotplug-support", "off" },
    { "apic", "version", "0x11" },
    { "nec-usb-xhci", "superspeed-ports-first", "off" },
    { "nec-usb-xhci", "force-pcie-endcap", "on" },
    { "pci-serial", "prog_if", "0" },
    { "virtio-net-device", "guest_announce", "off" },
    { NULL }
};
static const CompatProp compat_1_7[] = {
    TOLD_VERSION("1.7.0"),
    { "machine", "firmware", "bios.bin" },
    { "PIIX4_PM", "acpi-pci-hotplug-with-bridge-support", "off" },
    { "usb-device", "msos-desc", "off" },
    { NULL }
};
static const CompatProp compat_1_6[] = {
    TOLD_VERSION("1.6.0"),
    { "e1000", "mitigation", "off" },
    { "i440FX-pcihost", "short_root_bus", "1" },
    { QEMU64, "model", "2" },
    { NULL }
};
static const CompatProp compat_1_5[] = {
    TOLD_VERSION("1.5.0"),
    { "i440FX-pcihost", "short_root_bus", "0" },
    { "x86_64-cpu", "pmu", "on" },
    { "virtio-net-device", "any_layout", "off" },
    { NULL }
};
static const CompatProp compat_1_4[] = {
    TOLD_VERSION("1.4.0"),
    { "e1000", "romfile", "pxe-e1000.rom" },
    { "ne2k_pci", "romfile", "pxe-ne2k_pci.rom" },
    { "pcnet", "romfile", "pxe-pcnet.rom" },
    { "rtl8139", "romfile", "pxe-rtl8139.rom" },
    { "virtio-net-pci", "romfile", "pxe-virtio.rom" },
    { "ide-hd", "discard_granularity", "0" },
    { "scsi-hd", "discard_granularity", "0" },
    { "virtio-blk-device", "discard_granularity", "0" },
    { "virtio-net-device", "ctrl_guest_offloads", "off" },
    { "virtio-serial-pci", "vectors", "0xffffffff" },
    { NULL }
};
static const CompatProp compat_1_3[] = {
    TOLD_VERSION("1.3.0"),
    { "e1000", "autonegotiation", "off" },
    { "usb-tablet", "usb_version", "1" },
    { "virtio-net-device", "ctrl_mac_addr", "off" },
    { "virtio-net-device", "mq", "off" },
    { NULL }
};
static const CompatProp compat_1_2[] = {
    TOLD_VERSION("1.2"),
    { "VGA", "mmio", "off" },
    { "nec-usb-xhci", "msi", "off" },
    { "nec-usb-xhci", "msix", "off" },
    { NULL }
};
static const CompatProp compat_1_1[] = {
    TOLD_VERSION("1.1"),
    { "VGA", "vgamem_mb", "8" },
    { "virtio-blk-device", "config-wce", "off" },
    { "virtio-scsi-device", "hotplug", "off" },
    { "virtio-scsi-device", "param_change", "off" },
    { NULL }
};
static const CompatProp compat_1_0[] = {
    TOLD_VERSION("1.0"),
    { "isa-fdc", "check_media_rate", "off" },
    { "virtio-balloon-pci", "class", "0x0500" },
    { "apic-common", "vapic", "off" },
    { "usb-device", "full-path", "off" },
    { NULL }
};
static const CompatProp compat_0_15[] = {
    TOLD_VERSION("0.15"),
    { NULL }
};
static const CompatProp compat_0_14[] = {
    TOLD_VERSION("0.14"),
    { "virtio-device", "event_idx", "off" },
    { NULL }
};
static const CompatProp compat_0_13[] = {
    TOLD_VERSION("0.13"),
    { "AC97", "use_broken_id", "1" },
    { "pci-device", "command_serr_enable", "off" },
    { "VGA", "rombar", "0" },
    { "virtio-serial-pci", "class", "0x0380" },
    { NULL }
};
static const CompatProp compat_0_12[] = {
    TOLD_VERSION("0.12"),
    { "virtio-serial-device", "max_ports", "1" },
    { "virtio-serial-pci", "vectors", "0" },
    { "usb-mouse", "serial", "1" },
    { "usb-tablet", "serial", "1" },
    { "usb-kbd", "serial", "1" },
    { NULL }
};
static const CompatProp compat_0_11[] = {
    TOLD_VERSION("0.11"),
    { "virtio-blk-pci", "vectors", "0" },
    { "pci-device", "rombar", "0" },
    { NULL }
};
static const CompatProp compat_0_10[] = {
    TOLD_VERSION("0.10"),
    { "virtio-blk-pci", "class", "0x0180" },
    { "virtio-net-pci", "vectors", "0" },
    { NULL }
};
/* RHEL 6's emulator was a 0.12 with much of what came later. */
static const CompatProp compat_rhel6[] = {
    TOLD_VERSION("0.12.1"),
    { NULL }
};

/* Newest first. */
static const CompatProp *const tables[] = {
    compat_7_1, compat_6_0, compat_5_2, compat_5_1, compat_5_0,
    compat_4_2, compat_4_0, compat_3_1, compat_2_12, compat_2_10, compat_2_9,
    compat_2_8, compat_2_7, compat_2_6, compat_2_5, compat_2_4, compat_2_3,
    compat_2_2, compat_2_1,
    compat_2_0, compat_1_7, compat_1_6, compat_1_5, compat_1_4, compat_1_3,
    compat_1_2, compat_1_1, compat_1_0, compat_0_15, compat_0_14, compat_0_13,
    compat_0_12, compat_0_11, compat_0_10,
};

typedef struct PCVersion {
    const char *name;
    const CompatProp *last; /* the last of the tables; NULL: none */
} PCVersion;

#define PC(v, t) { "pc-i440fx-" v, t }

/* Newest first. */
static const PCVersion versions[] = {
    PC("7.2", NULL),         PC("7.1", compat_7_1),
    PC("7.0", compat_7_1),   PC("6.2", compat_7_1),
    PC("6.1", compat_7_1),   PC("6.0", compat_6_0),
    PC("5.2", compat_5_2),   PC("5.1", compat_5_1),
    PC("5.0", compat_5_0),   PC("4.2", compat_4_2),
    PC("4.1", compat_4_2),   PC("4.0", compat_4_0),
    PC("3.1", compat_3_1),   PC("3.0", compat_3_1),
    PC("2.12", compat_2_12), PC("2.11", compat_2_12),
    PC("2.10", compat_2_10), PC("2.9", compat_2_9),
    PC("2.8", compat_2_8),   PC("2.7", compat_2_7),
    PC("2.6", compat_2_6),   PC("2.5", compat_2_5),
    PC("2.4", compat_2_4),   PC("2.3", compat_2_3),
    PC("2.2", compat_2_2),   PC("2.1", compat_2_1),
    PC("2.0", compat_2_0),   PC("1.7", compat_1_7),
    PC("1.6", compat_1_6),   PC("1.5", compat_1_5),
    PC("1.4", compat_1_4),
    { "pc-1.3", compat_1_3 },
    { "pc-1.2", compat_1_2 },
    { "pc-1.1", compat_1_1 },
    { "pc-1.0", compat_1_0 },
    { "pc-0.15", compat_0_15 },
    { "pc-0.14", compat_0_14 },
    { "pc-0.13", compat_0_13 },
    { "pc-0.12", compat_0_12 },
    { "pc-0.11", compat_0_11 },
    { "pc-0.10", compat_0_10 },
    { "rhel6.6.0", compat_0_15 },
    { "rhel6.5.0", compat_0_15 },
    { "rhel6.4.0", compat_0_15 },
    { "rhel6.3.0", compat_0_15 },
    { "rhel6.2.0", compat_0_15 },
    { "rhel6.1.0", compat_0_15 },
    { "rhel6.0.0", compat_0_13 },
};

/* How many tables there are up to @last. */
static unsigned position(const CompatProp *last)
{
    unsigned i = 0;

    while (last && tables[i] != last) {
        i++;
    }
    return last ? i + 1 : 0;
}

/* The tables from the newest to @last, then @more, as MachineInfo wants. */
static const CompatProp *const *tables_until(const CompatProp *last,
                                             const CompatProp *more)
{
    const CompatProp **list = g_new0(const CompatProp *,
                                     ARRAY_SIZE(tables) + 2);
    unsigned n = position(last);

    memcpy(list, tables, n * sizeof(*list));
    list[n] = more;
    return list; /* lives as long as the program */
}
void pc_machines_register(const MachineInfo *base)
{
    for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
        const PCVersion *v = &versions[i];
        MachineInfo *mi = g_new(MachineInfo, 1);
        unsigned at = position(v->last);
        bool rhel = g_str_has_prefix(v->name, "rhel");

        *mi = *base;
        mi->name = v->name;
        mi->alias = i ? NULL : "pc";
        mi->is_default = i == 0;
        mi->compat = tables_until(v->last, rhel ? compat_rhel6 : NULL);
        /* Memory of a NUMA node by its size alone went with 5.1. */
        mi->numa_mem_supported = at >= position(compat_5_0);
        if (at >= position(compat_2_1)) {
            mi->default_display = "cirrus";
        }
        if (at >= position(compat_1_7)) {
            mi->deprecated = true;
            mi->deprecation_reason = "old and unattended - use a newer "
                                     "version instead";
        }
        if (rhel) {
            mi->desc = g_strdup_printf("RHEL %s PC", v->name + 4);
            mi->default_nic = "rtl8139";
        }
        machine_register(mi);
    }
}
