/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of human monitor commands, in the order help lists them. */
#include "osdep.h"
#include "hmp-int.h"

const HmpCommand hmp_commands[] = {
    { "closefd", "fdname:str", "name",
      "close a descriptor received with getfd", hmp_closefd },
    { "cont|c", "", "", "let the guest run", hmp_cont },
    { "cpu", "index:int", "index", "choose the CPU that commands look at",
      hmp_cpu_select },
    { "getfd", "fdname:str", "name",
      "take a descriptor passed along and call it name", hmp_getfd },
    { "help|?", "name:rest?", "[cmd]", "describe all commands or one",
      hmp_help },
    { "i", "fmt:fmt addr:int", "/fmt addr", "read an I/O port", hmp_io_read },
    { "info", "", "[subcommand]", "show the state of something",
      .sub = hmp_info_commands },
    { "log", "items:str", "item[,...]", "choose what is logged (none: nothing)",
      hmp_log },
    { "logfile", "filename:file", "filename", "log to that file",
      hmp_logfile },
    { "nmi", "", "", "send a non-maskable interrupt", hmp_nmi },
    { "o", "fmt:fmt addr:int val:int", "/fmt addr value",
      "write an I/O port", hmp_io_write },
    { "pmemsave", "val:expr size:expr filename:file", "addr size file",
      "save guest physical memory to a file", hmp_pmemsave },
    { "print|p", "fmt:fmt val:expr", "/fmt expr",
      "print the value of an expression ($name is a CPU register)",
      hmp_print },
    { "quit|q", "", "", "end the emulator", hmp_quit },
    { "stop|s", "", "", "hold the guest", hmp_stop },
    { "sum", "start:expr size:expr", "addr size",
      "16-bit checksum (BSD) of guest physical memory", hmp_sum },
    { "system_powerdown", "", "", "press the power button",
      hmp_system_powerdown },
    { "system_reset", "", "", "reset the machine", hmp_system_reset },
    { "system_wakeup", "", "", "wake a suspended guest", hmp_system_wakeup },
    { "trace-event", "name:str option:bool", "name on|off",
      "switch trace events whose names match", hmp_trace_event },
    { "watchdog_action", "action:str",
      "[reset|shutdown|poweroff|pause|debug|none|inject-nmi]",
      "what an expired watchdog does", hmp_watchdog_action },
    { "xp", "fmt:fmt addr:expr", "/fmt addr",
      "show guest physical memory", hmp_xp },
    { NULL }
};

const HmpCommand hmp_info_commands[] = {
    { "cpus", "", "", "show the CPUs", hmp_info_cpus },
    { "history", "", "", "show the lines typed so far", hmp_info_history },
    { "kvm", "", "", "show whether KVM is in use", hmp_info_kvm },
    { "mtree", "-f:flat", "[-f]",
      "show the memory map (-f: as it is seen, flat)", hmp_info_mtree },
    { "name", "", "", "show the name of the machine", hmp_info_name },
    { "qtree", "", "", "show the devices", hmp_info_qtree },
    { "status", "", "", "show the run state", hmp_info_status },
    { "trace-events", "name:str?", "[name]",
      "show trace events whose names match", hmp_info_trace_events },
    { "uuid", "", "", "show the UUID of the machine", hmp_info_uuid },
    { "version", "", "", "show the version", hmp_info_version },
    { NULL }
};
