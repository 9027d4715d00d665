/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: the header cluster.  All fields that a consistent switch of metadata
 * needs lie in its first 512 bytes, which are written in one go.
 */
#include "osdep.h"
#include "block/qcow2.h"

/* ---- reading ------------------------------------------------------------------ */

bool qcow2_set_geometry(Qcow2State *s, unsigned cluster_bits, bool extl2,
                        unsigned refcount_order)
{
    s->cluster_bits = cluster_bits;
    s->cluster_size = BIT(cluster_bits);
    s->extl2 = extl2;
    s->l2_entry_size = extl2 ? 16 : 8;
    s->l2_bits = cluster_bits - (extl2 ? 4 : 3);
    s->sub_bits = extl2 ? cluster_bits - 5 : cluster_bits;
    s->refcount_order = refcount_order;
    s->refcount_bits = 1u << refcount_order;
    s->refcount_max = refcount_order == 6 ? UINT64_MAX >> 1
                                          : BIT(s->refcount_bits) - 1;
    s->rb_bits = cluster_bits + 3 - refcount_order;
    return !extl2 || cluster_bits >= 14;
}

static char *take_text(const uint8_t *p, size_t len)
{
    return g_strndup((const char *)p, len); /* up to a NUL */
}

static bool check_features(Qcow2State *s, const uint8_t *table, size_t len,
                           Error **errp)
{
    uint64_t unknown = s->incompat & ~(uint64_t)INCOMPAT_KNOWN;
    GString *names;

    if (!unknown) {
        return true;
    }
    names = g_string_new(NULL);
    for (size_t i = 0; i + 48 <= len; i += 48) {
        if (table[i] == 0 && table[i + 1] < 64 &&
            (unknown & BIT(table[i + 1]))) {
            g_autofree char *name = take_text(table + i + 2, 46);
            g_autofree char *safe = g_strescape(name, NULL);

            g_string_append_printf(names, "%s%s", names->len ? ", " : "",
                                   safe);
            unknown &= ~BIT(table[i + 1]);
        }
    }
    if (unknown) {
        g_string_append_printf(names, "%sUnknown incompatible feature: %"
                               PRIx64, names->len ? ", " : "", unknown);
    }
    error_setg(errp, "Unsupported qcow2 feature(s): %s", names->str);
    g_string_free(names, TRUE);
    return false;
}

static bool read_extensions(Qcow2State *s, const uint8_t *buf, size_t end,
                            Error **errp)
{
    const uint8_t *features = NULL;
    size_t features_len = 0, pos = s->header_length;
    bool ok = true, bitmaps = false;

    while (ok && pos + 8 <= end) {
        uint32_t magic = get_be32(buf + pos), len = get_be32(buf + pos + 4);
        const uint8_t *p = buf + pos + 8;

        if (magic == EXT_END) {
            break;
        }
        if (len > end - pos - 8) {
            error_setg(errp, "Header extension 0x%08x too large: %u bytes",
                       magic, len);
            return false;
        }
        switch (magic) {
        case EXT_BACKING_FMT:
            if (len >= 16) {
                error_setg(errp, "Backing format extension too long: %u bytes",
                           len);
                return false;
            }
            g_free(s->n->backing_format);
            s->n->backing_format = take_text(p, len);
            break;
        case EXT_FEATURES:
            features = p;
            features_len = len;
            break;
        case EXT_DATA_FILE:
            if (len > 1023) {
                error_setg(errp, "Data file name too long: %u bytes", len);
                return false;
            }
            g_free(s->data_file_name);
            s->data_file_name = take_text(p, len);
            break;
        case EXT_CRYPTO:
            break; /* the encryption method says what there is to say */
        case EXT_BITMAPS:
            if (len != 24) {
                error_setg(errp, "Bitmaps header extension has %u bytes "
                           "instead of 24", len);
                return false;
            }
            bitmaps = true;
            if (get_be32(p) > QCOW2_MAX_BITMAPS || get_be32(p) == 0) {
                error_setg(errp, "Bitmaps extension: nb_bitmaps is %u",
                           get_be32(p));
                return false;
            }
            if (get_be32(p + 4)) {
                error_setg(errp, "Bitmaps extension: reserved field is not "
                           "zero");
                return false;
            }
            s->nb_bitmaps = get_be32(p);
            s->bitmap_dir_size = get_be64(p + 8);
            s->bitmap_dir_offset = get_be64(p + 16);
            if (qcow2_into_cluster(s, s->bitmap_dir_offset) ||
                s->bitmap_dir_offset > (uint64_t)BLK_MAX_LENGTH) {
                error_setg(errp, "Bitmaps extension: bitmap directory offset "
                           "is invalid: %#" PRIx64, s->bitmap_dir_offset);
                return false;
            }
            if (s->bitmap_dir_size > QCOW2_MAX_BITMAP_DIR) {
                error_setg(errp, "Bitmaps extension: bitmap directory size (%"
                           PRIu64 ") exceeds the maximum supported size",
                           s->bitmap_dir_size);
                return false;
            }
            break;
        default: {
            Qcow2Ext *e = g_new0(Qcow2Ext, 1);

            e->magic = magic;
            e->len = len;
            e->data = g_memdup2(p, len);
            g_ptr_array_add(s->exts, e);
        }
        }
        pos += 8 + ROUND_UP((size_t)len, 8);
    }
    if (!bitmaps) {
        s->autoclear &= ~(uint64_t)AUTOCLEAR_BITMAPS;
    }
    return check_features(s, features, features_len, errp);
}

