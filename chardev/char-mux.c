/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "mux": several front ends over one back end.  Output of all goes out; input
 * goes to the one in focus.  Ctrl-A (or -echr) is the escape: c next front
 * end, b break, x quit, h help, twice: the character itself.
 */
#include "osdep.h"
#include "char-int.h"
#include "util/module.h"
#include "util/option.h"

#define MAX_FRONTENDS 4
#define BUFFER 32 /* input kept for a front end that is not ready */

typedef struct MuxChardev {
    Chardev chr;
    CharFrontend base;             /* our hold on the back end */
    CharFrontend *fes[MAX_FRONTENDS]; /* NULL: the slot is free */
    int focus;                     /* -1: none */
    bool escape;                   /* the escape character came */
    uint8_t buf[MAX_FRONTENDS][BUFFER];
    int used[MAX_FRONTENDS];
} MuxChardev;

int mux_escape_char = 1; /* Ctrl-A */
void (*mux_quit_hook)(void);

static void mux_send_event(MuxChardev *s, int n, ChrEvent ev)
{
    CharFrontend *fe = s->fes[n];

    if (fe && fe->event) {
        fe->event(fe->opaque, ev);
    }
}

static void mux_set_focus(MuxChardev *s, int n)
{
    if (s->focus >= 0 && s->focus != n) {
        mux_send_event(s, s->focus, CHR_EVENT_MUX_OUT);
    }
    s->focus = n;
    s->chr.fe = s->fes[n];
    mux_send_event(s, n, CHR_EVENT_MUX_IN);
}

/* The next front end after the one in focus, if there is another. */
static void mux_next(MuxChardev *s)
{
    for (int i = 1; i <= MAX_FRONTENDS; i++) {
        int n = (MAX(s->focus, 0) + i) % MAX_FRONTENDS;

        if (s->fes[n]) {
            mux_set_focus(s, n);
            return;
        }
    }
}

static void mux_say(MuxChardev *s, const char *text)
{
    chr_fe_write_all(&s->base, (const uint8_t *)text, strlen(text));
}

/* True: an ordinary byte. */
static bool mux_filter(MuxChardev *s, uint8_t c)
{
    char esc[16];

    if (!s->escape) {
        s->escape = c == mux_escape_char;
        return !s->escape;
    }
    s->escape = false;
    if (c == mux_escape_char) {
        return true;
    }
    g_snprintf(esc, sizeof(esc), "C-%c", mux_escape_char - 1 + 'a');
    switch (c) {
    case 'h':
    case '?': {
        g_autofree char *text = g_strdup_printf(
            "\r\n%s h    print this help\r\n%s x    exit emulator\r\n"
            "%s b    send break\r\n%s c    switch between console and monitor"
            "\r\n%s %s  sends %s\r\n", esc, esc, esc, esc, esc, esc, esc);

        mux_say(s, text);
        break;
    }
    case 'x':
        mux_say(s, "QEMU: Terminated\r\n");
        if (mux_quit_hook) {
            mux_quit_hook();
        }
        break;
    case 'b':
        mux_send_event(s, s->focus, CHR_EVENT_BREAK);
        break;
    case 'c':
        mux_next(s);
        break;
    }
    return false;
}

static void mux_flush(MuxChardev *s, int n)
{
    CharFrontend *fe = s->fes[n];

    while (fe && s->used[n] && fe->can_read && fe->can_read(fe->opaque) > 0) {
        uint8_t c = s->buf[n][0];

        memmove(s->buf[n], s->buf[n] + 1, --s->used[n]);
        fe->read(fe->opaque, &c, 1);
    }
}

static int mux_can_read(void *opaque)
{
    MuxChardev *s = opaque;

    if (s->focus < 0) {
        return 0;
    }
    mux_flush(s, s->focus);
    return BUFFER - s->used[s->focus];
}

static void mux_read(void *opaque, const uint8_t *buf, int len)
{
    MuxChardev *s = opaque;

    for (int i = 0; i < len; i++) {
        int n = s->focus;

        if (mux_filter(s, buf[i]) && n >= 0 && s->used[n] < BUFFER) {
            s->buf[n][s->used[n]++] = buf[i];
            mux_flush(s, n);
        }
    }
}

static void mux_event(void *opaque, ChrEvent ev)
{
    MuxChardev *s = opaque;

    if (ev == CHR_EVENT_OPENED) {
        s->chr.open = true;
    } else if (ev == CHR_EVENT_CLOSED) {
        s->chr.open = false;
    }
    for (int i = 0; i < MAX_FRONTENDS; i++) {
        mux_send_event(s, i, ev);
    }
}

