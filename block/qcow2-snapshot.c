/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: internal snapshots.  A snapshot is an L1 table of its own whose L2
 * tables and clusters it shares, by refcount, with the active one.  All changes
 * are transactions (qcow2-txn.c): the flags "refcount is one" of the active
 * tables and the refcounts change at the same instant.
 */
#include "osdep.h"
#include "block/qcow2.h"

#define SN_FIXED 40 /* bytes of an entry before its variable parts */

static void snapshot_clear(Qcow2Snapshot *sn)
{
    g_free(sn->id);
    g_free(sn->name);
    g_free(sn->extra);
}

void qcow2_free_snapshots(Qcow2State *s)
{
    for (unsigned i = 0; s->snapshots && i < s->nb_snapshots; i++) {
        snapshot_clear(&s->snapshots[i]);
    }
    g_clear_pointer(&s->snapshots, g_free);
}

/* ---- the table ---------------------------------------------------------------- */

static bool parse_entry(Qcow2State *s, Qcow2Snapshot *sn, uint64_t *at,
                        unsigned i, Error **errp)
{
    uint8_t h[SN_FIXED];
    g_autofree uint8_t *rest = NULL;
    uint32_t extra, id_len, name_len, known;
    uint64_t len;
    int ret = node_pread(qcow2_file(s), *at, h, sizeof(h));

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to read snapshot table");
        return false;
    }
    sn->l1_offset = get_be64(h);
    sn->l1_size = get_be32(h + 8);
    id_len = h[12] << 8 | h[13];
    name_len = h[14] << 8 | h[15];
    sn->date_sec = get_be32(h + 16);
    sn->date_nsec = get_be32(h + 20);
    sn->vm_clock_nsec = get_be64(h + 24);
    sn->vm_state_size = get_be32(h + 32);
    extra = get_be32(h + 36);
    if (extra > QCOW2_MAX_SNAPSHOT_EXTRA) {
        error_setg(errp, "Snapshot table entry %u: too much extra metadata "
                   "(extra_data_size is %u)", i, extra);
        return false;
    }
    if ((uint64_t)sn->l1_size * 8 > QCOW2_MAX_L1_BYTES ||
        qcow2_into_cluster(s, sn->l1_offset) ||
        sn->l1_offset > (uint64_t)BLK_MAX_LENGTH - QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "Snapshot table entry %u: the L1 table is invalid "
                   "(offset %#" PRIx64 ", %u entries)", i, sn->l1_offset,
                   sn->l1_size);
        return false;
    }
    len = (uint64_t)extra + id_len + name_len;
    rest = g_malloc0(len + 1);
    ret = node_pread(qcow2_file(s), *at + SN_FIXED, rest, len);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to read snapshot table");
        return false;
    }
    sn->disk_size = sn->icount = UINT64_MAX;
    if (extra >= 8) {
        sn->vm_state_size = get_be64(rest);
    }
    if (extra >= 16) {
        sn->disk_size = get_be64(rest + 8);
    }
    if (extra >= 24) {
        sn->icount = get_be64(rest + 16);
    }
    known = MIN(extra, 24);
    sn->extra_size = extra - known;
    sn->extra = g_memdup2(rest + known, sn->extra_size);
    sn->id = g_strndup((char *)rest + extra, id_len);
    sn->name = g_strndup((char *)rest + extra + id_len, name_len);
    *at += ROUND_UP(SN_FIXED + len, 8);
    return true;
}

bool qcow2_read_snapshots(Qcow2State *s, Error **errp)
{
    uint64_t at = s->snapshots_offset;

    if (s->nb_snapshots == 0) {
        return true;
    }
    s->snapshots = g_new0(Qcow2Snapshot, s->nb_snapshots);
    for (unsigned i = 0; i < s->nb_snapshots; i++) {
        if (!parse_entry(s, &s->snapshots[i], &at, i, errp)) {
            return false;
        }
        if (at - s->snapshots_offset > QCOW2_MAX_SNAPSHOT_TABLE) {
            error_setg(errp, "Snapshot table is too large (entry %u)", i);
            return false;
        }
    }
    s->snapshots_bytes = at - s->snapshots_offset;
    return true;
}

