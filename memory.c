/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map: the tree of regions, and the flat views made of it.
 *
 *   region tree --render()--> FlatView <-- AddressSpace.view --> listeners
 *   (lock: bql)               (immutable)  (atomic pointer)      (old vs new)
 *
 * 1. The tree changes under the BQL.  Each change ends in a commit, unless a
 *    transaction is open; a commit renders every root again, publishes the
 *    views that came out different, and tells the listeners.
 * 2. A view is immutable.  Readers find it through the atomic pointer, under
 *    rcu_read_lock or with the BQL; the old one goes after a grace period.
 * 3. Address spaces whose roots show the same (bus masters of a machine
 *    without IOMMU) share one view.
 * 4. Nobody waits for the BQL while in an RCU section (memory-access.c).
 */
#include "osdep.h"

#include "memory-int.h"

AddressSpace address_space_memory, address_space_io;
static MemoryRegion system_memory_region, system_io_region;
static ListNode address_spaces = LIST_INIT(address_spaces);

static unsigned transaction_depth;
static bool update_pending;

void (*ram_dirty_sync_hook)(void);

/* Views. */

typedef __int128 wide; /* addresses with room for 2^64 and below 0 */

static wide region_size(const MemoryRegion *mr)
{
    return mr->size == UINT64_MAX ? (wide)1 << 64 : (wide)mr->size;
}

/* Adds what of @mr shows between @lo and @hi to the sorted @out. */
static void render_leaf(GArray *out, MemoryRegion *mr, wide base, wide lo,
                        wide hi, bool readonly)
{
    guint i = 0, n = out->len;

    /* First range that ends at or after lo. */
    while (i < n) {
        guint mid = (i + n) / 2;
        if (g_array_index(out, FlatRange, mid).last < (hwaddr)lo) {
            i = mid + 1;
        } else {
            n = mid;
        }
    }
    /* What is there already has the higher priority: fill the gaps. */
    while (lo < hi) {
        wide gap_end = hi;
        if (i < out->len) {
            FlatRange *r = &g_array_index(out, FlatRange, i);
            if ((wide)r->addr <= lo) {
                lo = (wide)r->last + 1;
                i++;
                continue;
            }
            gap_end = MIN(hi, (wide)r->addr);
        }
        FlatRange fresh = {
            .addr = (hwaddr)lo,
            .last = (hwaddr)(gap_end - 1),
            .mr = mr,
            .offset = (hwaddr)(lo - base),
            .ram = mr->ram,
            .readonly = readonly || mr->kind == MR_ROM,
            .romd = mr->romd,
            .coalesced = mr->coalesced && mr->coalesced->len,
            .dirty_log_mask = mr->dirty_log_mask,
            .priority = mr->priority,
        };
        g_array_insert_val(out, i, fresh);
        i++;
        lo = gap_end;
    }
}

/* Shows @mr, whose first byte is at @base, between @lo and @hi. */
static void render(GArray *out, MemoryRegion *mr, wide base, wide lo, wide hi,
                   bool readonly)
{
    MemoryRegion *sub;

    lo = MAX(lo, base);
    hi = MIN(hi, base + region_size(mr));
    if (!mr->enabled || lo >= hi) {
        return;
    }
    readonly |= mr->readonly;
    if (mr->kind == MR_ALIAS) {
        render(out, mr->alias, base - (wide)mr->alias_offset, lo, hi, readonly);
        return;
    }
    list_foreach(sub, &mr->subregions, node) {
        render(out, sub, base + (wide)sub->addr, lo, hi, readonly);
    }
    if (mr->kind != MR_CONTAINER) {
        render_leaf(out, mr, base, lo, hi, readonly);
    }
}

static bool ranges_join(const FlatRange *a, const FlatRange *b)
{
    return a->last + 1 == b->addr && b->addr && a->mr == b->mr &&
           a->offset + (b->addr - a->addr) == b->offset &&
           a->readonly == b->readonly && a->romd == b->romd &&
           a->coalesced == b->coalesced &&
           a->dirty_log_mask == b->dirty_log_mask;
}

