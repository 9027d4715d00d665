/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine types: const data, registered by machine_init modules. */
#ifndef HW_BOARDS_H
#define HW_BOARDS_H

#include "hw/qdev.h"
#include "exec/memory.h"
#include "hw/core/numa.h"

typedef struct MachineInfo MachineInfo;

typedef struct CpuTopology {
    unsigned cpus, max_cpus;
    unsigned sockets, dies, cores, threads;
} CpuTopology;

/* -rtc, as the RTC device wants it. */
typedef struct RTCConfig {
    /* What the guest's clock shows less the host's UTC, at start, in s. */
    int64_t offset;
    bool base_date;     /* base=DATE: time starts there, whatever the host's */
    int64_t base_epoch; /* then: seconds since 1970 */
    ClockType clock;    /* CLOCK_HOST, _REALTIME_NS or _VIRTUAL */
    bool slew;          /* driftfix=slew */
} RTCConfig;

struct Chardev;
enum { MACHINE_SERIALS = 4, MACHINE_PARALLELS = 3 };

/* The machine object, /machine; machine types embed it first. */
struct MachineState {
    Object obj;
    const MachineInfo *info;
    CpuTopology smp;
    NumaState numa;
    uint64_t ram_size, max_ram_size; /* bytes */
    uint64_t ram_slots;
    MemoryRegion *ram;       /* the main memory; made before .init */
    char *cpu_type;          /* "qemu64-x86_64-cpu" */
    char *cpu_features;      /* what follows the name in -cpu, or NULL */
    /* Properties of -machine. */
    char *firmware;          /* -bios */
    char *kernel, *initrd, *append, *dtb;
    char *memory_backend;    /* id of an -object */
    bool usb, graphics, dump_guest_core, mem_merge;
    char *accel_list;        /* accel=kvm:tcg */
    /* From -boot. */
    char *boot_order, *boot_once, *boot_splash, *boot_rom_timeout;
    bool boot_menu, boot_strict;
    int64_t boot_splash_time, boot_reboot_timeout; /* ms, -1: not given */
    bool defaults;           /* not -nodefaults */
    UUID uuid;
    bool uuid_set;
    char *name;              /* -name guest= */
    RTCConfig rtc;
    /* Back ends of the board's own ports; NULL: the port is not there. */
    struct Chardev *serial[MACHINE_SERIALS], *parallel[MACHINE_PARALLELS];
    char *vga;               /* -vga, or the type's default; "none" */
    /* What nobody asked for but a machine has by default. */
    bool default_floppy, default_cdrom, default_net;
};

typedef struct CompatProp {
    const char *type, *prop, *value; /* NULL type ends a table */
} CompatProp;

struct MachineInfo {
    const char *name;        /* "pc-i440fx-7.2" */
    const char *alias;       /* "pc" */
    const char *desc;
    bool is_default, deprecated;
    const char *deprecation_reason;
    size_t size;             /* of the state */
    const Property *props;   /* of -machine NAME, besides the common ones */
    unsigned max_cpus;       /* 0: no CPU */
    uint64_t default_ram_size;
    const char *default_ram_id;   /* "pc.ram", NULL: none */
    const char *default_cpu;      /* "qemu64-x86_64-cpu" */
    const char *default_nic;
    const char *default_display;  /* "std" for -vga */
    bool has_hotpluggable_cpus, numa_mem_supported;
    bool no_floppy, no_cdrom, no_serial, no_parallel; /* default devices */
    const CompatProp *const *compat; /* NULL-terminated list of tables */
    bool (*init)(MachineState *m, Error **errp);
    /* After the user's devices; NULL: nothing. */
    bool (*ready)(MachineState *m, Error **errp);
    void (*reset)(MachineState *m);  /* NULL: system_devices_reset() */
};

void machine_register(const MachineInfo *info);
const MachineInfo *machine_find(const char *name); /* alias too */
void machine_foreach(void (*fn)(const MachineInfo *, void *), void *opaque);
extern MachineState *current_machine;

#endif
