/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of the host: "serial" (a terminal line) and "parallel" (ppdev). */
#include "osdep.h"
#include "char-int.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/option.h"
#include <linux/parport.h>
#include <linux/ppdev.h>
#include <sys/ioctl.h>
#include <termios.h>

static const char *const path_opts[] = { "path", NULL };

static int open_device(Chardev *chr, QObject *opts, const char *what,
                       Error **errp)
{
    g_autofree char *path = NULL;
    int fd;

    if (!opts_take_str(opts, "path", &path, errp)) {
        return -1;
    }
    if (!path) {
        error_setg(errp, "chardev: %s: no device path given", what);
        return -1;
    }
    fd = open_path(path, O_RDWR | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", path);
    }
    return fd;
}

/* --- serial --- */

static const struct {
    int rate;
    speed_t code;
} speeds[] = {
    { 50, B50 },         { 75, B75 },         { 110, B110 },
    { 134, B134 },       { 150, B150 },       { 200, B200 },
    { 300, B300 },       { 600, B600 },       { 1200, B1200 },
    { 1800, B1800 },     { 2400, B2400 },     { 4800, B4800 },
    { 9600, B9600 },     { 19200, B19200 },   { 38400, B38400 },
    { 57600, B57600 },   { 115200, B115200 }, { 230400, B230400 },
    { 460800, B460800 }, { 921600, B921600 },
};

/* The nearest rate that is not above by more than a tenth. */
static speed_t speed_code(int rate)
{
    for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
        if (rate <= speeds[i].rate * 11 / 10) {
            return speeds[i].code;
        }
    }
    return B115200;
}

static int serial_set_params(Chardev *chr, const ChrSerialParams *p)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    int fd = ((FDChardev *)chr)->in;
    struct termios t;

    if (tcgetattr(fd, &t) < 0) {
        return -errno;
    }
    cfmakeraw(&t);
    t.c_cflag &= ~(CSIZE | CSTOPB | PARENB | PARODD | CRTSCTS);
    t.c_cflag |= CLOCAL | CREAD | sizes[CLAMP(p->data_bits, 5, 8) - 5];
    if (p->stop_bits == 2) {
        t.c_cflag |= CSTOPB;
    }
    if (p->parity == 'E' || p->parity == 'O') {
        t.c_cflag |= PARENB | (p->parity == 'O' ? PARODD : 0);
    }
    cfsetispeed(&t, speed_code(p->speed));
    cfsetospeed(&t, speed_code(p->speed));
    return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

static int serial_set_break(Chardev *chr, bool on)
{
    int fd = ((FDChardev *)chr)->in;

    return ioctl(fd, on ? TIOCSBRK : TIOCCBRK) < 0 ? -errno : 0;
}

static int serial_get_tiocm(Chardev *chr, int *tiocm)
{
    int bits;

    if (ioctl(((FDChardev *)chr)->in, TIOCMGET, &bits) < 0) {
        return -errno;
    }
    *tiocm = (bits & TIOCM_CTS ? CHR_TIOCM_CTS : 0) |
             (bits & TIOCM_CAR ? CHR_TIOCM_CAR : 0) |
             (bits & TIOCM_RI ? CHR_TIOCM_RI : 0) |
             (bits & TIOCM_DSR ? CHR_TIOCM_DSR : 0) |
             (bits & TIOCM_DTR ? CHR_TIOCM_DTR : 0) |
             (bits & TIOCM_RTS ? CHR_TIOCM_RTS : 0);
    return 0;
}

static int serial_set_tiocm(Chardev *chr, int tiocm)
{
    int on = (tiocm & CHR_TIOCM_DTR ? TIOCM_DTR : 0) |
             (tiocm & CHR_TIOCM_RTS ? TIOCM_RTS : 0);
    int off = (TIOCM_DTR | TIOCM_RTS) & ~on;
    int fd = ((FDChardev *)chr)->in;

    return ioctl(fd, TIOCMBIS, &on) < 0 || ioctl(fd, TIOCMBIC, &off) < 0
               ? -errno
               : 0;
}

static bool serial_open(Chardev *chr, QObject *opts, Error **errp)
{
    static const ChrSerialParams start = { 115200, 'N', 8, 1 };
    FDChardev *s = (FDChardev *)chr;
    int fd;

    s->in = s->out = -1;
    fd = open_device(chr, opts, "serial", errp);
    if (fd < 0) {
        return false;
    }
    fd_chr_start(s, fd, fd);
    serial_set_params(chr, &start); /* no terminal: nothing to set */
    chr->open = true;
    return true;
}