/* A table of @bytes at @offset that lies where one can. */
static bool table_ok(Qcow2State *s, const char *what, uint64_t offset,
                     uint64_t bytes, uint64_t max, Error **errp)
{
    if (bytes > max) {
        error_setg(errp, "%s too large", what);
        return false;
    }
    if (qcow2_into_cluster(s, offset) ||
        offset > (uint64_t)BLK_MAX_LENGTH - bytes) {
        error_setg(errp, "%s offset invalid: %#" PRIx64, what, offset);
        return false;
    }
    return true;
}

static bool read_fields(Qcow2State *s, const uint8_t *h, Error **errp)
{
    unsigned bits = get_be32(h + HDR_CLUSTER_BITS), order = 4;
    uint64_t rt_clusters = get_be32(h + HDR_RT_CLUSTERS);
    uint32_t crypt = get_be32(h + HDR_CRYPT);

    s->version = get_be32(h + HDR_VERSION);
    if (s->version != 2 && s->version != 3) {
        error_setg(errp, "Unsupported qcow2 version %u", s->version);
        return false;
    }
    if (bits < QCOW2_MIN_CLUSTER_BITS || bits > QCOW2_MAX_CLUSTER_BITS) {
        error_setg(errp, "Unsupported cluster size: 2^%u", bits);
        return false;
    }
    s->header_length = HDR_V2_LENGTH;
    if (s->version >= 3) {
        s->incompat = get_be64(h + HDR_INCOMPAT);
        s->compat = get_be64(h + HDR_COMPAT);
        s->autoclear = get_be64(h + HDR_AUTOCLEAR);
        order = get_be32(h + HDR_REFCOUNT_ORDER);
        s->header_length = get_be32(h + HDR_LENGTH);
        if (s->header_length < HDR_V3_MIN_LENGTH) {
            error_setg(errp, "qcow2 header too short: header_length is %u",
                       s->header_length);
            return false;
        }
        if (s->header_length > BIT(bits) || s->header_length % 8) {
            error_setg(errp, "qcow2 header length invalid: header_length is "
                       "%u", s->header_length);
            return false;
        }
        if (order > 6) {
            error_setg(errp, "Reference count entry width too large; may not "
                       "exceed 64 bits (refcount_order is %u)", order);
            return false;
        }
        if (s->header_length > HDR_COMPRESSION) {
            s->compression = h[HDR_COMPRESSION];
        }
        if ((s->compression != COMPRESSION_ZLIB) !=
            !!(s->incompat & INCOMPAT_COMPRESSION)) {
            error_setg(errp, "qcow2: compression type (%u) and its "
                       "incompatible feature bit contradict each other",
                       s->compression);
            return false;
        }
        if (s->compression > COMPRESSION_ZSTD) {
            error_setg(errp, "qcow2: unknown compression type: %u",
                       s->compression);
            return false;
        }
#ifndef CONFIG_ZSTD
        if (s->compression == COMPRESSION_ZSTD) {
            error_setg(errp, "compression type 'zstd': this build has no "
                       "libzstd");
            return false;
        }
#endif
    }
    if (!qcow2_set_geometry(s, bits, s->incompat & INCOMPAT_EXTL2, order)) {
        error_setg(errp, "Extended L2 entries are only supported with cluster "
                   "sizes of at least 16384 bytes");
        return false;
    }
    if (crypt == 1) {
        error_setg(errp, "AES-encrypted qcow2 images are not supported; "
                   "convert the image with an older program");
        return false;
    }
    if (crypt) {
        error_setg(errp, crypt == 2 ? "LUKS-encrypted qcow2 images are not "
                   "supported" : "Unsupported encryption method %u", crypt);
        return false;
    }
    s->size = get_be64(h + HDR_SIZE);
    if (s->size > (uint64_t)BLK_MAX_LENGTH) {
        error_setg(errp, "Image size too large: size is %" PRIu64, s->size);
        return false;
    }
    s->rt_offset = get_be64(h + HDR_RT_OFFSET);
    if (rt_clusters > QCOW2_MAX_RT_BYTES >> bits ||
        (rt_clusters == 0 && !(s->n->flags & BLK_O_CHECK))) {
        error_setg(errp, rt_clusters ? "Image has too large reference count "
                   "table: refcount_table_clusters is %" PRIu64
                   : "Image does not contain a reference count table: "
                   "refcount_table_clusters is %" PRIu64, rt_clusters);
        return false;
    }
    s->rt_size = (rt_clusters << bits) / 8;
    if (!table_ok(s, "Reference count table", s->rt_offset,
                  (uint64_t)s->rt_size * 8, QCOW2_MAX_RT_BYTES, errp)) {
        return false;
    }
    s->l1_offset = get_be64(h + HDR_L1_OFFSET);
    s->l1_size = get_be32(h + HDR_L1_SIZE);
    if (!table_ok(s, "Active L1 table", s->l1_offset, (uint64_t)s->l1_size * 8,
                  QCOW2_MAX_L1_BYTES, errp)) {
        return false;
    }
    if (qcow2_l1_needed(s, s->size) > s->l1_size) {
        error_setg(errp, "L1 table is too small: l1_size is %u", s->l1_size);
        return false;
    }
    s->nb_snapshots = get_be32(h + HDR_NB_SNAPSHOTS);
    s->snapshots_offset = get_be64(h + HDR_SNAPSHOTS_OFFSET);
    if (s->nb_snapshots > QCOW2_MAX_SNAPSHOTS) {
        error_setg(errp, "Snapshot table too large: nb_snapshots is %u",
                   s->nb_snapshots);
        return false;
    }
    return s->nb_snapshots == 0 ||
           table_ok(s, "Snapshot table", s->snapshots_offset, 0, 1, errp);
}

