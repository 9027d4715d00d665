/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Field tables to bytes and back.
 *
 * A struct is: u32 version, then its fields in order, then u8 1 + name +
 * the struct for each subsection that is needed, then u8 0.  A field is: its
 * name (u8 length + bytes), u32 number of bytes, the bytes.  Integers are
 * little endian.  The reader checks names and lengths, so that a stream of
 * another layout is refused by name and never misread.
 *
 * The machine is: "QKVM", u32 format, then sections (u8 1, u16 length + id,
 * u32 length + struct), then u8 0.
 */
#include "osdep.h"
#include "hw/qdev.h"
#include "hw/vmstate.h"

struct VMStateWriter {
    GByteArray *out;
};

struct VMStateReader {
    const uint8_t *p, *end;
};

/* --- primitive values --- */

void vmstate_put_bytes(VMStateWriter *w, const void *p, size_t len)
{
    g_byte_array_append(w->out, p, len);
}

void vmstate_put_u8(VMStateWriter *w, uint8_t v)
{
    vmstate_put_bytes(w, &v, 1);
}

void vmstate_put_u32(VMStateWriter *w, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    vmstate_put_bytes(w, &v, 4);
}

void vmstate_put_u64(VMStateWriter *w, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    vmstate_put_bytes(w, &v, 8);
}

bool vmstate_get_bytes(VMStateReader *r, void *p, size_t len, Error **errp)
{
    if ((size_t)(r->end - r->p) < len) {
        error_setg(errp, "state stream ends too early");
        return false;
    }
    if (p) {
        memcpy(p, r->p, len);
    }
    r->p += len;
    return true;
}

bool vmstate_get_u8(VMStateReader *r, uint8_t *v, Error **errp)
{
    return vmstate_get_bytes(r, v, 1, errp);
}

bool vmstate_get_u32(VMStateReader *r, uint32_t *v, Error **errp)
{
    bool ok = vmstate_get_bytes(r, v, 4, errp);

    *v = ok ? GUINT32_FROM_LE(*v) : 0;
    return ok;
}

bool vmstate_get_u64(VMStateReader *r, uint64_t *v, Error **errp)
{
    bool ok = vmstate_get_bytes(r, v, 8, errp);

    *v = ok ? GUINT64_FROM_LE(*v) : 0;
    return ok;
}

static void put_name(VMStateWriter *w, const char *name)
{
    size_t len = strlen(name);

    assert(len < 256);
    vmstate_put_u8(w, len);
    vmstate_put_bytes(w, name, len);
}

static bool get_name(VMStateReader *r, char name[256], Error **errp)
{
    uint8_t len;

    if (!vmstate_get_u8(r, &len, errp) ||
        !vmstate_get_bytes(r, name, len, errp)) {
        return false;
    }
    name[len] = 0;
    return true;
}

/* A length that is filled in once what it counts is there. */
static unsigned begin_length(VMStateWriter *w)
{
    vmstate_put_u32(w, 0);
    return w->out->len;
}

static void end_length(VMStateWriter *w, unsigned start)
{
    uint32_t len = GUINT32_TO_LE(w->out->len - start);

    memcpy(w->out->data + start - 4, &len, 4);
}

/* --- fields --- */

static bool field_exists(const VMStateField *f, const void *opaque,
                         int version)
{
    return f->version <= version && (!f->exists || f->exists(opaque));
}

static size_t field_count(const VMStateField *f, const void *opaque)
{
    uint32_t n;

    if (!f->count_offset) {
        return f->count;
    }
    n = *(const uint32_t *)((const char *)opaque + f->count_offset);
    return MIN(n, f->count);
}

static char *field_base(const VMStateField *f, void *opaque)
{
    char *p = (char *)opaque + f->offset;

    return f->pointer ? *(char **)p : p;
}

static void save_struct(const VMStateDescription *vmsd, void *opaque,
                        VMStateWriter *w);
static bool load_struct(const VMStateDescription *vmsd, void *opaque,
                        VMStateReader *r, Error **errp);