static const ChardevDriver serial_info = {
    .name = "serial", .alias = "tty", .size = sizeof(FDChardev),
    .opts = path_opts, .open = serial_open, .close = fd_chr_close,
    .write = fd_chr_write, .want_write = fd_chr_want_write,
    .out_fd = fd_chr_out_fd,
    .update_read = fd_chr_update_read,
    .set_serial_params = serial_set_params, .set_break = serial_set_break,
    .get_tiocm = serial_get_tiocm, .set_tiocm = serial_set_tiocm,
};

/* --- parallel --- */

typedef struct ParallelChardev {
    Chardev chr;
    int fd;
    int mode; /* IEEE1284_MODE_x that the port is in */
} ParallelChardev;

static int pp_set_mode(ParallelChardev *s, int mode)
{
    if (s->mode != mode) {
        int m = mode;

        if (ioctl(s->fd, PPSETMODE, &m) < 0) {
            return -errno;
        }
        s->mode = mode;
    }
    return 0;
}

static int epp_mode(ChrParport reg)
{
    return reg == CHR_PP_EPP_ADDR ? IEEE1284_MODE_EPP | IEEE1284_ADDR
                                  : IEEE1284_MODE_EPP | IEEE1284_DATA;
}

static int parallel_read(Chardev *chr, ChrParport reg, uint8_t *v)
{
    ParallelChardev *s = (ParallelChardev *)chr;
    static const unsigned long calls[] = {
        [CHR_PP_DATA] = PPRDATA, [CHR_PP_STATUS] = PPRSTATUS,
        [CHR_PP_CONTROL] = PPRCONTROL,
    };
    int ret;

    if (reg < ARRAY_SIZE(calls)) {
        if (ioctl(s->fd, calls[reg], v) < 0) {
            return -errno;
        }
        if (reg == CHR_PP_CONTROL) {
            /* The kernel leaves out what the hardware always shows. */
            *v |= 0xc0;
        }
        return 0;
    }
    ret = pp_set_mode(s, epp_mode(reg));
    if (ret < 0) {
        return ret;
    }
    return read(s->fd, v, 1) == 1 ? 0 : -EIO;
}

static int parallel_write(Chardev *chr, ChrParport reg, uint8_t v)
{
    ParallelChardev *s = (ParallelChardev *)chr;
    int ret;

    if (reg == CHR_PP_DATA) {
        return ioctl(s->fd, PPWDATA, &v) < 0 ? -errno : 0;
    }
    if (reg == CHR_PP_CONTROL) {
        return ioctl(s->fd, PPWCONTROL, &v) < 0 ? -errno : 0;
    }
    if (reg == CHR_PP_STATUS) {
        return -EINVAL;
    }
    ret = pp_set_mode(s, epp_mode(reg));
    if (ret < 0) {
        return ret;
    }
    return write(s->fd, &v, 1) == 1 ? 0 : -EIO;
}

static bool parallel_open(Chardev *chr, QObject *opts, Error **errp)
{
    ParallelChardev *s = (ParallelChardev *)chr;

    s->mode = IEEE1284_MODE_COMPAT;
    s->fd = open_device(chr, opts, "parallel", errp);
    if (s->fd < 0) {
        return false;
    }
    if (ioctl(s->fd, PPCLAIM) < 0) {
        error_setg_errno(errp, errno, "not a parallel port");
        close(s->fd);
        s->fd = -1;
        return false;
    }
    chr->open = true;
    return true;
}

static void parallel_close(Chardev *chr)
{
    ParallelChardev *s = (ParallelChardev *)chr;

    if (s->fd >= 0) {
        pp_set_mode(s, IEEE1284_MODE_COMPAT);
        ioctl(s->fd, PPRELEASE);
        close(s->fd);
    }
}

static const ChardevDriver parallel_info = {
    .name = "parallel", .alias = "parport", .size = sizeof(ParallelChardev),
    .opts = path_opts, .open = parallel_open, .close = parallel_close,
    .parport_read = parallel_read, .parport_write = parallel_write,
};

static void char_host_register(void)
{
    chr_driver_register(&serial_info);
    chr_driver_register(&parallel_info);
}
chardev_init(char_host_register)