bool qcow2_read_header(BlockNode *n, Error **errp)
{
    Qcow2State *s = n->state;
    uint8_t h[HDR_V3_LENGTH] = { 0 };
    g_autofree uint8_t *buf = NULL;
    uint64_t end;
    uint32_t name_len;
    int ret = node_pread(qcow2_file(s), 0, h, sizeof(h));

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header");
        return false;
    }
    if (get_be32(h + HDR_MAGIC) != QCOW2_MAGIC) {
        error_setg(errp, "Image is not in qcow2 format");
        return false;
    }
    if (!read_fields(s, h, errp)) {
        return false;
    }
    buf = g_malloc(s->cluster_size);
    ret = node_pread(qcow2_file(s), 0, buf, s->cluster_size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read qcow2 header extensions");
        return false;
    }
    s->backing_offset = get_be64(h + HDR_BACKING_OFFSET);
    name_len = get_be32(h + HDR_BACKING_SIZE);
    end = s->cluster_size;
    if (s->backing_offset) {
        if (name_len > 1023) {
            error_setg(errp, "Backing file name too long: "
                       "backing_file_size is %u", name_len);
            return false;
        }
        if (s->backing_offset < s->header_length ||
            s->backing_offset > s->cluster_size - name_len) {
            error_setg(errp, "Invalid backing file offset: %#" PRIx64,
                       s->backing_offset);
            return false;
        }
        end = s->backing_offset;
        g_free(n->backing_file);
        n->backing_file = take_text(buf + s->backing_offset, name_len);
        if (!*n->backing_file) {
            g_clear_pointer(&n->backing_file, g_free);
        }
    }
    return read_extensions(s, buf, end, errp);
}

