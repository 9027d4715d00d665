/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices as their users (serial ports, monitors, channels) see
 * them.  A back end ("chardev") has one front end at a time (a mux: several).
 * All on the main loop with the BQL, unless said otherwise.
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include "util/object.h"
#include "util/property.h"

typedef struct Chardev Chardev;

typedef enum ChrEvent {
    CHR_EVENT_BREAK, CHR_EVENT_OPENED, CHR_EVENT_CLOSED,
    CHR_EVENT_MUX_IN, CHR_EVENT_MUX_OUT
} ChrEvent;

/* Embedded in its user. */
typedef struct CharFrontend {
    Chardev *chr;       /* NULL: none attached, writes vanish */
    /* How many bytes it takes now; 0 stops the back end until
     * chr_fe_accept_input(). */
    int (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, int len);
    void (*event)(void *opaque, ChrEvent ev);
    /* The back end was exchanged by chardev-change; NULL: this user cannot
     * have that.  Handlers stay; false refuses. */
    bool (*changed)(void *opaque);
    void *opaque;
    void (*watch)(void *opaque); /* of chr_fe_add_watch */
    void *watch_opaque;
    bool open;
    int tag;            /* among a mux's front ends */
} CharFrontend;

/* A property "chardev": the id of a back end. */
extern const PropertyInfo prop_chardev;
#define PROP_CHARDEV(n, S, f) PROP_(n, S, f, CharFrontend, prop_chardev, 0)

Chardev *chr_find(const char *id);
/* From `-serial` style text ("pty", "unix:/x,server", "mon:stdio", "none"):
 * gets @label.  *@none is set and NULL returned for "none". */
Chardev *chr_new_from_text(const char *label, const char *text, bool *none,
                           Error **errp);
/* -chardev / chardev-add: "backend" (or implied), "id", options. */
Chardev *chr_new_from_opts(QObject *opts, Error **errp);
bool chr_remove(const char *id, Error **errp);
/* Puts a new back end in the place of @id, whose front end agrees. */
Chardev *chr_change(const char *id, QObject *opts, Error **errp);
/* A break, as if it came from the line. */
bool chr_send_break(const char *id, Error **errp);
/* ringbuf: what was written to it and not read yet; @max bytes of it. */
GByteArray *chr_ringbuf_read(const char *id, int64_t max, Error **errp);
bool chr_ringbuf_write(const char *id, const uint8_t *buf, size_t len,
                       Error **errp);
/* Text of `-chardev help`. */
void chr_print_list(GString *out);
/* The mux's escape character (-echr, 1: Ctrl-A), and what its `x` does. */
extern int mux_escape_char;
extern void (*mux_quit_hook)(void);
const char *chr_label(const Chardev *chr);
const char *chr_filename(const Chardev *chr); /* "pty:/dev/pts/3" */

/* Its front end (a mux: the one in focus) has handlers and is open. */
bool chr_frontend_open(const Chardev *chr);

/* False when it is taken by another front end. */
bool chr_fe_init(CharFrontend *fe, Chardev *chr, Error **errp);
void chr_fe_deinit(CharFrontend *fe);
/* All NULL detaches.  Gets OPENED at once if the back end is open. */
void chr_fe_set_handlers(CharFrontend *fe, int (*can_read)(void *),
                         void (*read)(void *, const uint8_t *, int),
                         void (*event)(void *, ChrEvent), void *opaque);
bool chr_fe_connected(const CharFrontend *fe);
bool chr_fe_backend_open(const CharFrontend *fe);
/* Bytes taken (may be short, 0 when full or closed): never blocks. */
int chr_fe_write(CharFrontend *fe, const uint8_t *buf, int len);
/* Queues what does not fit (bounded by 1 MiB, then dropped): for users that
 * have no flow control.  Never blocks. */
void chr_fe_write_all(CharFrontend *fe, const uint8_t *buf, int len);
/* Blocks until the back end takes bytes, at most @ms; false: it does not.
 * For the very end of the program. */
bool chr_fe_wait_room(CharFrontend *fe, int ms);
void chr_fe_printf(CharFrontend *fe, const char *fmt, ...) PRINTF(2, 3);
/* @fn once when the back end can take bytes again.  One at a time. */
void chr_fe_add_watch(CharFrontend *fe, void (*fn)(void *opaque), void *opaque);
void chr_fe_cancel_watch(CharFrontend *fe);
/* can_read() may say more than last time. */
void chr_fe_accept_input(CharFrontend *fe);
/* The guest opened or closed its end (VSERPORT, usb-serial). */
void chr_fe_set_open(CharFrontend *fe, bool open);
void chr_fe_disconnect(CharFrontend *fe);
/* Takes fds that came with the last bytes (SCM_RIGHTS); count. */
int chr_fe_take_fds(CharFrontend *fe, int *fds, int max);
void chr_fe_set_echo(CharFrontend *fe, bool on); /* stdio: raw or cooked */

/* Serial line settings and modem lines; -ENOTSUP where there are none. */
typedef struct ChrSerialParams {
    int speed, parity /* 'N','E','O' */, data_bits, stop_bits;
} ChrSerialParams;
enum { CHR_TIOCM_CTS = 0x020, CHR_TIOCM_CAR = 0x040, CHR_TIOCM_RI = 0x080,
       CHR_TIOCM_DSR = 0x100, CHR_TIOCM_DTR = 0x002, CHR_TIOCM_RTS = 0x004 };
int chr_fe_set_serial_params(CharFrontend *fe, const ChrSerialParams *p);
int chr_fe_set_break(CharFrontend *fe, bool on);
int chr_fe_get_tiocm(CharFrontend *fe, int *tiocm);
int chr_fe_set_tiocm(CharFrontend *fe, int tiocm);

/* Registers of a host's parallel port; -ENOTSUP where there are none. */
typedef enum ChrParport {
    CHR_PP_DATA, CHR_PP_STATUS /* read only */, CHR_PP_CONTROL,
    CHR_PP_EPP_DATA, CHR_PP_EPP_ADDR
} ChrParport;
int chr_fe_parport_read(CharFrontend *fe, ChrParport reg, uint8_t *v);
int chr_fe_parport_write(CharFrontend *fe, ChrParport reg, uint8_t v);

#endif