static FlatView *view_new(MemoryRegion *root)
{
    FlatView *v = g_new0(FlatView, 1);
    GArray *a = g_array_new(false, false, sizeof(FlatRange));

    v->root = root;
    if (root) {
        render(a, root, 0, 0, (wide)1 << 64, false);
    }
    for (guint i = 0; i < a->len; i++) {
        FlatRange *r = &g_array_index(a, FlatRange, i);
        FlatRange *prev = &g_array_index(a, FlatRange, v->n ? v->n - 1 : 0);
        if (v->n && ranges_join(prev, r)) {
            prev->last = r->last;
        } else {
            g_array_index(a, FlatRange, v->n) = *r;
            v->n++;
        }
    }
    v->ranges = g_new(FlatRange, MAX(v->n, 1));
    if (v->n) {
        memcpy(v->ranges, a->data, v->n * sizeof(FlatRange));
    }
    g_array_free(a, true);
    return v;
}

static void view_free(void *opaque)
{
    FlatView *v = opaque;

    g_free(v->ranges);
    g_free(v);
}

static void view_unref(FlatView *v)
{
    if (v && --v->ref == 0) {
        rcu_call(view_free, v);
    }
}

/*
 * Roots often are a container around one alias of all memory.  Finds the
 * region whose view is the same as @mr's; NULL: nothing to see.
 */
static MemoryRegion *view_root(MemoryRegion *mr)
{
    while (mr->enabled && !mr->readonly) {
        MemoryRegion *only = NULL, *sub;

        if (mr->kind == MR_ALIAS) {
            if (mr->alias_offset || mr->size < mr->alias->size) {
                return mr;
            }
            only = mr->alias;
        } else if (mr->kind == MR_CONTAINER) {
            unsigned n = 0;
            list_foreach(sub, &mr->subregions, node) {
                if (sub->enabled) {
                    only = sub;
                    n++;
                }
            }
            if (n == 0) {
                return NULL;
            }
            if (n > 1 || only->addr || only->size > mr->size) {
                return mr;
            }
        } else {
            return mr;
        }
        mr = only;
    }
    return mr->enabled ? mr : NULL;
}

const FlatRange *flat_view_find(const FlatView *view, hwaddr addr)
{
    /* Where this thread found something last; checked, so never stale. */
    static _Thread_local const FlatView *last_view;
    static _Thread_local size_t last_index;
    size_t lo = 0, hi = view->n;

    if (last_view == view && last_index < hi) {
        const FlatRange *r = &view->ranges[last_index];
        if (addr >= r->addr && addr <= r->last) {
            return r;
        }
    }
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const FlatRange *r = &view->ranges[mid];
        if (addr < r->addr) {
            hi = mid;
        } else if (addr > r->last) {
            lo = mid + 1;
        } else {
            last_view = view;
            last_index = mid;
            return r;
        }
    }
    return NULL;
}

/* Listeners. */

static MemorySection range_section(const FlatRange *r)
{
    return (MemorySection){
        .mr = r->mr,
        .offset_in_region = r->offset,
        .addr = r->addr,
        .size = r->last - r->addr == UINT64_MAX ? UINT64_MAX
                                                : r->last - r->addr + 1,
        .readonly = r->readonly,
        .romd = r->romd,
    };
}

/* The same range for a listener (whether logged or batched aside)? */
static bool range_same(const FlatRange *a, const FlatRange *b)
{
    return a->addr == b->addr && a->last == b->last && a->mr == b->mr &&
           a->ram == b->ram && a->offset == b->offset &&
           a->readonly == b->readonly && a->romd == b->romd;
}

typedef struct IOEventFD {
    hwaddr addr;
    uint64_t data;
    unsigned size; /* 0: any */
    bool match;
    int fd;
} IOEventFD;

static bool eventfd_equal(const IOEventFD *a, const IOEventFD *b)
{
    return a->addr == b->addr && a->size == b->size && a->match == b->match &&
           (!a->match || a->data == b->data) && a->fd == b->fd;
}

static void listener_eventfd(MemoryListener *l, const FlatRange *r,
                             const IOEventFD *e, bool add)
{
    void (*fn)(MemoryListener *, const MemorySection *, unsigned, bool,
               uint64_t, int) = add ? l->eventfd_add : l->eventfd_del;
    hwaddr in_range = e->addr - r->offset;
    uint64_t size = MAX(e->size, 1);

    if (!fn || e->addr < r->offset || in_range > r->last - r->addr ||
        size - 1 > r->last - r->addr - in_range) {
        return;
    }
    MemorySection s = range_section(r);
    s.addr += in_range;
    s.offset_in_region = e->addr;
    s.size = size;
    fn(l, &s, e->size, e->match, e->data, e->fd);
}

static void listener_range_eventfds(MemoryListener *l, const FlatRange *r,
                                    bool add)
{
    GArray *a = r->mr->ioeventfds;

    for (guint i = 0; a && i < a->len; i++) {
        listener_eventfd(l, r, &g_array_index(a, IOEventFD, i), add);
    }
}

