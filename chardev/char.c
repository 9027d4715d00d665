/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry of back ends, and the front ends' calls.  See char-int.h. */
#include "osdep.h"
#include "char-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"
#include <poll.h>

#define OUT_MAX MiB /* what chr_fe_write_all() queues */

static GPtrArray *drivers; /* const ChardevDriver */

static void chardev_finalize(Object *obj);
static void run_watch(CharFrontend *fe);

static const ObjectType chardev_type = {
    .name = "chardev", .abstract = true, .size = sizeof(Chardev),
    .finalize = chardev_finalize,
};

void chr_driver_register(const ChardevDriver *info)
{
    ObjectType *t = g_new0(ObjectType, 1);

    if (!drivers) {
        drivers = g_ptr_array_new();
        object_type_register(&chardev_type);
    }
    g_ptr_array_add(drivers, (void *)info);
    t->name = g_strdup_printf("chardev-%s", info->name);
    t->parent = "chardev";
    t->size = info->size;
    object_type_register(t);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void chr_print_list(GString *out)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; drivers && i < drivers->len; i++) {
        const ChardevDriver *d = g_ptr_array_index(drivers, i);

        g_ptr_array_add(names, (char *)d->name);
        if (d->alias) {
            g_ptr_array_add(names, (char *)d->alias);
        }
    }
    g_ptr_array_sort(names, compare_names);
    g_string_append(out, "Available chardev backend types:\n");
    for (unsigned i = 0; i < names->len; i++) {
        g_string_append_printf(out, "  %s\n", (char *)names->pdata[i]);
    }
}

static const ChardevDriver *driver_find(const char *name)
{
    for (unsigned i = 0; drivers && i < drivers->len; i++) {
        const ChardevDriver *d = g_ptr_array_index(drivers, i);

        if (!strcmp(d->name, name) || (d->alias && !strcmp(d->alias, name))) {
            return d;
        }
    }
    return NULL;
}

static void driver_error(const char *name, Error **errp)
{
    static const struct {
        const char *name, *why;
    } refused[] = {
        { "spicevmc", "there is no SPICE" },
        { "spiceport", "there is no SPICE" },
        { "braille", "there are no Braille displays" },
        { "msmouse", "there is no serial mouse; use PS/2 or USB" },
        { "wctablet", "there is no serial tablet; use usb-tablet" },
        { "dbus", "there is no D-Bus" },
    };
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *near;

    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        if (!strcmp(refused[i].name, name)) {
            error_setg(errp, "chardev backend '%s' is not supported: %s",
                       name, refused[i].why);
            return;
        }
    }
    for (unsigned i = 0; drivers && i < drivers->len; i++) {
        const ChardevDriver *d = g_ptr_array_index(drivers, i);

        g_ptr_array_add(names, (char *)d->name);
    }
    g_ptr_array_add(names, NULL);
    near = nearest_name(name, (const char *const *)names->pdata);
    error_setg(errp, "'%s' is not a valid char driver name%s%s%s", name,
               near ? " (did you mean '" : "", near ? near : "",
               near ? "'?)" : "");
}

static Object *chardevs(void)
{
    return object_container("/chardevs");
}

Chardev *chr_find(const char *id)
{
    return (Chardev *)object_child(chardevs(), id);
}

const char *chr_label(const Chardev *chr)
{
    return chr->label;
}

const char *chr_filename(const Chardev *chr)
{
    return chr->filename ? chr->filename : chr->info->name;
}

void chr_set_filename(Chardev *chr, char *filename)
{
    g_free(chr->filename);
    chr->filename = filename;
}

bool chr_frontend_open(const Chardev *chr)
{
    return chr->fe && chr->fe->open;
}

static void chardev_finalize(Object *obj)
{
    Chardev *chr = (Chardev *)obj;

    if (chr->fe) {
        chr->fe->chr = NULL;
    }
    if (chr->info && chr->info->close) {
        chr->info->close(chr);
    }
    if (chr->logfd >= 0) {
        close(chr->logfd);
    }
    if (chr->out) {
        g_byte_array_free(chr->out, TRUE);
    }
    g_free(chr->label);
    g_free(chr->filename);
}

