/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps: one bit a granule, set by every write to their node. */
#include "osdep.h"
#include "block/block-int.h"

static uint64_t granules(const DirtyBitmap *b)
{
    return DIV_ROUND_UP(b->size, b->granularity);
}

static size_t words(uint64_t bits)
{
    return DIV_ROUND_UP(bits, 64);
}

DirtyBitmap *dirty_bitmap_find(BlockNode *n, const char *name)
{
    DirtyBitmap *b;

    list_foreach (b, &n->bitmaps, node) {
        if (b->name && !strcmp(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

DirtyBitmap *dirty_bitmap_new(BlockNode *n, const char *name,
                              uint32_t granularity, Error **errp)
{
    DirtyBitmap *b;

    if (name && dirty_bitmap_find(n, name)) {
        error_setg(errp, "Bitmap already exists: %s", name);
        return NULL;
    }
    if (granularity < BLK_SECTOR || (granularity & (granularity - 1))) {
        error_setg(errp, "Granularity must be a power of 2, at least 512");
        return NULL;
    }
    b = g_new0(DirtyBitmap, 1);
    b->owner = n;
    b->name = g_strdup(name);
    b->granularity = granularity;
    b->size = n->length;
    b->enabled = true;
    b->bits = g_try_malloc0(words(granules(b)) * 8 + 8);
    if (!b->bits) {
        error_setg(errp, "Not enough memory for bitmap '%s'",
                   name ? name : "");
        g_free(b->name);
        g_free(b);
        return NULL;
    }
    mutex_lock(&n->lock);
    list_append(&n->bitmaps, &b->node);
    n->nbitmaps++;
    mutex_unlock(&n->lock);
    return b;
}

void dirty_bitmap_free(DirtyBitmap *b)
{
    mutex_lock(&b->owner->lock);
    list_remove(&b->node);
    b->owner->nbitmaps--;
    mutex_unlock(&b->owner->lock);
    g_free(b->bits);
    g_free(b->name);
    g_free(b);
}

/* Under the owner's lock. */
static void change(DirtyBitmap *b, uint64_t first, uint64_t last, bool set)
{
    for (uint64_t i = first; i < last;) {
        uint64_t *w = &b->bits[i / 64];
        unsigned low = i % 64, n = MIN(64 - low, last - i);
        uint64_t mask = (n == 64 ? ~UINT64_C(0) : BIT(n) - 1) << low;
        uint64_t now = set ? *w | mask : *w & ~mask;

        b->count += __builtin_popcountll(now);
        b->count -= __builtin_popcountll(*w);
        *w = now;
        i += n;
    }
}

static uint64_t end_of(const DirtyBitmap *b, uint64_t offset, uint64_t bytes)
{
    return bytes > b->size || offset > b->size - bytes ? b->size
                                                       : offset + bytes;
}

static void set_locked(DirtyBitmap *b, uint64_t offset, uint64_t bytes)
{
    if (offset < b->size && bytes > 0) {
        change(b, offset / b->granularity,
               DIV_ROUND_UP(end_of(b, offset, bytes), b->granularity), true);
    }
}

void dirty_bitmap_set(DirtyBitmap *b, uint64_t offset, uint64_t bytes)
{
    mutex_lock(&b->owner->lock);
    set_locked(b, offset, bytes);
    mutex_unlock(&b->owner->lock);
}

/* Only whole granules become clean (the last one may be short). */
void dirty_bitmap_reset(DirtyBitmap *b, uint64_t offset, uint64_t bytes)
{
    uint64_t end, first;

    mutex_lock(&b->owner->lock);
    if (offset < b->size) {
        end = end_of(b, offset, bytes);
        first = DIV_ROUND_UP(offset, b->granularity);
        end = end == b->size ? granules(b) : end / b->granularity;
        if (first < end) {
            change(b, first, end, false);
        }
    }
    mutex_unlock(&b->owner->lock);
}

bool dirty_bitmap_get(DirtyBitmap *b, uint64_t offset)
{
    uint64_t i = offset / b->granularity;
    bool set;

    mutex_lock(&b->owner->lock);
    set = offset < b->size && (b->bits[i / 64] >> (i % 64) & 1);
    mutex_unlock(&b->owner->lock);
    return set;
}

uint64_t dirty_bitmap_next(DirtyBitmap *b, uint64_t offset, bool dirty)
{
    uint64_t i = offset / b->granularity, n = granules(b);
    uint64_t found = UINT64_MAX;

    mutex_lock(&b->owner->lock);
    while (i < n) {
        uint64_t w = b->bits[i / 64];

        w = (dirty ? w : ~w) >> (i % 64);
        if (w) {
            i += __builtin_ctzll(w);
            if (i < n) {
                found = MAX(i * b->granularity, offset);
            }
            break;
        }
        i = ROUND_DOWN(i, 64) + 64;
    }
    mutex_unlock(&b->owner->lock);
    return found;
}

void node_bitmaps_mark(BlockNode *n, uint64_t offset, uint64_t bytes)
{
    DirtyBitmap *b;

    mutex_lock(&n->lock);
    list_foreach (b, &n->bitmaps, node) {
        if (b->enabled && !b->inconsistent) {
            set_locked(b, offset, bytes);
        }
    }
    mutex_unlock(&n->lock);
}

void node_bitmaps_resize(BlockNode *n, uint64_t bytes)
{
    DirtyBitmap *b;

    mutex_lock(&n->lock);
    list_foreach (b, &n->bitmaps, node) {
        uint64_t old = granules(b), now = DIV_ROUND_UP(bytes, b->granularity);

        if (now < old) {
            change(b, now, old, false);
        } else {
            b->bits = g_realloc(b->bits, words(now) * 8 + 8);
            memset(b->bits + words(old), 0, (words(now) - words(old)) * 8);
        }
        b->size = bytes;
    }
    mutex_unlock(&n->lock);
}
