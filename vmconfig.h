/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line as data: options.c fills it, the steps of main() (vl.c)
 * consume it.  Values are checked for their form here; what needs a machine
 * or a subsystem is checked by the step that uses it.  Main thread only.
 */
#ifndef VMCONFIG_H
#define VMCONFIG_H

#include "osdep.h"
#include "hw/boards.h"
#include "util/error.h"
#include "util/qobject.h"

/* One option that may be given several times. */
typedef struct ConfigItem {
    char *loc;      /* "-device ib700,id=w", for messages */
    char *text;     /* the argument as given; NULL: from a config file */
    QObject *opts;  /* parsed; NULL where the text is the form */
} ConfigItem;

typedef struct ConfigList {
    ConfigItem **items;
    size_t n;
} ConfigList;

typedef struct VMConfig {
    /* -M/-machine (merged), without accel= and the accelerator's own. */
    QObject *machine;
    char *machine_loc;
    char *accel_list;          /* machine's accel=A:B, -enable-kvm, ... */
    ConfigList accels;         /* -accel, in order */
    QObject *accel_legacy;     /* kernel_irqchip= and friends of -machine */
    char *cpu;
    QObject *smp, *memory, *boot, *rtc; /* merged over repetitions, or NULL */
    char *mem_path;
    bool mem_prealloc;
    bool perfmap;
    bool mem_lock, cpu_pm;     /* -overcommit */
    ConfigList numa;

    char *name, *process_name;
    bool debug_threads;
    UUID uuid;
    bool uuid_set;
    ConfigList fw_cfg, smbios, acpitable, option_rom;

    /* Back ends and devices, each list in command-line order. */
    ConfigList objects, chardevs, drives, blockdevs, netdevs, nets, nics;
    ConfigList audiodevs, devices, globals;
    ConfigList monitors;       /* -monitor, -qmp, -qmp-pretty: text */
    ConfigList mons;           /* -mon */
    ConfigList serials, parallels, debugcons;
    ConfigList vncs;           /* -vnc, -display vnc=: text */
    QObject *display;          /* last -display, or NULL */
    char *display_loc;
    char *vga, *keyboard;
    bool nographic, snapshot;

    /* What the machine brings of its own accord; -nodefaults and the
     * options and devices that stand for the same thing clear it. */
    bool defaults, user_config;
    bool default_serial, default_parallel, default_monitor, default_net;
    bool default_floppy, default_cdrom, default_sdcard, default_vga;

    /* Running. */
    bool autostart;            /* not -S */
    char *incoming, *loadvm;
    char *gdb, *qtest, *qtest_log;
    int reboot;                /* RebootAction and so on: -action */
    int shutdown;
    int panic;
    int watchdog;
    char *seed;

    /* The process. */
    bool daemonize;
    char *pidfile, *chroot_dir, *runas;
    QObject *sandbox;
    ConfigList add_fds, traces;
    char *log_file, *log_items;
    char *writeconfig;
    GPtrArray *data_dirs;      /* -L, in order */
    int escape_char;           /* -echr */
    bool msg_timestamp, msg_guest_name;
} VMConfig;

/*
 * Parses argv (and the configuration files it names).  *@exit_now is set when
 * the option asked for nothing but text (-help, -version), printed by then.
 */
bool options_parse(VMConfig *cfg, int argc, char **argv, bool *exit_now,
                   Error **errp);
void vmconfig_free(VMConfig *cfg);
/* The table as text (scripts/gen-man.py makes the manual page of it). */
void options_print_help(FILE *f);
/* Options as `query-command-line-options` wants them. */
QObject *options_describe(const char *only);

/* readconfig.c: INI sections, each as if its option had been given. */
bool config_read_file(VMConfig *cfg, const char *path, Error **errp);
bool config_write_file(const VMConfig *cfg, const char *path, Error **errp);
/* One section; used by config_read_file(). */
bool options_add_section(VMConfig *cfg, const char *group, QObject *opts,
                         const char *loc, Error **errp);
void options_foreach_section(const VMConfig *cfg,
                             void (*fn)(const char *group, const QObject *o,
                                        void *opaque),
                             void *opaque);

/* topology.c: QEMU's rules for what -smp and -m leave open. */
bool topology_compute(CpuTopology *out, const QObject *smp,
                      const MachineInfo *mi, Error **errp);
typedef struct MemoryConfig {
    uint64_t size, max_size, slots;
} MemoryConfig;
bool memory_compute(MemoryConfig *out, const QObject *memory,
                    const MachineInfo *mi, Error **errp);
/* -boot's letters; false: an unknown or repeated one. */
bool boot_order_check(const char *order, Error **errp);

/* Appends "; did you mean 'x'?" or the list of valid names to a message. */
char *nearest_hint(const char *word, const char *const *names);

#endif
