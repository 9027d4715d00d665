/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The empty machine: no CPU, no bus but the system's, memory when -m asks for
 * it.  Management tools start it to learn what the program can do.
 */
#include "osdep.h"
#include "hw/boards.h"
#include "util/module.h"

static bool null_machine_init(MachineState *m, Error **errp)
{
    if (m->ram) {
        memory_region_add_subregion(system_memory(), 0, m->ram);
    }
    return true;
}

static const MachineInfo null_machine_info = {
    .name = "none",
    .desc = "empty machine",
    .size = sizeof(MachineState),
    .max_cpus = 1,
    .default_ram_size = 0,
    .no_floppy = true,
    .no_cdrom = true,
    .no_serial = true,
    .no_parallel = true,
    .init = null_machine_init,
};

static void null_machine_register(void)
{
    machine_register(&null_machine_info);
}
machine_init(null_machine_register)
