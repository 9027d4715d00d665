/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both kinds of monitors share: making them, and their output. */
#include "osdep.h"
#include "monitor-int.h"

static void flush(void *opaque)
{
    MonOut *o = opaque;
    bool was_high = o->buf->len > MON_OUT_HIGH;

    o->watching = false;
    while (o->buf->len) {
        int n = chr_fe_write(o->fe, (const uint8_t *)o->buf->str,
                             MIN(o->buf->len, 1 << 20));

        if (n <= 0) {
            break;
        }
        /* The write may have told us of a hang-up, which empties the buffer. */
        g_string_erase(o->buf, 0, MIN((size_t)n, o->buf->len));
    }
    if (!o->buf->len) {
        if (was_high) {
            chr_fe_accept_input(o->fe);
        }
    } else if (chr_fe_backend_open(o->fe)) {
        o->watching = true;
        chr_fe_add_watch(o->fe, flush, o);
    } else {
        g_string_truncate(o->buf, 0);
    }
}

void mon_out_init(MonOut *o, CharFrontend *fe)
{
    o->fe = fe;
    o->buf = g_string_new(NULL);
}

void mon_out_write(MonOut *o, const char *text, size_t len)
{
    g_string_append_len(o->buf, text, len);
    if (!o->watching) {
        flush(o);
    }
}

void mon_out_reset(MonOut *o)
{
    if (o->watching) {
        chr_fe_cancel_watch(o->fe);
        o->watching = false;
    }
    g_string_truncate(o->buf, 0);
}

/* How long the end of the program waits for somebody to read. */
#define LAST_WORDS_MS 1000

void mon_out_drain(MonOut *o)
{
    while (o->buf->len && chr_fe_wait_room(o->fe, LAST_WORDS_MS)) {
        int n = chr_fe_write(o->fe, (const uint8_t *)o->buf->str,
                             MIN(o->buf->len, 1 << 20));

        if (n <= 0) {
            break;
        }
        g_string_erase(o->buf, 0, MIN((size_t)n, o->buf->len));
    }
}

void mon_out_fini(MonOut *o)
{
    mon_out_reset(o);
    g_string_free(o->buf, TRUE);
}

bool monitor_new_on(Chardev *chr, MonitorMode mode, bool pretty, Error **errp)
{
    if (mode == MONITOR_MODE_CONTROL) {
        return qmp_monitor_new(chr, pretty, errp);
    }
    if (pretty) {
        error_setg(errp, "'pretty' is not compatible with HMP monitors");
        return false;
    }
    return hmp_monitor_new(chr, errp);
}

bool monitor_new(const MonitorOptions *opts, Error **errp)
{
    Chardev *chr = chr_find(opts->chardev);

    if (!chr) {
        error_setg(errp, "chardev \"%s\" not found", opts->chardev);
        return false;
    }
    return monitor_new_on(chr, opts->has_mode ? opts->mode
                                              : MONITOR_MODE_READLINE,
                          opts->has_pretty && opts->pretty, errp);
}

void monitor_cleanup(void)
{
    qmp_monitors_cleanup();
    hmp_monitors_cleanup();
}