static bool open_log(Chardev *chr, QObject *opts, Error **errp)
{
    g_autofree char *file = NULL;
    bool append = false;

    if (!opts_take_str(opts, "logfile", &file, errp) ||
        !opts_take_bool(opts, "logappend", &append, errp)) {
        return false;
    }
    if (!file) {
        return true;
    }
    chr->logfd = open_path(file, O_WRONLY | O_CREAT |
                                     (append ? O_APPEND : O_TRUNC), 0666);
    if (chr->logfd < 0) {
        error_setg_errno(errp, errno, "Unable to open logfile %s", file);
        return false;
    }
    return true;
}

static Chardev *chr_new(const char *label, const ChardevDriver *info,
                        QObject *opts, Error **errp)
{
    g_autofree char *type = g_strdup_printf("chardev-%s", info->name);
    Chardev *chr = (Chardev *)object_new(type);

    chr->info = info;
    chr->label = g_strdup(label);
    chr->logfd = -1;
    chr->out = g_byte_array_new();
    if (!open_log(chr, opts, errp) || !info->open(chr, opts, errp) ||
        !opts_done(opts, info->opts, errp)) {
        object_free(&chr->obj);
        return NULL;
    }
    object_add_child(chardevs(), label, &chr->obj);
    return chr;
}

/* A mux over @base takes the name; the base gets "NAME-base". */
static Chardev *wrap_mux(const char *label, const ChardevDriver *info,
                         QObject *opts, Error **errp)
{
    g_autofree char *base_label = g_strdup_printf("%s-base", label);
    g_autoptr(QObject) mux_opts = qdict_new();
    Chardev *base = chr_new(base_label, info, opts, errp), *mux;

    if (!base) {
        return NULL;
    }
    qdict_put_str(mux_opts, "chardev", base_label);
    mux = chr_new(label, driver_find("mux"), mux_opts, errp);
    if (!mux) {
        object_free(&base->obj);
        return NULL;
    }
    mux->base = base;
    return mux;
}