static GByteArray *format_table(Qcow2State *s, const Qcow2Snapshot *list,
                                unsigned count)
{
    static const uint8_t pad[8];
    GByteArray *out = g_byte_array_new();

    for (unsigned i = 0; i < count; i++) {
        const Qcow2Snapshot *sn = &list[i];
        uint8_t h[SN_FIXED] = { 0 }, e[24];
        size_t id_len = strlen(sn->id), name_len = strlen(sn->name);
        uint32_t known = sn->icount != UINT64_MAX || sn->extra_size ? 24 : 16;

        put_be64(h, sn->l1_offset);
        put_be32(h + 8, sn->l1_size);
        h[12] = id_len >> 8;
        h[13] = id_len;
        h[14] = name_len >> 8;
        h[15] = name_len;
        put_be32(h + 16, sn->date_sec);
        put_be32(h + 20, sn->date_nsec);
        put_be64(h + 24, sn->vm_clock_nsec);
        put_be32(h + 32, sn->vm_state_size > UINT32_MAX ? 0
                                                        : sn->vm_state_size);
        put_be32(h + 36, known + sn->extra_size);
        put_be64(e, sn->vm_state_size);
        put_be64(e + 8, sn->disk_size == UINT64_MAX ? s->size
                                                    : sn->disk_size);
        put_be64(e + 16, sn->icount);
        g_byte_array_append(out, h, sizeof(h));
        g_byte_array_append(out, e, known);
        g_byte_array_append(out, sn->extra, sn->extra_size);
        g_byte_array_append(out, (const uint8_t *)sn->id, id_len);
        g_byte_array_append(out, (const uint8_t *)sn->name, name_len);
        g_byte_array_append(out, pad, ROUND_UP(out->len, 8) - out->len);
    }
    return out;
}

/* Writes @list as the new table; *offset and *bytes: where. */
static bool write_table(Qcow2Txn *t, const Qcow2Snapshot *list, unsigned count,
                        uint64_t *offset, uint64_t *bytes, Error **errp)
{
    Qcow2State *s = t->s;
    GByteArray *buf = format_table(s, list, count);
    int64_t at = 0;
    int ret = 0;

    *bytes = buf->len;
    if (buf->len > QCOW2_MAX_SNAPSHOT_TABLE) {
        error_setg(errp, "The snapshot table would get too large");
        at = -1;
    } else if (buf->len) {
        at = qcow2_txn_alloc(t, buf->len, errp);
        if (at >= 0) {
            ret = node_pwrite(qcow2_file(s), at, buf->data, buf->len);
        }
    }
    g_byte_array_unref(buf);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the snapshot table");
    }
    *offset = at;
    return at >= 0 && ret == 0 &&
           qcow2_txn_ref(t, s->snapshots_offset, s->snapshots_bytes, -1, errp);
}

/* ---- trees ------------------------------------------------------------------------ */

static uint64_t *read_entries(Qcow2State *s, uint64_t offset, uint64_t entries,
                              Error **errp)
{
    uint64_t *t = g_try_new(uint64_t, MAX(entries, 1));
    int ret = t ? 0 : -ENOMEM;

    if (ret == 0 && entries) {
        ret = node_pread(qcow2_file(s), offset, t, entries * 8);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read metadata");
        g_free(t);
        return NULL;
    }
    for (uint64_t i = 0; i < entries; i++) {
        t[i] = be64toh(t[i]);
    }
    return t;
}

/* A snapshot's L1 table.  Past the end of the file it would read as an empty
 * disk. */
static uint64_t *read_l1(Qcow2State *s, const Qcow2Snapshot *sn, Error **errp)
{
    if (sn->l1_size && sn->l1_offset >= qcow2_file(s)->length) {
        error_setg(errp, "Snapshot '%s': its L1 table (l1_table_offset %#"
                   PRIx64 ") lies past the end of the file", sn->name,
                   sn->l1_offset);
        return NULL;
    }
    return read_entries(s, sn->l1_offset, sn->l1_size, errp);
}

static unsigned step(const Qcow2State *s)
{
    return s->l2_entry_size / 8;
}

