/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The human monitor: tables of commands, and what their handlers may use.
 * Handlers call the same qmp_*() bodies that QMP does, and print.
 * Main thread.
 */
#ifndef HMP_INT_H
#define HMP_INT_H

#include "monitor-int.h"

typedef struct Hmp Hmp;

/*
 * A row of a table.  @args is a list of "name:type", '?' after the type makes
 * it optional, "-x:name" is a flag (true when given).  What a handler finds in
 * its dict:
 *   str, file   string: a word, "quotes" and \ as in C
 *   rest        string: everything to the end of the line
 *   opts        dict of a `key=value,...` word
 *   int         integer that fits 32 bits, from an expression
 *   expr        integer, from an expression
 *   size, mib   integer, bytes; a plain number counts 1 B / 1 MiB
 *   number      float
 *   bool        `on` or `off`
 *   fmt         /NFS, as string; "" when absent (then it needs no '?')
 */
typedef struct HmpCommand {
    const char *name;   /* "stop|s" */
    const char *args;
    const char *params; /* for help */
    const char *help;   /* for help */
    void (*run)(Hmp *mon, const QObject *args, Error **errp);
    const struct HmpCommand *sub; /* table for a second word ("info") */
    /* Candidates for argument number @arg (0 the first) that begins with
     * @word; NULL: none. */
    void (*complete)(Hmp *mon, int arg, const char *word);
} HmpCommand;

/* All commands; a row without a name ends each. */
extern const HmpCommand hmp_commands[];
extern const HmpCommand hmp_info_commands[];

void hmp_printf(Hmp *mon, const char *fmt, ...) PRINTF(2, 3);
void hmp_complete_with(Hmp *mon, const char *word, const char *candidate);
/* The CPU that `cpu N` chose, or human-monitor-command's; NULL if there is
 * none (any more). */
struct CPUState *hmp_cpu(Hmp *mon);
bool hmp_set_cpu(Hmp *mon, int64_t index);
void hmp_print_history(Hmp *mon);

/* Parses an expression at *@p and moves it on.  $reg reads hmp_cpu(). */
bool hmp_eval(Hmp *mon, const char **p, int64_t *value, Error **errp);

/* /NFS: how many, how shown (one of "xduoc"), bytes each. */
typedef struct HmpFormat {
    int count, size;
    char format;
} HmpFormat;
bool hmp_parse_format(const char *text, HmpFormat *f, Error **errp);
/* @v as @f says; g_free. */
char *hmp_format_value(const HmpFormat *f, uint64_t v, bool pad);

/* Handlers in hmp-misc.c. */
typedef void HmpHandler(Hmp *mon, const QObject *args, Error **errp);
HmpHandler hmp_help, hmp_print, hmp_xp, hmp_io_read, hmp_io_write, hmp_sum,
    hmp_log, hmp_logfile, hmp_trace_event, hmp_cont, hmp_stop, hmp_quit,
    hmp_system_reset, hmp_system_powerdown, hmp_system_wakeup, hmp_nmi,
    hmp_watchdog_action, hmp_getfd, hmp_closefd, hmp_cpu_select, hmp_pmemsave,
    hmp_info_status, hmp_info_version, hmp_info_name, hmp_info_uuid,
    hmp_info_kvm, hmp_info_jit, hmp_info_history, hmp_info_cpus,
    hmp_info_mtree,
    hmp_info_trace_events, hmp_info_qtree, hmp_balloon, hmp_info_balloon,
    hmp_info_pci, hmp_info_memory_devices, hmp_info_hotpluggable_cpus,
    hmp_info_numa, hmp_info_vm_generation_id;

/* Handlers in block/block-hmp.c. */
HmpHandler hmp_info_block, hmp_info_blockstats, hmp_eject, hmp_change,
    hmp_block_resize, hmp_block_set_io_throttle, hmp_drive_add, hmp_drive_del,
    hmp_commit;

/* Handler in tools/hmp-io.c. */
HmpHandler hmp_qemu_io;

/* Handlers in hmp-cpu.c. */
HmpHandler hmp_info_registers, hmp_info_tlb, hmp_info_mem, hmp_info_lapic,
    hmp_x, hmp_gva2gpa, hmp_memsave, hmp_gdbserver;

/* Handlers in hmp-ui.c. */
HmpHandler hmp_sendkey, hmp_mouse_move, hmp_mouse_button, hmp_mouse_set,
    hmp_screendump, hmp_info_mice, hmp_input_text, hmp_set_password,
    hmp_expire_password, hmp_info_vnc;
/* Handlers in hmp-dev.c. */
HmpHandler hmp_device_add, hmp_device_del, hmp_object_add, hmp_object_del,
    hmp_qom_list, hmp_qom_get, hmp_qom_set, hmp_chardev_add,
    hmp_chardev_change, hmp_chardev_remove, hmp_chardev_send_break,
    hmp_ringbuf_read, hmp_ringbuf_write, hmp_info_qdm, hmp_info_qom_tree,
    hmp_info_iothreads, hmp_info_ramblock, hmp_info_chardev;
void hmp_complete_device(Hmp *mon, int arg, const char *word);
void hmp_complete_object(Hmp *mon, int arg, const char *word);
void hmp_complete_chardev(Hmp *mon, int arg, const char *word);
void hmp_complete_driver(Hmp *mon, int arg, const char *word);
HmpHandler hmp_info_usb;
/* Handlers in hmp-net.c. */
HmpHandler hmp_info_network, hmp_set_link, hmp_netdev_add, hmp_netdev_del,
    hmp_announce_self, hmp_info_usernet, hmp_hostfwd_add, hmp_hostfwd_remove;

#endif