/* ---- writing ------------------------------------------------------------------ */

typedef struct FeatureName {
    uint8_t type, bit;
    const char *name;
} FeatureName;

static const FeatureName feature_names[] = {
    { 0, 0, "dirty bit" },
    { 0, 1, "corrupt bit" },
    { 0, 2, "external data file" },
    { 0, 3, "compression type" },
    { 0, 4, "extended L2 entries" },
    { 1, 0, "lazy refcounts" },
    { 2, 0, "bitmaps" },
    { 2, 1, "raw external data" },
};

static bool put_ext(uint8_t *buf, size_t size, size_t *pos, uint32_t magic,
                    const void *data, size_t len)
{
    if (*pos + 8 + ROUND_UP(len, 8) > size) {
        return false;
    }
    put_be32(buf + *pos, magic);
    put_be32(buf + *pos + 4, len);
    if (len) {
        memcpy(buf + *pos + 8, data, len);
    }
    *pos += 8 + ROUND_UP(len, 8);
    return true;
}

bool qcow2_format_header(Qcow2State *s, uint8_t *buf, Error **errp)
{
    BlockNode *n = s->n;
    size_t size = s->cluster_size, pos;
    const char *backing = n->backing_file;
    bool ok = true;

    memset(buf, 0, size);
    put_be32(buf + HDR_MAGIC, QCOW2_MAGIC);
    put_be32(buf + HDR_VERSION, s->version);
    put_be32(buf + HDR_CLUSTER_BITS, s->cluster_bits);
    put_be64(buf + HDR_SIZE, s->size);
    put_be32(buf + HDR_L1_SIZE, s->l1_size);
    put_be64(buf + HDR_L1_OFFSET, s->l1_offset);
    put_be64(buf + HDR_RT_OFFSET, s->rt_offset);
    put_be32(buf + HDR_RT_CLUSTERS,
             qcow2_bytes_to_clusters(s, (uint64_t)s->rt_size * 8));
    put_be32(buf + HDR_NB_SNAPSHOTS, s->nb_snapshots);
    put_be64(buf + HDR_SNAPSHOTS_OFFSET,
             s->nb_snapshots ? s->snapshots_offset : 0);
    pos = HDR_V2_LENGTH;
    if (s->version >= 3) {
        pos = HDR_V3_LENGTH;
        put_be64(buf + HDR_INCOMPAT, s->incompat);
        put_be64(buf + HDR_COMPAT, s->compat);
        put_be64(buf + HDR_AUTOCLEAR, s->autoclear);
        put_be32(buf + HDR_REFCOUNT_ORDER, s->refcount_order);
        put_be32(buf + HDR_LENGTH, pos);
        buf[HDR_COMPRESSION] = s->compression;
    }
    s->header_length = pos;
    if (n->backing_format && *n->backing_format) {
        ok &= put_ext(buf, size, &pos, EXT_BACKING_FMT, n->backing_format,
                      strlen(n->backing_format));
    }
    if (s->data_file_name && (s->incompat & INCOMPAT_DATA_FILE)) {
        ok &= put_ext(buf, size, &pos, EXT_DATA_FILE, s->data_file_name,
                      strlen(s->data_file_name));
    }
    if (s->version >= 3 && size >= 4096) {
        uint8_t table[ARRAY_SIZE(feature_names)][48] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(feature_names); i++) {
            table[i][0] = feature_names[i].type;
            table[i][1] = feature_names[i].bit;
            memcpy(table[i] + 2, feature_names[i].name,
                   strlen(feature_names[i].name));
        }
        ok &= put_ext(buf, size, &pos, EXT_FEATURES, table, sizeof(table));
    }
    if (s->nb_bitmaps) {
        uint8_t ext[24] = { 0 };

        put_be32(ext, s->nb_bitmaps);
        put_be64(ext + 8, s->bitmap_dir_size);
        put_be64(ext + 16, s->bitmap_dir_offset);
        ok &= put_ext(buf, size, &pos, EXT_BITMAPS, ext, sizeof(ext));
    }
    for (guint i = 0; i < s->exts->len; i++) {
        Qcow2Ext *e = s->exts->pdata[i];

        ok &= put_ext(buf, size, &pos, e->magic, e->data, e->len);
    }
    ok &= put_ext(buf, size, &pos, EXT_END, NULL, 0);
    s->backing_offset = 0;
    if (backing) {
        size_t len = strlen(backing);

        if (!ok || len > MIN(1023, size - pos)) {
            error_setg(errp, "Backing file name too long");
            return false;
        }
        memcpy(buf + pos, backing, len);
        s->backing_offset = pos;
        put_be64(buf + HDR_BACKING_OFFSET, pos);
        put_be32(buf + HDR_BACKING_SIZE, len);
    }
    if (!ok) {
        error_setg(errp, "The header and its extensions do not fit into one "
                   "cluster");
    }
    return ok;
}

