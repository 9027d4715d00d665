/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening nodes: from option dicts (-blockdev) and from file names as users
 * write them (-drive file=, qemu-img).  BQL (tools: the only thread).
 */
#include "osdep.h"
#include <sys/stat.h>
#include "block/block-int.h"
#include "util/option.h"

#define PROBE_BYTES 2048

/* ---- file names ----------------------------------------------------------------- */

/* "nbd:x" has one, "/a:b" and "./a:b" have none. */
bool block_path_has_protocol(const char *path)
{
    size_t len = strcspn(path, ":/");

    return path[len] == ':';
}

char *block_path_combine(const char *base, const char *target)
{
    const char *slash;

    if (target[0] == '/' || block_path_has_protocol(target)) {
        return g_strdup(target);
    }
    slash = strrchr(base, '/');
    if (!slash) {
        return g_strdup(target);
    }
    return g_strdup_printf("%.*s%s", (int)(slash - base + 1), base, target);
}

/* The protocol driver that plain file names go to. */
static const char *file_driver(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 &&
        (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))) {
        if (g_str_has_prefix(path, "/dev/cdrom") ||
            g_str_has_prefix(path, "/dev/sr")) {
            return "host_cdrom";
        }
        return "host_device";
    }
    return "file";
}

typedef struct ProtocolSearch {
    const char *name;
    size_t len;
    const BlockDriver *found;
} ProtocolSearch;

static void match_protocol(const BlockDriver *drv, void *opaque)
{
    ProtocolSearch *s = opaque;

    if (drv->protocol && strlen(drv->protocol) == s->len &&
        !strncmp(drv->protocol, s->name, s->len)) {
        s->found = drv;
    }
}

/* Puts "driver" and "filename" of the protocol layer into @file. */
static bool protocol_options(const char *filename, QObject *file, Error **errp)
{
    const char *path = filename;

    if (block_path_has_protocol(filename)) {
        ProtocolSearch s = { .name = filename,
                             .len = strcspn(filename, ":") };

        block_driver_foreach(match_protocol, &s);
        if (s.found) {
            qdict_put_str(file, "driver", s.found->name);
            qdict_put_str(file, "filename", filename);
            return true;
        }
        if (!g_str_has_prefix(filename, "file:")) {
            g_autofree char *name = g_strndup(filename, s.len);

            error_setg(errp, block_driver_foreign(name)
                       ? "Protocol '%s' is not supported by this build"
                       : "Unknown protocol '%s'", name);
            return false;
        }
        path = filename + strlen("file:");
        path += g_str_has_prefix(path, "///") ? 2 : 0;
    }
    if (!qdict_has(file, "driver")) {
        qdict_put_str(file, "driver", file_driver(path));
    }
    qdict_put_str(file, "filename", path);
    return true;
}

BlockNode *node_open_filename(const char *filename, QObject *opts,
                              unsigned flags, Error **errp)
{
    const char *driver;
    const BlockDriver *drv;
    QObject *file;

    if (!opts) {
        opts = qdict_new();
    }
    if (g_str_has_prefix(filename, "json:")) {
        g_autoptr(QObject) json = json_parse(filename + 5, errp);
        g_autoptr(QObject) nested = NULL;

        if (json && qobject_type(json) != QTYPE_DICT) {
            error_setg(errp, "Could not parse the JSON options: not an object");
        } else if (json) {
            nested = keyval_crumple(json, errp);
        }
        if (!nested) {
            error_prepend(errp, "json: ");
            qobject_unref(opts);
            return NULL;
        }
        /* What stands beside the file name wins. */
        for (size_t i = 0; i < qdict_size(opts); i++) {
            qdict_put(nested, qdict_key_at(opts, i),
                      qobject_ref(qdict_value_at(opts, i)));
        }
        qobject_unref(opts);
        return node_open(qobject_ref(nested), flags, errp);
    }
    driver = qdict_get_str(opts, "driver");
    drv = driver ? block_driver_find(driver) : NULL;
    if (drv && drv->kind == BLK_PROTOCOL) {
        qdict_put_str(opts, "filename", filename);
        return node_open(opts, flags, errp);
    }
    /* A format over the file. */
    file = qdict_get(opts, "file");
    if (file && qobject_type(file) != QTYPE_DICT) {
        error_setg(errp, "Cannot specify both a file name and 'file'");
        qobject_unref(opts);
        return NULL;
    }
    file = file ? qobject_deep_copy(file) : qdict_new();
    qdict_put(opts, "file", file);
    if (!protocol_options(filename, file, errp)) {
        qobject_unref(opts);
        return NULL;
    }
    return node_open(opts, flags, errp);
}

/* ---- common options ------------------------------------------------------------- */

