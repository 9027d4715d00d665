/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consoles: what a guest shows, between devices that draw and clients that
 * look (VNC, screendump, tests).
 *
 *     device -- console_update(rectangle) --> Console -- update() --> clients
 *     device <------- refresh() ------------ (a timer, while somebody looks)
 *
 * 1. Nothing is pushed: a device draws when its refresh() is called.  That
 *    happens for a screendump, and from a timer that runs only while a client
 *    is attached and wants to look.
 * 2. The surface belongs to the console; its pixels may be the device's own
 *    memory.  A client copies the published rectangle inside update() and
 *    never keeps the pointer: guest memory may change or go at any time.
 * 3. Between two refreshes in which nothing changed the interval grows, up to
 *    CONSOLE_IDLE_MS; console_wake() brings it back.
 *
 * All of it holds the BQL; callbacks come on the thread that calls in, which
 * is the main thread for refresh().
 */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include <pixman.h>
#include "util/list.h"
#include "util/object.h"

#define CONSOLE_REFRESH_MS 30
#define CONSOLE_IDLE_MS    240
/* Larger than any mode; keeps sizes in bytes far from overflow. */
#define CONSOLE_MAX_SIZE   16384

#define CONSOLE_KEY_CTRL 0x80000000u

typedef struct Console Console;
typedef struct ConsoleClient ConsoleClient;

typedef struct ConsoleOps {
    /* Draw what changed since the last call and publish it. */
    void (*refresh)(void *opaque);
    /* The next refresh must draw all of it (a client came).  May be NULL. */
    void (*invalidate)(void *opaque);
    /* The first client wants to look, the last one has gone: start and stop
     * tracking changes.  May be NULL. */
    void (*watch)(void *opaque, bool on);
    /* Text consoles: a key as an X keysym, pressed, with CONSOLE_KEY_CTRL
     * when Control is held.  NULL: keys go to the guest's input devices. */
    void (*keysym)(void *opaque, uint32_t keysym);
} ConsoleOps;

/*
 * A new console; graphic ones stand before text consoles.  @device: the one that draws, for
 * screendump's device= (NULL: none); @head: its output number.  @label shows
 * in lists and is copied.  It has a small black surface at first.
 */
Console *console_new(Object *device, unsigned head, const char *label,
                     const ConsoleOps *ops, void *opaque);
/* Clients are told that it is gone.  NULL is fine. */
void console_free(Console *c);

/* --- for who draws --- */

/*
 * Another surface.  @data NULL: memory of the console's own, black.  Else rows
 * of @stride bytes at @data, which must stay mapped until the next call, or
 * console_free().  The sizes are the caller's duty: 1..CONSOLE_MAX_SIZE.
 */
void console_set_surface(Console *c, int width, int height,
                         pixman_format_code_t format, void *data, int stride);
/* The rectangle has changed; it is clipped to the surface. */
void console_update(Console *c, int x, int y, int width, int height);
/* Somebody may be looking: changes need to be tracked. */
bool console_watched(const Console *c);
/* Something changed or is about to (a register write, a key): look soon. */
void console_wake(Console *c);

/* --- for clients --- */

typedef struct ConsoleClientOps {
    /* The surface is a new one; all of it counts as changed. */
    void (*resize)(ConsoleClient *cl);
    void (*update)(ConsoleClient *cl, int x, int y, int width, int height);
    /* The console was looked at; all update()s of it came.  May be NULL. */
    void (*refreshed)(ConsoleClient *cl);
    /* The console goes away; the client is detached already. */
    void (*gone)(ConsoleClient *cl);
} ConsoleClientOps;

struct ConsoleClient {
    const ConsoleClientOps *ops;
    /* console.c's own. */
    Console *console;  /* NULL: not attached */
    ListNode node;
    int interval_ms;   /* 0: does not look now */
};

/* Attached clients look at once: resize(), and everything is redrawn. */
void console_attach(Console *c, ConsoleClient *cl);
void console_detach(ConsoleClient *cl); /* harmless when not attached */
/* How often @cl wants to look; 0: not until further notice. */
void console_client_pace(ConsoleClient *cl, int interval_ms);

/* The picture as it is; valid until the BQL is released. */
pixman_image_t *console_surface(const Console *c);
int console_width(const Console *c);
int console_height(const Console *c);
/* Brings the surface up to date now, attached or not. */
void console_refresh(Console *c);
/* Converts a rectangle to x8r8g8b8 rows of @stride bytes at @dest, which
 * holds the whole picture (the rectangle goes to its own place). */
void console_copy(const Console *c, int x, int y, int width, int height,
                  uint8_t *dest, int stride);

/* --- which there are --- */

unsigned console_count(void);
Console *console_by_index(unsigned index); /* NULL beyond the last */
unsigned console_index(const Console *c);
const char *console_label(const Console *c);
bool console_is_graphic(const Console *c); /* has no keysym() */
/* The first graphic one, else the first; NULL if there is none. */
Console *console_default(void);
/* By a device's id or path, and its output; NULL with an error. */
Console *console_find(const char *device, unsigned head, Error **errp);
/* Gives @keysym to a text console; false: it is a graphic one. */
bool console_send_keysym(Console *c, uint32_t keysym);
/* Told after consoles came or went.  One is enough for each caller. */
void console_on_change(void (*fn)(void *opaque), void *opaque);

#endif