/* Counts table @l1_entry and what it refers to. */
static bool ref_table(Qcow2Txn *t, uint64_t l1_entry, int delta,
                      uint64_t **table, Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t at = l1_entry & QCOW2_OFFSET, n = s->cluster_size / 8;
    g_autofree uint64_t *l2 = NULL;

    if (!at) {
        return true;
    }
    if (qcow2_into_cluster(s, at)) {
        error_setg(errp, "L2 table offset %#" PRIx64 " unaligned; repair the "
                   "image first", at);
        return false;
    }
    l2 = read_entries(s, at, n, errp);
    if (!l2 || !qcow2_txn_ref(t, at, s->cluster_size, delta, errp)) {
        return false;
    }
    for (uint64_t i = 0; i < n; i += step(s)) {
        if (l2[i] && !qcow2_txn_ref_entry(t, l2[i], delta, errp)) {
            return false;
        }
    }
    if (table) {
        *table = g_steal_pointer(&l2);
    }
    return true;
}

/* A new place for a table whose one reference moves there. */
static bool move_table(Qcow2Txn *t, uint64_t *l1_entry, const uint64_t *l2,
                       Error **errp)
{
    Qcow2State *s = t->s;
    int64_t at = qcow2_txn_alloc(t, s->cluster_size, errp);

    if (at < 0 || !qcow2_txn_write_table(t, at, l2, s->cluster_size / 8,
                                         errp) ||
        !qcow2_txn_ref(t, *l1_entry & QCOW2_OFFSET, s->cluster_size, -1,
                       errp)) {
        return false;
    }
    *l1_entry = at;
    return true;
}

/*
 * Sets the "refcount is one" flags of an active tree by the new counts.  A
 * table that needs other flags moves.
 */
static bool fix_flags(Qcow2Txn *t, uint64_t *l1, uint32_t entries,
                      Error **errp)
{
    Qcow2State *s = t->s;
    uint64_t n = s->cluster_size / 8;

    for (uint32_t i = 0; i < entries; i++) {
        uint64_t at = l1[i] & QCOW2_OFFSET;
        g_autofree uint64_t *l2 = NULL;
        bool changed = false;

        if (!at) {
            l1[i] = 0;
            continue;
        }
        l2 = read_entries(s, at, n, errp);
        if (!l2) {
            return false;
        }
        for (uint64_t j = 0; j < n; j += step(s)) {
            uint64_t host = l2[j] & QCOW2_OFFSET, now = l2[j] & ~QCOW2_COPIED;

            if (s->data_edge || !l2[j]) {
                continue;
            }
            if (!(l2[j] & QCOW2_COMPRESSED) && host &&
                qcow2_txn_get(t, host >> s->cluster_bits) == 1) {
                now |= QCOW2_COPIED;
            }
            changed |= now != l2[j];
            l2[j] = now;
        }
        l1[i] = at;
        if (changed) {
            if (!move_table(t, &l1[i], l2, errp)) {
                return false;
            }
        }
        if (qcow2_txn_get(t, (l1[i] & QCOW2_OFFSET) >> s->cluster_bits) == 1) {
            l1[i] |= QCOW2_COPIED;
        }
    }
    return true;
}

/* ---- finding ----------------------------------------------------------------------- */

/* By id, by name, or both when both are given; -1: none. */
static int find_snapshot(Qcow2State *s, const char *id, const char *name)
{
    for (unsigned i = 0; i < s->nb_snapshots; i++) {
        if ((!id || !strcmp(s->snapshots[i].id, id)) &&
            (!name || !strcmp(s->snapshots[i].name, name))) {
            return i;
        }
    }
    return -1;
}

static int find_id_or_name(Qcow2State *s, const char *what)
{
    int i = find_snapshot(s, what, NULL);

    return i >= 0 ? i : find_snapshot(s, NULL, what);
}

static bool refuse(Qcow2State *s, Error **errp)
{
    if (s->incompat & INCOMPAT_DATA_FILE) {
        error_setg(errp, "Snapshots are not supported on images with external "
                   "data files");
        return true;
    }
    return false;
}

/* ---- creating ------------------------------------------------------------------------ */

static void new_id(Qcow2State *s, char *id, size_t len)
{
    uint64_t max = 0;

    for (unsigned i = 0; i < s->nb_snapshots; i++) {
        max = MAX(max, g_ascii_strtoull(s->snapshots[i].id, NULL, 10));
    }
    snprintf(id, len, "%" PRIu64, max + 1);
}