static bool take_flag(QObject *opts, const char *key, unsigned bit,
                      unsigned *flags, Error **errp)
{
    bool on = *flags & bit;

    if (!opts_take_bool(opts, key, &on, errp)) {
        return false;
    }
    *flags = on ? *flags | bit : *flags & ~bit;
    return true;
}

static bool take_common(QObject *opts, unsigned *flags, int *detect_zeroes,
                        Error **errp)
{
    static const char *const discards[] = { "ignore", "off", "unmap", "on",
                                            NULL };
    static const char *const detects[] = { "off", "on", "unmap", NULL };
    g_autoptr(QObject) cache = NULL;
    bool read_only = !(*flags & BLK_O_RDWR);
    int discard = -1;

    if (!opts_take_bool(opts, "read-only", &read_only, errp)) {
        return false;
    }
    *flags = read_only ? *flags & ~BLK_O_RDWR : *flags | BLK_O_RDWR;
    if (!take_flag(opts, "auto-read-only", BLK_O_AUTO_RDONLY, flags, errp) ||
        !take_flag(opts, "force-share", BLK_O_FORCE_SHARE, flags, errp) ||
        !opts_take_enum(opts, "discard", discards, &discard, errp) ||
        !opts_take_enum(opts, "detect-zeroes", detects, detect_zeroes, errp)) {
        return false;
    }
    if (discard >= 0) {
        *flags = discard >= 2 ? *flags | BLK_O_UNMAP : *flags & ~BLK_O_UNMAP;
    }
    if (*detect_zeroes == 2 && !(*flags & BLK_O_UNMAP)) {
        error_setg(errp, "setting detect-zeroes to unmap is not allowed "
                   "without setting discard operation to unmap");
        return false;
    }
    cache = qdict_steal(opts, "cache");
    if (cache) {
        static const char *const known[] = { "direct", "no-flush", NULL };

        if (qobject_type(cache) != QTYPE_DICT) {
            error_setg(errp, "Parameter 'cache' expects an object");
            return false;
        }
        if (!take_flag(cache, "direct", BLK_O_DIRECT, flags, errp) ||
            !take_flag(cache, "no-flush", BLK_O_NO_FLUSH, flags, errp) ||
            !opts_done(cache, known, errp)) {
            return false;
        }
    }
    if ((*flags & BLK_O_FORCE_SHARE) && (*flags & BLK_O_RDWR)) {
        error_setg(errp, "force-share=on can only be used with read-only "
                   "images");
        return false;
    }
    return true;
}

/* ---- nodes ------------------------------------------------------------------------ */

static bool name_ok(const char *name, Error **errp)
{
    if (!id_wellformed(name)) {
        error_setg(errp, "Invalid node-name: '%s'", name);
        return false;
    }
    if (strlen(name) >= sizeof(((BlockNode *)0)->name)) {
        error_setg(errp, "Node name too long");
        return false;
    }
    if (node_find(name) || blk_find(name)) {
        error_setg(errp, "%s", node_find(name)
                   ? "Duplicate nodes with node-name"
                   : "node-name is conflicting with a device id");
        error_append_hint(errp, "'%s'", name);
        error_prepend(errp, "node-name=%s: ", name);
        return false;
    }
    return true;
}

static BlockNode *node_new(const BlockDriver *drv, const char *name,
                           unsigned flags)
{
    static unsigned counter;
    BlockNode *n = g_new0(BlockNode, 1);

    n->drv = drv;
    n->refs = 1;
    n->flags = flags;
    n->request_alignment = 1;
    n->mem_alignment = 1;
    n->filename = g_strdup("");
    n->exact_filename = g_strdup("");
    mutex_init(&n->lock);
    cond_init(&n->cond);
    list_init(&n->children);
    list_init(&n->parents);
    list_init(&n->tracked);
    list_init(&n->bitmaps);
    if (name) {
        g_strlcpy(n->name, name, sizeof(n->name));
    } else {
        do {
            snprintf(n->name, sizeof(n->name), "#block%03u", counter++);
        } while (node_find(n->name));
    }
    list_append(&block_nodes, &n->all);
    return n;
}

/* Frees a node whose driver-level open failed or never ran. */
static void node_discard(BlockNode *n)
{
    g_free(n->state);
    n->state = NULL;
    node_unref(n);
}