static void listener_add_range(MemoryListener *l, const FlatRange *r)
{
    MemorySection s = range_section(r);

    if (l->region_add) {
        l->region_add(l, &s);
    }
    if (r->dirty_log_mask && l->log_start) {
        l->log_start(l, &s);
    }
    if (r->coalesced && l->coalesced_add) {
        l->coalesced_add(l, &s);
    }
    listener_range_eventfds(l, r, true);
}

static void listener_del_range(MemoryListener *l, const FlatRange *r)
{
    MemorySection s = range_section(r);

    listener_range_eventfds(l, r, false);
    if (r->coalesced && l->coalesced_del) {
        l->coalesced_del(l, &s);
    }
    if (r->dirty_log_mask && l->log_stop) {
        l->log_stop(l, &s);
    }
    if (l->region_del) {
        l->region_del(l, &s);
    }
}

static void listener_keep_range(MemoryListener *l, const FlatRange *was,
                                const FlatRange *r)
{
    MemorySection s = range_section(r);

    if (r->dirty_log_mask && !was->dirty_log_mask && l->log_start) {
        l->log_start(l, &s);
    }
    if (!r->dirty_log_mask && was->dirty_log_mask && l->log_stop) {
        l->log_stop(l, &s);
    }
    if (r->coalesced && !was->coalesced && l->coalesced_add) {
        l->coalesced_add(l, &s);
    }
    if (!r->coalesced && was->coalesced && l->coalesced_del) {
        l->coalesced_del(l, &s);
    }
}

static const FlatRange *view_same_range(const FlatView *v, const FlatRange *r)
{
    const FlatRange *f = v ? flat_view_find(v, r->addr) : NULL;

    return f && range_same(f, r) ? f : NULL;
}

static void listener_update(MemoryListener *l, const FlatView *was,
                            const FlatView *now)
{
    if (l->begin) {
        l->begin(l);
    }
    /* All that goes goes first: slots never overlap. */
    for (size_t i = was ? was->n : 0; i-- > 0;) {
        if (!view_same_range(now, &was->ranges[i])) {
            listener_del_range(l, &was->ranges[i]);
        }
    }
    for (size_t i = 0; now && i < now->n; i++) {
        const FlatRange *r = &now->ranges[i];
        const FlatRange *old = view_same_range(was, r);
        if (old) {
            listener_keep_range(l, old, r);
        } else {
            listener_add_range(l, r);
        }
    }
    if (l->commit) {
        l->commit(l);
    }
}

void memory_listener_register(MemoryListener *l, AddressSpace *as)
{
    ListNode *pos;

    l->as = as;
    for (pos = as->listeners.next; pos != &as->listeners; pos = pos->next) {
        if (list_entry(pos, MemoryListener, node)->priority > l->priority) {
            break;
        }
    }
    list_insert_before(pos, &l->node);
    listener_update(l, NULL, atomic_load(&as->view));
}

void memory_listener_unregister(MemoryListener *l)
{
    if (l->as) {
        listener_update(l, atomic_load(&l->as->view), NULL);
        list_remove(&l->node);
        l->as = NULL;
    }
}

/* Commits. */

static bool views_equal(const FlatView *a, const FlatView *b)
{
    if (a->n != b->n || a->root != b->root) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        const FlatRange *x = &a->ranges[i], *y = &b->ranges[i];
        if (!range_same(x, y) || x->dirty_log_mask != y->dirty_log_mask ||
            x->coalesced != y->coalesced) {
            return false;
        }
    }
    return true;
}

/* The view to show for @as; @fresh holds those of this commit by root. */
static FlatView *view_for(AddressSpace *as, GHashTable *fresh)
{
    MemoryRegion *root = view_root(as->root);
    FlatView *v = g_hash_table_lookup(fresh, root);

    if (!v) {
        FlatView *old = atomic_load(&as->view);
        v = view_new(root);
        if (old && views_equal(old, v)) {
            view_free(v);
            v = old;
        }
        v->ref++; /* the table's */
        g_hash_table_insert(fresh, root, v);
    }
    return v;
}

static void unref_value(gpointer v)
{
    view_unref(v);
}

