/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images in words and as QMP's types; see block/info.h. */
#include "osdep.h"
#include <math.h>
#include "block/info.h"

/* Below 1,000 of the unit, as QEMU's tools round. */
char *block_size_text(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    int e, i;

    frexp(bytes / (1000.0 / 1024.0), &e);
    i = e > 0 ? (e - 1) / 10 : 0;
    return g_strdup_printf("%0.3g %s", (double)bytes / ldexp(1, i * 10),
                           units[i]);
}

/* ---- facts -------------------------------------------------------------------- */

static QObject *snapshot_json(const BlockSnapshotInfo *sn)
{
    QObject *d = qdict_new();

    if (sn->icount != UINT64_MAX) {
        qdict_put(d, "icount", quint_new(sn->icount));
    }
    qdict_put_int(d, "vm-clock-nsec", sn->vm_clock_nsec % 1000000000);
    qdict_put_str(d, "name", sn->name);
    qdict_put_int(d, "date-sec", sn->date_sec);
    qdict_put_int(d, "date-nsec", sn->date_nsec);
    qdict_put_int(d, "vm-clock-sec", sn->vm_clock_nsec / 1000000000);
    qdict_put_str(d, "id", sn->id);
    qdict_put(d, "vm-state-size", quint_new(sn->vm_state_size));
    return d;
}

QObject *block_snapshot_facts(BlockNode *n)
{
    g_autofree BlockSnapshotInfo *list = NULL;
    int count = n->drv->snapshot_list ? n->drv->snapshot_list(n, &list) : 0;
    QObject *all = count > 0 ? qlist_new() : NULL;

    for (int i = 0; i < count; i++) {
        qlist_append(all, snapshot_json(&list[i]));
    }
    return all;
}

/* Keys in the order of QEMU's output. */
QObject *block_image_facts(BlockNode *n, const char *filename,
                           const char *base)
{
    QObject *d = qdict_new(), *snapshots = block_snapshot_facts(n);
    int64_t allocated = node_allocated_size(n);
    uint32_t cluster = n->drv->cluster_size ? n->drv->cluster_size(n) : 0;
    QObject *specific = n->drv->specific_info ? n->drv->specific_info(n)
                                              : NULL;

    if (n->backing_file && n->backing_format) {
        qdict_put_str(d, "backing-filename-format", n->backing_format);
    }
    if (snapshots) {
        qdict_put(d, "snapshots", snapshots);
    }
    qdict_put(d, "virtual-size", quint_new(ROUND_UP(n->length, BLK_SECTOR)));
    qdict_put_str(d, "filename", filename);
    if (cluster) {
        qdict_put_int(d, "cluster-size", cluster);
    }
    qdict_put_str(d, "format", n->drv->name);
    if (allocated >= 0) {
        qdict_put_int(d, "actual-size", allocated);
    }
    if (specific) {
        qdict_put(d, "format-specific", specific);
    }
    if (n->backing_file) {
        g_autofree char *full = block_path_combine(base, n->backing_file);

        qdict_put_str(d, "full-backing-filename", full);
        qdict_put_str(d, "backing-filename", n->backing_file);
    }
    if (n->encrypted) {
        qdict_put_bool(d, "encrypted", true);
    }
    if (n->drv->kind != BLK_FILTER) {
        qdict_put_bool(d, "dirty-flag", n->drv->dirty_flag &&
                                            n->drv->dirty_flag(n));
    }
    return d;
}

/* ---- words -------------------------------------------------------------------- */

void block_snapshots_print(GString *out, const QObject *list)
{
    g_string_append_printf(out, "Snapshot list:\n%-9s %-16s %8s %19s %12s "
                           "%10s\n", "ID", "TAG", "VM SIZE", "DATE",
                           "VM CLOCK", "ICOUNT");
    for (size_t i = 0; i < qlist_size(list); i++) {
        const QObject *s = qlist_at(list, i);
        g_autofree char *size =
            block_size_text(qdict_get_int(s, "vm-state-size", 0));
        g_autofree char *clock = NULL, *icount = NULL;
        int64_t secs = qdict_get_int(s, "vm-clock-sec", 0);
        time_t when = qdict_get_int(s, "date-sec", 0);
        struct tm tm;
        char date[32];

        localtime_r(&when, &tm);
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
        clock = g_strdup_printf("%02d:%02d:%02d.%03d", (int)(secs / 3600),
                                (int)(secs / 60 % 60), (int)(secs % 60),
                                (int)(qdict_get_int(s, "vm-clock-nsec", 0) /
                                      1000000));
        if (qdict_has(s, "icount")) {
            icount = json_to_string(qdict_get(s, "icount"), false);
        }
        g_string_append_printf(out, "%-9s %-16s %8s %19s %12s %10s\n",
                               qdict_get_str(s, "id"),
                               qdict_get_str(s, "name"), size, date, clock,
                               icount ? icount : "");
    }
}

