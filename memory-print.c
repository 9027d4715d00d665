/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info mtree [-f]`: the region trees, or what the views show of them. */
#include "osdep.h"

#include "memory-int.h"

static const char *region_type(const MemoryRegion *mr)
{
    bool readonly = mr->readonly;

    while (mr->kind == MR_ALIAS) {
        mr = mr->alias;
        readonly |= mr->readonly;
    }
    switch (mr->kind) {
    case MR_RAM:
        return mr->ram_device ? "ramd" : readonly ? "rom" : "ram";
    case MR_ROM:
        return "rom";
    case MR_ROM_DEVICE:
        return "romd";
    default:
        return "i/o";
    }
}

static int by_address(gconstpointer pa, gconstpointer pb)
{
    const MemoryRegion *a = *(MemoryRegion *const *)pa;
    const MemoryRegion *b = *(MemoryRegion *const *)pb;

    if (a->addr != b->addr) {
        return a->addr < b->addr ? -1 : 1;
    }
    return (a->priority < b->priority) - (a->priority > b->priority);
}

/* @targets collects what aliases point at. */
static void print_region(GString *out, MemoryRegion *mr, hwaddr base, int depth,
                         GPtrArray *targets)
{
    g_autoptr(GPtrArray) subs = g_ptr_array_new();
    hwaddr at = base + mr->addr;
    hwaddr last = mr->size ? at + memory_region_last(mr) : at;
    MemoryRegion *sub;

    if (mr->kind == MR_ALIAS &&
        !g_ptr_array_find(targets, mr->alias, NULL)) {
        g_ptr_array_add(targets, mr->alias);
    }
    if (mr->enabled) {
        g_string_append_printf(out, "%*s%016" PRIx64 "-%016" PRIx64
                               " (prio %d, %s): ", depth * 2, "", at, last,
                               mr->priority, region_type(mr));
        if (mr->kind == MR_ALIAS) {
            g_string_append_printf(
                out, "alias %s @%s %016" PRIx64 "-%016" PRIx64 "\n", mr->name,
                mr->alias->name, mr->alias_offset,
                mr->alias_offset + (mr->size ? memory_region_last(mr) : 0));
        } else {
            g_string_append_printf(out, "%s\n", mr->name);
        }
    }
    list_foreach(sub, &mr->subregions, node) {
        g_ptr_array_add(subs, sub);
    }
    g_ptr_array_sort(subs, by_address);
    for (guint i = 0; i < subs->len; i++) {
        print_region(out, g_ptr_array_index(subs, i), at, depth + 1, targets);
    }
}

/* Address spaces in groups that share what @key says of them. */
typedef struct Groups {
    GPtrArray *keys;  /* in order of appearance */
    GPtrArray *lists; /* of GPtrArray of AddressSpace */
    bool flat;
} Groups;

static void group_add(AddressSpace *as, void *opaque)
{
    Groups *g = opaque;
    void *key = g->flat ? (void *)atomic_load(&as->view) : (void *)as->root;
    guint i;

    if (!g_ptr_array_find(g->keys, key, &i)) {
        i = g->keys->len;
        g_ptr_array_add(g->keys, key);
        g_ptr_array_add(g->lists, g_ptr_array_new());
    }
    g_ptr_array_add(g_ptr_array_index(g->lists, i), as);
}

static void print_view(GString *out, guint number, const FlatView *v,
                       const GPtrArray *spaces)
{
    g_string_append_printf(out, "FlatView #%u\n", number);
    for (guint i = 0; i < spaces->len; i++) {
        const AddressSpace *as = g_ptr_array_index(spaces, i);
        g_string_append_printf(out, " AS \"%s\", root: %s", as->name,
                               as->root->name);
        if (as->root->kind == MR_ALIAS) {
            g_string_append_printf(out, ", alias %s", as->root->alias->name);
        }
        g_string_append_c(out, '\n');
    }
    g_string_append_printf(out, " Root memory region: %s\n",
                           v->root ? v->root->name : "(none)");
    if (v->n == 0) {
        g_string_append(out, "  No rendered FlatView\n");
    }
    for (size_t i = 0; i < v->n; i++) {
        const FlatRange *r = &v->ranges[i];
        g_string_append_printf(
            out, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", r->addr,
            r->last, r->priority,
            r->readonly && r->mr->kind == MR_RAM ? "rom" : region_type(r->mr),
            r->mr->name);
        if (r->offset) {
            g_string_append_printf(out, " @%016" PRIx64, r->offset);
        }
        g_string_append_c(out, '\n');
    }
    g_string_append_c(out, '\n');
}

void memory_print_tree(GString *out, bool flat)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    g_autoptr(GPtrArray) lists =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GPtrArray) targets = g_ptr_array_new();
    Groups groups = { keys, lists, flat };

    memory_spaces_foreach(group_add, &groups);
    for (guint i = 0; i < keys->len; i++) {
        const GPtrArray *spaces = g_ptr_array_index(lists, i);
        if (flat) {
            print_view(out, i, g_ptr_array_index(keys, i), spaces);
            continue;
        }
        for (guint j = 0; j < spaces->len; j++) {
            const AddressSpace *as = g_ptr_array_index(spaces, j);
            g_string_append_printf(out, "address-space: %s\n", as->name);
        }
        print_region(out, g_ptr_array_index(keys, i), 0, 1, targets);
        g_string_append_c(out, '\n');
    }
    /* Grows as it goes: targets have aliases in them. */
    for (guint i = 0; !flat && i < targets->len; i++) {
        MemoryRegion *mr = g_ptr_array_index(targets, i);
        g_string_append_printf(out, "memory-region: %s\n", mr->name);
        /* Addresses as its container would show them. */
        print_region(out, mr, 0, 1, targets);
        g_string_append_c(out, '\n');
    }
}
