/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a back end implements and what it may call.  Main loop, BQL.
 *
 * 1. A back end reads only while chr_be_can_read() > 0; when that is 0 it
 *    stops watching, and update_read() tells it to look again.
 * 2. write() takes what it can now and never blocks; after a short write the
 *    core asks for want_write(), and the back end calls chr_be_writable().
 * 3. Bytes that chr_fe_write_all() could not place wait in `out`, in order,
 *    before anything newer.
 */
#ifndef CHARDEV_CHAR_INT_H
#define CHARDEV_CHAR_INT_H

#include "chardev/char.h"
#include "util/loop.h"

typedef struct ChardevDriver {
    const char *name;    /* "socket" */
    const char *alias;   /* older name, or NULL */
    size_t size;         /* of the state; Chardev is its head */
    const char *const *opts; /* its option names, for "did you mean" */
    /* Takes its options out of @opts; the core refuses what is left. */
    bool (*open)(Chardev *chr, QObject *opts, Error **errp);
    void (*close)(Chardev *chr);
    int (*write)(Chardev *chr, const uint8_t *buf, int len);
    void (*want_write)(Chardev *chr, bool on);
    /* Optional: the descriptor that output goes to, -1: none now. */
    int (*out_fd)(Chardev *chr);
    void (*update_read)(Chardev *chr);
    /* Optional. */
    void (*set_fe_open)(Chardev *chr, bool open);
    void (*set_echo)(Chardev *chr, bool on);
    void (*disconnect)(Chardev *chr);
    int (*take_fds)(Chardev *chr, int *fds, int max);
    int (*set_serial_params)(Chardev *chr, const ChrSerialParams *p);
    int (*set_break)(Chardev *chr, bool on);
    int (*get_tiocm)(Chardev *chr, int *tiocm);
    int (*set_tiocm)(Chardev *chr, int tiocm);
    int (*parport_read)(Chardev *chr, ChrParport reg, uint8_t *v);
    int (*parport_write)(Chardev *chr, ChrParport reg, uint8_t v);
    /* A mux: any number of front ends. */
    bool (*attach)(Chardev *chr, CharFrontend *fe, Error **errp);
    void (*detach)(Chardev *chr, CharFrontend *fe);
    /* The front end in slot @i, which may be empty; false past the last. */
    bool (*frontend)(Chardev *chr, int i, CharFrontend **fe);
} ChardevDriver;

struct Chardev {
    Object obj;
    const ChardevDriver *info;
    char *label;
    char *filename;      /* what query-chardev shows; owned */
    CharFrontend *fe;    /* NULL: none (mux: the one in focus) */
    bool open;           /* somebody is at the other end */
    GByteArray *out;     /* queued output */
    int logfd;           /* logfile=, -1 */
    bool muxed;          /* taken by a mux of its own */
    Chardev *base;       /* the mux made it (mux=on): it goes with it */
};

void chr_driver_register(const ChardevDriver *info);

/* From the back end. */
int chr_be_can_read(Chardev *chr);
void chr_be_read(Chardev *chr, const uint8_t *buf, int len);
void chr_be_event(Chardev *chr, ChrEvent ev);
void chr_be_writable(Chardev *chr);
void chr_set_filename(Chardev *chr, char *filename); /* takes it */
/* The peer left: what it has not been sent is of no use to the next one. */
void chr_drop_output(Chardev *chr);

/* Back ends that are one or two descriptors (char-fd.c). */
typedef struct FDChardev {
    Chardev chr;
    int in, out;         /* -1: none; may be the same */
    bool reading, writing;
    bool eof;            /* the input ended, once for all */
    bool closing;        /* ... and CLOSED waits for output on its way */
    bool keep_in;        /* not ours to close */
    bool keep_out;
    void (*hangup)(struct FDChardev *s); /* end of input; NULL: stop reading */
} FDChardev;
void fd_chr_start(FDChardev *s, int in, int out);
void fd_chr_close(Chardev *chr);
int fd_chr_write(Chardev *chr, const uint8_t *buf, int len);
int fd_chr_out_fd(Chardev *chr);
void fd_chr_want_write(Chardev *chr, bool on);
void fd_chr_update_read(Chardev *chr);

#endif
