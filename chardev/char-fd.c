/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Back ends made of descriptors: null, file, pipe, stdio, pty. */
#include "osdep.h"
#include "char-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"
#include "util/timer.h"
#include <poll.h>
#include <pty.h>
#include <glib-unix.h>
#include <termios.h>

static void fd_watch(FDChardev *s);

static void fd_readable(void *opaque)
{
    FDChardev *s = opaque;
    uint8_t buf[4096];
    int room = chr_be_can_read(&s->chr);
    ssize_t n;

    if (room <= 0) {
        s->reading = false;
        fd_watch(s);
        return;
    }
    n = read(s->in, buf, MIN(room, (int)sizeof(buf)));
    if (n > 0) {
        chr_be_read(&s->chr, buf, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (s->hangup) {
            s->hangup(s);
        } else {
            s->reading = false;
            s->eof = true;
            /* The other direction is still there: nothing of it is lost. */
            s->closing = s->writing;
            fd_watch(s);
            if (!s->closing) {
                chr_be_event(&s->chr, CHR_EVENT_CLOSED);
            }
        }
    }
}

static void fd_writable(void *opaque)
{
    FDChardev *s = opaque;

    chr_be_writable(&s->chr);
    if (s->closing && !s->writing) {
        s->closing = false;
        chr_be_event(&s->chr, CHR_EVENT_CLOSED);
    }
}

static void fd_watch(FDChardev *s)
{
    LoopFn on_read = s->reading ? fd_readable : NULL;
    LoopFn on_write = s->writing ? fd_writable : NULL;

    if (s->in >= 0 && s->in == s->out) {
        loop_set_fd(loop_main(), s->in, on_read, on_write, s);
        return;
    }
    if (s->in >= 0) {
        loop_set_fd(loop_main(), s->in, on_read, NULL, s);
    }
    if (s->out >= 0) {
        loop_set_fd(loop_main(), s->out, NULL, on_write, s);
    }
}

void fd_chr_start(FDChardev *s, int in, int out)
{
    s->in = in;
    s->out = out;
    if (in >= 0) {
        g_unix_set_fd_nonblocking(in, TRUE, NULL);
    }
    if (out >= 0 && out != in) {
        g_unix_set_fd_nonblocking(out, TRUE, NULL);
    }
}

void fd_chr_close(Chardev *chr)
{
    FDChardev *s = (FDChardev *)chr;

    s->reading = s->writing = false;
    fd_watch(s);
    if (s->in >= 0 && !s->keep_in) {
        close(s->in);
    }
    if (s->out >= 0 && s->out != s->in && !s->keep_out) {
        close(s->out);
    }
    s->in = s->out = -1;
}

int fd_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    FDChardev *s = (FDChardev *)chr;
    ssize_t n;

    if (s->out < 0) {
        return len;
    }
    n = RETRY_ON_EINTR(write(s->out, buf, len));
    if (n < 0) {
        return errno == EAGAIN ? 0 : len; /* broken: nothing to wait for */
    }
    return n;
}

int fd_chr_out_fd(Chardev *chr)
{
    return ((FDChardev *)chr)->out;
}

void fd_chr_want_write(Chardev *chr, bool on)
{
    FDChardev *s = (FDChardev *)chr;

    s->writing = on;
    fd_watch(s);
}

void fd_chr_update_read(Chardev *chr)
{
    FDChardev *s = (FDChardev *)chr;
    bool want = s->in >= 0 && !s->eof && chr_be_can_read(chr) > 0;

    if (want != s->reading) {
        s->reading = want;
        fd_watch(s);
    }
}

/* --- null --- */

static bool null_open(Chardev *chr, QObject *opts, Error **errp)
{
    return true;
}

static const ChardevDriver null_info = {
    .name = "null", .size = sizeof(Chardev), .open = null_open,
};

/* --- file --- */

static const char *const file_opts[] = { "path", "append", "input-path", NULL };

