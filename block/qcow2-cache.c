/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: cache of metadata slices.  A hash by file offset, and a clock hand
 * that looks for a victim.  Clean slices go as they are.  Dirty refcounts may
 * be written at any time; dirty L2 slices only by a writeback, so when all are
 * dirty one is made on the spot - or, while another is under way with the lock
 * dropped, the cache grows past its bound for that long.
 */
#include "osdep.h"
#include "block/qcow2.h"

void qcow2_cache_init(Qcow2Cache *c, const char *what, unsigned bytes,
                      uint64_t max_bytes)
{
    memset(c, 0, sizeof(*c));
    c->what = what;
    c->bytes = bytes;
    c->max = MAX(max_bytes / bytes, 16);
    c->hash_size = 64;
    c->hash = g_new0(Qcow2Slice *, c->hash_size);
}

static unsigned hash_of(const Qcow2Cache *c, uint64_t offset)
{
    uint64_t h = offset / c->bytes * UINT64_C(0x9e3779b97f4a7c15);

    return (h >> 32) & (c->hash_size - 1);
}

static void unhash(Qcow2Cache *c, Qcow2Slice *sl)
{
    Qcow2Slice **p = &c->hash[hash_of(c, sl->offset)];

    while (*p != sl) {
        p = &(*p)->next;
    }
    *p = sl->next;
}

static void enhash(Qcow2Cache *c, Qcow2Slice *sl)
{
    Qcow2Slice **head;

    if (c->used > c->hash_size) { /* grow: chains stay short */
        unsigned old_size = c->hash_size;
        Qcow2Slice **old = c->hash;

        c->hash_size *= 4;
        c->hash = g_new0(Qcow2Slice *, c->hash_size);
        for (unsigned i = 0; i < old_size; i++) {
            for (Qcow2Slice *e = old[i], *next; e; e = next) {
                head = &c->hash[hash_of(c, e->offset)];
                next = e->next;
                e->next = *head;
                *head = e;
            }
        }
        g_free(old);
    }
    head = &c->hash[hash_of(c, sl->offset)];
    sl->next = *head;
    *head = sl;
}

/* Out of the slots and the hash; the memory stays. */
static void take_out(Qcow2Cache *c, Qcow2Slice *sl)
{
    unhash(c, sl);
    qcow2_cache_cleaned(c, sl);
    c->slots[sl->slot] = c->slots[--c->used];
    c->slots[sl->slot]->slot = sl->slot;
}

static void discard(Qcow2Cache *c, Qcow2Slice *sl)
{
    take_out(c, sl);
    free(sl->data);
    g_free(sl);
}

void qcow2_cache_empty(Qcow2Cache *c)
{
    while (c->used > 0) {
        discard(c, c->slots[c->used - 1]);
    }
}

void qcow2_cache_destroy(Qcow2Cache *c)
{
    if (c->hash) {
        qcow2_cache_empty(c);
        g_free(c->slots);
        g_free(c->hash);
        c->slots = c->hash = NULL;
    }
}

int qcow2_cache_write_one(Qcow2State *s, Qcow2Cache *c, Qcow2Slice *sl)
{
    int ret;

    node_debug_event(qcow2_file(s), c == &s->rbc ? "refblock_update_part"
                                                 : "l2_update");
    ret = node_pwrite(qcow2_file(s), sl->offset, sl->data, c->bytes);
    if (ret == 0) {
        qcow2_cache_cleaned(c, sl);
    }
    return ret;
}

/* A slice to use again, unhashed, or NULL: none that may go. */
static int find_victim(Qcow2State *s, Qcow2Cache *c, Qcow2Slice **out)
    REQUIRES(s->lock)
{
    Qcow2Slice *dirty = NULL;

    *out = NULL;
    for (unsigned i = 0; i < 2 * c->used; i++) {
        Qcow2Slice *sl;

        c->hand = c->hand + 1 < c->used ? c->hand + 1 : 0;
        sl = c->slots[c->hand];
        if (sl->pins) {
            continue;
        }
        if (sl->hot) {
            sl->hot = false;
        } else if (!sl->dirty) {
            *out = sl;
            return 0;
        } else if (!dirty) {
            dirty = sl;
            if (c == &s->rbc) {
                break;
            }
        }
    }
    if (!dirty) {
        return 0;
    }
    if (c == &s->rbc) {
        int ret = qcow2_cache_write_one(s, c, dirty);

        *out = ret == 0 ? dirty : NULL;
        return ret;
    }
    if (!s->wb_busy) {
        int ret = qcow2_writeback(s, true, false);

        if (ret < 0) {
            return ret;
        }
        /* All clean now; @dirty was not pinned. */
        *out = dirty;
    }
    return 0;
}