static void views_update(void)
{
    g_autoptr(GHashTable) fresh =
        g_hash_table_new_full(NULL, NULL, NULL, unref_value);
    AddressSpace *as;
    MemoryListener *l;

    list_foreach(as, &address_spaces, node) {
        FlatView *was = atomic_load(&as->view), *now = view_for(as, fresh);
        if (now == was) {
            continue;
        }
        now->ref++;
        atomic_store_explicit(&as->view, now, memory_order_release);
        list_foreach(l, &as->listeners, node) {
            listener_update(l, was, now);
        }
        view_unref(was);
    }
}

void memory_transaction_begin(void)
{
    transaction_depth++;
}

void memory_transaction_commit(void)
{
    assert(transaction_depth > 0);
    /* A listener may change the map again: no end before all is told. */
    while (transaction_depth == 1 && update_pending) {
        update_pending = false;
        views_update();
    }
    transaction_depth--;
}

/* Notes a change and shows it, if no transaction is open. */
static void memory_changed(void)
{
    update_pending = true;
    if (transaction_depth == 0) {
        memory_transaction_begin();
        memory_transaction_commit();
    }
}

/* Regions. */

static void region_init(MemoryRegion *mr, Object *owner, const char *name,
                        uint64_t size, MemoryRegionKind kind)
{
    *mr = (MemoryRegion){
        .name = g_strdup(name ? name : ""),
        .owner = owner,
        .kind = kind,
        .size = size,
        .enabled = true,
    };
    list_init(&mr->subregions);
    list_init(&mr->node);
}

void memory_region_init(MemoryRegion *mr, Object *owner, const char *name,
                        uint64_t size)
{
    region_init(mr, owner, name, size, MR_CONTAINER);
}

void memory_region_init_io(MemoryRegion *mr, Object *owner,
                           const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size)
{
    region_init(mr, owner, name, size, MR_IO);
    mr->ops = ops;
    mr->opaque = opaque;
}

static bool region_init_ram(MemoryRegion *mr, Object *owner, const char *name,
                            uint64_t size, MemoryRegionKind kind,
                            Error **errp)
{
    region_init(mr, owner, name, size, kind);
    mr->ram = ram_block_new(name, size, false, false, errp);
    if (!mr->ram) {
        memory_region_destroy(mr);
        return false;
    }
    mr->ram->mr = mr;
    return true;
}

bool memory_region_init_ram(MemoryRegion *mr, Object *owner, const char *name,
                            uint64_t size, Error **errp)
{
    return region_init_ram(mr, owner, name, size, MR_RAM, errp);
}

bool memory_region_init_rom(MemoryRegion *mr, Object *owner, const char *name,
                            uint64_t size, Error **errp)
{
    return region_init_ram(mr, owner, name, size, MR_ROM, errp);
}

bool memory_region_init_rom_device(MemoryRegion *mr, Object *owner,
                                   const MemoryRegionOps *ops, void *opaque,
                                   const char *name, uint64_t size,
                                   Error **errp)
{
    if (!region_init_ram(mr, owner, name, size, MR_ROM_DEVICE, errp)) {
        return false;
    }
    mr->ops = ops;
    mr->opaque = opaque;
    mr->romd = true;
    return true;
}

void memory_region_init_ram_block(MemoryRegion *mr, Object *owner,
                                  const char *name, RAMBlock *block)
{
    region_init(mr, owner, name, block->used_length,
                block->readonly ? MR_ROM : MR_RAM);
    mr->ram = block;
    block->mr = mr;
    mr->ram_borrowed = true;
}

void memory_region_init_alias(MemoryRegion *mr, Object *owner,
                              const char *name, MemoryRegion *orig,
                              hwaddr offset, uint64_t size)
{
    region_init(mr, owner, name, size, MR_ALIAS);
    mr->alias = orig;
    mr->alias_offset = offset;
}

void memory_region_destroy(MemoryRegion *mr)
{
    MemoryRegion *sub, *tmp;

    if (!mr->subregions.next) {
        return;
    }
    memory_transaction_begin();
    if (mr->container) {
        memory_region_del_subregion(mr->container, mr);
    }
    list_foreach_safe(sub, tmp, &mr->subregions, node) {
        memory_region_del_subregion(mr, sub);
    }
    memory_transaction_commit();
    if (mr->ram && mr->ram->mr == mr) {
        mr->ram->mr = NULL;
        if (!mr->ram_borrowed) {
            ram_block_free(mr->ram);
        }
    }
    mr->ram = NULL;
    g_clear_pointer(&mr->ioeventfds, g_array_unref);
    g_clear_pointer(&mr->coalesced, g_array_unref);
    g_free((char *)mr->name);
    mr->name = NULL;
}

