/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of machine types.  Each is an object type "NAME-machine" that
 * extends "machine", whose properties every -machine takes.
 */
#include "osdep.h"
#include "hw/boards.h"
#include "util/module.h"

MachineState *current_machine;

static GPtrArray *machines; /* const MachineInfo *, in order of registration */

static const Property machine_props[] = {
    PROP_STR("firmware", MachineState, firmware),
    PROP_STR("kernel", MachineState, kernel),
    PROP_STR("initrd", MachineState, initrd),
    PROP_STR("append", MachineState, append),
    PROP_STR("dtb", MachineState, dtb),
    PROP_STR("memory-backend", MachineState, memory_backend),
    PROP_BOOL("usb", MachineState, usb, false),
    PROP_BOOL("graphics", MachineState, graphics, true),
    PROP_BOOL("dump-guest-core", MachineState, dump_guest_core, true),
    PROP_BOOL("mem-merge", MachineState, mem_merge, true),
    PROP_END(),
};

static void machine_finalize(Object *obj)
{
    MachineState *m = (MachineState *)obj;

    g_free(m->cpu_type);
    g_free(m->cpu_features);
    g_free(m->boot_order);
    g_free(m->boot_once);
    g_free(m->boot_splash);
    g_free(m->boot_rom_timeout);
    g_free(m->accel_list);
    g_free(m->name);
    g_free(m->vga);
    g_free(m->numa.cpu_node);
}

static const ObjectType machine_type = {
    .name = "machine",
    .abstract = true,
    .size = sizeof(MachineState),
    .props = machine_props,
    .finalize = machine_finalize,
};

static void machine_base_register(void)
{
    object_type_register(&machine_type);
}
object_init(machine_base_register)

void machine_register(const MachineInfo *info)
{
    ObjectType *type = g_new0(ObjectType, 1);

    /* Lives as long as the program, like the types that are const data. */
    type->name = g_strdup_printf("%s-machine", info->name);
    type->parent = "machine";
    type->desc = info->desc;
    type->size = info->size;
    type->props = info->props;
    object_type_register(type);
    if (!machines) {
        machines = g_ptr_array_new();
    }
    g_ptr_array_add(machines, (void *)info);
}

const MachineInfo *machine_find(const char *name)
{
    for (guint i = 0; machines && i < machines->len; i++) {
        const MachineInfo *mi = g_ptr_array_index(machines, i);

        if (!strcmp(mi->name, name) || !g_strcmp0(mi->alias, name)) {
            return mi;
        }
    }
    return NULL;
}

void machine_foreach(void (*fn)(const MachineInfo *, void *), void *opaque)
{
    for (guint i = 0; machines && i < machines->len; i++) {
        fn(g_ptr_array_index(machines, i), opaque);
    }
}
