/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PS/2 keyboard and mouse, as the i8042 holds them.  BQL. */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "hw/vmstate.h"

#define PS2_QUEUE 64

/* Bytes on their way to the host, oldest first. */
typedef struct PS2Queue {
    uint8_t data[PS2_QUEUE];
    uint8_t head, count;
} PS2Queue;

typedef struct PS2Keyboard {
    /* Guest-visible state. */
    PS2Queue queue;
    uint8_t cmd;         /* command that waits for its byte, 0: none */
    bool scanning;
    uint8_t set;         /* scan code set 1 or 2 */
    uint8_t leds, rate;
    uint8_t last;        /* for FEh (resend) */
    /* Host side. */
    void (*update)(void *opaque);
    void *opaque;
} PS2Keyboard;

typedef struct PS2Mouse {
    /* Guest-visible state. */
    PS2Queue queue;
    uint8_t cmd;
    bool reporting, remote, wrap, scale2;
    uint8_t resolution, rate;
    uint8_t id;          /* 0, 3 (wheel), 4 (wheel and five buttons) */
    uint8_t knock;       /* how much of the rate sequence came */
    uint8_t buttons, reported_buttons;
    int32_t dx, dy, dz;
    uint8_t last;
    /* Host side. */
    void (*update)(void *opaque);
    void *opaque;
} PS2Mouse;

extern const VMStateDescription vmstate_ps2_keyboard, vmstate_ps2_mouse;

bool ps2_queue_empty(const PS2Queue *q);
uint8_t ps2_queue_get(PS2Queue *q);

void ps2_keyboard_reset(PS2Keyboard *k);
void ps2_keyboard_write(PS2Keyboard *k, uint8_t val);
/* @number: key number as QMP has it: set 1 code, + 80h for the E0 keys. */
/* One that does not fit the queue is lost: ask ps2_keyboard_room(). */
void ps2_keyboard_key(PS2Keyboard *k, unsigned number, bool down);
bool ps2_keyboard_room(const PS2Keyboard *k); /* for any one key */

void ps2_mouse_reset(PS2Mouse *m);
void ps2_mouse_write(PS2Mouse *m, uint8_t val);
/* Movement (y down, z: wheel towards the user) and buttons: bit 0 left, 1
 * right, 2 middle, 3 side, 4 extra. */
void ps2_mouse_move(PS2Mouse *m, int dx, int dy, int dz);
void ps2_mouse_buttons(PS2Mouse *m, uint8_t buttons);

/* 8042 translation of a set 2 byte to set 1 (not of the F0h prefix). */
uint8_t ps2_translate(uint8_t set2);

/* The machine's keyboard and mouse, NULL without an i8042. */
PS2Keyboard *i8042_keyboard(void);
PS2Mouse *i8042_mouse(void);

#endif
