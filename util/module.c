/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "util/module.h"

typedef struct Module {
    void (*fn)(void);
    struct Module *next;
} Module;

static Module *modules[MODULE_TYPES];

void module_register(ModuleType type, void (*fn)(void))
{
    Module *m = g_new(Module, 1);

    m->fn = fn;
    m->next = modules[type];
    modules[type] = m;
}

void module_call_init(ModuleType type)
{
    Module *m = modules[type];

    modules[type] = NULL;
    while (m) {
        Module *next = m->next;

        m->fn();
        g_free(m);
        m = next;
    }
}