static void save_elem(const VMStateField *f, void *p, VMStateWriter *w)
{
    const Timer *t = p;

    switch (f->kind) {
    case VMS_INT:
    case VMS_BUFFER:
        vmstate_put_bytes(w, p, f->size);
        break;
    case VMS_TIMER:
        vmstate_put_u64(w, timer_pending(t) ? t->expire : -1);
        break;
    case VMS_STRUCT:
        save_struct(f->vmsd, p, w);
        break;
    case VMS_CUSTOM:
        f->save(p, w);
        break;
    }
}

static bool load_elem(const VMStateField *f, void *p, VMStateReader *r,
                      Error **errp)
{
    uint64_t expire;

    switch (f->kind) {
    case VMS_INT:
    case VMS_BUFFER:
        return vmstate_get_bytes(r, p, f->size, errp);
    case VMS_TIMER:
        if (!vmstate_get_u64(r, &expire, errp)) {
            return false;
        }
        if ((int64_t)expire < 0) {
            timer_del(p);
        } else {
            timer_mod_at(p, expire);
        }
        return true;
    case VMS_STRUCT:
        return load_struct(f->vmsd, p, r, errp);
    case VMS_CUSTOM:
        return f->load(p, r, errp);
    }
    return false;
}

static void save_struct(const VMStateDescription *vmsd, void *opaque,
                        VMStateWriter *w)
{
    const VMStateDescription *const *sub;

    if (vmsd->pre_save) {
        vmsd->pre_save(opaque);
    }
    vmstate_put_u32(w, vmsd->version_id);
    for (const VMStateField *f = vmsd->fields; f && f->name; f++) {
        unsigned start;
        size_t n;

        if (!field_exists(f, opaque, vmsd->version_id)) {
            continue;
        }
        put_name(w, f->name);
        start = begin_length(w);
        n = field_count(f, opaque);
        for (size_t i = 0; i < n; i++) {
            save_elem(f, field_base(f, opaque) + i * f->size, w);
        }
        end_length(w, start);
    }
    for (sub = vmsd->subsections; sub && *sub; sub++) {
        if (!(*sub)->needed || (*sub)->needed(opaque)) {
            vmstate_put_u8(w, 1);
            put_name(w, (*sub)->name);
            save_struct(*sub, opaque, w);
        }
    }
    vmstate_put_u8(w, 0);
}

static bool load_field(const VMStateDescription *vmsd, const VMStateField *f,
                       void *opaque, VMStateReader *r, Error **errp)
{
    VMStateReader data;
    char name[256];
    uint32_t len;
    size_t n;

    if (!get_name(r, name, errp) || !vmstate_get_u32(r, &len, errp)) {
        return false;
    }
    if (strcmp(name, f->name) != 0) {
        error_setg(errp, "state of '%s': expected field '%s', found '%s'",
                   vmsd->name, f->name, name);
        return false;
    }
    data.p = r->p;
    if (!vmstate_get_bytes(r, NULL, len, errp)) {
        return false;
    }
    data.end = data.p + len;
    n = field_count(f, opaque);
    for (size_t i = 0; i < n; i++) {
        if (!load_elem(f, field_base(f, opaque) + i * f->size, &data, errp)) {
            error_prepend(errp, "%s.%s: ", vmsd->name, f->name);
            return false;
        }
    }
    if (data.p != data.end) {
        error_setg(errp, "state of '%s': field '%s' has %u bytes too many",
                   vmsd->name, f->name, (unsigned)(data.end - data.p));
        return false;
    }
    return true;
}

static const VMStateDescription *find_sub(const VMStateDescription *vmsd,
                                          const char *name)
{
    const VMStateDescription *const *sub;

    for (sub = vmsd->subsections; sub && *sub; sub++) {
        if (strcmp((*sub)->name, name) == 0) {
            return *sub;
        }
    }
    return NULL;
}

