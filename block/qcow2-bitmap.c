/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: persistent dirty bitmaps.  While the image is open for writing they
 * live in memory and the directory says "in use"; closing writes them to new
 * clusters and a new directory, and one header write makes them valid.
 */
#include "osdep.h"
#include "block/qcow2.h"

#define DIR_FIXED 24 /* bytes of a directory entry before its variable parts */
#define TYPE_DIRTY_TRACKING 1

static void free_bitmap(gpointer p)
{
    Qcow2Bitmap *b = p;

    g_free(b->name);
    g_free(b);
}

void qcow2_free_bitmaps(Qcow2State *s)
{
    g_clear_pointer(&s->bitmaps, g_ptr_array_unref);
}

/* ---- the directory -------------------------------------------------------------- */

static bool parse_dir(Qcow2State *s, const uint8_t *dir, uint64_t size,
                      Error **errp)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->nb_bitmaps; i++) {
        const uint8_t *e = dir + at;
        uint32_t extra, name_len;
        uint64_t len;
        Qcow2Bitmap *b;

        if (size - at < DIR_FIXED) {
            error_setg(errp, "Bitmap directory is too short (entry %u)", i);
            return false;
        }
        name_len = e[18] << 8 | e[19];
        extra = get_be32(e + 20);
        len = ROUND_UP((uint64_t)DIR_FIXED + extra + name_len, 8);
        if (len > size - at || name_len == 0 || name_len > 1023) {
            error_setg(errp, "Bitmap directory entry %u is invalid "
                       "(extra_data_size %u, name_size %u)", i, extra,
                       name_len);
            return false;
        }
        if (e[16] != TYPE_DIRTY_TRACKING || e[17] < 9 || e[17] > 31) {
            error_setg(errp, "Bitmap directory entry %u: unsupported type %u "
                       "or granularity 2^%u", i, e[16], e[17]);
            return false;
        }
        b = g_new0(Qcow2Bitmap, 1);
        b->table_offset = get_be64(e);
        b->table_size = get_be32(e + 8);
        b->flags = get_be32(e + 12);
        b->granularity_bits = e[17];
        b->name = g_strndup((const char *)e + DIR_FIXED + extra, name_len);
        b->dir_at = at;
        g_ptr_array_add(s->bitmaps, b);
        if (b->table_size > QCOW2_MAX_BITMAP_TABLE ||
            qcow2_into_cluster(s, b->table_offset)) {
            error_setg(errp, "Bitmap '%s' has an invalid table (offset %#"
                       PRIx64 ", %u entries)", b->name, b->table_offset,
                       b->table_size);
            return false;
        }
        if (extra) { /* of a kind that nobody knows yet */
            b->flags |= BITMAP_IN_USE;
        }
        at += len;
    }
    return true;
}

bool qcow2_read_bitmap_dir(Qcow2State *s, Error **errp)
{
    g_autofree uint8_t *dir = NULL;
    int ret;

    if (s->bitmaps) {
        return true;
    }
    s->bitmaps = g_ptr_array_new_with_free_func(free_bitmap);
    if (s->nb_bitmaps == 0) {
        return true;
    }
    dir = g_try_malloc(MAX(s->bitmap_dir_size, 1));
    ret = dir ? node_pread(qcow2_file(s), s->bitmap_dir_offset, dir,
                           s->bitmap_dir_size) : -ENOMEM;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to read the bitmap directory");
    }
    if (ret < 0 || !parse_dir(s, dir, s->bitmap_dir_size, errp)) {
        qcow2_free_bitmaps(s);
        return false;
    }
    return true;
}

/* ---- loading -------------------------------------------------------------------- */