void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr addr,
                                         MemoryRegion *sub, int priority)
{
    ListNode *pos;

    assert(!sub->container && mr->kind != MR_ALIAS);
    sub->container = mr;
    sub->addr = addr;
    sub->priority = priority;
    for (pos = mr->subregions.next; pos != &mr->subregions; pos = pos->next) {
        if (list_entry(pos, MemoryRegion, node)->priority <= priority) {
            break;
        }
    }
    list_insert_before(pos, &sub->node);
    if (sub->enabled) {
        memory_changed();
    }
}

void memory_region_add_subregion(MemoryRegion *mr, hwaddr addr,
                                 MemoryRegion *sub)
{
    memory_region_add_subregion_overlap(mr, addr, sub, 0);
}

void memory_region_del_subregion(MemoryRegion *mr, MemoryRegion *sub)
{
    assert(sub->container == mr);
    sub->container = NULL;
    list_remove(&sub->node);
    if (sub->enabled) {
        memory_changed();
    }
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        memory_changed();
    }
}

void memory_region_set_address(MemoryRegion *mr, hwaddr addr)
{
    MemoryRegion *container = mr->container;

    if (addr == mr->addr) {
        return;
    }
    mr->addr = addr;
    if (container) {
        /* The latest is in front of its equals. */
        memory_transaction_begin();
        memory_region_del_subregion(container, mr);
        memory_region_add_subregion_overlap(container, addr, mr, mr->priority);
        memory_transaction_commit();
    }
}

void memory_region_set_size(MemoryRegion *mr, uint64_t size)
{
    if (mr->size == size) {
        return;
    }
    if (mr->ram) {
        assert(size <= mr->ram->max_length);
        mr->ram->used_length = size;
    }
    mr->size = size;
    memory_changed();
}

void memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset)
{
    assert(mr->kind == MR_ALIAS);
    if (mr->alias_offset != offset) {
        mr->alias_offset = offset;
        memory_changed();
    }
}

void memory_region_set_readonly(MemoryRegion *mr, bool readonly)
{
    if (mr->readonly != readonly) {
        mr->readonly = readonly;
        memory_changed();
    }
}

void memory_region_rom_device_set_romd(MemoryRegion *mr, bool romd)
{
    assert(mr->kind == MR_ROM_DEVICE);
    if (mr->romd != romd) {
        mr->romd = romd;
        memory_changed();
    }
}

/* The RAM behind @mr, through aliases; *@offset gets what they add. */
static RAMBlock *region_ram(MemoryRegion *mr, hwaddr *offset)
{
    *offset = 0;
    while (mr->kind == MR_ALIAS) {
        *offset += mr->alias_offset;
        mr = mr->alias;
    }
    assert(mr->ram);
    return mr->ram;
}

void *memory_region_ram_ptr(MemoryRegion *mr)
{
    hwaddr offset;
    RAMBlock *b = region_ram(mr, &offset);

    return b->host + offset;
}

/* Dirty logging. */

void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr, uint64_t size)
{
    hwaddr offset;
    RAMBlock *b = region_ram(mr, &offset);

    offset += addr;
    assert(offset <= b->max_length && size <= b->max_length - offset);
    ram_written(b->offset + offset, size);
}

void memory_region_set_log(MemoryRegion *mr, bool log, unsigned client)
{
    uint8_t mask;

    while (mr->kind == MR_ALIAS) {
        mr = mr->alias;
    }
    mask = (uint8_t)(log ? mr->dirty_log_mask | BIT(client)
                         : mr->dirty_log_mask & ~BIT(client));
    if (mask != mr->dirty_log_mask) {
        mr->dirty_log_mask = mask;
        memory_changed();
    }
}

void memory_region_sync_dirty(MemoryRegion *mr, unsigned client)
{
    AddressSpace *as;
    MemoryListener *l;

    while (mr->kind == MR_ALIAS) {
        mr = mr->alias;
    }
    list_foreach(as, &address_spaces, node) {
        FlatView *v = atomic_load(&as->view);
        list_foreach(l, &as->listeners, node) {
            for (size_t i = 0; l->log_sync && i < v->n; i++) {
                const FlatRange *r = &v->ranges[i];
                if (r->mr == mr && r->dirty_log_mask) {
                    MemorySection s = range_section(r);
                    l->log_sync(l, &s);
                }
            }
        }
    }
    if (ram_dirty_sync_hook) {
        ram_dirty_sync_hook();
    }
}

