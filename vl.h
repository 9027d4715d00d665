/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of main() that have a file of their own. */
#ifndef VL_H
#define VL_H

#include "vmconfig.h"

/* vl-help.c: `help` where a name is expected.  *@done: it was asked for and
 * has been printed. */
bool answer_help(const VMConfig *cfg, bool *done, Error **errp);

/* vl-machine.c: the machine object and what -M, -m, -smp, -boot, -rtc say. */
const MachineInfo *choose_machine(const VMConfig *cfg, Error **errp);
MachineState *make_machine(const VMConfig *cfg, const MachineInfo *mi,
                           Error **errp);
/* vl-firmware.c: -fw_cfg, -smbios, -acpitable, -option-rom. */
bool take_firmware_options(const VMConfig *cfg, Error **errp);
bool make_numa(const VMConfig *cfg, MachineState *m, Error **errp);
bool make_machine_ram(MachineState *m, const VMConfig *cfg, Error **errp);

/* vl-block.c: -blockdev, -drive and the drives a machine has by default. */
bool make_drives(const VMConfig *cfg, const MachineState *m, Error **errp);
bool make_virtio_drives(Error **errp);

/* vl-backends.c: objects, character devices, ports, monitors. */
/* @late: those that name a character device. */
typedef enum ObjectPhase {
    OBJECTS_FIRST, OBJECTS_ON_CHARDEVS, OBJECTS_ON_NETDEVS
} ObjectPhase;
bool make_objects(const VMConfig *cfg, ObjectPhase phase, Error **errp);
bool make_chardevs(const VMConfig *cfg, Error **errp);
bool make_ports(const VMConfig *cfg, MachineState *m, Error **errp);
/* -k, -vnc, and VNC on localhost when no display was asked for. */
bool make_displays(const VMConfig *cfg, Error **errp);
bool make_monitors(const VMConfig *cfg, Error **errp);
/* vl-net.c: back ends of -netdev, -net, -nic; then the cards of the last two
 * and the default one. */
bool make_netdevs(const VMConfig *cfg, MachineState *m, Error **errp);
bool make_nics(MachineState *m, Error **errp);
/* Prints the models when a card's is "help". */
bool nic_help(const VMConfig *cfg);
/* Refuses, naming the option, what no part of this build takes. */
bool refuse_absent(const VMConfig *cfg, Error **errp);

#endif