static int load_bits(Qcow2State *s, Qcow2Bitmap *b, DirtyBitmap *bm)
{
    uint64_t bytes = DIV_ROUND_UP(DIV_ROUND_UP(bm->size, bm->granularity), 8);
    uint64_t need = DIV_ROUND_UP(bytes, s->cluster_size);
    g_autofree uint64_t *table = NULL;
    g_autofree uint8_t *bits = NULL;
    int ret;

    if (b->table_size != need) {
        return -EINVAL;
    }
    table = g_try_new(uint64_t, MAX(need, 1));
    bits = g_try_malloc0(ROUND_UP(bytes, 8) + 8);
    if (!table || !bits) {
        return -ENOMEM;
    }
    ret = node_pread(qcow2_file(s), b->table_offset, table, need * 8);
    for (uint64_t i = 0; i < need && ret == 0; i++) {
        uint64_t e = be64toh(table[i]), at = i * s->cluster_size;
        uint64_t len = MIN(s->cluster_size, bytes - at);

        if (e & QCOW2_OFFSET) {
            if (qcow2_into_cluster(s, e)) {
                return -EINVAL;
            }
            ret = node_pread(qcow2_file(s), e, bits + at, len);
        } else if (e & 1) {
            memset(bits + at, 0xff, len);
        }
    }
    if (ret < 0) {
        return ret;
    }
    for (uint64_t i = 0, n = DIV_ROUND_UP(bm->size, bm->granularity); i < n;) {
        uint64_t from;

        while (i < n && !(bits[i / 8] >> (i % 8) & 1)) {
            i += bits[i / 8] == 0 ? 8 - i % 8 : 1;
        }
        from = i;
        while (i < n && (bits[i / 8] >> (i % 8) & 1)) {
            i++;
        }
        if (from < i) {
            dirty_bitmap_set(bm, from * bm->granularity,
                             MIN(i * bm->granularity, bm->size) -
                                 from * bm->granularity);
        }
    }
    return 0;
}

/* The flags in the file, where they stand. */
static int write_flags(Qcow2State *s)
{
    int ret = 0;

    for (guint i = 0; i < s->bitmaps->len && ret == 0; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        uint8_t be[4];

        put_be32(be, b->flags);
        ret = node_pwrite(qcow2_file(s), s->bitmap_dir_offset + b->dir_at + 12,
                          be, 4);
    }
    return ret < 0 ? ret : node_flush(qcow2_file(s));
}

bool qcow2_load_bitmaps(Qcow2State *s, Error **errp)
{
    BlockNode *n = s->n;
    bool write = !node_is_read_only(n);

    if ((n->flags & (BLK_O_CHECK | BLK_O_INACTIVE)) || s->nb_bitmaps == 0 ||
        !(s->autoclear & AUTOCLEAR_BITMAPS)) {
        if (s->nb_bitmaps && write && !(n->flags & BLK_O_CHECK)) {
            warn_report("%s: the image was written by a program that does not "
                        "know dirty bitmaps; they are not valid any more",
                        n->filename);
            s->nb_bitmaps = 0; /* their clusters leak until a repair */
        }
        return true;
    }
    if (!qcow2_read_bitmap_dir(s, errp)) {
        return false;
    }
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        DirtyBitmap *bm = dirty_bitmap_find(n, b->name);
        int ret;

        if (bm) { /* reopened: it is in memory already */
            b->flags |= write ? BITMAP_IN_USE : 0;
            continue;
        }
        bm = dirty_bitmap_new(n, b->name, 1u << b->granularity_bits, errp);
        if (!bm) {
            return false;
        }
        bm->persistent = true;
        bm->enabled = b->flags & BITMAP_AUTO;
        bm->inconsistent = b->flags & BITMAP_IN_USE;
        if (bm->inconsistent) {
            bm->enabled = false;
            continue;
        }
        ret = load_bits(s, b, bm);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not read bitmap '%s' from the "
                             "image", b->name);
            return false;
        }
        if (write) {
            b->flags |= BITMAP_IN_USE;
        }
    }
    if (write) {
        int ret = write_flags(s);

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not mark bitmaps as in use");
            return false;
        }
    }
    return true;
}

/* ---- storing -------------------------------------------------------------------- */