static bool do_create(Qcow2State *s, BlockSnapshotInfo *info, Error **errp)
    REQUIRES(s->lock)
{
    Qcow2Txn *t = qcow2_txn_begin(s, s->refcount_order, true, errp);
    g_autofree uint64_t *l1 = NULL;
    Qcow2Snapshot *list;
    Qcow2Snapshot sn = { 0 };
    uint64_t offset, bytes;
    int64_t sn_l1;

    if (!t) {
        return false;
    }
    l1 = g_memdup2(s->l1, MAX((size_t)s->l1_size * 8, 8));
    for (uint32_t i = 0; i < s->l1_size; i++) {
        if (!ref_table(t, l1[i], 1, NULL, errp)) {
            goto fail;
        }
    }
    /* The tables are shared; those with flags move, once for both. */
    for (uint32_t i = 0; i < s->l1_size; i++) {
        uint64_t at = l1[i] & QCOW2_OFFSET, n = s->cluster_size / 8;
        g_autofree uint64_t *l2 = at ? read_entries(s, at, n, errp) : NULL;
        uint64_t flags = 0;

        if (!at) {
            continue;
        }
        if (!l2) {
            goto fail;
        }
        for (uint64_t j = 0; j < n; j += step(s)) {
            flags |= l2[j] & QCOW2_COPIED;
            l2[j] &= ~QCOW2_COPIED;
        }
        l1[i] = at;
        if (flags && (!move_table(t, &l1[i], l2, errp) ||
                      !qcow2_txn_ref(t, at, s->cluster_size, -1, errp) ||
                      !qcow2_txn_ref(t, l1[i], s->cluster_size, 1, errp))) {
            goto fail;
        }
    }
    sn_l1 = qcow2_txn_alloc(t, MAX((uint64_t)s->l1_size * 8, 1), errp);
    if (sn_l1 < 0 || !qcow2_txn_write_table(t, sn_l1, l1, s->l1_size, errp)) {
        goto fail;
    }
    sn = (Qcow2Snapshot){
        .l1_offset = sn_l1, .l1_size = s->l1_size, .id = g_strdup(info->id),
        .name = g_strdup(info->name), .date_sec = info->date_sec,
        .date_nsec = info->date_nsec, .vm_clock_nsec = info->vm_clock_nsec,
        .vm_state_size = info->vm_state_size, .disk_size = s->size,
        .icount = info->icount,
    };
    list = g_new0(Qcow2Snapshot, s->nb_snapshots + 1);
    if (s->nb_snapshots) {
        memcpy(list, s->snapshots, s->nb_snapshots * sizeof(*list));
    }
    list[s->nb_snapshots] = sn;
    if (!write_table(t, list, s->nb_snapshots + 1, &offset, &bytes, errp) ||
        !qcow2_txn_set_l1(t, l1, s->l1_size, errp)) {
        g_free(list);
        snapshot_clear(&sn);
        goto fail;
    }
    g_free(s->snapshots);
    s->snapshots = list;
    s->nb_snapshots++;
    s->snapshots_offset = offset;
    s->snapshots_bytes = bytes;
    return qcow2_txn_commit(t, errp);
fail:
    qcow2_txn_free(t);
    return false;
}

/* The VM state behind the disk's end now belongs to the snapshot alone. */
static bool drop_vmstate(Qcow2State *s, Error **errp) REQUIRES(s->lock)
{
    uint64_t span = BIT(s->cluster_bits + s->l2_bits);
    uint64_t from = ROUND_UP(s->size, span);
    uint64_t to = (uint64_t)s->l1_size * span;
    int ret = 0;

    if (from < to) {
        ret = qcow2_drop_clusters(s, from, to - from, true, FREE_NEVER);
    }
    if (ret == 0) {
        ret = qcow2_writeback(s, true, true);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not drop the VM state's clusters");
    }
    return ret == 0;
}

bool qcow2_snapshot_create(BlockNode *n, BlockSnapshotInfo *info, Error **errp)
{
    Qcow2State *s = n->state;
    bool ok;

    if (refuse(s, errp)) {
        return false;
    }
    if (s->nb_snapshots >= QCOW2_MAX_SNAPSHOTS) {
        error_setg(errp, "Too many snapshots");
        return false;
    }
    new_id(s, info->id, sizeof(info->id));
    mutex_lock(&s->lock);
    ok = do_create(s, info, errp);
    if (ok && info->vm_state_size) {
        ok = drop_vmstate(s, errp);
    }
    mutex_unlock(&s->lock);
    return ok;
}

