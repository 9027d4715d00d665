/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Input: from whoever has a keyboard or a pointer (VNC, the monitor) to the
 * guest's devices.
 *
 * Each device registers a handler with the kinds of events that it takes; an
 * event goes to the first handler that takes its kind and is bound to the
 * event's console, else to the first that takes it and is bound to none.
 * Activating a handler (a USB tablet that the guest begins to poll) puts it
 * first.  Events for a guest that does not run are dropped; in a suspended
 * one a press wakes it.
 *
 * Keys are QKeyCode; PC set 1 codes ("numbers": E0 keys have 80h added) are
 * translated here.  Absolute positions are 0..INPUT_ABS_MAX over the screen.
 *
 * BQL.
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include "qapi/qapi-types.h"
#include "ui/console.h"

#define INPUT_ABS_MAX 0x7fff

enum { /* kinds */
    INPUT_KEY = 1,
    INPUT_BUTTON = 2,
    INPUT_REL = 4,
    INPUT_ABS = 8,
};
enum { INPUT_LED_SCROLL = 1, INPUT_LED_NUM = 2, INPUT_LED_CAPS = 4 };

typedef struct InputHandler InputHandler;

typedef struct InputHandlerOps {
    const char *name;    /* "QEMU PS/2 Mouse": query-mice */
    unsigned mask;       /* kinds it takes */
    void (*key)(void *opaque, QKeyCode code, bool down);
    void (*button)(void *opaque, InputButton button, bool down);
    void (*rel)(void *opaque, InputAxis axis, int value);
    void (*abs)(void *opaque, InputAxis axis, int value);
    /* Has room for one more key event?  A key that finds none waits for
     * input_handler_ready().  NULL: always. */
    bool (*key_room)(void *opaque);
    /* The events since the last sync belong together.  May be NULL. */
    void (*sync)(void *opaque);
} InputHandlerOps;

InputHandler *input_handler_new(const InputHandlerOps *ops, void *opaque);
void input_handler_free(InputHandler *h); /* NULL is fine */
/* Events that come from @c go to it first; NULL: from all. */
void input_handler_bind(InputHandler *h, Console *c);
void input_handler_activate(InputHandler *h);
/* key_room() may have become true. */
void input_handler_ready(InputHandler *h);
/* The guest set the lights of a keyboard. */
void input_handler_set_leds(InputHandler *h, unsigned leds);

/* --- translation --- */

/* 0 when the key has none. */
unsigned input_number_of(QKeyCode code);
/* Q_KEY_CODE_UNMAPPED when it is none. */
QKeyCode input_code_of(unsigned number);

/* --- for who has events; @c may be NULL --- */

void input_send_button(Console *c, InputButton button, bool down);
void input_send_rel(Console *c, InputAxis axis, int value);
/* @value of 0..@size-1 is scaled; out of range is clamped. */
void input_send_abs(Console *c, InputAxis axis, int value, int size);
void input_sync(Console *c);
/* Buttons as a mask of the last call's and this one's differences: bit n is
 * InputButton n.  @last is updated. */
void input_send_buttons(Console *c, unsigned *last, unsigned now);
/* Whether the pointer for @c takes absolute positions. */
bool input_is_absolute(Console *c);
unsigned input_leds(void); /* of the current keyboard */
/* Whether any device takes keys. */
bool input_has_keyboard(void);
/* The pointer with that query-mice index becomes current; false: none has. */
bool input_choose_mouse(int index);

/*
 * Keys one after another at a pace that guests follow: they wait in a queue
 * and go out @delay_ms apart by the guest's clock, later while the keyboard
 * has no room.  What waits for a keyboard that nobody reads for five seconds
 * of that clock is lost.  False: the queue is full.
 */
bool input_queue_key(Console *c, QKeyCode code, bool down, int delay_ms);
/* So many wait that whoever can wait should. */
#define INPUT_BUSY 256
bool input_queue_busy(void);

/* Told when LEDs or the pointer's kind may have changed. */
void input_on_change(void (*fn)(void *opaque), void *opaque);
void input_off_change(void (*fn)(void *opaque), void *opaque);

#endif