/* The format of what "file" names; opens it and leaves it in @opts by name. */
static const BlockDriver *probe_format(QObject *opts, unsigned *flags,
                                       BlockNode **file, Error **errp)
{
    QObject *ref = qdict_get(opts, "file");
    const BlockDriver *drv;
    const char *foreign;
    uint8_t *buf;
    int64_t len;
    int ret;

    if (!ref) {
        error_setg(errp, "A block device must be specified for \"file\"");
        return NULL;
    }
    if (qobject_type(ref) == QTYPE_STRING) {
        *file = node_find(qstring_get(ref));
        if (!*file) {
            error_setg(errp, "Cannot find device='' nor node-name='%s'",
                       qstring_get(ref));
            return NULL;
        }
        node_ref(*file);
    } else {
        unsigned pass = *flags;

        if (qdict_get_bool(opts, "read-only", false) ||
            !g_strcmp0(qdict_get_str(opts, "read-only"), "on")) {
            pass &= ~(unsigned)BLK_O_RDWR;
        }
        *file = node_open(qobject_deep_copy(ref), pass & ~BLK_O_PROBED, errp);
        if (!*file) {
            return NULL;
        }
        qdict_put_str(opts, "file", (*file)->name);
    }
    len = MIN(node_getlength(*file), PROBE_BYTES);
    buf = g_malloc0(PROBE_BYTES);
    ret = len > 0 ? node_pread(*file, 0, buf, len) : len;
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not read image for determining "
                         "its format");
        g_free(buf);
        return NULL;
    }
    drv = block_driver_probe(buf, MAX(len, 0), (*file)->filename);
    foreign = !strcmp(drv->name, "raw") ? block_probe_foreign(buf, MAX(len, 0))
                                        : NULL;
    g_free(buf);
    if (foreign) {
        error_setg(errp, "The image '%s' has the format '%s', which is not "
                   "supported by this build (with format 'raw' it is taken as "
                   "it is)", (*file)->filename, foreign);
        return NULL;
    }
    if (!strcmp(drv->name, "raw")) {
        *flags |= BLK_O_PROBED;
    }
    return drv;
}

static bool no_leftovers(const BlockDriver *drv, const QObject *opts,
                         Error **errp)
{
    if (qdict_size(opts) == 0) {
        return true;
    }
    error_setg(errp, "Block %s '%s' does not support the option '%s'",
               drv->kind == BLK_PROTOCOL ? "protocol" : "format", drv->name,
               qdict_key_at(opts, 0));
    return false;
}

static BlockNode *open_with(const BlockDriver *drv, QObject *opts,
                            unsigned flags, Error **errp)
{
    g_autofree char *name = NULL;
    int detect_zeroes = 0;
    BlockNode *n;

    if (!opts_take_str(opts, "node-name", &name, errp) ||
        (name && !name_ok(name, errp)) ||
        !take_common(opts, &flags, &detect_zeroes, errp)) {
        return NULL;
    }
    n = node_new(drv, name, flags);
    n->detect_zeroes = detect_zeroes;
    n->opts = qobject_deep_copy(opts);
    n->state = g_malloc0(MAX(drv->state_size, 1));
    if (!drv->open(n, opts, errp)) {
        node_discard(n);
        return NULL;
    }
    if (!no_leftovers(drv, opts, errp)) {
        node_unref(n);
        return NULL;
    }
    if (n->file && !*n->filename) {
        g_free(n->filename);
        n->filename = g_strdup(n->file->node->filename);
        g_free(n->exact_filename);
        n->exact_filename = g_strdup(n->file->node->exact_filename);
    }
    if (!node_update_perm(n, errp)) {
        node_unref(n);
        return NULL;
    }
    return n;
}

BlockNode *node_open(QObject *opts, unsigned flags, Error **errp)
{
    g_autoptr(QObject) own G_GNUC_UNUSED = opts;
    g_autofree char *driver = NULL;
    const BlockDriver *drv;
    BlockNode *file = NULL, *n = NULL;

    if (!opts_take_str(opts, "driver", &driver, errp)) {
        return NULL;
    }
    if (!driver && qdict_get_str(opts, "filename") &&
        !qdict_has(opts, "file")) { /* a protocol layer, by its name */
        g_autofree char *name = g_strdup(qdict_get_str(opts, "filename"));

        if (!protocol_options(name, opts, errp) ||
            !opts_take_str(opts, "driver", &driver, errp)) {
            return NULL;
        }
    }
    if (driver) {
        drv = block_driver_find(driver);
        if (!drv || drv->is_internal) {
            error_setg(errp, block_driver_foreign(driver)
                       ? "Block driver '%s' is not supported by this build"
                       : "Unknown driver '%s'", driver);
            return NULL;
        }
    } else {
        drv = probe_format(opts, &flags, &file, errp);
    }
    if (drv) {
        n = open_with(drv, opts, flags, errp);
    }
    node_unref(file); /* the node has its own */
    return n;
}