/* ---- going back ------------------------------------------------------------------------- */

/* @sn's L1, as long as a disk of @size needs. */
static uint64_t *snapshot_l1(Qcow2State *s, const Qcow2Snapshot *sn,
                             uint64_t size, uint32_t *entries, Error **errp)
{
    uint64_t *l1 = read_l1(s, sn, errp);

    if (!l1) {
        return NULL;
    }
    *entries = MAX(sn->l1_size, qcow2_l1_needed(s, size));
    l1 = g_renew(uint64_t, l1, MAX(*entries, 1));
    memset(l1 + sn->l1_size, 0, (size_t)(*entries - sn->l1_size) * 8);
    return l1;
}

static bool do_goto(Qcow2State *s, const Qcow2Snapshot *sn, Error **errp)
    REQUIRES(s->lock)
{
    uint64_t size = sn->disk_size == UINT64_MAX ? s->size : sn->disk_size;
    g_autofree uint64_t *l1 = NULL;
    uint32_t entries;
    Qcow2Txn *t;

    if (size > (uint64_t)BLK_MAX_LENGTH ||
        qcow2_l1_needed(s, size) * 8 > QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "Snapshot '%s' has an impossible disk size: %" PRIu64,
                   sn->name, size);
        return false;
    }
    l1 = snapshot_l1(s, sn, size, &entries, errp);
    t = l1 ? qcow2_txn_begin(s, s->refcount_order, true, errp) : NULL;
    if (!t) {
        return false;
    }
    /* First up, then down: what both share stays. */
    for (uint32_t i = 0; i < entries; i++) {
        if (!ref_table(t, l1[i], 1, NULL, errp)) {
            goto fail;
        }
    }
    for (uint32_t i = 0; i < s->l1_size; i++) {
        if (!ref_table(t, s->l1[i], -1, NULL, errp)) {
            goto fail;
        }
    }
    if (!fix_flags(t, l1, entries, errp) ||
        !qcow2_txn_set_l1(t, l1, entries, errp)) {
        goto fail;
    }
    s->size = size;
    s->n->length = size;
    return qcow2_txn_commit(t, errp);
fail:
    qcow2_txn_free(t);
    return false;
}

bool qcow2_snapshot_goto(BlockNode *n, const char *id, Error **errp)
{
    Qcow2State *s = n->state;
    bool ok = false;
    int i;

    if (refuse(s, errp)) {
        return false;
    }
    if (n->nbitmaps) { /* they would not know of the change */
        error_setg(errp, "Device has active dirty bitmaps");
        return false;
    }
    mutex_lock(&s->lock);
    i = find_id_or_name(s, id);
    if (i < 0) {
        error_setg(errp, "Can't find the snapshot '%s'", id);
    } else {
        ok = do_goto(s, &s->snapshots[i], errp) && drop_vmstate(s, errp);
    }
    mutex_unlock(&s->lock);
    return ok;
}

/* ---- deleting ---------------------------------------------------------------------------- */

static bool do_delete(Qcow2State *s, unsigned index, Error **errp)
    REQUIRES(s->lock)
{
    Qcow2Snapshot *sn = &s->snapshots[index];
    g_autofree uint64_t *old = NULL, *l1 = NULL;
    uint64_t offset, bytes;
    Qcow2Snapshot *list;
    Qcow2Txn *t = qcow2_txn_begin(s, s->refcount_order, true, errp);

    if (!t) {
        return false;
    }
    old = read_l1(s, sn, errp);
    if (!old) {
        goto fail;
    }
    for (uint32_t i = 0; i < sn->l1_size; i++) {
        if (!ref_table(t, old[i], -1, NULL, errp)) {
            goto fail;
        }
    }
    if (!qcow2_txn_ref(t, sn->l1_offset, (uint64_t)sn->l1_size * 8, -1,
                       errp)) {
        goto fail;
    }
    l1 = g_memdup2(s->l1, MAX((size_t)s->l1_size * 8, 8));
    list = g_memdup2(s->snapshots, s->nb_snapshots * sizeof(*list));
    memmove(list + index, list + index + 1,
            (s->nb_snapshots - index - 1) * sizeof(*list));
    if (!fix_flags(t, l1, s->l1_size, errp) ||
        !write_table(t, list, s->nb_snapshots - 1, &offset, &bytes, errp) ||
        !qcow2_txn_set_l1(t, l1, s->l1_size, errp)) {
        g_free(list);
        goto fail;
    }
    snapshot_clear(sn);
    g_free(s->snapshots);
    s->snapshots = list;
    s->nb_snapshots--;
    s->snapshots_offset = offset;
    s->snapshots_bytes = bytes;
    return qcow2_txn_commit(t, errp);
fail:
    qcow2_txn_free(t);
    return false;
}