Qcow2Slice *qcow2_cache_peek(Qcow2Cache *c, uint64_t offset)
{
    for (Qcow2Slice *sl = c->hash[hash_of(c, offset)]; sl; sl = sl->next) {
        if (sl->offset == offset) {
            sl->pins++;
            sl->hot = true;
            return sl;
        }
    }
    return NULL;
}

int qcow2_cache_get(Qcow2State *s, Qcow2Cache *c, uint64_t offset, bool blank,
                    Qcow2Slice **out)
{
    Qcow2Slice *sl = qcow2_cache_peek(c, offset);
    int ret = 0;

    if (sl) {
        if (blank) {
            memset(sl->data, 0, c->bytes);
        }
        *out = sl;
        return 0;
    }
    if (c->used >= c->max) {
        ret = find_victim(s, c, &sl);
        if (ret < 0) {
            return ret;
        }
        while (sl && c->used > c->max) { /* it had grown past its bound */
            discard(c, sl);
            ret = find_victim(s, c, &sl);
            if (ret < 0) {
                return ret;
            }
        }
    }
    if (sl) {
        take_out(c, sl);
    } else {
        sl = g_new0(Qcow2Slice, 1);
        sl->data = node_buffer(qcow2_file(s), c->bytes);
        if (!sl->data) {
            g_free(sl);
            return -ENOMEM;
        }
    }
    if (blank) {
        memset(sl->data, 0, c->bytes);
    } else {
        node_debug_event(qcow2_file(s), c == &s->rbc ? "refblock_load"
                                                     : "l2_load");
        ret = node_pread(qcow2_file(s), offset, sl->data, c->bytes);
        if (ret < 0) {
            free(sl->data);
            g_free(sl);
            return ret;
        }
    }
    sl->offset = offset;
    sl->pins = 1;
    sl->dirty = false;
    sl->hot = true;
    if (c->used == c->room) {
        c->room = MAX(16, c->room * 2);
        c->slots = g_renew(Qcow2Slice *, c->slots, c->room);
    }
    sl->slot = c->used;
    c->slots[c->used++] = sl;
    enhash(c, sl);
    *out = sl;
    return 0;
}

void qcow2_cache_forget(Qcow2Cache *c, uint64_t offset, uint64_t bytes)
{
    if (bytes / c->bytes > c->used) {
        for (unsigned i = c->used; i-- > 0;) {
            Qcow2Slice *sl = c->slots[i];

            if (sl->offset >= offset && sl->offset - offset < bytes) {
                discard(c, sl);
            }
        }
        return;
    }
    for (uint64_t at = offset; at < offset + bytes; at += c->bytes) {
        Qcow2Slice *sl = qcow2_cache_peek(c, at);

        if (sl) {
            discard(c, sl);
        }
    }
}

void qcow2_cache_trim(Qcow2Cache *c)
{
    for (unsigned i = c->used; i-- > 0;) {
        Qcow2Slice *sl = c->slots[i];

        if (!sl->hot && !sl->dirty && !sl->pins) {
            discard(c, sl);
        } else {
            sl->hot = false;
        }
    }
}

static int by_offset(const void *a, const void *b)
{
    const Qcow2Slice *x = *(Qcow2Slice *const *)a;
    const Qcow2Slice *y = *(Qcow2Slice *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

GPtrArray *qcow2_cache_list_dirty(Qcow2Cache *c)
{
    GPtrArray *list = g_ptr_array_sized_new(c->dirty);

    for (unsigned i = 0; i < c->used && list->len < c->dirty; i++) {
        if (c->slots[i]->dirty) {
            g_ptr_array_add(list, c->slots[i]);
        }
    }
    if (list->len > 1) {
        qsort(list->pdata, list->len, sizeof(gpointer), by_offset);
    }
    return list;
}