int qcow2_write_header(Qcow2State *s, Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(s->cluster_size);
    int ret;

    if (!qcow2_format_header(s, buf, errp)) {
        return -ENOSPC;
    }
    ret = node_pwrite_sync(qcow2_file(s), 0, buf, s->cluster_size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write the header");
    }
    return ret;
}

int qcow2_write_first_sector(Qcow2State *s)
{
    uint8_t h[BLK_SECTOR];
    int ret = node_pread(qcow2_file(s), 0, h, sizeof(h));

    if (ret < 0) {
        return ret;
    }
    /* Field by field: its length and extensions are as they were. */
    put_be64(h + HDR_SIZE, s->size);
    put_be32(h + HDR_L1_SIZE, s->l1_size);
    put_be64(h + HDR_L1_OFFSET, s->l1_offset);
    put_be64(h + HDR_RT_OFFSET, s->rt_offset);
    put_be32(h + HDR_RT_CLUSTERS,
             qcow2_bytes_to_clusters(s, (uint64_t)s->rt_size * 8));
    put_be32(h + HDR_NB_SNAPSHOTS, s->nb_snapshots);
    put_be64(h + HDR_SNAPSHOTS_OFFSET,
             s->nb_snapshots ? s->snapshots_offset : 0);
    if (s->version >= 3) {
        put_be64(h + HDR_INCOMPAT, s->incompat);
        put_be64(h + HDR_COMPAT, s->compat);
        put_be64(h + HDR_AUTOCLEAR, s->autoclear);
        put_be32(h + HDR_REFCOUNT_ORDER, s->refcount_order);
    }
    return node_pwrite_sync(qcow2_file(s), 0, h, sizeof(h));
}

bool qcow2_change_backing(BlockNode *n, const char *file, const char *fmt,
                          Error **errp)
{
    Qcow2State *s = n->state;
    char *old_file = n->backing_file, *old_fmt = n->backing_format;

    if (file && strlen(file) > 1023) {
        error_setg(errp, "Backing file name too long");
        return false;
    }
    n->backing_file = file && *file ? g_strdup(file) : NULL;
    n->backing_format = n->backing_file ? g_strdup(fmt) : NULL;
    if (qcow2_write_header(s, errp) < 0) {
        g_free(n->backing_file);
        g_free(n->backing_format);
        n->backing_file = old_file;
        n->backing_format = old_fmt;
        return false;
    }
    g_free(old_file);
    g_free(old_fmt);
    return true;
}