static bool file_open(Chardev *chr, QObject *opts, Error **errp)
{
    FDChardev *s = (FDChardev *)chr;
    g_autofree char *path = NULL, *input = NULL;
    bool append = false;
    int in = -1, out;

    s->in = s->out = -1;
    if (!opts_take_str(opts, "path", &path, errp) ||
        !opts_take_str(opts, "input-path", &input, errp) ||
        !opts_take_bool(opts, "append", &append, errp)) {
        return false;
    }
    if (!path) {
        error_setg(errp, "chardev: file: no filename given");
        return false;
    }
    out = open_path(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC),
                    0666);
    if (out < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", path);
        return false;
    }
    if (input) {
        in = open_path(input, O_RDONLY, 0);
        if (in < 0) {
            error_setg_errno(errp, errno, "Could not open '%s'", input);
            close(out);
            return false;
        }
    }
    fd_chr_start(s, in, out);
    chr_set_filename(chr, g_strdup("file"));
    chr->open = true;
    return true;
}

static const ChardevDriver file_info = {
    .name = "file", .size = sizeof(FDChardev), .opts = file_opts,
    .open = file_open, .close = fd_chr_close, .write = fd_chr_write,
    .want_write = fd_chr_want_write, .out_fd = fd_chr_out_fd, .update_read = fd_chr_update_read,
};

/* --- pipe: PATH.in and PATH.out, or PATH both ways --- */

static const char *const pipe_opts[] = { "path", NULL };

static bool pipe_open(Chardev *chr, QObject *opts, Error **errp)
{
    FDChardev *s = (FDChardev *)chr;
    g_autofree char *path = NULL, *in_path = NULL, *out_path = NULL;
    int in, out;

    s->in = s->out = -1;
    if (!opts_take_str(opts, "path", &path, errp)) {
        return false;
    }
    if (!path) {
        error_setg(errp, "chardev: pipe: no device path given");
        return false;
    }
    in_path = g_strconcat(path, ".in", NULL);
    out_path = g_strconcat(path, ".out", NULL);
    in = open_path(in_path, O_RDWR, 0);
    out = open_path(out_path, O_RDWR, 0);
    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = open_path(path, O_RDWR, 0);
        if (in < 0) {
            error_setg_errno(errp, errno, "Could not open '%s'", path);
            return false;
        }
    }
    fd_chr_start(s, in, out);
    chr->open = true;
    return true;
}

static const ChardevDriver pipe_info = {
    .name = "pipe", .size = sizeof(FDChardev), .opts = pipe_opts,
    .open = pipe_open, .close = fd_chr_close, .write = fd_chr_write,
    .want_write = fd_chr_want_write, .out_fd = fd_chr_out_fd, .update_read = fd_chr_update_read,
};

/* --- stdio --- */

typedef struct StdioChardev {
    FDChardev fd;
    bool signal;
} StdioChardev;

static const char *const stdio_opts[] = { "signal", NULL };
static StdioChardev *the_stdio;  /* there is one standard input */
static struct termios saved_tty;
static int saved_flags[2];
static bool tty_saved;

static void stdio_restore(void)
{
    if (the_stdio) {
        if (tty_saved) {
            tcsetattr(0, TCSANOW, &saved_tty);
        }
        fcntl(0, F_SETFL, saved_flags[0]);
        fcntl(1, F_SETFL, saved_flags[1]);
    }
}

static void stdio_set_echo(Chardev *chr, bool echo)
{
    StdioChardev *s = (StdioChardev *)chr;
    struct termios tty;

    if (!tty_saved) {
        return;
    }
    tty = saved_tty;
    if (!echo) {
        tty.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR |
                         ICRNL | IXON);
        tty.c_oflag |= OPOST;
        tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
        tty.c_cflag = (tty.c_cflag & ~(CSIZE | PARENB)) | CS8;
        tty.c_cc[VMIN] = 1;
        tty.c_cc[VTIME] = 0;
    }
    if (!s->signal) {
        tty.c_lflag &= ~ISIG;
    }
    tcsetattr(0, TCSANOW, &tty);
}

