/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard layouts: which key, with which modifiers, types a character on the
 * guest's keyboard.  "en-us" is built in; others are made with libxkbcommon
 * (some 20 ms) when they are asked for.  Immutable once made: any thread.
 */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include "qapi/qapi-types.h"
#include "util/error.h"

typedef struct Keymap Keymap;

enum { KEYMAP_SHIFT = 1, KEYMAP_ALTGR = 2 };

typedef struct KeymapKey {
    QKeyCode code;
    unsigned mods;   /* KEYMAP_* that must be held */
    bool letter;     /* Caps Lock stands for Shift */
    bool dead;       /* types nothing by itself: the space bar has to follow */
} KeymapKey;

/* By QEMU's names: "de", "en-us", "pt-br".  Owned by the module. */
const Keymap *keymap_get(const char *name, Error **errp);
/* The layout of -k; NULL: none was given. */
extern const Keymap *keymap_of_user;
/* An X keysym that types something; keys without a character (F1, Shift) are
 * found too.  False: no key does. */
bool keymap_find(const Keymap *km, uint32_t keysym, KeymapKey *out);
/* The same for a Unicode character; '\n' is Enter, '\t' is Tab. */
bool keymap_find_char(const Keymap *km, gunichar ch, KeymapKey *out);

#endif