static char *spaced(const char *key)
{
    char *s = g_strdup(key);

    for (char *p = s; *p; p++) {
        *p = *p == '-' ? ' ' : *p;
    }
    return s;
}

static void print_value(GString *out, const QObject *v, int indent);

static bool composite(const QObject *v)
{
    return qobject_type(v) == QTYPE_DICT || qobject_type(v) == QTYPE_LIST;
}

static void print_pair(GString *out, const char *key, const QObject *v,
                       int indent)
{
    g_string_append_printf(out, "%*s%s:%s", indent, "", key,
                           composite(v) ? "\n" : " ");
    print_value(out, v, indent + 4);
    if (!composite(v)) {
        g_string_append_c(out, '\n');
    }
}

static void print_value(GString *out, const QObject *v, int indent)
{
    int64_t i;

    switch (qobject_type(v)) {
    case QTYPE_DICT:
        for (size_t k = 0; k < qdict_size(v); k++) {
            g_autofree char *key = spaced(qdict_key_at(v, k));

            print_pair(out, key, qdict_value_at(v, k), indent);
        }
        break;
    case QTYPE_LIST:
        for (size_t k = 0; k < qlist_size(v); k++) {
            g_autofree char *key = g_strdup_printf("[%zu]", k);

            print_pair(out, key, qlist_at(v, k), indent);
        }
        break;
    case QTYPE_BOOL:
        g_string_append(out, qbool_get(v) ? "true" : "false");
        break;
    case QTYPE_INT:
        if (qint_try_i64(v, &i)) {
            g_string_append_printf(out, "%" PRId64, i);
        }
        break;
    case QTYPE_STRING:
        g_string_append(out, qstring_get(v));
        break;
    default:
        break;
    }
}

void block_image_print(GString *out, const QObject *d)
{
    uint64_t size = qdict_get_int(d, "virtual-size", 0);
    int64_t actual = qdict_get_int(d, "actual-size", -1);
    g_autofree char *virt = block_size_text(size);
    g_autofree char *disk = actual < 0 ? g_strdup("unavailable")
                                       : block_size_text(actual);
    const char *backing = qdict_get_str(d, "backing-filename");
    const QObject *spec = qdict_get(d, "format-specific");

    g_string_append_printf(out, "image: %s\nfile format: %s\n"
                           "virtual size: %s (%" PRIu64 " bytes)\n"
                           "disk size: %s\n", qdict_get_str(d, "filename"),
                           qdict_get_str(d, "format"), virt, size, disk);
    if (qdict_get_bool(d, "encrypted", false)) {
        g_string_append(out, "encrypted: yes\n");
    }
    if (qdict_has(d, "cluster-size")) {
        g_string_append_printf(out, "cluster_size: %" PRId64 "\n",
                               qdict_get_int(d, "cluster-size", 0));
    }
    if (qdict_get_bool(d, "dirty-flag", false)) {
        g_string_append(out, "cleanly shut down: no\n");
    }
    if (backing) {
        const char *full = qdict_get_str(d, "full-backing-filename");

        g_string_append_printf(out, "backing file: %s", backing);
        if (strcmp(full, backing)) {
            g_string_append_printf(out, " (actual path: %s)", full);
        }
        g_string_append_c(out, '\n');
        if (qdict_has(d, "backing-filename-format")) {
            g_string_append_printf(out, "backing file format: %s\n",
                                   qdict_get_str(d,
                                                 "backing-filename-format"));
        }
    }
    if (qdict_has(d, "snapshots")) {
        block_snapshots_print(out, qdict_get(d, "snapshots"));
    }
    if (spec && qdict_get(spec, "data") &&
        qdict_size(qdict_get(spec, "data"))) {
        g_string_append(out, "Format specific information:\n");
        print_value(out, qdict_get(spec, "data"), 4);
    }
}