bool memory_region_test_and_clear_dirty(MemoryRegion *mr, hwaddr addr,
                                        uint64_t size, unsigned client)
{
    hwaddr offset;
    RAMBlock *b = region_ram(mr, &offset);

    offset += addr;
    assert(offset <= b->max_length && size <= b->max_length - offset);
    return ram_test_and_clear_dirty(b->offset + offset, size, client);
}

/* Eventfds and batching. */

static void eventfd_tell(MemoryRegion *mr, const IOEventFD *e, bool add)
{
    AddressSpace *as;
    MemoryListener *l;

    list_foreach(as, &address_spaces, node) {
        FlatView *v = atomic_load(&as->view);
        list_foreach(l, &as->listeners, node) {
            for (size_t i = 0; i < v->n; i++) {
                if (v->ranges[i].mr == mr) {
                    listener_eventfd(l, &v->ranges[i], e, add);
                }
            }
        }
    }
}

void memory_region_add_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                               bool match_data, uint64_t data, int fd)
{
    IOEventFD e = { addr, data, size, match_data, fd };

    if (!mr->ioeventfds) {
        mr->ioeventfds = g_array_new(false, false, sizeof(IOEventFD));
    }
    g_array_append_val(mr->ioeventfds, e);
    eventfd_tell(mr, &e, true);
}

void memory_region_del_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                               bool match_data, uint64_t data, int fd)
{
    IOEventFD e = { addr, data, size, match_data, fd };

    for (guint i = 0; mr->ioeventfds && i < mr->ioeventfds->len; i++) {
        if (eventfd_equal(&g_array_index(mr->ioeventfds, IOEventFD, i), &e)) {
            g_array_remove_index(mr->ioeventfds, i);
            eventfd_tell(mr, &e, false);
            return;
        }
    }
}

bool memory_region_signal_eventfd(MemoryRegion *mr, hwaddr addr, uint64_t val,
                                  unsigned size)
{
    for (guint i = 0; mr->ioeventfds && i < mr->ioeventfds->len; i++) {
        const IOEventFD *e = &g_array_index(mr->ioeventfds, IOEventFD, i);
        if (e->addr == addr && (e->size == 0 || e->size == size) &&
            (!e->match || e->data == val)) {
            uint64_t one = 1;
            /* A full counter wakes its reader just as well. */
            ssize_t ret = RETRY_ON_EINTR(write(e->fd, &one, sizeof(one)));
            return ret == sizeof(one) || (ret < 0 && errno == EAGAIN);
        }
    }
    return false;
}

void memory_region_set_coalescing(MemoryRegion *mr)
{
    uint64_t all = mr->size;

    if (!mr->coalesced) {
        mr->coalesced = g_array_new(false, false, sizeof(uint64_t));
    }
    if (mr->coalesced->len == 0) {
        g_array_append_val(mr->coalesced, all);
        memory_changed();
    }
}

void memory_region_clear_coalescing(MemoryRegion *mr)
{
    if (mr->coalesced && mr->coalesced->len) {
        g_array_set_size(mr->coalesced, 0);
        memory_changed();
    }
}

/* Address spaces. */

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
    *as = (AddressSpace){ .name = g_strdup(name), .root = root };
    list_init(&as->listeners);
    list_append(&address_spaces, &as->node);
    /* Readers may come at once, also inside a transaction. */
    FlatView *v = view_new(view_root(root));
    v->ref = 1;
    atomic_store(&as->view, v);
    memory_changed();
}

void address_space_destroy(AddressSpace *as)
{
    MemoryListener *l, *tmp;

    list_foreach_safe(l, tmp, &as->listeners, node) {
        memory_listener_unregister(l);
    }
    list_remove(&as->node);
    view_unref(atomic_exchange(&as->view, NULL));
    rcu_call(g_free, g_steal_pointer(&as->name));
}

void memory_spaces_foreach(void (*fn)(AddressSpace *as, void *opaque),
                           void *opaque)
{
    AddressSpace *as;

    list_foreach(as, &address_spaces, node) {
        fn(as, opaque);
    }
}

MemoryRegion *system_memory(void)
{
    return &system_memory_region;
}

MemoryRegion *system_io(void)
{
    return &system_io_region;
}

void memory_map_init(void)
{
    memory_region_init(&system_memory_region, NULL, "system", UINT64_MAX);
    memory_region_init(&system_io_region, NULL, "io", 65536);
    address_space_init(&address_space_memory, &system_memory_region, "memory");
    address_space_init(&address_space_io, &system_io_region, "I/O");
}