Chardev *chr_new_from_opts(QObject *given, Error **errp)
{
    g_autoptr(QObject) opts = qobject_deep_copy(given);
    g_autofree char *backend = NULL, *id = NULL;
    const ChardevDriver *info;
    bool mux = false;

    if (!opts_take_str(opts, "backend", &backend, errp) ||
        !opts_take_str(opts, "id", &id, errp) ||
        !opts_take_bool(opts, "mux", &mux, errp)) {
        return NULL;
    }
    if (!backend) {
        error_setg(errp, "chardev: \"%s\" missing backend", id ? id : "");
        return NULL;
    }
    if (!id) {
        error_setg(errp, "chardev: no id specified");
        return NULL;
    }
    if (!id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        return NULL;
    }
    info = driver_find(backend);
    if (!info) {
        driver_error(backend, errp);
        return NULL;
    }
    if (chr_find(id)) {
        error_setg(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    return mux ? wrap_mux(id, info, opts, errp) : chr_new(id, info, opts, errp);
}

/* --- short forms --- */

/* "host:port[,opts]" after "tcp:" and friends. */
static QObject *parse_inet(const char *rest, Error **errp)
{
    const char *comma = strchr(rest, ',');
    g_autofree char *addr = comma ? g_strndup(rest, comma - rest)
                                  : g_strdup(rest);
    char *colon = strrchr(addr, ':');
    QObject *opts = keyval_parse(comma ? comma + 1 : "", NULL, NULL, errp);

    if (!opts) {
        return NULL;
    }
    if (!colon) {
        error_setg(errp, "address '%s' has no port", addr);
        qobject_unref(opts);
        return NULL;
    }
    *colon = 0;
    qdict_put_str(opts, "host", addr);
    qdict_put_str(opts, "port", colon + 1);
    return opts;
}

/* "[HOST]:PORT[@[HOST]:PORT]": where to, and where from. */
static QObject *parse_udp(const char *rest, Error **errp)
{
    g_auto(GStrv) ends = g_strsplit(rest, "@", 2);
    static const char *const keys[2][2] = { { "host", "port" },
                                            { "localaddr", "localport" } };
    g_autoptr(QObject) opts = qdict_new();

    for (int i = 0; ends[i]; i++) {
        char *colon = strrchr(ends[i], ':');

        if (!colon) {
            error_setg(errp, "address '%s' has no port", ends[i]);
            return NULL;
        }
        *colon = 0;
        if (*ends[i]) {
            qdict_put_str(opts, keys[i][0], ends[i]);
        }
        qdict_put_str(opts, keys[i][1], colon + 1);
    }
    qdict_put_str(opts, "backend", "udp");
    return qobject_ref(opts);
}

static QObject *parse_text(const char *text, Error **errp)
{
    static const struct {
        const char *prefix, *backend, *implied;
    } forms[] = {
        { "file:", "file", "path" },   { "pipe:", "pipe", "path" },
        { "unix:", "socket", "path" }, { "/dev/parport", "parallel", NULL },
        { "/dev/", "serial", NULL },   { "chardev:", NULL, NULL },
        { "vc:", "vc", "size" },
    };
    static const struct {
        const char *prefix, *flag;
    } inets[] = {
        { "tcp:", NULL }, { "telnet:", "telnet" }, { "websocket:", "websocket" },
        { "tn3270:", "tn3270" },
    };
    QObject *opts;

    if (g_str_has_prefix(text, "udp:")) {
        return parse_udp(text + 4, errp);
    }

    for (unsigned i = 0; i < ARRAY_SIZE(inets); i++) {
        if (g_str_has_prefix(text, inets[i].prefix)) {
            opts = parse_inet(text + strlen(inets[i].prefix), errp);
            if (opts && inets[i].flag) {
                qdict_put_str(opts, inets[i].flag, "on");
            }
            if (opts) {
                qdict_put_str(opts, "backend", "socket");
            }
            return opts;
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        if (g_str_has_prefix(text, forms[i].prefix) && forms[i].backend) {
            if (!forms[i].implied) {
                opts = qdict_new();
                qdict_put_str(opts, "path", text);
            } else {
                opts = keyval_parse(text + strlen(forms[i].prefix),
                                    forms[i].implied, NULL, errp);
            }
            if (opts) {
                qdict_put_str(opts, "backend", forms[i].backend);
            }
            return opts;
        }
    }
    /* "pty", "stdio", "null", "stdio,signal=off". */
    return keyval_parse(text, "backend", NULL, errp);
}

Chardev *chr_new_from_text(const char *label, const char *text, bool *none,
                           Error **errp)
{
    g_autoptr(QObject) opts = NULL;
    const char *rest;
    bool mux = false;
    Chardev *chr;

    *none = false;
    if (!strcmp(text, "none")) {
        *none = true;
        return NULL;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        chr = chr_find(text + 8);
        if (!chr) {
            error_setg(errp, "chardev '%s' not found", text + 8);
        }
        return chr;
    }
    if (g_str_has_prefix(text, "mon:")) {
        rest = text + 4;
        mux = true;
    } else {
        rest = text;
    }
    opts = parse_text(rest, errp);
    if (!opts) {
        return NULL;
    }
    qdict_put_str(opts, "id", label);
    if (mux) {
        qdict_put_str(opts, "mux", "on");
        if (!strcmp(rest, "stdio")) {
            qdict_put_str(opts, "signal", "off");
        }
    }
    return chr_new_from_opts(opts, errp);
}

static bool is_busy(Chardev *chr)
{
    CharFrontend *fe;

    for (int i = 0;
         chr->info->frontend && chr->info->frontend(chr, i, &fe); i++) {
        if (fe) {
            return true;
        }
    }
    return chr->fe || chr->muxed;
}

bool chr_remove(const char *id, Error **errp)
{
    Chardev *chr = chr_find(id), *base;

    if (!chr) {
        error_setg(errp, "Chardev '%s' not found", id);
        return false;
    }
    if (is_busy(chr)) {
        error_setg(errp, "Chardev '%s' is busy", id);
        return false;
    }
    base = chr->base;
    object_free(&chr->obj);
    if (base) {
        object_free(&base->obj);
    }
    return true;
}

Chardev *chr_change(const char *id, QObject *opts, Error **errp)
{
    Chardev *old = chr_find(id), *new;
    CharFrontend *fe;

    if (!old) {
        error_setg(errp, "Chardev '%s' does not exist", id);
        return NULL;
    }
    if (old->info->frontend || old->muxed) {
        error_setg(errp, "Mux device hotswap not supported yet");
        return NULL;
    }
    fe = old->fe;
    if (fe && !fe->changed) {
        error_setg(errp, "Chardev user does not support chardev hotswap");
        return NULL;
    }
    /* The name is free for the new one, but the old one lives on until the
     * new one works. */
    object_unparent(&old->obj);
    new = chr_new_from_opts(opts, errp);
    if (!new) {
        object_add_child(chardevs(), id, &old->obj);
        return NULL;
    }
    if (fe) {
        bool was_open = old->open;

        old->fe = NULL;
        new->fe = fe;
        fe->chr = new;
        if (was_open && !new->open && fe->event) {
            fe->event(fe->opaque, CHR_EVENT_CLOSED);
        }
        if (!fe->changed(fe->opaque)) {
            new->fe = NULL;
            old->fe = fe;
            fe->chr = old;
            object_free(&new->obj);
            object_add_child(chardevs(), id, &old->obj);
            error_setg(errp, "Chardev '%s' change failed", id);
            return NULL;
        }
        if (!was_open && new->open && fe->event) {
            fe->event(fe->opaque, CHR_EVENT_OPENED);
        }
        if (new->info->set_fe_open) {
            new->info->set_fe_open(new, fe->open);
        }
        if (new->info->update_read) {
            new->info->update_read(new);
        }
        run_watch(fe); /* of the old one */
    }
    object_free(&old->obj);
    return new;
}

bool chr_send_break(const char *id, Error **errp)
{
    Chardev *chr = chr_find(id);

    if (!chr) {
        error_setg(errp, "Chardev '%s' not found", id);
        return false;
    }
    chr_be_event(chr, CHR_EVENT_BREAK);
    return true;
}

/* --- front ends --- */

bool chr_fe_init(CharFrontend *fe, Chardev *chr, Error **errp)
{
    if (chr->info->attach) {
        if (!chr->info->attach(chr, fe, errp)) {
            return false;
        }
    } else if (chr->fe) {
        error_setg(errp, "Device '%s' is in use", chr->label);
        return false;
    } else {
        chr->fe = fe;
    }
    *fe = (CharFrontend){ .chr = chr, .tag = fe->tag };
    return true;
}

void chr_fe_deinit(CharFrontend *fe)
{
    Chardev *chr = fe->chr;

    if (!chr) {
        return;
    }
    chr_fe_set_handlers(fe, NULL, NULL, NULL, NULL);
    chr_fe_cancel_watch(fe);
    if (chr->info->detach) {
        chr->info->detach(chr, fe);
    } else if (chr->fe == fe) {
        chr->fe = NULL;
    }
    fe->chr = NULL;
}

void chr_fe_set_handlers(CharFrontend *fe, int (*can_read)(void *),
                         void (*read)(void *, const uint8_t *, int),
                         void (*event)(void *, ChrEvent), void *opaque)
{
    Chardev *chr = fe->chr;

    fe->can_read = can_read;
    fe->read = read;
    fe->event = event;
    fe->opaque = opaque;
    if (!chr) {
        return;
    }
    chr_fe_set_open(fe, can_read || read || event);
    if (chr->open && event) {
        event(opaque, CHR_EVENT_OPENED);
    }
    if (fe->chr && chr->info->update_read) {
        chr->info->update_read(chr);
    }
}

bool chr_fe_connected(const CharFrontend *fe)
{
    return fe->chr != NULL;
}

bool chr_fe_backend_open(const CharFrontend *fe)
{
    return fe->chr && fe->chr->open;
}

static int be_write(Chardev *chr, const uint8_t *buf, int len)
{
    int n = chr->info->write ? chr->info->write(chr, buf, len) : len;

    if (n > 0 && chr->logfd >= 0) {
        ssize_t done = write(chr->logfd, buf, n);

        (void)done; /* a full log must not stop the guest */
    }
    return n;
}

int chr_fe_write(CharFrontend *fe, const uint8_t *buf, int len)
{
    Chardev *chr = fe->chr;

    if (!chr || len <= 0) {
        return len;
    }
    return chr->out->len ? 0 : be_write(chr, buf, len);
}

void chr_fe_write_all(CharFrontend *fe, const uint8_t *buf, int len)
{
    Chardev *chr = fe->chr;
    int n;

    if (!chr) {
        return;
    }
    n = chr->out->len ? 0 : be_write(chr, buf, len);
    if (n < len && chr->out->len + (len - n) <= OUT_MAX) {
        g_byte_array_append(chr->out, buf + n, len - n);
        if (chr->info->want_write) {
            chr->info->want_write(chr, true);
        }
    }
}

bool chr_fe_wait_room(CharFrontend *fe, int ms)
{
    Chardev *chr = fe->chr;
    struct pollfd p = { .events = POLLOUT };

    p.fd = chr && chr->info->out_fd ? chr->info->out_fd(chr) : -1;
    return p.fd >= 0 && poll(&p, 1, ms) > 0 && (p.revents & POLLOUT);
}

void chr_fe_printf(CharFrontend *fe, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    chr_fe_write_all(fe, (const uint8_t *)text, strlen(text));
}

void chr_fe_add_watch(CharFrontend *fe, void (*fn)(void *opaque), void *opaque)
{
    Chardev *chr = fe->chr;

    if (chr) {
        fe->watch = fn;
        fe->watch_opaque = opaque;
        if (chr->info->want_write) {
            chr->info->want_write(chr, true);
        }
    }
}

void chr_fe_cancel_watch(CharFrontend *fe)
{
    fe->watch = NULL;
}

void chr_fe_accept_input(CharFrontend *fe)
{
    if (fe->chr && fe->chr->info->update_read) {
        fe->chr->info->update_read(fe->chr);
    }
}

void chr_fe_set_open(CharFrontend *fe, bool open)
{
    if (fe->chr && fe->open != open) {
        fe->open = open;
        if (fe->chr->info->set_fe_open) {
            fe->chr->info->set_fe_open(fe->chr, open);
        }
    }
}

void chr_fe_disconnect(CharFrontend *fe)
{
    if (fe->chr && fe->chr->info->disconnect) {
        fe->chr->info->disconnect(fe->chr);
    }
}

int chr_fe_take_fds(CharFrontend *fe, int *fds, int max)
{
    return fe->chr && fe->chr->info->take_fds
               ? fe->chr->info->take_fds(fe->chr, fds, max)
               : 0;
}

void chr_fe_set_echo(CharFrontend *fe, bool on)
{
    if (fe->chr && fe->chr->info->set_echo) {
        fe->chr->info->set_echo(fe->chr, on);
    }
}

#define FORWARD(fe, call, ...) \
    ((fe)->chr && (fe)->chr->info->call \
         ? (fe)->chr->info->call((fe)->chr, __VA_ARGS__) \
         : -ENOTSUP)

int chr_fe_parport_read(CharFrontend *fe, ChrParport reg, uint8_t *v)
{
    return FORWARD(fe, parport_read, reg, v);
}

int chr_fe_parport_write(CharFrontend *fe, ChrParport reg, uint8_t v)
{
    return FORWARD(fe, parport_write, reg, v);
}

int chr_fe_set_serial_params(CharFrontend *fe, const ChrSerialParams *p)
{
    return FORWARD(fe, set_serial_params, p);
}

int chr_fe_set_break(CharFrontend *fe, bool on)
{
    return FORWARD(fe, set_break, on);
}

int chr_fe_get_tiocm(CharFrontend *fe, int *tiocm)
{
    return FORWARD(fe, get_tiocm, tiocm);
}

int chr_fe_set_tiocm(CharFrontend *fe, int tiocm)
{
    return FORWARD(fe, set_tiocm, tiocm);
}

/* --- back ends --- */

int chr_be_can_read(Chardev *chr)
{
    CharFrontend *fe = chr->fe;

    return fe && fe->can_read && fe->read ? fe->can_read(fe->opaque) : 0;
}

void chr_be_read(Chardev *chr, const uint8_t *buf, int len)
{
    CharFrontend *fe = chr->fe;

    if (fe && fe->read) {
        fe->read(fe->opaque, buf, len);
    }
}

void chr_be_event(Chardev *chr, ChrEvent ev)
{
    CharFrontend *fe = chr->fe;

    if (ev == CHR_EVENT_OPENED) {
        chr->open = true;
    } else if (ev == CHR_EVENT_CLOSED) {
        chr->open = false;
    }
    if (fe && fe->event) {
        fe->event(fe->opaque, ev);
    }
    if (ev == CHR_EVENT_CLOSED) {
        chr_be_writable(chr); /* nobody is there to wait for */
    }
}

void chr_drop_output(Chardev *chr)
{
    g_byte_array_set_size(chr->out, 0);
}

static void run_watch(CharFrontend *fe)
{
    void (*watch)(void *) = fe ? fe->watch : NULL;

    if (watch) {
        fe->watch = NULL;
        watch(fe->watch_opaque);
    }
}

void chr_be_writable(Chardev *chr)
{
    CharFrontend *fe = chr->fe;

    if (chr->out->len) {
        int n = be_write(chr, chr->out->data, chr->out->len);

        if (n > 0) {
            g_byte_array_remove_range(chr->out, 0, n);
        }
        if (chr->out->len) {
            return;
        }
    }
    if (chr->info->want_write) {
        chr->info->want_write(chr, false);
    }
    if (!chr->info->frontend) {
        run_watch(fe);
        return;
    }
    for (int i = 0; chr->info->frontend(chr, i, &fe); i++) {
        run_watch(fe);
    }
}

/* --- the property "chardev" --- */

static bool prop_chardev_set(Object *obj, const Property *p, void *field,
                             QObject *v, Error **errp)
{
    CharFrontend *fe = field;
    Chardev *chr;

    if (qobject_type(v) != QTYPE_STRING) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string",
                   p->name);
        return false;
    }
    if (!*qstring_get(v)) {
        chr_fe_deinit(fe);
        return true;
    }
    chr = chr_find(qstring_get(v));
    if (!chr) {
        error_setg(errp, "Property '%s.%s' can't find value '%s'",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    if (!chr_fe_init(fe, chr, NULL)) {
        error_setg(errp, "Property '%s.%s' can't take value '%s', it's in use",
                   obj->type->name, p->name, qstring_get(v));
        return false;
    }
    return true;
}

static QObject *prop_chardev_get(Object *obj, const Property *p,
                                 const void *field)
{
    const CharFrontend *fe = field;

    return qstring_new(fe->chr ? fe->chr->label : "");
}

static void prop_chardev_release(Object *obj, const Property *p, void *field)
{
    chr_fe_deinit(field);
}

const PropertyInfo prop_chardev = {
    .name = "str",
    .desc = "ID of a chardev to use as a backend",
    .set = prop_chardev_set,
    .get = prop_chardev_get,
    .release = prop_chardev_release,
};