static bool stdio_open(Chardev *chr, QObject *opts, Error **errp)
{
    StdioChardev *s = (StdioChardev *)chr;

    s->fd.in = s->fd.out = -1;
    s->signal = true;
    if (!opts_take_bool(opts, "signal", &s->signal, errp)) {
        return false;
    }
    if (the_stdio) {
        error_setg(errp, "cannot use stdio by multiple character devices");
        return false;
    }
    the_stdio = s;
    saved_flags[0] = fcntl(0, F_GETFL);
    saved_flags[1] = fcntl(1, F_GETFL);
    tty_saved = tcgetattr(0, &saved_tty) == 0;
    atexit(stdio_restore);
    s->fd.keep_in = s->fd.keep_out = true;
    fd_chr_start(&s->fd, 0, 1);
    stdio_set_echo(chr, false);
    chr->open = true;
    return true;
}

static void stdio_close(Chardev *chr)
{
    if ((Chardev *)the_stdio == chr) {
        fd_chr_close(chr);
        stdio_restore();
        the_stdio = NULL;
    }
}

static const ChardevDriver stdio_info = {
    .name = "stdio", .size = sizeof(StdioChardev), .opts = stdio_opts,
    .open = stdio_open, .close = stdio_close, .write = fd_chr_write,
    .want_write = fd_chr_want_write, .out_fd = fd_chr_out_fd, .update_read = fd_chr_update_read,
    .set_echo = stdio_set_echo,
};

/* --- pty --- */

typedef struct PtyChardev {
    FDChardev fd;
    Timer timer; /* looks for somebody at the other end */
} PtyChardev;

#define PTY_POLL_MS 500

/* The master hangs up while nobody has the slave open. */
static bool pty_connected(PtyChardev *s)
{
    struct pollfd p = { .fd = s->fd.in, .events = POLLOUT };

    return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static void pty_hangup(FDChardev *fd)
{
    PtyChardev *s = (PtyChardev *)fd;

    fd->reading = fd->writing = false;
    fd_watch(fd);
    if (fd->chr.open) {
        chr_drop_output(&fd->chr);
        chr_be_event(&fd->chr, CHR_EVENT_CLOSED);
    }
    timer_mod_ms(&s->timer, PTY_POLL_MS);
}

static void pty_check(void *opaque)
{
    PtyChardev *s = opaque;

    if (!pty_connected(s)) {
        timer_mod_ms(&s->timer, PTY_POLL_MS);
        return;
    }
    chr_be_event(&s->fd.chr, CHR_EVENT_OPENED);
    fd_chr_update_read(&s->fd.chr);
}

static bool pty_open(Chardev *chr, QObject *opts, Error **errp)
{
    PtyChardev *s = (PtyChardev *)chr;
    struct termios tty;
    int master, slave;
    char name[64];

    s->fd.in = s->fd.out = -1;
    if (openpty(&master, &slave, name, NULL, NULL) < 0) {
        error_setg_errno(errp, errno, "Failed to create PTY");
        return false;
    }
    tcgetattr(slave, &tty);
    cfmakeraw(&tty);
    tcsetattr(slave, TCSAFLUSH, &tty);
    close(slave);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fd_chr_start(&s->fd, master, master);
    s->fd.hangup = pty_hangup;
    chr_set_filename(chr, g_strdup_printf("pty:%s", name));
    info_report("char device redirected to %s (label %s)", name, chr->label);
    timer_init(&s->timer, loop_main(), CLOCK_REALTIME_NS, pty_check, s);
    timer_mod_ms(&s->timer, 0);
    return true;
}

static void pty_close(Chardev *chr)
{
    timer_del(&((PtyChardev *)chr)->timer);
    fd_chr_close(chr);
}

static int pty_write(Chardev *chr, const uint8_t *buf, int len)
{
    return chr->open ? fd_chr_write(chr, buf, len) : len;
}

static void pty_update_read(Chardev *chr)
{
    if (chr->open) {
        fd_chr_update_read(chr);
    }
}

static const ChardevDriver pty_info = {
    .name = "pty", .size = sizeof(PtyChardev), .open = pty_open,
    .close = pty_close, .write = pty_write, .want_write = fd_chr_want_write, .out_fd = fd_chr_out_fd,
    .update_read = pty_update_read,
};

static void char_fd_register(void)
{
    chr_driver_register(&null_info);
    chr_driver_register(&file_info);
    chr_driver_register(&pipe_info);
    chr_driver_register(&stdio_info);
    chr_driver_register(&pty_info);
}
chardev_init(char_fd_register)
