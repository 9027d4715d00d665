/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 93C46 serial EEPROM of 64 words of 16 bits, by its three wires (National
 * Semiconductor NM93C46 data sheet).  Whoever owns it drives CS, SK and DI
 * with microwire_drive() and reads DO from .out.
 */
#ifndef HW_NET_MICROWIRE_H
#define HW_NET_MICROWIRE_H

#include "osdep.h"

enum { MICROWIRE_WORDS = 64 };

typedef struct Microwire {
    uint16_t word[MICROWIRE_WORDS];
    uint32_t in;         /* bits since the start bit, it included */
    uint16_t shift;      /* word that goes out, its top bit next */
    uint8_t bits;        /* how many are in .in */
    bool reading, writable, cs, sk, out;
} Microwire;

void microwire_drive(Microwire *m, bool cs, bool sk, bool di);

struct VMStateDescription;
extern const struct VMStateDescription vmstate_microwire;

#endif