BlockEdge *node_open_child(BlockNode *n, QObject *opts, const char *role,
                           Error **errp)
{
    g_autoptr(QObject) ref = qdict_steal(opts, role);
    BlockNode *child;
    BlockEdge *e;

    if (!ref) {
        error_setg(errp, "A block device must be specified for \"%s\"", role);
        return NULL;
    }
    if (qobject_type(ref) == QTYPE_STRING) {
        child = node_find(qstring_get(ref));
        if (!child) {
            error_setg(errp, "Cannot find device='' nor node-name='%s'",
                       qstring_get(ref));
            return NULL;
        }
        node_ref(child);
    } else if (qobject_type(ref) == QTYPE_DICT) {
        unsigned pass = n->flags & (BLK_O_RDWR | BLK_O_AUTO_RDONLY |
                                    BLK_O_DIRECT | BLK_O_NO_FLUSH |
                                    BLK_O_UNMAP | BLK_O_FORCE_SHARE |
                                    BLK_O_NO_IO | BLK_O_CHECK);

        /* A format's metadata may need the file's holes in any case. */
        if (n->drv->kind == BLK_FORMAT) {
            pass |= BLK_O_UNMAP;
        }
        child = node_open(qobject_deep_copy(ref), pass, errp);
        if (!child) {
            return NULL;
        }
    } else {
        error_setg(errp, "Parameter '%s' expects a node name or an object",
                   role);
        return NULL;
    }
    /* The child may be read-only by nature (auto-read-only). */
    if (node_is_read_only(child) && !node_is_read_only(n)) {
        if (!(n->flags & BLK_O_AUTO_RDONLY)) {
            error_setg(errp, "Block node '%s' is read-only", child->name);
            node_unref(child);
            return NULL;
        }
        n->flags &= ~(unsigned)BLK_O_RDWR;
    }
    e = node_attach_child(n, child, role, errp);
    node_unref(child);
    return e;
}

bool node_open_backing(BlockNode *n, QObject *opts, Error **errp)
{
    g_autoptr(QObject) ref = qdict_steal(opts, "backing");
    g_autofree char *path = NULL;
    QObject *sub;
    BlockNode *child;
    bool ok;

    if (ref && qobject_type(ref) != QTYPE_NULL &&
        !(qobject_type(ref) == QTYPE_STRING && !*qstring_get(ref))) {
        n->backing_overridden = true;
        if (qobject_type(ref) == QTYPE_STRING) {
            child = node_find(qstring_get(ref));
            if (!child) {
                error_setg(errp, "Cannot find device='' nor node-name='%s'",
                           qstring_get(ref));
                return false;
            }
            node_ref(child);
        } else {
            child = node_open(qobject_deep_copy(ref),
                              (n->flags & ~(BLK_O_RDWR | BLK_O_SNAPSHOT |
                                            BLK_O_AUTO_RDONLY |
                                            BLK_O_COPY_ON_READ)), errp);
        }
    } else if (ref || !n->backing_file || !*n->backing_file ||
               (n->flags & BLK_O_NO_BACKING)) {
        n->backing_overridden = ref != NULL;
        return true;
    } else {
        /* A name out of an image: a path, or a plain protocol's URL; never
         * options. */
        if (g_str_has_prefix(n->backing_file, "json:")) {
            error_setg(errp, "Could not open backing file: options (json:) "
                       "are not taken from inside an image");
            return false;
        }
        path = block_path_combine(n->exact_filename && *n->exact_filename
                                      ? n->exact_filename
                                      : n->file ? n->file->node->exact_filename
                                                : "",
                                  n->backing_file);
        sub = qdict_new();
        if (n->backing_format && *n->backing_format) {
            qdict_put_str(sub, "driver", n->backing_format);
        }
        child = node_open_filename(path, sub,
                                   n->flags & ~(BLK_O_RDWR | BLK_O_SNAPSHOT |
                                                BLK_O_AUTO_RDONLY |
                                                BLK_O_COPY_ON_READ), errp);
    }
    if (!child) {
        error_prepend(errp, "Could not open backing file: ");
        return false;
    }
    ok = node_attach_child(n, child, "backing", errp) != NULL;
    node_unref(child);
    return ok;
}

char *node_describe(const BlockNode *n)
{
    if (n->drv->describe) {
        return n->drv->describe(n);
    }
    return g_strdup(n->filename);
}

bool node_reopen(BlockNode *n, unsigned flags, QObject *opts, Error **errp)
{
    unsigned old = n->flags;
    bool ok = true;

    block_pause_begin();
    if (!(flags & BLK_O_RDWR)) {
        node_flush(n);
    }
    if ((flags & BLK_O_RDWR) && n->file && !(n->file->node->flags & BLK_O_RDWR)) {
        ok = node_reopen(n->file->node, n->file->node->flags | BLK_O_RDWR,
                         NULL, errp);
    }
    if (ok && n->drv->reopen) {
        ok = n->drv->reopen(n, flags, opts, errp);
    }
    if (ok) {
        n->flags = flags;
        if (!node_update_perm(n, errp)) {
            ok = false;
            n->flags = old;
            node_update_perm(n, NULL);
        }
    }
    block_pause_end();
    return ok;
}