/* What the directory and the tables that it names occupy is free. */
static bool unref_all(Qcow2Txn *t, Error **errp)
{
    Qcow2State *s = t->s;

    if (s->nb_bitmaps == 0) {
        return true;
    }
    if (!qcow2_read_bitmap_dir(s, errp)) {
        return false;
    }
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        g_autofree uint64_t *table = g_try_new(uint64_t,
                                               MAX(b->table_size, 1));
        int ret = table ? node_pread(qcow2_file(s), b->table_offset, table,
                                     (size_t)b->table_size * 8) : -ENOMEM;

        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not read the table of bitmap "
                             "'%s'", b->name);
            return false;
        }
        for (uint32_t j = 0; j < b->table_size; j++) {
            uint64_t e = be64toh(table[j]) & QCOW2_OFFSET;

            if (e && !qcow2_txn_ref(t, e, s->cluster_size, -1, errp)) {
                return false;
            }
        }
        if (!qcow2_txn_ref(t, b->table_offset, (uint64_t)b->table_size * 8, -1,
                           errp)) {
            return false;
        }
    }
    return qcow2_txn_ref(t, s->bitmap_dir_offset, s->bitmap_dir_size, -1,
                         errp);
}

static bool write_bits(Qcow2Txn *t, DirtyBitmap *bm, uint64_t *table_offset,
                       uint32_t *table_size, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t bytes = DIV_ROUND_UP(DIV_ROUND_UP(bm->size, bm->granularity), 8);
    uint64_t n = DIV_ROUND_UP(bytes, s->cluster_size);
    g_autofree uint64_t *table = g_new0(uint64_t, MAX(n, 1));
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    int64_t at;

    if (n > QCOW2_MAX_BITMAP_TABLE) {
        error_setg(errp, "Bitmap '%s' is too large for the image", bm->name);
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len = MIN(s->cluster_size, bytes - i * s->cluster_size);
        int ret;

        memset(buf, 0, s->cluster_size);
        memcpy(buf, (uint8_t *)bm->bits + i * s->cluster_size, len);
        if (buffer_is_zero(buf, len)) {
            continue;
        }
        at = qcow2_txn_alloc(t, s->cluster_size, errp);
        if (at < 0) {
            return false;
        }
        ret = node_pwrite(qcow2_file(s), at, buf, s->cluster_size);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not write bitmap '%s'",
                             bm->name);
            return false;
        }
        table[i] = at;
    }
    at = qcow2_txn_alloc(t, MAX(n * 8, 1), errp);
    if (at < 0 || !qcow2_txn_write_table(t, at, table, n, errp)) {
        return false;
    }
    *table_offset = at;
    *table_size = n;
    return true;
}

static bool keep(const DirtyBitmap *bm)
{
    return bm->name && bm->persistent && !bm->skip_store;
}

/* All that shall persist: data, tables, directory. */
static bool write_all(Qcow2Txn *t, Error **errp)
{
    static const uint8_t pad[8];
    Qcow2State *s = t->s;
    GByteArray *dir = g_byte_array_new();
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_bitmap);
    DirtyBitmap *bm;
    int64_t at = 0;
    int ret = 0;

    list_foreach (bm, &s->n->bitmaps, node) {
        uint8_t e[DIR_FIXED] = { 0 };
        size_t len;
        Qcow2Bitmap *b;

        if (!keep(bm)) {
            continue;
        }
        b = g_new0(Qcow2Bitmap, 1);
        g_ptr_array_add(list, b);
        b->name = g_strdup(bm->name);
        b->granularity_bits = __builtin_ctz(bm->granularity);
        b->flags = (bm->enabled ? BITMAP_AUTO : 0) |
                   (bm->inconsistent ? BITMAP_IN_USE : 0);
        b->dir_at = dir->len;
        if (!write_bits(t, bm, &b->table_offset, &b->table_size, errp)) {
            g_byte_array_unref(dir);
            return false;
        }
        len = strlen(b->name);
        put_be64(e, b->table_offset);
        put_be32(e + 8, b->table_size);
        put_be32(e + 12, b->flags);
        e[16] = TYPE_DIRTY_TRACKING;
        e[17] = b->granularity_bits;
        e[18] = len >> 8;
        e[19] = len;
        g_byte_array_append(dir, e, sizeof(e));
        g_byte_array_append(dir, (const uint8_t *)b->name, len);
        g_byte_array_append(dir, pad, ROUND_UP(dir->len, 8) - dir->len);
    }
    if (dir->len) {
        at = qcow2_txn_alloc(t, dir->len, errp);
        if (at >= 0) {
            ret = node_pwrite(qcow2_file(s), at, dir->data, dir->len);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Could not write bitmap directory");
        }
    }
    if (at < 0 || ret < 0) {
        g_byte_array_unref(dir);
        return false;
    }
    qcow2_free_bitmaps(s);
    s->bitmaps = g_steal_pointer(&list);
    s->nb_bitmaps = s->bitmaps->len;
    s->bitmap_dir_offset = at;
    s->bitmap_dir_size = dir->len;
    g_byte_array_unref(dir);
    if (s->nb_bitmaps) {
        s->autoclear |= AUTOCLEAR_BITMAPS;
    } else {
        s->autoclear &= ~(uint64_t)AUTOCLEAR_BITMAPS;
    }
    return true;
}

