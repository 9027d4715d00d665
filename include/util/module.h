/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules announce themselves: block_init(fn) and friends put fn on a list
 * before main(); main() calls the lists in the order of ModuleType.
 * Registration only fills tables: no I/O, no dependence on order in a list.
 */
#ifndef UTIL_MODULE_H
#define UTIL_MODULE_H

typedef enum ModuleType {
    MODULE_OBJECT,  /* object types that are no devices */
    MODULE_BLOCK,   /* block drivers */
    MODULE_CHARDEV,
    MODULE_NETDEV,
    MODULE_DEVICE,  /* devices and buses */
    MODULE_MACHINE,
    MODULE_TYPES
} ModuleType;

void module_register(ModuleType type, void (*fn)(void));
void module_call_init(ModuleType type); /* once each */

#define module_init(fn, type) \
    static void __attribute__((constructor)) module_ctor_##fn(void) \
    { \
        module_register(type, fn); \
    }
#define object_init(fn)  module_init(fn, MODULE_OBJECT)
#define block_init(fn)   module_init(fn, MODULE_BLOCK)
#define chardev_init(fn) module_init(fn, MODULE_CHARDEV)
#define netdev_init(fn)  module_init(fn, MODULE_NETDEV)
#define device_init(fn)  module_init(fn, MODULE_DEVICE)
#define machine_init(fn) module_init(fn, MODULE_MACHINE)

#endif