bool qcow2_snapshot_delete(BlockNode *n, const char *id, const char *name,
                           Error **errp)
{
    Qcow2State *s = n->state;
    bool ok = false;
    int i;

    if (refuse(s, errp)) {
        return false;
    }
    mutex_lock(&s->lock);
    i = find_snapshot(s, id, name);
    if (i < 0) {
        error_setg(errp, "Can't find the snapshot");
    } else {
        ok = do_delete(s, i, errp);
    }
    mutex_unlock(&s->lock);
    return ok;
}

/* ---- the rest ------------------------------------------------------------------------------ */

int qcow2_snapshot_list(BlockNode *n, BlockSnapshotInfo **list)
{
    Qcow2State *s = n->state;

    if (s->incompat & INCOMPAT_DATA_FILE) {
        *list = NULL;
        return -ENOTSUP;
    }
    *list = g_new0(BlockSnapshotInfo, MAX(s->nb_snapshots, 1));
    for (unsigned i = 0; i < s->nb_snapshots; i++) {
        const Qcow2Snapshot *sn = &s->snapshots[i];
        BlockSnapshotInfo *o = &(*list)[i];

        g_strlcpy(o->id, sn->id, sizeof(o->id));
        g_strlcpy(o->name, sn->name, sizeof(o->name));
        o->vm_state_size = sn->vm_state_size;
        o->date_sec = sn->date_sec;
        o->date_nsec = sn->date_nsec;
        o->vm_clock_nsec = sn->vm_clock_nsec;
        o->disk_size = sn->disk_size;
        o->icount = sn->icount;
    }
    return s->nb_snapshots;
}

bool qcow2_snapshot_load_tmp(BlockNode *n, const char *id, const char *name,
                             Error **errp)
{
    Qcow2State *s = n->state;
    Qcow2Snapshot *sn;
    uint64_t *l1, size;
    uint32_t entries;
    int i;

    if (!node_is_read_only(n)) {
        error_setg(errp, "A snapshot is read from a read-only image only");
        return false;
    }
    i = find_snapshot(s, id, name);
    if (i < 0) {
        error_setg(errp, "Can't find snapshot");
        return false;
    }
    sn = &s->snapshots[i];
    size = sn->disk_size == UINT64_MAX ? s->size : sn->disk_size;
    if (size > (uint64_t)BLK_MAX_LENGTH ||
        qcow2_l1_needed(s, size) * 8 > QCOW2_MAX_L1_BYTES) {
        error_setg(errp, "Snapshot '%s' has an impossible disk size: %" PRIu64,
                   sn->name, size);
        return false;
    }
    l1 = snapshot_l1(s, sn, size, &entries, errp);
    if (!l1) {
        return false;
    }
    mutex_lock(&s->lock);
    g_free(s->l1);
    s->l1 = l1;
    s->l1_size = entries;
    s->size = size;
    n->length = size;
    mutex_unlock(&s->lock);
    return true;
}

bool qcow2_rewrite_snapshots(Qcow2State *s, Error **errp)
{
    uint64_t offset, bytes;
    Qcow2Txn *t;

    if (s->nb_snapshots == 0) {
        return true;
    }
    t = qcow2_txn_begin(s, s->refcount_order, true, errp);
    if (!t) {
        return false;
    }
    if (!write_table(t, s->snapshots, s->nb_snapshots, &offset, &bytes,
                     errp)) {
        qcow2_txn_free(t);
        return false;
    }
    s->snapshots_offset = offset;
    s->snapshots_bytes = bytes;
    return qcow2_txn_commit(t, errp);
}