static bool mux_attach(Chardev *chr, CharFrontend *fe, Error **errp)
{
    MuxChardev *s = (MuxChardev *)chr;

    for (int i = 0; i < MAX_FRONTENDS; i++) {
        if (!s->fes[i]) {
            fe->tag = i;
            s->fes[i] = fe;
            s->used[i] = 0;
            return true;
        }
    }
    error_setg(errp, "Too many clients on mux '%s' (at most %d)", chr->label,
               MAX_FRONTENDS);
    return false;
}

static void mux_detach(Chardev *chr, CharFrontend *fe)
{
    MuxChardev *s = (MuxChardev *)chr;
    int n = fe->tag;

    if (n < 0 || n >= MAX_FRONTENDS || s->fes[n] != fe) {
        return;
    }
    s->fes[n] = NULL;
    if (s->focus == n) {
        chr->fe = NULL;
        s->focus = -1;
        mux_next(s);
    }
}

static bool mux_frontend(Chardev *chr, int i, CharFrontend **fe)
{
    MuxChardev *s = (MuxChardev *)chr;

    if (i >= MAX_FRONTENDS) {
        return false;
    }
    *fe = s->fes[i];
    return true;
}

static void mux_update_read(Chardev *chr)
{
    MuxChardev *s = (MuxChardev *)chr;

    for (int i = 0; i < MAX_FRONTENDS && s->focus < 0; i++) {
        if (s->fes[i] && s->fes[i]->read) {
            mux_set_focus(s, i);
        }
    }
    for (int i = 0; i < MAX_FRONTENDS; i++) {
        mux_flush(s, i);
    }
    chr_fe_accept_input(&s->base);
}

static int mux_write(Chardev *chr, const uint8_t *buf, int len)
{
    return chr_fe_write(&((MuxChardev *)chr)->base, buf, len);
}

static void mux_base_writable(void *opaque)
{
    chr_be_writable(opaque);
}

static void mux_want_write(Chardev *chr, bool on)
{
    MuxChardev *s = (MuxChardev *)chr;

    if (on) {
        chr_fe_add_watch(&s->base, mux_base_writable, s);
    } else {
        chr_fe_cancel_watch(&s->base);
    }
}

static int mux_out_fd(Chardev *chr)
{
    Chardev *base = ((MuxChardev *)chr)->base.chr;

    return base && base->info->out_fd ? base->info->out_fd(base) : -1;
}

static void mux_set_echo(Chardev *chr, bool on)
{
    chr_fe_set_echo(&((MuxChardev *)chr)->base, on);
}

static const char *const mux_opts[] = { "chardev", NULL };

static bool mux_open(Chardev *chr, QObject *opts, Error **errp)
{
    MuxChardev *s = (MuxChardev *)chr;
    g_autofree char *id = NULL;
    Chardev *base;

    s->focus = -1;
    if (!opts_take_str(opts, "chardev", &id, errp)) {
        return false;
    }
    if (!id) {
        error_setg(errp, "chardev: mux: no chardev given");
        return false;
    }
    base = chr_find(id);
    if (!base) {
        error_setg(errp, "mux: base chardev %s not found", id);
        return false;
    }
    if (!chr_fe_init(&s->base, base, errp)) {
        return false;
    }
    base->muxed = true;
    chr_set_filename(chr, g_strdup("mux"));
    chr_fe_set_handlers(&s->base, mux_can_read, mux_read, mux_event, s);
    return true;
}

static void mux_close(Chardev *chr)
{
    MuxChardev *s = (MuxChardev *)chr;

    for (int i = 0; i < MAX_FRONTENDS; i++) {
        if (s->fes[i]) {
            s->fes[i]->chr = NULL;
        }
    }
    if (s->base.chr) {
        s->base.chr->muxed = false;
        chr_fe_deinit(&s->base);
    }
}

static const ChardevDriver mux_info = {
    .name = "mux", .size = sizeof(MuxChardev), .opts = mux_opts,
    .open = mux_open, .close = mux_close, .write = mux_write,
    .want_write = mux_want_write, .out_fd = mux_out_fd,
    .update_read = mux_update_read,
    .set_echo = mux_set_echo, .attach = mux_attach, .detach = mux_detach,
    .frontend = mux_frontend,
};

static void char_mux_register(void)
{
    chr_driver_register(&mux_info);
}
chardev_init(char_mux_register)