bool qcow2_store_bitmaps(Qcow2State *s, Error **errp)
{
    bool any = s->bitmaps && s->bitmaps->len, ok;
    DirtyBitmap *bm;
    Qcow2Txn *t;

    if (s->n->flags & BLK_O_CHECK) {
        return true;
    }
    list_foreach (bm, &s->n->bitmaps, node) {
        any |= keep(bm);
    }
    if (!any || s->version < 3) {
        return true;
    }
    mutex_lock(&s->lock);
    t = qcow2_txn_begin(s, s->refcount_order, true, errp);
    ok = t != NULL;
    if (ok) {
        t->full_header = true;
        ok = unref_all(t, errp) && write_all(t, errp);
        if (ok) {
            ok = qcow2_txn_commit(t, errp);
        } else {
            qcow2_txn_free(t);
        }
    }
    mutex_unlock(&s->lock);
    return ok;
}

/* ---- facts ------------------------------------------------------------------------ */

bool qcow2_can_store_bitmap(BlockNode *n, const char *name,
                            uint32_t granularity, Error **errp)
{
    Qcow2State *s = n->state;
    DirtyBitmap *bm;
    unsigned count = 0;

    if (s->version < 3) {
        error_setg(errp, "Cannot store dirty bitmaps in qcow2 v2 files");
        return false;
    }
    if (strlen(name) > 1023) {
        error_setg(errp, "Name length exceeds maximum (1023 characters)");
        return false;
    }
    if (granularity < 512 || granularity > (1u << 31)) {
        error_setg(errp, "Granularity must be between 512 bytes and 2 GiB");
        return false;
    }
    list_foreach (bm, &n->bitmaps, node) {
        count += keep(bm);
    }
    if (count >= QCOW2_MAX_BITMAPS) {
        error_setg(errp, "Maximum number of persistent bitmaps is already "
                   "reached");
        return false;
    }
    return true;
}

/* The directory follows when the image is closed. */
bool qcow2_remove_bitmap(BlockNode *n, const char *name, Error **errp)
{
    DirtyBitmap *bm = dirty_bitmap_find(n, name);

    if (bm) {
        bm->skip_store = true;
    }
    return true;
}

QObject *qcow2_bitmap_info(Qcow2State *s)
{
    QObject *list;

    if (s->nb_bitmaps == 0 || !(s->autoclear & AUTOCLEAR_BITMAPS) ||
        !qcow2_read_bitmap_dir(s, NULL)) {
        return NULL;
    }
    list = qlist_new();
    for (guint i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        QObject *d = qdict_new(), *flags = qlist_new();

        if (b->flags & BITMAP_IN_USE) {
            qlist_append(flags, qstring_new("in-use"));
        }
        if (b->flags & BITMAP_AUTO) {
            qlist_append(flags, qstring_new("auto"));
        }
        qdict_put(d, "flags", flags);
        qdict_put_str(d, "name", b->name);
        qdict_put_int(d, "granularity", INT64_C(1) << b->granularity_bits);
        qlist_append(list, d);
    }
    return list;
}