static bool load_struct(const VMStateDescription *vmsd, void *opaque,
                        VMStateReader *r, Error **errp)
{
    uint32_t version;
    uint8_t more;

    if (!vmstate_get_u32(r, &version, errp)) {
        return false;
    }
    if (version > (uint32_t)vmsd->version_id ||
        version < (uint32_t)vmsd->minimum_version_id) {
        error_setg(errp, "state of '%s' has version %u, this binary knows "
                         "%d to %d", vmsd->name, version,
                   vmsd->minimum_version_id, vmsd->version_id);
        return false;
    }
    for (const VMStateField *f = vmsd->fields; f && f->name; f++) {
        if (field_exists(f, opaque, version) &&
            !load_field(vmsd, f, opaque, r, errp)) {
            return false;
        }
    }
    for (;;) {
        const VMStateDescription *sub;
        char name[256];

        if (!vmstate_get_u8(r, &more, errp)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (!get_name(r, name, errp)) {
            return false;
        }
        sub = find_sub(vmsd, name);
        if (!sub) {
            error_setg(errp, "state of '%s' has an unknown subsection '%s'",
                       vmsd->name, name);
            return false;
        }
        if (!load_struct(sub, opaque, r, errp)) {
            return false;
        }
    }
    return !vmsd->post_load || vmsd->post_load(opaque, version, errp);
}

void vmstate_save(const VMStateDescription *vmsd, void *opaque, GByteArray *to)
{
    VMStateWriter w = { to };

    save_struct(vmsd, opaque, &w);
}

bool vmstate_load(const VMStateDescription *vmsd, void *opaque,
                  const uint8_t *data, size_t len, Error **errp)
{
    VMStateReader r = { data, data + len };

    return load_struct(vmsd, opaque, &r, errp);
}

/* --- as text --- */

static void describe_struct(const VMStateDescription *vmsd, VMStateReader *r,
                            QObject *out)
{
    uint32_t version, len;
    char name[256];
    uint8_t more;

    if (!vmstate_get_u32(r, &version, NULL)) {
        return;
    }
    for (const VMStateField *f = vmsd->fields; f && f->name; f++) {
        g_autoptr(GString) hex = NULL;
        const uint8_t *data;

        /* A conditional field may not be in the stream. */
        const uint8_t *before = r->p;

        if (!get_name(r, name, NULL)) {
            return;
        }
        if (strcmp(name, f->name) != 0) {
            r->p = before;
            continue;
        }
        if (!vmstate_get_u32(r, &len, NULL)) {
            return;
        }
        data = r->p;
        if (!vmstate_get_bytes(r, NULL, len, NULL)) {
            return;
        }
        if (f->kind == VMS_STRUCT && f->count == 1) {
            VMStateReader sub = { data, data + len };
            QObject *dict = qdict_new();

            describe_struct(f->vmsd, &sub, dict);
            qdict_put(out, f->name, dict);
            continue;
        }
        hex = g_string_new(NULL);
        for (uint32_t i = 0; i < len; i++) {
            g_string_append_printf(hex, "%02x", data[i]);
        }
        qdict_put_str(out, f->name, hex->str);
    }
    while (vmstate_get_u8(r, &more, NULL) && more && get_name(r, name, NULL)) {
        const VMStateDescription *sub = find_sub(vmsd, name);
        QObject *dict;

        if (!sub) {
            return;
        }
        dict = qdict_new();
        describe_struct(sub, r, dict);
        qdict_put(out, name, dict);
    }
}

char *vmstate_describe(const VMStateDescription *vmsd, const uint8_t *data,
                       size_t len)
{
    VMStateReader r = { data, data + len };
    g_autoptr(QObject) dict = qdict_new();

    describe_struct(vmsd, &r, dict);
    return json_to_string(dict, true);
}

/* --- the whole machine --- */

#define MAGIC  "QKVM"
#define FORMAT 1

typedef struct Section {
    ListNode node;
    char *id;
    int prio;
    const VMStateDescription *vmsd;
    void *opaque;
} Section;

static ListNode sections = LIST_INIT(sections);

void vmstate_register(const char *id, int prio, const VMStateDescription *vmsd,
                      void *opaque)
{
    Section *s = g_new0(Section, 1), *at;

    s->id = g_strdup(id);
    s->prio = prio;
    s->vmsd = vmsd;
    s->opaque = opaque;
    list_foreach(at, &sections, node) {
        if (at->prio > prio) {
            break;
        }
    }
    list_insert_before(&at->node, &s->node);
}

void vmstate_unregister(const VMStateDescription *vmsd, void *opaque)
{
    Section *s, *tmp;

    list_foreach_safe(s, tmp, &sections, node) {
        if (s->vmsd == vmsd && s->opaque == opaque) {
            list_remove(&s->node);
            g_free(s->id);
            g_free(s);
        }
    }
}

static void save_section(VMStateWriter *w, const char *id,
                         const VMStateDescription *vmsd, void *opaque)
{
    uint16_t len = GUINT16_TO_LE(strlen(id));
    unsigned start;

    vmstate_put_u8(w, 1);
    vmstate_put_bytes(w, &len, 2);
    vmstate_put_bytes(w, id, strlen(id));
    start = begin_length(w);
    save_struct(vmsd, opaque, w);
    end_length(w, start);
}

/* A device's table, or its nearest base type's. */
static const VMStateDescription *device_vmsd(const DeviceState *dev)
{
    return dev->info->vmsd;
}

static bool save_device(DeviceState *dev, void *opaque)
{
    if (device_vmsd(dev)) {
        g_autofree char *id = device_vmstate_id(dev);

        save_section(opaque, id, device_vmsd(dev), dev);
    }
    return true;
}

GByteArray *vmstate_save_all(Error **errp)
{
    GByteArray *out = g_byte_array_new();
    VMStateWriter w = { out };
    Section *s;

    vmstate_put_bytes(&w, MAGIC, 4);
    vmstate_put_u32(&w, FORMAT);
    list_foreach(s, &sections, node) {
        if (s->prio < VMSTATE_PRIO_DEVICE) {
            save_section(&w, s->id, s->vmsd, s->opaque);
        }
    }
    device_foreach(save_device, &w);
    list_foreach(s, &sections, node) {
        if (s->prio >= VMSTATE_PRIO_DEVICE) {
            save_section(&w, s->id, s->vmsd, s->opaque);
        }
    }
    vmstate_put_u8(&w, 0);
    return out;
}

typedef struct Lookup {
    const char *id;
    DeviceState *dev;
} Lookup;

static bool match_device(DeviceState *dev, void *opaque)
{
    Lookup *l = opaque;
    g_autofree char *id = device_vmsd(dev) ? device_vmstate_id(dev) : NULL;

    if (id && strcmp(id, l->id) == 0) {
        l->dev = dev;
        return false;
    }
    return true;
}

/* Whose section that is; NULL: nobody's. */
static const VMStateDescription *find_section(const char *id, void **opaque)
{
    Lookup l = { .id = id };
    Section *s;

    list_foreach(s, &sections, node) {
        if (strcmp(s->id, id) == 0) {
            *opaque = s->opaque;
            return s->vmsd;
        }
    }
    device_foreach(match_device, &l);
    *opaque = l.dev;
    return l.dev ? device_vmsd(l.dev) : NULL;
}

static bool load_section(const char *id, const uint8_t *data, size_t len,
                         Error **errp)
{
    void *opaque;
    const VMStateDescription *vmsd = find_section(id, &opaque);

    if (!vmsd) {
        error_setg(errp, "the state has a section '%s' that this machine has "
                         "no device for", id);
        return false;
    }
    return vmstate_load(vmsd, opaque, data, len, errp);
}

bool vmstate_load_all(const uint8_t *data, size_t len, Error **errp)
{
    VMStateReader r = { data, data + len };
    uint32_t format, size;
    char magic[4];
    uint8_t more;

    if (!vmstate_get_bytes(&r, magic, 4, errp) ||
        !vmstate_get_u32(&r, &format, errp)) {
        return false;
    }
    if (memcmp(magic, MAGIC, 4) != 0 || format != FORMAT) {
        error_setg(errp, "not a machine state of format %d", FORMAT);
        return false;
    }
    while (vmstate_get_u8(&r, &more, errp)) {
        g_autofree char *id = NULL;
        uint16_t id_len;

        if (!more) {
            return true;
        }
        if (!vmstate_get_bytes(&r, &id_len, 2, errp)) {
            return false;
        }
        id_len = GUINT16_FROM_LE(id_len);
        id = g_malloc0(id_len + 1);
        if (!vmstate_get_bytes(&r, id, id_len, errp) ||
            !vmstate_get_u32(&r, &size, errp)) {
            return false;
        }
        data = r.p;
        if (!vmstate_get_bytes(&r, NULL, size, errp) ||
            !load_section(id, data, size, errp)) {
            return false;
        }
    }
    return false;
}

/* The next section; NULL at the end, without an error in our own stream. */
static char *next_section(VMStateReader *r, const uint8_t **data,
                          uint32_t *size)
{
    g_autofree char *id = NULL;
    uint16_t len;
    uint8_t more;

    if (!vmstate_get_u8(r, &more, NULL) || !more ||
        !vmstate_get_bytes(r, &len, 2, NULL)) {
        return NULL;
    }
    len = GUINT16_FROM_LE(len);
    id = g_malloc0(len + 1);
    if (!vmstate_get_bytes(r, id, len, NULL) ||
        !vmstate_get_u32(r, size, NULL)) {
        return NULL;
    }
    *data = r->p;
    return vmstate_get_bytes(r, NULL, *size, NULL) ? g_steal_pointer(&id)
                                                   : NULL;
}

/* Field by field, as far as both have it. */
static void compare_section(const char *id, const char *a, const char *b,
                            GString *out)
{
    g_autoptr(QObject) da = json_parse(a, NULL), db = json_parse(b, NULL);
    size_t start = out->len;

    for (size_t i = 0; da && db && i < qdict_size(da); i++) {
        const char *key = qdict_key_at(da, i);
        QObject *vb = qdict_get(db, key);
        g_autofree char *ta = json_to_string(qdict_value_at(da, i), false);
        g_autofree char *tb = vb ? json_to_string(vb, false)
                                 : g_strdup("absent");

        if (strcmp(ta, tb) != 0) {
            g_string_append_printf(out, "%s: %s: %s -> %s\n", id, key, ta, tb);
        }
    }
    if (out->len == start) {
        g_string_append_printf(out, "%s: %s -> %s\n", id, a, b);
    }
}

unsigned vmstate_compare(const GByteArray *a, const GByteArray *b,
                         GString *out)
{
    VMStateReader ra = { a->data + 8, a->data + a->len };
    VMStateReader rb = { b->data + 8, b->data + b->len };
    unsigned n = 0;

    for (;;) {
        const uint8_t *da = NULL, *db = NULL;
        uint32_t la = 0, lb = 0;
        g_autofree char *ia = next_section(&ra, &da, &la);
        g_autofree char *ib = next_section(&rb, &db, &lb);

        if (!ia && !ib) {
            return n;
        }
        n += ia != NULL;
        if (g_strcmp0(ia, ib) != 0) {
            g_string_append_printf(out, "section %s became %s\n",
                                   ia ? ia : "(none)", ib ? ib : "(none)");
            return n;
        }
        if (la != lb || memcmp(da, db, la) != 0) {
            void *opaque;
            const VMStateDescription *vmsd = find_section(ia, &opaque);
            g_autofree char *ta = vmstate_describe(vmsd, da, la);
            g_autofree char *tb = vmstate_describe(vmsd, db, lb);

            compare_section(ia, ta, tb, out);
        }
    }
}
